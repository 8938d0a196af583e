"""Tables kept beside a store, each with what it was made from: they may be deleted at any time.

A file is a mark, a format, a checksum, and the table as Arrow streams it. Numbers of orders lie in
a folder that is named by all that they hang on beside their tables.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from etapromise.encoding.pickup_days import PICKUP_LEVELS
from etapromise.encoding.requests import NUMBERS, Encoder
from etapromise.errors import CommandError
from etapromise.files import whole_file
from etapromise.history.delivery_hours import HOUR_LEVELS
from etapromise.history.learned_calendars import CALENDAR_LEVELS
from etapromise.lanes.levels import JOURNEY

_NUMBERS_FORMAT: Final = 2
ASKED_LEVELS: Final = (JOURNEY, *CALENDAR_LEVELS, *PICKUP_LEVELS)
"""Levels that are asked for beside those of the encoder."""


def numbers_name(encoder: Encoder, event: str) -> str:
    """What numbers hang on beside their week's tables, as a short name."""
    clocks, hand_offs = encoder.clocks, encoder.hand_offs
    words = {
        "format": _NUMBERS_FORMAT,
        "numbers": NUMBERS,
        "levels": [level.columns for level in (*encoder.levels, *ASKED_LEVELS, *HOUR_LEVELS)],
        "event": event,
        "numeric": encoder.numeric,
        "categorical": encoder.categorical,
        "zones": encoder.zones.as_dict(),
        "first_day": clocks.first_day,
        "services": clocks.services,
        "calendars": clocks.calendars,
        "dispatch": encoder.dispatch.keys,
        "disruptions": [one.as_dict() for one in encoder.declared],
        "takers": None if hand_offs is None else hand_offs.carriers,
    }
    digest = hashlib.blake2b(json.dumps(words, default=str).encode(), digest_size=8)
    arrays: dict[str, NDArray[Any]] = {"elapsed": clocks.elapsed, "holidays": clocks.holidays}
    arrays |= dict(encoder.dispatch.calendars.to_arrays())
    if hand_offs is not None:
        arrays |= hand_offs.to_arrays()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


_log = logging.getLogger("etapromise.store")

_FORMAT: Final = 3
# Models that a store keeps numbers for; a retrained one has others than before.
_MOST_MODELS: Final = 4
_ABOUT: Final = b"etapromise"
# Mark, format, CRC-32 of the rest; as long as Arrow wants what follows to be aligned.
_HEADER: Final = struct.Struct("<16sII40x")
_MARK: Final = b"etapromise kept\n"


def read_kept(path: Path) -> pa.Table | None:
    """A table that `write_kept` wrote; None where there is none, or a damaged or older one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None  # it is made again
    rest = memoryview(content)[_HEADER.size :]
    mark, version, checksum = _HEADER.unpack(content[: _HEADER.size].ljust(_HEADER.size))
    if mark == _MARK and version != _FORMAT:
        _log.info("%s is of format %d, not %d, and is made again", path, version, _FORMAT)
        return None
    if mark == _MARK and zlib.crc32(rest) == checksum:
        return pa.ipc.open_stream(pa.py_buffer(rest)).read_all()
    warnings.warn(
        f"{path} is damaged and is made again, which takes longer: found {len(content)} bytes "
        "that are not those that were written",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def write_kept(
    path: Path | None, table: pa.Table, files: Sequence[str], about: dict[str, Any]
) -> pa.Table:
    """Write a table, plain and whole, with what it was made from; where it cannot be, go on.

    Args:
        path: None: nowhere.
        files: the store's files that it was made from.
        about: what else is told beside it.
    """
    about = about | {"files": list(files)}
    table = table.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
    if path is None:
        return table
    rest = pa.BufferOutputStream()
    with pa.ipc.new_stream(rest, table.schema) as writer:
        writer.write_table(table)
    content = rest.getvalue()
    try:
        with whole_file(path) as draft, draft.open("wb") as file:
            file.write(_HEADER.pack(_MARK, _FORMAT, zlib.crc32(content)))
            file.write(content)
    except CommandError:
        pass  # a store that may only be read, or a full disk: it is made again the next time
    return table


def about_kept(table: pa.Table) -> dict[str, Any]:
    """What was told beside a table that is kept."""
    return dict(json.loads(table.schema.metadata[_ABOUT]))


def array_table(arrays: Mapping[str, Any]) -> pa.Table:
    """Arrays and lists of texts of any lengths as a table of one row."""
    columns = {}
    for name, values in arrays.items():
        flat = pa.array(values, None if isinstance(values, np.ndarray) else pa.large_string())
        columns[name] = pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat)
    return pa.table(columns)


def arrays_of_table(table: pa.Table) -> dict[str, Any]:
    """What `array_table` was given."""
    found: dict[str, Any] = {}
    for name in table.column_names:
        values = table[name].chunk(0).flatten()
        texts = pa.types.is_large_string(values.type)
        found[name] = values.to_pylist() if texts else values.to_numpy(zero_copy_only=False)
    return found


def forget_others(folder: Path, made_for: str) -> None:
    """Let go of the numbers of models that have not been refreshed for longest."""
    if not folder.is_dir():
        return
    others = [path for path in folder.iterdir() if path.name != made_for]
    for path in sorted(others, key=lambda one: one.stat().st_mtime)[: -_MOST_MODELS + 1 or None]:
        shutil.rmtree(path, ignore_errors=True)
