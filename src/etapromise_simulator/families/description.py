"""The words in which a family of networks is described.

A parcel is made ready, waits for a truck, and then passes stages. On each day on which a stage
works, each parcel in it goes on with the same probability, so that a slow day slows whatever is
there that day: another law than that of `etapromise_simulator.stages`, on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from etapromise.errors import ContractError

_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONDAY_TO_FRIDAY: Final = "Mon Tue Wed Thu Fri"
MONDAY_TO_SATURDAY: Final = "Mon Tue Wed Thu Fri Sat"


def weekdays(week: str) -> tuple[bool, ...]:
    """A week of three-letter names as seven answers, Monday first."""
    unknown = set(week.split()) - set(_NAMES)
    if unknown or not week:
        raise ContractError(f"Found the week {week!r}; expected some of {' '.join(_NAMES)}.")
    return tuple(name in week.split() for name in _NAMES)


@dataclass(frozen=True, kw_only=True)
class Warehouse:
    """Where parcels are made ready, around the clock; trucks take them away at hours of the day.

    Attributes:
        name: Its postcode.
        hours: Median time until a parcel is ready, with no queue, at noon.
        spread: Standard deviation of the time's logarithm.
        night: How many times as long it takes at midnight as at noon.
        load: By how much a queue of one day's orders makes it longer.
        trucks: Hours of the local day at which a truck leaves.
        week: The days on which trucks leave.
    """

    name: str
    hours: float
    spread: float = 0.4
    night: float = 1.0
    load: float = 0.3
    trucks: tuple[float, ...] = (17.0,)
    week: str = MONDAY_TO_FRIDAY


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A place where parcels wait until they go on.

    Attributes:
        daily: Probability to go on, of each parcel on each working day.
        minimum: Working days that pass before it can.
        distance: Whether far destinations take more working days.
        week: Its working days; empty means those of its carrier. Of several, each region has one.
        status: What the scan says that tells of its end.
    """

    daily: float
    minimum: int = 0
    distance: bool = False
    week: str | tuple[str, ...] = ""
    status: str = "arrived"


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A carrier.

    Attributes:
        name: Of the carrier.
        services: By name, the stages of a parcel; the last ends with the delivery.
        week: Its working days.
        weeks_from: Later weeks, each from a date on.
        share: Of the parcels, relative to other carriers.
        lost: Probability of a parcel to be lost after its pick-up.
        wobble: Strength of the slow ups and downs of its pace.
    """

    name: str
    services: Mapping[str, tuple[Stage, ...]]
    week: str = MONDAY_TO_FRIDAY
    weeks_from: tuple[tuple[date, str], ...] = ()
    share: float = 1.0
    lost: float = 0.004
    wobble: float = 0.10


@dataclass(frozen=True, kw_only=True)
class Spell:
    """From `start` to the day before `end` everything goes at `pace` times its usual pace."""

    start: date
    end: date
    pace: float
    carrier: str = ""
    region: int | None = None


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """From `start` to the day before `end` there are `times` as many orders."""

    start: date
    end: date
    times: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """Networks of one build; a seed makes one of them, another seed a sibling.

    Attributes:
        name: In words.
        settings: True: to choose settings on. False: to tell results on, nothing else.
        zone: IANA time zone of the whole network.
        country: Its code.
        warehouses: At least one.
        carriers: At least one.
        service_shares: How often customers take a service, relative to others; 1 by default.
        regions: How many.
        areas: Postcodes in a region.
        far: Most working days that distance adds.
        uneven: Standard deviation of the logarithm of a lane's own pace.
        orders_per_day: On a usual day.
        start: First local date of orders.
        days: Dates with orders.
        judged_days: The last of them, which are forecast.
        spells: Fast and slow times.
        campaigns: Times of many orders.
        capacity: Orders that a warehouse can handle on a day, in usual days' orders.
        closed: Dates on which no truck leaves, and no stage works but one with a week of its own.
        seeds: Networks to draw where one tells little.
    """

    name: str
    settings: bool
    warehouses: tuple[Warehouse, ...]
    carriers: tuple[Carrier, ...]
    zone: str
    country: str
    service_shares: Mapping[str, float] = field(default_factory=dict)
    regions: int = 12
    areas: int = 8
    far: int = 3
    uneven: float = 0.25
    orders_per_day: float = 60.0
    start: date = date(2024, 9, 2)
    days: int = 330
    judged_days: int = 90
    spells: tuple[Spell, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    capacity: float = 1.25
    closed: tuple[date, ...] = ()
    seeds: tuple[int, ...] = (0,)

    @property
    def end(self) -> date:
        """The date after the last one with orders."""
        return self.start + timedelta(days=self.days)

    @property
    def judged_from(self) -> date:
        """The first date of orders that are forecast."""
        return self.end - timedelta(days=self.judged_days)

    def __post_init__(self) -> None:
        """Refuse what no parcel could pass."""
        for carrier in self.carriers:
            for service, stages in carrier.services.items():
                if stages[0].minimum < 1:
                    raise ContractError(
                        f"{carrier.name} {service} starts with a stage of no day; expected a "
                        "minimum of at least one after the truck has left."
                    )
