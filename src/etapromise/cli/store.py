"""`etapromise ingest` and `track`: filling a store, and asking it for one parcel."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

import etapromise
from etapromise.cli.arguments import (
    OUTPUT_DIRECTORY,
    STORE,
    as_of_option,
    count_option,
    engine_option,
    json_option,
    level_option,
    model_option,
    print_json,
    say,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import ingested_options
from etapromise.files import rejects_beside


@click.command("ingest", cls=GuardedCommand)
@click.option("--store", type=OUTPUT_DIRECTORY, required=True, help="Made if it is not there.")
@ingested_options
@engine_option
@count_option("--buckets", about="Parts of a week; settled at first.  [1]")
@count_option(
    "--keep-scans-days", about="How long scans are kept beside milestones; settled at first.  [430]"
)
@click.option(
    "--on-conflict",
    type=click.Choice(["refuse", "keep", "replace", "reject"]),
    default="refuse",
    show_default=True,
    help="Of a shipment that says another value than the store, such as another carrier: take "
    "nothing in; keep the store's value; replace it; or reject the row.",
)
@json_option
def ingest_command(store: Path, *, as_json: bool, time_zone: str | None, **given: Any) -> None:
    """Take shipments and scans into a store, from which models are trained and refreshed.

    Files may come twice, in parts and in any order. All of them are taken in, or nothing.

    Example:
      etapromise ingest --store store/ --shipments shipments.parquet --scans scans.parquet
      etapromise train --store store/ --as-of 2026-02-01 --out models/
    """
    from etapromise.tracking.table_writer import write_table  # noqa: PLC0415 — start-up time

    if all(given[name] is None for name in ("shipments", "scans", "mapping")):
        raise click.UsageError("Missing --shipments or --scans; expected at least one of them.")
    done = etapromise.ingest(store, naive_time_zone=time_zone, **given)
    for note in done.notes:
        say(str(note))
    places = rejects_beside(store.with_name(f"{store.name}.parquet"))
    for name, rejects, path in zip(
        ("shipments", "scans"), (done.shipment_rejects, done.scan_rejects), places, strict=True
    ):
        if len(rejects):
            write_table(rejects, path)
            counts = rejects["reason"].value_counts()
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items())
            say(f"{name}: {len(rejects):,} rejected ({reasons}); they are in {path}")
    for count, told in (
        (done.swept, "files of an interrupted ingest were removed"),
        (done.too_late, "scans came after the others of their parcels were let go of: left out"),
        (done.waiting, "scans wait for their shipments"),
    ):
        if count:
            say(f"{count:,} {told}")
    if as_json:
        print_json(done.as_dict())
        return
    click.echo(
        f"{store}  commit {done.commit}: {done.new_shipments:,} new shipments "
        f"({done.filled:,} filled in, {done.known_shipments:,} known), {done.new_scans:,} new "
        f"scans ({done.known_scans:,} known), {done.partitions:,} partitions"
    )


@click.command("track", cls=GuardedCommand)
@model_option
@click.option("--store", type=STORE, required=True, help="What `etapromise ingest` keeps.")
@click.option("--shipment", required=True, help="Its shipment_id.")
@as_of_option
@level_option
def track_command(
    model: Path, store: Path, shipment: str, as_of: datetime, service_level: float
) -> None:
    r"""Say where one parcel of a store stands and when it will be there, as JSON.

    All that are on their way at once: `score --store`.

    Example:
      etapromise track --model models/current --store store/ --shipment 4f1c \
        --as-of 2026-02-01T06:00Z
    """
    told = etapromise.track_stored(model, store, shipment, as_of=as_of, service_level=service_level)
    print_json(told.as_dict())
