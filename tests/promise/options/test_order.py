"""Orders of several parcels: the laws of a joint date, and that dependence is found where it is."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etapromise import CostPolicy, PromiseModel
from etapromise.errors import ContractError
from etapromise.history.as_of import KnownOrders
from etapromise.promise.joint_probability import (
    Dependence,
    joint_probability,
    learn_dependence,
    pairs_of,
)
from etapromise.promise.wording import LANGUAGES
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF, fields_of


@st.composite
def orders_of_parcels(draw: st.DrawFn) -> tuple[Any, list[int], Dependence]:
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    mass = draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1)))
    probability = np.cumsum(mass, axis=1) / (mass.sum(axis=1, keepdims=True) + 0.05)
    journeys = draw(st.lists(st.integers(0, 2), min_size=shape[0], max_size=shape[0]))
    journey = draw(st.floats(0, 1))
    order = draw(st.floats(0, 1)) * journey
    return probability, journeys, Dependence(order=order, journey=journey)


@given(orders_of_parcels())
def test_a_joint_probability_lies_within_frechets_bounds(case: Any) -> None:
    probability, journeys, dependence = case
    joint = joint_probability(probability, journeys, dependence)
    assert (joint <= probability.min(axis=0)).all()
    assert (joint >= probability.sum(axis=0) - len(probability) + 1 - 1e-12).all()
    # Luck is shared, never opposed: at least the product.
    assert (joint >= probability.prod(axis=0) - 1e-12).all()
    assert (np.diff(joint) >= 0).all()


@given(orders_of_parcels(), st.randoms(use_true_random=False))
def test_neither_the_order_of_parcels_nor_the_names_of_journeys_matter(
    case: Any, random: Any
) -> None:
    probability, journeys, dependence = case
    place = list(range(len(journeys)))
    random.shuffle(place)
    names = [f"way {journeys[k]}" for k in place]
    again = joint_probability(probability[place], names, dependence)
    assert (again == joint_probability(probability, journeys, dependence)).all()


@given(orders_of_parcels())
def test_one_parcel_more_makes_no_date_likelier(case: Any) -> None:
    probability, journeys, dependence = case
    before = probability[0]
    for count in range(1, len(journeys) + 1):
        joint = joint_probability(probability[:count], journeys[:count], dependence)
        assert (joint <= before + 1e-12).all()
        before = joint


def test_independent_and_inseparable_parcels_are_the_edges() -> None:
    probability = np.array([[0.2, 0.5, 0.9], [0.3, 0.6, 0.7], [0.1, 0.8, 0.95]])
    apart = joint_probability(probability, [0, 0, 1], Dependence())
    assert apart == pytest.approx(probability.prod(axis=0))
    same = joint_probability(probability, [0, 0, 0], Dependence(order=0.0, journey=1.0))
    assert same == pytest.approx(probability.min(axis=0))
    tied = joint_probability(probability, [0, 1, 2], Dependence(order=1.0, journey=1.0))
    assert tied == pytest.approx(probability.min(axis=0))


def drawn(journeys: list[int], dependence: Dependence, count: int, seed: int) -> Any:
    """(count, parcels) uniform draws that depend on each other as the model says."""
    rng = np.random.default_rng(seed)
    order = rng.random(count)
    own = rng.random((count, len(journeys)))
    tied = rng.random((count, 3)) < np.sqrt(dependence.order / dependence.journey)
    shared = np.where(tied, order[:, None], rng.random((count, 3)))
    follows = rng.random((count, len(journeys))) < np.sqrt(dependence.journey)
    return np.where(follows, shared[:, journeys], own)


def test_the_joint_probability_is_that_of_drawn_orders() -> None:
    dependence = Dependence(order=0.15, journey=0.5)
    journeys = [0, 0, 1, 2]
    probability = np.array([[0.3, 0.9], [0.4, 0.8], [0.2, 0.85], [0.5, 0.95]])
    luck = drawn(journeys, dependence, 200_000, 1)
    found = [(luck <= probability[:, day]).all(axis=1).mean() for day in range(2)]
    assert joint_probability(probability, journeys, dependence) == pytest.approx(found, abs=4e-3)


@pytest.mark.parametrize("truth", [(0.0, 0.0), (0.1, 0.6), (0.4, 0.4)])
def test_dependence_is_learned_from_dates_and_open_parcels(truth: tuple[float, float]) -> None:
    """Six dates of very different probabilities; what takes longer is still open."""
    made = Dependence(order=truth[0], journey=max(truth[1], 1e-9))
    luck = drawn([0, 0, 1], made, 2_000, 2).ravel()
    edges = np.array([0.0, 0.1, 0.35, 0.4, 0.7, 0.85, 1.0])
    day = np.searchsorted(edges, luck) - 1
    low, high = edges[day], edges[day + 1]
    pairs = pairs_of(np.repeat(np.arange(2_000), 3))
    together = (pairs.first % 3 != 2) & (pairs.second % 3 != 2)
    found = learn_dependence(low, high, pairs, together)
    assert found.order == pytest.approx(truth[0], abs=0.06)
    assert found.journey == pytest.approx(truth[1], abs=0.06)
    assert found.journey_pairs == 2_000
    assert found.order_pairs == 4_000


def test_no_evidence_is_independence() -> None:
    assert (
        learn_dependence(np.zeros(2), np.ones(2), pairs_of(np.array([0, 1])), np.zeros(0, bool))
        == Dependence()
    )
    assert Dependence.from_manifest({}) == Dependence()


@given(st.lists(st.integers(-1, 4), max_size=14))
def test_pairs_are_all_pairs_of_an_order_and_weigh_as_much_as_its_parcels(
    orders: list[int],
) -> None:
    pairs = pairs_of(np.array(orders, np.int64))
    found = {tuple(sorted(pair)) for pair in zip(pairs.first, pairs.second, strict=True)}
    assert len(found) == len(pairs.first)
    by_order = {number: [k for k, o in enumerate(orders) if o == number] for number in range(5)}
    expected = {
        pair for places in by_order.values() for pair in itertools.combinations(places[:8], 2)
    }
    assert found == expected
    for places in by_order.values():
        inside = np.isin(pairs.first, places)
        several = min(len(places), 8)
        assert pairs.weight[inside].sum() == pytest.approx(several / 2 if several > 1 else 0)


@pytest.fixture(scope="module")
def some_orders(orders: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Orders of two and more parcels, as fields."""
    sizes = orders.groupby("order_id")["shipment_id"].transform("size")
    several = orders[sizes > 1].groupby("order_id", sort=True)
    found = [[fields_of(row) for row in group.to_dict("records")] for _, group in several]
    assert len(found) > 10
    return found


def test_the_simulated_orders_show_that_parcels_share_journeys(model: PromiseModel) -> None:
    """Half of them do, where they can: `operations.simulation.orders.TRAVEL_TOGETHER`."""
    found = Dependence.from_manifest(model.manifest)
    assert found.journey_pairs > 30
    assert 0.15 < found.journey < 0.8
    assert found.order < found.journey


def test_what_comes_later_changes_no_dependence(
    model: PromiseModel, parcels: TrackedHistory
) -> None:
    known = KnownOrders.of(parcels, AS_OF)
    assert (known.shipments["ordered_at"] < AS_OF).all()
    again = model.refresh(parcels, as_of=AS_OF)
    assert again.manifest["dependence"] == model.manifest["dependence"]
    later = model.refresh(parcels, as_of=AS_OF + pd.Timedelta(days=14))
    assert later.manifest["dependence"] != model.manifest["dependence"]


def test_one_parcel_is_its_promise(model: PromiseModel, orders: pd.DataFrame) -> None:
    for row in orders.head(20).to_dict("records"):
        fields = fields_of(row)
        for level in (0.5, 0.9, 0.99999):
            one = model.promise(**fields, service_level=level)
            order = model.promise_order([fields], service_level=level)
            for name in ("date", "earliest", "latest", "confidence", "event", "confidence_code"):
                assert getattr(order, name) == getattr(one, name)
            assert order.text() == one.text()
            assert order.percentile(42) == one.percentile(42)
            assert [array.tolist() for array in order.distribution()] == [
                array.tolist() for array in one.distribution()
            ]
            assert order.parcels[0].as_dict() == one.as_dict()


def test_an_order_takes_at_least_as_long_as_its_slowest_parcel(
    model: PromiseModel, some_orders: list[list[dict[str, Any]]]
) -> None:
    for parcels in some_orders:
        order = model.promise_order(parcels)
        assert order.confidence >= 0.9
        assert order.date >= max(promise.date for promise in order.parcels)
        assert order.probability_by(order.date) == order.confidence
        assert order.probability_by(order.date - timedelta(days=1)) < 0.9
        assert order.earliest <= order.latest
        assert order.percentile(90) == order.date
        dates = [model.promise_order(parcels[:count]).date for count in range(1, len(parcels) + 1)]
        assert dates == sorted(dates)
        assert model.promise_order(parcels[::-1]).date == order.date
        cheap, dear = (order.decide(CostPolicy(lateness_cost_days=cost)) for cost in (5.0, 500.0))
        assert cheap <= dear


def test_parcels_of_several_days_and_places(model: PromiseModel, orders: pd.DataFrame) -> None:
    """A parcel that is ordered a month later holds the whole order up."""
    fields = fields_of(orders.iloc[0])
    later = fields | {"ordered_at": fields["ordered_at"] + timedelta(days=30)}
    order = model.promise_order([fields, later], service_level=0.8)
    alone = model.promise(**later, service_level=0.8)
    assert order.date >= alone.date
    assert order.probability_by(later["ordered_at"].date() - timedelta(days=2)) == 0.0
    assert order.confidence <= min(p.probability_by(order.date) for p in order.parcels)


def test_shared_fields_are_each_parcels_own(
    model: PromiseModel, some_orders: list[list[dict[str, Any]]]
) -> None:
    parcels = some_orders[0]
    shared = {name: value for name, value in parcels[0].items() if parcels[1].get(name) == value}
    rest = [{k: v for k, v in parcel.items() if k not in shared} for parcel in parcels[:2]]
    one = model.promise_order(parcels[:2])
    other = model.promise_order(rest, **shared)
    assert one.as_dict() == other.as_dict()


def test_an_order_in_words_and_plain_values(
    model: PromiseModel, some_orders: list[list[dict[str, Any]]]
) -> None:
    parcels = some_orders[0]
    order = model.promise_order(parcels)
    plain = json.loads(json.dumps(order.as_dict()))
    assert plain["estimated_delivery_date"] == order.date.isoformat()
    assert len(plain["parcels"]) == len(parcels)
    assert plain["confidence_code"] == max(p["confidence_code"] for p in plain["parcels"])
    texts = {order.text(language) for language in LANGUAGES}
    assert len(texts) == len(LANGUAGES)
    never = model.promise_order(parcels, service_level=0.99999)
    assert never.messages[0]["code"] == "service_level_unreachable"
    assert never.confidence_code >= 30001
    assert never.confidence < 0.99999


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "order of no parcels"),
        (["90585"], "expected a mapping"),
        ([{"origin": "1", "destination": "2"}], "without ordered_at"),
    ],
)
def test_an_order_that_cannot_be_promised(
    model: PromiseModel, asked: list[Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        model.promise_order(asked)
    with pytest.raises(ContractError, match="above 0 and below 1"):
        model.promise_order(asked, service_level=1.0)
