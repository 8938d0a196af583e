"""The scans of some shipments out of a table of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.tracking.faults import Note, merged_notes
from etapromise.tracking.payloads import scans_source
from etapromise.tracking.plain_dates import at_their_places
from etapromise.tracking.sources import scan_parts
from etapromise.tracking.tables import check_scans, split_scans
from etapromise.tracking.texts import Identifiers

if TYPE_CHECKING:
    from etapromise.tracking.sources import Source

# Enough to tell whether their ids are only written otherwise.
_STRANGERS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class ScansOf:
    """Scans of n shipments.

    Attributes:
        scans: Accepted scans, by shipment and else in the order of the input.
        first: (n + 1,) where each shipment's scans start.
        rejects: The unreadable ones, of any shipment, with ``reason``, ``detail`` and ``row``.
        others: How many scans were of other shipments, or say nothing about theirs.
        stranger: Some of the scans of other shipments; None where there are none.
        notes: What was blanked, derived or is strange in the scans, to be told once.
    """

    scans: pd.DataFrame
    first: npt.NDArray[np.int64]
    rejects: pd.DataFrame
    others: int
    stranger: pd.DataFrame | None = None
    notes: tuple[Note, ...] = ()

    def part(self, start: int, end: int) -> pd.DataFrame:
        """The scans of the shipments from one to before another."""
        return self.scans.iloc[self.first[start] : self.first[end]].reset_index(drop=True)


def read_scans_of(
    shipments: pd.DataFrame,
    source: Source,
    *,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> ScansOf:
    """Read and check scans, and keep those of some shipments.

    Parquet is read a batch at a time: memory is needed for the scans that are kept.

    Raises:
        ContractError: As for `read_scans`.
    """
    known = Identifiers(shipments["shipment_id"])
    kept, rejects, owners, others = [], [], [], 0
    notes: list[Note] = []
    stranger: pd.DataFrame | None = None
    for part in scan_parts(scans_source(source)):
        for raw in part.read():
            split = split_scans(raw, check_scans(raw, vocabulary, naive_time_zone))
            rows = known.rows(split.accepted["shipment_id"])
            mine = rows >= 0
            kept.append(split.accepted[mine])
            owners.append(rows[mine])
            others += int((~mine).sum()) + split.left_aside
            rejects.append(split.rejects)
            notes += split.notes
            if mine.all():
                continue
            if stranger is None:
                stranger = split.accepted[~mine].iloc[:_STRANGERS].reset_index(drop=True)
            notes.append(
                Note(
                    reason="other_shipments",
                    column="shipment_id",
                    rows=int((~mine).sum()),
                    told="are of shipments that are not in the table, and were left aside",
                )
            )
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(shipments))
    filled = [table for table in kept if len(table)] or kept[:1]
    bad = [table for table in rejects if len(table)] or rejects[:1]
    together = pd.concat(bad, ignore_index=True)
    sorted_scans = pd.concat(filled, ignore_index=True).iloc[order].reset_index(drop=True)
    return ScansOf(
        scans=at_their_places(sorted_scans, shipments, naive_time_zone),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rejects=together.sort_values("row", kind="stable", ignore_index=True),
        others=others,
        stranger=stranger,
        notes=merged_notes(notes),
    )
