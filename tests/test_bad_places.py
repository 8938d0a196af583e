"""Places that fail: no room, no right to write, no home, no temporary folder, files gone."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etapromise import PromiseModel
from etapromise.cli import main
from etapromise.files import require_writable

TABLES = "--shipments shipments.parquet --scans scans.parquet --as-of 2025-07-20"
COMMANDS = {
    "score": "score --model model --shipments shipments.parquet --as-of 2025-07-02 --out o.parquet",
    "scorecard": f"scorecard {TABLES} --out card.html",
    "events": f"events --model model {TABLES} --state told --out events.jsonl",
    "ingest": "ingest --store store --shipments shipments.parquet --scans scans.parquet",
    "monitor": f"monitor --model model {TABLES} --days 3 --refresh-every 9 --out report",
}


@pytest.fixture(scope="module")
def shop(simulation: Any, model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("places")
    late = simulation.shipments.tail(400)
    scans = simulation.scans
    late.to_parquet(place / "shipments.parquet")
    scans[scans["shipment_id"].isin(late["shipment_id"])].to_parquet(place / "scans.parquet")
    model.save(place / "model")
    return place


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_takes_no_more_is_named_and_left_as_it_was(
    shop: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """As a disk that is full or read-only says it: at any file that is opened to be written."""
    monkeypatch.chdir(shop)
    before = {path for path in shop.rglob("*") if ".lock" not in path.name}
    opened, made = Path.open, Path.mkdir

    def refused(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if set(mode) & set("wax+"):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, mode, *rest, **more)

    def unmade(path: Path, *rest: Any, **more: Any) -> Any:
        if path.exists():
            return made(path, *rest, **more)
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "mkdir", unmade)
    found = CliRunner().invoke(main, COMMANDS[name].split())
    monkeypatch.undo()
    assert found.exit_code == 1, found.output
    assert os.strerror(number) in found.stderr
    assert "fault of etapromise" not in found.stderr
    assert {path for path in shop.rglob("*") if ".lock" not in path.name} == before


BARE = """
import sys, tempfile
tempfile._candidate_tempdir_list = lambda: [sys.executable + "/x"]
from etapromise.cli import main
from etapromise.files import require_writable
main(sys.argv[1:])
"""


@pytest.mark.parametrize("name", ["score", "ingest", "scorecard"])
def test_neither_home_nor_temporary_folder_is_needed_but_by_drawings(
    shop: Path, tmp_path: Path, name: str
) -> None:
    words = re.sub("--(out|store) ", rf"--\1 {tmp_path}/", COMMANDS[name]).split()
    left = {"HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"}
    told = {key: value for key, value in os.environ.items() if key not in left}
    done = subprocess.run(
        [sys.executable, "-c", BARE, *words],
        cwd=shop,
        env=told | {"HOME": f"{sys.executable}/x"},  # below a file there is no folder
        capture_output=True,
        text=True,
        check=False,
    )
    if name == "scorecard":
        assert (done.returncode, "MPLCONFIGDIR" in done.stderr) == (1, True), done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("gone", ["shipments.parquet", "model/arrays.npz", "model"])
def test_a_file_that_vanishes_is_named(
    shop: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """Between the look whether it is there, and the reading."""
    monkeypatch.chdir(shop)
    opened = os.open

    def vanished(path: Any, *rest: Any, **more: Any) -> int:
        if gone in str(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", vanished)
    there = shop / gone
    hidden = there.with_name("hidden")
    words = COMMANDS["score"].split()
    if gone == "shipments.parquet":
        # Arrow opens it by itself: it is away once the model has been loaded.
        from etapromise.cli import quote_and_score as loading  # noqa: PLC0415

        load = loading.load_model

        def loaded_then_gone(*given: Any, **more: Any) -> Any:
            found = load(*given, **more)
            there.rename(hidden)
            return found

        monkeypatch.setattr(loading, "load_model", loaded_then_gone)
    found = CliRunner().invoke(main, words)
    monkeypatch.undo()
    if hidden.exists():
        hidden.rename(there)
    assert found.exit_code == 1, found.output
    assert gone.partition("/")[0] in found.stderr
    assert "fault of etapromise" not in found.stderr


def test_a_clock_that_steps_back_loses_nothing(shop: Path, tmp_path: Path) -> None:
    """`events` asked for an earlier moment than before tells nothing twice, nor later."""

    def told(as_of: str) -> list[str]:
        words = COMMANDS["events"].replace("2025-07-20", as_of)
        words = words.replace("told", f"{tmp_path}/told")
        words = words.replace("events.jsonl", f"{tmp_path}/events.jsonl")
        words = re.sub(r"(?<= )(model|\w+\.parquet)", rf"{shop}/\1", words)
        found = CliRunner().invoke(main, words.split())
        assert found.exit_code in {0, 1}, found.output
        assert "fault of etapromise" not in found.output
        out = tmp_path / "events.jsonl"
        return out.read_text().splitlines() if out.exists() else []

    first = told("2025-07-12T06:00Z")
    back = told("2025-07-10T06:00Z")
    later = told("2025-07-12T06:00Z")
    assert len(first) > 10
    assert first == back == later


@pytest.mark.parametrize("there", [False, True])
def test_a_look_that_was_killed_leaves_nothing_to_the_next(tmp_path: Path, *, there: bool) -> None:
    """Whether a place can be written is tried with a folder, which a kill may leave."""
    place = tmp_path / "told"
    if there:
        place.mkdir()
    left = (place if there else tmp_path) / ".told.0123abcd.draft"
    left.mkdir()
    require_writable(place)
    assert not left.exists()
