"""Since when lanes and services have been as slow, or as quick, as they are now."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from etapromise.history.effects import FIELDS

if TYPE_CHECKING:
    from etapromise.history.gathered import HistoryAsOf

PACED: Final = ("network", "service", "destination_region")
"""The levels that are asked, coarse to fine."""

# From which pace on, a log duration, something goes otherwise than usual.
_NOTED: Final = 0.03
# The memory of pace fades in and out: it began when it left this share of what it is now behind.
_BEGUN: Final = 0.25
# What has lasted for longer is how things are, and no trouble of now.
_LONGEST: Final = 42
_EPOCH: Final = date(1970, 1, 1)


def pace_since(gathered: HistoryAsOf) -> dict[str, dict[str, str]]:
    """For each level of PACED and each key that is slow or quick now, the day since when.

    What every order's own day knew of the pace is read backwards: since the first day from which it
    has stayed beyond a quarter of what it is now. Days are ISO dates, UTC; where that is long ago,
    or before all that is known, nothing is said of the key.
    """
    known = gathered.at_order
    names = gathered.encoder.level_names
    place = FIELDS.index("pace")
    day = gathered.outcomes.start_day[known.rows]
    found: dict[str, dict[str, str]] = {}
    for name in PACED:
        level = names.index(name)
        codes = gathered.requests.codes[known.rows, level]
        pace = known.total[:, level, place]
        keys = gathered.encoder.indexes[level].keys
        start = int(gathered.statistics.total_start[level])
        now = gathered.statistics.total[start : start + len(keys) + 1, place]
        told = {}
        for row in np.flatnonzero(np.abs(now) >= _NOTED).tolist():
            here = np.flatnonzero(codes == row) if row else np.zeros(0, np.int64)
            calm = here[pace[here] / now[row] < _BEGUN]
            if len(calm) and day[calm[-1]] + _LONGEST >= gathered.outcomes.as_of_day:
                since = _EPOCH + timedelta(days=int(day[calm[-1]]) + 1)
                told[keys[row - 1]] = since.isoformat()
        found[name] = told
    return found
