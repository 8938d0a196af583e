"""The shop of the scripted year: what it knows, what it does each day, and how it is judged.

`year.py` lives a year of it and prints what came of it; a test lives two.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from etapromise import PromiseModel, TrainingConfig, tracking, train
from etapromise.evaluation.model_comparison import clustered_mean
from etapromise.operations.gate import GateConfig
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.monitoring.run import monitor
from etapromise.operations.monitoring.thresholds import MonitorConfig
from etapromise.operations.retraining import refresh, retrain
from etapromise.tracking import TrackedHistory
from etapromise_simulator import (
    CarrierCollapse,
    NetworkConfig,
    VendorCodeChange,
    WrongZone,
    simulate,
)

DAY = pd.Timedelta(days=1)
LEVEL = 0.9
HORIZON = 60
"""Days to which two promoted models are compared."""
WATCHED = 50
"""Days of orders that the monitor looks back on."""
SHORT = 0.01
"""An alarm is right where the promises of its group fall short by more, by the exact truth."""
GROUPED = ["carrier", "service", "origin_region", "destination_region"]
MEMORY = 190 * DAY
"""How far back the jobs' tables reach: a shop does not read its whole past every night."""

RECIPE = TrainingConfig(
    members=1,
    transit=None,
    boosting=replace(
        TrainingConfig().boosting, rounds=40, learning_rate=0.2, patience=20, threads=1
    ),
)


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens when; days are counted from the first day of the shop with a model."""

    orders: float = 60.0
    warm_up: int = 150
    days: int = 364
    collapse: tuple[int, int] = (35, 70)
    codes: int = 90
    zone: tuple[int, int] = (112, 119)
    slowdown: float = 2.0
    refresh_every: int = 1
    monitor_every: int = 3
    seed: int = 17
    network_start: date = date(2024, 8, 5)

    @property
    def start(self) -> date:
        """The first day with a model."""
        return self.network_start + timedelta(days=self.warm_up)

    def on(self, day: int) -> date:
        """A day of the shop as a date."""
        return self.start + timedelta(days=day)

    def moment(self, day: int) -> pd.Timestamp:
        """When it begins, UTC."""
        return pd.Timestamp(self.on(day), tz="UTC")

    @property
    def shocks(self) -> list[tuple[int, int]]:
        """Days, both ends included, within which an alarm may be about something planted."""
        return [
            (self.collapse[0], self.collapse[1] + 14),
            (self.codes, self.codes + 21),
            (self.zone[0], self.zone[1] + 28),
        ]

    def looked_at(self, day: int) -> bool:
        """Whether the monitor looks: daily from a week before a shock on, else now and then."""
        near = any(start - 7 <= day <= end for start, end in self.shocks)
        return day > 0 and (near or day % self.monitor_every == 0)

    def network(self) -> NetworkConfig:
        """The network without the faults of the feed."""
        return NetworkConfig(
            seed=self.seed,
            start=self.network_start,
            days=self.warm_up + self.days + 45,
            shipments_per_day=self.orders,
            planted=(
                CarrierCollapse(
                    carrier="acme",
                    start=self.on(self.collapse[0]),
                    end=self.on(self.collapse[1]),
                    slowdown=self.slowdown,
                    lost_share=0.02,
                ),
            ),
        )


class Shelf(ModelRegistry):
    """A directory of models that keeps those of the last weeks in memory; versions never change."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._loaded: dict[str, PromiseModel] = {}

    def load(self, version: str) -> PromiseModel:
        """Load a version, from the disk only once."""
        if version not in self._loaded:
            self._loaded[version] = super().load(version)
            for oldest in list(self._loaded)[:-60]:
                del self._loaded[oldest]
        return self._loaded[version]


class Feed:
    """What the shop has received by an hour: the simulated feed with its three faults.

    The simulation plants an event for good; here people mend the codes and the wrong times, from
    the moment on at which they do.
    """

    def __init__(self, script: Script) -> None:
        network = script.network()
        clean = simulate(network)
        self.simulation = clean
        self.script = script
        self.shipments = clean.shipments
        codes = VendorCodeChange(vocabulary="aftership", start=script.on(script.codes))
        zone = WrongZone(
            carrier="corvid", start=script.on(script.zone[0]), end=script.on(script.zone[1])
        )
        planted = network.planted
        self.clean = clean.scans
        self.broken_codes = self.clean
        if script.codes < script.days:
            self.broken_codes = simulate(replace(network, planted=(*planted, codes))).scans
        self.wrong_zone = simulate(replace(network, planted=(*planted, zone))).scans
        self.codes_mended: pd.Timestamp | None = None
        self.zone_mended: pd.Timestamp | None = None

    def scans(self, at: pd.Timestamp) -> pd.DataFrame:
        """The table of scans as the shop has it."""
        found = self.clean
        if self._faulty(at, self.script.codes, self.codes_mended):
            found = self.broken_codes
        elif self._faulty(at, self.script.zone[0], self.zone_mended):
            found = self.wrong_zone
        received = found["received_at"]
        return found[(received <= at) & (received > at - MEMORY)]

    def history(self, at: pd.Timestamp) -> TrackedHistory:
        """What a job reads at an hour."""
        ordered = self.shipments["ordered_at"]
        mine = (ordered <= at) & (ordered > at - MEMORY + 10 * DAY)
        return tracking.history(
            self.shipments[mine].reset_index(drop=True),
            self._of(self.shipments[mine], self.scans(at)),
        )

    def truth(
        self, since: pd.Timestamp | None = None, until: pd.Timestamp | None = None
    ) -> TrackedHistory:
        """All of it, or the orders of a time, without faults."""
        ordered = self.shipments["ordered_at"]
        mine = (ordered > (since or ordered.min() - DAY)) & (ordered <= (until or ordered.max()))
        shipments = self.shipments[mine].reset_index(drop=True)
        return tracking.history(shipments, self._of(shipments, self.clean))

    def _faulty(self, at: pd.Timestamp, since: int, mended: pd.Timestamp | None) -> bool:
        return at >= self.script.moment(since) and (mended is None or at < mended)

    @staticmethod
    def _of(shipments: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
        return scans[scans["shipment_id"].isin(shipments["shipment_id"])].reset_index(drop=True)


@dataclass
class Diary:
    """What happened."""

    promised: list[pd.DataFrame] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    monitored: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"refresh": 0.0, "retrain": 0.0, "monitor": 0.0, "read": 0.0}
    )


def live(script: Script, feed: Feed, registry: ModelRegistry, diary: Diary) -> None:
    """Every day in turn: refresh, retrain on Mondays, quote, look."""
    first = script.moment(0)
    with registry.lock():
        model = train(feed.history(first), as_of=first, config=RECIPE)
        registry.promote(registry.add(model), why="trained")
    told_of_codes: int | None = None
    gate = GateConfig(refresh_every=14, least_judged=150, must_gain=True)
    for day in range(script.days):
        at = script.moment(day)
        monday, look = day > 0 and day % 7 == 0, script.looked_at(day)
        if monday or look or day % script.refresh_every == 0:
            started = time.perf_counter()
            history = feed.history(at)
            diary.seconds["read"] += time.perf_counter() - started
        if monday:
            started = time.perf_counter()
            decision = retrain(registry.root, history, as_of=at, gate=gate)
            diary.seconds["retrain"] += time.perf_counter() - started
            diary.decisions.append(
                {
                    "day": day,
                    "outcome": decision.outcome,
                    "reasons": decision.reasons,
                    "version": decision.version,
                }
            )
        if day % script.refresh_every == 0 and registry.load_current().as_of < at:
            started = time.perf_counter()
            refresh(registry.root, history, as_of=at)
            diary.seconds["refresh"] += time.perf_counter() - started
        diary.promised.append(quoted(feed, registry, at))
        if look:
            started = time.perf_counter()
            found = watched(history, registry, diary, at)
            diary.seconds["monitor"] += time.perf_counter() - started
            diary.monitored += 1
            for alarm in found:
                diary.alarms.append({"day": day, **alarm})
            if told_of_codes is None and any(a["name"] == "unreadable_codes" for a in found):
                told_of_codes = day
        if told_of_codes is not None and feed.codes_mended is None and day >= told_of_codes + 3:
            feed.codes_mended = script.moment(day + 1)
        if feed.zone_mended is None and day >= script.zone[1] + 14:
            feed.zone_mended = script.moment(day + 1)
        if day % 30 == 0:
            print(f"day {day} of {script.days}", file=sys.stderr, flush=True)


def quoted(feed: Feed, registry: ModelRegistry, at: pd.Timestamp) -> pd.DataFrame:
    """The day's promises, as they were shown and written down."""
    ordered = feed.shipments["ordered_at"]
    orders = feed.shipments[(ordered >= at) & (ordered < at + DAY)]
    accepted = tracking.read_shipments(orders).accepted
    said = registry.load_current().promise_many(accepted, LEVEL)
    return pd.DataFrame(
        {
            "shipment_id": said["shipment_id"],
            "promised_date": said["estimated_delivery_date"],
            "promised_confidence": said["confidence"],
        }
    )


def watched(
    history: TrackedHistory, registry: ModelRegistry, diary: Diary, at: pd.Timestamp
) -> list[dict[str, Any]]:
    """The alarms of a morning, on the dates that shoppers were shown."""
    promised = pd.concat(diary.promised).set_index("shipment_id")
    rows = history.shipments["shipment_id"]
    shipments = history.shipments.assign(
        promised_date=rows.map(promised["promised_date"]),
        promised_confidence=rows.map(promised["promised_confidence"]),
    )
    found = monitor(
        registry.load_current(),
        replace(history, shipments=shipments),
        as_of=at,
        config=MonitorConfig(days=WATCHED),
        registry=registry,
    )
    return found.facts["alarms"]


def judged(feed: Feed, diary: Diary) -> pd.DataFrame:
    """Every promise with what became of it, by the whole clean history.

    ``expected`` is the exact probability that its date is kept: a month's mean of it is without
    the luck of the parcels, which is some 0.7 points among 1,800 promises.
    """
    truth = feed.truth()
    promised = pd.concat(diary.promised, ignore_index=True)
    orders = pd.concat(
        [
            truth.shipments[["shipment_id", "ordered_at", "destination_time_zone", *GROUPED]],
            truth.milestones[["event_at", "closed_as"]],
        ],
        axis=1,
    )
    table = promised.merge(orders, on="shipment_id", validate="one_to_one")
    event, ordered = (
        local_dates(table[name], table["destination_time_zone"])
        for name in ("event_at", "ordered_at")
    )
    table["kept"] = (event <= table["promised_date"]).fillna(value=False)
    days = (table["promised_date"] - ordered).dt.days.clip(upper=HORIZON - 1)
    exact = feed.simulation.true_distribution(list(table["shipment_id"]), horizon=HORIZON)
    table["expected"] = exact[np.arange(len(table)), days]
    return table[table["closed_as"].fillna("") != "cancelled"].reset_index(drop=True)


def local_dates(times: pd.Series, zones: pd.Series) -> pd.Series:
    """The dates of moments, each in its own zone; no moment, no date."""
    found = pd.Series(pd.NaT, index=times.index, dtype="datetime64[us]")
    for zone, rows in zones.groupby(zones):
        local = times[rows.index].dt.tz_convert(zone).dt.tz_localize(None)
        found[rows.index] = local.dt.normalize()
    return found


def promotions_compared(feed: Feed, registry: ModelRegistry, diary: Diary) -> list[dict[str, Any]]:
    """Each promoted challenger beside the model it replaced, on the orders of the week after.

    Neither had seen them; both have the statistics and the calibration of the morning of the
    promotion, from the feed with its faults, as the shop had it. They are scored against the
    simulation's exact distribution of each order, not against the one outcome that came of it:
    ``sum over k of (F(k) - G(k))²`` is what the CRPS of F exceeds that of the truth G by, on
    average, so that luck is left only in which orders came. The standard error of the difference
    is that of days of orders.
    """
    versions = registry.promotions()
    ordered = feed.shipments["ordered_at"]
    found = []
    for decision in diary.decisions:
        if decision["version"] is None:
            continue
        before = next(p.before for p in versions if p.version == decision["version"])
        start = feed.script.moment(decision["day"])
        orders = feed.shipments[(ordered >= start) & (ordered < start + 7 * DAY)]
        orders = tracking.read_shipments(orders).accepted
        truth = feed.simulation.true_distribution(orders, horizon=HORIZON)
        ours = registry.load(decision["version"])
        theirs = registry.load(before).refresh(feed.history(start), as_of=start)
        score, score_before = (excess(model, orders, truth) for model in (ours, theirs))
        day = pd.factorize(orders["ordered_at"].dt.floor("D"))[0]
        apart, error, _ = clustered_mean(score - score_before, day)
        found.append(
            {
                "day": decision["day"],
                "orders": len(orders),
                "crps": float((score + (truth * (1 - truth)).sum(axis=1)).mean()),
                "crps_before": float((score_before + (truth * (1 - truth)).sum(axis=1)).mean()),
                "higher_by": apart,
                "standard_error": error,
            }
        )
    return found


def excess(model: PromiseModel, orders: pd.DataFrame, truth: np.ndarray) -> np.ndarray:
    """(n,) by how much a forecast's expected CRPS exceeds the truth's, in days."""
    forecast = model.distribution_many(orders).probability
    short = HORIZON - forecast.shape[1]
    forecast = np.pad(forecast, ((0, 0), (0, max(0, short))), mode="edge")[:, :HORIZON]
    return np.square(forecast - truth).sum(axis=1)


def unfounded(alarm: dict[str, Any], table: pd.DataFrame, script: Script) -> bool:
    """Whether neither what the script plants nor the network's own truth is behind an alarm.

    The network has slow spells of its own (`NetworkConfig.disruptions`), of which the script knows
    nothing: an alarm about a group whose promises of the days looked at did fall short, by their
    exact probabilities, is right.

    Args:
        alarm: As the diary has it.
        table: `judged`.
    """
    if any(start <= alarm["day"] <= end for start, end in script.shocks):
        return False
    if alarm["name"] not in {"deliveries_behind", "promises_broken", "calibration"}:
        return True
    at = script.moment(alarm["day"])
    rows = table[(table["ordered_at"] < at) & (table["ordered_at"] >= at - WATCHED * DAY)]
    kind, _, name = alarm["group"].partition(" ")
    names = {
        "carrier": rows["carrier"],
        "service": "of " + rows["carrier"] + " · " + rows["service"],
        "region": rows["destination_region"],
        "lane": rows["origin_region"] + " → " + rows["destination_region"],
    }
    mine = rows[names[kind] == name] if kind in names else rows
    return bool((mine["expected"] - mine["promised_confidence"]).mean() > -SHORT)


def first_alarm(diary: Diary, name: str, group: str, since: int, until: int) -> int | None:
    """Days from a shock to the first alarm about it; counted at the start of the day."""
    days = [
        alarm["day"] - since
        for alarm in diary.alarms
        if alarm["name"] == name and alarm["group"] == group and since <= alarm["day"] <= until
    ]
    return min(days, default=None)
