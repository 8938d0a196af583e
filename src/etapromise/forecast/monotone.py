"""Keeping a tree monotone after its leaves' values were renewed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etapromise.forecast.forest_layout import Trees

__all__ = ["hold_monotone"]


def hold_monotone(
    tree: Trees, values: NDArray[np.float32], monotone: tuple[int, ...]
) -> NDArray[np.float32]:
    """The values, moved as little as the bounds ask, so that the tree is monotone at every level.

    LightGBM splits so that its own values are monotone; the renewed ones need not be. At every
    split on a constrained feature the two sides are parted at the middle of their means: no value
    of the lower side may exceed it, none of the upper side may fall below. A sum of monotone trees
    is monotone, and so are its sorted quantiles.

    Args:
        tree: a single tree.
        values: (leaves, q).
        monotone: (p,) 1, -1 or 0 for each feature.

    Returns:
        (leaves, q), a new array.
    """
    held = values.copy()
    below = _leaves_below(tree)
    # From the root down: a bound set higher up holds for everything below it, because the middle of
    # two means lies within whatever bounds both sides already keep.
    for node, feature in enumerate(tree.feature):
        sign = monotone[feature]
        if sign == 0:
            continue
        left, right = (_side(tree, below, node, side) for side in ("left", "right"))
        lower, upper = (left, right) if sign > 0 else (right, left)
        both = held[lower + upper]
        middle = (held[lower].mean(axis=0) + held[upper].mean(axis=0)) / np.float32(2)
        # Rounding must not carry it past bounds that all these values keep.
        middle = np.clip(middle, both.min(axis=0), both.max(axis=0))
        held[lower] = np.minimum(held[lower], middle)
        held[upper] = np.maximum(held[upper], middle)
    return held


def _leaves_below(tree: Trees) -> list[list[int]]:
    below: list[list[int]] = [[] for _ in tree.feature]
    for node in reversed(range(len(tree.feature))):
        for child in (int(tree.left[node]), int(tree.right[node])):
            below[node] += below[child] if child >= 0 else [~child]
    return below


def _side(tree: Trees, below: list[list[int]], node: int, side: str) -> list[int]:
    child = int(getattr(tree, side)[node])
    return below[child] if child >= 0 else [~child]
