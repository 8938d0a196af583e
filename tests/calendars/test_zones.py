"""Time zones: given, else the region's, else the country's, else the default; and said so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.calendars.zones import ZONE_SOURCES, ZoneMap
from etapromise.errors import ContractError
from etapromise.stored_arrays import StoredValues

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
        ({"destination_country": "US", "destination_region": "??"}, "zone_from_country"),
        ({"destination_country": "??"}, "zone_default"),
        ({}, "zone_default"),
    ],
)
def test_a_promise_says_where_its_zone_is_from(
    model: PromiseModel, fields: dict[str, str], message: str | None
) -> None:
    promise = model.promise(
        origin="60492", destination="60449", ordered_at=datetime(2025, 7, 2, tzinfo=UTC), **fields
    )
    said = {one["code"] for one in promise.messages if one["code"].startswith("zone_")}
    assert said == ({message} if message else set())
    expected = model.parts.encoder.zones.resolve(
        fields.get("destination_time_zone"),
        fields.get("destination_country"),
        fields.get("destination_region"),
    )[0]
    assert promise.destination_time_zone == expected.key
    assert np.datetime64(promise.date, "D") >= np.datetime64("2025-07-01")
