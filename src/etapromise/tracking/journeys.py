"""Scans grouped by shipment, judged and searched for milestones: the wrapper of the kernels.

native/scans.c puts scans with the others of their shipment as they come in, native/milestones.c
walks through each shipment once. Both work on numbers; what these mean is said here and in the
data contract.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from etapromise import native
from etapromise.array_types import Ints
from etapromise.errors import ContractError
from etapromise.tracking.contract import (
    CLOSING_STATUSES,
    POSSESSION_STATUSES,
    REOPENING_STATUSES,
    STATUSES,
    TERMINAL_STATUSES,
    Event,
)
from etapromise.tracking.texts import UNSAID, coded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

REOPENED_AFTER: Final = 12 * 3_600_000_000
"""Microseconds from an end to the van that says it was none; see `milestones`."""

# Stands for a time that is not said.
NO_TIME: Final = np.iinfo(np.int64).max

# In the order of native/milestones.c.
MILESTONES: Final = (
    "picked_up",
    "attempted",
    "delivered",
    "available",
    "event",
    "closed",
    "transferred",
)

# Which milestones are the chosen event; the one that is known first counts. A delivery ends every
# wait: handing a parcel over is an attempt that succeeded, and nothing is left to be notified of.
EVENT_PROOFS: Final[dict[Event, tuple[str, ...]]] = {
    "first_attempt": ("attempted", "delivered"),
    "delivered": ("delivered",),
    "available_for_pickup": ("available", "delivered"),
}

# What can only come at the end of a journey.
_LATE_STATUSES: Final = ("attempted", "available_for_pickup", "delivered", *CLOSING_STATUSES)

# Scans are numbered with 32 bits while they wait in the store.
_MOST_SCANS: Final = 2**32 - 1


def _bits(names: Iterable[str]) -> int:
    return sum(1 << STATUSES.index(name) for name in names)


_STATUS_SETS: Final = {
    "possession": _bits(POSSESSION_STATUSES),
    "closing": _bits(CLOSING_STATUSES),
    "terminal": _bits(TERMINAL_STATUSES),
    "late": _bits(_LATE_STATUSES),
    "restart": _bits(("label_created", "picked_up")),
    "back": _bits(("returning", "returned")),
    "attempted": _bits(("attempted",)),
    "delivered": _bits(("delivered",)),
    "available": _bits(("available_for_pickup",)),
    "transferred": _bits(("transferred",)),
    "returned": _bits(("returned",)),
    "van": _bits(REOPENING_STATUSES),
}


_TOLERANCES: Final = ("tolerance", "recycled_after", "longest_life", "reopened_after")


class _Job(ctypes.Structure):
    _fields_ = (
        *native.fields(
            "l stores; p store; l shipments clean; p ordered own_carrier carrier_rank; "
            f"l {' '.join(_TOLERANCES)}; u {' '.join(_STATUS_SETS)} proofs; p fault start order "
            "sound"
        ),
        ("when", ctypes.c_void_p * len(MILESTONES)),
        ("known", ctypes.c_void_p * len(MILESTONES)),
        *native.fields(
            "p closed_status last_status transferred_to last_scan last_known scans attempts"
        ),
    )


_new = native.function("etp_scans_new", "p", "l")
_free = native.function("etp_scans_free", "", "p")
_add = native.function("etp_scans_add", "i", "pluppppp")
_start = native.function("etp_journeys_start", "", ctypes.POINTER(_Job), "lp")
_walk = native.function("etp_journeys_walk", "i", ctypes.POINTER(_Job), "ll")
_BLOCK: Final = 2**11


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """`ScanRules` in microseconds."""

    tolerance: int
    recycled_after: int
    longest_life: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """The milestones of n shipments; times are microseconds since 1970 UTC, NaT where missing.

    Attributes:
        when: By milestone, (n,).
        known: Likewise.
        closed_status: (n,) position in `STATUSES`, 255 where not closed.
        last_status: Likewise of the latest event.
        transferred_to: (n,) rank of the carrier that took the parcel over, `UNSAID` where not said.
        last_scan: (n,) time of the latest event.
        last_known: (n,) latest receipt.
        scans: (n,) distinct events.
        attempts: (n,) attempts at the customer's.
    """

    when: dict[str, Ints]
    known: dict[str, Ints]
    closed_status: npt.NDArray[np.uint8]
    last_status: npt.NDArray[np.uint8]
    transferred_to: npt.NDArray[np.uint16]
    last_scan: Ints
    last_known: Ints
    scans: Ints
    attempts: Ints

    @classmethod
    def empty(cls, n: int) -> Found:
        """Room for the milestones of n shipments."""
        return cls(
            when={name: np.empty(n, np.int64) for name in MILESTONES},
            known={name: np.empty(n, np.int64) for name in MILESTONES},
            closed_status=np.empty(n, np.uint8),
            last_status=np.empty(n, np.uint8),
            transferred_to=np.empty(n, np.uint16),
            last_scan=np.empty(n, np.int64),
            last_known=np.empty(n, np.int64),
            scans=np.empty(n, np.int64),
            attempts=np.empty(n, np.int64),
        )


class Journeys:
    """The scans of n shipments, which are added first and then walked through."""

    def __init__(self, n_shipments: int) -> None:
        """Make room for the scans of the shipments 0 to n_shipments - 1."""
        self.n_shipments = n_shipments
        pointer = _new(n_shipments)
        if pointer is None:
            raise MemoryError("no memory to store scans")
        self._store = ctypes.c_void_p(pointer)
        weakref.finalize(self, _free, pointer)

    def add(
        self,
        *,
        shipment: npt.NDArray[np.int32],
        status: npt.NDArray[np.int8],
        scanned: Ints,
        received: Ints | None = None,
        carrier: npt.NDArray[np.uint16] | None = None,
    ) -> None:
        """Add scans, arrays of shape (n,); those of shipment or status -1 are left out.

        Args:
            shipment: 0-based numbers.
            status: Positions in `STATUSES`.
            scanned: Event times, microseconds since 1970 UTC.
            received: Times of receipt, `NO_TIME` or no array where not said: the event time.
            carrier: Numbers, `UNSAID` where not said.

        Raises:
            ContractError: These are more scans than can be told apart.
        """
        if len(shipment) > _MOST_SCANS:
            message = f"found more than {_MOST_SCANS} scans; split the shipments into several parts"
            raise ContractError(message)
        failed = _add(
            self._store.value,
            len(shipment),
            0,
            shipment.ctypes.data,
            status.ctypes.data,
            scanned.ctypes.data,
            None if received is None else received.ctypes.data,
            None if carrier is None else carrier.ctypes.data,
        )
        if failed:
            raise MemoryError("no memory to store scans")

    def walk(
        self,
        *,
        fault: npt.NDArray[np.uint8],
        tolerances: Tolerances | None,
        ordered: Ints | None = None,
        own_carrier: npt.NDArray[np.uint16] | None = None,
        carrier_rank: npt.NDArray[np.uint16] | None = None,
        event: Event = "delivered",
        found: Found | None = None,
        in_order: bool = False,
    ) -> npt.NDArray[np.uint32]:
        """Judge the scans of every shipment and find its milestones, on all cores.

        Args:
            fault: (rows,) the number of what is wrong is written where a scan is rejected.
            tolerances: None: the scans were judged before, only doubles are left out.
            ordered: (n,) microseconds since 1970 UTC; without it no rules about orders.
            own_carrier: (n,) ranks of the shipments' carriers, `UNSAID` where not said.
            carrier_rank: (65536,) by carrier number.
            event: Which milestone is the event.
            found: Where to write the milestones, (n,).
            in_order: List the sound scans.

        Returns:
            If asked for, the rows of the sound scans by shipment, event time, receipt, status.
        """
        if carrier_rank is None:
            carrier_rank = np.arange(UNSAID + 1, dtype=np.uint16)
        blocks = -(-self.n_shipments // _BLOCK)
        start, sound = np.zeros(blocks + 1, np.int64), np.zeros(blocks, np.int64)
        job = _Job(
            stores=1,
            store=ctypes.addressof(self._store),
            shipments=self.n_shipments,
            clean=int(tolerances is not None),
            carrier_rank=carrier_rank.ctypes.data,
            fault=fault.ctypes.data,
            start=start.ctypes.data,
            **_STATUS_SETS,
        )
        if tolerances is not None:
            job.tolerance, job.recycled_after = tolerances.tolerance, tolerances.recycled_after
            job.longest_life = tolerances.longest_life
        job.reopened_after = REOPENED_AFTER
        if ordered is not None:
            job.ordered = ordered.ctypes.data
        if own_carrier is not None:
            job.own_carrier = own_carrier.ctypes.data
        if found is not None:
            _point_to(job, found, event)
        _start(job, blocks, start.ctypes.data)
        order = np.empty(int(start[-1]) if in_order else 0, np.uint32)
        if in_order:
            job.order, job.sound = order.ctypes.data, sound.ctypes.data
        self._walk_blocks(job, blocks)
        if in_order:
            parts = [order[start[k] : start[k] + sound[k]] for k in range(blocks)]
            order = np.concatenate(parts) if parts else order
        return order

    def _walk_blocks(self, job: _Job, blocks: int) -> None:
        def walk(part: slice) -> int:
            return int(_walk(job, part.start, part.stop))

        # Several parts per thread, since parts differ in how many scans they have.
        size = max(-(-blocks // (8 * native.processors())), 1)
        if any(native.in_parts(blocks, walk, size)):
            raise MemoryError("no memory to walk through the scans")


def _point_to(job: _Job, found: Found, event: Event) -> None:
    for k, name in enumerate(MILESTONES):
        job.when[k] = found.when[name].ctypes.data
        job.known[k] = found.known[name].ctypes.data
    for name in ("closed_status", "last_status", "transferred_to", "last_scan", "last_known"):
        setattr(job, name, getattr(found, name).ctypes.data)
    job.scans, job.attempts = found.scans.ctypes.data, found.attempts.ctypes.data
    job.proofs = sum(1 << MILESTONES.index(name) for name in EVENT_PROOFS[event])


def microseconds(times: pd.Series[Any], name: str) -> Ints:
    """Zone-aware times as microseconds since 1970 UTC, `NO_TIME` where missing, (n,).

    Raises:
        ContractError: The times are naive or no times at all.
    """
    zone = getattr(times.dtype, "tz", None)
    if zone is None:
        message = (
            f"column {name!r} is of type {times.dtype}, expected zone-aware times; "
            "read the table with read_shipments or read_scans"
        )
        raise ContractError(message)
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    counts = utc.view(np.int64)
    missing = np.isnat(utc)
    return np.where(missing, np.int64(NO_TIME), counts) if missing.any() else counts


def status_numbers(statuses: pd.Series[Any] | pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """The position in `STATUSES` of every status, -1 where it is not a standard one, (n,)."""
    codes, words = coded(statuses)
    known = {status: number for number, status in enumerate(STATUSES)}
    table = np.array([known.get(word, -1) for word in words] + [-1], dtype=np.int8)
    return table[codes]
