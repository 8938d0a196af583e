"""Own tables looked at from Python: orders beside their parcels, feeds that lie, calendars."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import etapromise
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.cli import main
from etapromise.errors import ContractError
from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from tests.tracking.own_shapes import HOME, aware, parcels


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """Orders of up to three parcels, the parcels that name them, and their events newest first."""
    sent = parcels(5, 300)
    number = [f"PL/{place // 3}" for place in range(len(sent))]
    orders = pd.DataFrame(
        {
            "Order number": number,
            "Created at": aware(sent["ordered"], HOME),
            "Postal code": sent["postcode"],
            "Country": sent["country"],
        }
    ).drop_duplicates("Order number")
    boxes = pd.DataFrame(
        {"order": number, "tracking_number": sent["id"], "carrier": sent["carrier"]}
    )
    events = pd.concat(
        [
            pd.DataFrame({"parcel": sent["id"], "when": sent[column], "code": code}).dropna()
            for column, code in (("picked", "Z7"), ("delivered", "Z9"))
        ]
    ).sort_values("when", ascending=False)
    events["when"] = events["when"].dt.strftime("%d.%m.%Y %H:%M")
    files = [tmp_path / name for name in ("orders.csv", "parcels.csv", "events.csv")]
    for table, path in zip((orders, boxes, events), files, strict=True):
        table.to_csv(path, index=False)
    return files


def filled(mapping: str) -> str:
    """With the one answer that is asked: half of all scans are Z7, which nobody knows."""
    assert mapping.count('= "?"') == 1
    return mapping.replace('"Z7" = "?"', '"Z7" = "picked_up"')


def test_orders_are_joined_with_their_parcels(tables: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    found = etapromise.check(tables, write_mapping=path, quality=False)
    assert found.proposal is not None
    assert found.proposal.shipments.joins == (
        {"files": ["orders.csv"], "on": "order", "to": "Order number"},
    )
    # The last in time, not in the file, is the delivery.
    statuses = {code: one[0] for code, one in found.proposal.statuses.items()}
    assert statuses == {"Z9": "delivered", "Z7": "?"}
    path.write_text(filled(path.read_text()))
    tracked = history(mapping=path)
    sent = parcels(5, 300)
    assert len(tracked.shipments) == 300
    assert not len(tracked.shipment_rejects)
    assert tracked.shipments.groupby("order_id").size().max() == 3
    ordered = tracked.shipments.set_index("shipment_id")["ordered_at"].loc[sent["id"]]
    first = pd.Series(aware(sent["ordered"], HOME)).groupby([n // 3 for n in range(300)])
    expected = first.transform("first")
    assert (
        ordered.dt.floor("min").to_numpy()
        == pd.DatetimeIndex([one.tz_convert("UTC") for one in expected]).to_numpy()
    ).all()
    arrived = tracked.milestones["delivered_at"].notna().sum()
    assert arrived == sent["delivered"].notna().sum()


def test_a_join_that_cannot_be_is_told(tables: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    etapromise.check(tables, write_mapping=path, quality=False)
    whole = filled(path.read_text())
    for change, words in (
        (('on = "order"', 'on = "oder"'), "did you mean 'order'"),
        (('to = "Order number"', 'to = "Order"'), "joined table"),
        (('to = "Order number"', 'two = "Order"'), "not known"),
        (('on = "order"', ""), "lacks on"),
    ):
        path.write_text(whole.replace(*change))
        with pytest.raises(ContractError, match=words):
            history(mapping=path)
    path.write_text(whole)
    orders = pd.read_csv(tables[0])
    orders.iloc[3:].to_csv(tables[0], index=False)
    told = history(mapping=path)
    assert any("9 have no row in the other table's" in str(note) for note in told.shipment_notes)
    assert len(told.shipment_rejects) == 9


def test_what_was_found_can_be_read_shown_and_written(tables: list[Path], tmp_path: Path) -> None:
    found = etapromise.check(tables, quality=False)
    assert not found.ready
    json.dumps(found.as_dict(), default=str)
    assert "is joined with" in found.to_text()
    page = html.unescape(found.to_html())
    assert page.startswith("<!doctype html>")
    assert "Order number" in page
    said = [line for line in found.to_text().splitlines() if re.search(r"^  \w+ {2,}", line)]
    assert said
    assert not [line for line in said if line in page]  # columns have a table there
    for question in found.proposal.questions:
        assert page.count(question) == 1
    assert found.write_mapping(tmp_path / "m.toml").read_text() == found.text
    for wrong in ({}, {"files": tables, "mapping": tmp_path / "m.toml"}):
        with pytest.raises(ContractError, match="neither files nor a mapping"):
            etapromise.check(**wrong)  # type: ignore[arg-type]
    out = CliRunner().invoke(
        main, ["check", *map(str, tables), "--no-quality", "--html", str(tmp_path / "c.html")]
    )
    assert out.exit_code == 3, out.output  # something is to be answered
    assert "<table" in (tmp_path / "c.html").read_text()


def test_a_feed_of_local_times_marked_as_utc_is_told_by_check(tmp_path: Path) -> None:
    sent = parcels(8, 300).assign(country="AU", postcode="2000")
    sent = sent.assign(id=[f"X{place:08d}" for place in range(300)])
    table = pd.DataFrame(
        {
            "tracking_number": sent["id"],
            "ordered_at": sent["ordered"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "zip": sent["postcode"],
            "country": sent["country"],
            "carrier": "acme",
            "delivered_at": sent["delivered"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    found = etapromise.check(tmp_path / "t.csv", quality=False)
    assert "local ones marked as UTC" in found.to_text()


@pytest.mark.parametrize(
    ("postcodes", "country"),
    [
        (["M5V 2T6", "V6B 1A1"], "CA"),
        (["1012 AB", "3511 LX"], "NL"),
        (["100-0001", "530-0001"], "JP"),
        (["00-950", "31-042"], "PL"),
        (["01310-100", "20040-020"], "BR"),
        (["10115", "80331"], None),
        (["1010", "8010"], None),
    ],
)
def test_a_country_that_no_column_tells(
    postcodes: list[str], country: str | None, tmp_path: Path
) -> None:
    sent = parcels(3, 60)
    table = pd.DataFrame(
        {
            "tracking_number": sent["id"],
            "ordered_at": aware(sent["ordered"], HOME),
            "zip": [postcodes[place % 2] for place in range(len(sent))],
            "delivered_at": sent["delivered"].dt.strftime("%Y-%m-%d"),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    found = etapromise.check(tmp_path / "t.csv", quality=False)
    assert found.proposal is not None
    proposed: Any = found.proposal.columns.get("destination_country")
    assert (proposed and proposed.details["value"]) == country
    assert ("no column tells the country" in found.to_text()) is (country is None)


def test_a_calendar_in_the_mapping_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('[shipments.columns]\nshipment_id = "a"\n')
    assert CalendarFile.within(path) is None
    assert CalendarFile.within(None) is None
    path.write_text(path.read_text() + '[[closures]]\ndays = ["2026-12-24"]\n')
    found = CalendarFile.within(path)
    assert found is not None
    assert len(found.closures) == 1
    path.write_text(path.read_text().replace("closures", "closure"))
    with pytest.raises(ContractError, match="mean 'closures'"):
        CalendarFile.within(path)


def test_a_japanese_export_in_shift_jis(tmp_path: Path) -> None:
    sent = parcels(1, 300)
    table = pd.DataFrame(
        {
            "注文番号": sent["id"],
            "注文日時": sent["ordered"].dt.strftime("%Y/%m/%d %H:%M"),
            "発送日": sent["picked"].dt.strftime("%Y/%m/%d"),
            "お届け日": sent["delivered"].dt.strftime("%Y/%m/%d"),
            "郵便番号": "530-0001",
            "配送業者": "ヤマト運輸",
        }
    )
    (tmp_path / "t.csv").write_bytes(table.to_csv(index=False).encode("cp932"))
    found = etapromise.check(tmp_path / "t.csv", quality=False)
    assert found.ready, found.failure
    assert found.proposal is not None
    assert found.proposal.settings["time_zone"][0] == "Asia/Tokyo"
    assert found.history is not None
    arrived = found.history.milestones["delivered_at"].dt.tz_convert("Asia/Tokyo").dt.date
    there = sent["delivered"].notna()
    assert (arrived[there] == sent["delivered"][there].dt.date).all()


def test_times_with_an_abbreviation_are_told_by_their_column(tmp_path: Path) -> None:
    sent = parcels(1, 60)
    table = pd.DataFrame(
        {
            "tracking_number": sent["id"],
            "order date": sent["ordered"].dt.strftime("%m/%d/%Y %I:%M %p EST"),
            "delivered": sent["delivered"].dt.strftime("%Y-%m-%d"),
            "zip": "10001",
            "country": "United States",
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    found = etapromise.check(tmp_path / "t.csv", quality=False)
    assert not found.ready
    text = found.to_text()
    assert "EST behind the clock do not say where, all year a clock without summer time" in text
    assert "on whose clock are the times" in text


@pytest.mark.parametrize(
    ("factor", "rows", "told"),
    [
        (1.0, 0, None),
        (1000.0, 9, "9 of 300 weights lie far from the others"),
        (1000.0, 300, "half of the weights are"),
        (0.0, 4, "4 weights are 0"),
    ],
)
def test_check_tells_weights_that_lie_apart(
    factor: float, rows: int, told: str | None, tmp_path: Path
) -> None:
    truth = parcels(6, 300)
    kilograms = truth["kg"].to_numpy(copy=True)
    kilograms[:rows] *= factor
    own = pd.DataFrame(
        {
            "shipment_id": truth["id"],
            "ordered_at": [time.isoformat() for time in aware(truth["ordered"], HOME)],
            "origin": "80-001",
            "destination": truth["postcode"],
            "destination_country": truth["country"],
            "carrier": truth["carrier"],
            "weight kg": kilograms,
            "delivered": [t if pd.isna(t) else t.date() for t in truth["delivered"]],
        }
    )
    own.to_csv(tmp_path / "own.csv", index=False)
    said = check([tmp_path / "own.csv"], quality=False).to_text()
    assert ("weight: " in said) == (told is not None)
    assert told is None or told in said
    assert factor != 1000.0 or rows == 300 or 'unit = "g"' in said
