"""A year of nights of a small shop: the crontab of docs/nightly.md, line by line, by its own shell.

    python benchmarks/cron_year.py [--orders 15] [--nights 365] [--minutes 60] [--out output/cron]

The lines with a store are read off the page and run by `sh` at their hours of a simulated clock,
each in a fork of a process that has everything imported, so that starting Python does not count.
The shop quotes each order with the model that is current and writes date and confidence down; a
night's files have what came since the last ingest that went well. Planted are a carrier that
collapses for five weeks, a vendor that changes its codes (people map them three days after the
monitor told of them), six nights without files, a file that is cut, and files that come twice.

Printed are exit codes and time of each command, early and late in the year, room on disk, alarms
within and without what was planted, decisions of the gate, and kept beside stated by quarter.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from year_shop import DAY, LEVEL, Diary, Feed, Script, judged

import etapromise

PAGE = Path(__file__).parents[1] / "docs/nightly.md"
COLLAPSE, CODES, SILENT, CUT, TWICE = (60, 95), 150, (220, 226), 250, 270
PLANTED = ((COLLAPSE[0], COLLAPSE[1] + 14), (CODES, CODES + 14), (SILENT[0], SILENT[1] + 7))
RECIPE = ("members=1", "boosting.rounds=40", "boosting.learning_rate=0.2", "boosting.threads=1")

ALARM = ("name", "group", "reason")

CLIENT = """
import array, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(os.environ["ETA_SERVER"])
line = "\\0".join([os.getcwd(), *sys.argv[1:]]).encode()
server.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2]))])
sys.exit(int(server.recv(16)))
"""


def serve(address: Path, journal: Path) -> None:
    """Run commands, each in a fork, and write down what each took."""
    from etapromise.cli import main

    for name in ("evaluation.report.monitor_page", "operations.retraining", "store.ingest"):
        __import__(f"etapromise.{name}")
    for name in (
        "operations.monitoring.run",
        "operations.events.event_run",
        "forecast.tree_grower",
    ):
        __import__(f"etapromise.{name}")
    for name in ("operations.scoring.scoring_store", "cli.monitor", "cli.train", "cli.events"):
        __import__(f"etapromise.{name}")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    while True:
        client, _ = listener.accept()
        line, ancillary, *_ = client.recvmsg(65536, socket.CMSG_SPACE(8))
        place, *words = line.decode().split("\0")
        if not words:
            return
        out, err = array.array("i", ancillary[0][2])
        started = time.perf_counter()
        child = os.fork()
        if not child:
            os.chdir(place)
            os.dup2(out, 1)
            os.dup2(err, 2)
            sys.argv = ["etapromise", *words]
            main()
        os.close(out)
        os.close(err)
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        row = {"command": words[0], "code": code, "wall": time.perf_counter() - started}
        row |= {"cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1e3}
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        client.send(str(code if code >= 0 else 128 - code).encode())
        client.close()


def crontab() -> list[tuple[int, int, str, str]]:
    """Minute, hour, day of the week and line of the page's crontab with a store, in their order."""
    blocks = re.findall(r"```crontab\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks if "--store" in block for line in block.splitlines()]
    found = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            minute, hour, _, _, weekday, command = line.split(None, 5)
            found.append((int(minute), int(hour), weekday, command.replace("\\%", "%")))
    return sorted(found, key=lambda each: (each[1], each[0]))


class Night:
    """The place where the lines run: its clock, its files and what is told there."""

    def __init__(self, place: Path) -> None:
        self.place = place.resolve()
        shutil.rmtree(self.place, ignore_errors=True)
        for name in ("log", "in/today", "out", "bin"):
            (self.place / name).mkdir(parents=True)
        programs = {
            "date": 'cat "$ETA_CLOCK"',
            "etapromise": f'exec {sys.executable} -S -E "$0.py" "$@"',
        }
        for name, line in programs.items():
            program = self.place / "bin" / name
            program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            program.chmod(0o755)
        (self.place / "bin/etapromise.py").write_text(CLIENT, encoding="utf-8")
        self.clock, self.journal = self.place / "clock", self.place / "journal.jsonl"
        self.journal.touch()
        self.environment = os.environ | {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "ETA_CLOCK": str(self.clock),
            "ETA_SERVER": str(self.place / "server"),
        }
        self.server = os.fork()
        if not self.server:
            serve(self.place / "server", self.journal)
            os._exit(0)
        while not (self.place / "server").exists():
            time.sleep(0.1)

    def run(self, line: str, at: pd.Timestamp) -> int:
        """A line of the crontab, at an hour; its exit code."""
        self.clock.write_text(at.strftime("%Y-%m-%dT%H:%MZ\n"), encoding="utf-8")
        line = line.replace("cd /srv/eta", f"cd {self.place}")
        return subprocess.run(["/bin/sh", "-c", line], env=self.environment, check=False).returncode

    def rows(self) -> list[dict[str, Any]]:
        """What every command took so far."""
        return [json.loads(line) for line in self.journal.read_text(encoding="utf-8").splitlines()]

    def write(self, shipments: pd.DataFrame, scans: pd.DataFrame) -> None:
        """The night's files."""
        shipments.to_parquet(self.place / "in/today/shipments.parquet", index=False)
        scans.to_parquet(self.place / "in/today/scans.parquet", index=False)

    def megabytes(self) -> dict[str, float]:
        """Room on disk."""
        return {
            name: sum(p.lstat().st_size for p in (self.place / name).rglob("*")) / 1e6
            for name in ("store", "models", "told", "report", "out", "log")
        }


def live(script: Script, night: Night, diary: Diary, minutes: float) -> list[dict[str, Any]]:
    """All nights; what is strange about each."""
    feed = Feed(script)
    lines, found = crontab(), []
    until, sent = time.monotonic() + 60 * minutes, feed.shipments["ordered_at"].min() - DAY
    mended: pd.Timestamp | None = None
    first = script.moment(0)
    night.write(*_since(feed, sent, first, diary))
    sets = " ".join(f"--set {each}" for each in RECIPE)
    begin = (
        "cd /srv/eta && etapromise ingest --store store/ --shipments in/today/shipments.parquet "
        "--scans in/today/scans.parquet && "
        f"etapromise train --store store/ --as-of {first:%F} {sets} --out models/"
    )
    assert night.run(begin, first) == 0
    sent = first
    for day in range(script.days):
        if time.monotonic() > until:
            print(f"stopped after {day} nights", file=sys.stderr)
            break
        midnight = script.moment(day + 1)
        diary.promised.append(_quoted(feed, night, script.moment(day)))
        told: dict[str, Any] = {"night": day, "codes": [], "alarms": []}
        for minute, hour, weekday, line in lines:
            at = midnight + pd.Timedelta(hours=hour, minutes=minute)
            if weekday not in ("*", str(at.isoweekday() % 7)):
                continue
            if "ingest" in line:
                _prepare(feed, night, diary, day, sent, midnight)
            before = len(night.rows())
            code = night.run(line, at)
            ran = night.rows()[before:]
            told["codes"].append(code)
            told.setdefault("ran", []).extend(ran)
            if ran and ran[0]["command"] == "ingest" and ran[0]["code"] == 0:
                sent = midnight
            if ran and ran[-1]["command"] == "monitor":
                alarms = json.loads((night.place / "report/monitor.json").read_text("utf-8"))[
                    "alarms"
                ]
                told["alarms"] = [{k: a[k] for k in (*ALARM, "news")} for a in alarms]
        if mended is None and any(a["name"] == "unreadable_codes" for a in told["alarms"]):
            mended = midnight + 3 * DAY
        if mended is not None and feed.codes_mended is None and midnight >= mended:
            feed.codes_mended, sent = midnight, script.moment(script.codes)
        if day % 30 == 0:
            told["megabytes"] = night.megabytes()
            print(f"night {day}: {told['codes']} {told['megabytes']}", file=sys.stderr, flush=True)
        found.append(told)
    diary.decisions = [
        json.loads(p.read_text("utf-8"))
        for p in sorted((night.place / "models/decisions").glob("*.json"))
    ]
    _told(feed, diary, found)
    return found


def _since(
    feed: Feed, since: pd.Timestamp, at: pd.Timestamp, diary: Diary
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders and scans that came in since, the promises that were made of them beside them."""
    ordered = feed.shipments["ordered_at"]
    shipments = feed.shipments[(ordered > since) & (ordered <= at)].drop(columns="promised_date")
    if diary.promised:
        shipments = shipments.merge(pd.concat(diary.promised), on="shipment_id", how="left")
    scans = feed.scans(at)
    return shipments, scans[scans["received_at"] > since]


def _prepare(
    feed: Feed, night: Night, diary: Diary, day: int, sent: pd.Timestamp, at: pd.Timestamp
) -> None:
    """The night's files, with what is planted in them."""
    if day == TWICE:
        return
    night.write(*_since(feed, sent, at, diary))
    if SILENT[0] <= day < SILENT[1]:
        for path in (night.place / "in/today").iterdir():
            path.unlink()
    if day == CUT:
        path = night.place / "in/today/scans.parquet"
        path.write_bytes(path.read_bytes()[:-200])


def _quoted(feed: Feed, night: Night, at: pd.Timestamp) -> pd.DataFrame:
    """The day's promises, by the model that is current."""
    ordered = feed.shipments["ordered_at"]
    orders = feed.shipments[(ordered > at) & (ordered <= at + DAY)]
    said = etapromise.load(night.place / "models/current").promise_many(orders, LEVEL)
    return pd.DataFrame(
        {
            "shipment_id": said["shipment_id"],
            "promised_date": said["estimated_delivery_date"],
            "promised_confidence": said["confidence"],
        }
    )


def _told(feed: Feed, diary: Diary, nights: list[dict[str, Any]]) -> None:
    """Print what came of it."""
    ran = pd.DataFrame([{"night": each["night"], **row} for each in nights for row in each["ran"]])
    for command, rows in ran.groupby("command"):
        took, codes = rows["cpu"], rows["code"].value_counts().to_dict()
        early, late = took[rows["night"] < 60].mean(), took[rows["night"] >= 300].mean()
        print(
            f"{command:8} {len(rows):4} runs, exit codes {codes}; CPU s median "
            f"{took.median():.2f}, at most {took.max():.2f}, early {early:.2f}, late {late:.2f}; "
            f"at most {rows['mb'].max():.0f} MB"
        )
    for each in nights:
        if "megabytes" in each:
            room = ", ".join(f"{name} {size:.1f} MB" for name, size in each["megabytes"].items())
            print(f"night {each['night']}: {room}")
    failed = [(each["night"], row["command"], row["code"]) for each in nights for row in each["ran"]
              if row["code"] not in (0, 3)]  # fmt: skip
    print(f"failed: {failed}")
    listed = sum(1 for each in nights if each["alarms"])
    print(f"mornings with an alarm, new or told before: {listed}")
    right, false = [], []
    for each in nights:
        planted = any(start <= each["night"] <= end for start, end in PLANTED)
        for alarm in each["alarms"]:
            if alarm["news"]:
                row = (each["night"], *(alarm[key] for key in ALARM))
                (right if planted else false).append(row)
    for name, alarms in (("within what was planted", right), ("false", false)):
        counts = pd.Series([alarm[1] for alarm in alarms], dtype="str").value_counts().to_dict()
        print(f"news {name}: mornings {len({a[0] for a in alarms})}, {counts}")
    for night, name, group, reason in sorted(right + false):
        print(f"  night {night}: {name} {group}: {reason}")
    outcomes = (
        pd.Series([d["outcome"] for d in diary.decisions], dtype="str").value_counts().to_dict()
    )
    print(f"retrained: {outcomes}")
    for decision in diary.decisions:
        if decision["outcome"] != "promoted":
            print(f"  {decision.get('as_of')}: {decision.get('reasons')}")
    table = judged(feed, diary)
    for name, rows in table.groupby(table["ordered_at"].dt.tz_localize(None).dt.to_period("Q")):
        print(
            f"{name}: {len(rows):,} promises, kept {rows['kept'].mean():.1%}, "
            f"stated {rows['promised_confidence'].mean():.1%}"
        )


def main() -> None:
    """Live the year and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=float, default=15.0, help="orders a day")
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop and tell after so many")
    parser.add_argument("--out", type=Path, default=Path("output/cron"))
    asked = parser.parse_args()
    night = Night(asked.out)
    script = Script(
        orders=asked.orders, days=asked.nights, collapse=COLLAPSE, codes=CODES, zone=(500, 507)
    )
    started, diary = time.perf_counter(), Diary()
    try:
        found = live(script, night, diary, asked.minutes)
    finally:
        os.kill(night.server, signal.SIGTERM)
    (night.place / "year.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
