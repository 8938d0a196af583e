"""Discrete durations: how many working days one stage of a journey takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Duration:
    """A log-logistic duration cut into whole days and limited to `size` values from `first` on.

    `P(days ≤ first + j) ∝ 1 / (1 + (median / (j + edge)) ** sharpness)`, scaled so that the last
    value has probability 1. The log-logistic has the heavy right tail of real transit times and a
    distribution function without special functions, so that a simulation draws from exactly the
    table that the truth is computed from.
    """

    size: int
    first: int
    edge: float
    sharpness: float

    def cdf(self, median: ArrayLike, sharpness: ArrayLike | None = None) -> NDArray[np.float64]:
        """`P(days ≤ first + j)`, shape `(*median.shape, size)`; the last value is exactly 1.

        A `sharpness` of the shape of `median` takes the place of the usual one.
        """
        power = np.asarray(self.sharpness if sharpness is None else sharpness)[..., None]
        edges = np.arange(self.size) + self.edge
        ratio = np.asarray(median, dtype=np.float64)[..., None] / edges
        table = 1.0 / (1.0 + ratio**power)
        return np.asarray(table / table[..., -1:], dtype=np.float64)

    def pmf(self, median: ArrayLike, sharpness: ArrayLike | None = None) -> NDArray[np.float64]:
        """`P(days = first + j)`, shape `(*median.shape, size)`."""
        return np.diff(self.cdf(median, sharpness), axis=-1, prepend=0.0)

    def draw(
        self,
        median: NDArray[np.float64],
        uniform: NDArray[np.float64],
        sharpness: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """One duration in days for each uniform number in `[0, 1)`; arguments of one shape."""
        above = uniform[..., None] >= self.cdf(median, sharpness)
        return np.asarray(self.first + above.sum(axis=-1), dtype=np.int64)
