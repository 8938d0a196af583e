"""Growing the forest of the remaining time, on past journeys as they were seen on their way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from etapromise.argument_kinds import require_at_least
from etapromise.array_types import Floats, Mask
from etapromise.forecast.boosting import BoostingConfig, fit_forest
from etapromise.forecast.forest import Forest
from etapromise.history.features import FeatureContract
from etapromise.in_transit.assembling import assemble_transit
from etapromise.in_transit.kept_looks import learned_looks
from etapromise.in_transit.learned_looks import LearnedLooks
from etapromise.in_transit.outlook import is_open
from etapromise.in_transit.past_journeys import PastParcels, TransitHistory
from etapromise.in_transit.sampling import MOST_LOOKS
from etapromise.in_transit.transit_parts import REMAINING_OFFSET, TransitParts

REMAINING_LEVELS: Final = np.array(
    [0.03, 0.08, 0.16, 0.26, 0.38, 0.5, 0.62, 0.74, 0.82, 0.89, 0.94, 0.975]
)
_FEWEST_ARRIVED: Final = 200
_ROWS_FOR_THREADS: Final = 100_000


def _boosting() -> BoostingConfig:
    return BoostingConfig(
        rounds=100,
        learning_rate=0.2,
        num_leaves=31,
        max_depth=7,
        min_data_in_leaf=150,
        lambda_l2=1.0,
        feature_fraction=0.6,
        bagging_fraction=0.7,
        max_bin=127,
        patience=24,
    )


@dataclass(frozen=True, kw_only=True)
class TransitSettings:
    """How predictions of parcels under way are trained.

    Attributes:
        boosting: how the forest is grown.
        holdout_days: the last days of looks, which stop the boosting and are calibrated on.
        most_looks: about how many looks at parcels the forest is grown on at most.
        sample_looks: about how many looks at past parcels everything else is learned from at most;
            of more parcels a sample is taken, by service and week, see `in_transit.sampling`.
    """

    boosting: BoostingConfig = field(default_factory=_boosting)
    holdout_days: int = 42
    most_looks: int = 160_000
    sample_looks: int = MOST_LOOKS

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        require_at_least(self, 1, "holdout_days")
        require_at_least(self, 1_000, "most_looks")
        require_at_least(self, 10_000, "sample_looks")


def train_transit(
    past: PastParcels,
    *,
    contract: FeatureContract,
    promises_by: Forest,
    settings: TransitSettings,
    progress: Callable[[int, int], None] | None = None,
) -> TransitParts | None:
    """The in-transit parts of today; None without journeys to learn from.

    Args:
        past: the parcels to look at.
        contract: features of the promise at the order.
        promises_by: its forest, grown without the latest orders.
    """
    results = past.gathered.outcomes
    end, start = results.as_of_day, int(results.start_day[0])
    cut = end - min(settings.holdout_days, (end - start) // 4)
    if int(results.as_of(cut).arrived.sum()) < _FEWEST_ARRIVED:
        return None
    learned = learned_looks(past)
    if not learned.scanned:
        return None  # no parcel was seen before its event
    rows = past.drawn(0, learned.share(0, settings.most_looks))
    looks = past.looks(rows, contract, promises_by)
    forest = _grow(looks, learned, cut, settings, progress)
    if forest is None:
        return None
    return assemble_transit(past, learned, contract, promises_by, forest=forest, trained_day=cut)


def _grow(
    past: TransitHistory,
    learned: LearnedLooks,
    cut: int,
    settings: TransitSettings,
    progress: Callable[[int, int], None] | None,
) -> Forest | None:
    results = past.outcomes
    before = results.as_of(cut)
    parcel = past.parcel
    growing = (past.day < cut) & ~before.closed[parcel]
    later = (past.day >= cut) & ~results.closed[parcel]
    looks = past.take(is_open(past.looks.states) & (growing | later))
    grow = looks.day < cut
    then, then_known = looks.remaining(before)
    now, now_known = looks.remaining(results)
    days, arrived = np.where(grow, then, now), np.where(grow, then_known, now_known)
    x, offset = looks.looks.features(learned.ended.flow(learned.facilities, looks))
    weight = learned.chatter[looks.looks.codes("service")] * looks.parcel_weight[looks.parcel]
    weight *= _arriving(looks, learned, grow, arrived, cut)
    usable = arrived | (days > 0)
    if not (arrived & grow).any() or not (arrived & ~grow).any():
        return None
    # On few rows threads wait for each other longer than they work.
    threads = settings.boosting.threads if usable.sum() >= _ROWS_FOR_THREADS else 1
    target = np.log(np.maximum(days, 0.0) + REMAINING_OFFSET) - offset
    return fit_forest(
        np.ascontiguousarray(x[usable]),
        target[usable],
        levels=REMAINING_LEVELS,
        weight=weight[usable],
        censored=~arrived[usable],
        config=replace(settings.boosting, threads=threads),
        validation=~grow[usable],
        progress=progress,
    )


def _arriving(
    looks: TransitHistory, learned: LearnedLooks, grow: Mask, arrived: Mask, cut: int
) -> Floats:
    """(m,) how likely each look's parcel is one that arrives, by how long it was silent then."""
    early, late = (
        looks.arriving(learned.silence, learned.exits, day)
        for day in (cut, looks.outcomes.as_of_day)
    )
    open_ = np.where(grow, early[looks.parcel], late[looks.parcel])
    return np.where(arrived, 1.0, open_)
