"""A scripted year of a shop: daily refresh and monitoring, weekly retraining, planted shocks.

    python benchmarks/year.py [--quick] [--orders 60] [--days 364] [--out output/year]

The shop quotes every order with the model that is current when the order comes, and writes date
and confidence down. Nobody looks at the future: every job gets the tables as received by its hour.
Planted are a carrier that collapses for five weeks, a vendor that changes its codes (people map
them three days after the monitor told of them), and a week in which one carrier's times are in
a wrong zone (the retraining refuses; the carrier sends the week again, two weeks later).

At the end every promise is judged by the whole clean history, and by the exact probability that
the simulation gave its date. Printed are kept rate, this probability and the stated confidence by
month, when the monitor told of each shock, alarms that neither the script nor the exact truth
explains, each decision of the gate, and whether a promoted model was worse than what it replaced on
orders that neither had seen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from year_shop import (
    DAY,
    Diary,
    Feed,
    Script,
    Shelf,
    first_alarm,
    judged,
    live,
    promotions_compared,
    unfounded,
)

from etapromise.operations.gate import GateConfig
from etapromise.operations.models.model_registry import ModelRegistry

Z = 1.645

QUICK = Script(orders=25.0, warm_up=120, days=84, collapse=(21, 49), codes=56, zone=(68, 75))


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
            "expected": float(rows["expected"].mean()),
            "error": float(rows["kept"].std() / np.sqrt(len(rows))),
        }
        for name, rows in calm.groupby(month)
    ]
    false = [alarm for alarm in diary.alarms if unfounded(alarm, table, script)]
    compared = promotions_compared(feed, registry, diary)
    return {
        "script": script.__dict__ | {"network_start": script.network_start.isoformat()},
        "months": months,
        "days_lived": len(diary.promised),
        "worst_gap": max(
            (abs(m["expected"] - m["stated"]) for m in months if m["promises"] >= 300), default=None
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
        "alarms": [f"day {each['day']}: {each['name']} {each['group']}" for each in diary.alarms],
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
    print(
        f"{'month':8} {'promises':>8} {'kept':>7} {'stated':>7} {'gap':>6} {'error':>6} "
        f"{'by the truth':>12} {'gap':>6}"
    )
    for row in found["months"]:
        gap, exact = (100 * (row[name] - row["stated"]) for name in ("kept", "expected"))
        print(
            f"{row['month']:8} {row['promises']:8,} {row['kept']:7.1%} {row['stated']:7.1%} "
            f"{gap:+6.1f} {100 * row['error']:6.1f} {row['expected']:12.1%} {exact:+6.1f}"
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
