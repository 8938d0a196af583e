"""When a parcel, or all parcels of an order, will have arrived: probabilities of local dates."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from etapromise.array_types import Dates, Floats
from etapromise.errors import ContractError
from etapromise.late_imports import IMPORTING
from etapromise.normal_forms.numbers import plain_number
from etapromise.promise.decision import CostPolicy

if TYPE_CHECKING:
    from etapromise.promise.wording import Shown, Wording

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
PERCENTILES: Final = (5, 10, 25, 50, 75, 80, 85, 90, 95, 97, 99)
"""Whose dates are shown."""


@dataclass(frozen=True, eq=False)
class ArrivalDistribution:
    """A distribution over destination-local dates, and the date that is read off it.

    A row of probabilities of the event having happened by the end of each date, from `first_date`
    on. It ends below 1: some parcels never arrive.
    """

    date: dt.date
    earliest: dt.date
    latest: dt.date
    confidence: float
    service_level: float
    event: str
    model_version: str
    _first_day: int = field(repr=False)
    _probability: Floats = field(repr=False)

    @property
    def confidence_code(self) -> int:
        """See `promise.confidence.CODES`."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        raise NotImplementedError

    __hash__: ClassVar[Any]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrivalDistribution):
            return NotImplemented
        return self is other or self.as_dict() == other.as_dict()

    @property
    def first_date(self) -> dt.date:
        """The first date of the distribution: the order's, origin-local, or today's."""
        return date_of(self._first_day)

    def probability_by(self, day: dt.date) -> float:
        """Probability that the event has happened by the end of `day`, destination-local.

        Raises:
            ContractError: it is no calendar date.
        """
        position = day_number(day) - self._first_day
        return self._by(position) if position >= 0 else 0.0

    @property
    def _parcels(self) -> int:
        """How many the dates are for."""
        return 1

    def _curve(self) -> bytes:
        """The probabilities, 8 bytes each."""
        return self._probability.tobytes()

    def _by(self, position: int) -> float:
        return float(self._probability[min(position, len(self._probability) - 1)])

    @property
    def arrival_probability(self) -> float:
        """Probability that the event has happened by the last date of the model's horizon."""
        return self._by(len(self._probability) - 1)

    def percentile(self, percent: float) -> dt.date:
        """The earliest date with a probability of at least `percent` / 100.

        Where none has, the last date of the model's horizon on which anything arrives; its last one
        where nothing does.

        Raises:
            ContractError: `percent` is not within 0 to 100, both excluded.
        """
        (days,) = days_to_reach(self._probability, [require_percent(percent) / 100.0])
        return date_of(self._first_day + days)

    def decide(self, policy: CostPolicy) -> dt.date:
        """The date with the least expected cost, instead of that of a service level.

        The last date of the model's horizon where no date has any probability.
        """
        position = int(policy.days(self._probability))
        return date_of(self._first_day + min(position, len(self._probability) - 1))

    def distribution(self) -> tuple[Dates, Floats]:
        """Dates (h,) from the order's date on, and P(event by the end of each) (h,)."""
        days = self._first_day + np.arange(len(self._probability))
        return days.astype("datetime64[D]"), self._probability

    def text(
        self,
        locale: str = "en",
        *,
        show: Shown | Mapping[int, Shown] | None = None,
        words: Wording | str | Path | None = None,
    ) -> str:
        """One sentence for the customer: a date, a range or neither, as the confidence code says.

        Args:
            locale: a CLDR locale, such as "en", "de" or "pt_BR". Languages without sentences get
                the date or the range alone.
            show: "date", "range" or "follows" whatever the code; or a mapping of codes to them.
            words: a TOML file whose sentences replace the library's (docs/words.md).

        Raises:
            ContractError: CLDR has no such locale, there is nothing like `show`, or the words are
                not to be read.
        """
        with IMPORTING:
            from etapromise.promise.wording import sentence  # noqa: PLC0415 — Babel is slow to import

        return sentence(
            code=self.confidence_code,
            day=self.date,
            earliest=self.earliest,
            latest=max(self.date, self.latest),
            locale=locale,
            parcels=self._parcels,
            show=show,
            words=words,
        )


def on_common_dates(promises: Sequence[ArrivalDistribution]) -> tuple[int, Floats]:
    """The distributions of n promises on the same dates.

    Returns:
        The first of these, days since 1970-01-01; (n, dates) P(event by the end of each).
    """
    starts = [promise._first_day for promise in promises]  # noqa: SLF001 — its own module
    curves = [promise._curve() for promise in promises]  # noqa: SLF001
    first, last = min(starts), max(starts)
    days = len(curves[0]) // 8
    if first == last and len(set(map(len, curves))) == 1:
        return first, np.frombuffer(b"".join(curves), np.float64).reshape(len(curves), days)
    tables = [np.frombuffer(curve, np.float64) for curve in curves]
    ends = [start - first + len(curve) for start, curve in zip(starts, tables, strict=True)]
    table = np.zeros((len(curves), max(ends)))
    for row, end, curve in zip(table, ends, tables, strict=True):
        row[end - len(curve) : end] = curve
        row[end:] = curve[-1]
    return first, table


def days_to_reach(probability: Floats, levels: Iterable[float]) -> list[int]:
    """Days to the first date whose probability reaches each level.

    Where none does, to the last one on which anything arrives; to the last of all where nothing
    does.

    Args:
        probability: (days,) ascending.
    """
    most = float(probability[-1])
    wanted = [min(level, most) if most > 0.0 else math.inf for level in levels]
    found: list[int] = np.minimum(
        np.searchsorted(probability, wanted), len(probability) - 1
    ).tolist()
    return found


def date_of(day: int) -> dt.date:
    """The calendar date `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


def day_number(day: dt.date) -> int:
    """How many days after 1970-01-01 a calendar date is; numpy's and pandas' are taken, too."""
    if type(day) is dt.date:
        return day.toordinal() - _EPOCH_ORDINAL
    found: object = day
    if isinstance(found, np.datetime64) and not np.isnat(found):
        found = found.astype("datetime64[s]").item()
    if isinstance(found, dt.datetime) and found == found:  # noqa: PLR0124 — NaT is one too
        # A date as tables have it: midnight, without a zone.
        found = found.date() if found.tzinfo is None and found.time() == dt.time() else None
    if not isinstance(found, dt.date) or found != found:  # noqa: PLR0124
        raise ContractError(
            f"Found the date {day!r}; expected a calendar date in the destination's local time, "
            "such as datetime.date(2026, 2, 6)."
        )
    return found.toordinal() - _EPOCH_ORDINAL


def calendar_date(value: object, name: str) -> dt.date:
    """A date as it is; a moment is none: in which zone its day is meant would be a guess."""
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise ContractError(
            f"Found {name}={value!r}; expected a calendar date in the destination's local time, "
            "such as datetime.date(2026, 2, 6)."
        )
    return value


def require_percent(percent: object) -> float:
    """A percentile as a number."""
    number = plain_number(percent)
    if not 1.0 <= number < 100.0:
        meant = f" Did you mean {100 * number:g}?" if 0 < number < 1 else ""
        raise ContractError(
            f"Found the percentile {percent!r}; expected one from 1 to below 100.{meant}"
        )
    return number
