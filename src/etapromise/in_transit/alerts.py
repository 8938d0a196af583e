"""From which probability on a parcel is called at risk or likely lost: chosen on past parcels.

A parcel is alarmed when its probability first reaches the threshold while its date is still to
come. So precision, share and warning are those of parcels, not of looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from etapromise.array_types import Floats, Ints, Mask
from etapromise.errors import ContractError
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord, StoredPart

DEFAULT_PRECISION: Final = 0.8
_GRID: Final = np.round(np.arange(0.05, 1.0, 0.01), 2)
_LIKELY_LOST: Final = 0.5


_LAYOUT: Final = ArrayLayout(
    threshold=Array("float64", "thresholds", low=0.0, high=1.0, order="strictly"),
    precision=Array("float64", "thresholds", low=-1.0, high=1.0),
    recall=Array("float64", "thresholds", low=0.0, high=1.0),
    share=Array("float64", "thresholds", low=0.0, high=1.0),
    likely_lost=Array("float64", low=0.0, high=1.0),
)


@dataclass(frozen=True)
class Alerts(ArrayRecord):
    """How alarms at each threshold did on parcels that the forest had not seen.

    Attributes:
        threshold: (t,) probabilities, ascending.
        precision: (t,) share of the alarmed parcels that were late, less a standard error.
        recall: (t,) share of the late parcels that were alarmed before their date had passed.
        share: (t,) share of all parcels that were alarmed.
        likely_lost: probability from which on a parcel counts as likely lost.
    """

    LAYOUT: ClassVar = _LAYOUT

    threshold: Floats
    precision: Floats
    recall: Floats
    share: Floats
    likely_lost: float

    @classmethod
    def stored(cls, part: StoredPart) -> Alerts:
        """The record of a model's files."""
        arrays = part.read(_LAYOUT)
        if not len(arrays["threshold"]):
            part.refuse("threshold", "no threshold", "one at least")
        return cls(**arrays | {"likely_lost": float(arrays["likely_lost"])})  # type: ignore[arg-type]

    @classmethod
    def unmeasured(cls) -> Alerts:
        """Before any parcel could be watched: thresholds are taken at their word."""
        return cls(_GRID, _GRID.copy(), np.zeros(len(_GRID)), np.ones(len(_GRID)), _LIKELY_LOST)

    def at(self, *, precision: float | None = None, budget: float | None = None) -> float:
        """The lowest threshold that keeps a wish: it finds the most late parcels.

        Args:
            precision: wanted share of alarms that are right; 0.8 where neither is given.
            budget: the most parcels that may be alarmed, as a share of all.
        """
        if precision is not None and budget is not None:
            raise ContractError("Found a wanted precision and a budget; expected one of them.")
        wish = precision if precision is not None else budget
        told: object = wish
        if wish is not None and not (isinstance(told, float | int) and 0.0 < told < 1.0):
            raise ContractError(f"Found the wish {wish!r}; expected a share between 0 and 1.")
        if budget is not None:
            kept = self.share <= budget
        else:
            kept = self.precision >= (DEFAULT_PRECISION if precision is None else precision)
        # From there on: one lucky threshold among unlucky ones is luck.
        last_miss = len(kept) - int(np.argmax(~kept[::-1])) if not kept.all() else 0
        return float(self.threshold[min(last_miss, len(kept) - 1)])


def choose_alerts(parcel: Ints, probability: Floats, late: Mask) -> Alerts:
    """Watch m looks at parcels whose date was still to come.

    Args:
        parcel: (m,) which parcel, ascending.
        probability: (m,) that its date will be missed.
        late: (m,) whether it was.
    """
    if not len(parcel):
        return Alerts.unmeasured()
    first = np.flatnonzero(np.append(True, parcel[1:] != parcel[:-1]))
    highest = np.maximum.reduceat(probability, first)
    missed = late[first]
    order = np.argsort(highest)
    ranked = highest[order]
    from_above = np.searchsorted(ranked, _GRID, side="left")
    alarmed = (len(ranked) - from_above).astype(np.float64)
    right = np.append(np.cumsum(missed[order][::-1])[::-1], 0)[from_above].astype(np.float64)
    precise = shrunk(right, alarmed, _GRID, PRIORS.late_alarms)
    # The network of the next weeks is not quite that of the last: a standard error to be safe.
    doubt = np.sqrt(precise * (1.0 - precise) / (alarmed + PRIORS.late_alarms))
    return Alerts(
        threshold=_GRID,
        precision=precise - doubt,
        recall=right / max(int(missed.sum()), 1),
        share=alarmed / len(ranked),
        likely_lost=_LIKELY_LOST,
    )
