"""One calendar file for training, batch, quote and refresh, kept inside the model."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import PromiseModel, train
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.operations.retraining import recipe_of
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF, TRAINING, fields_of

FILE = """
[[carriers]]
carrier = "ACME "
delivers = "Tue, Thu"
[[destinations]]
country = "Kanada"
delivers = "Mon-Wed"
[[blackouts]]
days = ["2025-07-09 to 2025-07-10"]
"""
OTHER = '[[blackouts]]\ncountry = "US"\ndays = ["2025-07-14 to 2025-07-20"]\n'


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("calendars") / "calendars.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def told(parcels: TrackedHistory, path: Path) -> PromiseModel:
    config = replace(
        TRAINING, members=1, boosting=replace(TRAINING.boosting, rounds=8), calendars=path
    )
    return train(parcels, as_of=AS_OF, config=config)


def closed(day: date, row: dict[str, object]) -> bool:
    """What FILE says, written out once more."""
    return (
        (row["carrier"] == "acme" and day.weekday() not in {1, 3})
        or (row["destination_country"] == "CA" and day.weekday() > 2)
        or date(2025, 7, 9) <= day <= date(2025, 7, 10)
    )


def test_no_promise_falls_on_a_day_without_deliveries(
    told: PromiseModel, model: PromiseModel, orders: pd.DataFrame
) -> None:
    rows = orders.head(150).to_dict("records")
    free = 0
    for number, row in enumerate(rows):
        fields = fields_of(row)
        level = (0.5, 0.9, 0.9999999)[number % 3]  # the last can be out of reach
        promise = told.promise(**fields, service_level=level)
        days = [promise.date, promise.earliest, promise.latest]
        days += [promise.percentile(percent) for percent in (5, 50, 99.99999)]
        assert not any(closed(day, row) for day in days)
        whole, probability = promise.distribution()
        grown = np.diff(probability, prepend=0.0) > 0
        assert not any(closed(day, row) for day in whole[grown].tolist())
        free += closed(model.promise(**fields).date, row)
    assert free > 25  # without the file such days are promised
    columns = ["date", "date_min", "date_max"]
    table = told.promise_many(orders.head(150), service_level=0.9999999)
    for name in columns:
        for day, row in zip(table[f"estimated_delivery_{name}"], rows, strict=True):
            assert not closed(day.date(), row)


def test_the_model_keeps_the_file(
    told: PromiseModel, orders: pd.DataFrame, tmp_path: Path, path: Path
) -> None:
    loaded = etapromise.load(told.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(
        loaded.promise_many(orders.head(50)), told.promise_many(orders.head(50))
    )
    for model in (told, loaded):
        assert model.calendars is not None
        assert model.calendars.text == FILE
        recipe = recipe_of(model)
        assert recipe.calendars is not None
        assert recipe.calendars.text == FILE  # type: ignore[union-attr]
    assert "FILE" not in str(loaded.manifest["config"])


def test_a_refresh_keeps_it_or_brings_another(
    told: PromiseModel, parcels: TrackedHistory, orders: pd.DataFrame
) -> None:
    later = AS_OF + timedelta(days=5)
    kept = told.refresh(parcels, as_of=later)
    assert kept.calendars == told.calendars
    assert (kept.parts.encoder.clocks.elapsed == told.parts.encoder.clocks.elapsed).all()
    changed = told.refresh(parcels, as_of=later, calendars=CalendarFile(OTHER))
    assert changed.calendars is not None
    assert changed.calendars.text == OTHER
    assert changed.version != kept.version
    american = orders[orders["destination_country"] == "US"].head(60)
    promised = changed.promise_many(american)["estimated_delivery_date"]
    assert not promised.between("2025-07-14", "2025-07-20").any()
    # The weeks of the first file are gone.
    acme = promised[(american["carrier"] == "acme").to_numpy()].dt.day_of_week
    assert not set(acme) <= {1, 3}


def test_a_wrong_file_is_told_before_training(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[[carrier]]\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"line 1 of .*wrong\.toml.*'carriers'"):
        replace(TRAINING, calendars=tmp_path / "wrong.toml")
