"""Tables written in any dialect are read back as they were, or refused; never a third thing."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etapromise.errors import ContractError
from etapromise.tracking import read_scans, read_shipments
from etapromise.tracking.files.dialects import dialect_of, encoding_of
from etapromise.tracking.files.json_tables import list_paths, records_of, table_of
from etapromise.tracking.proposals.column_profiles import profile_of
from etapromise.tracking.sources import arrow_table
from etapromise.tracking.written_times import WrittenTime, iso_times

SCANS = pd.DataFrame(
    {
        "shipment_id": ["00340", "A;2", 'B"3'],
        "scanned_at": ["2026-02-05T10:00:00Z", "2026-02-05T11:00:00+02:00", "2026-02-06T10:00:00Z"],
        "status": ["picked_up", "arrived", "delivered"],
        "facility": ["Köln, Süd", "Łódź|2", "Ørsted\tå"],
    }
)
LETTERS = {
    "utf-8": "äöß éà łś Ωя",
    "utf-8-sig": "äöß éà łś Ωя",
    "utf-16": "äöß éà łś Ωя",
    "cp1252": "äöüßéèàçñãõ",
    "cp1250": "łśćżźńęąčřžů",
    "cp1251": "жшюяиду",
}


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    encoding=st.sampled_from(sorted(LETTERS)),
    separator=st.sampled_from(",;\t|"),
    data=st.data(),
    packed=st.booleans(),
)
def test_text_in_any_dialect_is_read_back(
    tmp_path_factory: Any, encoding: str, separator: str, data: st.DataObject, *, packed: bool
) -> None:
    words = st.text(f"ab 1{LETTERS[encoding]},;|'\".", min_size=1, max_size=12).map(str.strip)
    rows = data.draw(
        st.lists(st.tuples(*[words.filter(bool)] * 3), min_size=2, max_size=12, unique=True)
    )
    table = pd.DataFrame(rows, columns=["first", "second", "third"])
    written = table.to_csv(sep=separator, index=False).encode(encoding)
    path = tmp_path_factory.mktemp("t") / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(written) if packed else written)
    try:
        found = arrow_table(path, "rows")
    except ContractError:
        assert encoding.startswith("cp")  # only these can be untellable
        return
    read = found.table.to_pandas()
    if encoding.startswith("cp") and not read.equals(table.astype("str")):
        # Another reading of the same bytes: told, never silent.
        assert found.notes
        return
    assert read.to_numpy().tolist() == table.to_numpy().tolist()


@pytest.mark.parametrize(
    ("above", "skip"),
    [
        ("", 0),
        ("Shipment report\n\n", 2),
        ('"Made on 01.02.2026"\n"By, for and of; us"\n', 2),
        ("Report,,,\n", 1),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_titles_above_the_header_are_told(
    above: str, skip: int, separator: str, tmp_path: Path
) -> None:
    table = pd.DataFrame({name: ["1;1", "2,2", "3|3"] for name in ("id", "from", "to", "by")})
    titles = above.replace(",,,", 3 * separator)
    (tmp_path / "t.csv").write_text(titles + table.to_csv(sep=separator, index=False))
    found = arrow_table(tmp_path / "t.csv", "rows")
    assert found.table.to_pandas().to_numpy().tolist() == table.to_numpy().tolist()
    assert any(f"line {skip + 1} of" in note.told for note in found.notes) == (skip > 0)


@pytest.mark.parametrize(
    ("encoding", "header", "row"),
    [
        ("cp1250", "Nr zamówienia;Data złożenia;Przewoźnik;Miasto", "1;2025;Poczta;Łódź"),
        ("cp1250", "Číslo objednávky;Datum odeslání;Dopravce;Město", "1;2025;Balík;Žďár"),
        ("cp1252", "Bestellnummer;Empfänger PLZ;Frachtführer", "1;10115;Grün"),
    ],
)
def test_a_header_in_a_known_language_says_its_encoding(
    encoding: str, header: str, row: str
) -> None:
    """Polish letters read as Western ones are sound, too; its names of columns are not."""
    written = f"{header}\n" + f"{row}\n" * 50
    found, doubts = encoding_of(pa.py_buffer(written.encode(encoding)), "orders.csv")
    assert written.encode(encoding).decode(found) == written
    assert doubts


FORMATS = [
    *("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S"),
    *("%d-%m-%Y %H:%M", "%Y/%m/%d %H:%M", "%d %b %Y %H:%M", "%b %d, %Y %I:%M:%S %p"),
    *("%m/%d/%y %H:%M", "%d.%m.%y, %H:%M", "%Y%m%d %H:%M", "%d.%m.%Y %H.%M", "%d.%m.%Y %H:%M Uhr"),
    *("%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d %B %Y", "%G-W%V-%u"),
]


@settings(deadline=None, max_examples=120)
@given(
    form=st.sampled_from(FORMATS),
    moments=st.lists(
        st.datetimes(dt.datetime(2019, 1, 1), dt.datetime(2027, 12, 31)),  # noqa: DTZ001
        min_size=3,
        max_size=40,
    ),
)
def test_a_format_is_found_or_asked_and_never_wrong(form: str, moments: list[dt.datetime]) -> None:
    clock = any(sign in form for sign in ("%H", "%I"))
    kept = "%Y-%m-%dT%H:%M:%S" if "%S" in form else "%Y-%m-%dT%H:%M"
    true = [t.strftime(kept) if clock else t.strftime("%Y-%m-%d") for t in moments]
    column = pa.chunked_array([[t.strftime(form) for t in moments]])
    guess = profile_of("date", column, column).times(numbers=True)
    assert guess is not None
    if guess.asked is not None:
        assert form in guess.asked
        return
    midnights = guess.midnights
    if guess.formats:
        written = WrittenTime(formats=guess.formats, plain_dates=midnights)
        read = [str(text) for text in iso_times(column, written).to_pylist()]
    else:
        read = [text.replace(" ", "T") for text in column.to_pylist()]
    for text, expected in zip(read, true, strict=True):
        assert text.startswith(expected[:10] if midnights else expected), (guess, text, expected)


@settings(deadline=None, max_examples=60)
@given(
    moments=st.lists(
        st.datetimes(
            dt.datetime(2019, 1, 1),  # noqa: DTZ001
            dt.datetime(2027, 12, 31),  # noqa: DTZ001
            timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-7))]),
        ),
        min_size=3,
        max_size=20,
    ),
    unit=st.sampled_from(["epoch_s", "epoch_ms", "epoch_ns", "excel"]),
)
def test_numbers_are_read_back_to_the_same_instants(moments: list[dt.datetime], unit: str) -> None:
    moments = [t.replace(microsecond=0) for t in moments]
    scale = {"epoch_s": 1, "epoch_ms": 1000, "epoch_ns": 10**9, "excel": 1}[unit]
    counts = [str(int(t.timestamp()) * scale) for t in moments]
    if unit == "excel":
        counts = [f"{int(count) / 86_400 + 25_569:.9f}" for count in counts]
    column = pa.chunked_array([counts])
    guess = profile_of("ordered at", column, column).times(numbers=True)
    assert guess is not None
    assert guess.formats == (unit,)
    read = iso_times(column, WrittenTime(formats=guess.formats, zone="UTC")).to_pylist()
    assert [pd.Timestamp(text.rstrip("Z"), tz="UTC") for text in read] == moments


@pytest.mark.parametrize(
    ("form", "written", "moment"),
    [
        ("excel", "45691.5", "2025-02-03 12:00"),
        ("excel_1904", "44229.5", "2025-02-03 12:00"),
        ("excel_1904", "44229", "2025-02-03"),
    ],
)
def test_days_are_counted_from_1899_or_from_1904(form: str, written: str, moment: str) -> None:
    column = pa.chunked_array([[written]])
    [text] = iso_times(column, WrittenTime(formats=(form,), zone="UTC")).to_pylist()
    assert pd.Timestamp(text.rstrip("Z")) == pd.Timestamp(moment)


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("%d.%m.%Y %H:%M", "03.02.2025 24:00"),
        ("%Y%m%d %H:%M:%S", "20250203 24:00:00"),
        ("iso8601", "2025-02-03T24:00:00"),
    ],
)
def test_the_end_of_a_day_is_the_midnight_after_it(form: str, written: str) -> None:
    read = iso_times(pa.chunked_array([[written]]), WrittenTime(formats=(form,), zone="UTC"))
    assert pd.Timestamp(read[0].as_py()) == pd.Timestamp("2025-02-04", tz="UTC")
    beyond = {"24:00:00": "24:00:30", "24:00": "24:30"}
    wrong = next(written.replace(old, new) for old, new in beyond.items() if old in written)
    read = iso_times(pa.chunked_array([[wrong]]), WrittenTime(formats=(form,), zone="UTC"))
    assert read[0].as_py() == wrong  # as it is, which the contract refuses


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_local_times_with_a_zone_column_are_the_same_instants(zone: str) -> None:
    moments = pd.Series(
        pd.date_range("2025-01-01", "2025-12-31", periods=500, tz="UTC").round("min")
    )
    other = "Asia/Kolkata"
    zones = [zone if n % 2 else other for n in range(len(moments))]
    local = [
        t.tz_convert(z).strftime("%d/%m/%Y %H:%M") for t, z in zip(moments, zones, strict=True)
    ]
    read = iso_times(
        pa.chunked_array([local]),
        WrittenTime(formats=("%d/%m/%Y %H:%M",)),
        pa.chunked_array([zones]),
    )
    found = pd.to_datetime(pd.Series(read.to_pylist()), format="ISO8601", utc=True)
    hours = (found - moments).dt.total_seconds() / 3600
    # But for the hour that the clock went through twice, of which the first counts.
    assert (hours.abs() <= 1).all()
    assert (hours != 0).sum() <= 1


@pytest.mark.parametrize("share", [1, 40])
def test_iso_times_among_others_have_the_columns_zone(share: int) -> None:
    """Two programs have written the file; the mapping's zone counts for what either wrote."""
    local = pd.Series(pd.date_range("2025-01-01 06:00", periods=100, freq="24h"))
    written = [
        t.isoformat(sep=" ") if n < share else t.strftime("%d.%m.%Y %H:%M")
        for n, t in enumerate(local)
    ]
    form = WrittenTime(formats=("%d.%m.%Y %H:%M",), zone="Europe/Warsaw")
    read = iso_times(pa.chunked_array([written]), form)
    found = pd.to_datetime(pd.Series(read.to_pylist()), format="ISO8601", utc=True)
    expected = local.dt.tz_localize("Europe/Warsaw").dt.tz_convert("UTC")
    assert (found == expected).all()


def files(folder: Path) -> dict[str, Path]:
    """The scans in every form of file."""
    found = {name: folder / name for name in ("s.jsonl", "s.json", "s.xlsx", "s.feather", "s.txt")}
    SCANS.to_json(found["s.jsonl"], orient="records", lines=True)
    found["s.json"].write_text(json.dumps({"data": {"scans": SCANS.to_dict("records")}}))
    SCANS.to_excel(found["s.xlsx"], index=False)
    pyarrow.feather.write_feather(pa.Table.from_pandas(SCANS), found["s.feather"])
    found["s.txt"].write_text("sep=;\n" + SCANS.to_csv(sep=";", index=False))
    return found


def test_every_form_of_file_is_read_alike(tmp_path: Path) -> None:
    expected = read_scans(SCANS).accepted
    for name, path in files(tmp_path).items():
        found = read_scans(path)
        assert found.accepted.equals(expected), name
        assert not len(found.rejects)


def test_what_has_an_arrow_stream_is_read_alike() -> None:
    polars = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    expected = read_scans(SCANS).accepted
    for source in (polars.from_pandas(SCANS), duckdb.from_df(SCANS), pa.Table.from_pandas(SCANS)):
        assert read_scans(source).accepted.equals(expected)


def test_patterns_addresses_and_folders(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for n in range(2):
        text = SCANS.assign(shipment_id=SCANS["shipment_id"] + str(n)).to_csv(index=False)
        place = tmp_path / f"carrier=UPS%20{n}"
        place.mkdir()
        (place / "part.csv").write_text(text)
        memory.pipe(f"/own/carrier=UPS%20{n}/part.csv", text.encode())
    expected = ["ups-0"] * 3 + ["ups-1"] * 3
    for source in (tmp_path, str(tmp_path / "*" / "*.csv"), "memory://own", "memory://own/*/*.csv"):
        found = read_scans(source).accepted
        assert len(found) == 6
        assert found["carrier"].nunique() == 2, expected


def test_a_file_without_a_column_keeps_the_others(tmp_path: Path) -> None:
    SCANS.drop(columns="facility").to_parquet(tmp_path / "a.parquet", index=False)
    SCANS.to_parquet(tmp_path / "b.parquet", index=False)
    found = read_scans(tmp_path).accepted
    assert found["facility"].isna().tolist() == [True] * 3 + [False] * 3


def test_nested_records_become_rows() -> None:
    records = records_of(
        '{"id": 1, "to": {"zip": "01067"}, '
        '"p": [{"n": "A", "e": [{"t": 1}, {"t": 2.50}]}, {"n": "B"}]}',
        "f",
    )
    assert list_paths(records) == {"p": 2, "p.e": 2}
    assert table_of(records)[0].to_pylist() == [{"id": "1", "to.zip": "01067"}]
    assert table_of(records, "p")[0].to_pylist() == [
        {"id": "1", "to.zip": "01067", "p.n": "A"},
        {"id": "1", "to.zip": "01067", "p.n": "B"},
    ]
    assert table_of(records, "p.e")[0].column("p.e.t").to_pylist() == ["1", "2.50"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.json", b'[{"shipment_id": "a"}, {"ship', "may be half written"),
        ("cut.jsonl", b'{"shipment_id": "a"}\n{"ship', "line 2 of .*half written"),
        (
            "mixed.csv",
            "a,b\nMüller,ä\n".encode() + "Müller,äö\n".encode("latin-1"),
            "in some places",
        ),
        ("none.csv", b"a,b\n" + bytes(range(128, 160)) * 3 + b",1\n", "no encoding that was tried"),
        ("zeros.csv", b"a,b\n\x00\x00\x00\x01\x02,1\n", "zero bytes"),
        ("not.xlsx", b"PK\x03\x04nothing", "cut or damaged"),
    ],
)
def test_what_cannot_be_told_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ContractError, match=message):
        read_scans(tmp_path / name)


def _workbook(path: Path, rows: list[list[str | None]], merged: str) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.active.merge_cells(merged)
    book.save(path)
    return path


def test_merged_cells_in_a_header_are_refused(tmp_path: Path) -> None:
    rows = [["Order", None, "status"], ["1", "2026-02-05T10:00Z", "delivered"]]
    path = _workbook(tmp_path / "merged.xlsx", rows, "A1:B1")
    with pytest.raises(ContractError, match=r"merged cells in the header.*columns 1 to 2"):
        read_scans(path)


def test_titles_above_a_header_are_left_out_and_told(tmp_path: Path) -> None:
    head = [["Deliveries"], [], ["Parcel", None, "What"], ["shipment_id", "scanned_at", "status"]]
    rows = [*head, ["1", "2026-02-05T10:00:00Z", "delivered"], [None, None, None]]
    found = read_scans(_workbook(tmp_path / "titles.xlsx", rows, "A3:B3"))
    assert found.accepted["shipment_id"].tolist() == ["1"]
    assert any("the header" in str(note) and "row 4" in str(note) for note in found.notes)


def test_a_whole_line_that_ends_inside_a_letter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    text = "shipment_id;ordered_at;origin;destination\n1;2026-03-02T10:00Z;1;Gda\u0144sk"
    path.write_bytes(text.encode()[:-3])
    found = read_shipments(path)
    assert any("ends inside of a letter" in str(note) for note in found.notes)


def test_a_line_that_ends_inside_a_letter_is_a_reject(tmp_path: Path) -> None:
    whole = SCANS.to_csv(index=False) + "C4,Kö"
    (tmp_path / "cut.csv").write_bytes(whole.encode()[:-1])
    found = read_scans(tmp_path / "cut.csv")
    assert len(found.accepted) == 3
    assert found.rejects["reason"].tolist() == ["wrong_number_of_fields"]
    assert found.rejects["row"].tolist() == [3]


def test_columns_at_fixed_places_are_told() -> None:
    written = b"Order    Placed       Zip\nA1       2026-01-13   10115\n"
    [doubt] = dialect_of(pa.py_buffer(written), "orders.txt").doubts
    assert "stand at fixed places" in doubt
