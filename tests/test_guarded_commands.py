"""Commands never write over what they read, end with one line and a code, and leave nothing."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import etapromise
from etapromise import PromiseModel, TrainingConfig
from etapromise.cli import main
from etapromise.errors import CommandError, ContractError
from etapromise.files import draft_directory, whole_file
from etapromise.locking import one_after_another
from etapromise.operations.events.event_log import EventLog, append_events
from etapromise.operations.models.model_registry import ModelRegistry


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def place(
    model: PromiseModel, orders: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("guards")
    model.save(folder / "model")
    orders.head(20).to_parquet(folder / "orders.parquet")
    orders.head(20).to_csv(folder / "orders.csv", index=False)
    return folder


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("way", ["itself", "a link", "a pattern", "its rejects"])
def test_what_is_read_is_never_overwritten(
    place: Path, tmp_path: Path, form: str, way: str
) -> None:
    source = tmp_path / f"orders.{form}"
    source.write_bytes((place / source.name).read_bytes())
    before, out, given = source.read_bytes(), source, source
    if way == "a link":
        out = tmp_path / f"other.{form}"
        out.symlink_to(source)
    elif way == "a pattern":
        given = tmp_path / f"ord*.{form}"
    elif way == "its rejects":
        given = source.rename(tmp_path / f"scored.rejects.{form}")
        source = given
        out = tmp_path / f"scored.{form}"
    found = run(
        *("score", "--model", place / "model", "--shipments", given),
        *("--as-of", "2025-07-10", "--out", out),
    )
    assert found.exit_code == 2
    assert "--shipments and --out would be the same file" in found.output
    assert source.read_bytes() == before


def test_a_name_that_is_too_long_is_one_line(place: Path) -> None:
    given = ("--model", place / "model", "--shipments", place / "orders.csv")
    found = run("score", *given, "--as-of", "2025-07-10", "--out", "x" * 300)
    assert (found.exit_code, type(found.exception)) == (1, SystemExit)
    assert "name too long" in found.stderr


def test_an_unforeseen_error_is_one_line_and_a_traceback_with_debug(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        message = "something\nnobody thought of"
        raise TypeError(message)

    monkeypatch.setattr(PromiseModel, "promise", fails)
    asked = ("quote", "--model", place / "model", "--origin", "1", "--destination", "2")
    asked += ("--ordered-at", "2025-07-02T10:00+00:00")
    found = run(*asked)
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "failed with TypeError: something nobody thought of" in found.stderr
    assert isinstance(run(*asked, "--debug").exception, TypeError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_device_that_is_full_or_closed_fails(place: Path) -> None:
    command = [sys.executable, "-m", "etapromise", "quote", "--model", str(place / "model")]
    command += ["--origin", "1", "--destination", "2", "--ordered-at", "2025-07-02T10:00+00:00"]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (found.returncode, found.stderr.count("\n")) == (1, 1), found.stderr
    closed = f'"{sys.executable}" -m etapromise {" ".join(command[3:])} >&-'
    found = subprocess.run(
        ["/bin/sh", "-c", closed], stderr=subprocess.PIPE, text=True, check=False
    )
    assert found.returncode == 1
    assert "standard output closed" in found.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_cleanly(tmp_path: Path, number: int, code: int) -> None:
    script = (
        "import signal, sys, time, click\n"
        # A shell lets commands in its background ignore this one.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from etapromise.cli.guarded_command import GuardedCommand\n"
        "from etapromise.files import whole_file\n"
        "@click.command(cls=GuardedCommand)\n"
        "def command():\n"
        f"    with whole_file(Path({str(tmp_path / 'out')!r})) as draft:\n"
        "        draft.write_text('half')\n"
        "        print('writing', flush=True)\n"
        "        time.sleep(30)\n"
        "command()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert process.returncode == code
    assert told.startswith("etapromise: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from etapromise.files import draft_directory, whole_file\n"
        "with whole_file(Path(sys.argv[1], 'table')) as a, "
        "draft_directory(Path(sys.argv[1], 'model')) as b:\n"
        "    a.write_text('half'); (b / 'part').write_text('half')\n"
        "    print('writing', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # Who is still writing is left alone.
        with whole_file(tmp_path / "table") as draft:
            draft.write_text("whole")
        assert len([path for path in tmp_path.iterdir() if path.name.startswith(".")]) == 2
        process.kill()
    with whole_file(tmp_path / "table") as draft, draft_directory(tmp_path / "model"):
        draft.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_a_slow_training_does_not_make_older_knowledge_current(
    model: PromiseModel, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path)
    with registry.lock():
        first = registry.add_trained(model)
        manifest = dict(model.parts.manifest) | {"as_of": "2025-06-01T00:00:00+00:00"}
        older = etapromise.PromiseModel(dataclasses.replace(model.parts, manifest=manifest))
        with pytest.raises(CommandError, match=r"rollback --models .* --to 2025-06-01"):
            registry.add_trained(older)
    assert registry.current == first
    assert len(registry.versions()) == 2
    registry.roll_back("2025-06-01")
    assert registry.current == "2025-06-01"


def test_two_runs_tell_one_file_each_event_once(tmp_path: Path) -> None:
    """Whoever comes second waits until the first has written, and sees what it wrote."""
    out = tmp_path / "events.jsonl"
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from etapromise.locking import one_after_another\n"
        "with one_after_another(Path(sys.argv[1])):\n"
        "    print('holds', flush=True); time.sleep(0.5); Path(sys.argv[1]).write_text('first')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(out)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with one_after_another(out):
            assert out.read_text() == "first"
    assert EventLog(tmp_path / "state").publish(out) == 0
    assert append_events.__module__ == EventLog.__module__


@pytest.mark.parametrize(
    "names",
    [
        {"categorical": ["carrier"]},
        {"categorical": ["service"]},
        {"categorical": ["destination_region"]},
        {"categorical": ["network"]},
        {"numeric": ["weight_kg"]},
        {"numeric": ["dispatch_delay"]},
        {"categorical": ["kind", "kind"]},
        {"categorical": [""]},
    ],
)
def test_what_every_model_learns_from_is_no_further_feature(names: dict[str, list[str]]) -> None:
    with pytest.raises(ContractError, match="as further features"):
        TrainingConfig(**names)  # type: ignore[arg-type]


def test_tables_that_are_none_are_refused_by_name(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    doubled = pd.concat([orders, orders[["origin"]]], axis=1)
    lists = orders.head(2).assign(origin=[["a"], ["b"]])
    dates = orders.head(2).assign(promised_date=["soon", "later"])
    for table, words in (
        (doubled, "origin more than once"),
        (orders.drop(columns="shipment_id"), "no column shipment_id"),
        (orders.drop(columns="origin"), "no column origin"),
        (orders.to_dict("list"), "Found a dict"),
        (lists, "column origin that are no texts"),
        (dates, "column promised_date that are no dates"),
    ):
        with pytest.raises(ContractError, match=words):
            model.promise_many(table)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_a_thread_imports_what_tracks_hangs_nobody(place: Path) -> None:
    script = (
        "import os, sys, threading, time, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "import etapromise\n"
        "model, opening = etapromise.load(sys.argv[1]), threading.Event()\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'etapromise.promise.under_way.open_journeys':\n"
        "            opening.set()\n"
        "            time.sleep(0.5)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "now = model.as_of\n"
        "parcel = dict(shipment_id='1', origin='1', destination='2', ordered_at=now)\n"
        "track = lambda: model.track(parcel, None, now)\n"
        "thread = threading.Thread(target=track)\n"
        "thread.start()\n"
        "opening.wait()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if track().date is not None else 1)\n"
        "thread.join()\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(place / "model")], check=False, timeout=100
    )
    assert found.returncode == 0
