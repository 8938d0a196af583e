"""Which past parcels are looked at: all, or where that is too many, a stratified sample of them.

A parcel is taken with all its looks, so that what follows a look stays known. Strata are a service
and a week of orders; small ones are kept whole, the others thinned alike. Within a stratum chance
decides, always the same for the same parcel.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from etapromise.array_types import Floats
from etapromise.history.as_of import HistoryAsOf, KnownOrders

__all__ = ["MOST_LOOKS", "WINDOW", "Sample", "sampled_parcels"]

MOST_LOOKS: Final = 3_000_000
"""About so many looks are taken at most where no setting says otherwise."""

WINDOW: Final = 400
"""Days of orders that are looked at."""

# A service's week is never thinned below so many parcels.
_FEWEST: Final = 25
# From one share that is taken to the next.
_STEP: Final = 1.05
# Silent days are looked at no further; see `snapshot_moments`.
_MOST_DAYS: Final = 60


class Sample(NamedTuple):
    """Parcels to look at.

    Attributes:
        weight: (n,) how many parcels each stands for, 1 on average.
    """

    known: KnownOrders
    gathered: HistoryAsOf
    weight: Floats


def sampled_parcels(known: KnownOrders, gathered: HistoryAsOf, most_looks: int) -> Sample:
    """The parcels to look at.

    Args:
        most_looks: about how many looks may be taken.
    """
    results = gathered.outcomes
    rows = np.flatnonzero(results.start_day >= results.as_of_day - WINDOW)
    looks = _looks(known, gathered)[rows]
    if looks.sum() <= most_looks:
        return Sample(known, gathered, np.ones(len(results.start_day)))
    names = [level.name for level in gathered.encoder.levels]
    service = gathered.requests.codes[rows, names.index("service")].astype(np.int64)
    week = results.start_day[rows].astype(np.int64) // 7
    _, stratum, size = np.unique(
        service * (int(week.max()) + 1) + week, return_inverse=True, return_counts=True
    )
    # In steps, so that the parcels of one night are mostly those of the night before.
    share = _STEP ** np.floor(np.log(most_looks / looks.sum()) / np.log(_STEP))
    kept = np.minimum(size, np.maximum(np.ceil(size * share), _FEWEST))
    chance = results.within[rows] * 49_979_687.0 % 1.0
    order = np.lexsort((chance, stratum))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size)
    taken = rank < kept[stratum]
    weight = (size / kept)[stratum[taken]]
    rows = rows[taken]
    return Sample(known.take(rows), gathered.take(rows), weight / weight.mean())


def _looks(known: KnownOrders, gathered: HistoryAsOf) -> Floats:
    """(n,) about how many looks each parcel would give, without asking for its scans."""
    results = gathered.outcomes
    until = np.where(results.arrived, results.event_known_day, results.as_of_day)
    days = np.clip(until - results.start_day + 1, 0, _MOST_DAYS)
    scans = known.scan_counts()
    told = np.isfinite(scans)
    # Of parcels that were scanned since, a history cut at a moment does not tell how often before.
    usual = scans[told].mean() if told.any() else 0.0
    return np.asarray(1.0 + days + np.where(told, scans, usual))
