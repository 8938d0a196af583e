"""Options side by side: the promise's own numbers, and a ranking that keeps its laws."""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from etapromise import CostPolicy, PromiseModel
from etapromise.errors import ContractError
from etapromise.promise.confidence import NO_DATE
from etapromise.promise.options.compared_option import ComparedOption
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

# What it leaves out is tested for itself.
pytestmark = pytest.mark.filterwarnings("ignore:Prices are left out")

CARRIERS = ("acme", "birdpost", "corvid", "dromedary")
SERVICES = ("ground", "express")


@pytest.fixture(scope="module")
def parcel(orders: pd.DataFrame) -> dict[str, Any]:
    fields = fields_of(orders.iloc[5])
    return {name: value for name, value in fields.items() if name != "quoted_date"}


@pytest.fixture(scope="module")
def options() -> list[dict[str, Any]]:
    prices = [4.5, 9.0, 3.0, 4.5, 3.0, 4.5, 9.0, 9.0]
    ways = itertools.product(CARRIERS, SERVICES)
    return [
        {"carrier": carrier, "service": service, "price": price}
        for (carrier, service), price in zip(ways, prices, strict=True)
    ]


POLICIES = [CostPolicy(lateness_cost_days=20.0), CostPolicy(lateness_cost_days=0.0), 0.8, 0.9, 0.97]


def wanted(parcel: dict[str, Any], days: int) -> date:
    ordered: datetime = parcel["ordered_at"]
    return ordered.date() + timedelta(days=days)


def names(ranked: list[ComparedOption]) -> list[tuple[Any, ...]]:
    return [tuple(sorted(one.option.items())) for one in ranked]


@pytest.mark.parametrize("policy", [*POLICIES, 2, 5, 30])
def test_numbers_are_the_promises_own_and_ranks_follow_them(
    model: PromiseModel, parcel: dict[str, Any], options: list[dict[str, Any]], policy: Any
) -> None:
    if isinstance(policy, int):
        policy = wanted(parcel, policy)
    ranked = model.compare(options, policy, day_price=2.0, **_rest(parcel))
    assert [one.rank for one in ranked] == list(range(1, len(options) + 1))
    level = policy if isinstance(policy, float) else 0.9
    for one in ranked:
        fields = parcel | {name: one.option[name] for name in ("carrier", "service")}
        alone = model.promise(**fields, service_level=level)
        assert one.promise.as_dict() == alone.as_dict()
        assert one.confidence == alone.probability_by(one.date)
        day0 = alone.distribution()[0][0].item()
        days = (one.date - day0).days
        if isinstance(policy, CostPolicy):
            assert one.date == alone.decide(policy)
            days += policy.lateness_cost_days * (1 - one.confidence)
        elif isinstance(policy, float):
            assert one.date == alone.date
            assert one.meets
        else:
            days = 0
            assert one.date == policy
            assert one.probability_by_wanted == alone.probability_by(policy)
            assert one.meets == (one.probability_by_wanted >= 0.9)
        assert one.expected_cost == pytest.approx(one.option["price"] / 2.0 + days)
        json.dumps(one.as_dict())
    good = [one for one in ranked if one.meets]
    assert ranked[: len(good)] == good
    assert [one.expected_cost for one in good] == sorted(one.expected_cost for one in good)
    if isinstance(policy, date):
        rest = [one.probability_by_wanted for one in ranked[len(good) :]]
        assert rest == sorted(rest, reverse=True)


@pytest.mark.parametrize("policy", [*POLICIES, 4])
def test_whoever_is_dominated_comes_after_and_says_by_whom(
    model: PromiseModel, parcel: dict[str, Any], options: list[dict[str, Any]], policy: Any
) -> None:
    policy = wanted(parcel, policy) if isinstance(policy, int) else policy
    # Clones at other prices are dominated for sure.
    dearer = [one | {"price": one["price"] + 1.0, "name": "dearer"} for one in options[:3]]
    worse = [one | {"cost": 0.5, "name": "worse"} for one in options[:3]]
    ranked = model.compare([*dearer, *options, *worse], policy, **_rest(parcel))
    for one in ranked:
        assert one.dominated == bool(one.dominated_by)
        assert all(rank < one.rank for rank in one.dominated_by)
        for rank in one.dominated_by:
            other = ranked[rank - 1]
            assert other.option["price"] + other.option.get("cost", 0) <= one.option[
                "price"
            ] + one.option.get("cost", 0)
            days = [parcel["ordered_at"].date() + timedelta(days=k) for k in range(-1, 40)]
            assert all(
                other.promise.probability_by(day) >= one.promise.probability_by(day) for day in days
            )
    assert all(one.dominated for one in ranked if one.option.get("name"))
    assert not ranked[0].dominated
    assert ranked[0].reason == "best"
    assert {one.reason for one in ranked if one.dominated} == {"dominated"}


def _rest(parcel: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in parcel.items() if k not in {"carrier", "service"}}


@pytest.mark.parametrize("policy", [POLICIES[0], 0.9])
def test_the_order_of_options_does_not_matter_and_ties_are_settled(
    model: PromiseModel, parcel: dict[str, Any], options: list[dict[str, Any]], policy: Any
) -> None:
    twins = [*options, *({**one, "name": "twin"} for one in options)]
    expected = names(model.compare(twins, policy, **_rest(parcel)))
    rng = np.random.default_rng(1)
    for _ in range(4):
        shuffled = [twins[place] for place in rng.permutation(len(twins))]
        assert names(model.compare(shuffled, policy, **_rest(parcel))) == expected
    ranked = model.compare(twins, policy, **_rest(parcel))
    assert ranked[1].reason == "tied"
    assert not ranked[1].dominated


def test_what_a_day_is_worth_turns_the_ranking(model: PromiseModel, parcel: dict[str, Any]) -> None:
    asked = [
        {"carrier": "acme", "service": "ground", "price": 1.0},
        {"carrier": "acme", "service": "express", "price": 8.0},
    ]
    policy = CostPolicy(lateness_cost_days=10.0)
    quick = model.compare(asked, policy, day_price=100.0, **_rest(parcel))
    cheap = model.compare(asked, policy, day_price=0.1, **_rest(parcel))
    assert quick[0].option["service"] == "express"
    assert cheap[0].option["service"] == "ground"
    assert cheap[1].reason == "costs_more"


def test_a_wanted_date_beside_a_cost(
    model: PromiseModel, parcel: dict[str, Any], options: list[dict[str, Any]]
) -> None:
    policy = CostPolicy(lateness_cost_days=5.0)
    by = model.compare(options, 0.9, **_rest(parcel))[0].date
    ranked = model.compare(options, policy, wanted_by=by, service_level=0.8, **_rest(parcel))
    assert all(one.meets == (one.probability_by_wanted >= 0.8) for one in ranked)
    assert [one.meets for one in ranked] == sorted((one.meets for one in ranked), reverse=True)
    missed = [one for one in ranked if not one.meets and not one.dominated]
    assert all(one.reason == "level_not_reached" and "80%" in one.why for one in missed)
    hopeless = model.compare(options, wanted(parcel, 0), **_rest(parcel))
    assert not any(one.meets for one in hopeless)
    assert "all miss" in hopeless[0].why


def test_options_without_prices_are_ranked_by_their_dates(
    model: PromiseModel, parcel: dict[str, Any], options: list[dict[str, Any]]
) -> None:
    bare = [{k: v for k, v in one.items() if k != "price"} for one in options]
    ranked = model.compare(bare, 0.9, **_rest(parcel))
    assert [one.date for one in ranked] == sorted(one.date for one in ranked)
    assert ranked[0].price is None
    assert ranked[0].as_dict()["price"] is None


@pytest.mark.parametrize("policy", [0.9, CostPolicy(lateness_cost_days=5.0), 30])
def test_a_price_that_is_not_known_is_no_price_of_nothing(
    model: PromiseModel, parcel: dict[str, Any], policy: Any
) -> None:
    """It neither leads by it nor dominates by it, and says so."""
    policy = wanted(parcel, policy) if isinstance(policy, int) else policy
    ways = [
        {"carrier": "acme", "service": "ground", "price": 40.0},
        {"carrier": "acme", "service": "ground", "name": "unpriced"},
    ]
    ranked = model.compare(ways, policy, day_price=1.0, **_rest(parcel))
    assert [one.price for one in ranked] == [40.0, None]
    assert not any(one.dominated_by for one in ranked)
    assert ranked[1].reason == "less_wanted"
    assert ranked[1].why == "Its price is not known."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": []}, "no options"),
        ({"options": ["acme"]}, "expected a mapping"),
        ({"options": [{"carrier": "acme", "price": "4.90"}]}, "price='4.90'"),
        ({"options": [{"carrier": "acme", "price": float("nan")}]}, "finite number"),
        ({"options": [{"carrier": "acme", "cost": None}]}, "cost=None"),
        ({"options": [{"carrier": "acme", "name": [["a"]]}]}, "name .* expected a text"),
        ({"policy": "cheapest"}, "expected one of price_sensitive"),
        ({"policy": None}, "expected a CostPolicy, a service level"),
        ({"policy": 1.0}, "above 0 and below 1"),
        ({"policy": datetime(2025, 7, 9)}, "expected a calendar date"),  # noqa: DTZ001
        ({"day_price": 0.0}, "day_price=0.0"),
        ({"service_level": 2.0}, "above 0 and below 1"),
        ({"ordered_at": None}, "ordered_at=None"),
    ],
)
def test_a_comparison_that_cannot_be_made(
    model: PromiseModel, parcel: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    asked: dict[str, Any] = {"options": [{"carrier": "acme"}], "policy": 0.9} | _rest(parcel)
    with pytest.raises(ContractError, match=message):
        model.compare(**asked | change)


def test_an_option_lacks_what_none_shares(model: PromiseModel) -> None:
    with pytest.raises(ContractError, match="without destination, ordered_at"):
        model.compare([{"origin": "1"}], 0.9)


def test_curves_of_all_options_are_compared_on_the_same_dates(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    """The same way, ordered a week later, costs the week; and is dominated."""
    later = {"ordered_at": parcel["ordered_at"] + timedelta(days=7), "name": "later"}
    rest = {k: v for k, v in parcel.items() if k != "ordered_at"}
    now = {"ordered_at": parcel["ordered_at"], "name": "now"}
    ranked = model.compare([later, now], 0.9, **rest)
    assert [one.option["name"] for one in ranked] == ["now", "later"]
    gap = (ranked[1].date - ranked[0].date).days
    assert ranked[1].expected_cost - ranked[0].expected_cost == pytest.approx(gap)
    assert np.isfinite([one.expected_cost for one in ranked]).all()


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99999])
def test_whether_there_is_a_date_is_what_the_code_says(
    model: PromiseModel, parcel: dict[str, Any], level: float
) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"service": "by balloon"},
        {"carrier": "nobody"},
        {"carrier": None, "service": None},
        {"origin": "nowhere"},
        {"destination": "nowhere", "destination_region": "no such"},
        {"destination_region": None},
    ]
    promises = [model.promise(**parcel | change, service_level=level) for change in changes]
    found = [promise.has_date for promise in promises]
    assert found == [promise.confidence_code < NO_DATE for promise in promises]
    assert not all(found)
    ranked = model.compare(changes, level, **parcel)
    assert all(one.promised == one.promise.has_date for one in ranked)


def test_options_that_differ_in_price_alone_share_a_promise(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    rest = _rest(parcel)
    way = {"carrier": "acme", "service": "ground"}
    options = [
        way | {"price": 2.0},
        way | {"price": 1.0, "guaranteed": True},
        way | {"weight_kg": 3},
    ]
    ranked = model.compare(options, 0.9, day_price=1.0, **rest)
    for one in ranked:
        asked = {
            name: one.option[name]
            for name in ("carrier", "service", "weight_kg")
            if name in one.option
        }
        alone = model.promise(**rest | asked)
        assert np.array_equal(one.promise.distribution()[1], alone.distribution()[1])
    cheap, dear = sorted((one for one in ranked if one.price), key=lambda one: one.price)
    assert cheap.promise is dear.promise
    assert cheap.rank in dear.dominated_by
