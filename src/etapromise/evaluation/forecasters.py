"""The library's own model as what the judges judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy.typing as npt

from etapromise.promise.model import PromiseModel
from etapromise.tracking import TrackedHistory
from etapromise.training.config import TrainingConfig
from etapromise.training.training import train

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

    from etapromise.forecast.distribution import DateDistribution


@dataclass(frozen=True)
class ModelForecaster:
    """A `PromiseModel` as a `Forecaster`."""

    model: PromiseModel

    @property
    def version(self) -> str:
        """The model's version."""
        return self.model.version

    def refresh(self, history: TrackedHistory, *, as_of: pd.Timestamp) -> ModelForecaster:
        """The same trees, with the statistics and calibration of a moment; for quotes only."""
        model = self.model
        if model.parts.transit is not None:
            # Nobody tracks a parcel here, and what that needs would be refreshed with the rest.
            model = PromiseModel(replace(model.parts, transit=None))
        return ModelForecaster(model.refresh(history, as_of=as_of))

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        """The predictive distribution of each row of accepted shipments."""
        return self.model.distribution_many(frame)

    def why(self, frame: pd.DataFrame, level: float) -> Mapping[str, float]:
        """Days by cause of the promise of a frame's one row, which sum to those promised."""
        told = self.model.promise_many(frame, service_level=level, explain=True).iloc[0]
        prefix = "why_"
        return {
            str(name).removeprefix(prefix): float(told[name])
            for name in told.index
            if str(name).startswith(prefix)
        }

    def local_event_date(self, history: TrackedHistory) -> npt.NDArray[np.datetime64]:
        """Destination-local date of each event, in the zones that the model takes for granted."""
        return self.model.local_dates(history.shipments, history.milestones["event_at"])


@dataclass(frozen=True)
class TrainModel:
    """Trains the library's own model; what a backtest calls at each of its steps.

    Attributes:
        threads: Of one training; None leaves it to the configuration. Where processes train side
            by side, one each: more would stand in each other's way.
        quotes_only: Leave out what only parcels under way need.
    """

    config: TrainingConfig
    threads: int | None = None
    quotes_only: bool = False

    def __call__(self, history: TrackedHistory, as_of: pd.Timestamp) -> ModelForecaster:
        """Train on a history as of a moment."""
        config = self.config
        if self.quotes_only:
            config = replace(config, transit=None)
        if self.threads is not None:
            config = replace(config, boosting=replace(config.boosting, threads=self.threads))
        if self.threads is not None and config.transit is not None:
            boosting = replace(config.transit.boosting, threads=self.threads)
            config = replace(config, transit=replace(config.transit, boosting=boosting))
        return ModelForecaster(train(history, as_of=as_of, config=config))
