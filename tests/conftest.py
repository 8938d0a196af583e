"""What tests of several rooms look at; none of them changes any of it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from etapromise import PromiseModel, tracking, train
from etapromise.history.as_of import KnownOrders
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.tracking import TrackedHistory
from etapromise_simulator import Simulation, simulate
from tests.small_network import AS_OF, NETWORK, TRAINING

if TYPE_CHECKING:
    import pandas as pd

# A loaded machine is no failure: nothing here is a timed test.
settings.register_profile("etapromise", deadline=None)
settings.load_profile("etapromise")

if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters:
    # Before 8.2 click keeps the streams apart only where asked to, and has no text of both.
    CliRunner.__init__ = functools.partialmethod(CliRunner.__init__, mix_stderr=False)
    Result.output = property(lambda result: result.stdout + result.stderr)

# With few tests, or long ones; begun last, one of them would keep one worker busy and another idle.
LONGEST = {
    *("test_docs.py", "test_docstring_examples.py", "test_engines.py", "test_failures.py"),
    *("test_kept_numbers.py", "test_monitoring.py", "test_notebooks.py", "test_retraining.py"),
    *("test_store.py", "test_training.py", "test_tuning.py", "test_year.py"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that all workers end at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return simulate(NETWORK)


@pytest.fixture(scope="session")
def parcels(simulation: Simulation) -> TrackedHistory:
    """Everything that the extract tells, the future of AS_OF included."""
    return tracking.history(simulation.shipments, simulation.scans)


@pytest.fixture(scope="session")
def model(parcels: TrackedHistory) -> PromiseModel:
    return train(parcels, as_of=AS_OF, config=TRAINING)


@pytest.fixture(scope="session")
def known(parcels: TrackedHistory) -> KnownOrders:
    return KnownOrders.of(parcels, AS_OF)


@pytest.fixture(scope="session")
def gathered(known: KnownOrders) -> HistoryAsOf:
    """What training sees at AS_OF."""
    give_up = known.give_up_after()
    encoder = known.encoder(
        numeric=(), categorical=(), default_time_zone=None, give_up_after=give_up
    )
    return HistoryAsOf.of(EncodedOrders.of(known, encoder, give_up), TRAINING.effects)


@pytest.fixture(scope="session")
def orders(parcels: TrackedHistory) -> pd.DataFrame:
    """Accepted rows ordered after AS_OF, which the model has never seen."""
    later = parcels.shipments["ordered_at"] >= AS_OF
    return parcels.shipments.loc[later].reset_index(drop=True)
