"""Every engine gives what this process gives, on real ones: a local Dask cluster, Spark Connect."""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import etapromise
from etapromise.engines import engine_of
from etapromise.errors import CommandError, StoreError
from etapromise.operations.scoring.scoring_store import score_store
from etapromise.store.ingest import ingest
from etapromise.store.stored_history import stored_history
from tests.small_network import AS_OF

# They leave sockets and event loops to the garbage collector, and tell of their own plans.
pytestmark = pytest.mark.filterwarnings("ignore")


_MOST_SECONDS = 120


@pytest.fixture(autouse=True)
def _ends_in_time() -> Iterator[None]:
    """An engine that never answers fails its test, and does not hold up the others."""

    def end(*_: object) -> None:
        raise TimeoutError(f"no answer in {_MOST_SECONDS} seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(_MOST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _is_there(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    if not _is_there("distributed"):
        pytest.skip("dask.distributed is not installed")
    from distributed import LocalCluster  # noqa: PLC0415 — an extra

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield f"dask://{cluster.scheduler_address.removeprefix('tcp://')}"


@pytest.fixture(scope="module")
def spark() -> Iterator[str]:
    if not _is_there("pysail", "pyspark"):
        pytest.skip("pysail and pyspark-client are not installed")
    from pysail.spark import SparkConnectServer  # noqa: PLC0415 — an extra

    server = SparkConnectServer()
    server.start()
    yield f"spark://localhost:{server.listening_address[1]}"
    server.stop()


@pytest.fixture(params=["dask", "spark"])
def engine(request) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def last_weeks(simulation) -> tuple[pd.DataFrame, pd.DataFrame]:
    days = simulation.shipments["ordered_at"] - AS_OF
    shipments = simulation.shipments[days.between(pd.Timedelta(days=-16), pd.Timedelta(days=1))]
    scans = simulation.scans[simulation.scans["shipment_id"].isin(shipments["shipment_id"])]
    return shipments, scans


def test_work_is_done_elsewhere_and_errors_come_back(engine, tmp_path):
    tasks = [{"number": number} for number in range(5)]
    lost = {"path": "shipments/lost.parquet", "rows": 1, "bytes": 1}
    task = {"root": str(tmp_path), "buckets": 1, "keep_scans_days": 1, "partition": "x"}
    task |= {"files": {"shipments": [lost]}, "shipments": [], "scans": []}
    with engine_of(engine) as where:
        assert where.run("copy:copy", tasks) == tasks
        with pytest.raises(StoreError, match=r"nothing at .*lost"):
            where.run("etapromise.store.partition_update:update_partition", [task])


def process(_: object) -> dict[str, int]:
    """Of a worker."""
    return {"id": os.getpid()}


def dying(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_are_started_here_stay_until_all_is_done():
    """Each takes a second to start, which is more than many a piece of work."""
    with pytest.warns(DeprecationWarning, match="'local/1' now"):
        engine = engine_of("dask://local/1")
    with engine as workers:
        first, again = (workers.run(f"{__name__}:process", [{}]) for _ in range(2))
        with pytest.raises(CommandError, match=r"processes of this machine dying .*--engine local"):
            workers.run(f"{__name__}:dying", [{}])
    assert first == again
    assert first[0]["id"] != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(first[0]["id"], 0)


def test_spark_is_reached_where_no_file_was_started(spark):
    """Test runners' and notebooks' workers have no main file; the process ends when it is done."""
    told = (
        "from etapromise.engines import engine_of;"
        f"print(engine_of({spark!r}).run('copy:copy', [dict(number=1)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told],
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
        check=False,
    )
    assert done.stdout == "[{'number': 1}]\n", done.stderr
    assert "FutureWarning" not in done.stderr


def test_a_full_disk_at_a_worker_is_told_as_here(engine):
    with (
        engine_of(engine) as workers,
        pytest.raises(OSError, match="No space left on device, on a worker") as told,
    ):
        workers.run(f"{__name__}:full_disk", [{"number": 1}])
    assert told.value.errno == errno.ENOSPC


def full_disk(_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_store_is_the_same_whoever_made_it(engine, last_weeks, model, tmp_path):
    """Whatever the number of its partitions, and in whatever order things come."""
    shipments, scans = last_weeks
    ingest(tmp_path / "here", shipments, scans)
    half = len(scans) // 2
    # The workers share reading a file of several row groups; rejects and waiting ones come back.
    file = tmp_path / "later.parquet"
    broken = scans.iloc[half:].assign(status=lambda told: told["status"].where(told.index % 97 > 0))
    broken.to_parquet(file, row_group_size=-(-len(broken) // 3))
    one = ingest(tmp_path / "there", shipments.iloc[::-2], file, engine=engine, buckets=3)
    assert one.waiting > 0
    assert len(one.scan_rejects) == (broken["status"].isna()).sum() > 0
    assert one.new_scans + one.waiting + one.known_scans + len(one.scan_rejects) == len(broken)
    ingest(tmp_path / "there", shipments.iloc[::2], scans.iloc[:half], engine=engine)
    ingest(tmp_path / "there", shipments, scans, engine=engine)
    here, there = (stored_history(tmp_path / name) for name in ("here", "there"))
    pd.testing.assert_frame_equal(here.shipments, there.shipments)
    pd.testing.assert_frame_equal(here.milestones, there.milestones)
    pd.testing.assert_frame_equal(here.scans, there.scans)
    path = model.save(tmp_path / "model")
    one, other = (
        _scored(path, tmp_path / name, where).sort_values("shipment_id", ignore_index=True)
        for name, where in (("here", "local"), ("there", engine))
    )
    pd.testing.assert_frame_equal(one, other, rtol=0, atol=1e-9)


def test_scoring_a_store_is_tracking_its_parcels(last_weeks, model, tmp_path):
    ingest(tmp_path / "store", *last_weeks)
    scored = _scored(model.save(tmp_path / "model"), tmp_path / "store", "local")
    orders, scans = stored_history(tmp_path / "store").under_way(AS_OF, most_days=model.horizon)
    told = model.track_many(orders, scans, AS_OF.to_pydatetime())
    assert len(scored) == len(orders) > 100
    assert list(scored["shipment_id"]) == list(orders["shipment_id"])
    assert scored["confidence"].to_numpy() == pytest.approx(told["confidence"].to_numpy(), abs=1e-9)
    dates = pd.to_datetime(scored["estimated_delivery_date"]).to_numpy()
    assert (dates == told["estimated_delivery_date"].to_numpy()).all()


def test_an_engine_that_is_not_there_is_told_and_nothing_changes(last_weeks, tmp_path):
    ingest(tmp_path / "store", *last_weeks)
    before = sorted(str(path) for path in (tmp_path / "store").rglob("*.parquet"))
    more = last_weeks[0].assign(shipment_id="again-" + last_weeks[0]["shipment_id"])
    with pytest.raises(CommandError, match="Found engine 'elsewhere'"):
        ingest(tmp_path / "store", more, engine="elsewhere")
    for scheme, what, needs in (
        ("dask", "Dask scheduler", "distributed"),
        ("spark", "Spark Connect", "pyspark"),
    ):
        if _is_there(needs):
            with pytest.raises(CommandError, match=rf"no working {what} at localhost:1"):
                ingest(tmp_path / "store", more, engine=f"{scheme}://localhost:1")
    assert sorted(str(path) for path in (tmp_path / "store").rglob("*.parquet")) == before


def _scored(model: Path, store: Path, engine: str) -> pd.DataFrame:
    out = store.with_suffix(".parquet")
    score_store(model, store, out, as_of=AS_OF, engine=engine)
    return pd.read_parquet(out)


def test_a_record_batch_is_scored_in_a_function_of_an_engine(model, orders, tmp_path):
    """The recipe for `mapInArrow` and for Snowflake's vectorised functions."""
    path = model.save(tmp_path / "model")

    def promises(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        loaded = etapromise.load(path)
        for batch in batches:
            told = loaded.promise_many(batch.to_pandas(), 0.9)
            yield from pa.Table.from_pandas(told, preserve_index=False).to_batches()

    table = pa.Table.from_pandas(orders.iloc[:60], preserve_index=False)
    found = pa.Table.from_batches(promises(iter(table.to_batches(max_chunksize=25))))
    whole = model.promise_many(orders.iloc[:60], 0.9)
    assert found["shipment_id"].to_pylist() == list(whole["shipment_id"])
    dates = pd.to_datetime(found["estimated_delivery_date"].to_pandas()).to_numpy()
    assert (dates == whole["estimated_delivery_date"].to_numpy()).all()
