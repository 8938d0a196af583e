"""What the Python API cannot take is refused by its name, never swallowed."""

from __future__ import annotations

import inspect
from typing import Any

import pandas as pd
import pytest

import etapromise
from etapromise.errors import ContractError
from tests.small_network import AS_OF

WALK: dict[str, Any] = {"start": AS_OF - pd.Timedelta(days=30), "end": AS_OF}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"service_levels": []}, "service_levels"),
        ({"service_levels": 0.9}, "service_levels"),
        ({"service_levels": ["0.9"]}, "service_levels"),
        ({"jobs": 0}, "jobs"),
        ({"scans": "scans.csv"}, "read already"),
        ({"mapping": "mapping.toml"}, "read already"),
        ({"vocabulary": "aftership"}, "read already"),
        ({"start": 17}, "found|Found"),
        ({"start": None}, "Found no start"),
        ({"end": "01/02/2026"}, "end='01/02/2026', which may begin with the day or"),
        ({"progress": "yes"}, "progress='yes'; expected a function"),
    ],
)
def test_a_walk_that_cannot_be_is_refused(parcels, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ContractError, match=named):
        etapromise.backtest(parcels, **(WALK | change))


def test_wrong_kinds_are_named(simulation) -> None:
    model: Any = 3
    with pytest.raises(ContractError, match="found int for the mapping"):
        etapromise.read(simulation.shipments, mapping=model)
    with pytest.raises(ContractError, match="Found int for the model"):
        etapromise.score(model, simulation.shipments, as_of=AS_OF)


@pytest.mark.parametrize("most", [20, -0.1, "0.2"])
def test_the_share_of_rejects_is_a_share(simulation, most: Any) -> None:
    with pytest.raises(ContractError, match="max_rejects"):
        etapromise.read(simulation.shipments, simulation.scans, max_rejects=most)


@pytest.mark.parametrize(
    "name",
    ["read", "train", "backtest", "refresh", "retrain", "score", "monitor", "events", "scorecard"],
)
def test_whatever_reads_tables_takes_the_same_arguments(name: str) -> None:
    taken = inspect.signature(getattr(etapromise, name)).parameters
    alike = inspect.signature(etapromise.read).parameters
    for argument in ("mapping", "vocabulary", "naive_time_zone"):
        assert taken[argument] == alike[argument], argument
    assert {"shipments", "scans"} <= set(taken)
