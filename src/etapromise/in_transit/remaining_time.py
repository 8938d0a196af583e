"""What is known of the time that parcels under way still take, for the kernel of their dates."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.forecast.distribution import uncalibrated

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
