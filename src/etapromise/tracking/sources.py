"""Opening a table: files in any common form, a DataFrame, or what Arrow can take over.

Nothing is judged here but whether it can be read at all and has its required columns. Parquet of
any size is read a batch of rows at a time.
"""

from __future__ import annotations

import decimal
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from etapromise.errors import ContractError, name_meant
from etapromise.normal_forms.texts import as_written
from etapromise.text_type import frame_of_arrow
from etapromise.tracking.column_names import names_of, score_name
from etapromise.tracking.contract import SCAN_COLUMNS, Column, Kind
from etapromise.tracking.faults import NO_OWN_NAMES, Note, OwnNames
from etapromise.tracking.files.arrow_types import refuse_strange_types
from etapromise.tracking.files.found_files import FoundFile, damage_named, find_files, parquet_files
from etapromise.tracking.files.table_files import (
    BrokenLine,
    FileOptions,
    one_table,
    open_file,
    require_once_each,
    with_partition,
)
from etapromise.tracking.python_objects import are_objects

# Rows that are read at once: large enough to spread what a batch costs, small enough to stay cheap.
_BATCH: Final = 2**19
# From which likeness on a column is told to be near one of the contract.
_NEAR: Final = 0.8
_CALLED: Final = 0.7
_TOLD_BY_FILES: Final = FileOptions()
# A signalling NaN is missing as any other is.
_QUIET: Final = decimal.Context(traps=[])


@runtime_checkable
class ArrowStream(Protocol):
    """What Arrow can take over without a copy: polars, duckdb and many more."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule, as the Arrow PyCapsule interface has it."""
        ...


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A table as it came, before any value is judged.

    Attributes:
        contract: The columns that the data contract names, each as an Arrow array of its own type.
        extras: The other columns, (n_rows,), row by row beside ``contract``.
        rows: 0-based position of every row in the input, (n_rows,). Not consecutive where the
            input had broken lines.
        broken: The lines that are no rows.
        notes: What was guessed or is strange, to be told once.
        left_aside: Rows of the input that a mapping folded into others.
        own_names: What the own table calls the columns of the contract.
        stated: By column of times, the rows whose formats a mapping states, so that no other is
            guessed, (n_rows,).
    """

    contract: dict[str, pa.ChunkedArray]
    extras: pd.DataFrame
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenLine, ...] = ()
    notes: tuple[Note, ...] = ()
    left_aside: int = 0
    own_names: OwnNames = NO_OWN_NAMES
    stated: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenedTable:
    """A source as Arrow has it, its columns not yet looked at.

    Attributes:
        table: Its rows.
        broken: Lines that are no rows, counted among all.
        notes: What had to be guessed.
        records: (n,) position of each row's record in the input; None where each is one.
    """

    table: pa.Table
    broken: tuple[BrokenLine, ...] = ()
    notes: tuple[Note, ...] = ()
    records: npt.NDArray[np.int64] | None = None

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Position of every row in the input, (n,)."""
        if self.records is not None:
            return self.records
        total = np.arange(len(self.table) + len(self.broken), dtype=np.int64)
        return np.delete(total, [line.row for line in self.broken]) if self.broken else total


Source: TypeAlias = (
    str | os.PathLike[str] | pd.DataFrame | pa.Table | ArrowStream | RawTable | OpenedTable
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive rows of a table that is read part by part, in any order and by any thread.

    Attributes:
        n_rows: How many there are.
        read: The rows, a batch at a time.
    """

    n_rows: int
    read: Callable[[], Iterator[RawTable]]


def scan_parts(source: Source) -> list[Part]:
    """`open_table` for scans of any size: Parquet files are read a batch of rows at a time.

    First of all come parts without rows and with all columns, so that their types can be checked;
    of Parquet, the others have those of the contract only.
    """
    if isinstance(source, (str, os.PathLike)):
        files = parquet_files(source, "scans")
        if files is not None:
            return _parquet_parts(files)
    whole = open_table(source, SCAN_COLUMNS, table="scans")
    cuts = range(0, len(whole.rows), _BATCH)
    return [
        _without_rows(whole),
        *(
            Part(
                n_rows=min(_BATCH, len(whole.rows) - first),
                read=functools.partial(_cut, whole, first),
            )
            for first in cuts
        ),
    ]


def _without_rows(raw: RawTable) -> Part:
    nothing = replace(
        raw,
        contract={name: array.slice(0, 0) for name, array in raw.contract.items()},
        extras=raw.extras.iloc[:0],
        rows=raw.rows[:0],
        own_names=raw.own_names.of(slice(0)),
        stated={},
    )
    return Part(n_rows=0, read=lambda: iter([nothing]))


def _cut(whole: RawTable, first: int) -> Iterator[RawTable]:
    yield RawTable(
        contract={name: array.slice(first, _BATCH) for name, array in whole.contract.items()},
        extras=whole.extras.iloc[first : first + _BATCH].reset_index(drop=True),
        rows=whole.rows[first : first + _BATCH],
        own_names=whole.own_names.of(slice(first, first + _BATCH)),
        stated={name: rows[first : first + _BATCH] for name, rows in whole.stated.items()},
    )


def _parquet_parts(files: list[FoundFile]) -> list[Part]:
    described = []
    for file in files:
        with damage_named(file.name, "scans"):
            metadata = pyarrow.parquet.read_metadata(file.open())
            require_once_each(metadata.schema.to_arrow_schema().names, file.name)
            described.append((file, metadata))
    parts: list[Part] = []
    first_row = 0
    schemas = [
        with_partition(metadata.schema.to_arrow_schema().empty_table(), file.partition).schema
        for file, metadata in described
    ]
    # What any file has, all have: of the others it is null.
    union = {one.name: one.type for schema in schemas for one in schema}
    for (file, metadata), schema in zip(described, schemas, strict=True):
        lacking = {name: kind for name, kind in union.items() if name not in schema.names}
        nothing = _with_nulls(schema.empty_table(), lacking)
        parts.append(_without_rows(open_table(nothing, SCAN_COLUMNS, table="scans")))
        for group in range(metadata.num_row_groups):
            n_rows = metadata.row_group(group).num_rows
            read = functools.partial(_row_group, file, metadata, group, first_row, lacking)
            parts.append(Part(n_rows=n_rows, read=read))
            first_row += n_rows
    return parts


def _with_nulls(table: pa.Table, lacking: Mapping[str, pa.DataType]) -> pa.Table:
    for name, kind in lacking.items():
        table = table.append_column(name, pa.nulls(len(table), kind))
    return table


def _row_group(
    source: FoundFile,
    metadata: pyarrow.parquet.FileMetaData,
    group: int,
    first_row: int,
    lacking: Mapping[str, pa.DataType],
) -> Iterator[RawTable]:
    schema = metadata.schema.to_arrow_schema()
    chosen = [name for name in schema.names if name in SCAN_COLUMNS]
    words = [
        name
        for name in chosen
        if pa.types.is_string(schema.field(name).type) and SCAN_COLUMNS[name].kind is Kind.TEXT
    ]
    with damage_named(source.name, "scans"):
        where = source.path if source.system is None else source.open()
        file = pyarrow.parquet.ParquetFile(where, metadata=metadata, read_dictionary=words)
        for batch in file.iter_batches(
            _BATCH, row_groups=[group], columns=chosen, use_threads=False
        ):
            arrow = with_partition(pa.Table.from_batches([batch]), source.partition)
            arrow = _with_nulls(arrow, lacking)
            yield RawTable(
                contract={
                    name: arrow.column(name) for name in SCAN_COLUMNS if name in arrow.column_names
                },
                extras=_extras(arrow.select([]), len(arrow)),
                rows=np.arange(first_row, first_row + len(arrow), dtype=np.int64),
            )
            first_row += len(arrow)


def open_table(source: Source, columns: Mapping[str, Column], *, table: str) -> RawTable:
    """Read ``source`` and split its columns into those of the contract and the others.

    Args:
        source: A path, directory, pattern or address of files (Parquet, Arrow, tables of text,
            JSON, Excel), a DataFrame, an Arrow table, or anything that has the Arrow stream
            interface.

    Raises:
        ContractError: The file is missing, empty, cut or of an unknown format, or a required
            column is absent or there twice.
    """
    if isinstance(source, RawTable):
        _check_names([*source.contract, *map(str, source.extras.columns)], columns, table)
        return source
    if isinstance(source, pd.DataFrame):
        names = [str(name) for name in source.columns]
        _check_names(names, columns, table)
        return RawTable(
            contract={name: _arrow_column(source[name]) for name in columns if name in source},
            extras=source[[name for name in source if name not in columns]].reset_index(drop=True),
            rows=np.arange(len(source), dtype=np.int64),
            notes=_near_names(names, columns, len(source)),
        )
    opened = arrow_table(source, table)
    arrow = opened.table
    _check_names(arrow.column_names, columns, table)
    extras = arrow.drop_columns([name for name in arrow.column_names if name in columns])
    return RawTable(
        contract={name: arrow.column(name) for name in columns if name in arrow.column_names},
        extras=frame_of_arrow(extras)
        if extras.num_columns
        else pd.DataFrame(index=range(len(arrow))),
        rows=opened.rows,
        broken=opened.broken,
        notes=opened.notes + _near_names(arrow.column_names, columns, len(arrow)),
    )


def _extras(table: pa.Table, rows: int) -> pd.DataFrame:
    if not table.num_columns:
        return pd.DataFrame(index=range(rows))
    return frame_of_arrow(table)


def arrow_table(source: Source, table: str, options: FileOptions = _TOLD_BY_FILES) -> OpenedTable:
    """A source as one Arrow table, whatever its columns.

    Raises:
        ContractError: It cannot be read.
    """
    if isinstance(source, OpenedTable):
        return source
    if isinstance(source, pd.DataFrame):
        doubled = [str(name) for name in source.columns]
        _check_names(doubled, {}, table)
        return OpenedTable(
            table=pa.table({str(name): _arrow_column(source[name]) for name in source})
        )
    if isinstance(source, (str, os.PathLike)):
        return _opened(find_files(source, table), table, options)
    if isinstance(source, ArrowStream):
        try:
            arrow = source if isinstance(source, pa.Table) else pa.table(source)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ContractError(
                f"found {type(source).__name__} for the {table}, which Arrow cannot take over: "
                f"{error}; hand over a DataFrame"
            ) from error
        refuse_strange_types(arrow, type(source).__name__)
        return OpenedTable(table=_without_views(arrow))
    lazy = "; collect it first: hand over .collect()" if hasattr(source, "collect") else ""
    raise ContractError(
        f"found {type(source).__name__} for the {table}, expected a path, "
        f"a pandas DataFrame or a pyarrow Table{lazy}"
    )


def _opened(files: list[FoundFile], table: str, options: FileOptions) -> OpenedTable:
    found = []
    for file in files:
        opened = open_file(file, table, options)
        notes = [
            Note(reason="guessed", column="", rows=len(opened.table), told=f"rows: {doubt}")
            for doubt in opened.doubts
        ]
        found.append(
            OpenedTable(
                table=opened.table,
                broken=opened.broken,
                notes=tuple(notes),
                records=opened.records,
            )
        )
    whole = one_opened(found)
    parts = [(one.table.column_names, len(one.table)) for one in found]
    return replace(
        whole, table=_without_views(whole.table), notes=whole.notes + lacking_columns(parts)
    )


def lacking_columns(parts: Sequence[tuple[Sequence[str], int]]) -> tuple[Note, ...]:
    """What to tell of columns that some files lack and others have.

    Args:
        parts: Of each file its columns, and how many rows it has.
    """
    notes = []
    for name in dict.fromkeys(name for names, _ in parts for name in names):
        rows = sum(count for names, count in parts if name not in names)
        if rows:
            told = "rows have none, as their files lack the column that others have"
            notes.append(Note(reason="lacking_column", column=name, rows=rows, told=told))
    return tuple(notes)


def one_opened(parts: Sequence[OpenedTable]) -> OpenedTable:
    """The rows of several tables after each other, counted through."""
    broken, rows, first = [], [], 0
    for one in parts:
        broken += [replace(line, row=line.row + first) for line in one.broken]
        rows.append(one.rows + first)
        first += len(one.broken) + (
            len(one.table) if one.records is None else int(one.records.max(initial=-1)) + 1
        )
    return OpenedTable(
        table=one_table([one.table for one in parts]),
        broken=tuple(broken),
        notes=tuple(note for one in parts for note in one.notes),
        records=np.concatenate(rows) if any(one.records is not None for one in parts) else None,
    )


def _without_views(arrow: pa.Table) -> pa.Table:
    """Views of strings, which much of Arrow cannot work with yet, as strings."""
    for place, one in enumerate(arrow.schema):
        if pa.types.is_string_view(one.type):
            text = pc.cast(arrow.column(place), pa.large_string())
            arrow = arrow.set_column(place, one.name, text)
    return arrow


def parquet_tables(files: list[FoundFile], table: str, rows: int) -> Iterator[pa.Table]:
    """Parquet files batch by batch, each with all columns that any of them has.

    Never more than a few batches are in memory; there is one without rows where there are none.

    Args:
        files: All of Parquet.
        rows: At most so many at once.

    Raises:
        ContractError: One is cut or damaged.
    """
    schemas = []
    for file in files:
        with damage_named(file.name, table):
            schema = pyarrow.parquet.read_schema(file.open())
            require_once_each(schema.names, file.name)
        schemas.append(with_partition(schema.empty_table(), file.partition).schema)
    union = {one.name: one.type for schema in schemas for one in schema}
    any_rows = False
    for found, schema in zip(files, schemas, strict=True):
        lacking = {name: kind for name, kind in union.items() if name not in schema.names}
        with (
            damage_named(found.name, table),
            pyarrow.parquet.ParquetFile(found.open(), pre_buffer=False) as file,
        ):
            for batch in file.iter_batches(rows):
                any_rows = True
                arrow = with_partition(pa.Table.from_batches([batch]), found.partition)
                yield _with_nulls(arrow, lacking).select(list(union))
    if not any_rows:
        yield one_table([schema.empty_table() for schema in schemas])


def _check_names(found: list[str], columns: Mapping[str, Column], table: str) -> None:
    require_once_each(found, f"the table of {table}")
    missing = [name for name, column in columns.items() if column.required and name not in found]
    if missing:
        raise ContractError(
            f"the {table} lack column {', '.join(map(repr, missing))}; "
            f"found {', '.join(map(repr, found)) or 'no columns'}; rename or add it, or let "
            "`etapromise check` propose a mapping of your columns"
        )


def _near_names(found: list[str], columns: Mapping[str, Column], rows: int) -> tuple[Note, ...]:
    """Columns that the contract does not know and whose names are near one that it does."""
    absent = [name for name in columns if name not in found]
    notes = []
    for name in found:
        if name in columns:
            continue
        near = name_meant(name.lower(), absent, likeness=_NEAR) or _called(name, absent)
        if near:
            told = f"rows have it, a column that is not known; did you mean {near!r}?"
            notes.append(Note(reason="unknown_column", column=name, rows=rows, told=told))
    return tuple(notes)


def _called(name: str, absent: list[str]) -> str | None:
    """The column of the contract that own tables call so, or nearly so: dest_contry."""
    roles = [role for role in absent if role in names_of()["shipments"]]
    fits = {role: score_name(name, "shipments", role) for role in roles}
    best = max(fits, key=fits.__getitem__, default=None)
    return best if best and fits[best] >= _CALLED else None


def _arrow_column(series: pd.Series[Any]) -> pa.ChunkedArray:
    if are_objects(series) and not _are_words(series):
        # Arrow would read a naive datetime beside a zoned one as UTC without a word, so a column of
        # Python objects goes through text, where the missing zone stays visible.
        with decimal.localcontext(_QUIET):
            series = series.astype(object).map(_object_as_text, na_action="ignore")
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"column {series.name!r} of type {series.dtype} cannot be read: {error}; "
            "give it one plain type"
        ) from error
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _are_words(series: pd.Series[Any]) -> bool:
    dtype = series.dtype
    return isinstance(dtype, pd.CategoricalDtype) and all(
        type(word) is str and word.isascii() for word in dtype.categories
    )


def _object_as_text(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return as_written(value) or ""
