"""Every locale of CLDR renders; sentences by people's grammar; files replace them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from babel.dates import get_day_names, get_month_names
from babel.localedata import locale_identifiers

from etapromise.errors import ContractError
from etapromise.in_transit.transit_parts import STAGES
from etapromise.promise.wording import (
    LANGUAGES,
    Wording,
    notice,
    order_within,
    sentence,
    stage_sentence,
)

FRIDAY = dt.date(2026, 2, 13)
DATES: dict[str, Any] = {
    "day": FRIDAY,
    "earliest": dt.date(2026, 2, 9),
    "latest": dt.date(2026, 2, 16),
}
SPOKEN = {"en", "de", "fr", "es", "pt", "it", "nl", "pl", "sv", "ja", "zh", "ar", "hi"}


def test_every_locale_renders_and_names_the_weekday_in_full() -> None:
    for name in locale_identifiers():
        one, between, _ = (sentence(code=c, locale=name, **DATES) for c in (10000, 20001, 30001))
        assert "{" not in one + between
        locale = Locale.parse(name)
        names = {get_day_names("wide", context, locale)[4] for context in ("format", "stand-alone")}
        if locale.language not in LANGUAGES or locale.language != "pl":
            assert any(word in one for word in names), (name, one)
            months = {
                get_month_names(width, context, locale)[2]
                for width in ("wide", "abbreviated")
                for context in ("format", "stand-alone")
            } | {"2", "02", "०२", "٠٢", "۰۲", "০২"}
            assert any(word in one for word in months), (name, one)
        assert between.strip()
        assert order_within(dt.timedelta(hours=3, minutes=12), name)
        assert notice("delayed", FRIDAY, name)
        assert bool(stage_sentence("in_transit", name)) == (locale.language in LANGUAGES)


def test_twelve_languages_and_more_speak_in_sentences() -> None:
    assert set(LANGUAGES) >= SPOKEN
    for language, table in Wording.of(None).languages.items():
        if "_" not in language:
            assert set(table["stages"]) == set(STAGES), language
    assert sentence(code=10000, locale="en", **DATES) == "Arrives by Friday, February 13"
    assert sentence(code=10001, locale="de", **DATES) == "Kommt bis Freitag, 13. Februar, an"
    assert sentence(code=20001, locale="de", **DATES) == (
        "Kommt zwischen Montag, dem 9. Februar, und Montag, dem 16. Februar, an"
    )
    assert sentence(code=10000, locale="pl", **DATES) == "Dotrze najpóźniej w piątek, 13 lutego"
    tuesday = DATES | {"day": dt.date(2026, 2, 10)}
    assert sentence(code=10000, locale="pl", **tuesday) == "Dotrze najpóźniej we wtorek, 10 lutego"
    assert sentence(code=20001, locale="pl", **DATES) == (
        "Dotrze od poniedziałku, 9 lutego, do poniedziałku, 16 lutego"
    )
    assert sentence(code=10000, locale="ja", **DATES) == "2月13日金曜日までに届きます"
    assert sentence(code=10000, locale="zh-Hant-TW", **DATES) == "最晚2月13日星期五送達"
    assert sentence(code=10000, locale="zh_CN", **DATES) == "最晚2月13日星期五送达"
    assert sentence(code=10000, locale="fi", **DATES) == "perjantai 13. helmikuuta"
    assert sentence(code=30004, locale="fi", **DATES) == ""


def test_what_is_shown_is_chosen_always_or_by_code() -> None:
    spoken = {"date": "Arrives by", "range": "Arrives between", "follows": "Delivery date to"}
    for show, words in spoken.items():
        for code in (10000, 20001, 30002):
            assert sentence(code=code, locale="en", show=show, **DATES).startswith(words)  # type: ignore[arg-type]
    by_code: Any = {30002: "range", 10001: "range"}
    found = [sentence(code=c, locale="en", show=by_code, **DATES) for c in (10000, 10001, 30002)]
    assert [text.split()[1] for text in found] == ["by", "between", "between"]
    for wrong in ("dates", {10000: "dates"}):
        with pytest.raises(ContractError, match="expected one of date, range, follows"):
            sentence(code=10000, locale="en", show=wrong, **DATES)  # type: ignore[arg-type]


def test_a_locale_that_is_none_is_refused_by_name() -> None:
    for wrong in ("xx_YY", "", "english", None, 7):
        with pytest.raises(ContractError, match="expected a CLDR locale"):
            sentence(code=10000, locale=wrong, **DATES)  # type: ignore[arg-type]
    assert sentence(code=10000, locale="de-DE-u-ca-gregory", **DATES).startswith("Kommt bis")


def test_a_file_replaces_sentence_by_sentence(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text(
        '[en]\nby = "With you by {date}"\n[en.stages]\nlost = "We are looking for it."\n'
        '[fi]\nby = "Perillä viimeistään {date}"\nbetween = "Perillä {first} ja {last} välillä"\n'
        'follows = "Toimituspäivä ilmoitetaan myöhemmin"\n'
    )
    assert sentence(code=10000, locale="en", words=path, **DATES).startswith("With you by Friday")
    assert sentence(code=20001, locale="en", words=path, **DATES).startswith("Arrives between")
    assert stage_sentence("lost", "en", path) == "We are looking for it."
    assert stage_sentence("delivered", "en", path) == stage_sentence("delivered", "en")
    assert sentence(code=10000, locale="fi", words=str(path), **DATES).startswith("Perillä viim")
    assert notice("delayed", FRIDAY, "fi", path) == "perjantai 13. helmikuuta"
    assert sentence(code=10000, locale="en", **DATES).startswith("Arrives by")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[en]\nby = "By {day}"\n', "{date}"),
        ('[en]\nbuy = "By {date}"\n', "en.buy"),
        ('[en]\nby_weekdays = ["Monday"]\n', "seven weekdays"),
        ('[en.stages]\ngone = "Gone."\n', "gone"),
        ('en = "Hello"\n', "table"),
        ("[en\n", "cannot be read"),
    ],
)
def test_a_file_that_says_no_sentences_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(text)
    with pytest.raises(ContractError, match=said):
        sentence(code=10000, locale="en", words=path, **DATES)
    with pytest.raises(ContractError, match="cannot be read"):
        Wording.of(tmp_path / "nowhere.toml")
