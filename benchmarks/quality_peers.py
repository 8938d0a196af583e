"""The peers of quality.py, which starts this once for each peer, in whatever environment has it.

    python benchmarks/quality_peers.py FOLDER PEER

FOLDER holds job.json and, for each fold, the parcels to learn from and those to forecast. Targets
are log(1 + days). Each peer's one setting is chosen in the first fold, by the newest sixth of its
own training parcels. Leaves with 3 where the peer is not installed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]
Fit = Callable[[pd.DataFrame, Floats, dict[str, Any], Any], Predict]

NOT_INSTALLED = 3
SMALLEST_LANE = 50


def lane_table(x: pd.DataFrame, y: Floats, job: dict[str, Any], days: int) -> Predict:
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


def hist_gradient_boosting(x: pd.DataFrame, y: Floats, job: dict[str, Any], trees: int) -> Predict:
    """scikit-learn's, one for each level."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    models = [
        HistGradientBoostingRegressor(
            loss="quantile",
            quantile=level,
            max_iter=trees,
            learning_rate=0.08,
            max_leaf_nodes=15,
            min_samples_leaf=60,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        ).fit(x.to_numpy(), y)
        for level in job["levels"]
    ]
    return lambda later: np.stack([model.predict(later.to_numpy()) for model in models], axis=1)


def _lightgbm_models(x: pd.DataFrame, y: Floats, job: dict[str, Any], trees: int) -> list[Any]:
    from lightgbm import LGBMRegressor

    return [
        LGBMRegressor(
            objective="quantile",
            alpha=level,
            n_estimators=trees,
            learning_rate=0.08,
            num_leaves=15,
            min_child_samples=60,
            reg_lambda=1.0,
            colsample_bytree=0.5,
            subsample=0.7,
            subsample_freq=1,
            n_jobs=1,
            random_state=0,
            verbose=-1,
        ).fit(x.to_numpy(), y)
        for level in job["levels"]
    ]


def lightgbm(x: pd.DataFrame, y: Floats, job: dict[str, Any], trees: int) -> Predict:
    """One booster for each level."""
    models = _lightgbm_models(x, y, job, trees)
    return lambda later: np.stack([model.predict(later.to_numpy()) for model in models], axis=1)


def catboost(x: pd.DataFrame, y: Floats, job: dict[str, Any], trees: int) -> Predict:
    """MultiQuantile: all levels in one model."""
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(
        loss_function="MultiQuantile:alpha=" + ",".join(map(str, job["levels"])),
        iterations=trees,
        depth=job["catboost_depth"],
        learning_rate=0.12,
        thread_count=1,
        random_seed=0,
        verbose=0,
        allow_writing_files=False,
    ).fit(x.to_numpy(), y)
    return lambda later: np.asarray(model.predict(later.to_numpy()))


def mapie(x: pd.DataFrame, y: Floats, job: dict[str, Any], trees: int) -> Predict:
    """Conformalised quantile regression over LightGBM, by the newest fifth of the parcels.

    Each end of an interval is conformalised by itself, so that promises are, too.
    """
    from mapie.regression import ConformalizedQuantileRegressor

    levels = job["levels"]
    fitted, held = x.iloc[: len(x) * 4 // 5], x.iloc[len(x) * 4 // 5 :]
    models = _lightgbm_models(fitted, y[: len(fitted)], job, trees)
    middle = models[levels.index(0.5)]
    conformal = []
    for low in range(levels.index(0.5)):
        high = len(levels) - 1 - low
        conformal.append(
            ConformalizedQuantileRegressor(
                estimator=[models[low], models[high], middle],
                confidence_level=round(levels[high] - levels[low], 9),
                prefit=True,
            ).conformalize(held.to_numpy(), y[len(fitted) :])
        )

    def predict(later: pd.DataFrame) -> Floats:
        out = np.empty((len(later), len(levels)))
        out[:, levels.index(0.5)] = middle.predict(later.to_numpy())
        for low, model in enumerate(conformal):
            _, ends = model.predict_interval(later.to_numpy(), symmetric_correction=False)
            out[:, low], out[:, len(levels) - 1 - low] = ends[:, 0, 0], ends[:, 1, 0]
        return out

    return predict


def quantile_forest(x: pd.DataFrame, y: Floats, job: dict[str, Any], leaf: int) -> Predict:
    """Quantile regression forest (Meinshausen 2006)."""
    from quantile_forest import RandomForestQuantileRegressor

    model = RandomForestQuantileRegressor(
        n_estimators=max(10, job["trees"] // 4),
        min_samples_leaf=leaf,
        max_features=0.4,
        max_samples_leaf=None,
        n_jobs=1,
        random_state=0,
    ).fit(_filled(x), y)
    return lambda later: np.asarray(model.predict(_filled(later), quantiles=job["levels"]))


def _filled(x: pd.DataFrame) -> NDArray[np.float32]:
    """Missing values as one far away, which trees can split off."""
    return np.nan_to_num(x.to_numpy(dtype=np.float32), nan=-1e4)


def _tree_counts(job: dict[str, Any]) -> Sequence[int]:
    return sorted({max(1, job["trees"] // 3), max(1, 2 * job["trees"] // 3), job["trees"]})


PEERS: dict[str, tuple[Fit, Callable[[dict[str, Any]], Sequence[Any]], bool]] = {
    # Fit, settings to choose from, whether further features help it.
    "lane table": (lane_table, lambda _: (45, 90, 180, 365), False),
    "HistGradientBoosting": (hist_gradient_boosting, _tree_counts, True),
    "LightGBM": (lightgbm, _tree_counts, True),
    "CatBoost": (catboost, _tree_counts, True),
    "MAPIE": (mapie, _tree_counts, True),
    "quantile-forest": (quantile_forest, lambda _: (10, 30), True),
}


def pinball(y: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Mean over rows and levels."""
    error, level = y[:, None] - quantiles, np.asarray(levels)
    return float(np.maximum(level * error, (level - 1.0) * error).mean())


def setting_of(
    fit: Fit, settings: Sequence[Any], x: pd.DataFrame, y: Floats, job: dict[str, Any]
) -> Any:
    """The setting that forecasts the newest sixth of the parcels best, fitted on the others."""
    cut = len(y) * 5 // 6
    losses = [
        pinball(
            y[cut:],
            np.sort(fit(x.iloc[:cut], y[:cut], job, setting)(x.iloc[cut:]), axis=1),
            job["levels"],
        )
        for setting in settings
    ]
    return settings[int(np.argmin(losses))]


def main(folder: Path, name: str) -> None:
    """Forecast all folds, with both tables of features and both cohorts."""
    job = json.loads((folder / "job.json").read_text())
    fit, settings, more = PEERS[name]
    for features in ("raw", "own") if more else ("raw",):
        setting = None
        for cohort in ("matured", "all"):
            wall, cpu = time.perf_counter(), time.process_time()
            for fold in job["folds"]:
                train = pd.read_parquet(folder / f"{fold}-train.parquet")
                test = pd.read_parquet(folder / f"{fold}-test.parquet")
                train = train[train[f"y:{cohort}"].notna()]
                columns = [
                    column
                    for column in train.columns
                    if column.startswith(f"{features}:") or (not more and column == "start_day")
                ]
                x, y = train[columns], train[f"y:{cohort}"].to_numpy()
                if setting is None:
                    setting = setting_of(fit, settings(job), x, y, job)
                quantiles = np.sort(fit(x, y, job, setting)(test[columns]), axis=1)
                frame = pd.DataFrame(quantiles, columns=[str(level) for level in job["levels"]])
                frame.to_parquet(folder / f"{fold}-{name}-{features}-{cohort}.parquet")
            row = {
                "features": features,
                "cohort": cohort,
                "setting": setting,
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("started by quality.py; nothing to do alone")
        sys.exit(0)
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_INSTALLED)
