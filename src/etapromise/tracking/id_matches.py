"""Identifiers of scans that no order has: what in their writing keeps them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.mapped_columns import plain_ids

# In turn: the least first.
_WAYS: Final = (
    ("blanks",),
    ("case",),
    ("width",),
    ("fraction",),
    ("zeros",),
    ("fraction", "zeros"),
    ("symbols",),
    ("prefix",),
    ("prefix", "zeros"),
    ("blanks", "case", "fraction", "width", "zeros"),
    ("blanks", "case", "fraction", "symbols", "width", "zeros"),
)
_MOST: Final = 200_000
# So many of them must find an order for a way to be proposed.
_LEAST: Final = 0.5
_WORDS: Final = {
    "blanks": "blanks",
    "case": "upper and lower case",
    "width": "full-width characters",
    "fraction": "a trailing .0",
    "zeros": "leading zeros",
    "symbols": "signs such as # and -",
    "prefix": "letters and signs before the first digit",
}


@dataclass(frozen=True, kw_only=True)
class NearMatch:
    """What would make identifiers match.

    Attributes:
        ignore: What would have to be ignored, of `IDS_IGNORE`.
        share: Of the identifiers that matched nothing, those that match then.
        scan: One as a scan writes it.
        order: The same as its order writes it.
    """

    ignore: tuple[str, ...]
    share: float
    scan: str
    order: str

    def __str__(self) -> str:
        """One sentence for people."""
        apart = " and ".join(_WORDS[name] for name in self.ignore)
        return (
            f"{100 * self.share:.0f} % of them match but for {apart}: scans have {self.scan!r} "
            f"where the orders have {self.order!r}. Write both alike, or let a mapping ignore it: "
            f"[ids] ignore = {list(self.ignore)}"
        )


def near_match(orders: pa.ChunkedArray, strangers: pa.ChunkedArray) -> NearMatch | None:
    """The least change of writing by which identifiers without an order find one.

    Args:
        orders: Identifiers of the orders, text.
        strangers: Those of scans that match none of them.
    """
    known = pc.unique(orders.cast(pa.large_string())).drop_null()
    other = pc.unique(strangers.cast(pa.large_string())).drop_null()[:_MOST]
    if not len(known) or not len(other):
        return None
    for way in _WAYS:
        if (found := _match(known, other, way)) is None:
            continue
        for one in way:
            # Of several, those that matter.
            less = tuple(name for name in found.ignore if name != one)
            fewer = _match(known, other, less) if less else None
            if fewer is not None and fewer.share >= found.share:
                found = fewer
        return found
    return None


def _match(known: pa.Array, other: pa.Array, ignore: tuple[str, ...]) -> NearMatch | None:
    """How many identifiers find an order where a writing is ignored; None: too few, or several."""
    ours, theirs = (
        plain_ids(pa.chunked_array([ids]), ignore).combine_chunks() for ids in (known, other)
    )
    place = pc.index_in(theirs, value_set=ours)
    found = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
    # Several orders that become one would be joined wrongly; so would the scans of several
    # systems that differ in the prefix only.
    alone = (ours, theirs) if "prefix" in ignore else (ours,)
    if len(found) < _LEAST * len(other) or any(len(pc.unique(ids)) < len(ids) for ids in alone):
        return None
    first = int(found[0])
    return NearMatch(
        ignore=ignore,
        share=len(found) / len(other),
        scan=other[first].as_py(),
        order=known[place[first].as_py()].as_py(),
    )
