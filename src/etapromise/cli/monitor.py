"""`etapromise monitor`."""

from __future__ import annotations

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
@json_option
def monitor_command(
    model: Path,
    tables: TableArguments,
    as_of: datetime,
    out: Path,
    thresholds: Path | None,
    threshold: tuple[str, ...],
    language: str,
    as_json: bool,  # noqa: FBT001 (click passes by name)
    **settings: Any,
) -> None:
    r"""Look at a model at work: promises kept, calibration, drift and the flow of scans.

    Prints each threshold that was crossed, and the path of the page. Writes report.html,
    monitor.json, metrics.prom (for Prometheus) and promises.parquet. Of a model in a directory of
    models the versions of then tell what was promised; otherwise that is replayed.

    Exit codes: 0 all is well, 3 a threshold was crossed, 1 failed, 2 bad usage.

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
        told = {name: value for name, value in settings.items() if value is not None}
        limits = replace(config.thresholds, **_pairs(threshold))
        config = replace(config, **told, thresholds=limits)
    loaded, before = load_model(model), RepeatedNotes(out)
    history = tables.read(loaded.event, out, told=before)
    registry = registry_of(model)
    found = etapromise.monitor(loaded, history, as_of=as_of, config=config, registry=registry)
    page = found.write(out, language=language)
    before.keep()
    causes = found.facts["causes"]
    if as_json:
        print_json(found.facts)
    else:
        for cause in causes:
            click.echo(f"{cause['name']}: {cause['reason']}")
            for alarm in cause["follows"]:
                click.echo(f"  may follow from it: {alarm['name']}: {alarm['reason']}")
        click.echo(page)
    if found.alarms:
        count = len(found.alarms)
        say(
            f"{count} threshold{' was' if count == 1 else 's were'} crossed, for "
            f"{len(causes)} cause{'' if len(causes) == 1 else 's'}"
        )
        sys.exit(ALARM)
    say("All is well: no threshold was crossed.")


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
