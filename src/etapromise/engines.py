"""Where pieces of work are done: in this process, in some beside it, on Dask, or on Spark Connect.

A piece of work is the name of a function and a plain task; it gives a plain result. Tables do not
travel with it: a task names files, which every worker must be able to read and write under the same
path. Shuffles, retries and where what runs are the engine's own business.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from etapromise import errors
from etapromise.errors import CommandError, EtapromiseError
from etapromise.former_names import present_engine

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES: Final = ("local", "local/N", "dask://HOST:PORT", "spark://HOST:PORT")
"""How an engine is named; ``local/2`` starts two processes on this machine."""

_DASK_PORT: Final = 8786
_SPARK_PORT: Final = 15002
# Seconds that an engine has to answer.
_PATIENCE: Final = 10.0
# What nearly every piece of work needs and takes a second to import.
_WORKERS_IMPORT: Final = "etapromise.store.partition_update"

Task = Mapping[str, Any]
Result = dict[str, Any]


class Engine(Protocol):
    """Does tasks that do not hang on each other."""

    def __enter__(self) -> Engine:
        """Workers that it starts itself stay until it is left."""
        ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        """The results in the order of the tasks.

        Args:
            function: as ``package.module:name``; it takes one task and may be called twice with
                the same one, where a worker died.
            tasks: what `json` can write down.

        Raises:
            EtapromiseError: what a task raised; the others' results are lost.
            CommandError: the engine cannot be reached.
        """
        ...


def engine_of(name: str) -> Engine:
    """The engine of a name, see `ENGINES`."""
    name = present_engine(name)
    try:
        where = urlsplit(name)
    except ValueError:  # brackets that do not close
        where = urlsplit("")
    if name == "local":
        return _Local()
    if re.fullmatch("local/[1-9][0-9]{0,2}", name):
        return _Processes(int(where.path.rpartition("/")[2]))
    if where.scheme == "dask" and where.netloc:
        return _Dask(where.netloc)
    if where.scheme == "spark" and where.netloc:
        return _Spark(where.netloc)
    raise CommandError(f"Found engine {name!r}; expected one of {', '.join(ENGINES)}.")


class _Local(contextlib.AbstractContextManager["_Local"]):
    def __exit__(self, *_: object) -> None:
        """Nothing was started."""

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        work = _named(function)
        return [work(task) for task in tasks]


class _Processes(contextlib.AbstractContextManager["_Processes"]):
    """Some processes of this machine, which end when it is left."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __enter__(self) -> _Processes:
        self._pool = ProcessPoolExecutor(
            self._workers,
            get_context("spawn"),
            initializer=importlib.import_module,
            initargs=(_WORKERS_IMPORT,),
        )
        # They take a second to start, in which what they are to do is got ready.
        for _ in range(self._workers):
            self._pool.submit(os.getpid)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        texts = [json.dumps(task) for task in tasks]
        try:
            return _opened(list(self._pool.map(_text_of, [function] * len(texts), texts)))
        except BrokenProcessPool as error:
            raise CommandError(_dying("processes of this machine", error)) from error


class _Dask(contextlib.AbstractContextManager["_Dask"]):
    """`dask.distributed`, which retries tasks of workers that died."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._client: Any = None

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        texts = [json.dumps(task) for task in tasks]
        distributed = _distributed()
        if self._client is None:
            _require_answer("Dask scheduler", self._host, _DASK_PORT)
            try:
                self._client = distributed.Client(f"tcp://{self._host}", timeout=_PATIENCE)
            except (OSError, TimeoutError) as error:
                raise CommandError(_unreachable("Dask scheduler", self._host, error)) from error
        return self._mapped(distributed, self._client, function, texts)

    def _mapped(
        self, distributed: Any, client: Any, function: str, texts: list[str]
    ) -> list[Result]:
        try:
            done = client.gather(client.map(_text_of, [function] * len(texts), texts, pure=False))
        except distributed.KilledWorker as error:
            workers = f"workers of the Dask cluster at {self._host}"
            raise CommandError(_dying(workers, error)) from error
        except (OSError, CancelledError) as error:
            raise CommandError(_unreachable("Dask scheduler", self._host, error)) from error
        return _opened(done)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")  # an extra
    except ImportError as error:
        raise CommandError(_missing("dask")) from error


class _Spark(contextlib.AbstractContextManager["_Spark"]):
    """Spark through Connect: a table of tasks, mapped by Arrow batches."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __exit__(self, *_: object) -> None:
        """Each run ends its own session."""

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        if not tasks:
            return []
        session, failures = _connect()
        rows = [(number, function, json.dumps(task)) for number, task in enumerate(tasks)]
        # The client would try again for many minutes.
        _require_answer("Spark Connect", self._host, _SPARK_PORT)
        try:
            # A session of our own: one that the caller has may lead elsewhere.
            spark = session(connection=f"sc://{self._host}")
        except failures as error:
            raise CommandError(_unreachable("Spark Connect", self._host, error)) from error
        try:
            table = spark.createDataFrame(rows, "number long, function string, task string")
            told = (
                table.repartition(len(rows))
                .mapInArrow(_results_of, "number long, result string")
                .collect()
            )
        except failures as error:
            # Left open it would ask a server that is gone once more when the process ends.
            spark.client.close()
            raise CommandError(_unreachable("Spark Connect", self._host, error)) from error
        spark.stop()
        return _opened([row["result"] for row in sorted(told, key=lambda row: row["number"])])


def _connect() -> tuple[Any, tuple[type[Exception], ...]]:
    """The session of Spark Connect, and what it fails with."""
    try:
        with warnings.catch_warnings(), _spark_home():
            # Of pandas it says that it knows no 3 yet; nothing here goes through pandas.
            warnings.simplefilter("ignore", FutureWarning)
            from pyspark.errors import PySparkException  # noqa: PLC0415 — an extra
            from pyspark.sql.connect.session import SparkSession  # noqa: PLC0415 — an extra
    except ImportError as error:
        raise CommandError(_missing("spark")) from error
    return SparkSession, (PySparkException, OSError)


@contextlib.contextmanager
def _spark_home() -> Iterator[None]:
    """A place that pyspark may take for Spark's.

    Where no file was started (``python -c``, a test runner's worker) it looks for a whole Spark as
    it is imported, which its client does not bring, and ends the process.
    """
    found = importlib.util.find_spec("pyspark")
    if "SPARK_HOME" in os.environ or found is None or found.origin is None:
        yield
        return
    os.environ["SPARK_HOME"] = str(Path(found.origin).parent)
    try:
        yield
    finally:
        del os.environ["SPARK_HOME"]


def _results_of(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415 — a quote imports no Arrow

    for batch in batches:
        rows = batch.to_pylist()
        yield pa.RecordBatch.from_pydict(
            {
                "number": pa.array([row["number"] for row in rows], pa.int64()),
                "result": pa.array(
                    [_text_of(row["function"], row["task"]) for row in rows], pa.string()
                ),
            }
        )


def _text_of(function: str, task: str) -> str:
    """Do a task on a worker. Errors travel as text: not every engine keeps their kind."""
    try:
        return json.dumps(_named(function)(json.loads(task)))
    except EtapromiseError as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})
    except OSError as error:  # a full disk, as this process would tell it
        return json.dumps({"errno": error.errno, "message": str(error)})


def _opened(texts: Sequence[str]) -> list[Result]:
    results: list[Result] = [json.loads(text) for text in texts]
    for result in results:
        if "errno" in result:
            raise OSError(result["errno"], f"{result['message']}, on a worker")
        if "error" in result:
            raise getattr(errors, result["error"], EtapromiseError)(result["message"])
    return results


def _named(function: str) -> Callable[[Task], Result]:
    module, _, name = function.partition(":")
    found: Callable[[Task], Result] = getattr(importlib.import_module(module), name)
    return found


def _missing(extra: str) -> str:
    return (
        f"Found no {extra} on this machine; expected it installed. Run "
        f"`pip install 'etapromise[{extra}]'`, here and where the workers run."
    )


def _require_answer(what: str, host: str, port: int) -> None:
    where = urlsplit(f"//{host}")
    try:
        socket.create_connection((where.hostname, where.port or port), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        raise CommandError(_unreachable(what, host, error)) from error


def _unreachable(what: str, host: str, error: Exception) -> str:
    return (
        f"Found no working {what} at {host} ({_said(error)}"
        "); nothing was changed. Check the address and the engine's log, or use --engine local."
    )


def _dying(workers: str, error: Exception) -> str:
    return (
        f"Found the {workers} dying over one piece of work ({_said(error)}); nothing was changed. "
        "Give them more memory, make a store of more buckets, whose pieces are smaller, or use "
        "--engine local, and run it again."
    )


def _said(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else repr(error)
