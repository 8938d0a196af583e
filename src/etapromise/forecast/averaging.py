"""One forest that averages several: less noise from the luck of one seed, at the same tree count.

Quantiles of the members are averaged level by level (Vincent 1912; Ratcliff 1979), which for trees
that add up is again a forest: all trees, each leaf's values divided by the number of members.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from etapromise.forecast.forest import Forest
from etapromise.forecast.lightgbm_trees import join_trees


def average_forests(members: Sequence[Forest]) -> Forest:
    """The forest whose quantiles are the means of those of `members`.

    Args:
        members: at least one; of the same levels and features.
    """
    first = members[0]
    if len(members) == 1:
        return first
    share = np.float32(1.0 / len(members))
    return Forest(
        levels=first.levels,
        start=np.mean([member.start for member in members], axis=0),
        features=first.features,
        trees=join_trees([member.trees for member in members]),
        values=np.concatenate([member.values * share for member in members]),
    )
