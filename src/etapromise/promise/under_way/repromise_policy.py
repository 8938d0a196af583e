"""When to tell the customer another date, and when to keep quiet.

A parcel's prediction moves with every scan; the date that the customer was told must not. It is
changed only where silence is likely to end in a broken promise (or a clearly earlier arrival is
sure), where the new date has stood still for a while, and never back and forth: once a later date
was told, no earlier one follows. Doubt has hysteresis: it begins below one probability and ends
above a higher one, so that noise around a threshold starts nothing twice.

What was told first and what stands now are kept side by side, in a record that is handed from look
to look. Looking twice at the same moment changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.argument_kinds import require_at_least
from etapromise.array_types import Dates, Floats, Ints, Mask
from etapromise.errors import ContractError

QUIET: Final = 0
DELAYED: Final = 1
EARLIER: Final = 2
_NO_DATE: Final = np.datetime64("NaT", "D")
_NO_TIME: Final = np.datetime64("NaT", "us")
_DAY: Final = np.timedelta64(1, "D")
# Of the rest between notices: beyond that it is longer than any parcel's way.
_MOST_DOUBLINGS: Final = 10
# Days, hours or looks beyond any parcel's way.
_MOST: Final = 1e6


@dataclass(frozen=True, eq=False)
class StandingDates:
    """The dates that n customers go by, and what is on one's mind about them. Immutable.

    Attributes:
        columns: by name, each (n,): dates datetime64[D], destination-local; times datetime64[us],
            UTC; NaT where there is none. `original_date` was promised first and never changes,
            `current_date` told last, after `changes` notices, the latest at `told_at`. After a
            later date (`later_told`) no earlier one follows. `doubtful`: the current date is in
            doubt; `candidate_date` might be told next, and has stood still since
            `candidate_since`, over `candidate_looks` looks. `looked_at`: the last look.
    """

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def promised(cls, date: Dates) -> StandingDates:
        """What stands when dates (n,) have just been promised."""
        date = np.asarray(date, "datetime64[D]")
        return cls(
            {
                "original_date": date.copy(),
                "current_date": date.copy(),
                "changes": np.zeros(len(date), np.int64),
                "later_told": np.zeros(len(date), bool),
                "told_at": np.full(len(date), _NO_TIME),
                "doubtful": np.zeros(len(date), bool),
                "candidate_date": np.full(len(date), _NO_DATE),
                "candidate_since": np.full(len(date), _NO_TIME),
                "candidate_looks": np.zeros(len(date), np.int64),
                "looked_at": np.full(len(date), _NO_TIME),
            }
        )

    def take(self, rows: Ints) -> StandingDates:
        """Some of them, in the order of `rows`."""
        return StandingDates({name: column[rows] for name, column in self.columns.items()})

    def put(self, rows: Ints, changed: StandingDates) -> StandingDates:
        """All of them, those at `rows` replaced."""
        out = {name: column.copy() for name, column in self.columns.items()}
        for name, column in changed.columns.items():
            out[name][rows] = column
        return StandingDates(out)

    def __len__(self) -> int:
        return len(self.columns["current_date"])

    @property
    def current(self) -> Dates:
        """(n,) datetime64[D] what was told last."""
        return self.columns["current_date"]


@dataclass(frozen=True, kw_only=True)
class RepromisePolicy:
    """When another date is told. `etapromise repromise` picks the thresholds on past data.

    Attributes:
        tell_below: doubt begins where the current date is kept with less than this probability.
        calm_above: and ends where it is kept with at least this one.
        stable_looks: looks in a row that have to agree on a new date before it is told.
        stable_hours: hours for which they have to agree.
        tolerance_days: dates so many days apart agree.
        least_shift_days: a later date is told if it is at least so many days later.
        last_call_days: so many days before the current date runs out, and after that, a later date
            is told without waiting for it to stand still.
        earlier_days: an earlier date is told if it is at least so many days earlier,
        earlier_confidence: and kept with at least this probability.
        rest_hours: hours between the first two notices; each further one takes twice as long to
            follow, so that a parcel that is put off day by day is not told of day by day.

    Raises:
        ContractError: a value is out of its range.

    Examples:
        >>> etapromise.RepromisePolicy(tell_below=0.3).stable_looks
        2
    """

    tell_below: float = 0.5
    calm_above: float = 0.65
    stable_looks: int = 2
    stable_hours: float = 12.0
    tolerance_days: int = 1
    least_shift_days: int = 1
    last_call_days: int = 1
    earlier_days: int = 3
    earlier_confidence: float = 0.95
    rest_hours: float = 24.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.tell_below <= self.calm_above <= 1.0:
            raise ContractError(
                f"Found tell_below={self.tell_below!r} and calm_above={self.calm_above!r}; "
                "expected probabilities, the second at least the first."
            )
        counts = ("stable_looks", "least_shift_days", "earlier_days")
        waits = ("stable_hours", "tolerance_days", "earlier_confidence", "rest_hours")
        require_at_least(self, 1, *counts, most=_MOST)
        require_at_least(self, 0, *waits, most=_MOST)
        require_at_least(self, -1, "last_call_days", most=_MOST)

    def look_many(
        self,
        standings: StandingDates,
        *,
        now: np.datetime64 | Dates,
        today: Dates,
        date: Dates,
        confidence: Floats,
        kept: Floats,
    ) -> tuple[StandingDates, NDArray[np.int8], Mask]:
        """One look at n parcels under way.

        Args:
            standings: of n parcels.
            now: UTC, one moment or (n,).
            today: (n,) destination-local.
            date: (n,) what would be promised now, NaT where nothing can be said.
            confidence: (n,) that `date` is kept.
            kept: (n,) that the current date is kept, NaN where nothing can be said.

        Returns:
            The records to keep; (n,) QUIET, DELAYED or EARLIER; (n,) whether a later date was told
            because the current one was running out.
        """
        old = standings.columns
        moment = np.broadcast_to(np.asarray(now, "datetime64[us]"), old["changes"].shape)
        date = np.asarray(date, "datetime64[D]")
        # A look that was had already, or that comes too late, says nothing new.
        new_look = ~(moment <= old["looked_at"]) & ~np.isnat(date) & np.isfinite(kept)
        doubtful = (kept < self.tell_below) | (old["doubtful"] & (kept < self.calm_above))
        shift = (date - old["current_date"]) / _DAY
        later = doubtful & (shift >= self.least_shift_days)
        earlier = (
            ~doubtful
            & ~old["later_told"]
            & (shift <= -self.earlier_days)
            & (confidence >= self.earlier_confidence)
        )
        wished = later | earlier
        candidate, way = old["candidate_date"], old["candidate_date"] - old["current_date"]
        agrees = (
            wished
            & (np.abs((date - candidate) / _DAY) <= self.tolerance_days)
            & (later == (way / _DAY > 0))
        )
        since = np.where(agrees, old["candidate_since"], np.where(wished, moment, _NO_TIME))
        looks = np.where(agrees, old["candidate_looks"] + 1, wished.astype(np.int64))
        # The first of the dates that agree is kept: a date that creeps does not stand still.
        candidate = np.where(agrees, candidate, np.where(wished, date, _NO_DATE))
        steady = (looks >= self.stable_looks) & (moment - since >= _hours(self.stable_hours))
        running_out = later & ((old["current_date"] - today) / _DAY <= self.last_call_days)
        rest = _hours(self.rest_hours) * 2 ** np.clip(old["changes"] - 1, 0, _MOST_DOUBLINGS)
        rested = ~(moment - old["told_at"] < rest)
        tell = new_look & wished & rested & (steady | running_out)
        # Both dates are good enough to tell: the later one is safer.
        current = np.where(tell, np.fmax(candidate, date), old["current_date"])
        after = {
            "original_date": old["original_date"],
            "current_date": current,
            "changes": old["changes"] + tell,
            "later_told": old["later_told"] | (tell & later),
            "told_at": np.where(tell, moment, old["told_at"]),
            "doubtful": doubtful & ~tell,
            "candidate_date": np.where(tell, _NO_DATE, candidate),
            "candidate_since": np.where(tell, _NO_TIME, since),
            "candidate_looks": np.where(tell, 0, looks),
            "looked_at": moment,
        }
        kept_as_is = {name: np.where(new_look, column, old[name]) for name, column in after.items()}
        told = np.where(tell, np.where(later, DELAYED, EARLIER), QUIET).astype(np.int8)
        return StandingDates(kept_as_is), told, tell & later & ~steady


def reason_of(told: int, *, last_call: bool) -> str | None:
    """The code of why a date was told; None where none was."""
    if told == EARLIER:
        return "surely_earlier"
    if told == DELAYED:
        return "last_call" if last_call else "chance_fell"
    return None


def _hours(hours: float) -> np.timedelta64:
    return np.timedelta64(round(hours * 3_600_000_000), "us")
