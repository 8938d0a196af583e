"""Quantile boosting written for reading: numpy, one row at a time where need be, no C of our own.

`boosted` grows the same forest as `etapromise.forecast.boosting.fit_forest` and returns the
quantiles of the training rows. `one_booster_per_level` is the usual way, the standard of quality.
"""

from __future__ import annotations

import lightgbm
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def probability_by(y: float, levels: Array, quantiles: Array) -> float:
    """P(value <= y): linear between sorted quantiles, an exponential tail below them."""
    q = np.sort(quantiles)
    if y >= q[-1]:
        return float(levels[-1])
    if y < q[0]:
        if len(q) == 1 or q[1] <= q[0]:
            return 0.0
        density = (levels[1] - levels[0]) / (q[1] - q[0])
        return float(levels[0] * np.exp((y - q[0]) * density / levels[0]))
    k = np.flatnonzero(q <= y)[-1]
    return float(levels[k] + (levels[k + 1] - levels[k]) * (y - q[k]) / (q[k + 1] - q[k]))


def masses(y: Array, censored: NDArray[np.bool_], levels: Array, F: Array) -> Array:
    """(n, q) the share of each row that stands at its y; the rest of it stands at infinity."""
    out = np.ones(F.shape)
    for i in np.flatnonzero(censored):
        u = probability_by(y[i], levels, F[i])
        out[i] = np.maximum(0, (levels - u) / (1 - u))
    return out


def weighted_quantile(values: Array, mass: Array, target: float) -> float:
    """The smallest value by which the mass reaches the target; else the largest value."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(mass[order]) >= target
    return float(values[order][reached.argmax() if reached.any() else -1])


def kaplan_meier(y: Array, weight: Array, censored: NDArray[np.bool_], level: float) -> float:
    """Step through the times: of those still there, who goes?"""
    survival = 1.0
    for time in np.unique(y):
        there = weight[y >= time].sum()
        gone = weight[(y == time) & ~censored].sum()
        survival *= 1 - gone / there if there > 0 else 1
        if 1 - survival >= level - 1e-12:
            return float(time)
    return float(y.max())


def boosted(
    X: Array,
    y: Array,
    levels: Array,
    weight: Array,
    censored: NDArray[np.bool_],
    level_order: NDArray[np.intp],
    parameters: dict[str, object],
    rounds: int,
    rate: float,
) -> Array:
    """(n, q) the training rows' sorted quantiles after `rounds` trees."""
    start = np.array([kaplan_meier(y, weight, censored, level) for level in levels])
    booster = lightgbm.Booster(parameters, lightgbm.Dataset(X, y.astype(np.float32)))
    F = np.tile(start, (len(y), 1))
    for turn in range(rounds):
        k = int(level_order[turn % len(level_order)])
        share = masses(y, censored, levels, F)
        below = np.where(censored, share[:, k], y < F[:, k])
        unit = 1 / weight.mean()
        gradient = ((below - levels[k]) * (weight * unit)).astype(np.float32)
        hessian = (weight / weight.mean()).astype(np.float32)
        booster.update(fobj=lambda _s, _d, g=gradient, h=hessian: (g, h))
        leaf = booster.predict(X, pred_leaf=True, start_iteration=turn, num_iteration=1).ravel()
        step = np.zeros((int(leaf.max()) + 1, len(levels)))
        for j in np.unique(leaf):
            rows = leaf == j
            for m, level in enumerate(levels):
                target = level * weight[rows].sum() * (1 - 1e-12)
                mass = weight[rows] * share[rows, m]
                step[j, m] = rate * weighted_quantile(y[rows] - F[rows, m], mass, target)
        F += step[leaf.astype(int)]
    return np.sort(F, axis=1)


def one_booster_per_level(
    X: Array, y: Array, levels: Array, later: Array, rounds: int, **parameters: object
) -> Array:
    """(rows of later, q) sorted quantiles of one LightGBM booster for each level."""
    out = np.empty((len(later), len(levels)))
    for k, level in enumerate(levels):
        booster = lightgbm.train(
            {"objective": "quantile", "alpha": float(level), "verbosity": -1, **parameters},
            lightgbm.Dataset(X, y),
            rounds,
        )
        out[:, k] = booster.predict(later)
    return np.sort(out, axis=1)


def pinball(y: Array, quantiles: Array, levels: Array) -> float:
    """Mean over rows and levels."""
    error = y[:, None] - quantiles
    return float(np.maximum(levels * error, (levels - 1) * error).mean())
