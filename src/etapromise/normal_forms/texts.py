"""The normal form of texts and names: one at every door, tables and single promises.

What is only written in another way becomes the same: blanks and control characters around and
inside, and of names case and punctuation. What stands for nothing (``NULL``, ``n/a``, ``-``) is
missing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from typing import Any, Final

import numpy as np

from etapromise.errors import ContractError

_PLACEHOLDERS: Final = frozenset(
    {
        *("null", "none", "nil", "nan", "nat", "na", "n/a", "n.a.", "n.a", "n/d", "<na>", "#n/a"),
        *("#n/a n/a", "#na", "(null)", "(none)", "(blank)", "[null]", "undefined", "\\n", "\\\\n"),
        # As NetSuite writes it.
        *("- none -",),
        *("#value!", "#ref!", "#null!", "-nan", "1.#qnan", "1.#ind", "not available", "unknown"),
        # As spreadsheets and people write them in other languages.
        *("#n/d", "#nv", "#n/v", "#nd", "s/d", "ninguno", "ninguna", "nenhum", "nessuno", "aucun"),
        *("keine", "geen", "ingen", "brak", "yok", "нет", "無", "无", "なし", "없음"),
        *("(unknown)", "(not set)", "not set", "unbekannt", "(unbekannt)", "keine angabe", "k.a."),
        *("inconnu", "non renseigné", "desconocido", "desconhecido", "sconosciuto", "onbekend"),
        *("n.v.t.", "nieznany", "brak danych", "okänd", "ukendt", "ukjent", "tuntematon"),
        *("neznámý", "bilinmiyor", "неизвестно", "невідомо", "不明", "未知", "알 수 없음"),
    }
)
# Only punctuation: dashes, dots, question marks.
_NOTHING: Final = re.compile(r"[\s\-\u2010-\u2015\u2212._?*/\\'\"]*")
# The Arabic decimal mark, and what stands between thousands there; full-width marks.
_MARKS: Final = str.maketrans("\u066b\u066c\uff0e\uff0c", ".,.,")
_PLAIN: Final = re.compile(r"[!-&(-~]+( [!-~]+)*")
_NAME_GAPS: Final = re.compile(r"[\s\-\u2010-\u2015_/]+")
_NAME_DROPPED: Final = re.compile(r"[.,'\u2019`\u00b4\"®™©()]")
_PLAIN_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def normal_text(value: Any) -> str | None:
    """A text without control characters and with single blanks; None where it says nothing.

    Args:
        value: text, bytes in UTF-8, a number, a scalar of numpy or pandas, or nothing. A whole
            number stored as a float is its digits.

    Raises:
        ContractError: bytes that are no UTF-8, text with unpaired surrogates, or no scalar.
    """
    said = as_written(value)
    if said is None:
        return None
    if not _PLAIN.fullmatch(said):
        said = _clean(said)
    return None if is_placeholder(said) else said


def as_written(value: Any) -> str | None:
    """The characters of a scalar, None where there is none."""
    said: str | None
    if type(value) is str:
        said = value
    elif value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    elif isinstance(value, str):
        said = str(value)
    elif isinstance(value, bytes | bytearray):
        try:
            said = bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ContractError(
                f"Found the bytes {bytes(value)!r}, which are no UTF-8; expected text. Decode them."
            ) from error
    else:
        said = _number_as_text(value)
    if said and not said.isascii():
        try:
            said.encode()
        except UnicodeEncodeError as error:
            raise ContractError(
                f"Found the text {said!r} with half a character; expected valid Unicode. "
                "Export it again."
            ) from error
    return said


def ascii_digits(said: str) -> str:
    """A text with the digits and decimal marks of any script as ASCII has them."""
    if said.isascii():
        return said
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in said.translate(_MARKS)
    )


def _number_as_text(value: Any) -> str | None:
    if isinstance(value, float | np.floating):
        return _float_as_text(float(value))
    if isinstance(value, np.generic):
        return as_written(value.item())
    if isinstance(value, Decimal):
        if value.is_nan():
            return None
        whole = value.is_finite() and value == value.to_integral_value()
        return str(int(value)) if whole else str(value)
    if isinstance(value, list | tuple | dict | set | frozenset | np.ndarray):
        raise ContractError(
            f"Found {value!r} of type {type(value).__name__} as a text; expected one text or "
            "number. Take one of its values, or None."
        )
    return str(value)


def _float_as_text(number: float) -> str | None:
    if math.isnan(number):
        return None
    if not number.is_integer():
        return repr(number)
    # Above, neighbours are the same float: the digits are not those that were meant.
    if abs(number) >= 2**53:
        raise ContractError(
            f"Found the number {number!r} as a code or id; expected text: a float of this "
            "size has lost digits. Keep the column as text where it is exported."
        )
    return str(int(number))


def _clean(said: str) -> str:
    kept = []
    for character in said:
        category = unicodedata.category(character)
        if character in "\t\n\v\f\r" or category in {"Zs", "Zl", "Zp"}:
            kept.append(" ")
        elif category not in {"Cc", "Cf"}:
            kept.append(character)
    said = " ".join("".join(kept).split())
    # Spreadsheets put an apostrophe before text that looks like a number.
    if len(said) > 1 and said[0] == "'" and said.count("'") == 1:
        said = said[1:].strip()
    return unicodedata.normalize("NFC", said)


def is_placeholder(said: str) -> bool:
    """Whether a text stands for nothing, such as ``NULL``, ``n/a`` or ``-``."""
    if len(said) > 13:
        return not said.strip()
    return said.lower() in _PLACEHOLDERS or _NOTHING.fullmatch(said) is not None


def refuse_nameless(value: Any) -> None:
    """Refuse what is no name and no code: a truth value, a number with a part of a whole one."""
    if isinstance(value, bool | np.bool_) or (
        isinstance(value, float | np.floating) and math.isfinite(value) and value % 1
    ):
        raise ContractError(
            f"Found {value!r} as a name or a place; expected text, such as 'acme' or '14409', or "
            "None where it is not known."
        )


def normal_name(value: Any) -> str | None:
    """The name of a carrier or a service: lower case, parts joined by one hyphen.

    ``DHL Paket``, ``dhl_paket`` and ``Dhl-Paket `` are ``dhl-paket``; accents stay.
    """
    refuse_nameless(value)
    said = normal_text(value)
    if said is None or _PLAIN_NAME.fullmatch(said):
        return said
    # Folding may take a composed letter apart again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", said).casefold())
    folded = _NAME_DROPPED.sub("", folded)
    name = unicodedata.normalize("NFKC", _NAME_GAPS.sub("-", folded).strip("-"))
    return None if is_placeholder(name) else name


def code_text(value: Any) -> str | None:
    """`normal_text` for codes of places, among which ``NA`` is Namibia."""
    refuse_nameless(value)
    said = as_written(value)
    if said is not None and not _PLAIN.fullmatch(said):
        said = _clean(said)
    return said if said == "NA" or said is None or not is_placeholder(said) else None
