"""Matplotlib figures as SVG inside a page, in the page's own colours and letters.

A figure is drawn in stand-in colours, which become the page's CSS variables, so that one drawing
serves light, dark and print. Text stays text: it is read out, found and printed sharp.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist


class Ink(StrEnum):
    """Stand-in colours, each for the CSS variable of the page that has its name."""

    TEXT = "#010101"
    MUTED = "#020202"
    GRID = "#030303"
    OURS = "#040404"
    STATED = "#050505"
    SHOP = "#060606"
    CARD = "#070707"


_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": Ink.TEXT.value,
    **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), Ink.GRID.value),
    **dict.fromkeys(("axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), Ink.MUTED.value),
    **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
    **{f"axes.spines.{side}": False for side in ("top", "right", "left")},
    **{f"{axis}.major.size": 0 for axis in ("xtick", "ytick")},
    "axes.linewidth": 0.8,
    "grid.linewidth": 0.6,
    "xtick.major.pad": 7,
    "ytick.major.pad": 5,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "lines.linewidth": 1.8,
}

# Some 345 units wide, about what a phone has to show them, so that letters keep their size there.
_INCHES: Final = (4.8, 3.2)


def draw(name: str, describe: str, paint: Callable[[Figure], None]) -> str:
    """Draw a figure and return it as an ``<svg>`` element.

    Args:
        name: Unique in the page; goes before every id in the drawing.
        describe: One sentence for those who cannot see it.
        paint: Draws on the figure, in colours of `Ink` only.

    Returns:
        The same bytes for the same drawing.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        figure.patch.set_alpha(0.0)
        paint(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0.0)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(file.getvalue(), name, describe)


# The id of a line's markers carries what they tell until the drawing is text.
_TELLS: Final = "tells-"


def tell(markers: Artist, texts: Sequence[str]) -> None:
    """Give each marker of a line, in order, a text that it tells when pointed at."""
    markers.set_gid(_TELLS + json.dumps(list(texts)).encode().hex())


def _told(svg: str) -> str:
    """The texts of `tell` as titles of their markers, which a screen reader finds as well."""

    def titled(group: re.Match[str]) -> str:
        texts = iter(json.loads(bytes.fromhex(group[1])))
        marked = re.sub(
            r"<use [^>]*/>",
            lambda use: (
                f'<g class="dot" tabindex="0"><title>{html.escape(next(texts))}</title>{use[0]}</g>'
            ),
            group[2],
        )
        return f"<g>{marked}</g>"

    return re.sub(rf'<g id="{_TELLS}([0-9a-f]*)">(.*?</g>)\s*</g>', titled, svg, flags=re.DOTALL)


def _inline(text: str, name: str, describe: str) -> str:
    svg = text[text.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = _told(svg)
    # Ids are unique in a file but not in a page with several drawings.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    for ink in Ink:
        svg = svg.replace(ink.value, f"var(--{ink.name.lower()})")
    svg = re.sub(r"font-family: [^;\"]*(;|(?=\"))", "", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    label = html.escape(describe, quote=True)
    # Without width and height it takes the width of its place; only the box tells its shape.
    return re.sub(
        r'<svg[^>]*(viewBox="[^"]*")[^>]*>',
        lambda tag: f'<svg role="img" aria-label="{label}" {tag[1]}>',
        svg,
        count=1,
    )
