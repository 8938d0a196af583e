"""What is true of a simulated network and cannot be read in its tables."""

from __future__ import annotations

from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from etapromise.errors import ContractError
from etapromise_simulator.journey import Route, route_of
from etapromise_simulator.network import Network
from etapromise_simulator.orders import BULKY_KG, TRAVEL_TOGETHER
from etapromise_simulator.stages import Stages
from etapromise_simulator.truth import EVENTS, Event, Truth
from etapromise_simulator.workdays import DAY, Floats, Integers

ZONE_SHIFT = 1  # days by which the order's date in the warehouse and at the customer can differ
COLUMNS = ("ordered_at", "origin", "destination", "carrier", "service", "weight_kg")


class Oracle:
    """Answers what is true of a network; it keeps what it has computed."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stages = Stages(network)
        self._truths: dict[int, Truth] = {}

    def distribution(
        self, shipments: pd.DataFrame, event: Event = "delivered", horizon: int = 60
    ) -> Floats:
        """`P(event by the end of the destination-local date of the order + k)`.

        Args:
            shipments: Rows with `ordered_at` (zone-aware), `origin`, `destination`, `carrier`,
                `service` and `weight_kg`; a missing weight is not a bulky one.
            event: `delivered` or `first_attempt`.
            horizon: Number of days, k = 0 … horizon - 1.

        Returns:
            Shape `(shipments, horizon)`.

        Raises:
            ContractError: A row is not of this network, or an argument is out of range.
        """
        if event not in EVENTS:
            raise ContractError(f"The event is {event!r}; expected one of {', '.join(EVENTS)}.")
        if not 1 <= horizon <= 150:
            raise ContractError(f"The horizon is {horizon} days; it must be in 1 … 150.")
        route, ordered = self._route(shipments)
        width = horizon + 2 * ZONE_SHIFT
        truth = self._truths.setdefault(width, Truth(self._stages, width))
        table = truth.by_day(route, event)
        # Day k after the order's date at the customer is day k - shift after that in the warehouse.
        zone = self._network.places.region_zone[route.region]
        shift = route.day - self._network.clocks.local(zone, ordered) // DAY
        columns = np.arange(horizon) - shift[:, None]
        taken = np.take_along_axis(table, np.maximum(columns, 0), axis=1)
        return np.where(columns < 0, 0.0, taken)

    def order_distribution(
        self, shipments: pd.DataFrame, event: Event = "delivered", horizon: int = 60
    ) -> tuple[pd.Index[str], Floats]:
        """`P(every parcel of an order has its event by the end of day k)`.

        A further parcel that is like the first one of its order (same warehouse, carrier,
        service, bulkiness) shares its whole journey with probability `TRAVEL_TOGETHER`; all other
        parcels travel independently. So with `F` the first one's distribution, and `m` parcels
        like it, those are all there with probability `F · (r + (1 - r) F) ** m`,
        r = `TRAVEL_TOGETHER`.

        Args:
            shipments: As for `distribution`, with `order_id`; all parcels of the orders, the
                first one of each before the others, as in the shipments table.
            event: `delivered` or `first_attempt`.
            horizon: Number of days, counted from the destination-local date of the order.

        Returns:
            The orders as they first appear, and an array of shape `(orders, horizon)`.

        Raises:
            ContractError: As for `distribution`.
        """
        if "order_id" not in shipments.columns:
            raise ContractError("The shipments lack order_id; the joint truth is one of orders.")
        single = self.distribution(shipments, event, horizon)
        order, names = pd.factorize(shipments["order_id"].astype(object))
        if (order < 0).any():
            raise ContractError("A shipment has no order_id; the joint truth is one of orders.")
        first = np.unique(order, return_index=True)[1][order]
        alike = (shipments["weight_kg"].to_numpy(dtype=np.float64) > BULKY_KG) == (
            shipments["weight_kg"].to_numpy(dtype=np.float64)[first] > BULKY_KG
        )
        for name in ("origin", "carrier", "service"):
            values = shipments[name].to_numpy(dtype=object)
            alike &= values == values[first]
        is_first = first == np.arange(len(order))
        factor = np.where(
            (alike & ~is_first)[:, None],
            TRAVEL_TOGETHER + (1 - TRAVEL_TOGETHER) * single,
            single,
        )
        joint = np.ones((len(names), horizon))
        np.multiply.at(joint, order, factor)
        return pd.Index(names), joint

    def working_week(self, carrier: str, service: str | None = None) -> tuple[bool, ...]:
        """Working days, Monday first, of a carrier's service or of a partner (no service).

        Raises:
            ContractError: There is no such carrier or service.
        """
        return self._network.couriers.week[self._courier(carrier, service)]

    def closed_days(self, carrier: str, service: str | None, country: str) -> tuple[date, ...]:
        """Holidays on which a courier rests in a country although its week says it works.

        Raises:
            ContractError: There is no such carrier, service or country.
        """
        network = self._network
        row = network.courier_calendar(
            self._courier(carrier, service),
            _number(network.places.countries, country, "country"),
        )
        week = np.array(self.working_week(carrier, service))
        days = np.arange(network.days.count)
        usual = week[(days + network.days.first.weekday()) % 7]
        rests = usual & ~network.calendars.working[int(row)]
        return tuple(network.days.date(int(day)) for day in np.flatnonzero(rests))

    def cut_off(self, origin: str, service: str) -> int:
        """Second of the warehouse's local day; an order at it or later waits for the next day.

        Raises:
            ContractError: There is no such warehouse or service.
        """
        warehouse = _number(self._network.places.warehouse_postcode, origin, "origin")
        number = _number(self._network.config.services, service, "service")
        return int(self._network.cut_off[warehouse, number])

    def hours(self, carrier: str, service: str | None, region: str) -> Floats:
        """`P(local clock hour of an attempt)` of a courier in a region, shape `(24,)`.

        Raises:
            ContractError: There is no such carrier, service or region.
        """
        codes = tuple(place.code for place in self._network.places.regions)
        courier = self._courier(carrier, service)
        hours = self._network.couriers.hours[courier, _number(codes, region, "region")]
        return np.array(hours, dtype=np.float64)

    @cached_property
    def _postcodes(self) -> pd.Index:
        return pd.Index(self._network.places.postcode)

    def _courier(self, carrier: str, service: str | None) -> int:
        network = self._network
        if service is None and carrier not in network.config.carriers:
            partners = network.couriers.names[network.n_own :]
            return network.n_own + _number(partners, carrier, "carrier or partner")
        number = _number(network.config.carriers, carrier, "carrier")
        services = network.config.services
        if service is None:
            raise ContractError(
                f"The carrier {carrier!r} works differently by service; name one of {services}."
            )
        return number * len(services) + _number(services, service, "service")

    def _route(self, shipments: pd.DataFrame) -> tuple[Route, Integers]:
        missing = [name for name in COLUMNS if name not in shipments.columns]
        if missing:
            raise ContractError(f"The shipments lack {missing}; the truth depends on {COLUMNS}.")
        network, config = self._network, self._network.config
        times = pd.DatetimeIndex(shipments["ordered_at"])
        if times.tz is None:
            raise ContractError("ordered_at has no time zone; give zone-aware times.")
        since = times - pd.Timestamp(network.days.first, tz="UTC")
        ordered = (since // pd.Timedelta(seconds=1)).to_numpy().astype(np.int64)
        last = (network.days.count - 150) * DAY
        if len(ordered) and not DAY <= ordered.min() <= ordered.max() < last:
            raise ContractError(
                f"Orders from {times.min()} to {times.max()} are out of this network's time, "
                f"{network.days.date(1)} … {network.days.date(last // DAY - 1)}."
            )
        service = _numbers(config.services, shipments["service"], "service")
        carrier = _numbers(config.carriers, shipments["carrier"], "carrier")
        return (
            route_of(
                self._stages,
                ordered=ordered,
                postcode=_numbers(self._postcodes, shipments["destination"], "destination"),
                warehouse=_numbers(
                    network.places.warehouse_postcode, shipments["origin"], "origin"
                ),
                own=carrier * len(config.services) + service,
                bulky=shipments["weight_kg"].to_numpy(dtype=np.float64) > BULKY_KG,
            ),
            ordered,
        )


def _number(names: tuple[str, ...], name: str, kind: str) -> int:
    return int(_numbers(names, [name], kind)[0])


def _numbers(names: ArrayLike | pd.Index, values: ArrayLike | pd.Series, kind: str) -> Integers:
    index = names if isinstance(names, pd.Index) else pd.Index(np.asarray(names, dtype=object))
    numbers = index.get_indexer(pd.Index(np.asarray(values, dtype=object)))
    if (numbers < 0).any():
        unknown = np.asarray(values, dtype=object)[numbers < 0][0]
        raise ContractError(
            f"The {kind} {unknown!r} is not in this network; it has "
            f"{', '.join(map(str, index[:8]))}{' …' if len(index) > 8 else ''}."
        )
    return np.asarray(numbers, dtype=np.int64)
