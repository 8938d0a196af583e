"""A shop in the United States whose history begins in March, forecast from October to January.

Hidden: two houses that pick first come, first served, and fall behind for days after the Friday and
Monday of Thanksgiving; three carriers of which one rests on every federal holiday, one brings on
Sundays, and all lose days while the country orders most; storms that stop a part of the country, of
which the history has seen hardly any. Customers order, and days end, in four zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from other_networks.worlds import (
    AHEAD,
    DRAWS,
    Floats,
    Ints,
    Mask,
    Random,
    Workdays,
    World,
    dates_in,
    drawn,
    scans_of,
    spells,
    utc,
    wander,
    weekdays,
)

FIRST, JUDGED = date(2024, 3, 4), (date(2024, 10, 1), date(2025, 1, 31))
LAST = (JUDGED[1] - FIRST).days
DAYS = LAST + AHEAD
A_DAY = 90
LOST = 0.004
MAJOR = dates_in("2024-05-27 2024-07-04 2024-09-02 2024-11-28 2024-12-25 2025-01-01")
FEDERAL = [*MAJOR, *dates_in("2024-06-19 2024-10-14 2024-11-11 2025-01-20 2025-02-17")]
POST, BROWN, HOME = 0, 1, 2
CARRIERS = np.array(["Postal Service", "Brown", "Home Ground"])
HOUSES = (("43217", "OH", "America/New_York"), ("89502", "NV", "America/Los_Angeles"))
PICKS = np.array([108.0, 70.0])  # orders a working day
EAST, MIDDLE, MOUNTAIN, WEST = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
)  # fmt: skip
BEHIND = {EAST: 0, MIDDLE: 1, MOUNTAIN: 2, WEST: 3}  # hours
# State: ZIP codes' first digits, millions, zone, nights from the two houses, part of the country.
STATES = {
    "NY": ("100 112", 19, EAST, 2, 5, 0), "MA": ("021", 7, EAST, 2, 5, 0),
    "PA": ("191 152", 13, EAST, 1, 5, 0), "OH": ("432 441", 12, EAST, 1, 4, 2),
    "MI": ("482", 10, EAST, 1, 4, 2), "NC": ("282", 11, EAST, 2, 5, 1),
    "GA": ("303", 11, EAST, 2, 4, 1), "FL": ("331 328", 22, EAST, 3, 5, 1),
    "IL": ("606", 13, MIDDLE, 1, 4, 2), "MN": ("554", 6, MIDDLE, 2, 3, 2),
    "TN": ("372", 7, MIDDLE, 1, 4, 1), "TX": ("750 770", 30, MIDDLE, 3, 3, 3),
    "LA": ("701", 5, MIDDLE, 2, 4, 3), "CO": ("802", 6, MOUNTAIN, 3, 2, 4),
    "NM": ("871", 2, MOUNTAIN, 4, 2, 4), "UT": ("841", 3, MOUNTAIN, 4, 1, 4),
    "AZ": ("850", 7, MOUNTAIN, 4, 2, 4), "CA": ("900 941", 39, WEST, 5, 1, 5),
    "WA": ("981", 8, WEST, 5, 2, 5), "OR": ("972", 4, WEST, 5, 2, 5),
}  # fmt: skip
NAMES = list(STATES)
ZONES = np.array([STATES[name][2] for name in NAMES])
NIGHTS = np.array([[STATES[name][at] for name in NAMES] for at in (3, 4)])
PART = np.array([STATES[name][5] for name in NAMES])

# What the shop knows of its own hours, and of its carriers' weeks.
CALENDARS = """
[[warehouses]]
works = "Mon-Fri"
works_on_holidays = true
cutoffs = ["15:00 -> same day"]
extra_days = ["2024-11-23", "2024-11-30", "2024-12-07", "2024-12-14", "2024-12-21"]
[[closures]]
days = ["2024-05-27", "2024-07-04", "2024-09-02", "2024-11-28", "2024-12-25", "2025-01-01"]
[[carriers]]
carrier = "Postal Service"
delivers = "Mon-Sat"
[[carriers]]
carrier = "Brown"
delivers = "Mon-Sat"
extra_days = ["2024-06-19", "2024-10-14", "2024-11-11", "2025-01-20"]
[[carriers]]
carrier = "Home Ground"
delivers = "Mon-Sun"
extra_days = ["2024-06-19", "2024-10-14", "2024-11-11", "2025-01-20"]
"""


def since(day: str) -> int:
    """Days from the first."""
    return (date.fromisoformat(day) - FIRST).days


def along(*points: tuple[str, float]) -> Floats:
    """(days,) a line through points."""
    return np.interp(np.arange(DAYS), [since(day) for day, _ in points], [at for _, at in points])


# How much is ordered, and how full the country's carriers are.
ORDERED = along(
    ("2024-10-20", 1.0), ("2024-11-20", 1.25), ("2024-11-28", 1.6), ("2024-11-29", 3.4),
    ("2024-11-30", 2.0), ("2024-12-02", 3.4), ("2024-12-04", 1.7), ("2024-12-16", 1.8),
    ("2024-12-21", 1.0), ("2024-12-24", 0.5), ("2024-12-27", 0.8), ("2025-01-10", 0.85),
)  # fmt: skip
FULL = along(
    ("2024-11-15", 0.0), ("2024-12-03", 1.7), ("2024-12-12", 1.2), ("2024-12-19", 2.0),
    ("2024-12-26", 1.2), ("2025-01-08", 0.0),
)  # fmt: skip
BUSY = (np.arange(DAYS) >= since("2024-11-23")) & (np.arange(DAYS) <= since("2024-12-21"))
STORMY = np.where(along(("2024-03-20", 0.0), ("2024-11-20", 0.0), ("2024-12-10", 1.0)), 0.022, 0)
STORMS_STAY = 0.5


def works(wanted: str, rests: list[date]) -> Mask:
    """(days,) on which someone works, of some weekdays."""
    return weekdays(FIRST, DAYS, [int(day) for day in wanted], rests)


PICKING = works("01234", MAJOR) | (works("5", MAJOR) & BUSY)
WEEK, DAILY = "012345", "0123456"
FETCHED = Workdays(
    np.array([PICKING & works(WEEK, FEDERAL), PICKING & works("01234", MAJOR), PICKING])
)
RUNS = Workdays(np.array([works(DAILY, FEDERAL), works("12345", MAJOR), works(DAILY, MAJOR)]))
# Rows: carrier, country or town.
VANS = Workdays(
    np.array([
        works(WEEK, FEDERAL), works(WEEK, FEDERAL), works("01234", MAJOR), works(WEEK, MAJOR),
        works("12345", MAJOR), works(DAILY, MAJOR),
    ])
)  # fmt: skip


@dataclass
class State:
    """(paths, days, ...): pace of each house, slowness of each carrier, parts in snow."""

    picks: Floats
    slow: Floats
    storm: Mask


def state(random: Random, paths: int, day: int, was: State | None = None) -> State:
    """From a day on: what it was on that day it still is, or, where that is not told, any."""
    span = DAYS - day
    if was is not None:
        picks, slow, storm = (
            np.repeat(one[:, day], paths, axis=0) for one in (was.picks, was.slow, was.storm)
        )
    else:
        on = STORMY[day] / (STORMY[day] + 1 - STORMS_STAY)
        picks, slow = random.normal(0, 0.12, (paths, 2)), random.normal(0, 0.6, (paths, 3))
        storm = random.random((paths, 6)) < on
    return State(
        wander(random, picks, span, 0.8, 0.07),
        wander(random, slow, span, 0.93, 0.22),
        spells(random, storm, span, STORMY[day:], STORMS_STAY),
    )


def carry(orders: dict[str, Ints], of: State, today: int, random: Random) -> dict[str, Floats]:
    """What happens when to (n,) orders of a day on each path of the state, (n, paths)."""
    shape = (len(orders["day"]), len(of.picks))
    path = np.arange(shape[1])
    o = {name: np.broadcast_to(value[:, None], shape) for name, value in orders.items()}
    brown, ground = o["carrier"] == BROWN, o["air"] == 0

    # Picked when all that were ordered before are.
    weeks = PICKING[today : today + 40] * np.where(BUSY[today : today + 40], 1.45, 1.0)
    picks = np.cumsum(PICKS * np.exp(of.picks[:, :40]) * weeks[:, None], axis=1)
    wait = np.stack([
        (picks[:, :, house] < ahead).sum(axis=1)
        for house, ahead in zip(orders["house"], orders["ahead"] + 1, strict=True)
    ])  # fmt: skip
    late = (o["hour"] >= 15.0) & PICKING[today]
    fetched = FETCHED.after(o["carrier"], today + np.maximum(wait, late))

    # Night by night; any of them can be lost.
    full = np.array([1.0, 0.8, 1.1])[o["carrier"]]
    far = NIGHTS[o["house"], o["state"]]
    nights = np.where(ground, far, 1 + (far > 2))
    there = fetched
    for night in range(NIGHTS.max()):
        on = RUNS.after(o["carrier"], there + 1)
        slow = full * FULL[on] + of.slow[path, on - today, o["carrier"]] - 2.5 - 1.3 * ~ground
        lost = random.random(shape) < 1 / (1 + np.exp(-slow))
        on = RUNS.after(o["carrier"], on, lost * random.geometric(0.7, shape))
        there = np.where(night < nights, on, there)

    # On a van, which is full before the holidays; snow stops it.
    row = o["carrier"] * 2 + o["town"]
    van = VANS.after(row, there)
    left = random.random(shape) < 0.06 + 0.10 * FULL[van] * full * ground
    van = np.where(left, VANS.after(row, van + 1), van)
    for _ in range(6):
        van = np.where(of.storm[path, van - today, PART[o["state"]]], VANS.after(row, van + 1), van)
    missed = brown & (random.random(shape) < 0.03)
    hour = random.uniform(9.5, 20, shape) / 24
    return {
        "picked_up": fetched + 17.5 / 24,
        "arrived": np.where(ground, there + 5.0 / 24, np.nan),
        "out_for_delivery": van + 8.2 / 24,
        "attempted": np.where(missed, van + hour, np.nan),
        "delivered": np.where(missed, VANS.after(row, van + 1), van) + hour,
    }


def book(random: Random) -> dict[str, Ints]:
    """The orders, as their house sees them: its day and hour, and by the order of time."""
    day = np.arange(LAST + 1)
    weekly = np.array([1.2, 1.1, 1.0, 0.95, 0.9, 0.85, 1.0])[(day + FIRST.weekday()) % 7]
    day = np.repeat(day, random.poisson(A_DAY * weekly * ORDERED[: LAST + 1]))
    count = len(day)
    people = np.array([STATES[name][1] for name in NAMES], float)
    where = random.choice(len(NAMES), count, p=people / people.sum())
    near = (NIGHTS[1, where] < NIGHTS[0, where]).astype(int)
    house = np.where(random.random(count) < 0.1, 1 - near, near)
    behind = np.array([BEHIND[zone] for zone in ZONES])[where]
    local = day + np.clip(random.normal(14.5, 4.5, count) % 24, 0, 23.99) / 24
    seen = local + (behind - np.where(house == 1, 3, 0)) / 24
    order = np.argsort(seen)
    carrier = random.choice(3, count, p=[0.35, 0.35, 0.30])
    air = (carrier == BROWN) & (random.random(count) < 0.3)
    made = {
        "day": np.floor(seen).astype(int), "hour": seen % 1 * 24, "local": local, "state": where,
        "house": house, "carrier": carrier, "air": air.astype(int),
        "place": random.integers(0, 25, count),
    }  # fmt: skip
    made = {name: value[order] for name, value in made.items()}
    return {name: value[made["day"] >= 0] for name, value in made.items()}


def lived(orders: dict[str, Ints], was: State, random: Random) -> dict[str, Floats]:
    """What happened, day by day: how many were ahead of an order is told by what was picked."""
    orders["ahead"] = np.zeros(len(orders["day"]), int)
    backlog, parts = np.zeros(2), []
    for day in range(LAST + 1):
        rows = np.flatnonzero(orders["day"] == day)
        for house in (0, 1):
            at = rows[orders["house"][rows] == house]
            orders["ahead"][at] = backlog[house] + np.arange(len(at))
            done = PICKS[house] * np.exp(was.picks[0, day, house]) * PICKING[day]
            backlog[house] = max(0.0, backlog[house] + len(at) - done * (1.45 if BUSY[day] else 1))
        rest = State(was.picks[:, day:], was.slow[:, day:], was.storm[:, day:])
        asked = {name: value[rows] for name, value in orders.items()}
        parts.append(carry(asked, rest, day, random))
    return {name: np.concatenate([part[name][:, 0] for part in parts]) for name in parts[0]}


def make(seed: int) -> World:
    """The world of a seed."""
    random = np.random.default_rng([seed, 12])
    orders = book(random)
    town = random.random((len(NAMES), 25)) < 0.6
    orders["town"] = town[orders["state"], orders["place"]].astype(int)
    was = state(random, 1, 0)
    real = lived(orders, was, random)
    where, house, count = orders["state"], orders["house"], len(orders["day"])
    real["delivered"][random.random(count) < LOST] = np.nan
    ids = np.array([f"US{row:06d}" for row in range(count)])
    heads = [STATES[name][0].split() for name in NAMES]
    zones, homes = ZONES[where], np.array([one[2] for one in HOUSES])[house]
    shipments = pd.DataFrame({
        "shipment_id": ids,
        "ordered_at": utc(FIRST, orders["local"], zones),
        "origin": np.array([one[0] for one in HOUSES])[house],
        "origin_country": "US",
        "origin_region": np.array([one[1] for one in HOUSES])[house],
        "destination": [
            f"{heads[a][b % len(heads[a])]}{b * 3:02d}"
            for a, b in zip(where, orders["place"], strict=True)
        ],
        "destination_country": "US",
        "destination_region": np.array(NAMES)[where],
        "destination_time_zone": zones,
        "carrier": CARRIERS[orders["carrier"]],
        "service": np.where(orders["air"] == 1, "two-day", "ground"),
    })  # fmt: skip
    events = [(name, day, homes if name == "picked_up" else zones) for name, day in real.items()]

    def draw(rows: Ints, day: int, again: Random, *, knows: bool) -> Floats:
        known = state(again, DRAWS, day, was if knows else None)
        asked = {name: value[rows] for name, value in orders.items()}
        return carry(asked, known, day, again)["delivered"]

    return World(
        name="us_peak",
        shipments=shipments,
        scans=scans_of(FIRST, ids, events),
        first=FIRST,
        zone="America/New_York",
        judged=JUDGED,
        days=drawn(orders["day"], draw),
        arrives=np.full(count, 1 - LOST),
        calendars=CALENDARS,
        holidays=sorted(FEDERAL),
    )
