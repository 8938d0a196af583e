"""What a promise says of itself: levels, messages, unseen places, wording, its record."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.errors import ContractError
from etapromise.promise.confidence import CODES, MESSAGES
from etapromise.promise.kept_record import KEPT_LEVELS, kept_table
from etapromise.promise.wording import LANGUAGES, sentence
from tests.small_network import fields_of

NOW = datetime(2025, 7, 2, 12, tzinfo=UTC)


def codes_of(promise: Any) -> set[str]:
    return {message["code"] for message in promise.messages}


@pytest.mark.parametrize(
    "level", [0, 1, 0.0, 1.0, 1.5, -0.1, float("nan"), float("inf"), "0.9", None, True]
)
def test_a_level_that_cannot_be_promised(model: PromiseModel, level: Any) -> None:
    fields = {"origin": "1", "destination": "2", "ordered_at": NOW}
    for name in ("service_level", "band"):
        with pytest.raises(ContractError, match=rf"{name}=.*(above 0 and below 1|such as 0.9)"):
            model.promise(**fields, **{name: level})
    with pytest.raises(ContractError, match=r"service_level=.*(above 0 and below 1|such as 0.9)"):
        model.promise_many(pd.DataFrame(), service_level=level)


@pytest.mark.parametrize("percent", [0, 0.95, 100, -1, 101, float("nan")])
def test_a_percentile_that_is_none(model: PromiseModel, percent: float) -> None:
    promise = model.promise(origin="1", destination="2", ordered_at=NOW)
    with pytest.raises(ContractError, match="from 1 to below 100"):
        promise.percentile(percent)


def test_what_a_table_leaves_out_is_missing(model: PromiseModel, orders: pd.DataFrame) -> None:
    """NaN and NaT out of a table's row mean what None means."""
    fields = fields_of(orders.iloc[3])
    for name in fields:
        if name in {"ordered_at", "origin", "destination"}:
            continue
        gap = pd.NaT if name == "quoted_date" else float("nan")
        one, other = (model.promise(**fields | {name: value}) for value in (None, gap))
        assert one.as_dict() == other.as_dict(), name


UNSEEN = {
    "unseen_carrier": {"carrier": "newcomer"},
    "unseen_service": {"service": "overnight"},
    "unseen_destination": {"destination": "@@@1", "destination_region": "@@"},
    "unseen_origin": {"origin": "@@@1"},
}


@pytest.mark.parametrize("message", UNSEEN)
def test_the_unseen_is_flagged_and_wider(
    model: PromiseModel, orders: pd.DataFrame, message: str
) -> None:
    seen, unseen = [], []
    for _, row in orders.iloc[::10].iterrows():
        fields = fields_of(row)
        known, new = model.promise(**fields), model.promise(**fields | UNSEEN[message])
        assert message not in codes_of(known)
        assert message in codes_of(new)
        assert new.confidence_code >= known.confidence_code or message == "unseen_origin"
        seen.append((known.percentile(95) - known.percentile(5)).days)
        unseen.append((new.percentile(95) - new.percentile(5)).days)
    # A promise leans on what is known of the rest: wider where that says too little.
    assert np.mean(unseen) > np.mean(seen) - 0.25
    if message == "unseen_carrier":
        assert np.mean(unseen) > np.mean(seen)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("unseen_carrier", "carrier"),
        ("unseen_service", "service"),
        ("unseen_destination", "destination_region"),
    ],
)
def test_a_name_that_may_be_a_slip_is_told_with_the_known_one(
    model: PromiseModel, orders: pd.DataFrame, message: str, name: str
) -> None:
    row = orders[orders[name].str.len() > 2].iloc[0] if name != "destination_region" else None
    fields = fields_of(orders.iloc[0] if row is None else row)
    right = str(fields[name])
    slip = f"{right[:-1]}{right[-1] * 2}"
    fields = fields | {name: slip} | ({"destination": "@@@1"} if row is None else {})
    promise = model.promise(**fields)
    [told] = [one["text"] for one in promise.messages if one["code"] == message]
    assert f"Did you mean {right!r}, not {slip!r}?" in told
    other = model.promise(**fields | {name: "qqqqqqq"})
    assert not any("Did you mean" in one["text"] for one in other.messages)


def test_a_region_that_may_be_a_slip_is_told_beside_a_known_postcode(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    fields = fields_of(orders.iloc[0])
    right = str(fields["destination_region"])
    slip = f"{right[:-1]}{right[-1] * 2}"
    promise = model.promise(**fields | {"destination_region": slip})
    [told] = [one["text"] for one in promise.messages if one["code"] == "unseen_region"]
    assert f"Did you mean {right!r}, not {slip!r}?" in told
    without = {name: value for name, value in fields.items() if name != "destination_region"}
    assert "unseen_region" not in codes_of(model.promise(**fields)) | codes_of(
        model.promise(**without)
    )


def test_names_that_may_be_slips_are_told_once_of_a_table(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    some = orders.head(40).copy()
    carrier, region = str(some["carrier"].iloc[0]), str(some["destination_region"].iloc[0])
    slips = some.assign(
        carrier=some["carrier"].where(some.index != some.index[0], f"{carrier}{carrier[-1]}"),
        destination_region=some["destination_region"].where(
            some.index != some.index[1], f"{region}{region[-1]}"
        ),
    )
    told = " ".join(model.promise_many(slips).attrs["told"])
    assert f"carrier: 1 is '{carrier}{carrier[-1]}', which was never seen" in told
    assert f"did they mean {carrier!r}?" in told
    assert "destination_region: 1 is" in told
    assert model.promise_many(some).attrs["told"] == []


@pytest.mark.parametrize(
    ("message", "code"), [("unseen_carrier", 30002), ("unseen_destination", 30004)]
)
def test_no_date_is_shown_where_nothing_is_known(
    model: PromiseModel, orders: pd.DataFrame, message: str, code: int
) -> None:
    promise = model.promise(**fields_of(orders.iloc[0]) | UNSEEN[message])
    assert promise.confidence_code == code
    assert promise.text() == "Delivery date to follow"


def test_nothing_given_is_no_error(model: PromiseModel) -> None:
    promise = model.promise(origin=None, destination=None, ordered_at=NOW)
    assert {"unseen_carrier", "unseen_destination", "unseen_origin"} <= codes_of(promise)
    assert promise.date > NOW.date()


def test_an_unreachable_level_is_said(model: PromiseModel, orders: pd.DataFrame) -> None:
    fields = fields_of(orders.iloc[0])
    promise = model.promise(**fields, service_level=0.99999)
    assert promise.confidence < 0.99999
    assert "service_level_unreachable" in codes_of(promise)
    assert promise.confidence_code >= 30001
    many = model.promise_many(orders.head(1), service_level=0.99999)
    assert "service_level_unreachable" in many["messages"].iloc[0].split()


def test_old_statistics_are_said(model: PromiseModel, orders: pd.DataFrame) -> None:
    fields = fields_of(orders.iloc[0])
    for days, stale in ((0, False), (10, False), (30, True)):
        when = model.as_of + timedelta(days=days)
        promise = model.promise(**fields | {"ordered_at": when})
        assert ("stale_statistics" in codes_of(promise)) == stale


def test_the_band_holds_its_share(model: PromiseModel, orders: pd.DataFrame) -> None:
    for _, row in orders.iloc[::40].iterrows():
        for band in (0.2, 0.5, 0.8, 0.95):
            promise = model.promise(**fields_of(row), band=band)
            before = promise.probability_by(promise.earliest - timedelta(1))
            assert before < (1 - band) / 2 <= promise.probability_by(promise.earliest)
            assert promise.probability_by(promise.latest - timedelta(1)) < (1 + band) / 2
            assert promise.probability_by(promise.latest) - before >= band


def test_the_plain_forms_are_plain(model: PromiseModel, orders: pd.DataFrame) -> None:
    promise = model.promise(**fields_of(orders.iloc[0]))
    values = json.loads(json.dumps(promise.as_dict()))
    assert date.fromisoformat(values["estimated_delivery_date"]) == promise.date
    assert values["percentile_90"] == promise.percentile(90).isoformat()
    assert values["confidence_code"] in CODES
    assert {message["code"] for message in values["messages"]} <= {name for name, _ in MESSAGES}
    delivery = json.loads(json.dumps(promise.as_json_ld()))["deliveryTime"]
    # Its two times are those of the stages: tests/promise/test_explained.py.
    assert delivery["@type"] == "ShippingDeliveryTime"
    assert delivery["transitTime"]["minValue"] <= delivery["transitTime"]["maxValue"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_the_days(language: str) -> None:
    def said(code: int) -> str:
        return sentence(
            code=code,
            day=date(2025, 7, 9),
            earliest=date(2025, 7, 8),
            latest=date(2025, 7, 11),
            locale=language,
        )

    assert "9" in said(10000)
    assert "8" in said(20001)
    assert "11" in said(20001)
    assert len({said(code) for code in CODES}) == 3
    assert not any(sign.isdigit() for sign in said(30001))


@pytest.mark.parametrize("locale", ["xx", "", "tlh", "not a locale"])
def test_a_locale_that_is_none_is_refused(model: PromiseModel, locale: str) -> None:
    promise = model.promise(origin="1", destination="2", ordered_at=NOW)
    with pytest.raises(ContractError, match="locale"):
        promise.text(locale)


def test_kept_promises_are_counted_by_group() -> None:
    rng = np.random.default_rng(3)
    names, sizes = ["network", "carrier", "service", "service_region"], [2, 3, 5, 40]
    codes = np.stack([rng.integers(1, size, 600) for size in sizes], axis=1).astype(np.int32)
    kept = rng.random(600) < 0.9
    table = kept_table(
        codes, kept, level_names=names, sizes=sizes, service_level=0.9, as_of_day=20_000
    )
    for request in codes[:80]:
        expected = None
        for group in KEPT_LEVELS:
            column = names.index(group)
            same = codes[:, column] == request[column]
            if same.sum() >= 50:
                expected = group, same.sum(), kept[same].mean()
                break
        record = table.record(request)
        assert expected is not None
        assert record is not None
        assert (record.group, record.count) == expected[:2]
        assert record.kept_rate == pytest.approx(expected[2], abs=1e-12)
        assert (record.service_level, record.as_of) == (0.9, date(2024, 10, 4))
    assert table.record(np.zeros(4, np.int32)) is None


def test_the_record_of_a_trained_model_is_near_its_promise(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    """Promises at 90 % as the model's calibration makes them, on the orders behind it."""
    record = model.promise(**fields_of(orders.iloc[0]) | {"carrier": None}).kept_record
    assert record is not None
    assert record.group == "network"
    error = 4 * np.sqrt(0.9 * 0.1 / record.count)
    assert 0.88 - error < record.kept_rate <= 1.0
