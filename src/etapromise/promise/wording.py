"""The promise in words, in the customer's language; dates by Babel."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from etapromise.errors import ContractError

__all__ = ["LANGUAGES", "order_within", "sentence"]

_WORDS: Final = {
    "de": ("Lieferung bis {date}", "Lieferung zwischen {first} und {last}", "Liefertermin folgt"),
    "en": (
        "Delivered by {date}",
        "Delivered between {first} and {last}",
        "Delivery date to follow",
    ),
    "es": (
        "Entrega a más tardar el {date}",
        "Entrega entre el {first} y el {last}",
        "Fecha de entrega por confirmar",
    ),
    "fr": (
        "Livré au plus tard le {date}",
        "Livré entre le {first} et le {last}",
        "Date de livraison à confirmer",
    ),
    "it": (
        "Consegna entro {date}",
        "Consegna tra {first} e {last}",
        "Data di consegna da confermare",
    ),
    "nl": ("Bezorgd uiterlijk {date}", "Bezorgd tussen {first} en {last}", "Bezorgdatum volgt"),
    "pt": ("Entrega até {date}", "Entrega entre {first} e {last}", "Data de entrega a confirmar"),
}
# The same of several parcels.
_ALL: Final = {
    "de": ("Alle Pakete bis {date}", "Alle Pakete zwischen {first} und {last}"),
    "en": ("All parcels delivered by {date}", "All parcels delivered between {first} and {last}"),
    "es": (
        "Todos los paquetes a más tardar el {date}",
        "Todos los paquetes entre el {first} y el {last}",
    ),
    "fr": ("Tous les colis au plus tard le {date}", "Tous les colis entre le {first} et le {last}"),
    "it": ("Tutti i pacchi entro {date}", "Tutti i pacchi tra {first} e {last}"),
    "nl": ("Alle pakketten uiterlijk {date}", "Alle pakketten tussen {first} en {last}"),
    "pt": ("Todos os pacotes até {date}", "Todos os pacotes entre {first} e {last}"),
}
_ORDER_WITHIN: Final = {
    "de": "Bestellung innerhalb von {time}",
    "en": "Order within {time}",
    "es": "Haz tu pedido en {time}",
    "fr": "Commandez dans les {time}",
    "it": "Ordina entro {time}",
    "nl": "Bestel binnen {time}",
    "pt": "Peça em até {time}",
}
LANGUAGES: Final = tuple(sorted(_WORDS))
# Weekday, day and month, in the order that the language writes them.
_SKELETON: Final = "EEEEdMMMM"


def sentence(
    *, code: int, day: date, earliest: date, latest: date, locale: str, parcels: int = 1
) -> str:
    """One sentence: a date for codes 10000 and 10001, a range for 20001, no date above.

    Args:
        code: confidence code.
        day: the promised date.
        earliest: first date of the range.
        latest: last date of the range.
        locale: a CLDR locale, such as "de" or "pt_BR".
        parcels: how many the dates are for.

    Raises:
        ContractError: the locale is unknown, or there is no wording for its language.
    """
    parsed = _locale(locale)
    one, between, none = _WORDS[parsed.language]
    if parcels > 1:
        one, between = _ALL[parsed.language]
    if code >= 30000:
        return none
    if code >= 20000:
        return between.format(first=_written(earliest, parsed), last=_written(latest, parsed))
    return one.format(date=_written(day, parsed))


def order_within(length: timedelta, locale: str) -> str:
    """Such as "Order within 3 h 12 min"; whole minutes, rounded down. Empty where none is left.

    Args:
        length: how long the promise still stands.
        locale: a CLDR locale, such as "de" or "pt_BR".

    Raises:
        ContractError: the locale is unknown, or there is no wording for its language.
    """
    words = _ORDER_WITHIN[_locale(locale).language]
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    parts = [f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number]
    return words.format(time=" ".join(parts)) if parts else ""


def _locale(name: str) -> Locale:
    try:
        parsed = Locale.parse(name.replace("-", "_"))
    except (ValueError, UnknownLocaleError) as error:
        raise ContractError(
            f"Found the locale {name!r}; expected a CLDR locale such as 'en' or 'pt_BR'."
        ) from error
    if parsed.language not in _WORDS:
        raise ContractError(
            f"Found the locale {name!r}; there is wording for {', '.join(LANGUAGES)}. "
            "Use `promise.date` with your own words."
        )
    return parsed


def _written(day: date, locale: Locale) -> str:
    try:
        return format_skeleton(_SKELETON, day, locale=locale)
    except KeyError:
        return format_date(day, "full", locale=locale)
