"""What became of parcels as of a moment: one parcel at a time, and across clock changes."""

from __future__ import annotations

import dataclasses
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from etapromise import tracking
from etapromise.calendars.zones import ZoneMap
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.outcomes import day_of, outcomes, spread_within_day
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF

EPOCH = pd.Timestamp("1970-01-01")
GIVE_UP = 30


def utc_day(moment: pd.Timestamp) -> int:
    return (moment.tz_convert("UTC").tz_localize(None).normalize() - EPOCH).days


def local_day(moment: pd.Timestamp, zone: str) -> int:
    return moment.to_pydatetime().astimezone(ZoneInfo(zone)).toordinal() - 719_163


def test_every_parcel_equals_one_looked_at_alone(known: KnownOrders) -> None:
    zones = ZoneMap.learned(known.shipments, default=None)
    results = outcomes(
        known.shipments, known.milestones, zones=zones, as_of=AS_OF, give_up_after=GIVE_UP
    )
    assert results.as_of_day == utc_day(AS_OF)
    for i in range(0, len(known.shipments), 7):
        shipment, row = known.shipments.iloc[i], known.milestones.iloc[i]
        start = utc_day(shipment["ordered_at"])
        arrived = row["event_known_at"] < AS_OF
        event = (
            local_day(row["event_at"], shipment["destination_time_zone"]) if arrived else NEVER_DAY
        )
        known_day = utc_day(row["event_known_at"]) if arrived else NEVER_DAY
        closed = utc_day(row["closed_known_at"]) if row["closed_known_at"] < AS_OF else NEVER_DAY
        closed = min(closed, start + GIVE_UP)
        assert results.start_day[i] == start
        assert results.event_day[i] == event
        assert results.event_known_day[i] == known_day
        assert results.closed_day[i] == closed
        in_time = known_day <= closed
        assert results.arrived[i] == (arrived and in_time)
        assert results.closed[i] == (not (arrived and in_time) and closed < utc_day(AS_OF))


@pytest.mark.parametrize("back", [3, 17, 60])
def test_an_earlier_day_is_what_was_received_by_then(known: KnownOrders, back: int) -> None:
    zones = ZoneMap.learned(known.shipments, default=None)
    moment = AS_OF - pd.Timedelta(days=back)

    def at(milestones: pd.DataFrame, moment: pd.Timestamp) -> object:
        return outcomes(
            known.shipments, milestones, zones=zones, as_of=moment, give_up_after=GIVE_UP
        )

    whole = at(known.milestones, AS_OF).as_of(day_of(moment))
    then = at(known.milestones, moment)
    for name in ("event_day", "event_known_day", "pickup_day", "pickup_known_day"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(then, name))
    for name in ("arrived", "closed"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(then, name))


def test_a_moment_within_a_day_sees_what_its_midnight_saw(parcels: TrackedHistory) -> None:
    assert day_of(pd.Timestamp("1970-01-03", tz="UTC")) == 2
    assert day_of(pd.Timestamp("1970-01-03T01:00", tz="Europe/Berlin")) == 2
    noon = KnownOrders.of(parcels, AS_OF + pd.Timedelta(hours=12))
    midnight = KnownOrders.of(parcels, AS_OF)
    assert noon.moment == midnight.moment == AS_OF
    pd.testing.assert_frame_equal(noon.shipments, midnight.shipments)


def one_parcel(ordered: str, zone: str, scans: list[tuple[str, str]]) -> TrackedHistory:
    shipments = pd.DataFrame(
        {
            "shipment_id": ["p"],
            "ordered_at": pd.to_datetime([ordered], utc=True),
            "origin": ["a"],
            "destination": ["b"],
            "destination_time_zone": [zone],
        }
    )
    table = pd.DataFrame(scans, columns=["scanned_at", "status"]).assign(shipment_id="p")
    table["scanned_at"] = pd.to_datetime(table["scanned_at"], utc=True)
    return tracking.history(shipments, table)


@pytest.mark.parametrize(
    ("delivered", "zone", "local"),
    [
        ("2025-03-09T07:59:00Z", "America/Los_Angeles", "2025-03-08"),  # the night clocks go on
        ("2025-03-10T06:30:00Z", "America/Los_Angeles", "2025-03-09"),
        ("2025-03-10T07:00:00Z", "America/Los_Angeles", "2025-03-10"),
        ("2025-10-26T22:59:59Z", "Europe/Berlin", "2025-10-26"),  # a day of 25 hours
        ("2025-10-26T23:00:00Z", "Europe/Berlin", "2025-10-27"),
        ("2025-01-31T10:59:00Z", "Pacific/Auckland", "2025-01-31"),
        ("2025-01-31T11:00:00Z", "Pacific/Auckland", "2025-02-01"),
    ],
)
def test_the_event_is_dated_where_the_customer_is(delivered: str, zone: str, local: str) -> None:
    tracked = one_parcel("2025-01-02T12:00Z", zone, [(delivered, "delivered")])
    results = outcomes(
        tracked.shipments,
        tracked.milestones,
        zones=ZoneMap.learned(tracked.shipments, default=None),
        as_of=pd.Timestamp("2026-01-01", tz="UTC"),
        give_up_after=400,
    )
    assert np.datetime64(int(results.event_day[0]), "D") == np.datetime64(local)


@pytest.mark.parametrize("status", ["returned", "lost", "cancelled", None])
def test_what_never_arrives_is_closed_when_that_is_known_or_given_up(status: str | None) -> None:
    scans = [("2025-01-03T10:00Z", "picked_up")]
    if status:
        scans.append(("2025-01-10T10:00Z", status))
    tracked = one_parcel("2025-01-02T12:00Z", "UTC", scans)
    for moment, closed in (
        ("2025-01-10", False),
        ("2025-01-11", status is not None),
        ("2025-02-01", status is not None),
        ("2025-02-02", True),
    ):
        results = outcomes(
            tracked.shipments,
            tracked.milestones,
            zones=ZoneMap.learned(tracked.shipments, default=None),
            as_of=pd.Timestamp(moment, tz="UTC"),
            give_up_after=GIVE_UP,
        )
        assert bool(results.closed[0]) == closed, moment
        assert not results.arrived[0]


def test_cancelled_orders_are_left_out_once_that_is_known(parcels: TrackedHistory) -> None:
    milestones = parcels.milestones.copy()
    cancelled = np.arange(0, 200, 4)
    milestones.loc[cancelled, "closed_as"] = "cancelled"
    milestones.loc[cancelled, "closed_known_at"] = AS_OF - pd.Timedelta(days=1)
    milestones.loc[cancelled[::2], "closed_known_at"] = AS_OF
    changed = dataclasses.replace(parcels, milestones=milestones)
    before, after = KnownOrders.of(parcels, AS_OF), KnownOrders.of(changed, AS_OF)
    gone = set(before.shipments["shipment_id"]) - set(after.shipments["shipment_id"])
    expected = parcels.shipments["shipment_id"].iloc[np.setdiff1d(cancelled, cancelled[::2])]
    assert gone == set(expected)


def test_the_place_within_a_day_is_fixed_and_even(known: KnownOrders) -> None:
    names = known.shipments["shipment_id"]
    within = spread_within_day(names)
    assert (within == spread_within_day(names.iloc[::-1])[::-1]).all()
    assert within.min() > 0
    assert within.max() < 1
    # Kolmogorov's distance of as many even numbers is below this in 999 of 1000 cases.
    rank = (np.arange(len(within)) + 0.5) / len(within)
    assert np.abs(np.sort(within) - rank).max() < 1.95 / np.sqrt(len(within))


def test_durations_run_on_the_operational_clock(gathered: HistoryAsOf) -> None:
    """From the order's date and its lead to a point within the event's, day by day."""
    results, requests, clocks = gathered.outcomes, gathered.requests, gathered.encoder.clocks
    total = results.total(requests, clocks, 1.0)
    share = np.diff(clocks.elapsed, axis=1)
    for i in np.flatnonzero(results.arrived)[::61]:
        row = share[requests.clock[i]]
        first = requests.order_day[i] - clocks.first_day
        last = int(results.event_day[i]) - clocks.first_day
        days = row[first:last].sum() + row[last] * results.within[i]
        days = max(days - requests.dispatch_delay[i], 0.0)
        assert np.exp(total.value[i]) - 1.0 == pytest.approx(days, abs=1e-9)
    unknown = results.event_known_day == NEVER_DAY
    assert np.isnan(total.value[unknown]).all()
    assert not np.isnan(total.value[~unknown]).any()
