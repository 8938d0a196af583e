"""An Excel sheet as a table of text, one header above its columns."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any, Final

import pyarrow as pa

from etapromise.errors import ContractError

# In so many rows the header is looked for; so much of the fullest row it fills, and so much of it
# has no digits.
_LOOKED_AT: Final = 30
_FULL: Final = 0.7
_WORDS: Final = 0.8


def sheet_names(data: bytes, name: str) -> list[str]:
    """The sheets of a workbook that hold anything.

    Raises:
        ContractError: As for `sheet_table`.
    """
    book = _workbook(data, name)
    return [sheet.title for sheet in book.worksheets if sheet.max_row > 1]


def sheet_table(
    data: bytes, name: str, *, sheet: str | None = None, skip: int | None = None
) -> tuple[pa.Table, tuple[str, ...]]:
    """A sheet as text: times in ISO 8601, days without a clock as dates, whole numbers as digits.

    Args:
        sheet: Which sheet; by default the only one that holds anything.
        skip: Rows above the header; None: it is the first row that has a text above nearly every
            column.

    Returns:
        The table; and what had to be guessed.

    Raises:
        ContractError: openpyxl is not installed, the file is no workbook, there is no such sheet or
            more than one, or cells of the header are merged.
    """
    book = _workbook(data, name)
    filled = [one.title for one in book.worksheets if one.max_row > 1]
    if sheet is None:
        if len(filled) != 1:
            raise ContractError(
                f"{name} has {len(filled)} sheets with rows ({', '.join(filled)}), expected one; "
                'name it in a mapping, such as sheet = "Orders"'
            )
        sheet = filled[0]
    elif sheet not in book.sheetnames:
        raise ContractError(
            f"{name} has no sheet {sheet!r}, expected one of {', '.join(book.sheetnames)}"
        )
    page = book[sheet]
    doubts: tuple[str, ...] = ()
    if skip is None:
        skip = _rows_above(page)
        if skip:
            doubts = (
                f"the header of sheet {sheet!r} is its row {skip + 1}, what is above was left out",
            )
    first = skip + 1
    for merged in page.merged_cells.ranges:
        if merged.min_row <= first <= merged.max_row:
            raise ContractError(
                f"{name} has merged cells in the header of sheet {sheet!r} ({merged.coord}), "
                "expected one cell with a name above each column; unmerge them, or name in a "
                "mapping how many rows to skip above the header: skip = 1"
            )
    rows = page.iter_rows(min_row=first)
    names = [_text(cell) for cell in next(rows, ())]
    while names and names[-1] is None:
        names.pop()
    columns: list[list[str | None]] = [[] for _ in names]
    for row in rows:
        values = [_text(cell) for cell in row[: len(names)]]
        if any(value is not None for value in values):
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    return pa.Table.from_arrays(
        [pa.array(column, pa.string()) for column in columns],
        names=[said or f"column {number}" for number, said in enumerate(names, 1)],
    ), doubts


def _rows_above(page: Any) -> int:
    """How many rows of titles stand above the header, the first full row of words."""
    rows = [
        [cell.value for cell in row if cell.value is not None]
        for row in page.iter_rows(max_row=_LOOKED_AT)
    ]
    most = max(map(len, rows), default=0)
    first = next((n for n, cells in enumerate(rows) if len(cells) >= _FULL * most), 0)
    said = [isinstance(cell, str) and not any(map(str.isdigit, cell)) for cell in rows[first]]
    # What stands below merged cells may be the first of the data.
    return first if first and sum(said) >= _WORDS * len(said) else 0


def _workbook(data: bytes, name: str) -> Any:
    try:
        import openpyxl  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ContractError(
            f"{name} is an Excel file, which needs openpyxl; install etapromise[excel], "
            "or save the sheet as CSV"
        ) from error
    try:
        return openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    except Exception as error:  # whatever a damaged archive makes of openpyxl
        raise ContractError(
            f"{name} cannot be read as an Excel workbook, it may be cut or damaged: {error}; "
            "save it again as .xlsx"
        ) from error


def _text(cell: Any) -> str | None:
    value = cell.value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        if not any(letter in cell.number_format.lower() for letter in "hs"):
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value.isoformat() if hasattr(value, "isoformat") else value).strip()
    return text or None
