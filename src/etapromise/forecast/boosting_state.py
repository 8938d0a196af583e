"""Where a set of rows stands between two trees of the boosting: its quantiles so far, in C."""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints, Mask
from etapromise.forecast.forest import Forest

_Task = TypeVar("_Task")
R = TypeVar("R")

# Partial sums of the loss are over this many rows whatever the number of threads, so that it is not
# the threads that decide when to stop.
_CHUNK = 16_384

_gradient = native.function("etp_boosting_gradient", "", "plllp")
_count = native.function("etp_boosting_count", "", "pllp")
_gather = native.function("etp_boosting_gather", "", "ppllpppp")
_add = native.function("etp_boosting_add", "", "pppll")
_renew = native.function("etp_boosting_renew", "", "pppllddpp")
_mass = native.function("etp_boosting_mass", "", "pllp")
_loss = native.function("etp_boosting_loss", "d", "ppll")


class _CBoosting(ctypes.Structure):
    _fields_ = native.fields("l levels; d unit; p level start y weight censored shift")


class Workers(ThreadPoolExecutor):
    """A few threads for kernels, which release the GIL; a single one is the caller's own."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def do(self, work: Callable[[_Task], R], tasks: Sequence[_Task]) -> list[R]:
        """The results in the order of the tasks, whoever does them."""
        if self.count == 1 or len(tasks) < 2:
            return [work(task) for task in tasks]
        return list(self.map(work, tasks))


class _RenewalBuffers:
    """Room for the residuals of all rows, leaf by leaf, and for each worker's selection."""

    def __init__(self, rows: int, levels: int, *, censored: bool, workers: int) -> None:
        self.residual = np.empty((rows, levels), np.float32)
        self.mass = np.empty((rows, levels if censored else 1), np.float32)
        self.scratch = [np.empty(4 * (rows + 16), np.float32) for _ in range(workers)]


class BoostingState:
    """Rows of training or validation, and their quantiles after the trees so far.

    A row's quantile is `start` plus its shift; shifts add up in single precision in the order of
    the trees, exactly as `Forest.predict` adds them.
    """

    def __init__(
        self,
        X: NDArray[Any],
        y: Floats,
        level: Floats,
        start: Floats,
        weight: Floats | None,
        censored: Mask | None,
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
            1.0 if weight is None else 1.0 / float(weight.mean()),
            level.ctypes.data,
            start.ctypes.data,
            y.ctypes.data,
            None if weight is None else weight.ctypes.data,
            None if censored is None else censored.ctypes.data,
            self._shift.ctypes.data,
        )
        self._address = ctypes.addressof(self._structure)
        self._chunks = [(i, min(i + _CHUNK, len(y))) for i in range(0, len(y), _CHUNK)]

    @functools.cached_property
    def _renewal(self) -> _RenewalBuffers:
        return _RenewalBuffers(
            *self._shift.shape, censored=self._censored is not None, workers=self._workers.count
        )

    def hessian(self) -> NDArray[np.float32]:
        """(n,) each row's weight, 1 on average."""
        if self._weight is None:
            return np.ones(len(self.y), np.float32)
        relative: NDArray[np.float32] = (self._weight / self._weight.mean()).astype(np.float32)
        return relative

    def gradient(self, index: int) -> NDArray[np.float32]:
        """(n,) that times the gradient of the pinball loss of one level."""
        out = np.empty(len(self.y), np.float32)
        pointer = out.ctypes.data
        self._workers.do(
            lambda chunk: _gradient(self._address, index, *chunk, pointer), self._chunks
        )
        return out

    def leaves(self, tree: Forest) -> NDArray[np.uint8]:
        """(n,) the leaf of each row in a forest of a single tree."""
        return tree.leaf_index(self.X, threads=self._workers.count).ravel()

    def renewed(self, leaf: NDArray[np.uint8], leaves: int, rate: float) -> NDArray[np.float32]:
        """(leaves, q) `rate` times the weighted quantiles of the residuals in each leaf."""
        buffers = self._renewal
        first, count, total = self._gather_by_leaf(leaf, leaves, buffers)
        values = np.empty((leaves, len(self._level)), np.float32)
        scratch = deque(buffers.scratch)

        def renew(index: int) -> None:
            room = scratch.pop()
            _renew(
                self._address,
                buffers.residual[first[index] :].ctypes.data,
                buffers.mass[first[index] :].ctypes.data,
                buffers.mass.shape[1],
                int(count[index]),
                float(total[index]),
                rate,
                room.ctypes.data,
                values[index].ctypes.data,
            )
            scratch.append(room)

        # The largest first, so that the workers finish together.
        self._workers.do(renew, np.argsort(-count, kind="stable").tolist())
        return values

    def _gather_by_leaf(
        self, leaf: NDArray[np.uint8], leaves: int, buffers: _RenewalBuffers
    ) -> tuple[Ints, Ints, Floats]:
        """First row, number of rows and total weight of each leaf in the gathered buffers."""
        count = np.zeros((len(self._chunks), leaves), np.int64)
        total = np.zeros((len(self._chunks), leaves))
        numbered = list(enumerate(self._chunks))
        rows = leaf.ctypes.data
        self._workers.do(lambda task: _count(rows, *task[1], count[task[0]].ctypes.data), numbered)
        # Leaf after leaf, within a leaf chunk after chunk: no thread decides where a row goes.
        by_leaf = count.T.ravel()
        position = (by_leaf.cumsum() - by_leaf).reshape(leaves, -1).T.copy()
        first = position[0].copy()
        self._workers.do(
            lambda task: _gather(
                self._address,
                rows,
                *task[1],
                position[task[0]].ctypes.data,
                buffers.residual.ctypes.data,
                buffers.mass.ctypes.data,
                total[task[0]].ctypes.data,
            ),
            numbered,
        )
        return first, count.sum(axis=0), total.sum(axis=0)

    def add(self, leaf: NDArray[np.uint8], values: NDArray[np.float32]) -> None:
        """Move every row's quantiles by the values of its leaf."""
        pointers = (leaf.ctypes.data, values.ctypes.data)
        self._workers.do(lambda chunk: _add(self._address, *pointers, *chunk), self._chunks)

    def mass(self) -> NDArray[np.float32] | None:
        """(n, q) of censored rows, the probability of lying below each quantile."""
        if self._censored is None:
            return None
        below = np.empty((len(self.y), len(self._level)), np.float32)
        self._workers.do(
            lambda chunk: _mass(self._address, *chunk, below.ctypes.data), self._chunks
        )
        return below

    def losses(self, mass: NDArray[np.float32] | None, blocks: int) -> Floats:
        """(blocks,) mean pinball loss over levels and the rows of each, which follow each other.

        Up to a constant where rows are censored.
        """
        pointer = None if mass is None else mass.ctypes.data
        edges = np.linspace(0, len(self.y), blocks + 1).astype(np.int64).tolist()
        parts = [
            (first, min(first + _CHUNK, last))
            for start, last in itertools.pairwise(edges)
            for first in range(start, last, _CHUNK)
        ]
        sums = self._workers.do(lambda part: float(_loss(self._address, pointer, *part)), parts)
        block = np.searchsorted(edges, [first for first, _ in parts], side="right") - 1
        total = np.bincount(block, sums, minlength=blocks)
        weight = np.ones(len(self.y)) if self._weight is None else self._weight
        of_block = np.add.reduceat(weight, edges[:-1])
        return np.asarray(total / (np.maximum(of_block, 1e-300) * len(self._level)))
