"""The shipments table: what a shop knows about its parcels when they are ordered."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etapromise_simulator.feed import microseconds, texts
from etapromise_simulator.journey import Route
from etapromise_simulator.network import Network
from etapromise_simulator.orders import Parcels
from etapromise_simulator.places import METRO
from etapromise_simulator.workdays import DAY, Floats, Integers

# What the shop promises: business days by service, to the same region, country, and abroad.
SHOP_RULE = {"economy": (5, 9, 12), "ground": (4, 7, 9), "express": (3, 4, 6)}
SHOP_CLOSES = 14 * 3600  # the shop's rule knows one cut-off, not the warehouses'


def shipments_table(network: Network, parcels: Parcels, route: Route, prefix: str) -> pa.Table:
    """One row for each parcel, in their order; `prefix` makes the ids unique."""
    places, config = network.places, network.config
    n_services = len(config.services)
    origin_region = places.warehouse_region[route.warehouse]
    codes = [region.code for region in places.regions]
    countries = [region.country for region in places.regions]
    return pa.table(
        {
            "shipment_id": _ids(f"P{prefix}", np.arange(len(parcels.order))),
            "order_id": _ids(f"O{prefix}", parcels.order),
            "ordered_at": microseconds(network, parcels.ordered),
            "origin": texts(places.warehouse_postcode, route.warehouse),
            "destination": texts(places.postcode, parcels.postcode),
            "carrier": texts(config.carriers, route.own // n_services),
            "service": texts(config.services, route.own % n_services),
            "origin_region": texts(codes, origin_region),
            "origin_country": texts(countries, origin_region),
            "destination_region": texts(codes, route.region),
            "destination_country": texts(countries, route.region),
            "origin_lat": places.warehouse_latitude[route.warehouse],
            "origin_lon": places.warehouse_longitude[route.warehouse],
            "destination_lat": places.postcode_latitude[parcels.postcode],
            "destination_lon": places.postcode_longitude[parcels.postcode],
            "destination_time_zone": texts(places.zones, places.region_zone[route.region]),
            "weight_kg": pa.array(parcels.weight, from_pandas=True),
            "promised_date": _dates(network, _shop_promise(network, parcels, route)),
            "quoted_date": _dates(network, _carrier_quote(network, parcels, route)),
        }
    )


def _ids(prefix: str, number: Integers) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(number).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _dates(network: Network, day: Integers) -> pa.Array:
    """Days as dates; a negative one is missing."""
    first = np.datetime64(network.days.first, "D").astype(np.int64)
    return pa.array((day + first).astype(np.int32), mask=day < 0).cast(pa.date32())


def _shop_promise(network: Network, parcels: Parcels, route: Route) -> Integers:
    """The shop's naive rule: one cut-off, a fixed number of weekdays, no holidays, no carrier."""
    places, services = network.places, network.config.services
    origin_region = places.warehouse_region[route.warehouse]
    far = np.where(route.abroad, 2, np.where(origin_region == route.region, 0, 1))
    rule = np.array([SHOP_RULE[name] for name in services])
    local = network.clocks.local(places.region_zone[origin_region], parcels.ordered)
    days = rule[route.own % len(services), far] + (local % DAY >= SHOP_CLOSES)
    first = np.datetime64(network.days.first, "D")
    promised = np.busday_offset(first + route.day, days, roll="forward")
    return (promised - first).astype(np.int64)


def _carrier_quote(network: Network, parcels: Parcels, route: Route) -> Integers:
    """The carrier's own estimate: its calendar and its usual speed; -1 if it gives none."""
    places, couriers = network.places, network.couriers
    add = network.calendars.add
    origin = places.region_country[places.warehouse_region[route.warehouse]]
    usual: Floats = couriers.linehaul[route.warehouse, route.hub, route.own] + route.abroad
    collecting = network.courier_calendar(route.own, origin)
    picked_up = add(collecting, route.day + route.late + 1)
    arrived = add(collecting, picked_up, np.round(usual).astype(np.int64))
    kind = places.area_kind[places.postcode_area[parcels.postcode]]
    delivering = network.courier_calendar(route.courier, route.country)
    delivered = add(delivering, arrived, np.where(kind == METRO, 1, 1 + kind))
    quotes = couriers.carrier_quotes[route.own // len(couriers.services)]
    return np.where(quotes, delivered, -1)
