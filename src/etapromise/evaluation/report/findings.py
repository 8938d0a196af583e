"""The findings of a backtest in plain words, for whoever runs the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from etapromise.evaluation.report.wording import ReportWording

Facts = dict[str, Any]

# Within this many points of the stated confidence, a promise is as good as its word.
HONEST_WITHIN: Final = 0.02
# A time with fewer judged promises is not worth a sentence.
LEAST_JUDGED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The headline: how it is, in a word for colours and a sentence for people."""

    tone: Literal["good", "cautious", "bad", "unknown"]
    headline: str
    explanation: str


def verdict(facts: Facts, words: ReportWording) -> Verdict:
    """Whether the promises at the main level were kept as they were stated."""
    main = _main(facts)
    asked = words.level(facts["main_level"])
    if not main["judged"]:
        return Verdict(
            tone="unknown",
            headline=words("No promise can be judged yet"),
            explanation=words("Every promised date lies after the end of the data."),
        )
    tone: Literal["good", "cautious", "bad"]
    if main["gap"] < -HONEST_WITHIN:
        tone = "bad"
        points = words.decimal(-100 * main["gap"], 1)
        judged = words("they promised too much, by {points} points.", points=points)
    elif main["kept_high"] < facts["main_level"]:
        tone = "bad"
        judged = words("they fell short of the {level} that were asked for.", level=asked)
    elif main["gap"] > HONEST_WITHIN:
        tone = "cautious"
        judged = words("they were more careful than they said, and could be shorter.")
    else:
        tone = "good"
        judged = words("they were kept as often as stated.")
        if main["kept_high"] < main["mean_confidence"]:
            judged = words("they were kept nearly as often as stated.")
    return Verdict(
        tone=tone,
        headline=words(
            "{level} promises were kept {kept} of the time",
            level=asked,
            kept=words.percent(main["kept_rate"]),
        ),
        explanation=words(
            "Each states its own confidence, {stated} on average: {judged}",
            stated=words.percent(main["mean_confidence"]),
            judged=judged,
        ),
    )


def findings(facts: Facts, words: ReportWording) -> list[str]:
    """Sentences for the top of the page, the most important first."""
    told = [
        _counted(facts, words),
        *_shop(facts, words),
        *_periods(facts, words),
        *_lanes(facts, words),
    ]
    band = facts["scores"]["overall"]["interval"]
    if band["covered"] is not None:
        told.append(
            words(
                "The band from the 10 % to the 90 % date is {width} days wide on average and held "
                "{held} of the deliveries; it said {stated}.",
                width=words.days(band["mean_width_days"]),
                held=words.percent(band["covered"]),
                stated=words.percent(band["stated"]),
            )
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
    rows: list[dict[str, Any]] = facts["service_levels"]
    return next(row for row in rows if row["service_level"] == facts["main_level"])


def _counted(facts: Facts, words: ReportWording) -> str:
    main = _main(facts)
    text = words(
        "{orders} orders were quoted; {judged} promises have run out and are judged: {kept} kept, "
        "{late} late, {undelivered} not delivered.",
        orders=words.number(main["promises"]),
        judged=words.number(main["judged"]),
        kept=words.number(main["kept"]),
        late=words.number(main["late"]),
        undelivered=words.number(main["undelivered"]),
    )
    pending, cancelled, undated = (
        words.number(main[name]) for name in ("pending", "cancelled", "undated")
    )
    apart = {
        "pending": words("{count} whose date the data do not reach yet", count=pending),
        "cancelled": words("{count} cancelled", count=cancelled),
        "undated": words("{count} for which no date is safe enough", count=undated),
    }
    told = [text for name, text in apart.items() if main[name]]
    if not told:
        return text
    return f"{text} {words('Counted apart: {list}.', list=', '.join(told))}"


def _shop(facts: Facts, words: ReportWording) -> list[str]:
    shop = facts["shop"]
    if shop is None or not shop["judged"]:
        return []
    text = words(
        "The shop's own dates were kept {kept} of the time, {days} days after the order on "
        "average.",
        kept=words.percent(shop["kept_rate"]),
        days=words.days(shop["mean_days"]),
    )
    same = shop["our_kept_rate_at_their_mean_days"]
    if same is not None:
        ours = words(
            "Promises from here that are as long on average would have been kept {kept} of the "
            "time.",
            kept=words.percent(same),
        )
        text = f"{text} {ours}"
    return [text]


def _periods(facts: Facts, words: ReportWording) -> list[str]:
    rows = [row for row in facts["by"]["period"] if row["judged"] >= LEAST_JUDGED]
    if len(rows) < 3:
        return []
    worst, best = (
        choose(rows, key=lambda row: row["kept_rate"] - row["mean_confidence"])
        for choose in (min, max)
    )
    return [
        words(
            "Measured against what was stated, {worst} went worst ({worst_kept} kept, {worst_gap} "
            "points) and {best} best ({best_kept}, {best_gap}).",
            worst=worst["group"],
            worst_kept=words.percent(worst["kept_rate"]),
            worst_gap=words.points(worst["gap"]),
            best=best["group"],
            best_kept=words.percent(best["kept_rate"]),
            best_gap=words.points(best["gap"]),
        )
    ]


def _lanes(facts: Facts, words: ReportWording) -> list[str]:
    lanes = [row for row in facts["by"]["lane_group"] if row["judged"]]
    if len(lanes) < 2:
        return []  # one group is everything, of which the verdict speaks
    short = [row for row in worst_first(lanes) if row["kept_high"] < row["mean_confidence"]]
    if not short:
        return [
            words(
                "In none of {count} groups of lanes were promises kept less often than stated, "
                "beyond chance.",
                count=len(lanes),
            )
        ]
    named = [f"{row['group']} ({words.percent(row['kept_rate'])})" for row in short[:3]]
    return [
        words(
            "In {short} of {count} groups of lanes promises were kept less often than stated, "
            "where chance alone gives about {luck}; worst: {named}.",
            short=len(short),
            count=len(lanes),
            # One in forty 95 % intervals lies below the truth by luck alone.
            luck=max(1, round(len(lanes) / 40)),
            named=", ".join(named),
        )
    ]
