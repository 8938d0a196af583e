"""Picking when to tell, on journeys whose true probabilities are known at every look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from etapromise.errors import ContractError
from etapromise.evaluation.repromise_replay import (
    PastPredictions,
    candidate_policies,
    pick_policy,
    simulate_repromises,
)
from etapromise.promise.under_way.repromise_policy import RepromisePolicy

DAYS, STAGES, MOVES = 40, 5, 0.6
A_DAY = np.timedelta64(1, "D")
NEVER_TELLS = RepromisePolicy(tell_below=0.0, calm_above=0.0, earlier_days=99)


def arrival_curve(stages_left: int, days: int) -> np.ndarray:
    """P(done by the end of day k) of `stages_left` steps, each taken on a day with P = MOVES."""
    chance = [
        1.0 - sum(math.comb(k + 1, s) * MOVES**s * (1 - MOVES) ** (k + 1 - s)
                  for s in range(stages_left))
        for k in range(days)
    ]  # fmt: skip
    return np.clip(chance, 0.0, 1.0)


def journeys(count: int, seed: int) -> PastPredictions:
    """Parcels that take a step a day or not, looked at each morning by who sees the steps."""
    rng = np.random.default_rng(seed)
    ordered = np.datetime64("2025-07-01") + rng.integers(0, 30, count).astype("timedelta64[D]")
    done = np.cumsum(rng.random((count, DAYS)) < MOVES, axis=1)
    arrived = (done >= STAGES).argmax(axis=1)
    curves = np.array([arrival_curve(left, DAYS) for left in range(1, STAGES + 1)])
    parcel, moment, first, probability = [], [], [], []
    for day in range(DAYS):
        for who in np.flatnonzero(arrived >= day):
            left = STAGES - (done[who, day - 1] if day else 0)
            parcel.append(who)
            today = ordered[who] + day * A_DAY
            first.append(today)
            moment.append(today.astype("datetime64[us]") + np.timedelta64(6, "h"))
            probability.append(curves[left - 1])
    promised = int((curves[-1] >= 0.9).argmax())
    return PastPredictions(
        original_date=ordered + promised * A_DAY,
        event_date=ordered + arrived * A_DAY,
        moment=np.array(moment),
        parcel=np.array(parcel),
        today=np.array(first),
        first_date=np.array(first),
        probability=np.array(probability),
    )


def of_parcels(past: PastPredictions, chosen: Any) -> PastPredictions:
    """The looks at some of the parcels, which are numbered anew."""
    place = np.full(len(past.original_date), -1)
    place[chosen] = np.arange(len(chosen))
    looks = place[past.parcel] >= 0
    parts = {name: getattr(past, name)[chosen] for name in ("original_date", "event_date")}
    for name in ("moment", "today", "first_date", "probability"):
        parts[name] = getattr(past, name)[looks]
    return PastPredictions(**parts, parcel=place[past.parcel[looks]])


@pytest.fixture(scope="module")
def past() -> PastPredictions:
    return journeys(600, 1)


@pytest.fixture(scope="module")
def future() -> PastPredictions:
    return journeys(400, 2)


def test_silence_changes_nothing_and_misses_what_the_promise_misses(past: PastPredictions) -> None:
    record = simulate_repromises(past, NEVER_TELLS)
    late = (past.event_date > past.original_date).mean()
    assert record.changes_per_parcel == record.delayed == record.earlier == 0
    assert record.silent_misses == record.missed_originals == late
    assert record.kept_in_the_end == 1.0 - late
    assert (record.precision, record.warning_days) == (None, None)
    assert record.told_in_time == 0.0
    assert record.cost_per_parcel == pytest.approx(5.0 * late)


def test_telling_in_time_leaves_few_silent_misses(past: PastPredictions) -> None:
    silent = simulate_repromises(past, NEVER_TELLS)
    record = simulate_repromises(past, RepromisePolicy())
    assert record.turns == 0
    assert record.changes_per_parcel < 0.3
    assert record.silent_misses < silent.silent_misses / 2
    assert record.told_in_time > 0.75
    assert record.warning_days >= 0.9
    assert record.precision > 0.6
    assert record.kept_in_the_end > silent.kept_in_the_end
    assert record.missed_originals == silent.missed_originals


def test_a_higher_threshold_tells_more_and_misses_less(past: PastPredictions) -> None:
    records = [
        simulate_repromises(past, RepromisePolicy(tell_below=below, calm_above=0.95))
        for below in (0.05, 0.5, 0.9)
    ]
    delayed = [record.delayed for record in records]
    assert delayed == sorted(delayed)
    assert records[0].silent_misses >= records[-1].silent_misses
    assert records[0].precision > records[-1].precision


def test_the_policy_is_the_cheapest_of_the_quiet_ones_and_holds_on_later_parcels(
    past: PastPredictions, future: PastPredictions
) -> None:
    tried = [policy for n, policy in enumerate(candidate_policies()) if n % 3 == 0]
    choice = pick_policy(past, silent_miss_cost=8.0, candidates=tried)
    quiet = choice.table[choice.table["changes_per_parcel"] <= 0.3]
    assert len(choice.table) == len(tried)
    assert choice.record.cost_per_parcel == quiet["cost_per_parcel"].min()
    assert choice.table["cost_per_parcel"].is_monotonic_increasing
    assert choice.record == simulate_repromises(past, choice.policy, silent_miss_cost=8.0)
    later = simulate_repromises(future, choice.policy, silent_miss_cost=8.0)
    never = simulate_repromises(future, NEVER_TELLS, silent_miss_cost=8.0)
    assert later.changes_per_parcel < 0.33
    assert later.cost_per_parcel < 0.7 * never.cost_per_parcel


def test_dear_notices_are_seldom_sent(past: PastPredictions) -> None:
    few = [policy for n, policy in enumerate(candidate_policies()) if n % 9 == 0]
    dear = pick_policy(past, notice_cost=3.0, silent_miss_cost=4.0, candidates=few)
    cheap = pick_policy(past, notice_cost=0.1, silent_miss_cost=4.0, candidates=few)
    assert dear.record.changes_per_parcel < cheap.record.changes_per_parcel
    assert dear.record.silent_misses >= cheap.record.silent_misses


def test_the_order_of_the_looks_does_not_matter(past: PastPredictions) -> None:
    rows = np.random.default_rng(3).permutation(len(past.moment))
    shuffled = PastPredictions(
        original_date=past.original_date,
        event_date=past.event_date,
        moment=past.moment[rows],
        parcel=past.parcel[rows],
        today=past.today[rows],
        first_date=past.first_date[rows],
        probability=past.probability[rows],
    )
    policy = RepromisePolicy()
    assert simulate_repromises(shuffled, policy) == simulate_repromises(past, policy)


def test_some_parcels_are_replayed_like_all_of_them(past: PastPredictions) -> None:
    policy = RepromisePolicy()
    halves = np.array_split(np.arange(600), 2)
    parts = [simulate_repromises(of_parcels(past, half), policy) for half in halves]
    whole = simulate_repromises(past, policy)
    assert sum(part.delayed for part in parts) == whole.delayed
    assert np.mean([part.silent_misses for part in parts]) == pytest.approx(whole.silent_misses)


def test_what_cannot_be_replayed(past: PastPredictions) -> None:
    with pytest.raises(ContractError, match="no parcels"):
        simulate_repromises(of_parcels(past, np.zeros(0, np.int64)), RepromisePolicy())
    talkative = RepromisePolicy(tell_below=0.9, calm_above=0.95, stable_looks=1, stable_hours=0)
    with pytest.raises(ContractError, match=r"no policy with at most 0\.0 changes"):
        pick_policy(past, most_changes=0.0, candidates=[talkative])
