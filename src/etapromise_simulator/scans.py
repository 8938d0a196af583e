"""What the carriers' scanners record: one scan for each thing that happens to a parcel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etapromise.tracking.contract import STATUSES
from etapromise_simulator.clockwork import NOT, Moments
from etapromise_simulator.journey import ATTEMPTS, Journeys
from etapromise_simulator.network import Network
from etapromise_simulator.stages import BY_PARTNER
from etapromise_simulator.workdays import Booleans, Integers

HOUR = 3_600
DAY = 24 * HOUR

LOST_IS_TOLD = 0.45  # of the lost parcels; one in six more is reported damaged, the rest is silence
DAMAGE_IS_TOLD = 0.60
DELAY_IS_TOLD = 0.6
STRAY_EXCEPTION = 0.01


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Scans as they were made, before a vendor had them; all arrays have shape `(scans,)`."""

    parcel: Integers
    second: Integers
    status: Integers
    """Number in `STATUSES`."""
    facility: Integers
    """Number in `Facilities.names`."""
    courier: Integers


class Facilities:
    """Numbers, names and time zones of the places where scans are made."""

    def __init__(self, network: Network) -> None:
        places = network.places
        area_region = places.hub_region[places.area_hub]
        self.names: tuple[str, ...] = (
            *places.warehouse_name,
            *places.hub_name,
            *(f"{prefix} DEPOT" for prefix in places.area_prefix),
            *(f"{prefix} RURAL DEPOT" for prefix in places.area_prefix),
        )
        regions = np.concatenate(
            [places.warehouse_region, places.hub_region, area_region, area_region]
        )
        self.zone: Integers = places.region_zone[regions]
        self._hub = len(places.warehouse_name)
        self._depot = self._hub + len(places.hub_name)
        self._rural = self._depot + len(places.area_prefix)

    def hub(self, hub: Integers) -> Integers:
        """Number of a hub."""
        return self._hub + hub

    def depot(self, area: Integers, partner: Booleans) -> Integers:
        """Number of the depot of an area, the carrier's or the partner's."""
        return np.where(partner, self._rural, self._depot) + area


class _Recorder:
    """Collects scans; a moment that is `NOT`, or not `where`, makes none."""

    def __init__(self) -> None:
        self._parts: list[tuple[Integers, ...]] = []

    def scan(
        self,
        status: str,
        moment: Integers,
        facility: Integers,
        courier: Integers,
        where: Booleans | None = None,
    ) -> None:
        happens = moment != NOT
        if where is not None:
            happens = happens & where
        parcel = np.flatnonzero(happens)
        number = np.full(len(parcel), STATUSES.index(status))
        self._parts.append((parcel, moment[parcel], number, facility[parcel], courier[parcel]))

    def recorded(self) -> Recorded:
        parcel, second, status, facility, courier = (
            np.concatenate(column) for column in zip(*self._parts, strict=True)
        )
        return Recorded(
            parcel=parcel, second=second, status=status, facility=facility, courier=courier
        )


def record(
    network: Network,
    facilities: Facilities,
    area: Integers,
    journeys: Journeys,
    moments: Moments,
    rng: np.random.Generator,
) -> Recorded:
    """Every scan of the parcels' journeys; `area` is the destination's."""
    route, places = journeys.route, network.places
    own, last_mile = route.own, route.courier
    origin_hub = facilities.hub(
        np.searchsorted(places.hub_region, places.warehouse_region[route.warehouse])
    )
    hub = facilities.hub(route.hub)
    middle_hub = facilities.hub(rng.integers(0, len(places.hub_name), len(own)))
    depot = facilities.depot(area, route.path == BY_PARTNER)
    at_depot = np.where(moments.depot == NOT, hub, depot)
    delivered_by = np.where(journeys.lost, own, last_mile)
    scans = _Recorder()

    scans.scan("label_created", moments.label, route.warehouse, own)
    scans.scan("picked_up", moments.picked_up, route.warehouse, own)
    way = moments.arrived - moments.picked_up
    scans.scan("arrived", moments.picked_up + np.minimum(way * 3 // 20, 2 * HOUR), origin_hub, own)
    left = moments.picked_up + np.minimum(way * 7 // 20, 6 * HOUR)
    scans.scan("departed", left, origin_hub, own)
    _record_linehaul(scans, journeys, left, moments.arrived - left, middle_hub, rng)

    here = ~journeys.lost
    scans.scan("arrived", moments.arrived, hub, own, here)
    # Customs have the parcel from its arrival on, and say so a little later.
    held = np.where(moments.cleared == NOT, NOT, moments.arrived + 6 * 60)
    scans.scan("customs_hold", held, hub, own)
    scans.scan("customs_cleared", moments.cleared, hub, own)
    scans.scan("transferred", moments.transferred, hub, last_mile)
    scans.scan("arrived", moments.depot, depot, last_mile)
    for number in range(ATTEMPTS):
        attempt = moments.attempt[:, number]
        scans.scan("out_for_delivery", moments.out[:, number], at_depot, last_mile)
        failed = attempt != moments.delivered
        scans.scan("attempted", attempt, at_depot, last_mile, failed)
    scans.scan("available_for_pickup", moments.available, at_depot, last_mile)
    scans.scan("delivered", moments.delivered, at_depot, last_mile)

    never_tried = moments.attempt[:, 0] == NOT
    scans.scan(
        "exception",
        moments.returning - HOUR // 2,
        at_depot,
        delivered_by,
        never_tried & (moments.returning != NOT),
    )
    scans.scan("returning", moments.returning, at_depot, delivered_by)
    on_the_way = np.where(
        moments.returning == NOT, NOT, (moments.returning + moments.returned) // 2
    )
    scans.scan("in_transit", on_the_way, origin_hub, delivered_by)
    scans.scan("returned", moments.returned, route.warehouse, delivered_by)
    return scans.recorded()


def _record_linehaul(
    scans: _Recorder,
    journeys: Journeys,
    left: Integers,
    way: Integers,
    middle: Integers,
    rng: np.random.Generator,
) -> None:
    """Between the first hub and the last: stops on long ways, delays, and losses."""
    own, lost = journeys.route.own, journeys.lost
    chance = rng.random((5, len(own)))
    # A lost parcel is last seen on one of these scans.
    seen = ~lost | (chance[0] < 0.5)
    scans.scan("arrived", left + way * 2 // 5, middle, own, (way > 30 * HOUR) & seen)
    scans.scan("departed", left + way // 2, middle, own, (way > 30 * HOUR) & seen)
    scans.scan("in_transit", left + way * 3 // 4, middle, own, (way > 80 * HOUR) & ~lost)
    told = journeys.slow & ~lost & (chance[1] < DELAY_IS_TOLD)
    scans.scan("delayed", left + way * 4 // 5, middle, own, told)
    stray = ~lost & (chance[2] < STRAY_EXCEPTION)
    scans.scan("exception", left + way * 3 // 5, middle, own, stray)
    gone_for = left + DAY * 15 + (chance[3] * DAY * 15).astype(np.int64)
    scans.scan("lost", gone_for, middle, own, lost & (chance[4] < LOST_IS_TOLD))
    broken = left + way + (chance[3] * DAY * 3).astype(np.int64)
    is_damage = (chance[4] >= LOST_IS_TOLD) & (chance[4] < DAMAGE_IS_TOLD)
    scans.scan("damaged", broken, middle, own, lost & is_damage)
