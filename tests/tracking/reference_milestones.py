"""The rules of tracking once more: one shipment at a time, in plain Python, slow and obvious.

Written from the documentation of `clean_scans` and `milestones`, not from their code. A scan is a
dict with shipment_id, scanned_at, received_at (or None), status, carrier (or None).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.tracking.reopened import reopened

DAY = dt.timedelta(days=1)
MOVING = {
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
ENDED = {"delivered", "returned", "lost", "cancelled"}
GIVEN_UP = {
    "returning": "returned",
    "returned": "returned",
    "cancelled": "cancelled",
    "lost": "lost",
    "damaged": "damaged",
}

Scan = dict[str, Any]


def known(scan: Scan) -> dt.datetime:
    return scan["received_at"] or scan["scanned_at"]


def order(scan: Scan, statuses: tuple[str, ...]) -> tuple[Any, ...]:
    carrier = scan["carrier"]
    place = statuses.index(scan["status"])
    return (known(scan), scan["scanned_at"], place, carrier is None, carrier or "")


def without_doubles(scans: list[Scan], statuses: tuple[str, ...]) -> list[Scan]:
    kept: list[Scan] = []
    for scan in sorted(scans, key=lambda one: order(one, statuses)):
        event = (scan["scanned_at"], scan["status"])
        if event not in {(other["scanned_at"], other["status"]) for other in kept}:
            kept.append(scan)
    return kept


def clean(
    scans: list[Scan], ordered_at: dt.datetime | None, statuses: tuple[str, ...]
) -> tuple[list[Scan], list[tuple[Scan, str]]]:
    """One shipment's scans: those that pass, and those rejected with the reason."""
    rejected: list[tuple[Scan, str]] = []

    def drop(passed: list[Scan], bad: list[Scan], reason: str) -> list[Scan]:
        rejected.extend((scan, reason) for scan in bad)
        return [scan for scan in passed if not any(scan is other for other in bad)]

    def among(passed: list[Scan], names: set[str]) -> list[Scan]:
        return [scan for scan in passed if scan["status"] in names]

    bad = [scan for scan in scans if scan["scanned_at"] - known(scan) > DAY]
    passed = drop(scans, bad, "scanned_after_received")

    kept = without_doubles(passed, statuses)
    bad = [scan for scan in passed if not any(scan is other for other in kept)]
    drop(passed, bad, "duplicate_scan")
    passed = kept

    if ordered_at is not None:
        bad = [scan for scan in passed if ordered_at - scan["scanned_at"] > 30 * DAY]
        passed = drop(passed, bad, "recycled_tracking_number")
        bad = [scan for scan in passed if scan["scanned_at"] - ordered_at > 365 * DAY]
        passed = drop(passed, bad, "scanned_long_after_order")
        bad = [
            scan
            for scan in among(passed, {"attempted", "available_for_pickup", "delivered", *GIVEN_UP})
            if ordered_at - scan["scanned_at"] > DAY
        ]
        passed = drop(passed, bad, "event_before_order")

    ends = among(passed, ENDED)
    if ends:
        end = ends[0]
        again = [
            scan
            for scan in among(passed, {"label_created", "picked_up"})
            if known(scan) >= known(end) and scan["scanned_at"] - end["scanned_at"] > 30 * DAY
        ]
        if again:
            start = again[0]
            bad = [
                scan
                for scan in passed
                if known(scan) >= known(start) and scan["scanned_at"] >= start["scanned_at"]
            ]
            passed = drop(passed, bad, "recycled_tracking_number")

    moving = among(passed, MOVING)
    if moving:
        start = moving[0]
        bad = [
            scan
            for scan in among(passed, {"delivered"})
            if known(start) <= known(scan) and start["scanned_at"] - scan["scanned_at"] > DAY
        ]
        passed = drop(passed, bad, "delivered_before_pickup")
        delivered = among(passed, {"delivered"})
        if delivered and known(start) > known(delivered[0]):
            bad = [
                scan
                for scan in moving
                if scan["status"] not in {"out_for_delivery", "picked_up"}
                and known(scan) > known(delivered[0])
                and scan["scanned_at"] - delivered[0]["scanned_at"] > DAY
            ]
            passed = drop(passed, bad, "possession_after_delivery")
    return passed, rejected


def milestones_of(
    scans: list[Scan], own_carrier: str | None, event: str, statuses: tuple[str, ...]
) -> dict[str, Any]:
    """One shipment's milestones; None where something has not happened."""
    scans = without_doubles(scans, statuses)

    def first(chosen: list[Scan]) -> tuple[dt.datetime | None, dt.datetime | None]:
        return (chosen[0]["scanned_at"], known(chosen[0])) if chosen else (None, None)

    said = [(scan["scanned_at"], scan["status"]) for scan in scans]
    void = [
        scan
        for scan, never in zip(scans, reopened(said, dt.timedelta(hours=12)), strict=True)
        if never
    ]

    def stands(scan: Scan) -> bool:
        return not any(scan is other for other in void)

    backwards = [
        scan for scan in scans if scan["status"] in {"returning", "returned"} and stands(scan)
    ]

    def for_the_customer(scan: Scan) -> bool:
        return not any(
            known(turn) <= known(scan) and turn["scanned_at"] <= scan["scanned_at"]
            for turn in backwards
        )

    forward = [scan for scan in scans if for_the_customer(scan) and stands(scan)]
    at_customer = {
        name: [scan for scan in forward if scan["status"] == status]
        for name, status in (
            ("attempted", "attempted"),
            ("delivered", "delivered"),
            ("available", "available_for_pickup"),
        )
    }
    handed_on = [
        scan
        for scan in scans
        if scan["status"] == "transferred"
        or (scan["carrier"] and own_carrier and scan["carrier"] != own_carrier)
    ]
    proofs = {
        "first_attempt": ["attempted", "delivered"],
        "delivered": ["delivered"],
        "available_for_pickup": ["available", "delivered"],
    }[event]
    events = [scan for name in proofs for scan in at_customer[name]]
    events.sort(key=lambda scan: (known(scan), scan["scanned_at"]))
    given_up = [
        scan
        for scan in scans
        if scan["status"] in GIVEN_UP
        and stands(scan)
        and not (events and known(events[0]) <= known(scan))
    ]
    pairs = {
        "picked_up": first([scan for scan in scans if scan["status"] in MOVING]),
        **{name: first(found) for name, found in at_customer.items()},
        "event": first(events),
        "closed": first(given_up),
        "transferred": first(handed_on),
    }
    result: dict[str, Any] = {}
    for name, (at, known_at) in pairs.items():
        result[f"{name}_at"], result[f"{name}_known_at"] = at, known_at
    result["closed_as"] = GIVEN_UP[given_up[0]["status"]] if given_up else None
    transferred_to = handed_on[0]["carrier"] if handed_on else None
    result["transferred_to"] = transferred_to if transferred_to != own_carrier else None
    latest = max(
        scans,
        key=lambda scan: (scan["scanned_at"], known(scan), statuses.index(scan["status"])),
        default=None,
    )
    result["last_status"] = latest["status"] if latest else None
    result["last_scan_at"] = latest["scanned_at"] if latest else None
    result["last_known_at"] = max(map(known, scans), default=None)
    result["scan_count"] = len(scans)
    result["attempt_count"] = len(at_customer["attempted"])
    return result
