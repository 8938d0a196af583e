"""Moments of parcels' journeys, and where they lie on the carrier's working clock.

A parcel is looked at when it was ordered, whenever a scan of it was received, and once a day at an
hour that differs from parcel to parcel, silent days included: as often as a batch run would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import MISSING, Floats, Ints
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zone_tables import local_from_utc
from etapromise.in_transit.states import ParcelScans, States

_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000
MOST_DAYS: Final = 60
"""Silent days that are looked at; those beyond say nothing that those before have not said."""


def snapshot_moments(scans: ParcelScans, until: Ints, hour: Floats) -> tuple[Ints, Ints]:
    """Parcels and moments to look at, ascending.

    Args:
        scans: of n parcels.
        until: (n,) microseconds; no moment at or after it.
        hour: (n,) a fixed number in [0, 1) for each parcel, which spreads the daily moments.

    Returns:
        (m,) parcels, (m,) microseconds since 1970 UTC.
    """
    day, every = _DAY * _MICROSECONDS, np.arange(len(scans))
    days = np.clip((until - scans.ordered) // day + 1, 0, MOST_DAYS)
    daily = np.repeat(every, days)
    count = np.arange(len(daily)) - np.repeat(np.cumsum(days) - days, days)
    # Another hour each day: the golden ratio spreads them evenly.
    turn = (hour[daily] + 0.6180339887498949 * count) % 1.0
    silent = scans.ordered[daily] // day * day + count * day + (turn * day).astype(np.int64)
    parcel = np.concatenate([every, scans.owners(), daily])
    moment = np.concatenate([scans.ordered, scans.received, silent])
    keep = (moment >= scans.ordered[parcel]) & (moment < until[parcel])
    parcel, moment = parcel[keep], moment[keep]
    order = np.lexsort((moment, parcel))
    parcel, moment = parcel[order], moment[order]
    new = np.ones(len(parcel), bool)
    new[1:] = (parcel[1:] != parcel[:-1]) | (moment[1:] != moment[:-1])
    return parcel[new], moment[new]


@dataclass(frozen=True)
class Positions:
    """Where m states lie in their destinations' local time and on their carriers' clocks.

    Attributes:
        clock: (m,) row of each one's clock.
        shift: (m,) microseconds to add for local time.
        today: (m,) local date of the moment, days since 1970-01-01.
        start: (m,) operational days before today.
        now: (m,) operational days before the moment itself.
    """

    clocks: Clocks
    clock: NDArray[np.int32]
    shift: Ints
    today: Ints
    start: Floats
    now: Floats

    @classmethod
    def of(
        cls, clocks: Clocks, clock: NDArray[np.int32], moment: Ints, zones: NDArray[Any]
    ) -> Positions:
        """Place moments.

        Args:
            clock: (m,) row of each one's clock.
            moment: (m,) microseconds since 1970 UTC.
            zones: (m,) IANA names of the destinations' zones.
        """
        second = moment // _MICROSECONDS
        local = local_from_utc(second, zones, clocks.first_day, clocks.last_day)
        shift = (local - second) * _MICROSECONDS
        today = np.floor_divide(local, _DAY)
        unplaced = cls(clocks, clock, shift, today, np.zeros(0), np.zeros(0))
        return cls(clocks, clock, shift, today, unplaced.before(today), unplaced.position(moment))

    def __len__(self) -> int:
        """How many."""
        return len(self.today)

    def before(self, day: Ints) -> Floats:
        """(m,) or (k, m) operational days before the start of local days of that shape."""
        elapsed = self.clocks.elapsed
        # np.clip takes three times as long where there is one look.
        column = np.minimum(np.maximum(day - self.clocks.first_day, 0), elapsed.shape[1] - 1)
        # One index is twice as fast as two.
        found: Floats = elapsed.ravel()[self.clock * np.int64(elapsed.shape[1]) + column]
        return found

    def day(self, moment: Ints) -> Ints:
        """(m,) local dates of other moments (m,); of `MISSING` ones something far away."""
        days: Ints = np.floor_divide(moment + self.shift, _DAY * _MICROSECONDS)
        return days

    def position(self, moment: Ints) -> Floats:
        """(m,) or (k, m) operational days before moments of that shape, NaN where `MISSING`."""
        there = moment != MISSING
        local = np.where(there, moment, 0) + self.shift
        day = local // (_DAY * _MICROSECONDS)
        part = (local - day * (_DAY * _MICROSECONDS)) / (_DAY * _MICROSECONDS)
        before = self.before(day)
        return np.where(there, before + (self.before(day + 1) - before) * part, np.nan)

    def silence(self, states: States, ordered: Ints) -> Floats:
        """(m,) operational days since the latest event, or, without any, since the order."""
        heard = np.where(states.last_scan == MISSING, ordered, states.last_scan)
        return np.maximum(self.now - self.position(heard), 0.0)
