"""Warehouses as a calendar file has them: cut-offs to the minute, weeks, closures and pick-ups."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etapromise
from etapromise import PromiseModel, train
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.calendar_values import Cutoff
from etapromise.calendars.configured_dispatch import cut_off_rounds, first_cut_offs
from etapromise.calendars.dispatch import Dispatch, DispatchCalendars
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.pickup_days import PICKUP_LEVELS, PickupDays
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.history.as_of import KnownOrders
from etapromise.lanes.levels import level_keys
from etapromise.stored_arrays import StoredValues
from etapromise.tracking import TrackedHistory
from tests.promise.reference_stages import is_open, pickup_days_of
from tests.small_network import AS_OF, TRAINING, fields_of

ORIGIN = "60492"
FILE = f"""
[[closures]]
days = ["2025-07-21"]
[[closures]]
origin = "{ORIGIN}"
days = ["2025-07-23 to 2025-07-24"]
[[warehouses]]
origin = "{ORIGIN}"
works = "Mon-Sat"
works_on_holidays = false
cutoffs = ["Mon-Fri 13:37 -> same day", "Mon-Fri 23:00 -> next day", "Sat 9:00 -> same day"]
[[warehouses]]
works = "Mon-Fri"
cutoffs = ["16:00 -> same day"]
[[carriers]]
carrier = "acme"
pickups = ["10:00", "12:30"]
pickup_days = "Mon, Wed, Fri"
"""
ZONE = ZoneInfo("America/Chicago")


@pytest.fixture(scope="module")
def told(parcels: TrackedHistory) -> PromiseModel:
    config = replace(
        TRAINING,
        members=1,
        boosting=replace(TRAINING.boosting, rounds=8),
        calendars=CalendarFile(FILE),
    )
    return train(parcels, as_of=AS_OF, config=config)


@pytest.fixture(scope="module")
def shipment(orders: pd.DataFrame) -> dict[str, Any]:
    """An order from ORIGIN with a carrier that fetches whenever the warehouse works."""
    rows = orders[(orders["origin"] == ORIGIN) & (orders["carrier"] != "acme")]
    fields = fields_of(rows.iloc[0].to_dict())
    return {name: value for name, value in fields.items() if name != "ordered_at"}


def started(model: PromiseModel, fields: dict[str, Any], ordered_at: dt.datetime) -> dt.date:
    """The first working day on which the warehouse can begin with an order."""
    requests = model.parts.encoder.encode_placed(fields | {"ordered_at": ordered_at})[0]
    days = pickup_days_of(model.parts.encoder, fields, requests)
    day = int(days.start[0])
    while not is_open(days, day):
        day += 1
    return dt.date(1970, 1, 1) + dt.timedelta(day)


CASES = {
    # local time: first day of work, next cut-off
    "2025-07-14 00:00": ("2025-07-14", "2025-07-14 13:37"),
    "2025-07-14 13:36": ("2025-07-14", "2025-07-14 13:37"),
    "2025-07-14 13:37": ("2025-07-15", "2025-07-14 23:00"),
    "2025-07-14 23:30": ("2025-07-15", "2025-07-15 13:37"),
    "2025-07-18 14:00": ("2025-07-19", "2025-07-18 23:00"),
    "2025-07-19 08:59": ("2025-07-19", "2025-07-19 09:00"),
    "2025-07-19 09:00": ("2025-07-22", "2025-07-22 13:37"),  # a Sunday and a closed company
    "2025-07-20 12:00": ("2025-07-22", "2025-07-22 13:37"),
    "2025-07-22 13:37": ("2025-07-25", "2025-07-22 23:00"),  # two days of stock-taking
    "2025-07-23 08:00": ("2025-07-25", "2025-07-25 13:37"),
    "2025-07-03 14:00": ("2025-07-05", "2025-07-03 23:00"),  # the fourth of July
}


@pytest.mark.parametrize("local", CASES)
def test_cut_offs_closures_and_holidays(
    told: PromiseModel, shipment: dict[str, Any], local: str
) -> None:
    first, cut_off = CASES[local]
    ordered_at = dt.datetime.fromisoformat(local).replace(tzinfo=ZONE)
    assert started(told, shipment, ordered_at) == dt.date.fromisoformat(first)
    promise = told.promise(**shipment, ordered_at=ordered_at)
    expected = dt.datetime.fromisoformat(cut_off).replace(tzinfo=ZONE)
    assert promise.cutoff_datetime_utc == expected
    # A later cut-off of the day only tells when; the date stands until the first day of work moves.
    last = promise.expires_at - dt.timedelta(seconds=1)
    assert promise.expires_at >= expected or started(told, shipment, promise.expires_at) > (
        started(told, shipment, ordered_at)
    )
    assert told.promise(**shipment, ordered_at=last).date == promise.date
    assert told.promise(**shipment, ordered_at=promise.expires_at).date > promise.date
    assert promise.order_within == promise.expires_at - ordered_at
    assert promise.expires_at.tzinfo is dt.UTC


def test_a_minute_of_the_cut_off_moves_only_the_orders_between(
    parcels: TrackedHistory, told: PromiseModel, shipment: dict[str, Any]
) -> None:
    known = KnownOrders.of(parcels, AS_OF)
    earlier = told.parts.encoder
    text = FILE.replace("13:37", "13:36")
    later = known.encoder(
        numeric=(),
        categorical=(),
        default_time_zone=None,
        give_up_after=known.give_up_after(),
        calendars=CalendarFile(text),
    )
    for minute in range(13 * 60, 14 * 60):
        for second in (0, 29, 59):
            at = dt.time(minute // 60, minute % 60, second)
            ordered_at = dt.datetime.combine(dt.date(2025, 7, 16), at, ZONE)
            dispatch_delays = [
                encoder.encode_placed(shipment | {"ordered_at": ordered_at})[0].dispatch_delay[0]
                for encoder in (earlier, later)
            ]
            assert (dispatch_delays[0] != dispatch_delays[1]) == (minute == 13 * 60 + 36)


ROUNDS = {
    # Until 11:00 today, until 23:00 the next working day; what is ordered on a Saturday is handled
    # on Monday, so that Friday evening's cut-off leads to another day than the night after it.
    "2025-07-14 10:59": "2025-07-14",
    "2025-07-14 11:00": "2025-07-15",
    "2025-07-14 23:30": "2025-07-15",
    "2025-07-18 10:59": "2025-07-18",
    "2025-07-18 11:00": "2025-07-19",
    "2025-07-18 22:59": "2025-07-19",
    "2025-07-18 23:00": "2025-07-21",
    "2025-07-19 08:00": "2025-07-21",
    "2025-07-19 13:00": "2025-07-21",
    "2025-07-20 13:00": "2025-07-21",
    "2025-07-21 11:00": "2025-07-22",
    "2025-07-03 12:00": "2025-07-05",  # the fourth of July
    "2025-07-05 12:00": "2025-07-07",
}
TWICE = f"""
[[warehouses]]
origin = "{ORIGIN}"
works = "Mon-Sat"
works_on_holidays = false
cutoffs = ["Mon-Fri 11:00 -> same day", "Mon-Fri 23:00 -> next day", "Sat 11:00 -> next day"]
[[warehouses]]
works = "Mon-Fri"
"""


def encoder_under(known: KnownOrders, text: str) -> Encoder:
    return known.encoder(
        numeric=(),
        categorical=(),
        default_time_zone=None,
        give_up_after=60,
        calendars=CalendarFile(text),
    )


def begun(encoder: Encoder, fields: dict[str, Any], ordered_at: dt.datetime) -> dt.date:
    requests = encoder.encode_placed(fields | {"ordered_at": ordered_at})[0]
    days = pickup_days_of(encoder, fields, requests)
    day = int(days.start[0])
    while not is_open(days, day):
        day += 1
    return dt.date(1970, 1, 1) + dt.timedelta(day)


def test_each_cut_off_of_a_day_leads_to_its_own_day(
    parcels_known: KnownOrders, told: PromiseModel, shipment: dict[str, Any]
) -> None:
    encoder = encoder_under(parcels_known, TWICE)
    model = PromiseModel(replace(told.parts, encoder=encoder))
    promised = []
    for local, first in sorted(ROUNDS.items()):
        ordered_at = dt.datetime.fromisoformat(local).replace(tzinfo=ZONE)
        assert begun(encoder, shipment, ordered_at) == dt.date.fromisoformat(first), local
        promised.append(model.promise(**shipment, ordered_at=ordered_at).date)
    assert promised == sorted(promised)
    assert len(set(promised)) > 3


def test_a_minute_of_the_second_cut_off_moves_only_the_orders_between(
    parcels_known: KnownOrders, shipment: dict[str, Any]
) -> None:
    both = [encoder_under(parcels_known, text) for text in (TWICE, TWICE.replace("23:00", "22:47"))]
    for day in (17, 18, 19):
        for minute in range(22 * 60 + 30, 24 * 60):
            at = dt.time(minute // 60, minute % 60, 31)
            ordered_at = dt.datetime.combine(dt.date(2025, 7, day), at, ZONE)
            one, other = (
                encoder.encode_placed(shipment | {"ordered_at": ordered_at})[0].dispatch_delay[0]
                for encoder in both
            )
            between = day == 18 and 22 * 60 + 47 <= minute < 23 * 60
            assert (one != other) == between
            assert other >= one


FIRST_DAY = 20_000


@dataclass(frozen=True)
class Walked:
    """The rule, slowly: whoever orders may wait for any later cut-off."""

    works: set[int]
    closed: int
    rounds: list[tuple[int, int, int]]

    def open_on(self, day: int) -> bool:
        closed = self.closed <= day - FIRST_DAY <= self.closed + 2
        return (day + 3) % 7 in self.works and not closed

    def forward(self, day: int, wait: int = 0) -> int:
        while not self.open_on(day) or wait:
            wait -= self.open_on(day)
            day += 1
        return day

    def start(self, day: int, second: int) -> int:
        options = []
        for at in filter(self.open_on, range(day, day + 40)):
            here = [item for item in self.rounds if item[0] == (at + 3) % 7]
            if not here:
                options.append(at)
            options += [
                self.forward(at, wait) for _, until, wait in here if at > day or second < until
            ]
        return min(options)


def cut_offs_of(days: list[dict[int, int]]) -> list[Cutoff]:
    """On one day each cut-off is later than the one before, and leads to a later day."""
    found = []
    for weekday, table in enumerate(days):
        later = -1
        for minute in sorted(table):
            later = max(table[minute], later + 1)
            found.append(Cutoff(tuple(day == weekday for day in range(7)), minute, later))
    return found


rounds_of_a_day = st.dictionaries(st.integers(1, 1439), st.integers(0, 3), max_size=3)


@settings(max_examples=25, deadline=None)
@given(
    days=st.lists(rounds_of_a_day, min_size=7, max_size=7).filter(any),
    works=st.sets(st.integers(0, 6), min_size=1),
    closed=st.integers(8, 20),
    pickup=st.integers(1, 1439),
)
def test_random_cut_offs_against_every_later_moment(
    days: list[dict[int, int]], works: set[int], closed: int, pickup: int
) -> None:
    found = cut_offs_of(days)
    rounds = [
        (weekday, second if wait else min(second, pickup * 60), wait)
        for weekday, second, wait in cut_off_rounds(found)
    ]
    calendars = replace(
        DispatchCalendars.unknown(),
        cut_off=np.minimum(first_cut_offs(found), pickup * 60)[None, :],
        weeks=np.array([[float(day in works) for day in range(7)]]),
        special_days=np.array([[0, FIRST_DAY + closed, FIRST_DAY + closed + 2, 0]]),
        rounds=np.array([(0, *item) for item in rounds], np.int64).reshape(-1, 4),
    )
    clocks = Clocks(
        first_day=FIRST_DAY,
        services=(),
        weeks=np.ones((1, 7)),
        calendars=(),
        holidays=np.zeros((1, 120), np.uint8),
        holiday_weights=np.ones((1, HOLIDAY_KINDS)),
    )
    dispatch, walked = Dispatch((), calendars, clocks), Walked(works, closed, rounds)
    seconds = {0, 30_000, 60_000, 86_399, *(60 * cutoff.minute for cutoff in found)}
    starts = []
    for day in range(FIRST_DAY + 2, FIRST_DAY + 30):
        for second in sorted(seconds):
            arrays = [np.array([value], np.int32) for value in (0, 0, day, second)]
            starts.append(walked.forward(int(dispatch.begin_days(*arrays)[0])))
            assert not rounds or starts[-1] == walked.start(day, second)
    assert starts == sorted(starts)


def test_a_carriers_last_pick_up_is_a_cut_off(told: PromiseModel, shipment: dict[str, Any]) -> None:
    acme = shipment | {"carrier": "acme"}
    for local, first in {
        "2025-07-14 12:29": "2025-07-14",
        "2025-07-14 12:31": "2025-07-16",
        "2025-07-15 08:00": "2025-07-16",
        "2025-07-18 13:00": "2025-07-25",  # Monday the company, Wednesday the warehouse is closed
    }.items():
        ordered_at = dt.datetime.fromisoformat(local).replace(tzinfo=ZONE)
        assert started(told, acme, ordered_at) == dt.date.fromisoformat(first)


def test_every_other_warehouse(told: PromiseModel, orders: pd.DataFrame) -> None:
    for row in orders[orders["origin"] != ORIGIN].head(30).to_dict("records"):
        fields = fields_of(row) | {"carrier": "birdpost"}
        del fields["ordered_at"]
        zone = told.promise(
            **fields, ordered_at=dt.datetime(2025, 7, 14, tzinfo=dt.UTC)
        ).explanation.origin_zone
        for local, first in {
            "2025-07-18 15:59": "2025-07-18",
            "2025-07-18 16:00": "2025-07-22",
            "2025-07-19 09:00": "2025-07-22",
        }.items():
            ordered_at = dt.datetime.fromisoformat(local).replace(tzinfo=zone)
            assert started(told, fields, ordered_at) == dt.date.fromisoformat(first)


def test_later_orders_start_no_earlier(told: PromiseModel, shipment: dict[str, Any]) -> None:
    moment = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    starts = [
        started(told, shipment, moment + dt.timedelta(minutes=37 * step)) for step in range(1000)
    ]
    assert starts == sorted(starts)
    assert len(set(starts)) > 15


def test_the_batch_and_the_loaded_model_say_the_same(
    told: PromiseModel, orders: pd.DataFrame, tmp_path: Any
) -> None:
    loaded = etapromise.load(told.save(tmp_path / "model"))
    batch = told.promise_many(orders.head(40))
    pd.testing.assert_frame_equal(loaded.promise_many(orders.head(40)), batch)
    for row, promised in zip(orders.head(40).to_dict("records"), batch.itertuples(), strict=True):
        one, other = (model.promise(**fields_of(row)) for model in (told, loaded))
        assert one.date == promised.estimated_delivery_date.date()
        assert one.confidence == promised.confidence
        assert one.as_dict() == other.as_dict()
    frame = orders.head(40)
    encoder = told.parts.encoder
    many = PickupDays.of_keys(encoder, level_keys(frame, PICKUP_LEVELS), encoder.encode(frame))
    for number, row in enumerate(frame.to_dict("records")):
        fields = fields_of(row)
        single = pickup_days_of(encoder, fields, encoder.encode_placed(fields)[0])
        assert single.start[0] == many.start[number]
        assert (single.elapsed[0] == many.elapsed[many.clock[number]]).all()


def test_a_zone_of_a_warehouse_is_its_own(parcels_known: KnownOrders) -> None:
    """Its cut-off is meant in it; its neighbour in the region keeps the region's."""
    stated = f'[[warehouses]]\norigin = "{ORIGIN}"\ntime_zone = "America/Denver"\n'
    encoders = [encoder_under(parcels_known, text) for text in ("", stated)]
    place = parcels_known.shipments[parcels_known.shipments["origin"] == ORIGIN].iloc[0]
    fields = fields_of(place.to_dict())
    here = fields["origin_country"], fields["origin_region"]
    noon = {"ordered_at": dt.datetime(2025, 7, 16, 5, 30, tzinfo=dt.UTC)}
    hours = {}
    for name, encoder in zip(("plain", "stated"), encoders, strict=True):
        assert encoder.zones.resolve(None, *here)[0].key == "America/Chicago"
        own = encoder.encode_placed(fields | noon)[0]
        neighbour = encoder.encode_placed(fields | noon | {"origin": "next door"})[0]
        hours[name] = own.numbers[0, 0], neighbour.numbers[0, 0], own.order_day[0]
        frame = pd.DataFrame([place]).assign(ordered_at=pd.Timestamp(noon["ordered_at"]))
        assert encoder.encode(frame).numbers[0, 0] == own.numbers[0, 0]
        assert encoder.encode(frame).order_day[0] == own.order_day[0]
    day = dt.date(2025, 7, 16).toordinal() - dt.date(1970, 1, 1).toordinal()
    assert hours["plain"] == (0.5, 0.5, day)
    assert hours["stated"] == (23.5, 0.5, day - 1)
    zone, _ = encoders[1].zones.resolve(None, *here, origin=ORIGIN)
    assert zone.key == "America/Denver"
    read = ZoneMap.stored(
        StoredValues("zones", json.loads(json.dumps(encoders[1].zones.as_dict())))
    )
    assert read.resolve(None, *here, origin=ORIGIN)[0].key == "America/Denver"
    with pytest.raises(ContractError, match="neither the file nor the orders tell"):
        encoder_under(parcels_known, stated.replace(ORIGIN, "never seen"))
    with pytest.raises(ContractError, match="every other warehouse"):
        encoder_under(parcels_known, '[[warehouses]]\ntime_zone = "America/Denver"\n')


def test_a_cut_off_is_in_the_warehouses_own_time(
    parcels_known: KnownOrders, told: PromiseModel, shipment: dict[str, Any]
) -> None:
    text = f'[[warehouses]]\norigin = "{ORIGIN}"\ncutoffs = ["13:37 -> same day"]\n'
    own = f'{text}time_zone = "America/Los_Angeles"\n'
    for written, zone in ((text, ZONE), (own, ZoneInfo("America/Los_Angeles"))):
        encoder = encoder_under(parcels_known, written)
        model = PromiseModel(
            replace(told.parts, encoder=encoder, manifest={**told.manifest, "calendars": written})
        )
        cut_off = dt.datetime(2025, 7, 16, 13, 37, tzinfo=zone)
        before, after = cut_off - dt.timedelta(seconds=1), cut_off
        assert model.promise(**shipment, ordered_at=before).cutoff_datetime_utc == cut_off
        assert begun(encoder, shipment, before) == dt.date(2025, 7, 16)
        assert begun(encoder, shipment, after) == dt.date(2025, 7, 17)
        dispatch_delay = [
            encoder.encode_placed(shipment | {"ordered_at": at})[0].dispatch_delay[0]
            for at in (before, after)
        ]
        assert dispatch_delay[0] < dispatch_delay[1]


SPECIAL = f"""
[[warehouses]]
origin = "{ORIGIN}"
works = "Mon-Fri"
extra_days = ["2025-07-19", "2025-07-26"]
half_days = ["2025-07-23"]
cutoffs = [
    "Mon-Fri 14:00 -> same day",
    "2025-07-17 11:00",
    "2025-07-18 9:00 -> same day", "2025-07-18 10:00 -> next day",
    "2025-07-26 08:00",
]
[[closures]]
days = ["2025-07-19", "2025-07-25"]
"""


@pytest.fixture(scope="module")
def special(parcels: TrackedHistory, told: PromiseModel) -> PromiseModel:
    """The model under SPECIAL; what was learned beside calendars stays."""
    encoder = encoder_under(KnownOrders.of(parcels, AS_OF), SPECIAL)
    manifest = {**told.manifest, "calendars": SPECIAL}
    return PromiseModel(replace(told.parts, encoder=encoder, manifest=manifest))


def test_days_and_cut_offs_of_dates(
    parcels: TrackedHistory, special: PromiseModel, shipment: dict[str, Any], tmp_path: Path
) -> None:
    model = etapromise.load(special.save(tmp_path / "model"))
    encoder = model.parts.encoder
    cases = {
        # local time: first day of work, next cut-off
        "2025-07-16 13:59": ("2025-07-16", "2025-07-16 14:00"),
        "2025-07-16 14:00": ("2025-07-17", "2025-07-17 11:00"),
        "2025-07-17 11:00": ("2025-07-18", "2025-07-18 09:00"),
        "2025-07-18 09:00": ("2025-07-19", "2025-07-18 10:00"),
        # The Saturday that is worked has the Fridays' cut-off, whatever the company does.
        "2025-07-18 10:00": ("2025-07-19", "2025-07-19 14:00"),
        "2025-07-19 13:59": ("2025-07-19", "2025-07-19 14:00"),
        "2025-07-19 14:00": ("2025-07-21", "2025-07-21 14:00"),
        "2025-07-24 15:00": ("2025-07-26", "2025-07-26 08:00"),
        "2025-07-26 08:00": ("2025-07-28", "2025-07-28 14:00"),
    }
    orders = []
    for local, (first, cut_off) in cases.items():
        ordered_at = dt.datetime.fromisoformat(local).replace(tzinfo=ZONE)
        assert begun(model.parts.encoder, shipment, ordered_at) == dt.date.fromisoformat(first)
        promise = model.promise(**shipment, ordered_at=ordered_at)
        expected = dt.datetime.fromisoformat(cut_off).replace(tzinfo=ZONE)
        assert promise.cutoff_datetime_utc == expected
        last = promise.expires_at - dt.timedelta(seconds=1)
        assert model.promise(**shipment, ordered_at=last).date == promise.date
        assert model.promise(**shipment, ordered_at=promise.expires_at).date > promise.date
        orders.append(shipment | {"ordered_at": ordered_at, "shipment_id": local})
    batch = model.promise_many(pd.DataFrame(orders))
    singles = [
        model.promise(**{k: v for k, v in order.items() if k != "shipment_id"}) for order in orders
    ]
    assert [found.date() for found in batch["estimated_delivery_date"]] == [
        promise.date for promise in singles
    ]
    assert batch["confidence"].tolist() == [promise.confidence for promise in singles]
    # Half of a day's work is done: nobody begins later, and half of what would leave waits.
    known = KnownOrders.of(parcels, AS_OF)
    plain = encoder_under(known, SPECIAL.replace("half_days", "#"))
    at = dt.datetime(2025, 7, 23, 9, tzinfo=ZONE)
    half, whole = (
        one.encode_placed(shipment | {"ordered_at": at})[0].dispatch_delay[0]
        for one in (encoder, plain)
    )
    assert begun(encoder, shipment, at) == at.date()
    assert half > whole
    # The week is what it was.
    works = model.promise(**shipment, ordered_at=at).explanation.works_on
    assert works == (True,) * 5 + (False,) * 2


def test_why_names_the_cut_off_of_a_date(special: PromiseModel, shipment: dict[str, Any]) -> None:
    days = {}
    for hour in (10, 12):
        ordered_at = dt.datetime(2025, 7, 17, hour, tzinfo=ZONE)
        why = special.promise(**shipment, ordered_at=ordered_at).why()
        days[hour] = why.contributions["handling"]
        assert ("cut-off" in why.text()) is (hour == 12)
    assert days[12] > days[10]


@settings(max_examples=8, deadline=None)
@given(
    first=st.integers(1, 1439),
    offset=st.integers(0, 3),
    week=st.sets(st.integers(0, 6), min_size=1),
)
def test_a_warehouse_that_was_never_seen_is_as_the_file_says(
    parcels_known: KnownOrders, first: int, offset: int, week: set[int]
) -> None:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    later = ("same day", "next day", "2 days later", "3 days later")[offset]
    encoder = parcels_known.encoder(
        numeric=(),
        categorical=(),
        default_time_zone=None,
        give_up_after=60,
        calendars=CalendarFile(f"""
            [[warehouses]]
            origin = "brand new"
            country = "US"
            works = "{", ".join(names[day] for day in sorted(week))}"
            cutoffs = ["{first // 60}:{first % 60:02} -> {later}"]
        """),
    )
    fields = {"origin": "brand new", "origin_country": "US", "destination": "90585"}
    row = encoder.dispatch.row([f"US\x1fbrand new{rest}" for rest in ("", "\x1f", "\x1f\x1f")])
    calendars = encoder.dispatch.calendars
    assert (calendars.cut_off[row] == first * 60).all()
    assert {day for day in range(7) if calendars.weeks[row, day] > 0} == week
    # Nothing is fetched before so many working days are over.
    assert calendars.handling[row, offset] == 0.0
    assert calendars.handling[row, -1] == pytest.approx(1.0)
    assert (np.diff(calendars.handling[row]) >= 0).all()
    requests = encoder.encode_placed(
        fields | {"ordered_at": dt.datetime(2025, 7, 2, 12, tzinfo=dt.UTC)}
    )[0]
    assert np.isfinite(requests.dispatch_delay).all()


@pytest.fixture(scope="session")
def parcels_known(parcels: TrackedHistory) -> KnownOrders:
    """A month is enough to ask an encoder."""
    known = KnownOrders.of(parcels, AS_OF)
    keep = (known.shipments["ordered_at"] >= AS_OF - pd.Timedelta(days=30)).to_numpy()
    return KnownOrders(
        known.shipments[keep].reset_index(drop=True),
        known.milestones[keep].reset_index(drop=True),
        known.moment,
    )
