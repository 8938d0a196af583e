"""Within which ranges the numbers of orders were learned, and which lie far outside.

Trees say of a weight beyond all that they saw what they say of the heaviest: an order in grams
among kilograms gets a promise that looks like any other. So a model remembers how its numbers were
spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from etapromise.array_types import Floats, Mask
from etapromise.encoding.requests import NUMBERS
from etapromise.stored_arrays import StoredValues

_COORDINATES: Final = ("origin_lat", "origin_lon", "destination_lat", "destination_lon")
_GIVEN: Final = (*_COORDINATES, "weight_kg")
# Values from which on a spread can be told.
_LEAST: Final = 100
# All but one in a thousand on either side are within; further away by this factor is far outside.
_WITHIN: Final = (0.001, 0.5, 0.999)
_FAR: Final = 3.0
_MOST: Final = 1e300
# Degrees beyond the places seen, at least.
_DEGREES: Final = 3.0
# What is mistaken for what, by the factor between the medians; as near as this on the log scale.
_MISTAKES: Final = {
    "weight_kg": {
        1000.0: ("grams", 'unit = "g"'),
        0.001: ("tonnes", "kilograms"),
        2.2046: ("pounds", 'unit = "lb"'),
        35.274: ("ounces", 'unit = "oz"'),
    },
    "": {
        100.0: ("hundredths, such as cents", "the unit of the training"),
        1000.0: ("thousandths of the unit, such as grams", "the unit of the training"),
        0.01: ("hundreds of the unit", "the unit of the training"),
        0.001: ("thousands of the unit, such as kilograms", "the unit of the training"),
    },
}
_NEAR: Final = 0.6


@dataclass(frozen=True)
class Spread:
    """How the values of one column lie.

    Attributes:
        low: what is less is far outside.
        least: all but one in a thousand are at least this.
        middle: the median.
        most: all but one in a thousand are at most this.
        high: what is more is far outside.
    """

    low: float
    least: float
    middle: float
    most: float
    high: float

    def outside(self, values: Floats) -> Mask:
        """(n,) which values are far outside; what is missing is not."""
        return np.asarray((values < self.low) | (values > self.high))


def spread_of(name: str, values: Floats) -> Spread | None:
    """The spread of a column's values; None where there are too few, or they are all the same.

    Args:
        name: of the column; coordinates lie on another scale than amounts.
        values: (n,) NaN where missing.
    """
    known = values[np.isfinite(values)]
    if len(known) < _LEAST:
        return None
    least, middle, most = np.quantile(known, _WITHIN).tolist()
    if least == most:
        return None
    if name in _COORDINATES:
        margin = max(_DEGREES, most - least)
        return Spread(least - margin, least, middle, most, most + margin)
    if least > 0:
        return Spread(least / _FAR, least, middle, most, most * _FAR)
    margin = (_FAR - 1.0) * (most - least)
    return Spread(least - margin, least, middle, most, most + margin)


def nearest_remedy(name: str, middle: float, usual: float) -> str:
    """What the values most likely are, and what to do, by their median and the usual one."""
    if name in _COORDINATES:
        return "check that latitude and longitude are not exchanged, and that they are degrees"
    factor = middle / usual if usual > 0 and middle > 0 else 0.0
    for known, (what, remedy) in _MISTAKES.get(name, _MISTAKES[""]).items():
        if factor and abs(np.log(factor / known)) < _NEAR:
            said = f"say {remedy} in the mapping" if remedy.startswith("unit") else f"give {remedy}"
            return f"they look like {what}: {said}"
    return "check the unit"


@dataclass(frozen=True)
class LearnedRanges:
    """The spreads of a model's numeric columns.

    Attributes:
        spreads: by column.
        numeric: the columns that the model was trained with beside the contract's, in their order.
    """

    spreads: Mapping[str, Spread]
    numeric: Sequence[str]

    @classmethod
    def of(cls, numbers: Floats, numeric: Sequence[str]) -> LearnedRanges:
        """Those of requests.

        Args:
            numbers: (n, m) of `Requests`.
            numeric: as for the encoder.
        """
        found = {name: spread_of(name, numbers[:, place]) for name, place in _places(numeric)}
        return cls({name: one for name, one in found.items() if one is not None}, tuple(numeric))

    @classmethod
    def stored(cls, values: StoredValues, numeric: Sequence[str]) -> LearnedRanges:
        """Those that `as_dict` described."""
        spreads = {}
        for name, row in values.plain.items():
            numbers = (
                isinstance(row, list)
                and len(row) == 5
                and all(type(one) in {int, float} and abs(one) < _MOST for one in row)
            )
            if not numbers or row != sorted(row):
                values.refuse(name, row, "five ascending numbers")
            spreads[name] = Spread(*map(float, row))
        return cls(spreads, tuple(numeric))

    def as_dict(self) -> dict[str, list[float]]:
        """Plain values for a manifest."""
        return {
            name: [one.low, one.least, one.middle, one.most, one.high]
            for name, one in self.spreads.items()
        }

    def outside(self, numbers: Floats) -> dict[str, Mask]:
        """By column (n,) which of the numbers (n, m) of requests are far outside."""
        return {
            name: self.spreads[name].outside(numbers[:, place])
            for name, place in _places(self.numeric)
            if name in self.spreads
        }

    def bounds(self) -> list[tuple[int, float, float]]:
        """Of each column its place among a request's numbers, and its `low` and `high`."""
        return [
            (place, self.spreads[name].low, self.spreads[name].high)
            for name, place in _places(self.numeric)
            if name in self.spreads
        ]


def _places(numeric: Sequence[str]) -> list[tuple[str, int]]:
    """The columns and where they stand among a request's numbers."""
    return [
        *((name, NUMBERS.index(name)) for name in _GIVEN),
        *((name, len(NUMBERS) + place) for place, name in enumerate(numeric)),
    ]
