"""Runs one peer of quality.py, which starts this once for each, in whatever environment has it.

    python benchmarks/quality_peer_run.py FOLDER CACHE PEER

FOLDER holds job.json and, for each fold, the parcels to learn from and those to forecast. What a
peer makes of a table depends on nothing else, so it is kept in CACHE under a digest of the table,
the job, the peer's version and the script that fits it, and not made twice. Prints one line of JSON
for each table of columns and cohort. Leaves with 3 where the peer is not installed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import quality_peers
from quality_peers import PEERS, Floats, Job, Peer, setting_of

NOT_INSTALLED = 3


@dataclass(frozen=True)
class Cache:
    """Forecasts by digest of what they were made from."""

    folder: Path
    shared: bytes

    @classmethod
    def of(cls, folder: Path, name: str, job: Job) -> Cache:
        """The cache of one peer."""
        package = PEERS[name].package
        shared = json.dumps(
            {
                "peer": name,
                "package": package and version(package),
                "job": {
                    name: job[name] for name in sorted(job.keys() - {"folds", "columns", "cohorts"})
                },
                "script": Path(quality_peers.__file__).read_text(encoding="utf-8"),
            },
            sort_keys=True,
        )
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, shared.encode())

    def path(self, *parts: pd.DataFrame | Floats | str) -> Path:
        """Where what was made of some tables is, or goes."""
        digest = hashlib.sha256(self.shared)
        for part in parts:
            if isinstance(part, pd.DataFrame):
                digest.update(json.dumps(list(part.columns)).encode())
            values = part.encode() if isinstance(part, str) else np.ascontiguousarray(part)
            digest.update(values)
        return self.folder / digest.hexdigest()[:32]


def chosen(peer: Peer, x: pd.DataFrame, y: Floats, job: Job, cache: Cache) -> dict[str, Any]:
    """The setting, and the seconds that choosing it took."""
    path = cache.path("setting", x, y).with_suffix(".json")
    if not path.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        setting = setting_of(peer, x, y, job)
        told = {"setting": setting, **taken(wall, cpu)}
        path.write_text(json.dumps(told))
    return dict(json.loads(path.read_text()))


def forecast(
    peer: Peer,
    x: pd.DataFrame,
    y: Floats,
    later: pd.DataFrame,
    setting: Any,
    job: Job,
    cache: Cache,
) -> tuple[Floats, dict[str, Any]]:
    """(n, levels) quantiles of the later parcels, and the seconds that they took."""
    path = cache.path(json.dumps(setting), x, y, later)
    seconds = path.with_suffix(".json")
    if not seconds.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        quantiles = np.sort(peer.fit(x, y, job, setting)(later), axis=1)
        np.save(path.with_suffix(".npy"), quantiles)
        # Last, so that what is there is whole.
        seconds.write_text(json.dumps(taken(wall, cpu)))
    return np.load(path.with_suffix(".npy")), json.loads(seconds.read_text())


def taken(wall: float, cpu: float) -> dict[str, float]:
    """Seconds since."""
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def tables(
    folder: Path, job: Job, peer: Peer, features: str, cohort: str
) -> Iterator[tuple[str, pd.DataFrame, Floats, pd.DataFrame]]:
    """Of each fold: its name, columns and targets to learn from, columns to forecast from."""
    for fold in job["folds"]:
        train = pd.read_parquet(folder / f"{fold}-train.parquet")
        later = pd.read_parquet(folder / f"{fold}-test.parquet")
        train = train[train[f"y:{cohort}"].notna()]
        columns = [
            column
            for column in train.columns
            if column.startswith(f"{features}:") or (not peer.more and column == "start_day")
        ]
        yield fold, train[columns], train[f"y:{cohort}"].to_numpy(), later[columns]


def main(folder: Path, kept: Path, name: str) -> None:
    """Forecast all folds, with the wanted tables of features and cohorts."""
    job = json.loads((folder / "job.json").read_text())
    peer, cache = PEERS[name], Cache.of(kept, name, job)
    for features in job["columns"] if peer.more else ("raw",):
        setting = None
        for cohort in job["cohorts"]:
            wall = cpu = 0.0
            for fold, x, y, later in tables(folder, job, peer, features, cohort):
                if setting is None:
                    told = chosen(peer, x, y, job, cache)
                    setting, wall, cpu = told["setting"], told["wall"], told["cpu"]
                quantiles, seconds = forecast(peer, x, y, later, setting, job, cache)
                wall, cpu = wall + seconds["wall"], cpu + seconds["cpu"]
                np.save(folder / f"{fold}-{name}-{features}-{cohort}.npy", quantiles)
                print(f"{name} {features} {cohort} {fold}: {seconds['cpu']:.1f} s", file=sys.stderr)
            row = {"features": features, "cohort": cohort, "setting": setting}
            print(json.dumps(row | {"wall": wall, "cpu": cpu}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("started by quality.py; nothing to do alone")
        sys.exit(0)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except (ModuleNotFoundError, PackageNotFoundError) as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_INSTALLED)
