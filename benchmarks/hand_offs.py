"""Parcels that change hands, promised with and without knowing it, on a simulated network.

    python benchmarks/hand_offs.py [--seed 5] [--rural-share 0.4]

Trains at a moment and promises the orders of the four weeks after it. In the simulated network a
rural area's parcels are handed to a partner with a working week of its own. For the parcels that
were handed over, and for the rest: the pinball loss at 19 levels against what happened; the squared
distance to the network's true distribution, summed over days; and how often 0.9 promises are kept
by that true distribution, against what they state.
"""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from stages import LEVELS, local_day

from etapromise import TrainingConfig, tracking, train
from etapromise.history.requests import local_seconds
from etapromise.operations.simulation import NetworkConfig, simulate

MOMENT = pd.Timestamp("2025-09-01", tz="UTC")
DAYS = 28


def main() -> None:
    """Train twice, promise, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--rural-share", type=float, default=0.4)
    asked = parser.parse_args()
    simulation = simulate(
        NetworkConfig(
            seed=asked.seed,
            start=date(2025, 2, 3),
            days=240,
            shipments_per_day=60.0,
            rural_share=asked.rural_share,
            extract_end=datetime(2025, 11, 20, tzinfo=UTC),
        )
    )
    history = tracking.history(simulation.shipments, simulation.scans)
    ordered = history.shipments["ordered_at"]
    rows = np.flatnonzero((ordered >= MOMENT) & (ordered < MOMENT + pd.Timedelta(days=DAYS)))
    frame = history.shipments.iloc[rows].reset_index(drop=True)
    happened = history.milestones.iloc[rows].reset_index(drop=True)
    handed = happened["transferred_at"].notna().to_numpy()
    print(f"{len(frame):,} orders, {int(handed.sum()):,} handed over, seed {asked.seed}\n")
    print("| parcels | hand-offs | pinball, days | to the truth | kept at 0.9 | stated |")
    print("|---|---|---|---|---|---|")
    for learn in (False, True):
        config = TrainingConfig(hand_offs=learn, transit=None, stages=False)
        model = train(history, as_of=MOMENT, config=config)
        encoder = model.parts.encoder
        requests = encoder.encode(frame)
        said = model.distribution_many(frame).probability
        zones = encoder.zones.resolve_many(frame, "destination")[0]
        day = local_day(happened["event_at"], zones) - requests.anchor
        first = local_seconds(frame["ordered_at"], zones) // 86_400 - requests.anchor
        truth = simulation.true_distribution(frame, horizon=said.shape[1] + 2)
        true = shifted(truth, first, said.shape[1])
        for name, some in (("handed over", handed), ("others", ~handed)):
            loss, distance, kept, stated = judged(said[some], true[some], day[some])
            known = "learned" if learn else "left out"
            print(f"| {name} | {known} | {loss:.4f} | {distance:.4f} | {kept:.3f} | {stated:.3f} |")


def shifted(
    probability: NDArray[np.float64], first: NDArray[np.int64], horizon: int
) -> NDArray[np.float64]:
    """(n, horizon) counted from another day 0, `first` (n,) days before the given one."""
    column = np.arange(horizon) - first[:, None]
    rows = np.arange(len(probability))[:, None]
    return np.where(column >= 0, probability[rows, np.maximum(column, 0)], 0.0)


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
