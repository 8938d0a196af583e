"""What a model knows of parcels under way, and the names of what it is asked with."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.disruptions import Disruptions
from etapromise.calendars.working_clocks import Clocks
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.distribution import DatesKernel, DistributionStruct, uncalibrated
from etapromise.forecast.forest import Forest
from etapromise.in_transit.flow import FLOW_LEVELS, FlowTables
from etapromise.in_transit.scan_gaps import ScanGapTable
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord, StoredPart

DEFAULT_PRECISION: Final = 0.8
_GRID: Final = np.round(np.arange(0.05, 1.0, 0.01), 2)
_LIKELY_LOST: Final = 0.5


@dataclass(frozen=True)
class Alerts(ArrayRecord):
    """How alarms at each threshold did on parcels that the forest had not seen.

    Attributes:
        threshold: (t,) probabilities, ascending.
        precision: (t,) share of the alarmed parcels that were late, less a standard error.
        recall: (t,) share of the late parcels that were alarmed before their date had passed.
        share: (t,) share of all parcels that were alarmed.
        likely_lost: probability from which on a parcel counts as likely lost.
    """

    LAYOUT: ClassVar = ArrayLayout(
        threshold=Array("float64", "thresholds", low=0.0, high=1.0, order="strictly"),
        precision=Array("float64", "thresholds", low=-1.0, high=1.0),
        recall=Array("float64", "thresholds", low=0.0, high=1.0),
        share=Array("float64", "thresholds", low=0.0, high=1.0),
        likely_lost=Array("float64", low=0.0, high=1.0),
    )

    threshold: Floats
    precision: Floats
    recall: Floats
    share: Floats
    likely_lost: float

    @classmethod
    def stored(cls, part: StoredPart) -> Alerts:
        """The record of a model's files."""
        arrays = part.read(cls.LAYOUT)
        if not len(arrays["threshold"]):
            part.refuse("threshold", "no threshold", "one at least")
        return cls(**arrays | {"likely_lost": float(arrays["likely_lost"])})  # type: ignore[arg-type]

    @classmethod
    def unmeasured(cls) -> Alerts:
        """Before any parcel could be watched: thresholds are taken at their word."""
        return cls(_GRID, _GRID.copy(), np.zeros(len(_GRID)), np.ones(len(_GRID)), _LIKELY_LOST)

    def at(self, *, precision: float | None = None, budget: float | None = None) -> float:
        """The lowest threshold that keeps a wish: it finds the most late parcels.

        Args:
            precision: wanted share of alarms that are right; 0.8 where neither is given.
            budget: the most parcels that may be alarmed, as a share of all.
        """
        if precision is not None and budget is not None:
            raise ContractError("Found a wanted precision and a budget; expected one of them.")
        wish = precision if precision is not None else budget
        told: object = wish
        if wish is not None and not (isinstance(told, float | int) and 0.0 < told < 1.0):
            raise ContractError(f"Found the wish {wish!r}; expected a share between 0 and 1.")
        if budget is not None:
            kept = self.share <= budget
        else:
            kept = self.precision >= (DEFAULT_PRECISION if precision is None else precision)
        # From there on: one lucky threshold among unlucky ones is luck.
        last_miss = len(kept) - int(np.argmax(~kept[::-1])) if not kept.all() else 0
        return float(self.threshold[min(last_miss, len(kept) - 1)])


def choose_alerts(parcel: Ints, probability: Floats, late: Mask) -> Alerts:
    """Watch m looks at parcels whose date was still to come.

    Args:
        parcel: (m,) which parcel, ascending.
        probability: (m,) that its date will be missed.
        late: (m,) whether it was.
    """
    if not len(parcel):
        return Alerts.unmeasured()
    first = np.flatnonzero(np.append(True, parcel[1:] != parcel[:-1]))
    highest = np.maximum.reduceat(probability, first)
    missed = late[first]
    order = np.argsort(highest)
    ranked = highest[order]
    from_above = np.searchsorted(ranked, _GRID, side="left")
    alarmed = (len(ranked) - from_above).astype(np.float64)
    right = np.append(np.cumsum(missed[order][::-1])[::-1], 0)[from_above].astype(np.float64)
    precise = shrunk(right, alarmed, _GRID, PRIORS.late_alarms)
    # The network of the next weeks is not quite that of the last: a standard error to be safe.
    doubt = np.sqrt(precise * (1.0 - precise) / (alarmed + PRIORS.late_alarms))
    return Alerts(
        threshold=_GRID,
        precision=precise - doubt,
        recall=right / max(int(missed.sum()), 1),
        share=alarmed / len(ranked),
        likely_lost=_LIKELY_LOST,
    )


STAGES: Final = (
    "ordered",
    "handed_over",
    "in_transit",
    "customs",
    "out_for_delivery",
    "attempted",
    "available_for_pickup",
    "delivered",
    "returning",
    "returned",
    "damaged",
    "lost",
    "cancelled",
)
"""In the order of native/states.c."""

FINAL_STAGES: Final = ("delivered", "returning", "returned", "cancelled")
"""From these no delivery to the customer follows any more."""

REMAINING_OFFSET: Final = 0.5
"""Operational days added to a remaining time before its logarithm."""

GIVEN_LEVELS: Final = np.array([0.1, 0.5, 0.9])
"""Levels of what the promise at the order says of the time that remains."""

TRANSIT_FEATURES: Final = (
    "stage",
    "last_status",
    "silence",
    "hours_since_scan",
    "since_order",
    "since_pickup",
    "since_move",
    "since_out",
    "typical",
    "typical_destination",
    "typical_facility",
    "evidence",
    "given_over",
    *(f"given_{level:g}" for level in GIVEN_LEVELS),
    "behind",
    "handling",
    "attempts",
    "customs",
    "handed_off",
    "troubled",
    "scans",
    "hour",
    "weekday",
    "open_today",
    "open_tomorrow",
    "open_after",
)
"""(p,) in the order of the columns."""

_EXIT_EDGES: Final = np.array([0.0, 1.0, 3.0, 6.0])
_MOST_ATTEMPTS: Final = 3
_EXITS: Final = len(STAGES), _MOST_ATTEMPTS + 1, len(_EXIT_EDGES)


@dataclass(frozen=True)
class Exits(ArrayRecord):
    """Other ends than the event, as shares of the parcels seen in a stage.

    Attributes:
        returned: (stages, attempts 0 … 3 and more, stretches of silence) sent back later on.
        found: (stages,) arrived after all; for `GIVEN_UP_STAGES`.
    """

    LAYOUT: ClassVar = ArrayLayout(
        returned=Array("float64", *_EXITS, low=0.0, high=1.0),
        found=Array("float64", len(STAGES), low=0.0, high=1.0),
    )

    returned: Floats
    found: Floats

    @staticmethod
    def cells(
        stage: NDArray[np.uint8], attempts: NDArray[np.uint8], silence: Floats
    ) -> tuple[Ints, Ints, Ints]:
        """Where each state's share is in `returned`."""
        return (
            stage.astype(np.int64),
            np.minimum(attempts, _MOST_ATTEMPTS).astype(np.int64),
            np.searchsorted(_EXIT_EDGES, silence, side="right") - 1,
        )

    @staticmethod
    def shape() -> tuple[int, int, int]:
        """Of `returned`."""
        return _EXITS


@dataclass(frozen=True, kw_only=True)
class TransitParts:
    """What predictions of parcels under way are made from.

    Attributes:
        forest: quantiles of the log remaining days relative to what is typical.
        trained_day: UTC day; the forest has seen nothing that was received on it or later.
        flow: how long parcels took of late from each status on.
        facilities: their names, by row from 1 on.
        silence: how long parcels stay without a scan.
        exits: how many never arrive.
        calibrations: by stage, in the order of `STAGES`; groups are services.
        alerts: from which probabilities on to call a parcel at risk or likely lost.
    """

    forest: Forest
    trained_day: int
    flow: FlowTables
    facilities: tuple[str, ...]
    silence: ScanGapTable
    exits: Exits
    calibrations: tuple[Calibration, ...]
    alerts: Alerts

    @cached_property
    def log_hazard(self) -> NDArray[np.float32]:
        """(stages, services) of the calibrations."""
        return np.stack([one.log_hazard for one in self.calibrations])


class _RemainingStruct(ctypes.Structure):
    """`etp_remaining` of native/remaining.c."""

    _fields_ = native.fields("p stage elapsed; l clock_days first_day horizon; p disruptions")


_dates = native.function("etp_remaining_dates", "", "plppppppppp")
_levels = native.function("etp_remaining_levels", "", "plpppppppplppppp")


def transit_kernel(
    parts: TransitParts, clocks: Clocks, horizon: int, disruptions: Disruptions | None = None
) -> DatesKernel:
    """The compiled distributions of a model, from today on; it is asked with `Remaining`."""
    each = [
        DistributionStruct.of(parts.forest.levels, REMAINING_OFFSET, one.knot, one.kept)
        for one in parts.calibrations
    ]
    groups = (DistributionStruct * len(each))(*each)
    elapsed = np.ascontiguousarray(clocks.elapsed, np.float64)
    struct = _RemainingStruct(
        stage=ctypes.addressof(groups),
        elapsed=elapsed.ctypes.data,
        clock_days=elapsed.shape[1],
        first_day=clocks.first_day,
        horizon=horizon,
        disruptions=None if disruptions is None else disruptions.address,
    )
    return DatesKernel(_dates, _levels, struct, horizon, each, groups, elapsed, disruptions)


def flow_sizes(encoder: Encoder, facilities: Sequence[str]) -> Ints:
    """(levels,) rows of the flow's levels."""
    sizes = {name: len(index) for name, index in encoder.index_of.items()}
    # Who takes parcels over has rows of its own there, see `HandedOver`.
    sizes["service_region"] += sizes.get("taker_region", 0)
    return np.array([*(sizes[name] for name in FLOW_LEVELS[:-1]), len(facilities) + 1], np.int64)


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
