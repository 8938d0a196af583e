"""From the shipments and scans of some parcels to their milestones: Arrow tables in and out.

A parcel's milestones need its own scans only. So any parts of a history, split by parcel, give the
rows that the whole gives, and may be done anywhere in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from etapromise.text_type import TEXT, frame_of_arrow
from etapromise.tracking.contract import EVENTS, SCAN_COLUMNS, Event
from etapromise.tracking.journeys import MILESTONES
from etapromise.tracking.milestones import milestones_table, of_event, walked
from etapromise.tracking.scans import clean_scans
from etapromise.tracking.tables import read_scans, read_shipments

if TYPE_CHECKING:
    import pandas as pd

# The milestones of these depend on which event is waited for.
_OF_EVENT: Final = ("event_at", "event_known_at", "closed_at", "closed_known_at", "closed_as")
NO_SHIPMENTS: Final = pa.table(
    {
        "shipment_id": pa.array([], pa.string()),
        "ordered_at": pa.array([], pa.timestamp("us", "UTC")),
        "origin": pa.array([], pa.string()),
        "destination": pa.array([], pa.string()),
    }
)
_NO_SCANS: Final = pa.table(
    {
        "shipment_id": pa.array([], pa.string()),
        "scanned_at": pa.array([], pa.timestamp("us", "UTC")),
        "status": pa.array([], pa.string()),
    }
)
_COLUMNS: Final = [
    "shipment_id",
    *(f"{name}{at}" for name in MILESTONES for at in ("_at", "_known_at")),
    *("closed_as", "transferred_to", "last_status", "last_scan_at", "last_known_at"),
    *("scan_count", "attempt_count"),
]
"""As `tracking.milestones` orders them."""
_WORDS: Final = ("shipment_id", "closed_as", "transferred_to", "last_status")
_ORDER: Final = ("shipment_id", "scanned_at", "received_at", "status", "facility", "carrier")


def milestones_of(shipments: pa.Table, scans: pa.Table) -> pa.Table:
    """A row a parcel: its milestones, for each event that can be waited for.

    Returns:
        (n, ...) in the order of `shipments`: the columns of `tracking.milestones`, and those that
        depend on the event once more for each event, as ``event_at_first_attempt``.
    """
    frame = shipments_frame(shipments)
    found, carriers = walked(frame, cleaned(frame, scans), EVENTS)
    table = milestones_table(frame, found[EVENTS[0]], carriers).drop(columns=list(_OF_EVENT))
    for event in EVENTS:
        for name, column in of_event(found[event]).items():
            table[f"{name}_{event}"] = column
    return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)


def milestones_for(journeys: pa.Table, event: Event) -> pd.DataFrame:
    """The table that `tracking.milestones` gives of the same parcels."""
    own = {f"{name}_{event}": name for name in _OF_EVENT}
    others = [f"{name}_{other}" for other in EVENTS if other != event for name in _OF_EVENT]
    frame = frame_of_arrow(journeys.drop_columns(others)).rename(columns=own)[_COLUMNS]
    found: pd.DataFrame = frame.astype(dict.fromkeys(_WORDS, TEXT))
    return found


def cleaned(shipments: pd.DataFrame, scans: pa.Table) -> pd.DataFrame:
    """Stored scans of some shipments, as `tracking.clean_scans` leaves them."""
    return clean_scans(scans_frame(scans), shipments).accepted


def shipments_frame(table: pa.Table) -> pd.DataFrame:
    """Stored shipments, as `tracking.read_shipments` gives them."""
    return read_shipments(table).accepted


def scans_frame(table: pa.Table) -> pd.DataFrame:
    """Stored scans in an order that does not hang on how they came in."""
    if not table.num_columns:
        table = _NO_SCANS
    # A column that no scan fills is as good as none.
    empty = [name for name in table.column_names if table[name].null_count == len(table) > 0]
    table = table.drop_columns([name for name in empty if not SCAN_COLUMNS[name].required])
    order = [(name, "ascending") for name in _ORDER if name in table.column_names]
    return read_scans(table.sort_by(order)).accepted
