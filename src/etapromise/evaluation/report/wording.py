"""The words and numbers of a page in a language: gettext catalogues, CLDR number formats."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from babel.core import Locale, UnknownLocaleError
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from etapromise.errors import ContractError

REPORT_LANGUAGES: Final = ("en", "de", "es", "fr")
"""The languages that pages are written in; English messages are the catalogues' keys."""

_NONE: Final = "\u2013"
_NARROW: Final = "\u202f"  # a narrow space that does not break, between a number and its unit


class ReportWording:
    """What a page says in one language.

    Args:
        language: One of `REPORT_LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(language)
        self._told: dict[str, str] = {}
        if language != "en":
            text = files(__package__).joinpath(f"translations/{language}.po")
            with text.open("rb") as file:
                for message in read_po(file, locale=language):
                    if isinstance(message.id, str) and isinstance(message.string, str):
                        self._told[message.id] = message.string

    def __call__(self, message: str, **values: object) -> str:
        """A message in this language, with the values that it names."""
        text = self._told.get(message) or message
        return text.format(**values) if values else text

    def percent(self, share: float | None, digits: int = 1) -> str:
        """A share as a percentage with so many decimals, a dash where there is none."""
        return _NONE if share is None else f"{self.decimal(100 * share, digits)}{_NARROW}%"

    def level(self, level: float) -> str:
        """A service level as a percentage, without needless decimals."""
        return f"{self._decimal(100 * level, '0.##')}{_NARROW}%"

    def points(self, difference: float | None) -> str:
        """A difference of shares in signed percentage points."""
        if difference is None:
            return _NONE
        return self.signed(100 * difference)

    def signed(self, value: float, pattern: str = "0.0") -> str:
        """A number with its sign, which what is rounded to nothing has not."""
        told = self._decimal(value, f"+{pattern};\u2212{pattern}")
        return told if told.strip("+\u22120.,") else told[1:]

    def days(self, count: float | None) -> str:
        """A number of days with one decimal."""
        return _NONE if count is None else self._decimal(count, "0.0")

    def decimal(self, value: float, digits: int = 1) -> str:
        """A number with so many decimals."""
        return self._decimal(value, ("0." + "0" * digits).rstrip("."))

    def number(self, count: float) -> str:
        """A count with narrow spaces between thousands."""
        return f"{count:,.0f}".replace(",", _NARROW)

    def _decimal(self, value: float, pattern: str) -> str:
        return format_decimal(value, format=pattern, locale=self._locale)


@cache
def wording(language: str = "en") -> ReportWording:
    """The wording of a language."""
    try:
        code = Locale.parse(language.replace("-", "_")).language
    except (UnknownLocaleError, ValueError, TypeError, AttributeError):
        code = ""
    if code not in REPORT_LANGUAGES:
        raise ContractError(
            f"Found the language {language!r} for a page; expected one of "
            f"{', '.join(REPORT_LANGUAGES)}. Another is a file more in "
            "evaluation/report/translations."
        )
    return ReportWording(code)
