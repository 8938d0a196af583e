"""`etapromise models`, `inspect` and `rollback`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from etapromise.cli.arguments import MODEL, count_option, json_option, model_option, print_json, say
from etapromise.cli.guarded_command import GuardedCommand
from etapromise.operations.models.model_cards import card_of, compare_cards
from etapromise.operations.models.model_registry import ModelRegistry, markets, prune
from etapromise.promise.model import load_model


@click.command(cls=GuardedCommand)
@click.option("--models", "root", type=MODEL, required=True, help="Directory of models.")
@click.option("--market", help="Only this directory below it; . is itself.")
@click.option("--compare", nargs=2, metavar="VERSION VERSION", help="Two versions side by side.")
@count_option(
    "--keep",
    about="Remove all but the latest so many; never the current one or the one a rollback goes to.",
)
@click.option("--dry-run", is_flag=True, help="With --keep: only say what would be removed.")
@click.option("--history", is_flag=True, help="What became current when, and why; oldest first.")
@json_option
def models(
    root: Path,
    market: str | None,
    compare: tuple[str, str] | None,
    keep: int | None,
    dry_run: bool,  # noqa: FBT001 (click passes by name)
    history: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """List, compare or prune the models of a directory and of the directories below it.

    Each market or business unit has its own directory, such as models/de, with its own current
    version; without one, models/ itself is meant. The list tells of each version (* is the current
    one) up to when it knows what was received, up to when its trees do, what it promises, and from
    how many orders it learned.

    Example:
      etapromise models --models models/
      etapromise models --models models/ --market de --compare 2026-02-01 2026-02-08
      etapromise models --models models/ --keep 30 --dry-run
    """
    if sum(map(bool, (compare, keep, history))) > 1:
        raise click.UsageError("--compare, --keep and --history exclude each other.")
    if dry_run and not keep:
        raise click.UsageError("--dry-run goes with --keep.")
    found = markets(root)
    if market is not None:
        found = {market: _market(found, market)}
    if compare:
        print_json(compare_cards(*(_card(found, name) for name in compare)))
    elif keep:
        for name, registry in found.items():
            _prune(name, registry, keep, dry_run=dry_run)
    elif history:
        _tell_history(found, as_json=as_json)
    elif as_json:
        print_json({name: _rows(registry) for name, registry in found.items()})
    else:
        for name, registry in found.items():
            _list(name, registry)


@click.command(cls=GuardedCommand)
@model_option
@click.option(
    "--calendars",
    is_flag=True,
    help="Instead: working weeks, holidays by name and pick-ups, as learned from the scans.",
)
@json_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), hidden=True)
def inspect(
    model: Path,
    calendars: bool,  # noqa: FBT001 (click's)
    form: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show a model's card: data, features, settings, quality by group, limits, what was decided.

    Example:
      etapromise inspect --model models/current
      etapromise inspect --model models/current --calendars
      etapromise inspect --model models/2026-02-01 --json
    """
    if form is not None:
        say("--format is deprecated: write --json, or leave it out for text.")
    place = model.resolve()
    if calendars:
        learned = load_model(place).learned_calendars()
        if as_json or form == "json":
            print_json(learned.as_dict())
        else:
            click.echo(learned.to_text())
        return
    card = card_of(place)
    if as_json or form == "json":
        print_json(card)
    else:
        click.echo("\n".join(_card_lines(card)))


@click.command(cls=GuardedCommand)
@click.option("--models", "root", type=MODEL, required=True, help="Directory of models.")
@click.option("--to", "version", help="By default the version that the current one replaced.")
def rollback(root: Path, version: str | None) -> None:
    """Make an earlier version the current one again, if it still loads. Prints its path.

    Example:
      etapromise rollback --models models/
      etapromise rollback --models models/ --to 2026-02-01
    """
    registry = ModelRegistry(root)
    with registry.lock():
        promotion = registry.roll_back(version)
    click.echo(root / promotion.version)


def _market(found: dict[str, ModelRegistry], name: str) -> ModelRegistry:
    if name not in found:
        raise click.UsageError(f"Found no market {name!r}; expected one of {', '.join(found)}.")
    return found[name]


def _rows(registry: ModelRegistry) -> list[dict[str, Any]]:
    """What is told of each version, oldest first."""
    found = []
    for version in registry.versions():
        manifest = registry.manifest(version)
        found.append(
            {
                "version": version,
                "current": version == registry.current,
                "as_of": manifest["as_of"],
                "trained_as_of": manifest["trained_as_of"],
                "event": manifest["event"],
                "shipments": manifest["trained_on"]["shipments"],
            }
        )
    return found


def _list(name: str, registry: ModelRegistry) -> None:
    before = "" if name == "." else f"{name}/"
    for row in _rows(registry):
        click.echo(
            f"{'*' if row['current'] else ' '} {before}{row['version']}  knows up to "
            f"{_minute(row['as_of'])}, trees up to {_minute(row['trained_as_of'])}, "
            f"{row['event']}, learned from {row['shipments']:,} orders"
        )


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%MZ}"


def _tell_history(found: dict[str, ModelRegistry], *, as_json: bool) -> None:
    if as_json:
        told = {name: [asdict(each) for each in r.promotions()] for name, r in found.items()}
        print_json(told)
        return
    for name, registry in found.items():
        before = "" if name == "." else f"{name}/"
        for each in registry.promotions():
            click.echo(
                f"{each.at}  {before}{each.version}  {each.why}"
                + (f", instead of {each.before}" if each.before else "")
            )


def _card(found: dict[str, ModelRegistry], name: str) -> dict[str, Any]:
    """Of a version, such as 2026-02-01, de/2026-02-01 or current."""
    market, _, version = name.rpartition("/")
    registry = _market(found, market or next(iter(found)))
    version = str(registry.current) if version == "current" else version
    return card_of(registry.load(version), registry=registry, version=version)


def _prune(name: str, registry: ModelRegistry, keep: int, *, dry_run: bool) -> None:
    plan = prune(registry, keep=keep, dry_run=dry_run)
    for version in plan.removed:
        click.echo(registry.root / version)
    say(
        f"{name}: {'would remove' if dry_run else 'removed'} {len(plan.removed)}, "
        f"{len(plan.kept)} stay"
    )


def _card_lines(card: dict[str, Any]) -> list[str]:
    on = card["trained_on"]
    lines = [
        f"{card['version']}" + (f"  ({card['name']})" if card["name"] else ""),
        f"promises   {card['event']}, up to {card['horizon_days'] - 1} days ahead",
        f"as of      {card['as_of']}, trained as of {card['trained_as_of']}",
        f"orders     {on['shipments']:,} from {on['first_order'][:10]} to {on['last_order'][:10]}",
        f"arrived    {on['arrived']:,} of them",
        f"trees      {card['trees']['final']}, {card['trees']['holdout']} before the hold-out",
    ]
    for kind, names in card["features"].items():
        lines.append(f"{kind:10} {len(names)} features: {', '.join(names)}")
    changed = ", ".join(
        f"{name} {value}"
        for name, value in card["settings"].items()
        if not isinstance(value, dict | list)
    )
    lines.append(f"settings   {changed}; more with --json")
    lines.append("kept of late, at 90 %, by group:")
    shown = [row for row in card["quality"] if row["level"] != "service_region"]
    lines += [
        f"  {row['level']:8} {row['group']:24} {100 * row['kept_rate']:5.1f} %  "
        f"({100 * row['kept_low']:.1f} to {100 * row['kept_high']:.1f}) of {row['judged']:,}"
        for row in sorted(shown, key=lambda row: (row["level"], row["group"]))
    ]
    lines.append("limits:")
    lines += [f"  {sentence}" for sentence in card["limits"]]
    if card["decision"]:
        lines.append(f"decision   {card['decision']['outcome']}  {card['decision']['path']}")
        lines += [f"  {reason}" for reason in card["decision"]["reasons"]]
    return lines
