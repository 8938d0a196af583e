"""Working weeks and holidays against the truth, and against the traps of counting arrivals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from etapromise import tracking
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.closed_days import with_closed_progress
from etapromise.calendars.configured_clocks import configured_clocks
from etapromise.calendars.transits import Transits
from etapromise.calendars.working_clocks import Clocks, named_holidays
from etapromise.calendars.working_weeks import _weeks, learn_clocks
from etapromise.history.as_of import KnownOrders
from etapromise_simulator import NetworkConfig, simulate

EPOCH = date(1970, 1, 1)


def number(day: date) -> int:
    return (day - EPOCH).days


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
        truth = network.oracle.working_week(carrier, service)
        judged += 1
        weeks.add(truth)
        # Some are fetched from a pick-up point on a day without deliveries.
        assert (encoder.clocks.weeks[row] > 0.5).tolist() == list(truth), key
        assert (encoder.clocks.weeks[row][list(truth)] == 1.0).all(), key
    assert judged >= 4
    assert len(weeks) >= 2


def walk(
    start: NDArray[np.int64], steps: NDArray[np.int64], closed: NDArray[np.bool_], first: int
) -> NDArray[np.int64]:
    """Arrival after so many open days from the day after the start on, day by day."""
    day, left = start.copy(), steps.copy()
    while (left > 0).any():
        moving = left > 0
        day[moving] += 1
        left[moving] -= ~closed[day[moving] - first]
    return day


def ways_of(
    start: NDArray[np.int64], closed: NDArray[np.bool_], first: int, until: int, seed: int = 0
) -> Transits:
    rng = np.random.default_rng(seed)
    end = walk(start, 1 + rng.binomial(5, 0.5, len(start)), closed, first)
    arrived = end <= until
    zeros = np.zeros(len(start), np.int64)
    return Transits(
        service=zeros,
        calendar=zeros,
        first_day=start,
        last_day=np.minimum(end, until),
        arrived=arrived,
    )


def learn(transits: Transits, first: int, calendar: str = "ZZ\x1f", services: int = 1) -> Clocks:
    return learn_clocks(
        transits,
        service_keys=["s", "new"][:services],
        calendar_keys=[calendar],
        first_day=first,
        last_day=first + 900,
    )


def test_few_parcels_sent_before_a_day_make_it_no_shorter() -> None:
    """Pick-ups on Mondays to Wednesdays only: arrivals crowd on some weekdays, and mean nothing."""
    first = number(date(2025, 3, 3))
    days = np.arange(first + 5, first + 200)
    start = np.repeat(days[(days + 3) % 7 < 3], 30)
    clocks = learn(ways_of(start, np.zeros(1000, bool), first, first + 210), first)
    counts = np.bincount((start + 3) % 7, minlength=7)
    assert (counts[3:] == 0).all()
    assert clocks.weeks[1].tolist() == [1.0] * 7


def test_closed_days_are_found_and_a_service_without_evidence_has_the_networks_week() -> None:
    first = number(date(2025, 3, 3))
    closed = (first + np.arange(1000) + 3) % 7 >= 5
    start = np.repeat(np.arange(first + 5, first + 150), 10)
    clocks = learn(ways_of(start, closed, first, first + 160), first, services=2)
    assert clocks.weeks[1].tolist() == [1.0] * 5 + [0.0] * 2
    np.testing.assert_array_equal(clocks.weeks[2], clocks.weeks[0])
    np.testing.assert_array_equal(clocks.weeks[0], clocks.weeks[1])


@pytest.mark.parametrize("delivers", [True, False])
def test_holidays_are_closed_unless_parcels_arrive_on_them(delivers: bool) -> None:  # noqa: FBT001
    first = number(date(2025, 5, 1))
    closed = np.zeros(1000, bool)
    holidays = np.array(sorted(named_holidays("US", "", first, first + 170)))
    assert len(holidays) >= 3
    if not delivers:
        closed[holidays - first] = True
    start = np.repeat(np.arange(first + 2, first + 150), 12)
    clocks = learn(ways_of(start, closed, first, first + 160), first, "US\x1f")
    memorial = number(date(2026, 5, 25)) - clocks.first_day
    row = clocks.elapsed[clocks.row(1, 1)]
    assert row[memorial + 1] - row[memorial] == (1.0 if delivers else 0.0)


def test_who_keeps_which_holidays() -> None:
    """Two services rest on some holidays, a third on all, which the next year tells again."""
    first, until = number(date(2025, 1, 2)), number(date(2025, 12, 20))
    names = named_holidays("US", "", first, first + 1000)
    kept = {"New Year's Day", "Independence Day", "Thanksgiving Day", "Christmas Day"}
    closed = {
        service: np.array(
            [
                first + day in names and (service == 2 or names[first + day] in kept)
                for day in range(1000)
            ]
        )
        for service in range(3)
    }
    parts = []
    for service in range(3):
        start = np.repeat(np.arange(first + 2, until - 10), 6)
        parts.append(ways_of(start, closed[service], first, until, seed=service))
    together = Transits(
        service=np.repeat(np.arange(3), [len(part) for part in parts]),
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("calendar", "first_day", "last_day", "arrived")
        },
    )
    clocks = learn_clocks(
        together,
        service_keys=["a\x1f", "b\x1f", "post\x1f"],
        calendar_keys=["US\x1f"],
        first_day=first,
        last_day=first + 700,
    )
    for day, name in names.items():
        if not until < day <= first + 700 or name in {"New Year's Day", "Christmas Day"}:
            continue  # not seen yet
        for service in range(3):
            row = clocks.elapsed[clocks.row(service + 1, 1)]
            lasts = row[day + 1 - first] - row[day - first]
            assert (lasts == 0.0) == (service == 2 or name in kept), (name, service)


def going_on(
    first: int, until: int, week: list[float], count: int, rng: np.random.Generator
) -> Transits:
    """Parcels that go on by so much of a day on Monday … Sunday, and never arrive on a Sunday."""
    weekday = (np.arange(first, until + 90) + 3) % 7
    open_ = weekday < 6
    start = np.sort(rng.integers(first, until - 5, count))
    # Nobody fetches on Sundays.
    start = start[open_[start - first]]
    gone = np.concatenate([[0.0], np.cumsum(np.array(week)[weekday])])
    due = gone[start + 1 - first] + np.exp(rng.normal(1.0, 0.5, len(start)))
    there = np.searchsorted(gone, due) - 1
    end = first + there
    end += ~open_[there]
    return Transits(
        service=np.zeros(len(start), np.int64),
        calendar=np.zeros(len(start), np.int64),
        first_day=start,
        last_day=np.minimum(end, until),
        arrived=end <= until,
    )


def test_a_day_that_is_worked_in_part_hides_nothing_of_the_closed_ones() -> None:
    """Sums of such days are no whole numbers, nor are the days between them to the last bit."""
    first, until = number(date(2025, 1, 6)), number(date(2025, 9, 30))
    transits = going_on(first, until, [1.0] * 5 + [0.7, 1.0], 12_000, np.random.default_rng(7))
    clocks = replace(
        learn(transits.take(np.zeros(0, np.int64)), first),
        weeks=np.array([[1.0] * 5 + [0.7, 0.0]] * 2),
    )
    # All is delivered on these Saturdays, on which ways are short; the clock leaves a part over.
    assert with_closed_progress(transits, clocks).closed_progress[1] > 0.6


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_how_far_parcels_go_on_over_closed_days(progress: float) -> None:
    """Ways in days of continuous time, of which a closed day is a part: the clock finds which."""
    first, until = number(date(2025, 1, 6)), number(date(2025, 9, 30))
    rng = np.random.default_rng(7)
    n = 12_000
    transits = going_on(first, until, [1.0] * 6 + [progress], n, rng)
    clocks = learn(transits, first)
    assert clocks.weeks[1].tolist() == [1.0] * 6 + [0.0]
    assert clocks.closed_progress[1] == pytest.approx(progress, abs=0.13)
    # Few parcels of a service have what all have; none at all, too.
    assert clocks.closed_progress[0] == pytest.approx(clocks.closed_progress[1], abs=0.15)


def test_without_parcels_every_day_is_a_working_day() -> None:
    nobody = np.zeros(0, np.int64)
    transits = Transits(
        service=nobody,
        calendar=nobody,
        first_day=nobody,
        last_day=nobody,
        arrived=np.zeros(0, bool),
    )
    clocks = learn(transits, number(date(2025, 3, 3)))
    assert (clocks.weeks == 1.0).all()


@pytest.mark.parametrize("rests", [(), (5,), (0, 5)])
def test_a_region_with_a_week_of_its_own(rests: tuple[int, ...]) -> None:
    """One service, two regions: in the second it rests on more days, and is slower besides."""
    first, until = number(date(2025, 1, 6)), number(date(2025, 6, 30))
    days = np.arange(first, until + 60)
    rng = np.random.default_rng(5)
    closed = {
        0: np.isin((days + 3) % 7, [6]),
        1: np.isin((days + 3) % 7, [6, *rests]),
    }
    parts = []
    for region, sent in ((0, 3000), (1, 1200)):
        start = np.sort(rng.integers(first, until - 5, sent))
        end = walk(start, 1 + region + rng.binomial(5, 0.5, sent), closed[region], first)
        parts.append((region, start, end))
    region, start, end = (
        np.concatenate(column)
        for column in zip(
            *((np.full(len(begun), place), begun, over) for place, begun, over in parts),
            strict=True,
        )
    )
    transits = Transits(
        service=np.zeros(len(start), np.int64),
        calendar=region,
        first_day=start,
        last_day=np.minimum(end, until),
        arrived=end <= until,
    )
    clocks = learn_clocks(
        transits,
        service_keys=["a\x1fb"],
        calendar_keys=["X\x1f1", "X\x1f2"],
        first_day=first - 2,
        last_day=until + 60,
    )
    column = np.arange(until, until + 28) - clocks.first_day
    weekday = (np.arange(until, until + 28) + 3) % 7
    for place in (0, 1):
        row = clocks.row(1, place + 1)
        share = clocks.elapsed[row, column + 1] - clocks.elapsed[row, column]
        resting = np.isin(weekday, [6, *(rests if place else ())])
        assert (share[resting] == 0).all()
        assert (share[~resting] >= 0.65).all()
    assert bool(len(clocks.region_weeks)) == bool(rests)
    # What a file tells of a carrier's week goes before what was learned, everywhere.
    told = configured_clocks(
        clocks, CalendarFile('[[carriers]]\ncarrier = "a"\ndelivers = "Mon-Sat"\n')
    )
    assert not len(told.region_weeks)
    plain = configured_clocks(clocks, CalendarFile('default_country = "US"'))
    np.testing.assert_array_equal(plain.region_weeks, clocks.region_weeks)
    for place in (1, 2):
        both = (one.elapsed[one.row(1, place)] for one in (plain, clocks))
        np.testing.assert_array_equal(*both)


def test_two_weekends_tell_a_closed_day_and_none_leave_it_to_the_others() -> None:
    expected = np.full((6, 7), 400.0)
    observed = expected.copy()
    observed[:4, 6] = 0.0
    # A service of a few days: five arrivals were to be expected on each day, none came on Sundays.
    expected[4], observed[4] = 5.0, [5, 6, 4, 5, 5, 5, 0]
    # Another, without a weekend as yet.
    expected[5], observed[5] = [5, 5, 5, 5, 5, 0, 0], [5, 5, 5, 5, 5, 0, 0]
    weeks = _weeks(observed, expected)[1:]
    assert (weeks[:, :5] == 1.0).all()
    assert (weeks[:4, 6] == 0.0).all()
    assert weeks[4, 6] < 0.05
    assert weeks[4, 5] == 1.0
    assert weeks[5, 5] == 1.0
    assert 0.01 < weeks[5, 6] < 0.35


@given(st.integers(0, 10_000))
def test_many_arrivals_say_what_a_day_is_worked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.2, 0.4, 0.6, 1.0], (5, 7), p=[0.2, 0.1, 0.1, 0.1, 0.5])
    share[:, :4] = 1.0
    expected = np.full((5, 7), 4000.0)
    weeks = _weeks(rng.poisson(share * expected).astype(float), expected)[1:]
    # 0.05 in all but 6 of these 10,001 seeds.
    np.testing.assert_allclose(weeks, share, atol=0.061)
