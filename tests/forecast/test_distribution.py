"""From quantiles to probabilities, and tables of dates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.forecast.distribution import DateDistribution, raw_probability
from tests.promise.reference_quote import raw_probability as plain_probability

LEVELS = np.array([0.05, 0.2, 0.5, 0.8, 0.9, 0.97])


def ascending_days(log_days: np.ndarray, offset: float) -> list[float]:
    days: list[float] = []
    for one in log_days:
        day, last = float(np.exp(one + offset)) - 1.0, days[-1] if days else 1e-6
        days.append(day if day > last else last + 1e-6)
    return days


quantiles = st.lists(st.floats(-2.0, 2.5), min_size=6, max_size=6).map(sorted).map(np.array)


@settings(max_examples=150, deadline=None)
@given(log_days=quantiles, offset=st.floats(-1.0, 1.5), x=st.floats(-2.0, 80.0))
def test_equals_the_plain_reference(log_days: np.ndarray, offset: float, x: float) -> None:
    found = raw_probability(LEVELS, 1.0, log_days[None, :], np.array([offset]), np.array([x]))
    expected = plain_probability(ascending_days(log_days, offset), LEVELS.tolist(), x)
    assert found[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(log_days=quantiles, offset=st.floats(-1.0, 1.5))
def test_ascends_from_zero_to_one_through_its_quantiles(
    log_days: np.ndarray, offset: float
) -> None:
    days = ascending_days(log_days, offset)
    x = np.sort(np.concatenate([[-1.0, 0.0, 1e4], np.linspace(0, 60, 200), days]))
    rows = np.repeat(log_days[None, :], len(x), axis=0)
    found = raw_probability(LEVELS, 1.0, rows, np.full(len(x), offset), x)
    assert (np.diff(found) >= 0).all()
    assert (found[x <= 0] == 0).all()
    assert found[-1] == pytest.approx(1.0, abs=1e-6)
    at = raw_probability(LEVELS, 1.0, rows[:6], np.full(6, offset), np.array(days))
    np.testing.assert_allclose(at, LEVELS, atol=1e-9)


def a_table() -> DateDistribution:
    probability = np.array([[0.0, 0.2, 0.6, 0.95], [0.0, 0.0, 0.0, 0.5], [0.9, 0.9, 0.9, 0.9]])
    return DateDistribution(np.array(["2025-01-01"] * 3, "datetime64[D]"), probability)


def test_the_first_date_that_reaches_a_level() -> None:
    table = a_table()
    assert table.horizon == 4
    assert table.at(0.6).tolist() == [2, 4, 0]
    assert table.at(0.0).tolist() == [0, 0, 0]
    assert table.at(0.96).tolist() == [4, 4, 4]


def test_confidence_of_a_day() -> None:
    table = a_table()
    assert table.confidence(np.array([2, 3, 0])).tolist() == [0.6, 0.5, 0.9]
    assert table.confidence(np.array([-1, 99, -5])).tolist() == [0.0, 0.5, 0.0]


def test_quantiles_of_the_parcels_that_arrive() -> None:
    assert a_table().quantile_days(0.9).tolist() == [3, 3, 0]
    assert a_table().quantile_days(0.5).tolist() == [2, 3, 0]
