"""Opening a table: a Parquet or CSV file, a directory of Parquet files, a DataFrame, Arrow.

Nothing is judged here but whether the file can be read at all and has its required columns. Of a
CSV file every field is read as text, so that one bad value costs its row and not the file.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from etapromise.errors import ContractError

if TYPE_CHECKING:
    from etapromise.tracking.contract import Column

__all__ = ["BrokenLine", "RawTable", "Source", "open_table"]

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


def _read_file(path: Path, table: str) -> tuple[pa.Table, tuple[BrokenLine, ...]]:
    if not path.exists():
        raise ContractError(f"found no file {path} for the {table}; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise ContractError(f"{path} is empty, expected a table of {table}; export it again")
    try:
        if path.is_dir() or path.suffix.lower() in {".parquet", ".pq"}:
            return pyarrow.parquet.read_table(path), ()
        if path.suffix.lower() == ".csv":
            return _read_csv(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(
            f"{path} cannot be read as a table of {table}, the file may be cut or damaged: "
            f"{error}; export it again"
        ) from error
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
