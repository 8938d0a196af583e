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
    return next((status for status, pattern in within if pattern.search(said)), None)


@cache
def _words() -> tuple[Mapping[str, str], Sequence[tuple[str, re.Pattern[str]]]]:
    """The words that are a whole text, and what is looked for inside of longer ones, in order."""
    text = resources.files(__package__).joinpath("status_words.toml").read_text(encoding="utf-8")
    told: dict[str, Any] = tomllib.loads(text)
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
