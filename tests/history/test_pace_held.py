"""How much of a pace counts for the orders after it: as much as has held before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from etapromise.history.effects import EffectSettings
from etapromise.history.statistics import fitted_to_keys
from tests.history.test_handling_memory import DAYS, FIRST, handling, still

SETTINGS = EffectSettings()
Paces = Callable[[np.ndarray], np.ndarray]


def stops(day: np.ndarray) -> np.ndarray:
    """One day in a fortnight that is over when its parcels arrive."""
    return 0.8 * (day % 14 == 5)


def seasons(day: np.ndarray) -> np.ndarray:
    """Slow for a month and a half, then quick again."""
    return 0.4 * np.sin(2 * np.pi * day / 90.0)


def held(pace: Paces, *, count: int = 14_000, end_day: int = FIRST + DAYS) -> tuple[float, float]:
    sweep = handling(pace, count)
    fitted = fitted_to_keys(SETTINGS, (sweep, sweep, sweep), end_day)
    return fitted.handling_pace_held, fitted.way_pace_held


def test_spells_that_are_over_when_they_are_known_hardly_count() -> None:
    assert max(held(stops)) < 0.4


def test_a_pace_that_lasts_counts_in_full() -> None:
    assert min(held(seasons)) > 0.95


@pytest.mark.parametrize("pace", [stops, seasons])
def test_few_parcels_take_nothing_off(pace: Paces) -> None:
    assert held(pace, count=500) == (1.0, 1.0)


def test_a_pace_that_never_moved_is_given_the_benefit_of_the_doubt() -> None:
    assert min(held(still)) > 0.5


def test_only_what_was_known_has_a_say() -> None:
    """From the 121st day on a pace lasts: a model of that day knows of none that did."""

    def later(day: np.ndarray) -> np.ndarray:
        return np.where(day < DAYS // 2, stops(day), seasons(day))

    end_day = FIRST + DAYS // 2
    assert held(later, end_day=end_day) == held(stops, end_day=end_day)
    assert min(held(later)) > max(held(stops))
