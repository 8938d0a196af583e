"""What a promise says beside its dates: until when it stands, what it is made of, at what hour."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from etapromise.encoding.shipment_values import utc_second
from etapromise.late_imports import IMPORTING
from etapromise.promise.arrival_distribution import ArrivalDistribution

if TYPE_CHECKING:
    from etapromise.promise.reasons.why import Why
    from etapromise.promise.stages import AnswerStages, HandOffTime, StageTime
    from etapromise.promise.wording import Wording


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


class PromiseDetails(Protocol):
    """What stands behind a promise, as `explanation.Explanation` finds it out."""

    @property
    def origin_zone(self) -> ZoneInfo: ...  # noqa: D102 — each is told where a promise shows it
    @property
    def cut_off(self) -> dt.datetime | None: ...  # noqa: D102
    @property
    def expires_at(self) -> dt.datetime: ...  # noqa: D102
    @property
    def has_stages(self) -> bool: ...  # noqa: D102
    @property
    def stages(self) -> AnswerStages: ...  # noqa: D102
    @property
    def works(self) -> bool: ...  # noqa: D102
    @property
    def works_on(self) -> tuple[bool, ...]: ...  # noqa: D102
    @property
    def hand_off(self) -> HandOffTime | None: ...  # noqa: D102
    def window(self, day: dt.date, probability: float) -> TimeWindow: ...  # noqa: D102
    def share_between(self, day: dt.date, start: dt.time, end: dt.time) -> float: ...  # noqa: D102
    def why(self, service_level: float) -> Why: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Explained(ArrivalDistribution):
    """The part of a promise that is computed when it is asked for."""

    ordered_at: dt.datetime

    @property
    def cutoff_datetime_utc(self) -> dt.datetime | None:
        """The warehouse's next cut-off, UTC: orders from then on wait for a later working day.

        None where it has none.
        """
        return self.explanation.cut_off

    @property
    def expires_at(self) -> dt.datetime:
        """Until when the promise stands, UTC: whoever orders from then on gets another date."""
        return self.explanation.expires_at

    @property
    def order_within(self) -> dt.timedelta:
        """How long after `ordered_at` the promise stands."""
        return self.expires_at - self.ordered_at

    def time_left(self, now: dt.datetime) -> dt.timedelta:
        """How long the promise still stands; zero once it has expired.

        Args:
            now: zone-aware.

        Raises:
            ContractError: `now` is naive.
        """
        utc_second(now, "now")
        return max(self.expires_at - now, dt.timedelta(0))

    def order_within_text(
        self,
        locale: str = "en",
        now: dt.datetime | None = None,
        *,
        words: Wording | str | Path | None = None,
    ) -> str:
        """Such as "Order within 3 h 12 min"; empty once the promise has expired.

        Args:
            locale: a CLDR locale, such as "en", "de" or "pt_BR". Languages without sentences get
                the time alone.
            now: zone-aware; `ordered_at` by default.
            words: a TOML file whose sentences replace the library's (docs/words.md).

        Raises:
            ContractError: CLDR has no such locale, or `now` is naive.
        """
        with IMPORTING:
            from etapromise.promise.wording import order_within  # noqa: PLC0415 — Babel is slow

        left = self.time_left(self.ordered_at if now is None else now)
        return order_within(left, locale, words)

    def why(self) -> Why:
        """Why `date` is that day: the days that each cause adds, and the same in a sentence.

        The days sum to those from the order's origin-local date to `date`.
        """
        return self.explanation.why(self.service_level)

    @property
    def warehouse_works(self) -> bool:
        """Whether the warehouse works on the day of the order, origin-local."""
        return self.explanation.works

    @property
    def handling(self) -> StageTime:
        """How long from the order until the carrier has the parcel.

        Raises:
            ContractError: the model was trained without stages.
        """
        return self.explanation.stages.handling

    @property
    def transit(self) -> StageTime:
        """How long from the carrier's possession to the event.

        Raises:
            ContractError: the model was trained without stages.
        """
        return self.explanation.stages.transit

    @property
    def hand_off(self) -> HandOffTime | None:
        """Who usually takes the parcel over on its way, and after how long.

        None where its own carrier brings it to the door. The promise is made of both ways: until
        then on the days of its own carrier, from then on those of the other.

        Raises:
            ContractError: somebody does, and the model was trained without stages.
        """
        return self.explanation.hand_off

    def window(self, probability: float = 0.8, day: dt.date | None = None) -> TimeWindow:
        """The shortest window of a day in which that share of its deliveries happens.

        Args:
            probability: above 0 and below 1.
            day: destination-local date; the promised one by default.

        Raises:
            ContractError: the probability is not within 0 to 1.
        """
        return self.explanation.window(self.date if day is None else day, probability)

    def probability_between(self, day: dt.date, start: dt.time, end: dt.time) -> float:
        """P(the event happens on `day` between two destination-local times).

        Args:
            day: destination-local date.
            start: without a zone.
            end: without a zone; 00:00 is midnight at the day's end.

        Raises:
            ContractError: a time carries a zone, or the end is not after the start.
        """
        share = self.explanation.share_between(day, start, end)
        before = self.probability_by(day - dt.timedelta(days=1))
        return (self.probability_by(day) - before) * share

    def _standing(self) -> dict[str, Any]:
        """Until when it stands, as plain values."""
        cut_off, expires = self.cutoff_datetime_utc, self.expires_at
        return {
            "cutoff_datetime_utc": None if cut_off is None else cut_off.isoformat(),
            "expires_at": expires.isoformat(),
            "order_within": _iso_duration(expires - self.ordered_at),
        }

    @property
    def explanation(self) -> PromiseDetails:
        """What stands behind the promise."""
        raise NotImplementedError


def _iso_duration(length: dt.timedelta) -> str:
    """ISO 8601, such as PT3H12M5S."""
    minutes, seconds = divmod(length.days * 86_400 + length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    written = f"{hours}H" if hours else ""
    written += f"{minutes}M" if minutes else ""
    written += f"{seconds}S" if seconds else ""
    return f"PT{written or '0S'}"
