"""Places that are served on other days than their region, as parcels' arrivals show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from etapromise.array_types import Ints
from etapromise.calendars.place_weeks import with_place_weeks
from etapromise.calendars.transits import Transits
from etapromise.calendars.working_clocks import Clocks
from tests.calendars.test_working_clocks import number

FIRST, DAYS = number(date(2025, 1, 6)), 330
WEEK = np.array([1.0] * 6 + [0.0])
TWICE = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])


def clocks_of(services: int = 1) -> Clocks:
    """Monday to Saturday, in a country with one region and no holidays."""
    return Clocks(
        first_day=FIRST,
        services=tuple(f"acme\x1f{name}" for name in "abcd"[:services]),
        weeks=np.repeat(WEEK[None], services + 1, axis=0),
        calendars=("LT\x1f01",),
        holidays=np.zeros((2, DAYS + 90), np.uint8),
        holiday_weights=np.ones((services + 1, 4)),
    )


def served(place: Ints, weeks: list[np.ndarray], services: int, seed: int) -> Transits:
    """Parcels to places, each due after one to three days, brought on the place's next day."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(FIRST, FIRST + DAYS - 15, len(place)))
    due = start + rng.choice([1, 2, 3], len(place), p=[0.3, 0.5, 0.2])
    for _ in range(7):
        open_ = np.array([weeks[p][(day + 3) % 7] > 0 for p, day in zip(place, due, strict=True)])
        due += ~open_
    # One in fifty is fetched from a shop, on the day after.
    due += rng.random(len(place)) < 1 / 50
    due += (due + 3) % 7 == 6
    return Transits(
        service=rng.integers(0, services, len(place)),
        calendar=np.zeros(len(place), np.int64),
        first_day=start,
        last_day=due,
        arrived=np.ones(len(place), bool),
    )


@pytest.mark.parametrize("services", [1, 3])
def test_few_parcels_tell_a_week_that_many_places_have(services: int) -> None:
    """Fifteen of forty are served twice a week; five of these have a dozen parcels only."""
    rng = np.random.default_rng(1)
    weeks = [TWICE] * 15 + [WEEK] * 25
    place = rng.permutation(np.repeat(np.arange(40), [12] * 5 + [60] * 35))
    transits = served(place, weeks, services, seed=2)
    keys = [f"LT\x1f01\x1f{number:05}" for number in range(40)]
    found = with_place_weeks(transits, clocks_of(services), place, keys)
    told = dict.fromkeys(found.calendars[1:])
    assert set(keys[:15]) <= set(told)
    assert len(told) <= 17
    for service, calendar, *week in found.region_weeks:
        if found.calendars[int(calendar) - 1] in keys[:15]:
            open_days = {day for day, share in enumerate(week) if share > 0.6}
            assert open_days == {0, 3}, (service, week)
    # Parcels go on while their place alone is closed: Thursday brings three days' parcels.
    row = found.row(1, found.calendars.index(keys[14]) + 1)
    monday = found.elapsed[row, 6 * 7 : 7 * 7 + 1]
    assert np.diff(monday)[3] == pytest.approx(3.0, abs=0.5)
    assert monday[-1] - monday[0] == pytest.approx(6.0, abs=0.5)


def test_where_all_are_served_alike_none_differs() -> None:
    """Nor do a hundred places that have seen a handful of parcels each."""
    rng = np.random.default_rng(3)
    place = rng.permutation(np.repeat(np.arange(150), [60] * 50 + [5] * 100))
    transits = served(place, [WEEK] * 150, 2, seed=4)
    keys = [f"LT\x1f01\x1f{number:05}" for number in range(150)]
    clocks = clocks_of(2)
    found = with_place_weeks(transits, clocks, place, keys)
    assert len(found.calendars) <= len(clocks.calendars) + 1


def test_a_service_that_changed_its_week_is_left_alone() -> None:
    place = np.repeat(np.arange(6), 60)
    transits = served(place, [TWICE] * 3 + [WEEK] * 3, 1, seed=5)
    changed = replace(clocks_of(), new_weeks=np.array([[1.0, FIRST + 100, *WEEK]]))
    keys = [f"LT\x1f01\x1f{number:05}" for number in range(6)]
    assert with_place_weeks(transits, changed, place, keys) is changed
