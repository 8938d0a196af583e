"""From Parquet files to a tracked history, as every command begins, beside duckdb, polars, pandas.

    python benchmarks/scans.py                        2 million scans of 250,000 shipments
    python benchmarks/scans.py --shipments 2500000    ten times that

`tracking.history` reads shipments and scans, checks every row against the contract, cleans the
scans and finds the milestones. A peer reads the same two files and finds the same milestones of
clean scans by one query, with no rule and no reject: what it leaves out is what ours pays for.
Results are proven equal before they are timed. Every figure is the best of ``--rounds`` rounds, in
which the contestants take turns; CPU over wall time tells how many cores they really had.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scan_files
import scan_peers

from etapromise.tracking import history

SEED = 20_240_101
# Whoever takes longer than this runs once.
SLOW = 8.0


@dataclass(frozen=True)
class Timing:
    """The best of some rounds."""

    wall: float
    cpu: float


def compete(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Timing]:
    """Time the contestants in turns, so that a slow minute of the machine hits all alike."""
    best: dict[str, Timing] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            if name in best and best[name].wall > SLOW:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            timing = Timing(time.perf_counter() - wall, time.process_time() - cpu)
            best[name] = min(best.get(name, timing), timing, key=lambda one: one.cpu)
    return best


def show(title: str, timings: dict[str, Timing], ours: str) -> None:
    """Print one table; the ratios are those of our time to theirs."""
    print(f"\n{title}\n{'':44s}{'wall s':>8s}{'cpu s':>8s}{'cpu/wall':>10s}", end="")
    print(f"{'ours/theirs: wall':>19s}{'cpu':>7s}")
    for name, timing in timings.items():
        numbers = f"{timing.wall:8.2f}{timing.cpu:8.2f}{timing.cpu / timing.wall:10.2f}"
        wall, cpu = timings[ours].wall / timing.wall, timings[ours].cpu / timing.cpu
        print(f"{name:44s}{numbers}", f"{wall:18.2f}{cpu:7.2f}" if name != ours else "")


def available(wanted: list[str]) -> list[str]:
    """The peers that can be imported; says which cannot."""
    peers = []
    for name in wanted:
        if importlib.util.find_spec(name):
            peers.append(name)
        else:
            print(f"{name} is not installed and left out: pip install 'etapromise[benchmarks]'")
    return peers


def write_files(folder: Path, n: int, *, integer_ids: bool) -> dict[str, int]:
    """Write shipments, clean and dirty scans; returns how many scans each file has."""
    scan_files.write_shipments(folder / "shipments.parquet", n, seed=SEED, integer_ids=integer_ids)
    counts = {}
    for name, write in (
        ("clean", scan_files.write_clean_scans),
        ("dirty", scan_files.write_dirty_scans),
    ):
        path = folder / f"{name}.parquet"
        counts[name] = write(path, n, seed=SEED, integer_ids=integer_ids)
        size = path.stat().st_size / 1e6
        print(f"{name} scans: {counts[name]:,}, {size:.0f} MB")
    return counts


def prove_equal(folder: Path, peers: list[str]) -> None:
    """The peers' milestones of clean scans are ours."""
    shipments, scans = folder / "shipments.parquet", folder / "clean.parquet"
    ours = history(shipments, scans).milestones.set_index("shipment_id")
    for peer in peers:
        theirs = scan_peers.as_pandas(scan_peers.MILESTONES[peer](shipments, scans))
        theirs = theirs.assign(shipment_id=theirs["shipment_id"].astype("str"))
        theirs = theirs.set_index("shipment_id").reindex(ours.index)
        for name in scan_peers.TIMES:
            mine, other = (
                table[name].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
                for table in (ours, theirs)
            )
            assert np.array_equal(mine, other, equal_nan=True), (peer, name)
        assert np.array_equal(ours["scan_count"].to_numpy(), theirs["scan_count"].to_numpy())


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shipments", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["duckdb", "polars", "pandas"])
    parser.add_argument("--integer-ids", action="store_true", help="shipment_id as int64, not text")
    args = parser.parse_args()
    peers = available(args.peers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = write_files(folder, args.shipments, integer_ids=args.integer_ids)
        prove_equal(folder, peers)
        shipments = folder / "shipments.parquet"
        clean, dirty = folder / "clean.parquet", folder / "dirty.parquet"
        ours = "etapromise, clean scans"
        contestants: dict[str, Callable[[], Any]] = {
            "floor: Arrow reads the columns": lambda: scan_peers.read_columns(shipments, clean),
            ours: lambda: history(shipments, clean),
            "etapromise, dirty scans": lambda: history(shipments, dirty),
        }
        for peer in peers:
            run = scan_peers.MILESTONES[peer]
            contestants[f"{peer}, clean scans, no rule"] = lambda run=run: run(shipments, clean)
        timings = compete(contestants, args.rounds)
    show("From two Parquet files to milestones", timings, ours)
    for kind in ("clean", "dirty"):
        each = timings[f"etapromise, {kind} scans"].cpu / counts[kind] * 1e9
        print(f"{kind} scans: {each:,.0f} ns of CPU time for each")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"peak resident memory of everything together: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
