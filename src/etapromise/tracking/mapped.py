"""Applying a mapping: own tables in, the two tables of the contract out, row by row accounted for.

Values are only brought into their place and their writing told; whether they are any good is
judged where the tables are read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.errors import ContractError, name_meant
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS
from etapromise.tracking.faults import Faults, Note, OwnNames, together
from etapromise.tracking.files.table_files import FileOptions
from etapromise.tracking.mapped_columns import (
    cells_as_text,
    feature_columns,
    happened,
    mapped_column,
    meanings_of,
    plain_ids,
    released_orders,
    text_of,
)
from etapromise.tracking.mapping import (
    NUMBER,
    RELEASED,
    MappedJoin,
    MappedTable,
    MappingSource,
    TableMapping,
    read_mapping,
)
from etapromise.tracking.reshaped_rows import (
    OwnRows,
    empty_as_null,
    folded_rows,
    left_out,
    rows_of_each,
    split_cells,
)
from etapromise.tracking.sources import OpenedTable, RawTable, Source, arrow_table, one_opened
from etapromise.tracking.status_words import status_of_word


def mapped_tables(
    mapping: MappingSource,
    shipments: Source | None = None,
    scans: Source | None = None,
) -> tuple[RawTable, RawTable | None]:
    """The shipments and the scans of own tables.

    Args:
        mapping: A mapping, or its path.
        shipments: The table to read instead of the files that the mapping names.
        scans: Likewise.

    Returns:
        Both tables as they are read from; scans is None where neither the mapping nor its
        milestones give any.

    Raises:
        ContractError: A table cannot be read, or does not have what the mapping names.
    """
    told = read_mapping(mapping)
    own = _own_table(told, told.shipments, shipments, "shipments")
    parcels = mapped_shipments(told, own)
    found = []
    if told.shipments.milestones:
        found.append(_milestone_scans(told, own))
    if told.scans is not None:
        if scans is None and told.scans.files == told.shipments.files:
            scans = shipments  # both stand in one file
        found.append(mapped_scans(told, scans))
    elif scans is not None:
        raise ContractError(
            f"found scans beside the mapping {told.path}, which says nothing of them; add a table "
            "[scans], or leave them out"
        )
    return parcels, _together(found) if found else None


def _own_table(
    mapping: TableMapping, part: MappedTable, source: Source | None, table: str
) -> OwnRows:
    options = FileOptions(
        encoding=part.encoding,
        separator=part.separator,
        skip=part.skip,
        rows=part.rows,
        payload=part.payload,
    )
    if source is not None:
        # A frame has all sheets in it already.
        sheets = part.sheets if isinstance(source, str | os.PathLike) else ()
        opened = _opened([source], table, options, sheets)
    elif not part.files:
        raise ContractError(
            f"the mapping {mapping.path} names no files for the {table}; hand them over, or name "
            "them: files = […]"
        )
    else:
        opened = _opened(mapping.files_of(part), table, options, part.sheets)
    for join in part.joins:
        opened = _joined(mapping, join, opened, table)
    if part.each:
        mapped = (*part.columns.values(), *part.milestones.values(), *part.features.values())
        names = [name for one in mapped for name in one.sources if NUMBER in name]
        opened = rows_of_each(opened, part.each, names, always=table != "scans")
    _require_columns(mapping, part, opened.table.column_names, table)
    arrow = opened.table
    for name in part.fill_down:
        place = arrow.column_names.index(name)
        filled = pc.fill_null_forward(empty_as_null(arrow.column(place)))
        arrow = arrow.set_column(place, name, filled)
    own = OwnRows(
        table=arrow, rows=opened.rows, broken=opened.broken, notes=opened.notes, left_aside=0
    )
    for name, words in part.leave_out.items():
        own = left_out(own, name, words)
    if part.one_row_per is not None:
        numbers = part.columns["shipment_id"]
        same = numbers.column == part.one_row_per
        times = [part.columns.get("ordered_at"), *part.milestones.values()]
        once = [one.column for one in times if one is not None and one.column is not None]
        key, otherwise = part.one_row_per, numbers.else_column if same else None
        own = folded_rows(own, key, otherwise, once, last=part.last_counts)
    several = [one for one in part.columns.values() if one.split is not None and one.column]
    for one in several:
        own = split_cells(own, str(one.column), str(one.split))
    return own


def _opened(
    sources: Sequence[Source], table: str, options: FileOptions, sheets: Sequence[str]
) -> OpenedTable:
    """The rows of all sources, and of all sheets that are named of each."""
    each = [replace(options, sheet=sheet) for sheet in sheets] or [options]
    found = [arrow_table(source, table, one) for source in sources for one in each]
    return one_opened([replace(one, table=distinct_names(one.table)) for one in found])


def distinct_names(table: pa.Table) -> pa.Table:
    """The table with columns of one name told apart: ``Date (1)``, ``Date (2)``."""
    names = table.column_names
    if len(set(names)) == len(names):
        return table
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return table.rename_columns(found)


def _joined(
    mapping: TableMapping, join: MappedJoin, opened: OpenedTable, table: str
) -> OpenedTable:
    """The table with the columns of another beside its own."""
    options = FileOptions(encoding=join.encoding, separator=join.separator, skip=join.skip)
    other = _opened(mapping.files_of(join), "joined table", options, join.sheets)
    for name, names, whose in (
        (join.on, opened.table.column_names, table),
        *((name, other.table.column_names, "joined table") for name in (join.to, *join.leave_out)),
    ):
        if name not in names:
            near = name_meant(name, names)
            raise ContractError(
                f"the mapping {mapping.path or ''} joins on column {name!r}, which the {whose} "
                "does not have"
                + (f"; did you mean {near!r}?" if near else ".")
                + f" Found {', '.join(map(repr, names))}; mend the mapping"
            )
    both, told = joined_tables(opened.table, other.table, join.on, join.to, join.leave_out)
    notes = (*opened.notes, *other.notes, *told)
    return replace(opened, table=both, notes=notes)


JOINED: Final = " (joined"
"""With what a name goes on of a column that another table brought, and that was there already."""


def joined_tables(
    table: pa.Table,
    other: pa.Table,
    on: str,
    to: str,
    leave_out: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[pa.Table, tuple[Note, ...]]:
    """Each row of a table with that row of another whose column `to` names it.

    Args:
        table: (n, …)
        other: Of further rows of one name the first counts, its empty fields filled from them.
        on: A column of `table`.
        to: A column of `other`.
        leave_out: By column of `other` the words whose rows name nothing, such as a bill's address.

    Returns:
        The (n, …) rows, a column that both have called ``… (joined)``, then ``… (joined 2)``; and
        what has no partner.
    """
    rows = np.arange(len(other), dtype=np.int64)
    own = OwnRows(table=other, rows=rows, broken=(), notes=(), left_aside=0)
    for name, words in leave_out.items():
        own = left_out(own, name, words)
    whole = folded_rows(own, to).table
    names = text_of(whole.column(to)).to_pandas()
    # Names that differ as they are written, by a blank or as placeholders do, are one.
    nameless = int(names.isna().sum())
    first = ~(names.duplicated() | names.isna()).to_numpy()
    whole, names = whole.filter(pa.array(first)), names[first]
    place = pd.Index(names).get_indexer(text_of(table.column(on)).to_pandas())
    missing = place < 0
    take = pa.array(np.where(missing, 0, place), mask=missing)
    for name in whole.column_names:
        column = whole.column(name).take(take)
        table = table.append_column(_free_name(name, table.column_names), column)
    told = Faults(0)
    told.note(nameless, "nameless", to, "of the other table have no name there, and were left out")
    told.note(int(missing.sum()), "not_joined", on, f"have no row in the other table's {to!r}")
    unused = len(whole) - len(np.unique(place[~missing]))
    told.note(unused, "without_parcel", to, "of the other table are of no row, and were left out")
    return table, told.notes


def _free_name(name: str, taken: Sequence[str]) -> str:
    """A column's name, or where another has it one that says that it was joined."""
    found, number = name, 1
    while found in taken:
        found = f"{name}{JOINED})" if number == 1 else f"{name}{JOINED} {number})"
        number += 1
    return found


def _require_columns(
    mapping: TableMapping, part: MappedTable, found: list[str], table: str
) -> None:
    mapped = [*part.columns.items(), *part.milestones.items(), *part.features.items()]
    needed = [(key, name) for key, one in mapped for name in one.sources]
    needed += [("fill_down", name) for name in part.fill_down]
    needed += [("leave_out", name) for name in part.leave_out]
    if part.one_row_per is not None:
        needed.append(("one_row_per", part.one_row_per))
    for key, name in needed:
        if name not in found:
            near = name_meant(name, found)
            raise ContractError(
                f"the mapping {mapping.path or ''} takes {key} from column {name!r}, which the "
                f"{table} do not have"
                + (f"; did you mean {near!r}?" if near else ".")
                + f" Found {', '.join(map(repr, found)) or 'no columns'}; mend the mapping"
            )


def mapped_shipments(mapping: TableMapping, own: OwnRows) -> RawTable:
    """The shipments of an own table."""
    part = mapping.shipments
    columns = {
        name: mapped_column(own.table, one, SHIPMENT_COLUMNS.get(name), part)
        for name, one in part.columns.items()
    }
    columns["shipment_id"] = plain_ids(columns["shipment_id"], mapping.ids_ignore)
    notes = own.notes
    if RELEASED in columns:
        columns["ordered_at"], note = released_orders(columns["ordered_at"], columns.pop(RELEASED))
        notes += note
    return RawTable(
        contract=columns,
        extras=feature_columns(own.table, part),
        rows=own.rows,
        own_names=_own_names(part),
        stated=_stated(part, len(own.rows)),
        broken=own.broken,
        notes=notes,
        left_aside=own.left_aside,
    )


def _own_names(part: MappedTable) -> OwnNames:
    return OwnNames(names={name: one.sources for name, one in part.columns.items() if one.sources})


def _stated(part: MappedTable, rows: int) -> dict[str, npt.NDArray[np.bool_]]:
    """The columns whose formats are stated, in all rows."""
    return {name: np.ones(rows, dtype=bool) for name, one in part.columns.items() if one.formats}


def mapped_scans(mapping: TableMapping, source: Source | None) -> RawTable:
    """The scans of own tables."""
    part = mapping.scans
    if part is None:
        raise ContractError(f"the mapping {mapping.path} has no table [scans]; add one")
    part = replace(part, time_zone=part.time_zone or mapping.shipments.time_zone)
    own = _own_table(mapping, part, source, "scans")
    columns = {
        name: mapped_column(own.table, one, SCAN_COLUMNS[name], part)
        for name, one in part.columns.items()
    }
    columns["shipment_id"] = plain_ids(columns["shipment_id"], mapping.ids_ignore)
    extras, rows, left, notes = (
        feature_columns(own.table, part),
        own.rows,
        own.left_aside,
        own.notes,
    )
    if part.statuses:
        status, mapped, silent = meanings_of(columns["status"], part.statuses)
        given = columns.get("vocabulary", pa.chunked_array([pa.nulls(len(status), pa.string())]))
        given = given.cast(pa.large_string())
        standard = pa.scalar("standard", pa.large_string())
        columns["status"] = status
        columns["vocabulary"] = pc.if_else(pa.array(mapped), standard, given)
        if silent.any():
            keep = np.flatnonzero(~silent)
            told = "scans have codes that say nothing, and were left aside"
            notes += (Note(reason="silent", column="status", rows=int(silent.sum()), told=told),)
            columns = {name: column.take(pa.array(keep)) for name, column in columns.items()}
            extras, rows = extras.iloc[keep].reset_index(drop=True), rows[keep]
            left += int(silent.sum())
    return RawTable(
        contract=columns,
        extras=extras,
        rows=rows,
        broken=own.broken,
        notes=notes,
        left_aside=left,
        own_names=_own_names(part),
        stated=_stated(part, len(rows)),
    )


def _milestone_scans(mapping: TableMapping, own: OwnRows) -> RawTable:
    """Each filled milestone of a shipment as a scan, counted in the rows of the shipments."""
    part = mapping.shipments
    ids = mapped_column(
        own.table, part.columns["shipment_id"], SHIPMENT_COLUMNS["shipment_id"], part
    )
    ids = cells_as_text(plain_ids(ids, mapping.ids_ignore))
    scanned_at = SCAN_COLUMNS["scanned_at"]
    parts: dict[str, list[pa.ChunkedArray]] = {"shipment_id": [], "scanned_at": [], "status": []}
    rows, stated, notes = [], [], []
    for status, one in part.milestones.items():
        times = mapped_column(own.table, one, scanned_at, part)
        words = _other_states(times, status)
        there = np.flatnonzero(happened(times) & ~words)
        if words.any():
            word = str(cells_as_text(times)[int(np.flatnonzero(words)[0])].as_py())
            told = "say another state, and no time: it has not happened"
            note = Note(
                reason="state_for_time",
                column=", ".join(one.sources),
                rows=int(words.sum()),
                told=told,
                examples=(word,),
            )
            notes.append(note)
        parts["shipment_id"].append(ids.take(pa.array(there)))
        parts["scanned_at"].append(cells_as_text(times.take(pa.array(there))))
        said = pa.array([status] * len(there), pa.large_string())
        parts["status"].append(pa.chunked_array([said]))
        rows.append(own.rows[there])
        stated.append(np.full(len(there), bool(one.formats)))
    which = np.repeat(np.arange(len(rows), dtype=np.int8), [len(one) for one in rows])
    milestones = tuple(", ".join(one.sources) for one in part.milestones.values())
    own_ids = part.columns["shipment_id"].sources
    columns = {
        name: pa.chunked_array([chunk for one in found for chunk in one.chunks], pa.large_string())
        for name, found in parts.items()
    }
    count = len(columns["status"])
    columns["vocabulary"] = pa.chunked_array([pa.array(["standard"] * count, pa.large_string())])
    return RawTable(
        contract=columns,
        extras=pd.DataFrame(index=range(count)),
        rows=np.concatenate(rows),
        notes=tuple(notes),
        own_names=OwnNames(
            names={"shipment_id": own_ids, "scanned_at": milestones}, which={"scanned_at": which}
        ),
        stated={"scanned_at": np.concatenate(stated)},
    )


def _other_states(times: pa.ChunkedArray, status: str) -> npt.NDArray[np.bool_]:
    """(n,) cells that say in words another state than the one whose time they should have."""
    text = cells_as_text(times)
    words = pc.unique(text.filter(pc.invert(pc.match_substring_regex(text, r"\d")))).to_pylist()
    said = [word for word in words if word and status_of_word(word) not in {None, status}]
    return np.asarray(pc.is_in(text, pa.array(said, pa.large_string())).to_numpy(), dtype=bool)


def _together(found: Sequence[RawTable]) -> RawTable:
    """Scans of several sources as one table; rows are those of each source."""
    if len(found) == 1:
        return found[0]
    names = dict.fromkeys(name for one in found for name in one.contract)
    columns = {}
    for name in names:
        chunks: list[pa.Array] = []
        for one in found:
            given = one.contract.get(name)
            text = (
                pa.nulls(len(one.rows), pa.large_string())
                if given is None
                else cells_as_text(given)
            )
            chunks += text.chunks if isinstance(text, pa.ChunkedArray) else [text]
        columns[name] = pa.chunked_array(chunks, pa.large_string())
    return RawTable(
        contract=columns,
        extras=pd.concat([one.extras for one in found], ignore_index=True),
        rows=np.concatenate([one.rows for one in found]),
        broken=tuple(line for one in found for line in one.broken),
        notes=tuple(note for one in found for note in one.notes),
        left_aside=sum(one.left_aside for one in found),
        own_names=together((one.own_names, len(one.rows)) for one in found),
        stated={
            name: np.concatenate(
                [one.stated.get(name, np.zeros(len(one.rows), dtype=bool)) for one in found]
            )
            for name in {name for one in found for name in one.stated}
        },
    )
