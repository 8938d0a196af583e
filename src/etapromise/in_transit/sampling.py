"""Which past parcels are looked at, and when: all, or where that is too many, a sample of them.

A parcel is looked at when it was ordered, whenever a scan of it was received, and once a day at an
hour that differs from parcel to parcel, silent days included: as often as a batch run would.

A parcel is taken with all its looks, so that what follows a look stays known. Strata are a service
and a week of orders; small ones are kept whole, the others thinned alike. Within a stratum chance
decides, always the same for the same parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.errors import InsufficientHistoryError
from etapromise.history.as_of import KnownOrders
from etapromise.history.gathered import EncodedOrders
from etapromise.history.outcomes import Outcomes
from etapromise.in_transit.states import ParcelScans

MOST_LOOKS: Final = 3_000_000
"""About so many looks are taken at most where no setting says otherwise."""

MOST_DAYS: Final = 60
"""Silent days that are looked at; those beyond say nothing that those before have not said."""

WINDOW: Final = 400
"""Days of orders that are looked at, and those before them in the week of the first."""

# A service's week is never thinned below so many parcels.
_FEWEST: Final = 25
# From one share that is taken, or mean weight, to the next.
_STEP: Final = 1.05
# More than the step: what is kept of these parcels is still enough when the share has risen.
_NEAR: Final = 1.1
# 1970-01-05; weeks are those of a store.
_MONDAY: Final = 4


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Which of n parcels to look at.

    Attributes:
        rows: (k,) ascending positions; None: all.
        near: (m,) ascending positions of those that a night of somewhat other parcels may draw;
            where all are taken, those that are young enough to be looked at.
        weight: (k,) how many parcels each stands for, 1 on average.
    """

    rows: Ints | None
    near: Ints
    weight: Floats

    @property
    def asked(self) -> Ints:
        """Ascending positions of those whose own days' knowledge is needed."""
        return self.near if self.rows is None else self.rows


def drawn_parcels(known: KnownOrders, orders: EncodedOrders, most_looks: int) -> Drawn:
    """Which parcels to look at.

    Args:
        most_looks: about how many looks may be taken.

    Raises:
        InsufficientHistoryError: all parcels are too old.
    """
    results = orders.outcomes
    week = week_of(results.start_day)
    rows = np.flatnonzero(week >= week_of(np.array([results.as_of_day - WINDOW])))
    if not len(rows):
        raise InsufficientHistoryError(
            f"Found no order within the {WINDOW} days before as_of; the newest is "
            f"{results.as_of_day - results.start_day.max()} days older than it. Choose an earlier "
            "as_of, or give newer shipments and scans."
        )
    looks = _looks(known, results)[rows]
    if looks.sum() <= most_looks:
        every = len(rows) == len(week)
        return Drawn(rows=None if every else rows, near=rows, weight=np.ones(len(rows)))
    place = orders.encoder.level_names.index("service")
    service = orders.requests.codes[rows, place].astype(np.int64)
    week = week[rows] - week[rows].min()
    stratum = service * (int(week.max()) + 1) + week
    size = np.bincount(stratum)
    share = _stepped(most_looks / float(looks.sum()))
    kept = np.minimum(size, np.maximum(np.ceil(size * share), _FEWEST))
    chance = results.within[rows] * 49_979_687.0 % 1.0
    # One sort, where sorting by two keys takes twice as long.
    order = np.argsort(stratum + chance, kind="stable")
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size)
    taken = rank < kept[stratum]
    weight = (size / np.maximum(kept, 1))[stratum[taken]]
    return Drawn(
        rows=rows[taken],
        near=rows[rank < (_NEAR * kept)[stratum]],
        weight=weight / _stepped(float(weight.mean())),
    )


def week_of(day: NDArray[np.integer[Any]]) -> Ints:
    """(n,) weeks of UTC days since 1970-01-01, counted from that of 1970-01-05."""
    return (day.astype(np.int64) - _MONDAY) // 7


def week_end(week: Ints) -> Ints:
    """(n,) the last UTC day of weeks."""
    return week * 7 + _MONDAY + 6


def _stepped(number: float) -> float:
    """In steps, so that the parcels of one night and their weights are those of the one before."""
    return float(_STEP ** np.floor(np.log(number) / np.log(_STEP)))


def _looks(known: KnownOrders, results: Outcomes) -> Floats:
    """(n,) about how many looks each parcel would give, without asking for its scans."""
    until = np.where(results.arrived, results.event_known_day, results.as_of_day)
    days = np.clip(until - results.start_day + 1, 0, MOST_DAYS)
    scans = known.scan_counts()
    told = np.isfinite(scans)
    # Of parcels that were scanned since, a history cut at a moment does not tell how often before.
    usual = scans[told].mean() if told.any() else 0.0
    return np.asarray(1.0 + days + np.where(told, scans, usual))


def snapshot_moments(scans: ParcelScans, until: Ints, hour: Floats) -> tuple[Ints, Ints]:
    """Parcels and moments to look at, ascending.

    Args:
        scans: of n parcels.
        until: (n,) microseconds; no moment at or after it.
        hour: (n,) a fixed number in [0, 1) for each parcel, which spreads the daily moments.

    Returns:
        (m,) parcels, (m,) microseconds since 1970 UTC.
    """
    day, every = 86_400_000_000, np.arange(len(scans))
    days = np.clip((until - scans.ordered) // day + 1, 0, MOST_DAYS)
    daily = np.repeat(every, days)
    count = np.arange(len(daily)) - np.repeat(np.cumsum(days) - days, days)
    # Another hour each day: the golden ratio spreads them evenly.
    turn = (hour[daily] + 0.6180339887498949 * count) % 1.0
    silent = scans.ordered[daily] // day * day + count * day + (turn * day).astype(np.int64)
    parcel = np.concatenate([every, scans.owners(), daily])
    moment = np.concatenate([scans.ordered, scans.received, silent])
    keep = (moment >= scans.ordered[parcel]) & (moment < until[parcel])
    parcel, moment = parcel[keep], moment[keep]
    order = np.lexsort((moment, parcel))
    parcel, moment = parcel[order], moment[order]
    new = np.ones(len(parcel), bool)
    new[1:] = (parcel[1:] != parcel[:-1]) | (moment[1:] != moment[:-1])
    return parcel[new], moment[new]
