"""What the dates of own tables leave in doubt, beside what their columns of states say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.column_names import (
    is_about,
    names_of,
    plain_name,
    score_name,
    without_words,
)
from etapromise.tracking.mapped_columns import cells_as_text, happened, plain_ids, text_of
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import moments_of, proposed_column
from etapromise.tracking.proposals.planned_dates import before_pick_ups, counted_from
from etapromise.tracking.proposals.proposal import CERTAIN, OwnTable, Proposal, Proposed
from etapromise.tracking.proposals.proposed_scans import statuses_of
from etapromise.tracking.status_words import status_of_word
from etapromise.tracking.vocabularies import STANDARD, vocabularies

# A column of so few words is one of states, kinds or yes and no.
_FEW_WORDS: Final = 30
# Of at least so many rows such a share have a date in a plan, whatever became of them.
_ROWS_OF_A_PLAN: Final = 5
_PLANNED: Final = 0.8
# Of a table fewer rows are of another kind.
_MOST_ROWS: Final = 0.5
# A state that so few rows lack, and so few of those it calls cancelled that came all the same.
_FILLED: Final = 0.99
_CAME_ANYWAY: Final = 0.05
# A column that is called so nearly as deliveries are, whose two words say whether they were.
_YES_AND_NO: Final = 2
_ABOUT_IT: Final = 0.5
_NO: Final = frozenset(
    {"no", "n", "false", "0", "f", "nein", "non", "nao", "nee", "nie", "nej", ""}
)
_YES: Final = frozenset({"yes", "y", "true", "1", "t", "ja", "oui", "si", "sim", "tak", "x"})
# What a column may say yes to that ends a journey without a delivery.
_ENDS: Final = frozenset({"cancelled", "returning", "returned", "lost"})
_UNDER_WAY: Final = (
    *("label_created", "picked_up", "in_transit", "departed", "arrived", "transferred"),
    *("out_for_delivery",),
)
# From so many letters on a word may be the head of a longer one: Retourenlieferung.
_COMPOUNDED: Final = 7
# So many parcels tell whether two columns of deliveries agree.
_ALWAYS: Final = 50


def doubt_dates(proposal: Proposal) -> None:
    """Tell, or ask for, what the dates of a proposal cannot be taken for without a look.

    Deliveries without a date, and a plan instead of a delivery.
    """
    table = proposal.shipments
    states = _columns_of_states(proposal)
    came = proposal.milestones.get("delivered")
    if came is not None and came.column is not None:
        proposal.told += _undated(table, states, came.column)
        early, often = before_pick_ups(proposal, came)
        if early and not often:
            proposal.told.append(f"{early}: these count as not delivered")
        plan = early if often else _plan(proposal, states, came)
        if plan:
            asked = f"{plan}: is it what was planned or noted? name the column of what happened"
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


def deliveries_of_events(proposal: Proposal) -> None:
    """A shop's own date of delivery counts only where it is that of the carrier's events."""
    came, scans = proposal.milestones.get("delivered"), proposal.scans
    ids = [part.get("shipment_id") for part in (proposal.columns, proposal.scan_columns)]
    if came is None or "delivered" not in statuses_of(proposal):
        return
    if came.asked:
        # What is doubtful is not needed.
        del proposal.milestones["delivered"]
        proposal.told.append(f"the events tell deliveries, and no column is read: {came.asked}")
        return
    if (
        came.column is None
        or scans is None
        or any(one is None or one.column is None for one in ids)
    ):
        return
    when, status = (proposal.scan_columns[role] for role in ("scanned_at", "status"))
    if when.column is None or status.column is None:
        return  # which it is, is asked
    mine, theirs = (str(one.column) for one in ids if one is not None)
    ignored = () if proposal.ids is None else proposal.ids.ignore
    own = proposal.shipments.table
    shop = pd.DataFrame(
        {
            "id": text_of(plain_ids(own.column(mine), ignored)).to_pandas(),
            "shop": moments_of(own.column(came.column), came),
        }
    )
    read = vocabularies()[proposal.vocabulary or STANDARD].read
    ends = [
        word
        for word in map(str, scans.profiles[str(status.column)].words)
        if proposal.statuses.get(word, (read(word),))[0] == "delivered"
    ]
    rows = scans.table.filter(
        pc.is_in(scans.table.column(str(status.column)).cast(pa.large_string()), pa.array(ends))
    )
    events = pd.DataFrame(
        {
            "id": text_of(plain_ids(rows.column(theirs), ignored)).to_pandas(),
            "event": moments_of(rows.column(str(when.column)), when),
        }
    )
    both = shop.dropna().merge(events.groupby("id", as_index=False)["event"].max(), on="id")
    apart = both["event"].dt.floor("D") - both["shop"].dt.floor("D")
    # On another clock it may be another day.
    other = apart.abs() > pd.Timedelta(days=1)
    if len(both) < _ALWAYS or other.mean() < _CAME_ANYWAY:
        return
    one = both[other].iloc[0]
    proposal.told.append(
        f"{came.column} and the events say another delivery of {int(other.sum()):,} of "
        f"{len(both):,} parcels, such as {one['id']}: {one['shop']:%Y-%m-%d} and "
        f"{one['event']:%Y-%m-%d}; the events count, and {came.column} is not read"
    )
    del proposal.milestones["delivered"]
    proposal.unused = (*proposal.unused, came.column)


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
    simple = _read_twice(proposal) and one.filled > _FILLED
    if came is None or came.column is None or not simple:
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
    when = replace(columns["ordered_at"], certainty=0.7, why="a state has no date of its own")
    _read_as_scans(proposal, name, when, dict.fromkeys(found[name], "cancelled"))
    proposal.told.append(
        f"{name} calls {int(rows[name].sum()):,} rows {found[name][0]!r}: these orders are read as "
        "cancelled when they were placed; a column with the time of it would be surer"
    )


def delivered_by_state(proposal: Proposal) -> None:
    """Where no column tells deliveries: a state that does, with the time of its last change."""
    if "delivered" in proposal.milestones or not _read_twice(proposal):
        return
    profiles = proposal.shipments.profiles
    states = {
        name: found
        for name, found in _columns_of_states(proposal).items()
        if "delivered" in found and profiles[name].filled > _FILLED
    }
    changed = [
        name
        for name in proposal.unused
        if profiles[name].times() is not None
        and (score_name(name, "scans", "scanned_at") >= CERTAIN or is_about(name, "changed"))
    ]
    if not states or not changed:
        return
    name = max(states, key=lambda name: len(states[name]))
    when = proposed_column(profiles[changed[0]], "scanned_at", 0.7)
    meanings = {word: status for status, words in states[name].items() for word in words}
    _read_as_scans(proposal, name, when, meanings)
    proposal.unused = tuple(other for other in proposal.unused if other != when.column)
    proposal.told.append(
        f"each parcel has one state, {name}, which is taken to be of {when.column}; where that "
        "changes later for another reason, the carrier's events would be surer"
    )


def _read_twice(proposal: Proposal) -> bool:
    """Whether the table of the orders can be read a second time, as scans."""
    table, columns = proposal.shipments, proposal.columns
    if proposal.scans is not None or table.joins or table.rows:
        return False
    whole = all(role in columns and columns[role].column for role in ("shipment_id", "ordered_at"))
    return whole and "split" not in columns["shipment_id"].details


def _read_as_scans(
    proposal: Proposal, name: str, when: Proposed, meanings: Mapping[str, str]
) -> None:
    """Read the table of the orders as scans, too: a column of states, each at a time beside it."""
    table = proposal.shipments
    proposal.scans = table
    proposal.scan_settings = {
        key: proposal.settings[key]
        for key in ("one_row_per", "fill_down", "leave_out")
        if key in proposal.settings
    }
    proposal.scan_columns = {
        "shipment_id": proposal.columns["shipment_id"],
        "scanned_at": when,
        "status": Proposed(column=name, certainty=0.7, why="it says what became of each order"),
    }
    said = table.table.column(name).cast(pa.large_string()).to_pandas().str.strip()
    for word, n in said.value_counts().items():
        status = meanings.get(str(word))
        why = "its words" if status else "the dates tell it"
        proposal.statuses[str(word)] = status or "nothing", int(n), why
    proposal.unused = tuple(other for other in proposal.unused if other != name)


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


def rows_of_other_kinds(proposal: Proposal) -> None:
    """Rows that a column calls returns, tests, collected or transfers: they are left out, and told.

    Where a state says that a parcel went back, and it has a delivery too, it is asked.
    """
    table, came = proposal.shipments, proposal.milestones.get("delivered")
    service = proposal.columns.get("service")
    names = [*proposal.unused, *([service.column] if service and service.column else [])]
    out: dict[str, list[str]] = {}
    for name in names:
        one = table.profiles[name]
        if not 1 < one.distinct <= _FEW_WORDS or one.times() is not None or is_about(name, "paid"):
            continue
        words = [word for word in map(str, one.words) if _is_no_parcel(word, name)]
        rows = _rows_of(table, name, words)
        if words and rows.mean() < _MOST_ROWS:
            out[name] = words
            proposal.told.append(
                f"{int(rows.sum()):,} rows are {', '.join(map(repr, words[:3]))} by {name}: they "
                "are left out, as they are no parcels to customers; leave_out says so"
            )
    if out:
        proposal.settings["leave_out"] = out, "no parcels to customers"
    if came is None or came.column is None:
        return
    arrived = happened(cells_as_text(table.table.column(came.column)))
    for name, states in _columns_of_states(proposal).items():
        words = [*states.get("returned", []), *states.get("returning", [])]
        words = [word for word in words if name not in out]
        both = arrived & _rows_of(table, name, words)
        if both.sum() < _ROWS_OF_A_PLAN:
            continue
        told = (
            f"{int(both.sum()):,} rows are {words[0]!r} by {name} and have a {came.column}: if "
            "that is when they came back"
        )
        if any(is_about(word, "never came") for word in words):
            example = "{ " + f'"{name}" = ["{words[0]}"]' + " }"
            proposal.settings["leave_out"] = (
                "?",
                f"{told}, leave them out (leave_out = {example}); else answer leave_out = {{}}",
            )
        else:
            proposal.told.append(f"{told}, leave them out: see leave_out in docs/mapping.md")


def _is_no_parcel(word: str, column: str) -> bool:
    """Whether a kind of order is called so, alone or at the head of a compound, or is less than 0.

    Fewer than no pieces come back.
    """
    said, known = plain_name(word), names_of()["values"]["no parcel"]
    compound = " " not in said and any(
        said.startswith(one) for one in known if len(one) >= _COMPOUNDED and " " not in one
    )
    back = is_about(column, "pieces") and re.fullmatch(r"-\d+(?:[.,]0+)?", word) is not None
    return said in known or compound or back


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
    words = [str(word) for word in one.words]
    answers = {plain_name(word) for word in words}
    if answers <= _YES | _NO and (len(answers) > 1 or one.filled < 1):
        # Is Cancelled: yes, no. The name says what, and the words whether.
        named = status_of_word(without_words(one.name, "asks"))
        yes = [word for word in words if plain_name(word) in _YES]
        return {named: yes} if named in _ENDS and yes else {}
    for word in words:
        found.setdefault(str(status_of_word(word)), []).append(word)
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
    """What shows that a column of deliveries is none of what happened: also of what never came."""
    table, column = proposal.shipments, str(came.column)
    dated = happened(cells_as_text(table.table.column(column)))
    never_came = {
        name: [
            *found.get("cancelled", []),
            # A state that knows deliveries calls what has none another word.
            *(word for one in _UNDER_WAY if "delivered" in found for word in found.get(one, [])),
        ]
        for name, found in states.items()
    }
    for name in proposal.unused:
        one = table.profiles[name]
        about = score_name(name, "milestones", "delivered") > _ABOUT_IT
        if one.distinct == _YES_AND_NO and about and not is_about(name, "lacking"):
            never_came[name] = [str(word) for word in one.words if plain_name(str(word)) in _NO]
    for name, words in never_came.items():
        never = _rows_of(table, name, words)
        if never.sum() >= _ROWS_OF_A_PLAN and dated[never].mean() > _PLANNED:
            return (
                f"{int(dated[never].sum()):,} rows are {words[0]!r} by {name} and "
                f"have a date in {column}"
            )
    slips = any(_is_called(name, "system of slips") for name in table.profiles)
    if slips and _is_called(column, "slip of a system"):
        return f"{column} of PrestaShop's orders is when a delivery slip was made"
    return counted_from(proposal, came)


def _is_called(name: str, what: str) -> bool:
    return plain_name(name) in names_of()["other"][what]
