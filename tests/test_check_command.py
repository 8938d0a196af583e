"""From own files over `check` and its mapping to other commands, and what they tell of the rows."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from etapromise.cli import main
from tests.tracking.own_shapes import SHAPES, parcels


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    files = SHAPES["spreadsheet_pl"](parcels(7), tmp_path / "data")
    path = tmp_path / "mapping.toml"
    found = run("check", *files, "--write-mapping", path, "--no-quality")
    assert found.exit_code == 0, found.output
    assert "Data doręczenia" in found.stdout
    assert "400 accepted, 0 rejected" in found.stdout
    return path


def test_a_proposed_mapping_is_used_from_another_place(mapping: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.csv"
    found = run("scorecard", "--mapping", mapping, "--as-of", "2025-06-15", "--out", out)
    assert found.exit_code == 0, found.output
    assert "shipments: 400 accepted, 0 rejected" in found.stderr
    assert pd.read_csv(out)["carrier"].nunique() == 3
    again = run("check", "--mapping", mapping, "--no-quality", "--json")
    assert again.exit_code == 0
    facts = json.loads(again.stdout)
    assert facts["accounts"]["shipments"]["accepted"] == 400
    assert facts["signs"]["statuses"]["picked_up"] == 400


def test_rejects_are_written_beside_the_output_and_too_many_stop(
    mapping: Path, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "zamowienia.csv"
    lines = path.read_bytes().decode("cp1250").splitlines()
    order, _, rest = (line := lines[5]).split(";", 2)
    lines[5] = f"{order};wczoraj;{rest}"
    path.write_bytes("\n".join(lines).encode("cp1250"))
    out = tmp_path / "card.html"
    found = run("scorecard", "--mapping", mapping, "--as-of", "2025-06-15", "--out", out)
    assert found.exit_code == 0, found.output
    rejects = pd.read_parquet(tmp_path / "card.rejects.parquet")
    assert str(tmp_path / "card.rejects.parquet") in found.stderr
    assert rejects[["reason", "value", "row"]].to_numpy().tolist() == [
        ["unreadable_ordered_at", "wczoraj", 4]
    ], line
    lines[1:201] = [one.replace(one.split(";")[1], "wczoraj") for one in lines[1:201]]
    path.write_bytes("\n".join(lines).encode("cp1250"))
    options = ("--mapping", mapping, "--as-of", "2025-06-15", "--out", tmp_path / "models")
    stopped = run("train", *options)
    assert stopped.exit_code == 1
    assert "200 of 400 shipments were rejected" in stopped.stderr
    assert "--max-rejects" in stopped.stderr
    assert len(pd.read_parquet(tmp_path / "models" / "rejects.parquet")) == 200


def test_what_is_open_is_told_by_the_exit_code(tmp_path: Path) -> None:
    pd.DataFrame(
        {"order": ["a", "b"], "order date": ["01/02/2026"] * 2, "zip": ["1010", "2020"]}
    ).to_csv(tmp_path / "orders.csv", index=False)
    found = run("check", tmp_path / "orders.csv", "--no-quality")
    assert found.exit_code == 3
    assert "day and month" in found.stdout


def test_the_option_is_named_as_the_command_has_it(tmp_path: Path) -> None:
    orders = pd.DataFrame(
        {
            "shipment_id": ["a"],
            "ordered_at": ["2026-01-02T10:00"],
            "origin": ["1"],
            "destination": ["2"],
        }
    )
    scans = pd.DataFrame(
        {"shipment_id": ["a"], "scanned_at": ["2026-01-03T10:00"], "status": ["delivered"]}
    )
    orders.to_csv(tmp_path / "o.csv", index=False)
    scans.to_csv(tmp_path / "s.csv", index=False)
    found = run(
        *("scorecard", "--shipments", tmp_path / "o.csv", "--scans", tmp_path / "s.csv"),
        *("--as-of", "2026-02-01", "--out", tmp_path / "x.csv"),
    )
    assert found.exit_code == 1
    assert "--time-zone" in found.stderr
    assert "naive_time_zone" not in found.stderr


def test_a_page_is_written_also_of_what_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("nonsense = 3\n", encoding="utf-8")
    page = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["check", "--mapping", str(bad), "--html", str(page)])
    assert done.exit_code == 3, done.output
    assert "has no table [shipments]" in page.read_text(encoding="utf-8")
    nowhere = CliRunner().invoke(main, ["check", "--mapping", str(bad), "--html", str(tmp_path)])
    assert nowhere.exit_code in {1, 2}
    assert "fault of etapromise" not in nowhere.output


@pytest.mark.parametrize(("name", "held"), [("a.parquet", b"garbage"), ("b.arrow", b"ARROW1garb")])
def test_a_damaged_file_is_named(name: str, held: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(held)
    for asked in (tmp_path / name, tmp_path):
        done = run("check", asked)
        assert done.exit_code in {1, 3}
        assert name in done.output
        assert "fault of etapromise" not in done.output


def german_orders(heading: str, weights: list[str]) -> pd.DataFrame:
    count = len(weights)
    return pd.DataFrame(
        {
            "Bestellnummer": [f"B{n}" for n in range(count)],
            "Bestelldatum": ["13.01.2026 09:12"] * count,
            "Status": ["versendet", "storniert"] * (count // 2),
            "Firma": ["DHL Paket", "Hermes"] * (count // 2),
            "PLZ": ["10115"] * count,
            "Land": ["Deutschland"] * count,
            heading: weights,
        }
    )


@pytest.mark.parametrize(
    ("heading", "weights", "unit"),
    [
        ("Gewicht (g)", ["450", "1200"], "g"),
        ("Gewicht in g netto", ["450", "1200"], "g"),
        ("weight [lbs]", ["2", "3"], "lb"),
        ("Gewicht kg", ["450", "1200"], "kg"),
        ("Gewicht", ["450", "1200"], None),
        ("Gewicht", ["1,5", "0,8"], "kg"),
    ],
)
def test_what_values_tell_of_carriers_units_and_cancelled_orders(
    heading: str, weights: list[str], unit: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    german_orders(heading, weights * 10).to_csv(file, sep=";", index=False)
    written = tmp_path / "mapping.toml"
    done = run("check", file, "--write-mapping", written, "--no-quality")
    found = tomllib.loads(written.read_text(encoding="utf-8"))["shipments"]["columns"]
    assert found["carrier"] == "Firma"
    assert found.get("weight_kg", {}).get("unit") == unit
    assert "Status has values such as 'storniert'" in done.stdout
    if unit is None:
        assert "are they g, kg, lb or oz?" in done.stdout


def test_without_a_carrier_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    german_orders("Gewicht kg", ["1", "2"] * 10).drop(columns="Firma").to_csv(file, index=False)
    assert "no column tells the carrier" in run("check", file, "--no-quality").stdout
