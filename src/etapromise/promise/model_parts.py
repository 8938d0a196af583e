"""What a model is made of, whether trained, refreshed or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from etapromise.encoding.requests import Encoder
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.history.delivery_hours import DeliveryHours
from etapromise.history.features import FeatureContract
from etapromise.history.number_ranges import LearnedRanges
from etapromise.history.statistics import Statistics
from etapromise.in_transit.transit_parts import TransitParts
from etapromise.promise.kept_record import KeptTable
from etapromise.promise.stages import StageForests
from etapromise.shrinkage import Priors
from etapromise.stored_arrays import StoredValues

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """What a model is made of; `PromiseModel` answers from it.

    Attributes:
        encoder: columns, keys, clocks and zones.
        contract: the forest's features.
        statistics: lanes and carriers at the model's moment.
        surge: added to every log duration: more orders than usual at the model's moment.
        forest: quantiles of the log duration relative to what the statistics explain.
        holdout_forest: grown without the last weeks before training, to judge those weeks by.
        stages: forests of handling and transit; None where the model has none.
        calibration: what probabilities come to.
        kept: how promises to each group were kept of late.
        hours: the local times of delivery.
        horizon: dates of a distribution.
        manifest: plain values: versions, moments, settings, counts.
        transit: what is known of parcels under way; None where the history showed no journeys.
    """

    encoder: Encoder
    contract: FeatureContract
    statistics: Statistics
    surge: float
    forest: Forest
    holdout_forest: Forest
    stages: StageForests | None
    calibration: Calibration
    kept: KeptTable
    hours: DeliveryHours
    horizon: int
    manifest: Mapping[str, Any]
    transit: TransitParts | None = None

    @cached_property
    def ranges(self) -> LearnedRanges:
        """Within which the numbers of orders were learned."""
        told = StoredValues("ranges of the manifest", self.manifest.get("ranges", {}))
        return LearnedRanges.stored(told, self.encoder.numeric)

    @cached_property
    def priors(self) -> Priors:
        """What it was trained to believe before anything is seen."""
        return Priors.of_manifest(self.manifest)

    @property
    def version(self) -> str:
        """See `PromiseModel.version`."""
        return str(self.manifest["version"])

    @property
    def event(self) -> Event:
        """See `PromiseModel.event`."""
        event: Event = self.manifest["event"]
        return event

    @property
    def alike(self) -> bool:
        """Whether there were too few parcels for a forest: all get one distribution."""
        return self.forest.tree_count == 0
