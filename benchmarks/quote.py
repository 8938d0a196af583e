"""One whole promise beside a peer's bare model call, in one run.

    python benchmarks/quote.py --model output/models/current

Needs a model trained on data/sample (`make demo` makes one). CatBoost, LightGBM and scikit-learn
are timed where they are installed: their models answer the same nine levels on 40 features, nothing
around the call. Only the ratios count; absolute times drift with the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

import etapromise

# Promises of one short turn, and turns.
CALLS, TURNS = 250, 60
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99)
REQUEST = {
    "origin": "55690",
    "origin_region": "MN",
    "origin_country": "US",
    "destination": "90585",
    "destination_region": "CA",
    "destination_country": "US",
    "carrier": "dromedary",
    "service": "ground",
    "ordered_at": datetime(2026, 2, 1, 10, 30, tzinfo=ZoneInfo("America/Chicago")),
}
_COLD = """
import time
begun = time.perf_counter()
{work}
taken = (time.perf_counter() - begun) * 1000
status = open("/proc/self/status").read().split("VmRSS:")[1]
print(taken, int(status.split()[0]) / 1024)
"""


def main() -> None:
    """Time everything in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("output/models/current"))
    parser.add_argument("--calls", type=int, default=5000)
    arguments = parser.parse_args()
    if not arguments.model.exists():
        print(f"skipped: no model in {arguments.model}; `make demo` trains one")
        return
    model = etapromise.load(arguments.model)
    contestants: dict[str, Callable[[], object]] = {
        "etapromise, whole promise": lambda: read_off(model.promise(**REQUEST)),
        **peers(),
    }
    rows = {name: timed(call, arguments.calls) for name, call in contestants.items()}
    base = rows["etapromise, whole promise"][0]
    for name, (median, high) in rows.items():
        print(f"{name:45s} p50 {median:8.1f} us  p99 {high:8.1f} us  ours/it {base / median:6.3f}")
    together(model)
    paths = f"import sys; sys.path[:0] = {sys.path!r}"
    promise = (
        f"{paths}; import etapromise; import datetime; from zoneinfo import ZoneInfo; "
        f"model = etapromise.load({str(arguments.model)!r}); "
        f"promise = model.promise(**{REQUEST!r}); promise.date, promise.confidence"
    ).replace("zoneinfo.ZoneInfo(key=", "ZoneInfo(key=")
    bare = cold("import lightgbm")[0] if importlib.util.find_spec("lightgbm") else None
    for name, work in {
        "import, load, first promise": promise,
        "import numpy": "import numpy",
        "import lightgbm": "import lightgbm",
    }.items():
        if name == "import lightgbm" and bare is None:
            continue
        milliseconds, megabytes = cold(work)
        ratio = "" if bare is None else f"  {milliseconds / bare:5.2f} x import lightgbm"
        print(f"fresh process, {name:28s} {milliseconds:7.1f} ms {megabytes:6.1f} MB{ratio}")


def timed(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Median and 99th percentile of one call, microseconds."""
    for _ in range(max(10, calls // 20)):
        call()
    taken = []
    for _ in range(calls):
        begun = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - begun)
    median, high = np.percentile(taken, [50, 99]) / 1000.0
    return float(median), float(high)


def read_off(promise: etapromise.Promise) -> tuple[object, ...]:
    """What a checkout shows: a promise computes some of it when it is asked for."""
    return promise.date, promise.earliest, promise.latest, promise.confidence


def together(model: etapromise.PromiseModel) -> None:
    """Promises a second of one and two threads, and of two processes, in turns of a few ms.

    The best of many short turns: on a shared machine few of them have both cores to themselves. How
    much two processes win tells how much there was to be had.
    """
    contestants: dict[str, Callable[[], float]] = {
        "one thread": lambda: threads(model, 1),
        "two threads": lambda: threads(model, 2),
    }
    if hasattr(os, "fork"):
        contestants["two processes"] = lambda: processes(model)
    best = dict.fromkeys(contestants, 0.0)
    for _ in range(TURNS):
        for name, contestant in contestants.items():
            best[name] = max(best[name], contestant())
    one = best["one thread"]
    for name, found in best.items():
        print(f"{name:15s} {found:9,.0f} promises/s  {found / one:5.2f} x one thread")


def work(model: etapromise.PromiseModel, barrier: Any, spent: Any) -> None:
    """So many promises, once all others are ready; tells when they began and ended."""
    barrier.wait()
    begun = time.perf_counter()
    for _ in range(CALLS):
        read_off(model.promise(**REQUEST))
    spent.put((begun, time.perf_counter()))


def threads(model: etapromise.PromiseModel, count: int) -> float:
    """Promises a second of so many threads."""
    barrier, spent = threading.Barrier(count), queue.SimpleQueue[tuple[float, float]]()
    pool = [threading.Thread(target=work, args=(model, barrier, spent)) for _ in range(count)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return rate([spent.get() for _ in pool])


def processes(model: etapromise.PromiseModel) -> float:
    """Promises a second of two processes that share a model read before they began."""
    fork = multiprocessing.get_context("fork")
    barrier, spent = fork.Barrier(2), fork.SimpleQueue()
    pool = [fork.Process(target=work, args=(model, barrier, spent)) for _ in range(2)]
    for process in pool:
        process.start()
    times = [spent.get() for _ in pool]
    for process in pool:
        process.join()
    return rate(times)


def rate(times: list[tuple[float, float]]) -> float:
    """Calls a second of several workers, from the first's beginning to the last's end."""
    return len(times) * CALLS / (max(end for _, end in times) - min(begun for begun, _ in times))


def cold(work: str) -> tuple[float, float]:
    """Median milliseconds and megabytes of five fresh processes."""
    found = []
    for _ in range(5):
        run = subprocess.run(
            [sys.executable, "-c", _COLD.format(work=work)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append([float(word) for word in run.stdout.split()])
    milliseconds, megabytes = np.median(found, axis=0)
    return float(milliseconds), float(megabytes)


def peers() -> dict[str, Callable[[], object]]:
    """Bare one-row calls of the peers that are installed."""
    calls: dict[str, Callable[[], object]] = {}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_500, 40))
    y = np.exp(x[:, 0] * 0.3 + rng.normal(size=len(x)) * 0.3)
    if importlib.util.find_spec("catboost"):
        from catboost import CatBoostRegressor

        alphas = ",".join(map(str, LEVELS))
        forest = CatBoostRegressor(
            iterations=300, depth=6, loss_function=f"MultiQuantile:alpha={alphas}", verbose=False
        ).fit(x, y)
        row = x[0]
        calls["CatBoost MultiQuantile, bare predict"] = lambda: forest.predict(row)
    else:
        print("skipped: CatBoost is not installed")
    if importlib.util.find_spec("lightgbm") and importlib.util.find_spec("sklearn"):
        import lightgbm
        import pandas as pd

        frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])])
        models = [
            lightgbm.LGBMRegressor(
                objective="quantile", alpha=level, n_estimators=300, n_jobs=1, verbose=-1
            ).fit(frame, y)
            for level in LEVELS
        ]
        one = frame.iloc[:1]
        calls["nine LightGBM wrappers, one-row DataFrame"] = lambda: [
            m.predict(one) for m in models
        ]
    else:
        print("skipped: LightGBM with scikit-learn is not installed")
    return calls


if __name__ == "__main__":
    main()
