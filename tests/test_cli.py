"""The command line: results on stdout or in files, talk on stderr, and telling exit codes."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import etapromise
from etapromise.cli import main
from etapromise.cli.arguments import ProgressBar
from etapromise.cli.tables import RepeatedNotes
from etapromise.evaluation import backtest
from etapromise.evaluation.repromise_replay import read_policy
from etapromise.evaluation.scorecards import scorecard
from etapromise.in_transit.training import TransitSettings
from etapromise.operations import retraining
from etapromise.tracking.faults import Note
from etapromise.training import config as training_config
from tests.small_network import AS_OF, TRAINING

CALENDARS = Path(__file__).parents[1] / "docs" / "calendars.toml"
COMMANDS = sorted(main.commands)
QUICK = replace(TRAINING.boosting, rounds=8, learning_rate=0.4)


@pytest.fixture(scope="module")
def files(tmp_path_factory, simulation, model):
    """Tables and a directory of models as a shop would have them."""
    folder = tmp_path_factory.mktemp("shop")
    simulation.shipments.to_parquet(folder / "shipments.parquet")
    simulation.scans.to_parquet(folder / "scans.parquet")
    ordered = simulation.shipments["ordered_at"]
    recent = (ordered >= AS_OF - pd.Timedelta(days=4)) & (ordered < AS_OF)
    simulation.shipments[recent].to_parquet(folder / "orders.parquet")
    simulation.shipments[recent].drop(columns="destination").to_parquet(folder / "broken.parquet")
    model.save(folder / "model")
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Training with few trees: what commands make of a model does not hang on how good it is."""
    # Bound before it is replaced.
    assert retraining.TrainingConfig is training_config.TrainingConfig
    transit = TransitSettings(boosting=QUICK, most_looks=6_000)
    small = functools.partial(
        training_config.TrainingConfig, boosting=QUICK, transit=transit, members=1
    )
    monkeypatch.setattr(training_config, "TrainingConfig", small)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def tables(files):
    return (
        "--shipments",
        files / "shipments.parquet",
        "--scans",
        files / "scans.parquet",
    )


QUOTE = {
    "origin": "60492",
    "destination": "90585",
    "destination_region": "CA",
    "destination_country": "US",
    "carrier": "acme",
    "service": "ground",
}
QUOTE_OPTIONS = [
    part for name, value in QUOTE.items() for part in (f"--{name.replace('_', '-')}", value)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command):
    found = run(command, "--help")
    assert found.exit_code == 0
    assert f"Example:\n    etapromise {command} " in found.stdout
    assert main.commands[command].help


def test_the_commands_are_listed_and_the_version_told():
    assert all(command in run("--help").stdout for command in COMMANDS)
    assert run("--version").stdout.startswith("etapromise, version ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["quote", "--origin", "1"], "Missing option"),
        (["train", "--as-of", "yesterday", "--out", "x"], "no moment"),
        (["score", "--model", "/nowhere"], "does not exist"),
        (["sample", "--out", "x", "--days", "0"], "--days"),
        (["sample", "--out", "x", "--days", "100000"], "days is 100000"),
    ],
)
def test_bad_usage_exits_with_2(arguments, message):
    found = run(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stdout == ""


def test_training_writes_a_version_and_makes_it_current(files, tmp_path, quick):
    models = tmp_path / "models"
    broken = tmp_path / "broken.toml"
    broken.write_text("[[closures]]\ndays = 5\n")
    wanted = ("train", *tables(files), "--as-of", "2025-07-01", "--out", models, "--calendars")
    refused = run(*wanted, broken)
    assert refused.exit_code == 2
    assert f"line 2 of {broken}" in refused.stderr
    found = run(*wanted, CALENDARS)
    assert found.exit_code == 0, found.stderr
    assert etapromise.load(models / "current").calendars.text == CALENDARS.read_text()
    assert found.stdout == f"{models / '2025-07-01'}\n"
    assert "shipments: " in found.stderr
    assert "duplicate_scan" in found.stderr
    assert etapromise.load(models / "current").as_of == AS_OF


def test_an_as_of_before_the_first_scan_fails_in_one_line(files, tmp_path, quick):
    found = run("train", *tables(files), "--as-of", "2001-01-01", "--out", tmp_path / "models")
    assert found.exit_code == 1
    assert found.stdout == ""
    assert found.stderr.splitlines()[-1].startswith("etapromise: Found no order before")
    # What was rejected is told before, and nothing else is there.
    assert {path.name for path in (tmp_path / "models").glob("*")} <= {"scan_rejects.parquet"}


def test_a_quote_is_what_the_library_says(files, model):
    moment = "2025-07-03T10:30:00-05:00"
    expected = model.promise(**QUOTE, ordered_at=pd.Timestamp(moment).to_pydatetime())
    asked = ("quote", "--model", files / "model", *QUOTE_OPTIONS, "--ordered-at", moment)
    found = run(*asked)
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout) == expected.as_dict()
    assert run(*asked, "--format", "text").stdout == expected.text("en") + "\n"
    assert run(*asked, "--format", "text", "--locale", "de").stdout == expected.text("de") + "\n"
    assert json.loads(run(*asked, "--format", "json-ld").stdout) == expected.as_json_ld()
    later = json.loads(run(*asked, "--service-level", "0.97").stdout)
    assert later["estimated_delivery_date"] >= expected.date.isoformat()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ordered-at", "2025-07-03T10:30"], "no time zone"),
        (["--ordered-at", "2025-07-03T10:30Z", "--service-level", "1.0"], "--service-level"),
        (["--ordered-at", "2025-07-03T10:30Z", "--field", "weight"], "name=value"),
        (["--ordered-at", "2025-07-03T10:30Z", "--format", "text", "--locale", "xx"], "xx"),
    ],
)
def test_a_quote_that_cannot_be_given_is_bad_usage(files, options, message):
    found = run("quote", "--model", files / "model", *QUOTE_OPTIONS, *options)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stdout == ""


def test_a_damaged_model_fails(files, tmp_path, model):
    broken = model.save(tmp_path / "broken")
    (broken / "manifest.json").write_text("{")
    found = run("quote", "--model", broken, *QUOTE_OPTIONS, "--ordered-at", "2025-07-03T10:30Z")
    assert found.exit_code == 1
    assert "manifest.json" in found.stderr


def test_scoring_writes_promises_and_rejects(files, tmp_path):
    out = tmp_path / "scored.parquet"
    found = run(
        "score", "--model", files / "model", "--shipments", files / "orders.parquet",
        "--as-of", AS_OF.isoformat(), "--out", out,
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    promises, rejects = pd.read_parquet(out), pd.read_parquet(tmp_path / "scored.rejects.parquet")
    orders = pd.read_parquet(files / "orders.parquet")
    assert promises["shipment_id"].tolist() == orders["shipment_id"].tolist()
    assert len(rejects) == 0
    assert f"{len(orders):,} promises" in found.stdout


def test_scoring_with_scans_says_where_each_parcel_stands(files, tmp_path):
    out = tmp_path / "tracked.parquet"
    found = run(
        "score", "--model", files / "model", "--shipments", files / "orders.parquet",
        "--scans", files / "scans.parquet", "--as-of", AS_OF.isoformat(),
        "--at-risk-budget", "0.1", "--out", out,
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    told = pd.read_parquet(out)
    assert set(told["stage"]) >= {"ordered", "in_transit"}
    assert told["last_scan_at"].dropna().max() <= AS_OF
    open_ = told[~told["stage"].isin(("delivered", "returned", "returning"))]
    assert (open_["estimated_delivery_date"] >= AS_OF.date() - pd.Timedelta(days=1)).all()
    assert told["at_risk"].mean() < told["late_probability"].gt(0.02).mean()
    rejected = pd.read_parquet(tmp_path / "tracked.scan_rejects.parquet")
    assert f"{len(rejected):,} rejected scans" in found.stdout


def test_a_table_without_a_needed_column_fails_in_one_line(files, tmp_path):
    out = tmp_path / "scored.parquet"
    found = run(
        "score", "--model", files / "model", "--shipments", files / "broken.parquet",
        "--as-of", AS_OF.isoformat(), "--out", out,
    )  # fmt: skip
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "destination" in found.stderr
    assert not out.exists()
    assert run(
        "score", "--model", files / "model", "--shipments", files / "orders.parquet",
        "--as-of", AS_OF.isoformat(), "--out", tmp_path / "scored.xlsx",
    ).exit_code == 2  # fmt: skip


@pytest.mark.parametrize("event", ["first_attempt", "available_for_pickup"])
def test_another_event_is_trained_refreshed_and_walked(files, tmp_path, quick, event):
    models = tmp_path / "models"
    done = run("train", *tables(files), "--as-of", AS_OF, "--event", event, "--out", models)
    assert done.exit_code == 0, done.output
    later = AS_OF + pd.Timedelta(days=2)
    done = run("refresh", *tables(files), "--as-of", later, "--models", models)
    assert done.exit_code == 0, done.output
    assert etapromise.load(models / "current").event == event
    done = run(
        "backtest", *tables(files), "--from", "2025-06-10", "--to", "2025-06-14",
        "--event", event, "--jobs", 1, "--refresh-every", 7, "--out", tmp_path / "report",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "report" / "backtest.json").read_text())["event"] == event


def test_a_backtest_writes_its_table_its_numbers_and_its_page(files, tmp_path, quick):
    found = run(
        "backtest", *tables(files), "--from", "2025-06-10", "--to", "2025-06-24",
        "--every", "week", "--refresh-every", "7", "--jobs", "1", "--service-level", "0.8",
        "--service-level", "0.92", "--out", tmp_path,
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[-1] == str(tmp_path / "report.html")
    assert [line.split(":")[0] for line in lines[:-1]] == ["80 %", "92 %"]
    facts = json.loads((tmp_path / "backtest.json").read_text())
    table = pd.read_parquet(tmp_path / "promises.parquet")
    assert facts["main_level"] == 0.92
    assert sum(step["quoted"] for step in facts["steps"]) == len(table)
    assert table["ordered_at"].between("2025-06-10", "2025-06-24", inclusive="left").all()
    assert "</html>" in (tmp_path / "report.html").read_text()


def test_a_backtest_trains_as_train_does(files, tmp_path, monkeypatch):
    told = {}

    def walk(history, config, *, fit, progress):
        told["recipe"] = fit.config
        raise etapromise.CommandError("seen enough")

    monkeypatch.setattr(backtest, "run_backtest", walk)
    asked = ["--from", "2025-06-10", "--to", "2025-06-14", "--out", tmp_path]
    run(
        "backtest", *tables(files), *asked, "--numeric", "basket", "--categorical", "picker",
        "--set", "boosting.num_leaves=7", "--calendars", CALENDARS,
    )  # fmt: skip
    recipe = told["recipe"]
    assert (recipe.numeric, recipe.categorical) == (("basket",), ("picker",))
    assert recipe.boosting.num_leaves == 7
    assert recipe.calendars.text == CALENDARS.read_text(encoding="utf-8")
    # A calendar that stands in a mapping counts in a walk too.
    mapping = tmp_path / "mapping.toml"
    columns = {
        "shipments": ("shipment_id", "ordered_at", "origin", "destination"),
        "scans": ("shipment_id", "scanned_at", "status"),
    }
    lines = ["[[closures]]", 'days = ["2025-06-12"]']
    for name, known in columns.items():
        lines += [f"[{name}]", f'files = ["{files / name}.parquet"]', f"[{name}.columns]"]
        lines += [f'{column} = "{column}"' for column in known]
    mapping.write_text("\n".join(lines))
    with pytest.raises(etapromise.CommandError, match="seen enough"):
        etapromise.backtest(mapping=mapping, start="2025-06-10", end="2025-06-14", max_rejects=1.0)
    assert "2025-06-12" in told["recipe"].calendars.text


def test_an_end_before_the_start_is_bad_usage(files, tmp_path):
    found = run(
        "backtest", *tables(files), "--from", "2025-07-02", "--to", "2025-07-01", "--out", tmp_path
    )
    assert found.exit_code == 2
    assert "end after its start" in found.stderr


def test_retraining_promotes_refuses_and_goes_back(files, tmp_path, quick):
    models = tmp_path / "models"
    # A champion of before the judged weeks, so that it is judged itself: its challenger knows more.
    trained = run("train", *tables(files), "--as-of", "2025-06-10", "--out", models)
    assert trained.exit_code == 0
    common = ("retrain", *tables(files), "--models", models, "--judge-days", "21",
              "--refresh-every", "7")  # fmt: skip
    # There are not as many judged promises in a single day as it takes to judge anybody.
    single_day = ("retrain", *tables(files), "--models", models, "--judge-days", "1")
    (models / "scan_rejects.parquet").unlink()  # of the training
    before = sorted(models.rglob("*"))
    refused = run(*single_day, "--as-of", "2025-07-15", "--dry-run", "--json")
    assert sorted(models.rglob("*")) == before
    assert refused.exit_code == 3, refused.stderr
    assert json.loads(refused.stdout)["outcome"] == "would refuse"
    assert "would refuse: only" in refused.stderr
    closed = tmp_path / "closed.toml"
    closed.write_text('[[closures]]\ndays = ["2025-12-24 to 2025-12-26"]\n')
    promoted = run(*common, "--as-of", "2025-07-15", "--calendars", closed)
    assert promoted.exit_code == 0, promoted.stderr
    first, judged, *checks, record = promoted.stdout.splitlines()
    assert first == "promoted: 2025-07-15, no check failed"
    assert judged.startswith("judged by ")
    kept = json.loads(Path(record.removeprefix("record: ")).read_text())
    assert [line.split()[:2] for line in checks] == [
        ["ok", f"{c['name']}:"] for c in kept["checks"]
    ]
    assert kept["challenger"]["version"] == "2025-07-15"
    refreshed = run("refresh", *tables(files), "--models", models, "--as-of", "2025-07-16")
    assert refreshed.stdout == f"{models / '2025-07-16'}\n"
    assert etapromise.load(models / "current").calendars.text == closed.read_text()
    # A feed that has ended months ago moves no date, unless it is asked for.
    ended = ("refresh", *tables(files), "--models", models, "--as-of", "2026-03-01")
    stays = run(*ended)
    assert stays.exit_code == 3
    assert "Look at the feed" in stays.stderr
    assert "the current model stays" in stays.stderr
    assert etapromise.load(models / "current").version.startswith("2025-07-16")
    earlier = run(*common, "--as-of", "2025-07-02")
    assert earlier.exit_code == 1
    assert "later than" in earlier.stderr
    listed = run("models", "--models", models).stdout.splitlines()
    assert [line.split()[-1] for line in listed] == ["orders"] * 3
    assert listed[-1].startswith("* 2025-07-16")
    assert run("rollback", "--models", models).stdout == f"{models / '2025-07-15'}\n"
    back = run("rollback", "--models", models, "--to", "2025-06-10")
    assert back.stdout == f"{models / '2025-06-10'}\n"
    assert run("rollback", "--models", models, "--to", "2024-01-01").exit_code == 1
    assert run(*ended, "--force").stdout == f"{models / '2026-03-01'}\n"


def test_a_command_of_every_night_tells_a_note_once(tmp_path, capsys):
    """Again where it has grown by half, or is a new one; the file has all of the last night."""

    def night(share, *more):
        told = RepeatedNotes(tmp_path)
        told.tell(f"a note of {share}", key="a", share=share)
        for text in more:
            told.tell(text)
        told.keep()
        return capsys.readouterr().err.splitlines()

    assert night(0.10) == ["a note of 0.1"]
    assert night(0.12)[0].startswith("1 note is as before")
    assert night(0.14, "another")[0] == "another"  # 0.14 beside the 0.10 that was told
    assert night(0.16, "another")[0] == "a note of 0.16"
    assert "2 notes are as before" in night(0.17, "another")[-1]
    kept = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))
    assert [note["text"] for note in kept.values()] == ["a note of 0.17", "another"]
    RepeatedNotes(tmp_path).keep()
    assert night(0.10) == ["a note of 0.1"]


@pytest.mark.parametrize(
    ("told", "of_one"),
    [
        ("could not be read and were left empty", "could not be read and was left empty"),
        ("names are written in several ways", "name is written in several ways"),
        ("orders wait for a release; their clock", "order waits for a release; their clock"),
        ("were taken from a country with several zones", "was taken from a country with several"),
        ("are of shipments that are not in the table, and were", "is of shipments that are not"),
    ],
)
def test_a_note_about_one_value_is_about_one(told, of_one):
    note = Note(reason="", column="", rows=2, told=told)
    assert str(note) == f"2 {told}"
    assert str(replace(note, rows=1)).startswith(f"1 {of_one}")


def test_progress_in_a_log_says_what_each_stage_came_to(capsys):
    bar = ProgressBar()
    for done in range(1, 31):
        bar("one", done, 300)
    bar("other", 5, 5)
    bar.close()
    assert capsys.readouterr().err.splitlines() == [
        "one: 30 of at most 300, 0 s",
        "other: 5 of at most 5, 0 s",
    ]


def test_a_sample_of_another_seed_is_written(tmp_path):
    found = run("sample", "--out", tmp_path, "--seed", "3", "--days", "20",
                "--shipments-per-day", "5")  # fmt: skip
    assert found.exit_code == 0, found.stderr
    rows = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in
            found.stdout.splitlines()}  # fmt: skip
    assert len(rows) == 3
    for path, count in rows.items():
        assert len(pd.read_parquet(path)) == count


@pytest.mark.parametrize("name", ["cards.parquet", "cards.json", "cards.html"])
def test_scorecards_are_what_the_library_says(files, parcels, tmp_path, name):
    out = tmp_path / name
    asked = ("--as-of", "2025-07-01", "--by", "carrier", "--by", "destination_region")
    found = run("scorecard", *tables(files), *asked, "--out", out)
    assert found.exit_code == 0, found.stderr
    table = scorecard(parcels, as_of=AS_OF, by=("carrier", "destination_region"))
    assert found.stdout == f"{out}  {len(table):,} groups\n"
    if out.suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(out), table)
    else:
        assert "acme" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (["--by", "colour"], 2, "colour"),
        (["--out", "cards.txt"], 2, "expected it to end in .parquet"),
        (["--by", "service"], 1, "carrier among them"),
        (["--since", "2026-07-01"], 1, "no parcel ordered"),
    ],
)
def test_scorecards_that_cannot_be_made(files, tmp_path, asked, code, message):
    out = () if "--out" in asked else ("--out", tmp_path / "cards.csv")
    found = run("scorecard", *tables(files), "--as-of", "2025-07-01", *out, *asked)
    assert found.exit_code == code
    assert message in found.stderr


def test_events_are_told_once(files, tmp_path):
    out, state = tmp_path / "events.jsonl", tmp_path / "state"
    asked = (*tables(files), "--model", files / "model", "--state", state, "--out", out)
    first = run("events", *asked, "--as-of", "2025-07-03T06:00Z")
    assert first.exit_code == 0, first.stderr
    lines = out.read_text(encoding="utf-8").splitlines()
    assert first.stdout == f"{out}  {len(lines)} events\n"
    assert "under way" in first.stderr
    told = [json.loads(line) for line in lines]
    assert {"delivered", "attempted"} <= {event["event"] for event in told}
    again = run("events", *asked, "--as-of", "2025-07-03T06:00Z")
    assert again.stdout == f"{out}  0 events\n"
    policy = tmp_path / "policy.json"
    policy.write_text('{"tell_below": 0.7, "calm_above": 0.8, "stable_looks": 1}')
    later = run("events", *asked, "--as-of", "2025-07-04T06:00Z", "--policy", policy)
    assert later.exit_code == 0, later.stderr
    grown = out.read_text(encoding="utf-8").splitlines()
    assert grown[: len(lines)] == lines
    assert later.stdout == f"{out}  {len(grown) - len(lines)} events\n"
    back = run("events", *asked, "--as-of", "2025-07-02T06:00Z")
    assert back.exit_code == 1
    assert "expected runs to go forward" in back.stderr
    for text in ('{"loud": 1}', '{"tell_below": "often"}', "{", '{"tell_below": 2}'):
        policy.write_text(text)
        bad = run("events", *asked, "--as-of", "2025-07-05T06:00Z", "--policy", policy)
        assert bad.exit_code == 1
        assert "expected" in bad.stderr
    named = run("events", *asked[:-1], tmp_path / "events.txt", "--as-of", "2025-07-05")
    assert named.exit_code == 2


def test_a_policy_is_picked_on_the_past(files, model, parcels, tmp_path):
    start = pd.Timestamp("2025-05-20", tz="UTC")
    model.refresh(parcels, as_of=start).save(tmp_path / "earlier")
    out = tmp_path / "policy.json"
    asked = ("--model", tmp_path / "earlier", "--from", "2025-05-20", "--to", "2025-05-30")
    found = run("repromise", *tables(files), *asked, "--out", out)
    assert found.exit_code == 0, found.stderr
    record = json.loads(found.stdout)
    assert record["parcels"] > 100
    assert record["changes_per_parcel"] <= 0.3
    assert read_policy(out).stable_looks >= 1
