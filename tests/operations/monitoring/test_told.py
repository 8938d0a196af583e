"""Mornings in a row: what is told, once, and what is not told again."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import CommandError
from etapromise.operations.monitoring.alarms import _kept, group_alarms
from etapromise.operations.monitoring.run import _fell_due as fell_due
from etapromise.operations.monitoring.run import _kept as counts
from etapromise.operations.monitoring.thresholds import Thresholds
from etapromise.operations.monitoring.told import compare_with_told

FIRST = pd.Timestamp("2026-01-05", tz="UTC")
NO_GROUPS = {"lane_group": []}


def alarm(name, group="", value=0.2):
    return {"name": name, "group": group, "value": value}


SLOW = alarm("deliveries_behind", "carrier acme", 0.8)
BROKEN = alarm("promises_broken", "carrier acme", -0.1)
LATE = alarm("promises_broken", "", -0.05)


def told_of(mornings):
    """News and ends by morning; what is remembered goes through JSON, as between runs."""
    told, news, over = [], [], []
    for day, alarms in enumerate(mornings):
        at = FIRST + pd.Timedelta(days=day)
        found = compare_with_told(alarms, told, as_of=at, quiet_days=7)
        # Killed before it was kept, a run is run again and says the same.
        again = compare_with_told(alarms, found["told"], as_of=at, quiet_days=7)
        kept = json.dumps(found["told"])
        assert again["alarms"] == found["alarms"]
        assert json.dumps(again["told"]) == kept
        told = json.loads(kept)
        news += [(day, row["name"], row["group"]) for row in found["alarms"] if row["news"]]
        over += [(day, row["name"]) for row in found["over"]]
        assert found["causes"] == group_alarms(found["alarms"])
    return news, over


def test_a_cause_is_told_once_and_so_is_its_end():
    news, over = told_of([[], *[[SLOW]] * 3, *[[SLOW, BROKEN, LATE]] * 60, *[[]] * 20])
    assert news == [(1, "deliveries_behind", "carrier acme")]
    assert sorted(over) == [(70, name) for name in ("deliveries_behind", *["promises_broken"] * 2)]


def test_what_comes_and_goes_is_one_cause_and_what_comes_after_its_end_another():
    flicker = [[SLOW] if day % 7 == 0 else [] for day in range(50)]
    assert told_of(flicker) == ([(0, *_key(SLOW))], [])
    assert [day for day, *_ in told_of([[SLOW], *[[]] * 8, [SLOW]])[0]] == [0, 9]


def test_other_causes_are_told_whatever_was_told_before():
    other = alarm("promises_broken", "carrier birdpost", -0.1)
    mornings = [[SLOW], [SLOW, BROKEN], [SLOW, BROKEN, other], [SLOW, other, LATE]]
    assert told_of(mornings)[0] == [(0, *_key(SLOW)), (2, *_key(other))]
    # A region that is slow as its carrier begins to be; and one that is so weeks after.
    region = alarm("deliveries_behind", "region TX", 0.7)
    assert told_of([[SLOW], [SLOW, region]])[0] == [(0, *_key(SLOW))]
    assert told_of([*[[SLOW]] * 9, [SLOW, region]])[0] == [(0, *_key(SLOW)), (9, *_key(region))]
    # Two regions are two causes; a region's lanes are not.
    lane = alarm("promises_broken", "lane IL → TX", -0.1)
    places = [alarm("promises_broken", f"region {name}", -0.1) for name in ("TX", "CA")]
    news = told_of([places[:1], [*places[:1], lane], [*places, lane]])[0]
    assert news == [(0, *_key(places[0])), (2, *_key(places[1]))]


def test_what_gets_clearly_worse_is_told_again_and_what_sways_is_not():
    shares = (0.80, 0.75, 0.78, 0.69, 0.72, 0.79, 0.60, 0.53, 0.70)
    news, _ = told_of([[SLOW | {"value": share}] for share in shares])
    assert [day for day, *_ in news] == [0, 3, 7]
    gaps = (-0.04, -0.05, -0.03, -0.06, -0.08, -0.091)
    news, _ = told_of([[LATE | {"value": gap}] for gap in gaps])
    assert [day for day, *_ in news] == [0, 3, 5]


@pytest.mark.parametrize(
    ("told", "found"),
    [({"a": 1}, "else"), ([1], "else"), ([{"name": "x"}], "else"), ("later", "later than")],
)
def test_a_memory_of_something_else_or_of_later_is_refused(told, found):
    if told == "later":
        told = compare_with_told([SLOW], [], as_of=FIRST, quiet_days=7)["told"]
    with pytest.raises(CommandError, match=found):
        compare_with_told([], told, as_of=FIRST - pd.Timedelta(days=1), quiet_days=7)


def mornings_of(rng, broken_days, days=112, orders=20):
    """News of promises by morning: 90 % of them kept, of those due on some days a third."""
    due = np.repeat(np.arange(days), orders)
    kept = rng.random(len(due)) < np.where(np.isin(due, broken_days), 0.3, 0.9)
    told, news = [], []
    for day in range(40, days, 2):
        rows = (due <= day) & (due > day - 90)
        table = pd.DataFrame(
            {
                "promised_day": 5.0,
                "event_day": np.where(kept[rows], 4.0, 7.0),
                "known_until": 5.0 + day - due[rows],
                "stated": 0.9,
                "outcome": "delivered",
            }
        )
        parts = [
            {"days": length, "overall": counts(table[fell_due(table, length)]), "by": NO_GROUPS}
            for length in (7, 28)
        ]
        promises = {"overall": counts(table), "by": NO_GROUPS, "due": parts}
        facts = {"promises": promises, "config": {"days": 90}}
        alarms = [asdict(each) for each in _kept(facts, Thresholds())]
        at = FIRST + pd.Timedelta(days=day)
        found = compare_with_told(alarms, told, as_of=at, quiet_days=7)
        told = found["told"]
        news.append((day, len(alarms), sum(row["news"] for row in found["alarms"])))
    return np.array(news)


def test_a_bad_week_is_told_within_days_and_not_for_two_months():
    news = mornings_of(np.random.default_rng(5), np.arange(50, 57))
    told = news[news[:, 2] > 0, 0]
    assert 50 <= told[0] <= 54
    assert len(told) <= 4
    # Within the two months after, what luck makes of a set that was short.
    after = news[news[:, 0] > 57 + 7]
    assert (after[:, 2] > 0).sum() <= 1
    assert (after[:, 1] > 0).mean() < 0.2


def test_calm_months_have_hardly_a_morning_with_news():
    assert (mornings_of(np.random.default_rng(6), [])[:, 2] > 0).sum() <= 1


def _key(alarm):
    return alarm["name"], alarm["group"]
