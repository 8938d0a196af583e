"""Networks of other builds than the simulated one, each with exact truth.

They are described in ``families.toml``. Half of them are there to choose settings on
(`Family.settings`), the others to tell results on.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any, Final

from etapromise_simulator.families.description import (
    MONDAY_TO_FRIDAY,
    MONDAY_TO_SATURDAY,
    Campaign,
    Carrier,
    Family,
    Spell,
    Stage,
    Warehouse,
)
from etapromise_simulator.families.world import World

__all__ = ["FAMILIES", "Family", "World"]

_EVERY_HOUR: Final = tuple(float(hour) for hour in range(24))


def _described(kind: type[Any], told: dict[str, Any]) -> Any:
    """What a table describes; TOML knows no tuples."""
    plain = {name: _hashable(value) for name, value in told.items()}
    if plain.get("trucks") == "every hour":
        plain["trucks"] = _EVERY_HOUR
    return kind(**plain)


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _carrier(told: dict[str, Any]) -> Carrier:
    services = {
        name: tuple(_described(Stage, one) for one in stages)
        for name, stages in told["services"].items()
    }
    found: Carrier = _described(Carrier, {**told, "services": services})
    return found


def _sellers(count: int) -> tuple[Warehouse, ...]:
    """Warehouses of as many sellers, each with hours of its own."""
    return tuple(
        Warehouse(
            name=f"{10_000 + 11 * number}",
            hours=2.0 * 1.05**number,
            spread=0.4 + 0.02 * (7 * number % 25),
            trucks=(10.0 + 3 * number % 11,),
            week=MONDAY_TO_SATURDAY if number % 4 == 0 else MONDAY_TO_FRIDAY,
        )
        for number in range(count)
    )


def _family(told: dict[str, Any]) -> Family:
    parts = {"warehouses": Warehouse, "spells": Spell, "campaigns": Campaign}
    for name, kind in parts.items():
        told[name] = [_described(kind, one) for one in told.get(name, ())]
    told["warehouses"] += _sellers(told.pop("sellers", 0))
    told["carriers"] = [_carrier(one) for one in told["carriers"]]
    found: Family = _described(Family, told)
    return found


_TOLD: Final = tomllib.loads(resources.files(__package__).joinpath("families.toml").read_text())
FAMILIES: Final = {told["name"]: _family(told) for told in _TOLD["family"]}
