"""What a second process gains at an ingest, and what it could gain at most on this machine.

    python benchmarks/workers.py [--scans 4e6] [--workers 2] [--out output/workers]

Told of each engine: processor time of the process that was started and of its workers, and the
wall time. Where each process has a processor of its own, an ingest takes what the first takes and
the share of a worker; "with own processors" is how much quicker that is than one process. The
ceiling is what processes with nothing in common reach: as many ingests at once, by wall time.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import scan_files
from many_scans import SCANS_A_PARCEL

import etapromise


def used(whose: int) -> float:
    """Seconds of processor time."""
    found = resource.getrusage(whose)
    return found.ru_utime + found.ru_stime


def measured(place: Path, engine: str) -> tuple[float, float, float]:
    """Processor time of this process and of its workers, and wall time of an ingest."""
    store = place / "store"
    shutil.rmtree(store, ignore_errors=True)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before, begun = [used(kind) for kind in kinds], time.perf_counter()
    etapromise.ingest(store, place / "shipments.parquet", place / "scans.parquet", engine=engine)
    wall = time.perf_counter() - begun
    own, theirs = (used(kind) - past for kind, past in zip(kinds, before, strict=True))
    print(
        f"{engine:10} {own:6.1f} s CPU here {theirs:6.1f} s in workers {wall:6.1f} s of wall time",
        flush=True,
    )
    return own, theirs, wall


def ceiling(place: Path, workers: int) -> float:
    """How many times as much as one do so many processes, each of which does it alone."""
    walls = []
    for count in (1, workers):
        begun, running = time.perf_counter(), []
        for number in range(count):
            store = place / f"store {number}"
            shutil.rmtree(store, ignore_errors=True)
            command = [sys.executable, "-m", "etapromise", "ingest", "--store", str(store)]
            command += ["--shipments", str(place / "shipments.parquet")]
            command += ["--scans", str(place / "scans.parquet")]
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        assert not any(one.wait() for one in running)
        walls.append(time.perf_counter() - begun)
    return workers * walls[0] / walls[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=float, default=4e6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("output/workers"))
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    parcels, scans = scan_files.write_year(told.out, int(told.scans / SCANS_A_PARCEL), seed=1)
    print(f"{parcels:,} shipments, {scans:,} scans")
    one = measured(told.out, "local")
    own, theirs, wall = measured(told.out, f"local/{told.workers}")
    print(f"with own processors {one[0] / (own + theirs / told.workers):.2f} times as fast")
    print(f"by wall time {one[2] / wall:.2f}; ceiling {ceiling(told.out, told.workers):.2f}")


if __name__ == "__main__":
    main()
