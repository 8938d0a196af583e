"""Zones as a calendar file has them: what it says goes before what orders and places tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.zones import ZoneMap
from etapromise.errors import ContractError
from etapromise.lanes.levels import Level, level_keys

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR: Final = "\x1f"
_PLACE: Final = Level("place", ("origin", "origin_country"))


def configured_zones(zones: ZoneMap, rules: CalendarFile, shipments: pd.DataFrame) -> ZoneMap:
    """Learned zones under those of a file's destinations and warehouses, and its last resort.

    What it states of every other warehouse holds in the region or country that it names.

    Raises:
        ContractError: a warehouse with a zone has no country, in the file or in the orders.
    """
    stated = [rule for rule in rules.destinations if rule.time_zone is not None]
    zones = zones.overridden(
        default=rules.default_time_zone,
        countries={rule.country: str(rule.time_zone) for rule in stated if rule.region is None},
        regions={
            (rule.country, rule.region): str(rule.time_zone)
            for rule in stated
            if rule.region is not None
        },
    )
    return _with_warehouses(zones, rules, shipments)


def _with_warehouses(zones: ZoneMap, rules: CalendarFile, shipments: pd.DataFrame) -> ZoneMap:
    countries: dict[str, str] = {}
    regions: dict[tuple[str, str], str] = {}
    origins: dict[tuple[str, str], str] = {}
    _, seen = level_keys(shipments, [_PLACE])[0]
    for rule in rules.warehouses:
        if rule.time_zone is None:
            continue
        if rule.origin is not None:
            found = [key.split(_SEPARATOR) for key in seen]
            lands = {land for origin, land in found if origin == rule.origin}
            lands |= {rule.country} if rule.country else set()
            origins |= {(land, rule.origin): rule.time_zone for land in lands}
            if lands:
                continue
        elif rule.country and rule.region:
            regions[rule.country, rule.region] = rule.time_zone
            continue
        elif rule.country:
            countries[rule.country] = rule.time_zone
            continue
        whose = "every other warehouse" if rule.origin is None else f"the warehouse {rule.origin!r}"
        raise ContractError(
            f"Found time_zone = {rule.time_zone!r} of {whose} in {rules.name}, whose country "
            "neither the file nor the orders tell. Give its country, or use default_time_zone."
        )
    return zones.overridden(default=None, countries=countries, regions=regions, origins=origins)
