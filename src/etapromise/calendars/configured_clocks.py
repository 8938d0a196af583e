"""Clocks as a calendar file has them: what it says goes before what the scans show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.calendar_values import Days
from etapromise.calendars.working_clocks import KEPT, Clocks, holiday_table, is_place
from etapromise.lanes.hand_offs import HandOffs

_SEPARATOR: Final = "\x1f"
_ANY: Final = -1


def configured_clocks(
    clocks: Clocks, rules: CalendarFile, hand_offs: HandOffs | None = None
) -> Clocks:
    """Learned clocks under the weeks, holidays and special days of a file.

    What the file says of a carrier also holds for the parcels that it hands over: these get a clock
    of their own (`CARRIER_PAIR`), on which both carriers' days are left out.

    A day that the file leaves out of a week has weight 0. One that it names keeps what was learned,
    or is an ordinary day where nothing was: a carrier that begins to deliver on Saturdays has no
    Saturdays to learn from. Services and places that only the file names get clocks too, as do
    "any other service of the carrier" and "any other region of the country".
    """
    single = [*clocks.services, *_more_services(clocks, rules)]
    carrier_pairs = [] if hand_offs is None else _carrier_pairs(hand_offs, rules)
    services = [*single, *carrier_pairs]
    calendars = [*clocks.calendars, *_more_calendars(clocks, rules)]
    weeks = _extended(clocks.weeks, len(services))
    closed_progress = _extended(clocks.closed_progress, len(services))
    holiday_weights = _extended(clocks.holiday_weights, len(services))
    for row, key in enumerate(single, start=1):
        carrier, service = key.split(_SEPARATOR)
        named = [rule for rule in rules.carriers if rule.origin is None]
        for rule in _narrowest_last(named, carrier=carrier, service=service):
            if rule.delivers is not None:
                learned = np.where(weeks[row] > 0, weeks[row], 1.0)
                weeks[row] = np.where(rule.delivers, learned, 0.0)
            if rule.delivers_on_holidays is not None:
                usual = np.where(holiday_weights[row] > 0, holiday_weights[row], 1.0)
                holiday_weights[row] = usual if rule.delivers_on_holidays else 0.0
    for row, key in enumerate(carrier_pairs, start=len(single) + 1):
        carrier, service, last_mile = key.split(_SEPARATOR)
        brings = single.index(f"{last_mile}{_SEPARATOR}") + 1
        weeks[row], holiday_weights[row] = weeks[brings], holiday_weights[brings]
        closed_progress[row] = closed_progress[brings]
        for rule in _narrowest_last(rules.carriers, carrier=carrier, service=service):
            if rule.delivers is not None:
                both = np.where(rule.delivers, weeks[brings], 0.0)
                # Carriers that never work on the same day: the file's word stands.
                weeks[row] = both if both.any() else np.array(rule.delivers, np.float64)
            if rule.delivers_on_holidays is False:
                holiday_weights[row] = 0.0
    place_weeks = np.ones((len(calendars) + 1, 7), dtype=bool)
    for row, key in enumerate(calendars, start=1):
        country, region, *_ = key.split(_SEPARATOR)
        for place in _narrowest_last(
            rules.destinations, country=country or rules.default_country or "", region=region
        ):
            if place.delivers is not None:
                place_weeks[row] = place.delivers
    return Clocks(
        first_day=clocks.first_day,
        services=tuple(services),
        weeks=weeks,
        calendars=tuple(calendars),
        holidays=_holidays(clocks, calendars, rules),
        holiday_weights=holiday_weights,
        place_weeks=place_weeks,
        special_days=_special_days(services, calendars, rules),
        region_weeks=_region_weeks(clocks, rules, single, carrier_pairs, weeks),
        new_weeks=_new_weeks(clocks, rules),
        closed_progress=closed_progress,
    )


def _region_weeks(
    clocks: Clocks,
    rules: CalendarFile,
    single: Sequence[str],
    carrier_pairs: Sequence[str],
    weeks: Floats,
) -> Floats:
    """The learned weeks in regions, but of the services whose week the file tells; of pairs too.

    A place within a region keeps its own, on days that the file leaves the service.
    """
    found = []
    for row in clocks.region_weeks:
        if not _is_told(rules, single[int(row[0]) - 1]):
            found.append(row)
        elif is_place(clocks.calendars[int(row[1]) - 1]):
            week = np.where(weeks[int(row[0])] > 0, row[2:], 0.0)
            if week.any():
                found.append(np.concatenate([row[:2], week]))
    for number, key in enumerate(carrier_pairs, start=len(single) + 1):
        brings = single.index(f"{key.split(_SEPARATOR)[2]}{_SEPARATOR}") + 1
        closed = weeks[number] == 0
        found += [
            np.concatenate([[number], row[1:2], np.where(closed, 0.0, row[2:])])
            for row in found
            if row[0] == brings
        ]
    return np.array(found, np.float64).reshape(-1, 9)


def _new_weeks(clocks: Clocks, rules: CalendarFile) -> Floats:
    """The learned changes of weeks, but of the services whose week the file tells."""
    told = [_is_told(rules, clocks.services[int(row) - 1]) for row in clocks.new_weeks[:, 0]]
    return clocks.new_weeks[~np.array(told, np.bool_)]


def _is_told(rules: CalendarFile, key: str) -> bool:
    """Whether a file tells the week of a service."""
    carrier, service, *_ = key.split(_SEPARATOR)
    named = [rule for rule in rules.carriers if rule.delivers is not None]
    return bool(_narrowest_last(named, carrier=carrier, service=service))


def spans(found: Days) -> list[tuple[int, int]]:
    """First and last days since 1970-01-01 of dates."""
    epoch = date(1970, 1, 1).toordinal()
    return [(first.toordinal() - epoch, last.toordinal() - epoch) for first, last in found]


def _carrier_pairs(hand_offs: HandOffs, rules: CalendarFile) -> list[str]:
    """Keys of CARRIER_PAIR whose first carrier a file says something of."""
    told: list[Any] = [*(rule for rule in rules.carriers if rule.origin is None), *rules.blackouts]
    about = {(rule.carrier, rule.service) for rule in told if rule.carrier is not None}
    return [
        key
        for key in hand_offs.carrier_pairs()
        for carrier, service, _ in (key.split(_SEPARATOR),)
        if (carrier, service) in about or (carrier, None) in about
    ]


def _more_services(clocks: Clocks, rules: CalendarFile) -> list[str]:
    rows: list[Any] = [*rules.carriers, *rules.blackouts]
    named = {
        f"{rule.carrier}{_SEPARATOR}{service or ''}"
        for rule in rows
        if rule.carrier is not None
        for service in (rule.service, None)
    }
    return sorted(named - set(clocks.services))


def _more_calendars(clocks: Clocks, rules: CalendarFile) -> list[str]:
    rows: list[Any] = [*rules.destinations, *rules.holidays, *rules.blackouts]
    named = {
        f"{rule.country}{_SEPARATOR}{region or ''}"
        for rule in rows
        if rule.country is not None
        for region in (rule.region, None)
    }
    # The holidays of a country hold in those of its regions that were never seen, too.
    named |= {f"{key.split(_SEPARATOR)[0]}{_SEPARATOR}" for key in clocks.calendars}
    if rules.default_country is not None:
        named.add(_SEPARATOR)
    return sorted(named - set(clocks.calendars))


def _holidays(clocks: Clocks, calendars: Sequence[str], rules: CalendarFile) -> NDArray[np.uint8]:
    days = np.arange(clocks.first_day, clocks.last_day + 1)
    table = np.zeros((len(calendars) + 1, len(days)), np.uint8)
    for row, key in enumerate(calendars, start=1):
        country, region, *_ = key.split(_SEPARATOR)
        if row < len(clocks.holidays) and country:
            table[row] = clocks.holidays[row]
        else:
            country = country or rules.default_country or ""
            place = f"{country}{_SEPARATOR}{region}"
            table[row] = holiday_table([place], clocks.first_day, clocks.last_day)[1]
            alike = [key.split(_SEPARATOR)[0] == country for key in ("", *clocks.calendars)]
            known = clocks.holidays[alike].max(axis=0, initial=0)
            table[row] = np.where((known >= KEPT) & (table[row] > 0), known, table[row])
        for rule in _narrowest_last(rules.holidays, country=country, region=region):
            for span, kind in ((rule.extra, 1), (rule.dropped, 0)):
                for first, last in spans(span):
                    table[row, (days >= first) & (days <= last)] = kind
    return table


def _special_days(services: Sequence[str], calendars: Sequence[str], rules: CalendarFile) -> Ints:
    """Days on which a carrier delivers for once, or in part; then those on which nobody does."""
    found = [
        (service, _ANY, first, last, share)
        for rule in sorted(rules.carriers, key=lambda rule: rule.service is not None)
        for days, share in ((rule.extra_days, 100), (rule.half_days, 50))
        for service in _brought_by(services, rule.carrier, rule.service)
        for first, last in spans(days)
    ]
    found += [
        (service, calendar, first, last, 0)
        for rule in rules.blackouts
        for service in _carried_by(services, rule.carrier, rule.service)
        for calendar in _rows(calendars, rule.country, rule.region, rules.default_country)
        for first, last in spans(rule.days)
    ]
    return np.array(found, np.int64).reshape(-1, 5)


def _brought_by(services: Sequence[str], carrier: str, service: str | None) -> list[int]:
    """Rows of the services that a carrier brings to the door."""
    rows = []
    for row, key in enumerate(services, start=1):
        first, own, *last_mile = key.split(_SEPARATOR)
        named = service is None if last_mile else service in {None, own}
        if (last_mile or [first])[0] == carrier and named:
            rows.append(row)
    return rows


def _carried_by(services: Sequence[str], carrier: str | None, service: str | None) -> list[int]:
    """Rows of the services that a carrier has a part in, also as the one that brings."""
    rows = _rows(services, carrier, service)
    if carrier is None or service is not None:
        return rows
    return sorted({*rows, *_brought_by(services, carrier, None)})


def _rows(
    keys: Sequence[str], wide: str | None, narrow: str | None, missing: str | None = None
) -> list[int]:
    """Rows of the keys that a rule speaks of; `missing` stands for an empty first part."""
    if wide is None:
        return [_ANY]
    parts = [key.split(_SEPARATOR) for key in keys]
    return [
        row
        for row, (first, second, *_) in enumerate(parts, start=1)
        if (first or missing) == wide and narrow in {None, second}
    ]


def _narrowest_last(rules: Sequence[Any], **place: str) -> list[Any]:
    """The rules that speak of a place, those of the whole before those of a part of it."""
    wide, narrow = place
    return sorted(
        (
            rule
            for rule in rules
            if getattr(rule, wide) == place[wide] and getattr(rule, narrow) in {None, place[narrow]}
        ),
        key=lambda rule: getattr(rule, narrow) is not None,
    )


def _extended(table: Floats, count: int) -> Floats:
    """A learned table with rows like row 0, any other, for what was never seen."""
    more = np.repeat(table[:1], count + 1 - len(table), axis=0)
    return np.concatenate([table, more])
