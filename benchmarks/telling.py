"""What customers are told on a simulated network: orders of several parcels, new dates, events.

    python benchmarks/telling.py [--seed 3] [--per-day 60]

A model is trained on the first half of the data. Orders after that are promised together and held
against the product and the least of their parcels' probabilities. The policy of telling another
date is picked on the parcels of the first weeks and measured on those of the weeks after, with both
the shop's promises and the model's own standing at first. In the end a run of the events is timed.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything brings its threads along

import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from etapromise import PromiseModel, tracking, train
from etapromise.evaluation.repromise_replay import (
    PastPredictions,
    past_predictions,
    pick_policy,
    simulate_repromises,
)
from etapromise.operations.events import event_run
from etapromise.promise.joint_probability import Dependence, joint_probability
from etapromise.promise.under_way.repromise_policy import RepromisePolicy
from etapromise.tracking import TrackedHistory
from etapromise_simulator import NetworkConfig, simulate

SILENCE = RepromisePolicy(tell_below=0.0, calm_above=0.0, earlier_days=99)
SPLIT = pd.Timestamp("2025-09-15", tz="UTC")


@click.command()
@click.option("--seed", default=3)
@click.option("--per-day", default=60.0)
def main(seed: int, per_day: float) -> None:
    """Simulate, train, tell, count."""
    network = simulate(
        NetworkConfig(
            seed=seed,
            start=date(2025, 1, 6),
            days=370,
            shipments_per_day=per_day,
            several_parcels_share=0.3,
        )
    )
    history = tracking.history(network.shipments, network.scans)
    begin = time.perf_counter()
    model = train(history, as_of=SPLIT)
    print(f"{len(history.shipments):,} parcels, trained in {time.perf_counter() - begin:.0f} s")
    print(f"dependence {model.manifest['dependence']}")
    joint_orders(model, history)
    ours = replace(history, shipments=history.shipments.drop(columns="promised_date"))
    for name, told in (("the shop's dates", history), ("the model's dates", ours)):
        begin = time.perf_counter()
        looks = past_predictions(model, told, start=SPLIT)
        spent = time.perf_counter() - begin
        print(f"\n{name} stand at first: {len(looks.moment):,} looks in {spent:.1f} s")
        policies(looks)
    events(model, history)


def joint_orders(model: PromiseModel, history: TrackedHistory) -> None:
    """Kept and stated of the joint date, the product's and the slowest parcel's; weekly refresh."""
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for week in range(8):
        moment = SPLIT + pd.Timedelta(days=7 * week)
        one_week(model.refresh(history, as_of=moment), history, moment, found)
    for name, values in found.items():
        kept, stated, days = np.array(values).mean(axis=0)
        print(
            f"{name:26} {len(values)} kept {kept:.1%} stated {stated:.1%} "
            f"gap {100 * (kept - stated):+.1f} {days:.2f} days"
        )


def one_week(
    model: PromiseModel,
    history: TrackedHistory,
    moment: pd.Timestamp,
    found: dict[str, list[tuple[bool, float, float]]],
) -> None:
    """Add the orders of a week."""
    ordered = history.shipments["ordered_at"]
    chosen = (ordered >= moment) & (ordered < moment + pd.Timedelta(days=7))
    rows = history.shipments[chosen].reset_index(drop=True)
    sizes = rows.groupby("order_id")["shipment_id"].transform("size")
    forecast = model.distribution_many(rows)
    zones, _ = model.parts.encoder.zones.resolve_many(rows, "destination")
    came = history.milestones["delivered_at"][chosen].reset_index(drop=True)
    last = np.full(len(rows), np.inf)
    for zone in np.unique(zones):
        here = (zones == zone) & came.notna().to_numpy()
        local = came[here].dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
        last[here] = (local.astype("datetime64[D]") - forecast.origin_dates[here]).astype(float)
    dependence = Dependence.from_manifest(model.manifest)
    ways = ["carrier", "service", "origin", "destination"]
    for _, own in rows[sizes > 1].groupby("order_id"):
        curves = forecast.probability[own.index]
        journeys = list(own[ways].itertuples(index=False, name=None))
        cases = [
            ("orders by joint date", joint_probability(curves, journeys, dependence), own.index),
            ("orders by product", curves.prod(axis=0), own.index),
            ("orders by slowest parcel", curves.min(axis=0), own.index),
        ]
        cases += [("their parcels, one by one", forecast.probability[k], [k]) for k in own.index]
        for name, curve, parcels in cases:
            day = min(int(np.searchsorted(curve, 0.9)), len(curve) - 1)
            kept = bool((last[parcels] <= day).all())
            found.setdefault(name, []).append((kept, float(curve[day]), float(day)))


def policies(looks: PastPredictions) -> None:
    """The policy picked on the first half of the parcels, measured on the second."""
    half = len(looks.original_date) // 2
    first, second = of_parcels(looks, 0, half), of_parcels(looks, half, len(looks.original_date))
    begin = time.perf_counter()
    choice = pick_policy(first)
    print(
        f"picked from {len(choice.table)} in {time.perf_counter() - begin:.1f} s: {choice.policy}"
    )
    for name, policy in (
        ("silence", SILENCE),
        ("by default", RepromisePolicy()),
        ("picked", choice.policy),
    ):
        record = simulate_repromises(second, policy)
        print(
            f"{name:11} {record.parcels} parcels, changes {record.changes_per_parcel:.3f}, "
            f"precision {share(record.precision)}, missed {record.missed_originals:.1%}, "
            f"told in time {share(record.told_in_time)}, "
            f"warning {record.warning_days or 0.0:.2f} days, "
            f"broken in silence {record.silent_misses:.1%}, "
            f"kept in the end {record.kept_in_the_end:.1%}, cost {record.cost_per_parcel:.3f}"
        )


def of_parcels(past: PastPredictions, start: int, end: int) -> PastPredictions:
    """The looks at some of the parcels, which are numbered anew."""
    looks = (past.parcel >= start) & (past.parcel < end)
    own = {name: getattr(past, name)[start:end] for name in ("original_date", "event_date")}
    of_looks = ("moment", "today", "first_date", "probability")
    own |= {name: getattr(past, name)[looks] for name in of_looks}
    return PastPredictions(**own, parcel=past.parcel[looks] - start)


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{value:.0%}"


def events(model: PromiseModel, history: TrackedHistory) -> None:
    """Two weeks of morning runs."""
    counts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        for day in range(1, 15):
            moment = SPLIT + pd.Timedelta(days=day, hours=6)
            recent = history.shipments["ordered_at"] > moment - pd.Timedelta(days=45)
            shipments = history.shipments[recent].reset_index(drop=True)
            told = event_run.events(
                model,
                shipments,
                history.scans[history.scans["shipment_id"].isin(shipments["shipment_id"])],
                as_of=moment,
                state=Path(folder) / "state",
                out=Path(folder) / "events.jsonl",
            )
            for kind, number in told.events["event"].value_counts().items():
                counts[str(kind)] = counts.get(str(kind), 0) + int(number)
        spent = time.perf_counter() - begin
    print(f"\nevents of 14 mornings in {spent:.1f} s, {told.under_way} parcels under way: {counts}")


if __name__ == "__main__":
    main()
