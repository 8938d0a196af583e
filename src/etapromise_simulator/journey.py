"""Journeys: the days of every stage of every parcel, drawn from the law in `stages`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
from etapromise_simulator.workdays import DAY, Booleans, Integers

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
