"""The shortest ways: operational days after its pick-up before which hardly any parcel arrives.

It is counted by the weekday of the pick-up: where a region sees its carrier on two days a week, how
many of those pass before hangs on how far the next is.

How many days a carrier takes at least is the sharpest fact of a lane, and a forest over means of
durations smears it: it puts mass on dates on which nobody ever arrived. So each lane's is counted,
and no promise has an earlier date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask, with_rows
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
    """The ways of k parcels so far: those of open ones are at least as long.

    Attributes:
        row: (k,) which parcels.
        step: (k,) how long.
        weekday: (k,) of the pick-up.
        weight: (k,)
        arrived: (k,)
    """

    row: Ints
    step: Ints
    weekday: Ints
    weight: Floats
    arrived: Mask

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        requests: Requests,
        outcomes: Outcomes,
        rows: Ints,
        since: int,
        half_life: float,
    ) -> _Ways:
        """Those of some parcels, by what `outcomes` tells of these.

        Args:
            rows: (k,) which they are.
            since: the day on which a parcel that is ordered counts one.
        """
        picked_up, arrived = outcomes.pickup_day < NEVER_DAY, outcomes.arrived
        # Where nobody scans pick-ups, the soonest that there may have been.
        fetched = np.where(picked_up, outcomes.pickup_day, _soonest_pickup(requests, rows))
        # The end of the day of the arrival; of a parcel under way, that of yesterday.
        until = np.where(arrived, outcomes.event_day + 1, outcomes.as_of_day)
        clock = requests.clock[rows]
        way = clock_reading(encoder, clock, until) - clock_reading(encoder, clock, fetched + 1)
        age = since - outcomes.start_day
        # A power a day is quicker than one a parcel.
        young = int(age.min(initial=0))
        decayed = 0.5 ** (np.arange(young, age.max(initial=0) + 1) / half_life)
        return cls(
            rows,
            np.clip(np.floor(way / _STEP + ROUNDING), 0, _STEPS - 1).astype(np.int64),
            (fetched + 3) % 7,
            decayed[age - young],
            arrived,
        )

    def take(self, places: Ints) -> _Ways:
        return with_rows(self, places)

    def counted(self, cell: Ints, size: int) -> Floats:
        """(size, _STEPS) weights by cell and step."""
        counts = np.bincount(cell * _STEPS + self.step, self.weight, minlength=size * _STEPS)
        return counts.astype(np.float64).reshape(size, _STEPS)


@dataclass(frozen=True)
class _Day:
    """What a day knew beside what the days before it knew.

    Attributes:
        come: parcels that had arrived, weights as of the last day.
        grown: what their weights are on this day.
        others: those of which later days know other than this one: mostly under way.
    """

    come: _Ways
    grown: float
    others: _Ways

    def take(self, come: Ints, others: Ints) -> _Day:
        return replace(self, come=self.come.take(come), others=self.others.take(others))


def _days(
    encoder: Encoder, requests: Requests, outcomes: Outcomes, half_life: float, days: Sequence[int]
) -> list[_Day]:
    """The parcels that each of some ascending days knew."""
    scanned = outcomes.pickup_known_day < NEVER_DAY
    # From then on all is known of a parcel that has arrived.
    told = np.maximum(outcomes.event_known_day, np.where(scanned, outcomes.pickup_known_day, 0))
    told = np.where(outcomes.event_known_day <= outcomes.closed_day, told, NEVER_DAY)
    rows = np.flatnonzero(told < days[-1])
    # A parcel is of the first day that is later than that.
    turn = np.searchsorted(np.asarray(days), told[rows], side="right")
    come = _Ways.of(encoder, requests, outcomes.take(rows), rows, days[-1], half_life)
    found, of_each = [], _by_number(turn, len(days))
    for day, places in zip(days, of_each, strict=True):
        rows = np.flatnonzero((told >= day) & (outcomes.start_day < day))
        known = outcomes.take(rows).as_of(day)
        picked_up, arrived = known.pickup_day < NEVER_DAY, known.arrived
        under_way = ~arrived & ~known.closed
        if (scanned & (told < day)).any() or (picked_up & arrived).any():
            under_way &= picked_up
        kept = np.flatnonzero(arrived | under_way)
        others = _Ways.of(encoder, requests, known.take(kept), rows[kept], day, half_life)
        found.append(_Day(come.take(places), 0.5 ** ((day - days[-1]) / half_life), others))
    return found


def _shares(
    days: Sequence[_Day],
    cell_of: Callable[[_Ways], Ints],
    around: Sequence[Floats],
    evidence: float,
) -> Iterator[tuple[Floats, Mask]]:
    """(cells, _STEPS) share of each cell's parcels that arrive within so many steps, by day.

    And (cells,) whether the day knew any parcel of it. The product-limit estimate (Kaplan & Meier
    1958), to whose parcels `evidence` of the share around, (cells, _STEPS), are added.
    """
    size = len(around[0])
    so_far = np.zeros((size, _STEPS))
    for day, theirs in zip(days, around, strict=True):
        so_far += day.come.counted(cell_of(day.come), size)
        cell, over = cell_of(day.others), day.others.arrived
        each = [
            day.others.take(rows).counted(cell[rows], size)
            for rows in (np.flatnonzero(over), np.flatnonzero(~over))
        ]
        arrived = so_far * day.grown + each[0]
        all_of_them = arrived + each[1]
        still = np.cumsum(all_of_them[:, ::-1], axis=1)[:, ::-1] + evidence
        still[:, 1:] -= evidence * theirs[:, :-1]
        come = arrived + evidence * np.diff(theirs, axis=1, prepend=0.0)
        hazard = np.divide(come, still, out=np.zeros_like(still), where=still > ROUNDING)
        share = 1.0 - np.cumprod(1.0 - np.minimum(hazard, 1.0), axis=1)
        yield np.asarray(share), np.asarray(all_of_them.any(axis=1))


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
    return _ways_on(encoder, requests, outcomes, half_life, [outcomes.as_of_day])[0]


def _ways_on(
    encoder: Encoder, requests: Requests, outcomes: Outcomes, half_life: float, on: Sequence[int]
) -> list[NDArray[np.float32]]:
    """As `shortest_ways`, by what was known on each of some ascending days."""
    names = encoder.level_names
    starts = np.concatenate([[0], np.cumsum(encoder.sizes)])
    found = [np.full((starts[-1], 7), NOT_TOLD, np.float32) for _ in on]
    days = _days(encoder, requests, outcomes, half_life, on)
    around = [np.zeros((1, _STEPS)) for _ in on]
    parent = np.zeros(len(requests), np.int64)
    for name in _TOLD[:-1]:
        level = names.index(name)
        codes = requests.codes[:, level].astype(np.int64)
        above = _first_of(codes, parent, len(encoder.indexes[level]))
        shares = _shares(
            days, _cell_by(codes), [each[above] for each in around], PRIORS.shortest_way
        )
        around = []
        for ways, (share, there) in zip(found, shares, strict=True):
            ways[starts[level] + np.flatnonzero(there)] = _STEP * _rare(share[there])[:, None]
            around.append(share)
        parent = codes
    level = names.index(_TOLD[-1])
    codes, size = requests.codes[:, level].astype(np.int64), len(encoder.indexes[level])
    above = _first_of(codes, parent, size)
    clock = _first_of(codes, requests.clock, size)
    for lanes, some in _some_lanes(days, codes, size):
        _add_lanes(
            found, some, codes, lanes, starts[level], [each[above[lanes]] for each in around]
        )
    for ways in found:
        told = ways[starts[level] : starts[level] + size]
        ordered = np.flatnonzero(told[:, 0] >= 0)
        told[ordered] = _in_order(encoder, clock[ordered], told[ordered])
    return found


def _add_lanes(
    found: Sequence[NDArray[np.float32]],
    days: Sequence[_Day],
    codes: Ints,
    lanes: slice,
    start: int,
    around: Sequence[Floats],
) -> None:
    """Write the ways of some lanes, and of their weekdays.

    Args:
        found: of each day.
        days: of the lanes' parcels.
        codes: (n,) the lanes of all parcels.
        lanes: which they are.
        start: the row of the first of all lanes.
        around: of each day, (lanes, _STEPS).
    """

    def lane(ways: _Ways) -> Ints:
        place: Ints = codes[ways.row] - lanes.start
        return place

    size = len(around[0])
    every = [lane(ways) * 7 + ways.weekday for day in days for ways in (day.come, day.others)]
    there, cell = _cells(np.concatenate(every), size * 7)
    row = start + lanes.start + there // 7
    shares = list(_shares(days, lane, around, PRIORS.shortest_way))
    by_weekday = _shares(
        days,
        lambda ways: cell[lane(ways) * 7 + ways.weekday],
        [share[there // 7] for share, _ in shares],
        PRIORS.shortest_way_weekday,
    )
    for ways, (share, told), (daily, on_that_day) in zip(found, shares, by_weekday, strict=True):
        ways[start + lanes.start + np.flatnonzero(told)] = _STEP * _rare(share[told])[:, None]
        ways[row[on_that_day], there[on_that_day] % 7] = _STEP * _rare(daily[on_that_day])


def _some_lanes(days: Sequence[_Day], codes: Ints, size: int) -> Iterator[tuple[slice, list[_Day]]]:
    """So many lanes at once, and what the days knew of their parcels."""
    blocks = -(-size // _LANES_AT_ONCE)
    places = [
        [_by_number(codes[ways.row] // _LANES_AT_ONCE, blocks) for ways in (day.come, day.others)]
        for day in days
    ]
    for block in range(blocks):
        begin = block * _LANES_AT_ONCE
        yield (
            slice(begin, min(begin + _LANES_AT_ONCE, size)),
            [
                day.take(come[block], others[block])
                for day, (come, others) in zip(days, places, strict=True)
            ],
        )


def _cell_by(codes: Ints) -> Callable[[_Ways], Ints]:
    """Which cell a way counts in, where that is a code of its parcel, (n,)."""
    return lambda ways: codes[ways.row]


def _first_of(codes: Ints, values: NDArray[Any], size: int) -> NDArray[Any]:
    """(size,) of each code the value of its first parcel."""
    found = np.zeros(size, values.dtype)
    # Of places that are written several times the last one stays.
    found[codes[::-1]] = values[::-1]
    return found


def _cells(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """The codes below `size` that occur, and (size,) which of these each code is."""
    occurs = np.bincount(codes, minlength=size) > 0
    place: Ints = np.cumsum(occurs) - 1
    return np.flatnonzero(occurs), place


def _by_number(numbers: Ints, size: int) -> list[Ints]:
    """Positions by their number, ascending; numbers are small, and such are sorted quickly."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=size))[:-1])


def _rare(share: Floats) -> Ints:
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
) -> Floats:
    """(n,) the reading of each parcel's clock before which its date does not end.

    What native/quote.c does with one request.

    Args:
        encoder: of the requests.
        shortest: as of `shortest_ways`.
        requests: n parcels.
        horizon: days from the order of which the last that is worked is never before.
    """
    starts = np.concatenate([[0], np.cumsum(encoder.sizes)[:-1]])
    way, fetched = np.zeros(len(requests)), _soonest_pickup(requests)
    for codes, start in zip(requests.codes.T, starts, strict=True):
        told = shortest[start + codes, (fetched + 3) % 7]
        way = np.where(told >= 0, told, way)
    last = clock_reading(encoder, requests.clock, requests.order_day.astype(np.int64) + horizon)
    return np.minimum(clock_reading(encoder, requests.clock, fetched + 1) + way, last)


def soonest_as_known(
    encoder: Encoder,
    requests: Requests,
    outcomes: Outcomes,
    half_life: float,
    rows: Ints,
    horizon: int,
) -> Floats:
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
    spans = np.unique(span)
    if not len(spans):
        return found
    on = [int(each) * _KNOWN_FOR for each in spans]
    for each, ways in zip(spans, _ways_on(encoder, requests, outcomes, half_life, on), strict=True):
        some = span == each
        found[some] = soonest(encoder, ways, requests.take(rows[some]), horizon)
    return found


def _soonest_pickup(requests: Requests, rows: Any = slice(None)) -> Ints:
    delay = requests.numbers[rows, FETCHED].astype(np.int64)
    return np.asarray(requests.order_day[rows] + delay)


def clock_reading(encoder: Encoder, clock: NDArray[np.int32], day: Ints) -> Floats:
    """(n,) operational days before the start of each `day`."""
    clocks = encoder.clocks
    column = np.clip(day - clocks.first_day, 0, clocks.elapsed.shape[1] - 1)
    return np.asarray(clocks.elapsed[clock, column])
