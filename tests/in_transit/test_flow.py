"""Decaying means as of a day, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.in_transit.flow import FLOW_LEVELS, Passages, flow_as_of, flow_tables
from tests.in_transit.reference_features import mixed

SIZES = np.array([2, 4, 5, 6, 7])


def passages(rng: np.random.Generator, n: int) -> Passages:
    codes = np.stack([rng.integers(0, size, n) for size in SIZES], axis=1)
    codes[:, 0] = 1
    status = rng.choice(np.array([1, 3, 255], np.uint8), n)
    return Passages(status=status, codes=codes, day=rng.integers(20_000, 20_100, n))


def plain(learned: Passages, value: np.ndarray, asked: Passages, row: int, level: int):
    """Evidence and sum by definition."""
    evidence = total = 0.0
    for k in range(len(value)):
        same = (
            learned.codes[k, level] == asked.codes[row, level]
            and learned.status[k] == asked.status[row]
            and learned.codes[k, level] > 0
        )
        if same and learned.day[k] < asked.day[row]:
            weight = 0.5 ** ((asked.day[row] - learned.day[k]) / 30.0)
            evidence += weight
            total += weight * value[k]
    return evidence, total


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(4)
    return passages(rng, 400), rng.normal(1.0, 0.5, 400), passages(rng, 60)


def test_each_day_knows_what_was_known_before_it(drawn):
    learned, value, asked = drawn
    evidence, total = flow_as_of(learned, value, np.ones(len(value)), asked)
    for row in range(len(asked.day)):
        for level in range(len(FLOW_LEVELS)):
            expected = plain(learned, value, asked, row, level)
            assert (evidence[row, level], total[row, level]) == pytest.approx(expected, abs=1e-9)


def test_the_tables_are_the_last_day_of_that(drawn):
    learned, value, asked = drawn
    tables = flow_tables(learned, value, np.ones(len(value)), as_of_day=20_060, sizes=SIZES)
    then = Passages(status=asked.status, codes=asked.codes, day=np.full(len(asked.day), 20_060))
    for found, expected in zip(
        tables.look_up(then), flow_as_of(learned, value, np.ones(len(value)), then), strict=True
    ):
        assert found == pytest.approx(expected, abs=1e-4)


def test_fine_keys_lean_on_coarse_ones_by_their_evidence():
    evidence = np.zeros((2, len(FLOW_LEVELS)))
    total = np.zeros((2, len(FLOW_LEVELS)))
    evidence[:, 0], total[:, 0] = 1e6, 2e6
    evidence[1, 1], total[1, 1] = 1e6, 3e6
    means = mixed(evidence, total)
    # Nothing known beyond the network: its mean everywhere.
    assert means[0] == pytest.approx(2.0, abs=1e-3)
    assert means[1] == pytest.approx([2.0, 3.0, 3.0, 3.0, 3.0], abs=1e-3)
