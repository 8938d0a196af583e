"""Scoring open orders: every row of the input is answered, by a promise or by a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from etapromise.errors import CommandError, ContractError
from etapromise.files import rejects_beside
from etapromise.operations.scoring import scoring
from etapromise.operations.scoring.scoring import score
from etapromise.operations.scoring.scoring_files import score_file
from etapromise.tracking.table_writer import write_table
from tests.small_network import AS_OF


@pytest.fixture(scope="module")
def open_orders(simulation):
    ordered = simulation.shipments["ordered_at"]
    recent = (ordered >= AS_OF - pd.Timedelta(days=5)) & (ordered < AS_OF + pd.Timedelta(days=2))
    return simulation.shipments[recent].reset_index(drop=True)


def test_every_row_is_promised_or_rejected_with_its_reason(model, open_orders):
    broken = open_orders.copy()
    broken.loc[3, "origin"] = None
    broken.loc[7, "shipment_id"] = broken.loc[6, "shipment_id"]
    found = score(model, broken, as_of=AS_OF)
    assert len(found.promises) + len(found.rejects) == len(broken)
    late = np.flatnonzero(broken["ordered_at"] > AS_OF)
    assert len(late) > 0
    reasons = dict(zip(found.rejects["row"], found.rejects["reason"], strict=True))
    assert reasons == {
        3: "missing_origin",
        7: "duplicate_shipment_id",
        **dict.fromkeys(late.tolist(), "ordered_after_as_of"),
    }
    assert found.rejects["row"].is_monotonic_increasing
    kept = [i for i in range(len(broken)) if i not in reasons]
    assert found.promises["shipment_id"].tolist() == broken["shipment_id"].iloc[kept].tolist()
    assert found.rejects["shipment_id"].tolist() == [
        broken["shipment_id"].iloc[i] for i in found.rejects["row"]
    ]


def test_chunks_change_nothing(model, open_orders, monkeypatch):
    whole = score(model, open_orders, as_of=AS_OF).promises
    told = []
    monkeypatch.setattr(scoring, "_ROWS_AT_ONCE", 17)
    parts = score(model, open_orders, as_of=AS_OF, progress=lambda *step: told.append(step))
    pd.testing.assert_frame_equal(parts.promises, whole)
    assert told[-1] == ("scoring", len(whole), len(whole))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_nothing_to_score_gives_an_empty_table_of_the_same_columns(model, open_orders):
    some = score(model, open_orders, as_of=AS_OF).promises
    none = score(model, open_orders.iloc[:0], as_of=AS_OF).promises
    assert len(none) == 0
    assert none.columns.tolist() == some.columns.tolist()


def test_a_promise_may_not_know_more_than_its_day(model, open_orders):
    with pytest.raises(CommandError, match="knows no more than its day"):
        score(model, open_orders, as_of=AS_OF - pd.Timedelta(days=1))
    with pytest.raises(ContractError, match="expected a moment such as"):
        score(model, open_orders, as_of="some day")


def test_a_moment_without_a_zone_is_utc(model, open_orders):
    told = [score(model, open_orders, as_of=at).promises for at in (AS_OF, AS_OF.tz_localize(None))]
    pd.testing.assert_frame_equal(*told)


def test_dates_are_written_as_dates_and_read_back_the_same(model, open_orders, tmp_path):
    promises = score(model, open_orders, as_of=AS_OF).promises
    path = tmp_path / "out" / "scored.parquet"
    write_table(promises, path)
    schema = pq.read_schema(path)
    assert str(schema.field("estimated_delivery_date").type) == "date32[day]"
    assert str(schema.field("percentile_50").type) == "date32[day]"
    back = pd.read_parquet(path)
    assert pd.to_datetime(back["percentile_90"]).tolist() == promises["percentile_90"].tolist()
    assert back["confidence"].tolist() == promises["confidence"].tolist()
    text = tmp_path / "out" / "scored.csv"
    write_table(promises, text)
    lines = pd.read_csv(text, dtype=str)
    assert lines["estimated_delivery_date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
    assert sorted(p.name for p in path.parent.iterdir()) == ["scored.csv", "scored.parquet"]


def test_rejects_stand_beside_their_result(tmp_path):
    assert rejects_beside(tmp_path / "scored.parquet")[0] == tmp_path / "scored.rejects.parquet"
    with pytest.raises(CommandError, match=r"\.parquet or \.csv"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "scored.xlsx")


def test_scans_move_the_predictions_in_chunks_as_at_once(
    model, open_orders, simulation, parcels, monkeypatch, tmp_path
):
    broken = simulation.scans.copy()
    broken.loc[broken.index[:3], "status"] = "nobody knows"
    path = tmp_path / "scans.parquet"
    broken.to_parquet(path)
    whole = score(model, open_orders, path, as_of=AS_OF)
    rows = parcels.shipments["shipment_id"].isin(whole.promises["shipment_id"])
    accepted = parcels.shipments[rows].reset_index(drop=True)
    told = model.track_many(accepted, simulation.scans.iloc[3:], AS_OF.to_pydatetime())
    pd.testing.assert_frame_equal(whole.promises, told)
    assert whole.scan_rejects["row"].tolist() == [0, 1, 2]
    assert whole.promises["stage"].nunique() > 3
    monkeypatch.setattr(scoring, "_ROWS_AT_ONCE", 17)
    parts = score(model, open_orders, broken, as_of=AS_OF)
    pd.testing.assert_frame_equal(parts.promises, whole.promises)
    none = score(model, open_orders.iloc[:0], path, as_of=AS_OF).promises
    assert len(none) == 0
    assert none.columns.tolist() == whole.promises.columns.tolist()


def test_orders_older_than_the_model_are_told(model, simulation, open_orders, tmp_path):
    ordered = simulation.shipments["ordered_at"]
    kept = (ordered > AS_OF - pd.Timedelta(days=30)) & (ordered < AS_OF + pd.Timedelta(days=3))
    orders = simulation.shipments[kept].reset_index(drop=True)
    older = int((orders["ordered_at"] < AS_OF).sum())
    assert 0 < older < len(orders)
    later = AS_OF + pd.Timedelta(days=3)

    def told(notes):
        return [note.rows for note in notes if note.reason == "older_than_model"]

    assert told(score(model, orders, as_of=later).notes) == [older]
    fresh = orders[orders["ordered_at"] >= AS_OF]
    assert told(score(model, fresh, as_of=later).notes) == []
    # With scans they are parcels on their way, which are older as a rule.
    assert told(score(model, orders, simulation.scans, as_of=later).notes) == []
    orders.to_parquet(tmp_path / "orders.parquet")
    counts = score_file(model, tmp_path / "orders.parquet", tmp_path / "out.parquet", as_of=later)
    assert told(counts.notes) == [older]
