"""The scans of some shipments out of a table that has others' too."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from etapromise.tracking.scans_of import read_scans_of


def test_scans_of_other_shipments_are_told_once(tmp_path: Path) -> None:
    shipments = pd.DataFrame({"shipment_id": ["A1", "A2"]})
    scans = pd.DataFrame(
        {
            "shipment_id": ["A1", "B1", "A2", "B2", "B3", "A1"],
            "scanned_at": pd.date_range("2026-03-02T07:11Z", periods=6, freq="h"),
            "status": ["picked_up"] * 6,
        }
    )
    path = tmp_path / "scans.parquet"
    # Several row groups, which are read one after the other.
    pyarrow.parquet.write_table(pa.Table.from_pandas(scans), path, row_group_size=2)
    found = read_scans_of(shipments, path)
    assert found.scans["shipment_id"].tolist() == ["A1", "A1", "A2"]
    assert found.others == 3
    told = [note for note in found.notes if note.reason == "other_shipments"]
    assert [note.rows for note in told] == [3]
    assert "not in the table" in str(told[0])

    own = scans[scans["shipment_id"].str.startswith("A")].reset_index(drop=True)
    assert not read_scans_of(shipments, own).notes
