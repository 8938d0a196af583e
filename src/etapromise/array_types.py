"""Names for the kinds of arrays that annotations speak of; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "Dates", "Floats", "Ints", "Mask"]

Dates: TypeAlias = NDArray[np.datetime64]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

MISSING: Final = np.iinfo(np.int64).min
"""NaT as a number."""
