"""Shops with few orders: a wide promise that says so, at every door; a refusal with its remedy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etapromise
from etapromise import tracking
from etapromise.errors import InsufficientHistoryError
from etapromise.evaluation.backtest import BacktestConfig, run_backtest
from etapromise.evaluation.replay import TrainModel
from etapromise.operations.scoring.scoring import score
from etapromise.training.config import TrainingConfig
from etapromise.training.few_parcels import forest_of_few
from etapromise.training.training import train
from etapromise_simulator.families import FAMILIES, World

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.9, 0.95])


def shop(orders, seed=1):
    """A shop with about so many orders in 120 days, and the 30 days after."""
    family = FAMILIES["small shop"]
    return World(replace(family, orders_per_day=orders / 120, days=150, judged_days=30), seed=seed)


def moment(world, day=120):
    return pd.Timestamp(world.family.start, tz=world.family.zone) + pd.Timedelta(days=day)


def sibling_orders(world):
    """Many orders of the fortnight after, in the same network: the truth knows them."""
    many = World(replace(world.family, orders_per_day=30.0), seed=1)
    at = many.shipments["ordered_at"]
    rows = (at >= moment(world)) & (at < moment(world, 134))
    return many, many.shipments[rows].reset_index(drop=True)


@pytest.mark.parametrize("orders", [50, 300, 1000])
def test_a_small_shop_is_served_at_every_door(orders, tmp_path):
    world = shop(orders)
    history = tracking.history(world.shipments, world.scans)
    config = TrainingConfig(members=1, stages=False)
    model = train(history, as_of=moment(world), config=config)
    assert model.parts.alike == (orders == 50)

    model.save(tmp_path / "model")
    loaded = etapromise.load(tmp_path / "model")
    new = history.shipments[history.shipments["ordered_at"] >= moment(world)]
    new = new[new["ordered_at"] < moment(world, 127)].reset_index(drop=True)
    table = loaded.promise_many(new, service_level=0.9)
    assert table.equals(model.promise_many(new, service_level=0.9))
    assert (table["confidence"] >= 0.9).all()
    names = ["origin", "destination", "carrier", "service", "ordered_at", "destination_region"]
    row = new.iloc[0]
    promise = loaded.promise(
        **{name: row[name] for name in names},
        origin_country="AT",
        destination_country="AT",
        destination_time_zone=world.family.zone,
    )
    assert promise.date == table["estimated_delivery_date"].dt.date.iloc[0]
    assert promise.confidence_code == table["confidence_code"].iloc[0]

    if orders == 50:
        # Said of every promise, and no single date is shown.
        assert (table["confidence_code"] >= 20001).all()
        assert table["messages"].str.contains("all_parcels_alike").all()
        assert "all_parcels_alike" in {message["code"] for message in promise.messages}
    else:
        assert not table["messages"].str.contains("all_parcels_alike").any()

    later = model.refresh(history, as_of=moment(world, 134))
    assert later.as_of > model.as_of
    found = score(later, world.shipments, scans=world.scans, as_of=moment(world, 134))
    assert len(found.promises) + len(found.rejects) == len(world.shipments)
    walk = BacktestConfig(start=moment(world), end=moment(world, 134), refresh_every=7, jobs=1)
    result = run_backtest(history, walk, fit=TrainModel(config, threads=1, quotes_only=True))
    assert len(result.table) > 0


@pytest.mark.parametrize("orders", [12, 25, 50, 100, 300])
def test_promises_of_few_parcels_are_wide_enough_and_narrow_as_parcels_come(orders):
    world = shop(orders)
    model = train(
        world.shipments,
        world.scans,
        as_of=moment(world, 130 if orders == 12 else 120),
        config=TrainingConfig(members=1, stages=False, transit=None),
    )
    many, asked = sibling_orders(world)
    table = model.promise_many(asked, service_level=0.9)
    local = asked["ordered_at"].dt.tz_convert(world.family.zone).dt.tz_localize(None)
    days = (table["estimated_delivery_date"] - local.dt.normalize()).dt.days.to_numpy()
    truth = many.true_distribution(asked, 90)
    kept = truth[np.arange(len(asked)), np.clip(days, 0, 89)].mean()
    assert kept > table["confidence"].mean() - 0.08
    assert days.mean() < 4 * (truth < 0.9).sum(axis=1).mean()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 400), st.integers(0, 2**32 - 1))
def test_quantiles_of_few_are_ascending_and_wider_than_their_own(count, seed):
    rng = np.random.default_rng(seed)
    target = rng.normal(0.3, 0.3, count)
    arrived = np.ones(count, np.bool_)
    forest = forest_of_few(
        target, arrived=arrived, weight=np.ones(count), levels=LEVELS, features=3
    )
    made = forest.predict(np.zeros((1, 3)))[0]
    assert (np.diff(made) >= 0).all()
    assert np.isfinite(made).all()
    shifted = forest_of_few(
        target + 1.0, arrived=arrived, weight=np.ones(count), levels=LEVELS, features=3
    )
    assert np.allclose(shifted.predict(np.zeros((1, 3)))[0], made + 1.0)


def test_a_sample_of_one_size_keeps_its_word_on_average():
    """Predictive: over many samples of eight, the 0.9 quantile is reached nine times in ten."""
    rng = np.random.default_rng(5)
    kept = []
    for _ in range(700):
        sample = rng.normal(0.0, 0.4, 9)
        forest = forest_of_few(
            sample[:8],
            arrived=np.ones(8, np.bool_),
            weight=np.ones(8),
            levels=LEVELS,
            features=1,
        )
        kept.append(sample[8] <= forest.start[4])
    assert 0.86 < np.mean(kept) < 0.94


def test_too_few_are_refused_with_the_remedy_that_helps():
    world = shop(300)
    early = moment(world, 4)
    with pytest.raises(InsufficientHistoryError, match=r"more later on: choose a later as_of"):
        train(world.shipments, world.scans, as_of=early)
    known = world.shipments[world.shipments["ordered_at"] < early]
    scans = world.scans[world.scans["received_at"] < early.tz_convert("UTC").floor("D")]
    with pytest.raises(InsufficientHistoryError, match="older shipments and their scans, or wait"):
        train(known, scans, as_of=early)
    strangers = world.scans.assign(status="in_transit")
    with pytest.raises(InsufficientHistoryError, match="what their statuses mean"):
        train(world.shipments, strangers, as_of=moment(world))
