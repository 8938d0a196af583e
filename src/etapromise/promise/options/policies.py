"""Policies for ranking options: what a kind of shopper wants first, second and third.

Wishes are compared one after another, never added up, so none of them needs a rate of exchange
between money, days and kilograms.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from etapromise.errors import ContractError
from etapromise.files import settings_text
from etapromise.promise.service_levels import require_level

MEASURES: Final = ("price", "co2_kg", "days", "usual_days", "late", "window_days", "cost")
"""What options are ranked by; the least is best."""

_KEYS: Final = ("about", "service_level", "first", "within_days", "rank", "window_level")


@dataclass(frozen=True, kw_only=True)
class ShopperPolicy:
    """What decides between options, most important first; see `policies.toml`.

    Attributes:
        name: what it is called.
        about: for people.
        service_level: the probability for which dates are promised.
        first: marks of options that come before those without them.
        within_days: options no more than so many days later than the quickest come first.
        rank: of MEASURES.
        window_level: the probability with which an offered window must be kept.

    Examples:
        >>> cheapest = etapromise.ShopperPolicy(name="cheapest", rank=("price", "days"))
        >>> offers = [dict(carrier="acme", service="ground", price=4.0),
        ...           dict(carrier="acme", service="express", price=9.0)]
        >>> ranked = model.compare(offers, cheapest, origin="60492", destination="90585",
        ...                        ordered_at=datetime(2025, 7, 3, 15, tzinfo=UTC))
        >>> ranked[0].option["price"]
        4.0
    """

    name: str
    about: str = ""
    service_level: float = 0.9
    first: tuple[str, ...] = ()
    within_days: float = math.inf
    rank: tuple[str, ...] = ("days",)
    window_level: float = 0.9

    def key(
        self, measures: Mapping[str, float | None], marks: Mapping[str, bool], quickest: float
    ) -> tuple[float, ...]:
        """By which options are sorted, the best first.

        Args:
            measures: MEASURES of the option; None, not known, comes last.
            marks: what the option says of itself.
            quickest: the least `days` of all options that can be promised.
        """
        missing = (float(not marks.get(name, False)) for name in self.first)
        days = measures["days"]
        late = float(days is None or days - quickest > self.within_days)
        ranked = (measures[name] for name in self.rank)
        return (*missing, late, *(math.inf if one is None else one for one in ranked))


def shipped_policies() -> str:
    """The file of the ready policies, to be copied."""
    return resources.files(__package__).joinpath("policies.toml").read_text("utf-8")


def load_policies(path: str | Path | None = None) -> dict[str, ShopperPolicy]:
    """The ready policies, under those of a file.

    Args:
        path: a TOML file like `policies.toml`; None for the ready ones alone.

    Raises:
        ContractError: the file cannot be read, or says what no policy says.

    Examples:
        >>> sorted(etapromise.load_policies())[:2]
        ['convenience', 'eco']
    """
    if path is None:
        return dict(_ready())
    file = Path(path)
    try:
        told = tomllib.loads(settings_text(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(
            f"Found no readable policies at {file} ({error}); expected a TOML file with tables "
            "such as [price_sensitive]. `etapromise policies` prints one to begin with."
        ) from error
    merged = tomllib.loads(shipped_policies())
    for name, table in told.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    return {name: _policy(name, table, str(file)) for name, table in merged.items()}


def policy_named(name: str) -> ShopperPolicy:
    """A ready policy."""
    found = _ready().get(name)
    if found is None:
        raise ContractError(
            f"Found the policy {name!r}; expected one of {', '.join(_ready())}, or a "
            "ShopperPolicy of your own file: load_policies(path)[name]."
        )
    return found


@functools.cache
def _ready() -> Mapping[str, ShopperPolicy]:
    told = tomllib.loads(shipped_policies())
    return {name: _policy(name, table, "policies.toml") for name, table in told.items()}


def _policy(name: str, table: object, where: str) -> ShopperPolicy:
    if not isinstance(table, dict):
        raise ContractError(f"Found {name} = {table!r} in {where}; expected a table [{name}].")
    for key in table:
        if key not in _KEYS:
            raise ContractError(
                f"Found {key!r} in [{name}] of {where}; expected one of {', '.join(_KEYS)}."
            )
    rank = _texts(name, where, "rank", table.get("rank", ["days"]))
    strange = [measure for measure in rank if measure not in MEASURES]
    if strange or not rank:
        raise ContractError(
            f"Found rank = {list(rank)!r} in [{name}] of {where}; expected some of "
            f"{', '.join(MEASURES)}, most important first."
        )
    level = require_level(table.get("service_level", "default"), f"[{name}] service_level")
    within: Any = table.get("within_days", math.inf)
    if isinstance(within, bool) or not isinstance(within, int | float) or not within >= 0:
        raise ContractError(
            f"Found within_days = {within!r} in [{name}] of {where}; expected days, at least 0."
        )
    return ShopperPolicy(
        name=name,
        about=str(table.get("about", "")),
        service_level=level,
        first=_texts(name, where, "first", table.get("first", [])),
        within_days=float(within),
        rank=rank,
        window_level=require_level(table.get("window_level", level), f"[{name}] window_level"),
    )


def _texts(name: str, where: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ContractError(
            f"Found {key} = {value!r} in [{name}] of {where}; expected a list of names."
        )
    return tuple(value)
