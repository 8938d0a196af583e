"""What the values of one shipment mean: times, dates, places and numbers of whatever type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etapromise.array_types import Dates, Floats, Mask
from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import RANGES, normal_number
from etapromise.normal_forms.remembered import COUNTRIES, POSTCODES, REGIONS
from etapromise.normal_forms.texts import normal_text
from etapromise.normal_forms.zones import zone_name

if TYPE_CHECKING:
    import pandas as pd

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
        "datetime.now(timezone.utc). Read text with datetime.fromisoformat, and give a time "
        "without a zone that of its clock: time.replace(tzinfo=ZoneInfo('Europe/Berlin'))."
    )


_ZONE: Final = "destination_time_zone"
_QUOTED: Final = "quoted_date"
# What a value may be that says something, if not what it should.
_SAYS: Final = (str, bytes, float, int, Decimal, np.floating, np.integer)


def readable_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A shipment without what cannot be read of it, and what that was, as ``name=value``."""
    found, left = dict(fields), []
    for name in (*GIVEN_NUMBERS, _ZONE, _QUOTED):
        value = found.get(name)
        if value is not None and not _readable(name, value):
            found[name] = None
            left.append(f"{name}={value!r}")
    return found, tuple(left)


def _readable(name: str, value: Any) -> bool:
    """Whether an optional value says what it should, or nothing."""
    if name == _ZONE:
        said = None
        if isinstance(value, _SAYS) and not missing(value):
            said = normal_text(value if isinstance(value, str | bytes) else f"{value}")
        return said is None or zone_name(said) is not None
    try:
        if name == _QUOTED:
            quoted_day(value)
        else:
            normal_number(name, value)
    except ContractError:
        if isinstance(value, bool | np.bool_) or not isinstance(value, _SAYS):
            raise
        if name == _QUOTED and not isinstance(value, str):
            raise
        return False
    return True


def readable_frame(frame: pd.DataFrame) -> tuple[pd.DataFrame, Mask]:
    """A frame of shipments without what cannot be read, and (n,) of which rows something was.

    Args:
        frame: (n, …); columns of floats and of dates are looked at as a whole.
    """
    left = np.zeros(len(frame), np.bool_)
    changed: dict[str, Any] = {}
    for name in GIVEN_NUMBERS:
        if name in frame.columns:
            values, bad = _numbers(name, frame[name])
            if bad.any() or frame[name].dtype.kind not in "fiu":
                changed[name] = values
                left |= bad
    if _ZONE in frame.columns:
        none, bad = _no_zones(frame[_ZONE])
        if none.any():
            changed[_ZONE] = frame[_ZONE].astype(object).mask(none)
            left |= bad
    if _QUOTED in frame.columns and frame[_QUOTED].dtype.kind != "M":
        changed[_QUOTED], bad = _quoted(frame[_QUOTED])
        left |= bad
    return (frame.assign(**changed) if changed else frame), left


def _numbers(name: str, column: pd.Series[Any]) -> tuple[Floats, Mask]:
    low, high = RANGES[name]
    if column.dtype.kind in "fiu":
        values = column.to_numpy(np.float64, na_value=np.nan)
        most = math.inf if high is None else high
        bad = np.isinf(values) | (values < low) | (values > most)
        return np.where(bad, np.nan, values), bad
    bad = np.array([not _readable(name, value) for value in column], np.bool_)
    read = [
        math.nan if unread else normal_number(name, value)
        for value, unread in zip(column, bad.tolist(), strict=True)
    ]
    return np.array(read, np.float64), bad


def _no_zones(zones: pd.Series[Any]) -> tuple[Mask, Mask]:
    """(n,) which zones are none or say nothing, and which of them say something else."""
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    codes, values = pd.factorize(zones, use_na_sentinel=True)
    bad = np.array([not _readable(_ZONE, value) for value in values] + [False], np.bool_)
    blank = np.array(
        [isinstance(value, str) and normal_text(value) is None for value in values] + [False],
        np.bool_,
    )
    return np.asarray((bad | blank)[codes]), np.asarray(bad[codes])


def _quoted(column: pd.Series[Any]) -> tuple[Dates, Mask]:
    """(n,) the dates of a column, NaT where there are none, and which cannot be read."""
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    codes, values = pd.factorize(column, use_na_sentinel=True)
    bad = np.array([not _readable(_QUOTED, value) for value in values] + [False], np.bool_)
    said = [
        math.nan if unread else quoted_day(value)
        for value, unread in zip(values, bad, strict=False)
    ]
    days = np.array([*said, math.nan])[codes]
    there = np.isfinite(days)
    dates = np.full(len(days), np.datetime64("NaT", "D"))
    dates[there] = days[there].astype(np.int64).astype("datetime64[D]")
    return dates.astype("datetime64[s]"), np.asarray(bad[codes])
