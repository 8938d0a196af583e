"""The scans of past parcels, kept beside a store week by week, so that its files are read once.

In a store, beside the numbers of its orders::

    numbers/<what they hang on>/scans/week=2025-02-03.arrow    one row: an array in each column
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Ints
from etapromise.history.as_of import KnownOrders
from etapromise.history.kept_orders import KeptOrders
from etapromise.history.kept_tables import (
    about_kept,
    array_table,
    arrays_of_table,
    read_kept,
    write_kept,
)
from etapromise.in_transit.states import ParcelScans
from etapromise.store.stored_history import StoredHistory
from etapromise.tracking.tracked import TrackedHistory

_FILES: Final = ("shipments", "journeys", "scans")
_EVER: Final = pd.Timestamp.max.tz_localize("UTC")


def parcel_scans(
    tracked: TrackedHistory, known: KnownOrders, rows: Ints | None = None
) -> ParcelScans:
    """The scans of orders that were received before the moment at which these were known.

    Args:
        tracked: the tables.
        known: the orders; those of a store have theirs kept from one time to the next.
        rows: ascending positions of those that are asked for; None: all.
    """
    if not isinstance(known, KeptOrders):
        known = known if rows is None else known.take(rows)
        scans = tracked.scans_of(known.shipments, known.moment)
        return ParcelScans.of(known.shipments, scans)
    every = np.arange(len(known)) if rows is None else rows
    digests, first, parts = known.digests(), 0, [ParcelScans.nothing()]
    for week, positions in known.rows_by_week():
        start, end = np.searchsorted(every, [first, first + len(positions)])
        mine = digests[first : first + len(positions)]
        if start < end:
            found = _of_week(known, week, positions, mine, digests[every[start:end]])
            parts.append(found)
        first += len(positions)
    return ParcelScans.joined(parts).before(int(known.moment.timestamp() * 1e6))


def _of_week(
    known: KeptOrders,
    week: StoredHistory,
    rows: Ints,
    digests: NDArray[np.uint64],
    wanted: NDArray[np.uint64],
) -> ParcelScans:
    """All scans of some of a week's orders.

    Args:
        rows: (n,) positions of orders among those of the week that were known.
        digests: (n,) by what they are found at any other moment.
        wanted: (k,) those of the ones that are asked for; the others soon will be.
    """
    path, files = known.folder / "scans" / f"{week.name}.arrow", week.files(*_FILES)
    table = read_kept(path)
    parts, orders = [], np.zeros(0, np.uint64)
    if table is not None and about_kept(table)["files"] == files:
        arrays = arrays_of_table(table)
        orders = arrays.pop("orders")
        parts.append(_scans(arrays))
    if not np.isin(wanted, orders).all():
        absent = ~np.isin(digests, orders)
        shipments = known.shipments_of(week).iloc[rows[absent]].reset_index(drop=True)
        parts.append(ParcelScans.of(shipments, week.scans_of(shipments, _EVER)))
        orders = np.append(orders, digests[absent])
        whole = ParcelScans.joined(parts)
        write_kept(path, array_table({"orders": orders, **vars(whole)}), files, {})
        parts = [whole]
    by_digest = np.argsort(orders)
    return parts[0].take(by_digest[np.searchsorted(orders, wanted, sorter=by_digest)])


def _scans(arrays: dict[str, Any]) -> ParcelScans:
    return ParcelScans(**{**arrays, "facilities": tuple(arrays["facilities"])})
