"""Taking shipments and scans into a store: what came before, what is new, what contradicts it."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etapromise.argument_kinds import kinds_checked
from etapromise.engines import Engine, engine_of
from etapromise.errors import ContractError, StoreError
from etapromise.former_names import former_name
from etapromise.locking import only_writer, sync_directory
from etapromise.store.contradictions import (
    OnConflict,
    conflicts_told,
    refuse_other_weeks,
    rejects_of,
    types_together,
)
from etapromise.store.layout import (
    Commit,
    Files,
    Partition,
    StoredFile,
    StoreLayout,
    store_directory,
)
from etapromise.store.partition_update import SCAN_SCHEMA
from etapromise.store.staging import KnownParcels, ScanIntake, StagedRows, shipment_batches
from etapromise.text_type import TEXT
from etapromise.tracking.faults import Note, merged_notes
from etapromise.tracking.journeys import microseconds
from etapromise.tracking.mapped import mapped_tables
from etapromise.tracking.python_objects import arrow_table_of, table_as_text
from etapromise.tracking.sources import scan_parts
from etapromise.tracking.tables import read_shipments
from etapromise.tracking.texts import Identifiers, doubled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etapromise.tracking.mapping import MappingSource
    from etapromise.tracking.sources import Source

BUCKETS: Final = 1
"""Parts of a week where nothing is said; a week of some millions of scans needs no more."""

KEEP_SCANS_DAYS: Final = 430
"""Days that scans are kept where nothing is said; parcels are looked at for 400 days."""

_UPDATE: Final = "etapromise.store.partition_update:update_partition"
_STAGE: Final = "etapromise.store.staging:stage_scans"
# Pieces that reading a file of scans is shared out in; each writes a file a partition.
_FEWEST_TASKS: Final = 4
_MOST_TASKS: Final = 24
_ROWS_A_TASK: Final = 1_000_000
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingest did.

    Attributes:
        commit: number of the store's commit; that of before where nothing was new.
        new_shipments: shipments that the store did not have.
        filled: shipments of which more is known than before.
        conflicts: shipments that said another value than the store; see `on_conflict`.
        known_shipments: shipments that it had, and that said nothing more.
        new_scans: scans that it did not have.
        known_scans: scans that it had, or that came twice.
        waiting: scans in the store, in all, whose shipment has not come yet.
        too_late: scans of parcels whose other scans are no longer kept; they were left out.
        partitions: how many were brought up to date.
        swept: files that an interrupted ingest had left behind, removed.
        shipment_rejects: rows that could not be used, with ``reason``, ``detail`` and ``row``.
        scan_rejects: likewise.
        notes: what was blanked, derived or is strange, to be told once.
    """

    commit: int
    new_shipments: int
    filled: int
    conflicts: int
    known_shipments: int
    new_scans: int
    known_scans: int
    waiting: int
    too_late: int
    partitions: int
    swept: int
    shipment_rejects: pd.DataFrame
    scan_rejects: pd.DataFrame
    notes: tuple[Note, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Its counts, ready for JSON; the rejects as numbers of rows, the notes as text."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["shipment_rejects"] = len(self.shipment_rejects)
        plain["scan_rejects"] = len(self.scan_rejects)
        return plain | {"notes": [str(note) for note in self.notes]}

    to_dict = former_name("to_dict", "as_dict")


@kinds_checked()
def ingest(
    store: str | Path,
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    naive_time_zone: str | None = None,
    vocabulary: str | None = None,
    mapping: MappingSource | None = None,
    engine: str = "local",
    buckets: int | None = None,
    keep_scans_days: int | None = None,
    on_conflict: OnConflict = "refuse",
    wait: float = 600.0,
) -> Ingested:
    """Take tables into a store, which is made where there is none.

    The same tables twice, in parts or in another order give the same store. A shipment that comes
    again may tell more than before; `on_conflict` says what becomes of one that tells otherwise.
    All is taken in or nothing.

    Args:
        store: its directory.
        shipments: a table of the contract, or None.
        scans: a table of the contract, or None; those whose shipment has not come yet wait.
        naive_time_zone: IANA zone of times that carry none.
        vocabulary: whose codes the scans carry where their ``vocabulary`` column does not say.
        mapping: which columns of own tables are those of the contract; by default it names the
            files too.
        engine: where partitions are brought up to date, see `engines.ENGINES`.
        buckets: in how many parts a week lies; settled when a store is made.
        keep_scans_days: days that scans are kept; settled when a store is made.
        on_conflict: what becomes of a shipment that says another value than the store, such as
            another carrier: "refuse", nothing is taken in and the values are told; "keep", that of
            the store stands; "replace", the new one does; "reject", its row is rejected. Whatever
            is chosen, how many there were is told.
        wait: seconds to wait for another one who writes to the store.

    Raises:
        ContractError: as for `tracking.history`, or `on_conflict` is another word.
        StoreError: the store is damaged, newer, made with other settings, or contradicted.
        CommandError: somebody else is writing, or the engine cannot be reached.

    Examples:
        >>> taken = etapromise.ingest("store", "shipments.parquet", "scans.parquet")
    """
    root = store_directory(store)
    work = engine_of(engine)
    if on_conflict not in get_args(OnConflict):
        raise ContractError(
            f"Found on_conflict={on_conflict!r}; expected one of {', '.join(get_args(OnConflict))}."
        )
    if mapping is not None:
        shipments, scans = mapped_tables(mapping, shipments, scans)
    # Workers that are started for it stay from its first piece to its last.
    with only_writer(root, wait=wait), work:
        layout = _layout(root, buckets, keep_scans_days)
        swept = layout.sweep()
        staging = layout.root / "staging" / secrets.token_hex(8)
        try:
            run = _Ingest(layout, staging, on_conflict)
            run.take_shipments(shipments, naive_time_zone)
            elsewhere = None if engine == "local" else work
            run.take_scans(scans, vocabulary, naive_time_zone, elsewhere)
            results = work.run(_UPDATE, run.tasks())
            return run.commit(results, swept)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _layout(root: Path, buckets: int | None, keep_scans_days: int | None) -> StoreLayout:
    if not any(path.name != ".lock" for path in root.iterdir()):
        return StoreLayout.create(
            root,
            buckets=BUCKETS if buckets is None else buckets,
            keep_scans_days=KEEP_SCANS_DAYS if keep_scans_days is None else keep_scans_days,
        )
    found = StoreLayout.open(root)
    for name, asked in (("buckets", buckets), ("keep_scans_days", keep_scans_days)):
        if asked is not None and asked != getattr(found, name):
            raise StoreError(
                f"Found a store made with {name}={getattr(found, name)}; expected {asked}, as "
                "asked for. Leave it out, or ingest everything into a new store."
            )
    return found


class _Ingest:
    """One ingest, from the first row to the commit."""

    def __init__(self, layout: StoreLayout, staging: Path, on_conflict: OnConflict) -> None:
        self._layout = layout
        self._on_conflict = on_conflict
        self._before = layout.commit()
        self._staging = staging
        self._shipments = StagedRows(staging / "shipments")
        self._scans = StagedRows(staging / "scans")
        # Of all parcels that the store or this ingest knows: where they lie.
        self._ids, self._places, self._types = self._known()
        self._came = self._given = self._given_up = 0
        self._rows: list[NDArray[np.int64]] = []
        self._came_ids = pa.chunked_array([], pa.large_string())
        self._waiting: list[pa.Table] = []
        self._latest = self._before.latest
        self._rejects: dict[str, list[pd.DataFrame]] = {"shipments": [], "scans": []}
        self._notes: list[Note] = []

    def take_shipments(self, source: Source | None, naive_time_zone: str | None) -> None:
        """Check shipments and lay them by their partitions."""
        known = Identifiers(self._ids) if source is not None else None
        fresh_ids, fresh_places = [], []
        first = 0
        for batch in () if source is None else shipment_batches(source):
            checked = read_shipments(batch, naive_time_zone=naive_time_zone)
            self._notes += checked.notes
            rejects = checked.rejects
            self._rejects["shipments"].append(rejects.assign(row=rejects["row"] + first))
            frame = checked.accepted
            rows = np.arange(len(frame)) if checked.rows is None else checked.rows
            self._rows.append(rows + first)
            first += len(frame) + len(rejects)
            ordered = microseconds(frame["ordered_at"], "ordered_at")
            places = self._layout.partitions_of(ordered, frame["shipment_id"])
            if known is not None:
                places = self._where_stored(known, frame, places)
            table = self._typed(arrow_table_of(frame))
            fresh_ids.append(table["shipment_id"].cast(pa.large_string()))
            fresh_places.append(places)
            self._shipments.add(table, places)
        if not fresh_ids:
            return
        self._shipments.flush()
        ids = pa.chunked_array(
            [chunk for part in fresh_ids for chunk in part.chunks], pa.large_string()
        )
        places = np.concatenate(fresh_places)
        self._came, self._came_ids = len(ids), ids
        again = doubled(ids)
        if again.any():
            # Of one file the first row of a parcel counts, as when the tables are read; one that
            # is so large that it was read in parts is not asked for it.
            one = ids.filter(pa.array(again))[0].as_py()
            raise StoreError(
                f"Found {int(again.sum())} shipments twice in one ingest, such as {one!r}; "
                "expected each once. Remove the second rows, and ingest again: nothing was taken."
            )
        new = np.ones(len(ids), bool) if known is None else known.rows(ids) < 0
        self._ids = pa.chunked_array(
            [*self._ids.chunks, *ids.filter(pa.array(new)).chunks], ids.type
        )
        self._places = np.concatenate([self._places, places[new]])

    def take_scans(
        self,
        source: Source | None,
        vocabulary: str | None,
        naive_time_zone: str | None,
        workers: Engine | None,
    ) -> None:
        """Check scans and lay them by their parcels' partitions; others wait.

        Args:
            workers: who checks and lays them; None: this process.
        """
        root = self._staging / "scans"
        intake = ScanIntake(
            KnownParcels(self._ids, self._places), root, vocabulary, naive_time_zone
        )
        if self._before.waiting:
            intake.lay(self._layout.read(self._before.waiting))
            intake.waiting = [self._young(table) for table in intake.waiting]
        parts = [] if source is None else scan_parts(source)
        full = [number for number, part in enumerate(parts) if part.n_rows]
        shared = workers is not None and isinstance(source, (str, Path)) and len(full) > 1
        for part in parts:
            if not (shared and part.n_rows):
                intake.take(part)
        intake.staged.flush()
        if shared and workers is not None:
            known = self._staging / "known.parquet"
            KnownParcels(self._ids, self._places).write(known)
            rows = sum(parts[number].n_rows for number in full)
            pieces = max(_FEWEST_TASKS, min(_MOST_TASKS, rows // _ROWS_A_TASK))
            size = -(-len(full) // pieces)
            common = {
                "source": _found_anywhere(str(source)),
                "known": str(known.absolute()),
                "vocabulary": vocabulary,
                "naive_time_zone": naive_time_zone,
                "staging": str(root.absolute()),
            }
            tasks = [common | {"parts": full[i : i + size]} for i in range(0, len(full), size)]
            intake.add(workers.run(_STAGE, tasks))
        self._scans = intake.staged
        self._waiting = intake.waiting
        self._rejects["scans"] += intake.rejects
        self._notes += intake.notes
        self._given = intake.given
        self._latest = max(self._latest, intake.latest)

    def tasks(self) -> list[dict[str, Any]]:
        """One for each partition that something has come in for."""
        layout = self._layout
        touched = sorted({*self._shipments.paths, *self._scans.paths})
        return [
            {
                "root": str(layout.root.absolute()),
                "buckets": layout.buckets,
                "keep_scans_days": layout.keep_scans_days,
                "partition": partition.name,
                "files": {
                    kind: [vars(file) for file in files]
                    for kind, files in self._before.partitions.get(partition, {}).items()
                },
                "shipments": self._shipments.paths.get(partition, []),
                "scans": self._scans.paths.get(partition, []),
                "on_conflict": self._on_conflict,
            }
            for partition in touched
        ]

    def commit(self, results: list[dict[str, Any]], swept: int) -> Ingested:
        """Have the store be what the partitions' results say."""
        contradicting = [row for found in results for row in found["conflicts"]]
        conflicts = self._conflicts_told(pd.DataFrame(contradicting)) if contradicting else 0
        count = {
            name: sum(result[name] for result in results)
            for name in ("new_shipments", "filled", "new_scans", "too_late")
        }
        partitions = dict(self._before.partitions)
        changed = 0
        for task, result in zip(self.tasks(), results, strict=True):
            files: Files = {
                kind: tuple(StoredFile(**file) for file in listed)
                for kind, listed in result["files"].items()
            }
            place = Partition.named(task["partition"])
            changed += files != partitions.get(place)
            partitions[place] = files
        waiting, added = self._waiting_now()
        commit = self._before
        if changed or added or waiting is not None:
            commit = self._committed(partitions, waiting)
        rejects = {kind: _together(tables) for kind, tables in self._rejects.items()}
        return Ingested(
            commit=commit.number,
            **count,
            conflicts=conflicts,
            known_shipments=self._came
            - count["new_shipments"]
            - count["filled"]
            - (conflicts if self._on_conflict in {"replace", "reject"} else 0),
            known_scans=max(self._given - count["new_scans"] - count["too_late"] - added, 0),
            waiting=sum(file.rows for file in commit.waiting),
            partitions=changed,
            swept=swept,
            shipment_rejects=rejects["shipments"],
            scan_rejects=rejects["scans"],
            notes=merged_notes(self._notes),
        )

    def _known(self) -> tuple[pa.ChunkedArray, NDArray[np.int64], pa.Schema]:
        ids, places = [pa.array([], pa.large_string())], [np.zeros((0, 2), np.int64)]
        types = pa.schema([])
        for partition, files in self._before.partitions.items():
            shipments = files.get("shipments", ())
            table = self._layout.read(shipments, ["shipment_id"])
            ids += table["shipment_id"].cast(pa.large_string()).chunks if len(table) else []
            places.append(np.tile([[partition.week, partition.bucket]], (len(table), 1)))
            for file in shipments:
                types = types_together(types, pq.read_schema(self._layout.root / file.path))
        return pa.chunked_array(ids), np.concatenate(places), types

    def _typed(self, shipments: pa.Table) -> pa.Table:
        """Shipments as they are stored: categories as their words, each column as it was before."""
        plain = [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in shipments.schema
        ]
        table = shipments.cast(pa.schema(plain))
        self._types = types_together(self._types, table.schema)
        return table

    def _where_stored(
        self, known: Identifiers, frame: pd.DataFrame, places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The partitions of shipments; where an order moved to another week, that of before."""
        row = known.rows(frame["shipment_id"])
        before = np.where(row[:, None] >= 0, self._places[row] if len(self._places) else -1, places)
        moved = np.flatnonzero((before != places).any(axis=1))
        if len(moved) and self._on_conflict in {"refuse", "replace"}:
            held = Partition(*(int(part) for part in before[moved[0]]))
            refuse_other_weeks(frame.iloc[moved], held.name.partition("/")[0])
        return before

    def _conflicts_told(self, conflicts: pd.DataFrame) -> int:
        """Tell of shipments that contradict the store; how many there are."""
        self._notes += conflicts_told(conflicts, self._on_conflict)
        if self._on_conflict == "reject":
            first = conflicts.drop_duplicates("shipment_id")
            row = Identifiers(self._came_ids).rows(first["shipment_id"].astype(TEXT))
            rejects = rejects_of(first, np.concatenate(self._rows)[row])
            self._rejects["shipments"].append(rejects)
        return int(conflicts["shipment_id"].nunique())

    def _waiting_now(self) -> tuple[pa.Table | None, int]:
        """The scans that wait if they are others than before, and how many more they are."""
        before = sum(file.rows for file in self._before.waiting)
        if not self._waiting:
            return (None, 0) if not before else (SCAN_SCHEMA.empty_table(), 0)
        table = pa.concat_tables(self._waiting).cast(SCAN_SCHEMA)
        table = table.group_by(SCAN_SCHEMA.names, use_threads=False).aggregate([])
        table = table.sort_by([(name, "ascending") for name in SCAN_SCHEMA.names])
        if len(table) == before and table.equals(
            self._layout.read(self._before.waiting).cast(SCAN_SCHEMA)
        ):
            return None, 0
        return table, max(len(table) - before + self._given_up, 0)

    def _young(self, waiting: pa.Table) -> pa.Table:
        """Scans that waited and still do, without those of which no parcel will come any more."""
        days = self._layout.keep_scans_days
        oldest = pa.scalar(self._before.latest - days * _DAY, pa.int64())
        young = waiting.filter(pc.greater(waiting["scanned_at"].cast(pa.int64()), oldest))
        self._given_up = len(waiting) - len(young)
        if self._given_up:
            told = f"scans waited for a shipment for {days} days and were let go of"
            self._notes.append(
                Note(reason="waited_too_long", column="", rows=self._given_up, told=told)
            )
        return young

    def _committed(self, partitions: dict[Partition, Files], waiting: pa.Table | None) -> Commit:
        layout = self._layout
        oldest = self._latest // _DAY - layout.keep_scans_days
        partitions = {
            place: {kind: files for kind, files in kinds.items() if kind != "scans"}
            if place.last_day < oldest
            else kinds
            for place, kinds in partitions.items()
        }
        kept = self._before.waiting
        if waiting is not None:
            kept = (layout.write("waiting", "", waiting),) if len(waiting) else ()
        rejects = dict(self._before.rejects)
        for kind, tables in self._rejects.items():
            table = _together(tables)
            if len(table):
                arrow = arrow_table_of(table_as_text(table))
                rejects[kind] = (*rejects.get(kind, ()), layout.write("rejects", kind, arrow))
        commit = replace(
            self._before,
            number=self._before.number + 1,
            partitions=partitions,
            waiting=kept,
            rejects=rejects,
            latest=self._latest,
        )
        layout.write_commit(commit)
        sync_directory(layout.root / "commits")
        return commit


def _found_anywhere(source: str) -> str:
    """A path that a worker finds from wherever it runs."""
    return source if "://" in source else str(Path(source).absolute())


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)] or tables[:1]
    if not filled:
        return pd.DataFrame({"reason": [], "detail": [], "row": []})
    return pd.concat(filled, ignore_index=True)
