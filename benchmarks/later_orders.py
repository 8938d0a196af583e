"""A simulated network, and the orders of the weeks after a moment at which a model is trained."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from etapromise import tracking
from etapromise.tracking import TrackedHistory
from etapromise_simulator import NetworkConfig, Simulation, simulate

MOMENT = pd.Timestamp("2025-09-01", tz="UTC")


@dataclass(frozen=True)
class LaterOrders:
    """Orders placed after `MOMENT`.

    Attributes:
        simulation: The network.
        history: All that it extracted, before and after.
        frame: (n,) shipments.
        happened: Their milestones.
    """

    simulation: Simulation
    history: TrackedHistory
    frame: pd.DataFrame
    happened: pd.DataFrame

    @classmethod
    def of(cls, *, seed: int, days: int, per_day: float = 60.0, **network: Any) -> LaterOrders:
        """The orders of so many days, on the network of a seed."""
        simulation = simulate(
            NetworkConfig(
                seed=seed,
                start=date(2025, 2, 3),
                days=240,
                shipments_per_day=per_day,
                extract_end=datetime(2025, 11, 20, tzinfo=UTC),
                **network,
            )
        )
        history = tracking.history(simulation.shipments, simulation.scans)
        ordered = history.shipments["ordered_at"]
        end = MOMENT + pd.Timedelta(days=days)
        rows = np.flatnonzero((ordered >= MOMENT) & (ordered < end))
        return cls(
            simulation,
            history,
            history.shipments.iloc[rows].reset_index(drop=True),
            history.milestones.iloc[rows].reset_index(drop=True),
        )


def asked_network(description: str | None, *, seed: int = 3, **options: Any) -> argparse.Namespace:
    """What the command line says of the network: its seed, and what else is an option."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    for name, default in ({"seed": seed} | options).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", dest=name, type=type(default), default=default
        )
    return parser.parse_args()
