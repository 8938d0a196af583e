"""How long parcels took, as far as it was known at a moment.

An event counts from the moment its scan was received. A parcel without one is open: its duration is
at least its age. One that was returned, lost or given up after a long silence is closed: it never
arrives, and counts in the share of lost parcels instead of as a long delivery. A cancelled order is
nobody's broken promise and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask, with_rows
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import Requests, local_seconds
from etapromise.history.effects import NEVER_DAY, Durations
from etapromise.lanes.levels import SERVICE_LEVEL

_DAY: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What had been received of n shipments by `as_of_day`.

    Days count from 1970-01-01; NEVER where nothing is known.

    Attributes:
        as_of_day: UTC day; what was received on an earlier day is known.
        start_day: (n,) int32 UTC day of the order.
        event_day: (n,) int64 destination-local day of the event.
        event_known_day: (n,) int32 UTC day on which it was received.
        pickup_day: (n,) int64 origin-local day on which the carrier took possession.
        pickup_known_day: (n,) int32 UTC day on which that was received.
        closed_day: (n,) int32 UTC day from which the parcel counts as one that never arrives.
        within: (n,) a fixed number in (0, 1) for each shipment, see `spread_within_day`.
    """

    as_of_day: int
    start_day: NDArray[np.int32]
    event_day: Ints
    event_known_day: NDArray[np.int32]
    pickup_day: Ints
    pickup_known_day: NDArray[np.int32]
    closed_day: NDArray[np.int32]
    within: Floats

    @property
    def arrived(self) -> Mask:
        """(n,) whether the event is known and came before the parcel was given up."""
        return (self.event_known_day < self.as_of_day) & (self.event_known_day <= self.closed_day)

    @property
    def closed(self) -> Mask:
        """(n,) whether it is known that the event never comes."""
        return ~self.arrived & (self.closed_day < self.as_of_day)

    def as_of(self, day: int) -> Outcomes:
        """What was known on an earlier day."""
        seen_event = self.event_known_day < day
        seen_pickup = self.pickup_known_day < day
        return Outcomes(
            as_of_day=day,
            start_day=self.start_day,
            event_day=np.where(seen_event, self.event_day, NEVER_DAY),
            event_known_day=np.where(seen_event, self.event_known_day, NEVER_DAY).astype(np.int32),
            pickup_day=np.where(seen_pickup, self.pickup_day, NEVER_DAY),
            pickup_known_day=np.where(seen_pickup, self.pickup_known_day, NEVER_DAY).astype(
                np.int32
            ),
            closed_day=self.closed_day,
            within=self.within,
        )

    def take(self, rows: Ints) -> Outcomes:
        """Those of some of the shipments."""
        return with_rows(self, rows, "as_of_day")

    def total(self, requests: Requests, clocks: Clocks, offset: float) -> Durations:
        """Order to event, on the operational clock."""
        days = operational_days(clocks, requests, self.event_day, self.within)
        return Durations(
            start_day=self.start_day,
            start_clock=start_clock(clocks, requests),
            clock=requests.clock,
            value=np.log(days + offset),
            known_day=self.event_known_day,
            closed_day=self.closed_day,
        )

    def durations(
        self, requests: Requests, asked: Requests, clocks: Clocks, offset: float
    ) -> tuple[Durations, Durations, Durations]:
        """The whole durations, as `total` has them, the handling and the way after it.

        Args:
            requests: the orders, begun later by as long as declared disruptions held them.
            asked: the same as they were asked for.
        """
        whole = self.total(requests, clocks, offset)
        fetched = self._handling(asked, clocks, offset)
        return whole, fetched, self._way(whole, fetched, requests, clocks, offset)

    def _handling(self, requests: Requests, clocks: Clocks, offset: float) -> Durations:
        """Order to the carrier's possession, on the operational clock."""
        # A parcel delivered without a pick-up scan was picked up, nobody knows when.
        unscanned = (self.event_known_day < NEVER_DAY) & (self.pickup_known_day == NEVER_DAY)
        closed = np.where(
            unscanned, np.minimum(self.event_known_day, self.closed_day), self.closed_day
        )
        fetched = replace(
            self,
            event_day=self.pickup_day,
            event_known_day=self.pickup_known_day,
            closed_day=closed.astype(np.int32),
        )
        return fetched.total(requests, clocks, offset)

    def _way(
        self,
        whole: Durations,
        fetched: Durations,
        requests: Requests,
        clocks: Clocks,
        offset: float,
    ) -> Durations:
        """The carrier's possession to event, on the operational clock.

        Of a service whose pick-ups are hardly ever scanned it is the whole duration.
        """
        handled = np.exp(fetched.value)
        days = np.exp(whole.value) - handled
        known = np.maximum(self.event_known_day, self.pickup_known_day)
        # On the day on which the pick-up was received, and before it, nobody knew of it.
        told = np.minimum(self.pickup_known_day, NEVER_DAY - 1)
        begun = np.maximum(
            _elapsed_at(clocks, requests.clock, told),
            np.nan_to_num(fetched.start_clock + handled - offset, nan=-np.inf),
        )
        scanned = self._scanned(requests)
        return Durations(
            start_day=self.start_day,
            start_clock=np.where(scanned, begun, whole.start_clock),
            clock=requests.clock,
            value=np.where(scanned, np.log(np.maximum(days, 0.0) + offset), whole.value),
            known_day=np.where(scanned, known, whole.known_day).astype(np.int32),
            closed_day=np.where(scanned, fetched.closed_day, whole.closed_day).astype(np.int32),
        )

    def _scanned(self, requests: Requests) -> Mask:
        """(n,) whether pick-ups of a parcel's service are scanned more often than not."""
        service = requests.codes[:, SERVICE_LEVEL]
        arrived = self.event_known_day < NEVER_DAY
        fetched = arrived & (self.pickup_known_day < NEVER_DAY)
        several = np.bincount(service[arrived], minlength=int(service.max(initial=0)) + 1)
        seen = np.bincount(service[fetched], minlength=len(several))
        return np.asarray((2 * seen >= several)[service])


def outcomes(
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    *,
    zones: ZoneMap,
    as_of: pd.Timestamp,
    give_up_after: int,
) -> Outcomes:
    """The outcomes of `shipments`, all ordered before `as_of`, as known then.

    Args:
        give_up_after: days after the order when a parcel without an event counts as lost.
    """
    moment = as_of.tz_convert("UTC")
    end_day = day_of(moment)
    start = _utc_days(shipments["ordered_at"])
    event_day, event_known = _milestone(
        shipments, milestones, "event", "destination", zones, moment
    )
    pickup_day, pickup_known = _milestone(
        shipments, milestones, "picked_up", "origin", zones, moment
    )
    closed = _known_days(milestones["closed_known_at"], moment)
    give_up = np.minimum(start.astype(np.int64) + give_up_after, NEVER_DAY)
    return Outcomes(
        as_of_day=end_day,
        start_day=start,
        event_day=event_day,
        event_known_day=event_known,
        pickup_day=pickup_day,
        pickup_known_day=pickup_known,
        closed_day=np.minimum(closed, give_up).astype(np.int32),
        within=spread_within_day(shipments["shipment_id"]),
    )


def day_of(moment: pd.Timestamp) -> int:
    """The UTC day of `moment`, since 1970-01-01: what was received before it is known on it."""
    return int(moment.timestamp() // _DAY)


def spread_within_day(shipment_id: pd.Series[Any]) -> Floats:
    """A number in (0, 1) for each shipment, always the same.

    Durations in whole days pile up on atoms, where quantiles jump. Spread evenly over the day of
    the event they are continuous, and a distribution fitted to them gives, at the ends of days,
    exactly the probabilities of dates (Machado & Santos Silva 2005, Quantiles for counts).
    """
    bits = pd.util.hash_array(shipment_id.to_numpy(dtype=object))
    return (np.right_shift(bits, np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def operational_days(clocks: Clocks, requests: Requests, day: Ints, within: Floats) -> Floats:
    """Operational days from the order to a point within `day`; NaN where day is NEVER.

    Counted from the order's date and its dispatch delay: see `calendars.dispatch`.
    """
    known = day < NEVER_DAY
    day = np.where(known, day, requests.order_day)
    before = _elapsed_at(clocks, requests.clock, day)
    after = _elapsed_at(clocks, requests.clock, day + 1)
    days = before + (after - before) * within - start_clock(clocks, requests)
    return np.where(known, np.maximum(days, 0.0), np.nan)


def start_clock(clocks: Clocks, requests: Requests) -> Floats:
    """(n,) reading of each carrier's clock from which the durations of the orders count."""
    return _elapsed_at(clocks, requests.clock, requests.order_day) + requests.dispatch_delay


def _elapsed_at(clocks: Clocks, clock: NDArray[np.int32], day: NDArray[Any]) -> Floats:
    column = np.clip(day - clocks.first_day, 0, clocks.elapsed.shape[1] - 1)
    return np.asarray(clocks.elapsed[clock, column])


def _milestone(
    shipments: pd.DataFrame,
    milestones: pd.DataFrame,
    name: str,
    side: str,
    zones: ZoneMap,
    moment: pd.Timestamp,
) -> tuple[Ints, NDArray[np.int32]]:
    known = _known_days(milestones[f"{name}_known_at"], moment)
    rows = np.flatnonzero(known < NEVER_DAY)
    day = np.full(len(shipments), NEVER_DAY, np.int64)
    if len(rows):
        names, _ = zones.resolve_many(shipments.iloc[rows], side)
        day[rows] = local_seconds(milestones[f"{name}_at"].iloc[rows], names) // _DAY
    return day, known


def _known_days(known_at: pd.Series[Any], moment: pd.Timestamp) -> NDArray[np.int32]:
    known = (known_at < moment).to_numpy(dtype=bool)
    days = np.full(len(known_at), NEVER_DAY, np.int32)
    days[known] = _utc_days(known_at[known])
    return days


def _utc_days(times: pd.Series[Any]) -> NDArray[np.int32]:
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    days: NDArray[np.int32] = utc.astype("datetime64[D]").astype(np.int64).astype(np.int32)
    return days
