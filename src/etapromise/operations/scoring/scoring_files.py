"""Scoring Parquet files of any size: read, promised and written a batch of rows at a time.

The same promises and rejects as `scoring.score`, in memory that does not grow with the file but for
16 bytes for each identifier, by which a double is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etapromise.array_types import Mask
from etapromise.errors import CommandError
from etapromise.files import rejects_beside, whole_file
from etapromise.operations.scoring.scoring import TOO_LATE, score
from etapromise.text_type import TEXT
from etapromise.tracking.faults import Note, merged_notes, rejects_table
from etapromise.tracking.files.found_files import damage_named, find_files, parquet_files
from etapromise.tracking.python_objects import arrow_table_of
from etapromise.tracking.sources import lacking_columns, parquet_tables
from etapromise.tracking.table_writer import with_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etapromise.promise.model import PromiseModel

_ROWS_AT_ONCE: Final = 131_072
# Two hashes of 64 bits: of a billion identifiers, two share both with a probability of 1e-21.
_HASH_KEYS: Final = ("etapromise-first", "etapromise-other")


@dataclass(frozen=True)
class Counts:
    """How many orders were promised and how many rejected, and what is told of them once."""

    promises: int
    rejects: int
    notes: tuple[Note, ...] = ()


def can_stream(shipments: str | Path, out: Path) -> bool:
    """Whether `score_file` can read `shipments` and write `out`."""
    return out.suffix == ".parquet" and parquet_files(shipments, "shipments") is not None


def score_file(
    model: PromiseModel,
    shipments: str | Path,
    out: Path,
    *,
    as_of: pd.Timestamp,
    service_level: float = 0.9,
    naive_time_zone: str | None = None,
    explain: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Counts:
    """Promise a date for every usable order of a Parquet file; both results whole or not at all."""
    if not can_stream(shipments, out):
        raise CommandError(
            f"Found {shipments} to be scored into {out}; expected Parquet files, whose names end "
            "in .parquet. Use scoring.score for other tables."
        )
    files = find_files(shipments, "shipments")
    parts = []
    for file in files:
        with damage_named(file.name, "shipments"):
            about = pq.read_metadata(file.open())
            parts.append((about.schema.to_arrow_schema().names, about.num_rows))
    total = sum(rows for _, rows in parts)
    seen = SeenIdentifiers()
    done = promised = rejected = 0
    notes: list[Note] = [*lacking_columns(parts)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with _growing(out) as add_promises, _growing(rejects_beside(out)[0]) as add_rejects:
        for batch in parquet_tables(files, "shipments", _ROWS_AT_ONCE):
            found = score(
                model,
                batch,
                as_of=as_of,
                service_level=service_level,
                naive_time_zone=naive_time_zone,
                explain=explain,
            )
            notes += found.notes
            late = np.array(found.rejects["reason"] == TOO_LATE)
            sound = pd.concat([found.promises["shipment_id"], found.rejects["shipment_id"][late]])
            doubled = seen.again(sound)
            again, late[late] = np.split(doubled, [len(found.promises)])
            refused = _with_doubles(batch, found.rejects, again, late)
            refused = refused.assign(row=refused["row"] + done)
            add_promises(found.promises[~again] if again.any() else found.promises)
            add_rejects(refused)
            done += len(batch)
            promised += int((~again).sum())
            rejected += len(refused)
            if progress is not None:
                progress("scoring", done, total)
    return Counts(promised, rejected, merged_notes(notes))


class SeenIdentifiers:
    """Knows which identifiers came before, by 16 bytes of each."""

    def __init__(self) -> None:
        # Sorted by the first hash; each run at least twice as long as the next, as in a merge sort.
        self._runs: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def again(self, identifiers: pd.Series[Any]) -> Mask:
        """(n,) whether each came in an earlier call; those that did not have come now."""
        first, second = (
            pd.util.hash_pandas_object(
                identifiers, index=False, hash_key=key, categorize=False
            ).to_numpy(np.uint64)
            for key in _HASH_KEYS
        )
        again = np.zeros(len(first), dtype=bool)
        for ours, others in self._runs:
            at = np.searchsorted(ours, first)
            # Equal first hashes stand side by side; two of them are rare, three are not to be had.
            for step in range(3):
                place = np.minimum(at + step, len(ours) - 1)
                again |= (ours[place] == first) & (others[place] == second)
        order = np.argsort(first[~again], kind="stable")
        self._runs.append((first[~again][order], second[~again][order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            (ours, others), (more, others_more) = self._runs[-2:]
            at = np.searchsorted(ours, more, side="right")
            self._runs[-2:] = [(np.insert(ours, at, more), np.insert(others, at, others_more))]
        self._runs = [run for run in self._runs if len(run[0])]
        return again


@contextmanager
def _growing(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """What adds tables of the same columns to a Parquet file, which appears once it is complete."""
    with whole_file(path) as draft, ExitStack() as opened:
        file: pq.ParquetWriter | None = None

        def add(table: pd.DataFrame) -> None:
            nonlocal file
            arrow = with_dates(arrow_table_of(table))
            if file is None:
                file = pq.ParquetWriter(draft, arrow.schema, compression="zstd")
                opened.callback(file.close)
            file.write_table(arrow.cast(file.schema))

        yield add


def _with_doubles(batch: pa.Table, rejects: pd.DataFrame, again: Mask, late: Mask) -> pd.DataFrame:
    """The rejects, and the sound rows whose identifiers an earlier batch had.

    Args:
        batch: As it came.
        again: Which of the promised rows are doubles.
        late: Which of the rejects are, and would have been sound but for their order time.
    """
    if not (again.any() or late.any()):
        return rejects
    accepted = np.delete(np.arange(len(batch)), rejects["row"].to_numpy())
    rows = np.sort(np.concatenate([accepted[again], rejects["row"].to_numpy()[late]]))
    rejects = rejects[~late]
    text = {
        name: batch.column(name).take(pa.array(rows)).cast(pa.large_string()).to_pandas()
        for name in batch.column_names
    }
    ids, reasons = text["shipment_id"].tolist(), ["duplicate_shipment_id"] * len(rows)
    details = [f"shipment_id is {one!r}, expected an id that no row before has" for one in ids]
    doubles = rejects_table(pd.DataFrame(text).astype(TEXT), reasons, details, rows, ids)
    both = pd.concat([rejects, doubles], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)
