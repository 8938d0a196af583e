"""Carriers that change their week: a weekday that was worked and is not any more, or the reverse.

For each service the week that splits the past best into an old and a new week is searched: where
the arrivals of a weekday over those expected of an ordinary day say "closed" on one side of it and
"open" on the other (a likelihood ratio of two Poisson rates against one, at a searched change
point).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from etapromise.array_types import Floats, Mask
from etapromise.calendars.transits import WEEKDAYS, Transits, ordinary_arrivals
from etapromise.calendars.working_clocks import Clocks

# Parcels that are enough to know every service's week by.
_SAMPLE: Final = 100_000
# Weeks back that are looked at, and that a new week has to have been seen for: one closed Saturday
# may be a holiday that nobody told of.
_WEEKS_BACK: Final = 26
_WEEKS_SEEN: Final = 2
# Arrivals to be expected of an ordinary day, on either side, that a weekday is judged by.
_LEAST_EXPECTED: Final = 6.0
# A day with less than the first share of them is closed, with more than the second open.
_CLOSED_BELOW: Final = 0.1
_OPEN_ABOVE: Final = 0.5
# A week with less than this share of its usual arrivals.
_STOOD_STILL: Final = 0.45
# Arrivals of the whole week on either side: of a carrier that stands still no week is known.
_LEAST_ARRIVED: Final = 20.0
# By how much, as a logarithm, the change explains more than one week does.
_LEAST_GAIN: Final = 6.0


def with_changed_weeks(transits: Transits, clocks: Clocks) -> Clocks:
    """The clocks, with the latest change of each service's week, where there is one beyond doubt.

    Args:
        transits: n parcels; their services are those of the clocks.
        clocks: as learned from the whole past. A change that they know of stays where it is too
            long ago to be looked at.
    """
    last = int(transits.last_day.max()) if len(transits) else clocks.first_day
    recent = np.flatnonzero(transits.last_day > last - WEEKDAYS * _WEEKS_BACK)
    # The seven days up to `last` are week 0.
    expected, observed = ordinary_arrivals(
        transits.take(recent).latest(_SAMPLE),
        clocks,
        (len(clocks.services), WEEKDAYS, _WEEKS_BACK),
        lambda _, day, weekday: (weekday, (last - day) // WEEKDAYS),
    )
    weeks = clocks.weeks.copy()
    looked_at = last - WEEKDAYS * (_WEEKS_BACK - _WEEKS_SEEN)
    new = {int(row[0]): row for row in clocks.new_weeks if row[1] <= looked_at}
    for service in range(len(clocks.services)):
        found = _change(expected[service], observed[service])
        if found is None:
            continue
        seen, before, after = found
        row, turned = service + 1, before != after
        weeks[row] = np.where(turned, before, weeks[row])
        week = np.where(turned, after, weeks[row])
        new[row] = np.array([row, last + 1 - WEEKDAYS * seen, *week], np.float64)
    rows = np.array([new[row] for row in sorted(new)], np.float64).reshape(-1, 2 + WEEKDAYS)
    if np.array_equal(rows, clocks.new_weeks) and np.array_equal(weeks, clocks.weeks):
        return clocks
    return replace(clocks, weeks=weeks, new_weeks=rows)


def _change(expected: Floats, observed: Floats) -> tuple[int, Mask, Mask] | None:
    """How many weeks ago a service's week changed, and which days were open before and after."""
    share = observed.sum(axis=0) / np.maximum(expected.sum(axis=0), 1.0)
    # Weeks in which it mostly stood still say nothing of the days on which it works.
    moved = share >= _STOOD_STILL * np.median(share)
    expected, observed = expected * moved, observed * moved
    best, found = _LEAST_GAIN, None
    for seen in range(_WEEKS_SEEN, _WEEKS_BACK - _WEEKS_SEEN + 1):
        if min(moved[:seen].sum(), moved[seen:].sum()) < _WEEKS_SEEN:
            continue
        after = _Side.of(expected[:, :seen], observed[:, :seen])
        before = _Side.of(expected[:, seen:], observed[:, seen:])
        if after is None or before is None:
            continue
        turned = (before.open & after.closed) | (before.closed & after.open)
        if not turned.any():
            continue
        together = _log_likelihood(before.came + after.came, before.due + after.due)
        apart = _log_likelihood(before.came, before.due) + _log_likelihood(after.came, after.due)
        gain = float((apart - together)[turned].sum())
        if gain > best:
            best, found = gain, (seen, before.open, np.where(turned, after.open, before.open))
    return found


class _Side:
    """A service's week on one side of a change: (7,) arrivals, those due, and what that says."""

    def __init__(self, came: Floats, due: Floats) -> None:
        self.came, self.due = came, due
        enough = due >= _LEAST_EXPECTED
        self.closed = enough & (came <= _CLOSED_BELOW * due)
        self.open = enough & (came >= _OPEN_ABOVE * due)

    @classmethod
    def of(cls, expected: Floats, observed: Floats) -> _Side | None:
        """From (7, weeks) counts; None where hardly anything arrived."""
        came, due = observed.sum(axis=1), expected.sum(axis=1)
        if came.sum() < _LEAST_ARRIVED:
            return None
        # The whole service may have been quick or slow in those weeks.
        share = (came + 0.5) / (due + 0.5)
        usual = float(np.median(share[share >= share.max() / 3]))
        return cls(came, due * usual)


def _log_likelihood(came: Floats, due: Floats) -> Floats:
    """(7,) of Poisson arrivals at their own rate, less what is the same for every rate."""
    rate = np.maximum(came, 0.5) / np.maximum(due, 0.5)
    return np.asarray(came * np.log(rate) - rate * due)
