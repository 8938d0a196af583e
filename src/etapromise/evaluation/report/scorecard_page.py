"""Carrier scorecards as a page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from etapromise.evaluation.report.page import environment, page_parts
from etapromise.evaluation.report.wording import wording

if TYPE_CHECKING:
    import pandas as pd

_RANKED_BY: Final = {
    "promise_kept": "how many of the shop's promised dates were kept",
    "quoted_kept": "how many of the carrier's own quoted dates were kept",
    "swift": "how many arrive in as many days as four of five parcels of the place take",
}
_PARTNER: Final = ("carrier", "service")
_PLACE: Final = ("destination_region", "lane_group")
# A page is read by people: the places with the most parcels stand on it, all are in the table.
MOST_PLACES: Final = 30


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
