"""How far the keys of a level differ, learned from the keys: which levels of detail are believed.

How much a key's own mean is believed beside the coarser levels is the ratio of how parcels of a key
differ to how keys differ (Efron & Morris 1975, Data analysis using Stein's estimator and its
generalizations, JASA 70). On one network lanes are all alike and a lane's mean is noise; on another
each is a world of its own. So the ratio is estimated for each level, by moments, from what a first
sweep over the history says of its keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields
from typing import Final

import numpy as np

from etapromise.array_types import Floats
from etapromise.history.effects import FIELDS, EffectSettings, FittedEffectSettings, Sweep
from etapromise.shrinkage import PRIORS

# Parcels' worth of belief, whatever the keys say.
_LEAST: Final = 1.0
_MOST: Final = 200.0
# Of keys of which hardly anything was seen nothing is learned.
_SEEN: Final = 0.5


def fitted_to_keys(
    settings: EffectSettings, sweeps: Sequence[Sweep], end_day: int
) -> FittedEffectSettings:
    """The settings with a prior for each level.

    Args:
        settings: as they are configured; their prior is where each level's begins.
        sweeps: over the whole durations, over those of handling and over those of the way.
        end_day: only what was received before it counts.

    Raises:
        InsufficientHistoryError: no parcel starts before `end_day`.
    """
    nobody = np.zeros(0, np.int64)
    total, handling, way = (
        _priors(sweep, sweep.run(end_day, wanted=nobody).at_end.astype(np.float64))
        for sweep in sweeps
    )
    own = {each.name: getattr(settings, each.name) for each in fields(EffectSettings)}
    return FittedEffectSettings(**own, total=total, handling=handling, way=way)


def _priors(sweep: Sweep, table: Floats) -> tuple[float, ...]:
    """Parcels' worth of belief for each level; 0 for the network, which leans on nobody."""
    starts = np.cumsum([0, *sweep.table_sizes])
    within = table[1, FIELDS.index("deviation")] ** 2
    return 0.0, *(
        _prior(table[first + 1 : last], within, sweep.settings.prior)
        for first, last in itertools.pairwise(starts[1:].tolist())
    )


def _prior(keys: Floats, within: float, prior: float) -> float:
    """How parcels of a key differ to how keys do, as a ratio of variances.

    Args:
        keys: (k, 5) fields of the keys of a level.
        within: variance of a parcel around what all levels say.
        prior: what their effects were shrunk with, and what is believed before any key is seen.
    """
    seen = keys[keys[:, FIELDS.index("evidence")] > _SEEN]
    evidence = seen[:, FIELDS.index("evidence")]
    mean = seen[:, FIELDS.index("effect")] * (evidence + prior) / evidence
    count = len(seen)
    between = 0.0
    if count:
        between = (float((evidence * mean**2).sum()) - count * within) / float(evidence.sum())
    believed = PRIORS.levels_differ * within / prior
    between = (max(between, 0.0) * count + believed) / (count + PRIORS.levels_differ)
    return float(np.clip(within / between, _LEAST, _MOST))
