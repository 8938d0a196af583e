"""`etapromise sample`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from etapromise.cli.arguments import OUTPUT_DIRECTORY, count_option, reported_errors
from etapromise.cli.guarded_command import GuardedCommand


@click.command(cls=GuardedCommand)
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory for the files.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed is another network.")
@count_option("--days", about="Days with orders.")
@click.option("--shipments-per-day", type=click.FloatRange(min=0.01), help="Before the peak.")
def sample(out: Path, **changes: Any) -> None:
    """Write a simulated network's shipments, scans and open orders.

    Example:
      etapromise sample --out data/sample
    """
    from etapromise_simulator import SAMPLE, write_sample  # noqa: PLC0415 — start-up time

    with reported_errors(2):
        config = replace(SAMPLE, **{k: v for k, v in changes.items() if v is not None})
    for name, count in write_sample(out, config).items():
        click.echo(f"{out / name}  {count:,} rows")
