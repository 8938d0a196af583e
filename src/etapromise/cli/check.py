"""`etapromise check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

import etapromise
from etapromise.cli.arguments import (
    EVENT,
    INPUT_FILE,
    OUTPUT_FILE,
    json_option,
    print_json,
    reported_errors,
    say,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TABLE
from etapromise.files import write_text

EXIT_OPEN = 3
"""Exit code where something must be answered or mended before the tables can be used."""


@click.command("check", cls=GuardedCommand)
@click.argument("files", type=TABLE, nargs=-1)
@click.option("--mapping", type=INPUT_FILE, help="Try this mapping instead of proposing one.")
@click.option("--write-mapping", type=OUTPUT_FILE, help="Write the proposed mapping; TOML.")
@click.option("--event", type=EVENT, default="delivered", show_default=True)
@click.option(
    "--quality/--no-quality",
    default=True,
    help="Try promises on the latest weeks, where there is enough to learn from.",
)
@click.option("--html", type=OUTPUT_FILE, help="Write what was found as a page, too.")
@json_option
def check_command(
    files: tuple[Any, ...],
    mapping: Path | None,
    write_mapping: Path | None,
    event: Any,
    quality: bool,  # noqa: FBT001 (click passes by name)
    html: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Look at your tables: what each column is, what would be rejected, what can be promised.

    Proposes a mapping, with a reason and a degree of certainty for every column; what the data do
    not tell is asked with a "?" in the mapping. Files may be in any common form, and a file may
    hold orders, scans, or both.

    Exit codes: 0 ready to train on, 3 something must be answered or mended first, 1 failed, 2 bad
    usage.

    Example:
      etapromise check --write-mapping mapping.toml orders.csv scans.csv
      etapromise check --mapping mapping.toml --no-quality
    """
    if not files and mapping is None:
        raise click.UsageError("Name the files to look at, or a --mapping that does.")
    if mapping is not None and (files or write_mapping):
        raise click.UsageError("A --mapping names its files; leave the others out.")
    with reported_errors():
        found = etapromise.check(
            files, mapping=mapping, write_mapping=write_mapping, event=event, quality=quality
        )
        if html is not None:
            write_text(html, found.to_html())
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(found.to_text())
    if write_mapping is not None:
        say(f"the proposed mapping is in {write_mapping}; read it before you use it")
    if found.failure is not None:
        sys.exit(EXIT_OPEN)
