"""Numbers far outside what was learned are told at every door, with what they may be."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.history.number_ranges import LearnedRanges, nearest_remedy, spread_of
from etapromise.operations.scoring.scoring import score
from etapromise.stored_arrays import StoredValues


@given(seed=st.integers(0, 999), middle=st.floats(0.01, 1e4), spread=st.floats(0.05, 1.2))
def test_what_was_learned_is_inside_and_a_thousandfold_is_not(
    seed: int, middle: float, spread: float
) -> None:
    values = middle * np.random.default_rng(seed).lognormal(0.0, spread, 500)
    found = spread_of("price", np.append(values, np.nan))
    assert found is not None
    assert found.outside(values).mean() <= 0.004
    assert found.low < found.least <= found.middle <= found.most < found.high
    assert found.outside(np.array([found.most * 1000.0, np.nan])).tolist() == [True, False]
    stored = LearnedRanges({"price": found}, ("price",)).as_dict()
    assert LearnedRanges.stored(StoredValues("x", stored), ("price",)).spreads["price"] == found


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("weight_kg", 1000.0, 'grams: say unit = "g"'),
        ("weight_kg", 2.2, 'pounds: say unit = "lb"'),
        ("weight_kg", 35.0, 'ounces: say unit = "oz"'),
        ("weight_kg", 0.0011, "tonnes"),
        ("price", 100.0, "cents"),
        ("price", 7.0, "check the unit"),
        ("destination_lat", -1.0, "latitude and longitude"),
    ],
)
def test_the_nearest_remedy_is_named(name: str, factor: float, words: str) -> None:
    assert words in nearest_remedy(name, 1.3 * factor, 1.3)


def test_too_few_or_equal_values_say_nothing() -> None:
    assert spread_of("price", np.arange(20.0)) is None
    assert spread_of("price", np.full(500, 2.0)) is None


def test_a_weight_in_grams_is_told_at_every_door(model: PromiseModel, orders: pd.DataFrame) -> None:
    frame = orders.head(40).copy()
    assert "weight_kg" in model.parts.ranges.spreads
    as_of = pd.Timestamp(model.as_of) + pd.Timedelta(days=60)
    plain = score(model, frame, as_of=as_of)
    grams = score(model, frame.assign(weight_kg=frame["weight_kg"] * 1000.0), as_of=as_of)
    assert not any(note.reason == "outside_weight_kg" for note in plain.notes)
    (told,) = [note for note in grams.notes if note.reason == "outside_weight_kg"]
    assert told.rows >= 38
    assert 'unit = "g"' in told.told
    assert grams.promises["messages"].str.contains("value_outside").sum() == told.rows
    row = frame.iloc[0]
    for factor, said in ((1.0, False), (1000.0, True)):
        promise = model.promise(
            origin=row["origin"],
            destination=row["destination"],
            carrier=row["carrier"],
            service=row["service"],
            ordered_at=datetime(2025, 7, 2, tzinfo=UTC),
            weight_kg=float(row["weight_kg"]) * factor,
        )
        assert ("value_outside" in {one["code"] for one in promise.messages}) is said
        assert promise.confidence_code >= (20001 if said else 10000)


def test_exchanged_coordinates_are_told(model: PromiseModel, orders: pd.DataFrame) -> None:
    frame = orders.head(40).copy()
    names = {"destination_lat": "destination_lon", "destination_lon": "destination_lat"}
    as_of = pd.Timestamp(model.as_of) + pd.Timedelta(days=60)
    found = score(model, frame.rename(columns=names), as_of=as_of)
    reasons = {note.reason for note in found.notes}
    assert "outside_destination_lon" in reasons
