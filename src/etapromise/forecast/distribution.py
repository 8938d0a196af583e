"""Distributions over calendar dates."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Dates, Floats, Ints, Mask

NOT_ASKED: Final = np.iinfo(np.int32).min
"""Stands where the probability of no day is asked for."""


class DistributionStruct(ctypes.Structure):
    """`etp_distribution` of native/distribution.h."""

    _fields_ = native.fields("l levels; p level; d duration_offset; l knots; p knot kept settled")

    @classmethod
    def of(
        cls,
        levels: Floats,
        duration_offset: float,
        knot: Floats,
        kept: Floats,
        settled: Floats | None = None,
    ) -> DistributionStruct:
        """From a forest's levels (q,) and the knots (k,) of a calibration, which it keeps alive.

        `duration_offset` are operational days that were added before the logarithm; `settled` (k,)
        is what is kept in the long run, by default the same.
        """
        settled = kept if settled is None else settled
        arrays = [
            np.ascontiguousarray(array, np.float64) for array in (levels, knot, kept, settled)
        ]
        level, at, reached, in_the_end = (array.ctypes.data for array in arrays)
        struct = cls(len(levels), level, duration_offset, len(knot), at, reached, in_the_end)
        struct.alive = arrays
        return struct


_raw = native.function("etp_quote_raw", "", "plpppp")


class AskedParcels(Protocol):
    """n parcels as a kernel of dates reads them."""

    def __len__(self) -> int: ...

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Each (n, …) and contiguous, in the order of the kernel's arguments."""


class DatesKernel:
    """From what is known of parcels to probabilities of dates. Immutable; threads may share one.

    Attributes:
        address: of the structure that the kernel reads, valid while this object lives.
        horizon: dates of a distribution.
    """

    __slots__ = ("_alive", "_dates", "_levels", "address", "horizon")

    def __init__(
        self, dates: Any, levels: Any, struct: ctypes.Structure, horizon: int, *alive: object
    ) -> None:
        """Bind the compiled functions and what they read; `alive` is what `struct` points to."""
        self._dates, self._levels = dates, levels
        self._alive = (struct, *alive)
        self.address, self.horizon = ctypes.addressof(struct), horizon

    def dates(self, parcels: AskedParcels) -> Floats:
        """(n, horizon) P(event by the end of day k)."""
        out = np.empty((len(parcels), self.horizon))
        self._run(self._dates, parcels, lambda part: [native.address(out[part])])
        return out

    def reach(
        self, parcels: AskedParcels, levels: Floats, asked: NDArray[np.int32]
    ) -> tuple[NDArray[np.int16], Floats, Floats]:
        """The first days that reach probabilities, and the probabilities of asked days.

        Args:
            parcels: n parcels.
            levels: (m,) probabilities, ascending.
            asked: (n,) days from day 0, or `NOT_ASKED`.

        Returns:
            (n, m) days from day 0 (where none reaches it, the last on which anything arrives),
            (n, m) their probabilities, (n,) those of the asked days, NaN where none was asked, 0
            before day 0.
        """
        level = np.ascontiguousarray(levels, np.float64)
        asked = np.ascontiguousarray(asked, np.int32)
        count, wanted = len(parcels), len(level)
        day, probability = np.empty((count, wanted), np.int16), np.empty((count, wanted))
        found = np.empty(count)
        by_parcel = (day, probability, asked, found)

        def rest(part: slice) -> list[int]:
            own = [native.address(array[part]) for array in by_parcel]
            return [wanted, native.address(level), *own]

        self._run(self._levels, parcels, rest)
        return day, probability, found

    def _run(self, kernel: Any, parcels: AskedParcels, rest: Callable[[slice], list[int]]) -> None:
        arrays = parcels.arrays

        def work(part: slice) -> Any:
            # A slice of the whole costs a single parcel more than its kernel.
            whole = part.start == 0
            given = [native.address(array if whole else array[part]) for array in arrays]
            return kernel(self.address, part.stop - part.start, *given, *rest(part))

        if any(native.in_parts(len(parcels), work)):
            raise MemoryError("No memory for the scratch space of a kernel of dates.")


@dataclass(frozen=True)
class DateDistribution:
    """Predictive distributions of n parcels over dates.

    Attributes:
        origin_dates: (n,) datetime64[D], day 0: the local date of the order.
        probability: (n, horizon) P(event by the end of the destination-local date origin + k). A
            row ends below 1: a share of parcels never arrives.
    """

    origin_dates: Dates
    probability: Floats

    @classmethod
    def joined(cls, several: Sequence[DateDistribution], days: int = 0) -> DateDistribution:
        """Those of several models, over as many dates as the longest has, and `days` at least.

        After its own horizon a distribution stays where it was.
        """
        horizon = max(days, *(one.horizon for one in several))
        padded = [
            np.pad(one.probability, ((0, 0), (0, horizon - one.horizon)), mode="edge")
            for one in several
        ]
        return cls(np.concatenate([one.origin_dates for one in several]), np.concatenate(padded))

    def of(self, rows: Mask) -> DateDistribution:
        """Those of some parcels."""
        return DateDistribution(self.origin_dates[rows], self.probability[rows])

    @property
    def horizon(self) -> int:
        """Dates of each distribution."""
        return int(self.probability.shape[1])

    def at(self, level: float) -> Ints:
        """(n,) days from day 0 to the first date whose probability reaches `level`.

        `horizon` where none does.
        """
        reached = self.probability >= level
        first = reached.argmax(axis=1)
        return np.where(reached.any(axis=1), first, self.horizon).astype(np.int64)

    def confidence(self, days: Ints) -> Floats:
        """(n,) P(event by the end of the date `days` (n,) after day 0); 0 before day 0."""
        column = np.clip(days, 0, self.horizon - 1)
        stated = self.probability[np.arange(len(days)), column]
        return np.where(days < 0, 0.0, stated)

    def quantile_days(self, level: float) -> Ints:
        """(n,) days to the `level` quantile of the parcels that arrive."""
        arrives = self.probability[:, -1:]
        reached = self.probability >= level * arrives
        return np.asarray(reached.argmax(axis=1), np.int64)


def uncalibrated(levels: Floats, duration_offset: float) -> DistributionStruct:
    """The kernels' distribution that takes a forest by its word."""
    return _uncalibrated(np.ascontiguousarray(levels, np.float64).tobytes(), duration_offset)


@lru_cache(maxsize=256)
def _uncalibrated(levels: bytes, duration_offset: float) -> DistributionStruct:
    # Immutable like its arguments, so that all who ask may share it.
    straight = np.array([0.0, 1.0])
    return DistributionStruct.of(np.frombuffer(levels), duration_offset, straight, straight)


def raw_probability(
    levels: Floats, duration_offset: float, log_days: Floats, offset: Floats, days: Floats
) -> Floats:
    """What a forest says of durations, before any calibration.

    Args:
        levels: (q,) its quantile levels.
        duration_offset: operational days that were added before the logarithm.
        log_days: (n, q) its quantiles, relative to `offset`.
        offset: (n,) log durations.
        days: (n,) operational days.

    Returns:
        (n,) P(duration <= days) of parcels that arrive.
    """
    arrays = [np.ascontiguousarray(array, np.float64) for array in (log_days, offset, days)]
    out = np.empty(len(offset))
    struct = uncalibrated(levels, duration_offset)
    _raw(
        ctypes.addressof(struct),
        len(offset),
        *(array.ctypes.data for array in arrays),
        out.ctypes.data,
    )
    return out
