"""Bringing one partition of a store up to date: a task for whichever engine.

It reads what the partition holds and what has come in for it, and writes new files; nothing counts
until a commit names them. So it may be done twice, or be cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from etapromise.store.journeys import milestones_of
from etapromise.store.layout import Files, StoredFile, StoreLayout, read_table
from etapromise.text_type import frame_of_arrow

if TYPE_CHECKING:
    import pandas as pd

SCAN_SCHEMA: Final = pa.schema(
    [
        ("shipment_id", pa.string()),
        ("scanned_at", pa.timestamp("us", "UTC")),
        ("received_at", pa.timestamp("us", "UTC")),
        ("status", pa.string()),
        ("facility", pa.string()),
        ("carrier", pa.string()),
    ]
)
"""How scans are stored: the statuses are standard ones."""

# Files of scans in a partition, beyond which they become one.
_MOST_FILES: Final = 12


def update_partition(task: Mapping[str, Any]) -> dict[str, Any]:
    """Add shipments and scans to a partition.

    Args:
        task: ``root``, ``buckets``, ``keep_scans_days``; ``partition``, its name; ``files``, what
            the commit names of it; ``shipments`` and ``scans``, paths of what has come in;
            ``on_conflict``, what becomes of shipments that contradict what is stored.

    Returns:
        ``files``, what the next commit is to name; ``new_shipments``, ``filled`` (shipments of
        which more is known now), ``new_scans``, ``too_late`` (scans of parcels whose others are no
        longer kept); ``conflicts``, a row for each value that contradicts what is stored.
    """
    layout = StoreLayout(Path(task["root"]), task["buckets"], task["keep_scans_days"])
    files: Files = {
        kind: tuple(StoredFile(**file) for file in listed) for kind, listed in task["files"].items()
    }
    name = task["partition"]
    counts = {"new_shipments": 0, "filled": 0, "new_scans": 0, "too_late": 0}
    shipments = layout.read(files.get("shipments", ()))
    changed: set[str] = set()
    conflicts: list[dict[str, str]] = []
    if task["shipments"]:
        came = read_table([Path(path) for path in task["shipments"]])
        merged = _merged(shipments, came, task["on_conflict"])
        conflicts = merged.conflicts
        if conflicts and task["on_conflict"] == "refuse":
            return {"files": task["files"], **counts, "conflicts": conflicts}
        counts["new_shipments"], counts["filled"] = len(merged.new), len(merged.filled)
        changed = merged.new | merged.filled | merged.replaced
        if changed:
            shipments = merged.table
            files = files | {"shipments": (layout.write("shipments", name, shipments),)}
    journeys = layout.read(files.get("journeys", ()))
    stored = layout.read(files.get("scans", ()))
    if not stored.num_columns:
        stored = SCAN_SCHEMA.empty_table()
    fresh = SCAN_SCHEMA.empty_table()
    if task["scans"]:
        fresh = _not_yet(stored, read_table([Path(path) for path in task["scans"]]))
        fresh, counts["too_late"] = _in_time(fresh, stored, journeys)
    counts["new_scans"] = len(fresh)
    if len(fresh):
        files = files | {"scans": _with(layout, name, files.get("scans", ()), stored, fresh)}
        changed |= set(pc.unique(fresh["shipment_id"]).to_pylist())
    if changed:
        ids = pa.array(sorted(changed), shipments["shipment_id"].type)
        moved = shipments.filter(pc.is_in(shipments["shipment_id"], ids))
        scans = pa.concat_tables([stored, fresh])
        scans = scans.filter(pc.is_in(scans["shipment_id"], ids.cast(pa.string())))
        # Of what is no longer kept the milestones stand.
        held = _held(journeys, scans)
        moved = moved.filter(pc.invert(pc.is_in(moved["shipment_id"], held)))
        parts = [milestones_of(moved, scans)]
        if journeys.num_columns:
            same = pc.is_in(journeys["shipment_id"], moved["shipment_id"].combine_chunks())
            parts.insert(0, journeys.filter(pc.invert(same)))
        table = pa.concat_tables(parts, promote_options="permissive").sort_by("shipment_id")
        files = files | {"journeys": (layout.write("journeys", name, table),)}
    plain = {kind: [vars(file) for file in listed] for kind, listed in files.items()}
    return {"files": plain, **counts, "conflicts": conflicts}


@dataclass(frozen=True, kw_only=True)
class _Merged:
    """What is known of the shipments of a partition after more of them came in."""

    table: pa.Table
    new: set[str]
    filled: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    conflicts: list[dict[str, str]] = field(default_factory=list)


def _merged(stored: pa.Table, fresh: pa.Table, on_conflict: str) -> _Merged:
    later = frame_of_arrow(fresh).set_index("shipment_id")
    if not stored.num_columns:
        return _Merged(table=_arrow(later).sort_by("shipment_id"), new=set(later.index))
    before = frame_of_arrow(stored).set_index("shipment_id")
    known = later.index[later.index.isin(before.index)]
    here, there = before.loc[known], later.loc[known]
    others = {}
    for name in before.columns.intersection(later.columns, sort=False) if len(known) else ():
        old, told = here[name], there[name]
        others[name] = known[(old.notna() & told.notna() & (old != told)).to_numpy()]
    conflicts = [
        {"shipment_id": str(one), "column": name, "before": str(old), "now": str(told)}
        for name, ids in others.items()
        for one, old, told in zip(ids, here.loc[ids, name], there.loc[ids, name], strict=True)
    ]
    replaced: set[str] = set()
    if on_conflict == "replace":
        for name, ids in others.items():
            replaced |= set(ids)
            before.loc[ids, name] = later.loc[ids, name]
    elif on_conflict == "reject":
        refused = {one["shipment_id"] for one in conflicts}
        later, known = later[~later.index.isin(refused)], known[~known.isin(refused)]
    here, there = before.loc[known], later.loc[known]
    filled: set[str] = set()
    for name in later.columns if len(known) else ():
        lacked = here[name].isna() if name in here else True
        filled |= set(known[(there[name].notna() & lacked).to_numpy()])
    new = later.index[~later.index.isin(before.index)]
    together = before
    if filled:
        together = before.combine_first(there)[
            [*before.columns, *(name for name in later.columns if name not in before.columns)]
        ]
    parts = [_arrow(together), *([_arrow(later.loc[new])] if len(new) else [])]
    table = pa.concat_tables(parts, promote_options="permissive").sort_by("shipment_id")
    return _Merged(
        table=table, new=set(new), filled=filled - replaced, replaced=replaced, conflicts=conflicts
    )


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame.reset_index(), preserve_index=False).replace_schema_metadata(
        None
    )


def _not_yet(stored: pa.Table, fresh: pa.Table) -> pa.Table:
    """The scans that are not stored yet, each once."""
    ours = pc.unique(fresh["shipment_id"])
    old = stored.filter(pc.is_in(stored["shipment_id"], ours))
    both = pa.concat_tables([old, fresh.cast(SCAN_SCHEMA)])
    is_new = pa.array([0] * len(old) + [1] * len(fresh), pa.int8())
    names = SCAN_SCHEMA.names
    told = both.append_column("is_new", is_new).group_by(names, use_threads=False)
    found = told.aggregate([("is_new", "min")])
    return found.filter(pc.equal(found["is_new_min"], 1)).select(names).cast(SCAN_SCHEMA)


def _held(journeys: pa.Table, scans: pa.Table) -> pa.Array:
    """Parcels that had been scanned, and of whose scans none is kept."""
    if not journeys.num_columns:
        return pa.array([], pa.string())
    scanned = journeys.filter(pc.greater(journeys["scan_count"], 0))["shipment_id"]
    kept = pc.is_in(scanned, pc.unique(scans["shipment_id"]).cast(scanned.type))
    held = scanned.filter(pc.invert(kept)).combine_chunks()
    return pa.concat_arrays(held.chunks) if isinstance(held, pa.ChunkedArray) else held


def _in_time(fresh: pa.Table, stored: pa.Table, journeys: pa.Table) -> tuple[pa.Table, int]:
    """Without those of parcels whose other scans are gone, and how many these are."""
    late = pc.is_in(fresh["shipment_id"], _held(journeys, stored).cast(pa.string()))
    return fresh.filter(pc.invert(late)), int(pc.sum(late).as_py() or 0)


def _with(
    layout: StoreLayout, name: str, files: tuple[StoredFile, ...], stored: pa.Table, fresh: pa.Table
) -> tuple[StoredFile, ...]:
    order = [("shipment_id", "ascending"), ("scanned_at", "ascending")]
    if len(files) < _MOST_FILES:
        return (*files, layout.write("scans", name, fresh.sort_by(order)))
    return (layout.write("scans", name, pa.concat_tables([stored, fresh]).sort_by(order)),)
