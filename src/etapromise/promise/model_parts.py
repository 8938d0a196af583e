"""What a model is made of, whether trained, refreshed or loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from etapromise.argument_kinds import require_many
from etapromise.calendars.disruptions import Disruption
from etapromise.encoding.requests import Encoder
from etapromise.errors import ContractError
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.history.delivery_hours import DeliveryHours
from etapromise.history.features import FeatureContract
from etapromise.history.number_ranges import LearnedRanges
from etapromise.history.statistics import Statistics
from etapromise.in_transit.transit_parts import TransitParts
from etapromise.late_imports import IMPORTING
from etapromise.promise.kept_record import KeptTable
from etapromise.promise.stages import StageForests
from etapromise.shrinkage import Priors
from etapromise.stored_arrays import StoredValues

if TYPE_CHECKING:
    from etapromise.calendars.calendar_file import CalendarFile
    from etapromise.tracking.contract import Event


# Before the digest of what was declared, in a version.
_DECLARED: Final = "+"


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

    def with_disruptions(
        self, disruptions: Sequence[Disruption] | CalendarFile | str | Path
    ) -> ModelParts:
        """See `PromiseModel.with_disruptions`."""
        with IMPORTING:
            from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415 — rarely asked

        given: Any = disruptions
        if isinstance(given, str | Path | CalendarFile):
            given = CalendarFile.of(given).disruptions
        require_many("disruptions", given)
        declared = tuple(given)
        for one in declared:
            if not isinstance(one, Disruption):
                raise ContractError(
                    f"Found {one!r} among the disruptions; expected Disruption(first=…, last=…, …) "
                    "or a calendar file."
                )
        version = self.version.partition(_DECLARED)[0]
        if declared:
            told = json.dumps([one.as_dict() for one in declared], sort_keys=True).encode()
            version += _DECLARED + hashlib.sha256(told).hexdigest()[:8]
        return replace(
            self,
            encoder=replace(self.encoder, declared=declared),
            manifest={**self.manifest, "version": version},
        )

    @property
    def alike(self) -> bool:
        """Whether there were too few parcels for a forest: all are as uncertain."""
        return self.forest.tree_count == 0
