"""The moments of a journey: stages happen on days, scans at times of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etapromise_simulator.journey import ATTEMPTS, NEVER, Journeys
from etapromise_simulator.network import Network
from etapromise_simulator.orders import Parcels
from etapromise_simulator.stages import DIRECT
from etapromise_simulator.workdays import Floats, Integers

NOT = np.iinfo(np.int64).min
"""A moment that does not come."""

HOUR = 3_600
UNIFORMS = 16


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Seconds (UTC) of what happens to parcels, shape `(parcels,)`; `NOT` where it does not.

    Every stage that ends on a day on which the next one ends too is over early in the morning,
    so that the moments are in the order of the stages.
    """

    label: Integers
    picked_up: Integers
    arrived: Integers
    cleared: Integers
    transferred: Integers
    depot: Integers
    out: Integers
    """Out for delivery, shape `(parcels, attempts)`."""
    attempt: Integers
    """The attempt, successful or not, shape `(parcels, attempts)`."""
    available: Integers
    delivered: Integers
    returning: Integers
    returned: Integers


def draw_moments(
    network: Network, parcels: Parcels, journeys: Journeys, rng: np.random.Generator
) -> Moments:
    """Draw the times of the day. Every local time is 03:00 or later."""
    route, places = journeys.route, network.places
    uniform = rng.random((UNIFORMS, len(parcels.order)))
    origin_zone = places.region_zone[places.warehouse_region[route.warehouse]]
    zone = places.region_zone[route.region]

    def at(day: Integers, low: Floats | float, high: Floats | float, number: int) -> Integers:
        second = (low + (high - np.asarray(low)) * uniform[number]) * HOUR
        moment = network.clocks.utc(zone, day, second.astype(np.int64))
        return np.where(day == NEVER, NOT, moment)

    first = np.where(journeys.attempts[:, 0] == NEVER, journeys.given_up, journeys.attempts[:, 0])
    after_hub = np.where(route.path == DIRECT, first, journeys.depot)
    after_hub = np.where(journeys.transferred == NEVER, after_hub, journeys.transferred)
    after_arrival = np.where(route.abroad, journeys.cleared, after_hub)
    in_time = ~journeys.lost

    pick_up_clock = ((17.5 + 2.5 * uniform[0]) * HOUR).astype(np.int64)
    picked_up = network.clocks.utc(origin_zone, journeys.picked_up, pick_up_clock)
    label = parcels.ordered + ((0.02 + 0.88 * uniform[1]) * (picked_up - parcels.ordered)).astype(
        np.int64
    )
    early = after_arrival == journeys.arrived
    arrived = at(journeys.arrived, 3.0, np.where(early, 4.0, 20.0), 2)
    early = after_hub == journeys.cleared
    cleared = at(journeys.cleared, np.where(early, 4.2, 5.0), np.where(early, 4.8, 18.0), 3)
    depot = at(journeys.depot, 5.0, np.where(first == journeys.depot, 6.0, 20.0), 4)

    hour = _hours(network, journeys, rng)
    attempt, out = np.empty_like(hour), np.empty_like(hour)
    for number in range(ATTEMPTS):
        clock = hour[:, number].astype(np.float64)
        attempt[:, number] = at(journeys.attempts[:, number], clock, clock + 1, 5 + number)
        out[:, number] = at(journeys.attempts[:, number], 6.3, 8.0, 8 + number)

    last = np.max(attempt, axis=1)
    available = np.where(journeys.available == NEVER, NOT, last + (HOUR * 3) // 2)
    on_attempt = journeys.attempts == journeys.delivered[:, None]
    delivered = np.max(np.where(on_attempt, attempt, NOT), axis=1)
    fetched = at(journeys.delivered, 9.0, 19.0, 11)
    delivered = np.where(journeys.available == NEVER, delivered, fetched)
    delivered = np.where(journeys.delivered == NEVER, NOT, delivered)
    returning = np.maximum(at(journeys.given_up, 11.0, 17.0, 12), last + HOUR)
    returning = np.where(journeys.given_up == NEVER, NOT, returning)
    back = journeys.given_up + 4 + (8 * uniform[13]).astype(np.int64)
    back_clock = ((9.0 + 7.0 * uniform[14]) * HOUR).astype(np.int64)
    returned = network.clocks.utc(origin_zone, back, back_clock)
    return Moments(
        label=label,
        picked_up=picked_up,
        arrived=arrived,
        cleared=np.where(route.abroad & in_time, cleared, NOT),
        transferred=np.where(in_time, at(journeys.transferred, 10.0, 14.0, 15), NOT),
        depot=np.where((route.path != DIRECT) & in_time, depot, NOT),
        out=out,
        attempt=attempt,
        available=available,
        delivered=delivered,
        returning=returning,
        returned=np.where(returning == NOT, NOT, returned),
    )


def _hours(network: Network, journeys: Journeys, rng: np.random.Generator) -> Integers:
    """The clock hour of each attempt, by courier and region, shape `(parcels, attempts)`."""
    route = journeys.route
    cumulative = np.cumsum(network.couriers.hours, axis=-1)[route.courier, route.region]
    uniform = rng.random((len(route.day), ATTEMPTS, 1)) * cumulative[:, None, -1:]
    return np.asarray((uniform >= cumulative[:, None, :]).sum(axis=-1), dtype=np.int64)
