"""Who takes parcels over: learned shares, first ways, the clocks of two carriers."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise import PromiseModel, tracking
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.dispatch import Dispatch, DispatchCalendars
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import EffectSettings
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.learned_hand_offs import learned_hand_offs
from etapromise.lanes.hand_offs import ANOTHER, HandOffs
from etapromise.lanes.levels import LEVELS
from etapromise_simulator.stages import BY_PARTNER, Stages
from tests.calendars.dispatch_delay import dispatch_delay
from tests.small_network import AS_OF, fields_of
from tests.stored import stored_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etapromise.tracking import TrackedHistory
    from etapromise_simulator import Simulation

MOMENT = pd.Timestamp("2025-03-01", tz="UTC")


def parcels_of(
    rows: Sequence[tuple[str, str, str, str | None]], *, first_sign: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Delivered parcels (carrier, service, destination, last_mile) and their milestones."""
    picked = pd.Timestamp("2025-02-01 12:00", tz="UTC")
    shipments, scans = [], []
    for number, (carrier, service, destination, last_mile) in enumerate(rows):
        name = f"p{number}"
        shipments.append(
            {
                "shipment_id": name,
                "ordered_at": picked - pd.Timedelta(hours=3),
                "origin": "1",
                "destination": destination,
                "destination_country": "US",
                "destination_region": destination[0],
                "carrier": carrier,
                "service": service,
            }
        )
        events = [("picked_up", 0, carrier), ("arrived", 24, carrier), ("delivered", 72, carrier)]
        if last_mile is not None:
            events[1:] = [
                ("transferred", 48, last_mile or None),
                ("delivered", 96, last_mile or None),
            ]
            if first_sign:
                events = [(status, hours, last_mile) for status, hours, _ in events]
        for status, hours, by in events:
            at = picked + pd.Timedelta(hours=hours)
            scans.append({"shipment_id": name, "scanned_at": at, "status": status, "carrier": by})
    history = tracking.history(pd.DataFrame(shipments), pd.DataFrame(scans))
    return history.shipments, history.milestones


def learned(rows: Sequence[tuple[str, str, str, str | None]], **how: Any) -> HandOffs | None:
    return learned_hand_offs(*parcels_of(rows, **how), MOMENT)


def last_mile(
    hand_offs: HandOffs, carrier: str, service: str | None, destination: str
) -> str | None:
    fields = {
        "carrier": carrier,
        "service": service,
        "destination": destination,
        "destination_country": "US",
        "destination_region": destination[0],
    }
    found = hand_offs.of(fields)
    frame = pd.DataFrame([fields])
    number = int(hand_offs.last_mile_of(frame)[0])
    assert (hand_offs.carriers[number - 1] if number else None) == (found and found.carrier)
    return None if found is None else found.carrier


ROWS = (
    *[("ups", "saver", "10001", "usps")] * 30,
    *[("ups", "saver", "10101", None)] * 30,
    *[("ups", "air", "10001", None)] * 30,
    *[("ups", "saver", "20001", "usps")] * 30,
    *[("ups", "saver", "20201", "usps")] * 5,
    *[("ups", "saver", "30001", "ontrac")] * 25,
    *[("fedex", "saver", "10001", None)] * 30,
    *[("fedex", "saver", "10001", "usps")] * 10,
)


def test_the_finest_key_that_was_seen_says_who_brings_a_parcel() -> None:
    hand_offs = learned(ROWS)
    assert hand_offs is not None
    assert hand_offs.carriers == ("ontrac", "usps")
    assert last_mile(hand_offs, "ups", "saver", "10001") == "usps"
    assert last_mile(hand_offs, "ups", "saver", "10077") == "usps"  # its prefix
    assert last_mile(hand_offs, "ups", "saver", "10101") is None
    assert last_mile(hand_offs, "ups", "air", "10001") is None
    assert (
        last_mile(hand_offs, "ups", "saver", "20777") == "usps"
    )  # a prefix never seen: its region
    assert last_mile(hand_offs, "ups", "saver", "30001") == "ontrac"
    assert (
        last_mile(hand_offs, "ups", "saver", "90001") == "usps"
    )  # a region never seen: the service
    assert last_mile(hand_offs, "ups", "air", "90001") is None
    assert last_mile(hand_offs, "fedex", "saver", "10001") is None  # one in four is not usual
    assert last_mile(hand_offs, "dhl", "saver", "10001") is None
    found = hand_offs.of(
        {"carrier": "ups", "service": "saver", "destination": "10001", "destination_country": "US"}
        | {"destination_region": "1"}
    )
    assert found is not None
    assert 0.9 < found.share < 1.0


def test_a_carriers_other_services_tell_of_a_prefix() -> None:
    rows = [
        *[("ups", "saver", "10001", "usps")] * 30,
        *[("ups", "saver", "10101", None)] * 60,
        *[("ups", "air", "10101", None)] * 60,
        *[("ups", "air", "10201", None)] * 10,
    ]
    hand_offs = learned(rows)
    assert hand_offs is not None
    # Where air was seen, nobody hands over: that says nothing of where saver does.
    assert last_mile(hand_offs, "ups", "air", "10001") == "usps"
    assert last_mile(hand_offs, "ups", "air", "10101") is None
    # Seen where saver does, it is never handed over; so it is not at the next such place.
    rows += [("ups", "saver", "10301", "usps")] * 30
    hand_offs = learned([*rows, *[("ups", "air", "10301", None)] * 20])
    assert hand_offs is not None
    assert last_mile(hand_offs, "ups", "air", "10301") is None
    assert last_mile(hand_offs, "ups", "air", "10001") is None
    hand_offs = learned([*rows, *[("ups", "air", "10301", "usps")] * 20])
    assert hand_offs is not None
    assert last_mile(hand_offs, "ups", "air", "10001") == "usps"
    assert last_mile(hand_offs, "ups", "saver", "10301") == "usps"


def test_other_carriers_tell_of_a_place_that_a_carrier_is_new_to() -> None:
    """Two carriers leave two prefixes of a region to a partner, a third one none."""
    remote, near = ("10001", "10101"), ("10201", "10301")
    rows = [
        *[(name, "saver", place, "usps") for name in ("ups", "dhl") for place in remote] * 30,
        *[(name, "saver", place, None) for name in ("ups", "dhl") for place in near] * 60,
        *[("fedex", "saver", place, None) for place in (*remote, *near)] * 30,
    ]
    # Three days' parcels of a new carrier: one remote place is not among them.
    some = [("gls", "saver", "10201", None)] * 9
    handing = learned([*rows, *some, *[("gls", "saver", "10101", "usps")] * 4])
    keeping = learned([*rows, *some, *[("gls", "saver", "10101", None)] * 4])
    assert handing is not None
    assert keeping is not None
    assert last_mile(handing, "gls", "saver", "10001") == "usps"
    assert last_mile(handing, "gls", "saver", "10301") is None
    assert last_mile(keeping, "gls", "saver", "10001") is None
    for hand_offs in (handing, keeping):
        assert last_mile(hand_offs, "ups", "saver", "10001") == "usps"
        assert last_mile(hand_offs, "fedex", "saver", "10001") is None


def test_a_place_that_is_left_to_a_partner_where_those_around_it_are_not() -> None:
    """Any service that hands over does so there; one that never does brings it itself."""
    rows = [
        *[("ups", service, "10001", "usps") for service in ("saver", "air")] * 40,
        *[("ups", service, "10002", None) for service in ("saver", "air")] * 160,
        *[("fedex", "saver", place, None) for place in ("10001", "10002")] * 80,
    ]
    hand_offs = learned(rows)
    assert hand_offs is not None
    for service in ("saver", "air"):
        assert last_mile(hand_offs, "ups", service, "10001") == "usps"
        assert last_mile(hand_offs, "ups", service, "10002") is None
        assert last_mile(hand_offs, "ups", service, "10003") is None
    assert last_mile(hand_offs, "fedex", "saver", "10001") is None


def test_a_prefix_in_two_regions() -> None:
    """One region misspelt, one missing: the prefix is where most of its parcels are."""
    rows = [
        *[("ups", "saver", "10001", "usps")] * 30,
        *[("ups", "saver", "20001", None)] * 20,
        *[("dhl", "saver", "10001", "usps")] * 20,
        *[("dhl", "saver", "10101", None)] * 20,
    ]
    shipments, milestones = parcels_of(rows)
    there = np.flatnonzero((shipments["destination"] == "20001").to_numpy())
    region = shipments["destination_region"].astype(object)
    region.iloc[there[1]], region.iloc[there[-1]] = "zz", None
    shipments = shipments.assign(destination_region=region)
    found = learned_hand_offs(shipments, milestones, MOMENT)
    assert found is not None
    assert last_mile(found, "ups", "saver", "10001") == "usps"
    assert last_mile(found, "ups", "saver", "20001") is None
    turned = learned_hand_offs(shipments[::-1], milestones[::-1], MOMENT)
    assert turned is not None
    assert turned.keys == found.keys
    for one, other in zip(turned.share, found.share, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_who_takes_over_is_the_services_own_partner() -> None:
    rows = [
        *[("ups", "saver", "10001", "usps")] * 60,
        *[("ups", "air", "10001", "ontrac")] * 40,
        *[("ups", "saver", "20001", "ontrac")] * 200,
        *[("fedex", "saver", "20201", "usps")] * 30,
        *[("fedex", "saver", "90001", None)] * 3,
    ]
    hand_offs = learned(rows)
    assert hand_offs is not None
    assert last_mile(hand_offs, "ups", "air", "10001") == "ontrac"
    assert last_mile(hand_offs, "ups", "saver", "10001") == "usps"
    # Nobody of this carrier's parcels was seen there, but in its region.
    assert last_mile(hand_offs, "ups", "saver", "20201") == "ontrac"
    # A place where nobody hands over is no reason to name nobody for who always does.
    found = hand_offs.of(
        {"carrier": "ups", "service": "saver", "destination": "90001", "destination_country": "US"}
        | {"destination_region": "9"}
    )
    assert found is None or found.share >= 0.5
    for level, share in zip(hand_offs.last_mile, hand_offs.share, strict=True):
        assert ((level[1:] > 0) == (share[1:] >= 0.5)).all()


def test_parcels_that_are_never_heard_of_again_are_not_taken_over() -> None:
    """All hand-offs come after two days; one carrier's parcels show nothing for weeks."""
    rows = [
        *[("gls", "saver", "10001", "usps")] * 60,
        *[("ups", "saver", "10001", None)] * 20,
        *[("ups", "saver", "10101", None)] * 600,
        *[("dark", "saver", "10001", None)] * 40,
    ]
    shipments, milestones = parcels_of(rows)
    dark = (shipments["carrier"] == "dark").to_numpy()
    # A single arrival took longer than these have been silent.
    shipments["ordered_at"] += pd.to_timedelta(np.where(dark, 10, 0), unit="D")
    known = milestones["event_known_at"].mask(dark)
    known.iloc[-41] = MOMENT - pd.Timedelta(hours=1)
    milestones = milestones.assign(event_known_at=known, event_at=milestones["event_at"].mask(dark))
    hand_offs = learned_hand_offs(shipments, milestones, MOMENT)
    assert hand_offs is not None
    assert last_mile(hand_offs, "gls", "saver", "10001") == "usps"
    assert last_mile(hand_offs, "dark", "saver", "10001") is None


def test_parcels_still_on_their_way_are_not_left_out() -> None:
    """Two in five are handed over after two days, the others delivered after eight."""
    days, a_day = 12, 25
    shipments, scans = [], []
    for number in range(days * a_day):
        handed = number % 5 < 2
        ordered = MOMENT - pd.Timedelta(days=days - number // a_day)
        name = f"p{number}"
        shipments.append(
            {
                "shipment_id": name,
                "ordered_at": ordered,
                "origin": "1",
                "destination": "10001",
                "destination_country": "US",
                "destination_region": "1",
                "carrier": "ups",
                "service": "saver",
            }
        )
        way = [("transferred", 2, "usps"), ("delivered", 9, "usps")]
        for status, after, by in [
            ("picked_up", 0.5, "ups"),
            *(way if handed else [("delivered", 8, "ups")]),
        ]:
            at = ordered + pd.Timedelta(days=after)
            if at < MOMENT:
                scans.append(
                    {"shipment_id": name, "scanned_at": at, "status": status, "carrier": by}
                )
    history = tracking.history(pd.DataFrame(shipments), pd.DataFrame(scans))
    known = history.milestones
    came = (known["event_known_at"] < MOMENT) & known["transferred_at"].isna()
    seen = known["transferred_at"].notna()
    # Of those of which anything is known, most were handed over.
    assert seen.sum() / (seen | came).sum() > 0.55
    assert learned_hand_offs(history.shipments, known, MOMENT) is None


def test_what_is_no_hand_off() -> None:
    assert learned([row for row in ROWS if row[3] is None]) is None
    # Fewer than a mis-scanning carrier makes.
    assert learned([("ups", "saver", "10001", "usps")] * 19) is None
    # The carrier's scans call it something else from the first one on.
    assert learned([("ups", "saver", "10001", "UPS Inc")] * 99, first_sign=True) is None
    # Nobody says who took it.
    hand_offs = learned([("ups", "saver", "10001", "")] * 30)
    assert hand_offs is not None
    assert hand_offs.carriers == (ANOTHER,)


def test_scans_received_later_change_nothing(parcels: TrackedHistory, known: KnownOrders) -> None:
    received = parcels.scans["received_at"] < AS_OF
    before = tracking.history(parcels.shipments, parcels.scans[received])
    encoders = [
        KnownOrders.of(history, AS_OF).encoder(
            numeric=(), categorical=(), default_time_zone=None, give_up_after=60
        )
        for history in (parcels, before)
    ]
    arrays = [encoder.hand_offs.to_arrays() for encoder in encoders]
    assert (before.milestones["transferred_at"].isna().sum()) > (
        parcels.milestones["transferred_at"].isna().sum()
    )
    for name, array in arrays[0].items():
        np.testing.assert_array_equal(array, arrays[1][name])
    np.testing.assert_array_equal(encoders[0].clocks.weeks, encoders[1].clocks.weeks)
    read = HandOffs.stored(stored_part(arrays[0]))
    np.testing.assert_array_equal(
        read.last_mile_of(known.shipments), known_last_mile(encoders[0], known)
    )
    assert read.leg_keys == encoders[0].hand_offs.leg_keys


def known_last_mile(encoder: Any, known: KnownOrders) -> np.ndarray:
    return encoder.hand_offs.last_mile_of(known.shipments)


def test_without_hand_offs_nothing_is_different(parcels: TrackedHistory) -> None:
    scans = parcels.scans.drop(columns="carrier")
    scans = scans[scans["status"] != "transferred"]
    known = KnownOrders.of(tracking.history(parcels.shipments, scans), AS_OF)
    gathered = []
    for learn in (True, False):
        encoder = known.encoder(
            numeric=(),
            categorical=(),
            default_time_zone=None,
            give_up_after=60,
            hand_offs=learn,
        )
        assert encoder.hand_offs is None
        assert encoder.levels == LEVELS
        gathered.append(HistoryAsOf.of(EncodedOrders.of(known, encoder, 60), EffectSettings()))
    one, other = gathered
    assert one.requests.numbers.tobytes() == other.requests.numbers.tobytes()
    assert one.statistics.total.tobytes() == other.statistics.total.tobytes()
    assert one.encoder.clocks.elapsed.tobytes() == other.encoder.clocks.elapsed.tobytes()


def test_true_hand_offs_are_found(
    simulation: Simulation, gathered: HistoryAsOf, orders: pd.DataFrame
) -> None:
    network, hand_offs = simulation.network, gathered.encoder.hand_offs
    assert hand_offs is not None
    places, stages = network.places, Stages(network)
    services = network.config.services
    prefix_area = {prefix: area for area, prefix in enumerate(places.area_prefix)}
    numbers = hand_offs.last_mile_of(orders)
    right = handed = 0
    for row, number in zip(orders.to_dict("records"), numbers.tolist(), strict=True):
        area = prefix_area[row["destination"][: len(places.area_prefix[0])]]
        own = network.config.carriers.index(row["carrier"]) * len(services)
        own += services.index(row["service"])
        path = int(stages.path(places.area_kind[area], own))
        region = places.hub_region[places.area_hub[area]]
        true = network.couriers.names[int(network.partner_courier(region))]
        expected = true if path == BY_PARTNER else None
        handed += expected is not None
        right += (hand_offs.carriers[number - 1] if number else None) == expected
    assert handed > 20
    assert right / len(orders) > 0.97


def test_who_takes_over_has_a_true_week(simulation: Simulation, gathered: HistoryAsOf) -> None:
    clocks = gathered.encoder.clocks
    for name in gathered.encoder.hand_offs.carriers:
        week = clocks.weeks[clocks.services.index(f"{name}\x1f") + 1]
        assert tuple(week > 0.3) == simulation.oracle.working_week(name)


def test_promises_are_on_the_days_of_both_where_a_file_tells(
    model: PromiseModel, orders: pd.DataFrame, known: KnownOrders
) -> None:
    hand_offs = model.parts.encoder.hand_offs
    rows = np.flatnonzero(hand_offs.last_mile_of(orders))
    row = orders.iloc[int(rows[0])].to_dict()
    text = f'[[carriers]]\ncarrier = "{row["carrier"]}"\ndelivers = "Tue-Thu"\n'
    encoder = known.encoder(
        numeric=(),
        categorical=(),
        default_time_zone=None,
        give_up_after=60,
        calendars=CalendarFile(text),
        hand_offs=hand_offs,
    )
    told = PromiseModel(replace(model.parts, encoder=encoder))
    fields = fields_of(row)
    dates, probability = told.promise(**fields).distribution()
    arriving = np.diff(probability, prepend=0.0) > 0
    assert {day.weekday() for day in dates[arriving].astype(object).tolist()} <= {1, 2, 3}
    batch = told.distribution_many(orders.iloc[rows]).probability
    assert (batch[0] == probability).all()
    # The parcels of others to the same last-mile carrier are on its own days.
    usual = model.parts.encoder.clocks
    other = orders.iloc[rows][orders.iloc[rows]["carrier"] != row["carrier"]]
    same = encoder.encode(other).clock // len(encoder.clocks.holidays)
    assert len(other)
    for service, (_, parcel) in zip(same, other.iterrows(), strict=True):
        name = hand_offs.of(parcel.to_dict()).carrier
        expected = usual.weeks[usual.services.index(f"{name}\x1f") + 1]
        np.testing.assert_array_equal(encoder.clocks.weeks[service], expected)


week = st.lists(st.booleans(), min_size=7, max_size=7).filter(any)


@settings(max_examples=60, deadline=None)
@given(
    own=week,
    taking=week,
    works=week,
    leg=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).filter(lambda days: sum(days) > 0.1),
    start=st.integers(0, 60),
    second=st.integers(0, 86_399),
)
def test_the_dispatch_delay_of_two_ways(
    own: list[bool],
    taking: list[bool],
    works: list[bool],
    leg: list[float],
    start: int,
    second: int,
) -> None:
    """Against days that are walked one at a time; of one carrier, it is the plain delay."""
    first_day = 20_000
    clocks = Clocks(
        first_day=first_day,
        services=("own\x1f", "taking\x1f"),
        weeks=np.array([[1.0] * 7, own, taking], np.float64),
        calendars=(),
        holidays=np.zeros((1, 400), np.uint8),
        holiday_weights=np.ones((3, HOLIDAY_KINDS)),
    )
    handling = np.concatenate([[0.0, 0.25, 0.75], np.ones(13)])[None, :]
    calendars = replace(
        DispatchCalendars.unknown(),
        weeks=np.array([works], np.float64),
        handling=handling,
        cut_off=np.full((1, 7), 43_200, np.int32),
    )
    dispatch = Dispatch((), calendars, clocks)
    days = np.array([leg]) / sum(leg)
    order_day = first_day + start

    def over_two(first: int, last: int) -> float:
        return dispatch_delay(dispatch, 0, 0, order_day, second, last, leg=(first, days[0]))

    def open_on(days_open: list[bool], day: int) -> bool:
        return days_open[(day + 3) % 7]

    def reading(day: int) -> float:
        return float(sum(open_on(taking, one) for one in range(order_day, day)))

    pick_ups, day = [], order_day + (second >= 43_200)
    while len(pick_ups) < 3:
        if open_on(works, day):
            pick_ups.append(day)
        day += 1
    expected = 0.0
    for share, fetched in zip((0.25, 0.5, 0.25), pick_ups, strict=True):
        over = fetched
        for step, part in enumerate(days[0]):
            while sum(open_on(own, one) for one in range(fetched + 1, over + 1)) < step:
                over += 1
            expected += share * part * (reading(over + 1) - 1.0 - step)
    assert over_two(1, 2) == pytest.approx(expected - 1.0, abs=1e-9)
    for clock in (1, 2):
        plain = dispatch_delay(dispatch, 0, 0, order_day, second, clock)
        assert over_two(clock, clock) == pytest.approx(plain, abs=1e-9)


def test_what_is_shown_of_a_hand_off(model: PromiseModel, orders: pd.DataFrame) -> None:
    hand_offs = model.parts.encoder.hand_offs
    numbers = hand_offs.last_mile_of(orders)
    for place in [*np.flatnonzero(numbers)[:8], *np.flatnonzero(numbers == 0)[:3]]:
        promise = model.promise(**fields_of(orders.iloc[int(place)].to_dict()))
        shown = promise.hand_off
        if numbers[place] == 0:
            assert shown is None
            continue
        assert shown.carrier == hand_offs.carriers[numbers[place] - 1]
        assert 0.5 <= shown.share <= 1.0
        assert (np.diff(shown.after.probability) >= 0).all()
        assert shown.after.probability[-1] == pytest.approx(1.0)
        # Before the whole way is over.
        low, middle, high = np.subtract(promise.transit.calendar_days, shown.after.calendar_days)
        assert low >= 0
        assert middle > 0
        assert high >= 0
        assert shown.after.calendar_days[1] >= 1


def test_the_carrier_that_was_seen_to_take_over_counts(
    model: PromiseModel, orders: pd.DataFrame
) -> None:
    encoder = model.parts.encoder
    hand_offs, clocks = encoder.hand_offs, encoder.clocks
    numbers = hand_offs.last_mile_of(orders)
    weeks = {
        name: clocks.weeks[clocks.services.index(f"{name}\x1f") + 1] > 0
        for name in hand_offs.carriers
    }
    looked = set()
    for place in np.flatnonzero(numbers)[:6]:
        row = orders.iloc[int(place)]
        usual = hand_offs.carriers[numbers[place] - 1]
        others = [name for name in hand_offs.carriers if name != usual]
        for name in [usual, *others]:
            start = row["ordered_at"].to_pydatetime()
            scans = [
                {"status": "picked_up", "scanned_at": start + dt.timedelta(days=1)},
                {
                    "status": "transferred",
                    "scanned_at": start + dt.timedelta(days=4),
                    "carrier": name,
                },
            ]
            now = start + dt.timedelta(days=4, hours=1)
            tracked = model.track(fields_of(row.to_dict()), scans, now)
            dates, probability = tracked.promise.distribution()
            arriving = np.flatnonzero(np.diff(probability, prepend=0.0) > 0)
            for day in dates[arriving].astype(object).tolist():
                assert weeks[name][day.weekday()]
            frame = row.to_frame().T.astype(orders.dtypes.to_dict())
            table = pd.DataFrame(scans).assign(shipment_id=row["shipment_id"])
            many = model.track_many(frame, table, now)
            assert many["estimated_delivery_date"].iloc[0].date() == tracked.date
            looked.add((name, name == usual))
    assert len(looked) > 2
