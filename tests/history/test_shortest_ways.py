"""The shortest ways against a plain count, and what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etapromise.history.effects import NEVER_DAY
from etapromise.history.shortest_ways import NOT_TOLD, soonest

if TYPE_CHECKING:
    from etapromise.history.as_of import HistoryAsOf

TOLD = ("network", "service", "service_region", "service_lane")
EVIDENCE, HARDLY_ANY, STEP, STEPS = 5.0, 0.02, 0.25, 128


def ways(gathered: HistoryAsOf) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the parcels that arrived, their operational days since the pick-up, and weights."""
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
    return rows, taken, 0.5 ** (age / gathered.statistics.settings.half_life)


def test_shortest_ways_equal_a_plain_count(gathered: HistoryAsOf) -> None:
    rows, taken, weight = ways(gathered)
    names = [level.name for level in gathered.encoder.levels]
    start, shortest = gathered.statistics.total_start, gathered.statistics.shortest
    codes = gathered.requests.codes[rows]
    for parcel in range(0, len(rows), 997):
        share = np.zeros(STEPS)
        for name in TOLD:
            level = names.index(name)
            alike = codes[:, level] == codes[parcel, level]
            early = np.array(
                [weight[alike & (taken < (k + 1) * STEP - 1e-6)].sum() for k in range(STEPS)]
            )
            share = (early + EVIDENCE * share) / (weight[alike].sum() + EVIDENCE)
            expected = STEP * int((share[:-1] <= HARDLY_ANY).sum())
            assert shortest[start[level] + codes[parcel, level]] == expected


def test_hardly_any_parcel_came_sooner_and_other_levels_say_nothing(gathered: HistoryAsOf) -> None:
    results, clocks = gathered.outcomes, gathered.encoder.clocks
    rows, _, _ = ways(gathered)
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
