"""The hours of delivery as the orders known at a moment show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.history.as_of import KnownOrders
from etapromise.history.delivery_hours import HOUR_LEVELS, DeliveryHours, learn_delivery_hours
from etapromise.history.learned_hand_offs import known_hand_offs
from etapromise.history.outcomes import Outcomes
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import level_keys

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["learned_delivery_hours"]

_DAY: Final = 86_400


def learned_delivery_hours(
    known: KnownOrders, results: Outcomes, zones: ZoneMap, hand_offs: HandOffs | None = None
) -> DeliveryHours:
    """From the events among `known` that had been received, whose outcomes are `results`.

    Where parcels change hands, a delivery is that of the carrier that brought it.
    """
    rows = np.flatnonzero(results.arrived)
    orders = known.shipments.iloc[rows]
    if hand_offs is not None:
        orders = _as_brought(orders, known_hand_offs(known.milestones.iloc[rows], known.moment))
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


def _as_brought(orders: pd.DataFrame, taker: NDArray[np.object_]) -> pd.DataFrame:
    brought = taker != ""
    columns = {}
    for column, other in (("carrier", taker), ("service", np.full(len(taker), None, dtype=object))):
        own = other.copy()
        if column in orders:
            own[~brought] = orders[column].to_numpy(dtype=object)[~brought]
        else:
            own[~brought] = None
        columns[column] = own
    return orders.assign(**columns)
