"""How good promises were, and how sure that is of few parcels: pure functions on numpy arrays.

Days are counted from each parcel's own origin date (day 0, a date in the destination's local time),
as `DateDistribution` counts them. Three arrays of shape (n,) say what became of the parcels:

- ``event_day``: the day of the event, infinite where none is known.
- ``known_until``: the last day that the data wholly cover, for this parcel.
- ``cancelled``: whether the order was called off, so that nothing was to be delivered.

**Selection.** A promise can be judged once its day has run out (``promised_day <= known_until``)
and is *pending* before, even when the parcel has already arrived: to count early arrivals while the
slow parcels of the same days are still out would flatter. Which promises are judged thus depends on
what was promised, never on how it ended. A parcel that is neither delivered nor cancelled when its
day has run out broke its promise, whether it is late, returned or lost. Scores of the whole
distribution are cut off at ``known_until`` for every parcel, early or late, for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from etapromise.array_types import Floats, Ints, Mask, with_rows
from etapromise.forecast.survival import kaplan_meier
from etapromise.shrinkage import shrunk

Seed = int | tuple[int, ...]

# Of the standard normal: central 95 %.
_Z: Final = 1.959963984540054
# Parcels' worth of belief in the prior share, at least and at most.
_EVIDENCE: Final = (10.0, 400.0)
_GRID: Final = (np.arange(1_000) + 0.5) / 1_000


@dataclass(frozen=True, kw_only=True)
class CensoredOutcomes:
    """What became of n parcels; see the module's text for the three arrays, each (n,); no NaN."""

    event_day: Floats
    known_until: Floats
    cancelled: Mask

    def __len__(self) -> int:
        return len(self.event_day)

    def __getitem__(self, rows: Mask | Ints) -> CensoredOutcomes:
        return with_rows(self, rows)


@dataclass(frozen=True, kw_only=True)
class KeptCounts:
    """How a set of promises was kept.

    Attributes:
        judged: Those whose day has run out: ``judged == kept + late + undelivered``.
        kept: Arrived by the promised day.
        late: Arrived later.
        undelivered: Not known to have arrived, and not cancelled: broken.
        pending: The promised day is not yet covered by the data.
        cancelled: The order was called off.
        undated: No date could be promised at all.
        kept_rate: ``kept / judged``; None of nothing judged, as for all below.
        kept_low: Lower end of the 95 % Wilson interval of ``kept_rate``.
        kept_high: Its upper end.
        mean_confidence: Mean stated probability of the judged; None where none was stated.
        gap: ``kept_rate - mean_confidence``; honest promises have 0 here.
        mean_days: Mean promised days of all dated promises of orders that were not cancelled,
            judged or not: who promises long shall not look short while the long ones are pending.
    """

    promises: int
    judged: int
    kept: int
    late: int
    undelivered: int
    pending: int
    cancelled: int
    undated: int
    kept_rate: float | None
    kept_low: float | None
    kept_high: float | None
    mean_confidence: float | None
    gap: float | None
    mean_days: float | None


def judged(outcomes: CensoredOutcomes, promised_day: Floats) -> Mask:
    """Promises that can be judged, (n,): dated, not cancelled, and their day has run out.

    Args:
        promised_day: (n,), infinite or NaN where no date was promised.
    """
    return ~outcomes.cancelled & np.isfinite(promised_day) & (promised_day <= outcomes.known_until)


def kept(outcomes: CensoredOutcomes, promised_day: Floats) -> Mask:
    """Whether the event came by the promised day, (n,); only to be read where `judged`."""
    return outcomes.event_day <= promised_day


def summarise(
    outcomes: CensoredOutcomes, promised_day: Floats, confidence: Floats | None = None
) -> KeptCounts:
    """Count and rate promises; undelivered, not cancelled parcels count as broken.

    Args:
        confidence: The stated probability that the event comes by then, (n,).
    """
    rows = judged(outcomes, promised_day)
    dated = np.isfinite(promised_day) & ~outcomes.cancelled
    n_judged = int(rows.sum())
    n_kept = int((rows & kept(outcomes, promised_day)).sum())
    n_undelivered = int((rows & np.isinf(outcomes.event_day)).sum())
    low, high = map(float, wilson_interval(n_kept, n_judged)) if n_judged else (None, None)
    rate = n_kept / n_judged if n_judged else None
    stated = mean_or_none(confidence[rows]) if confidence is not None else None
    return KeptCounts(
        promises=len(outcomes),
        judged=n_judged,
        kept=n_kept,
        late=n_judged - n_kept - n_undelivered,
        undelivered=n_undelivered,
        pending=int((dated & ~rows).sum()),
        cancelled=int(outcomes.cancelled.sum()),
        undated=int((~outcomes.cancelled & ~dated).sum()),
        kept_rate=rate,
        kept_low=low,
        kept_high=high,
        mean_confidence=stated,
        gap=rate - stated if rate is not None and stated is not None else None,
        mean_days=mean_or_none(promised_day[dated]),
    )


def summarise_delivered(
    outcomes: CensoredOutcomes, promised_day: Floats, confidence: Floats | None = None
) -> KeptCounts:
    """The same over parcels known to be delivered, as marketplaces and carriers like to count.

    What never arrived is left out, so this flatters; beside `summarise` it tells how much of the
    breakage is loss and how much is lateness.
    """
    arrived = np.isfinite(outcomes.event_day)
    return summarise(
        outcomes[arrived],
        promised_day[arrived],
        None if confidence is None else confidence[arrived],
    )


def pinball_days(outcomes: CensoredOutcomes, quantile_day: Floats, level: float) -> Floats:
    """Pinball loss of one quantile in days, (n,), both sides cut off at ``known_until``.

    ``(level - 1[y < q]) (y - q)`` (Koenker & Bassett 1978) with ``y = min(event_day, c)`` and
    ``q = min(quantile_day, c)``, ``c = known_until``. Cutting off is monotone, so the quantile of
    the cut-off day is the cut-off quantile and the score stays proper under this fixed censoring
    (Powell 1986, J. Econometrics 32:143).

    Args:
        quantile_day: Predicted quantile, (n,); infinite where the level is never reached.
    """
    actual = np.minimum(outcomes.event_day, outcomes.known_until)
    predicted = np.minimum(quantile_day, outcomes.known_until)
    short = actual - predicted
    return np.asarray(np.where(short >= 0, level * short, (level - 1) * short))


def crps_days(outcomes: CensoredOutcomes, probability: Floats) -> Floats:
    """Continuous ranked probability score on dates, in days, (n,).

    ``sum over k <= c of (F(k) - 1[event_day <= k])²`` with ``c = known_until`` cut to the horizon:
    the ranked probability score (Epstein 1969) with days as steps, weighted 1 up to what the data
    cover and 0 after, which keeps it proper (Gneiting & Ranjan 2011, JBES 29:411).

    Args:
        probability: ``F(k)``, (n, horizon).
    """
    days = np.arange(probability.shape[1])
    happened = outcomes.event_day[:, None] <= days
    covered = days <= outcomes.known_until[:, None]
    return np.asarray(np.sum(np.where(covered, (probability - happened) ** 2, 0.0), axis=1))


def pit_values(outcomes: CensoredOutcomes, probability: Floats, *, seed: Seed) -> Floats:
    """Randomised probability integral transform, (n,): uniform on [0, 1] if the forecast is right.

    ``u = F(y - 1) + V (F(y) - F(y - 1))``, V uniform (Czado, Gneiting & Held 2009, Biometrics
    65:1254, for counts). Of a parcel without event by ``c = min(known_until, horizon - 1)`` only
    ``u > F(c)`` is known and ``u = F(c) + V (1 - F(c))``, which is uniform as well.
    """
    n, horizon = probability.shape
    padded = np.concatenate([np.zeros((n, 1)), probability], axis=1)  # padded[:, k + 1] = F(k)
    last = np.clip(np.minimum(outcomes.known_until, horizon - 1), -1, None).astype(np.int64)
    arrived = outcomes.event_day <= last
    day = np.where(arrived, outcomes.event_day, 0).astype(np.int64)
    rows = np.arange(n)
    # An event before day 0 (an order dated after its own delivery) has no probability at all.
    before = arrived & (day < 0)
    day = np.maximum(day, 0)
    low = np.where(arrived, padded[rows, day], padded[rows, last + 1])
    high = np.where(arrived, padded[rows, day + 1], 1.0)
    low, high = np.where(before, 0.0, low), np.where(before, 0.0, high)
    return np.asarray(low + np.random.default_rng(seed).random(n) * (high - low))


def interval_hits(
    outcomes: CensoredOutcomes, low_day: Floats, high_day: Floats
) -> tuple[Mask, Mask]:
    """Whether the event fell on a day of the closed interval, and whether that can be said, (n,).

    It can be said once ``high_day`` has run out and the order was not cancelled.
    """
    inside = (outcomes.event_day >= low_day) & (outcomes.event_day <= high_day)
    return inside, judged(outcomes, high_day)


def mean_or_none(values: Floats) -> float | None:
    """The mean, None of nothing."""
    return float(np.mean(values)) if len(values) else None


def wilson_interval(hits: npt.ArrayLike, count: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The central 95 % interval of a share, of which `hits` out of `count` were seen.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22:
    never empty and never outside 0 to 1, also for three parcels of three. It takes parcels as
    independent; those of one storm are not, so that it is too narrow for one bad week and about
    right for luck.

    Args:
        hits: (n,) parcels that did.
        count: (n,) parcels that could have; NaN comes out where it is 0.
    """
    k, n = np.asarray(hits, np.float64), np.asarray(count, np.float64)
    n = np.where(n > 0, n, np.nan)
    share = k / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # At the ends the formula is exact but its rounding is not.
    low = np.where(k == 0, np.where(np.isnan(n), np.nan, 0.0), np.maximum(middle - half, 0.0))
    high = np.where(k == n, 1.0, np.minimum(middle + half, 1.0))
    return low, high


def kaplan_meier_percentiles(days: Floats, arrived: Mask, percents: tuple[float, ...]) -> Floats:
    """Percentiles of durations of which some are not over yet.

    The product-limit estimate of Kaplan & Meier (1958), Nonparametric estimation from incomplete
    observations, JASA 53. A parcel that never arrives has an infinite duration: percentiles are of
    all parcels, and infinite where so many never arrive.

    Args:
        days: (n,) durations, or how long they have lasted by now; infinite where they never end.
        arrived: (n,) whether the duration is over.

    Returns:
        (len(percents),) the first duration by which so many have arrived; NaN where the data end
        before.
    """
    if not len(days):
        return np.full(len(percents), np.nan)
    times, reached = kaplan_meier(days, censored=~arrived)
    first = np.searchsorted(reached, np.asarray(percents) / 100.0 - 1e-12)
    beyond = np.inf if np.isinf(days[~arrived]).all() else np.nan
    return np.append(times, beyond)[first]


def shrunk_shares(hits: Floats, count: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Shares that lean on a prior as long as there are few parcels: three lucky ones win nothing.

    Beta-binomial: how far groups really are apart, beyond the luck of their counts, says how many
    parcels' worth of belief the prior deserves (empirical Bayes by moments; Efron & Morris 1975,
    Data analysis using Stein's estimator and its generalizations, JASA 70).

    Args:
        count: (n,) parcels that could have.
        prior: (n,) shares to lean on, strictly between 0 and 1.

    Returns:
        (n,) the shares; (n,) how many parcels' worth of evidence is behind each, the prior's in it.
    """
    spread = prior * (1.0 - prior)
    seen = count > 0
    deviation = np.where(seen, (hits - count * prior) ** 2, 0.0)
    # E[(hits - count·prior)²] = count·spread·(1 + (count - 1)·rho), rho = 1 / (evidence + 1).
    luck = (count * spread)[seen].sum()
    pairs = (count * (count - 1.0) * spread)[seen].sum()
    rho = (deviation.sum() - luck) / pairs if pairs > 0 else 0.0
    evidence = np.clip(1.0 / rho - 1.0 if rho > 0 else np.inf, *_EVIDENCE)
    return shrunk(hits, count, prior, evidence), count + evidence


def chance_best(share: Floats, evidence: Floats) -> Floats:
    """(n,) the probability that each of n groups has the highest share of all.

    Args:
        share: (n,) means of beta distributions.
    """
    a, b = (share * evidence)[:, None], ((1.0 - share) * evidence)[:, None]
    log_density = (a - 1.0) * np.log(_GRID) + (b - 1.0) * np.log1p(-_GRID)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    density /= density.sum(axis=1, keepdims=True)
    below = np.maximum(np.cumsum(density, axis=1) - density / 2.0, 1e-300)
    others = np.exp(np.log(below).sum(axis=0) - np.log(below))
    wins = (density * others).sum(axis=1)
    return np.asarray(wins / wins.sum())
