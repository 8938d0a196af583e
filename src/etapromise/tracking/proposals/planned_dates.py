"""Whether deliveries are counted from a date before them, as promises are, and did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from etapromise.tracking.proposals.column_roles import moments_of
from etapromise.tracking.proposals.proposal import Proposal, Proposed

# In so many rows no carrier takes always as long, be it in each of so many to a group.
_ALWAYS: Final = 50
_SAME_DAYS: Final = 0.98
_TO_A_GROUP: Final = 8
# Promises differ by what a shop tells its customers of, which has few values.
_TOLD_BY: Final = ("carrier", "service", "destination_country", "origin")
_FEW_WAYS: Final = 12
_SLIPS: Final = 0.1
_AT_ONCE: Final = pd.Timedelta("1h")
_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def counted_from(proposal: Proposal, came: Proposed) -> str:
    """What shows that a column of deliveries is counted from another date; empty where nothing.

    Always as many days after an order or a pick-up; as many for each day of the week, as working
    days are, of each carrier or service, or before and after an hour at which a shop closes its
    day; or within the hour of the pick-up, when nothing can have come.
    """
    column = str(came.column)
    picked = proposal.milestones.get("picked_up")
    for before in (proposal.columns.get("ordered_at"), picked):
        if before is None or before.column is None:
            continue
        profiles = proposal.shipments.profiles
        first, last = (moments_of(profiles[str(one.column)].raw, one) for one in (before, came))
        both = first.notna() & last.notna()
        if both.sum() < _ALWAYS:
            continue
        first, last = first[both], last[both]
        days = (last.dt.floor("D") - first.dt.floor("D")).dt.days
        if _share(days, ()) > _SAME_DAYS:
            always = int(days.mode().iloc[0])
            if always > 1:
                return f"{column} is {always} days after {before.column} in nearly all rows"
        week = first.dt.day_of_week
        for other, why in _ways(proposal, first, both):
            by = (week, *other)
            if _share(days, by) > _SAME_DAYS and _shortest(days, by) > 1:
                shown = int(week.mode().iloc[0])
                long = int(days[week == shown].mode().iloc[0])
                return (
                    f"{column} is as many days after {before.column} by the day of the week{why} "
                    f"in nearly all rows, such as {long} after a {_WEEK[shown]}"
                )
        if before is picked and _has_clocks(before, came):
            at_once = (last - first).between(pd.Timedelta(0), _AT_ONCE)
            if at_once.mean() > _SAME_DAYS:
                return f"{column} is within the hour of {before.column} in nearly all rows"
    return ""


def before_pick_ups(proposal: Proposal, came: Proposed) -> tuple[str, bool]:
    """What to say of deliveries days before their pick-up, and whether they are more than slips.

    They count as none: who picks a parcel up again after its delivery had not delivered it.
    """
    picked = proposal.milestones.get("picked_up")
    if picked is None or picked.column is None:
        return "", False
    profiles = proposal.shipments.profiles
    first, last = (moments_of(profiles[str(one.column)].raw, one) for one in (picked, came))
    # On another clock it may be another day.
    early = first.dt.floor("D") - last.dt.floor("D") > pd.Timedelta("1D")
    if not early.any():
        return "", False
    shown, rows = int(early.idxmax()), int((first.notna() & last.notna()).sum())
    said = (
        f"{came.column} is days before {picked.column} in {int(early.sum()):,} of {rows:,} rows, "
        f"such as {last[shown]:%Y-%m-%d} and {first[shown]:%Y-%m-%d}"
    )
    return said, bool(early.sum() > _SLIPS * rows)


def _has_clocks(*columns: Proposed) -> bool:
    return all(one.guess is None or one.guess.clock for one in columns)


def _ways(
    proposal: Proposal, first: pd.Series[Any], rows: pd.Series[Any]
) -> Iterator[tuple[tuple[pd.Series[Any], ...], str]]:
    """What days may depend on beside the day of the week, and how to say it."""
    yield (), ""
    told = []
    for role in _TOLD_BY:
        one = proposal.columns.get(role)
        if one is None or one.column is None:
            continue
        raw = proposal.shipments.profiles[one.column].raw.cast(pa.large_string())
        said = raw.to_pandas().fillna("")[rows]
        if 1 < said.nunique() <= _FEW_WAYS:
            told.append((said, f" and {one.column}"))
    for said, why in told:
        yield (said,), why
    for hour in range(1, 24):
        late = first.dt.hour >= hour
        why = f" and whether it was before {hour}:00"
        yield (late,), why
        for said, also in told:
            yield (late, said), f"{also} {why.removeprefix(' ')}"


def _counts(days: pd.Series[Any], by: tuple[pd.Series[Any], ...]) -> pd.Series[Any]:
    """How many rows of each group take how many days."""
    frame = pd.DataFrame({str(n): one for n, one in enumerate(by)})
    return frame.assign(days=days).value_counts(sort=False)


def _share(days: pd.Series[Any], by: tuple[pd.Series[Any], ...]) -> float:
    """The share of rows that take as long as most of their group; 0 where groups are small."""
    if not by:
        return float(days.value_counts(normalize=True).iloc[0])
    counts = _counts(days, by)
    groups = counts.groupby(level=[str(n) for n in range(len(by))])
    most = groups.max()
    return float(most.sum() / len(days)) if len(days) >= _TO_A_GROUP * len(most) else 0.0


def _shortest(days: pd.Series[Any], by: tuple[pd.Series[Any], ...]) -> int:
    """The fewest days that most of any group take."""
    counts = _counts(days, by).reset_index(name="rows").sort_values("rows")
    groups = [str(n) for n in range(len(by))]
    return int(counts.drop_duplicates(groups, keep="last")["days"].min())
