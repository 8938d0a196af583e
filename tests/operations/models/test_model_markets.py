"""Many models: what was current when, what may go, cards and comparisons."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.cli import main
from etapromise.errors import CommandError, ContractError, ModelFileError
from etapromise.operations.models.model_cards import card_of, compare_cards
from etapromise.operations.models.model_registry import ModelRegistry, markets, prune
from tests.small_network import AS_OF, fields_of

DAYS = [pd.Timedelta(days=n) for n in (0, 3, 5, 8)]


@pytest.fixture(scope="module")
def versions(model, parcels):
    return [model, *(model.refresh(parcels, as_of=AS_OF + day) for day in DAYS[1:])]


@pytest.fixture
def registry(tmp_path, versions):
    found = ModelRegistry(tmp_path / "models" / "us")
    with found.lock():
        for number, each in enumerate(versions):
            found.promote(found.add(each), why="refreshed" if number else "trained")
    return found


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_past_quote_is_the_same_to_the_last_bit_after_whatever_came_since(
    tmp_path, versions, orders
):
    registry = ModelRegistry(tmp_path)
    rows = orders.sample(12, random_state=1)
    said = []
    for each, day in zip(versions, DAYS, strict=True):
        registry.promote(registry.add(each), why="refreshed")
        now = registry.load_current()
        said.append((AS_OF + day, [now.promise(**fields_of(row)) for _, row in rows.iterrows()]))
    registry.roll_back()
    for moment, then in said:
        for late in (timedelta(0), timedelta(hours=20)):
            again = registry.load_at((moment + late).to_pydatetime())
            for promise, (_, row) in zip(then, rows.iterrows(), strict=True):
                assert again.promise(**fields_of(row)).as_dict() == promise.as_dict()


def test_the_journal_goes_before_the_moments_where_it_reaches_back(registry):
    # As if the refreshes had taken two hours each: until then the version before was current.
    journal = registry.root / "promotions.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        line["at"] = (datetime.fromisoformat(line["as_of"]) + timedelta(hours=2)).isoformat()
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    second = AS_OF + DAYS[1]
    assert registry.version_at((second + timedelta(hours=1)).to_pydatetime()) == "2025-07-01"
    assert registry.version_at((second + timedelta(hours=3)).to_pydatetime()) == "2025-07-04"


def test_before_the_first_model_nothing_was_current(registry):
    with pytest.raises(CommandError, match="2025-07-01"):
        registry.version_at(datetime(2025, 6, 1, tzinfo=UTC))
    with pytest.raises(ContractError, match="expected a moment"):
        registry.version_at("yesterday")


def test_a_past_moment_may_be_written_in_every_way(registry):
    told = {
        registry.version_at(moment)
        for moment in ("2025-08-01", date(2025, 8, 1), datetime(2025, 8, 1, tzinfo=UTC))
    }
    assert told == {registry.version_at(pd.Timestamp("2025-08-01"))}


def test_a_journal_without_moments_is_read_as_well(registry):
    journal = registry.root / "promotions.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text(
        "".join(
            json.dumps({name: value for name, value in line.items() if name != "as_of"}) + "\n"
            for line in lines
        )
    )
    assert registry.version_at((AS_OF + DAYS[2]).to_pydatetime()) == "2025-07-06"


@settings(deadline=None, max_examples=12)
@given(keep=st.integers(1, 6), back=st.integers(0, 3))
def test_pruning_never_takes_what_is_needed(tmp_path_factory, versions, keep, back):
    registry = ModelRegistry(tmp_path_factory.mktemp("shelf"))
    for each in versions:
        registry.promote(registry.add(each), why="refreshed")
    if back:
        registry.roll_back(registry.versions()[back - 1])
    before, target, current = registry.versions(), registry.roll_back_target(), registry.current
    plan = prune(registry, keep=keep, dry_run=True)
    assert registry.versions() == before
    assert prune(registry, keep=keep) == plan
    left = registry.versions()
    assert {current, target} - {None} <= set(left)
    assert sorted([*left, *plan.removed]) == before
    assert set(left) == set(plan.kept)
    assert len(left) >= min(keep, len(before))
    if target is not None:
        assert registry.roll_back().version == target
    assert not list(registry.root.glob(".*.draft"))


def test_what_was_pruned_is_named_when_it_is_asked_for(registry):
    prune(registry, keep=1)
    assert registry.versions() == ["2025-07-01", "2025-07-06", "2025-07-09"]
    with pytest.raises(ModelFileError, match="2025-07-04"):
        registry.load_at((AS_OF + DAYS[1]).to_pydatetime())
    with pytest.raises(CommandError, match="current"):
        registry.remove(registry.current)
    with pytest.raises(ContractError, match="keep"):
        prune(registry, keep=0)


def test_a_card_tells_quality_as_the_model_recorded_it(registry, model):
    card = card_of(registry.load("2025-07-01"), registry=registry, version="2025-07-01")
    assert json.loads(json.dumps(card)) == card
    assert card["trained_on"] == model.manifest["trained_on"]
    assert sum(map(len, card["features"].values())) == len(model.parts.contract.names)
    network = next(row for row in card["quality"] if row["level"] == "network")
    carriers = [row for row in card["quality"] if row["level"] == "carrier"]
    assert sum(row["judged"] for row in carriers) == network["judged"] > 100
    assert network["kept_low"] <= network["kept_rate"] <= network["kept_high"]
    assert {row["group"] for row in carriers} == {"acme", "birdpost", "corvid", "dromedary"}
    assert card["promotions"][0]["why"] == "trained"
    assert any("stale" in sentence for sentence in card["limits"])


def test_versions_compared_with_themselves_do_not_differ(registry):
    first, last = registry.versions()[0], registry.versions()[-1]
    card = card_of(registry.load(first), registry=registry, version=first)
    same = compare_cards(card, card)
    assert (same["facts"], same["settings"]) == ({}, {})
    assert all(row["change"] == 0 for row in same["quality"])
    other = compare_cards(card, card_of(registry.load(last), registry=registry, version=last))
    assert list(other["facts"]) == ["as_of"]
    assert any(row["change"] for row in other["quality"])


def test_the_commands_list_compare_prune_and_inspect(registry, versions):
    root = registry.root.parent
    other = ModelRegistry(root / "de")
    other.promote(other.add(versions[0]), why="trained")
    assert list(markets(root)) == ["de", "us"]
    listed = run("models", "--models", root).stdout.splitlines()
    assert [line.split()[:2] for line in listed if line.startswith("*")] == [
        ["*", "de/2025-07-01"],
        ["*", "us/2025-07-09"],
    ]
    found = run("models", "--models", root, "--compare", "us/2025-07-01", "us/current")
    assert json.loads(found.stdout)["versions"] == ["2025-07-01", "2025-07-09"]
    dry = run("models", "--models", root, "--market", "us", "--keep", 1, "--dry-run")
    assert dry.stdout == f"{registry.root / '2025-07-04'}\n"
    assert len(registry.versions()) == 4
    assert run("models", "--models", root, "--market", "us", "--keep", 1).stdout == dry.stdout
    assert len(registry.versions()) == 3
    assert run("models", "--models", root, "--market", "fr").exit_code == 2
    assert run("models", "--models", root, "--dry-run").exit_code == 2
    card = run("inspect", "--model", registry.root / "current")
    assert card.exit_code == 0
    assert versions[-1].version in card.stdout
    assert "limits:" in card.stdout
    as_json = run("inspect", "--model", registry.root / "current", "--json")
    assert json.loads(as_json.stdout)["name"] == "2025-07-09"
    as_before = run("inspect", "--model", registry.root / "current", "--format", "json")
    assert as_before.stdout == as_json.stdout
    assert "--format is deprecated: write --json" in as_before.stderr
    calendars = run("inspect", "--model", registry.root / "current", "--calendars", "--json")
    current = registry.load("2025-07-09").learned_calendars()
    assert json.loads(calendars.stdout) == json.loads(json.dumps(current.as_dict()))
    told = run("inspect", "--model", registry.root / "current", "--calendars").stdout
    assert told == current.to_text() + "\n"
    assert "Sun closed" in told


def test_a_quote_as_of_a_past_moment_is_what_was_said_then(registry, versions, orders):
    row = fields_of(orders.iloc[3])
    options = [
        part
        for name in ("origin", "destination", "destination_region", "destination_country")
        for part in (f"--{name.replace('_', '-')}", row[name])
    ]
    options += ["--carrier", row["carrier"], "--service", row["service"]]
    options += ["--ordered-at", "2025-07-04T12:00-05:00"]
    quoted = run("quote", "--model", registry.root, "--as-of", "2025-07-05", *options)
    assert json.loads(quoted.stdout)["model_version"] == versions[1].version
    same = run("quote", "--model", registry.root / "2025-07-04", *options)
    assert same.stdout == quoted.stdout
    link = registry.root / "current"
    assert run("quote", "--model", link, "--as-of", "2025-07-05", *options).stdout == quoted.stdout
    early = run("quote", "--model", registry.root, "--as-of", "2024-07-05", *options)
    assert early.exit_code == 1
    assert "Choose a later moment" in early.stderr
