"""The page of a monitoring: what is wrong first, then what is watched."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from etapromise.evaluation.report import findings
from etapromise.evaluation.report.charts import draw_kept_over_time, draw_pit
from etapromise.evaluation.report.findings import Facts
from etapromise.evaluation.report.inline_svg import draw
from etapromise.evaluation.report.page import cells_of, environment, page_parts
from etapromise.evaluation.report.wording import ReportWording, wording
from etapromise.promise.confidence import CODES

_MOST_DESTINATIONS: Final = 10
_MEASURES: Final = {
    "promise_kept": "kept the promised date",
    "quoted_kept": "kept the carrier's own date",
    "swift": "were as quick as the place usually is",
}

ALARM_ADVICE: Final = {
    "no_orders": "Look at the feed of orders; what follows is of before it ended.",
    "no_scans": "Look at the feed of scans; what follows is of before it ended.",
    "silent_carrier": "Ask the carrier or the tracking vendor; until then its parcels look late.",
    "unreadable_codes": "Map the new codes, then read these scans again and refresh.",
    "wrong_clock": "Hold the retraining; have the scans sent again with the right zone.",
    "deliveries_behind": "Refresh daily: dates follow. Consider another carrier for urgent orders.",
    "promises_broken": "Raise the service level for these until the calibration has caught up.",
    "calibration": "Refresh; if that does not mend it within two weeks, retrain.",
    "churn": "Look at the decision record of that version; roll back if nothing explains it.",
    "rejected_scans": "Look at the reasons in the rejects table.",
    "input_drift": "Nothing is wrong yet; retrain once there is history of the new kind.",
    "fallback": "Promises are wider there until history has gathered.",
    "stale_statistics": "Run `etapromise refresh` every day.",
    "old_model": "Run `etapromise retrain`.",
}


def render_monitor(facts: Facts, *, language: str = "en") -> str:
    """The page of a monitoring.

    Returns:
        An HTML document with its styles and drawings inside. The same facts give the same text.
    """
    words = wording(language)
    page = environment(words).get_template("monitor.html.jinja")
    by = facts["promises"]["by"]
    return page.render(
        facts=facts,
        verdict=_verdict(facts, words),
        causes=[
            cause | {"advice": words(ALARM_ADVICE[cause["name"]])} for cause in facts["causes"]
        ],
        charts=_charts(facts, words),
        lanes=findings.worst_first(by["lane_group"]),
        matrix=_lane_matrix(by["lane_group"]),
        measures=_MEASURES,
        codes={f"code {code}": text for code, text in CODES.items()},
        carriers=findings.worst_first(by["carrier"]),
        **page_parts(),
    )


def _lane_matrix(lanes: list[dict[str, Any]]) -> dict[str, Any]:
    """Lanes ``from → to`` as a table, the destinations with the most judged promises first."""
    cells = cells_of(lanes, " → ")
    judged: Counter[str] = Counter()
    for row in cells.values():
        judged.update({destination: lane["judged"] for destination, lane in row.items()})
    ranked = sorted(judged, key=lambda name: (-judged[name], name))
    return {"cells": cells, "destinations": ranked[:_MOST_DESTINATIONS]}


def _verdict(facts: Facts, words: ReportWording) -> findings.Verdict:
    overall = facts["promises"]["overall"]
    kept = (
        words(
            "{kept} of the promises were kept, stated were {stated}.",
            kept=words.percent(overall["kept_rate"]),
            stated=words.percent(overall["mean_confidence"]),
        )
        if overall["judged"]
        else words("No promise of this time has run out yet.")
    )
    count = len(facts["causes"])
    if count:
        groups = {cause["group"].removeprefix("carrier ") for cause in facts["causes"]}
        whom = sorted(groups - {""})
        about = " " + words("It concerns {names}.", names=", ".join(whom[:4])) if whom else ""
        return findings.Verdict(
            tone="bad",
            headline=words("{count} things to look at", count=count)
            if count > 1
            else words("One thing to look at"),
            explanation=f"{kept}{about}",
        )
    return findings.Verdict(
        tone="good" if overall["judged"] else "unknown",
        headline=words("Nothing to worry about"),
        explanation=f"{kept} {words('No threshold was crossed.')}",
    )


def _charts(facts: Facts, words: ReportWording) -> dict[str, str]:
    drawn = {}
    weeks = [row for row in facts["promises"]["by"]["week"] if row["judged"]]
    if weeks:
        drawn["weeks"] = draw(
            "weeks",
            words("Kept rate by week of the order, with 95 % intervals."),
            lambda figure: draw_kept_over_time(
                figure, figure.subplots(), weeks, words("kept"), words
            ),
        )
    if facts["calibration"]["forecast"]:
        drawn["pit"] = draw(
            "monitor-pit",
            words("How often events fell into each twentieth of their forecast; level is right."),
            lambda figure: draw_pit(figure, facts["calibration"], words),
        )
    return drawn
