"""How parcels of one order depend on each other: the probability that all of them have arrived.

Parcels of one order often share a truck, a hub or a storm, so that the product of their
probabilities promises too late a date. Here a parcel follows, with some probability, a draw that
its whole journey shares (same origin, carrier, service, destination and day), and journeys of one
order follow, with some probability, a draw that the order shares; else each goes its own way. So
two parcels are comonotone with the probability `Dependence.journey` or `Dependence.order` and
independent otherwise: Fréchet's family of copulas, nested, whose joint probability is exact and
whose parts are those of fewer parcels. It has tail dependence: when the one is very late, the other
probably is as well, which a Gaussian copula denies.

The two numbers are learned from the orders of several parcels that were known at the model's
moment: dates and open parcels are intervals of the forecast probabilities, and the composite
likelihood of all pairs is climbed by expectation and maximisation.

References:
    Nelsen (2006), An Introduction to Copulas, 2nd ed., section 2.2 (Fréchet's bounds and family).
    Varin, Reid & Firth (2011), An overview of composite likelihood methods, Statistica Sinica 21.
    Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from etapromise import native
from etapromise.array_types import Floats, Ints, Mask
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import StoredValues

# Of an order of a hundred parcels the first ones tell enough.
_MOST_PARCELS: Final = 8
_ROUNDS: Final = 500


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How often two parcels of an order share their luck.

    Attributes:
        order: probability that two parcels of an order on different journeys are comonotone.
        journey: the same of two parcels on the same journey, at least `order`.
        order_pairs: pairs on different journeys that it was learned from.
    """

    order: float = 0.0
    journey: float = 0.0
    order_pairs: int = 0
    journey_pairs: int = 0

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Dependence:
        """What a model's manifest says; independence where it says nothing."""
        if "dependence" not in manifest:
            return cls()
        values = StoredValues("the manifest's dependence", manifest["dependence"])
        journey = values.number("journey", 0.0, 1.0)
        return cls(
            order=values.number("order", 0.0, journey),
            journey=journey,
            order_pairs=values.whole("order_pairs", 0, 2**53),
            journey_pairs=values.whole("journey_pairs", 0, 2**53),
        )


@dataclass(frozen=True)
class Pairs:
    """p pairs of parcels of one order each.

    Attributes:
        first: (p,) positions of the one.
        second: (p,) positions of the other.
        weight: (p,) so that an order of n parcels weighs n / 2, however many pairs it has.
    """

    first: Ints
    second: Ints
    weight: Floats


def joint_probability(
    probability: Floats, journeys: Sequence[object], dependence: Dependence
) -> Floats:
    """P(all n parcels have arrived by the end of each date), (h,).

    Never above the least of the parcels' probabilities, nor below what they leave to each other
    (Fréchet's bounds); one parcel's are its own. The order of the parcels is irrelevant.

    Args:
        probability: (n, h) P(arrived by the end of each of h dates), non-decreasing in h.
        journeys: (n,) parcels with equal ones are on the same journey.
    """
    count = len(probability)
    if count == 1:
        return np.asarray(probability[0])
    numbers: dict[object, int] = {}
    group = [numbers.setdefault(journey, len(numbers)) for journey in journeys]
    ascending = sorted(group)
    if ascending != group:
        # The kernel wants each group's together.
        probability = probability[sorted(range(count), key=group.__getitem__)]
    parcels = np.ascontiguousarray(probability, np.float64)
    groups = array("i", ascending)
    joint = np.empty(parcels.shape[1])
    scratch = array("d", bytes(8 * (count * 3 + (count + 1) * (len(numbers) + 1))))
    _joint(
        count,
        len(joint),
        len(numbers),
        parcels.ctypes.data,
        groups.buffer_info()[0],
        math.sqrt(dependence.journey),
        math.sqrt(dependence.order / dependence.journey) if dependence.journey else 0.0,
        scratch.buffer_info()[0],
        joint.ctypes.data,
    )
    return joint


_joint = native.function("etp_joint", "", "lllppddpp")


def pairs_of(order: Ints) -> Pairs:
    """All pairs of parcels of the same order.

    Args:
        order: (n,) number of each parcel's order, negative where it has none.
    """
    rows = np.flatnonzero(order >= 0)
    rows = rows[np.argsort(order[rows], kind="stable")]
    _, start, size = np.unique(order[rows], return_index=True, return_counts=True)
    size = np.minimum(size, _MOST_PARCELS)
    first, second, weight = [], [], []
    for step in range(1, _MOST_PARCELS):
        for place in range(_MOST_PARCELS - step):
            begins = start[size > place + step] + place
            first.append(rows[begins])
            second.append(rows[begins + step])
            weight.append(1.0 / (size[size > place + step] - 1.0))
    return Pairs(np.concatenate(first), np.concatenate(second), np.concatenate(weight))


def learn_dependence(low: Floats, high: Floats, pairs: Pairs, together: Mask) -> Dependence:
    """How often the pairs shared their luck.

    Args:
        low: (n,) forecast probability of an arrival before the date on which the parcel arrived, or
            before today where it is open.
        high: (n,) the same of an arrival by the end of that date; 1 where it is open.
        pairs: p pairs of these parcels.
        together: (p,) whether both are on the same journey.
    """
    one, other = pairs.first, pairs.second
    apart = (high[one] - low[one]) * (high[other] - low[other])
    same = np.minimum(high[one], high[other]) - np.maximum(low[one], low[other])
    same = np.maximum(same, 0.0)
    telling = apart > 0.0
    order = _share(same, apart, pairs.weight, telling & ~together, 0.0)
    journey = _share(same, apart, pairs.weight, telling & together, order)
    return Dependence(
        order=order,
        journey=max(order, journey),
        order_pairs=int((telling & ~together).sum()),
        journey_pairs=int((telling & together).sum()),
    )


def _share(same: Floats, apart: Floats, weight: Floats, chosen: Mask, prior: float) -> float:
    """The share of comonotone pairs; the likelihood is concave in it, so there is one summit."""
    same, apart, weight = same[chosen], apart[chosen], weight[chosen]
    total = float(weight.sum())
    share = 0.5
    for _ in range(_ROUNDS):
        likely = share * same
        found = float((weight * likely / (likely + (1.0 - share) * apart)).sum())
        share, before = float(shrunk(found, total, prior, PRIORS.dependence)), share
        if abs(share - before) < 1e-9:
            break
    return share
