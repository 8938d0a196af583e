"""Parts of one table whose header changed between them, as from one month to the next."""

from __future__ import annotations

from typing import Final

import pyarrow.compute as pc

from etapromise.tracking.column_names import names_of
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_fits import EVEN, best_fit
from etapromise.tracking.proposals.proposal import OwnTable

# Of the columns that either has so many have kept their names.
_KEPT: Final = 0.5


def renamed(one: OwnTable, other: OwnTable) -> bool:
    """Whether two tables of orders say the same of other orders, some columns under other names."""
    ours, theirs = set(one.table.column_names), set(other.table.column_names)
    kept = ours & theirs
    if len(kept) < _KEPT * len(ours | theirs):
        return False
    roles = [(part, role) for part in ("shipments", "milestones") for role in names_of()[part]]
    fits = [(best_fit(one, *role), best_fit(other, *role)) for role in roles]
    alike = all(abs(mine - yours) < EVEN for mine, yours in fits)
    return (
        alike
        and best_fit(one, "shipments", "ordered_at") > 0
        and any(_names_others(one, other, name) for name in kept)
    )


def _names_others(one: OwnTable, other: OwnTable, name: str) -> bool:
    """Whether a column names the rows of both tables, and no row is in both."""
    profiles = one.profiles[name], other.profiles[name]
    if any(profile.dated or not profile.unique for profile in profiles):
        return False
    known = pc.is_in(
        text_of(one.table.column(name)), value_set=pc.unique(text_of(other.table.column(name)))
    )
    return not pc.any(known).as_py()
