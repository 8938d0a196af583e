"""Networks by another hand: promises beside a truth by Monte Carlo, and beside peers.

    python benchmarks/another_hand.py --quick                 one month of each network, no peer
    python benchmarks/another_hand.py --peer-python PYTHON_WITH_PEERS [--only NAME] [--causes]

Five networks (`other_networks/`) that share no code and no idea with the simulator. Each is walked
and scored as families.py does: trained each month, refreshed every third day. The truth of an order
is drawn from the state of its world when it was placed: nobody knows the shocks to come, but it
knows the spells that are on, which a forecast can only infer. "The laws" know how the world works,
and neither its state nor anything that happened, but for a queue of the shop's own. Gaps are kept
less stated, in points. With --calendars etapromise is told what such a shop knows of its own days
and hours; --causes tells where the loss beyond the truth's lies.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import numpy as np
import pandas as pd
from families import of_network, score
from quality import Peers, horizon_of, joined, note
from quality_networks import Dates, Floats, Network
from quality_scores import LEVELS
from quality_truth import Row, expected_pinball, gap, of_rows, told
from quality_walk import Fold, walk

from etapromise import TrainingConfig, tracking
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.forecast.distribution import DateDistribution

if TYPE_CHECKING:
    from other_networks.worlds import World

NAMES = ("german_move", "us_peak", "india_marketplace", "japan_typhoons", "border_customs")
PROMISED = (0.8, 0.9, 0.95)
QUICK_DAYS = 30
NEAR_HOLIDAY = 4  # days from the order to it
LEAST_ORDERS = 100


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(NAMES), default=NAMES)
@click.option("--quick", is_flag=True, help="The last month, one seed.")
@click.option("--seed", "seeds", multiple=True, default=(1,), help="Of the worlds.")
@click.option("--peer-python", help="Interpreter that has the peers; without, no peer.")
@click.option("--peer", "peers", multiple=True, default=("CatBoost", "LightGBM"))
@click.option("--trees", default=150, help="The most trees of a peer; it stops early.")
@click.option("--refresh", default=3, help="Days from one refresh of etapromise to the next.")
@click.option("--cache", type=click.Path(path_type=Path), help="Keeps what peers forecast.")
@click.option("--calendars", is_flag=True, help="With what the shop knows of its calendar.")
@click.option("--causes", is_flag=True, help="Where the loss beyond the truth's lies.")
def main(
    *,
    names: tuple[str, ...],
    quick: bool,
    seeds: tuple[int, ...],
    peer_python: str | None,
    peers: tuple[str, ...],
    trees: int,
    refresh: int,
    cache: Path | None,
    calendars: bool,
    causes: bool,
) -> None:
    """Walk each network, and print its scores, its gaps by month, and where it falls short."""
    beside = Peers(peer_python, peers, ("plain",), ("matured",), trees, cache)
    for name in names:
        for seed in seeds[:1] if quick else seeds:
            begun = time.perf_counter()
            world = import_module(f"other_networks.{name}").make(seed)
            network, folds = network_of(world, quick=quick, calendars=calendars), []
            for fold in walk(network, refresh):
                folds.append(without_cancelled(world, fold))
                note(f"{name}: {fold.step.period} walked in {fold.wall:.0f} s")
            forecast, orders, truth = beside_truth(network, folds)
            blind = distribution(
                world, orders, forecast.origin_dates, forecast.horizon, knows=False
            )
            laws = DateDistribution(forecast.origin_dates, blind)
            found = list(of_network(network, folds, beside if peer_python else None))
            found.append(("the laws", score(network, orders, laws, truth)))
            table = pd.DataFrame([short(who, row) for who, row in found])
            print(f"\n{name}, seed {seed}: {time.perf_counter() - begun:.0f} s\n{told(table)}")
            slices = slices_of(world, orders)
            print(f"\n{told(gaps(forecast, truth, slices['month']))}", flush=True)
            if causes:
                for of, values in slices.items():
                    print(f"\n{told(excess(forecast, truth, of, values))}", flush=True)


def network_of(world: World, *, quick: bool, calendars: bool) -> Network:
    """The world as families.py walks it."""
    told = CalendarFile(world.calendars) if calendars else None
    start, last = (pd.Timestamp(day, tz=world.zone) for day in world.judged)
    end = last + pd.DateOffset(days=1)
    if quick:
        start = max(start, end - pd.DateOffset(days=QUICK_DAYS))
    named = "destination_region" in world.shipments.columns
    place = "destination_region" if named else "destination_country"
    made: dict[tuple[int, int], Floats] = {}

    def truth(shipments: pd.DataFrame, day_0: Dates, horizon: int) -> Floats:
        # Asked for by the scores, and again for the causes.
        key = (len(shipments), horizon)
        if key not in made:
            made[key] = distribution(world, shipments, day_0, horizon, knows=True)
        return made[key]

    return Network(
        name=world.name,
        history=tracking.history(world.shipments, world.scans),
        config=TrainingConfig(categorical=world.categorical, calendars=told),
        walked_from=start,
        start=start,
        end=end,
        lanes=(
            ("origin", place, "carrier", "service"),
            (place, "carrier", "service"),
            ("carrier", "service"),
        ),
        group="carrier_service",
        month_from=LEAST_ORDERS,
        group_from=LEAST_ORDERS,
        truth=truth,
    )


def distribution(
    world: World, shipments: pd.DataFrame, day_0: Dates, horizon: int, *, knows: bool
) -> Floats:
    """(n, horizon) P(delivered by the end of the day k days after a day 0 of each).

    Of who knows the state of the world at each order, or of who knows its laws alone.
    """
    rows = pd.Index(world.shipments["shipment_id"]).get_indexer(shipments["shipment_id"])
    shift = (day_0 - np.datetime64(world.first, "D")).astype(np.int64)
    after = np.clip(world.days(rows, knows=knows) - shift[:, None], 0, horizon)
    count = np.zeros((len(rows), horizon + 1))
    np.add.at(count, (np.arange(len(rows))[:, None], after), 1.0)
    share = np.cumsum(count[:, :-1], axis=1) / after.shape[1]
    return share * world.arrives[rows, None]


def without_cancelled(world: World, fold: Fold) -> Fold:
    """A month without the orders that were called off: no date is right or wrong of these."""
    cancelled = set(world.scans.loc[world.scans["status"] == "cancelled", "shipment_id"])
    kept = ~world.shipments["shipment_id"].iloc[fold.rows].isin(cancelled).to_numpy()
    rows, days, probability = fold.rows[kept], fold.dates[kept], fold.probability[kept]
    return replace(fold, rows=rows, dates=days, probability=probability)


def beside_truth(
    network: Network, folds: list[Fold]
) -> tuple[DateDistribution, pd.DataFrame, Floats]:
    """Etapromise's forecast, the orders forecast, and their truth."""
    horizon = horizon_of(folds)
    rows = np.concatenate([fold.rows for fold in folds])
    day_0 = np.concatenate([fold.dates for fold in folds])
    shipments = network.history.shipments.iloc[rows].reset_index(drop=True)
    assert network.truth is not None
    truth = network.truth(shipments, day_0, horizon)
    return DateDistribution(day_0, joined(folds, horizon)), shipments, truth


def short(who: str, row: Row) -> Row:
    """What is told of a forecaster."""
    gaps = {f"gap {level}": 100 * row[f"gap {level}"] for level in PROMISED}
    names = ("ratio", "pinball", "days too many", "worst month", "cpu s")
    scores = {name: row.get(name, np.nan) for name in names}
    return {"who": who, "orders": row["orders"]} | scores | gaps


def gaps(forecast: DateDistribution, truth: Floats, months: pd.Series) -> pd.DataFrame:
    """Kept less stated by month, in points, and the ratio."""
    found = []
    for month, at in months.groupby(months).indices.items():
        one, true = of_rows(forecast, at), truth[at]
        by_level = {f"gap {level}": 100 * gap(one, true, level) for level in PROMISED}
        ours, best = losses(one, true)
        found.append({"month": month, "orders": len(at), "ratio": ours / best} | by_level)
    return pd.DataFrame(found)


def losses(forecast: DateDistribution, truth: Floats) -> tuple[float, float]:
    """The expected pinball loss, and that of the truth."""
    best = DateDistribution(forecast.origin_dates, truth)
    return tuple(
        float(np.mean([expected_pinball(truth, one.at(level), level) for level in LEVELS]))
        for one in (forecast, best)
    )


def slices_of(world: World, orders: pd.DataFrame) -> dict[str, pd.Series]:
    """What the orders can be split by."""
    local = orders["ordered_at"].dt.tz_convert(world.zone)
    ahead = [min((day - one).days for day in world.holidays if day >= one) for one in local.dt.date]
    near = np.select([np.array(ahead) <= NEAR_HOLIDAY], ["before a holiday"], "no holiday near")
    columns = {"service": "service", "carrier": "carrier", "region": "destination_region"}
    columns |= {"origin": "origin", "country": "destination_country"}
    columns |= {name: name for name in world.categorical}
    return {
        "month": local.dt.strftime("%Y-%m"),
        "weekday": local.dt.day_name(),
        "hour": local.dt.hour // 6 * 6,
        "near": pd.Series(near),
        "week": local.dt.tz_localize(None).dt.to_period("W").astype(str),
        **{told_as: orders[name] for told_as, name in columns.items() if name in orders},
    }


def excess(forecast: DateDistribution, truth: Floats, name: str, values: pd.Series) -> pd.DataFrame:
    """Of each value, its ratio and its share of all loss beyond the truth's."""
    ours, best = losses(forecast, truth)
    total, found = (ours - best) * len(truth), []
    for value, at in values.groupby(values).indices.items():
        own, true = losses(one := of_rows(forecast, at), truth[at])
        shares = {"of excess %": 100 * (own - true) * len(at) / total}
        shares |= {"of orders %": 100 * len(at) / len(truth), "ratio": own / true}
        found.append({name: value} | shares | {"gap 0.9": 100 * gap(one, truth[at], 0.9)})
    return pd.DataFrame(found).sort_values("of excess %", ascending=False).head(12)


if __name__ == "__main__":
    sys.exit(main())
