"""Everything that history says about carriers, places and lanes at one moment.

Built from parcels and what was known of them; the model keeps the snapshot, training also sees what
each parcel's own day knew.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.encoding.requests import Encoder, Requests
from etapromise.history.effects import (
    FIELDS,
    Effects,
    EffectSettings,
    FittedEffectSettings,
    Sweep,
    WantedDays,
)
from etapromise.history.shortest_ways import NOT_TOLD, shortest_ways
from etapromise.lanes.levels import HANDLING_LEVELS, LEVELS, SERVICE_LEVEL, WAY_LEVELS
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    StoredValues,
)

if TYPE_CHECKING:
    from etapromise.history.kept_effects import KeptEffects
    from etapromise.history.outcomes import Outcomes

# Parcels' worth of belief, whatever the keys say.
_LEAST: Final = 1.0
_MOST: Final = 200.0
# Of keys of which hardly anything was seen nothing is learned.
_SEEN: Final = 0.5

HANDLING_PACE: Final = ("network", "origin")
"""Levels whose pace of handling stretches the handling of an order."""

WAY_PACE: Final = ("network", "service")
"""The same of its way."""

_HANDLING_PACED, _WAY_PACED = (
    [[LEVELS[level].name for level in levels].index(name) for name in paced]
    for levels, paced in ((HANDLING_LEVELS, HANDLING_PACE), (WAY_LEVELS, WAY_PACE))
)

# Memories of the handling's pace that are tried, as multiples of that of the whole duration's.
_MEMORIES: Final = (1 / 3, 1 / 2, 3 / 4, 1.0, 3 / 2, 2.0)
# Another memory has to be better by this share, among so many parcels, after so many of a start.
_BETTER: Final = 0.002
_JUDGED: Final = 500
_STARTED: Final = 200.0
_MOST_JUDGED: Final = 50_000
# Beyond this, as in effects.c, something else went wrong.
_OUTLYING: Final = 1.5
_WEEK: Final = 7
# Standard errors for which a pace is given the benefit of the doubt.
_DOUBTS: Final = 2.0


def fitted_to_keys(
    settings: EffectSettings, sweeps: Sequence[Sweep], end_day: int
) -> FittedEffectSettings:
    """The settings with a prior for each level, and a memory of the handling's pace.

    Args:
        settings: as they are configured; their prior is where each level's begins.
        sweeps: over the whole durations, over those of handling and over those of the way.
        end_day: only what was received before it counts.

    Raises:
        InsufficientHistoryError: no parcel starts before `end_day`.
    """
    nobody = np.zeros(0, np.int64)
    total, handling, way = (
        _priors(sweep, sweep.run(end_day, wanted=nobody).at_end.astype(np.float64))
        for sweep in sweeps
    )
    own = {each.name: getattr(settings, each.name) for each in fields(EffectSettings)}
    half_life = _handling_memory(replace(sweeps[1], priors=handling), end_day)
    handled = replace(sweeps[1], priors=handling, settings=settings.with_pace_of(half_life))
    return FittedEffectSettings(
        **own,
        handling_pace_half_life=half_life,
        handling_pace_held=_held(_Foretold.by(handled, end_day, _HANDLING_PACED)),
        way_pace_held=_held(_Foretold.by(replace(sweeps[2], priors=way), end_day, _WAY_PACED)),
        total=total,
        handling=handling,
        way=way,
    )


class _Foretold(NamedTuple):
    """What some parcels took, and what was known of it on their orders' days.

    Attributes:
        start_day: (k,) UTC days of the orders, since 1970-01-01.
        beyond: (k,) what the logarithm of each duration came to beyond its effects.
        pace: (k,) what the paces of that day foretold of it.
    """

    start_day: NDArray[np.int32]
    beyond: Floats
    pace: Floats

    @classmethod
    def by(cls, sweep: Sweep, end_day: int, paced: Sequence[int]) -> _Foretold | None:
        """Of parcels known before a day, by the paces of some levels; None where they are few."""
        durations = sweep.durations
        known = np.flatnonzero((durations.known_day < end_day) & (durations.start_day < end_day))
        judged = known[:: max(1, len(known) // _MOST_JUDGED)]
        found = sweep.run(end_day, wanted=judged).at_start
        started = found[:, 0, FIELDS.index("evidence")] >= _STARTED
        if started.sum() < _JUDGED:
            return None
        judged, found = judged[started], found[started].astype(np.float64)
        effect = found[..., FIELDS.index("effect")].sum(axis=1)
        pace = found[:, paced, FIELDS.index("pace")].sum(axis=1)
        return cls(durations.start_day[judged], durations.value[judged] - effect, pace)


def _handling_memory(sweep: Sweep, end_day: int) -> float:
    """The half-life by which what each order's own day knew foretold its handling best.

    Where a queue grows and is worked off by the day, an old pace is that of another queue; where
    nothing changes, a short memory is mostly noise. By the mean square of the logarithm's error.
    """
    usual = sweep.settings.pace_half_life
    errors = {}
    for multiple in _MEMORIES:
        tried = replace(sweep, settings=sweep.settings.with_pace_of(multiple * usual))
        told = _Foretold.by(tried, end_day, _HANDLING_PACED)
        if told is None:
            return usual
        error = (told.beyond - told.pace).clip(-_OUTLYING, _OUTLYING)
        errors[multiple * usual] = float((error**2).mean())
    best = min(errors, key=errors.__getitem__)
    return best if errors[best] < (1 - _BETTER) * errors[usual] else usual


def _held(told: _Foretold | None) -> float:
    """How much of a pace has held for the orders that came after it, 0 to 1.

    The slope of what they took beyond their effects on the pace of their day: far below 1 where
    slow spells are over before they are known. Only what is beyond doubt is taken off, for to
    count too little in a spell that lasts costs more than too much after one: two standard errors
    are added, by weeks, whose orders share their luck (Liang & Zeger 1986).
    """
    if told is None:
        return 1.0
    beyond = told.beyond.clip(-_OUTLYING, _OUTLYING)
    much = float((told.pace**2).sum())
    if not much:
        return 1.0
    slope = float((told.pace * beyond).sum()) / much
    week = (told.start_day - int(told.start_day.min())) // _WEEK
    left = np.bincount(week, told.pace * (beyond - slope * told.pace))
    doubt = float(np.sqrt((left**2).sum())) / much
    return float(np.clip(slope + _DOUBTS * doubt, 0.0, 1.0))


def _priors(sweep: Sweep, table: Floats) -> tuple[float, ...]:
    """Parcels' worth of belief for each level; 0 for the network, which leans on nobody."""
    starts = np.cumsum([0, *sweep.table_sizes])
    within = table[1, FIELDS.index("deviation")] ** 2
    return 0.0, *(
        _prior(table[first + 1 : last], within, sweep.settings.prior)
        for first, last in itertools.pairwise(starts[1:].tolist())
    )


def _prior(keys: Floats, within: float, prior: float) -> float:
    """How parcels of a key differ to how keys do, as a ratio of variances.

    Args:
        keys: (k, 5) fields of the keys of a level.
        within: variance of a parcel around what all levels say.
        prior: what their effects were shrunk with, and what is believed before any key is seen.
    """
    seen = keys[keys[:, FIELDS.index("evidence")] > _SEEN]
    evidence = seen[:, FIELDS.index("evidence")]
    mean = seen[:, FIELDS.index("effect")] * (evidence + prior) / evidence
    count = len(seen)
    between = 0.0
    if count:
        between = (float((evidence * mean**2).sum()) - count * within) / float(evidence.sum())
    believed = PRIORS.levels_differ * within / prior
    between = (max(between, 0.0) * count + believed) / (count + PRIORS.levels_differ)
    return float(np.clip(within / between, _LEAST, _MOST))


# Columns of the tables: those of a sweep, but for the evidence of the pace, which nobody asks for,
# and in its place the pace of the way alone, from the network to services.
TABLE_FIELDS: Final = ("effect", "evidence", "pace", "way_pace", "deviation")
# Effects and paces are logarithms of durations, or differences of some.
_LOG: Final = 50.0
_MANY: Final = 1e12
# Sums that fade are a rounding error below nothing at times.
_LOW: Final = (-_LOG, -1e-3, -_LOG, -_LOG, -_LOG)
_HIGH: Final = (_LOG, _MANY, _LOG, _LOG, _LOG)
_LAYOUT: Final = ArrayLayout(
    total=Array("float32", "rows", len(TABLE_FIELDS), low=_LOW, high=_HIGH),
    total_start=Array("int64", "levels"),
    handling=Array("float32", "handling_rows", len(TABLE_FIELDS), low=_LOW, high=_HIGH),
    handling_start=Array("int64", "handling_levels"),
    lost=Array("float64", "services", low=0.0, high=1.0),
    shortest=Array("float32", "rows", 7, low=NOT_TOLD, high=_MANY),
)


@dataclass(frozen=True, kw_only=True)
class Statistics(ArrayRecord):
    """Tables by level; row 0 of each level says "no evidence".

    Attributes:
        as_of_day: what was received before this UTC day (days since 1970-01-01) is in them; the
            day after the newest order or event where nothing came later.
        total: (rows, 5) float32 effects on the whole duration, the levels one after another.
        total_start: (L,) where each level's rows start.
        handling: (rows, 5) float32 effects on the handling time.
        handling_start: (H,) likewise, for the levels at HANDLING_LEVELS.
        lost: (services,) share of parcels that never arrive, by row of the level "service".
        shortest: (rows, 7) float32 operational days from a pick-up of each weekday that hardly any
            parcel comes before, see `shortest_ways`.
        settings: the memory and shrinkage that they were built with, level by level.
    """

    LAYOUT: ClassVar = _LAYOUT

    as_of_day: int
    total: NDArray[np.float32]
    total_start: Ints
    handling: NDArray[np.float32]
    handling_start: Ints
    lost: Floats
    shortest: NDArray[np.float32]
    settings: FittedEffectSettings

    @classmethod
    def stored(cls, part: StoredPart, values: StoredValues, sizes: list[int]) -> Statistics:
        """The statistics of a model's files.

        Args:
            sizes: (L,) rows of each level's table.
        """
        handling_sizes = [sizes[level] for level in HANDLING_LEVELS]
        arrays = part.read(
            _LAYOUT,
            rows=sum(sizes),
            levels=len(sizes),
            handling_rows=sum(handling_sizes),
            handling_levels=len(handling_sizes),
            services=sizes[SERVICE_LEVEL],
        )
        for name, expected in (("total", sizes), ("handling", handling_sizes)):
            starts = _starts(expected)
            if not np.array_equal(arrays[f"{name}_start"], starts):
                part.refuse(f"{name}_start", arrays[f"{name}_start"], starts)
        return cls(
            as_of_day=values.whole("as_of_day", EARLIEST_DAY, LATEST_DAY),
            settings=FittedEffectSettings.stored_for(values.part("settings"), len(sizes)),
            **arrays,
        )

    def evidence(self, level: int, row: int) -> float:
        """Parcels' worth of history behind one row of one level.

        Parcels count less with time, and open ones as much as their age tells.
        """
        return float(self.total[self.total_start[level] + row, TABLE_FIELDS.index("evidence")])


@dataclass(frozen=True, kw_only=True)
class AsOfOrder:
    """What was known on parcels' own order days.

    Attributes:
        rows: (k,) int64 ascending positions of the parcels of whose days it is known.
        total: (k, L, 5) float32.
        handling: (k, H, 5) float32.
    """

    rows: Ints
    total: NDArray[np.float32]
    handling: NDArray[np.float32]

    def places(self, rows: Ints) -> Ints:
        """(r,) where the tables have parcels, by their positions."""
        if len(rows) and (not len(self.rows) or int(rows.max()) > int(self.rows[-1])):
            raise IndexError(int(rows.max()))
        found = np.searchsorted(self.rows, rows)
        if not np.array_equal(self.rows[found], rows):
            raise IndexError(int(rows[self.rows[found] != rows][0]))
        return found

    def take(self, rows: Ints) -> AsOfOrder:
        """Of some of the parcels, known or not, by ascending positions; they are numbered anew."""
        mine = np.isin(rows, self.rows, assume_unique=True)
        return replace(self.only(rows[mine]), rows=np.flatnonzero(mine))

    def only(self, rows: Ints) -> AsOfOrder:
        """Of some of the parcels, by ascending positions; the others' memory is let go of."""
        places = self.places(rows)
        return AsOfOrder(rows=rows, total=self.total[places], handling=self.handling[places])


def build_statistics(
    encoder: Encoder,
    requests: Requests,
    outcomes: Outcomes,
    settings: EffectSettings,
    asked: Requests | None = None,
    *,
    wanted: WantedDays | None = None,
    kept: KeptEffects | None = None,
) -> tuple[Statistics, AsOfOrder]:
    """Statistics at `outcomes.as_of_day`, and on parcels' order days.

    Args:
        encoder: whose key indexes number the tables' rows.
        requests: n parcels in the order of their start day, all known to the indexes.
        outcomes: what became of them.
        settings: of a model's statistics; or configured ones, which are fitted to the keys first.
        asked: the parcels as they were ordered, where `requests` begin later; for the handling.
        wanted: of which parcels' order days; by default of all.
        kept: where the sweeps go on from another time's.

    Raises:
        InsufficientHistoryError: no parcel was ordered before that day.
    """
    asked = requests if asked is None else asked
    sizes = encoder.sizes
    handling_sizes = [sizes[level] for level in HANDLING_LEVELS]
    codes = np.ascontiguousarray(requests.codes.T)
    sweeps = [
        Sweep(
            durations=durations,
            codes=codes if len(levels) == len(codes) else codes[list(levels)],
            table_sizes=[sizes[level] for level in levels],
            elapsed=encoder.clocks.elapsed,
            first_clock_day=encoder.clocks.first_day,
            settings=settings,
            paced_level=levels.index(SERVICE_LEVEL),
        )
        for durations, levels in zip(
            outcomes.durations(requests, asked, encoder.clocks, settings.offset),
            (range(len(sizes)), HANDLING_LEVELS, WAY_LEVELS),
            strict=True,
        )
    ]
    if not isinstance(settings, FittedEffectSettings):
        settings = fitted_to_keys(settings, sweeps, outcomes.as_of_day)
    sweeps = [
        replace(sweep, settings=own, priors=priors)
        for sweep, own, priors in zip(
            sweeps,
            (settings, settings.of_handling, settings),
            (settings.total, settings.handling, settings.way),
            strict=True,
        )
    ]
    if wanted is None:
        every = np.arange(len(requests))
        wanted = WantedDays(rows=every, later=every)
    found: list[Effects] = (
        [sweep.run(outcomes.as_of_day, wanted=wanted.rows) for sweep in sweeps]
        if kept is None
        else kept.run(encoder, sweeps, outcomes.as_of_day, wanted)
    )
    total, handling = _tables(found, sum(sizes[: SERVICE_LEVEL + 1]), settings)
    known = outcomes.event_known_day[outcomes.event_known_day < outcomes.as_of_day]
    newest = max(int(outcomes.start_day.max()), int(known.max(initial=EARLIEST_DAY)))
    statistics = Statistics(
        # A feed that has ended makes no statistics new, however often they are made again.
        as_of_day=min(outcomes.as_of_day, newest + 1),
        total=total.at_end,
        total_start=_starts(sizes),
        handling=handling.at_end,
        handling_start=_starts(handling_sizes),
        lost=lost_shares(encoder, requests, outcomes),
        shortest=shortest_ways(encoder, asked, outcomes, settings.half_life),
        settings=settings,
    )
    return statistics, AsOfOrder(rows=wanted.rows, total=total.at_start, handling=handling.at_start)


def _tables(
    found: Sequence[Effects], rows: int, settings: FittedEffectSettings
) -> tuple[Effects, Effects]:
    """The whole durations' and the handling's, with the way's pace in them; written over.

    Paces of handling and of the way are as much of them as has held before.

    Args:
        found: of the whole durations, of handling and of the way.
        rows: that the levels from the network to services have.
    """
    total, handling, way = found
    place, pace = TABLE_FIELDS.index("way_pace"), FIELDS.index("pace")
    for table in (total.at_start, total.at_end, handling.at_start, handling.at_end):
        table[..., place] = 0.0
    # These levels are the first ones of either.
    levels = SERVICE_LEVEL + 1
    held = np.float32(settings.way_pace_held)
    total.at_end[:rows, place] = held * way.at_end[:rows, pace]
    total.at_start[:, :levels, place] = held * way.at_start[:, :levels, pace]
    for table in (handling.at_start, handling.at_end):
        table[..., pace] *= np.float32(settings.handling_pace_held)
    return total, handling


def _starts(sizes: list[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def lost_shares(encoder: Encoder, requests: Requests, outcomes: Outcomes) -> Floats:
    """(services,) share of parcels that never arrive, by row of the level "service".

    Among the parcels whose fate had time to show: those given up by `outcomes.as_of_day` if still
    open.

    Args:
        encoder: whose key indexes number the rows.
        requests: n parcels.
        outcomes: what became of them, as of any day.
    """
    service, services = requests.codes[:, SERVICE_LEVEL], len(encoder.indexes[SERVICE_LEVEL])
    decided = outcomes.arrived | outcomes.closed
    # Only parcels whose time to be given up has passed: of younger ones the arrived are known, and
    # of the lost few.
    patience = int((outcomes.closed_day - outcomes.start_day).max())
    settled = decided & (outcomes.start_day + patience < outcomes.as_of_day)
    lost = np.bincount(service[settled & outcomes.closed], minlength=services).astype(np.float64)
    seen = np.bincount(service[settled], minlength=services).astype(np.float64)
    network = shrunk(lost.sum(), seen.sum(), PRIORS.lost_share, PRIORS.lost)
    return shrunk(lost, seen, network, PRIORS.lost)
