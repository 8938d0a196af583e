"""A forest without trees, for a history of too few parcels to grow any.

All parcels get one distribution of the log duration relative to what the statistics explain: the
Kaplan-Meier quantiles of those there are, mixed with the predictive distribution of a normal sample
as small as this one, whose unknown mean and spread make it a Student t (Geisser 1993, Predictive
Inference, chapter 2). So promises of few parcels are wide, and narrow as parcels come.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from etapromise.array_types import Floats, Ints, Mask
from etapromise.forecast.forest import Forest
from etapromise.forecast.forest_layout import join_trees
from etapromise.forecast.survival import kaplan_meier_quantiles
from etapromise.history.features import FeatureBuilder, FeatureContract, with_handling_codes
from etapromise.history.gathered import HistoryAsOf
from etapromise.shrinkage import PRIORS

# With so many parcels their own quantiles count as much as the t distribution's.
_OWN_SHAPE: Final = 30.0


def relative_to_now(gathered: HistoryAsOf, contract: FeatureContract, rows: Ints) -> Floats:
    """(r,) log durations of parcels, or log ages of open ones, relative to what is usual today.

    Not to what was usual on each parcel's own day: the first ones had nothing before them. What is
    usual today has learned from the parcel itself; the rest is as large as if it had not.
    """
    statistics = gathered.statistics
    builder = FeatureBuilder(contract, gathered.encoder, statistics)
    requests = gathered.requests.take(rows)
    _, offset = builder.rows(requests, with_handling_codes(requests.codes))
    days = gathered.days(gathered.outcomes, rows)
    left = np.log(days + statistics.settings.offset) - offset
    return np.asarray(left / (1.0 - _leverage(gathered, requests.codes)))


def _leverage(gathered: HistoryAsOf, codes: NDArray[np.int32]) -> Floats:
    """(r,) the share of each parcel's own duration in what the levels explain of it.

    A mean of n parcels that leans on k parcels' worth of belief holds 1 / (n + k) of each; without
    it the rest would be larger by 1 / (1 - share) (Allen 1974, The relationship between variable
    selection and data augmentation and a method for prediction, Technometrics 16). A level that
    divides the parcels as one before it finds hardly anything left.
    """
    statistics, seen = gathered.statistics, set()
    left = np.ones(len(codes))
    for level, prior in enumerate(statistics.settings.total):
        column = codes[:, level]
        divided = np.unique(column, return_inverse=True)[1].tobytes()
        if divided in seen:
            continue
        seen.add(divided)
        evidence = np.array([statistics.evidence(level, row) for row in column.tolist()])
        left *= 1.0 - 1.0 / np.maximum(evidence + prior, 2.0)
    return 1.0 - left


def forest_of_few(
    target: Floats, *, arrived: Mask, weight: Floats, levels: Floats, features: int
) -> Forest:
    """The one distribution of all parcels, as a forest that any model can hold.

    Args:
        target: (r,) of the parcels that there are, see `relative_to_now`.
        arrived: (r,) whether it is a duration; at least two are.
        weight: (r,) how likely each is one that arrives.
        levels: (q,) quantile levels.
    """
    own = kaplan_meier_quantiles(target, levels, weight=weight, censored=~arrived)
    middle = kaplan_meier_quantiles(target, np.array([0.5]), weight=weight, censored=~arrived)[0]
    count = int(arrived.sum())
    squares = float(((target[arrived] - middle) ** 2).sum())
    freedom = PRIORS.few_spread + count - 1.0
    spread = np.sqrt((PRIORS.few_spread * PRIORS.few_spread_first**2 + squares) / freedom)
    few = middle + spread * np.sqrt(1.0 + 1.0 / count) * stdtrit(freedom, levels)
    share = count / (count + _OWN_SHAPE)
    return Forest(
        levels=levels,
        start=np.sort(share * own + (1.0 - share) * few),
        features=features,
        trees=join_trees([]),
        values=np.zeros((0, len(levels)), np.float32),
    )
