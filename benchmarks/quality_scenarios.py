"""Hard weeks on simulated networks, judged by their exact truth.

    python benchmarks/quality_scenarios.py [--scenario slow] [--seed 1 --seed 2] [--per-day 60]

slow        A network so slow that three in ten orders of the last month are open when the model is
            trained; the orders of the week after, with no refresh.
surge       The same just before Christmas, when the peak season has filled the network.
new         A carrier that got its first order ten days before the training: its orders of the
            fourteen days after, with a daily refresh. Another carrier for each seed.
unforeseen  The same carrier, but the model was trained a week before it started.
unseen      The same carrier, started on the day of the training: never seen, and no refresh.
known       The same carrier had it been there from the beginning, to compare with.

Scores are those of `quality_truth`: nothing here is luck of the draw but the network itself. "open"
is the share of the last 30 days' orders that had not arrived by the training.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import numpy as np
import pandas as pd
from quality_networks import true_distribution
from quality_truth import of_rows, scores, told

from etapromise import TrainingConfig, tracking
from etapromise.evaluation.backtest import Fit
from etapromise.evaluation.replay import TrainModel, replay_quotes
from etapromise.forecast.distribution import DateDistribution
from etapromise.tracking import TrackedHistory
from etapromise_simulator import CarrierStart, NetworkConfig, simulate

Row = dict[str, Any]

CARRIERS = NetworkConfig().carriers
FIRST_ORDERS = date(2025, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A hard week.

    Attributes:
        trained: Date on which a model is trained, at midnight UTC.
        judged: First date of the orders that are judged.
        days: How many dates of orders are judged.
        refresh: Days from one refresh to the next.
        services: Of the network.
        starts: Date on which the one carrier starts whose orders are judged; None judges all.
    """

    trained: date
    judged: date
    days: int
    refresh: int
    services: tuple[str, ...] = ("ground", "express")
    starts: date | None = None

    def network(self, seed: int, per_day: float) -> NetworkConfig:
        """The network of a seed."""
        planted = ()
        if self.starts is not None:
            planted = (CarrierStart(carrier=newcomer(seed), start=self.starts),)
        end = self.judged + timedelta(days=self.days)
        return NetworkConfig(
            seed=seed,
            start=FIRST_ORDERS,
            days=(end - FIRST_ORDERS).days,
            shipments_per_day=per_day,
            services=self.services,
            extract_end=datetime(end.year, end.month, end.day, tzinfo=UTC),
            planted=planted,
        )


SCENARIOS = {
    "slow": Scenario(
        trained=date(2025, 10, 1),
        judged=date(2025, 10, 1),
        days=7,
        refresh=7,
        services=("economy",),
    ),
    "surge": Scenario(trained=date(2025, 12, 15), judged=date(2025, 12, 15), days=7, refresh=7),
    "new": Scenario(
        trained=date(2025, 10, 1),
        judged=date(2025, 10, 1),
        days=14,
        refresh=1,
        starts=date(2025, 9, 21),
    ),
    "unforeseen": Scenario(
        trained=date(2025, 9, 14),
        judged=date(2025, 10, 1),
        days=14,
        refresh=1,
        starts=date(2025, 9, 21),
    ),
    "unseen": Scenario(
        trained=date(2025, 10, 1),
        judged=date(2025, 10, 1),
        days=14,
        refresh=14,
        starts=date(2025, 10, 1),
    ),
    "known": Scenario(
        trained=date(2025, 10, 1),
        judged=date(2025, 10, 1),
        days=14,
        refresh=1,
        starts=FIRST_ORDERS,
    ),
}


@click.command()
@click.option("--scenario", "names", multiple=True, default=tuple(SCENARIOS), help="Which.")
@click.option("--seed", "seeds", multiple=True, default=(1, 2, 3, 4), help="Of the networks.")
@click.option("--per-day", "sizes", multiple=True, default=(60.0, 300.0), help="Orders a day.")
@click.option("--out", type=click.Path(path_type=Path), help="The rows as CSV.")
def main(
    names: Sequence[str], seeds: Sequence[int], sizes: Sequence[float], out: Path | None
) -> None:
    """Walk, and print a row for each network and the mean of each scenario."""
    rows = []
    for name in names:
        for size in sizes:
            for seed in seeds:
                rows.append(run(name, seed, size))
                print(told(pd.DataFrame(rows[-1:]), header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False)
    means = table.drop(columns="seed").groupby(["scenario", "per day"], sort=False).mean()
    print(f"\nmeans over {len(seeds)} networks\n{told(means.reset_index())}")


def as_usual(config: TrainingConfig) -> Fit:
    """How a model is trained."""
    return TrainModel(replace(config, stages=False), 1, quotes_only=True)


def run(
    name: str, seed: int, per_day: float, fit: Callable[[TrainingConfig], Fit] = as_usual
) -> Row:
    """One scenario on one network.

    Args:
        name: Of `SCENARIOS`.
        seed: Of the network.
        per_day: Orders.
        fit: What trains the model, of the settings.
    """
    scenario, begun = SCENARIOS[name], time.process_time()
    simulation = simulate(scenario.network(seed, per_day))
    history = tracking.history(simulation.shipments, simulation.scans)
    trained = pd.Timestamp(scenario.trained, tz="UTC")
    simulated = time.process_time() - begun
    model = fit(TrainingConfig())(history.known_at(trained), trained)
    judged = pd.Timestamp(scenario.judged, tz="UTC")
    row: Row = {"scenario": name, "per day": per_day, "seed": seed}
    row["open"] = open_share(history, trained)
    days = list(
        replay_quotes(
            model,
            history,
            start=judged,
            end=judged + pd.Timedelta(days=scenario.days),
            refresh_every=scenario.refresh,
        )
    )
    rows = np.concatenate([part.rows for part in days])
    horizon = max(part.forecast.probability.shape[1] for part in days)
    forecast = DateDistribution(
        np.concatenate([part.forecast.origin_dates for part in days]),
        np.concatenate([part.forecast.probability for part in days]),
    )
    shipments = history.shipments.iloc[rows]
    truth = true_distribution(simulation, shipments, forecast.origin_dates, horizon)
    asked = np.ones(len(rows), np.bool_)
    if scenario.starts is not None:
        asked = (shipments["carrier"] == newcomer(seed)).to_numpy()
    row |= scores(of_rows(forecast, asked), truth[asked])
    return row | {"cpu s": time.process_time() - begun - simulated}


def newcomer(seed: int) -> str:
    """The carrier that starts late in the network of a seed."""
    return CARRIERS[seed % len(CARRIERS)]


def open_share(history: TrackedHistory, moment: pd.Timestamp) -> float:
    """Of the orders of the 30 days before a moment, those not known then to have arrived."""
    ordered = history.shipments["ordered_at"]
    last = (ordered >= moment - pd.Timedelta(days=30)) & (ordered < moment)
    return float((~(history.milestones["event_known_at"] < moment))[last.to_numpy()].mean())


if __name__ == "__main__":
    main()
