"""From a forest's trees to the layout that the compiled kernel walks.

The kernel compares bytes: for every feature, the forest's own thresholds are sorted and a value
becomes its *code*, the number of thresholds below it. `native/forest.h` has the whole idea.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from etapromise import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

_order = native.function("etp_forest_order", "", "lppppppp")

MAX_LEAVES = 256
MAX_LEVELS = 64
_MAX_COLUMNS = 65_535
_THRESHOLDS_PER_COLUMN = 254
_LANE = 16
_LEAF_ROW = 256

_COLUMN = np.dtype(
    [
        ("feature", np.int32),
        ("first", np.int32),
        ("count", np.int32),
        ("source", np.int32),
        ("nan_code", np.uint8),
        ("zero_is_nan", np.uint8),
        ("unused", np.uint8, 6),
    ]
)
_NODE = np.dtype(
    [
        ("column", np.uint16),
        ("left", np.uint16),
        ("right", np.uint16),
        ("rank", np.uint8),
        ("unused", np.uint8),
    ]
)
_COLUMN_BUNDLE = np.dtype(
    [
        ("feature", np.int32, 16),
        ("first", np.int32, 16),
        ("count", np.int32, 16),
        ("nan_code", np.uint8, 16),
        ("zero_is_nan", np.uint8, 16),
        ("unused", np.uint8, 32),
    ]
)
_BUNDLE_TREES, _BUNDLE_NODES, _BUNDLE_LEAVES, _BUNDLE_COLUMNS = 16, 4, 32, 256
_BUNDLE = np.dtype(
    [
        ("column", np.uint8, (_BUNDLE_NODES, _BUNDLE_TREES)),
        ("rank", np.uint8, (_BUNDLE_NODES, _BUNDLE_TREES)),
        ("remaining", np.uint32, (_BUNDLE_NODES, _BUNDLE_TREES)),
    ]
)


class _CForest(ctypes.Structure):
    _fields_ = native.fields(
        "l features levels width trees columns; p column threshold threshold_rounded node_start "
        "node leaf_start value start leaf_number; l groups; p bundle_start bundle column_bundle"
    )


class Trees(NamedTuple):
    """The trees' shape, all trees' nodes after one another; N nodes, T trees, L leaves."""

    node_start: NDArray[np.int32]
    """(T + 1,) first node of each tree."""
    leaf_start: NDArray[np.int32]
    """(T + 1,) first leaf of each tree."""
    feature: NDArray[np.int32]
    """(N,) the feature that the node looks at."""
    threshold: NDArray[np.float64]
    """(N,) values up to and including it go left."""
    left: NDArray[np.int16]
    """(N,) number of the left child within the tree, or ~leaf."""
    right: NDArray[np.int16]
    """(N,) the same for the right child."""
    nan_left: NDArray[np.bool_]
    """(N,) where NaN goes."""
    zero_is_nan: NDArray[np.bool_]
    """(N,) whether |value| <= 1e-35 goes where NaN goes."""

    @classmethod
    def of(cls, *arrays: NDArray[np.generic]) -> Trees:
        """From numbers of any types, in the order of the fields."""
        return cls._make(map(np.ndarray.astype, arrays, TREE_TYPES))


TREE_TYPES = tuple(
    np.dtype(name)
    for name in ("int32", "int32", "int32", "float64", "int16", "int16", "bool", "bool")
)
"""Of the fields of `Trees`."""


def join_trees(parts: Sequence[Trees]) -> Trees:
    """One after another."""
    starts = (
        np.concatenate([[0], *(np.diff(part[field]) for part in parts)]).cumsum()
        for field in (0, 1)
    )
    rest = (
        np.concatenate([np.zeros(0), *(part[field] for part in parts)]) for field in range(2, 8)
    )
    return Trees.of(*starts, *rest)


class ForestLayout(NamedTuple):
    """What the kernel reads, and the arrays that keep its memory alive."""

    address: int
    columns: int
    owners: tuple[object, ...]


def compile_layout(
    trees: Trees, values: NDArray[np.float32], start: NDArray[np.float64], features: int
) -> ForestLayout:
    """Lay the trees out for `etp_forest_row` and `etp_forest_predict`."""
    columns, thresholds, node_column, node_rank = _columns(trees)
    order = _left_to_right(trees)
    nodes = np.zeros(len(trees.feature), _NODE)
    nodes["column"], nodes["rank"] = node_column, node_rank
    nodes["left"], nodes["right"] = order.left, order.right
    levels = len(start)
    width = -(-levels // _LANE) * _LANE
    padded = _aligned_zeros((len(values), width))
    padded[order.place, :levels] = values
    number = np.empty(len(values), np.uint8)
    number[order.place] = _within(trees.leaf_start)
    groups, bundle_start, bundles = _bundles(trees, nodes, order, len(columns))
    column_bundles = _column_bundles(columns)
    rounded = _rounded_down(thresholds)
    arrays = (
        columns,
        thresholds,
        rounded,
        np.ascontiguousarray(trees.node_start, np.int32),
        nodes,
        np.ascontiguousarray(trees.leaf_start, np.int32),
        padded,
        np.ascontiguousarray(start, np.float64),
        number,
    )
    structure = _CForest(
        features,
        levels,
        width,
        len(trees.node_start) - 1,
        len(columns),
        *(array.ctypes.data for array in arrays),
        groups,
        bundle_start.ctypes.data,
        bundles.ctypes.data,
        column_bundles.ctypes.data,
    )
    owners = (structure, *arrays, bundle_start, bundles, column_bundles)
    return ForestLayout(ctypes.addressof(structure), len(columns), owners)


def _columns(
    trees: Trees,
) -> tuple[np.ndarray, NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Columns, their thresholds, and for each node its column and its threshold's rank there."""
    group = trees.feature.astype(np.int64) * 2 + trees.zero_is_nan
    order = np.lexsort((trees.threshold, group))
    group, threshold = group[order], trees.threshold[order]
    next_group = _differs(group)
    is_new = next_group | _differs(threshold)
    distinct = is_new.cumsum() - 1
    # Ranks begin anew with every group, and with every 254 thresholds within one.
    since = distinct - distinct[next_group][next_group.cumsum() - 1]
    part_is_new = next_group | (is_new & (since % _THRESHOLDS_PER_COLUMN == 0))
    part = part_is_new.cumsum() - 1
    part_first = distinct[part_is_new]
    # Two columns share a part where some of its nodes send NaN left and others right.
    used, column = np.unique(part * 2 + ~trees.nan_left[order], return_inverse=True)
    part_of = used // 2
    columns = np.zeros(len(used), _COLUMN)
    columns["feature"] = group[part_is_new][part_of] // 2
    columns["zero_is_nan"] = group[part_is_new][part_of] % 2
    columns["first"] = part_first[part_of]
    columns["count"] = np.diff(part_first, append=distinct[-1:] + 1)[part_of]
    columns["nan_code"] = np.where(used % 2 == 0, 0, 255)
    columns["source"] = np.searchsorted(part_of, part_of)
    node_column, node_rank = np.empty_like(order), np.empty_like(order)
    node_column[order], node_rank[order] = column, distinct - part_first[part]
    if len(columns) > _MAX_COLUMNS:
        raise ValueError(f"The forest needs {len(columns)} columns; at most {_MAX_COLUMNS} fit.")
    return columns, threshold[is_new], node_column, node_rank


def _differs(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether each value differs from the one before; the first does."""
    return np.concatenate([np.ones(min(1, len(values)), np.bool_), values[1:] != values[:-1]])


class _Order(NamedTuple):
    """The trees with their leaves counted from left to right."""

    left: NDArray[np.int32]
    """(N,) the child as the kernel wants it."""
    right: NDArray[np.int32]
    place: NDArray[np.int32]
    """(L,) where each leaf of `Trees` goes among all leaves."""
    first_leaf: NDArray[np.int32]
    """(N,) leftmost leaf below the node, within the tree."""
    leaves_left: NDArray[np.int32]
    """(N,) how many leaves there are on the node's left."""


def _left_to_right(trees: Trees) -> _Order:
    nodes, leaves = len(trees.feature), int(trees.leaf_start[-1])
    place = np.empty(leaves, np.int32)
    first_leaf, leaves_left = np.empty(nodes, np.int32), np.empty(nodes, np.int32)
    given = (trees.node_start, trees.leaf_start, trees.left, trees.right)
    made = (place, first_leaf, leaves_left)
    _order(len(trees.node_start) - 1, *(array.ctypes.data for array in (*given, *made)))
    own_leaves = np.repeat(trees.leaf_start[:-1], np.diff(trees.node_start))

    def kernel_child(child: NDArray[np.int16]) -> NDArray[np.int32]:
        leaf = own_leaves + np.where(child < 0, ~child, 0)
        return np.where(child < 0, _LEAF_ROW + place[leaf] - own_leaves, child)

    return _Order(
        left=kernel_child(trees.left),
        right=kernel_child(trees.right),
        place=place,
        first_leaf=first_leaf,
        leaves_left=leaves_left,
    )


def _bundles(
    trees: Trees, nodes: np.ndarray, order: _Order, columns: int
) -> tuple[int, NDArray[np.int32], np.ndarray]:
    """The layout for one row by AVX-512: `etp_bundle` in native/forest.h."""
    count = len(trees.node_start) - 1
    nodes_of = np.diff(trees.node_start)
    if columns > _BUNDLE_COLUMNS or nodes_of.max(initial=0) >= _BUNDLE_LEAVES:
        return 0, np.zeros(1, np.int32), np.zeros(0, _BUNDLE)
    groups = -(-count // _BUNDLE_TREES)
    padded = np.zeros(groups * _BUNDLE_TREES, np.int64)
    padded[:count] = nodes_of
    # A group without a split gets no bundle: every row is in its trees' only leaves.
    lengths = -(-padded.reshape(groups, _BUNDLE_TREES).max(axis=1) // _BUNDLE_NODES)
    start = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    bundles = _aligned_records(int(start[-1]), _BUNDLE)
    bundles["rank"] = 255
    tree = np.repeat(np.arange(count), nodes_of)
    within = _within(trees.node_start)
    bundle = start[tree // _BUNDLE_TREES] + within // _BUNDLE_NODES
    lane, node = tree % _BUNDLE_TREES, within % _BUNDLE_NODES
    bundles["column"][bundle, node, lane] = nodes["column"]
    bundles["rank"][bundle, node, lane] = nodes["rank"]
    ruled_out = ((1 << order.leaves_left.astype(np.int64)) - 1) << order.first_leaf
    bundles["remaining"][bundle, node, lane] = 0xFFFFFFFF - ruled_out
    return groups, start, bundles


def _column_bundles(columns: np.ndarray) -> np.ndarray:
    """The columns sixteen at a time, field by field."""
    bundles = _aligned_records(-(-len(columns) // 16), _COLUMN_BUNDLE)
    bundles["count"] = 1
    index = np.arange(len(columns))
    for name in ("feature", "first", "count", "nan_code", "zero_is_nan"):
        bundles[name][index // 16, index % 16] = columns[name]
    return bundles


def _aligned_records(count: int, dtype: np.dtype[np.void]) -> np.ndarray:
    memory = _aligned_zeros((count, dtype.itemsize // 4)).view(np.uint8)
    return memory.reshape(-1, dtype.itemsize).view(dtype).reshape(-1)


def _within(start: NDArray[np.int32]) -> NDArray[np.int64]:
    """0, 1, 2, … within each tree, from the trees' starts."""
    return np.arange(start[-1]) - np.repeat(start[:-1], np.diff(start))


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest floats not above the thresholds: floats are <= both or neither."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    too_large = nearest > thresholds
    nearest[too_large] = np.nextafter(nearest[too_large], np.float32(-np.inf))
    return nearest


def _aligned_zeros(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Zeros whose memory begins on a cache line."""
    size = shape[0] * shape[1]
    memory = np.zeros(size + 16, np.float32)
    skip = -(memory.ctypes.data // 4) % 16
    return memory[skip : skip + size].reshape(shape)
