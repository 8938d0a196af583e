"""The orders that were known at one moment, and what had become of them by then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.configured_clocks import configured_clocks
from etapromise.calendars.configured_dispatch import configured_dispatch, warehouses_of
from etapromise.calendars.configured_zones import configured_zones
from etapromise.calendars.dispatch import Dispatch
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import Encoder, Requests, local_seconds
from etapromise.errors import ContractError, InsufficientHistoryError
from etapromise.history.delivery_hours import HOUR_LEVELS, DeliveryHours, learn_delivery_hours
from etapromise.history.effects import NEVER_DAY
from etapromise.history.learned_calendars import (
    CALENDAR_LEVELS,
    learned_clocks,
    learned_dispatch,
    renewed_clocks,
)
from etapromise.history.learned_hand_offs import (
    as_brought,
    known_hand_offs,
    learned_hand_offs,
    with_first_legs,
)
from etapromise.history.outcomes import Outcomes, outcomes
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import (
    KeyIndex,
    Level,
    by_pickup_weekday,
    level_indexes,
    level_keys,
    levels_with,
    sorted_keys,
)
from etapromise.tracking.journeys import microseconds
from etapromise.tracking.tracked import TrackedHistory

_SHORTEST_GIVE_UP: Final = 21
_DAY_OR_MONTH: Final = re.compile(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
# Fewer parcels say nothing of how long others take.
_FEWEST_ARRIVED: Final = 10


Moment: TypeAlias = "str | date | datetime | pd.Timestamp"
"""Without a zone it is UTC."""


def moment_of(as_of: Moment, name: str = "as_of") -> pd.Timestamp:
    """A UTC moment; without a zone it is UTC.

    Args:
        as_of: what the caller gave.
        name: the argument that it was given for.

    Raises:
        ContractError: it is no moment, or may be one of two.
    """
    given: object = as_of
    if isinstance(given, int):
        as_of = str(given)  # a number would be nanoseconds since 1970
    if isinstance(as_of, str) and _DAY_OR_MONTH.match(as_of):
        raise ContractError(
            f"Found {name}={as_of!r}, which may begin with the day or with the month; expected the "
            "year first, such as '2018-02-01'."
        )
    try:
        moment = pd.Timestamp(as_of)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"Found {name}={as_of!r}; expected a moment such as '2018-02-01' or "
            "'2018-02-01T06:00:00+01:00'."
        ) from error
    if pd.isna(moment):
        raise ContractError(f"Found no {name}; expected a moment such as '2018-02-01'.")
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


@dataclass(frozen=True)
class KnownOrders:
    """The shipments ordered before a moment, in the order of their orders, less the cancelled."""

    shipments: pd.DataFrame
    milestones: pd.DataFrame
    moment: pd.Timestamp
    arrived_later: int = 0
    """Parcels of the same tables whose event was received at the moment or later."""

    @classmethod
    def of(cls, tracked: TrackedHistory, moment: pd.Timestamp) -> KnownOrders:
        """The orders of `tracked` before the last UTC midnight that is not after `moment`.

        Whole days: the ages of open parcels and the counts of orders are those of a day's start,
        as they are on every order's own day in training.
        """
        moment = moment.floor("D")
        shipments, milestones = tracked.shipments, tracked.milestones
        if not len(shipments):
            raise InsufficientHistoryError(
                "Found no shipments; expected some months of them. Check the table and its rejects."
            )
        cancelled = (milestones["closed_as"] == "cancelled").fillna(value=False)
        cancelled &= milestones["closed_known_at"] < moment
        keep = ((shipments["ordered_at"] < moment) & ~cancelled.to_numpy(dtype=bool)).to_numpy()
        if not keep.any():
            first = shipments["ordered_at"].min()
            raise InsufficientHistoryError(
                f"Found no order before as_of={moment.isoformat()}; the first of "
                f"{len(shipments)} is of {first}. Choose a later as_of or give older shipments."
            )
        rows = np.flatnonzero(keep)
        ordered = microseconds(shipments["ordered_at"], "ordered_at")[rows]
        names = shipments["shipment_id"].to_numpy(dtype=object)[rows]
        if not _in_order(ordered, names):
            rows = rows[np.lexsort((names.astype(str), ordered))]
        return cls(
            shipments.iloc[rows].reset_index(drop=True),
            milestones.iloc[rows].reset_index(drop=True),
            moment,
            int((milestones["event_known_at"] >= moment).sum()),
        )

    def since(self, day: int) -> KnownOrders:
        """Those ordered on a UTC day (since 1970-01-01) or later."""
        first = pd.Timestamp(day, unit="D", tz="UTC")
        return self.take(np.flatnonzero((self.shipments["ordered_at"] >= first).to_numpy()))

    def take(self, rows: Ints) -> KnownOrders:
        """Some of them, by ascending positions."""
        return KnownOrders(
            self.shipments.iloc[rows].reset_index(drop=True),
            self.milestones.iloc[rows].reset_index(drop=True),
            self.moment,
            self.arrived_later,
        )

    def __len__(self) -> int:
        """How many."""
        return len(self.shipments)

    def let_go(self) -> None:
        """Keep nothing in memory that can be read again."""

    def ordered(self) -> Ints:
        """(n,) microseconds since 1970 UTC of the orders."""
        return microseconds(self.shipments["ordered_at"], "ordered_at")

    def level_keys(
        self, levels: Sequence[Level], hand_offs: HandOffs | None = None
    ) -> list[tuple[Ints, list[str]]]:
        """`levels.level_keys` of the orders, named with who usually brings them."""
        frame = self.shipments
        if hand_offs is not None:
            frame = hand_offs.named(frame, hand_offs.last_mile_of(frame))
        return level_keys(frame, levels)

    def requests(self, encoder: Encoder) -> Requests:
        """The orders as they were asked for."""
        return encoder.encode(self.shipments)

    def outcomes(self, zones: ZoneMap, give_up_after: int) -> Outcomes:
        """What had become of them."""
        return outcomes(
            self.shipments,
            self.milestones,
            zones=zones,
            as_of=self.moment,
            give_up_after=give_up_after,
        )

    def last_mile(self, hand_offs: HandOffs) -> tuple[Mask, NDArray[np.int32], NDArray[np.int32]]:
        """(n,) whether each is known to have been handed over, to whom, and to whom it usually is.

        Who it is are numbers of last-mile carriers, 0: another one or nobody.
        """
        handed = known_hand_offs(self.milestones, self.moment)
        usual = hand_offs.last_mile_of(self.shipments)
        return handed != "", hand_offs.numbered(handed), usual

    def handed_over(self, encoder: Encoder, requests: Requests) -> tuple[Requests, Mask]:
        """The requests as those of who took the parcels over, and (n,) whether that is known."""
        if encoder.hand_offs is None:
            return requests, np.zeros(len(requests), bool)
        _, last_mile, _ = self.last_mile(encoder.hand_offs)
        return encoder.handed_over(requests, self.shipments, last_mile), last_mile > 0

    def delivery_hours(
        self, results: Outcomes, zones: ZoneMap, hand_offs: HandOffs | None = None
    ) -> DeliveryHours:
        """At what hours those that have come, by their `outcomes`, were brought."""
        rows = np.flatnonzero(results.arrived)
        keys, seconds = self.deliveries(zones, hand_offs)
        day, second = np.divmod(seconds[rows], 86_400)
        return learn_delivery_hours(
            [sorted_keys(positions[rows], texts) for positions, texts in keys],
            day=day,
            second=second,
            known_day=results.event_known_day[rows].astype(np.int64),
            as_of_day=results.as_of_day,
        )

    def deliveries(
        self, zones: ZoneMap, hand_offs: HandOffs | None
    ) -> tuple[list[tuple[Ints, list[str]]], Ints]:
        """Keys at HOUR_LEVELS of who brings them, (n,) local seconds of their events or -1.

        Where parcels change hands, a delivery is that of the carrier that brought it.
        """
        orders = self.shipments
        if hand_offs is not None:
            orders = as_brought(orders, known_hand_offs(self.milestones, self.moment))
        rows = np.flatnonzero(self.milestones["event_at"].notna().to_numpy())
        names, _ = zones.resolve_many(self.shipments.iloc[rows], "destination")
        seconds = np.full(len(orders), -1, np.int64)
        seconds[rows] = local_seconds(self.milestones["event_at"].iloc[rows], names)
        return level_keys(orders, HOUR_LEVELS), seconds

    def zone_names(self, zones: ZoneMap) -> NDArray[np.object_]:
        """(n,) IANA names of the destinations' zones."""
        return np.asarray(zones.resolve_many(self.shipments, "destination")[0])

    def event_known(self) -> Ints:
        """(n,) microseconds since 1970 UTC of the receipt of the event; any where it was not."""
        known = self.milestones["event_known_at"].dt.tz_localize(None)
        return np.asarray(known.to_numpy("datetime64[us]").view(np.int64))

    def returned(self) -> Mask:
        """(n,) whether they were known to be on their way back, or there."""
        back = (self.milestones["closed_as"] == "returned").fillna(value=False).to_numpy(bool)
        told = (self.milestones["closed_known_at"] < self.moment).to_numpy(bool)
        return np.asarray(back & told)

    def scan_counts(self) -> Floats:
        """(n,) how often they were scanned, NaN where that is not told."""
        return self.milestones["scan_count"].to_numpy(np.float64, na_value=np.nan)

    def promised_days(self) -> Ints:
        """(n,) days since 1970-01-01 that were promised then, NEVER_DAY where none is told."""
        if "promised_date" not in self.shipments.columns:
            return np.full(len(self), NEVER_DAY, np.int64)
        told = self.shipments["promised_date"].to_numpy().astype("datetime64[D]")
        return np.where(np.isnat(told), NEVER_DAY, told.astype(np.int64))

    def order_numbers(self) -> NDArray[np.uint64] | None:
        """(n,) a number for each order of several parcels, 0 where none is told; None: no such."""
        if "order_id" not in self.shipments.columns:
            return None
        orders = self.shipments["order_id"].to_numpy(dtype=object)
        found = pd.util.hash_array(orders)
        return np.where(pd.isna(orders), np.uint64(0), np.maximum(found, np.uint64(1)))

    def give_up_after(self) -> int:
        """Days after which an open parcel counts as lost: well beyond all but the slowest."""
        arrived = self.milestones["event_known_at"] < self.moment
        taken = self.milestones["event_at"] - self.shipments["ordered_at"]
        days = taken[arrived].dt.total_seconds() / 86_400
        if len(days) < _FEWEST_ARRIVED:
            raise InsufficientHistoryError(
                f"Found {len(days)} of {len(self.shipments)} parcels with the event received "
                f"before as_of={self.moment.isoformat()}; expected at least {_FEWEST_ARRIVED}. "
                + self._how_to_get_more()
            )
        return max(_SHORTEST_GIVE_UP, int(np.ceil(2.0 * days.quantile(0.99))))

    def _how_to_get_more(self) -> str:
        if self.arrived_later:
            return f"The tables tell of {self.arrived_later} more later on: choose a later as_of."
        due = self.shipments["ordered_at"] < self.moment - pd.Timedelta(days=_SHORTEST_GIVE_UP)
        if due.sum() >= _FEWEST_ARRIVED:
            return "Check that the scans belong to the shipments, and what their statuses mean."
        return "Give older shipments and their scans, or wait until more have arrived."

    def encoder(
        self,
        *,
        numeric: Sequence[str],
        categorical: Sequence[str],
        default_time_zone: str | None,
        give_up_after: int,
        calendars: CalendarFile | None = None,
        hand_offs: HandOffs | bool = True,
    ) -> Encoder:
        """Columns, keys, zones and working weeks as these orders show them, or a file says.

        Args:
            default_time_zone: IANA zone of last resort; None takes the most frequent one.
            give_up_after: days after the order when a parcel without an event counts as lost.
            hand_offs: who takes parcels over; True learns it, False lets every carrier deliver
                what it fetches.
        """
        zones = ZoneMap.learned(self.shipments, default=default_time_zone)
        if calendars is not None:
            calendars = calendars.spelled_as(warehouses_of(self.shipments))
            zones = configured_zones(zones, calendars, self.shipments)
        for name in (*numeric, *categorical):
            if name not in self.shipments.columns:
                raise ContractError(
                    f"Found no column {name} in the shipments; the configuration names it as a "
                    f"feature. The columns are {', '.join(map(str, self.shipments.columns))}."
                )
        if hand_offs is True:
            learned = learned_hand_offs(self.shipments, self.milestones, self.moment)
        else:
            learned = hand_offs or None
        levels = levels_with(categorical, hand_offs=learned is not None)
        results = self.outcomes(zones, give_up_after)
        who = self._delivering(results, learned)
        clocks = learned_clocks(self.level_keys(CALENDAR_LEVELS), results, *who)
        if calendars is not None:
            clocks = configured_clocks(clocks, calendars, learned)
        dispatch = learned_dispatch(self.shipments, results, clocks, zones)
        if calendars is not None:
            dispatch = configured_dispatch(dispatch, clocks, calendars, self.shipments)
        if learned is not None and not learned.leg_keys:
            learned = with_first_legs(
                learned,
                self.shipments,
                self.milestones,
                moment=self.moment,
                clocks=clocks,
                zones=zones,
            )
        return Encoder(
            categorical=tuple(categorical),
            numeric=tuple(numeric),
            indexes=self._indexes(levels, learned),
            clocks=clocks,
            zones=zones,
            dispatch=dispatch,
            hand_offs=learned,
            declared=() if calendars is None else calendars.disruptions,
        )

    def _delivering(
        self, results: Outcomes, hand_offs: HandOffs | None
    ) -> tuple[Sequence[str], NDArray[np.int32] | None]:
        """Carriers that parcels are handed to, and the number of each parcel's."""
        if hand_offs is None:
            return (), None
        # Who is known to have a parcel, else who usually gets it; it came without a hand-off where
        # none is known.
        handed, actual, usual = self.last_mile(hand_offs)
        last_mile = np.where(handed, actual, np.where(results.arrived, 0, usual))
        return hand_offs.carriers, last_mile.astype(np.int32)

    def _indexes(self, levels: Sequence[Level], hand_offs: HandOffs | None) -> tuple[KeyIndex, ...]:
        told = [level for level in levels if by_pickup_weekday(level) is None]
        found = zip(told, self.level_keys(told, hand_offs), strict=True)
        keys = {level.name: sorted(distinct) for level, (_, distinct) in found}
        return tuple(level_indexes(levels, keys))

    def encoder_like(self, encoder: Encoder, *, renew_after: int | None = None) -> Encoder:
        """The keys of these shipments under the columns, zones and working weeks of `encoder`.

        Args:
            renew_after: take in, too, where services have changed their working weeks since; days
                after the order when a parcel without an event counts as lost.
        """
        clocks, dispatch = encoder.clocks, encoder.dispatch
        if renew_after is not None:
            results = self.outcomes(encoder.zones, renew_after)
            who = self._delivering(results, encoder.hand_offs)
            clocks = renewed_clocks(clocks, self.level_keys(CALENDAR_LEVELS), results, *who)
        if clocks is not encoder.clocks:
            dispatch = Dispatch(dispatch.keys, dispatch.calendars, clocks)
        indexes = self._indexes(encoder.levels, encoder.hand_offs)
        return replace(encoder, indexes=indexes, clocks=clocks, dispatch=dispatch)


def _in_order(ordered: NDArray[Any], names: NDArray[np.object_]) -> bool:
    """Whether orders are by time and name already, as a store gives them."""
    if not bool((ordered[1:] >= ordered[:-1]).all()):
        return False
    alike = np.flatnonzero(ordered[1:] == ordered[:-1])
    return bool((names[alike] <= names[alike + 1]).all())
