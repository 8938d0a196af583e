"""What a sample of past parcels must keep of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.history.gathered import EncodedOrders
from etapromise.in_transit.past_journeys import transit_history
from etapromise.in_transit.sampling import Sample, drawn_parcels

ALL = 10**9


@pytest.fixture(autouse=True)
def _thin_small_weeks_too(monkeypatch):
    monkeypatch.setattr("etapromise.in_transit.sampling._FEWEST", 2)


def sampled_parcels(known, gathered, most_looks: int) -> Sample:
    orders = EncodedOrders(
        gathered.encoder, gathered.requests, gathered.requests, gathered.outcomes
    )
    return Sample.of(known, gathered, drawn_parcels(known, orders, most_looks))


def test_a_sample_that_holds_all_is_all(known, gathered):
    some, of_them, weight = sampled_parcels(known, gathered, ALL)
    assert some is known
    assert of_them is gathered
    assert (weight == 1.0).all()


def test_services_and_weeks_keep_their_shares_and_the_same_is_drawn_again(known, gathered):
    some, of_them, weight = sampled_parcels(known, gathered, 20_000)
    again, _, _ = sampled_parcels(known, gathered, 20_000)
    assert list(some.shipments["shipment_id"]) == list(again.shipments["shipment_id"])
    assert 0.2 < len(weight) / len(known.shipments) < 0.8
    assert weight.mean() == pytest.approx(1.0)
    place = [level.name for level in gathered.encoder.levels].index("service")
    for whole, part in (
        (gathered.requests.codes[:, place], of_them.requests.codes[:, place]),
        (gathered.outcomes.start_day // 28, of_them.outcomes.start_day // 28),
    ):
        shares = np.bincount(whole - whole.min()) / len(whole)
        drawn = np.bincount(part - whole.min(), weights=weight) / weight.sum()
        assert drawn == pytest.approx(shares, abs=0.02)


def test_means_of_a_sample_are_those_of_all(parcels, known, gathered, model):
    parts = model.parts
    found = []
    for most in (ALL, 20_000):
        some, of_them, weight = sampled_parcels(known, gathered, most)
        past = transit_history(
            parcels, some, of_them, parts.contract, parts.holdout_forest, weight=weight
        )
        days, arrived = past.remaining(past.outcomes)
        counted = past.weight * arrived
        found.append(
            (
                np.average(days, weights=counted),
                np.average(past.returned, weights=past.parcel_weight),
            )
        )
    (days, back), (sampled_days, sampled_back) = found
    assert sampled_days == pytest.approx(days, rel=0.04)
    assert sampled_back == pytest.approx(back, abs=0.008)
