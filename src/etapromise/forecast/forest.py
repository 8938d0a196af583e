"""A forest whose leaves hold one value per quantile level, and its compiled evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from etapromise import native
from etapromise.errors import ContractError
from etapromise.forecast.forest_layout import (
    MAX_LEAVES,
    MAX_LEVELS,
    TREE_TYPES,
    Trees,
    compile_layout,
    join_trees,
)
from etapromise.stored_arrays import Array, ArrayLayout, StoredPart

if TYPE_CHECKING:
    # Not at run time: a checkout worker starts sooner.
    from numpy.typing import NDArray

    Floats = NDArray[np.float32] | NDArray[np.float64]

Scalar = TypeVar("Scalar", bound=np.generic)

_predict = native.function("etp_forest_predict", "i", "ppilp")
_leaves = native.function("etp_forest_leaves", "i", "ppilp")

# What a forest says are logarithms of days.
_LOG: Final = 1e3
_LAYOUT: Final = ArrayLayout(
    levels=Array("float64", "levels", low=0.0, high=1.0, order="strictly"),
    start=Array("float64", "levels", low=-_LOG, high=_LOG),
    features=Array("int64"),
    values=Array("float32", "leaves", "levels", low=-_LOG, high=_LOG),
    node_start=Array("int32", "starts", low=0, order="ascending"),
    leaf_start=Array("int32", "starts", low=0, order="ascending"),
    feature=Array("int32", "nodes", low=0),
    # A split between the known and the missing is at infinity.
    threshold=Array("float64", "nodes", infinite=True),
    left=Array("int16", "nodes"),
    right=Array("int16", "nodes"),
    nan_left=Array("bool", "nodes"),
    zero_is_nan=Array("bool", "nodes"),
)


class Forest:
    """An immutable forest of q quantile levels over p features; threads may share one.

    A row's quantiles are `start` plus the values of the leaves it reaches, tree by tree, sorted.
    Leaf values are single precision (half the memory and twice the speed of double; the rounding,
    about 1e-7 of a value, is far below what a leaf's value is known to) and are always added in the
    order of the trees: one row, many rows, any number of threads and any processor give the same
    bits.
    """

    __slots__ = ("_address", "_layout", "features", "levels", "start", "trees", "values")

    def __init__(
        self,
        *,
        levels: NDArray[np.float64],
        start: NDArray[np.float64],
        features: int,
        trees: Trees,
        values: NDArray[np.float32],
    ) -> None:
        """Take the trees as they are.

        Args:
            levels: (q,) quantile levels, strictly ascending, within (0, 1).
            start: (q,) the quantiles before any tree.
            features: p, how many features a row has.
            trees: the trees' shape.
            values: (L, q) what each leaf adds to each quantile.

        Raises:
            ContractError: the parts do not make a forest.
        """
        levels, start = np.asarray(levels, np.float64), np.asarray(start, np.float64)
        values = np.asarray(values, np.float32)
        _check(levels, start, features, trees, values)
        self.levels = _frozen(levels)
        self.start = _frozen(start)
        self.features = features
        self.trees = Trees._make(_frozen(array) for array in trees)
        self.values = _frozen(values)
        self._layout = compile_layout(self.trees, self.values, self.start, features)
        self._address = self._layout.address

    @property
    def tree_count(self) -> int:
        """How many trees there are."""
        return len(self.trees.node_start) - 1

    @property
    def address(self) -> int:
        """Address of the `etp_forest` (native/forest.h), valid while this object lives."""
        return self._address

    def predict(self, X: Floats, *, threads: int | None = None) -> NDArray[np.float64]:
        """Quantiles of many rows.

        Args:
            X: (n, p); float32 and float64 are read as they are, anything else becomes float64.
            threads: how many to use; by default one for each processor. The result is the same.

        Returns:
            (n, q), ascending along each row.

        Raises:
            ContractError: X has another number of features.
        """
        rows = self._rows(X)
        out = np.empty((len(rows), len(self.levels)))
        self._run(_predict, rows, out, threads)
        return out

    def leaf_index(self, X: Floats, *, threads: int | None = None) -> NDArray[np.uint8]:
        """The leaf that each row reaches in each tree.

        Returns:
            (n, T), counted within the tree, as LightGBM counts them.
        """
        rows = self._rows(X)
        out = np.empty((len(rows), self.tree_count), np.uint8)
        self._run(_leaves, rows, out, threads)
        return out

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays to save, from which `from_arrays` makes the same forest."""
        return {
            "levels": self.levels,
            "start": self.start,
            "features": np.array(self.features, np.int64),
            "values": self.values,
            **self.trees._asdict(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Forest:
        """The forest that `to_arrays` took apart; `stored_forest` checks those of a file."""
        return cls(
            levels=arrays["levels"],
            start=arrays["start"],
            features=int(arrays["features"]),
            trees=Trees(**{name: arrays[name] for name in Trees._fields}),
            values=arrays["values"],
        )

    @classmethod
    def stored(cls, part: StoredPart, features: int) -> Forest:
        """The forest of a model's files, of so many features.

        Raises:
            ModelFileError: it is not what it must be.
        """
        return cls.from_arrays(stored_forest(part, features))

    def _rows(self, X: Floats) -> Floats:
        array = np.asarray(X)
        if array.ndim != 2 or array.shape[1] != self.features:
            raise ContractError(
                f"The forest was given an array of shape {array.shape}; expected "
                f"(rows, {self.features}), the features in the order of the training."
            )
        if array.dtype != np.float32:
            return np.ascontiguousarray(array, np.float64)
        return np.ascontiguousarray(array)

    def _run(
        self,
        kernel: native.NativeFunction,
        rows: Floats,
        out: NDArray[np.float64] | NDArray[np.uint8],
        threads: int | None,
    ) -> None:
        is_double = int(rows.dtype == np.float64)
        source, target = native.address(rows), native.address(out)
        source_stride, target_stride = rows.strides[0], out.strides[0]

        def run(part: slice) -> int:
            failed: int = kernel(
                self._address,
                source + part.start * source_stride,
                is_double,
                part.stop - part.start,
                target + part.start * target_stride,
            )
            return failed

        if any(native.in_parts(len(rows), run, threads=threads)):
            raise MemoryError("No memory for the scratch space of the forest kernel.")


def average_forests(members: Sequence[Forest]) -> Forest:
    """The forest whose quantiles are the means of those of `members`, one at least.

    Less noise from the luck of one seed, at the same tree count. Quantiles are averaged level by
    level (Vincent 1912; Ratcliff 1979), which for trees that add up is again a forest: all trees,
    each leaf's values divided by the number of members.
    """
    first = members[0]
    if len(members) == 1:
        return first
    share = np.float32(1.0 / len(members))
    return Forest(
        levels=first.levels,
        start=np.mean([member.start for member in members], axis=0),
        features=first.features,
        trees=join_trees([member.trees for member in members]),
        values=np.concatenate([member.values * share for member in members]),
    )


def stored_forest(part: StoredPart, features: int) -> dict[str, NDArray[np.generic]]:
    """The arrays of a forest of a model's files, checked, but not yet laid out."""
    arrays = part.read(_LAYOUT)
    if int(arrays["features"]) != features:
        part.refuse("features", int(arrays["features"]), features)
    try:
        _check(
            arrays["levels"],
            arrays["start"],
            features,
            Trees(**{name: arrays[name] for name in Trees._fields}),
            arrays["values"],
        )
    except ContractError as error:
        part.refuse("values", "trees that do not fit together", f"a forest: {error}")
    return arrays


def require_levels(levels: NDArray[np.float64]) -> None:
    """Raises: ContractError: they are no quantile levels that a forest can have."""
    if levels.ndim != 1 or not 1 <= len(levels) <= MAX_LEVELS:
        raise ContractError(f"Found {levels.size} quantile levels; expected 1 to {MAX_LEVELS}.")
    if not (np.all(levels > 0) and np.all(levels < 1) and np.all(np.diff(levels) > 0)):
        raise ContractError(
            f"The quantile levels are {levels}; expected them strictly ascending within (0, 1)."
        )


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _check(
    levels: NDArray[np.float64],
    start: NDArray[np.float64],
    features: int,
    trees: Trees,
    values: NDArray[np.float32],
) -> None:
    """The kernel trusts these arrays blindly, so nothing that could lead it astray may pass."""
    require_levels(levels)
    q = len(levels)
    if start.shape != (q,) or values.ndim != 2 or values.shape[1] != q:
        raise ContractError(
            f"Start values have shape {start.shape} and leaf values {values.shape}; expected "
            f"({q},) and (leaves, {q})."
        )
    if not (np.isfinite(start).all() and np.isfinite(values).all()):
        raise ContractError("Start or leaf values are not finite; expected numbers.")
    _check_trees(trees, features, len(values))


def _check_trees(trees: Trees, features: int, leaves: int) -> None:
    nodes = len(trees.feature)
    found = tuple(array.dtype for array in trees)
    if found != TREE_TYPES:
        raise ContractError(f"The trees' arrays are {found}; expected {TREE_TYPES}.")
    if any(array.ndim != 1 for array in trees) or any(len(a) != nodes for a in trees[2:]):
        raise ContractError("The trees' arrays differ in length; expected one entry for each node.")
    node_count, leaf_count = np.diff(trees.node_start), np.diff(trees.leaf_start)
    if (
        len(node_count) != len(leaf_count)
        or len(trees.node_start) < 1
        or trees.node_start[0] != 0
        or trees.leaf_start[0] != 0
        or trees.node_start[-1] != nodes
        or trees.leaf_start[-1] != leaves
    ):
        raise ContractError("The trees' starts do not cover the nodes and leaves there are.")
    if np.any(leaf_count != node_count + 1) or np.any(leaf_count < 1):
        raise ContractError("A tree does not have one leaf more than inner nodes.")
    if np.any(leaf_count > MAX_LEAVES):
        raise ContractError(f"A tree has {leaf_count.max()} leaves; at most {MAX_LEAVES} are read.")
    if nodes == 0:
        return
    if trees.feature.min() < 0 or trees.feature.max() >= features:
        raise ContractError(f"A node asks for a feature outside of 0 to {features - 1}.")
    if np.isnan(trees.threshold).any():
        raise ContractError("A threshold is NaN; expected a number.")
    _check_children(trees, node_count, leaf_count)


def _check_children(
    trees: Trees, node_count: NDArray[np.int32], leaf_count: NDArray[np.int32]
) -> None:
    nodes, leaves = int(node_count.sum()), int(leaf_count.sum())
    tree = np.repeat(np.arange(len(node_count)), node_count)
    own = np.arange(nodes) - trees.node_start[tree]
    entered = np.zeros(nodes, np.int64)
    reached = np.zeros(leaves, np.int64)
    for side in (trees.left, trees.right):
        child = side.astype(np.int64)
        inner = child >= 0
        # A child after its parent: so no walk can go round in circles.
        if np.any(inner & ((child <= own) | (child >= node_count[tree]))):
            raise ContractError("A node's child does not follow it within the tree.")
        if np.any(~inner & (~child >= leaf_count[tree])):
            raise ContractError("A node leads to a leaf that the tree does not have.")
        np.add.at(entered, (trees.node_start[tree] + child)[inner], 1)
        np.add.at(reached, (trees.leaf_start[tree] + ~child)[~inner], 1)
    roots = trees.node_start[:-1][node_count > 0]
    if np.any(entered[roots] != 0) or entered.sum() != nodes - len(roots):
        raise ContractError("A node has no parent or more than one.")
    many_leaves = leaf_count > 1
    if np.any(np.delete(entered, roots) != 1) or np.any(
        reached[np.repeat(many_leaves, leaf_count)] != 1
    ):
        raise ContractError("A node or a leaf is reached from no parent, or from more than one.")
