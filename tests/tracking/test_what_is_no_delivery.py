"""Columns called deliveries that were planned or noted, and times that are none: asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from etapromise.operations.checking.checking import check
from etapromise.tracking import read_scans
from etapromise.tracking.time_words import plain_time
from tests.tracking.own_shapes import aware, parcels
from tests.tracking.test_public_tables import proposal_of
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import CLOCK, DAY, csv_of, plain, read, written


def working_days_later(times: pd.Series, days: object) -> list[str]:
    later = [
        one.normalize() + pd.offsets.BDay(n)
        for one, n in zip(times, np.broadcast_to(days, len(times)), strict=True)
    ]
    return written(pd.Series(later), DAY)


def questions(table: pd.DataFrame, folder: Path) -> str:
    found, _ = proposal_of(table, folder)
    assert found.milestones["delivered"].column is None
    return found.milestones["delivered"].asked


def test_days_that_are_counted_in_working_days_are_a_plan(tmp_path: Path) -> None:
    truth = parcels(5, 200)
    table = plain(truth).assign(delivered_on=working_days_later(truth["ordered"], 3))
    asked = questions(table, tmp_path)
    assert "as many days after ordered_at by the day of the week in nearly all rows" in asked


def test_days_that_are_counted_by_carrier_are_a_plan(tmp_path: Path) -> None:
    truth = parcels(5, 300)
    days = truth["carrier"].map({"InPost": 2, "DPD Polska": 3, "Poczta": 5})
    table = plain(truth).assign(delivered_on=working_days_later(truth["ordered"], days))
    assert "by the day of the week and carrier" in questions(table, tmp_path)


def test_days_that_are_counted_from_an_hour_are_a_plan(tmp_path: Path) -> None:
    truth = parcels(5, 300)
    table = plain(truth)
    table["delivered_on"] = working_days_later(truth["ordered"] + pd.Timedelta("10h"), 3)
    assert "whether it was before 14:00" in questions(table, tmp_path)


@pytest.mark.parametrize("reliable", [0.0, 0.9])
def test_a_carrier_that_is_often_as_fast_is_no_plan(reliable: float, tmp_path: Path) -> None:
    truth = parcels(5, 400)
    usual = np.random.default_rng(3).random(len(truth)) < reliable
    later = pd.to_datetime(working_days_later(truth["picked"], 2)) + pd.Timedelta("14h")
    truth["delivered"] = truth["delivered"].where(~usual | truth["delivered"].isna(), later)
    _, found = read(csv_of(plain(truth), tmp_path / "orders.csv"), tmp_path)
    assert_true(truth, found)


def test_what_comes_within_the_hour_of_its_pick_up_is_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).drop(columns="delivered_on")
    table["Delivered at"] = written(truth["picked"] + pd.Timedelta("5min"), CLOCK)
    assert "within the hour of shipped_at" in questions(table, tmp_path)


def test_a_date_of_what_a_state_calls_under_way_is_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    away = np.arange(len(truth)) % 12 == 0
    table = plain(truth.assign(delivered=truth["delivered"].mask(away, truth["delivered"].max())))
    table["State"] = np.where(away, "in transit", "delivered")
    assert "10 rows are 'in transit' by State" in questions(table, tmp_path)


def test_the_delivery_date_of_prestashop_is_that_of_a_slip(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).rename(columns={"ordered_at": "date_add", "delivered_on": "delivery_date"})
    assert "a delivery slip was made" in questions(table, tmp_path)


def test_cells_whose_days_a_spreadsheet_took_for_months_are_told(tmp_path: Path) -> None:
    """It makes dates of the texts that fit its own order, and leaves the others."""
    truth = parcels(5, 120)
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["order_id", "ordered_at", "delivered_on", "zip", "country"])
    for row in truth.itertuples():
        cells = [
            None
            if pd.isna(time)
            else time.to_pydatetime().replace(month=time.day, day=time.month)
            if time.day <= 12
            else time.strftime("%d/%m/%Y %H:%M")
            for time in (row.ordered, row.delivered)
        ]
        sheet.append([row.id, *cells, row.postcode, row.country])
    book.save(tmp_path / "orders.xlsx")
    found = check([tmp_path / "orders.xlsx"], quality=False)
    assert found.proposal is not None
    asked = " ".join(found.proposal.questions)
    for column in ("ordered_at", "delivered_on"):
        assert f"{column} cannot be read for sure" in asked
    assert "the spreadsheet took days for months" in asked


def test_cells_and_texts_of_all_days_are_read(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    cells = np.arange(len(truth)) % 2 == 0
    iso, local = (written(truth["ordered"], form) for form in (CLOCK, "%d/%m/%Y %H:%M:%S"))
    table["ordered_at"] = np.where(cells, iso, local)
    _, found = read(csv_of(table, tmp_path / "orders.csv"), tmp_path)
    assert_true(truth, found)


@pytest.mark.parametrize("seconds", ["", "%S"])
def test_clocks_of_digits_without_a_century_are_no_seconds(seconds: str, tmp_path: Path) -> None:
    """2502031405 is no moment of the year 2049."""
    truth = parcels(5, 120)
    table = plain(truth, f"%y%m%d%H%M{seconds}")
    table["delivered_on"] = written(truth["delivered"], f"%y%m%d%H%M{seconds}")
    _, found = read(csv_of(table, tmp_path / "orders.csv"), tmp_path)
    assert_true(truth, found)


def test_a_window_of_hours_is_no_offset_from_utc(tmp_path: Path) -> None:
    """14:00-15:00 was taken for a clock fifteen hours behind UTC, and so for the day after."""
    truth = parcels(5, 120)
    table = plain(truth).drop(columns="delivered_on")
    table["Delivered"] = [
        "" if pd.isna(one) else f"{one:%Y-%m-%d %H:00}-{one.hour + 2:02d}:00"
        for one in truth["delivered"]
    ]
    assert "none looks like it; Delivered is called so" in questions(table, tmp_path)


@pytest.mark.parametrize("time", ["2026-01-10 14:00-15:00", "10.01.2026 14:00-15:00"])
def test_no_clock_is_fifteen_hours_from_utc(time: str) -> None:
    scans = pd.DataFrame({"shipment_id": ["a"], "scanned_at": [time], "status": ["delivered"]})
    checked = read_scans(scans)
    assert list(checked.rejects["reason"]) == ["unreadable_scanned_at"]
    scans["scanned_at"] = time.replace("-15:00", "-11:00")
    assert read_scans(scans).accepted["scanned_at"][0] == pd.Timestamp("2026-01-11T01:00Z")


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        ("04/03/2026 02:05 CH", "04/03/2026 02:05 PM"),
        ("04/03/2026 02:05 SA", "04/03/2026 02:05 AM"),
        ("2026年3月4日 午後0時5分", "2026-3-4 12:05 PM"),
        ("2026. 3. 4. 오후 0:05", "2026-3-4 12:05 PM"),
    ],
)
def test_halves_of_the_day_in_vietnam_and_noon_in_japan(said: str, plainly: str) -> None:
    assert plain_time(said) == plainly


def test_lists_as_text_and_numbers_with_commas_are_no_several_ids(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    told = [f'[{{"provider": "DPD", "number": "{one}"}}]' for one in truth["id"]]
    table = plain(truth).assign(tracking_items=told)
    _, found = read(csv_of(table, tmp_path / "orders.csv"), tmp_path)
    assert_true(truth, found)
    thousands = plain(truth).assign(order_id=[f"{7_700_000_000 + n:,}" for n in truth.index])
    _, found = read(csv_of(thousands, tmp_path / "thousands.csv"), tmp_path)
    assert len(found.shipments) == len(truth)


@pytest.mark.parametrize("nothing", ["- None -", "keine", "s/d", "なし", "нет", "-", "0000-00-00"])
def test_what_is_nothing_is_no_delivery(nothing: str, tmp_path: Path) -> None:
    truth = parcels(5, 200)
    table = plain(truth)
    table["delivered_on"] = table["delivered_on"].replace("", nothing)
    _, found = read(csv_of(table, tmp_path / "orders.csv"), tmp_path)
    assert all(len(account.rejects) == 0 for account in found.accounts)
    assert_true(truth, found)


OLD = {
    "cp874": ("เลขที่คำสั่งซื้อ", "วันที่สั่งซื้อ", "วันที่จัดส่ง", "วันที่จัดส่งสำเร็จ", "รหัสไปรษณีย์"),
    "cp866": ("Номер заказа", "Дата заказа", "Дата отгрузки", "Дата вручения", "Индекс"),
    "koi8_u": ("Номер замовлення", "Дата замовлення", "Дата відправки", "Дата вручення", "Індекс"),
    "cp852": ("Numer zamówienia", "Data zamówienia", "Data nadania", "Data doręczenia", "Kod"),
    "cp857": ("Sipariş No", "Sipariş Tarihi", "Kargo Tarihi", "Teslim Tarihi", "Posta Kodu"),
}


@pytest.mark.parametrize("encoding", OLD)
def test_encodings_of_old_programs_are_told(encoding: str, tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth, "%d.%m.%Y %H:%M")[["order_id", "ordered_at", "shipped_at"]]
    table["delivered"] = written(truth["delivered"], "%d.%m.%Y")
    table["zip"] = truth["postcode"]
    table.columns = pd.Index(OLD[encoding])
    files = csv_of(table, tmp_path / "orders.csv", encoding=encoding, sep=";")
    found = check(files, quality=False)
    assert found.proposal is not None
    assert found.proposal.columns["ordered_at"].column == OLD[encoding][1]
    assert found.proposal.milestones["picked_up"].column == OLD[encoding][2]
    assert found.proposal.milestones["delivered"].column == OLD[encoding][3]


@pytest.mark.parametrize("rows", [5, 60])
def test_deliveries_days_before_their_pick_up_are_told_or_asked_about(
    rows: int, tmp_path: Path
) -> None:
    """Under exports put behind each other whose columns are called the other way round."""
    truth = parcels(5, 120)
    table = plain(truth)
    came = table["delivered_on"] != ""
    swapped = came & (came.cumsum() <= rows)
    late = (truth["picked"] + pd.Timedelta("2D")).dt.strftime(CLOCK)
    table.loc[swapped, "delivered_on"] = truth["ordered"].dt.strftime(DAY)
    table.loc[swapped, "shipped_at"] = late
    found, _ = proposal_of(table, tmp_path)
    said = found.told if rows == 5 else [found.milestones["delivered"].asked]
    assert any(f"delivered_on is days before shipped_at in {rows} of" in one for one in said)


def test_dates_that_are_midnights_of_another_zone_are_told(tmp_path: Path) -> None:
    """They are read as clocks where no parcels go to that zone, often of the day before."""
    truth = parcels(5, 120)
    table = plain(truth).drop(columns="delivered_on")
    midnights = aware(truth["delivered"].dt.normalize(), "Asia/Tokyo")
    table["delivered_at"] = [
        "" if pd.isna(time) else time.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.000Z")
        for time in midnights
    ]
    found, _ = proposal_of(table, tmp_path)
    assert any("delivered_at shows no other clock than 15:00 UTC" in one for one in found.told)


@pytest.mark.parametrize("export", ["all", "delivered"])
def test_an_export_without_what_is_under_way_is_told(export: str, tmp_path: Path) -> None:
    truth = parcels(5, 3000).dropna()
    end = truth["ordered"].max() - pd.Timedelta("10D")
    known = truth if export == "all" else truth[truth["delivered"] < end]
    found, _ = proposal_of(plain(known), tmp_path)
    told = any("seem to be left out" in one for one in found.told)
    assert told == (export == "delivered")


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        ("2026.01.05 PM 2:05", "2026.01.05 2:05 PM"),
        ("2026-01-05 ÖS 2:05", "2026-01-05 2:05 PM"),
        ("2026. 01. 05. du. 2:05", "2026-01-05 2:05 PM"),
        ("5.1.2026 klo 2:05 ip.", "5.1.2026 2:05 PM"),
        # What is not read is not left out.
        ("05/01/2026 soir 2:05", "05/01/2026 soir 2:05"),
        ("05/01/2026 jam 08:57", "05/01/2026 08:57"),
        ("20260105085700+0300", "2026-01-05T08:57:00+0300"),
        ("05.01.2026 | 08:57 Uhr", "05.01.2026 08:57"),
        ("5/1-2026 08:57", "5.1.2026 08:57"),
    ],
)
def test_a_half_of_the_day_before_its_clock_is_not_lost(said: str, plainly: str) -> None:
    assert plain_time(said) == plainly


def test_years_of_nepal_are_no_future(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    for name in ("ordered_at", "shipped_at", "delivered_on"):
        table[name] = [f"{int(one[:4]) + 57}{one[4:]}" if one else "" for one in table[name]]
    found = check(csv_of(table, tmp_path / "orders.csv"), quality=False)
    assert found.proposal is not None
    assert any("Nepali calendar" in one for one in found.proposal.questions)


def test_days_of_jd_edwards_are_read(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth, "1%y%j").assign(delivered_on=written(truth["delivered"], "1%y%j"))
    _, found = read(csv_of(table, tmp_path / "orders.csv"), tmp_path)
    assert_true(truth, found)
