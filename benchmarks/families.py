"""Networks of other builds: promises beside the exact truth, and beside peers in the same run.

    python benchmarks/families.py --quick                    every family, one month, no peer
    python benchmarks/families.py --peer-python PYTHON_WITH_PEERS [--half told] [--cache FOLDER]

For each family (`etapromise_simulator.families`; half of them are there to choose settings on, the
others to tell results on) trained each month and refreshed every third day. Scores are those of
`quality_truth`: "ratio" is the expected pinball loss over that of the truth's own quantiles, "gap"
what is kept less what is stated, "worst month" the largest one at 0.9 in points, "express" and
"saturday" the ratio among orders of the fastest services, and of those placed on Saturday. The
truth knows of strikes and campaigns before they come; no forecast does. Peers learn from matured
orders (see quality.py).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from quality import Peers, forecasts_of_peers, hand_over, horizon_of, joined, note, seconds
from quality_networks import Network, family
from quality_peers import PEERS
from quality_truth import Row, gap, of_rows, scores, told
from quality_walk import Fold, walk

from etapromise.errors import InsufficientHistoryError
from etapromise.forecast.distribution import DateDistribution
from etapromise_simulator.families import FAMILIES, Family

Floats = NDArray[np.float64]

FAST = ("air", "express", "next-day", "two-day")
LEAST_ORDERS = 50
QUICK_DAYS = 30


@click.command()
@click.option("--family", "names", multiple=True, default=tuple(FAMILIES), help="Which.")
@click.option("--half", type=click.Choice(["settings", "told"]), help="Of the families.")
@click.option("--quick", is_flag=True, help="The last month, one small shop.")
@click.option("--peer-python", help="Interpreter that has the peers; without, no peer.")
@click.option("--peer", "peers", multiple=True, default=tuple(PEERS), help="Peers to run.")
@click.option(
    "--columns",
    type=click.Choice(["plain", "raw", "own"]),
    multiple=True,
    default=("plain", "own"),
    help="What peers are handed: as-of means with hour and weekday, raw columns, our features.",
)
@click.option("--trees", default=150, help="The most trees of a peer; it stops early.")
@click.option("--refresh", default=3, help="Days from one refresh of etapromise to the next.")
@click.option("--cache", type=click.Path(path_type=Path), help="Keeps what peers forecast.")
@click.option("--out", type=click.Path(path_type=Path), help="The rows as CSV.")
def main(
    *,
    names: tuple[str, ...],
    half: str | None,
    quick: bool,
    peer_python: str | None,
    peers: tuple[str, ...],
    columns: tuple[str, ...],
    trees: int,
    refresh: int,
    cache: Path | None,
    out: Path | None,
) -> None:
    """Walk, and print a row for each forecaster of each family, and the means of each half."""
    beside = None
    if peer_python:
        beside = Peers(peer_python, peers, columns, ("matured",), trees, cache)
    rows: list[Row] = []
    for name in names:
        description = FAMILIES[name]
        if half and description.settings != (half == "settings"):
            continue
        for row in run(description, beside, refresh=refresh, quick=quick):
            rows.append(row)
            print(told(pd.DataFrame([row]), header=len(rows) == 1), flush=True)
            if out is not None:
                out.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(out, index=False)
    table = pd.DataFrame(rows)
    means = table.drop(columns="family").groupby(["who", "half"], sort=False).mean()
    print(f"\nmeans over families\n{told(means.reset_index())}")
    worst = table.groupby(["who", "half"], sort=False)[["ratio", "express", "worst month"]].max()
    print(f"\nworst of them\n{told(worst.reset_index())}")


def run(description: Family, peers: Peers | None, *, refresh: int, quick: bool) -> Iterator[Row]:
    """One row for each forecaster; the mean of all networks of the family."""
    days = min(QUICK_DAYS, description.judged_days) if quick else description.judged_days
    found: dict[str, list[Row]] = {}
    for seed in description.seeds[:1] if quick else description.seeds:
        network = family(description, seed, days)
        try:
            folds = list(walk(network, refresh))
        except InsufficientHistoryError as error:
            note(f"{description.name}, seed {seed}: {error}")
            continue
        for who, row in of_network(network, folds, peers):
            found.setdefault(who, []).append(row)
    for who, several in found.items():
        half = "settings" if description.settings else "told"
        yield {"family": description.name, "half": half, "who": who} | dict(
            pd.DataFrame(several).mean()
        )


def of_network(
    network: Network, folds: list[Fold], peers: Peers | None
) -> Iterator[tuple[str, Row]]:
    """The rows of one network, by forecaster."""
    horizon = horizon_of(folds)
    rows = np.concatenate([fold.rows for fold in folds])
    dates = np.concatenate([fold.dates for fold in folds])
    shipments = network.history.shipments.iloc[rows].reset_index(drop=True)
    assert network.truth is not None
    truth = network.truth(shipments, dates, horizon)
    own = DateDistribution(dates, joined(folds, horizon))
    yield "etapromise", score(network, shipments, own, truth) | {"cpu s": seconds(folds)["cpu s"]}
    if peers is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        hand_over(network, folds, Path(folder), peers)
        for peer in peers.names:
            for made in forecasts_of_peers(folds, Path(folder), peer, peers, horizon):
                forecast = DateDistribution(dates, made.probability)
                row = score(network, shipments, forecast, truth)
                yield f"{peer}, {made.features}", row | {"cpu s": made.cpu}


def score(
    network: Network, shipments: pd.DataFrame, forecast: DateDistribution, truth: Floats
) -> Row:
    """All that is told of one forecast."""
    row = scores(forecast, truth)
    local = shipments["ordered_at"].dt.tz_convert(network.start.tz)
    by_month = [
        100 * abs(gap(of_rows(forecast, at), truth[at], 0.9))
        for at in local.groupby(local.dt.strftime("%Y-%m")).indices.values()
        if len(at) >= LEAST_ORDERS
    ]
    row["worst month"] = max(by_month, default=np.nan)
    slices = {
        "express": shipments["service"].isin(FAST).to_numpy(),
        "saturday": (local.dt.day_of_week == 5).to_numpy(),
    }
    for name, at in slices.items():
        many = at.sum() >= LEAST_ORDERS
        row[name] = scores(of_rows(forecast, at), truth[at])["ratio"] if many else np.nan
    return row


if __name__ == "__main__":
    sys.exit(main())
