"""The shortest ways against a plain count, and what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etapromise.history.effects import NEVER_DAY
from etapromise.history.shortest_ways import NOT_TOLD, soonest

if TYPE_CHECKING:
    from etapromise.history.as_of import HistoryAsOf

TOLD = ("network", "service", "service_region", "service_lane")
EVIDENCE, HARDLY_ANY, STEP, STEPS = 2.0, 0.03, 0.25, 128


def ways(gathered: HistoryAsOf) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the parcels that arrived: rows, weekday of and operational days since pick-up, weights."""
    results, requests, clocks = gathered.outcomes, gathered.requests, gathered.encoder.clocks
    rows = np.flatnonzero(results.arrived)
    fetched = requests.order_day[rows] + requests.numbers[rows, 9].astype(int)
    scanned = results.pickup_day[rows] < NEVER_DAY
    fetched = np.where(scanned, results.pickup_day[rows], fetched)
    read = clocks.elapsed[requests.clock[rows]]
    at = np.arange(len(rows))
    taken = read[at, results.event_day[rows] + 1 - clocks.first_day]
    taken = taken - read[at, fetched + 1 - clocks.first_day]
    age = results.as_of_day - results.start_day[rows]
    return rows, (fetched + 3) % 7, taken, 0.5 ** (age / gathered.statistics.settings.half_life)


def test_shortest_ways_equal_a_plain_count(gathered: HistoryAsOf) -> None:
    rows, weekday, taken, weight = ways(gathered)
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
            early = np.array(
                [weight[alike & (taken < (k + 1) * STEP - 1e-6)].sum() for k in range(STEPS)]
            )
            share = (early + EVIDENCE * share) / (weight[alike].sum() + EVIDENCE)
        plain.append(STEP * int((share[:-1] <= HARDLY_ANY).sum()))
        found.append(shortest[start[level] + codes[parcel, level], weekday[parcel]])
    # Some are longer, so that nobody who is fetched later comes earlier.
    assert (np.array(found) >= np.array(plain)).all()
    assert np.mean(np.array(found) == np.array(plain)) > 0.8


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
    rows, *_ = ways(gathered)
    requests = gathered.requests.take(rows)
    opens = soonest(gathered.encoder, gathered.statistics.shortest, requests)
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
