"""The table in a page of the web, or in Excel's XML of 2003: many systems call either ``.xls``."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

import pyarrow as pa

from etapromise.errors import ContractError

_ROWS: Final = frozenset({"tr", "row"})
_CELLS: Final = frozenset({"td", "th", "cell"})
_SILENT: Final = frozenset({"script", "style", "head"})
_BREAKS: Final = frozenset({"br", "p", "div", "li"})
_CHARSET: Final = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?([\w\-]+)", re.IGNORECASE)
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
# A header fills so much of the fullest row; no table has more columns.
_FULL: Final = 0.7
_MOST_COLUMNS: Final = 5_000


def web_table(data: bytes, name: str, skip: int | None = None) -> tuple[pa.Table, tuple[str, ...]]:
    """The largest table of a page as text.

    Args:
        skip: Rows above the header; None: it is the first row that is nearly full.

    Returns:
        The table; and what had to be guessed.

    Raises:
        ContractError: It holds no table with rows below a header.
    """
    reader = _Tables()
    text, doubts = _text(data)
    reader.feed(text)
    reader.close()
    rows = max(reader.tables, key=lambda one: sum(map(len, one)), default=[])
    rows = [row for row in rows if any(row)]
    most = max((len([cell for cell in row if cell]) for row in rows), default=0)
    if skip is None:
        filled = (n for n, row in enumerate(rows) if len(list(filter(None, row))) >= _FULL * most)
        skip = next(filled, 0)
    names = rows[skip] if skip < len(rows) else []
    below = rows[skip + 1 :]
    if not names or not below:
        raise ContractError(
            f"{name} is a page of the web without a table of rows, perhaps one that asks to log "
            "in; export it again, or open it in a spreadsheet and save it as .xlsx or as CSV"
        )
    if skip:
        doubts += (f"the header is row {skip + 1} of the page's table, what is above was left out",)
    if len(reader.tables) > 1:
        doubts += (f"of {len(reader.tables)} tables of the page the largest was read",)
    wide = [(row + [None] * len(names))[: len(names)] for row in below]
    columns = [pa.array(cells, pa.string()) for cells in zip(*wide, strict=True)]
    named = [said or f"column {number}" for number, said in enumerate(names, 1)]
    return pa.Table.from_arrays(columns, names=named), doubts


def _text(data: bytes) -> tuple[str, tuple[str, ...]]:
    told = _CHARSET.search(data[:4096])
    encoding = next((found for mark, found in _MARKS if data.startswith(mark)), None)
    encoding = encoding or (told[1].decode("ascii") if told else "utf-8")
    try:
        return data.decode(encoding), ()
    except (LookupError, UnicodeDecodeError):
        doubt = f"the page is no {encoding} throughout, and was read as cp1252"
        return data.decode("cp1252", "replace"), (doubt,)


class _Tables(HTMLParser):
    """The tables of a page as rows of cells; one inside another counts for itself."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str | None]]] = []
        self._open: list[list[list[str | None]]] = []
        self._cell: list[str] | None = None
        self._width = 1
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A table, a row or a cell begins; an end that is left out is meant."""
        if tag in _SILENT:
            self._silent += 1
        elif tag == "table":
            self._end_cell()
            self._open.append([])
            self.tables.append(self._open[-1])
        elif tag in _ROWS and self._open:
            self._end_cell()
            self._open[-1].append([])
        elif tag in _CELLS and self._open and self._open[-1]:
            self._end_cell()
            told = dict(attrs)
            at = _number(told.get("ss:index"))
            row = self._open[-1][-1]
            row.extend([None] * max(0, at - 1 - len(row)))
            across = _number(told.get("colspan")) or _number(told.get("ss:mergeacross")) + 1
            self._cell, self._width = [], max(1, across)
        elif tag in _BREAKS and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """A cell, a row or a table ends."""
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _CELLS or tag in _ROWS:
            self._end_cell()
        elif tag == "table" and self._open:
            self._end_cell()
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Text, which counts inside of cells."""
        if self._cell is not None and not self._silent:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None or not self._open or not self._open[-1]:
            self._cell = None
            return
        said = " ".join("".join(self._cell).split())
        self._open[-1][-1].extend([said or None] + [None] * (self._width - 1))
        self._cell = None


def _number(text: str | None) -> int:
    return min(int(text), _MOST_COLUMNS) if text and text.isdecimal() else 0
