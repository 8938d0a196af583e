"""The peers of quality.py: how each learns and forecasts, at its best honest setting.

All learn quantiles of log(1 + days) from the columns they are handed. What a peer has to choose is
chosen by the newest sixth of its own training parcels: how many trees each time it is fitted (it is
then fitted again on all of them), the rest once, in the first fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Job = dict[str, Any]
Predict = Callable[[pd.DataFrame], Floats]
Fit = Callable[[pd.DataFrame, Floats, Job, Any], Predict]

SMALLEST_LANE = 50
PATIENCE = 15


def newest_sixth(count: int) -> int:
    """Where the newest sixth of parcels, which are in the order of their orders, begins."""
    return count * 5 // 6


def lane_table(x: pd.DataFrame, y: Floats, job: Job, days: int) -> Predict:
    """Empirical quantiles of the finest lane with enough parcels in the last `days`."""
    recent = (x["start_day"] >= x["start_day"].max() - days).to_numpy()
    x, y, levels = x[recent], y[recent], job["levels"]
    tables = []
    for columns in job["lanes"]:
        lanes = pd.DataFrame({name: x[f"raw:{name}"].to_numpy() for name in columns})
        found = {
            lane: np.quantile(y[rows], levels)
            for lane, rows in lanes.groupby(list(columns)).indices.items()
            if len(rows) >= SMALLEST_LANE
        }
        tables.append((columns, found))

    def predict(later: pd.DataFrame) -> Floats:
        out = np.tile(np.quantile(y, levels), (len(later), 1))
        for columns, table in reversed(tables):
            lanes = pd.DataFrame({name: later[f"raw:{name}"].to_numpy() for name in columns})
            for lane, rows in lanes.groupby(list(columns)).indices.items():
                if lane in table:
                    out[rows] = table[lane]
        return out

    return predict


def hist_gradient_boosting(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> Predict:
    """scikit-learn's, one for each level."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows, cut = x.to_numpy(), newest_sixth(len(y))

    def model(level: float, trees: int, patience: int | None) -> Any:
        return HistGradientBoostingRegressor(
            loss="quantile",
            quantile=level,
            max_iter=trees,
            learning_rate=0.2,
            max_leaf_nodes=leaves,
            min_samples_leaf=60,
            l2_regularization=1.0,
            early_stopping=patience is not None,
            n_iter_no_change=patience or 1,
            random_state=0,
        )

    models = []
    for level in job["levels"]:
        tried = model(level, job["trees"], PATIENCE)
        tried.fit(rows[:cut], y[:cut], X_val=rows[cut:], y_val=y[cut:])
        # Minus the loss, from no tree on.
        trees = max(1, int(np.argmax(tried.validation_score_)))
        models.append(model(level, trees, None).fit(rows, y))
    return lambda later: np.stack([model.predict(later.to_numpy()) for model in models], axis=1)


def _lightgbm_models(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> list[Any]:
    from lightgbm import Dataset, LGBMRegressor, early_stopping, train

    rows, cut = x.to_numpy(), newest_sixth(len(y))
    models = []
    for level in job["levels"]:
        shared = {
            "objective": "quantile",
            "alpha": level,
            "learning_rate": 0.2,
            "num_leaves": leaves,
            "min_child_samples": 60,
            "reg_lambda": 1.0,
            "colsample_bytree": 0.5,
            "subsample": 0.7,
            "subsample_freq": 1,
            "num_threads": 1,
            "verbose": -1,
        }
        # What is copied makes the columns lie as LightGBM reads them.
        learnt = Dataset(rows[:cut], y[:cut], free_raw_data=False)
        tried = train(
            shared | {"seed": 0},
            learnt,
            num_boost_round=job["trees"],
            valid_sets=[Dataset(rows[cut:], y[cut:], reference=learnt)],
            callbacks=[early_stopping(PATIENCE, verbose=False)],
        )
        trees = max(1, tried.best_iteration)
        models.append(LGBMRegressor(n_estimators=trees, random_state=0, **shared).fit(rows, y))
    return models


def lightgbm(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> Predict:
    """One booster for each level."""
    models = _lightgbm_models(x, y, job, leaves)
    return lambda later: np.stack([model.predict(later.to_numpy()) for model in models], axis=1)


def catboost(x: pd.DataFrame, y: Floats, job: Job, depth: int) -> Predict:
    """MultiQuantile: all levels in one model; places and kinds as its own categories."""
    from catboost import CatBoostRegressor, Pool

    words = [name for name in x.columns if name in job["categories"]]

    def pool(rows: pd.DataFrame, target: Floats | None = None) -> Any:
        coded = {name: rows[name].fillna(-1).astype("int64").astype("str") for name in words}
        return Pool(rows.assign(**coded), target, cat_features=words)

    def model(trees: int, patience: int | None) -> Any:
        return CatBoostRegressor(
            loss_function="MultiQuantile:alpha=" + ",".join(map(str, job["levels"])),
            iterations=trees,
            depth=depth,
            learning_rate=0.15,
            od_type="Iter" if patience else None,
            od_wait=patience,
            thread_count=1,
            random_seed=0,
            verbose=0,
            allow_writing_files=False,
        )

    cut = newest_sixth(len(y))
    tried = model(job["trees"], PATIENCE).fit(
        pool(x.iloc[:cut], y[:cut]), eval_set=pool(x.iloc[cut:], y[cut:]), use_best_model=True
    )
    final = model(max(1, tried.tree_count_), None).fit(pool(x, y))
    return lambda later: np.asarray(final.predict(pool(later)))


def mapie(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> Predict:
    """Conformalised quantile regression over LightGBM, by the newest fifth of the parcels.

    Each end of an interval is conformalised by itself, so that promises are, too.
    """
    from mapie.regression import ConformalizedQuantileRegressor

    levels, cut = job["levels"], len(x) * 4 // 5
    models = _lightgbm_models(x.iloc[:cut], y[:cut], job, leaves)
    middle = models[levels.index(0.5)]
    conformal = []
    for low in range(levels.index(0.5)):
        high = len(levels) - 1 - low
        conformal.append(
            ConformalizedQuantileRegressor(
                estimator=[models[low], models[high], middle],
                confidence_level=round(levels[high] - levels[low], 9),
                prefit=True,
            ).conformalize(x.iloc[cut:].to_numpy(), y[cut:])
        )

    def predict(later: pd.DataFrame) -> Floats:
        out = np.empty((len(later), len(levels)))
        out[:, levels.index(0.5)] = middle.predict(later.to_numpy())
        for low, model in enumerate(conformal):
            _, ends = model.predict_interval(later.to_numpy(), symmetric_correction=False)
            out[:, low], out[:, len(levels) - 1 - low] = ends[:, 0, 0], ends[:, 1, 0]
        return out

    return predict


def quantile_forest(x: pd.DataFrame, y: Floats, job: Job, setting: Sequence[float]) -> Predict:
    """Quantile regression forest (Meinshausen 2006); `setting` is leaf size, share of features."""
    from quantile_forest import RandomForestQuantileRegressor

    model = RandomForestQuantileRegressor(
        n_estimators=100,
        min_samples_leaf=int(setting[0]),
        max_features=setting[1],
        max_samples_leaf=None,
        n_jobs=1,
        random_state=0,
    ).fit(_filled(x), y)
    return lambda later: np.asarray(model.predict(_filled(later), quantiles=job["levels"]))


def survival_boost(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> Predict:
    """hazardous: boosted survival curves over a grid of times; here of arrived parcels."""
    from hazardous import SurvivalBoost

    arrived = pd.DataFrame({"event": np.ones(len(y), np.int64), "duration": y + 1e-6})
    model = SurvivalBoost(
        n_iter=min(60, job["trees"]),
        max_leaf_nodes=leaves,
        min_samples_leaf=60,
        show_progressbar=False,
        random_state=0,
    ).fit(_filled(x), arrived)
    grid = np.unique(np.quantile(y, np.linspace(0.001, 0.999, 120)))

    def predict(later: pd.DataFrame) -> Floats:
        reached = model.predict_cumulative_incidence(_filled(later), times=grid)[:, 1]
        reached = np.maximum.accumulate(reached, axis=1)
        return np.stack([np.interp(job["levels"], row, grid) for row in reached])

    return predict


def gpboost(x: pd.DataFrame, y: Floats, job: Job, leaves: int) -> Predict:
    """Boosted mean of log days with random effects of lanes (Sigrist 2022), a normal around it."""
    import gpboost as gpb
    from scipy.stats import norm

    words = [name for name in x.columns if name in job["categories"] and "weekday" not in name]
    if not words:  # a table of numbers has no lanes of its own
        words = [x.columns[0]]

    def groups(rows: pd.DataFrame) -> Any:
        return rows[words].fillna(-1).astype("int64").astype("str").to_numpy()

    settings = {
        "learning_rate": 0.1, "num_leaves": leaves, "min_data_in_leaf": 60, "verbose": -1,
        "num_threads": 1, "seed": 0,
    }  # fmt: skip
    effects = gpb.GPModel(group_data=groups(x), likelihood="gaussian")
    model = gpb.train(
        settings, gpb.Dataset(x.to_numpy(), y), gp_model=effects, num_boost_round=job["trees"] // 2
    )

    def predict(later: pd.DataFrame) -> Floats:
        told = model.predict(
            data=later.to_numpy(), group_data_pred=groups(later), predict_var=True,
            pred_latent=False,
        )  # fmt: skip
        spread = np.sqrt(told["response_var"])[:, None]
        return np.asarray(told["response_mean"][:, None] + spread * norm.ppf(job["levels"]))

    return predict


def _filled(x: pd.DataFrame) -> NDArray[np.float32]:
    """Missing values as one far away, which trees can split off."""
    return np.nan_to_num(x.to_numpy(dtype=np.float32), nan=-1e4)


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        fit: Learns, and returns what forecasts.
        settings: To choose from; JSON values.
        package: Whose version counts; None for a table.
        more: Whether further columns than those of the lanes help it.
    """

    fit: Fit
    settings: Sequence[Any]
    package: str | None
    more: bool = True


PEERS = {
    "lane table": Peer(lane_table, (45, 90, 180, 365), None, more=False),
    "HistGradientBoosting": Peer(hist_gradient_boosting, (7, 15, 31), "scikit-learn"),
    "LightGBM": Peer(lightgbm, (7, 15, 31), "lightgbm"),
    "CatBoost": Peer(catboost, (4, 6), "catboost"),
    "MAPIE": Peer(mapie, (7, 15, 31), "mapie"),
    "SurvivalBoost": Peer(survival_boost, (15,), "hazardous"),
    "GPBoost": Peer(gpboost, (15,), "gpboost"),
    "quantile-forest": Peer(
        quantile_forest, ((10, 0.4), (30, 0.4), (60, 0.4), (30, 0.8)), "quantile-forest"
    ),
}


def pinball(y: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Mean over rows and levels."""
    error, level = y[:, None] - quantiles, np.asarray(levels)
    return float(np.maximum(level * error, (level - 1.0) * error).mean())


def setting_of(peer: Peer, x: pd.DataFrame, y: Floats, job: Job) -> Any:
    """The setting that forecasts the newest sixth of the parcels best, fitted on the others."""
    cut = newest_sixth(len(y))
    losses = [
        pinball(
            y[cut:],
            np.sort(peer.fit(x.iloc[:cut], y[:cut], job, setting)(x.iloc[cut:]), axis=1),
            job["levels"],
        )
        for setting in peer.settings
    ]
    return peer.settings[int(np.argmin(losses))]
