"""Past journeys as they were seen on their way: what the in-transit parts are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.forecast.forest import Forest
from etapromise.history.as_of import KnownOrders
from etapromise.history.features import FeatureContract
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.outcomes import Outcomes
from etapromise.in_transit.flow import FlowTables, Passages, flow_as_of, flow_tables
from etapromise.in_transit.kept_scans import parcel_scans
from etapromise.in_transit.outlook import HandedOver, OrderPromises, Snapshots, is_open, shares
from etapromise.in_transit.sampling import WINDOW
from etapromise.in_transit.scan_gaps import ScanGaps, ScanGapTable, scan_gap_table
from etapromise.in_transit.snapshots import snapshot_moments
from etapromise.in_transit.states import ParcelScans, stage_number
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, STAGES, Exits
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.tracking.contract import Event
from etapromise.tracking.tracked import TrackedHistory

__all__ = ["TransitHistory", "chatter_weights", "transit_history"]

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

    def flow_on(self, day: int, sizes: Ints) -> FlowTables:
        """The flow as of a UTC day."""
        return flow_tables(self.passages, self.value, self.weight, as_of_day=day, sizes=sizes)


@dataclass(frozen=True, kw_only=True)
class TransitHistory:
    """m looks at n parcels, and what became of them by `outcomes.as_of_day`.

    Attributes:
        scans: of the parcels.
        looks: the looks, ascending by parcel and moment.
        outcomes: what became of the parcels.
        returned: (n,) known to be on its way back, or there.
        settled: (n,) ordered so long ago that what has not come by now is given up.
        day: (m,) UTC day of each look.
        weight: (m,) see `chatter_weights`, times that of the parcel.
        parcel_weight: (n,) how many parcels each stands for, 1 on average; see `sampling`.
        until: (n,) microseconds: when the event was known, else the start of the as-of day.
        zones: (n,) IANA names of the destinations' zones.
        event: what is waited for.
    """

    scans: ParcelScans
    looks: Snapshots
    outcomes: Outcomes
    returned: Mask
    settled: Mask
    day: Ints
    weight: Floats
    parcel_weight: Floats
    until: Ints
    zones: NDArray[Any]
    event: Event

    @property
    def parcel(self) -> Ints:
        """(m,) whose look."""
        return self.looks.states.parcel

    def take(self, rows: NDArray[np.int64] | Mask) -> TransitHistory:
        """Some of the looks, at their weights."""
        return replace(
            self, looks=self.looks.take(rows), day=self.day[rows], weight=self.weight[rows]
        )

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

    def silence(self, carriers: int) -> ScanGapTable:
        """How long parcels are silent, and how many for ever; see `forecast.silence`."""
        looks, states = self.looks, self.looks.states
        parcel = self.parcel
        # A silence begins with the order, and with each scan that is the latest so far.
        same = np.append(False, parcel[1:] == parcel[:-1])
        moved = np.append(True, states.last_scan[1:] != states.last_scan[:-1])
        begin = np.flatnonzero(~same | moved)
        following = np.append(begin[1:], len(parcel))
        in_journey = np.append(begin[1:], 0) > 0
        last = np.append(parcel[begin[1:]] != parcel[begin[:-1]], True)
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
        usual = asked & ~for_ever & (in_journey | arrived)
        fate = asked & self.settled[part.states.parcel] & (for_ever | in_journey | arrived)
        stage, carrier = part.states.stage.astype(np.int64), part.codes("carrier")

        waiting = asked & last & gone & ~self.settled[part.states.parcel]
        waiting &= ~self.outcomes.closed[part.states.parcel]

        def silences(rows: Mask, ended: Mask, weight: Floats) -> ScanGaps:
            return ScanGaps(
                stage=stage[rows],
                carrier=carrier[rows],
                days=np.maximum(np.nan_to_num(days[rows]), 0.0),
                ended=ended[rows],
                weight=weight[rows],
                gone=gone[rows],
            )

        alike = self.parcel_weight[part.states.parcel]
        fates = silences(fate, ~for_ever, alike)
        sizes = {"stages": len(STAGES), "carriers": carriers}
        first = scan_gap_table(silences(usual, ~waiting, alike), fates, **sizes)
        # Silences that go on today count by how likely they end: without them the recent past
        # looks quick.
        ends = 1.0 - first.lost_probability(stage, carrier, np.maximum(np.nan_to_num(days), 0.0))
        weight = alike * np.where(waiting, ends, 1.0)
        return scan_gap_table(silences(usual | waiting, ~waiting, weight), fates, **sizes)

    def arriving(self, silence: ScanGapTable, exits: Exits, day: int) -> Floats:
        """(n,) probability that each arrives, by where it stood at the start of a UTC day."""
        count = len(self.scans)
        states = self.scans.states(
            np.arange(count), np.full(count, day * _DAY - 1, np.int64), self.event
        )
        looks = self.looks.elsewhere(states, self.zones)
        lost, back = shares(silence, exits, looks)
        return np.asarray((1.0 - lost) * (1.0 - back))

    def exits(self) -> Exits:
        """How many of those seen in each stage never arrive."""
        known = self.take(self.settled[self.parcel])
        states = known.looks.states
        cell = np.ravel_multi_index(
            Exits.cells(states.stage, states.attempts, known.looks.silence), Exits.shape()
        )
        size = int(np.prod(Exits.shape()))
        back = known.returned[known.parcel]
        seen = np.bincount(cell, weights=known.weight, minlength=size).reshape(Exits.shape())
        gone = np.bincount(cell, weights=known.weight * back, minlength=size)
        gone = gone.reshape(Exits.shape())
        whole = (gone.sum() + 1.0) / (seen.sum() + 100.0)
        stage = _shrunk_share(gone.sum((1, 2)), seen.sum((1, 2)), whole)
        attempts = _shrunk_share(gone.sum(2), seen.sum(2), stage[:, None])
        stages = known.looks.states.stage
        alive = known.outcomes.arrived[known.parcel]
        seen_in = np.bincount(stages, weights=known.weight, minlength=len(STAGES))
        found = np.bincount(stages, weights=known.weight * alive, minlength=len(STAGES))
        return Exits(
            returned=_shrunk_share(gone, seen, attempts[:, :, None]),
            found=shrunk(found, seen_in, PRIORS.found_share, PRIORS.exits),
        )


def _shrunk_share(gone: Any, seen: Any, above: Floats | float) -> Floats:
    return np.asarray(shrunk(gone, seen, above, PRIORS.exits))


def transit_history(
    tracked: TrackedHistory,
    known: KnownOrders,
    gathered: HistoryAsOf,
    contract: FeatureContract,
    promises_by: Forest,
    *,
    weight: Floats | None = None,
) -> TransitHistory:
    """Look at every parcel as `snapshot_moments` says, with what had been received by then.

    Args:
        known: the orders to look at.
        contract: features of the promise at the order.
        promises_by: its forest; one that has not seen these orders is honest about them.
        weight: (n,) how many parcels each of the orders stands for; by default 1.
    """
    results = gathered.outcomes
    scans = parcel_scans(tracked, known)
    moment = results.as_of_day * _DAY
    until = np.where(results.arrived, known.event_known(), moment)
    wanted = results.start_day >= results.as_of_day - WINDOW
    # Another number than the one that spreads the event over its day, or hours would tell it.
    hour = results.within * 104_729.0 % 1.0
    parcel, when = snapshot_moments(scans, until, hour, wanted)
    states = scans.states(parcel, when, tracked.event)
    rows = np.flatnonzero(wanted)
    x, offset = gathered.features(gathered.builder(contract), rows)
    log_days = np.zeros((len(results.start_day), len(promises_by.levels)))
    log_days[rows] = promises_by.predict(x)
    offsets = np.zeros(len(log_days))
    offsets[rows] = offset
    zones = known.zone_names(gathered.encoder.zones)
    looks = Snapshots.at(
        states,
        levels=gathered.encoder.levels,
        clocks=gathered.encoder.clocks,
        requests=gathered.requests,
        zones=zones,
        ordered=scans.ordered,
        promises=OrderPromises(
            promises_by.levels, gathered.statistics.settings.offset, log_days, offsets
        ),
        handed_over=HandedOver.seen(
            gathered.encoder, *known.handed_over(gathered.encoder, gathered.requests)
        ),
    )
    patience = int((results.closed_day - results.start_day).max())
    service = looks.codes("service")
    weight = np.ones(len(scans)) if weight is None else weight
    return TransitHistory(
        scans=scans,
        looks=looks,
        outcomes=results,
        returned=known.returned() & ~results.arrived,
        settled=results.start_day.astype(np.int64) + patience < results.as_of_day,
        day=when // _DAY,
        weight=chatter_weights(parcel, service) * weight[parcel],
        parcel_weight=weight,
        until=until,
        zones=zones,
        event=tracked.event,
    )


def chatter_weights(parcel: Ints, service: Ints) -> Floats:
    """(m,) 1 / how often a parcel of each look's service is looked at on average.

    So chatty carriers count like others. Not by the parcel's own looks: late parcels are looked at
    more often than others, and weighing them down would make every forecast too hopeful.

    Args:
        parcel: (m,) whose look, ascending.
        service: (m,) of which service.
    """
    size = int(service.max()) + 1 if len(service) else 0
    first = np.append(True, parcel[1:] != parcel[:-1])[: len(parcel)]
    looks = np.bincount(service, minlength=size)
    parcels = np.bincount(service[first], minlength=size)
    return np.asarray((np.maximum(parcels, 1) / np.maximum(looks, 1))[service])
