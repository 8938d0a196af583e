"""The hours of delivery as the orders known at a moment show them."""

from __future__ import annotations

from typing import Final

import numpy as np

from etapromise.history.as_of import KnownOrders
from etapromise.history.delivery_hours import HOUR_LEVELS, DeliveryHours, learn_delivery_hours
from etapromise.history.levels import level_keys
from etapromise.history.outcomes import Outcomes
from etapromise.history.requests import local_seconds
from etapromise.history.zones import ZoneMap

__all__ = ["hours_of"]

_DAY: Final = 86_400


def hours_of(known: KnownOrders, results: Outcomes, zones: ZoneMap) -> DeliveryHours:
    """From the events among `known` that had been received, whose outcomes are `results`."""
    rows = np.flatnonzero(results.arrived)
    orders = known.shipments.iloc[rows]
    names, _ = zones.resolve_many(orders, "destination")
    second = local_seconds(known.milestones["event_at"].iloc[rows], names)
    day = np.floor_divide(second, _DAY)
    return learn_delivery_hours(
        level_keys(orders, HOUR_LEVELS),
        day=day,
        second=second - day * _DAY,
        known_day=results.event_known_day[rows].astype(np.int64),
        as_of_day=results.as_of_day,
    )
