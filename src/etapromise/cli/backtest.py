"""`etapromise backtest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etapromise.cli.arguments import (
    OUTPUT_DIRECTORY,
    ProbabilityType,
    ProgressBar,
    count_option,
    event_option,
    json_option,
    language_option,
    moment,
    print_json,
    reported_errors,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.recipe import recipe_options, told_recipe
from etapromise.cli.tables import TableArguments, history_options, max_rejects_option


@click.command("backtest", cls=GuardedCommand)
@history_options
@max_rejects_option
@click.option("--from", "start", type=moment, required=True, help="First order to quote. UTC.")
@click.option("--to", "end", type=moment, required=True, help="The moment after the last. UTC.")
@click.option(
    "--every",
    type=click.Choice(["month", "week", "once"]),
    default="month",
    show_default=True,
    help="How often a new model is trained.",
)
@count_option("--refresh-every", 1, about="Days between refreshes of statistics and calibration.")
@event_option
@recipe_options
@click.option(
    "--service-level",
    type=ProbabilityType(),
    multiple=True,
    default=(0.8, 0.9, 0.95),
    show_default=True,
    help="Repeatable. The report tells the one nearest to 90 % by group.",
)
@count_option("--jobs", 2)
@language_option
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory for the report.")
@json_option
def backtest_command(
    tables: TableArguments,
    max_rejects: float,
    event: str,
    service_level: tuple[float, ...],
    out: Path,
    language: str,
    as_json: bool,  # noqa: FBT001 (click passes by name)
    **asked: Any,
) -> None:
    r"""Walk through the past as it was, and judge every promise.

    At each step a model is trained on what had been received by then; each day it is refreshed and
    the day's orders are quoted; what came later is hidden until all promises are judged. Writes
    promises.parquet, backtest.json and report.html.

    Example:
      etapromise backtest --shipments data/sample/shipments.parquet \
        --scans data/sample/scans.parquet --from 2025-10-01 --to 2026-01-01 --out output/report
    """
    from etapromise.evaluation import backtest as walking  # noqa: PLC0415 — start-up time

    names = ("start", "end", "every", "refresh_every", "jobs")
    with reported_errors(2):
        walk = {name: asked.pop(name) for name in names}
        config = walking.config_of(service_levels=service_level, **walk)
        recipe = told_recipe(tables, **asked)
    history = tables.read(event, out, max_rejects=max_rejects)
    bar = ProgressBar()
    result = walking.run_backtest(history, config, fit=walking.usual_fit(recipe), progress=bar)
    bar.close()
    page = result.write(out, language=language)
    if as_json:
        print_json(result.as_dict())
        return
    for row in result.facts["service_levels"]:
        click.echo(_level_line(row))
    click.echo(page)


def _level_line(row: dict[str, Any]) -> str:
    level = f"{100 * row['service_level']:g} %"
    undated = (
        f"no date reaches {level} for {row['undated']:,} of {row['promises']:,} orders, "
        "since too many never arrive"
    )
    if not row["judged"]:
        if row["undated"] * 2 > row["promises"]:
            return f"{level}: {undated}"
        return f"{level}: none of {row['promises']:,} can be judged yet"
    told = (
        f"{level}: kept {100 * row['kept_rate']:.1f} %, stated "
        f"{100 * row['mean_confidence']:.1f} %, {row['mean_days']:.1f} days on average, "
        f"{row['judged']:,} judged, {row['pending']:,} pending"
    )
    return f"{told}; {undated}" if row["undated"] else told
