"""Cleaning scans: what cannot be, what was said before, and what another parcel did.

Every decision about a scan uses only what had been received when the scan was, so that cleaning a
table as of some day gives the same scans as cleaning all and then looking at that day.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.errors import ContractError
from etapromise.tracking.contract import (
    CLOSING_STATUSES,
    POSSESSION_STATUSES,
    STATUSES,
    TERMINAL_STATUSES,
)
from etapromise.tracking.faults import Checked, Faults
from etapromise.tracking.journeys import (
    Journeys,
    microseconds,
    positions,
    received_or_scanned,
    shipment_codes,
    status_mask,
)

__all__ = ["ScanRules", "clean_scans", "scan_statuses"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ScanRules:
    """How far scans may disagree before one of them is rejected.

    Attributes:
        clock_tolerance: Two stamps of one parcel may contradict each other by this much. The
            default covers a local time stored as UTC (up to 14 hours) and a clock that is wrong.
        recycled_after: A label or a pick-up more than this after the end of a journey begins
            another parcel's; a scan more than this before the order belongs to an earlier one.
        longest_life: No scan of a parcel comes later than this after its order.
    """

    clock_tolerance: dt.timedelta = dt.timedelta(days=1)
    recycled_after: dt.timedelta = dt.timedelta(days=30)
    longest_life: dt.timedelta = dt.timedelta(days=365)

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < dt.timedelta(0):
                message = f"{field.name} is {getattr(self, field.name)}, expected no negative time"
                raise ContractError(message)


_DEFAULT_RULES: Final = ScanRules()
# What can only come at the end of a journey.
_LATE_STATUSES: Final = ("attempted", "available_for_pickup", "delivered", *CLOSING_STATUSES)


def clean_scans(
    scans: pd.DataFrame,
    shipments: pd.DataFrame | None = None,
    *,
    rules: ScanRules = _DEFAULT_RULES,
) -> Checked:
    """Sort scans, and reject doubles, impossible ones and those of another parcel.

    Rejected, in this order, with the reason:

    - ``unknown_shipment``: not in ``shipments``;
    - ``scanned_after_received``: by more than the clock tolerance;
    - ``duplicate_scan``: same shipment, event time and status; the first received stays;
    - ``recycled_tracking_number``: well before the order;
    - ``scanned_long_after_order``;
    - ``event_before_order``: attempted, available, delivered or given up before the order;
    - ``recycled_tracking_number``: with and after a label or pick-up that comes well after the
      parcel had been delivered, returned, lost or cancelled;
    - ``delivered_before_pickup``: the possession that was known first contradicts the delivery;
    - ``possession_after_delivery``: the delivery was known first and contradicts the possession.

    A label or a pick-up shortly before the order is kept: orders are often written down late.

    Args:
        scans: Accepted scans of `read_scans`.
        shipments: Accepted shipments; without them the rules about orders are left out.
        rules: The tolerances.

    Returns:
        The accepted scans with ``received_at`` filled (the event time where it was not said),
        sorted by shipment (in the order of ``shipments``, else by id), event time, receipt, status;
        and the rejects, whose ``row`` counts the rows of ``scans``.

    Raises:
        ContractError: Times are naive, a status is not standard, or a shipment_id occurs twice.
    """
    scanned = microseconds(scans["scanned_at"], "scanned_at")
    received = received_or_scanned(scans, scanned)
    status = scan_statuses(scans)
    faults = Faults(len(scans))
    if shipments is None:
        numbers, ids = pd.factorize(scans["shipment_id"], sort=True)
        shipment, n_shipments = numbers.astype(np.int64), len(ids)
        ordered = None
    else:
        shipment, n_shipments = shipment_codes(shipments, scans), len(shipments)
        ordered = microseconds(shipments["ordered_at"], "ordered_at")
    faults.add(shipment < 0, "unknown_shipment", "shipment_id", "a shipment of the shipments table")
    tolerance = _microseconds_of(rules.clock_tolerance)
    faults.add(
        scanned - received > tolerance,
        "scanned_after_received",
        "scanned_at",
        f"a time no more than {rules.clock_tolerance} after received_at",
    )
    journeys = Journeys.of(
        shipment=np.where(faults.free, shipment, -1),
        status=status,
        scanned=scanned,
        received=received,
        carrier=_ranks(scans, "carrier"),
        n_shipments=n_shipments,
    )
    judge = _Judge(journeys, faults, rules)
    judge.duplicates(_ranks(scans, "facility"))
    # Before the rule on reused numbers, which would take an earlier parcel's end for this one's.
    if ordered is not None:
        judge.around_the_order(ordered)
    judge.reused_numbers()
    judge.order_of_milestones()
    good = np.flatnonzero(faults.free)
    good = good[np.lexsort((status[good], received[good], scanned[good], shipment[good]))]
    accepted = scans.iloc[good].reset_index(drop=True)
    accepted["received_at"] = pd.Series(received[good].view("datetime64[us]")).dt.tz_localize("UTC")
    faulty = np.flatnonzero(~faults.free)
    text = scans.iloc[faulty].reset_index(drop=True).astype("str")
    return Checked(accepted=accepted, rejects=faults.table(faulty, text, faulty.astype(np.int64)))


def scan_statuses(scans: pd.DataFrame) -> Ints:
    """The position in `STATUSES` of every scan's status, (n_scans,).

    Raises:
        ContractError: A status is not a standard one.
    """
    codes = positions(scans["status"], STATUSES)
    if (codes < 0).any():
        found = scans["status"].iloc[int(np.argmin(codes))]
        message = (
            f"found status {found!r}, expected one of {', '.join(STATUSES)}; "
            "read the table with read_scans, which translates vendors' codes"
        )
        raise ContractError(message)
    return codes


class _Judge:
    """Applies one rule after the other; each looks only at the scans that passed those before."""

    def __init__(self, journeys: Journeys, faults: Faults, rules: ScanRules) -> None:
        self._journeys = journeys
        self._faults = faults
        self._rules = rules
        self._passed = np.ones(len(journeys.row), dtype=bool)

    def _reject(
        self, scans: npt.NDArray[np.bool_], reason: str, column: str, expected: str
    ) -> None:
        rows = np.zeros(len(self._faults.free), dtype=bool)
        rows[self._journeys.row[scans & self._passed]] = True
        self._faults.add(rows, reason, column, expected)
        self._passed &= ~scans

    def _with_status(self, *names: str) -> npt.NDArray[np.bool_]:
        return self._passed & status_mask(self._journeys.status, names)

    def duplicates(self, facility: Ints) -> None:
        self._reject(
            self._journeys.doubles(facility[self._journeys.row]),
            "duplicate_scan",
            "scanned_at",
            "one scan of this shipment with this time and status",
        )

    def reused_numbers(self) -> None:
        journeys = self._journeys
        gap = _microseconds_of(self._rules.recycled_after)
        end = journeys.first(self._with_status(*TERMINAL_STATUSES))
        owner = journeys.shipment
        after_end = (end.known[owner] <= journeys.received) & (
            journeys.scanned - gap > end.when[owner]
        )
        restart = journeys.first(self._with_status("label_created", "picked_up") & after_end)
        self._reject(
            (restart.known[owner] <= journeys.received) & (restart.when[owner] <= journeys.scanned),
            "recycled_tracking_number",
            "scanned_at",
            f"a scan of this parcel, whose journey had ended {self._rules.recycled_after} or more "
            "before a new label or pick-up",
        )

    def around_the_order(self, ordered: Ints) -> None:
        rules, scanned = self._rules, self._journeys.scanned
        since = scanned - ordered[self._journeys.shipment]
        self._reject(
            since < -_microseconds_of(rules.recycled_after),
            "recycled_tracking_number",
            "scanned_at",
            f"a time no more than {rules.recycled_after} before ordered_at",
        )
        self._reject(
            since > _microseconds_of(rules.longest_life),
            "scanned_long_after_order",
            "scanned_at",
            f"a time no more than {rules.longest_life} after ordered_at",
        )
        self._reject(
            self._with_status(*_LATE_STATUSES) & (since < -_microseconds_of(rules.clock_tolerance)),
            "event_before_order",
            "scanned_at",
            f"a time no more than {rules.clock_tolerance} before ordered_at",
        )

    def order_of_milestones(self) -> None:
        journeys, owner = self._journeys, self._journeys.shipment
        tolerance = _microseconds_of(self._rules.clock_tolerance)
        possession = journeys.first(self._with_status(*POSSESSION_STATUSES))
        self._reject(
            self._with_status("delivered")
            & (possession.known[owner] <= journeys.received)
            & (journeys.scanned + tolerance < possession.when[owner]),
            "delivered_before_pickup",
            "scanned_at",
            f"a time no more than {self._rules.clock_tolerance} before the carrier had the parcel",
        )
        delivered = journeys.first(self._with_status("delivered"))
        self._reject(
            self._with_status(*POSSESSION_STATUSES)
            & (possession.known > delivered.known)[owner]
            & (delivered.known[owner] < journeys.received)
            & (journeys.scanned - tolerance > delivered.when[owner]),
            "possession_after_delivery",
            "scanned_at",
            f"a time no more than {self._rules.clock_tolerance} after the delivery",
        )


def _ranks(scans: pd.DataFrame, column: str) -> Ints:
    """A number per distinct value, in their order, the largest for a missing one, (n_scans,)."""
    if column not in scans:
        return np.zeros(len(scans), dtype=np.int64)
    codes, values = pd.factorize(scans[column], sort=True)
    return np.where(codes < 0, len(values), codes).astype(np.int64)


def _microseconds_of(span: dt.timedelta) -> int:
    return span // dt.timedelta(microseconds=1)
