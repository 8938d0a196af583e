"""The data contract: the columns of the two tables, the standard statuses, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from etapromise.normal_forms.numbers import RANGES

Event = Literal["first_attempt", "delivered", "available_for_pickup"]

EVENTS: Final[tuple[Event, ...]] = ("first_attempt", "delivered", "available_for_pickup")

STATUSES: Final[tuple[str, ...]] = (
    "label_created",
    "picked_up",
    "in_transit",
    "arrived",
    "departed",
    "customs_hold",
    "customs_cleared",
    "transferred",
    "out_for_delivery",
    "attempted",
    "available_for_pickup",
    "delivered",
    "delayed",
    "exception",
    "returning",
    "returned",
    "damaged",
    "lost",
    "cancelled",
)

# The carrier holds the parcel and it is on its way to the customer. A label or an electronic notice
# is only a message; "delayed" and "exception" are also said of parcels that nobody has seen yet;
# a delivery tells that the carrier had the parcel, not since when.
POSSESSION_STATUSES: Final[frozenset[str]] = frozenset(
    {
        "picked_up",
        "in_transit",
        "arrived",
        "departed",
        "customs_hold",
        "customs_cleared",
        "transferred",
        "out_for_delivery",
        "attempted",
        "available_for_pickup",
    }
)

# Towards the customer again: said after a delivery or a way back, these tell that it was none.
REOPENING_STATUSES: Final[frozenset[str]] = frozenset({"picked_up", "out_for_delivery"})

# After one of these the customer's delivery is given up, and the word under which it is told apart.
# "returning" already decides it: what is delivered on the way back is delivered to the sender.
CLOSING_STATUSES: Final[dict[str, str]] = {
    "returning": "returned",
    "returned": "returned",
    "cancelled": "cancelled",
    "lost": "lost",
    "damaged": "damaged",
}

# The tracking number is free to be used again once the carrier has said one of these.
TERMINAL_STATUSES: Final[frozenset[str]] = frozenset({"delivered", "returned", "lost", "cancelled"})


class Kind(Enum):
    """What the values of a column are, whatever the file stores them as."""

    IDENTIFIER = "identifier"  # text; whole numbers are read as their digits
    TEXT = "text"  # as it is written
    NAME = "name"  # of a carrier or a service
    COUNTRY = "country"  # ISO 3166-1
    REGION = "region"  # ISO 3166-2, without its country
    PLACE = "place"  # a postcode or any place code
    TIME = "time"  # a moment, zone-aware
    DATE = "date"  # a calendar date in the destination's local time
    NUMBER = "number"
    TIME_ZONE = "time zone"  # an IANA name


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the contract: its name, kind, whether it must be there, its closed range."""

    name: str
    kind: Kind
    required: bool = False
    low: float | None = None
    high: float | None = None


def _columns(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


SHIPMENT_COLUMNS: Final[dict[str, Column]] = _columns(
    Column(name="shipment_id", kind=Kind.IDENTIFIER, required=True),
    Column(name="ordered_at", kind=Kind.TIME, required=True),
    Column(name="origin", kind=Kind.PLACE, required=True),
    Column(name="destination", kind=Kind.PLACE, required=True),
    Column(name="order_id", kind=Kind.IDENTIFIER),
    Column(name="carrier", kind=Kind.NAME),
    Column(name="service", kind=Kind.NAME),
    Column(name="origin_region", kind=Kind.REGION),
    Column(name="origin_country", kind=Kind.COUNTRY),
    Column(name="destination_region", kind=Kind.REGION),
    Column(name="destination_country", kind=Kind.COUNTRY),
    *(
        Column(name=name, kind=Kind.NUMBER, low=low, high=high)
        for name, (low, high) in RANGES.items()
        if name != "weight_kg"
    ),
    Column(name="destination_time_zone", kind=Kind.TIME_ZONE),
    Column(name="ordered_time_zone", kind=Kind.TIME_ZONE),
    Column(name="weight_kg", kind=Kind.NUMBER, low=RANGES["weight_kg"][0]),
    Column(name="promised_date", kind=Kind.DATE),
    Column(name="quoted_date", kind=Kind.DATE),
)

SCAN_COLUMNS: Final[dict[str, Column]] = _columns(
    Column(name="shipment_id", kind=Kind.IDENTIFIER, required=True),
    Column(name="scanned_at", kind=Kind.TIME, required=True),
    Column(name="status", kind=Kind.TEXT, required=True),
    Column(name="received_at", kind=Kind.TIME),
    Column(name="facility", kind=Kind.IDENTIFIER),
    Column(name="carrier", kind=Kind.NAME),
    Column(name="vocabulary", kind=Kind.TEXT),
    Column(name="scanned_on", kind=Kind.DATE),
    Column(name="scanned_time_zone", kind=Kind.TIME_ZONE),
)
