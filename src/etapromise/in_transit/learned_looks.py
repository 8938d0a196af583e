"""What looks at past parcels teach: sums over some of them, and what all say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from etapromise.array_types import Floats, Ints
from etapromise.encoding.requests import Encoder
from etapromise.in_transit.flow import FLOW_LEVELS, Passages
from etapromise.in_transit.outlook import is_open
from etapromise.in_transit.past_journeys import Ended, TransitHistory
from etapromise.in_transit.scan_gaps import FATES, SPENT, GapSums, ScanGaps, ScanGapTable
from etapromise.in_transit.transit_parts import STAGES, Exits
from etapromise.shrinkage import PRIORS, shrunk

_FACILITY = FLOW_LEVELS.index("facility")


@dataclass(frozen=True, kw_only=True)
class LookSums:
    """Sums over looks at some parcels, by rows of an encoder; others' are added to them.

    Attributes:
        ended: looks at parcels that have come since, for the flow.
        facilities: where these were, ascending; rows of the flow's last level from 1 on.
        carriers: (c,) rows of the level "carrier", ascending.
        gaps: silences, by these carriers.
        waiting: silences that go on today, by rows of the level.
        services: (s,) rows of the level "service", ascending.
        looks: (s,) how many there are.
        parcels: (s,) how many parcels were looked at.
        seen: (s, cells of `Exits`) looks at settled parcels.
        back: (s, cells) of these, at those that went back.
        found: (s, stages) of these, at those that arrived.
        days: (d,) UTC days, ascending.
        open_looks: (d,) looks on each of them at parcels that were open.
        scanned: looks at parcels that had been scanned.
    """

    ended: Ended
    facilities: tuple[str, ...]
    carriers: Ints
    gaps: GapSums
    waiting: ScanGaps
    services: Ints
    looks: Ints
    parcels: Ints
    seen: Floats
    back: Floats
    found: Floats
    days: Ints
    open_looks: Ints
    scanned: int

    @classmethod
    def of(cls, past: TransitHistory) -> LookSums:
        """Those over some looks."""
        usual, fates, waiting = past.silences()
        carriers, _ = np.unique(np.append(usual.carrier, fates.carrier), return_inverse=True)
        services, service = np.unique(past.looks.codes("service"), return_inverse=True)
        first = np.append(True, past.parcel[1:] != past.parcel[:-1])[: len(past.parcel)]
        counts = [
            np.bincount(rows, minlength=len(services)).astype(np.int64)
            for rows in (service, service[first])
        ]
        seen, back, found = _exits(past, service, len(services))
        open_ = is_open(past.looks.states)
        days, open_looks = np.unique(past.day[open_], return_counts=True)
        ended, facilities = _with_own_facilities(past)
        return cls(
            ended=ended,
            facilities=facilities,
            carriers=carriers,
            gaps=GapSums.of(
                *(
                    replace(each, carrier=np.searchsorted(carriers, each.carrier))
                    for each in (usual, fates)
                ),
                stages=len(STAGES),
                carriers=len(carriers),
            ),
            waiting=waiting,
            services=services,
            looks=counts[0],
            parcels=counts[1],
            seen=seen,
            back=back,
            found=found,
            days=days,
            open_looks=open_looks.astype(np.int64),
            scanned=int((past.looks.states.scans > 0).sum()),
        )


@dataclass(frozen=True, kw_only=True)
class LearnedLooks:
    """What looks at all parcels say together.

    Attributes:
        ended: as of `LookSums`.
        facilities: likewise.
        silence: how long parcels are silent, and how many for ever.
        exits: how many of those seen in each stage never arrive.
        chatter: (services,) 1 / how often a parcel of each is looked at on average, so that chatty
            carriers count like others. Not by the parcel's own looks: late parcels are looked at
            more often than others, and weighing them down would make every forecast too hopeful.
        days: (d,) UTC days.
        open_looks: (d,) looks on each of them at parcels that were open; a day may come twice.
        scanned: looks at parcels that had been scanned.
    """

    ended: Ended
    facilities: tuple[str, ...]
    silence: ScanGapTable
    exits: Exits
    chatter: Floats
    days: Ints
    open_looks: Ints
    scanned: int

    @classmethod
    def of(cls, parts: Sequence[tuple[LookSums, bool]], encoder: Encoder) -> LearnedLooks:
        """From sums over parcels, and whether what they say of settled parcels counts already."""
        services = len(encoder.index_of["service"])
        gaps = GapSums.nothing(len(STAGES), len(encoder.index_of["carrier"]))
        looks, parcels = np.zeros(services, np.int64), np.zeros(services, np.int64)
        seen, back = np.zeros((2, services, *Exits.shape()))
        found = np.zeros((services, len(STAGES)))
        for part, settled in parts:
            gaps.add(part.gaps, part.carriers, (*SPENT, *FATES) if settled else SPENT)
            looks[part.services] += part.looks
            parcels[part.services] += part.parcels
            if settled:
                seen[part.services] += part.seen
                back[part.services] += part.back
                found[part.services] += part.found
        chatter = np.maximum(parcels, 1) / np.maximum(looks, 1)
        facilities = tuple(sorted({name for part, _ in parts for name in part.facilities}))
        return cls(
            ended=_joined([part for part, _ in parts], facilities),
            facilities=facilities,
            silence=_silence(gaps, [part.waiting for part, _ in parts]),
            exits=_shares(
                (chatter[:, None, None, None] * seen).sum(0),
                (chatter[:, None, None, None] * back).sum(0),
                (chatter[:, None] * found).sum(0),
            ),
            chatter=chatter,
            days=np.concatenate([part.days for part, _ in parts]),
            open_looks=np.concatenate([part.open_looks for part, _ in parts]),
            scanned=sum(part.scanned for part, _ in parts),
        )

    def share(self, first_day: int, most: int) -> float:
        """Of which part of the parcels there are about `most` open looks since a UTC day."""
        looks = int(self.open_looks[self.days >= first_day].sum())
        return min(1.0, most / max(looks, 1))


def _with_own_facilities(past: TransitHistory) -> tuple[Ended, tuple[str, ...]]:
    """The looks whose parcels have come, and the facilities at which these were."""
    ended = past.ended(past.scans.facilities)
    rows = np.unique(ended.passages.codes[:, _FACILITY])
    rows = rows[rows > 0]
    names = tuple(past.scans.facilities[row - 1] for row in rows)
    codes = ended.passages.codes.copy()
    place = codes[:, _FACILITY]
    codes[:, _FACILITY] = np.where(place > 0, np.searchsorted(rows, place) + 1, 0)
    return replace(ended, passages=replace(ended.passages, codes=codes)), names


def _joined(parts: Sequence[LookSums], facilities: Sequence[str]) -> Ended:
    """The looks of all parts, one after another."""
    rows = {name: row for row, name in enumerate(facilities, start=1)}
    codes = []
    for part in parts:
        own = part.ended.passages.codes.copy()
        now = np.array([0, *(rows[name] for name in part.facilities)], np.int64)
        own[:, _FACILITY] = now[own[:, _FACILITY]]
        codes.append(own)
    ended = [part.ended for part in parts]
    return Ended(
        Passages(
            status=np.concatenate([each.passages.status for each in ended]),
            codes=np.concatenate(codes),
            day=np.concatenate([each.passages.day for each in ended]),
        ),
        np.concatenate([each.value for each in ended]),
        np.concatenate([each.weight for each in ended]),
    )


def _silence(gaps: GapSums, waiting: Sequence[ScanGaps]) -> ScanGapTable:
    """With the silences that go on today, by how likely they end.

    Without them the recent past looks quick.
    """
    first = gaps.table()
    stages, carriers = gaps.seen.shape
    every = np.arange(carriers)
    for each in waiting:
        ends = 1.0 - first.lost_probability(each.stage, each.carrier, each.days)
        nothing = each.take(np.zeros(0, np.int64))
        likely = replace(each, weight=each.weight * ends)
        gaps.add(GapSums.of(likely, nothing, stages=stages, carriers=carriers), every, SPENT)
    return gaps.table()


def _exits(past: TransitHistory, service: Ints, services: int) -> tuple[Floats, Floats, Floats]:
    """Looks at settled parcels by service and cell, those that went back, those that arrived."""
    known = past.settled[past.parcel]
    states, weight = past.looks.states.take(known), past.parcel_weight[past.parcel[known]]
    shape = (services, *Exits.shape())
    cell = np.ravel_multi_index(
        (service[known], *Exits.cells(states.stage, states.attempts, past.looks.silence[known])),
        shape,
    )
    size = int(np.prod(shape))
    seen = np.bincount(cell, weights=weight, minlength=size)
    back = np.bincount(cell, weights=weight * past.returned[states.parcel], minlength=size)
    found = np.bincount(
        service[known] * len(STAGES) + states.stage,
        weights=weight * past.outcomes.arrived[states.parcel],
        minlength=services * len(STAGES),
    )
    return (
        seen.astype(np.float64).reshape(shape),
        back.astype(np.float64).reshape(shape),
        found.astype(np.float64).reshape(services, len(STAGES)),
    )


def _shares(seen: Floats, gone: Floats, found: Floats) -> Exits:
    whole = (gone.sum() + 1.0) / (seen.sum() + 100.0)
    stage = _shrunk_share(gone.sum((1, 2)), seen.sum((1, 2)), whole)
    attempts = _shrunk_share(gone.sum(2), seen.sum(2), stage[:, None])
    return Exits(
        returned=_shrunk_share(gone, seen, attempts[:, :, None]),
        found=shrunk(found, seen.sum((1, 2)), PRIORS.found_share, PRIORS.exits),
    )


def _shrunk_share(gone: Floats, seen: Floats, above: Floats | float) -> Floats:
    return np.asarray(shrunk(gone, seen, above, PRIORS.exits))
