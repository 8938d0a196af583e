"""Whatever Python objects a table has: read, written and stored, or refused, and never a crash."""

from __future__ import annotations

import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise import tracking
from etapromise.errors import ContractError
from etapromise.store.ingest import ingest
from etapromise.store.stored_history import stored_history
from etapromise.text_type import TEXT
from etapromise.tracking.python_objects import arrow_table_of, table_as_text
from etapromise.tracking.table_writer import write_table
from tests.fuzz.driver import CORPUS

SHIPMENTS = pd.DataFrame(
    {
        "shipment_id": ["1", "2"],
        "ordered_at": ["2025-03-01T10:00Z", "2025-03-02T10:00Z"],
        "origin": ["10115", "10115"],
        "destination": ["20095", "20095"],
    }
)
SCANS = pd.DataFrame(
    {
        "shipment_id": ["1", "2", "3"],
        "scanned_at": "2025-03-03T10:00Z",
        "status": "picked_up",
        "further": [b"\xff", b"\xfe", b"\xfd"],
    }
)
# Of these, side by side, pyarrow 26 makes a crash of the process.
NUMPY_SCALARS = pd.Series([np.datetime64("2025-07-02"), np.int64(5)], dtype=object)


@pytest.mark.parametrize("dtype", ["object", "category"])
@pytest.mark.parametrize("column", ["carrier", "further"])
def test_scalars_of_numpy_are_read_written_and_stored(dtype, column, tmp_path):
    table = SHIPMENTS.assign(**{column: NUMPY_SCALARS.astype(dtype)})
    read = tracking.read_shipments(table).accepted
    write_table(read, tmp_path / "read.parquet")
    ingest(tmp_path / "store", table, SCANS)
    written = pd.read_parquet(tmp_path / "read.parquet")
    stored = stored_history(tmp_path / "store").shipments
    assert [str(value) for value in written[column]] == ["2025-07-02", "5"]
    assert [str(value) for value in stored[column]] == ["2025-07-02", "5"]


def test_categories_of_texts_stay_what_they_are():
    table = SHIPMENTS.assign(carrier=pd.Categorical(["acme", None]))
    assert tracking.read_shipments(table).accepted["carrier"].fillna("").tolist() == ["acme", ""]


def test_bytes_of_a_scan_that_nobody_sent_are_told_as_text():
    found = tracking.history(SHIPMENTS, SCANS)
    rejects = found.scan_rejects
    assert rejects["reason"].tolist() == ["unknown_shipment"]
    assert rejects["further"].tolist() == ["b'\\xfd'"]


def test_text_of_anything():
    odd = [b"\xff", "\ud800", decimal.Decimal("sNaN"), 10**5000, None, 1]
    table = pd.DataFrame({"odd": pd.Series(odd, dtype=object), "n": [1.5] * 6})
    text = table_as_text(table)
    assert text["odd"].fillna("").tolist() == ["b'\\xff'", "?", "", "<int>", "", "1"]
    assert text["n"].tolist() == ["1.5"] * 6
    assert arrow_table_of(table)["odd"].to_pylist()[4:] == [None, "1"]
    plain = arrow_table_of(pd.DataFrame({"whole": pd.Series([1, None, 2], dtype=object)}))
    assert plain.schema.field("whole").type == pa.int64()


MOMENTS = st.lists(
    st.one_of(
        st.none(),
        st.integers(-(10**15), 4 * 10**15).flatmap(
            lambda past: st.sampled_from([past, 1_000 * (past // 1_000), 10**6 * (past // 10**6)])
        ),
    ),
    max_size=4,
)


@given(MOMENTS)
def test_moments_are_written_as_pandas_writes_them(past: list[int | None]):
    times = pd.Series(pd.array(past, dtype="Int64").to_numpy(dtype="M8[us]", na_value="NaT"))
    table = times.dt.tz_localize("UTC").to_frame("at")
    pd.testing.assert_series_equal(table_as_text(table)["at"], table["at"].astype(TEXT))


def test_a_table_of_rejects_alone_leaves_an_empty_store(tmp_path):
    table = SHIPMENTS.assign(ordered_at="x", carrier=pd.Series([b"a", 1], dtype=object))
    assert ingest(tmp_path / "store", table.iloc[:1]).new_shipments == 0
    assert ingest(tmp_path / "store", table.iloc[:0]).new_shipments == 0


def test_types_that_arrow_has_but_not_its_python_side_are_refused(tmp_path: Path):
    # pyarrow cannot make such a column: the file was found by changing the bytes of another.
    path = tmp_path / "orders.arrow"
    path.write_bytes((CORPUS / "files" / "368f305ce3518d1a").read_bytes()[2:])
    with pytest.raises(ContractError, match=r"'origin' of .*orders.arrow is of type month_inter"):
        tracking.read_shipments(path)
    with pa.ipc.open_file(path) as file, pytest.raises(ContractError, match="'origin' of Table is"):
        tracking.read_shipments(file.read_all())
