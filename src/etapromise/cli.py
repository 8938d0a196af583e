"""The command line: reading arguments, telling progress, reporting errors. No work is done here.

Results go to stdout or into files, everything else to stderr. Exit codes: 0 done, 1 failed, 2 bad
usage. Commands import what they need when they run, so that a quote does not wait for pandas.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etapromise.errors import EtapromiseError

if TYPE_CHECKING:
    from etapromise.tracking import TrackedHistory

__all__ = ["main"]

Command = TypeVar("Command", bound=Callable[..., Any])


def moment(text: str) -> datetime:
    """A moment in ISO 8601; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no moment; expected one such as 2018-02-01T09:30+01:00."
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def zoned_moment(text: str) -> datetime:
    """A moment in ISO 8601 with its offset: which day it is depends on that."""
    found = moment(text)
    if datetime.fromisoformat(text).tzinfo is None:
        raise click.BadParameter(
            f"{text!r} has no time zone; expected an offset, such as 2018-02-01T09:30+01:00."
        )
    return found


class Level(click.FloatRange):
    """A probability strictly between 0 and 1."""

    name = "level"

    def __init__(self) -> None:
        super().__init__(min=0, max=1, min_open=True, max_open=True)


INPUT_FILE = click.Path(exists=True, path_type=Path)
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
OUTPUT_DIRECTORY = click.Path(file_okay=False, path_type=Path)
MODEL = click.Path(exists=True, file_okay=False, path_type=Path)
EVENT = click.Choice(["delivered", "first_attempt", "available_for_pickup"])


def _options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


history_options = _options(
    click.option("--shipments", type=INPUT_FILE, required=True, help="Parquet or CSV."),
    click.option("--scans", type=INPUT_FILE, required=True, help="Parquet or CSV."),
    click.option("--vocabulary", help="Whose status codes the scans carry, if no column says so."),
    click.option("--time-zone", help="IANA zone of times that carry none; without it, an error."),
)
as_of_option = click.option(
    "--as-of", type=moment, required=True, help="Only what was received before counts. UTC."
)


@contextmanager
def _reported_errors(code: int = 1) -> Iterator[None]:
    """One clear line on stderr instead of a traceback: bad input, or a disk that says no."""
    try:
        yield
    except (EtapromiseError, OSError) as error:
        click.echo(f"etapromise: {' '.join(str(error).split())}", err=True)
        sys.exit(code)


def _say(text: str) -> None:
    click.echo(text, err=True)


class ProgressBar:
    """A bar on stderr that follows stages; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    def __call__(self, stage: str, done: int, most: int) -> None:
        """Move the bar; another stage begins another bar."""
        from tqdm import tqdm  # noqa: PLC0415

        if stage != self._stage:
            self.close()
            self._stage, self._bar = stage, tqdm(total=most, desc=stage, disable=None)
        self._bar.total = most
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()


def _read_history(
    shipments: Path, scans: Path, *, event: str, vocabulary: str | None, time_zone: str | None
) -> TrackedHistory:
    from etapromise.tracking import history  # noqa: PLC0415

    found = history(
        shipments,
        scans,
        event=event,  # type: ignore[arg-type]  # click has checked it
        vocabulary=vocabulary,
        naive_time_zone=time_zone,
    )
    for name, accepted, rejects in (
        ("shipments", found.shipments, found.shipment_rejects),
        ("scans", found.scans, found.scan_rejects),
    ):
        reasons = ", ".join(
            f"{reason} {n:,}" for reason, n in rejects["reason"].value_counts().items()
        )
        _say(
            f"{name}: {len(accepted):,} accepted, {len(rejects):,} rejected"
            + (f" ({reasons})" if reasons else "")
        )
    return found


def _example(text: str) -> str:
    """An example below a command's help, its lines left as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etapromise")
def main() -> None:
    """Promise delivery dates from carrier scans, and keep them."""


@main.command(
    epilog=_example(r"""
etapromise sample --out data/sample
""")
)
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory for the files.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed is another network.")
@click.option("--days", type=click.IntRange(min=1), help="Days with orders.")
@click.option("--shipments-per-day", type=click.FloatRange(min=0.01), help="Before the peak.")
def sample(out: Path, **changes: Any) -> None:
    """Write a simulated network's shipments, scans and open orders."""
    from dataclasses import replace  # noqa: PLC0415

    from etapromise.operations.simulation import SAMPLE, write_sample  # noqa: PLC0415

    with _reported_errors(2):
        config = replace(SAMPLE, **{k: v for k, v in changes.items() if v is not None})
    with _reported_errors():
        rows = write_sample(out, config)
    for name, count in rows.items():
        click.echo(f"{out / name}  {count:,} rows")


@main.command(
    epilog=_example(r"""
etapromise train --shipments data/sample/shipments.parquet \
  --scans data/sample/scans.parquet --as-of 2026-02-01 --out models/
""")
)
@history_options
@as_of_option
@click.option(
    "--event", type=EVENT, default="delivered", show_default=True, help="What to promise."
)
@click.option(
    "--numeric", multiple=True, help="A further numeric column to learn from. Repeatable."
)
@click.option("--categorical", multiple=True, help="A further categorical one. Repeatable.")
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory of models.")
def train(
    shipments: Path,
    scans: Path,
    vocabulary: str | None,
    time_zone: str | None,
    as_of: datetime,
    event: str,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
    out: Path,
) -> None:
    """Train a model and make it the current one of a directory.

    Prints the path of the new model.
    """
    from etapromise.operations import training  # noqa: PLC0415
    from etapromise.operations.model_registry import ModelRegistry  # noqa: PLC0415

    with _reported_errors(2):
        config = training.TrainingConfig(numeric=numeric, categorical=categorical)
    with _reported_errors():
        history = _read_history(
            shipments, scans, event=event, vocabulary=vocabulary, time_zone=time_zone
        )
        bar = ProgressBar()
        model = training.train(history, as_of=as_of, config=config, progress=bar)
        bar.close()
        registry = ModelRegistry(out)
        with registry.lock():
            version = registry.add(model)
            registry.promote(version, why="trained")
    click.echo(out / version)


@main.command(
    epilog=_example(r"""
etapromise quote --model models/current --origin 14409 --destination 88032 \
  --carrier acme --service ground --ordered-at 2026-02-01T10:30-05:00
""")
)
@click.option("--model", type=MODEL, required=True, help="A model, such as models/current.")
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
@click.option("--service-level", type=Level(), default=0.9, show_default=True)
@click.option("--band", type=Level(), default=0.8, show_default=True, help="Central probability.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "json-ld", "text"]),
    default="json",
    show_default=True,
)
@click.option("--locale", default="en", show_default=True, help="Of the text, such as de or pt_BR.")
def quote(model: Path, form: str, locale: str, field: tuple[str, ...], **asked: Any) -> None:
    """Promise the date of one parcel."""
    from etapromise.promise.model_files import load_model  # noqa: PLC0415

    for pair in field:
        name, told, value = pair.partition("=")
        if not told:
            raise click.UsageError(f"--field is {pair!r}; expected name=value.")
        asked[name] = _number_or_text(value)
    with _reported_errors():
        loaded = load_model(model)
    with _reported_errors(2):
        found = loaded.promise(**asked)
        if form == "text":
            click.echo(found.text(locale))
        else:
            plain = found.as_dict() if form == "json" else found.as_json_ld()
            click.echo(json.dumps(plain, indent=2, ensure_ascii=False))


@main.command(
    epilog=_example(r"""
etapromise score --model models/current --as-of 2026-02-01 \
  --shipments data/sample/open_orders.parquet --out output/scored.parquet
""")
)
@click.option("--model", type=MODEL, required=True, help="A model, such as models/current.")
@click.option("--shipments", type=INPUT_FILE, required=True, help="Open orders; Parquet or CSV.")
@click.option("--time-zone", help="IANA zone of times that carry none; without it, an error.")
@as_of_option
@click.option("--service-level", type=Level(), default=0.9, show_default=True)
@click.option("--out", type=OUTPUT_FILE, required=True, help="Parquet or CSV, by its name.")
def score(
    model: Path,
    shipments: Path,
    time_zone: str | None,
    as_of: datetime,
    service_level: float,
    out: Path,
) -> None:
    """Promise a date for every order of a table.

    Rejected orders go to a file beside the result, with the reason: scored.parquet has its rejects
    in scored.rejects.parquet.
    """
    import pandas as pd  # noqa: PLC0415

    from etapromise.operations import scoring  # noqa: PLC0415
    from etapromise.promise.model_files import load_model  # noqa: PLC0415

    if out.suffix not in {".parquet", ".csv"}:
        raise click.UsageError(f"--out is {out}; expected a name that ends in .parquet or .csv.")
    with _reported_errors():
        bar = ProgressBar()
        found = scoring.score(
            load_model(model),
            shipments,
            as_of=pd.Timestamp(as_of),
            service_level=service_level,
            naive_time_zone=time_zone,
            progress=lambda done, most: bar("scoring", done, most),
        )
        bar.close()
        scoring.write_table(found.rejects, scoring.rejects_path(out))
        scoring.write_table(found.promises, out)
    click.echo(f"{out}  {len(found.promises):,} promises")
    click.echo(f"{scoring.rejects_path(out)}  {len(found.rejects):,} rejects")


@main.command(
    epilog=_example(r"""
etapromise backtest --shipments data/sample/shipments.parquet \
  --scans data/sample/scans.parquet --from 2025-10-01 --to 2026-01-01 --out output/report
""")
)
@history_options
@click.option("--from", "start", type=moment, required=True, help="First order to quote. UTC.")
@click.option("--to", "end", type=moment, required=True, help="The moment after the last. UTC.")
@click.option(
    "--every",
    type=click.Choice(["month", "week"]),
    default="month",
    show_default=True,
    help="How often a new model is trained.",
)
@click.option(
    "--refresh-every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Days between refreshes of statistics and calibration.",
)
@click.option(
    "--event", type=EVENT, default="delivered", show_default=True, help="What to promise."
)
@click.option(
    "--service-level",
    type=Level(),
    multiple=True,
    default=(0.8, 0.9, 0.95),
    show_default=True,
    help="Repeatable. The report tells the one nearest to 90 % by group.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--out", type=OUTPUT_DIRECTORY, required=True, help="Directory for the report.")
def backtest(
    shipments: Path,
    scans: Path,
    vocabulary: str | None,
    time_zone: str | None,
    event: str,
    service_level: tuple[float, ...],
    out: Path,
    **walk: Any,
) -> None:
    """Walk through the past as it was, and judge every promise.

    At each step a model is trained on what had been received by then; each day it is refreshed and
    the day's orders are quoted; what came later is hidden until all promises are judged. Writes
    promises.parquet, backtest.json and report.html.
    """
    import pandas as pd  # noqa: PLC0415

    from etapromise.operations import backtest as walking  # noqa: PLC0415
    from etapromise.operations.forecasters import TrainModel  # noqa: PLC0415
    from etapromise.operations.training import TrainingConfig  # noqa: PLC0415

    with _reported_errors(2):
        config = walking.BacktestConfig(
            start=pd.Timestamp(walk.pop("start")),
            end=pd.Timestamp(walk.pop("end")),
            service_levels=tuple(sorted(set(service_level))),
            main_level=min(service_level, key=lambda level: (abs(level - 0.9), level)),
            **walk,
        )
    with _reported_errors():
        history = _read_history(
            shipments, scans, event=event, vocabulary=vocabulary, time_zone=time_zone
        )
        result = walking.backtest(history, config, fit=TrainModel(TrainingConfig()), progress=True)
        page = result.write(out)
    for row in result.facts["service_levels"]:
        click.echo(_level_line(row))
    click.echo(page)


def _level_line(row: dict[str, Any]) -> str:
    if not row["judged"]:
        return f"{100 * row['service_level']:g} %: none of {row['promises']:,} can be judged yet"
    return (
        f"{100 * row['service_level']:g} %: kept {100 * row['kept_rate']:.1f} %, stated "
        f"{100 * row['mean_confidence']:.1f} %, {row['mean_days']:.1f} days on average, "
        f"{row['judged']:,} judged, {row['pending']:,} pending"
    )


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    main()
