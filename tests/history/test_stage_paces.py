"""Handling and way have paces of their own: pick-ups tell of a backlog before any delivery does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etapromise import TrainingConfig, tracking
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY, EffectSettings
from etapromise.history.features import FeatureContract
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.outcomes import start_clock

DAYS, PER_DAY = 120, 10
FIRST = pd.Timestamp("2025-01-06", tz="UTC")
WAY_DAYS = 6
OFFSET = EffectSettings().offset


def clock_at(gathered: HistoryAsOf, row: int, day: int) -> float:
    clocks = gathered.encoder.clocks
    return float(clocks.elapsed[gathered.requests.clock[row], day - clocks.first_day])


def test_the_way_is_what_the_whole_leaves_of_the_handling(gathered: HistoryAsOf) -> None:
    results, requests, clocks = gathered.outcomes, gathered.requests, gathered.encoder.clocks
    way = results.durations(requests, requests, clocks, OFFSET)[2]
    begun = start_clock(clocks, requests)
    both = (results.event_known_day < NEVER_DAY) & (results.pickup_known_day < NEVER_DAY)
    assert both.sum() > 1_000
    for row in np.flatnonzero(both)[::97]:
        ends = []
        for day in (results.pickup_day[row], results.event_day[row]):
            before, after = (clock_at(gathered, row, int(day) + k) for k in (0, 1))
            ends.append(max(before + (after - before) * results.within[row] - begun[row], 0.0))
        assert np.exp(way.value[row]) - OFFSET == pytest.approx(max(ends[1] - ends[0], 0.0))
        assert way.known_day[row] == max(
            results.event_known_day[row], results.pickup_known_day[row]
        )


def test_of_a_pickup_nobody_knows_before_it_is_received(gathered: HistoryAsOf) -> None:
    requests, clocks = gathered.requests, gathered.encoder.clocks
    day = gathered.outcomes.as_of_day - 30
    late = np.flatnonzero(
        (gathered.outcomes.start_day < day) & (gathered.outcomes.pickup_known_day >= day)
    )
    assert len(late)
    way = gathered.outcomes.durations(requests, requests, clocks, OFFSET)[2]
    then = gathered.outcomes.as_of(day).durations(requests, requests, clocks, OFFSET)[2]
    for row in late:
        now = clock_at(gathered, row, day)
        # Neither has lasted for any time on that day.
        assert way.start_clock[row] >= now
        assert then.start_clock[row] >= now


def test_without_pickup_scans_the_way_is_the_whole(gathered: HistoryAsOf) -> None:
    requests, clocks = gathered.requests, gathered.encoder.clocks
    never = np.full(len(requests), NEVER_DAY)
    results = replace(gathered.outcomes, pickup_day=never, pickup_known_day=never.astype(np.int32))
    way = results.durations(requests, requests, clocks, OFFSET)[2]
    whole = results.total(requests, clocks, OFFSET)
    for name in ("value", "start_clock", "known_day", "closed_day"):
        np.testing.assert_array_equal(getattr(way, name), getattr(whole, name))


def offsets(
    handling_days: np.ndarray, way_days: int = WAY_DAYS, like: HistoryAsOf | None = None
) -> tuple[np.ndarray, HistoryAsOf]:
    """(DAYS,) log durations that the orders of each day are promised by, as that day knew.

    Calendars and the memory of the pace are of the whole past, so what is compared has the same.
    """
    day = np.repeat(np.arange(DAYS), PER_DAY)
    ids = [f"P{number:05d}" for number in range(len(day))]
    ordered = FIRST + pd.to_timedelta(day * 24.0 + 8.0 + np.arange(len(day)) % PER_DAY, unit="h")
    picked = ordered.normalize() + pd.to_timedelta(handling_days[day] * 24.0 + 20.0, unit="h")
    arrived = picked + pd.to_timedelta(way_days * 24.0 + np.arange(len(day)) % 3 * 24.0, unit="h")
    shipments = pd.DataFrame(
        {
            "shipment_id": ids,
            "ordered_at": ordered,
            "origin": "10115",
            "origin_country": "DE",
            "destination": np.where(np.arange(len(day)) % 2, "80331", "20095"),
            "destination_country": "DE",
            "destination_time_zone": "UTC",
            "carrier": "acme",
            "service": "ground",
        }
    )
    scans = pd.concat(
        [
            pd.DataFrame({"shipment_id": ids, "scanned_at": at, "status": status})
            for at, status in ((picked, "picked_up"), (arrived, "delivered"))
        ]
    )
    scans["received_at"] = scans["scanned_at"] + pd.Timedelta(minutes=5)
    end = FIRST + pd.Timedelta(days=DAYS)
    known = KnownOrders.of(tracking.history(shipments, scans).known_at(end), end)
    give_up = known.give_up_after()
    encoder, settings = (
        (like.encoder, like.statistics.settings)
        if like
        else (
            known.encoder(
                numeric=(), categorical=(), default_time_zone="UTC", give_up_after=give_up
            ),
            TrainingConfig().effects,
        )
    )
    gathered = HistoryAsOf.of(EncodedOrders.of(known, encoder, give_up), settings)
    contract = FeatureContract(("total:service.effect",))
    _, offset = gathered.features(gathered.builder(contract), np.arange(len(known)))
    return offset.reshape(DAYS, PER_DAY).mean(axis=1), gathered


def test_a_backlog_is_told_by_pickups_and_so_is_its_end() -> None:
    usual = np.ones(DAYS)
    backlog = usual.copy()
    backlog[90:97] = 4.0
    _, like = offsets(usual)
    # What never moved says nothing of how long a pace is remembered.
    settings = replace(like.statistics.settings, handling_pace_half_life=6.0)
    like = replace(like, statistics=replace(like.statistics, settings=settings))
    (calm, _), (slow, _) = offsets(usual, like=like), offsets(backlog, like=like)
    assert slow[:91] == pytest.approx(calm[:91], abs=1e-9)
    slower = slow - calm
    # Orders of day 90 are picked up on the 94th, and delivered on the 100th at the earliest.
    assert slower[96] > 0.02
    assert slower[99] > 0.05
    # From the 97th day on orders are picked up at once: when those of the backlog are delivered at
    # last, it is no news, and what they tell of now is past.
    assert slower[100:].max() < 1.05 * slower[:100].max()
    assert slower[-1] < 0.5 * slower.max()


def test_a_slow_carrier_is_not_the_warehouses_doing() -> None:
    """Two days more on the way tell as much of an order as they stretch its way, not more."""
    (quick, _), (slow, _) = offsets(np.ones(DAYS), 4), offsets(np.ones(DAYS), 8)
    # Nothing is of now where everything is as ever.
    for told in (quick, slow):
        assert np.ptp(told[80:]) < 0.05
    assert slow[100] - quick[100] == pytest.approx(np.log((9 + 2) / (5 + 2)), abs=0.1)
