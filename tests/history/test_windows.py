from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.errors import ContractError
from etapromise.history import windows
from etapromise.history.windows import (
    LaneHistograms,
    WindowStatistics,
    statistics_with_fallback,
)
from tests.history.reference_windows import answer

WINDOWS = (1, 7, 28)
LEVELS = ("0.05", "0.5", "0.55", "0.8", "0.95", "1")
Rows = list[tuple[int, int, int]]

# Few keys, days and durations, so that everything collides; days from the first one on.
PARCEL = st.tuples(
    st.integers(0, 3),
    st.one_of(st.integers(0, 60), st.integers(19_000, 19_060)),
    st.one_of(st.integers(0, 9), st.integers(-3, 400)),
)
QUERY = st.tuples(st.integers(-1, 4), st.one_of(st.integers(0, 70), st.integers(18_990, 19_100)))


def table(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["key", "day", "duration"], dtype=np.int64)


def histograms(rows: Rows) -> LaneHistograms:
    return LaneHistograms.count(*(table(rows)[name] for name in ("key", "day", "duration")))


def ask(counted: LaneHistograms, queries: list[tuple[int, int]]) -> WindowStatistics:
    keys, days = (np.array([query[i] for query in queries], dtype=np.int64) for i in (0, 1))
    return counted.statistics(
        keys, days, windows=WINDOWS, levels=[float(level) for level in LEVELS]
    )


def plain(found: WindowStatistics, query: int, window: int) -> dict[str, Any]:
    def number(value: Any) -> Any:
        return None if np.isnan(value) else value

    return {
        "count": found.count[query, window],
        "mean": number(found.mean[query, window]),
        "quantile": [number(value) for value in found.quantile[query, window]],
    }


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(PARCEL, max_size=60), queries=st.lists(QUERY, max_size=30))
def test_equal_to_the_obvious_reference(rows: Rows, queries: list[tuple[int, int]]) -> None:
    found = ask(histograms(rows), queries)
    for i, (key, day) in enumerate(queries):
        for j, window in enumerate(WINDOWS):
            assert plain(found, i, j) == answer(table(rows), key, day, window, LEVELS)


def test_equal_to_the_reference_on_many_parcels_and_blocks(monkeypatch: Any) -> None:
    monkeypatch.setattr(windows, "_BLOCK", 100)
    random = np.random.default_rng(5)
    n = 4000
    parcels = pd.DataFrame(
        {
            "key": random.integers(0, 2**31 - 1, 40)[random.integers(0, 40, n)],
            "day": random.integers(19_000, 19_120, n),
            "duration": random.poisson(4, n),
        }
    )
    counted = LaneHistograms.count(*(parcels[name] for name in parcels))
    queries = [
        (int(key), int(day))
        for key, day in zip(
            random.choice(parcels["key"], 300), random.integers(18_990, 19_160, 300), strict=True
        )
    ]
    found = ask(counted, queries)
    for i, (key, day) in enumerate(queries):
        for j, window in enumerate(WINDOWS):
            assert plain(found, i, j) == answer(parcels, key, day, window, LEVELS)


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(PARCEL, max_size=40), query=QUERY, data=st.data())
def test_a_changed_future_changes_nothing(
    rows: Rows, query: tuple[int, int], data: st.DataObject
) -> None:
    past = [row for row in rows if row[1] < query[1]]
    future = data.draw(st.lists(PARCEL.filter(lambda row: row[1] >= query[1]), max_size=20))
    now, then = ask(histograms(past), [query]), ask(histograms(past + future), [query])
    for j in range(len(WINDOWS)):
        assert plain(now, 0, j) == plain(then, 0, j)


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(PARCEL, max_size=60), data=st.data())
def test_chunks_in_any_order_add_up_to_the_whole(rows: Rows, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), min_size=2, max_size=2)))
    chunks = [shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]], shuffled[cuts[1] :]]
    total = histograms(chunks[0]) + histograms(chunks[1]) + histograms(chunks[2])
    assert total == histograms(rows)
    assert total.parcels == len(rows)


@settings(deadline=None, max_examples=30)
@given(old=st.lists(PARCEL, max_size=40), new=st.lists(PARCEL, max_size=40), day=st.integers(0, 60))
def test_days_sent_again_replace_what_stood_there(old: Rows, new: Rows, day: int) -> None:
    last = day + 5
    again = [row for row in new if day <= row[1] <= last]
    kept = [row for row in old if not day <= row[1] <= last]
    assert histograms(old).replace(day, last, histograms(again)) == histograms(kept + again)
    assert histograms(old).between(day, last) == histograms(
        [row for row in old if day <= row[1] <= last]
    )


def test_other_days_than_those_replaced_are_refused() -> None:
    with pytest.raises(ContractError, match="between"):
        histograms([]).replace(3, 5, histograms([(0, 6, 1)]))


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(PARCEL, max_size=40))
def test_plain_arrays_and_back(rows: Rows) -> None:
    counted = histograms(rows)
    arrays = counted.to_arrays()
    assert LaneHistograms.from_arrays(arrays) == counted
    assert LaneHistograms.from_arrays({name: array[::-1] for name, array in arrays.items()}) == (
        counted
    )
    doubled = {name: np.concatenate([array, array]) for name, array in arrays.items()}
    assert LaneHistograms.from_arrays(doubled) == counted + counted
    sizes = table(rows).groupby(["key", "day", "duration"]).size()
    assert [list(row) for row in zip(*arrays.values(), strict=True)] == [
        [*index, parcels] for index, parcels in sizes.items()
    ]


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(PARCEL, max_size=80),
    queries=st.lists(QUERY, max_size=20),
    enough=st.integers(0, 12),
)
def test_falls_back_to_the_finest_key_with_enough_evidence(
    rows: Rows, queries: list[tuple[int, int]], enough: int
) -> None:
    keys = np.array([key for key, _ in queries], dtype=np.int64)
    days = np.array([day for _, day in queries], dtype=np.int64)
    # Coarser by halving the number of the key; the coarsest has all parcels under one key.
    chain = [histograms([(key >> shift, *rest) for key, *rest in rows]) for shift in (0, 1, 9)]
    chained = [keys, np.where(keys < 0, -1, keys >> 1), np.zeros(len(keys), np.int64)]
    found = statistics_with_fallback(
        chain, chained, days, enough=enough, windows=WINDOWS, levels=[0.5, 0.9]
    )
    for i in range(len(queries)):
        for j, window in enumerate(WINDOWS):
            by_source = [
                histogram.statistics(
                    key[i : i + 1], days[i : i + 1], windows=[window], levels=[0.5, 0.9]
                )
                for histogram, key in zip(chain, chained, strict=True)
            ]
            wanted = next(
                (k for k, one in enumerate(by_source) if one.count[0, 0] >= enough), len(chain) - 1
            )
            assert found.source[i, j] == wanted
            assert plain(found, i, j) == plain(by_source[wanted], 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [1], [0.5]), "durations"),
        (([0], [-1], [1]), "known_days"),
        (([-1], [1], [1]), "keys"),
        (([2**31], [1], [1]), "keys"),
        (([0], [1], [40_000]), "durations"),
        (([0, 1], [1], [1]), "lengths"),
        (([[0]], [1], [1]), "keys"),
    ],
)
def test_bad_parcels_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        LaneHistograms.count(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"windows": [0]}, "windows"),
        ({"levels": [0.5, 0.5]}, "ascending"),
        ({"levels": [0.0]}, "above 0"),
        ({"levels": [1.1]}, "at most 1"),
    ],
)
def test_bad_questions_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        histograms([(0, 1, 1)]).statistics([0], [2], **options)
    with pytest.raises(ContractError, match="days"):
        histograms([(0, 1, 1)]).statistics([0], [70_000])


def test_bad_arrays_and_chains_are_refused() -> None:
    arrays = histograms([(0, 1, 1)]).to_arrays()
    with pytest.raises(ContractError, match="'day'"):
        LaneHistograms.from_arrays({name: arrays[name] for name in ("key", "duration", "parcels")})
    with pytest.raises(ContractError, match="below 1"):
        LaneHistograms.from_arrays(arrays | {"parcels": np.zeros(1, np.int64)})
    with pytest.raises(ContractError, match="at least one"):
        statistics_with_fallback([], [], [1])
