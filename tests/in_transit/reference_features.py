"""Features of looks at parcels under way once more, column by column in numpy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from etapromise.array_types import MISSING
from etapromise.in_transit.flow import ANYWHERE, FLOW_LEVELS, PARENTS
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, TRANSIT_FEATURES
from etapromise.shrinkage import PRIORS

HOUR = 3_600_000_000
LEAST_SHARE = 0.25
SERVICE_REGION, DESTINATION, FACILITY = (
    FLOW_LEVELS.index(name) for name in ("service_region", "destination_prefix", "facility")
)


def mixed(evidence, total):
    """(m, levels) means, each level leaning on its parent; see the module."""
    means = np.empty_like(evidence)
    for level, parent in enumerate(PARENTS):
        above = means[:, parent] if parent >= 0 else np.full(len(evidence), ANYWHERE)
        means[:, level] = (total[:, level] + PRIORS.flow * above) / (
            evidence[:, level] + PRIORS.flow
        )
    return means


def reference_features(inputs):
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
    usual = np.exp(means[:, [SERVICE_REGION, DESTINATION, FACILITY]]) - REMAINING_OFFSET
    left = usual - passed[:, None]
    offset = np.log(np.maximum(left[:, 0], LEAST_SHARE * usual[:, 0]) + REMAINING_OFFSET)
    since_order = places.start - places.before(inputs.order_day)
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
        (states.moment - latest) / HOUR,
        since_order,
        places.now - picked_up,
        places.now - moved,
        places.now - went_out,
        left[:, 0],
        left[:, 1],
        left[:, 2],
        np.log1p(evidence[:, SERVICE_REGION]),
        *inputs.given.T,
        left[:, 0] - inputs.given[:, 2],
        picked_up - ordered,
        states.attempts,
        states.customs,
        states.handed_off,
        states.troubled,
        states.scans,
        (local % (24 * HOUR)) / HOUR,
        (places.today + 3) % 7,
        *weight,
    )
    x = np.empty((len(states), len(TRANSIT_FEATURES)), np.float32)
    for place, column in enumerate(columns):
        x[:, place] = column
    return x, offset
