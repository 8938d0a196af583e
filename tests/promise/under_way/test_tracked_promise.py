"""Parcels under way: one against many, and the laws of what scans may and may not change."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etapromise
from etapromise import EtapromiseError, PromiseModel
from etapromise.in_transit.transit_parts import STAGES, choose_alerts
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF

FAST = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NOW = AS_OF.to_pydatetime() + timedelta(days=1, hours=9)
ORDERED = datetime(2025, 6, 24, 15, tzinfo=UTC)
PARCEL = {
    "shipment_id": "P1",
    "ordered_at": ORDERED,
    "origin": "60492",
    "destination": "60449",
    "carrier": "birdpost",
    "service": "ground",
    "origin_region": "IL",
    "origin_country": "US",
    "destination_region": "IL",
    "destination_country": "US",
    "destination_time_zone": "America/Chicago",
    "promised_date": date(2025, 7, 3),
}
SAME = (
    "stage",
    "confidence",
    "late_probability",
    "lost_probability",
    "return_probability",
    "silent_days",
    "at_risk",
    "stalled",
    "likely_lost",
    "attempts",
    "confidence_code",
)
MOVES = ("picked_up", "arrived", "departed", "in_transit", "out_for_delivery", "attempted")


def scan(status: str, hours: float, *, late: float = 0.0, **more: Any) -> dict[str, Any]:
    """A scan so many hours after the order, received later by `late` hours."""
    at = ORDERED + timedelta(hours=hours)
    return {
        "shipment_id": "P1",
        "scanned_at": at,
        "received_at": at + timedelta(hours=late),
        "status": status,
        "facility": "IL HUB 1",
        "carrier": "birdpost",
        **more,
    }


def open_at(parcels: TrackedHistory, moment: pd.Timestamp) -> pd.DataFrame:
    marks = parcels.milestones
    ended = marks["event_known_at"]
    rows = (parcels.shipments["ordered_at"] <= moment) & (ended.isna() | (ended > moment))
    return parcels.shipments[rows.to_numpy()].reset_index(drop=True)


@pytest.fixture(scope="module")
def orders(parcels: TrackedHistory) -> pd.DataFrame:
    """Open orders at NOW, with some that have come by then."""
    fresh = open_at(parcels, pd.Timestamp(NOW) - timedelta(days=2))
    return fresh[fresh["ordered_at"] <= NOW].tail(150).reset_index(drop=True)


@pytest.fixture(scope="module")
def table(model: PromiseModel, orders: pd.DataFrame, parcels: TrackedHistory) -> pd.DataFrame:
    return model.track_many(orders, parcels.scans, NOW)


def facts(tracked: Any) -> dict[str, Any]:
    """Everything it says, and the whole distribution."""
    days, probability = tracked.promise.distribution()
    return tracked.as_dict() | {"days": days.tolist(), "by": probability.tolist()}


def test_the_batch_is_the_single_one_to_the_last_bit(model, orders, table, parcels):
    assert table["stage"].nunique() >= 4
    for place in range(0, len(orders), 9):
        row = orders.iloc[place]
        shipment = {name: None if pd.isna(value) else value for name, value in row.items()}
        mine = parcels.scans[parcels.scans["shipment_id"] == row["shipment_id"]]
        alone = model.track(shipment, mine, NOW)
        told = table.iloc[place]
        for name in SAME:
            assert alone.as_dict()[name] == told[name], name
        if alone.date is None:
            assert pd.isna(told["estimated_delivery_date"])
        else:
            assert alone.date == told["estimated_delivery_date"].date()
            assert alone.earliest == told["estimated_delivery_date_min"].date()
            assert alone.promise.percentile(97) == told["percentile_97"].date()


def test_the_batch_does_not_depend_on_its_company(model, orders, table, parcels):
    turned = orders.iloc[::-1].reset_index(drop=True)
    half = turned.iloc[: len(turned) // 2].reset_index(drop=True)
    told = model.track_many(half, parcels.scans.sample(frac=1.0, random_state=3), NOW)
    expected = table.iloc[::-1].reset_index(drop=True).iloc[: len(half)]
    pd.testing.assert_frame_equal(told, expected)


def test_scans_received_later_change_nothing(model, orders, table, parcels):
    known = parcels.scans[parcels.scans["received_at"] <= NOW]
    assert len(known) < len(parcels.scans)
    pd.testing.assert_frame_equal(model.track_many(orders, known, NOW), table)


def test_it_survives_saving_and_knows_nothing_of_training(model, orders, table, parcels, tmp_path):
    loaded = etapromise.load(model.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.track_many(orders, parcels.scans, NOW), table)


def test_a_longer_service_level_is_never_earlier(model, orders, parcels):
    dates = [
        model.track_many(orders, parcels.scans, NOW, service_level=level)["estimated_delivery_date"]
        for level in (0.5, 0.8, 0.95)
    ]
    for sooner, later in itertools.pairwise(dates):
        assert (sooner.isna() | (sooner <= later)).all()


def test_what_came_is_told_as_it_came(table):
    came = table[table["stage"] == "delivered"]
    assert len(came) > 5
    assert (came["confidence"] == 1.0).all()
    assert (came["lost_probability"] == 0.0).all()
    assert not came["at_risk"].any()
    assert (came["estimated_delivery_date"] == came["delivered_date"]).all()
    open_ = table[~table["stage"].isin(("delivered", "returned", "returning"))]
    assert open_["delivered_date"].isna().all()
    assert (open_["estimated_delivery_date"] >= pd.Timestamp(NOW.date()) - timedelta(days=1)).all()


@FAST
@given(data=st.data())
def test_any_order_of_rows_and_any_doubles_say_the_same(model, data):
    hours = st.floats(0, 180).map(lambda value: round(value, 2))
    statuses = (*MOVES, "delivered", "returning", "lost", "delayed", "customs_hold")
    scans = data.draw(
        st.lists(st.builds(scan, st.sampled_from(statuses), hours, late=hours), max_size=8)
    )
    doubled = [*scans, *data.draw(st.permutations(scans))[: len(scans) // 2]]
    plain = model.track(PARCEL, scans, NOW)
    assert facts(model.track(PARCEL, data.draw(st.permutations(doubled)), NOW)) == facts(plain)


@FAST
@given(data=st.data())
def test_the_end_does_not_depend_on_what_arrived_first(model, data):
    """Late, and contradictory: delivered, then in transit; delivered twice; lost, then found."""
    hours = st.floats(1, 150).map(lambda value: round(value, 2))
    statuses = (*MOVES, "delivered", "delivered", "lost", "returning", "returned")
    scans = data.draw(
        st.lists(st.builds(scan, st.sampled_from(statuses), hours), min_size=2, max_size=7)
    )
    received = [ORDERED + timedelta(hours=150 + n / 10) for n in range(len(scans))]
    turn = data.draw(st.permutations(received))
    first, second = (
        model.track(
            PARCEL,
            [one | {"received_at": at} for one, at in zip(scans, times, strict=True)],
            NOW,
        )
        for times in (received, turn)
    )
    assert first.stage == second.stage
    assert first.delivered_at == second.delivered_at
    assert first.status == second.status
    assert first.attempts == second.attempts
    assert first.lost_probability == second.lost_probability
    if first.stage == "delivered":
        assert first.date == second.date


def test_a_delivery_stays_one_and_the_first_counts(model):
    story = [
        scan("picked_up", 20),
        scan("delivered", 90),
        scan("in_transit", 120),
        scan("delivered", 140),
    ]
    tracked = model.track(PARCEL, story, NOW)
    assert (tracked.stage, tracked.status) == ("delivered", "delivered")
    assert tracked.delivered_at == ORDERED + timedelta(hours=90)
    assert tracked.date == date(2025, 6, 28)
    assert tracked.late_probability == 0.0
    assert tracked.promise.probability_by(date(2025, 6, 27)) == 0.0


def test_a_late_delivery_was_late(model):
    tracked = model.track(PARCEL, [scan("delivered", 90)], NOW, standing=date(2025, 6, 27))
    assert tracked.late_probability == 1.0
    assert not tracked.at_risk


@pytest.mark.parametrize(
    ("status", "stage"),
    [("returning", "returning"), ("returned", "returned"), ("cancelled", "cancelled")],
)
def test_what_never_comes_has_no_date_and_is_never_on_time(model, status, stage):
    story = [scan("picked_up", 20), scan("attempted", 60), scan(status, 90)]
    tracked = model.track(PARCEL, story, NOW)
    assert tracked.stage == stage
    assert tracked.date is None
    assert tracked.as_dict()["estimated_delivery_date"] is None
    assert tracked.late_probability == 1.0
    assert tracked.confidence == 0.0
    assert tracked.at_risk == (status != "cancelled")
    assert tracked.return_probability == float(status != "cancelled")


@pytest.mark.parametrize("status", ["lost", "damaged"])
def test_a_lost_or_damaged_parcel_hardly_arrives_until_it_is_seen_again(model, status):
    story = [scan("picked_up", 20), scan("arrived", 40), scan(status, 90)]
    gone = model.track(PARCEL, story, NOW)
    assert gone.stage == status
    assert gone.lost_probability > 0.5
    assert gone.late_probability > 0.5
    assert gone.likely_lost
    found = model.track(PARCEL, [*story, scan("departed", 130)], NOW)
    assert found.stage == "in_transit"
    assert found.lost_probability < gone.lost_probability


def test_customs_are_recognised(model):
    held = model.track(PARCEL, [scan("picked_up", 20), scan("customs_hold", 60)], NOW)
    assert (held.stage, held.status) == ("customs", "customs_hold")
    cleared = model.track(
        PARCEL, [scan("picked_up", 20), scan("customs_hold", 60), scan("customs_cleared", 99)], NOW
    )
    assert cleared.stage == "in_transit"


def test_silence_raises_the_doubt_and_a_scan_lowers_it(model):
    story = [scan("picked_up", 20), scan("arrived", 44), scan("departed", 50)]
    told = [
        model.track(PARCEL, story, ORDERED + timedelta(hours=52, days=days)) for days in range(28)
    ]
    lost = [one.lost_probability for one in told]
    assert all(later >= sooner for sooner, later in itertools.pairwise(lost))
    assert lost[-1] > 20 * lost[0]
    assert told[-1].stalled
    assert not told[0].stalled
    assert told[-1].silent_days > 10
    late = datetime(2025, 7, 15, 12, tzinfo=UTC)
    hours = (late - ORDERED).total_seconds() / 3600
    silent = model.track(PARCEL, story, late + timedelta(hours=2))
    seen = model.track(PARCEL, [*story, scan("arrived", hours)], late + timedelta(hours=2))
    assert seen.lost_probability < silent.lost_probability
    assert not seen.stalled
    assert seen.silent_days < 1.0


def test_a_closed_sunday_is_no_silence(model):
    story = [scan("picked_up", 20), scan("departed", 72)]  # a Friday
    saturday = model.track(PARCEL, story, datetime(2025, 6, 29, 4, 59, tzinfo=UTC))
    sunday = model.track(PARCEL, story, datetime(2025, 6, 30, 4, 59, tzinfo=UTC))
    assert sunday.silent_days - saturday.silent_days < 0.2


def test_dates_begin_today_and_the_distribution_is_one(model, orders, parcels):
    row = orders.iloc[-1]
    shipment = {name: None if pd.isna(value) else value for name, value in row.items()}
    mine = parcels.scans[parcels.scans["shipment_id"] == row["shipment_id"]]
    tracked = model.track(shipment, mine, NOW)
    days, probability = tracked.promise.distribution()
    zone = tracked.promise.destination_time_zone
    assert days[0] == np.datetime64(pd.Timestamp(NOW).tz_convert(zone).date())
    assert (np.diff(probability) >= 0).all()
    assert 0.5 < probability[-1] <= 1.0
    assert tracked.promise.lost_probability == pytest.approx(1.0 - probability[-1])
    never = 1.0 - (1.0 - tracked.lost_probability) * (1.0 - tracked.return_probability)
    assert tracked.promise.lost_probability == pytest.approx(never, abs=0.02)


def test_the_standing_promise_can_be_given(model, orders, parcels):
    told = model.track_many(orders, parcels.scans, NOW, standing=date(2025, 7, 30))
    sooner = model.track_many(orders, parcels.scans, NOW, standing=[date(2025, 7, 3)] * len(orders))
    assert (told["late_probability"] <= sooner["late_probability"]).all()
    assert (told["late_probability"] < sooner["late_probability"]).any()
    for wrong in ([date(2025, 7, 3)], "soon"):
        with pytest.raises(EtapromiseError, match="standing"):
            model.track_many(orders, parcels.scans, NOW, standing=wrong)


def test_a_lower_threshold_alarms_more(model, orders, parcels):
    few, many = (
        model.track_many(orders, parcels.scans, NOW, at_risk_threshold=level)["at_risk"]
        for level in (0.9, 0.1)
    )
    assert (few <= many).all()
    assert few.sum() < many.sum()
    assert model.alert_threshold(precision=0.95) >= model.alert_threshold(precision=0.5)
    assert model.alert_threshold(budget=0.01) >= model.alert_threshold(budget=0.3)
    with pytest.raises(EtapromiseError, match="one of them"):
        model.alert_threshold(precision=0.8, budget=0.1)


def test_alarms_are_as_precise_as_wanted_where_probabilities_are_right():
    rng = np.random.default_rng(1)
    highest = rng.random(40_000)
    late = rng.random(40_000) < highest
    parcel = np.repeat(np.arange(40_000), 3)
    looks = np.stack([highest * 0.3, highest, highest * 0.9], axis=1).ravel()
    alerts = choose_alerts(parcel, looks, np.repeat(late, 3))
    for wish in (0.7, 0.8, 0.9):
        level = alerts.at(precision=wish)
        assert late[highest >= level].mean() == pytest.approx(wish, abs=0.02)
        # For a uniform probability the mean above a threshold is its middle to 1.
        assert level == pytest.approx(2 * wish - 1, abs=0.05)
    budget = alerts.at(budget=0.1)
    assert 0.08 <= (highest >= budget).mean() <= 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"now": datetime(2025, 7, 2, 9)}, "time zone"),  # noqa: DTZ001
        ({"now": ORDERED - timedelta(hours=1)}, "after now"),
        ({"shipment": "P1"}, "mapping"),
        ({"shipment": {**PARCEL, "ordered_at": None}}, "cannot be used"),
        ({"scans": [{"shipment_id": "P1", "status": "arrived"}]}, "scanned_at"),
        ({"service_level": 1.0}, "service_level"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(model, change, words):
    asked = {"shipment": PARCEL, "scans": [scan("picked_up", 20)], "now": NOW} | change
    with pytest.raises(EtapromiseError, match=words):
        model.track(**asked)


def test_a_parcel_without_scans_or_id_is_answered(model):
    bare = {name: value for name, value in PARCEL.items() if name != "shipment_id"}
    for scans in (None, [], pd.DataFrame()):
        tracked = model.track(bare, scans, NOW)
        assert (tracked.stage, tracked.status) == ("ordered", None)
    assert set(STAGES) >= {tracked.stage}


def test_a_model_without_journeys_answers_from_the_promise_at_the_order(model):
    quotes = PromiseModel(replace(model.parts, transit=None))
    story = [scan("picked_up", 20), scan("arrived", 44)]
    now = ORDERED + timedelta(days=2)
    tracked = quotes.track(PARCEL, story, now)
    asked = {
        name: value
        for name, value in PARCEL.items()
        if name not in ("shipment_id", "promised_date")
    }
    promise = model.promise(**asked)
    today = tracked.promise.distribution()[0][0].item()
    before = promise.probability_by(today - timedelta(days=1))
    for ahead in range(10):
        day = today + timedelta(days=ahead)
        given_none = (promise.probability_by(day) - before) / (1.0 - before)
        assert tracked.promise.probability_by(day) == pytest.approx(given_none, abs=1e-12)
    assert tracked.stage == "in_transit"
    frame = quotes.track_many(
        etapromise.tracking.read_shipments(pd.DataFrame([PARCEL])).accepted, story, now
    )
    assert frame["estimated_delivery_date"].iloc[0].date() == tracked.date
    delivered = quotes.track(PARCEL, [scan("delivered", 30)], now)
    assert delivered.date == date(2025, 6, 25)
