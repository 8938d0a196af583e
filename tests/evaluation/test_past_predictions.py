"""The replay behind the choice of a policy: what was known on each morning, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.errors import ContractError
from etapromise.evaluation.repromise_replay import (
    PastPredictions,
    past_predictions,
    simulate_repromises,
)
from etapromise.promise.under_way.repromise_policy import RepromisePolicy
from etapromise.tracking import TrackedHistory

START = pd.Timestamp("2025-05-20T06:00", tz="UTC")
END = START + pd.Timedelta(days=14)


@pytest.fixture(scope="module")
def earlier(model: PromiseModel, parcels: TrackedHistory) -> PromiseModel:
    return model.refresh(parcels, as_of=START)


@pytest.fixture(scope="module")
def looks(earlier: PromiseModel, parcels: TrackedHistory) -> PastPredictions:
    return past_predictions(earlier, parcels, start=START, end=END)


def test_every_parcel_is_looked_at_each_morning_of_its_way(
    looks: PastPredictions, parcels: TrackedHistory
) -> None:
    ordered = parcels.shipments["ordered_at"]
    chosen = (ordered >= START) & (ordered < END)
    chosen &= (parcels.milestones["closed_as"] != "cancelled").fillna(value=True)
    known = parcels.milestones["event_known_at"][chosen].reset_index(drop=True)
    assert len(looks.original_date) == chosen.sum()
    assert len(set(zip(looks.parcel, looks.moment, strict=True))) == len(looks.moment)
    for number in range(0, len(known), 9):
        if pd.isna(known[number]):
            continue
        mornings = pd.date_range(START, known[number], freq="D")
        begin = ordered[chosen].reset_index(drop=True)[number]
        mornings = mornings[(mornings >= begin) & (mornings < known[number])]
        assert (looks.parcel == number).sum() == len(mornings)
    assert (np.diff(looks.probability, axis=1) >= -1e-6).all()
    assert np.array_equal(looks.first_date, looks.today)


def test_looks_say_what_track_many_says(
    looks: PastPredictions, earlier: PromiseModel, parcels: TrackedHistory
) -> None:
    moment = START + pd.Timedelta(days=6)
    chosen = looks.moment == np.datetime64(moment.tz_localize(None))
    ordered = parcels.shipments["ordered_at"]
    mine = (ordered >= START) & (ordered < END)
    mine &= (parcels.milestones["closed_as"] != "cancelled").fillna(value=True)
    shipments = parcels.shipments[mine].reset_index(drop=True)
    shipments = shipments.iloc[looks.parcel[chosen]].reset_index(drop=True)
    standing = looks.original_date[looks.parcel[chosen]]
    table = earlier.track_many(shipments, parcels.scans, moment.to_pydatetime(), standing=standing)
    day = ((standing - looks.first_date[chosen]) / np.timedelta64(1, "D")).astype(int)
    probability = looks.probability[chosen]
    stated = probability[np.arange(len(day)), np.clip(day, 0, probability.shape[1] - 1)]
    stated = np.where(day < 0, 0.0, stated)
    going = table["estimated_delivery_date"].notna().to_numpy()
    assert going.sum() > 20
    kept = 1.0 - table["late_probability"].to_numpy()[going]
    assert kept == pytest.approx(stated[going], abs=1e-6)


def test_what_was_received_later_changes_no_look(
    looks: PastPredictions, earlier: PromiseModel, parcels: TrackedHistory
) -> None:
    """The scans of after a morning are of another parcel's story: all of them late by a year."""
    moment = START + pd.Timedelta(days=9)
    scans = parcels.scans.copy()
    later = scans["received_at"] > moment
    scans.loc[later, "status"] = "exception"
    told = past_predictions(earlier, replace(parcels, scans=scans), start=START, end=END)
    before = looks.moment <= np.datetime64(moment.tz_localize(None))
    assert before.sum() > 100
    assert (told.probability[before] == looks.probability[before]).all()
    assert (told.probability[~before] != looks.probability[~before]).any()


def test_telling_halves_what_breaks_in_silence_with_few_changes(looks: PastPredictions) -> None:
    silence = simulate_repromises(
        looks, RepromisePolicy(tell_below=0.0, calm_above=0.0, earlier_days=99)
    )
    told = simulate_repromises(looks, RepromisePolicy())
    assert told.changes_per_parcel < 1 / 3
    assert told.turns == 0
    assert silence.silent_misses == silence.missed_originals > 0.04
    assert told.silent_misses < silence.silent_misses / 2
    assert told.kept_in_the_end > silence.kept_in_the_end


def test_a_past_that_cannot_be_replayed(
    model: PromiseModel, earlier: PromiseModel, parcels: TrackedHistory
) -> None:
    with pytest.raises(ContractError, match="knows nothing of the parcels"):
        past_predictions(model, parcels, start=START)
    with pytest.raises(ContractError, match="no parcel ordered"):
        past_predictions(earlier, parcels, start=START + pd.Timedelta(days=300))
