"""The clauses of a reason in the customer's language; days and numbers by Babel."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from etapromise.promise.reasons.why_facts import Fact
from etapromise.promise.wording import Wording, clauses, dated

# A day within so many of the start is named by its weekday alone.
_A_WEEK: Final = 6
# Digits of the largest float and its cents: an amount of any size is written out.
_ANY_AMOUNT: Final = decimal.Context(prec=320)


def why_text(
    facts: Sequence[Fact],
    start: dt.date,
    day: dt.date,
    locale: str,
    words: Wording | str | Path | None = None,
) -> str:
    """The clauses as one sentence; the date alone where the language has no words for them.

    Args:
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
    words: Any, fact: Fact, start: dt.date, locale: Locale, weekdays: Sequence[str] | None
) -> str:
    if isinstance(words, dict):
        words = words.get(locale.plural_form(fact.days or 0), words["other"])
    return str(words).format(
        n="" if fact.days is None else format_decimal(fact.days, locale=locale),
        day="" if fact.day is None else _written(fact.day, start, locale, weekdays),
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


def _written(day: dt.date, start: dt.date, locale: Locale, weekdays: Sequence[str] | None) -> str:
    if abs((day - start).days) <= _A_WEEK:
        return weekdays[day.weekday()] if weekdays else str(format_date(day, "EEEE", locale=locale))
    if weekdays:
        return f"{weekdays[day.weekday()]}, {format_date(day, 'd MMMM', locale=locale)}"
    return dated(day, str(locale))
