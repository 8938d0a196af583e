"""The same milestones by duckdb, polars and pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow.parquet as pq

from etapromise.tracking.contract import CLOSING_STATUSES, POSSESSION_STATUSES

__all__ = ["MILESTONES", "TIMES", "as_pandas", "read_columns"]

# On clean scans each of these is the earliest scan with one of some statuses.
_FIRST: Final = {
    "picked_up_at": sorted(POSSESSION_STATUSES),
    "attempted_at": ["attempted"],
    "delivered_at": ["delivered"],
    "available_at": ["available_for_pickup"],
    "closed_at": sorted(CLOSING_STATUSES),
}
TIMES: Final = (*_FIRST, "last_scan_at")
_COLUMNS: Final = ["shipment_id", "scanned_at", "status"]


def read_columns(shipments: Path, scans: Path) -> Any:
    """The floor: nothing but reading."""
    return pq.read_table(shipments), pq.read_table(scans, columns=_COLUMNS)


def _duckdb_milestones(shipments: Path, scans: Path) -> Any:
    import duckdb

    firsts = ", ".join(
        f"min(scanned_at) filter (status in ({', '.join(map(repr, statuses))})) as {name}"
        for name, statuses in _FIRST.items()
    )
    query = (
        f"with found as (select shipment_id, {firsts}, max(scanned_at) as last_scan_at, "  # noqa: S608
        f"count(*) as scan_count from '{scans}' group by shipment_id) "
        f"select * from '{shipments}' left join found using (shipment_id)"
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        return connection.sql(query).to_arrow_table()


def _polars_milestones(shipments: Path, scans: Path) -> Any:
    import polars as pl

    firsts = [
        pl.col("scanned_at").filter(pl.col("status").is_in(statuses)).min().alias(name)
        for name, statuses in _FIRST.items()
    ]
    last = pl.col("scanned_at").max().alias("last_scan_at")
    grouped = (
        pl.scan_parquet(scans)
        .select(_COLUMNS)
        .group_by("shipment_id")
        .agg(*firsts, last, pl.len().alias("scan_count"))
    )
    joined = pl.scan_parquet(shipments).join(grouped, on="shipment_id", how="left")
    return joined.collect(engine="streaming")


def _pandas_milestones(shipments: Path, scans: Path) -> pd.DataFrame:
    table = pd.read_parquet(scans, columns=_COLUMNS)
    columns = {
        name: table[table["status"].isin(statuses)].groupby("shipment_id")["scanned_at"].min()
        for name, statuses in _FIRST.items()
    }
    by_shipment = table.groupby("shipment_id")["scanned_at"]
    columns |= {"last_scan_at": by_shipment.max(), "scan_count": by_shipment.size()}
    return pd.read_parquet(shipments).join(pd.DataFrame(columns), on="shipment_id")


MILESTONES: Final[dict[str, Callable[[Path, Path], Any]]] = {
    "duckdb": _duckdb_milestones,
    "polars": _polars_milestones,
    "pandas": _pandas_milestones,
}


def as_pandas(table: Any) -> pd.DataFrame:
    """Whatever a peer gave, to be compared."""
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()
