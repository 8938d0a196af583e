"""Sixteen days of the scripted year, with a carrier that collapses and a poisoned week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest

from benchmarks import year_shop
from benchmarks.year_shop import (
    DAY,
    Diary,
    Feed,
    Script,
    Shelf,
    first_alarm,
    judged,
    live,
    unfounded,
)
from etapromise.evaluation.model_comparison import clustered_mean
from etapromise.operations.gate import GateConfig
from etapromise.operations.models.model_registry import ModelRegistry

COLLAPSE, POISON = 3, 8


@dataclass(frozen=True, kw_only=True)
class Weeks(Script):
    """The monitor looks on the days on which it has to find the collapse."""

    network_start: date = date(2024, 3, 4)  # no peak season in it
    orders: float = 50.0
    warm_up: int = 98
    days: int = 16
    collapse: tuple[int, int] = (COLLAPSE, 40)
    slowdown: float = 2.5
    codes: int = 99
    zone: tuple[int, int] = (POISON, POISON + 7)
    refresh_every: int = 3

    def looked_at(self, day):
        return COLLAPSE < day <= COLLAPSE + 3


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """The weeks; and the versions that became current, each loaded by another program at once."""
    feed, diary, seen = Feed(Weeks()), Diary(), []
    registry, promote = Shelf(tmp_path_factory.mktemp("year")), ModelRegistry.promote

    def looked_at(self, version, *, why):
        done = promote(self, version, why=why)
        reader = ModelRegistry(self.root)
        assert reader.load_current().version == reader.load(version).version
        seen.append(version)
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ModelRegistry, "promote", looked_at)
        live(feed.script, feed, registry, diary)
    return feed, registry, diary, seen


def test_the_collapse_is_told_within_three_days(lived):
    _, _, diary, _ = lived
    told = [
        first_alarm(diary, name, "carrier acme", COLLAPSE, COLLAPSE + 3)
        for name in ("deliveries_behind", "promises_broken")
    ]
    assert min(day for day in told if day is not None) <= 3


def test_the_poisoned_challenger_is_refused_and_the_reason_names_the_carrier(lived):
    _, registry, diary, _ = lived
    (poisoned,) = [each for each in diary.decisions if each["day"] > POISON + 3]
    assert poisoned["outcome"] == "refused"
    (reason,) = [each for each in poisoned["reasons"] if "wrong zone" in each]
    assert "corvid by +" in reason
    # The week before is refused for no such thing.
    (before,) = [each for each in diary.decisions if each["day"] < POISON]
    assert not any("the feed is not as it was" in each for each in before["reasons"])
    assert poisoned["version"] is None
    promoted = [each.version for each in registry.promotions() if each.why == "promoted"]
    assert promoted == [each["version"] for each in diary.decisions if each["version"]]


def test_there_was_a_champion_at_any_time(lived):
    feed, registry, diary, seen = lived
    assert len(seen) >= feed.script.days // feed.script.refresh_every
    assert registry.current == seen[-1]
    assert len(diary.promised) == feed.script.days


def test_promises_are_kept_as_stated_outside_the_first_week_of_the_collapse(lived):
    feed, _, diary, _ = lived
    table = judged(feed, diary)
    at = table["ordered_at"]
    collapse = feed.script.moment(COLLAPSE)
    calm = table[~((at >= collapse) & (at < collapse + 7 * DAY))]
    kept, exact = calm["kept"].mean(), calm["expected"].mean()
    assert abs(kept - exact) < 3.36 * calm["kept"].std() / np.sqrt(len(calm))
    # Without the luck of the parcels, which alone is a point and more.
    apart = (calm["expected"] - calm["promised_confidence"]).to_numpy(float)
    gap, error, days = clustered_mean(apart, pd.factorize(calm["ordered_at"].dt.floor("D"))[0])
    assert days >= 8
    assert len(calm) > 400
    # Two points, and what luck adds: 99 of 100 means of nine days lie within 3.36 errors.
    assert abs(gap) < 0.02 + 3.36 * error
    assert error < 0.03


def test_a_worse_promotion_would_be_found(lived):
    """Against the exact truth: whoever was promoted, and one that is worse on purpose."""
    feed, registry, diary, _ = lived
    for row in year_shop.promotions_compared(feed, registry, diary):
        assert row["higher_by"] <= max(
            1.645 * row["standard_error"], GateConfig().worse_score * row["crps_before"]
        )
    start = feed.script.moment(0)
    ordered = feed.shipments["ordered_at"]
    orders = feed.shipments[(ordered >= start) & (ordered < start + 3 * DAY)]
    orders = year_shop.tracking.read_shipments(orders).accepted
    truth = feed.simulation.true_distribution(orders, horizon=year_shop.HORIZON)
    fresh = registry.load_current()
    good = year_shop.excess(fresh, orders, truth)
    assert (good >= 0).all()
    late = np.concatenate([np.zeros((len(orders), 3)), truth[:, :-3]], axis=1)
    assert good.mean() < np.square(late - truth).sum(axis=1).mean()


def test_an_alarm_is_unfounded_unless_planted_or_true_of_its_group():
    """Slow regions that nobody planted are there all the same."""
    script = Script()
    start = script.moment(200)
    table = pd.DataFrame(
        {
            "ordered_at": [start - DAY, start - DAY, start - 90 * DAY],
            "carrier": ["acme", "corvid", "corvid"],
            "service": "ground",
            "origin_region": "IL",
            "destination_region": ["MN", "TX", "TX"],
            "expected": [0.7, 0.9, 0.5],
            "promised_confidence": 0.9,
        }
    )
    groups = {
        "region MN": False,
        "region TX": True,
        "carrier acme": False,
        "service of corvid · ground": True,
        "lane IL → MN": False,
        "lane IL → TX": True,
        "": False,
        "week 2025-30": False,
    }
    for group, wrong in groups.items():
        alarm = {"day": 200, "name": "promises_broken", "group": group}
        assert unfounded(alarm, table, script) is wrong, group
    # The truth of promises says nothing of a feed.
    assert unfounded({"day": 200, "name": "wrong_clock", "group": "region MN"}, table, script)
    within = script.collapse[0] + 1
    assert not unfounded({"day": within, "name": "wrong_clock", "group": ""}, table, script)
