"""Milestones: when each parcel was picked up, attempted, delivered, and when that was known.

A milestone is fixed by the first *received* scan that proves it (ties: the earliest event), so
that once known it never changes: the milestones as of a moment are all milestones, less those that
became known later. Scans that say otherwise afterwards change nothing.

What has not happened is missing (NaT). A parcel without its event is not lost data but a censored
observation, unless ``closed_as`` says why the event can no longer come.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.errors import ContractError
from etapromise.tracking.contract import CLOSING_STATUSES, POSSESSION_STATUSES, STATUSES, Event
from etapromise.tracking.journeys import (
    NEVER,
    First,
    Journeys,
    microseconds,
    positions,
    received_or_scanned,
    shipment_codes,
    status_mask,
)
from etapromise.tracking.scans import scan_statuses

__all__ = ["as_of", "milestones"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Which milestones are the chosen event; the one that is known first counts. A delivery ends every
# wait: handing a parcel over is an attempt that succeeded, and nothing is left to be notified of.
_EVENT_PROOFS: Final[dict[Event, tuple[str, ...]]] = {
    "first_attempt": ("attempted", "delivered"),
    "delivered": ("delivered",),
    "available_for_pickup": ("available", "delivered"),
}

# Columns that go with a milestone and are blank where it is.
_COMPANIONS: Final = {"closed": ("closed_as",), "transferred": ("transferred_to",)}
_MILESTONES: Final = (
    "picked_up",
    "attempted",
    "delivered",
    "available",
    "event",
    "closed",
    "transferred",
)


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
          customer's. From the moment a return is known to have begun, what is attempted or
          delivered is the sender's and left out.
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
    if event not in get_args(Event):
        message = f"found event {event!r}, expected one of {', '.join(get_args(Event))}"
        raise ContractError(message)
    carrier, own_carrier, carriers = _carrier_codes(shipments, scans)
    scanned = microseconds(scans["scanned_at"], "scanned_at")
    journeys = Journeys.of(
        shipment=shipment_codes(shipments, scans),
        status=scan_statuses(scans),
        scanned=scanned,
        received=received_or_scanned(scans, scanned),
        carrier=carrier,
        n_shipments=len(shipments),
    )
    single = ~journeys.doubles()
    owner = journeys.shipment

    def among(*names: str) -> Mask:
        return single & status_mask(journeys.status, names)

    returning = journeys.first(among("returning", "returned"))
    to_customer = ~(
        (returning.known[owner] <= journeys.received) & (returning.when[owner] <= journeys.scanned)
    )
    attempts = among("attempted") & to_customer
    unsaid = len(carriers)
    another = (journeys.carrier != unsaid) & (journeys.carrier != own_carrier[owner])
    handed_on = single & another & (own_carrier[owner] != unsaid)
    found = {
        "picked_up": journeys.first(among(*POSSESSION_STATUSES)),
        "attempted": journeys.first(attempts),
        "delivered": journeys.first(among("delivered") & to_customer),
        "available": journeys.first(among("available_for_pickup") & to_customer),
        "transferred": journeys.first(among("transferred") | handed_on),
    }
    found["event"] = _first_known([found[name] for name in _EVENT_PROOFS[event]])
    found["closed"] = _before(journeys.first(among(*CLOSING_STATUSES)), found["event"])

    columns: dict[str, Any] = {"shipment_id": shipments["shipment_id"].reset_index(drop=True)}
    for name in _MILESTONES:
        columns[f"{name}_at"] = _times(found[name].when)
        columns[f"{name}_known_at"] = _times(found[name].known)
    closed_as = np.array([CLOSING_STATUSES.get(status) for status in STATUSES], dtype=object)
    columns["closed_as"] = _words(closed_as, journeys.status, found["closed"].scan)
    # The hand-off may be told by the shipment's own carrier, which is not who took the parcel.
    taker = np.where(another, journeys.carrier, unsaid)
    columns["transferred_to"] = _words(
        np.append(carriers, [None]), taker, found["transferred"].scan
    )
    columns |= _state(journeys, single, attempts)
    return pd.DataFrame(columns)


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
    for name in _MILESTONES:
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


def _carrier_codes(
    shipments: pd.DataFrame, scans: pd.DataFrame
) -> tuple[Ints, Ints, npt.NDArray[np.object_]]:
    """Numbers for the carriers of scans and of shipments, and the names in their order.

    The number of names stands for a carrier that is not said.
    """
    said = [table["carrier"] for table in (scans, shipments) if "carrier" in table]
    every = pd.concat(said, ignore_index=True) if said else pd.Series(dtype="str")
    names = np.array(sorted(every.dropna().unique()), dtype=object)

    def codes(table: pd.DataFrame) -> Ints:
        if "carrier" not in table:
            return np.full(len(table), len(names), dtype=np.int64)
        found = positions(table["carrier"], list(names))
        return np.where(found < 0, np.int64(len(names)), found)

    return codes(scans), codes(shipments), names


def _first_known(milestones_found: list[First]) -> First:
    first = milestones_found[0]
    for other in milestones_found[1:]:
        earlier = (other.known < first.known) | (
            (other.known == first.known) & (other.when < first.when)
        )
        first = First(
            when=np.where(earlier, other.when, first.when),
            known=np.where(earlier, other.known, first.known),
            scan=np.where(earlier, other.scan, first.scan),
        )
    return first


def _before(first: First, limit: First) -> First:
    """``first`` where it was known before ``limit``, which wins when both came at once."""
    before = first.known < limit.known
    return First(
        when=np.where(before, first.when, NEVER),
        known=np.where(before, first.known, NEVER),
        scan=np.where(before, first.scan, -1),
    )


def _state(journeys: Journeys, single: Mask, attempts: Mask) -> dict[str, Any]:
    n = journeys.n_shipments
    scans = np.flatnonzero(single)
    owner = journeys.shipment[scans]
    latest = np.full(n, -NEVER, dtype=np.int64)
    np.maximum.at(latest, owner, journeys.scanned[scans])
    # Within a shipment scans stand by receipt: the last of them is the last received, and the last
    # of those with the latest event is the last word on it.
    word, received = (np.full(n, -1, dtype=np.int64) for _ in range(2))
    received[owner] = scans
    decisive = scans[journeys.scanned[scans] == latest[owner]]
    word[journeys.shipment[decisive]] = decisive
    return {
        "last_status": _words(np.array(STATUSES, dtype=object), journeys.status, word),
        "last_scan_at": _times(_of(journeys.scanned, word)),
        "last_known_at": _times(_of(journeys.received, received)),
        "scan_count": np.bincount(journeys.shipment[single], minlength=n),
        "attempt_count": np.bincount(journeys.shipment[attempts], minlength=n),
    }


def _of(times: Ints, scan: Ints) -> Ints:
    """The time of each chosen scan, `NEVER` where none (-1) was chosen."""
    return np.append(times, NEVER)[scan]


def _times(moments: Ints) -> pd.Series[Any]:
    stamps = np.where(moments == NEVER, np.iinfo(np.int64).min, moments).view("datetime64[us]")
    return pd.Series(stamps).dt.tz_localize("UTC")


def _words(names: npt.NDArray[np.object_], codes: Ints, scan: Ints) -> pd.Series[Any]:
    """The name of the chosen scan's code, missing where no scan (-1) was chosen, (n_shipments,)."""
    words = np.full(len(scan), None, dtype=object)
    chosen = scan >= 0
    words[chosen] = names[codes[scan[chosen]]]
    return pd.Series(words, dtype="str")
