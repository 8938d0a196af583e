"""From raw tables to a tracked history in one call: read, check, clean, find the milestones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.argument_kinds import kinds_checked
from etapromise.errors import ContractError, InsufficientHistoryError
from etapromise.tracking.accounts import (
    MAX_REJECTS,
    Account,
    near_strangers,
    refuse_strangers,
    refuse_too_many,
)
from etapromise.tracking.faults import Checked, Note
from etapromise.tracking.mapped import mapped_tables
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.milestones import as_of, milestones
from etapromise.tracking.places import with_zones
from etapromise.tracking.plain_dates import at_their_places
from etapromise.tracking.scans import ScanRules, clean_scans
from etapromise.tracking.tables import read_scans, read_shipments
from etapromise.tracking.texts import Identifiers

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event
    from etapromise.tracking.mapping import MappingSource
    from etapromise.tracking.sources import Source

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
        shipments_left_aside: Rows that a mapping folded into others; with these all are accounted
            for.
        scans_left_aside: Likewise of the scans.
    """

    shipments: pd.DataFrame
    scans: pd.DataFrame
    milestones: pd.DataFrame
    shipment_rejects: pd.DataFrame
    scan_rejects: pd.DataFrame
    event: Event
    shipment_notes: tuple[Note, ...] = ()
    scan_notes: tuple[Note, ...] = ()
    shipments_left_aside: int = 0
    scans_left_aside: int = 0

    @property
    def accounts(self) -> tuple[Account, Account]:
        """What became of every row of the shipments and of the scans."""
        return (
            Account(
                table="shipments",
                accepted=len(self.shipments),
                rejects=self.shipment_rejects,
                left_aside=self.shipments_left_aside,
                notes=self.shipment_notes,
            ),
            Account(
                table="scans",
                accepted=len(self.scans),
                rejects=self.scan_rejects,
                left_aside=self.scans_left_aside,
                notes=self.scan_notes,
            ),
        )

    def known_at(self, moment: pd.Timestamp) -> TrackedHistory:
        """The history as it had been received at a moment, that very moment included.

        Orders placed later are gone, scans received later as well, and milestones are blank where
        they became known later. Rejected rows are gone altogether: nothing is learned from them.

        Raises:
            ContractError: the moment is naive.
        """
        milestones = as_of(self.milestones, moment)
        ordered = (self.shipments["ordered_at"] <= moment).to_numpy()
        received = (self.scans["received_at"] <= moment).to_numpy()
        return TrackedHistory(
            shipments=self.shipments[ordered].reset_index(drop=True),
            scans=self.scans[received].reset_index(drop=True),
            milestones=milestones[ordered].reset_index(drop=True),
            shipment_rejects=self.shipment_rejects.iloc[:0],
            scan_rejects=self.scan_rejects.iloc[:0],
            event=self.event,
        )

    def received_since(self, moment: pd.Timestamp) -> TrackedHistory:  # noqa: ARG002 — these are at hand
        """The same, where older scans than of a moment may be left out if that spares reading."""
        return self

    def scan_totals(self) -> tuple[int, int]:
        """How many scans were accepted and rejected."""
        return len(self.scans), len(self.scan_rejects)

    def newest(self, moment: pd.Timestamp) -> pd.Timestamp | None:
        """The latest order or receipt that is not after a moment."""
        moments = [self.shipments["ordered_at"], self.scans["received_at"]]
        found = [times[times <= moment].max() for times in moments if len(times)]
        return max((one for one in found if not pd.isna(one)), default=None)

    def let_go(self) -> None:
        """Keep no table in memory that can be read again; these were made from tables at hand."""

    def scans_of(self, shipments: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
        """The scans of some of the shipments that were received before a moment."""
        mine = Identifiers(shipments["shipment_id"]).rows(self.scans["shipment_id"]) >= 0
        rows = np.flatnonzero(mine & (self.scans["received_at"] < before).to_numpy())
        found: pd.DataFrame = self.scans.iloc[rows]
        return found


def history(
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    event: Event = "delivered",
    naive_time_zone: str | None = None,
    vocabulary: str | None = None,
    rules: ScanRules = _DEFAULT_RULES,
    mapping: MappingSource | None = None,
) -> TrackedHistory:
    """Read both tables, clean the scans and find the milestones.

    Args:
        shipments: As for `read_shipments`; with a mapping by default the files that it names.
        scans: Likewise; not needed where a mapping has milestones.
        event: ``first_attempt``, ``delivered`` or ``available_for_pickup``.
        naive_time_zone: IANA zone of the times that carry none.
        vocabulary: Whose codes the scans carry where their ``vocabulary`` column does not say.
        rules: How far scans may disagree.
        mapping: Which columns of own tables are those of the contract, see `docs/mapping.md`.

    Raises:
        ContractError: No scan is of a shipment; a table cannot be read, lacks a column, has one of
            a wrong type or naive times; there is no such event, zone or vocabulary.
    """
    named = naive_time_zone
    if mapping is not None:
        mapping = read_mapping(mapping)
        named = named or mapping.shipments.time_zone
    shipments, scans = both_tables(shipments, scans, mapping)
    checked_shipments = read_shipments(shipments, naive_time_zone=naive_time_zone)
    checked_scans = read_scans(scans, vocabulary=vocabulary, naive_time_zone=naive_time_zone)
    orders, zone_notes = with_zones(checked_shipments.accepted, named)
    placed = at_their_places(checked_scans.accepted, orders, named)
    midnights = _dated(placed) - _dated(checked_scans.accepted)
    told = (
        "are midnights of a zone from which or to which parcels go, as all times of their status, "
        "and are taken as local dates"
    )
    local_midnights = Note(
        reason="midnight_scanned_at", column="scanned_at", rows=midnights, told=told
    )
    own_names = checked_scans.own_names
    cleaned = clean_scans(placed, orders, rules=rules, own_names=own_names)
    if not len(cleaned.accepted) and (cleaned.rejects["reason"] == "unknown_shipment").all():
        refuse_strangers(orders, checked_scans.accepted)
    scan_notes = checked_scans.notes + ((local_midnights,) if midnights else ())
    return TrackedHistory(
        shipments=orders,
        scans=cleaned.accepted,
        milestones=milestones(orders, cleaned.accepted, event=event),
        shipment_rejects=checked_shipments.rejects,
        scan_rejects=all_rejects(checked_scans, cleaned.rejects),
        event=event,
        shipment_notes=checked_shipments.notes + zone_notes,
        scan_notes=scan_notes + near_strangers(orders, cleaned),
        shipments_left_aside=checked_shipments.left_aside,
        scans_left_aside=checked_scans.left_aside,
    )


def _dated(scans: pd.DataFrame) -> int:
    return int(scans["scanned_on"].notna().sum()) if "scanned_on" in scans else 0


def all_rejects(
    checked: Checked, unusable: pd.DataFrame, among: npt.NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """The rejects of reading and those of cleaning in one, every row counted in the input.

    Args:
        checked: What reading gave.
        unusable: What cleaning rejected of the accepted ones.
        among: (n_accepted,) which of these were cleaned; None is all.
    """
    if checked.rows is None or not len(unusable):
        return checked.rejects
    rows = checked.rows if among is None else checked.rows[among]
    later = unusable.assign(row=rows[unusable["row"].to_numpy()])
    both = pd.concat([checked.rejects, later], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)


def both_tables(
    shipments: Source | None, scans: Source | None, mapping: MappingSource | None
) -> tuple[Source, Source]:
    """The two tables to read, out of what was handed over.

    Raises:
        ContractError: One is missing; a mapping does not fit.
    """
    if mapping is not None:
        shipments, scans = mapped_tables(mapping, shipments, scans)
        if scans is None:
            raise ContractError(
                "Found a mapping without scans and without milestones, so that nothing is known of "
                "what happened to the shipments; add a table [scans], or map the columns of the "
                "milestones: [shipments.milestones]"
            )
    if shipments is None and scans is None:
        raise ContractError(
            "Found neither shipments nor scans; expected both tables, or a mapping that names them."
        )
    if shipments is None or scans is None:
        lacking = "shipments" if shipments is None else "scans"
        given = "scans" if shipments is None else "shipments"
        raise ContractError(
            f"Found {given} without {lacking}; expected both tables, or a mapping with milestones."
        )
    return shipments, scans


@kinds_checked()
def read(
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    event: Event = "delivered",
    max_rejects: float = MAX_REJECTS,
) -> TrackedHistory:
    """Read both tables once, to hand them to several functions; a history is handed on.

    What learns or looks back takes a history in the place of shipments; `score` takes the table of
    the open orders itself.

    Args:
        shipments: the orders; with a mapping by default the files that it names.
        scans: their scans; not needed where a mapping has milestones.
        mapping: which columns of own tables are those of the contract: a TOML file or a mapping.
        vocabulary: whose codes scans carry that do not say.
        naive_time_zone: IANA zone of times that carry none.
        event: what is promised: "delivered", "first_attempt" or "available_for_pickup".
        max_rejects: the largest share of a table that may be rejected.

    Returns:
        The accepted rows and the milestones; `accounts` says what became of every row.

    Raises:
        ContractError: a table does not fit the contract, or too many rows were rejected; a history
            with scans, a mapping or a vocabulary beside it, or one that tracks another event.
        InsufficientHistoryError: there are no shipments.

    Examples:
        >>> history = etapromise.read("shipments.parquet", "scans.parquet")
        >>> len(history.shipments) == len(history.milestones)
        True
    """
    if not isinstance(shipments, TrackedHistory):
        found = history(
            shipments,
            scans,
            event=event,
            naive_time_zone=naive_time_zone,
            vocabulary=vocabulary,
            mapping=mapping,
        )
        if not len(found.shipments) + len(found.shipment_rejects):
            raise InsufficientHistoryError("Found no shipments; expected a row for each parcel.")
        refuse_too_many(found.accounts, max_rejects)
        return found
    beside = {"scans": scans, "a mapping": mapping, "a vocabulary": vocabulary}
    for what, given in beside.items():
        if given is not None:
            raise ContractError(
                f"Found {what} beside a history that was read already; expected it alone. Hand "
                "these to `etapromise.read`."
            )
    if shipments.event != event:
        raise ContractError(
            f"Found a history that tracks {shipments.event!r}; expected {event!r}. Track the "
            "tables again with that event, or ask for the history's own."
        )
    return shipments


def read_unless_read(
    shipments: Source | TrackedHistory | None,
    scans: Source | None,
    *,
    event: Event,
    **how: Any,
) -> TrackedHistory:
    """`read`; of a history that was read already, whatever it tracks."""
    if isinstance(shipments, TrackedHistory):
        event = shipments.event
    return read(shipments, scans, event=event, **how)
