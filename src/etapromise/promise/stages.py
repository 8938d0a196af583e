"""What a promise is made of: handling until the carrier has the parcel, and its way from there.

Two small forests beside the direct one. The first says on which working day of the warehouse the
parcel is fetched; the second, given that day, how long the carrier takes on its own clock. Summed
over the days of the pick-up they give the whole again, which a benchmark holds against the direct
distribution (benchmarks/stages.py). The direct one is the authority: promises are read off it, and
the stages explain them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.calendars.working_clocks import Clocks
from etapromise.encoding.pickup_days import WarehouseDays
from etapromise.forecast.distribution import DistributionStruct, uncalibrated
from etapromise.forecast.forest import Forest, stored_forest
from etapromise.stored_arrays import StoredPart

# Working days added before the logarithm of a handling time.
HANDLING_OFFSET: Final = 1.0
# Days after the order's date within which parcels are fetched; the rest counts on the last.
_LONGEST_HANDLING: Final = 28
_LEVELS: Final = (0.1, 0.5, 0.9)
# What `transit_features` adds.
_MORE_FEATURES: Final = 2
# Share of an ordinary day's deliveries from which on a day counts as one of business.
_A_BUSINESS_DAY: Final = 0.25


@dataclass(frozen=True)
class StageForests:
    """The forests of the stages as arrays; grown into forests when they are first asked.

    Attributes:
        handling_arrays: of the log working days of handling.
        transit_arrays: of the log operational days from the pick-up on.
    """

    handling_arrays: Mapping[str, NDArray[Any]]
    transit_arrays: Mapping[str, NDArray[Any]]

    @cached_property
    def handling(self) -> Forest:
        """Quantiles of log(working days of handling + HANDLING_OFFSET)."""
        return Forest.from_arrays(self.handling_arrays)

    @cached_property
    def transit(self) -> Forest:
        """Quantiles of log(operational days + offset), relative to what the statistics explain."""
        return Forest.from_arrays(self.transit_arrays)

    def distributions(self, offset: float) -> tuple[DistributionStruct, DistributionStruct]:
        """Both forests' for the kernels; `offset` was added to a way before the logarithm."""
        return (
            uncalibrated(self.handling.levels, HANDLING_OFFSET),
            uncalibrated(self.transit.levels, offset),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays; `stored` reads them back."""
        return {f"handling.{name}": array for name, array in self.handling_arrays.items()} | {
            f"transit.{name}": array for name, array in self.transit_arrays.items()
        }

    @classmethod
    def stored(cls, part: StoredPart, features: int) -> StageForests:
        """The forests of a model's files; `features` are those of the direct forest."""
        return cls(
            stored_forest(part.part("handling"), features),
            stored_forest(part.part("transit"), features + _MORE_FEATURES),
        )


@dataclass(frozen=True)
class StageTime:
    """How long a stage takes, in whole days that are passed: 0 is the same day.

    Attributes:
        business_days: 10, 50 and 90 % quantiles in days on which whoever has the parcel works.
        calendar_days: the same in days of the calendar.
        probability: (k,) P(at most 0, 1, 2, … calendar days), of parcels that arrive.
    """

    business_days: tuple[int, int, int]
    calendar_days: tuple[int, int, int]
    probability: Floats


@dataclass(frozen=True)
class HandOffTime:
    """A hand-off on the way.

    Attributes:
        carrier: who usually takes the parcel over and brings it to the door.
        share: of the parcels like it that were handed over.
        after: how long its own carrier has it from the pick-up to the hand-off.
    """

    carrier: str
    share: float
    after: StageTime


@dataclass(frozen=True)
class StageTimes:
    """Both stages of n requests.

    Attributes:
        pickup: (n, h) P(pick-up on the order's date + 0, 1, …).
        whole: (n, h, k) P(event by the end of the order's date + 0, 1, … | that pick-up).
    """

    pickup: Floats
    whole: Floats


class _Question(ctypes.Structure):
    """`etp_stage_question` of native/stages.c."""

    _fields_ = native.fields(
        "p handling transit handling_distribution transit_distribution worked; l first_day days "
        "longest; d business_day"
    )


# Stage, kind of days (of business, of the calendar), level.
_Quantiles: Final = ctypes.c_int32 * (2 * 2 * len(_LEVELS))
_answer_stages = native.function("etp_answer_stages", "", "ppppppp")


@dataclass(frozen=True)
class AnswerStages:
    """Both stages of one answered shipment, and what they are summed from."""

    times: StageTimes
    handling: StageTime
    transit: StageTime


def answer_stages(
    forests: StageForests,
    model: int,
    answer: ctypes.Structure,
    *,
    warehouse: WarehouseDays,
    duration_offset: float,
    horizon: int,
) -> AnswerStages:
    """The stages of one answer.

    Args:
        model: address of the `etp_model`.
        duration_offset: operational days added before the logarithm of the way.
    """
    longest, width = min(_LONGEST_HANDLING, horizon), horizon + 1
    handling, transit = forests.distributions(duration_offset)
    question = _Question(
        forests.handling.address,
        forests.transit.address,
        ctypes.addressof(handling),
        ctypes.addressof(transit),
        warehouse.elapsed.ctypes.data,
        warehouse.first_day,
        len(warehouse.elapsed) - 1,
        longest,
        _A_BUSINESS_DAY,
    )
    found = np.empty(longest + longest * horizon + 4 * width)
    pickup, whole, shares = np.split(found, [longest, longest + longest * horizon])
    day = _Quantiles()
    first = found.ctypes.data
    _answer_stages(
        model,
        ctypes.addressof(answer),
        ctypes.addressof(question),
        first,
        first + 8 * longest,
        first + 8 * (longest + longest * horizon),
        ctypes.addressof(day),
    )
    n = len(_LEVELS)
    quantiles: list[Any] = [tuple(day[n * place : n * place + n]) for place in range(4)]
    return AnswerStages(
        StageTimes(pickup[None], whole.reshape(1, longest, horizon)),
        StageTime(quantiles[0], quantiles[1], shares[width : width + longest + 1]),
        StageTime(quantiles[2], quantiles[3], shares[3 * width :]),
    )


def first_leg_time(
    times: StageTimes, first_leg: Floats, clocks: Clocks, clock: int, order_day: int
) -> StageTime:
    """From the pick-up of the first of n requests to its hand-off, which is before the event.

    Args:
        first_leg: (k,) P(0, 1, … working days of the carrier that has it first).
        order_day: the first request's.
    """
    pickup = times.pickup[0]
    first = order_day - clocks.first_day
    elapsed = clocks.elapsed[clock, min(first, clocks.elapsed.shape[1] - 1) :]
    steps = np.arange(len(first_leg))
    calendar, business = np.zeros(len(elapsed) + 1), np.zeros(len(first_leg))
    for day in np.flatnonzero(pickup[: len(elapsed)]):
        # Handed over on the first day by whose end the carrier's clock has moved so many days on.
        end = elapsed[min(int(day) + 1, len(elapsed) - 1)]
        over = np.searchsorted(elapsed[1:], end + steps - 1e-9)
        over = np.maximum(over, day)
        come = np.concatenate([[0.0], times.whole[0, day]])
        mass = first_leg * (1.0 - come[np.minimum(over, len(come) - 1)])
        mass *= pickup[day] / max(mass.sum(), 1e-12)
        np.add.at(calendar, over - day, mass)
        business += mass
    last = int(np.flatnonzero(calendar).max(initial=0))
    return _stage_time(calendar[: last + 1], business)


def _stage_time(calendar: Floats, business: Floats) -> StageTime:
    def quantiles(mass: Floats) -> tuple[int, int, int]:
        reached = np.cumsum(mass) / mass.sum()
        low, middle, high = (int((reached < level - 1e-12).sum()) for level in _LEVELS)
        return low, middle, high

    whole = np.minimum(np.cumsum(calendar) / calendar.sum(), 1.0)
    return StageTime(quantiles(business), quantiles(calendar), whole)


def transit_features(
    x: NDArray[np.float32], pickup_day: Ints, handled: Floats
) -> NDArray[np.float32]:
    """(n, p + 2): the order's features, the pick-up's weekday, and operational days before it."""
    weekday = (pickup_day + 3) % 7
    return np.column_stack([x, weekday.astype(np.float32), handled.astype(np.float32)])
