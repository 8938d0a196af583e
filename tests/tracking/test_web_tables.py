"""Tables in pages of the web and in Excel's XML of 2003: read as a spreadsheet would show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etapromise.errors import ContractError
from etapromise.operations.checking.checking import check
from etapromise.tracking.sources import arrow_table
from tests.tracking.own_shapes import parcels
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import plain, read

if TYPE_CHECKING:
    import pandas as pd


def page(table: pd.DataFrame) -> bytes:
    """As many shops' "Excel export" is."""
    styles = "<style>td { mso-number-format: '@' }</style>"
    title = "<table><tr><td colspan=3>Orders &amp; parcels</td></tr></table>"
    body = f"{title}{table.to_html(index=False)}"
    return f"<html><head>{styles}</head><body>{body}</body></html>".encode()


def unclosed(table: pd.DataFrame) -> bytes:
    """Without the ends that a browser does not need, in another code page, titles in the table."""
    rows = [list(table.columns), *table.astype(str).to_numpy().tolist()]
    cells = "\n".join(f"<TR>{''.join(f'<TD>{cell}' for cell in row)}" for row in rows)
    text = f"<table border=1><TR><TD colspan=2>Größe\n{cells}</table>"
    return f'<meta charset="windows-1252">{text}'.encode("cp1252")


def excel_xml(table: pd.DataFrame) -> bytes:
    """Empty cells are left out, and the next one says its place."""
    rows = []
    for row in [list(table.columns), *table.astype(str).to_numpy().tolist()]:
        cells = [
            f'<Cell ss:Index="{n}"><Data ss:Type="String">{cell}</Data></Cell>'
            for n, cell in enumerate(row, 1)
            if cell
        ]
        rows.append(f"<Row>{''.join(cells)}</Row>")
    start = '<?xml version="1.0" encoding="utf-8"?><?mso-application progid="Excel.Sheet"?>'
    sheet = f'<Worksheet ss:Name="S"><Table>{"".join(rows)}</Table></Worksheet>'
    return f"{start}<Workbook>{sheet}</Workbook>".encode()


@pytest.mark.parametrize("form", [page, unclosed, excel_xml], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["export.xls", "export.csv"])
def test_a_page_that_is_called_a_workbook_is_read(
    form: Callable[[pd.DataFrame], bytes], name: str, tmp_path: Path
) -> None:
    truth = parcels(5, 80)
    (tmp_path / name).write_bytes(form(plain(truth)))
    _, found = read([tmp_path / name], tmp_path)
    assert_true(truth, found)


def test_cells_are_where_a_browser_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<table><tr><th>a<th colspan=2>b<th>c</tr><tr><td>1<br>2<td>x<td>y<td>&nbsp;z</table>"
    )
    table = arrow_table(str(tmp_path / "a.html"), "orders").table
    assert table.column_names == ["a", "b", "column 3", "c"]
    assert table.to_pylist() == [{"a": "1 2", "b": "x", "column 3": "y", "c": "z"}]


@pytest.mark.parametrize(
    "content", ["<html><body>Please log in</body></html>", "<table><tr><td>1</td></tr></table>"]
)
def test_a_page_without_rows_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "export.xls").write_text(content)
    with pytest.raises(ContractError, match="log in"):
        check([tmp_path / "export.xls"], quality=False)
