"""The laws of a store: whatever comes in in whatever order, it says what the tables say."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pytest
from click.testing import CliRunner

import etapromise
from etapromise import tracking
from etapromise.cli import main
from etapromise.errors import CommandError, ContractError, StoreError
from etapromise.locking import only_writer
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import refresh
from etapromise.store.ingest import Ingested, ingest
from etapromise.store.layout import StoreLayout
from etapromise.store.stored_history import stored_history, stored_parcel
from etapromise.tracking import TrackedHistory
from tests.small_network import AS_OF, TRAINING, saved

SCAN_KEYS = ["shipment_id", "scanned_at", "received_at", "status"]


@dataclass(frozen=True)
class Given:
    """What comes in, as Arrow tables."""

    shipments: pa.Table
    scans: pa.Table


@pytest.fixture(scope="module")
def given(simulation) -> Given:
    return Given(
        pa.Table.from_pandas(simulation.shipments, preserve_index=False),
        pa.Table.from_pandas(simulation.scans, preserve_index=False),
    )


@pytest.fixture(scope="module")
def few(given) -> Given:
    """Three weeks of it."""
    until = pa.scalar(given.shipments["ordered_at"][0].as_py() + dt.timedelta(days=19))
    shipments = given.shipments.filter(pc.less(given.shipments["ordered_at"], until))
    mine = pc.is_in(given.scans["shipment_id"], shipments["shipment_id"].combine_chunks())
    return Given(shipments, given.scans.filter(mine))


@pytest.fixture(scope="module")
def store(given, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("store") / "whole"
    done = ingest(root, given.shipments, given.scans)
    assert done.new_shipments == len(given.shipments)
    assert done.new_scans + done.known_scans + len(done.scan_rejects) == len(given.scans)
    return root


def assert_same(root: Path, tables: TrackedHistory) -> None:
    """The store says of every parcel what the tables say."""
    kept = stored_history(root, event=tables.event)
    order = tables.shipments.sort_values(["ordered_at", "shipment_id"]).index
    for ours, theirs in (
        (kept.shipments, tables.shipments.loc[order]),
        (kept.milestones, tables.milestones.loc[order]),
        (
            kept.scans.sort_values(SCAN_KEYS),
            tables.scans.sort_values(SCAN_KEYS)[list(kept.scans.columns)],
        ),
    ):
        pd.testing.assert_frame_equal(
            ours.reset_index(drop=True), theirs.reset_index(drop=True)[list(ours.columns)]
        )


@pytest.mark.parametrize("event", tracking.EVENTS)
def test_a_store_says_what_the_tables_say(store, given, event):
    assert_same(store, tracking.history(given.shipments, given.scans, event=event))


def test_parts_in_any_order_and_twice_give_the_same(few, tmp_path):
    random = np.random.default_rng(3)
    part = random.integers(3, size=len(few.shipments))
    which = random.integers(3, size=len(few.scans))
    root = tmp_path / "parts"
    for number in (2, 0, 2, 1):
        mine = few.scans.filter(pa.array(which == number))
        # Some scans come before their shipment, and wait.
        before = ingest(root, scans=mine, buckets=2)
        done = ingest(root, few.shipments.filter(pa.array(part == number)), mine)
    assert before.waiting > 0
    assert done.waiting == 0
    assert_same(root, tracking.history(few.shipments, few.scans))
    again = ingest(root, few.shipments, few.scans)
    assert (again.new_shipments, again.new_scans, again.partitions) == (0, 0, 0)
    assert again.commit == done.commit


def test_scans_of_long_ago_may_come_before_their_shipments(few, tmp_path):
    early = ingest(tmp_path, scans=few.scans, keep_scans_days=10)
    ingest(tmp_path, few.shipments)
    found = stored_history(tmp_path).milestones.sort_values("shipment_id", ignore_index=True)
    told = tracking.history(few.shipments, few.scans).milestones
    pd.testing.assert_frame_equal(found, told.sort_values("shipment_id", ignore_index=True))
    # Those that nobody comes for are let go of, which is told.
    ingest(tmp_path / "other", scans=few.scans, keep_scans_days=10)
    done = ingest(tmp_path / "other")
    (note,) = done.notes
    assert note.reason == "waited_too_long"
    assert done.waiting + note.rows == early.waiting
    assert done.waiting
    assert note.rows


def test_the_model_from_a_store_is_that_from_the_tables(store, model, parcels, tmp_path):
    from_store = etapromise.train(store=store, as_of=AS_OF, config=TRAINING)
    assert saved(from_store, tmp_path / "store") == saved(model, tmp_path / "tables")
    later = AS_OF + pd.Timedelta(days=3)
    refreshed = model.refresh(store=store, as_of=later)
    expected = model.refresh(parcels, as_of=later)
    assert saved(refreshed, tmp_path / "late") == saved(expected, tmp_path / "expected")
    # As a night does it: from what was known then, without reading every scan.
    registry = ModelRegistry(tmp_path / "models")
    registry.promote(registry.add(model), why="trained")
    kept = stored_history(store)
    refresh(registry.root, kept, as_of=later)
    assert "scans" not in vars(kept)
    known = model.refresh(parcels.known_at(later), as_of=later)
    assert saved(registry.load_current(), tmp_path / "night") == saved(known, tmp_path / "known")


def test_what_is_under_way_is_scored_as_from_the_tables(store, model, parcels):
    kept = stored_history(store)
    orders, scans = kept.under_way(AS_OF, most_days=40)
    found = parcels.milestones.set_index("shipment_id").loc[orders["shipment_id"]]
    assert len(orders) > 50
    assert not (found["event_known_at"] <= AS_OF).any()
    mine = parcels.scans["shipment_id"].isin(orders["shipment_id"])
    told = parcels.scans[mine & (parcels.scans["received_at"] <= AS_OF)]
    now = AS_OF.to_pydatetime()
    pd.testing.assert_frame_equal(
        model.track_many(orders, scans, now), model.track_many(orders, told, now)
    )


def test_one_parcel_is_tracked_from_its_partition(store, model, parcels, tmp_path):
    path = str(model.save(tmp_path / "model"))
    orders, scans = stored_history(store).under_way(AS_OF, most_days=40)
    one = str(scans["shipment_id"].iloc[-1])
    row, mine = stored_parcel(store, one)
    pd.testing.assert_frame_equal(
        row.reset_index(drop=True), orders[orders["shipment_id"] == one].reset_index(drop=True)
    )
    assert len(mine) >= (scans["shipment_id"] == one).sum() > 0
    ask = ["track", "--model", path, "--store", str(store), "--as-of", AS_OF.isoformat()]
    done = CliRunner().invoke(main, [*ask, "--shipment", one])
    assert done.exit_code == 0, done.output
    every = model.track_many(orders, scans, AS_OF.to_pydatetime()).set_index("shipment_id")
    expected = every.loc[one]
    told = json.loads(done.stdout)
    assert told["estimated_delivery_date"] == f"{expected['estimated_delivery_date']:%Y-%m-%d}"
    assert told["late_probability"] == pytest.approx(expected["late_probability"], abs=1e-9)
    done = CliRunner().invoke(main, [*ask, "--shipment", "nobody"])
    assert done.exit_code == 1
    assert "no shipment 'nobody'" in done.stderr


def test_a_contradiction_is_told_and_nothing_is_taken(store, given, tmp_path):
    root = shutil.copytree(store, tmp_path / "copy")
    before = json.dumps(StoreLayout.open(root).commit().plain())
    table = given.shipments.slice(0, 50)
    other = pc.if_else(pc.equal(table["carrier"], "acme"), "nobody", table["carrier"])
    place = table.column_names.index("carrier")
    with pytest.raises(StoreError, match=r"contradict.*carrier of"):
        ingest(root, table.set_column(place, "carrier", other))
    late = pc.add(table["ordered_at"], pa.scalar(30 * 86_400_000_000, pa.duration("us")))
    place = table.column_names.index("ordered_at")
    with pytest.raises(StoreError, match="ordered at"):
        ingest(root, table.set_column(place, "ordered_at", late))
    assert json.dumps(StoreLayout.open(root).commit().plain()) == before


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1] * 10, ["a"] * 10),
        ([True] * 10, [0.5] * 10),
        ([Decimal("1.5")] * 10, [1] * 10),
        (["a"] * 10, [dt.date(2025, 1, 1)] * 10),
    ],
)
def test_a_column_of_another_type_is_told_before_it_makes_the_store_unreadable(
    given, tmp_path, before, now
):
    first, last = (
        given.shipments.slice(at, 10).to_pandas() for at in (0, len(given.shipments) - 10)
    )
    ingest(tmp_path, first.assign(own=before))
    with pytest.raises(StoreError, match=r"column own as .* Nothing was taken"):
        ingest(tmp_path, last.assign(own=now))
    # Nothing said in a file is no type; and of a category the words are kept.
    for own in ([None] * 10, pd.Categorical(before)):
        ingest(tmp_path, last.assign(own=own))
    assert stored_history(tmp_path).shipments["own"].tolist() == before * 2


@pytest.mark.parametrize("name", ["~nobody/store", "a:b/store", "Lager ä 店/of mine"])
def test_a_store_may_have_any_name_that_a_file_has(given, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    ingest(name, given.shipments.slice(0, 5), given.scans.slice(0, 5))
    assert len(stored_history(name).shipments) == 5
    assert (tmp_path / name / "etapromise-store.json").exists()


@pytest.mark.parametrize("address", ["s3://bucket/store", "memory://store", Path("file:///store")])
def test_a_store_is_no_address(given, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for ask in (stored_history, lambda place: ingest(place, given.shipments)):
        with pytest.raises(StoreError, match="expected a directory of a file system"):
            ask(address)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def changed(given):
    """Ten known parcels of which three have another carrier and one another order time."""
    table = given.shipments.slice(0, 10).to_pandas()
    table.loc[[2, 5, 7], "carrier"] = "nobody"
    table.loc[9, "ordered_at"] += pd.Timedelta(days=30)
    return table


def stored_shipments(root):
    return stored_history(root).shipments.set_index("shipment_id")


@pytest.mark.parametrize("on_conflict", ["keep", "reject"])
def test_what_the_store_holds_may_stand(store, changed, tmp_path, on_conflict):
    root = shutil.copytree(store, tmp_path / "copy")
    before = stored_shipments(root)
    done = ingest(root, changed, on_conflict=on_conflict)
    assert done.conflicts == 4
    assert any("contradict" in note.reason and note.column == "carrier" for note in done.notes)
    if on_conflict == "reject":
        assert done.shipment_rejects["row"].tolist() == [2, 5, 7, 9]
        assert set(done.shipment_rejects["reason"]) == {"contradicts_store"}
        assert done.shipment_rejects["value"].iloc[0] == "nobody"
        assert done.shipment_rejects["shipment_id"].iloc[0] == changed["shipment_id"][2]
    accounted = done.known_shipments + done.new_shipments + done.filled
    assert accounted + len(done.shipment_rejects) == len(changed)
    pd.testing.assert_frame_equal(stored_shipments(root), before)


def test_a_new_label_may_replace_what_the_store_holds(store, changed, tmp_path):
    root = shutil.copytree(store, tmp_path / "copy")
    before = stored_shipments(root)
    with pytest.raises(StoreError, match="ordered at"):
        ingest(root, changed, on_conflict="replace")
    changed = changed.drop(index=9)
    done = ingest(root, changed, on_conflict="replace")
    assert (done.conflicts, done.known_shipments) == (3, 6)
    after, ids = stored_shipments(root), changed["shipment_id"][[2, 5, 7]]
    assert (after.loc[ids, "carrier"] == "nobody").all()
    rest = before.index.difference(ids)
    pd.testing.assert_frame_equal(after.loc[rest], before.loc[rest])
    # The same again is known, and contradicts nothing any more.
    assert ingest(root, changed).known_shipments == 9
    with pytest.raises(ContractError, match=r"on_conflict='overwrite'; expected one of refuse"):
        ingest(root, changed, on_conflict="overwrite")


@pytest.mark.parametrize(("word", "code"), [("refuse", 1), ("keep", 0), ("reject", 0)])
def test_the_command_says_what_became_of_contradictions(store, changed, tmp_path, word, code):
    root = shutil.copytree(store, tmp_path / "copy")
    changed = changed.drop(index=9)
    changed.to_parquet(tmp_path / "again.parquet")
    words = ["ingest", "--store", str(root), "--shipments", str(tmp_path / "again.parquet")]
    done = CliRunner().invoke(main, [*words, "--on-conflict", word])
    assert done.exit_code == code
    for told in ("nobody", "keep" if code else "than the store"):
        assert told in done.stderr


def test_a_shipment_that_comes_again_may_tell_more(given, tmp_path):
    few = given.shipments.slice(0, 200)
    bare = few.drop_columns(["promised_date"])
    first = ingest(tmp_path / "store", bare)
    second = ingest(tmp_path / "store", few)
    assert (first.new_shipments, second.filled, second.new_shipments) == (200, 200, 0)
    # … and what tells less takes nothing away.
    third = ingest(tmp_path / "store", bare)
    assert (third.known_shipments, third.partitions) == (200, 0)
    told = stored_history(tmp_path / "store").shipments["promised_date"]
    assert told.notna().all()


def test_an_ingest_that_is_cut_off_changes_nothing_and_is_cleared_away(
    store, given, parcels, tmp_path, monkeypatch
):
    root = shutil.copytree(store, tmp_path / "copy")
    more = given.shipments.slice(0, 100)
    ids = pa.array([f"{name}-again" for name in more["shipment_id"].to_pylist()])
    place = more.column_names.index("shipment_id")
    more = more.set_column(place, "shipment_id", ids)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(StoreLayout, "write_commit", full)
        with pytest.raises(OSError, match="No space"):
            ingest(root, more)
    (root / "scans" / "week=2025-01-06" / "half.parquet").write_bytes(b"PAR1 and no more")
    assert_same(root, parcels)
    done = ingest(root, more)
    assert done.new_shipments == 100
    assert done.swept > 1
    assert len(stored_history(root).shipments) == len(parcels.shipments) + 100


def test_what_no_kept_commit_names_goes_and_is_of_no_interrupted_ingest(given, tmp_path):
    few = given.shipments.slice(0, 50).to_pandas()
    ingest(tmp_path, few)
    counts = []
    for weight in range(6):
        reader = stored_history(tmp_path)
        for more in range(3):
            few["weight_kg"] = weight + more / 4
            assert ingest(tmp_path, few, on_conflict="replace").swept == 0
        # Who began to read before three ingests still can.
        assert len(reader.shipments) == 50
        counts.append(len(list((tmp_path / "shipments").rglob("*.parquet"))))
    assert len(set(counts[1:])) == 1


def test_a_lost_file_and_a_newer_format_are_told(store, tmp_path):
    root = shutil.copytree(store, tmp_path / "copy")
    lost = next((root / "journeys").rglob("*.parquet"))
    lost.unlink()
    with pytest.raises(StoreError, match=r"nothing at .*Bring the file back"):
        stored_history(root)
    (root / "etapromise-store.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match=r"format 99.*update"):
        stored_history(root)
    with pytest.raises(StoreError, match="no store"):
        stored_history(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(StoreError, match="no store"):
        ingest(tmp_path / "full")


def test_several_writers_take_turns(few, tmp_path):
    scans, half = few.scans, len(few.scans) // 2
    parts = [
        (few.shipments, None),
        (None, scans.slice(0, half)),
        (None, scans.slice(half)),
    ]

    def take(part: tuple[pa.Table | None, pa.Table | None]) -> Ingested:
        return ingest(tmp_path / "store", *part)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(take, parts))
    assert sorted(each.commit for each in done) == [1, 2, 3]
    assert_same(tmp_path / "store", tracking.history(few.shipments, few.scans))
    with (
        only_writer(tmp_path / "store"),
        pytest.raises(CommandError, match="locked"),
    ):
        ingest(tmp_path / "store", few.shipments, wait=0.1)


def test_scans_are_let_go_of_in_time_and_milestones_stay(given, parcels, tmp_path):
    root = tmp_path / "store"
    ingest(root, given.shipments, given.scans, keep_scans_days=60)
    kept = stored_history(root)
    order = parcels.shipments.sort_values(["ordered_at", "shipment_id"]).index
    pd.testing.assert_frame_equal(
        kept.milestones, parcels.milestones.loc[order].reset_index(drop=True)
    )
    assert 0 < len(kept.scans) < 0.6 * len(parcels.scans)
    # Old scans once more: their parcels' milestones are settled.
    again = ingest(root, scans=given.scans)
    assert again.too_late > 0
    assert again.new_scans == 0
    pd.testing.assert_frame_equal(stored_history(root).milestones, kept.milestones)


def test_any_engine_can_read_the_files(store, given):
    names = [
        str(store / file.path)
        for kinds in StoreLayout.open(store).commit().partitions.values()
        for file in kinds["journeys"]
    ]
    table = pyarrow.dataset.dataset(names, format="parquet").to_table()
    assert len(table) == len(given.shipments)
    assert {"shipment_id", "delivered_at", "event_at_first_attempt"} <= set(table.column_names)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"partition": "zzz"}, "expected a name such as"),
        ({"partition": "week=1999-01-04/bucket=0"}, "Found no partition .* from week="),
        ({"commit": "latest"}, "Found commit='latest'"),
    ],
)
def test_a_part_of_a_store_that_is_none_is_refused(store, odd, told):
    with pytest.raises(ContractError, match=told):
        stored_history(store, **odd)


def test_one_of_tables_and_store_is_asked_for(store, given):
    with pytest.raises(ContractError, match="a store and tables"):
        etapromise.train(given.shipments, store=store, as_of=AS_OF)
