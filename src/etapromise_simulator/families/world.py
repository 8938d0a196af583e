"""A network of a family: its tables, and the exact truth behind them.

Parcels are drawn from the very probabilities that the truth is computed from. From the day of the
truck on a journey is a Markov chain on days: a stage is a matrix `kernel[day, days more]`, and the
truth of a lane the product of its stages. The day of the truck follows from the hour of the order
in closed form. Nothing is estimated. The truth knows slow spells before they come, as no forecast
can.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from etapromise_simulator.families.description import Carrier, Family, Stage, weekdays

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REACH: Final = 70  # days that a stage, and a journey after its truck, can take
DAYS_AFTER: Final = 2 * REACH
TRUCK_DAYS: Final = 14
DAY: Final = 86_400
MEMORY_DAYS: Final = 25.0  # of a slow wobble
WEEKDAY_DEMAND: Final = np.array([1.15, 1.05, 1.0, 1.0, 0.95, 0.8, 1.05])
HOUR_DEMAND: Final = np.array(
    [2, 1, 1, 1, 1, 2, 3, 4, 6, 7, 8, 8, 8, 7, 7, 7, 7, 7, 8, 9, 9, 8, 6, 4], np.float64
)


@dataclass(frozen=True)
class _Lane:
    """What parcels of one lane have in common."""

    carrier: int
    service: str
    warehouse: int
    region: int


class World:
    """One network.

    Args:
        family: Its build.
        seed: Which of the family; each has paces, distances and luck of its own.

    Attributes:
        shipments: Contract table, by time of order.
        scans: Contract table.
    """

    def __init__(self, family: Family, seed: int = 0) -> None:
        self.family = family
        self._first = np.datetime64(family.start, "D")
        self._count = family.days + DAYS_AFTER
        # A hash of str differs from run to run.
        self._rng = np.random.default_rng([zlib.crc32(family.name.encode()), seed])
        shape = (len(family.warehouses), family.regions)
        self._far = self._rng.integers(0, family.far + 1, shape)
        self._lane_pace = np.exp(family.uneven * self._rng.standard_normal(shape))
        self._weekday = (np.arange(self._count) + family.start.weekday()) % 7
        dates = self._first + np.arange(self._count)
        self._open = ~np.isin(dates, np.array(family.closed, "datetime64[D]"))
        self._demand = self._draw_demand()
        self._queue = self._queues()
        self._pace = self._draw_paces()
        self.shipments, self.scans = self._draw_parcels()

    def true_distribution(self, shipments: pd.DataFrame, horizon: int = 60) -> Floats:
        """P(delivered by the end of the local date of the order + k), shape (n, horizon).

        Args:
            shipments: Rows of the contract, of any orders within the dates of this network.
            horizon: Number of days; the last column falls short of 1 by what is lost, and later.
        """
        local = _local(shipments["ordered_at"], self.family.zone)
        day, second = self._day_and_second(local)
        lanes, which = self._lanes(shipments)
        truth = np.zeros((len(shipments), horizon))
        for number, lane in enumerate(lanes):
            rows = np.flatnonzero(which == number)
            journey = _through(self._stages(lane))
            truck, chance = self._trucks(lane.warehouse, day[rows], second[rows])
            until = day[rows, None] + np.arange(horizon)
            for one in range(truck.shape[1]):
                more = until - truck[:, one, None]
                by = np.cumsum(journey[truck[:, one]], axis=1)
                told = np.take_along_axis(by, np.clip(more, 0, REACH - 1), axis=1)
                truth[rows] += chance[:, one, None] * np.where(more < 0, 0.0, told)
            truth[rows] *= 1.0 - self.family.carriers[lane.carrier].lost
        return truth

    def true_pickup(self, shipments: pd.DataFrame, days: int = TRUCK_DAYS) -> Floats:
        """P(picked up by the end of the local date of the order + k), shape (n, days)."""
        day, second = self._day_and_second(_local(shipments["ordered_at"], self.family.zone))
        lanes, which = self._lanes(shipments)
        truth = np.zeros((len(shipments), days))
        for number, lane in enumerate(lanes):
            rows = np.flatnonzero(which == number)
            truck, chance = self._trucks(lane.warehouse, day[rows], second[rows])
            there = truck[:, None, :] <= day[rows, None, None] + np.arange(days)[:, None]
            truth[rows] = (there * chance[:, None, :]).sum(axis=2)
        return truth

    def _draw_demand(self) -> Floats:
        """(days,) orders to be expected."""
        demand = WEEKDAY_DEMAND[self._weekday] * np.exp(
            0.12 * self._rng.standard_normal(self._count)
        )
        for campaign in self.family.campaigns:
            demand[self._between(campaign.start, campaign.end)] *= campaign.times
        return np.asarray(demand, dtype=np.float64)

    def _queues(self) -> Floats:
        """(days,) usual days' orders that wait as a day begins."""
        queue = np.zeros(self._count)
        for day in range(1, self._count):
            waiting = queue[day - 1] + self._demand[day - 1] - self.family.capacity
            queue[day] = max(0.0, waiting)
        return queue

    def _draw_paces(self) -> Floats:
        """(carriers, regions, days) pace; 1 is usual."""
        family = self.family
        own = np.stack([one.wobble * self._wobble() for one in family.carriers])
        there = np.stack([0.06 * self._wobble() for _ in range(family.regions)])
        pace: Floats = np.exp(own[:, None, :] + there[None])
        names = [one.name for one in family.carriers]
        for spell in family.spells:
            whose = np.array([spell.carrier in ("", name) for name in names])
            where = np.array([spell.region in (None, region) for region in range(family.regions)])
            days = self._between(spell.start, spell.end)
            pace[whose[:, None, None] & where[:, None] & days] *= spell.pace
        return pace

    def _wobble(self) -> Floats:
        """(days,) a slow random walk that comes back to 0, of variance 1."""
        keeps = float(np.exp(-1.0 / MEMORY_DAYS))
        steps = self._rng.standard_normal(self._count) * np.sqrt(1.0 - keeps**2)
        steps[0] = self._rng.standard_normal()
        for day in range(1, self._count):
            steps[day] += keeps * steps[day - 1]
        return np.asarray(steps, dtype=np.float64)

    def _between(self, start: Any, end: Any) -> NDArray[np.bool_]:
        days = self._first + np.arange(self._count)
        return np.asarray((days >= np.datetime64(start, "D")) & (days < np.datetime64(end, "D")))

    def _works(self, carrier: Carrier, stage: Stage, region: int) -> NDArray[np.bool_]:
        """(days,) whether a stage works."""
        if stage.week:
            several = (stage.week,) if isinstance(stage.week, str) else stage.week
            return np.asarray(weekdays(several[region % len(several)]))[self._weekday]
        works = np.asarray(weekdays(carrier.week))[self._weekday]
        for start, week in carrier.weeks_from:
            since = self._first + np.arange(self._count) >= np.datetime64(start, "D")
            works = np.where(since, np.asarray(weekdays(week))[self._weekday], works)
        return works & self._open

    def _stages(self, lane: _Lane) -> list[Floats]:
        """The (days, REACH) kernel of each stage of a lane."""
        carrier = self.family.carriers[lane.carrier]
        pace = self._pace[lane.carrier, lane.region]
        kernels = []
        for stage in carrier.services[lane.service]:
            far = int(self._far[lane.warehouse, lane.region]) if stage.distance else 0
            own = self._lane_pace[lane.warehouse, lane.region] if stage.distance else 1.0
            works = self._works(carrier, stage, lane.region)
            goes = np.where(works, 1.0 - (1.0 - stage.daily) ** (pace * own), 0.0)
            kernels.append(_kernel(goes, works, stage.minimum + far))
        return kernels

    @cached_property
    def _departures(self) -> list[Integers]:
        """Of each warehouse, the seconds since midnight of the first date at which trucks leave."""
        found = []
        for warehouse in self.family.warehouses:
            works = np.asarray(weekdays(warehouse.week))[self._weekday]
            days = np.flatnonzero(works & self._open)
            seconds = np.round(np.array(sorted(warehouse.trucks)) * 3600.0).astype(np.int64)
            found.append((days[:, None] * DAY + seconds).ravel())
        return found

    def _leaving(self, warehouse: int, day: Integers, second: Integers) -> tuple[Integers, Floats]:
        """Seconds at which the next trucks leave, how likely each takes a parcel, (n, t)."""
        place, leaves = self.family.warehouses[warehouse], self._departures[warehouse]
        night = 0.5 + 0.5 * np.cos(2 * np.pi * second / DAY)
        hours = place.hours * (1 + (place.night - 1) * night) * (1 + place.load * self._queue[day])
        ordered = day * DAY + second
        first = np.searchsorted(leaves, ordered)
        next_ones = leaves[first[:, None] + np.arange(TRUCK_DAYS * len(place.trucks))]
        waited = np.maximum((next_ones - ordered[:, None]) / 3600.0, 1e-9)
        ready = ndtr(np.log(waited / hours[:, None]) / place.spread)
        ready[:, -1] = 1.0
        return next_ones, np.diff(ready, axis=1, prepend=0.0)

    def _trucks(self, warehouse: int, day: Integers, second: Integers) -> tuple[Integers, Floats]:
        """The days on which trucks can take parcels, and how likely each is, (n, d)."""
        leaves, chance = self._leaving(warehouse, day, second)
        days = len(self.family.warehouses[warehouse].trucks)
        # The first day may have fewer trucks left than the others, and so may the last.
        at = leaves // DAY
        number = (np.diff(at, axis=1, prepend=at[:, :1]) > 0).cumsum(axis=1)
        count = leaves.shape[1] // days + 1
        on, of = np.zeros((len(day), count)), np.zeros((len(day), count), np.int64)
        rows = np.arange(len(day))[:, None]
        np.add.at(on, (rows, number), chance)
        of[rows, number] = at
        return of, on

    def _day_and_second(self, local: pd.Series[Any]) -> tuple[Integers, Integers]:
        naive = local.to_numpy().astype("datetime64[s]")
        seconds = (naive - self._first.astype("datetime64[s]")).astype(np.int64)
        return seconds // DAY, seconds % DAY

    def _lanes(self, shipments: pd.DataFrame) -> tuple[list[_Lane], Integers]:
        """The lanes of shipments, and which of them each is on."""
        names = [carrier.name for carrier in self.family.carriers]
        places = [place.name for place in self.family.warehouses]
        key = ["carrier", "service", "origin", "destination_region"]
        which, found = pd.MultiIndex.from_frame(shipments[key].astype(str)).factorize()
        lanes = [
            _Lane(names.index(carrier), service, places.index(origin), int(region[1:]))
            for carrier, service, origin, region in found
        ]
        return lanes, which.astype(np.int64)

    def _draw_parcels(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        shipments = self._draw_orders()
        local = _local(shipments["ordered_at"], self.family.zone)
        day, second = self._day_and_second(local)
        lanes, which = self._lanes(shipments)
        parts = []
        for number, lane in enumerate(lanes):
            rows = np.flatnonzero(which == number)
            parts.append(self._draw_scans(lane, rows, day[rows], second[rows]))
        scans = pd.concat(parts, ignore_index=True)
        scans["shipment_id"] = shipments["shipment_id"].to_numpy()[scans.pop("row")]
        # Of an hour that is there twice, the first.
        first = np.ones(len(scans), np.bool_)
        scans["scanned_at"] = _utc(scans.pop("local"), self.family.zone, first)
        delay = pd.to_timedelta(self._rng.exponential(40.0, len(scans)) + 1.0, unit="min")
        scans["received_at"] = scans["scanned_at"] + delay.round("s")
        return shipments, scans.sort_values(["received_at", "shipment_id"], ignore_index=True)

    def _draw_orders(self) -> pd.DataFrame:
        family, rng = self.family, self._rng
        counts = rng.poisson(family.orders_per_day * self._demand[: family.days])
        n = int(counts.sum())
        hour = rng.choice(24, n, p=HOUR_DEMAND / HOUR_DEMAND.sum())
        day = np.repeat(np.arange(family.days), counts)
        second = np.sort(day * DAY + hour * 3600 + rng.integers(0, 3600, n))
        local = pd.Series(self._first.astype("datetime64[s]") + second)
        share = np.array([carrier.share for carrier in family.carriers])
        carrier = rng.choice(len(share), n, p=share / share.sum())
        region = rng.choice(family.regions, n, p=_zipf(family.regions))
        origin = np.array([place.name for place in family.warehouses])
        return pd.DataFrame(
            {
                "shipment_id": [f"F{number:07d}" for number in range(n)],
                "ordered_at": _utc(local, family.zone, rng.random(n) < 0.5),
                "origin": origin[rng.integers(0, len(origin), n)],
                "destination": [
                    f"{there:02d}{area:03d}"
                    for there, area in zip(
                        region, rng.choice(family.areas, n, p=_zipf(family.areas)), strict=True
                    )
                ],
                "carrier": [family.carriers[number].name for number in carrier],
                "service": [self._draw_service(number) for number in carrier],
                "destination_region": [f"R{number}" for number in region],
                "origin_country": family.country,
                "destination_country": family.country,
                "destination_time_zone": family.zone,
            }
        )

    def _draw_service(self, carrier: int) -> str:
        names = list(self.family.carriers[carrier].services)
        share = np.array([self.family.service_shares.get(name, 1.0) for name in names])
        return str(names[int(self._rng.choice(len(names), p=share / share.sum()))])

    def _draw_scans(
        self, lane: _Lane, rows: Integers, day: Integers, second: Integers
    ) -> pd.DataFrame:
        """Scans of the parcels of one lane: row, local time, status."""
        rng, carrier = self._rng, self.family.carriers[lane.carrier]
        leaves, chance = self._leaving(lane.warehouse, day, second)
        taken = (rng.random(len(rows))[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
        moment = leaves[np.arange(len(rows)), np.minimum(taken, leaves.shape[1] - 1)]
        at, told = moment // DAY, [(rows, moment, "picked_up")]
        lost = rng.random(len(rows)) < carrier.lost
        stages = carrier.services[lane.service]
        stops = np.where(lost, rng.integers(0, len(stages), len(rows)), len(stages))
        for number, (stage, kernel) in enumerate(zip(stages, self._stages(lane), strict=True)):
            more = (rng.random(len(rows))[:, None] > np.cumsum(kernel[at], axis=1)).sum(axis=1)
            at = at + np.minimum(more, REACH - 1)
            last = number == len(stages) - 1
            hour = 9.0 + 10.0 * rng.random(len(rows)) if last else 1.0 + 2.0 * number
            moment = at * DAY + np.round(np.asarray(hour) * 3600.0).astype(np.int64)
            here = stops > number
            told.append((rows[here], np.broadcast_to(moment, len(rows))[here], stage.status))
            if last:
                told[-1] = (*told[-1][:2], "delivered")
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "row": who,
                        "local": self._first.astype("datetime64[s]") + when,
                        "status": status,
                    }
                )
                for who, when, status in told
            ]
        )

    @property
    def extract_ends(self) -> pd.Timestamp:
        """A moment by which every parcel that arrives has arrived."""
        return pd.Timestamp(self.family.end + timedelta(days=REACH), tz=self.family.zone)


def _kernel(goes: Floats, works: NDArray[np.bool_], minimum: int) -> Floats:
    """(days, REACH) P(a parcel that comes on a day goes on k days later).

    Args:
        goes: (days,) probability to go on, 0 where nothing works.
        works: (days,) whether it is a working day.
        minimum: Working days after the day it came before it can.
    """
    count = len(goes)
    later = np.minimum(np.arange(count)[:, None] + np.arange(REACH), count - 1)
    passed = np.cumsum(works)
    since = passed[later] - passed[:, None]
    may = np.where(since >= minimum, goes[later], 0.0)
    stays = np.cumprod(1.0 - may, axis=1)
    kernel = may * np.concatenate([np.ones((count, 1)), stays[:, :-1]], axis=1)
    kernel[:, -1] += 1.0 - kernel.sum(axis=1)
    return np.asarray(kernel)


def _through(kernels: list[Floats]) -> Floats:
    """(days, REACH) of stages in a row, cut off at REACH."""
    total = kernels[0]
    for kernel in kernels[1:]:
        count = len(total)
        joined = np.zeros_like(total)
        for more in range(REACH):
            start = np.minimum(np.arange(count) + more, count - 1)
            joined[:, more:] += total[:, more, None] * kernel[start, : REACH - more]
        total = joined
    return total


def _zipf(count: int) -> Floats:
    weight = 1.0 / np.sqrt(np.arange(1, count + 1))
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def _local(at: pd.Series[Any], zone: str) -> pd.Series[Any]:
    local: pd.Series[Any] = at.dt.tz_convert(zone).dt.tz_localize(None)
    return local


def _utc(local: pd.Series[Any], zone: str, first: NDArray[np.bool_]) -> pd.Series[Any]:
    """First of an hour that is there twice or second; one that is not there is shifted."""
    aware = local.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    at: pd.Series[Any] = aware.dt.tz_convert("UTC")
    return at
