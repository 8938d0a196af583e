"""Parcels under way, walking forward: calibration, late and lost ones found, open orders a second.

    python benchmarks/in_transit.py [--only network|olist|speed] [--days 330] [--per-day 60]

A model is trained on the first part, refreshed each week, and asked three times a day about every
open order, with only what had been received by then; afterwards it is told what happened.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
from olist_tables import CATEGORICAL, FOLDER, NUMERIC, olist_history

from etapromise import PromiseModel, TrainingConfig, tracking, train
from etapromise.forecast.distribution import DateDistribution
from etapromise.promise.under_way.open_journeys import journeys_at
from etapromise.tracking import TrackedHistory
from etapromise_simulator import NetworkConfig, simulate

PERCENTILES = (5, 10, 25, 50, 75, 80, 85, 90, 95, 97, 99)
LEVELS = np.array(PERCENTILES) / 100.0
DAY = pd.Timedelta(days=1)
STAGES = (
    "ordered", "handed_over", "in_transit", "customs",
    "out_for_delivery", "attempted", "available_for_pickup",
)  # fmt: skip
# A parcel not delivered by then is taken for late, or lost.
SETTLED_AFTER = 21


def walk(
    history: TrackedHistory,
    model: PromiseModel,
    start: pd.Timestamp,
    end: pd.Timestamp,
    refresh_every: int = 7,
) -> pd.DataFrame:
    """What is said of every open order three times a day, and what became of it."""
    shipments, marks = history.shipments, history.milestones
    came_on = model.local_dates(history.shipments, history.milestones["event_at"])
    ended = marks["event_known_at"].fillna(
        marks["closed_known_at"].where(marks["closed_as"] != "lost")
    )
    owner = history.scans["shipment_id"]
    parts = []
    for number, day in enumerate(pd.date_range(start, end - DAY, freq="D")):
        if number and number % refresh_every == 0:
            model = model.refresh(history, as_of=day)
        for turn in range(3):
            now = day + pd.Timedelta(hours=(number * 5 + turn * 8) % 24, minutes=17)
            open_ = (shipments["ordered_at"] <= now) & ~(ended <= now)
            open_ &= shipments["ordered_at"] > now - 60 * DAY
            rows = np.flatnonzero(open_.to_numpy())
            orders = shipments.iloc[rows].reset_index(drop=True)
            mine = history.scans[owner.isin(set(orders["shipment_id"]))]
            told = model.track_many(orders, mine, now.to_pydatetime())
            journey = journeys_at(model, orders, mine, now.to_pydatetime())
            ways = {
                "left": DateDistribution(journey.today.astype("datetime64[D]"), journey.dates()),
                "quoted": model.distribution_many(orders),
            }
            zones, _ = model.parts.encoder.zones.resolve_many(orders, "destination")
            local = {
                zone: now.tz_convert(zone).tz_localize(None).normalize() for zone in set(zones)
            }
            picked_up = marks["picked_up_at"].where(marks["picked_up_known_at"] <= now).iloc[rows]
            service = [
                orders[name].astype(str) for name in ("carrier", "service") if name in orders
            ]
            parts.append(
                told.assign(
                    now=now,
                    today=[local[zone] for zone in zones],
                    row=rows,
                    promised_date=orders["promised_date"].to_numpy(),
                    ordered_at=orders["ordered_at"].to_numpy(),
                    picked_up_at=picked_up.to_numpy(),
                    service=service[0] + " " + service[1] if service else "all",
                    came_on=came_on[rows],
                    **{
                        f"{name}_{percent}": way.origin_dates + way.quantile_days(percent / 100.0)
                        for name, way in ways.items()
                        for percent in PERCENTILES
                    },
                )
            )
    return pd.concat(parts, ignore_index=True)


def days_from_today(looks: pd.DataFrame, *names: str) -> np.ndarray:
    """(n, names) days, NaN where there is no date."""
    today = looks["today"].to_numpy().astype("datetime64[D]")
    columns = []
    for name in names:
        dates = looks[name].to_numpy().astype("datetime64[D]")
        columns.append(np.where(np.isnat(dates), np.nan, (dates - today).astype(np.float64)))
    return np.stack(columns, axis=1)


def by_stage(looks: pd.DataFrame) -> pd.DataFrame:
    """Calibration, and the pinball loss of those that arrive; every look counts alike."""
    rows = []
    for stage in STAGES:
        part = looks[looks["stage"] == stage]
        if part["shipment_id"].nunique() < 15:
            continue
        left, standing = days_from_today(part, "came_on", "promised_date").T
        came = ~np.isnan(left)
        left = np.where(came, np.maximum(left, 0.0), np.inf)
        date_ = days_from_today(part, "estimated_delivery_date")[:, 0]
        own, base = (
            pinball(left[came], np.maximum(days[came], 0.0))
            for days in (
                days_from_today(part, *(f"{name}_{p}" for p in PERCENTILES))
                for name in ("left", "quoted")
            )
        )
        ahead = standing >= 0
        rows.append(
            {
                "stage": stage,
                "parcels": part["shipment_id"].nunique(),
                "kept at 0.9": (left <= date_).mean(),
                "stated": part["confidence"].mean(),
                "late": (left > standing)[ahead].mean(),
                "late, stated": part["late_probability"][ahead].mean(),
                "never": (~came).mean(),
                "never, stated": (
                    1 - (1 - part["lost_probability"]) * (1 - part["return_probability"])
                ).mean(),
                "pinball": own,
                "checkout": base,
                "less": 1.0 - own / base,
            }
        )
    return pd.DataFrame(rows)


def pinball(truth: np.ndarray, told: np.ndarray) -> float:
    """Mean over the levels, days."""
    apart = truth[:, None] - told
    return float(np.maximum(LEVELS * apart, (LEVELS - 1.0) * apart).mean())


def late_found(looks: pd.DataFrame, history: TrackedHistory, known: pd.Timestamp) -> pd.DataFrame:
    """Late parcels alarmed while their date was still to come: ours, and the rule at its best.

    The rule: late when pick-up (or order) and the service's usual time from there, at a percentile
    of past parcels, lie beyond the promised date. It gets the percentile that suits it best in
    hindsight.
    """
    standing = days_from_today(looks, "promised_date")[:, 0]
    ahead = looks.assign(standing=standing)[standing >= 0]
    ahead = ahead.assign(late=~(ahead["came_on"] <= ahead["promised_date"]))
    late = int(ahead.groupby("shipment_id")["late"].first().sum())
    rows = [found("at_risk", ahead, ahead["at_risk"].to_numpy(), late)]
    for percent in (30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 98):
        due = usual_date(ahead, history, known, percent)
        alarm = np.maximum(due, ahead["today"].to_numpy()) > ahead["promised_date"].to_numpy()
        rows.append(found(f"rule, {percent} %", ahead, alarm, late))
    return pd.DataFrame(rows)


def usual_date(
    ahead: pd.DataFrame, history: TrackedHistory, known: pd.Timestamp, percent: int
) -> np.ndarray:
    """(n,) when a parcel usually arrives, from its pick-up, or before that from its order."""
    shipments, marks = history.shipments, history.milestones
    service = [shipments[name].astype(str) for name in ("carrier", "service") if name in shipments]
    names = service[0] + " " + service[1] if service else pd.Series("all", index=shipments.index)
    past = marks["event_known_at"] < known
    starts = {"picked_up_at": marks["picked_up_at"], "ordered_at": shipments["ordered_at"]}
    due = np.full(len(ahead), np.datetime64("NaT", "s"), "datetime64[s]")
    for name, start in starts.items():
        taken = (marks["event_at"] - start)[past].groupby(names[past]).quantile(percent / 100.0)
        date_ = (ahead[name] + ahead["service"].map(taken)).dt.tz_localize(None).dt.normalize()
        due = np.where(np.isnat(due), date_.to_numpy().astype("datetime64[s]"), due)
    return due


def found(who: str, ahead: pd.DataFrame, alarm: np.ndarray, late: int) -> dict[str, object]:
    """Precision, recall and warning of each parcel's first alarm."""
    first = ahead[alarm].groupby("shipment_id").first()
    right = first["late"].astype(bool)
    return {
        "who": who,
        "alarmed": len(first),
        "precision": right.mean() if len(first) else np.nan,
        "recall": right.sum() / late,
        "found two days before": (first["standing"][right] >= 2).mean() if right.any() else np.nan,
    }


def lost_found(looks: pd.DataFrame, history: TrackedHistory) -> dict[str, object]:
    """Parcels that were never seen again, and when they were flagged."""
    marks = history.milestones
    gone = marks["event_at"].isna() & (marks["closed_as"] != "returned").fillna(value=True)
    flagged = looks["likely_lost"] | looks["stage"].isin(("lost", "damaged"))
    lost = looks[gone.to_numpy()[looks["row"]]]
    silence = lost.groupby("shipment_id")["silent_days"]
    # Those that were lost long before the walk could not be flagged within ten days in it.
    watched = silence.max().index[(silence.max() >= 10.0) & (silence.first() < 8.0)]
    in_time = lost[flagged[lost.index] & (lost["silent_days"] <= 10.0)]["shipment_id"]
    early = lost[flagged[lost.index] & lost["shipment_id"].isin(watched)]
    early = early.groupby("shipment_id")["silent_days"].first()
    arriving = looks[looks["came_on"].notna()]
    false = arriving[flagged[arriving.index]]["shipment_id"].nunique()
    return {
        "lost, ten days silent": len(watched),
        "flagged by then": len(set(in_time) & set(watched)) / max(len(watched), 1),
        "median silent days when flagged": early.median(),
        "false alarms": false / arriving["shipment_id"].nunique(),
    }


def speed(model: PromiseModel, history: TrackedHistory, now: pd.Timestamp) -> dict[str, object]:
    """Open orders a second of one batch, scans read and checked."""
    orders = history.shipments[history.shipments["ordered_at"] <= now].tail(500)
    scans = history.scans[history.scans["shipment_id"].isin(orders["shipment_id"])]
    many, sent = (
        pd.concat(
            [table.assign(shipment_id=table["shipment_id"] + f"-{k}") for k in range(200)],
            ignore_index=True,
        )
        for table in (orders, scans)
    )
    best, cpu = np.inf, np.inf
    for _ in range(3):
        wall, used = time.perf_counter(), time.process_time()
        model.track_many(many, sent, now.to_pydatetime())
        best = min(best, time.perf_counter() - wall)
        cpu = min(cpu, time.process_time() - used)
    return {
        "orders": len(many),
        "scans": len(sent),
        "orders/s, wall": len(many) / best,
        "orders per CPU second": len(many) / cpu,
    }


def report(history: TrackedHistory, model: PromiseModel, start: pd.Timestamp, days: int) -> None:
    """Walk, and print the tables."""
    clock = time.perf_counter()
    looks = walk(history, model, start, start + days * DAY)
    print(f"{len(looks):,} looks at {looks['shipment_id'].nunique():,} parcels, "
          f"{time.perf_counter() - clock:.0f} s")  # fmt: skip
    print(by_stage(looks).round(3).to_string(index=False))
    print(late_found(looks, history, start).round(3).to_string(index=False))
    print(pd.DataFrame([lost_found(looks, history)]).round(3).to_string(index=False))


def network(days: int, per_day: float, watched: int) -> None:
    """The simulated network: a year, of which the last weeks are watched."""
    config = NetworkConfig(
        seed=5,
        start=date(2025, 1, 6),
        days=days,
        shipments_per_day=per_day,
        lost_share=0.015,
    )
    simulation = simulate(config)
    history = tracking.history(simulation.shipments, simulation.scans)
    start = pd.Timestamp(config.start + timedelta(days=days - watched - SETTLED_AFTER), tz="UTC")
    clock = time.perf_counter()
    model = train(history, as_of=start, config=TrainingConfig(members=1))
    print(f"network: {len(history.shipments):,} parcels, trained in "
          f"{time.perf_counter() - clock:.0f} s")  # fmt: skip
    report(history, model, start, watched)
    print(
        pd.DataFrame([speed(model, history, start + 9.5 * pd.Timedelta(hours=1))]).to_string(
            index=False
        )
    )


def olist(watched: int) -> None:
    """Olist knows an order, its pick-up and its delivery: two stages on the way."""
    if not (FOLDER / "shipments.parquet").exists():
        print(f"skipped: no Olist orders in {FOLDER}; this part reads them from there")
        return
    history = olist_history()
    start = pd.Timestamp("2018-02-01", tz="UTC")
    config = TrainingConfig(numeric=NUMERIC, categorical=CATEGORICAL, members=1)
    clock = time.perf_counter()
    model = train(history, as_of=start, config=config)
    print(
        f"Olist: {len(history.shipments):,} orders, trained in {time.perf_counter() - clock:.0f} s"
    )
    report(history, model, start, watched)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("network", "olist"))
    parser.add_argument("--days", type=int, default=330)
    parser.add_argument("--per-day", type=float, default=60.0)
    parser.add_argument("--watched", type=int, default=35)
    asked = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "network": lambda: network(asked.days, asked.per_day, asked.watched),
        "olist": lambda: olist(min(asked.watched, 14)),
    }
    for name, run in parts.items():
        if asked.only in (None, name):
            run()


if __name__ == "__main__":
    main()
