"""What own tables call the columns of the contract, in the languages of ``column_names.toml``."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", chr(0x131): "i"}
)
_NEAR: Final = 0.88
# Before a capital after a small letter, and before that which begins a word after others: PODDt is
# POD Dt. Of capitals with an s it is the plural: IDs.
_NEW_WORD: Final = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?:[a-z]{2}|[a-rt-z](?![A-Za-z])))"
)
_TWO_LANGUAGES: Final = re.compile(r"\s+[/|]\s+")
_SHORTENED: Final = 0.68
_LEAST_LETTERS: Final = 3
_VOWELS: Final = frozenset("aeiouy")
# So short words are cut to two letters: cd.
_SHORT_WORD: Final = 4
_ELSE: Final = ("billing", "changed", "paid", "ignored", "events")
_NUMBERS: Final = frozenset({"no", "nr", "num", "number", "nbr", "nummer", "numero"})
# Of more words than these one says not yet what happened: po sent to vendor.
_MOST_WORDS: Final = 3
# Shorter names of carriers are words of other meanings too.
_SURE_NAME: Final = 5


def plain_name(name: str) -> str:
    """Lower case words without accents and signs: ``ship_to.postalCode`` is ship to postal code."""
    text = _NEW_WORD.sub(" ", name)
    text = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", text))


@cache
def names_of() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """The names by table and by what they stand for, plainly written."""
    text = resources.files(__package__).joinpath("column_names.toml").read_text(encoding="utf-8")
    return {
        table: {
            role: tuple(dict.fromkeys((plain_name(role), *map(plain_name, names))))
            for role, names in roles.items()
        }
        for table, roles in tomllib.loads(text).items()
    }


@cache
def score_name(name: str, table: str, role: str) -> float:
    """How well a column's name fits, from 0 to 1: a whole name, one inside of it, one like it."""
    if _TWO_LANGUAGES.search(name):
        # PLZ / NPA: one name in several languages.
        return max(score_name(part, table, role) for part in _TWO_LANGUAGES.split(name))
    name = name.removesuffix(".value")  # BigQuery's programs put times into objects
    said = plain_name(name)
    last = plain_name(name.rpartition(".")[2])
    timed = table == "milestones" or role.endswith(("_at", "_date"))
    best = 0.0
    for known in names_of()[table][role]:
        if said == known:
            return 1.0
        if timed and _momentless(said) == _momentless(known):
            # Of the day and its clock neither is called so more than the other.
            best = max(best, 0.97)
        if last == known and last != said:
            best = max(best, 0.9)
        elif said.replace(" ", "") == known.replace(" ", ""):
            best = max(best, 0.97)
        elif f" {known} " in f" {said} ":
            if not _only_whole(known, said, timed=timed):
                best = max(best, 0.55 + 0.35 * len(known) / len(said))
        elif not known.isascii() and len(known) > 1 and known in said:
            # Some scripts put no blanks between words.
            best = max(best, 0.55 + 0.35 * len(known) / len(said))
        elif len(known) > 5 and best < 0.7 and _nearly(said, known):
            best = 0.7
        elif best < _SHORTENED:
            best = max(best, _shortens(said, known, timed=timed))
    return best


def _only_whole(known: str, said: str, *, timed: bool) -> bool:
    """Whether a name says nothing inside of a longer one: one of many words, or of many uses."""
    if " " in known:
        return False
    if timed:
        return len(_without_moment(said.split())) > _MOST_WORDS
    return known in names_of()["other"]["whole"]


@cache
def _shortens(said: str, known: str, *, timed: bool) -> float:
    """How surely a name is another with words cut off or without their vowels: desp dt, cnsg no."""
    ours, theirs = said.split(), known.split()
    if timed:
        ours, theirs = _without_moment(ours), _without_moment(theirs)
    if len(ours) != len(theirs) or ours == theirs:
        return 0.0
    found = _SHORTENED
    for short, word in zip(ours, theirs, strict=True):
        if short != word:
            found = min(found, _abbreviates(short, word))
    if found <= max(map(_says_else, ours)):
        return 0.0
    # Of names that begin alike the shorter is meant: a Zustellung, not a Zustellversuch.
    return found - 0.001 * len(known)


def _without_moment(words: list[str]) -> list[str]:
    moment = names_of()["other"]["moment"]
    return [word for word in words if word not in moment] or words


@cache
def _says_else(short: str) -> float:
    """How surely a word is short for one of what no column of the contract is: inv, upd."""
    other = names_of()["other"]
    words = {word for what in _ELSE for names in other[what] for word in names.split()}
    return max(_abbreviates(short, word) for word in words)


def _abbreviates(short: str, word: str) -> float:
    """How surely a word is short for another: its beginning, or of its consonants the first.

    Less surely some of its letters in their order.
    """
    if short in _NUMBERS and word in _NUMBERS:
        return _SHORTENED
    least = _LEAST_LETTERS - (len(word) <= _SHORT_WORD)
    if len(short) < least or len(short) >= len(word) or short[0] != word[0] or short in _words():
        return 0.0
    letters = iter(word)
    if not all(letter in letters for letter in short):
        return 0.0
    bones = _bones(short)
    if word.startswith(short) or (len(bones) > 1 and _bones(word).startswith(bones)):
        return _SHORTENED
    return 0.0 if _VOWELS & set(short[1:-1]) else _SHORTENED - 0.04


def _bones(word: str) -> str:
    """A word without its vowels but the first letter."""
    return word[0] + "".join(letter for letter in word[1:] if letter not in _VOWELS)


@cache
def _words() -> frozenset[str]:
    """Words that are whole as they are: the longer ones of names, and those of clocks."""
    names = names_of()
    told = {
        word
        for roles in names.values()
        for known in roles.values()
        for name in known
        for word in name.split()
        if len(word) > _LEAST_LETTERS
    }
    return frozenset({*told, *names["other"]["utc"], "time", "event"})


def _nearly(said: str, known: str) -> bool:
    """Whether two names differ by a slip; what cannot be near is seen by its length alone."""
    both = len(said) + len(known)
    if 2 * min(len(said), len(known)) <= _NEAR * both:
        return False
    found = difflib.SequenceMatcher(None, said, known)
    return found.quick_ratio() > _NEAR and found.ratio() > _NEAR


@cache
def _momentless(plain: str) -> str:
    """A name without the words that only say that it is a time: ship time, shipped at."""
    words = plain.split()
    said = names_of()["other"]
    kept = [word for word in words if word not in said["moment"] and word not in said["between"]]
    return " ".join(kept or words)


@cache
def without_words(name: str, what: str) -> str:
    """A plain name without the words of `[other]`, such as ``actual``."""
    words = plain_name(name).split()
    return " ".join(word for word in words if word not in names_of()["other"][what])


@cache
def is_about(name: str, what: str) -> bool:
    """Whether a word of a column's name is one of `[other]`, such as ``foreseen``."""
    said = f" {plain_name(name)} "
    return any(
        f" {word} " in said or (not word.isascii() and word in said)
        for word in names_of()["other"][what]
    )


@cache
def names_thing(name: str) -> bool:
    """Whether a name is the number of what is neither a parcel nor a place: customer_id."""
    other = names_of()["other"]
    words = [word for word in plain_name(name).split() if word not in other["labels"]]
    return bool(words) and set(words) <= set(other["things"])


@cache
def place_in(name: str) -> tuple[str, str] | None:
    """Whose address a column is of, and what of it: to_address_zip is the recipient's postcode.

    Returns:
        ``sender``, ``recipient``, ``billing`` or "", and one of `[fields]` or ``place``, such as a
        depot's code; None where its name says something else.
    """
    said, other = plain_name(name), names_of()["other"]
    for whose in ("billing", "sender", "recipient"):
        for words in sorted(other[whose], key=len, reverse=True):
            if f" {words} " in f" {said} " and said != words:
                rest = f" {said} ".replace(f" {words} ", " ", 1).split()
                found = _field(rest) or _field([one for one in rest if one not in other[whose]])
                if found is not None:
                    return whose, found
    found = _field(said.split())
    return None if found in {None, "place"} else ("", str(found))


def _field(words: list[str]) -> str | None:
    """What of an address words are, without those that only say that a place is meant."""
    other = names_of()["other"]
    kept = [word for word in words if word not in other["around"]]
    said = " ".join(kept)
    fields = names_of()["fields"]
    found = next((field for field, names in fields.items() if said in names), None)
    if found is None and len(kept) < len(words) and set(kept) <= set(other["labels"]):
        return "place"
    if found is None and kept[-1:] and kept[-1] in other["labels"] and _field(kept[:-1]) == "city":
        # city_id: a code of the place.
        return "place"
    return found


@cache
def carrier_in(value: str) -> str | None:
    """The carrier that many know which a cell is, or begins with, or names among other words."""
    said = f" {plain_name(value)} "
    known = names_of()["values"]["carrier"]
    first = [name for name in known if said.startswith(f" {name} ")]
    inside = [name for name in known if len(name) >= _SURE_NAME and f" {name} " in said]
    return max(first or inside, key=len, default=None)
