"""Delivery promises: the date by which a parcel will have arrived, at a stated service level.

Training and batch work load pandas and LightGBM when they are first asked for; loading a model and
asking it for a promise needs numpy only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from etapromise.errors import (
    CommandError,
    ContractError,
    EtapromiseError,
    InsufficientHistoryError,
    MissingExtraError,
    ModelFileError,
    extra_needed,
)
from etapromise.promise.decision import CostPolicy, cost_for
from etapromise.promise.model import PromiseModel
from etapromise.promise.model import load_model as load
from etapromise.promise.options.policies import ShopperPolicy, load_policies
from etapromise.promise.promise import Promise, promise_json_schema
from etapromise.promise.typed_inputs import Option, Parcel, Scan

if TYPE_CHECKING:
    from etapromise.evaluation.backtest import backtest
    from etapromise.evaluation.scorecards import scorecard
    from etapromise.operations.checking.checking import check
    from etapromise.operations.events.event_run import events
    from etapromise.operations.gate import GateConfig
    from etapromise.operations.monitoring.run import monitor
    from etapromise.operations.monitoring.thresholds import MonitorConfig
    from etapromise.operations.retraining import refresh, retrain
    from etapromise.operations.scoring.scoring import score
    from etapromise.serving.static_promises import Fallback, StaticPromise
    from etapromise.store.ingest import ingest
    from etapromise.store.stored_history import stored_history
    from etapromise.tracking.tracked import read
    from etapromise.training.config import TrainingConfig
    from etapromise.training.training import train

__all__ = [
    "CommandError",
    "ContractError",
    "CostPolicy",
    "EtapromiseError",
    "Fallback",
    "GateConfig",
    "InsufficientHistoryError",
    "MissingExtraError",
    "ModelFileError",
    "MonitorConfig",
    "Option",
    "Parcel",
    "Promise",
    "PromiseModel",
    "Scan",
    "ShopperPolicy",
    "StaticPromise",
    "TrainingConfig",
    "backtest",
    "check",
    "cost_for",
    "events",
    "ingest",
    "load",
    "load_policies",
    "monitor",
    "promise_json_schema",
    "read",
    "refresh",
    "retrain",
    "score",
    "scorecard",
    "stored_history",
    "train",
]

# Loaded when first asked for: these bring pandas and LightGBM, which checkout does without.
_LATE: Final = {
    "Fallback": "serving.static_promises",
    "StaticPromise": "serving.static_promises",
    "GateConfig": "operations.gate",
    "MonitorConfig": "operations.monitoring.thresholds",
    "TrainingConfig": "training.config",
    "backtest": "evaluation.backtest",
    "check": "operations.checking.checking",
    "events": "operations.events.event_run",
    "ingest": "store.ingest",
    "monitor": "operations.monitoring.run",
    "read": "tracking.tracked",
    "refresh": "operations.retraining",
    "retrain": "operations.retraining",
    "score": "operations.scoring.scoring",
    "scorecard": "evaluation.scorecards",
    "stored_history": "store.stored_history",
    "train": "training.training",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        with extra_needed():
            return getattr(importlib.import_module(f"etapromise.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
