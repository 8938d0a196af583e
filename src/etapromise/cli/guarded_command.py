"""What every command keeps: its inputs, a clean end, and one line instead of a traceback."""

from __future__ import annotations

import glob
import inspect
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from etapromise.cli.arguments import ARGUMENTS, debugging, reported_errors
from etapromise.cli.tables import TABLE
from etapromise.errors import extra_needed
from etapromise.files import rejects_beside, require_writable

# As shells tell it: 128 and the signal's number.
_INTERRUPTED: Final = 130
_TERMINATED: Final = 143
_WRITTEN: Final = ("out", "state", "write_mapping")


class GuardedCommand(click.Command):
    """A command that never writes over what it reads, and ends with one line and a code.

    What its function says under "Example:" is shown below its options.
    """

    def __init__(self, *args: Any, help: str | None, **kwargs: Any) -> None:  # noqa: A002 — click's
        told, _, shown = inspect.cleandoc(help or "").partition("\nExample:\n")
        epilog = f"\b\nExample:\n{shown}" if shown else None
        super().__init__(*args, **kwargs | {"help": told, "epilog": epilog})
        self.params.append(
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, help="Show where an error came from."
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        if sys.stdout is None:
            raise click.ClickException("Found standard output closed; results are told there.")
        try:
            with reported_errors(), _terminated_as_an_exception(), extra_needed():
                _refuse_to_overwrite(self, ctx)
                for name in _WRITTEN:
                    if isinstance(place := ctx.params.get(name), Path):
                        require_writable(place)
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except KeyboardInterrupt:
            _end("interrupted; nothing half-written is left", _INTERRUPTED)
        except Exception as error:
            if debugging():
                raise
            _end(
                f"failed with {type(error).__name__}: {' '.join(str(error).split())}. That is a "
                "fault of etapromise; run it again with --debug to see where, and report it.",
                1,
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember the arguments: --debug counts before anything else goes wrong."""
        ctx.meta[ARGUMENTS] = tuple(args)
        for one in args:
            _refuse_no_text(one)
        try:
            return super().parse_args(ctx, args)
        except OSError as error:  # a name that is too long, a link to itself
            raise click.UsageError(f"{' '.join(str(error).split())}. Give another path.") from error


def _refuse_no_text(argument: str) -> None:
    """Refuse what no system hands to a program, but a program may hand to this one."""
    try:
        sound = b"\0" not in os.fsencode(argument)
    except UnicodeEncodeError:
        sound = False
    if not sound:
        raise click.UsageError(f"Found the argument {argument!r}; expected text without NUL.")


@contextmanager
def _terminated_as_an_exception() -> Iterator[None]:
    """SIGTERM ends the command as an error does, so that drafts are removed and locks let go."""

    def end(*_: object) -> NoReturn:
        _end("terminated; nothing half-written is left", _TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse_to_overwrite(command: click.Command, ctx: click.Context) -> None:
    out = ctx.params.get("out")
    places = (out, *rejects_beside(out)) if isinstance(out, Path) else ()
    outputs = [path for path in places if path.is_file()]
    if not outputs:
        return
    for param in command.params:
        reads = isinstance(param.type, click.Path) and param.type.exists
        if not (reads or param.type is TABLE) or param.name is None:
            continue
        for path in _files_of(ctx.params.get(param.name)):
            for out in outputs:
                if path.samefile(out):
                    raise click.UsageError(
                        f"--{param.name} and --out would be the same file: {out} is read, and "
                        "would be overwritten. Choose another name for --out."
                    )


def _files_of(given: Any) -> Iterator[Path]:
    """The files behind a path, a directory or a pattern, that are on this machine."""
    if given is None or (isinstance(given, str) and "://" in given):
        return
    found = [given] if isinstance(given, Path) else glob.glob(given, recursive=True)  # noqa: PTH207
    for path in map(Path, found):
        yield from (path.rglob("*") if path.is_dir() else [path] if path.exists() else [])


def _end(text: str, code: int) -> NoReturn:
    click.echo(f"etapromise: {text}", err=True)
    sys.exit(code)
