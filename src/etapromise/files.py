"""Writing files whole or not at all: a draft beside the file, put in its place at the end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from etapromise.errors import CommandError

if sys.platform != "win32":
    import fcntl

_DRAFT = ".draft"
_MOST_SETTINGS: Final = 2**24
# What a place says that takes no more, whatever is written.
_NO_ROOM: Final = frozenset(
    {errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}
)


def settings_text(path: str | Path) -> str:
    """What a file of settings says, UTF-8."""
    file = Path(path)
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "no plain file", str(file))
    with file.open("rb") as opened:
        content = opened.read(_MOST_SETTINGS + 1)
    if len(content) > _MOST_SETTINGS:
        raise OSError(errno.EFBIG, f"more than {_MOST_SETTINGS} bytes", str(file))
    return content.decode("utf-8")


@contextlib.contextmanager
def writing(path: Path, *, only_room: bool = False) -> Iterator[None]:
    """Name the place that a block could not write to, as its user knows it.

    Args:
        path: what is to be written.
        only_room: the block reads as well; only a lack of room is surely about `path`.
    """
    try:
        yield
    except OSError as error:
        if only_room and error.errno not in _NO_ROOM:
            raise
        raise CommandError(
            f"Found no way to write {path} ({error.strerror or error}); expected a place with room "
            "and permission. Give another, or make room; nothing half-written is left."
        ) from error


def require_writable(path: Path) -> None:
    """Raises: CommandError: `path` could not be written: no room for a name, or no permission."""
    with writing(path):
        _refuse_device(path)
        near = next(one for one in path.absolute().parents if one.exists())
        if path.is_dir():
            near = path
        elif path.exists():
            path.open("r+b").close()
        _clear_abandoned(near / path.name)
        draft = _draft_name(near / path.name)
        draft.mkdir()
        with contextlib.suppress(FileNotFoundError):  # cleared by another who looks
            draft.rmdir()


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write, which becomes `path` when the block ends well and is removed otherwise.

    Whoever reads `path` meanwhile, or after a kill, finds the file of before or the new one. What
    killed processes left of the same file is cleared away.
    """
    draft = _draft_name(path)
    with contextlib.ExitStack() as ending:
        with writing(path):
            _refuse_device(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear_abandoned(path)
            held = ending.enter_context(draft.open("xb"))
        ending.callback(draft.unlink, missing_ok=True)
        _hold(held.fileno())
        with writing(path, only_room=True):
            yield draft
        with writing(path):
            to_disk(draft)
            draft.replace(path)


@contextlib.contextmanager
def draft_directory(path: Path) -> Iterator[Path]:
    """A directory to fill, which the block itself puts at `path`; removed where it did not.

    What killed processes left of the same directory is cleared away.

    Raises:
        CommandError: the place cannot be written.
    """
    draft = _draft_name(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path)
        draft.mkdir()
    held = None if sys.platform == "win32" else os.open(draft, os.O_RDONLY)
    try:
        if held is not None:
            _hold(held)
        with writing(path, only_room=True):
            yield draft
    finally:
        if held is not None:
            os.close(held)
        shutil.rmtree(draft, ignore_errors=True)


def _refuse_device(path: Path) -> None:
    """A draft would take the place of what is no file: with enough rights, of /dev/null itself."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "no plain file", str(path))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, plain: Any) -> None:
    """Write plain values as indented JSON, whole or not at all."""
    write_text(path, json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def rejects_beside(out: Path) -> tuple[Path, Path]:
    """Where rejected shipments and scans go: into a directory, or beside a file."""
    if not out.suffix or out.is_dir():
        return out / "rejects.parquet", out / "scan_rejects.parquet"
    suffix = out.suffix if out.suffix in {".parquet", ".csv"} else ".parquet"
    return (
        out.with_name(f"{out.stem}.rejects{suffix}"),
        out.with_name(f"{out.stem}.scan_rejects{suffix}"),
    )


def _draft_name(path: Path) -> Path:
    # Absolute: what begins with a word and a colon, Arrow takes for an address.
    return path.absolute().parent / f".{path.name}.{secrets.token_hex(4)}{_DRAFT}"


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


def to_disk(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    # The name may reach the disk before the bytes do; a crash would leave an empty file.
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
