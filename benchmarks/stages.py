"""Handling and transit summed, against the direct distribution, on a simulated network.

    python benchmarks/stages.py [--seed 3] [--per-day 60]

Trains at a moment and forecasts the orders of the three weeks after it, both ways: the pinball loss
at 19 levels and the CRPS against what happened, and how often the pick-up had come by the 0th, 1st,
… day against what was said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from later_orders import MOMENT, LaterOrders, asked_network
from numpy.typing import NDArray

from etapromise import train
from etapromise.encoding.requests import local_seconds
from etapromise.promise.under_way.tracked_promise import fields_of

if TYPE_CHECKING:
    import pandas as pd

LEVELS = np.arange(0.05, 0.96, 0.05)


def main() -> None:
    """Train, forecast both ways, and print the tables."""
    asked = asked_network(__doc__, per_day=60.0)
    orders = LaterOrders.of(seed=asked.seed, days=21, per_day=asked.per_day)
    model = train(orders.history, as_of=MOMENT)
    frame, happened = orders.frame, orders.happened
    encoder = model.parts.encoder
    requests = encoder.encode(frame)
    times = [
        model.promise(**fields_of(frame.iloc[[row]])).explanation.stages.times
        for row in range(len(frame))
    ]
    pickup = np.concatenate([one.pickup for one in times])
    whole = np.concatenate([one.whole for one in times])
    direct = model.distribution_many(frame).probability
    # The stages are of parcels that arrive; as many never do as the direct model says.
    service = [level.name for level in encoder.levels].index("service")
    arrives = 1.0 - model.parts.statistics.lost[requests.codes[:, service]]
    summed = (pickup[:, :, None] * whole).sum(axis=1) * arrives[:, None]
    day = local_day(happened["event_at"], encoder.zones.resolve_many(frame, "destination")[0])
    day -= requests.order_day
    print(f"{len(frame):,} orders, seed {asked.seed}\n")
    print("| | direct | stages | stages / direct |\n|---|---|---|---|")
    for name, score in (("pinball loss, days", pinball), ("CRPS, days", crps)):
        one, other = score(direct, day), score(summed, day)
        print(f"| {name} | {one:.4f} | {other:.4f} | {other / one:.4f} |")
    picked = local_day(happened["picked_up_at"], encoder.zones.resolve_many(frame, "origin")[0])
    seen = np.isfinite(picked)
    picked -= requests.order_day
    said = pickup.cumsum(axis=1)[seen]
    print("\n| picked up by the end of day | said | happened |\n|---|---|---|")
    for k in range(7):
        print(f"| {k} | {said[:, k].mean():.3f} | {(picked[seen] <= k).mean():.3f} |")


def local_day(times: pd.Series, zones: NDArray[np.object_]) -> NDArray[np.float64]:
    """(n,) local days since 1970-01-01, infinite where it has not happened."""
    day = np.full(len(times), np.inf)
    there = times.notna().to_numpy()
    day[there] = local_seconds(times[there], zones[there]) // 86_400
    return day


def pinball(probability: NDArray[np.float64], day: NDArray[np.float64]) -> float:
    """Mean over LEVELS and orders; what comes after the last date counts as on it."""
    last = probability.shape[1] - 1
    came = np.minimum(day, last)
    losses = []
    for level in LEVELS:
        said = np.minimum((probability < level).sum(axis=1), last)
        losses.append(np.maximum(level * (came - said), (level - 1.0) * (came - said)).mean())
    return float(np.mean(losses))


def crps(probability: NDArray[np.float64], day: NDArray[np.float64]) -> float:
    """Continuous ranked probability score, in days."""
    came = day[:, None] <= np.arange(probability.shape[1])
    return float(((probability - came) ** 2).sum(axis=1).mean())


if __name__ == "__main__":
    main()
