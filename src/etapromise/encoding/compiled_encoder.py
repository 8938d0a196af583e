"""Shipments' columns in, requests out, in compiled code: one shipment, or a table of them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.calendars.dispatch import Dispatch
from etapromise.calendars.disruptions import Disruption, Disruptions
from etapromise.calendars.working_clocks import Clocks, is_place, row_of
from etapromise.calendars.zone_tables import ZoneTables
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.shipment_values import (
    given_numbers,
    normal_places,
    quoted_day,
    readable_fields,
    utc_second,
)
from etapromise.errors import ContractError
from etapromise.lanes.hand_offs import CARRIER_PAIR, FIRST_LEG, HAND_OFF_LEVELS, HandOffs
from etapromise.lanes.levels import (
    LAST_MILE,
    PICKUP_WEEKDAY,
    PREFIX_LENGTH,
    KeyIndex,
    KeysStruct,
    KeyTable,
    Level,
    by_pickup_weekday,
    levels_with,
    spelled,
    utf8,
)
from etapromise.normal_forms.numbers import normal_number
from etapromise.normal_forms.remembered import NAMES, TEXTS
from etapromise.normal_forms.zones import zone_name

# The columns of text that every shipment may have, in the order in which they are handed over.
TEXT_COLUMNS: Final = (
    *("origin", "origin_region", "origin_country"),
    *("destination", "destination_region", "destination_country"),
    *("carrier", "service", "destination_time_zone"),
)
_PREFIX: Final = "destination_prefix"
_MAX_TEXTS: Final = 256
_MAX_NUMBERS: Final = 512
# The prefix, who takes the parcel over, and the weekday of its pick-up, which is never spelled.
_DERIVED_TEXTS: Final = 3
# The hour, GIVEN_NUMBERS, quoted days, the dispatch delay, disruptions and the soonest pick-up.
_STANDARD_NUMBERS: Final = 10
# What `etp_encode` returns.
FINE, UNCLEAR_TEXT, OUTSIDE_CALENDARS = range(3)
_SEPARATOR: Final = "\x1f"
_NEVER_IN_TEXT: Final = b"\xff"


class EncodedStruct(ctypes.Structure):
    """`etp_encoded` of native/encoder.h.

    Attributes:
        order_day: origin-local date of the order, days since 1970-01-01: day 0.
        clock: row of the clocks' elapsed table.
        zone_source: how the destination's zone was found, a position in ZONE_SOURCES.
        zone: number of that zone, -1 where it was given.
        origin_zone: number of the warehouse's.
        warehouse: row of the dispatch calendars.
        holidays: row of the clocks' holidays at the origin.
        leg_clock: row of the clocks' elapsed table, of who has the parcel first.
        leg: row of the first ways; -1 where nobody else brings it.
    """

    _fields_ = native.fields(
        "i order_day clock zone_source zone origin_zone warehouse holidays leg_clock leg"
    )
    order_day: int
    clock: int
    zone_source: int
    zone: int
    origin_zone: int
    warehouse: int
    holidays: int
    leg_clock: int
    leg: int


_encode = native.function("etp_encode", "i", "psss", ctypes.POINTER(EncodedStruct), "pp")
_encode_many = native.function("etp_encode_many", "", "pllppppppp")
# `etp_shipment`: second, length of the texts, byte between them, quoted day, GIVEN_NUMBERS.
pack_shipment = struct.Struct("=3q6d").pack


class _EncoderStruct(ctypes.Structure):
    """`etp_encoder` of native/encoder.h."""

    _fields_ = native.fields(
        "l levels handling_levels; p handling; l columns prefix_length; p part_start part keys; "
        "l numeric origin origin_region origin_country destination destination_region "
        "destination_country destination_zone calendars own_places first_day last_day; p zones; "
        "l warehouse_levels; p dispatch hand_offs disruptions; l weekday_level weekday_of"
    )


class _WordsStruct(ctypes.Structure):
    """`etp_words` of native/encoder.h."""

    _fields_ = native.fields("p word start bytes")


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderTables:
    """What a shipment is looked up in.

    Attributes:
        categorical: further columns of text.
        numeric: further columns of numbers.
        indexes: the keys of each level.
        hand_offs: None where no parcel changes hands.
        declared: the declared disruptions.
    """

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]
    indexes: tuple[KeyIndex, ...]
    clocks: Clocks
    zones: ZoneMap
    dispatch: Dispatch
    hand_offs: HandOffs | None = None
    declared: tuple[Disruption, ...] = ()

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels at which history is gathered."""
        return levels_with(self.categorical, hand_offs=self.hand_offs is not None)

    @cached_property
    def index_of(self) -> Mapping[str, KeyIndex]:
        """The keys of each level, by its name."""
        return dict(zip(self.level_names, self.indexes, strict=True))

    @cached_property
    def level_names(self) -> list[str]:
        """(L,) the names of the levels."""
        return [level.name for level in self.levels]

    @cached_property
    def sizes(self) -> list[int]:
        """(L,) rows of each level's table."""
        return [len(index) for index in self.indexes]

    @cached_property
    def last_mile_services(self) -> NDArray[np.int32]:
        """(k,) rows of the clocks' services."""
        carriers = () if self.hand_offs is None else self.hand_offs.carriers
        rows, _ = self.clocks.indexes()
        return np.array(
            [row_of(rows, f"{last_mile}{_SEPARATOR}") for last_mile in carriers], np.int32
        )

    @cached_property
    def has_carrier_pairs(self) -> bool:
        """Whether services that hand over have clocks of their own."""
        parts = len(CARRIER_PAIR.columns)
        return any(key.count(_SEPARATOR) == parts - 1 for key in self.clocks.services)

    @cached_property
    def disruptions(self) -> Disruptions | None:
        """What is declared, for the kernels; None where nothing is."""
        if not self.declared:
            return None
        return Disruptions(self.declared, text_columns(self.categorical))


class _HandOffsStruct(ctypes.Structure):
    """`etp_hand_offs` of native/encoder.h."""

    _fields_ = native.fields(
        "l levels; p start last_mile name name_start service leg_days; l leg_steps carrier_pairs"
    )


def _hand_offs_struct(encoder: EncoderTables, hand_offs: HandOffs) -> _HandOffsStruct:
    """Hand-offs as the compiled code reads them; what it points to lives as long as it."""
    names = [utf8(name) for name in hand_offs.carriers]
    joined = b"".join(names)
    arrays: dict[str, NDArray[Any]] = {
        "start": np.cumsum(
            [0, *(len(level) for level in hand_offs.last_mile[:-1])], dtype=np.int64
        ),
        "last_mile": np.concatenate(hand_offs.last_mile).astype(np.int32),
        "name_start": np.cumsum([0, *map(len, names)], dtype=np.int64),
        "service": np.ascontiguousarray(encoder.last_mile_services, np.int32),
        "leg_days": np.ascontiguousarray(hand_offs.leg_days, np.float64),
    }
    struct = _HandOffsStruct(
        levels=len(hand_offs.last_mile),
        name=ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p),
        leg_steps=hand_offs.leg_days.shape[1] - 1,
        carrier_pairs=encoder.has_carrier_pairs,
        **{name: array.ctypes.data for name, array in arrays.items()},
    )
    struct.alive = (joined, arrays)
    return struct


class CompiledEncoder:
    """An encoder's keys, zones and calendars as the compiled code reads them. Immutable.

    Attributes:
        columns: the columns of text, in the order in which they are handed over.
        address: of the `etp_encoder`, valid while this object lives.
    """

    __slots__ = (
        "_alive",
        "_categorical",
        "_clocks",
        "_codes",
        "_levels",
        "_numbers",
        "_numeric",
        "_zone_column",
        "_zones",
        "address",
        "columns",
    )

    def __init__(
        self, encoder: EncoderTables, *, handling: Sequence[int], calendars: Sequence[Level]
    ) -> None:
        """Bind an encoder's tables.

        Args:
            handling: levels whose codes are repeated after those of all levels.
            calendars: the keys of the clocks, of the holidays at the destination and at the
                origin, and of the warehouses' calendars, coarse to fine.
        """
        self.columns = text_columns(encoder.categorical)
        if len(self.columns) + _DERIVED_TEXTS > _MAX_TEXTS or len(encoder.numeric) > _MAX_NUMBERS:
            raise ContractError(
                f"Found {len(encoder.categorical)} categorical and {len(encoder.numeric)} numeric "
                f"columns; expected fewer than {_MAX_TEXTS - len(TEXT_COLUMNS)} and no more than "
                f"{_MAX_NUMBERS}. Train with fewer."
            )
        derived = (_PREFIX, LAST_MILE, PICKUP_WEEKDAY)
        place = {name: number for number, name in enumerate((*self.columns, *derived))}
        hand_offs = encoder.hand_offs
        levels = (*encoder.levels, *calendars)
        if hand_offs is not None:
            levels = (*levels, *HAND_OFF_LEVELS, FIRST_LEG, CARRIER_PAIR)
        clocks = encoder.clocks
        holidays, warehouses = KeyTable(clocks.calendars), KeyTable(encoder.dispatch.keys)
        services = KeyTable(clocks.services)
        tables = [
            *(index.table for index in encoder.indexes),
            *(services, holidays, holidays),
            *[warehouses] * (len(calendars) - 3),
        ]
        handed_over = None
        if hand_offs is not None:
            tables += [KeyTable(keys) for keys in (*hand_offs.keys, hand_offs.leg_keys)]
            tables.append(services)
            handed_over = _hand_offs_struct(encoder, hand_offs)
        zones = ZoneTables(encoder.zones, clocks.first_day, clocks.last_day)
        keys = (KeysStruct * len(tables))(*(table.struct for table in tables))
        arrays = {
            "handling": np.array(handling, np.int64),
            "part_start": np.cumsum([0, *(len(level.columns) for level in levels)], dtype=np.int64),
            "part": np.array(
                [place[column] for level in levels for column in level.columns], np.int64
            ),
        }
        self._categorical, self._numeric = encoder.categorical, encoder.numeric
        self._clocks, self._zones = clocks, encoder.zones
        self._zone_column = place["destination_time_zone"]
        self._levels = len(encoder.levels)
        self._codes = self._levels + len(handling)
        self._numbers = _STANDARD_NUMBERS + len(encoder.numeric)
        names = encoder.level_names
        by_weekday, divided = next(
            (names.index(level.name), names.index(whole))
            for level in encoder.levels
            if (whole := by_pickup_weekday(level)) is not None
        )
        bound = _EncoderStruct(
            levels=len(encoder.levels),
            weekday_level=by_weekday,
            weekday_of=divided,
            handling_levels=len(handling),
            columns=len(self.columns),
            prefix_length=PREFIX_LENGTH,
            keys=ctypes.addressof(keys),
            numeric=len(encoder.numeric),
            destination_zone=self._zone_column,
            **{name: place[name] for name in TEXT_COLUMNS[:6]},
            calendars=len(clocks.holidays),
            own_places=any(map(is_place, clocks.calendars)),
            first_day=clocks.first_day,
            last_day=clocks.last_day,
            zones=ctypes.addressof(zones.struct),
            warehouse_levels=len(calendars) - 3,
            dispatch=encoder.dispatch.address,
            hand_offs=None if handed_over is None else ctypes.addressof(handed_over),
            disruptions=None if encoder.disruptions is None else encoder.disruptions.address,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        kept = (tables, zones, keys, arrays, bound, handed_over)
        self._alive = (*kept, encoder.dispatch, encoder.disruptions)
        self.address = ctypes.addressof(bound)

    def packed(
        self, fields: Mapping[str, Any], second: int
    ) -> tuple[bytes, bytes, bytes, tuple[str, ...]]:
        """A shipment, its further numbers and its texts, as `etp_encode` reads them.

        The last are values that could not be read, as ``name=value``.
        """
        self.require_extra(fields)
        fields, left_out = readable_fields(fields)
        normal = normal_places(fields)
        normal |= {name: NAMES.of(fields.get(name)) for name in ("carrier", "service")}
        texts = [
            normal[column] if column in normal else TEXTS.of(fields.get(column))
            for column in self.columns
        ]
        zone = texts[self._zone_column]
        if zone:
            texts[self._zone_column] = self._zones.zone(zone_name(zone) or zone).key
        # Whatever the texts contain: this byte is no part of UTF-8.
        text = _NEVER_IN_TEXT.join(map(utf8, texts))
        shipment = pack_shipment(
            second,
            len(text),
            _NEVER_IN_TEXT[0],
            quoted_day(fields.get("quoted_date")),
            *given_numbers(fields),
        )
        extra = struct.pack(
            f"={len(self._numeric)}d",
            *(normal_number(name, fields[name]) for name in self._numeric),
        )
        return shipment, extra, text, left_out

    def fields_of(self, text: bytes) -> dict[str, str | None]:
        """The columns that `packed` spelled; None for what was missing or empty.

        Args:
            text: of `packed`, or those of the standard columns joined by NUL.
        """
        parts = text.split(_NEVER_IN_TEXT) if _NEVER_IN_TEXT in text else text.split(b"\0")
        spelled_out = (part.decode("utf-8", "surrogatepass") or None for part in parts)
        return dict(zip(self.columns, spelled_out, strict=False))

    def encode(self, fields: Mapping[str, Any]) -> tuple[EncodedStruct, NDArray[np.int32], Floats]:
        """One shipment: what was found, its codes (L + H,) and its numbers (m,)."""
        shipment, extra, text, _ = self.packed(fields, utc_second(fields["ordered_at"]))
        found = EncodedStruct()
        code = np.zeros(self._codes, np.int32)
        number = np.zeros(self._numbers)
        status = _encode(
            self.address,
            *(shipment, extra, text, found, native.address(code), native.address(number)),
        )
        self.require_encoded(status, found.order_day)
        return found, code, number

    def require_encoded(self, status: int, order_day: int) -> None:
        """Refuse a shipment that the kernel did not take."""
        if status == OUTSIDE_CALENDARS:
            self._clocks.require_days(order_day, order_day)
        if status != FINE:
            raise ContractError(
                "Found values of a shipment that passed every check and still cannot be encoded; "
                "expected texts and numbers in their ranges. Report it with the shipment."
            )

    def encode_many(
        self,
        columns: Sequence[tuple[Ints, list[str]]],
        second: Ints,
        quoted: Floats,
        number: Floats,
        last_mile: NDArray[np.int32] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Many shipments.

        Args:
            columns: for each of `columns` (n,) positions into its different texts, and those.
            second: (n,) of the orders, UTC seconds since 1970-01-01.
            quoted: (n,) quoted dates, days since 1970-01-01, NaN where missing.
            number: (n, m) contiguous, with the numbers that are given; the others are written.
            last_mile: (n,) who was seen to take each over, 0 nobody; None: who usually does.

        Returns:
            (n, f) the fields of `EncodedStruct`, in their order; (n, L) codes.
        """
        for zone in columns[self._zone_column][1]:
            if zone:
                self._zones.zone(zone)
        count = len(second)
        alive, words = [], (_WordsStruct * len(columns))()
        for column, (place, texts) in enumerate(columns):
            spelled_out = [utf8(text) for text in texts]
            start = np.cumsum([0, *map(len, spelled_out)], dtype=np.int64)
            kept = np.ascontiguousarray(place, np.int32), start, b"".join(spelled_out)
            words[column] = _WordsStruct(
                kept[0].ctypes.data,
                start.ctypes.data,
                ctypes.cast(ctypes.c_char_p(kept[2]), ctypes.c_void_p),
            )
            alive.append(kept)
        found = np.empty((count, len(EncodedStruct._fields_)), np.int32)
        code = np.empty((count, self._levels), np.int32)
        second = np.ascontiguousarray(second, np.int64)
        quoted = np.ascontiguousarray(quoted, np.float64)
        taken = None if last_mile is None else np.ascontiguousarray(last_mile, np.int32)

        def work(part: slice) -> None:
            _encode_many(
                *(self.address, part.start, part.stop, ctypes.addressof(words)),
                *(second.ctypes.data, quoted.ctypes.data),
                None if taken is None else taken.ctypes.data,
                *(found.ctypes.data, code.ctypes.data, number.ctypes.data),
            )

        native.in_parts(count, work)
        if count:
            self._clocks.require_days(int(found[:, 0].min()), int(found[:, 0].max()))
        return found, code

    def zone_name(self, number: int, given: object) -> str:
        """The IANA name of a destination's zone: that of a number, or the one that was given."""
        if number >= 0:
            return self._zones.names[number]
        return zone_name(spelled(given)) or spelled(given)

    def require_extra(self, fields: Container[str]) -> None:
        """Refuse shipments without the extra columns that were trained with."""
        required = (*self._categorical, *self._numeric)
        lacking = [name for name in required if name not in fields]
        if lacking:
            raise ContractError(
                f"Found no {', '.join(lacking)}; this model was trained with "
                f"{', '.join(required)} as extra features. Give them (None where unknown), or "
                "train without them."
            )


def text_columns(categorical: Sequence[str]) -> tuple[str, ...]:
    """The columns of text, in the order in which they are handed over."""
    named = dict.fromkeys((*TEXT_COLUMNS, *categorical))
    for derived in (_PREFIX, LAST_MILE):
        named.pop(derived, None)
    return tuple(named)
