"""Optional values that cannot be read: left out and told, at every door, and never a parcel's end.

A number that is none or outside its range, a zone that is none and a quoted date that is none count
as missing, whether they come in a table, in a frame or with a single call. A value of another type,
such as a list, is a fault of a program and refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.encoding.shipment_values import GIVEN_NUMBERS, missing, quoted_day
from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import RANGES, normal_number
from etapromise.normal_forms.texts import normal_text
from etapromise.normal_forms.zones import zone_name

if TYPE_CHECKING:
    import pandas as pd

_ZONE: Final = "destination_time_zone"
_QUOTED: Final = "quoted_date"
# What a value may be that says something, if not what it should.
_SAYS: Final = (str, bytes, float, int, Decimal, np.floating, np.integer)


def readable_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A shipment without what cannot be read of it, and what that was, as ``name=value``.

    Raises:
        ContractError: a value is of a type that no such value has.
    """
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


def readable_frame(frame: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
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


def _numbers(name: str, column: pd.Series[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
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


def _no_zones(zones: pd.Series[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n,) which zones are none or say nothing, and which of them say something else."""
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    codes, values = pd.factorize(zones, use_na_sentinel=True)
    bad = np.array([not _readable(_ZONE, value) for value in values] + [False], np.bool_)
    blank = np.array(
        [isinstance(value, str) and normal_text(value) is None for value in values] + [False],
        np.bool_,
    )
    return np.asarray((bad | blank)[codes]), np.asarray(bad[codes])


def _quoted(column: pd.Series[Any]) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
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
