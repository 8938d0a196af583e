"""The in-transit parts as bytes: plain arrays and golden predictions. No pickle, no code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.calendars.working_clocks import Clocks
from etapromise.errors import EtapromiseError, ModelFileError
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.in_transit.alerts import Alerts
from etapromise.in_transit.features import TRANSIT_FEATURES
from etapromise.in_transit.flow import FlowTables
from etapromise.in_transit.outlook import Exits, TransitParts, transit_kernel
from etapromise.in_transit.remaining_time import Remaining
from etapromise.in_transit.silence import SilenceTable
from etapromise.in_transit.states import STAGES

__all__ = ["transit_from_bytes", "transit_to_bytes"]

_GOLDEN_ROWS: Final = 26
# Another processor's exp and log may differ in the last bits, and dates must not.
_GOLDEN_TOLERANCE: Final = 1e-9

Arrays = dict[str, NDArray[Any]]


def transit_to_bytes(parts: TransitParts, clocks: Clocks, horizon: int) -> bytes:
    """The parts as a file of arrays."""
    names = json.dumps([list(TRANSIT_FEATURES), list(STAGES), list(parts.facilities)])
    arrays: Arrays = {
        **{f"forest.{name}": array for name, array in parts.forest.to_arrays().items()},
        "trained_day": np.array(parts.trained_day, np.int64),
        "names": np.frombuffer(names.encode(), np.uint8),
        "flow.start": parts.flow.start,
        "flow.evidence": parts.flow.evidence,
        "flow.total": parts.flow.total,
        "silence.rate": parts.silence.rate,
        "silence.lost": parts.silence.lost,
        "silence.later": parts.silence.later,
        "exits.returned": parts.exits.returned,
        "exits.found": parts.exits.found,
        "calibrations.knot": np.stack([one.knot for one in parts.calibrations]),
        "calibrations.kept": np.stack([one.kept for one in parts.calibrations]),
        "calibrations.log_hazard": np.stack([one.log_hazard for one in parts.calibrations]),
        "calibrations.evidence": np.array([one.evidence for one in parts.calibrations]),
        **{
            f"alerts.{field.name}": np.asarray(getattr(parts.alerts, field.name))
            for field in fields(Alerts)
        },
        "golden": _golden(parts, clocks, horizon),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def transit_from_bytes(content: bytes, clocks: Clocks, horizon: int) -> TransitParts:
    """The parts that `transit_to_bytes` wrote.

    Raises:
        ModelFileError: they do not fit together, are another version's, or predict otherwise.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays: Arrays = {name: stored[name] for name in stored.files}
        features, stages, facilities = json.loads(arrays["names"].tobytes())
        if tuple(features) != TRANSIT_FEATURES or tuple(stages) != STAGES:
            raise ModelFileError(
                "Found in-transit predictions of another version of etapromise; expected this "
                "one's features and stages. Train again, or use the version that wrote them."
            )
        parts = _parts(arrays, facilities)
        agrees = np.allclose(
            _golden(parts, clocks, horizon), arrays["golden"], rtol=0, atol=_GOLDEN_TOLERANCE
        )
    except (KeyError, ValueError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise ModelFileError(
            f"Found in-transit predictions whose contents do not fit together ({error!r}); "
            "expected those that etapromise saved. Save or train the model again."
        ) from error
    if not agrees:
        raise ModelFileError(
            "Found other in-transit predictions than when the model was saved; expected the same "
            f"to {_GOLDEN_TOLERANCE}. It was written by another version or for another processor: "
            "train again."
        )
    return parts


def _parts(arrays: Arrays, facilities: list[str]) -> TransitParts:
    prefix = "forest."
    calibrations = [
        Calibration(knot, kept, log_hazard, float(evidence))
        for knot, kept, log_hazard, evidence in zip(
            *(
                arrays[f"calibrations.{name}"]
                for name in ("knot", "kept", "log_hazard", "evidence")
            ),
            strict=True,
        )
    ]
    alerts = {field.name: arrays[f"alerts.{field.name}"] for field in fields(Alerts)}
    return TransitParts(
        forest=Forest.from_arrays(
            {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
        ),
        trained_day=int(arrays["trained_day"]),
        flow=FlowTables(arrays["flow.start"], arrays["flow.evidence"], arrays["flow.total"]),
        facilities=tuple(facilities),
        silence=SilenceTable(
            arrays["silence.rate"], arrays["silence.lost"], arrays["silence.later"]
        ),
        exits=Exits(arrays["exits.returned"], arrays["exits.found"]),
        calibrations=tuple(calibrations),
        alerts=Alerts(**alerts | {"likely_lost": float(alerts["likely_lost"])}),  # type: ignore[arg-type]
    )


def _golden(parts: TransitParts, clocks: Clocks, horizon: int) -> NDArray[np.float64]:
    """Probabilities of made-up parcels, by every table: in each stage, twice."""
    row = np.arange(_GOLDEN_ROWS)
    column = np.arange(len(TRANSIT_FEATURES))
    x = (0.37 * row[:, None] * (column + 1) % 11.0).astype(np.float32)
    x[:, 0] = row % len(STAGES)
    x[::3, 5:8] = np.nan
    stage = row % len(STAGES)
    carrier = row % parts.silence.lost.shape[1]
    quiet: NDArray[np.float64] = row.astype(np.float64) / 2.0
    try:
        lost = parts.silence.lost_probability(stage, carrier, quiet)
        evidence = parts.flow.evidence[row * 7919 % len(parts.flow.evidence)].astype(np.float64)
        total = parts.flow.total[row * 7919 % len(parts.flow.total)].astype(np.float64)
        back = parts.exits.returned[stage, row % 4, row % parts.exits.returned.shape[2]]
        hazard = np.stack([one.log_hazard for one in parts.calibrations])
        remaining = Remaining(
            group=stage.astype(np.uint8),
            log_days=parts.forest.predict(x),
            offset=0.1 * row + total / (evidence + 1.0),
            log_hazard=hazard[stage, row % hazard.shape[1]].astype(np.float64),
            arrives=(1.0 - lost) * (1.0 - back) * parts.exits.found[stage],
            clock=(row % len(clocks.elapsed)).astype(np.int32),
            today=clocks.first_day + row.astype(np.int64),
        )
        return transit_kernel(parts, clocks, horizon).dates(remaining)
    except EtapromiseError as error:
        raise ModelFileError(
            f"Found in-transit predictions that cannot answer golden requests ({error})."
        ) from error
