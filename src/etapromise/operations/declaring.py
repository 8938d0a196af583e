"""Declaring disruptions to a directory's current model, and ending them; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etapromise.argument_kinds import kinds_checked
from etapromise.calendars.disruptions import Disruption
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.promise.model import PromiseModel


@kinds_checked()
def declare_disruptions(
    models: str | Path, disruptions: Sequence[Disruption], *, replace: bool = False
) -> PromiseModel:
    """Declare disruptions to a directory's current model, and make the result current; at once.

    A refresh keeps them; a refresh with a calendar file takes that file's word instead.

    Args:
        models: directory of models.
        disruptions: what is declared.
        replace: instead of those that it has, not beside them: an empty list ends all.

    Raises:
        CommandError: another process changes the directory.
        ModelFileError: there is no current model.

    Examples:
        >>> snow = etapromise.Disruption(first=date(2025, 7, 7), last=date(2025, 7, 8), delay=2)
        >>> model = etapromise.declare_disruptions("models", [snow])
        >>> model = etapromise.declare_disruptions("models", [], replace=True)
    """
    registry = ModelRegistry(models)
    with registry.lock():
        model = registry.load_current()
        kept = () if replace else model.parts.encoder.declared
        other = model.with_disruptions([*kept, *disruptions])
        told = "; ".join(one.reason for one in disruptions)
        version = registry.add(other)
        registry.promote(version, why=f"declared: {told}" if told else "declared disruptions ended")
    return registry.load(version)
