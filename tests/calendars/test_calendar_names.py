"""Names in a calendar file are those of the orders, however they are spelled."""

from __future__ import annotations

import pandas as pd
import pytest

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.calendar_names import calendar_notes
from etapromise.calendars.configured_dispatch import warehouses_of
from etapromise.errors import ContractError

TEXT = """
default_country = "{land}"
[[closures]]
origin = "{origin}"
days = ["2026-12-24"]
[[blackouts]]
carrier = "{carrier}"
service = "{service}"
days = ["2026-12-24"]
[[blackouts]]
country = "{land}"
region = "{region}"
days = ["2026-12-24"]
[[carriers]]
carrier = "{carrier}"
service = "{service}"
delivers = "Mon-Sat"
[[carriers]]
carrier = "{carrier}"
origin = "{origin}"
pickups = "16:00"
[[warehouses]]
origin = "{origin}"
country = "{land}"
region = "{region}"
[[destinations]]
country = "{land}"
region = "{region}"
delivers = "Mon-Fri"
[[holidays]]
country = "{land}"
region = "{region}"
extra = ["2026-12-24"]
[[disruptions]]
days = ["2026-12-24"]
stop = true
carrier = "{carrier}"
service = "{service}"
country = "{land}"
region = "{region}"
postcodes = ["{postcode}"]
origin = "{origin}"
"""
NAMES = ("carrier", "service", "land", "region", "origin", "postcode")
# As a person writes it, and as the tables have it.
PLACES = [
    (
        ("DHL Paket", "Päckchen_XL", "Österreich", "Tirol", " 6020", "A-6020"),
        ("dhl-paket", "päckchen-xl", "AT", "7", "6020", "6020"),
    ),
    (
        ("Post NL.", "Next  Day", "the Netherlands", "Zuid-Holland", "1012ab", "3011 ad"),
        ("post-nl", "next-day", "NL", "ZH", "1012 AB", "3011 AD"),
    ),
    (
        ("CORREIOS", "Sedex/10", "bra", "br-sp", "01310100", "1310-100"),
        ("correios", "sedex-10", "BR", "SP", "01310-100", "01310-100"),
    ),
]


def written(names: tuple[str, ...]) -> CalendarFile:
    return CalendarFile(TEXT.format(**dict(zip(NAMES, names, strict=True))))


def orders(names: tuple[str, ...]) -> pd.DataFrame:
    row = dict(zip(NAMES, names, strict=True))
    return pd.DataFrame(
        {
            "carrier": [row["carrier"]],
            "service": [row["service"]],
            "origin": [row["origin"]],
            "origin_country": [row["land"]],
            "destination_country": [row["land"]],
            "destination_region": [row["region"]],
        }
    )


@pytest.mark.parametrize(("people", "tables"), PLACES)
def test_spellings_say_the_same(people: tuple[str, ...], tables: tuple[str, ...]) -> None:
    known = warehouses_of(orders(tables))
    found, expected = (written(names).spelled_as(known) for names in (people, tables))
    for table in ("closures", "blackouts", "carriers", "warehouses", "destinations", "holidays"):
        assert getattr(found, table) == getattr(expected, table)
    assert found.default_country == expected.default_country == tables[2]
    assert found.closures[0].origin == tables[4]
    areas, same = (file.disruptions[0].conditions() for file in (found, expected))
    assert areas == same
    assert ("destination", tables[5], False) in areas[0]


@pytest.mark.parametrize(("people", "tables"), PLACES)
def test_other_spellings_are_told(people: tuple[str, ...], tables: tuple[str, ...]) -> None:
    assert calendar_notes(written(tables), orders(tables)) == ()
    (note,) = calendar_notes(written(people), orders(tables))
    respelled = written(people).respelled()
    assert f"carrier {people[0]} = {tables[0]}" in respelled
    assert f"region {people[3]} = {tables[3]}" in respelled
    assert f"in the form of shipments ({len(respelled)})" in note


def test_names_that_no_order_has_are_told() -> None:
    (_, tables), (_, others), _ = PLACES
    notes = calendar_notes(written(others), orders(tables))
    assert len(notes) == 5
    for told, name in zip(
        notes, ("post-nl", "post-nl next-day", "NL", "NL ZH", "1012 AB"), strict=True
    ):
        assert "1 of 1" in told
        assert told.endswith(name)


def test_two_spellings_of_one_are_one_too_many() -> None:
    with pytest.raises(ContractError, match=r"a second .*about dhl-paket"):
        CalendarFile('[[carriers]]\ncarrier = "DHL Paket"\n[[carriers]]\ncarrier = "dhl_paket"')


@pytest.mark.parametrize("line", ['carrier = "-"', 'carrier = "x"\norigin = "n/a"'])
def test_what_stands_for_nothing_is_refused(line: str) -> None:
    with pytest.raises(ContractError, match=r"line [23]"):
        CalendarFile(f"[[carriers]]\n{line}")
