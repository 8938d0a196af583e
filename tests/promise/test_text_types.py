"""Texts as objects, as pandas before 3 has them, lead to the same tables and promises."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import pandas as pd
import pytest

from etapromise import PromiseModel, tracking
from etapromise.store.ingest import ingest
from etapromise.store.stored_history import stored_history
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory
from etapromise_simulator import Simulation


@contextlib.contextmanager
def old_texts() -> Iterator[None]:
    """As pandas before 3: what it makes of texts are objects."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The 'future.infer_string'")
        with pd.option_context("future.infer_string", False):  # noqa: FBT003 — pandas' signature
            yield


def of_objects(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts are objects, None where missing."""
    texts = [name for name, column in table.items() if column.dtype in (TEXT, object)]
    old = {name: table[name].astype(object) for name in texts}
    return table.assign(**{name: one.where(one.notna(), None) for name, one in old.items()})


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    # The names of columns may be objects too.
    pd.testing.assert_frame_equal(found, expected, check_column_type=False)


@pytest.fixture(scope="module")
def of_old(
    simulation: Simulation, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrackedHistory, TrackedHistory]:
    """The history of tables of objects, read at once and through a store."""
    store = tmp_path_factory.mktemp("old") / "store"
    shipments, scans = of_objects(simulation.shipments), of_objects(simulation.scans)
    assert shipments.isna().any(axis=None)
    with old_texts():
        read = tracking.history(shipments, scans)
        ingest(store, shipments, scans)
        stored = stored_history(store)
        _ = stored.shipments, stored.milestones  # which are read when they are looked at
    return read, stored


def test_tables_are_the_same(
    of_old: tuple[TrackedHistory, TrackedHistory], parcels: TrackedHistory
) -> None:
    read, stored = of_old
    assert_equal(read.shipments, parcels.shipments)
    assert_equal(read.milestones, parcels.milestones)
    assert_equal(read.scans, parcels.scans)
    order = parcels.shipments.sort_values("shipment_id", ignore_index=True)
    kept = stored.shipments.sort_values("shipment_id", ignore_index=True)
    assert_equal(kept[order.columns], order)


def test_promises_are_the_same(model: PromiseModel, orders: pd.DataFrame) -> None:
    expected = model.promise_many(orders, 0.9)
    with old_texts():
        found = model.promise_many(of_objects(orders), 0.9)
    # Of the types that this pandas makes, and that came.
    pd.testing.assert_frame_equal(found, expected, check_column_type=False, check_dtype=False)
