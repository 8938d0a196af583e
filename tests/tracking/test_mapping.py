"""Mappings: what they refuse, what they do to values, and that every row is accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.tracking import history
from etapromise.tracking.mapped import mapped_tables
from etapromise.tracking.mapped_columns import plain_ids
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.tables import read_shipments
from etapromise.tracking.tracked import read
from etapromise.training.training import train

ORDERS = pd.DataFrame(
    {
        "No": ["A1", "A2", "A3"],
        "Placed": ["05.02.2026 10:00", "06.02.2026 23:30", "07.02.2026 08:15"],
        "Sent": ["05.02.2026", "", "07.02.2026"],
        "Arrived": ["07.02.2026", "-", ""],
        "Zip": ["10115", "80331", "20095"],
        "Weight": ["1,5 kg", "800 g", "heavy"],
    }
)
GOOD = """
[shipments]
files = ["orders.csv"]
time_zone = "Europe/Berlin"
[shipments.columns]
shipment_id = "No"
ordered_at = { column = "Placed", format = "%d.%m.%Y %H:%M" }
origin = { value = "x" }
destination = "Zip"
destination_country = { value = "DE" }
weight_kg = { column = "Weight", decimal = "," }
[shipments.milestones]
picked_up = { column = "Sent", format = "%d.%m.%Y" }
delivered = { column = "Arrived", format = "%d.%m.%Y" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_milestones_are_scans_and_blanks_are_none(folder: Path) -> None:
    found = history(mapping=written(folder, GOOD))
    assert found.shipments["ordered_at"].tolist() == [
        pd.Timestamp("2026-02-05T09:00Z"),
        pd.Timestamp("2026-02-06T22:30Z"),
        pd.Timestamp("2026-02-07T07:15Z"),
    ]
    assert found.shipments["weight_kg"].tolist()[:2] == [1.5, 0.8]
    assert pd.isna(found.shipments["weight_kg"][2])
    assert any(note.column == "weight_kg" for note in found.shipment_notes)
    assert sorted(found.scans["status"]) == ["delivered", "picked_up", "picked_up"]
    arrived = found.milestones["delivered_at"].dt.tz_convert("Europe/Berlin").dt.date
    assert str(arrived[0]) == "2026-02-07"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"No"', '"Noo"', "did you mean 'No'"),
        ('column = "Sent"', 'column = "Shipped"', "'Shipped', which the shipments do not have"),
        ('"%d.%m.%Y %H:%M"', '"?"', "still open"),
        ('"%d.%m.%Y %H:%M"', '"dd.mm.yyyy"', "expected one such as"),
        ('destination = "Zip"', 'destination = ["Zip", "PLZ"]', "names 2 columns for one thing"),
        ('destination = "Zip"', 'destination = "Zip"\ndestination = "PLZ"', "one thing"),
        ('destination = "Zip"', 'destinaton = "Zip"', "did you mean 'destination'"),
        ('destination = "Zip"', "", "lacks destination"),
        ("delivered =", "deliverd =", "did you mean 'delivered'"),
        ("Europe/Berlin", "CET+1", "IANA"),
        ("[shipments]", "[shipment]", "did you mean 'shipments'"),
        ("files =", "flies =", "did you mean 'files'"),
        ('decimal = ","', "decimal = 1", "expected text"),
        ("= {", "= {{", "no valid TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_remedy(
    folder: Path, before: str, after: str, message: str
) -> None:
    assert before in GOOD
    with pytest.raises(ContractError, match=message):
        history(mapping=written(folder, GOOD.replace(before, after, 1)))


def test_neither_scans_nor_milestones_are_refused(folder: Path) -> None:
    text = GOOD[: GOOD.index("[shipments.milestones]")]
    with pytest.raises(ContractError, match="without scans and without milestones"):
        history(mapping=written(folder, text))


def test_a_table_can_take_the_place_of_the_files(folder: Path) -> None:
    mapping = read_mapping(written(folder, GOOD))
    orders, scans = mapped_tables(mapping, ORDERS.iloc[:1])
    assert len(orders.rows) == 1
    assert scans is not None
    assert len(scans.rows) == 2


def test_a_mapping_stands_beside_a_calendar(folder: Path) -> None:
    text = GOOD + '\n[[closures]]\ndays = ["2026-12-24"]\n'
    path = written(folder, text)
    assert len(CalendarFile.read(path).closures) == 1
    assert len(history(mapping=path).shipments) == 3


def test_a_value_in_another_format_is_rejected_with_its_value(folder: Path) -> None:
    table = ORDERS.assign(Placed=["05.02.2026 10:00", "last Friday", "07.02.2026 08:15"])
    table.to_csv(folder / "orders.csv", index=False)
    found = history(mapping=written(folder, GOOD))
    rejects = found.shipment_rejects
    assert rejects[["reason", "value", "row"]].to_numpy().tolist() == [
        ["unreadable_ordered_at", "last Friday", 1]
    ]
    assert "format" in rejects["remedy"][0]


def test_several_ids_in_one_cell_are_several_parcels(folder: Path) -> None:
    ORDERS.assign(No=["A1, A2", "A3", "A4;A5"]).to_csv(folder / "orders.csv", index=False)
    text = GOOD.replace('"No"', '{ column = "No", split = "," }')
    orders, scans = mapped_tables(written(folder, text))
    assert orders.contract["shipment_id"].to_pylist() == ["A1", "A2", "A3", "A4;A5"]
    assert orders.rows.tolist() == [0, 0, 1, 2]
    assert scans is not None
    assert scans.contract["shipment_id"].to_pylist()[:2] == ["A1", "A2"]


def test_ids_without_what_does_not_count() -> None:
    ids = pa.chunked_array([["  00-a 1.0", "B2", "000"]])
    assert plain_ids(ids, ()).to_pylist() == ["  00-a 1.0", "B2", "000"]
    every = ("case", "blanks", "zeros", "fraction", "symbols")
    assert plain_ids(ids, every).to_pylist() == ["A1", "B2", "0"]
    assert plain_ids(ids, ("prefix",)).to_pylist() == ["00-a 1.0", "2", "000"]
    wide = pa.chunked_array([["\uff21\uff22\uff0d\uff11\uff12"]])
    assert plain_ids(wide, ("width",)).to_pylist() == ["AB-12"]


def scans_like(ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"shipment_id": ids, "scanned_at": "2026-02-06T10:00Z", "status": "picked_up"}
    )


def shipments_like(ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shipment_id": ids,
            "ordered_at": "2026-02-05T10:00Z",
            "origin": "1",
            "destination": "10115",
        }
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        ("0034{}", "34{}", "leading zeros"),
        ("ab{}", "AB{}", "upper and lower case"),
        ("A-{}", "A{}", "signs"),
        ("A {}", "A{}", "blanks"),
        ("AB\uff0d{}", "AB-{}", "full-width characters"),
        ("MX-{}", "{}", "before the first digit"),
    ],
)
def test_ids_that_match_but_for_their_writing_are_told(ours: str, theirs: str, apart: str) -> None:
    orders = shipments_like([ours.format(n) for n in range(100, 130)])
    scans = scans_like([theirs.format(n) for n in range(100, 130)])
    with pytest.raises(ContractError, match=apart):
        history(orders, scans)


def test_scans_of_no_shipment_are_refused() -> None:
    with pytest.raises(ContractError, match="none of the 2 scans"):
        history(shipments_like(["a", "b"]), scans_like(["q", "r"]))


def test_one_stranger_is_rejected_and_counted() -> None:
    found = history(shipments_like(["a", "b"]), scans_like(["a", "r"]))
    assert found.scan_rejects["reason"].tolist() == ["unknown_shipment"]
    assert len(found.scans) == 1


def test_too_many_rejects_stop_training() -> None:
    orders = shipments_like([f"s{n}" for n in range(10)])
    scans = scans_like([f"s{n}" for n in range(10)])
    scans.loc[:2, "status"] = "teleported"
    with pytest.raises(ContractError, match=r"3 of 10 scans were rejected.*teleported"):
        train(orders, scans, as_of="2026-03-01")


def test_scans_of_no_order_that_differ_in_writing_alone_are_told() -> None:
    numbers = [f"0{n}" for n in range(100, 120)]
    scans = scans_like([*numbers[:15], "115", "116", "117"])
    found = history(shipments_like(numbers), scans)
    [told] = [str(note) for note in found.scan_notes if note.reason == "near_shipment_id"]
    assert "3 scans are of no shipment, but 100 % of them match but for leading zeros" in told
    with pytest.raises(ContractError, match=r"3 of 18 .* ignore = \['zeros'\]"):
        read(
            shipments_like(numbers),
            scans_like([*numbers[:15], "115", "116", "117"]),
            max_rejects=0.1,
        )
    strangers = history(shipments_like(numbers), scans_like([*numbers[:15], "x", "y"]))
    assert not any(note.reason == "near_shipment_id" for note in strangers.scan_notes)


def test_of_several_ways_of_writing_those_that_matter_are_told() -> None:
    orders, scans = shipments_like(["BR-10-A", "BR-11-B"]), scans_like(["br10a", "br11b"])
    with pytest.raises(ContractError, match=r"ignore = \['case', 'symbols'\]"):
        history(orders, scans)


def test_a_spreadsheets_number_with_a_comma_is_no_id() -> None:
    found = read_shipments(shipments_like(["4,2E+17", "9", "1,2E+05"]))
    assert found.rejects["reason"].tolist() == ["unreadable_shipment_id"]
    assert found.accepted["shipment_id"].tolist() == ["9", "120000"]


def test_a_column_that_some_files_lack_is_told(tmp_path: Path) -> None:
    for name, table in (
        ("a", shipments_like(["a", "b"])),
        ("b", shipments_like(["c"]).assign(weight_kg=1.5)),
    ):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    [told] = [
        str(note) for note in read_shipments(tmp_path).notes if note.reason == "lacking_column"
    ]
    assert told.startswith("weight_kg: 2 rows have none")


def test_a_column_near_a_known_one_is_told() -> None:
    orders = shipments_like(["a"]).assign(carier="acme", destination_state="BY", dest_contry="DE")
    notes: list[Any] = list(read_shipments(orders).notes)
    told = {note.column: note.told for note in notes if note.reason == "unknown_column"}
    assert "did you mean 'carrier'" in told["carier"]
    assert "did you mean 'destination_country'" in told["dest_contry"]
