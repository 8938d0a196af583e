"""Carriers, services and prices side by side: which way to send a parcel, best first.

Every option's numbers are those of `PromiseModel.promise`; what is added is one unit for all of
them, days: a price is turned into days by what a day of waiting is worth, so that no currency is
left in the comparison.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.promise.decision import CostPolicy
from etapromise.promise.promise import Promise, day_number, require_level

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

__all__ = ["ComparedOption", "compare"]

_NOT_FIELDS: Final = frozenset({"price", "cost", "name"})

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComparedOption:
    """One way to send a parcel, and how it fares among the others. Immutable.

    Attributes:
        rank: 1 is best.
        option: what was asked for, as given.
        promise: what can be promised with it.
        date: the date to promise by the policy: of the service level, of the least cost, or the
            wanted date.
        confidence: stated probability that `date` is kept.
        price: as given, 0 where none was.
        expected_cost: days, the less the better: the option's `cost`, its price in days, and the
            days to `date` (by a wanted date: none); by a `CostPolicy` also its lateness cost times
            the probability of lateness. Days count from the earliest option's order date.
        probability_by_wanted: probability of an arrival by the wanted date; None without one.
        meets: whether the service level is reached: by any date, or by the wanted one; with a
            `CostPolicy` and no wanted date, whether any date has a probability.
        dominated_by: ranks of options that cost no more and are at no date less likely to have
            arrived, and better in one of these; empty where there is none.
        why: what decided the rank, in words.
        reason: the same as a code: "best", "dominated", "costs_more", "level_not_reached", "tied".
    """

    rank: int
    option: Mapping[str, Any]
    promise: Promise
    date: dt.date
    confidence: float
    price: float
    expected_cost: float
    probability_by_wanted: float | None
    meets: bool
    dominated_by: tuple[int, ...]
    why: str
    reason: str

    @property
    def dominated(self) -> bool:
        """Whether another option is at least as good by every policy."""
        return bool(self.dominated_by)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, the promise's own among them."""
        return {
            "rank": self.rank,
            "name": self.option.get("name"),
            "carrier": self.option.get("carrier"),
            "service": self.option.get("service"),
            "price": self.price,
            "date": self.date.isoformat(),
            "date_confidence": self.confidence,
            "expected_cost": self.expected_cost,
            "probability_by_wanted": self.probability_by_wanted,
            "meets": self.meets,
            "dominated_by": list(self.dominated_by),
            "reason": self.reason,
            "why": self.why,
            "promise": self.promise.as_dict(),
        }


@dataclass(eq=False)
class _Weighed:
    """An option on the common scale of dates, before it is ranked."""

    option: Mapping[str, Any]
    promise: Promise
    date: dt.date
    price: float
    sending: float  # the option's own cost and its price, in days
    curve: Floats  # P(arrived by the end of each date of the common scale)
    cost: float = math.nan
    wanted: float | None = None
    meets: bool = True
    dominators: list[_Weighed] = field(default_factory=list)

    @property
    def confidence(self) -> float:
        return self.promise.probability_by(self.date)

    @property
    def key(self) -> tuple[Any, ...]:
        """Best first. Whoever dominates has fewer dominators; the rest only breaks ties."""
        short = 0.0 if self.meets else -(self.confidence if self.wanted is None else self.wanted)
        return (
            not self.meets,
            short,
            self.cost,
            self.date,
            -self.confidence,
            self.price,
            len(self.dominators),
            repr(sorted(self.option.items(), key=lambda item: item[0])),
        )


def compare(
    model: ModelCore,
    options: Sequence[Mapping[str, Any]],
    policy: CostPolicy | float | dt.date,
    *,
    service_level: float,
    wanted_by: dt.date | None,
    day_price: float,
    shared: Mapping[str, Any],
) -> list[ComparedOption]:
    """See `PromiseModel.compare`."""
    if not options:
        raise ContractError("Found no options to compare; expected at least one.")
    if not _number(day_price) > 0.0:
        raise ContractError(
            f"Found day_price={day_price!r}; expected the price that one day of waiting is worth, "
            "above 0."
        )
    require_level(service_level, "service_level")
    if isinstance(policy, dt.date):
        wanted_by = policy
    elif isinstance(policy, int | float):
        service_level = require_level(policy, "policy")
    elif not isinstance(policy, CostPolicy):
        raise ContractError(
            f"Found the policy {policy!r}; expected a CostPolicy, a service level such as 0.9, or "
            "the latest wanted date as a datetime.date."
        )
    if wanted_by is not None:
        wanted_by = _calendar_date(wanted_by)
    weighed = [_weighed(model, one, service_level, day_price, shared) for one in options]
    first = _on_common_dates(weighed)
    for one in weighed:
        _judge(one, policy, service_level, wanted_by, first)
    for one in weighed:
        one.dominators = [other for other in weighed if _dominates(other, one)]
    ranked = sorted(weighed, key=lambda one: one.key)
    place = {id(one): rank for rank, one in enumerate(ranked, start=1)}
    return [
        _told(one, rank, ranked[0], place, wanted_by, service_level)
        for rank, one in enumerate(ranked, start=1)
    ]


def _weighed(
    model: ModelCore,
    option: object,
    service_level: float,
    day_price: float,
    shared: Mapping[str, Any],
) -> _Weighed:
    if not isinstance(option, Mapping):
        raise ContractError(
            f"Found the option {option!r}; expected a mapping of the contract's fields and a "
            'price, such as {"carrier": "acme", "service": "ground", "price": 4.9, …}.'
        )
    fields = {**shared, **{k: v for k, v in option.items() if k not in _NOT_FIELDS}}
    missing = [name for name in ("origin", "destination", "ordered_at") if name not in fields]
    if missing:
        raise ContractError(
            f"Found an option without {', '.join(missing)}; expected it in the option or among the "
            "fields that all options share."
        )
    price, cost = (_amount(option, name) for name in ("price", "cost"))
    promise = model.promise(**fields, service_level=service_level)
    return _Weighed(
        option=option,
        promise=promise,
        date=promise.date,
        price=price,
        sending=cost + price / day_price,
        curve=promise.distribution()[1],
    )


def _on_common_dates(weighed: Sequence[_Weighed]) -> int:
    """Put all curves on the same dates; gives back the first of them, days since 1970-01-01."""
    starts = [int(one.promise.distribution()[0][0].astype(np.int64)) for one in weighed]
    first = min(starts)
    length = max(start - first + len(one.curve) for start, one in zip(starts, weighed, strict=True))
    for start, one in zip(starts, weighed, strict=True):
        curve = np.zeros(length)
        begin = start - first
        curve[begin : begin + len(one.curve)] = one.curve
        curve[begin + len(one.curve) :] = one.curve[-1]
        one.curve = curve
    return first


def _judge(
    one: _Weighed,
    policy: CostPolicy | float | dt.date,
    service_level: float,
    wanted_by: dt.date | None,
    first: int,
) -> None:
    if wanted_by is not None:
        one.wanted = one.promise.probability_by(wanted_by)
        one.meets = one.wanted >= service_level
    if isinstance(policy, CostPolicy):
        one.date = one.promise.decide(policy)
        if wanted_by is None:
            one.meets = bool(one.curve[-1] > 0.0)
        late = policy.lateness_cost_days * (1.0 - one.confidence)
        one.cost = one.sending + (day_number(one.date) - first) + late
    elif isinstance(policy, dt.date):
        one.date = policy
        one.cost = one.sending
    else:
        if wanted_by is None:
            one.meets = one.promise.confidence >= service_level
        one.cost = one.sending + (day_number(one.date) - first)


def _dominates(one: _Weighed, other: _Weighed) -> bool:
    """Whether `one` costs no more, is never less likely there, and is better in one of the two."""
    return bool(
        one.sending <= other.sending
        and (one.curve >= other.curve).all()
        and (one.sending < other.sending or (one.curve > other.curve).any())
    )


def _told(
    one: _Weighed,
    rank: int,
    best: _Weighed,
    place: Mapping[int, int],
    wanted_by: dt.date | None,
    service_level: float,
) -> ComparedOption:
    dominators = tuple(sorted(place[id(other)] for other in one.dominators))
    reason, why = _reason(one, best, dominators, wanted_by, service_level)
    return ComparedOption(
        rank=rank,
        option=one.option,
        promise=one.promise,
        date=one.date,
        confidence=one.confidence,
        price=one.price,
        expected_cost=one.cost,
        probability_by_wanted=one.wanted,
        meets=one.meets,
        dominated_by=dominators,
        why=why,
        reason=reason,
    )


def _reason(
    one: _Weighed,
    best: _Weighed,
    dominators: tuple[int, ...],
    wanted_by: dt.date | None,
    service_level: float,
) -> tuple[str, str]:
    if one is best:
        also = "" if one.wanted is None else f", {one.wanted:.0%} by {wanted_by}"
        said = f"The best: {one.cost:.2f} days' worth, {one.confidence:.0%} by {one.date}{also}."
        if not one.meets:
            said = f"The best of options that all miss the service level of {service_level:.0%}."
        return "best", said
    if dominators:
        return "dominated", (
            f"Number {dominators[0]} costs no more and is at no date less likely to have arrived."
        )
    if not one.meets and best.meets:
        chance = one.confidence if one.wanted is None else one.wanted
        until = one.date if wanted_by is None else wanted_by
        return "level_not_reached", (
            f"Only {chance:.0%} by {until}; {service_level:.0%} is asked for."
        )
    more = one.cost - best.cost
    if more > 0.0:
        return "costs_more", f"Costs {more:.2f} days' worth more than the best."
    return "tied", "As good as the best; listed after it by date, confidence and price."


def _amount(option: Mapping[str, Any], name: str) -> float:
    value = option.get(name, 0.0)
    number = _number(value)
    if math.isnan(number):
        raise ContractError(
            f"Found {name}={value!r} in an option; expected a finite number"
            + (", in any one currency." if name == "price" else " of days.")
        )
    return number


def _number(value: object) -> float:
    """The number that `value` is, NaN where it is none or not finite."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        return math.nan
    return float(value) if math.isfinite(float(value)) else math.nan


def _calendar_date(value: dt.date) -> dt.date:
    # A moment is no date: in which zone its day is meant would be a guess.
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise ContractError(
            f"Found {value!r} as the wanted date; expected a calendar date in the destination's "
            "local time, such as datetime.date(2026, 2, 6)."
        )
    return value
