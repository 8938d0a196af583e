"""How long orders of each hour of the week wait at a warehouse, from few pick-ups.

A parcel is ready after a time that varies, and leaves with the next lorry. Whatever warehouses do
comes near to one of some hundred such curves: a typical handling time, how far it varies, whether
it goes on over closed days, and the hour of the lorry. Which of them are common is learned from all
warehouses together, and a warehouse of a dozen orders has the mean of those that it may well have.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.common_laws import common_laws

# Hours: typical handling, by which share of it that varies, and when the lorry leaves.
_HANDLING: Final = (0.25, 1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 18.0, 25.0, 36.0, 50.0, 72.0)
_VARIES: Final = (0.25, 0.7)
_LEAVES: Final = range(8, 22)
_HOURS: Final = 24
_CELLS: Final = 7 * _HOURS
# Working days that waits are told apart by, and calendar days on which lorries are looked for.
MOST_WAITS: Final = 12
_LORRIES: Final = 18
# Share of pick-ups that no curve explains.
_STRANGE: Final = 0.03
# Picked up by so few, an order is not reckoned with yet: that of native/dispatch.c.
HARDLY_EVER: Final = 0.1
_ROUNDS: Final = 31
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class HourlyWaits:
    """Working days from the start of an order's day to the pick-up, by hour of the week.

    Attributes:
        mean: (w, 7, 24).
        soonest: (w, 7, 24) uint8, by how many at least one in ten is picked up.
        log_likelihood: (w,) of the pick-ups under the curve that explains them best.
    """

    mean: Floats
    soonest: NDArray[np.uint8]
    log_likelihood: Floats


def hourly_waits(
    warehouse: Ints, weeks: Mask, order_day: Ints, second: Ints, worked: Floats
) -> HourlyWaits:
    """Those of w warehouses.

    Args:
        warehouse: (n,) 0 to w - 1, of each order.
        weeks: (w, 7) whether each works on Monday … Sunday.
        order_day: (n,) local date, days since 1970-01-01. second: (n,) of the day.
        worked: (n,) working days of the warehouse from the order's date to the pick-up's.
    """
    cell = (order_day + 3) % 7 * _HOURS + second // 3600
    waited = np.clip(np.round(worked), 0, MOST_WAITS - 1).astype(np.int64)
    patterns, of = np.unique(weeks, axis=0, return_inverse=True)
    of = of.ravel()
    fit = np.empty((len(weeks), _curve_count()))
    curves = []
    for number, week in enumerate(patterns):
        chance = _chances(tuple(week.tolist()))
        curves.append(chance.reshape(len(chance), -1))
        likely = np.log((1 - _STRANGE) * chance + _STRANGE / MOST_WAITS)
        likely = likely.reshape(len(chance), -1).T.astype(np.float32)
        members = np.flatnonzero(of == number)
        for start in range(0, len(members), _AT_ONCE):
            some = members[start : start + _AT_ONCE]
            place = np.full(len(weeks), -1, np.int64)
            place[some] = np.arange(len(some))
            rows = np.flatnonzero(place[warehouse] >= 0)
            index = (place[warehouse[rows]] * _CELLS + cell[rows]) * MOST_WAITS + waited[rows]
            counts = np.bincount(index, minlength=len(some) * _CELLS * MOST_WAITS)
            fit[some] = counts.reshape(len(some), -1).astype(np.float32) @ likely
    # One warehouse's worth of belief that any curve is as common.
    mixed, _ = common_laws(fit, np.full(_curve_count(), 1.0 / _curve_count()), _ROUNDS)
    waits, soonest = (np.empty((len(weeks), _CELLS)) for _ in range(2))
    for number, chance in enumerate(curves):
        for one in np.flatnonzero(of == number):
            own = (mixed[one] @ chance).reshape(_CELLS, MOST_WAITS)
            waits[one] = own @ np.arange(MOST_WAITS)
            soonest[one] = (np.cumsum(own, axis=1) <= HARDLY_EVER).sum(axis=1)
    shape = (-1, 7, _HOURS)
    return HourlyWaits(
        waits.reshape(shape), soonest.reshape(shape).astype(np.uint8), fit.max(axis=1)
    )


def _curve_count() -> int:
    return len(_HANDLING) * len(_VARIES) * len(_LEAVES) * 2


@lru_cache(maxsize=4)  # of 11 MB each; nearly all warehouses keep one of a few weeks
def _chances(week: tuple[bool, ...]) -> NDArray[np.float64]:
    """(g, 168, waits) of a pick-up so many working days after the date of an order."""
    from scipy.special import ndtr  # noqa: PLC0415 — only training needs it

    weekday, hour = np.divmod(np.arange(_CELLS), _HOURS)
    ahead = np.arange(_LORRIES)
    day = (weekday[:, None] + ahead) % 7
    works = np.array(week)[day]
    # Working days, and closed ones, from the order's date to a lorry's.
    before: Ints = np.cumsum(works, axis=1) - works
    closed = ahead - before
    wait = np.minimum(before, MOST_WAITS - 1)
    # (l, 1, lorries) hours from the start of the order's day to each lorry.
    later = ahead * 24.0 + np.array(_LEAVES)[:, None, None]
    found = np.zeros((_curve_count() // len(_LEAVES), len(_LEAVES), _CELLS, MOST_WAITS))
    curves = itertools.product(_HANDLING, _VARIES, (False, True))
    for number, (typical, varies, stands) in enumerate(curves):
        # Where handling stands still, an order of a closed day waits for its end, as others do.
        start = np.where(stands & ~works[:, :1], 24.0, hour[:, None] + 0.5)
        stood = stands * (closed - ~works[:, :1] * (ahead > 0))
        hours = later - start - 24.0 * stood
        ready = ndtr(np.log(np.maximum(hours, 1e-6) / typical) / varies)
        ready = np.maximum.accumulate(np.where(works, ready, 0.0), axis=2)
        ready[:, :, -1] = 1.0
        taken = np.diff(ready, axis=2, prepend=0.0)
        for lorry in range(_LORRIES):
            found[number][:, np.arange(_CELLS), wait[:, lorry]] += taken[:, :, lorry]
    found.flags.writeable = False  # all callers have the same
    return found.reshape(-1, _CELLS, MOST_WAITS)
