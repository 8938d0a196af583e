"""Counts of few parcels: intervals of shares, percentiles despite open parcels, shrinkage."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etapromise.array_types import Floats, Mask
from etapromise.forecast.survival import kaplan_meier
from etapromise.shrinkage import shrunk

# Of the standard normal: central 95 %.
_Z: Final = 1.959963984540054
# Parcels' worth of belief in the prior share, at least and at most.
_EVIDENCE: Final = (10.0, 400.0)
_GRID: Final = (np.arange(1_000) + 0.5) / 1_000


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
