"""Windows of a day that a customer may book, each with the probability that the parcel is there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from etapromise.errors import ContractError
from etapromise.promise.promise import Promise

_MOST_DAYS: Final = 45
_ONE_DAY: Final = dt.timedelta(days=1)
_MIDNIGHT: Final = dt.time(0)


@dataclass(frozen=True)
class BookedWindow:
    """A window that can be offered.

    Attributes:
        date: destination-local.
        start: destination-local, without a zone.
        end: likewise; 00:00 is midnight at the day's end.
        probability: that the parcel would have come by then, so that it is there to be brought in
            that window.
    """

    date: dt.date
    start: dt.time
    end: dt.time
    probability: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "date": self.date.isoformat(),
            "start": self.start.isoformat("minutes"),
            "end": self.end.isoformat("minutes"),
            "probability": self.probability,
        }


def window_hours(value: object) -> tuple[dt.time, dt.time]:
    """A window such as "08:00-12:00" as its two times."""
    first, told, last = str(value).partition("-")
    try:
        start, end = dt.time.fromisoformat(first.strip()), dt.time.fromisoformat(last.strip())
    except ValueError:
        told = ""
        start = end = _MIDNIGHT
    if not told or start.tzinfo or end.tzinfo or not (start < end or end == _MIDNIGHT != start):
        raise ContractError(
            f"Found the window {value!r}; expected one such as '08:00-12:00', in the destination's "
            "local time and with its end after its start."
        )
    return start, end


def booked_windows(
    promise: Promise, hours: Sequence[object], *, probability: float, count: int = 3
) -> tuple[BookedWindow, ...]:
    """The first windows that can be offered: each is kept at least with the wanted probability.

    A parcel can be brought in a window if, without one, it would have come by the window's end.

    Args:
        hours: what the carrier has to offer on every day on which it delivers: "08:00-12:00", …
    """
    offered = sorted(window_hours(one) for one in hours)
    found: list[BookedWindow] = []
    day = promise.percentile(min(probability * 100.0, 99.99))
    for _ in range(_MOST_DAYS):
        before, by = promise.probability_by(day - _ONE_DAY), promise.probability_by(day)
        if by >= probability and by > before:
            for start, end in offered:
                there = before + promise.probability_between(day, _MIDNIGHT, end)
                if there >= probability and len(found) < count:
                    found.append(BookedWindow(day, start, end, there))
        if len(found) >= count:
            break
        day += _ONE_DAY
    return tuple(found)
