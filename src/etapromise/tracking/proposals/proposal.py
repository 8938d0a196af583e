"""A proposed mapping: which column of own tables is which of the contract, how surely, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from etapromise.tracking.id_matches import NearMatch
from etapromise.tracking.proposals.column_profiles import Profile, profile_of, sample_rows
from etapromise.tracking.proposals.guessed_times import TimeGuess

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from etapromise.tracking.sources import OpenedTable

CERTAIN: Final = 0.95
"""From which certainty on a column is taken for certain."""
_LIKELY: Final = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnTable:
    """A table of somebody's, before anything is known of it.

    Attributes:
        files: Where it was read, as the mapping shall name them.
        opened: As it was read, with what was no row of it.
        rows: The list inside of each record that its rows are, where it is nested.
        settings: Of `MappedTable`, such as ``encoding``, where they are not the usual.
        doubts: What had to be guessed in reading it.
        joins: Of `MappedJoin`, where it is several tables: the others' files and on what.
        of_orders: The columns that those of them have that are of orders.
        brought: The files of the columns that were joined, by column.
        fits: How well its columns fit those of the contract, as far as that was asked.
    """

    files: tuple[str, ...]
    opened: OpenedTable
    rows: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    joins: tuple[Mapping[str, Any], ...] = ()
    of_orders: frozenset[str] = frozenset()
    brought: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fits: dict[tuple[str, str, str], float] = field(default_factory=dict, init=False, compare=False)

    @property
    def table(self) -> pa.Table:
        """Its rows."""
        return self.opened.table

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """By column."""
        sample = sample_rows(self.table)
        return {
            name: profile_of(name, sample.column(name), self.table.column(name))
            for name in self.table.column_names
        }


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A column of the contract and where it comes from.

    Attributes:
        column: Of the own table; None where it is one value for all rows.
        certainty: From 0 to 1.
        why: A few words.
        details: Further keys of the mapping, such as ``format``.
        asked: What must be answered by hand; empty where nothing.
        others: Other columns that fit as well.
        guess: How its times are written.
    """

    column: str | None
    certainty: float
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)
    asked: str = ""
    others: tuple[str, ...] = ()
    guess: TimeGuess | None = None

    @property
    def missing(self) -> bool:
        """Whether no column can be it, and nothing else is to be chosen from."""
        return self.certainty == 0.0

    @property
    def degree(self) -> str:
        """``certain``, ``likely`` or ``possible``."""
        if self.certainty >= CERTAIN:
            return "certain"
        return "likely" if self.certainty >= _LIKELY else "possible"


@dataclass(kw_only=True)
class Proposal:
    """A mapping as it is proposed; `proposal_text` writes it.

    Attributes:
        shipments: Where the shipments come from.
        scans: Where the scans do; None where milestones are all.
        columns: Of the shipments.
        left_out: Optional columns of the shipments of which something would have to be asked.
        milestones: Likewise, by status.
        scan_columns: Of the scans.
        settings: Of the table of shipments, each with its reason.
        scan_settings: Of the table of scans, likewise.
        statuses: What own codes mean, each with how many scans have it and why.
        open_codes: Codes without a meaning, with how many scans have them.
        vocabulary: Whose codes the scans carry.
        ids: What ids differ by.
        unread: Tables of orders of their own that are not used, with what to do.
        unused: Columns that were taken for nothing.
        told: What is worth knowing, a sentence each.
    """

    shipments: OwnTable
    scans: OwnTable | None = None
    columns: dict[str, Proposed] = field(default_factory=dict)
    left_out: dict[str, Proposed] = field(default_factory=dict)
    milestones: dict[str, Proposed] = field(default_factory=dict)
    scan_columns: dict[str, Proposed] = field(default_factory=dict)
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    scan_settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    statuses: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    open_codes: dict[str, int] = field(default_factory=dict)
    vocabulary: str | None = None
    ids: NearMatch | None = None
    unread: list[str] = field(default_factory=list)
    unused: tuple[str, ...] = ()
    told: list[str] = field(default_factory=list)

    @property
    def questions(self) -> list[str]:
        """What must be answered by hand."""
        every = [*self.columns.items(), *self.milestones.items(), *self.scan_columns.items()]
        found = [f"{role}: {one.asked}" for role, one in every if one.asked]
        for settings in (self.settings, self.scan_settings):
            found += [why for value, why in settings.values() if value == "?"]
        found += [
            f"code {code!r} ({n:,} scans): {why}"
            for code, (status, n, why) in self.statuses.items()
            if status == "?"
        ]
        return found + self.unread
