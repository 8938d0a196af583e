"""Who is slower than expected, as of each day: decayed, censored, additive effects by level.

The sweep over the days is compiled (native/effects.c); tests hold it against a plain one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.errors import InsufficientHistoryError
from etapromise.stored_arrays import StoredValues

__all__ = ["FIELDS", "NEVER_DAY", "Durations", "EffectSettings", "effects_as_of"]

# Columns of an effect table.
FIELDS: Final = ("effect", "evidence", "pace", "pace_evidence", "deviation")
# A day later than any other: what has this day has not happened.
NEVER_DAY: Final = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class EffectSettings:
    """How long history is remembered and how much of it a level needs.

    Attributes:
        half_life: days in which a parcel's weight in an effect halves.
        pace_half_life: the same for the pace.
        prior: parcels' worth of belief that a level has no effect of its own.
        pace_prior: the same for the pace.
        offset: operational days added before the logarithm, so that a few hours more or less on a
            short way do not count like as many days on a long one.
    """

    half_life: float = 90.0
    pace_half_life: float = 6.0
    prior: float = 8.0
    pace_prior: float = 15.0
    offset: float = 1.0

    @classmethod
    def stored(cls, values: StoredValues) -> EffectSettings:
        """The settings that a manifest states.

        Raises:
            ModelFileError: one is missing, or out of any sense.
        """
        return cls(**{each.name: values.number(each.name, 1e-6, 1e6) for each in fields(cls)})


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
    start_clock: NDArray[np.float64]
    clock: NDArray[np.int32]
    value: NDArray[np.float64]
    known_day: NDArray[np.int32]
    closed_day: NDArray[np.int32]


class _Job(ctypes.Structure):
    _fields_ = (
        ("entries", ctypes.c_int64),
        ("levels", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("code", "start_day", "known_day", "closed_day")),
        *((name, ctypes.c_void_p) for name in ("value", "start_clock", "clock", "elapsed")),
        ("clock_days", ctypes.c_int64),
        ("clock_first_day", ctypes.c_int32),
        ("end_day", ctypes.c_int32),
        *((name, ctypes.c_double) for name in ("offset", "half_life", "pace_half_life")),
        *((name, ctypes.c_void_p) for name in ("prior", "pace_prior", "table_start")),
        *((name, ctypes.c_void_p) for name in ("at_start", "at_end")),
    )


_effects = native.function("etp_effects", native.INT, ctypes.POINTER(_Job))


def effects_as_of(
    durations: Durations,
    *,
    codes: NDArray[np.int32],
    table_sizes: Sequence[int],
    elapsed: NDArray[np.float64],
    first_clock_day: int,
    end_day: int,
    settings: EffectSettings,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Effects on each parcel's start day, and on `end_day`, from what was known before that day.

    Args:
        durations: n parcels.
        codes: (L, n) row of each parcel in each level's table, at least 1; level 0 is the network
            and has the one row 1.
        table_sizes: (L,) rows of each level's table, row 0 (no evidence) included.
        elapsed: (clocks, days + 1) operational time at the start of each day.
        first_clock_day: the day of its first column, days since 1970-01-01.
        end_day: the snapshot's day; parcels that start on or after it are not seen.

    Returns:
        (n, L, 5) fields on the start days (zero for parcels that start on or after `end_day`),
        (sum of table_sizes, 5) fields on `end_day`, the levels one after another.

    Raises:
        InsufficientHistoryError: no parcel starts before `end_day`.
    """
    count, levels = len(durations.start_day), len(table_sizes)
    if count == 0 or durations.start_day[0] >= end_day:
        raise InsufficientHistoryError(
            f"Found no parcel ordered before {np.datetime64(end_day, 'D')}; expected some history "
            "before that moment. Choose a later as_of or give older shipments."
        )
    starts = np.zeros(levels + 1, np.int64)
    np.cumsum(table_sizes, out=starts[1:])
    at_start = np.zeros((count, levels, len(FIELDS)), np.float32)
    at_end = np.zeros((int(starts[-1]), len(FIELDS)), np.float32)
    prior = np.full(levels, settings.prior, np.float64)
    pace_prior = np.full(levels, settings.pace_prior, np.float64)
    # The network leans on nobody.
    prior[0], pace_prior[0] = 0.0, settings.pace_prior / 3
    arrays: dict[str, NDArray[Any]] = {
        "code": np.ascontiguousarray(codes, np.int32),
        "start_day": np.ascontiguousarray(durations.start_day, np.int32),
        "known_day": np.ascontiguousarray(durations.known_day, np.int32),
        "closed_day": np.ascontiguousarray(durations.closed_day, np.int32),
        "value": np.ascontiguousarray(durations.value, np.float64),
        "start_clock": np.ascontiguousarray(durations.start_clock, np.float64),
        "clock": np.ascontiguousarray(durations.clock, np.int32),
        "elapsed": np.ascontiguousarray(elapsed, np.float64),
        "prior": prior,
        "pace_prior": pace_prior,
        "table_start": starts,
        "at_start": at_start,
        "at_end": at_end,
    }
    job = _Job(
        entries=count,
        levels=levels,
        clock_days=elapsed.shape[1],
        clock_first_day=first_clock_day,
        end_day=end_day,
        offset=settings.offset,
        half_life=settings.half_life,
        pace_half_life=settings.pace_half_life,
        **{name: array.ctypes.data for name, array in arrays.items()},
    )
    if _effects(ctypes.byref(job)) != 0:
        raise MemoryError(
            f"The effects of {count} parcels at {levels} levels do not fit into memory."
        )
    return at_start, at_end
