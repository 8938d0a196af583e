"""From the order to the pick-up: cut-offs, working weeks and handling days of warehouses.

A parcel ordered after its warehouse's cut-off, or on a day on which the warehouse is closed, begins
its way on a later day than one ordered an hour or a day before. The dispatch delay of an order
is by how many days of the carrier's clock its warehouse's calendar delays it: the expected reading
of the carrier's clock at the end of the day of the pick-up, less what it would read if every day
were a working day and no order came too late. (A parcel goes on from the day after its pick-up; so
to miss Friday's truck costs nothing where Saturday's leads to the same Monday.) Durations are
counted from the order's date plus this delay, so that a Friday's late order and a Monday's early
one are the same to everything that learns from durations.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks, require_special
from etapromise.lanes.levels import Level, stored_keys
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    StoredValues,
)

NO_CUT_OFF: Final = 86_400
A_WORKING_DAY: Final = 0.25
"""Share of an ordinary day's pick-ups from which on a warehouse is said to work."""
# Coarse to fine. Cut-offs hang on the service that was bought, and on the carrier's pick-up.
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
HOURS_A_DAY: Final = 24
LONGEST_HANDLING: Final = 15
"""Working days of handling that are told apart."""
_ROUNDING: Final = 1e-9
_LAYOUT: Final = ArrayLayout(
    cut_off=Array("int32", "rows", 7, low=0, high=NO_CUT_OFF),
    weeks=Array("float64", "rows", 7, low=0.0, high=1e3),
    holiday_weights=Array("float64", "rows", HOLIDAY_KINDS, low=0.0, high=1e3),
    handling=Array(
        *("float64", "rows", LONGEST_HANDLING + 1), low=0.0, high=1.0 + _ROUNDING, order="ascending"
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
    wait=Array("float64", "waits", 7, HOURS_A_DAY + 1, low=0.0, high=float(_LONGEST_WAIT)),
    missed=Array("float64", "waits", 7, low=0.0, high=1.0),
    soonest=Array("uint8", "waits", 7, HOURS_A_DAY, high=_LONGEST_WAIT),
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
        holiday_weights: (w, 4) factor on the weekday's share on each kind of holiday.
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
        missed: (d, 7) working days more from the weekday's cut-off on.
        soonest: (d, 7, 24) working days likewise, of each hour: one in ten at least is picked up
            by then, and none is reckoned with before.
    """

    LAYOUT: ClassVar = _LAYOUT

    cut_off: NDArray[np.int32]
    weeks: Floats
    holiday_weights: Floats
    handling: Floats
    special_days: Ints
    rounds: Ints = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    dated_cut_offs: Ints = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    wait_row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    wait: Floats = field(default_factory=lambda: np.zeros((0, 7, HOURS_A_DAY + 1)))
    missed: Floats = field(default_factory=lambda: np.zeros((0, 7)))
    soonest: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, 7, HOURS_A_DAY), np.uint8)
    )

    def waits_by_hour(self) -> float:
        """The share of the rows whose hours of the week tell the wait, and not a cut-off."""
        return float(np.mean(self.wait_row > 0))

    def __post_init__(self) -> None:
        """Where no row has waits, none need be named; by default no cut-off adds to them.

        Raises:
            ValueError: of other waits than there are it is told when orders are picked up the
                soonest, or what a cut-off costs; compiled code reads all by the same row.
        """
        if not len(self.wait):
            object.__setattr__(self, "wait_row", np.zeros(len(self.cut_off), np.int32))
        if not len(self.missed):
            object.__setattr__(self, "missed", np.zeros((len(self.wait), 7)))
        if not len(self.wait) == len(self.soonest) == len(self.missed):
            found = f"the soonest of {len(self.soonest)}, and the cut-offs of {len(self.missed)}"
            raise ValueError(f"{len(self.wait)} waits by hour, {found}")

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

    def shares(self, rows: Ints, holidays: NDArray[np.uint8], first_day: int) -> Floats:
        """(k, days) the share of a working day that rows work on each day.

        Args:
            holidays: (k, days) kinds of holidays, as `Clocks.holidays` has them.
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
        handling = np.ones((1, LONGEST_HANDLING + 1))
        handling[0, 0] = 0.0
        return cls(
            cut_off=np.full((1, 7), NO_CUT_OFF, np.int32),
            weeks=np.ones((1, 7)),
            holiday_weights=np.ones((1, HOLIDAY_KINDS)),
            handling=handling,
            special_days=np.zeros((0, 4), np.int64),
        )


class _DispatchStruct(ctypes.Structure):
    _fields_ = native.fields(
        "p cut_off weeks holiday_weights handling; l steps; p holidays elapsed; l days "
        "first_day; p special round_start round_second round_wait dated_start dated_day "
        "dated_second dated_wait wait_row wait missed soonest"
    )


_begin_days = native.function("etp_begin_days", "", "plppppp")


class Dispatch:
    """What the kernels find dispatch delays by. Immutable; any number of threads may share one."""

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
            arrays["missed"] = np.ascontiguousarray(calendars.missed, np.float64)
            arrays["soonest"] = np.ascontiguousarray(calendars.soonest, np.uint8)
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
        """The calendars of a model's files."""
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

    def rows(self, keys: Sequence[tuple[Ints, Sequence[str]]]) -> NDArray[np.int32]:
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
    ) -> Ints:
        """(n,) origin-local day on which each warehouse begins with an order at the earliest.

        Where it is closed on that day, it begins on its next working day.

        Args:
            rows: (n,) of the calendars.
            calendar: (n,) rows of the clocks' holidays at the origins.
            order_day: (n,) origin-local dates of the orders, days since 1970-01-01.
            second: (n,) origin-local seconds of the day.
        """
        out = np.empty(len(rows), np.int64)
        arrays = [
            np.ascontiguousarray(array, np.int32) for array in (rows, calendar, order_day, second)
        ]
        _begin_days(
            self.address, len(rows), *(array.ctypes.data for array in arrays), out.ctypes.data
        )
        return out
