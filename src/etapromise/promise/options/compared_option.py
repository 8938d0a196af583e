"""One way to send a parcel among others: how it fares, its rank, and what decided it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from etapromise.errors import ContractError
from etapromise.promise.promise import Promise
from etapromise.promise.why import Fact, in_language, in_plain_english

if TYPE_CHECKING:
    from pathlib import Path

    from etapromise.promise.wording import Wording

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


MARKS: Final = ("guaranteed", "no_appointment", "groupable", "booked_window")
"""What an option says of itself beside the shipment's fields."""
# The clauses of what policies measure: where it is not known, and where it is more.
_UNKNOWN: Final = {"price": "no_price", "co2_kg": "no_co2_kg", "window_days": "lacks_booked_window"}
_AMOUNTS: Final = {"price": "more_price", "co2_kg": "more_co2_kg", "cost": "costs_more"}


@dataclass(frozen=True)
class RankedBy:
    """What all options were ranked by."""

    best: ComparedOption
    wanted_by: dt.date | None
    service_level: float
    measures: tuple[str, ...]  # what `ComparedOption.wishes` are
    within_days: float
    added_up: bool  # whether days and costs are
    left_out: bool  # whether there are prices that nothing was added to


@dataclass(eq=False, slots=True)
class ComparedOption:
    """One way to send a parcel, and how it fares among the others.

    Attributes:
        option: what was asked for, as given.
        promise: what can be promised with it.
        date: the date to promise by the policy: of the level, the least cost, or the wanted one.
        price: as given; None where it was not.
        co2_kg: as given; None where it was not.
        promised: whether a date can be promised at all. Whatever the policy, an option with a
            promise comes before one without.
        own_cost: its own `cost`, in days.
        sending: the same with its price, in days.
        curve: its promise among the different ones that were asked for.
        rank: 1 is best.
        confidence: stated probability that `date` is kept.
        expected_cost: days, the less the better: the option's `cost`, its price in days where
            `day_price` says what that is, and the days to `date` (by a wanted date: none); by a
            `CostPolicy` also its lateness cost times the probability of lateness. Days count from
            the earliest option's order date.
        probability_by_wanted: probability of an arrival by the wanted date; None without one.
        meets: whether the service level is reached: by any date, or by the wanted one. With a
            `CostPolicy` and no wanted date: whether any date has a probability.
        windows: of the hours that it offers, the first that are kept with the policy's probability.
        wishes: what a shopper's policy compares, the first first.
        dominators: the options that dominate it.
    """

    option: Mapping[str, Any]
    promise: Promise = field(repr=False)
    date: dt.date
    price: float | None
    co2_kg: float | None
    promised: bool
    own_cost: float
    sending: float
    curve: int
    rank: int = 0
    confidence: float = math.nan
    expected_cost: float = math.nan
    probability_by_wanted: float | None = None
    meets: bool = True
    windows: tuple[BookedWindow, ...] = ()
    wishes: tuple[float, ...] = ()
    dominators: Sequence[ComparedOption] = field(default=(), repr=False)
    ranked_by: RankedBy = field(init=False, repr=False)

    @property
    def dominated_by(self) -> tuple[int, ...]:
        """Ranks of options that leave nothing to say for it; empty where there is none.

        They cost no more, in price, days and carbon dioxide, are at no date less likely to have
        arrived, and better in one of these.
        """
        return tuple(sorted([other.rank for other in self.dominators]))

    @property
    def dominated(self) -> bool:
        """Whether another option is at least as good by every policy."""
        return bool(self.dominators)

    @property
    def reason(self) -> str:
        """What decided the rank, as a code.

        "best", "no_promise", "dominated", "costs_more", "level_not_reached", "less_wanted", "tied".
        """
        best = self.ranked_by.best
        if self is best:
            return "best"
        if not self.promised and best.promised:
            return "no_promise"
        if self.dominators:
            return "dominated"
        if not self.meets and best.meets:
            return "level_not_reached"
        if self.wishes != best.wishes:
            return "less_wanted"
        return "costs_more" if self.expected_cost - best.expected_cost > 0.0 else "tied"

    @property
    def why(self) -> str:
        """What decided the rank, in English; `why_text` says it in other languages, too."""
        return in_plain_english(_why_ranked(self, self.ranked_by))

    def why_text(self, locale: str = "en", *, words: Wording | str | Path | None = None) -> str:
        """What decided the rank by the policy, in clauses, as `Why.text` writes them.

        Args:
            locale: a CLDR locale, such as "en", "de" or "pt_BR".
            words: a TOML file whose clauses, in tables such as [en.why], replace the library's.

        Raises:
            ContractError: there is no such locale, or the words are not to be read.
        """
        facts = _why_ranked(self, self.ranked_by)
        return in_language(facts, self.promise.first_date, self.date, locale, words)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, the promise's own among them."""
        return {
            "rank": self.rank,
            "name": self.option.get("name"),
            "carrier": self.option.get("carrier"),
            "service": self.option.get("service"),
            "price": self.price,
            "co2_kg": self.co2_kg,
            "promised": self.promised,
            "windows": [window.as_dict() for window in self.windows],
            "date": self.date.isoformat(),
            "date_confidence": self.confidence,
            "expected_cost": self.expected_cost,
            "probability_by_wanted": self.probability_by_wanted,
            "meets": self.meets,
            "dominated_by": list(self.dominated_by),
            "reason": self.reason,
            "why": self.why,
            "promise": self.promise.as_dict(),
        }

    @property
    def key(self) -> tuple[Any, ...]:
        """Best first. Whoever dominates has fewer dominators; the rest only breaks ties."""
        wanted = self.probability_by_wanted
        short = 0.0 if self.meets else -(self.confidence if wanted is None else wanted)
        return (
            *(not self.promised, not self.meets, short, self.wishes, self.expected_cost),
            *(self.date, -self.confidence, self.price or 0.0),
            *(math.inf if self.co2_kg is None else self.co2_kg, len(self.dominators), self),
        )

    def __lt__(self, other: ComparedOption) -> bool:
        """By its own words, which break the last ties; rarely asked for."""
        mine, theirs = (
            repr(sorted(one.option.items(), key=lambda item: item[0])) for one in (self, other)
        )
        return mine < theirs


def _why_ranked(one: ComparedOption, terms: RankedBy) -> tuple[Fact, ...]:
    """The clauses that say what decided the rank."""
    reason, wanted = one.reason, one.probability_by_wanted
    chance = one.confidence if wanted is None else wanted
    until = one.date if terms.wanted_by is None else terms.wanted_by
    if reason == "best":
        facts = _of_the_best(one, terms)
    elif reason == "no_promise":
        texts = " ".join(message["text"] for message in one.promise.messages)
        facts = [Fact("no_promise", text=texts.rstrip("."))]
    elif reason == "dominated":
        facts = [Fact("dominated", days=one.dominated_by[0])]
    elif reason == "level_not_reached":
        facts = [
            Fact("only", share=_percent(chance), day=until),
            Fact("asked_for", share=terms.service_level),
        ]
    elif reason == "less_wanted":
        facts = [_what_is_wanted(one, terms)]
    elif reason == "costs_more":
        facts = [Fact("costs_more", amount=one.expected_cost - terms.best.expected_cost)]
    else:
        facts = [Fact("as_good")]
    return (*facts, Fact("prices_left_out")) if terms.left_out else tuple(facts)


def _of_the_best(one: ComparedOption, terms: RankedBy) -> list[Fact]:
    if not one.promised:
        return [Fact("best_of_unpromised")]
    if not one.meets:
        return [Fact("best_of_missing", share=terms.service_level)]
    facts = [Fact("best", share=_percent(one.confidence), day=one.date)]
    wanted = one.probability_by_wanted
    if wanted is not None and terms.wanted_by != one.date:
        facts.append(Fact("by_wanted", share=_percent(wanted), day=terms.wanted_by))
    if terms.added_up:
        facts.append(Fact("in_all", amount=one.expected_cost))
    return facts


def _what_is_wanted(one: ComparedOption, terms: RankedBy) -> Fact:
    """The first wish by which another is better."""
    pairs = zip(terms.measures, one.wishes, terms.best.wishes, strict=True)
    name, own, best = next(pair for pair in pairs if pair[1] != pair[2])
    if math.isinf(own):
        return Fact(_UNKNOWN[name])
    if name in _AMOUNTS:
        return Fact(_AMOUNTS[name], amount=own - best)
    if name == "late":
        return Fact("less_sure", share=_percent(1.0 - own))
    if name == "within_days":
        return Fact("too_late", int(terms.within_days))
    if name.endswith("days"):
        return Fact("later", int(own - best))
    return Fact(f"lacks_{name}") if name in MARKS else Fact("lacks", text=name)


def _percent(share: float) -> float:
    return round(share, 2)
