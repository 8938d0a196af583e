"""Times as people, spreadsheets and programs write them, against the moment that was written."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.array_types import MISSING
from etapromise.errors import ContractError
from etapromise.tracking import history, read_scans, read_shipments
from etapromise.tracking.times import read_wall_times

# How a wall clock is written, and to what precision in seconds.
DIALECTS = {
    "%Y-%m-%dT%H:%M:%S": 1,
    "%Y-%m-%d %H:%M": 60,
    "%d.%m.%Y %H:%M": 60,
    "%d.%m.%y %H:%M:%S": 1,
    "%Y/%m/%d %H:%M:%S": 1,
    "%d %B %Y %H:%M": 60,
    "%b %d, %Y %I:%M %p": 60,
    "%d-%b-%y %H:%M:%S": 1,
    "%a, %d %b %Y %H:%M:%S": 1,
}
OFFSETS = {"Z": 0, " UTC": 0, "+02:00": 120, " -0730": -450, "+09": 540}
WALLS = st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2068, 12, 31))  # noqa: DTZ001


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


@settings(max_examples=150, deadline=None)
@given(
    walls=st.lists(WALLS, min_size=1, max_size=6),
    form=st.sampled_from(sorted(DIALECTS)),
    offset=st.sampled_from(["", *OFFSETS]),
)
def test_what_is_written_is_read(walls: list[dt.datetime], form: str, offset: str) -> None:
    whole = [wall.replace(microsecond=0) for wall in walls]
    whole = [wall.replace(second=0) if DIALECTS[form] == 60 else wall for wall in whole]
    clocks = read_wall_times(column(*(f"{wall.strftime(form)}{offset}" for wall in whole)), "at")
    assert not clocks.unreadable.any()
    assert clocks.wall.view("datetime64[us]").tolist() == whole
    expected = MISSING if not offset else OFFSETS[offset] * 60_000_000
    assert clocks.offset.tolist() == [expected] * len(whole)
    assert not clocks.plain.any()


@settings(max_examples=100, deadline=None)
@given(days=st.lists(st.dates(dt.date(2001, 1, 1), dt.date(2068, 12, 31)), min_size=1, max_size=8))
def test_slashed_dates_are_read_in_the_one_order_that_fits_or_refused(days: list[dt.date]) -> None:
    for form in ("%d/%m/%Y", "%m/%d/%Y"):
        written = [day.strftime(form) for day in days]
        same = all(day.day == day.month for day in days)
        if not same and all(day.day <= 12 for day in days):
            with pytest.raises(ContractError, match="either way"):
                read_wall_times(column(*written), "on")
            continue
        clocks = read_wall_times(column(*written), "on")
        assert clocks.plain.all()
        assert [day.date() for day in clocks.wall.view("datetime64[us]").tolist()] == days


def test_dates_in_both_orders_are_refused() -> None:
    with pytest.raises(ContractError, match="some only day first, others only month first"):
        read_wall_times(column("23/2/2026", "2/23/2026"), "on")


@settings(max_examples=100, deadline=None)
@given(moment=st.datetimes(dt.datetime(1991, 1, 1), dt.datetime(2099, 1, 1)))  # noqa: DTZ001
def test_numbers_are_epochs_or_serials(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0)
    seconds = int((moment - dt.datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001
    for factor in (1, 10**3, 10**6, 10**9):
        for values in ([seconds * factor], [str(seconds * factor)]):
            clocks = read_wall_times(column(*values), "at")
            assert clocks.wall.view("datetime64[us]").tolist() == [moment]
            assert clocks.offset.tolist() == [0]
    serial = seconds / 86_400 + 25_569
    clocks = read_wall_times(column(serial), "at")
    assert clocks.wall.view("datetime64[us]").tolist() == [moment]
    assert clocks.offset.tolist() == [MISSING]
    assert clocks.plain[0] == (moment.time() == dt.time())


@pytest.mark.parametrize(
    "text", ["soon", "31.04.2026", "2026-02-30", "25:00", "2026-02-05 10:00 PST"]
)
def test_what_is_no_time_is_told(text: str) -> None:
    clocks = read_wall_times(column("2026-02-05T10:00Z", text, None, "n/a"), "at")
    assert clocks.unreadable.tolist() == [False, True, False, False]


COUNTRIES = {
    "NZ": "Pacific/Auckland",
    "PL": "Europe/Warsaw",
    "JP": "Asia/Tokyo",
    "PE": "America/Lima",
    "IN": "Asia/Kolkata",
}


def parcels(n: int = 40) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders from Warsaw to all over the world, and the moments of their scans."""
    rng = np.random.default_rng(5)
    lands = rng.choice(list(COUNTRIES), n)
    ordered = pd.Timestamp("2026-03-20T09:00Z") + pd.to_timedelta(rng.integers(0, 15_000, n), "min")
    days = rng.integers(1, 9, n)
    rows = []
    for k, (land, order, wait) in enumerate(zip(lands, ordered, days, strict=True)):
        picked = (order.tz_convert("Europe/Warsaw") + pd.Timedelta(days=1)).normalize()
        for status, zone, day, hour in (
            ("picked_up", "Europe/Warsaw", picked, 17),
            ("delivered", COUNTRIES[land], picked + pd.Timedelta(days=int(wait)), 10 + k % 9),
        ):
            wall = day.tz_localize(None) + pd.Timedelta(hours=hour)
            rows.append((f"p{k}", status, wall, wall.tz_localize(ZoneInfo(zone))))
    scans = pd.DataFrame(rows, columns=["shipment_id", "status", "wall", "moment"])
    shipments = pd.DataFrame(
        {
            "shipment_id": [f"p{k}" for k in range(n)],
            "ordered_at": ordered,
            "origin": "00-950",
            "origin_country": "PL",
            "destination": "1",
            "destination_country": lands,
        }
    )
    return shipments, scans


@pytest.mark.parametrize("stored", ["date", "text", "dotted", "utc", "naive", "local"])
@pytest.mark.parametrize("named", [None, "America/Los_Angeles"])
def test_plain_dates_are_local_where_the_thing_happened(stored: str, named: str | None) -> None:
    """Whatever the named zone, and however a date without a clock is stored."""
    shipments, scans = parcels()
    day = scans["wall"].dt.normalize()
    written = {
        "date": lambda: day.dt.date,
        "text": lambda: day.dt.strftime("%Y-%m-%d"),
        "dotted": lambda: day.dt.strftime("%d.%m.%Y"),
        "utc": lambda: day.dt.tz_localize("UTC"),
        "naive": lambda: day.dt.strftime("%Y-%m-%dT00:00:00"),
        "local": lambda: day.dt.tz_localize("Asia/Tokyo"),
    }[stored]()
    if stored == "naive" and named is None:
        named = "UTC"
    tracked = history(
        shipments,
        scans[["shipment_id", "status"]].assign(scanned_at=written),
        naive_time_zone=named,
    )
    assert not len(tracked.scan_rejects)
    told = {note.reason for note in tracked.scan_notes}
    assert told & {"plain_scanned_at", "midnight_scanned_at"}
    expected = scans.set_index(["shipment_id", "status"])["wall"].dt.date
    found = tracked.milestones.merge(tracked.shipments, on="shipment_id")
    for row in found.itertuples():
        zone = COUNTRIES[row.destination_country]
        assert row.destination_time_zone == zone
        delivered = row.delivered_at.tz_convert(zone)
        assert delivered.date() == expected[row.shipment_id, "delivered"]
        picked = row.picked_up_at.tz_convert("Europe/Warsaw")
        assert picked.date() == expected[row.shipment_id, "picked_up"]
        # Known no sooner than the day is over.
        assert row.delivered_known_at.tz_convert(zone) >= delivered.normalize() + pd.Timedelta(
            hours=23, minutes=59
        )


def test_clock_times_stay_as_they_are() -> None:
    shipments, scans = parcels()
    clocked = scans[["shipment_id", "status"]].assign(
        scanned_at=[moment.isoformat() for moment in scans["moment"]]
    )
    tracked = history(shipments, clocked)
    moments = scans.set_index(["shipment_id", "status"])["moment"]
    for row in tracked.milestones.itertuples():
        assert row.delivered_at == moments[row.shipment_id, "delivered"]
    # A single midnight is a moment like any other.
    one = clocked.assign(scanned_at=["2026-04-01T00:00:00Z", *clocked["scanned_at"][1:]])
    assert "scanned_on" not in read_scans(one).accepted


def test_each_clock_may_have_a_zone_of_its_own() -> None:
    shipments, scans = parcels()
    lands = shipments.set_index("shipment_id")["destination_country"].map(COUNTRIES)
    zones = np.where(
        scans["status"] == "picked_up", "Europe/Warsaw", scans["shipment_id"].map(lands)
    )
    walls = scans[["shipment_id", "status"]].assign(
        scanned_at=scans["wall"].dt.strftime("%Y-%m-%d %H:%M:%S"), scanned_time_zone=zones
    )
    read = read_scans(walls).accepted
    assert list(read["scanned_at"]) == list(pd.to_datetime(scans["moment"].tolist(), utc=True))


def test_an_order_without_a_clock_is_on_its_day_at_the_origin() -> None:
    shipments, _ = parcels()
    dated = shipments.assign(ordered_at=shipments["ordered_at"].dt.strftime("%Y-%m-%d"))
    checked = read_shipments(dated)
    local = checked.accepted["ordered_at"].dt.tz_convert("Europe/Warsaw")
    assert (local.dt.hour == 12).all()
    assert list(local.dt.strftime("%Y-%m-%d")) == list(dated["ordered_at"])
    assert "plain_ordered_at" in {note.reason for note in checked.notes}


def test_the_named_zone_comes_last() -> None:
    shipments, scans = parcels()
    nowhere = shipments.drop(columns=["destination_country", "origin_country"])
    clocked = scans[["shipment_id", "status"]].assign(
        scanned_at=[moment.isoformat() for moment in scans["moment"]]
    )
    tracked = history(nowhere, clocked, naive_time_zone="America/Lima")
    assert set(tracked.shipments["destination_time_zone"]) == {"America/Lima"}
    places = nowhere.assign(destination_lat=-33.9, destination_lon=151.2)
    tracked = history(places, clocked, naive_time_zone="America/Lima")
    assert set(tracked.shipments["destination_time_zone"]) == {"Australia/Sydney"}
    assert "zone_from_coordinates" in {note.reason for note in tracked.shipment_notes}


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+0530", "-03:00", ""])
@pytest.mark.parametrize("clock", ["T24:00", "T24:00:00", " 24:00:00.000"])
def test_the_end_of_a_day_is_the_midnight_after_it(clock: str, offset: str) -> None:
    both = read_wall_times(column(f"2025-12-31{clock}{offset}", f"2026-01-01T00:00{offset}"), "at")
    assert not both.unreadable.any()
    assert both.wall[0] == both.wall[1]
    assert both.offset[0] == both.offset[1]


@pytest.mark.parametrize("clock", ["T24:00:30", "T24:15:00", "T24:00:00.5"])
def test_a_day_has_no_time_after_its_end(clock: str) -> None:
    read = read_wall_times(column(f"2025-12-31{clock}Z", "2026-01-01T00:00Z"), "at")
    assert read.unreadable.tolist() == [True, False]
