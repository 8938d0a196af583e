"""The tables that commands read: where they come from, what is told of them, where rejects go."""

from __future__ import annotations

import functools
import glob
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from etapromise.cli.arguments import INPUT_FILE, STORE, Command, say
from etapromise.files import rejects_beside, write_json

if TYPE_CHECKING:
    from etapromise.tracking import TrackedHistory
    from etapromise.tracking.accounts import Account

    _OfAny: TypeAlias = click.ParamType[Any]
else:  # which click has as a generic type since 8.4 only
    _OfAny = click.ParamType

Place: TypeAlias = "Path | str"


class _TableType(_OfAny):
    """A file, a directory, a pattern with * or an address such as s3://bucket/scans."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        text = str(value)
        if "://" in text:
            return text
        if Path(text).exists():
            return Path(text)
        if not glob.glob(text, recursive=True):  # noqa: PTH207 (absolute patterns too)
            self.fail(f"Path {text!r} does not exist.", param, ctx)
        return text


TABLE = _TableType()


@dataclass(frozen=True, kw_only=True)
class TableArguments:
    """What the options say of the tables.

    Attributes:
        shipments: Where they are; None leaves it to the mapping.
        scans: Likewise.
        vocabulary: Whose codes scans carry that do not say.
        time_zone: IANA zone of times that carry none.
        mapping: The mapping file.
        store: Instead of all these, what `etapromise ingest` keeps.
    """

    shipments: Place | None
    scans: Place | None
    vocabulary: str | None
    time_zone: str | None
    mapping: Path | None
    store: Path | None = None

    def read(
        self,
        event: str,
        out: Path | None,
        *,
        max_rejects: float | None = None,
        told: RepeatedNotes | None = None,
    ) -> TrackedHistory:
        """Read both, tell what became of every row, and write the rejects.

        Args:
            out: What the command writes, a directory or a file; the rejects go into or beside it.
                None writes none.
            told: What the run before told, not to be told again; None tells all.
        """
        from etapromise.operations.feed_checks import (  # noqa: PLC0415 — start-up time
            clocks_marked_as_utc,
            doubtful_clocks,
            marked_as_utc_text,
        )
        from etapromise.store.stored_history import stored_history  # noqa: PLC0415 — start-up time
        from etapromise.tracking import history  # noqa: PLC0415 — start-up time
        from etapromise.tracking.accounts import refuse_too_many  # noqa: PLC0415 — start-up time

        if self.store is not None:
            kept = stored_history(self.store, event=event)  # type: ignore[arg-type]  # likewise
            say(f"{self.store}: {kept.parcels:,} shipments, commit {kept.commit.number}")
            return kept
        found = history(
            self.shipments,
            self.scans,
            event=event,  # type: ignore[arg-type]  # click has checked it
            vocabulary=self.vocabulary,
            naive_time_zone=self.time_zone,
            mapping=self.mapping,
        )
        paths = (None, None) if out is None else rejects_beside(out)
        for account, path in zip(found.accounts, paths, strict=True):
            tell_account(account, path, told)
        marked = clocks_marked_as_utc(found)
        for text in (*map(marked_as_utc_text, marked), *doubtful_clocks(found, marked)):
            say(f"scans: {text}")
        if max_rejects is not None:
            refuse_too_many(found.accounts, max_rejects)
        return found


class RepeatedNotes:
    """Notes that the run before told too: a command of every night tells each once.

    All that were found stand in the file `notes.json` of the directory. One is told again where it
    concerns half as many rows again, as a share of its table, or more.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "notes.json"
        self._found: dict[str, dict[str, Any]] = {}
        self._as_before = 0
        try:
            self._before = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._before = {}

    def tell(self, text: str, *, key: str | None = None, share: float = 0.0) -> None:
        """Say it, unless it was said before.

        Args:
            key: What makes it the same as one of before; None is the sentence itself.
            share: Of the table's rows, how many it concerns.
        """
        key = text if key is None else key
        self._found[key] = {"text": text, "share": share}
        before = self._before.get(key)
        if before is not None and share < 1.5 * before["share"] + 1e-9:
            # The share that was told stays the measure, so that a slow growth is told too.
            self._found[key]["share"] = before["share"]
            self._as_before += 1
        else:
            say(text)

    def keep(self) -> None:
        """Write what was found, and say how much of it was told before."""
        if self._found or self._before:
            write_json(self._path, self._found)
        if count := self._as_before:
            say(f"{count} {'note is' if count == 1 else 'notes are'} as before: {self._path}")


def tell_account(
    account: Account, path: Path | None = None, told: RepeatedNotes | None = None
) -> None:
    """Tell what became of a table's rows, and write its rejects.

    Args:
        path: Where the rejects go; None where they are written already.
    """
    from etapromise.tracking.table_writer import write_table  # noqa: PLC0415 — start-up time

    total, *_ = account.lines
    say(total)
    rows = account.accepted + len(account.rejects)
    for note in account.notes:
        text = f"{account.table}: {note}"
        if told is None:
            say(text)
        else:
            key = f"{account.table} {note.column} {note.reason}"
            told.tell(text, key=key, share=note.rows / max(rows, 1))
    if path is None:
        return
    if len(account.rejects):
        write_table(account.rejects, path)
        say(
            f"{account.table}: the rejected rows, with reasons and remedies, are in {path} until "
            "the next run"
        )
    else:
        # What an earlier run rejected is not of this one.
        path.unlink(missing_ok=True)


def _gathered(*, scans_needed: bool) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_tables(**given: Any) -> Any:
            tables = TableArguments(**{name: given.pop(name) for name in _OF_TABLES})
            shipments, scans, mapping = tables.shipments, tables.scans, tables.mapping
            if tables.store is not None and (shipments, scans, mapping) != (None, None, None):
                raise click.UsageError("--store goes without --shipments, --scans and --mapping.")
            if mapping is None and tables.store is None:
                for name, place in (("--shipments", shipments), ("--scans", scans)):
                    if place is None and (scans_needed or name == "--shipments"):
                        raise click.UsageError(
                            f"Missing option '{name}', or --mapping or --store for it."
                        )
            return command(tables=tables, **given)

        return _with_options(with_tables, *_PLACES, _STORE, *_READING)  # type: ignore[return-value]

    return add


def _with_options(command: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def ingested_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same but for the store, each as an argument of its own."""
    return _with_options(command, *_PLACES, *_READING)


_PLACES = (
    click.option(
        "--shipments", type=TABLE, help="The orders: a file, directory, pattern or address."
    ),
    click.option("--scans", type=TABLE, help="Their scans, likewise."),
)
_STORE = click.option(
    "--store", type=STORE, help="Instead of both: what `etapromise ingest` keeps."
)
_READING = (
    click.option("--mapping", type=INPUT_FILE, help="Which columns are which; see `check`. TOML."),
    click.option("--vocabulary", help="Whose status codes the scans carry, if no column says so."),
    click.option("--time-zone", help="IANA zone of times that carry none; without it, an error."),
)
_OF_TABLES: Final = tuple(each.name for each in fields(TableArguments))
history_options = _gathered(scans_needed=True)
order_options = _gathered(scans_needed=False)
max_rejects_option = click.option(
    "--max-rejects",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Stop where a larger share of a table is rejected.",
)
