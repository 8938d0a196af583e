"""Remaining time of parcels under way: from quantiles to probabilities of dates, from today on."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.calendars.disruptions import Disruptions
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.distribution import DistributionStruct, uncalibrated


class _RemainingStruct(ctypes.Structure):
    _fields_ = native.fields("p stage elapsed; l clock_days first_day horizon; p disruptions")


_dates = native.function("etp_remaining_dates", "", "plppppppppp")
_levels = native.function("etp_remaining_levels", "", "plpppppppplppppp")
_given = native.function("etp_remaining_given", "", "plppplpp")


@dataclass(frozen=True, kw_only=True, eq=False)
class Remaining:
    """What is known of the remaining time of n parcels.

    Attributes:
        group: (n,) which calibration.
        log_days: (n, q) the forest's quantiles, relative to `offset`.
        offset: (n,) log days.
        log_hazard: (n,) correction of the parcel's service.
        arrives: (n,) probability that the event comes at all.
        clock: (n,) row of each one's clock.
        today: (n,) destination-local date, days since 1970-01-01: day 0.
        concern: (n,) declared disruptions that concern each, see `Disruptions.concern`; by
            default none.
    """

    group: NDArray[np.uint8]
    log_days: Floats
    offset: Floats
    log_hazard: Floats
    arrives: Floats
    clock: NDArray[np.int32]
    today: Ints
    concern: Floats | None = None

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """As the kernels take them."""
        concern = np.zeros(len(self)) if self.concern is None else self.concern
        return (
            np.ascontiguousarray(self.group, np.uint8),
            *(
                np.ascontiguousarray(array, np.float64)
                for array in (self.log_days, self.offset, self.log_hazard, self.arrives)
            ),
            np.ascontiguousarray(self.clock, np.int32),
            np.ascontiguousarray(self.today, np.int32),
            np.ascontiguousarray(concern, np.float64),
        )

    def __len__(self) -> int:
        """How many parcels."""
        return len(self.group)

    def undisturbed(self) -> Remaining:
        """The same as if no disruption had been declared."""
        return replace(self, concern=None)

    def addresses(self, part: slice) -> list[int]:
        """Where the arrays of some of them are."""
        if part.start == 0:
            return [native.address(array) for array in self.arrays]
        return [native.address(array[part]) for array in self.arrays]


class RemainingKernel:
    """The compiled distributions. Immutable; any number of threads may share one."""

    def __init__(
        self,
        *,
        levels: Floats,
        duration_offset: float,
        calibrations: list[Calibration],
        elapsed: Floats,
        first_day: int,
        horizon: int,
        disruptions: Disruptions | None = None,
    ) -> None:
        """Bind levels, a calibration for each group, clocks, and what is declared."""
        each = [
            DistributionStruct.of(levels, duration_offset, one.knot, one.kept)
            for one in calibrations
        ]
        groups = (DistributionStruct * len(each))(*each)
        elapsed = np.ascontiguousarray(elapsed, np.float64)
        self._struct = _RemainingStruct(
            stage=ctypes.addressof(groups),
            elapsed=elapsed.ctypes.data,
            clock_days=elapsed.shape[1],
            first_day=first_day,
            horizon=horizon,
            disruptions=None if disruptions is None else disruptions.address,
        )
        self._alive = (each, groups, elapsed, disruptions)
        self._address = ctypes.addressof(self._struct)
        self.horizon = horizon

    def dates(self, parcels: Remaining) -> Floats:
        """(n, horizon) P(event by the end of today + k)."""
        out = np.empty((len(parcels), self.horizon))

        def work(part: slice) -> None:
            _dates(
                self._address,
                part.stop - part.start,
                *parcels.addresses(part),
                native.address(out[part]),
            )

        native.in_parts(len(parcels), work)
        return out

    def reach(
        self, parcels: Remaining, levels: Floats, asked: NDArray[np.int32]
    ) -> tuple[NDArray[np.int16], Floats, Floats]:
        """The first days that reach probabilities, and the probabilities of asked days.

        Args:
            parcels: n parcels.
            levels: (m,) probabilities, ascending.
            asked: (n,) days from today, or `NOT_ASKED`.

        Returns:
            (n, m) days from today (where none reaches it, the last on which anything arrives),
            (n, m) their probabilities, (n,) those of the asked days, NaN where none was asked, 0
            before today.
        """
        level = np.ascontiguousarray(levels, np.float64)
        asked = np.ascontiguousarray(asked, np.int32)
        count, wanted = len(parcels), len(level)
        day, probability = np.empty((count, wanted), np.int16), np.empty((count, wanted))
        found = np.empty(count)

        def work(part: slice) -> None:
            _levels(
                self._address,
                part.stop - part.start,
                *parcels.addresses(part),
                wanted,
                native.address(level),
                native.address(day[part]),
                native.address(probability[part]),
                native.address(asked[part]),
                native.address(found[part]),
            )

        native.in_parts(count, work)
        return day, probability, found


def remaining_given(
    forest_levels: Floats,
    duration_offset: float,
    log_days: Floats,
    offset: Floats,
    spent: Floats,
    wanted: Floats,
) -> Floats:
    """What quantiles of a whole duration say of the rest of it.

    Args:
        forest_levels: (q,) levels.
        duration_offset: operational days that were added before the logarithm.
        log_days: (n, q) quantiles, relative to `offset`.
        offset: (n,) log durations.
        spent: (n,) operational days that have passed.
        wanted: (m,) levels of the remaining time.

    Returns:
        (n, 1 + m) the probability that it would be over by now, then the quantiles of the remaining
        operational days given that it is not.
    """
    arrays = [
        np.ascontiguousarray(array, np.float64) for array in (log_days, offset, spent, wanted)
    ]
    out = np.empty((len(offset), 1 + len(wanted)))
    struct = uncalibrated(forest_levels, duration_offset)
    _given(
        ctypes.addressof(struct),
        len(offset),
        *(native.address(array) for array in arrays[:3]),
        len(wanted),
        native.address(arrays[3]),
        native.address(out),
    )
    return out
