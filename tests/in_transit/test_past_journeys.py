"""Looks at past journeys, and whether what is said on the way comes true in later weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etapromise.in_transit.past_journeys import PastParcels, TransitHistory
from etapromise.in_transit.sampling import Drawn
from etapromise.in_transit.training import chatter
from etapromise.promise.under_way.open_journeys import journeys_at
from tests.small_network import AS_OF

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def past(model, parcels, known, gathered) -> TransitHistory:
    parts = model.parts
    rows = np.arange(len(known))
    past = PastParcels.of(parcels, known, gathered, Drawn(rows=None, near=rows, weight=rows**0.0))
    return past.looks(rows, parts.contract, parts.holdout_forest)


def test_looks_ascend_and_end_when_the_event_is_known(past):
    states = past.looks.states
    parcel, moment = states.parcel, states.moment
    step = np.diff(parcel) * 10**18 + np.diff(moment)
    assert (step > 0).all()
    assert (moment < past.until[parcel]).all()
    assert (moment >= past.scans.ordered[parcel]).all()
    # Every parcel is looked at when it is ordered, and on every day on its way.
    assert set(parcel) == set(range(len(past.scans)))
    gaps = np.diff(moment)[np.diff(parcel) == 0]
    assert gaps.max() < 2 * 86_400_000_000


def test_a_look_at_a_scan_is_at_a_scan(past):
    at = past.at_scans()
    states = past.looks.states.take(at)
    ordered = past.scans.ordered[states.parcel]
    assert ((states.moment == ordered) | (states.last_known == states.moment)).all()
    assert 0.2 < at.mean() < 0.9


def test_remaining_time_falls_as_time_goes_by(past):
    days, arrived = past.remaining(past.outcomes)
    # On the day of the event and before: what had come and was not known counts as today's.
    coming = arrived & (past.looks.positions.today <= past.outcomes.event_day[past.parcel])
    # Another carrier than usual takes over on a clock of its own.
    clock = past.looks.positions.clock
    same = (np.diff(past.parcel) == 0) & coming[1:] & (np.diff(clock) == 0)
    assert same.sum() > 1000
    assert (np.diff(days)[same] <= 1e-9).all()
    assert (days[arrived] >= 0).all()


def test_chatty_services_count_like_others_and_late_parcels_like_quick_ones():
    parcel = np.repeat(np.arange(6), [2, 4, 3, 20, 40, 30])
    service = np.where(parcel < 3, 1, 2)
    weight = chatter(parcel, service)
    assert np.bincount(service, weights=weight)[1:] == pytest.approx([3.0, 3.0])
    for one in (1, 2):
        assert np.unique(weight[service == one]).size == 1
    assert len(chatter(parcel[:0], service[:0])) == 0


def test_what_is_said_on_the_way_comes_true(model, parcels):
    """Nine days that the model has not seen, a look a day at every open order.

    Kept promises are as many as stated within what nine days of luck allow, and the remaining
    time is told better than by the promise at the order.
    """
    came_on = model.local_dates(parcels.shipments, parcels.milestones["event_at"])
    ended = parcels.milestones["event_known_at"].fillna(parcels.milestones["closed_known_at"])
    parts = []
    for number in range(9):
        now = AS_OF + number * DAY + pd.Timedelta(hours=(number * 5 + 3) % 24)
        open_ = (parcels.shipments["ordered_at"] <= now) & ~(ended <= now)
        rows = np.flatnonzero(open_ & (parcels.shipments["ordered_at"] > now - 30 * DAY))
        orders = parcels.shipments.iloc[rows].reset_index(drop=True)
        journey = journeys_at(model, orders, parcels.scans, now.to_pydatetime())
        told = model.track_many(orders, parcels.scans, now.to_pydatetime())
        quoted = model.promise_many(orders)
        parts.append(
            told.assign(
                came_on=came_on[rows],
                today=journey.today.astype("datetime64[D]").astype("datetime64[s]"),
                quoted=quoted["percentile_50"],
            )
        )
    looks = pd.concat(parts, ignore_index=True)
    assert len(looks) > 800
    kept = (looks["came_on"] <= looks["estimated_delivery_date"]).mean()
    assert kept == pytest.approx(looks["confidence"].mean(), abs=0.05)
    came = looks[looks["came_on"].notna()]
    misses = {
        name: (np.maximum(came[name], came["today"]) - came["came_on"]).abs().dt.days.mean()
        for name in ("percentile_50", "quoted")
    }
    assert misses["percentile_50"] < 0.95 * misses["quoted"]
    late = looks[looks["late_probability"] > 0.5]
    assert len(late) > 30
