"""Everything that a page shows of one promise: processor time, with an earlier state beside it.

    python benchmarks/answer.py --before f35fef7

Each state of the code trains its own model on data/sample, in a process of its own; the turns of
the two alternate. Medians of processor time (all threads) of one call, the promise included.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[1]
TURNS, CALLS = 3, 40
LIMITS = {
    "as_dict": 60.0,
    "text": 40.0,
    "JSON-LD": 150.0,
    "order of three": 60.0,
    "20 options": 250.0,
    "track, 15 scans": 1000.0,
}
PLACE = {
    "origin": "55690",
    "origin_region": "MN",
    "origin_country": "US",
    "destination": "90585",
    "destination_region": "CA",
    "destination_country": "US",
}
NOW = dt.datetime(2026, 2, 1, 10, 30, tzinfo=ZoneInfo("America/Chicago"))
PARCEL: dict[str, Any] = PLACE | {"carrier": "dromedary", "service": "ground", "ordered_at": NOW}


def calls(model: Any) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    parcels = [PARCEL, PARCEL | {"service": "express"}, PARCEL | {"carrier": "birdpost"}]
    options = [
        {"carrier": carrier, "service": service, "price": 3.0 + 0.3 * n + 0.07 * k}
        for n, carrier in enumerate(("dromedary", "birdpost", "corvid", "pigeon", "stork"))
        for service in ("ground", "express")
        for k in range(2)
    ]
    statuses = ("label_created", "picked_up", *["arrived", "departed"] * 6, "in_transit")
    scans = [
        {
            "status": status,
            "scanned_at": NOW + dt.timedelta(hours=3 * n + 1),
            "received_at": NOW + dt.timedelta(hours=3 * n + 1, minutes=5),
            "facility": f"F{n % 4}",
        }
        for n, status in enumerate(statuses)
    ]
    shared = PLACE | {"ordered_at": NOW}
    under_way = PARCEL | {"promised_date": dt.date(2026, 2, 9)}
    later = NOW + dt.timedelta(hours=60)
    return {
        "promise": lambda: model.promise(**PARCEL),
        "as_dict": lambda: model.promise(**PARCEL).as_dict(),
        "text": lambda: model.promise(**PARCEL).text("de"),
        "JSON-LD": lambda: model.promise(**PARCEL).as_json_ld(),
        "expires_at": lambda: model.promise(**PARCEL).expires_at,
        "handling": lambda: model.promise(**PARCEL).handling,
        "window": lambda: model.promise(**PARCEL).window(),
        "order of three": lambda: model.promise_order(parcels),
        "20 options": lambda: model.compare(options, 0.9, day_price=1.0, **shared),
        "track, 15 scans": lambda: model.track(under_way, scans, later),
    }


def serve_times() -> None:
    """In a process of its own: trains, then times everything for each line that comes in."""
    import etapromise

    sample = ROOT / "data" / "sample"
    model = etapromise.train(
        str(sample / "shipments.parquet"), str(sample / "scans.parquet"), as_of="2026-01-31"
    )
    contestants = calls(model)
    for _ in sys.stdin:
        print(json.dumps({name: timed(call) for name, call in contestants.items()}), flush=True)


def timed(call: Callable[[], object]) -> list[float]:
    """Microseconds of processor time of each call."""
    for _ in range(5):
        call()
    found = []
    for _ in range(CALLS):
        begun = time.process_time_ns()
        call()
        found.append((time.process_time_ns() - begun) / 1000.0)
    return found


def archived(revision: str, place: Path) -> Path:
    """An earlier state of the code, built."""
    tree = subprocess.run(
        ["git", "archive", revision, "src", "build_backend"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(tree)) as files:
        files.extractall(place)  # noqa: S202 — our own commit; Python 3.11.2 knows no filter
    build = [sys.executable, "build_backend/compiler.py"]
    subprocess.run(build, cwd=place, check=True, capture_output=True)
    return place / "src"


def main() -> None:
    """Time both states in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="a revision of git to time beside this code")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_times()
        return
    with tempfile.TemporaryDirectory() as place:
        sources = {"now": ROOT / "src"}
        if arguments.before:
            sources["before"] = archived(arguments.before, Path(place))
        states = {
            name: subprocess.Popen(
                [sys.executable, __file__, "--serve"],
                env=os.environ | {"PYTHONPATH": str(source)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name, source in sources.items()
        }
        spent: dict[str, dict[str, list[float]]] = {name: {} for name in states}
        for _ in range(TURNS):
            for name, process in states.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                for call, times in json.loads(process.stdout.readline()).items():
                    spent[name].setdefault(call, []).extend(times)
        for process in states.values():
            process.communicate()
    medians = {
        name: {call: statistics.median(times) for call, times in found.items()}
        for name, found in spent.items()
    }
    for call, now in medians["now"].items():
        before = medians.get("before", {}).get(call)
        beside = "" if before is None else f"  before {before:9.1f} us  {before / now:6.1f} x"
        limit = f"  at most {LIMITS[call]:.0f}" if call in LIMITS else ""
        print(f"{call:16s} {now:8.1f} us{beside}{limit}")


if __name__ == "__main__":
    main()
