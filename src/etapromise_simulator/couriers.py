"""Carriers and the partners who take over in rural regions: weeks, speeds and habits.

A *courier* is whoever carries a stage: number `carrier * services + service` for a carrier's
service, and after those one number for each partner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from etapromise_simulator.config import (
    MAXIMUM_DAYS,
    CarrierCollapse,
    NetworkConfig,
    RegionalDisruption,
)
from etapromise_simulator.geography import distance_km
from etapromise_simulator.places import Places
from etapromise_simulator.vendors import CARRIER_VENDORS, PARTNER_VENDORS
from etapromise_simulator.workdays import Booleans, Days, Floats, Integers

PARTNERS_PER_COUNTRY = 2

MONDAY_TO_FRIDAY = (True,) * 5 + (False, False)
MONDAY_TO_SATURDAY = (True,) * 6 + (False,)
ALL_DAYS = (True,) * 7
TUESDAY_TO_SATURDAY = (False,) + (True,) * 5 + (False,)

# Working days of a leg: a constant, kilometres a day, working days for a border, relative spread.
LINEHAUL = {
    "economy": (2.4, 620.0, 1.0, 5.0),
    "ground": (1.6, 900.0, 0.8, 6.0),
    "express": (0.75, 3800.0, 0.2, 7.0),
}
SHARE = {"economy": 0.25, "ground": 0.5, "express": 0.25}


@dataclass(frozen=True, kw_only=True)
class Couriers:
    """Everybody who carries parcels; arrays are indexed by the thing that their name begins with.

    `linehaul[warehouse, hub, service of a carrier]` and `last_mile[courier, region]` are medians
    in working days, `success[courier, region, attempt]` probabilities, `hours[courier, region]`
    the distribution of the clock hour of an attempt, `share[warehouse, carrier]` of the orders.
    """

    names: tuple[str, ...]
    services: tuple[str, ...]
    week: tuple[tuple[bool, ...], ...]
    major_holidays_only: tuple[bool, ...]
    vendor: tuple[str, ...]
    region_partner: Integers
    carrier_hands_off: Booleans
    carrier_quotes: Booleans
    carrier_customs: Floats
    carrier_lost: Floats
    carrier_returned: Floats
    service_share: Floats
    share: Floats
    missed_pick_up: Floats
    linehaul: Floats
    linehaul_sharpness: Floats
    partner_leg: Floats
    last_mile: Floats
    success: Floats
    hours: Floats


def draw_couriers(config: NetworkConfig, places: Places) -> Couriers:
    """Draw the carriers and partners of a network."""
    rng = np.random.default_rng([config.seed, 0, 2])
    n_carriers, n_services = len(config.carriers), len(config.services)
    n_regions, n_countries = len(places.regions), len(places.countries)
    n_own, n_partners = n_carriers * n_services, PARTNERS_PER_COUNTRY * n_countries
    weeks, major_only = _weeks(config, rng)
    partner_weeks = [
        (MONDAY_TO_FRIDAY, TUESDAY_TO_SATURDAY, MONDAY_TO_SATURDAY)[number]
        for number in rng.integers(0, 3, n_partners)
    ]
    hands_off = np.zeros(n_carriers, dtype=np.bool_)
    hands_off[rng.permutation(n_carriers)[: -(-3 * n_carriers // 4)]] = True
    quotes = np.zeros(n_carriers, dtype=np.bool_)
    quotes[rng.permutation(n_carriers)[: -(-n_carriers // 2)]] = True
    first_vendor = int(rng.integers(len(CARRIER_VENDORS)))
    region_partner = places.region_country * PARTNERS_PER_COUNTRY + rng.integers(
        0, PARTNERS_PER_COUNTRY, n_regions
    )
    first_attempt = np.clip(
        rng.uniform(0.85, 0.95, (n_own + n_partners, 1)) + rng.normal(0, 0.02, n_regions),
        0.7,
        0.98,
    )
    service = np.tile(np.arange(n_services), n_carriers)
    express = np.array([name == "express" for name in config.services])[service]
    last_mile = rng.uniform(0.5, 0.9, (n_own + n_partners, 1)) * rng.uniform(0.8, 1.2, n_regions)
    last_mile[:n_own] *= np.where(express, 0.65, 1.0)[:, None]
    return Couriers(
        names=tuple(name for name in config.carriers for _ in config.services)
        + tuple(
            f"rural-{country.lower()}-{number + 1}"
            for country in places.countries
            for number in range(PARTNERS_PER_COUNTRY)
        ),
        services=config.services,
        week=(*weeks, *partner_weeks),
        major_holidays_only=(*major_only, *([False] * n_partners)),
        vendor=tuple(
            CARRIER_VENDORS[(first_vendor + number) % len(CARRIER_VENDORS)]
            for number in range(n_carriers)
            for _ in config.services
        )
        + tuple(PARTNER_VENDORS[number % len(PARTNER_VENDORS)] for number in range(n_partners)),
        region_partner=region_partner,
        carrier_hands_off=hands_off,
        carrier_quotes=quotes,
        carrier_customs=rng.uniform(0.5, 1.3, n_carriers),
        carrier_lost=config.lost_share * _around_one(n_carriers, rng),
        carrier_returned=config.returned_share * _around_one(n_carriers, rng),
        service_share=_shares(config),
        share=rng.dirichlet(np.full(n_carriers, 8.0), config.warehouses),
        missed_pick_up=rng.uniform(0.01, 0.05, n_carriers),
        linehaul=_linehaul(config, places, rng),
        linehaul_sharpness=np.array([LINEHAUL[name][3] for name in config.services])[service]
        * np.repeat(rng.uniform(0.8, 1.25, n_carriers), n_services),
        partner_leg=rng.uniform(1.2, 2.4, n_partners),
        last_mile=last_mile,
        success=np.stack([first_attempt, first_attempt - 0.08, first_attempt - 0.2], axis=-1),
        hours=_hours(n_own + n_partners, n_regions, rng),
    )


def _weeks(
    config: NetworkConfig, rng: np.random.Generator
) -> tuple[list[tuple[bool, ...]], list[bool]]:
    """Working weeks that differ by carrier; express may have a wider one than the rest."""
    widening = (MONDAY_TO_FRIDAY, MONDAY_TO_SATURDAY, ALL_DAYS)
    order = rng.permutation(3)
    weeks: list[tuple[bool, ...]] = []
    major_only: list[bool] = []
    for number in range(len(config.carriers)):
        width = int(order[number % 3])
        wider = int(rng.random() < 0.5)
        major = bool(rng.random() < 0.3)
        for name in config.services:
            own = min(width + (wider if name == "express" else 0), 2)
            weeks.append(widening[own])
            major_only.append(major or own == 2)
    return weeks, major_only


def _shares(config: NetworkConfig) -> Floats:
    shares = np.array([SHARE[name] for name in config.services])
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _around_one(count: int, rng: np.random.Generator) -> Floats:
    factors = rng.uniform(0.5, 1.5, count)
    return np.asarray(factors / factors.mean(), dtype=np.float64)


def _linehaul(config: NetworkConfig, places: Places, rng: np.random.Generator) -> Floats:
    """Median working days of a leg by warehouse, hub and service of a carrier."""
    distance = distance_km(
        places.warehouse_latitude[:, None],
        places.warehouse_longitude[:, None],
        places.hub_latitude,
        places.hub_longitude,
    )
    border = (
        places.region_country[places.warehouse_region][:, None]
        != places.region_country[places.hub_region]
    )
    median = np.stack(
        [
            constant + distance * 1.2 / speed + border * at_border
            for constant, speed, at_border, _ in (LINEHAUL[name] for name in config.services)
        ],
        axis=-1,
    )
    by_carrier = np.exp(rng.normal(0, 0.12, len(config.carriers)))
    carrier_median = median[:, :, None, :] * by_carrier[:, None]
    lane = np.exp(rng.normal(0, 0.10, carrier_median.shape))
    n_warehouses, n_hubs = distance.shape
    return np.asarray((carrier_median * lane).reshape(n_warehouses, n_hubs, -1))


def _hours(couriers: int, regions: int, rng: np.random.Generator) -> Floats:
    """P(hour of an attempt), shape `(couriers, regions, 24)`: a bell between 8:00 and 21:00."""
    middle = rng.uniform(10.5, 16.0, (couriers, 1)) + rng.normal(0, 0.8, regions)
    spread = rng.uniform(1.6, 3.2, (couriers, 1)) * np.ones(regions)
    hour = np.arange(24) + 0.5
    density = np.exp(-0.5 * ((hour - middle[..., None]) / spread[..., None]) ** 2) + 0.01
    density[..., (hour < 8) | (hour > 21)] = 0.0
    return np.asarray(density / density.sum(axis=-1, keepdims=True))


# How the network's speed changes with the date: drift, peak season, disruptions, collapses.
#
# Everything here is a known function of the date on which a stage starts, so the truth can be
# computed. A factor multiplies a median duration: above 1 is slower.

PEAK_ANCHORS = ((11, 8, 0.0), (11, 28, 0.9), (12, 15, 1.0), (12, 22, 0.8), (12, 31, 0.0))


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Factors by day; the last axis of every array is the day."""

    peak: Floats
    """Height of the peak season, 0 … `config.peak`, shape `(days,)`."""
    carrier: Floats
    """Linehaul of a carrier: drift, peak and collapses, shape `(carriers, days)`."""
    collapse: Floats
    """Collapses of a carrier alone, shape `(carriers, days)`."""
    region: Floats
    """Disruptions in a region, shape `(regions, days)`."""
    warehouse: Floats
    """Handling in a warehouse: drift, peak and the weekly backlog, shape `(warehouses, days)`."""
    lost: Floats
    """Extra probability that a carrier loses a parcel, shape `(carriers, days)`."""


def draw_pace(config: NetworkConfig, places: Places, days: Days) -> Pace:
    """Draw what changes with time, and add what is planted."""
    rng = np.random.default_rng([config.seed, 0, 3])
    peak = config.peak * _peak(days)
    years = (np.arange(days.count) - days.number(config.start)) / 365.25
    n_carriers = len(config.carriers)
    carrier = _drift(n_carriers, years, config.drift, rng)
    carrier *= 1 + rng.uniform(0.10, 0.30, n_carriers)[:, None] * peak
    warehouse = _drift(config.warehouses, years, config.drift, rng)
    warehouse *= 1 + rng.uniform(0.3, 0.8, config.warehouses)[:, None] * peak
    weekday = (np.arange(days.count) + days.first.weekday()) % 7
    backlog = rng.uniform(1.1, 1.4, config.warehouses)
    warehouse *= np.where(weekday == 0, backlog[:, None], 1.0)

    region = np.ones((len(places.regions), days.count))
    for number in range(len(places.regions)):
        for start, end, slowdown in _disruptions(config, rng):
            hit = days.mask(start, end)
            region[number, hit] = np.maximum(region[number, hit], slowdown)
    collapse = np.ones((n_carriers, days.count))
    lost = np.zeros((n_carriers, days.count))
    codes = [place.code for place in places.regions]
    for event in config.planted:
        if isinstance(event, CarrierCollapse):
            row = config.carriers.index(event.carrier)
            hit = days.mask(event.start, event.end)
            collapse[row, hit] *= event.slowdown
            lost[row, hit] = np.maximum(lost[row, hit], event.lost_share)
        elif isinstance(event, RegionalDisruption):
            region[codes.index(event.region), days.mask(event.start, event.end)] *= event.slowdown
    return Pace(
        peak=peak,
        carrier=carrier * collapse,
        collapse=collapse,
        region=region,
        warehouse=warehouse,
        lost=lost,
    )


def _peak(days: Days) -> Floats:
    """The season from early November to New Year, 0 … 1."""
    years = range(days.first.year, days.date(days.count - 1).year + 1)
    anchors = [(date(year, m, d), height) for year in years for m, d, height in PEAK_ANCHORS]
    return np.interp(
        np.arange(days.count),
        [days.number(when) for when, _ in anchors],
        [height for _, height in anchors],
    )


def _drift(count: int, years: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Slow change by 10 to 20 % a year in either direction, with a gentle wave on it."""
    slope = rng.uniform(0.10, 0.20, count) * rng.choice([-1.0, 1.0], count)
    phase = rng.random(count)
    # After three years of the steepest slope a median would be 1.8 times as long: still a network.
    wave = 0.25 * np.sin(2 * np.pi * (years + phase[:, None])) * np.abs(slope[:, None])
    wave -= 0.25 * np.sin(2 * np.pi * phase)[:, None] * np.abs(slope[:, None])
    return np.asarray(np.exp(strength * (slope[:, None] * years + wave)), dtype=np.float64)


def _disruptions(config: NetworkConfig, rng: np.random.Generator) -> list[tuple[date, date, float]]:
    """One to two weeks each; drawn for the longest simulation, so that `days` changes none."""
    number = rng.poisson(config.disruptions * MAXIMUM_DAYS / 365.25)
    starts = rng.integers(0, MAXIMUM_DAYS, number)
    lengths = rng.integers(7, 15, number)
    slowdowns = rng.uniform(1.35, 1.9, number)
    return [
        (
            config.start + timedelta(days=int(start)),
            config.start + timedelta(days=int(start + length)),
            float(slowdown),
        )
        for start, length, slowdown in zip(starts, lengths, slowdowns, strict=True)
    ]
