"""What the values of a column look like: times and how they are written, countries, numbers, ids.

Looks at a sample of the rows; only what must be counted is counted over all.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.normal_forms.numbers import UNITS
from etapromise.normal_forms.places import is_country, normal_country
from etapromise.normal_forms.texts import ascii_digits
from etapromise.normal_forms.zones import is_time_zone, zone_name
from etapromise.text_type import TEXT, beginning_with
from etapromise.tracking.column_names import carrier_in, is_about, plain_name
from etapromise.tracking.proposals.guessed_times import (
    MOST,
    TRIED,
    TimeGuess,
    bare_days,
    numbered_times,
    stored_times,
    written_times,
)
from etapromise.tracking.time_words import (
    NO_DAY,
    era_of,
    in_usual_years,
    plain_time,
    time_of_day,
)
from etapromise.tracking.written_times import OFFSET

SAMPLE: Final = 20_000
# So many values of a column are times where its name says so.
_NAMED: Final = 0.5
_COMPACT: Final = r"^(19|20)\d{2}[01]\d[0-3]\d([0-2]\d[0-5]\d([0-5]\d)?)?$"
_OTHER_CALENDAR: Final = re.compile(r"^(?:1[34]\d|20[78])\d([-/.])\d{1,2}\1\d{1,2}(?!\d)")
_YEARLESS: Final = re.compile(
    r"^(?:\d{1,2}[-./]\d{1,2}|[A-Za-z]{3} \d{1,2}),?[ T]\d{1,2}:\d\d(?::\d\d)?$"
)
# Something of a date in any script, whether it can be read or not.
_DATE_LIKE: Final = re.compile(
    r"(?<!\d)(?:\d{4}\s?[./\-]\s?\d{1,2}\s?[./\-]\s?\d{1,2}|"
    r"\d{1,2}\s?[./\-]\s?(?:\d{1,2}|[A-Za-z]{3})\s?[./\-]\s?\d{1,4}|\d{1,2}:\d\d(?::\d\d)?)(?!\d)"
)
_CLOCKS: Final = r"(?<![\d:])\d{1,2}:\d\d(?!\d)"
# What systems that cut their names call a time of day: POTIM, ORDTIM, LFUZEIT.
_CLOCK_NAME: Final = re.compile(r"(?:tim|tm|uzeit|uzt|zet|hhmm(?:ss)?)$")
# 8001 Zürich, 00-001 Warszawa: a postcode before the name of its city.
_WITH_A_CITY: Final = r"^(?:[A-Z]{1,2}-)?\d[\d\-]{2,8}(?: [A-Z]{2})?,? [^\W\d_]{3}[^\d]*$"
_DEGREES: Final = re.compile(r"^\(?[+-]?\d{1,3}\.\d{2,}(?:\s*[,; ]\s*[+-]?\d{1,3}\.\d{2,}\)?)?$")
_NUMBER: Final = re.compile(
    r"^[+-]?\d[\d.,\s\u00a0']*\s?(" + "|".join(UNITS) + r")?\.?$", re.IGNORECASE
)
# Whole numbers from here on are not all floats.
_EXACT: Final = 2.0**53
_CUT: Final = r"^[1-9](?:[.,]\d+)?[eE]\+\d\d$"
_NOTHING: Final = (
    "-",
    "--",
    "n/a",
    "na",
    "null",
    "none",
    "nan",
    "nat",
    "#n/a",
    "0000-00-00",
    "00000000",
    "00.00.0000",
)


@dataclass(frozen=True)
class Profile:
    """A column and what its values look like.

    Attributes:
        filled_values: (n,) a sample as text, empty ones left out.
        kind: As Arrow stores it.
        filled: Share of the rows that have a value.
        distinct: How many different values all rows have.
        rows: How many rows there are.
        raw: (n,) the sample as it is stored.
    """

    name: str
    filled_values: pd.Series[Any]
    kind: pa.DataType
    filled: float
    distinct: int
    rows: int
    raw: pa.ChunkedArray

    @cached_property
    def words(self) -> pd.Series[Any]:
        """Some of the different values, blanks and placeholders left out."""
        words = pd.Series(self.filled_values.unique(), dtype=TEXT)[: 4 * TRIED]
        return words[~words.str.lower().isin(_NOTHING)]

    @cached_property
    def common(self) -> pd.Series[Any]:
        """The words but those of one row only, such as the title of a second header."""
        often = self.filled_values.value_counts()
        common = self.words[self.words.isin(often.index[often > 1])]
        return common if len(common) else self.words

    @property
    def unique(self) -> bool:
        """Whether each filled row has a value of its own."""
        return self.distinct >= 0.999 * self.filled * self.rows and self.distinct > 1

    @cached_property
    def numeric(self) -> bool:
        """Whether the values are numbers, perhaps with a unit."""
        if pt.is_integer(self.kind) or pt.is_floating(self.kind) or pt.is_decimal(self.kind):
            return True
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, _NUMBER).mean() > MOST)

    @cached_property
    def digits(self) -> bool:
        """Whether the values are long numbers without a fraction, as identifiers are."""
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, r"^\d{5,}$").mean() > MOST)

    @cached_property
    def lost_digits(self) -> bool:
        """Whether they are numbers beyond what a float holds, or cut as spreadsheets show them."""
        words = self.words[:TRIED]
        if pt.is_floating(self.kind):
            return bool((pd.to_numeric(words).abs() >= _EXACT).any())
        return bool(len(words) and beginning_with(words, _CUT).mean() > 0.5)

    @cached_property
    def bare_numbers(self) -> bool:
        """Whether the values are whole numbers of few digits, as states are counted."""
        words = self.words[:TRIED]
        return bool(len(words)) and bool(beginning_with(words, r"^\d{1,3}(\.0)?$").all())

    @cached_property
    def fractions(self) -> bool:
        """Whether the values are numbers of which several have a fraction, such as amounts."""
        words = self.words[:TRIED]
        return self.numeric and bool(beginning_with(words, r"^-?\d+[.,]\d*[1-9]\d*$").mean() > 0.1)

    @cached_property
    def counted(self) -> bool:
        """Whether the values are whole numbers such as rows are counted by, in any table."""
        words = self.words[:TRIED]
        return bool(len(words)) and bool(beginning_with(words, r"^\d{1,6}(\.0)?$").all())

    @cached_property
    def unit(self) -> str | None:
        """The unit that most numbers carry."""
        found = self.words[:TRIED].str.extract(r"([^\W\d_]+)\.?$")[0].str.lower().dropna()
        return str(found.mode().iloc[0]) if len(found) > 0.5 * min(len(self.words), TRIED) else None

    @cached_property
    def decimal(self) -> str | None:
        """The decimal mark where the numbers show another than a point.

        "?" where ``1,250``, or ``1.250`` beside ``900``, is all that they show.
        """
        marks = Counter(map(_decimal_mark, self.words[:TRIED]))
        if marks["."] and not marks[","] and not marks["?"] and self._points_in_threes:
            # Whoever writes 2.050 would write 3.000, too.
            return "," if self._points_in_threes.endswith("0") else "?"
        if marks[","] > marks["."]:
            return ","
        return "?" if marks["?"] and not marks["."] else None

    @cached_property
    def _points_in_threes(self) -> str:
        """Of numbers as text such as ``2.050`` beside ``390`` one of the first, best one of ten."""
        numbers = self.words[:TRIED].str.extract(r"(\d[\d.,]*)")[0].str.rstrip(".,").dropna()
        pointed = numbers[numbers.str.contains(".", regex=False)]
        if (
            pt.is_floating(self.kind)
            or pt.is_decimal(self.kind)
            or len(pointed) in {0, len(numbers)}
            or numbers.str.contains(",", regex=False).any()
            or not pointed.str.fullmatch(r"[1-9]\d{0,2}\.\d{3}").all()
        ):
            return ""
        return str(max(pointed, key=lambda one: one.endswith("0")))

    @cached_property
    def middle(self) -> float:
        """The median of the numbers, 0 where there are none."""
        words = (
            self.words[:TRIED].str.extract(r"([\d.,' ]+)")[0].str.replace(r"[' ]", "", regex=True)
        )
        if self.decimal is not None:
            words = words.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        else:
            words = words.str.replace(",", "", regex=False)
        numbers = pd.to_numeric(words, errors="coerce").dropna()
        return float(numbers.median()) if len(numbers) else 0.0

    @cached_property
    def countries(self) -> float:
        """Share of the different values that are countries."""
        words = self.common[:100]
        if not len(words) or self.distinct > 400:
            return 0.0
        codes = [normal_country(word) for word in words]
        return float(np.mean([code is not None and is_country(code) for code in codes]))

    @cached_property
    def carriers(self) -> float:
        """Share of the different values that are carriers."""
        words = self.words[:TRIED]
        if not len(words) or self.distinct > 400:
            return 0.0
        return float(np.mean([carrier_in(word) is not None for word in words]))

    @cached_property
    def names_carriers(self) -> bool:
        """Whether each carrier is named by one value: of their services there would be several."""
        found = [carrier_in(word) for word in self.words[:TRIED]]
        named = [one for one in found if one is not None]
        return self.carriers > 0.5 and len(set(named)) == len(named)

    @cached_property
    def zones(self) -> float:
        """Share of the different values that are IANA zones."""
        words = self.words[:100]
        return float(np.mean([_is_zone(word) for word in words])) if len(words) else 0.0

    @cached_property
    def offsets(self) -> float:
        """Share of the different values that are IANA zones or offsets from UTC."""
        words = self.words[:100]
        return (
            float(np.mean([_is_zone(word) or bool(OFFSET.match(word)) for word in words]))
            if len(words)
            else 0.0
        )

    @cached_property
    def clocks(self) -> bool:
        """Whether they are times of day without a date; bare digits where the name says so."""
        words = self.words[:TRIED]
        called = is_about(self.name, "clock") or _CLOCK_NAME.search(plain_name(self.name))
        if self._all_digits and not (called and self._as_clocks):
            return False
        if not self._of_no_day and bool(beginning_with(words, NO_DAY).any()):
            return False
        return bool(len(words)) and all(time_of_day(word) is not None for word in words)

    @cached_property
    def _of_no_day(self) -> bool:
        """Whether they are times of day behind a day that is none: 1754-01-01T09:12:00."""
        words = self.words[:TRIED]
        return len(words) > 1 and bool(beginning_with(words, NO_DAY).all())

    @cached_property
    def _as_clocks(self) -> bool:
        """Whether digits have minutes too: bare hours, or days that it took, are no clocks."""
        return bool(self.words[:TRIED].str.len().ge(3).mean() > MOST)

    @cached_property
    def postcodes(self) -> float:
        """Share of the values that could be postcodes."""
        words = self.words[:TRIED].str.strip().str.lstrip("'")
        if not len(words):
            return 0.0
        looks = beginning_with(words, r"^(?=.*\d)[A-Za-z0-9][A-Za-z0-9\s\-]{1,9}(\.0)?$")
        looks &= words.str.len().between(3, 12)
        return float((looks | beginning_with(words, _WITH_A_CITY)).mean())

    @cached_property
    def json(self) -> bool:
        """Whether cells hold objects or lists of them, as text."""
        return bool(beginning_with(self.words[:TRIED], r"^\s*(?:\[\s*)?\{\s*\"").any())

    @cached_property
    def several_times(self) -> bool:
        """Whether most cells hold several clock times, as lists of events do."""
        words = self.words[:TRIED]
        return bool(len(words) and (words.str.count(_CLOCKS) > 1).mean() > 0.5)

    @cached_property
    def links(self) -> bool:
        """Whether cells hold addresses of pages, such as those that follow a parcel."""
        return bool(beginning_with(self.words[:TRIED], r"^(?i:https?://|www\.)").any())

    @cached_property
    def points(self) -> bool:
        """Whether most values are numbers with many decimals, as those of a point's degrees are."""
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, _DEGREES).mean() > MOST)

    @cached_property
    def streets(self) -> bool:
        """Whether most values are several words and numbers, such as whole addresses."""
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, r"^(?=.*\d)\S+\s+\S+\s+\S").mean() > 0.5)

    @cached_property
    def dated(self) -> bool:
        """Whether most values are dates or clocks by their looks, readable or not."""
        words = self.words[:TRIED]
        if not len(words):
            return False

        def like(word: str) -> bool:
            rest, found = _DATE_LIKE.subn("", plain_time(word))
            return bool(found) and not any(letter.isdigit() for letter in rest)

        return self.times() is not None or bool(words.map(like).mean() > MOST)

    @cached_property
    def without_year(self) -> bool:
        """Whether they are days of a month with a clock, and of no year."""
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, _YEARLESS).mean() > MOST)

    @cached_property
    def other_calendar(self) -> bool:
        """Whether the years are Persian, Hijri (1300 to 1499) or Nepali (2070 to 2089)."""
        words = self.words[:TRIED]
        return bool(len(words) and beginning_with(words, _OTHER_CALENDAR).mean() > MOST)

    def times(self, *, numbers: bool = False, named: bool = False) -> TimeGuess | None:
        """How its times are written; None where it has none.

        Args:
            numbers: Whether numbers may be times, as the name of the column says.
            named: Whether the name says so surely that half of the values need be none.
        """
        asked = numbers, named
        if asked not in self._guesses:
            self._guesses[asked] = self._guessed(numbers=numbers, named=named)
        return self._guesses[asked]

    @cached_property
    def _guesses(self) -> dict[tuple[bool, bool], TimeGuess | None]:
        """What `times` answered before."""
        return {}

    def _guessed(self, *, numbers: bool, named: bool) -> TimeGuess | None:
        most = _NAMED if named else MOST
        if self.other_calendar or self._of_no_day:
            return None
        if pt.is_timestamp(self.kind) or pt.is_date(self.kind):
            return stored_times(self.raw)
        if pt.is_integer(self.kind) or pt.is_floating(self.kind) or self._all_digits:
            if not numbers or self.compact:
                return written_times(self.words, most) if numbers else None
            found = numbered_times(self._digits) or bare_days(self._digits)
            # A key counts the rows of another table, whichever days those numbers would be.
            counted = found is not None and "excel" in found.formats and not found.clock
            return None if counted and is_about(self.name, "key") else found
        era = era_of(self.words)
        words = in_usual_years(self.words, era) if era else self.words
        found = written_times(words, most)
        if found is None or not era:
            return found
        told = f"years of the {era} era"
        return replace(found, era=era, why=f"{found.why}; {told}" if found.why else told)

    @cached_property
    def compact(self) -> bool:
        """Whether they are days as digits, 20260131, perhaps with their clock."""
        return self._all_digits and bool(beginning_with(self._digits, _COMPACT).all())

    @cached_property
    def _all_digits(self) -> bool:
        words = self._digits[:TRIED]
        return bool(len(words) and beginning_with(words, r"^\d+([.,]\d+)?$").all())

    @cached_property
    def _digits(self) -> pd.Series[Any]:
        """The words but -1, with which keys and counts say that there is none."""
        return self.words[self.words != "-1"]


def _is_zone(word: str) -> bool:
    return is_time_zone(word) or zone_name(word) is not None


def _decimal_mark(text: str) -> str:
    """The decimal mark that a number shows, "?" where a comma may stand between thousands."""
    found = re.search(r"\d[\d.,]*", text)
    marks = re.sub(r"\d", "", found[0].rstrip(".,")) if found else ""
    if not found or not marks:
        return ""
    if len(set(marks)) > 1:
        return marks[-1]
    if len(marks) > 1:
        return "." if marks[0] == "," else ","
    whole, _, part = found[0].partition(marks)
    sure = len(part) != 3 or whole == "0" or len(whole) > 3
    return marks if sure or marks == "." else "?"


def sample_rows(table: pa.Table) -> pa.Table:
    """Rows evenly spread over a table, all where they are few."""
    if len(table) <= SAMPLE:
        return table
    return table.take(pa.array(np.linspace(0, len(table) - 1, SAMPLE).astype(np.int64)))


def profile_of(name: str, sample: pa.ChunkedArray, whole: pa.ChunkedArray) -> Profile:
    """The profile of a column, out of a sample of it and, for what is counted, all of it."""
    kind = sample.type.value_type if pt.is_dictionary(sample.type) else sample.type
    raw = sample.cast(kind) if pt.is_dictionary(sample.type) else sample
    words = _as_text(raw)
    text = words.to_pandas().astype(TEXT).str.strip()
    if pc.all(pc.string_is_ascii(words)).as_py() is False:
        text = text.map(_plain_signs, na_action="ignore")
    # A header that stands again inside of a table, where exports were put together, is no value.
    values = text[text.notna() & (text != "") & (text != name)].reset_index(drop=True)
    blank = len(text) - len(values)
    return Profile(
        name,
        values,
        kind,
        1 - blank / max(len(text), 1),
        _distinct(whole),
        len(whole),
        raw,
    )


def _plain_signs(text: str) -> str:
    return text if text.isascii() else ascii_digits(unicodedata.normalize("NFKC", text))


def _distinct(array: pa.ChunkedArray) -> int:
    if pt.is_nested(array.type):
        return 0
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return int(pc.count_distinct(array).as_py())


def _as_text(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if pt.is_nested(array.type):
        return pa.chunked_array([pa.nulls(len(array), pa.large_string())])
    return pc.cast(array, pa.large_string())
