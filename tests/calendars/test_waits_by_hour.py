"""Waits by the hour of the week, with and without a lorry that leaves on the minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.calendars.dispatch import NO_CUT_OFF
from etapromise.calendars.waits_by_hour import WaitsByHour, rising

MONDAY = 4  # 1970-01-05
WEEKDAYS = np.arange(7) < 5


def orders_of(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return MONDAY + rng.integers(0, 70, count), rng.integers(0, 86_400, count)


def means(day: np.ndarray, second: np.ndarray, worked: np.ndarray) -> np.ndarray:
    count, total = np.zeros((7, 24)), np.zeros((7, 24))
    np.add.at(count, ((day + 3) % 7, second // 3600), 1.0)
    np.add.at(total, ((day + 3) % 7, second // 3600), worked)
    return rising(WEEKDAYS, total, count)


@pytest.mark.parametrize("cut_off", [15 * 3600, 14 * 3600 + 1800])
def test_a_lorry_on_the_minute_is_told_beside_mondays_queue(cut_off: int) -> None:
    rng = np.random.default_rng(3)
    day, second = orders_of(rng, 20_000)
    weekday = (day + 3) % 7
    queue = (weekday == 0) & (rng.random(len(day)) < 0.6) & (second < cut_off)
    worked = ((second >= cut_off) & WEEKDAYS[weekday]) + 1.0 * queue
    hours = WaitsByHour.told_by(
        WEEKDAYS, means(day, second, worked), cut_off, (day, second, worked)
    )
    assert (hours.cut_off[1:5] == cut_off).all()
    assert (hours.cut_off[5:] == NO_CUT_OFF).all()
    around = np.array([cut_off - 600, cut_off - 1, cut_off, cut_off + 600])
    for tuesday in range(1, 5):
        np.testing.assert_allclose(
            hours.at(np.full(4, MONDAY + tuesday), around), [0, 0, 1, 1], atol=0.1
        )
    assert hours.at(np.array([MONDAY]), np.array([9 * 3600]))[0] == pytest.approx(0.6, abs=0.1)


def test_a_slope_has_no_cut_off() -> None:
    rng = np.random.default_rng(4)
    day, second = orders_of(rng, 20_000)
    worked = (rng.random(len(day)) < second / 86_400) * WEEKDAYS[(day + 3) % 7] * 1.0
    middle = means(day, second, worked)
    hours = WaitsByHour.told_by(WEEKDAYS, middle, 12 * 3600, (day, second, worked))
    assert (hours.cut_off == NO_CUT_OFF).all()
    assert not hours.missed.any()


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), cut_off=st.integers(0, NO_CUT_OFF))
def test_a_later_order_is_picked_up_no_sooner(seed: int, cut_off: int) -> None:
    rng = np.random.default_rng(seed)
    works = rng.random(7) < 0.7
    works[2] = True
    # Any means at all, and any that rise by leaps at the cut-off.
    total = rng.random((7, 24)) * rng.integers(1, 4)
    total += (np.arange(24) >= cut_off // 3600) * works[:, None]
    hours = WaitsByHour.of(works, rising(works, total, np.ones((7, 24))), cut_off)
    day = np.repeat(MONDAY + np.arange(15), 24 * 6)
    second = np.tile(np.arange(0, 86_400, 600), 15)
    before = np.concatenate([[0], np.cumsum(works[(np.arange(15)) % 7])])
    position = before[day - MONDAY] + hours.at(day, second)
    assert (np.diff(position) >= -1e-9).all()
    assert (hours.edges >= 0).all()
    assert ((hours.missed >= 0) & (hours.missed <= 1)).all()
