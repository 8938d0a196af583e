"""`etapromise scorecard`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

import etapromise
from etapromise.cli.arguments import (
    OUTPUT_FILE,
    as_of_option,
    count_option,
    language_option,
    moment,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TableArguments, history_options

_SUFFIXES = (".parquet", ".csv", ".json", ".html")


@click.command("scorecard", cls=GuardedCommand)
@history_options
@as_of_option
@click.option(
    "--since", type=moment, help="Parcels ordered from then on. UTC. By default 180 days before."
)
@click.option(
    "--by",
    type=click.Choice(["carrier", "service", "destination_region", "lane_group"]),
    multiple=True,
    default=("carrier", "service", "lane_group"),
    show_default=True,
    help="Repeatable. Carrier and service are the partner, the rest the place.",
)
@click.option(
    "--measure",
    type=click.Choice(["promise_kept", "quoted_kept", "swift"]),
    help="What partners are ranked by; by default the first that the data allow.",
)
@language_option
@count_option("--smallest-group", 1)
@click.option(
    "--out", type=OUTPUT_FILE, required=True, help="Parquet, CSV, JSON or HTML, by its name."
)
def scorecard_command(
    tables: TableArguments, as_of: datetime, out: Path, language: str, **asked: Any
) -> None:
    r"""How each carrier and service does where, and which is best there.

    Promises and quoted dates kept, days in transit with open parcels censored, first attempts,
    silences, losses and hand-offs, each with its count and 95 % interval; ranked so that a few
    parcels do not decide.

    Example:
      etapromise scorecard --shipments data/sample/shipments.parquet \
        --scans data/sample/scans.parquet --as-of 2026-02-01 --out output/scorecard.html
    """
    import pandas as pd  # noqa: PLC0415 — start-up time

    from etapromise.evaluation.scorecards import write_scorecards  # noqa: PLC0415 — start-up time

    if out.suffix not in _SUFFIXES:
        raise click.UsageError(f"--out is {out}; expected it to end in {', '.join(_SUFFIXES)}.")
    history = tables.read("delivered", out)
    table = etapromise.scorecard(history, as_of=as_of, naive_time_zone=tables.time_zone, **asked)
    write_scorecards(table, out, as_of=pd.Timestamp(as_of), language=language)
    click.echo(f"{out}  {len(table):,} groups")
