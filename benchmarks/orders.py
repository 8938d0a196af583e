"""`promise_many` on a million orders beside CatBoost's bare predict of the same rows, in one run.

    python benchmarks/orders.py --model output/models/current

CatBoost answers nine levels with 300 trees from a matrix of the features that our forest is asked
with; ours is the whole way from a table of orders to a table of promises. In turns, the best of
several runs each; CPU time stands beside wall time, so that a slowed machine shows.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import etapromise
from etapromise import tracking
from etapromise.history.features import with_handling_codes

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99)
SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "shipments.parquet"


def main() -> None:
    """Check that one and many agree, then time both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("output/models/current"))
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.model.exists():
        print(f"skipped: no model in {arguments.model}; `make demo` trains one")
        return
    model = etapromise.load(arguments.model)
    frame = orders(model, arguments.orders)
    agree(model, frame.iloc[:: max(1, len(frame) // 200)])
    contestants: dict[str, Callable[[], object]] = {
        "promise_many": lambda: model.promise_many(frame)
    }
    if importlib.util.find_spec("catboost"):
        contestants["CatBoost, bare predict"] = catboost_predict(features(model, frame))
    else:
        print("skipped: CatBoost is not installed")
    best = dict.fromkeys(contestants, (np.inf, np.inf))
    for _ in range(arguments.repeats):
        for name, call in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken = time.perf_counter() - wall, time.process_time() - cpu
            best[name] = min(best[name][0], taken[0]), min(best[name][1], taken[1])
    ours = best["promise_many"]
    for name, (wall, cpu) in best.items():
        print(
            f"{name:24s} {len(frame):,} orders: wall {wall:6.2f} s  CPU {cpu:6.2f} s  "
            f"ours/it {ours[0] / wall:5.2f} wall, {ours[1] / cpu:5.2f} CPU"
        )


def orders(model: etapromise.PromiseModel, count: int) -> pd.DataFrame:
    """So many orders like those of the sample, of the week before the model's moment."""
    shipments = tracking.read_shipments(SAMPLE).accepted
    rng = np.random.default_rng(0)
    frame = shipments.iloc[rng.integers(0, len(shipments), count)].reset_index(drop=True)
    frame["shipment_id"] = pd.Series(np.arange(count)).astype("str")
    until = pd.Timestamp(model.as_of)
    frame["ordered_at"] = until - pd.to_timedelta(rng.integers(0, 7 * 86_400, count), unit="s")
    return frame


def agree(model: etapromise.PromiseModel, frame: pd.DataFrame) -> None:
    """One at a time gives what the batch gives."""
    many = model.promise_many(frame.reset_index(drop=True))
    for (_, row), (_, found) in zip(frame.iterrows(), many.iterrows(), strict=True):
        fields = row.drop(["shipment_id", "order_id", "promised_date"], errors="ignore").to_dict()
        one = model.promise(**fields)
        assert one.date == found["estimated_delivery_date"].date()
        assert one.confidence == found["confidence"]


def features(model: etapromise.PromiseModel, frame: pd.DataFrame) -> NDArray[np.float32]:
    """The rows that our forest is asked with."""
    parts = model.parts
    encoder = parts.encoder
    requests = encoder.encode(frame)
    return model.features.rows(requests, with_handling_codes(requests.codes))[0]


def catboost_predict(x: NDArray[np.float32]) -> Callable[[], object]:
    """CatBoost's predict of `x`, fitted on some of it."""
    from catboost import CatBoostRegressor

    few = x[:5_000]
    days = np.random.default_rng(0).lognormal(np.nan_to_num(few).std(axis=1) * 0.1, 0.3)
    alphas = ",".join(map(str, LEVELS))
    forest = CatBoostRegressor(
        iterations=300,
        depth=6,
        loss_function=f"MultiQuantile:alpha={alphas}",
        verbose=False,
        allow_writing_files=False,
    ).fit(few, days)
    return lambda: forest.predict(x)


if __name__ == "__main__":
    main()
