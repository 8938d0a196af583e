"""A promise under the names of other systems: merchants' feeds, shopping agents, shipping APIs.

Written from the public specifications: Google Merchant Center's product data, the fulfilment
options of the Agentic Commerce Protocol of 2026-04-17 and of the Universal Commerce Protocol of
2026-04-08, EasyPost's smart rates and AfterShip's estimated delivery dates.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from zoneinfo import ZoneInfo

from etapromise.errors import ContractError
from etapromise.promise.explained_promise import Explained

_EASYPOST: Final = (50, 75, 85, 90, 95, 97, 99)
_WEEKDAYS: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)


# Of a date.
_LAST_SECOND: Final = dt.time(23, 59, 59)


class Exported(Explained):
    """The part of a promise that other systems read."""

    @property
    def destination_time_zone(self) -> str:
        """The IANA zone in which the dates are meant."""
        raise NotImplementedError

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
        option = {
            "type": "shipping",
            "id": id,
            "title": title,
            "description": description,
            "carrier": carrier,
            "earliest_delivery_time": self._at(self.earliest, dt.time()),
            "latest_delivery_time": self._at(self.date, _LAST_SECOND),
            "totals": [
                {"type": name, "display_text": label, "amount": amount}
                for (name, amount), label in zip(amounts.items(), labels, strict=True)
            ],
        }
        return {name: value for name, value in option.items() if value is not None}

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
        option = {
            "id": id,
            "title": title,
            "description": description,
            "carrier": carrier,
            "earliest_fulfillment_time": self._at(self.earliest, dt.time()),
            "latest_fulfillment_time": self._at(self.date, _LAST_SECOND),
            "totals": [{"type": "total", "amount": total}],
        }
        return {name: value for name, value in option.items() if value is not None}

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


def _days(low: int, high: int) -> dict[str, Any]:
    return {"@type": "QuantitativeValue", "minValue": low, "maxValue": high, "unitCode": "DAY"}


def _require_minor_units(**sums: object) -> None:
    for name, value in sums.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise ContractError(
                f"Found {name}={value!r}; expected a whole number in minor units of the currency, "
                "such as 499 for 4.99."
            )
