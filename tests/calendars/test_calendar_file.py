"""The calendar file: what it says, and what it says of its own mistakes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError

EXAMPLE = Path(__file__).parents[2] / "docs" / "calendars.toml"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def test_the_example_says_what_it_reads_like() -> None:
    found = CalendarFile.read(EXAMPLE)
    assert (found.default_time_zone, found.default_country) == ("America/Chicago", "US")
    company, warehouse = found.closures
    assert company.origin is None
    assert company.days == (
        (date(2026, 12, 24), date(2026, 12, 26)),
        (date(2027, 1, 1), date(2027, 1, 1)),
    )
    assert (warehouse.origin, warehouse.days) == ("55690", ((date(2026, 7, 3),) * 2,))
    assert [(rule.carrier, rule.service, rule.country) for rule in found.blackouts] == [
        (None, None, "US"),
        ("acme", "express", None),
    ]
    ground, fetched = found.carriers
    assert ground.delivers == (True,) * 6 + (False,)
    assert ground.delivers_on_holidays is False
    assert (ground.pickups, fetched.pickups) == ((720, 1050), (960,))
    assert fetched.pickup_days == (True,) * 5 + (False,) * 2
    every, own = found.warehouses
    assert every.origin is None
    assert [(cutoff.minute, cutoff.days) for cutoff in own.cutoffs] == [
        (540, 0),
        (660, 0),
        (1380, 1),
    ]
    assert [cutoff.week[5] for cutoff in own.cutoffs] == [True, False, False]
    assert found.destinations[0].time_zone == "America/Anchorage"
    assert found.holidays[0].dropped == ((date(2026, 10, 12),) * 2,)


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 6), length=st.integers(0, 6), more=st.sets(st.integers(0, 6)))
def test_a_week_is_the_days_that_it_names(first: int, length: int, more: set[int]) -> None:
    last = (first + length) % 7
    text = ", ".join([f"{DAYS[first]}-{DAYS[last]}", *(DAYS[day] for day in more)])
    rule = CalendarFile(f'[[carriers]]\ncarrier = "a"\ndelivers = "{text}"').carriers[0]
    expected = {(first + step) % 7 for step in range(length + 1)} | more
    assert {day for day in range(7) if rule.delivers[day]} == expected  # type: ignore[index]


@pytest.mark.parametrize(
    "written", ['"2026-12-24 11:00"', "2026-12-24T11:00:00", '"2026-12-24 11:00 -> next day"']
)
def test_a_cut_off_of_a_date(written: str) -> None:
    (rule,) = CalendarFile(f'[[warehouses]]\ncutoffs = ["14:00 -> next day", {written}]').warehouses
    dated, weekly = sorted(rule.cutoffs, key=lambda cutoff: cutoff.minute)
    assert (dated.minute, dated.days, any(dated.week)) == (660, 1, False)
    assert dated.dates == ((date(2026, 12, 24),) * 2,)
    assert (weekly.minute, weekly.days, weekly.dates) == (840, 1, ())


MISTAKES = {
    "clousures = 1": ("line 1", "'clousures'", "mean 'closures'"),
    "\n[[blackouts]]\ndays = []": ("line 3", "days = []", "'2026-12-24'"),
    '[[closures]]\nreason = "x"': ("line 1", "without days", "a days"),
    '[[closures]]\ndays = ["2026-02-30"]': ("line 2", "'2026-02-30'", "no day of the calendar"),
    '[[closures]]\ndays = ["2026-03-02 to 2026-03-01"]': ("line 2", "the earlier date first"),
    '[[closures]]\ndays = ["2026-03-01"]\n[[closures]]\ncarrier = "a"\ndays = []': (
        *("line 4", "'carrier' in [[closures]]"),
    ),
    '[[carriers]]\ncarrier = "a"\ndelivers = "Mon-Sut"': ("line 3", "'Mon-Sut'", "'Mon-Sat'"),
    '[[carriers]]\ncarrier = "a"\ndelivres = "Mon"': ("line 3", "mean 'delivers'"),
    '[[carriers]]\nservice = "a"': ("line 1", "without carrier"),
    '[[carriers]]\ncarrier = "a"\n\n[[carriers]]\ncarrier = "a"': ("line 4", "first is in line 1"),
    '[[carriers]]\ncarrier = "a"\norigin = "1"\ndelivers = "Mon"': ("line 3", "without origin"),
    "[[warehouses]]\norigin = 14409": ("line 2", "origin = 14409", "in quotes"),
    '[[warehouses]]\ncutoffs = ["25:00 -> same day"]': ("line 2", "'25:00 -> same day'"),
    '[[warehouses]]\ncutoffs = ["11:00 -> yesterday"]': ("line 2", "yesterday", "next day"),
    '[[warehouses]]\ncutoffs = ["9:00 -> next day", "Sat 11:00 -> same day"]': (
        *("line 2", "on a Sat each cut-off later"),
    ),
    '[[warehouses]]\ncutoffs = ["2026-02-30 11:00"]': ("line 2", "no day of the calendar"),
    '[[warehouses]]\ncutoffs = ["2026-12-24"]': ("line 2", "'2026-12-24 11:00'"),
    '[[warehouses]]\ncutoffs = ["11:00 -> next day", "2026-12-24 9:00 -> same day"]': (
        *("line 2", "sooner than on any weekday"),
    ),
    '[[warehouses]]\ncutoffs = ["2026-12-24 9:00", "2026-12-24 to 2026-12-26 11:00"]': (
        *("line 2", "on 2026-12-24 each cut-off later"),
    ),
    '[[warehouses]]\nhalf_day = ["2026-12-24"]': ("line 2", "mean 'half_days'"),
    '[[carriers]]\ncarrier = "a"\norigin = "1"\nextra_days = ["2026-12-20"]': (
        *("line 3", "without origin"),
    ),
    '[[destinations]]\ncountry = "US"\ntime_zone = "America/Chicagoo"': ("line 3", "IANA"),
    '[[destinations]]\ncountry = "US"\ndelivers = 5': ("line 3", "delivers = 5", "'Mon-Sat'"),
    '[[blackouts]]\nregion = "CA"\ndays = ["2026-03-01"]': ("line 2", "without a country"),
    'default_time_zone = "Mars"': ("line 1", "'Mars'", "America/Chicago"),
    "closures = 5": ("line 1", "closures = 5", "[[closures]]"),
    "[[closures]\n": ("line 1", "no TOML"),
    '[[carriers]]\ncarrier = "a"\ndelivers_on_holidays = "no"': ("line 3", "true or false"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_to_write(text: str) -> None:
    with pytest.raises(ContractError) as told:
        CalendarFile(text, "mine.toml")
    assert "mine.toml" in str(told.value)
    assert str(told.value).startswith("Found ")
    for part in MISTAKES[text]:
        assert part in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no readable calendar file"):
        CalendarFile.read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(ContractError, match="UTF-8"):
        CalendarFile.read(tmp_path / "latin.toml")
