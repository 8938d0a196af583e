"""Promises beside those of every peer, in one run: kept, days, pinball, CRPS, by month and group.

    python benchmarks/quality.py [--peer-python PYTHON_WITH_PEERS] [--cache FOLDER] [--quick]

Walks by month over the Olist orders (where they are) and over a simulated network. Each peer
forecasts the same orders from the same history, with as-of means of lanes, hour and weekday
("plain"), with the raw tables' features and with those of etapromise ("own"), fitted on matured
orders and on all delivered so far. A peer that is not installed is skipped. One process, one thread
at a time; CPU seconds stand beside wall seconds. With --cache, what a peer made of the same tables
before is not made again, and the seconds told are those it took then.

Columns: "gap" is kept minus mean stated confidence; "month gap" and "group gap" the worst of the
0.9 promise among months and groups with enough orders, "error" their mean size; "width" the days
between the 0.1 and 0.9 quantiles; "fewer" the share of the shop's broken promises that dates by
cost, or by service level, at its mean days do not break, the cost or level of a month picked on
earlier months only; "days (…)" by how much they then miss those days; "fewer (equal)" the same for
the one cost that meets them exactly; "days saved" what dates by cost save with its kept rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from olist_tables import FOLDER
from quality_networks import Network, olist, simulated
from quality_peer_run import NOT_INSTALLED
from quality_peers import PEERS
from quality_scores import LEVELS, dates_of, judged, scores, shop_scores
from quality_walk import CODED, Fold, peer_tables, walk

from etapromise.evaluation.judgement import Truth
from etapromise.evaluation.replay import extract_end

Floats = NDArray[np.float64]
Row = dict[str, Any]

COLUMNS = ("plain", "raw", "own")
COHORTS = ("matured", "all")


@click.command()
@click.option("--peer-python", default=sys.executable, help="Interpreter that has the peers.")
@click.option("--from", "start", default="2017-09-01", help="First local date of Olist orders.")
@click.option("--to", "end", default="2018-05-01", help="The date after the last.")
@click.option("--seed", "seeds", multiple=True, default=(1,), help="Of simulated networks.")
@click.option("--months", default=3, help="Of a simulated network.")
@click.option("--per-day", default=70.0, help="Shipments a day of a simulated network.")
@click.option("--trees", default=150, help="The most trees of a peer; it stops early.")
@click.option("--refresh", default=1, help="Days from one refresh of etapromise to the next.")
@click.option("--peer", "peers", multiple=True, default=tuple(PEERS), help="Peers to run.")
@click.option(
    "--columns",
    type=click.Choice(COLUMNS),
    multiple=True,
    default=COLUMNS,
    help="What peers are handed: as-of means with hour and weekday, raw columns, our features.",
)
@click.option("--cache", type=click.Path(path_type=Path), help="Keeps what peers forecast.")
@click.option("--only", type=click.Choice(["olist", "simulated"]), help="One network.")
@click.option("--quick", is_flag=True, help="Two months, few trees, weekly refresh.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the tables as CSV.")
def main(
    *,
    peer_python: str,
    start: str,
    end: str,
    seeds: tuple[int, ...],
    months: int,
    per_day: float,
    trees: int,
    refresh: int,
    peers: tuple[str, ...],
    columns: tuple[str, ...],
    cache: Path | None,
    only: str | None,
    quick: bool,
    out: Path | None,
) -> None:
    """Walk, and print one table for each network."""
    if quick:
        end, months, per_day = f"{pd.Timestamp(start) + pd.DateOffset(months=2):%Y-%m-%d}", 1, 40.0
        trees, refresh = min(trees, 60), 7
    networks: list[Network] = []
    if only != "simulated":
        if (FOLDER / "shipments.parquet").exists():
            networks.append(olist(start, end))
        else:
            note(f"skipped: no Olist orders in {FOLDER}")
    if only != "olist":
        networks.extend(simulated(seed, months, per_day) for seed in seeds)
    for number, network in enumerate(networks):
        begun = time.perf_counter()
        rows = []
        beside = Peers(peer_python, peers, columns, COHORTS, trees, cache)
        for row in run(network, beside, refresh=refresh):
            rows.append(row)
            # After each row, so that a run that is stopped has not been for nothing.
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(out / f"quality-{number}.csv", index=False)
        print(f"\n{network.name}: {time.perf_counter() - begun:.0f} s")
        table = pd.DataFrame(rows)
        print(table.to_string(index=False, na_rep="", float_format="{:.3f}".format), flush=True)


@dataclass(frozen=True)
class Peers:
    """Who is compared with, where, on what columns and orders, and with how many trees at most."""

    python: str
    names: tuple[str, ...]
    columns: tuple[str, ...]
    cohorts: tuple[str, ...]
    trees: int
    cache: Path | None


@dataclass(frozen=True)
class Stage:
    """What all forecasts of a network are judged on."""

    network: Network
    truth: Truth
    rows: NDArray[np.int64]
    dates: NDArray[np.datetime64]
    horizon: int

    def score(self, probability: Floats) -> Row:
        """Scores of one forecast, (n, horizon)."""
        table = judged(self.network, self.truth, self.rows, self.dates, probability)
        return scores(self.network, table, probability)


def run(network: Network, peers: Peers, *, refresh: int) -> Iterator[Row]:
    """One row for each forecast of a network."""
    folds = []
    for fold in walk(network, refresh):
        folds.append(fold)
        note(f"{network.name}: {fold.step.period} walked in {fold.wall:.0f} s")
    stage = stage_of(network, folds)
    own = joined(folds, stage.horizon)
    yield {"who": "etapromise", **stage.score(own), **seconds(folds)}
    shop = judged(network, stage.truth, stage.rows, stage.dates, own)
    if shop["shop_day"].notna().any():
        yield {"who": "the shop's own dates", **shop_scores(network, shop)}
    if network.truth is not None:
        asked = network.history.shipments.iloc[stage.rows]
        yield {"who": "the truth", **stage.score(network.truth(asked, stage.dates, stage.horizon))}
    with tempfile.TemporaryDirectory() as folder:
        hand_over(network, folds, Path(folder), peers)
        for peer in peers.names:
            yield from peer_rows(stage, folds, Path(folder), peer, peers)


def stage_of(network: Network, folds: list[Fold]) -> Stage:
    """The common stage: all folds' orders, dates up to the longest horizon."""
    truth = Truth.of(
        network.history,
        folds[-1].model.local_dates(
            network.history.shipments, network.history.milestones["event_at"]
        ),
        extract_end=extract_end(network.history),
        settle_days=1,
    )
    return Stage(
        network,
        truth,
        np.concatenate([fold.rows for fold in folds]),
        np.concatenate([fold.dates for fold in folds]),
        horizon_of(folds),
    )


def horizon_of(folds: list[Fold]) -> int:
    """The longest of all folds, in days."""
    return max(fold.probability.shape[1] for fold in folds)


def joined(folds: list[Fold], horizon: int) -> Floats:
    """(n, horizon) of all folds; a shorter one stays at its last probability."""
    return np.concatenate(
        [
            np.pad(
                fold.probability,
                ((0, 0), (0, max(0, horizon - fold.probability.shape[1]))),
                mode="edge",
            )[:, :horizon]
            for fold in folds
        ]
    )


def hand_over(network: Network, folds: list[Fold], folder: Path, peers: Peers) -> None:
    """Write what the peers need."""
    for fold in folds:
        train, test, cohort = peer_tables(network, fold)
        train.to_parquet(folder / f"{fold.step.period}-train.parquet")
        test.to_parquet(folder / f"{fold.step.period}-test.parquet")
        note(f"{network.name}: {fold.step.period} matured means {cohort}")
    job = {
        "levels": LEVELS,
        "trees": peers.trees,
        "columns": peers.columns,
        "cohorts": peers.cohorts,
        "categories": [
            f"{table}:{name}"
            for table in ("raw", "plain")
            for name in (*CODED, "weekday", *network.config.categorical)
        ],
        "lanes": network.lanes,
        "folds": [fold.step.period for fold in folds],
    }
    (folder / "job.json").write_text(json.dumps(job))


@dataclass(frozen=True)
class Made:
    """What a peer made of one table of columns and one cohort.

    Attributes:
        probability: (n, horizon) of all folds.
        features: The table.
        cohort: Which orders it learnt from.
        setting: What it chose.
        wall: Seconds.
        cpu: Seconds of the processor.
    """

    probability: Floats
    features: str
    cohort: str
    setting: Any
    wall: float
    cpu: float


def forecasts_of_peers(
    folds: list[Fold], folder: Path, peer: str, peers: Peers, horizon: int
) -> Iterator[Made]:
    """The forecasts of one peer; none if it is not installed."""
    script = Path(__file__).with_name("quality_peer_run.py")
    cache = peers.cache or folder / "made"
    done = subprocess.run(
        [peers.python, str(script), str(folder), str(cache), peer],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == NOT_INSTALLED:
        note(
            f"skipped: {peer}: {done.stderr.strip()} in {peers.python}; "
            "choose one with --peer-python"
        )
        return
    if done.returncode:
        raise click.ClickException(f"{peer} failed:\n{done.stderr}")
    for line in done.stdout.splitlines():
        told = json.loads(line)
        name = f"{peer}-{told['features']}-{told['cohort']}"
        quantiles = np.concatenate(
            [np.load(folder / f"{fold.step.period}-{name}.npy") for fold in folds]
        )
        yield Made(dates_of(quantiles, list(LEVELS), horizon), **told)


def peer_rows(
    stage: Stage, folds: list[Fold], folder: Path, peer: str, peers: Peers
) -> Iterator[Row]:
    """The rows of one peer."""
    for made in forecasts_of_peers(folds, folder, peer, peers, stage.horizon):
        yield {
            "who": f"{peer} ({made.setting})",
            "features": made.features,
            "cohort": made.cohort,
            **stage.score(made.probability),
            "wall s": made.wall,
            "cpu s": made.cpu,
        }
        note(f"{stage.network.name}: {peer} {made.features} {made.cohort} {made.wall:.0f} s")


def seconds(folds: list[Fold]) -> Row:
    """What a walk took."""
    return {"wall s": sum(fold.wall for fold in folds), "cpu s": sum(fold.cpu for fold in folds)}


def note(text: str) -> None:
    """Progress, which does not belong to the table."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
