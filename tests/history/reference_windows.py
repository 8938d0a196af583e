"""Windowed statistics once more: one query at a time, in pandas, slow and obvious."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def answer(
    parcels: pd.DataFrame, key: int, day: int, window: int, levels: Sequence[str]
) -> dict[str, Any]:
    """Statistics of the durations that became known in [day - window, day).

    Args:
        parcels: key, day, duration, one row per parcel.
        key: whose parcels.
        day: of the query.
        window: days.
        levels: decimal numbers as text, so that 0.55 of 100 parcels is the 55th.
    """
    then = parcels[
        (parcels["key"] == key) & (parcels["day"] >= day - window) & (parcels["day"] < day)
    ]
    durations = then["duration"].sort_values().to_list()
    ranks = [max(math.ceil(Fraction(level) * len(durations)), 1) for level in levels]
    return {
        "count": len(durations),
        "mean": sum(durations) / len(durations) if durations else None,
        "quantile": [durations[rank - 1] if durations else None for rank in ranks],
    }
