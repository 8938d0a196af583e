"""Proposing a mapping of own tables.

Names are compared with those that shops and carriers use in many languages, and must fit what the
values are. What the data cannot tell is left open, to be answered before the mapping is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.normal_forms.zones import shape_of
from etapromise.tracking.column_names import is_about, names_of
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_fits import as_scans, best_fit
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import moments_of, proposed_column
from etapromise.tracking.proposals.doubtful_dates import (
    cancelled_by_state,
    closed_orders,
    delivered_by_state,
    deliveries_of_events,
    rows_of_other_kinds,
    tell_of_pick_ups,
)
from etapromise.tracking.proposals.left_out_parcels import tell_of_parcels_left_out
from etapromise.tracking.proposals.numbered_columns import rows_of_events, rows_of_parcels
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed
from etapromise.tracking.proposals.proposed_clocks import (
    clocks_of_dates,
    tell_of_days_since_1904,
    tell_of_lost_halves,
    tell_of_midnights_elsewhere,
)
from etapromise.tracking.proposals.proposed_joins import (
    join_ids,
    related_tables,
    tell_of_lost_digits,
)
from etapromise.tracking.proposals.proposed_scans import (
    ask_for_codes,
    codes_by_place,
    doubt_numbers,
    doubt_words,
    scan_columns,
    states_not_events,
)
from etapromise.tracking.proposals.proposed_shipments import (
    ask_for_deliveries,
    shipment_columns,
)
from etapromise.tracking.proposals.proposed_zones import zones_of_times

# Of rows with an id so many have their own, where a row is a parcel.
_REPEATED: Final = 0.998
# So many rows are written later than those of their id before, where they are its states.
_RISING: Final = 0.5
_AT_ONCE: Final = pd.Timedelta(0)
# Of the rows without a number so many say something of their own, where they are no further rows.
_OWN_ROWS: Final = 0.5
# Of the ids that repeat so many do so with another time of order, where they name no order.
_ORDERED_APART: Final = 0.5
# What stands between several ids in one cell; the last ones may stand inside of an id too.
_SURELY_BETWEEN: Final = (",", ";", "|", "\n")
_BETWEEN_IDS: Final = (*_SURELY_BETWEEN, "/", "+", "&", " ")
_SEVERAL: Final = 0.002
_LONG_ID: Final = 8
# What tells of a table that it is one of orders and of when they came.
_OF_ORDERS: Final = (
    ("shipments", "ordered_at"),
    ("shipments", "destination"),
    ("milestones", "delivered"),
)
# What it counts for scans to be a list inside of records that could be scans too.
_INSIDE: Final = 2.0


def propose(tables: Sequence[OwnTable]) -> Proposal:
    """Propose a mapping of own tables.

    Args:
        tables: All that there is; a nested file once with each of its lists as rows.
    """
    tables = related_tables([rows_of_parcels(table) for table in tables])
    tables = [*tables, *(events for table in tables for events in rows_of_events(table))]
    shipments = max(tables, key=_as_shipments)
    others = [
        table
        for table in tables
        if table is not shipments
        and as_scans(table) > 0
        # Of one nested file the records themselves are no scans of their parts.
        and not (
            _of_one_source(table, shipments)
            and shipments.rows.startswith(table.rows)
            and "each" not in table.settings
        )
    ]
    scans = max(others, key=lambda one: as_scans(one) + _events(one, others)) if others else None
    proposal = Proposal(shipments=shipments, scans=scans)
    for join in shipments.joins:
        proposal.told.append(
            f"{', '.join(shipments.files)} is joined with {', '.join(join['files'])}: "
            f"{join['on']!r} names its {join['to']!r}"
        )
    shipment_columns(proposal)
    if scans is not None:
        scan_columns(proposal)
        scans = proposal.scans
    join_ids(proposal)
    tell_of_lost_digits(proposal)
    if scans is not None:
        states_not_events(proposal, scans)
        scans = proposal.scans
    if scans is not None:
        doubt_numbers(proposal, scans)
    if scans is not None and proposal.open_codes:
        codes_by_place(proposal, scans)
        ask_for_codes(proposal, scans)
    if scans is not None and proposal.statuses:
        doubt_words(proposal, scans)
    closed_orders(proposal)
    deliveries_of_events(proposal)
    _rows_of_one_order(proposal)
    rows_of_other_kinds(proposal)
    delivered_by_state(proposal)
    clocks_of_dates(proposal)
    tell_of_lost_halves(proposal)
    tell_of_midnights_elsewhere(proposal)
    tell_of_parcels_left_out(proposal)
    tell_of_days_since_1904(proposal)
    zones_of_times(proposal)
    if proposal.scans is None:
        ask_for_deliveries(proposal)
        tell_of_pick_ups(proposal)
    cancelled_by_state(proposal)
    _tell_of_unused(proposal, [one for one in tables if one not in (shipments, scans)])
    return proposal


def _tell_of_unused(proposal: Proposal, left: Sequence[OwnTable]) -> None:
    """Tables that are not used, and the question where one has orders of its own."""
    shipments, scans = proposal.shipments, proposal.scans
    known = {*shipments.files, *(name for one in shipments.joins for name in one["files"])}
    known |= set(scans.files if scans else ())
    for table in left:
        sheet = table.settings.get("sheet")
        if not set(table.files) - known and not sheet:
            continue
        of = f"sheet {sheet!r} of " if sheet else ""
        told = f"{of}{', '.join(table.files)} is not used: {len(table.table):,} rows"
        proposal.told.append(told)
        if all(best_fit(table, *role) for role in _OF_ORDERS):
            proposal.unread.append(
                f"{told} of orders with their deliveries, under other names than those of "
                f"{', '.join(shipments.files)}: give their columns the same names, or leave it out"
            )


def _of_one_source(one: OwnTable, other: OwnTable) -> bool:
    """Whether two tables are of one file, and of one sheet of it."""
    same = one.settings.get("sheet") == other.settings.get("sheet")
    return one.files == other.files and same


def _events(table: OwnTable, others: Sequence[OwnTable]) -> float:
    """More where a table's rows lie inside of another's: events of a parcel, not its last state.

    Most where a vendor's payload says itself what its events are.
    """
    if table.settings.get("payload"):
        return _INSIDE * len(others)
    around = [
        one
        for one in others
        if one.files == table.files
        and table.rows.startswith(f"{one.rows}." if one.rows else "")
        and len(one.table) < len(table.table)
    ]
    return _INSIDE * len(around)


def _as_shipments(table: OwnTable) -> float:
    """How much a table looks like one of shipments."""
    roles = {role: best_fit(table, "shipments", role) for role in names_of()["shipments"]}
    milestones = [best_fit(table, "milestones", role) for role in ("picked_up", "delivered")]
    weight = 2 * (roles["destination"] + roles["ordered_at"]) + sum(roles.values()) / 4
    # Orders have a status too; what has neither a place nor a time of order is no order.
    whole = not table.rows and roles["destination"] and roles["ordered_at"]
    status = best_fit(table, "scans", "status") if as_scans(table) and not whole else 0
    # Of one file with nested lists, the rows that are not scans.
    return (
        weight + sum(milestones) - 1.5 * status - (0.1 * table.rows.count(".") if table.rows else 0)
    )


def _rows_of_one_order(proposal: Proposal) -> None:
    """Line items as further rows, several ids in one cell."""
    one = proposal.columns["shipment_id"]
    if one.column is None:
        return
    profile = proposal.shipments.profiles[one.column]
    sign = next((sign for sign in _BETWEEN_IDS if _stands_between(sign, profile)), None)
    if sign is not None:
        proposal.columns["shipment_id"] = Proposed(
            column=one.column,
            certainty=one.certainty,
            why=f"{one.why}; cells hold several between {sign!r}",
            details={**one.details, "split": sign},
        )
        return
    keys = text_of(proposal.shipments.table.column(one.column))
    if profile.filled < 1 and _without_number(proposal, one, keys):
        _fold_repeated(proposal, one, profile)
        return
    empty = pc.fill_null(pc.equal(keys, ""), fill_value=True).to_numpy()
    # What is empty at the end may be a row of totals.
    inside = empty[: len(empty) - int(np.argmin(empty[::-1]))]
    if profile.filled < 0.98 and inside.any():
        proposal.settings["fill_down"] = (
            [one.column],
            f"empty in {100 * (1 - profile.filled):.0f} % of the rows: further rows of an order",
        )
        proposal.settings["one_row_per"] = (one.column, "its further rows are line items")
    elif profile.distinct < _REPEATED * profile.rows * profile.filled and _differ(proposal, keys):
        proposal.columns["shipment_id"] = replace(
            one,
            column=None,
            details={"column": "?"},
            asked=f"which column names each parcel? {one.column} has {profile.distinct:,} values "
            f"in {profile.rows:,} rows, and those of one value were ordered at different times",
        )
    else:
        _fold_repeated(proposal, one, profile)


def _stands_between(sign: str, profile: Profile) -> bool:
    """Whether cells hold several ids with a sign between them, and not only a part of one."""
    cells = profile.filled_values
    several = cells[cells.str.contains(sign, regex=False)]
    if len(several) <= _SEVERAL * len(cells) or profile.json:
        return False
    if sign in _SURELY_BETWEEN:
        # 7,700,148 is one number.
        return sign != "," or not several.str.fullmatch(r"\d{1,3}(?:,\d{3})+").all()
    parts = several.str.split(sign, regex=False).explode().str.strip()
    return bool((parts.str.len() >= _LONG_ID).all() and len(set(parts.map(shape_of))) == 1)


def _fold_repeated(proposal: Proposal, one: Proposed, profile: Profile) -> None:
    """Rows that repeat an id are line items of its first."""
    again = round(profile.rows * profile.filled) - profile.distinct
    if profile.distinct < _REPEATED * profile.rows * profile.filled:
        proposal.settings["one_row_per"] = (
            str(one.column),
            f"{again:,} rows repeat an id, such as line items: they are folded into the first",
        )
        when = _written_at(proposal, str(one.column))
        if when is not None:
            proposal.settings["last_counts"] = (
                True,
                f"{when} says that each row was written later than those of its id before",
            )


def _written_at(proposal: Proposal, ids: str) -> str | None:
    """The column by which rows of one id are later and later states of it, each whole, if any."""
    table = proposal.shipments
    ordered = proposal.columns.get("ordered_at")
    if ordered is None or ordered.column is None or table.profiles[ordered.column].filled < 1:
        return None
    keys = pd.Series(text_of(table.table.column(ids)).to_pandas())
    for name, profile in table.profiles.items():
        told = is_about(name, "changed") or is_about(name, "exported")
        if not told or profile.times(numbers=True, named=True) is None:
            continue
        written = moments_of(table.table.column(name), proposed_column(profile, "scanned_at", 1.0))
        later = written.groupby(keys.to_numpy()).diff().dropna()
        rising, falling = (later > _AT_ONCE).mean(), (later < _AT_ONCE).mean()
        if len(later) and rising > _RISING and falling < 1 - _REPEATED:
            return name
    return None


def _differ(proposal: Proposal, keys: pa.ChunkedArray) -> bool:
    """Whether rows of one id were mostly ordered at different times: then it names no order."""
    ordered = proposal.columns.get("ordered_at")
    if ordered is None or ordered.column is None:
        return False
    frame = pd.DataFrame(
        {
            "id": keys.to_pandas(),
            "at": text_of(proposal.shipments.table.column(ordered.column)).to_pandas(),
        }
    ).replace("", None)
    frame = frame.dropna()
    several = frame.groupby("id", sort=False)["at"].agg(["size", "nunique"])
    several = several[several["size"] > 1]
    return len(several) > 0 and bool((several["nunique"] > 1).mean() > _ORDERED_APART)


def _named_by_order(proposal: Proposal, one: Proposed, lost: int) -> bool:
    """Orders without a parcel's number among further rows, which would vanish into the one above.

    Where no events name parcels, the order's number names them; else it is asked.
    """
    orders = proposal.columns.get("order_id")
    if not lost or orders is None or orders.column is None:
        return False
    told = f"{lost:,} orders have no {one.column}, and their further rows have none either"
    if proposal.scans is None:
        why = f"{told}: an order is a parcel"
        proposal.columns["shipment_id"] = replace(orders, why=why)
        del proposal.columns["order_id"]
        _rows_of_one_order(proposal)
    else:
        asked = f"{told}: which column names each parcel? {orders.column} names orders"
        proposal.columns["shipment_id"] = replace(
            one, column=None, details={"column": "?"}, asked=asked
        )
    return True


def _without_number(proposal: Proposal, one: Proposed, keys: pa.ChunkedArray) -> bool:
    """Orders that have no number of a parcel yet: the order's id is the parcel's, and it is told.

    Further rows of an order have none either, and nothing else of their own.
    """
    orders = proposal.columns.get("order_id")
    ids = pd.Series(keys.to_pandas()).replace("", None)
    empty = ids.isna()
    own = pd.Series(data=False, index=ids.index)
    for role in ("order_id", "ordered_at", "destination"):
        name = None if role not in proposal.columns else proposal.columns[role].column
        if name is None or name == one.column:
            continue
        said = pd.Series(text_of(proposal.shipments.table.column(name)).to_pandas())
        said = said.replace("", None)
        own |= empty & said.notna() & (said != said.where(~empty).ffill())
    if own.sum() <= _OWN_ROWS * empty.sum():
        return _named_by_order(proposal, one, int(own.sum()))
    # What an order's parcels bring along is empty where it has none; its own key is not.
    keyed = [*([orders.column] if orders else []), *(one["on"] for one in proposal.shipments.joins)]
    named = [name for name in keyed if name and _filled_in(proposal, name, empty)]
    if not named:
        proposal.told.append(
            f"{int(empty.sum()):,} rows have no {one.column} and no order's number: they are "
            "rejected; add a column that names them"
        )
        return True
    proposal.columns["shipment_id"] = replace(
        one,
        why=f"{one.why}; where it is empty, {named[0]!r}",
        details={**one.details, "else_column": named[0]},
    )
    proposal.told.append(
        f"{int(empty.sum()):,} rows have no {one.column}: each is taken for one parcel with the "
        f"number of its order ({named[0]}), which no carrier's events name"
    )
    return True


def _filled_in(proposal: Proposal, name: str, rows: pd.Series[bool]) -> bool:
    """Whether a column has a value in those rows."""
    values = pd.Series(text_of(proposal.shipments.table.column(name)).to_pandas())
    return bool((values.replace("", None).notna() | ~rows).all())
