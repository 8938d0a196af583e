"""A promise under the names of other systems: merchants' feeds, shopping agents, shipping APIs.

Written from the public specifications: Google Merchant Center's product data, the fulfilment
options of the Agentic Commerce Protocol of 2026-04-17 and of the Universal Commerce Protocol of
2026-04-08, EasyPost's smart rates and AfterShip's estimated delivery dates.

The quote path: imports the standard library only.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from etapromise.errors import ContractError

if TYPE_CHECKING:
    from etapromise.promise.promise import Promise

__all__ = [
    "as_aftership",
    "as_agentic_commerce",
    "as_easypost",
    "as_google_merchant",
    "as_universal_commerce",
]

_EASYPOST: Final = (50, 75, 85, 90, 95, 97, 99)


def as_google_merchant(promise: Promise) -> dict[str, int]:
    """Google Merchant Center: business days of handling and transit, both ends of each.

    Raises:
        ContractError: the model was trained without stages.
    """
    least_handling, _, most_handling = promise.handling.business_days
    least_transit, _, most_transit = promise.transit.business_days
    return {
        "min_handling_time": least_handling,
        "max_handling_time": most_handling,
        "min_transit_time": least_transit,
        "max_transit_time": most_transit,
    }


def as_agentic_commerce(
    promise: Promise,
    *,
    id: str,  # noqa: A002 — the protocol's name
    title: str,
    subtotal: int,
    tax: int = 0,
    carrier: str | None = None,
    description: str | None = None,
    labels: tuple[str, str, str] = ("Shipping", "Tax", "Total"),
) -> dict[str, Any]:
    """Agentic Commerce Protocol, version 2026-04-17: a fulfilment option of the type "shipping".

    Args:
        promise: of the option.
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
        "earliest_delivery_time": _begins(promise),
        "latest_delivery_time": _ends(promise),
        "totals": [
            {"type": name, "display_text": label, "amount": amount}
            for (name, amount), label in zip(amounts.items(), labels, strict=True)
        ],
    }
    return {name: value for name, value in option.items() if value is not None}


def as_universal_commerce(
    promise: Promise,
    *,
    id: str,  # noqa: A002 — the protocol's name
    title: str,
    total: int,
    carrier: str | None = None,
    description: str | None = None,
) -> dict[str, Any]:
    """Universal Commerce Protocol, version 2026-04-08: an option of a fulfilment group.

    Args:
        promise: of the option.
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
        "earliest_fulfillment_time": _begins(promise),
        "latest_fulfillment_time": _ends(promise),
        "totals": [{"type": "total", "amount": total}],
    }
    return {name: value for name, value in option.items() if value is not None}


def as_easypost(promise: Promise) -> dict[str, Any]:
    """EasyPost: days in transit by percentile, and the estimated date of delivery."""
    ordered = promise.first_date
    return {
        "time_in_transit": {
            f"percentile_{percent}": (promise.percentile(percent) - ordered).days
            for percent in _EASYPOST
        },
        "est_delivery_days": (promise.date - ordered).days,
        "est_delivery_date": _ends(promise),
        "delivery_date_guaranteed": False,
    }


def as_aftership(promise: Promise) -> dict[str, Any]:
    """AfterShip: an estimated delivery date with its range, confidence and cut-off."""
    cut_off = promise.cutoff_datetime_utc
    return {
        "estimated_delivery_date": promise.date.isoformat(),
        "estimated_delivery_date_min": promise.earliest.isoformat(),
        "estimated_delivery_date_max": max(promise.date, promise.latest).isoformat(),
        "confidence_code": promise.confidence_code,
        "confidence_score": round(promise.confidence, 4),
        "order_cutoff_time": None if cut_off is None else cut_off.isoformat(),
    }


def _begins(promise: Promise) -> str:
    """The first moment of the band, RFC 3339, with the offset of the destination."""
    zone = ZoneInfo(promise.destination_time_zone)
    return dt.datetime.combine(promise.earliest, dt.time(), zone).isoformat()


def _ends(promise: Promise) -> str:
    """The last second of the promised date."""
    zone = ZoneInfo(promise.destination_time_zone)
    return dt.datetime.combine(promise.date, dt.time(23, 59, 59), zone).isoformat()


def _require_minor_units(**sums: object) -> None:
    for name, value in sums.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise ContractError(
                f"Found {name}={value!r}; expected a whole number in minor units of the currency, "
                "such as 499 for 4.99."
            )
