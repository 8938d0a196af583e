"""Real orders: train, quote, score and the walking backtest beside the marketplace's own promises.

    python benchmarks/olist.py [--from 2017-09-01] [--to 2018-05-01] [--out output/olist]

The walk starts a month early. That month is not told: it is there so that the cost of lateness, or
the service level, that spends the marketplace's days can be picked on earlier months only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from equal_days import EqualDays, by_cost, by_level, picked_days
from numpy.typing import NDArray
from olist_tables import CATEGORICAL, NUMERIC, ZONE, olist_history, require_olist

import etapromise
from etapromise import PromiseModel
from etapromise.evaluation.backtest import BacktestConfig, run_backtest
from etapromise.evaluation.judgement import day_column, stated_column
from etapromise.evaluation.replay import TrainModel
from etapromise.forecast.distribution import DateDistribution
from etapromise.tracking import TrackedHistory

CONFIG = etapromise.TrainingConfig(numeric=NUMERIC, categorical=CATEGORICAL, default_time_zone=ZONE)
LEVELS = (0.8, 0.9, 0.95)


def main() -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="start", default="2017-09-01")
    parser.add_argument("--to", dest="end", default="2018-05-01")
    parser.add_argument("--out", type=Path, default=Path("output/olist"))
    arguments = parser.parse_args()
    require_olist()
    begun = time.perf_counter()
    history = olist_history()
    rejected = len(history.shipment_rejects), len(history.scan_rejects)
    print(
        f"{len(history.shipments)} shipments; rejected {rejected[0]} shipments, {rejected[1]} scans"
    )
    print(train_quote_score(history, pd.Timestamp(arguments.end, tz=ZONE)))
    start = pd.Timestamp(arguments.start, tz=ZONE)
    with tempfile.TemporaryDirectory() as folder:
        result = run_backtest(
            history,
            BacktestConfig(
                start=start - pd.DateOffset(months=1),
                end=pd.Timestamp(arguments.end, tz=ZONE),
            ),
            # Forests that explain promises have no say in them.
            fit=Remembered(
                TrainModel(replace(CONFIG, stages=False), quotes_only=True), Path(folder)
            ),
            progress=True,
        )
        probability = remembered(Path(folder), result.table["shipment_id"])
    page = result.write(arguments.out)
    print(at_equal_days(result.table, probability, start))
    table = result.table[result.table["ordered_at"] >= start]
    regions = history.shipments.set_index("shipment_id")["destination_region"]
    table = table.assign(region=regions.loc[table["shipment_id"]].to_numpy())
    print(overall(table))
    print(by_group(table, "period", 0))
    print(by_group(table, "region", 300))
    print(json.dumps(result.facts["scores"]["overall"], indent=1)[:1500])  # the early month as well
    print(f"{page}  {time.perf_counter() - begun:.0f} s")


@dataclass(frozen=True)
class Remembered:
    """Trains models whose distributions are written down; in whatever process."""

    train: Callable[[TrackedHistory, pd.Timestamp], PromiseModel]
    folder: Path

    def __call__(self, history: TrackedHistory, as_of: pd.Timestamp) -> _Remembering:
        """Train."""
        return _Remembering(self.train(history, as_of), self.folder)


@dataclass(frozen=True)
class _Remembering:
    inner: PromiseModel
    folder: Path

    @property
    def version(self) -> str:
        return self.inner.version

    def refresh(self, history: TrackedHistory, *, as_of: pd.Timestamp) -> _Remembering:
        return _Remembering(self.inner.refresh(history, as_of=as_of), self.folder)

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        forecast = self.inner.distribution_many(frame)
        days = pd.DataFrame(forecast.probability, index=pd.Index(frame["shipment_id"]))
        days.columns = days.columns.astype(str)
        days.to_parquet(self.folder / f"{self.version}.parquet")
        return forecast

    def local_dates(self, shipments: pd.DataFrame, times: pd.Series) -> NDArray[np.datetime64]:
        return self.inner.local_dates(shipments, times)


def remembered(folder: Path, shipments: pd.Series) -> NDArray[np.float64]:
    """(n, horizon) of the shipments; a shorter distribution stays at its last probability."""
    days = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    days = days[sorted(days.columns, key=int)].ffill(axis=1)
    return days.loc[shipments].to_numpy()


def at_equal_days(
    table: pd.DataFrame, probability: NDArray[np.float64], start: pd.Timestamp
) -> str:
    """Fewer broken than the marketplace at its mean days, picked before; orders from `start`."""
    compared = (table["shop_day"].notna() & (table["outcome"] != "cancelled")).to_numpy()
    table, probability = table[compared], probability[compared]
    event, shop = table["event_day"].fillna(np.inf).to_numpy(), table["shop_day"].to_numpy()
    counts, arrived = (table["ordered_at"] >= start).to_numpy(), np.isfinite(event)
    months = table["period"].to_numpy(dtype=str)
    ordered = table["ordered_at"].dt.tz_convert(ZONE)
    # Whole weeks back from the start, so that the early month's four serve the first.
    weeks = np.floor((ordered - start) / pd.Timedelta(days=7)).to_numpy()
    hindsight = by_cost(probability[counts], float(shop[counts].mean()))
    dates = {
        "cost, by earlier months": picked_days(by_cost, months, probability, shop),
        "cost, by the four weeks before": picked_days(by_cost, weeks, probability, shop, 4),
        "level, by earlier months": picked_days(by_level, months, probability, shop),
        "level, by the four weeks before": picked_days(by_level, weeks, probability, shop, 4),
        "one cost with the same days, in hindsight": hindsight(probability),
    }
    rows = []
    for name, days in dates.items():
        if days is None:
            continue
        for orders, told in ((counts, "all"), (counts & arrived, "delivered")):
            found = EqualDays.of(days[orders], event[orders], shop[orders])
            rows.append(
                {
                    "dates by": name,
                    "orders": f"{found.orders} {told}",
                    "kept": 1.0 - found.broken,
                    "days": found.days,
                    "marketplace kept": 1.0 - found.shop_broken,
                    "marketplace days": found.shop_days,
                    "fewer broken": found.fewer,
                }
            )
    return pd.DataFrame(rows).set_index("dates by").round(4).to_string()


def train_quote_score(history: TrackedHistory, as_of: pd.Timestamp) -> str:
    """Train as of the end, save, load, promise the latest order, and score all open ones."""
    with tempfile.TemporaryDirectory() as folder:
        model = etapromise.train(history, as_of=as_of, config=CONFIG)
        model = etapromise.load(model.save(Path(folder) / "model"))
    known = (history.shipments["ordered_at"] < as_of).to_numpy()
    arrived = (history.milestones["event_known_at"] < as_of).to_numpy()
    young = (history.shipments["ordered_at"] >= as_of - pd.Timedelta(days=60)).to_numpy()
    open_orders = history.shipments[known & ~arrived & young]
    scored = model.promise_many(open_orders)
    latest = open_orders.sort_values("ordered_at").iloc[-1].drop(["shipment_id", "order_id"])
    promise = model.promise(**latest.to_dict())
    same = scored.set_index("shipment_id").loc[open_orders.loc[latest.name, "shipment_id"]]
    assert promise.date == same["estimated_delivery_date"].date()
    late = int(scored["at_risk"].sum())
    return (
        f"{model.version}: the latest open order is promised by {promise.date} "
        f"({promise.confidence:.1%}; the marketplace said {latest['promised_date'].date()}); "
        f"{len(scored)} open orders scored, of {late} the marketplace's date had little chance"
    )


def kept(table: pd.DataFrame, level: float) -> pd.Series:
    """Whether each promise was kept; undelivered, not cancelled orders count as broken."""
    return table["event_day"] <= table[day_column(level)]


def overall(table: pd.DataFrame) -> str:
    """Kept rate, stated confidence and days at each level, beside the marketplace."""
    rows = []
    arrived = np.isfinite(table["event_day"])
    for level in LEVELS:
        good = kept(table, level)
        rows.append(
            {
                "promise": f"etapromise {level}",
                "kept": good.mean(),
                "stated": table[stated_column(level)].mean(),
                "kept, delivered only": good[arrived].mean(),
                "days": table[day_column(level)].mean(),
                "days, delivered only": table.loc[arrived, day_column(level)].mean(),
            }
        )
    shop = table["event_day"] <= table["shop_day"]
    rows.append(
        {
            "promise": "marketplace",
            "kept": shop.mean(),
            "kept, delivered only": shop[arrived].mean(),
            "days": table["shop_day"].mean(),
            "days, delivered only": table.loc[arrived, "shop_day"].mean(),
        }
    )
    return pd.DataFrame(rows).set_index("promise").round(4).to_string()


def by_group(table: pd.DataFrame, column: str, at_least: int) -> str:
    """Kept minus stated at each level, for groups with enough orders."""
    found = {}
    for name, rows in table.groupby(column):
        if len(rows) < at_least:
            continue
        found[name] = {"orders": len(rows)}
        for level in LEVELS:
            found[name][f"kept {level}"] = kept(rows, level).mean()
            found[name][f"gap {level}"] = (
                kept(rows, level).mean() - rows[stated_column(level)].mean()
            )
            found[name][f"days {level}"] = rows[day_column(level)].mean()
        found[name]["market kept"] = (rows["event_day"] <= rows["shop_day"]).mean()
        found[name]["market days"] = rows["shop_day"].mean()
    return pd.DataFrame(found).T.round(3).to_string()


if __name__ == "__main__":
    main()
