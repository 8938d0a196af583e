"""What the networks by another hand share: a world, days of work, scans, draws of the truth.

Time is counted in days, with a fraction, from a world's first local midnight on; NaN is never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Random = np.random.Generator

DRAWS = 300
AHEAD = 90  # days of calendars and of drawn futures beyond the last order


@dataclass(frozen=True, kw_only=True)
class World:
    """An order book, its scans, and what can become of an order.

    Attributes:
        name: Of the network.
        shipments: One row an order.
        scans: Of all times.
        first: Its day 0.
        zone: Of the months that are walked.
        judged: First and last local date whose orders are forecast.
        days: (n, DRAWS) the local day of delivery of the orders at some positions, drawn from what
            was the state of the world when each was placed; or, where that is not known, from any.
        arrives: (n,) how likely each order arrives at all; draws are of those that do.
        calendars: What such a shop would know of its own calendar, as `docs/calendars.toml`.
        categorical: Further columns of orders to learn from.
        holidays: Local dates near which a forecast is told by itself.
    """

    name: str
    shipments: pd.DataFrame
    scans: pd.DataFrame
    first: date
    zone: str
    judged: tuple[date, date]
    days: Callable[..., Ints]
    arrives: Floats
    holidays: Sequence[date]
    calendars: str
    categorical: tuple[str, ...] = ()


class Workdays:
    """Days on which each of some places works, and how to get on among them."""

    def __init__(self, works: Mask) -> None:
        """From (places, days)."""
        count = works.sum(axis=1)
        self.works = works
        self.before = np.cumsum(works, axis=1) - works
        self.day = np.full((len(works), int(count.max())), works.shape[1] - 1)
        for place, row in enumerate(works):
            self.day[place, : count[place]] = np.flatnonzero(row)

    def after(self, place: Any, day: Any, count: Any = 0) -> Ints:
        """The working day on or after `day`, and `count` working days on."""
        within = np.minimum(day, self.works.shape[1] - 1)
        rank = self.before[place, within] + count
        return self.day[place, np.minimum(rank, self.day.shape[1] - 1)]


def dates(first: date, days: int) -> list[date]:
    """All dates of a world."""
    return [first + timedelta(days=day) for day in range(days)]


def weekdays(first: date, days: int, wanted: Sequence[int], but: Sequence[date] = ()) -> Mask:
    """(days,) whether each is one of the weekdays (0 is Monday) and no holiday."""
    return np.array([one.weekday() in wanted and one not in but for one in dates(first, days)])


def dates_in(text: str) -> list[date]:
    """Dates of a line."""
    return [date.fromisoformat(day) for day in text.split()]


def wander(random: Random, start: Floats, days: int, keep: float, shock: float) -> Floats:
    """(paths, days, ...) of what goes back to 0 by and by, each from its own start (paths, ...)."""
    out = np.empty((len(start), days, *start.shape[1:]))
    out[:, 0] = start
    for day in range(1, days):
        out[:, day] = keep * out[:, day - 1] + random.normal(0, shock, start.shape)
    return out


def spells(random: Random, start: Mask, days: int, begin: Any, stay: Any) -> Mask:
    """(paths, days, ...) of what begins by chance, and goes on by chance, each from its start.

    `begin` and `stay` are chances; `begin` may be of (days,).
    """
    out = np.empty((len(start), days, *start.shape[1:]), bool)
    out[:, 0] = start
    begins = np.broadcast_to(begin, days)
    for day in range(1, days):
        chance = np.where(out[:, day - 1], stay, begins[day])
        out[:, day] = random.random(start.shape) < chance
    return out


def utc(first: date, day: Floats, zones: NDArray[Any]) -> pd.Series:
    """Moments of days in local time, (n,) zones."""
    local = pd.Series(
        np.datetime64(first, "s") + (np.nan_to_num(day) * 86400).astype("timedelta64[s]")
    )
    out = pd.Series(pd.NaT, index=local.index, dtype="datetime64[ns, UTC]")
    for zone in np.unique(zones.astype(str)):
        at = zones == zone
        told = local[at].dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        out[at] = told.dt.tz_convert("UTC")
    return out.where(~np.isnan(day))


def scans_of(
    first: date, ids: NDArray[Any], events: Sequence[tuple[str, Floats, NDArray[Any]]]
) -> pd.DataFrame:
    """The table of scans: of each status, its (n,) local days and their zones."""
    parts = [
        pd.DataFrame({"shipment_id": ids, "scanned_at": utc(first, day, zones), "status": status})
        for status, day, zones in events
    ]
    return pd.concat(parts).dropna(subset="scanned_at").reset_index(drop=True)


def drawn(ordered: Ints, draw: Callable[..., Floats]) -> Callable[..., Ints]:
    """Draws of the truth; `draw` gives (n, DRAWS) deliveries of orders of one day."""

    def days(rows: Ints, *, knows: bool) -> Ints:
        out = np.empty((len(rows), DRAWS), np.int64)
        for day in np.unique(ordered[rows]):
            at = np.flatnonzero(ordered[rows] == day)
            random = np.random.default_rng([int(day), 7, knows])
            out[at] = np.floor(draw(rows[at], int(day), random, knows=knows)).astype(np.int64)
        return out

    return days
