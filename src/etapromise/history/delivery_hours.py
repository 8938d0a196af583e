"""At what time of the day parcels are delivered: by carrier, service, region and weekday.

Histograms of the local time, decayed, each leaning on the coarser one before it as a
Dirichlet-multinomial does: the finer one's counts beside so many parcels' worth of the coarser
one's shares. The shortest window that is to hold a probability is chosen on counts, so it holds a
little less of what comes next; how much less is measured on the last weeks, by tables that had not
seen them, and asked for on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.lanes.levels import KeyPlan, Level
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import (
    Array,
    ArrayLayout,
    ArrayRecord,
    StoredPart,
    array_of_texts,
    different_texts,
)

_DAY: Final = 86_400
_BINS: Final = 48
_PLACE: Final = ("destination_country", "destination_region")
# Coarse to fine; the last once more for each weekday.
HOUR_LEVELS: Final = (
    Level("network", ()),
    Level("carrier", ("carrier",)),
    Level("carrier_region", ("carrier", *_PLACE)),
    Level("service_region", ("carrier", "service", *_PLACE)),
)
_PLAN: Final = KeyPlan(HOUR_LEVELS)
# Keys of all levels stand in one list, so each says of which level it is.
_AT: Final = "\x1f"
_HALF_LIFE: Final = 90.0
# Parcels that a key needs to have a row of its own.
_OWN_EVIDENCE: Final = 5.0
# Spread over the whole day: nothing is impossible.
_BACKGROUND: Final = 2.0
# The last days, on which windows are measured.
_MEASURED_DAYS: Final = 28
_MEASURED_LEAST: Final = 200
_NOMINAL: Final = np.concatenate([np.arange(0.05, 0.96, 0.05), [0.97, 0.985, 0.995]])
_STEP: Final = 300

_LAYOUT: Final = ArrayLayout(
    cumulative=Array("float64", "rows", _BINS + 1, low=0.0, high=1.0, order="ascending"),
    evidence=Array("float64", "rows", low=0.0, high=1e12),
    nominal=Array("float64", "windows", low=0.0, high=1.0, order="ascending"),
    held=Array("float64", "windows", low=0.0, high=1.0, order="ascending"),
)


@dataclass(frozen=True)
class DeliveryHours(ArrayRecord):
    """Distributions of the local time of delivery.

    Attributes:
        keys: of the rows from 1 on; row 0 is the network.
        cumulative: (rows, 49) share of deliveries before each half hour's end, 0 first and 1 last.
        evidence: (rows,) decayed deliveries behind each.
        nominal: (k,) probability that a shortest window was chosen for, ascending.
        held: (k,) share of later deliveries that it held, ascending.
    """

    LAYOUT: ClassVar = _LAYOUT

    keys: tuple[str, ...]
    cumulative: Floats
    evidence: Floats
    nominal: Floats
    held: Floats

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays; `stored` reads them back."""
        return {"keys": array_of_texts(self.keys)} | super().to_arrays()

    @classmethod
    def stored(cls, part: StoredPart) -> DeliveryHours:
        """The distributions of a model's files."""
        keys = different_texts("the delivery hours' keys", part.texts("keys"))
        arrays = part.read(_LAYOUT, rows=len(keys) + 1)
        for name in ("cumulative", "nominal", "held"):
            values = arrays[name]
            if not values.size or np.any(abs(values[..., [0, -1]] - (0.0, 1.0)) > 1e-9):
                part.refuse(name, "other ends", "values from 0 to 1")
        return cls(keys=keys, **arrays)

    def row(self, fields: Mapping[str, Any], weekday: int) -> int:
        """The finest row that a shipment has on a weekday, Monday = 0."""
        spelled = [f"{number}{_AT}{key}" for number, key in enumerate(_PLAN.keys(fields))]
        for key in (f"{spelled[-1]}{_AT}{weekday}", *reversed(spelled)):
            row = self._rows.get(key)
            if row is not None:
                return row
        return 0

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {key: row for row, key in enumerate(self.keys, start=1)}

    def before(self, row: int, second: float) -> float:
        """Share of a row's deliveries before a local second of the day."""
        return float(np.interp(second * _BINS / _DAY, np.arange(_BINS + 1), self.cumulative[row]))

    def shortest(self, row: int, probability: float) -> tuple[int, int]:
        """First and last local second of the shortest window that holds a probability.

        It begins at a step of five minutes and ends at a minute.
        """
        asked = float(np.interp(probability, self.held, self.nominal))
        low, high = _shortest(self.cumulative[row], np.array([asked]))
        return int(low[0]), int(-(-high[0] // 60) * 60)


def learn_delivery_hours(
    keys: Sequence[tuple[Ints, Sequence[str]]],
    *,
    day: Ints,
    second: Ints,
    known_day: Ints,
    as_of_day: int,
) -> DeliveryHours:
    """From n deliveries, all received before `as_of_day`.

    Args:
        keys: for each of HOUR_LEVELS (n,) positions into its distinct keys, and those
            (`levels.level_keys`).
        day: (n,) destination-local day, days since 1970-01-01.
        second: (n,) destination-local second of the day.
        known_day: (n,) UTC day on which it was received.
        as_of_day: UTC day.
    """
    found = _Deliveries.of(keys, day, second, known_day)
    nominal = held = np.array([0.0, 1.0])
    cut = as_of_day - _MEASURED_DAYS
    # A delivery counts as later by its own day: what was received later was mostly slower.
    later = (day >= cut) & (known_day < as_of_day)
    if later.sum() >= _MEASURED_LEAST and (known_day < cut).sum() >= _MEASURED_LEAST:
        table = found.tables(cut)
        nominal = np.concatenate([[0.0], _NOMINAL, [1.0]])
        held = np.concatenate([[0.0], _held(table, found, later), [1.0]])
    table = found.tables(as_of_day)
    return DeliveryHours(
        keys=table.keys,
        cumulative=table.cumulative,
        evidence=table.evidence,
        nominal=nominal,
        held=held,
    )


@dataclass(frozen=True)
class _Tables:
    keys: tuple[str, ...]
    cumulative: Floats
    evidence: Floats
    row: Ints
    """(n,) the finest row of each delivery."""


@dataclass(frozen=True)
class _Deliveries:
    names: list[list[str]]
    codes: list[Ints]
    day: Ints
    second: Ints
    known_day: Ints

    @classmethod
    def of(
        cls, keys: Sequence[tuple[Ints, Sequence[str]]], day: Ints, second: Ints, known_day: Ints
    ) -> _Deliveries:
        names = [
            [f"{number}{_AT}{text}" for text in texts] for number, (_, texts) in enumerate(keys)
        ]
        codes = [positions for positions, _ in keys]
        names.append([f"{text}{_AT}{weekday}" for text in names[-1] for weekday in range(7)])
        codes.append(codes[-1] * 7 + (day + 3) % 7)
        return cls(names, codes, day, second, known_day)

    def tables(self, as_of_day: int) -> _Tables:
        """Histograms of what was received before `as_of_day`, each row shrunk to its parent's."""
        seen = self.known_day < as_of_day
        weight = np.where(seen, 0.5 ** ((as_of_day - self.known_day) / _HALF_LIFE), 0.0)
        place = np.minimum(self.second * _BINS // _DAY, _BINS - 1)
        counts = np.bincount(place, weights=weight, minlength=_BINS) + _BACKGROUND / _BINS
        shares = [counts[None, :] / counts.sum()]
        evidence = [np.array([weight.sum()])]
        keys: list[str] = []
        row = np.zeros(len(self.day), np.int64)
        for names, codes in zip(self.names[1:], self.codes[1:], strict=True):
            total = np.bincount(codes, weights=weight, minlength=len(names))
            own = np.flatnonzero(total >= _OWN_EVIDENCE)
            if not len(own):
                continue
            # Every key lies within one key of the level before: any of its deliveries tells which.
            parent = np.zeros(len(names), np.int64)
            parent[codes] = row
            cells = codes * _BINS + place
            counted = np.bincount(cells, weights=weight, minlength=len(names) * _BINS)
            here = counted.reshape(-1, _BINS)[own]
            before = np.concatenate(shares)[parent[own]]
            shares.append(shrunk(here, total[own][:, None], before, PRIORS.delivery_hours))
            evidence.append(total[own])
            first = len(keys) + 1
            keys += [names[key] for key in own]
            numbered = np.full(len(names), -1, np.int64)
            numbered[own] = first + np.arange(len(own))
            row = np.where(numbered[codes] >= 0, numbered[codes], row)
        cumulative = np.zeros((len(keys) + 1, _BINS + 1))
        np.cumsum(np.concatenate(shares), axis=1, out=cumulative[:, 1:])
        cumulative /= cumulative[:, -1:]
        return _Tables(tuple(keys), cumulative, np.concatenate(evidence), row)


def _held(table: _Tables, found: _Deliveries, later: Mask) -> Floats:
    """(k,) share of later deliveries within each shortest window of _NOMINAL probability."""
    rows, position = np.unique(table.row[later], return_inverse=True)
    second = found.second[later]
    kept = np.zeros(len(_NOMINAL))
    for number, row in enumerate(rows):
        low, high = _shortest(table.cumulative[row], _NOMINAL)
        own = second[position == number][:, None]
        kept += ((own >= low) & (own <= high)).sum(axis=0)
    measured = np.maximum.accumulate(kept / len(second))
    # Few deliveries say little against the windows' own word.
    count = len(second)
    return shrunk(count * measured, count, _NOMINAL, PRIORS.hours_measured)


def _shortest(cumulative: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """(k,) first and last seconds of a row's shortest windows of k probabilities."""
    edges = np.arange(_BINS + 1) * (_DAY / _BINS)
    starts = np.arange(0, _DAY, _STEP, dtype=np.float64)
    reached = np.interp(starts, edges, cumulative) + probability[:, None]
    # The end of a distribution that has become flat is where it first gets there.
    rising = np.concatenate([[True], np.diff(cumulative) > 0])
    ends = np.interp(reached, cumulative[rising], edges[rising], right=np.inf)
    # Rounding may leave nothing after the last step that is early enough.
    length = np.where(np.isfinite(ends), ends - starts, np.inf)
    best = length.argmin(axis=1)
    which = np.arange(len(probability))
    found = np.isfinite(length[which, best])
    return (np.where(found, starts[best], 0.0), np.where(found, ends[which, best], float(_DAY)))
