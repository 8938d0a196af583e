"""The hours of delivery as the orders known at a moment show them."""

from __future__ import annotations

from typing import Final

import numpy as np

from etapromise.calendars.zones import ZoneMap
from etapromise.history.as_of import KnownOrders
from etapromise.history.delivery_hours import HOUR_LEVELS, DeliveryHours, learn_delivery_hours
from etapromise.history.outcomes import Outcomes
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import sorted_keys

_DAY: Final = 86_400


def learned_delivery_hours(
    known: KnownOrders, results: Outcomes, zones: ZoneMap, hand_offs: HandOffs | None = None
) -> DeliveryHours:
    """From the events among `known` that had been received, whose outcomes are `results`."""
    rows = np.flatnonzero(results.arrived)
    keys, seconds = known.deliveries(HOUR_LEVELS, zones, hand_offs)
    day, second = np.divmod(seconds[rows], _DAY)
    return learn_delivery_hours(
        [sorted_keys(positions[rows], texts) for positions, texts in keys],
        day=day,
        second=second,
        known_day=results.event_known_day[rows].astype(np.int64),
        as_of_day=results.as_of_day,
    )
