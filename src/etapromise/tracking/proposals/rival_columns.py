"""Columns that fit one role alike: which of them it is, or the question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.normal_forms.places import normal_country
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_profiles import Profile
from etapromise.tracking.proposals.column_roles import TIMES, moments_of, proposed_column
from etapromise.tracking.proposals.proposal import OwnTable, Proposed
from etapromise.tracking.written_times import NUMBERED

# So many values may differ, and those that must not.
_SAME: Final = 0.02
_DECISIVE: Final = TIMES | {"destination", "destination_country"}
# What only says when a parcel is awaited; of several such days the last is the one that counts.
_AWAITED: Final = frozenset({"promised_date", "quoted_date"})
# A column with so much less in it than another is that of a few, such as those that came back.
_SPARSE: Final = 0.5
# One that is filled where another is not must be so in so many rows.
_FEW: Final = 0.1


def settled(table: OwnTable, one: Proposed, part: str, role: str) -> Proposed:
    """A column of several that fit alike: the first where all say the same, else the question.

    Args:
        one: The column that fits best, and the others that fit as well.
        part: ``shipments``, ``milestones`` or ``scans``.
    """
    timed = part == "milestones" or role in TIMES
    for other in one.others:
        ours, theirs = table.profiles[str(one.column)], table.profiles[other]
        mine, yours = (_comparable(profile, part, role) for profile in (ours, theirs))
        both = mine.notna() & yours.notna()
        differ = both & (mine != yours)
        if not both.any():
            one = _beside(ours, theirs, one, proposed_column(theirs, role, one.certainty))
            continue
        surer, why = None, ""
        if differ.sum() <= _SAME * both.sum() or (
            role == "destination" and _two_names(mine[both], yours[both])
        ):
            surer, why = _with_clock(ours, theirs, timed=timed), "says the same"
        elif timed:
            surer, why = _with_its_zone(ours, theirs, role), "says the same without its zone"
        if surer is None:
            fuller, told = _fuller(ours, theirs)
            surer, why = (fuller, told) if fuller is not None else (None, why)
        if surer is None and role in _AWAITED and why != "says the same":
            surer, why = _later(ours, theirs, role), "is earlier"
        if surer is theirs:
            found = proposed_column(surer, role, one.certainty, (), table)
            one = replace(found, why=f"{found.why}; {ours.name!r} {why}", others=one.others)
            continue
        if surer is ours or why == "says the same":
            one = replace(one, why=f"{one.why}; {other!r} {why}")
            continue
        row = int(np.argmax(differ.to_numpy()))
        what = (
            f"{one.column!r} and {other!r} could both be it and differ in "
            f"{100 * differ.sum() / both.sum():.0f} % of the rows, such as {mine.iloc[row]} and "
            f"{yours.iloc[row]}"
        )
        if part == "milestones" or role in _DECISIVE:
            asked = f"{what}: keep one of them"
            return replace(one, column=None, details={"column": "?"}, asked=asked, guess=None)
        one = replace(one, why=f"{one.why}; {what}")
    return one


def _beside(ours: Profile, theirs: Profile, one: Proposed, other: Proposed) -> Proposed:
    """A column with another that fills its gaps, as where a header changed from month to month."""
    # What is filled in few rows may be a plan for those that are still under way.
    if theirs.filled < max(_SPARSE * (1 - ours.filled), _FEW) or one.asked:
        return one
    told = [(each.guess.clock, each.guess.zoned) if each.guess else None for each in (one, other)]
    forms = [form for each in (one, other) if each.guess for form in each.guess.formats]
    forms = list(dict.fromkeys(forms))
    details, others = ({**each.details, "format": None} for each in (one, other))
    if told[0] != told[1] or details != others or (len(forms) > 1 and {*forms} & {*NUMBERED}):
        asked = (
            f"{ours.name!r} and {theirs.name!r} could both be it, no row has both, and they are "
            "written in two ways: bring them into one"
        )
        return replace(one, column=None, details={"column": "?"}, asked=asked, guess=None)
    details = {**one.details, "else_column": theirs.name}
    if len(forms) > 1:
        details["format"] = forms
    return replace(one, details=details, why=f"{one.why}; where it is empty, {theirs.name!r}")


def _with_clock(ours: Profile, theirs: Profile, *, timed: bool) -> Profile | None:
    """Of two columns of the same days, the one that has a clock, or a zone, too."""
    if not timed:
        return None
    told = [(one, one.times(numbers=True, named=True)) for one in (ours, theirs)]
    for sign in ("zoned", "clock"):
        having = [one for one, guess in told if guess is not None and getattr(guess, sign)]
        if len(having) == 1:
            return having[0]
    return None


def _with_its_zone(ours: Profile, theirs: Profile, role: str) -> Profile | None:
    """Of two columns that tell the same moments, the one that says on whose clock it does."""
    told = [(one, one.times(numbers=True, named=True)) for one in (ours, theirs)]
    zoned = [one for one, guess in told if guess is not None and guess.zoned]
    if len(zoned) != 1:
        return None
    first, second = (moments_of(one.raw, proposed_column(one, role, 1.0)) for one in (ours, theirs))
    apart = (first.dt.floor("D") - second.dt.floor("D")).abs().dropna()
    near = bool(len(apart)) and bool((apart <= pd.Timedelta(days=1)).mean() > 1 - _SAME)
    return zoned[0] if near else None


def _fuller(ours: Profile, theirs: Profile) -> tuple[Profile | None, str]:
    """Of two columns the one with far more in it, and how much the other has."""
    fuller, other = (ours, theirs) if ours.filled >= theirs.filled else (theirs, ours)
    if other.filled >= _SPARSE * fuller.filled:
        return None, ""
    return fuller, f"is filled in {100 * other.filled:.0f} % of the rows"


def _later(ours: Profile, theirs: Profile, role: str) -> Profile | None:
    """Of two days that are awaited the later one, where it is never the earlier."""
    first, second = (moments_of(one.raw, proposed_column(one, role, 1.0)) for one in (ours, theirs))
    both = first.notna() & second.notna()
    if (first[both] >= second[both]).all():
        return ours
    return theirs if (second[both] >= first[both]).all() else None


def _two_names(mine: pd.Series[Any], yours: pd.Series[Any]) -> bool:
    """Whether each place of one column is one of the other, such as its code beside its name."""
    pairs = len(pd.DataFrame({"mine": mine, "yours": yours}).drop_duplicates())
    return 1 < pairs < len(mine) / 2 and pairs == mine.nunique() == yours.nunique()


def _comparable(profile: Profile, part: str, role: str) -> pd.Series[Any]:
    """(n,) the sampled values of a column in a form in which equal ones are equal."""
    if part == "milestones" or role in TIMES:
        moments = moments_of(profile.raw, proposed_column(profile, role, 1.0))
        return pd.Series(moments.dt.strftime("%Y-%m-%d"))
    text = pd.Series(text_of(profile.raw).to_pandas())
    if role.endswith("_country"):
        return pd.Series(text.map(normal_country, na_action="ignore"))
    return pd.Series(text.where(text != "").str.lower())
