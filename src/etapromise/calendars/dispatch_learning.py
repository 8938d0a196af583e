"""What the pick-ups show of warehouses: working weeks, cut-offs, hours that orders wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, with_rows
from etapromise.calendars.dispatch import (
    DISPATCH_LEVELS,
    HOURS_A_DAY,
    LONGEST_HANDLING,
    NO_CUT_OFF,
    Dispatch,
    DispatchCalendars,
)
from etapromise.calendars.handling_curves import HARDLY_EVER, MOST_WAITS, hourly_waits
from etapromise.calendars.waits_by_hour import WaitsByHour, rising
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks, holiday_table
from etapromise.shrinkage import PRIORS, shrunk

# The level at which a warehouse's hours are told apart from those of others.
_WAREHOUSE: Final = "origin"
# Pick-ups from which on a warehouse is described by its own.
_OWN_EVIDENCE: Final = 40
# … and by what others like it do.
_WAREHOUSE_EVIDENCE: Final = 12
# A weekday with less than this share of a working day's pick-ups is closed: those are mis-scans.
_CLOSED_BELOW: Final = 0.05
_OPEN_ABOVE: Final = 0.35
# A holiday with less than the first share of the pick-ups expected is closed, with more than the
# second an ordinary day: of a kind there are one or two at first, and days vary.
_HOLIDAY_CLOSED_BELOW: Final = 0.2
_ORDINARY_FROM: Final = 0.5
# A cut-off is believed when it explains this many times the variance of one parcel: the penalty of
# a searched change point (Yao 1988, with a few thousand orders).
_CUT_OFF_EVIDENCE: Final = 16.0
# The hours of a week are believed when they explain this many times the variance of one parcel more
# than a cut-off does, which may well be many small ones, and this share of what it leaves.
_HOURS_EVIDENCE: Final = 64.0
_HOURS_EXPLAIN: Final = 0.05
# By how much, as a logarithm, a cut-off has to explain the pick-ups better than hours do.
_STEP_GAIN: Final = 3.0
# Orders at night say nothing of a cut-off that a person would set.
_EARLIEST_CUT_OFF: Final = 6 * 3600
# Hours to either side whose pick-ups tell of the soonest, and how many of them do.
_HOURS_AROUND: Final = 2
_FEWEST_AROUND: Final = 8
# Picked up sooner by no more than this share, a pick-up is luck or a mistaken clock.
_EXCEPTIONS: Final = 0.03
# Cut-offs that explain as much within this many variances of one parcel are not told apart.
_INDIFFERENT: Final = 4.0


def learn_dispatch(
    *,
    keys: Sequence[tuple[Ints, Sequence[str]]],
    order_day: Ints,
    second: Ints,
    pickup_day: Ints,
    calendar: Ints,
    clocks: Clocks,
) -> Dispatch:
    """Working weeks, cut-offs and handling days as the pick-ups show them.

    Args:
        keys: for each of `DISPATCH_LEVELS` the (n,) positions of the parcels that were picked up
            into its distinct keys, and those.
        order_day: (n,) origin-local date of the order, days since 1970-01-01.
        second: (n,) origin-local second of the day of the order.
        pickup_day: (n,) origin-local date of the pick-up, days since 1970-01-01.
        calendar: (n,) row of the clocks' holidays at the origin.
    """
    if not len(order_day):
        return Dispatch.unknown(clocks)
    unseen = holiday_table(clocks.calendars, clocks.first_day, clocks.last_day)
    orders = _Orders(
        order_day=order_day,
        second=second,
        pickup_day=pickup_day,
        calendar=calendar,
        holidays=clocks.holidays,
        unseen=np.where(unseen, unseen, clocks.holidays),
        carriers=clocks.holiday_weights[0],
        first_day=clocks.first_day,
    )
    names: list[str] = []
    rows = [orders.described(None)]
    spread: list[NDArray[np.uint8] | None] = [None]
    # Row of what is around each parcel: the network at first, then its key at each coarser level.
    around = np.zeros(len(order_day), np.int64)
    for level, (positions, distinct) in zip(DISPATCH_LEVELS, keys, strict=True):
        counts = np.bincount(positions, minlength=len(distinct))
        by_key = np.argsort(positions, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        is_warehouse = level.name == _WAREHOUSE
        places = np.flatnonzero(counts >= (_WAREHOUSE_EVIDENCE if is_warehouse else _OWN_EVIDENCE))
        each = [by_key[starts[place] : starts[place + 1]] for place in places]
        wider = [(rows[place], spread[place]) for place in (around[one[0]] for one in each)]
        if is_warehouse and each:
            wider = _with_hours([orders.take(one) for one in each], [row for row, _ in wider])
        for place, members, (row, soonest) in zip(places, each, wider, strict=True):
            names.append(distinct[int(place)])
            rows.append(orders.take(members).described(row, soonest))
            spread.append(soonest)
            around[members] = len(names)
    stacked = DispatchCalendars(
        *(
            np.concatenate([getattr(row, each.name) for row in rows])
            for each in fields(DispatchCalendars)
        )
    )
    numbered = np.where(stacked.wait_row > 0, np.cumsum(stacked.wait_row), 0)
    return Dispatch(names, replace(stacked, wait_row=numbered.astype(np.int32)), clocks)


def _with_hours(
    warehouses: Sequence[_Orders], around: Sequence[DispatchCalendars]
) -> list[tuple[DispatchCalendars, NDArray[np.uint8] | None]]:
    """What is around each warehouse, but with the waits by hour that its own pick-ups tell.

    With each, (7, 24) its soonest pick-ups where hours tell them.
    """
    weeks = np.array([orders.week(wider) for orders, wider in zip(warehouses, around, strict=True)])
    parts = [
        (order.order_day, order.second, _worked_days(week, order.order_day, order.pickup_day))
        for order, week in zip(warehouses, weeks, strict=True)
    ]
    order_day, second, worked = (np.concatenate(column) for column in zip(*parts, strict=True))
    warehouse = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    hours = hourly_waits(warehouse, weeks > 0.5, order_day, second, worked)
    found: list[tuple[DispatchCalendars, NDArray[np.uint8] | None]] = []
    for number, (wider, week) in enumerate(zip(around, weeks, strict=True)):
        step = _step_log_likelihood(week, *parts[number], int(wider.cut_off.min()))
        if not (week > 0.5).any() or step > hours.log_likelihood[number] + _STEP_GAIN:
            found.append((wider, None))
            continue
        cut_off = _cut_off(week, *parts[number], int(wider.cut_off.min()))
        waits = WaitsByHour.told_by(week > 0.5, hours.mean[number], cut_off, parts[number])
        soonest = hours.soonest[number]
        own = _with_waits(wider, waits, soonest)
        found.append((own, soonest))
    return found


def _step_log_likelihood(
    week: Floats, order_day: Ints, second: Ints, worked: Floats, inherited: int
) -> float:
    """Of pick-ups some working days after a cut-off."""
    cut_off = _cut_off(week, order_day, second, worked, inherited)
    late = (second >= cut_off) & (week[(order_day + 3) % 7] > 0.5)
    days = np.clip(np.round(worked - late), 0, MOST_WAITS - 1).astype(np.int64)
    counts = np.bincount(days, minlength=MOST_WAITS)
    return float(counts @ np.log((counts + 0.5) / (counts.sum() + 0.5 * MOST_WAITS)))


@dataclass(frozen=True)
class _Orders:
    """Orders that were picked up; (n,), days since 1970-01-01; and the holidays of places."""

    order_day: Ints
    second: Ints
    pickup_day: Ints
    calendar: Ints
    holidays: NDArray[np.uint8]
    unseen: NDArray[np.uint8]  # the same before any was seen
    carriers: Floats  # (4,) factors on the kinds, by the network's deliveries
    first_day: int

    def take(self, rows: Ints) -> _Orders:
        return with_rows(self, rows, "holidays", "unseen", "carriers", "first_day")

    def described(
        self, around: DispatchCalendars | None, spread: NDArray[np.uint8] | None = None
    ) -> DispatchCalendars:
        """One row, shrunk towards that of what is around it, if that is given.

        Args:
            spread: (7, 24) the soonest pick-ups of its warehouse where they are known.
        """
        week = self.week(around)
        worked = _worked_days(week, self.order_day, self.pickup_day)
        inherited = NO_CUT_OFF if around is None else int(around.cut_off.min())
        cut_off = _cut_off(week, self.order_day, self.second, worked, inherited)
        hours = _waits(week, self.order_day, self.second, worked, cut_off, around)
        late = self.second >= cut_off if hours is None else 0
        handling = _worked_days(week, self.order_day + late, self.pickup_day)
        row = DispatchCalendars(
            cut_off=np.full((1, 7), cut_off, np.int32),
            weeks=week[None, :],
            holiday_weights=self._holiday_weights(around),
            handling=_cumulative(handling, around)[None, :],
            special_days=np.zeros((0, 4), np.int64),
        )
        if hours is None:
            return row
        # The mean is no floor: where waits vary, or have become shorter, many end before it.
        own = _soonest(self.order_day, self.second, worked) if spread is None else spread
        return _with_waits(row, hours, np.minimum(np.floor(hours.at_starts() + HARDLY_EVER), own))

    def week(self, around: DispatchCalendars | None) -> Floats:
        """(7,) share of an ordinary day that is worked, Monday … Sunday."""
        ordinary = self.holidays[self.calendar, self.pickup_day - self.first_day] == 0
        counts = np.bincount((self.pickup_day[ordinary] + 3) % 7, minlength=7).astype(float)
        if around is not None:
            usual = around.weeks[0]
            counts += PRIORS.warehouse * usual / usual.sum()
        busy = counts[counts >= counts.max() / 3]
        week = np.minimum(counts / max(float(np.median(busy)), 1e-9), 1.0)
        week[week < _CLOSED_BELOW] = 0.0
        # Orders are not spread evenly over the week, so fewer pick-ups are no shorter day.
        week[week > _OPEN_ABOVE] = 1.0
        return week

    def _holiday_weights(self, around: DispatchCalendars | None) -> Floats:
        """(1, kinds) pick-ups on holidays over those of the same weekdays before and after."""
        observed, expected = np.zeros(HOLIDAY_KINDS), np.zeros(HOLIDAY_KINDS)
        for calendar in np.unique(self.calendar):
            day = self.pickup_day[self.calendar == calendar] - self.first_day
            counts = np.bincount(day, minlength=self.holidays.shape[1]).astype(np.float64)
            kinds = self.holidays[calendar]
            for holiday in day.min() + np.flatnonzero(kinds[day.min() : day.max() + 1]):
                near = np.array([holiday - 14, holiday - 7, holiday + 7, holiday + 14])
                near = near[(near >= day.min()) & (near <= day.max())]
                near = near[kinds[near] == 0]
                if len(near):
                    # What is not seen yet is like those that were as wide.
                    for kind in {kinds[holiday], self.unseen[calendar, holiday]}:
                        observed[kind - 1] += counts[holiday]
                        expected[kind - 1] += counts[near].mean()
        usual = self.carriers if around is None else around.holiday_weights[0]
        weights = shrunk(observed, expected, usual, PRIORS.warehouse_holidays)
        weights[weights < _HOLIDAY_CLOSED_BELOW] = 0.0
        weights[weights > _ORDINARY_FROM] = 1.0
        return weights[None, :]


def _worked_days(week: Floats, first: Ints, last: Ints) -> Floats:
    """Working days from the start of `first` to the start of `last`; at least 0."""
    through = np.concatenate([[0.0], np.cumsum(week)])

    def at(day: Ints) -> Floats:
        weeks, weekday = np.divmod(day + 3, 7)
        return np.asarray(weeks * through[7] + through[weekday])

    return np.asarray(np.maximum(at(last) - at(first), 0.0))


def _cut_off(week: Floats, order_day: Ints, second: Ints, worked: Floats, inherited: int) -> int:
    """The second of the day that best parts orders of one day from those of the next.

    Least squares with one change point: later orders take one working day more. Where that does
    not clearly explain more than the `inherited` one, that stays.
    """
    # On a closed day nothing starts, however early the order.
    told = week[(order_day + 3) % 7] > 0.5
    second, worked = second[told], worked[told]
    if len(worked) < _OWN_EVIDENCE:
        return inherited
    worked = np.minimum(worked, np.quantile(worked, 0.9) + 1.0)
    order = np.argsort(second, kind="stable")
    second, worked = second[order], worked[order]
    n = len(worked)
    before = np.concatenate([[0.0], np.cumsum(worked)])
    late = n - np.arange(n + 1)
    # Sum of squares about the mean when the last `late` have one day taken off.
    total = before[-1] - late
    squares = (worked**2).sum() - 2.0 * (before[-1] - before) + late - total**2 / n
    squares[:n][second < _EARLIEST_CUT_OFF] = np.inf
    best = int(np.argmin(squares))
    variance = max(float(squares[best]) / n, 1e-3)
    place = n if inherited == NO_CUT_OFF else int(np.searchsorted(second, inherited))
    if squares[place] - squares[best] < _CUT_OFF_EVIDENCE * variance:
        return inherited
    # As good as the best, within what chance does: people set round times.
    near = np.flatnonzero(squares <= squares[best] + _INDIFFERENT * variance)
    low, high = _neighbours(second, int(near[0]))[0], _neighbours(second, int(near[-1]))[1]
    for step in (3600, 1800, 900, 300, 60):
        rounded = np.arange((low // step + 1) * step, high + 1, step)
        if len(rounded):
            fits = squares[np.searchsorted(second, rounded)]
            return int(rounded[np.argmin(fits)])
    return high


def _with_waits(row: DispatchCalendars, hours: WaitsByHour, soonest: Floats) -> DispatchCalendars:
    """The row, whose hours of the week tell the wait, and (7, 24) the soonest pick-ups."""
    return replace(
        row,
        cut_off=hours.cut_off[None],
        wait_row=np.ones(1, np.int32),
        wait=hours.edges[None],
        missed=hours.missed[None],
        soonest=soonest.astype(np.uint8)[None],
    )


def _waits(
    week: Floats,
    order_day: Ints,
    second: Ints,
    worked: Floats,
    cut_off: int,
    around: DispatchCalendars | None,
) -> WaitsByHour | None:
    """Working days to the pick-up by the hour of the week; None: a cut-off says it.

    Where handling goes on around the clock the pick-up moves with the hour, without a step. So the
    mean wait of each hour of the week. A cut-off needs one number for it, and stands unless the
    hours explain clearly more.
    """
    inherited = None
    if around is not None and len(around.wait):
        inherited = WaitsByHour(around.wait[0], around.cut_off[0], around.missed[0])
    if len(worked) < _OWN_EVIDENCE:
        return inherited
    worked = np.minimum(worked, np.quantile(worked, 0.9) + 1.0)
    day, hour = (order_day + 3) % 7, second // 3600
    works = week > 0.5
    if not works.any():
        return None
    # A step at the cut-off.
    stepped = worked - ((second >= cut_off) & works[day])
    by_day = np.bincount(day, stepped, 7) / np.maximum(np.bincount(day, minlength=7), 1)
    step_squares = float(((stepped - by_day[day]) ** 2).sum())
    count, total = np.zeros((7, HOURS_A_DAY)), np.zeros((7, HOURS_A_DAY))
    np.add.at(count, (day, hour), 1.0)
    np.add.at(total, (day, hour), worked)
    if inherited is not None:
        count += PRIORS.warehouse_hours
        total += PRIORS.warehouse_hours * inherited.by_hour()
    waits = rising(works, total, count)
    smooth_squares = float(((worked - waits[day, hour]) ** 2).sum())
    variance = max(smooth_squares / len(worked), 1e-3)
    gain = step_squares - smooth_squares
    if inherited is not None:
        is_step = gain < -_CUT_OFF_EVIDENCE * variance
    else:
        is_step = gain < max(_HOURS_EVIDENCE * variance, _HOURS_EXPLAIN * step_squares)
    if is_step:
        return None
    return WaitsByHour.told_by(works, waits, cut_off, (order_day, second, worked))


def _soonest(order_day: Ints, second: Ints, worked: Floats) -> NDArray[np.uint8]:
    """(7, 24) working days by which hardly any order of that hour and those around it is fetched.

    Where these are few, by that of the weekday; 0 where these are few, too.
    """
    steps = np.minimum(worked, MOST_WAITS - 1).astype(np.int64)
    cell = ((order_day + 3) % 7 * HOURS_A_DAY + second // 3600) * MOST_WAITS + steps
    counts = np.bincount(cell, minlength=7 * HOURS_A_DAY * MOST_WAITS)
    by_hour = counts.reshape(7, HOURS_A_DAY, MOST_WAITS)
    hours = np.arange(HOURS_A_DAY)
    around = (np.abs(hours[:, None] - hours) <= _HOURS_AROUND).astype(np.int64)
    near = np.einsum("gh,dhs->dgs", around, by_hour)
    few = near.sum(axis=2) < _FEWEST_AROUND
    near[few] = np.broadcast_to(by_hour.sum(axis=1, keepdims=True), near.shape)[few]
    total = near.sum(axis=2, keepdims=True)
    found = (np.cumsum(near, axis=2) <= _EXCEPTIONS * total).sum(axis=2)
    return np.where(total[:, :, 0] < _FEWEST_AROUND, 0, found).astype(np.uint8)


def _neighbours(second: Ints, place: int) -> tuple[int, int]:
    """The orders that a cut-off at `place` lies between."""
    low = int(second[place - 1]) if place else 0
    high = int(second[place]) if place < len(second) else NO_CUT_OFF
    return low, high


def _cumulative(handling: Floats, around: DispatchCalendars | None) -> Floats:
    """(16,) P(handling is finished within 0, 1, … working days); the pick-up's day is its last."""
    steps = np.minimum(np.round(handling), LONGEST_HANDLING - 1).astype(np.int64)
    counts = np.bincount(steps, minlength=LONGEST_HANDLING).astype(np.float64)
    if around is not None:
        counts += PRIORS.warehouse * np.diff(around.handling[0])
    return np.asarray(np.concatenate([[0.0], np.cumsum(counts / counts.sum())]))
