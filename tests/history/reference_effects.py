"""Effects by level once more: every day from scratch, from lists of parcels, in plain Python.

No running sums, no lists of open parcels, no single precision: what the compiled sweep keeps up to
date is computed anew here whenever it is asked for.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from etapromise.history.effects import Durations, EffectSettings

LOWEST, WIDTH, BINS = -4.0, 0.05, 160
BELIEVED_PARCELS, BELIEVED_DEVIATION = 30.0, 0.35
OUTLYING, SETTLED, DEVIATION_PRIOR, BEYOND, SLOPE_OVER = 1.5, 50.0, 20.0, 0.3, 0.15


@dataclass
class Learnt:
    """What one parcel has told one key: of its order's day on, and never changed again."""

    start: int
    left: float
    pace: float
    residual: float | None


@dataclass
class ReferenceEffects:
    durations: Durations
    codes: np.ndarray
    elapsed: np.ndarray
    first_clock_day: int
    settings: EffectSettings
    paced_level: int = -1
    priors: tuple[float, ...] = ()
    learnt: dict[tuple[int, int], list[Learnt]] = field(default_factory=lambda: defaultdict(list))
    residuals: list[float] = field(default_factory=list)
    network: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.durations.start_day)
        self.levels = len(self.codes)
        self.open: set[int] = set()
        self.above = np.zeros((self.levels, count))
        self.own, self.explained, self.imputed = np.zeros(count), np.zeros(count), np.zeros(count)
        self.excess, self.told = np.zeros(count), np.zeros(count)
        self.settled = np.zeros(count, bool)
        self.last_effect: dict[tuple[int, int], float] = defaultdict(float)
        self.today: dict[tuple[int, int], tuple[float, ...]] = {}
        self.means = [(0.0, 0.0)] * self.levels
        self.at_start = np.zeros((count, self.levels, 5))

    def sweep(self, end_day: int, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
        start = self.durations.start_day
        for day in range(int(start[0]), end_day + 1):
            self.today = {}
            if day > start[0]:
                self.advance(day)
            if day == end_day:
                break
            beginning = [i for i in range(len(start)) if start[i] == day]
            for i in beginning:
                self.begin(i, day)
            self.open.update(beginning)
        rows = [
            self.known(level, row, end_day)
            for level, size in enumerate(sizes)
            for row in range(size)
        ]
        return self.at_start, np.array(rows)

    def advance(self, day: int) -> None:
        d = self.durations
        ended = [i for i in sorted(self.open) if min(d.known_day[i], d.closed_day[i]) < day]
        arrived = [i for i in ended if d.known_day[i] <= d.closed_day[i]]
        self.open -= set(ended)
        for i in self.open:
            clock = self.elapsed[d.clock[i], day - self.first_clock_day]
            explained = self.network + self.own[i]
            lasted = max(clock - d.start_clock[i], 0.0)
            residual = math.log(lasted + self.settings.offset) - explained
            beyond = self.mean_beyond(residual)
            self.imputed[i] = explained + beyond
            nearby = [self.mean_beyond(residual + side) for side in (-SLOPE_OVER, SLOPE_OVER)]
            self.told[i] = min(max((nearby[1] - nearby[0]) / (2 * SLOPE_OVER), 0.0), 1.0)
            self.excess[i] = beyond - (1.0 - self.told[i]) * self.mean_beyond(LOWEST)
        self.learn(arrived, day)

    def learn(self, arrived: list[int], day: int) -> None:
        d = self.durations
        finer = {
            i: sum(self.last_effect[level, self.codes[level, i]] for level in range(1, self.levels))
            for i in arrived
        }
        above = dict.fromkeys(arrived, 0.0)
        for level in range(self.levels):
            for i in arrived:
                if level == 0:
                    left = pace = d.value[i] - finer[i]
                else:
                    left = d.value[i] - self.network - above[i]
                    pace = d.value[i] - self.network - self.own[i]
                residual = d.value[i] - self.explained[i] if self.settled[i] else None
                key = level, int(self.codes[level, i])
                self.learnt[key].append(Learnt(int(d.start_day[i]), left, pace, residual))
            if level == 0:
                effect, _, pace, *_ = self.known(0, 1, day)
                self.network = effect + pace
            else:
                self.centre(level, day)
            for i in arrived if level else ():
                effect, _, pace, *_ = self.known(level, int(self.codes[level, i]), day)
                above[i] += effect + (pace if level == self.paced_level else 0.0)
        self.residuals += [d.value[i] - self.explained[i] for i in arrived if self.settled[i]]

    def known(self, level: int, code: int, day: int) -> tuple[float, ...]:
        """effect, evidence, pace, pace_evidence, deviation; once a day."""
        key = level, code
        if key in self.today:
            return self.today[key]
        rows = self.rows(level, code)
        slow, quick = self.weights(rows, day)
        priors = self.priors or [0.0] + [self.settings.prior] * (self.levels - 1)
        prior = priors[level]
        pace_prior = self.settings.pace_prior if level else self.settings.pace_prior / 3
        weight = sum(w * row[1] for w, row in zip(slow, rows, strict=True))
        pace_weight = sum(w * row[3] for w, row in zip(quick, rows, strict=True))
        effect = 0.0
        mean, usual = self.means[level]
        if weight + prior > 0:
            left = sum(w * (row[2] - mean * row[1]) for w, row in zip(slow, rows, strict=True))
            effect = left / (weight + prior)
        if level == 0:
            usual = effect
        pace = sum(w * (row[4] - usual * row[3]) for w, row in zip(quick, rows, strict=True))
        pace = pace / (pace_weight + pace_prior) if pace_weight > 0 else 0.0
        whole = self.known(0, 1, day)[4] if level else BELIEVED_DEVIATION
        squares = [
            (0.5 ** ((day - one.start) / self.settings.half_life), min(abs(one.residual), OUTLYING))
            for one in self.learnt[key]
            if one.residual is not None
        ]
        deviation = math.sqrt(
            (sum(w * r * r for w, r in squares) + DEVIATION_PRIOR * whole**2)
            / (sum(w for w, _ in squares) + DEVIATION_PRIOR)
        )
        if level:
            deviation /= whole
        self.last_effect[key] = effect
        self.today[key] = effect, weight, pace, pace_weight, deviation
        return self.today[key]

    def rows(self, level: int, code: int | None) -> list[tuple[int, float, float, float, float]]:
        """Start; share that is told, and of it what the levels above leave; the same of the pace.

        Of one key or of all.
        """
        known = [
            (one.start, 1.0, one.left, 1.0, one.pace)
            for key, parcels in self.learnt.items()
            if key[0] == level and code in (None, key[1])
            for one in parcels
        ]
        for i in self.open:
            if code in (None, self.codes[level, i]):
                start = int(self.durations.start_day[i])
                left, told = self.imputed[i] - self.own[i], 1.0
                pace = self.excess[i] + self.told[i] * (0.0 if level else self.network)
                if level:
                    told = self.told[i]
                    left = self.excess[i] + told * (self.own[i] - self.above[level, i])
                known.append((start, told, left, self.told[i], pace))
        return known

    def weights(
        self, rows: list[tuple[int, float, float, float, float]], day: int
    ) -> list[list[float]]:
        return [
            [0.5 ** ((day - start) / half_life) for start, *_ in rows]
            for half_life in (self.settings.half_life, self.settings.pace_half_life)
        ]

    def centre(self, level: int, day: int) -> None:
        """What all keys of a level have in common is the network's: their means are taken off."""
        rows = self.rows(level, None)
        slow, quick = self.weights(rows, day)
        weight = sum(w * row[1] for w, row in zip(slow, rows, strict=True))
        left = sum(w * row[2] for w, row in zip(slow, rows, strict=True))
        pace_weight = sum(w * row[3] for w, row in zip(quick, rows, strict=True))
        pace = sum(w * row[4] for w, row in zip(quick, rows, strict=True))
        self.means[level] = (
            left / weight if weight else 0.0,
            pace / pace_weight if pace_weight else 0.0,
        )

    def begin(self, i: int, day: int) -> None:
        own = 0.0
        for level in range(self.levels):
            fields = self.known(level, int(self.codes[level, i]), day)
            self.at_start[i, level] = fields
            self.above[level, i] = own
            if level == 0:
                known = (day - one.start for one in self.learnt[0, 1])
                weight = sum(0.5 ** (age / self.settings.half_life) for age in known)
                self.settled[i] = weight >= SETTLED
            else:
                own += fields[0]
        self.own[i] = own
        self.explained[i] = self.network + own

    def mean_beyond(self, residual: float) -> float:
        """Mean of the residuals that are larger, from their histogram and a believed normal one."""
        middles = LOWEST + (np.arange(BINS) + 0.5) * WIDTH
        scale = BELIEVED_PARCELS * WIDTH / BELIEVED_DEVIATION / math.sqrt(2 * math.pi)
        counts = scale * np.exp(-0.5 * (middles / BELIEVED_DEVIATION) ** 2)
        for one in self.residuals:
            counts[min(max(int((one - LOWEST) / WIDTH), 0), BINS - 1)] += 1
        at = (residual - LOWEST) / WIDTH
        if at >= BINS - 1:
            return residual + BEYOND
        b = max(int(at), 0)
        edges = [
            float((counts[k:] * middles[k:]).sum() / counts[k:].sum())
            if k < BINS
            else LOWEST + BINS * WIDTH + BEYOND
            for k in (b, b + 1)
        ]
        if at <= 0:
            return edges[0]
        return max(edges[0] + (edges[1] - edges[0]) * (at - b), residual)
