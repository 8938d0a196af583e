"""A nightly refresh of a store reads what has changed, and is the refresh that reads everything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import etapromise
from etapromise import tracking
from etapromise.history import kept_orders, kept_tables
from etapromise.history.kept_effects import KeptEffects
from etapromise.in_transit import kept_looks, past_journeys
from etapromise.promise import assembling
from etapromise.store.stored_history import StoredHistory
from etapromise.text_type import TEXT
from tests.small_network import AS_OF, saved

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def tables(simulation) -> tuple[pa.Table, pa.Table]:
    """What is known two days after the model's moment, some scans of it later than others."""
    shipments = pa.Table.from_pandas(simulation.shipments, preserve_index=False)
    scans = pa.Table.from_pandas(simulation.scans, preserve_index=False)
    end = pa.scalar((AS_OF + 2 * DAY).to_pydatetime())
    return (
        shipments.filter(pc.less(shipments["ordered_at"], end)),
        scans.filter(pc.less(scans["received_at"], end)),
    )


@pytest.fixture(scope="module")
def ingested(tables, tmp_path_factory) -> Path:
    """A store of the tables that nobody refreshed from; tests copy it."""
    root: Path = tmp_path_factory.mktemp("ingested") / "store"
    etapromise.ingest(root, *tables, buckets=1)
    return root


@pytest.fixture
def root(ingested, tmp_path) -> Path:
    """A store of the tables of one's own."""
    copy: Path = shutil.copytree(ingested, tmp_path / "store")
    return copy


@pytest.fixture(scope="module")
def night(ingested, model, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A store after its first refresh, two days after the model's moment, and what came of that."""
    place = tmp_path_factory.mktemp("night")
    store: Path = shutil.copytree(ingested, place / "store")
    return store, saved(model.refresh(store=store, as_of=AS_OF + 2 * DAY), place / "model")


@pytest.fixture
def refreshed(night, tmp_path) -> Path:
    """Such a store of one's own."""
    copy: Path = shutil.copytree(night[0], tmp_path / "refreshed")
    return copy


@pytest.fixture
def read(monkeypatch) -> dict[str, list[str]]:
    """The weeks of which numbers are made, scans are read and parcels that have come are looked at.

    And the orders of these numbers.
    """
    weeks: dict[str, list[str]] = {"weeks": [], "orders": [], "scans": [], "looks": []}
    numbers, scans_of, sums = kept_orders._numbers, StoredHistory.scans_of, kept_looks._sums

    def counted_looks(past, rows):
        weeks["looks"] += [str(week) for week in np.unique(past.week[rows])]
        return sums(past, rows)

    def counted(known, encoder, week):
        weeks["weeks"].append(str(np.datetime64(week, "D")))
        weeks["orders"] += list(known.shipments["shipment_id"])
        return numbers(known, encoder, week)

    def counted_scans(self, shipments, before):
        weeks["scans"].append(self.name)
        return scans_of(self, shipments, before)

    monkeypatch.setattr(kept_orders, "_numbers", counted)
    monkeypatch.setattr(StoredHistory, "scans_of", counted_scans)
    monkeypatch.setattr(kept_looks, "_sums", counted_looks)
    return weeks


def test_late_scans_corrections_and_cancellations_change_what_they_would_in_the_tables(
    tables, model, read, tmp_path
):
    shipments, scans = tables
    root, as_of = tmp_path / "store", AS_OF + 2 * DAY
    random = np.random.default_rng(5)
    # A day that is not there yet, scans that come late, in no order, and what is said later on.
    new = pc.greater_equal(scans["received_at"], pa.scalar((AS_OF + DAY).to_pydatetime()))
    late = pa.array(random.random(len(scans)) < 0.0005)
    missing = pc.or_(new, late)
    weight = shipments.column_names.index("weight_kg")
    untold = pa.array(np.arange(len(shipments)) % 997 == 5)
    light = pc.if_else(untold, pa.scalar(None, pa.float64()), shipments["weight_kg"])
    before = shipments.set_column(weight, "weight_kg", light)
    etapromise.ingest(root, before, scans.filter(pc.invert(missing)), buckets=2)
    model.refresh(store=root, as_of=AS_OF + DAY)
    first, orders = len(read["weeks"]), len(read["orders"])
    assert first == len(set(read["weeks"])) > 20
    assert orders == len(set(read["orders"]))
    assert len(read["looks"]) == len(set(read["looks"])) > 20

    open_now = shipments.slice(len(shipments) - 40, 3)
    told = scans.slice(0, 3).to_pandas()
    told["shipment_id"] = open_now["shipment_id"].to_pylist()
    told["status"] = "cancelled"
    told["scanned_at"] = told["received_at"] = as_of - 3 * DAY
    cancelled = pa.Table.from_pandas(told, schema=scans.schema, preserve_index=False)
    rest = pa.concat_tables([scans.filter(missing), cancelled])
    order = pa.array(random.permutation(len(rest)))
    etapromise.ingest(root, shipments.filter(untold), rest.take(order))
    for each in read.values():
        each.clear()
    night = model.refresh(store=root, as_of=as_of)
    assert 0 < len(read["weeks"]) < first
    # In weeks that have changed, those of the orders that have.
    assert 0 < len(read["orders"]) < orders / 4
    assert 0 < len(read["looks"]) < first
    whole = tracking.history(shipments, pa.concat_tables([scans, cancelled]))
    expected = saved(model.refresh(whole, as_of=as_of), tmp_path / "tables")
    assert saved(night, tmp_path / "night") == expected

    for each in read.values():
        each.clear()
    again = model.refresh(store=root, as_of=as_of)
    assert saved(again, tmp_path / "again") == expected
    assert not any(read.values())
    # A refreshed model has the same calendars: its nights go on where this one was.
    night.refresh(store=root, as_of=as_of)
    assert not any(read.values())


def test_what_was_known_earlier_and_what_is_damaged_is_made_again(
    tables, model, read, night, refreshed, tmp_path
):
    then = model.refresh(store=refreshed, as_of=AS_OF - 9 * DAY)
    expected = model.refresh(tracking.history(*tables), as_of=AS_OF - 9 * DAY)
    assert saved(then, tmp_path / "then") == saved(expected, tmp_path / "expected")

    for each in read.values():
        each.clear()
    again = model.refresh(store=refreshed, as_of=AS_OF + 2 * DAY)
    assert saved(again, tmp_path / "again") == night[1]
    assert len(read["looks"]) < 9


@pytest.mark.parametrize("kind", ["", "scans", "looks"])
def test_what_is_damaged_or_older_is_made_again_and_told(
    model, read, night, refreshed, tmp_path, caplog, kind
):
    kept = sorted((next((refreshed / "numbers").iterdir()) / kind).glob("*.arrow"))
    cut, turned, gone, older = kept[3], kept[-5], kept[-3], kept[5]
    cut.write_bytes(cut.read_bytes()[:100])
    content = bytearray(turned.read_bytes())
    content[len(content) // 2] ^= 1
    turned.write_bytes(content)
    gone.unlink()
    content = bytearray(older.read_bytes())
    content[16] -= 1  # the number of the format
    older.write_bytes(content)
    if kind == "scans":
        # They are read where a week is looked at again.
        shutil.rmtree(cut.parents[1] / "looks")
    with caplog.at_level("INFO"), pytest.warns(RuntimeWarning, match="damaged") as told:
        again = model.refresh(store=refreshed, as_of=AS_OF + 2 * DAY)
    assert {cut.name, turned.name} == {
        name
        for name in (path.name for path in kept)
        if any(name in str(one.message) for one in told)
    }
    assert older.name in caplog.text
    assert saved(again, tmp_path / "again") == night[1]
    made = {"": "weeks", "scans": "scans", "looks": "looks"}[kind]
    assert len(set(read[made])) == 4


def test_a_week_is_looked_at_again_where_what_is_learned_hangs_on_changes(
    model, read, root, monkeypatch
):
    """Others of its parcels, or other weights of the same: both change what the week teaches."""
    as_of = AS_OF + 2 * DAY
    monkeypatch.setattr("etapromise.in_transit.sampling._FEWEST", 2)
    drawn = assembling.drawn_parcels
    monkeypatch.setattr(assembling, "drawn_parcels", lambda *some: drawn(*some[:2], 20_000))
    model.refresh(store=root, as_of=as_of)
    every = len(read["looks"])

    def weighted(*some):
        found = drawn(*some[:2], 20_000)
        weight = found.weight.copy()
        weight[len(weight) // 2] *= 2.0
        return replace(found, weight=weight)

    def without(*some):
        found = drawn(*some[:2], 20_000)
        gone = len(found.weight) // 3
        return replace(
            found, rows=np.delete(found.rows, gone), weight=np.delete(found.weight, gone)
        )

    for other in (weighted, without):
        monkeypatch.setattr(assembling, "drawn_parcels", other)
        read["looks"].clear()
        # One week is another, and is made again as it was before.
        model.refresh(store=root, as_of=as_of)
        assert len(read["looks"]) == 1 + (other is without)
    assert every > 20


def test_a_store_that_may_not_be_written_gives_the_same(model, night, root, tmp_path):
    (root / "numbers").write_text("no directory")
    found = model.refresh(store=root, as_of=AS_OF + 2 * DAY)
    assert saved(found, tmp_path / "model") == night[1]


def test_numbers_of_models_that_are_gone_are_let_go_of(model, refreshed):
    for number in range(9):
        (refreshed / "numbers" / f"{number}").mkdir()
    model.refresh(store=refreshed, as_of=AS_OF + 2 * DAY)
    names = {path.name for path in (refreshed / "numbers").iterdir()}
    assert len(names) == kept_tables._MOST_MODELS
    assert any((refreshed / "numbers" / name / "scans").is_dir() for name in names)


def test_scans_are_those_that_the_tables_give(model, root):
    tracked = etapromise.stored_history(root)
    known = kept_orders.KeptOrders.of_store(tracked, AS_OF, model.parts.encoder)
    some = known.take(np.arange(0, len(known), 3))
    whole = kept_orders.KnownOrders.of(tracked, AS_OF).take(np.arange(0, len(known), 3))
    pd.testing.assert_frame_equal(some.shipments, whole.shipments)
    pd.testing.assert_frame_equal(some.milestones, whole.milestones)
    found, expected = (past_journeys.parcel_scans(tracked, orders) for orders in (some, whole))
    assert found.facilities == expected.facilities
    for name in ("first", "scanned", "received", "status", "other", "facility", "ordered"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def test_numbers_of_an_earlier_moment_are_made_again_where_more_is_known_later(
    model, read, root, tmp_path
):
    copy = shutil.copytree(root, tmp_path / "copy")
    found = []
    for place, moments in ((root, (-9, -1, 1)), (copy, (1,))):
        tracked = etapromise.stored_history(place)
        for days in moments:
            for each in read.values():
                each.clear()
            known = kept_orders.KeptOrders.of_store(
                tracked, AS_OF + days * DAY, model.parts.encoder
            )
        found.append((known.table, len(read["orders"])))
    (table, some), (expected, every) = found
    texts = {name: TEXT for name in table.column_names if "key" in name or name == "zone"}
    one, other = (each.drop(["digest"]).to_pandas().astype(texts) for each in (table, expected))
    pd.testing.assert_frame_equal(one, other)
    assert 0 < some < every / 4


def test_orders_that_are_cancelled_between_two_nights_move_no_others_scans(
    tables, model, root, tmp_path
):
    """The files are the same on both nights, and of the week's orders the second knows fewer."""
    shipments, scans = tables
    sunday = shipments.filter(
        pc.and_(
            pc.greater_equal(shipments["ordered_at"], pa.scalar((AS_OF - 2 * DAY).to_pydatetime())),
            pc.less(shipments["ordered_at"], pa.scalar((AS_OF - DAY).to_pydatetime())),
        )
    )
    told = scans.slice(0, 8).to_pandas()
    told["shipment_id"] = sunday["shipment_id"].to_pylist()[:8]
    told["status"] = "cancelled"
    told["scanned_at"] = told["received_at"] = AS_OF + 1.5 * DAY
    cancelled = pa.Table.from_pandas(told, schema=scans.schema, preserve_index=False)
    etapromise.ingest(root, scans=cancelled)
    copy = shutil.copytree(root, tmp_path / "copy")
    before, after = (
        len(kept_orders.KnownOrders.of(etapromise.stored_history(root), AS_OF + days * DAY))
        for days in (1, 2)
    )
    new = pc.greater_equal(shipments["ordered_at"], pa.scalar((AS_OF + DAY).to_pydatetime()))
    assert after < before + pc.sum(new).as_py()
    model.refresh(store=root, as_of=AS_OF + DAY)
    night = saved(model.refresh(store=root, as_of=AS_OF + 2 * DAY), tmp_path / "night")
    assert night == saved(model.refresh(store=copy, as_of=AS_OF + 2 * DAY), tmp_path / "whole")


def test_order_days_are_asked_of_what_is_judged_only(model, refreshed, monkeypatch):
    asked, run = [], KeptEffects.run

    def spied(self, encoder, sweeps, end_day, wanted):
        asked.append((sweeps[0].durations, wanted))
        return run(self, encoder, sweeps, end_day, wanted)

    monkeypatch.setattr(KeptEffects, "run", spied)
    model.refresh(store=refreshed, as_of=AS_OF + 2 * DAY)
    ((durations, wanted),) = asked
    trained = model.transit.trained_day
    came = durations.known_day < trained
    old = came & (durations.start_day < trained - model.parts.manifest["holdout_days"])
    assert old.mean() > 0.4
    assert not old[wanted.rows].any()
    assert not old[wanted.later].any()
