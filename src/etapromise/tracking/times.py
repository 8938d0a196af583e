"""Times and dates as files hold them: ISO 8601, local dialects, epochs, spreadsheet serials.

What is read is a wall clock with or without an offset, or a date without a clock. What that means
as a moment depends on a zone, which is decided where the place is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.array_types import MISSING, Ints, Mask
from etapromise.errors import ContractError
from etapromise.tracking.date_parts import (
    day_and_month,
    microseconds_of_clocks,
    microseconds_of_dates,
    months_of,
    named_parts,
    whole_numbers,
    years_of,
)
from etapromise.tracking.texts import in_one_piece
from etapromise.tracking.time_words import plain_time

DAY: Final = 86_400_000_000
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
# The furthest from UTC that a clock is.
_FURTHEST: Final = 14 * 60 * _MINUTE

# A clock time followed by Z or an offset. A date alone ends in "-05" too and is no offset.
_ZONED: Final = r":\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?)$|T\d{2,6}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$"
_ISO_DATE: Final = r"^\d{4}-?\d{2}-?\d{2}$"
# An offset with a blank before it, the words UTC and GMT, a zone in brackets behind an offset.
_BRACKETS: Final = r"\[[A-Za-z_/+\-0-9]+\]$"
_CLOCK: Final = (
    r"(?:[T,]?\s*(?:at\s+|um\s+|-\s+)?(?P<hour>\d{1,2})[:.hH](?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?\s*(?:Uhr)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
)
_OFFSET: Final = r"\s*(?P<offset>[zZ]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
# Letters without a count, whose repeats take 30 ms to compile; a word that is no month is no date.
_WEEKDAY: Final = r"(?:\p{L}+\.?,?\s+)?"
_FORMS: Final = tuple(
    f"^{form}{_CLOCK}{_OFFSET}$"
    for form in (
        r"(?P<first>\d{1,2})(?P<mark>[./-])\s?(?P<second_of>\d{1,2})[./-]\s?(?P<year>\d{4}|\d{2})",
        r"(?P<year>\d{4})[./-](?P<month>\d{1,2})[./-](?P<day>\d{1,2})",
        _WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[\s-]+(?:de\s+)?(?P<word>\p{L}+)\.?,?"
        r"[\s-]+(?:de\s+)?(?P<year>\d{4}|\d{2})",
        _WEEKDAY + r"(?P<word>\p{L}+)\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})",
    )
)

# Numbers that stand for times, and the first and last of them: from 1990 to 2100.
_EPOCHS: Final = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6))
_NANOSECONDS: Final = 10**9
_FIRST: Final = 631_152_000
_LAST: Final = 4_102_444_800
# As nanoseconds what .NET counts since the year 1 would be times of 1990.
_FIRST_NANOSECOND: Final = 662_688_000
# Days since 1899-12-30, as spreadsheets count.
_SERIAL_ZERO: Final = 25_569
_FIRST_SERIAL: Final = 32_874
_LAST_SERIAL: Final = 73_051
# So much of a column may be written otherwise than the rest.
_STRAYS: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class WallTimes:
    """n times as they were written.

    Attributes:
        wall: (n,) microseconds since 1970-01-01 00:00 on the clock that was written, `MISSING`
            where there is none; a date alone is its midnight.
        offset: (n,) microseconds that the clock is ahead of UTC, `MISSING` where not said; read
            only.
        plain: (n,) dates without a clock.
        unreadable: (n,) there, but no time.
        dialects: How values were read that were not ISO 8601, with how many.
    """

    wall: Ints
    offset: Ints
    plain: Mask
    unreadable: Mask
    dialects: tuple[tuple[str, int], ...] = ()

    @cached_property
    def zoned(self) -> Mask:
        """(n,) moments: an offset was said."""
        return np.asarray((self.offset != MISSING) & (self.wall != MISSING))

    @cached_property
    def naive(self) -> Mask:
        """(n,) clocks that do not say whose."""
        return np.asarray((self.wall != MISSING) & (self.offset == MISSING) & ~self.plain)

    @cached_property
    def utc(self) -> Ints:
        """(n,) microseconds since 1970 UTC where an offset was said, else `MISSING`."""
        if not self.offset.any():
            return self.wall
        # What overflows is not taken.
        return np.where(self.zoned, self.wall - self.offset, MISSING)


def at_midnight(moments: Ints) -> Mask:
    """(n,) which moments are a midnight."""
    return np.asarray((moments % DAY == 0) & (moments != MISSING))


def few_of(strays: int, values: int) -> bool:
    """Whether so many of a column's values are strays, which cost their rows and no more."""
    return strays <= _STRAYS * values


def read_wall_times(array: pa.ChunkedArray, name: str, *, written: Mask | None = None) -> WallTimes:
    """Times of any stored type.

    Args:
        array: Timestamps, dates, text, whole numbers or floats (epochs, spreadsheet serials).
        name: Of the column, for messages.
        written: (n,) which rows' formats are known: what is not ISO 8601 is none of them, and is
            not read as what it looks like.

    Raises:
        ContractError: The column holds no times, or dates that may be read in two ways.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pt.is_null(kind):
        return _nothing(len(array))
    if pt.is_timestamp(kind):
        return _typed_clocks(array)
    if pt.is_date(kind):
        days = _microseconds(array.cast(pa.timestamp("us"), safe=False))
        return _plain(days)
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return _numbered(array.cast(pa.float64(), safe=False), name)
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return _text_clocks(array.cast(pa.large_string()), name, written)
    raise ContractError(
        f"column {name} is of type {kind}, expected zone-aware times; convert the column"
    )


def _nothing(n: int) -> WallTimes:
    missing = np.full(n, MISSING, np.int64)
    none = np.zeros(n, dtype=bool)
    return WallTimes(wall=missing, offset=missing, plain=none, unreadable=none)


def _plain(days: Ints) -> WallTimes:
    there = days != MISSING
    return WallTimes(
        wall=days,
        offset=np.full(len(days), MISSING, np.int64),
        plain=there,
        unreadable=np.zeros(len(days), dtype=bool),
    )


def _microseconds(array: pa.ChunkedArray) -> Ints:
    stamps = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64())
    if stamps.null_count:
        stamps = pc.fill_null(stamps, MISSING)
    return np.asarray(stamps.to_numpy(), dtype=np.int64)


def _typed_clocks(array: pa.ChunkedArray) -> WallTimes:
    utc = _microseconds(array)
    none = np.zeros(len(utc), dtype=bool)
    zone = array.type.tz
    if zone is None:
        return WallTimes(
            wall=utc, offset=np.full(len(utc), MISSING, np.int64), plain=none, unreadable=none
        )
    if zone.upper() in {"UTC", "Z", "+00:00", "ETC/UTC", "GMT"}:
        offset = np.broadcast_to(np.int64(0), len(utc))
        return WallTimes(wall=utc, offset=offset, plain=none, unreadable=none)
    local = pd.DatetimeIndex(utc.view("datetime64[us]")).tz_localize("UTC").tz_convert(zone)
    wall = local.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
    missing = utc == MISSING
    wall = np.where(missing, MISSING, wall)
    return WallTimes(
        wall=wall, offset=np.where(missing, MISSING, wall - utc), plain=none, unreadable=none
    )


def _numbered(array: pa.ChunkedArray, name: str) -> WallTimes:
    """Epochs, spreadsheet serials and YYYYMMDD: their numbers lie far apart."""
    number = np.asarray(pc.fill_null(array, np.nan).to_numpy(), dtype=np.float64)
    there = ~np.isnan(number)
    wall = np.full(len(number), MISSING, np.int64)
    offset, plain = wall.copy(), np.zeros(len(number), dtype=bool)
    dialects = []
    for what, factor in (*_EPOCHS, ("nanoseconds", _NANOSECONDS)):
        first = _FIRST if factor < _NANOSECONDS else _FIRST_NANOSECOND
        rows = there & (number >= first * factor) & (number < _LAST * factor)
        if rows.any():
            counted = number[rows]
            whole = counted.astype(np.int64)
            if factor <= _SECOND:
                scale = _SECOND // factor
                part = np.round((counted - whole) * scale).astype(np.int64)
                wall[rows] = whole * scale + part
            else:
                wall[rows] = whole // (factor // _SECOND)
            offset[rows] = 0
            dialects.append((f"{what} since 1970 UTC", int(rows.sum())))
    rows = there & (number >= _FIRST_SERIAL) & (number < _LAST_SERIAL)
    if rows.any():
        # Spreadsheets keep fractions of days; a second is 0.0000116 of them.
        seconds = np.round((number[rows] - _SERIAL_ZERO) * 86_400).astype(np.int64)
        wall[rows] = seconds * _SECOND
        plain[rows] = number[rows] == np.floor(number[rows])
        dialects.append(("spreadsheet serial numbers", int(rows.sum())))
    rows = there & (number >= 19_900_101) & (number < 21_000_101) & (number % 1 == 0)
    if rows.any():
        text = pd.Series(number[rows].astype(np.int64).astype(str))
        dates = pd.to_datetime(text, format="%Y%m%d", errors="coerce").to_numpy()
        days = dates.astype("datetime64[us]").view(np.int64)
        wall[rows] = days
        plain[rows] = days != MISSING
        dialects.append(("dates as YYYYMMDD", int((days != MISSING).sum())))
    unreadable = there & (wall == MISSING)
    if there.any() and unreadable.all():
        raise ContractError(
            f"column {name} is of type {array.type}, with numbers such as "
            f"{number[there][0]:g} that are no epoch from 1990 to 2100, no spreadsheet serial and "
            "no YYYYMMDD; expected zone-aware times. Convert the column"
        )
    return WallTimes(
        wall=wall, offset=offset, plain=plain, unreadable=unreadable, dialects=tuple(dialects)
    )


def _text_clocks(text: pa.ChunkedArray, name: str, written: Mask | None) -> WallTimes:
    text = pc.utf8_trim_whitespace(text)
    empty = pc.or_kleene(
        pc.equal(text, ""),
        pc.is_in(pc.utf8_lower(text), pa.array(_NO_TIME, pa.large_string())),
    )
    text = pc.if_else(empty, pa.scalar(None, pa.large_string()), text)
    there = np.asarray(pc.is_valid(text).to_numpy(), dtype=bool)
    dated = _matches(text, _ISO_DATE)
    values = pd.to_datetime(text.to_pandas(), format="ISO8601", errors="coerce", utc=True)
    utc = values.dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64).copy()
    _read_ends_of_days(text, utc, there & (utc == MISSING))
    _read_far_years(text, utc, there & (utc == MISSING))
    readable = utc != MISSING
    zoned = _matches(text, _ZONED) & readable
    plain = dated & readable
    offset = np.where(zoned, 0, MISSING)
    wall = utc
    if zoned.any():
        # The clock that was written is kept: whether all of them are midnights matters.
        offset[zoned] = _offsets(text.filter(pa.array(zoned)))
        wall = np.where(zoned, utc + np.where(zoned, offset, 0), utc)
        # 14:00-15:00 is a window of hours: no clock is so far from UTC.
        nowhere = zoned & (np.abs(offset) > _FURTHEST)
        wall, offset = (np.where(nowhere, MISSING, one) for one in (wall, offset))
        zoned, readable = zoned & ~nowhere, readable & ~nowhere
    rest = there & ~readable if written is None else there & ~readable & ~written
    dialects: list[tuple[str, int]] = []
    if rest.any():
        few = few_of(int(rest.sum()), int(there.sum()))
        other = _dialect_clocks(text.filter(pa.array(rest)), name, few=few)
        wall[rest], offset[rest], plain[rest] = other.wall, other.offset, other.plain
        dialects = list(other.dialects)
    return WallTimes(
        wall=wall,
        offset=offset,
        plain=plain,
        unreadable=there & (wall == MISSING),
        dialects=tuple(dialects),
    )


def _read_ends_of_days(text: pa.ChunkedArray, utc: Ints, unread: Mask) -> None:
    """Put the moments that ISO 8601 writes as 24:00, the midnight after a day, into `utc`."""
    late = unread & _matches(text, _END_OF_DAY) if unread.any() else unread
    if late.any():
        midnight = pc.replace_substring_regex(text.filter(pa.array(late)), "[T ]24", "T00")
        read = pd.to_datetime(midnight.to_pandas(), format="ISO8601", errors="coerce", utc=True)
        next_day = read.dt.tz_localize(None).to_numpy() + np.timedelta64(1, "D")
        utc[late] = next_day.astype("datetime64[us]").view(np.int64)


def _read_far_years(text: pa.ChunkedArray, utc: Ints, unread: Mask) -> None:
    """Put the moments of years that nanoseconds, all that pandas 2 has, do not reach into `utc`."""
    if not unread.any():
        return
    for row in np.flatnonzero(unread & _matches(text, _FAR_YEAR)).tolist():
        try:
            moment = datetime.fromisoformat(text[row].as_py())
        except ValueError:
            continue
        known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        utc[row] = (known - _EPOCH) // timedelta(microseconds=1)


_END_OF_DAY: Final = r"^\d{4}-\d\d-\d\d[T ]24:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?$"
_FAR_YEAR: Final = r"^(0\d{3}|1[0-5]\d\d|16[0-7]\d|22[6-9]\d|2[3-9]\d\d|[3-9]\d{3})-"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME: Final = (
    "null",
    "none",
    "nan",
    "nat",
    "na",
    "n/a",
    "-",
    "--",
    "<na>",
    "\\n",
    "(null)",
    "0",
)


def _matches(text: pa.ChunkedArray, pattern: str) -> Mask:
    found = pc.fill_null(pc.match_substring_regex(text, pattern), fill_value=False)
    return np.asarray(found.to_numpy(), dtype=bool)


def _offsets(text: pa.ChunkedArray) -> Ints:
    """Microseconds ahead of UTC of texts that end in an offset."""
    found = pc.extract_regex(text, r"(?P<offset>[zZ]|[+-]\d{2}:?\d{0,2})$")
    return _offsets_of(pc.struct_field(found, "offset"))


def _offsets_of(words: pa.ChunkedArray) -> Ints:
    coded = in_one_piece(pc.dictionary_encode(words))
    table = np.array(
        [_offset_of(word) for word in coded.dictionary.to_pylist()] + [MISSING], dtype=np.int64
    )
    offsets: Ints = table[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]
    return offsets


def _offset_of(word: str | None) -> int:
    if not word:
        return MISSING
    if word.upper() in {"Z", "UTC", "GMT"}:
        return 0
    digits = word[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (minutes if word[0] == "+" else -minutes) * _MINUTE


def _dialect_clocks(text: pa.ChunkedArray, name: str, *, few: bool) -> WallTimes:
    """Texts that are no ISO 8601: each form tried on what is left.

    Args:
        few: Whether they are few of their column: none is read that may be read in two ways, where
            otherwise all would be refused.
    """
    text = pc.replace_substring_regex(text, _BRACKETS, "")
    words = in_one_piece(pc.dictionary_encode(text))
    plain_words = [plain_time(word) for word in words.dictionary.to_pylist()]
    text = pa.chunked_array([pa.array(plain_words, pa.large_string()).take(words.indices)])
    n = len(text)
    empty = _nothing(n)
    wall, offset, plain = empty.wall.copy(), empty.offset.copy(), empty.plain.copy()
    dialects: list[tuple[str, int]] = []
    number = _matches(text, r"^\d{4,19}([.,]\d+)?$")
    if number.any():
        values = pc.replace_substring(text.filter(pa.array(number)), ",", ".").cast(pa.float64())
        try:
            counted = _numbered(values, name)
        except ContractError:
            counted = _nothing(int(number.sum()))
        wall[number], offset[number], plain[number] = counted.wall, counted.offset, counted.plain
        dialects += counted.dialects
    for place, form in enumerate(_FORMS):
        rows = np.flatnonzero((wall == MISSING) & ~number)
        if not len(rows):
            break
        found = pc.extract_regex(text.take(pa.array(rows)), form)
        rows = rows[found.is_valid().to_numpy()]
        if not len(rows):
            continue
        parts = named_parts(found.drop_null())
        if place == 0:
            day, month, said = day_and_month(parts, name, few=few)
        else:
            day, said = whole_numbers(parts["day"]), "dates in other words"
            month = whole_numbers(parts["month"]) if place == 1 else months_of(parts["word"])
        days, valid = microseconds_of_dates(years_of(parts["year"]), month, day)
        clock, has_clock = microseconds_of_clocks(parts)
        away = np.where(has_clock, _offsets_of(_arrow(parts["offset"])), MISSING)
        valid &= (clock != MISSING) & ((away == MISSING) | (np.abs(away) <= _FURTHEST))
        rows = rows[valid]
        wall[rows] = (days + clock)[valid]
        offset[rows] = away[valid]
        plain[rows] = ~has_clock[valid]
        if len(rows):
            dialects.append((said, len(rows)))
    return WallTimes(
        wall=wall,
        offset=offset,
        plain=plain,
        unreadable=wall == MISSING,
        dialects=tuple(dialects),
    )


def _arrow(words: pd.Series[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(words, pa.large_string(), from_pandas=True)])
