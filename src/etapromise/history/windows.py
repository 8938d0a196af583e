"""Lane statistics of the last days as of each order: exact, from additive histograms.

Transit days are small whole numbers, so counting parcels by key, day and duration loses nothing:
such histograms add up across chunks and machines, and any window of days answers with exact counts,
means and quantiles. The sweep over the days is compiled (native/windows.c); tests hold it against
pandas.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etapromise import native
from etapromise.errors import ContractError

__all__ = [
    "QUANTILE_LEVELS",
    "WINDOWS",
    "LaneHistograms",
    "WindowStatistics",
    "statistics_with_fallback",
]

Result = TypeVar("Result")

WINDOWS: Final = (28, 90)
QUANTILE_LEVELS: Final = (0.5, 0.8, 0.9, 0.95)

# What a cell can hold, see native/windows.c: days from 1970 to 2149.
_LAST_DAY: Final = 2**16 - 1
_DURATIONS: Final = (-(2**15), 2**15 - 1)
_DURATION_MASK: Final = np.uint64(0xFFFF)
# Queries answered in one sweep: bounds the memory that a sweep needs.
_BLOCK: Final = 2**21


class _Job(ctypes.Structure):
    _fields_ = (
        ("cells", ctypes.c_int64),
        ("cell", ctypes.c_void_p),
        ("parcels", ctypes.c_void_p),
        ("lowest", ctypes.c_int64),
        ("bins", ctypes.c_int64),
        ("windows", ctypes.c_int64),
        ("window", ctypes.c_void_p),
        ("levels", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("level", "key", "day", "answer")),
    )


_count = native.function(
    "etp_windows_count",
    native.LONG,
    *[native.POINTER] * 3,
    native.LONG,
    *[native.POINTER] * 2,
)
_merge = native.function(
    "etp_windows_merge",
    native.LONG,
    *(native.POINTER, native.POINTER, native.LONG) * 2,
    native.POINTER,
    native.POINTER,
)
_answer = native.function(
    "etp_windows_answer",
    native.INT,
    ctypes.POINTER(_Job),
    native.LONG,
    native.LONG,
    native.INT,
)


@dataclass(frozen=True, kw_only=True)
class WindowStatistics:
    """What n queries were answered, for W windows and Q quantile levels.

    Attributes:
        count: (n, W) int64 parcels in the window.
        mean: (n, W) float64 mean duration in days, NaN where the window is empty.
        quantile: (n, W, Q) float32 durations in days, NaN where the window is empty. Nearest rank:
            the smallest duration that at least ceil(level * count) of the parcels do not exceed.
        source: (n, W) int16 position in the chain of the histograms that answered; 0 everywhere if
            only one was asked.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    quantile: NDArray[np.float32]
    source: NDArray[np.int16]


class LaneHistograms:
    """How many parcels of each key took how many days, by the day on which that became known.

    Immutable. Keys are whole numbers from one encoder that all chunks share.
    """

    __slots__ = ("_cell", "_parcels")

    def __init__(self, cell: NDArray[np.uint64], parcels: NDArray[np.int64]) -> None:
        """Cells of native/windows.c, strictly ascending; use `count` or `from_arrays` instead."""
        self._cell = cell
        self._parcels = parcels
        cell.flags.writeable = parcels.flags.writeable = False

    @classmethod
    def count(cls, keys: ArrayLike, known_days: ArrayLike, durations: ArrayLike) -> LaneHistograms:
        """Count parcels whose event is known.

        Args:
            keys: (n,) whole numbers from 0.
            known_days: (n,) UTC day on which the event became known, days since 1970-01-01.
            durations: (n,) whole days.

        Raises:
            ContractError: lengths differ, or a value is no whole number or out of range.
        """
        key = _whole_numbers(keys, "keys", 0, 2**31 - 1)
        day = _whole_numbers(known_days, "known_days", 0, _LAST_DAY)
        duration = _whole_numbers(durations, "durations", *_DURATIONS)
        _require_equal_lengths(keys=key, known_days=day, durations=duration)
        bounds = _bounds(len(key), os.cpu_count() or 1)
        parts = _in_threads(
            lambda first, last: cls._of_block(
                key[first:last], day[first:last], duration[first:last]
            ),
            bounds,
        )
        return sum(parts[1:], parts[0])

    @classmethod
    def _of_block(
        cls, key: NDArray[np.int32], day: NDArray[np.int32], duration: NDArray[np.int32]
    ) -> LaneHistograms:
        cell, parcels = np.empty(len(key), np.uint64), np.empty(len(key), np.int64)
        cells = _count(
            key.ctypes.data,
            day.ctypes.data,
            duration.ctypes.data,
            len(key),
            cell.ctypes.data,
            parcels.ctypes.data,
        )
        if cells < 0:
            raise MemoryError("no memory to sort the parcels")
        return cls(cell[:cells].copy(), parcels[:cells].copy())

    @property
    def parcels(self) -> int:
        """How many parcels were counted."""
        return int(self._parcels.sum())

    def __add__(self, other: LaneHistograms) -> LaneHistograms:
        """The histograms of both sets of parcels; a parcel in both counts twice."""
        size = len(self._cell) + len(other._cell)
        cell, parcels = np.empty(size, np.uint64), np.empty(size, np.int64)
        cells = _merge(
            self._cell.ctypes.data,
            self._parcels.ctypes.data,
            len(self._cell),
            other._cell.ctypes.data,
            other._parcels.ctypes.data,
            len(other._cell),
            cell.ctypes.data,
            parcels.ctypes.data,
        )
        if cells == size:
            return LaneHistograms(cell, parcels)
        return LaneHistograms(cell[:cells].copy(), parcels[:cells].copy())

    def __eq__(self, other: object) -> bool:
        """Whether both count the same parcels."""
        if not isinstance(other, LaneHistograms):
            return NotImplemented
        return np.array_equal(self._cell, other._cell) and np.array_equal(
            self._parcels, other._parcels
        )

    __hash__ = None  # type: ignore[assignment]  # equal by value, and large

    def between(self, first_day: int, last_day: int) -> LaneHistograms:
        """Only what became known from `first_day` to `last_day`, both included.

        Forgetting what no window reaches any more keeps a running histogram small.
        """
        inside = self._inside(first_day, last_day)
        return LaneHistograms(self._cell[inside], self._parcels[inside])

    def replace(self, first_day: int, last_day: int, by: LaneHistograms) -> LaneHistograms:
        """What `by` says of the days from `first_day` to `last_day` instead of what stood here.

        For days that are sent again: also what is no longer there is gone.

        Raises:
            ContractError: `by` has other days too.
        """
        if not by._inside(first_day, last_day).all():
            raise ContractError(
                f"found days outside {first_day} to {last_day} in the histograms that shall "
                "replace these days; cut them with between(first_day, last_day) first"
            )
        outside = ~self._inside(first_day, last_day)
        return LaneHistograms(self._cell[outside], self._parcels[outside]) + by

    def _inside(self, first_day: int, last_day: int) -> NDArray[np.bool_]:
        day = ((self._cell >> np.uint64(16)) & np.uint64(_LAST_DAY)).astype(np.int64)
        return (day >= first_day) & (day <= last_day)

    def to_arrays(self) -> dict[str, NDArray[np.int64] | NDArray[np.int32]]:
        """Plain arrays of one length: key, day, duration, parcels, sorted in this order."""
        return {
            "key": (self._cell >> np.uint64(32)).astype(np.int32),
            "day": ((self._cell >> np.uint64(16)) & np.uint64(_LAST_DAY)).astype(np.int32),
            "duration": (self._cell & _DURATION_MASK).astype(np.int32) + np.int32(_DURATIONS[0]),
            "parcels": self._parcels.copy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike]) -> LaneHistograms:
        """What `to_arrays` gave, or any table of key, day, duration and parcels.

        Raises:
            ContractError: an array is missing, lengths differ, a value is out of range, or a count
                is below 1.
        """
        missing = [name for name in ("key", "day", "duration", "parcels") if name not in arrays]
        if missing:
            raise ContractError(
                f"found no array {missing[0]!r}, expected key, day, duration and parcels"
            )
        key = _whole_numbers(arrays["key"], "key", 0, 2**31 - 1).astype(np.uint64)
        day = _whole_numbers(arrays["day"], "day", 0, _LAST_DAY).astype(np.uint64)
        duration = _whole_numbers(arrays["duration"], "duration", *_DURATIONS).astype(np.int64)
        parcels = np.asarray(arrays["parcels"], np.int64)
        _require_equal_lengths(key=key, day=day, duration=duration, parcels=parcels)
        if (parcels < 1).any():
            raise ContractError("found a count of parcels below 1, expected positive counts")
        cell = key << np.uint64(32) | day << np.uint64(16)
        cell |= (duration - _DURATIONS[0]).astype(np.uint64)
        distinct, position = np.unique(cell, return_inverse=True)
        total = np.zeros(len(distinct), np.int64)
        np.add.at(total, position, parcels)
        return cls(distinct, total)

    def statistics(
        self,
        keys: ArrayLike,
        days: ArrayLike,
        *,
        windows: Sequence[int] = WINDOWS,
        levels: Sequence[float] = QUANTILE_LEVELS,
    ) -> WindowStatistics:
        """Count, mean and quantiles of what became known in the windows before each day.

        Args:
            keys: (n,) whole numbers; a negative one is a key that was never seen.
            days: (n,) days since 1970-01-01. The window of W days before day d is [d - W, d): what
                became known on day d itself is not in it.
            windows: days, each at least 1.
            levels: ascending, above 0, at most 1.

        Raises:
            ContractError: lengths differ, or a value is out of range.
        """
        key = _whole_numbers(keys, "keys", -(2**31), 2**31 - 1)
        day = _whole_numbers(days, "days", 0, _LAST_DAY)
        _require_equal_lengths(keys=key, days=day)
        window = _whole_numbers(windows, "windows", 1, _LAST_DAY)
        level = np.ascontiguousarray(levels, np.float64)
        if not ((level > 0) & (level <= 1)).all() or (np.diff(level) <= 0).any():
            raise ContractError(
                f"found quantile levels {list(levels)}, expected ascending ones above 0, at most 1"
            )
        duration = (self._cell & _DURATION_MASK).astype(np.int64)
        lowest, highest = (duration.min(), duration.max()) if len(duration) else (0, 0)
        shape = (len(key), len(window))
        answer = np.empty(
            shape, [("count", np.int64), ("mean", np.float64), ("quantile", np.float32, len(level))]
        )
        job = _Job(
            cells=len(self._cell),
            cell=self._cell.ctypes.data,
            parcels=self._parcels.ctypes.data,
            lowest=int(lowest),
            bins=int(highest - lowest) + 1,
            windows=len(window),
            window=window.ctypes.data,
            levels=len(level),
            level=level.ctypes.data,
            key=key.ctypes.data,
            day=day.ctypes.data,
            answer=answer.ctypes.data,
        )
        key_bits = max(int(key.max(initial=0)).bit_length(), 1)
        block = min(_BLOCK, 2 ** (48 - key_bits))
        blocks = max(os.cpu_count() or 1, -(-len(key) // block))

        def answer_block(first: int, last: int) -> None:
            if _answer(job, first, last, key_bits):
                raise MemoryError("no memory to sort the queries")

        _in_threads(answer_block, _bounds(len(key), blocks))
        return WindowStatistics(
            count=answer["count"],
            mean=answer["mean"],
            quantile=answer["quantile"],
            source=np.zeros(shape, np.int16),
        )


def statistics_with_fallback(
    chain: Sequence[LaneHistograms],
    keys: Sequence[ArrayLike],
    days: ArrayLike,
    *,
    enough: int = 30,
    windows: Sequence[int] = WINDOWS,
    levels: Sequence[float] = QUANTILE_LEVELS,
) -> WindowStatistics:
    """Statistics from the finest key with enough evidence.

    For each query and each window on its own, the first histograms of the chain answer that have at
    least `enough` parcels of the query's key in the window; if none has, the last.

    Args:
        chain: histograms of the same parcels by ever coarser keys.
        keys: for each of them (n,) keys of the queries; negative where never seen.
        days: (n,) days since 1970-01-01, as for `LaneHistograms.statistics`.
        enough: parcels in the window.
        windows: as for `LaneHistograms.statistics`.
        levels: likewise.

    Raises:
        ContractError: the chain is empty, there are not as many arrays of keys as histograms, or as
            for `LaneHistograms.statistics`.
    """
    if not chain or len(chain) != len(keys):
        raise ContractError(
            f"found {len(chain)} histograms and {len(keys)} arrays of keys, "
            "expected one array of keys for each of at least one"
        )
    day = np.asarray(days)
    found = chain[0].statistics(keys[0], day, windows=windows, levels=levels)
    for source, (histograms, coarser) in enumerate(zip(chain[1:], keys[1:], strict=True), start=1):
        lacking = found.count < enough
        rows = np.flatnonzero(lacking.any(axis=1))
        again = histograms.statistics(
            np.asarray(coarser)[rows], day[rows], windows=windows, levels=levels
        )
        taken, window = np.nonzero(lacking[rows])
        for name in ("count", "mean", "quantile"):
            getattr(found, name)[rows[taken], window] = getattr(again, name)[taken, window]
        found.source[rows[taken], window] = source
    return found


def _whole_numbers(values: ArrayLike, name: str, low: int, high: int) -> NDArray[np.int32]:
    array = np.asarray(values)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise ContractError(
            f"found {name} of type {array.dtype} and shape {array.shape}, expected a row of whole "
            "numbers; leave out what is missing"
        )
    if array.size and (array.min() < low or array.max() > high):
        found = array.min() if array.min() < low else array.max()
        raise ContractError(f"found {found} among {name}, expected whole numbers {low} to {high}")
    return np.ascontiguousarray(array, np.int32)


def _require_equal_lengths(**arrays: NDArray[np.generic]) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ContractError(f"found arrays of different lengths {lengths}, expected one length")


def _bounds(count: int, parts: int) -> list[tuple[int, int]]:
    """Cut `count` things into at most `parts` runs of about one length."""
    size = max(-(-count // parts), 1)
    return [(first, min(first + size, count)) for first in range(0, max(count, 1), size)]


def _in_threads(
    work: Callable[[int, int], Result], bounds: Sequence[tuple[int, int]]
) -> list[Result]:
    if len(bounds) == 1:
        return [work(*bounds[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda bound: work(*bound), bounds))
