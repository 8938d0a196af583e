"""Tables kept beside a store, each with what it was made from: they may be deleted at any time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from etapromise.errors import CommandError
from etapromise.files import whole_file

__all__ = ["about_kept", "forget_others", "read_kept", "write_kept"]

_FORMAT: Final = 2
# Models that a store keeps numbers for; a retrained one has others than before.
_MOST_MODELS: Final = 4
_ABOUT: Final = b"etapromise"


def read_kept(path: Path) -> pa.Table | None:
    """A table that `write_kept` wrote; None where there is none, or a damaged or older one."""
    try:
        table = pa.ipc.open_file(path.read_bytes()).read_all()
    except (OSError, pa.ArrowException):
        return None  # it is made again
    about = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
    return table if about.get("format") == _FORMAT else None


def write_kept(
    path: Path | None, table: pa.Table, files: Sequence[str], about: dict[str, Any]
) -> pa.Table:
    """Write a table, plain and whole, with what it was made from; where it cannot be, go on.

    Args:
        path: None: nowhere.
        files: the store's files that it was made from.
        about: what else is told beside it.
    """
    about = about | {"format": _FORMAT, "files": list(files)}
    table = table.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
    if path is None:
        return table
    try:
        with (
            whole_file(path) as draft,
            pa.OSFile(str(draft), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)
    except CommandError:
        pass  # a store that may only be read, or a full disk: it is made again the next time
    return table


def about_kept(table: pa.Table) -> dict[str, Any]:
    """What was told beside a table that is kept."""
    return dict(json.loads(table.schema.metadata[_ABOUT]))


def forget_others(folder: Path, made_for: str) -> None:
    """Let go of the numbers of models that have not been refreshed for longest."""
    if not folder.is_dir():
        return
    others = [path for path in folder.iterdir() if path.name != made_for]
    for path in sorted(others, key=lambda one: one.stat().st_mtime)[: -_MOST_MODELS + 1 or None]:
        shutil.rmtree(path, ignore_errors=True)
