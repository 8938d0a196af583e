"""The networks of quality.py: real orders, and a simulated network whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from olist_tables import CATEGORICAL, NUMERIC, ZONE, olist_history

from etapromise import TrainingConfig, tracking
from etapromise.tracking import TrackedHistory
from etapromise_simulator import NetworkConfig, Simulation, simulate
from etapromise_simulator.families import Family, World

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Orders to walk through.

    Attributes:
        name: For the table's head.
        history: All that happened.
        config: How etapromise is trained.
        walked_from: First moment of forecast orders.
        start: First moment of judged ones; the month before it is there to pick costs by.
        end: The moment after the last.
        lanes: Columns of lane tables, from the finest lane to the coarsest.
        group: Column of a judged table whose groups are told.
        month_from: A month counts with that many orders.
        group_from: A group counts with that many orders.
        truth: The true distribution of shipments over dates from a day 0 of each on, (n, horizon),
            where it is known.
    """

    name: str
    history: TrackedHistory
    config: TrainingConfig
    walked_from: pd.Timestamp
    start: pd.Timestamp
    end: pd.Timestamp
    lanes: tuple[tuple[str, ...], ...]
    group: str
    month_from: int
    group_from: int
    truth: Callable[[pd.DataFrame, Dates, int], Floats] | None


def olist(start: str, end: str) -> Network:
    """Orders of a Brazilian marketplace; `start` and `end` are local dates."""
    return Network(
        name=f"Olist, {start} to {end}",
        history=olist_history(),
        config=TrainingConfig(numeric=NUMERIC, categorical=CATEGORICAL, default_time_zone=ZONE),
        walked_from=pd.Timestamp(start, tz=ZONE) - pd.DateOffset(months=1),
        start=pd.Timestamp(start, tz=ZONE),
        end=pd.Timestamp(end, tz=ZONE),
        lanes=(("origin_region", "destination_region"), ("destination_region",)),
        group="destination_region",
        month_from=500,
        group_from=300,
        truth=None,
    )


def simulated(seed: int, months: int, shipments_per_day: float) -> Network:
    """A network of four carriers; the last `months` before November are forecast."""
    end = pd.Timestamp("2025-11-01", tz="UTC")
    simulation = simulate(
        NetworkConfig(
            seed=seed,
            start=date(2025, 2, 3),
            days=272,
            shipments_per_day=shipments_per_day,
            extract_end=datetime(2026, 1, 20, tzinfo=UTC),
        )
    )
    return Network(
        name=f"simulated network, seed {seed}, {months} months",
        history=tracking.history(simulation.shipments, simulation.scans),
        config=TrainingConfig(),
        walked_from=end - pd.DateOffset(months=months),
        start=end - pd.DateOffset(months=months),
        end=end,
        lanes=(
            ("origin_region", "destination_region", "carrier", "service"),
            ("destination_region", "carrier", "service"),
            ("carrier", "service"),
        ),
        group="carrier_service",
        month_from=300,
        group_from=200,
        truth=lambda shipments, dates, horizon: true_distribution(
            simulation, shipments, dates, horizon
        ),
    )


def family(description: Family, seed: int, judged_days: int) -> Network:
    """A network of another build; its last `judged_days` are forecast."""
    world = World(description, seed)
    end = pd.Timestamp(description.end, tz=description.zone)
    return Network(
        name=description.name,
        history=tracking.history(world.shipments, world.scans),
        config=TrainingConfig(),
        walked_from=end - pd.Timedelta(days=judged_days),
        start=end - pd.Timedelta(days=judged_days),
        end=end,
        lanes=(
            ("origin", "destination_region", "carrier", "service"),
            ("destination_region", "carrier", "service"),
            ("carrier", "service"),
        ),
        group="carrier_service",
        month_from=100,
        group_from=100,
        truth=lambda shipments, dates, horizon: true_distribution(world, shipments, dates, horizon),
    )


def true_distribution(
    simulation: Simulation | World, shipments: pd.DataFrame, dates: Dates, horizon: int
) -> Floats:
    """(n, horizon) true P(delivered by the end of the day k days after a day 0 of each).

    The simulation counts days from the order's date at the destination, which can be another than
    that at the warehouse, a forecast's day 0.
    """
    local = [
        at.tz_convert(zone).date()
        for at, zone in zip(
            shipments["ordered_at"], shipments["destination_time_zone"], strict=True
        )
    ]
    shift = (dates - np.array(local, "datetime64[D]")).astype(np.int64)
    truth = simulation.true_distribution(shipments, horizon=horizon + 1)
    column = np.arange(horizon) + shift[:, None]
    told = np.take_along_axis(truth, np.clip(column, 0, horizon), axis=1)
    return np.where(column < 0, 0.0, told)
