"""Walking by month: etapromise's own forecasts, and what its peers learn and forecast from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from quality_peers import pinball

from etapromise import PromiseModel
from etapromise.encoding.requests import NUMBERS
from etapromise.evaluation.backtest import BacktestConfig, Fit, Step, steps
from etapromise.evaluation.replay import Forecaster, TrainModel, replay_quotes
from etapromise.history.as_of import KnownOrders
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.outcomes import day_of

if TYPE_CHECKING:
    from quality_networks import Network

Floats = NDArray[np.float64]

# A number that etapromise learns; all others are the tables' own.
LEARNT = ("dispatch_delay",)
CODED = ("origin", "destination", "origin_region", "destination_region", "carrier", "service")
# What the choice of a cohort is tried on: the orders of these days, as long before the fold.
TRIED_BEFORE = 45
TRIED_DAYS = 20
TRIED_LEVELS = (0.5, 0.8, 0.9, 0.95)
NOT_YET = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One month of forecasts.

    Attributes:
        step: The month.
        model: As trained at its start.
        rows: Positions of its orders in the history, (n,).
        dates: Day 0 of each, (n,).
        probability: P(event by the end of day k), (n, horizon of the model).
        wall: Seconds that training, refreshing and forecasting took.
        cpu: The same of the processor.
    """

    step: Step
    model: Forecaster
    rows: NDArray[np.int64]
    dates: NDArray[np.datetime64]
    probability: Floats
    wall: float
    cpu: float


@dataclass(frozen=True)
class Cohort:
    """Which orders a peer learns from: all but those of the last days, and what of open ones.

    Attributes:
        drop: Days before the fold whose orders are left out.
        open_late: Whether parcels without an event count as very late, or are left out.
    """

    drop: int
    open_late: bool

    def target(self, train: pd.DataFrame, moment: int, give_up: int) -> Floats:
        """(n,) log(1 + days) of the orders learnt from on the day `moment`, NaN of the others."""
        within = (train["start_day"] < moment - self.drop).to_numpy()
        known = (train["known_day"] < moment).to_numpy()
        late = np.log1p(float(give_up)) if self.open_late else np.nan
        return np.where(within, np.where(known, train["y"].to_numpy(), late), np.nan)


ALL_DELIVERED = Cohort(0, open_late=False)
MATURED = tuple(Cohort(drop, late) for drop in (14, 25, 40) for late in (False, True))


def walk(network: Network, refresh_every: int, fit: Fit | None = None) -> Iterator[Fold]:
    """Forecast with etapromise as in a backtest: trained by month, refreshed, the future hidden.

    Args:
        network: The orders.
        refresh_every: Days.
        fit: What trains; by default a model of the network's configuration.
    """
    # Forests that explain promises have no say in them.
    fit = fit or TrainModel(replace(network.config, stages=False), threads=1, quotes_only=True)
    for step in steps(BacktestConfig(start=network.walked_from, end=network.end)):
        wall, cpu = time.perf_counter(), time.process_time()
        model = fit(network.history.known_at(step.start), step.start)
        quoted = list(
            replay_quotes(
                model,
                network.history,
                start=step.start,
                end=step.end,
                refresh_every=refresh_every,
            )
        )
        yield Fold(
            step=step,
            model=model,
            rows=np.concatenate([days.rows for days in quoted]),
            dates=np.concatenate([days.forecast.origin_dates for days in quoted]),
            probability=np.concatenate([days.forecast.probability for days in quoted]),
            wall=time.perf_counter() - wall,
            cpu=time.process_time() - cpu,
        )


def peer_tables(network: Network, fold: Fold) -> tuple[pd.DataFrame, pd.DataFrame, Cohort]:
    """What peers learn from and what they forecast.

    Features are "raw:…" (numbers and ordered codes of the tables), "plain:…" (those and as-of means
    of lanes, as a good engineer has them in an afternoon) and "own:…" (those of the fold's own
    model, with the log duration that its forest's output is relative to), as each order's own day
    knew them. Targets, "y:…", are what the fold's start knew.

    Returns:
        The parcels known at the start by time of order, the fold's own in its order, and how
        "y:matured" was made.
    """
    assert isinstance(fold.model, PromiseModel)
    parts = fold.model.parts
    give_up, moment = int(parts.manifest["give_up_after_days"]), day_of(fold.step.start)
    # Each order's features hold what its own day knew, so that one look back serves all of them.
    later = KnownOrders.of(network.history, fold.step.end + pd.Timedelta(days=1))
    gathered = HistoryAsOf.of(
        EncodedOrders.of(later, later.encoder_like(parts.encoder), give_up),
        parts.statistics.settings,
    )
    start, known = gathered.outcomes.start_day, gathered.outcomes.event_known_day
    learnt = np.flatnonzero(start < moment)
    place = pd.Index(later.shipments["shipment_id"])
    asked = place.get_indexer(network.history.shipments["shipment_id"].iloc[fold.rows])
    assert (asked >= 0).all(), "an order that was called off within its month has no features"

    raw = _raw_features(network, later.shipments, gathered, learnt)
    every = np.arange(len(later.shipments))
    x, offset = gathered.features(gathered.builder(parts.contract), every)
    own = pd.DataFrame(x, columns=[f"own:{name}" for name in parts.contract.names])
    own["own:offset"] = offset.astype(np.float32)
    # Its forest sees these through the calendars alone, which peers do not have.
    own["own:dispatch_delay"] = gathered.requests.dispatch_delay.astype(np.float32)
    for name in ("hour", "weekday"):
        own[f"own:{name}"] = raw[f"raw:{name}"]
    days = gathered.outcomes.event_day - gathered.requests.order_day + gathered.outcomes.within
    arrived = known < NOT_YET
    plain = raw.set_axis([f"plain:{name[4:]}" for name in raw.columns], axis=1)
    means = _as_of_means(network.lanes, later.shipments, start, np.where(arrived, known, -1), days)
    features = pd.concat([raw, plain, means, own], axis=1).assign(start_day=start)
    train = features.iloc[learnt].assign(
        known_day=np.where(known < moment, known, NOT_YET)[learnt],
        y=np.where(arrived & (known < moment), np.log1p(np.maximum(days, 0.0)), np.nan)[learnt],
    )
    cohort = _best_cohort(train, moment, give_up)
    train["y:matured"] = cohort.target(train, moment, give_up)
    train["y:all"] = ALL_DELIVERED.target(train, moment, give_up)
    return train.reset_index(drop=True), features.iloc[asked].reset_index(drop=True), cohort


def _raw_features(
    network: Network, shipments: pd.DataFrame, gathered: HistoryAsOf, learnt: NDArray[np.int64]
) -> pd.DataFrame:
    requests = gathered.requests
    names = (*NUMBERS, *network.config.numeric)
    columns: dict[str, Any] = {
        f"raw:{name}": requests.numbers[:, place]
        for place, name in enumerate(names)
        if name not in LEARNT
    }
    columns["raw:weekday"] = (requests.order_day + 3) % 7
    here, there = (
        np.radians(requests.numbers[:, [names.index(f"{end}_lat"), names.index(f"{end}_lon")]])
        for end in ("origin", "destination")
    )
    columns["raw:distance_km"] = _great_circle_km(here, there)
    for name in (*CODED, *network.config.categorical):
        if name not in shipments.columns:
            continue
        values = shipments[name].astype("object")
        known = sorted(values.iloc[learnt].dropna().unique())
        codes = pd.Categorical(values, categories=known).codes.astype(np.float64)
        columns[f"raw:{name}"] = np.where(codes < 0, np.nan, codes)
    frame = pd.DataFrame(columns)
    seen = frame.iloc[learnt]
    return frame.loc[:, seen.min() < seen.max()].astype(np.float32)


def _as_of_means(
    lanes: Sequence[tuple[str, ...]],
    shipments: pd.DataFrame,
    asked: NDArray[np.int64],
    known: NDArray[np.int64],
    days: Floats,
) -> pd.DataFrame:
    """Mean log days of the parcels of each lane known to have arrived, of all time and of 28 days.

    Args:
        lanes: Columns that make a lane, from the finest to the coarsest.
        shipments: (n, ...).
        asked: (n,) the day of each order; what became known on it or later is not counted.
        known: (n,) the day on which an arrival became known, -1 of none.
        days: (n,) how long it took.
    """
    found = {}
    value = np.log1p(np.maximum(days, 0.0))
    span = int(max(asked.max(), known.max())) + 1
    for columns in (*lanes, ("destination",), ("origin",)):
        names = list(columns)
        lane = shipments[names].astype(str).groupby(names).ngroup().to_numpy() * span
        came = np.flatnonzero(known >= 0)
        came = came[np.argsort(lane[came] + known[came], kind="stable")]
        moment = (lane + known)[came]
        total = np.concatenate([[0.0], np.cumsum(value[came])])
        until = np.searchsorted(moment, lane + asked)
        for back in (28, None):
            since = lane if back is None else lane + np.maximum(asked - back, 0)
            first = np.searchsorted(moment, since)
            count = until - first
            with np.errstate(invalid="ignore"):
                mean = (total[until] - total[first]) / count
            name = f"plain:{'-'.join(columns)}, {back or 'all'} days"
            found[name] = mean.astype(np.float32)
            found[f"{name}, count"] = np.log1p(count).astype(np.float32)
    return pd.DataFrame(found)


def _great_circle_km(here: Floats, there: Floats) -> Floats:
    half = np.sin((there - here) / 2.0) ** 2
    inner = half[:, 0] + np.cos(here[:, 0]) * np.cos(there[:, 0]) * half[:, 1]
    return 2.0 * 6_371.0 * np.arcsin(np.sqrt(np.clip(inner, 0.0, 1.0)))


def _best_cohort(train: pd.DataFrame, moment: int, give_up: int) -> Cohort:
    """The cohort whose boosters forecast the newest orders with known outcome best.

    As of TRIED_BEFORE days before the fold; what is still open counts as later than its age.
    """
    then = moment - TRIED_BEFORE
    start = train["start_day"].to_numpy()
    tried = (start >= then) & (start < then + TRIED_DAYS)
    age = np.log1p(moment - start[tried].astype(np.float64))
    came = np.minimum(np.nan_to_num(train["y"].to_numpy()[tried], nan=np.inf), age)
    raw = train.filter(like="raw:").to_numpy()
    losses = []
    for cohort in MATURED:
        y = cohort.target(train, then, give_up)
        rows = ~np.isnan(y)
        quantiles = [
            LGBMRegressor(
                objective="quantile", alpha=level, n_estimators=60, learning_rate=0.1,
                num_leaves=15, min_child_samples=60, n_jobs=1, random_state=0, verbose=-1,
            ).fit(raw[rows], y[rows]).predict(raw[tried])
            for level in TRIED_LEVELS
        ]  # fmt: skip
        forecast = np.minimum(np.stack(quantiles, axis=1), age[:, None])
        losses.append(pinball(came, forecast, TRIED_LEVELS))
    return MATURED[int(np.argmin(losses))]
