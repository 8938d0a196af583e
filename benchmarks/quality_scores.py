"""Scores of forecasts by date: the same code for etapromise, its peers, the shop and the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from equal_days import EqualDays, by_cost, by_level, picked_days
from numpy.typing import NDArray

from etapromise import cost_for
from etapromise.errors import ContractError
from etapromise.evaluation.judgement import Truth, day_column, judge, outcomes_of, stated_column
from etapromise.evaluation.metrics import KeptCounts, pinball_days, summarise
from etapromise.forecast.distribution import DateDistribution, raw_probability

if TYPE_CHECKING:
    import pandas as pd
    from quality_networks import Network

Floats = NDArray[np.float64]

PROMISED = (0.8, 0.9, 0.95)
LEVELS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)


def dates_of(quantiles: Floats, levels: list[float], horizon: int) -> Floats:
    """(n, horizon) P(event by the end of day k) from (n, q) quantiles of log(1 + days).

    Read as the library reads its own forest's quantiles; a day k ends k + 1 days after day 0 began.
    """
    count = len(quantiles)
    quantiles = np.ascontiguousarray(quantiles)
    at = [
        raw_probability(
            np.asarray(levels), 1.0, quantiles, np.zeros(count), np.full(count, day + 1.0)
        )
        for day in range(horizon)
    ]
    return np.stack(at, axis=1)


def judged(
    network: Network, truth: Truth, rows: NDArray[np.int64], dates: Any, probability: Floats
) -> pd.DataFrame:
    """`judge` at our levels, with the month of each order; cancelled orders left out."""
    table = judge(truth, rows, DateDistribution(dates, probability), levels=LEVELS, seed=0)
    local = table["ordered_at"].dt.tz_convert(network.start.tz)
    return table.assign(month=local.dt.strftime("%Y-%m"))


def scores(network: Network, table: pd.DataFrame, probability: Floats) -> dict[str, Any]:
    """One row of the table of results.

    Args:
        network: Orders before its start are there to pick costs by, and are not judged.
        table: (n,) judged orders, in any order.
        probability: (n, horizon) what was forecast for them.
    """
    counts = (table["ordered_at"] >= network.start).to_numpy()
    beside = _beside_the_shop(table, probability, counts)
    table = table[counts]
    outcomes = outcomes_of(table)
    row: dict[str, Any] = {}
    for level in PROMISED:
        told = _kept(table, level)
        row |= {f"kept {level}": told.kept_rate, f"gap {level}": told.gap}
        row[f"days {level}"] = told.mean_days
    losses = [
        pinball_days(outcomes, _never(table[day_column(level)]), level).mean() for level in LEVELS
    ]
    row["pinball"] = float(np.mean(losses))
    row["crps"] = float(table["crps_days"].mean())
    for name, column, at_least in (
        ("month", "month", network.month_from),
        ("group", network.group, network.group_from),
    ):
        row |= _gaps(table, name, column, at_least)
    row["width"] = float((table[day_column(0.9)] - table[day_column(0.1)]).mean())
    return row | beside


def shop_scores(network: Network, table: pd.DataFrame) -> dict[str, Any]:
    """The shop's own dates, in the columns of the 0.9 promise."""
    table = table[table["ordered_at"] >= network.start]
    told = summarise(outcomes_of(table), _never(table["shop_day"]))
    return {"kept 0.9": told.kept_rate, "days 0.9": told.mean_days}


def _beside_the_shop(
    table: pd.DataFrame, probability: Floats, counts: NDArray[np.bool_]
) -> dict[str, Any]:
    """Fewer broken at the shop's mean days, days saved at its kept rate.

    "fewer (cost)" and "fewer (level)" pick on earlier months only; "days …" is what they then
    spend more than the shop. "fewer (equal)" and "days saved" are of the one cost that, in
    hindsight, spends exactly the shop's days, or keeps what it keeps.
    """
    known = table["shop_day"].notna() & (table["outcome"] != "cancelled")
    known &= table["shop_day"] <= table["known_until"]
    rows = np.flatnonzero(known)
    if not len(rows):
        return {}
    event, shop = _never(table["event_day"])[rows], table["shop_day"].to_numpy()[rows]
    month = table["month"].to_numpy(dtype=str)[rows]
    row: dict[str, Any] = {}
    for name, pick in (("cost", by_cost), ("level", by_level)):
        picked = picked_days(pick, month, probability[rows], shop)
        if picked is not None:
            told = EqualDays.of(picked, event, shop)
            row[f"fewer ({name})"] = told.fewer
            row[f"days ({name})"] = told.days - told.shop_days
    rows = np.flatnonzero(known & counts)
    event, shop = _never(table["event_day"])[rows], table["shop_day"].to_numpy()[rows]
    forecast, shop_kept = probability[rows], float((event <= shop).mean())
    try:
        days = cost_for(forecast, average_days=float(shop.mean())).days(forecast)
        row["fewer (equal)"] = 1.0 - float((event > days).mean()) / (1.0 - shop_kept)
        days = cost_for(forecast, event, kept_rate=shop_kept).days(forecast)
        row["days saved"] = float(shop.mean() - days.mean())
    except ContractError:
        pass  # a forecast that cannot promise as late as the shop has nothing to compare
    return row


def _gaps(table: pd.DataFrame, name: str, column: str, at_least: int) -> dict[str, Any]:
    """Calibration error of the 0.9 promise: worst and mean gap of groups with enough orders."""
    groups = [rows for _, rows in table.groupby(column) if len(rows) >= at_least]
    gaps = np.array([abs(_kept(rows, 0.9).gap or 0.0) for rows in groups])
    if not len(gaps):
        return {f"{name} gap": float("nan"), f"{name} error": float("nan")}
    orders = np.array([len(rows) for rows in groups])
    return {f"{name} gap": gaps.max(), f"{name} error": float(np.average(gaps, weights=orders))}


def _kept(table: pd.DataFrame, level: float) -> KeptCounts:
    return summarise(
        outcomes_of(table),
        _never(table[day_column(level)]),
        table[stated_column(level)].to_numpy(),
    )


def _never(days: pd.Series) -> Floats:
    return days.fillna(np.inf).to_numpy(dtype=np.float64)
