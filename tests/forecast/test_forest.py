"""The forest against LightGBM's own predictor, and against itself on every code path."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from etapromise import native
from etapromise.errors import ContractError, ModelFileError
from etapromise.forecast.forest import Forest
from etapromise.forecast.forest_layout import Trees, join_trees
from etapromise.forecast.tree_grower import read_trees
from etapromise.stored_arrays import StoredArrays, StoredPart

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
FEATURES = 6
_limit_simd = native.function("etp_limit_simd", "i", "i")
BASELINE, AVX2, AVX512 = 0, 1, 2


@pytest.fixture(params=[BASELINE, AVX2, AVX512], ids=["baseline", "avx2", "avx512"])
def simd(request: pytest.FixtureRequest) -> Iterator[int]:
    if _limit_simd(request.param) != request.param:
        pytest.skip("this processor has no such instructions")
    yield request.param
    _limit_simd(AVX512)


def training_rows(rows: int = 3000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features of every kind: smooth, with NaN, with zeros, codes, tiny, huge."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(rows, FEATURES))
    X[rng.random(rows) < 0.2, 1] = np.nan
    X[rng.random(rows) < 0.4, 2] = 0.0
    X[:, 3] = rng.integers(0, 600, rows)
    X[:, 4] *= 1e-35
    X[:, 5] = rng.choice([-1e300, -3.5e38, -1.0, 0.0, 1e-40, 3.5e38, 1e300], rows)
    effect = rng.normal(size=600)[X[:, 3].astype(int)]
    y = X[:, 0] + np.nan_to_num(X[:, 1], nan=2.0) * (X[:, 2] == 0) + effect
    return X, y + (X[:, 4] > 0) + (X[:, 5] > 0) + rng.normal(size=rows)


def grow(rounds: int = 25, **parameters: object) -> lightgbm.Booster:
    X, y = training_rows()
    return lightgbm.train(
        {
            "objective": "quantile",
            "alpha": 0.7,
            "num_leaves": 31,
            "min_data_in_leaf": 3,
            "min_data_in_bin": 1,
            "num_threads": 1,
            "verbosity": -1,
            **parameters,
        },
        lightgbm.Dataset(X, y),
        rounds,
    )


def with_values(trees: Trees, features: int = FEATURES, q: int = len(LEVELS)) -> Forest:
    """Leaves with values that tell them apart."""
    rng = np.random.default_rng(1)
    leaves = int(trees.leaf_start[-1])
    return Forest(
        levels=np.linspace(0.05, 0.95, q),
        start=np.linspace(-1.0, 1.0, q),
        features=features,
        trees=trees,
        values=rng.normal(scale=0.3, size=(leaves, q)).astype(np.float32),
    )


BOOSTERS = {
    "missing as NaN": grow(),
    "zero as missing": grow(zero_as_missing=True),
    "no missing values": grow(use_missing=False),
    "many thresholds": grow(rounds=60, max_bin=4000),
    "large trees": grow(rounds=8, num_leaves=256),
    "deep trees": grow(rounds=8, num_leaves=60, max_depth=40),
    "stumps": grow(num_leaves=2),
}
FORESTS = {name: with_values(read_trees(booster)) for name, booster in BOOSTERS.items()}
ZERO = float(np.float32(1e-35))
SPECIAL = [
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-40, -1e-40, 1e-36, -1e-36),
    *(1e-35, -1e-35, ZERO, -ZERO, np.nextafter(ZERO, 1), np.nextafter(-ZERO, -1)),
    *(1e300, -1e300, np.nextafter(1e300, np.inf), 3.4028235e38, -3.4028235e38, 1.7e308, 599.5),
]


def thresholds_and_neighbours(forest: Forest) -> NDArray[np.float64]:
    exact = np.unique(forest.trees.threshold)
    return np.concatenate([exact, np.nextafter(exact, -np.inf), np.nextafter(exact, np.inf)])


@pytest.mark.parametrize("name", FORESTS)
@given(data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_row_reaches_the_leaf_that_lightgbm_gives_it(name: str, data: st.DataObject) -> None:
    forest = FORESTS[name]
    edges = thresholds_and_neighbours(forest)
    values = st.one_of(
        st.floats(width=64), st.sampled_from(SPECIAL), st.sampled_from(edges.tolist())
    )
    X = data.draw(hnp.arrays(np.float64, (40, FEATURES), elements=values))
    for rows in (X, with_float32(X)):
        expected = BOOSTERS[name].predict(rows, pred_leaf=True)
        np.testing.assert_array_equal(forest.leaf_index(rows), expected)


def with_float32(X: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return X.astype(np.float32)


@pytest.mark.parametrize("name", FORESTS)
def test_every_code_path_gives_the_same_bits(name: str, simd: int) -> None:
    forest = FORESTS[name]
    rng = np.random.default_rng(2)
    pool = np.concatenate([SPECIAL, thresholds_and_neighbours(forest), rng.normal(size=50)])
    X = rng.choice(pool, size=(150, FEATURES))
    for rows in (X, with_float32(X)):
        expected = slow_prediction(forest, rows)
        np.testing.assert_array_equal(forest.predict(rows), expected)
        if rows.dtype == np.float32:  # what a quote asks with
            for row, answer in zip(rows, expected, strict=True):
                np.testing.assert_array_equal(row_of_a_quote(forest, row), answer)
        np.testing.assert_array_equal(
            forest.leaf_index(rows), BOOSTERS[name].predict(rows, pred_leaf=True)
        )


_row = native.function("etp_forest_row", "", "pppp")


def row_of_a_quote(forest: Forest, row: NDArray[np.float32]) -> NDArray[np.float64]:
    """The kernel that a quote runs for its one row (native/quote.c)."""
    out, scratch = np.empty(len(forest.levels)), np.empty(forest._layout.columns + 64, np.uint8)
    row = np.ascontiguousarray(row)
    _row(forest.address, row.ctypes.data, out.ctypes.data, scratch.ctypes.data)
    return out


def slow_prediction(forest: Forest, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Walk every row down every tree, add up in single precision, sort."""
    out = np.empty((len(X), len(forest.levels)))
    trees = forest.trees
    for i, row in enumerate(X):
        total = np.zeros(len(forest.levels), np.float32)
        for t in range(forest.tree_count):
            base, at = trees.node_start[t], 0
            while at >= 0 and trees.node_start[t + 1] > base:
                node = base + at
                value = float(row[trees.feature[node]])
                missing = np.isnan(value) or (trees.zero_is_nan[node] and abs(value) <= ZERO)
                left = trees.nan_left[node] if missing else value <= trees.threshold[node]
                at = trees.left[node] if left else trees.right[node]
            total += forest.values[trees.leaf_start[t] + (~at if at < 0 else 0)]
        out[i] = np.sort(forest.start + total.astype(np.float64))
    return out


@pytest.mark.parametrize("q", [1, 9, 16, 17, 33, 64])
def test_any_number_of_levels(q: int, simd: int) -> None:
    forest = with_values(read_trees(BOOSTERS["missing as NaN"]), q=q)
    X, _ = training_rows(150)
    np.testing.assert_array_equal(forest.predict(X), slow_prediction(forest, X))
    row = X[0].astype(np.float32)
    np.testing.assert_array_equal(row_of_a_quote(forest, row), forest.predict(row[None])[0])


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 127, 128, 129, 40_000])
def test_threads_and_chunks_change_nothing(rows: int) -> None:
    forest = FORESTS["missing as NaN"]
    X = np.random.default_rng(3).normal(size=(rows, FEATURES))
    one = forest.predict(X, threads=1)
    assert one.shape == (rows, len(LEVELS))
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(forest.predict(X, threads=threads), one)
    np.testing.assert_array_equal(forest.predict(X[::2]), one[::2])
    np.testing.assert_array_equal(forest.predict(np.asfortranarray(X)), one)


def test_many_threads_may_share_one_forest() -> None:
    forest = FORESTS["missing as NaN"]
    X = np.random.default_rng(4).normal(size=(400, FEATURES)).astype(np.float32)
    expected = forest.predict(X)

    def ask(first: int) -> bool:
        return all(
            (row_of_a_quote(forest, X[i]) == expected[i]).all() for i in range(first, len(X), 4)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, [0, 1, 2, 3]))


@given(order=st.permutations(range(5)))
def test_quantiles_never_cross(order: list[int]) -> None:
    """Start values out of order come out sorted."""
    forest = Forest(
        levels=LEVELS,
        start=np.array(order, np.float64),
        features=1,
        trees=join_trees([]),
        values=np.zeros((0, 5), np.float32),
    )
    np.testing.assert_array_equal(forest.predict(np.zeros((1, 1)))[0], np.arange(5.0))


def test_trees_without_a_split_add_their_only_leaf() -> None:
    X, y = training_rows(200)
    booster = lightgbm.train(
        {"num_leaves": 2, "min_data_in_leaf": 150, "verbosity": -1}, lightgbm.Dataset(X, y), 1
    )
    lone = read_trees(booster)
    assert len(lone.feature) == 0
    trees = join_trees([lone, read_trees(BOOSTERS["stumps"], 0, 1), lone])
    forest = with_values(trees)
    np.testing.assert_array_equal(forest.predict(X), slow_prediction(forest, X))
    row = X[0].astype(np.float32)
    np.testing.assert_array_equal(row_of_a_quote(forest, row), forest.predict(row[None])[0])


@pytest.mark.parametrize("name", FORESTS)
def test_arrays_make_the_same_forest(name: str) -> None:
    forest = FORESTS[name]
    again = Forest.from_arrays(forest.to_arrays())
    X, _ = training_rows(100)
    np.testing.assert_array_equal(again.predict(X), forest.predict(X))
    for key, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, forest.to_arrays()[key])


def damaged(name: str, value: object, at: int | slice = slice(None)) -> dict[str, NDArray]:
    arrays = {key: array.copy() for key, array in FORESTS["missing as NaN"].to_arrays().items()}
    if arrays[name].ndim == 0:
        arrays[name] = np.array(value)
    else:
        arrays[name][at] = value
    return arrays


@pytest.mark.parametrize(
    ("name", "value", "at", "message"),
    [
        ("feature", FEATURES, 3, "feature outside"),
        ("feature", -1, 3, "0 at least"),
        ("features", 2, 0, "Found 2 at forest.features"),
        ("left", 0, 0, "does not follow"),
        ("right", 30, 4, "does not follow"),
        ("left", -32, 29, "leaf that the tree does not have"),
        ("right", -1, 29, "no parent, or from more than one"),
        ("node_start", 31, 1, "one leaf more"),
        ("node_start", 5, 0, "do not cover"),
        ("leaf_start", 1, -1, "out of order"),
        ("threshold", np.nan, 0, "not finite"),
        ("values", np.inf, 0, "not finite"),
        ("start", np.nan, 0, "not finite"),
        ("levels", 0.9, 0, "out of order"),
        ("levels", 1.0, 4, "within"),
    ],
)
def test_a_damaged_forest_is_refused(
    name: str, value: object, at: int | slice, message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        Forest.stored(stored(damaged(name, value, at)), FEATURES)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_damaged_the_kernel_is_safe(data: st.DataObject) -> None:
    """Either the forest is refused, or it predicts: nothing reads where it must not."""
    name = data.draw(st.sampled_from(["left", "right", "node_start", "leaf_start", "feature"]))
    arrays = damaged("threshold", 0.0, 0)
    at = data.draw(st.integers(0, len(arrays[name]) - 1))
    arrays[name][at] = data.draw(st.integers(-40, 800))
    try:
        forest = Forest.stored(stored(arrays), FEATURES)
    except ModelFileError:
        return
    X, _ = training_rows(20)
    assert np.isfinite(forest.predict(X)).all()


def test_a_forest_without_one_of_its_arrays_is_refused() -> None:
    arrays = FORESTS["stumps"].to_arrays()
    del arrays["nan_left"]
    with pytest.raises(ModelFileError, match=r"no such array at forest\.nan_left"):
        Forest.stored(stored(arrays), FEATURES)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ContractError, match=r"expected \(rows, 6\)"):
        FORESTS["stumps"].predict(np.zeros((3, 5)))


def test_categories_are_refused() -> None:
    X = np.random.default_rng(0).integers(0, 4, (500, 1)).astype(float)
    booster = lightgbm.train(
        {"verbosity": -1}, lightgbm.Dataset(X, X[:, 0] % 2, categorical_feature=[0]), 2
    )
    with pytest.raises(ContractError, match="splits on categories"):
        read_trees(booster)


def test_nothing_can_change_a_forest() -> None:
    forest = FORESTS["stumps"]
    for array in (forest.levels, forest.start, forest.values, *forest.trees):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_forest_needs_no_lightgbm() -> None:
    script = (
        "import sys, importlib.machinery, types\n"
        "package = types.ModuleType('etapromise')\n"
        f"package.__path__ = {[str(p) for p in __import__('etapromise').__path__]!r}\n"
        "sys.modules['etapromise'] = package\n"
        "import etapromise.forecast.forest\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'lightgbm', 'pandas', 'sklearn', 'scipy'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_split_at_infinity_is_stored_and_read_again() -> None:
    """LightGBM splits "missing or not" there; NaN splits nothing."""
    arrays = FORESTS["missing as NaN"].to_arrays()
    threshold = arrays["threshold"].copy()
    threshold[0] = np.inf
    X, _ = training_rows(50)
    expected = Forest.from_arrays(arrays | {"threshold": threshold}).predict(X)
    found = Forest.stored(stored(arrays | {"threshold": threshold}), FEATURES)
    np.testing.assert_array_equal(found.predict(X), expected)
    threshold[0] = np.nan
    with pytest.raises(ModelFileError, match="not finite at forest"):
        Forest.stored(stored(arrays | {"threshold": threshold}), FEATURES)


def stored(arrays: dict[str, NDArray[np.generic]]) -> StoredPart:
    content = io.BytesIO()
    np.savez(content, **{f"forest.{name}": array for name, array in arrays.items()})
    return StoredArrays("arrays.npz", content.getvalue()).part("forest")
