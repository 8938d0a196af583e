"""One parcel under way and its scans as plain values: the same as a table of one row, without it.

What a checkout or a tracking page holds in memory is mostly plain: texts, numbers and zone-aware
times. Anything else (a naive time, a text that is no time, a scan that the contract rejects, a
parcel that was seen to change hands) is left to the tables, which know what to do.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etapromise.encoding.shipment_values import missing
from etapromise.in_transit.outlook import HandedOver
from etapromise.in_transit.states import OneScan, ParcelScans, microseconds_from
from etapromise.normal_forms.remembered import NAMES, TEXTS
from etapromise.promise.under_way.open_journeys import Journey, expected_journeys
from etapromise.tracking.contract import SHIPMENT_COLUMNS, STATUSES, Kind
from etapromise.tracking.tables import EARLIEST, LATEST
from etapromise.tracking.vocabularies import STANDARD, vocabularies

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_STATUS: Final = {name: number for number, name in enumerate(STATUSES)}
_TRANSFERRED: Final = _STATUS["transferred"]
_SCAN_KEYS: Final = frozenset(
    {*("shipment_id", "scanned_at", "received_at", "status", "facility", "carrier"), "vocabulary"}
)
_TEXTS: Final = frozenset(
    name
    for name, column in SHIPMENT_COLUMNS.items()
    if column.kind in {Kind.IDENTIFIER, Kind.TEXT, Kind.TIME_ZONE}
)
_LARGEST: Final = sys.float_info.max
_NUMBERS: Final = {
    name: (
        -_LARGEST if column.low is None else column.low,
        _LARGEST if column.high is None else column.high,
    )
    for name, column in SHIPMENT_COLUMNS.items()
    if column.kind is Kind.NUMBER
}


class _NotPlainError(Exception):
    """The tables know better."""


@dataclass(frozen=True)
class PlainParcel:
    """A shipment and its scans that need no table.

    Attributes:
        fields: the shipment's columns, None where there is nothing.
        scans: of it.
    """

    fields: dict[str, Any]
    scans: list[OneScan]

    def journey(self, model: ModelCore, moment: int) -> Journey | None:
        """Where it stands, microseconds since 1970 UTC; None: the tables know better."""
        encoder = model.parts.encoder
        ordered_at: dt.datetime = self.fields["ordered_at"]
        if microseconds_from(ordered_at) > moment:
            return None
        if encoder.hand_offs is not None and any(
            scan.by_another or scan.status == _TRANSFERRED for scan in self.scans
        ):
            return None
        requests, zone = encoder.encode_placed(self.fields)
        return expected_journeys(
            model,
            ParcelScans.of_one(ordered_at, self.scans),
            requests,
            np.array([zone], dtype=object),
            HandedOver.seen(encoder, requests, np.zeros(1, bool)),
            moment,
        )


def plain_parcel(
    shipment: object, scans: object, *, vocabulary: str | None, extra: tuple[str, ...]
) -> PlainParcel | None:
    """A shipment and its scans from memory; None where anything is not of the usual types."""
    if not isinstance(shipment, Mapping) or not (scans is None or isinstance(scans, list | tuple)):
        return None
    named: object = vocabulary
    if not (named is None or isinstance(named, str)):
        return None
    try:
        fields = _fields(shipment, extra)
        owner = fields.get("shipment_id")
        carrier = _name(fields.get("carrier"))
        default = (vocabulary or STANDARD).strip().lower()
        found = [
            scan for one in scans or () if (scan := _scan(one, owner, carrier, default)) is not None
        ]
    except _NotPlainError:
        return None
    return PlainParcel(fields, found)


def _fields(shipment: Mapping[str, Any], extra: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in shipment.items():
        if name == "ordered_at":
            _moment(value)
            fields[name] = value
        elif missing(value):
            fields[name] = None
        elif name in _TEXTS:
            fields[name] = _text(value)
        elif name in _NUMBERS:
            low, high = _NUMBERS[name]
            if type(value) not in {int, float} or not low <= value <= high:
                raise _NotPlainError
            fields[name] = float(value)
        elif name in {"quoted_date", "promised_date"}:
            if type(value) is not dt.date:
                raise _NotPlainError
            fields[name] = value
        elif name in extra:
            if type(value) not in {int, float, str}:
                raise _NotPlainError
            fields[name] = value
        else:
            fields[name] = value
    required = ("ordered_at", "origin", "destination")
    if any(fields.get(name) is None for name in required) or any(
        name not in fields for name in extra
    ):
        raise _NotPlainError
    return fields


def _scan(one: object, owner: str | None, carrier: str | None, vocabulary: str) -> OneScan | None:
    """A scan; None where it is another shipment's."""
    if not isinstance(one, Mapping) or not one.keys() <= _SCAN_KEYS:
        raise _NotPlainError
    get = one.get
    whose = get("shipment_id")
    if whose is not None and (owner is None or _text(whose) != owner):
        if owner is None or _text(whose) is None:
            raise _NotPlainError
        return None
    named = get("vocabulary")
    spoken = vocabulary if missing(named) else str(_text(named) or vocabulary).lower()
    known = vocabularies().get(spoken)
    code = _text(get("status"))
    if known is None or code is None:
        raise _NotPlainError
    status = _STATUS.get(code) if spoken == STANDARD else None
    if status is None:
        status = _STATUS.get(str(known.read(code)))
    if status is None:
        raise _NotPlainError
    scanned = _moment(get("scanned_at"))
    at, facility, by = get("received_at"), get("facility"), get("carrier")
    received = scanned if missing(at) else _moment(at)
    return OneScan(
        scanned,
        received,
        status,
        None if missing(facility) else _text(facility),
        carrier is not None and _name(by) not in {None, carrier},
    )


def _text(value: object) -> str | None:
    if type(value) is not str:
        raise _NotPlainError
    return TEXTS[value] or None


def _name(value: object) -> str | None:
    if missing(value):
        return None
    if type(value) is not str:
        raise _NotPlainError
    return NAMES[value] or None


def _moment(value: object) -> int:
    """A zone-aware time within the range of the contract, microseconds since 1970 UTC."""
    # pandas' own is one too; it may be missing, or have a part of a microsecond.
    if type(value) is not dt.datetime and (
        not isinstance(value, dt.datetime) or missing(value) or getattr(value, "nanosecond", None)
    ):
        raise _NotPlainError
    if value.tzinfo is None:
        raise _NotPlainError
    moment = microseconds_from(value)
    if not EARLIEST <= moment < LATEST:
        raise _NotPlainError
    return moment
