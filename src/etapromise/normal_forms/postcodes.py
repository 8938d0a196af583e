"""Postcodes as their countries write them, by ``postcodes.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from etapromise.normal_forms.texts import ascii_digits, normal_text, refuse_nameless

# Forms that begin with two letters of the country.
_LITERAL: Final = ("LV", "AZ", "AD")
_GAPS: Final = re.compile(r"[\s\-\u2010-\u2015\u2212\u30fc.]+")
_WHOLE_FLOAT: Final = re.compile(r"(\d+)\.0+")
_MOST_LOST: Final = 2
# So many words a postcode has: SW1A 1AA.
_MOST_PARTS: Final = 2
_SHORTEST_CITY: Final = 3


def normal_postcode(value: Any, country: str | None) -> str | None:
    """A postcode as its country writes it; any other place code as it is, with single blanks.

    Zeros that were lost at the front are put back where the country's form allows one reading only.
    ZIP+4 is its first five digits; of ``8001 Zürich`` the postcode counts.

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
    if said is None or country is None or country not in _forms():
        return said
    found = _in_form(said, country) or _beside_a_city(said, country)
    return said if found is None else found


def postcode_forms(country: str) -> tuple[str, ...]:
    """How the country's postcodes look: digits as 9, letters as A; empty if unknown."""
    return _forms().get(country, ())


def own_forms() -> dict[str, tuple[str, ...]]:
    """By country the forms that no other one's postcodes have; those without any are left out."""
    seen = Counter(form for forms in _forms().values() for form in forms)
    own = {
        country: tuple(form for form in forms if seen[form] == 1)
        for country, forms in _forms().items()
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
    if country is None or country not in _forms():
        return True
    if _forms()[country][0].startswith(_LITERAL):
        return False
    forms = _forms()[country][:1] if country in {"US", "PR"} else _forms()[country]
    return any(re.fullmatch(form.replace("X", "[9A]"), shape) for form in forms)


def lost_zeros(value: str, form: str) -> bool:
    """Whether ``form`` is ``value`` with zeros put back at its front."""
    digits = re.sub(r"\D", "", value.removesuffix(".0"))
    found = re.sub(r"\D", "", form)
    return len(found) > len(digits) > 0 and found.lstrip("0") == digits


def names_city(value: str, form: str) -> bool:
    """Whether the postcode ``form`` was read out of ``value``, which names a city too."""
    letters = [re.sub(r"[\W\d_]", "", text) for text in (value, form)]
    return len(letters[0]) >= len(letters[1]) + _SHORTEST_CITY


def is_postcode(value: str, country: str | None) -> bool:
    """Whether a normal place is a postcode as its country writes it, or nothing tells that."""
    bare = _GAPS.sub("", value).upper()
    return country not in _forms() or any(
        form.fullmatch(bare) for form, _, _ in _patterns(str(country))
    )


@cache
def _stated() -> Mapping[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("postcodes.toml").read_text("utf-8"))


@cache
def _forms() -> Mapping[str, tuple[str, ...]]:
    told = _stated()["forms"]
    return {country: tuple(one["forms"]) for one in told for country in one["countries"]}


def _in_form(said: str, country: str) -> str | None:
    bare = _GAPS.sub("", said).upper()
    prefix = _stated()["prefixes"].get(country)
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
        and length - _most_lost(country) <= len(digits) < length
        and length >= 4
        and country not in _stated()["no_leading_zero"]["countries"]
        and not any(len(digits) == len(other) for _, other, _ in _patterns(country)[1:])
    ):
        return _spaced(digits.zfill(length), places)
    return None


def _beside_a_city(said: str, country: str) -> str | None:
    """The postcode before the name of its city in one cell, or behind it as in ``NY 10001``.

    A number behind another word may be that of a warehouse.
    """
    words = said.replace(",", " ").split()
    for n in range(min(len(words) - 1, _MOST_PARTS), 0, -1):
        for own, city, before in ((words[:n], words[n:], True), (words[-n:], words[:-n], False)):
            sure = before or not "".join(own).isdigit() or (len(city) > 1 and len(city[-1]) == 2)
            named = max(map(len, city)) >= _SHORTEST_CITY
            if sure and named and not any(sign.isdigit() for sign in "".join(city)):
                found = _in_form(" ".join(own), country)
                if found is not None and not lost_zeros("".join(own), found):
                    return found
    return None


def _most_lost(country: str) -> int:
    return int(_stated()["leading_zeros"].get(country, _MOST_LOST))


def _spaced(text: str, places: tuple[tuple[int, str], ...]) -> str:
    for place, mark in places:
        text = text[:place] + mark + text[place:]
    return text


@cache
def _patterns(country: str) -> tuple[tuple[re.Pattern[str], str, tuple[tuple[int, str], ...]], ...]:
    """Each form without gaps as a pattern, the form itself, and the gaps with where they stand."""
    signs = {"9": r"\d", "A": "[A-Z]", "X": "[A-Z0-9]"}
    found = []
    for form in _forms()[country]:
        literal = form.startswith(_LITERAL)
        bare = re.sub(r"[ -]", "", form)
        body = bare[2:] if literal else bare
        pattern = (bare[:2] if literal else "") + "".join(signs[sign] for sign in body)
        places = tuple((place, sign) for place, sign in enumerate(form) if sign in " -")
        found.append((re.compile(pattern), bare, places))
    return tuple(found)
