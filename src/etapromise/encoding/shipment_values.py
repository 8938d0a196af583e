"""What the values of one shipment mean: times, dates, places and numbers of whatever type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import normal_number
from etapromise.normal_forms.remembered import COUNTRIES, POSTCODES, REGIONS
from etapromise.normal_forms.texts import normal_text

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
GIVEN_NUMBERS: Final = (
    "origin_lat",
    "origin_lon",
    "destination_lat",
    "destination_lon",
    "weight_kg",
)
"""A shipment's numbers, in the order in which they are handed over."""
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
# Dates outside stand for none, as in tables.
_FIRST_DAY: Final = date(1990, 1, 1).toordinal() - _EPOCH_ORDINAL
_LAST_DAY: Final = date(2099, 12, 31).toordinal() - _EPOCH_ORDINAL


def as_datetime(moment: Any, name: str) -> datetime:
    """A moment as the standard library's: arrow's and whenever's have one within."""
    inner = getattr(moment, "datetime", None)
    if inner is None and hasattr(moment, "py_datetime"):
        inner = moment.py_datetime()
    if isinstance(moment, datetime):
        return moment
    if isinstance(inner, datetime):
        return inner
    raise naive_order_time(moment, name)


def utc_second(moment: Any, name: str = "ordered_at") -> int:
    """Seconds from 1970-01-01 00:00 UTC to a zone-aware datetime, rounded down."""
    if not isinstance(moment, datetime):
        raise naive_order_time(moment, name)
    try:
        since = moment - EPOCH
    except TypeError as error:
        raise naive_order_time(moment, name) from error
    if missing(since):
        raise naive_order_time(moment, name)
    return since.days * 86_400 + since.seconds


def quoted_day(value: Any) -> float:
    """A quoted date as days since 1970-01-01, NaN where it is missing."""
    found = normal_text(value) if isinstance(value, str) else value
    if missing(found):
        return math.nan
    try:
        if isinstance(found, str):
            found = date.fromisoformat(found)
        elif isinstance(value, np.datetime64):
            found = value.astype("datetime64[D]").item()
    except ValueError:
        pass
    if not isinstance(found, date):
        raise ContractError(f"Found quoted_date={value!r}; expected a date or 'YYYY-MM-DD'.")
    day = found.toordinal() - _EPOCH_ORDINAL
    # 1900-01-01 and 9999-12-31 stand for none.
    return float(day) if _FIRST_DAY <= day < _LAST_DAY else math.nan


def normal_places(fields: Mapping[str, Any]) -> dict[str, str]:
    """The places of a shipment in their normal forms, "" where there are none."""
    found = {}
    for side in ("origin", "destination"):
        country = COUNTRIES.of(fields.get(f"{side}_country"))
        found[f"{side}_country"] = country
        found[f"{side}_region"] = REGIONS.of(fields.get(f"{side}_region"), country)
        found[side] = POSTCODES.of(fields.get(side), country)
    return found


def given_numbers(fields: Mapping[str, Any]) -> list[float]:
    """GIVEN_NUMBERS of a shipment, NaN where missing."""
    numbers = [normal_number(name, fields.get(name)) for name in GIVEN_NUMBERS]
    for latitude in (0, 2):
        if numbers[latitude] == 0 and numbers[latitude + 1] == 0:
            # In the sea: stands for nothing.
            numbers[latitude] = numbers[latitude + 1] = math.nan
    return numbers


def missing(value: object) -> bool:
    """Whether this is what a row of a table has where there is nothing: None, NaN, NaT or NA."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 — NaN and NaT are unlike themselves
    except (TypeError, ValueError, ArithmeticError):
        return type(value).__name__ == "NAType"


def naive_order_time(found: object, name: str = "ordered_at") -> ContractError:
    """What to say of an order time that is no moment."""
    return ContractError(
        f"Found {name}={found!r}; expected a datetime with a time zone, such as "
        "datetime.now(timezone.utc)."
    )
