"""From a forest's trees to the layout that the compiled kernel walks.

The kernel compares bytes: for every feature, the forest's own thresholds are sorted and a value
becomes its *code*, the number of thresholds below it. `native/forest.h` has the whole idea.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_LEAVES", "MAX_LEVELS", "ForestLayout", "Trees", "compile_layout"]

MAX_LEAVES = 256
MAX_LEVELS = 64
_MAX_COLUMNS = 65_535
_THRESHOLDS_PER_COLUMN = 254
_LANE = 8
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


class _CForest(ctypes.Structure):
    _fields_ = (
        ("features", ctypes.c_int64),
        ("levels", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("trees", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("column", ctypes.c_void_p),
        ("threshold", ctypes.c_void_p),
        ("threshold_rounded", ctypes.c_void_p),
        ("node_start", ctypes.c_void_p),
        ("node", ctypes.c_void_p),
        ("leaf_start", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
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
    nodes = np.zeros(len(trees.feature), _NODE)
    nodes["column"], nodes["rank"] = node_column, node_rank
    for side in ("left", "right"):
        child = getattr(trees, side).astype(np.int32)
        nodes[side] = np.where(child >= 0, child, _LEAF_ROW + ~child)
    levels = len(start)
    width = -(-levels // _LANE) * _LANE
    padded = _aligned_zeros((len(values), width))
    padded[:, :levels] = values
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
    )
    structure = _CForest(
        features,
        levels,
        width,
        len(trees.node_start) - 1,
        len(columns),
        *(array.ctypes.data for array in arrays),
    )
    return ForestLayout(ctypes.addressof(structure), len(columns), (structure, *arrays))


def _columns(
    trees: Trees,
) -> tuple[np.ndarray, NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Columns, their thresholds, and for each node its column and its threshold's rank there."""
    described: list[tuple[int, int, int, int, int, int]] = []
    thresholds: list[NDArray[np.float64]] = []
    node_column = np.zeros(len(trees.feature), np.intp)
    node_rank = np.zeros(len(trees.feature), np.intp)
    total = 0
    group = trees.feature.astype(np.int64) * 2 + trees.zero_is_nan
    for key in np.unique(group):
        nodes = np.flatnonzero(group == key)
        unique, rank = np.unique(trees.threshold[nodes], return_inverse=True)
        for part in range(0, len(unique), _THRESHOLDS_PER_COLUMN):
            chosen = unique[part : part + _THRESHOLDS_PER_COLUMN]
            here = (rank >= part) & (rank < part + len(chosen))
            source = len(described)
            for nan_left in (True, False):
                mine = nodes[here & (trees.nan_left[nodes] == nan_left)]
                if not len(mine):
                    continue
                node_column[mine] = len(described)
                node_rank[mine] = np.searchsorted(chosen, trees.threshold[mine])
                nan_code = 0 if nan_left else 255
                described.append((key // 2, total, len(chosen), source, nan_code, key % 2))
            thresholds.append(chosen)
            total += len(chosen)
    if len(described) > _MAX_COLUMNS:
        raise ValueError(f"The forest needs {len(described)} columns; at most {_MAX_COLUMNS} fit.")
    columns = np.zeros(len(described), _COLUMN)
    for index, name in enumerate(
        ("feature", "first", "count", "source", "nan_code", "zero_is_nan")
    ):
        columns[name] = [row[index] for row in described]
    joined = np.concatenate(thresholds) if thresholds else np.empty(0)
    return columns, joined, node_column, node_rank


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
