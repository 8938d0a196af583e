"""Silence: how long parcels stay without a scan, and what it says when one stays longer.

After every scan a parcel is silent until the next one comes, or for ever. The longer the silence on
the carrier's working clock, compared with those that ended, the likelier it is one that never ends
(a mixture cure model, Berkson & Gage 1952, with the cured and the others' places swapped). Hazards
are constant within stretches of silence, by carrier and stage, each leaning on its stage's and
this on the whole's by the evidence it has (a gamma prior on a Poisson rate). A scan starts anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask, with_rows
from etapromise.shrinkage import PRIORS, shrunk
from etapromise.stored_arrays import Array, ArrayLayout, ArrayRecord

SILENCE_EDGES: Final = np.array(
    [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0]
)
"""(b,) where the stretches begin, in operational days."""

SPENT: Final = ("ends", "exposure")
FATES: Final = ("seen", "gone", "heard", "doomed")
"""The sums of `GapSums`: those over usual silences, and those over settled parcels."""

_LEAST_SURVIVAL: Final = 1e-300


@dataclass(frozen=True, kw_only=True)
class ScanGaps:
    """k silences.

    Attributes:
        stage: (k,) in which stage.
        carrier: (k,) row of the level "carrier".
        days: (k,) how long, operational days.
        ended: (k,) whether a scan ended it; else it was still going on.
        weight: (k,) how much it counts.
        gone: (k,) whether the parcel was lost, in this silence or after it.
    """

    stage: Ints
    carrier: Ints
    days: Floats
    ended: Mask
    weight: Floats
    gone: Mask

    def take(self, rows: NDArray[Any]) -> ScanGaps:
        """Some of them, by a mask or by positions."""
        return with_rows(self, rows)


@dataclass(frozen=True)
class ScanGapTable(ArrayRecord):
    """Rates and shares by stage and carrier.

    Attributes:
        rate: (stages, carriers, b) ends of silence per operational day in each stretch.
        lost: (stages, carriers) share of silences that never end.
        later: (stages, carriers) share of those that end whose parcels are lost later on.
    """

    LAYOUT: ClassVar = ArrayLayout(
        rate=Array("float64", "stages", "carriers", len(SILENCE_EDGES), low=0.0, high=1e9),
        lost=Array("float64", "stages", "carriers", low=1e-300, high=1.0),
        later=Array("float64", "stages", "carriers", low=0.0, high=1.0),
    )

    rate: Floats
    lost: Floats
    later: Floats

    def still(self, stage: Ints, carrier: Ints, days: Floats) -> Floats:
        """(n,) probability that a silence which ends lasts longer than `days` (n,)."""
        # One stretch after the other: a sum along rows may round by the number of rows.
        if len(days) <= _FEW:
            spent = _spent(days[:, None], SILENCE_EDGES, _WIDTHS)
            sums = np.cumsum(spent * self.rate[stage, carrier], axis=1)
            return np.asarray(np.exp(-sums[:, -1]))
        # Many at once would take 18 times the memory.
        exposure = np.zeros(len(days))
        for stretch, (edge, width) in enumerate(zip(SILENCE_EDGES, _WIDTHS, strict=True)):
            exposure += _spent(days, edge, width) * self.rate[stage, carrier, stretch]
        return np.asarray(np.exp(-exposure))

    def lost_probability(self, stage: Ints, carrier: Ints, days: Floats) -> Floats:
        """(n,) probability that a silence of `days` so far never ends, or else a later one."""
        return self.lost_given(stage, carrier, self.still(stage, carrier, days))

    def lost_given(self, stage: Ints, carrier: Ints, still: Floats) -> Floats:
        """`lost_probability`, from what `still` (n,) says of those silences."""
        lost = self.lost[stage, carrier]
        waiting = (1.0 - lost) * still
        gone = lost / (lost + waiting)
        return np.asarray(gone + (1.0 - gone) * self.later[stage, carrier])


_FEW: Final = 256
_WIDTHS: Final = np.append(np.diff(SILENCE_EDGES), np.inf)


def _spent(days: Floats, edge: Floats | float, width: Floats | float) -> Floats:
    """(n,) how much of `days` lies in a stretch."""
    return np.asarray(np.minimum(np.maximum(days - edge, 0.0), width))


@dataclass(frozen=True, kw_only=True)
class GapSums:
    """Sums over silences by stage and carrier; those of other silences are added to them.

    Attributes:
        ends: (stages, carriers, b) silences that ended in each stretch.
        exposure: (stages, carriers, b) operational days spent in each.
        seen: (stages, carriers) silences of parcels whose fate is settled.
        gone: (stages, carriers) of these, after which the parcel was never seen again.
        heard: (stages, carriers) of these, those that ended.
        doomed: (stages, carriers) of those that ended, with a parcel that was lost later on.
    """

    ends: Floats
    exposure: Floats
    seen: Floats
    gone: Floats
    heard: Floats
    doomed: Floats

    @classmethod
    def nothing(cls, stages: int, carriers: int) -> GapSums:
        """The sums over no silences."""
        long = (stages, carriers, len(SILENCE_EDGES))
        short = long[:2]
        return cls(
            **{name: np.zeros(long) for name in SPENT}, **{name: np.zeros(short) for name in FATES}
        )

    @classmethod
    def of(cls, usual: ScanGaps, lost: ScanGaps, *, stages: int, carriers: int) -> GapSums:
        """The sums over silences.

        Args:
            usual: of parcels that are not lost, ended or still going on.
            lost: all silences of parcels whose fate is settled, `ended` false where the parcel was
                never seen again.
            stages: how many there are.
            carriers: rows of the level "carrier".
        """
        cells, stretches = stages * carriers, len(SILENCE_EDGES)
        cell = usual.stage * carriers + usual.carrier
        # A silence of a whole day, as dates without a clock have it, ends in the stretch it fills.
        place = np.maximum(np.searchsorted(SILENCE_EDGES, usual.days, side="left") - 1, 0)
        ends = np.bincount(
            cell * stretches + place,
            weights=usual.weight * usual.ended,
            minlength=cells * stretches,
        )
        columns, rows = [], np.arange(len(cell))
        for edge, width in zip(SILENCE_EDGES, _WIDTHS, strict=True):
            # Fewer and fewer silences are so long; the others add nothing.
            rows = rows[usual.days[rows] > edge]
            spent = _spent(usual.days[rows], edge, width) * usual.weight[rows]
            columns.append(np.bincount(cell[rows], weights=spent, minlength=cells))
        cell = lost.stage * carriers + lost.carrier
        over = lost.weight * lost.ended
        fates = (lost.weight, lost.weight * ~lost.ended, over, over * lost.gone)
        return cls(
            ends=ends.astype(np.float64).reshape(stages, carriers, stretches),
            exposure=np.stack(columns, axis=1)
            .astype(np.float64)
            .reshape(stages, carriers, stretches),
            **{
                name: np.bincount(cell, weights=weight, minlength=cells)
                .astype(np.float64)
                .reshape(stages, carriers)
                for name, weight in zip(FATES, fates, strict=True)
            },
        )

    def add(self, other: GapSums, carriers: Ints, names: Sequence[str]) -> None:
        """Add some of another one's sums, whose carriers have these rows here."""
        for name in names:
            getattr(self, name)[:, carriers] += getattr(other, name)

    def table(self) -> ScanGapTable:
        """Rates from silences of parcels that were heard of again, shares from settled ones."""
        ends, exposure = self.ends, self.exposure
        whole = _shrunk_rate(ends.sum((0, 1)), exposure.sum((0, 1)), PRIORS.scan_gap_rate_first)
        by_stage = _shrunk_rate(ends.sum(1), exposure.sum(1), whole)
        rate = _shrunk_rate(ends, exposure, by_stage[:, None, :])
        _mix_unseen(rate, ends.sum(2))
        return ScanGapTable(rate, _shares(self.gone, self.seen), _shares(self.doomed, self.heard))


def _mix_unseen(rate: Floats, ends: Floats) -> None:
    """Row 0, a carrier never seen, may be any of the others: their silences mixed, not their rates.

    Nobody knows how often a new carrier scans. The mean of the rates would take the silence of a
    carrier that scans seldom for a loss.

    Args:
        rate: (stages, carriers, b) whose row 0 is written.
        ends: (stages, carriers) how many silences ended.
    """
    if rate.shape[1] < 2:
        return
    weight = ends[:, 1:] + 1.0
    weight /= weight.sum(axis=1, keepdims=True)
    others = rate[:, 1:]
    survival = np.exp(-np.cumsum(others[:, :, :-1] * _WIDTHS[:-1], axis=2))
    # So short that nothing is left of it in the next stretch: the rate stays finite.
    mixed = np.maximum((weight[:, :, None] * survival).sum(axis=1), _LEAST_SURVIVAL)
    left = -np.log(np.concatenate([np.ones((len(rate), 1)), mixed], axis=1))
    rate[:, 0, :-1] = np.diff(left, axis=1) / _WIDTHS[:-1]
    # In the end those with the longest silences are left.
    rate[:, 0, -1] = others[:, :, -1].min(axis=1)


def _shares(gone: Floats, seen: Floats) -> Floats:
    """By carrier and stage, leaning on all carriers' in the stage and these on the whole."""
    share = _share(gone.sum(), seen.sum(), PRIORS.scan_gap_lost_share)
    return _share(gone, seen, _share(gone.sum(1), seen.sum(1), share)[:, None])


def _shrunk_rate(ends: Floats, exposure: Floats, above: Floats | float) -> Floats:
    # Of rates the prior's exposure is what its ends take.
    believed = PRIORS.scan_gap_rate
    return np.asarray((ends + believed) / (exposure + believed / above))


def _share(gone: Any, seen: Any, above: Floats | float) -> Floats:
    return np.asarray(shrunk(gone, seen, above, PRIORS.scan_gap_lost))
