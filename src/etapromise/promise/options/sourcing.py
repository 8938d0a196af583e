"""From which warehouses to send an order, in how many parcels: single sources and splits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from etapromise.argument_kinds import require_many
from etapromise.errors import ContractError
from etapromise.promise.arrival_distribution import day_number
from etapromise.promise.options.compare import compare
from etapromise.promise.options.compared_option import MARKS, ComparedOption
from etapromise.promise.options.order import OrderPromise, promise_order
from etapromise.promise.options.policies import ShopperPolicy, policy_named
from etapromise.promise.service_levels import SERVICE_LEVELS, require_level

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

# Beside these, an entry of the stock holds fields of the shipment, such as origin_region.
_NOT_FIELDS: Final = frozenset({"items"})
_NOT_ASKED: Final = {"price", "cost", "name", "co2_kg", "windows", *MARKS[:3]}
_BAND: Final = 0.8


@dataclass(frozen=True)
class SourcedParcel:
    """One parcel of a plan.

    Attributes:
        origin: the warehouse.
        items: what it holds.
        option: the way to send it, and its promise.
    """

    origin: str
    items: tuple[str, ...]
    option: ComparedOption


@dataclass(frozen=True)
class Sourcing:
    """A way to send an order.

    Attributes:
        rank: 1 is best.
        parcels: at least one.
        promise: of the whole order: when all parcels will have arrived.
        price: of all parcels; None where one does not say.
        co2_kg: of all parcels; None where one does not say.
        why: what speaks for or against it, in words.
    """

    rank: int
    parcels: tuple[SourcedParcel, ...]
    promise: OrderPromise
    price: float | None
    co2_kg: float | None
    why: str

    @property
    def split(self) -> bool:
        """Whether it takes more than one parcel."""
        return len(self.parcels) > 1


def source_order(
    model: ModelCore,
    items: Sequence[str],
    stock: Sequence[Mapping[str, Any]],
    ways: Sequence[Mapping[str, Any]],
    policy: ShopperPolicy | str | float,
    *,
    most_parcels: int,
    shared: Mapping[str, Any],
) -> list[Sourcing]:
    """See `PromiseModel.source_order`."""
    rule = _rule(policy)
    for name, given in (("items", items), ("stock", stock), ("ways", ways)):
        require_many(name, given)
    wanted = tuple(dict.fromkeys(items))
    if not wanted or not ways:
        raise ContractError(
            "Found no items or no ways to send them; expected at least one of each."
        )
    plans = []
    for chosen in _sources(wanted, stock, most_parcels):
        parcels = [
            SourcedParcel(str(entry["origin"]), held, _best(model, entry, ways, rule, shared))
            for entry, held in chosen
        ]
        plans.append(_Plan(model, parcels, rule, shared))
    first = min(plan.first for plan in plans)
    quickest = min((plan.days(first) for plan in plans if plan.promised), default=-math.inf)
    plans.sort(key=lambda plan: plan.key(rule, first, quickest))
    single = next((plan for plan in plans if len(plan.parcels) == 1), None)
    return [plan.told(rank, single) for rank, plan in enumerate(plans, start=1)]


class _Plan:
    """Parcels together, before they are ranked."""

    def __init__(
        self,
        model: ModelCore,
        parcels: list[SourcedParcel],
        rule: ShopperPolicy,
        shared: Mapping[str, Any],
    ) -> None:
        self.parcels = parcels
        options = [parcel.option for parcel in parcels]
        self.promise = promise_order(
            model,
            [_asked({**shared, **option.option}) for option in options],
            service_level=rule.service_level,
            band=_BAND,
            shared={},
        )
        prices = [option.price for option in options if option.price is not None]
        self.price = float(sum(prices)) if len(prices) == len(options) else None
        known = [option.co2_kg for option in options if option.co2_kg is not None]
        self.co2 = float(sum(known)) if len(known) == len(options) else None
        self.promised = all(option.promised for option in options)
        self.first = min(day_number(option.promise.first_date) for option in options)

    def days(self, first: int) -> float:
        return float(day_number(self.promise.date) - first)

    def key(self, rule: ShopperPolicy, first: int, quickest: float) -> tuple[Any, ...]:
        options = [parcel.option for parcel in self.parcels]
        windows = [day_number(option.windows[0].date) for option in options if option.windows]
        measures = {
            "price": self.price,
            "co2_kg": self.co2,
            "days": self.days(first),
            "usual_days": float(day_number(self.promise.percentile(50)) - first),
            "late": 1.0 - self.promise.confidence,
            "window_days": float(max(windows) - first) if len(windows) == len(options) else None,
            "cost": self.days(first) + sum(float(each.option.get("cost", 0)) for each in options),
        }
        marks = {
            name: all(bool(option.option.get(name)) for option in options) for name in rule.first
        }
        marks["booked_window"] = len(windows) == len(options)
        # Of plans that are alike, the one with fewer parcels.
        return (
            not self.promised,
            rule.key(measures, marks, quickest),
            len(self.parcels),
            self.days(first),
            math.inf if self.price is None else self.price,
            [parcel.origin for parcel in self.parcels],
        )

    def told(self, rank: int, single: _Plan | None) -> Sourcing:
        where = " and ".join(
            f"{', '.join(parcel.items)} from {parcel.origin}" for parcel in self.parcels
        )
        why = f"{len(self.parcels)} parcel{'s' * (len(self.parcels) > 1)}: {where}."
        if single is None:
            why += " No warehouse holds everything."
        elif single is not self and len(self.parcels) > 1:
            sooner = (single.promise.date - self.promise.date).days
            days = f"{abs(sooner)} day{'s' * (abs(sooner) != 1)}"
            when = f"{days} {'sooner' if sooner > 0 else 'later'}" if sooner else "no sooner"
            why += f" Complete {when} than from {single.parcels[0].origin} alone"
            if self.price is not None and single.price is not None:
                dearer = self.price - single.price
                why += f", {abs(dearer):.2f} {'dearer' if dearer >= 0 else 'cheaper'}"
            why += "."
        return Sourcing(rank, tuple(self.parcels), self.promise, self.price, self.co2, why)


def _rule(policy: ShopperPolicy | str | float) -> ShopperPolicy:
    if isinstance(policy, ShopperPolicy):
        return policy
    if isinstance(policy, str) and policy not in SERVICE_LEVELS:
        return policy_named(policy)
    level = require_level(policy, "policy")
    return ShopperPolicy(name="days", service_level=level, rank=("days", "price"))


def _sources(
    wanted: tuple[str, ...], stock: Sequence[Mapping[str, Any]], most: int
) -> list[list[tuple[Mapping[str, Any], tuple[str, ...]]]]:
    """Sets of warehouses that hold everything and of which none could be left out."""
    for entry in stock:
        given: object = entry
        if not isinstance(given, Mapping) or not {"origin", "items"} <= given.keys():
            raise ContractError(
                f"Found {entry!r} in the stock; expected a mapping with an origin and its items."
            )
    found = []
    for count in range(1, most + 1):
        for chosen in itertools.combinations(stock, count):
            left, parts = set(wanted), []
            # Whoever holds most comes first; the rest is filled up.
            for entry in sorted(chosen, key=lambda one: -len(set(wanted) & set(one["items"]))):
                held = tuple(item for item in wanted if item in left and item in entry["items"])
                left -= set(held)
                parts.append((entry, held))
            if not left and all(held for _, held in parts):
                found.append(parts)
    if not found:
        missing = [item for item in wanted if not any(item in one["items"] for one in stock)]
        detail = f"{', '.join(missing)} nowhere" if missing else f"not within {most} parcels"
        raise ContractError(
            f"Found the items {', '.join(wanted)} of an order {detail}; expected warehouses that "
            "hold them. Check the stock, or allow more parcels."
        )
    return found


def _best(
    model: ModelCore,
    entry: Mapping[str, Any],
    ways: Sequence[Mapping[str, Any]],
    rule: ShopperPolicy,
    shared: Mapping[str, Any],
) -> ComparedOption:
    place = {name: value for name, value in entry.items() if name not in _NOT_FIELDS}
    here = [
        {**place, **way} for way in ways if way.get("origin", entry["origin"]) == entry["origin"]
    ]
    if not here:
        raise ContractError(
            f"Found no way to send from {entry['origin']}; expected at least one without an "
            "origin, or with this one."
        )
    asked: Any = {"service_level": rule.service_level, "wanted_by": None, "day_price": None}
    return compare(model, here, rule, **asked, shared=shared)[0]


def _asked(option: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in option.items() if name not in _NOT_ASKED}
