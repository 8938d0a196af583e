"""A test double for the model: forecasts a simulated network's true distribution.

It needs no training, so that the judges can be tested against the truth, and it writes down what
it was shown, so that a test can tell whether anything was shown too early.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from etapromise.forecast.distribution import DateDistribution
from etapromise.tracking import Event, TrackedHistory
from etapromise_simulator.config import NetworkConfig
from etapromise_simulator.network import Network
from etapromise_simulator.oracle import Oracle

if TYPE_CHECKING:
    import pandas as pd


@cache
def oracle_of(config: NetworkConfig) -> Oracle:
    """Each process asks its own oracle of the same network."""
    return Oracle(Network(config))


def local_dates(moments: pd.Series, zones: pd.Series) -> np.ndarray:
    """The plain way: one time zone after the other."""
    dates = np.full(len(moments), np.datetime64("NaT", "D"))
    for zone in zones.unique():
        rows = (zones == zone).to_numpy()
        local = moments[rows].dt.tz_convert(zone).dt.tz_localize(None)
        dates[rows] = local.to_numpy().astype("datetime64[D]")
    return dates


@dataclass(frozen=True)
class OracleForecaster:
    network: NetworkConfig
    event: Event = "delivered"
    version: str = "oracle"
    horizon: int = 60
    hurry: int = 0
    """Days by which its forecasts come too early: 0 tells the truth, less than 0 comes late."""
    shown: list[tuple[pd.Timestamp, TrackedHistory]] = field(default_factory=list)

    def refresh(self, history: TrackedHistory, *, as_of: pd.Timestamp) -> OracleForecaster:
        self.shown.append((as_of, history))
        return replace(self, version=f"oracle of {as_of:%Y-%m-%d}")

    def distribution_many(self, frame: pd.DataFrame) -> DateDistribution:
        probability = oracle_of(self.network).distribution(frame, self.event, self.horizon)
        if self.hurry > 0:
            last = np.repeat(probability[:, -1:], self.hurry, axis=1)
            probability = np.concatenate([probability[:, self.hurry :], last], axis=1)
        elif self.hurry < 0:
            none = np.zeros((len(frame), -self.hurry))
            probability = np.concatenate([none, probability[:, : self.hurry]], axis=1)
        return DateDistribution(origin_dates=self.origin_dates(frame), probability=probability)

    def origin_dates(self, frame: pd.DataFrame) -> np.ndarray:
        return local_dates(frame["ordered_at"], frame["destination_time_zone"])

    def local_dates(self, shipments: pd.DataFrame, times: pd.Series) -> np.ndarray:
        return local_dates(times, shipments["destination_time_zone"])


@dataclass(frozen=True)
class TrainOracle:
    """What training is to the real model: it sees the history as of a moment."""

    network: NetworkConfig
    hurry: int = 0

    def __call__(self, history: TrackedHistory, as_of: pd.Timestamp) -> OracleForecaster:
        assert history.scans["received_at"].max() <= as_of
        assert history.shipments["ordered_at"].max() <= as_of
        return OracleForecaster(self.network, hurry=self.hurry)
