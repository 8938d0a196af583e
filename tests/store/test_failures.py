"""Whatever dies, fills up or is lost: the same store and the same promises, or a clear error."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etapromise.errors import CommandError, StoreError
from etapromise.operations.scoring import scoring_store
from etapromise.operations.scoring.scoring_store import score_partition, score_store
from etapromise.promise.model import load_model
from etapromise.store import ingest as ingesting
from etapromise.store.ingest import ingest
from etapromise.store.layout import StoreLayout
from etapromise.store.partition_update import update_partition
from etapromise.store.stored_history import stored_history
from tests.small_network import AS_OF

# Clusters leave sockets and event loops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")

Tables = tuple[pd.DataFrame, pd.DataFrame]
_SECONDS = 120


@pytest.fixture(scope="module")
def weeks(simulation) -> Tables:
    days = simulation.shipments["ordered_at"] - AS_OF
    shipments = simulation.shipments[days.between(pd.Timedelta(days=-11), pd.Timedelta(days=1))]
    scans = simulation.scans[simulation.scans["shipment_id"].isin(shipments["shipment_id"])]
    return shipments, scans


@pytest.fixture(scope="module")
def expected(weeks, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("stores") / "expected"
    ingest(root, *weeks, buckets=2)
    return root


def _assert_same(found: Path, expected: Path) -> None:
    one, other = stored_history(found), stored_history(expected)
    pd.testing.assert_frame_equal(one.shipments, other.shipments)
    pd.testing.assert_frame_equal(one.milestones, other.milestones)
    pd.testing.assert_frame_equal(one.scans, other.scans)


def _plain(root: Path) -> str:
    return json.dumps(StoreLayout.open(root).commit().plain())


# Tasks that kill the worker that does them: the first time, or always.


def _die(task: Mapping[str, Any], mark: Path) -> None:
    if task["partition"].endswith("bucket=1"):
        try:
            mark.open("x").close()
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def dying_before(task: Mapping[str, Any]) -> dict[str, Any]:
    _die(task, Path(task["root"]).with_suffix(".before"))
    return update_partition(task)


def dying_after(task: Mapping[str, Any]) -> dict[str, Any]:
    done = update_partition(task)
    _die(task, Path(task["root"]).with_suffix(".after"))
    return done


def dying_scorer(task: Mapping[str, Any]) -> dict[str, Any]:
    done = score_partition(task)
    _die(task, Path(task["store"]).with_suffix(".scored"))
    return done


def dying_always(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("dask.distributed is not installed")
    from distributed import LocalCluster  # noqa: PLC0415 — an extra

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def dask(cluster) -> str:
    return f"dask://{cluster.scheduler_address.removeprefix('tcp://')}"


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_worker_killed_in_an_ingest_changes_nothing(
    dask, weeks, expected, tmp_path, monkeypatch, stage
):
    monkeypatch.setattr(ingesting, "_UPDATE", f"{__name__}:dying_{stage}")
    ingest(tmp_path / "store", *weeks, engine=dask, buckets=2)
    assert (tmp_path / f"store.{stage}").exists()
    _assert_same(tmp_path / "store", expected)


def test_a_worker_killed_while_scoring_changes_nothing(
    dask, expected, model, tmp_path, monkeypatch
):
    path = model.save(tmp_path / "model")
    store = shutil.copytree(expected, tmp_path / "store")
    score_store(path, store, tmp_path / "expected.parquet", as_of=AS_OF)
    monkeypatch.setattr(scoring_store, "_SCORE", f"{__name__}:dying_scorer")
    score_store(path, store, tmp_path / "found.parquet", as_of=AS_OF, engine=dask)
    assert (tmp_path / "store.scored").exists()
    found, wanted = (
        pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("found", "expected")
    )
    pd.testing.assert_frame_equal(found, wanted)


def test_a_model_that_changes_while_scoring_mixes_with_no_other(
    expected, model, tmp_path, monkeypatch
):
    refreshed = model.refresh(stored_history(expected), as_of=AS_OF + pd.Timedelta(days=1))
    first, _ = model.save(tmp_path / "first"), refreshed.save(tmp_path / "second")
    current = tmp_path / "current"
    current.symlink_to("first")
    loads = []

    def exchanging(task: Mapping[str, Any]) -> dict[str, Any]:
        done = score_partition(task)
        current.unlink()
        current.symlink_to("second")
        return done

    def noted(directory: Any) -> Any:
        loads.append(directory)
        return load_model(directory)

    monkeypatch.setattr(sys.modules[__name__], "exchanging", exchanging, raising=False)
    monkeypatch.setattr(scoring_store, "_SCORE", f"{__name__}:exchanging")
    monkeypatch.setattr(scoring_store, "load_model", noted)
    score_store(current, expected, tmp_path / "out.parquet", as_of=AS_OF)
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert set(scored["model_version"]) == {model.version}
    assert loads == [first.resolve(), str(first.resolve())]  # not once a partition

    def overwritten(task: Mapping[str, Any]) -> dict[str, Any]:
        if first.exists():
            shutil.rmtree(first)
            refreshed.save(first)
        scoring_store._model.cache_clear()  # as another worker would
        return score_partition(task)

    monkeypatch.setattr(sys.modules[__name__], "exchanging", overwritten)
    with pytest.raises(CommandError, match=f"expected {model.version}, as when scoring began"):
        score_store(first, expected, tmp_path / "out.parquet", as_of=AS_OF)


def test_workers_that_always_die_are_told_and_the_next_ingest_goes_on(
    cluster, dask, weeks, expected, tmp_path, monkeypatch
):
    root = tmp_path / "store"
    ingest(root, weeks[0], buckets=2)
    before = _plain(root)
    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "_UPDATE", f"{__name__}:dying_always")
        patch.setattr(cluster.scheduler, "allowed_failures", 0)
        with pytest.raises(CommandError, match=r"dying over one piece of work.*more memory"):
            ingest(root, scans=weeks[1], engine=dask)
    assert _plain(root) == before
    ingest(root, scans=weeks[1])
    _assert_same(root, expected)


# The process that ingests is killed, or its disk is full.

_KILLED = {
    "reading": ("etapromise.store.ingest", "_Ingest.take_scans"),
    "in the middle of the partitions": ("etapromise.store.layout", "StoreLayout.sweep"),
    "before the commit": ("etapromise.store.ingest", "_Ingest._committed"),
    "while the commit is written": ("etapromise.store.layout", "StoreLayout.write_commit"),
    "after the commit": ("etapromise.store.ingest", "sync_directory"),
}

_RUN = """
import importlib, os, signal, sys
from pathlib import Path
import pandas as pd
from etapromise.store.ingest import ingest
root, shipments, scans, module, name = sys.argv[1:]
holder = importlib.import_module(module)
*outer, last = name.split(".")
for part in outer:
    holder = getattr(holder, part)
if name == "StoreLayout.sweep":
    # The sixth file that is written is the last.
    done, real = [], holder.write
    def write(self, *told):
        done.append(told)
        if len(done) == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *told)
    holder.write = write
elif name == "StoreLayout.write_commit":
    import etapromise.files
    def draft(self, text, encoding=None):
        with self.open("w") as file:
            file.write(text[: len(text) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    real = holder.write_commit
    def write_commit(self, commit):
        Path.write_text = draft
        real(self, commit)
    holder.write_commit = write_commit
else:
    setattr(holder, last, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
ingest(root, shipments, scans)
"""


@pytest.fixture(scope="module")
def files(weeks, tmp_path_factory) -> tuple[str, str]:
    place = tmp_path_factory.mktemp("files")
    for frame, name in zip(weeks, ("shipments", "scans"), strict=True):
        frame.to_parquet(place / f"{name}.parquet")
    return str(place / "shipments.parquet"), str(place / "scans.parquet")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("moment", _KILLED)
def test_an_ingest_killed_at_any_moment_is_taken_up_by_the_next(
    weeks, files, expected, tmp_path, moment
):
    root = tmp_path / "store"
    ingest(root, weeks[0].iloc[::2], buckets=2)
    before = _plain(root)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(root), *files, *_KILLED[moment]],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (_plain(root) == before) == (moment != "after the commit")
    again = ingest(root, *weeks)
    assert again.commit == 2
    _assert_same(root, expected)
    left = [path for path in root.rglob("*.draft") if path.is_file()]
    assert not left
    assert not list((root / "staging").rglob("*.parquet"))


_FULL = """
import resource, sys
from etapromise.store.ingest import ingest
root, shipments, scans, most = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
try:
    ingest(root, shipments, scans)
except OSError as error:
    print("told:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
@pytest.mark.parametrize("most", [3_000, 12_000])
def test_a_disk_that_is_full_is_told_and_the_store_is_as_before(
    weeks, files, expected, tmp_path, most
):
    root = tmp_path / "store"
    ingest(root, weeks[0].iloc[:20], buckets=2)
    before = _plain(root)
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(root), *files, str(most)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    assert done.stdout.startswith("told:")
    assert _plain(root) == before
    ingest(root, *weeks)
    _assert_same(root, expected)


# What lies in the store is lost or damaged.


@pytest.mark.parametrize("kind", ["shipments", "scans", "journeys"])
@pytest.mark.parametrize("how", ["lost", "cut", "overwritten"])
def test_a_damaged_partition_is_told_and_nothing_is_made_of_it(expected, tmp_path, kind, how):
    root = shutil.copytree(expected, tmp_path / "copy")
    path = next((root / kind).rglob("*.parquet"))
    data = path.read_bytes()
    if how == "lost":
        path.unlink()
    else:
        path.write_bytes(data[:-7] if how == "cut" else data[: len(data) // 2].ljust(len(data)))
    with pytest.raises(StoreError, match=r"(nothing at|bytes at|unreadable).*copy"):
        assert len(stored_history(root).scans) < 0
    # Brought back from a copy it is whole again.
    path.write_bytes(data)
    _assert_same(root, expected)


def test_of_two_contradicting_ingests_at_once_one_is_taken(weeks, tmp_path):
    shipments = weeks[0].reset_index(drop=True)
    other = shipments.assign(origin="elsewhere")

    def take(frame: pd.DataFrame) -> str:
        try:
            ingest(tmp_path / "store", frame)
        except StoreError as error:
            return str(error)
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(take, [shipments, other]))
    assert told[1] == "taken"
    assert "contradict" in told[0]
    origins = set(stored_history(tmp_path / "store").shipments["origin"])
    assert (origins == {"elsewhere"}) != (origins == set(shipments["origin"]))
