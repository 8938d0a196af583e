"""A search for settings by walking validation inside the training period, with Optuna.

Each trial is trained as of moments in the past, quotes the weeks after them as a shop would have,
refreshed weekly, and is scored by what was known at `as_of`: the mean CRPS in days, cut off where
the knowledge ends (see `metrics.crps_days`), so that a parcel still under way counts as one.
Nothing after `as_of` is looked at, and no trial is scored by orders that it was trained on.

The first trial is the configuration as it is; the tree-structured Parzen estimator (Bergstra et al.
2011, NeurIPS 24) draws the others, and a trial that is worse than the median on the latest weeks is
not tried on the earlier ones. Finished trials are kept in a journal: a search that was killed goes
on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from etapromise.argument_kinds import require_at_least
from etapromise.errors import extra_needed
from etapromise.evaluation.judgement import Truth
from etapromise.evaluation.model_comparison import days_to_mature, judged_orders, quality_of
from etapromise.evaluation.replay import TrainModel
from etapromise.history.as_of import Moment, moment_of
from etapromise.tracking import TrackedHistory
from etapromise.training.config import TrainingConfig, with_settings

SPACE: Final[Mapping[str, Sequence[float]]] = {
    "boosting.learning_rate": (0.04, 0.06, 0.08, 0.12, 0.18),
    "boosting.num_leaves": (7, 11, 15, 23, 31),
    "boosting.max_depth": (4, 5, 6, 8),
    "boosting.min_data_in_leaf": (20, 40, 60, 100, 200),
    "boosting.lambda_l2": (0.1, 1.0, 3.0, 10.0),
    "boosting.feature_fraction": (0.3, 0.5, 0.7, 0.9),
    "boosting.bagging_fraction": (0.5, 0.7, 0.9),
    "effects.half_life": (45.0, 60.0, 90.0, 120.0, 180.0),
    "effects.pace_half_life": (4.0, 6.0, 9.0, 14.0),
    "effects.prior": (4.0, 8.0, 16.0),
    "calibration.slow_half_life": (60.0, 90.0, 150.0),
    "calibration.quick_half_life": (3.0, 4.0, 6.0, 10.0),
    "holdout_days": (28, 42, 56, 84),
}
"""What is drawn; every other setting stays as the configuration has it."""

TUNING_FORMAT: Final = "etapromise-tuning/2"
# How much better than the configuration a trial must be to take its place, as a share.
_BETTER: Final = 0.002
_DAY: Final = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Search:
    """How long and by what is searched.

    Attributes:
        seconds: How long, what was spent before a stop included; None: no end. No trial begins that
            would take longer than what is left, by the longest until then; the first, the
            configuration itself, is tried in any case.
        trials: At most so many, the configuration itself included.
        seed: Of the trials.
        folds: Times of validation, one before the other.
        fold_days: Days of orders in each.
        refresh_every: Days between refreshes while validating.

    Examples:
        >>> etapromise.Search(seconds=600).trials
        200
    """

    seconds: float | None = 1200.0
    trials: int = 200
    seed: int = 0
    folds: int = 2
    fold_days: int = 28
    refresh_every: int = 7

    def __post_init__(self) -> None:
        require_at_least(self, 1, "trials", "folds", "fold_days", "refresh_every")


class Tuned(NamedTuple):
    """The configuration with the best settings, and how they were found, for the manifest."""

    config: TrainingConfig
    record: dict[str, Any]


def tune(
    history: TrackedHistory,
    *,
    as_of: Moment,
    config: TrainingConfig | None = None,
    search: Search | None = None,
    journals: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Tuned:
    """Search for settings; what was received after `as_of` is not looked at.

    Args:
        history: Orders and what became of them, as `read` returns it.
        as_of: The moment of the training to come.
        config: Where the search begins, and what is kept where nothing better is found.
        search: How long and by what; by default `Search()`.
        journals: A directory in which finished trials are written down; a search of the same data,
            configuration and seed goes on from there. None keeps nothing.
        progress: Told the stage, how many trials are done, and how many there are at most.

    Returns:
        What to hand to `train`: ``train(…, config=tuned.config, tuning=tuned.record)``.

    Raises:
        MissingExtraError: The extra "tune" is not installed.

    Examples:
        >>> search = etapromise.Search(trials=1, folds=1, fold_days=14, refresh_every=14)
        >>> tuned = etapromise.tune(history, as_of="2025-07-01", config=quick, search=search)
        >>> len(tuned.record["trials"])
        1
    """
    config, search = config or TrainingConfig(), search or Search()
    with extra_needed():
        import optuna  # noqa: PLC0415 — an extra
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    moment = moment_of(as_of)
    known = history.known_at(moment)
    end = moment.tz_convert("UTC").normalize() - days_to_mature(known, moment) * _DAY
    starts = [end - (number + 1) * search.fold_days * _DAY for number in range(search.folds)]
    mark = _mark(known, moment, config, search)
    study = optuna.create_study(
        study_name=mark,
        storage=None if journals is None else _journal(optuna, journals, mark),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
        load_if_exists=True,
    )
    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    done: list[Any] = study.get_trials(states=finished)
    # Not what was drawn before the stop once more.
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + len(done))

    def objective(trial: Any) -> float:
        # The first is the configuration itself: everything is measured against it.
        names = SPACE if done else ()
        drawn = {name: trial.suggest_categorical(name, SPACE[name]) for name in names}
        # One forest instead of several: they are averaged to be steady, which is the same for all.
        recipe = replace(with_settings(config, drawn), members=1)
        scores: list[float] = []
        for fold, start in enumerate(starts):
            scores.append(_score(recipe, known, start, moment, search))
            trial.set_user_attr("scores", scores)
            trial.report(float(np.mean(scores)), fold)
            if done and fold + 1 < len(starts) and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(scores))

    while len(done) < search.trials:
        spent = [trial.duration.total_seconds() for trial in done]
        if done and sum(spent) + max(spent) > (search.seconds or np.inf):
            break
        study.optimize(objective, n_trials=1)
        done = study.get_trials(states=finished)
        if progress is not None:
            progress("tuning", len(done), search.trials)
    return _chosen(config, search, starts, done)


def _journal(optuna: Any, directory: Path, mark: str) -> Any:
    from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415 — an extra

    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{mark}.journal"
    if path.exists():
        # A line that was cut short when the search was killed.
        path.write_bytes(b"".join(path.read_bytes().rpartition(b"\n")[:2]))
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def _score(
    recipe: TrainingConfig,
    known: TrackedHistory,
    start: pd.Timestamp,
    as_of: pd.Timestamp,
    search: Search,
) -> float:
    model = TrainModel(recipe, quotes_only=True)(known.known_at(start), start)
    dates = model.local_dates(known.shipments, known.milestones["event_at"])
    truth = Truth.of(known, dates, extract_end=as_of, settle_days=1)
    table = judged_orders(
        model,
        truth,
        start=start,
        end=start + search.fold_days * _DAY,
        service_level=0.9,
        refresh_every=search.refresh_every,
    )
    return float(quality_of(table, 0.9)["crps_days"])


def _chosen(
    config: TrainingConfig, search: Search, starts: list[pd.Timestamp], done: list[Any]
) -> Tuned:
    trials = [
        {
            "number": number,
            "settings": trial.params,
            "scores": trial.user_attrs["scores"],  # by fold, latest first
            "seconds": round(trial.duration.total_seconds(), 3),
        }
        for number, trial in enumerate(done)
    ]
    whole = [trial for trial in trials if len(trial["scores"]) == len(starts)]
    score = {trial["number"]: float(np.mean(trial["scores"])) for trial in whole}
    winner = min(score, key=lambda number: (score[number], number))
    if score[winner] > score[0] * (1 - _BETTER):
        winner = 0
    length = search.fold_days * _DAY
    record = {
        "format": TUNING_FORMAT,
        "search": asdict(search),
        "folds": [{"from": one.isoformat(), "to": (one + length).isoformat()} for one in starts],
        "trials": trials,
        "winner": winner,
        "score": score[winner],
        "score_of_default": score[0],
    }
    return Tuned(with_settings(config, trials[winner]["settings"]), record)


def _mark(
    known: TrackedHistory, as_of: pd.Timestamp, config: TrainingConfig, search: Search
) -> str:
    """Of everything that a trial's score depends on; not of how long is searched."""
    identifiers = pd.util.hash_array(known.shipments["shipment_id"].to_numpy(dtype=object))
    told = (
        *(as_of.isoformat(), known.event, len(known.scans), len(identifiers)),
        *(int(identifiers.sum()), int(known.milestones["event_at"].dropna().astype("int64").sum())),
        *(config, replace(search, seconds=None, trials=1), tuple(SPACE.items())),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
