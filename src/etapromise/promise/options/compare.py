"""Carriers, services and prices side by side: which way to send a parcel, best first.

Every option's numbers are those of `PromiseModel.promise`. Where they are added up, the unit is
days: a price is turned into days by what a day of waiting is worth, and left out where nobody says
what that is. Policies of shoppers (`policies.toml`) compare wish by wish and add nothing up.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import math
import warnings
from array import array
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final

from etapromise import native
from etapromise.argument_kinds import require_many
from etapromise.array_types import Floats
from etapromise.encoding.shipment_values import missing
from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import plain_number
from etapromise.promise.arrival_distribution import calendar_date, day_number, on_common_dates
from etapromise.promise.decision import CostPolicy
from etapromise.promise.options.compared_option import (
    MARKS,
    ComparedOption,
    RankedBy,
    booked_windows,
)
from etapromise.promise.options.policies import ShopperPolicy, policy_named
from etapromise.promise.service_levels import SERVICE_LEVELS, require_level
from etapromise.promise.typed_inputs import refuse_unknown, require_placed

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

# What one has and another has not: bits from the second on, the first being a promise at all.
_OFFERS: Final = {name: 2 << bit for bit, name in enumerate((*MARKS, "windows"))}
_NOT_FIELDS: Final = frozenset({"price", "cost", "name", "co2_kg", *_OFFERS})
_TEXTS: Final = frozenset({str})

_dominance = native.function("etp_dominance", "l", "llpppp")


def compare(
    model: ModelCore,
    options: Sequence[Mapping[str, Any]],
    policy: CostPolicy | ShopperPolicy | str | float | dt.date,
    *,
    service_level: float | str,
    wanted_by: dt.date | None,
    day_price: float | EllipsisType | None,
    shared: Mapping[str, Any],
) -> list[ComparedOption]:
    """See `PromiseModel.compare`."""
    require_many("options", options)
    if not options:
        raise ContractError("Found no options to compare; expected at least one.")
    said = day_price is not ...
    rate = None if day_price is ... or day_price is None else plain_number(day_price)
    if rate is not None and not rate > 0.0:
        raise ContractError(
            f"Found day_price={day_price!r}; expected the price that one day of waiting is worth, "
            "above 0, or None to leave prices out of what is added up."
        )
    policy, level, wanted_by = _understood(policy, service_level, wanted_by)
    # What a policy asks of options may be a mark of the caller's own, of which no promise knows.
    marks = frozenset(policy.first if isinstance(policy, ShopperPolicy) else ())
    beside = _NOT_FIELDS | (marks - model.known_fields)
    known = beside | model.known_fields
    asked: dict[object, ComparedOption] = {}
    weighed = [_weighed(model, one, level, rate, shared, known, beside, asked) for one in options]
    first_day, curves = on_common_dates([one.promise for one in asked.values()])
    curves = curves[[one.curve for one in weighed]]
    for one in weighed:
        _judge(one, policy, level, wanted_by, first_day)
    if isinstance(policy, ShopperPolicy):
        _ask_wishes(weighed, policy, first_day, rate)
    elif isinstance(policy, dt.date) and rate is None:
        # Nothing but prices is left to compare, and these need no rate of exchange.
        for one in weighed:
            one.wishes = (math.inf if one.price is None else one.price,)
    elif any(one.price is not None for one in weighed):
        # A price that is not known is none to add up: it would be the best of all.
        for one in weighed:
            one.wishes = (math.inf if one.price is None and rate is not None else 0.0,)
    _tell_dominated(weighed, curves)
    ranked = sorted(weighed, key=lambda one: one.key)
    for rank, one in enumerate(ranked, start=1):
        one.rank = rank
    unpriced = rate is None and not isinstance(policy, ShopperPolicy | dt.date)
    left_out = unpriced and any(one.price for one in weighed)
    if left_out and not said:
        warnings.warn(
            "Prices are left out: day_price, the price of a day of waiting, is not given. It was "
            "1.0 by default once; give it, or day_price=None to leave prices out.",
            DeprecationWarning,
            stacklevel=3,
        )
    shopper = policy if isinstance(policy, ShopperPolicy) else None
    measures = ("price",) if shopper is None else (*shopper.first, "within_days", *shopper.rank)
    within_days = math.inf if shopper is None else shopper.within_days
    added_up = not isinstance(policy, ShopperPolicy | dt.date)
    terms = RankedBy(
        ranked[0], wanted_by, level, measures, within_days, added_up=added_up, left_out=left_out
    )
    for one in ranked:
        one.ranked_by = terms
    return ranked


def _understood(
    policy: CostPolicy | ShopperPolicy | str | float | dt.date,
    service_level: float | str,
    wanted_by: dt.date | None,
) -> tuple[CostPolicy | ShopperPolicy | float | dt.date, float, dt.date | None]:
    """The policy that a name stands for, the service level and the wanted date."""
    level = require_level(service_level, "service_level")
    if isinstance(policy, str):
        policy = SERVICE_LEVELS[policy] if policy in SERVICE_LEVELS else policy_named(policy)
    if isinstance(policy, ShopperPolicy):
        level = policy.service_level
    elif isinstance(policy, dt.date):
        wanted_by = policy
    elif not isinstance(policy, CostPolicy) and not math.isnan(plain_number(policy)):
        level = require_level(policy, "policy")
    elif not isinstance(policy, CostPolicy):
        raise ContractError(
            f"Found the policy {policy!r}; expected a CostPolicy, a service level such as 0.9, the "
            "name of a ShopperPolicy or one, or the latest wanted date as a datetime.date."
        )
    return policy, level, None if wanted_by is None else calendar_date(wanted_by, "wanted_by")


def _weighed(
    model: ModelCore,
    option: object,
    service_level: float,
    day_price: float | None,
    shared: Mapping[str, Any],
    known: frozenset[str],
    beside: frozenset[str],
    asked: dict[object, ComparedOption],
) -> ComparedOption:
    """An option's promise and costs; one that differs in costs and offers only was `asked` for."""
    if type(option) is not dict and not isinstance(option, Mapping):
        raise ContractError(
            f"Found the option {option!r}; expected a mapping of the contract's fields and a "
            'price, such as {"carrier": "acme", "service": "ground", "price": 4.9, …}.'
        )
    if not option.keys() <= known:
        refuse_unknown(option.keys() - known, known, "an option")
    own = {name: value for name, value in option.items() if name not in beside}
    # Other values than texts may be equal and yet not mean the same: 1, 1.0 and True.
    texts = _TEXTS.issuperset(map(type, own.values()))
    key = tuple(own.items()) if texts else object()
    named = option.get("name")
    if type(named) is not str and not missing(named):
        raise ContractError(f"Found the name {named!r} of an option; expected a text, or none.")
    price = _amount(option, "price") if "price" in option else None
    cost = _amount(option, "cost") if "cost" in option else 0.0
    co2 = None if missing(option.get("co2_kg")) else _amount(option, "co2_kg")
    like = asked.get(key)
    if like is None:
        fields = {**shared, **own}
        require_placed(fields, "an option")
        promise = model.promise(**fields, service_level=service_level)
        date, promised, curve = promise.date, promise.has_date, len(asked)
    else:
        promise, date, promised, curve = like.promise, like.date, like.promised, like.curve
    sending = cost if day_price is None else cost + (price or 0.0) / day_price
    weighed = ComparedOption(option, promise, date, price, co2, promised, cost, sending, curve)
    if like is None:
        asked[key] = weighed
    return weighed


def _judge(
    one: ComparedOption,
    policy: CostPolicy | ShopperPolicy | float | dt.date,
    service_level: float,
    wanted_by: dt.date | None,
    first: int,
) -> None:
    if wanted_by is not None:
        one.probability_by_wanted = one.promise.probability_by(wanted_by)
        one.meets = one.probability_by_wanted >= service_level
    if isinstance(policy, CostPolicy):
        one.date = one.promise.decide(policy)
        one.confidence = one.promise.probability_by(one.date)
        if wanted_by is None:
            one.meets = one.promise.arrival_probability > 0.0
        late = policy.lateness_cost_days * (1.0 - one.confidence)
        one.expected_cost = one.sending + (day_number(one.date) - first) + late
    elif isinstance(policy, dt.date):
        one.date = policy
        one.confidence = one.promise.probability_by(policy)
        one.expected_cost = one.sending
    else:
        one.confidence = one.promise.confidence
        if wanted_by is None:
            one.meets = one.confidence >= service_level
        one.expected_cost = one.sending + (day_number(one.date) - first)


def _tell_dominated(weighed: Sequence[ComparedOption], curves: Floats) -> None:
    """Tell each option which ones dominate it.

    They cost no more, are never less likely there, and are better in one of these. What is promised
    is not dominated by what is not; and where price or carbon dioxide are known of one of two only,
    nobody can say.
    """
    count = len(weighed)
    costs = array("d")
    for one in weighed:
        known = (math.inf if value is None else value for value in (one.price, one.co2_kg))
        price, co2 = known
        costs.extend((price, one.own_cost, co2))
    offers = bytes([one.promised | _offered(one.option) for one in weighed])
    pairs = (ctypes.c_int32 * (2 * count * count))()
    many = _dominance(
        *(count, curves.shape[1], curves.ctypes.data, costs.buffer_info()[0], offers),
        ctypes.addressof(pairs),
    )
    told = iter(pairs[: 2 * many])
    above: dict[int, list[ComparedOption]] = {}
    for over, under in zip(told, told, strict=True):
        above.setdefault(under, []).append(weighed[over])
    for under, dominators in above.items():
        weighed[under].dominators = dominators


def _offered(option: Mapping[str, Any]) -> int:
    if option.keys().isdisjoint(_OFFERS):
        return 0
    for name in MARKS:
        if option.get(name) not in {True, False, None}:
            raise ContractError(
                f"Found {name}={option[name]!r} in an option; expected True or False."
            )
    return sum(bit for name, bit in _OFFERS.items() if option.get(name))


def _ask_wishes(
    weighed: Sequence[ComparedOption], policy: ShopperPolicy, first: int, day_price: float | None
) -> None:
    """What a shopper's policy compares of each option."""
    if "cost" in policy.rank and day_price is None and any(one.price for one in weighed):
        raise ContractError(
            f"Found the policy {policy.name!r}, which ranks by cost, and prices without a "
            "day_price; expected the price that one day of waiting is worth. Give day_price, or "
            "rank by price and days one after the other."
        )
    quickest = min(
        (day_number(one.date) - first for one in weighed if one.promised), default=-math.inf
    )
    for one in weighed:
        days = float(day_number(one.date) - first)
        hours = one.option.get("windows") or ()
        if hours and "window_days" in policy.rank:
            one.windows = booked_windows(one.promise, hours, probability=policy.window_level)
        measures = {
            "price": one.price,
            "co2_kg": one.co2_kg,
            "days": days,
            "usual_days": float(day_number(one.promise.percentile(50)) - first),
            "late": 1.0 - one.confidence,
            "window_days": float(day_number(one.windows[0].date) - first) if one.windows else None,
            "cost": one.sending + days,
        }
        marks = {**one.option, "booked_window": bool(one.windows)}
        one.wishes = policy.key(measures, marks, quickest)


def _amount(option: Mapping[str, Any], name: str) -> float:
    value = option[name]
    if type(value) is float and math.isfinite(value):
        return value
    number = plain_number(value)
    if math.isnan(number):
        raise ContractError(
            f"Found {name}={value!r} in an option; expected a finite number"
            + {"price": ", in any one currency.", "cost": " of days."}.get(name, " of kilograms.")
            + " Leave it out where it is not known."
        )
    return number
