"""Options on the common scale of dates, and what decided the rank of each."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from etapromise.promise.options.booked_windows import BookedWindow
from etapromise.promise.promise import Promise
from etapromise.promise.reasons.why_facts import Fact

MARKS: Final = ("guaranteed", "no_appointment", "groupable", "booked_window")
"""What an option says of itself beside the shipment's fields."""
# The clauses of what policies measure: where it is not known, and where it is more.
_UNKNOWN: Final = {
    "price": "no_price",
    "co2_kg": "no_co2_kg",
    "window_days": "lacks_booked_window",
}
_AMOUNTS: Final = {"price": "more_price", "co2_kg": "more_co2_kg", "cost": "costs_more"}


@dataclass(frozen=True)
class RankedBy:
    """What all options were ranked by."""

    best: WeighedOption
    wanted_by: dt.date | None
    service_level: float
    measures: tuple[str, ...]  # what `WeighedOption.wishes` are
    within_days: float
    added_up: bool  # whether days and costs are
    left_out: bool  # whether there are prices that nothing was added to


@dataclass(eq=False, slots=True)
class WeighedOption:
    """An option on the common scale of dates, before it is ranked."""

    option: Mapping[str, Any]
    promise: Promise
    date: dt.date
    price: float  # 0 where it is not known
    priced: bool
    sending: float  # the option's own cost and its price, in days
    confidence: float = math.nan
    cost: float = math.nan
    wanted: float | None = None
    meets: bool = True
    own: float = 0.0  # the option's own cost, in days
    co2: float = math.nan
    promised: bool = True
    windows: tuple[BookedWindow, ...] = ()
    wishes: tuple[float, ...] = ()  # what a shopper's policy compares, the first first
    dominators: Sequence[WeighedOption] = ()
    curve: int = 0  # its promise among those that were asked for
    rank: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Best first. Whoever dominates has fewer dominators; the rest only breaks ties."""
        short = 0.0 if self.meets else -(self.confidence if self.wanted is None else self.wanted)
        return (
            not self.promised,
            not self.meets,
            short,
            self.wishes,
            self.cost,
            self.date,
            -self.confidence,
            self.price,
            math.inf if math.isnan(self.co2) else self.co2,
            len(self.dominators),
            self,
        )

    def __lt__(self, other: WeighedOption) -> bool:
        """By its own words, which break the last ties; rarely asked for."""
        return self._words() < other._words()

    def _words(self) -> str:
        return repr(sorted(self.option.items(), key=lambda item: item[0]))


def reason_of_rank(one: WeighedOption, best: WeighedOption) -> str:
    """What decided it, as a code: see `ComparedOption.reason`."""
    if one is best:
        return "best"
    if not one.promised and best.promised:
        return "no_promise"
    if one.dominators:
        return "dominated"
    if not one.meets and best.meets:
        return "level_not_reached"
    if one.wishes != best.wishes:
        return "less_wanted"
    return "costs_more" if one.cost - best.cost > 0.0 else "tied"


def why_ranked(
    reason: str, one: WeighedOption, dominators: tuple[int, ...], terms: RankedBy
) -> tuple[Fact, ...]:
    """The clauses that say what decided the rank."""
    chance = one.confidence if one.wanted is None else one.wanted
    until = one.date if terms.wanted_by is None else terms.wanted_by
    if reason == "best":
        facts = _of_the_best(one, terms)
    elif reason == "no_promise":
        texts = " ".join(message["text"] for message in one.promise.messages)
        facts = [Fact("no_promise", text=texts.rstrip("."))]
    elif reason == "dominated":
        facts = [Fact("dominated", days=dominators[0])]
    elif reason == "level_not_reached":
        facts = [
            Fact("only", share=_percent(chance), day=until),
            Fact("asked_for", share=terms.service_level),
        ]
    elif reason == "less_wanted":
        facts = [_what_is_wanted(one, terms)]
    elif reason == "costs_more":
        facts = [Fact("costs_more", amount=one.cost - terms.best.cost)]
    else:
        facts = [Fact("as_good")]
    return (*facts, Fact("prices_left_out")) if terms.left_out else tuple(facts)


def _of_the_best(one: WeighedOption, terms: RankedBy) -> list[Fact]:
    if not one.promised:
        return [Fact("best_of_unpromised")]
    if not one.meets:
        return [Fact("best_of_missing", share=terms.service_level)]
    facts = [Fact("best", share=_percent(one.confidence), day=one.date)]
    if one.wanted is not None and terms.wanted_by != one.date:
        facts.append(Fact("by_wanted", share=_percent(one.wanted), day=terms.wanted_by))
    if terms.added_up:
        facts.append(Fact("in_all", amount=one.cost))
    return facts


def _what_is_wanted(one: WeighedOption, terms: RankedBy) -> Fact:
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
