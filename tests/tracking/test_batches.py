from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from etapromise.errors import ContractError
from etapromise.tracking import (
    EVENTS,
    STATUSES,
    TrackedMilestones,
    clean_scans,
    history,
    milestones,
    read_scans,
    read_shipments,
    sources,
    track,
)
from tests.tracking import numpy_tracking
from tests.tracking.random_tables import START, scan_rows, scans_table, shipments_table

SHIPMENTS = 3_000


def many_scans(seed: int, *, ids: int = SHIPMENTS) -> pd.DataFrame:
    """Scans of more than one block of shipments, in any order, with all that goes wrong."""
    random = np.random.default_rng(seed)
    n = 12 * ids
    shipment = np.minimum(random.integers(0, ids + 20, n), random.integers(0, 4 * ids, n))
    scanned = random.integers(-300, 1600, n) * 6
    scanned[random.random(n) < 0.7] //= 12
    received = scanned + np.where(random.random(n) < 0.7, 0, random.integers(-60, 300, n))
    hour = dt.timedelta(hours=1)
    frame = pd.DataFrame(
        {
            "shipment_id": pd.Series([f"p{k}" for k in shipment], dtype="str"),
            "scanned_at": pd.Series([START + int(k) * hour for k in scanned]),
            "status": pd.Series(random.choice(STATUSES, n), dtype="str"),
            "received_at": pd.Series([START + int(k) * hour for k in received]),
            "facility": pd.Series(random.choice(["HUB", "ACT", None], n), dtype="str"),
            "carrier": pd.Series(random.choice(["zoom", "acme", "last", None], n), dtype="str"),
        }
    )
    frame.loc[random.random(n) < 0.3, "received_at"] = None
    doubles = frame.sample(n // 20, random_state=seed)
    return pd.concat([frame, doubles]).sample(frac=1, random_state=seed, ignore_index=True)


def many_shipments() -> pd.DataFrame:
    carriers = [["acme", "zoom", None][k % 3] for k in range(SHIPMENTS)]
    return pd.DataFrame(
        {
            "shipment_id": [f"p{k}" for k in range(SHIPMENTS)],
            "ordered_at": pd.Series([START] * SHIPMENTS),
            "origin": "10115",
            "destination": "88032",
            "carrier": pd.Series(carriers, dtype="str"),
        }
    )


@pytest.mark.parametrize("with_orders", [True, False])
def test_cleaning_equals_the_numpy_rules_on_many_scans(*, with_orders: bool) -> None:
    scans = read_scans(many_scans(1)).accepted
    shipments = read_shipments(many_shipments()).accepted if with_orders else None
    found, expected = clean_scans(scans, shipments), numpy_tracking.clean_scans(scans, shipments)
    assert_frame_equal(found.accepted, expected.accepted)
    assert_frame_equal(found.rejects, expected.rejects)
    assert len(set(found.rejects["reason"])) > (7 if with_orders else 4)


@pytest.mark.parametrize("event", EVENTS)
def test_milestones_equal_the_numpy_ones_on_many_scans(event: Any) -> None:
    scans = read_scans(many_scans(2)).accepted
    shipments = read_shipments(many_shipments()).accepted
    assert_frame_equal(
        milestones(shipments, scans, event=event),
        numpy_tracking.milestones(shipments, scans, event=event),
    )


def test_parcels_with_very_many_scans() -> None:
    scans = read_scans(many_scans(3, ids=40)).accepted
    scans["shipment_id"] = np.where(np.arange(len(scans)) % 2, "p0", scans["shipment_id"])
    shipments = read_shipments(many_shipments()).accepted
    found, expected = clean_scans(scans, shipments), numpy_tracking.clean_scans(scans, shipments)
    assert_frame_equal(found.accepted, expected.accepted)
    assert_frame_equal(found.rejects, expected.rejects)
    assert_frame_equal(milestones(shipments, scans), numpy_tracking.milestones(shipments, scans))


def assert_same_as_history(
    tracked: TrackedMilestones, shipments: Any, scans: Any, **options: Any
) -> None:
    whole = history(shipments, scans, **options)
    assert_frame_equal(tracked.milestones, whole.milestones)
    assert_frame_equal(tracked.shipments, whole.shipments)
    assert_frame_equal(tracked.shipment_rejects, whole.shipment_rejects)
    assert tracked.scans_accepted == len(whole.scans)
    assert tracked.scans_rejected == whole.scan_rejects["reason"].value_counts().to_dict()
    assert tracked.event == whole.event
    assert_frame_equal(tracked.read_scan_rejects(), whole.scan_rejects)


@settings(deadline=None, max_examples=25)
@given(
    rows=scan_rows(ids=("a", "b", "c", "of another table")),
    event=st.sampled_from(EVENTS),
    batch=st.integers(1, 9),
)
def test_equal_to_the_whole_history(rows: list[dict[str, Any]], event: Any, batch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BATCH", batch)
        tracked = track(shipments_table(), scans_table(rows), event=event)
        assert_same_as_history(tracked, shipments_table(), scans_table(rows), event=event)


def dirty_scans() -> pd.DataFrame:
    """What reading refuses, beside all that cleaning does."""
    scans = many_scans(4).drop(columns="facility")
    random = np.random.default_rng(9)
    scans["vocabulary"] = pd.Series(random.choice(["Standard", None, "nobody's"], len(scans)))
    for column in ("shipment_id", "status"):
        scans.loc[random.random(len(scans)) < 0.01, column] = None
        strange = random.random(len(scans)) < 0.02
        scans.loc[strange, column] = " " + scans.loc[strange, column] + "\u00a0"
    scans.loc[random.random(len(scans)) < 0.01, "status"] = "beamed up"
    scans.loc[random.random(len(scans)) < 0.01, "scanned_at"] = pd.Timestamp(0, tz="UTC")
    scans["note"] = "left with a neighbour"
    return scans


@pytest.mark.parametrize("form", ["one file", "directory", "dictionaries", "csv", "arrow"])
def test_files_of_any_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BATCH", 1_500)
    scans, shipments = dirty_scans(), many_shipments()
    table = pa.Table.from_pandas(scans, preserve_index=False)
    source: Any = tmp_path / "scans.parquet"
    if form == "one file":
        pq.write_table(table, source, row_group_size=4_000)
    elif form == "directory":
        source = tmp_path / "scans"
        source.mkdir()
        for k in range(3):
            part = table.slice(k * 15_000, 15_000)
            pq.write_table(part, source / f"part-{k}.parquet", row_group_size=4_000)
    elif form == "dictionaries":
        names = ("shipment_id", "status", "carrier", "vocabulary")
        for name in names:
            position = table.column_names.index(name)
            table = table.set_column(position, name, table[name].dictionary_encode())
        pq.write_table(table, source, row_group_size=4_000)
    elif form == "csv":
        source = tmp_path / "scans.csv"
        scans.to_csv(source, index=False)
        with source.open("a", encoding="utf-8") as file:
            file.write("p1,cut")
    else:
        source = table
    tracked = track(shipments, source, event="first_attempt")
    assert_same_as_history(tracked, shipments, source, event="first_attempt")
    assert {"missing_status", "unknown_status", "duplicate_scan", "unknown_vocabulary"} <= set(
        tracked.scans_rejected
    )


def test_ids_may_be_whole_numbers(tmp_path: Path) -> None:
    scans, shipments = many_scans(5), many_shipments()
    for frame in (scans, shipments):
        frame["shipment_id"] = frame["shipment_id"].str[1:].astype("int64")
    scans.to_parquet(tmp_path / "scans.parquet")
    tracked = track(shipments, tmp_path / "scans.parquet")
    assert_frame_equal(
        tracked.milestones, history(shipments, scans.drop(columns="facility")).milestones
    )
    assert tracked.milestones["picked_up_at"].notna().any()


def test_shipments_may_be_read_before() -> None:
    checked = read_shipments(many_shipments())
    assert_same_as_history(track(checked, dirty_scans()), many_shipments(), dirty_scans())


def test_no_rows_at_all(tmp_path: Path) -> None:
    empty = scans_table([])
    empty.to_parquet(tmp_path / "scans.parquet")
    for source in (empty, tmp_path / "scans.parquet"):
        tracked = track(shipments_table(), source)
        assert_same_as_history(tracked, shipments_table(), source)
        assert tracked.scans_accepted == 0
    assert track(shipments_table(()), empty).milestones.empty


def test_damaged_and_wrong_files_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "scans.parquet"
    many_scans(6).to_parquet(whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(ContractError, match="cut or damaged"):
        track(shipments_table(), cut)
    inside = bytearray(whole.read_bytes())
    inside[2_000:4_000] = b"x" * 2_000
    cut.write_bytes(bytes(inside))
    with pytest.raises(ContractError, match="cut or damaged"):
        track(shipments_table(), cut)
    with pytest.raises(ContractError, match="check the path"):
        track(shipments_table(), tmp_path / "nowhere.parquet")
    many_scans(6).drop(columns="status").to_parquet(whole)
    with pytest.raises(ContractError, match="lack column 'status'"):
        track(shipments_table(), whole)
    many_scans(6).assign(facility=True).to_parquet(whole)
    with pytest.raises(ContractError, match="'facility'"):
        track(shipments_table(), whole)
    with pytest.raises(ContractError, match="event"):
        track(shipments_table(), whole, event="arrived")  # type: ignore[arg-type]


def test_a_shipment_twice_is_refused() -> None:
    scans = scans_table([])
    with pytest.raises(ContractError, match="more than once"):
        milestones(shipments_table(("a", "b", "a")), scans)
