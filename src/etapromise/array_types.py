"""Names for the kinds of arrays that annotations speak of; shapes stand in the docstrings.

And records of arrays, row by row.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Dates: TypeAlias = NDArray[np.datetime64]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

MISSING: Final = np.iinfo(np.int64).min
"""NaT as a number."""

_Record = TypeVar("_Record", bound=Any)


def with_rows(record: _Record, rows: NDArray[Any], *but: str) -> _Record:
    """A dataclass of arrays (n, …) with some of their rows; the fields named `but` stay whole."""
    names = [each.name for each in fields(record) if each.name not in but]
    return replace(record, **{name: getattr(record, name)[rows] for name in names})
