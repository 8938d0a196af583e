"""The rules in a calendar file: what each of its tables says of a shop, a carrier or a place."""

from __future__ import annotations

from dataclasses import dataclass

from etapromise.calendars.calendar_values import Cutoff, Days, Week


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Days on which no order is handled.

    Attributes:
        days: first and last dates, origin-local.
        origin: the warehouse; None is the whole company.
    """

    days: Days
    origin: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Blackout:
    """Days on which nothing is delivered; what is None is not asked about.

    Attributes:
        days: first and last dates, destination-local.
        carrier: the carrier, at all its services unless one is named.
        service: one service of the carrier.
        region: of the destination, within the country.
    """

    days: Days
    carrier: str | None = None
    service: str | None = None
    country: str | None = None
    region: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class CarrierRule:
    """What a carrier does at one service, or at all where none is named.

    Attributes:
        delivers: the days of its week, Monday first; None leaves it to the scans.
        delivers_on_holidays: whether it does; None leaves it to the scans.
        extra_days: dates on which it delivers for once, whatever its week and the holidays say.
        half_days: dates on which it delivers half of what it does on another day.
        pickups: minutes after local midnight at which it fetches parcels from the warehouse.
        pickup_days: the days on which it fetches; None takes the days of a warehouse.
        origin: the warehouse that the pick-ups are of; None is any.
    """

    carrier: str
    service: str | None = None
    delivers: Week | None = None
    delivers_on_holidays: bool | None = None
    extra_days: Days = ()
    half_days: Days = ()
    pickups: tuple[int, ...] = ()
    pickup_days: Week | None = None
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class WarehouseRule:
    """How a warehouse works; where no origin is named, how every other one does.

    Attributes:
        works: the days of its week; None leaves it to the scans.
        works_on_holidays: whether it does; None leaves it to the scans.
        extra_days: dates on which it works for once, whatever its week and the holidays say.
        half_days: dates on which half of a day's work is done.
        cutoffs: ascending on every weekday and date; the scans tell those of the week without any.
        country: whose holidays it keeps; None takes the shipments' `origin_country`.
        region: likewise.
        time_zone: IANA name, of this warehouse alone; None takes what region and country say.
    """

    origin: str | None = None
    works: Week | None = None
    works_on_holidays: bool | None = None
    extra_days: Days = ()
    half_days: Days = ()
    cutoffs: tuple[Cutoff, ...] = ()
    country: str | None = None
    region: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class DestinationRule:
    """On which days anybody delivers in a country or in one of its regions, and its zone."""

    country: str
    region: str | None = None
    delivers: Week | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class HolidayRule:
    """Days that are holidays too, and days that are none, in a country or one of its regions."""

    country: str
    region: str | None = None
    extra: Days = ()
    dropped: Days = ()
