"""The drawings of the backtest report, each from the numbers in its JSON."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from etapromise.evaluation.report.findings import Facts
from etapromise.evaluation.report.inline_svg import Ink, draw, tell
from etapromise.evaluation.report.wording import ReportWording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_charts(facts: Facts, words: ReportWording) -> dict[str, str]:
    """Every drawing of the page by name, as SVG elements."""
    period = words(facts["config"]["every"])
    painted: dict[str, tuple[str, Callable[..., None]]] = {
        "levels": (words("Kept rate and stated confidence at each service level."), _levels),
        "reliability": (
            words("Kept rate against stated probability; honest forecasts lie on the diagonal."),
            _reliability,
        ),
        "periods": (words("Kept rate by {period}, with 95 % intervals.", period=period), _periods),
        "frontier": (words("Kept rate against the mean number of days promised."), _frontier),
        "sharpness": (words("Error and width of the band by {period}.", period=period), _sharpness),
        "pit": (
            words("How often events fell into each twentieth of their forecast; level is right."),
            draw_pit,
        ),
    }
    if facts.get("example"):
        text = words("Probability of delivery by each day, for one order.")
        painted["example"] = text, _example
    return {
        name: draw(name, text, functools.partial(paint, facts=facts, words=words))
        for name, (text, paint) in painted.items()
    }


def _levels(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["reliability"] if row["judged"]]
    level = [row["service_level"] for row in rows]
    axes.plot(
        [0, 1], [0, 1], color=Ink.MUTED, linewidth=1, dashes=(1, 2), label=words("service level")
    )
    axes.plot(
        level, [row["mean_confidence"] for row in rows], color=Ink.STATED, label=words("stated")
    )
    _dots(axes, level, rows, Ink.OURS, words("kept"), words)
    axes.set(xlabel=words("service level asked for"), xlim=(0, 1.02), ylim=(0, 1.02))
    _percent_axis(axes, "xy", words)
    axes.legend(loc="lower right")


def _reliability(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=Ink.MUTED, linewidth=1, dashes=(1, 2), label=words("honest"))
    rows = [row for row in facts["reliability"] if row["judged"]]
    _dots(axes, [row["mean_confidence"] for row in rows], rows, Ink.OURS, words("our dates"), words)
    if facts["shop"] is not None:
        rows = [row for row in facts["shop"]["by_stated_probability"] if row["judged"]]
        stated = [row["mean_confidence"] for row in rows]
        _dots(axes, stated, rows, Ink.SHOP, words("the shop's dates"), words, hollow=True)
    axes.set(xlabel=words("probability stated beforehand"), ylabel=words("kept"))
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    _percent_axis(axes, "xy", words)
    axes.legend(loc="lower right")


def _periods(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["by"]["period"] if row["judged"]]
    place = {row["group"]: i for i, row in enumerate(rows)}
    if facts["shop"] is not None:
        shop = [
            row for row in facts["shop"]["by"]["period"] if row["judged"] and row["group"] in place
        ]
        at = [place[row["group"]] + 0.18 for row in shop]
        _dots(axes, at, shop, Ink.SHOP, words("the shop's dates"), words, hollow=True)
    axes.axhline(facts["main_level"], color=Ink.MUTED, linewidth=1, dashes=(1, 2))
    ours = words("our {level} dates", level=words.level(facts["main_level"]))
    draw_kept_over_time(figure, axes, rows, ours, words)


def draw_kept_over_time(
    figure: Figure, axes: Axes, rows: Sequence[dict[str, Any]], label: str, words: ReportWording
) -> None:
    """Kept rates of one period after another, each beside what was stated, if it was."""
    x = np.arange(len(rows), dtype=np.float64)
    stated = [row["mean_confidence"] for row in rows]
    if all(value is not None for value in stated):
        axes.hlines(
            stated, x - 0.4, x + 0.4, color=Ink.STATED, linewidth=1.8, label=words("stated")
        )
    _dots(axes, x, rows, Ink.OURS, label, words)
    _label_periods(axes, [row["group"] for row in rows])
    axes.set_ylim(top=1.005)
    _percent_axis(axes, "y", words)
    # Above the drawing: intervals leave no corner free.
    figure.legend(loc="outside upper center", ncols=2)


def _frontier(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes = figure.subplots()
    shop = facts["shop"]
    ours = facts["reliability"] if shop is None else shop["ours_on_the_same_orders"]
    rows = [row for row in ours if row["judged"] and row["service_level"] >= 0.5]
    days = [row["mean_days"] for row in rows]
    axes.plot(days, [row["kept_rate"] for row in rows], color=Ink.OURS, label=words("our dates"))
    _dots(axes, days, rows, Ink.OURS, None, words)
    for row, day in zip(rows, days, strict=True):
        if row["service_level"] in {0.5, 0.8, 0.9, 0.95}:
            axes.annotate(
                words.level(row["service_level"]),
                (day, row["kept_rate"]),
                # The curve bends to the right and the shop's dot lies below it.
                xytext=(-5, 5),
                textcoords="offset points",
                ha="right",
                color=Ink.MUTED,
            )
    if shop is not None and shop["judged"]:
        text = words("the shop's dates")
        _dots(axes, [shop["mean_days"]], [shop], Ink.SHOP, text, words, hollow=True)
    axes.set(xlabel=words("days promised, on average"), ylabel=words("kept"))
    axes.margins(x=0.15, y=0.1)
    _percent_axis(axes, "y", words)
    axes.legend(loc="lower right")


def _sharpness(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes = figure.subplots()
    rows = [row for row in facts["scores"]["by_period"] if row["crps_days"] is not None]
    x = np.arange(len(rows))
    error = [row["crps_days"] for row in rows]
    width = [row["interval"]["mean_width_days"] for row in rows]
    for values, ink, label in (
        (error, Ink.OURS, words("error of the forecast (CRPS)")),
        (width, Ink.STATED, words("width of the 80 % band")),
    ):
        axes.plot(x, values, color=ink, marker="o", markersize=4, label=label)
    _label_periods(axes, [row["period"] for row in rows])
    axes.set_ylim(bottom=0)
    axes.set_ylabel(words("days"))
    # Below each other: in some languages they are too wide for one line.
    figure.legend(loc="outside upper center", ncols=1)


def draw_pit(figure: Figure, facts: Facts, words: ReportWording) -> None:
    """The histogram of the probability integral transform; flat is right."""
    axes = figure.subplots()
    counts = np.array(facts["pit"]["counts"], dtype=np.float64)
    share = counts / max(counts.sum(), 1) * len(counts)
    left = np.arange(len(counts)) / len(counts)
    axes.bar(left, share, width=0.92 / len(counts), align="edge", color=Ink.OURS, alpha=0.75)
    axes.axhline(1, color=Ink.MUTED, linewidth=1, dashes=(1, 2))
    axes.set(xlabel=words("earlier than forecast  ←   place in the forecast   →  later"))
    axes.set(ylabel=words("times the expected"), xlim=(0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False, axis="x")
    _percent_axis(axes, "x", words)


def _dots(
    axes: Axes,
    x: Sequence[float] | Any,
    rows: Sequence[dict[str, Any]],
    colour: Ink,
    label: str | None,
    words: ReportWording,
    *,
    hollow: bool = False,
) -> None:
    """Kept rates with their 95 % intervals; each dot tells its numbers when pointed at."""
    rate, low, high = (
        np.array([row[name] for row in rows], dtype=np.float64)
        for name in ("kept_rate", "kept_low", "kept_high")
    )
    drawn = axes.errorbar(
        np.asarray(x, dtype=np.float64),
        rate,
        # Rounding may leave an end of the interval on the wrong side of the rate by 1e-17.
        yerr=np.maximum(0.0, np.stack([rate - low, high - rate])),
        fmt="o",
        color=colour,
        markersize=5,
        markerfacecolor=Ink.CARD if hollow else colour,
        elinewidth=1.2,
        capsize=0,
        label=label,
    )
    tell(drawn[0], [_numbers(row, words) for row in rows])


def _numbers(row: dict[str, Any], words: ReportWording) -> str:
    name = row.get("group") or ""
    if not name and row.get("service_level") is not None:
        name = words.level(row["service_level"])
    told = words(
        "{kept} kept ({low} to {high}), {stated} stated, {judged} judged",
        kept=words.percent(row["kept_rate"]),
        low=words.percent(row["kept_low"]),
        high=words.percent(row["kept_high"]),
        stated=words.percent(row.get("mean_confidence")),
        judged=words.number(row["judged"]),
    )
    return f"{name}: {told}" if name else told


def _example(figure: Figure, facts: Facts, words: ReportWording) -> None:
    axes, example = figure.subplots(), facts["example"]
    probability = np.array(example["probability"], dtype=np.float64)
    day = np.arange(len(probability))
    axes.step(day, probability, where="post", color=Ink.OURS, label=words("delivered by this day"))
    axes.axvline(example["day"], color=Ink.STATED, linewidth=1.4, label=words("promised"))
    if example["event_day"] is not None:
        look: Any = {"color": Ink.TEXT, "linewidth": 1.4, "dashes": (3, 2)}
        axes.axvline(example["event_day"], label=words("delivered"), **look)
    axes.set(xlabel=words("days after the order"), ylim=(0, 1.02), xlim=(0, len(probability) - 1))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _percent_axis(axes, "y", words)
    # Above the drawing: the upright lines may stand anywhere.
    figure.legend(loc="outside upper center", ncols=2)


def _percent_axis(axes: Axes, which: str, words: ReportWording) -> None:
    """Shares as percentages, on the axes named in ``which``."""
    written = FuncFormatter(lambda value, _: words.level(value))
    if "x" in which:
        axes.xaxis.set_major_formatter(written)
    if "y" in which:
        axes.yaxis.set_major_formatter(written)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _label_periods(axes: Axes, names: Sequence[str]) -> None:
    """Periods at 0, 1, …, named below the axis: as many as fit, evenly spaced, the last too."""
    every = max(1, int(np.ceil(len(names) / 6)))
    chosen = range(len(names) - 1, -1, -every)
    # A week has its year below it: side by side these names touch.
    told = [re.sub(r"^(\d{4})-(W\d\d)$", r"\2\n\1", names[n]) for n in chosen]
    axes.set_xticks(list(chosen), told)
    axes.set(xlim=(-0.6, len(names) - 0.4))
    axes.grid(visible=False, axis="x")
