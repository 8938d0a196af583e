"""One shipment's request once more, in plain Python: joined keys, dictionaries and zoneinfo."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from etapromise.calendars.dispatch import DISPATCH_LEVELS
from etapromise.calendars.zones import ZONE_SOURCES
from etapromise.encoding.requests import Encoder, Requests
from etapromise.errors import ContractError
from etapromise.lanes.hand_offs import HAND_OFF_LEVELS
from etapromise.lanes.levels import PREFIX_LENGTH
from etapromise.normal_forms.numbers import normal_number
from etapromise.normal_forms.places import normal_country, normal_region
from etapromise.normal_forms.postcodes import normal_postcode
from etapromise.normal_forms.texts import normal_name, normal_text
from etapromise.normal_forms.zones import zone_name
from tests.calendars.dispatch_delay import dispatch_delay, fetched_after

EPOCH = dt.date(1970, 1, 1).toordinal()
SEPARATOR = "\x1f"
GIVEN = ("origin_lat", "origin_lon", "destination_lat", "destination_lon", "weight_kg")


def reference_request(encoder: Encoder, fields: Mapping[str, Any]) -> Requests:
    fields = {name: None if is_missing(value) else value for name, value in fields.items()}
    ordered_at = fields["ordered_at"]
    if not isinstance(ordered_at, dt.datetime) or ordered_at.tzinfo is None:
        raise ContractError("naive")
    texts = {
        name: said for name, said in normal(fields, encoder.numeric).items() if said is not None
    }
    # What is derived is never given.
    texts["destination_prefix"] = texts.get("destination", "")[:PREFIX_LENGTH]

    def row(keys: tuple[str, ...], *columns: str) -> int:
        key = SEPARATOR.join(texts.get(column, "") for column in columns)
        return max((row for row, known in enumerate(keys, start=1) if known == key), default=0)

    def clock_row(keys: tuple[str, ...], *columns: str) -> int:
        coarse = texts.get(columns[0], "").partition(SEPARATOR)[0] + SEPARATOR
        found = row(keys, *columns)
        return found or max(
            (row for row, key in enumerate(keys, start=1) if key == coarse), default=0
        )

    last_mile = brought_by(encoder, texts)
    texts["hand_off_carrier"] = last_mile or ""
    zone, _ = encoder.zones.resolve(
        None, texts.get("origin_country"), texts.get("origin_region"), origin=texts.get("origin")
    )
    try:
        local = ordered_at.astimezone(zone)
    except OverflowError as error:
        raise ContractError("calendars") from error
    order_day = local.toordinal() - EPOCH
    encoder.clocks.require_days(order_day, order_day)
    quoted = fields.get("quoted_date")
    region = ("destination_country", "destination_region")
    there = row(encoder.clocks.calendars, *region, "destination") or clock_row(
        encoder.clocks.calendars, *region
    )
    own = encoder.clocks.row(clock_row(encoder.clocks.services, "carrier", "service"), there)
    clock = own
    if last_mile is not None:
        pair = row(encoder.clocks.services, "carrier", "service", "hand_off_carrier")
        alone = encoder.clocks.services.index(last_mile + SEPARATOR) + 1
        clock = encoder.clocks.row(pair or alone, there)
    second = local.hour * 3600 + local.minute * 60 + local.second
    closed = clock_row(encoder.clocks.calendars, "origin_country", "origin_region")
    warehouses = [row(encoder.dispatch.keys, *level.columns) for level in DISPATCH_LEVELS]
    warehouse = next((found for found in reversed(warehouses) if found), 0)
    delay = dispatch_delay(encoder.dispatch, warehouse, closed, order_day, second, clock)
    if last_mile is not None:
        leg = row(
            encoder.hand_offs.leg_keys,
            *("carrier", "service", "hand_off_carrier"),
            *("destination_country", "destination_region"),
        )
        delay = dispatch_delay(
            *(encoder.dispatch, warehouse, closed, order_day, second, clock),
            leg=(own, encoder.hand_offs.leg_days[leg]),
        )
    fetched = fetched_after(encoder.dispatch, warehouse, closed, order_day, second)
    texts["pickup_weekday"] = str((order_day + int(fetched) + 3) % 7)
    codes = [
        row(index.keys, *level.columns)
        for level, index in zip(encoder.levels, encoder.indexes, strict=True)
    ]
    numbers = [
        second / 3600.0,
        *(number(fields, name) for name in GIVEN),
        math.nan
        if quoted is None or not is_a_date(quoted)
        else ordinal(quoted) - EPOCH - order_day,
        delay,
        0.0,
        fetched,
        *(number(fields, name) for name in encoder.numeric),
    ]
    _, source = encoder.zones.resolve(
        *(texts.get(f"destination_{part}") for part in ("time_zone", "country", "region"))
    )
    return Requests(
        np.array([codes], np.int32),
        np.array([numbers], np.float64),
        np.array([order_day], np.int32),
        np.array([clock], np.int32),
        np.array([ZONE_SOURCES.index(source)], np.int8),
    )


def brought_by(encoder: Encoder, texts: Mapping[str, str]) -> str | None:
    """Who usually takes a parcel over: by the finest key that was seen."""
    hand_offs = encoder.hand_offs
    if hand_offs is None:
        return None
    levels = zip(HAND_OFF_LEVELS, hand_offs.keys, hand_offs.last_mile, strict=True)
    for level, keys, last_mile in reversed([*levels]):
        key = SEPARATOR.join(texts.get(column, "") for column in level.columns)
        if key in keys:
            number = int(last_mile[keys.index(key) + 1])
            return hand_offs.carriers[number - 1] if number else None
    return None


def is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value  # noqa: PLR0124


def in_keys(text: str) -> str:
    """A text as a part of a key: nothing in it stands for a separator."""
    return "".join({"\x1a": "\x1a0", "\x1f": "\x1a1"}.get(letter, letter) for letter in text)


def normal(fields: Mapping[str, Any], numeric: Sequence[str]) -> dict[str, str | None]:
    """Texts in their normal forms, which have tests of their own."""
    texts: dict[str, str | None] = {}
    for name, value in fields.items():
        if name in {"carrier", "service"}:
            texts[name] = normal_name(value)
        elif name.endswith("_country"):
            texts[name] = normal_country(value)
        elif name not in {"ordered_at", "quoted_date", *GIVEN, *numeric}:
            texts[name] = normal_text(value)
    for side in ("origin", "destination"):
        country = texts.get(f"{side}_country")
        texts[side] = normal_postcode(fields.get(side), country)
        texts[f"{side}_region"] = normal_region(fields.get(f"{side}_region"), country)
    zone = texts.get("destination_time_zone")
    if zone is not None:
        texts["destination_time_zone"] = zone_name(zone)
    return texts


def given(fields: Mapping[str, Any], name: str) -> float:
    """A number of a shipment; one of the contract that cannot be read is as if there was none."""
    value = fields.get(name)
    try:
        return normal_number(name, value)
    except ContractError:
        says = isinstance(value, str | bytes | float | int | Decimal | np.number)
        if name not in GIVEN or isinstance(value, bool) or not says:
            raise
        return math.nan


def number(fields: Mapping[str, Any], name: str) -> float:
    value = given(fields, name)
    other = {"lat": "lon", "lon": "lat"}.get(name[-3:])
    # Where the equator meets the meridian of Greenwich nobody lives.
    if value == 0 and other and given(fields, name[:-3] + other) == 0:
        return math.nan
    return value


def is_a_date(value: Any) -> bool:
    """Years far away stand for no date."""
    return 1990 <= dt.date.fromordinal(ordinal(value)).year <= 2099 and ordinal(value) < ordinal(
        dt.date(2099, 12, 31)
    )


def ordinal(value: Any) -> int:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value).toordinal()
        except ValueError as error:
            raise ContractError("date") from error
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[D]").item()
    if not isinstance(value, dt.date):
        raise ContractError("date")
    return value.toordinal()
