"""The feed of scans that a shop gets: in vendors' codes, late, doubled, and with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from etapromise.tracking.contract import STATUSES
from etapromise_simulator.config import VendorCodeChange, WrongZone
from etapromise_simulator.journey import ATTEMPTS, NOT, Journeys, Moments
from etapromise_simulator.network import Network
from etapromise_simulator.stages import BY_PARTNER
from etapromise_simulator.vendors import CODES, VENDORS
from etapromise_simulator.workdays import DAY, Booleans, Floats, Integers

# What the carriers' scanners record: one scan for each thing that happens to a parcel.

HOUR = 3_600

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


# P(a scan is not made or does not come through) at noise 1. What closes a parcel always comes.
MISSING = {
    "label_created": 0.03,
    "picked_up": 0.02,
    "in_transit": 0.06,
    "arrived": 0.06,
    "departed": 0.06,
    "customs_hold": 0.10,
    "customs_cleared": 0.04,
    "out_for_delivery": 0.05,
}
HOURS_LATE, DAYS_LATE, DOUBLED, WITHOUT_FACILITY = 0.10, 0.02, 0.02, 0.03
USUAL_DELAY = 240.0  # seconds, on average
MICROSECOND = 1_000_000


class Feed:
    """Turns scans as they were made into rows of the scans table."""

    def __init__(self, network: Network, facilities: Facilities) -> None:
        self._network = network
        self._facilities = facilities
        self._codes = [code for vendor in VENDORS for s in CODES[vendor].values() for code in s]
        self._vocabulary = np.empty((len(VENDORS), len(STATUSES)), dtype=np.int64)
        self._first = np.full((len(VENDORS), len(STATUSES)), -1, dtype=np.int64)
        self._variants = np.zeros((len(VENDORS), len(STATUSES)), dtype=np.int64)
        for number, vendor in enumerate(VENDORS):
            for status_number, status in enumerate(STATUSES):
                teller, word = _told_as(vendor, status)
                self._vocabulary[number, status_number] = VENDORS.index(teller)
                codes = CODES[teller].get(word, ())
                self._variants[number, status_number] = len(codes)
                if codes:
                    self._first[number, status_number] = self._position(teller, word)
        self._vendor = np.array([VENDORS.index(name) for name in network.couriers.vendor])
        self._missing = np.array([MISSING.get(status, 0.0) for status in STATUSES])
        self._changes = [e for e in network.config.planted if isinstance(e, VendorCodeChange)]
        self._wrong = [e for e in network.config.planted if isinstance(e, WrongZone)]

    def table(
        self, recorded: Recorded, ids: pa.Array, wanted: Booleans, rng: np.random.Generator
    ) -> pa.Table:
        """The rows received until the end of the extract, by time of receipt.

        Args:
            recorded: Scans as they were made.
            ids: Shipment id of every parcel.
            wanted: Whether a parcel is in the extract.
            rng: For everything that is drawn here; draws do not depend on the extract's end.
        """
        noise = self._network.config.scan_noise
        chance = rng.random((3, len(recorded.parcel)))
        vendor = self._vendor[recorded.courier]
        kept = self._variants[vendor, recorded.status] > 0
        kept &= chance[0] >= np.minimum(noise * self._missing[recorded.status], 1.0)
        variant = chance[1] * self._variants[vendor, recorded.status]
        code = self._first[vendor, recorded.status] + variant.astype(np.int64)
        vocabulary = self._vocabulary[vendor, recorded.status]
        facility = np.where(chance[2] < noise * WITHOUT_FACILITY, -1, recorded.facility)
        received = recorded.second + self._delays(len(kept), rng)
        again = kept & (rng.random(len(kept)) < noise * DOUBLED)
        echo = received + rng.exponential(3 * 3600.0, len(kept)).astype(np.int64)

        rows = np.concatenate([np.flatnonzero(kept), np.flatnonzero(again)])
        received = np.concatenate([received[kept], echo[again]])
        inside = wanted[recorded.parcel[rows]] & (received <= self.extract_second)
        rows, received = rows[inside], received[inside]
        order = np.lexsort((rows, received))
        rows, received = rows[order], received[order]
        written = self._written(recorded, rows)
        codes = self._changed(code[rows], vocabulary[rows], recorded.second[rows])
        return pa.table(
            {
                "shipment_id": ids.take(pa.array(recorded.parcel[rows])),
                "scanned_at": microseconds(self._network, written),
                "received_at": microseconds(self._network, received),
                "status": texts(self._all_codes(), codes),
                "facility": texts(self._facilities.names, facility[rows]),
                "carrier": texts(self._network.couriers.names, recorded.courier[rows]),
                "vocabulary": texts(VENDORS, vocabulary[rows]),
            }
        )

    def _position(self, vendor: str, status: str) -> int:
        before = 0
        for name in VENDORS:
            for word, codes in CODES[name].items():
                if (name, word) == (vendor, status):
                    return before
                before += len(codes)
        return -1

    def _delays(self, count: int, rng: np.random.Generator) -> Integers:
        """Seconds from the scan to its receipt: minutes, sometimes hours, seldom two days."""
        noise = self._network.config.scan_noise
        kind = rng.random(count)
        hours = rng.uniform(0.5, 6.0, count) * 3600
        days = rng.uniform(0.25, 2.0, count) * DAY
        delay: Floats = rng.exponential(USUAL_DELAY, count) * min(noise, 1.0)
        delay = np.where(kind < noise * (HOURS_LATE + DAYS_LATE), hours, delay)
        delay = np.where(kind < noise * DAYS_LATE, days, delay)
        return delay.astype(np.int64)

    def _second(self, when: date) -> int:
        return self._network.days.number(when) * DAY

    @property
    def extract_second(self) -> int:
        """The end of the extract in seconds of the simulation."""
        ends = self._network.config.extract_ends_at
        clock = ends.hour * 3600 + ends.minute * 60 + ends.second
        return self._second(ends.date()) + clock

    def _written(self, recorded: Recorded, rows: Integers) -> Integers:
        """The scan times as the vendor writes them: in a planted week, in the wrong zone."""
        second, courier = recorded.second[rows], recorded.courier[rows]
        written = second
        for event in self._wrong:
            concerned = np.array([name == event.carrier for name in self._network.couriers.names])
            hit = concerned[courier] & (second >= self._second(event.start))
            hit &= second < self._second(event.end)
            zone = self._facilities.zone[recorded.facility[rows]]
            written = np.where(hit, self._network.clocks.local(zone, second), written)
        return written

    def _changed(self, code: Integers, vocabulary: Integers, second: Integers) -> Integers:
        """Codes as numbers in `_all_codes`, after planted changes; the last change counts."""
        changed = code
        for number, event in enumerate(self._changes, start=1):
            hit = np.array([name == event.vocabulary for name in VENDORS])[vocabulary]
            hit &= second >= self._second(event.start)
            changed = np.where(hit, code + number * len(self._codes), changed)
        return changed

    def _all_codes(self) -> list[str]:
        prefixes = ["", *(event.prefix for event in self._changes)]
        return [prefix + code for prefix in prefixes for code in self._codes]


def _told_as(vendor: str, status: str) -> tuple[str, str]:
    """Who tells a status in which word, where the vendor has none for it.

    A failed attempt is told by the carrier itself, in standard words, so that a first attempt can
    always be seen. A parcel that is back with its sender is told as delivered, as vendors do.
    Anything else is not told.
    """
    if status not in CODES[vendor] and status == "attempted":
        return "standard", status
    if status not in CODES[vendor] and status == "returned":
        return vendor, "delivered"
    return vendor, status


def microseconds(network: Network, second: Integers) -> pa.Array:
    """Seconds of a simulation as UTC timestamps."""
    first = np.datetime64(network.days.first, "s").astype(np.int64)
    return pa.array((second + first) * MICROSECOND).cast(pa.timestamp("us", tz="UTC"))


def texts(values: tuple[str, ...] | list[str], number: Integers) -> pa.Array:
    """Texts by number; -1 is missing."""
    missing = number < 0
    indices = pa.array(number.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values)).dictionary_decode()
