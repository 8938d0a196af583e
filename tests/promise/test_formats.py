"""Promises and models travel: pickled, copied, written down, and under other systems' names."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from etapromise import ContractError, Promise, PromiseModel, promise_json_schema
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

# What the Agentic Commerce Protocol of 2026-04-17 asks of a fulfilment option that is shipped.
AGENTIC = {
    "type": "object",
    "required": ["type", "id", "title", "totals"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "shipping"},
        "id": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "carrier": {"type": "string"},
        "earliest_delivery_time": {"type": "string", "format": "date-time"},
        "latest_delivery_time": {"type": "string", "format": "date-time"},
        "totals": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "display_text", "amount"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["subtotal", "fulfillment", "tax", "fee", "total"]},
                    "display_text": {"type": "string"},
                    "amount": {"type": "integer"},
                },
            },
        },
    },
}
# What the Universal Commerce Protocol of 2026-04-08 asks of an option of a fulfilment group.
UNIVERSAL = {
    "type": "object",
    "required": ["id", "title", "totals"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "carrier": {"type": "string"},
        "earliest_fulfillment_time": {"type": "string", "format": "date-time"},
        "latest_fulfillment_time": {"type": "string", "format": "date-time"},
        "totals": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "amount"],
                "properties": {"type": {"type": "string"}, "amount": {"type": "integer"}},
            },
        },
    },
}


@pytest.fixture(scope="module")
def promises(model: PromiseModel, orders: pd.DataFrame) -> list[Promise]:
    asked = [fields_of(row) for row in orders.head(30).to_dict("records")]
    strange = {"carrier": "nobody", "destination": None, "destination_region": None}
    return [model.promise(**fields) for fields in (*asked, asked[0] | strange)]


def test_a_promise_comes_back_from_what_it_wrote_down(promises: list[Promise]) -> None:
    for promise in promises:
        for whole in (False, True):
            plain = json.loads(json.dumps(promise.as_dict(distribution=whole)))
            back = Promise.from_dict(plain)
            assert back == promise
            assert back.as_dict() == promise.as_dict()
            assert back.text("de") == promise.text("de")
            assert back.expires_at == promise.expires_at
            assert back.percentile(95) == promise.percentile(95)
            assert hash(back) == hash(Promise.from_dict(plain))
            with pytest.raises(ContractError, match="without its model"):
                back.handling  # noqa: B018
        for days in range(-2, 60, 3):
            day = promise.date + dt.timedelta(days=days)
            assert back.probability_by(day) == promise.probability_by(day)
        assert back.percentile(42) == promise.percentile(42)
        short = Promise.from_dict(promise.as_dict())
        with pytest.raises(ContractError, match="distribution=True"):
            short.probability_by(promise.date)
        with pytest.raises(ContractError, match="distribution=True"):
            short.percentile(42)


def test_what_is_no_promise_is_refused(promises: list[Promise]) -> None:
    plain = promises[0].as_dict(distribution=True)
    for name in plain:
        if name not in {"distribution", "order_within"}:
            with pytest.raises(ContractError, match=name):
                Promise.from_dict({key: value for key, value in plain.items() if key != name})
    falling = {"first_date": "2025-07-01", "probability": [0.4, 0.2]}
    for wrong in ({"ordered_at": 7}, {"messages": [3]}, {"distribution": falling}):
        with pytest.raises(ContractError, match="cannot be read"):
            Promise.from_dict(plain | wrong)


def test_promises_are_pickled_copied_and_compared(promises: list[Promise]) -> None:
    for promise in promises:
        back = pickle.loads(pickle.dumps(promise))  # noqa: S301 — its own bytes
        assert back == promise
        assert back.probability_by(promise.date) == promise.confidence
        assert pickle.loads(pickle.dumps(back)) == promise  # noqa: S301
        assert copy.copy(promise) is promise
        assert copy.deepcopy([promise])[0] == promise
    assert promises[0] != promises[1]
    assert promises[0] != "a promise"
    assert len({*promises, *promises}) == len(set(promises))


def test_a_model_is_pickled_as_its_files(model: PromiseModel, orders: pd.DataFrame) -> None:
    back = pickle.loads(pickle.dumps(model))  # noqa: S301 — its own bytes
    assert back == model
    assert hash(back) == hash(model)
    for row in orders.head(10).to_dict("records"):
        assert back.promise(**fields_of(row)) == model.promise(**fields_of(row))
    assert copy.deepcopy(model) is model
    assert model != "a model"


def test_the_schema_says_what_as_dict_gives(promises: list[Promise]) -> None:
    schema = promise_json_schema()
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    for promise in promises:
        for whole in (False, True):
            plain = json.loads(json.dumps(promise.as_dict(distribution=whole)))
            check.validate(plain)
            assert not check.is_valid(plain | {"typo": 1})
            assert not check.is_valid({k: v for k, v in plain.items() if k != "confidence"})


def test_other_systems_read_it(promises: list[Promise]) -> None:
    for promise in promises:
        zone = ZoneInfo(promise.destination_time_zone)
        agentic = promise.as_agentic_commerce(id="1", title="Ground", subtotal=499, tax=40)
        jsonschema.validate(agentic, AGENTIC)
        assert {one["type"]: one["amount"] for one in agentic["totals"]} == {
            "subtotal": 499,
            "tax": 40,
            "total": 539,
        }
        universal = promise.as_universal_commerce(id="1", title="Ground", total=539, carrier="acme")
        jsonschema.validate(universal, UNIVERSAL)
        for first, last in (
            (agentic["earliest_delivery_time"], agentic["latest_delivery_time"]),
            (universal["earliest_fulfillment_time"], universal["latest_fulfillment_time"]),
        ):
            begins, ends = (dt.datetime.fromisoformat(text) for text in (first, last))
            assert begins <= ends
            assert begins.astimezone(zone).date() == promise.earliest
            assert ends.astimezone(zone).date() == promise.date
        times = promise.as_google_merchant()
        assert times["min_handling_time"] <= times["max_handling_time"]
        assert times["min_transit_time"] <= times["max_transit_time"]
        easypost = promise.as_easypost()
        days = list(easypost["time_in_transit"].values())
        assert days == sorted(days)
        assert easypost["est_delivery_days"] == (promise.date - promise.first_date).days
        aftership = promise.as_aftership()
        assert aftership["estimated_delivery_date"] == promise.date.isoformat()
        assert aftership["confidence_code"] == promise.confidence_code
        for wrong in (4.99, True, "499"):
            with pytest.raises(ContractError, match="minor units"):
                promise.as_agentic_commerce(id="1", title="Ground", subtotal=wrong)


def test_orders_options_and_parcels_under_way_travel_too(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    parcel = fields_of(orders.iloc[0])
    ordered = parcel["ordered_at"]
    order = model.promise_order([parcel, parcel | {"service": "express"}])
    back = pickle.loads(pickle.dumps(order))  # noqa: S301 — its own bytes
    assert back == order
    assert hash(back) == hash(order)
    assert back != model.promise_order([parcel])
    options = [parcel | {"carrier": name, "price": 3.0 + n} for n, name in enumerate("abc")]
    ranked = model.compare([*options, parcel | {"price": 2.0}], 0.9, day_price=1.0)
    for copied in (pickle.loads(pickle.dumps(ranked)), copy.deepcopy(ranked)):  # noqa: S301
        assert [one.as_dict() for one in copied] == [one.as_dict() for one in ranked]
    tracked = model.track(
        parcel,
        [{"status": "picked_up", "scanned_at": ordered + dt.timedelta(hours=4)}],
        ordered + dt.timedelta(days=1),
    )
    there = pickle.loads(pickle.dumps(tracked))  # noqa: S301
    assert there.as_dict() == tracked.as_dict()
    assert there.why() == tracked.why()
    assert pickle.loads(pickle.dumps(there)).why() == tracked.why()  # noqa: S301
