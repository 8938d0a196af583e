"""Dates by cost: the laws of deciding, against trying every date, and the search for a cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from etapromise import CostPolicy, PromiseModel, cost_for
from etapromise.errors import ContractError
from etapromise.forecast.distribution import DateDistribution
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def policy(cost: float) -> CostPolicy:
    return CostPolicy(lateness_cost_days=cost)


@st.composite
def distributions(draw: st.DrawFn) -> Floats:
    """(n, horizon) with closed days, parcels that are never lost, and some that cannot arrive.

    Steps of 1/64 and costs of 1/4 are exact in floating point, so that ties are ties.
    """
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 12)))
    mass = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 5)))
    return np.minimum(np.cumsum(mass, axis=1), 64) / 64.0


costs = st.integers(0, 4 * 500).map(lambda quarters: quarters / 4.0)


@given(distributions(), costs)
def test_no_other_date_costs_less_and_no_earlier_one_as_little(
    probability: Floats, cost: float
) -> None:
    horizon = probability.shape[1]
    for row, chosen in zip(probability, policy(cost).days(probability), strict=True):
        possible = [k for k in range(horizon) if row[k] > (row[k - 1] if k else 0.0)]
        if not possible:
            assert chosen == horizon
            continue
        # Trying all of them; min takes the first of equals.
        assert chosen == min(possible, key=lambda k: k + cost * (1.0 - row[k]))


@given(distributions(), costs, costs)
def test_a_higher_cost_never_gives_an_earlier_date(
    probability: Floats, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert (policy(low).days(probability) <= policy(high).days(probability)).all()


@given(
    hnp.arrays(np.float64, (3, 20), elements=st.floats(0, 1)),
    st.floats(0.01, 1e5),
    st.floats(1.001, 1e3),
)
def test_nor_does_rounding_make_one(mass: Floats, cost: float, times: float) -> None:
    probability = np.minimum(np.cumsum(mass, axis=1) / (mass.sum(axis=1, keepdims=True) + 1), 1.0)
    assert (policy(cost).days(probability) <= policy(cost * times).days(probability)).all()


@given(distributions(), costs)
def test_a_date_by_cost_is_the_date_of_a_service_level(probability: Floats, cost: float) -> None:
    """Namely of its own confidence: costs choose among the dates that levels can name."""
    origin = np.zeros(len(probability), "datetime64[D]")
    distribution = DateDistribution(origin, probability)
    chosen = policy(cost).days(probability)
    for row, day in enumerate(chosen):
        if day < distribution.horizon:
            level = float(distribution.confidence(chosen)[row])
            assert distribution.at(level)[row] == day


@given(st.floats(0.02, 0.9), st.floats(0.5, 300))
def test_a_day_is_bought_as_long_as_it_is_worth_its_price(chance: float, cost: float) -> None:
    """Geometric arrival: the last day whose probability times the cost exceeds one day."""
    days = np.arange(400)
    mass = chance * (1.0 - chance) ** days
    worth = cost * mass
    assume((np.abs(worth - 1.0) > 1e-9).all())
    expected = max(int((worth > 1.0).sum()) - 1, 0)
    assert policy(cost).days(np.cumsum(mass)) == expected


@given(distributions(), costs, st.randoms(use_true_random=False))
def test_no_other_rule_keeps_more_at_the_same_mean_days(
    probability: Floats, cost: float, random: Any
) -> None:
    assume((np.diff(probability, axis=1, prepend=0.0) > 0).any(axis=1).all())
    rows = np.arange(len(probability))
    chosen = policy(cost).days(probability)
    stated = probability[rows, chosen].sum()
    for _ in range(20):
        other = np.array([random.randrange(probability.shape[1]) for _ in rows])
        other[probability[rows, other] == 0.0] = chosen[probability[rows, other] == 0.0]
        if other.sum() <= chosen.sum():
            assert probability[rows, other].sum() <= stated


@given(distributions(), costs)
def test_one_parcel_is_decided_like_many(probability: Floats, cost: float) -> None:
    together = policy(cost).days(probability)
    assert [int(policy(cost).days(row)) for row in probability] == together.tolist()
    stacked = policy(cost).days(np.stack([probability, probability]))
    assert (stacked == together).all()
    assert stacked.shape == (2, len(probability))


def test_a_closed_day_is_never_promised() -> None:
    weekend = np.array([0.0, 0.5, 0.5, 0.5, 0.8, 0.8])
    assert [int(policy(cost).days(weekend)) for cost in (0, 1, 9.9, 10, 10.1, 1e9)] == [
        1, 1, 1, 1, 4, 4
    ]  # fmt: skip


def test_a_promise_decides_as_the_batch_does(model: PromiseModel, orders: pd.DataFrame) -> None:
    some = orders.head(5)
    distribution = model.distribution_many(some)
    for cost in (0.5, 20.0, 400.0):
        days = policy(cost).days(distribution.probability)
        dates = distribution.origin_dates + days
        promises = [model.promise(**fields_of(row)) for _, row in some.iterrows()]
        assert [promise.decide(policy(cost)) for promise in promises] == dates.tolist()
    promise = model.promise(**fields_of(some.iloc[0]))
    assert promise.decide(policy(1e12)) <= promise.distribution()[0][-1].astype(object)
    assert promise.decide(policy(0)) <= promise.earliest
    assert promise.decide(policy(0)) - timedelta(days=1) < promise.decide(policy(50))


@pytest.mark.parametrize("cost", [-1, -1e-9, float("nan"), float("inf"), "5", None, True])
def test_a_cost_that_none_can_have(cost: Any) -> None:
    with pytest.raises(ContractError, match="expected days of waiting"):
        policy(cost)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_no_dates_to_choose_from(shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match="at least one date"):
        policy(1.0).days(np.zeros(shape))


@pytest.fixture(scope="module")
def past() -> tuple[Floats, Floats]:
    """2,000 orders whose distributions are true: Poisson ways, one in fifty lost."""
    rng = np.random.default_rng(5)
    mean = rng.uniform(1, 12, 2_000)
    horizon = 45
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(horizon), 1)))
    mass = np.exp(np.arange(horizon) * np.log(mean)[:, None] - mean[:, None] - log_factorial)
    event = np.where(rng.random(2_000) < 0.02, np.inf, rng.poisson(mean))
    return 0.98 * np.minimum(np.cumsum(mass, axis=1), 1.0), event


def kept_and_days(past: tuple[Floats, Floats], cost: float) -> tuple[float, float]:
    probability, event = past
    days = policy(cost).days(probability)
    return float((event <= days).mean()), float(days.mean())


@pytest.mark.parametrize("wish", [0.01, 0.5, 0.8, 0.9, 0.95, 0.97])
def test_the_lowest_cost_that_keeps_enough(past: tuple[Floats, Floats], wish: float) -> None:
    found = cost_for(*past, kept_rate=wish).lateness_cost_days
    assert kept_and_days(past, found)[0] >= wish
    if found:
        assert kept_and_days(past, found * (1 - 1e-5))[0] < wish
    assert kept_and_days(past, found)[0] < wish + 0.02 or found == 0.0


@pytest.mark.parametrize("wish", [3.0, 6.0, 9.5, 14.0])
def test_the_highest_cost_that_spends_no_more(past: tuple[Floats, Floats], wish: float) -> None:
    found = cost_for(past[0], average_days=wish).lateness_cost_days
    assert wish - 0.05 < kept_and_days(past, found)[1] <= wish
    assert kept_and_days(past, found * (1 + 1e-5))[1] > wish


def test_the_ends_of_what_can_be_wished(past: tuple[Floats, Floats]) -> None:
    probability, event = past
    least = kept_and_days(past, 0.0)[1]
    most = kept_and_days(past, 2.0**60)[1]
    assert kept_and_days(past, cost_for(probability, average_days=least).lateness_cost_days)[1] == (
        least
    )
    assert kept_and_days(past, cost_for(probability, average_days=most).lateness_cost_days)[1] == (
        most
    )
    for days in (least - 0.01, most + 0.01, float("nan")):
        with pytest.raises(ContractError, match="days on average"):
            cost_for(probability, average_days=days)
    reachable = float((event <= 44).mean())
    cost_for(probability, event, kept_rate=reachable)
    with pytest.raises(ContractError, match="last date of every distribution"):
        cost_for(probability, event, kept_rate=reachable + 0.001)


def test_a_parcel_that_cannot_arrive_is_not_kept() -> None:
    probability = np.array([[0.0, 0.0, 0.0], [0.2, 0.6, 0.9]])
    with pytest.raises(ContractError, match=r"keeps 50\.00%"):
        cost_for(probability, np.array([1.0, 1.0]), kept_rate=0.6)
    found = cost_for(probability, np.array([1.0, 1.0]), kept_rate=0.5)
    assert policy(found.lateness_cost_days).days(probability).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one"),
        ({"kept_rate": 0.9, "average_days": 3.0}, "exactly one"),
        ({"kept_rate": 0.0}, "share above 0"),
        ({"kept_rate": 1.1}, "share above 0"),
        ({"kept_rate": float("nan")}, "share above 0"),
        ({"kept_rate": 0.9, "event_day": None}, "without event_day"),
        ({"kept_rate": 0.9, "event_day": np.zeros(3)}, r"expected \(2,\)"),
        ({"kept_rate": 0.9, "event_day": np.array([0.0, np.nan])}, "1 NaN"),
        ({"kept_rate": 0.9, "probability": np.zeros(3)}, r"expected \(n, horizon\)"),
        ({"average_days": 1.0, "probability": np.zeros((0, 3))}, r"expected \(n, horizon\)"),
    ],
)
def test_wishes_that_are_none(arguments: dict[str, Any], message: str) -> None:
    given_by_default = {"probability": np.full((2, 3), 0.5), "event_day": np.zeros(2)}
    with pytest.raises(ContractError, match=message):
        cost_for(**given_by_default | arguments)
