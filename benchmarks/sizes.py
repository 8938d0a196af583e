"""Time and memory of ingest, training and the nightly refresh by the size of the history.

    python benchmarks/sizes.py [--orders 500 1170 5100] [--out output/sizes]

Each size is a simulated year with so many orders a day. Every command runs in a process of its
own; told are its peak of resident memory and its processor time. A night brings the last hundredth
of the scans to a store that has all before; its refresh stands beside one that reads the tables.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etapromise_simulator import NetworkConfig, write_sample

AS_OF = "2026-01-06"
DAY = 86_400_000_000


def run(label: str, rows: int, *arguments: str) -> None:
    """Run a command of etapromise and tell what it took."""
    measure = (
        "import resource, subprocess, sys;"
        "code = subprocess.run([sys.executable, '-m', 'etapromise', *sys.argv[1:]],"
        " stdout=subprocess.DEVNULL).returncode;"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(code, used.ru_maxrss, used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    code, peak, seconds = done.stdout.split()[-3:]
    each = 1e6 * float(seconds) / rows
    print(
        f"{label:24} {int(peak) / 1e6:6.2f} GB {float(seconds):8.0f} s CPU {each:8.1f} us a row"
        f"  exit {code}",
        flush=True,
    )


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=float, nargs="+", default=[500.0, 1170.0])
    parser.add_argument("--out", type=Path, default=Path("output/sizes"))
    told = parser.parse_args()
    print(f"limit of memory: {resource.getrlimit(resource.RLIMIT_AS)[0]}")
    for orders in told.orders:
        place = told.out / f"{orders:g}"
        rows = write_sample(
            place,
            NetworkConfig(start=date(2025, 1, 6), days=365, shipments_per_day=orders),
        )
        parcels, scans = rows["shipments.parquet"], rows["scans.parquet"]
        print(f"\n{parcels:,} shipments, {scans:,} scans")
        table = pq.read_table(place / "scans.parquet")
        received = table["received_at"].cast("int64")
        cut = int(np.quantile(received.to_numpy(), 0.99)) // DAY * DAY
        late = pc.greater_equal(received, cut)
        pq.write_table(table.filter(pc.invert(late)), place / "before.parquet")
        pq.write_table(table.filter(late), place / "day.parquet")
        day = pq.read_metadata(place / "day.parquet").num_rows
        known = np.datetime64(cut, "us").astype("datetime64[D]")
        print(f"{day:,} of them since {known}")
        store, models = str(place / "store"), str(place / "models")
        shipments, every = str(place / "shipments.parquet"), str(place / "scans.parquet")
        before, later = str(place / "before.parquet"), str(place / "day.parquet")
        ingest = ("ingest", "--store", store)
        kept, whole = ("--store", store), ("--shipments", shipments, "--scans", every)
        run("ingest", scans, *ingest, "--shipments", shipments, "--scans", before)
        run("train --store", parcels, "train", *kept, "--as-of", str(known), "--out", models)
        run("ingest of 1 %", day, *ingest, "--scans", later)
        # Each begins with the model as it was trained.
        for label, tables in (("refresh --store", kept), ("refresh of tables", whole)):
            copy = place / f"models of {label}"
            shutil.copytree(models, copy, symlinks=True)
            run(label, parcels, "refresh", *tables, "--as-of", AS_OF, "--models", str(copy))


if __name__ == "__main__":
    main()
