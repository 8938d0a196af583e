from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etapromise_simulator.stages import Duration
from etapromise_simulator.workdays import DAY, CalendarBank, Clocks, Days

DAYS = Days(dt.date(2025, 1, 1), 420)
ZONES = ("America/New_York", "America/Phoenix", "America/Vancouver", "America/Halifax")
CLOCKS = Clocks(DAYS, ZONES)
WEEKS = [[True] * 5 + [False] * 2, [True] * 6 + [False], [False] + [True] * 5 + [False]]


@given(st.integers(0, 300), st.integers(0, 18), st.sampled_from(range(3)))
def test_working_days_are_added_as_numpy_adds_them(day: int, further: int, week: int) -> None:
    closed = DAYS.holidays("US")
    bank = CalendarBank(np.stack([DAYS.working(pattern, closed) for pattern in WEEKS]))
    rests = [np.datetime64(DAYS.date(int(number))) for number in np.flatnonzero(closed)]
    expected = np.busday_offset(
        np.datetime64(DAYS.date(day)),
        further,
        roll="forward",
        weekmask=WEEKS[week],
        holidays=rests,
    )
    found = DAYS.date(int(bank.add(week, day, further)))
    assert np.datetime64(found) == expected


def test_holidays_of_a_country_and_the_major_ones() -> None:
    assert DAYS.holidays("US")[DAYS.number(dt.date(2025, 7, 4))]
    assert not DAYS.holidays("CA")[DAYS.number(dt.date(2025, 7, 4))]
    major = [DAYS.date(int(n)) for n in np.flatnonzero(DAYS.holidays("US", major_only=True))]
    assert major == [dt.date(2025, 1, 1), dt.date(2025, 12, 25), dt.date(2026, 1, 1)]


@given(st.integers(0, 419 * DAY), st.sampled_from(range(len(ZONES))))
def test_local_time_is_what_the_time_zone_says(second: int, zone: int) -> None:
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    there = (start + dt.timedelta(seconds=second)).astimezone(ZoneInfo(ZONES[zone]))
    naive = there.replace(tzinfo=None) - dt.datetime(2025, 1, 1)  # noqa: DTZ001
    found = CLOCKS.local(np.array([zone]), np.array([second]))[0]
    assert found == naive // dt.timedelta(seconds=1)


@given(st.integers(1, 418), st.integers(3 * 3600, DAY - 1), st.sampled_from(range(len(ZONES))))
def test_utc_time_and_local_time_go_there_and_back(day: int, clock: int, zone: int) -> None:
    moment = CLOCKS.utc(np.array([zone]), np.array([day]), np.array([clock]))
    assert CLOCKS.local(np.array([zone]), moment)[0] == day * DAY + clock


@given(
    st.floats(0.05, 30.0),
    st.floats(1.5, 9.0),
    st.integers(1, 20),
    st.integers(0, 2),
)
def test_a_duration_is_a_distribution_and_is_drawn_as_such(
    median: float, sharpness: float, size: int, first: int
) -> None:
    duration = Duration(size=size, first=first, edge=1.0, sharpness=sharpness)
    below = duration.cdf(median)
    assert below[-1] == 1
    assert (np.diff(below) >= 0).all()
    np.testing.assert_allclose(np.cumsum(duration.pmf(median)), below)
    # A regular grid of uniform numbers hits every value as often as its probability says.
    grid = (np.arange(2000) + 0.5) / 2000
    drawn = duration.draw(np.full(2000, median), grid)
    seen = np.cumsum(np.bincount(drawn - first, minlength=size)) / 2000
    np.testing.assert_allclose(seen, below, atol=1 / 2000)
    slower = duration.cdf(median * 1.5)
    assert (slower <= below + 1e-12).all()
