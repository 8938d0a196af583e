"""Tables in the layouts that systems export: read truly, or asked about."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.operations.checking.check_report import CheckReport
from etapromise.operations.checking.checking import check
from etapromise.tracking import TrackedHistory, history
from tests.tracking.own_shapes import HOME, aware, parcels
from tests.tracking.test_own_shapes import dates, local_dates

Write = Callable[[pd.DataFrame, Path], list[Path]]
CLOCK, DAY = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"


def written(times: pd.Series[Any], form: str, none: str = "") -> list[str]:
    return [none if pd.isna(time) else time.strftime(form) for time in times]


def plain(truth: pd.DataFrame, form: str = CLOCK) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "order_id": truth["id"],
            "ordered_at": written(truth["ordered"], form),
            "shipped_at": written(truth["picked"], form),
            "delivered_on": written(truth["delivered"], DAY),
            "zip": truth["postcode"],
            "country": truth["country"],
            "carrier": truth["carrier"],
        }
    )


def csv_of(table: pd.DataFrame, path: Path, **how: Any) -> list[Path]:
    table.to_csv(path, index=False, **how)
    return [path]


def json_of(document: Any, path: Path) -> list[Path]:
    path.write_text(json.dumps(document), encoding="utf-8")
    return [path]


def stamps(times: pd.Series[Any], zones: Any) -> list[Any]:
    return [None if pd.isna(time) else time.isoformat() for time in aware(times, zones)]


def erp_clock_apart(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Day and time of day in columns of their own, weights with their unit beside them."""
    light = np.arange(len(truth)) % 2 == 0
    table = pd.DataFrame(
        {
            "VBELN": truth["id"],
            "ERDAT": written(truth["ordered"], "%d.%m.%Y"),
            "ERZET": written(truth["ordered"], "%H:%M:%S"),
            "WADAT_IST": written(truth["picked"], "%d.%m.%Y", "00.00.0000"),
            "PSTLZ": truth["postcode"],
            "LAND1": truth["country"],
            "SPEDITEUR": truth["carrier"],
            "PODAT": written(truth["delivered"], "%d.%m.%Y", "00.00.0000"),
            "BRGEW": [
                f"{kg * 1000:.0f}" if small else f"{kg:.3f}".replace(".", ",")
                for kg, small in zip(truth["kg"], light, strict=True)
            ],
            "GEWEI": np.where(light, "G", "KG"),
        }
    )
    return csv_of(table, folder / "likp.csv", sep=";")


def digits_only(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Dates and clocks as digits, the clocks without the zeros that a spreadsheet takes away."""
    table = pd.DataFrame(
        {
            "delivery": [f"{8_000_000 + n}" for n in range(len(truth))],
            "tracking number": truth["id"],
            "created on": written(truth["ordered"], "%Y%m%d"),
            "created time": [str(int(clock)) for clock in written(truth["ordered"], "%H%M%S")],
            "actual goods issue": written(truth["picked"], "%Y%m%d", "00000000"),
            "delivered on": written(truth["delivered"], "%Y%m%d", "00000000"),
            "zip": truth["postcode"],
            "country": truth["country"],
            "carrier": truth["carrier"],
        }
    )
    return csv_of(table, folder / "erp.csv", sep="|")


def list_on_paper(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Titles and rules around a table between pipes."""
    table = pd.DataFrame(
        {
            "Sendungsnummer": truth["id"],
            "Erstellt am": written(truth["ordered"], "%d.%m.%Y %H:%M"),
            "Warenausgang": written(truth["picked"], "%d.%m.%Y"),
            "Zustelldatum": written(truth["delivered"], "%d.%m.%Y"),
            "PLZ": truth["postcode"],
            "Land": truth["country"],
            "Spediteur": truth["carrier"],
            "Bruttogewicht": [f"{kg:.2f} KG".replace(".", ",") for kg in truth["kg"]],
        }
    )
    rule = "-" * 90
    rows = [f"|{'|'.join(map(str, row))}|" for row in table.to_numpy()]
    header = f"|{'|'.join(table.columns)}|"
    lines = ["01.10.2025      Ausgabe      1", rule, header, rule, *rows, rule]
    (folder / "list.txt").write_text("\r\n".join(lines) + "\r\n", encoding="cp1252")
    return [folder / "list.txt"]


def thai(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Years of the Buddhist era."""

    def day(time: pd.Timestamp) -> str:
        return f"{time.day:02d}/{time.month:02d}/{time.year + 543}"

    table = pd.DataFrame(
        {
            "เลขพัสดุ": truth["id"],
            "วันที่สั่งซื้อ": [f"{day(t)} {t:%H:%M}" for t in truth["ordered"]],
            "วันที่จัดส่ง": [day(t) for t in truth["picked"]],
            "วันที่ได้รับ": ["" if pd.isna(t) else day(t) for t in truth["delivered"]],
            "รหัสไปรษณีย์": truth["postcode"],
            "ขนส่ง": truth["carrier"],
            "ประเทศ": truth["country"],
        }
    )
    return csv_of(table, folder / "thai.csv", encoding="utf-8-sig")


def republic(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Years of the Republic of China."""

    def day(time: pd.Timestamp) -> str:
        return f"{time.year - 1911}/{time:%m/%d}"

    table = plain(truth).assign(
        ordered_at=[f"{day(t)} {t:%H:%M}" for t in truth["ordered"]],
        shipped_at=[day(t) for t in truth["picked"]],
        delivered_on=["" if pd.isna(t) else day(t) for t in truth["delivered"]],
    )
    return csv_of(table, folder / "taiwan.csv")


def weeks(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Days of ISO weeks, with and without hyphens."""
    table = plain(truth).assign(
        ordered_at=written(truth["ordered"], "%G-W%V-%u %H:%M"),
        shipped_at=written(truth["picked"], "%GW%V%u"),
    )
    return csv_of(table, folder / "weeks.csv")


def doubled_names(truth: pd.DataFrame, folder: Path) -> list[Path]:
    table = plain(truth)
    table.insert(3, "again", table["ordered_at"])
    table = table.rename(columns={"ordered_at": "Order date", "again": "Order date"})
    return csv_of(table, folder / "doubled.csv")


def sheets(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """A sheet for each month, and one that is no table."""
    with pd.ExcelWriter(folder / "months.xlsx") as book:
        pd.DataFrame({"Note": ["read me"], "by": ["us"]}).to_excel(
            book, sheet_name="About", index=False
        )
        for month, rows in plain(truth).groupby(truth["ordered"].dt.month):
            rows.to_excel(book, sheet_name=f"Month {month}", index=False)
    return [folder / "months.xlsx"]


def zipped(truth: pd.DataFrame, folder: Path) -> list[Path]:
    with zipfile.ZipFile(folder / "orders.zip", "w") as archive:
        archive.writestr("orders.csv", plain(truth).to_csv(index=False))
        archive.writestr("__MACOSX/._orders.csv", "x")
    return [folder / "orders.zip"]


def workbook_called_text(truth: pd.DataFrame, folder: Path) -> list[Path]:
    plain(truth).to_excel(folder / "orders.xlsx", index=False)
    return [(folder / "orders.xlsx").rename(folder / "orders.csv")]


def described(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """A row that says what each column is, tabs behind the values, dates that never happened."""
    form = "%d/%m/%Y %H:%M:%S\t"
    table = pd.DataFrame(
        {
            "Order ID": [f"57{n}\t" for n in range(len(truth))],
            "Created Time": written(truth["ordered"], form),
            "Paid Time": written(truth["ordered"] + pd.Timedelta("1D"), form),
            "RTS Time": written(truth["ordered"], form),
            "Shipped Time": written(truth["picked"], form),
            "Delivered Time": written(truth["delivered"], form, "\t"),
            "Tracking ID": truth["id"] + "\t",
            "Shipping Provider Name": truth["carrier"],
            "Country": truth["country"],
            "Zipcode": truth["postcode"],
        }
    )
    about = pd.DataFrame([{name: f"What the {name} is." for name in table.columns}])
    return csv_of(pd.concat([about, table]), folder / "described.csv")


def planned_and_actual(truth: pd.DataFrame, folder: Path) -> list[Path]:
    planned = truth["picked"] + pd.Timedelta("4D")
    table = pd.DataFrame(
        {
            "Номер отправления": truth["id"],
            "Принят в обработку": written(truth["ordered"], CLOCK),
            "Дата отгрузки": written(planned, CLOCK),
            "Фактическая дата передачи в доставку": written(truth["picked"], CLOCK),
            "Дата доставки": written(truth["delivered"], DAY),
            "Служба доставки": truth["carrier"],
            "Индекс": truth["postcode"],
            "Страна": truth["country"],
        }
    )
    return csv_of(table, folder / "planned.csv", sep=";")


def zones_by_column(truth: pd.DataFrame, folder: Path) -> list[Path]:
    table = plain(truth).assign(
        delivered_on=written(truth["delivered"], "%Y-%m-%d %H:%M"),
        order_tz=HOME,
        ship_tz=HOME,
        delivered_tz=truth["zone"],
    )
    table = table.rename(columns={"ordered_at": "order_date", "shipped_at": "ship_date"})
    return csv_of(table, folder / "zones.csv")


def events_with_offsets(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Date, time of day and offset from UTC of each event in columns of their own."""
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    rows = []
    for status, times, zones in (
        ("Picked Up", truth["picked"], [HOME] * len(truth)),
        ("Delivered", truth["delivered"], truth["zone"]),
    ):
        for number, time, zone in zip(truth["id"], times, zones, strict=True):
            if not pd.isna(time):
                away = time.tz_localize(zone).strftime("%z")
                when = time.strftime("%d/%m/%Y"), time.strftime("%I:%M %p")
                rows.append((number, *when, f"{away[:3]}:{away[3:]}", status))
    names = ["tracking_number", "event_date", "event_time", "gmt_offset", "event"]
    events = csv_of(pd.DataFrame(rows, columns=names), folder / "events.csv")
    return csv_of(orders, folder / "orders.csv") + events


def shop_records(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Orders as a shop's interface gives them: one state of each parcel, a bill's address."""
    rows = zip(
        *(truth[name] for name in ("id", "kg", "carrier", "postcode", "country")),
        stamps(truth["ordered"], HOME),
        stamps(truth["picked"], HOME),
        stamps(truth["delivered"], truth["zone"]),
        strict=True,
    )
    orders = [
        {
            "id": 450_000 + n,
            "admin_graphql_api_id": f"gid://shopify/Order/{450_000 + n}",
            "created_at": ordered,
            "updated_at": delivered or picked,
            "total_weight": int(kg * 1000),
            "billing_address": {
                "zip": "99501",
                "country_code": "US",
                "latitude": 61.2,
                "longitude": -149.9,
            },
            "shipping_address": {
                "zip": postcode,
                "country_code": country,
                "latitude": None,
                "longitude": None,
            },
            "line_items": [{"id": item} for item in range(1 + n % 3)],
            "fulfillments": [
                {
                    "status": "success",
                    "created_at": picked,
                    "updated_at": delivered or picked,
                    "shipment_status": "delivered" if delivered else "in_transit",
                    "tracking_company": carrier,
                    "tracking_number": number,
                }
            ],
        }
        for n, (number, kg, carrier, postcode, country, ordered, picked, delivered) in enumerate(
            rows
        )
    ]
    return json_of({"orders": orders}, folder / "orders.json")


def stops(truth: pd.DataFrame, folder: Path) -> list[Path]:
    """Where it comes from and where it goes as two objects of a list."""
    records = []
    for row, ordered, picked, delivered in zip(
        truth.itertuples(),
        stamps(truth["ordered"], HOME),
        stamps(truth["picked"], HOME),
        stamps(truth["delivered"], truth["zone"]),
        strict=True,
    ):
        told = [("PICKED_UP", picked), ("DELIVERED", delivered)]
        records.append(
            {
                "trackingNumber": row.id,
                "createdDateTime": ordered,
                "carrier": {"name": row.carrier},
                "stops": [
                    {"stopType": "ORIGIN", "address": {"postalCode": "80-001", "country": "PL"}},
                    {
                        "stopType": "DESTINATION",
                        "address": {"postalCode": row.postcode, "country": row.country},
                    },
                ],
                "events": [{"code": code, "at": at} for code, at in told if at],
            }
        )
    return json_of(records, folder / "loads.json")


LAYOUTS: dict[str, Write] = {
    one.__name__: one
    for one in (
        *(erp_clock_apart, digits_only, list_on_paper, thai, republic, weeks, doubled_names),
        *(sheets, zipped, workbook_called_text, described, planned_and_actual, zones_by_column),
        *(events_with_offsets, shop_records, stops),
    )
}
WEIGHED = {"erp_clock_apart", "list_on_paper", "shop_records"}


def read(files: list[Path], folder: Path) -> tuple[CheckReport, TrackedHistory]:
    mapping = folder / "mapping.toml"
    found = check(files, write_mapping=mapping, quality=False)
    text = (found.text or "").replace('time_zone = "?"', f'time_zone = "{HOME}"')
    assert found.proposal is not None
    assert all("on whose clock" in one for one in found.proposal.questions)
    mapping.write_text(text, encoding="utf-8")
    return found, history(mapping=mapping)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_is_read_truly(layout: str, tmp_path: Path) -> None:
    truth = parcels(5, 150)
    _, found = read(LAYOUTS[layout](truth, tmp_path), tmp_path)
    shipments = found.shipments
    true = truth.set_index("id").loc[shipments["shipment_id"]]
    assert len(true) == len(truth)
    clock = shipments["ordered_at"].dt.tz_convert(HOME).dt.strftime("%Y-%m-%d %H:%M")
    assert clock.tolist() == written(true["ordered"], "%Y-%m-%d %H:%M")
    assert local_dates(found.milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(found.milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    places = [place.removeprefix("LT-") for place in true["postcode"]]
    assert shipments["destination"].tolist() == places
    assert shipments["destination_country"].tolist() == true["country"].tolist()
    assert shipments["destination_time_zone"].tolist() == true["zone"].tolist()
    assert shipments["carrier"].nunique() == true["carrier"].nunique()
    if layout in WEIGHED:
        assert np.allclose(shipments["weight_kg"], true["kg"], atol=1.1e-3)


def test_a_postcode_in_two_columns_is_put_together(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    codes = [f"{100 + n % 7}-{1000 + n:04d}" for n in range(len(truth))]
    table = plain(truth).drop(columns="zip")
    table["送付先郵便番号1"] = [code[:3] for code in codes]
    table["送付先郵便番号2"] = [code[4:] for code in codes]
    table["country"] = "JP"
    _, found = read(csv_of(table, tmp_path / "halves.csv"), tmp_path)
    order = truth["id"].tolist()
    expected = [codes[order.index(one)].replace("-", "") for one in found.shipments["shipment_id"]]
    assert [one.replace("-", "") for one in found.shipments["destination"]] == expected


@pytest.mark.parametrize("sign", [":", "h"])
def test_a_time_of_day_has_its_own_signs_and_may_end_the_day(sign: str, tmp_path: Path) -> None:
    truth = parcels(5, 60)
    truth["ordered"] = truth["ordered"].mask(truth.index % 7 == 0, truth["ordered"].dt.normalize())
    ends = [int(time.strftime("%H%M") == "0000") for time in truth["ordered"]]
    table = plain(truth).drop(columns="ordered_at")
    table["date created"] = written(truth["ordered"] - pd.to_timedelta(ends, unit="D"), DAY)
    clocks = written(truth["ordered"], f"%H{sign}%M")
    table["time created"] = [
        f"24{sign}00" if end else clock for end, clock in zip(ends, clocks, strict=True)
    ]
    _, found = read(csv_of(table, tmp_path / "clocks.csv"), tmp_path)
    true = truth.set_index("id").loc[found.shipments["shipment_id"], "ordered"]
    clock = found.shipments["ordered_at"].dt.tz_convert(HOME).dt.strftime("%Y-%m-%d %H:%M")
    assert any(ends)
    assert clock.tolist() == written(true, "%Y-%m-%d %H:%M")


def test_parcels_that_the_carrier_does_not_tell_stay(tmp_path: Path) -> None:
    # A report of what arrived has none of what did not: the orders are what there is.
    truth = parcels(5, 200)
    orders = plain(truth).drop(columns="delivered_on").rename(columns={"order_id": "tracking"})
    arrived = truth[truth["delivered"].notna()]
    report = pd.DataFrame(
        {"tracking number": arrived["id"], "delivered at": written(arrived["delivered"], DAY)}
    )
    files = csv_of(orders, tmp_path / "orders.csv") + csv_of(report, tmp_path / "arrived.csv")
    _, found = read(files, tmp_path)
    assert len(found.shipments) == len(truth) > len(arrived)
    assert found.milestones["delivered_at"].notna().sum() == len(arrived)


def test_a_weight_without_a_unit_stops_nothing(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    table = plain(truth).assign(weight=(truth["kg"] * 1000).round().astype(int))
    found, told = read(csv_of(table, tmp_path / "grams.csv"), tmp_path)
    assert "weight_kg" not in told.shipments
    assert "# weight_kg = " in (found.text or "")
    assert "are they g, kg, lb or oz" in found.to_text()


def test_a_state_that_no_change_dates_is_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    states = pd.DataFrame(
        {
            "tracking": truth["id"],
            "created at": written(truth["picked"], CLOCK),
            "status": ["delivered"] * len(truth),
        }
    )
    files = csv_of(orders, tmp_path / "orders.csv") + csv_of(states, tmp_path / "states.csv")
    found = check(files, write_mapping=tmp_path / "mapping.toml", quality=False)
    assert found.proposal is not None
    assert any("each parcel has one status" in one for one in found.proposal.questions)


def test_days_in_both_orders_in_one_column_are_refused_by_name(tmp_path: Path) -> None:
    truth = parcels(5, 150)
    table = plain(truth).assign(
        ordered_at=[
            time.strftime("%d/%m/%Y" if n % 2 else "%m/%d/%Y")
            for n, time in enumerate(truth["ordered"])
        ]
    )
    found = check(csv_of(table, tmp_path / "both.csv"), quality=False)
    assert found.proposal is not None
    assert any("most others could be either" in one for one in found.proposal.questions)


def test_an_order_that_was_closed_is_not_read_beside_events(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = plain(truth).assign(completed_date=written(truth["picked"], DAY))
    orders = orders.drop(columns="delivered_on")
    arrived = truth[truth["delivered"].notna()]
    events = pd.DataFrame(
        {
            "parcel": arrived["id"],
            "event_time": stamps(arrived["delivered"], arrived["zone"]),
            "event": "delivered",
        }
    )
    files = csv_of(orders, tmp_path / "orders.csv") + csv_of(events, tmp_path / "events.csv")
    found, told = read(files, tmp_path)
    true = truth.set_index("id").loc[told.shipments["shipment_id"]]
    assert local_dates(told.milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    assert found.proposal is not None
    assert any("the events tell deliveries" in one for one in found.proposal.told)


def test_an_order_that_was_closed_is_told(tmp_path: Path) -> None:
    table = plain(parcels(5, 60)).rename(columns={"delivered_on": "completed_date"})
    found = check(csv_of(table, tmp_path / "closed.csv"), quality=False)
    assert found.proposal is not None
    assert any("when it is sent" in one for one in found.proposal.told)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "cut or damaged"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "page of the web"),
    ],
)
def test_what_is_only_called_a_workbook_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "export.xls").write_bytes(content)
    with pytest.raises(ContractError, match=message):
        check([tmp_path / "export.xls"], quality=False)


def test_an_archive_that_is_cut_is_refused(tmp_path: Path) -> None:
    [path] = zipped(parcels(5, 60), tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ContractError, match="archive"):
        check([path], quality=False)


def test_a_date_of_delivery_goes_before_a_state(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    ends = stamps(truth["delivered"], truth["zone"])
    records = [
        {
            "name": f"#{n}",
            "createdAt": ordered,
            "shippingAddress": {"zip": row.postcode, "countryCodeV2": row.country},
            "fulfillments": [
                {
                    "createdAt": picked,
                    "deliveredAt": delivered,
                    "displayStatus": "DELIVERED" if delivered else "IN_TRANSIT",
                    "trackingInfo": [{"company": row.carrier, "number": row.id}],
                }
            ],
        }
        for n, (row, ordered, picked, delivered) in enumerate(
            zip(
                truth.itertuples(),
                stamps(truth["ordered"], HOME),
                stamps(truth["picked"], HOME),
                ends,
                strict=True,
            )
        )
    ]
    _, found = read(json_of(records, tmp_path / "bulk.json"), tmp_path)
    true = truth.set_index("id").loc[found.shipments["shipment_id"]]
    assert local_dates(found.milestones["delivered_at"], true["zone"]) == dates(true["delivered"])


def test_a_carriers_number_goes_before_a_systems_own(tmp_path: Path) -> None:
    table = plain(parcels(5, 60)).rename(columns={"order_id": "Tracking number"})
    table.insert(0, "Parcel ID", [str(1000 + n) for n in range(len(table))])
    found = check(csv_of(table, tmp_path / "parcels.csv"), quality=False)
    assert found.proposal is not None
    assert found.proposal.columns["shipment_id"].column == "Tracking number"


def test_codes_of_which_no_list_is_published_are_told_so(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    events = pd.DataFrame(
        {
            "awb": [*truth["id"], *truth["id"]],
            "date": written(truth["picked"], CLOCK) * 2,
            "code": ["SH012"] * len(truth) + ["SH005"] * len(truth),
        }
    )
    files = csv_of(orders, tmp_path / "orders.csv") + csv_of(events, tmp_path / "events.csv")
    found = check(files, write_mapping=tmp_path / "mapping.toml", quality=False)
    assert found.proposal is not None
    assert found.proposal.vocabulary == "aramex"
    assert any("publishes no list" in one for one in found.proposal.told)
