"""What shops with few delivered orders are promised: how wide, how honest, by the exact truth.

    python benchmarks/small_shops.py [--size 50 --size 300] [--seeds 6]

Shops of three families with about so many orders in 180 days; a model is trained on them and asked
for many orders of the week after in the same network, whose true distributions are known (scores
of `quality_truth`; "least kept" is the worst shop's, "alike" the share of shops with too few
parcels to tell any apart, "band" the days between the 0.1 and 0.9 quantiles, and the truth's).
"""

from __future__ import annotations

import os
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import click
import pandas as pd
from quality_networks import true_distribution
from quality_truth import Row, scores, told

from etapromise import TrainingConfig, train
from etapromise.forecast.distribution import DateDistribution
from etapromise_simulator.families import FAMILIES, World

DAYS, ASKED_A_DAY = 180, 40.0
SHOPS = ("small shop", "one truck a day", "around the clock")


@click.command()
@click.option("--size", "sizes", multiple=True, default=(50, 300, 1000, 5000), help="Orders.")
@click.option("--seeds", default=6, help="Shops of each family and size.")
def main(sizes: tuple[int, ...], seeds: int) -> None:
    """Train, ask, and print a row for each size."""
    rows = [shop(name, size, seed) for size in sizes for name in SHOPS for seed in range(seeds)]
    by_size = pd.DataFrame(rows).groupby("size")
    table = by_size.mean()
    table.insert(1, "least kept 0.9", by_size["kept 0.9"].min())
    print(told(table.reset_index()))


def shop(name: str, size: int, seed: int) -> Row:
    """One shop, and what is promised for the orders of a sibling with many of them."""
    family = replace(FAMILIES[name], orders_per_day=size / DAYS, days=DAYS)
    world, moment = World(family, seed), pd.Timestamp(family.end, tz=family.zone)
    config = TrainingConfig(stages=False, transit=None)
    model = train(world.shipments, world.scans, as_of=moment, config=config)
    many = World(replace(family, orders_per_day=ASKED_A_DAY, days=DAYS + 7), seed)
    asked = many.shipments[many.shipments["ordered_at"] >= moment].reset_index(drop=True)
    made = model.distribution_many(asked)
    forecast = DateDistribution(made.origin_dates, made.probability)
    truth = true_distribution(many, asked, made.origin_dates, made.probability.shape[1])
    own = DateDistribution(made.origin_dates, truth)
    row = {"size": size, "alike": float(model.parts.alike), **scores(forecast, truth)}
    for who, one in (("band", forecast), ("true band", own)):
        row[who] = float((one.at(0.9) - one.at(0.1)).mean())
    return row


if __name__ == "__main__":
    main()
