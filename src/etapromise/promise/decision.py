"""Which date to promise, once it is known how likely each is: waiting against lateness.

A service level asks every parcel for the same probability. A cost asks what another day buys: it is
promised as long as it makes lateness less likely by more than it costs, so safety goes where it is
cheap. No other rule breaks fewer promises, by the stated probabilities, at the same mean number of
promised days (the cost is the Lagrange multiplier of that mean).

References:
    Salari, Liu & Shen (2022), Real-time delivery time forecasting and promising in online
    retailing: When will your package arrive?, M&SOM 24(3): forecast the distribution first, then
    promise by the costs of waiting and of lateness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from etapromise.array_types import Floats, Ints
from etapromise.errors import ContractError

# Nothing is dearer: with it, all but the last 1e-18 of a probability is bought.
_DEAREST: Final = 2.0**60
# Halvings of a cost's interval, which is [0, 1] or from a power of two to the next.
_HALVINGS: Final = 20


@dataclass(frozen=True, kw_only=True)
class CostPolicy:
    """Promise the date with the least expected cost.

    Attributes:
        lateness_cost_days: days of waiting that are as bad as one broken promise, at least 0.

    Raises:
        ContractError: that is no finite number, or negative.

    Examples:
        A broken promise is as bad as five days of waiting:

        >>> patient = etapromise.CostPolicy(lateness_cost_days=5)
        >>> parcel = dict(origin="60492", destination="90585", carrier="acme", service="ground",
        ...               ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> promise = model.promise(**parcel)
        >>> promise.decide(patient) <= promise.decide(etapromise.CostPolicy(lateness_cost_days=50))
        True
    """

    lateness_cost_days: float

    def __post_init__(self) -> None:
        cost: object = self.lateness_cost_days
        number = cost if isinstance(cost, int | float) and not isinstance(cost, bool) else math.nan
        if not 0.0 <= number < math.inf:
            raise ContractError(
                f"Found lateness_cost_days={cost!r}; expected days of waiting that are as bad as "
                "one broken promise: a finite number, at least 0. `cost_for` finds it on past data."
            )

    def expected_cost(self, probability: Floats) -> Floats:
        """(..., horizon) days promised plus the cost of lateness times its probability, by date.

        Args:
            probability: (..., horizon) P(event by the end of the date k days after day 0).
        """
        days = np.arange(probability.shape[-1], dtype=np.float64)
        return days + self.lateness_cost_days * (1.0 - probability)

    def days(self, probability: Floats) -> Ints:
        """The days to promise, from day 0.

        Of dates that cost the same, the earlier. Never a date on which nothing can arrive, such as
        a closed day or one before the way can be done, however little lateness costs.

        Args:
            probability: (..., horizon) P(event by the end of the date k days after day 0),
                non-decreasing in k: one parcel's, or `DateDistribution.probability` of many.

        Returns:
            (...,) days; `horizon` where no date has any probability, as in `DateDistribution.at`.

        Raises:
            ContractError: the array has no dates.
        """
        probability = np.asarray(probability, np.float64)
        if probability.ndim == 0 or probability.shape[-1] == 0:
            raise ContractError(
                f"Found probabilities of shape {probability.shape}; expected (..., horizon) with "
                "at least one date."
            )
        possible = np.diff(probability, axis=-1, prepend=0.0) > 0.0
        cost = np.where(possible, self.expected_cost(probability), math.inf)
        chosen: Ints = np.where(
            possible.any(axis=-1), cost.argmin(axis=-1), probability.shape[-1]
        ).astype(np.int64)
        return chosen


def cost_for(
    probability: Floats,
    event_day: Floats | None = None,
    *,
    kept_rate: float | None = None,
    average_days: float | None = None,
) -> CostPolicy:
    """The policy that would have met a wish on past orders, found by bisection of its cost.

    A higher cost never gives an earlier date, so kept promises and promised days rise with it, in
    steps: exactly what was wished for is met only as closely as the data allow.

    Args:
        probability: (n, horizon) what was forecast for past orders when they were placed.
        event_day: (n,) days from day 0 to the event's date, infinite where it never came. Give only
            orders whose outcome is known. Needed for `kept_rate`.
        kept_rate: the share of promises to keep: the lowest cost that keeps at least that.
        average_days: the mean promised days to spend: the highest cost that spends no more.

    Returns:
        The policy. Its cost is within a millionth of the exact one, or of a day where that is more.

    Examples:
        >>> by_day = np.array([[0.0, 0.5, 0.8, 1.0], [0.0, 0.2, 0.7, 1.0]])
        >>> policy = etapromise.cost_for(by_day, np.array([1.0, 3.0]), kept_rate=1.0)
        >>> policy.days(by_day)
        array([2, 3])
    """
    probability = np.asarray(probability, np.float64)
    event_day = None if event_day is None else np.asarray(event_day, np.float64)
    if probability.ndim != 2 or not probability.size:
        raise ContractError(
            f"Found probabilities of shape {probability.shape}; expected (n, horizon) of at least "
            "one past order."
        )
    if kept_rate is not None and average_days is None:
        if event_day is None:
            raise ContractError(
                "Found a kept_rate without event_day; expected what became of orders."
            )
        if event_day.shape != probability.shape[:1] or np.isnan(event_day).any():
            raise ContractError(
                f"Found event_day of shape {event_day.shape} with {np.isnan(event_day).sum()} NaN; "
                f"expected ({len(probability)},), one for each order, infinite where the event "
                "never came."
            )
        return _keeping(probability, event_day, kept_rate)
    if average_days is not None and kept_rate is None:
        return _spending(probability, average_days)
    raise ContractError(
        f"Found kept_rate={kept_rate!r} and average_days={average_days!r}; expected exactly one "
        "of them."
    )


def _keeping(probability: Floats, event_day: Floats, kept_rate: float) -> CostPolicy:
    horizon = probability.shape[1]

    def kept(cost: float) -> float:
        days = CostPolicy(lateness_cost_days=cost).days(probability)
        return float(((event_day <= days) & (days < horizon)).mean())

    if not 0.0 < kept_rate <= 1.0:
        raise ContractError(f"Found kept_rate={kept_rate!r}; expected a share above 0, at most 1.")
    most = kept(_DEAREST)
    if most < kept_rate:
        raise ContractError(
            f"Found a wish to keep {kept_rate:.2%}, but the last date of every distribution keeps "
            f"{most:.2%} of these orders. Wish for no more than that, or forecast further ahead."
        )
    return CostPolicy(lateness_cost_days=_edge(lambda cost: kept(cost) >= kept_rate)[1])


def _spending(probability: Floats, average_days: float) -> CostPolicy:
    def spent(cost: float) -> float:
        return float(CostPolicy(lateness_cost_days=cost).days(probability).mean())

    least, most = spent(0.0), spent(_DEAREST)
    if not least <= average_days <= most:
        raise ContractError(
            f"Found a wish for {average_days!r} days on average, but the earliest possible dates "
            f"of these orders take {least:.2f} days and the latest {most:.2f}. Wish for a number "
            "between them."
        )
    if average_days == most:
        return CostPolicy(lateness_cost_days=_DEAREST)
    return CostPolicy(lateness_cost_days=_edge(lambda cost: spent(cost) > average_days)[0])


def _edge(reached: Callable[[float], bool]) -> tuple[float, float]:
    """Two close costs, the lower not reaching what the higher does; (0, 0) where 0 reaches it.

    Args:
        reached: false up to some cost and true from there on; true of `_DEAREST`.
    """
    if reached(0.0):
        return 0.0, 0.0
    low, high = 0.0, 1.0
    while not reached(high):
        low, high = high, 2.0 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high
