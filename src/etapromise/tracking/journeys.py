"""Scans as plain arrays, grouped by shipment in the order in which they became known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.errors import ContractError
from etapromise.tracking.contract import STATUSES

__all__ = [
    "NEVER",
    "First",
    "Journeys",
    "microseconds",
    "positions",
    "received_or_scanned",
    "shipment_codes",
    "status_mask",
]

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


def microseconds(times: pd.Series[Any], name: str) -> Ints:
    """Zone-aware times as microseconds since 1970 UTC, `NEVER` where missing, (n,).

    Raises:
        ContractError: The times are naive or no times at all.
    """
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        message = (
            f"column {name!r} is of type {times.dtype}, expected zone-aware times; "
            "read the table with read_shipments or read_scans"
        )
        raise ContractError(message)
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    counts = utc.view(np.int64)
    return np.where(np.isnat(utc), np.int64(NEVER), counts)


def received_or_scanned(scans: pd.DataFrame, scanned: Ints) -> Ints:
    """When each scan became known: received_at, or the event time where that is not said, (n,)."""
    if "received_at" not in scans:
        return scanned
    received = microseconds(scans["received_at"], "received_at")
    return np.where(received == NEVER, scanned, received)


def shipment_codes(shipments: pd.DataFrame, scans: pd.DataFrame) -> Ints:
    """The row in ``shipments`` of every scan's shipment, -1 where it has none, (n_scans,).

    Raises:
        ContractError: A shipment_id occurs twice.
    """
    ids = pd.Index(shipments["shipment_id"])
    if not ids.is_unique:
        message = (
            f"shipment_id {ids[ids.duplicated()][0]!r} occurs more than once, expected one row per "
            "shipment; read the table with read_shipments, which rejects the second"
        )
        raise ContractError(message)
    return positions(scans["shipment_id"], shipments["shipment_id"])


def positions(values: pd.Series[Any], among: Sequence[str] | pd.Series[Any]) -> Ints:
    """Where each of ``values`` (text) stands in ``among``, -1 where it does not or is missing."""
    wanted = pa.array(among, pa.large_string(), from_pandas=True)
    found = pc.index_in(pa.array(values, pa.large_string(), from_pandas=True), wanted)
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
