"""Tracking in numpy, whole columns at a time: what the compiled kernels replaced.

Sorts all scans at once and applies one rule after the other, so that it can be held against the
kernels on far more scans than the plain reference can.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.contract import (
    CLOSING_STATUSES,
    POSSESSION_STATUSES,
    STATUSES,
    TERMINAL_STATUSES,
    Event,
)
from etapromise.tracking.faults import Checked, Faults
from etapromise.tracking.scans import ScanRules

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Later than every moment, so that "known by then" is false of what never happened.
NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class First:
    """Per shipment the first received scan of some kind, ties by the earliest event.

    Attributes:
        when: Event time, microseconds since 1970 UTC, `NEVER` where there is none, (n_shipments,).
        known: Time of receipt, likewise.
        scan: Position among the `Journeys`, -1 where there is none.
    """

    when: Ints
    known: Ints
    scan: Ints


@dataclass(frozen=True, kw_only=True)
class Journeys:
    """Scans sorted by shipment, received, scanned, status, carrier; arrays of shape (n_scans,).

    Attributes:
        shipment: 0-based number of the shipment.
        status: Position in `STATUSES`.
        scanned: Event time, microseconds since 1970 UTC.
        received: Time of receipt, likewise.
        carrier: A number per carrier; the largest stands for none said.
        row: Position of the scan in the table it came from.
        n_shipments: How many shipments there are, with or without scans.
    """

    shipment: Ints
    status: Ints
    scanned: Ints
    received: Ints
    carrier: Ints
    row: Ints
    n_shipments: int

    @classmethod
    def of(
        cls,
        *,
        shipment: Ints,
        status: Ints,
        scanned: Ints,
        received: Ints,
        carrier: Ints,
        n_shipments: int,
    ) -> Journeys:
        """Sort scans that come in any order; those of shipment -1 are left out."""
        order = np.lexsort((carrier, status, scanned, received, shipment))
        order = order[np.searchsorted(shipment[order], 0) :]
        return cls(
            shipment=shipment[order],
            status=status[order],
            scanned=scanned[order],
            received=received[order],
            carrier=carrier[order],
            row=order.astype(np.int64),
            n_shipments=n_shipments,
        )

    def first(self, scans: Mask) -> First:
        """The first received of ``scans`` (a mask) of every shipment."""
        chosen = np.flatnonzero(scans)
        owner = self.shipment[chosen]
        chosen = chosen[np.diff(owner, prepend=-1) != 0]
        owner = self.shipment[chosen]
        when, known = (np.full(self.n_shipments, NEVER, dtype=np.int64) for _ in range(2))
        scan = np.full(self.n_shipments, -1, dtype=np.int64)
        when[owner] = self.scanned[chosen]
        known[owner] = self.received[chosen]
        scan[owner] = chosen
        return First(when=when, known=known, scan=scan)

    def doubles(self, tie: Ints | None = None) -> Mask:
        """Scans whose event was received before: same shipment, event time and status.

        Neither facility nor carrier tells two events apart: one parcel cannot go through one status
        twice in the same instant, but a scan is often sent again with more, or less, filled in.

        Args:
            tie: Decides which of equal doubles stays, the smallest, (n_scans,).
        """
        keys = (self.carrier, self.received, self.status, self.scanned, self.shipment)
        order = np.lexsort(keys if tie is None else (tie, *keys))
        same = np.ones(max(len(order) - 1, 0), dtype=bool)
        for values in (self.shipment, self.scanned, self.status):
            same &= np.diff(values[order]) == 0
        doubles = np.zeros(len(order), dtype=bool)
        doubles[order[1:]] = same
        return doubles


def status_mask(status: Ints, names: Iterable[str]) -> Mask:
    """Which of ``status`` (positions in `STATUSES`) are among ``names``."""
    wanted = np.zeros(len(STATUSES), dtype=bool)
    wanted[[STATUSES.index(name) for name in names]] = True
    return wanted[status]


def microseconds(times: pd.Series[Any]) -> Ints:
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return np.where(np.isnat(utc), np.int64(NEVER), utc.view(np.int64))


def received_or_scanned(scans: pd.DataFrame, scanned: Ints) -> Ints:
    if "received_at" not in scans:
        return scanned
    received = microseconds(scans["received_at"])
    return np.where(received == NEVER, scanned, received)


def shipment_codes(shipments: pd.DataFrame, scans: pd.DataFrame) -> Ints:
    return positions(scans["shipment_id"], shipments["shipment_id"])


def positions(values: pd.Series[Any], among: Sequence[str] | pd.Series[Any]) -> Ints:
    """Where each of ``values`` (text) stands in ``among``, -1 where it does not or is missing."""
    wanted = pa.array(among, pa.large_string(), from_pandas=True)
    found = pc.index_in(pa.array(values, pa.large_string(), from_pandas=True), wanted)
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


_DEFAULT_RULES: Final = ScanRules()
# What can only come at the end of a journey.
_LATE_STATUSES: Final = ("attempted", "available_for_pickup", "delivered", *CLOSING_STATUSES)


def clean_scans(
    scans: pd.DataFrame,
    shipments: pd.DataFrame | None = None,
    *,
    rules: ScanRules = _DEFAULT_RULES,
) -> Checked:
    scanned = microseconds(scans["scanned_at"])
    received = received_or_scanned(scans, scanned)
    status = scan_statuses(scans)
    faults = Faults(len(scans))
    if shipments is None:
        numbers, ids = pd.factorize(scans["shipment_id"], sort=True)
        shipment, n_shipments = numbers.astype(np.int64), len(ids)
        ordered = None
    else:
        shipment, n_shipments = shipment_codes(shipments, scans), len(shipments)
        ordered = microseconds(shipments["ordered_at"])
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
    return positions(scans["status"], STATUSES)


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


# Which milestones are the chosen event; the one that is known first counts. A delivery ends every
# wait: handing a parcel over is an attempt that succeeded, and nothing is left to be notified of.
_EVENT_PROOFS: Final[dict[Event, tuple[str, ...]]] = {
    "first_attempt": ("attempted", "delivered"),
    "delivered": ("delivered",),
    "available_for_pickup": ("available", "delivered"),
}

_MILESTONES: Final = (
    "picked_up",
    "attempted",
    "delivered",
    "available",
    "event",
    "closed",
    "transferred",
)


def milestones(
    shipments: pd.DataFrame, scans: pd.DataFrame, *, event: Event = "delivered"
) -> pd.DataFrame:
    carrier, own_carrier, carriers = _carrier_codes(shipments, scans)
    scanned = microseconds(scans["scanned_at"])
    journeys = Journeys.of(
        shipment=shipment_codes(shipments, scans),
        status=scan_statuses(scans),
        scanned=scanned,
        received=received_or_scanned(scans, scanned),
        carrier=carrier,
        n_shipments=len(shipments),
    )
    single = ~journeys.doubles()
    owner = journeys.shipment

    def among(*names: str) -> Mask:
        return single & status_mask(journeys.status, names)

    told = pd.DataFrame(
        {"owner": owner, "received": journeys.received, "scanned": journeys.scanned}
    )
    turns = told[among("returning", "returned")]
    pairs = told.reset_index(names="row").merge(turns, on="owner", suffixes=("", "_back"))
    back = (pairs["received_back"] <= pairs["received"]) & (
        pairs["scanned_back"] <= pairs["scanned"]
    )
    to_customer = ~np.isin(np.arange(len(told)), pairs["row"][back])
    attempts = among("attempted") & to_customer
    unsaid = len(carriers)
    another = (journeys.carrier != unsaid) & (journeys.carrier != own_carrier[owner])
    handed_on = single & another & (own_carrier[owner] != unsaid)
    found = {
        "picked_up": journeys.first(among(*POSSESSION_STATUSES)),
        "attempted": journeys.first(attempts),
        "delivered": journeys.first(among("delivered") & to_customer),
        "available": journeys.first(among("available_for_pickup") & to_customer),
        "transferred": journeys.first(among("transferred") | handed_on),
    }
    found["event"] = _first_known([found[name] for name in _EVENT_PROOFS[event]])
    found["closed"] = _before(journeys.first(among(*CLOSING_STATUSES)), found["event"])

    columns: dict[str, Any] = {"shipment_id": shipments["shipment_id"].reset_index(drop=True)}
    for name in _MILESTONES:
        columns[f"{name}_at"] = _times(found[name].when)
        columns[f"{name}_known_at"] = _times(found[name].known)
    closed_as = np.array([CLOSING_STATUSES.get(status) for status in STATUSES], dtype=object)
    columns["closed_as"] = _words(closed_as, journeys.status, found["closed"].scan)
    # The hand-off may be told by the shipment's own carrier, which is not who took the parcel.
    transferred_to = np.where(another, journeys.carrier, unsaid)
    columns["transferred_to"] = _words(
        np.append(carriers, [None]), transferred_to, found["transferred"].scan
    )
    columns |= _state(journeys, single, attempts)
    return pd.DataFrame(columns)


def _carrier_codes(
    shipments: pd.DataFrame, scans: pd.DataFrame
) -> tuple[Ints, Ints, npt.NDArray[np.object_]]:
    """Numbers for the carriers of scans and of shipments, and the names in their order.

    The number of names stands for a carrier that is not said.
    """
    said = [table["carrier"] for table in (scans, shipments) if "carrier" in table]
    every = pd.concat(said, ignore_index=True) if said else pd.Series(dtype="str")
    names = np.array(sorted(every.dropna().unique()), dtype=object)

    def codes(table: pd.DataFrame) -> Ints:
        if "carrier" not in table:
            return np.full(len(table), len(names), dtype=np.int64)
        found = positions(table["carrier"], list(names))
        return np.where(found < 0, np.int64(len(names)), found)

    return codes(scans), codes(shipments), names


def _first_known(milestones_found: list[First]) -> First:
    first = milestones_found[0]
    for other in milestones_found[1:]:
        earlier = (other.known < first.known) | (
            (other.known == first.known) & (other.when < first.when)
        )
        first = First(
            when=np.where(earlier, other.when, first.when),
            known=np.where(earlier, other.known, first.known),
            scan=np.where(earlier, other.scan, first.scan),
        )
    return first


def _before(first: First, limit: First) -> First:
    """``first`` where it was known before ``limit``, which wins when both came at once."""
    before = first.known < limit.known
    return First(
        when=np.where(before, first.when, NEVER),
        known=np.where(before, first.known, NEVER),
        scan=np.where(before, first.scan, -1),
    )


def _state(journeys: Journeys, single: Mask, attempts: Mask) -> dict[str, Any]:
    n = journeys.n_shipments
    scans = np.flatnonzero(single)
    owner = journeys.shipment[scans]
    latest = np.full(n, -NEVER, dtype=np.int64)
    np.maximum.at(latest, owner, journeys.scanned[scans])
    # Within a shipment scans stand by receipt: the last of them is the last received, and the last
    # of those with the latest event is the last word on it.
    word, received = (np.full(n, -1, dtype=np.int64) for _ in range(2))
    received[owner] = scans
    decisive = scans[journeys.scanned[scans] == latest[owner]]
    word[journeys.shipment[decisive]] = decisive
    return {
        "last_status": _words(np.array(STATUSES, dtype=object), journeys.status, word),
        "last_scan_at": _times(_of(journeys.scanned, word)),
        "last_known_at": _times(_of(journeys.received, received)),
        "scan_count": np.bincount(journeys.shipment[single], minlength=n),
        "attempt_count": np.bincount(journeys.shipment[attempts], minlength=n),
    }


def _of(times: Ints, scan: Ints) -> Ints:
    """The time of each chosen scan, `NEVER` where none (-1) was chosen."""
    return np.append(times, NEVER)[scan]


def _times(moments: Ints) -> pd.Series[Any]:
    stamps = np.where(moments == NEVER, np.iinfo(np.int64).min, moments).view("datetime64[us]")
    return pd.Series(stamps).dt.tz_localize("UTC")


def _words(names: npt.NDArray[np.object_], codes: Ints, scan: Ints) -> pd.Series[Any]:
    """The name of the chosen scan's code, missing where no scan (-1) was chosen, (n_shipments,)."""
    words = np.full(len(scan), None, dtype=object)
    chosen = scan >= 0
    words[chosen] = names[codes[scan[chosen]]]
    return pd.Series(words, dtype="str")
