"""Reading the trees that LightGBM grew, with its rules for missing values and zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etapromise.array_types import Floats
from etapromise.errors import ContractError
from etapromise.forecast.forest_layout import Trees, join_trees

if TYPE_CHECKING:
    import lightgbm

# LightGBM's kZeroThreshold, a float: its predictor reads values this close to zero as zero.
_ZERO = float(np.float32(1e-35))
_BELOW_ZERO = float(np.nextafter(-_ZERO, -np.inf))

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_MASK = 2, 3
_MISSING_IS_ZERO, _MISSING_IS_NAN = 1, 2


def read_trees(booster: lightgbm.Booster, first: int = 0, count: int = -1) -> Trees:
    """The trees of iterations `first` to `first + count` (all of the rest if `count` is -1).

    LightGBM's rules are folded into the thresholds, so that `value <= threshold` is all that is
    left to ask: values within 1e-35 of zero count as zero; a NaN counts as zero where the training
    data had none, and else goes the default way.

    Raises:
        ContractError: a tree splits on categories, which the forest does not do.
    """
    text = booster.model_to_string(num_iteration=count, start_iteration=first)
    return join_trees([_read_tree(section) for section in text.split("\nTree=")[1:]])


def _read_tree(section: str) -> Trees:
    fields = dict(line.split("=", 1) for line in section.splitlines() if "=" in line)
    leaves = int(fields["num_leaves"])

    def numbers(name: str) -> Floats:
        # A tree without a split has none of these lines.
        return np.array(fields.get(name, "").split(), np.float64)

    decision = numbers("decision_type").astype(np.int64)
    if np.any(decision & _CATEGORICAL):
        raise ContractError(
            "A tree splits on categories; the forest reads numeric splits only. Give categories as "
            "numbers, such as target statistics or ordered codes."
        )
    missing = (decision >> _MISSING_SHIFT) & _MISSING_MASK
    threshold = numbers("threshold")
    threshold[(threshold >= 0) & (threshold <= _ZERO)] = _ZERO
    threshold[(threshold < 0) & (threshold >= -_ZERO)] = _BELOW_ZERO
    default_left = (decision & _DEFAULT_LEFT) != 0
    has_default = (missing == _MISSING_IS_NAN) | (missing == _MISSING_IS_ZERO)
    return Trees.of(
        np.array([0, leaves - 1]),
        np.array([0, leaves]),
        numbers("split_feature"),
        threshold,
        numbers("left_child"),
        numbers("right_child"),
        np.where(has_default, default_left, threshold >= 0),
        missing == _MISSING_IS_ZERO,
    )
