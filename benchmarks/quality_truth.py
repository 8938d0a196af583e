"""Scores of forecasts by the exact true distribution of every order: nothing is luck of the draw.

"Kept" is the mean true probability of the promised dates; "pinball" the loss to be expected of
parcels that arrive under their true distribution, over nine levels; "ratio" that to the loss of the
true distribution's own quantiles, which nobody can go below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from quality_scores import LEVELS, PROMISED

from etapromise.forecast.distribution import DateDistribution

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Row = dict[str, Any]


def scores(forecast: DateDistribution, truth: Floats) -> Row:
    """Of n orders, by their (n, horizon) true distribution."""
    own = DateDistribution(forecast.origin_dates, truth)
    row: Row = {"orders": len(truth)}
    for level in PROMISED:
        row[f"kept {level}"] = own.confidence(forecast.at(level)).mean()
        row[f"gap {level}"] = gap(forecast, truth, level)
    ours, best = (
        np.mean([expected_pinball(truth, one.at(level), level) for level in LEVELS])
        for one in (forecast, own)
    )
    row["pinball"], row["ratio"] = ours, ours / best
    row["days too many"] = float((forecast.at(0.9) - own.at(0.9)).mean())
    return row


def gap(forecast: DateDistribution, truth: Floats, level: float) -> float:
    """Kept less stated."""
    days = forecast.at(level)
    kept = DateDistribution(forecast.origin_dates, truth).confidence(days)
    return float((kept - forecast.confidence(days)).mean())


def expected_pinball(truth: Floats, days: NDArray[np.int64], level: float) -> float:
    """Mean loss of promised days, in days, over parcels that arrive, by their true distribution."""
    chance = np.diff(truth, axis=1, prepend=0.0)
    error = np.arange(truth.shape[1]) - days[:, None]
    loss = np.maximum(level * error, (level - 1.0) * error)
    return float((chance * loss).sum() / chance.sum())


def of_rows(forecast: DateDistribution, rows: NDArray[Any]) -> DateDistribution:
    """The forecast of some orders."""
    return DateDistribution(forecast.origin_dates[rows], forecast.probability[rows])


def told(table: pd.DataFrame, *, header: bool = True) -> str:
    """A table as text."""
    formats = {"float_format": "{:.4f}".format, "index": False, "col_space": 9}
    return table.to_string(header=header, **formats)
