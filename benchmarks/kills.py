"""Kills `etapromise retrain` at random moments and looks whether a champion is there to be loaded.

    python benchmarks/kills.py [--kills 50] [--late 20] [--seed 1]

The real command runs in a process of its own on the files of a small simulated shop and is sent
SIGKILL: `--kills` times at a moment drawn evenly from the time that a whole run takes, and `--late`
times within the moments after it has said that it is writing the challenger, where there is most to
spoil. After each, a reader loads the current model (checksums and golden predictions are checked),
asks it for a promise, and loads every version that is listed; then a writer takes the lock and must
find no draft left behind. A single failure ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from etapromise import TrainingConfig, tracking, train
from etapromise.forecast.boosting import BoostingConfig
from etapromise.operations.model_registry import ModelRegistry
from etapromise_simulator import NetworkConfig, simulate

NETWORK = NetworkConfig(seed=8, start=date(2025, 1, 6), days=180, shipments_per_day=14.0)
RECIPE = TrainingConfig(
    members=1,
    transit=None,
    boosting=BoostingConfig(rounds=10, learning_rate=0.3, num_leaves=7, threads=1),
)
WRITING = "writing the challenger"


def main() -> None:
    """Kill, look, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--late", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    with tempfile.TemporaryDirectory() as place:
        shop = Shop(Path(place))
        seconds = shop.run(None)
        print(f"a whole run: {seconds:.1f} s; it promoted {shop.registry.current}", flush=True)
        assert shop.registry.current != shop.champion
        writing = shop.run_late(None)
        ended: dict[str, int] = {}
        number = missed = 0
        while number < asked.kills + asked.late:
            late = number >= asked.kills
            after = float(rng.uniform(0.0, 1.5 * writing if late else seconds))
            shop.hit = False
            lasted = (shop.run_late if late else shop.run)(after)
            said = shop.looked_at()
            if not shop.hit:
                # The machine is quicker than at the last whole run: nobody was killed.
                missed += 1
                writing, seconds = (lasted, seconds) if late else (writing, lasted)
                continue
            number += 1
            ended[said] = ended.get(said, 0) + 1
            print(f"{number}: {'writing + ' if late else ''}{after:.2f} s: {said}", flush=True)
    print(f"runs that ended before they were to be killed, not counted: {missed}")
    print(f"{asked.kills} kills anywhere and {asked.late} while it wrote; afterwards: {ended}")


class Shop:
    """Files, a directory of models with a champion, and a copy to begin with each time."""

    def __init__(self, place: Path) -> None:
        world = simulate(NETWORK)
        world.shipments.to_parquet(place / "shipments.parquet")
        world.scans.to_parquet(place / "scans.parquet")
        self.now = pd.Timestamp(NETWORK.extract_ends_at)
        self.fresh, self.models = place / "fresh", place / "models"
        registry = ModelRegistry(self.fresh)
        history = tracking.history(world.shipments, world.scans)
        with registry.lock():
            model = train(history, as_of=self.now - pd.Timedelta(days=40), config=RECIPE)
            self.champion = registry.add(model)
            registry.promote(self.champion, why="trained")
        self.registry = ModelRegistry(self.models)
        self.hit = False
        """Whether the last run was killed before it ended."""
        self.order = history.shipments.iloc[-1:].reset_index(drop=True)
        self.command = [
            *(
                sys.executable,
                "-m",
                "etapromise.cli",
                "retrain",
                "--refresh-every",
                "14",
                "--judge-days",
                "14",
            ),
            "--force",  # whatever the gate says, so that every run would end with a promotion
            *("--shipments", str(place / "shipments.parquet")),
            *("--scans", str(place / "scans.parquet")),
            *("--as-of", self.now.isoformat(), "--models", str(self.models)),
        ]

    def run(self, kill_after: float | None) -> float:
        """Run the command, killed after some seconds; how long it ran."""
        begun = time.perf_counter()
        with self._started() as process:
            if kill_after is not None:
                self._kill(process, kill_after)
            process.communicate()
        return time.perf_counter() - begun

    def run_late(self, kill_after: float | None) -> float:
        """The same from when it begins to write."""
        with self._started() as process:
            for line in process.stderr:
                if WRITING in line:
                    break
            begun = time.perf_counter()
            if kill_after is not None:
                self._kill(process, kill_after)
            process.communicate()
        return time.perf_counter() - begun

    def looked_at(self) -> str:
        """What a reader and the next writer find.

        Raises:
            ModelFileError: A version is damaged.
        """
        current = self.registry.load_current()
        assert current.promise_many(self.order, 0.9)["confidence"].iloc[0] >= 0.9
        for version in self.registry.versions():
            self.registry.load(version)
        drafts = [path for path in self.models.glob(".*") if path.name != ".lock"]
        with self.registry.lock():
            left = [path.name for path in self.models.glob(".*") if path.name != ".lock"]
        assert not left, f"drafts that the next writer leaves lying: {left}"
        who = "champion" if self.registry.current == self.champion else "challenger"
        written = " (challenger written)" if len(self.registry.versions()) > 1 else ""
        return who + (written if who == "champion" else "") + (" and a draft" if drafts else "")

    def _kill(self, process: subprocess.Popen[str], after: float) -> None:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            self.hit = True

    def _started(self) -> subprocess.Popen[str]:
        shutil.rmtree(self.models, ignore_errors=True)
        shutil.copytree(self.fresh, self.models, symlinks=True)
        return subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


if __name__ == "__main__":
    main()
