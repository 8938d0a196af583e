"""What a calendar file says: how its values are written, and what each of its tables is of."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any, Final, NoReturn, TypeAlias

from etapromise.calendars.zones import zone_named
from etapromise.errors import ContractError
from etapromise.normal_forms.places import normal_country
from etapromise.normal_forms.texts import normal_name

Days: TypeAlias = tuple[tuple[date, date], ...]
"""First and last dates of spans, both within."""
Week: TypeAlias = tuple[bool, bool, bool, bool, bool, bool, bool]
"""Monday … Sunday."""

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY_DAY: Final[Week] = (True, True, True, True, True, True, True)
_NO_DAY: Final[Week] = (False, False, False, False, False, False, False)
_DAY: Final = 1440
_SPAN: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s+to\s+(\d{4}-\d\d-\d\d))?")
_TIME: Final = re.compile(r"(\d{1,2}):(\d\d)")
_CUTOFF: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z, -]*?|\d{4}-\d\d-\d\d(?:\s+to\s+\d{4}-\d\d-\d\d)?)(?:\s+|T))?"
    r"(\d{1,2}:\d\d)(?:\s*->\s*([a-z0-9 ]+?))?"
)
_LATER: Final = re.compile(r"(\d+) days later")
_HEADER: Final = re.compile(r"\s*\[\[?\s*\"?([^\]\"]+?)\"?\s*\]\]?")


class Wrong(Exception):  # noqa: N818 — not an error of ours yet: the file adds the line
    """A value that is not what it should be."""

    def __init__(self, found: object, expected: str) -> None:
        self.found = repr(found) if not isinstance(found, date | time) else str(found)
        self.expected = expected
        super().__init__(f"{self.found}: {expected}")


@dataclass(frozen=True)
class Cutoff:
    """Orders before `minute` are handled `days` working days later.

    Attributes:
        week: weekdays on which it holds; none where it is of dates.
        minute: minutes after local midnight, 1 … 1440; an order at that minute is too late.
        days: working days of the warehouse from the order's own: 0 is the same day.
        dates: dates on which it stands in for the cut-offs of their weekday.
    """

    week: Week
    minute: int
    days: int
    dates: Days = ()


def text(value: Any) -> str:
    """A name or code; a number that stands for a code is refused, it may have lost its zeros."""
    if isinstance(value, str) and value.strip() and not any(map(_is_control, value)):
        return value
    return _wrong(value, "a text in quotes, spelled as in the shipments")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}


def name(value: Any) -> str:
    """The name of a carrier or a service, in its normal form."""
    return normal_name(text(value)) or _wrong(value, "a name in quotes, as in the shipments")


def country(value: Any) -> str:
    """A country's code or name, in its normal form."""
    expected = "a country's code or name in quotes, such as 'DE'"
    return (
        normal_country(value) or _wrong(value, expected)
        if isinstance(value, str)
        else _wrong(value, expected)
    )


def flag(value: Any) -> bool:
    """True or false."""
    return value if isinstance(value, bool) else _wrong(value, "true or false")


def zone(value: Any) -> str:
    """An IANA name."""
    try:
        return zone_named(value).key if isinstance(value, str) else _wrong(value, _ZONE)
    except ContractError:
        return _wrong(value, _ZONE)


_ZONE: Final = "an IANA name such as 'America/Chicago'"


def date_spans(value: Any) -> Days:
    """Dates, and spans such as "2026-12-24 to 2027-01-01"; one or a list of them."""
    expected = "dates such as '2026-12-24' or '2026-12-24 to 2027-01-01', in a list"
    found = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, date) and not isinstance(item, datetime):
            found.append((item, item))
            continue
        match = _SPAN.fullmatch(item.strip()) if isinstance(item, str) else None
        if match is None:
            _wrong(item, expected)
        try:
            first = date.fromisoformat(match[1])
            last = date.fromisoformat(match[2] or match[1])
        except ValueError:
            _wrong(item, f"{expected}; that is no day of the calendar")
        if last < first:
            _wrong(item, "the earlier date first")
        found.append((first, last))
    return tuple(sorted(found)) if found else _wrong(value, expected)


def amount(value: Any) -> float:
    """A finite number, at least 0."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    return _wrong(value, "a number, at least 0")


def codes(value: Any) -> tuple[str, ...]:
    """Codes in quotes, one or a list of them."""
    found = tuple(text(item) for item in (value if isinstance(value, list) else [value]))
    return found or _wrong(value, "codes in quotes, such as '88032' or '88*', in a list")


def week(value: Any) -> Week:
    """Weekdays such as "Mon-Sat" or "Mon, Wed, Fri", or a list of them."""
    expected = "weekdays such as 'Mon-Sat' or 'Mon, Wed, Fri'"
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        _wrong(value, expected)
    worked = [False] * 7
    for part in ",".join(items).split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        start = _weekday(first, value, expected)
        length = (_weekday(last, value, expected) - start) % 7 if dash else 0
        for day in range(start, start + length + 1):
            worked[day % 7] = True
    return (*worked[:6], worked[6])  # type: ignore[return-value]


def _weekday(name: str, value: Any, expected: str) -> int:
    short = name[:3].capitalize()
    full = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    if short not in _WEEKDAYS or name.capitalize() not in {short, full[_WEEKDAYS.index(short)]}:
        _wrong(value, expected)
    return _WEEKDAYS.index(short)


def times(value: Any) -> tuple[int, ...]:
    """Local times such as "16:30", one or a list of them, as minutes after midnight."""
    items = value if isinstance(value, list) else [value]
    found = sorted({_minute(item, value, "times such as '16:30', in a list") for item in items})
    return tuple(found) if found else _wrong(value, "times such as '16:30', in a list")


def _minute(item: Any, value: Any, expected: str) -> int:
    if isinstance(item, time):
        return item.hour * 60 + item.minute
    match = _TIME.fullmatch(item.strip()) if isinstance(item, str) else None
    if match is None:
        _wrong(value, expected)
    minute = int(match[1]) * 60 + int(match[2])
    if int(match[2]) > 59 or minute > _DAY:
        _wrong(value, expected)
    return minute


def cutoffs(value: Any) -> tuple[Cutoff, ...]:
    """Such as "11:00 -> same day", "Sat 09:00 -> 2 days later" and "2026-12-24 11:00", or a list.

    One of a date that does not say when is handled as soon as the soonest of the week.
    """
    expected = (
        "cut-offs such as '11:00 -> same day', '23:00 -> next day', 'Sat 9:00 -> 2 days later' or "
        "'2026-12-24 11:00'"
    )
    found: list[Cutoff] = []
    untold: list[Cutoff] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, datetime) and item.tzinfo is None and not item.second:
            item = f"{item:%Y-%m-%d %H:%M}"  # noqa: PLW2901 — TOML's own way to write it
        match = _CUTOFF.fullmatch(item.strip()) if isinstance(item, str) else None
        if match is None:
            _wrong(item, expected)
        dated = date_spans(match[1]) if match[1] and match[1][0].isdigit() else ()
        worked = _NO_DAY if dated else week(match[1]) if match[1] else _EVERY_DAY
        minute = _minute(match[2], item, expected)
        if minute == 0:
            _wrong(item, "a time after 00:00, before which nothing can be ordered on its day")
        if match[3] is None and dated:
            untold.append(Cutoff(worked, minute, 0, dated))
            continue
        later = _LATER.fullmatch(match[3] or "")
        if match[3] not in {"same day", "next day"} and later is None:
            _wrong(item, expected)
        count = int(later[1]) if later else int(match[3] == "next day")
        found.append(Cutoff(worked, minute, count, dated))
    weekly = [cutoff.days for cutoff in found if not cutoff.dates]
    soonest = min(weekly, default=0)
    found += [replace(cutoff, days=soonest) for cutoff in untold]
    found.sort(key=lambda cutoff: (cutoff.minute, cutoff.days))
    for cutoff in found:
        if cutoff.dates and cutoff.days < soonest:
            _wrong(value, "on no date orders that are handled sooner than on any weekday")
    for number, name in enumerate(_WEEKDAYS):
        _require_later([each for each in found if each.week[number]], value, f"a {name}")
    for first, last in {span for cutoff in found for span in cutoff.dates}:
        here = [each for each in found if any(a <= last and first <= b for a, b in each.dates)]
        _require_later(here, value, f"{first}")
    return tuple(found) if found else _wrong(value, expected)


def _require_later(here: list[Cutoff], value: Any, when: str) -> None:
    for early, late in pairwise(here):
        if early.minute == late.minute or early.days >= late.days:
            _wrong(
                value,
                f"on {when} each cut-off later than the one before, and handled on a later day",
            )


def line_of(written: str, table: str, number: int, key: str | None) -> int:
    """The line, from 1, of a key in the `number`-th `[[table]]` of a TOML text ("" is no table).

    The table's own line where the key stands in none of its own, and 1 where nothing does.
    """
    place, seen, here = 1, -1, table == ""
    for line, content in enumerate(written.splitlines(), start=1):
        header = _HEADER.match(content)
        if header:
            if here and table:
                return place
            seen += header[1] == table
            here = header[1] == table and seen == number
            if here or (not table and header[1] == key):
                place = line
            if not table and header[1] == key:
                return line
        elif here and key is not None and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", content):
            return line
    return place


def _wrong(found: object, expected: str) -> NoReturn:
    raise Wrong(found, expected)


# The rules in a calendar file: what each of its tables says of a shop, a carrier or a place.


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Days on which no order is handled.

    Attributes:
        days: first and last dates, origin-local.
        origin: the warehouse; None is the whole company.
    """

    days: Days
    origin: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Blackout:
    """Days on which nothing is delivered; what is None is not asked about.

    Attributes:
        days: first and last dates, destination-local.
        carrier: the carrier, at all its services unless one is named.
        service: one service of the carrier.
        region: of the destination, within the country.
    """

    days: Days
    carrier: str | None = None
    service: str | None = None
    country: str | None = None
    region: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class CarrierRule:
    """What a carrier does at one service, or at all where none is named.

    Attributes:
        delivers: the days of its week, Monday first; None leaves it to the scans.
        delivers_on_holidays: whether it does; None leaves it to the scans.
        extra_days: dates on which it delivers for once, whatever its week and the holidays say.
        half_days: dates on which it delivers half of what it does on another day.
        pickups: minutes after local midnight at which it fetches parcels from the warehouse.
        pickup_days: the days on which it fetches; None takes the days of a warehouse.
        origin: the warehouse that the pick-ups are of; None is any.
    """

    carrier: str
    service: str | None = None
    delivers: Week | None = None
    delivers_on_holidays: bool | None = None
    extra_days: Days = ()
    half_days: Days = ()
    pickups: tuple[int, ...] = ()
    pickup_days: Week | None = None
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class WarehouseRule:
    """How a warehouse works; where no origin is named, how every other one does.

    Attributes:
        works: the days of its week; None leaves it to the scans.
        works_on_holidays: whether it does; None leaves it to the scans.
        extra_days: dates on which it works for once, whatever its week and the holidays say.
        half_days: dates on which half of a day's work is done.
        cutoffs: ascending on every weekday and date; the scans tell those of the week without any.
        country: whose holidays it keeps; None takes the shipments' `origin_country`.
        region: likewise.
        time_zone: IANA name, of this warehouse alone; None takes what region and country say.
    """

    origin: str | None = None
    works: Week | None = None
    works_on_holidays: bool | None = None
    extra_days: Days = ()
    half_days: Days = ()
    cutoffs: tuple[Cutoff, ...] = ()
    country: str | None = None
    region: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class DestinationRule:
    """On which days anybody delivers in a country or in one of its regions, and its zone."""

    country: str
    region: str | None = None
    delivers: Week | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class HolidayRule:
    """Days that are holidays too, and days that are none, in a country or one of its regions."""

    country: str
    region: str | None = None
    extra: Days = ()
    dropped: Days = ()
