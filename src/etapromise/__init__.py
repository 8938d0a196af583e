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
    from etapromise.calendars.disruptions import Disruption
    from etapromise.evaluation.backtest import backtest
    from etapromise.evaluation.disruption_record import disruption_record
    from etapromise.evaluation.policy_replay import replay_policies
    from etapromise.evaluation.repromise_replay import repromise
    from etapromise.evaluation.scorecards import scorecard, write_scorecards
    from etapromise.operations.checking.checking import check
    from etapromise.operations.declaring import declare_disruptions
    from etapromise.operations.events.detection import EventSettings
    from etapromise.operations.events.event_run import events
    from etapromise.operations.gate import GateConfig
    from etapromise.operations.models.model_cards import card_of, compare_cards
    from etapromise.operations.models.model_registry import ModelRegistry, markets, prune
    from etapromise.operations.monitoring.run import monitor
    from etapromise.operations.monitoring.thresholds import MonitorConfig, Thresholds
    from etapromise.operations.retraining import refresh, retrain
    from etapromise.operations.scoring.scoring import score
    from etapromise.operations.scoring.scoring_store import score_store
    from etapromise.operations.scoring.tracking_store import track_stored
    from etapromise.operations.tuning import Search, tune
    from etapromise.promise.under_way.repromise_policy import RepromisePolicy
    from etapromise.serving.app import create_app
    from etapromise.serving.static_promises import Fallback, StaticPromise
    from etapromise.store.ingest import ingest
    from etapromise.store.stored_history import stored_history
    from etapromise.tracking.payloads import scans_of_payload
    from etapromise.tracking.tracked import read
    from etapromise.training.config import TrainingConfig
    from etapromise.training.training import train

__all__ = [
    "CommandError",
    "ContractError",
    "CostPolicy",
    "Disruption",
    "EtapromiseError",
    "EventSettings",
    "Fallback",
    "GateConfig",
    "InsufficientHistoryError",
    "MissingExtraError",
    "ModelFileError",
    "ModelRegistry",
    "MonitorConfig",
    "Option",
    "Parcel",
    "Promise",
    "PromiseModel",
    "RepromisePolicy",
    "Scan",
    "Search",
    "ShopperPolicy",
    "StaticPromise",
    "Thresholds",
    "TrainingConfig",
    "backtest",
    "card_of",
    "check",
    "compare_cards",
    "cost_for",
    "create_app",
    "declare_disruptions",
    "disruption_record",
    "events",
    "ingest",
    "load",
    "load_policies",
    "markets",
    "monitor",
    "promise_json_schema",
    "prune",
    "read",
    "refresh",
    "replay_policies",
    "repromise",
    "retrain",
    "scans_of_payload",
    "score",
    "score_store",
    "scorecard",
    "stored_history",
    "track_stored",
    "train",
    "tune",
    "write_scorecards",
]

# Loaded when first asked for: these bring pandas and LightGBM, which checkout does without.
_LATE: Final = {
    "Disruption": "calendars.disruptions",
    "EventSettings": "operations.events.detection",
    "Fallback": "serving.static_promises",
    "GateConfig": "operations.gate",
    "ModelRegistry": "operations.models.model_registry",
    "MonitorConfig": "operations.monitoring.thresholds",
    "RepromisePolicy": "promise.under_way.repromise_policy",
    "Search": "operations.tuning",
    "StaticPromise": "serving.static_promises",
    "Thresholds": "operations.monitoring.thresholds",
    "TrainingConfig": "training.config",
    "backtest": "evaluation.backtest",
    "card_of": "operations.models.model_cards",
    "check": "operations.checking.checking",
    "compare_cards": "operations.models.model_cards",
    "create_app": "serving.app",
    "declare_disruptions": "operations.declaring",
    "disruption_record": "evaluation.disruption_record",
    "events": "operations.events.event_run",
    "ingest": "store.ingest",
    "markets": "operations.models.model_registry",
    "monitor": "operations.monitoring.run",
    "prune": "operations.models.model_registry",
    "read": "tracking.tracked",
    "refresh": "operations.retraining",
    "replay_policies": "evaluation.policy_replay",
    "repromise": "evaluation.repromise_replay",
    "retrain": "operations.retraining",
    "scans_of_payload": "tracking.payloads",
    "score": "operations.scoring.scoring",
    "score_store": "operations.scoring.scoring_store",
    "scorecard": "evaluation.scorecards",
    "stored_history": "store.stored_history",
    "track_stored": "operations.scoring.tracking_store",
    "train": "training.training",
    "tune": "operations.tuning",
    "write_scorecards": "evaluation.scorecards",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        with extra_needed():
            return getattr(importlib.import_module(f"etapromise.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
