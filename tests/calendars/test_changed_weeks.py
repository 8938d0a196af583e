"""A carrier that changes its week is followed; one that stands still, or never changed, is not."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from etapromise.calendars.changed_weeks import with_changed_weeks
from etapromise.calendars.transits import Transits
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.working_weeks import learn_clocks

FIRST = (date(2025, 3, 3) - date(1970, 1, 1)).days  # a Monday
DAYS = 240
WEEKDAY = (FIRST + np.arange(DAYS + 400) + 3) % 7


def ways_of(closed: NDArray[np.bool_], until: int, seed: int, a_day: int = 8) -> Transits:
    """Parcels that take a few open days and are known of on the day `until` after the first."""
    rng = np.random.default_rng(seed)
    start = np.repeat(np.arange(2, until), a_day)
    left, day = 1 + rng.binomial(5, 0.5, len(start)), start.copy()
    while (left > 0).any():
        moving = left > 0
        day[moving] += 1
        left[moving] -= ~closed[day[moving]]
    zeros = np.zeros(len(start), np.int64)
    return Transits(
        service=zeros,
        calendar=zeros,
        first_day=FIRST + start,
        last_day=FIRST + np.minimum(day, until),
        arrived=day <= until,
    )


def learned(transits: Transits) -> Clocks:
    return learn_clocks(
        transits,
        service_keys=["acme\x1fground"],
        calendar_keys=["ZZ\x1f"],
        first_day=FIRST,
        last_day=FIRST + DAYS + 390,
    )


@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_changed_week_is_followed_and_the_past_keeps_the_old_one(
    seed: int, *, opens: bool
) -> None:
    changed = 170 + seed
    late = np.arange(len(WEEKDAY)) >= changed
    closed = (WEEKDAY == 6) | ((WEEKDAY == 5) & (~late if opens else late))
    clocks = learned(ways_of(closed, DAYS, seed))
    (row,) = clocks.new_weeks
    assert abs(row[1] - FIRST - changed) <= 7
    assert row[2:].tolist() == [1.0] * 5 + [float(opens), 0.0]
    works = np.diff(clocks.elapsed[clocks.row(1, 1)])[: DAYS + 30]
    surely = np.abs(np.arange(len(works)) - changed) > 7
    np.testing.assert_array_equal((works > 0)[surely], ~closed[: len(works)][surely])


@pytest.mark.parametrize("seed", range(6))
def test_a_week_that_never_changed_is_left_alone(seed: int) -> None:
    transits = ways_of((WEEKDAY == 6) | (seed == WEEKDAY), DAYS, seed, a_day=4)
    assert not len(learned(transits).new_weeks)


def test_a_carrier_that_stands_still_or_is_slow_has_no_new_week() -> None:
    late = np.abs(np.arange(len(WEEKDAY)) - DAYS) <= 16
    for closed in (late, late & (np.arange(len(WEEKDAY)) % 3 > 0)):
        assert not len(learned(ways_of((WEEKDAY == 6) | closed, DAYS, 1)).new_weeks)


def test_a_change_is_seen_after_two_weeks_by_clocks_that_were_learned_before() -> None:
    closed = (WEEKDAY == 6) | ((WEEKDAY == 5) & (np.arange(len(WEEKDAY)) >= 180))
    before = learned(ways_of(closed, 175, 3))
    assert not len(before.new_weeks)
    one_week = with_changed_weeks(ways_of(closed, 186, 3), before)
    assert one_week is before
    seen = with_changed_weeks(ways_of(closed, 196, 3), before)
    assert seen.new_weeks[0, 2:].tolist() == [1.0] * 5 + [0.0, 0.0]
    # The same again is the same, and what proves to have been no change is taken back.
    assert with_changed_weeks(ways_of(closed, 196, 3), seen) is seen
    back = with_changed_weeks(ways_of(WEEKDAY == 6, 196, 3), seen)
    assert not len(back.new_weeks)
    assert back.weeks[1].tolist() == [1.0] * 6 + [0.0]
