"""Orders: who orders what, when and where to, and which carrier gets it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etapromise_simulator.network import Network
from etapromise_simulator.workdays import Booleans, Floats, Integers

BULKY_KG = 15.0
"""Parcels heavier than this are handled more slowly."""

TRAVEL_TOGETHER = 0.5
"""P(a further parcel of an order, of the same kind as its first one, shares its whole journey)."""

PARCELS_OF_SEVERAL = np.array([0.8, 0.2])  # two, three
SAME_WAREHOUSE = 0.8
WEEKDAY_VOLUME = np.array([1.20, 1.08, 1.0, 0.97, 0.90, 0.85, 1.0])
PEAK_VOLUME = 0.8
HOUR_VOLUME = np.array(
    [
        1.6,
        0.9,
        0.5,
        0.3,
        0.2,
        0.3,
        0.6,
        1.4,
        2.6,
        4.0,
        5.0,
        5.2,
        5.0,
        4.8,
        4.8,
        4.7,
        4.6,
        4.6,
        4.8,
        5.4,
        6.4,
        6.6,
        5.2,
        3.2,
    ]
)


@dataclass(frozen=True, kw_only=True)
class Parcels:
    """Parcels in the order of their ordering; all arrays have shape `(parcels,)`.

    `ordered` is in seconds (UTC); `own` is the number of the carrier's service; `twin` is the
    number of the parcel whose journey this one shares: itself, or the first of its order.
    `weight` is in kilograms, NaN where nobody weighed it (never a bulky one).
    """

    order: Integers
    ordered: Integers
    postcode: Integers
    warehouse: Integers
    own: Integers
    weight: Floats
    twin: Integers

    @property
    def bulky(self) -> Booleans:
        """Whether a parcel is heavier than `BULKY_KG`; an unknown weight is not."""
        return np.asarray(self.weight > BULKY_KG)


def draw_parcels(network: Network, rng: np.random.Generator, first: int, last: int) -> Parcels:
    """The parcels ordered from day `first` up to, not including, day `last`."""
    day = _order_days(network, rng, first, last)
    orders = len(day)
    places = network.places
    area = _choose(rng, np.cumsum(places.area_weight), orders)
    per_area = len(places.postcode) // len(places.area_prefix)
    postcode = area * per_area + rng.integers(0, per_area, orders)
    warehouse = _choose_row(rng, network.warehouse_share[area])
    service = _choose(rng, np.cumsum(network.couriers.service_share), orders)
    hour = _choose(rng, np.cumsum(HOUR_VOLUME / HOUR_VOLUME.sum()), orders)
    second = hour * 3600 + rng.integers(0, 3600, orders)
    zone = places.region_zone[places.warehouse_region[warehouse]]
    # Near a night's clock change this is an hour off, which moves the order, not the network's
    # reading of it: cut-off and date are taken from the UTC time.
    ordered = network.clocks.utc(zone, day, second)

    count = _parcel_counts(network, rng, orders)
    order = np.repeat(np.arange(orders), count)
    leader = np.repeat(np.cumsum(count) - count, count)
    n_parcels = len(order)
    alone = leader == np.arange(n_parcels)
    parcel_warehouse = warehouse[order]
    elsewhere = ~alone & (rng.random(n_parcels) >= SAME_WAREHOUSE)
    again = _choose_row(rng, network.warehouse_share[area[order]])
    parcel_warehouse = np.where(elsewhere, again, parcel_warehouse)
    carrier = _choose_row(rng, network.carrier_share[parcel_warehouse, day[order]])
    carrier = np.where(elsewhere, carrier, carrier[leader])
    own = carrier * len(network.config.services) + service[order]
    weight = np.round(rng.lognormal(0.6, 1.0, n_parcels) + 0.05, 2)
    weight[(rng.random(n_parcels) < 0.02) & (weight <= BULKY_KG)] = np.nan
    bulky = weight > BULKY_KG
    alike = (
        (parcel_warehouse == parcel_warehouse[leader])
        & (own == own[leader])
        & (bulky == bulky[leader])
    )
    shares = alike & (rng.random(n_parcels) < TRAVEL_TOGETHER)

    ranking = np.argsort(ordered[order], kind="stable")
    place = np.empty(n_parcels, dtype=np.int64)
    place[ranking] = np.arange(n_parcels)
    twin = np.where(shares, place[leader], place)
    return Parcels(
        order=order[ranking],
        ordered=ordered[order][ranking],
        postcode=postcode[order][ranking],
        warehouse=parcel_warehouse[ranking],
        own=own[ranking],
        weight=weight[ranking],
        twin=twin[ranking],
    )


def _order_days(network: Network, rng: np.random.Generator, first: int, last: int) -> Integers:
    days = np.arange(first, last)
    config = network.config
    weekday = (days + network.days.first.weekday()) % 7
    volume = WEEKDAY_VOLUME[weekday] * (1 + PEAK_VOLUME * network.pace.peak[first:last])
    extra = (np.arange(len(PARCELS_OF_SEVERAL)) + 1) @ PARCELS_OF_SEVERAL
    parcels_per_order = 1 + config.several_parcels_share * extra
    counts = rng.poisson(config.shipments_per_day / parcels_per_order * volume)
    return np.repeat(days, counts)


def _parcel_counts(network: Network, rng: np.random.Generator, orders: int) -> Integers:
    several = rng.random(orders) < network.config.several_parcels_share
    more = 1 + _choose(rng, np.cumsum(PARCELS_OF_SEVERAL), orders)
    return np.where(several, 1 + more, 1)


def _choose(rng: np.random.Generator, cumulative: Floats, count: int) -> Integers:
    """Numbers drawn with the given cumulative probabilities."""
    drawn = np.searchsorted(cumulative, rng.random(count), side="right")
    return np.minimum(drawn, len(cumulative) - 1)


def _choose_row(rng: np.random.Generator, probability: Floats) -> Integers:
    """One number for each row of probabilities."""
    cumulative = np.cumsum(probability, axis=1)
    drawn = (rng.random(len(probability))[:, None] >= cumulative).sum(axis=1)
    # Never one of probability 0: rounding may leave the last sum a little below 1.
    last = probability.shape[1] - 1 - np.argmax(probability[:, ::-1] > 0, axis=1)
    return np.asarray(np.minimum(drawn, last), dtype=np.int64)
