"""Every public class and function shows an example in its docstring, and the examples run."""

from __future__ import annotations

import doctest
import inspect
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise.operations.models.model_registry import ModelRegistry
from tests.small_network import TRAINING


@pytest.fixture(scope="module")
def directory(model, simulation, tmp_path_factory):
    """A shop's tables and models."""
    path = tmp_path_factory.mktemp("shop")
    simulation.shipments.to_parquet(path / "shipments.parquet")
    simulation.scans.to_parquet(path / "scans.parquet")
    registry = ModelRegistry(path / "models")
    with registry.lock():
        registry.add_trained(model)
    etapromise.ingest(path / "store", simulation.shipments, simulation.scans)
    return path


@pytest.fixture(scope="module")
def under_way(directory):
    moment = pd.Timestamp("2025-07-03", tz="UTC")
    orders, _ = etapromise.stored_history(directory / "store").under_way(moment, most_days=30)
    return orders["shipment_id"].iloc[-1]


@pytest.fixture
def names(directory, model, parcels, under_way, monkeypatch):
    """What the examples call by name, where they are run."""
    monkeypatch.chdir(directory)
    return {
        "UTC": UTC,
        "date": date,
        "datetime": datetime,
        "etapromise": etapromise,
        "history": parcels,
        "model": model,
        "np": np,
        "quick": replace(TRAINING, members=1),
        "under_way": under_way,
    }


@pytest.mark.parametrize("name", etapromise.__all__)
def test_an_example_runs(name, names, capsys):
    text = inspect.getdoc(getattr(etapromise, name))
    assert ">>> " in text
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    runner.run(example)
    assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out
