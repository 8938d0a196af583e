"""Whether a disruption was declared right: promises kept in its area, with it and without."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats
from etapromise.encoding.requests import DISRUPTED
from etapromise.promise.arrival_distribution import day_number
from etapromise.promise.model import PromiseModel
from etapromise.tracking.tracked import TrackedHistory

# Kept and stated this close are the same; the scatter of a share comes on top.
_CLOSE: Final = 0.03


def disruption_record(
    model: PromiseModel, history: TrackedHistory, *, service_level: float = 0.9
) -> pd.DataFrame:
    """One row for each disruption that the model knows of.

    Args:
        model: with the disruptions; best one as of the first day, which knows nothing of them else.
        history: orders and what became of them, as `read` returns it.
        service_level: of the promises.

    Returns:
        `reason`, `first`, `last`; `orders` that it concerns and that were due on its days or
        later, and are decided; `kept` and `stated` with the declaration, `kept_without` and
        `stated_without` as if nothing had been declared; `late_days`, by how many days parcels came
        later than the undisturbed median of their way, less the same of other parcels of these
        days, where there are any; and `verdict`: "right", "too little", "too much", "not needed" or
        "too few orders".

    Examples:
        >>> snow = etapromise.Disruption(first=date(2025, 7, 7), last=date(2025, 7, 8), delay=2)
        >>> list(etapromise.disruption_record(model.with_disruptions([snow]), history)["reason"])
        ['declared disruption']
    """
    frame, happened = history.shipments, history.milestones
    encoder = model.parts.encoder
    requests = encoder.encode(frame)
    usual = model.with_disruptions([]).promise_many(frame, service_level)
    told = model.promise_many(frame, service_level)
    dates = model.local_dates(frame, happened["event_at"])
    came = ~np.isnat(dates)
    event = np.where(came, dates.astype(np.int64), np.iinfo(np.int64).max)
    end = int(event[came].max()) if came.any() else 0
    date = "estimated_delivery_date"
    middle, promised, plain = (
        dates.to_numpy().astype("datetime64[D]").astype(np.int64)
        for dates in (usual["percentile_50"], told[date], usual[date])
    )
    # Decided is what has come, or what every promise of it has missed by now.
    decided = came | (np.maximum(promised, plain) < end)
    late = np.where(came, event - middle, 0).astype(np.float64)
    bits = requests.numbers[:, DISRUPTED].astype(np.uint64)
    rows: list[dict[str, Any]] = []
    for place, one in enumerate(encoder.declared):
        first, last = day_number(one.first), day_number(one.last)
        here = (bits >> np.uint64(place)) & np.uint64(1) > 0
        meanwhile = decided & (plain >= first) & (requests.order_day <= last)
        these, others = here & meanwhile, ~here & meanwhile & came
        row: dict[str, Any] = {
            "reason": one.reason,
            "first": one.first.isoformat(),
            "last": one.last.isoformat(),
            "orders": int(these.sum()),
        }
        if these.any():
            row |= {
                "kept": float((event <= promised)[these].mean()),
                "stated": float(told["confidence"][these].mean()),
                "kept_without": float((event <= plain)[these].mean()),
                "stated_without": float(usual["confidence"][these].mean()),
                "late_days": _mean(late[these & came]) - _mean(late[others]),
            }
        rows.append(row | {"verdict": _verdict(row)})
    return pd.DataFrame(rows)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


def _verdict(row: dict[str, Any]) -> str:
    count = row["orders"]
    if count < 30:
        return "too few orders"
    scatter = _CLOSE + 2.0 * math.sqrt(row["stated"] * (1.0 - row["stated"]) / count)
    off, without = row["kept"] - row["stated"], row["kept_without"] - row["stated_without"]
    if off < -scatter:
        return "too little"
    if abs(without) <= scatter and row["late_days"] < 0.5:
        return "not needed"
    return "too much" if off > scatter else "right"
