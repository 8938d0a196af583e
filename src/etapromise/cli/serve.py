"""`etapromise serve`."""

from __future__ import annotations

from pathlib import Path

import click

from etapromise.cli.arguments import INPUT_FILE, count_option, options_told, say
from etapromise.cli.guarded_command import GuardedCommand


@click.command(cls=GuardedCommand)
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A directory with a link `current`, watched for another model; or one model.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@count_option("--fallback-days", 7, about="Calendar days promised where no model can answer.")
@click.option(
    "--ways",
    type=INPUT_FILE,
    help="JSON list of options for the checkout page: carrier, service, price, co2_kg, …",
)
def serve(models: Path, host: str, port: int, fallback_days: int, ways: Path | None) -> None:
    """Answer over HTTP: quotes, orders, options, parcels under way, and a checkout page at /.

    One process answers on one processor; start several behind a balancer for more. See
    docs/serving.md.

    Example:
      etapromise serve --models models/ --port 8080
      curl -s localhost:8080/quotes -d '{"origin": "55690", "origin_country": "US",
        "destination": "90585", "destination_country": "US", "carrier": "acme"}'
    """
    try:
        import uvicorn  # noqa: PLC0415 — an extra

        from etapromise.serving.app import create_app  # noqa: PLC0415 — an extra
    except ImportError as error:
        raise click.UsageError(
            f"serving needs {error.name}, which is not installed; expected the extra: "
            "pip install 'etapromise[serve]'."
        ) from error
    told = None if ways is None else options_told(ways)
    app = create_app(models, fallback_days=fallback_days, ways=told)
    say(f"serving {models} at http://{host}:{port}/")
    if not (models / "current").exists():
        say(
            f"There is no {models / 'current'} yet: until there is, every answer is the static "
            f"one of {fallback_days} days. Check the path, or train a model there."
        )
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="warning")
