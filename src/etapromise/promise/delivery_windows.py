"""When on a day: windows of the local time, and the probability of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from etapromise.errors import ContractError
from etapromise.history.delivery_hours import DeliveryHours

_DAY: Final = 86_400


@dataclass(frozen=True)
class TimeWindow:
    """The shortest window of a day that holds a share of its deliveries.

    Attributes:
        start: destination-local, zone-aware.
        end: destination-local, zone-aware; midnight is that of the next date.
        probability: of the event within it, given that it happens on that date.
        evidence: decayed number of deliveries that it was learned from.
    """

    start: dt.datetime
    end: dt.datetime
    probability: float
    evidence: float


def time_window(
    hours: DeliveryHours,
    fields: Mapping[str, Any],
    zone: ZoneInfo,
    day: dt.date,
    probability: float,
) -> TimeWindow:
    """The shortest window on `day` that holds `probability`."""
    row = hours.row(fields, day.weekday())
    first, last = hours.shortest(row, probability)
    return TimeWindow(
        _moment(day, first, zone), _moment(day, last, zone), probability, float(hours.evidence[row])
    )


def share_between(
    hours: DeliveryHours, fields: Mapping[str, Any], day: dt.date, start: dt.time, end: dt.time
) -> float:
    """Share of the deliveries of `day` between two local times; an end of 00:00 ends the day."""
    both: tuple[tuple[str, object], ...] = (("start", start), ("end", end))
    for name, given in both:
        if not isinstance(given, dt.time) or given.tzinfo is not None:
            raise ContractError(
                f"Found {name}={given!r}; expected a datetime.time without a zone: it is meant in "
                "the destination's local time."
            )
    first, last = _second(start), _second(end) or _DAY
    if last <= first:
        raise ContractError(
            f"Found a window from {start} to {end}; expected an end after its start."
        )
    row = hours.row(fields, day.weekday())
    return hours.before(row, last) - hours.before(row, first)


def _second(at: dt.time) -> float:
    return at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6


def _moment(day: dt.date, second: int, zone: ZoneInfo) -> dt.datetime:
    """The wall clock of a day; midnight at its end is the next date's."""
    whole, rest = divmod(second, _DAY)
    at = dt.time(rest // 3600, rest % 3600 // 60, rest % 60)
    return dt.datetime.combine(day + dt.timedelta(days=whole), at, zone)
