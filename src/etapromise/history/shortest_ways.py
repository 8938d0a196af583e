"""The shortest ways: operational days after its pick-up before which hardly any parcel arrives.

It is counted by the weekday of the pick-up: where a region sees its carrier on two days a week, how
many of those pass before hangs on how far the next is.

How many days a carrier takes at least is the sharpest fact of a lane, and a forest over means of
durations smears it: it puts mass on dates on which nobody ever arrived. So each lane's is counted,
and no promise has an earlier date.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.encoding.requests import FETCHED, Encoder, Requests
from etapromise.history.effects import NEVER_DAY
from etapromise.shrinkage import PRIORS

if TYPE_CHECKING:
    from etapromise.history.outcomes import Outcomes

__all__ = ["NOT_TOLD", "ROUNDING", "shortest_ways", "soonest"]

NOT_TOLD: Final = -1.0
"""Stands where a row says nothing of its shortest way: a coarser level does."""
# Coarse to fine; each leans on the one before it.
_TOLD: Final = ("network", "service", "service_region", "service_lane")
# A share of parcels that is a mis-scan or luck, and no way that one could promise.
_HARDLY_ANY: Final = 0.03
# Ways are told apart by so many operational days, up to so many.
_STEP: Final = 0.25
_STEPS: Final = 128
_CELLS_AT_ONCE: Final = 20_000
ROUNDING: Final = 1e-6
"""Of readings of the clock, which are sums; ROUNDING of native/quote.c."""


def shortest_ways(
    encoder: Encoder, requests: Requests, outcomes: Outcomes, half_life: float
) -> NDArray[np.float32]:
    """(rows, 7) by row of the levels' tables, one level after another, and weekday of the pick-up.

    NOT_TOLD where a row says none.

    Args:
        encoder: whose key indexes number the rows.
        requests: n parcels.
        outcomes: what became of them.
        half_life: days in which a parcel's weight halves.
    """
    sizes = [len(index) for index in encoder.indexes]
    names = [level.name for level in encoder.levels]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    found = np.full((starts[-1], 7), NOT_TOLD, np.float32)
    rows = np.flatnonzero(outcomes.arrived)
    taken = requests.take(rows)
    # Where nobody scans pick-ups, the soonest that there may have been.
    fetched = np.where(
        outcomes.pickup_day[rows] < NEVER_DAY, outcomes.pickup_day[rows], _soonest_pickup(taken)
    )
    way = _reading(encoder, taken, outcomes.event_day[rows] + 1) - _reading(
        encoder, taken, fetched + 1
    )
    step = np.clip(np.floor(way / _STEP + ROUNDING), 0, _STEPS - 1).astype(np.int64)
    weight = 0.5 ** ((outcomes.as_of_day - outcomes.start_day[rows]) / half_life)
    around, parent = np.zeros((1, _STEPS), np.float32), np.zeros(len(rows), np.int64)
    for name in _TOLD:
        level = names.index(name)
        code = taken.codes[:, level].astype(np.int64)
        seen = np.bincount(code * _STEPS + step, weights=weight, minlength=sizes[level] * _STEPS)
        so_far = np.cumsum(seen.reshape(-1, _STEPS), axis=1)
        above = np.zeros(sizes[level], np.int64)
        above[code] = parent
        evidence = PRIORS.shortest_way
        share = (so_far + evidence * around[above]) / (so_far[:, -1:] + evidence)
        there = np.unique(code)
        found[starts[level] + there] = _STEP * _rare(share[there])[:, None]
        around, parent = share, code
    # Lanes, the last of them, by weekday.
    lanes = starts[names.index(_TOLD[-1])]
    weekday = (fetched + 3) % 7
    cells, cell = np.unique(parent * 7 + weekday, return_inverse=True)
    for first in range(0, len(cells), _CELLS_AT_ONCE):
        some = cells[first : first + _CELLS_AT_ONCE]
        among = (cell >= first) & (cell < first + len(some))
        place = (cell[among] - first) * _STEPS + step[among]
        seen = np.bincount(place, weights=weight[among], minlength=len(some) * _STEPS)
        so_far = np.cumsum(seen.reshape(-1, _STEPS), axis=1)
        evidence = PRIORS.shortest_way_weekday
        share = (so_far + evidence * around[some // 7]) / (so_far[:, -1:] + evidence)
        found[lanes + some // 7, some % 7] = _STEP * _rare(share)
    return _in_order(encoder, taken.clock, lanes + parent, found)


def _rare(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """(k,) how many of the first steps hardly any parcel comes within."""
    return np.asarray((share <= _HARDLY_ANY).sum(axis=1))


def _in_order(
    encoder: Encoder, clock: NDArray[np.int32], row: NDArray[np.int64], way: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The ways (rows, 7), so that who is fetched a day later never comes earlier.

    Args:
        encoder: whose clocks are read.
        clock: (n,) of each parcel.
        row: (n,) of each parcel.
        way: (rows, 7)
    """
    rows, first = np.unique(row, return_index=True)
    clocks = encoder.clocks
    weight = np.diff(clocks.elapsed, axis=1)
    # What the clock of each weekday usually gains: a holiday is no ordinary day.
    usual = np.stack(
        [np.median(weight[:, (4 - clocks.first_day + day) % 7 :: 7], axis=1) for day in range(7)],
        axis=1,
    )[clock[first]]
    told = way[rows]
    for day in (*range(7), *range(7)):
        told[:, day] = np.maximum(told[:, day], told[:, day - 1] - usual[:, day])
    way[rows] = told
    return way


def soonest(
    encoder: Encoder, shortest: NDArray[np.float32], requests: Requests
) -> NDArray[np.float64]:
    """(n,) the reading of each parcel's clock before which its date does not end.

    What native/quote.c does with one request.

    Args:
        encoder: of the requests.
        shortest: as of `shortest_ways`.
        requests: n parcels.
    """
    starts = np.concatenate([[0], np.cumsum([len(index) for index in encoder.indexes])[:-1]])
    way, fetched = np.zeros(len(requests)), _soonest_pickup(requests)
    for codes, start in zip(requests.codes.T, starts, strict=True):
        told = shortest[start + codes, (fetched + 3) % 7]
        way = np.where(told >= 0, told, way)
    return _reading(encoder, requests, fetched + 1) + way


def _soonest_pickup(requests: Requests) -> NDArray[np.int64]:
    return np.asarray(requests.order_day + requests.numbers[:, FETCHED].astype(np.int64))


def _reading(encoder: Encoder, requests: Requests, day: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) operational days before the start of each `day`."""
    clocks = encoder.clocks
    column = np.clip(day - clocks.first_day, 0, clocks.elapsed.shape[1] - 1)
    return np.asarray(clocks.elapsed[requests.clock, column])
