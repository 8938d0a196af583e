"""The features of a shipment, their order, and the contract that a model keeps with its callers.

One compiled builder (native/features.c) serves training, batch and the single quote.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Floats, Ints
from etapromise.encoding.requests import NUMBERS, Encoder, Requests
from etapromise.errors import ModelFileError
from etapromise.history.statistics import (
    HANDLING_PACE,
    TABLE_FIELDS,
    WAY_PACE,
    AsOfOrder,
    Statistics,
)
from etapromise.lanes.levels import HANDLING_LEVELS, LAST_MILE, LAST_MILE_LEVELS, LEVELS, Level

# ETP_MAX_FEATURES of native/features.h.
_MOST_FEATURES: Final = 1024
_KINDS: Final = ("number", "total", "handling", "derived")
_DERIVED: Final = ("distance_km", "quoted", "explained", "weekday", "next_day", "second_day")
_SELDOM: Final = ("next_day", "second_day")
# The hour of an order counts through the calendars alone, its dispatch delay and the carrier's
# clock: so a later order never gets an earlier date. A forest that saw the hour would find some
# that do; one that sees the weekday hardly ever does, and only where no cut-off tells days apart.
_NOT_PLAIN: Final = frozenset({"hour", "dispatch_delay", "quoted_days", "disrupted", "fetched"})
# The pace of the finest levels is mostly noise.
_PACED: Final = ("carrier", "service", "destination_region", "origin_region", "origin")
_PACED_LANES: Final = ("region_lane", "service_region")
_PACED_LAST_MILE: Final = tuple(level.name for level in LAST_MILE_LEVELS)
_SPREAD_PAIRS: Final = ("relay_region",)
_SPREAD: Final = ("service", "destination_region", "origin", "service_lane")
# The forest's target is relative to what all levels explain, and to how far from usual things are
# at present. Trees need many parcels to come near to a sum of effects, and cannot extrapolate a
# slowdown that they have not seen; a shift of the whole network passes through here at once.
# The present pace is that of both stages, each of its own part of the duration: pick-ups tell of a
# warehouse that cannot keep up, and of its recovery, weeks before the deliveries do.

BUILT_IN_NAMES: Final = frozenset(
    {*NUMBERS, *_DERIVED, "shipment_id", "order_id", "ordered_at", "promised_date", "quoted_date"}
    | {name for level in (*LEVELS, *LAST_MILE_LEVELS) for name in (level.name, *level.columns)}
    | {"destination_time_zone", "destination_prefix", LAST_MILE}
)
"""Columns and levels that every model learns from by itself, or never: no further features."""


@dataclass(frozen=True)
class FeatureContract:
    """Which features a forest was grown on, in their order.

    Attributes:
        names: (p,) "kind:what" or "kind:level.field", see `all_features`.
    """

    names: tuple[str, ...]

    def sources(self, levels: Sequence[Level], numeric: Sequence[str]) -> NDArray[np.int32]:
        """(p, 4) what native/features.h calls sources."""
        if not 1 <= len(self.names) <= _MOST_FEATURES or len(set(self.names)) != len(self.names):
            raise ModelFileError(
                f"Found {len(self.names)} features, {len(set(self.names))} of them different; "
                f"expected 1 to {_MOST_FEATURES}, each once. Train with fewer numeric and "
                "categorical columns, or copy the model again."
            )
        level_names = [level.name for level in levels]
        handling = [level_names[position] for position in HANDLING_LEVELS]
        numbers = (*NUMBERS, *numeric)
        try:
            return np.array(
                [_source(name, level_names, handling, numbers) for name in self.names], np.int32
            ).reshape(-1, 4)
        except ValueError as error:
            raise ModelFileError(
                f"Found a feature that this version of etapromise does not build ({error}); "
                "expected one of its own. Load the model with the version that trained it, or "
                "train again."
            ) from error


def all_features(
    levels: Sequence[Level],
    numeric: Sequence[str],
    *,
    telling: Sequence[bool],
    weekday: bool = False,
    seldom: bool = False,
) -> tuple[str, ...]:
    """Every feature worth building from these levels and numbers.

    Args:
        levels: L levels.
        telling: (L,) whether a level tells parcels of one day apart. What all parcels of a day
            share tells a forest the date, and it would learn dates that never come again.
        weekday: whether the order's weekday says more than the calendars do.
        seldom: whether some carrier works on so few days a week that how long a parcel takes, in
            its working days, hangs on when the next one is.
    """
    names = [level.name for level in levels]
    further = [level.name for level in levels if level.columns == (level.name,)]
    handling = [names[position] for position in HANDLING_LEVELS if position]
    silent = {level.name for level, tells in zip(levels, telling, strict=True) if not tells}
    left_out = {*(() if weekday else ("weekday",)), *(() if seldom else _SELDOM)}
    plain = [number for number in (*NUMBERS, *numeric) if number not in _NOT_PLAIN]
    candidates = (
        *(f"number:{name}" for name in plain),
        *(f"derived:{name}" for name in _DERIVED if name not in left_out),
        *(f"total:{name}.effect" for name in names[1:]),
        *(f"total:{name}.pace" for name in (*_PACED, *_PACED_LANES)),
        *(f"total:{name}.pace" for name in _PACED_LAST_MILE if name in names),
        *(f"total:{name}.deviation" for name in dict.fromkeys((*_SPREAD, *further))),
        *(f"total:{name}.deviation" for name in _SPREAD_PAIRS if name in names),
        *(f"handling:{name}.effect" for name in handling),
        *(f"handling:{name}.pace" for name in ("carrier", "origin_region", "origin")),
    )
    return tuple(
        name for name in candidates if name.partition(":")[2].rpartition(".")[0] not in silent
    )


def _source(
    name: str, levels: Sequence[str], handling: Sequence[str], numbers: Sequence[str]
) -> tuple[int, int, int, int]:
    kind, _, what = name.partition(":")
    number = _KINDS.index(kind)
    if kind == "number":
        return number, numbers.index(what), 0, 0
    if kind == "derived":
        return number, _DERIVED.index(what), 0, 0
    level, _, field = what.rpartition(".")
    among = levels if kind == "total" else handling
    return number, among.index(level), TABLE_FIELDS.index(field), 0


class FeaturesStruct(ctypes.Structure):
    """`etp_features` of native/features.h."""

    _fields_ = native.fields(
        "l levels handling_levels numbers features handling_paces way_paces; p total total_start "
        "handling handling_start source elapsed handling_pace way_pace; l clock_days "
        "clock_first_day; d duration_offset surge; l as_of_day; d present_half_life"
    )


_rows = native.function("etp_feature_rows", "", "plpppppp")


class FeatureBuilder:
    """Builds feature rows from requests. Immutable; any number of threads may share one."""

    __slots__ = ("_kept_alive", "contract", "struct")

    def __init__(
        self,
        contract: FeatureContract,
        encoder: Encoder,
        statistics: Statistics,
        surge: float = 0.0,
        known: AsOfOrder | None = None,
    ) -> None:
        """Bind a contract to tables and clocks; `surge` is added to every log duration.

        Args:
            statistics: of a moment, whose rows are found by the requests' codes.
            known: where each parcel's own day speaks instead, whose rows are found by `own_rows`.

        Raises:
            ModelFileError: the contract names a feature that this version does not build.
        """
        self.contract = contract
        levels, numeric, clocks = encoder.levels, encoder.numeric, encoder.clocks
        elapsed, names = clocks.elapsed, encoder.level_names
        handling = [names[position] for position in HANDLING_LEVELS]
        tables, fields = known or statistics, len(TABLE_FIELDS)
        starts = statistics.total_start, statistics.handling_start
        if known is not None:
            starts = np.arange(known.total.shape[1]), np.arange(known.handling.shape[1])
        arrays: dict[str, NDArray[Any]] = {
            "total": np.ascontiguousarray(tables.total.reshape(-1, fields), np.float32),
            "total_start": np.ascontiguousarray(starts[0], np.int64),
            "handling": np.ascontiguousarray(tables.handling.reshape(-1, fields), np.float32),
            "handling_start": np.ascontiguousarray(starts[1], np.int64),
            "source": np.ascontiguousarray(contract.sources(levels, numeric)),
            "handling_pace": np.array([handling.index(level) for level in HANDLING_PACE], np.int32),
            "way_pace": np.array([names.index(level) for level in WAY_PACE], np.int32),
            "elapsed": np.ascontiguousarray(elapsed, np.float64),
        }
        self._kept_alive = arrays
        self.struct = FeaturesStruct(
            levels=len(levels),
            handling_levels=len(HANDLING_LEVELS),
            numbers=len(NUMBERS) + len(numeric),
            features=len(contract.names),
            handling_paces=len(HANDLING_PACE),
            way_paces=len(WAY_PACE),
            clock_days=elapsed.shape[1],
            clock_first_day=clocks.first_day,
            duration_offset=statistics.settings.offset,
            surge=surge,
            as_of_day=statistics.as_of_day if known is None else np.iinfo(np.int64).max,
            present_half_life=statistics.settings.present_half_life,
            **{name: array.ctypes.data for name, array in arrays.items()},
        )

    def rows(
        self, requests: Requests, codes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], Floats]:
        """Feature rows of n requests.

        Args:
            requests: whose numbers, dates and clocks are read.
            codes: (n, L + H) int32 rows of the tables: `with_handling_codes` for a snapshot,
                `own_rows` for each parcel's own day.

        Returns:
            (n, p) float32 features, (n,) log durations that the forest's output is relative to.
        """
        count = len(requests)
        codes = np.ascontiguousarray(codes, np.int32)
        numbers = np.ascontiguousarray(requests.numbers)
        order_day, clock = (
            np.ascontiguousarray(requests.order_day),
            np.ascontiguousarray(requests.clock),
        )
        x = np.empty((count, len(self.contract.names)), np.float32)
        offset = np.empty(count)
        _rows(
            ctypes.addressof(self.struct),
            count,
            native.address(codes),
            native.address(numbers),
            native.address(order_day),
            native.address(clock),
            native.address(x),
            native.address(offset),
        )
        return x, offset


def with_handling_codes(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """(n, L + H): the codes of all levels, then those of the handling levels again."""
    return np.concatenate([codes, codes[:, list(HANDLING_LEVELS)]], axis=1)


def own_rows(parcels: Ints, levels: int) -> NDArray[np.int32]:
    """(n, L + H): row i of every level's table belongs to parcel i."""
    rows = parcels.astype(np.int32)[:, None]
    handling = len(HANDLING_LEVELS)
    return np.concatenate(
        [np.repeat(rows * levels, levels, axis=1), np.repeat(rows * handling, handling, axis=1)],
        axis=1,
    )
