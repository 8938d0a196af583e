"""Time zones: given, else the region's, else the country's, else the default; and said so."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.calendars.dispatch import Dispatch
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.calendars.zones import ZONE_SOURCES, ZoneMap
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.lanes.levels import KeyIndex, levels_with
from etapromise.normal_forms.zones import (
    is_time_zone,
    zone_of_country,
    zones_of_postcodes,
)
from etapromise.stored_arrays import StoredValues
from etapromise.tracking.places import place_zones

ROWS = [
    ("US", "CA", "America/Los_Angeles"),
    ("US", "CA", "America/Los_Angeles"),
    ("US", "CA", "America/Denver"),
    ("US", "NY", "America/New_York"),
    ("US", "NY", "America/New_York"),
    ("US", "NY", "America/New_York"),
    ("CA", None, "America/Toronto"),
    ("US", "AZ", None),
]
FRAME = pd.DataFrame(
    ROWS, columns=["destination_country", "destination_region", "destination_time_zone"]
)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("Asia/Tokyo", "US", "CA"), ("Asia/Tokyo", "given")),
        ((None, "US", "CA"), ("America/Los_Angeles", "region")),
        ((None, "US", "AZ"), ("America/Phoenix", "region")),
        ((None, "US", None), ("America/New_York", "country")),
        ((None, "CA", "CA"), ("America/Toronto", "country")),
        ((None, None, "CA"), ("America/New_York", "default")),
        ((None, "BR", "SP"), ("America/New_York", "default")),
        ((None, None, None), ("America/New_York", "default")),
    ],
)
def test_from_fine_to_coarse(place: tuple[Any, ...], expected: tuple[str, str]) -> None:
    zones = ZoneMap.learned(FRAME, default=None)
    zone, source = zones.resolve(*place)
    assert (zone.key, source) == expected
    again, source = ZoneMap.stored(
        StoredValues("zones", json.loads(json.dumps(zones.as_dict())))
    ).resolve(*place)
    assert (again.key, source) == expected


POSTCODES = {
    ("AU", "6000"): "Australia/Perth",
    ("AU", "2000"): "Australia/Sydney",
    ("AU", "2880"): "Australia/Broken_Hill",
    ("US", "79901"): "America/Denver",
    ("US", "37402"): "America/New_York",
    ("US", "96799"): "Pacific/Pago_Pago",
    ("CA", "V6B 1A1"): "America/Vancouver",
    ("CA", "A0P 1C0"): "America/Goose_Bay",
    ("BR", "69005-010"): "America/Manaus",
    ("BR", "69301-000"): "America/Boa_Vista",
    ("MX", "88500"): "America/Matamoros",
    ("RU", "690091"): "Asia/Vladivostok",
    ("RU", "236006"): "Europe/Kaliningrad",
    ("ID", "80361"): "Asia/Makassar",
    ("ES", "35001"): "Atlantic/Canary",
    ("PT", "9500-150"): "Atlantic/Azores",
    ("PT", "1000-001"): "Europe/Lisbon",
    ("CL", "6200000"): "America/Punta_Arenas",
    ("EC", "200102"): "Pacific/Galapagos",
    ("NZ", "8942"): "Pacific/Chatham",
    ("FR", "97400"): "Indian/Reunion",
    ("DK", "3900"): "America/Nuuk",
}
NO_AREA = [
    ("FR", "75001"),
    ("AU", "PER1"),
    ("CA", "TOR1"),
    ("US", "09012"),
    ("DE", "80331"),
    ("US", ""),
]


def test_every_area_has_one_zone_that_there_is() -> None:
    stated = tomllib.loads(
        files("etapromise.normal_forms").joinpath("postcode_zones.toml").read_text("utf-8")
    )
    for country, zones in stated.items():
        assert all(map(is_time_zone, zones))
        told = [
            (area, zone)
            for zone, spans in zones.items()
            for span in spans
            for area in beginnings(span)
        ]
        areas = [area for area, _ in told]
        # An area in two lists would have the zone of the later one.
        assert len(areas) == len(set(areas))
        known = zones_of_postcodes(country)
        for area, zone in told:
            assert known[max((one for one in known if area.startswith(one)), key=len)] == zone


def beginnings(span: str) -> list[str]:
    """All of them, in the plainest way."""
    first, _, last = span.partition("-")
    if not last or not first[-1].isdigit():
        signs = range(ord(first[-1]), ord(last[-1] if last else first[-1]) + 1)
        return [first[:-1] + chr(sign) for sign in signs]
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]


@pytest.mark.parametrize("by", ["one", "many", "compiled", "table"])
def test_a_postcode_tells_its_zone(by: str) -> None:
    places = [*POSTCODES, *NO_AREA]
    frame = pd.DataFrame(places, columns=["destination_country", "destination"])
    zones = ZoneMap.learned(frame.assign(destination=None), default="Asia/Tokyo")
    zones = ZoneMap.stored(StoredValues("zones", json.loads(json.dumps(zones.as_dict()))))
    if by == "many":
        found = list(zones.resolve_many(frame, "destination")[0])
    elif by == "table":
        found = list(place_zones(frame, "destination", None)[0])
    elif by == "compiled":
        found = [compiled_zone(zones, *place) for place in places]
    else:
        found = [zones.resolve(None, land, None, postcode=code)[0].key for land, code in places]
    usual = [zone_of_country(land)[0] for land, _ in NO_AREA]  # type: ignore[index]
    assert found == [*POSTCODES.values(), *usual]


def compiled_zone(zones: ZoneMap, country: str, code: str) -> str:
    """As a single quote finds it, on either side."""
    clocks = Clocks(
        first_day=19_000,
        services=(),
        weeks=np.ones((1, 7)),
        calendars=(),
        holidays=np.zeros((1, 900), np.uint8),
        holiday_weights=np.ones((1, HOLIDAY_KINDS)),
    )
    encoder = Encoder(
        categorical=(),
        numeric=(),
        indexes=tuple(KeyIndex([]) for _ in levels_with((), hand_offs=False)),
        clocks=clocks,
        zones=zones,
        dispatch=Dispatch.unknown(clocks),
    )
    fields = {
        "ordered_at": datetime(2023, 7, 2, tzinfo=UTC),
        **{f"{side}": code for side in ("origin", "destination")},
        **{f"{side}_country": country for side in ("origin", "destination")},
    }
    found = encoder.compiled.encode(fields)[0]
    assert found.origin_zone == found.zone
    return encoder.compiled.zone_name(found.zone, None)


def test_a_region_goes_before_its_postcode_and_a_calendar_before_both() -> None:
    frame = pd.DataFrame({"destination_country": ["AU"], "destination_region": ["NSW"]})
    zones = ZoneMap.learned(frame, default=None)
    assert zones.resolve(None, "AU", "NSW", postcode="6000")[0].key == "Australia/Sydney"
    assert zones.resolve(None, "AU", "??", postcode="6000")[0].key == "Australia/Perth"
    told = zones.overridden(default=None, countries={"AU": "Australia/Eucla"}, regions={})
    assert told.resolve(None, "AU", "NSW", postcode="6000")[0].key == "Australia/Eucla"


def test_many_equal_one_at_a_time() -> None:
    zones = ZoneMap.learned(FRAME, default="UTC")
    names, sources = zones.resolve_many(FRAME, "destination")
    for i, (country, region, given) in enumerate(ROWS):
        zone, source = zones.resolve(given, country, region)
        assert (names[i], ZONE_SOURCES[sources[i]]) == (zone.key, source)


def test_the_order_of_rows_does_not_matter() -> None:
    tied = pd.concat([FRAME, FRAME.assign(destination_time_zone="Europe/Paris")])
    one = ZoneMap.learned(tied, default=None).as_dict()
    assert ZoneMap.learned(tied.iloc[::-1], default=None).as_dict() == one


def test_no_zone_at_all() -> None:
    for frame in (FRAME.iloc[:0], FRAME.drop(columns="destination_time_zone"), FRAME.iloc[-1:]):
        zone, source = ZoneMap.learned(frame, default=None).resolve(None, "ZZ", "CA")
        assert (zone.key, source) == ("UTC", "default")


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "CET\x00"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match="IANA name"):
        ZoneMap(default=name, countries={}, regions={})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"destination_time_zone": "Asia/Tokyo"}, None),
        ({"destination_country": "US", "destination_region": "IL"}, "zone_from_region"),
        ({"destination_country": "US", "destination_region": "??"}, "zone_from_region"),
        ({"destination_country": "US"}, "zone_from_region"),
        ({"destination_country": "US", "destination": "depot"}, "zone_from_country"),
        ({"destination_country": "??"}, "zone_default"),
        ({}, "zone_default"),
    ],
)
def test_a_promise_says_where_its_zone_is_from(
    model: PromiseModel, fields: dict[str, str], message: str | None
) -> None:
    place = {"origin": "60492", "destination": "60449"} | fields
    promise = model.promise(**place, ordered_at=datetime(2025, 7, 2, tzinfo=UTC))
    said = {one["code"] for one in promise.messages if one["code"].startswith("zone_")}
    assert said == ({message} if message else set())
    expected = model.parts.encoder.zones.resolve(
        fields.get("destination_time_zone"),
        fields.get("destination_country"),
        fields.get("destination_region"),
        postcode=place["destination"],
    )[0]
    assert promise.destination_time_zone == expected.key
    assert np.datetime64(promise.date, "D") >= np.datetime64("2025-07-01")
