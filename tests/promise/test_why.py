"""Why a promise is that many days: sums that are exact, Shapley values against all coalitions."""

from __future__ import annotations

import dataclasses
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from babel import Locale, localedata
from hypothesis import given
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.errors import ContractError
from etapromise.history.features import with_handling_codes
from etapromise.history.statistics import TABLE_FIELDS
from etapromise.promise.contributions import CAUSES, cause_of, contributions, shapley
from etapromise.promise.why import Fact, Why, order_facts, rounded_to_sum
from etapromise.promise.wording import LANGUAGES, clauses
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd


@pytest.mark.parametrize("level", [0.02, 0.3, 0.5, 0.8, 0.9, 0.97, 0.9999])
def test_contributions_sum_to_the_promise(
    model: PromiseModel, orders: pd.DataFrame, level: float
) -> None:
    strange = orders.copy()
    strange.loc[::5, "carrier"] = "unheard-of"
    strange.loc[::7, "destination_region"] = "nowhere"
    requests = model.parts.encoder.encode(strange)
    found = contributions(model, requests, level)
    dates = model.promise_many(strange, level)["estimated_delivery_date"].to_numpy()
    days = dates.astype("datetime64[D]").astype(np.int64) - requests.order_day
    sums = np.array([math.fsum(row) for row in found])
    assert np.abs(sums - days).max() < 1e-9
    assert np.isfinite(found).all()
    # What is left to the end of a date is less than a day: nothing is hidden there. Where no date
    # reaches the level the last one stands in, which no quantile is near to.
    reached = (model.promise_many(strange, level)["confidence"] >= level).to_numpy()
    rest = found[reached, CAUSES.index("whole_days")]
    # Far out in the tail, between two of the forest's levels, quantile and date may part a little.
    beyond = (rest > 1e-6) | (rest < -1.0 - 1e-9)
    assert level == 0.02 or beyond.sum() <= 0.01 * len(rest)
    assert rest.max(initial=-1.0) < 0.25
    assert level == 0.02 or rest.min(initial=0.0) > -1.25
    assert reached.any() or level == 0.9999


def test_one_promise_says_what_the_table_says(model: PromiseModel, orders: pd.DataFrame) -> None:
    table = model.promise_many(orders.head(20), 0.8, explain=True)
    for place, row in enumerate(orders.head(20).to_dict("records")):
        promise = model.promise(**fields_of(row), service_level=0.8)
        why = promise.why()
        assert list(why.contributions) == list(CAUSES)
        for cause, days in why.contributions.items():
            assert days == table[f"why_{cause}"][place]
        assert why.days == (promise.date - why.start).days
        assert why.start.isoformat() == str(promise.distribution()[0][0])


def test_shapley_values_are_those_of_all_coalitions(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    """Against the definition: the mean over all orders of joining, from the forest's own values."""
    forest = model.parts.forest
    requests = model.parts.encoder.encode(orders.head(12))
    x, _ = model.features.rows(requests, with_handling_codes(requests.codes))
    player = (np.arange(x.shape[1]) % 4).astype(np.int32)
    reference = x[-1]
    found = shapley(forest.address, x, reference, player, 4, len(forest.levels))
    coalitions = list(itertools.product([False, True], repeat=4))
    middle = [int(np.abs(forest.levels - level).argmin()) for level in (0.1, 0.5, 0.9)]
    for row, values in zip(x, found, strict=True):
        mixed = np.stack([np.where(np.array(one)[player], row, reference) for one in coalitions])
        worth = dict(zip(coalitions, forest.predict(mixed.astype(np.float32)), strict=True))
        for own in range(4):
            expected = np.zeros(len(forest.levels))
            for one in coalitions:
                if not one[own]:
                    weight = math.factorial(sum(one)) * math.factorial(3 - sum(one)) / 24
                    joined = (*one[:own], True, *one[own + 1 :])
                    expected += weight * (worth[joined] - worth[one])
            # Sorting may touch quantiles that cross; these three do not on this forest.
            np.testing.assert_allclose(values[own, middle], expected[middle], atol=1e-5)
    assert np.abs(found[-1]).max() == 0.0


def test_threads_find_the_same(model: PromiseModel, orders: pd.DataFrame) -> None:
    requests = model.parts.encoder.encode(orders)
    alone = contributions(model, requests, 0.9)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: contributions(model, requests, 0.9), range(8)):
            np.testing.assert_array_equal(found, alone)


def test_the_causes_are_what_they_are_called(model: PromiseModel, orders: pd.DataFrame) -> None:
    some = orders.head(40)
    late = some.assign(ordered_at=some["ordered_at"].dt.normalize() + np.timedelta64(23, "h"))
    early = some.assign(ordered_at=some["ordered_at"].dt.normalize() + np.timedelta64(9, "h"))
    encode = model.parts.encoder.encode
    by_day = [contributions(model, encode(frame), 0.9) for frame in (early, late)]
    moved = (by_day[1] - by_day[0]).mean(axis=0)
    assert moved[CAUSES.index("handling")] > 0.1
    # A late order's day is another one to the forest, which weighs far less than the handling.
    assert abs(moved[CAUSES.index("carrier")]) < moved[CAUSES.index("handling")] / 3
    levels = [contributions(model, encode(some), level) for level in (0.5, 0.8, 0.95)]
    margin = np.stack([one[:, CAUSES.index("service_level")] for one in levels])
    assert (np.diff(margin, axis=0) > 0.0).all()
    names = {level.name: level.columns for level in model.parts.encoder.levels}
    causes = {name: cause_of(name, names, frozenset({"fragile"})) for name in FEATURES}
    assert causes == FEATURES


FEATURES = {
    "number:weight_kg": "parcel",
    "number:fragile": "parcel",
    "number:origin_lat": "lane",
    "derived:distance_km": "lane",
    "derived:quoted": "carrier",
    "total:carrier.effect": "carrier",
    "total:service_lane.effect": "lane",
    "total:carrier.pace": "now",
    "handling:origin.effect": "handling",
}


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=8))
def test_whole_days_keep_the_sum_and_stay_close(parts: list[float]) -> None:
    named = {str(place): part for place, part in enumerate(parts)}
    named["rest"] = math.ceil(sum(parts)) - sum(parts)
    found = rounded_to_sum(named)
    assert sum(found.values()) == round(sum(named.values()))
    assert all(abs(found[name] - days) < 1.0 + 1e-9 for name, days in named.items())


def test_words_in_every_locale(model: PromiseModel, orders: pd.DataFrame) -> None:
    promises = [model.promise(**fields_of(row)) for row in orders.head(30).to_dict("records")]
    said = {promise.why().text("en") for promise in promises}
    assert any("cut-off; leaves" in text for text in said)
    assert all(text[0].isupper() and text.endswith(".") and "{" not in text for text in said)
    why = promises[0].why()
    for name in localedata.locale_identifiers():
        assert why.text(name)
    assert "Arbeitstag" in why.text("de-AT")
    with pytest.raises(ContractError, match="locale"):
        why.text("no such")


def test_every_language_has_every_clause() -> None:
    words = {name: clauses(name) for name in (*LANGUAGES, "zh_Hant")}
    for name, said in words.items():
        assert set(said) - {"weekdays", "between", "ends"} == set(words["en"])
        # All that CLDR tells apart in whole numbers from 1 on.
        forms = {Locale.parse(name).plural_form(number) for number in range(1, 1000)}
        for clause in said.values():
            assert not isinstance(clause, dict) or forms <= set(clause)


def test_since_when_it_is_slow(model: PromiseModel, orders: pd.DataFrame) -> None:
    parts = model.parts
    names = [level.name for level in parts.encoder.levels]
    keys = parts.encoder.indexes[names.index("service")].keys
    since = date(2025, 6, 3)
    days = {"service": dict.fromkeys(keys, since.isoformat())}
    # The way takes a third longer at present.
    total = parts.statistics.total.copy()
    total[1, TABLE_FIELDS.index("way_pace")] = 0.5
    slow = dataclasses.replace(parts, statistics=dataclasses.replace(parts.statistics, total=total))
    plain = PromiseModel(slow)
    knowing = PromiseModel(
        dataclasses.replace(slow, manifest={**parts.manifest, "pace_since": days})
    )
    seen = set()
    for row in orders.head(60).to_dict("records"):
        why = knowing.promise(**fields_of(row)).why()
        assert why.contributions == plain.promise(**fields_of(row)).why().contributions
        for fact in why.facts:
            if fact.name == "slow_since":
                assert fact.day == since
                assert "since Tuesday, June 3" in why.text()
                assert "seit Dienstag, 3. Juni" in why.text("de")
            seen.add(fact.name)
    assert seen & {"slow_since", "slow_now"}


def test_the_clause_names_the_day_where_it_is_known() -> None:
    parts = dict.fromkeys((*CAUSES, "disruption"), 0.0) | {"usual": 3.0}
    day = date(2025, 7, 3)
    for now, since, name in (
        (2.0, day, "slow_since"),
        (-1.0, day, "quick_since"),
        (2.0, None, "slow_now"),
    ):
        facts = order_facts(
            parts | {"now": now},
            ordered=day,
            works=True,
            begins=day,
            leaves=day,
            service_level=0.9,
            since=since,
        )
        told = next(fact for fact in facts if fact.name == name)
        assert told.day == since
        assert told.days == abs(now)


def test_own_words_replace_clauses(tmp_path: Path) -> None:
    words = tmp_path / "words.toml"
    day = date(2025, 7, 3)
    why = Why(4, day, {}, (Fact("leaves", day=day), Fact("usual", 1), Fact("closed_days", 3)))
    words.write_text(
        "[en.why]\nleaves = 'with the carrier on {day}'\n"
        "usual = { one = 'a working day', other = '{n} working days' }\n"
        "[fi.why]\nleaves = 'lähtee {day}'\n",
        encoding="utf-8",
    )
    said = "With the carrier on Thursday; a working day; 3 days without deliveries."
    assert why.text(words=words) == why.text("en-GB", words=words) == said
    assert why.text("de", words=words) == why.text("de")
    # Without words for every clause there is the date alone.
    assert why.text("fi", words=words) == why.text("fi")
    for wrong in (
        "leaves = 'soon'",
        "leafs = '{day}'",
        "usual = { one = '{n}' }",
        "usual = { several = '{n}', other = '{n}' }",
        "closed_days = '{n} {x}'",
        "reserve = '{n}'",
        "leaves = 3",
    ):
        words.write_text(f"[en.why]\n{wrong}\n", encoding="utf-8")
        with pytest.raises(ContractError, match="expected"):
            why.text(words=words)
