"""Dates and clocks from the parts of their texts: numbers, names of months, halves of the day."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.array_types import MISSING, Ints, Mask
from etapromise.errors import ContractError

_SECOND: Final = 1_000_000
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES, 1)}
# So much of a column, or one in so many values, may have day and month in another order.
_SLIPS: Final = 0.02
_ONE_SLIP: Final = 10


def slips_of(strays: int, others: int) -> bool:
    """Whether so few values have their day and month in another order than the others show.

    Of those that may be read either way as many are wrong as of these, so these must be rare.
    """
    return strays <= max(_SLIPS * others, min(1, others // _ONE_SLIP))


def named_parts(found: pa.ChunkedArray) -> pd.DataFrame:
    """The groups of `pc.extract_regex` as columns of text, missing where empty."""
    return pd.DataFrame(
        {
            field.name: pc.struct_field(found, field.name).to_pandas().replace("", None)
            for field in found.type
        }
    )


def whole_numbers(words: pd.Series[Any]) -> Ints:
    """Digits as numbers, -1 where there are none."""
    return np.asarray(pd.to_numeric(words).fillna(-1).to_numpy(), dtype=np.int64)


def years_of(words: pd.Series[Any]) -> Ints:
    """Years, those of two digits of this century."""
    years = whole_numbers(words)
    return np.where((years >= 0) & (years < 100), 2000 + years, years)


def day_and_month(parts: pd.DataFrame, name: str, *, few: bool) -> tuple[Ints, Ints, str]:
    """Which of two numbers is the day: dots mean day first; else the column's values say it."""
    first, second = whole_numbers(parts["first"]), whole_numbers(parts["second_of"])
    dotted = (parts["mark"] == ".").to_numpy()
    open_ = ~dotted
    other, day_first = "", False
    if open_.any():
        by_day, by_month = int((first[open_] > 12).sum()), int((second[open_] > 12).sum())
        example = f"{parts['first'].iloc[int(np.argmax(open_))]}/" + str(
            parts["second_of"].iloc[int(np.argmax(open_))]
        )
        slips = slips_of(min(by_day, by_month), max(by_day, by_month))
        if not by_day and not by_month and few:
            first, second = (
                np.where(open_ & (first != second), -1, one) for one in (first, second)
            )
        elif not (slips and by_day != by_month) and not (first == second)[open_].all():
            why = "some only day first, others only month first" if by_day else "either way"
            raise ContractError(
                f"column {name} holds dates such as {example}, which can be read {why}; "
                "expected one order of day and month. Say which comes first in a mapping, or write "
                "YYYY-MM-DD"
            )
        if by_day and by_month:
            either = int(((first <= 12) & (second <= 12) & (first != second) & open_).sum())
            other = f", but for {min(by_day, by_month):,}; {either:,} show neither"
        day_first = by_day > by_month
    decided = dotted | day_first
    day, month = np.where(decided, first, second), np.where(decided, second, first)
    if dotted.all():
        return day, month, "dates as DD.MM.YYYY"
    return day, month, f"dates with the {'day' if day_first else 'month'} first{other}"


def months_of(words: pd.Series[Any]) -> Ints:
    """Months by the first three letters of their names in English; -1 of other words."""
    distinct = {word: _MONTHS.get(str(word).lower(), -1) for word in words.unique()}
    return np.asarray(words.map(distinct).to_numpy(), dtype=np.int64)


def microseconds_of_dates(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Mask]:
    """Microseconds of dates, and which of them the calendar has."""
    fine = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1) & (year <= 9999)
    start = ((np.where(fine, year, 1970) - 1970) * 12 + np.where(fine, month, 1) - 1).astype(
        "datetime64[M]"
    )
    found = start.astype("datetime64[D]") + (np.where(fine, day, 1) - 1)
    fine &= found.astype("datetime64[M]") == start
    return found.astype("datetime64[us]").view(np.int64), fine


def microseconds_of_clocks(parts: pd.DataFrame) -> tuple[Ints, Mask]:
    """Microseconds after midnight, `MISSING` where no clock shows that; and where one is said."""
    said = parts["hour"].notna().to_numpy()
    hour, minute = whole_numbers(parts["hour"]), whole_numbers(parts["minute"])
    second = np.maximum(whole_numbers(parts["second"]), 0)
    part = parts["part"].fillna("").str.ljust(6, "0").str.slice(0, 6)
    fraction = np.asarray(pd.to_numeric(part).to_numpy(), dtype=np.int64)
    half = parts["half"].fillna("").str.slice(0, 1).str.lower().to_numpy()
    twelve = half != ""
    fine = (hour <= 23) & (minute <= 59) & (second <= 59)
    fine &= ~twelve | ((hour >= 1) & (hour <= 12))
    hour = np.where(twelve, hour % 12 + 12 * (half == "p"), hour)
    clock = ((hour * 60 + minute) * 60 + second) * _SECOND + fraction
    return np.where(said, np.where(fine, clock, MISSING), 0), said
