"""Times as tables write them, in a stated format, as ISO 8601 text.

A value with an offset or a known zone becomes a moment in UTC (``2026-02-05T15:10:00Z``), one with
a clock and no zone stays a local time (``2026-02-05T16:10:00``), one without a clock a date
(``2026-02-05``): what a date means depends on the place, which is not known here. What fits none of
the formats and is no ISO 8601 stays as it came, so that whoever judges the value can show it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.errors import ContractError
from etapromise.normal_forms.zones import is_time_zone, zone_name
from etapromise.text_type import TEXT, beginning_with, replaced
from etapromise.tracking.texts import in_one_piece
from etapromise.tracking.time_words import in_usual_years, plain_times

# Formats that are numbers: seconds and parts of one since 1970 UTC, tenths of a microsecond since
# the year 1 as .NET counts, and days since 1899-12-30, or since 1904 as Excel for Mac counted.
_DAYS_TO_1970: Final = {"excel": 25_569, "excel_1904": 24_107}
NUMBERED: Final = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "ticks", *_DAYS_TO_1970)
_TICKS_OF_1970: Final = 621_355_968_000_000_000
# What a list of formats calls the form that is read without any.
ISO: Final = "iso8601"
# What stands in a column of offsets from UTC, and the furthest hours there are.
OFFSET: Final = re.compile(
    r"^(?:UTC|GMT)?\s*(?P<sign>[+\-\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?$"
)
_FURTHEST: Final = 14
# Milliseconds since 1970 UTC as .NET writes them; the offset says where, and moves nothing.
WRAPPED: Final = re.compile(r"^\\?/Date\((?P<number>-?\d+)(?:[+-]\d{4})?\)\\?/$")
_LOCAL: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$"
_UNITS: Final = {
    "epoch_s": "s",
    "epoch_ms": "ms",
    "epoch_us": "us",
    "epoch_ns": "ns",
    "ticks": "us",
}
# The end of a day, which is the midnight after it.
_END_OF_DAY: Final = re.compile(r"(?<=[T ,])24(?=[:.h]?00(?:[:.]?00(?:\.0+)?)?(?![\d:.]))")


@dataclass(frozen=True, kw_only=True)
class WrittenTime:
    """How the times of a column are written.

    Attributes:
        formats: As `datetime.strptime` has them, of `NUMBERED`, or `ISO`; the first that fits
            counts, ISO 8601 last. Empty: as Arrow has them, or ISO 8601.
        zone: IANA zone of the clock times that carry none.
        plain_dates: The clock says nothing: each value is the local date where it happened.
        era: From when the years are counted, of `ERAS`; empty: as usual.
    """

    formats: tuple[str, ...] = ()
    zone: str | None = None
    plain_dates: bool = False
    era: str = ""


def has_clock(form: str) -> bool:
    """Whether a format has hours."""
    return form not in NUMBERED and any(sign in form for sign in ("%H", "%I", "%T", "%R", "%c"))


def parsed(texts: pd.Series[Any], form: str) -> pd.Series[Any]:
    """Texts of one format as times, missing where they do not fit.

    Args:
        texts: (n,) text.

    Returns:
        (n,) datetime64[us, UTC] for epochs and formats with an offset, else datetime64[us].

    Raises:
        ContractError: It is no format.
    """
    if form in NUMBERED:
        # Some web services put the number in words: /Date(1738598400000+0400)/.
        bare = replaced(texts, WRAPPED, r"\g<number>")
        if bare.dtype == TEXT:
            bare = bare.str.replace(",", ".", regex=False)
        numbers = pd.to_numeric(bare, errors="coerce")
        if form in _DAYS_TO_1970:
            days = numbers.where((numbers > 1) & (numbers < 100_000))
            # To the second: the day's fraction is rounded in the file.
            seconds = np.round(days.to_numpy(dtype=float) * 86_400)
            seconds -= _DAYS_TO_1970[form] * 86_400
            return pd.Series(pd.to_datetime(seconds, unit="s", errors="coerce")).astype(
                "datetime64[us]"
            )
        if form == "ticks":
            numbers = (numbers - _TICKS_OF_1970) // 10
        unit: Any = _UNITS[form]
        moments = pd.to_datetime(numbers, unit=unit, errors="coerce", utc=True)
        return pd.Series(moments).astype("datetime64[us, UTC]")
    form = form.replace("%B", "%b")
    zoned = "%z" in form or "%Z" in form
    kind: Any = "datetime64[us, UTC]" if zoned else "datetime64[us]"

    def read(texts: pd.Series[Any]) -> pd.Series[Any]:
        return pd.Series(pd.to_datetime(texts, format=form, errors="coerce", utc=zoned)).astype(
            kind
        )

    try:
        found = read(texts)
        rest = found.isna() & texts.notna()
        if rest.any():
            found[rest] = _with_ends_of_days(plain_times(texts[rest]), read)
    except ValueError as error:
        raise ContractError(
            f"found time format {form!r}: {error}; expected one such as '%d.%m.%Y %H:%M', "
            f"or one of {', '.join(NUMBERED)}"
        ) from error
    return found


def iso_times(
    array: pa.ChunkedArray, written: WrittenTime, zones: pa.ChunkedArray | None = None
) -> pa.ChunkedArray:
    """A column of times as ISO 8601 text; see the head of this module.

    Args:
        array: (n,) timestamps, dates, numbers or text.
        written: How they are written.
        zones: (n,) IANA names or offsets beside them, of clock times that carry no zone.

    Raises:
        ContractError: A format is none.
    """
    kind = array.type
    if pt.is_timestamp(kind) or pt.is_date(kind):
        return _iso_of_stamps(array, written, zones)
    codes, words = _distinct(array)
    if written.era:
        words = in_usual_years(words, written.era)
    iso = words.copy()
    local = np.zeros(len(words), dtype=bool)
    open_ = words.notna().to_numpy(copy=True)
    # A file that two programs wrote holds some in ISO 8601, which can be read in one way only.
    for form in dict.fromkeys((*written.formats, ISO)):
        if not open_.any():
            break
        found, clocked = _one_format(words[open_], form)
        there = found.notna().to_numpy()
        places = np.flatnonzero(open_)[there]
        iso.iloc[places] = _written(found[there], clocked=clocked and not written.plain_dates)
        if clocked and not written.plain_dates and found.dt.tz is None:
            local[places] = True
        open_[places] = False
    if written.zone is not None and zones is None and local.any():
        iso[local] = _in_utc(iso[local], written.zone)
    spread = pa.array(iso, pa.large_string(), from_pandas=True).take(codes)
    if zones is not None and local.any():
        spread = _by_zone(spread, np.append(local, False)[_filled(codes)], zones, written.zone)
    return pa.chunked_array([spread])


def _one_format(words: pd.Series[Any], form: str) -> tuple[pd.Series[Any], bool]:
    if form != ISO:
        found = parsed(words, form)
        whole_days = form in _DAYS_TO_1970 and bool(
            (found.dropna() == found.dropna().dt.floor("D")).all()
        )
        return found, has_clock(form) or (form in NUMBERED and not whole_days)
    # ISO 8601: only local clock times are of interest, whatever else there is stays as it is.
    local = pc.match_substring_regex(pa.array(words, pa.large_string(), from_pandas=True), _LOCAL)
    clock = words.where(pc.fill_null(local, fill_value=False).to_numpy(zero_copy_only=False))

    def read(texts: pd.Series[Any]) -> pd.Series[Any]:
        found = pd.to_datetime(texts, format="ISO8601", errors="coerce")
        return pd.Series(found).astype("datetime64[us]")

    return _with_ends_of_days(clock, read), True


def _with_ends_of_days(
    texts: pd.Series[Any], read: Callable[[pd.Series[Any]], pd.Series[Any]]
) -> pd.Series[Any]:
    """Texts as times, where 24:00 is the midnight after its day."""
    found = read(texts)
    late = found.isna() & texts.notna()
    late[late] = beginning_with(texts[late], f".*{_END_OF_DAY.pattern}")
    if late.any():
        found[late] = read(replaced(texts[late], _END_OF_DAY, "00")) + pd.Timedelta(days=1)
    return found


def _distinct(array: pa.ChunkedArray) -> tuple[pa.Array, pd.Series[Any]]:
    if not pt.is_dictionary(array.type):
        # In one piece first: to unify the dictionaries of many pieces takes many times as long.
        text = array.cast(pa.large_string()) if pt.is_string(array.type) else array
        array = pa.chunked_array([pc.dictionary_encode(in_one_piece(text))])
    whole = in_one_piece(array.unify_dictionaries())
    words = whole.dictionary.cast(pa.large_string()).to_pandas().astype(TEXT).str.strip()
    return whole.indices, words.where(words != "")


def _filled(codes: pa.Array) -> Any:
    return pc.fill_null(codes.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)


def _written(times: pd.Series[Any], *, clocked: bool) -> Any:
    if not clocked:
        return times.dt.strftime("%Y-%m-%d").to_numpy()
    clock = times.dt.tz_localize(None) if times.dt.tz is not None else times
    text = np.datetime_as_string(clock.to_numpy(dtype="datetime64[us]"), unit="us")
    return np.char.add(text, "Z") if times.dt.tz is not None else text


def _zone_named(name: Any) -> str | dt.tzinfo | None:
    """The zone that a cell names, or the offset from UTC that it says; None of another."""
    if not isinstance(name, str):
        return None
    if is_time_zone(name):
        return name
    found = OFFSET.match(name)
    if found is None:
        return zone_name(name)
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if hours > _FURTHEST or minutes >= 60:
        return None
    away = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-away if found["sign"] != "+" else away)


def _minutes_as_clocks(words: pd.Series[Any]) -> pd.Series[Any]:
    """Offsets in bare minutes (-480) as hours and minutes; missing where they may be either.

    Those that lost a zero at the front (-530) are what else three figures may be.
    """
    bare = words.str.fullmatch(r"[+-]?\d{1,3}").fillna(value=False).astype(bool)
    away = words[bare].astype(int)
    if not (away.abs() > _FURTHEST).any():
        return words
    minutes = bool((away % 15 == 0).all()) and bool((away.abs() <= 60 * _FURTHEST).all())
    if minutes and bool((away.abs() % 100).isin([0, 30, 45]).all()):
        return words.mask(bare & (words.str.len() > 3))
    if not minutes:
        return words
    said = away.map(lambda n: f"{'-' if n < 0 else '+'}{abs(n) // 60:02}:{abs(n) % 60:02}")
    return words.mask(bare, said)


def _in_utc(iso: pd.Series[Any], zone: str | dt.tzinfo) -> Any:
    clock = pd.to_datetime(iso, format="ISO8601").astype("datetime64[us]")
    first = np.ones(len(clock), dtype=bool)
    moments = clock.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return _written(moments.dt.tz_convert("UTC"), clocked=True)


def _by_zone(iso: pa.Array, local: Any, zones: pa.ChunkedArray, otherwise: str | None) -> pa.Array:
    codes, names = _distinct(zones)
    numbers = np.where(_filled(codes) < 0, len(names), _filled(codes))
    names = _minutes_as_clocks(names)
    text = iso.to_pandas().astype(TEXT)
    for number, name in enumerate([*names, otherwise]):
        rows = local & (numbers == number)
        zone = _zone_named(name) or otherwise
        if rows.any() and zone is not None:
            text[rows] = _in_utc(text[rows], zone)
    return pa.array(text, pa.large_string(), from_pandas=True)


def _iso_of_stamps(
    array: pa.ChunkedArray, written: WrittenTime, zones: pa.ChunkedArray | None
) -> pa.ChunkedArray:
    kind = array.type
    if pt.is_date(kind) or written.plain_dates:
        stamps = array.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        if getattr(kind, "tz", None) is not None:
            stamps = stamps.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
        return pc.strftime(stamps, format="%Y-%m-%d").cast(pa.large_string())
    if kind.tz is not None or (written.zone is None and zones is None):
        return array
    text = pc.strftime(array.cast(pa.timestamp("us"), safe=False), format="%Y-%m-%dT%H:%M:%S")
    return iso_times(text, WrittenTime(zone=written.zone), zones)
