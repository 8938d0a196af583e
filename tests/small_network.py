"""The small simulated network that tests of history, promises and training share, and its tools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from etapromise import PromiseModel, TrainingConfig
from etapromise.forecast.boosting import BoostingConfig
from etapromise.in_transit.training import TransitSettings
from etapromise_simulator import NetworkConfig

NETWORK = NetworkConfig(seed=11, start=date(2025, 1, 6), days=200, shipments_per_day=20.0)
AS_OF = pd.Timestamp("2025-07-01", tz="UTC")
"""Eighteen days before the extract ends: there is a future to hide."""

TRAINING = TrainingConfig(
    boosting=BoostingConfig(
        rounds=24,
        learning_rate=0.2,
        num_leaves=7,
        max_depth=4,
        min_data_in_leaf=40,
        patience=12,
        threads=1,
    ),
    transit=TransitSettings(
        boosting=BoostingConfig(
            rounds=32,
            learning_rate=0.25,
            num_leaves=15,
            max_depth=5,
            min_data_in_leaf=60,
            patience=16,
            threads=1,
        ),
        most_looks=12_000,
    ),
)
"""Few, coarse trees: laws hold for any forest, and these grow fast."""


def fields_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """One accepted row as the keyword arguments of `PromiseModel.promise`; missing ones as None."""
    fields = {}
    for name, value in row.items():
        if name in {"shipment_id", "order_id", "promised_date"}:
            continue
        if pd.isna(value):
            fields[name] = None
        elif isinstance(value, pd.Timestamp):
            fields[name] = value.date() if value.tzinfo is None else value.to_pydatetime()
        else:
            fields[name] = value
    return fields


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file of a model directory."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def saved(model: PromiseModel, directory: Path) -> dict[str, str]:
    """Save a model and give back the digests of its files."""
    return digests(model.save(directory))
