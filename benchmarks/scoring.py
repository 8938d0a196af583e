"""Scoring a Parquet file of open orders: orders a second, and the most memory it ever held.

    python benchmarks/scoring.py --model output/models/current --orders 10000000

The orders are those of data/sample with new identifiers and times of the last week, written a batch
at a time; `etapromise score` runs as a user would run it, in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import etapromise

SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "shipments.parquet"
AT_ONCE = 250_000


def main() -> None:
    """Write, score, check and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("output/models/current"))
    parser.add_argument("--orders", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if not arguments.model.exists():
        print(f"skipped: no model in {arguments.model}; `make demo` trains one")
        return
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "orders.parquet"), Path(folder, "scored.parquet")
        as_of = etapromise.load(arguments.model).as_of
        write_orders(source, arguments.orders, np.datetime64(as_of.replace(tzinfo=None), "us"))
        command = [
            *(sys.executable, "-m", "etapromise", "score", "--model", str(arguments.model)),
            *("--shipments", str(source), "--as-of", as_of.isoformat(), "--out", str(out)),
        ]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        scored = pq.read_metadata(out).num_rows
        assert scored == arguments.orders, f"{scored} of {arguments.orders} orders were promised"
        cpu = used.ru_utime + used.ru_stime
        print(
            f"{scored:,} orders: wall {wall:.1f} s, CPU {cpu:.1f} s ({cpu / wall:.2f} of a core), "
            f"{scored / wall:,.0f} orders/s, {cpu / scored * 1e6:.1f} us of CPU an order, "
            f"at most {used.ru_maxrss / 1024:,.0f} MB resident"
        )
        print(
            f"read {source.stat().st_size / 1e6:,.0f} MB, wrote {out.stat().st_size / 1e6:,.0f} MB"
        )


def write_orders(path: Path, count: int, until: np.datetime64) -> None:
    """So many orders of the week that ends at `until`, UTC."""
    table = pq.read_table(SAMPLE)
    ordered = np.asarray(table["ordered_at"].cast(pa.timestamp("us", "UTC")), "datetime64[us]")
    recent = table.filter(pa.array(ordered > ordered.max() - np.timedelta64(60, "D")))
    rng = np.random.default_rng(0)
    week = 7 * 86_400_000_000
    with pq.ParquetWriter(path, recent.schema) as writer:
        for start in range(0, count, AT_ONCE):
            rows = min(AT_ONCE, count - start)
            batch = recent.take(pa.array(rng.integers(0, len(recent), rows)))
            ids = pa.array([f"order-{number:09d}" for number in range(start, start + rows)])
            times = until - rng.integers(0, week, rows).astype("timedelta64[us]")
            for name, values in {
                "shipment_id": ids,
                "ordered_at": pa.array(times).cast(pa.timestamp("us", "UTC")),
            }.items():
                field = recent.schema.field(name)
                column = recent.schema.get_field_index(name)
                batch = batch.set_column(column, field, values.cast(field.type))
            writer.write_table(batch, row_group_size=AT_ONCE)


if __name__ == "__main__":
    main()
