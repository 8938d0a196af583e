"""`etapromise disruptions`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from etapromise.calendars.disruptions import Disruption
from etapromise.cli.arguments import (
    MODEL,
    level_option,
    models_option,
    reported_errors,
    say,
    table_out_option,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TableArguments, history_options
from etapromise.operations.declaring import declare_disruptions
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.promise.model import PromiseModel, load_model


@click.group(epilog="\b\nExample:\n  etapromise disruptions end --models models/")
def disruptions() -> None:
    """Declare disruptions to the current model, end them, and see whether they were right."""


@disruptions.command(cls=GuardedCommand)
@models_option
@click.option("--first", type=date.fromisoformat, required=True, help="First day, YYYY-MM-DD.")
@click.option("--last", type=date.fromisoformat, required=True, help="Last day, within.")
@click.option("--delay", type=click.FloatRange(min=0), help="Working days that parcels are late.")
@click.option("--stop", is_flag=True, help="Nothing arrives from the first to the last day.")
@click.option("--spread", type=click.FloatRange(min=0), help="Of the delay, as a share; 0.8.")
@click.option("--recovery", type=click.FloatRange(min=0), help="Working days afterwards; 3.")
@click.option("--country", help="Of the destination.")
@click.option("--region", help="Of the destination.")
@click.option(
    "--postcode", "postcodes", multiple=True, help='Such as "88032" or "88*". Repeatable.'
)
@click.option("--carrier")
@click.option("--service")
@click.option("--origin", help="The warehouse.")
@click.option("--reason", help="Told in messages and explanations.")
def declare(models: Path, **told: Any) -> None:
    r"""Declare one to the current model, beside those that it has. Takes effect at once.

    A new version is made and promoted; nothing is trained. A refresh keeps it; a refresh with a
    calendar file takes that file's word instead.

    Example:
      etapromise disruptions declare --models models/ --first 2027-01-18 --last 2027-01-22 \
        --country US --region MN --delay 2 --reason "snow in Minnesota"
    """
    given = {name: value for name, value in told.items() if value not in (None, ())}
    with reported_errors(2):
        one = Disruption(**given)
    _tell(declare_disruptions(models, [one]), models)


@disruptions.command(cls=GuardedCommand)
@models_option
def end(models: Path) -> None:
    """End all: the current model without any, as a new version."""
    _tell(declare_disruptions(models, [], replace=True), models)


@disruptions.command(cls=GuardedCommand)
@click.option("--model", type=MODEL, required=True, help="The model with the disruptions.")
@history_options
@level_option
@table_out_option
def record(model: Path, tables: TableArguments, service_level: float, out: Path) -> None:
    r"""Say afterwards whether each was right: promises kept in its area, with it and without.

    Example:
      etapromise disruptions record --model models/current --shipments shipments.parquet \
        --scans scans.parquet --out output/disruptions.csv
    """
    from etapromise.evaluation.disruption_record import disruption_record  # noqa: PLC0415 — start-up time
    from etapromise.tracking.table_writer import write_table  # noqa: PLC0415 — start-up time

    loaded = load_model(model)
    if not loaded.parts.encoder.declared:
        say("the model knows of no declared disruption")
        return
    found = disruption_record(loaded, tables.read(loaded.event, out), service_level=service_level)
    write_table(found, out)
    click.echo(found.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


def _tell(model: PromiseModel, models: Path) -> None:
    for one in model.parts.encoder.declared:
        click.echo(f"{one.first} to {one.last}  {one.reason}")
    click.echo(models / str(ModelRegistry(models).current))
