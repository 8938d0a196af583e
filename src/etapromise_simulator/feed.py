"""The feed of scans that a shop gets: in vendors' codes, late, doubled, and with gaps."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from etapromise.tracking.contract import STATUSES
from etapromise_simulator.config import VendorCodeChange, WrongZone
from etapromise_simulator.network import Network
from etapromise_simulator.scans import Facilities, Recorded
from etapromise_simulator.vendors import CODES, VENDORS
from etapromise_simulator.workdays import DAY, Booleans, Floats, Integers

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
