"""Writing tables: Parquet or CSV, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from etapromise.errors import CommandError
from etapromise.files import whole_file
from etapromise.tracking.python_objects import arrow_table_of

if TYPE_CHECKING:
    import pandas as pd


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet or CSV, whole or not at all; midnights become calendar dates.

    Raises:
        CommandError: The suffix is neither ``.parquet`` nor ``.csv``.
    """
    if path.suffix not in {".parquet", ".csv"}:
        raise CommandError(
            f"Found the name {path.name!r} for a table; expected it to end in .parquet or .csv."
        )
    arrow = with_dates(arrow_table_of(table))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        if path.suffix == ".parquet":
            pq.write_table(arrow, draft, compression="zstd")
        else:
            pyarrow.csv.write_csv(arrow, draft)


def with_dates(table: pa.Table) -> pa.Table:
    """Naive times in whole seconds are how pandas holds calendar dates."""
    fields: list[Any] = [
        field.with_type(pa.date32())
        if pa.types.is_timestamp(field.type) and field.type.tz is None and field.type.unit == "s"
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields)).replace_schema_metadata(None)
