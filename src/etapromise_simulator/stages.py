"""The law of every stage of a journey.

Journeys are drawn from this one description, and the truth is computed from it.

A stage that starts on day `d` takes a whole number of working days of whoever works on it, with a
median that is a known function of `d`. All functions broadcast over their arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etapromise_simulator.network import Network
from etapromise_simulator.places import METRO, OUTLYING
from etapromise_simulator.workdays import Booleans, Floats, Integers, Numbers

# Discrete durations: how many working days one stage of a journey takes.


@dataclass(frozen=True)
class Duration:
    """A log-logistic duration cut into whole days and limited to `size` values from `first` on.

    `P(days ≤ first + j) ∝ 1 / (1 + (median / (j + edge)) ** sharpness)`, scaled so that the last
    value has probability 1. The log-logistic has the heavy right tail of real transit times and a
    distribution function without special functions, so that a simulation draws from exactly the
    table that the truth is computed from.
    """

    size: int
    first: int
    edge: float
    sharpness: float

    def cdf(self, median: ArrayLike, sharpness: ArrayLike | None = None) -> NDArray[np.float64]:
        """`P(days ≤ first + j)`, shape `(*median.shape, size)`; the last value is exactly 1.

        A `sharpness` of the shape of `median` takes the place of the usual one.
        """
        power = np.asarray(self.sharpness if sharpness is None else sharpness)[..., None]
        edges = np.arange(self.size) + self.edge
        ratio = np.asarray(median, dtype=np.float64)[..., None] / edges
        table = 1.0 / (1.0 + ratio**power)
        return np.asarray(table / table[..., -1:], dtype=np.float64)

    def pmf(self, median: ArrayLike, sharpness: ArrayLike | None = None) -> NDArray[np.float64]:
        """`P(days = first + j)`, shape `(*median.shape, size)`."""
        return np.diff(self.cdf(median, sharpness), axis=-1, prepend=0.0)

    def draw(
        self,
        median: NDArray[np.float64],
        uniform: NDArray[np.float64],
        sharpness: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """One duration in days for each uniform number in `[0, 1)`; arguments of one shape."""
        above = uniform[..., None] >= self.cdf(median, sharpness)
        return np.asarray(self.first + above.sum(axis=-1), dtype=np.int64)


HANDLING = Duration(size=6, first=0, edge=1.0, sharpness=3.2)
LINEHAUL = Duration(size=18, first=1, edge=1.5, sharpness=6.0)
CUSTOMS = Duration(size=8, first=0, edge=1.0, sharpness=2.4)
LOCAL = Duration(size=5, first=0, edge=1.0, sharpness=4.0)
PARTNER = Duration(size=6, first=1, edge=1.5, sharpness=4.0)
LAST_MILE = Duration(size=5, first=0, edge=1.0, sharpness=4.0)
RETRY = Duration(size=3, first=1, edge=1.0, sharpness=4.0)
COLLECTION = Duration(size=7, first=1, edge=1.0, sharpness=2.0)

RETRY_MEDIAN = 0.6
COLLECTION_MEDIAN = 1.8

# How a parcel gets from the hub to the van: the path of a destination area with a carrier.
DIRECT, BY_CARRIER, RURAL_BY_CARRIER, BY_PARTNER = 0, 1, 2, 3
LOCAL_MEDIAN = {BY_CARRIER: 0.75, RURAL_BY_CARRIER: 1.6}

BULKY_SLOWER = 1.5
NO_ATTEMPT_PART = 0.45  # of the parcels that come back: the address is bad
REFUSED_PART = 0.35
UNCOLLECTED_PER_RETURN = 16.0  # the rest: not collected after three attempts


class Stages:
    """Medians and probabilities of the stages in a network; days are numbers of `Network.days`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        n_services = len(network.config.services)
        self._carrier_of = np.arange(network.n_own) // n_services
        weekday = (np.arange(network.days.count) + network.days.first.weekday()) % 7
        self._at_home = np.where(weekday >= 5, 0.03, 0.0)

    def path(self, area_kind: Numbers, own: Numbers) -> Integers:
        """How an area is reached by a carrier's service `own`."""
        kind = np.asarray(area_kind)
        hands_off = self.network.couriers.carrier_hands_off[self._carrier_of[own]]
        rural = np.where(hands_off, BY_PARTNER, RURAL_BY_CARRIER)
        return np.where(kind == METRO, DIRECT, np.where(kind == OUTLYING, BY_CARRIER, rural))

    def handling(self, warehouse: Numbers, bulky: Booleans | int, day: Numbers) -> Floats:
        """Median of `HANDLING`, started on a working day of the warehouse."""
        slower = np.where(bulky, BULKY_SLOWER, 1.0)
        pace = self.network.pace.warehouse[warehouse, day]
        return np.asarray(self.network.handling[warehouse] * slower * pace)

    def missed_pick_up(self, own: Numbers) -> Floats:
        """P(the parcel waits for the carrier's next working day)."""
        return np.asarray(self.network.couriers.missed_pick_up[self._carrier_of[own]])

    def linehaul(self, warehouse: Numbers, hub: Numbers, own: Numbers, day: Numbers) -> Floats:
        """Median of `LINEHAUL`, started by the pick-up."""
        network = self.network
        origin = network.places.warehouse_region[warehouse]
        destination = network.places.hub_region[hub]
        disrupted = np.maximum(
            network.pace.region[origin, day], network.pace.region[destination, day]
        )
        pace = network.pace.carrier[self._carrier_of[own], day] * disrupted
        return np.asarray(network.couriers.linehaul[warehouse, hub, own] * pace)

    def linehaul_sharpness(self, own: Numbers) -> Floats:
        """Spread of `LINEHAUL` for a carrier's service: some are steadier than others."""
        return np.asarray(self.network.couriers.linehaul_sharpness[own])

    def lost(self, own: Numbers, day: Numbers) -> Floats:
        """P(lost on the linehaul that starts on a day)."""
        carrier = self._carrier_of[own]
        usual = self.network.couriers.carrier_lost[carrier]
        return np.asarray(1 - (1 - usual) * (1 - self.network.pace.lost[carrier, day]))

    def customs(self, own: Numbers, day: Numbers) -> Floats:
        """Median of `CUSTOMS`, started by the arrival."""
        median = self.network.couriers.carrier_customs[self._carrier_of[own]]
        return np.asarray(median * (1 + 0.3 * self.network.pace.peak[day]))

    def local(self, path: Numbers, region: Numbers, day: Numbers) -> Floats:
        """Median of `LOCAL` on the paths that go on with the carrier to a depot."""
        median = np.where(
            np.asarray(path) == BY_CARRIER,
            LOCAL_MEDIAN[BY_CARRIER],
            LOCAL_MEDIAN[RURAL_BY_CARRIER],
        )
        return np.asarray(median * self.network.pace.region[region, day])

    def partner(self, region: Numbers, day: Numbers) -> Floats:
        """Median of `PARTNER`, started on a working day of the partner."""
        leg = self.network.couriers.partner_leg[self.network.couriers.region_partner[region]]
        pace = self.network.pace.region[region, day] * (1 + 0.15 * self.network.pace.peak[day])
        return np.asarray(leg * pace)

    def last_mile(self, courier: Numbers, region: Numbers, day: Numbers) -> Floats:
        """Median of `LAST_MILE`, started by the arrival in the depot."""
        network = self.network
        pace = network.pace.region[region, day] * (1 + 0.25 * network.pace.peak[day])
        courier = np.asarray(courier)
        carrier = self._carrier_of[np.minimum(courier, network.n_own - 1)]
        collapse = np.where(courier < network.n_own, network.pace.collapse[carrier, day], 1.0)
        return np.asarray(network.couriers.last_mile[courier, region] * pace * collapse)

    def success(self, courier: Numbers, region: Numbers, attempt: int, day: Numbers) -> Floats:
        """P(somebody takes the parcel at an attempt, 0 … 2, on a day)."""
        usual = self.network.couriers.success[courier, region, attempt]
        return np.asarray(np.minimum(usual + self._at_home[day], 0.99), dtype=np.float64)

    def bad_address(self, own: Numbers) -> Floats:
        """P(the parcel comes back from the depot without an attempt)."""
        return np.asarray(NO_ATTEMPT_PART * self._returned(own))

    def refused(self, own: Numbers) -> Floats:
        """P(the first attempt ends with a refusal)."""
        return np.asarray(REFUSED_PART * self._returned(own))

    def uncollected(self, own: Numbers) -> Floats:
        """P(nobody fetches the parcel from the pick-up point after three attempts)."""
        return np.minimum(UNCOLLECTED_PER_RETURN * self._returned(own), 0.5)

    def _returned(self, own: Numbers) -> Floats:
        return np.asarray(self.network.couriers.carrier_returned[self._carrier_of[own]])
