"""The levels at which history is gathered, from the whole network down to one lane of one service.

A level is a tuple of columns; a key is one combination of their values. Fine levels hold little
evidence and lean on the coarser ones before them, so an unseen carrier, lane or postcode needs no
special case: its key is unknown, its row says "no evidence", and the coarser levels speak.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Ints
from etapromise.errors import ContractError, ModelFileError
from etapromise.stored_arrays import different_texts

if TYPE_CHECKING:
    import pandas as pd

PREFIX_LENGTH = 3
LAST_MILE: Final = "hand_off_carrier"
"""The column of who brings a parcel that its own carrier usually hands over; derived."""
PICKUP_WEEKDAY: Final = "pickup_weekday"
"""The column of the weekday of the soonest pick-up, Monday 0; derived."""
_WEEKDAYS: Final = 7
_SEPARATOR = "\x1f"
_ESCAPE = "\x1a"


@dataclass(frozen=True)
class Level:
    """One level of detail.

    Attributes:
        name: How features and tables call it.
        columns: Columns of a shipment that make its key; `destination_prefix` is derived.
    """

    name: str
    columns: tuple[str, ...]


# Coarse to fine: each level explains what the levels before it left unexplained.
LEVELS: tuple[Level, ...] = (
    Level("network", ()),
    Level("carrier", ("carrier",)),
    Level("service", ("carrier", "service")),
    Level("destination_country", ("destination_country",)),
    Level("destination_region", ("destination_country", "destination_region")),
    Level("destination_prefix", ("destination_country", "destination_prefix")),
    Level("destination", ("destination_country", "destination")),
    Level("origin_region", ("origin_country", "origin_region")),
    Level("origin", ("origin_country", "origin")),
    Level("origin_service", ("origin_country", "origin", "carrier", "service")),
    Level(
        "region_lane",
        ("origin_country", "origin_region", "destination_country", "destination_region"),
    ),
    Level("service_region", ("carrier", "service", "destination_country", "destination_region")),
    Level(
        "service_lane",
        (
            *("carrier", "service", "origin_country", "origin"),
            *("destination_country", "destination_region"),
        ),
    ),
    # A region that is served on some days of the week only: how long a parcel waits for the next of
    # them hangs on the day on which it is fetched.
    Level(
        "service_region_weekday",
        ("carrier", "service", "destination_country", "destination_region", PICKUP_WEEKDAY),
    ),
)
SERVICE_LEVEL: Final = 2
"""The place of the level "service" in LEVELS."""
_WEEKDAY_LEVELS: Final = {"service_region_weekday": "service_region"}


# Handling is the warehouse's doing, and the pick-up the carrier's: no destination has a say in it.
HANDLING_LEVELS: Final = tuple(
    position
    for position, level in enumerate(LEVELS)
    if level.name in {"network", "carrier", "service", "origin_region", "origin", "origin_service"}
)

# Of the way only the present pace of the network and of services is asked; what lanes usually take
# has to be explained, else the pace would move with which lanes are ordered on.
WAY_LEVELS: Final = tuple(
    position
    for position, level in enumerate(LEVELS)
    if level.name
    in {"network", "carrier", "service", "destination_region", "service_region", "service_lane"}
)


JOURNEY: Final = Level(
    "journey",
    ("carrier", "service", "origin_country", "origin", "destination_country", "destination"),
)
"""Parcels that are alike in these, and in the date of their order, may well share a truck."""

# Where parcels change hands: who brings them to a region, whoever had them first, and the pair. The
# parcels that keep their carrier share a key of each region, or of the carrier in it.
LAST_MILE_LEVELS: Final = (
    Level("taker_region", (LAST_MILE, "destination_country", "destination_region")),
    Level("relay_region", ("carrier", LAST_MILE, "destination_country", "destination_region")),
)


def levels_with(categorical: Sequence[str], *, hand_offs: bool = False) -> tuple[Level, ...]:
    """The standard levels, and one for each further categorical column, such as a category."""
    further = tuple(Level(name, (name,)) for name in categorical)
    return LEVELS + further + (LAST_MILE_LEVELS if hand_offs else ())


def by_pickup_weekday(level: Level) -> str | None:
    """The level that this one divides by the weekday of the pick-up; None: it does not."""
    return _WEEKDAY_LEVELS.get(level.name)


def weekday_rows(rows: NDArray[np.int32], weekday: Ints) -> NDArray[np.int32]:
    """(n,) rows of a level by weekday, by those of the level that it divides.

    What `etp_weekday_row` of native/encoder.h does with one.

    Args:
        rows: (n,) 0 where the key was never seen.
        weekday: (n,) of the soonest pick-up, Monday 0.
    """
    return np.where(rows > 0, _WEEKDAYS * (rows - 1) + weekday + 1, 0).astype(np.int32)


class KeyPlan:
    """Spells the keys of one shipment at several levels, each column once. Immutable."""

    __slots__ = ("_columns", "_positions", "_prefix")

    def __init__(self, levels: Sequence[Level]) -> None:
        columns = list(dict.fromkeys(column for level in levels for column in level.columns))
        self._prefix = "destination_prefix" in columns
        if self._prefix:
            # Derived, so it comes last.
            columns.remove("destination_prefix")
            if "destination" not in columns:
                columns.append("destination")
        self._columns = tuple(columns)
        numbered = {column: place for place, column in enumerate(columns)}
        numbered["destination_prefix"] = len(columns)
        self._positions = tuple(
            tuple(numbered[column] for column in level.columns) for level in levels
        )

    def keys(self, fields: Mapping[str, Any]) -> list[str]:
        """The key at each level; a missing value counts as an empty one."""
        texts = []
        for column in self._columns:
            value = fields.get(column)
            if value is None:
                texts.append("")
            else:
                texts.append(value if type(value) is str else spelled(value))
        if self._prefix:
            texts.append(texts[self._columns.index("destination")][:PREFIX_LENGTH])
        return [
            texts[places[0]]
            if len(places) == 1
            else _SEPARATOR.join([texts[place] for place in places])
            for places in self._positions
        ]


def spelled(value: Any) -> str:
    """A value as it stands in keys: without what separates their parts."""
    # A whole number in a column with gaps is stored as a float; it is the same key.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if _SEPARATOR in text or _ESCAPE in text:
        # Different names stay different.
        text = text.replace(_ESCAPE, f"{_ESCAPE}0").replace(_SEPARATOR, f"{_ESCAPE}1")
    return text


def level_keys(frame: pd.DataFrame, levels: Sequence[Level]) -> list[tuple[Ints, list[str]]]:
    """The keys of many shipments, each distinct one spelled out once.

    Args:
        frame: (n,) shipments; a column that is absent counts as missing everywhere.

    Returns:
        For each level, (n,) positions into a list of its distinct keys, and that list.
    """
    columns: dict[str, tuple[Ints, list[str]]] = {}
    for column in {column for level in levels for column in level.columns}:
        is_prefix = column == "destination_prefix"
        codes, texts = distinct_texts(frame, "destination" if is_prefix else column)
        if is_prefix:
            beginnings = [text[:PREFIX_LENGTH] for text in texts]
            prefix, shorter = _numbered(beginnings, [False] * len(beginnings))
            codes, texts = prefix[codes], shorter
        columns[column] = codes, texts
    return [
        _combined([columns[column] for column in level.columns], len(frame)) for level in levels
    ]


def distinct_texts(frame: pd.DataFrame, column: str) -> tuple[Ints, list[str]]:
    """A column as it stands in keys: (n,) positions into its different texts, and those.

    Where it is absent or says nothing the text is empty.
    """
    if column not in frame.columns:
        return np.zeros(len(frame), np.int64), [""]
    try:
        codes, values = _factorized(frame[column])
    except (TypeError, ArithmeticError) as error:  # a list; a signalling NaN
        raise ContractError(
            f"Found values in column {column} that are no texts ({error}); expected names or "
            "codes, missing where unknown. Read the table with tracking.read_shipments."
        ) from error
    texts = [*(spelled(value) for value in values), ""]
    return np.where(codes < 0, len(values), codes).astype(np.int64), texts


def _factorized(column: pd.Series[Any]) -> tuple[Ints, list[Any]]:
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    if column.dtype == np.dtype(object):
        return _numbered(column.tolist(), column.isna().tolist())
    codes, values = pd.factorize(column, use_na_sentinel=True)
    return codes.astype(np.int64), values.tolist()


def _numbered(values: list[Any], missing: list[bool]) -> tuple[Ints, list[Any]]:
    # To pandas 2, objects are one text that differ after a zero byte only.
    place: dict[Any, int] = {}
    codes = [
        -1 if nothing else place.setdefault(value, len(place))
        for value, nothing in zip(values, missing, strict=True)
    ]
    return np.array(codes, np.int64), list(place)


def _combined(parts: list[tuple[Ints, list[str]]], count: int) -> tuple[Ints, list[str]]:
    import pandas as pd  # noqa: PLC0415 — the quote path must not load pandas

    if not parts:
        return np.zeros(count, np.int64), [""]
    codes, texts = parts[0]
    for more, words in parts[1:]:
        # Re-numbered at each step, so that the product of the sizes never overflows.
        pairs, distinct = pd.factorize(codes * len(words) + more)
        texts = [
            f"{texts[pair // len(words)]}{_SEPARATOR}{words[pair % len(words)]}"
            for pair in distinct.tolist()
        ]
        codes = pairs.astype(np.int64)
    return codes, texts


class KeyIndex:
    """Which row of a level's table belongs to which key; row 0 stands for every key never seen."""

    __slots__ = ("keys", "table")

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        self.table = KeyTable(self.keys)

    def __len__(self) -> int:
        """How many rows the table has, row 0 included."""
        return len(self.keys) + 1

    def rows(self, positions: Ints, keys: Sequence[str]) -> NDArray[np.int32]:
        """The rows of many shipments from `level_keys`, (n,)."""
        return self.table.rows(keys)[positions]


def level_indexes(levels: Sequence[Level], keys: Mapping[str, Sequence[str]]) -> list[KeyIndex]:
    """The indexes of all levels.

    Args:
        keys: by the names of the levels, but of those by weekday: these have seven of each key of
            the level that they divide.
    """
    indexes = []
    for level in levels:
        divided = by_pickup_weekday(level)
        if divided is None:
            own = keys[level.name]
        else:
            own = [f"{key}{_SEPARATOR}{day}" for key in keys[divided] for day in range(_WEEKDAYS)]
        indexes.append(KeyIndex(own))
    return indexes


def stored_indexes(file: str, values: Any, levels: Sequence[Level]) -> list[KeyIndex]:
    """The indexes of a model's file of keys."""
    told = [level for level in levels if by_pickup_weekday(level) is None]
    names = [level.name for level in told]
    if not isinstance(values, dict) or list(values) != names:
        found = list(values) if isinstance(values, dict) else type(values).__name__
        raise ModelFileError(
            f"Found the levels {found} in {file}; expected {names}. Copy the model again from "
            "where it was trained, or train again."
        )
    keys = {
        level.name: stored_keys(f"the level {level.name} of {file}", values[level.name], (level,))
        for level in told
    }
    return level_indexes(levels, keys)


def stored_keys(place: str, values: Any, levels: Sequence[Level]) -> tuple[str, ...]:
    """Keys of a model's files, each of one of `levels`, and none twice."""
    keys = different_texts(place, list(values) if isinstance(values, tuple) else values)
    separators = {max(len(level.columns) - 1, 0) for level in levels}
    for key in keys:
        if key.count(_SEPARATOR) not in separators:
            raise ModelFileError(
                f"Found the key {key!r} in {place}; expected {max(separators) + 1} parts with "
                "U+001F between them. Copy the model again, or train again."
            )
    return keys


def sorted_keys(positions: Ints, keys: Sequence[str]) -> tuple[Ints, list[str]]:
    """What `level_keys` found, with the keys in an order that does not depend on the rows'.

    Args:
        keys: one may stand there more than once.
    """
    distinct = sorted(set(keys))
    rank = {key: place for place, key in enumerate(distinct)}
    return np.array([rank[key] for key in keys], np.int64)[positions], distinct


# Which row of a table belongs to which key, for the compiled code.


class KeysStruct(ctypes.Structure):
    """`etp_keys` of native/keys.h."""

    _fields_ = native.fields("p bytes start slot; l mask")


_build = native.function("etp_keys_build", "", "pl")
_rows = native.function("etp_keys_rows", "", "plspp")


class KeyTable:
    """A hash table of keys, numbered from 1 in their order. Immutable."""

    __slots__ = ("_alive", "struct")

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        """Number the keys; of equal ones the last counts."""
        joined, start = _joined(keys)
        slots = 1 << (2 * len(keys) + 1).bit_length()
        slot = np.zeros(slots, np.int32)
        self._alive = (joined, start, slot)
        self.struct = KeysStruct(
            bytes=ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p),
            start=start.ctypes.data,
            slot=slot.ctypes.data,
            mask=slots - 1,
        )
        _build(ctypes.addressof(self.struct), len(keys))

    def rows(self, keys: Sequence[str]) -> NDArray[np.int32]:
        """(n,) the numbers of many keys, 0 where there is no such key."""
        joined, start = _joined(keys)
        out = np.empty(len(keys), np.int32)
        _rows(ctypes.addressof(self.struct), len(keys), joined, start.ctypes.data, out.ctypes.data)
        return out


def _joined(keys: Sequence[str | bytes]) -> tuple[bytes, Ints]:
    """The keys one after another in UTF-8, and (n + 1,) where each starts."""
    encoded = [key if isinstance(key, bytes) else utf8(key) for key in keys]
    start = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=start[1:])
    return b"".join(encoded), start


def utf8(text: str) -> bytes:
    """A text as the compiled code compares it; half of a surrogate pair is a character like any."""
    return text.encode("utf-8", "surrogatepass")
