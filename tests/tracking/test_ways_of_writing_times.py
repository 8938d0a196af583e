"""Ways of writing times that are read as what was meant: by their look alone, without a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from etapromise.text_type import TEXT
from etapromise.tracking.proposals.column_profiles import profile_of
from etapromise.tracking.proposals.guessed_times import TimeGuess, written_times
from etapromise.tracking.time_words import times_of_day
from etapromise.tracking.written_times import parsed

MONTHS = {
    "Thai": "ม.ค. ก.พ. มี.ค. เม.ย. พ.ค. มิ.ย. ก.ค. ส.ค. ก.ย. ต.ค. พ.ย. ธ.ค.",
    "Turkish": "OCAK ŞUBAT MART NİSAN MAYIS HAZİRAN TEMMUZ AĞUSTOS EYLÜL EKİM KASIM ARALIK",
    "Russian": "янв. февр. мар. апр. мая июн. июл. авг. сент. окт. нояб. дек.",
    "Hungarian": "január február március április május június július augusztus szeptember október "
    "november december",
}


def month(language: str, time: Any) -> str:
    return MONTHS[language].split()[time.month - 1]


def moments(step: str = "67h31min") -> pd.Series[Any]:
    """Of all months, days and hours."""
    return pd.Series(pd.date_range("2025-01-20 14:05", periods=120, freq=step))


def read(texts: pd.Series[Any], found: TimeGuess | None) -> pd.Series[Any]:
    assert found is not None
    assert found.asked is None
    assert not found.doubt
    every = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us]")
    for form in found.formats:
        times = parsed(texts, form)
        zoneless = times if times.dt.tz is None else times.dt.tz_convert("+08:00")
        every = every.fillna(zoneless.dt.tz_localize(None))
    return every


WAYS: dict[str, Callable[[Any], str]] = {
    "marks of right to left": lambda t: (
        f"\u200f{t.day}/\u200f{t.month}/\u200f{t.year} {t.hour % 12 or 12}:{t:%M:%S} "
        + ("ص" if t.hour < 12 else "م")
    ),
    "time first": lambda t: f"{t:%H:%M %d/%m/%Y}",
    "Vietnamese": lambda t: f"{t.day} thg {t.month}, {t.year} {t:%H:%M}",
    "Vietnamese in full": lambda t: f"{t:%H:%M}, {t.day} tháng {t.month} năm {t.year}",
    "Thai": lambda t: f"{t.day} {month('Thai', t)} {t.year} {t:%H:%M} น.",
    "Turkish capitals": lambda t: f"{t.day} {month('Turkish', t)} {t.year} {t:%H:%M}",
    "Russian": lambda t: f"{t.day} {month('Russian', t)} {t.year} \u0433. {t:%H:%M}",
    "Hungarian": lambda t: f"{t.year}. {month('Hungarian', t)} {t.day}. {t:%H:%M}",
    "Japanese era by a letter": lambda t: f"R{t.year - 2018}.{t:%m.%d %H:%M}",
    "a word between": lambda t: f"{t:%d-%m-%Y om %H:%M uur}",
    "a sign between": lambda t: f"{t:%m/%d/%Y @ %I:%M %p}",
    "year of two digits first": lambda t: f"{t:%y/%m/%d %H:%M}",
    "statistics program": lambda t: f"{t:%d%b%Y:%H:%M:%S}".upper(),
    "zone by its hours": lambda t: f"{t:%Y-%m-%d %H:%M} GMT+8",
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_what_is_written_is_read(way: str) -> None:
    times = moments()
    texts = times.map(WAYS[way]).astype(TEXT)
    assert (read(texts, written_times(texts, 0.9)) == times).all()


NUMBERS: dict[str, Callable[[Any], str]] = {
    "ticks of .NET": lambda t: str(621_355_968_000_000_000 + int(t.timestamp()) * 10_000_000),
    "Hungarian days": lambda t: f"{t:%Y.%m.%d.}",
    "days of the year": lambda t: f"{t:%Y%j}",
    "without a century": lambda t: f"{t:%y%m%d}",
    "with a digit for the century": lambda t: f"1{t:%y%m%d}",
    "a spreadsheet's with a comma": lambda t: f"{(t.timestamp() / 86_400 + 25_569):.6f}".replace(
        ".", ","
    ),
}


@pytest.mark.parametrize("way", sorted(NUMBERS))
def test_numbers_that_are_called_times_are_read(way: str) -> None:
    times = moments()
    texts = times.map(NUMBERS[way]).astype(TEXT)
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    guess = profile_of("ordered_at", column, column).times(numbers=True)
    assert guess is not None
    found = read(texts, guess)
    if guess.zoned:
        found = found - pd.Timedelta(hours=8)
    assert (found == (times if guess.clock else times.dt.floor("D"))).all()


def test_a_number_before_1970_for_what_has_not_happened_hides_no_times() -> None:
    texts = [*(str(int(t.timestamp())) for t in moments()), *["-1"] * 20]
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    guess = profile_of("delivered_epoch", column, column).times(numbers=True)
    assert guess is not None
    assert guess.formats == ("epoch_s",)


@pytest.mark.parametrize("number", ["504911232000", "760000000", "133800000000000000"])
def test_numbers_of_no_way_of_counting_since_2000_are_no_times(number: str) -> None:
    """Such as seconds since 2001 and what Windows counts since 1601, which would be of 1994."""
    column = pa.chunked_array([pa.array([number] * 20, pa.large_string())])
    assert profile_of("ordered_at", column, column).times(numbers=True) is None


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["930", "1405", "5"], ["09:30:00", "14:05:00", "00:05:00"]),
        (["93000", "140500", "5"], ["09:30:00", "14:05:00", "00:00:05"]),
        (["9:30", "14:05"], ["09:30:00", "14:05:00"]),
    ],
)
def test_numbers_of_four_digits_are_hours_and_minutes(
    texts: list[str], expected: list[str]
) -> None:
    assert times_of_day(pd.Series(texts, dtype=TEXT)).tolist() == expected


def test_cells_with_several_times_are_lists_of_events() -> None:
    for texts, several in (
        ("2025-01-20 14:05 Sent | 2025-01-21 9:12 Came", True),
        ("14:05:30", False),
    ):
        column = pa.chunked_array([pa.array([texts] * 3, pa.large_string())])
        assert profile_of("history", column, column).several_times == several
