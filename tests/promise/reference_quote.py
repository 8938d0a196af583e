"""The whole quote once more, slowly and obviously: one parcel, plain Python, no compiled code.

It reads what the model knows (tables, keys, working weeks, trees) and shares no step of the way
from an order's columns to probabilities of dates, except the trees themselves, which have their own
reference (tests/forecast/test_forest.py).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from etapromise import PromiseModel
from etapromise.calendars.dispatch import DispatchCalendars
from etapromise.normal_forms.postcodes import postcode_forms
from tests.encoding.reference_requests import normal

EPOCH = date(1970, 1, 1)
FIELDS = ("effect", "evidence", "pace", "way_pace", "deviation")
HANDLING = ("network", "carrier", "service", "origin_region", "origin", "origin_service")
# Groups have hazards of their own above this probability only.
GROUPS_FROM = 0.7
SERVICE = ("network", "carrier", "service")


class ReferenceQuote:
    def __init__(self, model: PromiseModel, fields: Mapping[str, Any]) -> None:
        self.model = model
        fields = {**fields, **normal(fields, model.parts.encoder.numeric)}
        self.fields = {**fields, "destination_prefix": (fields.get("destination") or "")[:3]}
        self.parts = model.parts
        self.levels = {level.name: number for number, level in enumerate(self.parts.encoder.levels)}
        zone = self.zone("origin", None)
        local = fields["ordered_at"].astimezone(ZoneInfo(zone))
        self.order_day = local.date()
        self.hour = (local.hour * 3600 + local.minute * 60 + local.second) / 3600
        self.fields["hand_off_carrier"] = self.last_mile = self.brought_by()
        # Only so that the tests are quick: each is looked up once.
        self.row_of = cache(self.row_of)  # type: ignore[method-assign]
        self.open_share = cache(self.open_share)  # type: ignore[method-assign]

    def text(self, column: str) -> str:
        if column == "pickup_weekday":
            return str((self.order_day + timedelta(self.soonest_pickup())).weekday())
        value = self.fields.get(column)
        return "" if value is None else str(value)

    def zone(self, side: str, given: str | None) -> str:
        if given:
            return given
        zones = self.parts.encoder.zones.as_dict()
        country, region = self.text(f"{side}_country"), self.text(f"{side}_region")
        for its_country, its_region, name in zones["regions"]:
            if region and (its_country, its_region) == (country, region):
                return name
        code = self.text(side)
        shape = re.sub("[A-Z]", "A", re.sub("[0-9]", "9", code))
        areas = [
            (len(area), name)
            for its_country, area, name in zones["postcodes"]
            if its_country == country and code.startswith(area) and shape in postcode_forms(country)
        ]
        if areas:
            return max(areas)[1]
        if country and country in zones["countries"]:
            return zones["countries"][country]
        return zones["default"]

    def row_of(self, level: str) -> int:
        number = self.levels[level]
        columns = self.parts.encoder.levels[number].columns
        key = "\x1f".join(self.text(column) for column in columns)
        keys = self.parts.encoder.indexes[number].keys
        return keys.index(key) + 1 if key in keys else 0

    def total(self, level: str, field: str) -> float:
        start = int(self.parts.statistics.total_start[self.levels[level]])
        return float(self.parts.statistics.total[start + self.row_of(level), FIELDS.index(field)])

    def handling(self, level: str, field: str) -> float:
        start = int(self.parts.statistics.handling_start[HANDLING.index(level)])
        row = start + self.row_of(level)
        return float(self.parts.statistics.handling[row, FIELDS.index(field)])

    def brought_by(self) -> str | None:
        """Who usually takes the parcel over: by the finest key that was seen."""
        hand_offs = self.parts.encoder.hand_offs
        if hand_offs is None:
            return None
        whose = (["carrier"], ["carrier", "service"], *[["carrier", "service"]] * 3)
        where = ([], [], ["destination_region"], ["destination_prefix"], ["destination"])
        for level in (4, 3, 2, 1, 0):
            columns = [*whose[level], "destination_country", *where[level]]
            key = "\x1f".join(self.text(column) for column in columns)
            if key in hand_offs.keys[level]:
                number = int(hand_offs.last_mile[level][hand_offs.keys[level].index(key) + 1])
                return hand_offs.carriers[number - 1] if number else None
        return None

    @property
    def first_leg(self) -> list[float]:
        """P(0, 1, … working days of the own carrier before the hand-off)."""
        hand_offs = self.parts.encoder.hand_offs
        columns = ("carrier", "service", "hand_off_carrier")
        place = ("destination_country", "destination_region")
        key = "\x1f".join(self.text(column) for column in (*columns, *place))
        row = hand_offs.leg_keys.index(key) + 1 if key in hand_offs.leg_keys else 0
        return [float(share) for share in hand_offs.leg_days[row]]

    def open_share(self, day: date, *, own: bool = False) -> float:
        """How long a date is for whoever delivers, or the own carrier, in ordinary days.

        A worked day is longer by what parcels have gone on on days before that did not deliver it:
        on closed days by a share of a day, three of them at most; by all of it where only their
        place is closed.
        """
        clocks = self.parts.encoder.clocks
        week, share, _ = self.worked_share(day, own=own)
        progress = float(clocks.closed_progress[week])
        left, waits = 0.0, 1.0
        for before in range(1, 11):
            earlier = day - timedelta(before)
            if (earlier - EPOCH).days < clocks.first_day or waits == 0.0:
                break
            _, there, region = self.worked_share(earlier, own=own)
            gone = progress * (1.0 - there)
            if self.is_apart(week):
                gone = progress * (1.0 - max(there, region)) + max(region - there, 0.0)
            left += waits * gone
            waits *= 1.0 - there
        most = 3.0 * (1.0 if self.is_apart(week) else progress)
        return share * (1.0 + min(left, most))

    def worked_share(self, day: date, *, own: bool) -> tuple[int, float, float]:
        """Row of the clocks' services, and how much of an ordinary day it works on a date.

        In the destination, and in the region around it.
        """
        clocks = self.parts.encoder.clocks
        service = f"{self.text('carrier')}\x1f{self.text('service')}"
        if self.last_mile is not None and not own:
            service = f"{self.last_mile}\x1f"
        week = clocks.services.index(service) + 1 if service in clocks.services else 0
        column = (day - EPOCH).days - clocks.first_day
        shares = []
        for place in (self.own_place, self.place):
            calendar = clocks.calendars.index(place) + 1 if place in clocks.calendars else 0
            if not 0 <= column < clocks.holidays.shape[1]:
                return week, 0.0, 0.0  # beyond the calendars the clock stands still
            share = float(clocks.weeks[week, day.weekday()])
            for row in clocks.new_weeks:
                if int(row[0]) == week and (day - EPOCH).days >= row[1]:
                    share = float(row[2 + day.weekday()])
            for row in clocks.region_weeks:
                if (int(row[0]), int(row[1])) == (week, calendar):
                    share = float(row[2 + day.weekday()])
            kind = int(clocks.holidays[calendar, column])
            if kind:
                share *= float(clocks.holiday_weights[week, kind - 1])
            shares.append(share)
        return week, shares[0], shares[1]

    def is_apart(self, week: int) -> bool:
        """Whether the destination has another week of a service than its region."""
        clocks = self.parts.encoder.clocks
        own = clocks.calendars.index(self.own_place) + 1 if self.own_place != self.place else -1
        return any((int(row[0]), int(row[1])) == (week, own) for row in clocks.region_weeks)

    @property
    def place(self) -> str:
        return f"{self.text('destination_country')}\x1f{self.text('destination_region')}"

    @property
    def own_place(self) -> str:
        """The destination, where it has a week of its own; else its region."""
        own = f"{self.place}\x1f{self.text('destination')}"
        return own if own in self.parts.encoder.clocks.calendars else self.place

    def dispatched(self, day: date) -> float:
        """How much of an ordinary day the warehouse works on a date."""
        clocks, table = self.parts.encoder.clocks, self.parts.encoder.dispatch.calendars
        place = f"{self.text('origin_country')}\x1f{self.text('origin_region')}"
        calendar = clocks.calendars.index(place) + 1 if place in clocks.calendars else 0
        share = float(table.weeks[self.warehouse, day.weekday()])
        kind = int(clocks.holidays[calendar, (day - EPOCH).days - clocks.first_day])
        return share * float(table.holiday_weights[self.warehouse, kind - 1]) if kind else share

    @property
    def warehouse(self) -> int:
        """Row of the finest key that dispatch knows."""
        keys = self.parts.encoder.dispatch.keys
        origin = [self.text("origin_country"), self.text("origin")]
        service = [*origin, self.text("service")]
        place = [self.text("origin_country"), self.text("origin_region")]
        for parts in ([*service, self.text("carrier")], service, origin, place):
            key = "\x1f".join(parts)
            if key in keys:
                return keys.index(key) + 1
        return 0

    def pickups(self) -> list[tuple[int, float]]:
        """Days after the order's on which parcels are picked up, and the share of them."""
        table = self.parts.encoder.dispatch.calendars
        handling = [float(value) for value in table.handling[self.warehouse]]
        late = round(self.hour * 3600) >= int(
            table.cut_off[self.warehouse, self.order_day.weekday()]
        )
        waits = self.waits(table)
        worked, done, found = 0.0, 0.0, []
        for day in range(90):
            worked += self.dispatched(self.order_day + timedelta(day + late))
            if waits is None:
                now = _interpolated(handling, worked)
            else:
                now = min(max(worked - waits, done), 1.0)
            if now > done:
                found.append((day + late, now - done))
            done = now
        return found

    def soonest_pickup(self) -> int:
        """Days from the order's date to the first pick-up that more than a tenth have had."""
        table = self.parts.encoder.dispatch.calendars
        number = int(table.wait_row[self.warehouse])
        if number:
            soonest = int(table.soonest[number - 1][self.order_day.weekday()][int(self.waited())])
            worked = itertools.accumulate(
                self.dispatched(self.order_day + timedelta(day)) for day in range(90)
            )
            return next((day for day, sum_ in enumerate(worked) if sum_ > soonest + 0.1), 90)
        pickups = self.pickups()
        picked_up = itertools.accumulate(share for _, share in pickups)
        return next(
            day for (day, _), so_far in zip(pickups, picked_up, strict=True) if so_far > 0.1
        )

    def soonest(self) -> float:
        """Operational days from the order's date before which no date ends that it arrives on."""
        day = self.soonest_pickup()
        statistics, week = self.parts.statistics, (self.order_day + timedelta(day)).weekday()
        told = [
            float(
                statistics.shortest[int(statistics.total_start[number]) + self.row_of(level), week]
            )
            for level, number in self.levels.items()
        ]
        return self.operational_days(day + 1) + next((way for way in told[::-1] if way >= 0), 0.0)

    def dispatch_delay(self) -> float:
        """Expected operational days to the pick-up, less those without closed days or cut-off."""
        table = self.parts.encoder.dispatch.calendars
        handling = [float(value) for value in table.handling[self.warehouse]]
        readings = [share * self.reading(day) for day, share in self.pickups()]
        undelayed = math.fsum(k * (handling[k + 1] - handling[k]) for k in range(len(handling) - 1))
        return math.fsum(readings) - undelayed

    def waits(self, table: DispatchCalendars) -> float | None:
        """Working days to the pick-up, where no cut-off says it."""
        number = int(table.wait_row[self.warehouse])
        if number == 0:
            return None
        week = table.wait[number - 1][self.order_day.weekday()]
        return float(np.interp(self.waited(), np.arange(25), week))

    def waited(self) -> float:
        """The hour of the day from which an order waits: on a holiday the first."""
        table = self.parts.encoder.dispatch.calendars
        is_holiday = self.dispatched(self.order_day) == 0.0
        works = table.weeks[self.warehouse, self.order_day.weekday()] > 0
        return 0.0 if is_holiday and works else self.hour

    def reading(self, fetched: int) -> float:
        """Operational days at the start of the way with whoever delivers, as if it took no days.

        A parcel goes on from the day after: by the end of the day one working day less.
        """
        if self.last_mile is None:
            return self.operational_days(fetched + 1) - 1.0
        found = []
        for step, share in enumerate(self.first_leg):
            # Handed over on the first day by whose end the own carrier has worked `step` more days.
            day, worked = fetched, 0.0
            while worked < step - 1e-9:
                day += 1
                worked += self.open_share(self.order_day + timedelta(day), own=True)
            found.append(share * (self.operational_days(day + 1) - 1.0 - step))
        return math.fsum(found)

    def operational_days(self, days: int) -> float:
        """Operational days from the start of the order's date to that of the date `days` later."""
        return math.fsum(self.open_share(self.order_day + timedelta(k)) for k in range(days))

    def number(self, name: str) -> float:
        if name == "hour":
            return self.hour
        if name == "dispatch_delay":
            return self.dispatch_delay()
        value = self.fields.get(name)
        return math.nan if value is None else float(value)

    def present(self) -> float:
        """How much of what was so at the model's moment is still so when the order is placed."""
        statistics = self.parts.statistics
        ahead = (self.order_day - EPOCH).days - statistics.as_of_day
        between = (self.order_day - timedelta(k) for k in range(1, ahead + 1))
        since = (self.order_day + timedelta(k) for k in range(-ahead))
        passed = math.fsum(map(self.open_share, between)) - math.fsum(map(self.open_share, since))
        later = max(passed + self.dispatch_delay() - 2.0, 0.0)
        return 0.5 ** (later / statistics.settings.present_half_life)

    def offset(self) -> float:
        settings = self.parts.statistics.settings
        whole = math.exp(self.explained())
        handling = math.exp(math.fsum(self.handling(level, "effect") for level in HANDLING))
        handling = max(handling, settings.offset)
        way = max(whole - handling, 0.0) + settings.offset
        usual = way + handling - settings.offset
        slower = {
            "handling": self.handling("network", "pace") + self.handling("origin", "pace"),
            "way": self.total("network", "way_pace") + self.total("service", "way_pace"),
        }
        times = {part: math.exp(self.present() * slower[part]) for part in slower}
        now = way * times["way"] + handling * times["handling"] - settings.offset
        pace = math.log(max(now, 0.1 * settings.offset) / usual)
        return self.present() * self.parts.surge + self.explained() + pace

    def explained(self) -> float:
        return math.fsum(self.total(level, "effect") for level in self.levels)

    def derived(self, name: str) -> float:
        if name == "distance_km":
            return self.distance()
        if name == "weekday":
            return float(self.order_day.weekday())
        if name == "explained":
            usual = [self.total(level, "effect") for level in SERVICE]
            return self.explained() - math.fsum(usual)
        if name in {"next_day", "second_day"}:
            worked = [
                day
                for day in range(1, 15)
                if self.operational_days(day + 1) - self.operational_days(day) > 0.5
            ]
            wanted = 0 if name == "next_day" else 1
            return float(worked[wanted] if len(worked) > wanted else 14)
        assert name == "quoted"
        quoted = self.fields.get("quoted_date")
        if quoted is None:
            return math.nan
        days = max(
            self.operational_days((quoted - self.order_day).days) - self.dispatch_delay(), 0.0
        )
        return math.log(days + self.parts.statistics.settings.offset) - self.explained()

    def distance(self) -> float:
        """Great-circle distance by the angle between two unit vectors."""
        ends = []
        for side in ("origin", "destination"):
            lat, lon = (math.radians(self.number(f"{side}_{axis}")) for axis in ("lat", "lon"))
            ends.append(
                np.array(
                    [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]
                )
            )
        cross, dot = np.linalg.norm(np.cross(*ends)), float(np.dot(*ends))
        return 6371.0088 * math.atan2(cross, dot)

    def feature(self, name: str) -> float:
        kind, _, what = name.partition(":")
        if kind == "number":
            return self.number(what)
        if kind == "derived":
            return self.derived(what)
        level, _, field = what.rpartition(".")
        value = (self.total if kind == "total" else self.handling)(level, field)
        return value * self.present() if field in {"pace", "way_pace"} else value

    def features(self) -> np.ndarray:
        return np.array([self.feature(name) for name in self.parts.contract.names], np.float32)

    def widening(self) -> float:
        """New keys of some levels are as far from the whole as known ones are from each other."""
        unknown = 0.0
        statistics = self.parts.statistics
        for level in ("carrier", "service", "destination_region"):
            start = int(statistics.total_start[self.levels[level]])
            size = len(self.parts.encoder.indexes[self.levels[level]])
            rows = statistics.total[start + 1 : start + size].astype(float)
            belief = [row[1] / (row[1] + 10.0) for row in rows]
            if sum(belief) <= 1.0:
                continue
            mean = sum(b * row[0] for b, row in zip(belief, rows, strict=True)) / sum(belief)
            between = sum(
                b * (row[0] - mean) ** 2 for b, row in zip(belief, rows, strict=True)
            ) / sum(belief)
            unknown += between * 10.0 / (self.total(level, "evidence") + 10.0)
        within = self.total("network", "deviation") ** 2
        return math.sqrt(1 + unknown / within) if within > 0 else 1.0

    def quantile_days(self) -> list[float]:
        quantiles = self.parts.forest.predict(self.features()[None, :])[0]
        levels = self.parts.forest.levels
        middle = quantiles[min(range(len(levels)), key=lambda k: abs(levels[k] - 0.5))]
        days: list[float] = []
        for quantile in quantiles:
            log_days = middle + (quantile - middle) * self.widening() + self.offset()
            day = math.exp(log_days) - self.parts.statistics.settings.offset
            last = days[-1] if days else 1e-6
            days.append(day if day > last else last + 1e-6)
        return days

    def calibrated(self, u: float) -> float:
        calibration = self.parts.calibration
        recent, settled = (
            float(np.interp(u, calibration.knot, kept))
            for kept in (calibration.kept, calibration.settled)
        )
        return self.present() * recent + (1.0 - self.present()) * settled

    def hazard(self) -> float:
        starts = self.parts.statistics.total_start
        return math.exp(
            self.present()
            * math.fsum(
                float(self.parts.calibration.log_hazard[int(starts[number]) + self.row_of(level)])
                for level, number in self.levels.items()
            )
        )

    def probabilities(self) -> np.ndarray:
        """P(arrived by the end of the order's date + k), k = 0 … horizon - 1."""
        days, levels = self.quantile_days(), [float(level) for level in self.parts.forest.levels]
        dispatch_delay = self.dispatch_delay()
        hazard = self.hazard()
        lost = float(self.parts.statistics.lost[self.row_of("service")])
        soonest = min(self.soonest(), self.operational_days(self.parts.horizon))
        out = []
        for k in range(self.parts.horizon):
            worked = self.operational_days(k + 1)
            open_ = worked > 0 and worked > soonest - 1e-6
            u = raw_probability(days, levels, worked - dispatch_delay) if open_ else 0.0
            stated = self.calibrated(u)
            if stated > GROUPS_FROM:
                late = (1.0 - stated) / (1.0 - GROUPS_FROM)
                stated = 1.0 - (1.0 - GROUPS_FROM) * late**hazard
            out.append((1.0 - lost) * stated)
        return np.array(out)


def raw_probability(days: list[float], levels: list[float], x: float) -> float:
    """What quantiles say of P(duration <= x): a cubic start, straight lines, an exponential end."""
    if x <= 0:
        return 0.0
    if x <= days[0]:
        return levels[0] * (x / days[0]) ** 3
    if x <= days[-1]:
        return float(np.interp(x, days, levels))
    back = max(len(days) - 4, 0)
    fall = math.log((1 - levels[back]) / (1 - levels[-1]))
    tail = max((days[-1] - days[back]) / fall, 0.05) if fall > 0 else 0.05
    return 1 - (1 - levels[-1]) * math.exp(-(x - days[-1]) / tail)


def _interpolated(cumulative: list[float], worked: float) -> float:
    if worked >= len(cumulative) - 1:
        return 1.0
    low = int(worked)
    return cumulative[low] + (worked - low) * (cumulative[low + 1] - cumulative[low])
