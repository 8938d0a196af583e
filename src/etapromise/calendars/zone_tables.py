"""Time zones as tables for the compiled code: which zone a place has, and its offsets from UTC."""

from __future__ import annotations

import ctypes
import functools
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Ints
from etapromise.calendars.zones import ZoneMap, zone_named
from etapromise.lanes.levels import KeysStruct, KeyTable, utf8
from etapromise.normal_forms.postcodes import postcode_forms
from etapromise.normal_forms.zones import LONGEST_AREA

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 — local wall-clock times are naive
_DAY: Final = 86_400
# No name of a place contains it: it is not part of any UTF-8 text.
_PLACE_SEPARATOR: Final = b"\xff"


class _ZonesStruct(ctypes.Structure):
    """`etp_zones` of native/encoder.h."""

    _fields_ = (
        *((name, KeysStruct) for name in ("region", "country", "origin")),
        *native.fields("p region_zone country_zone origin_zone; l origins default_zone"),
        *((name, KeysStruct) for name in ("form", "area")),
        *native.fields("p area_zone; l areas longest_area; p change_start change offset"),
    )


class ZoneTables:
    """A zone map with the offsets of its zones over some years. Immutable.

    Attributes:
        names: the zones' IANA names.
    """

    __slots__ = ("_alive", "names", "struct")

    def __init__(self, zones: ZoneMap, first_day: int, last_day: int) -> None:
        """Take a map, and the local days (since 1970-01-01) whose offsets are asked for."""
        self.names = zones.names
        number = {name: position for position, name in enumerate(self.names)}
        plain = zones.as_dict()
        regions = {(country, region): number[zone] for country, region, zone in plain["regions"]}
        origins = {(country, origin): number[zone] for country, origin, zone in plain["origins"]}
        countries = {country: number[zone] for country, zone in plain["countries"].items()}
        areas = {(country, area): number[zone] for country, area, zone in plain["postcodes"]}
        lands = sorted({country for country, _ in areas})
        forms = [(country, form) for country in lands for form in postcode_forms(country)]
        changes = [offset_changes(zones.zone(name), first_day, last_day) for name in self.names]
        tables = (
            KeyTable([_PLACE_SEPARATOR.join(map(utf8, place)) for place in regions]),
            KeyTable(list(countries)),
            KeyTable([_PLACE_SEPARATOR.join(map(utf8, place)) for place in origins]),
            KeyTable([_PLACE_SEPARATOR.join(map(utf8, place)) for place in forms]),
            KeyTable([_PLACE_SEPARATOR.join(map(utf8, place)) for place in areas]),
        )
        arrays: dict[str, NDArray[Any]] = {
            "region_zone": np.array(list(regions.values()), np.int32),
            "country_zone": np.array(list(countries.values()), np.int32),
            "origin_zone": np.array(list(origins.values()), np.int32),
            "area_zone": np.array(list(areas.values()), np.int32),
            "change_start": np.cumsum([0, *(len(when) for when, _ in changes)], dtype=np.int64),
            "change": np.concatenate([when for when, _ in changes]),
            "offset": np.concatenate([offset for _, offset in changes]),
        }
        self.struct = _ZonesStruct(
            region=tables[0].struct,
            country=tables[1].struct,
            origin=tables[2].struct,
            origins=len(origins),
            default_zone=number[zones.default],
            form=tables[3].struct,
            area=tables[4].struct,
            areas=len(areas),
            longest_area=LONGEST_AREA,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        self._alive = (tables, arrays)


def local_from_utc(second: Ints, zones: NDArray[Any], first_day: int, last_day: int) -> Ints:
    """(n,) local wall-clock seconds since 1970-01-01 at moments (n,), UTC seconds.

    Args:
        zones: (n,) IANA names.
        first_day: the local days, since 1970-01-01, that the moments are in.
    """
    out = np.empty(len(second), np.int64)
    names = set(zones.tolist())
    for name in names:
        rows = slice(None) if len(names) == 1 else zones == name
        when, offset = offset_changes(zone_named(name), first_day, last_day)
        asked = second[rows]
        out[rows] = asked + offset[when.searchsorted(asked, side="right") - 1]
    return out


@functools.lru_cache(maxsize=4096)
def offset_changes(zone: ZoneInfo, first_day: int, last_day: int) -> tuple[Ints, Ints]:
    """When a zone's offset from UTC changes, as the zone itself says.

    Every day is asked, so a change that is taken back within a day would not be seen; the time zone
    database has none.

    Args:
        first_day: days since 1970-01-01, local.

    Returns:
        (c,) UTC seconds since 1970-01-01 from which an offset holds, ascending, the first long
        before `first_day`; (c,) the offsets in seconds.
    """
    # Two days more at each end: no zone is further from UTC.
    midnights = [_EPOCH + timedelta(day) for day in range(first_day - 2, last_day + 4)]
    usual = zone.utcoffset
    offsets = [usual(midnight) for midnight in midnights]
    changes, kept = [(first_day - 1_000_000) * _DAY], [_seconds(offsets[0])]
    for (left, before), (right, after) in pairwise(zip(midnights, offsets, strict=True)):
        if before == after:
            continue
        # A midnight that is skipped has the offset of before although it is after the change; no
        # zone ever skipped more than a day.
        low = int((left - _EPOCH).total_seconds()) - _seconds(before) - _DAY
        high = int((right - _EPOCH).total_seconds()) - _seconds(after)
        while high > low:
            middle = (low + high) // 2
            if _offset_at(zone, middle) == _seconds(after):
                high = middle
            else:
                low = middle + 1
        changes.append(low)
        kept.append(_seconds(after))
    found = np.array(changes, np.int64), np.array(kept, np.int64)
    for array in found:
        array.flags.writeable = False
    return found


def _offset_at(zone: ZoneInfo, second: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    return _seconds(moment.astimezone(zone).utcoffset())


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else int(offset.total_seconds())
