from __future__ import annotations

from datetime import date

import pytest

from etapromise import tracking
from etapromise.operations.simulation import NetworkConfig, Simulation, simulate
from etapromise.tracking import TrackedHistory


@pytest.fixture(scope="session")
def network() -> Simulation:
    """Five months of a small network; its extract ends while parcels are under way."""
    return simulate(NetworkConfig(seed=5, start=date(2025, 3, 3), days=150, shipments_per_day=14.0))


@pytest.fixture(scope="session")
def tracked(network: Simulation) -> TrackedHistory:
    return tracking.history(network.shipments, network.scans)
