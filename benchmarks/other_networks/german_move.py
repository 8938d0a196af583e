"""A German and Austrian shop whose warehouse moves in the test months, to other hours.

Hidden: the new house needs weeks to find its pace; one carrier has tours to villages every other
weekday only; parcels that nobody takes wait in a shop until they are fetched; depots of a Land stop
for a day or two when they are called to strike; some Laender rest on days when others work.
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

FIRST, JUDGED = date(2023, 8, 1), (date(2024, 8, 1), date(2024, 11, 30))
LAST = (JUDGED[1] - FIRST).days
DAYS = LAST + AHEAD
MOVE = (date(2024, 9, 16) - FIRST).days
A_DAY = 80
YELLOW, BROWN = 0, 1
CARRIERS = np.array(["Gelbe Post", "Braun Express"])
HOUSES = np.array(["04347", "64521"])
# Land: first two digits of its postcodes, its millions, nights from the old and the new house.
LANDS = {
    "DE-BW": ("70 71 72 73 76 77 79", 11, 2, 1), "DE-BY": ("80 83 85 86 90 93 94 97", 13, 1, 2),
    "DE-BE": ("10 12 13", 4, 1, 2), "DE-BB": ("14 15 16", 2.5, 1, 2),
    "DE-HE": ("34 35 60 61 65", 6, 1, 1), "DE-NI": ("26 29 30 31 38 49", 8, 2, 2),
    "DE-NW": ("40 42 44 45 48 50 52 58 59", 18, 2, 1), "DE-RP": ("54 55 56 67", 4, 2, 1),
    "DE-SN": ("01 04 08 09", 4, 1, 2), "DE-TH": ("07 98 99", 2, 1, 1),
    "DE-HH": ("20 21 22", 3, 1, 2), "DE-SH": ("23 24 25", 3, 2, 3),
    "AT-9": ("10 11 12", 2, 2, 2), "AT-6": ("80 84", 1.2, 3, 3), "AT-7": ("60 65", 0.8, 2, 2),
}  # fmt: skip
NAMES = list(LANDS)
SATURDAY = (5 - FIRST.weekday()) % 7
LOST = 0.003
OLD_NIGHTS, NEW_NIGHTS = (np.array([LANDS[name][at] for name in NAMES]) for at in (2, 3))
AUSTRIAN = np.array([name.startswith("AT") for name in NAMES])
NATIONAL = """2023-10-03 2023-12-25 2023-12-26 2024-01-01 2024-03-29 2024-04-01 2024-05-01
2024-05-09 2024-05-20 2024-10-03 2024-12-25 2024-12-26 2025-01-01"""
AUSTRIA = """2023-08-15 2023-10-26 2023-11-01 2023-12-08 2023-12-25 2023-12-26 2024-01-01 2024-01-06
2024-04-01 2024-05-01 2024-05-09 2024-05-20 2024-05-30 2024-08-15 2024-10-26 2024-11-01 2024-12-25
2024-12-26 2025-01-01 2025-01-06"""
ONLY = {
    "2023-08-15 2024-08-15": "DE-BY", "2023-11-22 2024-11-20": "DE-SN",
    "2023-11-01 2024-11-01": "DE-BW DE-BY DE-NW DE-RP",
    "2024-05-30": "DE-BW DE-BY DE-HE DE-NW DE-RP", "2024-01-06 2025-01-06": "DE-BW DE-BY",
    "2023-10-31 2024-10-31": "DE-BB DE-HH DE-NI DE-SN DE-SH DE-TH",
}  # fmt: skip

# What the shop knows of its own hours.
CALENDARS = """
[[warehouses]]
origin = "04347"
works = "Mon-Sat"
cutoffs = ["Mon-Fri 16:30 -> same day", "Sat 11:00 -> same day"]
[[warehouses]]
origin = "64521"
works = "Mon-Fri"
cutoffs = ["13:00 -> same day"]
"""


def rests(land: str) -> list[date]:
    """Holidays of a Land."""
    if land.startswith("AT"):
        return dates_in(AUSTRIA)
    own = [day for days, lands in ONLY.items() if land in lands.split() for day in dates_in(days)]
    return dates_in(NATIONAL) + own


def on_days(wanted: str, land: str) -> Mask:
    """(days,) on which a Land works, of some weekdays."""
    return weekdays(FIRST, DAYS, [int(day) for day in wanted], rests(land))


# Rows: house and carrier, only the old house gives parcels away on Saturday, to the yellow one.
FETCHED = Workdays(
    np.array([on_days(*a) for a in (("012345", "DE-SN"), ("01234", "DE-SN"))]
             + [on_days("01234", "DE-HE")] * 2)
)  # fmt: skip
# Rows: carrier; mornings after a night in which its lorries ran.
NIGHTS = Workdays(
    np.array([weekdays(FIRST, DAYS, week, dates_in(NATIONAL)) for week in (range(6), range(1, 5))])
)
# Rows: carrier, tour (each day, one half of the week, the other), Land.
TOURS = Workdays(
    np.array([on_days(week, land) for week in ("012345", "024", "135", "01234") for land in NAMES])
)
FETCHING = Workdays(np.array([on_days("012345", land) for land in NAMES]))


@dataclass
class State:
    """How the house slips, (paths, days), and which depots strike, (paths, days, Laender)."""

    slips: Floats
    strike: Mask


def state(random: Random, paths: int, since: int, was: State | None = None) -> State:
    """From a day on: what it was on that day it still is, or, where that is not told, any."""
    span = DAYS - since
    if was is not None:
        slips = np.full(paths, was.slips[0, since])
        strike = np.repeat(was.strike[:, since], paths, axis=0)
    else:
        slips = random.normal(0, 0.57, paths)
        strike = random.random((paths, len(NAMES))) < 0.009
    return State(wander(random, slips, span, 0.85, 0.3), spells(random, strike, span, 0.005, 0.45))


def carry(orders: dict[str, Ints], of: State, since: int, random: Random) -> dict[str, Floats]:
    """What happens when to (n,) orders on each path of the state, (n, paths)."""
    shape = (len(orders["day"]), len(of.slips))
    path = np.arange(shape[1])
    o = {name: np.broadcast_to(value[:, None], shape) for name, value in orders.items()}
    yellow, moved, land = o["carrier"] == YELLOW, o["day"] >= MOVE, o["land"]

    # In the house: a cut-off, and orders that slip to the next day.
    gate = 2 * moved + o["carrier"]
    cutoff = np.where(moved, 13.0, np.where(o["day"] % 7 == SATURDAY, 11.0, 16.5))
    ready = FETCHED.after(gate, o["day"] + (o["hour"] >= cutoff))
    for _ in range(3):
        settling = np.where(ready >= MOVE, 3.2 * np.exp(-(ready - MOVE) / 16.0) - 0.3, 0.0)
        chance = 1 / (1 + np.exp(2.7 - settling - of.slips[path, ready - since]))
        slips = random.random(shape) < chance
        ready = np.where(slips, FETCHED.after(gate, ready + 1), ready)
    fetched = ready + np.where(moved, 14.5, 18.2) / 24

    # By night, and on a tour; on Monday the yellow one leaves some for the next.
    nights = np.where(moved, NEW_NIGHTS[land], OLD_NIGHTS[land])
    nights = np.where(o["express"] == 1, 1, nights + (AUSTRIAN[land] & yellow))
    nights = nights + (random.random(shape) < np.where(yellow, 0.07, 0.04))
    there = NIGHTS.after(o["carrier"], ready + 1, nights - 1)
    tour = np.where(yellow, o["village"], 3) * len(NAMES) + land
    van = TOURS.after(tour, there)
    left = yellow & ((van + FIRST.weekday()) % 7 == 0) & (random.random(shape) < 0.3)
    van = np.where(left, TOURS.after(tour, van + 1), van)
    for _ in range(5):
        struck = yellow & of.strike[path, van - since, land]
        van = np.where(struck, TOURS.after(tour, van + 1), van)

    # Nobody there: the brown one comes again, the yellow one's parcels are fetched.
    missed = random.random(shape) < np.where(yellow, 0.12, 0.08)
    fetches = FETCHING.after(land, van + 1, random.geometric(0.45, shape) - 1)
    again = np.where(yellow, fetches, TOURS.after(tour, van + 1))
    hour = random.uniform(9, 18, shape) / 24
    return {
        "picked_up": fetched,
        "in_transit": np.floor(fetched) + 1 + 2.5 / 24,
        "out_for_delivery": van + 7.5 / 24,
        "attempted": np.where(missed, van + hour, np.nan),
        "available_for_pickup": np.where(missed & yellow, van + 18.5 / 24, np.nan),
        "delivered": np.where(missed, again, van) + hour,
    }


def book(random: Random) -> dict[str, Ints]:
    """The orders."""
    day = np.arange(LAST + 1)
    weekly = np.array([1.2, 1.05, 1.0, 0.95, 0.85, 0.8, 1.15])[(day + FIRST.weekday()) % 7]
    day = np.repeat(day, random.poisson(A_DAY * weekly))
    people = np.array([LANDS[name][1] for name in NAMES], float)
    land = random.choice(len(NAMES), len(day), p=people / people.sum())
    brown = random.random(len(day)) < np.where(AUSTRIAN[land], 0.2, 0.38)
    hour = np.sort(np.clip(random.normal(15.5, 4.8, len(day)) % 24, 0, 23.99))
    return {
        "day": day,
        "hour": random.permutation(hour),
        "land": land,
        "carrier": np.where(brown, BROWN, YELLOW),
        "express": (brown & ~AUSTRIAN[land] & (random.random(len(day)) < 0.35)).astype(int),
        "place": random.integers(0, 30, len(day)),
    }


def code(land: int, place: int) -> str:
    """The postcode of a place; five digits in Germany, four in Austria."""
    heads = LANDS[NAMES[land]][0].split()
    told = f"{heads[place % len(heads)]}{place * 29 % 100:02d}"
    return told if AUSTRIAN[land] else f"{told}{place % 10}"


def make(seed: int) -> World:
    """The world of a seed."""
    random = np.random.default_rng([seed, 11])
    orders = book(random)
    village = random.choice(3, (len(NAMES), 30), p=[0.74, 0.13, 0.13])
    orders["village"] = village[orders["land"], orders["place"]]
    was = state(random, 1, 0)
    real = {name: day[:, 0] for name, day in carry(orders, was, 0, random).items()}
    count = len(orders["day"])
    real["delivered"][random.random(count) < LOST] = np.nan
    land, ids = orders["land"], np.array([f"M{row:06d}" for row in range(count)])
    codes = [code(*one) for one in zip(land, orders["place"], strict=True)]
    austrian = AUSTRIAN[land]
    zones = np.where(austrian, "Europe/Vienna", "Europe/Berlin")
    home = np.full(count, "Europe/Berlin")
    shipments = pd.DataFrame({
        "shipment_id": ids,
        "ordered_at": utc(FIRST, orders["day"] + orders["hour"] / 24, home),
        "origin": HOUSES[(orders["day"] >= MOVE).astype(int)],
        "origin_country": "DE",
        "origin_region": np.where(orders["day"] >= MOVE, "HE", "SN"),
        "destination": codes,
        "destination_country": np.where(austrian, "AT", "DE"),
        "destination_region": [NAMES[a][3:] for a in land],
        "destination_time_zone": zones,
        "carrier": CARRIERS[orders["carrier"]],
        "service": np.where(orders["express"] == 1, "express", "standard"),
    })  # fmt: skip
    events = [(name, day, home if name == "picked_up" else zones) for name, day in real.items()]

    def draw(rows: Ints, day: int, again: Random, *, knows: bool) -> Floats:
        known = state(again, DRAWS, day, was if knows else None)
        asked = {name: value[rows] for name, value in orders.items()}
        return carry(asked, known, day, again)["delivered"]

    return World(
        name="german_move",
        shipments=shipments,
        scans=scans_of(FIRST, ids, events),
        first=FIRST,
        zone="Europe/Berlin",
        judged=JUDGED,
        days=drawn(orders["day"], draw),
        arrives=np.full(count, 1 - LOST),
        calendars=CALENDARS,
        holidays=sorted({day for name in NAMES for day in rests(name)}),
    )
