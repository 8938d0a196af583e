"""What tracking vendors send, webhooks and answers alike, as scans of the contract.

Each payload is recognised by the names that only that vendor uses together; one that is none of
them is refused. Times stay as they were written: `read_scans` reads them, with or without a clock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from etapromise.errors import ContractError
from etapromise.text_type import TEXT

__all__ = ["PAYLOADS", "payload_vendor", "scans_of_payload", "scans_source"]

Scans = Iterator[dict[str, Any]]


def scans_of_payload(
    payload: str | os.PathLike[str] | bytes | Mapping[str, Any] | list[Any],
    *,
    vendor: str | None = None,
) -> pd.DataFrame:
    """The scans of a vendor's payload, ready for `read_scans`, `train`, `track` and the commands.

    Args:
        payload: JSON as text, bytes or parsed, or the path of a ``.json`` or ``.jsonl`` file; one
            payload, or a list of them.
        vendor: One of `PAYLOADS`; recognised if None.

    Returns:
        ``shipment_id`` (the tracking number), ``scanned_at``, ``status`` (the vendor's code),
        ``vocabulary``, and ``received_at``, ``facility``, ``carrier`` and ``scanned_time_zone``
        where the payload says them; all text, one row for each event.

    Raises:
        ContractError: It is no JSON, or of none of these vendors.
    """
    if vendor is not None and vendor not in PAYLOADS:
        raise ContractError(
            f"found vendor {vendor!r}, expected one of {', '.join(PAYLOADS)}; leave it out to have "
            "the payload recognised"
        )
    rows: list[dict[str, Any]] = []
    for one in _payloads(payload):
        name = payload_vendor(one) if vendor is None else vendor
        if name is None:
            raise ContractError(
                f"found a payload with {', '.join(map(repr, list(one)[:8]))}, expected one of "
                f"{', '.join(PAYLOADS)}; map its fields with a mapping file instead"
            )
        vocabulary, read = PAYLOADS[name][1:]
        rows += [{"vocabulary": vocabulary} | scan for scan in read(one)]
    columns = ["shipment_id", "scanned_at", "status", "vocabulary"]
    optional = ("received_at", "facility", "carrier", "scanned_time_zone")
    columns += [name for name in optional if any(row.get(name) for row in rows)]
    return pd.DataFrame(
        {name: pd.Series([row.get(name) or None for row in rows], dtype=TEXT) for name in columns}
    )


def scans_source(source: Any) -> Any:
    """``source``, or its scans where it is a vendor's payload: parsed, or a JSON file of them."""
    is_file = isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in _JSON
    if not is_file and not isinstance(source, Mapping | list | tuple):
        return source
    if is_file and not Path(source).is_file():
        return source
    payloads = list(source) if isinstance(source, tuple) else source
    try:
        first = next(_payloads(payloads), None)
    except ContractError:
        # Whoever opens it as a table says what is wrong with it.
        return source
    if first is None or payload_vendor(first) is None:
        return source
    return scans_of_payload(payloads)


_JSON: Final = frozenset({".json", ".jsonl", ".ndjson"})


def payload_vendor(payload: Mapping[str, Any]) -> str | None:
    """Whose payload this is, None if it is of no known vendor."""
    return next((name for name, (is_one, _, _) in PAYLOADS.items() if is_one(payload)), None)


def _payloads(payload: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(payload, os.PathLike) or (
        isinstance(payload, str) and payload.lower().endswith((".json", ".jsonl", ".ndjson"))
    ):
        try:
            if not Path(payload).is_file():
                raise OSError("no such file")  # noqa: TRY301
            payload = Path(payload).read_bytes()
        except OSError as error:
            raise ContractError(f"found no readable payload at {payload}: {error}") from error
    if isinstance(payload, str | bytes):
        payload = _parsed(payload)
    for one in payload if isinstance(payload, list) else [payload]:
        if not isinstance(one, Mapping):
            raise ContractError(
                f"found {type(one).__name__} as a payload, expected a JSON object or a list of them"
            )
        yield one


def _parsed(text: str | bytes) -> Any:
    try:
        said = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        lines = [line for line in said.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            return [json.loads(line) for line in lines]
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise ContractError(
            f"found a payload that is no JSON ({error}), expected what the vendor sent; it may be "
            "cut"
        ) from error


def _at(value: Any, *path: str) -> Any:
    """What lies at a path of names, None where any of it is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _items(value: Any, *path: str) -> list[Mapping[str, Any]]:
    found = _at(value, *path) if path else value
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _place(*parts: Any) -> str | None:
    said = [str(part).strip() for part in parts if part not in (None, "")]
    return ", ".join(dict.fromkeys(part for part in said if part)) or None


def _pair(coarse: Any, fine: Any) -> str | None:
    if coarse and fine and str(coarse) != str(fine):
        return f"{coarse}/{fine}"
    return str(coarse or fine) if coarse or fine else None


def _aftership(payload: Mapping[str, Any]) -> Scans:
    body = payload.get("msg") or payload.get("data") or payload
    trackings = _items(body, "trackings") or [_at(body, "tracking") or body]
    for tracking in trackings:
        for point in _items(tracking, "checkpoints"):
            yield {
                "shipment_id": tracking.get("tracking_number"),
                "carrier": point.get("slug") or tracking.get("slug"),
                "scanned_at": point.get("checkpoint_time"),
                "received_at": point.get("created_at"),
                "status": _pair(point.get("tag"), point.get("subtag")),
                "facility": _place(
                    *(point.get(name) for name in ("location", "city", "state", "zip"))
                )
                or None,
            }


def _easypost(payload: Mapping[str, Any]) -> Scans:
    tracker = payload.get("result") if payload.get("object") == "Event" else payload
    for one in _items(payload, "trackers") or [tracker or {}]:
        for detail in _items(one, "tracking_details"):
            place = detail.get("tracking_location") or {}
            yield {
                "shipment_id": one.get("tracking_code"),
                "carrier": one.get("carrier"),
                "scanned_at": detail.get("datetime"),
                "status": _pair(detail.get("status"), detail.get("status_detail")),
                "facility": _place(*(_at(place, name) for name in ("city", "state", "zip"))),
            }


def _seventeen_track(payload: Mapping[str, Any]) -> Scans:
    data = payload.get("data") or {}
    for one in _items(data, "accepted") or [data]:
        for provider in _items(one, "track_info", "tracking", "providers"):
            for event in _items(provider, "events"):
                yield {
                    "shipment_id": one.get("number"),
                    "carrier": _at(provider, "provider", "name"),
                    "scanned_at": event.get("time_utc") or event.get("time_iso"),
                    "status": event.get("sub_status") or event.get("stage"),
                    "facility": event.get("location"),
                }


def _shippo(payload: Mapping[str, Any]) -> Scans:
    track = payload.get("data") if payload.get("event") == "track_updated" else payload
    for event in _items(track, "tracking_history"):
        place = event.get("location") or {}
        yield {
            "shipment_id": _at(track, "tracking_number"),
            "carrier": _at(track, "carrier"),
            "scanned_at": event.get("status_date"),
            "received_at": event.get("object_created"),
            "status": _pair(event.get("status"), _at(event, "substatus", "code")),
            "facility": _place(*(_at(place, name) for name in ("city", "state", "zip"))),
        }


def _shipengine(payload: Mapping[str, Any]) -> Scans:
    track = payload.get("data") if "resource_type" in payload else payload
    for event in _items(track, "events"):
        yield {
            "shipment_id": _at(track, "tracking_number"),
            "carrier": _at(track, "carrier_code"),
            "scanned_at": event.get("occurred_at") or event.get("carrier_occurred_at"),
            "status": _pair(event.get("status_code"), event.get("status_detail_code")),
            "facility": _place(
                *(event.get(name) for name in ("city_locality", "state_province", "postal_code"))
            ),
        }


def _ups(payload: Mapping[str, Any]) -> Scans:
    for shipment in _items(payload, "trackResponse", "shipment"):
        for package in _items(shipment, "package"):
            for activity in _items(package, "activity"):
                address = _at(activity, "location", "address") or {}
                moment = _ups_time(activity)
                yield {
                    "shipment_id": package.get("trackingNumber") or shipment.get("inquiryNumber"),
                    "carrier": "ups",
                    "scanned_at": moment,
                    "status": _pair(
                        _at(activity, "status", "type"),
                        _at(activity, "status", "statusCode") or _at(activity, "status", "code"),
                    ),
                    "facility": _place(
                        *(address.get(name) for name in ("city", "stateProvince", "postalCode"))
                    ),
                }


def _ups_time(activity: Mapping[str, Any]) -> str | None:
    """GMT where it is given; else the local date: nobody says on whose clock its time is."""
    gmt_date, gmt_time = activity.get("gmtDate"), activity.get("gmtTime")
    if gmt_date and gmt_time:
        clock = str(gmt_time).replace(":", "")
        return f"{_dashed(gmt_date)}T{clock[:2]}:{clock[2:4]}:{clock[4:6] or '00'}Z"
    date = activity.get("date")
    return _dashed(date) if date else None


def _dashed(date: Any) -> str:
    digits = str(date).replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"


def _fedex(payload: Mapping[str, Any]) -> Scans:
    for complete in _items(payload, "output", "completeTrackResults"):
        for result in _items(complete, "trackResults"):
            for event in _items(result, "scanEvents"):
                place = event.get("scanLocation") or {}
                yield {
                    "shipment_id": complete.get("trackingNumber"),
                    "carrier": "fedex",
                    "scanned_at": event.get("date"),
                    "status": event.get("derivedStatusCode") or event.get("eventType"),
                    "facility": _place(
                        *(place.get(name) for name in ("city", "stateOrProvinceCode", "postalCode"))
                    ),
                }


def _usps(payload: Mapping[str, Any]) -> Scans:
    events = _items(payload, "trackingEvents")
    for event in events:
        moment = event.get("GMTTimestamp") or event.get("eventTimestamp")
        yield {
            "shipment_id": payload.get("trackingNumber"),
            "carrier": "usps",
            "scanned_at": f"{moment}Z"
            if event.get("GMTTimestamp") and not str(moment).endswith("Z")
            else moment,
            "status": event.get("eventCode") or event.get("eventType"),
            "facility": _place(
                *(event.get(name) for name in ("eventCity", "eventState", "eventZIP"))
            ),
        }


def _dhl(payload: Mapping[str, Any]) -> Scans:
    for shipment in _items(payload, "shipments"):
        for event in _items(shipment, "events"):
            address = _at(event, "location", "address") or {}
            yield {
                "shipment_id": shipment.get("id"),
                "carrier": f"dhl {shipment['service']}" if shipment.get("service") else "dhl",
                "scanned_at": event.get("timestamp"),
                "status": event.get("statusCode"),
                "facility": _place(
                    *(address.get(name) for name in ("addressLocality", "postalCode"))
                ),
            }


def _karrio(payload: Mapping[str, Any]) -> Scans:
    tracker = payload.get("data") if str(payload.get("type", "")).startswith("tracker") else payload
    for one in _items(payload, "results") or [tracker or {}]:
        for event in _items(one, "events"):
            date, clock = event.get("date"), event.get("time")
            yield {
                "shipment_id": one.get("tracking_number"),
                "carrier": one.get("carrier_name"),
                "scanned_at": event.get("timestamp") or (f"{date} {clock}" if clock else date),
                "status": event.get("status") or one.get("status"),
                "facility": event.get("location"),
            }


def _has(payload: Mapping[str, Any], *paths: tuple[str, ...]) -> bool:
    return any(_at(payload, *path) is not None for path in paths)


def _first(payload: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found = _items(payload, *path)
    return found[0] if found else {}


def _is_karrio(payload: Mapping[str, Any]) -> bool:
    if str(payload.get("type", "")).startswith("tracker"):
        return True
    one = _first(payload, "results") or payload
    return {"tracking_number", "carrier_name", "events"} <= set(one)


def _is_shipengine(payload: Mapping[str, Any]) -> bool:
    if payload.get("resource_type") == "API_TRACK":
        return True
    return {"tracking_number", "status_code", "events"} <= set(payload)


# By vendor: how its payloads are recognised, the vocabulary of their codes, and how they are read.
PAYLOADS: Final[
    dict[str, tuple[Callable[[Mapping[str, Any]], bool], str, Callable[[Mapping[str, Any]], Scans]]]
] = {
    "aftership": (
        lambda p: (
            _has(p, ("msg", "checkpoints"), ("data", "tracking"), ("data", "trackings"))
            or (_has(p, ("checkpoints",)) and _has(p, ("tracking_number",)))
            or _has(p, ("data", "checkpoints"))
        ),
        "aftership",
        _aftership,
    ),
    "easypost": (
        lambda p: (
            p.get("object") in {"Tracker", "Event"}
            or "tracking_details" in (_first(p, "trackers") or p)
        ),
        "easypost",
        _easypost,
    ),
    "17track": (
        lambda p: _has(p, ("data", "track_info")) or "track_info" in _first(p, "data", "accepted"),
        "17track",
        _seventeen_track,
    ),
    "shippo": (
        lambda p: _has(p, ("tracking_history",), ("data", "tracking_history")),
        "shippo",
        _shippo,
    ),
    "shipengine": (_is_shipengine, "shipengine", _shipengine),
    "ups": (lambda p: _has(p, ("trackResponse", "shipment")), "ups", _ups),
    "fedex": (lambda p: _has(p, ("output", "completeTrackResults")), "fedex", _fedex),
    "usps": (lambda p: _has(p, ("trackingEvents",)), "usps", _usps),
    "dhl": (
        lambda p: "events" in _first(p, "shipments") and "id" in _first(p, "shipments"),
        "dhl-unified",
        _dhl,
    ),
    "karrio": (_is_karrio, "karrio", _karrio),
}
"""The vendors whose payloads are read."""
