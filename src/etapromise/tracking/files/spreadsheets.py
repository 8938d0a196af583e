"""A sheet of a workbook as a table of text, one header above its columns."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
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
    with _damage_refused(name):
        return _filled(_workbook(data, name))


def sheet_table(
    data: bytes, name: str, *, sheet: str | None = None, skip: int | None = None
) -> tuple[pa.Table, tuple[str, ...]]:
    """A sheet as text: times in ISO 8601, days without a clock as dates, whole numbers as digits.

    Args:
        data: A workbook of Excel of any year (.xlsx, .xlsb, .xls), or of OpenDocument (.ods).
        sheet: Which sheet; by default the only one that holds anything.
        skip: Rows above the header; None: it is the first row that has a text above nearly every
            column.

    Returns:
        The table; and what had to be guessed.

    Raises:
        ContractError: python-calamine is not installed, the file is no workbook, there is no such
            sheet or more than one, or cells of the header are merged.
    """
    with _damage_refused(name):
        return _sheet_table(_workbook(data, name), name, sheet, skip)


def _sheet_table(
    book: Any, name: str, sheet: str | None, skip: int | None
) -> tuple[pa.Table, tuple[str, ...]]:
    filled = _filled(book)
    if sheet is None:
        if len(filled) != 1:
            raise ContractError(
                f"{name} has {len(filled)} sheets with rows ({', '.join(filled)}), expected one; "
                'name it in a mapping, such as sheet = "Orders"'
            )
        sheet = filled[0]
    elif sheet not in book.sheet_names:
        raise ContractError(
            f"{name} has no sheet {sheet!r}, expected one of {', '.join(book.sheet_names)}"
        )
    page = book.get_sheet_by_name(sheet)
    rows = page.to_python(skip_empty_area=False)
    doubts: tuple[str, ...] = ()
    if skip is None:
        skip = _rows_above(rows)
        if skip:
            doubts = (
                f"the header of sheet {sheet!r} is its row {skip + 1}, what is above was left out",
            )
    for (first, left), (last, right) in page.merged_cell_ranges or ():
        if first <= skip <= last:
            raise ContractError(
                f"{name} has merged cells in the header of sheet {sheet!r} (columns {left + 1} to "
                f"{right + 1}), expected one cell with a name above each column; unmerge them, or "
                "name in a mapping how many rows to skip above the header: skip = 1"
            )
    names = [_text(cell) for cell in (rows[skip] if skip < len(rows) else [])]
    while names and names[-1] is None:
        names.pop()
    body = [row[: len(names)] for row in rows[skip + 1 :] if any(cell != "" for cell in row)]
    columns = [_texts([row[place] for row in body]) for place in range(len(names))]
    return pa.Table.from_arrays(
        [pa.array(column, pa.string()) for column in columns],
        names=[said or f"column {number}" for number, said in enumerate(names, 1)],
    ), doubts


def _filled(book: Any) -> list[str]:
    ends = {one: book.get_sheet_by_name(one).end for one in book.sheet_names}
    return [one for one, end in ends.items() if end is not None and end[0] > 0]


def _rows_above(rows: list[list[Any]]) -> int:
    """How many rows of titles stand above the header, the first full row of words."""
    looked_at = [[cell for cell in row if cell != ""] for row in rows[:_LOOKED_AT]]
    most = max(map(len, looked_at), default=0)
    first = next((n for n, cells in enumerate(looked_at) if len(cells) >= _FULL * most), 0)
    if not first:
        return 0
    said = [isinstance(cell, str) and not any(map(str.isdigit, cell)) for cell in looked_at[first]]
    # What stands below merged cells may be the first of the data.
    return first if sum(said) >= _WORDS * len(said) else 0


def _workbook(data: bytes, name: str) -> Any:
    try:
        import python_calamine  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ContractError(
            f"{name} is a workbook, which needs python-calamine; install etapromise[excel], or "
            "save the sheet as CSV"
        ) from error
    return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))


@contextmanager
def _damage_refused(name: str) -> Iterator[None]:
    try:
        yield
    except ContractError:
        raise
    except Exception as error:  # whatever a damaged file makes of it, when opened or when read
        raise ContractError(
            f"{name} cannot be read as a workbook, it may be cut or damaged, or need a password: "
            f"{error}; save it again as .xlsx"
        ) from error


def _texts(cells: list[Any]) -> list[str | None]:
    """The cells of a column; among times a day without a clock is the midnight that it is."""
    timed = any(isinstance(cell, dt.datetime) for cell in cells)
    return [
        f"{cell.isoformat()} 00:00:00" if timed and type(cell) is dt.date else _text(cell)
        for cell in cells
    ]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        # A spreadsheet counts in parts of a day, and no second is met exactly.
        rounded = value + dt.timedelta(milliseconds=500)
        return rounded.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value.isoformat() if hasattr(value, "isoformat") else value).strip()
    return text or None
