from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from etapromise import tracking
from etapromise.evaluation.backtest import BacktestConfig, BacktestResult, run_backtest
from etapromise.tracking import TrackedHistory
from etapromise_simulator import NetworkConfig, Simulation, simulate
from tests.evaluation.oracle_forecaster import TrainOracle


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


CONFIG = BacktestConfig(
    start=utc("2025-05-12"), end=utc("2025-08-01"), jobs=1, refresh_every=7, smallest_group=30
)


@pytest.fixture(scope="session")
def network() -> Simulation:
    """Five months of a small network; its extract ends while parcels are under way."""
    return simulate(NetworkConfig(seed=5, start=date(2025, 3, 3), days=150, shipments_per_day=10.0))


@pytest.fixture(scope="session")
def tracked(network: Simulation) -> TrackedHistory:
    return tracking.history(network.shipments, network.scans)


@pytest.fixture(scope="session")
def walked(network: Simulation, tracked: TrackedHistory) -> BacktestResult:
    """A backtest of forecasts that tell the truth."""
    return run_backtest(tracked, CONFIG, fit=TrainOracle(network.config))
