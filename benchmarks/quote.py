"""One whole promise beside a peer's bare model call, in one run.

    python benchmarks/quote.py --model output/models/current

Needs a model trained on data/sample (`make demo` makes one). CatBoost, LightGBM and scikit-learn
are timed where they are installed: their models answer the same nine levels on 40 features, nothing
around the call. Only the ratios count; absolute times drift with the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

import etapromise

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
        "etapromise, whole promise": lambda: model.promise(**REQUEST),
        **peers(),
    }
    rows = {name: timed(call, arguments.calls) for name, call in contestants.items()}
    base = rows["etapromise, whole promise"][0]
    for name, (median, high) in rows.items():
        print(f"{name:45s} p50 {median:8.1f} us  p99 {high:8.1f} us  ours/it {base / median:6.3f}")
    one, two = (throughput(model, threads) for threads in (1, 2))
    print(f"two threads {two:,.0f}/s, one {one:,.0f}/s: {two / one:.2f} x")
    paths = f"import sys; sys.path[:0] = {sys.path!r}"
    promise = f"{paths}; import etapromise; model = etapromise.load({str(arguments.model)!r})"
    for name, work in {
        "import etapromise, load": promise,
        "import numpy": "import numpy",
        "import lightgbm": "import lightgbm",
    }.items():
        if name.startswith("import ") and "," not in name:
            package = name.removeprefix("import ")
            if importlib.util.find_spec(package) is None:
                continue
        milliseconds, megabytes = cold(work)
        print(f"fresh process, {name:30s} {milliseconds:8.1f} ms  {megabytes:6.1f} MB resident")


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


def throughput(model: etapromise.PromiseModel, threads: int) -> float:
    """Promises a second of so many threads."""
    calls = 4000

    def work() -> None:
        for _ in range(calls):
            model.promise(**REQUEST)

    pool = [threading.Thread(target=work) for _ in range(threads)]
    begun = time.perf_counter()
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return threads * calls / (time.perf_counter() - begun)


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
    x = rng.normal(size=(20_000, 40))
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
