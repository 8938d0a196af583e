"""`etapromise models` and `rollback`."""

from __future__ import annotations

from pathlib import Path

import click

from etapromise.cli.arguments import MODEL, example, reported_errors

__all__ = ["models", "rollback"]


@click.command(
    epilog=example(r"""
etapromise models --models models/
""")
)
@click.option("--models", "root", type=MODEL, required=True, help="Directory of models.")
def models(root: Path) -> None:
    """List the versions of a directory: as of, trained as of, event, orders; * is the current."""
    from etapromise.operations.model_registry import ModelRegistry  # noqa: PLC0415

    with reported_errors():
        registry = ModelRegistry(root)
        for version in registry.versions():
            manifest = registry.manifest(version)
            click.echo(
                f"{'*' if version == registry.current else ' '} {version}  "
                f"as of {manifest['as_of']}  trained as of {manifest['trained_as_of']}  "
                f"{manifest['event']}  {manifest['trained_on']['shipments']:,} shipments"
            )


@click.command(
    epilog=example(r"""
etapromise rollback --models models/
etapromise rollback --models models/ --to 2026-02-01
""")
)
@click.option("--models", "root", type=MODEL, required=True, help="Directory of models.")
@click.option("--to", "version", help="By default the version that the current one replaced.")
def rollback(root: Path, version: str | None) -> None:
    """Make an earlier version the current one again, if it still loads. Prints its path."""
    from etapromise.operations.model_registry import ModelRegistry  # noqa: PLC0415

    with reported_errors():
        registry = ModelRegistry(root)
        with registry.lock():
            promotion = registry.roll_back(version)
    click.echo(root / promotion.version)
