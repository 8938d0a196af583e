"""A sweep that goes on where another time's stood is the whole one, whatever has changed since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etapromise.history import effects
from etapromise.history.as_of import KnownOrders
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.kept_effects import KeptEffects
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF

DAY = pd.Timedelta(days=1)
NEXT = AS_OF + DAY
# Of every week one day is kept: some of those of AS_OF, and the second one after them.
OLDEST, OLD, OLDER, KEPT, AFTER = 20_237, 20_244, 20_251, 20_258, 20_272


@pytest.fixture(scope="module")
def encoder(gathered):
    return gathered.encoder


@pytest.fixture(scope="module")
def give_up(known) -> int:
    days: int = known.give_up_after()
    return days


@pytest.fixture
def begun(monkeypatch) -> list[int | None]:
    """The day on which each sweep begins, None: the first."""
    days: list[int | None] = []
    run = effects.Sweep.run

    def noted(self, end_day, *, resume=None, **others):
        days.append(None if resume is None else resume.day)
        return run(self, end_day, resume=resume, **others)

    monkeypatch.setattr(effects.Sweep, "run", noted)
    return days


@pytest.fixture
def night(encoder, give_up, gathered, begun, tmp_path):
    """Gathers a history twice, with and without what is kept; gives back where it began."""

    # Those of a model, as a refresh has them.
    settings = gathered.statistics.settings

    def gather(parcels: TrackedHistory, moment: pd.Timestamp, every: int = 3) -> int | None:
        known = KnownOrders.of(parcels, moment)
        orders = EncodedOrders.of(known, known.encoder_like(encoder), give_up)
        start = orders.outcomes.start_day
        # Some parcels of the past, and all of late.
        rows = np.flatnonzero((np.arange(len(start)) % every == 0) | (start > start[-1] - 20))
        wanted = effects.WantedDays(rows=rows, later=rows)
        expected = HistoryAsOf.of(orders, settings, wanted)
        begun.clear()
        kept = KeptEffects(tmp_path / "kept" / "effects.npz")
        found = HistoryAsOf.of(orders, settings, wanted, kept)
        for name in ("total", "handling"):
            for part in ("statistics", "at_order"):
                one, other = (getattr(getattr(each, part), name) for each in (found, expected))
                assert one.tobytes() == other.tobytes(), (part, name)
        assert len(begun) == 3
        assert len(set(begun)) == 1
        return begun[0]

    return gather


def with_milestones(parcels: TrackedHistory, row: int, **values: object) -> TrackedHistory:
    milestones = parcels.milestones.copy()
    for name, value in values.items():
        milestones.loc[row, name] = value
    return replace(parcels, milestones=milestones)


def ordered(parcels: TrackedHistory, day: int) -> int:
    """A parcel that was ordered on a day and delivered within five days."""
    days = parcels.shipments["ordered_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    known = parcels.milestones["event_known_at"].dt.tz_localize(None).to_numpy()
    quick = known.astype("datetime64[D]") <= np.datetime64(day + 5, "D")
    return int(np.flatnonzero((days == np.datetime64(day, "D")) & quick)[0])


def test_the_next_nights_go_on(parcels, night) -> None:
    assert night(parcels, AS_OF) is None
    assert night(parcels, NEXT) == KEPT
    assert night(parcels, NEXT) == KEPT
    # Another day is kept by now, and from then on that is the one.
    assert night(parcels, AS_OF + 12 * DAY) == KEPT
    assert night(parcels, AS_OF + 13 * DAY) == AFTER
    # What is known by then is nothing for an earlier moment, which leaves it alone.
    assert night(parcels, AS_OF - 60 * DAY) is None
    assert night(parcels, AS_OF + 13 * DAY) == AFTER


def test_an_earlier_moment_goes_on_from_an_earlier_day(parcels, night) -> None:
    assert night(parcels, AS_OF, 1) is None
    assert night(parcels, AS_OF - 20 * DAY, 1) == OLD
    assert night(parcels, NEXT, 1) == KEPT


@pytest.mark.parametrize(
    ("day", "change", "begins"),
    [
        (KEPT - 30, {"closed_as": "cancelled", "closed_known_at": NEXT - DAY}, None),
        (KEPT - 15, {"closed_as": "cancelled", "closed_known_at": NEXT - DAY}, OLDEST),
        (KEPT - 5, {"closed_as": "cancelled", "closed_known_at": NEXT - DAY}, OLDER),
        (KEPT + 3, {"closed_as": "cancelled", "closed_known_at": NEXT - DAY}, KEPT),
        # A delivery scan that came late and one that is taken back; what is known later is no news.
        (KEPT - 40, {"event_known_at": pd.Timestamp(KEPT - 20, unit="D", tz="UTC")}, None),
        (KEPT - 40, {"event_known_at": pd.NaT, "event_at": pd.NaT}, None),
        (KEPT - 40, {"picked_up_known_at": pd.NaT, "picked_up_at": pd.NaT}, None),
        (KEPT + 1, {"event_known_at": pd.NaT, "event_at": pd.NaT}, KEPT),
    ],
)
def test_what_changes_the_past_is_seen(parcels, night, day, change, begins) -> None:
    night(parcels, AS_OF)
    changed = with_milestones(parcels, ordered(parcels, day), **change)
    assert night(changed, NEXT) == begins
    # What is kept now is of the past as it is told now.
    assert night(changed, NEXT) == KEPT


def test_a_delivery_that_becomes_known_later_changes_nothing_of_before(parcels, night) -> None:
    row = ordered(parcels, KEPT - 3)
    late = pd.Timestamp(KEPT + 20, unit="D", tz="UTC")
    open_then = with_milestones(parcels, row, event_known_at=pd.NaT, event_at=pd.NaT)
    night(open_then, AS_OF)
    told = with_milestones(parcels, row, event_known_at=late)
    assert night(told, NEXT) == KEPT


def test_a_pickup_that_becomes_known_later_changes_nothing_of_before(parcels, night) -> None:
    row = ordered(parcels, KEPT - 3)
    late = pd.Timestamp(KEPT + 20, unit="D", tz="UTC")
    nothing = {"event_known_at": pd.NaT, "event_at": pd.NaT}
    waiting = {**nothing, "picked_up_known_at": pd.NaT, "picked_up_at": pd.NaT}
    night(with_milestones(parcels, row, **waiting), AS_OF)
    told = with_milestones(parcels, row, **nothing, picked_up_known_at=late, picked_up_at=late)
    assert night(told, NEXT) == KEPT


def test_the_day_before_is_gone_back_to(parcels, night) -> None:
    night(parcels, AS_OF)
    night(parcels, AS_OF + 12 * DAY)
    cancelled = {"closed_as": "cancelled", "closed_known_at": AS_OF + 12 * DAY}
    changed = with_milestones(parcels, ordered(parcels, AFTER - 10), **cancelled)
    assert night(changed, AS_OF + 13 * DAY) == KEPT
    assert night(changed, AS_OF + 13 * DAY) == AFTER


def test_keys_that_are_new_move_the_rows_of_the_others(parcels, night) -> None:
    young = parcels.shipments["ordered_at"] >= AS_OF
    before = replace(
        parcels,
        shipments=parcels.shipments[~young].reset_index(drop=True),
        milestones=parcels.milestones[~young].reset_index(drop=True),
    )
    night(before, AS_OF)
    shipments = parcels.shipments.copy()
    first = np.flatnonzero(young)[:5]
    shipments.loc[first, "carrier"] = "aaa, the first of all carriers"
    assert night(replace(parcels, shipments=shipments), NEXT) == KEPT
    # They may be gone again.
    assert night(parcels, NEXT + DAY) == KEPT


def test_more_parcels_asked_for_than_were_kept_need_the_whole_sweep(parcels, night) -> None:
    night(parcels, AS_OF, 3)
    assert night(parcels, NEXT, 2) is None
    assert night(parcels, NEXT, 2) == KEPT


def flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]


def rewritten(path: Path, **changes: np.ndarray) -> bytes:
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **(arrays | changes))  # type: ignore[arg-type]
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "flipped", "fewer open", "other rows", "not finite"])
def test_a_damaged_file_is_told_and_made_again(parcels, night, tmp_path, damage) -> None:
    night(parcels, AS_OF)
    path = tmp_path / "kept" / "effects.npz"
    content = path.read_bytes()
    with np.load(path) as stored:
        state = {name: stored[name] for name in stored.files if name.startswith("4.total.")}
    begins = None
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "flipped":
        path.write_bytes(flipped(content))
    elif damage == "fewer open":
        fewer = {
            n: state[f"4.total.{n}"][..., 1:] for n in ("own", "explained", "settled", "above")
        }
        rewritten(path, **{f"4.total.{name}": array for name, array in fewer.items()})
        begins = OLDER
    elif damage == "other rows":
        rewritten(path, **{"4.total.sums": state["4.total.sums"][1:]})
    else:
        rewritten(path, **{"4.total.sums": state["4.total.sums"] * np.nan})
    with pytest.warns(RuntimeWarning, match="damaged and is made again"):
        assert night(parcels, NEXT) == begins
    assert night(parcels, NEXT) == KEPT


def test_where_nothing_can_be_kept_every_night_is_whole(parcels, night, tmp_path) -> None:
    (tmp_path / "kept").write_text("no directory")
    assert night(parcels, AS_OF) is None
    assert night(parcels, NEXT) is None
