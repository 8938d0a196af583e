"""Rows of own tables before they are mapped: left out, folded, one for each of several parcels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.tracking.faults import Note
from etapromise.tracking.files.table_files import BrokenLine
from etapromise.tracking.mapped_columns import cells_as_text, happened
from etapromise.tracking.mapping import NUMBER
from etapromise.tracking.sources import OpenedTable
from etapromise.tracking.texts import in_one_piece


@dataclass(frozen=True, kw_only=True)
class OwnRows:
    """An own table with what it lost and what is told of it."""

    table: pa.Table
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenLine, ...]
    notes: tuple[Note, ...]
    left_aside: int


def rows_of_each(
    opened: OpenedTable, each: Sequence[str], names: Sequence[str], *, always: bool
) -> OpenedTable:
    """A row for each of several parcels or events whose columns are counted: ``tracking_1``.

    Args:
        each: The numbers.
        names: The columns as one, with `NUMBER` for the number; a number may lack some of them.
        always: Whether the first has a row even where nothing is filled.
    """
    table = opened.table
    parts, rows = [], []
    for number in each:
        own = {name: name.replace(NUMBER, number) for name in dict.fromkeys(names)}
        own = {name: column for name, column in own.items() if column in table.column_names}
        counted = table.select([*own.values()]).rename_columns([*own])
        filled = [happened(cells_as_text(column)) for column in counted.columns]
        whole_rows = (always and number == each[0]) or not filled
        keep = np.flatnonzero(np.ones(len(table)) if whole_rows else np.logical_or.reduce(filled))
        whole = table
        for name, column in zip(counted.column_names, counted.columns, strict=True):
            whole = whole.append_column(name, column)
        parts.append(whole.take(pa.array(keep)))
        rows.append(opened.rows[keep])
    more = max(sum(map(len, rows)) - len(table), 0)
    told = "more rows, where further parcels or events have columns of their own"
    note = Note(reason="several_ids", column=str(names[0]), rows=more, told=told)
    return replace(
        opened,
        table=pa.concat_tables(parts, promote_options="permissive"),
        records=np.concatenate(rows),
        notes=(*opened.notes, *([note] if more else [])),
    )


def empty_as_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column, (n,), whose texts of blanks only are missing."""
    if not (pt.is_string(column.type) or pt.is_large_string(column.type)):
        return column
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    return pc.if_else(pc.fill_null(blank, fill_value=False), pa.scalar(None, column.type), column)


def left_out(own: OwnRows, name: str, words: Sequence[str]) -> OwnRows:
    """The rows whose cell in a column is none of the words."""
    said = pc.utf8_lower(pc.utf8_trim_whitespace(cells_as_text(own.table.column(name))))
    out = pc.is_in(said, pa.array(words, pa.large_string())).to_numpy()
    if not out.any():
        return own
    keep = np.flatnonzero(~out)
    told = "rows are left out, as the mapping says"
    note = Note(reason="left_out", column=name, rows=int(out.sum()), told=told)
    return replace(
        own,
        table=own.table.take(pa.array(keep)),
        rows=own.rows[keep],
        notes=(*own.notes, note),
        left_aside=own.left_aside + len(out) - len(keep),
    )


def folded_rows(
    own: OwnRows,
    key: str,
    otherwise: str | None = None,
    once: Sequence[str] = (),
    *,
    last: bool = False,
) -> OwnRows:
    """The first row of each key, its empty fields filled from the further ones.

    Args:
        otherwise: The column that has the key where its own is empty.
        once: Columns of what happens to a parcel once; further rows that say another are told.
        last: Whether the last row of each key counts instead, and alone: what is empty there was
            filled too early.
    """
    keys = cells_as_text(own.table.column(key))
    if otherwise is not None:
        named = pa.array(happened(keys))
        keys = pc.if_else(named, keys, cells_as_text(own.table.column(otherwise)))
    codes, _ = pd.factorize(keys.to_pandas())
    nameless = codes < 0
    first = np.zeros(len(codes), dtype=bool)
    found = np.unique(codes[::-1] if last else codes, return_index=True)[1]
    first[len(codes) - 1 - found if last else found] = True
    first |= nameless
    if first.all():
        return own
    table = own.table
    for place, name in enumerate(table.column_names):
        column = empty_as_null(table.column(place))
        if column.null_count == 0 or last:
            continue
        missing = first & column.is_null().to_numpy() & ~nameless
        if not missing.any():
            continue
        filled = np.flatnonzero(column.is_valid().to_numpy() & ~nameless)
        # The first filled row of each key; later ones are overwritten by earlier.
        source = np.full(codes.max() + 1, -1, dtype=np.int64)
        source[codes[filled][::-1]] = filled[::-1]
        take = np.arange(len(codes))
        rows = np.flatnonzero(missing)
        found = source[codes[rows]]
        take[rows] = np.where(found < 0, rows, found)
        table = table.set_column(place, name, column.take(pa.array(take)))
    left = int((~first).sum())
    note = Note(
        reason="further_rows",
        column=key,
        rows=left,
        told="further rows of a value, folded into one",
    )
    keep = np.flatnonzero(first)
    whole = table.take(pa.array(keep))
    differing = _differing(own.table, whole, codes[keep], codes, first, () if last else once)
    return OwnRows(
        table=whole,
        rows=own.rows[keep],
        broken=own.broken,
        notes=(*own.notes, note, *differing),
        left_aside=own.left_aside + left,
    )


def _differing(
    table: pa.Table,
    whole: pa.Table,
    kept: npt.NDArray[np.intp],
    codes: npt.NDArray[np.intp],
    first: npt.NDArray[np.bool_],
    once: Sequence[str],
) -> tuple[Note, ...]:
    """What is told of further rows that say another time than the row into which they go."""
    places = np.full(codes.max() + 1, -1, dtype=np.int64)
    places[kept[kept >= 0]] = np.flatnonzero(kept >= 0)
    notes = []
    further = np.flatnonzero(~first)
    for name in dict.fromkeys(once):
        ours = cells_as_text(table.column(name)).take(pa.array(further))
        theirs = cells_as_text(whole.column(name)).take(pa.array(places[codes[further]]))
        other = pc.and_(pa.array(happened(ours)), pc.not_equal(ours, theirs))
        rows = further[np.asarray(pc.fill_null(other, fill_value=False))]
        told = (
            "further rows say another time than the first of their value, which counts: parcels "
            "that went apart need ids of their own; of several exports hand over the latest first"
        )
        if len(rows):
            example = str(cells_as_text(table.column(name))[int(rows[0])].as_py())
            notes.append(
                Note(
                    reason="further_rows_differ",
                    column=name,
                    rows=len(rows),
                    told=told,
                    examples=(example,),
                )
            )
    return tuple(notes)


def split_cells(own: OwnRows, name: str, between: str) -> OwnRows:
    """A row for each of several values in one cell."""
    cells = in_one_piece(pc.split_pattern(cells_as_text(own.table.column(name)), between))
    cells = pc.if_else(cells.is_null(), pa.scalar([None], cells.type), cells)
    parents = pc.list_parent_indices(cells)
    values = pc.utf8_trim_whitespace(pc.list_flatten(cells))
    table = own.table.take(parents)
    table = table.set_column(table.column_names.index(name), name, values)
    rows = own.rows[parents.to_numpy()]
    notes = own.notes
    if len(table) > len(own.table):
        note = Note(
            reason="several_ids",
            column=name,
            rows=len(table) - len(own.table),
            told=f"more rows, where cells hold several values between {between!r}",
        )
        notes = (*notes, note)
    return OwnRows(
        table=table, rows=rows, broken=own.broken, notes=notes, left_aside=own.left_aside
    )
