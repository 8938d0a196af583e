"""Declared disruptions: laws of the clock that is held back, and what follows for promises."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel, load
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.disruptions import Disruption, Disruptions, _held
from etapromise.encoding.compiled_encoder import text_columns
from etapromise.encoding.requests import DISRUPTED
from etapromise.errors import ContractError
from tests.small_network import AS_OF, fields_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from etapromise.tracking import TrackedHistory

FIRST, LAST = date(2025, 7, 3), date(2025, 7, 9)


def snow(**place: Any) -> Disruption:
    told: dict[str, Any] = {"delay": 2.0, "reason": "Snow"} | place
    return Disruption(first=FIRST, last=LAST, **told)


@pytest.fixture(scope="module")
def region(orders: pd.DataFrame) -> str:
    return str(orders["destination_region"].mode()[0])


@pytest.fixture(scope="module")
def disrupted(model: PromiseModel, region: str) -> PromiseModel:
    return model.with_disruptions([snow(country="US", region=region)])


def test_only_the_area_and_the_days_are_concerned(
    model: PromiseModel, disrupted: PromiseModel, orders: pd.DataFrame, region: str
) -> None:
    usual, now = model.promise_many(orders), disrupted.promise_many(orders)
    moved = now["estimated_delivery_date"] - usual["estimated_delivery_date"]
    here = (orders["destination_region"] == region).to_numpy()
    assert (moved[~here].dt.days == 0).all()
    assert (moved[here].dt.days >= 0).all()
    early = here & (usual["percentile_99"] < np.datetime64(FIRST)).to_numpy()
    late = here & (orders["ordered_at"].dt.date >= LAST + timedelta(days=14)).to_numpy()
    assert (moved[early | late].dt.days == 0).all()
    told = now["messages"].str.contains("declared_disruption").to_numpy()
    assert not told[~here].any()
    meanwhile = here & (orders["ordered_at"].dt.date < LAST - timedelta(days=3)).to_numpy()
    assert meanwhile.sum() >= 5
    assert told[meanwhile].all()
    # Others are due once it is over.
    due = meanwhile & (usual["percentile_50"] <= np.datetime64(LAST)).to_numpy()
    assert due.sum() >= 3
    assert moved[due].dt.days.mean() > 1.0
    assert (now["confidence"] >= 0.9).all()


def test_one_is_the_batchs_and_a_saved_model_keeps_it(
    disrupted: PromiseModel, orders: pd.DataFrame, tmp_path: Path
) -> None:
    stored = load(disrupted.save(tmp_path / "disrupted"))
    table = disrupted.promise_many(orders.head(60))
    for place, row in enumerate(orders.head(60).to_dict("records")):
        promise = stored.promise(**fields_of(row))
        assert promise.date == table["estimated_delivery_date"][place].date()
        assert promise.confidence == table["confidence"][place]
        probability = promise.distribution()[1]
        assert (np.diff(probability) >= 0).all()
    assert stored.version == disrupted.version
    assert "+" in stored.version


def test_declaring_nothing_is_the_model_as_it_was(
    model: PromiseModel, disrupted: PromiseModel, orders: pd.DataFrame
) -> None:
    again = disrupted.with_disruptions([])
    assert again.version == model.version
    frame = model.promise_many(orders)
    assert again.promise_many(orders).equals(frame)


def test_the_reason_is_told_and_the_days_are_put_down_to_it(
    disrupted: PromiseModel, orders: pd.DataFrame, region: str
) -> None:
    here = orders[(orders["destination_region"] == region)].head(8)
    moved = 0
    for row in here.to_dict("records"):
        promise = disrupted.promise(**fields_of(row))
        why = promise.why()
        assert sum(why.contributions.values()) == pytest.approx(why.days, abs=1e-9)
        assert why.days == (promise.date - why.start).days
        if why.contributions["disruption"] > 0:
            moved += 1
            assert "Snow" in why.text("en")
            assert any("Snow" in message["text"] for message in promise.messages)
    assert moved >= 3


def test_nothing_arrives_while_everything_stops(
    model: PromiseModel, orders: pd.DataFrame, region: str
) -> None:
    stopped = model.with_disruptions([snow(region=region, country="US", stop=True, delay=1.0)])
    for row in orders[orders["destination_region"] == region].head(10).to_dict("records"):
        dates, probability = stopped.promise(**fields_of(row)).distribution()
        during = (dates >= np.datetime64(FIRST)) & (dates <= np.datetime64(LAST))
        assert (np.diff(probability, prepend=0.0)[during] == 0.0).all()
        assert probability[-1] == pytest.approx(
            model.promise(**fields_of(row)).distribution()[1][-1], abs=1e-6
        )


def test_where_nothing_arrives_within_the_horizon_no_date_is_today(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    """The date that cannot be promised is the horizon's last, by whatever way it is asked for."""
    stopped = model.with_disruptions(
        [Disruption(first=date(2025, 6, 1), last=date(2026, 6, 1), stop=True)]
    )
    fields = fields_of(orders.iloc[0])
    promise = stopped.promise(**fields)
    assert promise.confidence == 0.0
    assert not promise.has_date
    last = promise.distribution()[0][-1].item()
    dates = (promise.date, promise.earliest, promise.latest, promise.percentile(5))
    assert set(dates) == {last}
    told = {value for name, value in promise.as_dict().items() if name.startswith("percentile")}
    assert told == {last.isoformat()}
    table = stopped.promise_many(orders.head(1))
    assert set(table.filter(regex="estimated|percentile").iloc[0].dt.date) == {last}
    assert stopped.promise_order([fields, fields]).date == last
    now = fields["ordered_at"] + timedelta(days=2)
    scan = {"shipment_id": "a", "scanned_at": fields["ordered_at"], "status": "picked_up"}
    tracked = stopped.track({"shipment_id": "a", **fields}, [scan], now)
    assert tracked.promise.date == tracked.promise.distribution()[0][-1].item()


def test_parcels_under_way_shift_too(
    model: PromiseModel,
    disrupted: PromiseModel,
    parcels: TrackedHistory,
    orders: pd.DataFrame,
    region: str,
) -> None:
    now = datetime(2025, 7, 4, 12, tzinfo=UTC)
    open_ = orders[orders["ordered_at"] < now].reset_index(drop=True)
    scans = parcels.scans
    usual = model.track_many(open_, scans, now)
    held = disrupted.track_many(open_, scans, now)
    here = (open_["destination_region"] == region).to_numpy()
    waits = usual["delivered_at"].isna() & usual["estimated_delivery_date"].notna()
    moved = (held["estimated_delivery_date"] - usual["estimated_delivery_date"])[waits].dt.days
    assert (moved[~here[waits]] == 0).all()
    assert moved[here[waits]].mean() > 0.5
    one = int(np.flatnonzero(here & waits)[0])
    tracked = disrupted.track(
        open_.iloc[one].to_dict(), scans[scans["shipment_id"] == open_["shipment_id"][one]], now
    )
    assert tracked.date == held["estimated_delivery_date"][one].date()
    assert any(message["code"] == "declared_disruption" for message in tracked.promise.messages)


def test_a_refresh_takes_off_what_was_declared(
    parcels: TrackedHistory, model: PromiseModel, region: str
) -> None:
    """The same history, once with a disruption declared in it: its area looks quicker for it."""
    past = Disruption(
        first=date(2025, 6, 16), last=date(2025, 6, 27), delay=2.0, country="US", region=region
    )
    moment = AS_OF.isoformat()
    plain = model.refresh(parcels, as_of=moment)
    less = model.with_disruptions([past]).refresh(parcels, as_of=moment)
    names = [level.name for level in model.parts.encoder.levels]
    place = names.index("destination_region")
    key = next(
        row
        for row, text in enumerate(model.parts.encoder.indexes[place].keys, start=1)
        if text.endswith(region)
    )
    row = int(model.parts.statistics.total_start[place]) + key
    effect, pace = (
        [one.parts.statistics.total[row, column] for one in (plain, less)] for column in (0, 2)
    )
    assert effect[1] < effect[0]
    assert pace[1] < pace[0]
    # Handling is the warehouse's: it is as it was.
    np.testing.assert_array_equal(plain.parts.statistics.handling, less.parts.statistics.handling)


TEXT = """
[[disruptions]]
days = ["2025-07-03 to 2025-07-09", 2025-07-14]
country = "US"
region = "TX"
delay = 1.5
reason = "Sale"

[[disruptions]]
days = "2025-08-01"
carrier = "acme"
postcodes = ["88*", "77001"]
stop = true
"""


def test_the_calendar_file_declares(model: PromiseModel, tmp_path: Path) -> None:
    told = CalendarFile(TEXT).disruptions
    assert [(one.first, one.last) for one in told] == [
        (date(2025, 7, 3), date(2025, 7, 9)),
        (date(2025, 7, 14), date(2025, 7, 14)),
        (date(2025, 8, 1), date(2025, 8, 1)),
    ]
    assert told[2].postcodes == ("88*", "77001")
    file = tmp_path / "calendars.toml"
    file.write_text(TEXT)
    assert model.with_disruptions(file).parts.encoder.declared == told
    assert [Disruption.from_dict(one.as_dict()) for one in told] == list(told)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("delay = -1", "at least 0"),
        ("delay = 0", "without a delay"),
        ("late = 2", "'late'"),
        ('region = "TX"', "region without a country"),
        ("postcodes = [88032]", "in quotes"),
        ('delay = "two"', "a number"),
    ],
)
def test_a_declaration_that_is_none(line: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        CalendarFile(f'[[disruptions]]\ndays = "2025-07-03"\n{line}\n')


@pytest.mark.parametrize("number", [10**19, -1, float("nan"), "two"])
@pytest.mark.parametrize("name", ["delay", "spread", "recovery"])
def test_numbers_that_nothing_can_be_worked_out_with(name: str, number: Any) -> None:
    with pytest.raises(ContractError, match=f"{name}=.*from 0 to 10000"):
        snow(**{name: number})


def test_areas_are_the_same_in_compiled_code(model: PromiseModel, orders: pd.DataFrame) -> None:
    first = orders.iloc[0]
    areas = [
        snow(carrier=first["carrier"]),
        snow(carrier=str(first["carrier"]).upper(), service=f" {first['service']} "),
        snow(country="us", region=first["destination_region"]),
        snow(postcodes=(str(first["destination"])[:2] + "*", "nowhere")),
        snow(postcodes=(str(first["destination"]),)),
        snow(origin=first["origin"]),
        snow(postcodes=("*",)),
        snow(country="FR"),
    ]
    declared = model.with_disruptions(areas)
    found = declared.parts.encoder.encode(orders).numbers[:, DISRUPTED]
    assert int(found[0]) == 0b01111111
    for row, bits in zip(orders.to_dict("records"), found, strict=True):
        one = declared.parts.encoder.encode_placed(fields_of(row))[0]
        assert one.numbers[0, DISRUPTED] == bits
    assert len(np.unique(found)) > 5


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_held_clock_never_runs_back_nor_ahead(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=40, max_size=40))
    row = np.concatenate([[0.0], np.cumsum(weights)])
    told = []
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.integers(0, 25))
        told.append(
            Disruption(
                first=date(1970, 1, 1) + timedelta(days=first),
                last=date(1970, 1, 1) + timedelta(days=first + data.draw(st.integers(0, 8))),
                stop=data.draw(st.booleans()),
                delay=data.draw(st.floats(0.1, 6)),
                spread=data.draw(st.floats(0, 1)),
                recovery=data.draw(st.floats(0, 9)),
            )
        )
    kernel = Disruptions(told, text_columns(()))
    start = data.draw(st.integers(0, 30))
    for scenario in range(8):
        held = [
            _held(
                kernel.address, 2.0 ** len(told) - 1, scenario, row.ctypes.data, 41, 0, start, day
            )
            for day in range(start, 40)
        ]
        assert (np.diff(held) >= -1e-12).all()
        assert (np.array(held) <= row[start + 1 :] + 1e-12).all()
        assert (np.array(held) >= row[start] - 1e-12).all()
        for day, reading in enumerate(held, start=start):
            if all(day < one.first.toordinal() - 719163 for one in told):
                assert reading == row[day + 1]


def test_what_is_due_while_it_lasts_is_late_by_the_delay() -> None:
    """On a clock without closed days, with a delay that is known exactly."""
    row = np.arange(61.0)
    one = Disruption(
        first=date(1970, 1, 11), last=date(1970, 1, 20), delay=2.0, spread=0.0, recovery=5.0
    )
    kernel = Disruptions([one], text_columns(()))
    held = np.array(
        [_held(kernel.address, 1.0, 0, row.ctypes.data, 61, 0, 0, d) for d in range(60)]
    )
    # At the end of day d everything has come that was due by held[d].
    np.testing.assert_allclose(held[:10], np.arange(1, 11))
    np.testing.assert_allclose(held[10:12], 10.0)
    np.testing.assert_allclose(held[12:22], np.arange(11, 21))
    assert (held[26:] == np.arange(27, 61)).all()
