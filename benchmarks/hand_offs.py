"""Parcels that change hands, promised with and without knowing it, on a simulated network.

    python benchmarks/hand_offs.py [--seed 5] [--rural-share 0.4]

Trains at a moment and promises the orders of the four weeks after it. In the simulated network a
rural area's parcels are handed to a partner with a working week of its own. For the parcels that
were handed over, and for the rest: the pinball loss at 19 levels against what happened; the squared
distance to the network's true distribution, summed over days; and how often 0.9 promises are kept
by that true distribution, against what they state.
"""

from __future__ import annotations

import numpy as np
from later_orders import MOMENT, LaterOrders, asked_network
from numpy.typing import NDArray
from quality_networks import true_distribution
from stages import LEVELS, local_day

from etapromise import TrainingConfig, train


def main() -> None:
    """Train twice, promise, and print the table."""
    asked = asked_network(__doc__, seed=5, rural_share=0.4)
    orders = LaterOrders.of(seed=asked.seed, days=28, rural_share=asked.rural_share)
    frame, happened = orders.frame, orders.happened
    handed = happened["transferred_at"].notna().to_numpy()
    print(f"{len(frame):,} orders, {int(handed.sum()):,} handed over, seed {asked.seed}\n")
    print("| parcels | hand-offs | pinball, days | to the truth | kept at 0.9 | stated |")
    print("|---|---|---|---|---|---|")
    for learn in (False, True):
        config = TrainingConfig(hand_offs=learn, transit=None, stages=False)
        model = train(orders.history, as_of=MOMENT, config=config)
        encoder = model.parts.encoder
        forecast = model.distribution_many(frame)
        said = forecast.probability
        zones = encoder.zones.resolve_many(frame, "destination")[0]
        day = local_day(happened["event_at"], zones) - forecast.origin_dates.astype(np.int64)
        true = true_distribution(orders.simulation, frame, forecast.origin_dates, said.shape[1])
        for name, some in (("handed over", handed), ("others", ~handed)):
            loss, distance, kept, stated = judged(said[some], true[some], day[some])
            known = "learned" if learn else "left out"
            print(f"| {name} | {known} | {loss:.4f} | {distance:.4f} | {kept:.3f} | {stated:.3f} |")


def judged(
    said: NDArray[np.float64], true: NDArray[np.float64], day: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Pinball loss, distance to the truth, true probability of 0.9 dates, and the stated one."""
    last = said.shape[1] - 1
    came = np.minimum(day, last)
    losses = []
    for level in LEVELS:
        dates = np.minimum((said < level).sum(axis=1), last)
        losses.append(np.maximum(level * (came - dates), (level - 1.0) * (came - dates)).mean())
    rows = np.arange(len(said))
    dates = np.minimum((said < 0.9).sum(axis=1), last)
    distance = ((said - true) ** 2).sum(axis=1).mean()
    return float(np.mean(losses)), distance, true[rows, dates].mean(), said[rows, dates].mean()


if __name__ == "__main__":
    main()
