"""Files that hold a table, each as Arrow has it.

Text, JSON and spreadsheets are read as text, so that one bad value costs its row and not the file.
"""

from __future__ import annotations

import bisect
import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.fs
import pyarrow.parquet

from etapromise.errors import ContractError
from etapromise.tracking.files.arrow_types import refuse_strange_types
from etapromise.tracking.files.dialects import Dialect, dialect_of, is_utf8
from etapromise.tracking.files.found_files import FoundFile, damage_named
from etapromise.tracking.files.json_tables import list_paths, records_of, table_of, with_kinds
from etapromise.tracking.files.spreadsheets import sheet_names, sheet_table
from etapromise.tracking.files.web_tables import web_table
from etapromise.tracking.payloads import scans_of_payload
from etapromise.tracking.python_objects import arrow_table_of

_START: Final = 2**16
# So many headers may stand inside of a table.
_MOST_HEADERS: Final = 1000
# No table of text is said to have more than so many columns; a longer header is no header.
_MOST_COLUMNS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class BrokenLine:
    """A CSV line with too few or too many fields, such as the last one of a cut file."""

    row: int
    text: str
    found: int
    expected: int


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are to be read; what is None is told by the files themselves.

    Attributes:
        encoding: Of text, as Python calls it.
        separator: Between the fields of a text table.
        skip: Lines or rows above the header.
        sheet: Of a workbook.
        rows: Dotted path of the list inside of each JSON record whose objects are the rows.
        payload: JSON is what vendors send, whose scans are the rows.
    """

    encoding: str | None = None
    separator: str | None = None
    skip: int | None = None
    sheet: str | None = None
    rows: str = ""
    payload: bool = False


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """A file as a table.

    Attributes:
        table: Its rows.
        broken: Lines that are no rows.
        doubts: What had to be guessed, a sentence each.
        records: (n,) the record of the file that each row is of; None where each is one.
    """

    table: pa.Table
    broken: tuple[BrokenLine, ...] = ()
    records: npt.NDArray[np.int64] | None = None
    doubts: tuple[str, ...] = ()


def open_file(file: FoundFile, table: str, options: FileOptions) -> OpenedFile:
    """Read a file.

    Raises:
        ContractError: It is cut, damaged, of an unknown form or encoding.
    """
    with damage_named(file.name, table):
        kind = file.told_kind
        if kind == "parquet":
            plain = file.system is None and file.archive is None
            where = file.path if plain else file.open()
            opened = OpenedFile(table=_parquet_file(where, file.name))
        elif kind == "arrow":
            opened = OpenedFile(table=_arrow_file(file))
        elif kind == "json" and options.payload:
            scans = scans_of_payload(file.buffer().to_pybytes())
            opened = OpenedFile(table=arrow_table_of(scans))
        elif kind == "json":
            text, doubts = _decoded(file, options)
            records = records_of(text, file.name)
            exploded, owners = _exploded(records, file, options)
            opened = OpenedFile(table=exploded, records=owners, doubts=doubts)
        elif kind == "excel":
            data = file.buffer().to_pybytes()
            table_, doubts = sheet_table(data, file.name, sheet=options.sheet, skip=options.skip)
            opened = OpenedFile(table=table_, doubts=doubts)
        elif kind == "page":
            data = file.buffer().to_pybytes()
            table_, doubts = web_table(data, file.name, options.skip)
            opened = OpenedFile(table=table_, doubts=doubts)
        elif kind == "text":
            opened = _text_table(file, options)
        else:
            raise ContractError(
                f"found {file.name} for the {table}, expected a .parquet or .csv file, another "
                "table of text, JSON, .xlsx, .xls, .ods, .arrow, or a directory of them; convert it"
            )
        if kind in {"parquet", "arrow"}:
            refuse_strange_types(opened.table, file.name)
            _refuse_damage(opened.table, offsets=kind == "arrow")
        nested = any(pa.types.is_nested(one.type) for one in opened.table.schema)
        if nested and kind in {"parquet", "arrow"}:
            records = with_kinds(opened.table.to_pylist())
            exploded, owners = _exploded(records, file, options)
            opened = OpenedFile(table=exploded, records=owners)
        return replace(opened, table=with_partition(opened.table, file.partition))


def require_once_each(names: Sequence[str], place: str) -> None:
    """Raises: ContractError: two columns share a name, which then means neither."""
    doubled = [one for one, times in Counter(names).items() if times > 1]
    if doubled:
        raise ContractError(f"{place} has column {doubled[0]!r} more than once; rename one")


def _parquet_file(where: Any, name: str) -> pa.Table:
    with pyarrow.parquet.ParquetFile(where) as opened:
        require_once_each(opened.schema_arrow.names, name)
        return opened.read()


def _refuse_damage(table: pa.Table, *, offsets: bool) -> None:
    """Raises: pa.ArrowInvalid, UnicodeDecodeError: a name or a text is none, or lies nowhere.

    Arrow takes names, texts and, in its own files, the offsets into texts as they stand there:
    wrong ones fail later, or lead outside of the text.
    """
    for name in table.column_names:
        for chunk in table.column(name).chunks:
            text = None
            if not offsets and (
                pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type)
            ):
                text = chunk.buffers()[2]
            # Of letters of one byte each, no offset can fall inside one.
            if text is None or np.frombuffer(text, np.uint8).max(initial=0) > 127:
                chunk.validate(full=True)


def _exploded(
    records: list[dict[str, Any]], file: FoundFile, options: FileOptions
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    if options.rows and options.rows not in list_paths(records):
        lists = ", ".join(map(repr, list_paths(records))) or "none"
        raise ContractError(
            f"{file.name} has no list {options.rows!r} inside its records, found {lists}; "
            "name one of them as rows in the mapping"
        )
    return table_of(records, options.rows)


def nested_records(file: FoundFile) -> tuple[list[dict[str, Any]], tuple[str, ...]] | None:
    """The records of a JSON or nested file and what had to be guessed; None of other files."""
    kind = file.told_kind
    if kind == "json":
        text, doubts = _decoded(file, FileOptions())
        return records_of(text, file.name), doubts
    if kind in {"parquet", "arrow"}:
        with damage_named(file.name, "orders or scans"):
            schema = pyarrow.parquet.read_schema(file.open()) if kind == "parquet" else None
        if schema is None or any(pa.types.is_nested(one.type) for one in schema):
            table = open_raw(file)
            if any(pa.types.is_nested(one.type) for one in table.schema):
                return with_kinds(table.to_pylist()), ()
    return None


def open_raw(file: FoundFile) -> pa.Table:
    """A Parquet or Arrow file as it is.

    Raises:
        ContractError: The file is damaged.
    """
    with damage_named(file.name, "orders or scans"):
        if file.kind == "arrow":
            return _arrow_file(file)
        return _parquet_file(file.open(), file.name)


def sheets_of(file: FoundFile) -> list[str]:
    """The sheets of a workbook that hold rows; none of other files."""
    if file.told_kind != "excel":
        return []
    return sheet_names(file.buffer().to_pybytes(), file.name)


def text_dialect(file: FoundFile) -> Dialect | None:
    """How a file of text is written; None of other files."""
    if file.told_kind != "text":
        return None
    return dialect_of(_whole_letters(file.buffer()), file.name)


def _arrow_file(file: FoundFile) -> pa.Table:
    data = file.buffer()
    if data.slice(0, 6).to_pybytes() == b"ARROW1":
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    elif data.slice(0, 4).to_pybytes() == b"FEA1":
        table = pyarrow.feather.read_table(pa.BufferReader(data))
    else:
        table = pa.ipc.open_stream(pa.BufferReader(data)).read_all()
    require_once_each(table.column_names, file.name)
    return table


def with_partition(table: pa.Table, partition: Mapping[str, str | None]) -> pa.Table:
    """The table with the columns that its file's folders say, where it has none of the name."""
    for name, value in partition.items():
        if name not in table.column_names:
            words = pa.array([value], pa.string()).dictionary_encode()
            table = table.append_column(name, words.take(pa.array(np.zeros(len(table), np.int32))))
    return table


def one_table(tables: list[pa.Table]) -> pa.Table:
    """Rows of several files together: all columns that any has, null where a file has none."""
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        kinds: dict[str, set[pa.DataType]] = {}
        for table in tables:
            for one in table.schema:
                kinds.setdefault(one.name, set()).add(one.type)
        mixed = {name for name, found in kinds.items() if len(found) > 1}
        same = [
            pa.table(
                {
                    name: table.column(name).cast(pa.large_string())
                    if name in mixed
                    else table.column(name)
                    for name in table.column_names
                }
            )
            for table in tables
        ]
        return pa.concat_tables(same, promote_options="default")


def _decoded(file: FoundFile, options: FileOptions) -> tuple[str, tuple[str, ...]]:
    data = file.buffer()
    dialect = dialect_of(data, file.name, encoding=options.encoding, separator=",", skip=0)
    return data.to_pybytes().decode(dialect.encoding), dialect.doubts


def _text_table(file: FoundFile, options: FileOptions) -> OpenedFile:
    data = _whole_letters(whole := file.buffer())
    dialect = dialect_of(
        data,
        file.name,
        encoding=options.encoding,
        separator=options.separator,
        skip=options.skip,
    )
    names = _header(data, dialect)
    if len(names) > _MOST_COLUMNS:
        raise ContractError(f"{file.name} has {len(names):,} columns; name its separator")
    table, broken = _read_text(data, dialect, names)
    if any(name != name.strip() or not name for name in table.column_names):
        table = _named(table)
    table, again = _by_further_headers(table, file.name)
    doubts = dialect.doubts + again
    if data.size < whole.size:
        doubts += (f"{file.name} ends inside of a letter, so it is cut: the last row may be short",)
    if b'="' in data.slice(0, min(_START, data.size)).to_pybytes():
        table = _without_formulas(table)
    rules = [line.row for line in broken if not any(map(str.isalnum, line.text))]
    if rules:
        doubts += (f"{len(rules):,} lines without a letter or a digit were left out",)
        # They are counted as little as empty lines are.
        broken = tuple(
            replace(line, row=line.row - bisect.bisect_left(rules, line.row))
            for line in broken
            if line.row not in rules
        )
    # Rows before a broken line are not the end.
    last = broken[-1].row + 1 - len(broken) if broken else 0
    filled = max(_filled_rows(table), min(last, len(table)))
    if filled < len(table):
        left = len(table) - filled
        doubts += (f"{left:,} rows at the end have no value and were left out",)
        table = table.slice(0, filled)
    return OpenedFile(table=table, broken=broken, doubts=doubts)


def _by_further_headers(table: pa.Table, name: str) -> tuple[pa.Table, tuple[str, ...]]:
    """The table where exports of columns in another order were put behind each other.

    Raises:
        ContractError: One has other columns.
    """
    names = table.column_names
    if len(set(names)) < max(len(names), 1):
        return table, ()
    known = pa.array([*names, f"\ufeff{names[0]}"])
    named = np.flatnonzero(pc.is_in(table.column(0), known).to_numpy())
    if not 0 < len(named) <= _MOST_HEADERS:
        return table, ()
    headers = {
        int(row): [str(column[int(row)].as_py() or "").lstrip("\ufeff").strip() for column in table]
        for row in named
    }
    parts, told, start, order = [], [], 0, names
    for row, header in [*headers.items(), (len(table), names)]:
        if len(set(header) & set(names)) <= len(names) / 2:
            continue  # a value that is called as a column
        if set(header) != set(names):
            raise ContractError(
                f"row {row + 1} of {name} is a header of other columns: "
                f"{', '.join(map(repr, header))}; expected {', '.join(map(repr, names))}. Put what "
                "is below it in a file of its own"
            )
        part = table.slice(start, row - start)
        parts.append(part.rename_columns(order).select(names) if order != names else part)
        if order != names:
            told.append(f"rows {start + 2} to {row} are read by the header above them")
        start, order = row, header
    return (pa.concat_tables(parts), tuple(told)) if told else (table, ())


def _without_formulas(table: pa.Table) -> pa.Table:
    """The texts that ``="00123"`` keeps a spreadsheet from taking for numbers."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if pc.any(pc.starts_with(column, '="')).as_py():
            said = pc.replace_substring_regex(column, r'^="(.*)"$', r"\1")
            table = table.set_column(place, name, said)
    return table


def _filled_rows(table: pa.Table) -> int:
    """How many rows there are up to the last that has any value."""
    last = 0
    for column in table.columns:
        if not column.null_count:
            return len(table)
        there = np.flatnonzero(column.slice(last).is_valid().to_numpy())
        last += int(there[-1]) + 1 if len(there) else 0
    return last


def _whole_letters(data: pa.Buffer) -> pa.Buffer:
    """Without the bytes of a letter that a file ends in the middle of."""
    last = data.slice(max(data.size - 4, 0)).to_pybytes()
    for cut in (1, 2, 3):
        if len(last) > cut and last[-cut] >= 0xC0:
            shorter = data.slice(0, data.size - cut)
            if not is_utf8(data) and is_utf8(shorter):
                return shorter
    return data


def _header(data: pa.Buffer, dialect: Dialect) -> list[str]:
    start = data.slice(0, min(_START, data.size)).to_pybytes()
    lines = io.StringIO(start.decode(dialect.encoding, "ignore").lstrip("\ufeff"), newline="")
    for _ in range(dialect.skip):
        lines.readline()
    rows = csv.reader(lines, delimiter=dialect.separator, quotechar=dialect.quote)
    return next((row for row in rows if row), [])


def _named(table: pa.Table) -> pa.Table:
    """Without blanks around names, and without empty columns that have none."""
    nameless = [
        place
        for place, name in enumerate(table.column_names)
        if not name.strip() and table.column(place).null_count == len(table)
    ]
    for place in reversed(nameless):
        table = table.remove_column(place)
    names = [name.strip() or f"column {n}" for n, name in enumerate(table.column_names, 1)]
    return table.rename_columns(names)


def _read_text(
    data: pa.Buffer, dialect: Dialect, names: list[str]
) -> tuple[pa.Table, tuple[BrokenLine, ...]]:
    found: list[pyarrow.csv.InvalidRow] = []

    def keep(line: pyarrow.csv.InvalidRow) -> str:
        found.append(line)
        return "skip"

    def read(*, threads: bool) -> pa.Table:
        return pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=threads, encoding=_arrow_encoding(dialect), skip_rows=dialect.skip
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote,
                newlines_in_values=True,
                invalid_row_handler=keep,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    table = read(threads=True)
    if found:
        # Only a single thread knows the number of a broken line.
        found.clear()
        table = read(threads=False)
    # Numbers count from 1 and the first line is the header.
    broken = tuple(
        BrokenLine(
            row=line.number - 2 - dialect.skip,
            text=line.text,
            found=line.actual_columns,
            expected=line.expected_columns,
        )
        for line in found
    )
    return table, broken


def _arrow_encoding(dialect: Dialect) -> str:
    return "utf8" if dialect.encoding == "utf-8" else dialect.encoding
