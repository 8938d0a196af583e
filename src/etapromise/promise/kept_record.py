"""How promises were kept of late, by group: what stands behind a promise.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.promise.promise import KeptRecord, date_of

__all__ = ["KEPT_LEVELS", "KeptTable", "kept_table"]

# Fine to coarse: the first with enough orders speaks.
KEPT_LEVELS: Final = ("service_region", "service", "carrier", "network")
_ENOUGH: Final = 50


@dataclass(frozen=True)
class KeptTable:
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

    service_level: float
    as_of_day: int
    levels: tuple[str, ...]
    columns: NDArray[np.int64]
    starts: NDArray[np.int64]
    orders: NDArray[np.int64]
    kept: NDArray[np.int64]

    def record(self, codes: Sequence[int] | NDArray[np.int32]) -> KeptRecord | None:
        """The record of the finest group with at least 50 judged orders, if any.

        Args:
            codes: (L,) or more, of one request.
        """
        for position, name in enumerate(self.levels):
            code = int(codes[self.columns[position]])
            row = int(self.starts[position]) + code
            orders = int(self.orders[row])
            if code and orders >= _ENOUGH:
                return KeptRecord(
                    group=name,
                    kept_rate=int(self.kept[row]) / orders,
                    service_level=self.service_level,
                    count=orders,
                    as_of=date_of(self.as_of_day),
                )
        return None


def kept_table(
    codes: NDArray[np.int32],
    kept: NDArray[np.bool_],
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
        level_names: (L,) names of the levels.
        sizes: (L,) rows of each level's table.
        service_level: at which they were promised.
        as_of_day: UTC day, days since 1970-01-01.
    """
    columns = np.array([level_names.index(name) for name in KEPT_LEVELS], np.int64)
    lengths = [sizes[column] for column in columns]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    orders = np.zeros(sum(lengths), np.int64)
    good = np.zeros(sum(lengths), np.int64)
    for column, start, length in zip(columns, starts, lengths, strict=True):
        orders[start : start + length] = np.bincount(codes[:, column], minlength=length)
        good[start : start + length] = np.bincount(codes[kept, column], minlength=length)
    return KeptTable(service_level, as_of_day, KEPT_LEVELS, columns, starts, orders, good)
