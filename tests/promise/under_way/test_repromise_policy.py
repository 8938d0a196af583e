"""Telling another date: the laws of a date that must not flap, for any predictions whatever."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.errors import ContractError
from etapromise.promise.under_way.repromise_policy import RepromisePolicy, StandingDates, reason_of

START = datetime(2025, 7, 1, 6, tzinfo=UTC)
PROMISED = date(2025, 7, 10)

policies = st.builds(
    RepromisePolicy,
    tell_below=st.floats(0, 0.8),
    calm_above=st.floats(0.8, 1),
    stable_looks=st.integers(1, 3),
    stable_hours=st.sampled_from([0.0, 12.0, 30.0]),
    tolerance_days=st.integers(0, 2),
    least_shift_days=st.integers(1, 3),
    last_call_days=st.integers(-1, 2),
    earlier_days=st.integers(1, 3),
    earlier_confidence=st.floats(0.5, 1),
    rest_hours=st.sampled_from([0.0, 24.0, 60.0]),
)
# Hours since the look before, days from PROMISED to the new date, its confidence, P(kept).
steps = st.lists(
    st.tuples(st.integers(1, 40), st.integers(-9, 9), st.floats(0.5, 1), st.floats(0, 1)),
    max_size=15,
)


class Look(NamedTuple):
    """What came of one look at one parcel."""

    standing: StandingDates
    event: str | None
    reason: str | None
    old_date: date
    new_date: date

    @property
    def record(self) -> Any:
        return record(self.standing)


def record(standing: StandingDates, row: int = 0) -> SimpleNamespace:
    """What stands for one parcel, as plain values."""
    return SimpleNamespace(**{name: c[row].item() for name, c in standing.columns.items()})


def first() -> StandingDates:
    return StandingDates.promised(np.array([PROMISED]))


def look_at(
    policy: RepromisePolicy,
    standing: StandingDates,
    now: datetime,
    new: date,
    confidence: float,
    kept: float,
    today: date | None = None,
) -> Look:
    after, told, last_call = policy.look_many(
        standing,
        now=np.datetime64(now.replace(tzinfo=None), "us"),
        today=np.array([today or now.date()], "datetime64[D]"),
        date=np.array([new], "datetime64[D]"),
        confidence=np.array([confidence]),
        kept=np.array([kept]),
    )
    code = int(told[0])
    return Look(
        after,
        (None, "delayed", "earlier")[code],
        reason_of(code, last_call=bool(last_call[0])),
        record(standing).current_date,
        record(after).current_date,
    )


def walk(policy: RepromisePolicy, moves: list[tuple[int, int, float, float]]) -> list[Look]:
    standing, now, looks = first(), START, []
    for hours, shift, confidence, kept in moves:
        now += timedelta(hours=hours)
        new = PROMISED + timedelta(days=shift)
        looks.append(look_at(policy, standing, now, new, confidence, kept))
        standing = looks[-1].standing
    return looks


@given(policies, steps)
def test_a_date_never_turns_back_and_the_first_stays_beside_it(policy: Any, moves: Any) -> None:
    looks = walk(policy, moves)
    told = [look for look in looks if look.event]
    ways = [look.event for look in told]
    # Earlier dates may come first; after the first later one only later ones follow.
    assert ways == sorted(ways, key=["earlier", "delayed"].index)
    for look in told:
        days = (look.new_date - look.old_date).days
        if look.event == "delayed":
            assert days >= policy.least_shift_days
        else:
            assert -days >= policy.earlier_days
            assert look.reason == "surely_earlier"
        assert look.record.told_at == look.record.looked_at
    for count, look in enumerate(looks):
        assert look.record.original_date == PROMISED
        assert look.record.changes == len([x for x in looks[: count + 1] if x.event])
        assert (look.new_date != look.old_date) == (look.event is not None)
        assert look.record.current_date == look.new_date
    times = [look.record.told_at for look in told]
    for count, (one, other) in enumerate(itertools.pairwise(times)):
        assert other - one >= timedelta(hours=policy.rest_hours * 2**count)


@settings(max_examples=40)
@given(policies, steps)
def test_looking_twice_changes_nothing(policy: Any, moves: Any) -> None:
    standing, now = first(), START
    for hours, shift, confidence, kept in moves:
        now += timedelta(hours=hours)
        asked = PROMISED + timedelta(days=shift), confidence, kept
        once = look_at(policy, standing, now, *asked)
        again = look_at(policy, once.standing, now, *asked)
        assert again.record == once.record
        assert again.event is None
        late = look_at(policy, once.standing, now - timedelta(hours=1), *asked)
        assert late.record == once.record
        standing = once.standing


@settings(max_examples=40)
@given(policies, st.lists(steps, min_size=1, max_size=3))
def test_many_parcels_are_looked_at_like_each_alone(policy: Any, walks: Any) -> None:
    length = min(len(moves) for moves in walks)
    standings = StandingDates.promised(np.array([PROMISED] * len(walks)))
    moment = np.full(len(walks), np.datetime64(START.replace(tzinfo=None), "us"))
    alone = [walk(policy, moves) for moves in walks]
    for step in range(length):
        hours, shift, confidence, kept = zip(*(moves[step] for moves in walks), strict=True)
        moment = moment + np.array(hours, "timedelta64[h]")
        standings, told, _ = policy.look_many(
            standings,
            now=moment,
            today=moment.astype("datetime64[D]"),
            date=np.datetime64(PROMISED) + np.array(shift, "timedelta64[D]"),
            confidence=np.array(confidence),
            kept=np.array(kept),
        )
        for row, looks in enumerate(alone):
            assert record(standings, row) == looks[step].record
        assert [(None, "delayed", "earlier")[code] for code in told] == [
            looks[step].event for looks in alone
        ]


@pytest.mark.parametrize("seed", range(8))
def test_noise_around_the_threshold_tells_at_most_once(seed: int) -> None:
    """P(kept) flickers on both sides of the threshold, the date by a day; four looks a day."""
    rng = np.random.default_rng(seed)
    policy = RepromisePolicy(tell_below=0.5, calm_above=0.65)
    moves = []
    told_date = None
    standing, now = first(), START
    for _ in range(40):
        now += timedelta(hours=6)
        new = PROMISED + timedelta(days=2 + int(rng.integers(0, 2)))
        # Once told, the new date is as likely kept as it was said to be, give or take the noise.
        sure = 0.5 if told_date is None else 0.8
        kept = float(np.clip(sure + rng.normal(0, 0.07), 0, 1))
        look = look_at(policy, standing, now, new, 0.9, kept, today=START.date())
        standing = look.standing
        told_date = look.new_date if look.event else told_date
        moves.append(look.event)
    assert moves.count("delayed") == 1
    assert record(standing).changes == 1


def test_a_new_date_has_to_stand_still() -> None:
    policy = RepromisePolicy(last_call_days=-1, stable_looks=3, stable_hours=0, tolerance_days=1)
    jumping = [(12, shift, 0.9, 0.1) for shift in (2, 5, 2, 5, 2, 5)]
    assert not [look for look in walk(policy, jumping) if look.event]
    creeping = [(12, shift, 0.9, 0.1) for shift in (1, 2, 3, 4, 5, 6)]
    assert not [look for look in walk(policy, creeping) if look.event]
    still = walk(policy, [(12, shift, 0.9, 0.1) for shift in (4, 5, 4)])
    assert [look.event for look in still] == [None, None, "delayed"]
    assert still[-1].new_date == PROMISED + timedelta(days=4)
    assert still[-1].reason == "chance_fell"


def test_a_parcel_that_is_put_off_every_day_is_told_of_ever_less_often() -> None:
    policy = RepromisePolicy(stable_looks=1, stable_hours=0.0)
    looks = walk(policy, [(24, 2 + day, 0.9, 0.05) for day in range(60)])
    days = [count for count, look in enumerate(looks) if look.event]
    assert days == [0, 1, 3, 7, 15, 31]


def test_when_time_runs_out_the_customer_is_told_at_once() -> None:
    policy = RepromisePolicy(last_call_days=1, stable_looks=3)
    days_before = [(24 * 7, 3, 0.9, 0.1), (24, 5, 0.9, 0.1), (24, 2, 0.9, 0.1)]
    looks = walk(policy, days_before)  # 8, 9 and 10 July
    assert [look.event for look in looks] == [None, "delayed", None]
    assert looks[1].reason == "last_call"
    assert looks[1].new_date == PROMISED + timedelta(days=5)


def test_an_earlier_date_has_to_be_sure_and_worth_it() -> None:
    policy = RepromisePolicy(earlier_days=3, earlier_confidence=0.95, stable_looks=2)
    cases = {(-3, 0.96): "earlier", (-2, 0.99): None, (-5, 0.94): None}
    for (shift, confidence), event in cases.items():
        looks = walk(policy, [(24, shift, confidence, 0.99)] * 2)
        assert looks[-1].event == event


def test_doubt_lasts_until_one_is_calm_again() -> None:
    policy = RepromisePolicy(tell_below=0.4, calm_above=0.7, stable_looks=5, last_call_days=-1)
    looks = walk(policy, [(6, 3, 0.9, kept) for kept in (0.39, 0.6, 0.69, 0.7, 0.6, 0.39)])
    assert [look.record.doubtful for look in looks] == [True, True, True, False, False, True]
    assert [look.record.candidate_looks for look in looks] == [1, 2, 3, 0, 0, 1]


def test_what_cannot_be_predicted_changes_nothing() -> None:
    policy = RepromisePolicy()
    standings = StandingDates.promised(np.array([PROMISED, PROMISED]))
    after, told, _ = policy.look_many(
        standings,
        now=np.datetime64("2025-07-09T06:00"),
        today=np.array(["2025-07-09"] * 2, "datetime64[D]"),
        date=np.array(["NaT", "2025-07-14"], "datetime64[D]"),
        confidence=np.array([np.nan, 0.9]),
        kept=np.array([0.0, np.nan]),
    )
    assert not told.any()
    for row in range(2):
        assert record(after, row) == record(standings, row)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"tell_below": 0.7, "calm_above": 0.6}, "the second at least the first"),
        ({"tell_below": -0.1}, "expected probabilities"),
        ({"stable_looks": 0}, "stable_looks=0; expected at least 1"),
        ({"rest_hours": -1.0}, "rest_hours=-1.0"),
        ({"earlier_days": 0}, "earlier_days=0"),
        ({"stable_hours": float("nan")}, "stable_hours=nan"),
        ({"rest_hours": float("inf")}, "rest_hours=inf"),
    ],
)
def test_a_policy_that_makes_no_sense(chosen: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        RepromisePolicy(**chosen)
