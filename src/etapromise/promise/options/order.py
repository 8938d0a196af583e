"""The promise of an order of several parcels: one date by which all of them will have arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from etapromise.argument_kinds import require_many
from etapromise.encoding.shipment_values import missing
from etapromise.errors import ContractError
from etapromise.lanes.levels import JOURNEY, spelled
from etapromise.promise.arrival_distribution import (
    ArrivalDistribution,
    date_of,
    days_to_reach,
    on_common_dates,
)
from etapromise.promise.joint_probability import Dependence, joint_probability
from etapromise.promise.promise import Promise
from etapromise.promise.typed_inputs import require_placed

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_UNREACHABLE: Final = {
    "code": "service_level_unreachable",
    "text": "So many parcels never arrive that no date reaches the level for all of them.",
}


@dataclass(frozen=True, eq=False)
class OrderPromise(ArrivalDistribution):
    """One date for all parcels of an order. Immutable.

    All dates are calendar dates in the destination's local time; where parcels go to several
    places, each place's own. Probabilities are of the event having happened to *all* parcels.

    Attributes:
        date: the earliest date by which all have arrived with a probability of `service_level`.
        earliest: first date of the band of the last arrival.
        latest: last date of that band.
        confidence: stated probability that all have arrived by `date`.
        service_level: the probability that was asked for.
        event: "delivered", "first_attempt" or "available_for_pickup".
        parcels: (n,) each parcel's own promise at the same service level, in the order given.
        dependence: how often parcels of an order share their luck, as learned from past orders.
        model_version: which model said so.
    """

    parcels: tuple[Promise, ...]
    dependence: Dependence

    def __hash__(self) -> int:
        return hash((self.model_version, self.date, self.parcels))

    @property
    def confidence_code(self) -> int:
        """The least confident parcel's, see `promise.confidence.CODES`."""
        codes = [promise.confidence_code for promise in self.parcels]
        return max(*codes, 30001) if self._unreachable else max(codes)

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why the code is what it is: what any parcel's promise says, each once."""
        said = {} if not self._unreachable else {_UNREACHABLE["code"]: _UNREACHABLE}
        for promise in self.parcels:
            for message in promise.messages:
                said.setdefault(message["code"], message)
        return tuple(said.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the field's standard names, ready for JSON."""
        return {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": self.earliest.isoformat(),
            "estimated_delivery_date_max": self.latest.isoformat(),
            "service_level": self.service_level,
            "confidence": self.confidence,
            "event": self.event,
            "day_basis": "calendar",
            "confidence_code": self.confidence_code,
            "messages": [dict(message) for message in self.messages],
            "dependence": asdict(self.dependence),
            "parcels": [promise.as_dict() for promise in self.parcels],
            "model_version": self.model_version,
        }

    @property
    def _parcels(self) -> int:
        return len(self.parcels)

    @property
    def _unreachable(self) -> bool:
        return self.confidence < self.service_level


def promise_order(
    model: ModelCore,
    parcels: Sequence[Mapping[str, Any]],
    *,
    service_level: float,
    band: float,
    shared: Mapping[str, Any],
) -> OrderPromise:
    """See `PromiseModel.promise_order`."""
    require_many("parcels", parcels)
    fields = [_fields(parcel, shared) for parcel in parcels]
    if not fields:
        raise ContractError("Found an order of no parcels; expected at least one parcel.")
    promises = tuple(model.promise(**one, service_level=service_level, band=band) for one in fields)
    first, probability = on_common_dates(promises)
    dependence = model.dependence
    journeys = [
        (promise.first_date, *[_text(one.get(column)) for column in JOURNEY.columns])
        for promise, one in zip(promises, fields, strict=True)
    ]
    joint = joint_probability(probability, journeys, dependence)
    joint.flags.writeable = False
    chances = joint.tolist()
    position, low, high = days_to_reach(joint, (service_level, (1.0 - band) / 2, (1.0 + band) / 2))
    return OrderPromise(
        date=date_of(first + position),
        earliest=date_of(first + low),
        latest=date_of(first + high),
        confidence=chances[position],
        service_level=service_level,
        event=model.event,
        parcels=promises,
        dependence=dependence,
        model_version=model.version,
        _first_day=first,
        _probability=joint,
    )


def _text(value: Any) -> str:
    return "" if value is None else value if type(value) is str else spelled(value)


def _fields(parcel: object, shared: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(parcel, Mapping):
        raise ContractError(
            f"Found the parcel {parcel!r}; expected a mapping of the contract's fields, such as "
            '{"origin": "14409", "destination": "88032", "ordered_at": now}.'
        )
    both = {**shared, **parcel}
    fields = {name: None if missing(value) else value for name, value in both.items()}
    own = [name for name in ("service_level", "band") if name in parcel]
    if own:
        raise ContractError(
            f"Found {' and '.join(own)} of a single parcel; expected it of the whole order. Give "
            "it to the order."
        )
    require_placed(fields, "a parcel")
    return fields
