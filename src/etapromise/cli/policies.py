"""`etapromise policies`."""

from __future__ import annotations

from pathlib import Path

import click

from etapromise.cli.arguments import INPUT_FILE, MODEL, count_option, options_told, table_out_option
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.cli.tables import TableArguments, history_options
from etapromise.promise.model import load_model
from etapromise.promise.options.policies import load_policies, shipped_policies


@click.group(
    invoke_without_command=True, epilog="\b\nExample:\n  etapromise policies > policies.toml"
)
@click.pass_context
def policies(context: click.Context) -> None:
    """Print the ready policies for shoppers, a TOML file to copy and change."""
    if context.invoked_subcommand is None:
        click.echo(shipped_policies(), nl=False)


@policies.command(cls=GuardedCommand)
@click.option("--model", type=MODEL, required=True, help="One from before the orders.")
@history_options
@click.option(
    "--ways",
    type=INPUT_FILE,
    required=True,
    help="JSON list of options: carrier, service, price, co2_kg, windows, …",
)
@click.option("--policies", "own", type=INPUT_FILE, help="Your own, TOML, beside the ready ones.")
@count_option("--orders", 1000)
@table_out_option
def replay(
    model: Path, tables: TableArguments, ways: Path, own: Path | None, orders: int, out: Path
) -> None:
    r"""What each policy would have chosen for past orders: a line for each.

    Mean price, carbon dioxide, days and stated probability of what it would have chosen; of the
    orders whose chosen way is the one that was taken, also how many came in time.

    Example:
      etapromise policies replay --model models/2026-01-01 --shipments shipments.parquet \
        --scans scans.parquet --ways ways.json --out output/policies.csv
    """
    from etapromise.evaluation.policy_replay import replay_policies  # noqa: PLC0415 — start-up time
    from etapromise.tracking.table_writer import write_table  # noqa: PLC0415 — start-up time

    told, loaded = options_told(ways), load_model(model)
    history = tables.read(loaded.event, out)
    table = replay_policies(loaded, history, told, load_policies(own), most_orders=orders)
    write_table(table.reset_index(), out)
    click.echo(table.to_string(float_format=lambda value: f"{value:.3f}", na_rep=""))
