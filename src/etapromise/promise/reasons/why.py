"""Why this date: the days that each cause adds, and the same in a sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etapromise.late_imports import IMPORTING

if TYPE_CHECKING:
    from pathlib import Path

    from etapromise.promise.reasons.why_facts import Fact
    from etapromise.promise.wording import Wording


@dataclass(frozen=True)
class Why:
    """Why a promise is that many days. Immutable.

    Attributes:
        days: from `start` to the promised date.
        start: the order's date at its origin; of a parcel under way, today at its destination.
        contributions: days by cause; they sum to `days`. Of a promise: `contributions.CAUSES`, and
            "disruption" where one was declared.
        facts: the clauses of the sentence, in their order.
    """

    days: int
    start: dt.date
    contributions: Mapping[str, float]
    facts: tuple[Fact, ...]

    def text(self, locale: str = "en", *, words: Wording | str | Path | None = None) -> str:
        """One sentence in clauses; in a language without such words, the date alone.

        Args:
            locale: a CLDR locale, such as "en", "de" or "pt_BR".
            words: a TOML file whose clauses, in tables such as [en.why], replace the library's.

        Raises:
            ContractError: there is no such locale, or the words are not to be read.
        """
        promised = self.start + dt.timedelta(days=self.days)
        return in_language(self.facts, self.start, promised, locale, words)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "days": self.days,
            "start": self.start.isoformat(),
            "contributions": [
                {"cause": cause, "days": days} for cause, days in self.contributions.items()
            ],
            "facts": [
                {
                    "name": fact.name,
                    "days": fact.days,
                    "date": None if fact.day is None else fact.day.isoformat(),
                    "text": fact.text,
                    "share": fact.share,
                }
                for fact in self.facts
            ],
        }


def in_language(
    facts: Sequence[Fact],
    start: dt.date,
    day: dt.date,
    locale: str,
    words: Wording | str | Path | None,
) -> str:
    """The clauses in the words of a language; see `why_wording.why_text`."""
    with IMPORTING:
        from etapromise.promise.reasons.why_wording import why_text  # noqa: PLC0415 — Babel is slow

    return why_text(facts, start, day, locale, words)
