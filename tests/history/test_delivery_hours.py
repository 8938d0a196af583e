"""The time of the day: shares that add up, windows that hold what they say, on later weeks too."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import tracking
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.history.as_of import KnownOrders
from etapromise.history.delivery_hours import HOUR_LEVELS, DeliveryHours, learn_delivery_hours
from etapromise.history.outcomes import outcomes
from etapromise_simulator import NetworkConfig, Simulation, simulate
from tests.stored import stored_part

AS_OF_DAY = 20_000
FIELDS = ("carrier", "service", "destination_country", "destination_region")


def keys_of(orders: list[dict[str, str]]) -> list[tuple[np.ndarray, list[str]]]:
    found = []
    for level in HOUR_LEVELS:
        texts = ["\x1f".join(order[column] for column in level.columns) for order in orders]
        distinct = sorted(set(texts))
        found.append((np.array([distinct.index(text) for text in texts], np.int64), distinct))
    return found


def learned(orders: list[dict[str, str]], second: np.ndarray, day: np.ndarray) -> DeliveryHours:
    return learn_delivery_hours(
        keys_of(orders), day=day, second=second, known_day=day, as_of_day=AS_OF_DAY
    )


def an_order(carrier: str, region: str = "CA") -> dict[str, str]:
    return dict(zip(FIELDS, (carrier, "ground", "US", region), strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), count=st.integers(1, 400), level=st.floats(0.05, 0.99))
def test_the_shortest_window_holds_what_it_says(seed: int, count: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    orders = [an_order("ab"[k], f"R{r}") for k, r in rng.integers(0, 2, (count, 2))]
    second = (rng.normal(14, 3, count) * 3600).clip(0, 86_399).astype(np.int64)
    hours = learned(orders, second, AS_OF_DAY - 1 - rng.integers(0, 60, count))
    assert (np.diff(hours.cumulative, axis=1) >= 0).all()
    assert (hours.cumulative[:, 0] == 0).all()
    np.testing.assert_allclose(hours.cumulative[:, -1], 1.0)
    row = hours.row(orders[0], 3)
    # Without later weeks to measure on, what is asked for is what it holds.
    low, high = hours.shortest(row, level)
    assert 0 <= low < high <= 86_400
    held = hours.before(row, high) - hours.before(row, low)
    assert held >= level - 1e-9
    for start in range(0, 86_400, 1800):  # no window of that length from a half hour on holds more
        other = hours.before(row, min(start + high - low - 60, 86_400)) - hours.before(row, start)
        assert other <= held + 1e-9


def test_a_row_is_its_own_with_much_evidence_and_its_parents_with_none() -> None:
    rng = np.random.default_rng(1)
    count = 3000
    orders = [an_order("early" if k % 2 else "late") for k in range(count)]
    hour = np.where(np.arange(count) % 2, 9.0, 18.0) + rng.random(count)
    hours = learned(orders, (hour * 3600).astype(np.int64), AS_OF_DAY - 1 - np.arange(count) % 60)
    for weekday in range(7):
        early = hours.row(an_order("early"), weekday)
        assert hours.before(early, 11 * 3600) > 0.8
        assert hours.before(hours.row(an_order("late"), weekday), 11 * 3600) < 0.2
        # A region never seen is told by its carrier, and a carrier never seen by the network.
        assert hours.before(hours.row(an_order("early", "??"), weekday), 11 * 3600) > 0.8
        assert hours.row(an_order("new"), weekday) == 0
    assert hours.before(0, 13 * 3600) == pytest.approx(0.5, abs=0.03)


def test_a_weekday_of_its_own_is_told() -> None:
    day = AS_OF_DAY - 1 - np.arange(4000) % 84
    saturday = (day + 3) % 7 == 5
    second = np.where(saturday, 9, 17) * 3600 + np.arange(4000) % 3600
    hours = learned([an_order("a")] * 4000, second, day)
    assert hours.before(hours.row(an_order("a"), 5), 13 * 3600) > 0.9
    assert hours.before(hours.row(an_order("a"), 2), 13 * 3600) < 0.1


def test_what_is_received_later_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    day = AS_OF_DAY - 1 - rng.integers(0, 90, 2000)
    known = day + rng.integers(0, 5, 2000)
    second = (rng.normal(14, 3, 2000) * 3600).clip(0, 86_399).astype(np.int64)
    orders = [an_order("a", f"R{k % 3}") for k in range(2000)]
    seen = np.flatnonzero(known < AS_OF_DAY - 30)
    early, late = (
        learn_delivery_hours(
            keys_of([orders[row] for row in rows]),
            day=day[rows],
            second=second[rows],
            known_day=known[rows],
            as_of_day=AS_OF_DAY - 30,
        )
        for rows in (seen, np.arange(2000))
    )
    assert early.keys == late.keys
    np.testing.assert_allclose(early.cumulative, late.cumulative)
    np.testing.assert_allclose(early.held, late.held)
    assert len(early.held) > 2


def test_arrays_bring_it_back() -> None:
    hours = learned(
        [an_order("a"), an_order("b")] * 20, np.arange(40) * 2000, np.arange(40) + 19_950
    )
    again = DeliveryHours.stored(stored_part(hours.to_arrays()))
    assert again.keys == hours.keys
    assert (again.cumulative == hours.cumulative).all()
    empty = learn_delivery_hours(
        [(np.zeros(0, np.int64), [""])] * 4,
        **dict.fromkeys(("day", "second", "known_day"), np.zeros(0, np.int64)),
        as_of_day=AS_OF_DAY,
    )
    assert DeliveryHours.stored(stored_part(empty.to_arrays())).keys == ()
    assert empty.before(0, 43_200) == pytest.approx(0.5)  # nothing is known of the day


@pytest.fixture(scope="module")
def network() -> tuple[Simulation, Any]:
    simulation = simulate(
        NetworkConfig(seed=3, start=date(2025, 1, 6), days=245, shipments_per_day=60.0)
    )
    return simulation, tracking.history(simulation.shipments, simulation.scans)


def test_windows_hold_on_later_weeks_what_they_say(network: tuple[Simulation, Any]) -> None:
    """Deliveries of the five weeks after the moment, every weekday, carrier and region."""
    _, tracked = network
    moment = pd.Timestamp("2025-08-01", tz="UTC")
    known = KnownOrders.of(tracked, moment)
    zones = ZoneMap.learned(known.shipments, default=None)
    results = outcomes(
        known.shipments, known.milestones, zones=zones, as_of=moment, give_up_after=60
    )
    hours = known.delivery_hours(results, zones)
    event = tracked.milestones["event_at"]
    rows = np.flatnonzero((event >= moment) & (event < moment + pd.Timedelta(days=35)))
    orders = tracked.shipments.iloc[rows]
    names, _ = zones.resolve_many(orders, "destination")
    local = local_seconds(event.iloc[rows], names)
    day, second = np.divmod(local, 86_400)
    row = np.array(
        [
            hours.row(fields, int(weekday))
            for fields, weekday in zip(
                orders[list(FIELDS)].to_dict("records"), (day + 3) % 7, strict=True
            )
        ]
    )
    assert len(row) > 2000
    for level in (0.5, 0.8, 0.9):
        windows = np.array([hours.shortest(one, level) for one in row])
        held = ((second >= windows[:, 0]) & (second <= windows[:, 1])).mean()
        assert held == pytest.approx(level, abs=0.02)
        assert (windows[:, 1] - windows[:, 0]).mean() < level * 9.5 * 3600
    # And what is said of any part of the day comes true as often.
    for hour in (10, 12, 14, 16, 18, 20):
        said = np.mean([hours.before(one, hour * 3600) for one in row])
        assert said == pytest.approx((second < hour * 3600).mean(), abs=0.02)
