"""Days, working calendars and clocks of a simulated network.

A day is the number of days since `Days.first`; a second is counted from midnight UTC of that day.
The truth must not share mistakes with the code that is measured against it, so nothing here is
taken from `etapromise.history`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.integer[Any]] | int
Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]

DAY = 86_400
HOUR = 3_600
BEYOND = 2**20  # a day after every other one: where a calendar has run out
LONGEST_STAGE = 40  # working days that one stage can add


@dataclass(frozen=True)
class Days:
    """The dates that a simulation speaks of: `count` days from `first` on."""

    first: dt.date
    count: int

    def number(self, when: dt.date) -> int:
        """Number of a date; negative before `first`."""
        return (when - self.first).days

    def date(self, number: int) -> dt.date:
        """The date with a number."""
        return self.first + dt.timedelta(days=int(number))

    def mask(self, start: dt.date, end: dt.date) -> Booleans:
        """True from `start` to the day before `end`, shape `(count,)`."""
        numbers = np.arange(self.count)
        return np.asarray((numbers >= self.number(start)) & (numbers < self.number(end)))

    def holidays(self, country: str, *, major_only: bool = False) -> Booleans:
        """True on a public holiday of a country, shape `(count,)`; major: 1 Jan and 25 Dec."""
        last = self.date(self.count - 1)
        found = holidays.country_holidays(country, years=range(self.first.year, last.year + 1))
        mask = np.zeros(self.count, dtype=np.bool_)
        for when in found:
            number = self.number(when)
            major = (when.month, when.day) in {(1, 1), (12, 25)}
            if 0 <= number < self.count and (major or not major_only):
                mask[number] = True
        return mask

    def working(self, week: Sequence[bool], closed: Booleans) -> Booleans:
        """True on the days of a working week (Monday first) that are not closed."""
        weekdays = (np.arange(self.count) + self.first.weekday()) % 7
        return np.asarray(np.array(week, dtype=np.bool_)[weekdays] & ~closed)


class CalendarBank:
    """Many working calendars in two arrays, so that rows of different calendars move at once.

    Args:
        working: True on working days, shape `(calendars, days)`.
    """

    def __init__(self, working: Booleans) -> None:
        calendars, days = working.shape
        self.working = working
        self._first_from = np.zeros((calendars, days + 1), dtype=np.int64)
        np.cumsum(working, axis=1, out=self._first_from[:, 1:])
        self._days = np.full((calendars, days + LONGEST_STAGE + 1), BEYOND, dtype=np.int64)
        for calendar in range(calendars):
            open_days = np.flatnonzero(working[calendar])
            self._days[calendar, : len(open_days)] = open_days

    def add(self, calendar: Numbers, day: Numbers, working_days: Numbers = 0) -> Integers:
        """The working day that comes `working_days` after the first one on or after `day`.

        The arguments broadcast. A day after the end of the calendar is `BEYOND`.
        """
        position = self._first_from[calendar, day] + np.asarray(working_days)
        return np.asarray(self._days[calendar, position], dtype=np.int64)


class Clocks:
    """Local time in the zones of a network, exact to the second, from a table of hours."""

    def __init__(self, days: Days, zones: Sequence[str]) -> None:
        hours = pd.date_range(pd.Timestamp(days.first, tz="UTC"), periods=days.count * 24, freq="h")
        self.zones = tuple(zones)
        self._offsets = np.empty((len(zones), len(hours)), dtype=np.int64)
        naive = hours.tz_localize(None)
        for number, zone in enumerate(zones):
            local = hours.tz_convert(zone).tz_localize(None)
            self._offsets[number] = (local - naive).total_seconds().to_numpy().astype(np.int64)

    def local(self, zone: Numbers, second: Integers) -> Integers:
        """UTC seconds to local wall-clock seconds."""
        hour = np.clip(second // HOUR, 0, self._offsets.shape[1] - 1)
        return np.asarray(second + self._offsets[zone, hour])

    def utc(self, zone: Numbers, day: Integers, second_of_day: Numbers) -> Integers:
        """Local date and wall-clock second (03:00 or later: after any clock change) to UTC.

        The offset is the one at 12:00 UTC, which is after the night's clock change in the
        Americas.
        """
        noon = np.clip(day * 24 + 12, 0, self._offsets.shape[1] - 1)
        seconds = day * DAY + np.asarray(second_of_day) - self._offsets[zone, noon]
        return np.asarray(seconds, dtype=np.int64)
