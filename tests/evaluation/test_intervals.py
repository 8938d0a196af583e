"""Intervals, censored percentiles and shrinkage, held against what they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.evaluation.metrics import (
    chance_best,
    kaplan_meier_percentiles,
    shrunk_shares,
    wilson_interval,
)


def test_wilson_is_the_published_interval() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    low, high = wilson_interval([81, 15, 0, 1], [263, 148, 20, 29])
    assert low == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_mirrors(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = (float(edge) for edge in wilson_interval(hits, count))
    assert 0.0 <= low <= hits / count <= high <= 1.0
    assert low < high
    mirrored = [1.0 - float(edge) for edge in wilson_interval(count - hits, count)]
    assert mirrored[::-1] == pytest.approx([low, high])
    # Inverting the score test is what it is: at its ends |share - p| = z sqrt(p (1 - p) / n).
    for end in (low, high):
        if 0 < end < 1:
            score = abs(hits / count - end) / math.sqrt(end * (1 - end) / count)
            assert score == pytest.approx(1.959963984540054, rel=1e-6)


def test_nothing_seen_is_nothing_known() -> None:
    assert np.isnan(wilson_interval([0], [0])).all()


percents = st.lists(st.floats(1, 99), min_size=1, max_size=4).map(tuple)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), percents)
def test_without_open_parcels_percentiles_are_the_plain_ones(
    days: list[int], levels: tuple
) -> None:
    found = kaplan_meier_percentiles(np.array(days, float), np.ones(len(days), bool), levels)
    expected = np.quantile(days, np.array(levels) / 100, method="inverted_cdf")
    assert found.tolist() == expected.tolist()


def test_the_product_limit_by_hand() -> None:
    """Five parcels, the second and fourth still open: survival 4/5, 4/5·2/3, 0 after the last."""
    days = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    arrived = np.array([True, False, True, False, True])
    found = kaplan_meier_percentiles(days, arrived, (20.0, 21.0, 46.0, 47.0, 100.0))
    assert found.tolist() == [1.0, 3.0, 3.0, 5.0, 5.0]
    arrived[-1] = False
    found = kaplan_meier_percentiles(days, arrived, (46.0, 47.0))
    assert found[0] == 3.0
    assert np.isnan(found[1])  # whether it is ever reached is not known yet
    gone = kaplan_meier_percentiles(np.array([1.0, np.inf]), np.array([True, False]), (50.0, 51.0))
    assert gone.tolist() == [1.0, np.inf]
    assert np.isnan(kaplan_meier_percentiles(np.zeros(0), np.zeros(0, bool), (50.0,))).all()


def test_open_parcels_do_not_make_a_partner_look_fast() -> None:
    """Of parcels that take 1 to 20 days, those ordered in the last days are mostly open."""
    rng = np.random.default_rng(1)
    takes, age = rng.uniform(1, 20, 4_000), rng.uniform(0, 25, 4_000)
    arrived = takes <= age
    honest = kaplan_meier_percentiles(np.minimum(takes, age), arrived, (50.0, 90.0))
    assert honest == pytest.approx(np.quantile(takes, [0.5, 0.9]), abs=0.6)
    assert np.quantile(takes[arrived], 0.9) < honest[1] - 0.5


def test_few_parcels_lean_on_the_prior_and_many_do_not() -> None:
    hits = np.array([3.0, 0.0, 850.0, 700.0, 0.0])
    count = np.array([3.0, 2.0, 1_000.0, 1_000.0, 0.0])
    share, evidence = shrunk_shares(hits, count, np.full(5, 0.8))
    assert share[2] == pytest.approx(0.85, abs=0.01)
    assert share[3] == pytest.approx(0.70, abs=0.01)
    assert 0.8 < share[0] < share[2]
    assert share[3] < share[1] < 0.8
    assert share[4] == 0.8
    assert (evidence > count).all()


def test_groups_that_differ_by_luck_only_are_shrunk_to_the_prior() -> None:
    rng = np.random.default_rng(2)
    count = np.full(200, 30.0)
    same = rng.binomial(30, 0.8, 200).astype(float)
    apart = rng.binomial(30, rng.beta(4, 1, 200)).astype(float)
    prior = np.full(200, 0.8)
    assert shrunk_shares(same, count, prior)[0].std() < 0.02
    assert shrunk_shares(apart, count, prior)[0].std() > 0.1


def test_the_chance_of_being_best_is_that_of_draws() -> None:
    share, evidence = np.array([0.9, 0.85, 0.85]), np.array([60.0, 200.0, 20.0])
    rng = np.random.default_rng(3)
    draws = rng.beta(share * evidence, (1 - share) * evidence, (100_000, 3))
    expected = np.bincount(draws.argmax(axis=1), minlength=3) / 100_000
    found = chance_best(share, evidence)
    assert found == pytest.approx(expected, abs=0.01)
    assert found.sum() == pytest.approx(1.0)
    assert chance_best(np.array([0.5]), np.array([10.0])).tolist() == [1.0]
