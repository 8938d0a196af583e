"""A bounded, seeded search for settings, by walking validation inside the training period.

Each trial is trained as of moments in the past, quotes the weeks after them as a shop would have,
refreshed weekly, and is scored by what was known at `as_of`: the mean CRPS in days, cut off where
the knowledge ends (see `quality.crps_days`), so that a parcel still under way counts as one.
Nothing after `as_of` is looked at, and no trial is scored by orders that it was trained on.

The first trial is the configuration as it is; the others are drawn at random (Bergstra & Bengio
2012, JMLR 13:281), each from its own seed, so that neither a longer budget nor a stop in between
changes what a trial is. A trial that is clearly worse than the best on the latest weeks is not
tried on the others. Every finished trial is a line in a file; a search that was killed goes on from
there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.errors import ContractError, InsufficientHistoryError
from etapromise.evaluation.forecasters import TrainModel
from etapromise.evaluation.judgement import Truth
from etapromise.evaluation.model_comparison import days_to_mature, judged_orders, quality_of
from etapromise.evaluation.replay import known_at
from etapromise.tracking import TrackedHistory
from etapromise.training.training import TrainingConfig

__all__ = ["SPACE", "Search", "Tuned", "duration", "tune", "with_settings"]

TUNING_FORMAT: Final = "etapromise-tuning/1"

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
"""What is drawn, each value as likely; every other setting stays as the configuration has it."""

_DAY: Final = pd.Timedelta(days=1)
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Search:
    """How long and by what is searched.

    Attributes:
        seconds: How long, what was spent before a stop included; None: no end. A trial that would
            take longer than what is left, by the longest until then, does not begin, and one that
            turns out so is given up without a trace. The first, the configuration itself, is tried
            in any case.
        trials: At most so many, the configuration itself included.
        seed: Of the trials.
        folds: Times of validation, one before the other.
        fold_days: Days of orders in each.
        refresh_every: Days between refreshes while validating.
        hopeless: A trial that is this much worse than the best on the latest fold, as a share, is
            given up.
        better: How much better than the configuration a trial must be to take its place.
    """

    seconds: float | None = 1200.0
    trials: int = 200
    seed: int = 0
    folds: int = 2
    fold_days: int = 28
    refresh_every: int = 7
    hopeless: float = 0.02
    better: float = 0.002

    def __post_init__(self) -> None:
        """Refuse what has no end or no beginning."""
        for name in ("trials", "folds", "fold_days", "refresh_every"):
            if getattr(self, name) < 1:
                raise ContractError(f"found {name}={getattr(self, name)}, expected 1 or more")
        if self.seconds is not None and not self.seconds > 0:
            raise ContractError(f"found seconds={self.seconds}, expected more than 0")


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What the search found.

    Attributes:
        config: The configuration with the best settings.
        record: For the manifest: ``format``, ``search``, ``folds``, ``trials`` (``number``,
            ``settings``, ``scores`` by fold, latest first, ``seconds``), ``winner`` (a number),
            ``score`` and ``score_of_default``.
    """

    config: TrainingConfig
    record: dict[str, Any]


def tune(
    history: TrackedHistory,
    *,
    as_of: pd.Timestamp,
    config: TrainingConfig | None = None,
    search: Search | None = None,
    notes: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Tuned:
    """Search for settings.

    Args:
        history: What was received after ``as_of`` is not looked at.
        as_of: Zone-aware.
        config: Where the search begins, and what is kept where nothing better is found.
        search: How long and by what.
        notes: A directory in which finished trials are written down; a search of the same data,
            configuration and seed goes on from there. None keeps nothing.
        progress: Told the stage, how many trials are done, and how many there are at most.

    Raises:
        InsufficientHistoryError: There is too little history before the earliest fold.
        ContractError: A setting is impossible.
    """
    config, search = config or TrainingConfig(), search or Search()
    known = known_at(history, as_of)
    folds = _folds(known, as_of, search)
    diary = _Diary(notes, known, as_of, config, search)
    begun = time.monotonic()
    best: list[float] | None = None
    number = 0
    while number < search.trials:
        spent = diary.seconds + time.monotonic() - begun
        found = diary.trials.get(number)
        if found is None:
            left = None
            # The configuration itself is always tried: everything is measured against it.
            if number and search.seconds is not None:
                left = search.seconds - spent
                if left < max(float(trial["seconds"]) for trial in diary.trials.values()):
                    break
            found = _tried(known, number, config, search, folds, as_of, best, left)
            if found is None:
                break
            diary.write(found)
        if len(found["scores"]) == len(folds):
            scores = [float(score) for score in found["scores"]]
            best = scores if best is None else min(best, scores, key=np.mean)
        number += 1
        if progress is not None:
            progress("tuning", number, search.trials)
    trials = [diary.trials[each] for each in range(number)]
    return _chosen(config, search, folds, trials)


def with_settings(config: TrainingConfig, settings: Mapping[str, Any]) -> TrainingConfig:
    """A configuration with some settings replaced, such as ``{"boosting.num_leaves": 31}``.

    Raises:
        ContractError: There is no such setting, or its value is of another kind or impossible.
    """
    for path, value in settings.items():
        part, _, name = path.rpartition(".")
        owner: Any = getattr(config, part, None) if part else config
        known = _names(config)
        if path not in known or not is_dataclass(owner) or isinstance(owner, type):
            raise ContractError(f"found the setting {path!r}, expected one of {', '.join(known)}")
        typed = _typed(path, value, getattr(owner, name))
        changed: Any = replace(owner, **{name: typed})
        whole: dict[str, Any] = {part: changed}
        config = replace(config, **whole) if part else changed
    return config


def duration(text: str) -> float:
    """Seconds of a duration such as ``90s``, ``20m`` or ``1.5h``.

    Raises:
        ContractError: It is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise ContractError(f"found the duration {text!r}, expected one such as 90s, 20m or 1.5h")
    return float(found[1]) * _UNITS[found[2]]


def _folds(known: TrackedHistory, as_of: pd.Timestamp, search: Search) -> list[pd.Timestamp]:
    """Where each fold begins, the latest first; it ends `fold_days` later, matured by `as_of`."""
    end = as_of.tz_convert("UTC").normalize() - days_to_mature(known, as_of) * _DAY
    return [
        pd.Timestamp(end - (number + 1) * search.fold_days * _DAY) for number in range(search.folds)
    ]


def _tried(
    known: TrackedHistory,
    number: int,
    config: TrainingConfig,
    search: Search,
    folds: list[pd.Timestamp],
    as_of: pd.Timestamp,
    best: list[float] | None,
    left: float | None,
) -> dict[str, Any] | None:
    """A finished trial, or None where another fold would take longer than the seconds left."""
    settings = _drawn(number, search.seed)
    # One forest instead of several: they are averaged to be steady, which is the same for all.
    recipe = replace(with_settings(config, settings), members=1)
    begun = time.monotonic()
    scores: list[float] = []
    for start in folds:
        try:
            model = TrainModel(recipe)(known_at(known, start), start)
        except InsufficientHistoryError as error:
            raise InsufficientHistoryError(
                f"{error} That was needed to tune by the orders from {start:%Y-%m-%d} on: give "
                "older shipments, or search with fewer or shorter folds."
            ) from error
        truth = Truth.of(known, model.local_event_date(known), extract_end=as_of, settle_days=1)
        table = judged_orders(
            model,
            truth,
            start=start,
            end=start + search.fold_days * _DAY,
            service_level=0.9,
            refresh_every=search.refresh_every,
        )
        scores.append(float(quality_of(table, 0.9)["crps_days"]))
        if number and best is not None and scores[0] > best[0] * (1 + search.hopeless):
            break
        spent = time.monotonic() - begun
        more = len(folds) - len(scores)
        if left is not None and more and spent + spent / len(scores) > left:
            return None
    return {
        "number": number,
        "settings": settings,
        "scores": scores,
        "seconds": round(time.monotonic() - begun, 3),
    }


def _drawn(number: int, seed: int) -> dict[str, float]:
    if number == 0:
        return {}
    rng = np.random.default_rng((seed, number))
    return {name: values[int(rng.integers(len(values)))] for name, values in SPACE.items()}


def _chosen(
    config: TrainingConfig,
    search: Search,
    folds: list[pd.Timestamp],
    trials: list[dict[str, Any]],
) -> Tuned:
    whole = [trial for trial in trials if len(trial["scores"]) == len(folds)]
    scores = {trial["number"]: float(np.mean(trial["scores"])) for trial in whole}
    winner = min(scores, key=lambda number: (scores[number], number))
    if scores[winner] > scores[0] * (1 - search.better):
        winner = 0
    record = {
        "format": TUNING_FORMAT,
        "search": asdict(search),
        "folds": [
            {"from": start.isoformat(), "to": (start + search.fold_days * _DAY).isoformat()}
            for start in folds
        ],
        "trials": trials,
        "winner": winner,
        "score": scores[winner],
        "score_of_default": scores[0],
    }
    settings = next(trial["settings"] for trial in whole if trial["number"] == winner)
    return Tuned(config=with_settings(config, settings), record=record)


class _Diary:
    """Finished trials, one JSON line each, in a file that bears the mark of what is searched."""

    def __init__(
        self,
        directory: Path | None,
        known: TrackedHistory,
        as_of: pd.Timestamp,
        config: TrainingConfig,
        search: Search,
    ) -> None:
        self.trials: dict[int, dict[str, Any]] = {}
        self.seconds = 0.0
        """Spent before this run began."""
        self._path: Path | None = None
        if directory is not None:
            mark = _mark(known, as_of, config, search)
            self._path = directory / f"{mark}.jsonl"
            self._read()

    def _read(self) -> None:
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                trial = json.loads(line)
                self.trials[int(trial["number"])] = trial
            except (ValueError, KeyError, TypeError):
                continue  # cut short when the search was killed
        self.seconds = sum(float(trial["seconds"]) for trial in self.trials.values())

    def write(self, trial: dict[str, Any]) -> None:
        """Keep a finished trial, whatever happens next."""
        self.trials[trial["number"]] = trial
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            # A line that was cut short must not swallow this one.
            ends_well = file.tell() == 0 or self._path.read_bytes().endswith(b"\n")
            file.write((("" if ends_well else "\n") + json.dumps(trial) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())


def _mark(
    known: TrackedHistory, as_of: pd.Timestamp, config: TrainingConfig, search: Search
) -> str:
    """Of everything that a trial's score depends on; not of how long is searched."""
    events = known.milestones["event_at"]
    told = {
        "as_of": as_of.isoformat(),
        "event": known.event,
        "data": [
            len(known.shipments),
            len(known.scans),
            int(pd.util.hash_array(known.shipments["shipment_id"].to_numpy(dtype=object)).sum()),
            int(events.dropna().astype("int64").sum()),
        ],
        "config": repr(config),
        "search": {
            name: value
            for name, value in asdict(search).items()
            if name not in {"seconds", "trials", "better"}
        },
        "space": {name: list(values) for name, values in SPACE.items()},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _names(config: TrainingConfig) -> list[str]:
    """The settings that are numbers, with their part before a dot."""
    found = []
    for each in fields(config):
        value = getattr(config, each.name)
        if is_dataclass(value) and not isinstance(value, type):
            found += [
                f"{each.name}.{part.name}"
                for part in fields(value)
                if isinstance(getattr(value, part.name), int | float)
            ]
        elif isinstance(value, int | float):
            found.append(each.name)
    return found


def _typed(path: str, value: Any, now: float) -> float:
    """The value as what the setting is: a whole number stays one."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ContractError(f"found {path}={value!r}, expected a number") from None
    if isinstance(now, int):
        if number != int(number):
            raise ContractError(f"found {path}={value!r}, expected a whole number")
        return int(number)
    return number
