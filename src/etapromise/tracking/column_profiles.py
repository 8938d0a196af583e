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

from etapromise.normal_forms.places import is_country, normal_country
from etapromise.normal_forms.texts import ascii_digits
from etapromise.normal_forms.zones import is_time_zone
from etapromise.text_type import TEXT
from etapromise.tracking.column_names import is_about, is_carrier
from etapromise.tracking.time_words import (
    era_of,
    in_usual_years,
    plain_time,
    plain_times,
    time_of_day,
)
from etapromise.tracking.written_times import OFFSET, has_clock, parsed

__all__ = ["SAMPLE", "Profile", "TimeGuess", "profile_of", "sample_rows"]

SAMPLE: Final = 20_000
_TRIED: Final = 400
# A column is of times where so many of its values are.
_MOST: Final = 0.9
# So many values may be of the other order of day and month: slips that are rejected.
_SLIPS: Final = 0.005
# And so many where its name says so.
_NAMED: Final = 0.5
_NUMERIC: Final = re.compile(
    r"^(\d{4})([./\-\s])(\d{1,2})\2(\d{1,2})(?!\d)|^(\d{1,2})([./\-\s])(\d{1,2})\6(\d{4}|\d\d)(?!\d)"
)
_COMPACT: Final = re.compile(r"^(?:19|20)\d{6}(?=$|[T\s]?\d{4,6}$|[T\s]\d\d?:)")
_WEEK: Final = re.compile(r"^\d{4}(-?)W\d\d(-?)[1-7](?=$|\D)")
_DAY_MONTH: Final = re.compile(r"^(\d{1,2})(\.?[ \-/]?)([A-Z][a-z]{2})([ ,\-/]+)(\d{2,4})")
_MONTH_DAY: Final = re.compile(r"^([A-Z][a-z]{2})([ \-]+)(\d{1,2})(,? |-)(\d{4}|\d\d)(?!\d)")
# Something of a date in any script, whether it can be read or not.
_DATE_LIKE: Final = re.compile(
    r"(?<!\d)(?:\d{4}\s?[./\-]\s?\d{1,2}\s?[./\-]\s?\d{1,2}|"
    r"\d{1,2}\s?[./\-]\s?(?:\d{1,2}|[A-Za-z]{3})\s?[./\-]\s?\d{1,4}|\d{1,2}:\d\d(?::\d\d)?)(?!\d)"
)
_CLOCK: Final = re.compile(
    r"^(?P<gap>[T,\s]\s*|\s+-\s+|\s+(?:at|um)\s+)?(?P<h>\d{1,2})(?P<a>[:.h]?)(?P<m>\d\d)"
    r"(?:(?P<b>[:.]?)(?P<s>\d\d))?(?P<f>\.\d{1,6})?(?P<g>\s*)(?P<half>[AP]M)?"
    r"(?P<o>\s*)(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?(?P<rest>\s*(?:[A-Z]{3,4})?)$"
)
_ISO: Final = re.compile(
    r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$"
)
_ABBREVIATION: Final = re.compile(r"(?<!%)\b([A-Z]{3,4})$")
# Its pattern alone is used, which has to say that case does not matter.
_NUMBER: Final = re.compile(r"(?i)^[+-]?\d[\d.,\s\u00a0']*\s?(kg|kgs|g|gr|lb|lbs|oz)?\.?$")
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


@dataclass(frozen=True, kw_only=True)
class TimeGuess:
    """How the times of a column are written.

    Attributes:
        formats: See `WrittenTime`; empty for ISO 8601 and stored times.
        share: Of the values that are such times.
        clock: Whether there are clock times that say something.
        zoned: Whether they carry an offset.
        midnights: All clocks are midnights.
        asked: Two readings of the same values that fit both, day first and month first.
        era: From when the years are counted, of `ERAS`, where it is another than usual.
        why: A few words.
    """

    formats: tuple[str, ...] = ()
    share: float = 1.0
    clock: bool = True
    zoned: bool = False
    midnights: bool = False
    asked: tuple[str, str] | None = None
    era: str = ""
    why: str = ""


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
        words = pd.Series(self.filled_values.unique(), dtype=TEXT)[: 4 * _TRIED]
        return words[~words.str.lower().isin(_NOTHING)]

    @cached_property
    def mixed_days(self) -> tuple[str, str] | None:
        """A value that can only be day first and one that can only be month first, if both are."""
        found = self.words.str.extract(r"^(\d{1,2})[./\-](\d{1,2})[./\-]\d{2,4}\b").astype(float)
        day, month = (self.words[found[place] > 12] for place in (0, 1))
        return (str(day.iloc[0]), str(month.iloc[0])) if len(day) and len(month) else None

    @property
    def unique(self) -> bool:
        """Whether each filled row has a value of its own."""
        return self.distinct >= 0.999 * self.filled * self.rows and self.distinct > 1

    @cached_property
    def numeric(self) -> bool:
        """Whether the values are numbers, perhaps with a unit."""
        if pt.is_integer(self.kind) or pt.is_floating(self.kind) or pt.is_decimal(self.kind):
            return True
        words = self.words[:_TRIED]
        return bool(len(words) and words.str.match(_NUMBER.pattern).mean() > _MOST)

    @cached_property
    def digits(self) -> bool:
        """Whether the values are long numbers without a fraction, as identifiers are."""
        words = self.words[:_TRIED]
        return bool(len(words) and words.str.match(r"^\d{5,}$").mean() > _MOST)

    @cached_property
    def unit(self) -> str | None:
        """The unit that most numbers carry."""
        found = self.words[:_TRIED].str.extract(r"([A-Za-z]+)\.?$")[0].str.lower().dropna()
        return (
            str(found.mode().iloc[0]) if len(found) > 0.5 * min(len(self.words), _TRIED) else None
        )

    @cached_property
    def decimal(self) -> str | None:
        """A decimal comma where the numbers show one, "?" where ``1,250`` is all that they show."""
        marks = Counter(map(_decimal_mark, self.words[:_TRIED]))
        if marks[","] > marks["."]:
            return ","
        return "?" if marks["?"] and not marks["."] else None

    @cached_property
    def middle(self) -> float:
        """The median of the numbers, 0 where there are none."""
        words = (
            self.words[:_TRIED].str.extract(r"([\d.,' ]+)")[0].str.replace(r"[' ]", "", regex=True)
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
        words = self.words[:100]
        if not len(words) or self.distinct > 400 or words.str.len().min() < 2:
            return 0.0
        codes = [normal_country(word) for word in words]
        return float(np.mean([code is not None and is_country(code) for code in codes]))

    @cached_property
    def carriers(self) -> float:
        """Share of the different values that are carriers."""
        words = self.words[:_TRIED]
        if not len(words) or self.distinct > 400:
            return 0.0
        return float(np.mean([is_carrier(word) for word in words]))

    @cached_property
    def zones(self) -> float:
        """Share of the different values that are IANA zones."""
        words = self.words[:100]
        return float(np.mean([is_time_zone(word) for word in words])) if len(words) else 0.0

    @cached_property
    def offsets(self) -> float:
        """Share of the different values that are IANA zones or offsets from UTC."""
        words = self.words[:100]
        return (
            float(np.mean([is_time_zone(word) or bool(OFFSET.match(word)) for word in words]))
            if len(words)
            else 0.0
        )

    @cached_property
    def clocks(self) -> bool:
        """Whether they are times of day without a date; bare digits where the name says so."""
        words = self.words[:_TRIED]
        if self._all_digits and not is_about(self.name, "clock"):
            return False
        return bool(len(words)) and all(time_of_day(word) is not None for word in words)

    @cached_property
    def postcodes(self) -> float:
        """Share of the values that could be postcodes."""
        words = self.words[:_TRIED].str.strip().str.lstrip("'")
        if not len(words):
            return 0.0
        looks = words.str.match(r"^(?=.*\d)[A-Za-z0-9][A-Za-z0-9\s\-]{1,9}(\.0)?$")
        return float((looks & words.str.len().between(3, 12)).mean())

    @cached_property
    def dated(self) -> bool:
        """Whether most values are dates or clocks by their looks, readable or not."""
        words = self.words[:_TRIED]
        if not len(words):
            return False

        def like(word: str) -> bool:
            rest, found = _DATE_LIKE.subn("", plain_time(word))
            return bool(found) and not any(letter.isdigit() for letter in rest)

        return self.times() is not None or bool(words.map(like).mean() > _MOST)

    def times(self, *, numbers: bool = False, named: bool = False) -> TimeGuess | None:
        """How its times are written; None where it has none.

        Args:
            numbers: Whether numbers may be times, as the name of the column says.
            named: Whether the name says so surely that half of the values need be none.
        """
        most = _NAMED if named else _MOST
        if pt.is_timestamp(self.kind) or pt.is_date(self.kind):
            return _stored(self.raw)
        if pt.is_integer(self.kind) or pt.is_floating(self.kind) or self._all_digits:
            compact = self._all_digits and bool(self.words.str.match(r"^(19|20)\d{6}$").all())
            if not numbers:
                return None
            return _written_times(self.words, most) if compact else _numbered(self.words)
        era = era_of(self.words)
        words = in_usual_years(self.words, era) if era else self.words
        found = _written_times(words, most)
        if found is None or not era:
            return found
        told = f"years of the {era} era"
        return replace(found, era=era, why=f"{found.why}; {told}" if found.why else told)

    @cached_property
    def _all_digits(self) -> bool:
        words = self.words[:_TRIED]
        return bool(len(words) and words.str.match(r"^\d+([.,]\d+)?$").all())


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
    text = _as_text(raw).to_pandas().astype(TEXT).str.strip()
    text = text.map(_plain_signs, na_action="ignore")
    values = text[text.notna() & (text != "")].reset_index(drop=True)
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


def _stored(raw: pa.ChunkedArray) -> TimeGuess:
    zoned = pt.is_timestamp(raw.type) and raw.type.tz is not None
    if pt.is_date(raw.type):
        return TimeGuess(clock=False, why="stored as dates")
    times = raw.drop_null().cast(pa.timestamp("us", raw.type.tz), safe=False)
    day = 86_400_000_000
    utc = times.cast(pa.int64()).to_numpy()
    midnights = len(utc) > 2 and bool((utc % day == 0).all())
    if zoned and not midnights and raw.type.tz not in {"UTC", "Z"}:
        local = pc.local_timestamp(times).cast(pa.int64()).to_numpy()
        midnights = len(local) > 2 and bool((local % day == 0).all())
    why = "stored as times" + (" with a zone" if zoned else " without a zone")
    if midnights:
        why += ", all at midnight: dates"
    return TimeGuess(clock=not midnights, zoned=zoned, midnights=midnights, why=why)


def _numbered(words: pd.Series[Any]) -> TimeGuess | None:
    numbers = pd.to_numeric(words.str.replace(",", ".", regex=False), errors="coerce").dropna()
    if len(numbers) < _MOST * len(words) or not len(numbers):
        return None
    middle = float(numbers.median())
    for form, low, high in (
        ("epoch_s", 6.3e8, 4.1e9),
        ("epoch_ms", 6.3e11, 4.1e12),
        ("epoch_us", 6.3e14, 4.1e15),
        ("excel", 32_000.0, 73_000.0),
    ):
        if low < middle < high and numbers.between(low, high).mean() > _MOST:
            whole = bool((numbers % 1 == 0).all())
            clock = form != "excel" or not whole
            zoned = form != "excel"
            why = (
                "days since 1899-12-30, as Excel counts"
                if form == "excel"
                else "seconds since 1970"
            )
            if form in {"epoch_ms", "epoch_us"}:
                why = f"{'milli' if form == 'epoch_ms' else 'micro'}{why}"
            return TimeGuess(
                formats=(form,),
                share=float(numbers.between(low, high).mean()),
                clock=clock,
                zoned=zoned,
                why=why,
            )
    return None


def _written_times(words: pd.Series[Any], most: float) -> TimeGuess | None:
    if not len(words):
        return None
    first = words[:_TRIED]
    iso = first.str.extract(_ISO)["zone"]
    is_iso = first.str.match(_ISO.pattern)
    if is_iso.mean() > _MOST:
        stamps = first[is_iso]
        clock = stamps.str.len() > 10
        midnights = bool(
            clock.any() and stamps[clock].str.match(r"^.{11}00:?00(:?00(\.0+)?)?").all()
        )
        return TimeGuess(
            share=float(words.str.match(_ISO.pattern).mean()),
            clock=bool(clock.any()) and not midnights,
            zoned=bool(iso[is_iso & (first.str.len() > 10)].notna().all()) and bool(clock.any()),
            midnights=midnights,
            why="ISO 8601" + (", all at midnight: dates" if midnights else ""),
        )
    plain = plain_times(first)
    guesses = Counter(form for text in plain for form in _formats_of(text))
    if not guesses or sum(bool(_formats_of(text)) for text in plain) < most * len(plain):
        return None
    return _chosen(words, guesses, most)


def _formats_of(text: str) -> list[str]:
    """The formats that one value could have, its day and month in either order."""
    for shape in (_WEEK, _COMPACT, _NUMERIC, _DAY_MONTH, _MONTH_DAY):
        found = shape.match(text)
        if found is not None:
            rest = text[found.end() :]
            clock = _clock_format(rest)
            if clock is None:
                return []
            return [form + clock for form in _date_formats(shape, found)]
    return []


def _date_formats(shape: re.Pattern[str], found: re.Match[str]) -> list[str]:
    if shape is _WEEK:
        return [f"%G{found[1]}W%V{found[2]}%u"]
    if shape is _COMPACT:
        return ["%Y%m%d"]
    if shape is _DAY_MONTH:
        return [f"%d{found[2]}%b{found[4]}{'%Y' if len(found[5]) == 4 else '%y'}"]
    if shape is _MONTH_DAY:
        return [f"%b{found[2]}%d{found[4]}{'%Y' if len(found[5]) == 4 else '%y'}"]
    first, sign, last = (found[1], found[2], found[4]) if found[1] else found.group(5, 6, 8)
    if len(first) == 4:
        return [f"%Y{sign}%m{sign}%d", f"%Y{sign}%d{sign}%m"]
    year = "%Y" if len(last) == 4 else "%y"
    return [f"%d{sign}%m{sign}{year}", f"%m{sign}%d{sign}{year}"]


def _clock_format(rest: str) -> str | None:
    if not rest:
        return ""
    found = _CLOCK.match(rest)
    if found is None:
        return None
    form = (found["gap"] or "") + ("%I" if found["half"] else "%H") + found["a"] + "%M"
    if found["s"]:
        form += found["b"] + "%S"
    if found["f"]:
        form += ".%f"
    if found["half"]:
        form += f"{found['g']}%p"
    else:
        form += found["g"]
    if found["zone"]:
        form += found["o"] + ("%Z" if found["zone"] in {"UTC", "GMT"} else "%z")
    # An abbreviation such as EST does not say where: it is text, and the zone is asked for.
    return form + ("" if found["zone"] else found["o"]) + (found["rest"] or "")


def _chosen(words: pd.Series[Any], guesses: Counter[str], most: float) -> TimeGuess | None:
    fits = {form: parsed(words, form).notna().to_numpy() for form, _ in guesses.most_common(12)}
    open_ = np.ones(len(words), dtype=bool)
    chosen: list[str] = []
    asked: tuple[str, str] | None = None
    why = ""
    while open_.any() and fits:
        counts = {form: int((fit & open_).sum()) for form, fit in fits.items()}
        best = max(counts, key=lambda form: (counts[form], _day_first(form)))
        if not counts[best]:
            break
        other = _swapped(best)
        if other != best and other in counts and counts[other] == counts[best]:
            # Both orders fit every value: only dots and a leading year settle it.
            if "." in best.partition("%Y")[0]:
                why = "day first, as dates with dots are"
            elif best.startswith("%Y"):
                best = best if best.index("%m") < best.index("%d") else other
                why = "year first"
            else:
                asked = (best, other)
        elif other in counts:
            day = "day" if _day_first(best) else "month"
            shown = words[open_ & fits[best] & ~fits[other]]
            why = f"{day} first, as {shown.iloc[0]!r} shows" if len(shown) else f"{day} first"
            if best.startswith("%Y"):
                why = "year first"
        chosen.append(best)
        open_ &= ~fits[best]
        if other != best and other in fits and (fits[other] & open_).sum() > _SLIPS * len(words):
            return None  # some are day first and some month first: most others may be either
        fits.pop(best)
        fits.pop(other, None)
    named = sorted({found[1] for form in chosen if (found := _ABBREVIATION.search(form))})
    if named:
        # Winter's name all year is a clock without summer time, both are that of a place.
        fixed = ", all year a clock without summer time" if len(named) == 1 else ""
        told = f"{' and '.join(named)} behind the clock do not say where{fixed}"
        why = f"{why}; {told}" if why else told
    share = 1 - float(open_.mean())
    if share < most:
        return None
    clock = any(has_clock(form) for form in chosen)
    midnights = False
    if clock:
        all_ = pd.concat(
            [
                parsed(words, form).dropna().dt.tz_localize(None)
                for form in chosen
                if has_clock(form)
            ]
        )
        midnights = len(all_) > 2 and bool((all_ == all_.dt.normalize()).all())
    return TimeGuess(
        formats=tuple(chosen),
        share=share,
        clock=clock and not midnights,
        zoned=clock and all("%z" in form or "%Z" in form for form in chosen),
        midnights=midnights,
        asked=asked,
        why=why or "dates with the month's name" if "%b" in chosen[0] else why,
    )


def _day_first(form: str) -> bool:
    places = [form.find(sign) for sign in ("%d", "%m")]
    return places[0] < places[1] or min(places) < 0


def _swapped(form: str) -> str:
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
