"""What is wrong with which row, and the two tables that come of it: accepted and rejected.

Every row gets at most one fault, the first that is found, so that accepted + rejected = input. What
costs no row but was blanked, derived, brought to a normal form or looks strange is a `Note`: told
once, with how many values it was and examples of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.text_type import TEXT

_OWN_COLUMNS: Final = ("reason", "detail", "value", "remedy", "row")
_EXAMPLES: Final = 3

# By the beginning or the end of a reason; the first that fits.
_REMEDIES: Final = (
    ("missing_", "fill the value in, or map another column to it"),
    ("unreadable_", "correct the value, or name its format in a mapping"),
    ("no_time_zone_", "write the offset into the value, or name the zone of such times"),
    ("_out_of_range", "correct the value at its source, or leave it empty"),
    ("duplicate_", "nothing, if the rows say the same; else give each its own id"),
    (
        "unknown_shipment",
        "send the order too, see whether it was rejected, or compare how both tables write the id",
    ),
    ("unknown_status", "name the vocabulary of the codes, or say in a mapping what they mean"),
    ("unknown_vendor_code", "say in a mapping or an own vocabulary what the code means"),
    ("unknown_vocabulary", "name one of the known vocabularies, or give an own one"),
    ("status_without_information", "nothing: the code says nothing about the parcel"),
    ("wrong_number_of_fields", "export the file again, or repair the line"),
    ("ordered_after_as_of", "score with a later as_of"),
)
# How a sentence about several goes on about one: by its first two words, and after "and".
_SEVERAL: Final = (
    *("are", "were", "have", "hold", "say", "stand", "wait", "do"),
    *("names", "pairs", "rows", "orders", "scans"),
)
_ONE: Final = (
    *("is", "was", "has", "holds", "says", "stands", "waits", "does"),
    *("name", "pair", "row", "order", "scan"),
)
_OF_ONE: Final = dict(zip(_SEVERAL, _ONE, strict=True))
_VERBS: Final = re.compile(r"^\w+( \w+)?|(?<=\band )\w+")
_ELSE: Final = "correct the row at its source"


@dataclass(frozen=True, kw_only=True)
class OwnNames:
    """What own tables call the columns of the contract, for whoever reads what is wrong with them.

    Attributes:
        names: By column of the contract, the own columns that it came from.
        which: By column that came from several, the one that each row came from, (n,).
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    which: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    def own(self, column: str, row: int | None = None) -> tuple[str, ...]:
        """What a column is called, in one row or in any; nothing where it has the same name."""
        names = self.names.get(column, ())
        if row is not None and column in self.which:
            names = (names[self.which[column][row]],)
        return () if names == (column,) else names

    def of(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer] | slice) -> OwnNames:
        """Those of some of the rows."""
        return replace(self, which={name: one[rows] for name, one in self.which.items()})


def together(parts: Iterable[tuple[OwnNames, int]]) -> OwnNames:
    """The own names of several tables whose rows come after each other, each with how many."""
    parts = list(parts)
    names: dict[str, tuple[str, ...]] = {}
    which: dict[str, npt.NDArray[np.int8]] = {}
    for column in dict.fromkeys(name for part, _ in parts for name in part.names):
        codes = []
        for part, rows in parts:
            own = part.names.get(column, (column,))
            before = names.setdefault(column, ())
            names[column] = before + own
            several = part.which.get(column, np.zeros(rows, np.int8))
            codes.append(several + np.int8(len(before)))
        which[column] = np.concatenate(codes)
    return OwnNames(names=names, which=which)


NO_OWN_NAMES: Final = OwnNames()
"""Of a table whose columns are called as the contract has it."""


def shown_name(column: str, own: tuple[str, ...]) -> str:
    """A column of the contract, and what the reader's own table calls it."""
    if not own:
        return column
    told = ", ".join(f'"{name}"' for name in own)
    return f"{column} (your column{'s' if len(own) > 1 else ''} {told})"


@dataclass(frozen=True, kw_only=True)
class Note:
    """What was done to values of a column, or is strange about them, and cost no row.

    Attributes:
        reason: Machine-readable code, such as ``unreadable_weight_kg``.
        column: The column that it is about; empty where it is about the whole table.
        rows: How many rows it concerns.
        told: How the sentence goes on after their number: "could not be read and were left empty".
        examples: Some of the values as they came.
        own: What own tables call the column, where that is another name.
    """

    reason: str
    column: str
    rows: int
    told: str
    examples: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One sentence for people."""
        such = f", such as {', '.join(map(repr, self.examples))}" if self.examples else ""
        about = f"{shown_name(self.column, self.own)}: " if self.column else ""
        told = self.told if self.rows != 1 else _VERBS.sub(_of_one, self.told)
        return f"{about}{self.rows:,} {told}{such}"


def _of_one(words: re.Match[str]) -> str:
    return " ".join(_OF_ONE.get(word, word) for word in words[0].split(" "))


def merged_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Notes of several parts of a table as one of each kind, the order of their first kept."""
    found: dict[tuple[str, str, str], Note] = {}
    for note in notes:
        key = (note.reason, note.column, note.told)
        if key in found:
            before = found[key]
            examples = tuple(dict.fromkeys(before.examples + note.examples))[:_EXAMPLES]
            found[key] = replace(before, rows=before.rows + note.rows, examples=examples)
        else:
            found[key] = note
    return tuple(found.values())


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A table after checking: accepted + rejects + left aside are the rows that came in.

    Attributes:
        accepted: The usable rows, with a RangeIndex.
        rejects: The others, in the order of the input: every column of the input as text,
            ``reason`` (a machine-readable code), ``detail`` (a sentence), ``value`` (that at fault,
            as it came), ``remedy`` (what to do) and ``row`` (0-based position in the input). An
            input column that has one of these names is kept as ``input_<name>``.
        notes: What was done to values without costing a row, to be told once.
        left_aside: How many rows were neither: further rows of an order that a mapping folds into
            its first. None without a mapping.
        own_names: What the own table calls the columns of the accepted rows.
        rows: (n_accepted,) position of each accepted row in the input; None where they are no rows
            of one, as after sorting.
    """

    accepted: pd.DataFrame
    rejects: pd.DataFrame
    notes: tuple[Note, ...] = ()
    left_aside: int = 0
    own_names: OwnNames = NO_OWN_NAMES
    rows: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True)
class _Fault:
    reason: str
    column: str
    expected: str


class Faults:
    """The first fault of each of ``n`` rows, and the notes of a table.

    Args:
        own_names: What the own table calls the columns.
    """

    def __init__(self, n: int, own_names: OwnNames = NO_OWN_NAMES) -> None:
        self._own_names = own_names
        self._codes: npt.NDArray[np.int16] = np.zeros(n, dtype=np.int16)
        self._kinds: list[_Fault] = []
        self._notes: list[Note] = []

    def add(self, rows: npt.NDArray[np.bool_], reason: str, column: str, expected: str) -> None:
        """Mark those of ``rows`` that have no fault yet.

        Args:
            rows: Mask of the faulty rows, (n,).
            reason: Machine-readable code.
            column: The column at fault, whose value as it came goes into the sentence.
            expected: How the sentence goes on after "expected".
        """
        if not rows.any():
            return
        self._kinds.append(_Fault(reason=reason, column=column, expected=expected))
        self._codes[rows & (self._codes == 0)] = len(self._kinds)

    def note(
        self, rows: int, reason: str, column: str, told: str, examples: Iterable[object] = ()
    ) -> None:
        """Tell of ``rows`` rows what cost none of them; see `Note`. Nothing is told of no rows."""
        if rows:
            some = tuple(dict.fromkeys(str(value) for value in examples))[:_EXAMPLES]
            self._notes.append(
                Note(
                    reason=reason,
                    column=column,
                    rows=int(rows),
                    told=told,
                    examples=some,
                    own=self._own_names.own(column),
                )
            )

    def named(self, column: str) -> str:
        """A column as messages name it that stop everything."""
        own = self._own_names.own(column)
        return shown_name(repr(column), own)

    def _shown(self, column: str, row: int | None = None) -> str:
        """A column as rejects name it; without a row nothing where rows differ."""
        if row is None and column in self._own_names.which:
            return ""
        return shown_name(column, self._own_names.own(column, row))

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Mask of the rows without a fault, (n,)."""
        return np.equal(self._codes, 0)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is told of the table."""
        return merged_notes(self._notes)

    def table(
        self,
        faulty: npt.NDArray[np.intp],
        text: pd.DataFrame,
        rows: npt.NDArray[np.int64],
    ) -> pd.DataFrame:
        """The rejects table of the rows ``faulty``.

        Args:
            faulty: Positions of the faulty rows, (n_faulty,), increasing.
            text: Those rows as they came, as text, (n_faulty, n_columns).
            rows: Their positions in the input, (n_faulty,).
        """
        codes = self._codes[faulty]
        reasons, details, found = (np.full(len(faulty), None, dtype=object) for _ in range(3))
        for number in np.unique(codes):
            fault = self._kinds[number - 1]
            at = np.flatnonzero(codes == number)
            column = (
                text[fault.column].iloc[at].tolist() if fault.column in text else [None] * len(at)
            )
            values = [value if isinstance(value, str) else None for value in column]
            # In a table of several files a column has a name in each.
            name = self._shown(fault.column)
            names = [name or self._shown(fault.column, int(row)) for row in faulty[at]]
            reasons[at], found[at] = fault.reason, values
            details[at] = [
                f"{name} is {'missing' if said is None else repr(said)}, expected {fault.expected}"
                for name, said in zip(names, values, strict=True)
            ]
        return rejects_table(text, reasons.tolist(), details.tolist(), rows, found.tolist())


@cache  # of a dozen reasons, for each rejected row
def remedy_of(reason: str) -> str:
    """What to do about rows that were rejected for a reason."""
    for part, remedy in _REMEDIES:
        if reason.startswith(part) or reason.endswith(part):
            return remedy
    return _ELSE


def rejects_table(
    text: pd.DataFrame,
    reasons: list[str],
    details: list[str],
    rows: npt.NDArray[np.int64],
    values: list[str | None],
) -> pd.DataFrame:
    """Rejected rows as text, with why and whence; see `Checked`."""
    names = [f"input_{name}" if name in _OWN_COLUMNS else name for name in text.columns]
    said = {
        "reason": reasons,
        "detail": details,
        "value": values,
        "remedy": [remedy_of(reason) for reason in reasons],
    }
    # Column by column, an empty one would take a tenth of the time of reading a short table.
    columns = [
        *(text.iloc[:, place].array for place in range(len(names))),
        *(pd.Series(one, dtype=TEXT).array for one in said.values()),
        np.asarray(rows, dtype=np.int64),
    ]
    table = pd.DataFrame(dict(enumerate(columns)))
    table.columns = pd.Index([*names, *said, "row"])
    return table
