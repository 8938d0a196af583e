"""Writing files whole or not at all: a draft beside the file, put in its place at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

__all__ = ["whole_file", "write_text"]


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write, which becomes `path` when the block ends well and is removed otherwise.

    Whoever reads `path` meanwhile, or after a kill, finds the file of before or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    try:
        yield draft
        _to_disk(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _to_disk(path: Path) -> None:
    # The name may reach the disk before the bytes do; a crash would leave an empty file.
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
