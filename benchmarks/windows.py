"""Windows of the local time of delivery, and the probability of one, on a simulated network.

    python benchmarks/windows.py [--seed 3] [--per-day 60]

Trains at a moment and promises the orders of the four weeks after it. How many of the deliveries
were within `promise.window(p)` of their day, all and those of parcels that another carrier brought;
and how often a parcel came between two hours of a day, beside what `probability_between` had said,
by what it had said.
"""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from later_orders import MOMENT, LaterOrders, asked_network

from etapromise import PromiseModel, TrainingConfig, train

DAYS = 28
ASKED = (0.5, 0.8, 0.9)
HOURS = ((8, 11), (11, 14), (14, 17), (17, 21))
EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 1.0)
FIELDS = (
    *("origin", "origin_region", "origin_country", "origin_lat", "origin_lon"),
    *("destination", "destination_region", "destination_country", "destination_time_zone"),
    *("destination_lat", "destination_lon", "carrier", "service", "weight_kg", "quoted_date"),
)


def main() -> None:
    """Train, promise, and print the tables."""
    asked = asked_network(__doc__, per_day=60.0)
    orders = LaterOrders.of(seed=asked.seed, days=DAYS, per_day=asked.per_day)
    config = TrainingConfig(transit=None, stages=False)
    model = train(orders.history, as_of=MOMENT, config=config)
    frame, happened = orders.frame, orders.happened
    handed = happened["transferred_at"].notna().to_numpy()
    came = happened["event_at"].notna().to_numpy()
    held, said = measured(model, frame, happened["event_at"])
    print(f"{int(came.sum()):,} deliveries, seed {asked.seed}\n")
    print("| window of | held | handed over | length, hours |\n|---|---|---|---|")
    for number, probability in enumerate(ASKED):
        within, hours = held[came, number, 0], held[came, number, 1].mean()
        other = held[came & handed, number, 0].mean()
        print(f"| {probability:.0%} | {within.mean():.1%} | {other:.1%} | {hours:.1f} |")
    print("\n| said of a day's hours | asked | said | happened |\n|---|---|---|---|")
    for low, high in itertools.pairwise(EDGES):
        here = (said[:, 0] > low) & (said[:, 0] <= high)
        stated, true = said[here].mean(axis=0)
        print(f"| {low:.0%} to {high:.0%} | {int(here.sum()):,} | {stated:.2%} | {true:.2%} |")


def measured(
    model: PromiseModel, frame: pd.DataFrame, event_at: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """(n, windows, 2) held and hours, NaN where nothing came; (questions, 2) said and happened."""
    held = np.full((len(frame), len(ASKED), 2), np.nan)
    said = []
    for number, (row, event) in enumerate(
        zip(frame.to_dict("records"), event_at.tolist(), strict=True)
    ):
        fields = {name: None if pd.isna(row[name]) else row[name] for name in FIELDS}
        if fields["quoted_date"] is not None:
            fields["quoted_date"] = fields["quoted_date"].date()
        promise = model.promise(**fields, ordered_at=row["ordered_at"].to_pydatetime())
        local = None
        if not pd.isna(event):
            local = event.to_pydatetime().astimezone(ZoneInfo(row["destination_time_zone"]))
            for place, probability in enumerate(ASKED):
                window = promise.window(probability, local.date())
                length = (window.end - window.start).total_seconds() / 3600
                held[number, place] = window.start <= local <= window.end, length
        for ahead in range(-4, 4):
            day = promise.date + dt.timedelta(days=ahead)
            for first, last in HOURS:
                start, end = dt.time(first), dt.time(last)
                within = local is not None and local.date() == day and start <= local.time() < end
                said.append((promise.probability_between(day, start, end), within))
    return held, np.array(said, float)


if __name__ == "__main__":
    main()
