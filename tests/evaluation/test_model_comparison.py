"""Comparing two models on the same orders: the difference and how far luck may move it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.evaluation.model_comparison import clustered_mean, score_difference


def judged(scores, days, outcome="delivered"):
    ordered = pd.Timestamp("2025-03-03 12:00", tz="UTC") + pd.to_timedelta(days, unit="D")
    return pd.DataFrame({"ordered_at": ordered, "crps_days": scores, "outcome": outcome})


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(-3, 3))
def test_swapped_models_differ_the_other_way_and_a_common_storm_falls_out(seed, days, storm):
    rng = np.random.default_rng(seed)
    day = np.arange(60) % days
    ours, theirs = rng.gamma(2.0, 1.0, (2, 60))
    one = score_difference(judged(ours, day), judged(theirs, day))
    other = score_difference(judged(theirs, day), judged(ours, day))
    assert one["mean_days"] == pytest.approx(ours.mean() - theirs.mean())
    assert other["mean_days"] == pytest.approx(-one["mean_days"])
    assert other["standard_error_days"] == pytest.approx(one["standard_error_days"])
    stormy = score_difference(judged(ours + storm, day), judged(theirs + storm, day))
    assert stormy["mean_days"] == pytest.approx(one["mean_days"])
    assert stormy["standard_error_days"] == pytest.approx(one["standard_error_days"])


def test_the_standard_error_is_how_far_means_scatter_when_days_are_alike():
    rng = np.random.default_rng(5)
    days, orders = 20, 15
    cluster = np.repeat(np.arange(days), orders)
    means, errors = [], []
    for _ in range(2000):
        shared = np.repeat(rng.normal(0.0, 1.0, days), orders)
        mean, error, count = clustered_mean(shared + rng.normal(0.0, 1.0, len(shared)), cluster)
        assert count == days
        means.append(mean)
        errors.append(error)
    # Taken as 300 draws it would be 0.082; it is that of 20 days.
    assert np.std(means) == pytest.approx(np.sqrt((1 + 1 / orders) / days), rel=0.05)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.05)


def test_of_nothing_and_of_one_day_no_luck_is_known():
    assert clustered_mean(np.array([]), np.array([], np.int64)) == (None, None, 0)
    assert clustered_mean(np.array([1.0, 3.0]), np.array([0, 0])) == (2.0, None, 1)


def test_cancelled_orders_count_for_nobody():
    day, scores = np.array([0, 1, 2, 3]), np.array([1.0, 2.0, 3.0, 400.0])
    outcome = ["delivered", "delivered", "lost", "cancelled"]
    found = score_difference(judged(scores, day, outcome), judged(np.ones(4), day, outcome))
    assert (found["orders"], found["days"]) == (3, 3)
    assert found["mean_days"] == pytest.approx(1.0)
