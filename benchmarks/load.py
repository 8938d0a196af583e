"""Promises from many threads of several processes while the model is refreshed and exchanged.

Every process has threads that ask, each for another order, and one that looks for a new model once
a second, as a server does; meanwhile the current model is refreshed, four hours further each time.
Resident memory is each process's, from the third exchange on.

    python benchmarks/load.py [--promises 10000000] [--processes 2] [--threads 8] [--minutes 10]
        [--every 60]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from later_orders import MOMENT, LaterOrders

from etapromise import TrainingConfig, train
from etapromise.forecast.boosting import BoostingConfig
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import refresh
from etapromise.serving.live_model import LiveModel

NAMES = (
    *("origin", "origin_region", "origin_country", "destination", "destination_region"),
    *("destination_country", "destination_time_zone", "carrier", "service", "weight_kg"),
)
BREATH = 500
"""Promises without a pause."""
WARM_UP = 3
"""Exchanges; then every version that is held at once has been."""


def fields_of(orders: pd.DataFrame) -> list[dict[str, Any]]:
    """The arguments of a promise for each order."""
    found = []
    for row in orders.to_dict("records"):
        fields = {name: row[name] for name in NAMES if not pd.isna(row.get(name))}
        found.append({**fields, "ordered_at": row["ordered_at"].to_pydatetime()})
    return found


def resident(process: int | str = "self") -> float:
    """Megabytes."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def ask(models: Path, orders: Path, count: int, threads: int, seconds: float) -> None:
    """One process: ask, and print what came of it as JSON."""
    held = LiveModel(models)
    asked = fields_of(pd.read_parquet(orders))
    each = count // threads
    took = np.ones((threads, each), dtype=np.uint32)  # touched before, so that it is no growth
    errors: collections.Counter[str] = collections.Counter()
    versions: set[str] = set()
    memory: list[float] = []
    done = threading.Event()

    def answer(mine: int) -> None:
        begun = time.monotonic()
        for turn in range(each):
            if not turn % BREATH:
                time.sleep(max(0.0, begun + turn / each * seconds - time.monotonic()))
            fields = asked[(turn * 7919 + mine * 31) % len(asked)]
            asked_at = time.perf_counter_ns()
            try:
                promise = held.model.promise(**fields)  # type: ignore[union-attr]
                if not 0.0 <= promise.confidence <= 1.0 or promise.earliest > promise.latest:
                    errors["no sane promise"] += 1
            except Exception as error:  # noqa: BLE001 — whatever it is, it is counted
                errors[repr(error)[:200]] += 1
            took[mine, turn] = min(time.perf_counter_ns() - asked_at, 2**32 - 1)

    def look() -> None:
        while not done.wait(1.0):
            held.refresh()
            if held.model is not None:
                versions.add(str(held.model.manifest["as_of"]))
            if held.reloads >= WARM_UP:
                memory.append(resident())

    watching = threading.Thread(target=look)
    watching.start()
    asking = [threading.Thread(target=answer, args=(mine,)) for mine in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    done.set()
    watching.join()
    micro = np.sort(took, axis=None) / 1e3
    print(
        json.dumps(
            {
                "asked": each * threads,
                "errors": dict(errors),
                "reloads": held.reloads,
                "failed_reloads": held.failures,
                "versions": len(versions),
                "memory": [memory[0], min(memory), max(memory), memory[-1]] if memory else [],
                "quantiles": np.quantile(micro, (0.5, 0.99, 0.999, 1.0)).round(1).tolist(),
            }
        )
    )


def main() -> None:
    """Train, start the processes, exchange the model until they are done, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promises", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="At least; 0 is without a pause."
    )
    parser.add_argument("--every", type=float, default=60.0, help="Seconds between exchanges.")
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.ask:
        ask(Path(told.ask[0]), Path(told.ask[1]), int(told.ask[2]), told.threads, told.minutes * 60)
        return
    orders = LaterOrders.of(seed=5, days=28, per_day=60.0)
    with tempfile.TemporaryDirectory() as name:
        registry = ModelRegistry(Path(name, "models"))
        config = TrainingConfig(members=1, boosting=BoostingConfig(rounds=150, patience=30))
        with registry.lock():
            model = train(orders.history, as_of=MOMENT, config=config)
            registry.promote(registry.add(model), why="trained")
        table = Path(name, "orders.parquet")
        late = orders.frame["ordered_at"] >= MOMENT + pd.Timedelta(days=21)
        orders.frame[late].to_parquet(table)
        begun = time.monotonic()
        share = str(told.promises // told.processes)
        words = [
            "--threads",
            str(told.threads),
            "--ask",
            str(registry.root),
            str(table),
            share,
        ]
        running = [
            subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
            for _ in range(told.processes)
        ]
        exchanges, spent = 0, 0.0
        while any(process.poll() is None for process in running):
            time.sleep(0.2)
            if time.monotonic() < begun + (exchanges + 1) * told.every:
                continue
            exchanges += 1
            started = time.monotonic()
            as_of = MOMENT + pd.Timedelta(hours=4 * exchanges)
            refresh(registry.root, orders.history, as_of=as_of)
            spent += time.monotonic() - started
        took = time.monotonic() - begun
        found = [json.loads(process.communicate()[0]) for process in running]
    print(f"{told.processes} processes of {told.threads} threads, {took:.0f} s")
    print(f"{exchanges} refreshes of {spent / max(exchanges, 1):.1f} s")
    for one in found:
        first, least, most, last = one["memory"] or [float("nan")] * 4
        print(
            f"asked {one['asked']:,}, errors {one['errors'] or 0}, exchanges {one['reloads']} "
            f"(failed {one['failed_reloads']}), versions {one['versions']}; microseconds p50, p99, "
            f"p99.9, longest {one['quantiles']}; resident MB after the exchange {WARM_UP} "
            f"{first:.1f}, then {least:.1f} to {most:.1f}, at the end {last:.1f}"
        )


if __name__ == "__main__":
    main()
