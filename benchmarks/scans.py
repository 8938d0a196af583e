"""Milestones and lane statistics over tens of millions of scans, beside duckdb, polars and pandas.

    python benchmarks/scans.py                        20 million scans of 2.5 million shipments
    python benchmarks/scans.py --shipments 250000     a tenth of that
    python benchmarks/scans.py --peers duckdb polars  leave pandas out, which takes minutes

Results are proven equal before they are timed. Every figure is the best of ``--rounds`` rounds, in
which the contestants take turns; CPU over wall time tells how many cores they really had.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scan_files
import scan_peers
from etapromise.history.windows import QUANTILE_LEVELS, WINDOWS, LaneHistograms, WindowStatistics

from etapromise.tracking import Checked, history, read_shipments, track

SEED = 20_240_101
LEVELS_BY_WIDTH = {1: (0.5,), 4: QUANTILE_LEVELS}
# Whoever takes longer than this runs once.
SLOW = 8.0


@dataclass(frozen=True)
class Timing:
    """The best of some rounds."""

    wall: float
    cpu: float

    def per(self, rows: int) -> Timing:
        """Of one row."""
        return Timing(self.wall / rows, self.cpu / rows)


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
            best[name] = min(best.get(name, timing), timing, key=lambda one: one.wall)
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


def prove_milestones(shipments: Checked, path: Path, peers: list[str]) -> None:
    """The peers' columns are ours."""
    ours = track(shipments, path).milestones.set_index("shipment_id")
    for peer in peers:
        theirs = scan_peers.as_pandas(scan_peers.MILESTONES[peer](path))
        theirs = theirs.assign(shipment_id=theirs["shipment_id"].astype("str"))
        theirs = theirs.set_index("shipment_id").reindex(ours.index)
        for name in scan_peers.TIMES:
            mine, other = (
                table[name].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
                for table in (ours, theirs)
            )
            assert np.array_equal(mine, other, equal_nan=True), (peer, name)
        assert np.array_equal(ours["scan_count"].to_numpy(), theirs["scan_count"].to_numpy())


def prove_tracking(folder: Path, n: int) -> None:
    """On dirty scans the batches give what the whole history gives."""
    sample = min(n, 250_000)
    scan_files.write_shipments(folder / "few.parquet", sample, seed=SEED)
    scan_files.write_dirty_scans(folder / "few_scans.parquet", sample, seed=SEED)
    few, scans = folder / "few.parquet", folder / "few_scans.parquet"
    assert track(few, scans).milestones.equals(history(few, scans).milestones)


def milestones(folder: Path, args: argparse.Namespace, peers: list[str]) -> dict[str, Timing]:
    """Milestones of clean scans against the peers; of dirty scans, everything included."""
    shipments = read_shipments(folder / "shipments.parquet")
    clean, dirty = folder / "clean.parquet", folder / "dirty.parquet"
    prove_milestones(shipments, clean, peers)
    prove_tracking(folder, args.shipments)
    ours = "etapromise, clean scans"
    contestants: dict[str, Callable[[], Any]] = {
        "floor: Arrow reads the three columns": lambda: scan_peers.read_columns(clean),
        ours: lambda: track(shipments, clean),
    }
    for peer in peers:
        contestants[f"{peer}, the same columns"] = lambda peer=peer: scan_peers.MILESTONES[peer](
            clean
        )
    contestants["etapromise, dirty scans, all rules"] = lambda: track(shipments, dirty)
    contestants["... and reading the shipments"] = lambda: track(
        folder / "shipments.parquet", dirty
    )
    timings = compete(contestants, args.rounds)
    show("Milestones per shipment, from Parquet", timings, ours)
    return timings


def lanes(
    n: int, args: argparse.Namespace, peers: list[str], levels: tuple[float, ...]
) -> dict[str, Timing]:
    """Lane statistics as of each order: windows of 28 and 90 days."""
    random = np.random.default_rng(SEED)
    lane = (args.lanes * random.random(n) ** 2).astype(np.int32)
    order_day = np.sort(random.integers(19_000, 19_730, n)).astype(np.int32)
    duration = np.minimum(1 + random.gamma(3, 1.4, n), 60).astype(np.int32)
    known_day = order_day + duration

    def ours() -> WindowStatistics:
        counted = LaneHistograms.count(lane, known_day, duration)
        return counted.statistics(lane, order_day, levels=levels)

    def of_peer(name: str) -> Callable[[], Any]:
        return lambda: scan_peers.LANES[name](lane, order_day, known_day, duration, levels)

    # The nearest rank, by which we count, is pandas' "lower" for the median only.
    fit = [peer for peer in peers if peer != "pandas" or levels == (0.5,)]
    rolling = {name: of_peer(name) for name in scan_peers.LANES if name.split(",")[0] in fit}
    few = n if args.shipments < 100_000 else n // 10
    if rolling:
        counted = LaneHistograms.count(lane[:few], known_day[:few], duration[:few])
        found = counted.statistics(lane[:few], order_day[:few], levels=levels)
    for name in rolling:
        rows = (array[:few] for array in (lane, order_day, known_day, duration))
        prove_lanes(found, scan_peers.LANES[name](*rows, levels), lane[:few], order_day[:few], name)
    name = "etapromise, day x lane histograms"
    timings = compete({name: ours} | rolling, args.rounds)
    said = ", ".join(f"{100 * level:g} %" for level in levels)
    title = f"Count, mean and {said} in 28 and 90 days as of each of {n:,} orders"
    show(f"{title}, {args.lanes:,} lanes", timings, name)
    return timings


def prove_lanes(found: WindowStatistics, theirs: Any, lane: Any, day: Any, name: str) -> None:
    """A peer's statistics are ours; one row per lane and day is compared."""
    key = ["lane", "day"]
    table = scan_peers.as_pandas(theirs).drop_duplicates(key).sort_values(key)
    if table["day"].dtype.kind == "M":
        table["day"] = (table["day"] - pd.Timestamp(0)).dt.days
    ours = pd.DataFrame({"lane": lane, "day": day}).drop_duplicates().sort_values(key)
    assert np.array_equal(ours.to_numpy(), table[key].to_numpy()), name
    rows = ours.index.to_numpy()
    for column in table.columns.drop(key):
        kind, window, *level = column.split("_")
        values = getattr(found, kind)[rows, WINDOWS.index(int(window))]
        if kind == "quantile":
            values = values[:, [f"{p}" for p in LEVELS_BY_WIDTH[values.shape[1]]].index(level[0])]
        np.testing.assert_allclose(
            values, table[column].to_numpy().astype(float), rtol=1e-9, err_msg=f"{name} {column}"
        )


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shipments", type=int, default=2_500_000)
    parser.add_argument("--lanes", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["duckdb", "polars", "pandas"])
    parser.add_argument("--only", choices=["milestones", "lanes"])
    parser.add_argument("--integer-ids", action="store_true", help="shipment_id as int64, not text")
    args = parser.parse_args()
    peers = available(args.peers)
    per_row: list[dict[str, Timing]] = []
    for n in (args.shipments // 10, args.shipments):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            here = peers if n == args.shipments else []
            seconds: dict[str, Timing] = {}
            if args.only != "lanes":
                counts = write_files(folder, n, integer_ids=args.integer_ids)
                timings = milestones(folder, args, here)
                for kind in ("clean", "dirty"):
                    best = next(v for k, v in timings.items() if f", {kind} scans" in k)
                    seconds[f"milestones, {kind} scans"] = best.per(counts[kind])
            if args.only != "milestones":
                for levels in LEVELS_BY_WIDTH.values():
                    best = next(iter(lanes(n, args, here, levels).values()))
                    seconds[f"lane statistics, {len(levels)} quantile(s)"] = best.per(n)
            per_row.append(seconds)
    print("\nTime per row, a tenth of the size and the whole: ns of wall time and of CPU time")
    for name, small in per_row[0].items():
        large = per_row[1][name]
        pairs = ((small.wall, large.wall), (small.cpu, large.cpu))
        said = [f"{a * 1e9:8.0f}{b * 1e9:6.0f}  x {b / a:.2f}" for a, b in pairs]
        print(f"{name:44s}{'   '.join(said)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"\nPeak resident memory of everything together: {peak:,.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
