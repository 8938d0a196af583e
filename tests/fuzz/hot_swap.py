"""Threads that ask for promises while the model is exchanged, for the thread sanitizer.

    sh scripts/sanitize.sh thread python -m tests.fuzz.hot_swap --seconds 30

Every answer must be one of the two models'; the sanitizer ends the process at the first race.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import etapromise
from etapromise.serving.live_model import LiveModel
from tests.fuzz.full_model import CATEGORICAL, NUMERIC, saved_model

ASKED: tuple[dict[str, Any], ...] = tuple(
    {
        "origin": "60492",
        "destination": destination,
        "ordered_at": datetime(2025, 7, 2, 12, tzinfo=UTC),
        "service_level": level,
        **dict.fromkeys((*NUMERIC, *CATEGORICAL)),
    }
    for destination in ("90585", "10001", "H2E")
    for level in (0.5, 0.8, 0.95)
)
THREADS = 4


def main() -> int:
    """Ask and exchange; 1 where an answer was none of the model's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    model = saved_model()
    with tempfile.TemporaryDirectory() as name:
        for copy in ("one", "two"):
            shutil.copytree(model, Path(name, copy))
        link = Path(name, "current")
        link.symlink_to("one")
        held = LiveModel(name)
        known = etapromise.load(model)
        expected = [known.promise(**fields).date for fields in ASKED]
        end = time.monotonic() + asked.seconds
        counts = [0] * THREADS
        wrong: list[object] = []

        def ask(mine: int) -> None:
            while time.monotonic() < end:
                for fields, date in zip(ASKED, expected, strict=True):
                    assert held.model is not None
                    promise = held.model.promise(**fields)
                    if promise.date != date:
                        wrong.append(promise)
                    counts[mine] += 1

        threads = [threading.Thread(target=ask, args=(mine,)) for mine in range(THREADS)]
        for thread in threads:
            thread.start()
        turn = 0
        while time.monotonic() < end:
            turn += 1
            following = Path(name, ".next")
            following.symlink_to("two" if turn % 2 else "one")
            following.replace(link)
            held.refresh()
        for thread in threads:
            thread.join()
    print(
        f"{sum(counts)} promises by {THREADS} threads, {held.reloads} exchanges, {len(wrong)} wrong"
    )
    return int(bool(wrong) or not held.reloads)


if __name__ == "__main__":
    sys.exit(main())
