"""What the orders known at a moment show of carriers' and warehouses' calendars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Ints
from etapromise.calendars.changed_weeks import with_changed_weeks
from etapromise.calendars.dispatch import DISPATCH_LEVELS, Dispatch
from etapromise.calendars.dispatch_learning import learn_dispatch
from etapromise.calendars.transits import Transits
from etapromise.calendars.working_clocks import CALENDAR_BEFORE, Clocks
from etapromise.calendars.working_weeks import learn_clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.history.effects import NEVER_DAY
from etapromise.history.outcomes import Outcomes
from etapromise.lanes.levels import Level, level_keys, sorted_keys

if TYPE_CHECKING:
    import pandas as pd

CALENDAR_LEVELS: Final = (
    Level("service", ("carrier", "service")),
    Level("there", ("destination_country", "destination_region")),
    # Warehouses keep the holidays of where they are.
    Level("here", ("origin_country", "origin_region")),
    Level("place", ("destination_country", "destination_region", "destination")),
)
"""What says under which calendars a parcel is on its way."""

_Keys: TypeAlias = "Sequence[tuple[Ints, list[str]]]"

# Days of calendar beyond the moment: orders a year ahead, and their way.
_CALENDAR_AHEAD: Final = 500
_SEPARATOR: Final = "\x1f"
# Share of pick-ups that come within the time that a day is given until its orders are looked at.
_HARDLY_ANY: Final = 0.98


def learned_clocks(
    keys: _Keys,
    results: Outcomes,
    last_mile_carriers: Sequence[str] = (),
    last_mile: NDArray[np.int32] | None = None,
) -> Clocks:
    """Working weeks and holidays of carriers.

    Args:
        keys: of n orders at CALENDAR_LEVELS, in their order; see `levels.level_keys`.
        last_mile_carriers: those that parcels are handed to; each has a clock, that of any of
            its services.
        last_mile: (n,) number of who brings each parcel, from 1 on; 0: its own carrier.
    """
    on_way, ways, service_keys, calendar_keys = _ways(keys, results, last_mile_carriers, last_mile)
    place, places = sorted_keys(*keys[-1])
    return learn_clocks(
        ways,
        service_keys=service_keys,
        calendar_keys=calendar_keys,
        first_day=int(results.start_day[0]) - CALENDAR_BEFORE,
        last_day=results.as_of_day + _CALENDAR_AHEAD,
        places=(place[on_way], places),
    )


def renewed_clocks(
    clocks: Clocks,
    keys: _Keys,
    results: Outcomes,
    last_mile_carriers: Sequence[str] = (),
    last_mile: NDArray[np.int32] | None = None,
) -> Clocks:
    """Clocks that were learned before, with the weeks that services have changed since.

    Args:
        keys: as for `learned_clocks`, like all that follows.
        last_mile: (n,) number of who brings each parcel.
    """
    _, ways, service_keys, calendar_keys = _ways(keys, results, last_mile_carriers, last_mile)
    return with_changed_weeks(ways.named_as(service_keys, calendar_keys, clocks), clocks)


def _ways(
    keys: _Keys,
    results: Outcomes,
    last_mile_carriers: Sequence[str],
    last_mile: NDArray[np.int32] | None,
) -> tuple[Ints, Transits, Sequence[str], Sequence[str]]:
    """Which parcels are on their way, these, and the keys of their services and places."""
    service, there, here, _ = keys
    brought = service[0]
    if last_mile is not None:
        brought = np.where(last_mile > 0, len(service[1]) + last_mile - 1, brought)
    # The service of a last-mile carrier is nobody's to name: it is any.
    services, service_keys = sorted_keys(
        brought, [*service[1], *(f"{name}{_SEPARATOR}" for name in last_mile_carriers)]
    )
    places = np.concatenate([there[0], here[0] + len(there[1])])
    calendars, calendar_keys = sorted_keys(places, [*there[1], *here[1]])
    first_day = int(results.start_day[0]) - CALENDAR_BEFORE
    arrived = results.event_day < NEVER_DAY
    begun = results.pickup_day
    if not (begun < NEVER_DAY).any():
        begun = results.start_day.astype(np.int64)
    last = np.where(arrived, results.event_day, results.as_of_day - 1)
    on_way = np.flatnonzero((begun >= first_day) & (begun <= last) & ~results.closed)
    ways = Transits(
        service=services[on_way],
        calendar=calendars[on_way],
        first_day=begun[on_way],
        last_day=last[on_way],
        arrived=arrived[on_way],
    )
    return on_way, ways, service_keys, calendar_keys


def learned_dispatch(
    shipments: pd.DataFrame, results: Outcomes, clocks: Clocks, zones: ZoneMap
) -> Dispatch:
    """Cut-offs, working weeks and handling days of warehouses.

    Args:
        shipments: (n,) in the order of their orders.
    """
    picked = _all_picked_up(results)
    orders = shipments.iloc[picked]
    keys = [sorted_keys(*found) for found in level_keys(orders, DISPATCH_LEVELS)]
    names, _ = zones.resolve_many(orders, "origin")
    seconds = local_seconds(orders["ordered_at"], names)
    order_day = np.floor_divide(seconds, 86_400)
    calendar_rows = clocks.indexes()[1]
    # The keys of the first level, places, are those of the holiday calendars.
    places, place_keys = keys[0]
    calendar = np.array([calendar_rows.get(key, 0) for key in place_keys], np.int64)[places]
    return learn_dispatch(
        keys=keys,
        order_day=order_day,
        second=seconds - order_day * 86_400,
        pickup_day=results.pickup_day[picked],
        calendar=calendar,
        clocks=clocks,
    )


def _all_picked_up(results: Outcomes) -> Ints:
    """Rows of the parcels that were picked up, of days that hardly any is still waiting from.

    Of the last days only the quick ones are known, and would stand for all.
    """
    rows = np.flatnonzero(results.pickup_day < NEVER_DAY)
    if not len(rows):
        return rows
    waited = results.pickup_day[rows] - results.start_day[rows]
    patience = np.quantile(waited, _HARDLY_ANY)
    settled = rows[results.start_day[rows] + patience < results.as_of_day]
    # A history shorter than the patience has no such days.
    return settled if len(settled) else rows
