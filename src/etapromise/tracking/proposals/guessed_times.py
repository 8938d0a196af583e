"""How the times of a column are written, as its values show: stored, counted or in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise.text_type import beginning_with, replaced
from etapromise.tracking.date_parts import slips_of
from etapromise.tracking.time_words import plain_times
from etapromise.tracking.times import few_of
from etapromise.tracking.written_times import ISO, WRAPPED, has_clock, parsed

TRIED: Final = 400
"""Values of a column that are looked at."""
MOST: Final = 0.9
"""A column is of times where so many of its values are."""
# Days since 1899-12-30, of 1987 to 2099, and the share of a column from which they are no slip.
_SERIAL: Final = re.compile(r"^\d{5}(?:[.,]\d+)?$")
_SERIAL_DAYS: Final = (32_000, 73_000)
_FEW: Final = 0.01
_NUMERIC: Final = re.compile(
    r"^(\d{4})([./\-\s])(\d{1,2})\2(\d{1,2})(?!\d)|^(\d{1,2})([./\-\s])(\d{1,2})\6(\d{4}|\d\d)(?!\d)"
)
_COMPACT: Final = re.compile(r"^(?:19|20)\d{6}(?=$|[T\s]?\d{4,6}$|[T\s]\d\d?:)")
_WEEK: Final = re.compile(r"^\d{4}(-?)W\d\d(-?)[1-7](?=$|\D)")
_DAY_MONTH: Final = re.compile(r"^(\d{1,2})(\.?[ \-/]?)([A-Z][a-z]{2})([ ,\-/]+)(\d{2,4})")
_MONTH_DAY: Final = re.compile(r"^([A-Z][a-z]{2})([ \-]+)(\d{1,2})(,? |-)(\d{4}|\d\d)(?!\d)")
_CLOCK: Final = re.compile(
    r"^(?P<gap>[T,\s]\s*|\s+-\s+|\s+(?:at|um)\s+)?(?P<h>\d{1,2})(?P<a>[:.h]?)(?P<m>\d\d)"
    r"(?:(?P<b>[:.]?)(?P<s>\d\d))?(?P<f>\.\d{1,6})?(?P<g>\s*)(?P<half>[AP]M)?"
    r"(?P<o>\s*)(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?(?P<rest>\s*(?:[A-Z]{3,4})?)$"
)
_ISO: Final = re.compile(
    r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$"
)
# What may be a clock and an offset behind UTC, or the two ends of a window.
_HOURS_AND_OFFSET: Final = re.compile(r"[T ](?P<begins>\d\d:\d\d)(?::\d\d)?-(?P<ends>\d\d:\d\d)$")
_FEW_HOURS: Final = 3
# Cells of dates and texts beside each other, from how many of each nothing else explains them.
_SEVERAL_CELLS: Final = 8
_LAST_MONTH: Final = 12
# Numbers that stand for times, from 2000 to 2100, which no two ways of counting share.
_COUNTED: Final = (
    ("epoch_s", 9.4e8, 4.1e9, "seconds since 1970"),
    ("epoch_ms", 9.4e11, 4.1e12, "milliseconds since 1970"),
    ("epoch_us", 9.4e14, 4.1e15, "microseconds since 1970"),
    ("epoch_ns", 9.4e17, 4.1e18, "nanoseconds since 1970"),
    ("ticks", 6.30e17, 6.63e17, "ten millionths of a second since the year 1, as .NET counts"),
    ("excel", 32_000.0, 73_000.0, "days since 1899-12-30, as Excel counts"),
)
# Days as mainframes and EDI write them, without a century: of so few years.
_NO_CENTURY: Final = {"%y%m%d": r"^\d\d[01]\d[0-3]\d$", "1%y%m%d": r"^1\d\d[01]\d[0-3]\d$"}
# Days with their clock likewise, of the twenties on: before, they would be seconds since 1970.
_DIGIT_CLOCKS: Final = {
    form: rf"^[2-9]\d[01]\d[0-3]\d[0-2]\d[0-5]\d{seconds}$"
    for form, seconds in (("%y%m%d%H%M", ""), ("%y%m%d%H%M%S", r"[0-5]\d"))
}
# JD Edwards counts the century before the year.
_DAY_OF_YEAR: Final = {"%Y%j": r"^20\d\d[0-3]\d\d$", "1%y%j": r"^1\d\d[0-3]\d\d$"}
_FEW_YEARS: Final = 6
# A year, a month and a day; of more years than these no table is.
_SHORT_PARTS: Final = re.compile(r"^(\d\d)([./-])(?:0\d|1[0-2])\2(\d\d)(?!\d)")
_MOST_YEARS: Final = 10
_FIRST: Final = {True: "day", False: "month"}
_ABBREVIATION: Final = re.compile(r"(?<!%)\b([A-Z]{3,4})$")


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
        doubt: What makes the values unsure whatever they are read as; empty where nothing does.
        era: From when the years are counted, of `ERAS`, where it is another than usual.
        why: A few words.
    """

    formats: tuple[str, ...] = ()
    share: float = 1.0
    clock: bool = True
    zoned: bool = False
    midnights: bool = False
    asked: tuple[str, str] | None = None
    doubt: str = ""
    era: str = ""
    why: str = ""


def stored_times(raw: pa.ChunkedArray) -> TimeGuess:
    """What times that are stored as such show."""
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


def numbered_times(words: pd.Series[Any]) -> TimeGuess | None:
    """How times that are numbers are counted; None where they are none."""
    for form, shape in _DIGIT_CLOCKS.items():
        if len(words) and beginning_with(words, shape).all() and _of_few_years(words, form):
            return TimeGuess(formats=(form,), why=f"days and clocks written as {form}")
    numbers = pd.to_numeric(words.str.replace(",", ".", regex=False), errors="coerce").dropna()
    if len(numbers) < MOST * len(words) or not len(numbers):
        return None
    middle = float(numbers.median())
    for form, low, high, why in _COUNTED:
        if low < middle < high and numbers.between(low, high).mean() > MOST:
            whole = bool((numbers % 1 == 0).all())
            clock = form != "excel" or not whole
            zoned = form != "excel"
            return TimeGuess(
                formats=(form,),
                share=float(numbers.between(low, high).mean()),
                clock=clock,
                zoned=zoned,
                why=why,
            )
    return None


def bare_days(words: pd.Series[Any]) -> TimeGuess | None:
    """How days of six or seven digits are written, ``250120`` or ``2025020``; None of others.

    Such numbers may be anything: all must be days of few years.
    """
    for form, shape in (_NO_CENTURY | _DAY_OF_YEAR).items():
        if len(words) and beginning_with(words, shape).all() and _of_few_years(words, form):
            return TimeGuess(formats=(form,), clock=False, why=f"days written as {form}")
    return None


def _of_few_years(words: pd.Series[Any], form: str) -> bool:
    """Whether all are times of a format, and of years that one table may have."""
    years = parsed(words, form).dt.year
    return bool(
        years.notna().all() and years.max() - years.min() < _FEW_YEARS <= years.min() - 1990
    )


def written_times(words: pd.Series[Any], most: float) -> TimeGuess | None:
    """How times that are text are written.

    Args:
        words: (n,) different values.
        most: The share of them that must be times; None comes back where fewer are.
    """
    if not len(words):
        return None
    first = words[:TRIED]
    if beginning_with(first, WRAPPED).mean() > MOST:
        return numbered_times(replaced(words, WRAPPED, r"\g<number>"))
    is_iso = beginning_with(first, _ISO)
    if is_iso.mean() > MOST:
        return _iso(words, first[is_iso])
    serials = _serials(words)
    if _FEW < serials.mean() < 1 - _FEW:
        return _with_serials(words[~serials], words[serials], most)
    plain = plain_times(first)
    guesses = Counter(form for text in plain for form in _formats_of(text))
    if not guesses or sum(bool(_formats_of(text)) for text in plain) < most * len(plain):
        return None
    if _year_first(plain):
        guesses = Counter(
            {
                re.sub(r"^%d(.)%m\1%y", r"%y\1%m\1%d", form): n
                for form, n in guesses.items()
                if not form.startswith("%m")
            }
        )
    return _with_swapped_cells(words, _chosen(words, guesses, most))


def _iso(words: pd.Series[Any], stamps: pd.Series[Any]) -> TimeGuess | None:
    """What times in ISO 8601, the first of their column, show."""
    if _windows(stamps):
        return None
    clock = stamps.str.len() > 10
    midnights = bool(
        clock.any() and beginning_with(stamps[clock], r"^.{11}00:?00(:?00(\.0+)?)?").all()
    )
    zones = stamps[clock].str.extract(_ISO)["zone"]
    return TimeGuess(
        share=float(beginning_with(words, _ISO).mean()),
        clock=bool(clock.any()) and not midnights,
        zoned=bool(zones.notna().all()) and bool(clock.any()),
        midnights=midnights,
        why="ISO 8601" + (", all at midnight: dates" if midnights else ""),
    )


def _windows(stamps: pd.Series[Any]) -> bool:
    """Whether 14:00-15:00 is a window of hours in ISO 8601's clothes, and no offset from UTC.

    It ends after it begins in every row, and not always at one time.
    """
    hours = stamps.str.extract(_HOURS_AND_OFFSET.pattern).dropna()
    if len(hours) < _FEW_HOURS or len(hours) < MOST * len(stamps):
        return False
    begins, ends = (hours[name].str.replace(":", "") for name in ("begins", "ends"))
    return bool((ends > begins).all() and (ends != ends.iloc[0]).any())


def _year_first(plain: pd.Series[Any]) -> bool:
    """Whether ``25/01/20`` begins with its year, of which a table has fewer than of days."""
    parts = plain.str.extract(_SHORT_PARTS.pattern)[[0, 2]]
    first, last = (int(parts[name].nunique()) for name in (0, 2))
    return bool(parts[0].notna().all()) and first < last and last > _MOST_YEARS


def _serials(words: pd.Series[Any]) -> pd.Series[Any]:
    """(n,) which values are days as spreadsheets count them."""
    numbers = pd.to_numeric(words.where(beginning_with(words, _SERIAL)), errors="coerce")
    return numbers.between(*_SERIAL_DAYS)


def _with_serials(words: pd.Series[Any], serials: pd.Series[Any], most: float) -> TimeGuess | None:
    """Texts and a spreadsheet's numbers in one column.

    A spreadsheet that reads texts in its own order of day and month makes numbers of those that
    fit, of days for months, and leaves the others, whose days are all after the twelfth.
    """
    found = written_times(words, most)
    if found is None or "excel" in found.formats:
        return found
    swapped = [
        form
        for form in found.formats
        if not form.startswith("%Y")
        and "%b" not in form
        and not parsed(words, _swapped(form)).notna().any()
    ]
    told = (
        f"{len(serials):,} of the values are a spreadsheet's numbers, such as {serials.iloc[0]!r}"
    )
    if swapped:
        doubt = (
            f"{told}, and the others, such as {words.iloc[0]!r}, all have a day after the twelfth: "
            "the spreadsheet took days for months in those it could read. Export it again as text"
        )
        return replace(found, doubt=doubt)
    formats = (*(found.formats or (ISO,)), "excel")
    return replace(found, formats=formats, why=f"{found.why}; {told}" if found.why else told)


def _with_swapped_cells(words: pd.Series[Any], found: TimeGuess | None) -> TimeGuess | None:
    """Doubt cells of dates that a spreadsheet made of texts, beside the texts that it could not.

    See `_with_serials`: here the spreadsheet's file is read itself, whose cells are dates.
    """
    if found is None:
        return found
    cells = beginning_with(words, _ISO)
    days = words[cells].str.slice(8, 10).astype(int)
    texts = words[~cells]
    if min(len(days), len(texts)) < _SEVERAL_CELLS or (days > _LAST_MONTH).any():
        return found
    for form in found.formats:
        if form.startswith("%Y") or "%b" in form or not parsed(texts, form).notna().any():
            continue
        if not parsed(texts, _swapped(form)).notna().any():
            doubt = (
                f"{len(days):,} of the values are dates of a spreadsheet, such as "
                f"{words[cells].iloc[0]!r}, whose day is never after the twelfth, and the others, "
                f"such as {texts.iloc[0]!r}, all have one that is: the spreadsheet took days for "
                "months in those it could read. Export it again as text"
            )
            return replace(found, doubt=doubt)
    return found


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
    every = float(np.logical_or.reduce([*fits.values()]).mean())
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
            elif chosen and few_of(counts[best], len(words)):
                # A few in another form than the rest, of which nothing tells the order.
                fits = {form: fit for form, fit in fits.items() if form not in {best, other}}
                continue
            else:
                asked = (best, other)
        elif other in counts:
            day = _FIRST[_day_first(best)]
            shown = words[open_ & fits[best] & ~fits[other]]
            why = f"{day} first, as {shown.iloc[0]!r} shows" if len(shown) else f"{day} first"
            if best.startswith("%Y"):
                why = "year first"
        chosen.append(best)
        open_ &= ~fits[best]
        strays = int((fits[other] & open_).sum()) if other != best and other in fits else 0
        if strays and not slips_of(strays, int((fits[best] & ~fits[other]).sum())):
            # Most of those that show neither may be either.
            usual, some = (
                words[fits[best] & ~fits[other]].iloc[0],
                words[open_ & fits[other]].iloc[0],
            )
            doubt = (
                f"{usual!r} is {_FIRST[_day_first(best)]} first and {strays:,} values, such as "
                f"{some!r}, are {_FIRST[_day_first(other)]} first, so that most others could be "
                "either: export it in one form"
            )
            return TimeGuess(formats=(best,), share=every, doubt=doubt)
        fits.pop(best)
        fits.pop(other, None)
    why = "; ".join(filter(None, (why, _abbreviations(chosen))))
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


def _abbreviations(formats: Sequence[str]) -> str:
    """What zones that are only abbreviated leave open."""
    named = sorted({found[1] for form in formats if (found := _ABBREVIATION.search(form))})
    if not named:
        return ""
    # Winter's name all year is a clock without summer time, both are that of a place.
    fixed = ", all year a clock without summer time" if len(named) == 1 else ""
    return f"{' and '.join(named)} behind the clock do not say where{fixed}"


def _day_first(form: str) -> bool:
    places = [form.find(sign) for sign in ("%d", "%m")]
    return places[0] < places[1] or min(places) < 0


def _swapped(form: str) -> str:
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
