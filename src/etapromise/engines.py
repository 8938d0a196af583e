"""Where pieces of work are done: in this process, on a Dask cluster, or on Spark through Connect.

A piece of work is the name of a function and a plain task; it gives a plain result. Tables do not
travel with it: a task names files, which every worker must be able to read and write under the same
path. Shuffles, retries and where what runs are the engine's own business.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from etapromise.errors import CommandError, EtapromiseError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ENGINES", "Engine", "engine_of"]

ENGINES: Final = ("local", "dask://HOST:PORT", "spark://HOST:PORT")
"""How an engine is named; ``dask://local/2`` starts two Dask workers on this machine."""

Task = Mapping[str, Any]
Result = dict[str, Any]


class Engine(Protocol):
    """Does tasks that do not hang on each other."""

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
    """The engine of a name, see `ENGINES`.

    Raises:
        CommandError: there is no such engine, or what it needs is not installed.
    """
    where = urlsplit(name)
    if name == "local":
        return _Local()
    if where.scheme == "dask" and where.netloc:
        return _Dask(where.netloc, where.path.strip("/"))
    if where.scheme == "spark" and where.netloc:
        return _Spark(where.netloc)
    raise CommandError(f"Found engine {name!r}; expected one of {', '.join(ENGINES)}.")


class _Local:
    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        work = _named(function)
        return [work(task) for task in tasks]


class _Dask:
    """`dask.distributed`, which retries tasks of workers that died."""

    def __init__(self, host: str, workers: str) -> None:
        self._host, self._workers = host, workers

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        try:
            distributed: Any = importlib.import_module("distributed")  # an extra
        except ImportError as error:
            raise CommandError(_missing("dask")) from error
        texts = [json.dumps(task) for task in tasks]
        if self._host == "local":
            workers = int(self._workers or 1)
            how = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            with distributed.LocalCluster(**how) as here, distributed.Client(here) as client:
                return _mapped(client, function, texts)
        try:
            client = distributed.Client(f"tcp://{self._host}", timeout="10s")
        except (OSError, TimeoutError) as error:
            raise CommandError(_unreachable("Dask scheduler", self._host, error)) from error
        with client:
            return _mapped(client, function, texts)


def _mapped(client: Any, function: str, texts: list[str]) -> list[Result]:
    done = client.map(_text_of, [function] * len(texts), texts, pure=False)
    return _opened(client.gather(done))


class _Spark:
    """Spark through Connect: a table of tasks, mapped by Arrow batches."""

    def __init__(self, host: str) -> None:
        self._host = host

    def run(self, function: str, tasks: Sequence[Task]) -> list[Result]:
        if not tasks:
            return []
        try:
            from pyspark.errors import PySparkException  # noqa: PLC0415 — an extra
            from pyspark.sql import SparkSession  # noqa: PLC0415
        except ImportError as error:
            raise CommandError(_missing("spark")) from error
        rows = [(number, function, json.dumps(task)) for number, task in enumerate(tasks)]
        try:
            spark = SparkSession.builder.remote(f"sc://{self._host}").getOrCreate()
            table = spark.createDataFrame(rows, "number long, function string, task string")
            told = (
                table.repartition(len(rows))
                .mapInArrow(_results_of, "number long, result string")
                .collect()
            )
        except (PySparkException, OSError) as error:
            raise CommandError(_unreachable("Spark Connect", self._host, error)) from error
        return _opened([row["result"] for row in sorted(told, key=lambda row: row["number"])])


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
    """Do a task on a worker. Our own errors travel as text: not every engine keeps their kind."""
    try:
        return json.dumps(_named(function)(json.loads(task)))
    except EtapromiseError as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})


def _opened(texts: Sequence[str]) -> list[Result]:
    results: list[Result] = [json.loads(text) for text in texts]
    for result in results:
        if "error" in result:
            import etapromise.errors as ours  # noqa: PLC0415

            raise getattr(ours, result["error"], EtapromiseError)(result["message"])
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


def _unreachable(what: str, host: str, error: Exception) -> str:
    said = str(error).splitlines()[0] if str(error) else repr(error)
    return (
        f"Found no working {what} at {host} ({said}"
        "); nothing was changed. Check the address and the engine's log, or use --engine local."
    )
