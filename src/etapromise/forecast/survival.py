"""Durations of which some are not over yet: the product-limit estimate and its quantiles.

Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53.
"""

from __future__ import annotations

import numpy as np

from etapromise.array_types import Floats, Mask


def kaplan_meier(
    y: Floats, *, weight: Floats | None = None, censored: Mask | None = None
) -> tuple[Floats, Floats]:
    """The weighted estimate of a distribution function.

    Args:
        y: (n,) values; where censored, lower bounds.
        weight: (n,) how much each row counts.
        censored: (n,) true where only a lower bound is known. At ties, events come first.

    Returns:
        (t,) the different values, ascending; (t,) what share is over by each.
    """
    weights = np.ones(len(y)) if weight is None else weight
    event = weights if censored is None else np.where(censored, 0.0, weights)
    times, place = np.unique(y, return_inverse=True)
    events = np.bincount(place, event, len(times))
    leaving = np.bincount(place, weights, len(times))
    at_risk = np.cumsum(leaving[::-1])[::-1]
    hazard = np.divide(events, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    return times, np.asarray(1.0 - np.cumprod(1.0 - hazard), np.float64)


def kaplan_meier_quantiles(
    y: Floats, levels: Floats, *, weight: Floats | None = None, censored: Mask | None = None
) -> Floats:
    """Quantiles of the estimate.

    Args:
        levels: (q,) quantile levels.

    Returns:
        (q,) the smallest value by which the estimate reaches each level; the largest y where it
        never does because the rest is censored.
    """
    times, reached = kaplan_meier(y, weight=weight, censored=censored)
    # A hair of tolerance: 1 - (1 - 1/2) (1 - 1/5) … must count as reaching the level it equals.
    first = np.searchsorted(reached, levels - 1e-12)
    result: Floats = times[np.minimum(first, len(times) - 1)]
    return result
