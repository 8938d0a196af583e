"""A warehouse's clock: it runs on days on which parcels are handled and fetched.

What `clocks` is for deliveries. Handling times are counted on it from the day on which the
warehouse begins with an order, so that cut-offs, weekends, holidays and closures move a pick-up by
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from etapromise.array_types import Floats, Ints, with_rows
from etapromise.calendars.dispatch import A_WORKING_DAY, DISPATCH_LEVELS
from etapromise.calendars.working_clocks import row_of
from etapromise.encoding.requests import Encoder, Requests
from etapromise.lanes.levels import Level

PICKUP_LEVELS: Final = (*DISPATCH_LEVELS, Level("calendar", ("origin_country", "origin_region")))
"""What says on which days a warehouse's parcels are fetched."""


@dataclass(frozen=True)
class PickupDays:
    """The warehouses' clocks of n requests.

    Attributes:
        first_day: of the clocks, days since 1970-01-01.
        elapsed: (clocks, days + 1) working days before the start of each day.
        clock: (n,) row of `elapsed`.
        start: (n,) origin-local day on which the warehouse begins with the order at the earliest.
    """

    first_day: int
    elapsed: Floats
    clock: Ints
    start: Ints

    @classmethod
    def of_keys(
        cls, encoder: Encoder, keys: Sequence[tuple[Ints, Sequence[str]]], requests: Requests
    ) -> PickupDays:
        """Those of many shipments: their keys at PICKUP_LEVELS, and their requests (n,)."""
        *keys, (positions, places) = keys
        calendar_rows = encoder.clocks.indexes()[1]
        calendar = np.array([row_of(calendar_rows, key) for key in places], np.int64)[positions]
        return cls._of(encoder, encoder.dispatch.rows(keys).astype(np.int64), calendar, requests)

    @classmethod
    def _of(cls, encoder: Encoder, row: Ints, calendar: Ints, requests: Requests) -> PickupDays:
        clocks = encoder.clocks
        pairs, clock = np.unique(row * len(clocks.holidays) + calendar, return_inverse=True)
        elapsed = _worked(encoder, *np.divmod(pairs, len(clocks.holidays)))
        second = np.round(requests.numbers[:, 0] * 3600.0)
        start = encoder.dispatch.begin_days(
            *(np.asarray(part, np.int32) for part in (row, calendar, requests.order_day, second))
        )
        return cls(clocks.first_day, elapsed, clock, start)

    def worked(self, day: Ints) -> Floats:
        """(n,) or (n, k) working days from the start of each order's to the start of `day`."""
        last = self.elapsed.shape[1] - 1
        column = np.clip(day - self.first_day, 0, last)
        start = np.clip(self.start - self.first_day, 0, last)
        clock, start = (
            (self.clock, start) if day.ndim == 1 else (self.clock[:, None], start[:, None])
        )
        return np.asarray(np.maximum(self.elapsed[clock, column] - self.elapsed[clock, start], 0.0))

    def take(self, rows: Ints) -> PickupDays:
        """Those of some requests."""
        return with_rows(self, rows, "first_day", "elapsed")


@dataclass(frozen=True)
class WarehouseDays:
    """The days of one warehouse, under the holidays of its place.

    Attributes:
        first_day: of the tables, days since 1970-01-01.
        elapsed: (days + 1,) working days before the start of each day.
        is_open: (days,) 1 where it works, else 0.
        week: whether it works on Monday … Sunday, holidays aside.
        week_cut_offs: origin-local seconds of Monday … Sunday from which an order waits longer than
            before, ascending.
        dated_cut_offs: likewise of days since 1970-01-01 that have their own.
    """

    first_day: int
    elapsed: Floats
    is_open: bytes
    week: tuple[bool, ...]
    week_cut_offs: Sequence[Sequence[int]]
    dated_cut_offs: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, encoder: Encoder, row: int, calendar: int) -> WarehouseDays:
        """Those of a row of the dispatch calendars under a row of the clocks' holidays."""
        elapsed = _worked(encoder, np.array([row]), np.array([calendar]))[0]
        calendars = encoder.dispatch.calendars
        return cls(
            encoder.clocks.first_day,
            elapsed,
            (np.diff(elapsed) > A_WORKING_DAY).astype(np.uint8).tobytes(),
            tuple((calendars.weeks[row] > A_WORKING_DAY).tolist()),
            *calendars.cut_offs_of(row),
        )

    def cut_offs(self, day: int) -> Sequence[int]:
        """Origin-local seconds of its cut-offs on a day since 1970-01-01, ascending."""
        return self.dated_cut_offs.get(day, self.week_cut_offs[(day + 3) % 7])

    def open_on(self, day: int) -> bool:
        """Whether it works on a day, days since 1970-01-01."""
        return bool(self.is_open[min(max(day - self.first_day, 0), len(self.is_open) - 1)])


def _worked(encoder: Encoder, rows: Ints, places: Ints) -> Floats:
    """(k, days + 1) working days before each day's start, of k warehouses under holidays."""
    clocks, calendars = encoder.clocks, encoder.dispatch.calendars
    holidays = clocks.holidays[places]
    elapsed = np.zeros((len(rows), holidays.shape[1] + 1))
    share = calendars.shares(rows, holidays, clocks.first_day)
    np.cumsum(share, axis=1, out=elapsed[:, 1:])
    return elapsed
