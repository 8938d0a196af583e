"""The shortest ways: operational days after its pick-up before which hardly any parcel arrives.

It is counted by the weekday of the pick-up: where a region sees its carrier on two days a week, how
many of those pass before hangs on how far the next is.

How many days a carrier takes at least is the sharpest fact of a lane, and a forest over means of
durations smears it: it puts mass on dates on which nobody ever arrived. So each lane's is counted,
and no promise has an earlier date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.encoding.requests import FETCHED, Encoder, Requests
from etapromise.history.effects import NEVER_DAY
from etapromise.shrinkage import PRIORS

if TYPE_CHECKING:
    from etapromise.history.outcomes import Outcomes

NOT_TOLD: Final = -1.0
"""Stands where a row says nothing of its shortest way: a coarser level does."""
# Coarse to fine; each leans on the one before it, and lanes, the last, tell weekdays apart.
_TOLD: Final = ("network", "service", "service_region", "service_lane")
# A share of parcels that is a mis-scan or luck, and no way that one could promise.
_HARDLY_ANY: Final = 0.03
# Ways are told apart by so many operational days, up to so many.
_STEP: Final = 0.25
_STEPS: Final = 128
_LANES_AT_ONCE: Final = 4_000
# Days for which ways are not learned anew where orders of the past are judged.
_KNOWN_FOR: Final = 14
ROUNDING: Final = 1e-6
"""Of readings of the clock, which are sums; ROUNDING of native/quote.c."""


@dataclass(frozen=True)
class _Ways:
    """The ways of n parcels so far: those of open ones are at least as long."""

    step: NDArray[np.int64]
    weight: NDArray[np.float64]
    arrived: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> _Ways:
        return _Ways(self.step[rows], self.weight[rows], self.arrived[rows])

    def shares(
        self, cell: NDArray[np.int64], around: NDArray[np.float64], evidence: float
    ) -> NDArray[np.float64]:
        """(cells, _STEPS) share of each cell's parcels that arrive within so many steps.

        The product-limit estimate (Kaplan & Meier 1958), to whose parcels `evidence` of the share
        around, (cells, _STEPS), are added.
        """
        size = len(around)
        arrived, all_of_them = (
            np.bincount(
                (cell * _STEPS + self.step)[rows], self.weight[rows], minlength=size * _STEPS
            ).reshape(size, _STEPS)
            for rows in (self.arrived, slice(None))
        )
        still = np.cumsum(all_of_them[:, ::-1], axis=1)[:, ::-1] + evidence
        still[:, 1:] -= evidence * around[:, :-1]
        come = arrived + evidence * np.diff(around, axis=1, prepend=0.0)
        hazard = np.divide(come, still, out=np.zeros_like(still), where=still > ROUNDING)
        return np.asarray(1.0 - np.cumprod(1.0 - np.minimum(hazard, 1.0), axis=1))


def shortest_ways(
    encoder: Encoder, requests: Requests, outcomes: Outcomes, half_life: float
) -> NDArray[np.float32]:
    """(rows, 7) by row of the levels' tables, one level after another, and weekday of the pick-up.

    NOT_TOLD where a row says none. A parcel under way counts as one whose way is longer.

    Args:
        encoder: whose key indexes number the rows.
        requests: n parcels.
        outcomes: what became of them.
        half_life: days in which a parcel's weight halves.
    """
    names = [level.name for level in encoder.levels]
    starts = np.concatenate([[0], np.cumsum([len(index) for index in encoder.indexes])])
    found = np.full((starts[-1], 7), NOT_TOLD, np.float32)
    picked_up, arrived = outcomes.pickup_day < NEVER_DAY, outcomes.arrived
    # Where nobody scans pick-ups, the soonest that there may have been.
    under_way = ~arrived & ~outcomes.closed & (outcomes.start_day < outcomes.as_of_day)
    if (picked_up & arrived).any():
        under_way &= picked_up
    rows = np.flatnonzero(arrived | under_way)
    clock, arrived = requests.clock[rows], arrived[rows]
    fetched = np.where(picked_up, outcomes.pickup_day, _soonest_pickup(requests))[rows]
    # The end of the day of the arrival; of a parcel under way, that of yesterday.
    until = np.where(arrived, outcomes.event_day[rows] + 1, outcomes.as_of_day)
    way = _reading(encoder, clock, until) - _reading(encoder, clock, fetched + 1)
    age = outcomes.as_of_day - outcomes.start_day[rows]
    ways = _Ways(
        np.clip(np.floor(way / _STEP + ROUNDING), 0, _STEPS - 1).astype(np.int64),
        (0.5 ** (np.arange(age.max(initial=0) + 1) / half_life))[age],
        arrived,
    )
    around, parent = np.zeros((1, _STEPS)), np.zeros(len(rows), np.int64)
    for name in _TOLD[:-1]:
        level = names.index(name)
        there, first, cell = _cells(requests.codes[rows, level], len(encoder.indexes[level]))
        around = ways.shares(cell, around[parent[first]], PRIORS.shortest_way)
        found[starts[level] + there] = _STEP * _rare(around)[:, None]
        parent = cell
    level = names.index(_TOLD[-1])
    there, first, cell = _cells(requests.codes[rows, level], len(encoder.indexes[level]))
    lanes, weekday = starts[level] + there, (fetched + 3) % 7
    for some in _by_number(cell // _LANES_AT_ONCE):
        begin = int(cell[some[0]]) // _LANES_AT_ONCE * _LANES_AT_ONCE
        lane = slice(begin, begin + _LANES_AT_ONCE)
        own, theirs = cell[some] - begin, ways.take(some)
        share = theirs.shares(own, around[parent[first[lane]]], PRIORS.shortest_way)
        found[lanes[lane]] = _STEP * _rare(share)[:, None]
        days, _, day = _cells(own * 7 + weekday[some], 7 * len(share))
        share = theirs.shares(day, share[days // 7], PRIORS.shortest_way_weekday)
        found[lanes[lane][days // 7], days % 7] = _STEP * _rare(share)
    found[lanes] = _in_order(encoder, clock[first], found[lanes])
    return found


def _cells(
    codes: NDArray[Any], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The codes below `size` that occur, the first parcel of each, and which is each parcel's."""
    occurs = np.bincount(codes, minlength=size) > 0
    there = np.flatnonzero(occurs)
    cell = (np.cumsum(occurs) - 1)[codes]
    first = np.empty(len(there), np.int64)
    # Of places that are written several times the last one stays.
    first[cell[::-1]] = np.arange(len(cell))[::-1]
    return there, first, cell


def _by_number(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions by their number, ascending; numbers are small, and such are sorted quickly."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers))[:-1]) if len(order) else []


def _rare(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """(k,) how many of the first steps hardly any parcel comes within."""
    return np.asarray((share <= _HARDLY_ANY).sum(axis=1))


def _in_order(
    encoder: Encoder, clock: NDArray[np.int32], way: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The ways (lanes, 7), so that who is fetched a day later never comes earlier.

    Args:
        encoder: whose clocks are read.
        clock: (lanes,)
        way: (lanes, 7) by weekday.
    """
    clocks = encoder.clocks
    weight = np.diff(clocks.elapsed, axis=1)
    # What the clock of each weekday usually gains: a holiday is no ordinary day.
    usual = np.stack(
        [np.median(weight[:, (4 - clocks.first_day + day) % 7 :: 7], axis=1) for day in range(7)],
        axis=1,
    )[clock]
    told = way.copy()
    for day in (*range(7), *range(7)):
        told[:, day] = np.maximum(told[:, day], told[:, day - 1] - usual[:, day])
    return told


def soonest(
    encoder: Encoder, shortest: NDArray[np.float32], requests: Requests, horizon: int
) -> NDArray[np.float64]:
    """(n,) the reading of each parcel's clock before which its date does not end.

    What native/quote.c does with one request.

    Args:
        encoder: of the requests.
        shortest: as of `shortest_ways`.
        requests: n parcels.
        horizon: days from the order of which the last that is worked is never before.
    """
    starts = np.concatenate([[0], np.cumsum([len(index) for index in encoder.indexes])[:-1]])
    way, fetched = np.zeros(len(requests)), _soonest_pickup(requests)
    for codes, start in zip(requests.codes.T, starts, strict=True):
        told = shortest[start + codes, (fetched + 3) % 7]
        way = np.where(told >= 0, told, way)
    last = _reading(encoder, requests.clock, requests.order_day.astype(np.int64) + horizon)
    return np.minimum(_reading(encoder, requests.clock, fetched + 1) + way, last)


def soonest_as_known(
    encoder: Encoder,
    requests: Requests,
    outcomes: Outcomes,
    half_life: float,
    rows: NDArray[np.int64],
    horizon: int,
) -> NDArray[np.float64]:
    """(r,) as `soonest`, by the ways that were known before each parcel was ordered.

    Of up to `_KNOWN_FOR` days before; so no parcel is judged by its own way.

    Args:
        encoder: whose key indexes number the rows of its tables.
        requests: n parcels.
        outcomes: what became of them.
        half_life: days in which a parcel's weight halves.
        rows: (r,) positions of those that are asked about.
        horizon: see `soonest`.
    """
    found = np.zeros(len(rows))
    span = outcomes.start_day[rows] // _KNOWN_FOR
    for each in np.unique(span):
        some = span == each
        known = outcomes.as_of(int(each) * _KNOWN_FOR)
        ways = shortest_ways(encoder, requests, known, half_life)
        found[some] = soonest(encoder, ways, requests.take(rows[some]), horizon)
    return found


def _soonest_pickup(requests: Requests) -> NDArray[np.int64]:
    return np.asarray(requests.order_day + requests.numbers[:, FETCHED].astype(np.int64))


def _reading(
    encoder: Encoder, clock: NDArray[np.int32], day: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n,) operational days before the start of each `day`."""
    clocks = encoder.clocks
    column = np.clip(day - clocks.first_day, 0, clocks.elapsed.shape[1] - 1)
    return np.asarray(clocks.elapsed[clock, column])
