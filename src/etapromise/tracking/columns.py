"""One column of the contract: from whatever the file stores to the type the library works with.

A stored type that can never hold such values (a boolean weight) is a fault of the table and raises;
a value that cannot be read is a fault of its row, or, in an optional column, left empty and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.array_types import MISSING, Mask
from etapromise.errors import ContractError
from etapromise.normal_forms.numbers import read_number
from etapromise.normal_forms.texts import normal_text
from etapromise.normal_forms.zones import is_time_zone
from etapromise.tracking.texts import are_plain, coded, of_floats
from etapromise.tracking.times import DAY, WallTimes, few_of, read_wall_times

# A whole number that went through a float is exact below this only.
_EXACT: Final = 2**53
NOON: Final = DAY // 2
# Microseconds since 1970 of the days that every zone's clock has.
_FIRST_LOCAL: Final = (date.min.toordinal() + 2 - date(1970, 1, 1).toordinal()) * DAY
_LAST_LOCAL: Final = (date.max.toordinal() - 2 - date(1970, 1, 1).toordinal()) * DAY
"""Where in its day a date without a clock stands: no zone makes it another day."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A column that was read.

    Attributes:
        series: (n,), missing where there was nothing or nothing readable.
        unreadable: Mask of the values that were there and could not be read, (n,).
    """

    series: pd.Series[Any]
    unreadable: Mask


@dataclass(frozen=True, kw_only=True)
class ReadTimes(Read):
    """A column of moments that was read.

    Attributes:
        clocks: What was written.
        zoneless: Mask of the few clock times of which nothing says the zone, (n,).
    """

    clocks: WallTimes
    zoneless: Mask


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A column of words in their normal form.

    Attributes:
        column: (n,) text, null where there is nothing.
        changed: How many rows hold another text than before.
        emptied: How many hold nothing any more: placeholders.
        pairs: For each distinct word that changed, what it was and what it is ("" for nothing).
    """

    column: pa.ChunkedArray
    changed: int
    emptied: int
    pairs: tuple[tuple[str, str], ...]


def require_time_zone(name: str) -> None:
    """Raises: ContractError: ``name`` is not an IANA time zone."""
    if not is_time_zone(name):
        raise ContractError(
            f"found time zone {name!r}, expected an IANA name such as 'Europe/Berlin'; "
            "abbreviations such as 'CET' or 'PST' do not say where"
            if str(name).isupper()
            else f"found time zone {name!r}, expected an IANA name such as 'Europe/Berlin'"
        )


def read_text(array: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Text without surrounding blanks, null where nothing is left; whole numbers as their digits.

    A dictionary stays one, so that repeated words are read once.

    Raises:
        ContractError: The column holds neither text nor whole numbers.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        return _dictionary_text(array.unify_dictionaries(), name)
    if (pt.is_string(kind) or pt.is_large_string(kind)) and are_plain(array):
        return array
    if pt.is_floating(kind):
        array = _whole_numbers(array, name)
    elif not (_is_text(kind) or pt.is_integer(kind) or pt.is_null(kind)):
        raise _wrong_type(name, kind, "text")
    trimmed = pc.utf8_trim_whitespace(array.cast(pa.large_string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.large_string()), trimmed)


def _whole_numbers(array: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """What pandas makes of a column of whole numbers with gaps, as whole numbers again."""
    most = pc.max(pc.abs(array)).as_py()
    if most is not None and most >= _EXACT:
        raise ContractError(
            f"column {name} is of type {array.type} and holds {most:.0f}, expected text: from "
            "2**53 on a float has lost digits, so that one id becomes another. Keep the column as "
            "text where it is exported, or read it as text"
        )
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise _wrong_type(name, array.type, "text") from error


def _dictionary_text(array: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if not array.num_chunks:
        return read_text(pa.chunked_array([], array.type.value_type), name)
    words = read_text(pa.chunked_array([array.chunk(0).dictionary]), name).combine_chunks()
    if isinstance(words, pa.ChunkedArray):
        words = pa.concat_arrays(words.chunks) if words.num_chunks else pa.array([], words.type)
    if words.null_count:
        # Elsewhere a value is missing only where its position is.
        return pa.chunked_array([words.take(chunk.indices) for chunk in array.chunks], words.type)
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(chunk.indices, words) for chunk in array.chunks]
    )


def rewritten(column: pa.ChunkedArray, form: Callable[[str], str | None]) -> Rewritten:
    """A column of `read_text` with each distinct word in its normal form."""
    codes, words = coded(column)
    forms = [form(word) for word in words]
    return spread(column, codes, words, forms)


def spread(
    column: pa.ChunkedArray,
    codes: npt.NDArray[np.int32],
    words: list[str],
    forms: list[str | None],
) -> Rewritten:
    """The column whose (n,) ``codes`` point at words, -1 at none, with the words' ``forms``."""
    differ = np.array([form != word for word, form in zip(words, forms, strict=True)] + [False])
    if not differ.any():
        return Rewritten(column=column, changed=0, emptied=0, pairs=())
    distinct = list(dict.fromkeys(form for form in forms if form is not None))
    place = {form: number for number, form in enumerate(distinct)}
    table = np.array([-1 if form is None else place[form] for form in forms] + [-1], np.int32)
    new = table[codes]
    missing = new < 0
    indices = pa.array(new, mask=missing if missing.any() else None)
    texts = pa.array(distinct, pa.large_string())
    counted = np.bincount(codes[codes >= 0], minlength=len(words))
    gone = np.array([form is None for form in forms], dtype=bool)
    changed = differ[:-1] & ~gone & (counted > 0)
    return Rewritten(
        column=pa.chunked_array([texts.take(indices)]),
        changed=int(counted[changed].sum()),
        emptied=int(counted[gone].sum()) if gone.any() else 0,
        pairs=tuple(
            (words[k], forms[k] or "") for k in np.flatnonzero(differ[:-1] & (counted > 0)).tolist()
        ),
    )


def read_identifiers(array: pa.ChunkedArray, name: str) -> tuple[Rewritten, Mask]:
    """Ids in their normal form, and which went through a float and may be another's, (n,).

    Raises:
        ContractError: as for `read_text`, or floats from 2**53 on.
    """
    said = (pt.is_string(array.type) or pt.is_large_string(array.type)) and are_plain(
        array, said=True
    )
    text = array if said else read_text(array, name)
    found = Rewritten(column=text, changed=0, emptied=0, pairs=())
    inexact = np.zeros(len(text), dtype=bool)
    if pt.is_integer(array.type) or pt.is_floating(array.type):
        return found, inexact
    flat = text.cast(pa.large_string()) if pt.is_dictionary(text.type) else text
    if not (said or are_plain(flat.drop_null() if flat.null_count else flat, said=True)):
        found = rewritten(flat, normal_text)
        flat = found.column
    through = of_floats(flat)
    if through is None:
        return found, inexact
    values = [
        float(value.replace(",", ".")) for value in flat.filter(pa.array(through)).to_pylist()
    ]
    digits = [
        str(int(value)) if value < _EXACT and value.is_integer() else None for value in values
    ]
    inexact[through] = [digit is None for digit in digits]
    whole = flat.to_pandas().astype(object)
    whole[through] = digits
    column = pa.chunked_array([pa.array(whole, pa.large_string(), from_pandas=True)])
    return replace(found, column=column), inexact


def read_times(
    array: pa.ChunkedArray,
    name: str,
    naive_time_zone: str | None,
    zones: npt.NDArray[np.object_] | None = None,
    written: Mask | None = None,
) -> ReadTimes:
    """Moments as datetime64[us, UTC].

    A date without a clock is noon UTC of its day until its place is known, so that it stays that
    day wherever that may be.

    Args:
        array: Timestamps, text, epochs, spreadsheet serials.
        naive_time_zone: IANA zone of times that carry none. An hour that the clock went through
            twice is taken as the first; one that it skipped, as the moment after the gap.
        zones: (n,) IANA zone of each row's clock, None where not said; goes before
            ``naive_time_zone``.
        written: (n,) which rows' formats are known, so that none is guessed.

    Raises:
        ContractError: The column holds no times, or more than a few naive ones while no zone is
            named.
    """
    clocks = read_wall_times(array, name, written=written)
    moments = clocks.utc
    naive = clocks.naive
    zoneless = _none(len(moments))
    if clocks.plain.any() or naive.any():
        moments = moments.copy()
    if clocks.plain.any():
        moments[clocks.plain] = clocks.wall[clocks.plain] + NOON
    if naive.any():
        named = np.full(len(moments), naive_time_zone, dtype=object)
        if zones is not None:
            named = np.where(pd.isna(zones), named, zones)
        lacking = naive & pd.isna(named)
        zoneless = lacking if few_of(lacking.sum(), (clocks.wall != MISSING).sum()) else zoneless
        if lacking.any() and not zoneless.any():
            first = pd.Timestamp(clocks.wall[int(np.argmax(lacking))], unit="us")
            raise ContractError(
                f"column {name} holds times without a time zone, such as {first}, expected "
                "zone-aware times; write the offset into them or name their zone with "
                "naive_time_zone="
            )
        moments[naive] = MISSING
        told = naive & ~lacking
        moments[told] = localized(clocks.wall[told], named[told])
    series = pd.Series(moments.view("datetime64[us]")).dt.tz_localize("UTC")
    return ReadTimes(series=series, unreadable=clocks.unreadable, clocks=clocks, zoneless=zoneless)


def localized(wall: npt.NDArray[np.int64], zones: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 UTC of clocks (n,) in IANA zones (n,).

    An hour that the clock went through twice is taken as the first; one that it skipped, as the
    moment after the gap.
    """
    # At the ends of the calendar there is no other clock to turn to.
    told = (wall > _FIRST_LOCAL) & (wall < _LAST_LOCAL)
    moments = np.where(told, MISSING, wall)
    codes, names = pd.factorize(zones)
    for number, zone in enumerate(names):
        rows = (codes == number) & told
        require_time_zone(str(zone))
        clock = pd.DatetimeIndex(wall[rows].view("datetime64[us]"))
        found = clock.tz_localize(
            str(zone), ambiguous=np.ones(len(clock), dtype=bool), nonexistent="shift_forward"
        ).tz_convert("UTC")
        utc = found.tz_localize(None).to_numpy().astype("datetime64[us]")
        moments[rows] = utc.view(np.int64)
    return moments


def read_dates(array: pa.ChunkedArray, name: str) -> Read:
    """Calendar dates as naive midnights, datetime64[us].

    Midnights are dates, in whatever zone they were written; a clock time is no date, since the date
    of a moment depends on the place.

    Raises:
        ContractError: The column holds no dates: zone-aware times among them that are no midnights.
    """
    kind = array.type
    if pt.is_timestamp(kind) and kind.tz is None:
        # A stored date is whole; a clock beside it, as some programs keep, is none of a parcel's.
        clocks = read_wall_times(array, name)
        wall = np.where(clocks.wall == MISSING, MISSING, clocks.wall // DAY * DAY)
        return Read(series=_days(wall), unreadable=_none(len(array)))
    if pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_floating(kind):
        raise _wrong_type(name, kind, "calendar dates in the destination's local time")
    clocks = read_wall_times(array, name)
    there = clocks.wall != MISSING
    dates = there & (clocks.plain | (clocks.wall % DAY == 0))
    if pt.is_timestamp(kind) and not dates[there].all():
        raise _wrong_type(name, kind, "calendar dates in the destination's local time")
    wall = np.where(dates, clocks.wall, MISSING)
    return Read(series=_days(wall), unreadable=clocks.unreadable | (there & ~dates))


def _days(wall: npt.NDArray[np.int64]) -> pd.Series[Any]:
    return pd.Series(wall.view("datetime64[us]"))


def read_numbers(array: pa.ChunkedArray, name: str, *, unit: str = "") -> Read:
    """Numbers as float64, NaN where missing; text as people write numbers, see `read_number`.

    Args:
        unit: That numbers may have behind them.

    Raises:
        ContractError: The column holds neither numbers nor text.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_null(kind):
        numbers = array.cast(pa.float64(), safe=False).to_numpy()
        return Read(series=pd.Series(numbers, dtype="float64"), unreadable=_none(len(array)))
    if not _is_text(kind):
        raise _wrong_type(name, kind, "numbers")
    codes, words = coded(read_text(array, name))
    values, strange = np.full(len(words) + 1, np.nan), np.zeros(len(words) + 1, dtype=bool)
    for place, word in enumerate(words):
        said = normal_text(word)
        number = None if said is None else read_number(said, unit=unit)
        if number is not None:
            values[place] = number
        strange[place] = number is None and said is not None
    return Read(series=pd.Series(values[codes]), unreadable=strange[codes])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _none(n: int) -> Mask:
    return np.zeros(n, dtype=bool)


def _wrong_type(name: str, kind: pa.DataType, expected: str) -> ContractError:
    return ContractError(
        f"column {name} is of type {kind}, expected {expected}; convert the column"
    )
