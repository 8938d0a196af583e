"""What a sample of past parcels must keep of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.history.gathered import EncodedOrders
from etapromise.in_transit.past_journeys import PastParcels
from etapromise.in_transit.sampling import Drawn, drawn_parcels
from etapromise.in_transit.training import chatter

ALL = 10**9


@pytest.fixture(autouse=True)
def _thin_small_weeks_too(monkeypatch):
    monkeypatch.setattr("etapromise.in_transit.sampling._FEWEST", 2)


def drawn(known, gathered, most_looks: int) -> Drawn:
    orders = EncodedOrders(
        gathered.encoder, gathered.requests, gathered.requests, gathered.outcomes
    )
    return drawn_parcels(known, orders, most_looks)


def test_a_sample_that_holds_all_is_all(known, gathered):
    found = drawn(known, gathered, ALL)
    assert found.rows is None
    assert (found.weight == 1.0).all()


def test_services_and_weeks_keep_their_shares_and_the_same_is_drawn_again(known, gathered):
    found, again = (drawn(known, gathered, 20_000) for _ in range(2))
    assert np.array_equal(found.rows, again.rows)
    of_them, weight = gathered.take(found.rows), found.weight
    assert 0.2 < len(weight) / len(known.shipments) < 0.8
    # In steps, so that those of one night are those of the next.
    assert 1.0 <= weight.mean() < 1.05
    place = [level.name for level in gathered.encoder.levels].index("service")
    for whole, part in (
        (gathered.requests.codes[:, place], of_them.requests.codes[:, place]),
        (gathered.outcomes.start_day // 28, of_them.outcomes.start_day // 28),
    ):
        shares = np.bincount(whole - whole.min()) / len(whole)
        found_shares = np.bincount(part - whole.min(), weights=weight) / weight.sum()
        assert found_shares == pytest.approx(shares, abs=0.02)


def test_means_of_a_sample_are_those_of_all(parcels, known, gathered):
    found = []
    for most in (ALL, 20_000):
        every = PastParcels.of(parcels, known, gathered, drawn(known, gathered, most))
        past = every.looks(np.arange(len(every.week)))
        days, arrived = past.remaining(past.outcomes)
        service = past.looks.codes("service")
        counted = chatter(past.parcel, service) * past.parcel_weight[past.parcel] * arrived
        found.append(
            (
                np.average(days, weights=counted),
                np.average(past.returned, weights=past.parcel_weight),
            )
        )
    (days, back), (sampled_days, sampled_back) = found
    assert sampled_days == pytest.approx(days, rel=0.04)
    assert sampled_back == pytest.approx(back, abs=0.008)
