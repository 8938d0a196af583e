"""By which columns own tables belong together: parcels and orders, scans and parcels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.column_names import (
    is_about,
    names_of,
    names_thing,
    plain_name,
    score_name,
)
from etapromise.tracking.id_matches import near_match
from etapromise.tracking.mapped import JOINED, joined_tables
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_fits import as_scans, best_fit
from etapromise.tracking.proposals.column_profiles import Profile, sample_rows
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed

# What a shipment cannot do without, and what one can use.
_ORDERS: Final = ("ordered_at", "destination")
_MILESTONES: Final = ("picked_up", "delivered")
_NEEDED: Final = frozenset({*_ORDERS, "delivered"})
_OTHERS: Final = (
    *("origin", "origin_region", "carrier", "service"),
    *("destination_country", "destination_region"),
)
_USEFUL: Final = frozenset({"picked_up", *_OTHERS})
# What it counts that two columns name one thing, and that they match as any small numbers do.
_SAME_NAME: Final = 0.05
_BY_CHANCE: Final = 0.5
# What it counts, against that, that the one is called as an order's number is.
_LIKE_IT: Final = 0.9
# Share of parcels whose order must be there.
_JOINED: Final = 0.8
# What the rows of any table are called, and what such a key of another table may be.
_ANY_ROW: Final = frozenset({"entity", "record", "row"})
_PARENT: Final = frozenset({"parent"})
# An order has no more kinds of addresses.
_KINDS_OF_ADDRESSES: Final = 6
# A name that may be one of a number of parcels or orders.
_NAMED: Final = 0.55
# A name so sure says that a column is the parcels' own number.
_PARCELS: Final = 0.9


def related_tables(tables: Sequence[OwnTable]) -> Sequence[OwnTable]:
    """The tables, one of them joined with those that tell what it lacks.

    Whatever says neither when it was ordered nor where it goes is no table of shipments alone: its
    order may, or the customer whom that names.
    """
    grown = [_with_related(base, tables) for base in tables]
    said = [_tells_beside(one, tables) for one in grown]
    best = grown[max(range(len(grown)), key=lambda n: (len(said[n] & _NEEDED), len(said[n])))]
    if not best.joins:
        return tables
    used = {*best.files, *(name for one in best.joins for name in one["files"])}
    return [best, *(table for table in tables if used.isdisjoint(table.files))]


def _with_related(base: OwnTable, tables: Sequence[OwnTable]) -> OwnTable:
    """A table joined with one after the other, as long as one tells what it lacks."""
    left = [table for table in tables if table is not base]
    while True:
        pairs = [(_gain(base, other, left), place) for place, other in enumerate(left)]
        found = None
        for gain, place in sorted(pairs, key=lambda pair: (pair[0], -pair[1]), reverse=True):
            found = _key_to(base, left[place], tables) if any(gain) else None
            if found is not None:
                base = _joined(base, left.pop(place), *found)
                break
        if found is None:
            return base


def _gain(base: OwnTable, other: OwnTable, left: Sequence[OwnTable]) -> tuple[int, int]:
    """How much of what a table needs, and can use, another tells, or one that it names."""
    ours = _tells_beside(base, [other])
    missing = _tells(other) - ours
    if "destination" in ours:
        # Where customers are at home is no part of an address that the orders have.
        missing -= {"destination_country", "destination_region"}
    if not missing and ours & _NEEDED:
        # Items tell no place; the sellers whom they name do.
        named = [one for one in left if one is not other and _names_rows_of(other, one)]
        missing = frozenset().union(*map(_tells, named)) - ours
        return 0, len(missing & _USEFUL)
    return len(missing & _NEEDED), len(missing & _USEFUL) if ours & _NEEDED else 0


def _tells_beside(table: OwnTable, others: Sequence[OwnTable]) -> frozenset[str]:
    """What a table tells: when a parcel's record was made is not when its order was placed."""
    told = _tells(table)
    orders = (one for one in others if one.files != table.files and "ordered_at" in _tells(one))
    return told - {"ordered_at"} if any(_names_its_orders(table, one) for one in orders) else told


def _names_its_orders(parcels: OwnTable, orders: OwnTable) -> bool:
    """Whether parcels have no time of order but their records' own, and name those of orders."""
    when = (name for name in parcels.profiles if score_name(name, "shipments", "ordered_at") > 0)
    if parcels.of_orders or not _of_parcels(parcels) or not all(is_about(n, "made") for n in when):
        return False
    found = _names_rows_of(parcels, orders)
    return found is not None and score_name(found[0], "shipments", "order_id") >= _PARCELS


def _key_to(base: OwnTable, other: OwnTable, tables: Sequence[OwnTable]) -> tuple[str, str] | None:
    """The column of a table that names another's row, and that one's own, if they can be joined."""
    if not _may_stand_beside(base, other, tables):
        return None
    found = _names_rows_of(base, other)
    if found is not None:
        on, to = found
        # Of several parcels of one order, none is left out; of its items the first counts.
        if not other.profiles[to].unique and _of_parcels(other):
            return None
        # Orders are the table to begin with where each has one row here, or several that are its
        # items: to leave out what is on its way, or not sent, would show none but quick ones.
        from_parts = base.profiles[on].unique or not _of_parcels(base)
        orders = "ordered_at" in _tells(other) and not _of_its_parts(base, other, on, to)
        return None if orders and from_parts else found
    found = _names_rows_of(other, base)
    if found is None or "ordered_at" not in _tells(base):
        return None
    on, to = found
    return (to, on) if other.profiles[on].unique or not _of_parcels(other) else None


def _may_stand_beside(base: OwnTable, other: OwnTable, tables: Sequence[OwnTable]) -> bool:
    """Whether two tables are of two files, and neither is one of events."""
    # A mapping joins whole files, and a list inside of records has its record beside it.
    if base.rows or other.rows or other.files == base.files:
        return False
    if any(_events_of(one, table) for one in tables for table in (base, other)):
        return False
    return all(
        not as_scans(one) or _tells(one).issuperset(_ORDERS) or _are_records(one, tables)
        for one in (base, other)
    )


def _are_records(table: OwnTable, tables: Sequence[OwnTable]) -> bool:
    """Whether another table names a table's rows, one each: records with a state, no events."""
    named = (_names_rows_of(one, table) for one in tables if one is not table)
    return "ordered_at" in _tells(table) and any(
        found is not None and table.profiles[found[1]].unique for found in named
    )


def _of_its_parts(base: OwnTable, other: OwnTable, on: str, to: str) -> bool:
    """Whether another table's rows say by the name of their key that they are of a table's."""
    named = _named_thing(to)
    whole = bool(named) and named <= _thing_of_file(on, base)
    return whole and not named <= _thing_of_file(to, other) and "ordered_at" in _tells(base)


def _tells(table: OwnTable) -> frozenset[str]:
    """What of a shipment a table tells."""
    parts = {"shipments": (*_ORDERS, *_OTHERS), "milestones": _MILESTONES}
    return frozenset(
        role for part, roles in parts.items() for role in roles if best_fit(table, part, role)
    )


def _of_parcels(table: OwnTable) -> bool:
    """Whether a table is one of parcels: it says when they came, or has their own numbers."""
    named = best_fit(table, "shipments", "shipment_id") >= _PARCELS
    return named or not _tells(table).isdisjoint(_MILESTONES)


def _events_of(table: OwnTable, records: OwnTable) -> bool:
    """Whether a table holds the events that lie inside of another's records."""
    return bool(table.rows) and table.files == records.files and as_scans(table) > 0


def _joined(table: OwnTable, other: OwnTable, on: str, to: str) -> OwnTable:
    bills = _rows_of_bills(other, to)
    both, notes = joined_tables(table.table, other.table, on, to, bills)
    added = frozenset(both.column_names) - frozenset(table.table.column_names)
    # A parcel's record is made, or told to its carrier, later than its order.
    orders = {*table.of_orders}
    parts = _of_its_parts(table, other, on, to)
    if best_fit(other, "shipments", "ordered_at") and not parts:
        orders |= added
    elif best_fit(table, "shipments", "ordered_at") and not orders:
        orders |= {*table.table.column_names}
    join = {"files": list(other.files), "on": on, "to": to, **other.settings}
    return OwnTable(
        files=table.files,
        opened=replace(table.opened, table=both),
        settings=table.settings,
        doubts=(*table.doubts, *other.doubts, *map(str, notes)),
        joins=(*table.joins, join | ({"leave_out": bills} if bills else {})),
        of_orders=frozenset(orders),
        brought={**table.brought, **dict.fromkeys(added, other.files)},
    )


def _rows_of_bills(other: OwnTable, to: str) -> dict[str, list[str]]:
    """By column the words of a bill's address, where each order has that of its delivery too."""
    if other.profiles[to].unique:
        return {}
    for name, one in other.profiles.items():
        words = [str(word) for word in one.words] if one.distinct <= _KINDS_OF_ADDRESSES else []
        bills = [word.lower() for word in words if is_about(word, "billing")]
        if bills and any(is_about(word, "recipient") for word in words):
            return {name: bills}
    return {}


def _names_rows_of(parcels: OwnTable, orders: OwnTable) -> tuple[str, str] | None:
    """The column of parcels that names orders, and the orders' own, if there are such."""
    best: tuple[float, str, str] | None = None
    for to, theirs in orders.profiles.items():
        if not _may_join(theirs, {}, to) or theirs.distinct < 0.3 * theirs.rows:
            continue
        known = pc.unique(text_of(orders.table.column(to)))
        for on, ours in parcels.profiles.items():
            same = _same_thing(ours, parcels, theirs, orders)
            # A few sellers may have all the items.
            fits = _may_join(ours, {}, on) or (same and not (ours.dated or ours.json))
            if not fits or (_counted(ours, theirs) and not same):
                continue
            sample = text_of(sample_rows(parcels.table).column(on)).drop_null()
            share = float(pc.mean(pc.is_in(sample, value_set=known)).as_py() or 0.0)
            name = 1.0 if same else _LIKE_IT * score_name(on, "shipments", "order_id")
            if share >= _JOINED and (best is None or share + name > best[0]):
                best = share + name, on, to
    return None if best is None else best[1:]


def _counted(ours: Profile, theirs: Profile) -> bool:
    """Whether two columns may hold the same values by chance, as keys that count from one do."""
    return ours.counted or theirs.counted


def _same_thing(ours: Profile, table: OwnTable, theirs: Profile, other: OwnTable) -> bool:
    """Whether two columns name the same thing: order_id and Order No, or the id of orders.csv."""
    mine, yours = _named_thing(ours.name), _named_thing(theirs.name)
    if mine == _PARENT and not yours:
        # sales_order_address.parent_id names a row of sales_order.
        return _thing_of_file(theirs.name, other) < _thing_of_file(ours.name, table)
    if mine and yours:
        # The parents of two tables' rows need not be of one kind.
        return mine == yours != _PARENT or any(
            all(score_name(one.name, "shipments", role) >= _PARCELS for one in (ours, theirs))
            for role in ("shipment_id", "order_id")
        )
    if mine:
        return mine <= _thing_of_file(theirs.name, other)
    return bool(yours) and yours <= _thing_of_file(ours.name, table)


def _named_thing(name: str) -> frozenset[str]:
    """The words of a key's name but those that only say that it is one; none of a bare ``id``."""
    words = [_singular(word) for word in plain_name(name.partition(JOINED)[0]).split()]
    return frozenset(words) - frozenset(names_of()["other"]["labels"]) - _ANY_ROW


def _thing_of_file(name: str, table: OwnTable) -> frozenset[str]:
    """The words of the file that a column is from."""
    files = table.brought.get(name, table.files)
    stems = (plain_name(PurePath(file).stem) for file in files)
    return frozenset(_singular(word) for stem in stems for word in stem.split())


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


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
            # Of numbers that both have, the one that the carrier knows.
            known_to_all = is_about(left.name, "tracking")
            share += 0.01 * (score_name(left.name, "shipments", "shipment_id") + known_to_all)
            same = _same_thing(left, ours, right, theirs)
            share += _SAME_NAME * same
            if _counted(left, right) and not same:
                # Any table may count so: taken where there is nothing else, and to be looked at.
                share *= _BY_CHANCE * (not names_thing(right.name))
            if left.distinct > 1 and (best is None or share > best[0]):
                best = share, left, right
    if best is not None and best[0] > 0.3:
        share, left, right = best
        chance = _counted(left, right) and not _same_thing(left, ours, right, theirs)
        share = min(share / _BY_CHANCE if chance else share, 1.0)
        why = f"{100 * share:.0f} % of {right.name!r} in the scans are in it"
        if chance:
            why += ", as they may be by chance: small numbers are in any table; please check"
        _set_id(proposal, left, right, why, 0.5 if chance else 1.0)
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
