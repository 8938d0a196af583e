"""How far the keys of a level differ: known variances are found, and only the past has a say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from etapromise.errors import ModelFileError
from etapromise.history.effects import EffectSettings, FittedEffectSettings, Sweep
from etapromise.history.gathered import HistoryAsOf
from etapromise.history.statistics import build_statistics, fitted_to_keys
from etapromise.lanes.levels import HANDLING_LEVELS
from etapromise.stored_arrays import StoredValues
from tests.history.finished_parcels import finished_parcels

FIRST, DAYS = 20_000, 60
KEYS = (20, 60)
SETTINGS = EffectSettings(half_life=1e5)


def sweep(between: tuple[float, float], within: float, seed: int = 0) -> Sweep:
    """Two levels of keys whose log durations differ by `between`, and parcels by `within`."""
    rng = np.random.default_rng(seed)
    count = 9_000
    start = np.sort(rng.integers(FIRST, FIRST + DAYS, count)).astype(np.int32)
    codes = np.stack([np.ones(count, int), *(rng.integers(1, n + 1, count) for n in KEYS)])
    effects = [rng.normal(0.0, spread, n + 1) for spread, n in zip(between, KEYS, strict=True)]
    value = 1.5 + effects[0][codes[1]] + effects[1][codes[2]] + rng.normal(0.0, within, count)
    return Sweep(
        durations=finished_parcels(start, value, FIRST),
        codes=codes.astype(np.int32),
        table_sizes=[2, *(n + 1 for n in KEYS)],
        elapsed=np.arange(DAYS + 60.0)[None, :],
        first_clock_day=FIRST,
        settings=SETTINGS,
    )


def of_handling(one: Sweep) -> Sweep:
    """The same with as many levels as handling has, the further ones of a single key."""
    further = len(HANDLING_LEVELS) - len(one.codes)
    count = len(one.durations.value)
    return dataclasses.replace(
        one,
        codes=np.concatenate([one.codes, np.ones((further, count), np.int32)]),
        table_sizes=[*one.table_sizes, *[2] * further],
    )


@pytest.mark.parametrize("between", [(0.2, 0.1), (0.3, 0.0), (0.0, 0.15)])
def test_the_ratio_of_the_variances_is_found(between: tuple[float, float]) -> None:
    within = 0.25
    one = sweep(between, within)
    found = fitted_to_keys(SETTINGS, (one, of_handling(one), one), FIRST + DAYS + 50)
    assert found.total == found.way
    for priors in (found.total, found.handling[: len(found.total)]):
        assert priors[0] == 0.0
        for prior, spread in zip(priors[1:], between, strict=True):
            if spread:
                assert within**2 / spread**2 / 2 < prior < 2 * within**2 / spread**2
            else:
                # Keys that are all alike are hardly believed to differ.
                assert prior > 50.0
    assert found.half_life == SETTINGS.half_life


def test_what_is_fitted_is_what_was_known(gathered: HistoryAsOf) -> None:
    orders = gathered.encoder, gathered.requests
    day = gathered.outcomes.as_of_day - 40
    earlier = gathered.outcomes.as_of(day)
    then, _ = build_statistics(*orders, earlier, EffectSettings())
    # Whatever came later took another time.
    later = gathered.outcomes.event_known_day >= day
    assert later.any()
    moved = dataclasses.replace(
        gathered.outcomes,
        event_day=np.where(later, gathered.outcomes.event_day + 9, gathered.outcomes.event_day),
    ).as_of(day)
    again, _ = build_statistics(*orders, moved, EffectSettings())
    assert again.settings == then.settings
    assert then.settings != gathered.statistics.settings


def test_fitted_settings_are_stored_whole_or_refused(gathered: HistoryAsOf) -> None:
    settings = gathered.statistics.settings
    levels = len(gathered.encoder.levels)
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(settings).items()
    }
    assert FittedEffectSettings.stored_for(StoredValues("it", plain), levels) == settings
    for wrong in ([1.0], ["x"] * levels, None, [-1.0] * levels, [float("nan")] * levels):
        with pytest.raises(ModelFileError, match=f"{levels} numbers"):
            FittedEffectSettings.stored_for(StoredValues("it", {**plain, "total": wrong}), levels)
