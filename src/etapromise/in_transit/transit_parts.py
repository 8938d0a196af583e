"""What a model knows of parcels under way, and the names of what it is asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.calendars.disruptions import Disruptions
from etapromise.calendars.working_clocks import Clocks
from etapromise.encoding.requests import Encoder
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.in_transit.alerts import Alerts
from etapromise.in_transit.flow import FLOW_LEVELS, FlowTables
from etapromise.in_transit.remaining_time import RemainingKernel
from etapromise.in_transit.scan_gaps import ScanGapTable
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord, StoredPart

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
_LAYOUT: Final = ArrayLayout(
    returned=Array("float64", *_EXITS, low=0.0, high=1.0),
    found=Array("float64", len(STAGES), low=0.0, high=1.0),
)


@dataclass(frozen=True)
class Exits(ArrayRecord):
    """Other ends than the event, as shares of the parcels seen in a stage.

    Attributes:
        returned: (stages, attempts 0 … 3 and more, stretches of silence) sent back later on.
        found: (stages,) arrived after all; for `GIVEN_UP_STAGES`.
    """

    LAYOUT: ClassVar = _LAYOUT

    returned: Floats
    found: Floats

    @classmethod
    def stored(cls, part: StoredPart) -> Exits:
        """The shares of a model's files.

        Raises:
            ModelFileError: they are not what they must be.
        """
        return cls(**part.read(cls.LAYOUT))

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


def transit_kernel(
    parts: TransitParts, clocks: Clocks, horizon: int, disruptions: Disruptions | None = None
) -> RemainingKernel:
    """The compiled distributions of a model."""
    return RemainingKernel(
        levels=parts.forest.levels,
        duration_offset=REMAINING_OFFSET,
        calibrations=list(parts.calibrations),
        elapsed=clocks.elapsed,
        first_day=clocks.first_day,
        horizon=horizon,
        disruptions=disruptions,
    )


def flow_sizes(encoder: Encoder, facilities: Sequence[str]) -> Ints:
    """(levels,) rows of the flow's levels."""
    sizes = {
        level.name: len(index) for level, index in zip(encoder.levels, encoder.indexes, strict=True)
    }
    # Who takes parcels over has rows of its own there, see `HandedOver`.
    sizes["service_region"] += sizes.get("taker_region", 0)
    return np.array([*(sizes[name] for name in FLOW_LEVELS[:-1]), len(facilities) + 1], np.int64)
