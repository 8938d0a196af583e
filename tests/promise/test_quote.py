"""Promises against a plain reference, one against many, and the laws of any distribution."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel, tracking
from etapromise.calendars.working_clocks import Clocks
from etapromise.promise.promise_table import PERCENTILES
from tests.promise.reference_quote import ReferenceQuote
from tests.small_network import NETWORK, fields_of

# Drawn and told, not shrunk: a failure is one request, which is short already.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

FIRST = datetime(2025, 1, 8, tzinfo=UTC)
ZONES = ("America/Chicago", "America/St_Johns", "Pacific/Auckland", "Asia/Kathmandu")


def requests() -> st.SearchStrategy[dict[str, Any]]:
    """Orders of the network, and of carriers, services and places that it never saw."""

    def missing_or(*values: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from((None, *values))

    zone = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    return st.fixed_dictionaries(
        {
            "ordered_at": st.builds(
                lambda seconds, zone: (FIRST + timedelta(seconds=seconds)).astimezone(zone),
                st.integers(0, 300 * 86_400),
                zone,
            ),
            "origin": st.sampled_from(("60492", "00000", "K1A 0B1", "é")),
            "destination": st.sampled_from(("60449", "99999", "1", "V5K", "éàü-7")),
            "carrier": missing_or(*NETWORK.carriers, "newcomer", "ACME"),
            "service": missing_or(*NETWORK.services, "overnight"),
            "origin_region": missing_or("IL", "ON", "XX"),
            "origin_country": missing_or("US", "CA", "ZZ"),
            "destination_region": missing_or("IL", "CA", "ON", "BC", "XX"),
            "destination_country": missing_or("US", "CA", "ZZ"),
            "origin_lat": missing_or(41.6, -90.0),
            "origin_lon": missing_or(-86.3, 180.0),
            "destination_lat": missing_or(43.7, 90.0),
            "destination_lon": missing_or(-79.4, -180.0),
            "destination_time_zone": missing_or(*ZONES),
            "weight_kg": missing_or(0.0, 1.25, 1e6),
            "quoted_date": missing_or(date(2025, 7, 8), date(2025, 1, 1), date(2026, 7, 1)),
        }
    )


def as_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], utc=True)
    frame.insert(0, "shipment_id", [f"r{number}" for number in range(len(frame))])
    checked = tracking.read_shipments(frame)
    assert not len(checked.rejects)
    return checked.accepted


def test_distributions_equal_the_plain_reference(
    model: PromiseModel, orders: pd.DataFrame, parcels: tracking.TrackedHistory
) -> None:
    rows = pd.concat([orders.iloc[::12], parcels.shipments.iloc[::211]])
    stated = model.distribution_many(rows)
    for number, (_, row) in enumerate(rows.iterrows()):
        reference = ReferenceQuote(model, fields_of(row))
        assert stated.origin_dates[number] == np.datetime64(reference.order_day, "D")
        np.testing.assert_allclose(
            stated.probability[number], reference.probabilities(), rtol=0, atol=1e-9
        )


@settings(max_examples=40, deadline=None, phases=PHASES)
@given(request=requests())
def test_any_request_equals_the_plain_reference(model: PromiseModel, request: dict) -> None:
    promise = model.promise(**request)
    dates, probability = promise.distribution()
    reference = ReferenceQuote(model, request)
    assert dates[0] == np.datetime64(reference.order_day, "D")
    np.testing.assert_allclose(probability, reference.probabilities(), rtol=0, atol=1e-9)


@settings(
    max_examples=35, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow]
)
@given(rows=st.lists(requests(), min_size=1, max_size=8), level=st.floats(0.01, 0.995))
def test_one_at_a_time_equals_the_batch(
    model: PromiseModel, rows: list[dict], level: float
) -> None:
    frame = as_frame(rows)
    promised = rows[0]["quoted_date"] or date(2025, 7, 20)
    frame["promised_date"] = pd.Series([promised] * len(rows), dtype="datetime64[us]")
    many = model.promise_many(frame, service_level=level)
    assert many["shipment_id"].tolist() == frame["shipment_id"].tolist()
    for (_, row), fields in zip(many.iterrows(), rows, strict=True):
        one = model.promise(**fields, service_level=level)
        assert row["estimated_delivery_date"].date() == one.date
        assert row["estimated_delivery_date_min"].date() == one.earliest
        assert row["estimated_delivery_date_max"].date() == one.latest
        assert row["confidence"] == pytest.approx(one.confidence, abs=1e-9)
        assert row["confidence_code"] == one.confidence_code
        assert row["messages"].split() == [message["code"] for message in one.messages]
        assert row["lost_probability"] == pytest.approx(one.lost_probability, abs=1e-9)
        assert row["delivery_date_confidence"] == pytest.approx(
            one.probability_by(promised), abs=1e-9
        )
        for percent in PERCENTILES:
            assert row[f"percentile_{percent}"].date() == one.percentile(percent)


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(request=requests())
def test_probabilities_ascend_within_zero_and_one(model: PromiseModel, request: dict) -> None:
    promise = model.promise(**request)
    dates, probability = promise.distribution()
    assert ((probability >= 0) & (probability < 1)).all()
    assert (np.diff(probability) >= 0).all()
    first = dates[0].astype(object)
    assert promise.probability_by(first - timedelta(1)) == 0.0
    for k in (0, 1, 5, len(dates) - 1):
        assert promise.probability_by(dates[k].astype(object)) == probability[k]


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(request=requests(), one=st.floats(0.01, 0.999), other=st.floats(0.01, 0.999))
def test_a_higher_service_level_is_never_earlier(
    model: PromiseModel, request: dict, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    early = model.promise(**request, service_level=low)
    late = model.promise(**request, service_level=high)
    assert early.date <= late.date
    assert early.confidence <= late.confidence


@settings(max_examples=80, deadline=None, phases=PHASES)
@given(request=requests(), level=st.floats(0.01, 0.9999))
def test_the_date_is_the_first_that_reaches_the_level(
    model: PromiseModel, request: dict, level: float
) -> None:
    promise = model.promise(**request, service_level=level)
    codes = {message["code"] for message in promise.messages}
    assert promise.confidence == promise.probability_by(promise.date)
    assert promise.probability_by(promise.date - timedelta(1)) < level
    assert (promise.confidence >= level) == ("service_level_unreachable" not in codes)
    if 2 <= level * 100 < 100:
        assert promise.percentile(level * 100) >= promise.percentile(level * 50)
    assert promise.earliest <= promise.latest


def test_the_levels_kernel_equals_the_distribution(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    """Two ways through the compiled code: stop at each level, or write every date."""
    requests_ = model.parts.encoder.encode(orders)
    whole = model.kernel.dates(requests_)
    levels = np.array([0.001, 0.05, 0.5, 0.5, 0.9, 0.9999])
    asked = np.arange(-3, len(orders) - 3).astype(np.int32) % model.horizon
    day, probability, by = model.kernel.reach(requests_, levels, asked)
    for column, level in enumerate(levels):
        expected = [int((row < min(level, row[-1])).sum()) for row in whole]
        assert day[:, column].tolist() == expected
        assert (probability[:, column] == whole[np.arange(len(whole)), expected]).all()
    np.testing.assert_array_equal(by, whole[np.arange(len(whole)), asked])


def with_closed_days(model: PromiseModel) -> PromiseModel:
    """The same model of a network in which nobody delivers on Sundays and public holidays."""
    encoder, clocks = model.parts.encoder, model.parts.encoder.clocks
    weeks = clocks.weeks.copy()
    weeks[:, 6] = 0.0
    closed = Clocks(
        first_day=clocks.first_day,
        services=clocks.services,
        weeks=weeks,
        calendars=clocks.calendars,
        holidays=clocks.holidays,
        holiday_weights=np.zeros_like(clocks.holiday_weights),
    )
    changed = dataclasses.replace(encoder, clocks=closed)
    return PromiseModel(dataclasses.replace(model.parts, encoder=changed))


def test_a_closed_day_has_no_probability(model: PromiseModel, orders: pd.DataFrame) -> None:
    strict = with_closed_days(model)
    clocks = strict.parts.encoder.clocks
    stated = strict.distribution_many(orders)
    arriving = np.diff(stated.probability, axis=1, prepend=0.0)
    requests_ = strict.parts.encoder.encode(orders)
    service, calendar = np.divmod(requests_.clock, len(clocks.holidays))
    day = requests_.order_day[:, None] + np.arange(stated.horizon)
    weekday_closed = clocks.weeks[service[:, None], (day + 3) % 7] == 0
    holiday = clocks.holidays[calendar[:, None], day - clocks.first_day] > 0
    assert weekday_closed.mean() > 0.1
    assert (holiday & ~weekday_closed).any()
    assert (arriving[weekday_closed | holiday] == 0).all()
    assert (arriving[~weekday_closed & ~holiday].reshape(-1) > 0).mean() > 0.8


def test_order_of_rows_and_their_company_do_not_matter(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    backwards = orders.iloc[::-1]
    together = model.distribution_many(orders).probability
    assert (model.distribution_many(backwards).probability[::-1] == together).all()
    assert (model.distribution_many(orders.iloc[7:9]).probability == together[7:9]).all()


def test_more_rows_than_one_piece_of_work(model: PromiseModel, orders: pd.DataFrame) -> None:
    """Large batches are cut into pieces for several threads."""
    times = 40_000 // len(orders) + 1
    large = pd.concat([orders] * times, ignore_index=True)
    few, many = model.promise_many(orders), model.promise_many(large)
    for name in ("estimated_delivery_date", "confidence", "percentile_97", "messages"):
        assert (many[name].to_numpy().reshape(times, -1) == few[name].to_numpy()).all()


def test_an_empty_batch(model: PromiseModel, orders: pd.DataFrame) -> None:
    nothing = model.promise_many(orders.iloc[:0])
    assert list(nothing.columns) == list(model.promise_many(orders.iloc[:3]).columns)
    assert len(nothing) == 0
    assert model.distribution_many(orders.iloc[:0]).probability.shape == (0, model.horizon)


def test_threads_get_the_same_answers(model: PromiseModel, orders: pd.DataFrame) -> None:
    rows = [fields_of(row) for _, row in orders.head(60).iterrows()]

    def ask(fields: dict[str, Any]) -> tuple[date, bytes]:
        promise = model.promise(**fields)
        return promise.date, promise.distribution()[1].tobytes()

    alone = [ask(fields) for fields in rows]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, rows * 20))
    assert together == alone * 20


def test_threads_may_share_a_batch(model: PromiseModel, orders: pd.DataFrame) -> None:
    alone = model.promise_many(orders)
    with ThreadPoolExecutor(8) as pool:
        for table in pool.map(lambda _: model.promise_many(orders), range(24)):
            pd.testing.assert_frame_equal(table, alone)


def test_nothing_of_a_promise_can_be_changed(model: PromiseModel, orders: pd.DataFrame) -> None:
    promise = model.promise(**fields_of(orders.iloc[0]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        promise.date = date(2025, 1, 1)  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        promise.distribution()[1][0] = 1.0
    with pytest.raises(TypeError):
        model.manifest["event"] = "first_attempt"  # type: ignore[index]
