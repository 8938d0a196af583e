"""How long a model of many lanes takes to load, and how much memory.

    python benchmarks/many_lanes.py [--lanes 100000 1000000]

A small model is trained, and so many lanes of a carrier's service that nobody knows are put beside
its own: keys, statistics and calibration. Each is loaded and asked in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fuzz.full_model import CATEGORICAL, NUMERIC, saved_model
from tests.fuzz.hostile_models import HostileModels, any_golden, write_model

LEVEL = "service_lane"
ASKED: dict[str, Any] = {
    **dict.fromkeys((*NUMERIC, *CATEGORICAL)),
    "origin": "60492",
    "destination": "90585",
    "ordered_at": datetime(2025, 7, 2, 12, tzinfo=UTC),
}


def enlarged(model: Path, target: Path, lanes: int) -> None:
    """A copy of a model with so many further lanes."""
    sound = HostileModels(model)
    arrays: dict[str, Any] = {
        name: sound.contents[name] for name in sound.arrays if name != "arrays.npz"
    }
    known = dict(sound.arrays["arrays.npz"])
    names = list(sound.keys)
    place = names.index(LEVEL)
    start = known["statistics.total_start"].astype(np.int64)
    end = int(start[place + 1]) if place + 1 < len(start) else len(known["statistics.total"])
    for name in ("statistics.total", "statistics.shortest", "calibration.log_hazard"):
        rows = known[name]
        more = np.repeat(rows[end - 1 : end], lanes, axis=0)
        known[name] = np.concatenate([rows[:end], more, rows[end:]])
    start[place + 1 :] += lanes
    known["statistics.total_start"] = start
    parts = sound.keys[LEVEL][0].split("\x1f")
    further = ["\x1f".join((*parts[:-1], f"{number:07d}")) for number in range(lanes)]
    own = set(sound.keys[LEVEL])
    keys = sound.keys | {LEVEL: sound.keys[LEVEL] + [one for one in further if one not in own]}
    write_model(target, sound.manifest, keys, arrays | {"arrays.npz": known})


def load(path: str) -> None:
    """Load a model and ask it; print what that took."""
    import etapromise

    before = most_resident()
    begun, spent = time.perf_counter(), time.process_time()
    # By how much lanes differ says how sure a promise of an unseen one is: golden ones are others.
    with any_golden():
        model = etapromise.load(path)
    took, spent = time.perf_counter() - begun, time.process_time() - spent
    model.promise(**ASKED)
    begun = time.process_time()
    for _ in range(10_000):
        model.promise(**ASKED)
    each = (time.process_time() - begun) * 1e2
    size = sum(file.stat().st_size for file in Path(path).iterdir()) / 1e6
    print(
        f"loaded in {took:.2f} s ({spent:.2f} s CPU), {most_resident() - before:.0f} MB at most, "
        f"{size:.0f} MB on disk, a promise {each:.1f} us CPU"
    )


def most_resident() -> float:
    """The most megabytes that this process has had."""
    told = Path("/proc/self/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0]) / 1e3


def main() -> None:
    """Make the models and load each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, nargs="+", default=[0, 100_000, 1_000_000])
    parser.add_argument("--load", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.load:
        load(told.load)
        return
    with tempfile.TemporaryDirectory() as folder:
        model = saved_model()
        for lanes in told.lanes:
            target = Path(folder, "enlarged")
            enlarged(model, target, lanes)
            print(f"{lanes:,} further lanes: ", end="", flush=True)
            subprocess.run([sys.executable, __file__, "--load", str(target)], check=True)


if __name__ == "__main__":
    main()
