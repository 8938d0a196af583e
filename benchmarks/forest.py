"""The forest beside CatBoost's MultiQuantile: fitting, accuracy, many rows, one row.

    python benchmarks/forest.py --peer-python PYTHON_WITH_CATBOOST

Both predict in turns within one run, because the machine's speed drifts; CPU time stands beside
wall time, so that a slowed machine shows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from forest_rows import LEVELS, pinball, rows

from etapromise.forecast.boosting import BoostingConfig, fit_forest


@click.command()
@click.option("--peer-python", default=sys.executable, help="Interpreter that has catboost.")
@click.option("--train", default=400_000, help="Rows to fit on.")
@click.option("--trees", default=300)
@click.option("--rate", default=0.1, help="Our learning rate.")
@click.option("--peer-rate", default=0.1, help="CatBoost's learning rate.")
@click.option("--threads", default=2)
@click.option("--repeats", default=9)
def main(
    peer_python: str,
    train: int,
    trees: int,
    rate: float,
    peer_rate: float,
    threads: int,
    repeats: int,
) -> None:
    """Print one line for each measure: ours, CatBoost's, the ratio of the medians."""
    X, y = rows(train, 0)
    config = BoostingConfig(rounds=trees, learning_rate=rate, threads=threads)
    wall, cpu = time.perf_counter(), time.process_time()
    forest = fit_forest(X, y, levels=LEVELS, config=config)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    later, days = rows(200_000, 1)
    loss = pinball(days, forest.predict(later))

    def many(count: int) -> None:
        forest.predict(later, threads=count)

    def one_by_one(count: int) -> None:
        for i in range(count):
            forest.predict(later[i : i + 1], threads=1)

    folder = Path(tempfile.mkdtemp())
    script = Path(__file__).with_name("forest_peer.py")
    command = [peer_python, script, folder, train, trees, peer_rate, threads]
    with subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        fitted = json.loads(peer.stdout.readline())
        line("fit, s", wall, fitted["fit"])
        line("fit, CPU s", cpu, fitted["fit cpu"])
        line("mean pinball", loss, fitted["pinball"], digits=5)

        def theirs(what: str, count: int) -> float:
            assert peer.stdin is not None
            assert peer.stdout is not None
            peer.stdin.write(f"{what} {count}\n")
            peer.stdin.flush()
            return float(json.loads(peer.stdout.readline())["wall"])

        for count in sorted({1, threads}):
            ours, peers = in_turns(many, "batch", count, theirs, repeats)
            line(f"rows/s, {count} threads", len(later) / ours, len(later) / peers, digits=0)
        ours, peers = in_turns(one_by_one, "row", 2000, theirs, repeats)
        line("one row, us", ours / 2000 * 1e6, peers / 2000 * 1e6)
        peer.stdin.close()


def in_turns(
    ours: Callable[[int], None],
    what: str,
    count: int,
    theirs: Callable[[str, int], float],
    repeats: int,
) -> tuple[float, float]:
    """Median wall seconds of both, one after the other each time."""
    mine, peers = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        ours(count)
        mine.append(time.perf_counter() - start)
        peers.append(theirs(what, count))
    return statistics.median(mine), statistics.median(peers)


def line(name: str, ours: float, peers: float, *, digits: int = 2) -> None:
    """Name, ours, CatBoost's, ratio."""
    print(f"{name:20s} {ours:14,.{digits}f} {peers:14,.{digits}f} {ours / peers:8.4f}", flush=True)


if __name__ == "__main__":
    main()
