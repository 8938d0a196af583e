"""Applying a mapping: own tables in, the two tables of the contract out, row by row accounted for.

Values are only brought into their place and their writing told; whether they are any good is
judged where the tables are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.errors import ContractError, name_meant
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, Column, Kind
from etapromise.tracking.faults import Faults, Note
from etapromise.tracking.mapping import (
    RELEASED,
    SILENT,
    MappedColumn,
    MappedJoin,
    MappedTable,
    MappingSource,
    TableMapping,
    read_mapping,
)
from etapromise.tracking.sources import OpenedTable, RawTable, Source, arrow_table
from etapromise.tracking.table_files import BrokenLine, FileOptions, one_table
from etapromise.tracking.written_times import WrittenTime, iso_times

__all__ = [
    "joined_tables",
    "mapped_scans",
    "mapped_shipments",
    "mapped_tables",
    "plain_ids",
    "text_of",
]

# What stands in a milestone that has not happened.
_BLANKS: Final = pa.array(
    [
        *("", "-", "--", "n/a", "na", "#n/a", "null", "none", "nan", "nat", "0"),
        *("0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000"),
    ],
    pa.large_string(),
)
_NUMBER: Final = re.compile(r"^([+-]?[\d.,'\s\u00a0\u202f]*\d)\s*([A-Za-z]*)\.?$")
_KILOGRAMS: Final = {
    **dict.fromkeys(("kg", "kgs", "kilo", "kilogram", "kilograms"), 1.0),
    **dict.fromkeys(("g", "gr", "gram", "grams"), 0.001),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), 0.45359237),
    **dict.fromkeys(("oz", "ounce", "ounces"), 0.028349523125),
}


@dataclass(frozen=True, kw_only=True)
class _Own:
    """An own table with what it lost and what is told of it."""

    table: pa.Table
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenLine, ...]
    notes: tuple[Note, ...]
    left_aside: int


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


def _own_table(mapping: TableMapping, part: MappedTable, source: Source | None, table: str) -> _Own:
    options = FileOptions(
        encoding=part.encoding,
        separator=part.separator,
        skip=part.skip,
        sheet=part.sheet,
        rows=part.rows,
    )
    if source is not None:
        opened = arrow_table(source, table, options)
    elif not part.files:
        raise ContractError(
            f"the mapping {mapping.path} names no files for the {table}; hand them over, or name "
            "them: files = […]"
        )
    else:
        opened = _all([arrow_table(file, table, options) for file in mapping.files_of(part)])
    if part.join is not None:
        opened = _joined(mapping, part.join, opened, table)
    _require_columns(mapping, part, opened.table.column_names, table)
    arrow = opened.table
    for name in part.fill_down:
        place = arrow.column_names.index(name)
        filled = pc.fill_null_forward(_empty_as_null(arrow.column(place)))
        arrow = arrow.set_column(place, name, filled)
    own = _Own(
        table=arrow, rows=opened.rows, broken=opened.broken, notes=opened.notes, left_aside=0
    )
    if part.one_row_per is not None:
        own = _folded(own, part.one_row_per)
    several = [one for one in part.columns.values() if one.split is not None and one.column]
    for one in several:
        own = _split(own, str(one.column), str(one.split))
    return own


def _joined(
    mapping: TableMapping, join: MappedJoin, opened: OpenedTable, table: str
) -> OpenedTable:
    """The table with the columns of another beside its own."""
    options = FileOptions(
        encoding=join.encoding, separator=join.separator, skip=join.skip, sheet=join.sheet
    )
    other = _all([arrow_table(file, "joined table", options) for file in mapping.files_of(join)])
    for name, names, whose in (
        (join.on, opened.table.column_names, table),
        (join.to, other.table.column_names, "joined table"),
    ):
        if name not in names:
            near = name_meant(name, names)
            raise ContractError(
                f"the mapping {mapping.path or ''} joins on column {name!r}, which the {whose} "
                "does not have"
                + (f"; did you mean {near!r}?" if near else ".")
                + f" Found {', '.join(map(repr, names))}; mend the mapping"
            )
    both, told = joined_tables(opened.table, other.table, join.on, join.to)
    notes = (*opened.notes, *other.notes, *told)
    return replace(opened, table=both, notes=notes)


def joined_tables(
    table: pa.Table, other: pa.Table, on: str, to: str
) -> tuple[pa.Table, tuple[Note, ...]]:
    """Each row of a table with that row of another whose column `to` names it.

    Args:
        table: (n, …)
        other: Of further rows of one name the first counts, its empty fields filled from them.
        on: A column of `table`.
        to: A column of `other`.

    Returns:
        The (n, …) rows, a column that both have called ``… (joined)``; and what has no partner.
    """
    rows = np.arange(len(other), dtype=np.int64)
    whole = _folded(_Own(table=other, rows=rows, broken=(), notes=(), left_aside=0), to).table
    names = text_of(whole.column(to)).to_pandas()
    place = pd.Index(names).get_indexer(text_of(table.column(on)).to_pandas())
    missing = (place < 0) | pd.isna(names).to_numpy()[place]
    take = pa.array(np.where(missing, 0, place), mask=missing)
    for name in whole.column_names:
        column = whole.column(name).take(take)
        table = table.append_column(
            f"{name} (joined)" if name in table.column_names else name, column
        )
    told = Faults(0)
    told.note(int(missing.sum()), "not_joined", on, f"have no row in the other table's {to!r}")
    unused = len(whole) - len(np.unique(place[~missing]))
    told.note(unused, "without_parcel", to, "of the other table are of no row, and were left out")
    return table, told.notes


def text_of(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as text, whole floats as their digits."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.int64(), safe=False)
    return pc.utf8_trim_whitespace(array.cast(pa.large_string()))


def _all(opened: Sequence[OpenedTable]) -> OpenedTable:
    broken: list[BrokenLine] = []
    notes: list[Note] = []
    rows = 0
    for one in opened:
        broken += [
            BrokenLine(
                row=line.row + rows, text=line.text, found=line.found, expected=line.expected
            )
            for line in one.broken
        ]
        notes += one.notes
        rows += len(one.table) + len(one.broken)
    return OpenedTable(
        table=one_table([one.table for one in opened]), broken=tuple(broken), notes=tuple(notes)
    )


def _require_columns(
    mapping: TableMapping, part: MappedTable, found: list[str], table: str
) -> None:
    doubled = sorted({name for name in found if found.count(name) > 1})
    mapped = [*part.columns.items(), *part.milestones.items(), *part.features.items()]
    needed = [(key, name) for key, one in mapped for name in one.sources]
    needed += [("fill_down", name) for name in part.fill_down]
    if part.one_row_per is not None:
        needed.append(("one_row_per", part.one_row_per))
    for key, name in needed:
        if name in doubled:
            raise ContractError(f"the {table} have column {name!r} more than once; rename one")
        if name not in found:
            near = name_meant(name, found)
            raise ContractError(
                f"the mapping {mapping.path or ''} takes {key} from column {name!r}, which the "
                f"{table} do not have"
                + (f"; did you mean {near!r}?" if near else ".")
                + f" Found {', '.join(map(repr, found)) or 'no columns'}; mend the mapping"
            )


def _empty_as_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pt.is_string(column.type) or pt.is_large_string(column.type)):
        return column
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    return pc.if_else(pc.fill_null(blank, fill_value=False), pa.scalar(None, column.type), column)


def _folded(own: _Own, key: str) -> _Own:
    """The first row of each key, its empty fields filled from the further ones."""
    codes, _ = pd.factorize(_text(own.table.column(key)).to_pandas())
    nameless = codes < 0
    first = np.zeros(len(codes), dtype=bool)
    first[np.unique(codes, return_index=True)[1]] = True
    first |= nameless
    if first.all():
        return own
    table = own.table
    for place, name in enumerate(table.column_names):
        column = _empty_as_null(table.column(place))
        if column.null_count == 0:
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
        told="further rows of a value, folded into its first",
    )
    keep = np.flatnonzero(first)
    return _Own(
        table=table.take(pa.array(keep)),
        rows=own.rows[keep],
        broken=own.broken,
        notes=(*own.notes, note),
        left_aside=own.left_aside + left,
    )


def _split(own: _Own, name: str, between: str) -> _Own:
    """A row for each of several values in one cell."""
    cells = pc.split_pattern(_text(own.table.column(name)), between).combine_chunks()
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.chunk(0)
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
    return _Own(table=table, rows=rows, broken=own.broken, notes=notes, left_aside=own.left_aside)


def mapped_shipments(mapping: TableMapping, own: _Own) -> RawTable:
    """The shipments of an own table."""
    part = mapping.shipments
    columns = {
        name: _column(own.table, one, SHIPMENT_COLUMNS.get(name), part)
        for name, one in part.columns.items()
    }
    columns["shipment_id"] = plain_ids(columns["shipment_id"], mapping.ids_ignore)
    notes = own.notes
    if RELEASED in columns:
        columns["ordered_at"], note = _released(columns["ordered_at"], columns.pop(RELEASED))
        notes += note
    return RawTable(
        contract=columns,
        extras=_features(own.table, part),
        rows=own.rows,
        broken=own.broken,
        notes=notes,
        left_aside=own.left_aside,
    )


def mapped_scans(mapping: TableMapping, source: Source | None) -> RawTable:
    """The scans of own tables."""
    part = mapping.scans
    if part is None:
        raise ContractError(f"the mapping {mapping.path} has no table [scans]; add one")
    own = _own_table(mapping, part, source, "scans")
    columns = {
        name: _column(own.table, one, SCAN_COLUMNS[name], part)
        for name, one in part.columns.items()
    }
    columns["shipment_id"] = plain_ids(columns["shipment_id"], mapping.ids_ignore)
    extras, rows, left, notes = _features(own.table, part), own.rows, own.left_aside, own.notes
    if part.statuses:
        status, mapped, silent = _statuses(columns["status"], part.statuses)
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
    )


def _statuses(
    status: pa.ChunkedArray, meanings: Mapping[str, str]
) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Codes with their meaning in place, which were mapped, and which say nothing."""
    encoded = pc.dictionary_encode(_text(status)).unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    words = encoded.dictionary.to_pylist()
    found = [meanings.get(str(word).strip().lower()) for word in words]
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(words)).to_numpy()
    said = pa.array(
        [word if one is None else one for word, one in zip(words, found, strict=True)] + [None],
        pa.large_string(),
    )
    mapped = np.array([one is not None for one in found] + [False])[codes]
    silent = np.array([one == SILENT for one in found] + [False])[codes]
    return pa.chunked_array([said.take(pa.array(codes))]), mapped, silent


def _milestone_scans(mapping: TableMapping, own: _Own) -> RawTable:
    """Each filled milestone of a shipment as a scan, counted in the rows of the shipments."""
    part = mapping.shipments
    ids = _column(own.table, part.columns["shipment_id"], SHIPMENT_COLUMNS["shipment_id"], part)
    ids = _text(plain_ids(ids, mapping.ids_ignore))
    scanned_at = SCAN_COLUMNS["scanned_at"]
    parts: dict[str, list[pa.ChunkedArray]] = {"shipment_id": [], "scanned_at": [], "status": []}
    rows = []
    for status, one in part.milestones.items():
        times = _column(own.table, one, scanned_at, part)
        there = np.flatnonzero(_happened(times))
        parts["shipment_id"].append(ids.take(pa.array(there)))
        parts["scanned_at"].append(_text(times.take(pa.array(there))))
        said = pa.array([status] * len(there), pa.large_string())
        parts["status"].append(pa.chunked_array([said]))
        rows.append(own.rows[there])
    columns = {
        name: pa.chunked_array([chunk for one in found for chunk in one.chunks], pa.large_string())
        for name, found in parts.items()
    }
    count = len(columns["status"])
    columns["vocabulary"] = pa.chunked_array([pa.array(["standard"] * count, pa.large_string())])
    return RawTable(
        contract=columns, extras=pd.DataFrame(index=range(count)), rows=np.concatenate(rows)
    )


def _happened(times: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    if not pt.is_large_string(times.type):
        return np.asarray(times.is_valid().to_numpy(), dtype=bool)
    blank = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(times)), _BLANKS)
    return np.asarray(pc.and_(times.is_valid(), pc.invert(blank)).to_numpy(), dtype=bool)


def _together(found: Sequence[RawTable]) -> RawTable:
    """Scans of several sources as one table; rows are counted within each source."""
    if len(found) == 1:
        return found[0]
    names = dict.fromkeys(name for one in found for name in one.contract)
    columns = {}
    for name in names:
        chunks: list[pa.Array] = []
        for one in found:
            given = one.contract.get(name)
            text = pa.nulls(len(one.rows), pa.large_string()) if given is None else _text(given)
            chunks += text.chunks if isinstance(text, pa.ChunkedArray) else [text]
        columns[name] = pa.chunked_array(chunks, pa.large_string())
    last = 0
    rows, broken = [], []
    for one in found:
        rows.append(one.rows + last)
        broken += [
            BrokenLine(
                row=line.row + last, text=line.text, found=line.found, expected=line.expected
            )
            for line in one.broken
        ]
        last += int(one.rows.max(initial=-1)) + 1
    return RawTable(
        contract=columns,
        extras=pd.concat([one.extras for one in found], ignore_index=True),
        rows=np.concatenate(rows),
        broken=tuple(broken),
        notes=tuple(note for one in found for note in one.notes),
        left_aside=sum(one.left_aside for one in found),
    )


def _features(table: pa.Table, part: MappedTable) -> pd.DataFrame:
    found = {name: _feature(table, one).to_pandas() for name, one in part.features.items()}
    return pd.DataFrame(found, index=pd.RangeIndex(len(table)))


def _feature(table: pa.Table, one: MappedColumn) -> pa.ChunkedArray:
    if one.column is None:
        return pa.chunked_array([pa.array([one.value] * len(table), pa.large_string())])
    column = table.column(one.column)
    if one.decimal is None and one.unit is None:
        return column
    numbers = pd.to_numeric(_numbers(column, one).to_pandas(), errors="coerce")
    return pa.chunked_array([pa.array(numbers, pa.float64(), from_pandas=True)])


def _column(
    table: pa.Table, one: MappedColumn, column: Column | None, part: MappedTable
) -> pa.ChunkedArray:
    """A column of the contract, as text or as Arrow has it."""
    kind = Kind.TIME if column is None else column.kind
    if one.column is None:
        same = pa.array([one.value], pa.large_string()).take(pa.array(np.zeros(len(table), int)))
        return pa.chunked_array([same])
    array = table.column(one.column)
    if kind in {Kind.TIME, Kind.DATE}:
        zone = None if one.zone == "place" else one.zone or part.time_zone
        written = WrittenTime(
            formats=one.formats, zone=zone, plain_dates=one.plain_dates or kind is Kind.DATE
        )
        if kind is Kind.DATE and not one.formats:
            return array
        zones = None if one.zone_column is None else _text(table.column(one.zone_column))
        return iso_times(array, written, zones)
    if kind is Kind.NUMBER:
        return _numbers(array, one) if one.decimal or one.unit else array
    return array


def _text(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pt.is_timestamp(array.type):
        form = "%Y-%m-%dT%H:%M:%S" + ("Z" if array.type.tz else "")
        utc = array.cast(pa.timestamp("us", "UTC")) if array.type.tz else array
        return pc.strftime(utc.cast(pa.timestamp("us")), format=form).cast(pa.large_string())
    if pt.is_floating(array.type):
        whole = pc.all(pc.equal(array, pc.floor(array))).as_py()
        if whole is not False and (pc.max(pc.abs(array)).as_py() or 0) < 2**53:
            array = array.cast(pa.int64())
    return array.cast(pa.large_string())


def _numbers(array: pa.ChunkedArray, one: MappedColumn) -> pa.ChunkedArray:
    """Numbers with their decimal mark and unit, as plain text; what is none stays as it came."""
    decimal = one.decimal or "."
    factor = _KILOGRAMS[one.unit or "kg"]

    def plain(text: str) -> str:
        found = _NUMBER.match(text.strip())
        if found is None or found[2].lower() not in {"", *_KILOGRAMS}:
            return text
        digits = re.sub(r"[\s\u00a0\u202f']", "", found[1])
        digits = digits.replace("." if decimal == "," else ",", "").replace(decimal, ".")
        try:
            number = float(digits) * (_KILOGRAMS[found[2].lower()] if found[2] else factor)
        except ValueError:
            return text
        return f"{number:.9g}"

    words = pc.dictionary_encode(_text(array)).unify_dictionaries().combine_chunks()
    if isinstance(words, pa.ChunkedArray):
        words = words.chunk(0)
    said = pa.array([plain(word) for word in words.dictionary.to_pylist()], pa.large_string())
    return pa.chunked_array([said.take(words.indices)])


def _released(
    ordered: pa.ChunkedArray, released: pa.ChunkedArray
) -> tuple[pa.ChunkedArray, tuple[Note, ...]]:
    """The later of order and release: nobody can handle an order of what is not there yet."""
    orders, releases = _text(ordered), _text(released)
    there = _happened(releases)
    first, second = (pd.Series(text.to_pandas()).str.slice(0, 10) for text in (orders, releases))
    later = there & (second > first).fillna(value=False).to_numpy(dtype=bool)
    if not later.any():
        return ordered, ()
    note = Note(
        reason="released_later",
        column=RELEASED,
        rows=int(later.sum()),
        told="orders wait for a release; their clock starts then",
    )
    return pc.if_else(pa.array(later), releases, orders), (note,)


def plain_ids(array: pa.ChunkedArray, ignore: Iterable[str]) -> pa.ChunkedArray:
    """Ids without what does not count where they are compared; see `IDS_IGNORE`."""
    drop = set(ignore)
    if not drop:
        return array
    text = pc.utf8_trim_whitespace(_text(array))
    if "fraction" in drop:
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    if "blanks" in drop:
        text = pc.replace_substring_regex(text, r"\s+", "")
    if "symbols" in drop:
        text = pc.replace_substring_regex(text, r"[^\pL\pN]+", "")
    if "case" in drop:
        text = pc.utf8_upper(text)
    if "zeros" in drop:
        text = pc.replace_substring_regex(text, r"^0+(.)", r"\1")
    return text
