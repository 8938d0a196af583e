"""Where a set of rows stands between two trees of the boosting: its quantiles so far, in C."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.forecast.forest import Forest
from etapromise.forecast.forest_layout import Trees

__all__ = ["BoostingState", "Workers"]

T = TypeVar("T")
R = TypeVar("R")

# Partial sums of the loss are over this many rows whatever the number of threads, so that it is not
# the threads that decide when to stop.
_CHUNK = 16_384

_gradient = native.function(
    "etp_boosting_gradient",
    None,
    *(native.POINTER, native.LONG, native.LONG, native.LONG, native.POINTER),
)
_group = native.function(
    "etp_boosting_group",
    None,
    *(native.POINTER, native.LONG, native.LONG, native.POINTER, native.POINTER),
)
_add = native.function(
    "etp_boosting_add",
    None,
    *(native.POINTER, native.POINTER, native.POINTER, native.LONG, native.LONG),
)
_renew = native.function(
    "etp_boosting_renew",
    native.INT,
    *(native.POINTER, native.POINTER, native.LONG, native.DOUBLE, native.POINTER),
)
_mass = native.function(
    "etp_boosting_mass",
    None,
    *(native.POINTER, native.LONG, native.LONG, native.POINTER),
)
_loss = native.function(
    "etp_boosting_loss",
    native.DOUBLE,
    *(native.POINTER, native.POINTER, native.LONG, native.LONG),
)


class _CBoosting(ctypes.Structure):
    _fields_ = (
        ("levels", ctypes.c_int64),
        ("level", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("y", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("censored", ctypes.c_void_p),
        ("shift", ctypes.c_void_p),
    )


class Workers:
    """A few threads for kernels, which release the GIL."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count) if count > 1 else None

    def __enter__(self) -> Self:
        """Ready from birth."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, work: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
        """The results in the order of the tasks, whoever does them."""
        numbered = deque(enumerate(tasks))
        results: list[Any] = [None] * len(numbered)

        def pull() -> None:
            while True:
                try:
                    index, task = numbered.popleft()
                except IndexError:
                    return
                results[index] = work(task)

        if self._pool is None or len(numbered) < 2:
            pull()
        else:
            for worker in [self._pool.submit(pull) for _ in range(self.count)]:
                worker.result()
        return results


class BoostingState:
    """Rows of training or validation, and their quantiles after the trees so far.

    A row's quantile is `start` plus its shift; shifts add up in single precision in the order of
    the trees, exactly as `Forest.predict` adds them.
    """

    def __init__(
        self,
        X: NDArray[Any],
        y: NDArray[np.float64],
        level: NDArray[np.float64],
        start: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        censored: NDArray[np.bool_] | None,
        workers: Workers,
    ) -> None:
        self.X = X
        self.y = y
        self._level = level
        self._start = start
        self._weight = weight
        self._censored = censored
        self._workers = workers
        self._shift = np.zeros((len(y), len(level)), np.float32)
        self._structure = _CBoosting(
            len(level),
            level.ctypes.data,
            start.ctypes.data,
            y.ctypes.data,
            None if weight is None else weight.ctypes.data,
            None if censored is None else censored.ctypes.data,
            self._shift.ctypes.data,
        )
        self._address = ctypes.addressof(self._structure)
        self._chunks = [(i, min(i + _CHUNK, len(y))) for i in range(0, len(y), _CHUNK)]

    def hessian(self) -> NDArray[np.float32]:
        """(n,) each row's weight."""
        if self._weight is None:
            return np.ones(len(self.y), np.float32)
        return self._weight.astype(np.float32)

    def gradient(self, index: int) -> NDArray[np.float32]:
        """(n,) weight times the gradient of the pinball loss of one level."""
        out = np.empty(len(self.y), np.float32)
        pointer = out.ctypes.data
        self._workers.map(
            lambda chunk: _gradient(self._address, index, *chunk, pointer), self._chunks
        )
        return out

    def leaves(self, tree: Trees) -> NDArray[np.uint8]:
        """(n,) the leaf of each row in a single tree."""
        leaves = int(tree.leaf_start[-1])
        forest = Forest(
            levels=self._level,
            start=self._start,
            features=self.X.shape[1],
            trees=tree,
            values=np.zeros((leaves, len(self._level)), np.float32),
        )
        return forest.leaf_index(self.X, threads=self._workers.count).ravel()

    def renewed(self, leaf: NDArray[np.uint8], leaves: int, rate: float) -> NDArray[np.float32]:
        """(leaves, q) `rate` times the weighted quantiles of the residuals in each leaf."""
        order = np.empty(len(leaf), np.int32)
        first = np.empty(leaves + 1, np.int32)
        _group(leaf.ctypes.data, len(leaf), leaves, order.ctypes.data, first.ctypes.data)
        values = np.empty((leaves, len(self._level)), np.float32)

        def renew(index: int) -> int:
            failed: int = _renew(
                self._address,
                order.ctypes.data + int(first[index]) * order.itemsize,
                int(first[index + 1] - first[index]),
                rate,
                values.ctypes.data + index * values.strides[0],
            )
            return failed

        # The largest first, so that the workers finish together.
        if any(self._workers.map(renew, np.argsort(-np.diff(first), kind="stable").tolist())):
            raise MemoryError("No memory to renew the values of a leaf.")
        return values

    def add(self, leaf: NDArray[np.uint8], values: NDArray[np.float32]) -> None:
        """Move every row's quantiles by the values of its leaf."""
        pointers = (leaf.ctypes.data, values.ctypes.data)
        self._workers.map(lambda chunk: _add(self._address, *pointers, *chunk), self._chunks)

    def mass(self) -> NDArray[np.float32] | None:
        """(n, q) of censored rows, the probability of lying below each quantile."""
        if self._censored is None:
            return None
        below = np.empty((len(self.y), len(self._level)), np.float32)
        self._workers.map(
            lambda chunk: _mass(self._address, *chunk, below.ctypes.data), self._chunks
        )
        return below

    def loss(self, mass: NDArray[np.float32] | None) -> float:
        """Mean pinball loss over rows and levels; up to a constant where rows are censored."""
        pointer = None if mass is None else mass.ctypes.data
        sums = self._workers.map(
            lambda chunk: float(_loss(self._address, pointer, *chunk)), self._chunks
        )
        total = len(self.y) if self._weight is None else float(self._weight.sum())
        return sum(sums) / (total * len(self._level))
