"""The compiled answer is the slow one's, and it stands exactly until another date is promised."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel
from etapromise.promise.arrival_distribution import on_common_dates
from etapromise.promise.joint_probability import Dependence, joint_probability
from tests.promise.reference_answer import (
    slow_answer,
    slow_dominators,
    slow_joint,
    slow_stages,
)
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

SECOND = dt.timedelta(seconds=1)


def asked(orders: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """Orders, some of them by carriers, services and to places that nobody has seen."""
    found = [fields_of(row) for row in orders.head(count).to_dict("records")]
    strange = ({"carrier": "nobody"}, {"service": "new"}, {"destination_country": None})
    found += [
        fields_of(orders.iloc[0].to_dict()) | {"destination_region": "??"} | s for s in strange
    ]
    unseen = dict.fromkeys(("origin", "destination", "destination_region"), "?")
    return [*found, found[1] | unseen, found[2] | {"destination_time_zone": "Asia/Tokyo"}]


def test_all_that_a_page_shows_is_what_it_was(model: PromiseModel, orders: pd.DataFrame) -> None:
    codes = set()
    for fields in asked(orders, 120):
        for level in (0.5, 0.9, 0.995):
            promise = model.promise(**fields, service_level=level)
            shown = promise.as_dict()
            slow = slow_answer(model, fields, promise)
            shown["messages"] = [message["code"] for message in shown["messages"]]
            assert {name: shown[name] for name in slow} == slow
            assert promise.first_date.isoformat() == str(promise.distribution()[0][0])
            codes.add(shown["confidence_code"])
    assert len(codes) >= 4


def test_both_stages_are_what_they_were(model: PromiseModel, orders: pd.DataFrame) -> None:
    for fields in asked(orders, 60):
        promise = model.promise(**fields)
        both = promise.handling, promise.transit
        for stage, slow in zip(both, slow_stages(model, fields), strict=True):
            assert stage.business_days == slow.business_days
            assert stage.calendar_days == slow.calendar_days
            np.testing.assert_allclose(stage.probability, slow.probability, rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    number=st.integers(0, 300),
    minutes=st.integers(-3 * 24 * 60, 120 * 24 * 60),
    level=st.sampled_from([0.5, 0.8, 0.9, 0.97]),
)
def test_it_expires_when_the_date_becomes_another_one(
    model: PromiseModel, orders: pd.DataFrame, number: int, minutes: int, level: float
) -> None:
    fields = fields_of(orders.iloc[number].to_dict())
    at = dt.datetime(2025, 7, 4, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)

    def promised(moment: dt.datetime) -> dt.date:
        return model.promise(**fields | {"ordered_at": moment}, service_level=level).date

    promise = model.promise(**fields | {"ordered_at": at}, service_level=level)
    until = promise.expires_at
    assert until > at
    assert promised(until - SECOND) == promise.date
    assert promised(until) != promise.date
    hours = -(-(until - at) // dt.timedelta(hours=1))
    assert all(promised(at + dt.timedelta(hours=h)) == promise.date for h in range(0, hours, 3))
    assert promise.order_within == until - at


def test_what_is_released_later_is_ordered_then(model: PromiseModel, orders: pd.DataFrame) -> None:
    for row in orders.head(20).to_dict("records"):
        fields = fields_of(row)
        at = fields["ordered_at"]
        release = at + dt.timedelta(days=9)
        then = model.promise(**fields | {"ordered_at": release})
        late = model.promise(**fields, available_from=release)
        assert (late.date, late.confidence) == (then.date, then.confidence)
        assert late.ordered_at == at
        assert late.expires_at == then.expires_at
        assert late.handling.calendar_days == then.handling.calendar_days
        early = model.promise(**fields, available_from=at - dt.timedelta(days=9))
        assert early.as_dict() == model.promise(**fields).as_dict()
    frame = orders.head(20).copy()
    frame["available_from"] = frame["ordered_at"] + np.timedelta64(9, "D")
    frame.loc[frame.index[::2], "available_from"] = None
    many = model.promise_many(frame)
    for row, date in zip(frame.to_dict("records"), many["estimated_delivery_date"], strict=True):
        assert model.promise(**fields_of(row)).date == date.date()
    with pytest.raises(ValueError, match="zone-aware"):
        model.promise_many(frame.assign(available_from="2025-07-07"))
    with pytest.raises(ValueError, match="available_from"):
        model.promise(**fields, available_from=dt.datetime(2025, 7, 7))  # noqa: DTZ001


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    count=st.integers(2, 6),
    journeys=st.integers(1, 3),
    order=st.floats(0, 1),
    journey=st.floats(0, 1),
)
def test_the_joint_probability_is_what_it_was(
    seed: int, count: int, journeys: int, order: float, journey: float
) -> None:
    rng = np.random.default_rng(seed)
    curves = np.sort(np.round(rng.random((count, 30)), 1 + seed % 9), axis=1)
    groups = rng.integers(0, journeys, count).tolist()
    dependence = Dependence(order=min(order, journey), journey=max(order, journey))
    np.testing.assert_allclose(
        joint_probability(curves, groups, dependence),
        slow_joint(curves, groups, dependence),
        rtol=0,
        atol=1e-14,
    )


def test_an_option_is_dominated_by_whom_it_was(model: PromiseModel, orders: pd.DataFrame) -> None:
    shared = fields_of(orders.iloc[3].to_dict())
    carriers = orders["carrier"].dropna().unique().tolist()
    options = [
        {"carrier": carrier, "service": service, "price": price, "name": f"{carrier} {price}"}
        for carrier in (*carriers, "nobody")
        for service in ("ground", "express")
        for price in (3.0, 5.5)
    ]
    ranked = model.compare(options, 0.9, day_price=None, **shared)
    _, curves = on_common_dates([one.promise for one in ranked])
    slow = slow_dominators(
        [one.price for one in ranked], list(curves), [one.promised for one in ranked]
    )
    assert [list(one.dominated_by) for one in ranked] == [[k + 1 for k in found] for found in slow]
    assert any(slow)


def test_distributions_of_several_days_stand_on_common_dates(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    fields = fields_of(orders.iloc[5].to_dict())
    promises = [
        model.promise(**fields | {"ordered_at": fields["ordered_at"] + dt.timedelta(days=days)})
        for days in (2, 0, 5)
    ]
    first, table = on_common_dates(promises)
    for row, promise in zip(table, promises, strict=True):
        for column, probability in enumerate(row.tolist()):
            day = dt.date(1970, 1, 1) + dt.timedelta(days=first + column)
            assert probability == promise.probability_by(day)
