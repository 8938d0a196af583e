from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etapromise.tracking.tables import read_scans, read_shipments
from etapromise_simulator import SAMPLE, NetworkConfig, sample, write_sample
from etapromise_simulator.simulation import simulate_in_blocks

COMMITTED = Path(__file__).parents[2] / "data" / "sample"
FILES = {"shipments.parquet", "scans.parquet", "open_orders.parquet", "README.md"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NetworkConfig, dict[str, int]]:
    config = NetworkConfig(seed=3, days=45, shipments_per_day=60.0)
    out = tmp_path_factory.mktemp("sample") / "made" / "here"
    return out, config, write_sample(out, config)


def test_the_same_seed_gives_the_same_bytes(
    small: tuple[Path, NetworkConfig, dict[str, int]], tmp_path: Path
) -> None:
    out, config, rows = small
    assert write_sample(tmp_path, config) == rows
    assert {path.name for path in out.iterdir()} == FILES
    for name in FILES:
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes()


def test_what_is_cut_off_leaves_the_files_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed `etapromise sample` left half a file of scans under its name."""
    config = NetworkConfig(seed=3, days=20, shipments_per_day=4.0)
    write_sample(tmp_path, config)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def cut_off(*given: Any) -> Iterator[Any]:
        yield from simulate_in_blocks(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "simulate_in_blocks", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, replace(config, seed=4))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_open_orders_are_under_way_or_brand_new(
    small: tuple[Path, NetworkConfig, dict[str, int]],
) -> None:
    out, config, rows = small
    shipments = read_shipments(out / "shipments.parquet").accepted
    scans = read_scans(out / "scans.parquet").accepted
    orders = read_shipments(out / "open_orders.parquet").accepted
    assert rows == {
        "shipments.parquet": len(shipments),
        "scans.parquet": len(scans),
        "open_orders.parquet": len(orders),
    }
    now = pd.Timestamp(config.extract_ends_at)
    assert orders["ordered_at"].max() <= now
    assert orders["ordered_at"].min() > now - pd.Timedelta(days=30)
    new = ~orders["shipment_id"].isin(shipments["shipment_id"])
    assert new.any()
    assert (orders.loc[new, "ordered_at"] > now - pd.Timedelta(hours=3)).all()
    assert not orders.loc[new, "shipment_id"].isin(scans["shipment_id"]).any()
    told = scans[scans["shipment_id"].isin(orders["shipment_id"])]["status"]
    assert not set(told) & {"delivered", "returning", "returned", "lost", "damaged"}
    assert len(told) > len(orders)
    # Every recent shipment that is not among them has come to an end.
    recent = shipments["ordered_at"] > now - pd.Timedelta(days=30)
    ended = scans.loc[
        scans["status"].isin(["delivered", "returning", "returned", "lost", "damaged"]),
        "shipment_id",
    ]
    others = set(shipments.loc[recent, "shipment_id"]) - set(orders["shipment_id"])
    assert others <= set(ended)


def test_the_committed_sample_is_small_and_clean() -> None:
    assert {path.name for path in COMMITTED.iterdir()} == FILES
    assert sum(path.stat().st_size for path in COMMITTED.iterdir()) < 8_000_000
    shipments = read_shipments(COMMITTED / "shipments.parquet")
    scans = read_scans(COMMITTED / "scans.parquet")
    orders = read_shipments(COMMITTED / "open_orders.parquet")
    assert len(shipments.rejects) == len(scans.rejects) == len(orders.rejects) == 0
    assert 18_000 < len(shipments.accepted) < 22_000
    assert shipments.accepted["ordered_at"].min().date() - SAMPLE.start <= dt.timedelta(days=1)
    assert scans.accepted["received_at"].max() <= pd.Timestamp(SAMPLE.extract_ends_at)
    assert "etapromise sample --out data/sample" in (COMMITTED / "README.md").read_text("utf-8")
