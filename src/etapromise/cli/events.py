"""`etapromise events` and `repromise`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

import etapromise
from etapromise.cli.arguments import (
    INPUT_FILE,
    MODEL,
    OUTPUT_DIRECTORY,
    OUTPUT_FILE,
    ProbabilityType,
    as_of_option,
    level_option,
    model_option,
    moment,
    say,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TableArguments, history_options, tell_account
from etapromise.files import rejects_beside
from etapromise.promise.model import load_model


@click.command("events", cls=GuardedCommand)
@model_option
@history_options
@as_of_option
@click.option(
    "--state",
    type=OUTPUT_DIRECTORY,
    required=True,
    help="Directory that keeps what was told; the same from run to run.",
)
@level_option
@click.option("--policy", type=INPUT_FILE, help="When to tell another date: JSON of `repromise`.")
@click.option(
    "--lost-above",
    type=ProbabilityType(),
    help="Call a parcel likely lost from this probability on.",
)
@click.option(
    "--out", type=OUTPUT_FILE, required=True, help="Events are added to it: .jsonl or .parquet."
)
def events_command(
    model: Path,
    tables: TableArguments,
    policy: Path | None,
    lost_above: float | None,
    out: Path,
    **asked: Any,
) -> None:
    r"""Find the events that customers should be told of, each once.

    Events: delayed, earlier, attempted, available_for_pickup, likely_lost, delivered, returned,
    damaged; each with its reason, the date that stood and the new one. The same run twice adds
    nothing, and a run that was killed is made good by the next.

    Example:
      etapromise events --model models/current --shipments open_orders.parquet \
        --scans scans.parquet --as-of 2026-02-01T06:00Z --state output/told \
        --out output/events.jsonl
    """
    from etapromise.evaluation.repromise_replay import read_policy  # noqa: PLC0415 — start-up time
    from etapromise.operations.events.detection import EventSettings  # noqa: PLC0415 — start-up time
    from etapromise.promise.under_way.repromise_policy import RepromisePolicy  # noqa: PLC0415 — start-up time

    if out.suffix not in {".jsonl", ".parquet"}:
        raise click.UsageError(f"--out is {out}; expected it to end in .jsonl or .parquet.")
    settings = EventSettings(
        policy=RepromisePolicy() if policy is None else read_policy(policy),
        lost_above=lost_above,
        found_below=0.25 if lost_above is None else lost_above / 2,
    )
    loaded = load_model(model)
    given: tuple[Any, Any] = (tables.shipments, tables.scans)
    if tables.store is not None:
        kept = tables.read(loaded.event, out)
        given = (kept.shipments, kept.scans)
    told = etapromise.events(
        loaded,
        *given,
        out=out,
        settings=settings,
        naive_time_zone=tables.time_zone,
        vocabulary=tables.vocabulary,
        mapping=tables.mapping,
        **asked,
    )
    for account, path in zip(told.accounts, rejects_beside(out), strict=True):
        tell_account(account, path)
    say(f"{told.parcels:,} parcels, {told.under_way:,} under way")
    click.echo(f"{out}  {told.written:,} events")


@click.command("repromise", cls=GuardedCommand)
@click.option("--model", type=MODEL, required=True, help="One that was made before --from.")
@history_options
@click.option("--from", "start", type=moment, required=True, help="First order. UTC.")
@click.option("--to", "end", type=moment, help="The moment after the last. UTC.")
@level_option
@click.option("--notice-cost", type=click.FloatRange(min=0), default=1.0, show_default=True)
@click.option("--silent-miss-cost", type=click.FloatRange(min=0), default=5.0, show_default=True)
@click.option(
    "--most-changes",
    type=click.FloatRange(min=0),
    default=0.3,
    show_default=True,
    help="Date changes per parcel, at most.",
)
@click.option("--out", type=OUTPUT_FILE, required=True, help="JSON, for `events --policy`.")
def repromise_command(
    model: Path,
    tables: TableArguments,
    start: datetime,
    end: datetime | None,
    out: Path,
    **asked: Any,
) -> None:
    r"""Replay the past to choose when customers are told another date.

    Every parcel is looked at each morning with what had been received by then; of many policies the
    cheapest is taken that changes dates seldom enough. Prints what it would have done.

    Example:
      etapromise repromise --model models/current --shipments shipments.parquet \
        --scans scans.parquet --from 2025-11-01 --silent-miss-cost 5 --out output/policy.json
    """
    from etapromise.evaluation.repromise_replay import write_policy  # noqa: PLC0415 — start-up time

    loaded = load_model(model)
    history = tables.read(loaded.event, out)
    choice = etapromise.repromise(loaded, history, start=start, end=end, **asked)
    write_policy(choice.policy, out)
    click.echo(json.dumps(asdict(choice.record), indent=2))
