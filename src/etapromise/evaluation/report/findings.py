"""The findings of a backtest in plain words, for whoever runs the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = [
    "Verdict",
    "days_text",
    "findings",
    "number",
    "percent",
    "points",
    "verdict",
    "worst_first",
]

Facts = dict[str, Any]

# Within this many points of the stated confidence, a promise is as good as its word.
HONEST_WITHIN: Final = 0.02
# A time with fewer judged promises is not worth a sentence.
LEAST_JUDGED: Final = 100

_NARROW: Final = "\u202f"  # a narrow space that does not break, between a number and its unit


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The headline: how it is, in a word for colours and a sentence for people."""

    tone: Literal["good", "cautious", "bad", "unknown"]
    headline: str
    explanation: str


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal, a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}{_NARROW}%"  # noqa: RUF001 (a dash is meant)


def points(difference: float | None) -> str:
    """A difference of shares in signed percentage points."""
    if difference is None:
        return "–"  # noqa: RUF001
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def days_text(count: float | None) -> str:
    """A number of days with one decimal."""
    return "–" if count is None else f"{count:.1f}"  # noqa: RUF001


def number(count: int) -> str:
    """A count with narrow spaces between thousands."""
    return f"{count:,}".replace(",", _NARROW)


def verdict(facts: Facts) -> Verdict:
    """Whether the promises at the main level were kept as they were stated."""
    main = _main(facts)
    asked = f"{100 * facts['main_level']:g}{_NARROW}%"
    if not main["judged"]:
        return Verdict(
            tone="unknown",
            headline="No promise can be judged yet",
            explanation="Every promised date lies after the end of the data.",
        )
    headline = f"{asked} promises were kept {percent(main['kept_rate'])} of the time"
    said = f"Each states its own confidence, {percent(main['mean_confidence'])} on average"
    if main["gap"] >= -HONEST_WITHIN and main["kept_high"] < facts["main_level"]:
        return Verdict(
            tone="bad",
            headline=headline,
            explanation=f"{said}: they fell short of the {asked} that were asked for.",
        )
    if main["gap"] < -HONEST_WITHIN:
        return Verdict(
            tone="bad",
            headline=headline,
            explanation=f"{said}: they promised too much, by {percent(-main['gap'])}.",
        )
    if main["gap"] > HONEST_WITHIN:
        return Verdict(
            tone="cautious",
            headline=headline,
            explanation=f"{said}: they were more careful than they said, and could be shorter.",
        )
    return Verdict(
        tone="good",
        headline=headline,
        explanation=f"{said}: the promises were as good as their word.",
    )


def findings(facts: Facts) -> list[str]:
    """Sentences for the top of the page, the most important first."""
    told = [_counted(facts), *_shop(facts), *_periods(facts), *_lanes(facts)]
    band = facts["scores"]["overall"]["interval"]
    if band["covered"] is not None:
        told.append(
            f"The band from the 10{_NARROW}% to the 90{_NARROW}% date is "
            f"{days_text(band['mean_width_days'])} days wide on average and held "
            f"{percent(band['covered'])} of the deliveries; it said {percent(band['stated'])}."
        )
    return told


def worst_first(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups by how surely they fell short of their word; those not judged come last.

    Ranked by the upper end of the kept rate's interval less the stated confidence, so that bad luck
    in a small group does not come before a shortfall that is certain.
    """

    def shortfall(group: dict[str, Any]) -> float:
        if not group["judged"]:
            return 2.0
        stated = group["mean_confidence"]
        return float(group["kept_high"] - (stated if stated is not None else 1.0))

    return sorted(groups, key=lambda group: (shortfall(group), group["group"]))


def _main(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = next(
        row for row in facts["service_levels"] if row["service_level"] == facts["main_level"]
    )
    return found


def _counted(facts: Facts) -> str:
    main = _main(facts)
    text = (
        f"{number(main['promises'])} orders were quoted; {number(main['judged'])} promises have "
        f"run out and are judged: {number(main['kept'])} kept, {number(main['late'])} late, "
        f"{number(main['undelivered'])} not delivered."
    )
    apart = [
        f"{number(main[name])} {words}"
        for name, words in (
            ("pending", "whose date the data do not reach yet"),
            ("cancelled", "cancelled"),
            ("undated", "for which no date is safe enough"),
        )
        if main[name]
    ]
    return text + (f" Counted apart: {', '.join(apart)}." if apart else "")


def _shop(facts: Facts) -> list[str]:
    shop = facts["shop"]
    if shop is None or not shop["judged"]:
        return []
    text = (
        f"The shop's own dates were kept {percent(shop['kept_rate'])} of the time, "
        f"{days_text(shop['mean_days'])} days after the order on average."
    )
    same = shop["our_kept_rate_at_their_mean_days"]
    if same is not None:
        text += (
            f" Promises from here that are as long on average would have been kept {percent(same)}"
            " of the time."
        )
    return [text]


def _periods(facts: Facts) -> list[str]:
    rows = [row for row in facts["by"]["period"] if row["judged"] >= LEAST_JUDGED]
    if len(rows) < 3:
        return []
    worst, best = (
        choose(rows, key=lambda row: row["kept_rate"] - row["mean_confidence"])
        for choose in (min, max)
    )
    text = (
        f"Measured against what was stated, {worst['group']} went worst "
        f"({percent(worst['kept_rate'])} kept, {points(worst['gap'])} points) "
        f"and {best['group']} best ({percent(best['kept_rate'])}, {points(best['gap'])})."
    )
    return [text]


def _lanes(facts: Facts) -> list[str]:
    lanes = [row for row in facts["by"]["lane_group"] if row["judged"]]
    short = [row for row in worst_first(lanes) if row["kept_high"] < row["mean_confidence"]]
    if not short:
        return [f"Of {len(lanes)} groups of lanes, none fell short of its word by more than luck."]
    # One in forty 95 % intervals lies below the truth by luck alone.
    by_luck = max(1, round(len(lanes) / 40))
    named = ", ".join(f"{row['group']} ({percent(row['kept_rate'])})" for row in short[:3])
    text = (
        f"{len(short)} of {len(lanes)} groups of lanes fell short of their word, where about "
        f"{by_luck} would by luck alone; first of all {named}."
    )
    return [text]
