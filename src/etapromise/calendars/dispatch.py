"""From the order to the pick-up: cut-offs, working weeks and handling days of warehouses.

A parcel ordered after its warehouse's cut-off, or on a day on which the warehouse is closed, begins
its way on a later day than one ordered an hour or a day before. The `lead` of an order is by how
many days of the carrier's clock its warehouse's calendar delays it: the expected reading of the
carrier's clock at the pick-up, less what it would read if every day were a working day and no order
came too late. Durations are counted from the order's date plus its lead, so that a Friday's late
order and a Monday's early one are the same to everything that learns from durations.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import with_rows
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks, require_special
from etapromise.lanes.levels import Level, stored_keys
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    StoredValues,
)

__all__ = [
    "A_WORKING_DAY",
    "DISPATCH_LEVELS",
    "NO_CUT_OFF",
    "Dispatch",
    "DispatchCalendars",
    "learn_dispatch",
]

NO_CUT_OFF: Final = 86_400
# Coarse to fine. Cut-offs hang on the service that was bought, and on the carrier's pick-up.
# Share of an ordinary day's pick-ups from which on a warehouse is said to work.
A_WORKING_DAY: Final = 0.25
DISPATCH_LEVELS: Final = tuple(
    Level("_".join(columns), ("origin_country", *columns))
    for columns in (
        ("origin_region",),
        ("origin",),
        ("origin", "service"),
        ("origin", "service", "carrier"),
    )
)
# Days that the kernel waits at most, LONGEST_WAIT of native/dispatch.c.
_LONGEST_WAIT: Final = 90
# Working days of handling that are told apart.
_LONGEST_HANDLING: Final = 15
# Pick-ups from which on a warehouse is described by its own.
_OWN_EVIDENCE: Final = 40
# A weekday with less than this share of a working day's pick-ups is closed: those are mis-scans.
_CLOSED_BELOW: Final = 0.05
_OPEN_ABOVE: Final = 0.35
# A holiday with less than the first share of the pick-ups expected is closed, with more than the
# second an ordinary day.
_HOLIDAY_CLOSED_BELOW: Final = 0.2
_ORDINARY_FROM: Final = 0.7
# A cut-off is believed when it explains this many times the variance of one parcel: the penalty of
# a searched change point (Yao 1988, with a few thousand orders).
_CUT_OFF_EVIDENCE: Final = 16.0
_HOURS: Final = 24
# The hours of a week are believed when they explain this many times the variance of one parcel more
# than a cut-off does, which may well be many small ones, and this share of what it leaves.
_HOURS_EVIDENCE: Final = 64.0
_HOURS_EXPLAIN: Final = 0.05
# Orders at night say nothing of a cut-off that a person would set.
_EARLIEST_CUT_OFF: Final = 6 * 3600
# Cut-offs that explain as much within this many variances of one parcel are not told apart.
_INDIFFERENT: Final = 4.0

_ROUNDING: Final = 1e-9
_LAYOUT: Final = ArrayLayout(
    cut_off=Array("int32", "rows", 7, low=0, high=NO_CUT_OFF),
    weeks=Array("float64", "rows", 7, low=0.0, high=1e3),
    holiday_weights=Array("float64", "rows", HOLIDAY_KINDS, low=0.0, high=1e3),
    handling=Array(
        *("float64", "rows", _LONGEST_HANDLING + 1),
        low=0.0,
        high=1.0 + _ROUNDING,
        order="ascending",
    ),
    special_days=Array("int64", "special", 4),
    rounds=Array("int64", "rounds", 4, low=0, high=(2**31, 6, NO_CUT_OFF, _LONGEST_WAIT)),
    dated_cut_offs=Array(
        "int64",
        "dated",
        4,
        low=(0, EARLIEST_DAY, 0, 0),
        high=(2**31, LATEST_DAY, NO_CUT_OFF, _LONGEST_WAIT),
    ),
    wait_row=Array("int32", "rows", low=0),
    wait=Array("float64", "waits", 7, _HOURS + 1, low=0.0, high=float(_LONGEST_WAIT)),
)
# Of the table of special days, which is made of the arrays; and what it has where there is none.
_MOST_CELLS: Final = 2**30
_AS_USUAL: Final = 255


@dataclass(frozen=True)
class DispatchCalendars(ArrayRecord):
    """What warehouses are known by: w rows, row 0 for every one never seen or seen too little.

    Attributes:
        cut_off: (w, 7) int32 local second of Monday … Sunday from which an order counts as the
            next day's; NO_CUT_OFF where there is none.
        weeks: (w, 7) share of an ordinary working day's pick-ups, Monday … Sunday, at most 1.
        holiday_weights: (w, 2) factor on the weekday's share on a holiday of either kind.
        handling: (w, 16) cumulative probability that the pick-up comes within 0, 1, … 15 working
            days after the start of the order's.
        special_days: (k, 4) row (-1 is every one), first and last day (days since 1970-01-01) and
            per cent of a working day: 0 where nobody works then, 100 where the week says otherwise.
            A later one goes before an earlier one.
        rounds: (k, 4) row, weekday, second and working days to wait: the cut-offs of the rows that
            have some which lead to a later day than others. An order takes the next one, or a later
            one that leads to an earlier day.
        dated_cut_offs: (k, 4) row, day since 1970-01-01, second and working days to wait: on that
            date they stand in for those of the weekday.
        wait_row: (w,) int32 where `wait` has a row's, from 1 on; 0 where cut-off and handling say
            it.
        wait: (d, 7, 25) working days from the start of an order's day to its pick-up, by weekday,
            at the start of each hour and the day's end, linear in between. A later order never
            waits for an earlier day.
    """

    LAYOUT: ClassVar = _LAYOUT

    cut_off: NDArray[np.int32]
    weeks: NDArray[np.float64]
    holiday_weights: NDArray[np.float64]
    handling: NDArray[np.float64]
    special_days: NDArray[np.int64]
    rounds: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    dated_cut_offs: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    wait_row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    wait: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 7, _HOURS + 1)))

    def __post_init__(self) -> None:
        """Where no row has waits, none need be named."""
        if not len(self.wait):
            object.__setattr__(self, "wait_row", np.zeros(len(self.cut_off), np.int32))

    def special(self, first_day: int, days: int) -> NDArray[np.uint8] | None:
        """(w, days) per cent of a working day, from `first_day` on; None if no day is special.

        255 where the week and the holidays say it.
        """
        if not len(self.special_days):
            return None
        table = np.full((len(self.cut_off), days), _AS_USUAL, np.uint8)
        for row, first, last, share in self.special_days.tolist():
            span = slice(max(first - first_day, 0), max(last - first_day + 1, 0))
            table[slice(None) if row < 0 else row, span] = share
        return table

    def shares(
        self,
        rows: NDArray[np.int64],
        holidays: NDArray[np.uint8],
        first_day: int,
    ) -> NDArray[np.float64]:
        """(k, days) the share of a working day that rows work on each day.

        Args:
            rows: (k,)
            holidays: (k, days) kinds of holidays, as `Clocks.holidays` has them.
            first_day: days since 1970-01-01.
        """
        days = holidays.shape[1]
        factors = np.concatenate([np.ones((len(rows), 1)), self.holiday_weights[rows]], axis=1)
        share = self.weeks[rows][:, (first_day + np.arange(days) + 3) % 7]
        share *= np.take_along_axis(factors, holidays.astype(np.int64), axis=1)
        special = self.special(first_day, days)
        if special is not None:
            share = np.where(special[rows] == _AS_USUAL, share, special[rows] / 100.0)
        return np.asarray(share)

    def cut_offs_of(self, row: int) -> tuple[list[list[int]], dict[int, list[int]]]:
        """A row's cut-offs: of Monday … Sunday, and of dates, which stand in for the weekday's.

        Local seconds of the day, ascending; dates are days since 1970-01-01.
        """
        own, dated = (table[table[:, 0] == row] for table in (self.rounds, self.dated_cut_offs))
        if len(own):
            week = [sorted(own[own[:, 1] == day, 2].tolist()) for day in range(7)]
        else:
            week = [
                [second] if second < NO_CUT_OFF else [] for second in self.cut_off[row].tolist()
            ]
        dates = {
            day: sorted(dated[dated[:, 1] == day, 2].tolist()) for day in set(dated[:, 1].tolist())
        }
        return week, dates

    @classmethod
    def unknown(cls) -> DispatchCalendars:
        """One row, which delays nothing."""
        handling = np.ones((1, _LONGEST_HANDLING + 1))
        handling[0, 0] = 0.0
        return cls(
            cut_off=np.full((1, 7), NO_CUT_OFF, np.int32),
            weeks=np.ones((1, 7)),
            holiday_weights=np.ones((1, HOLIDAY_KINDS)),
            handling=handling,
            special_days=np.zeros((0, 4), np.int64),
        )


class _DispatchStruct(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("cut_off", "weeks", "holiday_weights", "handling")),
        ("steps", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("holidays", "elapsed")),
        ("days", ctypes.c_int64),
        ("first_day", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("special", "round_start", "round_second")),
        *((name, ctypes.c_void_p) for name in ("round_wait", "dated_start", "dated_day")),
        *((name, ctypes.c_void_p) for name in ("dated_second", "dated_wait", "wait_row", "wait")),
    )


_begin_days = native.function(
    "etp_begin_days", None, native.POINTER, native.LONG, *[native.POINTER] * 5
)


class _LegStruct(ctypes.Structure):
    """`etp_leg` of native/dispatch.h."""

    _fields_ = (("clock", ctypes.c_int32), ("steps", ctypes.c_int32), ("days", ctypes.c_void_p))


_lead = native.function(
    "etp_lead", native.DOUBLE, native.POINTER, *[ctypes.c_int32] * 5, *[native.POINTER] * 2
)


class Dispatch:
    """Finds the lead of an order. Immutable; any number of threads may share one."""

    __slots__ = ("_alive", "_rows", "address", "calendars", "keys")

    def __init__(self, keys: Sequence[str], calendars: DispatchCalendars, clocks: Clocks) -> None:
        """Bind the tables.

        Args:
            keys: of the rows from 1 on, of any of `DISPATCH_LEVELS`.
            clocks: the carriers' clocks, and the public holidays.
        """
        self.keys = tuple(keys)
        self.calendars = calendars
        self._rows = {key: row for row, key in enumerate(self.keys, start=1)}
        arrays: dict[str, NDArray[Any]] = {
            "cut_off": np.ascontiguousarray(calendars.cut_off, np.int32),
            "weeks": np.ascontiguousarray(calendars.weeks, np.float64),
            "holiday_weights": np.ascontiguousarray(calendars.holiday_weights, np.float64),
            "handling": np.ascontiguousarray(calendars.handling, np.float64),
            "holidays": np.ascontiguousarray(clocks.holidays, np.uint8),
            "elapsed": np.ascontiguousarray(clocks.elapsed, np.float64),
        }
        special = calendars.special(clocks.first_day, clocks.holidays.shape[1])
        if special is not None:
            arrays["special"] = special
        if len(calendars.rounds):
            row, weekday, second, wait = calendars.rounds[np.lexsort(calendars.rounds.T[2::-1])].T
            counts = np.bincount(row * 7 + weekday, minlength=len(calendars.cut_off) * 7)
            arrays["round_start"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            arrays["round_second"] = second.astype(np.int32)
            arrays["round_wait"] = wait.astype(np.int32)
        if len(calendars.dated_cut_offs):
            dated = calendars.dated_cut_offs
            row, day, second, wait = dated[np.lexsort(dated.T[2::-1])].T
            counts = np.bincount(row, minlength=len(calendars.cut_off))
            arrays["dated_start"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            arrays["dated_day"] = day.astype(np.int32)
            arrays["dated_second"] = second.astype(np.int32)
            arrays["dated_wait"] = wait.astype(np.int32)
        if len(calendars.wait):
            arrays["wait_row"] = np.ascontiguousarray(calendars.wait_row, np.int32)
            arrays["wait"] = np.ascontiguousarray(calendars.wait, np.float64)
        struct = _DispatchStruct(
            steps=calendars.handling.shape[1] - 1,
            days=clocks.holidays.shape[1],
            first_day=clocks.first_day,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        self._alive = (arrays, struct)
        self.address = ctypes.addressof(struct)

    @classmethod
    def stored(cls, part: StoredPart, values: StoredValues, clocks: Clocks) -> Dispatch:
        """The calendars of a model's files.

        Raises:
            ModelFileError: they are not what they must be.
        """
        keys = stored_keys("the warehouses' calendars", values.texts("dispatch"), DISPATCH_LEVELS)
        arrays = part.read(_LAYOUT, rows=len(keys) + 1)
        require_special(part, "special_days", arrays["special_days"], (len(keys),))
        for name in ("rounds", "dated_cut_offs"):
            if np.any(arrays[name][:, 0] > len(keys)):
                part.refuse(name, "a row that there is not", f"{len(keys)} at most")
        if np.any(arrays["wait_row"] > len(arrays["wait"])):
            part.refuse("wait_row", "a row that there is not", f"{len(arrays['wait'])} at most")
        if len(arrays["special_days"]) and (len(keys) + 1) * clocks.holidays.shape[1] > _MOST_CELLS:
            part.refuse(
                "special_days", "tables too large for memory", f"{_MOST_CELLS} cells at most"
            )
        return cls(keys, DispatchCalendars(**arrays), clocks)

    @classmethod
    def unknown(cls, clocks: Clocks) -> Dispatch:
        """Delays nothing."""
        return cls((), DispatchCalendars.unknown(), clocks)

    def row(self, keys: Sequence[str]) -> int:
        """The row of an order by its keys at `DISPATCH_LEVELS`: the finest that has one."""
        rows = self._rows
        for key in reversed(keys):
            row = rows.get(key)
            if row is not None:
                return row
        return 0

    def rows(self, keys: Sequence[tuple[NDArray[np.int64], Sequence[str]]]) -> NDArray[np.int32]:
        """(n,) the rows of many orders; for each level positions into distinct keys, and those."""
        out = np.zeros(len(keys[0][0]), np.int32)
        for positions, distinct in keys:
            own = np.array([self._rows.get(key, 0) for key in distinct], np.int32)[positions]
            out = np.where(own > 0, own, out)
        return out

    def begin_days(
        self,
        rows: NDArray[np.int32],
        calendar: NDArray[np.int32],
        order_day: NDArray[np.int32],
        second: NDArray[np.int32],
    ) -> NDArray[np.int64]:
        """(n,) origin-local day on which each warehouse begins with an order at the earliest.

        Arguments as of `lead`, each (n,). Where it is closed on that day, it begins on its next
        working day.
        """
        out = np.empty(len(rows), np.int64)
        arrays = [
            np.ascontiguousarray(array, np.int32) for array in (rows, calendar, order_day, second)
        ]
        _begin_days(
            self.address, len(rows), *(array.ctypes.data for array in arrays), out.ctypes.data
        )
        return out

    def lead(
        self,
        row: int,
        calendar: int,
        order_day: int,
        second: int,
        clock: int,
        *,
        leg: tuple[int, NDArray[np.float64]] | None = None,
    ) -> float:
        """Operational days between an order's date and the date that it is as good as ordered on.

        Args:
            calendar: row of the clocks' holidays at the origin.
            order_day: origin-local date of the order, days since 1970-01-01.
            second: origin-local second of the day.
            clock: row of the clocks' elapsed table, of the carrier that delivers.
            leg: where another one fetches it, that one's clock, and (k,) P(0, 1, … of its working
                days from the pick-up to the hand-off). What its week does to its way is in the lead
                too: counted from there, durations are alike whatever the weekday.
        """
        way = None
        if leg is not None:
            days = np.ascontiguousarray(leg[1], np.float64)
            way = ctypes.byref(_LegStruct(leg[0], len(days) - 1, days.ctypes.data))
        asked = (row, calendar, order_day, second, clock, way, ctypes.byref(ctypes.c_double()))
        return float(_lead(self.address, *asked))

    def fetched(self, row: int, calendar: int, order_day: int, second: int) -> int:
        """Days from an order's date to the first by which more than one in ten are picked up.

        Arguments as of `lead`.
        """
        days = ctypes.c_double()
        _lead(self.address, row, calendar, order_day, second, 0, None, ctypes.byref(days))
        return int(days.value)


def learn_dispatch(
    *,
    keys: Sequence[tuple[NDArray[np.int64], Sequence[str]]],
    order_day: NDArray[np.int64],
    second: NDArray[np.int64],
    pickup_day: NDArray[np.int64],
    calendar: NDArray[np.int64],
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
    orders = _Orders(order_day, second, pickup_day, calendar, clocks.holidays, clocks.first_day)
    names: list[str] = []
    rows = [orders.described(None)]
    # Row of what is around each parcel: the network at first, then its key at each coarser level.
    around = np.zeros(len(order_day), np.int64)
    for positions, distinct in keys:
        counts = np.bincount(positions, minlength=len(distinct))
        by_key = np.argsort(positions, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        for place in np.flatnonzero(counts >= _OWN_EVIDENCE):
            members = by_key[starts[place] : starts[place + 1]]
            names.append(distinct[int(place)])
            rows.append(orders.take(members).described(rows[around[members[0]]]))
            around[members] = len(names)
    stacked = DispatchCalendars(
        *(
            np.concatenate([getattr(row, each.name) for row in rows])
            for each in fields(DispatchCalendars)
        )
    )
    numbered = np.where(stacked.wait_row > 0, np.cumsum(stacked.wait_row), 0)
    return Dispatch(names, replace(stacked, wait_row=numbered.astype(np.int32)), clocks)


@dataclass(frozen=True)
class _Orders:
    """Orders that were picked up; (n,), days since 1970-01-01; and the holidays of places."""

    order_day: NDArray[np.int64]
    second: NDArray[np.int64]
    pickup_day: NDArray[np.int64]
    calendar: NDArray[np.int64]
    holidays: NDArray[np.uint8]
    first_day: int

    def take(self, rows: NDArray[np.int64]) -> _Orders:
        return with_rows(self, rows, "holidays", "first_day")

    def described(self, around: DispatchCalendars | None) -> DispatchCalendars:
        """One row, shrunk towards that of what is around it, if that is given."""
        week = self._week(around)
        worked = _worked_days(week, self.order_day, self.pickup_day)
        inherited = NO_CUT_OFF if around is None else int(around.cut_off[0, 0])
        cut_off = _cut_off(week, self.order_day, self.second, worked, inherited)
        wait = _waits(week, self.order_day, self.second, worked, cut_off, around)
        if len(wait):
            cut_off = NO_CUT_OFF
        late = self.second >= cut_off
        handling = _worked_days(week, self.order_day + late, self.pickup_day)
        return DispatchCalendars(
            cut_off=np.full((1, 7), cut_off, np.int32),
            weeks=week[None, :],
            holiday_weights=self._holiday_weights(around),
            handling=_cumulative(handling, around)[None, :],
            special_days=np.zeros((0, 4), np.int64),
            wait_row=np.full(1, len(wait), np.int32),
            wait=wait,
        )

    def _week(self, around: DispatchCalendars | None) -> NDArray[np.float64]:
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

    def _holiday_weights(self, around: DispatchCalendars | None) -> NDArray[np.float64]:
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
                    observed[kinds[holiday] - 1] += counts[holiday]
                    expected[kinds[holiday] - 1] += counts[near].mean()
        usual = np.full(HOLIDAY_KINDS, 0.5) if around is None else around.holiday_weights[0]
        weights = shrunk(observed, expected, usual, PRIORS.warehouse_holidays)
        weights[weights < _HOLIDAY_CLOSED_BELOW] = 0.0
        weights[weights > _ORDINARY_FROM] = 1.0
        return weights[None, :]


def _worked_days(
    week: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Working days from the start of `first` to the start of `last`; at least 0."""
    through = np.concatenate([[0.0], np.cumsum(week)])

    def at(day: NDArray[np.int64]) -> NDArray[np.float64]:
        weeks, weekday = np.divmod(day + 3, 7)
        return np.asarray(weeks * through[7] + through[weekday])

    return np.asarray(np.maximum(at(last) - at(first), 0.0))


def _cut_off(
    week: NDArray[np.float64],
    order_day: NDArray[np.int64],
    second: NDArray[np.int64],
    worked: NDArray[np.float64],
    inherited: int,
) -> int:
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


def _waits(
    week: NDArray[np.float64],
    order_day: NDArray[np.int64],
    second: NDArray[np.int64],
    worked: NDArray[np.float64],
    cut_off: int,
    around: DispatchCalendars | None,
) -> NDArray[np.float64]:
    """(1, 7, 25) working days to the pick-up, or (0, 7, 25): a cut-off says it.

    Where handling goes on around the clock the pick-up moves with the hour, without a step. So the
    mean wait of each hour of the week, rising (isotonic regression, Barlow & Brunk 1972; it may be
    a step itself). A cut-off needs one number for it, and stands unless the hours explain clearly
    more.
    """
    none = np.zeros((0, 7, _HOURS + 1))
    inherited = none if around is None else around.wait
    if len(worked) < _OWN_EVIDENCE:
        return inherited
    worked = np.minimum(worked, np.quantile(worked, 0.9) + 1.0)
    day, hour = (order_day + 3) % 7, second // 3600
    works = week > 0.5
    if not works.any():
        return none
    # A step at the cut-off.
    stepped = worked - ((second >= cut_off) & works[day])
    by_day = np.bincount(day, stepped, 7) / np.maximum(np.bincount(day, minlength=7), 1)
    step_squares = float(((stepped - by_day[day]) ** 2).sum())
    count, total = np.zeros((7, _HOURS)), np.zeros((7, _HOURS))
    np.add.at(count, (day, hour), 1.0)
    np.add.at(total, (day, hour), worked)
    for usual in inherited:
        count += PRIORS.warehouse_hours
        total += PRIORS.warehouse_hours * (usual[:, :-1] + usual[:, 1:]) / 2.0
    waits = _rising(works, total, count)
    smooth_squares = float(((worked - waits[day, hour]) ** 2).sum())
    variance = max(smooth_squares / len(worked), 1e-3)
    gain = step_squares - smooth_squares
    if len(inherited):
        is_step = gain < -_CUT_OFF_EVIDENCE * variance
    else:
        is_step = gain < max(_HOURS_EVIDENCE * variance, _HOURS_EXPLAIN * step_squares)
    if is_step:
        return none
    return _at_hours(works, waits)[None]


def _rising(
    works: NDArray[np.bool_], total: NDArray[np.float64], count: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(7, 24) mean waits of which none ends before that of an earlier hour, over days and weeks.

    Args:
        works: (7,) working days: a wait from the next day on ends one later.
        total: (7, 24) sums of waits, counted from each day's start.
        count: (7, 24) how many; some hours may have none.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 — only training needs it

    before = np.concatenate([[0], np.cumsum(works)])
    told = np.flatnonzero(count)
    position = (total.ravel()[told] / count.ravel()[told]) + before[told // _HOURS]
    # The week goes round: the one in the middle of several has neighbours on both sides.
    weeks = np.arange(5)[:, None]
    rising = isotonic_regression(
        (position + weeks * before[7]).ravel(), weights=np.tile(count.ravel()[told], len(weeks))
    ).x
    hours = np.arange(7 * _HOURS)
    at = np.interp(hours + 2 * len(hours), (told + weeks * len(hours)).ravel(), rising)
    waits = at - 2 * before[7] - before[hours // _HOURS]
    return np.asarray(waits.reshape(7, _HOURS))


def _at_hours(works: NDArray[np.bool_], middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """(7, 25) at the start of each hour and the day's end, from those in the hours' middle."""
    edges = np.empty((7, _HOURS + 1))
    for day in range(7):
        before, after = (day - 1) % 7, (day + 1) % 7
        # Counted from the start of this day: a working day between two makes them one apart.
        start = middle[before, -1] - works[before]
        end = middle[after, 0] + works[day]
        row = np.concatenate([[start], middle[day], [end]])
        edges[day] = (row[:-1] + row[1:]) / 2.0
    return edges


def _neighbours(second: NDArray[np.int64], place: int) -> tuple[int, int]:
    """The orders that a cut-off at `place` lies between."""
    low = int(second[place - 1]) if place else 0
    high = int(second[place]) if place < len(second) else NO_CUT_OFF
    return low, high


def _cumulative(
    handling: NDArray[np.float64], around: DispatchCalendars | None
) -> NDArray[np.float64]:
    """(16,) P(handling is finished within 0, 1, … working days); the pick-up's day is its last."""
    steps = np.minimum(np.round(handling), _LONGEST_HANDLING - 1).astype(np.int64)
    counts = np.bincount(steps, minlength=_LONGEST_HANDLING).astype(np.float64)
    if around is not None:
        counts += PRIORS.warehouse * np.diff(around.handling[0])
    return np.asarray(np.concatenate([[0.0], np.cumsum(counts / counts.sum())]))
