"""Columns of text as numbers: identifiers looked up in one table, repeated words coded once."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from etapromise import native
from etapromise.errors import ContractError
from etapromise.text_type import TEXT

if TYPE_CHECKING:
    import pandas as pd

ColumnValues: TypeAlias = "pd.Series[Any] | pa.ChunkedArray"

# The number of a word that is missing; larger than that of any other.
UNSAID: Final = np.iinfo(np.uint16).max


class _Texts(ctypes.Structure):
    _fields_ = native.fields("p text offset; l wide")


_TEXTS = ctypes.POINTER(_Texts)
_new = native.function("etp_identifiers_new", "p", _TEXTS, "l", ctypes.POINTER(ctypes.c_int64))
_free = native.function("etp_identifiers_free", "", "p")
_find = native.function("etp_identifiers_find", "", "p", _TEXTS, "lp")
_plain = native.function("etp_texts_plain", "i", _TEXTS, "li")
_of_floats = native.function("etp_texts_of_floats", "i", _TEXTS, "lp")
_shapes = native.function("etp_texts_shapes", "", _TEXTS, "lp")
# What stands for each kind of character in native/identifiers.c.
_SIGNS: Final = " 9Aa -"


def _texts(array: pa.Array) -> _Texts:
    """Where Arrow keeps the text of a string or large_string array, which must outlive this."""
    _, offsets, text = array.buffers()
    wide = pt.is_large_string(array.type)
    return _Texts(
        text=text.address if text is not None else None,
        offset=offsets.address + array.offset * (8 if wide else 4),
        wide=int(wide),
    )


def are_plain(column: pa.ChunkedArray, *, said: bool = False) -> bool:
    """Whether all texts are there, of printable ASCII, and plainly have no needless blanks.

    Args:
        column: string or large_string. If this is False a closer look may still find nothing.
        said: Also whether none may be a placeholder, so that all are in their normal form.
    """
    return column.null_count == 0 and all(
        _plain(_texts(chunk), len(chunk), said) for chunk in column.chunks if len(chunk)
    )


def of_floats(column: pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
    """Which texts are whole numbers that went through a float: 12.0, 1.2e+5, 1,2E+5; None: none.

    Args:
        column: (n,) string or large_string.
    """
    found = np.zeros(len(column), dtype=bool)
    first, some = 0, False
    for chunk in column.chunks:
        part = found[first : first + len(chunk)]
        if len(chunk) and _of_floats(_texts(chunk), len(chunk), part.ctypes.data):
            # Arrow may keep any text where a value is missing.
            part &= chunk.is_valid().to_numpy(zero_copy_only=False)
            some = some or bool(part.any())
        first += len(chunk)
    return found if some else None


def shapes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """The shape of each text: 9 for a digit, A and a for letters, blanks and hyphens as they are.

    Args:
        column: (n,) string or large_string.

    Returns:
        Positions (n,) in a list of shapes, and that list; "" is the shape of what is missing, has
        other characters or more than 21.
    """
    found = np.zeros(len(column), dtype=np.uint64)
    first = 0
    for chunk in column.chunks:
        part = found[first : first + len(chunk)]
        if len(chunk):
            _shapes(_texts(chunk), len(chunk), part.ctypes.data)
        if chunk.null_count:
            part[chunk.is_null().to_numpy(zero_copy_only=False)] = 0
        first += len(chunk)
    distinct = pc.dictionary_encode(pa.array(found))
    numbers = [f"{number:o}" if number else "" for number in distinct.dictionary.to_pylist()]
    codes = np.asarray(distinct.indices.to_numpy(), dtype=np.int32)
    return codes, ["".join(_SIGNS[int(sign)] for sign in number) for number in numbers]


def doubled(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """(n,) which texts an earlier row has; a missing one is no text."""
    there = column.drop_null() if column.null_count else column
    try:
        Identifiers(there)
    except ContractError:
        return np.asarray(as_series(column).duplicated() & column.is_valid().to_numpy())
    return np.zeros(len(column), dtype=bool)


class Identifiers:
    """Finds the row of many identifiers at once. Any number of threads may ask."""

    def __init__(self, ids: pd.Series[Any] | pa.ChunkedArray) -> None:
        """Number the identifiers by their rows.

        Args:
            ids: (n,) text, none missing.

        Raises:
            ContractError: one occurs twice.
        """
        array = as_text(ids).combine_chunks()
        self._ids = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        doubled = ctypes.c_int64(-1)
        table = (
            _new(_texts(self._ids), len(self._ids), ctypes.byref(doubled)) if len(self._ids) else 0
        )
        if table is None:
            raise MemoryError("no memory for a table of the identifiers")
        self._table = table
        if table:
            weakref.finalize(self, _free, table)
        if doubled.value >= 0:
            message = (
                f"shipment_id {self._ids[doubled.value].as_py()!r} occurs more than once, expected "
                "one row per shipment; read the table with read_shipments, which rejects the second"
            )
            raise ContractError(message)

    def __len__(self) -> int:
        """How many identifiers there are."""
        return len(self._ids)

    def rows(self, texts: pd.Series[Any] | pa.ChunkedArray) -> npt.NDArray[np.int32]:
        """The row of each identifier, -1 where it is unknown or missing, (n,)."""
        found = np.full(len(texts), -1, dtype=np.int32)
        if not self._table:
            return found
        if isinstance(texts, pa.ChunkedArray) and pt.is_dictionary(texts.type):
            codes, words = coded(texts)
            rows = self._find(pa.chunked_array([words], pa.large_string()))
            return np.append(rows, np.int32(-1))[codes]
        return self._find(as_text(texts))

    def _find(self, texts: pa.ChunkedArray) -> npt.NDArray[np.int32]:
        found = np.full(len(texts), -1, dtype=np.int32)
        first = 0
        for chunk in texts.chunks:
            part = found[first : first + len(chunk)]
            if len(chunk):
                _find(self._table, _texts(chunk), len(chunk), part.ctypes.data)
            if chunk.null_count:
                # Arrow may keep any text where a value is missing.
                part[chunk.is_null().to_numpy(zero_copy_only=False)] = -1
            first += len(chunk)
        return found


class CarrierNumbers:
    """Numbers for the names of carriers, of which there are few."""

    def __init__(self) -> None:
        """Start without any name."""
        self._numbers: dict[str, int] = {}

    def numbers(self, texts: pd.Series[Any] | pa.ChunkedArray) -> npt.NDArray[np.uint16]:
        """The number of each word, `UNSAID` where it is missing, (n,).

        Raises:
            ContractError: there are more words than there are numbers.
        """
        codes, words = coded(texts)
        table = np.array(
            [self._numbers.setdefault(word, len(self._numbers)) for word in words] + [UNSAID],
            dtype=np.int64,
        )
        if len(self._numbers) >= UNSAID:
            raise ContractError(
                f"found more than {UNSAID - 1} different values in column 'carrier', "
                "expected a few names; check what the column holds"
            )
        return table.astype(np.uint16)[codes]

    def ranks(self) -> tuple[list[str], npt.NDArray[np.uint16]]:
        """The words in their order, and by number (65536,) the place of each in it."""
        words = sorted(self._numbers)
        ranks = np.full(UNSAID + 1, UNSAID, dtype=np.uint16)
        ranks[[self._numbers[word] for word in words]] = np.arange(len(words))
        return words, ranks


def as_text(texts: pd.Series[Any] | pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as Arrow has it, string or large_string."""
    if not isinstance(texts, pa.ChunkedArray):
        array = pa.array(texts, from_pandas=True)
        texts = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if pt.is_string(texts.type) or pt.is_large_string(texts.type):
        return texts
    return texts.cast(pa.large_string())


def as_series(texts: pa.ChunkedArray) -> pd.Series[Any]:
    """Text as pandas has it, dtype ``str``."""
    series: pd.Series[Any] = texts.cast(pa.large_string()).to_pandas().astype(TEXT)
    return series


def in_one_piece(array: pa.ChunkedArray) -> pa.Array:
    """The same values in one array; chunked dictionaries have to be unified."""
    whole = array.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        return whole.chunk(0) if whole.num_chunks else pa.array([], array.type)
    return whole


def coded(texts: pd.Series[Any] | pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Positions (n,) in a list of words, -1 where missing, and that list."""
    if not len(texts):
        return np.zeros(0, dtype=np.int32), []
    column = texts if isinstance(texts, pa.ChunkedArray) else as_text(texts)
    if not pt.is_dictionary(column.type):
        column = pc.dictionary_encode(as_text(column))
    whole = in_one_piece(column)
    words = whole.dictionary.to_pylist()
    indices = whole.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int32()), -1)
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    if None in words:
        # A word that is missing may be in the list, and more than once.
        missing = np.array([word is None for word in words] + [True])
        codes = np.where(missing[codes], np.int32(-1), codes)
        words = [word or "" for word in words]
    return codes, words
