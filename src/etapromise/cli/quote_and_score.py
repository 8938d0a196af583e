"""`etapromise quote` and `score`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import etapromise
from etapromise.cli.arguments import (
    ProbabilityType,
    ProgressBar,
    as_of_option,
    engine_option,
    level_option,
    model_option,
    moment,
    reported_errors,
    say,
    table_out_option,
    zoned_moment,
)
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TableArguments, order_options, tell_account
from etapromise.files import rejects_beside
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.promise.model import load_model

if TYPE_CHECKING:
    from etapromise.promise.model import PromiseModel
    from etapromise.promise.promise import Promise


@click.command("quote", cls=GuardedCommand)
@model_option
@click.option(
    "--as-of",
    type=moment,
    help="What would have been said then: --model is a directory of models. UTC.",
)
@click.option("--origin", required=True, help="Postcode or place code it is sent from.")
@click.option("--destination", required=True, help="Postcode or place code it goes to.")
@click.option("--ordered-at", type=zoned_moment, required=True, help="With its offset.")
@click.option("--carrier")
@click.option("--service")
@click.option("--origin-region")
@click.option("--origin-country")
@click.option("--destination-region")
@click.option("--destination-country")
@click.option("--destination-time-zone", help="IANA name; by default what the region says.")
@click.option("--weight-kg", type=click.FloatRange(min=0))
@click.option("--field", multiple=True, help="A further feature, as name=value. Repeatable.")
@level_option
@click.option(
    "--band", type=ProbabilityType(), default=0.8, show_default=True, help="Central probability."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "json-ld", "text", "why"]),
    default="json",
    show_default=True,
)
@click.option("--locale", default="en", show_default=True, help="Of the text, such as de or pt_BR.")
def quote_command(
    model: Path,
    as_of: datetime | None,
    form: str,
    locale: str,
    field: tuple[str, ...],
    **asked: Any,
) -> None:
    r"""Promise the date of one parcel.

    With --as-of the version that was current then answers, as it did then.

    Example:
      etapromise quote --model models/current --origin 55690 --destination 90585 \
        --destination-region CA --destination-country US --carrier acme --service ground \
        --ordered-at 2026-02-01T10:30-06:00
    """
    for pair in field:
        name, told, value = pair.partition("=")
        if not told or not name or name in {"self", *asked}:
            raise click.UsageError(
                f"--field is {pair!r}; expected name=value, of a feature without an option."
            )
        asked[name] = _number_or_text(value)
    loaded = load_model(model) if as_of is None else _model_at(model, as_of)
    with reported_errors(2):
        lines = _said(loaded.promise(**asked), form, locale)
    click.echo(lines)


def _said(found: Promise, form: str, locale: str) -> str:
    if form == "text":
        return found.text(locale)
    if form == "why":
        why = found.why()
        causes = [f"{days:+8.2f} days  {cause}" for cause, days in why.contributions.items()]
        return "\n".join([*causes, f"{why.days:+8.0f} days  {found.date}", why.text(locale)])
    plain = found.as_dict() if form == "json" else found.as_json_ld()
    return json.dumps(plain, indent=2, ensure_ascii=False)


@click.command("score", cls=GuardedCommand)
@model_option
@order_options
@as_of_option
@level_option
@click.option(
    "--at-risk-precision",
    type=ProbabilityType(),
    default=0.8,
    show_default=True,
    help="With --scans: wanted share of the parcels called at risk that will be late.",
)
@click.option(
    "--at-risk-budget",
    type=ProbabilityType(),
    help="Instead: the most parcels to be called at risk on their way, as a share.",
)
@click.option(
    "--explain", is_flag=True, help="Say in columns why_… what makes each promise so many days."
)
@engine_option
@table_out_option
def score_command(
    model: Path,
    tables: TableArguments,
    as_of: datetime,
    service_level: float,
    at_risk_precision: float,
    at_risk_budget: float | None,
    explain: bool,  # noqa: FBT001 — click gives it by name
    engine: str,
    out: Path,
) -> None:
    r"""Promise a date for every order of a table; with scans, anew from where each parcel stands.

    Rejected orders go to a file beside the result, with the reason: scored.parquet has its rejects
    in scored.rejects.parquet. With --store all parcels on their way are scored.

    Example:
      etapromise score --model models/current --as-of 2026-02-01 \
        --shipments data/sample/open_orders.parquet --out output/scored.parquet
      etapromise score --model models/current --as-of 2026-02-01T06:00Z \
        --shipments open_orders.parquet --scans scans.parquet --out output/tracked.parquet
    """
    import pandas as pd  # noqa: PLC0415 — start-up time

    from etapromise.operations.scoring import scoring_files  # noqa: PLC0415 — start-up time
    from etapromise.operations.scoring.scoring_store import score_store  # noqa: PLC0415 — start-up time
    from etapromise.tracking.accounts import Account  # noqa: PLC0415 — start-up time
    from etapromise.tracking.table_writer import write_table  # noqa: PLC0415 — start-up time

    if out.suffix not in {".parquet", ".csv"}:
        raise click.UsageError(f"--out is {out}; expected a name that ends in .parquet or .csv.")
    if engine != "local" and tables.store is None:
        raise click.UsageError("--engine goes with --store.")
    if explain and (tables.scans, tables.store) != (None, None):
        raise click.UsageError(
            "--explain says why the promises of orders are what they are; leave --scans out."
        )
    bar = ProgressBar()
    rejects_path, scan_rejects_path = rejects_beside(out)
    model = model.resolve()  # one version, whichever becomes current meanwhile
    loaded = load_model(model)
    wish = {"budget": at_risk_budget} if at_risk_budget else {"precision": at_risk_precision}
    at = pd.Timestamp(as_of)
    if tables.store is not None:
        threshold = loaded.alert_threshold(**wish)
        count = score_store(
            *(model, tables.store, out),
            as_of=at,
            service_level=service_level,
            at_risk_threshold=threshold,
            engine=engine,
        )
        click.echo(f"{out}  {count:,} promises")
        return
    told: dict[str, Any] = {
        "as_of": at,
        "service_level": service_level,
        "naive_time_zone": tables.time_zone,
        "explain": explain,
        "progress": bar,
    }
    alone = tables.scans is None and tables.mapping is None
    source, scan_rejects = tables.shipments, None
    if alone and source is not None and scoring_files.can_stream(source, out):
        counts = scoring_files.score_file(loaded, source, out, **told)
        bar.close()
        notes = counts.notes
    else:
        found = etapromise.score(
            loaded,
            source,
            tables.scans,
            at_risk_threshold=None if alone else loaded.alert_threshold(**wish),
            vocabulary=tables.vocabulary,
            mapping=tables.mapping,
            **told,
        )
        bar.close()
        notes, scan_rejects = found.notes, found.scan_rejects
        write_table(found.rejects, rejects_path)
        if scan_rejects is not None:
            account = Account(
                table="scans",
                accepted=found.scans_used,
                rejects=scan_rejects,
                left_aside=found.scans_left_aside,
                notes=found.scan_notes,
            )
            write_table(scan_rejects, scan_rejects_path)
            tell_account(account)
        write_table(found.promises, out)
        counts = scoring_files.Counts(len(found.promises), len(found.rejects))
    for note in notes:
        say(f"shipments: {note}")
    click.echo(f"{out}  {counts.promises:,} promises")
    click.echo(f"{rejects_path}  {counts.rejects:,} rejects")
    if scan_rejects is not None:
        click.echo(f"{scan_rejects_path}  {len(scan_rejects):,} rejected scans")


def _model_at(directory: Path, as_of: datetime) -> PromiseModel:
    registry = ModelRegistry(directory)
    if not registry.promotions():
        # models/current, or one of the versions: what is asked is the directory they lie in.
        registry = ModelRegistry(directory.absolute().parent)
    return registry.load_at(as_of)


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
