"""Seeded rows for the forest's benchmark: skewed durations, features like those of lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = np.array([0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
CODES = (5, 12, 30, 100, 300, 7, 24, 2000)


def rows(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features (count, 40) and days (count,). The law is the same for every seed.

    Eight code columns of up to 2,000 values, thirty-two numeric ones, ten of which miss 15 %.
    The spread depends on the features, so that levels need trees of their own.
    """
    law = np.random.default_rng(0)
    effects = [law.normal(size=size) for size in CODES]
    rng = np.random.default_rng([1, seed])
    X = rng.normal(size=(count, 40)).astype(np.float32)
    for column, size in enumerate(CODES):
        X[:, column] = rng.integers(0, size, count)
    location = 1.5 + sum(
        0.25 * effect[X[:, column].astype(int)] for column, effect in enumerate(effects)
    )
    location = location + 0.3 * X[:, 8] + 0.2 * np.maximum(X[:, 9], 0) * X[:, 10]
    location = location + 0.15 * np.sin(2 * X[:, 11]) + 0.03 * X[:, 12:20].sum(axis=1)
    spread = 0.25 * np.exp(0.3 * X[:, 20] + 0.2 * effects[5][X[:, 5].astype(int)])
    days = np.exp(0.5 * (location + spread * rng.standard_t(6, count))).clip(0, 60)
    for column in range(30, 40):
        X[rng.random(count) < 0.15, column] = np.nan
    X[rng.random(count) < 0.05, 8] = np.nan
    return X, days


def pinball(y: NDArray[np.float64], quantiles: NDArray[np.float64]) -> float:
    """Mean over rows and levels."""
    error = y[:, None] - quantiles
    return float(np.maximum(LEVELS * error, (LEVELS - 1) * error).mean())
