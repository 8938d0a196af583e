"""Who is slower than expected, as of each day: decayed, censored, additive effects by level.

The sweep over the days is compiled (native/effects.c); tests hold it against a plain one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints, with_rows
from etapromise.errors import InsufficientHistoryError
from etapromise.lanes.levels import HANDLING_LEVELS, WAY_LEVELS
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredValues,
)

# Columns of what a sweep finds of a key.
FIELDS: Final = ("effect", "evidence", "pace", "pace_evidence", "deviation")
# A day later than any other: what has this day has not happened.
NEVER_DAY: Final = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class EffectSettings:
    """How long history is remembered and how much of it a level needs.

    Attributes:
        half_life: days in which a parcel's weight in an effect halves.
        pace_half_life: the same for the pace; that of handling is fitted (`FittedEffectSettings`).
        prior: parcels' worth of belief that a level has no effect of its own, before its keys say
            how far they differ (`FittedEffectSettings`).
        pace_prior: the same for the pace.
        offset: operational days added before the logarithm, so that a few hours more or less on a
            short way do not count like as many days on a long one.
        present_half_life: operational days in which half of what was so at the model's moment is
            gone: a pace, a surge, what recent promises were corrected by. It begins two days after.
    """

    half_life: float = 90.0
    pace_half_life: float = 6.0
    prior: float = 8.0
    pace_prior: float = 15.0
    offset: float = 1.0
    present_half_life: float = 4.0

    def with_pace_of(self, half_life: float) -> Self:
        """With another memory of the pace, and a belief worth as many days' parcels as before."""
        prior = self.pace_prior * half_life / self.pace_half_life
        return replace(self, pace_half_life=half_life, pace_prior=prior)


@dataclass(frozen=True, kw_only=True)
class FittedEffectSettings(EffectSettings):
    """Settings, and what the parcels of a network said of them.

    Attributes:
        handling_pace_half_life: days in which a parcel's weight in the pace of handling halves.
        handling_pace_held: how much of a pace of handling has held for later orders, 0 to 1.
        way_pace_held: the same of the way's.
        total: (L,) parcels' worth of belief that a level has no effect; the network's is 0.
        handling: (H,) the same of the handling's levels.
        way: (W,) the same of the way's levels.
    """

    handling_pace_half_life: float
    handling_pace_held: float
    way_pace_held: float
    total: tuple[float, ...]
    handling: tuple[float, ...]
    way: tuple[float, ...]

    @property
    def of_handling(self) -> Self:
        """The same with the handling's own memory of its pace."""
        return self.with_pace_of(self.handling_pace_half_life)

    @classmethod
    def stored_for(cls, values: StoredValues, levels: int) -> FittedEffectSettings:
        """The settings that a manifest states, for so many levels.

        Raises:
            ModelFileError: one is missing, or out of any sense.
        """
        return cls(
            **{each.name: values.number(each.name, 1e-6, 1e6) for each in fields(EffectSettings)},
            handling_pace_half_life=values.number("handling_pace_half_life", 1e-6, 1e6),
            handling_pace_held=values.number("handling_pace_held", 0.0, 1.0),
            way_pace_held=values.number("way_pace_held", 0.0, 1.0),
            total=values.numbers("total", levels, 0.0, 1e6),
            handling=values.numbers("handling", len(HANDLING_LEVELS), 0.0, 1e6),
            way=values.numbers("way", len(WAY_LEVELS), 0.0, 1e6),
        )


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Parcels in the order of their start, and how long they took as far as known.

    Attributes:
        start_day: (n,) int32 ascending, days since 1970-01-01.
        start_clock: (n,) operational time at the start.
        clock: (n,) int32 row of the clocks' elapsed table.
        value: (n,) log(operational duration + offset); NaN where not known.
        known_day: (n,) int32 UTC day on which the duration became known, NEVER where it is not.
        closed_day: (n,) int32 UTC day on which it became known that it never will be, or NEVER.
    """

    start_day: NDArray[np.int32]
    start_clock: Floats
    clock: NDArray[np.int32]
    value: Floats
    known_day: NDArray[np.int32]
    closed_day: NDArray[np.int32]

    @property
    def end_day(self) -> NDArray[np.int32]:
        """(n,) int32 UTC day on which each stops being open, NEVER where it does not."""
        return np.maximum(np.minimum(self.known_day, self.closed_day), self.start_day)

    def open_before(self, day: int) -> Ints:
        """Positions of those that started before a day and had not ended two days before it.

        What ended the day before is learnt in the first step of the day itself.
        """
        started = int(np.searchsorted(self.start_day, day))
        return np.flatnonzero(self.end_day[:started] >= day - 1)

    def take(self, rows: Ints) -> Durations:
        """Some of them, by ascending positions."""
        return with_rows(self, rows)


@dataclass(frozen=True, kw_only=True)
class SweepState(ArrayRecord):
    """A sweep as it stood at the start of a day, before what ended the day before was learnt.

    The arrays of `sweep_state` in native/effects.h.

    Attributes:
        sums: (rows, 6) float64. day: (rows,) int32. fields: (rows, 5) float32, by key.
        level_sums: (L, 4) float64. level_day: (L,) int32.
        network: (1,) float64.
        histogram: (160,) float64 residuals.
        own: (k,) float32. explained: likewise. settled: (k,) uint8. above: (L, k) float32, of the
            parcels that were open, see `Durations.open_before`.
    """

    LAYOUT: ClassVar = ArrayLayout(
        sums=Array("float64", "rows", 6),
        day=Array("int32", "rows", low=EARLIEST_DAY, high=LATEST_DAY),
        fields=Array("float32", "rows", len(FIELDS)),
        level_sums=Array("float64", "levels", 4),
        level_day=Array("int32", "levels", low=EARLIEST_DAY, high=LATEST_DAY),
        network=Array("float64", 1),
        histogram=Array("float64", 160),
        own=Array("float32", "open"),
        explained=Array("float32", "open"),
        settled=Array("uint8", "open", high=1),
        above=Array("float32", "levels", "open"),
    )

    sums: Floats
    day: NDArray[np.int32]
    fields: NDArray[np.float32]
    level_sums: Floats
    level_day: NDArray[np.int32]
    network: Floats
    histogram: Floats
    own: NDArray[np.float32]
    explained: NDArray[np.float32]
    settled: NDArray[np.uint8]
    above: NDArray[np.float32]

    @classmethod
    def empty(cls, day: int, *, rows: int, levels: int, open_parcels: int) -> SweepState:
        """One in which nothing is known of any key yet."""
        sizes = {"rows": rows, "levels": levels, "open": open_parcels}
        arrays = {
            name: np.zeros(
                [size if isinstance(size, int) else sizes[size] for size in array.shape],
                array.dtype,
            )
            for name, array in cls.LAYOUT.arrays.items()
        }
        arrays["day"][:] = arrays["level_day"][:] = day
        return cls(**arrays)


class _State(ctypes.Structure):
    _fields_ = native.fields(f"l open; p {' '.join(SweepState.LAYOUT.arrays)}")

    @classmethod
    def of(cls, state: SweepState) -> _State:
        """Looks at the arrays, which have to be kept alive."""
        pointers = {name: getattr(state, name).ctypes.data for name in SweepState.LAYOUT.arrays}
        return cls(open=len(state.own), **pointers)


class _Job(ctypes.Structure):
    _fields_ = (
        *native.fields(
            "l entries levels; p code start_day known_day closed_day value start_clock clock "
            "elapsed; l clock_days; i clock_first_day end_day; d offset half_life "
            "pace_half_life; p prior pace_prior; l paced_level; p table_start slot at_start "
            "at_end"
        ),
        *((name, ctypes.POINTER(_State)) for name in ("resume", "save")),
        *native.fields("p save_day; l saves; i resume_day"),
    )


_effects = native.function("etp_effects", "i", ctypes.POINTER(_Job))


@dataclass(frozen=True, kw_only=True)
class WantedDays:
    """Of which parcels' order days it is asked what was known then.

    Attributes:
        rows: (k,) ascending positions.
        later: (m,) likewise, those that may be asked about on another day.
    """

    rows: Ints
    later: Ints


class Resumed(NamedTuple):
    """Where a sweep goes on.

    Attributes:
        day: at whose start, days since 1970-01-01.
        state: how the same sweep, up to that day at least, stood then.
        known: (j, L, 5) float32 fields on the start days of the first j parcels that are asked for,
            those that started before that day.
    """

    day: int
    state: SweepState
    known: NDArray[np.float32]


class Effects(NamedTuple):
    """What a sweep finds.

    Attributes:
        at_start: (k, L, 5) float32 fields on the start days of the parcels that were asked for
            (zero for those that start on or after the snapshot's day).
        at_end: (rows, 5) float32 fields on the snapshot's day, the levels one after another.
        states: how it stood on the days that were asked for.
    """

    at_start: NDArray[np.float32]
    at_end: NDArray[np.float32]
    states: Sequence[SweepState]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep over the days goes through.

    Attributes:
        durations: n parcels.
        codes: (L, n) int32 row of each parcel in each level's table, at least 1; level 0 is the
            network and has the one row 1.
        table_sizes: (L,) rows of each level's table, row 0 (no evidence) included.
        elapsed: (clocks, days + 1) operational time at the start of each day.
        first_clock_day: the day of its first column, days since 1970-01-01.
        settings: memory and shrinkage.
        paced_level: whose pace the effects of finer levels leave out; -1: none's.
        priors: (L,) parcels' worth of belief that a level has no effect; by default the settings'.
    """

    durations: Durations
    codes: NDArray[np.int32]
    table_sizes: Sequence[int]
    elapsed: Floats
    first_clock_day: int
    settings: EffectSettings
    paced_level: int = -1
    priors: Sequence[float] | None = None

    def run(
        self,
        end_day: int,
        *,
        wanted: Ints | None = None,
        resume: Resumed | None = None,
        save_on: Sequence[int] = (),
    ) -> Effects:
        """Effects on parcels' start days, and on `end_day`, from what was known before that day.

        Args:
            end_day: the snapshot's day; parcels that start on or after it are not seen.
            wanted: ascending positions of parcels of whose start days something is asked; by
                default all.
            resume: where it goes on; by default it begins with the first parcel.
            save_on: days whose states are wanted; after the day it is resumed on, and not after
                `end_day`.
        """
        count = len(self.durations.start_day)
        if count == 0 or self.durations.start_day[0] >= end_day:
            raise InsufficientHistoryError(
                f"Found no parcel ordered before {np.datetime64(end_day, 'D')}; expected some "
                "history before that moment. Choose a later as_of or give older shipments."
            )
        rows = np.arange(count) if wanted is None else wanted
        slot = np.full(count, -1, np.int32)
        slot[rows] = np.arange(len(rows))
        levels, starts = len(self.table_sizes), np.zeros(len(self.table_sizes) + 1, np.int64)
        np.cumsum(self.table_sizes, out=starts[1:])
        durations, codes = self.durations, self.codes
        states = [
            SweepState.empty(
                day,
                rows=int(starts[-1]),
                levels=levels,
                open_parcels=len(durations.open_before(day)),
            )
            for day in save_on
        ]
        if resume is not None:
            first = int(np.searchsorted(durations.start_day, resume.day))
            still = np.concatenate([durations.open_before(resume.day), np.arange(first, count)])
            durations, codes, slot = durations.take(still), codes[:, still], slot[still]
        at_start = np.zeros((len(rows), levels, len(FIELDS)), np.float32)
        if resume is not None:
            at_start[: len(resume.known)] = resume.known
        at_end = np.zeros((int(starts[-1]), len(FIELDS)), np.float32)
        prior = np.full(levels, self.settings.prior, np.float64)
        pace_prior = np.full(levels, self.settings.pace_prior, np.float64)
        # The network leans on nobody.
        prior[0], pace_prior[0] = 0.0, self.settings.pace_prior / 3
        if self.priors is not None:
            prior[:] = self.priors
        arrays: dict[str, NDArray[Any]] = {
            "code": np.ascontiguousarray(codes, np.int32),
            "start_day": np.ascontiguousarray(durations.start_day, np.int32),
            "known_day": np.ascontiguousarray(durations.known_day, np.int32),
            "closed_day": np.ascontiguousarray(durations.closed_day, np.int32),
            "value": np.ascontiguousarray(durations.value, np.float64),
            "start_clock": np.ascontiguousarray(durations.start_clock, np.float64),
            "clock": np.ascontiguousarray(durations.clock, np.int32),
            "elapsed": np.ascontiguousarray(self.elapsed, np.float64),
            "prior": prior,
            "pace_prior": pace_prior,
            "table_start": starts,
            "slot": slot,
            "save_day": np.array(save_on, np.int32),
            "at_start": at_start,
            "at_end": at_end,
        }
        job = _Job(
            entries=len(durations.start_day),
            levels=levels,
            clock_days=self.elapsed.shape[1],
            clock_first_day=self.first_clock_day,
            end_day=end_day,
            offset=self.settings.offset,
            paced_level=self.paced_level,
            half_life=self.settings.half_life,
            pace_half_life=self.settings.pace_half_life,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        if resume is not None:
            job.resume_day, job.resume = resume.day, ctypes.pointer(_State.of(resume.state))
        if states:
            job.saves, job.save = len(states), (_State * len(states))(*map(_State.of, states))
        failed = _effects(ctypes.byref(job))
        if failed == -1:
            raise MemoryError(
                f"The effects of {count} parcels at {levels} levels do not fit into memory."
            )
        if failed:
            message = "Other parcels are open on that day than are said to be."
            raise RuntimeError(message)
        return Effects(at_start, at_end, states)
