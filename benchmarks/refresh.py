"""How long a daily refresh takes at a million scans of history: from files to a current model.

    python benchmarks/refresh.py [--shipments-per-day 400]

Measured is what `etapromise refresh` does: reading both tables, cleaning the scans, statistics and
calibration, writing the version, making it current.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

import pandas as pd

from etapromise import TrainingConfig, tracking, train
from etapromise.forecast.boosting import BoostingConfig
from etapromise.in_transit.training import TransitSettings
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import refresh
from etapromise_simulator import NetworkConfig, simulate

START, DAYS = date(2025, 1, 6), 300


def main() -> None:
    """Simulate, train once, refresh three days in a row, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shipments-per-day", type=float, default=400.0)
    asked = parser.parse_args()
    network = NetworkConfig(
        seed=3, start=START, days=DAYS, shipments_per_day=asked.shipments_per_day
    )
    world = simulate(network)
    print(f"{len(world.shipments):,} shipments, {len(world.scans):,} scans")
    end = pd.Timestamp(network.extract_ends_at)
    # Trees are not refreshed: few will do. Everything else is as usual, parcels under way included.
    few = BoostingConfig(rounds=20, learning_rate=0.3)
    config = TrainingConfig(members=1, boosting=few, transit=TransitSettings(boosting=few))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        world.shipments.to_parquet(place / "shipments.parquet")
        world.scans.to_parquet(place / "scans.parquet")
        registry = ModelRegistry(place / "models")
        history = tracking.history(place / "shipments.parquet", place / "scans.parquet")
        model = train(history, as_of=end - pd.Timedelta(days=10), config=config)
        registry.promote(registry.add(model), why="trained")
        for days in (2, 1, 0):
            wall, cpu = time.perf_counter(), time.process_time()
            told = tracking.history(place / "shipments.parquet", place / "scans.parquet")
            read = time.perf_counter() - wall
            refresh(registry.root, told, as_of=end - pd.Timedelta(days=days))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"refresh: {wall:.1f} s ({read:.1f} s of it reading), {cpu:.1f} CPU s")


if __name__ == "__main__":
    main()
