"""How promises were kept of late, by group: what stands behind a promise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Ints, Mask
from etapromise.promise.arrival_distribution import date_of
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    StoredValues,
)

# Fine to coarse: the first with enough orders speaks.
KEPT_LEVELS: Final = ("service_region", "service", "carrier", "network")
_ENOUGH: Final = 50
_LAYOUT: Final = ArrayLayout(
    columns=Array("int64", "levels"),
    starts=Array("int64", "levels"),
    orders=Array("int64", "rows", low=0, high=2**53),
    kept=Array("int64", "rows", low=0),
)


@dataclass(frozen=True)
class KeptRecord:
    """How promises like this one were kept, measured on recent orders.

    Attributes:
        group: which orders: the finest group with enough of them.
        kept_rate: share of them that had arrived by the date promised at `service_level`.
        service_level: the level at which that was measured.
        count: how many orders.
        as_of: the UTC date of the measurement.
    """

    group: str
    kept_rate: float
    service_level: float
    count: int
    as_of: dt.date


@dataclass(frozen=True)
class KeptTable(ArrayRecord):
    """Orders and kept promises by row of the statistics' tables.

    Attributes:
        service_level: the level at which promises were judged.
        as_of_day: UTC day of the measurement, days since 1970-01-01.
        levels: names of the levels, fine to coarse.
        columns: (k,) position of each in a request's codes.
        starts: (k,) where its rows start in the two counts.
        orders: (rows,) how many promises could be judged.
        kept: (rows,) how many of them were kept.
    """

    LAYOUT: ClassVar = _LAYOUT

    service_level: float
    as_of_day: int
    levels: tuple[str, ...]
    columns: Ints
    starts: Ints
    orders: Ints
    kept: Ints

    @classmethod
    def stored(
        cls, part: StoredPart, values: StoredValues, level_names: list[str], sizes: list[int]
    ) -> KeptTable:
        """The record of a model's files."""
        levels = values.texts("levels")
        if levels != KEPT_LEVELS:
            values.refuse("levels", levels, f"{KEPT_LEVELS}")
        columns, starts, rows = _places(level_names, sizes)
        arrays = part.read(_LAYOUT, levels=len(levels), rows=rows)
        for name, expected in (("columns", columns), ("starts", starts)):
            if not np.array_equal(arrays[name], expected):
                part.refuse(name, arrays[name], expected)
        if np.any(arrays["kept"] > arrays["orders"]):
            part.refuse("kept", "more kept promises than promises", "no more")
        return cls(
            service_level=values.number("service_level", 1e-9, 1.0),
            as_of_day=values.whole("as_of_day", EARLIEST_DAY, LATEST_DAY),
            levels=levels,
            **arrays,
        )

    def record(self, codes: Sequence[int] | NDArray[np.int32]) -> KeptRecord | None:
        """The record of the finest group with at least 50 judged orders, if any."""
        for position, name in enumerate(self.levels):
            code = int(codes[self.columns.item(position)])
            row = self.starts.item(position) + code
            orders = self.orders.item(row)
            if code and orders >= _ENOUGH:
                return KeptRecord(
                    group=name,
                    kept_rate=self.kept.item(row) / orders,
                    service_level=self.service_level,
                    count=orders,
                    as_of=date_of(self.as_of_day),
                )
        return None


def kept_table(
    codes: NDArray[np.int32],
    kept: Mask,
    *,
    level_names: list[str],
    sizes: list[int],
    service_level: float,
    as_of_day: int,
) -> KeptTable:
    """Count judged promises by group.

    Args:
        codes: (n, L) of orders whose promised date had run out by `as_of_day`.
        kept: (n,) whether they arrived by it.
        sizes: (L,) rows of each level's table.
        as_of_day: UTC day, days since 1970-01-01.
    """
    columns, starts, rows = _places(level_names, sizes)
    orders, good = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for column, start in zip(columns, starts, strict=True):
        length = sizes[column]
        orders[start : start + length] = np.bincount(codes[:, column], minlength=length)
        good[start : start + length] = np.bincount(codes[kept, column], minlength=length)
    return KeptTable(service_level, as_of_day, KEPT_LEVELS, columns, starts, orders, good)


def _places(level_names: list[str], sizes: list[int]) -> tuple[Ints, Ints, int]:
    """Columns and starts of `KEPT_LEVELS`, and how many rows they have together."""
    columns = [level_names.index(name) for name in KEPT_LEVELS]
    ends = np.cumsum([0, *(sizes[column] for column in columns)]).astype(np.int64)
    return np.array(columns, np.int64), ends[:-1], int(ends[-1])
