"""Milestones: when each parcel was picked up, attempted, delivered, and when that was known.

A milestone is fixed by the first *received* scan that proves it (ties: the earliest event), so
that once known it does not change: the milestones as of a moment are all milestones, less those
that became known later. Scans that say otherwise afterwards change nothing, but for ends that were
none: a van to the customer, or another pick-up, reopens a journey that was said to have ended, when

- it comes 12 hours or more after the delivery, or after the way back began, or
- it comes between that and a later delivery;

but not when the parcel had been delivered before its way back began (the van is the sender's), nor
when it was said to be back at the sender's after that van. Then the end before the van never was.
Whether it is so depends on which scans there are, not on the order in which they came.

What has not happened is missing (NaT). A parcel without its event is not lost data but a censored
observation, unless ``closed_as`` says why the event can no longer come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etapromise.errors import ContractError
from etapromise.tracking.contract import CLOSING_STATUSES, STATUSES, Event
from etapromise.tracking.journeys import MILESTONES, Found, Journeys
from etapromise.tracking.scans import scan_times, standard_statuses
from etapromise.tracking.texts import CarrierNumbers, Identifiers, as_series

# Columns that go with a milestone and are blank where it is.
_COMPANIONS: Final = {"closed": ("closed_as",), "transferred": ("transferred_to",)}


def milestones(
    shipments: pd.DataFrame, scans: pd.DataFrame, *, event: Event = "delivered"
) -> pd.DataFrame:
    """The milestones of every shipment.

    Args:
        shipments: Accepted shipments, (n_shipments, ...).
        scans: Accepted scans, in any order, doubles allowed; those of other shipments are left out.
        event: What is waited for. ``first_attempt`` is the first attempt or delivery known,
            ``available_for_pickup`` the first notice or delivery known.

    Returns:
        One row per shipment in the order of ``shipments``, with a RangeIndex. Each milestone has
        the time of the event and the time it was known, datetime64[us, UTC]:

        - ``picked_up_at``, ``picked_up_known_at``: the carrier has the parcel. A label does not
          prove it, nor does a delivery tell since when.
        - ``attempted_at``, ``delivered_at``, ``available_at`` with their ``_known_at``: at the
          customer's. What is attempted or delivered after a return began, as far as that is known
          when the scan is received, is the sender's and left out.
        - ``event_at``, ``event_known_at``: the chosen one.
        - ``closed_at``, ``closed_known_at``, ``closed_as``: the first scan known before any event
          after which the event is given up, as ``returned``, ``cancelled``, ``lost`` or
          ``damaged``. An event that comes after all (a lost parcel found) stands beside it, and
          wins.
        - ``transferred_at``, ``transferred_known_at``, ``transferred_to``: the first sign of
          another carrier than the shipment's, and its name where the scan says it.

        And the state by the latest scan: ``last_status``, ``last_scan_at`` (latest event),
        ``last_known_at`` (latest receipt of an event not known before), ``scan_count`` and
        ``attempt_count`` (distinct events; attempts at the customer's).

    Raises:
        ContractError: An unknown event, naive times, a status that is not standard, or a
            shipment_id that occurs twice.
    """
    found, carriers = walked(shipments, scans, [event])
    return milestones_table(shipments, found[event], carriers)


def walked(
    shipments: pd.DataFrame, scans: pd.DataFrame, events: Sequence[Event]
) -> tuple[dict[Event, Found], list[str]]:
    """What `milestones` makes a table of, for several events; and the carriers' names by rank.

    Args:
        shipments: As for `milestones`.
        scans: As for `milestones`.
        events: What is waited for, each in turn.

    Raises:
        ContractError: As `milestones`.
    """
    for event in events:
        require_event(event)
    scanned, received = scan_times(scans)
    carriers = CarrierNumbers()
    carrier, own = (
        carriers.numbers(table["carrier"]) if "carrier" in table else None
        for table in (scans, shipments)
    )
    names, ranks = carriers.ranks()
    journeys = Journeys(len(shipments))
    journeys.add(
        shipment=Identifiers(shipments["shipment_id"]).rows(scans["shipment_id"]),
        status=standard_statuses(scans),
        scanned=scanned,
        received=received,
        carrier=carrier,
    )
    found = {event: Found.empty(len(shipments)) for event in events}
    for event in events:
        journeys.walk(
            fault=np.zeros(len(scans), dtype=np.uint8),
            tolerances=None,
            own_carrier=None if own is None else ranks[own],
            carrier_rank=ranks,
            event=event,
            found=found[event],
        )
    return found, names


def as_of(table: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The milestones as they were known at a moment.

    Every milestone that became known later is blank. Where any scan was received later, the state
    by the latest scan (``last_…``, ``…_count``) cannot be told from milestones and is missing:
    compute the milestones from the scans received by then where it is needed.

    Args:
        table: What `milestones` gave.
        moment: Zone-aware; what was received at that very moment is known.

    Raises:
        ContractError: The moment is naive.
    """
    if moment.tzinfo is None:
        message = f"found the naive moment {moment}, expected one with a time zone"
        raise ContractError(message)
    known = table.copy()
    for name in MILESTONES:
        later = (known[f"{name}_known_at"] > moment).to_numpy()
        for column in (f"{name}_at", f"{name}_known_at", *_COMPANIONS.get(name, ())):
            known.loc[later, column] = None
    later = (known["last_known_at"] > moment).to_numpy()
    for column in ("last_status", "last_scan_at", "last_known_at"):
        known.loc[later, column] = None
    for column in ("scan_count", "attempt_count"):
        known[column] = known[column].astype("Int64")
        known.loc[later, column] = pd.NA
    return known


def require_event(event: str) -> None:
    """Raises: ContractError: ``event`` is none that can be waited for."""
    if event not in get_args(Event):
        message = f"found event {event!r}, expected one of {', '.join(get_args(Event))}"
        raise ContractError(message)


def milestones_table(shipments: pd.DataFrame, found: Found, carriers: list[str]) -> pd.DataFrame:
    """The table that `milestones` gives.

    Args:
        carriers: Names by rank.
    """
    columns: dict[str, Any] = {"shipment_id": shipments["shipment_id"].reset_index(drop=True)}
    for name in MILESTONES:
        columns[f"{name}_at"] = _times(found.when[name])
        columns[f"{name}_known_at"] = _times(found.known[name])
    columns["closed_as"] = _closed_as(found)
    columns["transferred_to"] = _words(carriers, found.transferred_to)
    columns["last_status"] = _words(list(STATUSES), found.last_status)
    columns["last_scan_at"] = _times(found.last_scan)
    columns["last_known_at"] = _times(found.last_known)
    columns["scan_count"] = found.scans
    columns["attempt_count"] = found.attempts
    return pd.DataFrame(columns)


def of_event(found: Found) -> dict[str, pd.Series[Any]]:
    """The columns of `milestones` that hang on what is waited for, each (n,)."""
    moments = {
        f"{name}{at}": _times(times[name])
        for name in ("event", "closed")
        for at, times in (("_at", found.when), ("_known_at", found.known))
    }
    return moments | {"closed_as": _closed_as(found)}


def _closed_as(found: Found) -> pd.Series[Any]:
    return _words([CLOSING_STATUSES.get(status) for status in STATUSES], found.closed_status)


def _times(moments: npt.NDArray[np.int64]) -> pd.Series[Any]:
    return pd.Series(moments.view("datetime64[us]")).dt.tz_localize("UTC")


def _words(
    words: list[str | None] | list[str],
    numbers: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
) -> pd.Series[Any]:
    """The word of each number, missing where there is none of that number, (n,)."""
    none = numbers >= len(words)
    positions = pa.array(numbers.astype(np.int32), mask=none if none.any() else None)
    return as_series(pa.chunked_array([pa.array(words, pa.large_string()).take(positions)]))
