"""What a promise says beside its dates: until when it stands, its stages, its hours."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import Promise, PromiseModel, train
from etapromise.encoding.pickup_days import PICKUP_LEVELS, PickupDays
from etapromise.errors import ContractError
from etapromise.lanes.levels import level_keys
from etapromise.tracking import TrackedHistory
from tests.promise.reference_stages import stages_of, stages_summed
from tests.small_network import AS_OF, TRAINING, fields_of

ROWS = 24


@pytest.fixture(scope="module")
def promises(model: PromiseModel, orders: pd.DataFrame) -> list[Promise]:
    return [model.promise(**fields_of(row)) for row in orders.head(ROWS).to_dict("records")]


def test_it_stands_until_another_date_is_promised(
    model: PromiseModel, orders: pd.DataFrame, promises: list[Promise]
) -> None:
    for row, promise in zip(orders.to_dict("records"), promises, strict=False):
        fields = fields_of(row)
        assert promise.expires_at > promise.ordered_at
        assert promise.order_within == promise.time_left(promise.ordered_at)
        assert promise.time_left(promise.expires_at + dt.timedelta(seconds=1)) == dt.timedelta(0)
        # Whoever orders a moment before is asked for the same until the same moment.
        moment = promise.expires_at - dt.timedelta(seconds=1)
        last = model.promise(**fields | {"ordered_at": moment})
        assert last.expires_at == promise.expires_at
        assert last.date == promise.date
        following = model.promise(**fields | {"ordered_at": promise.expires_at})
        assert following.expires_at > promise.expires_at
        assert following.date > promise.date


def test_an_order_of_sunday_stands_until_mondays_cut_off(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    stood = 0
    for row in orders.head(ROWS).to_dict("records"):
        fields = fields_of(row) | {"quoted_date": None}
        sunday = model.promise(
            **fields | {"ordered_at": dt.datetime(2025, 7, 6, 18, tzinfo=dt.UTC)}
        )
        cut_off = sunday.cutoff_datetime_utc
        if sunday.warehouse_works or cut_off is None:
            continue
        assert cut_off.astimezone(sunday.explanation.origin_zone).weekday() == 0
        # Nothing changes at midnight; unless the carrier has a day off, all does at the cut-off.
        if sunday.expires_at < cut_off:
            # A house that has worked a little on Sundays has Sunday's own cut-off.
            assert sunday.expires_at == cut_off - dt.timedelta(days=1)
        stood += sunday.expires_at == cut_off
    assert stood > ROWS / 3


def test_it_is_in_the_plain_values_and_in_words(promises: list[Promise]) -> None:
    promise = promises[0]
    plain = json.loads(json.dumps(promise.as_dict()))
    assert dt.datetime.fromisoformat(plain["expires_at"]) == promise.expires_at
    told = plain["cutoff_datetime_utc"]
    cut_off = None if told is None else dt.datetime.fromisoformat(told)
    assert cut_off == promise.cutoff_datetime_utc
    hours, minutes = divmod(int(promise.order_within.total_seconds()) // 60, 60)
    told = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    assert plain["order_within"].startswith(f"PT{told}")
    now = promise.expires_at - dt.timedelta(hours=3, minutes=12, seconds=30)
    assert promise.order_within_text("en", now) == "Order within 3 h 12 min"
    assert promise.order_within_text("pt_BR", now) == "Peça em até 3 h 12 min"
    soon = promise.expires_at - dt.timedelta(minutes=7)
    assert promise.order_within_text("de", soon) == "Bestellung innerhalb von 7 min"
    assert promise.order_within_text("de", promise.expires_at) == ""
    with pytest.raises(ContractError, match="time zone"):
        promise.time_left(dt.datetime(2025, 7, 1))  # noqa: DTZ001
    assert promise.order_within_text("fi", soon) == "7 min"


def test_cut_offs_are_the_wall_clocks_on_days_of_25_and_23_hours(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    fields = fields_of(orders.iloc[0].to_dict())
    zone = model.promise(**fields).explanation.origin_zone
    clocks = set()
    for day in (dt.date(2025, 10, 30), dt.date(2025, 11, 1), dt.date(2025, 11, 2)):
        start = dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
        promise = model.promise(**fields | {"ordered_at": start})
        last = promise.expires_at - dt.timedelta(seconds=1)
        assert model.promise(**fields | {"ordered_at": last}).date == promise.date
        if promise.expires_at == promise.cutoff_datetime_utc:
            clocks.add((promise.expires_at.astimezone(zone).time(), promise.expires_at.time()))
    # One hour by the wall clock, two by UTC.
    assert len({wall for wall, _ in clocks}) <= len({utc for _, utc in clocks})


def test_the_stages_are_distributions_and_add_up(
    model: PromiseModel, orders: pd.DataFrame, promises: list[Promise]
) -> None:
    frame = orders.head(ROWS)
    encoder = model.parts.encoder
    requests = encoder.encode(frame)
    times = stages_of(
        model, requests, PickupDays.of_keys(encoder, level_keys(frame, PICKUP_LEVELS), requests)
    )
    np.testing.assert_allclose(times.pickup.sum(axis=1), 1.0)
    assert (times.pickup >= 0).all()
    total = stages_summed(times)
    assert (np.diff(total, axis=1) >= -1e-12).all()
    assert (total <= 1.0 + 1e-12).all()
    # No parcel arrives before it was fetched, and none on a day on which nobody delivers.
    for handled in range(times.pickup.shape[1]):
        assert (times.whole[:, handled, :handled] == 0).all()
    for row, promise in enumerate(promises):
        handling, transit = promise.handling, promise.transit
        for stage in (handling, transit):
            for days in (stage.business_days, stage.calendar_days):
                assert list(days) == sorted(days)
                assert days[0] >= 0
            assert (np.diff(stage.probability) >= -1e-12).all()
            assert stage.probability[-1] == pytest.approx(1.0)
            assert all(
                business <= calendar
                for business, calendar in zip(stage.business_days, stage.calendar_days, strict=True)
            )
        # One at a time is the batch.
        cumulative = times.pickup[row].cumsum()
        size = len(cumulative)
        np.testing.assert_allclose(handling.probability[:size], cumulative, atol=1e-9)
        mean = (1.0 - handling.probability).sum() + (1.0 - transit.probability).sum()
        whole = (1.0 - total[row] / total[row, -1]).sum()
        assert mean == pytest.approx(whole, abs=0.05)


def test_stages_are_about_as_good_as_the_direct_distribution(
    model: PromiseModel, orders: pd.DataFrame, parcels: TrackedHistory
) -> None:
    """On orders after the moment. benchmarks/stages.py holds a larger network to 2 %."""
    rows = orders["ordered_at"] < AS_OF + pd.Timedelta(days=10)
    frame = orders[rows]
    encoder = model.parts.encoder
    requests = encoder.encode(frame)
    times = stages_of(
        model, requests, PickupDays.of_keys(encoder, level_keys(frame, PICKUP_LEVELS), requests)
    )
    arrives = model.distribution_many(frame).probability
    summed = stages_summed(times) * arrives[:, -1:]
    event = parcels.milestones.set_index(parcels.shipments["shipment_id"])["event_at"]
    local = event.loc[frame["shipment_id"]].dt.tz_convert("America/Chicago")
    day = local.dt.tz_localize(None).to_numpy().astype("datetime64[D]").astype(float)
    day = np.where(local.isna(), np.inf, day) - requests.order_day
    came = day[:, None] <= np.arange(model.horizon)
    direct, stages = (((p - came) ** 2).sum(axis=1).mean() for p in (arrives, summed))
    assert stages < 1.08 * direct


def test_windows_hold_their_share_and_hours_add_up(promises: list[Promise]) -> None:
    for promise in promises:
        zone = ZoneInfo(promise.destination_time_zone)
        narrow, wide = promise.window(0.5), promise.window(0.8)
        assert narrow.start.tzinfo == narrow.end.tzinfo == zone
        assert narrow.start.date() == promise.date
        assert wide.end - wide.start > narrow.end - narrow.start > dt.timedelta(minutes=30)
        day = promise.date
        whole = promise.probability_by(day) - promise.probability_by(day - dt.timedelta(days=1))
        hours = [
            promise.probability_between(day, dt.time(hour), dt.time((hour + 1) % 24))
            for hour in range(24)
        ]
        assert min(hours) >= 0
        assert sum(hours) == pytest.approx(whole)
        assert promise.probability_between(day, dt.time(), dt.time()) == pytest.approx(whole)
        before = promise.ordered_at.date() - dt.timedelta(days=9)
        assert promise.probability_between(before, dt.time(9), dt.time(12)) == 0.0
        other = promise.window(0.5, day=day + dt.timedelta(days=1))
        assert other.start.date() == day + dt.timedelta(days=1)
    promise = promises[0]
    for start, end, message in (
        (dt.time(12), dt.time(9), "end after its start"),
        (dt.time(9, tzinfo=dt.UTC), dt.time(12), "without a zone"),
    ):
        with pytest.raises(ContractError, match=message):
            promise.probability_between(promise.date, start, end)
    with pytest.raises(ContractError, match="probability"):
        promise.window(1.0)


def test_the_export_has_both_times_the_cut_off_and_the_working_days(
    promises: list[Promise],
) -> None:
    for promise in promises:
        found = json.loads(json.dumps(promise.as_json_ld()))["deliveryTime"]
        low, _, high = promise.handling.business_days
        assert (found["handlingTime"]["minValue"], found["handlingTime"]["maxValue"]) == (low, high)
        low, _, high = promise.transit.calendar_days
        assert (found["transitTime"]["minValue"], found["transitTime"]["maxValue"]) == (low, high)
        assert found["handlingTime"]["unitCode"] == found["transitTime"]["unitCode"] == "DAY"
        days = found["businessDays"]["dayOfWeek"]
        assert "https://schema.org/Tuesday" in days
        assert "https://schema.org/Sunday" not in days
        cut_off = promise.cutoff_datetime_utc
        if cut_off is None:
            assert "cutoffTime" not in found
        else:
            local = cut_off.astimezone(promise.explanation.origin_zone)
            offset = f"{local:%z}"
            assert found["cutoffTime"] == f"{local:%H:%M:%S}{offset[:3]}:{offset[3:]}"


def promised(
    model: PromiseModel, asked: dict[str, Any], day: dt.date, zone: ZoneInfo, level: float
) -> Promise:
    """Of an order placed as a day begins at the warehouse."""
    at = dt.datetime.combine(day, dt.time(), zone)
    return model.promise(**asked, ordered_at=at, service_level=level)


def test_the_latest_day_to_order_keeps_the_level_and_the_next_does_not(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    answered = 0
    for number, row in enumerate(orders.head(ROWS).to_dict("records")):
        asked: dict[str, Any] = {
            name: value for name, value in fields_of(row).items() if name != "ordered_at"
        }
        wanted = dt.date(2025, 7, 10) + dt.timedelta(days=number)
        level = (0.5, 0.9, 0.95)[number % 3]
        found = model.ship_on_date(wanted, service_level=level, **asked)
        if found is None:
            continue
        answered += 1
        zone = model.promise(
            **asked, ordered_at=dt.datetime(2025, 7, 2, tzinfo=dt.UTC)
        ).explanation.origin_zone

        kept = promised(model, asked, found, zone, level)
        assert kept.date <= wanted
        assert kept.confidence >= level
        assert kept.explanation.works
        for later in range(1, 8):
            day = found + dt.timedelta(days=later)
            following = promised(model, asked, day, zone, level)
            if following.explanation.works:
                assert following.date > wanted or following.confidence < level
    assert answered > ROWS / 2
    with pytest.raises(ContractError, match="wanted_date"):
        model.ship_on_date("2025-07-10", **asked)  # type: ignore[arg-type]
    assert model.ship_on_date(dt.date(2025, 7, 10), service_level=0.99999, **asked) is None


def test_a_loaded_model_explains_the_same(
    model: PromiseModel, orders: pd.DataFrame, tmp_path: Any
) -> None:
    loaded = etapromise.load(model.save(tmp_path / "model"))
    for row in orders.head(5).to_dict("records"):
        one, other = (each.promise(**fields_of(row)) for each in (model, loaded))
        assert one.as_dict() == other.as_dict()
        assert one.as_json_ld() == other.as_json_ld()
        assert one.window() == other.window()
        assert (one.handling.probability == other.handling.probability).all()
        assert (one.transit.probability == other.transit.probability).all()


def test_a_model_without_stages_says_so(parcels: TrackedHistory, orders: pd.DataFrame) -> None:
    config = replace(
        TRAINING, members=1, boosting=replace(TRAINING.boosting, rounds=4), stages=False
    )
    promise = train(parcels, as_of=AS_OF, config=config).promise(
        **fields_of(orders.iloc[0].to_dict())
    )
    with pytest.raises(ContractError, match="trained with stages=False"):
        promise.handling  # noqa: B018
    found = promise.as_json_ld()["deliveryTime"]
    assert "handlingTime" not in found
    assert found["transitTime"]["minValue"] <= found["transitTime"]["maxValue"]
