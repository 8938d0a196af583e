"""How many full answers a server gives over loopback, and whether any fails while models change.

One server process and one load generator, each a process of its own. Every request is a quote with
all fields of the answer and its sentence; the server's model is exchanged for another while it
answers.

    python benchmarks/serving.py --requests 100000 --reloads 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from later_orders import MOMENT, LaterOrders

import etapromise
from etapromise import TrainingConfig
from etapromise.forecast.boosting import BoostingConfig


def models(directory: Path, orders: LaterOrders) -> None:
    """Two models, one day apart, and a link to the first."""
    config = replace(TrainingConfig(), boosting=BoostingConfig(rounds=150, patience=30))
    first = etapromise.train(orders.history, as_of=MOMENT, config=config)
    first.save(directory / "one")
    first.refresh(orders.history, as_of=str(MOMENT + pd.Timedelta(days=1))).save(directory / "two")
    (directory / "current").symlink_to("one")


def bodies(orders: LaterOrders, count: int) -> list[bytes]:
    """Requests of real orders, each another one."""
    names = (
        *("origin", "origin_region", "origin_country", "destination", "destination_region"),
        *("destination_country", "destination_time_zone", "carrier", "service", "weight_kg"),
    )
    found = []
    for row in orders.frame.head(count).to_dict("records"):
        fields = {name: row[name] for name in names if not pd.isna(row.get(name))}
        asked = json.dumps({**fields, "ordered_at": row["ordered_at"].isoformat()}).encode()
        head = f"POST /quotes HTTP/1.1\r\nhost: x\r\ncontent-length: {len(asked)}\r\n\r\n"
        found.append(head.encode() + asked)
    return found


class Asking(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, run: Run) -> None:
        """Ask what a run has to ask."""
        self._run = run
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        body = self._run.next()
        if body is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(body)

    def data_received(self, data: bytes) -> None:
        """Ask again once an answer is whole."""
        self._received += data
        head, whole, rest = self._received.partition(b"\r\n\r\n")
        if not whole:
            return
        start = head.lower().index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(rest) >= length:
            self._received = b""
            self._run.answered(head, rest, time.perf_counter() - self._sent)
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        """Tell the run."""
        self._run.lost()


class Run:
    """What was asked and answered."""

    def __init__(self, asked: list[bytes], count: int, connections: int) -> None:
        """Begin with nothing asked."""
        self._asked, self.count, self._open = asked, count, connections
        self.seconds: list[float] = []
        self.failed: list[bytes] = []
        self.versions: dict[bytes, int] = {}
        self.sent = 0
        self.bytes = 0
        self.done = asyncio.Event()

    def next(self) -> bytes | None:
        """The next request; None where all are out."""
        if self.sent >= self.count:
            return None
        self.sent += 1
        return self._asked[self.sent * 7919 % len(self._asked)]

    def answered(self, head: bytes, body: bytes, seconds: float) -> None:
        """Count an answer."""
        self.seconds.append(seconds)
        self.bytes += len(body)
        start = body.find(b'"model_version":"')
        version = body[start + 17 : start + 60].split(b'"')[0]
        self.versions[version] = self.versions.get(version, 0) + 1
        if b" 200 " not in head.split(b"\r\n", 1)[0] + b" " or b'"fallback":true' in body:
            self.failed.append(head)

    def lost(self) -> None:
        """Count a closed connection."""
        self._open -= 1
        if self._open == 0:
            self.done.set()


async def load(port: int, run: Run, connections: int, reloads: int, directory: Path) -> float:
    """Ask over so many connections; exchange the model as often."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Asking(run), "127.0.0.1", port)
    for turn in range(reloads):
        # Evenly over the requests; the server looks once a second, also after the last.
        while run.sent < turn * run.count / reloads and not run.done.is_set():
            await asyncio.sleep(0.02)
        link = directory / ".next"
        link.symlink_to("one" if turn % 2 else "two")
        link.replace(directory / "current")
    await run.done.wait()
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    orders = LaterOrders.of(seed=5, days=14, per_day=60.0)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        models(directory, orders)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "etapromise", "serve"),
                *("--models", str(directory), "--port", str(port)),
            ]
        )
        try:
            _wait(port)
            for count, reloads in ((5_000, 0), (arguments.requests, arguments.reloads)):
                run = Run(bodies(orders, 500), count, arguments.connections)
                took = asyncio.run(load(port, run, arguments.connections, reloads, directory))
            health = json.loads(_get(port, "/healthz"))
            used = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        finally:
            server.terminate()
            server.wait()
    milliseconds = np.array(run.seconds) * 1000.0
    print(f"answers a second      {len(run.seconds) / took:,.0f}")
    for percent in (50, 90, 99, 99.9):
        print(f"p{percent:<5g} milliseconds    {np.percentile(milliseconds, percent):.2f}")
    print(f"longest, milliseconds {milliseconds.max():.1f}")
    print(f"requests, failed      {len(run.seconds):,}, {len(run.failed):,}")
    print(f"reloads, failed       {health['reloads']}, {health['failed_reloads']}")
    print(f"versions that answered {len(run.versions)}: {sorted(run.versions.values())}")
    print(f"bytes an answer       {run.bytes / len(run.seconds):,.0f}")
    seconds = (int(used[11]) + int(used[12])) / 100.0
    print(
        f"server's processor time an answer, microseconds (start and reloads too) "
        f"{seconds / (len(run.seconds) + 5_000) * 1e6:.0f}"
    )


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return bytes(answer.read())


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            _get(port, "/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
