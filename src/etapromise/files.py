"""Writing files whole or not at all: a draft beside the file, put in its place at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["draft_directory", "whole_file", "write_text"]

_DRAFT = ".draft"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write, which becomes `path` when the block ends well and is removed otherwise.

    Whoever reads `path` meanwhile, or after a kill, finds the file of before or the new one. What
    killed processes left of the same file is cleared away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    draft = _draft_name(path)
    with draft.open("xb") as held:
        _hold(held.fileno())
        try:
            yield draft
            _to_disk(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def draft_directory(path: Path) -> Iterator[Path]:
    """A directory to fill, which the block itself puts at `path`; removed where it did not.

    What killed processes left of the same directory is cleared away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    draft = _draft_name(path)
    draft.mkdir()
    held = None if sys.platform == "win32" else os.open(draft, os.O_RDONLY)
    try:
        if held is not None:
            _hold(held)
        yield draft
    finally:
        if held is not None:
            os.close(held)
        shutil.rmtree(draft, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _draft_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{_DRAFT}")


def _clear_abandoned(path: Path) -> None:
    """Remove drafts of `path` whose writers are dead: nobody holds them any more."""
    if sys.platform == "win32":
        return
    start = f".{path.name}."
    for draft in path.parent.iterdir():
        middle = draft.name.removeprefix(start).removesuffix(_DRAFT)
        if draft.name != f"{start}{middle}{_DRAFT}" or len(middle) != 8:
            continue
        with contextlib.suppress(OSError):
            handle = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if draft.is_dir():
                    shutil.rmtree(draft, ignore_errors=True)
                else:
                    draft.unlink(missing_ok=True)
            finally:
                os.close(handle)


def _hold(handle: int) -> None:
    """Let other processes see that a draft is being written; the system lets go at the end."""
    if sys.platform != "win32":
        # Some network drives know no locks: there drafts of killed processes stay, or are cleared.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _to_disk(path: Path) -> None:
    # The name may reach the disk before the bytes do; a crash would leave an empty file.
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
