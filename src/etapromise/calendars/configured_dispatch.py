"""Warehouses' calendars as a calendar file has them: what it says goes before what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.calendar_values import CarrierRule, Closure, Cutoff, WarehouseRule
from etapromise.calendars.configured_clocks import spans
from etapromise.calendars.dispatch import A_WORKING_DAY, DISPATCH_LEVELS, NO_CUT_OFF, Dispatch
from etapromise.calendars.working_clocks import Clocks
from etapromise.lanes.levels import Level, level_keys

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR: Final = "\x1f"
_EVERY_ROW: Final = -1
_PLACE: Final = Level("place", ("origin", "origin_country"))


def configured_dispatch(
    dispatch: Dispatch, clocks: Clocks, rules: CalendarFile, shipments: pd.DataFrame
) -> Dispatch:
    """Learned calendars under the weeks, cut-offs, pick-ups and closures of a file.

    A carrier's last pick-up of the day is a cut-off that no later one of the warehouse outlasts,
    but for those that lead to a later day. How many working days handling takes stays as it was
    learned; it cannot end before the soonest of the cut-offs says, and begins as many working days
    later as another one does.
    """
    if not (rules.warehouses or rules.closures or any(rule.pickups for rule in rules.carriers)):
        return dispatch
    seen = [set(distinct) for _, distinct in level_keys(shipments, DISPATCH_LEVELS)]
    warehouses = _warehouse_keys(rules, seen[1])
    keys, source = _extended(dispatch, rules, warehouses, seen)
    learned = dispatch.calendars
    cut_off, weeks = learned.cut_off[source].copy(), learned.weeks[source].copy()
    holiday_weights = learned.holiday_weights[source].copy()
    handling = learned.handling[source].copy()
    wait_row = learned.wait_row[source].copy()
    rounds: list[tuple[int, int, int, int]] = []
    dated: list[tuple[int, int, int, int]] = []
    special = [
        (_EVERY_ROW, first, last, 0)
        for rule in rules.closures
        if rule.origin is None
        for first, last in spans(rule.days)
    ]
    for row, key in enumerate(["", *keys]):
        origin = _origin_of(key, warehouses, seen[1])
        rule = warehouse_rule(rules, origin)
        pickup = _pickup_rule(rules, key, origin)
        last_pickup = NO_CUT_OFF if pickup is None else pickup.pickups[-1] * 60
        if rule is not None:
            if rule.works is not None:
                learned_week = np.where(weeks[row] > A_WORKING_DAY, weeks[row], 1.0)
                weeks[row] = np.where(rule.works, learned_week, 0.0)
            if rule.works_on_holidays is not None:
                holiday_weights[row] = float(rule.works_on_holidays)
            for days, share in ((rule.extra_days, 100), (rule.half_days, 50)):
                special += [(row, first, last, share) for first, last in spans(days)]
            dated += [
                (row, day, second if wait else min(second, last_pickup), wait)
                for day, second, wait in dated_cut_offs(rule)
            ]
            if any(not cutoff.dates for cutoff in rule.cutoffs):
                cut_off[row] = first_cut_offs(rule.cutoffs)
                wait_row[row] = 0
                handling[row] = _not_before(handling[row], _soonest(rule.cutoffs))
                rounds += [
                    (row, weekday, second if wait else min(second, last_pickup), wait)
                    for weekday, second, wait in cut_off_rounds(rule.cutoffs)
                ]
        if pickup is not None:
            cut_off[row] = np.minimum(cut_off[row], last_pickup)
            wait_row[row] = 0
            if pickup.pickup_days is not None:
                weeks[row] = np.where(pickup.pickup_days, weeks[row], 0.0)
        special += [
            (row, first, last, 0)
            for closure in rules.closures
            if origin is not None and closure.origin == origin
            for first, last in spans(closure.days)
        ]
    calendars = replace(
        learned,
        cut_off=cut_off,
        weeks=weeks,
        holiday_weights=holiday_weights,
        handling=handling,
        special_days=np.array(special, np.int64).reshape(-1, 4),
        rounds=np.array(rounds, np.int64).reshape(-1, 4),
        dated_cut_offs=np.array(dated, np.int64).reshape(-1, 4),
        wait_row=wait_row,
    )
    return Dispatch(keys, calendars, clocks)


def warehouse_rule(rules: CalendarFile, origin: str | None) -> WarehouseRule | None:
    """What a file says of a warehouse: its own rule, or that of every other one."""
    named = {rule.origin: rule for rule in rules.warehouses}
    own = named.get(origin) if origin is not None else None
    return named.get(None) if own is None else own


def first_cut_offs(cutoffs: Sequence[Cutoff]) -> NDArray[np.int32]:
    """(7,) second of Monday … Sunday of the first cut-off of the day; NO_CUT_OFF: there is none."""
    found = np.full(7, NO_CUT_OFF, np.int32)
    for cutoff in cutoffs:
        for day in np.flatnonzero(cutoff.week):
            found[day] = min(found[day], cutoff.minute * 60)
    return found


def cut_off_rounds(cutoffs: Sequence[Cutoff]) -> list[tuple[int, int, int]]:
    """Weekdays, seconds and working days to wait beyond the soonest; none where none has to wait.

    Where all cut-offs lead to as many working days, an order after the first one of a day counts as
    placed when the next working day begins, and no table is needed to know that.
    """
    soonest = _soonest(cutoffs)
    found = [
        (int(day), cutoff.minute * 60, cutoff.days - soonest)
        for cutoff in cutoffs
        for day in np.flatnonzero(cutoff.week)
    ]
    return found if any(wait for _, _, wait in found) else []


def dated_cut_offs(rule: WarehouseRule) -> list[tuple[int, int, int]]:
    """Days since 1970-01-01, seconds and working days to wait beyond the soonest of the week.

    A day that is worked for once and has no cut-off, nor its weekday, where others have: those of
    the last weekday before it that has one.
    """
    soonest = _soonest(rule.cutoffs)
    found = [
        (day, cutoff.minute * 60, cutoff.days - soonest)
        for cutoff in rule.cutoffs
        for first, last in spans(cutoff.dates)
        for day in range(first, last + 1)
    ]
    weekdays: dict[int, list[Cutoff]] = {}
    for cutoff in rule.cutoffs:
        for weekday in np.flatnonzero(cutoff.week):
            weekdays.setdefault(int(weekday), []).append(cutoff)
    told = {day for day, _, _ in found}
    for first, last in spans(rule.extra_days) if weekdays else ():
        for day in range(first, last + 1):
            if day not in told and (day + 3) % 7 not in weekdays:
                before = next(back for back in range(7) if (day + 3 - back) % 7 in weekdays)
                found += [
                    (day, cutoff.minute * 60, cutoff.days - soonest)
                    for cutoff in weekdays[(day + 3 - before) % 7]
                ]
    return found


def _soonest(cutoffs: Sequence[Cutoff]) -> int:
    """Of the week; 0 where only dates have one: handling takes as long as it was learned to."""
    return min((cutoff.days for cutoff in cutoffs if not cutoff.dates), default=0)


def warehouses_of(shipments: pd.DataFrame) -> list[tuple[str, str]]:
    """Country ("" where there is none) and origin of the warehouses in orders."""
    _, keys = level_keys(shipments, [_PLACE])[0]
    pairs = (key.split(_SEPARATOR) for key in keys)
    return sorted({(country, origin) for origin, country in pairs if origin})


def _warehouse_keys(rules: CalendarFile, seen: set[str]) -> dict[str, str]:
    """Keys (country, origin) of the warehouses that a file names, seen or not, and the origins."""
    origins = {rule.origin: rule.country for rule in rules.warehouses if rule.origin is not None}
    more: list[Closure | CarrierRule] = [*rules.closures, *rules.carriers]
    origins |= {rule.origin: None for rule in more if rule.origin and rule.origin not in origins}
    found = {key: key.split(_SEPARATOR)[1] for key in seen}
    named = {key: origin for key, origin in found.items() if origin in origins}
    for origin, country in origins.items():
        if origin not in named.values():
            named[f"{country or ''}{_SEPARATOR}{origin}"] = origin
    return named


def _extended(
    dispatch: Dispatch, rules: CalendarFile, warehouses: dict[str, str], seen: Sequence[set[str]]
) -> tuple[list[str], Ints]:
    """All keys, learned and named; for row 0 and each of them the learned row it begins with."""
    more = set(warehouses)
    if any(rule.pickups for rule in rules.carriers):
        more |= {key for key in seen[3] if _pickup_rule(rules, key, key.split(_SEPARATOR)[1])}
    added = sorted(more - set(dispatch.keys))
    source = [*range(len(dispatch.keys) + 1)]
    for key in added:
        country, origin, *rest = key.split(_SEPARATOR)
        coarser = [f"{country}{_SEPARATOR}{origin}"]
        if rest:
            coarser.append(f"{coarser[0]}{_SEPARATOR}{rest[0]}")
        source.append(dispatch.row(coarser))
    return [*dispatch.keys, *added], np.array(source, np.int64)


def _origin_of(key: str, warehouses: dict[str, str], seen: set[str]) -> str | None:
    """The warehouse of a row; None for row 0 and for those of a region."""
    parts = key.split(_SEPARATOR)
    if len(parts) > 2 or key in warehouses or key in seen:
        return parts[1]
    return None


def _pickup_rule(rules: CalendarFile, key: str, origin: str | None) -> CarrierRule | None:
    """The narrowest rule with pick-ups for a row of a warehouse, service and carrier."""
    parts = key.split(_SEPARATOR)
    if len(parts) < 4:
        return None
    service, carrier = parts[2], parts[3]
    found = [
        rule
        for rule in rules.carriers
        if rule.pickups
        and rule.carrier == carrier
        and rule.service in {None, service}
        and rule.origin in {None, origin}
    ]
    return max(
        found, key=lambda rule: (rule.origin is not None, rule.service is not None), default=None
    )


def _not_before(handling: Floats, days: int) -> Floats:
    """A handling time that cannot end before so many working days are over."""
    days = min(days, len(handling) - 2)
    if days == 0 or handling[days] >= 1.0:
        return handling
    left = (handling - handling[days]) / (1.0 - handling[days])
    return np.asarray(np.maximum(left, 0.0))
