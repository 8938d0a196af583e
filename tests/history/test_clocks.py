"""Operational time against a plain count of days, and working weeks against the truth."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import tracking
from etapromise.errors import ContractError
from etapromise.history.as_of import KnownOrders
from etapromise.history.clocks import Clocks, holiday_days, learn_clocks
from etapromise.operations.simulation import NetworkConfig, simulate

EPOCH = date(1970, 1, 1)


def number(day: date) -> int:
    return (day - EPOCH).days


@settings(max_examples=40, deadline=None)
@given(first=st.integers(18_000, 21_000), seed=st.integers(0, 2**32 - 1))
def test_elapsed_time_is_the_sum_of_the_days_before(first: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weeks, holidays = rng.random((3, 7)).round(2), rng.random((2, 30)) < 0.2
    weights = rng.random(3).round(2)
    clocks = Clocks.build(
        first_day=first,
        services=("a", "b"),
        weeks=weeks,
        calendars=("US\x1f",),
        holidays=holidays,
        holiday_weights=weights,
    )
    assert clocks.last_day == first + 29
    for service in range(3):
        for calendar in range(2):
            passed = 0.0
            for day in range(30):
                row = clocks.elapsed[clocks.row(service, calendar)]
                assert row[day] == pytest.approx(passed, abs=1e-9)
                worked = weeks[service, (EPOCH + timedelta(first + day)).weekday()]
                passed += worked * (weights[service] if holidays[calendar, day] else 1.0)
            assert row[30] == pytest.approx(passed, abs=1e-9)


def test_days_outside_the_calendars_are_refused(model: object) -> None:
    clocks = model.parts.encoder.clocks  # type: ignore[attr-defined]
    clocks.require_days(clocks.first_day, clocks.last_day)
    for outside in (clocks.first_day - 1, clocks.last_day + 1):
        with pytest.raises(ContractError, match=str(EPOCH + timedelta(outside))):
            clocks.require_days(outside, outside)


def test_holidays_of_a_country_and_of_a_region() -> None:
    year = number(date(2025, 1, 1)), number(date(2025, 12, 31))
    germany, bavaria = holiday_days("DE", "", *year), holiday_days("DE", "BY", *year)
    assert number(date(2025, 10, 3)) in germany
    assert set(germany) < set(bavaria)
    assert number(date(2025, 1, 6)) in set(bavaria) - set(germany)
    assert (holiday_days("DE", "no such region", *year) == germany).all()
    assert len(holiday_days("XX", "", *year)) == 0
    assert list(holiday_days("DE", "", year[0], year[0])) == [year[0]]


def test_learned_weeks_are_the_true_ones_where_evidence_is_enough() -> None:
    """No rural partners and no noise: who works on Saturday is told by the parcels alone."""
    network = simulate(
        NetworkConfig(
            seed=21, days=120, shipments_per_day=45.0, rural_share=0.0, scan_noise=0.0, drift=0.0
        )
    )
    tracked = tracking.history(network.shipments, network.scans)
    known = KnownOrders.of(tracked, tracked.scans["received_at"].max())
    encoder = known.encoder(
        numeric=(), categorical=(), default_time_zone=None, give_up_after=known.give_up_after()
    )
    judged = 0
    weeks = set()
    for row, key in enumerate(encoder.clocks.services, start=1):
        carrier, service = key.split("\x1f")
        mine = (tracked.shipments["carrier"] == carrier) & (tracked.shipments["service"] == service)
        if tracked.milestones.loc[mine.to_numpy(), "event_at"].notna().sum() < 400:
            continue
        truth = network.true_working_week(carrier, service)
        judged += 1
        weeks.add(truth)
        weight = encoder.clocks.weeks[row]
        assert (weight[list(truth)] > 0.25).all(), key
        assert (weight[~np.array(truth)] < 0.05).all(), key
    assert judged >= 4
    assert len(weeks) >= 2


def test_a_service_without_evidence_has_the_networks_week() -> None:
    monday = number(date(2025, 3, 3))
    days = np.array([monday + 7 * week + k for week in range(20) for k in range(5)] * 10)
    clocks = learn_clocks(
        service_keys=["known", "new"],
        service_positions=np.zeros(len(days), np.int64),
        calendar_keys=["ZZ\x1f"],
        calendar_positions=np.zeros(len(days), np.int64),
        event_day=days,
        first_day=int(days[0]) - 10,
        last_day=int(days[-1]) + 100,
    )
    np.testing.assert_allclose(clocks.weeks[2], clocks.weeks[0], atol=0.01)
    np.testing.assert_allclose(clocks.weeks[1, :5], 1.0, atol=0.05)
    assert (clocks.weeks[1, 5:] == 0).all()


@pytest.mark.parametrize("delivers", [True, False])
def test_holidays_are_closed_unless_parcels_arrive_on_them(delivers: bool) -> None:  # noqa: FBT001
    first = number(date(2025, 5, 1))
    days = np.repeat(np.arange(first, number(date(2025, 9, 30))), 12)
    closed = holiday_days("US", "", int(days[0]), int(days[-1]))
    assert len(closed) >= 3
    if not delivers:
        days = days[~np.isin(days, closed)]
    clocks = learn_clocks(
        service_keys=["s"],
        service_positions=np.zeros(len(days), np.int64),
        calendar_keys=["US\x1f"],
        calendar_positions=np.zeros(len(days), np.int64),
        event_day=days,
        first_day=first - 10,
        last_day=first + 600,
    )
    memorial = number(date(2026, 5, 25)) - clocks.first_day
    row = clocks.elapsed[clocks.row(1, 1)]
    worked = row[memorial + 1] - row[memorial]
    assert worked > 0.7 if delivers else worked == 0.0
