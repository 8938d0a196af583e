"""Draw the pictures of the documentation into docs/pictures/.

    python scripts/draw_pictures.py

The picture of the README is drawn from `benchmarks/measured.json`: figures that a benchmark
printed, with its command. The two of the concepts are drawn from made-up numbers that show an idea.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "pictures"
TEAL, GREY, RED = "#0b7285", "#8a8f98", "#c2410c"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "etapromise",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}


def main() -> None:
    """Draw all pictures."""
    OUT.mkdir(exist_ok=True)
    with plt.rc_context(STYLE):
        level()
        censoring()
        kept_against_stated()


def save(figure: plt.Figure, name: str) -> None:
    """As SVG on white, which reads in the dark too, without the date of its making."""
    figure.savefig(
        OUT / f"{name}.svg", bbox_inches="tight", facecolor="white", metadata={"Date": None}
    )
    plt.close(figure)


def level() -> None:
    """A distribution over days; the promise is the first at or above the level."""
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon ", "Tue "]
    share = np.array([0, 0.08, 0.31, 0.26, 0.20, 0.04, 0.0, 0.08, 0.03])
    by = share.cumsum()
    figure, axes = plt.subplots(figsize=(7, 3.2))
    first = int(np.argmax(by >= 0.8))
    axes.bar(days, by, color=[TEAL if n == first else "#cfd8dc" for n in range(len(days))])
    axes.axhline(0.8, color=RED, linewidth=1.5)
    axes.text(-0.4, 0.815, "service level 80 %", color=RED)
    axes.annotate(
        f"promise: Friday\nconfidence {100 * by[first]:.0f} %",
        (first, by[first]),
        (first + 1.1, 0.42),
        arrowprops={"arrowstyle": "-", "color": TEAL},
        color=TEAL,
    )
    axes.set(ylim=(0, 1), ylabel="arrived by the end of the day")
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    save(figure, "level")


def censoring() -> None:
    """Parcels as bars from order to arrival, cut at today."""
    rng = np.random.default_rng(4)
    ordered = np.arange(0, 18, 1.2)
    took = rng.gamma(6, 1.0, len(ordered))
    took[[8, 11, 13]] += 6
    today = 19.0
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for row, (start, days) in enumerate(zip(ordered, took, strict=True)):
        end = min(start + days, today)
        arrived = start + days <= today
        axes.plot([start, end], [row, row], color=TEAL if arrived else RED, linewidth=3)
        if arrived:
            axes.plot(end, row, "o", color=TEAL, markersize=5)
        else:
            axes.plot([today, start + days], [row, row], color=RED, linewidth=1, linestyle=":")
    axes.axvline(today, color="black", linewidth=1)
    axes.text(today, len(ordered), "today", ha="center")
    axes.text(0.2, len(ordered) - 2.2, "arrived", color=TEAL)
    axes.text(0.2, len(ordered) - 3.6, "open: at least so long", color=RED)
    axes.set(yticks=[], xlabel="day of the order and of the arrival")
    axes.spines["left"].set_visible(False)
    save(figure, "censoring")


def kept_against_stated() -> None:
    """Ours and the peers', from what was measured."""
    measured = json.loads((ROOT / "benchmarks" / "measured.json").read_text(encoding="utf-8"))
    rows = measured["kept_against_stated"]["rows"]
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.plot([0.6, 1], [0.6, 1], color=GREY, linewidth=1)
    axes.text(0.785, 0.81, "honest", color=GREY, ha="left", va="bottom", fontsize=9)
    names = list(dict.fromkeys(row["who"] for row in rows))
    by_end = sorted(names, key=lambda who: [row["kept"] for row in rows if row["who"] == who][-1])
    for name in names:
        own = [row for row in rows if row["who"] == name]
        ours = name == "etapromise"
        axes.plot(
            [row["stated"] for row in own],
            [row["kept"] for row in own],
            "o-",
            color=TEAL if ours else GREY,
            linewidth=2.5 if ours else 1,
            alpha=1 if ours else 0.75,
            zorder=3 if ours else 2,
        )
        last = own[-1]
        axes.annotate(
            name,
            (last["stated"], last["kept"]),
            (0.965, last["kept"] if ours else 0.84 + 0.027 * by_end.index(name)),
            color=TEAL if ours else "#4b5563",
            fontsize=9,
        )
    axes.set(xlabel="promised to be kept", ylabel="kept", xlim=(0.78, 1.02), ylim=(0.5, 1.0))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    axes.set_xticks([0.8, 0.85, 0.9, 0.95])
    save(figure, "kept")


if __name__ == "__main__":
    main()
