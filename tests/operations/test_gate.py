"""The gate: what is worse is refused with its reason, luck and shared storms are forgiven."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.errors import ContractError
from etapromise.evaluation.metrics import CensoredOutcomes, summarise
from etapromise.operations.gate import (
    GateConfig,
    check_feed,
    check_quality,
    check_shift,
    check_speed,
)

GATE = GateConfig()


def quality(kept, judged=1000, *, stated=0.92, days=6.0, crps=1.0, groups=()):
    """A contender as `quality_of` describes one."""

    def promises(kept, judged, stated):
        outcomes = CensoredOutcomes(
            event_day=np.where(np.arange(judged) < kept, 0.0, np.inf),
            known_until=np.full(judged, 30.0),
            cancelled=np.zeros(judged, dtype=bool),
        )
        return asdict(summarise(outcomes, np.full(judged, days), np.full(judged, stated)))

    return {
        "kept": promises(kept, judged, stated),
        "groups": [{"group": name, **promises(k, n, stated)} for name, k, n in groups],
        "crps_days": crps,
    }


def failed(checks):
    return [check.name for check in checks if not check.passed]


CONTENDERS = st.builds(
    quality,
    st.integers(0, 1000),
    stated=st.floats(0.5, 0.99),
    days=st.floats(1.0, 20.0),
    crps=st.floats(0.1, 5.0),
)


@given(CONTENDERS)
def test_the_champion_is_never_worse_than_itself(contender):
    assert failed(check_quality(contender, contender, GATE)) == []


@given(CONTENDERS, CONTENDERS)
def test_whoever_is_better_in_everything_passes(one, other):
    better = {
        "kept": {
            **one["kept"],
            "kept_rate": max(one["kept"]["kept_rate"], other["kept"]["kept_rate"]),
            "gap": max(one["kept"]["gap"], other["kept"]["gap"]),
            "mean_days": min(one["kept"]["mean_days"], other["kept"]["mean_days"]),
        },
        "groups": [],
        "crps_days": min(one["crps_days"], other["crps_days"]),
    }
    assert failed(check_quality(better, other, GATE)) == []


@pytest.mark.parametrize(
    ("challenger", "champion", "expected"),
    [
        (quality(920), quality(915), []),
        (quality(100, 150), quality(915), ["enough_judged"]),
        # Its word is broken, and the champion's is not.
        (quality(850), quality(915), ["kept_as_stated", "kept_rate"]),
        # It is broken, but the champion's just as much: a storm.
        (quality(850), quality(850), []),
        # With nobody to compare with, a broken word is a broken word.
        (quality(850), None, ["kept_as_stated"]),
        # A small sample may have been unlucky.
        (quality(186, 210), None, []),
        (quality(920, crps=1.02), quality(920, crps=1.0), ["score"]),
        (quality(920, crps=1.005), quality(920, crps=1.0), []),
        # Longer promises for nothing; and to mend a broken word.
        (quality(920, days=6.7), quality(920, days=6.0), ["days_promised"]),
        (quality(920, days=6.7), quality(880, days=6.0), []),
        # A champion that was too careful may be succeeded by one that keeps its word.
        (quality(925, days=5.0), quality(975, days=6.0), []),
    ],
)
def test_what_the_gate_refuses(challenger, champion, expected):
    assert failed(check_quality(challenger, champion, GATE, score_error=0.004)) == expected


@pytest.mark.parametrize(
    ("crps", "error", "passes", "passes_if_it_must_gain"),
    [
        (0.95, 0.01, True, True),
        # Better, but by no more than luck.
        (0.99, 0.01, True, False),
        (0.99, None, True, False),
        # Worse, by no more than luck and by little.
        (1.005, 0.01, True, False),
        # Worse by little, surely.
        (1.005, 0.001, False, False),
        # Perhaps luck, but too much to bet on.
        (1.02, 0.05, False, False),
        (1.005, None, False, False),
    ],
)
def test_a_score_is_read_beside_luck(crps, error, passes, passes_if_it_must_gain):
    for gate, wanted in (
        (GATE, passes),
        (GateConfig(must_gain=True), passes_if_it_must_gain),
    ):
        found = check_quality(
            quality(920, crps=crps), quality(920, crps=1.0), gate, score_error=error
        )
        assert failed(found) == ([] if wanted else ["score"])


@given(CONTENDERS, st.floats(0.0, 1.0))
def test_who_must_gain_never_promotes_an_equal(contender, error):
    gate = GateConfig(must_gain=True)
    equal = failed(check_quality(contender, contender, gate, score_error=error))
    assert equal == (["score"] if error else [])


def test_a_group_that_falls_short_is_named_unless_it_is_small_or_the_champion_fails_it_too():
    groups = [("acme · ground", 150, 200), ("tiny · air", 30, 60), ("good · sea", 185, 200)]
    alone = check_quality(quality(920, groups=groups), quality(920), GATE)
    assert failed(alone) == ["groups_kept_as_stated"]
    reason = next(check.reason for check in alone if not check.passed)
    assert "acme · ground (kept 75.0 %, stated 92.0 %)" in reason
    assert "tiny" not in reason
    shared = quality(920, groups=[("acme · ground", 148, 200)])
    assert failed(check_quality(quality(920, groups=groups), shared, GATE)) == []


def test_dates_that_jump_are_refused():
    assert check_shift(0.3, 0.05, 100, GATE).passed
    assert not check_shift(-1.6, 0.05, 100, GATE).passed
    assert not check_shift(0.0, 0.3, 100, GATE).passed


def test_a_slow_quote_is_refused():
    assert check_speed(1.3, GATE).passed
    assert not check_speed(5.1, GATE).passed


QUIET = {
    "carrier": "corvid",
    "week_from": "2025-07-08T00:00:00+00:00",
    "lag_hours": 0.2,
    "hour_shift": -0.4,
    "night_share": 0.01,
    "night_share_before": 0.0,
    "early_share": 0.001,
    "early_share_before": 0.0,
}
REJECTS = {
    "carrier": "corvid",
    "week_from": "2025-07-08T00:00:00+00:00",
    "scans": 900,
    "share": 0.02,
    "share_before": 0.01,
}


@pytest.mark.parametrize(
    ("check", "changes", "told"),
    [
        ("scan_clock", {"lag_hours": -5.0}, "acme by -5.0 hours"),
        ("delivery_hours", {"hour_shift": 3.5}, "acme by +3.5 hours"),
        ("night_deliveries", {"night_share": 0.2}, "acme 20.0 %, before 0.0 %"),
        ("scans_before_order", {"early_share": 0.05}, "acme 5.0 %, before 0.0 %"),
        ("rejected_scans", {"share": 0.4}, "acme 40.0 %, before 1.0 %"),
    ],
)
def test_a_feed_that_is_not_as_it_was_is_refused_by_name(check, changes, told):
    kind, quiet = ("rejected", REJECTS) if "share" in changes else ("clocks", QUIET)
    signs = {"clocks": [QUIET], "rejected": [REJECTS]}
    assert all(found.passed for found in check_feed(signs, GATE))
    signs[kind] = [quiet, {**quiet, "carrier": "acme", **changes}]
    failed = [found for found in check_feed(signs, GATE) if not found.passed]
    assert [found.name for found in failed] == [check]
    assert told in failed[0].reason
    assert "2025-07-08" in failed[0].reason
    assert "corvid" not in failed[0].reason


def test_only_the_worst_week_of_a_carrier_is_told_and_too_little_is_no_sign():
    weeks = [
        QUIET | {"lag_hours": 3.0},
        QUIET | {"lag_hours": 6.0, "week_from": "2025-07-01"},
        QUIET | {"hour_shift": None, "night_share": None, "night_share_before": None},
    ]
    few = [REJECTS | {"scans": 12, "share": 1.0}, REJECTS | {"share": None, "scans": 0}]
    failed = [
        found for found in check_feed({"clocks": weeks, "rejected": few}, GATE) if not found.passed
    ]
    assert [found.name for found in failed] == ["scan_clock"]
    assert "+6.0 hours, week from 2025-07-01" in failed[0].reason
    assert "+3.0" not in failed[0].reason
    assert all(found.passed for found in check_feed({"clocks": [], "rejected": []}, GATE))


@pytest.mark.parametrize(
    "change",
    [{"service_level": 1.0}, {"judge_days": 0}, {"worse_score": -0.1}, {"slower": 0.5}],
)
def test_an_impossible_gate_is_refused(change):
    with pytest.raises(ContractError, match=next(iter(change))):
        GateConfig(**change)
