"""Measuring two models against each other and against what the network did."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.errors import InsufficientHistoryError
from etapromise.operations.judgement import Truth, day_column, judge, outcomes_of, stated_column
from etapromise.operations.quality import mean_or_none, summarise
from etapromise.operations.replay import Forecaster, replay_quotes
from etapromise.operations.summary import kept_by_group
from etapromise.tracking import TrackedHistory

__all__ = [
    "date_shift",
    "days_to_mature",
    "latest_orders",
    "quality_of",
    "quote_seconds",
    "scan_carriers",
    "scan_lag_shifts",
]

_DAY: Final = pd.Timedelta(days=1)
# Scans that tell how long a carrier usually takes to send them.
_LEAST_SCANS: Final = 50


def days_to_mature(history: TrackedHistory, as_of: pd.Timestamp, *, share: float = 0.9) -> int:
    """Whole days after which ``share`` of the orders had their event received.

    Measured on orders that are 45 to 135 days old, all long decided but the lost ones, which count
    as never arriving; at most 45.

    Raises:
        InsufficientHistoryError: There are no such orders.
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
    reached = days[min(len(days) - 1, int(np.ceil(share * len(days))) - 1)]
    return int(min(45, np.ceil(reached)))


def quality_of(
    model: Forecaster,
    truth: Truth,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp,
    service_level: float,
    refresh_every: int,
) -> dict[str, Any]:
    """How a model's promises to the orders of ``[start, end)`` were kept, quoted day by day.

    Returns:
        ``kept`` and ``groups`` (by carrier and service; see `summary`) and ``crps_days``.
    """
    parts = [
        judge(truth, days.rows, days.forecast, levels=(service_level,), seed=0)
        for days in replay_quotes(
            model, truth.history, start=start, end=end, refresh_every=refresh_every
        )
    ]
    if not parts:
        raise InsufficientHistoryError(
            f"Found no order from {start.isoformat()} to {end.isoformat()}, the weeks to judge by."
        )
    table = pd.concat(parts, ignore_index=True)
    day, stated = day_column(service_level), stated_column(service_level)
    kept = summarise(outcomes_of(table), table[day].to_numpy(), table[stated].to_numpy())
    counted = table["outcome"] != "cancelled"
    return {
        "kept": asdict(kept),
        "groups": kept_by_group(table, "carrier_service", day, stated, smallest_group=1),
        "crps_days": mean_or_none(table.loc[counted, "crps_days"].to_numpy()),
    }


def latest_orders(history: TrackedHistory, as_of: pd.Timestamp, *, days: int) -> pd.DataFrame:
    """The shipments ordered in the last ``days`` before a moment, (n, ...)."""
    ordered = history.shipments["ordered_at"]
    rows = (ordered >= as_of - days * _DAY) & (ordered < as_of)
    return history.shipments[rows].reset_index(drop=True)


def date_shift(
    challenger: Forecaster, champion: Forecaster, orders: pd.DataFrame, *, service_level: float
) -> dict[str, Any]:
    """How far a challenger's promised dates lie from the champion's, both as they stand.

    Returns:
        ``orders``, ``mean_days`` (challenger less champion), ``mean_absolute_days``,
        ``moved_share`` and ``far_share`` (more than three days). Where one of them promises no
        date its horizon counts.
    """
    days = []
    for model in (challenger, champion):
        forecast = model.distribution_many(orders)
        reached = forecast.probability >= service_level
        horizon = forecast.probability.shape[1]
        first = np.where(reached.any(axis=1), reached.argmax(axis=1), horizon)
        days.append(forecast.origin_dates + first.astype("timedelta64[D]"))
    apart = (days[0] - days[1]).astype("timedelta64[D]").astype(np.float64)
    return {
        "orders": len(orders),
        "mean_days": float(apart.mean()),
        "mean_absolute_days": float(np.abs(apart).mean()),
        "moved_share": float((apart != 0).mean()),
        "far_share": float((np.abs(apart) > 3).mean()),
    }


def quote_seconds(model: Forecaster, orders: pd.DataFrame, *, repeats: int = 5) -> float:
    """Processor seconds to quote a table, the best of some repeats."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        model.distribution_many(orders)
        best = min(best, time.process_time() - start)
    return float(best)


def scan_lag_shifts(
    history: TrackedHistory, *, start: pd.Timestamp, end: pd.Timestamp
) -> list[dict[str, Any]]:
    """By how much each carrier's usual time from scan to receipt has moved.

    The median over the scans received in ``[start, end)``, less that over those of the eight weeks
    before. The clock of a scan shows in it, the speed of the network does not. Carriers with
    fewer than 50 scans on either side are left out.

    Returns:
        ``carrier``, ``hours`` (positive: scans seem older than they used to), ``scans``.
    """
    scans = history.scans
    carrier = scan_carriers(history)
    hours = (scans["received_at"] - scans["scanned_at"]).dt.total_seconds() / 3600
    received = scans["received_at"]
    fresh = (received >= start) & (received < end)
    before = (received >= start - 56 * _DAY) & (received < start)
    found = []
    for name in sorted(carrier.unique()):
        ours = carrier == name
        new, old = hours[ours & fresh], hours[ours & before]
        if min(len(new), len(old)) >= _LEAST_SCANS:
            shift = float(new.median() - old.median())
            found.append({"carrier": str(name), "hours": shift, "scans": len(new)})
    return found


def scan_carriers(history: TrackedHistory) -> pd.Series[Any]:
    """Whose each scan is, aligned with the scans: its own carrier, or else its shipment's."""
    scans = history.scans
    if "carrier" in scans and scans["carrier"].notna().any():
        return scans["carrier"].fillna("carrier not said")
    if "carrier" in history.shipments:
        owner = history.shipments.set_index("shipment_id")["carrier"]
        return scans["shipment_id"].map(owner).fillna("carrier not said")
    return pd.Series("all", index=scans.index)
