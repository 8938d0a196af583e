"""What a simulated network is to be like: sizes, strengths and the events planted in it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from etapromise.errors import ContractError
from etapromise_simulator.geography import REGIONS

SERVICES = ("economy", "ground", "express")
"""The services that a simulated carrier can offer, slowest first."""

MAXIMUM_DAYS = 3 * 366


@dataclass(frozen=True, kw_only=True)
class CarrierCollapse:
    """A carrier's legs that start in `[start, end)` take `slowdown` times as long.

    `lost_share` is the probability, on top of the usual one, that such a parcel is lost. Days
    are counted in the network's calendar (the date of the place where the leg starts).
    """

    carrier: str
    start: date
    end: date
    slowdown: float = 2.0
    lost_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CarrierStart:
    """A carrier that gets no order before `start`."""

    carrier: str
    start: date


@dataclass(frozen=True, kw_only=True)
class RegionalDisruption:
    """Legs from, to or in a region that start in `[start, end)` take `slowdown` times as long."""

    region: str
    start: date
    end: date
    slowdown: float = 1.8


@dataclass(frozen=True, kw_only=True)
class VendorCodeChange:
    """From `start` (UTC) on, a vendor writes every status code with `prefix` before it.

    Without `/` and `:` in the prefix, which part a coarse code from a finer one, nobody can read
    the new codes.
    """

    vocabulary: str
    start: date
    prefix: str = "v2."


@dataclass(frozen=True, kw_only=True)
class WrongZone:
    """Scans of a carrier in `[start, end)` (UTC) carry local wall-clock time marked as UTC."""

    carrier: str
    start: date
    end: date


Planted: TypeAlias = (
    CarrierCollapse | CarrierStart | RegionalDisruption | VendorCodeChange | WrongZone
)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A simulated parcel network and the extract taken from it.

    The same configuration gives the same rows. Another `seed` gives another *network*: other
    speeds, working weeks, cut-offs, drifts and disruptions, not only other luck. A longer `days`
    or a later `extract_end` leaves everything before them as it was, and planted events leave
    the network around them as it was.

    Attributes:
        seed: Everything random follows from it.
        start: First date of orders, in the warehouses' local time.
        days: Number of dates with orders.
        shipments_per_day: Parcels a day before the peak season (which adds up to 80 %).
        carriers: Names; the working week, speed and habits of each are drawn.
        services: A subset of `SERVICES`.
        countries: A subset of the countries of `geography.REGIONS`.
        regions: A subset of the regions of those countries; all of them by default.
        areas_per_region: Postcode prefixes in a region.
        warehouses: Number of warehouses; each country has one at least.
        extract_end: Zone-aware end of the extract: later orders, and scans received later, are
            not in it. By default midnight UTC after the last date of orders.
        drift: Strength of the slow drift; 1 means 10 to 20 % over a year, 0 none.
        peak: Strength of the peak season before Christmas; 0 is none.
        disruptions: Strength in number of regional disruptions; 1 means one a year and region.
        lost_share: Share of parcels that get lost, about.
        returned_share: Share of parcels that come back to the sender, about.
        rural_share: Share of parcels to rural areas, about.
        scan_noise: Strength of late, doubled and missing scans; 0 is a perfect feed.
        several_parcels_share: Share of orders with two or three parcels.
        planted: Events at known dates.

    Raises:
        ContractError: A value is out of its range, or a planted event names what does not exist.
    """

    seed: int = 0
    start: date = date(2025, 2, 3)
    days: int = 330
    shipments_per_day: float = 60.0
    carriers: tuple[str, ...] = ("acme", "birdpost", "corvid", "dromedary")
    services: tuple[str, ...] = ("ground", "express")
    countries: tuple[str, ...] = ("US", "CA")
    regions: tuple[str, ...] = ()
    areas_per_region: int = 10
    warehouses: int = 5
    extract_end: datetime | None = None
    drift: float = 1.0
    peak: float = 1.0
    disruptions: float = 1.0
    lost_share: float = 0.005
    returned_share: float = 0.015
    rural_share: float = 0.15
    scan_noise: float = 1.0
    several_parcels_share: float = 0.10
    planted: tuple[Planted, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        self._check_numbers()
        self._check_names()
        for event in self.planted:
            self._check_planted(event)
        if self.extract_end is not None and self.extract_end.tzinfo is None:
            raise ContractError(
                f"extract_end is {self.extract_end.isoformat()}, without a time zone; "
                "give a zone-aware time, such as one in UTC."
            )

    @property
    def end(self) -> date:
        """The date after the last one with orders."""
        return self.start + timedelta(days=self.days)

    @property
    def extract_ends_at(self) -> datetime:
        """The end of the extract in UTC."""
        if self.extract_end is None:
            return datetime.combine(self.end, time(), UTC)
        return self.extract_end.astimezone(UTC)

    @property
    def region_codes(self) -> tuple[str, ...]:
        """The regions of the network, in the order of `geography.REGIONS`."""
        return tuple(
            region.code
            for region in REGIONS
            if region.country in self.countries
            and (not self.regions or region.code in self.regions)
        )

    def _check_numbers(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "seed": (0, 2**63),
            "days": (1, MAXIMUM_DAYS),
            "shipments_per_day": (0.01, 1e6),
            "areas_per_region": (3, 15),
            "warehouses": (len(self.countries), 14),
            "drift": (0, 5),
            "peak": (0, 3),
            "disruptions": (0, 10),
            "lost_share": (0, 0.2),
            "returned_share": (0, 0.2),
            "rural_share": (0, 0.9),
            "scan_noise": (0, 5),
            "several_parcels_share": (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ContractError(
                    f"NetworkConfig.{name} is {value}; it must be in {low:g} … {high:g}."
                )

    def _check_names(self) -> None:
        known: dict[str, set[str]] = {
            "services": set(SERVICES),
            "countries": {region.country for region in REGIONS},
            "regions": {r.code for r in REGIONS if r.country in self.countries},
        }
        for name in ("carriers", "services", "countries", "regions"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ContractError(f"NetworkConfig.{name} names one twice: {values}.")
            unknown = set(values) - known.get(name, set(values))
            if unknown:
                raise ContractError(
                    f"NetworkConfig.{name} has {sorted(unknown)}; "
                    f"it can have {sorted(known[name])}."
                )
            if not values and name != "regions":
                raise ContractError(f"NetworkConfig.{name} is empty; name one at least.")
        empty = set(self.countries) - {
            region.country for region in REGIONS if region.code in self.region_codes
        }
        if empty:
            raise ContractError(
                f"NetworkConfig.regions leaves {sorted(empty)} without a region; "
                "name one of each country, or leave the country out."
            )

    def _check_planted(self, event: Planted) -> None:
        kinds: dict[str, tuple[str, ...]] = {
            "carrier": self.carriers,
            "region": self.region_codes,
        }
        for part in fields(event):
            value = getattr(event, part.name)
            if part.name in kinds and value not in kinds[part.name]:
                raise ContractError(
                    f"{event} names the {part.name} {value!r}; "
                    f"the network has {list(kinds[part.name])}."
                )
        if not isinstance(event, CarrierStart | VendorCodeChange) and event.end <= event.start:
            raise ContractError(f"{event} ends before it starts; the end comes after the start.")
        if isinstance(event, CarrierCollapse | RegionalDisruption) and not (
            1 / 3 <= event.slowdown <= 3
        ):
            raise ContractError(f"{event} has a slowdown out of 1/3 … 3; choose one inside.")
        if isinstance(event, CarrierCollapse) and not 0 <= event.lost_share <= 0.5:
            raise ContractError(f"{event} has a lost_share out of 0 … 0.5; choose one inside.")
        starts = [e for e in self.planted if isinstance(e, CarrierStart) and e.start > self.start]
        if {e.carrier for e in starts} >= set(self.carriers):
            raise ContractError(
                "Every carrier starts after the first order; let one be there from the start."
            )
