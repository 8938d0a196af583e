"""Who takes parcels over, and after how long, as the orders known at a moment show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.working_clocks import Clocks, row_of
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.history.hand_off_shares import hand_off_tables
from etapromise.lanes.hand_offs import ANOTHER, FIRST_LEG, LONGEST_LEG, HandOffs
from etapromise.lanes.levels import Level, level_keys, sorted_keys, spelled
from etapromise.shrinkage import PRIORS, shrunk

if TYPE_CHECKING:
    import pandas as pd

_DAY: Final = 86_400
# A carrier that took fewer parcels over than these is no usual one: those are mis-scans.
_FEWEST: Final = 20
# An order's day counts once this share of waits is shorter than its age.
_NEARLY_ALL: Final = 0.98


def known_hand_offs(milestones: pd.DataFrame, moment: pd.Timestamp) -> NDArray[np.object_]:
    """(n,) the carrier that each parcel was known, at a moment, to have been handed to; else "".

    A first sign of another carrier that is also the first sign of the parcel is another spelling of
    its carrier, and one after the event is somebody else's business: neither is a hand-off.
    """
    at = milestones["transferred_at"]
    known = (milestones["transferred_known_at"] < moment) & (
        milestones["picked_up_known_at"] < moment
    )
    known &= at > milestones["picked_up_at"]
    known &= ~((milestones["event_known_at"] < moment) & (milestones["event_at"] < at))
    names = milestones["transferred_to"].astype(object).to_numpy()
    found = np.full(len(names), "", dtype=object)
    found[known.to_numpy(dtype=bool)] = ANOTHER
    told = (known & milestones["transferred_to"].notna()).to_numpy(dtype=bool)
    found[told] = names[told]
    return found


def as_brought(orders: pd.DataFrame, last_mile: NDArray[np.object_]) -> pd.DataFrame:
    """The orders under the carriers that were known to take them over, (n,) names or ""."""
    brought = last_mile != ""
    columns = {}
    for column, other in (
        ("carrier", last_mile),
        ("service", np.full(len(last_mile), None, dtype=object)),
    ):
        own = other.copy()
        if column in orders:
            own[~brought] = orders[column].to_numpy(dtype=object)[~brought]
        else:
            own[~brought] = None
        columns[column] = own
    return orders.assign(**columns)


def learned_hand_offs(
    shipments: pd.DataFrame, milestones: pd.DataFrame, moment: pd.Timestamp
) -> HandOffs | None:
    """Whom parcels are usually handed to; None where their own carriers bring all of them.

    Args:
        shipments: (n,) accepted rows.
    """
    handed = known_hand_offs(milestones, moment)
    names, counts = np.unique(handed[handed != ""].astype(str), return_counts=True)
    carriers = tuple(map(spelled, names[counts >= _FEWEST].tolist()))
    if not carriers:
        return None
    number = {name: place for place, name in enumerate(carriers, start=1)}
    last_mile = np.array([number.get(name, 0) for name in handed], np.int32)
    log_odds = _log_odds_by_age(shipments, milestones, last_mile > 0, moment)
    hand_offs = HandOffs(carriers, *hand_off_tables(shipments, last_mile, len(carriers), log_odds))
    return hand_offs if any(level.any() for level in hand_offs.last_mile) else None


def _log_odds_by_age(
    shipments: pd.DataFrame, milestones: pd.DataFrame, handed: Mask, moment: pd.Timestamp
) -> Floats:
    """(n,) what an open parcel's age adds to its log odds of a hand-off; -inf where it has none.

    That a parcel was handed over is known before another one is known to have arrived; so of young
    parcels those that are told are mostly handed over. An open one counts as what it may yet be:
    by how many of either kind are still untold at its age.
    """
    ordered = shipments["ordered_at"]
    age = _seconds(moment - ordered)
    arrived = (milestones["event_known_at"] < moment).to_numpy(dtype=bool) & ~handed
    given_up = (milestones["closed_known_at"] < moment).to_numpy(dtype=bool)
    waited = _seconds(
        milestones["transferred_known_at"].where(handed, milestones["event_known_at"]) - ordered
    )
    told = handed | arrived
    old = told & _old(age, waited, told)
    # An age beyond all waits says no more than the longest.
    asked = np.minimum(age, waited[old].max() - 1.0)
    both = _untold(waited[old], asked, np.ones(len(age)))
    to_hand_off, to_arrival = (_untold(waited[old & one], asked, both) for one in (handed, arrived))
    return np.where(told | given_up, -np.inf, np.log(to_hand_off / to_arrival))


def _untold(waited: Floats, age: Floats, around: Floats) -> Floats:
    """(n,) the share that waited for longer than each age, leaning on the share `around`, (n,)."""
    longer = len(waited) - np.searchsorted(np.sort(waited), age, side="right")
    return shrunk(longer, len(waited), around, PRIORS.hand_offs_told)


def _old(age: Floats, waited: Floats, told: Mask) -> Mask:
    """(n,) whether a parcel is so old that hardly anything of its day is still to be told.

    Of younger ones the quick are told first: what they waited would be too short.
    """
    old = age > np.quantile(waited[told], _NEARLY_ALL)
    # A history shorter than that has no such days.
    return old if (old & told).any() else np.ones(len(old), np.bool_)


def _seconds(times: pd.Series[Any]) -> Floats:
    return np.asarray(times.dt.total_seconds(), dtype=np.float64)


def with_first_legs(
    hand_offs: HandOffs,
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    *,
    moment: pd.Timestamp,
    clocks: Clocks,
    zones: ZoneMap,
) -> HandOffs:
    """Hand-offs, and the working days of the first carrier from the pick-up until them."""
    last_mile = hand_offs.numbered(known_hand_offs(milestones, moment))
    age = _seconds(moment - shipments["ordered_at"])
    waited = _seconds(milestones["transferred_known_at"] - shipments["ordered_at"])
    told = _old(age, waited, last_mile > 0)
    rows = np.flatnonzero((last_mile > 0) & told)
    parcels = shipments.iloc[rows]
    picked, handed = (
        _local_day(milestones[column].iloc[rows], parcels, side, zones)
        for column, side in (("picked_up_at", "origin"), ("transferred_at", "destination"))
    )
    elapsed = clocks.elapsed[_own_clocks(parcels, clocks)]
    last = elapsed.shape[1] - 1
    place = np.arange(len(rows))
    days = (
        elapsed[place, np.clip(handed + 1 - clocks.first_day, 0, last)]
        - elapsed[place, np.clip(picked + 1 - clocks.first_day, 0, last)]
    )
    step = np.clip(np.round(days), 0, LONGEST_LEG).astype(np.int64)
    key, keys = sorted_keys(*level_keys(hand_offs.named(parcels, last_mile[rows]), (FIRST_LEG,))[0])
    width = LONGEST_LEG + 1
    counts = np.bincount(key * width + step, minlength=len(keys) * width).reshape(-1, width)
    any_ = counts.sum(axis=0) / counts.sum()
    own = shrunk(counts, counts.sum(axis=1, keepdims=True), any_, PRIORS.first_leg)
    return hand_offs.with_legs(tuple(keys), np.concatenate([any_[None, :], own]))


def _own_clocks(parcels: pd.DataFrame, clocks: Clocks) -> Ints:
    service_rows, calendar_rows = clocks.indexes()
    (service, services), (calendar, calendars) = level_keys(
        parcels,
        (
            Level("service", ("carrier", "service")),
            Level("calendar", ("destination_country", "destination_region")),
        ),
    )
    rows = np.array([row_of(service_rows, key) for key in services], np.int64)[service]
    places = np.array([row_of(calendar_rows, key) for key in calendars], np.int64)[calendar]
    return rows * len(clocks.holidays) + places


def _local_day(
    times: pd.Series[pd.Timestamp], parcels: pd.DataFrame, side: str, zones: ZoneMap
) -> Ints:
    names, _ = zones.resolve_many(parcels, side)
    return local_seconds(times, names) // _DAY
