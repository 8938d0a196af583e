"""The compiled sweep against a plain one, and what effects must never depend on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from etapromise.errors import InsufficientHistoryError
from etapromise.history.effects import FIELDS, NEVER_DAY, Durations, EffectSettings, Resumed, Sweep
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.statistics import build_statistics
from etapromise.lanes.levels import HANDLING_LEVELS
from tests.history.reference_effects import ReferenceEffects

FIRST, DAYS = 20_000, 70
SIZES = [2, 4, 7, 12]
PRIORS = (0.0, 3.0, 5.0, 9.0)


def elapsed() -> np.ndarray:
    """Three clocks: every day, no Sundays, a slow one with half Saturdays and a closed week."""
    weight = np.ones((3, DAYS + 40))
    weekday = (FIRST - 5 + np.arange(DAYS + 40) + 3) % 7
    weight[1, weekday == 6] = 0.0
    weight[2, weekday == 5] = 0.5
    weight[2, weekday == 6] = 0.0
    weight[2, 30:37] = 0.0
    return np.concatenate([np.zeros((3, 1)), np.cumsum(weight, axis=1)], axis=1)


def random_parcels(seed: int, count: int) -> tuple[Durations, np.ndarray]:
    """Parcels of four levels; slow keys, late news, losses, and many still open."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(FIRST, FIRST + DAYS, count)).astype(np.int32)
    codes = np.stack([rng.integers(1, size, count) for size in SIZES]).astype(np.int32)
    slow = [rng.normal(0, 0.3, size) for size in SIZES]
    taken = np.exp(
        1.0
        + sum(s[c] for s, c in zip(slow[1:], codes[1:], strict=True))
        + rng.normal(0, 0.5, count)
    )
    known = start + np.ceil(taken).astype(np.int32) + rng.integers(0, 3, count).astype(np.int32)
    known[rng.random(count) < 0.05] = NEVER_DAY
    closed = np.where(rng.random(count) < 0.05, start + rng.integers(0, 20, count), start + 30)
    clock = rng.integers(0, 3, count).astype(np.int32)
    # A scan received on the very day of the order, and news older than the order.
    known[:3] = start[:3] + np.array([0, -1, 1], np.int32)
    return (
        Durations(
            start_day=start,
            start_clock=elapsed()[clock, start - (FIRST - 5)],
            clock=clock,
            value=np.where(known < NEVER_DAY, np.log(taken + 1.0), np.nan),
            known_day=known.astype(np.int32),
            closed_day=closed.astype(np.int32),
        ),
        codes,
    )


def compiled(
    durations: Durations,
    codes: np.ndarray,
    end_day: int,
    settings: EffectSettings,
    paced_level: int = -1,
) -> tuple[np.ndarray, np.ndarray]:
    return sweep(durations, codes, settings, paced_level).run(end_day)[:2]


def sweep(
    durations: Durations, codes: np.ndarray, settings: EffectSettings, paced_level: int = -1
) -> Sweep:
    return Sweep(
        durations=durations,
        codes=codes,
        table_sizes=SIZES,
        elapsed=elapsed(),
        first_clock_day=FIRST - 5,
        settings=settings,
        paced_level=paced_level,
        priors=PRIORS if paced_level >= 0 else None,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_sweep_equals_the_plain_one(seed: int) -> None:
    durations, codes = random_parcels(seed, 260)
    settings = EffectSettings(
        half_life=25.0 + 10 * seed, pace_half_life=4.0, prior=3.0, pace_prior=6.0
    )
    end = FIRST + DAYS - 12
    paced_level, priors = ((1, PRIORS), (-1, ()))[seed % 2]
    at_start, at_end = compiled(durations, codes, end, settings, paced_level)
    reference = ReferenceEffects(
        *(durations, codes, elapsed(), FIRST - 5, settings), paced_level, priors
    )
    expected_start, expected_end = reference.sweep(end, SIZES)
    assert len(reference.residuals) > 50
    assert len(reference.open) > 5
    np.testing.assert_allclose(at_start, expected_start, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(at_end, expected_end, rtol=2e-5, atol=2e-5)


def test_whole_numbers_are_settings_too() -> None:
    durations, codes = random_parcels(5, 300)
    whole = EffectSettings(half_life=60, pace_half_life=6, prior=7, pace_prior=12, offset=1)
    same = EffectSettings(half_life=60.0, pace_half_life=6.0, prior=7.0, pace_prior=12.0)
    for one, other in zip(
        compiled(durations, codes, FIRST + DAYS, whole),
        compiled(durations, codes, FIRST + DAYS, same),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(3))
def test_an_order_knows_what_a_snapshot_of_its_day_knows(seed: int) -> None:
    durations, codes = random_parcels(10 + seed, 400)
    settings = EffectSettings()
    at_start, _ = compiled(durations, codes, FIRST + DAYS, settings)
    starts = np.concatenate([[0], np.cumsum(SIZES)[:-1]])
    for day in np.unique(durations.start_day)[1:]:
        _, snapshot = compiled(durations, codes, int(day), settings)
        rows = np.flatnonzero(durations.start_day == day)
        expected = snapshot[(starts[:, None] + codes[:, rows]).T]
        np.testing.assert_array_equal(at_start[rows], expected)


def test_what_becomes_known_later_changes_nothing_before() -> None:
    durations, codes = random_parcels(20, 400)
    settings = EffectSettings()
    moment = FIRST + 40
    rng = np.random.default_rng(1)
    later = durations.known_day >= moment
    changed = dataclasses.replace(
        durations,
        known_day=np.where(later, moment + rng.integers(0, 40, 400), durations.known_day).astype(
            np.int32
        ),
        value=np.where(later, rng.normal(3, 1, 400), durations.value),
        closed_day=np.where(durations.closed_day >= moment, NEVER_DAY, durations.closed_day).astype(
            np.int32
        ),
    )
    one, _ = compiled(durations, codes, FIRST + DAYS, settings)
    other, _ = compiled(changed, codes, FIRST + DAYS, settings)
    before = durations.start_day <= moment
    np.testing.assert_array_equal(one[before], other[before])
    assert (one[~before] != other[~before]).any()
    np.testing.assert_array_equal(
        compiled(durations, codes, moment, settings)[1],
        compiled(changed, codes, moment, settings)[1],
    )


def test_a_key_never_seen_knows_nothing() -> None:
    durations, codes = random_parcels(30, 200)
    _, at_end = compiled(durations, codes, FIRST + DAYS, EffectSettings())
    first_rows = np.concatenate([[0], np.cumsum(SIZES)[:-1]])
    for field in ("effect", "evidence", "pace", "pace_evidence"):
        assert (at_end[first_rows, FIELDS.index(field)] == 0).all()


def test_a_slow_key_is_recovered() -> None:
    """Known durations, no noise worth the name: the difference of effects is the planted one."""
    count = 4000
    rng = np.random.default_rng(2)
    start = np.sort(rng.integers(FIRST, FIRST + DAYS, count)).astype(np.int32)
    codes = np.stack(
        [np.ones(count), rng.integers(1, 3, count), np.ones(count), np.ones(count)]
    ).astype(np.int32)
    value = 1.2 + np.where(codes[1] == 2, 0.4, 0.0) + rng.normal(0, 0.1, count)
    durations = Durations(
        start_day=start,
        start_clock=elapsed()[0, start - (FIRST - 5)],
        clock=np.zeros(count, np.int32),
        value=value,
        known_day=start + 3,
        closed_day=np.full(count, NEVER_DAY, np.int32),
    )
    _, at_end = compiled(durations, codes, FIRST + DAYS, EffectSettings(prior=1.0))
    effect = at_end[:, FIELDS.index("effect")]
    assert effect[SIZES[0] + 2] - effect[SIZES[0] + 1] == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("save_on", [FIRST, FIRST + 1, FIRST + 40, FIRST + 57, FIRST + 66])
@pytest.mark.parametrize("seed", range(3))
def test_a_sweep_that_goes_on_is_the_whole_one(seed: int, save_on: int) -> None:
    durations, codes = random_parcels(seed, 400)
    asked, end = sweep(durations, codes, EffectSettings(half_life=25.0)), FIRST + 66
    days = [day for day in (save_on, save_on + 9) if day <= end]
    whole = asked.run(end, save_on=days)
    assert [a.tobytes() for a in whole[:2]] == [a.tobytes() for a in asked.run(end)[:2]]
    later = np.flatnonzero(durations.start_day >= save_on)
    some = later[::3]
    begin = Resumed(save_on, whole.states[0], whole.at_start[:0])
    for until in (max(save_on, FIRST + 1), (save_on + end) // 2, end):
        rest, of_all = (
            asked.run(until, wanted=some, resume=begin),
            asked.run(until),
        )
        assert rest.at_end.tobytes() == of_all.at_end.tobytes()
        assert rest.at_start.tobytes() == of_all.at_start[some].tobytes()
    again = asked.run(end, wanted=some, resume=begin, save_on=days[1:])
    for one, other in zip(again.states, whole.states[1:], strict=True):
        for name, array in one.to_arrays().items():
            assert array.tobytes() == getattr(other, name).tobytes(), name


def new_key(shift: float, age: int, a_day: int, seed: int) -> float:
    """The effect of a key that many days after its first parcel, beside one that is 200 days older.

    Parcels take a week, those of the new key times exp(shift), and most of them are still open.
    """
    rng = np.random.default_rng(seed)
    begun, usual = FIRST + 200, 60
    start = np.concatenate(
        [
            np.repeat(np.arange(FIRST, begun + age), usual),
            np.repeat(np.arange(begun, begun + age), a_day),
        ]
    )
    new = np.arange(len(start)) >= (200 + age) * usual
    order = np.argsort(start, kind="stable")
    start, new = start[order].astype(np.int32), new[order]
    value = np.log(8.0) + np.where(new, shift, 0.0) + rng.normal(0, 0.3, len(start))
    days = np.exp(value) - 1.0
    durations = Durations(
        start_day=start,
        start_clock=(start - FIRST).astype(np.float64),
        clock=np.zeros(len(start), np.int32),
        value=value,
        known_day=start + np.ceil(days).astype(np.int32),
        closed_day=start + 40,
    )
    ones = np.ones(len(start), np.int32)
    asked = Sweep(
        durations=durations,
        codes=np.stack([ones, ones + new]).astype(np.int32),
        table_sizes=[2, 3],
        elapsed=np.arange(300.0)[None],
        first_clock_day=FIRST,
        settings=EffectSettings(),
    )
    at_end = asked.run(begun + age).at_end
    return float(at_end[4, 0] - at_end[3, 0])


@pytest.mark.parametrize(("shift", "age", "learned"), [(-0.5, 6, 0.6), (0.4, 10, 0.7)])
def test_open_parcels_do_not_hold_a_new_key_at_its_first_days_belief(
    shift: float, age: int, learned: float
) -> None:
    found = np.mean([new_key(shift, age, 20, seed) for seed in range(3)])
    assert learned < found / shift < 1.1


@pytest.mark.parametrize("a_day", [5, 20, 200])
@pytest.mark.parametrize("age", [1, 3, 6, 10])
def test_open_parcels_make_no_effect_of_nothing(age: int, a_day: int) -> None:
    assert abs(np.mean([new_key(0.0, age, a_day, seed) for seed in range(3)])) < 0.16


def alike(slowdown: float) -> tuple[Durations, np.ndarray]:
    """All keys alike; from day 50 on everything takes `slowdown` times as long."""
    count = 6000
    rng = np.random.default_rng(3)
    start = np.sort(rng.integers(FIRST, FIRST + DAYS, count)).astype(np.int32)
    codes = np.stack([np.ones(count), *(rng.integers(1, size, count) for size in SIZES[1:])])
    days = np.exp(1.2 + rng.normal(0, 0.1, count)) * np.where(start >= FIRST + 50, slowdown, 1.0)
    durations = Durations(
        start_day=start,
        start_clock=elapsed()[0, start - (FIRST - 5)],
        clock=np.zeros(count, np.int32),
        value=np.log(days + 1.0),
        known_day=start + np.ceil(days).astype(np.int32),
        closed_day=np.full(count, NEVER_DAY, np.int32),
    )
    return durations, codes.astype(np.int32)


@pytest.mark.parametrize("slowdown", [1.0, 1.5])
def test_the_explanation_of_a_known_lane_follows_the_network(slowdown: float) -> None:
    durations, codes = alike(slowdown)
    at_start, _ = compiled(durations, codes, FIRST + DAYS, EffectSettings())
    last = durations.start_day >= FIRST + DAYS - 5
    said = at_start[last, :, 0].sum(axis=1) + at_start[last, 0, 2]
    # Two half-lives of the pace after the change at most a quarter of it, and some, is missing.
    assert said.mean() == pytest.approx(np.log(np.exp(1.2) * slowdown + 1.0), abs=0.1)


@pytest.mark.parametrize("slowdown", [1.0, 1.5])
def test_a_key_without_evidence_gets_what_parcels_take(slowdown: float) -> None:
    durations, codes = alike(slowdown)
    _, at_end = compiled(durations, codes, FIRST + DAYS, EffectSettings())
    network = at_end[1, FIELDS.index("effect")] + at_end[1, FIELDS.index("pace")]
    assert network == pytest.approx(np.log(np.exp(1.2) * slowdown + 1.0), abs=0.1)


def test_no_order_before_the_snapshot() -> None:
    durations, codes = random_parcels(40, 50)
    with pytest.raises(InsufficientHistoryError, match="no parcel ordered before 2024-10-04"):
        compiled(durations, codes, FIRST, EffectSettings())


def test_statistics_of_a_real_history_obey_the_law_of_the_day(gathered: HistoryAsOf) -> None:
    """All levels, handling as well: the snapshot of a day is what its orders knew, bit for bit."""
    starts = gathered.outcomes.start_day
    for day in np.unique(starts)[[5, 60, 120, 170]]:
        snapshot, _ = build_statistics(
            gathered.encoder,
            gathered.requests,
            gathered.outcomes.as_of(int(day)),
            gathered.statistics.settings,
        )
        rows = np.flatnonzero(starts == day)
        codes = gathered.requests.codes[rows]
        np.testing.assert_array_equal(
            gathered.at_order.total[rows], snapshot.total[snapshot.total_start + codes]
        )
        np.testing.assert_array_equal(
            gathered.at_order.handling[rows],
            snapshot.handling[snapshot.handling_start + codes[:, list(HANDLING_LEVELS)]],
        )


def test_lost_shares_lie_near_the_truth_and_between_services(gathered: HistoryAsOf) -> None:
    lost = gathered.statistics.lost
    assert len(lost) == len(gathered.encoder.indexes[2])
    assert ((lost > 0) & (lost < 0.1)).all()
    results = gathered.outcomes
    give_up = int((results.closed_day.astype(np.int64) - results.start_day).max())
    old = results.start_day + give_up < results.as_of_day
    truth = 1.0 - results.arrived[old].mean()
    error = 4 * np.sqrt(truth / old.sum())
    assert abs(lost[0] - truth) < error + 0.002
