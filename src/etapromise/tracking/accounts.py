"""What became of every row that came in, in words, and when too little was left to go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etapromise.errors import ContractError
from etapromise.tracking.faults import Checked, Note, remedy_of
from etapromise.tracking.id_matches import near_match
from etapromise.tracking.texts import as_text

if TYPE_CHECKING:
    import pandas as pd

MAX_REJECTS: Final = 0.2
"""The share of rejected rows from which on a table is taken for misread."""

# Nothing is lost with these: what they say is said by other rows, or is nothing.
_HARMLESS: Final = frozenset({"duplicate_scan", "status_without_information"})
_SHOWN: Final = 3
# So many are of orders that were never handed over.
_FEW_STRANGERS: Final = 0.02
_NEAR_IDS: Final = "near_shipment_id"


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the rows of a table: accepted + rejects + left aside came in.

    Attributes:
        accepted: How many rows are used.
        rejects: Those that are not.
        left_aside: How many are neither.
        notes: What was done to values without costing a row.
    """

    table: str
    accepted: int
    rejects: pd.DataFrame
    left_aside: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The sum, then every note, a line each."""
        counts = self.rejects["reason"].value_counts()
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items())
        line = f"{self.table}: {self.accepted:,} accepted, {len(self.rejects):,} rejected"
        line += f" ({reasons})" if reasons else ""
        if self.left_aside:
            line += f", {self.left_aside:,} left aside"
        return [line, *(f"{self.table}: {note}" for note in self.notes)]


def top_reasons(rejects: pd.DataFrame) -> str:
    """The commonest reasons of rejects, each with its count, an example and what to do."""
    counts = rejects["reason"].value_counts()
    told = []
    for reason, n in list(counts.items())[:_SHOWN]:
        example = rejects.loc[rejects["reason"] == reason, "detail"].iloc[0]
        told.append(
            f"{n:,} {reason} (such as row {_row(rejects, reason)}: {example}; to mend: "
            f"{remedy_of(str(reason))})"
        )
    return "; ".join(told)


def _row(rejects: pd.DataFrame, reason: object) -> int:
    return int(rejects.loc[rejects["reason"] == reason, "row"].iloc[0])


def refuse_too_many(accounts: Iterable[Account], most: float = MAX_REJECTS) -> None:
    """Stop where more of a table was rejected than may be.

    Args:
        most: The share of rows that may be rejected; doubles and codes that say nothing are not
            counted.

    Raises:
        ContractError: More were.
    """
    share: object = most
    if not isinstance(share, float | int) or not 0 <= share <= 1:
        raise ContractError(f"found max_rejects={most!r}, expected a share from 0 to 1")
    for one in accounts:
        counted = one.rejects[~one.rejects["reason"].isin(_HARMLESS)]
        total = one.accepted + len(one.rejects)
        if total and len(counted) > most * total:
            near = "".join(f"{note}. " for note in one.notes if note.reason == _NEAR_IDS)
            raise ContractError(
                f"{len(counted):,} of {total:,} {one.table} were rejected, more than the "
                f"{100 * most:g} % that are allowed: {top_reasons(counted)}. {near}Mend the table "
                "or its mapping; or allow more with max_rejects="
            )


def near_strangers(shipments: pd.DataFrame, cleaned: Checked) -> tuple[Note, ...]:
    """What to tell where scans of no shipment are many and differ in writing alone.

    Args:
        cleaned: The scans that `clean_scans` gave.
    """
    rejects = cleaned.rejects
    strangers = rejects[rejects["reason"] == "unknown_shipment"]
    if len(strangers) <= _FEW_STRANGERS * (len(cleaned.accepted) + len(rejects)):
        return ()
    near = near_match(as_text(shipments["shipment_id"]), as_text(strangers["shipment_id"]))
    if near is None:
        return ()
    told = f"scans are of no shipment, but {near}"
    return (Note(reason=_NEAR_IDS, column="shipment_id", rows=len(strangers), told=told),)


def refuse_strangers(
    shipments: pd.DataFrame, scans: pd.DataFrame, *, only_near: bool = False
) -> None:
    """Stop where scans belong to no shipment at all.

    Args:
        scans: Accepted ones, of which not one has a shipment.
        only_near: Stop only where their identifiers differ in writing alone.

    Raises:
        ContractError: So it is; the message proposes what would match.
    """
    if not len(shipments) or not len(scans):
        return
    near = near_match(as_text(shipments["shipment_id"]), as_text(scans["shipment_id"]))
    if near is None and only_near:
        return
    remedy = (
        str(near)
        if near is not None
        else (
            f"Scans have ids such as {scans['shipment_id'].iloc[0]!r}, the shipments such as "
            f"{shipments['shipment_id'].iloc[0]!r}. Hand over the tables that belong together, or "
            "map the column that both share to shipment_id"
        )
    )
    raise ContractError(f"none of the {len(scans):,} scans is of one of the shipments. {remedy}")
