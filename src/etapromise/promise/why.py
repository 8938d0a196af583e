"""Why this date: the days that each cause adds, as clauses, and the same in a sentence."""

from __future__ import annotations

import datetime as dt
import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from etapromise.late_imports import IMPORTING

if TYPE_CHECKING:
    from pathlib import Path

    from etapromise.promise.wording import Wording

# From how many days on a state of the network is worth a word.
_WORTH_A_WORD: Final = 0.35


@dataclass(frozen=True)
class Fact:
    """One clause of the sentence.

    Attributes:
        name: which clause of the word file, such as "leaves".
        days: what it counts; None where it counts nothing.
        day: the date that it names; None where it names none.
        text: what an operator wrote, as it is; empty where nobody did.
        share: a probability that it names.
        amount: a price, a weight, or a number of days that is none of whole ones.
    """

    name: str
    days: int | None = None
    day: dt.date | None = None
    text: str = ""
    share: float | None = None
    amount: float | None = None


def in_plain_english(facts: Sequence[Fact]) -> str:
    """The clauses as one sentence, with dates in ISO 8601: what needs no Babel."""
    told = []
    for fact in facts:
        words = _english()[fact.name]
        if isinstance(words, dict):
            words = words["one" if fact.days == 1 else "other"]
        percent = "" if fact.share is None else f"{100 * fact.share:g}%"
        amount = "" if fact.amount is None else f"{fact.amount:.2f}"
        text = words.format(n=fact.days, day=fact.day, text=fact.text, share=percent, amount=amount)
        told.append(text)
    said = "; ".join(told)
    return f"{said[:1].upper()}{said[1:]}."


@functools.cache
def _english() -> Mapping[str, Any]:
    words = resources.files("etapromise.promise").joinpath("why_words.toml").read_text("utf-8")
    found: Mapping[str, Any] = tomllib.loads(words)["en"]
    return found


def rounded_to_sum(parts: Mapping[str, float]) -> dict[str, int]:
    """Whole days that have the same sum, each as close as can be: largest remainders go up.

    Args:
        parts: whose sum is a whole number.
    """
    low = {name: math.floor(days) for name, days in parts.items()}
    left = round(sum(parts.values())) - sum(low.values())
    by_rest = sorted(parts, key=lambda name: low[name] - parts[name])
    return {name: low[name] + (name in by_rest[:left]) for name in parts}


def order_facts(
    parts: Mapping[str, float],
    *,
    ordered: dt.date,
    works: bool,
    begins: dt.date,
    leaves: dt.date,
    service_level: float,
    disruptions: tuple[str, ...] = (),
    since: dt.date | None = None,
) -> tuple[Fact, ...]:
    """The clauses for a promise.

    Args:
        ordered: the order's date at the origin.
        begins: the date on which it begins with the order.
        leaves: the date on which the parcel is usually fetched.
        since: the day from which things have been as slow, or as quick, as now; None where nobody
            knows.
    """
    now = parts["now"]
    noted = now if abs(now) >= _WORTH_A_WORD else 0.0
    way = sum(parts[name] for name in ("usual", "lane", "carrier", "parcel", "handling"))
    counted = rounded_to_sum(
        {
            "way": way + (now - noted),
            "closed_days": parts["closed_days"],
            "now": noted,
            "reserve": parts["service_level"] + parts["whole_days"],
            "disruption": parts["disruption"],
        }
    )
    facts = []
    if begins > ordered:
        facts.append(Fact("after_cut_off" if works else "on_closed_day", day=ordered))
    facts.append(Fact("leaves", day=leaves))
    if counted["way"] > 0:
        facts.append(Fact("usual", counted["way"]))
    if counted["closed_days"] > 0:
        facts.append(Fact("closed_days", counted["closed_days"]))
    if counted["now"]:
        clause = "slow" if counted["now"] > 0 else "quick"
        clause += "_now" if since is None else "_since"
        facts.append(Fact(clause, abs(counted["now"]), day=since))
    if parts["disruption"] > 0.0:
        facts.extend(
            Fact("disruption", max(counted["disruption"], 1), text=text) for text in disruptions
        )
    if counted["reserve"] > 0:
        facts.append(Fact("reserve", counted["reserve"], share=service_level))
    return tuple(facts)


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
    """The clauses in the words of a language; see `wording.why_text`."""
    with IMPORTING:
        from etapromise.promise.wording import why_text  # noqa: PLC0415 — Babel is slow

    return why_text(facts, start, day, locale, words)
