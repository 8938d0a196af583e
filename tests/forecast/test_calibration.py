"""Calibration: against a plain count, on planted errors, and with parcels still under way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from etapromise.array_types import Floats
from etapromise.forecast.calibration import (
    Calibration,
    CalibrationSettings,
    Held,
    PastDay,
    _sharing_luck,
    calibrate,
    share_held,
)

EDGES = [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.975, 0.99]
GROUPS_FROM = 0.7
STATED = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.97])
ONE_MEMORY = CalibrationSettings(
    quick_evidence=1e12, shift_power=0.0, slow_half_life=1e9, slow_evidence=1.0
)
"""Only the long-run correction, all orders alike: for errors that do not change with time."""


def one_group(count: int) -> np.ndarray:
    return np.zeros((count, 1), np.int64)


def run(
    u: np.ndarray, arrived: np.ndarray, age: np.ndarray, settings: CalibrationSettings
) -> Calibration:
    return calibrate(u, arrived, age, one_group(len(u)), levels=[0], rows=1, settings=settings)


def kept_at(calibration: Calibration, stated: np.ndarray) -> np.ndarray:
    return np.interp(stated, calibration.knot, calibration.kept)


class PlainCalibration:
    """Observed over expected in each stretch of u, one parcel after the other."""

    def __init__(
        self,
        u: np.ndarray,
        arrived: np.ndarray,
        age: np.ndarray,
        codes: np.ndarray,
        levels: list[int],
        settings: CalibrationSettings,
    ) -> None:
        rows = [i for i in range(len(u)) if 0 <= age[i] <= settings.window]
        self.parcels = [(min(u[i], 1 - 1e-9), bool(arrived[i]), age[i], codes[i]) for i in rows]
        slow = self.hazards(settings.slow_half_life, settings.slow_evidence, [1.0] * len(EDGES))
        self.slow = slow
        came = awaited = settings.shift_evidence
        for value, arrival, days, _ in self.parcels:
            weight = 0.5 ** (days / settings.shift_half_life)
            came += weight * arrival
            awaited += weight * self.risk(value, slow)
        shifted = [hazard * (came / awaited) ** settings.shift_power for hazard in slow]
        self.quick = self.hazards(settings.quick_half_life, settings.quick_evidence, shifted)
        self.ratios: dict[int, float] = {}
        came = awaited = 0.0
        for value, arrival, days, _ in self.parcels:
            beyond = self.risk(value, slow) + math.log(1 - GROUPS_FROM)
            if beyond > 0:
                came += 0.5 ** (days / settings.group_half_life) * arrival
                awaited += 0.5 ** (days / settings.group_half_life) * beyond
        for level in levels:
            seen: dict[int, float] = {}
            due: dict[int, float] = {}
            for value, arrival, days, code in self.parcels:
                weight = 0.5 ** (days / settings.group_half_life)
                beyond = self.risk(value, slow) + math.log(1 - GROUPS_FROM)
                if beyond <= 0:
                    continue
                beyond *= came / awaited
                for coarser in levels[: levels.index(level)]:
                    beyond *= self.ratios[code[coarser]]
                group = code[level]
                seen[group] = seen.get(group, 0.0) + weight * arrival
                due[group] = due.get(group, 0.0) + weight * beyond
            for code in {code[level] for *_, code in self.parcels}:
                more = settings.group_evidence
                self.ratios[code] = (seen.get(code, 0.0) + more) / (due.get(code, 0.0) + more)

    def hazards(self, half_life: float, evidence: float, prior: list[float]) -> list[float]:
        out = []
        for b, low in enumerate(EDGES):
            high = EDGES[b + 1] if b + 1 < len(EDGES) else 1.0
            observed = expected = 0.0
            for value, arrival, days, _ in self.parcels:
                weight = 0.5 ** (days / half_life)
                if arrival and low <= value < high:
                    observed += weight
                if value > low:
                    end = min(value, high)
                    expected += weight * (math.log(1 - low) - math.log(1 - end))
            out.append((observed + evidence * prior[b]) / (expected + evidence))
        return out

    @staticmethod
    def risk(value: float, hazards: list[float]) -> float:
        total = 0.0
        for b, low in enumerate(EDGES):
            high = EDGES[b + 1] if b + 1 < len(EDGES) else 1.0
            if value > low:
                total += hazards[b] * (math.log(1 - low) - math.log(1 - min(value, high)))
        return total

    def kept(self, stated: float) -> float:
        return 1.0 - math.exp(-self.risk(stated, self.quick))

    def settled(self, stated: float) -> float:
        return 1.0 - math.exp(-self.risk(stated, self.slow))


def test_what_all_parcels_have_in_common_is_no_trait_of_their_group() -> None:
    """One carrier carries all: how late it is is the whole's, and told once."""
    rng = np.random.default_rng(5)
    u, age = rng.random(4_000) ** 0.5, rng.integers(0, 100, 4_000).astype(float)
    codes = np.ones((4_000, 1), np.int64)
    arrived = np.ones(4_000, np.bool_)
    found = calibrate(u, arrived, age, codes, levels=[0], rows=2, settings=CalibrationSettings())
    assert found.log_hazard[1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 300
    u = rng.random(count) ** 0.8
    u[:3] = 0.0, 1.0, 0.5  # u on an edge, and beyond everything
    arrived, age = rng.random(count) < 0.8, rng.integers(-5, 160, count).astype(float)
    codes = np.stack([rng.integers(1, 4, count), rng.integers(4, 12, count)], axis=1)
    settings = CalibrationSettings()
    found = calibrate(u, arrived, age, codes, levels=[0, 1], rows=13, settings=settings)
    plain = PlainCalibration(u, arrived, age, codes, [0, 1], settings)
    for knot, kept, settled in zip(found.knot, found.kept, found.settled[:-1], strict=False):
        assert kept == pytest.approx(plain.kept(float(knot)), abs=1e-9)
        assert settled == pytest.approx(plain.settled(float(knot)), abs=1e-9)
    assert (found.knot[-1], found.kept[-1], found.settled[-1]) == (1.0, 1.0, 1.0)
    for row in range(13):
        expected = math.log(plain.ratios.get(row, 1.0))
        assert found.log_hazard[row] == pytest.approx(expected, abs=1e-6)


def test_a_right_forecast_stays_as_it_is() -> None:
    rng = np.random.default_rng(1)
    count = 40_000
    u, age = rng.random(count), rng.uniform(0, 120, count)
    found = kept_at(run(u, np.ones(count, bool), age, ONE_MEMORY), STATED)
    error = np.sqrt(STATED * (1 - STATED) / count)
    assert (np.abs(found - STATED) < 4 * error + 1e-4).all()


def test_no_evidence_changes_nothing() -> None:
    nothing = run(np.zeros(0), np.zeros(0, bool), np.zeros(0), CalibrationSettings())
    none = Calibration.none(1)
    np.testing.assert_allclose(nothing.kept, none.kept, atol=1e-12)
    assert (nothing.log_hazard == 0).all()
    assert nothing.evidence == 0
    old = run(np.full(99, 0.9), np.ones(99, bool), np.full(99, 500.0), CalibrationSettings())
    np.testing.assert_allclose(old.kept, none.kept, atol=1e-12)


def distorted(rng: np.random.Generator, count: int, power: float) -> np.ndarray:
    """u of a forecast that is wrong: stated x comes true in x ** power of all cases."""
    return rng.random(count) ** (1 / power)


@pytest.mark.parametrize("power", [0.6, 1.0, 1.8])
@pytest.mark.parametrize("censored", [False, True])
def test_a_planted_error_is_found(power: float, censored: bool) -> None:  # noqa: FBT001
    """With and without parcels under way: their age on the scale of u is independent of them."""
    rng = np.random.default_rng(7)
    count = 60_000
    u, age = distorted(rng, count, power), rng.uniform(0, 120, count)
    lasted = np.where(rng.random(count) < 0.5, rng.random(count), 1.0) if censored else 1.0
    arrived = u <= lasted
    if censored:
        assert 0.1 < 1 - arrived.mean() < 0.5
    found = kept_at(run(np.minimum(u, lasted), arrived, age, ONE_MEMORY), STATED)
    truth = STATED**power
    error = np.sqrt(truth * (1 - truth) / (count / 2))
    # Within a stretch the hazard is taken as even: small, and no matter of luck.
    assert (np.abs(found - truth) < 4 * error + 0.004).all()


def test_dropping_parcels_under_way_would_flatter() -> None:
    """The test above can fail: the same parcels without the open ones look far too fast."""
    rng = np.random.default_rng(7)
    count = 60_000
    u, lasted = rng.random(count), rng.random(count)
    arrived = u <= lasted
    age = rng.uniform(0, 120, count)
    dropped = run(u[arrived], np.ones(arrived.sum(), bool), age[arrived], ONE_MEMORY)
    kept = run(np.minimum(u, lasted), arrived, age, ONE_MEMORY)
    assert kept_at(dropped, np.array([0.5]))[0] > 0.6
    assert kept_at(kept, np.array([0.5]))[0] == pytest.approx(0.5, abs=0.02)


def test_censoring_does_not_bias_on_average() -> None:
    """Thirty small samples, half of the parcels open: the mean is the truth within its error."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(100 + seed)
        u, lasted, age = rng.random(2000), rng.random(2000), rng.uniform(0, 120, 2000)
        calibration = run(np.minimum(u, lasted), u <= lasted, age, ONE_MEMORY)
        found.append(kept_at(calibration, np.array([0.3, 0.6, 0.8])))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(30)
    assert (np.abs(mean - [0.3, 0.6, 0.8]) < 4 * error + 1e-3).all()


def test_the_recent_past_counts_most() -> None:
    """The last three weeks were slow: what was right in the long run is corrected downwards."""
    rng = np.random.default_rng(9)
    count = 20_000
    age = rng.uniform(0, 120, count)
    u = np.where(age < 21, distorted(rng, count, 1.8), rng.random(count))
    found = kept_at(run(u, np.ones(count, bool), age, CalibrationSettings()), np.array([0.8]))
    assert found[0] == pytest.approx(0.8**1.8, abs=0.05)


def test_groups_shrink_to_the_whole() -> None:
    """Groups of another hazard where promises are made: the larger, the more it is believed."""
    rng = np.random.default_rng(11)
    sizes = [40, 400, 8000]
    group = np.repeat([1, 2, 3], sizes)
    # Above 0.7 the late ones are twice as fast as stated.
    u = rng.random(len(group))
    u = np.where(u > GROUPS_FROM, 1 - 0.3 * ((1 - u) / 0.3) ** 0.5, u)
    whole = rng.random(40_000)
    codes = np.concatenate([np.zeros(40_000, np.int64), group])[:, None]
    u = np.concatenate([whole, u])
    found = calibrate(
        u,
        np.ones(len(u), bool),
        np.zeros(len(u)),
        codes,
        levels=[0],
        rows=5,
        settings=ONE_MEMORY,
    )
    ratio = np.exp(found.log_hazard)
    assert ratio[4] == 1.0
    assert 1.0 < ratio[1] < ratio[2] < ratio[3]
    assert ratio[3] == pytest.approx(2.0, abs=0.35)
    assert ratio[0] == pytest.approx(1.0, abs=0.2)


def test_the_map_ascends_within_zero_and_one() -> None:
    rng = np.random.default_rng(12)
    for _ in range(50):
        count = int(rng.integers(1, 200))
        u = rng.random(count) ** rng.uniform(0.2, 5)
        found = run(u, rng.random(count) < 0.7, rng.uniform(0, 130, count), CalibrationSettings())
        assert (np.diff(found.knot) > 0).all()
        assert (np.diff(found.kept) >= 0).all()
        assert (found.kept[0], found.kept[-1]) == (0.0, 1.0)


def test_when_the_network_turns_the_slow_parcels_follow_the_quick_ones() -> None:
    """Of the last days only the quick arrivals are known; the upper stretches go along at once."""
    rng = np.random.default_rng(3)
    u, age = rng.random(4000), rng.uniform(10.0, 110.0, 4000)
    # For ten days parcels have come twice as quickly, and nobody has waited for the slow ones yet.
    recent, young = 1.0 - (1.0 - rng.random(600)) ** 0.5, rng.uniform(0.0, 10.0, 600)
    seen = np.minimum(recent, young / 16.0)
    u, age = np.concatenate([u, seen]), np.concatenate([age, young])
    arrived = np.concatenate([np.ones(4000, bool), recent <= young / 16.0])
    still, shifted = (
        kept_at(run(u, arrived, age, CalibrationSettings(shift_power=power)), np.array([0.8]))[0]
        for power in (0.0, 0.75)
    )
    assert shifted > still + 0.01
    assert shifted < 1.0 - 0.2**2


def luck_of_days(rate: np.ndarray, seed: int) -> float:
    """What `_sharing_luck` says of 80 parcels a day, each day at its own hazard."""
    random = np.random.default_rng(seed)
    days = np.repeat(np.arange(len(rate)), 80)
    came = random.random(len(days)) < 1.0 - np.exp(-rate[days])
    return _sharing_luck(days.astype(float), came.astype(float), np.ones(len(days)))


def test_parcels_of_a_day_count_each_where_they_share_no_luck() -> None:
    plain = [luck_of_days(np.full(100, 1.0), seed) for seed in range(20)]
    # Of parcels that arrive once at most the variance is below that of a Poisson count.
    assert max(plain) < 1.3
    # A network that turns, and stays so, is told by its parcels, not by two days of a hundred.
    turned = [luck_of_days(np.where(np.arange(100) < 10, 0.5, 1.0), seed) for seed in range(20)]
    assert max(turned) < 1.5
    storms = np.where(np.arange(100) % 5 < 1, 0.2, 1.0)
    assert min(luck_of_days(storms, seed) for seed in range(20)) > 2.0


def test_storms_that_are_over_move_the_calibration_less_than_a_turn_that_stays() -> None:
    random = np.random.default_rng(5)
    days = np.repeat(np.arange(100), 80)
    codes = np.zeros((len(days), 1), np.int64)

    def moved(late: np.ndarray) -> float:
        u = np.where(late[days], random.uniform(0.6, 1.0, len(days)), random.random(len(days)))
        found = calibrate(
            u,
            np.ones(len(days), dtype=bool),
            days.astype(float),
            codes,
            levels=[0],
            rows=1,
            settings=CalibrationSettings(),
        )
        return float(np.abs(found.kept - found.settled).max())

    # The last three days were late, and no day before; or one day in twelve always was.
    turn = moved(np.arange(100) < 3)
    storms = moved((np.arange(100) < 3) | (np.arange(100) % 12 < 1))
    assert storms < 0.9 * turn


def past_days(pace: Callable[[Floats], Floats]) -> Iterator[PastDay]:
    """Of orders whose hazard on their day is so many times the forecast's, which is one a day."""
    rng = np.random.default_rng(11)
    day = np.repeat(np.arange(120.0), 60)
    taken = rng.exponential(size=len(day)) * 3.0 / pace(day)
    for now in range(60, 117, 3):
        then, after = day < now, (day >= now) & (day < now + 3)
        arrived = day + taken < now
        lasted = np.where(arrived, taken, now - day)
        low = np.floor(taken[after])
        yield PastDay(
            u=-np.expm1(-lasted[then] / 3.0),
            arrived=arrived[then],
            age_days=now - day[then],
            arriving=np.ones(then.sum()),
            before=-np.expm1(-low / 3.0),
            through=-np.expm1(-(low + 1.0) / 3.0),
            weight=np.full(after.sum(), 0.15),
        )


@pytest.mark.parametrize(
    ("pace", "least", "most"),
    [
        (lambda day: np.where(day < 66, 1.0, 0.5), 0.9, 1.0),  # a turn that stays
        (lambda day: np.where(day // 6 % 2 == 0, 1.0, 0.4), 0.0, 0.2),  # over before it is known
        (np.ones_like, 0.3, 0.7),
    ],
)
def test_a_slowdown_corrects_dates_as_far_as_slowdowns_have_held(
    pace: Callable[[Floats], Floats], least: float, most: float
) -> None:
    assert least <= share_held(past_days(pace), CalibrationSettings()).later <= most


def test_a_recovery_counts_unless_recoveries_have_not_held() -> None:
    def held(pace: Callable[[Floats], Floats]) -> float:
        return share_held(past_days(pace), CalibrationSettings()).sooner

    assert held(np.ones_like) > 0.7
    assert held(lambda day: np.where(day < 66, 1.0, 1.6)) > 0.95
    assert held(lambda day: np.where(day // 6 % 2 == 0, 1.0, 3.0)) < 0.4


def test_what_has_not_held_is_left_out_of_the_correction() -> None:
    rng = np.random.default_rng(5)
    u, age = rng.random(4000) ** 0.5, rng.integers(0, 40, 4000).astype(float)
    slow = np.where(age < 8, u**0.5, u)
    found = {
        held: calibrate(
            slow,
            np.ones(4000, bool),
            age,
            np.zeros((4000, 1), np.int64),
            levels=[],
            rows=1,
            settings=CalibrationSettings(),
            held=Held(held, held),
        )
        for held in (0.0, 0.5, 1.0)
    }
    np.testing.assert_array_equal(found[0.0].kept, found[0.0].settled)
    assert np.abs(found[1.0].kept - found[1.0].settled).max() > 0.02
    np.testing.assert_allclose(found[0.5].kept, (found[0.0].kept + found[1.0].kept) / 2.0)
