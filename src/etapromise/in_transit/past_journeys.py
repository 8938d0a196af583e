"""Past journeys as they were seen on their way: what the in-transit parts are made from.

The scans of a store's parcels are kept beside it week by week, so that its files are read once::

    numbers/<what they hang on>/scans/week=2025-02-03.arrow    one row: an array in each column
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.forecast.forest import Forest
from etapromise.history.as_of import KnownOrders
from etapromise.history.features import FeatureContract
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.kept_orders import KeptOrders
from etapromise.history.kept_tables import (
    about_kept,
    array_table,
    arrays_of_table,
    read_kept,
    write_kept,
)
from etapromise.history.outcomes import Outcomes
from etapromise.in_transit.flow import Passages, flow_as_of
from etapromise.in_transit.outlook import (
    NO_PROMISES,
    HandedOver,
    OrderPromises,
    Snapshots,
    is_open,
    shares,
)
from etapromise.in_transit.sampling import Drawn, snapshot_moments, week_end, week_of
from etapromise.in_transit.scan_gaps import ScanGaps, ScanGapTable
from etapromise.in_transit.states import ParcelScans, stage_number
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, Exits
from etapromise.store.stored_history import StoredHistory
from etapromise.tracking.contract import Event
from etapromise.tracking.texts import Identifiers
from etapromise.tracking.tracked import TrackedHistory

_FILES: Final = ("shipments", "journeys", "scans")
_EVER: Final = pd.Timestamp.max.tz_localize("UTC")


def parcel_scans(
    tracked: TrackedHistory, known: KnownOrders, rows: Ints | None = None
) -> ParcelScans:
    """The scans of orders that were received before the moment at which these were known.

    Args:
        tracked: the tables.
        known: the orders; those of a store have theirs kept from one time to the next.
        rows: ascending positions of those that are asked for; None: all.
    """
    if not isinstance(known, KeptOrders):
        known = known if rows is None else known.take(rows)
        scans = tracked.scans_of(known.shipments, known.moment)
        return ParcelScans.of(known.shipments, scans)
    every = np.arange(len(known)) if rows is None else rows
    digests, first, parts = known.digests(), 0, []
    for week, positions in known.rows_by_week():
        start, end = np.searchsorted(every, [first, first + len(positions)])
        mine = digests[first : first + len(positions)]
        if start < end:
            parts.append(_of_week(known, week, positions, mine, digests[every[start:end]]))
        first += len(positions)
    return ParcelScans.joined(parts).before(int(known.moment.timestamp() * 1e6))


def _of_week(
    known: KeptOrders,
    week: StoredHistory,
    rows: Ints,
    digests: NDArray[np.uint64],
    wanted: NDArray[np.uint64],
) -> ParcelScans:
    """All scans of some of a week's orders.

    Args:
        rows: (n,) positions of orders among those of the week that were known.
        digests: (n,) by what they are found at any other moment.
        wanted: (k,) those of the ones that are asked for; the others soon will be.
    """
    path, files = known.folder / "scans" / f"{week.name}.arrow", week.files(*_FILES)
    table = read_kept(path)
    parts, orders, before = [], np.zeros(0, np.uint64), files
    if table is not None:
        arrays, before = arrays_of_table(table), about_kept(table)["files"]
        orders = arrays.pop("orders")
        parts.append(ParcelScans(**arrays | {"facilities": tuple(arrays["facilities"])}))
        if before != files:
            silent = digests[_silent_since(before, known.shipments_of(week), week)[rows]]
            still = np.flatnonzero(np.isin(orders, silent))
            parts, orders = [parts[0].take(still)], orders[still]
    if before != files or not np.isin(wanted, orders).all():
        absent = ~np.isin(digests, orders)
        shipments = known.shipments_of(week).iloc[rows[absent]].reset_index(drop=True)
        parts.append(ParcelScans.of(shipments, week.scans_of(shipments, _EVER)))
        orders = np.append(orders, digests[absent])
        whole = ParcelScans.joined(parts)
        write_kept(path, array_table({"orders": orders, **vars(whole)}), files, {})
        parts = [whole]
    by_digest = np.argsort(orders)
    return parts[0].take(by_digest[np.searchsorted(orders, wanted, sorter=by_digest)])


def _silent_since(before: Sequence[str], shipments: pd.DataFrame, week: StoredHistory) -> Mask:
    """(n,) of which of a week's orders no scan came since it had some files.

    Those alone whose scans are all there still, as they were: files never change.
    """
    fresh = set(week.files("scans")).symmetric_difference(
        path for path in before if path.startswith("scans/")
    )
    if not fresh <= set(week.files("scans")):
        return np.zeros(len(shipments), bool)
    scanned = Identifiers(week.scanned_in(fresh).unique())
    return np.asarray(scanned.rows(shipments["shipment_id"]) < 0)


_DAY: Final = 86_400_000_000


@dataclass(frozen=True)
class Ended:
    """k looks at parcels that have come since.

    Attributes:
        passages: where each stood, and when it was known to have come.
        value: (k,) log remaining days.
        weight: (k,) how much each counts.
    """

    passages: Passages
    value: Floats
    weight: Floats

    def flow(self, facilities: Sequence[str], asked: TransitHistory) -> tuple[Floats, Floats]:
        """Evidence and sums (m', levels) as each look of `asked` knew them."""
        places = asked.looks.passages(asked.scans.facilities, facilities, asked.day)
        return flow_as_of(self.passages, self.value, self.weight, places)


@dataclass(frozen=True, kw_only=True)
class TransitHistory:
    """m looks at n parcels, and what became of them by `outcomes.as_of_day`.

    Attributes:
        rows: (n,) positions of the parcels among those of `PastParcels`.
        scans: of the parcels.
        looks: the looks, ascending by parcel and moment.
        outcomes: what became of the parcels.
        returned: (n,) known to be on its way back, or there.
        settled: (n,) ordered so long ago that what has not come by now is given up.
        day: (m,) UTC day of each look.
        parcel_weight: (n,) how many parcels each stands for, 1 on average; see `sampling`.
        until: (n,) microseconds: when the event was known, else the start of the as-of day.
        event: what is waited for.
    """

    rows: Ints
    scans: ParcelScans
    looks: Snapshots
    outcomes: Outcomes
    returned: Mask
    settled: Mask
    day: Ints
    parcel_weight: Floats
    until: Ints
    event: Event

    @property
    def parcel(self) -> Ints:
        """(m,) whose look."""
        return self.looks.states.parcel

    def take(self, rows: Ints | Mask) -> TransitHistory:
        """Some of the looks."""
        return replace(self, looks=self.looks.take(rows), day=self.day[rows])

    def at_scans(self) -> Mask:
        """(m,) at the order or at the receipt of a scan, not on a silent day."""
        states = self.looks.states
        ordered = self.scans.ordered[states.parcel]
        return np.asarray((states.moment == states.last_known) | (states.moment == ordered))

    def remaining(self, results: Outcomes) -> tuple[Floats, Mask]:
        """Operational days from the start of each look's today to the event, and if it is known.

        Args:
            results: what was known then; where the event is not, the days until then.
        """
        parcel, places = self.parcel, self.looks.positions
        arrived = results.arrived[parcel]
        within = results.within[parcel]
        # What had come before the look and was not known counts as today's.
        day = np.maximum(np.where(arrived, results.event_day[parcel], places.today), places.today)
        before = places.before(day)
        event = before + (places.before(day + 1) - before) * within - places.start
        so_far = places.before(np.full(len(parcel), results.as_of_day, np.int64)) - places.start
        return np.where(arrived, event, so_far), arrived

    def ended(self, facilities: Sequence[str]) -> Ended:
        """The looks whose parcels have come, for the flow."""
        ended = self.take(
            self.at_scans() & is_open(self.looks.states) & self.outcomes.arrived[self.parcel]
        )
        days, _ = ended.remaining(self.outcomes)
        known = self.outcomes.event_known_day[ended.parcel].astype(np.int64)
        passages = ended.looks.passages(self.scans.facilities, facilities, known)
        value = np.log(np.maximum(days, 0.0) + REMAINING_OFFSET)
        return Ended(passages, value, self.parcel_weight[ended.parcel])

    def silences(self) -> tuple[ScanGaps, ScanGaps, ScanGaps]:
        """How long parcels are silent, and how many for ever; see `in_transit.scan_gaps`.

        Returns:
            The silences of parcels that are not lost; all those of settled parcels, `ended` false
            where it was for ever; those that go on today and may be either.
        """
        looks, states = self.looks, self.looks.states
        parcel = self.parcel
        # A silence begins with the order, and with each scan that is the latest so far.
        same = np.append(False, parcel[1:] == parcel[:-1])[: len(parcel)]
        moved = np.append(True, states.last_scan[1:] != states.last_scan[:-1])[: len(parcel)]
        begin = np.flatnonzero(~same | moved)
        following = np.append(begin[1:], len(parcel))[: len(begin)]
        in_journey = (np.append(begin[1:], 0) > 0)[: len(begin)]
        last = np.append(parcel[begin[1:]] != parcel[begin[:-1]], True)[: len(begin)]
        in_journey &= ~last
        next_look = np.minimum(following, len(parcel) - 1)
        arrived = self.outcomes.arrived[parcel[begin]]
        gone = ~arrived & ~self.returned[parcel[begin]]
        ended_at = np.where(in_journey, states.moment[next_look], self.until[parcel[begin]])
        given_up = np.isin(states.stage[next_look], [stage_number("lost"), stage_number("damaged")])
        for_ever = gone & (last | (in_journey & given_up))
        part = looks.take(begin)
        heard = np.where(
            part.states.last_scan == np.iinfo(np.int64).min,
            self.scans.ordered[part.states.parcel],
            part.states.last_scan,
        )
        days = part.positions.position(ended_at) - part.positions.position(heard)
        asked = is_open(part.states)
        settled = self.settled[part.states.parcel]
        every = ScanGaps(
            stage=part.states.stage.astype(np.int64),
            carrier=part.codes("carrier"),
            days=np.maximum(np.nan_to_num(days), 0.0),
            ended=~for_ever,
            weight=self.parcel_weight[part.states.parcel],
            gone=gone,
        )
        waiting = asked & last & gone & ~settled
        waiting &= ~self.outcomes.closed[part.states.parcel]
        usual = asked & ~for_ever & (in_journey | arrived)
        fates = asked & settled & (for_ever | in_journey | arrived)
        return every.take(usual), every.take(fates), every.take(waiting)

    def arriving(self, silence: ScanGapTable, exits: Exits, day: int) -> Floats:
        """(n,) probability that each arrives, by where it stood at the start of a UTC day."""
        count = len(self.scans)
        states = self.scans.states(
            np.arange(count), np.full(count, day * _DAY - 1, np.int64), self.event
        )
        lost, back = shares(silence, exits, replace(self.looks, states=states))
        return np.asarray((1.0 - lost) * (1.0 - back))


@dataclass(frozen=True, kw_only=True)
class PastParcels:
    """n parcels that may be looked at.

    Attributes:
        tracked: the history that they are of.
        known: the orders.
        gathered: what was known of them.
        weight: (n,) how many parcels each stands for, 1 on average.
        until: (n,) see `TransitHistory`.
        week: (n,) of the order, counted from that of 1970-01-05.
        zones: (n,) IANA names of the destinations' zones.
        returned: (n,) see `TransitHistory`.
        settled: (n,) likewise; a week of orders at a time.
        handed_over: the parcels as those of who took them over.
    """

    tracked: TrackedHistory
    known: KnownOrders
    gathered: HistoryAsOf
    weight: Floats
    until: Ints
    week: Ints
    zones: NDArray[Any]
    returned: Mask
    settled: Mask
    handed_over: HandedOver | None

    @classmethod
    def of(
        cls, tracked: TrackedHistory, known: KnownOrders, gathered: HistoryAsOf, drawn: Drawn
    ) -> PastParcels:
        """Those that were drawn, by what is known of them."""
        if drawn.rows is not None:
            known, gathered = known.take(drawn.rows), gathered.take(drawn.rows)
        results = gathered.outcomes
        week = week_of(results.start_day)
        patience = int((results.closed_day - results.start_day).max())
        encoder, requests = gathered.encoder, gathered.requests
        return cls(
            tracked=tracked,
            known=known,
            gathered=gathered,
            weight=drawn.weight,
            until=np.where(results.arrived, known.event_known(), results.as_of_day * _DAY),
            week=week,
            zones=known.zone_names(encoder.zones),
            returned=known.returned() & ~results.arrived,
            settled=week_end(week) + patience < results.as_of_day,
            handed_over=HandedOver.seen(encoder, *known.handed_over(encoder, requests)),
        )

    def drawn(self, first_day: int, share: float) -> Ints:
        """Positions of parcels that were under way on a UTC day or later, or a part of them.

        Args:
            share: of them, drawn by chance.
        """
        chance = self.gathered.outcomes.within * 15_485_863.0 % 1.0
        return np.flatnonzero((self.until > first_day * _DAY) & (chance < share))

    @cached_property
    def _scans(self) -> ParcelScans:
        """Those of all parcels, of a history that is in memory."""
        return parcel_scans(self.tracked, self.known)

    def scans(self, rows: Ints) -> ParcelScans:
        """Those of some of the parcels."""
        if isinstance(self.known, KeptOrders):
            return parcel_scans(self.tracked, self.known, rows)
        return self._scans.take(rows)

    def looks(
        self, rows: Ints, contract: FeatureContract | None = None, promises_by: Forest | None = None
    ) -> TransitHistory:
        """Look at some of the parcels as `snapshot_moments` says, with what was received by then.

        Args:
            rows: ascending positions.
            contract: features of the promise at the order; None: nobody asks for features of looks.
            promises_by: its forest; one that has not seen these orders is honest about them.
        """
        gathered = self.gathered
        results, requests = gathered.outcomes.take(rows), gathered.requests.take(rows)
        scans, until = self.scans(rows), self.until[rows]
        # Another number than the one that spreads the event over its day, or hours would tell it.
        hour = results.within * 104_729.0 % 1.0
        parcel, when = snapshot_moments(scans, until, hour)
        promises = NO_PROMISES
        if contract is not None and promises_by is not None:
            x, offset = gathered.features(gathered.builder(contract), rows)
            promises = OrderPromises(
                promises_by.levels,
                gathered.statistics.settings.offset,
                promises_by.predict(x),
                offset,
            )
        over = self.handed_over
        looks = Snapshots(
            states=scans.states(parcel, when, self.tracked.event),
            level_names=gathered.encoder.level_names,
            clocks=gathered.encoder.clocks,
            requests=requests,
            zones=self.zones[rows],
            ordered=scans.ordered,
            promises=promises,
            handed_over=None if over is None else over.take(rows),
        )
        return TransitHistory(
            rows=rows,
            scans=scans,
            looks=looks,
            outcomes=results,
            returned=self.returned[rows],
            settled=self.settled[rows],
            day=when // _DAY,
            parcel_weight=self.weight[rows],
            until=until,
            event=self.tracked.event,
        )
