"""What the commands share: kinds of arguments, errors, progress, and reading a history."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from etapromise.errors import EtapromiseError
from etapromise.files import settings_text
from etapromise.promise.signatures import SIGN_KEY

# In a log, where no bar can move.
_SECONDS_BETWEEN_LINES: Final = 15.0

Command = TypeVar("Command", bound=Callable[..., Any])


def moment(text: str) -> datetime:
    """A moment in ISO 8601; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no moment; expected one such as 2018-02-01T09:30+01:00."
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def zoned_moment(text: str) -> datetime:
    """A moment in ISO 8601 with its offset: which day it is depends on that."""
    found = moment(text)
    if datetime.fromisoformat(text).tzinfo is None:
        raise click.BadParameter(
            f"{text!r} has no time zone; expected an offset, such as 2018-02-01T09:30+01:00."
        )
    return found


class ProbabilityType(click.FloatRange):
    """A probability strictly between 0 and 1."""

    name = "level"

    def __init__(self) -> None:
        super().__init__(min=0, max=1, min_open=True, max_open=True)


INPUT_FILE = click.Path(exists=True, path_type=Path)
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
OUTPUT_DIRECTORY = click.Path(file_okay=False, path_type=Path)
STORE = click.Path(exists=True, file_okay=False, path_type=Path)
MODEL = click.Path(exists=True, file_okay=False, path_type=Path)
EVENT = click.Choice(["delivered", "first_attempt", "available_for_pickup"])


as_of_option = click.option(
    "--as-of", type=moment, required=True, help="Only what was received before counts. UTC."
)
model_option = click.option(
    "--model", type=MODEL, required=True, help="A model, such as models/current."
)
models_option = click.option("--models", type=MODEL, required=True, help="A directory of models.")
table_out_option = click.option(
    "--out", type=OUTPUT_FILE, required=True, help="Parquet or CSV, by its name."
)
level_option = click.option(
    "--service-level", type=ProbabilityType(), default=0.9, show_default=True
)
engine_option = click.option(
    "--engine",
    default="local",
    show_default=True,
    help="Where work on a store is done: local, local/N, dask://HOST:PORT or spark://HOST:PORT.",
)
event_option = click.option(
    "--event", type=EVENT, default="delivered", show_default=True, help="What to promise."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="What was found as JSON on stdout, for programs."
)
calendars_option = click.option(
    "--calendars",
    type=INPUT_FILE,
    help="Closures, working weeks, cut-offs and holidays; TOML. The model keeps them.",
)
language_option = click.option(
    "--language",
    type=click.Choice(["en", "de", "es", "fr"]),
    default="en",
    show_default=True,
    help="Of the page.",
)


def count_option(
    name: str, default: int | None = None, *, about: str | None = None
) -> Callable[[Command], Command]:
    """A whole number, at least 1; its default is shown where it has one."""
    shown = default is not None
    return click.option(
        name, type=click.IntRange(min=1), default=default, show_default=shown, help=about
    )


def _sign(ctx: click.Context, _: click.Parameter, key: Path | None) -> None:
    """Whatever the command saves is signed."""
    if key is None:
        return
    before = os.environ.get(SIGN_KEY, "")
    os.environ[SIGN_KEY] = str(key)
    # An empty one is none.
    ctx.call_on_close(lambda: os.environ.update({SIGN_KEY: before}))


sign_key_option = click.option(
    "--sign-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    expose_value=False,
    callback=_sign,
    help="Private Ed25519 key (PEM) to sign the model with.  [ETAPROMISE_SIGN_KEY]",
)


# What a message calls a thing in Python, and what a command does.
_OPTION_OF: Final = {
    "naive_time_zone=": "--time-zone",
    "max_rejects=": "--max-rejects",
    "vocabulary=": "--vocabulary",
    "mapping=": "--mapping",
}


ARGUMENTS: Final = "etapromise.arguments"
"""Where a context keeps the arguments of its command."""


def debugging() -> bool:
    """Whether the command at hand was given --debug."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and "--debug" in ctx.meta.get(ARGUMENTS, ())


@contextmanager
def reported_errors(code: int = 1) -> Iterator[None]:
    """One clear line on stderr instead of a traceback: bad input, or a disk that says no."""
    try:
        yield
    except (EtapromiseError, OSError) as error:
        # Nobody reads any further: click ends without a word.
        if debugging() or getattr(error, "errno", None) == errno.EPIPE:
            raise
        text = " ".join(str(error).split())
        for python, option in _OPTION_OF.items():
            text = text.replace(python, option)
        click.echo(f"etapromise: {text}", err=True)
        # A disk that says no is no bad usage.
        sys.exit(1 if isinstance(error, OSError) else code)


def say(text: str) -> None:
    """Tell the person at the terminal; results go to stdout instead."""
    click.echo(text, err=True)


def print_json(found: Any) -> None:
    """Print plain values as JSON on stdout."""
    click.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))


def options_told(path: Path) -> list[dict[str, Any]]:
    """Options for `PromiseModel.compare`, as --ways names them: a JSON list of objects."""
    try:
        told = json.loads(settings_text(path))
    except ValueError as error:
        raise click.UsageError(f"--ways {path} is no JSON: {error}.") from error
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise click.UsageError(f"--ways {path} is no list of objects.")
    return told


class ProgressBar:
    """Progress on stderr by stages: a bar on a terminal, a line now and then in a log."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None
        self._begun = self._next_line = 0.0
        self._so_far = (0, 0)

    def __call__(self, stage: str, done: int, most: int) -> None:
        """Move on; another stage begins another bar."""
        if not sys.stderr.isatty():
            self._log(stage, done, most)
            return
        from tqdm import tqdm  # noqa: PLC0415 — start-up time

        if stage != self._stage:
            self.close()
            self._stage, self._bar = stage, tqdm(total=most, desc=stage)
        self._bar.total = most
        self._bar.update(done - self._bar.n)

    def _log(self, stage: str, done: int, most: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._log_end()
            self._stage, self._begun, self._next_line = stage, now, now + _SECONDS_BETWEEN_LINES
        self._so_far = done, most
        if now >= self._next_line:
            say(f"{stage}: {done} of at most {most} so far")
            self._next_line = now + _SECONDS_BETWEEN_LINES

    def _log_end(self) -> None:
        if self._stage is not None:
            done, most = self._so_far
            seconds = time.monotonic() - self._begun
            say(f"{self._stage}: {done} of at most {most}, {seconds:.0f} s")

    def close(self) -> None:
        """End the bar, or the stage in the log."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._log_end()
