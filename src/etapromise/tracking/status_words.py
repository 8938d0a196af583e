"""What the texts of tracking events mean, in many languages, by ``status_words.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from etapromise.tracking.column_names import plain_name

# Between words that must only follow each other there may be so many others.
_BETWEEN: Final = 6
# Letters of scripts that put no blanks between words: Thai, Japanese, Chinese and Korean.
_UNBROKEN: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# What has happened if no word beside it denies it.
_REACHED: Final = frozenset(
    {"picked_up", "departed", "arrived", "available_for_pickup", "delivered", "returned"}
)
_TOKEN: Final = re.compile(r"\([^)]*\)|\S+")


@cache
def status_of_word(code: str) -> str | None:
    """The standard status that a code's words say in one of many languages.

    Args:
        code: A code or a text, such as ``Out for delivery`` or ``IN_TRANSIT``.
    """
    said = plain_name(code)
    whole, within = _words()
    if said in whole:
        return whole[said]
    for status, pattern in within:
        found = pattern.search(said)
        if found is not None:
            return _denied(status, said[: found.start()], said[found.end() :])
    return None


def _denied(status: str, before: str, after: str) -> str | None:
    """The status, unless the words around those that said it say that it has not happened.

    What was not delivered was tried; of what has not happened yet nothing is known.
    """
    if status not in _REACHED:
        return status
    words, said = before.split(), _told()["denied"]
    yet = False
    while words and words[-1] in {*said["between"], *said["yet"]}:
        yet |= words.pop() in said["yet"]
    denied = bool(words) and words[-1].endswith(said["signs"])
    if words and words[-1] in said["words"]:
        denied, yet = True, yet or not {*words[-2:-1]}.isdisjoint(said["yet"])
    if not denied and not any(word in after for word in said["after"]):
        return status
    return "attempted" if status == "delivered" and not yet else None


@cache
def _told() -> dict[str, Any]:
    """What ``status_words.toml`` says; the words that deny plainly written."""
    text = resources.files(__package__).joinpath("status_words.toml").read_text(encoding="utf-8")
    told: dict[str, Any] = tomllib.loads(text)
    denied = {what: tuple(map(plain_name, words)) for what, words in told["denied"].items()}
    return {**told, "denied": denied}


@cache
def _words() -> tuple[Mapping[str, str], Sequence[tuple[str, re.Pattern[str]]]]:
    """The words that are a whole text, and what is looked for inside of longer ones, in order."""
    told = _told()
    whole = {plain_name(word): status for status, words in told["whole"].items() for word in words}
    within = [
        (str(rule["status"]), re.compile("|".join(map(_pattern, dict.fromkeys(rule["phrases"])))))
        for rule in told["within"]
    ]
    return whole, within


def _pattern(phrase: str) -> str:
    """A phrase of ``[[within]]`` as a regular expression over the words of `plain_name`."""
    if _UNBROKEN.search(phrase):
        return re.escape(plain_name(phrase))
    found, gap = r"(?<!\S)", ""
    for token in _TOKEN.findall(phrase):
        if token == "..":  # noqa: S105 (words between, no secret)
            gap = rf"(?: \S+){{0,{_BETWEEN}}} "
            continue
        words = token.strip("()").split("|")
        found += gap + "(?:" + "|".join(map(_word, words)) + ")"
        gap = " "
    return found


def _word(word: str) -> str:
    end = r"\S*" if word.endswith("*") else r"(?!\S)"
    return re.escape(plain_name(word.rstrip("*"))) + end
