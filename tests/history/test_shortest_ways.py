"""The shortest ways against a plain count, and what they keep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from etapromise.history.effects import NEVER_DAY
from etapromise.history.shortest_ways import NOT_TOLD, shortest_ways, soonest, soonest_as_known

if TYPE_CHECKING:
    from etapromise.history.gathered import HistoryAsOf

TOLD = ("network", "service", "service_region", "service_lane")
EVIDENCE, HARDLY_ANY, STEP, STEPS = 2.0, 0.03, 0.25, 128


def ways(gathered: HistoryAsOf) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the parcels that arrived, then those under way: rows, weekday of and days since pick-up.

    And their weights.
    """
    results, requests, clocks = gathered.outcomes, gathered.requests, gathered.encoder.clocks
    scanned = results.pickup_day < NEVER_DAY
    rows = np.flatnonzero(results.arrived)
    open_ones = ~results.arrived & ~results.closed & scanned
    rows = np.append(rows, np.flatnonzero(open_ones))
    fetched = requests.order_day[rows] + requests.numbers[rows, 9].astype(int)
    fetched = np.where(scanned[rows], results.pickup_day[rows], fetched)
    read = clocks.elapsed[requests.clock[rows]]
    at = np.arange(len(rows))
    until = np.where(results.arrived[rows], results.event_day[rows] + 1, results.as_of_day)
    taken = read[at, until - clocks.first_day] - read[at, fetched + 1 - clocks.first_day]
    age = results.as_of_day - results.start_day[rows]
    return rows, (fetched + 3) % 7, taken, 0.5 ** (age / gathered.statistics.settings.half_life)


def product_limit(
    step: np.ndarray, arrived: np.ndarray, weight: np.ndarray, around: np.ndarray
) -> np.ndarray:
    """The shares that arrive within so many steps; EVIDENCE parcels are as those around."""
    share, left = np.zeros(STEPS), 1.0
    for k in range(STEPS):
        before = around[k - 1] if k else 0.0
        still = weight[step >= k].sum() + EVIDENCE * (1.0 - before)
        come = weight[arrived & (step == k)].sum() + EVIDENCE * (around[k] - before)
        left *= 1.0 - come / still if still > 1e-6 else 1.0
        share[k] = 1.0 - left
    return share


def test_shortest_ways_equal_a_plain_count(gathered: HistoryAsOf) -> None:
    rows, weekday, taken, weight = ways(gathered)
    arrived = gathered.outcomes.arrived[rows]
    assert 0 < (~arrived).sum() < arrived.sum()
    step = np.clip(np.floor(taken / STEP + 1e-6), 0, STEPS - 1)
    names = [level.name for level in gathered.encoder.levels]
    start, shortest = gathered.statistics.total_start, gathered.statistics.shortest
    codes = gathered.requests.codes[rows]
    found, plain = [], []
    for parcel in range(0, len(rows), 499):
        share = np.zeros(STEPS)
        for name in (*TOLD, "weekday"):
            level = names.index(name if name in TOLD else TOLD[-1])
            alike = codes[:, level] == codes[parcel, level]
            alike &= (name in TOLD) | (weekday == weekday[parcel])
            share = product_limit(step[alike], arrived[alike], weight[alike], share)
        plain.append(STEP * int((share <= HARDLY_ANY).sum()))
        found.append(shortest[start[level] + codes[parcel, level], weekday[parcel]])
    # Some are longer, so that nobody who is fetched later comes earlier.
    assert (np.array(found) >= np.array(plain)).all()
    assert np.mean(np.array(found) == np.array(plain)) > 0.8


def test_parcels_under_way_make_a_way_longer(gathered: HistoryAsOf) -> None:
    results = gathered.outcomes
    soon = results.as_of(results.as_of_day - 20)
    half_life = gathered.statistics.settings.half_life
    told = shortest_ways(gathered.encoder, gathered.requests, soon, half_life)
    # As if those that are under way had never been ordered.
    never = np.where(soon.arrived, soon.start_day, soon.as_of_day).astype(np.int32)
    absent = shortest_ways(
        gathered.encoder, gathered.requests, replace(soon, start_day=never), half_life
    )
    both = (told >= 0) & (absent >= 0)
    assert (told[both] >= absent[both]).mean() > 0.99
    assert told[both].mean() > absent[both].mean()


def test_who_is_fetched_later_never_comes_earlier(gathered: HistoryAsOf) -> None:
    clocks, statistics = gathered.encoder.clocks, gathered.statistics
    lanes = [level.name for level in gathered.encoder.levels].index(TOLD[-1])
    codes, first = np.unique(gathered.requests.codes[:, lanes], return_index=True)
    way = statistics.shortest[statistics.total_start[lanes] + codes]
    column = np.arange(60, 200)
    weekday = (clocks.first_day + column + 3) % 7
    read = clocks.elapsed[gathered.requests.clock[first]][:, column + 1] + way[:, weekday]
    assert (np.diff(read[way[:, 0] >= 0], axis=1) < -1e-6).mean() < 0.02
    assert np.diff(read, axis=1).min() > -1.0 - 1e-6


def test_hardly_any_parcel_came_sooner_and_other_levels_say_nothing(gathered: HistoryAsOf) -> None:
    results, clocks = gathered.outcomes, gathered.encoder.clocks
    rows = np.flatnonzero(results.arrived)
    requests = gathered.requests.take(rows)
    opens = soonest(gathered.encoder, gathered.statistics.shortest, requests, 61)
    came = clocks.elapsed[requests.clock, results.event_day[rows] + 1 - clocks.first_day]
    assert (came < opens - 1e-6).mean() < 2 * HARDLY_ANY
    # What is closed is worth being closed.
    before = clocks.elapsed[requests.clock, requests.order_day + 1 - clocks.first_day]
    assert (opens > before + 0.9).mean() > 0.5
    names = [level.name for level in gathered.encoder.levels]
    bounds = np.append(gathered.statistics.total_start, len(gathered.statistics.shortest))
    for level, name in enumerate(names):
        told = gathered.statistics.shortest[bounds[level] : bounds[level + 1]]
        assert (told == NOT_TOLD).all() if name not in TOLD else (told >= 0).any()


def test_no_past_order_is_judged_by_what_was_received_later(gathered: HistoryAsOf) -> None:
    results, half_life = gathered.outcomes, gathered.statistics.settings.half_life
    day = results.as_of_day - 40
    rows = np.flatnonzero((results.start_day >= day) & (results.start_day < day + 20))
    asked = (gathered.encoder, gathered.requests)
    honest = soonest_as_known(*asked, results, half_life, rows, 61)
    # Whatever was received since the first of them was ordered comes at once, or never.
    late = results.event_known_day >= results.start_day[rows].min()
    quick = replace(
        results, event_day=np.where(late, gathered.requests.order_day + 1, results.event_day)
    )
    never = results.as_of(int(results.start_day[rows].min()))
    first = results.start_day[rows] < (day // 14 + 1) * 14
    assert first.any()
    assert not first.all()
    for other in (quick, replace(never, as_of_day=results.as_of_day)):
        found = soonest_as_known(*asked, other, half_life, rows, 61)
        assert np.array_equal(found[first], honest[first])
    hindsight = soonest(*asked[:1], gathered.statistics.shortest, asked[1].take(rows), 61)
    assert not np.array_equal(hindsight, honest)
