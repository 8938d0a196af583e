"""Names in one column that may be one name written differently."""

from __future__ import annotations

import difflib
import itertools
import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.faults import Faults

# How many names are compared, from how many letters on, and how alike they are.
_MOST_NAMES: Final = 200
_LEAST_LETTERS: Final = 5
_NEAR: Final = 0.9


def tell_alike_names(column: pa.ChunkedArray, name: str, faults: Faults) -> None:
    """Tell of names in a column that differ so little that they may be one; of many none are names.

    Args:
        column: (n,) text in its normal form.
        name: the column's.
        faults: where it is told.
    """
    words = sorted(word for word in pc.unique(column).to_pylist() if word)
    if len(words) > _MOST_NAMES:
        return
    near = [
        f"{one} ~ {other}"
        for one, other in itertools.combinations(words, 2)
        if one.replace("-", "") == other.replace("-", "")
        or (
            min(len(one), len(other)) >= _LEAST_LETTERS
            and re.sub(r"\D", "", one) == re.sub(r"\D", "", other)
            and difflib.SequenceMatcher(None, one, other).ratio() >= _NEAR
        )
    ]
    told = "pairs of names may each be one name written differently, and are kept apart"
    faults.note(len(near), f"near_names_{name}", name, told, near)
