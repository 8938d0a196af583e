"""A shop in Japan that delivers the next day, every day of the year, in the season of typhoons.

Hidden: typhoons that go from one part of the country to the next and stop it for a day or more,
and with it all that has to pass through; nobody says so, parcels stand still. Islands that a ferry
reaches on some weekdays if the sea lets it. Evenings are reached on a day on which mornings are
not, and whoever is not at home names another day.
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
    dates,
    dates_in,
    drawn,
    scans_of,
    spells,
    utc,
    weekdays,
)

FIRST, JUDGED = date(2023, 6, 1), (date(2024, 7, 1), date(2024, 10, 31))
LAST = (JUDGED[1] - FIRST).days
DAYS = LAST + AHEAD
A_DAY = 75
LOST = 0.001
ZONE = "Asia/Tokyo"
CARRIERS = np.array(["Kuroneko Bin", "Hikyaku"])
SLOTS = np.array(["any time", "morning", "afternoon", "evening"])
# Prefecture: its number, first digits of its codes, millions, part of the country.
PREFECTURES = (
    (13, "10 15 17", 14, 5), (14, "22 23", 9, 5), (11, "33 36", 7, 5), (12, "26 27", 6, 5),
    (27, "53 54 58", 9, 3), (28, "65 66", 5.5, 3), (26, "60 61", 2.6, 3), (23, "45 46", 7.5, 4),
    (22, "42 43", 3.6, 4), (15, "95", 2.2, 4), (40, "81 83", 5, 1), (42, "85", 1.3, 1),
    (46, "89", 1.6, 1), (45, "88", 1.1, 1), (38, "79", 1.4, 2), (39, "78", 0.7, 2),
    (34, "73", 2.8, 2), (4, "98", 2.3, 6), (5, "01", 1, 6), (1, "06", 5.2, 7), (47, "90", 1.5, 0),
)  # fmt: skip
PART = np.array([one[3] for one in PREFECTURES])
ISLES = np.array([one[0] in (13, 15, 42, 46, 47, 38) for one in PREFECTURES])
PARTS, PLACES = 8, 24
HOUSES = (("2770882", "12", 5), ("6600857", "28", 3))  # code, prefecture, part
AT = np.array([one[2] for one in HOUSES])
# Nights by the number of parts on the way.
NIGHTS = np.array([1, 1, 1, 1, 2, 2, 3, 3])
CLOSED = """2023-08-13 2023-08-14 2023-08-15 2023-12-30 2023-12-31 2024-01-01 2024-01-02 2024-01-03
2024-04-29 2024-05-03 2024-05-04 2024-05-05 2024-05-06 2024-08-13 2024-08-14 2024-08-15
2024-12-30 2024-12-31 2025-01-01 2025-01-02 2025-01-03"""
# The eastern house works every day but when it is closed, the western one rests on Sundays too.
PICKING = Workdays(
    np.array([weekdays(FIRST, DAYS, week, dates_in(CLOSED)) for week in (range(7), range(6))])
)
SAILINGS = Workdays(
    np.array([weekdays(FIRST, DAYS, week) for week in ((0, 2, 4), (1, 3, 5, 6), (0, 1, 3, 4, 5))])
)
MONTH = np.array([day.month for day in dates(FIRST, DAYS)])
SEASON = np.select([MONTH == 8, MONTH == 9, np.isin(MONTH, (7, 10))], [0.07, 0.08, 0.035], 0.002)
ROUGH = np.where(np.isin(MONTH, (12, 1, 2, 3)), 0.12, 0.03)

# What the shop knows of its own days, and that its carriers come on all of them.
CALENDARS = f"""
[[closures]]
days = {CLOSED.split()}
[[warehouses]]
origin = "2770882"
works = "Mon-Sun"
works_on_holidays = true
cutoffs = ["14:00 -> same day"]
[[warehouses]]
origin = "6600857"
works = "Mon-Sat"
works_on_holidays = true
cutoffs = ["15:30 -> same day"]
[[carriers]]
carrier = "Kuroneko Bin"
delivers = "Mon-Sun"
delivers_on_holidays = true
[[carriers]]
carrier = "Hikyaku"
delivers = "Mon-Sun"
delivers_on_holidays = true
"""


@dataclass
class State:
    """(paths, days): the part where a typhoon is, -1 for none; (…, ferries): rough sea."""

    typhoon: Ints
    rough: Mask

    def stopped(self, path: Ints, on: Ints, part: Ints) -> Mask:
        """Whether parts stand still: the one where it is, and the one that it comes to."""
        at = self.typhoon[path, np.minimum(on, self.typhoon.shape[1] - 1)]
        return (at >= 0) & ((at == part) | (at + 1 == part))

    def blocked(self, path: Ints, on: Ints, here: Ints, there: Ints) -> Mask:
        """Whether any part of a way stands still."""
        at = self.typhoon[path, np.minimum(on, self.typhoon.shape[1] - 1)]
        low, high = np.minimum(here, there), np.maximum(here, there)
        return (at >= 0) & (at + 1 >= low) & (at <= high)


def state(random: Random, paths: int, since: int, was: State | None = None) -> State:
    """From a day on: what it was on that day it still is, or, where that is not told, any."""
    span = DAYS - since if paths == 1 else 45
    typhoon = np.empty((paths, span), int)
    if was is not None:
        typhoon[:, 0] = was.typhoon[0, since]
        rough = np.repeat(was.rough[:, since], paths, axis=0)
    else:
        on = random.random(paths) < 3.5 * SEASON[since]
        typhoon[:, 0] = np.where(on, random.integers(0, PARTS, paths), -1)
        rough = random.random((paths, 3)) < 2 * ROUGH[since]
    for day in range(1, span):
        before, luck = typhoon[:, day - 1], random.random(paths)
        on = np.where(luck < 0.42, before, before + 1)
        on = np.where((luck > 0.87) | (on >= PARTS), -1, on)
        begins = luck < SEASON[since + day]
        born = random.choice([0, 1, 2, 3], paths, p=[0.45, 0.3, 0.1, 0.15])
        typhoon[:, day] = np.where(before >= 0, on, np.where(begins, born, -1))
    return State(typhoon, spells(random, rough, span, ROUGH[since : since + span], 0.55))


def carry(orders: dict[str, Ints], of: State, today: int, random: Random) -> dict[str, Floats]:
    """What happens when to (n,) orders on each path of the state, (n, paths)."""
    shape = (len(orders["day"]), len(of.typhoon))
    path = np.arange(shape[1])
    o = {name: np.broadcast_to(value[:, None], shape) for name, value in orders.items()}
    here, there = AT[o["house"]], PART[o["prefecture"]]

    # Out of the house, if nothing stops it; then by night, part by part.
    late = o["hour"] >= np.where(o["house"] == 0, 14.0, 15.5)
    out = PICKING.after(o["house"], o["day"] + late)
    slips = random.random(shape) < 0.03
    out = np.where(slips, PICKING.after(o["house"], out + 1), out)
    for _ in range(8):
        held = of.stopped(path, out - today, here)
        out = np.where(held, PICKING.after(o["house"], out + 1), out)
    way = NIGHTS[np.abs(there - here)] + (o["carrier"] == 1) * (np.abs(there - here) == 3)
    arrived = out
    for night in range(5):
        more = night < way
        moved = arrived + 1 + (random.random(shape) < 0.012)
        for _ in range(7):
            moved = moved + of.blocked(path, moved - today, here, there)
        arrived = np.where(more, moved, arrived)

    # Over the sea to an island; a ferry that does not sail leaves all for the next.
    ferry = np.maximum(o["isle"] - 1, 0)
    sails = SAILINGS.after(ferry, arrived)
    last = of.rough.shape[1] - 1
    for _ in range(8):
        on = sails - today
        waits = of.rough[path, np.minimum(on, last), ferry] | of.stopped(path, on, there)
        sails = np.where(waits, SAILINGS.after(ferry, sails + 1), sails)
    van = np.where(o["isle"] > 0, sails + 1, arrived)

    # To the door: a morning that the lorry cannot meet is the next one; what stood still piles up.
    early = (o["slot"] == 1) & (way >= 2) & (random.random(shape) < 0.75)
    heap = (van - out > way + 1) & (random.random(shape) < 0.4)
    van = van + early + heap
    for _ in range(7):
        van = van + of.stopped(path, van - today, there)
    missed = random.random(shape) < np.array([0.16, 0.10, 0.12, 0.05])[o["slot"]]
    named = np.where(random.random(shape) < 0.6, 1, random.integers(2, 6, shape))
    hour = np.array([14, 10, 15, 19.5])[o["slot"]] / 24 + random.uniform(-1.5, 1.5, shape) / 24
    return {
        "picked_up": out + 18.5 / 24,
        "arrived": arrived + 5.0 / 24,
        "out_for_delivery": van + 7.5 / 24,
        "attempted": np.where(missed, van + hour, np.nan),
        "delivered": van + missed * named + hour,
    }


def book(random: Random) -> dict[str, Ints]:
    """The orders."""
    day = np.arange(LAST + 1)
    weekly = np.array([1.0, 0.95, 0.95, 0.95, 1.0, 1.1, 1.25])[(day + FIRST.weekday()) % 7]
    day = np.repeat(day, random.poisson(A_DAY * weekly))
    count = len(day)
    people = np.array([one[2] for one in PREFECTURES], float)
    where = random.choice(len(PREFECTURES), count, p=people / people.sum())
    west = np.where(random.random(count) < 0.08, PART[where] > 3, PART[where] <= 3)
    return {
        "day": day,
        "hour": np.clip(random.normal(17, 5, count) % 24, 0, 23.99),
        "prefecture": where,
        "house": west.astype(int),
        "carrier": random.choice(2, count, p=[0.62, 0.38]),
        "slot": random.choice(4, count, p=[0.45, 0.2, 0.13, 0.22]),
        "place": np.minimum(random.geometric(0.08, count) - 1, PLACES - 1),
    }


def make(seed: int) -> World:
    """The world of a seed."""
    random = np.random.default_rng([seed, 14])
    orders = book(random)
    isle = np.zeros((len(PREFECTURES), PLACES), int)
    isle[ISLES, 17:] = random.integers(1, 4, (ISLES.sum(), PLACES - 17))
    orders["isle"] = isle[orders["prefecture"], orders["place"]]
    was = state(random, 1, 0)
    real = {name: day[:, 0] for name, day in carry(orders, was, 0, random).items()}
    where, house, count = orders["prefecture"], orders["house"], len(orders["day"])
    real["delivered"][random.random(count) < LOST] = np.nan
    ids = np.array([f"JP{row:06d}" for row in range(count)])
    heads = [one[1].split() for one in PREFECTURES]
    zones = np.full(count, ZONE)
    shipments = pd.DataFrame({
        "shipment_id": ids,
        "ordered_at": utc(FIRST, orders["day"] + orders["hour"] / 24, zones),
        "origin": np.array([one[0] for one in HOUSES])[house],
        "origin_country": "JP",
        "origin_region": np.array([one[1] for one in HOUSES])[house],
        "destination": [
            f"{heads[a][b % len(heads[a])]}{b:02d}{b * 37 % 1000:03d}"
            for a, b in zip(where, orders["place"], strict=True)
        ],
        "destination_country": "JP",
        "destination_region": np.array([f"{one[0]:02d}" for one in PREFECTURES])[where],
        "destination_time_zone": ZONE,
        "carrier": CARRIERS[orders["carrier"]],
        "service": SLOTS[orders["slot"]],
    })  # fmt: skip

    def draw(rows: Ints, day: int, again: Random, *, knows: bool) -> Floats:
        known = state(again, DRAWS, day, was if knows else None)
        asked = {name: value[rows] for name, value in orders.items()}
        return carry(asked, known, day, again)["delivered"]

    return World(
        name="japan_typhoons",
        shipments=shipments,
        scans=scans_of(FIRST, ids, [(name, day, zones) for name, day in real.items()]),
        first=FIRST,
        zone=ZONE,
        judged=JUDGED,
        days=drawn(orders["day"], draw),
        arrives=np.full(count, 1 - LOST),
        calendars=CALENDARS,
        holidays=dates_in(CLOSED),
    )
