"""Operational time against a plain count of days; holidays."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.calendars.working_clocks import WORKED, Clocks, holiday_table, named_holidays
from etapromise.errors import ContractError

EPOCH = date(1970, 1, 1)


def number(day: date) -> int:
    return (day - EPOCH).days


@settings(max_examples=60, deadline=None)
@given(first=st.integers(18_000, 21_000), seed=st.integers(0, 2**32 - 1))
def test_elapsed_time_is_the_sum_of_the_days_before(first: int, seed: int) -> None:
    """Day by day: a worked day is longer by what parcels went on over the closed ones before it."""
    rng = np.random.default_rng(seed)
    weeks = rng.choice([0.0, 0.4, 1.0], (3, 7))
    holidays = rng.choice(5, (2, 30), p=[0.6, 0.1, 0.1, 0.1, 0.1]).astype(np.uint8)
    weights = rng.choice([0.0, 0.3, 1.0], (3, 4))
    progress = rng.choice([0.0, 0.25, 1.0], 3)
    start, end = np.sort(first + rng.integers(0, 30, 2))
    strike = (1 + int(rng.integers(0, 2)), -1, int(start), int(end), 0)
    clocks = Clocks(
        first_day=first,
        services=("a", "b"),
        weeks=weeks,
        calendars=("US\x1f",),
        holidays=holidays,
        holiday_weights=weights,
        special_days=np.array([strike], np.int64),
        closed_progress=progress,
    )
    assert clocks.last_day == first + 29
    for service in range(3):
        for calendar in range(2):
            passed, before = 0.0, []
            row = clocks.elapsed[clocks.row(service, calendar)]
            lengths = clocks.lengths()[clocks.row(service, calendar)]
            for day in range(30):
                assert row[day] == pytest.approx(passed, abs=1e-9)
                worked = weeks[service, (EPOCH + timedelta(first + day)).weekday()]
                kind = int(holidays[calendar, day])
                worked *= weights[service, kind - 1] if kind else 1.0
                stands = service == strike[0] and strike[2] <= first + day <= strike[3]
                worked = 0.0 if stands else worked
                # What no day of the last ten delivered, three days at most.
                left = sum(
                    moved * np.prod([1.0 - share for share, _ in before[back:]])
                    for back, (_, moved) in enumerate(before[-10:], max(len(before) - 10, 0))
                )
                length = 1.0 + progress[service] * min(left, 3.0)
                assert lengths[day] == pytest.approx(length)
                passed += worked * length
                before.append((worked, not stands))
            assert row[30] == pytest.approx(passed, abs=1e-9)


def test_days_outside_the_calendars_are_refused(model: object) -> None:
    clocks = model.parts.encoder.clocks  # type: ignore[attr-defined]
    clocks.require_days(clocks.first_day, clocks.last_day)
    for outside in (clocks.first_day - 1, clocks.last_day + 1):
        with pytest.raises(ContractError, match=str(EPOCH + timedelta(outside))):
            clocks.require_days(outside, outside)


def test_holidays_of_a_country_and_of_a_region() -> None:
    year = number(date(2025, 1, 1)), number(date(2025, 12, 31))
    germany, bavaria = named_holidays("DE", "", *year), named_holidays("DE", "BY", *year)
    assert number(date(2025, 10, 3)) in germany
    assert set(germany) < set(bavaria)
    assert number(date(2025, 1, 6)) in set(bavaria) - set(germany)
    assert named_holidays("DE", "no such region", *year) == germany
    assert len(named_holidays("XX", "", *year)) == 0
    assert list(named_holidays("DE", "", year[0], year[0])) == [year[0]]


def test_the_table_tells_holidays_of_the_country_from_those_of_the_region() -> None:
    first, last = number(date(2025, 1, 1)), number(date(2025, 12, 31))
    table = holiday_table(["DE\x1fBY", "DE\x1f", "\x1f"], first, last)
    assert table.shape == (4, 365)
    assert table[1, number(date(2025, 10, 3)) - first] == 1
    assert table[1, number(date(2025, 1, 6)) - first] == 2
    assert table[2, number(date(2025, 1, 6)) - first] == 0
    assert not table[0].any()
    assert not table[3].any()


def test_a_holiday_that_was_seen_is_known_in_every_year_and_by_its_day_off() -> None:
    first, last = number(date(2026, 1, 1)), number(date(2027, 12, 31))
    table = holiday_table(
        ["US\x1f", "CA\x1f"],
        first,
        last,
        {("US", "Juneteenth National Independence Day"): WORKED},
    )
    # In 2027 it is a Saturday, and the Friday before is off.
    for day in (date(2026, 6, 19), date(2027, 6, 18), date(2027, 6, 19)):
        assert table[1, number(day) - first] == WORKED
    assert table[1, number(date(2026, 7, 3)) - first] == 1
    assert not (table[2] == WORKED).any()
