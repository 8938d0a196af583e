"""Countries and regions by ISO 3166, from codes and names in any language.

Countries' names and codes are those of the Unicode CLDR (through babel) and of ISO 3166 (through
pycountry), which also knows the regions and their translations; beside them stands ``places.toml``.
Both are opened when a name is met that is no code yet.
"""

from __future__ import annotations

import difflib
import gettext
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from etapromise.errors import ContractError
from etapromise.normal_forms.texts import code_text

_KINDS_AT_THE_END: Final = re.compile(
    "(?:特別市|特別自治市|特別自治道|広域市|特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区"
    "|광역시|특별시|특별자치시|특별자치도|都|府|県|县|州|省|市|道|도|시)$"
)
_PLAIN_CODE: Final = re.compile(r"[A-Z0-9]{1,3}")
_APART: Final = re.compile(r"\s*[()\[\]]\s*|\s+[-\u2013/]\s+")
_NOT_LETTERS: Final = re.compile(r"[\W_]+")
_ARTICLES: Final = re.compile(r"^(the|republic of|state of|estado de|estado do|estado da|land) ")
# Languages are asked in this order: a name that means two countries is that of the first.
_LONGEST_CODE: Final = 3
# How alike two names are that one of them is a typo of the other.
_A_TYPO: Final = 0.8
_FIRST_LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "ar", "zh", "ja", "ru")


def normal_country(value: Any) -> str | None:
    """ISO 3166-1 alpha-2 from a code or a name in any language; else as it is written."""
    said = code_text(value)
    return said if said is None else country_code(said) or said


def stated_country(value: Any) -> str | None:
    """`normal_country` of one that somebody states: a misspelt name is refused, as nobody sees it.

    A table's are kept as they are written, and told. Codes and names that are like none of
    ISO 3166-1, such as those of a shop's own, are kept here too.
    """
    found = normal_country(value)
    if found is None or len(found) <= _LONGEST_CODE or is_country(found):
        return found
    names = _country_names(_FIRST_LANGUAGES)
    near = difflib.get_close_matches(_folded(found), names, n=1, cutoff=_A_TYPO)
    if near:
        raise ContractError(
            f"Found the country {value!r}; expected an ISO 3166-1 code or a name: did you mean "
            f"{names[near[0]]!r} ({near[0].title()})?"
        )
    return found


def normal_region(value: Any, country: str | None) -> str | None:
    """The part of an ISO 3166-2 code after its country; what is none is kept as it is written.

    Args:
        value: a code with or without its country, or a name.
        country: normal form, None where it is not known.
    """
    said = code_text(value)
    if said is None or not country:
        return said
    if _PLAIN_CODE.fullmatch(said) and not said.isdigit():
        return str(_stated()["regions"].get(country, {}).get(said, said))
    return region_code(said, country) or said


def country_code(said: str) -> str | None:
    """ISO 3166-1 alpha-2 of a code (alpha-2, alpha-3, numeric) or a name; None if there is none."""
    if is_country(said):
        return said
    upper = said.strip().upper()
    # U.S.A.
    bare = upper.replace(".", "").replace(" ", "")
    if len(bare) <= 3:
        found = _codes().get(bare)
        if found is not None or (upper.isascii() and len(bare) <= 2):
            return found
    return _named_country(_folded(said)) or _said_twice(said) or _in_any_order(said)


def _said_twice(said: str) -> str | None:
    """The country whose code stands beside its name: Germany (DE), US - United States."""
    parts = [part for part in _APART.split(said) if part.strip()]
    found = {country_code(part) for part in parts} if len(parts) == 2 else {None}
    return found.pop() if len(found) == 1 else None


def _in_any_order(said: str) -> str | None:
    """The country whose official name has just these words: Egypt, Arab Rep.; Netherlands, The."""
    return _official_words().get(_without_order(_folded(said)))


def _without_order(folded: str) -> frozenset[str]:
    long = _stated()["short"]
    return frozenset(long.get(word, word) for word in folded.split()) - {"of", "the", "and"}


@cache
def _official_words() -> dict[frozenset[str], str]:
    import pycountry  # noqa: PLC0415 — opened only when asked

    known: dict[frozenset[str], str] = {}
    for kind in ("official_name", "common_name", "name"):
        for country in pycountry.countries:
            words = _without_order(_folded(getattr(country, kind, "")))
            code = str(country.alpha_2)
            for said in (words, words | {"republic"}) if words else ():
                known.setdefault(said, code)
    return known


def is_country(code: str) -> bool:
    """Whether this is an ISO 3166-1 alpha-2 code."""
    return code in _countries()


def region_code(said: str, country: str) -> str | None:
    """The part of an ISO 3166-2 code after the country; None if the country has no such region.

    Args:
        said: a code with or without the country before it, or a name.
    """
    codes, names = _regions(country)
    if not codes:
        return None
    upper = said.strip().upper()
    for prefix in (f"{country}-", f"{country}_", f"{country} ", f"{country}."):
        if upper.startswith(prefix) and upper[len(prefix) :] in codes:
            return upper[len(prefix) :]
    if upper in codes:
        return upper
    # W.A.
    bare = upper.replace(".", "").strip()
    found = bare if bare in codes else _stated()["regions"].get(country, {}).get(bare)
    if found is not None:
        return found
    if upper.isdigit():
        # Only a zero that was lost, or one too many.
        close = [code for code in codes if code.isdigit() and int(code) == int(upper)]
        if len(close) == 1:
            return close[0]
    folded = _folded(said)
    return (
        names.get(folded)
        or _translated_regions(country).get(folded)
        or _regions_without_kinds(country).get(_without_kind(folded))
    )


def countries_with(regions: Sequence[str]) -> list[str]:
    """The countries that have all but one in twenty of these regions, by code, else by name."""
    ways: tuple[Callable[[str, str], bool], ...] = (
        is_region,
        lambda said, country: region_code(said, country) is not None,
    )
    for has in ways:
        found = [
            country
            for country in sorted(_countries())
            if sum(not has(said.upper(), country) for said in regions) <= len(regions) // 20
        ]
        if found:
            return found
    return []


def is_region(code: str, country: str) -> bool:
    """Whether ISO 3166-2 has this code in the country."""
    return code in _regions(country)[0]


def _folded(name: str) -> str:
    """A name without accents, case, punctuation and leading words that are often left out."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(part for part in plain if not unicodedata.combining(part))
    plain = _NOT_LETTERS.sub(" ", plain.replace("&", " and ").replace("ß", "ss")).strip()
    return _ARTICLES.sub("", plain)


@cache
def _stated() -> Mapping[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("places.toml").read_text("utf-8"))


@cache
def _countries() -> frozenset[str]:
    return frozenset(_stated()["countries"].split())


@cache
def _kinds() -> frozenset[str]:
    return frozenset(_stated()["kinds"].split())


@cache
def _codes() -> dict[str, str]:
    from babel.core import get_global  # noqa: PLC0415 — opened only when asked

    known = {code: code for code in _countries()}
    for old, new in get_global("territory_aliases").items():
        # Alpha-3 and numeric codes; a country that fell apart has no one heir.
        if len(new) == 1 and len(old) == 3 and new[0] in known:
            known.setdefault(old, new[0])
    known.update(_stated()["codes"])
    return known


@cache
def _country_names(languages: tuple[str, ...]) -> dict[str, str]:
    from babel import localedata  # noqa: PLC0415 — opened only when asked

    known: dict[str, str] = {}
    codes = _codes()
    for language in languages:
        territories: dict[str, Any] = dict(localedata.load(language).get("territories", {}))
        for code, name in territories.items():
            if codes.get(code) == code and isinstance(name, str):
                known.setdefault(_folded(name), code)
    return known


@cache
def _named_country(folded: str) -> str | None:
    from babel import localedata  # noqa: PLC0415 — opened only when asked

    others = sorted(name for name in localedata.locale_identifiers() if "_" not in name)
    return (
        _stated()["names"].get(folded)
        or _country_names(_FIRST_LANGUAGES).get(folded)
        or _listed_names().get(folded)
        or _country_names(tuple(others)).get(folded)
    )


@cache
def _listed_names() -> dict[str, str]:
    """Names of ISO 3166-1 and their translations."""
    import pycountry  # noqa: PLC0415 — opened only when asked

    names: dict[str, str] = {}
    for language in ("", *_languages("iso3166-1")):
        translate = _translation("iso3166-1", language)
        for country in pycountry.countries:
            for kind in ("name", "official_name", "common_name"):
                name = getattr(country, kind, None)
                if name:
                    names.setdefault(_folded(translate(name)), str(country.alpha_2))
    return names


def _listed_regions(country: str) -> list[Any]:
    """Of two regions with one name, such as a city in its province, the outer one comes first."""
    import pycountry  # noqa: PLC0415 — opened only when asked

    listed: Any = pycountry.subdivisions
    found = listed.get(country_code=country) or ()
    return sorted(found, key=lambda one: (one.parent_code is not None, one.code))


@cache
def _regions(country: str) -> tuple[frozenset[str], dict[str, str]]:
    codes: set[str] = set()
    names: dict[str, str] = {}
    for region in _listed_regions(country):
        code = region.code.partition("-")[2]
        codes.add(code)
        for name in re.split(r"\s*[\[\];,/]\s*", region.name):
            if name:
                names.setdefault(_folded(name), code)
        names.setdefault(_folded(region.name), code)
    return frozenset(codes), names


@cache
def _translated_regions(country: str) -> dict[str, str]:
    names: dict[str, str] = {}
    regions = _listed_regions(country)
    for language in _languages("iso3166-2"):
        translate = _translation("iso3166-2", language)
        for region in regions:
            names.setdefault(_folded(translate(region.name)), region.code.partition("-")[2])
    return names


@cache
def _regions_without_kinds(country: str) -> dict[str, str]:
    """Bare names that are those of one region only: Moscow's city and its oblast have one name."""
    regions: dict[str, set[str]] = {}
    for known in (_regions(country)[1], _translated_regions(country)):
        for name, code in known.items():
            regions.setdefault(_without_kind(name), set()).add(code)
    return {name: min(codes) for name, codes in regions.items() if name and len(codes) == 1}


def _without_kind(folded: str) -> str:
    """A folded name without the words for what kind of region it is."""
    kinds = _kinds()
    bare = " ".join(word for word in folded.split() if word not in kinds)
    # Folding took Hangul apart.
    return _KINDS_AT_THE_END.sub("", unicodedata.normalize("NFC", bare)) or bare


def _translation(domain: str, language: str) -> Callable[[str], str]:
    import pycountry  # noqa: PLC0415 — opened only when asked

    if not language:
        return str
    return gettext.translation(
        domain, pycountry.LOCALES_DIR, languages=[language], fallback=True
    ).gettext


@cache
def _languages(domain: str) -> tuple[str, ...]:
    import pycountry  # noqa: PLC0415 — opened only when asked

    found = Path(pycountry.LOCALES_DIR).glob(f"*/LC_MESSAGES/{domain}.mo")
    return tuple(sorted(path.parent.parent.name for path in found))
