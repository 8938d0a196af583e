"""What a saved model's arrays and values must be: one validator, once, when they are read.

Whoever keeps arrays in a model's file states beside them what they look like (`ArrayLayout`): type,
shape, bounds, order. An array that no layout names is refused, so a new part cannot forget to state
its own, and the compiled code only ever sees what has passed.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from etapromise.errors import ModelFileError

EARLIEST_DAY: Final = -25_567
"""1900-01-01, the earliest day that a model may speak of, as days since 1970-01-01."""
LATEST_DAY: Final = 73_049
"""2170-01-01, the latest."""

# Another processor's exp and log may differ in the last bits, and dates must not.
_GOLDEN_TOLERANCE: Final = 1e-9
_MOST_ARRAYS: Final = 512
_MAGIC: Final = b"\x93NUMPY\x01\x00"
# The header that numpy writes of plain types, and no other: nothing is evaluated.
_HEADER: Final = re.compile(
    rb"\{'descr': '([<>|][a-z]\d+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n"
)
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, KeyError, RuntimeError, NotImplementedError, OverflowError),
)
_REMEDY: Final = "Copy the model again from where it was trained, or train again."

Size = int | str


class Array:
    """What one array must be.

    Attributes:
        dtype: of its elements, exactly.
        shape: numbers, or names of sizes; a name's first use sets it, all others must agree.
        low: the least value, one for all or one for each of the last axis.
        high: the greatest, likewise.
        below: name of a size that every value is less than.
        order: "ascending" or "strictly" along the last axis; None where there is none.
        infinite: whether its numbers may be infinite; NaN is never stored.
    """

    __slots__ = ("below", "dtype", "high", "infinite", "low", "order", "shape")

    def __init__(
        self,
        dtype: str,
        *shape: Size,
        low: float | Sequence[float] | None = None,
        high: float | Sequence[float] | None = None,
        below: str | None = None,
        order: str | None = None,
        infinite: bool = False,
    ) -> None:
        """State it; floating-point numbers must be finite unless `infinite` says otherwise."""
        self.dtype, self.shape = np.dtype(dtype), shape
        self.low, self.high = low, high
        self.below, self.order, self.infinite = below, order, infinite


class ArrayLayout:
    """The arrays of one part, by name."""

    __slots__ = ("arrays",)

    def __init__(self, **arrays: Array) -> None:
        """State them; an attribute's name is the array's."""
        self.arrays = arrays


class ArrayRecord:
    """A record that is stored as the arrays that its layout names."""

    __slots__ = ()
    LAYOUT: ClassVar[ArrayLayout]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """They by name; `StoredPart.read` gives them back."""
        return {name: np.asarray(getattr(self, name)) for name in self.LAYOUT.arrays}


class StoredArrays:
    """The arrays of one file. Each must be read by a layout."""

    def __init__(self, file: str, content: bytes) -> None:
        """Take a file of arrays apart.

        Args:
            content: the bytes that were checked; what is read is a view of parts of them.
        """
        self.file = file
        self._arrays: dict[str, NDArray[Any]] = {}
        self._unread: set[str] = set()
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as opened:
                for info in self._listed(opened, len(content)):
                    name = info.filename.removesuffix(".npy")
                    self._arrays[name] = self._array(name, _entry(content, info))
        except _DAMAGED as error:
            raise ModelFileError(
                f"Found {file} unreadable as a file of arrays ({error}). {_REMEDY}"
            ) from error
        self._unread = set(self._arrays)

    def _listed(self, opened: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
        infos = opened.infolist()
        names = {info.filename for info in infos}
        if len(infos) > _MOST_ARRAYS or len(names) != len(infos):
            self._refuse(
                f"{len(infos)} entries of {len(names)} names", f"{_MOST_ARRAYS} at most, each once"
            )
        # Stored as they are: so no small file takes much memory.
        packed = [info.filename for info in infos if info.compress_type != zipfile.ZIP_STORED]
        if packed or sum(info.file_size for info in infos) > size:
            self._refuse("compressed or overlapping arrays", "arrays that are stored as they are")
        return infos

    def _array(self, name: str, content: bytes) -> NDArray[Any]:
        length = int.from_bytes(content[8:10], "little")
        header = _HEADER.fullmatch(content[10 : 10 + length])
        if not content.startswith(_MAGIC) or header is None:
            self._refuse(
                f"the array {name} with another header", "a plain array in rows, no objects"
            )
        dtype = np.dtype(header[1].decode())
        shape = tuple(int(size) for size in header[2].decode().split(",") if size.strip())
        count = 1
        for size in shape:
            count *= size
        if count * dtype.itemsize != len(content) - 10 - length:
            self._refuse(
                f"the array {name} of {len(content) - 10 - length} bytes",
                f"{count} elements of {dtype.itemsize} bytes",
            )
        array = np.frombuffer(content, dtype, count, 10 + length).reshape(shape)
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))

    def part(self, name: str) -> StoredPart:
        """The arrays whose names begin with `name` and a point."""
        return StoredPart(self, f"{name}." if name else "")

    def require_all_read(self) -> None:
        """Refuse arrays that nobody read."""
        if self._unread:
            self._refuse(
                f"the array {min(self._unread)}", "only arrays that this version has a layout of"
            )

    def take(self, name: str) -> NDArray[Any] | None:
        """An array that is read; None where there is none of that name."""
        self._unread.discard(name)
        return self._arrays.get(name)

    def names(self, prefix: str) -> list[str]:
        """The names with a prefix."""
        return [name for name in self._arrays if name.startswith(prefix)]

    def _refuse(self, found: str, expected: str) -> NoReturn:
        raise ModelFileError(f"Found {found} in {self.file}; expected {expected}. {_REMEDY}")


class StoredPart:
    """The arrays of one part of a file."""

    __slots__ = ("_all", "_prefix")

    def __init__(self, stored: StoredArrays, prefix: str) -> None:
        """Look at the arrays whose names begin with `prefix`."""
        self._all, self._prefix = stored, prefix

    def __bool__(self) -> bool:
        return bool(self._all.names(self._prefix))

    def part(self, name: str) -> StoredPart:
        """A part of this part."""
        return StoredPart(self._all, f"{self._prefix}{name}.")

    def read(self, layout: ArrayLayout, **sizes: int) -> dict[str, NDArray[Any]]:
        """The arrays of a layout, each as it says.

        Args:
            layout: of the part.
            **sizes: those that are known already, by their names in the layout.
        """
        found = {}
        for name, array in layout.arrays.items():
            stored = self._all.take(f"{self._prefix}{name}")
            if stored is None:
                self.refuse(name, "no such array", "one")
            self._check(name, array, stored, sizes)
            found[name] = stored
        return found

    def texts(self, name: str) -> list[Any]:
        """What `array_of_texts` made: lists of lists of texts, or of texts."""
        stored = self.read(ArrayLayout(**{name: Array("uint8", "bytes")}))[name]
        found = json_of(f"{self._prefix}{name} in {self._all.file}", stored.tobytes())
        if not isinstance(found, list):
            self.refuse(name, f"a {type(found).__name__}", "a list of texts")
        return found

    def refuse(self, name: str, found: object, expected: object) -> NoReturn:
        """Say of an array of this part what was found and what was expected."""
        raise ModelFileError(
            f"Found {found} at {self._prefix}{name} in {self._all.file}; expected {expected}. "
            f"{_REMEDY}"
        )

    def _check(self, name: str, spec: Array, stored: NDArray[Any], sizes: dict[str, int]) -> None:
        if stored.dtype != spec.dtype or stored.ndim != len(spec.shape):
            self.refuse(
                name,
                f"{stored.dtype} of shape {stored.shape}",
                f"{spec.dtype} of shape ({', '.join(map(str, spec.shape))})",
            )
        for given, size in zip(stored.shape, spec.shape, strict=True):
            expected = size if isinstance(size, int) else sizes.setdefault(size, given)
            if given != expected:
                self.refuse(name, f"shape {stored.shape}", f"{expected} ({size}) of them")
        if stored.size:
            self._check_values(name, spec, stored, sizes)

    def _check_values(
        self, name: str, spec: Array, stored: NDArray[Any], sizes: Mapping[str, int]
    ) -> None:
        # Minimum and maximum of an array with NaN are NaN: one pass says whether all are finite.
        axis = (
            None
            if np.isscalar(spec.low or 0) and np.isscalar(spec.high or 0)
            else tuple(range(stored.ndim - 1))
        )
        least, most = stored.min(axis=axis), stored.max(axis=axis)
        strange = np.isnan if spec.infinite else _not_finite
        if stored.dtype.kind == "f" and (strange(least) | strange(most)).any():
            self.refuse(name, "a number that is not finite", "finite numbers")
        if spec.low is not None and np.any(least < spec.low):
            self.refuse(name, f"{np.min(least)!s}", f"{spec.low} at least")
        high = sizes[spec.below] - 1 if spec.below is not None else spec.high
        if high is not None and np.any(most > high):
            self.refuse(name, f"{np.max(most)!s}", f"{high} at most")
        if spec.order is not None:
            before, after = stored[..., :-1], stored[..., 1:]
            if not (after > before if spec.order == "strictly" else after >= before).all():
                self.refuse(name, "values out of order", f"values that rise ({spec.order})")


class StoredValues:
    """Plain values of a JSON file, each asked for with what it must be."""

    __slots__ = ("_place", "plain")

    def __init__(self, place: str, values: Any) -> None:
        """Look at a JSON object; `place` says where, for messages."""
        self._place = place
        if not isinstance(values, dict):
            raise ModelFileError(
                f"Found {_shown(values)} for {place}; expected an object of names and values. "
                f"{_REMEDY}"
            )
        self.plain: dict[str, Any] = values

    def part(self, name: str) -> StoredValues:
        """An object within."""
        return StoredValues(f"{name} of {self._place}", self._of(name))

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._of(name)
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, value, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._of(name)
        if type(value) not in {int, float} or not low <= value <= high:
            self.refuse(name, value, f"a number from {low} to {high}")
        return float(value)

    def numbers(self, name: str, count: int, low: float, high: float) -> tuple[float, ...]:
        """So many numbers from `low` to `high`."""
        found = self._of(name)
        fits = isinstance(found, list) and len(found) == count
        if not fits or not all(
            type(value) in {int, float} and low <= value <= high for value in found
        ):
            self.refuse(name, found, f"{count} numbers from {low} to {high}")
        return tuple(map(float, found))

    def text(self, name: str, among: Sequence[str] | None = None) -> str:
        """A text; one of a few where they are given."""
        value = self._of(name)
        if not isinstance(value, str) or not (among is None or value in among):
            self.refuse(name, value, "a text" if among is None else f"one of {', '.join(among)}")
        return value

    def texts(self, name: str, most: int | None = None) -> tuple[str, ...]:
        """Different texts, no more than `most`."""
        return different_texts(f"{name} of {self._place}", self._of(name), most)

    def refuse(self, name: str, found: object, expected: str) -> NoReturn:
        """Say of a value what was found and what was expected."""
        raise ModelFileError(
            f"Found {_shown(found)} for {name} of {self._place}; expected {expected}. {_REMEDY}"
        )

    def _of(self, name: str) -> Any:
        if name not in self.plain:
            raise ModelFileError(f"Found no {name} in {self._place}; expected one. {_REMEDY}")
        return self.plain[name]


def _entry(content: bytes, info: zipfile.ZipInfo) -> bytes:
    """What is stored of an entry, by its checksum, without the zip reader's copies."""
    head = info.header_offset
    name, extra = struct.unpack_from("<HH", content, head + 26)
    start = head + 30 + name + extra
    entry = content[start : start + info.file_size]
    if zlib.crc32(entry) != info.CRC:
        raise zipfile.BadZipFile(f"{info.filename} is not what its checksum says")
    return entry


def different_texts(place: str, values: Any, most: int | None = None) -> tuple[str, ...]:
    """A list of texts that are all different."""
    if (
        not isinstance(values, list)
        or not all(isinstance(value, str) for value in values)
        or len(set(values)) != len(values)
        or (most is not None and len(values) > most)
    ):
        raise ModelFileError(
            f"Found {_shown(values)} for {place}; expected a list of different texts"
            + ("" if most is None else f", {most} at most")
            + f". {_REMEDY}"
        )
    return tuple(values)


def array_of_texts(texts: Sequence[Any]) -> NDArray[np.uint8]:
    """Texts, or lists of them, as an array of bytes; JSON tells apart whatever they contain."""
    return np.frombuffer(json.dumps(texts).encode(), np.uint8)


def require_golden(found: NDArray[Any], golden: NDArray[Any], what: str) -> None:
    """Refuse a model that says something else of golden requests than when it was saved."""
    # NaN is unlike anything, so it is refused too.
    if not np.allclose(found, golden, rtol=0, atol=_GOLDEN_TOLERANCE):
        raise ModelFileError(
            f"Found other {what} than when the model was saved; expected the same to "
            f"{_GOLDEN_TOLERANCE}. It was written by another version or for another processor: "
            "train again."
        )


# As JSON escapes the characters that it has to write in two parts.
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")


def json_of(place: str, content: bytes) -> Any:
    """What JSON says, without NaN, infinity and half characters."""

    def refused(name: str) -> NoReturn:
        message = f"the number {name}"
        raise ValueError(message)

    try:
        text = content.decode()
        found = json.loads(text, parse_constant=refused)
        if _HALF_CHARACTER.search(text):
            # Halves that belong together are fine. Others are no text that Arrow would take.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"Found {place} unreadable as JSON ({error}). {_REMEDY}") from error
    return found


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _not_finite(values: Any) -> Any:
    return ~np.isfinite(values)
