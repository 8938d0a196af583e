"""Which time zone a place is in, when the data do not always say.

A zone that is missing is taken from the region, then the area of the postcode, then the country,
then the configured default; the source is reported, because a date may then be a day off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ContractError
from etapromise.lanes.levels import Level, level_keys, spelled
from etapromise.normal_forms.postcodes import postcode_forms
from etapromise.normal_forms.zones import (
    LONGEST_AREA,
    shape_of,
    zone_of_country,
    zone_of_region,
    zones_of_postcodes,
)
from etapromise.stored_arrays import StoredValues

if TYPE_CHECKING:
    import pandas as pd

# Where a zone came from, best first; the area of a postcode is a region.
ZONE_SOURCES: Final = ("given", "region", "country", "default")


def zone_named(name: str) -> ZoneInfo:
    """The zone with this IANA name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ContractError(
            f"Found the time zone {name!r}; expected an IANA name such as 'America/Sao_Paulo'."
        ) from error


class ZoneMap:
    """Zones by region, postcode and country, as most shipments that named one had it. Immutable.

    A warehouse may have one of its own: it counts for what is sent from there.
    """

    __slots__ = (
        *("_countries", "_forms", "_numbered", "_origins", "_postcodes", "_regions", "_zones"),
        "default",
    )

    def __init__(
        self,
        *,
        default: str,
        countries: Mapping[str, str],
        regions: Mapping[tuple[str, str], str],
        origins: Mapping[tuple[str, str], str] | None = None,
        postcodes: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        """Take zone names by country, and by it and a region, an origin or how postcodes begin."""
        self.default = default
        self._countries = dict(countries)
        self._regions = dict(regions)
        self._origins = dict(origins or {})
        self._postcodes = dict(postcodes or {})
        self._forms = {country: postcode_forms(country) for country, _ in self._postcodes}
        names = {default, *self._countries.values(), *self._regions.values()}
        names.update(self._origins.values(), self._postcodes.values())
        self._zones = {name: zone_named(name) for name in sorted(names)}
        self._numbered = tuple(self._zones.values())

    @classmethod
    def learned(cls, shipments: pd.DataFrame, *, default: str | None) -> ZoneMap:
        """From the destinations of `shipments` that name their zone.

        Places of theirs that nobody names a zone for have that of their region or country.

        Args:
            default: the zone of last resort; None takes the most frequent one, or UTC.
        """
        countries, regions = _known_places(shipments)
        postcodes = {
            (country, area): zone
            for country in countries
            for area, zone in zones_of_postcodes(country).items()
        }
        if "destination_time_zone" not in shipments.columns:
            return cls(
                default=default or "UTC", countries=countries, regions=regions, postcodes=postcodes
            )
        named = shipments.loc[shipments["destination_time_zone"].notna()]
        zones = named["destination_time_zone"].astype(str)
        if default is None:
            default = str(zones.mode().iloc[0]) if len(zones) else "UTC"
        if "destination_country" in named.columns:
            country = named["destination_country"].fillna("").map(spelled)
            countries |= _majority(zones, country)
            if "destination_region" in named.columns:
                region = named["destination_region"].fillna("").map(spelled)
                joined = _majority(zones, country + "\x1f" + region)
                for key, zone in joined.items():
                    left, right = key.split("\x1f")
                    regions[left, right] = zone
        return cls(default=default, countries=countries, regions=regions, postcodes=postcodes)

    def overridden(
        self,
        *,
        default: str | None,
        countries: Mapping[str, str],
        regions: Mapping[tuple[str, str], str],
        origins: Mapping[tuple[str, str], str] | None = None,
    ) -> ZoneMap:
        """These zones, but for the places named; a country's goes before its regions' learned."""
        kept, areas = (
            {key: zone for key, zone in places.items() if key[0] not in countries}
            for places in (self._regions, self._postcodes)
        )
        return ZoneMap(
            default=default or self.default,
            countries=self._countries | dict(countries),
            regions=kept | dict(regions),
            origins=self._origins | dict(origins or {}),
            postcodes=areas,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every zone of the map, by its IANA name."""
        return tuple(self._zones)

    def numbered(self, number: int) -> ZoneInfo:
        """The zone at a position of `names`."""
        return self._numbered[number]

    def zone(self, name: str) -> ZoneInfo:
        """The zone with this IANA name, which need not be on the map.

        Raises:
            ContractError: there is none.
        """
        known = self._zones.get(name)
        return zone_named(name) if known is None else known

    def resolve(
        self,
        given: str | None,
        country: str | None,
        region: str | None,
        *,
        origin: str | None = None,
        postcode: str | None = None,
    ) -> tuple[ZoneInfo, str]:
        """The zone of one place and where it came from (one of ZONE_SOURCES).

        Args:
            origin: the warehouse, where it is one; its own zone counts as given.

        Raises:
            ContractError: `given` is not an IANA name.
        """
        if given:
            return self.zone(given), "given"
        name = self._origins.get((country or "", origin)) if origin else None
        if name is not None:
            return self._zones[name], "given"
        name = self._regions.get((country or "", region or ""))
        if name is not None and region:
            return self._zones[name], "region"
        if country in self._forms and postcode and shape_of(postcode) in self._forms[country]:
            for length in range(LONGEST_AREA, -1, -1):
                name = self._postcodes.get((country, postcode[:length]))
                if name is not None:
                    return self._zones[name], "region"
        name = self._countries.get(country or "")
        if name is not None and country:
            return self._zones[name], "country"
        return self._zones[self.default], "default"

    def resolve_many(self, frame: pd.DataFrame, side: str) -> tuple[NDArray[Any], NDArray[np.int8]]:
        """Zone names and sources (positions in ZONE_SOURCES) of many shipments.

        Args:
            side: "origin" or "destination".

        Returns:
            (n,) names, (n,) sources.
        """
        names, sources = self._resolve_many(frame, side, by_code=False)
        country = f"{side}_country"
        if self._forms and country in frame.columns:
            # Of most places there is no need to look at the postcode.
            areas = frame[country].isin(list(self._forms)).to_numpy()
            rows = np.flatnonzero(areas & (sources == ZONE_SOURCES.index("country")))
            if len(rows):
                found = self._resolve_many(frame.iloc[rows], side, by_code=True)
                names[rows], sources[rows] = found
        return names, sources

    def _resolve_many(
        self, frame: pd.DataFrame, side: str, *, by_code: bool
    ) -> tuple[NDArray[Any], NDArray[np.int8]]:
        columns = (f"{side}_time_zone", f"{side}_country", f"{side}_region")
        by_code = by_code or (side == "origin" and bool(self._origins))
        place = Level("zone", (*columns, *((side,) if by_code else ())))
        positions, keys = level_keys(frame, [place])[0]
        names = []
        sources = []
        for key in keys:
            given, country, region, *code = key.split("\x1f")
            zone, source = self.resolve(
                given or None,
                country or None,
                region or None,
                origin=code[0] if code and side == "origin" else None,
                postcode=code[0] if code else None,
            )
            names.append(zone.key)
            sources.append(ZONE_SOURCES.index(source))
        return np.array(names, dtype=object)[positions], np.array(sources, np.int8)[positions]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a manifest; `from_dict` reads them back."""
        return {
            "default": self.default,
            "countries": self._countries,
            "regions": [[*key, zone] for key, zone in self._regions.items()],
            "origins": [[*key, zone] for key, zone in self._origins.items()],
            "postcodes": [[*key, zone] for key, zone in self._postcodes.items()],
        }

    @classmethod
    def stored(cls, values: StoredValues) -> ZoneMap:
        """The map that `as_dict` described."""
        countries = values.part("countries")
        try:
            return cls(
                default=values.text("default"),
                countries={country: countries.text(country) for country in countries.plain},
                **{name: _places(values, name) for name in ("regions", "origins", "postcodes")},
            )
        except ContractError as error:
            values.refuse("default", "an unknown zone", f"IANA names: {error}")


def _places(values: StoredValues, name: str) -> dict[tuple[str, str], str]:
    rows = values.plain.get(name)
    if not isinstance(rows, list) or not all(
        isinstance(row, list) and len(row) == 3 and all(isinstance(each, str) for each in row)
        for row in rows
    ):
        values.refuse(name, rows, "a list of countries, places and zones")
    return {(country, place): zone for country, place, zone in rows}


def _known_places(shipments: pd.DataFrame) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """The zones that maps give the countries and regions of shipments, by place."""
    places: set[tuple[str, str]] = set()
    for side in ("origin", "destination"):
        country, region = f"{side}_country", f"{side}_region"
        if country in shipments.columns:
            columns = [name for name in (country, region) if name in shipments.columns]
            distinct = shipments[columns].drop_duplicates().fillna("").astype(str)
            regions = distinct[region] if region in columns else [""] * len(distinct)
            places.update(zip(distinct[country], regions, strict=True))
    countries, by_region = {}, {}
    for country, region in sorted(places):
        known = zone_of_country(country)
        if known is not None:
            countries[country] = known[0]
            here = zone_of_region(country, region)
            if here is not None:
                by_region[country, region] = here
    return countries, by_region


def _majority(zones: pd.Series[str], places: pd.Series[str]) -> dict[str, str]:
    counts = zones.groupby([places.rename("place"), zones.rename("zone")]).size()
    # Sorted, so that a tie does not depend on the order of the rows.
    ordered = counts.reset_index(name="n").sort_values(["n", "zone"], ascending=[False, True])
    best = ordered.drop_duplicates("place").sort_values("place")
    return dict(zip(best["place"].astype(str), best["zone"].astype(str), strict=True))
