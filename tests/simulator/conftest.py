"""Simulations that several tests look at; none of them changes one."""

from __future__ import annotations

import pytest

from etapromise_simulator import NetworkConfig, Simulation, simulate


@pytest.fixture(scope="session")
def year() -> Simulation:
    return simulate(NetworkConfig(seed=1, days=364, shipments_per_day=50.0))


@pytest.fixture(scope="session")
def month() -> Simulation:
    return simulate(NetworkConfig(seed=2, days=28, shipments_per_day=80.0))
