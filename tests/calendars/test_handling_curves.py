"""Waits by hour of the week from a dozen orders a warehouse, against laws that are on no grid."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.array_types import Floats, Ints
from etapromise.calendars.handling_curves import _chances, hourly_waits

WEEKS = np.array([[True] * 5 + [False] * 2, [True] * 6 + [False], [True] * 7])


@pytest.mark.parametrize("week", WEEKS)
def test_each_curve_is_a_distribution_and_who_orders_later_waits_for_no_earlier_day(
    week: np.ndarray,
) -> None:
    chances = _chances(tuple(week))
    assert chances.min() >= 0.0
    np.testing.assert_allclose(chances.sum(axis=2), 1.0, atol=1e-9)
    # P(picked up by the end of a working day), for orders of an hour and of the next.
    by = np.cumsum(chances, axis=2)
    for hour in range(1, 7 * 24):
        earlier, later = by[:, hour - 1], by[:, hour]
        if hour % 24 == 0 and week[hour // 24 - 1]:
            # Counted from the next working day on.
            earlier, later = earlier[:, 1:], later[:, :-1]
        assert (later <= earlier + 1e-9).all()


def orders(
    rng: np.random.Generator, week: np.ndarray, hours: float, leaves: float, count: int
) -> tuple[Ints, Ints, Floats]:
    """Day, second and working days to the pick-up of orders; handling is gamma distributed."""
    ordered = rng.uniform(0.0, 350.0, count)
    ready = ordered + rng.gamma(2.5, hours / 2.5, count) / 24.0
    day = np.floor(ready - leaves / 24.0).astype(np.int64) + 1
    while (closed := ~week[(day + 3) % 7]).any():
        day[closed] += 1
    first = np.floor(ordered).astype(np.int64)
    through = np.concatenate([[0], np.cumsum(week[(np.arange(500) + 3) % 7])])
    return first, ((ordered - first) * 86_400).astype(np.int64), through[day] - through[first]


def test_a_warehouse_of_two_dozen_orders_has_hours_of_its_own() -> None:
    rng = np.random.default_rng(3)
    weeks = WEEKS[rng.integers(0, len(WEEKS), 80)]
    laws = list(zip(rng.uniform(2.0, 45.0, 80), rng.uniform(9.5, 20.5, 80), strict=True))
    seen = [orders(rng, week, *law, 25) for week, law in zip(weeks, laws, strict=True)]
    later = [orders(rng, week, *law, 4000) for week, law in zip(weeks, laws, strict=True)]
    warehouse = np.repeat(np.arange(80), 25)
    columns = [np.concatenate(one) for one in zip(*seen, strict=True)]
    found = hourly_waits(warehouse, weeks, *columns)
    waits, soonest = found.mean, found.soonest
    own, others, before = [], [], []
    for number, (day, second, worked) in enumerate(later):
        cell = (day + 3) % 7, second // 3600
        mean = worked.mean()
        own.append(np.mean((worked - waits[number][cell]) ** 2))
        others.append(np.mean((worked - worked.mean()) ** 2))
        before.append(np.mean(worked < soonest[number][cell]))
        assert abs(waits[number][cell].mean() - mean) < 1.0
    # The hour explains a good part, though nobody has more than 25 orders.
    assert np.mean(own) < 0.75 * np.mean(others)
    assert np.mean(before) < 0.1


def test_a_sharp_cut_off_is_found_to_the_hour() -> None:
    rng = np.random.default_rng(4)
    week = WEEKS[:1]
    day, second, worked = orders(rng, week[0], 0.05, 14.0, 400)
    found = hourly_waits(np.zeros(400, np.int64), week, day, second, worked)
    waits, soonest = found.mean, found.soonest
    assert waits[0, 2, :13].max() < 0.2
    assert waits[0, 2, 14:].min() > 0.8
    assert soonest[0, 2, 10] == 0
    assert soonest[0, 2, 16] == 1
