"""Parcels in transit: how many could have arrived on each kind of day, and how many did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from etapromise.array_types import Floats, Ints, Mask, with_rows
from etapromise.calendars.working_clocks import HOLIDAY_KINDS, Clocks
from etapromise.shrinkage import PRIORS, shrunk

WEEKDAYS: Final = 7
KINDS: Final = WEEKDAYS + HOLIDAY_KINDS
"""The kinds of days: Monday … Sunday, then the kinds of holidays."""
# Working days on the way that are told apart, and calendar days that are looked at.
AGES: Final = 25
_LONGEST: Final = 45


@dataclass(frozen=True, kw_only=True)
class Transits:
    """Parcels in transit; all (n,), days since 1970-01-01.

    Attributes:
        service: positions into the service keys.
        calendar: positions into the calendar keys, of the destination.
        first_day: of the pick-up, or of the order where nobody scans pick-ups.
        last_day: of the event, or the last that has passed.
        arrived: whether the event was on the last day.
    """

    service: Ints
    calendar: Ints
    first_day: Ints
    last_day: Ints
    arrived: Mask

    def __len__(self) -> int:
        return len(self.service)

    def latest(self, count: int) -> Transits:
        """The `count` parcels sent last."""
        if len(self) <= count:
            return self
        return self.take(np.argsort(self.first_day, kind="stable")[-count:])

    def take(self, rows: Ints) -> Transits:
        """Some of them."""
        return with_rows(self, rows)

    def named_as(
        self, service_keys: Sequence[str], calendar_keys: Sequence[str], clocks: Clocks
    ) -> Transits:
        """Those that clocks know, with positions into the clocks' own keys."""
        services, places = clocks.indexes()
        service = np.array([services.get(key, 0) for key in service_keys], np.int64)[self.service]
        calendar = np.array([places.get(key, 0) for key in calendar_keys], np.int64)[self.calendar]
        known = (service > 0) & (calendar > 0) & (self.first_day >= clocks.first_day)
        own = replace(self, service=service - 1, calendar=calendar - 1)
        return own.take(np.flatnonzero(known))


@dataclass(frozen=True)
class _Day:
    """The parcels on their way so many days after their pick-up; all (r,).

    Attributes:
        rows: which parcels.
        date: days since 1970-01-01.
        since: working days since the end of the pick-up's.
        kind: of the day, Monday … Sunday, then the kinds of holidays.
        length: of the day if it is worked, in working days: it makes up for closed ones before.
        came: who arrived on it.
    """

    rows: Ints
    date: Ints
    since: Floats
    kind: Ints
    length: Floats
    came: Mask

    @property
    def age(self) -> Ints:
        """(r,) whole working days, the day of the pick-up apart."""
        return np.clip(np.floor(self.since).astype(np.int64) + 1, 0, AGES - 1)


def days_in_transit(transits: Transits, clocks: Clocks) -> Iterator[_Day]:
    """Day after day from the pick-up on, who is on the way."""
    clock = (transits.service + 1) * len(clocks.holidays) + transits.calendar + 1
    # From the end of the first day: whether a carrier that fetches on a Saturday delivers on it is
    # no part of the way.
    start = clocks.elapsed[clock, transits.first_day + 1 - clocks.first_day]
    lengths = clocks.lengths()
    for wait in range(_LONGEST):
        here = np.flatnonzero(transits.first_day + wait <= transits.last_day)
        if not len(here):
            break
        day = transits.first_day[here] + wait
        column = day - clocks.first_day
        since = clocks.elapsed[clock[here], column] - start[here]
        holiday = clocks.holidays[transits.calendar[here] + 1, column].astype(np.int64)
        yield _Day(
            rows=here,
            date=day,
            since=np.maximum(since, 0.0) if wait else since,
            kind=np.where(holiday > 0, WEEKDAYS - 1 + holiday, (day + 3) % 7),
            length=lengths[clock[here], column],
            came=transits.arrived[here] & (day == transits.last_day[here]),
        )


def risk_sets(transits: Transits, clocks: Clocks) -> tuple[Floats, Floats]:
    """(services, kinds, ages) parcels that might have arrived on a day, and those that did."""
    shape = (len(clocks.services), KINDS, AGES)
    at_risk, arrived = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    for day in days_in_transit(transits, clocks):
        cell = (transits.service[day.rows] * KINDS + day.kind) * AGES + day.age
        at_risk += np.bincount(cell, weights=day.length, minlength=len(at_risk))
        arrived += np.bincount(cell[day.came], minlength=len(arrived))
    return at_risk.reshape(shape), arrived.reshape(shape)


def arrival_hazard(clocks: Clocks, at_risk: Floats, arrived: Floats) -> Floats:
    """(services, ages) chance to arrive on an ordinary day."""
    usual_day = clocks.weeks.mean(axis=1, keepdims=True)
    weight = np.concatenate([clocks.weeks, clocks.holiday_weights * usual_day], axis=1)[1:]
    exposed = (at_risk * weight[:, :, None]).sum(axis=1)
    network_hazard = arrived.sum(axis=(0, 1)) / np.maximum(exposed.sum(axis=0), 1e-9)
    return shrunk(arrived.sum(axis=1), exposed, network_hazard, PRIORS.service_age)


def ordinary_arrivals(
    transits: Transits,
    clocks: Clocks,
    shape: tuple[int, ...],
    cells: Callable[..., tuple[Ints, ...]],
) -> tuple[Floats, Floats]:
    """(shape) arrivals to be expected of days that are no holidays, and those that came.

    Args:
        shape: the first axis is of the services, the last may leave days out that lie beyond it.
        cells: from parcels (r,), dates (r,) and weekdays (r,) to their places on the other axes.
    """
    hazard = arrival_hazard(clocks, *risk_sets(transits, clocks))
    expected, observed = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    for day in days_in_transit(transits, clocks):
        place = (transits.service[day.rows], *cells(day.rows, day.date, day.kind))
        told = (day.kind < WEEKDAYS) & (place[-1] < shape[-1])
        rows, cell = day.rows[told], np.ravel_multi_index([axis[told] for axis in place], shape)
        chance = hazard[transits.service[rows], day.age[told]] * day.length[told]
        expected += np.bincount(cell, weights=chance, minlength=len(expected))
        observed += np.bincount(cell[day.came[told]], minlength=len(observed))
    return expected.reshape(shape), observed.reshape(shape)


def arrivals_on_holidays(transits: Transits, clocks: Clocks) -> tuple[Floats, Floats]:
    """(calendars, days) arrivals to be expected of holidays if they were none, and those seen."""
    hazard = arrival_hazard(clocks, *risk_sets(transits, clocks))
    shape = (len(clocks.calendars), clocks.holidays.shape[1])
    expected, observed = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    for day in days_in_transit(transits, clocks):
        told = day.kind >= WEEKDAYS
        service, date = transits.service[day.rows[told]], day.date[told]
        cell = transits.calendar[day.rows[told]] * shape[1] + date - clocks.first_day
        chance = hazard[service, day.age[told]] * clocks.weeks[service + 1, (date + 3) % 7]
        expected += np.bincount(cell, weights=chance, minlength=len(expected))
        observed += np.bincount(cell[day.came[told]], minlength=len(observed))
    return expected.reshape(shape), observed.reshape(shape)
