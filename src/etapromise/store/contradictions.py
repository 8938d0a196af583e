"""What contradicts a store: columns of another type, shipments with another value or week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pandas as pd
import pyarrow as pa

from etapromise.errors import StoreError
from etapromise.tracking.faults import Note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_TOLD: Final = 3

OnConflict = Literal["refuse", "keep", "replace", "reject"]
"""What becomes of a shipment that says another value than the store."""

_CONFLICTS_TOLD: Final = {
    "keep": "whose value was kept",
    "replace": "and replaced its value",
    "reject": "and were rejected",
}


def types_together(stored: pa.Schema, more: pa.Schema) -> pa.Schema:
    """The types of columns by which what is stored and what comes can be read as one table.

    Raises:
        StoreError: there is none; once stored, no part of the store could be read any more.
    """
    for field in more:
        place = stored.get_field_index(field.name)
        if place < 0:
            stored = stored.append(field)
            continue
        # Not the schemas alone: of a whole number and a decimal these would be one.
        both = [
            pa.table({field.name: pa.nulls(1, one)})
            for one in (stored.field(place).type, field.type)
        ]
        try:
            one = pa.concat_tables(both, promote_options="permissive").schema
        except pa.ArrowException as error:
            raise StoreError(
                f"Found column {field.name} as {field.type}, and in the store as "
                f"{stored.field(place).type}; expected one type in all that is ingested. Nothing "
                "was taken: mend the column, leave it out, or ingest everything into a new store."
            ) from error
        stored = stored.set(place, one.field(0))
    return stored


def refuse_other_weeks(moved: pd.DataFrame, week: str) -> None:
    """Raises: StoreError: of shipments (n > 0) whose orders moved to another week.

    Args:
        week: that of the first in the store.
    """
    first = moved.iloc[0]
    raise StoreError(
        f"Found {len(moved)} shipments that contradict the store, such as "
        f"{first['shipment_id']!r} ordered at {first['ordered_at']}; expected the order "
        f"time that it holds, in {week}. Nothing was taken: mend "
        "the file, choose to keep what the store holds (on_conflict keep) or to reject "
        "these rows (reject), or ingest everything into a new store."
    )


def conflicts_told(conflicts: pd.DataFrame, on_conflict: OnConflict) -> list[Note]:
    """What is told of shipments that contradict the store, a note a column.

    Args:
        conflicts: (n > 0, 4) ``shipment_id``, ``column``, ``before`` and ``now``.

    Raises:
        StoreError: they are to be refused.
    """
    by_column = [
        (str(name), rows, rows.iloc[0]) for name, rows in conflicts.groupby("column", sort=False)
    ]
    if on_conflict == "refuse":
        told = "; ".join(
            f"{name} of {len(rows)} shipments, such as {one['shipment_id']!r}: "
            f"{one['before']} before, {one['now']} now"
            for name, rows, one in by_column[:_MOST_TOLD]
        )
        raise StoreError(
            f"Found shipments that contradict the store: {told}. Expected what it holds, or "
            "more of it; nothing was taken. Choose what counts with on_conflict: keep (what "
            "the store holds), replace (the new values) or reject (these rows); or mend the "
            "file."
        )
    return [
        Note(
            reason="contradicts_store",
            column=name,
            rows=len(rows),
            told=f"rows say another value than the store, {_CONFLICTS_TOLD[on_conflict]}",
            examples=(f"{one['shipment_id']}: {one['before']}, now {one['now']}",),
        )
        for name, rows, one in by_column
    ]


def rejects_of(conflicts: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    """The rejects of shipments that contradict the store, by row.

    Args:
        conflicts: (n, 4) as for `conflicts_told`, one of each shipment.
        rows: (n,) which rows of the file they are.
    """
    rejects = pd.DataFrame(
        {
            "shipment_id": conflicts["shipment_id"],
            "reason": "contradicts_store",
            "detail": conflicts["column"] + " is " + conflicts["before"] + " in the store",
            "value": conflicts["now"],
            "remedy": "Mend the row, or choose to keep or replace what the store holds.",
            "row": rows,
        }
    )
    return rejects.sort_values("row", ignore_index=True)
