"""Settings by their names, as `--set` and a search give them: ``boosting.num_leaves=31``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from etapromise.errors import ContractError
from etapromise.training.training import TrainingConfig

__all__ = ["settings_of", "with_settings"]


def with_settings(config: TrainingConfig, settings: Mapping[str, Any]) -> TrainingConfig:
    """A configuration with some settings replaced, such as ``{"boosting.num_leaves": 31}``.

    Raises:
        ContractError: There is no such setting, or its value is of another kind or impossible.
    """
    known = settings_of(config)
    for path, value in settings.items():
        if path not in known:
            raise ContractError(f"found the setting {path!r}, expected one of {', '.join(known)}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ContractError(f"found {path}={value!r}, expected a number") from None
        kind = type(known[path])
        if kind(number) != number:
            raise ContractError(f"found {path}={value!r}, expected a whole number")
        part, _, name = path.rpartition(".")
        changed: Any = replace(getattr(config, part) if part else config, **{name: kind(number)})
        config = replace(config, **{part: changed}) if part else changed
    return config


def settings_of(owner: Any, prefix: str = "") -> dict[str, float]:
    """The settings that are numbers, those of a part with its name before a dot."""
    found: dict[str, float] = {}
    for each in fields(owner):
        value = getattr(owner, each.name)
        if isinstance(value, int | float):
            found[prefix + each.name] = value
        elif is_dataclass(value) and not prefix:
            found |= settings_of(value, f"{each.name}.")
    return found
