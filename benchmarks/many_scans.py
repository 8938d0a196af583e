"""Time and memory of one ingest by its number of scans, up to hundreds of millions.

    python benchmarks/many_scans.py [--scans 2e6 2e7 2e8] [--out output/many_scans]

A year of orders, eight scans a parcel on average, in the order of a carrier's feed. The files are
written an order day at a time and removed after; every ingest runs in a process of its own, told
are its peak of resident memory and its processor time. More than 50 million scans are laid in eight
buckets a week.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import scan_files
from sizes import run

SCANS_A_PARCEL = 8.02
ONE_BUCKET = 5e7


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=float, nargs="+", default=[2e6, 2e7])
    parser.add_argument("--out", type=Path, default=Path("output/many_scans"))
    told = parser.parse_args()
    for wanted in told.scans:
        place = told.out / f"{wanted:g}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        parcels, scans = scan_files.write_year(place, int(wanted / SCANS_A_PARCEL), seed=1)
        size = sum(path.stat().st_size for path in place.iterdir()) / 1e9
        print(f"\n{parcels:,} shipments, {scans:,} scans, {size:.2f} GB of files", flush=True)
        begun, store = time.perf_counter(), place / "store"
        run(
            "ingest",
            scans,
            *("ingest", "--store", str(store), "--buckets", "8" if scans > ONE_BUCKET else "1"),
            *("--shipments", str(place / "shipments.parquet")),
            *("--scans", str(place / "scans.parquet")),
        )
        size = sum(path.stat().st_size for path in store.rglob("*.parquet")) / 1e9
        print(f"{time.perf_counter() - begun:.0f} s of wall time; a store of {size:.2f} GB")
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
