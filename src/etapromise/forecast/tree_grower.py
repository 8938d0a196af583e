"""Growing one tree after another with LightGBM, which is loaded only where trees are grown."""

from __future__ import annotations

from typing import Any

import numpy as np

from etapromise.array_types import Ints
from etapromise.forecast.boosting_state import BoostingState
from etapromise.forecast.forest_layout import Trees
from etapromise.forecast.lightgbm_engine import lightgbm
from etapromise.forecast.lightgbm_trees import read_trees

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
