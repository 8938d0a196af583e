"""How long parcels of late took from a status on: by service, region, destination and facility.

Means of log remaining operational days with a decaying memory, as of a day: a parcel counts from
the day on which its event was known. Fine keys lean on coarser ones by how much evidence they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord, StoredPart

FLOW_LEVELS: Final = ("network", "service", "service_region", "destination_prefix", "facility")
"""The levels of the encoder that are looked at, and the facility of the latest scan."""

PARENTS: Final = (-1, 0, 1, 1, 1)
"""Which level each leans on, -1 for none."""

ANYWHERE: Final = 1.2
"""Mean log remaining days of the whole before anything is known: about three days."""

_STATUSES: Final = 32
_HALF_LIFE: Final = 30.0


_LAYOUT: Final = ArrayLayout(
    start=Array("int64", "starts"),
    evidence=Array("float32", "rows", low=-1e-3, high=1e12),
    total=Array("float32", "rows", low=-1e12, high=1e12),
)


@dataclass(frozen=True, kw_only=True)
class Passages:
    """m looks at parcels: what is asked, or what is learned from.

    Attributes:
        status: (m,) uint8 latest status, 255 where there is none.
        codes: (m, len(FLOW_LEVELS)) int64 row of each level's key, 0 where unknown: nothing is
            learned for that row.
        day: (m,) UTC day: of the look where asked, on which it was known how it ended where
            learned from.
    """

    status: NDArray[np.uint8]
    codes: Ints
    day: Ints

    def keys(self, level: int) -> Ints:
        """(m,) one number for each key of the level and status."""
        return self.codes[:, level] * _STATUSES + np.minimum(self.status, _STATUSES - 1)


@dataclass(frozen=True)
class FlowTables(ArrayRecord):
    """The means at one moment.

    Attributes:
        start: (levels + 1,) where the rows of each level start.
        evidence: (rows,) float32 decayed parcels.
        total: (rows,) float32 decayed sum of log remaining days.
    """

    LAYOUT: ClassVar = _LAYOUT

    start: Ints
    evidence: NDArray[np.float32]
    total: NDArray[np.float32]

    @classmethod
    def stored(cls, part: StoredPart, sizes: Ints) -> FlowTables:
        """The means of a model's files; `sizes` as for `flow_tables`."""
        start = _starts(sizes)
        arrays = part.read(_LAYOUT, starts=len(start), rows=int(start[-1]))
        if not np.array_equal(arrays["start"], start):
            part.refuse("start", arrays["start"], start)
        return cls(**arrays)

    def look_up(self, asked: Passages) -> tuple[Floats, Floats]:
        """(m, levels) evidence and sums."""
        rows = np.stack(
            [self.start[level] + asked.keys(level) for level in range(len(FLOW_LEVELS))], axis=1
        )
        return self.evidence[rows].astype(np.float64), self.total[rows].astype(np.float64)


def flow_as_of(
    learned: Passages, value: Floats, weight: Floats, asked: Passages
) -> tuple[Floats, Floats]:
    """Evidence and sums (m, levels) as each asked day knew them.

    Args:
        learned: k passages that have ended.
        value: (k,) log remaining days.
        weight: (k,) how much each counts.
        asked: m looks.
    """
    evidence = np.zeros((len(asked.day), len(FLOW_LEVELS)))
    total = np.zeros_like(evidence)
    if not len(value) or not len(asked.day):
        return evidence, total
    reference = int(learned.day.min())
    grown = weight * np.exp2((learned.day - reference) / _HALF_LIFE)
    fade = np.exp2(-(asked.day - reference) / _HALF_LIFE)
    # What all of them knew is summed up once; what came to be known between them lies by day.
    first = int(asked.day.min())
    old, new = np.flatnonzero(learned.day < first), np.flatnonzero(learned.day >= first)
    days = int(max(learned.day.max(), asked.day.max())) - first + 2
    since = np.clip(asked.day - first, 0, days - 1)
    for level in range(len(FLOW_LEVELS)):
        row, wanted = learned.keys(level), asked.keys(level)
        size = int(max(row.max(), wanted.max())) + 1
        counted = np.where(learned.codes[:, level] > 0, grown, 0.0)
        key = row[new] * days + (learned.day[new] - first)
        order = np.argsort(key, kind="stable")
        key, between = key[order], new[order]
        start = np.searchsorted(key, wanted * days)
        end = np.searchsorted(key, wanted * days + since, side="left")
        for out, each in ((evidence, counted), (total, counted * value)):
            before = np.bincount(row[old], weights=each[old], minlength=size)
            running = np.concatenate([[0.0], np.cumsum(each[between])])
            out[:, level] = (before[wanted] + (running[end] - running[start])) * fade
    return evidence, total


def flow_tables(
    learned: Passages, value: Floats, weight: Floats, *, as_of_day: int, sizes: Ints
) -> FlowTables:
    """The means on `as_of_day`, of what was known before.

    Args:
        learned: k passages that have ended.
        value: (k,) log remaining days.
        weight: (k,) how much each counts.
        as_of_day: UTC day.
        sizes: (levels,) keys of each level, the unknown one included.
    """
    start = _starts(sizes)
    evidence, total = np.zeros(start[-1]), np.zeros(start[-1])
    known = learned.day < as_of_day
    faded = np.where(known, weight * np.exp2(-(as_of_day - learned.day) / _HALF_LIFE), 0.0)
    for level in range(len(FLOW_LEVELS)):
        rows = start[level] + learned.keys(level)
        counted = np.where(learned.codes[:, level] > 0, faded, 0.0)
        evidence += np.bincount(rows, weights=counted, minlength=len(evidence))
        total += np.bincount(rows, weights=counted * value, minlength=len(total))
    return FlowTables(start, evidence.astype(np.float32), total.astype(np.float32))


def _starts(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes * _STATUSES)]).astype(np.int64)
