"""Dates of own tables whose time of day stands in a column of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pandas as pd

from etapromise.tracking.column_names import plain_name, without_words
from etapromise.tracking.proposals.column_roles import moments_of
from etapromise.tracking.proposals.proposal import OwnTable, Proposal, Proposed

# How compound words of Germanic languages end, those that put no blanks, and names that are cut.
_END: Final = re.compile(
    r"(?:s?datum|s?dato|s?uhrzeit|s?zeit|s?tid|s?tijd|日|日期|時間|时间|時刻|dat|dte?|tim|tm)$"
)
_ROUND_THE_DIAL: Final = frozenset(range(1, 13))
# On so many days no carrier is at work at one hour alone.
_MANY_DAYS: Final = 20
_HOUR: Final = pd.Timedelta("1h")
# Summer's and winter's.
_CLOCKS: Final = 2
_DIGITS: Final = re.compile(r"\d+")
# The days between 1899-12-30 and 1904-01-01.
_FOUR_YEARS: Final = pd.Timedelta(days=1462)


def clocks_of_dates(proposal: Proposal) -> None:
    """Give dates the column that has their time of day; a clock that belongs to none is told."""
    tables = [(proposal.shipments, [proposal.columns, proposal.milestones])]
    if proposal.scans is not None:
        tables.append((proposal.scans, [proposal.scan_columns]))
    for table, groups in tables:
        clocks = [name for name, one in table.profiles.items() if one.clocks]
        taken = {one.column for group in groups for one in group.values()}
        for group in groups:
            for role, one in list(group.items()):
                name = _clock_beside(table, one, [name for name in clocks if name not in taken])
                if name is not None:
                    taken.add(name)
                    group[role] = _with_clock(one, name)
        for name in clocks:
            if name in taken:
                continue
            proposal.told.append(
                f"{name} holds times of day, and which date they belong to is not told; where it "
                f"is one that is mapped, add clock_column = {name!r} to it"
            )


def tell_of_midnights_elsewhere(proposal: Proposal) -> None:
    """Tell of moments that are all at one hour, or at two by summer time: dates of another zone."""
    for table, one in _clocked(proposal, zoned=True):
        moments = moments_of(table.profiles[str(one.column)].raw, one).dropna()
        clocks = sorted(set(moments - moments.dt.floor("D")))
        days = moments.dt.floor("D").nunique()
        whole = all(clock % _HOUR == pd.Timedelta(0) for clock in clocks)
        summer = [first + _HOUR for first in clocks[:-1]] == clocks[1:]
        if days >= _MANY_DAYS and whole and clocks[0] and len(clocks) <= _CLOCKS and summer:
            shown = " and ".join(f"{clock.components.hours}:00" for clock in clocks)
            proposal.told.append(
                f"{one.column} shows no other clock than {shown} UTC, as dates do that a program "
                "wrote as midnights of its zone: they are read as local dates where that is a zone "
                "of your parcels, else as clocks of what may be the day before. Better export dates"
            )


def tell_of_lost_halves(proposal: Proposal) -> None:
    """Tell of clocks that show all hours from 1 to 12 and no other: am and pm went lost."""
    for table, one in _clocked(proposal, zoned=False):
        hours = moments_of(table.profiles[str(one.column)].raw, one).dt.hour.dropna()
        if set(hours) == _ROUND_THE_DIAL:
            proposal.told.append(
                f"{one.column} has hours from 1 to 12 only, as if AM and PM had been lost: "
                "half of its times may be twelve hours off; export it with 24 hours"
            )


def _clocked(proposal: Proposal, *, zoned: bool) -> Iterator[tuple[OwnTable, Proposed]]:
    """The columns with a clock, and with an offset or without, each with its table."""
    groups = [(proposal.shipments, {**proposal.columns, **proposal.milestones})]
    if proposal.scans is not None:
        groups.append((proposal.scans, proposal.scan_columns))
    for table, columns in groups:
        for one in columns.values():
            guess = one.guess
            if one.column and guess is not None and guess.clock and guess.zoned == zoned:
                yield table, one


def tell_of_days_since_1904(proposal: Proposal) -> None:
    """Tell of a spreadsheet's numbers that may be counted from 1904: four years later is past too.

    What a cell of a workbook says is read by the workbook; this is of its numbers as text.
    """
    orders, scans = proposal.shipments, proposal.scans or proposal.shipments
    counted = {
        str(one.column): moments_of(table.profiles[str(one.column)].raw, one).max()
        for table, columns in (
            (orders, proposal.columns),
            (orders, proposal.milestones),
            (scans, proposal.scan_columns),
        )
        for one in columns.values()
        if one.guess is not None and one.column is not None and "excel" in one.guess.formats
    }
    last = max(counted.values(), default=pd.NaT)
    if not pd.isna(last) and last + _FOUR_YEARS <= pd.Timestamp.now("UTC"):
        proposal.told.append(
            f"{', '.join(counted)} count days as Excel does, and end on {last:%Y-%m-%d}: if that "
            "is four years too early, the workbook counted from 1904 (Excel for Mac), and the last "
            f'is {last + _FOUR_YEARS:%Y-%m-%d}; write format = "excel_1904"'
        )


def _clock_beside(table: OwnTable, one: Proposed, clocks: list[str]) -> str | None:
    """The clock of a date: one of its name, else the next column where that is called a clock."""
    if one.guess is None or one.guess.clock or one.column is None:
        return None
    said = _stem(without_words(one.column, "moment"))
    same = [name for name in clocks if said and said == _rest(name)]
    if one.guess.midnights:
        return next(iter(same), None)
    names = list(table.profiles)
    after = names[names.index(one.column) + 1 :][:1]
    beside = [
        name
        for name in clocks
        # AT705_Date, AT706_Time: only a count tells them apart.
        if name in after and _DIGITS.sub("", _rest(name)) in {"", _DIGITS.sub("", said)}
    ]
    return next(iter([*same, *beside]), None)


def _rest(name: str) -> str:
    """A name without the words for a time of day; of ERZET and ERDAT what is left is nothing."""
    words = without_words(name, "clock").split()
    moments = without_words(" ".join(words), "moment") if words else ""
    return _stem(plain_name(moments))


def _stem(name: str) -> str:
    """A name whose words lose their ends that say a day or a clock: zustelldatum, zustellzeit."""
    return " ".join(_END.sub("", word) or word for word in name.split())


def _with_clock(one: Proposed, name: str) -> Proposed:
    if one.guess is None:
        return one
    details = {key: told for key, told in one.details.items() if key != "plain_dates"}
    return replace(
        one,
        why=f"{one.why}; {name!r} has its time of day",
        details={**details, "clock_column": name},
        guess=replace(one.guess, clock=True, midnights=False),
    )
