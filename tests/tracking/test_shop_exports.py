"""Kinds of columns that exports of shops and public data sets have: read truly, or asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise.operations.checking.checking import check
from etapromise.tracking import TrackedHistory
from etapromise.tracking.column_names import score_name
from tests.tracking.own_shapes import HOME, aware, parcels
from tests.tracking.test_own_shapes import dates, local_dates
from tests.tracking.test_system_exports import CLOCK, DAY, csv_of, plain, read, written


def assert_true(truth: pd.DataFrame, found: TrackedHistory) -> None:
    """Each parcel with its true order, pick-up, delivery and place."""
    shipments = found.shipments
    true = truth.set_index("id").loc[shipments["shipment_id"]]
    assert len(true) == len(truth)
    assert local_dates(shipments["ordered_at"], HOME) == dates(true["ordered"])
    assert local_dates(found.milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(found.milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    places = [place.removeprefix("LT-") for place in true["postcode"]]
    assert shipments["destination"].tolist() == places


def test_texts_that_a_spreadsheet_shall_not_take_for_numbers(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(order_id=[f'="{one}"' for one in truth["id"]])
    _, found = read(csv_of(table, tmp_path / "formulas.csv"), tmp_path)
    assert_true(truth, found)


def test_columns_of_the_few_that_came_back_are_not_those_of_all(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    again = table[["shipped_at", "delivered_on"]].where(table.index.to_series() % 20 == 0, "")
    later = [*table.columns, *again.columns]
    both = pd.concat([table, again.replace("2025-0", "2026-0", regex=True)], axis=1)
    both.columns = pd.Index(later)
    found, told = read(csv_of(both, tmp_path / "returns.csv"), tmp_path)
    assert_true(truth, told)
    assert found.proposal is not None
    assert "% of the rows" in found.proposal.milestones["delivered"].why


def test_a_way_of_shipping_that_names_each_carrier_once_is_the_carrier(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"carrier": "Shipping method"})
    _, found = read(csv_of(table, tmp_path / "methods.csv"), tmp_path)
    assert found.shipments["carrier"].nunique() == truth["carrier"].nunique()


def test_services_of_one_carrier_stay_services(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).drop(columns="carrier")
    table["Shipping method"] = ["UPS Ground" if n % 2 else "UPS Next Day" for n in table.index]
    _, found = read(csv_of(table, tmp_path / "services.csv"), tmp_path)
    assert "carrier" not in found.shipments
    assert found.shipments["service"].nunique() == 2


def test_orders_that_name_a_customer_go_where_the_customer_lives(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(customer_id=[f"c{n}" for n in range(len(truth))])
    orders = csv_of(table.drop(columns=["zip", "country"]), tmp_path / "orders.csv")
    customers = csv_of(
        table[["customer_id", "zip", "country"]].sample(frac=1, random_state=1),
        tmp_path / "customers.csv",
    )
    _, found = read(orders + customers, tmp_path)
    assert_true(truth, found)


def test_of_a_date_with_and_without_its_clock_the_clock_counts(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns="ordered_at")
    table.insert(1, "orderDate", written(truth["ordered"], DAY))
    table.insert(2, "orderDateTime", written(truth["ordered"], CLOCK))
    found, told = read(csv_of(table, tmp_path / "clocks.csv"), tmp_path)
    assert found.proposal is not None
    assert found.proposal.columns["ordered_at"].column == "orderDateTime"
    assert_true(truth, told)


def test_of_several_days_that_are_awaited_the_last_one_counts(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth)
    for name, days in (
        ("Minimum estimated delivery date", 2),
        ("Maximum estimated delivery date", 6),
    ):
        table[name] = written(truth["picked"] + pd.Timedelta(days=days), DAY)
    found, _ = read(csv_of(table, tmp_path / "awaited.csv"), tmp_path)
    assert found.proposal is not None
    assert found.proposal.columns["quoted_date"].column == "Maximum estimated delivery date"


def test_a_column_that_is_mostly_empty_is_not_the_destination(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth)
    some = [zip_ if n % 8 == 0 else "" for n, zip_ in enumerate(truth["postcode"])]
    table.insert(1, "Order Zipcode", some)
    table = table.rename(columns={"zip": "Customer Zipcode"})
    _, found = read(csv_of(table, tmp_path / "sparse.csv"), tmp_path)
    assert_true(truth, found)


def test_times_without_a_year_are_asked_about_by_name(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns=["shipped_at"])
    for name, times in (("ordered_at", "ordered"), ("delivered_on", "delivered")):
        table[name] = written(truth[times], "%m-%d %H:%M:%S")
    table = table.rename(columns={"ordered_at": "accept_time"})
    found = check(csv_of(table, tmp_path / "yearless.csv"), quality=False)
    assert found.proposal is not None
    assert any("without a year" in one for one in found.proposal.questions)


@pytest.mark.parametrize("column", ["date_add", "created_at"])
def test_seconds_since_1970_are_times_by_their_columns_name(column: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)

    def seconds(times: pd.Series[Any]) -> list[int]:
        return [int(time.tz_localize(HOME).timestamp()) for time in times]

    table = plain(truth).drop(columns="ordered_at")
    table.insert(1, column, seconds(truth["ordered"]))
    _, found = read(csv_of(table, tmp_path / "seconds.csv"), tmp_path)
    assert_true(truth, found)


def test_where_parcels_are_fetched_is_not_where_they_go(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"zip": "Address Pincode"})
    table["Pickup Pincode"] = "80-001"
    _, found = read(csv_of(table, tmp_path / "pickup.csv"), tmp_path)
    assert_true(truth, found)
    assert set(found.shipments["origin"]) == {"80-001"}


def test_orders_without_a_tracking_number_are_parcels_by_their_own_number(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = [str(7_000 + n) for n in range(len(truth))]
    table = plain(truth).rename(columns={"order_id": "tracking number"})
    table.insert(0, "order number", orders)
    table["tracking number"] = ["" if n % 10 == 4 else one for n, one in enumerate(truth["id"])]
    truth["id"] = [
        order if n % 10 == 4 else one
        for n, (one, order) in enumerate(zip(truth["id"], orders, strict=True))
    ]
    found, told = read(csv_of(table, tmp_path / "without.csv"), tmp_path)
    assert_true(truth, told)
    assert found.proposal is not None
    assert any("12 rows have no tracking number" in one for one in found.proposal.told)


def test_further_rows_of_an_order_are_no_orders_without_a_number(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"order_id": "tracking number"})
    table.insert(0, "order number", [str(7_000 + n) for n in range(len(truth))])
    rows = []
    for n, row in enumerate(table.itertuples(index=False)):
        rows.append((*row, "cup"))
        if n % 3 == 0:
            rows.append((row[0], *[""] * (len(row) - 1), "pot"))
    lines = pd.DataFrame(rows, columns=[*table.columns, "item"])
    _, found = read(csv_of(lines, tmp_path / "lines.csv"), tmp_path)
    assert_true(truth, found)
    assert found.accounts[0].left_aside == 27


def spreadsheet(times: pd.Series[Any], kept: Any) -> list[str]:
    """Times of which a spreadsheet made numbers, but for those that are `kept` as text."""
    start = pd.Timestamp("1899-12-30")
    return [
        ""
        if pd.isna(time)
        else time.strftime("%d/%m/%Y %H:%M:%S")
        if kept(time)
        else f"{(time - start) / pd.Timedelta('1D'):.9f}"
        for time in times
    ]


def test_days_that_a_spreadsheet_took_for_months_are_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).assign(
        ordered_at=spreadsheet(truth["ordered"], lambda time: time.day > 12)
    )
    found = check(csv_of(table, tmp_path / "swapped.csv"), quality=False)
    assert found.proposal is not None
    assert any("took days for months" in one for one in found.proposal.questions)


def test_a_spreadsheets_numbers_among_texts_are_read(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).assign(
        ordered_at=spreadsheet(truth["ordered"], lambda time: time.minute % 2 == 0)
    )
    _, found = read(csv_of(table, tmp_path / "both.csv"), tmp_path)
    assert_true(truth, found)


@pytest.mark.parametrize("year", [1403, 1446])
def test_years_of_a_calendar_that_is_not_read_are_told(year: int, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    days = [f"{year}/{time.month:02d}/{min(time.day, 29):02d}" for time in truth["ordered"]]
    table = plain(truth).assign(ordered_at=days)
    found = check(csv_of(table, tmp_path / "calendar.csv"), quality=False)
    assert found.proposal is not None
    assert any("Gregorian" in one for one in found.proposal.questions)


def test_numbers_are_no_countries_where_no_name_says_so(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns="country").assign(amount="100")
    found, _ = read(csv_of(table, tmp_path / "amounts.csv"), tmp_path)
    assert found.proposal is not None
    assert "destination_country" not in found.proposal.columns


def test_a_day_and_a_clock_in_compound_words_belong_together(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns="delivered_on")
    table["Zustelldatum"] = written(truth["delivered"], "%d.%m.%Y")
    table["Status"] = "x"
    table["Zustellzeit"] = written(truth["delivered"], "%H:%M")
    found, told = read(csv_of(table, tmp_path / "compound.csv"), tmp_path)
    assert found.proposal is not None
    assert found.proposal.milestones["delivered"].details["clock_column"] == "Zustellzeit"
    assert len(told.shipments) == len(truth)


@pytest.mark.parametrize("name", ["Fecha envío entregado al cliente", "Tanggal telah diterima"])
def test_a_name_may_say_what_happened_in_any_words(name: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"delivered_on": name})
    _, found = read(csv_of(table, tmp_path / "words.csv"), tmp_path)
    assert_true(truth, found)


@pytest.mark.parametrize("form", ["%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S"])
def test_events_may_call_their_time_and_their_text_anything(form: str, tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = csv_of(orders.rename(columns={"order_id": "tracking no"}), tmp_path / "orders.csv")
    rows = []
    for row in truth.itertuples():
        rows.append((row.id, row.picked.strftime(form), "客户已揽收"))
        if not pd.isna(row.delivered):
            arrived = row.delivered.tz_localize(row.zone).tz_convert(HOME)
            rows.append((row.id, arrived.strftime(form), "客户签收人: 本人 已签收"))
    names = ["Waybill_No", "localDateTime" if "/" not in form else "Upload_Time", "ProcessInfo"]
    files += csv_of(pd.DataFrame(rows, columns=names), tmp_path / "events.csv")
    _, found = read(files, tmp_path)
    assert_true(truth, found)


@pytest.mark.parametrize(
    "write",
    [
        lambda time: f"{time:%a %b %d %Y %H:%M:%S} GMT{time:%z} (Central European Standard Time)",
        lambda time: f"{time.isoformat()}[{HOME}]",
        lambda time: f"{time.tz_convert('UTC'):%Y%m%dT%H%M%SZ}",
        lambda time: f"{time:%Y-%m-%d %H:%M:%S},123",
        lambda time: f"{time:%B} {time.day}{'st' if time.day == 1 else 'th'}, {time:%Y %H:%M}",
    ],
    ids=["browsers", "java", "basic", "logs", "ordinal"],
)
def test_moments_as_programs_write_them(
    write: Callable[[pd.Timestamp], str], tmp_path: Path
) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(ordered_at=[write(time) for time in aware(truth["ordered"], HOME)])
    _, found = read(csv_of(table, tmp_path / "programs.csv"), tmp_path)
    assert_true(truth, found)


@pytest.mark.parametrize("form", ["%a %d %b %Y", "%A, %d %B %Y"])
def test_the_day_of_the_week_before_a_date_says_nothing(form: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(
        shipped_at=written(truth["picked"], form), delivered_on=written(truth["delivered"], form)
    )
    _, found = read(csv_of(table, tmp_path / "week.csv"), tmp_path)
    assert_true(truth, found)


def test_what_a_database_writes_for_nothing_is_no_time(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(delivered_on=written(truth["delivered"], DAY, "\\N"))
    _, found = read(csv_of(table, tmp_path / "dump.tsv", sep="\t"), tmp_path)
    assert all(len(account.rejects) == 0 for account in found.accounts)
    assert_true(truth, found)


def test_short_forms_of_date_and_clock_belong_together(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"shipped_at": "F. Recogida", "delivered_on": "F. Entrega"})
    table["F. Entrega"] = written(truth["delivered"], "%d/%m/%y")
    table["H. Entrega"] = written(truth["delivered"], "%H:%M")
    found, told = read(csv_of(table, tmp_path / "short.csv"), tmp_path)
    assert found.proposal is not None
    assert found.proposal.milestones["delivered"].details["clock_column"] == "H. Entrega"
    assert len(told.shipments) == len(truth)
    assert found.proposal.milestones["picked_up"].column == "F. Recogida"


@pytest.mark.parametrize("between", ["\n", " / ", ", ", " "])
def test_several_ids_in_one_cell_are_several_parcels(between: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns="order_id")
    table["tracking"] = truth["id"] + between + truth["id"].str[::-1]
    _, found = read(csv_of(table, tmp_path / "several.csv"), tmp_path)
    expected = {*truth["id"], *truth["id"].str[::-1]}
    assert set(found.shipments["shipment_id"]) == expected


def test_blanks_inside_of_an_id_part_nothing(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).drop(columns="order_id")
    table["tracking"] = [f"{one[:4]} {one[4:8]} {one[8:]}" for one in truth["id"]]
    _, found = read(csv_of(table, tmp_path / "groups.csv"), tmp_path)
    assert len(found.shipments) == len(truth)


@pytest.mark.parametrize(
    ("last", "expected"), [("0", "read"), ("5", "left out")], ids=["with zeros", "without"]
)
def test_points_between_thousands_are_no_decimals(last: str, expected: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    grams = [f"{int(100 * kg)}{last}" for kg in truth["kg"]]
    shown = [f"{int(one):,}".replace(",", ".") for one in grams]
    table = plain(truth).assign(**{"Weight (g)": shown})
    found, told = read(csv_of(table, tmp_path / "grams.csv"), tmp_path)
    if expected == "left out":
        assert found.proposal is not None
        assert "is the point in" in found.proposal.left_out["weight_kg"].asked
        return
    true = pd.Series([int(one) / 1000 for one in grams], index=truth["id"])
    assert np.allclose(told.shipments["weight_kg"], true.loc[told.shipments["shipment_id"]])


@pytest.mark.parametrize(
    ("name", "part", "role"),
    [
        ("Nr listu", "shipments", "shipment_id"),
        ("Carrier Consignment Code", "shipments", "shipment_id"),
        ("Kilos", "shipments", "weight_kg"),
        ("Fecha recolección", "milestones", "picked_up"),
        ("Remis au transporteur le", "milestones", "picked_up"),
    ],
)
def test_names_that_shops_use(name: str, part: str, role: str) -> None:
    assert score_name(name, part, role) == 1.0


@pytest.mark.parametrize("spoilt", ["cells", "floats"])
def test_numbers_that_lost_digits_are_told_by_their_column(spoilt: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    numbers = [float(420_902_459_261_290_336 + n) for n in range(len(truth))]
    table = plain(truth)
    table["tracking"] = [f"{n:.5E}" for n in numbers] if spoilt == "cells" else table["order_id"]
    files = csv_of(table.drop(columns=["shipped_at", "delivered_on"]), tmp_path / "o.csv")
    arrived = truth[truth["delivered"].notna()]
    scans = pd.DataFrame(
        {
            "tracking": [numbers[n] for n in arrived.index],
            "event": "delivered",
            "event_time": arrived["delivered"],
        }
    )
    scans.to_parquet(tmp_path / "scans.parquet")
    found = check([*files, tmp_path / "scans.parquet"], quality=False)
    assert found.proposal is not None
    told = " ".join(found.proposal.told)
    assert "scans.parquet has lost digits" in told
    assert ("o.csv has lost digits" in told) == (spoilt == "cells")
    assert not found.ready


def test_keys_of_no_day_are_neither_days_nor_a_zone(tmp_path: Path) -> None:
    """A data warehouse calls by -1 what is not there."""
    truth = parcels(5, 60)
    key = "%Y%m%d"
    table = pd.DataFrame(
        {
            "order_number": truth["id"],
            "order_date_key": written(truth["ordered"], key),
            "order_time_key": written(truth["ordered"], "%H%M%S"),
            "ship_date_key": written(truth["picked"], key, "-1"),
            "delivery_date_key": written(truth["delivered"].where(truth.index % 9 > 0), key, "-1"),
            "return_date_key": "-1",
            "ship_to_postal_code": truth["postcode"],
            "ship_to_country": truth["country"],
        }
    )
    found, told = read(csv_of(table, tmp_path / "fact.csv"), tmp_path)
    assert found.proposal is not None
    assert not any("delivery_date_key" in one for one in found.proposal.told)
    assert not sum(len(one.rejects) for one in told.accounts)
    assert "zone_column" not in found.proposal.columns["ordered_at"].details
    assert told.milestones["delivered_at"].isna().sum() >= len(truth) / 9
    days = table["order_date_key"].rank(method="dense").astype(int) + 40_000  # of a calendar's rows
    counted = check(csv_of(table.assign(order_date_key=days), tmp_path / "c.csv"), quality=False)
    assert any(one.startswith("ordered_at") for one in counted.proposal.questions)  # type: ignore[union-attr]


def test_a_time_that_is_hardly_called_the_orders_gives_way_to_an_earlier_one(
    tmp_path: Path,
) -> None:
    truth = parcels(5, 60)
    table = plain(truth).rename(
        columns={"ordered_at": "anlage", "shipped_at": "outgoingItemsBookedOn"}
    )
    found = check(csv_of(table, tmp_path / "booked.csv"), quality=False)
    assert found.proposal is not None
    assert "'anlage' is before it" in found.proposal.columns["ordered_at"].asked
