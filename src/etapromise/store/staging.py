"""What comes in, laid by its partition on disk: scans a part of their file at a time, anywhere.

A part of a file of scans is checked by itself, so parts may be done by several workers, in any
order and twice: each task writes files of its own, and only those that its result names count.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etapromise.store.layout import Partition
from etapromise.store.partition_update import SCAN_SCHEMA
from etapromise.text_type import frame_of_arrow
from etapromise.tracking.faults import Note
from etapromise.tracking.files.found_files import damage_named
from etapromise.tracking.files.table_files import require_once_each
from etapromise.tracking.scans import scan_times
from etapromise.tracking.sources import Part, scan_parts
from etapromise.tracking.tables import check_scans, split_scans
from etapromise.tracking.texts import Identifiers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etapromise.tracking.sources import Source

# Rows of a partition, and of all, that wait in memory before they are staged.
_STAGED_AT_ONCE: Final = 32_768
_MOST_WAITING: Final = 4_000_000
_ROWS_AT_ONCE: Final = 262_144
_PARQUET: Final = frozenset({".parquet", ".pq"})


def shipment_batches(source: Source) -> Iterator[Source]:
    """A Parquet file a part at a time, so that its size does not matter; all else as it is."""
    if not isinstance(source, (str, Path)) or Path(source).suffix.lower() not in _PARQUET:
        yield source
        return
    path = Path(source)
    if not path.exists() or path.stat().st_size == 0:
        yield source
        return
    with damage_named(path, "shipments"), pq.ParquetFile(path) as file:
        require_once_each(file.schema_arrow.names, path.name)
        if file.metadata.num_rows <= _ROWS_AT_ONCE:
            yield source
            return
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield pa.Table.from_batches([batch])


class KnownParcels:
    """Which partition each parcel lies in.

    Args:
        places: (n, 2) week and bucket.
    """

    def __init__(self, ids: pa.ChunkedArray, places: NDArray[np.int64]) -> None:
        self._ids = ids
        self.places = places
        self._rows = Identifiers(ids)

    def rows(self, ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """Their rows, -1 where unknown."""
        return np.asarray(self._rows.rows(ids))

    def write(self, path: Path) -> None:
        """For workers, who read it with `read`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        week, bucket = (pa.array(column) for column in self.places.T)
        table = pa.table({"shipment_id": self._ids, "week": week, "bucket": bucket})
        pq.write_table(table, path, compression="lz4")

    @classmethod
    def read(cls, path: Path) -> KnownParcels:
        """Those of a file."""
        table = pq.ParquetFile(path).read()
        places = np.stack([table[name].to_numpy() for name in ("week", "bucket")], axis=1)
        return cls(table["shipment_id"], places)


class StagedRows:
    """Rows by partition, on disk but for some thousands of each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting: dict[Partition, list[pa.Table]] = {}
        self.paths: dict[Partition, list[str]] = {}

    def add(self, table: pa.Table, places: NDArray[np.int64]) -> None:
        """Lay rows (n, ...) by their week and bucket (n, 2)."""
        if not len(table):
            return
        # As one number a row: rows of two numbers would be sorted as bytes, at ten times the cost.
        buckets = int(places[:, 1].max()) + 1
        number, found = pd.factorize(places[:, 0] * buckets + places[:, 1], sort=True)
        ends = np.cumsum(np.bincount(number, minlength=len(found)))
        each = np.split(np.argsort(number, kind="stable"), ends[:-1])
        for one, rows in zip(found, each, strict=True):
            place = Partition(*(int(part) for part in divmod(one, buckets)))
            parts = self._waiting.setdefault(place, [])
            # A copy: a slice that waits for more of its week would keep all the others in memory.
            parts.append(table.take(pa.array(rows)))
            if sum(map(len, parts)) >= _STAGED_AT_ONCE:
                self._write(place)
        if sum(len(part) for parts in self._waiting.values() for part in parts) > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for place in list(self._waiting):
            self._write(place)

    def _write(self, place: Partition) -> None:
        paths = self.paths.setdefault(place, [])
        path = self._root / place.name / f"{len(paths):06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.concat_tables(self._waiting.pop(place), promote_options="permissive")
        pq.write_table(table, path, compression="lz4")
        paths.append(str(path.absolute()))


class ScanIntake:
    """Checks scans and stages them; those of unknown parcels wait.

    Attributes:
        staged: the others, by partition.
        waiting: scans of parcels that are not known.
        rejects: rows that could not be used.
        notes: of what was blanked or is strange.
        given: scans that could be used.
        latest: microseconds since 1970 UTC of the latest receipt, 0 without any.
    """

    def __init__(
        self, known: KnownParcels, root: Path, vocabulary: str | None, naive_time_zone: str | None
    ) -> None:
        self._known = known
        self._reading = (vocabulary, naive_time_zone)
        self.staged = StagedRows(root)
        self.waiting: list[pa.Table] = []
        self.rejects: list[pd.DataFrame] = []
        self.notes: list[Note] = []
        self.given = 0
        self.latest = 0

    def take(self, part: Part) -> None:
        """Check the scans of a part of a table and lay them."""
        for raw in part.read():
            split = split_scans(raw, check_scans(raw, *self._reading))
            self.notes += split.notes
            self.rejects.append(split.rejects)
            if not len(split.accepted):
                continue
            _, received = scan_times(split.accepted)
            self.latest = max(self.latest, int(received.max()))
            self.given += len(split.accepted)
            self.lay(_scan_table(split.accepted))

    def lay(self, scans: pa.Table) -> None:
        """Stage scans that have been checked."""
        row = self._known.rows(scans["shipment_id"])
        mine = row >= 0
        if not mine.all():
            self.waiting.append(scans.filter(pa.array(~mine)))
        if mine.any():
            self.staged.add(scans.filter(pa.array(mine)), self._known.places[row[mine]])

    def add(self, results: Iterable[Mapping[str, Any]]) -> None:
        """What `stage_scans` has done elsewhere."""
        for result in results:
            for name, paths in result["paths"].items():
                self.staged.paths.setdefault(Partition.named(name), []).extend(paths)
            if result["waiting"]:
                self.waiting.append(pq.ParquetFile(result["waiting"]).read())
            if result["rejects"]:
                self.rejects.append(frame_of_arrow(pq.ParquetFile(result["rejects"]).read()))
            self.notes += [
                Note(**{**note, "examples": tuple(note["examples"])}) for note in result["notes"]
            ]
            self.given += result["given"]
            self.latest = max(self.latest, result["latest"])


def stage_scans(task: Mapping[str, Any]) -> dict[str, Any]:
    """Check and stage some parts of a file of scans; a task for whichever engine.

    Args:
        task: ``source``, as for `sources.scan_parts`, and ``parts``, which of its parts; ``known``,
            a file of `KnownParcels`; ``vocabulary`` and ``naive_time_zone``; ``staging``, a
            directory.

    Returns:
        ``paths`` by partition, files of ``waiting`` scans and of ``rejects`` or "", ``notes``,
        ``given`` and ``latest``, see `ScanIntake`.
    """
    # A task that is done twice writes other files.
    root = Path(task["staging"]) / secrets.token_hex(8)
    intake = ScanIntake(_known(task["known"]), root, task["vocabulary"], task["naive_time_zone"])
    parts = scan_parts(task["source"])
    for number in task["parts"]:
        intake.take(parts[number])
    intake.staged.flush()
    root.mkdir(parents=True, exist_ok=True)
    rejects = pd.concat(intake.rejects, ignore_index=True)
    beside = {
        "waiting": pa.concat_tables(intake.waiting) if intake.waiting else pa.table({}),
        "rejects": pa.Table.from_pandas(rejects, preserve_index=False),
    }
    files = {}
    for name, table in beside.items():
        path = root / f"{name}.parquet"
        if len(table):
            pq.write_table(table, path, compression="lz4")
        files[name] = str(path.absolute()) if len(table) else ""
    return {
        **files,
        "paths": {place.name: paths for place, paths in intake.staged.paths.items()},
        "notes": [asdict(note) for note in intake.notes],
        "given": intake.given,
        "latest": intake.latest,
    }


@functools.lru_cache(maxsize=1)
def _known(path: str) -> KnownParcels:
    # A worker does several parts of one ingest.
    return KnownParcels.read(Path(path))


def _scan_table(frame: pd.DataFrame) -> pa.Table:
    columns = {}
    for field in SCAN_SCHEMA:
        if field.name in frame.columns:
            array = pa.array(frame[field.name], from_pandas=True)
            columns[field.name] = array.cast(field.type)
        else:
            columns[field.name] = pa.nulls(len(frame), field.type)
    return pa.table(columns, schema=SCAN_SCHEMA)
