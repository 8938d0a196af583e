"""Promises of one and of two threads that share a model, each asking for parcels of its own.

    python3.13t benchmarks/threads.py models/current

It needs numpy alone, and on a free-threaded Python tells how far two threads go beyond one. Beside
it the same of a loop in plain Python: where that is not near two, the machine had no second core
to give, and the figures say nothing.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import etapromise

TURNS, COUNT = 4, 10_000
MOMENT = datetime(2025, 7, 2, 12, tzinfo=UTC)


def rate(work: Callable[[int], None], threads: int) -> float:
    """How often a second it is done, the best of some turns."""
    best = 0.0
    for _ in range(TURNS):
        running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        begun = time.perf_counter()
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        best = max(best, threads * COUNT / (time.perf_counter() - begun))
    return best


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="Its directory.")
    model = etapromise.load(parser.parse_args().model)

    def promises(number: int) -> None:
        parcels = [
            {"origin": f"4{number}{one:03}", "destination": f"6{number}{one:03}"}
            for one in range(50)
        ]
        for turn in range(COUNT):
            model.promise(**parcels[turn % 50], ordered_at=MOMENT)

    def plain(_: int) -> None:
        for turn in range(COUNT):
            sum(range(turn % 100))

    free = not getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}{', free-threaded' if free else ''}")
    for name, work in (("promises", promises), ("plain Python", plain)):
        one, two = rate(work, 1), rate(work, 2)
        print(f"| {name} | {one:,.0f}/s | {two:,.0f}/s | {two / one:.2f} |")


if __name__ == "__main__":
    main()
