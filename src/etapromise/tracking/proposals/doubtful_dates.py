"""What the dates of own tables leave in doubt, beside what their columns of states say."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etapromise.tracking.column_names import is_about
from etapromise.tracking.mapped_columns import cells_as_text, happened
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import moments_of
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed
from etapromise.tracking.proposals.proposed_scans import statuses_of
from etapromise.tracking.status_words import status_of_word

# A column of so few words is one of states, kinds or yes and no.
_FEW_WORDS: Final = 30
# Of at least so many rows such a share have a date in a plan, whatever became of them.
_ROWS_OF_A_PLAN: Final = 5
_PLANNED: Final = 0.8
# A state that so few rows lack, and so few of those it calls cancelled that came all the same.
_FILLED: Final = 0.99
_CAME_ANYWAY: Final = 0.05
# In so many rows no carrier takes always as long.
_ALWAYS: Final = 50
_SAME_DAYS: Final = 0.98


def doubt_dates(proposal: Proposal) -> None:
    """Tell, or ask for, what the dates of a proposal cannot be taken for without a look.

    Deliveries without a date, and a plan instead of a delivery.
    """
    table = proposal.shipments
    states = _columns_of_states(proposal)
    came = proposal.milestones.get("delivered")
    if came is not None and came.column is not None:
        proposal.told += _undated(table, states, came.column)
        plan = _plan(proposal, states, came)
        if plan:
            asked = f"{plan}: is it the day that was planned? name the column of what happened"
            proposal.milestones["delivered"] = replace(
                came, column=None, details={"column": "?"}, asked=asked, guess=None
            )


def closed_orders(proposal: Proposal) -> None:
    """An order that was closed counts as delivered only where no events tell deliveries."""
    came = proposal.milestones.get("delivered")
    if came is None or came.column is None or not is_about(came.column, "closed"):
        return
    told = "some shops complete an order when it is sent, or days after it came"
    if "delivered" in statuses_of(proposal):
        del proposal.milestones["delivered"]
        proposal.unused = (*proposal.unused, came.column)
        proposal.told.append(f"{came.column} is not read, since the events tell deliveries: {told}")
    else:
        proposal.told.append(
            f"{came.column} is taken for the delivery, and {told}; please check, and hand over the "
            "carrier's events if it is so"
        )


def cancelled_by_state(proposal: Proposal) -> None:
    """Orders that only a column of states calls cancelled: read as cancelled when they were placed.

    The table is read a second time, as scans of that one code; where that cannot be, it is told.
    """
    if "cancelled" in proposal.milestones:
        return
    table, columns = proposal.shipments, proposal.columns
    found = {
        name: states["cancelled"]
        for name, states in _columns_of_states(proposal).items()
        if "cancelled" in states
    }
    if not found:
        proposal.told += _never_delivered(proposal)
        return
    rows = {name: _rows_of(table, name, words) for name, words in found.items()}
    name = max(rows, key=lambda name: int(rows[name].sum()))
    one, came = table.profiles[name], proposal.milestones.get("delivered")
    whole = all(role in columns and columns[role].column for role in ("shipment_id", "ordered_at"))
    simple = table.join is None and not table.rows and "split" not in columns["shipment_id"].details
    simple = simple and proposal.scans is None
    if came is None or came.column is None or not (whole and simple and one.filled > _FILLED):
        proposal.told.append(
            f"{name} has values such as {found[name][0]!r}: cancelled orders that are not told "
            "count as never delivered; docs/own-data.md shows how to map such a column"
        )
        return
    arrived = happened(cells_as_text(table.table.column(came.column)))
    if arrived[rows[name]].mean() > _CAME_ANYWAY:
        proposal.told.append(
            f"{name} calls {int(arrived[rows[name]].sum()):,} orders {found[name][0]!r} that have "
            "a delivery too, so it is not read; docs/own-data.md shows how to map such a column"
        )
        return
    proposal.scans = table
    proposal.scan_settings = {
        key: proposal.settings[key]
        for key in ("one_row_per", "fill_down")
        if key in proposal.settings
    }
    proposal.scan_columns = {
        "shipment_id": columns["shipment_id"],
        "scanned_at": replace(
            columns["ordered_at"], certainty=0.7, why="a state has no date of its own"
        ),
        "status": Proposed(column=name, certainty=0.7, why="it says which orders were cancelled"),
    }
    said = table.table.column(name).cast(pa.large_string()).to_pandas().str.strip()
    for word, n in said.value_counts().items():
        status = "cancelled" if word in found[name] else "nothing"
        proposal.statuses[str(word)] = (
            status,
            int(n),
            "its words" if status == "cancelled" else "the dates tell it",
        )
    proposal.unused = tuple(other for other in proposal.unused if other != name)
    proposal.told.append(
        f"{name} calls {int(rows[name].sum()):,} rows {found[name][0]!r}: these orders are read as "
        "cancelled when they were placed; a column with the time of it would be surer"
    )


def _never_delivered(proposal: Proposal) -> list[str]:
    """States that nobody knows and of which no row was delivered: they may be cancelled orders."""
    table, came = proposal.shipments, proposal.milestones.get("delivered")
    if came is None or came.column is None:
        return []
    arrived, told = happened(cells_as_text(table.table.column(came.column))), []
    for name in proposal.unused:
        one = table.profiles[name]
        if not 1 < one.distinct <= _FEW_WORDS or one.times() is not None:
            continue
        for word in map(str, one.words):
            rows = _rows_of(table, name, [word])
            many = rows.sum() >= _ROWS_OF_A_PLAN and not arrived[rows].any()
            if many and status_of_word(word) is None and arrived[~rows].mean() > _PLANNED:
                told.append(
                    f"{name} calls {int(rows.sum()):,} rows {word!r}, and none of them was "
                    "delivered: if they were cancelled, docs/own-data.md shows how to map it"
                )
    return told


def tell_of_pick_ups(proposal: Proposal) -> None:
    """Where nothing says when parcels were handed over: what it costs, and what could say it."""
    if "picked_up" in proposal.milestones or "delivered" not in proposal.milestones:
        return
    profiles = proposal.shipments.profiles
    times = [name for name in proposal.unused if profiles[name].times() is not None]
    proposal.told.append(
        "no column tells when parcels were handed over, so the warehouse's days and the carrier's "
        "are learned as one"
        + (f"; times are also {', '.join(times[:5])}: map one as picked_up" if times else "")
    )


def _columns_of_states(proposal: Proposal) -> dict[str, dict[str, list[str]]]:
    """The columns not used whose words say what became of parcels: the words by what they say."""
    profiles = proposal.shipments.profiles
    found = {
        name: _states(one)
        for name in proposal.unused
        if (one := profiles[name]).distinct <= _FEW_WORDS and one.times() is None
    }
    return {name: states for name, states in found.items() if states}


def _states(one: Profile) -> dict[str, list[str]]:
    """The words of a column that say what became of a parcel, by what they say."""
    found: dict[str, list[str]] = {}
    for word in one.words:
        found.setdefault(str(status_of_word(str(word))), []).append(str(word))
    found.pop("None", None)
    return found


def _rows_of(table: OwnTable, name: str, words: list[str]) -> npt.NDArray[np.bool_]:
    said = table.table.column(name).cast(pa.large_string()).to_pandas().str.strip()
    return np.asarray(said.isin(words).to_numpy(dtype=bool))


def _undated(table: OwnTable, states: dict[str, dict[str, list[str]]], column: str) -> list[str]:
    """What to tell of rows that a word calls delivered and that have no date of it."""
    undated = ~happened(cells_as_text(table.table.column(column)))
    told = []
    for name, found in states.items():
        if "delivered" not in found:
            continue
        rows = np.flatnonzero(undated & _rows_of(table, name, found["delivered"]))
        if len(rows):
            told.append(
                f"{len(rows):,} rows, such as row {table.opened.rows[rows[0]]}, are "
                f"{found['delivered'][0]!r} by {name} and have no {column}: they count as still "
                "under way; export their date, or leave these rows out"
            )
    return told


def _plan(proposal: Proposal, states: dict[str, dict[str, list[str]]], came: Proposed) -> str:
    """What shows that a column of deliveries is one of plans: also of what never went."""
    table, column = proposal.shipments, str(came.column)
    dated = happened(cells_as_text(table.table.column(column)))
    for name, found in states.items():
        never = _rows_of(table, name, found.get("cancelled", []))
        if never.sum() >= _ROWS_OF_A_PLAN and dated[never].mean() > _PLANNED:
            return (
                f"{int(dated[never].sum()):,} rows are {found['cancelled'][0]!r} by {name} and "
                f"have a date in {column}"
            )
    ordered = proposal.columns.get("ordered_at")
    if ordered is None or ordered.column is None:
        return ""
    first, last = (moments_of(table.profiles[str(one.column)].raw, one) for one in (ordered, came))
    days = (last.dt.floor("D") - first.dt.floor("D")).dropna()
    if len(days) >= _ALWAYS and days.value_counts(normalize=True).iloc[0] > _SAME_DAYS:
        always = days.mode().iloc[0].days
        if always > 1:
            return f"{column} is {always} days after {ordered.column} in nearly all rows"
    return ""
