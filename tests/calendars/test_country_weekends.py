"""A country's weekend is believed until its parcels say something else."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.calendars.transits import Transits
from etapromise.calendars.working_weeks import days_before_sunday, learn_clocks

FIRST = 20_000


@pytest.mark.parametrize(
    ("country", "days"), [("DE", 0), ("IL", 1), ("SA", 1), ("IR", 2), ("US", 0), ("ZZ", 0), ("", 0)]
)
def test_weekends_of_countries(country: str, days: int) -> None:
    assert days_before_sunday(country) == days


def test_a_carrier_rests_on_the_weekend_of_a_country_that_it_seldom_serves() -> None:
    rng = np.random.default_rng(0)
    n, few = 6000, 40
    first = FIRST + rng.integers(0, 200, n)
    place = np.where(np.arange(n) < few, 1, 0)
    last = first + 1
    # Each working day half of what is on its way arrives; Saturdays and Sundays are free.
    waits = rng.geometric(0.5, n)
    while waits.any():
        works = (last + 3) % 7 < 5
        waits = np.where(waits > 0, waits - works, 0)
        last = np.where(waits > 0, last + 1, last)
    transits = Transits(
        service=np.zeros(n, np.int64),
        calendar=place,
        first_day=first,
        last_day=last,
        arrived=np.ones(n, bool),
    )
    clocks = learn_clocks(
        transits,
        service_keys=["swift\x1f"],
        calendar_keys=["DE\x1f", "IL\x1f"],
        first_day=FIRST - 10,
        last_day=FIRST + 400,
    )
    places = len(clocks.holidays)
    weekday = (clocks.first_day + np.arange(clocks.elapsed.shape[1] - 1) + 3) % 7
    for row, free in ((1, {5, 6}), (2, {4, 5})):
        work = np.diff(clocks.elapsed[places + row])
        ordinary = clocks.holidays[row] == 0
        share = [work[ordinary & (weekday == day)].mean() for day in range(7)]
        assert {day for day in range(7) if share[day] < 0.3} == free
