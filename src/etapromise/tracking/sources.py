"""Opening a table: a Parquet or CSV file, a directory of Parquet files, a DataFrame, Arrow.

Nothing is judged here but whether the file can be read at all and has its required columns. Of a
CSV file every field is read as text, so that one bad value costs its row and not the file.
"""

from __future__ import annotations

import csv
import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet

from etapromise.errors import ContractError
from etapromise.tracking.contract import Column, Kind

__all__ = ["BrokenLine", "Part", "RawTable", "Source", "open_parts", "open_table"]

# Rows that are read at once: large enough to spread what a batch costs, small enough to stay cheap.
_BATCH: Final = 2**19
_PARQUET: Final = frozenset({".parquet", ".pq"})

Source: TypeAlias = str | os.PathLike[str] | pd.DataFrame | pa.Table


@dataclass(frozen=True, kw_only=True)
class BrokenLine:
    """A CSV line with too few or too many fields, such as the last one of a cut file."""

    row: int
    text: str
    found: int
    expected: int


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A table as it came, before any value is judged.

    Attributes:
        contract: The columns that the data contract names, each as an Arrow array of its own type.
        extras: The other columns, (n_rows,), row by row beside ``contract``.
        rows: 0-based position of every row in the input, (n_rows,). Not consecutive where the
            input had broken lines.
        broken: The lines that are no rows.
    """

    contract: dict[str, pa.ChunkedArray]
    extras: pd.DataFrame
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive rows of a table that is read part by part, in any order and by any thread.

    Attributes:
        first_row: Position of the first among all rows, broken lines not counted.
        n_rows: How many there are.
        read: The rows, a batch at a time: those columns of the contract that are named, or all
            columns.
    """

    first_row: int
    n_rows: int
    read: Callable[[Collection[str] | None], Iterator[RawTable]]


def open_parts(source: Source, columns: Mapping[str, Column], *, table: str) -> list[Part]:
    """`open_table` for tables of any size: Parquet files are read a batch of rows at a time.

    First of all come parts without rows and with all columns, so that their types can be checked.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.is_dir() or path.suffix.lower() in _PARQUET:
            return _parquet_parts(path, columns, table)
    whole = open_table(source, columns, table=table)
    return [
        _without_rows(whole),
        *(
            Part(
                first_row=first,
                n_rows=min(_BATCH, len(whole.rows) - first),
                read=functools.partial(_cut, whole, first),
            )
            for first in range(0, len(whole.rows), _BATCH)
        ),
    ]


def _without_rows(raw: RawTable) -> Part:
    nothing = RawTable(
        contract={name: array.slice(0, 0) for name, array in raw.contract.items()},
        extras=raw.extras.iloc[:0],
        rows=raw.rows[:0],
        broken=raw.broken,
    )
    return Part(first_row=0, n_rows=0, read=lambda _: iter([nothing]))


def _cut(whole: RawTable, first: int, names: Collection[str] | None) -> Iterator[RawTable]:
    yield RawTable(
        contract={
            name: array.slice(first, _BATCH)
            for name, array in whole.contract.items()
            if names is None or name in names
        },
        extras=whole.extras.iloc[first : first + _BATCH].reset_index(drop=True),
        rows=whole.rows[first : first + _BATCH],
    )


def _parquet_parts(path: Path, columns: Mapping[str, Column], table: str) -> list[Part]:
    with _damage_named(path, table):
        _require_file(path, table)
        files = (
            sorted(pyarrow.dataset.dataset(path, format="parquet").files)
            if path.is_dir()
            else [str(path)]
        )
        described = [(name, pyarrow.parquet.read_metadata(name)) for name in files]
    parts: list[Part] = []
    first_row = 0
    for name, metadata in described:
        nothing = metadata.schema.to_arrow_schema().empty_table()
        parts.append(_without_rows(open_table(nothing, columns, table=table)))
        for group in range(metadata.num_row_groups):
            n_rows = metadata.row_group(group).num_rows
            read = functools.partial(
                _row_group, Path(name), metadata, group, first_row, columns, table
            )
            parts.append(Part(first_row=first_row, n_rows=n_rows, read=read))
            first_row += n_rows
    return parts


def _row_group(
    path: Path,
    metadata: pyarrow.parquet.FileMetaData,
    group: int,
    first_row: int,
    columns: Mapping[str, Column],
    table: str,
    names: Collection[str] | None,
) -> Iterator[RawTable]:
    schema = metadata.schema.to_arrow_schema()
    words = [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        and field.name in columns
        and columns[field.name].kind is Kind.TEXT
    ]
    chosen = [name for name in schema.names if names is None or name in names]
    with _damage_named(path, table):
        file = pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=words)
        for batch in file.iter_batches(
            _BATCH, row_groups=[group], columns=chosen, use_threads=False
        ):
            arrow = pa.Table.from_batches([batch])
            extras = arrow.drop_columns([name for name in arrow.column_names if name in columns])
            yield RawTable(
                contract={name: arrow.column(name) for name in columns if name in chosen},
                extras=extras.to_pandas()
                if extras.num_columns
                else pd.DataFrame(index=range(len(arrow))),
                rows=np.arange(first_row, first_row + len(arrow), dtype=np.int64),
            )
            first_row += len(arrow)


def open_table(source: Source, columns: Mapping[str, Column], *, table: str) -> RawTable:
    """Read ``source`` and split its columns into those of the contract and the others.

    Args:
        source: Path of a ``.parquet`` or ``.csv`` file or of a directory of Parquet files, a
            DataFrame, or an Arrow table.
        columns: The contract of this table, by column name.
        table: What the table is called in messages.

    Raises:
        ContractError: The file is missing, empty, cut or of an unknown format, or a required
            column is absent or there twice.
    """
    broken: tuple[BrokenLine, ...] = ()
    if isinstance(source, pd.DataFrame):
        _check_names([str(name) for name in source.columns], columns, table)
        return RawTable(
            contract={name: _arrow_column(source[name]) for name in columns if name in source},
            extras=source[[name for name in source if name not in columns]].reset_index(drop=True),
            rows=np.arange(len(source), dtype=np.int64),
        )
    if isinstance(source, pa.Table):
        arrow = source
    elif isinstance(source, (str, os.PathLike)):
        arrow, broken = _read_file(Path(source), table)
    else:
        raise ContractError(
            f"found {type(source).__name__} for the {table}, expected a path, "
            "a pandas DataFrame or a pyarrow Table"
        )
    _check_names(arrow.column_names, columns, table)
    extras = arrow.drop_columns([name for name in arrow.column_names if name in columns])
    total = arrow.num_rows + len(broken)
    return RawTable(
        contract={name: arrow.column(name) for name in columns if name in arrow.column_names},
        extras=extras.to_pandas() if extras.num_columns else pd.DataFrame(index=range(len(arrow))),
        rows=np.delete(np.arange(total, dtype=np.int64), [line.row for line in broken]),
        broken=broken,
    )


def _check_names(found: list[str], columns: Mapping[str, Column], table: str) -> None:
    doubled = sorted({name for name in found if found.count(name) > 1})
    if doubled:
        raise ContractError(f"the {table} have column {doubled[0]!r} more than once; rename one")
    missing = [name for name, column in columns.items() if column.required and name not in found]
    if missing:
        raise ContractError(
            f"the {table} lack column {', '.join(map(repr, missing))}; "
            f"found {', '.join(map(repr, found)) or 'no columns'}; rename or add it"
        )


def _arrow_column(series: pd.Series[Any]) -> pa.ChunkedArray:
    if series.dtype == object:
        # Arrow would read a naive datetime beside a zoned one as UTC without a word, so a column of
        # Python objects goes through text, where the missing zone stays visible.
        series = series.map(_object_as_text, na_action="ignore")
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ContractError(
            f"column {series.name!r} of type {series.dtype} cannot be read: {error}; "
            "give it one plain type"
        ) from error
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _object_as_text(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _require_file(path: Path, table: str) -> None:
    if not path.exists():
        raise ContractError(f"found no file {path} for the {table}; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise ContractError(f"{path} is empty, expected a table of {table}; export it again")


@contextmanager
def _damage_named(path: Path, table: str) -> Iterator[None]:
    """Turns what Arrow says of a damaged file into an error that names the file."""
    try:
        yield
    except ContractError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(
            f"{path} cannot be read as a table of {table}, the file may be cut or damaged: "
            f"{error}; export it again"
        ) from error


def _read_file(path: Path, table: str) -> tuple[pa.Table, tuple[BrokenLine, ...]]:
    _require_file(path, table)
    with _damage_named(path, table):
        if path.is_dir() or path.suffix.lower() in _PARQUET:
            return pyarrow.parquet.read_table(path), ()
        if path.suffix.lower() == ".csv":
            return _read_csv(path)
    raise ContractError(
        f"found {path} for the {table}, expected a .parquet or .csv file or a directory of "
        "Parquet files; convert it"
    )


def _read_csv(path: Path) -> tuple[pa.Table, tuple[BrokenLine, ...]]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        names = next(csv.reader(lines), [])
    found: list[pyarrow.csv.InvalidRow] = []

    def keep(line: pyarrow.csv.InvalidRow) -> str:
        found.append(line)
        return "skip"

    def read(*, threads: bool) -> pa.Table:
        return pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=threads),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    arrow = read(threads=True)
    if found:
        # Only a single thread knows the number of a broken line.
        found.clear()
        arrow = read(threads=False)
    # Numbers count from 1 and the first line is the header.
    broken = tuple(
        BrokenLine(
            row=line.number - 2,
            text=line.text,
            found=line.actual_columns,
            expected=line.expected_columns,
        )
        for line in found
    )
    return arrow, broken
