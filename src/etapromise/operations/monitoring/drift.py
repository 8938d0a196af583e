"""Drift of what is asked: orders of the latest days beside those before.

The population stability index ``Σ (p - q) ln(p / q)`` over bins (Siddiqi 2006, Credit Risk
Scorecards, ch. 9), with the usual reading: up to 0.1 stable, above 0.25 another population. Two
samples of one population have an index above zero by luck; divided by ``1/n + 1/m`` it is about
chi-square with bins - 1 degrees of freedom (Yurdakul 2018, Statistical Properties of Population
Stability Index), whose 99.9 % point is told beside it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import chdtri

from etapromise.array_types import Floats
from etapromise.promise.model import PromiseModel
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory

_DAY: Final = pd.Timedelta(days=1)
_BEFORE_DAYS: Final = 90
_BINS: Final = 10
_MOST_CATEGORIES: Final = 20
_LEAST: Final = 50
_USUAL: Final = (
    "carrier",
    "service",
    "origin",
    "origin_region",
    "origin_country",
    "destination_region",
    "destination_country",
    "destination_time_zone",
    "weight_kg",
)
FALLBACKS: Final = (
    "unseen_carrier",
    "unseen_service",
    "unseen_destination",
    "unseen_origin",
    "zone_from_region",
    "zone_from_country",
    "zone_default",
    "thin_history",
    "all_parcels_alike",
)
"""Messages of a promise that leans on coarser history than its own."""


def input_drift(
    history: TrackedHistory, model: PromiseModel, *, as_of: pd.Timestamp, days: int
) -> list[dict[str, Any]]:
    """How the orders of the latest days differ from those of the three months before.

    Looked at are the columns of the contract that are there, the model's own further features, the
    hour and the weekday of the order (UTC).

    Returns:
        The largest index first: ``input``, ``index`` (population stability index), ``by_luck`` (its
        99.9 % point if nothing had changed), ``missing`` and ``missing_before`` (shares), and
        ``moved``, the value whose share moved most, as ``{"value", "share", "share_before"}``.
        Nothing where there are fewer than 50 orders on either side.
    """
    ordered = history.shipments["ordered_at"]
    start = as_of - days * _DAY
    fresh = history.shipments[(ordered >= start) & (ordered < as_of)]
    before = history.shipments[(ordered >= start - _BEFORE_DAYS * _DAY) & (ordered < start)]
    if min(len(fresh), len(before)) < _LEAST:
        return []
    encoder = model.parts.encoder
    names = dict.fromkeys([*_USUAL, *encoder.categorical, *encoder.numeric])
    found = [_drift(name, before[name], fresh[name]) for name in names if name in history.shipments]
    for name, part in (("hour of the order", "hour"), ("weekday of the order", "day_of_week")):
        if name.startswith("weekday") and days % 7:
            continue  # parts of a week differ from whole ones without any drift
        parts = [getattr(rows["ordered_at"].dt, part).astype(TEXT) for rows in (before, fresh)]
        found.append(_drift(name, *parts))
    return sorted(found, key=lambda row: -row["index"])


def stability_index(before: Floats, now: Floats) -> tuple[float, float]:
    """The index of two counts over the same bins, and its 99.9 % point by luck.

    Half a count is added to each bin, so that an empty one does not make it infinite.

    Args:
        before: (bins,) counts.
        now: (bins,) counts.
    """
    q = (before + 0.5) / (before.sum() + 0.5 * len(before))
    p = (now + 0.5) / (now.sum() + 0.5 * len(now))
    index = float(np.sum((p - q) * np.log(p / q)))
    point = chdtri(max(1, len(before) - 1), 0.001)
    return index, float(point * (1 / max(now.sum(), 1) + 1 / max(before.sum(), 1)))


def fallback_shares(
    history: TrackedHistory, model: PromiseModel, *, as_of: pd.Timestamp, days: int
) -> list[dict[str, Any]]:
    """How many orders lean on coarser history than their own, lately and in the weeks before.

    Both are asked of the same model, as it is now.

    Returns:
        ``fallback`` (the message's code), ``share``, ``share_before`` (of the four weeks before)
        and ``orders``; and rows ``code 10000`` … with the confidence codes given. Nothing where
        there is no order lately.
    """
    ordered = history.shipments["ordered_at"]
    start = as_of - days * _DAY
    lately = (ordered >= start) & (ordered < as_of)
    now = _told_of(history.shipments[lately], model)
    before = _told_of(history.shipments[(ordered >= start - 28 * _DAY) & (ordered < start)], model)
    if now is None:
        return []
    orders, earlier = int(lately.sum()), before or {}
    return [
        {"fallback": name, "orders": orders, "share": now.get(name, 0.0)}
        | {"share_before": None if before is None else before.get(name, 0.0)}
        for name in sorted({*now, *earlier})
    ]


def _told_of(shipments: pd.DataFrame, model: PromiseModel) -> dict[str, float] | None:
    """Shares of the promises with each message and each confidence code."""
    if shipments.empty:
        return None
    promised = model.promise_many(shipments.reset_index(drop=True))
    said = promised["messages"].fillna("").astype(str)
    shares = {name: float(said.str.contains(name, regex=False).mean()) for name in FALLBACKS}
    codes = promised["confidence_code"].value_counts(normalize=True)
    return shares | {f"code {code}": float(share) for code, share in codes.items()}


def _drift(name: str, before: pd.Series[Any], now: pd.Series[Any]) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(before):
        labels, old, new = _binned(before, now)
    else:
        labels, old, new = _counted(before.astype(TEXT), now.astype(TEXT))
    missing = [int(values.isna().sum()) for values in (before, now)]
    if any(missing):
        labels = [*labels, "missing"]
        old, new = np.append(old, missing[0]), np.append(new, missing[1])
    index, luck = stability_index(old, new)
    shares = new / new.sum() - old / old.sum()
    most = int(np.argmax(np.abs(shares)))
    return {
        "input": name,
        "index": index,
        "by_luck": luck,
        "missing": missing[1] / len(now),
        "missing_before": missing[0] / len(before),
        "moved": {
            "value": labels[most],
            "share": float(new[most] / new.sum()),
            "share_before": float(old[most] / old.sum()),
        },
    }


def _binned(before: pd.Series[Any], now: pd.Series[Any]) -> tuple[list[str], Floats, Floats]:
    """Counts in the tenths of what was before."""
    old = before.dropna().to_numpy(dtype=np.float64)
    new = now.dropna().to_numpy(dtype=np.float64)
    if not len(old):
        return ["any"], np.array([0.0]), np.array([float(len(new))])
    edges = np.unique(np.quantile(old, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).astype(np.float64)
        for values in (old, new)
    ]
    bounds = ["", *(f"{edge:.4g}" for edge in edges), ""]
    labels = [f"{low} … {high}".strip() for low, high in pairwise(bounds)]
    return labels, counts[0], counts[1]


def _counted(before: pd.Series[Any], now: pd.Series[Any]) -> tuple[list[str], Floats, Floats]:
    """Counts of the most frequent values of both times, the others together."""
    old, new = before.value_counts(), now.value_counts()
    both = (old / max(1, old.sum())).add(new / max(1, new.sum()), fill_value=0.0)
    ranked = both.sort_values(ascending=False, kind="stable").index
    names = [str(name) for name in ranked[:_MOST_CATEGORIES]]
    counts = [[float(found.get(name, 0)) for name in names] for found in (old, new)]
    if len(ranked) > _MOST_CATEGORIES:
        names = [*names, "all other"]
        rests = (
            float(found.sum()) - sum(own) for found, own in zip((old, new), counts, strict=True)
        )
        counts = [[*own, rest] for own, rest in zip(counts, rests, strict=True)]
    return names, np.array(counts[0]), np.array(counts[1])
