"""Filling the page: facts in, one HTML document out."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2

from etapromise.evaluation.report import findings
from etapromise.evaluation.report.charts import draw_charts
from etapromise.evaluation.report.findings import Facts

__all__ = ["environment", "render_backtest"]


# Bars of kept rates begin here: below lies nothing that anybody would sell as a promise.
BAR_START: Final = 0.5


def render_backtest(facts: Facts) -> str:
    """The report of a backtest.

    Args:
        facts: What `BacktestResult.facts` holds, or the parsed ``backtest.json``.

    Returns:
        An HTML document with its styles and drawings inside. The same facts give the same text.
    """
    charts = draw_charts(facts)
    page = environment().get_template("backtest.html.jinja")
    return page.render(
        facts=facts,
        charts=charts,
        verdict=findings.verdict(facts),
        findings=findings.findings(facts),
        matrix=_matrix(facts["by"]["carrier_service"]),
        lanes=findings.worst_first(facts["by"]["lane_group"]),
        shop_periods={
            row["group"]: row for row in (facts["shop"] or {"by": {"period": []}})["by"]["period"]
        },
        score_periods={row["period"]: row for row in facts["scores"]["by_period"]},
        style=files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
    )


@cache
def environment() -> jinja2.Environment:
    """Templates with the filters of the pages."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": findings.percent,
        "points": findings.points,
        "days": findings.days_text,
        "number": findings.number,
        "bar": _bar,
        "tone": _tone,
    }
    return environment


def _matrix(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Groups ``carrier · service`` as a table of carriers by services."""
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    others = []
    for group in groups:
        carrier, found, service = group["group"].partition(" · ")
        if found:
            cells.setdefault(carrier, {})[service] = group
        else:
            others.append(group)
    services = sorted({service for row in cells.values() for service in row})
    return {"cells": dict(sorted(cells.items())), "services": services, "others": others}


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
