"""Shoppers' policies: each gets the best of what it asks for, and nobody an empty promise."""

from __future__ import annotations

import math
import warnings
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import CostPolicy, PromiseModel, load_policies
from etapromise.errors import ContractError
from etapromise.promise.options.compared_option import booked_windows, window_hours
from etapromise.promise.options.policies import MEASURES, ShopperPolicy, shipped_policies
from etapromise.promise.service_levels import SERVICE_LEVELS
from etapromise.promise.wording import LANGUAGES
from tests.small_network import fields_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from etapromise.promise.options.compared_option import ComparedOption

# What it leaves out is tested for itself.
pytestmark = pytest.mark.filterwarnings("ignore:Prices are left out")

PERSONAS = ("price_sensitive", "parcel_centric", "convenience", "time_is_money", "eco")
WAYS: tuple[dict[str, Any], ...] = (
    {"carrier": "acme", "service": "ground", "price": 4.0, "co2_kg": 0.9, "no_appointment": True},
    {"carrier": "acme", "service": "express", "price": 9.0, "co2_kg": 2.4, "guaranteed": True},
    {"carrier": "birdpost", "service": "ground", "price": 3.5, "co2_kg": 1.1, "groupable": True},
    {
        "carrier": "corvid",
        "service": "express",
        "price": 7.5,
        "co2_kg": 1.7,
        "windows": ["08:00-12:00", "16:00-20:00"],
    },
    {"carrier": "dromedary", "service": "ground", "price": 3.0, "co2_kg": 0.7},
    {"carrier": "unheard-of", "service": "rocket", "price": 0.01, "co2_kg": 0.0},
)


@pytest.fixture(scope="module")
def parcel(orders: pd.DataFrame) -> dict[str, Any]:
    fields = fields_of(orders.iloc[5])
    left_out = {"quoted_date", "carrier", "service"}
    return {name: value for name, value in fields.items() if name not in left_out}


def promised(ranked: list[ComparedOption]) -> list[ComparedOption]:
    return [one for one in ranked if one.promised]


@pytest.mark.parametrize(
    "policy", [*PERSONAS, 0.5, 0.97, "high", CostPolicy(lateness_cost_days=0.0), 3, 40]
)
@pytest.mark.parametrize("day_price", [None, 0.001, 2.0])
def test_nothing_unpromised_comes_before_a_promise(
    model: PromiseModel, parcel: dict[str, Any], policy: Any, day_price: float | None
) -> None:
    if isinstance(policy, int):
        policy = parcel["ordered_at"].date() + timedelta(days=policy)
    ranked = model.compare(WAYS, policy, day_price=day_price, **parcel)
    assert [one.promised for one in ranked] == [True] * 5 + [False]
    last = ranked[-1]
    assert last.option["carrier"] == "unheard-of"
    assert last.reason == "no_promise"
    assert "No history of this carrier" in last.why
    assert not any(len(ranked) in one.dominated_by for one in ranked)


def test_each_persona_has_the_best_of_what_it_asks_for(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    for row in orders.head(12).to_dict("records"):
        fields = {
            name: value
            for name, value in fields_of(row).items()
            if name not in {"quoted_date", "carrier", "service"}
        }
        best = {name: model.compare(WAYS, name, **fields)[0] for name in PERSONAS}
        ways = promised(model.compare(WAYS, "default", **fields))
        assert best["price_sensitive"].price == min(one.price for one in ways if one.meets)
        greenest = [one for one in ways if one.option.get("groupable")]
        assert best["eco"].option in [one.option for one in greenest] or (
            best["eco"].co2_kg == min(one.co2_kg or math.inf for one in ways)
        )
        assert best["parcel_centric"].option.get("no_appointment")
        assert best["time_is_money"].option.get("guaranteed")
        assert best["time_is_money"].promise.service_level == SERVICE_LEVELS["high"]
        assert best["convenience"].windows
        assert all(window.probability >= 0.95 for window in best["convenience"].windows)


def test_why_an_option_stands_where_it_does_is_said_by_the_policy_in_any_language(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    by_price = model.compare(WAYS, "price_sensitive", **parcel)
    for one in by_price[1:-1]:
        if one.reason == "less_wanted" and one.price is not None:
            more = one.price - (by_price[0].price or 0.0)
            assert one.why == f"{more:.2f} dearer than the best."
    fast = model.compare(WAYS, "time_is_money", **parcel)
    assert fast[1].why == "Not guaranteed."
    assert fast[1].why_text("de") == "Nicht garantiert."
    assert "days of waiting" not in fast[0].why
    by_cost = model.compare(WAYS, CostPolicy(lateness_cost_days=3), day_price=None, **parcel)
    for locale in LANGUAGES:
        for one in (*by_price, *fast, *by_cost):
            told = one.why_text(locale)
            assert told
            assert "{" not in told
    own = ShopperPolicy(name="mine", first=("signed_for",), rank=("days",))
    marked = [{**way, "signed_for": way["service"] == "ground"} for way in WAYS]
    last = promised(model.compare(marked, own, **parcel))[-1]
    assert last.why == "Not marked as signed_for." or last.reason == "dominated"


def test_wishes_are_asked_one_after_another(model: PromiseModel, parcel: dict[str, Any]) -> None:
    plain = [{k: v for k, v in way.items() if k in {"carrier", "service", "price"}} for way in WAYS]
    by_days = ShopperPolicy(name="mine", rank=("days", "price"))
    ranked = promised(model.compare(plain, by_days, **parcel))
    keys = [(one.date, one.price) for one in ranked]
    assert keys == sorted(keys)
    patient = ShopperPolicy(name="mine", rank=("price",), within_days=0.0)
    first = model.compare(plain, patient, **parcel)[0]
    assert first.date == min(one.date for one in ranked)
    assert model.compare(plain, patient, **parcel)[-2].reason in {"less_wanted", "dominated"}


def test_prices_are_added_to_days_only_where_somebody_says_how(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    cost = CostPolicy(lateness_cost_days=10.0)
    yen = [{**way, "price": way["price"] * 150.0} for way in WAYS]
    order = [
        [one.option["service"] for one in model.compare(w, cost, **parcel)] for w in (WAYS, yen)
    ]
    assert order[0] == order[1]
    assert all("no day_price" in one.why for one in model.compare(WAYS, cost, **parcel))
    priced = model.compare(WAYS, cost, day_price=1.0, **parcel)
    assert not any("no day_price" in one.why for one in priced)
    by = parcel["ordered_at"].date() + timedelta(days=30)
    cheapest = [one.price for one in promised(model.compare(WAYS, by, **parcel)) if one.meets]
    assert cheapest == sorted(cheapest)
    adding = ShopperPolicy(name="adding", rank=("cost",))
    with pytest.raises(ContractError, match="day_price"):
        model.compare(WAYS, adding, **parcel)
    assert model.compare(WAYS, adding, day_price=2.0, **parcel)[0].promised


def test_a_window_is_offered_with_the_probability_that_it_is_kept(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    promise = model.promise(carrier="acme", service="ground", **parcel)
    hours = ["08:00-12:00", "16:00-20:00", "20:00-00:00"]
    for level in (0.5, 0.9, 0.97):
        offered = booked_windows(promise, hours, probability=level, count=9)
        assert offered
        assert [(one.date, one.start) for one in offered] == sorted(
            (one.date, one.start) for one in offered
        )
        for one in offered:
            before = promise.probability_by(one.date - timedelta(days=1))
            there = before + promise.probability_between(one.date, time(0), one.end)
            assert one.probability == there >= level
            assert before <= there <= promise.probability_by(one.date)
    assert booked_windows(promise, hours, probability=0.99999) == ()


@pytest.mark.parametrize("wrong", ["12:00-08:00", "8-12", "08:00", "x", 3, "08:00-08:00"])
def test_a_window_that_is_none(wrong: Any) -> None:
    with pytest.raises(ContractError, match="window"):
        window_hours(wrong)


def test_named_levels_are_the_numbers(model: PromiseModel, parcel: dict[str, Any]) -> None:
    for name, level in SERVICE_LEVELS.items():
        told = model.promise(**parcel, service_level=name)
        assert told.service_level == level
        assert told.as_dict() == model.promise(**parcel, service_level=level).as_dict()
    with pytest.raises(ContractError, match="typical"):
        model.promise(**parcel, service_level="certain")


def test_the_shipped_file_is_complete_and_an_own_one_goes_before_it(tmp_path: Path) -> None:
    ready = load_policies()
    assert tuple(ready) == PERSONAS
    assert all(policy.about for policy in ready.values())
    copy = tmp_path / "policies.toml"
    copy.write_text(shipped_policies())
    assert load_policies(copy) == ready
    copy.write_text('[eco]\nwithin_days = 2\n[mine]\nrank = ["late", "price"]\n')
    own = load_policies(copy)
    assert own["eco"].within_days == 2.0
    assert own["eco"].rank == ready["eco"].rank
    assert own["mine"].rank == ("late", "price")
    assert own["convenience"] == ready["convenience"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eco = 3", "a table"),
        ('[eco]\nrank = ["speed"]', "rank"),
        ("[eco]\nrank = []", "rank"),
        ("[eco]\nlevel = 0.9", "'level'"),
        ('[eco]\nservice_level = "certain"', "service_level"),
        ("[eco]\nwithin_days = -1", "within_days"),
        ('[eco]\nfirst = "fast"', "list of names"),
        ("[eco", "readable"),
    ],
)
def test_a_file_that_says_what_no_policy_says(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(ContractError, match=message):
        load_policies(file)


@settings(max_examples=60)
@given(
    values=st.lists(
        st.dictionaries(
            st.sampled_from(MEASURES), st.floats(0, 9) | st.none(), min_size=7, max_size=7
        ),
        min_size=2,
        max_size=5,
    ),
    rank=st.permutations(MEASURES),
)
def test_who_is_better_in_everything_comes_first(
    values: list[dict[str, float | None]], rank: list[str]
) -> None:
    policy = ShopperPolicy(name="any", rank=tuple(rank), within_days=2.0)
    quickest = min((one["days"] for one in values if one["days"] is not None), default=-math.inf)
    better = dict.fromkeys(MEASURES, -1.0)
    keys = [policy.key(one, {}, quickest) for one in values]
    assert policy.key(better, {}, min(quickest, -1.0)) <= min(keys)


def test_prices_left_out_without_a_word_are_warned_of(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    for policy in (0.9, CostPolicy(lateness_cost_days=5.0)):
        with pytest.warns(DeprecationWarning, match="day_price"):
            unsaid = model.compare(WAYS, policy, **parcel)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            said = model.compare(WAYS, policy, day_price=None, **parcel)
            model.compare(WAYS, policy, day_price=1.0, **parcel)
            model.compare(WAYS, "eco", **parcel)
            free = [{k: v for k, v in way.items() if k != "price"} for way in WAYS]
            model.compare(free, policy, **parcel)
        assert [one.option for one in unsaid] == [one.option for one in said]
