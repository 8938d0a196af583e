"""Where parcels stand at moments, by the scans received until then: the wrapper of the kernel.

A state is what a *set* of scans says. Scans that come late, twice, in another order or that
contradict each other end in the same state whatever the order in which they arrived:

- a delivery to the customer is final, whatever is scanned later; of several the earliest counts;
- a way back that has begun is final too: what is delivered from then on is the sender's;
- but a van to the customer reopens either, by the rule that `tracking.milestones` states;
- a parcel called lost, damaged or cancelled is that until a later scan shows it on its way;
- else the latest event that moves or holds the parcel says the stage.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Ints, with_rows
from etapromise.in_transit.transit_parts import STAGES
from etapromise.tracking.contract import (
    CLOSING_STATUSES,
    POSSESSION_STATUSES,
    REOPENING_STATUSES,
    STATUSES,
    Event,
)
from etapromise.tracking.journeys import EVENT_PROOFS, REOPENED_AFTER, microseconds
from etapromise.tracking.scans import ScanRules, scan_times, standard_statuses
from etapromise.tracking.texts import CarrierNumbers, Identifiers, coded

if TYPE_CHECKING:
    import pandas as pd

# What says nothing of the way leaves a parcel as it was ordered.
_STAGE_OF: Final = {
    **{name: name for name in STAGES},
    **dict.fromkeys(("arrived", "departed", "customs_cleared", "transferred"), "in_transit"),
    "picked_up": "handed_over",
    "customs_hold": "customs",
}


def stage_number(name: str) -> int:
    """The position of a stage in `STAGES`."""
    return STAGES.index(name)


_STAGE_BYTES: Final = np.array(
    [stage_number(_STAGE_OF.get(name, "ordered")) for name in STATUSES], np.uint8
)
_STAGES_AT: Final = native.address(_STAGE_BYTES)


def _bits(names: Any) -> int:
    return sum(1 << STATUSES.index(name) for name in names)


_STATUS_SETS: Final = {
    "move": _bits(POSSESSION_STATUSES),
    "closing": _bits(("lost", "damaged", "cancelled")),
    "back": _bits(("returning", "returned")),
    "returned": _bits(("returned",)),
    "late": _bits(("attempted", "available_for_pickup", "delivered", *CLOSING_STATUSES)),
    "delivered": _bits(("delivered",)),
    "attempted": _bits(("attempted",)),
    "trouble": _bits(("delayed", "exception")),
    "customs_hold": _bits(("customs_hold",)),
    "customs_cleared": _bits(("customs_cleared",)),
    "transferred": _bits(("transferred",)),
    "out": _bits(("out_for_delivery",)),
    "van": _bits(REOPENING_STATUSES),
}
_SPANS: Final = ("tolerance", "recycled_after", "longest_life", "reopened_after")
_BYTES: Final = ("stage", "last_status", "attempts", "customs", "handed_off", "troubled")
_COUNTS: Final = ("place", "scans")
_TIMES: Final = ("last_scan", "last_known", "picked_up", "moved", "went_out", "arrived")


class _StatesStruct(ctypes.Structure):
    _fields_ = native.fields(
        "l shipments; p first scanned received status other facility ordered; "
        f"l {' '.join(_SPANS)}; p asked moment stage_of; u move closing back returned late proofs "
        "delivered attempted trouble customs_hold customs_cleared transferred out van; "
        f"p {' '.join(_BYTES)} {' '.join(_COUNTS)} {' '.join(_TIMES)}"
    )


_states = native.function("etp_parcel_states", "", ctypes.POINTER(_StatesStruct), "ll")
_RULES: Final = ScanRules().tolerances


@dataclass(frozen=True, kw_only=True)
class States:
    """What was known of parcels at m moments; times are microseconds since 1970 UTC or `MISSING`.

    Attributes:
        parcel: (m,) which parcel.
        moment: (m,) when.
        stage: (m,) uint8 position in `STAGES`.
        last_status: (m,) uint8 position in `STATUSES` of the latest event, or of the one that
            decides a final stage; 255: no scan yet.
        attempts: (m,) uint8 failed attempts.
        customs: (m,) uint8 0 never in customs, 1 held, 2 cleared.
        handed_off: (m,) uint8 whether another carrier has shown up.
        troubled: (m,) uint8 whether the latest news is a delay or an exception.
        place: (m,) int32 number of the latest facility in `ParcelScans.facilities`, -1: not said.
        scans: (m,) int32 distinct events.
        last_scan: (m,) time of the latest event.
        last_known: (m,) latest receipt of an event that was new.
        picked_up: (m,) earliest proof of possession.
        moved: (m,) latest event that moved or held the parcel.
        went_out: (m,) latest time out for delivery.
        arrived: (m,) time of the event that is waited for.
    """

    parcel: Ints
    moment: Ints
    stage: NDArray[np.uint8]
    last_status: NDArray[np.uint8]
    attempts: NDArray[np.uint8]
    customs: NDArray[np.uint8]
    handed_off: NDArray[np.uint8]
    troubled: NDArray[np.uint8]
    place: NDArray[np.int32]
    scans: NDArray[np.int32]
    last_scan: Ints
    last_known: Ints
    picked_up: Ints
    moved: Ints
    went_out: Ints
    arrived: Ints

    def __len__(self) -> int:
        """How many."""
        return len(self.moment)

    def take(self, rows: NDArray[Any]) -> States:
        """Some of them, by a mask or by positions."""
        return with_rows(self, rows)


class OneScan(NamedTuple):
    """One scan of one parcel; times are microseconds since 1970 UTC.

    Attributes:
        scanned: when it was made.
        received: when it was received.
        status: position in `STATUSES`.
        facility: where.
        by_another: whether another carrier than the shipment's made it.
    """

    scanned: int
    received: int
    status: int
    facility: str | None
    by_another: bool


_TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("scanned", "received", "ordered"), np.int64),
    **dict.fromkeys(("status", "other"), np.uint8),
}
_PER_SCAN: Final = ("scanned", "received", "status", "other", "facility")
_receipt: Final = operator.attrgetter("received")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def microseconds_from(moment: dt.datetime) -> int:
    """A zone-aware moment in microseconds since 1970 UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True)
class ParcelScans:
    """The scans of n parcels by receipt, as arrays.

    Attributes:
        first: (n + 1,) where each parcel's scans start.
        scanned: (s,) microseconds since 1970 UTC.
        received: (s,) likewise, ascending within a parcel.
        status: (s,) uint8 positions in `STATUSES`.
        other: (s,) uint8 whether another carrier than the shipment's made it.
        facility: (s,) int32 positions in `facilities`, -1 where not said.
        facilities: names, ascending.
        ordered: (n,) microseconds since 1970 UTC.
    """

    first: Ints
    scanned: Ints
    received: Ints
    status: NDArray[np.uint8]
    other: NDArray[np.uint8]
    facility: NDArray[np.int32]
    facilities: tuple[str, ...]
    ordered: Ints

    @classmethod
    def of(cls, shipments: pd.DataFrame, scans: pd.DataFrame) -> ParcelScans:
        """From accepted tables; scans of other shipments are left out.

        Args:
            shipments: (n, ...) accepted shipments.
            scans: (s, ...) accepted scans, in any order, doubles allowed.

        Raises:
            ContractError: naive times, a status that is not standard, or a shipment_id twice.
        """
        parcel = Identifiers(shipments["shipment_id"]).rows(scans["shipment_id"])
        scanned, received = scan_times(scans)
        rows = np.flatnonzero(parcel >= 0)
        # A stable sort by both, the second key first: scans mostly come by receipt already.
        rows = rows[np.argsort(received[rows], kind="stable")]
        rows = rows[np.argsort(parcel[rows], kind="stable")]
        counts = np.bincount(parcel[rows], minlength=len(shipments))
        facility, facilities = _facilities(scans, rows)
        return cls(
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            scanned=scanned[rows],
            received=received[rows],
            status=standard_statuses(scans)[rows].astype(np.uint8),
            other=_by_others(shipments, scans, rows, parcel[rows]),
            facility=facility,
            facilities=facilities,
            ordered=microseconds(shipments["ordered_at"], "ordered_at"),
        )

    @classmethod
    def of_one(cls, ordered_at: dt.datetime, scans: Sequence[OneScan]) -> ParcelScans:
        """Of one parcel, from memory: what `of` makes of the same in tables."""
        by_receipt = sorted(scans, key=_receipt)
        facilities = tuple(sorted({scan.facility for scan in scans if scan.facility is not None}))
        place: dict[str | None, int] = {name: number for number, name in enumerate(facilities)}
        place[None] = -1
        times = np.array([(scan.scanned, scan.received) for scan in by_receipt], np.int64).reshape(
            -1, 2
        )
        return cls(
            first=np.array([0, len(scans)], np.int64),
            scanned=np.ascontiguousarray(times[:, 0]),
            received=np.ascontiguousarray(times[:, 1]),
            status=np.array([scan.status for scan in by_receipt], np.uint8),
            other=np.array([scan.by_another for scan in by_receipt], np.uint8),
            facility=np.array([place[scan.facility] for scan in by_receipt], np.int32),
            facilities=facilities,
            ordered=np.array([microseconds_from(ordered_at)], np.int64),
        )

    def __len__(self) -> int:
        """How many parcels."""
        return len(self.ordered)

    def take(self, rows: Ints) -> ParcelScans:
        """Those of some of the parcels, by ascending positions."""
        counts = np.diff(self.first)[rows]
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.repeat(self.first[rows] - first[:-1], counts) + np.arange(first[-1])
        return replace(
            self,
            first=first,
            ordered=self.ordered[rows],
            **{name: getattr(self, name)[place] for name in _PER_SCAN},
        )

    @classmethod
    def joined(cls, parts: Sequence[ParcelScans]) -> ParcelScans:
        """One's parcels after another's, or of none; facilities in no scan are left out."""
        used = [
            [part.facilities[row] for row in np.unique(part.facility) if row >= 0] for part in parts
        ]
        facilities = tuple(sorted({name for names in used for name in names}))
        rows = {name: row for row, name in enumerate(facilities)}
        now = [
            np.array([*(rows.get(name, -1) for name in part.facilities), -1], np.int32)
            for part in parts
        ]
        counts = [np.diff(part.first) for part in parts]
        places = [names[part.facility] for part, names in zip(parts, now, strict=True)]
        return cls(
            first=np.cumsum(np.concatenate([[0], *counts])).astype(np.int64),
            facility=np.concatenate([np.zeros(0, np.int32), *places]),
            facilities=facilities,
            **{
                name: np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in parts)])
                for name, kind in _TYPES.items()
            },
        )

    def before(self, moment: int) -> ParcelScans:
        """Those that were received before a moment, microseconds since 1970 UTC."""
        kept = self.received < moment
        counts = np.bincount(self.owners()[kept], minlength=len(self))
        return replace(
            self,
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            **{name: getattr(self, name)[kept] for name in _PER_SCAN},
        )

    def owners(self) -> Ints:
        """(s,) the parcel of each scan."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def states(self, parcel: Ints, moment: Ints, event: Event) -> States:
        """The states of parcels at moments.

        Args:
            parcel: (m,) which parcels, ascending.
            moment: (m,) microseconds since 1970 UTC, ascending within a parcel. What was received
                at that very moment is known.
            event: what is waited for.
        """
        parcel, moment = np.ascontiguousarray(parcel, np.int64), np.ascontiguousarray(moment)
        asked = np.searchsorted(parcel, np.arange(len(self) + 1)).astype(np.int64)
        out: dict[str, NDArray[Any]] = {
            **{name: np.empty(len(parcel), np.uint8) for name in _BYTES},
            **{name: np.empty(len(parcel), np.int32) for name in _COUNTS},
            **{name: np.empty(len(parcel), np.int64) for name in _TIMES},
        }
        proofs = _bits(
            "available_for_pickup" if name == "available" else name for name in EVENT_PROOFS[event]
        )
        struct = _StatesStruct(
            shipments=len(self),
            tolerance=_RULES.tolerance,
            recycled_after=_RULES.recycled_after,
            longest_life=_RULES.longest_life,
            reopened_after=REOPENED_AFTER,
            asked=native.address(asked),
            moment=native.address(moment),
            stage_of=_STAGES_AT,
            proofs=proofs,
            **_STATUS_SETS,
            **{name: native.address(array) for name, array in out.items()},
            **{
                name: native.address(getattr(self, name))
                for name in ("first", "scanned", "received", "status", "other", "facility")
            },
            ordered=native.address(self.ordered),
        )
        native.in_parts(len(self), lambda part: _states(struct, part.start, part.stop))
        return States(parcel=parcel, moment=moment, **out)


def _facilities(
    scans: pd.DataFrame, rows: NDArray[np.intp]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    if "facility" not in scans:
        return np.full(len(rows), -1, np.int32), ()
    codes, words = coded(scans["facility"])
    names = sorted(set(words))
    place = {name: number for number, name in enumerate(names)}
    table = np.array([*(place[word] for word in words), -1], np.int32)
    return table[codes[rows]], tuple(names)


def _by_others(
    shipments: pd.DataFrame, scans: pd.DataFrame, rows: NDArray[np.intp], parcel: NDArray[np.int32]
) -> NDArray[np.uint8]:
    if "carrier" not in scans or "carrier" not in shipments:
        return np.zeros(len(rows), np.uint8)
    words = CarrierNumbers()
    own, made = words.numbers(shipments["carrier"]), words.numbers(scans["carrier"])[rows]
    unsaid = np.iinfo(np.uint16).max
    known = (made != unsaid) & (own[parcel] != unsaid)
    another: NDArray[np.uint8] = (known & (made != own[parcel])).astype(np.uint8)
    return another


def facility_rows(facilities: Sequence[str], known: Sequence[str]) -> NDArray[np.int32]:
    """The row of each facility in a table of known ones, row 0 where it is unknown; then row 0."""
    rows = {name: row for row, name in enumerate(known, start=1)}
    return np.array([*(rows.get(name, 0) for name in facilities), 0], np.int32)
