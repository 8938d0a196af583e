"""Journeys: the days of every stage of every parcel, drawn from the law in `stages`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etapromise_simulator.network import Network
from etapromise_simulator.orders import Parcels
from etapromise_simulator.places import Places
from etapromise_simulator.stages import (
    BY_PARTNER,
    COLLECTION,
    COLLECTION_MEDIAN,
    CUSTOMS,
    DIRECT,
    HANDLING,
    LAST_MILE,
    LINEHAUL,
    LOCAL,
    PARTNER,
    RETRY,
    RETRY_MEDIAN,
    Stages,
)
from etapromise_simulator.workdays import DAY, Booleans, Floats, Integers

NEVER = -1
ATTEMPTS = 3
UNIFORMS = 16


@dataclass(frozen=True, kw_only=True)
class Route:
    """What the network does with a parcel; all arrays have shape `(parcels,)`."""

    day: Integers
    """Local date of the order in the warehouse."""
    late: Booleans
    """Whether the order came at or after the cut-off."""
    warehouse: Integers
    own: Integers
    bulky: Booleans
    hub: Integers
    region: Integers
    country: Integers
    abroad: Booleans
    path: Integers
    courier: Integers
    """Who makes the last mile: `own`, or the partner."""


@dataclass(frozen=True, kw_only=True)
class Journeys:
    """Days of the stages, shape `(parcels,)`; `NEVER` where a stage does not happen."""

    route: Route
    picked_up: Integers
    arrived: Integers
    cleared: Integers
    transferred: Integers
    depot: Integers
    attempts: Integers
    """Shape `(parcels, 3)`."""
    available: Integers
    delivered: Integers
    given_up: Integers
    """The day on which the parcel starts its way back to the sender."""
    lost: Booleans
    slow: Booleans
    """Whether the linehaul took longer than its usual median."""


def route_of(
    stages: Stages,
    *,
    ordered: Integers,
    postcode: Integers,
    warehouse: Integers,
    own: Integers,
    bulky: Booleans,
) -> Route:
    """The route of parcels; `ordered` in UTC seconds, the rest as numbers of the network."""
    network = stages.network
    places: Places = network.places
    local = network.clocks.local(places.region_zone[places.warehouse_region[warehouse]], ordered)
    service = own % len(network.config.services)
    area = places.postcode_area[postcode]
    hub = places.area_hub[area]
    region = places.hub_region[hub]
    country = places.region_country[region]
    path = stages.path(places.area_kind[area], own)
    return Route(
        day=local // DAY,
        late=local % DAY >= network.cut_off[warehouse, service],
        warehouse=warehouse,
        own=own,
        bulky=bulky,
        hub=hub,
        region=region,
        country=country,
        abroad=country != places.region_country[places.warehouse_region[warehouse]],
        path=path,
        courier=np.where(path == BY_PARTNER, network.partner_courier(region), own),
    )


def draw_journeys(stages: Stages, parcels: Parcels, rng: np.random.Generator) -> Journeys:
    """Draw the journey of every parcel; twins share theirs."""
    network = stages.network
    add = network.calendars.add
    route = route_of(
        stages,
        ordered=parcels.ordered,
        postcode=parcels.postcode,
        warehouse=parcels.warehouse,
        own=parcels.own,
        bulky=parcels.bulky,
    )
    uniform = rng.random((UNIFORMS, len(parcels.order)))[:, parcels.twin]
    own, warehouse, region = route.own, route.warehouse, route.region

    packing = network.warehouse_calendar(warehouse)
    started = add(packing, route.day + route.late)
    handling = HANDLING.draw(stages.handling(warehouse, route.bulky, started), uniform[0])
    ready = add(packing, started, handling)
    origin = network.places.region_country[network.places.warehouse_region[warehouse]]
    collecting = network.courier_calendar(own, origin)
    picked_up = add(collecting, ready, uniform[1] < stages.missed_pick_up(own))

    median = stages.linehaul(warehouse, route.hub, own, picked_up)
    linehaul = LINEHAUL.draw(median, uniform[2], stages.linehaul_sharpness(own))
    arrived = add(collecting, picked_up, linehaul)
    lost = uniform[3] < stages.lost(own, picked_up)

    clearing = network.customs_calendar(route.country)
    customs = CUSTOMS.draw(stages.customs(own, arrived), uniform[4])
    cleared = np.where(route.abroad, add(clearing, arrived, customs), arrived)

    delivering = network.courier_calendar(route.courier, route.country)
    local = LOCAL.draw(stages.local(route.path, region, cleared), uniform[5])
    transferred = add(delivering, cleared)
    partner = PARTNER.draw(stages.partner(region, transferred), uniform[5])
    depot = np.where(
        route.path == DIRECT,
        cleared,
        np.where(
            route.path == BY_PARTNER,
            add(delivering, transferred, partner),
            add(delivering, cleared, local),
        ),
    )
    waiting = LAST_MILE.draw(stages.last_mile(route.courier, region, depot), uniform[6])
    first = add(delivering, depot, waiting)

    last_mile = _last_mile(stages, route, first, uniform[7:])
    usual = network.couriers.linehaul[warehouse, route.hub, own]
    gone = [np.where(lost, NEVER, part) for part in last_mile]
    return Journeys(
        route=route,
        picked_up=picked_up,
        arrived=arrived,
        cleared=cleared,
        transferred=np.where(route.path == BY_PARTNER, transferred, NEVER),
        depot=depot,
        attempts=np.stack(gone[:ATTEMPTS], axis=1),
        available=gone[3],
        delivered=gone[4],
        given_up=gone[5],
        lost=lost,
        slow=linehaul > usual + 1,
    )


def _last_mile(
    stages: Stages, route: Route, first: Integers, uniform: np.ndarray
) -> list[Integers]:
    """Three attempt days, then the days of availability, delivery and giving up."""
    network = stages.network
    calendar = network.courier_calendar(route.courier, route.country)
    never = np.full(len(first), NEVER)
    bad_address = uniform[0] < stages.bad_address(route.own)
    refused = ~bad_address & (uniform[1] < stages.refused(route.own))
    delivered, given_up = never.copy(), np.where(bad_address | refused, first, NEVER)
    open_ = ~bad_address
    day = first
    attempts: list[Integers] = []
    for number in range(ATTEMPTS):
        if number:
            gap = RETRY.draw(np.full(len(first), RETRY_MEDIAN), uniform[2 * number + 1])
            day = network.calendars.add(calendar, day, gap)
        attempts.append(np.where(open_, day, NEVER))
        open_ = open_ & ~refused
        succeeds = uniform[2 * number + 2] < stages.success(
            route.courier, route.region, number, day
        )
        delivered = np.where(open_ & succeeds, day, delivered)
        open_ = open_ & ~succeeds
    available = np.where(open_, day, NEVER)
    waiting = COLLECTION.draw(np.full(len(first), COLLECTION_MEDIAN), uniform[7])
    uncollected = uniform[8] < stages.uncollected(route.own)
    fetched = network.calendars.add(calendar, day, waiting)
    delivered = np.where(open_ & ~uncollected, fetched, delivered)
    # An unfetched parcel waits as long as the point keeps it.
    kept = network.calendars.add(calendar, day, COLLECTION.first + COLLECTION.size)
    given_up = np.where(open_ & uncollected, kept, given_up)
    return [*attempts, available, delivered, given_up]


# The moments of a journey: stages happen on days, scans at times of the day.

NOT = np.iinfo(np.int64).min
"""A moment that does not come."""

HOUR = 3_600


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
