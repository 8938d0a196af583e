"""Regions, hubs, postcode areas and warehouses of a simulated network, drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etapromise_simulator.config import NetworkConfig
from etapromise_simulator.geography import REGIONS, Region
from etapromise_simulator.workdays import Floats, Integers

METRO, OUTLYING, RURAL = 0, 1, 2

HUBS_PER_REGION = 2
POSTCODES_PER_AREA = 12
CANADIAN_LETTERS = np.array(list("ABCEGHJKLMNPRSTVXY"))


@dataclass(frozen=True, kw_only=True)
class Places:
    """The map: every array is indexed by the thing that its name begins with.

    `area_kind` is `METRO` (served from the hub), `OUTLYING` (from a depot) or `RURAL`.
    `warehouse_pull[area, warehouse]` is the probability that an order from the area is packed in
    the warehouse.
    """

    regions: tuple[Region, ...]
    countries: tuple[str, ...]
    zones: tuple[str, ...]
    region_country: Integers
    region_zone: Integers
    hub_region: Integers
    hub_latitude: Floats
    hub_longitude: Floats
    hub_name: tuple[str, ...]
    area_prefix: tuple[str, ...]
    area_hub: Integers
    area_kind: Integers
    area_weight: Floats
    postcode: tuple[str, ...]
    postcode_area: Integers
    postcode_latitude: Floats
    postcode_longitude: Floats
    warehouse_name: tuple[str, ...]
    warehouse_postcode: tuple[str, ...]
    warehouse_region: Integers
    warehouse_latitude: Floats
    warehouse_longitude: Floats


def draw_places(config: NetworkConfig) -> Places:
    """Draw the map of a network."""
    rng = np.random.default_rng([config.seed, 0, 1])
    regions = tuple(r for r in REGIONS if r.code in config.region_codes)
    zones = tuple(sorted({region.zone for region in regions}))
    n_regions, n_areas = len(regions), config.areas_per_region
    centre = np.array([(r.latitude, r.longitude) for r in regions])

    hub_region = np.repeat(np.arange(n_regions), HUBS_PER_REGION)
    hub_place = centre[hub_region] + rng.normal(0, 0.8, (len(hub_region), 2))

    prefixes = [_prefixes(region, n_areas, rng) for region in regions]
    weight = np.empty((n_regions, n_areas))
    kind = np.empty((n_regions, n_areas), dtype=np.int64)
    for number, region in enumerate(regions):
        shares = rng.dirichlet(np.linspace(6, 1, n_areas))
        weight[number] = region.weight * shares
        kind[number] = _kinds(shares, config.rural_share)
    area_hub = np.repeat(np.arange(n_regions) * HUBS_PER_REGION, n_areas)
    area_hub += rng.integers(0, HUBS_PER_REGION, len(area_hub))
    spread = np.array([0.3, 0.8, 1.6])[kind.ravel()][:, None]
    area_place = hub_place[area_hub] + rng.normal(0, 1, (len(area_hub), 2)) * spread

    area_prefix = tuple(prefix for of_region in prefixes for prefix in of_region)
    postcode_area = np.repeat(np.arange(len(area_prefix)), POSTCODES_PER_AREA)
    postcode_place = area_place[postcode_area] + rng.normal(0, 0.05, (len(postcode_area), 2))
    postcodes = tuple(code for prefix in area_prefix for code in _postcodes(prefix, rng))

    warehouse_region = _warehouse_regions(config, regions, rng)
    first_area = np.argmax(weight, axis=1)[warehouse_region] + warehouse_region * n_areas
    warehouse_place = area_place[first_area] + rng.normal(0, 0.1, (config.warehouses, 2))
    return Places(
        regions=regions,
        countries=config.countries,
        zones=zones,
        region_country=np.array([config.countries.index(r.country) for r in regions]),
        region_zone=np.array([zones.index(r.zone) for r in regions]),
        hub_region=hub_region,
        hub_latitude=hub_place[:, 0],
        hub_longitude=hub_place[:, 1],
        hub_name=tuple(
            f"{regions[region].code} HUB {number % HUBS_PER_REGION + 1}"
            for number, region in enumerate(hub_region)
        ),
        area_prefix=area_prefix,
        area_hub=area_hub,
        area_kind=kind.ravel(),
        area_weight=weight.ravel() / weight.sum(),
        postcode=postcodes,
        postcode_area=postcode_area,
        postcode_latitude=np.round(postcode_place[:, 0], 3),
        postcode_longitude=np.round(postcode_place[:, 1], 3),
        warehouse_name=tuple(
            f"{regions[region].code} WAREHOUSE {number + 1}"
            for number, region in enumerate(warehouse_region)
        ),
        warehouse_postcode=tuple(
            _warehouse_postcode(area_prefix[area], number) for number, area in enumerate(first_area)
        ),
        warehouse_region=warehouse_region,
        warehouse_latitude=np.round(warehouse_place[:, 0], 3),
        warehouse_longitude=np.round(warehouse_place[:, 1], 3),
    )


def _prefixes(region: Region, count: int, rng: np.random.Generator) -> list[str]:
    """Distinct three-character postcode prefixes of a region."""
    if isinstance(region.prefixes, str):
        pairs = rng.choice(10 * len(CANADIAN_LETTERS), count, replace=False)
        return [f"{region.prefixes}{pair % 10}{CANADIAN_LETTERS[pair // 10]}" for pair in pairs]
    low, high = region.prefixes
    return [str(low + offset) for offset in rng.choice(high - low + 1, count, replace=False)]


def _postcodes(prefix: str, rng: np.random.Generator) -> list[str]:
    """Distinct full postcodes with a prefix; those that end with 9x are kept for warehouses."""
    if prefix[0].isdigit():
        numbers = rng.choice(90, POSTCODES_PER_AREA, replace=False)
        return [f"{prefix}{number:02d}" for number in numbers]
    numbers = rng.choice(90 * len(CANADIAN_LETTERS), POSTCODES_PER_AREA, replace=False)
    return [f"{prefix} {n % 9}{CANADIAN_LETTERS[n // 90]}{n // 9 % 10}" for n in numbers]


def _warehouse_postcode(prefix: str, number: int) -> str:
    if prefix[0].isdigit():
        return f"{prefix}{90 + number % 10}"
    return f"{prefix} 9{CANADIAN_LETTERS[number % len(CANADIAN_LETTERS)]}{number // 18}"


def _kinds(shares: Floats, rural_share: float) -> Integers:
    """The smallest areas are rural, together about `rural_share`; a quarter is outlying."""
    order = np.argsort(shares)
    below = np.cumsum(shares[order]) - shares[order] / 2
    kinds = np.empty(len(shares), dtype=np.int64)
    kinds[order] = np.where(below < rural_share, RURAL, np.where(below < 0.5, OUTLYING, METRO))
    kinds[order[-1]] = METRO
    return kinds


def _warehouse_regions(
    config: NetworkConfig, regions: tuple[Region, ...], rng: np.random.Generator
) -> Integers:
    """One warehouse in each country, then the others by weight; each region one, if possible."""
    weight = np.array([region.weight for region in regions])
    chosen: list[int] = []
    for number in range(config.warehouses):
        free = np.ones(len(regions), dtype=np.bool_)
        if number < len(config.countries):
            free = np.array([r.country == config.countries[number] for r in regions])
        unused = free & ~np.isin(np.arange(len(regions)), chosen)
        chances = weight * (unused if unused.any() else free)
        chosen.append(int(rng.choice(len(regions), p=chances / chances.sum())))
    return np.array(chosen, dtype=np.int64)
