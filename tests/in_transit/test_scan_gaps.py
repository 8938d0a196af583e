"""How long silences last and what they say, against silences drawn from a law."""

from __future__ import annotations

import numpy as np
import pytest

from etapromise.in_transit.scan_gaps import GapSums, ScanGaps


def drawn(rng: np.random.Generator, n: int, mean: float, lost: float, carrier: int) -> ScanGaps:
    """Exponential silences of one carrier in stage 1, of which a share never ends."""
    gone = rng.random(n) < lost
    return ScanGaps(
        stage=np.full(n, 1),
        carrier=np.full(n, carrier),
        days=rng.exponential(mean, n),
        ended=~gone,
        weight=np.ones(n),
        gone=gone,
    )


def joined(*parts: ScanGaps) -> ScanGaps:
    names = ("stage", "carrier", "days", "ended", "weight", "gone")
    return ScanGaps(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def heard(silences: ScanGaps) -> ScanGaps:
    """Those that ended, as a feed shows them."""
    rows = silences.ended
    names = ("stage", "carrier", "days", "ended", "weight", "gone")
    return ScanGaps(**{name: getattr(silences, name)[rows] for name in names})


@pytest.fixture(scope="module")
def both() -> ScanGaps:
    rng = np.random.default_rng(2)
    return joined(drawn(rng, 60_000, 0.8, 0.01, 1), drawn(rng, 60_000, 2.0, 0.001, 2))


def test_rates_and_probabilities_are_those_of_the_law(both):
    table = GapSums.of(heard(both), both, stages=3, carriers=4).table()
    days = np.array([0.5, 1.0, 2.0, 4.0])
    ones = np.ones(4, np.int64)
    for carrier, mean in ((1, 0.8), (2, 2.0)):
        row = np.full(4, carrier)
        lost = both.gone[both.carrier == carrier].mean()
        assert table.still(ones, row, days) == pytest.approx(np.exp(-days / mean), rel=0.06)
        waiting = (1 - lost) * np.exp(-days / mean)
        truth = lost / (lost + waiting)
        assert table.lost_probability(ones, row, days) == pytest.approx(truth, rel=0.1)


def test_silence_only_raises_the_doubt_and_begins_small(both):
    table = GapSums.of(heard(both), both, stages=3, carriers=4).table()
    days = np.linspace(0.0, 60.0, 500)
    for stage in range(3):
        for carrier in range(4):
            rows = np.full(500, stage), np.full(500, carrier)
            lost = table.lost_probability(*rows, days)
            assert (np.diff(lost) >= 0).all()
            assert lost[0] < 0.02
            assert lost[-1] <= 1.0


def test_an_unknown_carrier_is_like_all_together(both):
    table = GapSums.of(heard(both), both, stages=3, carriers=4).table()
    days, stage = np.array([1.0, 3.0]), np.ones(2, np.int64)
    known = [table.still(stage, np.full(2, carrier), days) for carrier in (1, 2)]
    unseen = table.still(stage, np.full(2, 3), days)
    assert (unseen > np.minimum(*known)).all()
    assert (unseen < np.maximum(*known)).all()


def test_a_few_silences_hardly_move_a_carrier(both):
    """Three quick scans of a new carrier do not make its silences alarming."""
    few = drawn(np.random.default_rng(1), 3, 0.01, 0.0, 3)
    more = joined(both, few)
    with_few = GapSums.of(heard(more), more, stages=3, carriers=4).table()
    without = GapSums.of(heard(both), both, stages=3, carriers=4).table()
    asked = np.ones(1, np.int64), np.full(1, 3), np.array([3.0])
    assert with_few.lost_probability(*asked) == pytest.approx(
        without.lost_probability(*asked), rel=0.7
    )


def test_losses_to_come_count_from_the_start(both):
    rng = np.random.default_rng(3)
    early = drawn(rng, 20_000, 0.5, 0.0, 1)
    doomed = ScanGaps(**{**vars(early), "gone": rng.random(20_000) < 0.05})
    table = GapSums.of(early, doomed, stages=3, carriers=2).table()
    start = table.lost_probability(np.ones(1, np.int64), np.ones(1, np.int64), np.zeros(1))
    assert start == pytest.approx(0.05, rel=0.15)


def test_a_carrier_never_seen_is_silent_like_a_mixture_of_the_others() -> None:
    """One that scans ten times as often as another: a day's silence of a new one means little."""
    rng = np.random.default_rng(3)
    count = 4000
    carrier = np.repeat([1, 2], count)
    days = np.where(carrier == 1, rng.exponential(0.3, 2 * count), rng.exponential(3.0, 2 * count))
    silences = ScanGaps(
        stage=np.zeros(2 * count, np.int64),
        carrier=carrier,
        days=days,
        ended=np.ones(2 * count, bool),
        weight=np.ones(2 * count),
        gone=np.zeros(2 * count, bool),
    )
    table = GapSums.of(silences, silences, stages=1, carriers=3).table()
    asked = np.array([0.2, 0.8, 2.0, 5.0, 9.0])
    found = table.still(np.zeros(5, np.int64), np.zeros(5, np.int64), asked)
    expected = [(days > day).mean() for day in asked]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_silences_of_whole_days_stay_finite():
    """Dates without a clock: every silence is a whole number of days, one service, no loss."""
    rng = np.random.default_rng(3)
    n = 200_000
    never = np.zeros(n, bool)
    whole = ScanGaps(
        stage=np.full(n, 1),
        carrier=np.full(n, 1),
        days=rng.integers(0, 3, n).astype(float),
        ended=~never,
        weight=np.ones(n),
        gone=never,
    )
    table = GapSums.of(whole, whole, stages=3, carriers=2).table()
    days = np.linspace(0.0, 400.0, 999)
    for carrier in (0, 1):
        rows = np.full(999, 1), np.full(999, carrier)
        assert np.isfinite(table.rate).all()
        assert np.isfinite(table.lost_probability(*rows, days)).all()
    # All have ended by the third day.
    ones = np.ones(1, np.int64)
    assert table.still(ones, ones, np.array([6.0]))[0] < 0.05


def test_one_or_many_are_the_same_bits(both):
    table = GapSums.of(heard(both), both, stages=3, carriers=4).table()
    rng = np.random.default_rng(6)
    count = 5000
    stage, carrier = rng.integers(0, 3, count), rng.integers(0, 4, count)
    days = rng.exponential(4.0, count)
    many = table.still(stage, carrier, days)
    for size in (1, 7, 256):
        rows = slice(40, 40 + size)
        few = table.still(stage[rows], carrier[rows], days[rows])
        assert np.array_equal(few, many[rows])
        lost = table.lost_probability(stage[rows], carrier[rows], days[rows])
        assert np.array_equal(lost, table.lost_probability(stage, carrier, days)[rows])
