"""The promise of one parcel: a date, its band, and the whole distribution behind it.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.late_imports import IMPORTING
from etapromise.normal_forms.numbers import plain_number
from etapromise.promise import exports
from etapromise.promise.confidence import NO_DATE
from etapromise.promise.decision import CostPolicy
from etapromise.promise.promise_details import Explained

if TYPE_CHECKING:
    from etapromise.promise.details import Explanation
    from etapromise.promise.wording import Shown, Wording

__all__ = [
    "PERCENTILES",
    "KeptRecord",
    "Promise",
    "date_of",
    "day_number",
    "on_common_dates",
    "require_percent",
]

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
PERCENTILES: Final = (5, 10, 25, 50, 75, 80, 85, 90, 95, 97, 99)
"""Whose dates are shown."""
_PERCENTILE_NAMES: Final = tuple(f"percentile_{percent}" for percent in PERCENTILES)


@dataclass(frozen=True)
class KeptRecord:
    """How promises like this one were kept, measured on recent orders.

    Attributes:
        group: which orders: the finest group with enough of them.
        kept_rate: share of them that had arrived by the date promised at `service_level`.
        service_level: the level at which that was measured.
        count: how many orders.
        as_of: the UTC date of the measurement.
    """

    group: str
    kept_rate: float
    service_level: float
    count: int
    as_of: dt.date


@dataclass(frozen=True, eq=False)
class Promise(Explained):
    """What to tell the customer. Immutable.

    All dates are calendar dates in the destination's local time. Probabilities are of the `event`
    having happened by the end of a date; parcels that never arrive are part of them.

    Attributes:
        date: the earliest date whose probability is at least `service_level`.
        earliest: first date of the band.
        latest: last date of the band. By default the band is the central 80 %.
        confidence: stated probability that `date` is kept, at least `service_level` unless the
            messages say that no date reaches it.
        service_level: the probability that was asked for.
        event: "delivered", "first_attempt" or "available_for_pickup".
        day_basis: "calendar": days are counted as calendar days.
        ordered_at: the order's time as given.
        model_version: which model said so.
        kept_record: how promises like this one were kept; None where that was not measured.
        lost_probability: probability that the event never comes: lost, returned or given up.

    Examples:
        >>> ordered_at = datetime(2025, 7, 3, 15, tzinfo=UTC)
        >>> promise = model.promise(origin="60492", destination="90585", carrier="acme",
        ...                         service="ground", ordered_at=ordered_at, service_level=0.9)
        >>> promise.earliest <= promise.date <= promise.latest
        True
        >>> promise.confidence >= 0.9
        True
        >>> promise.probability_by(promise.date) == promise.confidence
        True
    """

    date: dt.date
    earliest: dt.date
    latest: dt.date
    confidence: float
    service_level: float
    event: str
    ordered_at: dt.datetime
    model_version: str
    kept_record: KeptRecord | None
    lost_probability: float
    _first_day: int = field(repr=False)
    _probability: NDArray[np.float64] = field(repr=False)
    _assess: Callable[[], tuple[int, tuple[dict[str, str], ...]]] = field(repr=False)
    _time_zone: Callable[[], str] = field(repr=False)
    _explain: Callable[[], Explanation] = field(repr=False)
    day_basis: str = "calendar"
    fallback: ClassVar[bool] = False
    """A model said so: it is no `StaticPromise`."""

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

        The last date of the model's horizon on which anything arrives where none has.

        Raises:
            ContractError: `percent` is not within 0 to 100, both excluded.
        """
        reached = min(require_percent(percent) / 100.0, float(self._probability[-1]))
        return date_of(self._first_day + int(np.searchsorted(self._probability, reached)))

    def decide(self, policy: CostPolicy) -> dt.date:
        """The date with the least expected cost, instead of that of a service level.

        The last date of the model's horizon where no date has any probability.
        """
        position = int(policy.days(self._probability))
        return date_of(self._first_day + min(position, len(self._probability) - 1))

    def distribution(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """Dates (h,) from the order's date on, and P(event by the end of each) (h,)."""
        days = self._first_day + np.arange(len(self._probability))
        return days.astype("datetime64[D]"), self._probability

    @property
    def confidence_code(self) -> int:
        """10000 one date … 30004 none: see `promise.confidence.CODES`."""
        return self._assess()[0]

    @property
    def has_date(self) -> bool:
        """Whether the code says that a date can be promised."""
        return self._assess()[0] < NO_DATE

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Why the code is what it is: each with a `code` and a `text`."""
        return self._assess()[1]

    @property
    def destination_time_zone(self) -> str:
        """The IANA zone in which the dates are meant."""
        return self._time_zone()

    def as_dict(self, *, distribution: bool = False) -> dict[str, Any]:
        """Plain values under the field's standard names, ready for JSON; `from_dict` reads them.

        Args:
            distribution: also the probability of every date.
        """
        code, messages = self._assess()
        record, first = self.kept_record, self._first_day
        plain = {
            "estimated_delivery_date": self.date.isoformat(),
            "estimated_delivery_date_min": self.earliest.isoformat(),
            "estimated_delivery_date_max": self.latest.isoformat(),
            "service_level": self.service_level,
            "confidence": self.confidence,
            **{
                name: _written(first + day)
                for name, day in zip(_PERCENTILE_NAMES, self._percentiles(), strict=True)
            },
            "lost_probability": self.lost_probability,
            "event": self.event,
            "day_basis": self.day_basis,
            "destination_time_zone": self.destination_time_zone,
            "ordered_at": self.ordered_at.isoformat(),
            **self._standing(),
            "confidence_code": code,
            "messages": [dict(message) for message in messages],
            "kept_record": None
            if record is None
            else {
                "group": record.group,
                "kept_rate": record.kept_rate,
                "service_level": record.service_level,
                "count": record.count,
                "as_of": record.as_of.isoformat(),
            },
            "model_version": self.model_version,
        }
        if distribution:
            plain["distribution"] = {
                "first_date": date_of(first).isoformat(),
                "probability": self._probability.tolist(),
            }
        return plain

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Promise:
        """The promise that `as_dict` wrote down: it says the same, without its model.

        What is read off the model (stages, windows, `why`) is no longer there; what needs the
        distribution is, if `values` are of `as_dict(distribution=True)`.

        Raises:
            ContractError: a value is missing or of another kind.
        """
        with IMPORTING:
            from etapromise.promise.stored_promise import StoredPromise  # noqa: PLC0415 — its subclass

        return StoredPromise(values)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        if not isinstance(other, Promise):
            return NotImplemented
        return self is other or self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.model_version, self.ordered_at, self.date))

    def __reduce__(self) -> tuple[Any, ...]:
        """A promise travels as plain values, without its model."""
        return Promise.from_dict, (self.as_dict(distribution=len(self._probability) > 0),)

    def __copy__(self) -> Promise:
        return self

    def __deepcopy__(self, _memo: object) -> Promise:
        return self

    def _percentiles(self) -> list[int]:
        """Days from `_first_day` to the dates of PERCENTILES."""
        most = float(self._probability[-1])
        reached = [min(percent / 100.0, most) for percent in PERCENTILES]
        days: list[int] = np.searchsorted(self._probability, reached).tolist()
        return days

    @property
    def explanation(self) -> Explanation:
        """What stands behind the promise."""
        told: Explanation | None = self.__dict__.get("_told")
        if told is None:
            # Two threads may both do this; they find the same.
            told = self.__dict__["_told"] = self._explain()
        return told

    def as_json_ld(self) -> dict[str, Any]:
        """schema.org `OfferShippingDetails`, as Google reads it.

        Handling time in working days of the warehouse, with these days and its cut-off; transit
        time in calendar days; both from their 10 % to their 90 % quantile. A model without stages
        gives the band, counted from the order's date, as its transit time.
        """
        return {
            "@context": "https://schema.org",
            "@type": "OfferShippingDetails",
            "deliveryTime": self._delivery_time(
                first=(self.earliest - date_of(self._first_day)).days,
                last=(max(self.date, self.latest) - date_of(self._first_day)).days,
            ),
        }

    def as_google_merchant(self) -> dict[str, int]:
        """Google Merchant Center's handling and transit times; see `promise.exports`."""
        return exports.as_google_merchant(self)

    def as_agentic_commerce(self, **option: Any) -> dict[str, Any]:
        """A fulfilment option of the Agentic Commerce Protocol; see `promise.exports`."""
        return exports.as_agentic_commerce(self, **option)

    def as_universal_commerce(self, **option: Any) -> dict[str, Any]:
        """A fulfilment option of the Universal Commerce Protocol; see `promise.exports`."""
        return exports.as_universal_commerce(self, **option)

    def as_easypost(self) -> dict[str, Any]:
        """EasyPost's time in transit by percentile; see `promise.exports`."""
        return exports.as_easypost(self)

    def as_aftership(self) -> dict[str, Any]:
        """AfterShip's estimated delivery date; see `promise.exports`."""
        return exports.as_aftership(self)

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
            show=show,
            words=words,
        )


def on_common_dates(promises: Sequence[Promise]) -> tuple[int, NDArray[np.float64]]:
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


def date_of(day: int) -> dt.date:
    """The calendar date `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


@lru_cache(maxsize=4096)
def _written(day: int) -> str:
    return date_of(day).isoformat()


def day_number(day: dt.date) -> int:
    """How many days after 1970-01-01 a calendar date is; numpy's and pandas' are taken, too.

    Raises:
        ContractError: it is no date, or a moment within one: in which zone would be a guess.
    """
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


def require_percent(percent: object) -> float:
    """A percentile as a number.

    Raises:
        ContractError: it is not within 0 to 100, both excluded.
    """
    number = plain_number(percent)
    if not 0.0 < number < 100.0:
        raise ContractError(f"Found the percentile {percent!r}; expected one between 0 and 100.")
    return number
