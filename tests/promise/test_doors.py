"""Every door refuses what nobody reads, and takes moments and numbers of any common kind."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import ContractError, EtapromiseError, PromiseModel, tracking
from etapromise.serving.answers import quotes
from etapromise.tracking import read_shipments
from tests.small_network import fields_of

if TYPE_CHECKING:
    from etapromise import Option, Parcel, Scan

# What it leaves out is tested for itself.
pytestmark = pytest.mark.filterwarnings("ignore:Prices are left out")

NOW = dt.datetime(2025, 7, 3, 15, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def parcel(orders: pd.DataFrame) -> dict[str, Any]:
    return fields_of(orders.iloc[0].to_dict()) | {"ordered_at": NOW}


def test_a_typo_of_an_argument_is_refused_with_its_name(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    with pytest.raises(ContractError, match="did you mean 'service_level'"):
        model.promise(**parcel, servicelevel=0.99)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("carier", "carrier"),
        ("destination_contry", "destination_country"),
        ("weight", "weight_kg"),
        ("avaliable_from", "available_from"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_name(
    model: PromiseModel, parcel: dict[str, Any], typo: str, meant: str
) -> None:
    strange = parcel | {typo: None}
    for ask in (
        lambda: model.promise(**strange),
        lambda: model.promise_order([parcel, strange]),
        lambda: model.promise_order([parcel], **{typo: None}),
        lambda: model.compare([strange | {"price": 3.0}], 0.9),
        lambda: model.compare([{"price": 3.0}], 0.9, **strange),
        lambda: model.track(strange, [], NOW + dt.timedelta(days=1)),
        lambda: model.ship_on_date(
            dt.date(2025, 7, 10), **{k: v for k, v in strange.items() if k != "ordered_at"}
        ),
    ):
        with pytest.raises(ContractError, match=f"'{typo}'.*did you mean '{meant}'"):
            ask()


def test_typos_of_options_and_scans(model: PromiseModel, parcel: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"'prise'.*did you mean 'price'"):
        model.compare([parcel | {"prise": 3.0}], 0.9)
    scan = {"status": "picked_up", "scanned_at": NOW, "recieved_at": NOW}
    with pytest.raises(ContractError, match=r"'recieved_at'.*did you mean 'received_at'"):
        model.track(parcel, [scan], NOW + dt.timedelta(days=1))
    with pytest.raises(ContractError, match="'colour' for a promise"):
        model.promise(**parcel, colour="red")
    told: Scan = {"status": "picked_up", "scanned_at": NOW, "facility": "F1"}
    # What tables may have too is no typo.
    with_more = {**told, "message": "Picked up at the warehouse"}
    one = model.track(parcel, [told], NOW + dt.timedelta(days=1))
    assert model.track(parcel, [with_more], NOW + dt.timedelta(days=1)).as_dict() == one.as_dict()


def test_a_shipment_as_a_row_is_a_parcel(model: PromiseModel, parcel: dict[str, Any]) -> None:
    typed: Parcel = {"origin": "60492", "destination": "90585", "ordered_at": NOW}
    option: Option = {"carrier": "acme", "price": 3.5, "name": "cheap"}
    assert model.promise_order([typed]).date
    assert model.compare([option], 0.9, **typed)[0].price == 3.5
    row = parcel | {"shipment_id": "1", "order_id": "2", "promised_date": None}
    assert model.promise(**row) == model.promise(**parcel)


@pytest.mark.parametrize("nothing", [None, "", "N/A"])
def test_a_destination_that_is_missing_is_answered_alike(
    model: PromiseModel, orders: pd.DataFrame, nothing: str | None
) -> None:
    rows = orders.head(20).assign(destination=nothing)
    accepted = read_shipments(rows).accepted
    assert len(accepted) == len(rows)
    many = model.promise_many(accepted)
    for row, answer in zip(rows.to_dict("records"), many.to_dict("records"), strict=True):
        alone = model.promise(**fields_of(row))
        assert pd.Timestamp(alone.date) == pd.Timestamp(answer["estimated_delivery_date"])
        assert alone.confidence == answer["confidence"]


class Arrow:
    """As arrow's: no datetime itself, but with one within."""

    datetime = NOW


class Whenever:
    """As whenever's."""

    def py_datetime(self) -> dt.datetime:
        return NOW


class Pendulum(dt.datetime):
    """As pendulum's: a kind of datetime."""


def test_moments_of_any_common_kind(model: PromiseModel, parcel: dict[str, Any]) -> None:
    usual = model.promise(**parcel)
    for moment in (
        Arrow(),
        Whenever(),
        Pendulum(2025, 7, 3, 15, tzinfo=dt.UTC),
        pd.Timestamp(NOW),
    ):
        given: Any = moment
        promise = model.promise(**parcel | {"ordered_at": given})
        assert promise.date == usual.date
        assert promise.expires_at == usual.expires_at
        later = model.promise(**parcel, available_from=given)
        assert later.date == usual.date
    assert model.promise(**parcel, available_from=pd.NaT).date == usual.date  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "moment", [None, "2025-07-03", 0, dt.date(2025, 7, 3), np.datetime64("2025-07-03"), pd.NaT]
)
def test_what_is_no_moment_is_refused_by_name(
    model: PromiseModel, parcel: dict[str, Any], moment: Any
) -> None:
    with pytest.raises(ContractError, match="ordered_at"):
        model.promise(**parcel | {"ordered_at": moment})


def test_numbers_of_any_common_kind(model: PromiseModel, parcel: dict[str, Any]) -> None:
    usual = model.promise(**parcel | {"weight_kg": 1.5})
    for number in (Decimal("1.5"), np.float32(1.5), np.float64(1.5)):
        given: Any = number
        assert model.promise(**parcel | {"weight_kg": given}) == usual
    for nothing in (Decimal("NaN"), Decimal("sNaN"), float("nan"), None):
        missing: Any = nothing
        unknown = model.promise(**parcel | {"weight_kg": missing})
        assert unknown == model.promise(**parcel | {"weight_kg": None})


@pytest.mark.parametrize("text", ["\ud800", b"60492", b"\xff\xfe", "x" * 10_000, "a\x00b", 7, 7.0])
def test_strange_texts_are_read_or_refused(
    model: PromiseModel, parcel: dict[str, Any], text: Any
) -> None:
    for name in ("origin", "destination", "carrier", "service"):
        try:
            assert model.promise(**parcel | {name: text}).date
        except ContractError as error:
            assert "expected" in str(error)  # noqa: PT017


def doors(model: PromiseModel, parcel: dict[str, Any], field: str, value: object) -> list[Any]:
    """Every door, asked for the parcel with one other value."""
    strange: dict[str, Any] = parcel | {field: value}
    return [
        lambda: model.promise(**strange),
        lambda: model.promise_order([parcel, strange]),
        lambda: model.compare([parcel, strange], 0.9),
        lambda: model.track(strange, [], NOW + dt.timedelta(days=1)),
        lambda: tracking.read_shipments(pd.DataFrame([{"shipment_id": "1", **strange}])),
    ]


@pytest.mark.parametrize("field", ["origin", "destination", "carrier", "service", "origin_region"])
@pytest.mark.parametrize("value", [True, ["acme"], ("acme",), {"acme": 1}, 3.5, np.array(["a"])])
def test_what_is_no_text_is_refused_at_every_door(
    model: PromiseModel, parcel: dict[str, Any], field: str, value: object
) -> None:
    for ask in doors(model, parcel, field, value):
        with pytest.raises(ContractError, match="text"):
            ask()


@pytest.mark.parametrize("field", ["weight_kg", "origin_lat", "destination_lon"])
@pytest.mark.parametrize("value", [True, False, [1.0]])
def test_what_is_no_number_is_refused_at_every_door(
    model: PromiseModel, parcel: dict[str, Any], field: str, value: object
) -> None:
    for ask in doors(model, parcel, field, value):
        with pytest.raises(ContractError, match="number"):
            ask()


@pytest.mark.parametrize(
    ("written", "code"), [("Germny", "DE"), ("United Sates", "US"), ("Frnace", "FR")]
)
def test_a_misspelt_country_is_refused_with_the_right_one(
    model: PromiseModel, parcel: dict[str, Any], written: str, code: str
) -> None:
    for side in ("origin_country", "destination_country"):
        # A table's are told, all of them at once.
        for ask in doors(model, parcel, side, written)[:-1]:
            with pytest.raises(ContractError, match=f"did you mean '{code}'"):
                ask()
        found = read_shipments(pd.DataFrame([parcel | {side: written, "shipment_id": "1"}]))
        assert len(found.accepted) == 1
        assert any(written in str(note) and side in str(note) for note in found.notes)
    # What a shop calls its own is no typo.
    for own in ("ZZ", "XK", "Scotland", "EU"):
        assert model.promise(**parcel | {"destination_country": own}).date


def test_prices_levels_and_days_of_any_common_kind(
    model: PromiseModel, parcel: dict[str, Any]
) -> None:
    plain = parcel | {"price": 3.5, "co2_kg": 1.5}
    for kind in (Decimal, np.float64, np.float32):
        given: Any = {
            name: kind("3.5" if name == "price" else "1.5") for name in ("price", "co2_kg")
        }
        level: Any = kind("0.75")
        one = model.compare([parcel | given], level, day_price=level)[0]
        usual = model.compare([plain], 0.75, day_price=0.75)[0]
        assert (one.price, one.co2_kg, one.expected_cost) == (3.5, 1.5, usual.expected_cost)
        assert model.promise(**parcel, service_level=level).date == usual.date
    assert model.compare([parcel | {"co2_kg": None}], 0.9)[0].co2_kg is None
    for wrong in ("3.5", None, float("nan"), Decimal("Infinity"), True):
        with pytest.raises(ContractError, match="price"):
            model.compare([parcel | {"price": wrong}], 0.9)
    for wrong in (True, "0.9", Decimal("sNaN"), 90, float("nan")):
        strange: Any = wrong
        with pytest.raises(ContractError, match="service_level"):
            model.promise(**parcel, service_level=strange)
    with pytest.raises(ContractError, match="guaranteed"):
        model.compare([parcel | {"guaranteed": "no"}], 0.9)


def test_days_and_percentiles_are_checked(model: PromiseModel, parcel: dict[str, Any]) -> None:
    for promise in (model.promise(**parcel), model.promise_order([parcel])):
        day = promise.date
        for same in (pd.Timestamp(day), dt.datetime.combine(day, dt.time()), np.datetime64(day)):
            given: Any = same
            assert promise.probability_by(given) == promise.probability_by(day)
        for wrong in ("2025-07-10", NOW, None, 7, pd.NaT, np.datetime64("NaT", "D")):
            given = wrong
            with pytest.raises(ContractError, match="date"):
                promise.probability_by(given)
        for percent in ("90", True, 0, 100, None, float("nan")):
            given = percent
            with pytest.raises(ContractError, match="percentile"):
                promise.percentile(given)
    nothing: Any = None
    for parcels in (nothing, "parcels", parcel):
        with pytest.raises(ContractError, match="parcel"):
            model.promise_order(parcels)


def test_scans_that_cannot_be_read_are_told(model: PromiseModel, parcel: dict[str, Any]) -> None:
    later = NOW + dt.timedelta(days=2)
    known = {"status": "picked_up", "scanned_at": NOW + dt.timedelta(hours=5)}
    strange = {"status": "piked_up", "scanned_at": NOW + dt.timedelta(hours=6)}
    told = model.track(parcel, [known, strange], later)
    usual = model.track(parcel, [known], later)
    assert usual.unread == ()
    assert len(told.unread) == 1
    assert "piked_up" in told.unread[0]
    assert told.as_dict()["unread_scans"] == list(told.unread)
    # … and where every other doubt is told.
    (message,) = [one for one in told.as_dict()["messages"] if one["code"] == "unread_scans"]
    assert "piked_up" in message["text"]
    assert "unread_scans" not in {one["code"] for one in usual.as_dict()["messages"]}
    assert told.date == usual.date
    with pytest.raises(ContractError, match="available_from"):
        model.track(parcel | {"available_from": True}, [], later)


def test_errors_are_within_reach() -> None:
    for name in ("ContractError", "ModelFileError", "InsufficientHistoryError", "CommandError"):
        assert issubclass(getattr(etapromise, name), EtapromiseError)


UNREADABLE: list[tuple[str, Any]] = [
    *(("weight_kg", value) for value in ("heavy", -1.0, float("inf"), Decimal("Infinity"))),
    *(("destination_lat", value) for value in (91.0, -90.5, Decimal(91), "north")),
    *(("destination_time_zone", value) for value in ("PST", "Mars/Base", "../UTC", 5)),
    *(("quoted_date", value) for value in ("soon", "2025-07-09T10:00")),
]


@pytest.mark.parametrize(("field", "value"), UNREADABLE)
def test_an_optional_value_that_cannot_be_read_is_left_out_and_told_at_every_door(
    model: PromiseModel, parcel: dict[str, Any], field: str, value: Any
) -> None:
    strange, without = parcel | {field: value}, parcel | {field: None}
    promise, usual = model.promise(**strange), model.promise(**without)
    assert promise.probability_by(usual.date) == usual.confidence
    zone = "destination_time_zone"
    assert promise.as_dict()[zone] == usual.as_dict()[zone]
    told = [one["text"] for one in promise.messages if one["code"] == "value_left_out"]
    assert len(told) == 1
    assert f"{field}={value!r}" in told[0]
    assert not [one for one in usual.messages if one["code"] == "value_left_out"]
    assert model.promise_order([strange]).date == model.promise_order([without]).date
    assert [one.promise.date for one in model.compare([strange], 0.9)] == [usual.date]
    later = NOW + dt.timedelta(days=1)
    assert model.track(strange, [], later).date == model.track(without, [], later).date
    # Frames as they come, those that were read from a table, and HTTP.
    frame = pd.DataFrame([strange | {"shipment_id": "1"}, without | {"shipment_id": "2"}])
    many = model.promise_many(frame)
    assert many["confidence"].tolist() == [usual.confidence] * 2
    assert ["value_left_out" in said for said in many["messages"]] == [True, False]
    text = frame.astype(object).map(str, na_action="ignore")
    read = read_shipments(text.assign(ordered_at=frame["ordered_at"]))
    assert any(field in str(note) for note in read.notes)
    assert model.promise_many(read.accepted)["confidence"].tolist() == [usual.confidence] * 2
    if not isinstance(value, Decimal):  # which JSON does not have
        plain = {
            name: one.isoformat() if isinstance(one, dt.date) else one
            for name, one in strange.items()
            if not (isinstance(one, float) and np.isnan(one))
        }
        assert quotes(model, plain)["confidence"] == usual.confidence
