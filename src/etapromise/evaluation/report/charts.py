"""The drawings of the backtest report, each from the numbers in its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from etapromise.evaluation.report.findings import Facts
from etapromise.evaluation.report.inline_svg import Ink, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["dots", "draw_charts", "draw_pit", "label_some", "percent_axis"]


def draw_charts(facts: Facts) -> dict[str, str]:
    """Every drawing of the page by name, as SVG elements.

    Args:
        facts: The facts of a backtest.
    """
    return {
        "levels": draw(
            "levels",
            "Kept rate and stated confidence at each service level.",
            lambda figure: _levels(figure, facts),
        ),
        "reliability": draw(
            "reliability",
            "Kept rate against stated probability; honest forecasts lie on the diagonal.",
            lambda figure: _reliability(figure, facts),
        ),
        "periods": draw(
            "periods",
            f"Kept rate by {facts['config']['every']}, with 95 % intervals.",
            lambda figure: _periods(figure, facts),
        ),
        "frontier": draw(
            "frontier",
            "Kept rate against the mean number of days promised.",
            lambda figure: _frontier(figure, facts),
        ),
        "sharpness": draw(
            "sharpness",
            f"Error and width of the band by {facts['config']['every']}.",
            lambda figure: _sharpness(figure, facts),
        ),
        "pit": draw(
            "pit",
            "How often events fell into each twentieth of their forecast; level is right.",
            lambda figure: _pit(figure, facts),
        ),
    }


def _levels(figure: Figure, facts: Facts) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["reliability"] if row["judged"]]
    level = [row["service_level"] for row in rows]
    axes.plot([0, 1], [0, 1], color=Ink.MUTED, linewidth=1, dashes=(1, 2), label="service level")
    axes.plot(level, [row["mean_confidence"] for row in rows], color=Ink.STATED, label="stated")
    dots(axes, level, rows, Ink.OURS, "kept")
    axes.set(xlabel="service level asked for", xlim=(0, 1.02), ylim=(0, 1.02))
    percent_axis(axes, "xy")
    axes.legend(loc="lower right")


def _reliability(figure: Figure, facts: Facts) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=Ink.MUTED, linewidth=1, dashes=(1, 2), label="honest")
    rows = [row for row in facts["reliability"] if row["judged"]]
    dots(axes, [row["mean_confidence"] for row in rows], rows, Ink.OURS, "our dates")
    if facts["shop"] is not None:
        rows = [row for row in facts["shop"]["by_stated_probability"] if row["judged"]]
        stated = [row["mean_confidence"] for row in rows]
        dots(axes, stated, rows, Ink.SHOP, "the shop's dates", hollow=True)
    axes.set(xlabel="probability stated beforehand", ylabel="kept", xlim=(0, 1.02), ylim=(0, 1.02))
    percent_axis(axes, "xy")
    axes.legend(loc="lower right")


def _periods(figure: Figure, facts: Facts) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["by"]["period"] if row["judged"]]
    place = {row["group"]: i for i, row in enumerate(rows)}
    x = np.arange(len(rows), dtype=np.float64)
    stated = [row["mean_confidence"] for row in rows]
    axes.hlines(stated, x - 0.4, x + 0.4, color=Ink.STATED, linewidth=1.8, label="stated")
    if facts["shop"] is not None:
        shop = [
            row for row in facts["shop"]["by"]["period"] if row["judged"] and row["group"] in place
        ]
        at = [place[row["group"]] + 0.18 for row in shop]
        dots(axes, at, shop, Ink.SHOP, "the shop's dates", hollow=True)
    dots(axes, x, rows, Ink.OURS, f"our {100 * facts['main_level']:g} % dates")
    axes.axhline(facts["main_level"], color=Ink.MUTED, linewidth=1, dashes=(1, 2))
    label_some(axes, x.tolist(), [row["group"] for row in rows])
    axes.set(xlim=(-0.6, len(rows) - 0.4))
    axes.set_ylim(top=1.005)
    axes.grid(visible=False, axis="x")
    percent_axis(axes, "y")
    axes.legend(loc="best")


def _frontier(figure: Figure, facts: Facts) -> None:
    axes = figure.subplots()
    shop = facts["shop"]
    ours = facts["reliability"] if shop is None else shop["ours_on_the_same_orders"]
    rows = [row for row in ours if row["judged"] and row["service_level"] >= 0.5]
    days = [row["mean_days"] for row in rows]
    axes.plot(days, [row["kept_rate"] for row in rows], color=Ink.OURS, label="our dates")
    dots(axes, days, rows, Ink.OURS, None)
    for row, day in zip(rows, days, strict=True):
        if row["service_level"] in {0.5, 0.8, 0.9, 0.95}:
            axes.annotate(
                f"{100 * row['service_level']:g} %",
                (day, row["kept_rate"]),
                xytext=(6, -12),
                textcoords="offset points",
                color=Ink.MUTED,
            )
    if shop is not None and shop["judged"]:
        dots(axes, [shop["mean_days"]], [shop], Ink.SHOP, "the shop's dates", hollow=True)
    axes.set(xlabel="days promised, on average", ylabel="kept")
    axes.margins(x=0.1)
    percent_axis(axes, "y")
    axes.legend(loc="lower right")


def _sharpness(figure: Figure, facts: Facts) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["scores"]["by_period"] if row["crps_days"] is not None]
    x = np.arange(len(rows))
    axes.plot(
        x,
        [row["crps_days"] for row in rows],
        color=Ink.OURS,
        marker="o",
        markersize=4,
        label="error of the forecast (CRPS)",
    )
    width = [row["interval"]["mean_width_days"] for row in rows]
    axes.plot(x, width, color=Ink.STATED, marker="o", markersize=4, label="width of the 80 % band")
    names = [row["period"] for row in rows]
    label_some(axes, x.tolist(), names)
    axes.set(xlim=(-0.6, len(rows) - 0.4))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("days")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="best")


def _pit(figure: Figure, facts: Facts) -> None:
    draw_pit(figure, facts["pit"]["counts"])


def draw_pit(figure: Figure, pit_counts: Sequence[int]) -> None:
    """The histogram of the probability integral transform; flat is right."""
    axes = figure.subplots()
    counts = np.array(pit_counts, dtype=np.float64)
    share = counts / max(counts.sum(), 1) * len(counts)
    left = np.arange(len(counts)) / len(counts)
    axes.bar(left, share, width=0.92 / len(counts), align="edge", color=Ink.OURS, alpha=0.75)
    axes.axhline(1, color=Ink.MUTED, linewidth=1, dashes=(1, 2))
    axes.set(xlabel="earlier than forecast  ←   place in the forecast   →  later", xlim=(0, 1))
    axes.set_ylabel("times the expected")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False, axis="x")
    percent_axis(axes, "x")


def dots(
    axes: Axes,
    x: Sequence[float] | Any,
    rows: Sequence[dict[str, Any]],
    colour: Ink,
    label: str | None,
    *,
    hollow: bool = False,
) -> None:
    """Kept rates with their 95 % intervals."""
    rate = np.array([row["kept_rate"] for row in rows], dtype=np.float64)
    low = np.array([row["kept_low"] for row in rows], dtype=np.float64)
    high = np.array([row["kept_high"] for row in rows], dtype=np.float64)
    axes.errorbar(
        np.asarray(x, dtype=np.float64),
        rate,
        # Rounding may leave an end of the interval on the wrong side of the rate by 1e-17.
        yerr=np.maximum(0.0, np.stack([rate - low, high - rate])),
        fmt="o",
        color=colour,
        markersize=5,
        markerfacecolor=Ink.PAPER if hollow else colour,
        elinewidth=1.2,
        capsize=0,
        label=label,
    )


def percent_axis(axes: Axes, which: str) -> None:
    """Shares as percentages, on the axes named in ``which``."""
    written = FuncFormatter(lambda value, _: f"{100 * value:.4g} %")
    if "x" in which:
        axes.xaxis.set_major_formatter(written)
    if "y" in which:
        axes.yaxis.set_major_formatter(written)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def label_some(axes: Axes, x: Sequence[float], names: Sequence[str]) -> None:
    """Names below the axis, upright: as many as fit, evenly spaced, the last among them."""
    every = max(1, int(np.ceil(len(names) / 6)))
    chosen = range(len(names) - 1, -1, -every)
    axes.set_xticks([x[n] for n in chosen], [names[n] for n in chosen])
