"""Operational time: a clock that runs when a carrier delivers and stands still when it does not.

Durations are counted on this clock. A day's weight is how many parcels the carrier delivers on such
a day relative to its ordinary working day: 1 on a working day, 0 on a Sunday without deliveries, in
between on a Saturday with few. A distribution over operational time, read through the clock, puts
no probability on a closed day, and a long weekend or a holiday moves every date behind it by
itself.

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
        holiday_weights: (services + 1,) factor on the weekday's weight on a holiday.
        place_weeks: (calendars + 1, 7) whether anybody delivers there on Monday … Sunday.
        blackouts: (k, 4) service row, calendar row (-1 is every one), first and last day, days
            since 1970-01-01: nothing is delivered there then.
        elapsed: ((services + 1) * (calendars + 1), days + 1) operational days before each day's
            start, counted from first_day.
    """

    first_day: int
    services: tuple[str, ...]
    weeks: NDArray[np.float64]
    calendars: tuple[str, ...]
    holidays: NDArray[np.bool_]
    holiday_weights: NDArray[np.float64]
    place_weeks: NDArray[np.bool_]
    blackouts: NDArray[np.int64]
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
        place_weeks: NDArray[np.bool_] | None = None,
        blackouts: NDArray[np.int64] | None = None,
    ) -> Clocks:
        """The tables of elapsed time; by default no place has a week of its own, nor blackouts."""
        if place_weeks is None:
            place_weeks = np.ones((len(holidays), 7), dtype=bool)
        if blackouts is None:
            blackouts = np.zeros((0, 4), np.int64)
        days = holidays.shape[1]
        # 1970-01-01 was a Thursday.
        weekday = (first_day + np.arange(days) + 3) % 7
        factor = np.where(holidays[None, :, :], holiday_weights[:, None, None], 1.0)
        weight = weeks[:, None, :][:, :, weekday] * factor
        weight *= place_weeks[None, :, weekday]
        for service, calendar, first, last in blackouts.tolist():
            rows = (slice(None) if row < 0 else row for row in (service, calendar))
            weight[(*rows, slice(max(first - first_day, 0), max(last - first_day + 1, 0)))] = 0.0
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
            place_weeks=place_weeks,
            blackouts=blackouts,
            elapsed=elapsed,
        )

    @property
    def last_day(self) -> int:
        """The last day of the tables, days since 1970-01-01."""
        return self.first_day + int(self.holidays.shape[1]) - 1

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
    for row, key in enumerate(calendar_keys, start=1):
        country, region = key.split(_SEPARATOR)
        holidays[row] = np.isin(day, holiday_days(country, region, first_day, last_day))
    return Clocks.build(
        first_day=first_day,
        services=service_keys,
        weeks=weeks,
        calendars=calendar_keys,
        holidays=holidays,
        holiday_weights=_holiday_weights(
            service_positions,
            len(service_keys),
            holidays[calendar_positions + 1, event_day - first_day],
            _usual_on_holidays(
                service_positions, calendar_positions, event_day - first_day, holidays
            ),
        ),
    )


def _usual_on_holidays(
    service: NDArray[np.int64],
    calendar: NDArray[np.int64],
    event: NDArray[np.int64],
    holidays: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(services,) deliveries to expect on holidays if they were ordinary days of their weekday.

    An ordinary day is the mean of the same weekday one and two weeks before and after.
    """
    services = int(service.max()) + 1 if len(service) else 0
    days = holidays.shape[1]
    expected = np.zeros(services)
    for place in np.unique(calendar):
        here = calendar == place
        counts = np.zeros((services, days))
        np.add.at(counts, (service[here], event[here]), 1.0)
        seen = np.flatnonzero(counts.any(axis=0))
        for day in np.flatnonzero(holidays[place + 1]):
            around = [near for near in (day - 14, day - 7, day + 7, day + 14) if 0 <= near < days]
            around = [near for near in around if seen[0] <= near <= seen[-1]]
            if around and seen[0] <= day <= seen[-1]:
                expected += counts[:, around].mean(axis=1)
    return expected


def _holiday_weights(
    service: NDArray[np.int64],
    services: int,
    on_holiday: NDArray[np.bool_],
    usual: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(services + 1,) share of an ordinary day's deliveries that a holiday has."""
    observed = np.bincount(service[on_holiday], minlength=services).astype(np.float64)
    expected = np.zeros(services)
    expected[: len(usual)] = usual
    network = observed.sum() / (expected.sum() + _HOLIDAY_EVIDENCE)
    own = (observed + _HOLIDAY_EVIDENCE * network) / (expected + _HOLIDAY_EVIDENCE)
    weights: NDArray[np.float64] = np.minimum(np.append(network, own), 1.0)
    weights[weights < _CLOSED_BELOW] = 0.0
    return weights


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
