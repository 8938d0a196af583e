"""A model under other declared disruptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from etapromise.argument_kinds import require_many
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.calendars.disruptions import Disruption
from etapromise.errors import ContractError
from etapromise.promise.model_parts import ModelParts

_MARK: Final = "+"


def with_disruptions(
    parts: ModelParts, disruptions: Sequence[Disruption] | CalendarFile | str | Path
) -> ModelParts:
    """See `PromiseModel.with_disruptions`."""
    given: Any = disruptions
    if isinstance(given, str | Path | CalendarFile):
        given = CalendarFile.of(given).disruptions
    require_many("disruptions", given)
    declared = tuple(given)
    for one in declared:
        if not isinstance(one, Disruption):
            raise ContractError(
                f"Found {one!r} among the disruptions; expected Disruption(first=…, last=…, …) or "
                "a calendar file."
            )
    version = str(parts.manifest["version"]).partition(_MARK)[0]
    if declared:
        told = json.dumps([one.as_dict() for one in declared], sort_keys=True).encode()
        version += _MARK + hashlib.sha256(told).hexdigest()[:8]
    return replace(
        parts,
        encoder=replace(parts.encoder, declared=declared),
        manifest={**parts.manifest, "version": version},
    )
