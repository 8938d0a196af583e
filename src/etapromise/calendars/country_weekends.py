"""Weekends of countries, as the Unicode CLDR has them (through babel)."""

from __future__ import annotations

from functools import cache

_SUNDAY = 6


@cache
def days_before_sunday(country: str) -> int:
    """By how many days a country's weekend ends before Sunday: 1 in Israel, 2 in Iran, mostly 0.

    Args:
        country: ISO 3166-1 alpha-2; 0 where it is not known.
    """
    from babel import Locale, localedata  # noqa: PLC0415 — not on the quote path

    ending = f"_{country}"
    known = [name for name in localedata.locale_identifiers() if name.endswith(ending)]
    if not country or not known:
        return 0
    # 6 … 0: Sunday … Monday. A weekend of a Sunday alone ends on it, too.
    return int(_SUNDAY - Locale.parse(min(known)).weekend_end)
