"""Times in the words and digits of many languages, as figures and English short names.

``3 de enero de 2025, 15:04 hs.``, ``令和7年1月3日 午後3時4分`` and ``1/3/25 3:04pm``, and digits of
any script, become what one format can read; whatever is none of these stays as it is.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from babel.dates import get_day_names, get_month_names

from etapromise.normal_forms.texts import ascii_digits
from etapromise.text_type import beginning_with

if TYPE_CHECKING:
    import pandas as pd

ERAS: Final = {"buddhist": -543, "minguo": 1911}
"""What is added to a year that is counted from another beginning: Thailand's and Taiwan's."""

_LANGUAGES: Final = (
    *("en", "de", "fr", "es", "pt", "it", "nl", "pl", "sv", "da", "nb", "fi", "cs", "ro", "hu"),
    *("tr", "el", "ru", "uk", "bg", "sk", "sl", "et", "lv", "lt", "id", "vi", "ar", "he"),
    # Not Croatian, whose October is called as the Polish November.
    *("th", "ms", "sr", "hi"),
)
# Short forms that are used and that CLDR does not have.
_SHORT: Final = {"sept": "Sep", "okt": "Oct", "dez": "Dec", "mrz": "Mar", "set": "Sep"}
# Letters with the marks of Devanagari and Thai; Thai short names such as ม.ค. have points inside.
_WORD: Final = re.compile(
    r"[\u0e01-\u0e4e]{1,3}\.[\u0e01-\u0e4e]{1,3}\.|"
    r"(?:[^\W\d_][\u0307\u093c-\u094f\u0e31-\u0e4e]*){2,}\.?"
)
_HALF_DAY: Final = re.compile(r"(?i)(?<![^\W\d_])([ap])\.?\s?m\.?(?=\s|$)")
# The first year of an era is year one, and is written with a word of its own.
_ERAS: Final = {"令和": 2018, "平成": 1988, "昭和": 1925}
_ERA: Final = re.compile(rf"({'|'.join(_ERAS)})\s*(\d{{1,2}}|元)\s*年")
# 令和7.1.20 and R7.01.20
_SHORT_ERA: Final = re.compile(
    rf"^({'|'.join(_ERAS)}|[RHS])\.?\s?(\d{{1,2}})([./-])(\d{{1,2}})\3(\d{{1,2}})(?!\d)"
)
_MORNING: Final = ("午前", "上午", "凌晨", "早上", "오전", "πμ", "π.μ.", "ص")
_EVENING: Final = ("午後", "下午", "晚上", "오후", "μμ", "μ.μ.", "م")
# Of languages in Latin and Cyrillic letters; those of Vietnam before a clock would be anything.
_MORNINGS: Final = ("öö", "de.", "ap.", "dop.", "дп", "pg")
_EVENINGS: Final = ("ös", "du.", "ip.", "odp.", "пп", "ptg")
_SANG, _CHIEU = "sa", "ch"
# Halves of the day that are not read, and so are no words that only stand before a clock.
_UNREAD: Final = (
    *("fm", "em", "vorm", "nachm", "matin", "soir", "tarde", "noche", "manana", "mañana", "manhã"),
    *("noite", "mattina", "sera", "pom", "pop", "rano", "wiecz", "утра", "дня", "вечера", "ночи"),
    *("sáng", "chiều", "tối", "sabah", "akşam", "pagi", "sore", "malam", "siang"),
)
_HALVES: Final = "|".join(map(re.escape, (*_MORNING, *_EVENING)))
_LATIN_HALVES: Final = rf"(?i:{'|'.join(map(re.escape, (*_MORNINGS, *_EVENINGS)))})"
_CLOCK: Final = r"\d{1,2}:\d\d(?::\d\d)?"


def _era(found: re.Match[str]) -> str:
    return f"{_ERAS[found[1]] + (1 if found[2] == '元' else int(found[2]))}年"


def _short_era(found: re.Match[str]) -> str:
    names = {name[0]: start for name, start in zip("RHS", _ERAS.values(), strict=True)} | _ERAS
    return f"{names[found[1]] + int(found[2])}-{found[4]}-{found[5]}"


def _whole_offset(found: re.Match[str]) -> str:
    return f" {found[1]}{found[2]:0>2}{found[3] or '00'}"


def _month(found: re.Match[str]) -> str:
    name = _month_key(found[0])
    # In Hebrew "in" is a letter before the month.
    return _months().get(name) or _months().get(name.removeprefix("ב"), found[0])


def _month_key(name: str) -> str:
    """A month's name to be compared: of Turkish capitals either I may be meant."""
    name = unicodedata.normalize("NFKC", name)
    return name.lower().rstrip(".").replace("i\u0307", "i").replace(chr(0x131), "i")


def _half(found: re.Match[str]) -> str:
    word = found["before"] or found["after"]
    # In Japan and China noon is the evening's hour 0.
    clock = f"12{found['clock'][1:]}" if found["clock"].startswith("0:") else found["clock"]
    morning = word in _MORNING or word.lower() in (*_MORNINGS, _SANG) or word[0] in "aA"
    return f"{clock} {'AM' if morning else 'PM'}"


def _east_asian_clock(found: re.Match[str]) -> str:
    return f"{found[1]}:{int(found[2] or 0):02d}" + (f":{int(found[3]):02d}" if found[3] else "")


@functools.cache
def _months() -> dict[str, str]:
    """Month names of many languages as English short ones, but for those that are of two months."""
    found: dict[str, set[int]] = {}
    for language in _LANGUAGES:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                for number, name in get_month_names(width, context, locale=language).items():
                    found.setdefault(_month_key(name), set()).add(number)
    english = get_month_names("abbreviated", locale="en")
    return _SHORT | {
        name: english[next(iter(numbers))] for name, numbers in found.items() if len(numbers) == 1
    }


@functools.cache
def _week_days() -> frozenset[str]:
    """Names of the days of the week in many languages, but for those that are a month's too."""
    found = {
        name.lower().rstrip(".")
        for language in _LANGUAGES
        for width in ("wide", "abbreviated")
        for context in ("format", "stand-alone")
        for name in get_day_names(width, context, locale=language).values()
    }
    return frozenset(found) - set(_months())


def _without_week_day(found: re.Match[str]) -> str:
    return "" if found[1].lower() in _week_days() else found[0]


_TIME_OF_DAY: Final = re.compile(
    r"^(?P<h>\d{1,2})[:.H](?P<m>\d\d)(?:[:.](?P<s>\d\d))?(?:\.\d{1,6})?\s*(?P<half>[AP]M)?$"
)
_DIGIT_CLOCK: Final = re.compile(r"^(?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d)$")

# In this order; each is tried on what the ones before it left.
_REWRITTEN: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    # Marks that say in which direction a script runs, and of the order of bytes.
    (re.compile(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"), ""),
    # Feb  3 2025  3:04PM
    (re.compile(r"\s{2,}"), " "),
    (re.compile(r"\s*[(][月火水木金土日월화수목금토일一二三四五六][)]\s*"), " "),
    # Mon 03 Feb 2025, Mon Feb 03 2025, Montag, 3. Februar 2025
    (re.compile(r"^([^\W\d_]{2,}(?:-[^\W\d_]+)?)\.?,?\s+(?=\S*\d|\w{3,}\s\d)"), _without_week_day),
    # February 3rd, 2025
    (re.compile(r"(?<=\d)(?:st|nd|rd|th)(?=[,\s])"), ""),
    # Browsers write GMT+0100 (Central European Standard Time), Java +01:00[Europe/Paris].
    (re.compile(r"\s(?:GMT|UTC)([+-]\d{4})(?:\s\([^()]*\))?$"), r" \1"),
    (re.compile(r"([+-]\d\d:?\d\d|Z)\[[^\]]+\]$"), r"\1"),
    # GMT+8, (UTC+03:00)
    (re.compile(r"\s\(?(?:GMT|UTC)([+-])(\d{1,2})(?::?(\d\d))?\)?$"), _whole_offset),
    # 14:05 20/01/2025, 14:05, 20 tháng 1 năm 2025
    (
        re.compile(
            r"^(\d{1,2}[:h]\d\d(?::\d\d)?(?:\s?[AaPp][Mm])?),?\s+(?:[^\W\d_]{1,6}\s+)?(\d[^:]{5,})$"
        ),
        r"\2 \1",
    ),
    # Vietnamese months are counted.
    (
        re.compile(
            r"(?i)^(?:ngày\s+)?(\d{1,2})\s+(?:thg|tháng)\s+(\d{1,2}),?\s+(?:năm\s+)?(\d{4})"
        ),
        r"\1.\2.\3",
    ),
    # 2025. január 20.
    (re.compile(r"^(\d{4})\.?\s+([^\W\d_]{3,})\.?\s+(\d{1,2})\.?(?=[\s,]|$)"), r"\3 \2 \1"),
    # 20JAN2025:14:05:00, 20/Jan/2025:14:05:00 +0100, 20250120-140500
    (re.compile(r"^(\d\d)([A-Za-z]{3})(\d{4}|\d\d)(?=$|[:\s])"), r"\1 \2 \3"),
    (re.compile(r"^(\d\d[ /][A-Za-z]{3}[ /]\d{2,4}):(?=\d)|^(\d{8})[-_](?=\d{4,6}$)"), r"\1\2 "),
    # Tue Feb 04 16:27:00 CET 2025, Tue Feb 04 16:27:00 +0100 2025: the year stands at the end.
    (
        re.compile(r"^([^\W\d_]{3,}\.? \d{1,2}) (\d{1,2}:\d\d(?::\d\d)?(?: \S+)?) (\d{4})$"),
        r"\1 \3 \2",
    ),
    # Databases write seven or nine digits of a second.
    (re.compile(r"(?<=[:.]\d\d\.\d{6})\d{1,3}(?!\d)"), ""),
    # 16:27:00,123 and 20250203T162700Z are ISO 8601, too.
    (re.compile(r"(?<=:\d\d),(\d{3,6})$"), r".\1"),
    (
        re.compile(r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?=Z|[+-]|$)"),
        r"\1-\2-\3T\4:\5:\6",
    ),
    # 20250120140500+0100, 20250120T1405Z
    (
        re.compile(r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?=Z$|[+-]\d)"),
        r"\1-\2-\3T\4:\5:\6",
    ),
    (re.compile(r"^(\d{4})(\d\d)(\d\d)T?(\d\d)(\d\d)(?=Z$|[+-]\d)"), r"\1-\2-\3T\4:\5"),
    # 20.01.2025 | 14:05, 20/1-2025 as in Denmark
    (re.compile(r"(?<=\d)\s*\|\s*(?=\d{1,2}[:.h]\d\d)"), " "),
    (re.compile(r"^(\d{1,2})/(\d{1,2})\s?-\s?(\d{4})(?!\d)"), r"\1.\2.\3"),
    (_ERA, _era),
    (_SHORT_ERA, _short_era),
    (re.compile(r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일号]"), r"\1-\2-\3"),
    (
        re.compile(r"(\d{1,2})\s*[時时点시]\s*(?:(\d{1,2})\s*[分분]?)?(?:\s*(\d{1,2})\s*[秒초])?"),
        _east_asian_clock,
    ),
    (
        re.compile(
            rf"(?P<before>{_HALVES}|(?<![^\W\d_])(?:{_LATIN_HALVES}|(?i:[ap]\.?m\.?)))"
            rf"\s*(?P<clock>{_CLOCK})(?P<after>)"
        ),
        _half,
    ),
    (
        re.compile(
            rf"(?P<before>)(?P<clock>{_CLOCK})\s*"
            rf"(?P<after>{_HALVES}|(?i:{_SANG}|{_CHIEU})|{_LATIN_HALVES})(?!\w)"
        ),
        _half,
    ),
    (re.compile(r"(?i)^(\d{1,2})[.º]?\s+de\s+([^\W\d_]+)\s+(?:de\s+|del\s+)?(\d{4})"), r"\1 \2 \3"),
    (re.compile(r"^(\d{4})\.\s+(\d{1,2})\.\s+(\d{1,2})\.?"), r"\1-\2-\3"),
    (re.compile(r"^(\d{1,2})\.\s+(\d{1,2})\.\s+(\d{4})"), r"\1.\2.\3"),
    # 20.03.2025. 14:33, as in Croatia; 2025.03.20., as in Hungary
    (re.compile(r"^(\d{1,4}\.\d{1,2}\.\d{1,4})\.(?=\s|$)"), r"\1"),
    # 20-01-2025 om 14:05 uur: a word between a date and its clock, and what is short for year.
    (
        re.compile(
            r"(?<=\d)(?:\s*[\u0433\u0440]\.?)?\.?,?"
            rf"(?:\s+(?![A-Z]{{3,4}}\b)(?!(?i:{'|'.join(_UNREAD)})\b)"
            r"(?:[^\W\d_][^\W\d]{0,6}\.?(?:\s[^\W\d_]{1,3})?|@))?"
            r"\s+(?=\d{1,2}[:.hH]\d\d(?!\d|[./-]\d))"
        ),
        " ",
    ),
    (
        re.compile(
            r"(?i)(?<=\d{4})\s*\u0433\.?$|(?<=\d)\s*(?:hs|Uhr|uur|hod|hrs?|h|\u0447|\u0e19)\.?$"
        ),
        "",
    ),
    (_HALF_DAY, lambda found: f"{found[1].upper()}M"),
    (_WORD, _month),
)


_LAST: Final = 2100
# Years of four digits that stand alone; years of three digits before a month and a day.
_YEAR: Final = re.compile(r"(?<!\d)(\d{4})(?!\d)")
_REPUBLIC: Final = re.compile(
    r"^(?:中?華?民[國国])?\s*(1\d\d)(?=\s*[./\-年]\s*\d{1,2}\s*[./\-月]\s*\d)"
)


def era_of(texts: pd.Series[Any]) -> str:
    """From when the years of times are counted, of `ERAS`, empty where as usual.

    Only where every year is far ahead of any that can be meant: one usual year is enough not to.
    """
    if not len(texts):
        return ""
    if beginning_with(texts, _REPUBLIC).mean() > 0.9:  # others are placeholders
        return "minguo"
    years = texts.str.extract(_YEAR.pattern)[0].dropna().astype(int)
    if len(years) and years.between(1957 + 543, _LAST + 543).all():
        return "buddhist"
    return ""


def in_usual_years(texts: pd.Series[Any], era: str) -> pd.Series[Any]:
    """Times whose years are counted from `era` with the usual years, (n,); others as they are."""
    add = ERAS[era]
    form = _REPUBLIC if era == "minguo" else _YEAR

    def year(found: re.Match[str]) -> str:
        meant = int(found[1]) + add
        # A placeholder such as 9999 or 1900 is counted as usual.
        return f"{meant:04d}" if 1957 <= meant <= _LAST else found[0]

    def usual(text: str) -> str:
        return form.sub(year, text, count=1)

    return texts.map(usual, na_action="ignore")


def plain_time(text: str) -> str:
    """A time with its digits, eras, months, and halves of the day plainly written.

    Examples:
        >>> plain_time("令和7年1月3日 午後3時4分")
        '2025-1-3 3:04 PM'
        >>> plain_time("3 de enero de 2025 15:04 hs.")
        '3 Jan 2025 15:04'
    """
    if not text.isascii():
        text = ascii_digits(unicodedata.normalize("NFKC", text))
    for form, written in _REWRITTEN:
        text = form.sub(written, text)
    return text.strip()


# What systems that know no time without a day put before one.
NO_DAY: Final = re.compile(
    r"^(?:0001-01-01|175[34]-01-01|1899-12-3[01]|1900-01-0[01]|1970-01-01)[T ](?=\d\d:)"
)


def time_of_day(text: str) -> str | None:
    """A time of day as ``HH:MM:SS``, None where it is none; ``91203`` is ``09:12:03``.

    ``24:00:00`` is the end of the day.

    Examples:
        >>> time_of_day("9:12 pm")
        '21:12:00'
    """
    plain = plain_time(NO_DAY.sub("", text.strip()).upper())
    found = _DIGIT_CLOCK.match(plain.zfill(6)) if plain.isdigit() else _TIME_OF_DAY.match(plain)
    if found is None:
        return None
    hour, minute, second = int(found["h"]), int(found["m"]), int(found["s"] or 0)
    half = found["half"] if "half" in found.groupdict() else None
    if half and not 1 <= hour <= 12:
        return None
    hour = hour % 12 + (12 if half == "PM" else 0) if half else hour
    end_of_day = not half and (hour, minute, second) == (24, 0, 0)
    if (hour > 23 and not end_of_day) or minute > 59 or second > 59:
        return None
    return f"{hour:02d}:{minute:02d}:{second:02d}"


def times_of_day(texts: pd.Series[Any]) -> pd.Series[Any]:
    """`time_of_day` of each text, what is none as it came, (n,).

    Of numbers none of which has five digits the last two are minutes: ``930`` is ``09:30:00``.
    """
    texts = texts.str.strip()
    bare = texts[texts.str.fullmatch(r"\d+").eq(other=True)].str.len()
    minutes = len(bare) and 3 <= bare.max() <= 4

    def read(text: str) -> str:
        return time_of_day(text.zfill(4) + "00" if minutes and text.isdigit() else text) or text

    return texts.map(read, na_action="ignore")


def plain_times(texts: pd.Series[Any]) -> pd.Series[Any]:
    """`plain_time` of each text, missing where there is none, (n,)."""
    return texts.map(plain_time, na_action="ignore")
