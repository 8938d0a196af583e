"""Replaying the past: what a program would have known, and promised, on each day.

Nothing here trusts a model to look away. Whatever had not been received by the moment in question
is taken out of the tables before a model sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from etapromise.array_types import Dates, Ints
from etapromise.errors import ContractError
from etapromise.forecast.distribution import DateDistribution
from etapromise.promise.model import PromiseModel
from etapromise.tracking import TrackedHistory
from etapromise.training.config import TrainingConfig
from etapromise.training.training import train


class Forecaster(Protocol):
    """The part of `PromiseModel` that replaying needs."""

    @property
    def version(self) -> str:
        """The model's name."""

    def refresh(self, history: TrackedHistory, /, *, as_of: pd.Timestamp) -> Self:
        """A model with the same trees and the statistics and calibration of that moment."""

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        """The predictive distribution of each row of accepted shipments."""

    def local_dates(self, shipments: pd.DataFrame, times: pd.Series[Any]) -> Dates:
        """(n,) dates of moments (n,) at the destinations of shipments, NaT where there is none."""


@dataclass(frozen=True, kw_only=True)
class QuotedDays:
    """The quotes of one or more days, all made by one model.

    Attributes:
        rows: Positions of the quoted orders in the history's shipments, (n,), by time of order.
        refreshed_at: The moment whose knowledge they used.
    """

    rows: Ints
    forecast: DateDistribution
    refreshed_at: pd.Timestamp
    version: str


def extract_end(history: TrackedHistory) -> pd.Timestamp:
    """The last moment that the history tells of: its latest order or received scan."""
    told = history.newest(pd.Timestamp.max.tz_localize("UTC"))
    if told is None:
        raise ContractError("found a history without orders and scans, expected some of each")
    return told


def replay_quotes(
    model: Forecaster,
    history: TrackedHistory,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp,
    refresh_every: int = 1,
) -> Iterator[QuotedDays]:
    """Quote every order of ``[start, end)`` with what was known when its day began.

    Args:
        model: Trained on nothing later than ``start``.
        history: The whole history; each quote gets only what was known by then.
        start: Zone-aware. Days are 24 hours long and begin at its time of day.
        refresh_every: Days from one refresh of the statistics and the calibration to the next. A
            program that refreshes nightly has 1.

    Yields:
        The quotes between two refreshes; nothing where there are no orders.
    """
    ordered = history.shipments["ordered_at"]
    moment = start
    while moment < end:
        until = min(moment + pd.Timedelta(days=refresh_every), end)
        rows = np.flatnonzero((ordered >= moment) & (ordered < until))
        if len(rows):
            rows = rows[np.argsort(ordered.to_numpy()[rows], kind="stable")]
            refreshed = model.refresh(history.known_at(moment), as_of=moment)
            orders = history.shipments.iloc[rows].reset_index(drop=True)
            yield QuotedDays(
                rows=rows,
                forecast=refreshed.distribution_many(orders),
                refreshed_at=moment,
                version=refreshed.version,
            )
        moment = until


def quoting(model: PromiseModel) -> PromiseModel:
    """The same model without what only parcels under way need: it is refreshed sooner."""
    if model.parts.transit is None:
        return model
    return PromiseModel(replace(model.parts, transit=None))


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

    def __call__(self, history: TrackedHistory, as_of: pd.Timestamp) -> PromiseModel:
        """Train on a history as of a moment."""
        config = self.config
        if self.quotes_only:
            config = replace(config, transit=None)
        if self.threads is not None:
            config = replace(config, boosting=replace(config.boosting, threads=self.threads))
        if self.threads is not None and config.transit is not None:
            boosting = replace(config.transit.boosting, threads=self.threads)
            config = replace(config, transit=replace(config.transit, boosting=boosting))
        return train(history, as_of=as_of, config=config)
