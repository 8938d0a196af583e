"""Quantile boosting: one forest for all quantile levels, on history that may be right-censored.

LightGBM grows the trees, each on the pinball gradient of one level, the levels in turn. Every leaf
then gets one value per level: the level's quantile of the residuals in it, times the learning rate.
So a tree serves all levels, and quantiles of one row hardly ever cross.

A censored row (a parcel still under way) is neither dropped nor taken for delivered: it is spread
over what the current forest expects above its bound (`native/boosting.c`).

References:
    Friedman (2001), Greedy function approximation: renewal of the leaves' values.
    Efron (1967), The two sample problem with censored data: redistribution to the right.
    Portnoy (2003), Censored regression quantiles: the same for quantiles given covariates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints, Mask
from etapromise.errors import ContractError, InsufficientHistoryError, extra_needed
from etapromise.forecast.boosting_state import BoostingState, Workers
from etapromise.forecast.forest import Forest, require_levels
from etapromise.forecast.forest_layout import MAX_LEAVES, Trees, join_trees
from etapromise.forecast.survival import kaplan_meier_quantiles

# Spans of time that validation rows are looked at in, where each has so many of them.
_BLOCKS = 8
_FEWEST_IN_BLOCK = 100

TreeProgress = Callable[[int, int], None]
"""Called after every tree with how many there are and how many there will be at most."""


@dataclass(frozen=True, kw_only=True)
class BoostingConfig:
    """How a forest is grown. Validated at birth; says nothing about the data."""

    rounds: int = 300
    """Trees at most; fewer if `patience` runs out."""
    learning_rate: float = 0.1
    num_leaves: int = 31
    max_depth: int | None = None
    min_data_in_leaf: int = 50
    min_gain_to_split: float = 0.0
    lambda_l2: float = 0.0
    feature_fraction: float = 1.0
    bagging_fraction: float = 1.0
    """Share of the rows that a tree's shape is grown on; its values always come from all rows."""
    shape_rows: int = 400_000
    """Rows that trees' shapes are grown on at most, drawn by chance; values come from all rows."""
    max_bin: int = 255
    patience: int = 36
    """Trees without a better validation loss before growing stops. Needs validation rows."""
    seed: int = 0
    threads: int = field(default_factory=native.processors)
    """The forest is the same with any number. Take 1 where others keep the machine busy."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        self._expect(self.rounds >= 1, "rounds", "at least 1")
        self._expect(0.0 < self.learning_rate <= 1.0, "learning_rate", "in (0, 1]")
        self._expect(2 <= self.num_leaves <= MAX_LEAVES, "num_leaves", f"2 to {MAX_LEAVES}")
        self._expect(self.max_depth is None or self.max_depth >= 1, "max_depth", "None or >= 1")
        self._expect(self.min_data_in_leaf >= 1, "min_data_in_leaf", "at least 1")
        self._expect(self.min_gain_to_split >= 0.0, "min_gain_to_split", "at least 0")
        self._expect(self.lambda_l2 >= 0.0, "lambda_l2", "at least 0")
        self._expect(0.0 < self.feature_fraction <= 1.0, "feature_fraction", "in (0, 1]")
        self._expect(0.0 < self.bagging_fraction <= 1.0, "bagging_fraction", "in (0, 1]")
        self._expect(self.shape_rows >= 1, "shape_rows", "at least 1")
        self._expect(2 <= self.max_bin <= 65_535, "max_bin", "2 to 65535")
        self._expect(self.patience >= 1, "patience", "at least 1")
        self._expect(self.threads >= 1, "threads", "at least 1")

    def _expect(self, holds: bool, name: str, expected: str) -> None:  # noqa: FBT001 - the test
        if not holds:
            raise ContractError(f"{name} is {getattr(self, name)}; expected {expected}.")


def fit_forest(
    X: ArrayLike,
    y: ArrayLike,
    *,
    levels: ArrayLike,
    weight: ArrayLike | None = None,
    censored: ArrayLike | None = None,
    config: BoostingConfig | None = None,
    validation: ArrayLike | None = None,
    progress: TreeProgress | None = None,
) -> Forest:
    """Grow a forest of conditional quantiles. The same input gives the same forest, bit for bit.

    Args:
        X: (n, p) features, float32 or float64, NaN where missing.
        y: (n,) the target; where censored, its lower bound.
        levels: (q,) quantile levels, strictly ascending, within (0, 1).
        weight: (n,) how much each row counts, at least 0; by default 1.
        censored: (n,) true where all that is known is that the target exceeds y.
        validation: (n,) true of rows to stop on; grown without them. Take later rows than the
            rest, in the order of time: the forest will be used on later ones still.
            It is cut to the trees that did best on most of them, in the median of eight spans.
            Without, all `rounds` trees are grown and kept.
        progress: told after every tree.

    Raises:
        ContractError: shapes or values do not fit.
        InsufficientHistoryError: there are no rows to grow on, or all of them are censored.
    """
    config = config or BoostingConfig()
    features, target, weights, bounds, mask = _checked(X, y, weight, censored, validation)
    level = np.ascontiguousarray(levels, np.float64)
    require_levels(level)
    held_out = None if mask is None else _together(mask)
    # Not held out, and of some weight.
    counts = np.ones(len(target), np.bool_) if weights is None else weights > 0
    grow = _together(counts if mask is None else counts & ~mask)
    start = _start(target[grow], level, _part(weights, grow), _part(bounds, grow))

    def state_of(rows: slice | Mask) -> BoostingState:
        return BoostingState(
            features[rows],
            target[rows],
            level,
            start,
            _part(weights, rows),
            _part(bounds, rows),
            workers,
        )

    with Workers(config.threads) as workers:
        training = state_of(grow)
        stopping = None if held_out is None else _Stopping(state_of(held_out), config.patience)
        parts, values = _grow(training, stopping, level, config, progress)
    kept = len(parts) if stopping is None else stopping.best_round
    return Forest(
        levels=level,
        start=start,
        features=features.shape[1],
        trees=join_trees(parts[:kept]),
        values=np.concatenate([np.zeros((0, len(level)), np.float32), *values[:kept]]),
    )


def _grow(
    training: BoostingState,
    stopping: _Stopping | None,
    level: Floats,
    config: BoostingConfig,
    progress: TreeProgress | None,
) -> tuple[list[Trees], list[NDArray[np.float32]]]:
    # LightGBM takes seconds to load, and who refreshes a model grows no tree.
    with extra_needed():
        from etapromise.forecast.tree_grower import TreeGrower  # noqa: PLC0415 — see above
    rows: slice | Ints = slice(None)
    if len(training.y) > config.shape_rows:
        random = np.random.default_rng(config.seed)
        rows = np.sort(random.choice(len(training.y), config.shape_rows, replace=False))
    grower = TreeGrower(training, rows, _lightgbm_parameters(config))
    order = _level_order(len(level))
    parts: list[Trees] = []
    values: list[NDArray[np.float32]] = []
    fruitless = 0
    for turn in range(config.rounds):
        tree = grower.grow(int(order[turn % len(order)]))
        if tree is None:
            # This level finds nothing more to split on; others may.
            fruitless += 1
            if fruitless == len(order):
                break
            continue
        fruitless = 0
        single = _without_values(tree, level, training.X.shape[1])
        leaf = training.leaves(single)
        value = training.renewed(leaf, int(tree.leaf_start[-1]), config.learning_rate)
        training.add(leaf, value)
        parts.append(tree)
        values.append(value)
        if progress is not None:
            progress(turn + 1, config.rounds)
        if stopping is not None and stopping.after(single, value):
            break
    return parts, values


class _Stopping:
    """Watches the validation rows: which number of trees serves most of their time best.

    They are looked at in blocks, one after another in time, and the better forest is the one whose
    loss is less in most of them. A mean over all of them lets a strike decide: no tree that tells
    lanes apart helps while it lasts, and the forest is cut to what little it cannot harm.

    Where rows are censored, a loss needs the masses that spread them, and the masses come from a
    forest. Losses under different masses cannot be compared, so every new forest is compared with
    the best one so far under the masses that the best one gives.
    """

    def __init__(self, later: BoostingState, patience: int) -> None:
        self._later = later
        self._patience = patience
        self._round = 0
        self.best_round = 0
        self._mass = later.mass()
        self._blocks = _BLOCKS if len(later.y) >= _BLOCKS * _FEWEST_IN_BLOCK else 1
        self._best = later.losses(self._mass, self._blocks)

    def after(self, tree: Forest, value: NDArray[np.float32]) -> bool:
        """Add a tree; whether it is time to stop."""
        self._later.add(self._later.leaves(tree), value)
        self._round += 1
        losses = self._later.losses(self._mass, self._blocks)
        if np.median(losses - self._best) < 0.0:
            self.best_round = self._round
            self._best = losses
            if self._mass is not None:
                self._mass = self._later.mass()
                self._best = self._later.losses(self._mass, self._blocks)
        return self._round - self.best_round >= self._patience


def _without_values(tree: Trees, level: Floats, features: int) -> Forest:
    """A forest that knows a tree's leaves but not yet their values."""
    return Forest(
        levels=level,
        start=np.zeros(len(level)),
        features=features,
        trees=tree,
        values=np.zeros((int(tree.leaf_start[-1]), len(level)), np.float32),
    )


def _lightgbm_parameters(config: BoostingConfig) -> dict[str, Any]:
    return {
        "objective": "none",
        "verbosity": -1,
        # One tree is the same with any number of threads only if each histogram has one owner.
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": config.threads,
        "seed": config.seed,
        "num_leaves": config.num_leaves,
        "max_depth": -1 if config.max_depth is None else config.max_depth,
        "min_data_in_leaf": config.min_data_in_leaf,
        # A row's hessian is its weight, 1 on average. How many rows a leaf needs is for
        # min_data_in_leaf to say; but not 0, which lets LightGBM split off nothing and then fail.
        "min_sum_hessian_in_leaf": 1e-3,
        "min_gain_to_split": config.min_gain_to_split,
        "lambda_l2": config.lambda_l2,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.bagging_fraction,
        "bagging_freq": 1 if config.bagging_fraction < 1.0 else 0,
        "max_bin": config.max_bin,
    }


def _level_order(count: int) -> NDArray[np.intp]:
    """All levels, each far from the one before: steps of about the golden section."""
    steps = [step for step in range(1, count + 1) if math.gcd(step, count) == 1]
    step = min(steps, key=lambda step: abs(step - 0.382 * count))
    return np.arange(count) * step % count


def _start(y: Floats, level: Floats, weight: Floats | None, censored: Mask | None) -> Floats:
    if len(y) == 0:
        raise InsufficientHistoryError(
            "There are no rows of positive weight to grow a forest on; give more history."
        )
    if censored is not None and censored.all():
        raise InsufficientHistoryError(
            f"All {len(y)} rows are censored, so nothing says when anything happens; give history "
            "that reaches further back."
        )
    return kaplan_meier_quantiles(y, level, weight=weight, censored=censored)


def _together(mask: Mask) -> slice | Mask:
    """The rows of a mask as a slice, which copies nothing, where they follow each other."""
    first = int(mask.argmax())
    count = int(np.count_nonzero(mask))
    return slice(first, first + count) if mask[first : first + count].all() else mask


def _part(column: NDArray[Any] | None, rows: slice | Mask) -> NDArray[Any] | None:
    return None if column is None else column[rows]


def _checked(
    X: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None,
    censored: ArrayLike | None,
    validation: ArrayLike | None,
) -> tuple[NDArray[Any], Floats, Floats | None, Mask | None, Mask | None]:
    """All of them as arrays that fit together: the kernels trust them blindly."""
    features = np.asarray(X)
    if features.dtype != np.float32:
        features = features.astype(np.float64, copy=False)
    target = np.ascontiguousarray(y, np.float64)
    weights = None if weight is None else np.ascontiguousarray(weight, np.float64)
    bounds, later = (
        None if rows is None else np.ascontiguousarray(rows, np.bool_)
        for rows in (censored, validation)
    )
    columns = {"y": target, "weight": weights, "censored": bounds, "validation": later}
    for name, column in columns.items():
        if column is not None and (features.ndim != 2 or column.shape != features.shape[:1]):
            raise ContractError(
                f"X has shape {features.shape} and {name} {column.shape}; expected (n, p) and (n,)."
            )
    if len(target) == 0:
        raise InsufficientHistoryError("There are no rows to grow a forest on; give some history.")
    if not np.isfinite(target).all():
        raise ContractError("y has NaN or infinite values; expected a number in every row.")
    if weights is not None and not (np.isfinite(weights).all() and weights.min() >= 0):
        raise ContractError("weight does not fit; expected a finite number >= 0 for each row.")
    if later is not None and (not later.any() or later.all()):
        raise InsufficientHistoryError(
            f"{int(later.sum())} of {len(target)} rows are for validation; expected some but not "
            "all."
        )
    if bounds is not None and not bounds.any():
        bounds = None
    return np.ascontiguousarray(features), target, weights, bounds, later
