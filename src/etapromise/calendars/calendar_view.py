"""What a model's calendars learned, to be looked at: working weeks, holidays by name, pick-ups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from etapromise.array_types import Floats
from etapromise.calendars.dispatch import Dispatch, DispatchCalendars
from etapromise.calendars.waits_by_hour import WaitsByHour
from etapromise.calendars.working_clocks import Clocks, named_holidays
from etapromise.errors import extra_needed
from etapromise.former_names import former_name

_SEPARATOR: Final = "\x1f"
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, kw_only=True)
class WorkingCalendar:
    """When a carrier's service delivers, or when a warehouse's parcels are picked up.

    Shares are of an ordinary working day: 0 is closed, 1 is worked like any other.

    Attributes:
        name: such as "acme · ground", or "US · 55690 · ground"; a dash is unknown, "any other"
            what was never seen or seen too little.
        week: share of Monday … Sunday.
        changed_weeks: (first date, week) since a service changed its week.
        other_weeks: week by place where it is another one than elsewhere.
        holidays: share on each public holiday, by country and name; a warehouse's are its
            country's. Where the weekday is closed anyway, so is the holiday.
        closed_progress: 0 to 1, the share of a working day by which parcels go on over a closed
            day; None for a warehouse, whose parcels wait.
        cut_offs: local times of Monday … Sunday until which an order goes with the day's work;
            none where the hours in `waits` tell it.
        waits: working days from the start of an order's day to its pick-up, by weekday, at each of
            the day's 24 full hours; None where cut-offs tell it.
    """

    name: str
    week: tuple[float, ...]
    changed_weeks: tuple[tuple[str, tuple[float, ...]], ...] = ()
    other_weeks: Mapping[str, tuple[float, ...]]
    holidays: Mapping[str, float]
    closed_progress: float | None = None
    cut_offs: tuple[tuple[str, ...], ...] = ()
    waits: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class LearnedCalendars:
    """What a model knows of working days: of services, and of warehouses.

    Closures and single dates of a calendar file are not in it: the file says them.

    Attributes:
        services: of each carrier's service, "any other" first.
        warehouses: of each origin, and its services where they were seen enough.
        holidays: dates within the model's tables by country and name, such as "US Labor Day".
    """

    services: tuple[WorkingCalendar, ...]
    warehouses: tuple[WorkingCalendar, ...]
    holidays: Mapping[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)

    to_dict = former_name("to_dict", "as_dict")

    def to_text(self) -> str:
        """All of it for a terminal; those with the same calendar stand together."""
        lines = []
        for title, found in (("services", self.services), ("warehouses", self.warehouses)):
            alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for each in found:
                alike[tuple(_lines(each))].append(each.name)
            lines.append(title)
            for told, names in alike.items():
                lines += [f"  {'; '.join(names)}", *(f"    {line}" for line in told)]
        return "\n".join(lines)


def learned_calendars(clocks: Clocks, dispatch: Dispatch) -> LearnedCalendars:
    """The calendars of a model.

    Raises:
        MissingExtraError: the names of holidays need the extra "train".
    """
    with extra_needed():
        dates, kinds = _holidays(clocks)
    return LearnedCalendars(
        tuple(_service(clocks, row, kinds) for row in range(len(clocks.weeks))),
        tuple(_warehouse(dispatch, row, kinds) for row in range(len(dispatch.calendars.weeks))),
        dates,
    )


def _holidays(clocks: Clocks) -> tuple[dict[str, tuple[str, ...]], dict[str, set[int]]]:
    """Dates by country and name, and of which kinds they are, see `Clocks.holidays`."""
    dates: dict[str, set[int]] = defaultdict(set)
    kinds: dict[str, set[int]] = defaultdict(set)
    for row, key in enumerate(clocks.calendars, start=1):
        country, region, *_ = key.split(_SEPARATOR)
        for day, name in named_holidays(country, region, clocks.first_day, clocks.last_day).items():
            kind = int(clocks.holidays[row, day - clocks.first_day])
            # A calendar file may have taken a holiday away.
            if kind:
                dates[f"{country} {name}"].add(day)
                kinds[f"{country} {name}"].add(kind)
    written = {
        name: tuple(str(np.datetime64(day, "D")) for day in sorted(days))
        for name, days in sorted(dates.items())
    }
    return written, kinds


def _shares(
    weights: Floats, kinds: Mapping[str, set[int]], country: str | None
) -> dict[str, float]:
    """By holiday the share that is worked, on the mean of its kinds."""
    return {
        name: float(np.mean([weights[kind - 1] for kind in of]))
        for name, of in sorted(kinds.items())
        if country is None or name.startswith(f"{country} ")
    }


def _spoken(key: str) -> str:
    return " · ".join(part or "–" for part in key.split(_SEPARATOR))  # noqa: RUF001


def _service(clocks: Clocks, row: int, kinds: Mapping[str, set[int]]) -> WorkingCalendar:
    own, changed = (table[table[:, 0] == row] for table in (clocks.region_weeks, clocks.new_weeks))
    return WorkingCalendar(
        name=_spoken(clocks.services[row - 1]) if row else "any other",
        week=_week(clocks.weeks[row]),
        changed_weeks=tuple(
            (str(np.datetime64(int(first), "D")), _week(week)) for _, first, *week in changed
        ),
        other_weeks={_spoken(clocks.calendars[int(at) - 1]): _week(week) for _, at, *week in own},
        holidays=_shares(clocks.holiday_weights[row], kinds, None),
        closed_progress=float(clocks.closed_progress[row]),
    )


def _warehouse(dispatch: Dispatch, row: int, kinds: Mapping[str, set[int]]) -> WorkingCalendar:
    calendars, key = dispatch.calendars, dispatch.keys[row - 1] if row else ""
    country = key.partition(_SEPARATOR)[0]
    waits = calendars.wait_row[row]
    week, _ = calendars.cut_offs_of(row)
    return WorkingCalendar(
        name=_spoken(key) if row else "any other",
        week=_week(calendars.weeks[row]),
        other_weeks={},
        holidays=_shares(calendars.holiday_weights[row], kinds, country if row else None),
        cut_offs=() if waits and not any(week) else tuple(tuple(map(_clock, day)) for day in week),
        waits=_waits(calendars, row) if waits else None,
    )


def _waits(calendars: DispatchCalendars, row: int) -> tuple[tuple[float, ...], ...]:
    """Working days to the pick-up at the start of each hour of Monday … Sunday."""
    number = calendars.wait_row[row] - 1
    hours = WaitsByHour(calendars.wait[number], calendars.cut_off[row], calendars.missed[number])
    return tuple(map(_week, hours.at_starts()))


def _week(shares: Sequence[float] | Floats) -> tuple[float, ...]:
    return tuple(round(float(share), 3) for share in shares)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"


def _lines(found: WorkingCalendar) -> Iterator[str]:
    yield _days(found.week)
    for since, week in found.changed_weeks:
        yield f"since {since}: {_days(week)}"
    alike: dict[str, list[str]] = defaultdict(list)
    for place, week in found.other_weeks.items():
        alike[_days(week)].append(place)
    for days, places in alike.items():
        yield f"in {'; '.join(places)}: {days}"
    by_share: dict[int, list[str]] = defaultdict(list)
    for name, share in found.holidays.items():
        by_share[round(100 * share)].append(name)
    for percent, names in sorted(by_share.items()):
        yield f"holidays {_worked(percent)}: {', '.join(names)}"
    if found.closed_progress:
        yield f"over a closed day parcels go on by {found.closed_progress:.0%} of a working day"
    if len(set(found.cut_offs)) == 1:
        yield f"cut-off {', '.join(found.cut_offs[0]) or 'none'}"
    else:
        for weekday, times in zip(_WEEKDAYS, found.cut_offs, strict=False):
            yield f"cut-off {weekday} {', '.join(times) or 'none'}"
    for weekday, hours in zip(_WEEKDAYS, found.waits or (), strict=False):
        told = ", ".join(f"{hour}:00 {hours[hour]:.1f}" for hour in range(0, 24, 4))
        yield f"working days until the pick-up of an order of {weekday} {told}"


def _days(week: tuple[float, ...]) -> str:
    shares = [round(100 * share) for share in week]
    return ", ".join(
        f"{weekday} {_worked(share)}" for weekday, share in zip(_WEEKDAYS, shares, strict=True)
    )


def _worked(share: int) -> str:
    return {0: "closed", 100: "open"}.get(share, f"{share} %")
