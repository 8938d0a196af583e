"""Why a date, and which option: exactness and cost of contributions, and what policies choose.

python benchmarks/options.py --seed 5
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from later_orders import MOMENT, LaterOrders

import etapromise
from etapromise import load_policies
from etapromise.evaluation.policy_replay import replay_policies
from etapromise.promise.contributions import CAUSES, contributions

WAYS = (
    {"carrier": "acme", "service": "ground", "price": 4.0, "co2_kg": 0.9, "no_appointment": True},
    {"carrier": "acme", "service": "express", "price": 9.0, "co2_kg": 2.4, "guaranteed": True},
    {"carrier": "birdpost", "service": "ground", "price": 3.5, "co2_kg": 0.8, "groupable": True},
    {
        "carrier": "corvid",
        "service": "express",
        "price": 7.5,
        "co2_kg": 1.7,
        "windows": ["08:00-12:00", "16:00-20:00"],
    },
    {"carrier": "dromedary", "service": "ground", "price": 3.0, "co2_kg": 1.2},
)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    orders = LaterOrders.of(seed=arguments.seed, days=30, per_day=340.0)
    model = etapromise.train(orders.history, as_of=MOMENT)
    frame = orders.frame.head(10_000)
    requests = model.parts.encoder.encode(frame)
    start = time.process_time()
    found = contributions(model, requests, 0.9)
    took = time.process_time() - start
    dates = model.promise_many(frame)["estimated_delivery_date"].to_numpy()
    days = dates.astype("datetime64[D]").astype(np.int64) - requests.order_day
    sums = np.array([math.fsum(row) for row in found])
    print(f"orders                          {len(frame):,}")
    print(f"furthest sum from its promise   {np.abs(sums - days).max():.1e} days")
    print(f"processor time an order         {took / len(frame) * 1e6:.1f} microseconds")
    for cause, column in zip(CAUSES, found.T, strict=True):
        print(
            f"  {cause:14s} mean {column.mean():+.2f}, "
            f"from {column.min():+.2f} to {column.max():+.2f}"
        )
    table = replay_policies(model, orders.history, WAYS, load_policies(), most_orders=1000)
    print(table.to_string(float_format=lambda value: f"{value:.2f}", na_rep=""))


if __name__ == "__main__":
    main()
