"""How long orders wait for their pick-up by the hour of the week, and what missing a lorry costs.

Handling that goes on around the clock makes a slope, a lorry that leaves on the minute a step; a
house with a queue has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.dispatch import HOURS_A_DAY, NO_CUT_OFF

# From this share of a working day on, a step between two hours may be a cut-off; and by how many
# variances the pick-ups must be told better with it.
_LEAST_STEP: Final = 0.5
_STEP_EVIDENCE: Final = 16.0


@dataclass(frozen=True)
class WaitsByHour:
    """Working days from the start of an order's day to its pick-up; a later order's ends no sooner.

    Attributes:
        edges: (7, 25) at the start of each hour of Monday … Sunday and the day's end, linear in
            between, without what is missed.
        cut_off: (7,) int32 local second from which on an order waits longer; NO_CUT_OFF: none.
        missed: (7,) by how much, 0 to 1.
    """

    edges: Floats
    cut_off: NDArray[np.int32]
    missed: Floats

    @classmethod
    def of(cls, works: Mask, middle: Floats, cut_off: int = NO_CUT_OFF) -> WaitsByHour:
        """Those of (7, 24) means that rise, with a step where these have one at the cut-off."""
        hour, part = divmod(cut_off, 3600)
        if not 0 < hour < HOURS_A_DAY - 1:
            none = np.zeros(7)
            return cls(_edges(works, middle, none), np.full(7, NO_CUT_OFF, np.int32), none)
        # An hour that the cut-off lies in is a mixture of both sides.
        before, after = middle[:, hour - 1], middle[:, hour + (part > 0)]
        missed = np.where(works, np.clip(after - before, 0.0, 1.0), 0.0)
        missed[missed < _LEAST_STEP] = 0.0
        late = np.clip(np.arange(1, HOURS_A_DAY + 1) - cut_off / 3600.0, 0.0, 1.0)
        without = middle - missed[:, None] * late
        without[:, hour] = np.clip(without[:, hour], before, np.maximum(after - missed, before))
        cut_offs = np.where(missed > 0.0, cut_off, NO_CUT_OFF).astype(np.int32)
        return cls(_edges(works, without, missed), cut_offs, missed)

    @classmethod
    def told_by(
        cls, works: Mask, middle: Floats, cut_off: int, orders: tuple[Ints, Ints, Floats]
    ) -> WaitsByHour:
        """Those of (7, 24) means that rise: with a step where that clearly tells orders better.

        Args:
            orders: (n,) local dates, seconds of the day and waits.
        """
        order_day, second, worked = orders
        smooth, stepped = cls.of(works, middle), cls.of(works, middle, cut_off)
        squares, with_step = (
            float(((worked - one.at(order_day, second)) ** 2).sum()) for one in (smooth, stepped)
        )
        variance = max(with_step / max(len(worked), 1), 1e-3)
        return stepped if squares - with_step > _STEP_EVIDENCE * variance else smooth

    def at(self, order_day: Ints, second: Ints) -> Floats:
        """(n,) waits of orders."""
        day, hour = (order_day + 3) % 7, second // 3600
        start, end = self.edges[day, hour], self.edges[day, hour + 1]
        late = second >= self.cut_off[day]
        return np.asarray(
            start + (second / 3600.0 - hour) * (end - start) + late * self.missed[day]
        )

    def by_hour(self) -> Floats:
        """(7, 24) mean waits."""
        late = np.clip(np.arange(1, HOURS_A_DAY + 1) - self.cut_off[:, None] / 3600.0, 0.0, 1.0)
        return (self.edges[:, :-1] + self.edges[:, 1:]) / 2.0 + late * self.missed[:, None]

    def at_starts(self) -> Floats:
        """(7, 24) waits of orders at the start of each hour."""
        late = 3600 * np.arange(HOURS_A_DAY) >= self.cut_off[:, None]
        return self.edges[:, :-1] + late * self.missed[:, None]


def rising(works: Mask, total: Floats, count: Floats) -> Floats:
    """(7, 24) mean waits of which none ends before that of an earlier hour, over days and weeks.

    Isotonic regression (Barlow & Brunk 1972).

    Args:
        works: (7,) working days: a wait from the next day on ends one later.
        total: (7, 24) sums of waits, counted from each day's start.
        count: (7, 24) how many; some hours may have none.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 — only training needs it

    before = np.concatenate([[0], np.cumsum(works)])
    told = np.flatnonzero(count)
    position = (total.ravel()[told] / count.ravel()[told]) + before[told // HOURS_A_DAY]
    # The week goes round: the one in the middle of several has neighbours on both sides.
    weeks = np.arange(5)[:, None]
    found = isotonic_regression(
        (position + weeks * before[7]).ravel(), weights=np.tile(count.ravel()[told], len(weeks))
    ).x
    hours = np.arange(7 * HOURS_A_DAY)
    at = np.interp(hours + 2 * len(hours), (told + weeks * len(hours)).ravel(), found)
    waits = at - 2 * before[7] - before[hours // HOURS_A_DAY]
    return np.asarray(waits.reshape(7, HOURS_A_DAY))


def _edges(works: Mask, middle: Floats, missed: Floats) -> Floats:
    """(7, 25) at the start of each hour and the day's end, from those in the hours' middle."""
    edges = np.empty((7, HOURS_A_DAY + 1))
    for day in range(7):
        before, after = (day - 1) % 7, (day + 1) % 7
        # Counted from the start of this day: a working day between two makes them one apart.
        start = middle[before, -1] + missed[before] - works[before]
        end = middle[after, 0] + works[day] - missed[day]
        row = np.concatenate([[start], middle[day], [end]])
        edges[day] = (row[:-1] + row[1:]) / 2.0
    return np.maximum(edges, 0.0)
