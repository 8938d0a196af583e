"""Promise quality: laws that any honest judge keeps, against plain loops and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.evaluation import metrics as quality
from etapromise.evaluation.metrics import CensoredOutcomes

DAYS = st.one_of(st.integers(-2, 30).map(float), st.just(math.inf))


@st.composite
def judged_promises(draw):
    n = draw(st.integers(0, 25))

    def column(values):
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=float)

    outcomes = CensoredOutcomes(
        event_day=column(DAYS),
        known_until=column(st.integers(-3, 30)),
        cancelled=column(st.booleans()).astype(bool),
    )
    promised = column(st.one_of(DAYS, st.just(math.nan)))
    return outcomes, promised, column(st.floats(0.01, 1.0))


def simulated(n, *, seed, known_until=None, horizon=25):
    """Parcels drawn from the very distributions that are forecast; some are never delivered."""
    rng = np.random.default_rng(seed)
    mass = rng.dirichlet(np.full(horizon, 0.4), size=n) * rng.uniform(0.9, 1.0, size=(n, 1))
    probability = np.cumsum(mass, axis=1)
    draws = rng.random((n, 1))
    day = np.sum(probability < draws, axis=1).astype(float)
    day[day == horizon] = np.inf
    until = np.full(n, np.inf) if known_until is None else known_until(rng, n)
    # As in an extract: what comes after its end is not known.
    day[day > until] = np.inf
    outcomes = CensoredOutcomes(
        event_day=day,
        known_until=np.minimum(until, horizon - 1.0),
        cancelled=np.zeros(n, dtype=bool),
    )
    return outcomes, probability


def at_level(probability, level):
    reached = probability >= level
    return np.where(reached.any(axis=1), reached.argmax(axis=1), np.inf)


@given(judged_promises())
def test_every_promise_is_counted_exactly_once(case):
    outcomes, promised, confidence = case
    found = quality.summarise(outcomes, promised, confidence)
    assert found.promises == len(outcomes)
    assert found.promises == found.judged + found.pending + found.cancelled + found.undated
    assert found.judged == found.kept + found.late + found.undelivered


@given(judged_promises())
def test_the_counts_equal_a_plain_loop(case):
    outcomes, promised, confidence = case
    counts = dict.fromkeys(("kept", "late", "undelivered", "pending", "cancelled", "undated"), 0)
    stated = []
    for event, until, cancelled, day, said in zip(
        outcomes.event_day,
        outcomes.known_until,
        outcomes.cancelled,
        promised,
        confidence,
        strict=True,
    ):
        if cancelled:
            counts["cancelled"] += 1
        elif math.isnan(day) or math.isinf(day):
            counts["undated"] += 1
        elif day > until:
            counts["pending"] += 1
        else:
            stated.append(said)
            how = "kept" if event <= day else "late" if event < math.inf else "undelivered"
            counts[how] += 1
    found = quality.summarise(outcomes, promised, confidence)
    assert {name: getattr(found, name) for name in counts} == counts
    if stated:
        assert found.kept_rate == counts["kept"] / len(stated)
        assert found.mean_confidence == pytest.approx(sum(stated) / len(stated))
        assert found.gap == pytest.approx(found.kept_rate - found.mean_confidence)
        assert found.kept_low <= found.kept_rate <= found.kept_high
    else:
        assert (found.kept_rate, found.gap, found.kept_low) == (None, None, None)


@given(judged_promises())
def test_counting_delivered_parcels_alone_never_lowers_the_kept_rate(case):
    outcomes, promised, confidence = case
    everything = quality.summarise(outcomes, promised, confidence)
    delivered = quality.summarise_delivered(outcomes, promised, confidence)
    assert delivered.undelivered == 0
    assert (delivered.kept, delivered.late) == (everything.kept, everything.late)
    if delivered.kept_rate is not None:
        assert delivered.kept_rate >= everything.kept_rate


@given(judged_promises(), st.integers(0, 10))
def test_a_later_promise_is_kept_whenever_an_earlier_one_was(case, later):
    outcomes, promised, _ = case
    assert not np.any(quality.kept(outcomes, promised) & ~quality.kept(outcomes, promised + later))


def test_true_distributions_keep_their_promises_though_the_extract_cuts_off_the_slow_parcels():
    # The extract ends while parcels are out. Judged by their promise, the kept rate still equals
    # the stated confidence; counting whatever has arrived as kept would overstate it.
    outcomes, probability = simulated(
        40_000, seed=1, known_until=lambda rng, n: rng.integers(0, 25, n).astype(float)
    )
    for level in (0.5, 0.8, 0.9):
        day = at_level(probability, level)
        stated = np.where(
            np.isfinite(day),
            probability[np.arange(len(day)), np.where(np.isfinite(day), day, 0).astype(int)],
            0.0,
        )
        found = quality.summarise(outcomes, day, stated)
        assert found.pending > 1000
        assert found.mean_confidence >= level
        assert abs(found.gap) < 4 * math.sqrt(0.25 / found.judged)


def test_the_true_quantile_has_the_lowest_pinball_loss():
    _, probability = simulated(1, seed=2)
    one = probability[0]
    # The expected loss over the true distribution of this one parcel, exactly.
    days = np.concatenate([np.arange(25.0), [np.inf]])
    mass = np.diff(np.concatenate([[0.0], one, [1.0]]))
    every = CensoredOutcomes(
        event_day=days, known_until=np.full(26, 18.0), cancelled=np.zeros(26, dtype=bool)
    )
    for level in (0.1, 0.5, 0.9, 0.97):
        expected = [
            float(mass @ quality.pinball_days(every, np.full(26, float(guess)), level))
            for guess in range(25)
        ]
        truth = at_level(probability[:1], level)[0]
        best = min(expected)
        assert expected[int(min(truth, 18))] == pytest.approx(best)


def test_pinball_without_a_cut_off_is_the_textbook_formula():
    outcomes = CensoredOutcomes(
        event_day=np.array([3.0, 10.0]),
        known_until=np.array([np.inf, np.inf]),
        cancelled=np.zeros(2, dtype=bool),
    )
    loss = quality.pinball_days(outcomes, np.array([5.0, 5.0]), 0.9)
    np.testing.assert_allclose(loss, [0.1 * 2, 0.9 * 5])


def test_crps_is_the_mean_over_days_of_a_plain_loop():
    outcomes, probability = simulated(
        50, seed=3, known_until=lambda rng, n: rng.integers(0, 40, n).astype(float)
    )
    expected = []
    for row in range(50):
        total = 0.0
        for k in range(probability.shape[1]):
            if k <= outcomes.known_until[row]:
                total += (probability[row, k] - float(outcomes.event_day[row] <= k)) ** 2
        expected.append(total)
    np.testing.assert_allclose(quality.crps_days(outcomes, probability), expected)


def test_crps_prefers_the_truth_under_censoring():
    outcomes, probability = simulated(
        20_000, seed=4, known_until=lambda rng, n: rng.integers(3, 25, n).astype(float)
    )
    truth = quality.crps_days(outcomes, probability).mean()
    for worse in (np.clip(probability * 1.1, 0, 1), probability**1.3, np.roll(probability, 1, 0)):
        assert quality.crps_days(outcomes, worse).mean() > truth


def test_pit_of_the_truth_is_uniform_although_dates_are_discrete_and_censored():
    outcomes, probability = simulated(
        30_000, seed=5, known_until=lambda rng, n: rng.integers(-2, 25, n).astype(float)
    )
    pit = quality.pit_values(outcomes, probability, seed=7)
    assert pit.min() >= 0
    assert pit.max() <= 1
    counts = np.histogram(pit, bins=20, range=(0, 1))[0]
    chi_squared = float(np.sum((counts - 1500) ** 2) / 1500)
    assert chi_squared < 43.8  # the 99.9 % quantile with 19 degrees of freedom
    np.testing.assert_array_equal(pit, quality.pit_values(outcomes, probability, seed=7))
    # And a forecast that is too early shows.
    early = quality.pit_values(outcomes, np.clip(probability * 1.15, 0, 1), seed=7)
    assert np.sum((np.histogram(early, bins=20, range=(0, 1))[0] - 1500) ** 2) / 1500 > 43.8


def test_a_hit_is_an_event_on_either_end_of_the_interval():
    outcomes = CensoredOutcomes(
        event_day=np.array([2.0, 3.0, 6.0, 7.0, np.inf, 4.0]),
        known_until=np.array([9.0, 9.0, 9.0, 9.0, 9.0, 5.0]),
        cancelled=np.zeros(6, dtype=bool),
    )
    inside, said = quality.interval_hits(outcomes, np.full(6, 3.0), np.full(6, 6.0))
    assert inside[said].tolist() == [False, True, True, False, False]
    assert not said[5]
