"""The features of a parcel under way, for the forest of its remaining time.

The remaining time is counted in operational days from the start of today, the destination's local
date of the moment: then the ends of dates are where the clock says, and the hour is a feature.
"""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.in_transit.flow import ANYWHERE, FLOW_LEVELS, PARENTS
from etapromise.in_transit.snapshots import Positions
from etapromise.in_transit.states import States
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, TRANSIT_FEATURES
from etapromise.shrinkage import PRIORS

_SERVICE_REGION: Final = FLOW_LEVELS.index("service_region")
_DESTINATION: Final = FLOW_LEVELS.index("destination_prefix")
_FACILITY: Final = FLOW_LEVELS.index("facility")
# A parcel that is overdue by what is typical still needs some of it.
_LEAST_SHARE: Final = 0.25
_STATE_BYTES: Final = (*("stage", "last_status", "attempts", "customs", "handed_off", "troubled"),)
_STATE_TIMES: Final = (*("moment", "last_scan", "last_known", "picked_up", "moved", "went_out"),)


class _LooksStruct(ctypes.Structure):
    """`etp_looks` of native/looks.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in (*_STATE_BYTES, "scans", *_STATE_TIMES)),
        *((name, ctypes.c_void_p) for name in ("ordered", "order_day", "clock", "shift", "today")),
        *((name, ctypes.c_void_p) for name in ("start", "now", "evidence", "total", "given")),
        ("elapsed", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("clock_days", "first_day", "levels")),
        ("parent", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("region", "destination", "facility")),
        *((name, ctypes.c_double) for name in ("prior", "anywhere", "offset", "least_share")),
    )


_features = native.function(
    "etp_look_features",
    None,
    *(ctypes.POINTER(_LooksStruct), native.LONG, native.POINTER, native.POINTER),
)
_PARENTS: Final = np.array(PARENTS, np.int64)
_TYPES: Final[dict[str, type[np.generic]]] = {
    **dict.fromkeys(_STATE_BYTES, np.uint8),
    **dict.fromkeys((*_STATE_TIMES, "ordered", "order_day", "shift", "today", "parent"), np.int64),
    **dict.fromkeys(("scans", "clock"), np.int32),
    **dict.fromkeys(("start", "now", "evidence", "total", "given", "elapsed"), np.float64),
}


def build_features(
    *,
    states: States,
    positions: Positions,
    ordered: Ints,
    order_day: Ints,
    flow: tuple[Floats, Floats],
    given: Floats,
) -> tuple[NDArray[np.float32], Floats]:
    """The features of m looks at parcels, and what the forest's target is relative to.

    Args:
        positions: where `states` are on the clock.
        ordered: (m,) microseconds since 1970 UTC.
        order_day: (m,) origin-local date of the order, days since 1970-01-01.
        flow: (m, levels) evidence and sums of `history.flow`, by latest status.
        given: (m, 1 + len(GIVEN_LEVELS)) what the promise at the order says: the probability that
            it would have come by now, and quantiles of the remaining operational days.

    Returns:
        (m, p) float32 as `TRANSIT_FEATURES`; (m,) log of the remaining days, plus
        `REMAINING_OFFSET`, that are typical.
    """
    clocks = positions.clocks
    evidence, total = flow
    columns = {
        **{name: getattr(states, name) for name in (*_STATE_BYTES, "scans", *_STATE_TIMES)},
        **{name: getattr(positions, name) for name in ("clock", "shift", "today", "start", "now")},
        "ordered": ordered,
        "order_day": order_day,
        "evidence": evidence,
        "total": total,
        "given": given,
        "elapsed": clocks.elapsed,
        "parent": _PARENTS,
    }
    arrays = {name: np.ascontiguousarray(array, _TYPES[name]) for name, array in columns.items()}
    struct = _LooksStruct(
        clock_days=clocks.elapsed.shape[1],
        first_day=clocks.first_day,
        levels=len(FLOW_LEVELS),
        region=_SERVICE_REGION,
        destination=_DESTINATION,
        facility=_FACILITY,
        prior=PRIORS.flow,
        anywhere=ANYWHERE,
        offset=REMAINING_OFFSET,
        least_share=_LEAST_SHARE,
        **{name: native.address(array) for name, array in arrays.items()},
    )
    x = np.empty((len(states), len(TRANSIT_FEATURES)), np.float32)
    typical = np.empty(len(states))
    _features(struct, len(states), native.address(x), native.address(typical))
    return x, typical
