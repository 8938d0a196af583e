"""Runs random cases of one kind: as many as wished, each from bytes, whoever makes the bytes.

A target is a module with `case`, which reads bytes as an input and says what became of it, and
`SEEDS`, inputs to begin with. Anything but a result or an `EtapromiseError` that `case` lets out is
a finding, and so is a case that takes longer than `PATIENCE`. Findings are written to
`tests/fuzz/corpus/NAME`, which the suite goes through again and again.

    python -m tests.fuzz.tables --count 200000          # random changes of the seeds
    python -m tests.fuzz.guided tables --count 200000   # the same, guided by coverage (atheris)
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

CORPUS = Path(__file__).parent / "corpus"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 — folders of their own in it
"""Where files are the quickest."""
PATIENCE = 120
"""Seconds."""
BATCH = 10_000
MOST_MEMORY = 6 << 30
MOST_TOLD = 40
ROOM = 1 << 20

T = TypeVar("T")


class LateError(Exception):
    """A case that does not end."""


Case = Callable[[bytes], str]


class Choices:
    """Bytes as a row of choices; where they are used up, the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Less than `below`."""
        found = 0
        for _ in range(1 if below <= 256 else 2 if below <= 65_536 else 8):
            byte = self._data[self._at] if self._at < len(self._data) else 0
            found, self._at = found * 256 + byte, self._at + 1
        return found % below

    def pick(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[self.number(len(values))]

    def chance(self, share: float) -> bool:
        """Mostly not, where the share is small."""
        return self.number(256) >= 256 * (1 - share)

    def rest(self) -> bytes:
        """What is left."""
        found, self._at = self._data[self._at :], len(self._data)
        return found


def changed(seed: bytes, rng: random.Random, words: Sequence[bytes] = ()) -> bytes:
    """A seed with bytes flipped, cut, doubled, moved, or words put in."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6, 12))):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice((1, 2, 4, 16, 64)))
        match rng.randrange(7):
            case 0:
                data[at:to] = rng.randbytes(to - at)
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
            case 4 if words:
                data[at : at if rng.random() < 0.5 else to] = rng.choice(words)
            case 5:
                other = rng.randrange(len(data) + 1)
                data[at:at] = data[other : other + 40]
            case _ if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << rng.randrange(8)))
    return bytes(data)


def kept(name: str) -> list[Path]:
    """What was found once."""
    return sorted((CORPUS / name).glob("*"))


def outcome(case: Case, data: bytes) -> str:
    """What became of a case; a case without an end is an error."""

    def late(*_: Any) -> NoReturn:
        message = f"more than {PATIENCE} s"
        raise LateError(message)

    signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        return case(data)
    finally:
        signal.alarm(0)


def keep(name: str, data: bytes) -> Path:
    """Write a finding down."""
    path = CORPUS / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def main(name: str, case: Case, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> int:
    """Run cases and print what they came to; 1 if there were findings.

    In forked children, one after the other, so that a crash is a finding as any other, and what a
    foreign library never gives back is.
    """
    parser = argparse.ArgumentParser(description=f"Random {name}.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    begun, counts = time.monotonic(), collections.Counter[str]()
    number, last = asked.seed, asked.seed + asked.count
    while number < last:
        batch = Batch(number, min(number + BATCH, last))
        ended = batch.run(case, lambda at: made(at, seeds, words))
        counts.update(batch.counts)
        number = batch.at + 1
        if ended:
            counts["FINDING"] += 1
            batch.findings.append((batch.at, f"the process ended with {ended}"))
        for at, told in batch.findings:
            print(f"FINDING {at}: {keep(name, made(at, seeds, words))}\n{told}", flush=True)
        print(f"… {number - asked.seed}: {dict(counts)}", flush=True)
    print(f"{asked.count} {name} in {time.monotonic() - begun:.0f} s: {dict(counts)}")
    return int(counts["FINDING"] > 0)


def made(number: int, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """The bytes of a case."""
    rng = random.Random(number)  # noqa: S311
    return changed(rng.choice(seeds), rng, words)


class Batch:
    """Some cases, run by a child whose death is survived."""

    def __init__(self, first: int, end: int) -> None:
        self.first, self.end = first, end
        self.at = first
        self.counts: dict[str, int] = {}
        self.findings: list[tuple[int, str]] = []

    def run(self, case: Case, data_of: Callable[[int], bytes]) -> int:
        """Run them; how the child ended, 0 where it came to the end."""
        import resource  # noqa: PLC0415 — Windows has none, and imports this for the rest

        shared = mmap.mmap(-1, ROOM)
        child = os.fork()
        if not child:
            code = 9
            try:
                resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
                self._run(case, data_of, shared)
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        length = int.from_bytes(shared[:8], "little")
        self.at, self.counts, self.findings = json.loads(shared[8 : 8 + length])
        return ended

    def _run(self, case: Case, data_of: Callable[[int], bytes], shared: mmap.mmap) -> None:
        counts, findings = collections.Counter[str](), list[tuple[int, str]]()
        for number in range(self.first, self.end):
            _tell(shared, [number, counts, findings])
            try:
                counts[outcome(case, data_of(number))] += 1
            except Exception:
                counts["FINDING"] += 1
                if len(findings) < MOST_TOLD:
                    findings.append((number, traceback.format_exc()[-3000:]))
        _tell(shared, [self.end - 1, counts, findings])


def _tell(shared: mmap.mmap, what: list[Any]) -> None:
    """To the parent, which reads it also where this process dies."""
    said = json.dumps(what).encode()
    shared[8 : 8 + len(said)] = said
    shared[:8] = len(said).to_bytes(8, "little")
