"""How models are trained, as `train` and `backtest` are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etapromise.calendars.calendar_file import CalendarFile
from etapromise.cli.arguments import calendars_option, say
from etapromise.cli.tables import TableArguments

if TYPE_CHECKING:
    from etapromise.training.config import TrainingConfig

_Command = TypeVar("_Command", bound=Callable[..., Any])


def recipe_options(command: _Command) -> _Command:
    """The options that `told_recipe` takes."""
    for option in (
        click.option(
            "--set",
            "settings",
            multiple=True,
            help="A setting, as name=number, such as boosting.num_leaves=31. Repeatable.",
        ),
        calendars_option,
        click.option("--categorical", multiple=True, help="A further categorical one. Repeatable."),
        click.option(
            "--numeric", multiple=True, help="A further numeric column to learn from. Repeatable."
        ),
    ):
        command = option(command)
    return command


def told_recipe(
    tables: TableArguments, calendars: Path | None, settings: tuple[str, ...], **columns: Any
) -> TrainingConfig:
    """The configuration that the options say; the calendar may stand in the mapping."""
    from etapromise.training.config import TrainingConfig, with_settings  # noqa: PLC0415 — start-up time

    config = TrainingConfig(calendars=stated_calendar(calendars, tables), **columns)
    return with_settings(config, dict(_pair(text) for text in settings))


def stated_calendar(calendars: Path | None, tables: TableArguments) -> CalendarFile | None:
    """The calendar file, or that which stands in the mapping, told once."""
    if calendars is not None:
        return CalendarFile.read(calendars)
    found = CalendarFile.within(tables.mapping)
    if found is not None:
        say(f"calendar: that of {tables.mapping}")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, told, value = text.partition("=")
    if not told:
        raise click.UsageError(f"--set is {text!r}; expected name=number.")
    return name, value
