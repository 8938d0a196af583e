"""Parcels that all end, each known on the day on which it does."""

from __future__ import annotations

import numpy as np

from etapromise.history.effects import NEVER_DAY, Durations


def finished_parcels(start: np.ndarray, value: np.ndarray, first_day: int) -> Durations:
    """Durations on a clock that begins with `first_day` and runs a day a day.

    Args:
        start: (n,) int32 ascending, days since 1970-01-01.
        value: (n,) log(1 + days that each takes).
    """
    return Durations(
        start_day=start,
        start_clock=(start - first_day).astype(float),
        clock=np.zeros(len(start), np.int32),
        value=value,
        known_day=start + np.maximum(np.exp(value) - 1.0, 0.0).astype(np.int32),
        closed_day=np.full(len(start), NEVER_DAY, np.int32),
    )
