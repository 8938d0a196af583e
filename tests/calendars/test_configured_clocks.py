"""A calendar file over learned clocks: any file, any network, year ends and leap days."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.configured_clocks import configured_clocks
from etapromise.calendars.configured_zones import configured_zones
from etapromise.calendars.working_clocks import Clocks, holiday_table, named_holidays, row_of
from etapromise.calendars.zones import ZoneMap

EPOCH = date(1970, 1, 1)
FIRST = date(2023, 11, 20)
COUNT = 500  # two year ends and a leap day
SERVICES = ("acme\x1fground", "acme\x1fexpress", "bird\x1fground")
PLACES = ("DE\x1fBY", "DE\x1fHE", "US\x1fCA")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def learned(seed: int = 0) -> Clocks:
    rng = np.random.default_rng(seed)
    weeks = np.where(rng.random((4, 7)) < 0.3, 0.0, rng.random((4, 7)) + 0.1)
    holidays = holiday_table(PLACES, (FIRST - EPOCH).days, (FIRST - EPOCH).days + COUNT - 1)
    return Clocks(
        first_day=(FIRST - EPOCH).days,
        services=SERVICES,
        weeks=weeks,
        calendars=PLACES,
        holidays=holidays,
        holiday_weights=np.array([[0.0] * 4, [0.5] * 4, [0.0] * 4, [1.0] * 4]),
    )


def weights(clocks: Clocks, service: str, place: str) -> NDArray[np.float64]:
    """(COUNT,) how much of an ordinary day's work is done, found as a quote finds it."""
    services, places = clocks.indexes()
    row = clocks.elapsed[clocks.row(row_of(services, service), row_of(places, place))]
    return np.diff(row).round(9)


def weight(clocks: Clocks, service: str, place: str, day: date) -> float:
    return float(weights(clocks, service, place)[(day - FIRST).days])


def among(days: set[int]) -> NDArray[np.bool_]:
    """(COUNT,) whether a day is one of these weekdays."""
    return np.isin([(FIRST + timedelta(step)).weekday() for step in range(COUNT)], list(days))


@functools.cache
def public(place: str) -> NDArray[np.bool_]:
    first = (FIRST - EPOCH).days
    found = named_holidays(*place.split("\x1f"), first, first + COUNT - 1)
    return np.isin(np.arange(first, first + COUNT), list(found))


def test_an_empty_file_changes_nothing_that_was_seen() -> None:
    before = learned()
    after = configured_clocks(before, CalendarFile(""))
    for service in (*SERVICES, "new\x1fground"):
        for place in (*PLACES, "FR\x1f"):
            assert (weights(after, service, place) == weights(before, service, place)).all()


week = st.sets(st.integers(0, 6), min_size=1)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    carrier_week=week,
    service_week=week,
    country_week=week,
    region_week=week,
    spans=st.lists(
        st.tuples(st.integers(0, COUNT - 1), st.integers(0, 20)), min_size=1, max_size=3
    ),
)
def test_days_left_out_are_closed_and_named_ones_are_open(
    seed: int,
    carrier_week: set[int],
    service_week: set[int],
    country_week: set[int],
    region_week: set[int],
    spans: list[tuple[int, int]],
) -> None:
    def named(days: set[int]) -> str:
        return ", ".join(DAYS[day] for day in sorted(days))

    out = [(FIRST + timedelta(start), FIRST + timedelta(start + length)) for start, length in spans]
    written = ", ".join(f'"{first} to {last}"' for first, last in out)
    before = learned(seed)
    after = configured_clocks(
        before,
        CalendarFile(f"""
            [[carriers]]
            carrier = "acme"
            delivers = "{named(carrier_week)}"
            [[carriers]]
            carrier = "acme"
            service = "express"
            delivers = "{named(service_week)}"
            delivers_on_holidays = true
            [[destinations]]
            country = "DE"
            delivers = "{named(country_week)}"
            [[destinations]]
            country = "DE"
            region = "BY"
            delivers = "{named(region_week)}"
            [[blackouts]]
            carrier = "acme"
            country = "DE"
            region = "HE"
            days = [{written}]
        """),
    )
    weeks = {
        "acme\x1fground": carrier_week,
        "acme\x1fexpress": service_week,
        "acme\x1fnever seen": carrier_week,
    }
    places = {"DE\x1fBY": region_week, "DE\x1fHE": country_week, "DE\x1fnever seen": country_week}
    black = np.zeros(COUNT, dtype=bool)
    for start, length in spans:
        black[start : start + length + 1] = True
    for place, delivered in places.items():
        for service, worked in weeks.items():
            closed = ~among(worked) | ~among(delivered)
            if place == "DE\x1fHE":
                closed |= black
            found = weights(after, service, place)
            assert (found[closed] == 0.0).all()
            # Express is told to deliver on holidays, ground is left to what was learned.
            ordinary = ~closed & (~public(place) | (service == "acme\x1fexpress"))
            assert (found[ordinary] > 0.0).all()
        if not place.endswith("never seen"):
            kept = np.where(among(delivered), weights(before, "bird\x1fground", place), 0.0)
            assert (weights(after, "bird\x1fground", place) == kept).all()
    untouched = "bird\x1fground", "US\x1fCA"
    assert (weights(after, *untouched) == weights(before, *untouched)).all()


def test_a_place_with_a_week_of_its_own_keeps_it_on_the_days_that_a_file_leaves() -> None:
    """A village is served on Mondays and Thursdays; the file closes Thursdays, then all of May."""
    village, twice = f"{PLACES[0]}\x1f83000", [1.0, 0, 0, 1.0, 0, 0, 0]
    clocks = learned()
    clocks = replace(
        clocks,
        calendars=(*PLACES, village),
        holidays=np.zeros((len(PLACES) + 2, COUNT), np.uint8),
        place_weeks=np.ones((len(PLACES) + 2, 7), np.bool_),
        region_weeks=np.array([[1.0, len(PLACES) + 1, *twice]]),
    )
    assert (weights(clocks, SERVICES[0], village) > 0).tolist() == among({0, 3}).tolist()
    found = configured_clocks(
        clocks,
        CalendarFile(
            '[[carriers]]\ncarrier = "acme"\ndelivers = "Mon-Wed, Fri"\n'
            '[[blackouts]]\ncountry = "DE"\nregion = "BY"\ndays = ["2024-05-01 to 2024-05-31"]\n'
        ),
    )
    may = np.array([(FIRST + timedelta(step)).month == 5 for step in range(COUNT)])
    open_ = weights(found, SERVICES[0], village) > 0
    assert open_.tolist() == (among({0}) & ~may).tolist()
    # Elsewhere in the region the service works on what the file says.
    assert not (weights(found, SERVICES[0], PLACES[0]) > 0)[may].any()


def test_days_on_which_a_carrier_delivers_for_once_or_in_part() -> None:
    found = configured_clocks(
        learned(),
        CalendarFile("""
            [[carriers]]
            carrier = "acme"
            delivers = "Mon-Fri"
            delivers_on_holidays = false
            extra_days = ["2024-12-22", "2024-12-25 to 2024-12-26"]
            half_days = ["2024-12-24"]
            [[carriers]]
            carrier = "acme"
            service = "express"
            half_days = ["2024-12-22"]
            [[destinations]]
            country = "US"
            delivers = "Mon-Fri"
            [[blackouts]]
            carrier = "acme"
            days = ["2024-12-26"]
        """),
    )
    ground, express = "acme\x1fground", "acme\x1fexpress"
    sunday = date(2024, 12, 22)
    assert weight(found, ground, "DE\x1fBY", sunday) == 1.0
    assert weight(found, express, "DE\x1fBY", sunday) == 0.5
    # Where nobody delivers on Sundays, nobody does.
    assert weight(found, ground, "US\x1fCA", sunday) == 0.0
    assert weight(found, ground, "DE\x1fBY", date(2024, 12, 24)) == 0.5
    assert weight(found, ground, "DE\x1fBY", date(2024, 12, 25)) == 1.0
    assert weight(found, ground, "DE\x1fBY", date(2024, 12, 26)) == 0.0
    assert weight(found, ground, "DE\x1fBY", sunday - timedelta(7)) == 0.0
    bird = "bird\x1fground", "DE\x1fBY"
    assert (weights(found, *bird) == weights(learned(), *bird)).all()


def test_holidays_more_and_fewer_and_those_of_places_without_a_country() -> None:
    found = configured_clocks(
        learned(),
        CalendarFile("""
            default_country = "DE"
            [[carriers]]
            carrier = "acme"
            delivers = "Mon-Sun"
            delivers_on_holidays = false
            [[holidays]]
            country = "DE"
            extra = ["2024-02-29"]
            dropped = ["2024-10-03"]
            [[holidays]]
            country = "DE"
            region = "BY"
            extra = ["2024-10-03"]
        """),
    )
    leap, unity, epiphany = date(2024, 2, 29), date(2024, 10, 3), date(2024, 1, 6)
    acme = "acme\x1fground"
    assert weight(found, acme, "DE\x1fHE", leap) == weight(found, acme, "DE\x1fBY", leap) == 0.0
    assert weight(found, acme, "DE\x1fHE", unity) > 0.0 == weight(found, acme, "DE\x1fBY", unity)
    # Bavaria alone keeps Epiphany; a region that was never seen keeps its country's days.
    assert weight(found, acme, "DE\x1fHE", epiphany) > 0.0
    assert weight(found, acme, "DE\x1fBY", epiphany) == 0.0
    assert weight(found, acme, "DE\x1fSH", date(2024, 12, 25)) == 0.0
    for nowhere in ("\x1f", "\x1fsomewhere"):
        assert weight(found, acme, nowhere, date(2024, 12, 25)) == 0.0
    assert weight(found, acme, "US\x1fCA", leap) > 0.0


def test_stated_zones_go_before_learned_ones() -> None:
    zones = ZoneMap(
        default="UTC",
        countries={"US": "America/New_York", "CA": "America/Toronto"},
        regions={("US", "CA"): "America/New_York", ("CA", "BC"): "America/Vancouver"},
    )
    found = configured_zones(
        zones,
        CalendarFile("""
            default_time_zone = "Europe/Berlin"
            [[destinations]]
            country = "US"
            time_zone = "America/Chicago"
            [[destinations]]
            country = "US"
            region = "HI"
            time_zone = "Pacific/Honolulu"
        """),
        pd.DataFrame({"origin": ["a"]}),
    )
    asked = {
        ("US", "HI"): ("Pacific/Honolulu", "region"),
        ("US", "CA"): ("America/Chicago", "country"),
        ("CA", "BC"): ("America/Vancouver", "region"),
        ("CA", "ON"): ("America/Toronto", "country"),
        ("FR", None): ("Europe/Berlin", "default"),
    }
    for (country, region), (zone, source) in asked.items():
        resolved, how = found.resolve(None, country, region)
        assert (resolved.key, how) == (zone, source)
