"""A British shop that sends to five countries of the Union, through customs, thrice a week.

Hidden: lorries and ferries that leave on fixed evenings; goods that customs hold, some for weeks,
and in spells, port by port, half of what comes; duties that a buyer has to pay first; two carriers
a country for the last mile, each with its week, one of which only brings to a shop, where a parcel
waits to be fetched; bank holidays here, at the port and there.
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

FIRST, JUDGED = date(2024, 1, 15), (date(2025, 2, 1), date(2025, 5, 31))
LAST = (JUDGED[1] - FIRST).days
DAYS = LAST + AHEAD
SPAN = 80
A_DAY = 80
LOST = 0.006
HOME = "Europe/London"
RESTS = {
    "GB": "2024-03-29 2024-04-01 2024-05-06 2024-05-27 2024-08-26 2024-12-25 2024-12-26 2025-01-01"
    " 2025-04-18 2025-04-21 2025-05-05 2025-05-26",
    "FR": "2024-04-01 2024-05-01 2024-05-08 2024-05-09 2024-05-20 2024-08-15 2024-11-01 2024-11-11"
    " 2024-12-25 2025-01-01 2025-04-21 2025-05-01 2025-05-08 2025-05-29 2025-06-09 2025-07-14",
    "DE": "2024-03-29 2024-04-01 2024-05-01 2024-05-09 2024-05-20 2024-10-03 2024-12-25 2024-12-26"
    " 2025-01-01 2025-04-18 2025-04-21 2025-05-01 2025-05-29 2025-06-09",
    "NL": "2024-04-01 2024-04-27 2024-05-09 2024-05-20 2024-12-25 2024-12-26 2025-01-01 2025-04-21"
    " 2025-04-26 2025-05-05 2025-05-29 2025-06-09",
    "IE": "2024-02-05 2024-03-18 2024-04-01 2024-05-06 2024-06-03 2024-08-05 2024-10-28 2024-12-25"
    " 2024-12-26 2025-01-01 2025-02-03 2025-03-17 2025-04-21 2025-05-05 2025-06-02 2025-08-04",
    "ES": "2024-03-29 2024-05-01 2024-08-15 2024-10-12 2024-11-01 2024-12-06 2024-12-25 2025-01-01"
    " 2025-01-06 2025-04-18 2025-05-01",
}
# Country: weight, port, days from it, zone, digits of its codes, carriers, their weeks.
COUNTRIES = {
    "FR": (30, 0, 1, "Europe/Paris", 5, ("Colis Bleu", "Relais Vert"), ("012345", "01234")),
    "DE": (28, 1, 1, "Europe/Berlin", 5, ("Gelb Paket", "Bote"), ("012345", "12345")),
    "NL": (14, 1, 0, "Europe/Amsterdam", 4, ("Oranje", "Groen"), ("12345", "012345")),
    "IE": (18, 2, 0, "Europe/Dublin", 0, ("An Bosca", "Fastwheel"), ("01234", "01234")),
    "ES": (10, 0, 3, "Europe/Madrid", 5, ("Correo Rojo", "Rapido"), ("01234", "012345")),
}
NAMES = list(COUNTRIES)
PORT = np.array([COUNTRIES[name][1] for name in NAMES])
ON = np.array([COUNTRIES[name][2] for name in NAMES])
TO_A_SHOP = np.array([[False, True], [False, False], [False, False], [False, False], [True, False]])
GOODS = np.array(["clothes", "books", "food", "electronics"])
HELD = np.array([-2.6, -3.4, -1.1, -1.7])  # log odds
REGIONS, PLACES = 6, 12

# What the shop knows of its own hours; there is no way to tell on which evenings lorries leave.
CALENDARS = """
[[warehouses]]
works = "Mon-Fri"
cutoffs = ["14:00 -> same day"]
"""


def works(wanted: str, country: str) -> Mask:
    """(days,) on which a country works, of some weekdays."""
    return weekdays(FIRST, DAYS, [int(day) for day in wanted], dates_in(RESTS[country]))


HOUSE = Workdays(works("01234", "GB")[None])
# Rows: ports. Two lorries' roads on Monday, Wednesday and Friday, the ferry to Dublin on others.
LEAVES = Workdays(np.array([works("024", "GB"), works("024", "GB"), works("135", "GB")]))
CUSTOMS = Workdays(np.array([works("01234", "FR"), works("012345", "NL"), works("01234", "IE")]))
# Rows: country and carrier.
VANS = Workdays(np.array([works(week, name) for name in NAMES for week in COUNTRIES[name][6]]))


@dataclass
class State:
    """(paths, days, ports): whether customs look at much, and how much; how busy the vans are."""

    spell: Mask
    strict: Floats
    busy: Floats


def state(random: Random, paths: int, since: int, was: State | None = None) -> State:
    """From a day on: what it was on that day it still is, or, where that is not told, any."""
    span = DAYS if paths == 1 else SPAN
    if was is not None:
        spell, strict, busy = (
            np.repeat(one[:, since], paths, axis=0) for one in (was.spell, was.strict, was.busy)
        )
    else:
        spell = random.random((paths, 3)) < 0.11
        strict, busy = random.normal(0, 0.4, (paths, 3)), random.normal(0, 0.6, (paths, 10))
    return State(
        spells(random, spell, span, 0.012, 0.9),
        wander(random, strict, span, 0.9, 0.18),
        wander(random, busy, span, 0.9, 0.26),
    )


def carry(orders: dict[str, Ints], of: State, today: int, random: Random) -> dict[str, Floats]:
    """What happens when to (n,) orders on each path of the state, (n, paths)."""
    shape = (len(orders["day"]), len(of.strict))
    path, last = np.arange(shape[1]), of.strict.shape[1] - 1
    o = {name: np.broadcast_to(value[:, None], shape) for name, value in orders.items()}
    port, country = PORT[o["country"]], o["country"]

    # To the port on the next lorry, which at times is full.
    ready = HOUSE.after(0, o["day"] + (o["hour"] >= 14.0))
    ready = np.where(random.random(shape) < 0.08, HOUSE.after(0, ready + 1), ready)
    full = random.random(shape) < 0.06
    leaves = LEAVES.after(port, ready)
    leaves = np.where(full, LEAVES.after(port, leaves + 1), leaves)

    # At customs: most go through, some are held, with a long tail, and in a spell half of them.
    entry = CUSTOMS.after(port, leaves + 1)
    at = np.minimum(entry - today, last)
    spell = of.spell[path, at, port]
    odds = HELD[o["goods"]] + of.strict[path, at, port] + 2.2 * spell
    held = random.random(shape) < 1 / (1 + np.exp(-odds))
    days = 1 + np.floor(np.minimum(random.pareto(1.5, shape) * np.where(spell, 2.6, 1.3), 30))
    forgets = 6 * (random.random(shape) < 0.06)
    pays = (o["unpaid"] == 1) * (random.geometric(0.42, shape) - 1 + forgets)
    through = CUSTOMS.after(port, entry, np.where(held, days, 0).astype(int))
    through = CUSTOMS.after(port, through + pays)

    # The last mile, and the shop in which it waits.
    mile = country * 2 + o["carrier"]
    at = np.minimum(through - today, last)
    slow = 1 / (1 + np.exp(1.6 - of.busy[path, at, mile] - 0.7 * (o["place"] >= 9)))
    on = ON[country] + random.binomial(3, slow)
    van = VANS.after(mile, through + 1, on)
    shop = TO_A_SHOP[country, o["carrier"]]
    missed = ~shop & (random.random(shape) < 0.07)
    fetched = van + random.geometric(0.45, shape) - (random.random(shape) < 0.5)
    hour = random.uniform(9, 18, shape) / 24
    end = np.where(shop, np.maximum(fetched, van), np.where(missed, VANS.after(mile, van + 1), van))
    return {
        "picked_up": ready + 16.0 / 24,
        "departed": leaves + 20.0 / 24,
        "customs_hold": np.where(held | (pays > 0), entry + 9.0 / 24, np.nan),
        "customs_cleared": through + 15.0 / 24,
        "out_for_delivery": np.where(shop, np.nan, van + 7.5 / 24),
        "attempted": np.where(missed, van + hour, np.nan),
        "available_for_pickup": np.where(shop, van + 8.5 / 24, np.nan),
        "delivered": end + hour,
    }


def book(random: Random) -> dict[str, Ints]:
    """The orders."""
    day = np.arange(LAST + 1)
    weekly = np.array([1.15, 1.05, 1.0, 0.95, 0.9, 0.9, 1.05])[(day + FIRST.weekday()) % 7]
    day = np.repeat(day, random.poisson(A_DAY * weekly))
    count, weight = len(day), np.array([COUNTRIES[name][0] for name in NAMES], float)
    return {
        "day": day,
        "hour": np.clip(random.normal(15, 5, count) % 24, 0, 23.99),
        "country": random.choice(5, count, p=weight / weight.sum()),
        "carrier": random.choice(2, count, p=[0.62, 0.38]),
        "goods": random.choice(4, count, p=[0.42, 0.2, 0.13, 0.25]),
        "unpaid": (random.random(count) < 0.3).astype(int),
        "region": random.integers(0, REGIONS, count),
        "place": random.integers(0, PLACES, count),
    }


def code(country: int, region: int, place: int) -> str:
    """The postcode of a place; the region is its head."""
    digits = COUNTRIES[NAMES[country]][4]
    if not digits:
        return f"{'ACDHRT'[region]}{41 + place:02d} X{place % 10}P{region}"
    tail = "" if NAMES[country] != "NL" else " AB"
    return f"{(13, 28, 31, 44, 59, 75)[region]}{place * 83 % 1000:03d}"[:digits] + tail


def make(seed: int) -> World:
    """The world of a seed."""
    random = np.random.default_rng([seed, 15])
    orders = book(random)
    was = state(random, 1, 0)
    real = {name: day[:, 0] for name, day in carry(orders, was, 0, random).items()}
    where, count = orders["country"], len(orders["day"])
    real["delivered"][random.random(count) < LOST] = np.nan
    ids = np.array([f"GB{row:06d}" for row in range(count)])
    zones = np.array([COUNTRIES[name][3] for name in NAMES])[where]
    home = np.full(count, HOME)
    carriers = np.array([COUNTRIES[name][5] for name in NAMES])
    places = zip(where, orders["region"], orders["place"], strict=True)
    shipments = pd.DataFrame({
        "shipment_id": ids,
        "ordered_at": utc(FIRST, orders["day"] + orders["hour"] / 24, home),
        "origin": "LE4 9HA",
        "origin_country": "GB",
        "destination": [code(*one) for one in places],
        "destination_country": np.array(NAMES)[where],
        "destination_time_zone": zones,
        "carrier": carriers[where, orders["carrier"]],
        "service": np.where(orders["unpaid"] == 1, "duties unpaid", "duties paid"),
        "goods": GOODS[orders["goods"]],
    })  # fmt: skip
    here = ("picked_up", "departed")
    events = [(name, day, home if name in here else zones) for name, day in real.items()]

    def draw(rows: Ints, day: int, again: Random, *, knows: bool) -> Floats:
        known = state(again, DRAWS, day, was if knows else None)
        asked = {name: value[rows] for name, value in orders.items()}
        return carry(asked, known, day, again)["delivered"]

    return World(
        name="border_customs",
        shipments=shipments,
        scans=scans_of(FIRST, ids, events),
        first=FIRST,
        zone=HOME,
        judged=JUDGED,
        days=drawn(orders["day"], draw),
        arrives=np.full(count, 1 - LOST),
        calendars=CALENDARS,
        holidays=sorted({day for line in RESTS.values() for day in dates_in(line)}),
        categorical=("goods",),
    )
