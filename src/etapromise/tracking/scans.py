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
from etapromise.tracking.contract import STATUSES
from etapromise.tracking.faults import NO_OWN_NAMES, Checked, Faults, OwnNames
from etapromise.tracking.journeys import (
    NO_TIME,
    Journeys,
    Tolerances,
    microseconds,
    status_numbers,
)
from etapromise.tracking.python_objects import table_as_text
from etapromise.tracking.texts import CarrierNumbers, Identifiers

# The number of this fault; the kernel finds those from the next number on.
UNKNOWN_SHIPMENT: Final = 1


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

    @property
    def tolerances(self) -> Tolerances:
        """The rules as the kernel takes them."""
        return Tolerances(
            tolerance=_microseconds_of(self.clock_tolerance),
            recycled_after=_microseconds_of(self.recycled_after),
            longest_life=_microseconds_of(self.longest_life),
        )

    def add_faults(self, faults: Faults, found: npt.NDArray[np.uint8]) -> None:
        """Say what is wrong with each row, given the number of its fault, 0 if sound, (n,)."""
        for number, (reason, column, expected) in enumerate(self._sentences(), start=1):
            rows = found == number
            if rows.any():
                faults.add(rows, reason, column, expected)

    def _sentences(self) -> tuple[tuple[str, str, str], ...]:
        """Reason, column and what was expected, in the order of native/milestones.c."""
        return (
            ("unknown_shipment", "shipment_id", "a shipment of the shipments table"),
            (
                "scanned_after_received",
                "scanned_at",
                f"a time no more than {_said(self.clock_tolerance)} after received_at",
            ),
            (
                "duplicate_scan",
                "scanned_at",
                "one scan of this shipment with this time and status",
            ),
            (
                "recycled_tracking_number",
                "scanned_at",
                f"a time no more than {_said(self.recycled_after)} before ordered_at",
            ),
            (
                "scanned_long_after_order",
                "scanned_at",
                f"a time no more than {_said(self.longest_life)} after ordered_at",
            ),
            (
                "event_before_order",
                "scanned_at",
                f"a time no more than {_said(self.clock_tolerance)} before ordered_at",
            ),
            (
                "recycled_tracking_number",
                "scanned_at",
                (
                    "a scan of this parcel, whose journey had ended "
                    f"{_said(self.recycled_after)} or more before a new label or pick-up"
                ),
            ),
            (
                "delivered_before_pickup",
                "scanned_at",
                (
                    f"a time no more than {_said(self.clock_tolerance)} before the carrier had "
                    "the parcel"
                ),
            ),
            (
                "possession_after_delivery",
                "scanned_at",
                f"a time no more than {_said(self.clock_tolerance)} after the delivery",
            ),
        )


_DEFAULT_RULES: Final = ScanRules()


def clean_scans(
    scans: pd.DataFrame,
    shipments: pd.DataFrame | None = None,
    *,
    rules: ScanRules = _DEFAULT_RULES,
    own_names: OwnNames = NO_OWN_NAMES,
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
    - ``possession_after_delivery``: the delivery was known first and contradicts the possession,
      which is no van and no pick-up.

    A label or a pick-up shortly before the order is kept: orders are often written down late. So is
    a van, or another pick-up, after a delivery: it tells that the delivery was none, see
    `milestones`.

    Args:
        shipments: Accepted shipments; without them the rules about orders are left out.
        own_names: What the own table calls the columns of the scans.

    Returns:
        The accepted scans with ``received_at`` filled (the event time where it was not said),
        sorted by shipment (in the order of ``shipments``, else by id), event time, receipt, status;
        and the rejects, whose ``row`` counts the rows of ``scans``.

    Raises:
        ContractError: Times are naive, a status is not standard, or a shipment_id occurs twice.
    """
    scanned, received = scan_times(scans)
    status = standard_statuses(scans)
    ordered = None
    if shipments is None:
        numbers, ids = pd.factorize(scans["shipment_id"], sort=True)
        shipment, n_shipments = numbers.astype(np.int32), len(ids)
    else:
        shipment = Identifiers(shipments["shipment_id"]).rows(scans["shipment_id"])
        n_shipments = len(shipments)
        ordered = microseconds(shipments["ordered_at"], "ordered_at")
    carriers = CarrierNumbers()
    carrier = carriers.numbers(scans["carrier"]) if "carrier" in scans else None
    # Of equal doubles that with the smallest facility stays, so the scans come in this order.
    turn = _by_facility(scans)
    journeys = Journeys(n_shipments)
    journeys.add(
        shipment=shipment[turn],
        status=status[turn],
        scanned=scanned[turn],
        received=received[turn],
        carrier=None if carrier is None else carrier[turn],
    )
    fault = np.zeros(len(scans), dtype=np.uint8)
    order = journeys.walk(
        fault=fault,
        tolerances=rules.tolerances,
        ordered=ordered,
        carrier_rank=carriers.ranks()[1],
        in_order=True,
    )
    found = np.zeros(len(scans), dtype=np.uint8)
    found[turn] = fault
    found[shipment < 0] = UNKNOWN_SHIPMENT
    good = turn[order]
    accepted = scans.iloc[good].reset_index(drop=True)
    accepted["received_at"] = pd.Series(received[good].view("datetime64[us]")).dt.tz_localize("UTC")
    faults = Faults(len(scans), own_names)
    rules.add_faults(faults, found)
    faulty = np.flatnonzero(found)
    text = table_as_text(scans.iloc[faulty].reset_index(drop=True))
    return Checked(accepted=accepted, rejects=faults.table(faulty, text, faulty.astype(np.int64)))


def scan_times(scans: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """When each scan was made and received (made, where that is not said), microseconds, (n,).

    Raises:
        ContractError: Times are naive, or the time of a scan is missing.
    """
    scanned = microseconds(scans["scanned_at"], "scanned_at")
    if (scanned == NO_TIME).any():
        message = (
            "found a scan without scanned_at; read the table with read_scans, which rejects it"
        )
        raise ContractError(message)
    if "received_at" not in scans:
        return scanned, scanned
    received = microseconds(scans["received_at"], "received_at")
    return scanned, np.where(received == NO_TIME, scanned, received)


def standard_statuses(scans: pd.DataFrame) -> npt.NDArray[np.int8]:
    """The position in `STATUSES` of every scan's status, (n_scans,).

    Raises:
        ContractError: A status is not a standard one.
    """
    numbers = status_numbers(scans["status"])
    if (numbers < 0).any():
        found = scans["status"].iloc[int(np.argmin(numbers))]
        message = (
            f"found status {found!r}, expected one of {', '.join(STATUSES)}; "
            "read the table with read_scans, which translates vendors' codes"
        )
        raise ContractError(message)
    return numbers


def _by_facility(scans: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Rows by facility, those without one last, else as they come, (n_scans,)."""
    if "facility" not in scans:
        return np.arange(len(scans))
    codes, values = pd.factorize(scans["facility"], sort=True)
    return np.argsort(np.where(codes < 0, len(values), codes), kind="stable")


def _said(span: dt.timedelta) -> str:
    """A span as it is said: 30 days, and not 30 days, 0:00:00."""
    return str(span).removesuffix(", 0:00:00")


def _microseconds_of(span: dt.timedelta) -> int:
    return span // dt.timedelta(microseconds=1)
