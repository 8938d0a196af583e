"""Which share of a carrier's parcels is handed over where, and to whom.

Whether a parcel is handed over hangs on the place and on the carrier: many carriers leave the same
remote areas to the same partner, some leave none. So its log odds are a sum: of its region's, its
prefix's, its carrier's and its service's, and of their pairs' as far as these differ from that (the
model of Rasch 1960, with ridge penalties). A carrier that is new to a place is expected to do there
what the others do, as far as it does so elsewhere; one seen only where nobody hands over has said
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.history.hand_offs import HAND_OFF_LEVELS
from etapromise.history.levels import Level, level_keys, sorted_keys

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["hand_off_tables"]

_SEPARATOR: Final = "\x1f"
# From this share on a hand-off is usual.
_USUAL: Final = 0.5
# Parcels' worth of belief that a key without prefixes hands over as many as the coarser one.
_PRIOR: Final = 2.0
_CARRIER, _SERVICE, _SERVICE_REGION, _SERVICE_PREFIX = HAND_OFF_LEVELS
_EVERYWHERE: Final = Level("everywhere", ())
_REGION: Final = Level("region", ("destination_country", "destination_region"))
_PREFIX: Final = Level("prefix", ("destination_country", "destination_prefix"))
_CARRIER_REGION: Final = Level("carrier_region", ("carrier", *_REGION.columns))
_CARRIER_PREFIX: Final = Level("carrier_prefix", ("carrier", *_PREFIX.columns))
# The terms of the sum, and the variance that their values are expected to have; carriers differ
# from never to always.
_TERMS: Final = {
    _EVERYWHERE: np.inf,
    _REGION: 4.0,
    _PREFIX: 4.0,
    _CARRIER: 9.0,
    _SERVICE: 4.0,
    _CARRIER_REGION: 1.0,
    _CARRIER_PREFIX: 1.0,
    _SERVICE_REGION: 1.0,
    _SERVICE_PREFIX: 1.0,
}
_SWEEPS: Final = 20
# A Newton step no longer than this does not run away where shares are near 0 or 1.
_LONGEST_STEP: Final = 1.0
_NO_BEND: Final = 1e-12


def hand_off_tables(
    parcels: pd.DataFrame, taker: NDArray[np.int32], takers: int, leaning: NDArray[np.float64]
) -> tuple[
    tuple[tuple[str, ...], ...],
    tuple[NDArray[np.int32], ...],
    tuple[NDArray[np.float64], ...],
]:
    """Keys, takers and shares of each of HAND_OFF_LEVELS, as `HandOffs` has them.

    Args:
        parcels: (n,) shipments.
        taker: (n,) number of who took each over, 0: nobody did, as far as is known.
        takers: how many numbers there are.
        leaning: (n,) what is added to the log odds that one not taken over will yet be; -inf where
            it will not.
    """
    counted = _Counted(parcels, taker, takers, leaning)
    everywhere = counted.shares(_EVERYWHERE, np.full(len(taker), _USUAL))
    carrier = counted.shares(_CARRIER, counted.of_parcels(_EVERYWHERE, everywhere.share))
    service = counted.shares(_SERVICE, counted.of_parcels(_CARRIER, carrier.share))
    region = counted.shares(_SERVICE_REGION, counted.of_parcels(_SERVICE, service.share))
    tables = (carrier, service, region, _by_prefix(counted, service, region))
    return (
        tuple(tuple(table.keys) for table in tables),
        tuple(np.concatenate([[0], table.taker]).astype(np.int32) for table in tables),
        tuple(np.concatenate([[0.0], table.share]) for table in tables),
    )


@dataclass(frozen=True)
class _Shares:
    """Of k keys: the share that is handed over, and who usually brings parcels, 0: nobody else."""

    keys: Sequence[str]
    share: NDArray[np.float64]
    taker: NDArray[np.int64]


class _Counted:
    """Parcels by key of every level, and the terms of their log odds.

    Attributes:
        keys: of each level.
        terms: of each level's keys, what they add to the log odds.
    """

    def __init__(
        self,
        parcels: pd.DataFrame,
        taker: NDArray[np.int32],
        takers: int,
        leaning: NDArray[np.float64],
    ) -> None:
        self._taker = taker
        self._takers = takers
        found = [sorted_keys(*keys) for keys in level_keys(parcels, tuple(_TERMS))]
        self._place = {level: place for level, (place, _) in zip(_TERMS, found, strict=True)}
        self.keys = {level: keys for level, (_, keys) in zip(_TERMS, found, strict=True)}
        self._row = {
            level: {key: row for row, key in enumerate(keys)} for level, keys in self.keys.items()
        }
        self.terms = {level: np.zeros(len(keys)) for level, keys in self.keys.items()}
        self._handed = (taker > 0).astype(np.float64)
        self._fit(np.where(taker > 0, -np.inf, leaning))

    def _fit(self, leaning: NDArray[np.float64]) -> None:
        # Parcels of one service and prefix are alike, but for what their ages say.
        alike = self._place[_SERVICE_PREFIX]
        count = np.bincount(alike).astype(np.float64)
        known = np.bincount(alike, weights=self._handed)
        place = {level: self.of_keys(_SERVICE_PREFIX, self._place[level]) for level in _TERMS}
        open_ = np.flatnonzero(leaning > -np.inf)
        odds = np.zeros(len(count))
        for _ in range(_SWEEPS):
            yet = _share(odds[alike[open_]] + leaning[open_])
            handed = known + np.bincount(alike[open_], yet, len(count))
            for level, variance in _TERMS.items():
                key, terms, share = place[level], self.terms[level], _share(odds)
                slope = np.bincount(key, handed - count * share) - terms / variance
                bend = np.bincount(key, count * share * (1.0 - share)) + 1.0 / variance
                step = np.clip(slope / (bend + _NO_BEND), -_LONGEST_STEP, _LONGEST_STEP)
                terms += step
                odds += step[key]
        self._handed[open_] = _share(odds[alike[open_]] + leaning[open_])

    def rows(self, level: Level, keys: Sequence[str]) -> NDArray[np.int64]:
        """Rows of a level's keys; -1 of one that no parcel has."""
        row = self._row[level]
        return np.array([row.get(key, -1) for key in keys], np.int64)

    def of_parcels(self, level: Level, values: NDArray[Any]) -> NDArray[Any]:
        """(n,) each parcel's entry in an array by key."""
        return values[self._place[level]]

    def of_keys(self, level: Level, values: NDArray[Any]) -> NDArray[Any]:
        """(k,) for each key the value of one of its parcels."""
        out = np.zeros(len(self.keys[level]), values.dtype)
        out[self._place[level]] = values
        return out

    def shares(self, level: Level, around: NDArray[np.float64]) -> _Shares:
        """Counted shares; `around` (n,) is the share around each parcel's key."""
        key = self._place[level]
        count = np.bincount(key)
        handed = np.bincount(key, weights=self._handed)
        share = (handed + _PRIOR * self.of_keys(level, around)) / (count + _PRIOR)
        return _Shares(self.keys[level], share, np.where(share >= _USUAL, self.most(level), 0))

    def most(self, level: Level) -> NDArray[np.int64]:
        """(k,) who took most of each key's parcels that were handed over, 0 where none was."""
        keys, width = len(self.keys[level]), self._takers + 1
        cells = np.bincount(self._place[level] * width + self._taker, minlength=keys * width)
        each = cells.reshape(keys, width)[:, 1:]
        return np.where(each.max(axis=1) > 0, each.argmax(axis=1) + 1, 0)

    def odds(self, rows: dict[Level, NDArray[np.int64]]) -> NDArray[np.float64]:
        """Log odds of a hand-off, from the rows of all levels; -1 adds nothing."""
        total = np.zeros(1)
        for level, row in rows.items():
            total = total + np.where(row >= 0, self.terms[level][row], 0.0)
        return total


def _by_prefix(counted: _Counted, service: _Shares, region: _Shares) -> _Shares:
    """Services in prefixes of their country: where they were seen, and where their region errs."""
    prefixes, regions = counted.keys[_PREFIX], counted.keys[_REGION]
    country = np.array([key.split(_SEPARATOR)[0] for key in prefixes], dtype=object)
    around = counted.of_keys(_PREFIX, counted.of_parcels(_REGION, np.arange(len(regions))))
    most = {level: counted.most(level) for level in (_REGION, _PREFIX, _CARRIER_PREFIX)}
    keys: list[str] = []
    shares, takers = [], []
    for row, key in enumerate(service.keys):
        carrier, name, where = key.split(_SEPARATOR)
        prefix = np.flatnonzero(country == where)
        texts = [prefixes[place] for place in prefix.tolist()]
        regional = [regions[place] for place in around[prefix].tolist()]
        own = [_SEPARATOR.join((carrier, name, text)) for text in texts]
        rows = {
            _EVERYWHERE: np.zeros(1, np.int64),
            _REGION: around[prefix],
            _PREFIX: prefix,
            _CARRIER: counted.rows(_CARRIER, [_SEPARATOR.join((carrier, where))]),
            _SERVICE: np.array([row]),
            _CARRIER_REGION: counted.rows(_CARRIER_REGION, _after((carrier,), regional)),
            _CARRIER_PREFIX: counted.rows(_CARRIER_PREFIX, _after((carrier,), texts)),
            _SERVICE_REGION: counted.rows(_SERVICE_REGION, _after((carrier, name), regional)),
            _SERVICE_PREFIX: counted.rows(_SERVICE_PREFIX, own),
        }
        share = _share(counted.odds(rows))
        who = np.zeros(len(prefix), np.int64)
        for level, found in most.items():
            nearer = np.where(rows[level] >= 0, found[rows[level]], 0)
            who = np.where(nearer > 0, nearer, who)
        taker = np.where(share >= _USUAL, who, 0)
        coarser = np.where(
            rows[_SERVICE_REGION] >= 0, region.taker[rows[_SERVICE_REGION]], service.taker[row]
        )
        told = (rows[_SERVICE_PREFIX] >= 0) | (taker != coarser)
        keys += [own[place] for place in np.flatnonzero(told).tolist()]
        shares.append(share[told])
        takers.append(taker[told])
    return _Shares(keys, np.concatenate(shares), np.concatenate(takers))


def _after(first: tuple[str, ...], keys: Sequence[str]) -> list[str]:
    return [_SEPARATOR.join((*first, key)) for key in keys]


def _share(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
