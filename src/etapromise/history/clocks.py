"""Operational time: a clock that runs when a carrier delivers and stands still when it does not.

Durations are counted on this clock. A day's weight is how many parcels the carrier delivers on such
a day relative to its ordinary working day: 1 on a working day, 0 on a Sunday without deliveries, in
between on a Saturday with few. A distribution over operational time, read through the clock, puts no
probability on a closed day, and a long weekend or a holiday moves every date behind it by itself.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError

__all__ = ["Clocks", "holiday_days", "learn_clocks"]

# Parcels' worth of belief in the network's week before a service's own is believed.
_WEEK_EVIDENCE: Final = 40.0
# Parcels' worth of belief that a holiday is closed before deliveries on holidays are believed.
_HOLIDAY_EVIDENCE: Final = 8.0
# A day with less than this share of an ordinary day's deliveries is closed: those are mis-scans.
_CLOSED_BELOW: Final = 0.03
_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True)
class Clocks:
    """One clock for each service and holiday calendar that was seen.

    Attributes:
        first_day: the first day of the tables, days since 1970-01-01.
        services: service keys (level "service"); row 0 of `weeks` is any other.
        weeks: (services + 1, 7) weight of Monday … Sunday.
        calendars: place keys, country or country and region; row 0 of `holidays` is any other.
        holidays: (calendars + 1, days) whether the day is a public holiday.
        holiday_weights: (calendars + 1,) factor on the weekday's weight on a holiday.
        elapsed: ((services + 1) * (calendars + 1), days + 1) operational days before each day's
            start, counted from first_day.
    """

    first_day: int
    services: tuple[str, ...]
    weeks: NDArray[np.float64]
    calendars: tuple[str, ...]
    holidays: NDArray[np.bool_]
    holiday_weights: NDArray[np.float64]
    elapsed: NDArray[np.float64]

    @classmethod
    def build(
        cls,
        *,
        first_day: int,
        services: Sequence[str],
        weeks: NDArray[np.float64],
        calendars: Sequence[str],
        holidays: NDArray[np.bool_],
        holiday_weights: NDArray[np.float64],
    ) -> Clocks:
        """The tables of elapsed time from weeks and holidays."""
        days = holidays.shape[1]
        # 1970-01-01 was a Thursday.
        weekday = (first_day + np.arange(days) + 3) % 7
        factor = np.where(holidays, holiday_weights[:, None], 1.0)
        weight = weeks[:, None, :][:, :, weekday] * factor[None, :, :]
        elapsed = np.zeros((len(weeks) * len(holidays), days + 1))
        np.cumsum(weight.reshape(-1, days), axis=1, out=elapsed[:, 1:])
        elapsed.flags.writeable = False
        return cls(
            first_day=first_day,
            services=tuple(services),
            weeks=weeks,
            calendars=tuple(calendars),
            holidays=holidays,
            holiday_weights=holiday_weights,
            elapsed=elapsed,
        )

    @property
    def last_day(self) -> int:
        """The last day of the tables, days since 1970-01-01."""
        return self.first_day + self.holidays.shape[1] - 1

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
        """Refuse days outside the tables.

        Raises:
            ContractError: a day (days since 1970-01-01) is outside.
        """
        if first < self.first_day or last > self.last_day:
            found = first if first < self.first_day else last
            raise ContractError(
                f"Found the date {np.datetime64(found, 'D')}; this model's calendars cover "
                f"{np.datetime64(self.first_day, 'D')} to {np.datetime64(self.last_day, 'D')}. "
                "Check the order time, or train or refresh the model."
            )


def learn_clocks(
    *,
    service_keys: Sequence[str],
    service_positions: NDArray[np.int64],
    calendar_keys: Sequence[str],
    calendar_positions: NDArray[np.int64],
    event_day: NDArray[np.int64],
    first_day: int,
    last_day: int,
) -> Clocks:
    """Working weeks and holiday closures, as the delivered parcels show them.

    Args:
        service_keys: distinct service keys.
        service_positions: (n,) positions into them, one for each delivered parcel.
        calendar_keys: distinct place keys, "country" and "region" joined by U+001F.
        calendar_positions: (n,) positions into them.
        event_day: (n,) destination-local day of the event, days since 1970-01-01.
        first_day: first day of the tables, days since 1970-01-01.
        last_day: last day of the tables.
    """
    weekday = (event_day + 3) % 7
    counts = np.zeros((len(service_keys) + 1, 7))
    np.add.at(counts, (service_positions + 1, weekday), 1.0)
    counts[0] = counts[1:].sum(axis=0)
    network = (counts[0] + 1.0) / (counts[0] + 1.0).sum()
    shares = (counts + _WEEK_EVIDENCE * network) / (
        counts.sum(axis=1, keepdims=True) + _WEEK_EVIDENCE
    )
    # An ordinary day is the median of those with at least a third of the busiest one's parcels.
    busy = np.where(shares >= shares.max(axis=1, keepdims=True) / 3, shares, np.nan)
    weeks = shares / np.nanmedian(busy, axis=1, keepdims=True)
    weeks[weeks < _CLOSED_BELOW] = 0.0

    day = np.arange(first_day, last_day + 1)
    holidays = np.zeros((len(calendar_keys) + 1, len(day)), dtype=bool)
    weights = np.ones(len(calendar_keys) + 1)
    for row, key in enumerate(calendar_keys, start=1):
        country, region = key.split(_SEPARATOR)
        closed = holiday_days(country, region, first_day, last_day)
        holidays[row] = np.isin(day, closed)
        weights[row] = _holiday_weight(
            np.isin(event_day[calendar_positions == row - 1], closed).sum(),
            _expected_on(closed, event_day[calendar_positions == row - 1]),
        )
    return Clocks.build(
        first_day=first_day,
        services=service_keys,
        weeks=weeks,
        calendars=calendar_keys,
        holidays=holidays,
        holiday_weights=weights,
    )


def _expected_on(closed: NDArray[np.int64], event_day: NDArray[np.int64]) -> float:
    """Deliveries to expect on `closed` days if they were like the same weekday a week around."""
    if not len(event_day):
        return 0.0
    first = int(event_day.min())
    per_day = np.bincount(event_day - first, minlength=int(event_day.max()) - first + 1)
    expected = 0.0
    for day in closed:
        around = [int(day) + shift - first for shift in (-14, -7, 7, 14)]
        near = [per_day[i] for i in around if 0 <= i < len(per_day)]
        if near and 0 <= day - first < len(per_day):
            expected += float(np.mean(near))
    return expected


def _holiday_weight(observed: float, expected: float) -> float:
    weight = observed / (expected + _HOLIDAY_EVIDENCE)
    return 0.0 if weight < _CLOSED_BELOW else min(weight, 1.0)


def holiday_days(country: str, region: str, first_day: int, last_day: int) -> NDArray[np.int64]:
    """Public holidays of a country and, where the region is one it has, of that region.

    Args:
        country: ISO 3166 code; a place that the `holidays` package does not know has none.
        region: its subdivision's code, or anything else.
        first_day: days since 1970-01-01.
        last_day: days since 1970-01-01, inclusive.

    Returns:
        Sorted days since 1970-01-01.
    """
    import holidays  # noqa: PLC0415 — slow to import, and not needed by a quote

    supported = holidays.list_supported_countries()
    if country not in supported:
        return np.zeros(0, np.int64)
    subdivision = region if region in supported[country] else None
    first = np.datetime64(first_day, "D").astype("datetime64[Y]").astype(int) + 1970
    last = np.datetime64(last_day, "D").astype("datetime64[Y]").astype(int) + 1970
    dates = holidays.country_holidays(
        country, subdiv=subdivision, years=range(int(first), int(last) + 1)
    )
    days = np.array(sorted(np.datetime64(date, "D").astype(int) for date in dates), np.int64)
    return days[(days >= first_day) & (days <= last_day)]
