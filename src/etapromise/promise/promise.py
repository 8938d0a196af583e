"""The promise of one parcel: a date, its band, and the whole distribution behind it.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.promise.decision import CostPolicy
from etapromise.promise.promise_details import Explained

if TYPE_CHECKING:
    from etapromise.promise.details import Explanation

__all__ = ["KeptRecord", "Promise", "date_of", "day_number"]

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


@dataclass(frozen=True, eq=False)
class Promise(Explained):
    """What to tell the customer. Immutable.

    All dates are calendar dates in the destination's local time. Probabilities are of the `event`
    having happened by the end of a date; parcels that never arrive are part of them.

    Attributes:
        date: the earliest date whose probability is at least `service_level`.
        earliest: first date of the band.
        latest: last date of the band. By default the band is the central 80 %.
        confidence: stated probability that `date` is kept, at least `service_level` unless the
            messages say that no date reaches it.
        service_level: the probability that was asked for.
        event: "delivered", "first_attempt" or "available_for_pickup".
        day_basis: "calendar": days are counted as calendar days.
        ordered_at: the order's time as given.
        model_version: which model said so.
        kept_record: how promises like this one were kept; None where that was not measured.
        lost_probability: probability that the event never comes: lost, returned or given up.
    """

    date: dt.date
    earliest: dt.date
    latest: dt.date
    confidence: float
    service_level: float
    event: str
    ordered_at: dt.datetime
    model_version: str
    kept_record: KeptRecord | None
    lost_probability: float
    _first_day: int = field(repr=False)
    _probability: NDArray[np.float64] = field(repr=False)
    _assess: Callable[[], tuple[int, tuple[dict[str, str], ...]]] = field(repr=False)
    _time_zone: Callable[[], str] = field(repr=False)
    _explain: Callable[[], Explanation] = field(repr=False)
    day_basis: str = "calendar"

    def probability_by(self, day: dt.date) -> float:
        """Probability that the event has happened by the end of `day`, destination-local."""
        position = day_number(day) - self._first_day
        if position < 0:
            return 0.0
        return float(self._probability[min(position, len(self._probability) - 1)])

    def percentile(self, percent: float) -> dt.date:
        """The earliest date with a probability of at least `percent` / 100.

        The last date of the model's horizon on which anything arrives where none has.

        Raises:
            ContractError: `percent` is not within 0 to 100, both excluded.
        """
        if not 0.0 < percent < 100.0:
            raise ContractError(f"Found the percentile {percent}; expected one between 0 and 100.")
        reached = min(percent / 100.0, float(self._probability[-1]))
        return date_of(self._first_day + int(np.searchsorted(self._probability, reached)))

    def decide(self, policy: CostPolicy) -> dt.date:
        """The date with the least expected cost, instead of that of a service level.

        The last date of the model's horizon where no date has any probability.
        """
        position = int(policy.days(self._probability))
        return date_of(self._first_day + min(position, len(self._probability) - 1))

    def distribution(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """Dates (h,) from the order's date on, and P(event by the end of each) (h,)."""
        days = self._first_day + np.arange(len(self._probability))
        return days.astype("datetime64[D]"), self._probability

    @property
    def confidence_code(self) -> int:
        """10000 one date … 30004 none: see `promise.confidence.CODES`."""
        return self._assess()[0]

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why the code is what it is: each with a `code` and a `text`."""
        return self._assess()[1]

    @property
    def destination_time_zone(self) -> str:
        """The IANA zone in which the dates are meant."""
        return self._time_zone()

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the field's standard names, ready for JSON."""
        code, messages = self._assess()
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
            **self._standing(),
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

    def _explained(self) -> Explanation:
        told: Explanation | None = self.__dict__.get("_told")
        if told is None:
            # Two threads may both do this; they find the same.
            told = self.__dict__["_told"] = self._explain()
        return told

    def as_json_ld(self) -> dict[str, Any]:
        """schema.org `OfferShippingDetails`, as Google reads it.

        Handling time in working days of the warehouse, with these days and its cut-off; transit
        time in calendar days; both from their 10 % to their 90 % quantile. A model without stages
        gives the band, counted from the order's date, as its transit time.
        """
        return {
            "@context": "https://schema.org",
            "@type": "OfferShippingDetails",
            "deliveryTime": self._delivery_time(
                first=(self.earliest - date_of(self._first_day)).days,
                last=(max(self.date, self.latest) - date_of(self._first_day)).days,
            ),
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


def date_of(day: int) -> dt.date:
    """The calendar date `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


def day_number(day: dt.date) -> int:
    """How many days after 1970-01-01 a calendar date is."""
    return day.toordinal() - _EPOCH_ORDINAL
