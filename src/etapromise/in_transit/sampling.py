"""Which past parcels are looked at: all, or where that is too many, a stratified sample of them.

A parcel is taken with all its looks, so that what follows a look stays known. Strata are a service
and a week of orders; small ones are kept whole, the others thinned alike. Within a stratum chance
decides, always the same for the same parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats
from etapromise.history.as_of import KnownOrders
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.outcomes import Outcomes

__all__ = ["MOST_LOOKS", "WINDOW", "Drawn", "Sample", "drawn_parcels"]

MOST_LOOKS: Final = 3_000_000
"""About so many looks are taken at most where no setting says otherwise."""

WINDOW: Final = 400
"""Days of orders that are looked at."""

# A service's week is never thinned below so many parcels.
_FEWEST: Final = 25
# From one share that is taken to the next.
_STEP: Final = 1.05
# More than the step: what is kept of these parcels is still enough when the share has risen.
_NEAR: Final = 1.1
# Silent days are looked at no further; see `snapshot_moments`.
_MOST_DAYS: Final = 60


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Which of n parcels to look at.

    Attributes:
        rows: (k,) ascending positions; None: all, and each stands for itself.
        near: (m,) ascending positions of those that a night of somewhat other parcels may draw;
            where all are taken, those that are young enough to be looked at.
        weight: (k,) how many parcels each stands for, 1 on average.
    """

    rows: NDArray[np.int64] | None
    near: NDArray[np.int64]
    weight: Floats

    @property
    def asked(self) -> NDArray[np.int64]:
        """Ascending positions of those whose own days' knowledge is needed."""
        return self.near if self.rows is None else self.rows


class Sample(NamedTuple):
    """Parcels to look at.

    Attributes:
        weight: (n,) how many parcels each stands for, 1 on average.
    """

    known: KnownOrders
    gathered: HistoryAsOf
    weight: Floats

    @classmethod
    def of(cls, known: KnownOrders, gathered: HistoryAsOf, drawn: Drawn) -> Sample:
        """Those that were drawn, and what is known of them."""
        if drawn.rows is None:
            return cls(known, gathered, drawn.weight)
        return cls(known.take(drawn.rows), gathered.take(drawn.rows), drawn.weight)


def drawn_parcels(known: KnownOrders, orders: EncodedOrders, most_looks: int) -> Drawn:
    """Which parcels to look at.

    Args:
        most_looks: about how many looks may be taken.
    """
    results = orders.outcomes
    rows = np.flatnonzero(results.start_day >= results.as_of_day - WINDOW)
    looks = _looks(known, results)[rows]
    if looks.sum() <= most_looks:
        return Drawn(rows=None, near=rows, weight=np.ones(len(results.start_day)))
    names = [level.name for level in orders.encoder.levels]
    service = orders.requests.codes[rows, names.index("service")].astype(np.int64)
    week = results.start_day[rows].astype(np.int64) // 7
    week -= week.min()
    stratum = service * (int(week.max()) + 1) + week
    size = np.bincount(stratum)
    # In steps, so that the parcels of one night are mostly those of the night before.
    share = _STEP ** np.floor(np.log(most_looks / looks.sum()) / np.log(_STEP))
    kept = np.minimum(size, np.maximum(np.ceil(size * share), _FEWEST))
    chance = results.within[rows] * 49_979_687.0 % 1.0
    order = np.lexsort((chance, stratum))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size)
    taken = rank < kept[stratum]
    weight = (size / np.maximum(kept, 1))[stratum[taken]]
    return Drawn(
        rows=rows[taken],
        near=rows[rank < (_NEAR * kept)[stratum]],
        weight=weight / weight.mean(),
    )


def _looks(known: KnownOrders, results: Outcomes) -> Floats:
    """(n,) about how many looks each parcel would give, without asking for its scans."""
    until = np.where(results.arrived, results.event_known_day, results.as_of_day)
    days = np.clip(until - results.start_day + 1, 0, _MOST_DAYS)
    scans = known.scan_counts()
    told = np.isfinite(scans)
    # Of parcels that were scanned since, a history cut at a moment does not tell how often before.
    usual = scans[told].mean() if told.any() else 0.0
    return np.asarray(1.0 + days + np.where(told, scans, usual))
