"""Processor time of a nightly refresh from a store, beside one that keeps nothing yet.

    python benchmarks/nights.py [--orders 500 5100] [--out output/nights]

Each size is a simulated year with so many orders a day, the model one of thirty trees. "first" has
nothing kept; a night brings the last hundredth of the scans to the store and has what the one
before it kept; "again" is the same night once more; "full" has nothing kept again; "tables" reads
the tables instead. The last four must give the same model to the last bit. All in one process;
told at the end is the peak of its resident memory.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

import etapromise
from etapromise.forecast.boosting import BoostingConfig
from etapromise.in_transit.training import TransitSettings
from etapromise_simulator import NetworkConfig, write_sample

AS_OF = pd.Timestamp("2026-01-06", tz="UTC")
DAY = 86_400_000_000
TREES = BoostingConfig(
    rounds=30, learning_rate=0.2, num_leaves=15, max_depth=5, min_data_in_leaf=60, patience=12
)


def refreshed(
    label: str, model: etapromise.PromiseModel, as_of: pd.Timestamp, **tables: Any
) -> etapromise.PromiseModel:
    """Refresh a model and tell what it took."""
    before = time.process_time()
    found = model.refresh(as_of=as_of, **tables)
    print(f"{label:10} {time.process_time() - before:8.1f} s CPU", flush=True)
    return found


def digest(model: etapromise.PromiseModel, place: Path) -> str:
    """Of all files of a model."""
    shutil.rmtree(place, ignore_errors=True)
    model.save(place)
    found = hashlib.sha256()
    for path in sorted(place.rglob("*")):
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=float, nargs="+", default=[500.0])
    parser.add_argument("--out", type=Path, default=Path("output/nights"))
    told = parser.parse_args()
    for orders in told.orders:
        place = told.out / f"{orders:g}"
        rows = write_sample(
            place, NetworkConfig(start=date(2025, 1, 6), days=365, shipments_per_day=orders)
        )
        print(f"\n{rows['shipments.parquet']:,} shipments, {rows['scans.parquet']:,} scans")
        table = pq.read_table(place / "scans.parquet")
        received = table["received_at"].cast("int64")
        cut = int(np.quantile(received.to_numpy(), 0.99)) // DAY * DAY
        late = pc.greater_equal(received, cut)
        before, day = table.filter(pc.invert(late)), table.filter(late)
        del table, received, late
        store, known = place / "store", pd.Timestamp(cut, unit="us", tz="UTC")
        shutil.rmtree(store, ignore_errors=True)
        etapromise.ingest(store, place / "shipments.parquet", before)
        del before
        config = etapromise.TrainingConfig(
            members=1, stages=False, boosting=TREES, transit=TransitSettings(boosting=TREES)
        )
        model = etapromise.train(store=store, as_of=known, config=config)
        shutil.rmtree(store / "numbers")
        first = refreshed("first", model, known, store=store)
        etapromise.ingest(store, scans=day)
        found = [refreshed(label, first, AS_OF, store=store) for label in ("night", "again")]
        shutil.rmtree(store / "numbers")
        found.append(refreshed("full", first, AS_OF, store=store))
        shipments, scans = place / "shipments.parquet", place / "scans.parquet"
        found.append(refreshed("tables", first, AS_OF, shipments=shipments, scans=scans))
        alike = len({digest(each, place / "model") for each in found}) == 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"models alike: {alike}; peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
