"""What is true of a simulated network and cannot be read in its tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property, lru_cache
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from etapromise.errors import ContractError
from etapromise_simulator.journey import Route, route_of
from etapromise_simulator.network import Network
from etapromise_simulator.orders import BULKY_KG, TRAVEL_TOGETHER
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
from etapromise_simulator.workdays import DAY, Floats, Integers

# The true distribution of a parcel's date, by exact convolution over days.
#
# A journey is a Markov chain on days: each stage starts on a day and ends some days later, with
# probabilities that depend on nothing but the stage and that day. So a stage is a matrix
# `kernel[start, offset]`, stages in a row are convolved, and a parcel's distribution is one row of
# the product. Mass that a stage loses (lost, returned) is missing from its kernel.
#
# Cutting off at a horizon is exact for every day before it, because stages only move forward.

Event = Literal["delivered", "first_attempt"]

EVENTS: Final = ("delivered", "first_attempt")
HEAD_DAYS = 24  # handling and pick-up: six working days over any holidays
BLOCK = 4096  # parcels convolved at once


class Truth:
    """Exact distributions of the parcels of a network.

    What comes before the pick-up and after the linehaul is the same for many parcels and kept as
    kernels; the linehaul, which differs by lane, is convolved parcel by parcel.

    Args:
        stages: The law of the network.
        horizon: Number of days that are told apart.
    """

    def __init__(self, stages: Stages, horizon: int) -> None:
        self.horizon = horizon
        self._stages = stages
        self._network: Network = stages.network
        self._day = np.arange(self._network.days.count)
        self._head = lru_cache(maxsize=None)(self._head_kernel)
        self._tail = lru_cache(maxsize=None)(self._tail_kernel)

    def by_day(self, route: Route, event: Event) -> Floats:
        """`P(event within k days after the order's local date in the warehouse)`.

        Args:
            route: The routes of the parcels.
            event: `delivered`, or `first_attempt` (a first attempt, successful or not).

        Returns:
            Shape `(parcels, horizon)`, k = 0 … horizon - 1, not decreasing.
        """
        if not len(route.day):
            return np.zeros((0, self.horizon))
        columns = (route.own, route.path, route.hub, route.warehouse)
        keys, inverse = np.unique(
            np.column_stack([*columns, route.late, route.bulky, route.day]),
            axis=0,
            return_inverse=True,
        )
        blocks = [
            self._block(*keys[start : start + BLOCK].T, event=event)
            for start in range(0, len(keys), BLOCK)
        ]
        table = np.minimum(np.cumsum(np.concatenate(blocks), axis=1), 1.0)
        return np.asarray(table[inverse.reshape(-1)], dtype=np.float64)

    def _block(
        self,
        own: Integers,
        path: Integers,
        hub: Integers,
        warehouse: Integers,
        late: Integers,
        bulky: Integers,
        day: Integers,
        *,
        event: Event,
    ) -> Floats:
        """`P(event on day + k)`, shape `(parcels, horizon)`."""
        stages, network = self._stages, self._network
        places = network.places
        mass = np.zeros((len(day), HEAD_DAYS))
        for rows, (w, o, lat, b) in _groups(warehouse, own, late, bulky):
            mass[rows] = self._head(w, o, lat, b)[day[rows]]

        # Pick-up → arrival in the hub.
        row, offset = np.nonzero(mass)
        start = day[row] + offset
        courier = own[row]
        origin = places.region_country[places.warehouse_region[warehouse]]
        pmf = LINEHAUL.pmf(
            stages.linehaul(warehouse[row], hub[row], courier, start),
            stages.linehaul_sharpness(courier),
        )
        kept = mass[row, offset] * (1 - stages.lost(courier, start))
        collecting = network.courier_calendar(courier, origin[row])
        lengths = LINEHAUL.first + np.arange(LINEHAUL.size)
        arrival = network.calendars.add(collecting[:, None], start[:, None], lengths)
        mass = self._spread(row, arrival - day[row, None], pmf * kept[:, None], len(day))

        # Across the border.
        region = places.hub_region[hub]
        country = places.region_country[region]
        abroad = np.flatnonzero(country != origin)
        row, offset = np.nonzero(mass[abroad])
        start = day[abroad[row]] + offset
        pmf = CUSTOMS.pmf(stages.customs(own[abroad[row]], start))
        cleared = network.calendars.add(
            network.customs_calendar(country[abroad[row]])[:, None],
            start[:, None],
            CUSTOMS.first + np.arange(CUSTOMS.size),
        )
        mass[abroad] = self._spread(
            row,
            cleared - day[abroad[row], None],
            pmf * mass[abroad[row], offset, None],
            len(abroad),
        )

        # Hub → event.
        result = np.zeros((len(day), self.horizon))
        for rows, (o, r, p) in _groups(own, region, path):
            onward = self._tail(o, r, p, event)
            for days in np.flatnonzero(mass[rows].any(axis=0)):
                since = np.minimum(day[rows] + days, self._day[-1])
                result[rows, days:] += mass[rows, days, None] * onward[since, : self.horizon - days]
        return result

    def _spread(self, row: Integers, offset: Integers, mass: Floats, rows: int) -> Floats:
        """Sum mass of shape `(n, values)` on `(row[n], offset[n, value])` before the horizon."""
        inside = offset < self.horizon
        cell = row[:, None] * self.horizon + offset
        total = np.bincount(cell[inside], mass[inside], minlength=rows * self.horizon)
        return np.asarray(total.reshape(rows, self.horizon), dtype=np.float64)

    def _head_kernel(self, warehouse: int, own: int, late: int, bulky: int) -> Floats:
        """Local date of the order → pick-up."""
        network, day = self._network, self._day
        packing = network.warehouse_calendar(warehouse)
        started = network.calendars.add(packing, np.minimum(day + late, day[-1]))
        begin = np.minimum(started, day[-1])
        lengths = HANDLING.first + np.arange(HANDLING.size)
        ready = self._kernel(
            HANDLING.pmf(self._stages.handling(warehouse, bulky, begin)),
            network.calendars.add(packing, begin[:, None], lengths),
            HEAD_DAYS,
        )
        origin = network.places.region_country[network.places.warehouse_region[warehouse]]
        collecting = network.courier_calendar(own, origin)
        missed = float(self._stages.missed_pick_up(own))
        pick_up = self._kernel(
            np.broadcast_to([1 - missed, missed], (len(day), 2)),
            network.calendars.add(collecting, day[:, None], np.arange(2)),
            HEAD_DAYS,
        )
        return _convolve(ready, pick_up)

    def _tail_kernel(self, own: int, region: int, path: int, event: Event) -> Floats:
        """Arrival in (or clearance at) the hub → event."""
        network, stages, day = self._network, self._stages, self._day
        country = network.places.region_country[region]
        courier = int(network.partner_courier(region)) if path == BY_PARTNER else own
        calendar = network.courier_calendar(courier, country)
        waiting = self._kernel(
            LAST_MILE.pmf(stages.last_mile(courier, region, day)),
            network.calendars.add(
                calendar, day[:, None], LAST_MILE.first + np.arange(LAST_MILE.size)
            ),
        )
        waiting = waiting * (1 - float(stages.bad_address(own)))
        if event == "delivered":
            waiting = _convolve(waiting, self._attempts(own, courier, region))
        if path == DIRECT:
            return waiting
        return _convolve(self._local(courier, region, path), waiting)

    def _local(self, courier: int, region: int, path: int) -> Floats:
        """Hub → depot, with the carrier or with the partner."""
        network, day = self._network, self._day
        calendar = network.courier_calendar(courier, network.places.region_country[region])
        if path == BY_PARTNER:
            stage = PARTNER
            taken = np.minimum(network.calendars.add(calendar, day), day[-1])
            median = self._stages.partner(region, taken)
        else:
            stage = LOCAL
            median = self._stages.local(path, region, day)
        lengths = stage.first + np.arange(stage.size)
        return self._kernel(
            stage.pmf(median), network.calendars.add(calendar, day[:, None], lengths)
        )

    def _attempts(self, own: int, courier: int, region: int) -> Floats:
        """First attempt → delivered."""
        network, day = self._network, self._day
        calendar = network.courier_calendar(courier, network.places.region_country[region])
        fetched = 1 - float(self._stages.uncollected(own))
        kernel = self._kernel(
            COLLECTION.pmf(np.full(len(day), COLLECTION_MEDIAN)) * fetched,
            network.calendars.add(
                calendar, day[:, None], COLLECTION.first + np.arange(COLLECTION.size)
            ),
        )
        again = self._kernel(
            RETRY.pmf(np.full(len(day), RETRY_MEDIAN)),
            network.calendars.add(calendar, day[:, None], RETRY.first + np.arange(RETRY.size)),
        )
        for attempt in (2, 1, 0):
            succeeds = self._stages.success(courier, region, attempt, day)
            # `kernel` is what follows a failure of this attempt.
            kernel = kernel * (1 - succeeds)[:, None]
            kernel[:, 0] += succeeds
            if attempt:
                kernel = _convolve(again, kernel)
        return kernel * (1 - float(self._stages.refused(own)))

    def _kernel(self, mass: Floats, day: Integers, width: int | None = None) -> Floats:
        """Mass on absolute days, both of shape `(days, values)`, as `kernel[start, offset]`."""
        width = width or self.horizon
        kernel = np.zeros((len(self._day), width))
        offset = day - self._day[:, None]
        row, value = np.nonzero(offset < width)
        # Not `kernel[...] = mass`: two values may fall on one day.
        np.add.at(kernel, (row, offset[row, value]), mass[row, value])
        return kernel


def _convolve(first: Floats, second: Floats) -> Floats:
    """One kernel after another: `out[d, o] = Σ_j first[d, j] · second[d + j, o - j]`."""
    days, width = first.shape
    result = np.zeros_like(first)
    for offset in np.flatnonzero(first.any(axis=0)):
        until = days - int(offset)
        moved = second[offset:, : width - offset]
        result[:until, offset:] += first[:until, offset, None] * moved
    return result


def _groups(*columns: Integers) -> Iterator[tuple[Integers, tuple[int, ...]]]:
    """The rows of every distinct combination of values."""
    table = np.column_stack(columns)
    order = np.lexsort(table.T)
    changes = np.any(np.diff(table[order], axis=0), axis=1)
    for rows in np.split(order, np.flatnonzero(changes) + 1):
        if len(rows):
            yield rows, tuple(int(value) for value in table[rows[0]])


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
