"""`etapromise train`, `retrain` and `refresh`."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import etapromise
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.cli.arguments import (
    OUTPUT_DIRECTORY,
    ProbabilityType,
    ProgressBar,
    as_of_option,
    calendars_option,
    count_option,
    event_option,
    json_option,
    print_json,
    reported_errors,
    say,
    sign_key_option,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.recipe import recipe_options, stated_calendar, told_recipe
from etapromise.cli.tables import RepeatedNotes, TableArguments, history_options, max_rejects_option
from etapromise.operations.models.model_registry import ModelRegistry

if TYPE_CHECKING:
    from etapromise.operations.retraining import Decision
    from etapromise.tracking import TrackedHistory

REFUSED = 3
"""Exit code of a refused challenger: nothing failed, and nothing changed."""


@click.command("train", cls=GuardedCommand)
@history_options
@max_rejects_option
@as_of_option
@sign_key_option
@event_option
@recipe_options
@click.option("--tune", metavar="DURATION", help="Search for settings so long first, such as 20m.")
@count_option("--trials", about="With --tune: at most so many settings.  [200]")
@click.option("--tune-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory of models.")
def train_command(
    tables: TableArguments,
    max_rejects: float,
    as_of: datetime,
    event: str,
    tune: str | None,
    trials: int | None,
    tune_seed: int,
    out: Path,
    **recipe: Any,
) -> None:
    r"""Train a model and make it the current one of a directory.

    With --tune (the extra "tune"), settings are searched for by walking validation inside the
    training period; what was found goes into the manifest, and later retraining keeps it. A search
    that was killed goes on where it stopped: finished trials are in the directory's tuning/.

    Prints the path of the new model.

    Example:
      etapromise train --shipments data/sample/shipments.parquet \
        --scans data/sample/scans.parquet --as-of 2026-02-01 --out models/
    """
    from etapromise.operations import tuning  # noqa: PLC0415 — start-up time

    with reported_errors(2):
        config = told_recipe(tables, **recipe)
        if tune is None and trials is not None:
            raise click.UsageError("--trials goes with --tune.")
        search = None
        if tune is not None:
            search = tuning.Search(seconds=_seconds(tune), trials=trials or 200, seed=tune_seed)
    history = _read(tables, event, out, max_rejects, as_of, config.calendars)
    bar, record = ProgressBar(), None
    if search is not None:
        config, record = tuning.tune(
            history,
            as_of=as_of,
            config=config,
            search=search,
            journals=out / "tuning",
            progress=bar,
        )
        say(
            f"{len(record['trials'])} trials: CRPS {record['score']:.3f} days, "
            f"{record['score_of_default']:.3f} as it was"
        )
    model = etapromise.train(history, as_of=as_of, config=config, progress=bar, tuning=record)
    bar.close()
    if model.parts.alike:
        say(
            f"Only {model.manifest['trained_on']['arrived']:,} parcels had arrived, too few "
            "for a forest: dates are by the means of lanes, all as uncertain, with wide bands. "
            "Train again when there are more."
        )
    registry = ModelRegistry(out)
    with registry.lock():
        version = registry.add_trained(model)
    click.echo(out / version)


@click.command("retrain", cls=GuardedCommand)
@history_options
@max_rejects_option
@as_of_option
@sign_key_option
@click.option("--models", type=OUTPUT_DIRECTORY, required=True, help="Directory of models.")
@calendars_option
@click.option("--dry-run", is_flag=True, help="Judge, but change nothing.")
@click.option("--force", is_flag=True, help="Promote although checks fail; the record says so.")
@click.option(
    "--service-level", type=ProbabilityType(), default=0.9, show_default=True, help="Judged by it."
)
@count_option(
    "--judge-days", 28, about="Days of orders to judge by: the latest whose promises have run out."
)
@count_option(
    "--refresh-every",
    1,
    about="Days between refreshes while judging; as often as the shop refreshes.",
)
@click.option(
    "--must-gain",
    is_flag=True,
    help="Promote only what is better beyond chance; for those who retrain often.",
)
@json_option
def retrain_command(
    tables: TableArguments,
    max_rejects: float,
    as_of: datetime,
    models: Path,
    calendars: Path | None,
    dry_run: bool,  # noqa: FBT001 (click passes by name)
    force: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
    **limits: Any,
) -> None:
    r"""Fit a challenger, judge it against the current model, and promote it if it is no worse.

    Prints the decision and every check. With --json the whole record, which is kept in the
    directory's decisions/ too. The first model of a directory is judged by what it states of
    itself.

    Exit codes: 0 promoted (or would be), 3 refused, 1 failed, 2 bad usage.

    Example:
      etapromise retrain --shipments shipments.parquet --scans scans.parquet \
        --as-of 2026-03-01 --models models/
    """
    with reported_errors(2):
        stated = stated_calendar(calendars, tables)
    registry, told = ModelRegistry(models), RepeatedNotes(models)
    event = registry.current_event() if registry.current else "delivered"
    out = None if dry_run else models
    history = _read(tables, event, out, max_rejects, as_of, stated, told)
    decision = etapromise.retrain(
        models,
        history,
        as_of=as_of,
        calendars=stated,
        gate=etapromise.GateConfig(**limits),
        dry_run=dry_run,
        force=force,
        log=say,
    )
    if not dry_run:
        told.keep()
    if as_json:
        print_json(decision.record)
        for reason in decision.reasons:
            say(f"{decision.outcome}: {reason}")
    else:
        click.echo(_told(decision))
    if decision.outcome in {"refused", "would refuse"}:
        sys.exit(REFUSED)


def _told(decision: Decision) -> str:
    """The decision, the weeks it was made by, every check, and where the record is."""
    judged = decision.record["judged"]
    kept = judged["trial"]["kept"]
    what = decision.version or decision.record["challenger"]["model_version"]
    failed = sum(not check["passed"] for check in decision.record["checks"])
    lines = [
        f"{decision.outcome}: {what}, {failed or 'no'} check{'s' if failed > 1 else ''} failed",
        (
            f"judged by {kept['judged']:,} promises of orders from {judged['from'][:10]} to "
            f"{judged['to'][:10]}, beside {judged['compared_with']}"
        ),
    ]
    lines += [
        f"{'ok' if check['passed'] else 'FAILED':>8}  {check['name']}: {check['reason']}"
        for check in sorted(decision.record["checks"], key=lambda check: bool(check["passed"]))
    ]
    if decision.path is not None:
        lines.append(f"record: {decision.path}")
    return "\n".join(lines)


@click.command("refresh", cls=GuardedCommand)
@history_options
@max_rejects_option
@as_of_option
@sign_key_option
@click.option("--models", type=OUTPUT_DIRECTORY, required=True, help="Directory of models.")
@calendars_option
@click.option("--force", is_flag=True, help="Refresh even if nothing has come in for days.")
def refresh_command(
    tables: TableArguments,
    max_rejects: float,
    as_of: datetime,
    models: Path,
    calendars: Path | None,
    force: bool,  # noqa: FBT001 (click passes by name)
) -> None:
    r"""Bring the current model's statistics and calibration up to date; its trees stay.

    To be run daily. The tables should reach at least half a year back. Prints the path of the
    refreshed model, which is the current one then. Where nothing has come in for four days it is
    refused: parcels under way would look ever later, and dates with them.

    Exit codes: 0 refreshed, 3 refused, 1 failed, 2 bad usage.

    Example:
      etapromise refresh --shipments shipments.parquet --scans scans.parquet \
        --as-of 2026-02-02 --models models/
    """
    with reported_errors(2):
        stated = stated_calendar(calendars, tables)
    registry, told = ModelRegistry(models), RepeatedNotes(models)
    history = _read(tables, registry.current_event(), models, max_rejects, as_of, stated, told)
    if _feed_end(history, as_of) is not None and not force:
        say("refused: the current model stays. With --force it is refreshed all the same.")
        sys.exit(REFUSED)
    etapromise.refresh(models, history, as_of=as_of, calendars=stated, force=force)
    told.keep()
    click.echo(models / str(registry.current))


def _feed_end(history: TrackedHistory, as_of: datetime) -> datetime | None:
    from etapromise.history.as_of import moment_of  # noqa: PLC0415 — start-up time
    from etapromise.operations.feed_checks import feed_end  # noqa: PLC0415 — start-up time

    return feed_end(history, moment_of(as_of))


def _read(
    tables: TableArguments,
    event: str,
    out: Path | None,
    max_rejects: float,
    as_of: datetime,
    calendars: CalendarFile | str | Path | None,
    told: RepeatedNotes | None = None,
) -> TrackedHistory:
    """Read the tables, and tell what is strange about them and about the calendar's names."""
    from etapromise.calendars.calendar_names import calendar_notes  # noqa: PLC0415 — start-up time

    history = tables.read(event, out, max_rejects=max_rejects, told=told)
    if calendars is not None:
        for note in calendar_notes(CalendarFile.of(calendars), history.shipments):
            (say if told is None else told.tell)(note)
    newest = _feed_end(history, as_of)
    if newest is not None:
        # All else goes on as if the feed had not ended.
        say(
            f"The newest order or scan is of {newest:%Y-%m-%d %H:%M} UTC, {(as_of - newest).days} "
            "days before --as-of: nothing newer is known. Look at the feed, or choose an earlier "
            "--as-of."
        )
    return history


def _seconds(text: str) -> float:
    """Of a duration such as ``90s``, ``20m`` or ``1.5h``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(f"--tune is {text!r}; expected one such as 90s, 20m or 1.5h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
