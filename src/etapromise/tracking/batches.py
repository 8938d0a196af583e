"""From scans of any size to milestones: read, checked and stored a batch at a time, on all cores.

The same checks, rules and kernels as `history`, without a table of all scans: what has to be kept
of a scan until its shipment is complete are 24 bytes.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.tracking.contract import SCAN_COLUMNS
from etapromise.tracking.faults import Checked, Faults
from etapromise.tracking.journeys import Found, Journeys, Store, microseconds
from etapromise.tracking.milestones import milestones_table, require_event
from etapromise.tracking.scans import UNKNOWN_SHIPMENT, ScanRules
from etapromise.tracking.sources import Part, open_parts
from etapromise.tracking.tables import check_scans, read_shipments, split_scans
from etapromise.tracking.texts import Identifiers, Words

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event
    from etapromise.tracking.sources import Source

__all__ = ["TrackedMilestones", "track"]

_DEFAULT_RULES: Final = ScanRules()
# Where a scan is lost before its shipment is looked at; the kernel numbers its faults from 1.
_UNREADABLE: Final = 255


@dataclass(frozen=True, kw_only=True)
class TrackedMilestones:
    """What happened to a set of shipments, without their scans.

    Attributes:
        shipments: The accepted shipments, in the order of the input.
        milestones: One row per accepted shipment, in the same order, see `milestones`.
        shipment_rejects: The other shipments, with ``reason``, ``detail`` and ``row``.
        scans_accepted: How many scans were accepted.
        scans_rejected: How many were not, by reason.
        event: Which milestone is the event.
    """

    shipments: pd.DataFrame
    milestones: pd.DataFrame
    shipment_rejects: pd.DataFrame
    scans_accepted: int
    scans_rejected: dict[str, int]
    event: Event
    _read_rejects: Callable[[], pd.DataFrame] = field(repr=False)

    def read_scan_rejects(self) -> pd.DataFrame:
        """The rejected scans with ``reason``, ``detail`` and ``row``, read once more.

        As `TrackedHistory.scan_rejects`, except that of doubles which are equal in all that
        milestones look at, the first in the input stays, whatever their facility.
        """
        return self._read_rejects()


def track(
    shipments: Source | Checked,
    scans: Source,
    *,
    event: Event = "delivered",
    naive_time_zone: str | None = None,
    vocabulary: str | None = None,
    rules: ScanRules = _DEFAULT_RULES,
) -> TrackedMilestones:
    """The milestones of `history` for tables whose scans do not fit into memory as a table.

    Args:
        shipments: Path of a ``.parquet`` or ``.csv`` file or of a directory of Parquet files, a
            DataFrame, an Arrow table, or what `read_shipments` gave.
        scans: Likewise a path or a table. Parquet is read a batch at a time, its row groups on all
            cores; anything else is read whole.
        event: ``first_attempt``, ``delivered`` or ``available_for_pickup``.
        naive_time_zone: IANA zone of the times that carry none.
        vocabulary: Whose codes the scans carry where their ``vocabulary`` column does not say.
        rules: How far scans may disagree.

    Raises:
        ContractError: As for `history`.
    """
    require_event(event)
    parts = open_parts(scans, SCAN_COLUMNS, table="scans")
    if not isinstance(shipments, Checked):
        shipments = read_shipments(shipments, naive_time_zone=naive_time_zone)
    feed = _Feed(shipments.accepted, parts, vocabulary, naive_time_zone)
    feed.read()
    found = feed.walk(rules, event)
    rejected = feed.count_rejects(rules)
    return TrackedMilestones(
        shipments=shipments.accepted,
        milestones=found,
        shipment_rejects=shipments.rejects,
        scans_accepted=feed.n_rows - sum(rejected.values()) + rejected["wrong_number_of_fields"],
        scans_rejected={reason: count for reason, count in rejected.items() if count},
        event=event,
        _read_rejects=lambda: feed.read_rejects(rules),
    )


class _Feed:
    """Scans on their way from a file into the stores."""

    def __init__(
        self,
        shipments: pd.DataFrame,
        parts: list[Part],
        vocabulary: str | None,
        naive_time_zone: str | None,
    ) -> None:
        self._shipments = shipments
        self._parts = parts
        self._vocabulary = vocabulary
        self._naive_time_zone = naive_time_zone
        self._identifiers = Identifiers(shipments["shipment_id"])
        self._carriers = Words("carrier")
        self._unreadable: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.n_rows = sum(part.n_rows for part in parts)
        self._fault = np.zeros(self.n_rows, dtype=np.uint8)
        threads = max(min(os.cpu_count() or 1, len(parts)), 1)
        self._journeys = Journeys(len(shipments), stores=threads)

    def read(self) -> None:
        """Read, check and store all scans, one store and one thread per core."""
        waiting = iter(self._parts)
        stores = self._journeys.stores
        with ThreadPoolExecutor(len(stores)) as pool:
            for done in [pool.submit(self._fill, store, waiting) for store in stores]:
                done.result()

    def _fill(self, store: Store, waiting: Iterator[Part]) -> None:
        # Facilities are looked at only where there is a doubt, and cost as much as all the rest.
        names = [name for name in SCAN_COLUMNS if name != "facility"]
        while True:
            with self._lock:
                part = next(waiting, None)
            if part is None:
                return
            first = part.first_row
            for raw in part.read(names):
                checked = check_scans(raw, self._vocabulary, self._naive_time_zone)
                free = checked.faults.free
                columns = checked.columns
                shipment = self._identifiers.rows(columns["shipment_id"])
                fault = self._fault[first : first + len(free)]
                fault[shipment < 0] = UNKNOWN_SHIPMENT
                status = checked.status
                if not free.all():
                    fault[~free] = _UNREADABLE
                    status = np.where(free, status, np.int8(-1))
                with self._lock:
                    self._unreadable.update(checked.faults.counts())
                    self._unreadable["wrong_number_of_fields"] += len(raw.broken)
                received, carrier = columns.get("received_at"), columns.get("carrier")
                store.add(
                    first_row=first,
                    shipment=shipment,
                    status=status,
                    scanned=microseconds(columns["scanned_at"], "scanned_at"),
                    received=None if received is None else microseconds(received, "received_at"),
                    carrier=None if carrier is None else self._carriers.numbers(carrier),
                )
                first += len(free)

    def walk(self, rules: ScanRules, event: Event) -> pd.DataFrame:
        """Judge the stored scans and find the milestones; the stores are empty afterwards."""
        shipments = self._shipments
        own = self._carriers.numbers(shipments["carrier"]) if "carrier" in shipments else None
        names, ranks = self._carriers.ranks()
        found = Found.empty(len(shipments))
        self._journeys.walk(
            fault=self._fault,
            tolerances=rules.tolerances,
            ordered=microseconds(shipments["ordered_at"], "ordered_at"),
            own_carrier=None if own is None else ranks[own],
            carrier_rank=ranks,
            event=event,
            found=found,
        )
        self._journeys.stores.clear()
        return milestones_table(shipments, found, names)

    def count_rejects(self, rules: ScanRules) -> Counter[str]:
        """How many scans were rejected, by reason."""
        counts = Counter(self._unreadable)
        found = np.bincount(self._fault, minlength=_UNREADABLE + 1)
        for number, reason in enumerate(rules.reasons, start=1):
            counts[reason] += int(found[number])
        return counts

    def read_rejects(self, rules: ScanRules) -> pd.DataFrame:
        """The rejected scans, from those parts that have any."""
        tables = []
        for part in self._parts:
            first = part.first_row
            if part.n_rows and not self._fault[first : first + part.n_rows].any():
                continue
            for raw in part.read(None):
                checked = check_scans(raw, self._vocabulary, self._naive_time_zone)
                split = split_scans(raw, checked)
                free = checked.faults.free
                found = self._fault[first : first + len(free)][free]
                tables += [split.rejects, _unusable(split.accepted, found, raw.rows[free], rules)]
                first += len(free)
        tables = [table for table in tables if len(table)] or tables[:1]
        both = pd.concat(tables, ignore_index=True)
        return both.sort_values("row", kind="stable", ignore_index=True)


def _unusable(
    accepted: pd.DataFrame,
    found: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    rules: ScanRules,
) -> pd.DataFrame:
    faults = Faults(len(accepted))
    rules.add_faults(faults, found)
    faulty = np.flatnonzero(found)
    text = accepted.iloc[faulty].reset_index(drop=True).astype("str")
    return faults.table(faulty, text, rows[faulty])
