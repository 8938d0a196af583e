"""The same milestones and lane statistics by duckdb, polars and pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from etapromise.history.windows import WINDOWS

from etapromise.tracking.contract import CLOSING_STATUSES, POSSESSION_STATUSES

__all__ = ["LANES", "MILESTONES", "TIMES", "as_pandas", "read_columns"]

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

Ints = npt.NDArray[np.int32]
Levels = tuple[float, ...]


def read_columns(path: Path) -> Any:
    """The floor: nothing but reading."""
    return pq.read_table(path, columns=_COLUMNS, read_dictionary=["status"])


def _duckdb_milestones(path: Path) -> Any:
    import duckdb

    firsts = ", ".join(
        f"min(scanned_at) filter (status in ({', '.join(map(repr, statuses))})) as {name}"
        for name, statuses in _FIRST.items()
    )
    query = (
        f"select shipment_id, {firsts}, max(scanned_at) as last_scan_at, count(*) as scan_count "  # noqa: S608
        f"from '{path}' group by shipment_id"
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.sql(query).to_arrow_table()


def _polars_milestones(path: Path) -> Any:
    import polars as pl

    firsts = [
        pl.col("scanned_at").filter(pl.col("status").is_in(statuses)).min().alias(name)
        for name, statuses in _FIRST.items()
    ]
    last = pl.col("scanned_at").max().alias("last_scan_at")
    scans = pl.scan_parquet(path).select(_COLUMNS)
    grouped = scans.group_by("shipment_id").agg(*firsts, last, pl.len().alias("scan_count"))
    return grouped.collect(engine="streaming")


def _pandas_milestones(path: Path) -> pd.DataFrame:
    scans = pd.read_parquet(path, columns=_COLUMNS)
    columns = {
        name: scans[scans["status"].isin(statuses)].groupby("shipment_id")["scanned_at"].min()
        for name, statuses in _FIRST.items()
    }
    by_shipment = scans.groupby("shipment_id")["scanned_at"]
    columns |= {"last_scan_at": by_shipment.max(), "scan_count": by_shipment.size()}
    return pd.DataFrame(columns).reset_index()


MILESTONES: Final[dict[str, Callable[[Path], Any]]] = {
    "duckdb": _duckdb_milestones,
    "polars": _polars_milestones,
    "pandas": _pandas_milestones,
}


def _duckdb_lanes(lane: Ints, order: Ints, known: Ints, days: Ints, levels: Levels) -> Any:
    import duckdb

    orders = pd.DataFrame({"lane": lane, "day": order})
    events = pd.DataFrame({"lane": lane, "day": known, "duration": days})
    said = [
        f'{what} over last_{window} as "{name}_{window}{suffix}"'
        for window in WINDOWS
        for what, name, suffix in (
            ("count(duration)", "count", ""),
            ("avg(duration)", "mean", ""),
            *((f"quantile_disc(duration, {p})", "quantile", f"_{p}") for p in levels),
        )
    ]
    frames = [
        f"last_{window} as (partition by lane order by day "
        f"range between {window} preceding and 1 preceding)"
        for window in WINDOWS
    ]
    query = f"""
        with questions as (select distinct lane, day, null::integer as duration from orders),
        lines as (select lane, day, duration from events union all from questions),
        answers as (select lane, day, duration, {", ".join(said)} from lines
                    window {", ".join(frames)} qualify duration is null)
        select answers.* exclude (duration) from orders join answers using (lane, day)
    """  # noqa: S608
    with duckdb.connect() as connection:
        connection.register("orders", orders)
        connection.register("events", events)
        return connection.sql(query).to_arrow_table()


def _polars_rows(lane: Ints, order: Ints, known: Ints, days: Ints) -> tuple[Any, Any]:
    import polars as pl

    orders = pl.DataFrame({"lane": lane, "day": order})
    events = pl.DataFrame({"lane": lane, "day": known, "duration": days})
    questions = orders.unique().with_columns(duration=pl.lit(None, pl.Int32))
    return orders, pl.concat([events, questions]).sort("lane", "day")


def _polars_rolling_by(lane: Ints, order: Ints, known: Ints, days: Ints, levels: Levels) -> Any:
    import polars as pl

    orders, rows = _polars_rows(lane, order, known, days)
    duration, said = pl.col("duration"), []
    for window in WINDOWS:
        options = {"by": "day", "window_size": f"{window}i", "closed": "left"}
        known_then = pl.col("duration").is_not_null().cast(pl.Int32)
        statistics = {
            f"count_{window}": known_then.rolling_sum_by(**options),
            f"mean_{window}": duration.rolling_mean_by(**options),
        }
        for p in levels:
            statistics[f"quantile_{window}_{p}"] = duration.rolling_quantile_by(
                quantile=p, interpolation="equiprobable", **options
            )
        said += [value.over("lane").alias(name) for name, value in statistics.items()]
    answers = rows.with_columns(said).filter(pl.col("duration").is_null()).drop("duration")
    return orders.join(answers, on=["lane", "day"], how="left", maintain_order="left")


def _polars_rolling(lane: Ints, order: Ints, known: Ints, days: Ints, levels: Levels) -> Any:
    import polars as pl

    found, rows = _polars_rows(lane, order, known, days)
    for window in WINDOWS:
        duration = pl.col("duration")
        answers = rows.rolling("day", period=f"{window}i", closed="left", group_by="lane").agg(
            duration.count().alias(f"count_{window}"),
            duration.mean().alias(f"mean_{window}"),
            *(duration.quantile(p, "equiprobable").alias(f"quantile_{window}_{p}") for p in levels),
        )
        found = found.join(
            answers.unique(["lane", "day"]), on=["lane", "day"], how="left", maintain_order="left"
        )
    return found


def _pandas_lanes(lane: Ints, order: Ints, known: Ints, days: Ints, levels: Levels) -> Any:
    orders = pd.DataFrame({"lane": lane, "day": pd.to_datetime(order, unit="D")})
    events = pd.DataFrame({"lane": lane, "day": pd.to_datetime(known, unit="D"), "duration": days})
    rows = pd.concat([events, orders.drop_duplicates()]).sort_values(["lane", "day"])
    rows = rows.reset_index(drop=True)
    for window in WINDOWS:
        rolling = rows.groupby("lane").rolling(
            f"{window}D", on="day", closed="left", min_periods=1
        )["duration"]
        rows[f"count_{window}"] = rolling.count().fillna(0).to_numpy()
        rows[f"mean_{window}"] = rolling.mean().to_numpy()
        for p in levels:
            quantile = rolling.quantile(p, interpolation="lower")
            rows[f"quantile_{window}_{p}"] = quantile.to_numpy()
    answers = rows[rows["duration"].isna()].drop(columns="duration")
    return orders.merge(answers, on=["lane", "day"], how="left")


# By "peer, method". Those of pandas interpolate, and only its lower median is the nearest rank.
LANES: Final[dict[str, Callable[..., Any]]] = {
    "duckdb, window frames": _duckdb_lanes,
    "polars, rolling_quantile_by": _polars_rolling_by,
    "polars, rolling": _polars_rolling,
    "pandas, rolling": _pandas_lanes,
}


def as_pandas(table: Any) -> pd.DataFrame:
    """Whatever a peer gave, to be compared."""
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()
