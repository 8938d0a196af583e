"""Features: the same numbers for one, for many and for training; the contract with the caller."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import PromiseModel, train
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError, ModelFileError
from etapromise.history.features import (
    FeatureBuilder,
    FeatureContract,
    all_features,
    with_handling_codes,
)
from etapromise.history.gathered import HistoryAsOf, surge_by_day
from etapromise.history.statistics import build_statistics
from etapromise.tracking import TrackedHistory
from tests.promise.reference_quote import ReferenceQuote
from tests.small_network import AS_OF, TRAINING, fields_of


def every_feature(encoder: Encoder) -> tuple[str, ...]:
    return all_features(
        encoder.levels, (), telling=[True] * len(encoder.levels), weekday=True, seldom=True
    )


def snapshot_builder(model: PromiseModel, names: tuple[str, ...]) -> FeatureBuilder:
    parts = model.parts
    return FeatureBuilder(
        FeatureContract(names), parts.encoder, parts.statistics, surge=parts.surge
    )


def test_every_feature_equals_the_plain_one(model: PromiseModel, orders: pd.DataFrame) -> None:
    names = every_feature(model.parts.encoder)
    builder = snapshot_builder(model, names)
    frame = orders.iloc[::25]
    requests = model.parts.encoder.encode(frame)
    x, offset = builder.rows(requests, with_handling_codes(requests.codes))
    for i, (_, row) in enumerate(frame.iterrows()):
        reference = ReferenceQuote(model, fields_of(row))
        expected = [reference.feature(name) for name in names]
        np.testing.assert_allclose(x[i], expected, rtol=1e-5, atol=1e-5)
        assert offset[i] == pytest.approx(reference.offset(), abs=1e-9)


def test_one_row_is_the_batchs_bit_for_bit(model: PromiseModel, orders: pd.DataFrame) -> None:
    encoder = model.parts.encoder
    many = encoder.encode(orders)
    for i in range(0, len(orders), 9):
        one = encoder.encode_placed(fields_of(orders.iloc[i]))[0]
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(
                getattr(one, field.name)[0], getattr(many, field.name)[i], err_msg=field.name
            )


def test_training_sees_what_a_quote_of_that_day_would_have_seen(gathered: HistoryAsOf) -> None:
    """Features of a past order are those of a model whose statistics end on its day."""
    names = every_feature(gathered.encoder)
    own = gathered.builder(FeatureContract(names))
    starts = gathered.outcomes.start_day
    for day in np.unique(starts)[[20, 90, 150]]:
        rows = np.flatnonzero(starts == day)
        trained, trained_offset = gathered.features(own, rows)
        statistics, _ = build_statistics(
            gathered.encoder,
            gathered.requests,
            gathered.outcomes.as_of(int(day)),
            gathered.statistics.settings,
        )
        quoting = FeatureBuilder(
            FeatureContract(names),
            gathered.encoder,
            statistics,
            surge=float(surge_by_day(starts, int(day))[1][-1]),
        )
        requests = gathered.requests.take(rows)
        quoted, quoted_offset = quoting.rows(requests, with_handling_codes(requests.codes))
        np.testing.assert_array_equal(trained, quoted)
        np.testing.assert_allclose(trained_offset, quoted_offset, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("ends", "kilometres"),
    [
        ((0.0, 10.0, 0.0, -170.0), math.pi * 6371.0088),
        ((90.0, 0.0, -90.0, 77.0), math.pi * 6371.0088),
        ((0.0, -179.0, 0.0, 179.0), 2 * math.pi * 6371.0088 / 180),
        ((12.5, 3.0, 12.5, 3.0), 0.0),
    ],
)
def test_distances(model: PromiseModel, ends: tuple[float, ...], kilometres: float) -> None:
    builder = snapshot_builder(model, ("derived:distance_km",))
    names = ("origin_lat", "origin_lon", "destination_lat", "destination_lon")
    fields = dict(zip(names, ends, strict=True)) | {"ordered_at": datetime(2025, 7, 2, tzinfo=UTC)}
    request = model.parts.encoder.encode_placed(fields)[0]
    x, _ = builder.rows(request, with_handling_codes(request.codes))
    assert x[0, 0] == pytest.approx(kilometres, rel=1e-6, abs=1e-3)
    for name in names:
        request = model.parts.encoder.encode_placed(fields | {name: None})[0]
        assert np.isnan(builder.rows(request, with_handling_codes(request.codes))[0][0, 0])


def test_the_order_of_features_is_the_contracts(model: PromiseModel, orders: pd.DataFrame) -> None:
    names = model.parts.contract.names
    requests = model.parts.encoder.encode(orders.head(40))
    codes = with_handling_codes(requests.codes)
    straight, _ = snapshot_builder(model, names).rows(requests, codes)
    reversed_, _ = snapshot_builder(model, names[::-1]).rows(requests, codes)
    np.testing.assert_array_equal(straight, reversed_[:, ::-1])


@pytest.mark.parametrize("name", ["number:price", "total:moon.effect", "total:network.x", "x:y"])
def test_a_feature_of_another_version_is_named(model: PromiseModel, name: str) -> None:
    with pytest.raises(ModelFileError, match="does not build"):
        snapshot_builder(model, (name,))


def test_surge_equals_a_plain_count() -> None:
    rng = np.random.default_rng(1)
    orders = np.concatenate([rng.poisson(20, 60), rng.poisson(90, 10), rng.poisson(20, 20)])
    start = np.repeat(np.arange(len(orders)) + 500, orders).astype(np.int32)
    first, added = surge_by_day(start, 590)
    assert (first, len(added)) == (500, 91)
    for day in range(91):
        ages = day - np.arange(day)
        means = []
        for half_life in (5.0, 28.0):
            weight = 0.5 ** (ages / half_life)
            means.append((weight * orders[:day]).sum() / weight.sum() if day else 0.0)
        rise = math.log((means[0] + 1) / (means[1] + 1))
        expected = 0.6 * max(0.0, rise - 0.2) if day >= 28 else 0.0
        assert added[day] == pytest.approx(expected, abs=1e-9)
    assert added[:58].max() < 0.1 < added[66:71].min()
    assert surge_by_day(start, 560)[1][-1] == pytest.approx(added[60], abs=1e-12)


@pytest.fixture(scope="module")
def extended(parcels: TrackedHistory) -> tuple[PromiseModel, TrackedHistory]:
    """A model of a shop whose fragile goods take three days more."""
    rng = np.random.default_rng(6)
    count = len(parcels.shipments)
    kind = rng.choice(np.array(["book", "fragile", None], object), count)
    shipments = parcels.shipments.assign(kind=kind, price=rng.uniform(1, 99, count).round(2))
    late = pd.to_timedelta(np.where(kind == "fragile", 3, 0), unit="D")
    milestones = parcels.milestones.copy()
    for name in ("event_at", "event_known_at", "delivered_at", "delivered_known_at"):
        milestones[name] += late
    changed = dataclasses.replace(parcels, shipments=shipments, milestones=milestones)
    config = dataclasses.replace(TRAINING, numeric=("price",), categorical=("kind",))
    return train(changed, as_of=AS_OF, config=config), changed


def test_further_columns_are_learnt_from(
    extended: tuple[PromiseModel, TrackedHistory], tmp_path: Path
) -> None:
    model, history = extended
    frame = history.shipments[history.shipments["ordered_at"] >= AS_OF].reset_index(drop=True)
    means = {}
    for kind in ("book", "fragile", None, "unheard of"):
        asked = frame.assign(kind=pd.Series([kind] * len(frame), dtype=object))
        means[kind] = model.distribution_many(asked).at(0.5).mean()
    assert means["fragile"] > means["book"] + 1.5
    loaded = etapromise.load(model.save(tmp_path / "model"))
    for _, row in frame.head(20).iterrows():
        one = model.promise(**fields_of(row))
        many = model.promise_many(frame[frame["shipment_id"] == row["shipment_id"]])
        assert one.date == many["estimated_delivery_date"].iloc[0].date()
        assert one.confidence == pytest.approx(many["confidence"].iloc[0], abs=1e-9)
        assert loaded.promise(**fields_of(row)).confidence == one.confidence


def test_a_missing_further_column_is_named(extended: tuple[PromiseModel, TrackedHistory]) -> None:
    model, history = extended
    fields = fields_of(history.shipments.iloc[-1])
    for name in ("kind", "price"):
        with pytest.raises(ContractError, match=rf"no {name}.*kind, price"):
            model.promise(**{key: value for key, value in fields.items() if key != name})
        with pytest.raises(ContractError, match=rf"no {name}.*kind, price"):
            model.promise_many(history.shipments.drop(columns=name))
    with pytest.raises(ContractError, match=r"price='dear'.*number"):
        model.promise(**fields | {"price": "dear"})
    with pytest.raises(ContractError, match=r"column price.*not numbers"):
        model.promise_many(history.shipments.tail(3).assign(price=["1", "dear", "2"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ordered_at": datetime(2025, 7, 2)}, "time zone"),  # noqa: DTZ001 — that is the point
        ({"ordered_at": "2025-07-02"}, "time zone"),
        ({"ordered_at": None}, "time zone"),
        ({"ordered_at": datetime(1999, 7, 2, tzinfo=UTC)}, "1999-07-0.*calendars cover"),
        ({"ordered_at": datetime(2099, 7, 2, tzinfo=UTC)}, "2099-07-0.*calendars cover"),
        ({"quoted_date": 7}, "quoted_date=7.*date"),
    ],
)
def test_requests_that_make_no_sense(
    model: PromiseModel, change: dict[str, Any], message: str
) -> None:
    fields = {"origin": "1", "destination": "2", "ordered_at": datetime(2025, 7, 2, tzinfo=UTC)}
    with pytest.raises(ContractError, match=message):
        model.promise(**fields | change)


def test_batches_that_make_no_sense(model: PromiseModel, orders: pd.DataFrame) -> None:
    naive = orders.assign(ordered_at=orders["ordered_at"].dt.tz_localize(None))
    with pytest.raises(ContractError, match="zone-aware time in every row"):
        model.promise_many(naive)
    with pytest.raises(ContractError, match="1 missing"):
        model.promise_many(orders.assign(ordered_at=orders["ordered_at"].where(orders.index > 0)))
    for name in ("ordered_at", "origin", "destination"):
        with pytest.raises(ContractError, match=f"no column {name}"):
            model.promise_many(orders.drop(columns=name))
