"""The clauses of a reason in the customer's language; days and numbers by Babel."""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal, format_percent

from etapromise.errors import ContractError
from etapromise.promise.why_facts import Fact

__all__ = ["why_text"]

# A day within so many of the start is named by its weekday alone.
_A_WEEK: Final = 6


def why_text(facts: Sequence[Fact], start: dt.date, day: dt.date, locale: str) -> str:
    """The clauses as one sentence; the date alone where the language has no words for them.

    Args:
        facts: the clauses.
        start: the day that dates are near to.
        day: the promised date.
        locale: a CLDR locale.

    Raises:
        ContractError: there is no such locale.
    """
    try:
        parsed = Locale.parse(locale.replace("-", "_"))
    except (ValueError, UnknownLocaleError) as error:
        raise ContractError(
            f"Found the locale {locale!r}; expected a CLDR locale such as 'en' or 'pt_BR'."
        ) from error
    words = _words().get(parsed.language)
    if words is None:
        return str(format_date(day, "full", locale=parsed))
    clauses = [_clause(words[fact.name], fact, start, parsed) for fact in facts]
    said = "; ".join(clauses)
    return said[:1].upper() + said[1:] + "."


def _clause(words: Any, fact: Fact, start: dt.date, locale: Locale) -> str:
    if isinstance(words, dict):
        words = words.get(locale.plural_form(fact.days or 0), words["other"])
    return str(words).format(
        n="" if fact.days is None else format_decimal(fact.days, locale=locale),
        day="" if fact.day is None else _written(fact.day, start, locale),
        share="" if fact.share is None else _percent(fact.share, locale),
        text=fact.text,
    )


def _percent(share: float, locale: Locale) -> str:
    digits = len(f"{share * 100:.10g}".partition(".")[2])
    before, zero, after = str(locale.percent_formats[None].pattern).rpartition("0")
    pattern = f"{before}{zero}.{'0' * digits}{after}" if digits else f"{before}{zero}{after}"
    return str(format_percent(share, pattern, locale=locale))


def _written(day: dt.date, start: dt.date, locale: Locale) -> str:
    if abs((day - start).days) <= _A_WEEK:
        return str(format_date(day, "EEEE", locale=locale))
    try:
        return str(format_skeleton("EEEEdMMMM", day, locale=locale))
    except KeyError:
        return str(format_date(day, "full", locale=locale))


@functools.cache
def _words() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("etapromise.promise").joinpath("why_words.toml").read_text("utf-8")
    return tomllib.loads(text)
