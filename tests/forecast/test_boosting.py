"""Quantile boosting against a slow reference, and the laws that it keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etapromise.errors import ContractError, InsufficientHistoryError
from etapromise.forecast import boosting
from etapromise.forecast.boosting import BoostingConfig, fit_forest
from etapromise.forecast.boosting_state import BoostingState, Workers
from etapromise.forecast.forest import Forest
from etapromise.forecast.survival import kaplan_meier_quantiles
from tests.forecast.reference_boosting import (
    boosted,
    kaplan_meier,
    masses,
    one_booster_per_level,
    pinball,
    weighted_quantile,
)

LEVELS = np.array([0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
QUICK = BoostingConfig(rounds=30, num_leaves=8, min_data_in_leaf=10, threads=1)
Array = NDArray[np.float64]


def first_trees(forest: Forest, count: int) -> Forest:
    """The forest of the first trees only."""
    trees = forest.trees
    node, leaf = int(trees.node_start[count]), int(trees.leaf_start[count])
    starts = {name: getattr(trees, name)[: count + 1] for name in ("node_start", "leaf_start")}
    others = {name: getattr(trees, name)[:node] for name in trees._fields if name not in starts}
    return Forest(
        levels=forest.levels,
        start=forest.start,
        features=forest.features,
        trees=trees._replace(**starts, **others),
        values=forest.values[:leaf],
    )


def durations(rows: int, seed: int = 0, features: int = 5) -> tuple[Array, Array]:
    """Skewed, wider where the second feature is large, in whole hours so that there are ties."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features))
    X[rng.random(rows) < 0.1, 3] = np.nan
    scale = np.exp(0.4 * X[:, 1])
    y = 48 + 12 * X[:, 0] + 20 * scale * rng.gamma(2.0, size=rows)
    return X, np.round(y + np.where(np.isnan(X[:, 3]), 10, 0))


def censor(y: Array, seed: int = 0, mean: float = 120.0) -> tuple[Array, NDArray[np.bool_]]:
    bound = np.random.default_rng(seed).exponential(mean, len(y)).round()
    return np.minimum(y, bound), bound < y


def same(one: Forest, other: Forest) -> bool:
    return all(
        array.tobytes() == again.tobytes()
        for array, again in zip(one.to_arrays().values(), other.to_arrays().values(), strict=True)
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_censoring", [False, True])
@pytest.mark.parametrize("q", [1, 4, 9])
def test_the_forest_is_the_slow_reference(*, weighted: bool, with_censoring: bool, q: int) -> None:
    X, y = durations(600)
    levels = np.linspace(0.1, 0.9, q) if q > 1 else np.array([0.5])
    y, censored = censor(y) if with_censoring else (y, np.zeros(600, np.bool_))
    # Multiples of 1/8, so that sums are exact and ties fall the same way in any order of adding.
    weight = np.random.default_rng(1).integers(1, 9, 600) / 8 if weighted else np.ones(600)
    config = BoostingConfig(rounds=18, num_leaves=6, min_data_in_leaf=15, threads=1)
    forest = fit_forest(
        X,
        y,
        levels=levels,
        weight=weight if weighted else None,
        censored=censored if with_censoring else None,
        config=config,
    )
    expected = boosted(
        X,
        y,
        levels,
        weight,
        censored,
        boosting._level_order(q),
        boosting._lightgbm_parameters(config),
        config.rounds,
        config.learning_rate,
    )
    # Single precision in the leaves: 1e-7 of about 100 hours, now and then the next tied value.
    difference = np.abs(forest.predict(X) - expected)
    assert np.quantile(difference, 0.98) < 1e-4
    assert difference.max() < 0.5


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 191, 193, 1000, 5000])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_leaves_get_the_weighted_quantiles_of_their_residuals(
    rows: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    y = data.draw(st.sampled_from([np.round, np.asarray]))(rng.standard_cauchy(rows))
    weight = rng.integers(0, 5, rows) / 4
    weight[0] = 1
    censored = rng.random(rows) < data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    start = np.quantile(y, LEVELS)
    leaf = rng.integers(0, 3, rows).astype(np.uint8)
    with Workers(2) as workers:
        state = BoostingState(np.zeros((rows, 1)), y, LEVELS, start, weight, censored, workers)
        values = state.renewed(leaf, 4, 0.5)
    F = np.tile(start, (rows, 1))
    share = masses(y, censored, LEVELS, F)
    for j in range(4):
        mine = leaf == j
        for k, level in enumerate(LEVELS):
            if not mine.any():
                assert values[j, k] == 0
                continue
            residual = (y[mine] - start[k]).astype(np.float32).astype(np.float64)
            mass = (weight[mine] * share[mine, k]).astype(np.float32).astype(np.float64)
            target = level * weight[mine].sum() * (1 - 1e-12)
            expected = np.float32(0.5 * weighted_quantile(residual, mass, target))
            # Adding up in another order may move a mass that is no round number past the target.
            near = [
                np.float32(0.5 * weighted_quantile(residual, mass, target * (1 + nudge)))
                for nudge in (-1e-9, 1e-9)
            ]
            assert values[j, k] in (expected, *near)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_start_values_are_kaplan_meier(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 40))
    y = np.array(data.draw(st.lists(st.integers(0, 9), min_size=rows, max_size=rows)), float)
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), float)
    censored = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    found = kaplan_meier_quantiles(y, LEVELS, weight=weight, censored=censored)
    assert found.tolist() == [kaplan_meier(y, weight, censored, level) for level in LEVELS]


def test_without_censoring_kaplan_meier_is_the_ordinary_quantile() -> None:
    y = np.random.default_rng(0).permutation(200).astype(float)
    expected = np.quantile(y, LEVELS, method="inverted_cdf")
    np.testing.assert_array_equal(kaplan_meier_quantiles(y, LEVELS), expected)


def test_the_gradient_of_a_censored_row_is_that_of_its_expectation() -> None:
    """Spread a row over draws from what the model expects above its bound: same mean gradient."""
    rng = np.random.default_rng(0)
    levels = np.linspace(0.01, 0.99, 50)
    quantiles = np.quantile(rng.gamma(3, 10, 100_000), levels)
    bound = 30.0
    draws = np.interp(rng.uniform(0.001, 0.999, 400_000), levels, quantiles)
    draws = draws[draws > bound]
    with Workers(1) as workers:
        state = BoostingState(
            np.zeros((1, 1)),
            np.array([bound]),
            levels,
            quantiles,
            None,
            np.array([True]),
            workers,
        )
        found = [float(state.gradient(k)[0]) for k in range(50)]
    expected = [
        (draws < quantile).mean() - level for quantile, level in zip(quantiles, levels, strict=True)
    ]
    assert found == pytest.approx(expected, abs=0.01)


def test_censored_rows_tell_what_dropping_or_believing_them_does_not() -> None:
    X, y = durations(12_000, seed=2)
    later, true = durations(4_000, seed=3)
    seen, censored = censor(y, seed=2, mean=110.0)
    assert 0.4 < censored.mean() < 0.7
    config = BoostingConfig(rounds=30, learning_rate=0.15, threads=1)
    levels = LEVELS[:-1]  # past what is ever seen no method can know

    def loss(forest: Forest) -> float:
        return pinball(true, forest.predict(later), levels)

    everything = loss(fit_forest(X, y, levels=levels, config=config))
    respected = loss(fit_forest(X, seen, levels=levels, censored=censored, config=config))
    dropped = loss(fit_forest(X[~censored], seen[~censored], levels=levels, config=config))
    believed = loss(fit_forest(X, seen, levels=levels, config=config))
    assert respected < 1.03 * everything
    assert dropped > 1.04 * everything
    assert believed > 1.4 * everything


def test_censored_promises_are_kept_as_often_as_they_say() -> None:
    X, y = durations(12_000, seed=4)
    later, true = durations(6_000, seed=5)
    seen, censored = censor(y, seed=4, mean=150.0)
    config = BoostingConfig(rounds=25, learning_rate=0.15, threads=1)
    forest = fit_forest(X, seen, levels=LEVELS, censored=censored, config=config)
    kept = (true[:, None] <= forest.predict(later)).mean(axis=0)
    assert kept == pytest.approx(LEVELS, abs=0.035)


def test_as_accurate_as_one_booster_per_level() -> None:
    X, y = durations(8_000, seed=6)
    later, true = durations(4_000, seed=7)
    config = BoostingConfig(rounds=120, learning_rate=0.12, threads=1)
    forest = fit_forest(X, y, levels=LEVELS, config=config)
    ours = pinball(true, forest.predict(later), LEVELS)
    boosters = one_booster_per_level(
        X, y, LEVELS, later, rounds=60, learning_rate=0.1, min_data_in_leaf=50, num_threads=1
    )
    assert ours < 1.01 * pinball(true, boosters, LEVELS)


def test_the_same_input_gives_the_same_bytes_with_any_number_of_threads() -> None:
    X, y = durations(18_000, seed=8, features=3 + 1)
    y, censored = censor(y)
    weight = np.random.default_rng(8).random(len(y))
    forests = []
    for threads in (1, 2, 3):
        config = BoostingConfig(
            rounds=6, bagging_fraction=0.7, feature_fraction=0.7, threads=threads
        )
        part = np.arange(len(y)) >= 17_000
        forests.append(
            fit_forest(
                X,
                y,
                levels=LEVELS,
                weight=weight,
                censored=censored,
                config=config,
                validation=part,
            )
        )
    assert all(same(forests[0], forest) for forest in forests[1:])


def test_growing_is_stopped_by_what_serves_most_of_the_time_best() -> None:
    """A strike in three of eight spans has no say; a mean over all rows would stop for it."""
    count, grown = 3_000, 1_400
    X, y = durations(count, seed=11)
    part = np.arange(count) >= grown
    struck = np.arange(count) >= count - 600
    shock = np.random.default_rng(1).permutation(y[struck]) + 3.0
    y = np.where(struck, np.nan, y)
    y[struck] = shock
    config = BoostingConfig(rounds=60, patience=60, min_data_in_leaf=20, threads=1)
    forest = fit_forest(X, y, levels=LEVELS, config=config, validation=part)
    longer = fit_forest(X[~part], y[~part], levels=LEVELS, config=config)
    blocks = np.array_split(np.flatnonzero(part), 8)
    losses = np.array(
        [
            [pinball(y[rows], first_trees(longer, k).predict(X[rows]), LEVELS) for rows in blocks]
            for k in range(longer.tree_count + 1)
        ]
    )
    best = 0
    for k in range(1, len(losses)):
        if np.median(losses[k] - losses[best]) < 0.0:
            best = k
    assert forest.tree_count == best
    assert int(losses.mean(axis=1).argmin()) < best


def test_float32_features_give_a_forest_for_float32_features() -> None:
    X, y = durations(2_000)
    single = X.astype(np.float32)
    forest = fit_forest(single, y, levels=LEVELS, config=QUICK)
    wide = fit_forest(single.astype(np.float64), y, levels=LEVELS, config=QUICK)
    assert same(forest, wide)


@pytest.mark.parametrize("with_censoring", [False, True])
def test_growing_stops_where_later_rows_are_served_best(*, with_censoring: bool) -> None:
    X, y = durations(1_500, seed=9)
    y, censored = censor(y) if with_censoring else (y, None)
    part = np.arange(1_500) >= 1_000
    rounds: list[tuple[int, int]] = []
    config = BoostingConfig(
        rounds=400, learning_rate=0.3, min_data_in_leaf=3, patience=12, threads=1
    )
    forest = fit_forest(
        X,
        y,
        levels=LEVELS,
        censored=censored,
        config=config,
        validation=part,
        progress=lambda done, total: rounds.append((done, total)),
    )
    assert 0 < forest.tree_count < 200
    assert rounds == [(i, 400) for i in range(1, forest.tree_count + 13)]
    if not with_censoring:
        longer = fit_forest(
            X[~part],
            y[~part],
            levels=LEVELS,
            config=BoostingConfig(
                rounds=forest.tree_count + 12, learning_rate=0.3, min_data_in_leaf=3, threads=1
            ),
        )
        losses = [
            pinball(y[part], first_trees(longer, k).predict(X[part]), LEVELS)
            for k in range(longer.tree_count + 1)
        ]
        assert int(np.argmin(losses)) == forest.tree_count


def test_weights_are_repetitions() -> None:
    X, y = durations(800, seed=11)
    times = np.random.default_rng(11).integers(0, 4, 800)
    config = BoostingConfig(rounds=1, num_leaves=4, min_data_in_leaf=1, threads=1)
    heavy = fit_forest(X, y, levels=LEVELS, weight=times.astype(float), config=config)
    repeated = fit_forest(X.repeat(times, 0), y.repeat(times), levels=LEVELS, config=config)
    np.testing.assert_array_equal(heavy.start, repeated.start)
    # Bins are cut by rows whatever they weigh, so the splits agree only roughly.
    assert heavy.predict(X).mean() == pytest.approx(repeated.predict(X).mean(), rel=0.01)


def test_rows_without_weight_are_as_good_as_absent() -> None:
    X, y = durations(900, seed=12)
    weight = np.random.default_rng(12).integers(0, 3, 900).astype(float)
    config = BoostingConfig(rounds=15, min_data_in_leaf=10, threads=1)
    forest = fit_forest(X, y, levels=LEVELS, weight=weight, config=config)
    there = weight > 0
    without = fit_forest(X[there], y[there], levels=LEVELS, weight=weight[there], config=config)
    assert same(forest, without)


def test_the_unit_of_the_weights_means_nothing() -> None:
    X, y = durations(900, seed=13)
    weight = np.random.default_rng(13).integers(1, 9, 900) / 8
    for unit in (2.0**-40, 2.0**40):
        one, other = (
            fit_forest(X, y, levels=LEVELS, weight=weight * factor, config=QUICK)
            for factor in (1.0, unit)
        )
        assert same(one, other)


def test_growing_goes_on_where_lightgbm_fails_once(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = durations(600, seed=14)
    whole = fit_forest(X, y, levels=LEVELS, config=QUICK)
    calls = iter(range(1000))
    update = lightgbm.Booster.update

    def failing(self: lightgbm.Booster, **arguments: object) -> bool:
        if next(calls) in (4, 5, 20):
            raise lightgbm.basic.LightGBMError("Check failed")
        return update(self, **arguments)

    monkeypatch.setattr(lightgbm.Booster, "update", failing)
    forest = fit_forest(X, y, levels=LEVELS, config=QUICK)
    assert forest.tree_count == whole.tree_count - 3
    assert same(first_trees(forest, 4), first_trees(whole, 4))


def test_lightgbm_may_not_fail_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> bool:
        raise lightgbm.basic.LightGBMError("Check failed")

    monkeypatch.setattr(lightgbm.Booster, "update", failing)
    with pytest.raises(lightgbm.basic.LightGBMError):
        fit_forest(*durations(100), levels=LEVELS, config=QUICK)


def test_nothing_to_split_on_leaves_the_start() -> None:
    y = np.arange(100.0)
    forest = fit_forest(np.ones((100, 2)), y, levels=LEVELS, config=QUICK)
    assert forest.tree_count == 0
    expected = np.tile(kaplan_meier_quantiles(y, LEVELS), (3, 1))
    np.testing.assert_array_equal(forest.predict(np.zeros((3, 2))), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds is 0; expected at least 1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"num_leaves": 257}, "2 to 256"),
        ({"max_depth": 0}, "max_depth"),
        ({"bagging_fraction": 1.5}, "bagging_fraction"),
        ({"threads": 0}, "threads"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        BoostingConfig(**change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.zeros(5)}, ContractError, r"expected \(n, p\) and \(n,\)"),
        ({"y": np.array([1.0, np.nan] * 50)}, ContractError, "NaN or infinite"),
        ({"levels": [0.5, 0.5]}, ContractError, "strictly ascending"),
        ({"levels": []}, ContractError, "1 to 64"),
        ({"levels": [0.0, 0.5]}, ContractError, "within"),
        ({"weight": -np.ones(100)}, ContractError, "weight does not fit"),
        ({"weight": np.zeros(100)}, InsufficientHistoryError, "no rows of positive weight"),
        ({"censored": np.ones(3, np.bool_)}, ContractError, r"censored \(3,\); expected"),
        ({"censored": np.ones(100, np.bool_)}, InsufficientHistoryError, "All 100 rows"),
        ({"validation": np.ones(100, np.bool_)}, InsufficientHistoryError, "some but not all"),
        ({"validation": np.ones(99, np.bool_)}, ContractError, r"validation \(99,\); expected"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, InsufficientHistoryError, "no rows"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    change: dict[str, object], error: type[Exception], message: str
) -> None:
    rng = np.random.default_rng(0)
    arguments = {"X": rng.normal(size=(100, 2)), "y": rng.normal(size=100), "levels": LEVELS}
    arguments |= change
    with pytest.raises(error, match=message):
        fit_forest(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_lightgbm_waits_politely_and_the_environment_stays_as_it_was(tmp_path: Path) -> None:
    stand_in = tmp_path / "lightgbm.py"
    stand_in.write_text("import os\nseen = os.environ['OMP_WAIT_POLICY']\n", encoding="utf-8")
    script = (
        "import os\n"
        "from etapromise.forecast.tree_grower import lightgbm\n"
        "print(lightgbm.seen, os.environ.get('OMP_WAIT_POLICY'))\n"
    )
    for own, expected in ((None, "PASSIVE None"), ("ACTIVE", "ACTIVE ACTIVE")):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        environment.pop("OMP_WAIT_POLICY", None)
        if own is not None:
            environment["OMP_WAIT_POLICY"] = own
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_a_missing_openmp_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "lightgbm.py").write_text(
        "raise OSError('libgomp.so.1: cannot open shared object file')\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import etapromise.forecast.tree_grower"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "NativeLibraryError" in done.stderr
    assert "apt-get install libgomp1" in done.stderr
