"""More orders than the network is used to: the delay that a queue is about to have.

A network with fixed capacity works a surge off later: waiting grows with the queue (Little 1961),
days before the first late delivery shows it. So a sudden rise in orders lengthens every duration by
a power of the rise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats

_QUICK_HALF_LIFE: Final = 5.0
_SLOW_HALF_LIFE: Final = 28.0
# A rise below this (on the log scale) is the ordinary week's.
_ORDINARY: Final = 0.2
# How much of the rise turns into waiting.
_POWER: Final = 0.6


def surge_by_day(start_day: NDArray[np.int32], end_day: int) -> tuple[int, Floats]:
    """What to add to the log durations of the orders of each day.

    Args:
        start_day: (n,) ascending UTC days of orders, since 1970-01-01.
        end_day: the last day to answer for; only orders of earlier days count.

    Returns:
        The first order's day, and (days,) one value for each day from it to `end_day`, inclusive.
    """
    first = int(start_day[0])
    orders = np.bincount(start_day[start_day < end_day] - first, minlength=end_day - first)
    added = np.zeros(end_day - first + 1)
    quick = slow = quick_weight = slow_weight = 0.0
    quick_keeps, slow_keeps = 0.5 ** (1 / _QUICK_HALF_LIFE), 0.5 ** (1 / _SLOW_HALF_LIFE)
    for day, count in enumerate(orders, start=1):
        quick, quick_weight = quick * quick_keeps + count, quick_weight * quick_keeps + 1.0
        slow, slow_weight = slow * slow_keeps + count, slow_weight * slow_keeps + 1.0
        # The slow mean is not known before it has seen a few weeks.
        if day >= _SLOW_HALF_LIFE:
            rise = np.log((quick / quick_weight + 1.0) / (slow / slow_weight + 1.0))
            added[day] = _POWER * max(0.0, rise - _ORDINARY)
    return first, added
