"""Making stated probabilities come true, from what happened to recent orders.

Each recent order had a predictive distribution F when it was placed. u = F(duration) is uniform
where F is right; on the scale e = -log(1 - u) a right F has a hazard of exactly one. So the hazard
ratio in each stretch of u, parcels observed over parcels expected, says how F errs there. Open
parcels count with the exposure that they have behind them, which is all that censoring asks for;
both counts are sums over parcels, so they add up over days and machines.

References:
    Berman (1983) and Keiding (1990), observed over expected on the cumulative-hazard scale;
    Dawid (1984), the probability integral transform.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord, StoredPart

# Where hazards may differ: edges in u. Finer at the top, where promises are made.
_EDGES: Final = np.array(
    [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.975, 0.99]
)
# Points between the edges at which the map is tabulated; linear between them.
_STEPS: Final = 6
_TAIL: Final = np.array([0.9925, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 1.0])
# Groups differ from the whole above this probability only (ETP_GROUPS_FROM in
# native/distribution.h): correcting their middle as well follows noise, and the middle is what the
# forest knows best.
_GROUPS_FROM: Final = 0.7
# Parcels due of a day that it is judged by, and pairs of such days; the most that is believed.
_LEAST_DUE: Final = 5.0
_FEWEST_DAYS: Final = 14
_MOST_ALIKE: Final = 30.0
# Shares of the last days' correction that may have held, and what no date has less than.
_SHARES: Final = np.linspace(0.0, 1.0, 5)
_BEFORE_LATER: Final = (0.2, 0.2, 0.2, 0.2, 0.2)
_BEFORE_SOONER: Final = (0.05, 0.05, 0.05, 0.05, 0.8)
_LEAST_MASS: Final = 1e-4
# Groups with a hazard ratio of their own, each relative to the ones before it.
CALIBRATED_LEVELS: Final = (
    "carrier",
    "service",
    "destination_region",
    "region_lane",
    "service_region",
)

# A group's hazard, as a logarithm: from hardly any to many times the whole's.
_LOG_HAZARD: Final = 20.0
_LAYOUT: Final = ArrayLayout(
    knot=Array("float64", "knots", low=0.0, high=1.0, order="strictly"),
    kept=Array("float64", "knots", low=0.0, high=1.0, order="ascending"),
    settled=Array("float64", "knots", low=0.0, high=1.0, order="ascending"),
    log_hazard=Array("float32", "rows", low=-_LOG_HAZARD, high=_LOG_HAZARD),
)


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """How much of the recent past it takes to move a probability.

    Attributes:
        window: days of orders that are looked at.
        slow_half_life: days in which an order's weight halves, for the long-run correction.
        slow_evidence: parcels' worth of belief that F is right.
        shift_half_life: the same for the hazard of the last days as a whole, on top of it.
        shift_evidence: parcels' worth of belief that it is the long run's.
        shift_power: how much of it holds for what nobody has seen the end of yet.
        quick_half_life: the same for the correction of the last days, stretch by stretch.
        quick_evidence: parcels' worth of belief in the long-run correction, shifted.
        group_half_life: the same for groups.
        group_evidence: parcels' worth of belief that a group is like the whole.
    """

    window: int = 120
    slow_half_life: float = 90.0
    slow_evidence: float = 100.0
    shift_half_life: float = 4.0
    shift_evidence: float = 100.0
    shift_power: float = 0.75
    quick_half_life: float = 4.0
    quick_evidence: float = 10.0
    group_half_life: float = 12.0
    group_evidence: float = 50.0


@dataclass(frozen=True)
class Held:
    """How much of a correction of the last days holds, 0 to 1.

    Attributes:
        later: of one to later dates.
        sooner: of one to earlier dates.
    """

    later: float = 1.0
    sooner: float = 1.0

    def share(self, settled: Floats, corrected: Floats) -> float:
        """That of the map of the long run, corrected."""
        return self.sooner if is_sooner(settled, corrected) else self.later


@dataclass(frozen=True)
class Calibration(ArrayRecord):
    """What to make of a stated probability.

    Attributes:
        knot: (m,) the model's probabilities, 0 to 1.
        kept: (m,) how often they come true; linear in between.
        settled: (m,) how often they do in the long run: what `kept` goes back to after its moment.
        log_hazard: (rows,) float32 by row of the statistics' tables, all levels one after another;
            a parcel's correction is the sum over its levels.
        evidence: parcels that it rests on, decayed.
    """

    LAYOUT: ClassVar = _LAYOUT

    knot: Floats
    kept: Floats
    settled: Floats
    log_hazard: NDArray[np.float32]
    evidence: float

    @classmethod
    def none(cls, rows: int) -> Calibration:
        """Probabilities as the forest states them."""
        knot = _knots()
        return cls(knot, knot.copy(), knot.copy(), np.zeros(rows, np.float32), 0.0)

    @classmethod
    def stored(cls, part: StoredPart, evidence: float, rows: int) -> Calibration:
        """The calibration of a model's files, of so many rows of the statistics' tables.

        Raises:
            ModelFileError: it is not what it must be.
        """
        arrays = part.read(_LAYOUT, rows=rows)
        _require_whole(part, arrays["knot"])
        return cls(**arrays, evidence=evidence)

    @classmethod
    def stored_many(cls, part: StoredPart, count: int, rows: int) -> tuple[Calibration, ...]:
        """Several, of the same knots' number, whose arrays are stacked.

        Raises:
            ModelFileError: they are not what they must be.
        """
        layouts = {
            name: Array(
                each.dtype.name,
                "count",
                *each.shape,
                low=each.low,
                high=each.high,
                order=each.order,
            )
            for name, each in _LAYOUT.arrays.items()
        }
        evidence = Array("float64", "count", low=0.0, high=1e12)
        arrays = part.read(ArrayLayout(**layouts, evidence=evidence), count=count, rows=rows)
        _require_whole(part, arrays["knot"])
        return tuple(
            cls(
                **{name: arrays[name][one] for name in layouts},
                evidence=float(arrays["evidence"][one]),
            )
            for one in range(count)
        )

    def probability(self, u: Floats, codes: Ints) -> Floats:
        """What the forest's probabilities `u` (n,) come to, for parcels that arrive.

        Args:
            u: (n,) the forest's probabilities.
            codes: (n, L) rows of the statistics' tables, counted over all levels.
        """
        kept = np.interp(u, self.knot, self.kept)
        hazard = np.exp(self.log_hazard[codes].sum(axis=1, dtype=np.float64))
        upper = (1.0 - _GROUPS_FROM) * ((1.0 - kept) / (1.0 - _GROUPS_FROM)) ** hazard
        return np.where(kept > _GROUPS_FROM, 1.0 - upper, kept)


def _require_whole(part: StoredPart, knot: Floats) -> None:
    """Refuse knots that do not reach from 0 to 1."""
    if knot.shape[-1] < 2 or np.any(knot[..., 0] != 0.0) or np.any(knot[..., -1] != 1.0):
        part.refuse("knot", f"knots of shape {knot.shape}", "knots from 0 to 1")


def calibrate(
    u: Floats,
    arrived: Mask,
    age_days: Floats,
    codes: Ints,
    *,
    levels: Sequence[int],
    rows: int,
    settings: CalibrationSettings,
    arriving: Floats | None = None,
    held: Held = Held(),
) -> Calibration:
    """The calibration that recent orders call for.

    Args:
        u: (n,) predicted probability of a duration as long as the parcel's, or, where it is open,
            as long as it has lasted by now.
        arrived: (n,) whether it arrived, else it is open.
        age_days: (n,) days since the order.
        codes: (n, L) rows of the statistics' tables, counted over all levels.
        levels: columns of `codes` of the calibrated levels, coarse to fine.
        rows: length of the tables.
        arriving: (n,) probability that the parcel will arrive at all, see `still_arriving`; by
            default 1.
        held: how much of the correction of the last days to make.
    """
    counts = np.ones(len(u)) if arriving is None else arriving
    recent = (age_days >= 0) & (age_days <= settings.window)
    u, arrived, age_days, codes = u[recent], arrived[recent], age_days[recent], codes[recent]
    counts = counts[recent]
    exposure = -np.log1p(-np.minimum(u, 1.0 - 1e-9))
    slow, quick = _corrections(exposure, arrived, age_days, counts, settings)
    due = _cumulative(exposure, slow)
    log_hazard = np.zeros(rows, np.float32)
    weight = counts * 0.5 ** (age_days / settings.group_half_life)
    # Groups are compared on what the long-run correction leaves: the quick one is the whole's.
    beyond = due + np.log1p(-_GROUPS_FROM)
    observed = weight * (arrived & (beyond > 0.0))
    expected = weight * np.maximum(beyond, 0.0)
    # What all have in common is no trait of a group, and corrected already.
    if observed.any():
        expected *= observed.sum() / expected.sum()
    for level in levels:
        group = codes[:, level]
        seen = np.bincount(group, weights=observed, minlength=rows)
        foreseen = np.bincount(group, weights=expected, minlength=rows)
        ratio = (seen + settings.group_evidence) / (foreseen + settings.group_evidence)
        log_hazard += np.log(ratio).astype(np.float32)
        expected = expected * ratio[group]
    knot = _knots()
    settled, corrected = _kept(knot, slow), _kept(knot, quick)
    share = held.share(settled, corrected)
    return Calibration(
        knot=knot,
        kept=(1.0 - share) * settled + share * corrected,
        settled=settled,
        log_hazard=log_hazard,
        evidence=float((weight * arrived).sum()),
    )


def is_sooner(settled: Floats, corrected: Floats) -> bool:
    """Whether a corrected map tells earlier dates than the long run's."""
    return float(corrected.mean()) > float(settled.mean())


@dataclass(frozen=True)
class PastDay:
    """What was known of recent orders on an earlier day, and what came of those placed after it.

    Attributes:
        u: (n,) as for `calibrate`, as known on that day; so are `arrived`, `age_days`, `arriving`.
        before: (m,) probability, as it was forecast for a later order, of an arrival before its
            date; of an open one, by now.
        through: (m,) the same by the end of its date; 1 of an open one.
        weight: (m,) how much it counts.
    """

    u: Floats
    arrived: Mask
    age_days: Floats
    arriving: Floats
    before: Floats
    through: Floats
    weight: Floats


def share_held(past: Iterable[PastDay], settings: CalibrationSettings) -> Held:
    """How much of the corrections of the last days has held for the orders that came after them.

    On each past day the orders that followed are told by a mixture of the map of the long run and
    of the corrected one; the mean of its share by their (interval-censored) likelihood. A shock
    that is over when its parcels arrive makes it small, a turn that stays makes it large. Before
    any evidence each share of a correction to later dates is as likely, and of one to earlier
    dates most: what was slow for a while becomes as it was, and stays so. The weights are of one
    mixture for all levels (stacking, Yao, Vehtari, Simpson & Gelman 2018).
    """
    told = np.log(np.array([_BEFORE_LATER, _BEFORE_SOONER]))
    for day in past:
        exposure = -np.log1p(-np.minimum(day.u, 1.0 - 1e-9))
        maps = [
            _kept(knot := _knots(), hazards)
            for hazards in _corrections(exposure, day.arrived, day.age_days, day.arriving, settings)
        ]
        slow, quick = (
            np.interp(day.through, knot, kept) - np.interp(day.before, knot, kept) for kept in maps
        )
        for place, share in enumerate(_SHARES):
            mass = np.maximum((1.0 - share) * slow + share * quick, _LEAST_MASS)
            told[int(is_sooner(*maps)), place] += day.weight @ np.log(mass)
    chance = np.exp(told - told.max(axis=1, keepdims=True))
    later, sooner = chance @ _SHARES / chance.sum(axis=1)
    return Held(float(later), float(sooner))


def _corrections(
    exposure: Floats, arrived: Mask, age_days: Floats, counts: Floats, settings: CalibrationSettings
) -> tuple[Floats, Floats]:
    """Hazards of the stretches in the long run, and as the last days correct them."""
    slow = _hazards(
        exposure,
        arrived,
        counts * 0.5 ** (age_days / settings.slow_half_life),
        np.ones(len(_EDGES)),
        settings.slow_evidence,
    )
    # When a network turns, the quick parcels show it weeks before the slow ones: so the upper
    # stretches, of which the last days say nothing yet, go along with the hazard of all.
    due = _cumulative(exposure, slow)
    alike = _sharing_luck(age_days, counts * arrived, counts * due)
    weight = counts * 0.5 ** (age_days / settings.shift_half_life)
    came = float(weight[arrived].sum()) + settings.shift_evidence * alike
    awaited = float(weight @ due) + settings.shift_evidence * alike
    quick = _hazards(
        exposure,
        arrived,
        counts * 0.5 ** (age_days / settings.quick_half_life),
        slow * (came / awaited) ** settings.shift_power,
        settings.quick_evidence * alike,
    )
    return slow, quick


def _sharing_luck(age_days: Floats, came: Floats, due: Floats) -> float:
    """How many parcels of one day are worth no more than one that shares its luck with none.

    The variance of arrivals over those due, by the day of the order, as multiples of what it is of
    parcels on their own (the design effect, Kish 1965); from day to day, so that a network that has
    turned, and stays so, counts in full, and storms that are over the day after do not (the mean
    square successive difference, von Neumann 1941).

    Args:
        age_days: (n,) days since the order.
        came: (n,) parcels that arrived.
        due: (n,) parcels that were to be expected.
    """
    day = age_days.astype(np.int64)
    arrivals, expected = np.bincount(day, came), np.bincount(day, due)
    beside = (expected[1:] >= _LEAST_DUE) & (expected[:-1] >= _LEAST_DUE)
    if beside.sum() < _FEWEST_DAYS:
        return 1.0
    off = (arrivals - expected) / np.sqrt(np.maximum(expected, _LEAST_DUE))
    return float(np.clip((np.diff(off)[beside] ** 2).mean() / 2.0, 1.0, _MOST_ALIKE))


def still_arriving(u: Floats, arrived: Mask, lost: Floats) -> Floats:
    """Probability that a parcel arrives at all, given that it has not by now.

    A parcel open for long is ever more likely one of those that never arrive, and says ever less
    of how long those take that do (Berkson & Gage 1952, the mixture cure model).

    Args:
        u: (n,) predicted probability that an arriving parcel would have arrived by now.
        arrived: (n,) those that have are certain.
        lost: (n,) share of such parcels that never arrive.
    """
    waiting = (1.0 - lost) * (1.0 - u)
    return np.where(arrived, 1.0, waiting / (waiting + lost))


def _knots() -> Floats:
    parts = [
        np.linspace(low, high, _STEPS, endpoint=False) for low, high in itertools.pairwise(_EDGES)
    ]
    return np.concatenate([*parts, _EDGES[-1:], _TAIL])


def _stretches(exposure: Floats) -> Floats:
    """(n, bins) how much of each parcel's exposure lies in each stretch of u."""
    edges = -np.log1p(-_EDGES)
    widths = np.append(np.diff(edges), np.inf)
    spent: Floats = np.clip(exposure[:, None] - edges, 0.0, widths)
    return spent


def _hazards(
    exposure: Floats, arrived: Mask, weight: Floats, prior: Floats, evidence: float
) -> Floats:
    edges = -np.log1p(-_EDGES)
    place = np.searchsorted(edges, exposure[arrived], side="right") - 1
    observed = np.bincount(place, weights=weight[arrived], minlength=len(_EDGES))
    expected = weight @ _stretches(exposure)
    hazards: Floats = (observed + evidence * prior) / (expected + evidence)
    return hazards


def _kept(knot: Floats, hazards: Floats) -> Floats:
    """(m,) how often probabilities (m,) come true under hazards of the stretches."""
    late = np.exp(-_cumulative(-np.log1p(-knot[:-1]), hazards))
    return np.append(1.0 - late, 1.0)


def _cumulative(exposure: Floats, hazards: Floats) -> Floats:
    total: Floats = _stretches(exposure) @ hazards
    return total
