"""What `check` found, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etapromise.evaluation.report.page import environment, page_parts
from etapromise.evaluation.report.wording import wording


def render_check(facts: dict[str, Any], lines: Sequence[str]) -> str:
    """The page of a look at own tables; English.

    Returns:
        An HTML document with its styles inside. The same facts give the same text.
    """
    page = environment(wording("en")).get_template("check.html.jinja")
    groups = {
        name: columns
        for name, columns in (facts.get("proposal") or {}).items()
        if name in {"shipments", "milestones", "scans"} and columns
    }
    return page.render(facts=facts, groups=groups, lines=lines, **page_parts())
