"""The pages of a backtest, of scorecards, of a look at tables: facts in, an HTML document out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import jinja2

from etapromise.evaluation.report import findings
from etapromise.evaluation.report.charts import draw_charts
from etapromise.evaluation.report.findings import Facts
from etapromise.evaluation.report.wording import ReportWording, wording
from etapromise.evaluation.summary import OTHERS

if TYPE_CHECKING:
    import pandas as pd

# Bars of kept rates begin here: below lies nothing that anybody would sell as a promise.
BAR_START: Final = 0.5

_CAUSES: Final = {
    "usual": "what is usual",
    "handling": "handling and cut-off",
    "closed_days": "closed days",
    "lane": "distance and lane",
    "carrier": "carrier and service",
    "now": "season and pace now",
    "parcel": "the parcel",
    "service_level": "reserve for the service level",
    "disruption": "a declared disruption",
    "whole_days": "rounding to whole days",
}


_RANKED_BY: Final = {
    "promise_kept": "how many of the shop's promised dates were kept",
    "quoted_kept": "how many of the carrier's own quoted dates were kept",
    "swift": "how many arrive in as many days as four of five parcels of the place take",
}
_PARTNER: Final = ("carrier", "service")
_PLACE: Final = ("destination_region", "lane_group")
# A page is read by people: the places with the most parcels stand on it, all are in the table.
MOST_PLACES: Final = 30


def render_backtest(facts: Facts, *, language: str = "en") -> str:
    """The report of a backtest.

    Returns:
        An HTML document with its styles and drawings inside. The same facts give the same text.
    """
    words = wording(language)
    page = environment(words).get_template("backtest.html.jinja")
    return page.render(
        facts=facts,
        charts=draw_charts(facts, words),
        verdict=findings.verdict(facts, words),
        findings=findings.findings(facts, words),
        matrix=_matrix(facts["by"]["carrier_service"]),
        lanes=findings.worst_first(facts["by"]["lane_group"]),
        shop_periods={
            row["group"]: row for row in (facts["shop"] or {"by": {"period": []}})["by"]["period"]
        },
        causes=_CAUSES,
        longest=max(map(abs, ((facts.get("example") or {}).get("why") or {"": 1.0}).values())),
        score_periods={row["period"]: row for row in facts["scores"]["by_period"]},
        **page_parts(),
    )


def render_check(facts: dict[str, Any], lines: Sequence[str]) -> str:
    """The page of a look at own tables; English.

    Args:
        facts: What was found.
        lines: What of it stands on the page in words, not in tables.

    Returns:
        An HTML document with its styles inside. The same facts give the same text.
    """
    page = environment(wording("en")).get_template("check.html.jinja")
    groups = {
        name: columns
        for name, columns in (facts.get("proposal") or {}).items()
        if name in {"shipments", "milestones", "scans"} and columns
    }
    quality = facts.get("quality") or {}
    return page.render(
        facts=facts,
        groups=groups,
        quality=quality if quality.get("tried") else None,
        lines=lines,
        **page_parts(),
    )


def backtest_plots(facts: Facts, *, language: str = "en") -> dict[str, str]:
    """The drawings of a backtest's report, each a whole SVG file in the page's light colours."""
    style = page_parts()["style"]
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", style[: style.index("@media")]))
    tag = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" '
    return {
        name: re.sub(r"var\(--([\w-]+)\)", lambda used: light[used[1]], svg).replace(
            "<svg ", tag, 1
        )
        for name, svg in draw_charts(facts, wording(language)).items()
    }


def page_parts() -> dict[str, str]:
    """What every page has inside: its style and its small script."""
    here = files(__package__)
    return {
        "style": here.joinpath("page.css").read_text(encoding="utf-8"),
        "script": here.joinpath("page.js").read_text(encoding="utf-8"),
    }


@cache
def environment(words: ReportWording) -> jinja2.Environment:
    """Templates with the filters of the pages, in a language; ``_`` translates."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = ("percent", "points", "days", "number", "decimal", "level", "signed")
    environment.filters |= {name: getattr(words, name) for name in numbers}
    environment.filters |= {"bar": _bar, "tone": _tone}
    # What `large_groups` calls those that it puts together.
    environment.filters["named"] = lambda name: words("all others") if name == OTHERS else name
    environment.globals |= {"_": words, "language": words.language}
    return environment


def _matrix(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Groups ``carrier · service`` as a table of carriers by services."""
    cells = cells_of(groups, " · ")
    services = sorted({service for row in cells.values() for service in row})
    others = [group for group in groups if " · " not in group["group"]]
    return {"cells": cells, "services": services, "others": others}


def cells_of(groups: list[dict[str, Any]], separator: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Groups of two names, such as ``carrier · service``, by the first and the second."""
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for group in groups:
        first, found, second = group["group"].partition(separator)
        if found:
            cells.setdefault(first, {})[second] = group
    return dict(sorted(cells.items()))


def _bar(share: float) -> str:
    """Where a share stands on a bar that begins at `BAR_START`, as a CSS percentage."""
    return f"{100 * min(1.0, max(0.0, (share - BAR_START) / (1 - BAR_START))):.1f}%"


def _tone(group: dict[str, Any]) -> str:
    """A CSS class: how sure it is that a group fell short of, or exceeded, its word."""
    if not group["judged"] or group["mean_confidence"] is None:
        return "unknown"
    if group["kept_high"] < group["mean_confidence"]:
        return "bad" if group["gap"] < -findings.HONEST_WITHIN else "short"
    if group["kept_low"] > group["mean_confidence"] and group["gap"] > findings.HONEST_WITHIN:
        return "cautious"
    return "good"


def render_scorecards(
    table: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    most_places: int = MOST_PLACES,
    language: str = "en",
) -> str:
    """The page of scorecards.

    Returns:
        An HTML document with its styles inside. The same table gives the same text.
    """
    where = [name for name in _PLACE if name in table.columns]
    partner = [name for name in _PARTNER if name in table.columns]
    rows = [_plain(row, partner, where) for row in table.to_dict("records")]
    places: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        places.setdefault(row["place"], []).append(row)
    ordered = sorted(places, key=lambda name: (-sum(r["parcels"] for r in places[name]), name))
    page = environment(wording(language)).get_template("scorecards.html.jinja")
    return page.render(
        as_of=f"{as_of.tz_convert('UTC'):%Y-%m-%d %H:%M}",
        ranked_by=_RANKED_BY[str(table["measure"].iloc[0])],
        places=[{"name": name, "rows": places[name]} for name in ordered[:most_places]],
        left_out=max(0, len(ordered) - most_places),
        # Of dates that nobody was told there is nothing to show.
        known={name for name in table.columns if table[name].notna().any()},
        **page_parts(),
    )


def _plain(row: dict[Any, Any], partner: list[str], where: list[str]) -> dict[str, Any]:
    """A row without NaN and infinities, under the names of its partner and its place."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        known = not isinstance(value, float) or math.isfinite(value)
        plain[str(name)] = value if known else ("never" if value == math.inf else None)
    plain["partner"] = " · ".join(str(row[name]) for name in partner)
    plain["place"] = " · ".join(str(row[name]) for name in where)
    return plain
