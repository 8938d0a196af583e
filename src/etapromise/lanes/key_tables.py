"""Which row of a table belongs to which key, for the compiled code."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etapromise import native
from etapromise.array_types import Ints


class KeysStruct(ctypes.Structure):
    """`etp_keys` of native/keys.h."""

    _fields_ = native.fields("p bytes start slot; l mask")


_build = native.function("etp_keys_build", "", "pl")
_rows = native.function("etp_keys_rows", "", "plspp")


class KeyTable:
    """A hash table of keys, numbered from 1 in their order. Immutable."""

    __slots__ = ("_alive", "struct")

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        """Number the keys; of equal ones the last counts."""
        joined, start = _joined(keys)
        slots = 1 << (2 * len(keys) + 1).bit_length()
        slot = np.zeros(slots, np.int32)
        self._alive = (joined, start, slot)
        self.struct = KeysStruct(
            bytes=ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p),
            start=start.ctypes.data,
            slot=slot.ctypes.data,
            mask=slots - 1,
        )
        _build(ctypes.addressof(self.struct), len(keys))

    def rows(self, keys: Sequence[str]) -> NDArray[np.int32]:
        """(n,) the numbers of many keys, 0 where there is no such key."""
        joined, start = _joined(keys)
        out = np.empty(len(keys), np.int32)
        _rows(ctypes.addressof(self.struct), len(keys), joined, start.ctypes.data, out.ctypes.data)
        return out


def _joined(keys: Sequence[str | bytes]) -> tuple[bytes, Ints]:
    """The keys one after another in UTF-8, and (n + 1,) where each starts."""
    encoded = [key if isinstance(key, bytes) else utf8(key) for key in keys]
    start = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=start[1:])
    return b"".join(encoded), start


def utf8(text: str) -> bytes:
    """A text as the compiled code compares it; half of a surrogate pair is a character like any."""
    return text.encode("utf-8", "surrogatepass")
