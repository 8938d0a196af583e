"""Workbooks of other forms than Excel's of today: the old one, and that of OpenDocument."""

from __future__ import annotations

import base64
import zipfile
import zlib
from pathlib import Path

import pytest

from etapromise.errors import ContractError
from etapromise.tracking.files.spreadsheets import sheet_names, sheet_table

# Of the form of 1997: a number as id, times of which one is a midnight, days, decimal numbers.
OLD = zlib.decompress(
    base64.b85decode(
        "c-rk)Ur3Wt6#w0Cn{G?p<}}h^3?VDihp2}TbQUXpnVCLR7MQk=TH2I3f_x~;Mo&S|Q_+iHLOoc$^oJ7at%qPy4?z"
        "&Pf?j$G3VKk#&N=&5a}_u!Dfxcmo_p`P=bZ2C-h0ly-}fTzo145_n?V6uVZ)-~LP;J^QE}xuUeLH<a5GmssTdaiE"
        "4ZArkR=X0Dt}(eYsl-JfrdNwr$m8wR1RYVox^cGxPsUvKJ+X0p@pczb>dW@M!c#NdQ_-i=xvdFEVNBHmxQ*E?40U"
        "FI@H;)!`#IOv^p890NcGUI&Xxt71emgyZG#7m6dg1XCl@=v|0uN_A*R?R=Qn}>k00!!ws5393(VFB2D3Nu%n|n5^"
        "3(~3D`ZDhC6?34pp>6rtrlG0-tlK;7QQpuPk4I_+OXuOMk<6(gOdA@1n&m<X_S3z&MN}5^*VtkQ4T7R@j?}>WR^L"
        "YzH&AtN})k$3{--@nl~tO50?ZMf7N2f07P~s6G@s#a#-k!DDVdIV96~mt>l9iNG?VQFx^7lQ{H}*Yh_&y^IWWh5C"
        "duE~iWO4BEh6!oWG!Ams`fu?gjo2GQ6e^t@PIFYQ{PRTK+U*LPK$jXe`0b3sPy={eg3uR<I1+MB4I`nc~wAoV`9n"
        "c6e$nX#&w*P%(&(M(23pMMi*RE_G|RmQ_mu2yEgdMmW%r`+Y#yr%DldC+>Wz=22b3C;F+cGUNtX3kZ%XQQ6Yw51A"
        "cozdLF^I_UUk~ClJYbC;jp|KBbv(#2(%a86fTRo()J+`D3SeivZcs|_na295HKYB&$qK&m$wMyJ$5z4|p;D!YY7A"
        "#n>V8Mcge*;QxlG)oc-<=)i&Ain7uCqX8(fUlXYSE2h`X%W-a5v&qCvdu`{j(Mhm9wRmsgwI&$k<O$Phb!O;>Tdo"
        "`<LFVRQ~^2wxajXg;252Uo6JYzx@1frNHr{"
    )
)
ROWS = [
    {
        "shipment_id": "1001",
        "ordered_at": "2026-01-13 09:12:00",
        "delivered": "2026-01-14",
        "kg": "1.5",
    },
    {
        "shipment_id": "1002",
        "ordered_at": "2026-01-14 00:00:00",
        "delivered": "2026-01-16",
        "kg": "2.25",
    },
]
OPEN = """<?xml version="1.0"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
 <table:table table:name="Orders">{}</table:table></office:spreadsheet></office:body>
</office:document-content>"""


def open_document(path: Path) -> Path:
    cells = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]

    def cell(said: str) -> str:
        kind = f'office:value-type="string"><text:p>{said}</text:p>'
        if said[:4] == "2026":
            kind = f'office:value-type="date" office:date-value="{said.replace(" ", "T")}">'
        return f"<table:table-cell {kind}</table:table-cell>"

    rows = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in cells)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest '
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr("content.xml", OPEN.format(rows))
    return path


def test_the_old_form_of_excel_is_read() -> None:
    assert sheet_names(OLD, "orders.xls") == ["Orders"]
    table, doubts = sheet_table(OLD, "orders.xls")
    assert table.to_pylist() == ROWS
    assert not doubts


def test_a_workbook_of_open_document_is_read(tmp_path: Path) -> None:
    table, _ = sheet_table(open_document(tmp_path / "orders.ods").read_bytes(), "orders.ods")
    assert table.to_pylist() == ROWS


def test_a_workbook_that_is_cut_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match=r"orders\.xls cannot be read as a workbook"):
        sheet_table(OLD[:2000], "orders.xls")
    with pytest.raises(ContractError, match=r"no sheet 'Parcels', expected one of Orders"):
        sheet_table(OLD, "orders.xls", sheet="Parcels")
