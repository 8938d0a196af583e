"""From raw tables to a tracked history in one call: read, check, clean, find the milestones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from etapromise.errors import ContractError
from etapromise.tracking.faults import Checked, Note
from etapromise.tracking.milestones import milestones
from etapromise.tracking.places import with_zones
from etapromise.tracking.plain_dates import at_their_places
from etapromise.tracking.scans import ScanRules, clean_scans
from etapromise.tracking.tables import read_scans, read_shipments

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event
    from etapromise.tracking.sources import Source

__all__ = ["TrackedHistory", "history", "tracked_history"]

_DEFAULT_RULES: Final = ScanRules()


@dataclass(frozen=True, kw_only=True)
class TrackedHistory:
    """What happened to a set of shipments.

    Attributes:
        shipments: The accepted shipments, in the order of the input.
        scans: The accepted scans, sorted and de-duplicated, see `clean_scans`.
        milestones: One row per accepted shipment, in the same order, see `milestones`.
        shipment_rejects: The other shipments, with ``reason``, ``detail`` and ``row``.
        scan_rejects: The other scans, likewise. ``len(scans) + len(scan_rejects)`` is the number of
            scans that came in.
        event: Which milestone is the event.
        shipment_notes: What was blanked, derived or is strange in the shipments, to be told once.
        scan_notes: Likewise of the scans.
    """

    shipments: pd.DataFrame
    scans: pd.DataFrame
    milestones: pd.DataFrame
    shipment_rejects: pd.DataFrame
    scan_rejects: pd.DataFrame
    event: Event
    shipment_notes: tuple[Note, ...] = ()
    scan_notes: tuple[Note, ...] = ()


def history(
    shipments: Source,
    scans: Source,
    *,
    event: Event = "delivered",
    naive_time_zone: str | None = None,
    vocabulary: str | None = None,
    rules: ScanRules = _DEFAULT_RULES,
) -> TrackedHistory:
    """Read both tables, clean the scans and find the milestones.

    Args:
        shipments: Path of a ``.parquet`` or ``.csv`` file or of a directory of Parquet files, a
            DataFrame, or an Arrow table.
        scans: Likewise.
        event: ``first_attempt``, ``delivered`` or ``available_for_pickup``.
        naive_time_zone: IANA zone of the times that carry none.
        vocabulary: Whose codes the scans carry where their ``vocabulary`` column does not say.
        rules: How far scans may disagree.

    Raises:
        ContractError: A table cannot be read, lacks a column, has one of a wrong type or naive
            times; there is no such event, zone or vocabulary.
    """
    checked_shipments = read_shipments(shipments, naive_time_zone=naive_time_zone)
    checked_scans = read_scans(scans, vocabulary=vocabulary, naive_time_zone=naive_time_zone)
    orders, zone_notes = with_zones(checked_shipments.accepted, naive_time_zone)
    placed = at_their_places(checked_scans.accepted, orders, naive_time_zone)
    cleaned = clean_scans(placed, orders, rules=rules)
    return TrackedHistory(
        shipments=orders,
        scans=cleaned.accepted,
        milestones=milestones(orders, cleaned.accepted, event=event),
        shipment_rejects=checked_shipments.rejects,
        scan_rejects=_all_rejects(checked_scans, cleaned.rejects),
        event=event,
        shipment_notes=checked_shipments.notes + zone_notes,
        scan_notes=checked_scans.notes,
    )


def _all_rejects(checked: Checked, unusable: pd.DataFrame) -> pd.DataFrame:
    """Both tables of rejects in one, every row counted in the input."""
    if checked.rows is None or not len(unusable):
        return checked.rejects
    later = unusable.assign(row=checked.rows[unusable["row"].to_numpy()])
    both = pd.concat([checked.rejects, later], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)


def tracked_history(
    shipments: Source | TrackedHistory,
    scans: Source | None,
    *,
    event: Event,
    naive_time_zone: str | None = None,
) -> TrackedHistory:
    """`shipments` itself if it is a tracked history already, else both tables tracked.

    Raises:
        ContractError: as for `history`; one table without the other; a history with scans beside
            it, or one that tracks another event.
    """
    if not isinstance(shipments, TrackedHistory):
        if scans is None:
            raise ContractError("Found shipments without scans; expected both tables.")
        return history(shipments, scans, event=event, naive_time_zone=naive_time_zone)
    if scans is not None:
        raise ContractError("Found scans beside a tracked history, which has its own already.")
    if shipments.event != event:
        raise ContractError(
            f"Found a history that tracks {shipments.event!r}; expected {event!r}. Track the "
            "tables again with that event, or ask for the history's own."
        )
    return shipments
