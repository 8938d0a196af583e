"""Own tables in many shapes: the mapping that is proposed reads every parcel's true dates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from etapromise.tracking.contract import STATUSES
from tests.tracking.own_shapes import HOME, SHAPES, parcels

# What these shapes do not hold.
WITHOUT_CARRIER = {"twelve_hours", "epochs", "excel_serials", "line_items"}


def local_dates(times: pd.Series[Any], zones: Any) -> list[Any]:
    zones = [zones] * len(times) if isinstance(zones, str) else list(zones)
    return [
        None if pd.isna(t) else t.tz_convert(zone).date()
        for t, zone in zip(times, zones, strict=True)
    ]


def dates(times: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(t) else t.date() for t in times]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_proposed_mapping_reads_the_true_dates(shape: str, seed: int, tmp_path: Path) -> None:
    truth = parcels(seed)
    mapping = tmp_path / "mapping.toml"
    found = check(SHAPES[shape](truth, tmp_path), write_mapping=mapping, quality=False)
    assert found.failure is None, found.failure
    mapping.write_text(found.text or "", encoding="utf-8")
    read = history(mapping=mapping)
    for account in read.accounts:
        assert len(account.rejects) == 0
    own = read.shipments["shipment_id"].isin(truth["id"])
    assert own.sum() == len(truth)
    order = pd.Index(truth["id"]).get_indexer(read.shipments["shipment_id"][own])
    true = truth.iloc[order]
    ordered = read.shipments["ordered_at"][own]
    if shape == "epochs":
        # Two parcels of one order, placed when the first was.
        assert set(local_dates(ordered, HOME)) <= set(dates(truth["ordered"]))
    else:
        assert local_dates(ordered, HOME) == dates(true["ordered"])
        assert (read.shipments["destination_country"][own] == true["country"].to_numpy()).all()
        zones = read.shipments["destination_time_zone"][own]
        assert (zones == true["zone"].to_numpy()).all()
    milestones = read.milestones[own.to_numpy()]
    assert local_dates(milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    if shape not in WITHOUT_CARRIER:
        assert read.shipments["carrier"].nunique() == truth["carrier"].nunique()
    if shape in {"spreadsheet_pl", "twelve_hours"}:
        assert np.allclose(read.shipments["weight_kg"], true["kg"], atol=1e-3)


def test_line_items_are_folded_and_cancelled_orders_closed(tmp_path: Path) -> None:
    truth = parcels(3)
    mapping = tmp_path / "mapping.toml"
    found = check(SHAPES["line_items"](truth, tmp_path), write_mapping=mapping, quality=False)
    mapping.write_text(found.text or "", encoding="utf-8")
    read = history(mapping=mapping)
    rows = len((tmp_path / "pedidos.csv").read_text().splitlines()) - 1
    account = read.accounts[0]
    assert account.accepted + len(account.rejects) + account.left_aside == rows
    assert account.left_aside == 100
    assert (read.milestones["closed_as"] == "cancelled").sum() == 10


def test_what_the_data_do_not_tell_is_asked(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "order id": ["a", "b", "c"],
            "order date": ["03/04/2026 10:00", "05/06/2026 11:00", "07/08/2026 12:00"],
            "zip": ["1010", "2020", "3030"],
            "delivered": ["05/04/2026", "07/06/2026", "09/08/2026"],
        }
    ).to_csv(tmp_path / "orders.csv", index=False)
    found = check([tmp_path / "orders.csv"], quality=False)
    assert found.proposal is not None
    asked = " ".join(found.proposal.questions)
    assert "day and month" in asked
    assert "03/04/2026 10:00" in asked
    assert "clock" in asked
    assert 'format = "?"' in (found.text or "")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(found.text or "", encoding="utf-8")
    with pytest.raises(ValueError, match="still open"):
        history(mapping=mapping)


def test_ids_that_differ_in_writing_are_matched_by_the_proposal(tmp_path: Path) -> None:
    truth = parcels(4, 60)
    orders = pd.DataFrame(
        {
            "order": truth["id"],
            "created": [t.tz_localize(HOME).isoformat() for t in truth["ordered"]],
            "zip": truth["postcode"],
            "country": truth["country"],
        }
    )
    scans = pd.DataFrame(
        {
            "barcode": truth["id"].astype("int64"),
            "time": [t.tz_localize(HOME).isoformat() for t in truth["picked"]],
            "status": "picked_up",
        }
    )
    scans.loc[0, "status"] = "delivered"
    orders.to_csv(tmp_path / "orders.csv", index=False)
    scans.to_csv(tmp_path / "scans.csv", index=False)
    mapping = tmp_path / "mapping.toml"
    found = check(
        [tmp_path / "orders.csv", tmp_path / "scans.csv"], write_mapping=mapping, quality=False
    )
    assert found.proposal is not None
    assert found.proposal.ids is not None
    assert found.proposal.ids.ignore == ("zeros",)
    mapping.write_text(found.text or "", encoding="utf-8")
    read = history(mapping=mapping)
    assert len(read.scans) == len(scans)


def test_codes_without_a_meaning_are_counted(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    orders = pd.DataFrame(
        {
            "shipment_id": truth["id"],
            "ordered_at": [t.tz_localize(HOME).isoformat() for t in truth["ordered"]],
            "destination": truth["postcode"],
            "destination_country": truth["country"],
        }
    )
    scans = pd.concat(
        [
            pd.DataFrame(
                {
                    "shipment_id": truth["id"],
                    "scanned_at": [t.tz_localize(HOME).isoformat() for t in truth[name]],
                    "status": code,
                }
            )
            for name, code in (("picked", "collected"), ("picked", "QX7"))
        ]
    )
    scans.iloc[:30, 2] = "zugestellt"
    orders.to_csv(tmp_path / "o.csv", index=False)
    scans.to_csv(tmp_path / "s.csv", index=False)
    found = check([tmp_path / "o.csv", tmp_path / "s.csv"], quality=False)
    assert found.proposal is not None
    meanings = {code: status for code, (status, _, _) in found.proposal.statuses.items()}
    # Nearly every parcel ends with it, so that it must be asked for.
    assert meanings == {"collected": "picked_up", "zugestellt": "delivered", "QX7": "?"}
    [question] = found.proposal.questions
    assert "'QX7' (80 scans)" in question
    assert "such as" in question
    assert found.history is None


def events(truth: pd.DataFrame, codes: tuple[str, str, str]) -> pd.DataFrame:
    steps = (truth["picked"], truth["picked"] + pd.Timedelta(hours=9), truth["delivered"])
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "tracking": truth["id"],
                    "date": [None if pd.isna(t) else t.isoformat() + "Z" for t in times],
                    "event": code,
                }
            ).dropna()
            for times, code in zip(steps, codes, strict=True)
        ],
        ignore_index=True,
    )


def written_orders(truth: pd.DataFrame, folder: Path) -> Path:
    orders = pd.DataFrame(
        {
            "order_id": truth["id"],
            "created_at": [t.isoformat() + "Z" for t in truth["ordered"]],
            "zip": truth["postcode"],
            "country": truth["country"],
        }
    )
    orders.to_csv(folder / "o.csv", index=False)
    return folder / "o.csv"


@pytest.mark.parametrize("code", ["QX7", "zzz-41"])
def test_a_code_that_no_parcel_ends_with_is_told_with_its_count(code: str, tmp_path: Path) -> None:
    truth = parcels(5, 200)
    scans = events(truth, ("picked up", "in transit", "delivered"))
    scans.loc[scans.index[scans["event"] == "in transit"][3:9], "event"] = code
    scans.to_csv(tmp_path / "s.csv", index=False)
    found = check([written_orders(truth, tmp_path), tmp_path / "s.csv"], quality=False)
    assert found.proposal is not None
    assert found.proposal.open_codes == {code: 6}
    assert f"code {code!r} (6 scans)" in found.to_text()
    assert not found.proposal.questions
    # Whoever fills it in finds there what a code may mean.
    told = " ".join(re.findall(r"^# (.*)", str(found.text), re.MULTILINE))
    assert all(status in told for status in (*STATUSES, "or nothing"))


def test_rows_that_say_whose_codes_they_have_are_read_by_these(tmp_path: Path) -> None:
    truth = parcels(5, 200)
    one, other = (
        events(truth[rows], codes).assign(vocabulary=name)
        for rows, codes, name in (
            (truth.index % 2 == 0, ("AC", "IT", "DE"), "shipengine"),
            (truth.index % 2 == 1, ("PickedUp", "InTransit", "Delivered"), "aftership"),
        )
    )
    pd.concat([one, other]).to_csv(tmp_path / "s.csv", index=False)
    found = check([written_orders(truth, tmp_path), tmp_path / "s.csv"], quality=False)
    assert found.proposal is not None
    assert not found.proposal.questions
    assert not found.proposal.open_codes
    assert found.history is not None
    arrived = found.history.milestones["event_at"].notna().sum()
    assert arrived == truth["delivered"].notna().sum()


def test_own_numbers_are_not_a_vendors(tmp_path: Path) -> None:
    truth = parcels(5, 200)
    scans = events(truth, ("10", "20", "99"))
    scans.to_csv(tmp_path / "s.csv", index=False)
    found = check([written_orders(truth, tmp_path), tmp_path / "s.csv"], quality=False)
    assert found.proposal is not None
    assert found.proposal.vocabulary is None
    meanings = {code: status for code, (status, _, _) in found.proposal.statuses.items()}
    assert meanings == {"10": "?", "20": "?", "99": "delivered"}


def test_rows_that_are_called_delivered_and_have_no_date_are_told(tmp_path: Path) -> None:
    truth = parcels(5, 200)
    table = pd.read_csv(written_orders(truth, tmp_path), dtype=str).assign(
        state="Zugestellt", zugestellt_am=truth["delivered"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    table.loc[[12, 40], "zugestellt_am"] = ""
    table.loc[truth["delivered"].isna(), "state"] = "Unterwegs"
    table.to_csv(tmp_path / "o.csv", index=False)
    found = check([tmp_path / "o.csv"], quality=False)
    assert found.proposal is not None
    assert any(
        "2 rows, such as row 12, are 'Zugestellt' by state" in s for s in found.proposal.told
    )


def test_a_few_common_words_are_no_sign_of_a_vendor(tmp_path: Path) -> None:
    truth = parcels(6, 80)
    at = {"PICKUP": truth["picked"], "DELIVERED": truth["picked"] + pd.Timedelta(days=2)}
    pd.DataFrame(
        {
            "shipment_id": truth["id"],
            "ordered_at": [t.tz_localize(HOME).isoformat() for t in truth["ordered"]],
            "destination": truth["postcode"],
            "destination_country": truth["country"],
        }
    ).to_csv(tmp_path / "orders.csv", index=False)
    pd.concat(
        pd.DataFrame(
            {
                "shipment_id": truth["id"],
                "scanned_at": [t.tz_localize(HOME).isoformat() for t in times],
                "status": code,
            }
        )
        for code, times in at.items()
    ).to_csv(tmp_path / "scans.csv", index=False)
    found = check([tmp_path / "orders.csv", tmp_path / "scans.csv"], quality=False)
    assert found.proposal is not None
    assert found.proposal.vocabulary is None
    status, number, why = found.proposal.statuses["PICKUP"]
    assert (status, number) == ("picked_up", len(truth))
    assert "asendia" in why
    assert "please check" in why


@pytest.mark.parametrize("named", ["named", ""])
def test_dates_of_places_nobody_knows_are_on_the_named_clock_or_told(
    named: str, tmp_path: Path
) -> None:
    pd.DataFrame(
        {
            "order id": ["a", "b", "c"],
            "order date": ["7/13/26 10:00 PM", "7/14/26 11:00 PM", "7/15/26 9:00 AM"],
            "zip": ["10101", "20202", "60606"],
            "delivered": ["7/15/26 9:30 PM", "7/16/26 11:00 PM", "7/17/26 12:15 AM"],
        }
    ).to_csv(tmp_path / "orders.csv", index=False)
    zone = "America/Chicago"
    form = "%m/%d/%y %I:%M %p"
    on = f'zone = "{zone}"'
    (tmp_path / "mapping.toml").write_text(
        f"""[shipments]
files = ["orders.csv"]
{f'time_zone = "{zone}"' if named else ""}
[shipments.columns]
shipment_id = "order id"
origin = {{ value = "main" }}
destination = "zip"
ordered_at = {{ column = "order date", format = "{form}"{"" if named else ", " + on} }}
[shipments.milestones]
delivered = {{ column = "delivered", format = "{form}"{"" if named else ", " + on} }}
""",
        encoding="utf-8",
    )
    found = history(mapping=tmp_path / "mapping.toml")
    told = " ".join(found.accounts[0].lines)
    if named:
        assert found.shipments["destination_time_zone"].tolist() == [zone] * 3
        days = found.milestones["event_at"].dt.tz_convert(zone).dt.day.tolist()
        assert days == [15, 16, 17]
        assert "named for the table" in told
    else:
        assert "destination_time_zone" not in found.shipments
        assert "UTC" in told
