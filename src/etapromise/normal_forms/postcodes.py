"""Postcodes as their countries write them.

The forms are those of the Universal Postal Union's addressing guides (read through the public
lists of Google's libaddressinput and of Wikipedia, November 2026): digits as 9, letters as A,
either as X.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import Any, Final

from etapromise.normal_forms.texts import ascii_digits, normal_text, refuse_nameless

# The first form is the usual one, in which zeros may be lost; there may be shorter ones beside.
_FORMS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            *("DE", "ES", "FR", "IT", "US", "FI", "EE", "LT", "UA", "RS", "ME", "HR", "BA", "TR"),
            *("MX", "TH", "MY", "ID", "PK", "KR", "SA", "KW", "EG", "MA", "DZ", "LK", "CU", "GT"),
            *("PR", "VI", "GU", "AS", "MP", "GP", "MQ", "GF", "RE", "YT", "PM", "NC", "PF", "WF"),
            *("MC", "SM", "VA", "CR", "DO", "UY", "PE", "NP", "MM", "KH", "LA", "IQ", "JO", "KE"),
            *("SN", "ZM", "BT", "MN", "AX"),
        ),
        ("99999",),
    ),
    **dict.fromkeys(
        (
            *("AT", "CH", "BE", "DK", "NO", "HU", "BG", "SI", "LU", "LI", "CY", "AU", "NZ", "ZA"),
            *("TN", "PH", "BD", "GE", "AM", "AL", "MK", "MD", "PY", "HT", "VE", "GL", "SJ", "NF"),
            *("CX", "CC", "GW", "NE", "LR", "MZ"),
        ),
        ("9999",),
    ),
    **dict.fromkeys(
        ("CN", "IN", "RU", "SG", "KZ", "BY", "RO", "VN", "CO", "KG", "UZ", "TJ", "TM", "NG", "EC"),
        ("999999",),
    ),
    **dict.fromkeys(("SE", "GR", "CZ", "SK"), ("999 99",)),
    "US": ("99999", "99999-9999"),
    "PR": ("99999", "99999-9999"),
    "GB": ("A9 9AA", "A99 9AA", "AA9 9AA", "AA99 9AA", "A9A 9AA", "AA9A 9AA"),
    "JE": ("AA9 9AA", "AA99 9AA"),
    "GG": ("AA9 9AA", "AA99 9AA"),
    "IM": ("AA9 9AA", "AA99 9AA"),
    "GI": ("AA99 9AA",),
    "CA": ("A9A 9A9",),
    "NL": ("9999 AA", "9999"),
    "IE": ("AXX XXXX",),
    "PL": ("99-999",),
    "PT": ("9999-999", "9999"),
    "BR": ("99999-999", "99999"),
    "JP": ("999-9999",),
    "TW": ("999", "999999", "99999"),
    "IL": ("9999999", "99999"),
    "IR": ("9999999999",),
    "CL": ("9999999",),
    "AR": ("A9999AAA", "9999"),
    "LV": ("LV-9999",),
    "AZ": ("AZ 9999",),
    "AD": ("AD999",),
    "MT": ("AAA 9999",),
    "IS": ("999",),
    "FO": ("999",),
    "MG": ("999",),
    "LS": ("999",),
    "PG": ("999",),
    "OM": ("999",),
    "BN": ("AA9999",),
    "SZ": ("A999",),
    "BM": ("AA 99", "AA XX"),
}
# Before the postcode: the country's code, old or new.
_PREFIXES: Final = {
    "DE": "DE|D",
    "AT": "AT|A",
    "CH": "CH",
    "LI": "LI|FL",
    "LU": "LU|L",
    "BE": "BE|B",
    "DK": "DK",
    "NO": "NO|N",
    "SE": "SE|S",
    "FI": "FI|FIN",
    "FR": "FR|F",
    "IT": "IT|I",
    "ES": "ES|E",
    "PT": "PT|P",
    "NL": "NL",
    "PL": "PL",
    "CZ": "CZ",
    "SK": "SK",
    "HU": "HU|H",
    "SI": "SI",
    "HR": "HR",
    "EE": "EE",
    "LT": "LT",
    "LV": "LV",
    "GR": "GR|EL",
    "RO": "RO",
    "BG": "BG",
    "MD": "MD",
    "AZ": "AZ",
    "JP": "〒",
}
# No postcode there begins with a zero: a digit that is missing is no zero that was lost.
_NO_LEADING_ZERO: Final = frozenset(
    {
        *("AT", "CH", "BE", "DK", "HU", "BG", "SI", "LU", "LI", "CY", "GR", "CZ", "SE", "NL", "PT"),
        *("HR", "RS", "TH", "ID", "IN", "MA", "TN", "VN", "RU", "TW", "IS", "BD", "PH", "AR", "PY"),
        *("ZM", "MN", "AX", "GL", "MK", "AL", "FO", "SJ", "GP", "MQ", "GF", "RE", "YT", "PM", "NC"),
        *("PF", "WF", "MC", "SM", "SA", "IR", "BA", "ME", "UY", "CU", "BY", "KG", "UZ", "TJ", "TM"),
        "EG",
    }
)
# Forms that begin with two letters of the country.
_LITERAL: Final = ("LV", "AZ", "AD")
_GAPS: Final = re.compile(r"[\s\-\u2010-\u2015\u2212\u30fc.]+")
_WHOLE_FLOAT: Final = re.compile(r"(\d+)\.0+")
_MOST_LOST: Final = 2


def normal_postcode(value: Any, country: str | None) -> str | None:
    """A postcode as its country writes it; any other place code as it is, with single blanks.

    Zeros that were lost at the front are put back where the country's form allows one reading only.
    ZIP+4 is its first five digits.

    Args:
        country: ISO 3166-1 alpha-2, None where it is not known.
    """
    refuse_nameless(value)
    said = normal_text(value)
    if said is None:
        return None
    whole = _WHOLE_FLOAT.fullmatch(said)
    if whole:
        said = whole[1]
    if not said.isascii():
        said = normal_text(ascii_digits(unicodedata.normalize("NFKC", said)))
    if said is None or country not in _FORMS:
        return said
    found = _in_form(said, country)
    return said if found is None else found


def postcode_forms(country: str) -> tuple[str, ...]:
    """How the country's postcodes look: digits as 9, letters as A; empty if unknown."""
    return _FORMS.get(country, ())


def own_forms() -> dict[str, tuple[str, ...]]:
    """By country the forms that no other one's postcodes have; those without any are left out."""
    seen = Counter(form for forms in _FORMS.values() for form in forms)
    own = {
        country: tuple(form for form in forms if seen[form] == 1)
        for country, forms in _FORMS.items()
    }
    return {country: forms for country, forms in own.items() if forms}


def is_normal_shape(shape: str, country: str | None) -> bool:
    """Whether all texts of a shape surely are their own `normal_postcode`.

    Args:
        shape: digits as 9, capitals as A, small letters as a, single blanks and hyphens.
        country: ISO 3166-1 alpha-2, None where it is not known.
    """
    if "9" not in shape or shape != " ".join(shape.split()):
        return False
    if country not in _FORMS:
        return True
    if _FORMS[country][0].startswith(_LITERAL):
        return False
    forms = _FORMS[country][:1] if country in {"US", "PR"} else _FORMS[country]
    return any(re.fullmatch(form.replace("X", "[9A]"), shape) for form in forms)


def lost_zeros(value: str, form: str) -> bool:
    """Whether ``form`` is ``value`` with zeros put back at its front."""
    digits = re.sub(r"\D", "", value.removesuffix(".0"))
    found = re.sub(r"\D", "", form)
    return len(found) > len(digits) > 0 and found.lstrip("0") == digits


def _in_form(said: str, country: str) -> str | None:
    bare = _GAPS.sub("", said).upper()
    prefix = _PREFIXES.get(country)
    tries = [bare]
    if prefix and country not in {"LV", "AZ"}:
        without = re.sub(rf"^(?:{prefix})(?=\d)", "", bare)
        tries.append(without)
    elif prefix:
        tries.append(re.sub(rf"^(?:{prefix})?(?=\d)", country, bare))
    for text in tries:
        for form, _, places in _patterns(country):
            if form.fullmatch(text):
                shown = _spaced(text, places)
                # The last four digits of a ZIP+4 are one side of a street.
                return shown[:5] if country in {"US", "PR"} else shown
    _, letters, places = _patterns(country)[0]
    digits = tries[-1]
    length = len(letters)
    if (
        digits.isdigit()
        and letters == "9" * length
        and length - _MOST_LOST <= len(digits) < length
        and length >= 4
        and country not in _NO_LEADING_ZERO
        and not any(len(digits) == len(other) for _, other, _ in _patterns(country)[1:])
    ):
        return _spaced(digits.zfill(length), places)
    return None


def _spaced(text: str, places: tuple[tuple[int, str], ...]) -> str:
    for place, mark in places:
        text = text[:place] + mark + text[place:]
    return text


@cache
def _patterns(country: str) -> tuple[tuple[re.Pattern[str], str, tuple[tuple[int, str], ...]], ...]:
    """Each form without gaps as a pattern, the form itself, and the gaps with where they stand."""
    signs = {"9": r"\d", "A": "[A-Z]", "X": "[A-Z0-9]"}
    found = []
    for form in _FORMS[country]:
        literal = form.startswith(_LITERAL)
        bare = re.sub(r"[ -]", "", form)
        body = bare[2:] if literal else bare
        pattern = (bare[:2] if literal else "") + "".join(signs[sign] for sign in body)
        places = tuple((place, sign) for place, sign in enumerate(form) if sign in " -")
        found.append((re.compile(pattern), bare, places))
    return tuple(found)
