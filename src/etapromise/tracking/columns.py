"""One column of the contract: from whatever the file stores to the type the library works with.

A stored type that can never hold such values (a boolean weight, a whole number as a time) is a
fault of the table and raises; a value that cannot be read is a fault of its row.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.errors import ContractError
from etapromise.tracking.texts import are_trimmed

__all__ = [
    "Read",
    "is_time_zone",
    "read_dates",
    "read_numbers",
    "read_text",
    "read_times",
    "require_time_zone",
]

Mask = npt.NDArray[np.bool_]

# A clock time followed by Z or an offset. A date alone ends in "-05" too and is no offset.
_ZONED: Final = r":\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?)$|T\d{2,6}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$"
_DATE: Final = r"^\d{4}-\d{2}-\d{2}([ T]00:00(:00(\.0+)?)?)?$"


@dataclass(frozen=True, kw_only=True)
class Read:
    """A column that was read.

    Attributes:
        series: (n,), missing where there was nothing or nothing readable.
        unreadable: Mask of the values that were there and could not be read, (n,).
    """

    series: pd.Series[Any]
    unreadable: Mask


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone that this machine knows."""
    return name in _time_zones()


def require_time_zone(name: str) -> None:
    """Raises: ContractError: ``name`` is not an IANA time zone."""
    if not is_time_zone(name):
        raise ContractError(
            f"found time zone {name!r}, expected an IANA name such as 'Europe/Berlin'; "
            "abbreviations such as 'CET' or 'PST' do not say where"
            if name.isupper()
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
    if (pt.is_string(kind) or pt.is_large_string(kind)) and are_trimmed(array):
        return array
    if pt.is_floating(kind):
        # What pandas makes of a column of whole numbers with gaps.
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise _wrong_type(name, kind, "text") from error
    elif not (_is_text(kind) or pt.is_integer(kind) or pt.is_null(kind)):
        raise _wrong_type(name, kind, "text")
    trimmed = pc.utf8_trim_whitespace(array.cast(pa.large_string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.large_string()), trimmed)


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


def read_times(array: pa.ChunkedArray, name: str, naive_time_zone: str | None) -> Read:
    """Moments as datetime64[us, UTC].

    Args:
        array: Timestamps, or ISO 8601 text with an offset.
        name: Of the column, for messages.
        naive_time_zone: IANA zone of times that carry none. An hour that the clock went through
            twice is taken as the first; one that it skipped, as the moment after the gap.

    Raises:
        ContractError: The column holds no times, or naive ones while no zone is named.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pt.is_null(kind):
        array = array.cast(pa.timestamp("us", "UTC"))
        kind = array.type
    if pt.is_timestamp(kind):
        naive = pd.Series(_microseconds(array), dtype="datetime64[us]")
        if kind.tz is not None:
            return Read(series=naive.dt.tz_localize("UTC"), unreadable=_none(len(array)))
        if array.null_count == len(array):
            return Read(series=naive.dt.tz_localize("UTC"), unreadable=_none(len(array)))
        return Read(series=_localize(naive, naive_time_zone, name), unreadable=_none(len(array)))
    if _is_text(kind):
        return _times_from_text(read_text(array, name), name, naive_time_zone)
    raise _wrong_type(name, kind, "zone-aware times")


def read_dates(array: pa.ChunkedArray, name: str) -> Read:
    """Calendar dates as naive midnights, datetime64[us].

    Raises:
        ContractError: The column holds no dates; zone-aware times among them, since the calendar
            date of a moment depends on the place.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pt.is_date(kind) or pt.is_null(kind) or (pt.is_timestamp(kind) and kind.tz is None):
        moments = pd.Series(_microseconds(array.cast(pa.timestamp("us"), safe=False)))
        return Read(
            series=moments.astype("datetime64[us]").dt.floor("D"), unreadable=_none(len(array))
        )
    if not _is_text(kind):
        raise _wrong_type(name, kind, "calendar dates in the destination's local time")
    text = read_text(array, name)
    dated = pc.if_else(
        pc.match_substring_regex(text, _DATE), pc.utf8_slice_codeunits(text, 0, 10), None
    )
    values = pd.to_datetime(dated.to_pandas(), format="%Y-%m-%d", errors="coerce")
    values = values.astype("datetime64[us]")
    return Read(series=values, unreadable=_there(text) & values.isna().to_numpy())


def read_numbers(array: pa.ChunkedArray, name: str) -> Read:
    """Numbers as float64, NaN where missing.

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
    text = read_text(array, name)
    said = text.to_pandas()
    values = pd.to_numeric(said, errors="coerce").astype("float64")
    written_nan = said.str.lower().eq("nan").to_numpy(dtype=bool)
    return Read(series=values, unreadable=_there(text) & values.isna().to_numpy() & ~written_nan)


def _times_from_text(text: pa.ChunkedArray, name: str, naive_time_zone: str | None) -> Read:
    said = text.to_pandas()
    values = pd.to_datetime(said, format="ISO8601", errors="coerce", utc=True)
    values = values.astype("datetime64[us, UTC]")
    readable = values.notna().to_numpy()
    zoned = pc.fill_null(pc.match_substring_regex(text, _ZONED), fill_value=False).to_numpy()
    naive = readable & ~zoned
    if naive.any():
        # Without a zone the parser took them as UTC: their wall clock, which is what is localised.
        clock = values[naive].dt.tz_localize(None)
        values[naive] = _localize(clock, naive_time_zone, name)
    return Read(series=values, unreadable=_there(text) & ~readable)


def _localize(clock: pd.Series[Any], naive_time_zone: str | None, name: str) -> pd.Series[Any]:
    if naive_time_zone is None:
        first = clock.dropna().iloc[0]
        raise ContractError(
            f"column {name!r} holds times without a time zone, such as {first}, expected "
            "zone-aware times; write the offset into them or name their zone with naive_time_zone="
        )
    require_time_zone(naive_time_zone)
    there = clock.notna().to_numpy()
    moments = clock.dt.tz_localize(
        naive_time_zone, ambiguous=np.ones(len(there), dtype=bool), nonexistent="shift_forward"
    )
    utc: pd.Series[Any] = moments.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return utc


def _microseconds(array: pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    zone = array.type.tz
    stamps = array.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    counts = pc.fill_null(stamps, np.iinfo(np.int64).min).to_numpy()
    return np.asarray(counts, dtype=np.int64).view("datetime64[us]")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _there(text: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.is_valid(text).to_numpy(), dtype=bool)


def _none(n: int) -> Mask:
    return np.zeros(n, dtype=bool)


def _wrong_type(name: str, kind: pa.DataType, expected: str) -> ContractError:
    return ContractError(
        f"column {name!r} is of type {kind}, expected {expected}; convert the column"
    )
