"""What is installed beside the library is pinned, free, and asked for nothing over a network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from etapromise import PromiseModel

TOP = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
LEFT_OUT = {"notebooks", "benchmarks"}
EXTRAS: dict[str, list[str]] = {
    name: lines
    for name, lines in PROJECT["project"]["optional-dependencies"].items()
    if name not in LEFT_OUT
}
SHIPPED = [
    Requirement(line)
    for lines in (PROJECT["project"]["dependencies"], *EXTRAS.values())
    for line in lines
]


def test_the_lock_has_a_hashed_version_of_everything_that_is_asked_for() -> None:
    blocks = re.findall(
        r"^([\w.-]+)==(\S+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
        (TOP / "requirements.lock").read_text("utf-8"),
        re.MULTILINE,
    )
    pinned: dict[str, list[str]] = {}
    for name, version, _ in blocks:
        pinned.setdefault(name, []).append(version)
    asked = SHIPPED + [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]
    for one in asked:
        versions = pinned[one.name.lower().replace("_", "-")]
        assert all(version in one.specifier for version in versions), one


def test_every_licence_is_one_that_was_looked_at() -> None:
    spec = importlib.util.spec_from_file_location("licences", TOP / "scripts/write_licences.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    found.page()  # ends where one is of no known kind
    told = found.PAGE.read_text("utf-8")
    for one in SHIPPED:
        assert f"| {one.name.lower().replace('_', '-')} |" in told


CLOSED = """
import sys

def closed(event, found):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.bind"}:
        raise SystemExit(f"asked the network: {event} {found}")

sys.addaudithook(closed)
import socket
from etapromise.cli import main
if sys.argv[1:] == ["ask"]:
    socket.getaddrinfo("example.org", 80)
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def shop(simulation: Any, model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("closed")
    simulation.shipments.to_parquet(place / "shipments.parquet")
    simulation.scans.to_parquet(place / "scans.parquet")
    model.save(place / "model")
    return place


TABLES = "--shipments shipments.parquet --scans scans.parquet"
FEW_TREES = "--set members=1 --set boosting.rounds=4 --set transit.most_looks=1000"


@pytest.mark.parametrize(
    "words",
    [
        f"train {TABLES} --as-of 2025-07-01 --out models {FEW_TREES}",
        "quote --model model --origin 60492 --destination 90585 --ordered-at 2025-07-02T10:00Z",
        "score --model model --shipments shipments.parquet --as-of 2025-07-02 --out o.parquet",
        f"scorecard {TABLES} --as-of 2025-07-01 --out card.html",
    ],
)
def test_nothing_is_asked_of_the_network(shop: Path, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, *words.split()],
        cwd=shop,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_closed_sockets_are_closed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, "ask"], capture_output=True, text=True, check=False
    )
    assert "asked the network" in done.stderr
