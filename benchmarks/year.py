"""A scripted year of a shop: daily refresh and monitoring, weekly retraining, planted shocks.

    python benchmarks/year.py [--quick] [--orders 60] [--days 364] [--out output/year]

The shop quotes every order with the model that is current when the order comes, and writes date
and confidence down. Nobody looks at the future: every job gets the tables as received by its hour.
Planted are a carrier that collapses for five weeks, a vendor that changes its codes (people map
them three days after the monitor told of them), and a week in which one carrier's times are in
a wrong zone (the retraining refuses; the carrier sends the week again, two weeks later).

At the end every promise is judged by the whole clean history. Printed are kept rate and stated
confidence by month, when the monitor told of each shock, false alarms, each decision of the gate,
and whether a promoted model was worse than what it replaced on orders that neither had seen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from etapromise import PromiseModel, TrainingConfig, tracking, train
from etapromise.forecast.boosting import BoostingConfig
from etapromise.operations.contenders import clustered_mean
from etapromise.operations.gate import GateConfig
from etapromise.operations.model_registry import ModelRegistry
from etapromise.operations.monitoring import MonitorConfig, monitor
from etapromise.operations.retraining import refresh_current, retrain
from etapromise.operations.simulation import (
    CarrierCollapse,
    NetworkConfig,
    VendorCodeChange,
    WrongZone,
    simulate,
)
from etapromise.tracking import TrackedHistory

DAY = pd.Timedelta(days=1)
LEVEL = 0.9
HORIZON = 60
"""Days to which two promoted models are compared."""
Z = 1.645
MEMORY = 190 * DAY
"""How far back the jobs' tables reach: a shop does not read its whole past every night."""

RECIPE = TrainingConfig(
    members=1,
    transit=None,
    boosting=BoostingConfig(
        rounds=40,
        learning_rate=0.2,
        num_leaves=15,
        max_depth=6,
        min_data_in_leaf=60,
        lambda_l2=1.0,
        feature_fraction=0.5,
        bagging_fraction=0.7,
        max_bin=127,
        patience=20,
        threads=1,
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
                    slowdown=2.0,
                    lost_share=0.02,
                ),
            ),
        )


QUICK = Script(orders=25.0, warm_up=120, days=84, collapse=(21, 49), codes=56, zone=(68, 75))


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
        started = time.perf_counter()
        history = feed.history(at)
        diary.seconds["read"] += time.perf_counter() - started
        if day % 7 == 0 and day:
            started = time.perf_counter()
            decision = retrain(history, registry, as_of=at, gate=gate)
            diary.seconds["retrain"] += time.perf_counter() - started
            diary.decisions.append(
                {
                    "day": day,
                    "outcome": decision.outcome,
                    "reasons": decision.reasons,
                    "version": decision.version,
                }
            )
        if registry.load_current().as_of < at:
            started = time.perf_counter()
            refresh_current(history, registry, as_of=at)
            diary.seconds["refresh"] += time.perf_counter() - started
        diary.promised.append(quoted(feed, registry, at))
        if script.looked_at(day):
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
        replace(history, shipments=shipments),
        registry.load_current(),
        as_of=at,
        config=MonitorConfig(days=21),
        registry=registry,
    )
    return found.facts["alarms"]


def judged(feed: Feed, diary: Diary) -> pd.DataFrame:
    """Every promise with what became of it, by the whole clean history."""
    truth = feed.truth()
    promised = pd.concat(diary.promised, ignore_index=True)
    table = promised.merge(
        pd.DataFrame(
            {
                "shipment_id": truth.shipments["shipment_id"],
                "ordered_at": truth.shipments["ordered_at"],
                "carrier": truth.shipments["carrier"],
                "zone": truth.shipments["destination_time_zone"],
                "event_at": truth.milestones["event_at"],
                "closed_as": truth.milestones["closed_as"],
            }
        ),
        on="shipment_id",
        validate="one_to_one",
    )
    event = pd.Series(pd.NaT, index=table.index, dtype="datetime64[us]")
    for zone, rows in table.groupby("zone"):
        event[rows.index] = rows["event_at"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    table["kept"] = (event <= table["promised_date"]).fillna(value=False)
    return table[table["closed_as"].fillna("") != "cancelled"].reset_index(drop=True)


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


def first_alarm(diary: Diary, name: str, group: str, since: int, until: int) -> int | None:
    """Days from a shock to the first alarm about it; counted at the start of the day."""
    days = [
        alarm["day"] - since
        for alarm in diary.alarms
        if alarm["name"] == name and alarm["group"] == group and since <= alarm["day"] <= until
    ]
    return min(days, default=None)


def report(script: Script, feed: Feed, registry: ModelRegistry, diary: Diary) -> dict[str, Any]:
    """Everything that is told, as plain values."""
    table = judged(feed, diary)
    at = table["ordered_at"]
    # An order within the first week of the collapse is the shock itself.
    collapse = script.moment(script.collapse[0])
    shock = (at >= collapse) & (at < collapse + 7 * DAY)
    calm = table[~shock]
    month = calm["ordered_at"].dt.strftime("%Y-%m")
    months = [
        {
            "month": name,
            "promises": len(rows),
            "kept": float(rows["kept"].mean()),
            "stated": float(rows["promised_confidence"].mean()),
            "error": float(rows["kept"].std() / np.sqrt(len(rows))),
        }
        for name, rows in calm.groupby(month)
    ]
    false = [
        alarm
        for alarm in diary.alarms
        if not any(start <= alarm["day"] <= end for start, end in script.shocks)
    ]
    compared = promotions_compared(feed, registry, diary)
    return {
        "script": script.__dict__ | {"network_start": script.network_start.isoformat()},
        "months": months,
        "days_lived": len(diary.promised),
        "worst_gap": max(
            (abs(m["kept"] - m["stated"]) for m in months if m["promises"] >= 300), default=None
        ),
        "shock_week": {
            "kept": float(table[shock]["kept"].mean()),
            "stated": float(table[shock]["promised_confidence"].mean()),
        },
        "days_until_told": {
            "collapse": min(
                (
                    days
                    for name in ("deliveries_behind", "promises_broken")
                    if (days := first_alarm(diary, name, "carrier acme", *script.collapse))
                    is not None
                ),
                default=None,
            ),
            "codes": first_alarm(
                diary, "unreadable_codes", "carrier " + _whose(feed), script.codes, script.days
            ),
            "zone": first_alarm(
                diary, "wrong_clock", "carrier corvid", script.zone[0], script.zone[1] + 14
            ),
        },
        "false_alarms": {
            "mornings": diary.monitored,
            "mornings_with_one": len({alarm["day"] for alarm in false}),
            "by_name": pd.Series([alarm["name"] for alarm in false], dtype="str")
            .value_counts()
            .to_dict(),
            "examples": [f"day {a['day']}: {a['reason']}" for a in false][:12],
        },
        "decisions": diary.decisions,
        "promotions": compared,
        "promoted_and_worse": [
            row
            for row in compared
            if row["higher_by"] > max(0.0, Z * (row["standard_error"] or 0.0))
            and row["higher_by"] > GateConfig().worse_score * row["crps_before"]
        ],
        "poisoned_weeks": [
            decision
            for decision in diary.decisions
            if script.zone[0] + 3 <= decision["day"] <= script.zone[1] + 14
        ],
        "seconds": diary.seconds,
    }


def _whose(feed: Feed) -> str:
    """The carrier whose scans come through the vendor that changes its codes."""
    mine = feed.clean[feed.clean["vocabulary"] == "aftership"]["carrier"]
    return str(mine.mode().iloc[0])


def main() -> None:
    """Run the year and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="twelve weeks of a smaller shop")
    parser.add_argument("--orders", type=float, help="orders a day")
    parser.add_argument("--days", type=int, help="days of the shop")
    parser.add_argument("--monitor-every", type=int, help="days between two looks far from shocks")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path, default=Path("output/year"))
    asked = parser.parse_args()
    changes = {
        name: getattr(asked, name)
        for name in ("orders", "days", "monitor_every", "seed")
        if getattr(asked, name) is not None
    }
    script = replace(QUICK if asked.quick else Script(), **changes)
    shutil.rmtree(asked.out, ignore_errors=True)
    registry = Shelf(asked.out / "models")
    started = time.perf_counter()
    feed = Feed(script)
    diary = Diary()
    try:
        live(script, feed, registry, diary)
    except KeyboardInterrupt:
        print(f"stopped on day {len(diary.promised)}; told is what there is", file=sys.stderr)
    found = report(script, feed, registry, diary)
    found["seconds"]["all"] = time.perf_counter() - started
    (asked.out / "year.json").write_text(json.dumps(found, indent=2, default=str) + "\n")
    told(found)


def told(found: dict[str, Any]) -> None:
    """Print it."""
    print(f"{'month':8} {'promises':>8} {'kept':>7} {'stated':>7} {'gap':>6} {'error':>6}")
    for row in found["months"]:
        gap = 100 * (row["kept"] - row["stated"])
        print(
            f"{row['month']:8} {row['promises']:8,} {row['kept']:7.1%} {row['stated']:7.1%} "
            f"{gap:+6.1f} {100 * row['error']:6.1f}"
        )
    shock = found["shock_week"]
    print(f"first week of the collapse: kept {shock['kept']:.1%}, stated {shock['stated']:.1%}")
    print(f"days until the monitor told: {found['days_until_told']}")
    print(f"false alarms: {found['false_alarms']}")
    outcomes = pd.Series([row["outcome"] for row in found["decisions"]]).value_counts().to_dict()
    print(f"decisions: {outcomes}")
    for row in found["decisions"]:
        if row["outcome"] != "promoted":
            print(f"  day {row['day']}: {row['outcome']}: {'; '.join(row['reasons'])}")
    rows = found["promotions"]
    if rows:
        share = [row["higher_by"] / row["crps_before"] for row in rows]
        beyond = [row["higher_by"] > Z * (row["standard_error"] or 0.0) for row in rows]
        print(
            f"promoted: {len(rows)}; their expected CRPS the week after beside what they replaced: "
            f"{np.mean(share):+.1%} on average, from {min(share):+.1%} to {max(share):+.1%}; "
            f"lower {np.mean(np.array(share) <= 0):.0%} of the time, higher by more than luck "
            f"{sum(beyond)}, and by over {GateConfig().worse_score:.0%} too: "
            f"{len(found['promoted_and_worse'])}"
        )
    for row in found["promoted_and_worse"]:
        print(f"  {row}")
    print(f"seconds: {found['seconds']}")


if __name__ == "__main__":
    main()
