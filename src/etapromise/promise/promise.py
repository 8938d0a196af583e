"""The promise of one parcel: a date, its band, and the whole distribution behind it.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from dataclasses import FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, Final, Never

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.promise.deciding import CostPolicy

if TYPE_CHECKING:
    from etapromise.promise.asking import Answer
    from etapromise.promise.model import PromiseModel

__all__ = ["KeptRecord", "Promise", "date_of", "day_number", "require_level"]

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class KeptRecord:
    """How promises like this one were kept, measured on recent orders.

    Attributes:
        group: which orders: the finest group with enough of them.
        kept_rate: share of them that had arrived by the date promised at `service_level`.
        service_level: the level at which that was measured.
        count: how many orders.
        as_of: the UTC date of the measurement.
    """

    group: str
    kept_rate: float
    service_level: float
    count: int
    as_of: dt.date


class Promise:
    """What to tell the customer. Immutable.

    All dates are calendar dates in the destination's local time. Probabilities are of the `event`
    having happened by the end of a date; parcels that never arrive are part of them.

    Attributes:
        service_level: the probability that was asked for.
        ordered_at: the order's time as given.
    """

    __slots__ = ("_answer", "_given_zone", "_model", "ordered_at", "service_level")

    # Written once, by the model; what is worth computing only when asked for is computed then.
    service_level: float
    ordered_at: dt.datetime
    _model: PromiseModel
    _answer: Answer
    _given_zone: object

    def __init__(
        self,
        model: PromiseModel,
        answer: Answer,
        ordered_at: dt.datetime,
        service_level: float,
        given_zone: object,
    ) -> None:
        """Take what a model answered; `PromiseModel.promise` makes promises."""
        _set_model(self, model)
        _set_answer(self, answer)
        _set_ordered_at(self, ordered_at)
        _set_service_level(self, service_level)
        _set_given_zone(self, given_zone)

    def __setattr__(self, name: str, value: object) -> Never:
        """Refuse: a promise cannot be changed."""
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> Never:
        """Refuse: a promise cannot be changed."""
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        """The dates, and how sure they are."""
        return (
            f"Promise(date={self.date!r}, earliest={self.earliest!r}, latest={self.latest!r}, "
            f"confidence={self.confidence!r}, service_level={self.service_level!r}, "
            f"event={self.event!r}, ordered_at={self.ordered_at!r}, "
            f"model_version={self.model_version!r})"
        )

    @property
    def date(self) -> dt.date:
        """The earliest date whose probability is at least `service_level`."""
        return date_of(self._answer.request.anchor + self._answer.position)

    @property
    def earliest(self) -> dt.date:
        """First date of the band, by default the central 80 %."""
        return date_of(self._answer.request.anchor + self._answer.low)

    @property
    def latest(self) -> dt.date:
        """Last date of the band."""
        return date_of(self._answer.request.anchor + self._answer.high)

    @property
    def confidence(self) -> float:
        """Stated probability that `date` is kept.

        At least `service_level`, unless the messages say that no date reaches it.
        """
        return self._answer.probability[self._answer.position]

    @property
    def event(self) -> str:
        """What is promised: "delivered", "first_attempt" or "available_for_pickup"."""
        return self._model.event

    @property
    def day_basis(self) -> str:
        """What days are counted in: "calendar" days."""
        return "calendar"

    @property
    def model_version(self) -> str:
        """Which model said so."""
        return self._model.version

    @property
    def kept_record(self) -> KeptRecord | None:
        """How promises like this one were kept; None where that was not measured."""
        return self._model.kept_record(self._answer)

    @property
    def lost_probability(self) -> float:
        """Probability that the event never comes: lost, returned or given up."""
        return self._model.lost_probability(self._answer)

    def probability_by(self, day: dt.date) -> float:
        """Probability that the event has happened by the end of `day`, destination-local."""
        position = day_number(day) - self._answer.request.anchor
        if position < 0:
            return 0.0
        probability = self._answer.probability
        return probability[min(position, len(probability) - 1)]

    def percentile(self, percent: float) -> dt.date:
        """The earliest date with a probability of at least `percent` / 100.

        The last date of the model's horizon on which anything arrives where none has.

        Raises:
            ContractError: `percent` is not within 0 to 100, both excluded.
        """
        if not 0.0 < percent < 100.0:
            raise ContractError(f"Found the percentile {percent}; expected one between 0 and 100.")
        probability = self._answer.probability
        return self._date_at(bisect_left(probability, min(percent / 100.0, probability[-1])))

    def decide(self, policy: CostPolicy) -> dt.date:
        """The date with the least expected cost, instead of that of a service level.

        The last date of the model's horizon where no date has any probability.
        """
        return self._date_at(int(policy.days(self._answer.probabilities())))

    def distribution(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """Dates (h,) from the order's date on, and P(event by the end of each) (h,)."""
        probability = self._answer.probabilities()
        days = self._answer.request.anchor + np.arange(len(probability))
        return days.astype("datetime64[D]"), probability

    @property
    def confidence_code(self) -> int:
        """10000 one date … 30004 none: see `promise.confidence.CODES`."""
        return self._model.assess(self._answer, self.service_level)[0]

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why the code is what it is: each with a `code` and a `text`."""
        return self._model.assess(self._answer, self.service_level)[1]

    @property
    def destination_time_zone(self) -> str:
        """The IANA zone in which the dates are meant."""
        return self._model.zone_name(self._answer, self._given_zone)

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the field's standard names, ready for JSON."""
        code, messages = self._model.assess(self._answer, self.service_level)
        record = self.kept_record
        return {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": self.earliest.isoformat(),
            "estimated_delivery_date_max": self.latest.isoformat(),
            "service_level": self.service_level,
            "confidence": self.confidence,
            **{
                f"percentile_{percent}": self.percentile(percent).isoformat()
                for percent in (5, 10, 25, 50, 75, 80, 85, 90, 95, 97, 99)
            },
            "lost_probability": self.lost_probability,
            "event": self.event,
            "day_basis": self.day_basis,
            "destination_time_zone": self.destination_time_zone,
            "ordered_at": self.ordered_at.isoformat(),
            "confidence_code": code,
            "messages": [dict(message) for message in messages],
            "kept_record": None
            if record is None
            else {
                "group": record.group,
                "kept_rate": record.kept_rate,
                "service_level": record.service_level,
                "count": record.count,
                "as_of": record.as_of.isoformat(),
            },
            "model_version": self.model_version,
        }

    def as_json_ld(self) -> dict[str, Any]:
        """schema.org `OfferShippingDetails` with the band as its delivery time."""
        origin = date_of(self._answer.request.anchor)
        return {
            "@context": "https://schema.org",
            "@type": "OfferShippingDetails",
            "deliveryTime": {
                "@type": "ShippingDeliveryTime",
                "transitTime": {
                    "@type": "QuantitativeValue",
                    "minValue": (self.earliest - origin).days,
                    "maxValue": (max(self.date, self.latest) - origin).days,
                    "unitCode": "DAY",
                },
            },
        }

    def text(self, locale: str = "en") -> str:
        """One sentence for the customer: a date, a range or neither, as the confidence code says.

        Args:
            locale: a CLDR locale that there is wording for, such as "en", "de" or "pt_BR".

        Raises:
            ContractError: there is no wording for that language.
        """
        from etapromise.promise.wording import sentence  # noqa: PLC0415 — Babel is slow to import

        return sentence(
            code=self.confidence_code,
            day=self.date,
            earliest=self.earliest,
            latest=max(self.date, self.latest),
            locale=locale,
        )

    def _date_at(self, position: int) -> dt.date:
        last = len(self._answer.probability) - 1
        return date_of(self._answer.request.anchor + min(position, last))


# The slots' own way in, past `__setattr__`.
_members: Final[Any] = Promise.__dict__
_set_model = _members["_model"].__set__
_set_answer = _members["_answer"].__set__
_set_ordered_at = _members["ordered_at"].__set__
_set_service_level = _members["service_level"].__set__
_set_given_zone = _members["_given_zone"].__set__


def require_level(level: object, name: str) -> float:
    """`level` as a probability that can be asked for.

    Raises:
        ContractError: it is not within 0 to 1, both excluded.
    """
    number = level if isinstance(level, int | float) else math.nan
    if not 0.0 < number < 1.0:
        raise ContractError(
            f"Found {name}={level!r}; expected a probability above 0 and below 1, such as 0.9. "
            "No date is certain: 1.0 cannot be promised."
        )
    return float(number)


def date_of(day: int) -> dt.date:
    """The calendar date `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


def day_number(day: dt.date) -> int:
    """How many days after 1970-01-01 a calendar date is."""
    return day.toordinal() - _EPOCH_ORDINAL
