"""Sources of an order: never a warehouse too many, never the worse of two plans first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from etapromise import PromiseModel
from etapromise.errors import ContractError
from tests.small_network import fields_of

if TYPE_CHECKING:
    import pandas as pd

WAYS = [
    {"carrier": "acme", "service": "ground", "price": 4.0, "co2_kg": 1.0},
    {"carrier": "corvid", "service": "express", "price": 8.0, "co2_kg": 2.0},
]


@pytest.fixture(scope="module")
def shared(orders: pd.DataFrame) -> dict[str, Any]:
    fields = fields_of(orders.iloc[5])
    return {
        name: value
        for name, value in fields.items()
        if name.startswith("destination") or name in {"ordered_at", "weight_kg"}
    }


@pytest.fixture(scope="module")
def stock(orders: pd.DataFrame) -> list[dict[str, Any]]:
    places = orders.drop_duplicates("origin")[["origin", "origin_region", "origin_country"]]
    held = [{"lamp"}, {"rug"}, {"lamp", "rug", "vase"}]
    return [
        {**place, "items": items}
        for place, items in zip(places.to_dict("records"), held, strict=False)
    ]


@pytest.mark.parametrize("policy", ["price_sensitive", "time_is_money", "eco", 0.9, "typical"])
def test_plans_cover_the_order_with_no_warehouse_too_many(
    model: PromiseModel, shared: dict[str, Any], stock: list[dict[str, Any]], policy: Any
) -> None:
    plans = model.source_order(["lamp", "rug"], stock, WAYS, policy, **shared)
    assert [plan.rank for plan in plans] == list(range(1, len(plans) + 1))
    sources = {frozenset(parcel.origin for parcel in plan.parcels) for plan in plans}
    one, other, both = (entry["origin"] for entry in stock)
    assert sources == {frozenset({both}), frozenset({one, other})}
    for plan in plans:
        assert sorted(item for parcel in plan.parcels for item in parcel.items) == ["lamp", "rug"]
        assert plan.price == sum(parcel.option.price for parcel in plan.parcels)
        assert plan.promise.date >= max(parcel.option.date for parcel in plan.parcels)
    if policy == "price_sensitive":
        assert [plan.price for plan in plans] == sorted(plan.price for plan in plans)
    if policy == "eco":
        assert [plan.co2_kg for plan in plans] == sorted(plan.co2_kg or 0 for plan in plans)
    if policy == 0.9:
        assert [plan.promise.date for plan in plans] == sorted(plan.promise.date for plan in plans)
    split = next(plan for plan in plans if plan.split)
    assert both in split.why
    assert "2 parcels" in split.why


def test_the_only_source_is_taken_and_none_is_refused(
    model: PromiseModel, shared: dict[str, Any], stock: list[dict[str, Any]]
) -> None:
    plans = model.source_order(["vase"], stock, WAYS, **shared)
    assert [[parcel.origin for parcel in plan.parcels] for plan in plans] == [[stock[2]["origin"]]]
    apart = model.source_order(["lamp", "rug"], stock[:2], WAYS, **shared)
    assert apart[0].split
    assert "No warehouse holds everything" in apart[0].why
    with pytest.raises(ContractError, match="boat nowhere"):
        model.source_order(["boat"], stock, WAYS, **shared)
    with pytest.raises(ContractError, match="within 1 parcels"):
        model.source_order(["lamp", "rug"], stock[:2], WAYS, most_parcels=1, **shared)
    with pytest.raises(ContractError, match="no way to send"):
        model.source_order(["vase"], stock, [{**WAYS[0], "origin": "elsewhere"}], **shared)
    with pytest.raises(ContractError, match="origin and its items"):
        model.source_order(["vase"], [{"origin": "1"}], WAYS, **shared)
