"""The compiled kernels: one small C library, called through ctypes.

To add a kernel: put `<kernel>.c` beside this file (`#include "etapromise.h"`, mark what Python
calls with `ETP_EXPORT`), rebuild with `python build_backend/compiler.py`, and ask for it in the
Python module that wraps it:

    _count = native.function("etp_count", "", "pl")
    _count(values.ctypes.data, len(values))

Types are letters here: p for a pointer, l for an int64_t, i for an int32_t, u for a uint32_t, d for
a double, s for a text that ends with a zero. Pointers are passed as plain integers, which is the
cheapest that ctypes offers. A call releases the GIL, so two Python threads run kernels on two
cores; nobody but the caller keeps the arrays alive and unchanged until it returns.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from etapromise.errors import EtapromiseError

_TYPES: dict[str, Any] = {
    "p": ctypes.c_void_p,
    "l": ctypes.c_int64,
    "i": ctypes.c_int32,
    "u": ctypes.c_uint32,
    "d": ctypes.c_double,
    "s": ctypes.c_char_p,
}

# What ctypes gives us for a C function; mypy knows it only as a private name.
NativeFunction = Any


class NativeLibraryError(EtapromiseError, ImportError):
    """The compiled library is missing, does not load or is older than the Python files."""


def library_path() -> str:
    """Where the compiled library has to be: beside this file."""
    # Without pathlib, whose import costs a checkout worker as much as all the rest of this module.
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return os.path.join(os.path.dirname(__file__), f"_etapromise{suffix}")  # noqa: PTH118, PTH120


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parts(
    count: int, work: Callable[[slice], Any], size: int = 16_384, threads: int | None = None
) -> list[Any]:
    """What `work` makes of each part of `count` rows, on all processors unless it is told."""
    parts = [slice(first, min(first + size, count)) for first in range(0, count, size)]
    if len(parts) <= 1 or threads == 1:
        return [work(part) for part in parts]
    # Its import costs a checkout worker more than this module.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 — start-up time

    with ThreadPoolExecutor(threads or processors()) as pool:
        return list(pool.map(work, parts))


def address(array: Any) -> int:
    """Where a contiguous array's values are: `array.ctypes.data`, a quarter of its time."""
    try:
        return ctypes.addressof(_Byte.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        # Nothing in it, or not to be written to.
        return int(array.ctypes.data)


_Byte = ctypes.c_char


def function(name: str, result: str, *arguments: Any) -> NativeFunction:
    """The kernel `name` with its C prototype: a letter or none for the result, letters or types."""
    library = _load(library_path())
    try:
        kernel = getattr(library, name)
    except AttributeError as error:
        raise NativeLibraryError(
            f"The compiled library {library_path()} has no function {name}: it is older than the "
            f"Python files. {_REMEDY}"
        ) from error
    kernel.restype = _TYPES[result] if result else None
    letters = (_typed(part) if isinstance(part, str) else [part] for part in arguments)
    kernel.argtypes = [kind for part in letters for kind in part]
    return kernel


def _typed(letters: str) -> list[Any]:
    return [_TYPES[letter] for letter in letters]


def fields(told: str) -> tuple[tuple[str, Any], ...]:
    """The fields of a C structure: runs such as "l rows columns; p value", a letter and names."""
    runs = (run.split() for run in told.split(";"))
    return tuple((name, _TYPES[letter]) for letter, *names in runs for name in names)


_REMEDY = (
    "Reinstall etapromise (`pip install --force-reinstall etapromise`, or `pip install -e .` in a "
    "source tree): the installation compiles it with the system's C compiler, or with ziglang from "
    "PyPI where there is none."
)


@functools.cache
def _load(path: str) -> ctypes.CDLL:
    if not os.path.exists(path):  # noqa: PTH110
        raise NativeLibraryError(f"The compiled library {path} is missing. {_REMEDY}")
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise NativeLibraryError(
            f"The compiled library {path} does not load on this machine: {error}. Expected one for "
            f"{sys.platform}. {_REMEDY}"
        ) from error
