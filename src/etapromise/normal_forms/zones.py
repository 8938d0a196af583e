"""The time zone of a place that does not say it: by region, postcode, country or coordinates.

Countries and their zones are those of the IANA database, regions those of ``place_zones.toml``,
postcodes those of ``postcode_zones.toml``, coordinates those of the time zone boundaries of
OpenStreetMap (through tzfpy).
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from etapromise.normal_forms.postcodes import postcode_forms

_SHAPE: Final = {
    **dict.fromkeys(range(ord("0"), ord("9") + 1), "9"),
    **dict.fromkeys(range(ord("A"), ord("Z") + 1), "A"),
}
_OFFSET_NAME: Final = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?00)?")
LONGEST_AREA: Final = 5
"""Characters of a postcode that tell areas of different zones apart."""
# One zone by these clocks is one zone: January and July of years in which parcels are sent.
_COMPARED: Final = tuple(
    datetime(year, month, 15, tzinfo=UTC) for year in (2018, 2022, 2025) for month in (1, 7)
)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone that this machine knows."""
    return name in _time_zones()


@cache
def zone_name(said: str) -> str | None:
    """The IANA name of a zone, given in any case, as Windows calls it, or as whole hours from UTC.

    None of what is none.

    Abbreviations such as ``PST`` and ``CET`` do not say where, although IANA keeps some of them.
    """
    offset = _OFFSET_NAME.fullmatch(said.upper())
    if offset:
        hours = int(offset[2])
        # POSIX counts westwards.
        sign = "-" if offset[1] == "+" else "+"
        return "UTC" if hours == 0 else f"Etc/GMT{sign}{hours}" if hours <= 12 else None
    if is_time_zone(said) and ("/" in said or said == "UTC"):
        return said
    folded = said.replace(" ", "_").casefold()
    if folded in {"utc", "z", "gmt"}:
        return "UTC"
    named = (name for name in _time_zones() if "/" in name and name.casefold() == folded)
    return next(named, None) or _windows_zones().get(said)


@cache
def _windows_zones() -> Mapping[str, str]:
    """The zones that Windows calls otherwise, such as ``W. Europe Standard Time``, by CLDR."""
    from babel.core import get_global  # noqa: PLC0415 — opened only when asked

    return dict(get_global("windows_zone_mapping"))


def zone_of_region(country: str, region: str) -> str | None:
    """The IANA zone of a region (normal forms); None where it is not known."""
    return _regions().get((country, region))


def zone_of_postcode(country: str, postcode: str) -> str | None:
    """The IANA zone of a postcode's area (normal forms); None where none is known.

    Only of countries with several zones, or with parts overseas; a place code that is no postcode
    of the country has none.
    """
    areas = zones_of_postcodes(country)
    if not areas or shape_of(postcode) not in postcode_forms(country):
        return None
    lengths = range(LONGEST_AREA, -1, -1)
    return next((areas[postcode[:n]] for n in lengths if postcode[:n] in areas), None)


def shape_of(text: str) -> str:
    """A text with ASCII digits as 9 and capitals as A."""
    return text.translate(_SHAPE)


@cache
def zones_of_postcodes(country: str) -> Mapping[str, str]:
    """The zones of a country's postcode areas by how their postcodes begin; often none."""
    stated = _stated("postcode_zones.toml").get(country, {})
    return {
        area: zone
        for zone, spans in stated.items()
        for span in spans
        for area in _beginnings(*(span.split("-") if "-" in span else (span, span)))
    }


def _beginnings(first: str, last: str) -> list[str]:
    """All from one to another of the same length, in as few and as short ones as will do."""
    if not first:
        return [""]
    found = []
    for sign in map(chr, range(ord(first[0]), ord(last[0]) + 1)):
        low = first[1:] if sign == first[0] else "0" * len(first[1:])
        high = last[1:] if sign == last[0] else "9" * len(last[1:])
        found += [sign + rest for rest in _beginnings(low, high)]
    return [""] if found == list("0123456789") else found


def zone_of_country(country: str) -> tuple[str, bool] | None:
    """The IANA zone of a country, and whether it is the only one; None if there is no such country.

    Of several zones that of most people.
    """
    return _countries().get(country)


def zone_at(latitude: float, longitude: float) -> str | None:
    """The IANA zone at a point; None where there is none, such as at (0, 0), which is no place."""
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    if latitude == 0 and longitude == 0:
        return None
    from tzfpy import get_tz  # noqa: PLC0415 — its map is opened only when asked

    found = str(get_tz(longitude, latitude))
    # On the open sea there are only hours.
    return None if not found or found.startswith("Etc/") else found


@cache
def _stated(file: str = "place_zones.toml") -> Mapping[str, Mapping[str, Any]]:
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _regions() -> Mapping[tuple[str, str], str]:
    return {
        (country, region): zone
        for country, zones in _stated().items()
        for zone, regions in zones.items()
        if zone != "usual"
        for region in regions
    }


@cache
def _countries() -> Mapping[str, tuple[str, bool]]:
    listed: dict[str, list[str]] = {}
    text = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            listed.setdefault(country, []).append(zone)
    found = {}
    for country, zones in listed.items():
        usual = _stated().get(country, {}).get("usual", zones[0])
        clocks = {
            tuple(moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in _COMPARED)
            for zone in (zones if country not in _ONE_CLOCK else [usual])
        }
        found[country] = usual, len(clocks) == 1
    found.setdefault("XK", ("Europe/Belgrade", True))
    return found


# All but a few villages, or by law, keep the usual clock.
_ONE_CLOCK: Final = frozenset({"CN", "UA", "KZ", "CY", "AR", "DE"})
