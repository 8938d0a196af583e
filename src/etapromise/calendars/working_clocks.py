"""Operational time: a clock that runs when a carrier delivers and stands still when it does not.

Durations are counted on this clock. A day's weight is how many parcels the carrier delivers on such
a day relative to its ordinary working day: 1 on a working day, 0 on a Sunday without deliveries, in
between on a Saturday with few. A distribution over operational time, read through the clock, puts
no probability on a closed day, and a long weekend or a holiday moves every date behind it by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.errors import ContractError
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    StoredValues,
)

HOLIDAY_KINDS: Final = 4
"""Wide and narrow ones, and where it was seen: kept by most carriers, worked by most."""
WIDE, NARROW, KEPT, WORKED = 1, 2, 3, 4

# Of a country whose trade works on many public holidays, those that it keeps (service calendars of
# UPS and FedEx, 2024); any other of its holidays is a narrow one, as those of a single state are.
_TRADE_KEEPS: Final = {
    "US": {
        "New Year's Day",
        "Memorial Day",
        "Independence Day",
        "Labor Day",
        "Thanksgiving Day",
        "Christmas Day",
    }
}

# Days of calendar before the first order: its local date may be another one.
CALENDAR_BEFORE: Final = 2
_SEPARATOR: Final = "\x1f"
# Of the clocks' elapsed table, which is made of the arrays: two gigabytes of them.
_MOST_CELLS: Final = 2**28
_MOST_KEYS: Final = 2**24
_WEIGHT: Final = 1e3
# Closed days in a row on which parcels go on: after that, those that could have arrived. And days
# that are looked back on for them.
_MOST_CLOSED: Final = 3
_LONGEST_CLOSED: Final = 10
_LAYOUT: Final = ArrayLayout(
    weeks=Array("float64", "services", 7, low=0.0, high=_WEIGHT),
    holidays=Array("uint8", "calendars", "days", high=HOLIDAY_KINDS),
    holiday_weights=Array("float64", "services", HOLIDAY_KINDS, low=0.0, high=_WEIGHT),
    place_weeks=Array("bool", "calendars", 7),
    special_days=Array("int64", "special", 5),
    region_weeks=Array("float64", "regions", 9, low=0.0, high=float(_MOST_KEYS)),
    new_weeks=Array("float64", "changes", 9, low=0.0, high=float(_MOST_KEYS)),
    closed_progress=Array("float64", "services", low=0.0, high=1.0),
)


@dataclass(frozen=True, kw_only=True)
class Clocks(ArrayRecord):
    """One clock for each service and holiday calendar that was seen.

    Attributes:
        first_day: the first day of the tables, days since 1970-01-01.
        services: service keys (level "service"); row 0 of `weeks` is any other.
        weeks: (services + 1, 7) weight of Monday … Sunday.
        calendars: place keys, country or country and region, or these and a destination that has a
            week of its own; row 0 of `holidays` is any other.
        holidays: (calendars + 1, days) uint8: 0 no public holiday, 1 a wide one, of the whole
            country, 2 a narrow one, of the region only or of the state's offices more than of
            trade; of those seen, 3 one that most carriers keep, 4 one that most work on.
        holiday_weights: (services + 1, 4) factor on the weekday's weight on each kind of holiday.
        place_weeks: (calendars + 1, 7) whether anybody delivers there on Monday … Sunday; by
            default everywhere on every day.
        special_days: (k, 5) service row, calendar row (-1 is every one), first and last day (days
            since 1970-01-01) and per cent of an ordinary day: 0 where nothing is delivered then,
            more where the week says otherwise.
        region_weeks: (k, 9) service row, calendar row, and the weights there of Monday … Sunday,
            where a service's week is another one than elsewhere.
        new_weeks: (k, 9) service row, a day (since 1970-01-01), and the weights of Monday … Sunday
            from that day on, where a service changed its week.
        closed_progress: (services + 1,) 0 to 1, the share of a working day by which parcels go on
            on a weekend or holiday without deliveries, and by what is left on a day that is worked
            in part; by default 0. A special day closes all.
    """

    LAYOUT: ClassVar = _LAYOUT

    first_day: int
    services: tuple[str, ...]
    weeks: Floats
    calendars: tuple[str, ...]
    holidays: NDArray[np.uint8]
    holiday_weights: Floats
    place_weeks: Mask = field(default_factory=lambda: np.ones((0, 7), dtype=bool))
    special_days: Ints = field(default_factory=lambda: np.zeros((0, 5), np.int64))
    region_weeks: Floats = field(default_factory=lambda: np.zeros((0, 9)))
    new_weeks: Floats = field(default_factory=lambda: np.zeros((0, 9)))
    closed_progress: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """By default no place has a week of its own, and parcels stand still on closed days."""
        if not len(self.closed_progress):
            object.__setattr__(self, "closed_progress", np.zeros(len(self.weeks)))
        if not len(self.place_weeks):
            every = np.ones((len(self.holidays), 7), dtype=bool)
            object.__setattr__(self, "place_weeks", every)

    @cached_property
    def elapsed(self) -> Floats:
        """((services + 1) * (calendars + 1), days + 1) operational days before each day's start.

        Counted from first_day. A place's week goes before days on which a carrier delivers for
        once; days on which nothing is delivered go before all.
        """
        weight, going_on = self._weights()
        worked = weight * self._lengths(weight, going_on)
        worked = worked.reshape(-1, worked.shape[2])
        elapsed = np.zeros((len(worked), worked.shape[1] + 1))
        np.cumsum(worked, axis=1, out=elapsed[:, 1:])
        elapsed.flags.writeable = False
        return elapsed

    def lengths(self) -> Floats:
        """(rows of `elapsed`, days) how long each day is if it is worked in full: mostly 1."""
        lengths = self._lengths(*self._weights())
        return lengths.reshape(-1, lengths.shape[2])

    def _lengths(self, weight: Floats, going_on: Mask) -> Floats:
        """A day, and how far parcels had gone on that no earlier day delivered."""
        lengths = np.ones_like(weight)
        # One service at a time: the tables of many are large.
        for row in np.flatnonzero(self.closed_progress).tolist():
            share, open_ = self.closed_progress[row], np.clip(weight[row], 0.0, 1.0)
            left = _left_over(open_, share * (1.0 - open_) * going_on[row])
            lengths[row] += np.minimum(left, _MOST_CLOSED * share)
        for row, own, around in self._places_apart():
            # While only the place is closed, parcels go on as they do to those around it.
            share, there = self.closed_progress[row], np.clip(weight[row, own], 0.0, 1.0)
            region = np.clip(weight[row, around], 0.0, 1.0)
            added = np.clip(region - there, 0.0, 1.0) + share * (1.0 - np.maximum(region, there))
            left = _left_over(there, added * going_on[row, own])
            lengths[row, own] = 1.0 + np.minimum(left, _MOST_CLOSED)
        return lengths

    def _places_apart(self) -> Iterator[tuple[int, Ints, Ints]]:
        """By service the rows of destinations where it has its own week, and of their regions."""
        if not any(is_place(key) for key in self.calendars):
            return
        rows = self.indexes()[1]
        around = np.array([0, *(rows[_around(key)] for key in self.calendars)])
        service, calendar = self.region_weeks[:, :2].astype(np.int64).T
        alone = around[calendar] != calendar
        for row in np.unique(service[alone]).tolist():
            own = np.unique(calendar[alone & (service == row)])
            yield row, own, around[own]

    def _weights(self) -> tuple[Floats, Mask]:
        """(services + 1, calendars + 1, days) weights of days, and on which parcels go on."""
        first_day, weeks, holidays = self.first_day, self.weeks, self.holidays
        special_days = self.special_days
        days = holidays.shape[1]
        # 1970-01-01 was a Thursday.
        weekday = (first_day + np.arange(days) + 3) % 7
        factors = np.concatenate([np.ones((len(weeks), 1)), self.holiday_weights], axis=1)
        weight = weeks[:, None, :][:, :, weekday] * factors[:, holidays]
        for service, first, *week in self.new_weeks.tolist():
            row, since = int(service), slice(max(int(first) - first_day, 0), None)
            weight[row, :, since] = (
                np.array(week)[weekday[since]] * factors[row][holidays[:, since]]
            )
        for service, calendar, *week in self.region_weeks.tolist():
            row, place = int(service), int(calendar)
            weight[row, place] = np.array(week)[weekday] * factors[row, holidays[place]]
        closed = special_days[:, 4] == 0
        for one in special_days[~closed].tolist():
            weight[_cells(one, first_day)] = one[4] / 100.0
        weight *= self.place_weeks[None, :, weekday]
        going_on = np.ones_like(weight, dtype=bool)
        for one in special_days[closed].tolist():
            weight[_cells(one, first_day)] = 0.0
            going_on[_cells(one, first_day)] = False
        return weight, going_on

    @classmethod
    def stored(cls, part: StoredPart, values: StoredValues) -> Clocks:
        """The clocks of a model's files."""
        services, calendars = (values.texts(name, _MOST_KEYS) for name in ("services", "calendars"))
        first_day = values.whole("first_day", EARLIEST_DAY, LATEST_DAY)
        for name, keys, parts in (("services", services, (2, 3)), ("calendars", calendars, (2, 3))):
            strange = [key for key in keys if key.count(_SEPARATOR) + 1 not in parts]
            if strange:
                values.refuse(name, strange[0], "keys of a carrier and service, or of a place")
        known = set(calendars)
        alone = [key for key in calendars if _around(key) not in known]
        if alone:
            values.refuse("calendars", alone[0], "a key of the region around each place")
        arrays = part.read(_LAYOUT, services=len(services) + 1, calendars=len(calendars) + 1)
        days = arrays["holidays"].shape[1]
        if not 1 <= days <= LATEST_DAY - first_day:
            part.refuse("holidays", f"{days} days", f"1 to {LATEST_DAY - first_day}")
        if len(arrays["weeks"]) * len(arrays["holidays"]) * (days + 1) > _MOST_CELLS:
            part.refuse("holidays", "tables too large for memory", f"{_MOST_CELLS} cells at most")
        rows = (len(services), len(calendars))
        for name, most in (("region_weeks", rows), ("new_weeks", (len(services), LATEST_DAY))):
            found = arrays[name]
            if (
                np.any(found[:, :2] > most)
                or np.any(found[:, :2] % 1)
                or np.any(found[:, 2:] > _WEIGHT)
            ):
                part.refuse(name, "rows or weights that there are not", f"rows to {most}")
        require_special(part, "special_days", arrays["special_days"], rows)
        return cls(first_day=first_day, services=services, calendars=calendars, **arrays)

    @property
    def last_day(self) -> int:
        """The last day of the tables, days since 1970-01-01."""
        return self.first_day + int(self.holidays.shape[1]) - 1

    @property
    def first_order_day(self) -> int:
        """The first UTC day of orders whose local dates are in the tables wherever they are."""
        return self.first_day + CALENDAR_BEFORE

    def works_seldom(self, days: float) -> bool:
        """Whether some service works on fewer days a week, somewhere at least."""
        weeks = (self.weeks[1:], self.region_weeks[:, 2:], self.new_weeks[:, 2:])
        return bool((np.concatenate(weeks).sum(axis=1) < days).any())

    def indexes(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Rows by service key and by calendar key."""
        return (
            {key: row for row, key in enumerate(self.services, start=1)},
            {key: row for row, key in enumerate(self.calendars, start=1)},
        )

    def row(self, service_row: int, calendar_row: int) -> int:
        """The row of `elapsed` of a service under a holiday calendar."""
        return service_row * len(self.holidays) + calendar_row

    def require_days(self, first: int, last: int) -> None:
        """Refuse days outside the tables."""
        if first < self.first_day or last > self.last_day:
            found = first if first < self.first_day else last
            raise ContractError(
                f"Found the date {np.datetime64(found, 'D')}; this model's calendars cover "
                f"{np.datetime64(self.first_day, 'D')} to {np.datetime64(self.last_day, 'D')}. "
                "Check the order time, or train or refresh the model."
            )


def is_place(key: str) -> bool:
    """Whether a key is of a destination within a region."""
    return key.count(_SEPARATOR) > 1


def _around(key: str) -> str:
    """The key of the region around a place, from that of the place."""
    return _SEPARATOR.join(key.split(_SEPARATOR)[:2])


def _left_over(open_: Floats, added: Floats) -> Floats:
    """(..., days) how far parcels had gone on that no day before this one delivered.

    Of what could have come on a day that is worked by two fifths, three fifths are left.

    Args:
        open_: (..., days) 0 to 1, how much of a working day each is.
        added: (..., days) how far parcels go on on each that it does not deliver itself.
    """
    left, still = np.zeros_like(open_), np.ones_like(open_)
    for back in range(1, min(_LONGEST_CLOSED, open_.shape[-1] - 1) + 1):
        left[..., back:] += still[..., back:] * added[..., :-back]
        still[..., back:] *= 1.0 - open_[..., :-back]
        if not still[..., back:].any():
            break
    return left


def _cells(special: Sequence[int], first_day: int) -> tuple[slice | int, ...]:
    """The cells of a table of weights (services, calendars, days) that a special day is about."""
    *rows, first, last, _ = special
    days = slice(max(first - first_day, 0), max(last - first_day + 1, 0))
    return (*(slice(None) if row < 0 else row for row in rows), days)


def require_special(part: StoredPart, name: str, days: Ints, rows: Sequence[int]) -> None:
    """Refuse special days whose rows do not exist.

    Args:
        days: (k, r + 3) r rows, each -1 (every one) to its number, first and last day, per cent.
        rows: (r,) the last row of each.
    """
    low = (*(-1 for _ in rows), EARLIEST_DAY, EARLIEST_DAY, 0)
    if np.any(days < low) or np.any(days > (*rows, LATEST_DAY, LATEST_DAY, 100)):
        part.refuse(name, "a row, day or share out of range", f"rows from -1 to {tuple(rows)}")


def holiday_table(
    calendar_keys: Sequence[str],
    first_day: int,
    last_day: int,
    seen: Mapping[tuple[str, str], int] | None = None,
) -> NDArray[np.uint8]:
    """(calendars + 1, days) the kinds of holidays of `Clocks.holidays`; row 0 has none.

    Carriers keep wide holidays more often than narrow ones.

    Args:
        last_day: days since 1970-01-01, inclusive.
        seen: KEPT or WORKED by country and name of those of which it is known.
    """
    table = np.zeros((len(calendar_keys) + 1, last_day + 1 - first_day), np.uint8)
    for row, key in enumerate(calendar_keys, start=1):
        country, region, *_ = key.split(_SEPARATOR)
        everywhere = named_holidays(country, "", first_day, last_day)
        for day, name in named_holidays(country, region, first_day, last_day).items():
            # Two on one day have both names.
            kept = _TRADE_KEEPS.get(country, {name}) & {name, *name.split("; ")}
            unseen = WIDE if day in everywhere and kept else NARROW
            table[row, day - first_day] = (seen or {}).get((country, name), unseen)
    return table


@cache
def named_holidays(country: str, region: str, first_day: int, last_day: int) -> Mapping[int, str]:
    """Public holidays of a country and, where the region is one it has, of that region.

    Args:
        country: ISO 3166 code; a place that the `holidays` package does not know has none.
        last_day: days since 1970-01-01, inclusive.

    Returns:
        Names by days since 1970-01-01; a day off in place of a holiday has that one's name.
    """
    import holidays  # noqa: PLC0415 — slow to import, and not needed by a quote

    supported = holidays.list_supported_countries()
    if country not in supported:
        return {}
    subdivision = region if region in supported[country] else None
    first = np.datetime64(first_day, "D").astype("datetime64[Y]").astype(int) + 1970
    last = np.datetime64(last_day, "D").astype("datetime64[Y]").astype(int) + 1970
    dates = holidays.country_holidays(
        country, subdiv=subdivision, years=range(int(first), int(last) + 1)
    )
    found = {int(np.datetime64(date, "D").astype(int)): name for date, name in dates.items()}
    return {
        day: name.partition(" (")[0] for day, name in found.items() if first_day <= day <= last_day
    }


def row_of(rows: Mapping[str, int], key: str) -> int:
    """The clocks' row of a service or a place; for one never seen, that of its carrier or country.

    0, any other, where that has none either.
    """
    row = rows.get(key)
    if row is None:
        row = rows.get(key.partition(_SEPARATOR)[0] + _SEPARATOR, 0)
    return row
