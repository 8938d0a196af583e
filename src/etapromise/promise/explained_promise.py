"""What a promise says beside its dates: until when it stands, what it is made of, at what hour.

And all of it under the names of other systems, from their public specifications: Google Merchant
Center's product data, the fulfilment options of the Agentic Commerce Protocol of 2026-04-17 and of
the Universal Commerce Protocol of 2026-04-08, EasyPost's smart rates and AfterShip's estimated
delivery dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

from etapromise.encoding.shipment_values import utc_second
from etapromise.errors import ContractError
from etapromise.late_imports import IMPORTING
from etapromise.promise.arrival_distribution import ArrivalDistribution

if TYPE_CHECKING:
    from etapromise.promise.stages import AnswerStages, HandOffTime, StageTime
    from etapromise.promise.why import Why
    from etapromise.promise.wording import Wording

_EASYPOST: Final = (50, 75, 85, 90, 95, 97, 99)
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Of a date.
_LAST_SECOND: Final = dt.time(23, 59, 59)


@dataclass(frozen=True)
class TimeWindow:
    """The shortest window of a day that holds a share of its deliveries.

    Attributes:
        start: destination-local, zone-aware.
        end: destination-local, zone-aware; midnight is that of the next date.
        probability: of the event within it, given that it happens on that date.
        evidence: decayed number of deliveries that it was learned from.
    """

    start: dt.datetime
    end: dt.datetime
    probability: float
    evidence: float


class PromiseDetails(Protocol):
    """What stands behind a promise, as `explanation.Explanation` finds it out."""

    @property
    def origin_zone(self) -> ZoneInfo: ...  # noqa: D102 — each is told where a promise shows it
    @property
    def cut_off(self) -> dt.datetime | None: ...  # noqa: D102
    @property
    def expires_at(self) -> dt.datetime: ...  # noqa: D102
    @property
    def has_stages(self) -> bool: ...  # noqa: D102
    @property
    def stages(self) -> AnswerStages: ...  # noqa: D102
    @property
    def works(self) -> bool: ...  # noqa: D102
    @property
    def works_on(self) -> tuple[bool, ...]: ...  # noqa: D102
    @property
    def hand_off(self) -> HandOffTime | None: ...  # noqa: D102
    def window(self, day: dt.date, probability: float) -> TimeWindow: ...  # noqa: D102
    def share_between(self, day: dt.date, start: dt.time, end: dt.time) -> float: ...  # noqa: D102
    def why(self, service_level: float) -> Why: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Explained(ArrivalDistribution):
    """The part of a promise that is computed when it is asked for."""

    ordered_at: dt.datetime
    _time_zone: Callable[[], str] = field(repr=False)
    _explain: Callable[[], PromiseDetails] = field(repr=False)

    @property
    def destination_time_zone(self) -> str:
        """The IANA zone in which the dates are meant."""
        return self._time_zone()

    @property
    def explanation(self) -> PromiseDetails:
        """What stands behind the promise."""
        told: PromiseDetails | None = self.__dict__.get("_told")
        if told is None:
            # Two threads may both do this; they find the same.
            told = self.__dict__["_told"] = self._explain()
        return told

    @property
    def cutoff_datetime_utc(self) -> dt.datetime | None:
        """The warehouse's next cut-off, UTC: orders from then on wait for a later working day.

        None where it has none.
        """
        return self.explanation.cut_off

    @property
    def expires_at(self) -> dt.datetime:
        """Until when the promise stands, UTC: whoever orders from then on gets another date."""
        return self.explanation.expires_at

    @property
    def order_within(self) -> dt.timedelta:
        """How long after `ordered_at` the promise stands."""
        return self.expires_at - self.ordered_at

    def time_left(self, now: dt.datetime) -> dt.timedelta:
        """How long the promise still stands; zero once it has expired.

        Args:
            now: zone-aware.

        Raises:
            ContractError: `now` is naive.
        """
        utc_second(now, "now")
        return max(self.expires_at - now, dt.timedelta(0))

    def order_within_text(
        self,
        locale: str = "en",
        now: dt.datetime | None = None,
        *,
        words: Wording | str | Path | None = None,
    ) -> str:
        """Such as "Order within 3 h 12 min"; empty once the promise has expired.

        Args:
            locale: a CLDR locale, such as "en", "de" or "pt_BR". Languages without sentences get
                the time alone.
            now: zone-aware; `ordered_at` by default.
            words: a TOML file whose sentences replace the library's (docs/words.md).

        Raises:
            ContractError: CLDR has no such locale, or `now` is naive.
        """
        with IMPORTING:
            from etapromise.promise.wording import order_within  # noqa: PLC0415 — Babel is slow

        left = self.time_left(self.ordered_at if now is None else now)
        return order_within(left, locale, words)

    def why(self) -> Why:
        """Why `date` is that day: the days that each cause adds, and the same in a sentence.

        The days sum to those from the order's origin-local date to `date`.
        """
        return self.explanation.why(self.service_level)

    @property
    def warehouse_works(self) -> bool:
        """Whether the warehouse works on the day of the order, origin-local."""
        return self.explanation.works

    @property
    def handling(self) -> StageTime:
        """How long from the order until the carrier has the parcel.

        Raises:
            ContractError: the model was trained without stages.
        """
        return self.explanation.stages.handling

    @property
    def transit(self) -> StageTime:
        """How long from the carrier's possession to the event.

        Raises:
            ContractError: the model was trained without stages.
        """
        return self.explanation.stages.transit

    @property
    def hand_off(self) -> HandOffTime | None:
        """Who usually takes the parcel over on its way, and after how long.

        None where its own carrier brings it to the door. The promise is made of both ways: until
        then on the days of its own carrier, from then on those of the other.

        Raises:
            ContractError: somebody does, and the model was trained without stages.
        """
        return self.explanation.hand_off

    def window(self, probability: float = 0.8, day: dt.date | None = None) -> TimeWindow:
        """The shortest window of a day in which that share of its deliveries happens.

        Args:
            probability: above 0 and below 1.
            day: destination-local date; the promised one by default.

        Raises:
            ContractError: the probability is not within 0 to 1.
        """
        return self.explanation.window(self.date if day is None else day, probability)

    def probability_between(self, day: dt.date, start: dt.time, end: dt.time) -> float:
        """P(the event happens on `day` between two destination-local times).

        Args:
            day: destination-local date.
            start: without a zone.
            end: without a zone; 00:00 is midnight at the day's end.

        Raises:
            ContractError: a time carries a zone, or the end is not after the start.
        """
        share = self.explanation.share_between(day, start, end)
        before = self.probability_by(day - dt.timedelta(days=1))
        return (self.probability_by(day) - before) * share

    def as_json_ld(self) -> dict[str, Any]:
        """schema.org `OfferShippingDetails`, as Google reads it.

        Handling time in working days of the warehouse, with these days and its cut-off; transit
        time in calendar days; both from their 10 % to their 90 % quantile. A model without stages
        gives the band, counted from the order's date, as its transit time.
        """
        explanation, cut_off = self.explanation, self.cutoff_datetime_utc
        ends = self.earliest, max(self.date, self.latest)
        first, last = ((day - self.first_date).days for day in ends)
        found: dict[str, Any] = {"@type": "ShippingDeliveryTime"}
        if explanation.has_stages:
            low, _, high = self.handling.business_days
            found["handlingTime"] = _days(low, high)
            first, _, last = self.transit.calendar_days
        found["transitTime"] = _days(first, last)
        if cut_off is not None:
            local = cut_off.astimezone(explanation.origin_zone)
            found["cutoffTime"] = local.isoformat(timespec="seconds").partition("T")[2]
        open_days = zip(_WEEKDAYS, explanation.works_on, strict=True)
        found["businessDays"] = {
            "@type": "OpeningHoursSpecification",
            "dayOfWeek": [f"https://schema.org/{name}" for name, works in open_days if works],
        }
        return {
            "@context": "https://schema.org",
            "@type": "OfferShippingDetails",
            "deliveryTime": found,
        }

    def as_google_merchant(self) -> dict[str, int]:
        """Google Merchant Center: business days of handling and transit, both ends of each.

        Raises:
            ContractError: the model was trained without stages.
        """
        found: dict[str, int] = {}
        for name, stage in (("handling", self.handling), ("transit", self.transit)):
            least, _, most = stage.business_days
            found |= {f"min_{name}_time": least, f"max_{name}_time": most}
        return found

    def as_agentic_commerce(
        self,
        *,
        id: str,  # noqa: A002 — the protocol's name
        title: str,
        subtotal: int,
        tax: int = 0,
        carrier: str | None = None,
        description: str | None = None,
        labels: tuple[str, str, str] = ("Shipping", "Tax", "Total"),
    ) -> dict[str, Any]:
        """Agentic Commerce Protocol of 2026-04-17: a fulfilment option of the type "shipping".

        Args:
            id: unique among the options.
            title: what the buyer reads.
            subtotal: in minor units of the currency.
            tax: likewise.
            carrier: its name.
            description: more for the buyer.
            labels: what the buyer reads beside the subtotal, the tax and the total.

        Raises:
            ContractError: a sum is no whole number.
        """
        _require_minor_units(subtotal=subtotal, tax=tax)
        amounts = {"subtotal": subtotal, "tax": tax, "total": subtotal + tax}
        totals = [
            {"type": name, "display_text": label, "amount": amount}
            for (name, amount), label in zip(amounts.items(), labels, strict=True)
        ]
        said = {"id": id, "title": title, "description": description, "carrier": carrier}
        return {"type": "shipping", **self._commerce_option("delivery", said), "totals": totals}

    def as_universal_commerce(
        self,
        *,
        id: str,  # noqa: A002 — the protocol's name
        title: str,
        total: int,
        carrier: str | None = None,
        description: str | None = None,
    ) -> dict[str, Any]:
        """Universal Commerce Protocol of 2026-04-08: an option of a fulfilment group.

        Args:
            id: unique among the options.
            title: what the buyer reads.
            total: in minor units of the currency.
            carrier: its name.
            description: more for the buyer.

        Raises:
            ContractError: the sum is no whole number.
        """
        _require_minor_units(total=total)
        totals = [{"type": "total", "amount": total}]
        said = {"id": id, "title": title, "description": description, "carrier": carrier}
        return {**self._commerce_option("fulfillment", said), "totals": totals}

    def _commerce_option(self, event: str, said: dict[str, str | None]) -> dict[str, Any]:
        """What is said of an option, less what is not, and between which moments it arrives."""
        return {name: value for name, value in said.items() if value is not None} | {
            f"earliest_{event}_time": self._at(self.earliest, dt.time()),
            f"latest_{event}_time": self._at(self.date, _LAST_SECOND),
        }

    def as_easypost(self) -> dict[str, Any]:
        """EasyPost: days in transit by percentile, and the estimated date of delivery."""
        ordered = self.first_date
        return {
            "time_in_transit": {
                f"percentile_{percent}": (self.percentile(percent) - ordered).days
                for percent in _EASYPOST
            },
            "est_delivery_days": (self.date - ordered).days,
            "est_delivery_date": self._at(self.date, _LAST_SECOND),
            "delivery_date_guaranteed": False,
        }

    def as_aftership(self) -> dict[str, Any]:
        """AfterShip: an estimated delivery date with its range, confidence and cut-off."""
        cut_off = self.cutoff_datetime_utc
        return {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": self.earliest.isoformat(),
            "estimated_delivery_date_max": max(self.date, self.latest).isoformat(),
            "confidence_code": self.confidence_code,
            "confidence_score": round(self.confidence, 4),
            "order_cutoff_time": None if cut_off is None else cut_off.isoformat(),
        }

    def _at(self, day: dt.date, time: dt.time) -> str:
        """A moment at the destination, RFC 3339, with its offset."""
        zone = ZoneInfo(self.destination_time_zone)
        return dt.datetime.combine(day, time, zone).isoformat()

    def _standing(self) -> dict[str, Any]:
        """Until when it stands, as plain values."""
        cut_off, expires = self.cutoff_datetime_utc, self.expires_at
        return {
            "cutoff_datetime_utc": None if cut_off is None else cut_off.isoformat(),
            "expires_at": expires.isoformat(),
            "order_within": _iso_duration(expires - self.ordered_at),
        }


def _iso_duration(length: dt.timedelta) -> str:
    """ISO 8601, such as PT3H12M5S."""
    minutes, seconds = divmod(length.days * 86_400 + length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    written = f"{hours}H" if hours else ""
    written += f"{minutes}M" if minutes else ""
    written += f"{seconds}S" if seconds else ""
    return f"PT{written or '0S'}"


def _days(low: int, high: int) -> dict[str, Any]:
    return {"@type": "QuantitativeValue", "minValue": low, "maxValue": high, "unitCode": "DAY"}


def _require_minor_units(**sums: object) -> None:
    for name, value in sums.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise ContractError(
                f"Found {name}={value!r}; expected a whole number in minor units of the currency, "
                "such as 499 for 4.99."
            )
