"""`etapromise monitor`."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

import etapromise
from etapromise.cli.arguments import (
    INPUT_FILE,
    OUTPUT_DIRECTORY,
    OUTPUT_FILE,
    ProbabilityType,
    as_of_option,
    count_option,
    json_option,
    language_option,
    model_option,
    print_json,
    reported_errors,
    say,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import RepeatedNotes, TableArguments, history_options
from etapromise.errors import CommandError
from etapromise.files import require_writable, settings_text, write_json
from etapromise.promise.model import load_model

ALARM = 3
"""Exit code where a threshold was crossed: nothing failed, but somebody should look."""


@click.command("monitor", cls=GuardedCommand)
@model_option
@history_options
@as_of_option
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory for the report.")
@language_option
@click.option("--thresholds", type=INPUT_FILE, help="TOML; its table [thresholds] says how much.")
@click.option(
    "--threshold", multiple=True, help="One of them, as name=value, such as kept_short=0.02."
)
@click.option(
    "--service-level", type=ProbabilityType(), help="Compared with, and replayed at.  [0.9]"
)
@count_option("--days", about="Days of orders looked at.  [90]")
@count_option("--recent-days", about="What lately means.  [7]")
@click.option(
    "--promises",
    type=click.Choice(["auto", "shop", "model"]),
    help="Whose: those in promised_date, the model's, or the first where there are any.  [auto]",
)
@count_option("--refresh-every", about="Days between refreshes where the past is replayed.  [7]")
@click.option(
    "--told",
    type=OUTPUT_FILE,
    help="File that keeps what was told; the same every morning. Only news end with code 3 then.",
)
@json_option
def monitor_command(
    model: Path,
    tables: TableArguments,
    as_of: datetime,
    out: Path,
    thresholds: Path | None,
    threshold: tuple[str, ...],
    language: str,
    told: Path | None,
    as_json: bool,  # noqa: FBT001 (click passes by name)
    **settings: Any,
) -> None:
    r"""Look at a model at work: promises kept, calibration, drift and the flow of scans.

    Prints each threshold that was crossed, and the path of the page. Writes report.html,
    monitor.json, metrics.prom (for Prometheus) and promises.parquet. Of a model in a directory of
    models the versions of then tell what was promised; otherwise that is replayed.

    With --told a cause ends with code 3 once, and again where it has grown by half; until it is
    over it stays listed. The end of one is told once, after --recent-days without it.

    Exit codes: 0 all is well, or as it was told; 3 a threshold was crossed; 1 failed; 2 bad usage.

    Example:
      etapromise monitor --model models/current --shipments shipments.parquet \
        --scans scans.parquet --as-of 2026-03-01 --out report/
    """
    from etapromise.operations.monitoring.run import registry_of  # noqa: PLC0415 — start-up time
    from etapromise.operations.monitoring.thresholds import read_thresholds  # noqa: PLC0415 — start-up time

    with reported_errors(2):
        config = etapromise.MonitorConfig()
        if thresholds is not None:
            config = read_thresholds(thresholds, config)
        given = {name: value for name, value in settings.items() if value is not None}
        limits = replace(config.thresholds, **_pairs(threshold))
        config = replace(config, **given, thresholds=limits)
        earlier = _earlier(told)
    if told is not None:
        require_writable(told)
    loaded, before = load_model(model), RepeatedNotes(out)
    history = tables.read(loaded.event, out, told=before)
    registry = registry_of(model)
    found = etapromise.monitor(
        loaded, history, as_of=as_of, config=config, registry=registry, told=earlier
    )
    page = found.write(out, language=language)
    before.keep()
    causes, now = found.facts["causes"], found.facts["as_of"]
    if as_json:
        print_json(found.facts)
    else:
        for cause in causes:
            click.echo(_line(cause, now))
            for alarm in cause["follows"]:
                click.echo(f"  may follow from it: {_line(alarm, now)}")
        for alarm in found.facts["over"]:
            since, seen = alarm["since"][:10], alarm["seen"][:10]
            click.echo(f"over: {alarm['name']} {alarm['group'] or 'of all'}, {since} to {seen}")
        click.echo(page)
    if told is not None:
        # After it was told: who is killed before tells it again.
        sys.stdout.flush()
        write_json(told, found.facts["told"])
    news = sum(alarm["news"] for alarm in found.facts["alarms"])
    if found.alarms:
        count = len(found.alarms)
        say(
            f"{count} threshold{' was' if count == 1 else 's were'} crossed, for "
            f"{len(causes)} cause{'' if len(causes) == 1 else 's'}"
            + ("" if news else ", all told before")
        )
    else:
        say("All is well: no threshold was crossed.")
    if news:
        sys.exit(ALARM)


def _line(alarm: dict[str, Any], now: str) -> str:
    """What was found, and since when where that was told on an earlier morning."""
    since, told = alarm["since"][:10], alarm["told"]
    before = "" if told == now else f" (since {since}, told on {told[:10]})"
    return f"{alarm['name']}: {alarm['reason']}{before}"


def _earlier(told: Path | None) -> list[Any]:
    """What was told on earlier mornings; nothing on the first."""
    if told is None or not told.exists():
        return []
    try:
        return list(json.loads(settings_text(told)))
    except (ValueError, TypeError) as error:
        raise CommandError(
            f"Found {told} unreadable ({error}); expected what an earlier --told wrote. Remove it: "
            "all is told again."
        ) from error


def _pairs(told: tuple[str, ...]) -> dict[str, Any]:
    from etapromise.operations.monitoring.thresholds import Thresholds  # noqa: PLC0415 — start-up time

    known = [each.name for each in fields(Thresholds)]
    found: dict[str, Any] = {}
    for pair in told:
        name, _, value = pair.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise click.UsageError(f"--threshold is {pair!r}; expected name=number.") from None
        if name not in known:
            raise click.UsageError(f"--threshold names {name!r}; expected {', '.join(known)}.")
    return found
