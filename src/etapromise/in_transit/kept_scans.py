"""The scans of past parcels, kept beside a store week by week, so that its files are read once.

In a store, beside the numbers of its orders::

    numbers/<what they hang on>/scans/week=2025-02-03.arrow    a row a scan
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from etapromise.history.as_of import KnownOrders
from etapromise.history.kept_orders import KeptOrders
from etapromise.history.kept_tables import about_kept, read_kept, write_kept
from etapromise.in_transit.states import ParcelScans
from etapromise.store.stored_history import StoredHistory
from etapromise.tracking.tracked import TrackedHistory

__all__ = ["parcel_scans"]

_FILES: Final = ("shipments", "journeys", "scans")
_COLUMNS: Final = ("scanned", "received", "status", "other")
_EVER: Final = pd.Timestamp.max.tz_localize("UTC")


def parcel_scans(tracked: TrackedHistory, known: KnownOrders) -> ParcelScans:
    """The scans of orders that were received before the moment at which these were known.

    Args:
        tracked: the tables.
        known: the orders; those of a store have theirs kept from one time to the next.
    """
    if not isinstance(known, KeptOrders):
        scans = tracked.scans_of(known.shipments, known.moment)
        return ParcelScans.of(known.shipments, scans)
    before, first = int(known.moment.timestamp() * 1e6), 0
    tables = []
    for week, rows in known.rows_by_week():
        table = _week(known, week, rows)
        row = table["row"].to_numpy()
        parcel = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
        wanted = (rows[parcel] == row) & (table["received"].to_numpy() < before)
        table = table.set_column(0, "parcel", pa.array(first + parcel)).filter(pa.array(wanted))
        tables.append(table.replace_schema_metadata(None))
        first += len(rows)
    return _together(pa.concat_tables(tables).unify_dictionaries(), known.ordered())


def _week(known: KeptOrders, week: StoredHistory, rows: NDArray[np.int64]) -> pa.Table:
    """The scans of some rows of a week's orders, and perhaps of others."""
    path, files = known.folder / "scans" / f"{week.name}.arrow", week.files(*_FILES)
    kept = read_kept(path)
    if kept is not None and about_kept(kept)["files"] != files:
        kept = None
    covered = np.array([] if kept is None else about_kept(kept)["rows"], np.int64)
    if kept is not None and np.isin(rows, covered).all():
        return kept
    covered = np.union1d(rows, covered)
    orders = KnownOrders.of(week, known.moment).take(covered).shipments
    week.let_go()
    found = ParcelScans.of(orders, week.scans_of(orders, _EVER))
    facility = pa.DictionaryArray.from_arrays(
        pa.array(found.facility, mask=found.facility < 0), pa.array(found.facilities, pa.string())
    )
    columns = {name: getattr(found, name) for name in _COLUMNS}
    table = pa.table({"row": covered[found.owners()], **columns, "facility": facility})
    return write_kept(path, table, files, {"rows": covered.tolist()})


def _together(table: pa.Table, ordered: NDArray[np.int64]) -> ParcelScans:
    column = table["facility"]
    names = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    place = np.concatenate(
        [chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks] or [np.zeros(0, int)]
    )
    used = sorted({names[number] for number in np.unique(place[place >= 0])})
    number = {name: row for row, name in enumerate(used)}
    renumbered = np.array([*(number.get(name, -1) for name in names), -1], np.int32)
    counts = np.bincount(table["parcel"].to_numpy(), minlength=len(ordered))
    return ParcelScans(
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        **{name: np.ascontiguousarray(table[name].to_numpy()) for name in _COLUMNS},
        facility=renumbered[place],
        facilities=tuple(used),
        ordered=ordered,
    )
