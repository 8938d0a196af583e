"""Columns of Python objects: as text that UTF-8 has, and as types that Arrow has."""

from __future__ import annotations

import decimal
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from etapromise.text_type import TEXT

_MOMENTS: Final = pd.DatetimeTZDtype("us", "UTC")
# A column is written with as few digits as all of its moments have; microseconds in each unit.
_UNITS: Final[tuple[tuple[Literal["s", "ms"], int], ...]] = (("s", 1_000_000), ("ms", 1_000))
_QUIET = decimal.Context(traps=[])  # a signalling NaN is missing


def are_objects(values: pd.Series[Any]) -> bool:
    """Whether a column holds Python objects, plain or as the words of a category.

    Args:
        values: (n,) of any type.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    return bool(dtype == np.dtype(object))


def table_as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table of any types as (n, k) text; what UTF-8 has not is a question mark.

    Args:
        table: (n, k) of any types, Python objects too.
    """
    found = {}
    with decimal.localcontext(_QUIET):
        for place, name in enumerate(table.columns):
            values = table.iloc[:, place]
            if are_objects(values):
                values = values.astype(object).map(_encodable, na_action="ignore")
            found[name] = _moments(values) if values.dtype == _MOMENTS else values.astype(TEXT)
    return pd.DataFrame(found, index=table.index, columns=table.columns)


def _moments(values: pd.Series[Any]) -> pd.Series[Any]:
    """Moments as pandas writes them, which takes five times as long."""
    times = values.dt.tz_localize(None).to_numpy()
    known = ~np.isnat(times)
    past = times[known].view(np.int64)
    unit: Literal["s", "ms", "us"] = next(
        (unit for unit, each in _UNITS if not (past % each).any()), "us"
    )
    text = np.full(len(times), None, dtype=object)
    said = np.datetime_as_string(times[known], unit=unit).tolist()
    text[known] = [f"{one[:10]} {one[11:]}+00:00" for one in said]
    return pd.Series(text, dtype=TEXT, index=values.index)


def _encodable(value: object) -> str:
    try:
        said = str(value)
    except ValueError:  # a whole number of more digits than Python writes
        said = f"<{type(value).__name__}>"
    return said.encode("utf-8", "replace").decode("utf-8")


def arrow_table_of(table: pd.DataFrame) -> pa.Table:
    """A table as Arrow has it; Python objects of no common type become text.

    Args:
        table: (n, k) with names that differ.
    """
    names = [str(name) for name in table.columns]
    return pa.table([_array(table[name]) for name in table.columns], names)


def _array(values: pd.Series[Any]) -> pa.Array:
    if not are_objects(values):
        return pa.array(values, from_pandas=True)
    with decimal.localcontext(_QUIET):
        there = values.notna().to_numpy()
    # Arrow ends the process where numpy's scalars of several types stand side by side.
    plain = [
        (value.item() if isinstance(value, np.generic) else value) if known else None
        for value, known in zip(values, there, strict=True)
    ]
    kinds = {type(value) for value in plain} - {type(None)}
    if len(kinds) <= 1 or kinds == {int, float}:  # of a date and 5, Arrow makes two dates
        try:
            return pa.array(plain)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    text = table_as_text(values.to_frame("text"))["text"]
    return pa.array(text, pa.large_string(), from_pandas=True)
