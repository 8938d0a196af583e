"""The promise and its reasons in words, in the customer's language; CLDR's, through Babel.

The sentences stand in `words.toml` beside this file. A locale whose language has none there still
gets its date or range, as CLDR writes it.
"""

from __future__ import annotations

import decimal
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, match_skeleton
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from etapromise.errors import ContractError
from etapromise.files import settings_text

Shown = Literal["date", "range", "follows"]
"""What a sentence tells."""

_SHOWN: Final = ("date", "range", "follows")
# Weekday, day and month, in the order that the language writes them; the same without the weekday.
_WHOLE: Final = "EEEEdMMMM"
_DAY: Final = "dMMMM"
# Words of a kind of their own within a language's.
_TABLES: Final = ("stages", "why")
_OF_CLAUSES: Final = ("between", "ends")
_PLURALS: Final = frozenset({"zero", "one", "two", "few", "many", "other"})
_WEEKDAYS: Final = ("by_weekdays", "between_weekdays")
_DEFAULTS: Final = {
    "dated": "{weekday}, {day}",
    "hours": "{n} h",
    "minutes": "{n} min",
    "time_joined": " ",
    "joined": " ",
    "ends": ".",
}


@dataclass(frozen=True, eq=False)
class Wording:
    """Sentences by language. Immutable.

    Attributes:
        languages: as in `words.toml`: by language, language_Script or language_TERRITORY; the
            clauses of `why_words.toml` are their tables `why`.
    """

    languages: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, source: Wording | str | Path | None) -> Wording:
        """The library's own words, those in a file beside them, or words as they are.

        Args:
            source: path of a TOML file like `words.toml`; it replaces sentence by sentence.
        """
        if isinstance(source, cls):
            return source
        own = _own_words()
        if source is None:
            return own
        if not isinstance(source, str | Path):
            raise ContractError(
                f"Found words={source!r}; expected the path of a TOML file like words.toml."
            )
        path = Path(source)
        try:
            return _read_words(path, path.stat().st_mtime_ns)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ContractError(
                f"Found words in {path} that cannot be read ({error}); expected a TOML file like "
                "words.toml."
            ) from error


@cache
def _own_words() -> Wording:
    sentences, clauses = [
        tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))
        for name in ("words.toml", "why_words.toml")
    ]
    return Wording({name: {**sentences[name], "why": clauses.get(name, {})} for name in sentences})


@lru_cache(maxsize=16)
def _read_words(path: Path, _changed: int) -> Wording:
    merged = {name: dict(table) for name, table in _own_words().languages.items()}
    for name, table in tomllib.loads(settings_text(path)).items():
        if not isinstance(table, dict):
            raise ContractError(f"Found {name}={table!r} in {path}; expected a table [{name}].")
        for key, text in table.items():
            _require_sentence(path, f"{name}.{key}", key, text)
        merged[name] = _laid_over(merged.get(name, {}), table)
    return Wording(merged)


def _laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    within = {name: {**under.get(name, {}), **over.get(name, {})} for name in _TABLES}
    return {**under, **over, **within}


def _require_sentence(path: Path, where: str, key: str, text: object) -> None:
    english = {**_DEFAULTS, **_own_words().languages["en"]}
    if key == "why" and isinstance(text, dict):
        for name, clause in text.items():
            _require_clause(path, f"{where}.{name}", name, clause)
        return
    found = f"Found {where}={text!r} in {path}; expected"
    if key in _WEEKDAYS:
        if not _are_weekdays(text):
            raise ContractError(f"{found} seven weekdays.")
    elif key == "stages" and isinstance(text, dict):
        known = english["stages"].keys()
        if not text.keys() <= known or not all(isinstance(each, str) for each in text.values()):
            raise ContractError(f"{found} texts of {', '.join(sorted(known))}.")
    elif not isinstance(english.get(key), str) or not isinstance(text, str):
        raise ContractError(f"{found} texts under {', '.join((*english, *_WEEKDAYS))}.")
    elif _places(text) != _places(english[key]):
        raise ContractError(f"{found} a text with {_braces(english[key])}.")


def _require_clause(path: Path, where: str, name: str, clause: object) -> None:
    known = _own_words().languages["en"]["why"]
    if name in _OF_CLAUSES and isinstance(clause, str):
        return
    if name == "weekdays" and _are_weekdays(clause):
        return
    if name not in known:
        raise ContractError(f"Found {where} in {path}; expected {', '.join(sorted(known))}.")
    counts = isinstance(known[name], dict)
    usual = known[name]["other"] if counts else known[name]
    forms = clause if isinstance(clause, dict) and counts else {"other": clause}
    # "One day" and "two days" need no number.
    needed = _places(usual) - {"n"}
    if "other" not in forms or not all(
        form in _PLURALS and isinstance(text, str) and needed <= _places(text) <= _places(usual)
        for form, text in forms.items()
    ):
        each = ", or one for each plural form, such as one and other" if counts else ""
        raise ContractError(
            f"Found {where}={clause!r} in {path}; expected a text with {_braces(usual)}{each}."
        )


def _places(text: str) -> set[str]:
    """The names in braces that a text has places for."""
    return set(re.findall(r"\{(\w*)\}", text))


def _braces(text: str) -> str:
    return " and ".join(f"{{{place}}}" for place in sorted(_places(text))) or "no braces"


def _are_weekdays(found: object) -> bool:
    return isinstance(found, list) and len(found) == 7 and all(isinstance(x, str) for x in found)


LANGUAGES: Final = tuple(sorted(name for name in _own_words().languages if "_" not in name))
"""The languages that have sentences."""


class _Voice:
    """One locale's words and dates."""

    def __init__(self, locale: Locale, words: Wording) -> None:
        self._locale = locale
        tables: dict[str, Any] = {}
        for part in ("", f"_{locale.script}", f"_{locale.territory}"):
            tables = _laid_over(tables, words.languages.get(f"{locale.language}{part}", {}))
        self.words: Mapping[str, Any] = {**_DEFAULTS, **tables}
        self._whole, self._day = (_pattern(locale, skeleton) for skeleton in (_WHOLE, _DAY))
        self._between = str(locale.interval_formats[None])
        self._written: dict[tuple[date, str], str] = {}

    def sentence(self, shown: str, day: date, first: date, last: date, *, many: bool) -> str:
        if shown == "follows":
            return str(self.words.get("follows", ""))
        if shown == "date":
            return self.told("all_by" if many else "by", day)
        text = self.words.get("all_between" if many else "between")
        if text is None:
            return self._between.format(self.dated(first, ""), self.dated(last, ""))
        form = "between_weekdays"
        return str(text).format(first=self.dated(first, form), last=self.dated(last, form))

    def told(self, key: str, day: date) -> str:
        """A sentence with one date; the date alone where there is none."""
        text = self.words.get(key)
        if text is None:
            return self.dated(day, "")
        return str(text).format(date=self.dated(day, "by_weekdays"))

    def dated(self, day: date, form: str) -> str:
        written = self._written.get((day, form))
        if written is None:
            if len(self._written) > _MOST_DATES:
                self._written.clear()
            weekdays = self.words.get(form)
            pattern = self._whole if weekdays is None else self._day
            written = str(format_date(day, pattern, locale=self._locale))
            if weekdays is not None:
                frame, weekday = str(self.words["dated"]), weekdays[day.weekday()]
                written = frame.format(weekday=weekday, day=written)
            self._written[day, form] = written
        return written

    def time(self, hours: int, minutes: int) -> str:
        """Within which hours and minutes to order; these alone where there is no sentence."""
        parts = [(n, unit) for n, unit in ((hours, "hours"), (minutes, "minutes")) if n]
        text = self.words.get("order_within")
        if text is None:
            return " ".join(
                format_unit(n, f"duration-{unit[:-1]}", "short", locale=self._locale)
                for n, unit in parts
            )
        joined: str = self.words["time_joined"]
        return str(text).format(
            time=joined.join(str(self.words[unit]).format(n=n) for n, unit in parts)
        )


# Of one locale; more are not asked for within days.
_MOST_DATES: Final = 2048


def sentence(
    *,
    code: int,
    day: date,
    earliest: date,
    latest: date,
    locale: str,
    parcels: int = 1,
    show: Shown | Mapping[int, Shown] | None = None,
    words: Wording | str | Path | None = None,
) -> str:
    """One sentence: a date for codes 10000 and 10001, a range for 20001, no date above.

    Args:
        show: what to tell instead: the same always, or by code.

    Returns:
        It; in a language without sentences the date or the range alone, or nothing.
    """
    asked = show.get(code) if isinstance(show, Mapping) else show
    if asked is None:
        asked = "follows" if code >= 30000 else "range" if code >= 20000 else "date"
    elif asked not in _SHOWN:
        raise ContractError(
            f"Found show={show!r}; expected one of {', '.join(_SHOWN)}, or a mapping of confidence "
            "codes to them."
        )
    return _voice(locale, words).sentence(asked, day, earliest, latest, many=parcels > 1)


def stage_sentence(stage: str, locale: str, words: Wording | str | Path | None = None) -> str:
    """What a customer reads of a parcel's stage; empty in a language without sentences.

    Args:
        stage: one of `in_transit.states.STAGES`.
    """
    return str(_voice(locale, words).words["stages"].get(stage, ""))


def clauses(locale: str, words: Wording | str | Path | None = None) -> Mapping[str, Any]:
    """The clauses of a reason in a locale's language, by name; none where it has none."""
    found: Mapping[str, Any] = _voice(locale, words).words["why"]
    return found


def notice(event: str, day: date, locale: str, words: Wording | str | Path | None = None) -> str:
    """What a customer reads when another date is told.

    Args:
        event: "delayed" or "earlier".

    Returns:
        It; in a language without sentences the date alone.
    """
    if event not in _NOTICES:
        raise ContractError(f"Found the event {event!r}; expected one of {', '.join(_NOTICES)}.")
    return _voice(locale, words).told(_NOTICES[event], day)


_NOTICES: Final = {"delayed": "later", "earlier": "earlier"}


def order_within(length: timedelta, locale: str, words: Wording | str | Path | None = None) -> str:
    """Such as "Order within 3 h 12 min"; whole minutes, rounded down. Empty where none is left.

    Args:
        length: how long the promise still stands.
        locale: a CLDR locale, such as "de" or "pt_BR".
        words: see `Wording.of`.

    Returns:
        It; in a language without sentences the time alone.
    """
    voice = _voice(locale, words)
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    return voice.time(hours, minutes) if hours > 0 or minutes > 0 else ""


def _voice(locale: str, words: Wording | str | Path | None) -> _Voice:
    return _voices(str(locale), Wording.of(words))


@lru_cache(maxsize=2048)
def _voices(locale: str, words: Wording) -> _Voice:
    try:
        # Without what a browser adds on calendars and digits.
        plain = locale.replace("-", "_").partition("_u_")[0]
        return _Voice(Locale.parse(plain), words)
    except (ValueError, UnknownLocaleError) as error:
        raise ContractError(
            f"Found the locale {locale!r}; expected a CLDR locale such as 'en' or 'pt_BR'."
        ) from error


# Letters of a pattern, or a quoted text, which stays.
_FIELDS: Final = re.compile(r"'[^']*'|([EcML])\1*")


def _pattern(locale: Locale, skeleton: str) -> str:
    """CLDR's pattern for weekday, day and month, all names in full."""
    found = match_skeleton(skeleton, locale.datetime_skeletons)
    if found is None:
        return "full" if "E" in skeleton else "long"
    pattern = str(locale.datetime_skeletons[found].pattern)

    def in_full(field: re.Match[str]) -> str:
        letters = field.group()
        if letters[0] in "Ec":
            return letters[0] * 4
        # Months in digits stay so.
        return letters[0] * 4 if letters[0] in "ML" and len(letters) > 2 else letters

    return _FIELDS.sub(in_full, pattern)


# A day within so many of the start is named by its weekday alone.
_A_WEEK: Final = 6
# Digits of the largest float and its cents: an amount of any size is written out.
_ANY_AMOUNT: Final = decimal.Context(prec=320)


def why_text(
    facts: Sequence[Any],
    start: date,
    day: date,
    locale: str,
    words: Wording | str | Path | None = None,
) -> str:
    """The clauses as one sentence; the date alone where the language has no words for them.

    Args:
        facts: each a `why.Fact`.
        start: the day that dates are near to.

    Raises:
        ContractError: there is no such locale, or the words are not to be read.
    """
    said = clauses(locale, words)
    parsed = Locale.parse(locale.replace("-", "_").partition("_u_")[0])
    if any(fact.name not in said for fact in facts):
        return str(format_date(day, "full", locale=parsed))
    weekdays = said.get("weekdays")
    told = [_clause(said[fact.name], fact, start, parsed, weekdays) for fact in facts]
    text = str(said.get("between", "; ")).join(told)
    return text[:1].upper() + text[1:] + str(said.get("ends", "."))


def _clause(
    words: Any, fact: Any, start: date, locale: Locale, weekdays: Sequence[str] | None
) -> str:
    if isinstance(words, dict):
        words = words.get(locale.plural_form(fact.days or 0), words["other"])
    return str(words).format(
        n="" if fact.days is None else format_decimal(fact.days, locale=locale),
        day="" if fact.day is None else _named_day(fact.day, start, locale, weekdays),
        share="" if fact.share is None else _percent(fact.share, locale),
        text=fact.text,
        amount="" if fact.amount is None else _money(fact.amount, locale),
    )


def _money(amount: float, locale: Locale) -> str:
    with decimal.localcontext(_ANY_AMOUNT):
        return str(format_decimal(amount, "0.00", locale=locale))


def _percent(share: float, locale: Locale) -> str:
    digits = len(f"{share * 100:.10g}".partition(".")[2])
    before, zero, after = str(locale.percent_formats[None].pattern).rpartition("0")
    pattern = f"{before}{zero}.{'0' * digits}{after}" if digits else f"{before}{zero}{after}"
    return str(format_percent(share, pattern, locale=locale))


def _named_day(day: date, start: date, locale: Locale, weekdays: Sequence[str] | None) -> str:
    if abs((day - start).days) <= _A_WEEK:
        return weekdays[day.weekday()] if weekdays else str(format_date(day, "EEEE", locale=locale))
    if weekdays:
        return f"{weekdays[day.weekday()]}, {format_date(day, 'd MMMM', locale=locale)}"
    return _voice(str(locale), None).dated(day, "")
