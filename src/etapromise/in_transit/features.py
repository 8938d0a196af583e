"""The features of a parcel under way, for the forest of its remaining time.

The remaining time is counted in operational days from the start of today, the destination's local
date of the moment: then the ends of dates are where the clock says, and the hour is a feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import MISSING, Floats
from etapromise.in_transit.flow import FLOW_LEVELS, mixed
from etapromise.in_transit.snapshots import Positions
from etapromise.in_transit.states import States

__all__ = [
    "GIVEN_LEVELS",
    "REMAINING_OFFSET",
    "TRANSIT_FEATURES",
    "TransitInputs",
    "build_features",
]

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

_HOUR: Final = 3_600_000_000
_SERVICE_REGION: Final = FLOW_LEVELS.index("service_region")
_DESTINATION: Final = FLOW_LEVELS.index("destination_prefix")
_FACILITY: Final = FLOW_LEVELS.index("facility")
# A parcel that is overdue by what is typical still needs some of it.
_LEAST_SHARE: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class TransitInputs:
    """What features are built from, for m looks at parcels.

    Attributes:
        states: where they stand.
        positions: where that is on the clock.
        ordered: (m,) microseconds since 1970 UTC.
        anchor: (m,) origin-local date of the order, days since 1970-01-01.
        flow: (m, levels) evidence and sums of `history.flow`, by latest status.
        given: (m, 1 + len(GIVEN_LEVELS)) what the promise at the order says: the probability that
            it would have come by now, and quantiles of the remaining operational days.
    """

    states: States
    positions: Positions
    ordered: NDArray[np.int64]
    anchor: NDArray[np.int64]
    flow: tuple[Floats, Floats]
    given: Floats


def build_features(inputs: TransitInputs) -> tuple[NDArray[np.float32], Floats]:
    """The features, and what the forest's target is relative to.

    Returns:
        (m, p) float32 as `TRANSIT_FEATURES`; (m,) log of the remaining days, plus
        `REMAINING_OFFSET`, that are typical.
    """
    states, places = inputs.states, inputs.positions
    evidence, total = inputs.flow
    means = mixed(evidence, total)
    heard = np.where(states.last_known == MISSING, inputs.ordered, states.last_known)
    # Typical is counted from the start of the day on which the last scan came in.
    heard_day, *days = places.before(
        np.stack([places.day(heard), *(places.today + ahead for ahead in range(4))])
    )
    passed = places.start - heard_day
    usual = np.exp(means[:, [_SERVICE_REGION, _DESTINATION, _FACILITY]]) - REMAINING_OFFSET
    left = usual - passed[:, None]
    offset = np.log(np.maximum(left[:, 0], _LEAST_SHARE * usual[:, 0]) + REMAINING_OFFSET)
    since_order = places.start - places.before(inputs.anchor)
    latest = np.where(states.last_scan == MISSING, inputs.ordered, states.last_scan)
    picked_up, moved, went_out, ordered, since = places.position(
        np.stack([states.picked_up, states.moved, states.went_out, inputs.ordered, latest])
    )
    local = states.moment + places.shift
    weight = [after - before for before, after in pairwise(days)]
    columns = (
        states.stage,
        np.where(states.last_status == 255, -1, states.last_status.astype(np.int64)),
        np.maximum(places.now - since, 0.0),
        (states.moment - latest) / _HOUR,
        since_order,
        places.now - picked_up,
        places.now - moved,
        places.now - went_out,
        left[:, 0],
        left[:, 1],
        left[:, 2],
        np.log1p(evidence[:, _SERVICE_REGION]),
        *inputs.given.T,
        left[:, 0] - inputs.given[:, 2],
        picked_up - ordered,
        states.attempts,
        states.customs,
        states.handed_off,
        states.troubled,
        states.scans,
        (local % (24 * _HOUR)) / _HOUR,
        (places.today + 3) % 7,
        *weight,
    )
    x = np.empty((len(states), len(TRANSIT_FEATURES)), np.float32)
    for place, column in enumerate(columns):
        x[:, place] = column
    return x, offset
