"""How long the pace of handling is remembered: as short as queues change, and no shorter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from etapromise.history.effects import EffectSettings, Sweep
from etapromise.history.statistics import fitted_to_keys
from etapromise.lanes.levels import HANDLING_LEVELS
from tests.history.finished_parcels import finished_parcels

FIRST, DAYS = 20_000, 240
SETTINGS = EffectSettings()


def handling(pace: Callable[[np.ndarray], np.ndarray], count: int = 14_000) -> Sweep:
    """One warehouse whose log handling times move by `pace` of the order's day."""
    rng = np.random.default_rng(1)
    start = np.sort(rng.integers(FIRST, FIRST + DAYS, count)).astype(np.int32)
    value = 1.2 + pace(start - FIRST) + rng.normal(0.0, 0.2, count)
    levels = len(HANDLING_LEVELS)
    return Sweep(
        durations=finished_parcels(start, value, FIRST),
        codes=np.ones((levels, count), np.int32),
        table_sizes=[2] * levels,
        elapsed=np.arange(DAYS + 60.0)[None, :],
        first_clock_day=FIRST,
        settings=SETTINGS,
    )


def queue(day: np.ndarray) -> np.ndarray:
    """Grows for twenty days and is worked off in as many."""
    return 0.8 * np.abs((day % 40) / 20.0 - 1.0)


def still(day: np.ndarray) -> np.ndarray:
    return np.zeros(len(day))


def memory(sweep: Sweep, end_day: int = FIRST + DAYS) -> float:
    return fitted_to_keys(SETTINGS, (sweep, sweep, sweep), end_day).handling_pace_half_life


def test_queues_that_come_and_go_are_forgotten_soon() -> None:
    assert memory(handling(queue)) <= SETTINGS.pace_half_life / 2


def test_where_nothing_changes_no_memory_is_shorter_than_usual() -> None:
    assert memory(handling(still)) >= SETTINGS.pace_half_life


@pytest.mark.parametrize("pace", [queue, still])
def test_few_parcels_leave_it_as_usual(pace: Callable[[np.ndarray], np.ndarray]) -> None:
    assert memory(handling(pace, 500)) == SETTINGS.pace_half_life


def test_only_what_was_known_has_a_say() -> None:
    """Queues begin on the 121st day: a model of that day knows of none."""

    def later(day: np.ndarray) -> np.ndarray:
        return np.where(day < DAYS // 2, 0.0, queue(day))

    calm, busy = handling(still), handling(later)
    end_day = FIRST + DAYS // 2
    assert memory(busy, end_day) == memory(calm, end_day)
    assert memory(busy) < memory(calm)
