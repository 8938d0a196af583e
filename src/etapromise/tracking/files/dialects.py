"""How a text file is written: its encoding, its separator, its quotes, the lines before its header.

UTF-8 is told by its bytes and nothing is guessed of it. Another encoding is looked for with
charset-normalizer among those that spreadsheets write; where several give sound text the one that
spreadsheets write most is taken and told, and where none does the file is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from etapromise.errors import ContractError
from etapromise.tracking.column_names import names_of, plain_name

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The most used first: of equally sound ones the first is taken.
_ENCODINGS: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2"),
    *("cp932", "gb18030", "euc_kr", "euc_jp", "big5", "koi8_r", "mac_roman", "cp850"),
    *("cp874", "cp866", "cp852", "cp857", "koi8_u"),
)
_SEPARATORS: Final = ",;\t|"
# A line of no more filled fields may be a title above a table of more columns.
_TITLE: Final = 2
# So many of the lines have more where there is such a table, and so many are cut alike by a header.
_TABLE: Final = 0.5
_ALL_LINES: Final = 0.9
# A header fills so many of the fields that a row usually fills.
_FULL: Final = 0.5
_SAMPLE: Final = 2**16
_LINES: Final = 200
# A symbol between letters: what another encoding makes of an accented letter.
_SYMBOL_IN_WORD: Final = re.compile(
    r"[^\W\d_][^\w\s'\u2019.,:;/&()\[\]\-+\"#@=|\\]|[²³¹¼½¾£¥¢¤¦][^\W\d_]"
)
# Two scripts in a word: what a Greek, Cyrillic, Hebrew or Arabic reading makes of accented letters.
_TWO_SCRIPTS: Final = re.compile(r"[A-Za-z][Ͱ-ӿא-ۿ]|[Ͱ-ӿא-ۿ][A-Za-z]")
# Two accented Latin letters in a row: what a Latin reading makes of Greek or Cyrillic.
_ACCENTS: Final = re.compile(r"[À-ɏ](?=[À-ɏ])")
# Icelandic letters, which without Icelandic vowels are what a Western reading makes of Turkish.
_ICELANDIC: Final = re.compile(r"[ðýþÐÝÞ]")
_NORDIC: Final = re.compile(r"[æáéíóúÆÁÉÍÓÚěščřž]")
_ODD: Final = (_SYMBOL_IN_WORD, _TWO_SCRIPTS, _ACCENTS)
# Of bytes that are not ASCII so many form UTF-8 letters although the whole is none: two encodings.
_MIXED: Final = 0.5
# What stands between the titles of columns of one width.
_GAPS: Final = re.compile(r"\S {2,}\S.*\S {2,}\S")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the lines of a text file are to be cut.

    Attributes:
        encoding: A name that Python knows; ``utf-8`` with or without its mark.
        separator: Between the fields.
        quote: Around a field that holds a separator.
        skip: Lines before the header.
        doubts: What could not be told for certain, a sentence each.
    """

    encoding: str = "utf-8"
    separator: str = ","
    quote: str = '"'
    skip: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is comma-separated UTF-8, as the contract has it."""
        return self == Dialect()


def is_utf8(data: pa.Buffer) -> bool:
    """Whether all bytes are UTF-8."""
    offsets = pa.py_buffer(np.array([0, data.size], dtype=np.int64))
    text = pa.LargeStringArray.from_buffers(1, offsets, data)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def encoding_of(data: pa.Buffer, name: str) -> tuple[str, tuple[str, ...]]:
    """The encoding of a text, and what is doubtful about it.

    Raises:
        ContractError: No encoding gives sound text.
    """
    head = data.slice(0, min(4, data.size)).to_pybytes()
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, ()
    start = data.slice(0, min(_SAMPLE, data.size)).to_pybytes()
    if b"\0" in start:
        return _wide(start, name), ()
    if is_utf8(data):
        return "utf-8", ()
    return _narrow(_strange_lines(data), name)


def _wide(start: bytes, name: str) -> str:
    zeros = Counter(place % 2 for place, byte in enumerate(start) if byte == 0)
    for parity, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if zeros[parity] > len(start) / 8 and zeros[1 - parity] < zeros[parity] / 8:
            return encoding
    raise ContractError(
        f"{name} holds zero bytes and is no text in UTF-16, so it may be cut, damaged or no table; "
        "export it again as UTF-8"
    )


def _strange_lines(data: pa.Buffer) -> bytes:
    """The first line and those that are not ASCII, up to the size of a sample."""
    lines: list[bytes] = []
    size = 0
    for number, line in enumerate(io.BytesIO(memoryview(data))):
        if number == 0 or not line.isascii():
            lines.append(line[:_SAMPLE])
            size += len(lines[-1])
            if size > _SAMPLE:
                break
    return b"".join(lines)


def _narrow(sample: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    from charset_normalizer import from_bytes  # noqa: PLC0415 (only for what is not UTF-8)

    strange = sum(byte > 127 for byte in sample)
    letters = len(sample.decode("utf-8", "ignore").encode("utf-8")) - (len(sample) - strange)
    if strange and letters / strange > _MIXED:
        raise ContractError(
            f"{name} is UTF-8 in some places and not in others, so its encoding cannot be told; "
            "it may be cut, damaged or put together of two files. Export it again as UTF-8, or "
            "name the encoding in a mapping: encoding = "
            '"utf-8"'
        )
    found = from_bytes(sample, cp_isolation=list(_ENCODINGS), steps=10)
    sound: list[tuple[tuple[int, float, int], str, str]] = []
    for match in found:
        text = str(match)
        if any(0x7F <= ord(letter) < 0xA0 for letter in text):
            continue
        strangeness = round(match.chaos, 2) + _oddities(text) / strange
        place = _ENCODINGS.index(match.encoding)
        sound.append(((-_known_names(text), strangeness, place), match.encoding, text))
    # charset-normalizer hides these behind others of their letters.
    for encoding in ("cp1252", "cp1250"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        named, strangeness = _known_names(text), _oddities(text) / strange
        # Łódź has two accents in a row, and is sound where the header's names are.
        if (named or strangeness < 0.1) and not any(0x7F <= ord(letter) < 0xA0 for letter in text):
            sound.append(((-named, strangeness, _ENCODINGS.index(encoding)), encoding, text))
    if not sound:
        raise ContractError(
            f"{name} is not UTF-8, and no encoding that was tried gives sound text; name it in a "
            'mapping, such as encoding = "cp1252", or export the file as UTF-8'
        )
    sound.sort(key=lambda one: one[0])
    best = sound[0]
    told = f"{name} is not UTF-8; read as {best[1]}"
    named, strangeness, _ = best[0]
    others = [
        one
        for one in sound[1:]
        if one[0][0] == named and one[0][1] <= strangeness + 0.02 and one[2] != best[2]
    ]
    if others:
        ours, theirs = _difference(best[2], others[0][2])
        told += f", where {others[0][1]} would fit too ({ours!r} or {theirs!r})"
    return best[1], (f"{told}; name the encoding in a mapping if it is another",)


def _known_names(text: str) -> int:
    """How many names of columns that are known in some language stand in the first line."""
    names = {name for roles in names_of().values() for known in roles.values() for name in known}
    header = re.split(f"[{_SEPARATORS}]", text.partition("\n")[0])
    return sum(
        plain_name(name) in names and not re.search(r"[^\w\s.()'\u2019/-]", name)
        for name in header
        if not name.isascii()
    )


def _oddities(text: str) -> int:
    # A large accented letter after a small one: what a Western reading makes of Polish or Czech.
    large = sum(
        one.islower() and not other.isascii() and other.isupper() for one, other in pairwise(text)
    )
    turkish = 0 if _NORDIC.search(text) else len(_ICELANDIC.findall(text))
    return large + turkish + sum(len(odd.findall(text)) for odd in _ODD)


def _difference(first: str, second: str) -> tuple[str, str]:
    """The first words that two readings of the same bytes have different."""
    for ours, theirs in zip(
        re.split(r"[\s,;|]+", first), re.split(r"[\s,;|]+", second), strict=False
    ):
        if ours != theirs:
            return ours, theirs
    return first[:20], second[:20]


def dialect_of(
    data: pa.Buffer,
    name: str,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    skip: int | None = None,
) -> Dialect:
    """How a text file is written; what is given is not looked for.

    Args:
        encoding: As Python calls it.
        separator: One character.
        skip: Lines before the header.

    Raises:
        ContractError: The encoding cannot be told, is unknown, or does not fit.
    """
    doubts: tuple[str, ...] = ()
    if encoding is None:
        encoding, doubts = encoding_of(data, name)
    start = data.slice(0, min(_SAMPLE, data.size)).to_pybytes()
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except LookupError:
        raise ContractError(
            f"found encoding {encoding!r} for {name}, expected one such as 'utf-8' or 'cp1252'"
        ) from None
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{name} cannot be read as {encoding}: {error}; name another encoding"
        ) from error
    lines = text.splitlines(keepends=True)
    if len(start) == _SAMPLE and len(lines) > 1:
        lines.pop()  # it may be cut
    stated = re.fullmatch(r"\ufeff?sep=(.)\s*", lines[0]) if lines else None
    if stated and skip is None:
        # The line by which a spreadsheet is told the separator.
        skip, separator = 1, separator or stated[1]
    if skip is None:
        skip = _lines_above(lines[:_LINES], separator)
        if skip:
            doubts += (f"the header is line {skip + 1} of {name}, what is above was left out",)
    lines = lines[skip:][:_LINES]
    quote = _quote(lines)
    if separator is None:
        separator = _separator("".join(lines), quote)
        if lines and not any(sign in lines[0] for sign in _SEPARATORS) and _GAPS.search(lines[0]):
            told = (
                f"the columns of {name} stand at fixed places with blanks between: write it with a "
                f"separator, such as pandas.read_fwf({name!r}).to_csv('orders.csv', index=False)"
            )
            doubts += (told,)
    return Dialect(
        encoding="utf-8" if encoding == "utf-8-sig" else encoding,
        separator=separator,
        quote=quote,
        skip=skip,
        doubts=doubts,
    )


def _lines_above(lines: list[str], separator: str | None) -> int:
    """How many lines of titles and rules stand above the header of a table of several columns.

    A title fills a field or two of a table whose rows fill more; whatever else comes first is the
    header. Lines are counted as they stand in the file, blank ones too.
    """
    found = (0, 0.0)
    signs = [separator] if separator else list(_SEPARATORS)
    if any(_is_header(lines, sign) for sign in signs):
        return 0
    for sign in signs:
        filled = [_filled_fields(line, sign) for line in lines]
        told = sorted(n for n in filled if n > _TITLE)
        if len(told) < _TABLE * len(lines):
            continue
        usual = told[len(told) // 2]
        first = next((n for n, count in enumerate(filled) if count > _TITLE), 0)
        if usual > _TITLE + 1 and filled[first] >= _FULL * usual:
            found = max(found, (first, float(usual)), key=lambda one: one[1])
    return found[0]


def _is_header(lines: list[str], separator: str) -> bool:
    """Whether the first line names each field of nearly all lines."""
    quote = _quote(lines)
    cut = csv.reader(
        io.StringIO("".join(lines), newline=None), delimiter=separator, quotechar=quote
    )
    try:
        rows = [row for row in cut if row]
    except csv.Error:
        return False
    if not rows or len(rows[0]) < 2 or not all(rows[0]):
        return False
    return sum(len(row) == len(rows[0]) for row in rows) > _ALL_LINES * len(rows)


def _filled_fields(line: str, separator: str) -> int:
    try:
        row = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return 0
    return sum(any(map(str.isalnum, field)) for field in row)


def _quote(lines: list[str]) -> str:
    """A single quote where it stands around every name of the header, else the double one."""
    header = lines[0].strip() if lines else ""
    fields = re.split(f"[{_SEPARATORS}]", header)
    quoted = all(len(name) > 1 and name[0] == name[-1] == "'" for name in fields)
    return "'" if quoted else '"'


def _separator(text: str, quote: str) -> str:
    """That which cuts most lines into as many fields as the header, and the header into most."""

    def score(separator: str) -> tuple[float, int]:
        cut = csv.reader(io.StringIO(text, newline=None), delimiter=separator, quotechar=quote)
        try:
            lines = [line for line in cut if line]
        except csv.Error:  # a field that is longer than any is
            return 0.0, 0
        if not lines or len(lines[0]) < 2:
            return 0.0, 0
        like = sum(len(line) == len(lines[0]) for line in lines) / len(lines)
        return (1.0 if like > 0.9 else like), len(lines[0])

    return max(_SEPARATORS, key=score)
