"""Kills every command that writes, at file operations and at random moments; what is left?

    python benchmarks/kills.py [--kills 50] [--seed 1] [--only train --only score ...]

Each command runs on the files of a small simulated shop and grows few trees, in a forked child with
all imports done, so that a run is its work alone. Half of the kills come at a file operation (open
to write, rename, remove, link, directory: each as likely), counted in the child by an audit hook
that sends SIGKILL before the operation; half at a moment drawn evenly from the time that a whole
run takes. After it:

- whoever reads finds a whole state: each part is the one of before or the one of after. Of models,
  the current one loads and promises, and every listed version loads; of a store, its history; of
  the rest, every file is parsed.
- the same command runs again to its end and comes to the state of a run that nobody killed:
  nothing lost, nothing doubled (an event told twice, a scan counted twice).
- no draft, no file and no process is left that a whole run does not leave too.

A single failure ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

import etapromise
from etapromise import TrainingConfig, cli, tracking, train
from etapromise.evaluation import backtest
from etapromise.forecast.boosting import BoostingConfig
from etapromise.in_transit.training import TransitSettings
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import refresh
from etapromise.store.ingest import ingest
from etapromise.store.stored_history import stored_history
from etapromise.training import config
from etapromise_simulator import NetworkConfig, simulate

NETWORK = NetworkConfig(seed=8, start=date(2025, 3, 3), days=94, shipments_per_day=8.0)
NOW = pd.Timestamp(NETWORK.extract_ends_at)
TREES = BoostingConfig(rounds=2, learning_rate=0.3, num_leaves=3, threads=1)
RECIPE = TrainingConfig(
    members=1, boosting=TREES, transit=TransitSettings(boosting=TREES, most_looks=2000)
)
CHANGES = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate"),
    "open",
}
DAY = "%Y-%m-%dT00:00Z"


@dataclass(frozen=True)
class Command:
    """What is run, on which files, and what whoever reads afterwards sees, part by part."""

    words: str
    look: Callable[[Path], dict[str, Any]]
    codes: tuple[int, ...] = (0,)


def models_seen(place: Path) -> dict[str, Any]:
    """The current model, which loads and promises, as does every version that is listed."""
    registry = ModelRegistry(place / "models")
    current = registry.load_current()
    order = pd.read_parquet(place / "orders.parquet").iloc[-1:].reset_index(drop=True)
    assert current.promise_many(order, 0.5)["confidence"].iloc[0] >= 0.5
    for version in registry.versions():
        registry.load(version)
    declared = sorted({one.reason for one in current.parts.encoder.declared})
    return {"current": [current.manifest["as_of"], *declared]}


def models_kept(place: Path) -> dict[str, Any]:
    """The same and how many there are."""
    there = ModelRegistry(place / "models").versions()
    return models_seen(place) | {day: day in there for day in REFRESHED}


def store_seen(place: Path) -> dict[str, Any]:
    """Every parcel and every scan of a store, none twice."""
    found = {}
    history = stored_history(place / "store")
    for name, table in (("shipments", history.shipments), ("scans", history.scans)):
        told = table.astype(str)
        assert not told.duplicated().any()
        lines = sorted(told.to_csv(index=False, header=False).splitlines())
        found[name] = [len(lines), _digest("\n".join(lines))]
    return {"history": found}


def events_seen(place: Path) -> dict[str, Any]:
    """The events that were told, none twice."""
    out = place / "events.jsonl"
    told = out.read_text().splitlines() if out.exists() else []
    assert len(set(told)) == len(told), "an event was told twice"
    assert all(json.loads(line) for line in told)
    return {"events": [len(told), _digest("\n".join(sorted(told)))]}


def files_seen(*names: str) -> Callable[[Path], dict[str, Any]]:
    """Some files, each whole."""
    return lambda place: {name: _content(place / name) for name in names}


def _content(path: Path) -> str | None:
    if not path.exists():
        return None
    match path.suffix:
        case ".parquet":
            return _digest(pd.read_parquet(path).to_csv())
        case ".html":
            text = path.read_text()
            assert text.rstrip().endswith("</html>"), f"{path} is cut off"
            return "a page"  # it says when it was made
        case _:
            return _digest(path.read_text())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


TABLES = "--shipments {0}/shipments.parquet --scans {0}/scans.parquet"
REFRESHED = ("2025-05-05", "2025-05-07", "2025-05-09", "2025-05-16")
LATELY = NOW - pd.Timedelta(days=20)
COMMANDS = {
    "train": Command(
        f"train {TABLES} --as-of {NOW:{DAY}} --out {{0}}/models",
        models_seen,
    ),
    "retrain": Command(
        f"retrain {TABLES} --as-of {NOW:{DAY}} --models {{0}}/models --refresh-every 14 "
        "--judge-days 14 --force",
        models_seen,
    ),
    "refresh": Command(f"refresh {TABLES} --as-of {NOW:{DAY}} --models {{0}}/models", models_seen),
    "rollback": Command("rollback --models {0}/models --to 2025-05-09", models_seen),
    "models --keep": Command("models --models {0}/models --keep 1", models_kept),
    "disruptions declare": Command(
        "disruptions declare --models {0}/models --first 2025-06-02 --last 2025-06-04 --stop "
        "--reason snow",
        models_seen,
    ),
    "ingest": Command(
        "ingest --store {0}/store --shipments {0}/orders.csv --scans {0}/scans.csv",
        store_seen,
    ),
    "score": Command(
        f"score --model {{0}}/models/current --shipments {{0}}/orders.parquet --as-of {NOW:{DAY}} "
        "--out {0}/o.parquet",
        files_seen("o.parquet", "o.rejects.parquet"),
    ),
    "score --scans": Command(
        f"score --model {{0}}/models/current {TABLES} --as-of {LATELY:{DAY}} --out {{0}}/o.parquet",
        files_seen("o.parquet", "o.rejects.parquet", "o.scan_rejects.parquet"),
    ),
    "backtest": Command(
        f"backtest {TABLES} --from {LATELY:{DAY}} --to {LATELY + pd.Timedelta(days=4):{DAY}} "
        "--refresh-every 4 --jobs 1 --out {0}/report",
        files_seen("report/promises.parquet", "report/backtest.json", "report/report.html"),
    ),
    "scorecard": Command(
        f"scorecard {TABLES} --as-of {NOW:{DAY}} --out {{0}}/card.parquet",
        files_seen("card.parquet"),
    ),
    "events": Command(
        f"events --model {{0}}/models/current {TABLES} --as-of {LATELY:{DAY}} --state {{0}}/told "
        "--out {0}/events.jsonl",
        events_seen,
    ),
    "monitor": Command(
        f"monitor --model {{0}}/models/current {TABLES} --as-of {NOW:{DAY}} --days 14 "
        "--refresh-every 14 --promises model --out {0}/report --told {0}/told.json",
        files_seen(
            "report/promises.parquet", "report/monitor.json", "report/report.html", "told.json"
        ),
        codes=(0, 3),
    ),
    "sample": Command(
        "sample --out {0}/sample --days 20 --shipments-per-day 4",
        files_seen(*(f"sample/{name}.parquet" for name in ("shipments", "scans", "open_orders"))),
    ),
    "check": Command(
        "check {0}/orders.csv {0}/scans.csv --no-quality --html {0}/check.html "
        "--write-mapping {0}/mapping.toml",
        files_seen("check.html", "mapping.toml"),
        codes=(0, 3),
    ),
}


def main() -> None:
    """Kill, look, run again, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="Of each command.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(COMMANDS))
    asked = parser.parse_args()
    # A child is forked from here: all is imported, and no pool of threads has been begun.
    for module in pkgutil.walk_packages(etapromise.__path__, "etapromise."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as top, contextlib.ExitStack() as few_trees:
        for module in (config, backtest):
            few_trees.enter_context(mock.patch.object(module, "TrainingConfig", recipe))
        fresh = Path(top, "fresh")
        assert forked(lambda: prepare(fresh)).code == 0
        for name in asked.only or COMMANDS:
            shop = Shop(COMMANDS[name], fresh, Path(top, "shop"))
            began = time.monotonic()
            said = shop.killed(asked.kills, np.random.default_rng(asked.seed))
            print(
                f"| `{name}` | {shop.seconds:.1f} | {shop.changes} | {said} | "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )


def recipe(**told: Any) -> TrainingConfig:
    """What commands train by that name no recipe."""
    return replace(RECIPE, **told)


def prepare(place: Path) -> int:
    """A shop with tables, and two models, of which the second is current."""
    place.mkdir()
    world = simulate(NETWORK)
    world.shipments.to_parquet(place / "shipments.parquet")
    world.scans.to_parquet(place / "scans.parquet")
    late = world.shipments["shipment_id"].isin(world.shipments["shipment_id"].tail(200))
    ingest(place / "store", world.shipments[~late], world.scans.head(-1000))
    world.shipments.tail(200).to_parquet(place / "orders.parquet")
    world.shipments.tail(200).to_csv(place / "orders.csv", index=False)
    world.scans.tail(1000).to_csv(place / "scans.csv", index=False)
    history = tracking.history(world.shipments, world.scans)
    registry = ModelRegistry(place / "models")
    with registry.lock():
        model = train(history, as_of=pd.Timestamp("2025-05-02", tz="UTC"), config=RECIPE)
        registry.promote(registry.add(model), why="trained")
    for day in REFRESHED:
        refresh(registry.root, history, as_of=pd.Timestamp(day, tz="UTC"))
    return 0


@dataclass(frozen=True)
class Run:
    """How a child ended: its code, minus the signal of a kill, and what it wrote to its pipe."""

    code: int
    said: str
    seconds: float


def forked(work: Callable[[], int], *, kill_after: float | None = None, log: Any = None) -> Run:
    """Do something in a child with its own session; nothing of that may live on."""
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        code = 9
        try:
            os.setsid()
            os.close(reading)
            if log is not None:
                os.dup2(log, 1)
                os.dup2(log, 2)
            os.dup2(writing, 3)
            code = work()
        except BaseException:  # noqa: BLE001 — the child's last word
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    if kill_after is not None:
        while (
            time.monotonic() < began + kill_after
            and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - began
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    for _ in range(200):
        try:
            os.killpg(child, 0)
        except ProcessLookupError:
            return Run(code, said, seconds)
        time.sleep(0.1)
    message = "a process of the command lives on"
    raise AssertionError(message)


class Shop:
    """One command, its files afresh for each run."""

    def __init__(self, command: Command, fresh: Path, place: Path) -> None:
        self.command, self.fresh, self.place = command, fresh, place
        self.seconds, self.changes = 0.0, 0

    def killed(self, kills: int, rng: np.random.Generator) -> str:
        """Kill so many times; what the looks came to."""
        self.begin()
        before = self.look()
        whole = self.run()
        assert whole.code in self.command.codes, (whole, self.log())
        self.seconds, self.changes = whole.seconds, int(whole.said)
        after, names = self.look(), self.names()
        assert after != before, "the command does nothing that is seen"
        states = collections.Counter[str]()
        number = 0
        while number < kills:
            self.begin()
            if number % 2:
                run = self.run(kill_after=float(rng.uniform(0.0, self.seconds)))
            else:
                run = self.run(kill_at=int(rng.integers(1, self.changes + 1)))
            if run.code != -signal.SIGKILL:
                continue  # quicker than before, and done
            number += 1
            state = self.judged(before, after)
            states[state] += 1
            again = self.run()
            assert again.code in self.command.codes, (again, self.log())
            assert (found := self.look()) == after, (self.command.words, found, after)
            left = self.names() - names
            if state == "after":
                # What was decided and done is decided again: that makes two decisions.
                left = {name for name in left if not name.startswith("models/decisions/")}
            assert not left, left
        return ", ".join(f"{states[name]} {name}" for name in ("before", "after", "between"))

    def judged(self, before: dict[str, Any], after: dict[str, Any]) -> str:
        """Which state is there; each part of it is the old or the new one."""
        found = self.look()
        for part in found:
            assert found[part] in (before[part], after[part]), (part, found[part], self.log())
        return "before" if found == before else "after" if found == after else "between"

    def look(self) -> dict[str, Any]:
        """In a child, since it loads and may begin threads."""
        found = forked(lambda: _say(json.dumps(self.command.look(self.place))), log=self._log())
        assert found.code == 0, (self.command.words, self.log())
        return json.loads(found.said)

    def names(self) -> set[str]:
        """What lies there; of versions of models only what is beside them."""
        found = set()
        for path in self.place.rglob("*"):
            name = str(path.relative_to(self.place))
            if name.startswith(("models/20", "store/")) and ".draft" not in name:
                continue
            found.add(name)
        files = [path for path in (self.place / "store").rglob("*") if path.is_file()]
        return found | {f"{len(files)} files of the store"}

    def run(self, *, kill_at: int | None = None, kill_after: float | None = None) -> Run:
        """Run the command; killed before its n-th change of a file, or after some seconds."""
        words = self.command.words.format(self.place).split()

        def work() -> int:
            count = 0
            place = str(self.place)

            def hook(event: str, found: Any) -> None:
                nonlocal count
                if event not in CHANGES or not str(found[0]).startswith(place):
                    return
                if event == "open" and not (found[2] or 0) & (os.O_WRONLY | os.O_RDWR):
                    return
                count += 1
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            try:
                code = cli.main.main(words, standalone_mode=False)
            except SystemExit as end:
                code = end.code
            _say(str(count))
            return int(code or 0)

        return forked(work, kill_after=kill_after, log=self._log())

    def begin(self) -> None:
        """The files of before."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.fresh, self.place, symlinks=True)

    def log(self) -> str:
        """What the last child said."""
        return self.place.with_suffix(".log").read_text()[-3000:]

    def _log(self) -> int:
        return os.open(self.place.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _say(text: str) -> int:
    os.write(3, text.encode())
    return 0


if __name__ == "__main__":
    main()
