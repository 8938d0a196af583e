"""Where events are kept between runs, so that each is told once, whenever a run is killed.

Layout of a directory:

    00000007/events.parquet   what the seventh run found, if it found anything
    00000007/memory.parquet   what it remembers of each parcel; the latest run's only
    00000007/published        it has been handed over
    .lock                     held by whoever runs

A run is written beside its place and renamed into it: it is there as a whole or not at all. Only
then is it handed over to the file that others read, and marked. A run that was killed in between is
handed over by the next one: events that the file has already are not written again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas as pd

from etapromise.errors import CommandError
from etapromise.files import to_disk
from etapromise.locking import one_after_another, only_writer, sync_directory
from etapromise.operations.events.detection import EVENT_TYPES, no_events, no_memory
from etapromise.tracking.table_writer import write_table

_EVENTS: Final = "events.parquet"
_MEMORY: Final = "memory.parquet"
_FACTS: Final = "run.json"
_PUBLISHED: Final = "published"
_DRAFT: Final = ".draft"
_DATES: Final = ("original_date", "standing_date", "new_date", "current_date", "candidate_date")


class EventLog:
    """The events that were found so far, and what is remembered of the parcels."""

    def __init__(self, root: str | Path) -> None:
        """Open a directory; it is made when something is written."""
        self.root = Path(root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one who runs; what a killed run left half-written is cleared away."""
        with only_writer(self.root):
            shutil.rmtree(self.root / _DRAFT, ignore_errors=True)
            yield

    def memory(self) -> pd.DataFrame:
        """What the latest run remembers, see `no_memory` for the columns."""
        runs = self._runs()
        if not runs:
            return no_memory()
        kinds = no_memory().dtypes.to_dict()
        return _read(runs[-1] / _MEMORY, {str(name): kind for name, kind in kinds.items()})

    def as_of(self) -> pd.Timestamp | None:
        """The latest run's moment; None before the first."""
        runs = self._runs()
        if not runs:
            return None
        return pd.Timestamp(json.loads((runs[-1] / _FACTS).read_text(encoding="utf-8"))["as_of"])

    def events(self) -> pd.DataFrame:
        """All events of all runs, in the order in which they were found."""
        found = [_read(run / _EVENTS, EVENT_TYPES) for run in self._runs() if _has_events(run)]
        return pd.concat(found, ignore_index=True) if found else no_events()

    def commit(self, events: pd.DataFrame, memory: pd.DataFrame, as_of: pd.Timestamp) -> None:
        """Keep what a run found and what it remembers, both or neither."""
        runs = self._runs()
        number = int(runs[-1].name) + 1 if runs else 1
        draft = self.root / _DRAFT
        draft.mkdir(parents=True)
        write_table(memory, draft / _MEMORY)
        if len(events):
            write_table(events, draft / _EVENTS)
        facts = {"as_of": as_of.isoformat(), "events": len(events)}
        (draft / _FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
        for path in draft.iterdir():
            to_disk(path)
        draft.replace(self.root / f"{number:08d}")
        sync_directory(self.root)

    def publish(self, out: Path | None) -> int:
        """Hand over the events of runs that have not been; gives back how many were written."""
        waiting = [run for run in self._runs() if not (run / _PUBLISHED).exists()]
        written = 0
        for run in waiting:
            if _has_events(run) and out is not None:
                # Another directory's run may add to the same file: each event is told once.
                with one_after_another(out):
                    written += append_events(_read(run / _EVENTS, EVENT_TYPES), out)
            (run / _PUBLISHED).touch()
        # What no later run asks for: old memories, and runs that found nothing.
        for run in self._runs()[:-1]:
            if _has_events(run):
                (run / _MEMORY).unlink(missing_ok=True)
            else:
                shutil.rmtree(run)
        return written

    def _runs(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if re.fullmatch(r"\d{8}", path.name))


def append_events(events: pd.DataFrame, out: Path) -> int:
    """Add to a file those events that it has not; gives back how many."""
    if out.suffix not in {".jsonl", ".parquet"}:
        raise CommandError(
            f"Found the name {out.name!r} for events; expected it to end in .jsonl or .parquet."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        before = _read(out, EVENT_TYPES) if out.exists() else no_events()
        fresh = events[~events["event_id"].isin(before["event_id"])]
        if len(fresh):
            write_table(
                pd.concat([before, fresh], ignore_index=True) if len(before) else fresh, out
            )
        return len(fresh)
    told = _told_lines(out)
    fresh = events[~events["event_id"].isin(told)]
    if len(fresh):
        rows = ({k: _plain(value) for k, value in row.items()} for row in fresh.to_dict("records"))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with out.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
    return len(fresh)


def _plain(value: Any) -> Any:
    """A value of an event, times and dates in ISO 8601, None for what is missing."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value.tzinfo is None else value.isoformat()
    return value


def _told_lines(out: Path) -> set[str]:
    """Ids in a file of JSON lines; a last line that was cut short is cut off."""
    if not out.exists():
        return set()
    content = out.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with out.open("r+b") as file:
            file.truncate(len(whole))
    try:
        return {json.loads(line)["event_id"] for line in whole.splitlines()}
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"Found {out} with a line that is no event ({error!r}); expected JSON lines that "
            "etapromise wrote. Choose another file."
        ) from error


def _has_events(run: Path) -> bool:
    return (run / _EVENTS).exists()


def _read(path: Path, kinds: dict[str, Any]) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
        return pd.DataFrame({name: _typed(name, table[name], kinds[name]) for name in kinds})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"Found {path} unreadable ({error}); expected the table that etapromise wrote. "
            "Restore it, or begin with another directory."
        ) from error


def _typed(name: str, column: pd.Series[Any], kind: Any) -> pd.Series[Any]:
    """Dates and times as they were before they were written."""
    if name in _DATES:
        column = pd.to_datetime(column)
    elif str(kind).endswith("UTC]"):
        column = pd.to_datetime(column, utc=True)
    return column.astype(kind)
