"""A seeded network's shipments and scans as Parquet files, in the order of a carrier's feed.

Times are whole seconds; every journey has eight scans on average. ``dirty`` scans also say when
they were received and by which carrier, and come late, twice, from reused numbers and from unknown
parcels.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from etapromise.tracking import STATUSES

__all__ = ["write_clean_scans", "write_dirty_scans", "write_shipments", "write_year"]

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = np.datetime64("2024-01-01", "us").astype(np.int64)
ROW_GROUP = 1_000_000

Ints = npt.NDArray[np.int64]


def _text_ids(numbers: Ints, *, integer: bool) -> pa.Array:
    if integer:
        return pa.array(numbers + 10**9)
    digits = np.char.zfill(numbers.astype("U9"), 9)
    return pa.array(np.char.add("JD", digits)).cast(pa.string())


def _times(values: Ints) -> pa.Array:
    return pa.array(values).cast(pa.timestamp("us", "UTC"))


def _ordered(n: int, seed: int, days: int = 365) -> Ints:
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, days * 86_400, n))
    return START + seconds * SECOND


def write_shipments(path: Path, n: int, *, seed: int, integer_ids: bool = False) -> None:
    """Write ``n`` shipments, ordered over a year."""
    table = _shipments(np.arange(n), _ordered(n, seed), integer_ids=integer_ids)
    pq.write_table(table, path, row_group_size=ROW_GROUP)


def _shipments(number: Ints, ordered: Ints, *, integer_ids: bool) -> pa.Table:
    return pa.table(
        {
            "shipment_id": _text_ids(number, integer=integer_ids),
            "ordered_at": _times(ordered),
            "origin": pa.array(np.full(len(number), "10115")),
            "destination": pa.array((number * 7919 % 90_000 + 10_000).astype("U5")),
            "carrier": pa.array(np.array(["acme", "zoom", "parcelio"])[number % 3]),
        }
    )


def _journeys(n: int, seed: int, days: int = 365) -> tuple[Ints, npt.NDArray[np.int8], Ints]:
    """Shipment, status and event time of every scan of ``n`` sound journeys, in order of time."""
    random = np.random.default_rng(seed + 1)
    when = _ordered(n, seed, days)
    fate = random.random(n)
    hubs = random.integers(0, 3, n)
    parts: list[tuple[Ints, Ints, Ints]] = []

    def step(status: str, who: npt.NDArray[np.bool_], hours: float) -> None:
        shipment = np.flatnonzero(who)
        passed = 60 + random.exponential(hours * 3600, len(shipment)).astype(np.int64)
        when[shipment] += passed * SECOND
        code = np.full(len(shipment), STATUSES.index(status), dtype=np.int64)
        parts.append((shipment, code, when[shipment].copy()))

    everyone = np.ones(n, dtype=bool)
    step("label_created", everyone, 2)
    step("picked_up", everyone, 20)
    for hub in range(3):
        step("arrived", hubs >= hub, 9)
        step("departed", hubs >= hub, 5)
    arriving = fate > 0.005
    step("out_for_delivery", arriving, 14)
    again = arriving & (fate < 0.08)
    step("attempted", again, 4)
    back = arriving & (fate < 0.02)
    step("returning", back, 30)
    step("returned", back, 60)
    step("available_for_pickup", again & ~back & (fate < 0.03), 2)
    step("delivered", arriving & ~back, 5)
    step("lost", ~arriving, 300)
    shipment, status, scanned = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.argsort(scanned, kind="stable")
    return shipment[order], status[order].astype(np.int8), scanned[order]


def _write(path: Path, columns: dict[str, Any], *, integer_ids: bool) -> int:
    """Write scans a row group at a time; returns how many."""
    n = len(columns["scanned_at"])
    words = pa.array(STATUSES)
    writer = None
    for first in range(0, n, ROW_GROUP):
        cut = slice(first, first + ROW_GROUP)
        arrays = {
            "shipment_id": _text_ids(columns["shipment"][cut], integer=integer_ids),
            "scanned_at": _times(columns["scanned_at"][cut]),
            "status": words.take(pa.array(columns["status"][cut])),
        }
        if "received_at" in columns:
            arrays["received_at"] = _times(columns["received_at"][cut])
            arrays["carrier"] = columns["carriers"].take(pa.array(columns["carrier"][cut]))
        table = pa.table(arrays)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return n


def write_clean_scans(path: Path, n: int, *, seed: int, integer_ids: bool = False) -> int:
    """Write the scans of ``n`` sound journeys; returns how many."""
    shipment, status, scanned = _journeys(n, seed)
    columns = {"shipment": shipment, "status": status, "scanned_at": scanned}
    return _write(path, columns, integer_ids=integer_ids)


def write_dirty_scans(path: Path, n: int, *, seed: int, integer_ids: bool = False) -> int:
    """Write the same scans with what goes wrong on the way; returns how many."""
    random = np.random.default_rng(seed + 2)
    shipment, status, scanned = _journeys(n, seed)
    count = len(shipment)
    extra = random.choice(count, count // 30, replace=False)
    shipment, status, scanned = (
        np.concatenate([values, values[extra]]) for values in (shipment, status, scanned)
    )
    # The copies: most are doubles, some another parcel's, some impossible, some of unknown parcels.
    kind = np.concatenate([np.zeros(count, np.int64), random.integers(1, 11, len(extra))])
    scanned[kind == 1] += 60 * DAY
    scanned[kind == 2] -= 45 * DAY
    shipment[kind == 3] += 2 * n
    received = scanned + random.exponential(1800, len(scanned)).astype(np.int64) * SECOND
    received += (random.random(len(scanned)) < 0.02) * random.integers(0, 5 * DAY, len(scanned))
    received[kind == 4] -= 3 * DAY
    carrier = np.where(random.random(len(scanned)) < 0.05, 3, shipment % 3)
    order = np.argsort(received, kind="stable")
    columns = {
        "shipment": shipment[order],
        "status": status[order],
        "scanned_at": scanned[order],
        "received_at": received[order],
        "carrier": carrier[order],
        "carriers": pa.array(["acme", "zoom", "parcelio", "lastmile"]),
    }
    return _write(path, columns, integer_ids=integer_ids)


def write_year(folder: Path, n: int, *, seed: int) -> tuple[int, int]:
    """Write ``n`` shipments of a year and their scans, a day at a time; returns how many of each.

    The memory that it takes is that of some days, however many there are.
    """
    words, each, scans = pa.array(STATUSES), n // 365, 0
    with contextlib.ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}

        def write(name: str, table: pa.Table) -> int:
            if name not in writers:
                where = folder / f"{name}.parquet"
                writers[name] = files.enter_context(pq.ParquetWriter(where, table.schema))
            for first in range(0, len(table), ROW_GROUP):
                writers[name].write_table(table.slice(first, ROW_GROUP))
            return len(table)

        waiting = [np.zeros(0, np.int64)] * 3
        for day in range(365):
            ordered = _ordered(each, seed + day, 1) + day * DAY
            number = np.arange(each) + day * each
            write("shipments", _shipments(number, ordered, integer_ids=False))
            shipment, status, scanned = _journeys(each, seed + day, 1)
            more = (shipment + day * each, status, scanned + day * DAY)
            waiting = [np.concatenate(pair) for pair in zip(waiting, more, strict=True)]
            over = waiting[2] < START + (day + 1) * DAY if day < 364 else waiting[2] >= START
            order = np.flatnonzero(over)[np.argsort(waiting[2][over], kind="stable")]
            columns = {
                "shipment_id": _text_ids(waiting[0][order], integer=False),
                "scanned_at": _times(waiting[2][order]),
                "status": words.take(pa.array(waiting[1][order])),
            }
            scans += write("scans", pa.table(columns))
            waiting = [values[~over] for values in waiting]
    return 365 * each, scans
