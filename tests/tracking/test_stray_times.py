"""A few values in another format cost their rows, are named as the user knows them, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise.errors import ContractError
from etapromise.tracking.tables import read_scans

N = 400
DAY_FIRST = "%d/%m/%Y %H:%M"
ISO = "%Y-%m-%dT%H:%M:%S"


def moments() -> tuple[pd.Series[pd.Timestamp], pd.Series[pd.Timestamp]]:
    random = np.random.default_rng(5)
    ordered = pd.Timestamp("2025-01-03") + pd.to_timedelta(
        np.sort(random.integers(0, 150 * 1440, N)), unit="min"
    )
    arrived = ordered + pd.to_timedelta(random.integers(1500, 9000, N), unit="min")
    return pd.Series(ordered), pd.Series(arrived)


def orders(usual: str, other: str, strays: list[int]) -> pd.DataFrame:
    ordered, arrived = moments()
    told = arrived.dt.strftime(usual)
    told[strays] = [pd.Timestamp(arrived[row]).strftime(other) for row in strays]
    return pd.DataFrame(
        {
            "Bestellnummer": [f"A{row:06d}" for row in range(N)],
            "Bestellt am": ordered.dt.strftime(usual),
            "Zustelldatum": told,
            "PLZ": "10115",
            "Land": "DE",
            "Carrier": "DHL",
        }
    )


@pytest.mark.parametrize(
    ("usual", "other", "reason"),
    [
        (DAY_FIRST, "%m/%d/%Y %H:%M", "unreadable_scanned_at"),
        (DAY_FIRST, "%m-%d-%Y %H:%M", "unreadable_scanned_at"),
        (f"{ISO}+01:00", "%m/%d/%Y %H:%M", "no_time_zone_scanned_at"),
        (f"{ISO}+01:00", "%d.%m.%Y %H:%M", "no_time_zone_scanned_at"),
        (DAY_FIRST, "tomorrow", "unreadable_scanned_at"),
    ],
)
def test_a_few_values_in_another_format_cost_their_rows_only(
    usual: str, other: str, reason: str, tmp_path: Path
) -> None:
    _, arrived = moments()
    strays = [int(row) for row in np.flatnonzero(arrived.dt.day > 12)[:3]]
    orders(usual, other, strays).to_csv(tmp_path / "orders.csv", index=False)
    found = etapromise.check(tmp_path / "orders.csv", quality=False)
    assert found.history is not None, found.failure
    rejects = found.history.scan_rejects
    right = pd.Series(arrived.dt.date).drop(strays).tolist()
    if other == "%m-%d-%Y %H:%M" and not len(rejects):  # a form of its own, in which these are told
        right = arrived.dt.date.tolist()
    else:
        assert rejects["reason"].tolist() == [reason] * 3
        assert rejects["row"].tolist() == strays
        assert rejects["detail"].str.contains('(your column "Zustelldatum")', regex=False).all()
    clock = "Etc/GMT-1" if usual.endswith("+01:00") else "Europe/Berlin"
    local = found.history.milestones["event_at"].dt.tz_convert(clock)
    assert local.dropna().dt.date.tolist() == right


def test_a_moment_with_its_offset_among_local_times_is_read(tmp_path: Path) -> None:
    _, arrived = moments()
    orders(DAY_FIRST, f"{ISO}+00:00", [7, 90]).to_csv(tmp_path / "orders.csv", index=False)
    found = etapromise.check(tmp_path / "orders.csv", quality=False)
    assert found.history is not None
    assert not len(found.history.scan_rejects)
    event = found.history.milestones["event_at"].dt.tz_localize(None)
    assert event[7] == arrived[7]
    assert event[8] == arrived[8] - pd.Timedelta(hours=1)


def test_many_values_in_another_order_are_asked_about(tmp_path: Path) -> None:
    strays = list(range(0, N, 8))
    orders(DAY_FIRST, "%m/%d/%Y %H:%M", strays).to_csv(tmp_path / "orders.csv", index=False)
    found = etapromise.check(tmp_path / "orders.csv", quality=False)
    assert found.history is None
    assert found.proposal is not None
    [question] = found.proposal.questions
    assert "Zustelldatum" in question
    assert "month first" in question


def scans(times: list[str]) -> pd.DataFrame:
    ids = [f"A{row}" for row in range(len(times))]
    return pd.DataFrame({"shipment_id": ids, "scanned_at": times, "status": "delivered"})


@pytest.mark.parametrize(
    ("usual", "stray", "reason"),
    [
        ("2026-02-05T16:10:00Z", "2026-02-05T16:10:00", "no_time_zone_scanned_at"),
        ("2026-02-05T16:10:00Z", "02/03/2026 16:10", "unreadable_scanned_at"),
        ("14/02/2026 10:00 +01:00", "02/14/2026 10:00 +01:00", "unreadable_scanned_at"),
        ("02/14/2026 10:00 +01:00", "14/02/2026 10:00 +01:00", "unreadable_scanned_at"),
    ],
)
def test_tables_of_the_contract_lose_the_rows_of_strays_too(
    usual: str, stray: str, reason: str
) -> None:
    found = read_scans(scans([usual] * 12 + [stray]))
    assert len(found.accepted) == 12
    assert found.rejects["reason"].tolist() == [reason]
    with pytest.raises(ContractError, match=r"either way|without a time zone|only day first"):
        read_scans(scans([usual] * 5 + [stray] * 4))


def test_rows_are_those_of_the_file_whatever_stands_between(tmp_path: Path) -> None:
    table = orders(DAY_FIRST, "tomorrow", [100])
    lines = table.to_csv(index=False).splitlines()
    lines[51] += ",too,many"  # the header is a line too
    (tmp_path / "orders.csv").write_text("\n".join(lines), encoding="utf-8")
    found = etapromise.check(tmp_path / "orders.csv", quality=False).history
    assert found is not None
    assert found.shipment_rejects["row"].tolist() == [50]
    assert found.scan_rejects["row"].tolist() == [100]


def test_rows_of_a_list_inside_a_record_are_those_of_the_record(tmp_path: Path) -> None:
    ordered, arrived = (one.dt.strftime(f"{ISO}Z").tolist() for one in moments())
    arrived[70] = "tomorrow"
    with (tmp_path / "parcels.jsonl").open("w", encoding="utf-8") as out:
        for row in range(N):
            events = [
                {"code": "picked_up", "at": ordered[row]},
                {"code": "delivered", "at": arrived[row]},
            ]
            parcel = {"tracking_number": f"A{row}", "zip": "10115", "country": "DE"}
            out.write(json.dumps({**parcel, "placed": ordered[row], "events": events}) + "\n")
    target = tmp_path / "mapping.toml"
    found = etapromise.check(
        tmp_path / "parcels.jsonl", write_mapping=target, quality=False
    ).history
    assert found is not None
    for each in (found, etapromise.read(mapping=target)):
        assert each.scan_rejects["row"].tolist() == [70]
        assert '(your column "events.at")' in each.scan_rejects["detail"].iloc[0]


def test_messages_that_stop_everything_name_the_users_column(tmp_path: Path) -> None:
    table = orders(ISO, ISO, [])
    table.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "mapping.toml").write_text(
        '[shipments]\nfiles = ["orders.csv"]\n[shipments.columns]\n'
        'shipment_id = "Bestellnummer"\nordered_at = "Bestellt am"\ndestination = "PLZ"\n'
        'origin = { value = "x" }\n[shipments.milestones]\ndelivered = "Zustelldatum"\n'
    )
    with pytest.raises(ContractError, match=r"'ordered_at' \(your column \"Bestellt am\"\)"):
        etapromise.read(mapping=tmp_path / "mapping.toml")
