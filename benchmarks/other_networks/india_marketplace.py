"""A marketplace in India: many sellers, each with habits of its own, at the time of Diwali.

Hidden: which days a seller gives parcels away, how long it prepares them, when it is on leave and
how it keeps to its days; pin codes that a second carrier reaches twice a week only; cash on
delivery, at which doors stay shut. Some orders are called off, some go back to the seller. Few do,
for a level that no date can reach says nothing of a forecast. A quarter of the sellers are new.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

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

FIRST, JUDGED = date(2023, 8, 14), (date(2024, 9, 1), date(2024, 12, 31))
LAST = (JUDGED[1] - FIRST).days
DAYS = LAST + AHEAD
SPAN = 60  # days that a state is drawn ahead
A_DAY = 75
LOST, REFUSED, CALLED_OFF = 0.004, 0.012, 0.035
DIWALI = dates_in("2023-11-12 2024-10-31")
RESTS = [*DIWALI, *[day + timedelta(days=1) for day in DIWALI]]
RESTS += dates_in(
    "2023-08-15 2023-10-02 2023-10-24 2024-01-26 2024-03-25 2024-08-15 2024-10-02 2024-10-12"
)
CARRIERS = np.array(["Vayu Cargo", "Sadak Logistics", "Teer"])
ZONE = "Asia/Kolkata"
# State: first digits of its pin codes, weight, part of the country.
STATES = {
    "MH": ("400 411", 18, 1), "DL": ("110", 12, 0), "KA": ("560", 12, 2), "TN": ("600", 10, 2),
    "TG": ("500", 8, 2), "WB": ("700", 8, 3), "GJ": ("380", 7, 1), "UP": ("201 226", 9, 0),
    "RJ": ("302", 5, 0), "MP": ("452", 4, 1), "BR": ("800", 4, 3), "KL": ("682", 5, 2),
    "PB": ("141", 3, 0), "OR": ("751", 2, 3), "AS": ("781", 2, 4), "JK": ("190", 1, 4),
}  # fmt: skip
NAMES = list(STATES)
PART = np.array([STATES[name][2] for name in NAMES])
PLACES = 40
ROAD = np.array([[2, 3, 5, 4, 6], [3, 2, 3, 5, 7], [5, 3, 2, 4, 7], [4, 5, 4, 2, 3]])
AIR = np.array([[1, 1, 2, 2, 3], [1, 1, 1, 2, 3], [2, 1, 1, 2, 3], [2, 2, 2, 1, 2]])
WEEKS = ("012345", "01234", "14", "024")

COURIER = Workdays(weekdays(FIRST, DAYS, range(6), RESTS)[None])
LORRY = Workdays(weekdays(FIRST, DAYS, range(7), RESTS)[None])
# Rows: pairs of weekdays on which the second carrier gets to a remote place.
PAIRS = ((0, 3), (1, 4), (2, 5))
REMOTE = Workdays(np.array([weekdays(FIRST, DAYS, pair, RESTS) for pair in PAIRS]))

# What the marketplace knows; nothing of its sellers' days.
CALENDARS = """
[[blackouts]]
country = "IN"
days = ["2023-11-12", "2023-11-13", "2024-10-31", "2024-11-01"]
"""


def festive() -> Floats:
    """(days,) how near Diwali is: 1 on its eve."""
    away = [(day - FIRST).days for day in DIWALI]
    left = np.min([np.where(at >= np.arange(DAYS), at - np.arange(DAYS), 999) for at in away], 0)
    return np.exp(-left / 10.0)


FESTIVE = festive()


@dataclass
class Sellers:
    """Who they are: where, since when, how well known, and their habits."""

    state: Ints
    since: Ints
    known: Floats
    gives: Workdays
    cutoff: Floats
    prepares: Ints
    careless: Floats
    carrier: Ints

    @classmethod
    def of(cls, random: Random, count: int) -> Sellers:
        """Sellers at random."""
        shares = np.array([STATES[name][1] for name in NAMES[:12]], float)
        week = random.choice(4, count, p=[0.5, 0.15, 0.2, 0.15])
        gives = []
        for one in week:
            before, after = random.integers(0, 3), random.integers(1, 6)
            away = [day + timedelta(days=int(k)) for day in DIWALI for k in range(-before, after)]
            gives.append(weekdays(FIRST, DAYS, [int(day) for day in WEEKS[one]], RESTS + away))
        late = random.random(count) < 0.25
        return cls(
            state=random.choice(12, count, p=shares / shares.sum()),
            since=np.where(late, random.integers(150, 480, count), 0),
            known=1.0 / (4.0 + random.permutation(count)),
            gives=Workdays(np.array(gives)),
            cutoff=random.uniform(9, 17, count),
            prepares=random.choice(3, count, p=[0.6, 0.28, 0.12]),
            careless=random.normal(-2.2, 0.6, count),
            carrier=random.choice(3, count),
        )


@dataclass
class State:
    """(paths, days, ...): moods and leaves of sellers, how slow each part of the country is."""

    mood: Floats
    leave: Mask
    slow: Floats


def state(random: Random, count: int, paths: int, day: int, was: State | None) -> State:
    """From a day on: what it was on that day it still is, or, where that is not told, any."""
    span = DAYS if paths == 1 else SPAN
    if was is not None:
        mood, leave, slow = (
            np.repeat(one[:, day], paths, axis=0) for one in (was.mood, was.leave, was.slow)
        )
    else:
        mood, slow = random.normal(0, 0.6, (paths, count)), random.normal(0, 0.5, (paths, 5))
        leave = random.random((paths, count)) < 0.02
    return State(
        wander(random, mood, span, 0.94, 0.2),
        spells(random, leave, span, 0.004, 0.8),
        wander(random, slow, span, 0.95, 0.16),
    )


def carry(
    sellers: Sellers, orders: dict[str, Ints], of: State, today: int, random: Random
) -> dict[str, Floats]:
    """What happens when to (n,) orders on each path of the state, (n, paths)."""
    shape = (len(orders["day"]), len(of.mood))
    path, last = np.arange(shape[1]), of.mood.shape[1] - 1
    o = {name: np.broadcast_to(value[:, None], shape) for name, value in orders.items()}
    who, there = o["seller"], PART[o["state"]]

    # At the seller: prepared, then given away on one of its days, if it does not forget or rest.
    begun = COURIER.after(0, o["day"] + (o["hour"] >= sellers.cutoff[who]), sellers.prepares[who])
    given = sellers.gives.after(who, begun)
    for _ in range(5):
        at = np.minimum(given - today, last)
        forgets = 1 / (1 + np.exp(-sellers.careless[who] - of.mood[path, at, who] - FESTIVE[given]))
        stays = of.leave[path, at, who] | (random.random(shape) < forgets)
        given = np.where(stays, sellers.gives.after(who, given + 1), given)

    # On the road or by air, the slower the fuller the country is.
    from_part = PART[sellers.state[who]]
    air = o["air"] == 1
    way = np.where(air, AIR[from_part, there], ROAD[from_part, there])
    part_slow = of.slow[path, np.minimum(given - today, last), there]
    pace = np.exp(0.5 * part_slow + 0.45 * FESTIVE[given] * ~air + random.normal(0, 0.17, shape))
    lorry = LORRY.after(0, given, np.maximum(1, np.rint(way * pace)).astype(int))
    handed = LORRY.after(0, lorry, random.geometric(0.6, shape))
    van = np.where(o["remote"] > 0, REMOTE.after(o["remote"] - 1, handed), COURIER.after(0, lorry))

    # At the door: cash is not there, nobody is.
    shut = np.where(o["cash"] == 1, 0.24, 0.07)
    chance = random.random(shape) * (1 - shut**3)  # of those that arrive
    tries = (chance > 1 - shut).astype(int) + (chance > 1 - shut**2)
    door = [van]
    for _ in range(2):
        on = door[-1] + random.choice([1, 2], shape, p=[0.7, 0.3])
        again = np.where(o["remote"] > 0, REMOTE.after(o["remote"] - 1, on), COURIER.after(0, on))
        door.append(again)
    hour = random.uniform(10, 19, shape) / 24
    delivered = np.choose(tries, door) + hour
    return {
        "picked_up": given + 17.0 / 24,
        "in_transit": given + 1 + 4.0 / 24,
        "transferred": np.where(o["remote"] > 0, lorry + 9.0 / 24, np.nan),
        "out_for_delivery": van + 8.0 / 24,
        "attempted": np.where(tries > 0, van + hour, np.nan),
        "delivered": delivered,
    }


def book(random: Random, sellers: Sellers) -> dict[str, Ints]:
    """The orders."""
    day = np.arange(LAST + 1)
    day = np.repeat(day, random.poisson(A_DAY * (1 + 0.9 * FESTIVE[: LAST + 1])))
    share = sellers.known * (day[:, None] >= sellers.since)
    share = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    people = np.array([STATES[name][1] for name in NAMES], float)
    where = random.choice(len(NAMES), len(day), p=people / people.sum())
    seller = np.minimum(
        (random.random(len(day))[:, None] > share).sum(axis=1), len(sellers.since) - 1
    )
    return {
        "day": day,
        "hour": np.clip(random.normal(16, 5, len(day)) % 24, 0, 23.99),
        "seller": seller,
        "state": where,
        "place": np.minimum(random.geometric(0.06, len(day)) - 1, PLACES - 1),
        "air": (random.random(len(day)) < 0.35).astype(int),
        "cash": (random.random(len(day)) < 0.55).astype(int),
    }


def ends(real: dict[str, Floats], cash: Ints, random: Random) -> None:
    """Orders that never arrive: called off, lost, or sent back after three doors."""
    count = len(cash)
    off = random.random(count) < CALLED_OFF
    back = ~off & (random.random(count) < np.where(cash == 1, 0.24**3 + REFUSED, 0.07**3))
    lost = ~off & (random.random(count) < LOST)
    real["cancelled"] = np.full(count, np.nan)
    real["returning"] = np.where(back & ~lost, np.floor(real["out_for_delivery"]) + 4.4, np.nan)
    real["returned"] = real["returning"] + random.integers(4, 12, count)
    for name in ("delivered", "attempted"):
        real[name][lost] = np.nan
    real["delivered"][back] = np.nan
    for name in list(real):
        real[name] = np.where(off, np.nan, real[name])
    real["cancelled"][off] = random.uniform(0.02, 0.4, off.sum())


def make(seed: int) -> World:
    """The world of a seed."""
    random = np.random.default_rng([seed, 13])
    sellers = Sellers.of(random, 48)
    orders = book(random, sellers)
    remote = random.choice(4, (len(NAMES), PLACES), p=[0.8, 0.07, 0.07, 0.06])
    remote[[NAMES.index(name) for name in ("AS", "JK")], 6:] = 2
    orders["remote"] = remote[orders["state"], orders["place"]]
    was = state(random, 48, 1, 0, None)
    real = {name: day[:, 0] for name, day in carry(sellers, orders, was, 0, random).items()}
    ends(real, orders["cash"], random)
    real["cancelled"] += orders["day"] + orders["hour"] / 24
    count, who, where = len(orders["day"]), orders["seller"], orders["state"]
    ids = np.array([f"IN{row:06d}" for row in range(count)])
    heads = [STATES[name][0].split() for name in NAMES]
    zones = np.full(count, ZONE)
    shipments = pd.DataFrame({
        "shipment_id": ids,
        "ordered_at": utc(FIRST, orders["day"] + orders["hour"] / 24, zones),
        "origin": [f"{heads[sellers.state[one]][0]}{900 + one}" for one in who],
        "origin_country": "IN",
        "origin_region": np.array(NAMES)[sellers.state[who]],
        "destination": [
            f"{heads[a][b % len(heads[a])]}{b + 1:03d}"
            for a, b in zip(where, orders["place"], strict=True)
        ],
        "destination_country": "IN",
        "destination_region": np.array(NAMES)[where],
        "destination_time_zone": ZONE,
        "carrier": CARRIERS[sellers.carrier[who]],
        "service": np.where(orders["air"] == 1, "air", "surface"),
        "payment": np.where(orders["cash"] == 1, "cash", "paid"),
    })  # fmt: skip

    def draw(rows: Ints, day: int, again: Random, *, knows: bool) -> Floats:
        known = state(again, 48, DRAWS, day, was if knows else None)
        asked = {name: value[rows] for name, value in orders.items()}
        return carry(sellers, asked, known, day, again)["delivered"]

    never = np.where(orders["cash"] == 1, 0.24**3 + REFUSED, 0.07**3)
    return World(
        name="india_marketplace",
        shipments=shipments,
        scans=scans_of(FIRST, ids, [(name, day, zones) for name, day in real.items()]),
        first=FIRST,
        zone=ZONE,
        judged=JUDGED,
        days=drawn(orders["day"], draw),
        arrives=(1 - never) * (1 - LOST),
        calendars=CALENDARS,
        holidays=[*sorted(RESTS), date(2025, 1, 26)],
        categorical=("payment",),
    )
