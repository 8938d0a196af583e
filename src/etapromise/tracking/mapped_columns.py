"""The columns of the contract out of those of own tables: times, numbers, ids and codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.normal_forms.numbers import KILOGRAMS, UNITS
from etapromise.normal_forms.texts import ascii_digits, is_placeholder
from etapromise.text_type import TEXT
from etapromise.tracking.contract import Column, Kind
from etapromise.tracking.faults import Note
from etapromise.tracking.mapping import RELEASED, SILENT, MappedColumn, MappedTable
from etapromise.tracking.texts import in_one_piece
from etapromise.tracking.time_words import times_of_day
from etapromise.tracking.written_times import WrittenTime, iso_times

# What stands in a milestone that has not happened, beside what is nothing anywhere.
_ZEROS: Final = pa.array(
    [
        *(
            "",
            "0",
            "-1",
            "00000000",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "00.00.0000",
            "00/00/0000",
        ),
    ],
    pa.large_string(),
)
DAY_OF_NONE: Final = r"(?:0001-01-01|175[34]-01-01|1899-12-3[01]|1900-01-01|[29]999-12-31)"
"""The first and the last day that databases and spreadsheets know, which they write for none."""
_YEARS_OF_NONE: Final = (1, 1753, 1754, 1899, 1900, 2999, 9999)
_NUMBER: Final = re.compile(r"^([+-]?[\d.,'\s\u00a0\u202f]*\d)\s*([^\W\d_]*)\.?$")


def text_of(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as text, whole floats as their digits."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.int64(), safe=False)
    return pc.utf8_trim_whitespace(array.cast(pa.large_string()))


def meanings_of(
    status: pa.ChunkedArray, meanings: Mapping[str, str]
) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Codes with their meaning in place, which were mapped, and which say nothing."""
    encoded = in_one_piece(pc.dictionary_encode(cells_as_text(status)).unify_dictionaries())
    words = encoded.dictionary.to_pylist()
    found = [meanings.get(str(word).strip().lower()) for word in words]
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(words)).to_numpy()
    said = pa.array(
        [word if one is None else one for word, one in zip(words, found, strict=True)] + [None],
        pa.large_string(),
    )
    mapped = np.array([one is not None for one in found] + [False])[codes]
    silent = np.array([one == SILENT for one in found] + [False])[codes]
    return pa.chunked_array([said.take(pa.array(codes))]), mapped, silent


def happened(times: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """(n,) which milestones there are; a placeholder is none."""
    if pt.is_timestamp(times.type) or pt.is_date(times.type):
        none = pc.is_in(pc.year(times), pa.array(_YEARS_OF_NONE, pa.int64()))
        return np.asarray(pc.and_(times.is_valid(), pc.invert(none)).to_numpy(), dtype=bool)
    if not pt.is_large_string(times.type):
        return np.asarray(times.is_valid().to_numpy(), dtype=bool)
    said = pc.utf8_trim_whitespace(times)
    blank = pc.or_(pc.is_in(said, _ZEROS), pc.match_substring_regex(said, f"^{DAY_OF_NONE}"))
    wordy = pc.fill_null(pc.invert(pc.match_substring_regex(said, "[0-9]")), fill_value=False)
    nothing = [word for word in said.filter(wordy).unique().to_pylist() if is_placeholder(word)]
    blank = pc.or_(blank, pc.is_in(said, pa.array(nothing, pa.large_string())))
    return np.asarray(pc.and_(times.is_valid(), pc.invert(blank)).to_numpy(), dtype=bool)


def feature_columns(table: pa.Table, part: MappedTable) -> pd.DataFrame:
    """The further columns that a mapping names, (n, …)."""
    found = {name: _feature(table, one).to_pandas() for name, one in part.features.items()}
    return pd.DataFrame(found, index=pd.RangeIndex(len(table)))


def _feature(table: pa.Table, one: MappedColumn) -> pa.ChunkedArray:
    if one.column is None:
        return pa.chunked_array([pa.array([one.value] * len(table), pa.large_string())])
    column = table.column(one.column)
    if one.decimal is None and one.unit is None:
        return column
    numbers = pd.to_numeric(_numbers(column, one).to_pandas(), errors="coerce")
    return pa.chunked_array([pa.array(numbers, pa.float64(), from_pandas=True)])


def mapped_column(
    table: pa.Table, one: MappedColumn, column: Column | None, part: MappedTable
) -> pa.ChunkedArray:
    """A column of the contract, as text or as Arrow has it.

    Args:
        table: (n, …) the own table.
        column: Of the contract; None is a further time.
    """
    kind = Kind.TIME if column is None else column.kind
    if one.column is None:
        same = pa.array([one.value], pa.large_string()).take(pa.array(np.zeros(len(table), int)))
        return pa.chunked_array([same])
    array = table.column(one.column)
    if one.rest_column is not None:
        rest = pc.fill_null(cells_as_text(table.column(one.rest_column)), "")
        array = pc.binary_join_element_wise(cells_as_text(array), rest, _text_of(""))
    if one.else_column is not None:
        otherwise = cells_as_text(table.column(one.else_column))
        own = cells_as_text(array)
        array = pc.if_else(pa.array(happened(own)), own, otherwise)
    if kind in {Kind.TIME, Kind.DATE}:
        zone = None if one.zone == "place" else one.zone or part.time_zone
        written = WrittenTime(
            formats=one.formats,
            zone=zone,
            plain_dates=one.plain_dates or kind is Kind.DATE,
            era=one.era,
        )
        if kind is Kind.DATE and not (one.formats or one.era or one.plain_dates):
            return array
        if one.clock_column is not None:
            days = replace(written, plain_dates=True)
            clocks = table.column(one.clock_column)
            array = _with_clock(iso_times(array, days), clocks)
            written = replace(written, formats=(), era="")
        zones = None if one.zone_column is None else cells_as_text(table.column(one.zone_column))
        return iso_times(array, written, zones)
    if kind is Kind.NUMBER:
        if one.unit_column is not None:
            array = _with_unit(array, table.column(one.unit_column))
        return _numbers(array, one) if one.decimal or one.unit or one.unit_column else array
    return array


def cells_as_text(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column as text: times in ISO 8601, whole numbers as their digits."""
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pt.is_timestamp(array.type):
        form = "%Y-%m-%dT%H:%M:%S" + ("Z" if array.type.tz else "")
        utc = array.cast(pa.timestamp("us", "UTC")) if array.type.tz else array
        return pc.strftime(utc.cast(pa.timestamp("us")), format=form).cast(pa.large_string())
    if pt.is_floating(array.type):
        whole = pc.all(pc.equal(array, pc.floor(array))).as_py()
        if whole is not False and (pc.max(pc.abs(array)).as_py() or 0) < 2**53:
            array = array.cast(pa.int64())
    return array.cast(pa.large_string())


def _text_of(said: str) -> pa.Scalar:
    return pa.scalar(said, pa.large_string())


def _with_clock(dates: pa.ChunkedArray, clocks: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO dates with the time of day of another column behind them, where there is one."""
    said = times_of_day(cells_as_text(clocks).to_pandas().astype(TEXT))
    times = pa.array(said, pa.large_string(), from_pandas=True)
    days = cells_as_text(dates)
    there = pc.fill_null(pc.not_equal(times, ""), fill_value=False)
    both = pc.binary_join_element_wise(days, pc.fill_null(times, ""), _text_of("T"))
    dated = pc.fill_null(pc.match_substring_regex(days, r"^\d{4}-\d\d-\d\d$"), fill_value=False)
    return pc.if_else(pc.and_(there, dated), both, days)


def _with_unit(numbers: pa.ChunkedArray, units: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers with the unit of another column behind them."""
    told = pc.utf8_trim_whitespace(pc.fill_null(cells_as_text(units), ""))
    return pc.binary_join_element_wise(cells_as_text(numbers), told, _text_of(" "))


def _numbers(array: pa.ChunkedArray, one: MappedColumn) -> pa.ChunkedArray:
    """Numbers with their decimal mark and unit, as plain text; what is none stays as it came."""
    decimal = one.decimal or "."
    unit = one.unit or "kg"

    def plain(text: str) -> str:
        found = _NUMBER.match(ascii_digits(text).strip())
        said = None if found is None else UNITS.get(found[2].lower()) if found[2] else unit
        if found is None or said is None:
            return text
        digits = re.sub(r"[\s\u00a0\u202f']", "", found[1])
        digits = digits.replace("." if decimal == "," else ",", "").replace(decimal, ".")
        try:
            number = float(digits) * KILOGRAMS[said]
        except ValueError:
            return text
        return f"{number:.9g}"

    words = in_one_piece(pc.dictionary_encode(cells_as_text(array)).unify_dictionaries())
    said = pa.array([plain(word) for word in words.dictionary.to_pylist()], pa.large_string())
    return pa.chunked_array([said.take(words.indices)])


def released_orders(
    ordered: pa.ChunkedArray, released: pa.ChunkedArray
) -> tuple[pa.ChunkedArray, tuple[Note, ...]]:
    """The later of order and release: nobody can handle an order of what is not there yet."""
    orders, releases = cells_as_text(ordered), cells_as_text(released)
    there = happened(releases)
    first, second = (pd.Series(text.to_pandas()).str.slice(0, 10) for text in (orders, releases))
    later = there & (second > first).fillna(value=False).to_numpy(dtype=bool)
    if not later.any():
        return ordered, ()
    note = Note(
        reason="released_later",
        column=RELEASED,
        rows=int(later.sum()),
        told="orders wait for a release; their clock starts then",
    )
    return pc.if_else(pa.array(later), releases, orders), (note,)


def plain_ids(array: pa.ChunkedArray, ignore: Iterable[str]) -> pa.ChunkedArray:
    """Ids without what does not count where they are compared; see `IDS_IGNORE`."""
    drop = set(ignore)
    if not drop:
        return array
    text = pc.utf8_trim_whitespace(cells_as_text(array))
    if "width" in drop:
        text = pc.utf8_normalize(text, form="NFKC")
    if "fraction" in drop:
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    if "blanks" in drop:
        text = pc.replace_substring_regex(text, r"\s+", "")
    if "symbols" in drop:
        text = pc.replace_substring_regex(text, r"[^\pL\pN]+", "")
    if "prefix" in drop:
        text = pc.replace_substring_regex(text, r"^[^\pN]+(\pN)", r"\1")
    if "case" in drop:
        text = pc.utf8_upper(text)
    if "zeros" in drop:
        text = pc.replace_substring_regex(text, r"^0+(.)", r"\1")
    return text
