"""A judged table in numbers: how promises were kept, by group, and beside the shop's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats
from etapromise.evaluation.judgement import (
    INTERVAL,
    JUDGED_LEVELS,
    day_column,
    outcomes_of,
    stated_column,
)
from etapromise.evaluation.metrics import (
    KeptCounts,
    interval_hits,
    mean_or_none,
    pinball_days,
    summarise,
    summarise_delivered,
)

BACKTEST_GROUPINGS: Final = (
    "period",
    "carrier",
    "service",
    "carrier_service",
    "destination_region",
    "lane_group",
)
"""Columns of the judged table by which kept rates are told."""

PIT_BINS: Final = 20
SHOP_BINS: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 1.0)

# A row has at most so many groups; the smaller ones are told together.
_MOST_GROUPS: Final = 40
OTHERS: Final = "all other"
"""The group of those that are too small or too many to be told on their own."""


def summary_of(
    table: pd.DataFrame,
    *,
    service_levels: Sequence[float],
    main_level: float,
    smallest_group: int,
    levels: Sequence[float] = JUDGED_LEVELS,
) -> dict[str, Any]:
    """Everything a report tells, ready for JSON (None where there is nothing to tell).

    Args:
        table: A judged table with the column ``period``.
        main_level: The one told by group; among ``levels``.
        smallest_group: Lanes and regions with fewer promises are told together.
        levels: All that were judged, for the reliability curve and the pinball loss.

    Returns:
        ``outcomes`` (count by word), ``service_levels`` and ``reliability`` (lists of `KeptCounts`
        with ``service_level``, the first also with ``delivered_only``), ``by`` (grouping → list of
        `KeptCounts` with ``group``, at the main level), ``shop`` (its own promise: likewise, None
        where it made none), ``scores``, ``pit`` (counts in 20 equal bins).
    """
    return {
        "outcomes": {str(word): int(n) for word, n in table["outcome"].value_counts().items()},
        "main_level": main_level,
        "service_levels": [
            {
                "service_level": level,
                **asdict(_kept_at(table, level)),
                "delivered_only": asdict(_kept_at(table, level, delivered_only=True)),
            }
            for level in service_levels
        ],
        "reliability": [
            {"service_level": level, **asdict(_kept_at(table, level))} for level in levels
        ],
        "by": _by_groups(table, day_column(main_level), stated_column(main_level), smallest_group),
        "shop": _shop(table, levels=levels, smallest_group=smallest_group),
        "scores": {
            "overall": _scores(table, levels),
            "by_period": [
                {"period": str(period), **_scores(rows, levels)}
                for period, rows in table.groupby("period", sort=True)
            ],
        },
        "pit": {
            "bins": PIT_BINS,
            "counts": pit_counts(_numbers(table[table["outcome"] != "cancelled"], "pit")),
        },
    }


def kept_by_group(
    table: pd.DataFrame, by: str, day: str, stated: str | None, *, smallest_group: int
) -> list[dict[str, Any]]:
    """How promises were kept in each group, in the order of the groups' names; see `large_groups`.

    Args:
        by: The column with the groups.
        day: The column with the promised days.
        stated: The column with the stated confidences, None where none were stated.
    """
    found = []
    for name, rows in table.groupby(large_groups(table[by], smallest_group), sort=True):
        confidence = None if stated is None else _numbers(rows, stated)
        kept = summarise(outcomes_of(rows), _numbers(rows, day), confidence)
        found.append({"group": str(name), **asdict(kept)})
    return found


def _by_groups(
    table: pd.DataFrame, day: str, stated: str | None, smallest: int
) -> dict[str, list[dict[str, Any]]]:
    sizes = {name: 1 if name == "period" else smallest for name in BACKTEST_GROUPINGS}
    return {
        name: kept_by_group(table, name, day, stated, smallest_group=size)
        for name, size in sizes.items()
    }


def large_groups(names: pd.Series[Any], smallest_group: int) -> pd.Series[Any]:
    """(n,) the groups of n rows, the small ones and those after the forty largest as one."""
    sizes = names.value_counts()
    own = set(sizes[sizes >= smallest_group].index[:_MOST_GROUPS])
    return names.where(names.isin(own), OTHERS)


def pit_counts(pit: Floats) -> list[int]:
    """How many of the probability integral transforms lie in each of `PIT_BINS`."""
    counts, _ = np.histogram(pit, bins=PIT_BINS, range=(0.0, 1.0))
    return [int(n) for n in counts]


def days_matched_kept_rate(reliability: Sequence[dict[str, Any]], days: float) -> float | None:
    """The kept rate of promises that are ``days`` long on average, None out of range.

    Interpolated linearly between service levels: what a mixture of the two would keep.
    """
    told = [row for row in reliability if row["judged"] and row["mean_days"] is not None]
    length = np.array([row["mean_days"] for row in told])
    rate = np.array([row["kept_rate"] for row in told])
    if not told or not length.min() <= days <= length.max():
        return None
    return float(np.interp(days, length, rate))


def _kept_at(table: pd.DataFrame, level: float, *, delivered_only: bool = False) -> KeptCounts:
    summarising = summarise_delivered if delivered_only else summarise
    return summarising(
        outcomes_of(table),
        _numbers(table, day_column(level)),
        _numbers(table, stated_column(level)),
    )


def _shop(
    table: pd.DataFrame, *, levels: Sequence[float], smallest_group: int
) -> dict[str, Any] | None:
    """The shop's own promises, and ours for the same orders."""
    promised = table[table["shop_day"].notna()]
    if promised.empty:
        return None
    day = _numbers(promised, "shop_day")
    outcomes = outcomes_of(promised)
    theirs = summarise(outcomes, day)
    ours = [{"service_level": level, **asdict(_kept_at(promised, level))} for level in levels]
    return {
        **asdict(theirs),
        "delivered_only": asdict(summarise_delivered(outcomes, day)),
        "ours_on_the_same_orders": ours,
        "our_kept_rate_at_their_mean_days": (
            None if theirs.mean_days is None else days_matched_kept_rate(ours, theirs.mean_days)
        ),
        "by": _by_groups(promised, "shop_day", None, smallest_group),
        "by_stated_probability": _shop_by_probability(promised),
    }


def _shop_by_probability(promised: pd.DataFrame) -> list[dict[str, Any]]:
    """How often the shop kept its dates, by the probability that was forecast for them."""
    bins = pd.cut(
        promised["shop_confidence"], bins=list(SHOP_BINS), include_lowest=True, labels=False
    )
    found = []
    for number, rows in promised.groupby(bins, sort=True):
        kept = summarise(
            outcomes_of(rows), _numbers(rows, "shop_day"), _numbers(rows, "shop_confidence")
        )
        i = int(str(number))
        found.append({"low": SHOP_BINS[i], "high": SHOP_BINS[i + 1], **asdict(kept)})
    return found


def _scores(table: pd.DataFrame, levels: Sequence[float]) -> dict[str, Any]:
    """Means over all orders that were not cancelled; days are cut off where the data end."""
    told = table[table["outcome"] != "cancelled"]
    outcomes = outcomes_of(told)
    pinball = {}
    for level in levels:
        day = _numbers(told, day_column(level))
        loss = pinball_days(outcomes, np.where(np.isnan(day), np.inf, day), level)
        pinball[f"{level:g}"] = mean_or_none(loss)
    low, high = (_numbers(told, day_column(level)) for level in INTERVAL)
    inside, said = interval_hits(outcomes, low, high)
    dated = np.isfinite(high)
    losses = [loss for loss in pinball.values() if loss is not None]
    return {
        "parcels": len(told),
        "crps_days": mean_or_none(_numbers(told, "crps_days")),
        "mean_pinball_days": float(np.mean(losses)) if losses else None,
        "pinball_days": pinball,
        "interval": {
            "levels": list(INTERVAL),
            "judged": int(said.sum()),
            "covered": mean_or_none(inside[said].astype(np.float64)),
            "stated": mean_or_none(_numbers(told, "interval_stated")[said]),
            "mean_width_days": mean_or_none((high - low)[dated]),
        },
    }


def _numbers(table: pd.DataFrame, name: str) -> Floats:
    return table[name].to_numpy(dtype=np.float64)
