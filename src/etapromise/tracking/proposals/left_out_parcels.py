"""Whether a table of parcels that have all come lacks those that were still under way."""

from __future__ import annotations

from typing import Final

import pandas as pd

from etapromise.tracking.proposals.column_roles import moments_of
from etapromise.tracking.proposals.proposal import Proposal

# So nearly all have come.
_ALL: Final = 0.995
# So many orders of the last days that all came sooner than half of the others are no chance.
_NEWEST: Final = 10
_DAY: Final = pd.Timedelta("1D")


def tell_of_parcels_left_out(proposal: Proposal) -> None:
    """Tell where an export of what was delivered lacks what was not yet: its newest look quick."""
    ordered, came = proposal.columns.get("ordered_at"), proposal.milestones.get("delivered")
    if proposal.scans is not None or ordered is None or came is None:
        return
    if ordered.column is None or came.column is None:
        return
    profiles = proposal.shipments.profiles
    first, last = (moments_of(profiles[str(one.column)].raw, one) for one in (ordered, came))
    if last.notna().mean() < _ALL:
        return
    took = (last - first).dropna()
    if not len(took):
        return
    half, end = pd.Timedelta(took.median()), last.max()
    # Where all that were ordered are there, the last of them takes as long as any, and ends it.
    newest = took[first[took.index] > end - half]
    if len(newest) < _NEWEST:
        return
    proposal.told.append(
        f"all rows have a {came.column}, and all {len(newest):,} orders of the last "
        f"{half / _DAY:.1f} days came sooner than half of the others do: parcels that were still "
        "under way seem to be left out, so that the latest days look quick. Export them too, or "
        f"leave out orders after {end - took.max():%Y-%m-%d}"
    )
