"""Countries, regions and postcodes of a table in their normal forms, and the zones that follow."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.array_types import MISSING
from etapromise.normal_forms.places import is_country, is_region
from etapromise.normal_forms.postcodes import (
    is_normal_shape,
    is_postcode,
    lost_zeros,
    names_city,
)
from etapromise.normal_forms.remembered import POSTCODES, REGIONS, TABLE_COUNTRIES
from etapromise.normal_forms.zones import (
    zone_at,
    zone_of_country,
    zone_of_postcode,
    zone_of_region,
    zones_of_postcodes,
)
from etapromise.text_type import TEXT
from etapromise.tracking.columns import NOON, localized, read_text, spread
from etapromise.tracking.faults import Faults, Note
from etapromise.tracking.texts import ColumnValues, as_series, coded, shapes
from etapromise.tracking.times import DAY, WallTimes, at_midnight

ZONE_TOLD: Final = {
    "coordinates": "its coordinates",
    "region": "its region",
    "postcode": "its postcode",
    "country": "its country",
    "usual": "its country, that of most people of several zones; a region, postcode or coordinates "
    "would tell it",
    "named": "the zone that was named for the table",
}
"""Where a zone came from that the table did not say, best first."""
_SOURCES: Final = tuple(ZONE_TOLD)

# So many midnights, and no other time, are dates.
LEAST_MIDNIGHTS: Final = 3


def read_place(
    raw: Mapping[str, pa.ChunkedArray],
    values: MutableMapping[str, ColumnValues],
    side: str,
    faults: Faults,
) -> None:
    """Read the country, region, place and coordinates of one side of shipments into ``values``.

    Args:
        raw: Columns as they came.
        side: "origin" or "destination".
    """
    country, region = f"{side}_country", f"{side}_region"
    countries: tuple[npt.NDArray[np.int32], list[str]] | None = None
    if country in raw:
        text = read_text(raw[country], faults.named(country))
        codes, words = coded(text)
        forms = [TABLE_COUNTRIES[word] or None for word in words]
        found = spread(text, codes, words, forms)
        _tell(found.emptied, f"placeholder_{country}", country, faults, _gone(found.pairs))
        told = "are names or codes in another form, and were read as ISO 3166-1"
        _tell(found.changed, f"spellings_{country}", country, faults, _became(found.pairs), told)
        values[country] = found.column
        unknown = [form for form in set(forms) if form and not is_country(form)]
        _unknown(found.column, unknown, country, "are no countries of ISO 3166-1", faults)
        countries = coded(found.column)
    if region in raw:
        values[region] = _within(raw[region], region, countries, faults)
    if side in raw:
        values[side] = _within(raw[side], side, countries, faults)
    _no_point(values, side, faults)


def _tell(
    rows: int,
    reason: str,
    column: str,
    faults: Faults,
    examples: list[str],
    told: str = "stand for nothing and were left empty",
) -> None:
    faults.note(rows, reason, column, told, examples)


def _gone(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [was for was, now in pairs if not now]


def _became(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{was} = {now}" for was, now in pairs if now]


def _unknown(
    column: pa.ChunkedArray, words: list[str], name: str, told: str, faults: Faults
) -> None:
    if words:
        rows = pc.sum(
            pc.is_in(column.cast(pa.large_string()), pa.array(sorted(words), pa.large_string()))
        )
        faults.note(
            rows.as_py() or 0, f"unknown_{name}", name, f"{told}; kept as they are", sorted(words)
        )


def _within(
    array: pa.ChunkedArray,
    name: str,
    countries: tuple[npt.NDArray[np.int32], list[str]] | None,
    faults: Faults,
) -> pa.ChunkedArray:
    """Regions or places, whose forms depend on their countries."""
    text = read_text(array, faults.named(name))
    if name.endswith("_region") or pt.is_dictionary(text.type):
        return _closely_within(text, name, countries, faults)
    sure = _surely_normal(text, countries)
    if sure.all():
        return text
    rows = np.flatnonzero(~sure)
    owners = None if countries is None else (countries[0][rows], countries[1])
    found = _closely_within(text.take(pa.array(rows)), name, owners, faults)
    both = pa.chunked_array([*text.cast(found.type).chunks, *found.chunks], found.type)
    place = np.arange(len(text))
    place[rows] = len(text) + np.arange(len(rows))
    return both.take(pa.array(place))


def _surely_normal(
    text: pa.ChunkedArray, countries: tuple[npt.NDArray[np.int32], list[str]] | None
) -> npt.NDArray[np.bool_]:
    """(n,) places whose shape tells that they are in their normal form."""
    codes, seen = shapes(text)
    if countries is None:
        return np.array([*(is_normal_shape(shape, None) for shape in seen)], dtype=bool)[codes]
    owner, names = countries
    # The last country is none, at which -1 points.
    width = len(names) + 1
    pairs = codes.astype(np.int64) * width + owner % width
    sure = np.zeros(len(seen) * width, dtype=bool)
    for pair in pd.unique(pairs).tolist():
        shape, land = divmod(pair, width)
        sure[pair] = is_normal_shape(seen[shape], names[land] if land < len(names) else None)
    return np.asarray(sure[pairs])


def _closely_within(
    text: pa.ChunkedArray,
    name: str,
    countries: tuple[npt.NDArray[np.int32], list[str]] | None,
    faults: Faults,
) -> pa.ChunkedArray:
    """Regions or places; each distinct pair of one and its country is read once."""
    codes, words = coded(text)
    is_a_region = name.endswith("_region")
    remembered = REGIONS if is_a_region else POSTCODES
    names: list[str] = []
    if countries is None:
        owner = np.full(len(codes), -1, np.int32)
    else:
        owner, names = countries
    places, distinct = pd.factorize(codes.astype(np.int64) * (len(names) + 1) + owner + 1)
    said: list[str] = []
    forms: list[str | None] = []
    lands: list[str | None] = []
    for pair in distinct.tolist():
        word, land = divmod(pair, len(names) + 1)
        if pair < 0 or word < 0 or word >= len(words):
            said.append("")
            forms.append(None)
            lands.append(None)
            continue
        lands.append(names[land - 1] if land else None)
        said.append(words[word])
        forms.append(remembered[words[word], lands[-1] or ""] or None)
    pairs: npt.NDArray[np.int32] = np.where(codes < 0, -1, places).astype(np.int32)
    found = spread(text, pairs, said, forms)
    _tell(found.emptied, f"placeholder_{name}", name, faults, _gone(found.pairs))
    counted = np.bincount(pairs[pairs >= 0], minlength=len(said))
    if is_a_region:
        told = "are names or codes in another form, and were read as ISO 3166-2"
        _tell(found.changed, f"spellings_{name}", name, faults, _became(found.pairs), told)
        unknown = [
            k
            for k, (form, land) in enumerate(zip(forms, lands, strict=True))
            if form and land and is_country(land) and not is_region(form, land)
        ]
        told = "are no regions of their country in ISO 3166-2; kept as they are"
        faults.note(
            int(counted[unknown].sum()), f"unknown_{name}", name, told, [said[k] for k in unknown]
        )
    else:
        mended = [
            k
            for k, form in enumerate(forms)
            if form and form != said[k] and lost_zeros(said[k], form)
        ]
        told = "had lost zeros at the front, which were put back"
        examples = [f"{said[k]} = {forms[k]}" for k in mended]
        faults.note(int(counted[mended].sum()), f"lost_zeros_{name}", name, told, examples)
        each = list(enumerate(zip(said, forms, lands, strict=True)))
        cut = [k for k, (was, now, _) in each if now and names_city(was, now)]
        told = "name a city beside the postcode, which alone is the place"
        examples = [f"{said[k]} = {forms[k]}" for k in cut]
        faults.note(int(counted[cut].sum()), f"cities_{name}", name, told, examples)
        strange = [k for k, (_, now, land) in each if now and _no_postcode(now, land)]
        told = "are no postcodes of their country, and may have lost digits; kept as they are"
        examples = [said[k] for k in strange]
        faults.note(int(counted[strange].sum()), f"unknown_{name}", name, told, examples)
    return found.column


def _no_postcode(place: str, country: str | None) -> bool:
    """Whether a place is a number, as postcodes are, and none of its country."""
    return place.isdigit() and not is_postcode(place, country)


def _no_point(values: MutableMapping[str, ColumnValues], side: str, faults: Faults) -> None:
    """(0, 0) lies in the sea, and stands for nothing."""
    names = f"{side}_lat", f"{side}_lon"
    latitude, longitude = (values.get(name) for name in names)
    if not isinstance(latitude, pd.Series) or not isinstance(longitude, pd.Series):
        return
    nowhere = (latitude.to_numpy() == 0) & (longitude.to_numpy() == 0)
    if nowhere.any():
        latitude[nowhere] = longitude[nowhere] = np.nan
        told = "stand for nothing and were left empty"
        faults.note(int(nowhere.sum()), f"placeholder_{side}", side, told, ["coordinates (0, 0)"])


def place_zones(
    shipments: pd.DataFrame, side: str, named: str | None
) -> tuple[npt.NDArray[np.object_], dict[str, int]]:
    """The IANA zone of one side of each shipment, as the place says it, and where it came from.

    Args:
        side: "origin" or "destination".

    Returns:
        (n,) names, None where nothing says it; and how many came from where (`ZONE_TOLD`).
    """
    lands, countries = _words(shipments, f"{side}_country")
    parts, regions = _words(shipments, f"{side}_region")
    width = len(regions) + 1
    pairs, distinct = pd.factorize(lands.astype(np.int64) * width + parts + 1)
    sure = np.zeros(len(distinct), dtype=bool)
    by_place = np.full(len(distinct), None, dtype=object)
    why = np.full(len(distinct), -1, dtype=np.int8)
    for place, pair in enumerate(distinct.tolist()):
        land, part = divmod(pair, width)
        if land < 0:
            continue
        known = zone_of_country(countries[land])
        if known is None:
            continue
        by_place[place], sure[place] = known
        why[place] = _SOURCES.index("country" if known[1] else "usual")
        here = zone_of_region(countries[land], regions[part - 1]) if part and not known[1] else None
        if here is not None:
            by_place[place], why[place] = here, _SOURCES.index("region")
    zones, source = by_place[pairs], why[pairs]
    _by_postcode(shipments, side, (lands, countries), zones, source)
    _by_coordinates(shipments, side, ~sure[pairs], zones, source)
    if named is not None:
        lacking = pd.isna(zones)
        zones[lacking], source[lacking] = named, _SOURCES.index("named")
    rows = np.bincount(source[source >= 0], minlength=len(_SOURCES)).tolist()
    return zones, {name: n for name, n in zip(_SOURCES, rows, strict=True) if n}


def _words(shipments: pd.DataFrame, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
    if name not in shipments:
        return np.full(len(shipments), -1, np.int32), []
    return coded(shipments[name])


def _by_postcode(
    shipments: pd.DataFrame,
    side: str,
    countries: tuple[npt.NDArray[np.int32], list[str]],
    zones: npt.NDArray[np.object_],
    source: npt.NDArray[np.int8],
) -> None:
    """Areas of postcodes go before the country, where they have zones of their own."""
    lands, names = countries
    areas = np.array([*(bool(zones_of_postcodes(name)) for name in names), False])
    if not areas.any():
        return
    by_country = [_SOURCES.index(name) for name in ("usual", "country")]
    rows = np.flatnonzero(areas[lands] & np.isin(source, by_country))
    if not len(rows) or side not in shipments:
        return
    codes, words = coded(shipments[side].iloc[rows])
    pairs, distinct = pd.factorize(codes.astype(np.int64) * len(names) + lands[rows])
    found = np.array(
        [
            zone_of_postcode(names[pair % len(names)], words[pair // len(names)])
            if pair >= 0
            else None
            for pair in distinct.tolist()
        ],
        dtype=object,
    )[pairs]
    known = ~pd.isna(found)
    zones[rows[known]], source[rows[known]] = found[known], _SOURCES.index("postcode")


def _by_coordinates(
    shipments: pd.DataFrame,
    side: str,
    wanted: npt.NDArray[np.bool_],
    zones: npt.NDArray[np.object_],
    source: npt.NDArray[np.int8],
) -> None:
    """Coordinates go before all but a country with one zone."""
    names = [f"{side}_lat", f"{side}_lon"]
    if not set(names) <= set(shipments.columns):
        return
    points = shipments[names].to_numpy(np.float64)
    rows = np.flatnonzero(wanted & ~np.isnan(points).any(axis=1))
    if not len(rows):
        return
    # A hundredth of a degree is a kilometre: near enough, and asked once.
    grid, place = np.unique(np.round(points[rows], 2), axis=0, return_inverse=True)
    found = np.array([zone_at(*point) for point in grid.tolist()], dtype=object)[place.ravel()]
    known = ~pd.isna(found)
    zones[rows[known]], source[rows[known]] = found[known], _SOURCES.index("coordinates")


def with_zones(shipments: pd.DataFrame, named: str | None) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """Accepted shipments with their destinations' zones filled in where they do not say them.

    Returns:
        The shipments; and how many zones came from where.
    """
    if "destination_time_zone" in shipments:
        stated = shipments["destination_time_zone"].astype(object).to_numpy().copy()
        rows = np.flatnonzero(pd.isna(stated))
        if not len(rows):
            return shipments, ()
        stated[rows], sources = place_zones(shipments.iloc[rows], "destination", named)
    else:
        stated, sources = place_zones(shipments, "destination", named)
    told = Faults(0)
    for source, number in sources.items():
        words = f"were taken from {ZONE_TOLD[source]}"
        told.note(number, f"zone_from_{source}", "destination_time_zone", words)
    told.note(
        int(pd.isna(stated).sum()),
        "zone_unknown",
        "destination_time_zone",
        "are not known, as nothing says where these places are, and their dates are those of the "
        "zone of most others, or of UTC; add a destination_country, or name a time_zone",
    )
    if pd.isna(stated).all():
        return shipments, told.notes
    filled = pd.Series(stated, index=shipments.index).astype(TEXT)
    return shipments.assign(destination_time_zone=filled), told.notes


def orders_on_days(
    values: MutableMapping[str, ColumnValues],
    clocks: WallTimes,
    faults: Faults,
    named: str | None,
) -> None:
    """Put orders with a date and no clock at noon of that day at their origin."""
    moments = values["ordered_at"]
    plain = clocks.plain
    there = clocks.wall != MISSING
    if not plain.any() and at_midnight(clocks.wall)[there].all() and there.sum() >= LEAST_MIDNIGHTS:
        plain = there
    if not plain.any() or not isinstance(moments, pd.Series):
        return
    rows = np.flatnonzero(plain)
    part = pd.DataFrame(
        {
            name: value.iloc[rows].reset_index(drop=True)
            if isinstance(value, pd.Series)
            else as_series(value.take(pa.array(rows)))
            for name, value in values.items()
            if name.startswith(("origin", "destination"))
        },
        index=pd.RangeIndex(len(rows)),
    )
    day = clocks.wall[rows] // DAY * DAY
    utc = moments.dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64).copy()
    utc[rows] = localized(day + NOON, zones_of(part, "origin", named))
    values["ordered_at"] = pd.Series(utc.view("datetime64[us]")).dt.tz_localize("UTC")
    told = "have no clock time, and were taken as noon of that day at the origin"
    faults.note(len(rows), "plain_ordered_at", "ordered_at", told)


def zones_of(shipments: pd.DataFrame, side: str, named: str | None) -> npt.NDArray[np.object_]:
    """The IANA zone of one side of shipments (n,); UTC where nothing says it.

    An origin that does not say it has the destination's.
    """
    stated = np.full(len(shipments), None, dtype=object)
    sides = ("origin", "destination") if side == "origin" else ("destination",)
    for one in sides:
        given = f"{one}_time_zone"
        if given in shipments:
            own = shipments[given].astype(object).to_numpy()
            stated = np.where(pd.isna(stated), own, stated)
        if pd.isna(stated).any():
            zones, _ = place_zones(shipments, one, named if one == sides[-1] else None)
            stated = np.where(pd.isna(stated), zones, stated)
        if one == "origin" and named is not None:
            stated = np.where(pd.isna(stated), named, stated)
    return np.where(pd.isna(stated), "UTC", stated)
