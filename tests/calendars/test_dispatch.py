"""Dispatch delays against a plain walk through the days; cut-offs and weeks against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etapromise import tracking
from etapromise.calendars.dispatch import NO_CUT_OFF, Dispatch, DispatchCalendars
from etapromise.calendars.dispatch_learning import learn_dispatch
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY
from etapromise.history.learned_calendars import learned_dispatch
from etapromise.history.outcomes import Outcomes
from etapromise_simulator import NetworkConfig, simulate
from tests.calendars.dispatch_delay import dispatch_delay

EPOCH = date(1970, 1, 1)
MONDAY = (date(2025, 3, 3) - EPOCH).days


def clocks_of(rng: np.random.Generator, days: int = 200) -> Clocks:
    return Clocks(
        first_day=MONDAY - 7,
        services=("a",),
        weeks=rng.choice([0.0, 0.5, 1.0], (2, 7), p=[0.2, 0.1, 0.7]),
        calendars=("US\x1f",),
        holidays=rng.choice(3, (2, days), p=[0.9, 0.06, 0.04]).astype(np.uint8),
        holiday_weights=rng.choice([0.0, 0.4, 1.0], (2, HOLIDAY_KINDS)),
    )


def calendars_of(rng: np.random.Generator) -> DispatchCalendars:
    weeks = rng.choice([0.0, 0.3, 1.0], (2, 7), p=[0.25, 0.1, 0.65])
    weeks[:, 2] = 1.0
    handling = np.zeros((2, 16))
    for row in handling:
        shares = rng.dirichlet(np.ones(4))
        row[1:5] = np.cumsum(shares)
        row[4:] = 1.0
    # Of the warehouse, of every one, or none.
    first = MONDAY + rng.integers(0, 20, 2)
    share = rng.choice([0, 50, 100], 2)
    special = np.column_stack([[-1, 1], first, first + rng.integers(0, 4, 2), share])
    special = special[: rng.integers(0, 3)]
    dates = MONDAY + rng.integers(0, 60, 3)
    dated = np.column_stack([[1] * 3, dates, rng.integers(0, 86_400, 3), rng.integers(0, 3, 3)])
    dated = dated[np.unique(dates, return_index=True)[1]][: rng.integers(0, 4)]
    return DispatchCalendars(
        cut_off=np.stack([np.full(7, NO_CUT_OFF), rng.integers(0, 86_400, 7)]).astype(np.int32),
        weeks=weeks,
        holiday_weights=rng.choice([0.0, 0.5, 1.0], (2, HOLIDAY_KINDS)),
        handling=handling,
        special_days=special,
        dated_cut_offs=dated,
    )


def share_on(table: DispatchCalendars, clocks: Clocks, row: int, calendar: int, day: date) -> float:
    """The share of a working day."""
    number = (day - EPOCH).days
    kind = int(clocks.holidays[calendar, number - clocks.first_day])
    share = float(table.weeks[row, day.weekday()])
    share *= float(table.holiday_weights[row, kind - 1]) if kind else 1.0
    for of, first, last, percent in table.special_days.tolist():
        if of in {-1, row} and first <= number <= last:
            share = percent / 100.0
    return share


def next_begin(
    table: DispatchCalendars, row: int, share: Callable[[date], float], day: date, second: int
) -> date:
    """The soonest day that any of the cut-offs from now on leads to."""
    own = [one[1:] for one in table.dated_cut_offs.tolist() if one[0] == row]
    found = []
    for later in range(60):
        at = day + timedelta(later)
        if share(at) <= 0:
            continue
        dated = [(until, wait) for number, until, wait in own if number == (at - EPOCH).days]
        for until, wait in dated or [(int(table.cut_off[row, at.weekday()]), 0)]:
            if later or second < until:
                begun, left = at, wait
                while left:
                    begun += timedelta(1)
                    left -= share(begun) > 0
                found.append(begun)
    return min(found)


def plain_delay(
    table: DispatchCalendars,
    clocks: Clocks,
    row: int,
    calendar: int,
    order_day: int,
    second: int,
    clock: int,
) -> float:
    """Expected reading at the pick-up, by walking from day to day."""

    def finished(worked: float) -> float:
        steps = table.handling[row]
        if worked >= len(steps) - 1:
            return 1.0
        low = int(worked)
        return float(steps[low] + (worked - low) * (steps[low + 1] - steps[low]))

    share = partial(share_on, table, clocks, row, calendar)
    own = [day for of, day, *_ in table.dated_cut_offs.tolist() if of == row]
    day = EPOCH + timedelta(order_day)
    waits = None
    if own and (not table.wait_row[row] or order_day in own):
        begun = next_begin(table, row, share, day, second)
        day, second = begun, 0 if begun > day else second
    if table.wait_row[row]:
        week = table.wait[table.wait_row[row] - 1][day.weekday()]
        is_holiday = share(day) == 0.0 and table.weeks[row, day.weekday()] > 0
        waits = float(np.interp(0.0 if is_holiday else second / 3600, np.arange(25), week))
    elif not own:
        day += timedelta(second >= int(table.cut_off[row, day.weekday()]))
    worked, done, expected = 0.0, 0.0, []
    for _ in range(90):
        worked += share(day)
        now = finished(worked) if waits is None else min(max(worked - waits, done), 1.0)
        # By the end of the day: it goes on from the next one.
        column = (day - EPOCH).days - clocks.first_day + 1
        expected.append((now - done) * (float(clocks.elapsed[clock, column]) - 1.0))
        done = now
        day += timedelta(1)
    undelayed = sum(
        step * (table.handling[row, step + 1] - table.handling[row, step])
        for step in range(table.handling.shape[1] - 1)
    )
    return (
        math.fsum(expected) - float(clocks.elapsed[clock, order_day - clocks.first_day]) - undelayed
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), day=st.integers(0, 60), second=st.integers(0, 86_399))
def test_a_dispatch_delay_is_what_walking_through_the_days_gives(
    seed: int, day: int, second: int
) -> None:
    rng = np.random.default_rng(seed)
    clocks, table = clocks_of(rng), calendars_of(rng)
    waits = np.sort(3.0 * rng.random((rng.integers(0, 2), 7, 25)), axis=2)
    soonest = rng.integers(0, 4, (len(waits), 7, 24)).astype(np.uint8)
    table = replace(
        table, wait_row=np.array([0, len(waits)], np.int32), wait=waits, soonest=soonest
    )
    dispatch = Dispatch(("W",), table, clocks)
    for row in (0, 1):
        for calendar in (0, 1):
            clock = clocks.row(1, calendar)
            expected = plain_delay(table, clocks, row, calendar, MONDAY + day, second, clock)
            one = dispatch_delay(dispatch, row, calendar, MONDAY + day, second, clock)
            assert one == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), day=st.integers(0, 60), hours=st.integers(0, 95))
def test_an_order_an_hour_later_is_never_nearer_to_its_pick_up(
    seed: int, day: int, hours: int
) -> None:
    rng = np.random.default_rng(seed)
    clocks = clocks_of(rng)
    dispatch = Dispatch(("W",), calendars_of(rng), clocks)
    clock = clocks.row(1, 1)

    def reading(hour: int) -> float:
        order_day = MONDAY + day + hour // 24
        start = clocks.elapsed[clock, order_day - clocks.first_day]
        return float(start) + dispatch_delay(dispatch, 1, 1, order_day, hour % 24 * 3600, clock)

    assert reading(hours + 1) >= reading(hours) - 1e-9


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), second=st.integers(0, 86_399))
def test_a_minute_of_cut_off_moves_only_the_orders_between(seed: int, second: int) -> None:
    rng = np.random.default_rng(seed)
    clocks, table = clocks_of(rng), calendars_of(rng)
    later = np.minimum(table.cut_off + 60, NO_CUT_OFF).astype(np.int32)
    moved = replace(table, cut_off=later)
    before, after = (Dispatch(("W",), each, clocks) for each in (table, moved))
    arguments = (1, 1, MONDAY + 3, second, clocks.row(1, 1))
    weekday = (MONDAY + 3 + 3) % 7
    if not table.cut_off[1, weekday] <= second < moved.cut_off[1, weekday]:
        assert dispatch_delay(before, *arguments) == dispatch_delay(after, *arguments)


def test_a_warehouse_never_seen_delays_nothing() -> None:
    rng = np.random.default_rng(0)
    clocks = clocks_of(rng)
    dispatch = Dispatch.unknown(clocks)
    assert dispatch.row(["somewhere", "else"]) == 0
    for second in (0, 86_399):
        assert dispatch_delay(dispatch, 0, 1, MONDAY, second, clocks.row(1, 1)) == 0.0


def learned(
    order_day: NDArray[np.int64], second: NDArray[np.int64], pickup: NDArray[np.int64]
) -> Dispatch:
    rng = np.random.default_rng(1)
    zeros = np.zeros(len(order_day), np.int64)
    return learn_dispatch(
        keys=[(zeros, ["W"])] * 4,
        order_day=order_day,
        second=second,
        pickup_day=pickup,
        calendar=zeros,
        clocks=clocks_of(rng, 900),
    )


def test_where_the_hour_does_not_matter_there_is_no_cut_off() -> None:
    rng = np.random.default_rng(5)
    order_day = MONDAY + np.arange(3000) % 300
    second = rng.integers(0, 86_400, 3000)
    dispatch = learned(order_day, second, order_day + rng.integers(0, 4, 3000))
    assert (dispatch.calendars.cut_off == NO_CUT_OFF).all()
    assert (dispatch.calendars.weeks == 1.0).all()


def test_weeks_cut_offs_and_holidays_of_warehouses_are_the_true_ones() -> None:
    network = simulate(NetworkConfig(seed=4, days=200, shipments_per_day=50.0, drift=0.0))
    tracked = tracking.history(network.shipments, network.scans)
    known = KnownOrders.of(tracked, tracked.scans["received_at"].max())
    encoder = known.encoder(
        numeric=(), categorical=(), default_time_zone=None, give_up_after=known.give_up_after()
    )
    dispatch = encoder.dispatch
    orders = tracked.shipments.groupby(["origin_country", "origin", "service"]).size()
    near = []
    for (country, origin, service), count in orders.items():
        row = dispatch.row(["", "", f"{country}\x1f{origin}\x1f{service}", ""])
        assert row > 0
        if count > 500:
            found = int(dispatch.calendars.cut_off[row, 0])
            near.append(abs(found - network.oracle.cut_off(origin, service)) <= 1800)
    assert len(near) >= 5
    assert np.mean(near) >= 0.8


def test_later_pick_ups_change_nothing_that_was_learned_before() -> None:
    network = simulate(NetworkConfig(seed=4, days=60, shipments_per_day=20.0))
    moment = tracking.history(network.shipments, network.scans).scans["received_at"].quantile(0.6)
    tables = []
    for scans in (network.scans, network.scans[network.scans["received_at"] < moment]):
        known = KnownOrders.of(tracking.history(network.shipments, scans), moment)
        encoder = known.encoder(
            numeric=(), categorical=(), default_time_zone=None, give_up_after=30
        )
        tables.append(
            (encoder.dispatch.keys, encoder.dispatch.calendars.to_arrays(), encoder.clocks.weeks)
        )
    assert tables[0][0] == tables[1][0]
    for name, array in tables[0][1].items():
        np.testing.assert_array_equal(array, tables[1][1][name])
    np.testing.assert_array_equal(tables[0][2], tables[1][2])


def test_the_quick_of_the_last_days_do_not_stand_for_those_still_waiting() -> None:
    rng = np.random.default_rng(8)
    days, a_day, slowest = 30, 100, 10
    start = MONDAY + np.repeat(np.arange(days), a_day)
    taken = rng.integers(0, slowest, len(start))
    as_of_day = MONDAY + days
    picked = start + taken < as_of_day
    # Of a young warehouse all days are of late; every day of its week is worked.
    results = Outcomes(
        as_of_day=as_of_day,
        start_day=start.astype(np.int32),
        event_day=np.full(len(start), NEVER_DAY, np.int64),
        event_known_day=np.full(len(start), NEVER_DAY, np.int32),
        pickup_day=np.where(picked, start + taken, NEVER_DAY),
        pickup_known_day=np.where(picked, start + taken, NEVER_DAY).astype(np.int32),
        closed_day=np.full(len(start), NEVER_DAY, np.int32),
        within=np.full(len(start), 0.5),
    )
    shipments = pd.DataFrame(
        {
            "ordered_at": pd.to_datetime(start, unit="D", utc=True) + pd.Timedelta(hours=9),
            "carrier": "acme",
            "service": "ground",
            "origin": "W",
            "origin_country": "GB",
            "origin_region": "",
            "origin_time_zone": "UTC",
        }
    )
    clocks = Clocks(
        first_day=MONDAY - 7,
        services=(),
        weeks=np.ones((1, 7)),
        calendars=(),
        holidays=np.zeros((1, 200), np.uint8),
        holiday_weights=np.ones((1, HOLIDAY_KINDS)),
    )
    dispatch = learned_dispatch(
        shipments, results, clocks, ZoneMap.learned(shipments, default="UTC")
    )
    handling = np.diff(dispatch.calendars.handling[-1])
    found = float(handling @ np.arange(len(handling)))
    truth = (slowest - 1) / 2
    naive = float(taken[picked].mean())
    assert truth - naive > 0.3
    assert abs(found - truth) < 0.15


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1000),
    hours=st.floats(12.0, 30.0),
    # Two closed days in a row pool what waits and hide the hours: a cut-off explains as much.
    closed=st.sets(st.integers(0, 6), max_size=2).filter(
        lambda days: not any((day + 1) % 7 in days for day in days)
    ),
)
def test_handling_around_the_clock_is_a_slope(seed: int, hours: float, closed: set[int]) -> None:
    """Who orders later waits for a later day, without a step; and never for an earlier one."""
    rng = np.random.default_rng(seed)
    count = 3000
    ordered = np.sort(rng.uniform(0.0, 150.0, count))
    ready = ordered + hours / 24.0 * np.exp(rng.normal(0.0, 0.5, count))
    picked = np.floor(ready).astype(np.int64)
    for _ in range(7):
        picked += np.isin((picked + MONDAY + 3) % 7, list(closed))
    clocks = Clocks(
        first_day=MONDAY - 7,
        services=("a",),
        weeks=np.ones((2, 7)),
        calendars=("US\x1f",),
        holidays=np.zeros((2, 200), np.uint8),
        holiday_weights=np.ones((2, HOLIDAY_KINDS)),
    )
    order_day = np.floor(ordered).astype(np.int64)
    dispatch = learn_dispatch(
        keys=[(np.zeros(count, np.int64), ["W"])] * 4,
        order_day=order_day + MONDAY,
        second=((ordered - order_day) * 86_400).astype(np.int64),
        pickup_day=picked + MONDAY,
        calendar=np.zeros(count, np.int64),
        clocks=clocks,
    )
    assert dispatch.calendars.wait_row[1] > 0
    days, seconds = np.divmod(np.arange(14 * 24) * 3600 + 1800, 86_400)
    picked_up = [
        day + dispatch_delay(dispatch, 1, 0, MONDAY + 21 + day, second, 0)
        for day, second in zip(days.tolist(), seconds.tolist(), strict=True)
    ]
    rise = np.diff(picked_up)
    assert rise.min() >= -1e-9
    if not closed:
        assert rise.max() < 0.4


@pytest.mark.parametrize("quick", [0.3, 0.15])
def test_hardly_any_order_is_fetched_before_the_soonest_pick_up(quick: float) -> None:
    """Nor of a warehouse that fetches some the same day and the rest three days later.

    Of their mean wait, two days, the floor of the promises was made: all mass lay on one date.
    """
    rng = np.random.default_rng(3)
    count = 4000
    ordered = np.sort(rng.uniform(0.0, 180.0, count))
    order_day = np.floor(ordered).astype(np.int64)
    second = ((ordered - order_day) * 86_400).astype(np.int64)
    waited = np.where(rng.random(count) < quick, 2.0, 40.0) * np.exp(rng.normal(0.0, 0.3, count))
    # The night's lorry takes what is ready, so the hour of an order tells of its wait.
    worked = np.floor(ordered + waited / 24.0) - order_day
    dispatch = learn_dispatch(
        keys=[(np.zeros(count, np.int64), ["W"])] * 4,
        order_day=order_day + MONDAY,
        second=second,
        pickup_day=order_day + worked.astype(np.int64) + MONDAY,
        calendar=np.zeros(count, np.int64),
        clocks=replace(clocks_of(rng, 900), holidays=np.zeros((2, 900), np.uint8)),
    )
    told = np.flatnonzero(dispatch.calendars.wait_row)
    assert len(told)
    for row in told:
        soonest = dispatch.calendars.soonest[dispatch.calendars.wait_row[row] - 1]
        before = worked < soonest[(order_day + MONDAY + 3) % 7, second // 3600]
        assert before.mean() < 0.1


def test_each_wait_by_hour_has_its_soonest() -> None:
    """Compiled code would read behind the end of the shorter table."""
    one = DispatchCalendars.unknown()
    waits = {"wait_row": np.ones(1, np.int32), "wait": np.zeros((1, 7, 25))}
    with pytest.raises(ValueError, match="1 waits by hour, the soonest of 0"):
        replace(one, **waits)


@pytest.mark.parametrize("dated", [[], [[0, MONDAY + 30, 9 * 3600, 0]]])
def test_a_cut_off_beside_waits_begins_no_other_day(dated: list[list[int]]) -> None:
    """What it costs is in the waits, also where a calendar file names another date's."""
    calendars = replace(
        DispatchCalendars.unknown(),
        cut_off=np.full((1, 7), 15 * 3600, np.int32),
        dated_cut_offs=np.array(dated, np.int64).reshape(-1, 4),
        wait_row=np.ones(1, np.int32),
        wait=np.zeros((1, 7, 25)),
        missed=np.ones((1, 7)),
        soonest=np.zeros((1, 7, 24), np.uint8),
    )
    clocks = replace(clocks_of(np.random.default_rng(0)), holidays=np.zeros((2, 200), np.uint8))
    dispatch = Dispatch((), calendars, clocks)
    second = np.array([14 * 3600, 16 * 3600], np.int32)
    row, day = np.zeros(2, np.int32), np.full(2, MONDAY, np.int32)
    assert dispatch.begin_days(row, row, day, second).tolist() == [MONDAY, MONDAY]
    before, after = (dispatch_delay(dispatch, 0, 0, MONDAY, each, 0) for each in second.tolist())
    assert after > before


def test_a_warehouse_around_the_clock_among_others_with_a_cut_off() -> None:
    """A dozen of its orders tell its hours, though hours tell nothing of the network."""
    rng = np.random.default_rng(2)
    few, many = 30, 3000
    ordered = np.sort(rng.uniform(0.0, 150.0, few + many))
    small = np.zeros(few + many, bool)
    small[:: (few + many) // few] = True
    small &= np.cumsum(small) <= few
    order_day = np.floor(ordered).astype(np.int64)
    second = ((ordered - order_day) * 86_400).astype(np.int64)
    ready = np.floor(ordered + 20.0 / 24.0 * np.exp(rng.normal(0.0, 0.5, few + many)))
    pickup = np.where(small, ready, order_day + (second >= 14 * 3600)).astype(np.int64)
    dispatch = learn_dispatch(
        keys=[(np.zeros(few + many, np.int64), ["R"])] + [(small.astype(np.int64), ["M", "S"])] * 3,
        order_day=order_day + MONDAY,
        second=second,
        pickup_day=pickup + MONDAY,
        calendar=np.zeros(few + many, np.int64),
        clocks=clocks_of(rng, 900),
    )
    calendars, row = dispatch.calendars, dispatch.row(["R", "S"])
    assert calendars.wait_row[0] == 0
    assert calendars.wait_row[row] > 0
    assert len(calendars.soonest) == len(calendars.wait)
