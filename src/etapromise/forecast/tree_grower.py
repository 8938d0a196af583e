"""Growing one tree after another with LightGBM, which is loaded only where trees are grown."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from etapromise.array_types import Floats, Ints
from etapromise.errors import ContractError
from etapromise.forecast.boosting_state import BoostingState
from etapromise.forecast.forest_layout import Trees, join_trees
from etapromise.native import NativeLibraryError

# OpenMP's threads spin while they wait for each other. On a machine with other work to do, they
# then take the processor from the one they wait for: fitting with two threads on two busy cores
# took five times as long as with this. OpenMP reads the setting once, when it is loaded; a setting
# of the user's own stays as it is, and nothing that the process starts later sees ours.
_POLICY = "OMP_WAIT_POLICY"
_theirs = os.environ.get(_POLICY)
os.environ.setdefault(_POLICY, "PASSIVE")
try:
    import lightgbm
except OSError as error:
    raise NativeLibraryError(
        f"LightGBM, which grows the trees, does not load: {error}. It needs the OpenMP run-time "
        "library: install libgomp (Debian and Ubuntu: `apt-get install libgomp1`; macOS: `brew "
        "install libomp`). Quotes and scoring with a trained model do without."
    ) from error
finally:
    if _theirs is None:
        del os.environ[_POLICY]

# LightGBM's kZeroThreshold, a float: its predictor reads values this close to zero as zero.
_ZERO = float(np.float32(1e-35))
_BELOW_ZERO = float(np.nextafter(-_ZERO, -np.inf))

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_MASK = 2, 3
_MISSING_IS_ZERO, _MISSING_IS_NAN = 1, 2

# LightGBM may fail on one level's gradient and not on the next.
_FAILURES_IN_A_ROW = 3


class TreeGrower:
    """LightGBM, asked for one tree at a time."""

    def __init__(
        self, training: BoostingState, rows: slice | Ints, parameters: dict[str, Any]
    ) -> None:
        """Of the rows that shape the trees."""
        self._training = training
        self._parameters = parameters
        self._rows = rows
        self._hessian = training.hessian()[self._rows]
        self._dataset = lightgbm.Dataset(
            training.X[self._rows],
            training.y[self._rows].astype(np.float32),
            params=self._parameters,
            free_raw_data=True,
        ).construct()
        features = range(training.X.shape[1])
        # LightGBM grows nothing on features that are all constant: it fails.
        self._can_split = any(self._dataset.feature_num_bin(j) > 1 for j in features)
        self._booster = self._new_booster() if self._can_split else None
        self._failures = 0

    def grow(self, index: int) -> Trees | None:
        """A tree on the gradient of one level; None if there is nothing to split on."""
        if self._booster is None:
            return None
        grown = self._booster.current_iteration()
        gradient = self._training.gradient(index)[self._rows]
        try:
            self._booster.update(fobj=lambda *_: (gradient, self._hessian))
        except lightgbm.basic.LightGBMError:
            # Now and then LightGBM chooses a split with an empty side and gives up (its issue
            # 4739). Our gradients need nothing of what it has grown so far, so go on with a new
            # booster; but if it always fails, something else is wrong.
            self._failures += 1
            if self._failures > _FAILURES_IN_A_ROW:
                raise
            self._booster = self._new_booster()
            return None
        self._failures = 0
        if self._booster.current_iteration() == grown:
            return None
        tree = read_trees(self._booster, grown, 1)
        return tree if len(tree.feature) else None

    def _new_booster(self) -> lightgbm.Booster:
        return lightgbm.Booster(self._parameters, self._dataset)


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
