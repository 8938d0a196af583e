"""Which of a few laws each of many follows, believing of each what is common among all of them.

Nonparametric empirical Bayes on a grid (Laird 1978; Koenker & Mizera 2014), by expectation and
maximisation in turns.
"""

from __future__ import annotations

import numpy as np

from etapromise.array_types import Floats


def common_laws(fit: Floats, believed: Floats, rounds: int) -> tuple[Floats, Floats]:
    """The chance of each law for each of n, and how common it is.

    Args:
        fit: (n, g) log likelihood of what was seen of each under each law.
        believed: (g,) how common they are before anything is seen, in numbers out of n.
        rounds: of expectation and maximisation, at least one.

    Returns:
        (n, g) and (g,), each row adding up to one.
    """
    likelihood = np.exp(fit - fit.max(axis=1, keepdims=True))
    common, chance = believed / believed.sum(), likelihood
    for _ in range(rounds):
        chance = likelihood * common
        chance = chance / chance.sum(axis=1, keepdims=True)
        common = (chance.sum(axis=0) + believed) / (len(fit) + believed.sum())
    return chance, common
