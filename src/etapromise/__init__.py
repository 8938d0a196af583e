"""Delivery promises: the date by which a parcel will have arrived, at a stated service level.

Training and batch work load pandas and LightGBM when they are first asked for; loading a model and
asking it for a promise needs numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etapromise.errors import EtapromiseError
from etapromise.promise.decision import CostPolicy, cost_for
from etapromise.promise.model import PromiseModel
from etapromise.promise.model import load_model as load
from etapromise.promise.policies import ShopperPolicy, load_policies
from etapromise.promise.promise import Promise

if TYPE_CHECKING:
    from etapromise.store.ingest import ingest
    from etapromise.store.stored_history import stored_history
    from etapromise.training.training import TrainingConfig, train

__all__ = [
    "CostPolicy",
    "EtapromiseError",
    "Promise",
    "PromiseModel",
    "ShopperPolicy",
    "TrainingConfig",
    "cost_for",
    "ingest",
    "load",
    "load_policies",
    "stored_history",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "ingest":
        from etapromise.store.ingest import ingest  # noqa: PLC0415 — loads pandas and Arrow

        return ingest
    if name == "stored_history":
        from etapromise.store.stored_history import stored_history  # noqa: PLC0415

        return stored_history
    if name in {"TrainingConfig", "train"}:
        from etapromise.training import training  # noqa: PLC0415 — loads pandas and LightGBM

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
