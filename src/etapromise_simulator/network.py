"""The network that a seed stands for: map, couriers, calendars, cut-offs and pace together."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from etapromise_simulator.config import CarrierStart, NetworkConfig
from etapromise_simulator.couriers import (
    ALL_DAYS,
    MONDAY_TO_FRIDAY,
    MONDAY_TO_SATURDAY,
    Couriers,
    Pace,
    draw_couriers,
    draw_pace,
)
from etapromise_simulator.geography import distance_km
from etapromise_simulator.places import Places, draw_places
from etapromise_simulator.workdays import (
    CalendarBank,
    Clocks,
    Days,
    Floats,
    Integers,
    Numbers,
)

DAYS_BEFORE = 7
DAYS_AFTER = 200  # longer than any journey with its return, and a few weeks of orders after the end
QUARTER_HOUR = 900


class Network:
    """Everything about a simulated network that does not differ from parcel to parcel.

    Attributes:
        config: The configuration it was drawn from.
        days: The dates it knows: from a week before the first order to 200 days after the last.
        places: Regions, hubs, areas, warehouses.
        couriers: Carriers and partners.
        pace: Drift, peak and disruptions by day.
        calendars: Working days of everybody; see `courier_calendar` and its likes for the row.
        clocks: Local time in `places.zones`.
        handling: Median handling in working days, shape `(warehouses,)`.
        cut_off: Second of the local day, shape `(warehouses, services)`; an order at that second
            is after the cut-off.
        carrier_share: `P(carrier)`, shape `(warehouses, days, carriers)`.
        warehouse_share: `P(warehouse)`, shape `(areas, warehouses)`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.days = Days(
            config.start - timedelta(days=DAYS_BEFORE), config.days + DAYS_BEFORE + DAYS_AFTER
        )
        self.places: Places = draw_places(config)
        self.couriers: Couriers = draw_couriers(config, self.places)
        self.pace: Pace = draw_pace(config, self.places, self.days)
        self.clocks = Clocks(self.days, self.places.zones)
        rng = np.random.default_rng([config.seed, 0, 4])
        n_warehouses, n_services = config.warehouses, len(config.services)
        self.handling: Floats = rng.uniform(0.35, 1.3, n_warehouses)
        quarters = rng.integers(11 * 4, 16 * 4 + 1, n_warehouses)
        later = np.array([4 if name == "express" else 0 for name in config.services])
        self.cut_off: Integers = (quarters[:, None] + later) * QUARTER_HOUR
        self.warehouse_week = [
            (MONDAY_TO_FRIDAY, MONDAY_TO_SATURDAY, ALL_DAYS)[number]
            for number in rng.choice(3, n_warehouses, p=[0.5, 0.35, 0.15])
        ]
        self.calendars = self._calendars()
        self.carrier_share = self._carrier_share()
        self.warehouse_share = self._warehouse_share()
        self.n_own = len(config.carriers) * n_services

    def courier_calendar(self, courier: Numbers, country: Numbers) -> Integers:
        """Row of `calendars` for a courier in a country."""
        rows = np.asarray(courier) * len(self.places.countries) + np.asarray(country)
        return np.asarray(rows, dtype=np.int64)

    def warehouse_calendar(self, warehouse: Numbers) -> Integers:
        """Row of `calendars` for a warehouse."""
        first = len(self.couriers.names) * len(self.places.countries)
        return np.asarray(first + np.asarray(warehouse), dtype=np.int64)

    def customs_calendar(self, country: Numbers) -> Integers:
        """Row of `calendars` for the customs of a country."""
        first = len(self.couriers.names) * len(self.places.countries) + len(self.handling)
        return np.asarray(first + np.asarray(country), dtype=np.int64)

    def partner_courier(self, region: Numbers) -> Integers:
        """Courier number of the partner who serves the rural areas of a region."""
        return np.asarray(self.n_own + self.couriers.region_partner[region], dtype=np.int64)

    def _calendars(self) -> CalendarBank:
        places, couriers, days = self.places, self.couriers, self.days
        public = [days.holidays(country) for country in places.countries]
        major = [days.holidays(country, major_only=True) for country in places.countries]
        rows = [
            days.working(week, (major if major_only else public)[country])
            for week, major_only in zip(couriers.week, couriers.major_holidays_only, strict=True)
            for country in range(len(places.countries))
        ]
        rows += [
            days.working(week, public[places.region_country[region]])
            for week, region in zip(self.warehouse_week, places.warehouse_region, strict=True)
        ]
        rows += [days.working(MONDAY_TO_FRIDAY, closed) for closed in public]
        return CalendarBank(np.stack(rows))

    def _carrier_share(self) -> Floats:
        numbers = np.arange(self.days.count)
        there = np.ones((self.days.count, len(self.config.carriers)), dtype=np.bool_)
        for event in self.config.planted:
            if isinstance(event, CarrierStart):
                row = self.config.carriers.index(event.carrier)
                there[numbers < self.days.number(event.start), row] = False
        # Before the first order nobody has started; the first day's carriers stand in.
        there[numbers < DAYS_BEFORE] = there[DAYS_BEFORE]
        share = self.couriers.share[:, None, :] * there
        return np.asarray(share / share.sum(axis=-1, keepdims=True), dtype=np.float64)

    def _warehouse_share(self) -> Floats:
        """Near warehouses are preferred; one in ten orders of equal distance crosses a border."""
        places = self.places
        distance = distance_km(
            places.hub_latitude[places.area_hub][:, None],
            places.hub_longitude[places.area_hub][:, None],
            places.warehouse_latitude,
            places.warehouse_longitude,
        )
        area_country = places.region_country[places.hub_region[places.area_hub]]
        warehouse_country = places.region_country[places.warehouse_region]
        pull = np.exp(-distance / 1500.0)
        pull *= np.where(area_country[:, None] == warehouse_country, 1.0, 0.1)
        return np.asarray(pull / pull.sum(axis=1, keepdims=True), dtype=np.float64)
