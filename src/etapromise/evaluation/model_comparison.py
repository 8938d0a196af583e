"""Measuring two models against each other and against what the network did."""

from __future__ import annotations

import functools
import time
import timeit
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Dates, Floats, Ints
from etapromise.errors import InsufficientHistoryError
from etapromise.evaluation.judgement import Truth, day_column, judge, outcomes_of, stated_column
from etapromise.evaluation.metrics import mean_or_none, summarise
from etapromise.evaluation.replay import Forecaster, replay_quotes
from etapromise.evaluation.summary import kept_by_group
from etapromise.forecast.distribution import DateDistribution
from etapromise.tracking import TrackedHistory

_DAY: Final = pd.Timedelta(days=1)


def days_to_mature(history: TrackedHistory, as_of: pd.Timestamp) -> int:
    """Whole days after which nine of ten orders had their event received.

    Measured on orders that are 45 to 135 days old, all long decided but the lost ones, which count
    as never arriving; at most 45.
    """
    age = as_of - history.shipments["ordered_at"]
    old = (age > 45 * _DAY) & (age <= 135 * _DAY)
    old &= (history.milestones["closed_as"] != "cancelled").fillna(value=True)
    if not old.any():
        raise InsufficientHistoryError(
            f"Found no order that is 45 to 135 days old at {as_of.isoformat()}; expected some, to "
            "tell how long it takes until promises can be judged. Give older shipments."
        )
    waited = history.milestones["event_known_at"] - history.shipments["ordered_at"]
    days = waited[old.to_numpy()].dt.total_seconds().to_numpy() / 86_400
    days = np.sort(np.where(np.isnan(days), np.inf, days))
    reached = days[min(len(days) - 1, int(np.ceil(0.9 * len(days))) - 1)]
    return int(min(45, np.ceil(reached)))


def judged_orders(
    model: Forecaster,
    truth: Truth,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp,
    service_level: float,
    refresh_every: int,
) -> pd.DataFrame:
    """What a model promised to the orders of ``[start, end)``, quoted day by day, and what came.

    Returns:
        A judged table (see `judge`), by time of order: two models' tables of the same weeks have
        the same orders in the same rows.
    """
    first = np.datetime64(start.tz_convert("UTC").date(), "D") - np.timedelta64(1, "D")
    covered = max(1, int((truth.covered_until - first).astype(np.int64)) + 1)
    # Models differ in their horizon; scored until each one's own end, the shorter would look better
    # wherever a parcel is lost.
    parts = [
        judge(
            truth,
            days.rows,
            DateDistribution.joined([days.forecast], covered),
            levels=(service_level,),
            seed=0,
        )
        for days in replay_quotes(
            model, truth.history, start=start, end=end, refresh_every=refresh_every
        )
    ]
    if not parts:
        raise InsufficientHistoryError(
            f"Found no order from {start.isoformat()} to {end.isoformat()}, the weeks to judge by."
        )
    return pd.concat(parts, ignore_index=True)


def quality_of(table: pd.DataFrame, service_level: float) -> dict[str, Any]:
    """How the promises of a judged table were kept.

    Returns:
        ``kept`` and ``groups`` (by carrier and service; see `summary`) and ``crps_days``.
    """
    day, stated = day_column(service_level), stated_column(service_level)
    kept = summarise(outcomes_of(table), table[day].to_numpy(), table[stated].to_numpy())
    counted = table["outcome"] != "cancelled"
    return {
        "kept": asdict(kept),
        "groups": kept_by_group(table, "carrier_service", day, stated, smallest_group=1),
        "crps_days": mean_or_none(table.loc[counted, "crps_days"].to_numpy()),
    }


def score_difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    """By how much one model's CRPS is higher than another's, and how far luck may move that.

    The difference is taken order by order, so that what is hard for both falls out; orders of one
    day meet the same weather and count as one draw (cluster-robust standard error: Cameron &
    Miller 2015, Journal of Human Resources 50:317).

    Returns:
        ``orders``, ``days``, ``mean_days`` (positive: ours is worse) and ``standard_error_days``,
        None with fewer than two days of orders.
    """
    counted = (ours["outcome"] != "cancelled").to_numpy()
    apart = (ours["crps_days"] - theirs["crps_days"]).to_numpy(dtype=np.float64)[counted]
    dates: Any = ours["ordered_at"].dt.tz_convert("UTC").dt.floor("D")
    mean, error, days = clustered_mean(apart, pd.factorize(dates[counted])[0])
    return {"orders": len(apart), "days": days, "mean_days": mean, "standard_error_days": error}


def clustered_mean(values: Floats, cluster: Ints) -> tuple[float | None, float | None, int]:
    """The mean of n values, its cluster-robust standard error, and how many clusters there are.

    Args:
        cluster: (n,) numbers from 0 on.

    Returns:
        Mean (None of nothing), standard error (None of fewer than two clusters), clusters.
    """
    if not len(values):
        return None, None, 0
    mean = float(values.mean())
    sums = np.bincount(cluster, weights=values - mean)
    clusters = len(sums)
    if clusters < 2:
        return mean, None, clusters
    spread = np.sqrt(clusters / (clusters - 1) * np.square(sums).sum())
    return mean, float(spread / len(values)), clusters


def latest_orders(history: TrackedHistory, as_of: pd.Timestamp, *, days: int) -> pd.DataFrame:
    """The shipments ordered in the last ``days`` before a moment, (n, ...)."""
    ordered = history.shipments["ordered_at"]
    rows = (ordered >= as_of - days * _DAY) & (ordered < as_of)
    return history.shipments[rows].reset_index(drop=True)


def promised_dates(model: Forecaster, orders: pd.DataFrame, service_level: float) -> Dates:
    """The dates that a model promises as it stands, (n,) datetime64[D].

    Where it reaches the service level on no day, the end of its horizon.
    """
    forecast = model.distribution_many(orders)
    dates: Dates = forecast.origin_dates + forecast.at(service_level).astype("timedelta64[D]")
    return dates


def shift_between(dates: Dates, before: Dates) -> dict[str, Any]:
    """How far dates lie from those promised before, each (n,).

    Returns:
        ``orders``, ``mean_days`` (later), ``mean_absolute_days``, ``moved_share`` and ``far_share``
        (more than three days).
    """
    apart = (dates - before).astype("timedelta64[D]").astype(np.float64)
    return {
        "orders": len(apart),
        "mean_days": float(apart.mean()),
        "mean_absolute_days": float(np.abs(apart).mean()),
        "moved_share": float((apart != 0).mean()),
        "far_share": float((np.abs(apart) > 3).mean()),
    }


def quote_seconds(model: Forecaster, orders: pd.DataFrame) -> float:
    """Processor seconds to quote a table, the best of five."""
    ask = functools.partial(model.distribution_many, orders)
    return min(timeit.repeat(ask, timer=time.process_time, number=1))
