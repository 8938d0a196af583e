"""Who brings a parcel to the door: carriers that usually hand parcels to another one, and to whom.

A parcel that changes hands goes two ways: its own carrier's, on that carrier's working days, until
the hand-off, and the other one's from there. It is delivered on the other one's days; so that one's
clock is the parcel's, and what its own carrier's week does to the first way is in the dispatch
delay: see `native/dispatch.c`. Whom a parcel is handed to is known by its carrier, service and
destination, as past parcels show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats
from etapromise.lanes.levels import LAST_MILE, KeyPlan, Level, level_keys, stored_keys
from etapromise.stored_arrays import Array, ArrayLayout, StoredPart, array_of_texts, different_texts

if TYPE_CHECKING:
    import pandas as pd

ANOTHER: Final = "(another carrier)"
"""Who took a parcel where no scan says it."""

HAND_OFF_LEVELS: Final = (
    Level("hand_off_carrier", ("carrier", "destination_country")),
    Level("hand_off_service", ("carrier", "service", "destination_country")),
    Level("hand_off_region", ("carrier", "service", "destination_country", "destination_region")),
    Level("hand_off_prefix", ("carrier", "service", "destination_country", "destination_prefix")),
    Level("hand_off_destination", ("carrier", "service", "destination_country", "destination")),
)
"""Coarse to fine: the finest key that was seen says who brings a parcel."""

FIRST_LEG: Final = Level(
    "first_leg", ("carrier", "service", LAST_MILE, "destination_country", "destination_region")
)

CARRIER_PAIR: Final = Level("relay", ("carrier", "service", LAST_MILE))
"""The key of a clock of its own, where a calendar file says something of the first carrier."""

LONGEST_LEG: Final = 15
"""Working days of the first way that are told apart."""

_SEPARATOR: Final = "\x1f"
_PLAN: Final = KeyPlan(HAND_OFF_LEVELS)
_LEG_PLAN: Final = KeyPlan((FIRST_LEG,))
# Under the names of format 6. The last-mile carriers' names and all keys are in `texts`.
_LAYOUT: Final = ArrayLayout(
    taker=Array("int32", "rows", low=0, below="carriers"),
    share=Array("float64", "rows", low=0.0, high=1.0),
    leg_days=Array("float64", "legs", LONGEST_LEG + 1, low=0.0, high=1.0 + 1e-9),
)


@dataclass(frozen=True)
class HandOff:
    """What is usual for a parcel that another carrier brings to the door.

    Attributes:
        carrier: who brings it.
        share: of the parcels like it that were handed over.
        first_leg: (k,) P(0, 1, … working days of its own carrier from the pick-up to the hand-off).
    """

    carrier: str
    share: float
    first_leg: Floats


@dataclass(frozen=True, eq=False)
class HandOffs:
    """Who takes over, as learned. Immutable.

    Attributes:
        carriers: the carriers that take over, numbered from 1.
        keys: for each of HAND_OFF_LEVELS its keys, numbered from 1.
        last_mile: for each level (keys + 1,) int32 number of who brings the key's parcels, 0: the
            carrier itself; entry 0 is no key's.
        share: for each level (keys + 1,) float64 share of the key's parcels that were handed over.
        leg_keys: of FIRST_LEG, numbered from 1.
        leg_days: (keys + 1, LONGEST_LEG + 1) P(working days of the carrier from the pick-up to the
            hand-off); row 0 is any.
    """

    carriers: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    last_mile: tuple[NDArray[np.int32], ...]
    share: tuple[Floats, ...]
    leg_keys: tuple[str, ...] = ()
    leg_days: Floats = field(default_factory=lambda: np.eye(1, LONGEST_LEG + 1))

    def with_legs(self, keys: tuple[str, ...], days: Floats) -> HandOffs:
        """These, and how long the first ways are."""
        return replace(self, leg_keys=keys, leg_days=days)

    def of(self, fields: Mapping[str, Any]) -> HandOff | None:
        """Who usually brings one shipment; None where its own carrier does."""
        for level, key in reversed([*enumerate(_PLAN.keys(fields))]):
            row = self._rows[level].get(key)
            if row is None:
                continue
            last_mile = int(self.last_mile[level][row])
            if last_mile == 0:
                return None
            name = self.carriers[last_mile - 1]
            leg = self._leg_rows.get(_LEG_PLAN.keys({**fields, LAST_MILE: name})[0], 0)
            return HandOff(name, float(self.share[level][row]), self.leg_days[leg])
        return None

    def delivering(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A shipment as one of who usually brings it to the door."""
        found = self.of(fields)
        return fields if found is None else {**fields, "carrier": found.carrier, "service": None}

    def last_mile_of(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """(n,) number of who usually brings each shipment, 0: its own carrier."""
        found = np.full(len(frame), -1, np.int32)
        levels = zip(level_keys(frame, HAND_OFF_LEVELS), self._rows, self.last_mile, strict=True)
        for (positions, keys), rows, last_mile in levels:
            own = np.array([rows.get(key, 0) for key in keys], np.int64)[positions]
            found = np.where(own > 0, last_mile[own], found)
        return np.maximum(found, 0)

    def named(self, frame: pd.DataFrame, last_mile: NDArray[np.int32]) -> pd.DataFrame:
        """The shipments with the name of who brings them, missing where it is their carrier."""
        names = np.array([None, *self.carriers], dtype=object)
        return frame.assign(**{LAST_MILE: names[last_mile]})

    def carrier_pairs(self) -> list[str]:
        """The keys of CARRIER_PAIR that are usual somewhere."""
        found = set()
        for level, keys, last_mile in zip(HAND_OFF_LEVELS, self.keys, self.last_mile, strict=True):
            if level.columns[:2] != CARRIER_PAIR.columns[:2]:
                continue
            for key, number in zip(keys, last_mile[1:].tolist(), strict=True):
                if number:
                    carrier, service, *_ = key.split(_SEPARATOR)
                    found.add(_SEPARATOR.join((carrier, service, self.carriers[number - 1])))
        return sorted(found)

    def numbered(self, names: NDArray[np.object_]) -> NDArray[np.int32]:
        """(n,) numbers of last-mile carriers, from their names; 0 of any other name."""
        number = {name: place for place, name in enumerate(self.carriers, start=1)}
        return np.array([number.get(name, 0) for name in names], np.int32)

    @cached_property
    def _rows(self) -> tuple[Mapping[str, int], ...]:
        return tuple({key: row for row, key in enumerate(level, start=1)} for level in self.keys)

    @cached_property
    def _leg_rows(self) -> Mapping[str, int]:
        return {key: row for row, key in enumerate(self.leg_keys, start=1)}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays; `stored` reads them back."""
        return {
            "texts": array_of_texts([self.carriers, *self.keys, self.leg_keys]),
            "taker": np.concatenate(self.last_mile),
            "share": np.concatenate(self.share),
            "leg_days": self.leg_days,
        }

    @classmethod
    def stored(cls, part: StoredPart) -> HandOffs:
        """The hand-offs of a model's files."""
        texts = part.texts("texts")
        if len(texts) != len(HAND_OFF_LEVELS) + 2:
            part.refuse("texts", f"{len(texts)} lists", f"{len(HAND_OFF_LEVELS) + 2} of them")
        carriers = different_texts("who takes parcels over", texts[0])
        keys = tuple(
            stored_keys(f"the hand-offs' level {level.name}", found, (level,))
            for level, found in zip(HAND_OFF_LEVELS, texts[1:-1], strict=True)
        )
        leg_keys = stored_keys("the hand-offs' first ways", texts[-1], (FIRST_LEG,))
        rows = [len(level) + 1 for level in keys]
        arrays = part.read(
            _LAYOUT, rows=sum(rows), carriers=len(carriers) + 1, legs=len(leg_keys) + 1
        )
        ends = np.cumsum(rows)[:-1]
        return cls(
            carriers=carriers,
            keys=keys,
            last_mile=tuple(np.split(arrays["taker"], ends)),
            share=tuple(np.split(arrays["share"], ends)),
            leg_keys=leg_keys,
            leg_days=arrays["leg_days"],
        )
