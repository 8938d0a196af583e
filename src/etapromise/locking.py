"""One writer at a time: a lock that the operating system lets go of when a process ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from etapromise.errors import CommandError
from etapromise.files import writing

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_SECONDS = 0.02

_PAUSE: Final = 0.2


@contextmanager
def only_writer(root: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Be the only one who changes a directory, which is made if it is not there.

    Args:
        wait: seconds to wait for whoever holds the lock.
    """
    until = time.monotonic() + wait
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        file = (root / ".lock").open("a+b")
    with file:
        while not (ours := _try_lock(file.fileno())) and time.monotonic() < until:
            time.sleep(_PAUSE)
        if not ours:
            raise CommandError(
                f"Found {root} locked by another process; expected to be the only one "
                "who changes it. Wait until that one is done."
            )
        yield


@contextmanager
def one_after_another(path: Path) -> Iterator[None]:
    """Wait until nobody else changes a file, and be the only one until the block ends.

    Raises:
        CommandError: Beside the file nothing can be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f".{path.name}.lock").open("a+b")
    with file:
        while not _try_lock(file.fileno()):
            time.sleep(_POLL_SECONDS)
        yield


def sync_directory(path: Path) -> None:
    """Have the disk know of the names in a directory."""
    if sys.platform == "win32":  # where a directory cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
