"""Scoring files in batches: what a batch's borders must not change, and what memory it takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.errors import CommandError, ContractError
from etapromise.files import rejects_beside
from etapromise.operations.scoring import scoring_files
from etapromise.operations.scoring.scoring import score
from etapromise.operations.scoring.scoring_files import SeenIdentifiers, score_file
from etapromise.tracking.table_writer import write_table
from tests.small_network import AS_OF


@pytest.fixture(scope="module")
def open_orders(simulation):
    """Some from after AS_OF, some without a destination, and identifiers that come again."""
    ordered = simulation.shipments["ordered_at"]
    recent = (ordered >= AS_OF - pd.Timedelta(days=5)) & (ordered < AS_OF + pd.Timedelta(days=2))
    orders = simulation.shipments[recent].sample(frac=1.0, random_state=3).reset_index(drop=True)
    orders.loc[[4, 30, 31], "destination"] = None
    # Doubles of sound rows, of rows that are none, of ones too late; within a batch and far away.
    n = len(orders)
    for row, other in ((5, 4), (18, 17), (40, 2), (n - 1, 3), (n - 2, 30), (n - 3, 3)):
        orders.loc[row, "shipment_id"] = orders.loc[other, "shipment_id"]
    late = np.flatnonzero(orders["ordered_at"] > AS_OF)
    orders.loc[late[-1], "shipment_id"] = orders.loc[late[0], "shipment_id"]
    sound = np.flatnonzero(orders["ordered_at"] <= AS_OF)
    orders.loc[sound[-1], "shipment_id"] = orders.loc[late[1], "shipment_id"]
    return orders


@pytest.mark.parametrize("rows", [1, 17, 10_000])
def test_batches_change_nothing(model, open_orders, tmp_path, monkeypatch, rows):
    source, out, whole = (tmp_path / name for name in ("in.parquet", "out.parquet", "all.parquet"))
    orders = open_orders if rows > 1 else open_orders.iloc[:45]
    orders.to_parquet(source, row_group_size=50)
    monkeypatch.setattr(scoring_files, "_ROWS_AT_ONCE", rows)
    told = []
    counts = score_file(model, source, out, as_of=AS_OF, progress=lambda *step: told.append(step))
    expected = score(model, source, as_of=AS_OF)
    write_table(expected.promises, whole)
    write_table(expected.rejects, rejects_beside(whole)[0])
    assert "duplicate_shipment_id" in set(expected.rejects["reason"])
    for found, wanted in ((out, whole), (rejects_beside(out)[0], rejects_beside(whole)[0])):
        pd.testing.assert_frame_equal(pd.read_parquet(found), pd.read_parquet(wanted))
        assert pq.read_schema(found).equals(pq.read_schema(wanted))
    assert (counts.promises, counts.rejects) == (len(expected.promises), len(expected.rejects))
    assert counts.promises + counts.rejects == len(orders)
    assert told[-1] == ("scoring", len(orders), len(orders))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            "in.parquet",
            *(f"{name}{part}.parquet" for name in ("out", "all") for part in ("", ".rejects")),
        ]
    )


def test_a_directory_is_one_table(model, open_orders, tmp_path):
    many = tmp_path / "orders"
    many.mkdir()
    for number, start in enumerate(range(0, len(open_orders), 60)):
        open_orders.iloc[start : start + 60].to_parquet(many / f"part{number:03d}.parquet")
    score_file(model, many, tmp_path / "out.parquet", as_of=AS_OF)
    found = pd.read_parquet(tmp_path / "out.parquet")["shipment_id"]
    assert found.tolist() == score(model, many, as_of=AS_OF).promises["shipment_id"].tolist()


def test_a_column_that_some_files_lack_is_told(model, open_orders, tmp_path):
    """As when they are read whole: read in batches, their rows were filled without a word."""
    many = tmp_path / "orders"
    many.mkdir()
    orders = open_orders.drop_duplicates("shipment_id")
    orders.iloc[:60].assign(colour="red").to_parquet(many / "a.parquet")
    orders.iloc[60:100].to_parquet(many / "b.parquet")
    counts = score_file(model, many, tmp_path / "out.parquet", as_of=AS_OF)
    [told] = [str(note) for note in counts.notes if note.reason == "lacking_column"]
    assert told.startswith("colour: 40 rows have none")


def test_nothing_to_score_is_written_too(model, open_orders, tmp_path):
    open_orders.iloc[:0].to_parquet(tmp_path / "in.parquet")
    score_file(model, tmp_path / "in.parquet", tmp_path / "out.parquet", as_of=AS_OF)
    some = score(model, open_orders, as_of=AS_OF).promises
    assert pq.read_schema(tmp_path / "out.parquet").names == some.columns.tolist()
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 0


def test_a_failure_leaves_nothing_behind(model, open_orders, tmp_path, monkeypatch):
    open_orders.to_parquet(tmp_path / "in.parquet")
    monkeypatch.setattr(scoring_files, "_ROWS_AT_ONCE", 50)

    def stop(stage: str, done: int, most: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(
            model, tmp_path / "in.parquet", tmp_path / "out.parquet", as_of=AS_OF, progress=stop
        )
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:-20])
    with pytest.raises(ContractError, match="may be cut or damaged"):
        score_file(model, tmp_path / "cut.parquet", tmp_path / "out.parquet", as_of=AS_OF)
    with pytest.raises(CommandError, match="expected Parquet"):
        score_file(model, tmp_path / "in.csv", tmp_path / "out.parquet", as_of=AS_OF)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.parquet", "in.parquet"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=12, unique=True), max_size=25))
def test_identifiers_are_known_again(batches):
    seen, plain = SeenIdentifiers(), set()
    for batch in batches:
        found = seen.again(pd.Series([f"id{number}" for number in batch], dtype="str"))
        assert found.tolist() == [number in plain for number in batch]
        plain.update(batch)
