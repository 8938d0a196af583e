"""Weights of orders that lie far from the others, or that cannot all be kilograms."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats, Mask
from etapromise.history.number_ranges import nearest_remedy

# So few weights do not show what is usual.
_LEAST: Final = 30
# How often a quarter lies above and below the middle, at least; and so many times that is far out.
_SPREAD: Final = 2.0
_FAR: Final = 4.0
# Medians that parcels hardly have, in kilograms: half are in another unit, or all are.
_USUAL: Final = (0.02, 70.0)


def outlying_weights(shipments: pd.DataFrame) -> list[str]:
    """What to look at of the weights, a sentence each: all of them odd, or some that lie apart.

    Args:
        shipments: accepted ones; without ``weight_kg`` there is nothing to tell.

    Examples:
        >>> orders = pd.DataFrame({"weight_kg": [1.0, 1.5, 2.0, 2.5, 3.0] * 20 + [1500.0]})
        >>> outlying_weights(orders)[0][:53]
        '1 of 101 weights lies far from the others (half of th'
    """
    if "weight_kg" not in shipments:
        return []
    values = pd.Series(shipments["weight_kg"]).to_numpy(np.float64, na_value=np.nan)
    known = values[np.isfinite(values) & (values > 0)]
    zeros = int((values == 0).sum())
    told = [f"{zeros:,} weights are 0, which is likely to stand for none"] if zeros else []
    if len(known) < _LEAST:
        return told
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75)).tolist()
    if not _USUAL[0] <= middle <= _USUAL[1]:
        told.append(
            f"half of the weights are {middle:.4g} kg or more; are they in kilograms? In a mapping "
            'say what they are: unit = "g"'
        )
    spread = max(np.log(_SPREAD), np.log(high / middle), np.log(middle / low))
    outside = np.abs(np.log(known / middle)) > _FAR * spread
    return [*told, _told(known, outside, middle)] if outside.any() else told


def _told(known: Floats, outside: Mask, middle: float) -> str:
    n = int(outside.sum())
    heavy = known[outside & (known > middle)]
    odd = heavy if 2 * len(heavy) >= n else known[outside & (known < middle)]
    such = ", ".join(f"{value:g}" for value in odd[:3])
    remedy = nearest_remedy("weight_kg", float(np.median(odd)), middle)
    return (
        f"{n:,} of {len(known):,} weights {'lies' if n == 1 else 'lie'} far from the others (half "
        f"of them are below {middle:.4g} kg), such as {such}; {remedy}"
    )
