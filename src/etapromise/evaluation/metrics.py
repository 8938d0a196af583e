"""How good promises were: pure functions on numpy arrays.

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

import numpy as np

from etapromise.array_types import Floats, Ints, Mask, with_rows
from etapromise.evaluation.intervals import wilson_interval

Seed = int | tuple[int, ...]


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
