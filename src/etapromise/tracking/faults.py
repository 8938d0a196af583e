"""What is wrong with which row, and the two tables that come of it: accepted and rejected.

Every row gets at most one fault, the first that is found, so that accepted + rejected = input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Checked", "Faults", "rejects_table"]

_OWN_COLUMNS = ("reason", "detail", "row")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A table after checking: ``len(accepted) + len(rejects)`` is the number of rows that came in.

    Attributes:
        accepted: The usable rows, with a RangeIndex.
        rejects: The others, in the order of the input: every column of the input as text,
            ``reason`` (a machine-readable code), ``detail`` (a sentence) and ``row`` (0-based
            position in the input). An input column that has one of these three names is kept as
            ``input_<name>``.
    """

    accepted: pd.DataFrame
    rejects: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Fault:
    reason: str
    column: str
    expected: str


class Faults:
    """The first fault of each of ``n`` rows."""

    def __init__(self, n: int) -> None:
        self._codes: npt.NDArray[np.int16] = np.zeros(n, dtype=np.int16)
        self._kinds: list[_Fault] = []

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

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Mask of the rows without a fault, (n,)."""
        return np.equal(self._codes, 0)

    def counts(self) -> dict[str, int]:
        """How many rows have a fault, by reason."""
        found = np.bincount(self._codes, minlength=len(self._kinds) + 1)[1:]
        counts: dict[str, int] = {}
        for kind, count in zip(self._kinds, found.tolist(), strict=True):
            counts[kind.reason] = counts.get(kind.reason, 0) + count
        return counts

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
        faults = [self._kinds[code - 1] for code in self._codes[faulty]]
        values = {name: text[name].tolist() for name in text.columns}
        details = []
        for position, fault in enumerate(faults):
            value = values[fault.column][position] if fault.column in values else None
            found = f"{value!r}" if isinstance(value, str) else "missing"
            details.append(f"{fault.column} is {found}, expected {fault.expected}")
        return rejects_table(text, [fault.reason for fault in faults], details, rows)


def rejects_table(
    text: pd.DataFrame, reasons: list[str], details: list[str], rows: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Rejected rows as text, with why and whence; see `Checked`."""
    table = text.rename(columns={name: f"input_{name}" for name in _OWN_COLUMNS})
    table = table.reset_index(drop=True)
    table["reason"] = pd.Series(reasons, dtype="str")
    table["detail"] = pd.Series(details, dtype="str")
    table["row"] = np.asarray(rows, dtype=np.int64)
    return table
