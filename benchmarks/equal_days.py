"""What dates by etapromise break at the days that a shop spends, with nothing picked in hindsight.

For each month (or week) one number, the cost of lateness or the service level, is the one that
would have spent the shop's mean days on the orders of earlier months, as they were forecast when
placed. No outcome is looked at. The first month has none before it and is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etapromise import cost_for
from etapromise.errors import ContractError

Floats = NDArray[np.float64]
Pick = Callable[[Floats, float], Callable[[Floats], Floats]]

MOST_ORDERS = 2_500
_HALVINGS = 30


@dataclass(frozen=True, kw_only=True)
class EqualDays:
    """What came of it, in the months after the first.

    Attributes:
        orders: That were compared.
        days: Mean days promised.
        broken: Share of them broken.
        shop_days: The shop's mean days.
        shop_broken: The share that it broke.
    """

    orders: int
    days: float
    broken: float
    shop_days: float
    shop_broken: float

    @classmethod
    def of(cls, days: Floats, event_day: Floats, shop_day: Floats) -> EqualDays:
        """What n orders' promised days came to; those without one are left out.

        Args:
            days: (n,) promised, NaN where nothing was.
            event_day: (n,) infinite where it never came.
            shop_day: (n,) promised by the shop.
        """
        told = ~np.isnan(days)
        return cls(
            orders=int(told.sum()),
            days=float(days[told].mean()),
            broken=float((event_day > days)[told].mean()),
            shop_days=float(shop_day[told].mean()),
            shop_broken=float((event_day > shop_day)[told].mean()),
        )

    @property
    def fewer(self) -> float:
        """Share of the shop's broken promises that are not broken."""
        return 1.0 - self.broken / self.shop_broken


def by_cost(probability: Floats, average_days: float) -> Callable[[Floats], Floats]:
    """Dates by the cost of lateness that spends these days on these orders."""
    # Thousands of orders tell a mean well enough; each of them is asked for every cost tried.
    every = max(1, len(probability) // MOST_ORDERS)
    policy = cost_for(probability[::every], average_days=average_days)
    return lambda later: policy.days(later).astype(np.float64)


def by_level(probability: Floats, average_days: float) -> Callable[[Floats], Floats]:
    """Dates by the highest service level that spends no more than these days on these orders."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        spent = _first_days(probability, middle).mean()
        low, high = (middle, high) if spent <= average_days else (low, middle)
    return lambda later: _first_days(later, low)


def picked_days(
    pick: Pick,
    period: NDArray[np.generic],
    probability: Floats,
    shop_day: Floats,
    memory: int | None = None,
) -> Floats | None:
    """(n,) days to promise, NaN in the first periods.

    Args:
        pick: `by_cost` or `by_level`.
        period: (n,) month or week of each order; they sort by time.
        probability: (n, horizon) P(event by the end of day k).
        shop_day: (n,) the shop's own date in days from day 0.
        memory: How many periods before one count; by default all.

    Returns:
        None where there are too few periods, or no dates of the forecast spend such days.
    """
    periods, number = np.unique(period, return_inverse=True)
    days = np.full(len(period), np.nan)
    for one in range(memory or 1, len(periods)):
        before = (number < one) & (number >= (0 if memory is None else one - memory))
        now = number == one
        try:
            dates = pick(probability[before], float(shop_day[before].mean()))
        except ContractError:
            return None
        days[now] = dates(probability[now])
    return None if np.isnan(days).all() else days


def _first_days(probability: Floats, level: float) -> Floats:
    """(n,) first day that reaches a level; the horizon where none does."""
    return np.asarray((probability < level).sum(axis=1), dtype=np.float64)
