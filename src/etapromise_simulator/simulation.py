"""Simulating a parcel network: its tables, and the truth behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.errors import ContractError
from etapromise_simulator.config import NetworkConfig
from etapromise_simulator.feed import Facilities, Feed, microseconds, record, texts
from etapromise_simulator.journey import NOT, Journeys, Moments, Route, draw_journeys, draw_moments
from etapromise_simulator.network import DAYS_BEFORE, Network
from etapromise_simulator.oracle import Event, Oracle
from etapromise_simulator.orders import Parcels, draw_parcels
from etapromise_simulator.places import METRO
from etapromise_simulator.stages import Stages
from etapromise_simulator.workdays import DAY, Booleans, Floats, Integers

BLOCK_DAYS = 7
FATES = ("delivered", "returned", "lost")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One week of orders and everything that happens to them until the extract ends.

    `shipments` and `scans` follow the data contract. `outcomes` is what really happened, whether
    or not the extract shows it: `shipment_id`, `picked_up_at`, `first_attempt_at`,
    `delivered_at` (UTC; null if it never comes) and `fate` (`delivered`, `returned`, `lost`).
    """

    shipments: pa.Table
    scans: pa.Table
    outcomes: pa.Table


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A simulated extract and its truth.

    Attributes:
        config: What was asked for.
        network: The network that the seed stands for.
        shipments: Contract table, by time of order within a week.
        scans: Contract table in vendors' codes, by time of receipt within a week of orders.
        outcomes: What really happened; see `Block`. Not for training.
    """

    config: NetworkConfig
    network: Network
    shipments: pd.DataFrame
    scans: pd.DataFrame
    outcomes: pd.DataFrame

    @cached_property
    def oracle(self) -> Oracle:
        """Everything that is true of the network and that the tables do not say."""
        return Oracle(self.network)

    def true_distribution(
        self,
        shipments: pd.DataFrame | Sequence[str],
        event: Event = "delivered",
        horizon: int = 60,
    ) -> Floats:
        """`P(event by the end of the local date of the order + k)`, k = 0 … horizon - 1.

        Args:
            shipments: Rows of the contract (any orders in this network, also imagined ones: the
                same order with another carrier), or ids of this simulation's shipments.
            event: `delivered`, or `first_attempt` (a first attempt, successful or not).
            horizon: Number of days.

        Returns:
            Shape `(shipments, horizon)`. All dates are local to the destination. The last column
            falls short of 1 by the probability that the parcel is lost or returned (and of what
            comes after the horizon).

        Raises:
            ContractError: A shipment is unknown, or none of this network.
        """
        if isinstance(shipments, pd.DataFrame):
            frame = shipments
        else:
            place = pd.Index(self.shipments["shipment_id"]).get_indexer(pd.Index(shipments))
            if (place < 0).any():
                unknown = np.asarray(shipments)[place < 0][0]
                raise ContractError(
                    f"Shipment {unknown!r} is not in this simulation; "
                    "give ids out of Simulation.shipments, or rows of the contract."
                )
            frame = self.shipments.iloc[place]
        return self.oracle.distribution(frame, event, horizon)


def simulate(config: NetworkConfig) -> Simulation:
    """Simulate a network and take the extract.

    Memory grows with the number of shipments (some 4 kB each); `simulate_in_blocks` needs that of
    one week.
    """
    network = Network(config)
    blocks = list(simulate_in_blocks(config, network))
    return Simulation(
        config=config,
        network=network,
        shipments=_frame([block.shipments for block in blocks]),
        scans=_frame([block.scans for block in blocks]),
        outcomes=_frame([block.outcomes for block in blocks]),
    )


def simulate_in_blocks(config: NetworkConfig, network: Network | None = None) -> Iterator[Block]:
    """The same rows as `simulate`, one week of orders at a time, as Arrow tables.

    Args:
        config: What to simulate.
        network: The network of that configuration, where the caller has it already.
    """
    network = Network(config) if network is None else network
    stages, facilities = Stages(network), Facilities(network)
    feed = Feed(network, facilities)
    end = DAYS_BEFORE + config.days
    extract_ends = feed.extract_second
    for number, first in enumerate(range(DAYS_BEFORE, end, BLOCK_DAYS)):
        if first * DAY > extract_ends + DAY:
            break
        # A whole week is drawn even if less is wanted: a longer simulation then begins alike.
        rng = np.random.default_rng([config.seed, 1, number])
        parcels = draw_parcels(network, rng, first, first + BLOCK_DAYS)
        journeys = draw_journeys(stages, parcels, rng)
        moments = draw_moments(network, parcels, journeys, rng)
        wanted = (journeys.route.day < end) & (parcels.ordered <= extract_ends)
        table = shipments_table(network, parcels, journeys.route, f"{number:03d}")
        area = network.places.postcode_area[parcels.postcode]
        recorded = record(network, facilities, area, journeys, moments, rng)
        ids = table["shipment_id"].combine_chunks()
        yield Block(
            shipments=table.filter(pa.array(wanted)),
            scans=feed.table(recorded, ids, wanted, rng),
            outcomes=_outcomes(network, ids, journeys, moments).filter(pa.array(wanted)),
        )


def _outcomes(network: Network, ids: pa.Array, journeys: Journeys, moments: Moments) -> pa.Table:
    fate = np.where(journeys.lost, 2, np.where(moments.delivered == NOT, 1, 0))
    return pa.table(
        {
            "shipment_id": ids,
            "picked_up_at": microseconds(network, moments.picked_up),
            "first_attempt_at": _moment(network, moments.attempt[:, 0]),
            "delivered_at": _moment(network, moments.delivered),
            "fate": texts(FATES, fate),
        }
    )


def _moment(network: Network, second: Integers) -> pa.Array:
    missing: Booleans = second == NOT
    times = microseconds(network, np.where(missing, 0, second))
    return pa.compute.if_else(pa.array(missing), pa.scalar(None, times.type), times)


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(date_as_object=False)
    for name in frame.columns[frame.columns.isin(["promised_date", "quoted_date"])]:
        frame[name] = frame[name].astype("datetime64[us]")
    return frame


# The shipments table: what a shop knows about its parcels when they are ordered.

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
