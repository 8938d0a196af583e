"""By which columns own tables belong together: parcels and orders, scans and parcels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.column_names import (
    score_name,
)
from etapromise.tracking.id_matches import near_match
from etapromise.tracking.mapped import joined_tables
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_fits import as_scans, best_fit
from etapromise.tracking.proposals.column_profiles import Profile, sample_rows
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed

# Share of parcels whose order must be there.
_JOINED: Final = 0.8
# A name that may be one of a number of parcels or orders.
_NAMED: Final = 0.55
# A name so sure says that a column is the parcels' own number.
_PARCELS: Final = 0.9


def orders_and_parcels(tables: Sequence[OwnTable]) -> Sequence[OwnTable]:
    """The tables, one of parcels that name an order joined with the one of the orders.

    Whatever says neither when it was ordered nor where it goes is no table of shipments alone.
    """
    tables = _orders_and_customers(tables)
    orders = [
        table
        for table in tables
        if best_fit(table, "shipments", "ordered_at")
        and best_fit(table, "shipments", "destination")
    ]
    for parcels in tables:
        own = ("ordered_at", "destination")
        if parcels.rows or all(best_fit(parcels, "shipments", role) for role in own):
            continue
        if any(_events_of(one, parcels) for one in tables):
            # Its events have these columns beside them.
            continue
        told = max(best_fit(parcels, "milestones", role) for role in ("picked_up", "delivered"))
        # The time of events may be called nearly as a milestone is.
        dated = told > 0 and (
            not as_scans(parcels) or told >= best_fit(parcels, "scans", "scanned_at")
        )
        named = best_fit(parcels, "shipments", "shipment_id") and not as_scans(parcels)
        for other in orders:
            # A mapping joins whole files, and a list inside of records has its record beside it.
            apart = not other.rows and other.files != parcels.files
            joins = apart and (dated or named)
            found = _names_rows_of(parcels, other) if joins else None
            if found is None:
                continue
            on, to = found
            key = parcels.profiles[on]
            if key.unique and score_name(on, "shipments", "shipment_id") >= _PARCELS:
                # What became of parcels that the orders name: those it does not have are on their
                # way, and to leave them out would show none but quick ones.
                joined = _joined(other, parcels, to, on)
                ours = frozenset(other.table.column_names)
            else:
                joined = _joined(parcels, other, on, to)
                own_names = len(parcels.table.column_names)
                ours = frozenset(joined.table.column_names[own_names:])
            joined = replace(joined, of_orders=ours)
            left = [table for table in tables if table is not parcels and table is not other]
            return [joined, *left]
    return tables


def _orders_and_customers(tables: Sequence[OwnTable]) -> Sequence[OwnTable]:
    """The tables, orders that do not say where they go joined with the customers they name."""
    fits = {
        id(table): [
            best_fit(table, "shipments", role) > 0 for role in ("ordered_at", "destination")
        ]
        for table in tables
    }
    if any(all(found) for found in fits.values()):
        return tables
    for orders in tables:
        if orders.rows or fits[id(orders)] != [True, False]:
            continue
        for customers in tables:
            apart = not customers.rows and customers.files != orders.files
            if not apart or fits[id(customers)] != [False, True]:
                continue
            found = _names_rows_of(orders, customers)
            if found is not None:
                joined = _joined(orders, customers, *found)
                left = [table for table in tables if table not in (orders, customers)]
                return [joined, *left]
    return tables


def _events_of(table: OwnTable, records: OwnTable) -> bool:
    """Whether a table holds the events that lie inside of another's records."""
    return bool(table.rows) and table.files == records.files and as_scans(table) > 0


def _joined(table: OwnTable, other: OwnTable, on: str, to: str) -> OwnTable:
    both, notes = joined_tables(table.table, other.table, on, to)
    return OwnTable(
        files=table.files,
        opened=replace(table.opened, table=both),
        settings=table.settings,
        doubts=(*table.doubts, *other.doubts, *map(str, notes)),
        join={"files": list(other.files), "on": on, "to": to, **other.settings},
    )


def _names_rows_of(parcels: OwnTable, orders: OwnTable) -> tuple[str, str] | None:
    """The column of parcels that names orders, and the orders' own, if there are such."""
    best: tuple[float, str, str] | None = None
    for to, theirs in orders.profiles.items():
        if not _may_join(theirs, {}, to) or theirs.distinct < 0.3 * theirs.rows:
            continue
        known = pc.unique(text_of(orders.table.column(to)))
        for on, ours in parcels.profiles.items():
            if not _may_join(ours, {}, on):
                continue
            sample = text_of(sample_rows(parcels.table).column(on)).drop_null()
            share = float(pc.mean(pc.is_in(sample, value_set=known)).as_py() or 0.0)
            name = max(score_name(on, "shipments", "order_id"), float(on == to))
            if share >= _JOINED and (best is None or share + name > best[0]):
                best = share + name, on, to
    return None if best is None else best[1:]


def join_ids(proposal: Proposal) -> None:
    """The ids that shipments and scans share, whatever they are called."""
    if proposal.scans is None:
        return
    ours, theirs = proposal.shipments, proposal.scans
    mine = [one for name, one in ours.profiles.items() if _may_join(one, proposal.columns, name)]
    other = [one for name, one in theirs.profiles.items() if _may_join(one, {}, name)]
    best: tuple[float, Profile, Profile] | None = None
    for left in mine:
        known = pc.unique(text_of(ours.table.column(left.name)))
        for right in other:
            sample = text_of(sample_rows(theirs.table).column(right.name)).drop_null()
            share = float(pc.mean(pc.is_in(sample, value_set=known)).as_py() or 0.0)
            share += 0.01 * score_name(left.name, "shipments", "shipment_id")
            if left.distinct > 1 and (best is None or share > best[0]):
                best = share, left, right
    if best is not None and best[0] > 0.3:
        share, left, right = best
        why = f"{100 * min(share, 1):.0f} % of {right.name!r} in the scans are in it"
        _set_id(proposal, left, right, why, 1.0)
        return
    named = proposal.columns.get("shipment_id"), proposal.scan_columns.get("shipment_id")
    candidates = [
        (left, right) for left in mine for right in other if left.distinct > 0.2 * left.rows
    ]
    for left, right in candidates:
        near = near_match(
            text_of(ours.table.column(left.name)), text_of(theirs.table.column(right.name))
        )
        if near is not None:
            proposal.ids = near
            _set_id(proposal, left, right, "it matches the scans' in another writing", 0.8)
            return
    if named[1] is None:
        widest = max(other, key=lambda one: one.distinct, default=None)
        proposal.scan_columns["shipment_id"] = (
            Proposed(column=widest.name, certainty=0.3, why="it has the most different values")
            if widest is not None
            else Proposed(
                column=None,
                certainty=0.0,
                why="no column looks like it",
                details={"column": "?"},
                asked=f"which column of {', '.join(theirs.files)} names the parcel of each scan?",
            )
        )
    proposal.told.append("no column of the scans has the ids of the shipments: nothing joins")


def tell_of_lost_digits(proposal: Proposal) -> None:
    """Tell of numbers of parcels and orders that went through floats or a spreadsheet's cells."""
    for table in filter(None, (proposal.shipments, proposal.scans)):
        for name, one in table.profiles.items():
            fits = max(score_name(name, "shipments", role) for role in ("shipment_id", "order_id"))
            if fits >= _NAMED and one.lost_digits:
                proposal.told.append(
                    f"{name} of {', '.join(table.files)} has lost digits, such as "
                    f"{one.words.iloc[0]!r}: one id has become another. Export it as text"
                )


def _may_join(profile: Profile, columns: Mapping[str, Proposed], name: str) -> bool:
    taken = {one.column for role, one in columns.items() if role not in {"shipment_id", "order_id"}}
    return (
        name not in taken
        and not pa.types.is_nested(profile.kind)
        and profile.distinct > 0.02 * profile.rows
        and not profile.dated
    )


def _set_id(proposal: Proposal, left: Profile, right: Profile, why: str, certainty: float) -> None:
    before = proposal.columns.get("shipment_id")
    for role, one in list(proposal.columns.items()):
        if one.column == left.name and role != "shipment_id":
            proposal.columns.pop(role)
    proposal.columns["shipment_id"] = Proposed(column=left.name, certainty=certainty, why=why)
    if before is not None and before.column not in {None, left.name}:
        proposal.columns.setdefault("order_id", before)
    for role, one in list(proposal.scan_columns.items()):
        if one.column == right.name and role != "shipment_id":
            proposal.scan_columns.pop(role)
    proposal.scan_columns["shipment_id"] = Proposed(
        column=right.name, certainty=certainty, why=f"it matches {left.name!r} of the shipments"
    )
