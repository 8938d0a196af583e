"""What parcels, options and scans are asked with, for type checkers; and what to say of a typo.

A checker sees a misspelled key in a `Parcel`, an `Option` or a `Scan`; at run time `refuse_unknown`
does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict

from etapromise.errors import ContractError, name_meant


class Parcel(TypedDict, total=False):
    """The arguments of `PromiseModel.promise` that say what is sent, from where, to where.

    Examples:
        >>> parcel: etapromise.Parcel = {"origin": "60492", "destination": "90585"}
        >>> promise = model.promise(**parcel, ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
    """

    origin: str | None
    destination: str | None
    ordered_at: dt.datetime
    carrier: str | None
    service: str | None
    origin_region: str | None
    origin_country: str | None
    destination_region: str | None
    destination_country: str | None
    destination_time_zone: str | None
    origin_lat: float | None
    origin_lon: float | None
    destination_lat: float | None
    destination_lon: float | None
    weight_kg: float | None
    quoted_date: dt.date | str | None
    available_from: dt.datetime | None
    shipment_id: str
    order_id: str | None
    promised_date: dt.date | str | None


class Option(Parcel, total=False):
    """One way to send a parcel, as `PromiseModel.compare` takes it.

    Examples:
        >>> option: etapromise.Option = {"carrier": "acme", "service": "ground", "price": 4.0}
        >>> [ranked] = model.compare([option], 0.9, origin="60492", destination="90585",
        ...                          ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC),
        ...                          day_price=0.5)  # what a day is worth, in the prices' currency
    """

    name: str
    price: float
    cost: float
    co2_kg: float
    windows: object
    guaranteed: bool
    no_appointment: bool
    groupable: bool
    booked_window: bool


class Scan(TypedDict, total=False):
    """One scan, as `PromiseModel.track` takes it.

    Examples:
        >>> scan: etapromise.Scan = {"status": "picked_up",
        ...                          "scanned_at": datetime(2025, 7, 3, 18, tzinfo=UTC)}
        >>> parcel = dict(origin="60492", destination="90585", carrier="acme", service="ground",
        ...               ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> tracked = model.track(parcel, [scan], now=datetime(2025, 7, 4, 12, tzinfo=UTC))
    """

    shipment_id: str
    scanned_at: dt.datetime | str
    received_at: dt.datetime | str | None
    status: str
    facility: str | None
    carrier: str | None
    vocabulary: str | None


ASKED: Final = frozenset(Parcel.__annotations__)
"""All names that a parcel may have."""

A_TYPO: Final = 0.75
"""How alike two names are that one of them is a typo of the other."""


def require_placed(fields: Mapping[str, Any], what: str) -> None:
    """Refuse fields that do not say from where, to where and when."""
    absent = [name for name in ("origin", "destination", "ordered_at") if name not in fields]
    if absent:
        raise ContractError(
            f"Found {what} without {', '.join(absent)}; expected it there or among the fields that "
            "all share."
        )


def refuse_unknown(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse names that nobody reads.

    Args:
        what: what they were given for, such as "a promise".
    """
    known = set(known)
    for name in names:
        if name not in known:
            near = name_meant(str(name), known, likeness=A_TYPO)
            every = f"{', '.join(sorted(known))}."
            meant = f"another name: did you mean {near!r}?" if near else every
            raise ContractError(
                f"Found {name!r} for {what}, which nobody reads; expected {meant} Correct the name "
                "or leave it out; further features must be named when a model is trained."
            )
