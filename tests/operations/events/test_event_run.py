"""Events out: told once, whatever the order of rows and whenever a run is killed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.errors import CommandError, ContractError
from etapromise.locking import only_writer
from etapromise.operations.events import event_log, event_run
from etapromise.operations.events.detection import EVENT_KINDS, EVENT_TYPES, EventSettings
from etapromise.operations.events.event_log import EventLog
from etapromise.operations.events.event_run import EventRun
from etapromise.promise.under_way.repromise_policy import RepromisePolicy
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF

DAY = pd.Timedelta(days=1)
DAYS = [AS_OF + (2 + count) * DAY for count in range(5)]
SETTINGS = EventSettings(policy=RepromisePolicy(earlier_days=2, earlier_confidence=0.9))


def read_events(path: Path) -> pd.DataFrame:
    """The events of a file, Parquet or JSON lines, with the types that they were written with."""
    if path.suffix == ".parquet":
        found = pd.read_parquet(path)
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = pd.DataFrame(rows, columns=list(EVENT_TYPES))
    times = [name for name, kind in EVENT_TYPES.items() if str(kind).endswith("UTC]")]
    found[times] = found[times].apply(pd.to_datetime, utc=True)
    return found.astype(EVENT_TYPES)


@pytest.fixture(scope="module")
def tables(parcels: TrackedHistory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three weeks of orders around AS_OF, half of them without a promise of the shop's."""
    ordered = parcels.shipments["ordered_at"]
    chosen = (ordered >= AS_OF - 16 * DAY) & (ordered < AS_OF + 6 * DAY)
    shipments = parcels.shipments[chosen].reset_index(drop=True)
    shipments.loc[::2, "promised_date"] = pd.NaT
    scans = parcels.scans[parcels.scans["shipment_id"].isin(shipments["shipment_id"])]
    return shipments, scans.reset_index(drop=True)


def run(
    model: PromiseModel, tables: Any, folder: Path, day: pd.Timestamp, **options: Any
) -> EventRun:
    shipments, scans = tables
    asked: dict[str, Any] = {
        "as_of": day,
        "state": folder / "state",
        "out": folder / "events.jsonl",
        "settings": SETTINGS,
    }
    return event_run.events(model, shipments, scans, **asked | options)


@pytest.fixture(scope="module")
def walked(
    model: PromiseModel, tables: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[EventRun]]:
    """A run each morning; nobody changes the folder afterwards."""
    folder = tmp_path_factory.mktemp("walked")
    return folder, [run(model, tables, folder, day) for day in DAYS]


@pytest.fixture
def events(walked: tuple[Path, list[EventRun]]) -> pd.DataFrame:
    return read_events(walked[0] / "events.jsonl")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_walk_tells_of_everything_and_of_nothing_twice(
    walked: tuple[Path, list[EventRun]], events: pd.DataFrame, tables: Any, parcels: TrackedHistory
) -> None:
    folder, runs = walked
    assert list(events.columns) == list(EVENT_TYPES)
    assert events["event_id"].is_unique
    assert set(events["event"]) <= set(EVENT_KINDS)
    assert {"delivered", "attempted", "delayed", "earlier"} <= set(events["event"])
    assert len(events) == sum(len(told.events) for told in runs) == sum(t.written for t in runs)
    pd.testing.assert_frame_equal(EventLog(folder / "state").events(), events)
    # Every delivery that became known between the first and the last run, once.
    mine = parcels.milestones["shipment_id"].isin(tables[0]["shipment_id"])
    known = parcels.milestones.loc[mine, "delivered_known_at"]
    due = (known > DAYS[0]) & (known <= DAYS[-1])
    delivered = events[(events["event"] == "delivered") & (events["as_of"] > DAYS[0])]
    assert sorted(delivered["shipment_id"]) == sorted(
        parcels.milestones.loc[mine, "shipment_id"][due]
    )
    assert (events["occurred_at"] <= events["as_of"]).all()
    assert events["text"].str.len().min() > 10


def test_dates_form_a_chain_and_the_first_stays(events: pd.DataFrame) -> None:
    for _, own in events.groupby("shipment_id"):
        assert own["original_date"].eq(own["original_date"].iloc[0]).all()
        stands = own["original_date"].iloc[0]
        ways = []
        for row in own.itertuples():
            assert row.standing_date == stands
            if row.event in {"delayed", "earlier"}:
                assert (row.new_date > stands) == (row.event == "delayed")
                ways.append(row.event)
                stands = row.new_date
        assert ways == sorted(ways, reverse=True)  # earlier, and only then delayed
        assert not own["event"].eq("delivered").to_numpy()[:-1].any()


def test_a_delivery_is_judged_by_the_date_that_stood(events: pd.DataFrame) -> None:
    delivered = events[events["event"] == "delivered"]
    late = delivered["new_date"] > delivered["standing_date"]
    assert set(delivered["reason"][late]) == {"late"}
    assert set(delivered["reason"][~late]) == {"on_time"}


def test_the_same_run_twice_adds_nothing(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    shutil.copytree(walked[0], tmp_path / "again")
    before = contents(tmp_path / "again")
    told = run(model, tables, tmp_path / "again", DAYS[-1])
    assert told.events.empty
    assert told.written == 0
    assert contents(tmp_path / "again") == before


def test_neither_the_order_of_rows_nor_what_comes_later_matters(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    shipments, scans = tables
    for count, day in enumerate(DAYS[:2]):
        known = scans[scans["received_at"] <= day]
        mixed = (
            shipments[shipments["ordered_at"] <= day].sample(frac=1, random_state=count),
            pd.concat([known, known.head(50)]).sample(frac=1, random_state=count),
        )
        told = run(model, mixed, tmp_path, day)
        pd.testing.assert_frame_equal(told.events, walked[1][count].events)


def test_parquet_holds_what_the_lines_hold(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    for day in DAYS[:2]:
        run(model, tables, tmp_path, day, out=tmp_path / "events.parquet")
    table = read_events(tmp_path / "events.parquet")
    lines = read_events(walked[0] / "events.jsonl")
    pd.testing.assert_frame_equal(table, lines.head(len(table)))
    first = json.loads((walked[0] / "events.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(first) == list(EVENT_TYPES)
    assert first["as_of"] == DAYS[0].isoformat()


class KilledError(Exception):
    """The process ended here."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    """Let the process end at the step-th change of the disk; gives back the changes so far."""
    done: list[str] = []

    def watched(name: str, change: Any) -> Any:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            if len(done) == step:
                raise KilledError(name)
            done.append(name)
            return change(*arguments, **options)

        return wrapper

    for name in ("replace", "touch", "unlink", "write_text", "mkdir"):
        monkeypatch.setattr(Path, name, watched(name, getattr(Path, name)))
    monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync))
    monkeypatch.setattr(shutil, "rmtree", watched("rmtree", shutil.rmtree))
    return done


def killed_everywhere(monkeypatch: pytest.MonkeyPatch, folder: Path, work: Any, stride: int) -> int:
    """Kill `work` at every stride-th change and do it again; gives back how often that was."""
    done = folder / "done"
    shutil.copytree(folder / "start", done)
    work(done)
    assert contents(done) != contents(folder / "start")
    for step in itertools.count(0, stride):
        killed = folder / f"killed {step}"
        shutil.copytree(folder / "start", killed)
        with monkeypatch.context() as patch:
            changes = killed_at(patch, step)
            try:
                work(killed)
            except KilledError:
                assert len(changes) == step
            else:
                return step
        work(killed)
        assert contents(killed) == contents(done), f"killed after {changes}"
    raise AssertionError


def test_a_run_that_is_killed_loses_and_doubles_nothing(
    model: PromiseModel, tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, tables, tmp_path / "start", DAYS[0])

    def again(folder: Path) -> None:
        run(model, tables, folder, DAYS[1])

    assert killed_everywhere(monkeypatch, tmp_path, again, 9) >= 9


def test_so_does_a_log_that_is_killed_anywhere(
    walked: tuple[Path, list[EventRun]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = EventLog(walked[0] / "state").memory()

    def keep(folder: Path, day: int) -> None:
        log, out = EventLog(folder / "state"), folder / "events.jsonl"
        with log.lock():
            log.publish(out)
            if log.as_of() != DAYS[day]:
                log.commit(walked[1][day].events, memory.iloc[day:], DAYS[day])
                log.publish(out)

    keep(tmp_path / "start", 0)
    assert killed_everywhere(monkeypatch, tmp_path, lambda folder: keep(folder, 1), 1) > 10


def test_a_line_cut_short_is_written_again(
    model: PromiseModel, tables: Any, tmp_path: Path
) -> None:
    run(model, tables, tmp_path, DAYS[0])
    out = tmp_path / "events.jsonl"
    whole = out.read_bytes()
    out.write_bytes(whole[:-40])
    (tmp_path / "state" / "00000001" / "published").unlink()
    assert run(model, tables, tmp_path, DAYS[0]).written == 1
    assert out.read_bytes() == whole


def test_a_file_that_was_taken_away_is_not_filled_again(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    run(model, tables, tmp_path, DAYS[0])
    (tmp_path / "events.jsonl").unlink()
    told = run(model, tables, tmp_path, DAYS[1])
    found = read_events(tmp_path / "events.jsonl")
    assert len(found) == told.written == len(walked[1][1].events)
    assert (found["as_of"] == DAYS[1]).all()


def test_parcels_may_come_in_several_tables(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    """Those that are in no table of a run are kept in mind."""
    shipments, scans = tables
    for day in DAYS[:2]:
        for part in (shipments[::2], shipments[1::2]):
            run(model, (part.reset_index(drop=True), scans), tmp_path, day)
    together = pd.concat([told.events for told in walked[1][:2]])
    apart = read_events(tmp_path / "events.jsonl")
    assert set(apart["event_id"]) == set(together["event_id"])


def test_the_past_is_no_news(model: PromiseModel, tables: Any, tmp_path: Path) -> None:
    late = DAYS[-1] + 4 * DAY
    told = run(model, tables, tmp_path, late, settings=EventSettings(most_age_days=1))
    scanned = told.events[told.events["event"].isin(["delivered", "attempted"])]
    assert len(scanned)
    assert (scanned["occurred_at"] > late - 2 * DAY).all()
    # What is over and told is forgotten, and not told again for that.
    remembered = EventLog(tmp_path / "state").memory()
    assert 0 < len(remembered) < told.parcels
    later = run(model, tables, tmp_path, late + DAY, settings=EventSettings(most_age_days=1))
    assert not set(later.events["event_id"]) & set(told.events["event_id"])


def test_runs_go_forward_one_at_a_time(
    model: PromiseModel, tables: Any, walked: tuple[Path, list[EventRun]], tmp_path: Path
) -> None:
    shutil.copytree(walked[0], tmp_path / "copy")
    with pytest.raises(CommandError, match="expected runs to go forward"):
        run(model, tables, tmp_path / "copy", DAYS[0])
    with (
        only_writer(tmp_path / "copy" / "state"),
        pytest.raises(CommandError, match="locked by another process"),
    ):
        run(model, tables, tmp_path / "copy", DAYS[-1])
    with pytest.raises(CommandError, match="knows no more than its day"):
        run(model, tables, tmp_path, AS_OF - DAY)
    with pytest.raises(ContractError, match="expected a moment such as"):
        run(model, tables, tmp_path, "tomorrow morning")  # type: ignore[arg-type]


def test_files_that_cannot_be_used(model: PromiseModel, tables: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"end in \.jsonl or \.parquet"):
        run(model, tables, tmp_path, DAYS[0], out=tmp_path / "events.txt")
    (tmp_path / "events.jsonl").write_text("hello\n", encoding="utf-8")
    with pytest.raises(CommandError, match="a line that is no event"):
        run(model, tables, tmp_path, DAYS[0])
    # Nothing is lost by that: the run is kept, and handed over where it can be.
    told = run(model, tables, tmp_path, DAYS[0], out=tmp_path / "other.jsonl")
    assert told.written > 0
    memory = next((tmp_path / "state").glob("*/memory.parquet"))
    memory.write_bytes(b"nonsense")
    with pytest.raises(CommandError, match="unreadable"):
        run(model, tables, tmp_path, DAYS[1])
    assert event_log.EventLog(tmp_path / "nowhere").events().empty
