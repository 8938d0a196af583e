"""Directories of models side by side, one a market, and which old versions of each may go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etapromise.errors import CommandError, ContractError
from etapromise.operations.models.model_registry import ModelRegistry


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What goes and what stays, and why."""

    removed: list[str]
    kept: dict[str, str]


def markets(root: Path | str) -> dict[str, ModelRegistry]:
    """The directories of models in a directory, by name; itself is named ``.``."""
    top = Path(root)
    found = {}
    if ModelRegistry(top).versions():
        found["."] = ModelRegistry(top)
    if top.is_dir():
        for path in sorted(top.iterdir()):
            plain = path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
            if plain and (each := ModelRegistry(path)).versions():
                found[path.name] = each
    if not found:
        raise CommandError(
            f"Found no model in {top}, nor in a directory of it; expected some. "
            "Train one with `etapromise train`."
        )
    return found


def plan_pruning(registry: ModelRegistry, *, keep: int) -> Pruning:
    """What pruning would do, at least one kept.

    There stay the current version, the one that a roll-back would go to, the one that the current
    one's trees were trained as, and the ``keep`` latest: those promoted last, then those that
    never were, by moment.
    """
    if keep < 1:
        raise ContractError(f"found keep={keep}, expected 1 or more")
    versions = registry.versions()
    current = registry.current
    kept = {} if current is None else {current: "current"}
    target = registry.roll_back_target()
    if target is not None and target in versions:
        kept.setdefault(target, "a roll-back goes there")
    if current in versions:
        trained = registry.manifest(str(current))["trained_as_of"]
        for version in versions:
            if registry.manifest(version)["as_of"] == trained:
                kept.setdefault(version, "the current one was trained as this")
    order = {promotion.version: place for place, promotion in enumerate(registry.promotions())}
    latest = sorted(versions, key=lambda version: (order.get(version, -1), version), reverse=True)
    for version in latest[:keep]:
        kept.setdefault(version, f"one of the latest {keep}")
    return Pruning(removed=[each for each in versions if each not in kept], kept=kept)


def prune(registry: ModelRegistry, *, keep: int) -> Pruning:
    """Remove old versions; see `plan_pruning` for those that stay."""
    with registry.lock():
        plan = plan_pruning(registry, keep=keep)
        for version in plan.removed:
            registry.remove(version)
    return plan
