"""Declared disruptions on a simulated network: are promises kept as stated from the first day on?

Deliveries in some regions are put off as snow or a strike would: the network's own dates are moved
on its carriers' delivery days, by delays that are drawn from another distribution than the one the
library assumes. Nobody refreshes the model: what it knows of the disruption is what was declared.

    python benchmarks/disruptions.py --seed 5
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from later_orders import MOMENT, LaterOrders

import etapromise
from etapromise import PromiseModel
from etapromise.calendars.disruptions import Disruption

FIRST = MOMENT.date() + timedelta(days=2)
LEVEL = 0.9


@dataclass(frozen=True)
class Scene:
    """What happens, and what is declared of it: the mean delay is known, not its distribution."""

    name: str
    days: int
    stop: bool
    delay: float


SCENES = (
    Scene("snow: two days late for a week", 7, stop=False, delay=2.0),
    Scene("a sale's week: one day late for two", 14, stop=False, delay=1.0),
    Scene("strike: a stop of four days", 4, stop=True, delay=1.5),
)


def declared(scene: Scene, regions: Sequence[str]) -> list[Disruption]:
    """One for each region."""
    last = FIRST + timedelta(days=scene.days - 1)
    return [
        Disruption(
            first=FIRST,
            last=last,
            stop=scene.stop,
            delay=scene.delay,
            country="US",
            region=region,
            reason=scene.name,
        )
        for region in regions
    ]


def delivery_days(orders: LaterOrders) -> dict[str, np.ndarray]:
    """Days on which each carrier delivers at all."""
    found = orders.simulation.outcomes.merge(
        orders.simulation.shipments[["shipment_id", "carrier"]], on="shipment_id"
    )
    day = found["delivered_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    usual: dict[str, np.ndarray] = {}
    for carrier, group in found.assign(day=day).dropna(subset=["day"]).groupby("carrier"):
        days, counts = np.unique(
            group["day"].to_numpy().astype("datetime64[D]"), return_counts=True
        )
        usual[str(carrier)] = days[counts > counts.mean() * 0.1]
    return usual


def put_off(
    scene: Scene, carrier: Sequence[str], day: np.ndarray, hit: np.ndarray, orders: LaterOrders
) -> np.ndarray:
    """(n,) days on which parcels arrive where they would have arrived on `day`."""
    rng = np.random.default_rng(17)
    usual = delivery_days(orders)
    first = np.datetime64(FIRST)
    last = np.datetime64(FIRST + timedelta(days=scene.days - 1))
    # Gamma with the declared mean; a half as spread as it is long.
    late = rng.gamma(4.0, scene.delay / 4.0, len(day))
    out = day.copy()
    for row in np.flatnonzero(hit & (day >= first) & ~np.isnat(day)):
        days = usual[carrier[row]]
        at = int(np.searchsorted(days, day[row]))
        over = int(np.searchsorted(days, last, side="right"))
        wait = late[row]
        if day[row] > last:
            # It is made up for within three delivery days.
            wait *= max(0.0, 1.0 - (at - over + 1) / 3.0)
        elif scene.stop:
            # First in, first out: who was due first waits least once it is over.
            begun = int(np.searchsorted(days, first))
            wait *= (at - begun + rng.random()) / max(over - begun, 1)
            at = over - 1
        # Within its day a parcel may come at any time: the part of a day moves some.
        moved = at + int(np.floor(wait + rng.random()))
        out[row] = max(days[min(moved, len(days) - 1)], day[row])
    return out


def run(seed: int, regions: int) -> pd.DataFrame:
    """Kept and stated by scene, by what was declared."""
    orders = LaterOrders.of(seed=seed, days=24, per_day=250.0, disruptions=0.0)
    before = orders.history
    model = etapromise.train(before, as_of=MOMENT)
    frame, happened = orders.frame, orders.happened
    names = frame["destination_region"].value_counts().index[:regions].tolist()
    hit = frame["destination_region"].isin(names).to_numpy()
    arrived = pd.to_datetime(happened["event_at"], utc=True)
    zones = frame["destination_time_zone"].fillna("America/Chicago")
    local = [
        np.datetime64("NaT", "D") if pd.isna(at) else np.datetime64(at.tz_convert(zone).date())
        for at, zone in zip(arrived, zones, strict=True)
    ]
    day = np.array(local, "datetime64[D]")
    rows: list[dict[str, Any]] = []
    for scene in SCENES:
        real = put_off(scene, frame["carrier"].tolist(), day, hit, orders)
        for told, asked, came in (
            # As if nothing had happened: what the model keeps of the same orders.
            ("nothing happens", model, day),
            ("nothing", model, real),
            ("what happens", model.with_disruptions(declared(scene, names)), real),
        ):
            rows += judged(asked, frame, came, hit, scene, told)
    return pd.DataFrame(rows)


def judged(
    model: PromiseModel,
    frame: pd.DataFrame,
    real: np.ndarray,
    hit: np.ndarray,
    scene: Scene,
    told: str,
) -> list[dict[str, Any]]:
    """Kept and stated of the orders in the area: of the first day, while it lasts, and after."""
    promises = model.promise_many(frame, LEVEL)
    promised = promises["estimated_delivery_date"].to_numpy().astype("datetime64[D]")
    kept = ~np.isnat(real) & (real <= promised)
    ordered = frame["ordered_at"].dt.date.to_numpy()
    last = FIRST + timedelta(days=scene.days - 1)
    span: dict[str, tuple[date, date]] = {
        "ordered two days before": (FIRST - timedelta(days=2), FIRST - timedelta(days=1)),
        "first two days": (FIRST, FIRST + timedelta(days=1)),
        "while it lasts": (FIRST, last),
        "the week after": (last + timedelta(days=1), last + timedelta(days=7)),
    }
    found = []
    for name, (first, end) in span.items():
        these = hit & (ordered >= first) & (ordered <= end)
        found.append(
            {
                "seed_scene": scene.name,
                "declared": told,
                "orders of": name,
                "orders": int(these.sum()),
                "kept": kept[these].mean(),
                "stated": promises["confidence"][these].mean(),
                "promised days": float(
                    (promised[these] - ordered[these].astype("datetime64[D]"))
                    .astype(np.int64)
                    .mean()
                ),
            }
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--regions", type=int, default=6, help="The area: the busiest regions.")
    arguments = parser.parse_args()
    table = run(arguments.seed, arguments.regions)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
