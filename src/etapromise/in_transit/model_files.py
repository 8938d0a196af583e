"""The in-transit parts as bytes: plain arrays and golden predictions. No pickle, no code."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats
from etapromise.calendars.working_clocks import Clocks
from etapromise.encoding.requests import Encoder
from etapromise.errors import EtapromiseError, ModelFileError
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.in_transit.flow import FlowTables
from etapromise.in_transit.scan_gaps import ScanGapTable
from etapromise.in_transit.transit_parts import (
    STAGES,
    TRANSIT_FEATURES,
    Alerts,
    Exits,
    Remaining,
    TransitParts,
    flow_sizes,
    transit_kernel,
)
from etapromise.stored_arrays import (
    EARLIEST_DAY,
    LATEST_DAY,
    Array,
    ArrayLayout,
    StoredArrays,
    array_of_texts,
    different_texts,
    require_golden,
)

_GOLDEN_ROWS: Final = 26
_LAYOUT: Final = ArrayLayout(
    trained_day=Array("int64", low=EARLIEST_DAY, high=LATEST_DAY),
    golden=Array("float64", "rows", "horizon", low=0.0, high=1.0),
)


def transit_to_bytes(parts: TransitParts, clocks: Clocks, horizon: int) -> bytes:
    """The parts as a file of arrays."""
    calibrations = {
        name: np.stack([getattr(one, name) for one in parts.calibrations])
        for name in Calibration.LAYOUT.arrays
    }
    stored: dict[str, Any] = {
        "flow": parts.flow.to_arrays(),
        "silence": parts.silence.to_arrays(),
        "exits": parts.exits.to_arrays(),
        "calibrations": calibrations
        | {"evidence": np.array([one.evidence for one in parts.calibrations])},
        "alerts": parts.alerts.to_arrays(),
    }
    arrays: dict[str, NDArray[Any]] = {
        **{f"forest.{name}": array for name, array in parts.forest.to_arrays().items()},
        "trained_day": np.array(parts.trained_day, np.int64),
        "names": array_of_texts([TRANSIT_FEATURES, STAGES, parts.facilities]),
        **{f"{part}.{name}": array for part, own in stored.items() for name, array in own.items()},
        "golden": _golden(parts, clocks, horizon),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def transit_from_bytes(content: bytes, encoder: Encoder, horizon: int) -> TransitParts:
    """The parts that `transit_to_bytes` wrote."""
    stored = StoredArrays("transit.npz", content)
    whole = stored.part("")
    names = whole.texts("names")
    if len(names) != 3:
        whole.refuse("names", f"{len(names)} lists", "features, stages and facilities")
    features, stages, places = names
    facilities = different_texts("facilities of transit.npz", places)
    if features != list(TRANSIT_FEATURES) or stages != list(STAGES):
        raise ModelFileError(
            "Found in-transit predictions of another version of etapromise; expected this "
            "one's features and stages. Train again, or use the version that wrote them."
        )
    sizes = {name: len(encoder.index_of[name]) for name in ("carrier", "service")}
    silences = {"stages": len(STAGES), "carriers": sizes["carrier"]}
    known = whole.read(_LAYOUT, rows=_GOLDEN_ROWS, horizon=horizon)
    parts = TransitParts(
        forest=Forest.stored(whole.part("forest"), len(TRANSIT_FEATURES)),
        trained_day=int(known["trained_day"]),
        flow=FlowTables.stored(whole.part("flow"), flow_sizes(encoder, facilities)),
        facilities=facilities,
        silence=ScanGapTable(**whole.part("silence").read(ScanGapTable.LAYOUT, **silences)),
        exits=Exits(**whole.part("exits").read(Exits.LAYOUT)),
        calibrations=Calibration.stored_many(
            whole.part("calibrations"), len(STAGES), sizes["service"]
        ),
        alerts=Alerts.stored(whole.part("alerts")),
    )
    stored.require_all_read()
    found = _golden(parts, encoder.clocks, horizon)
    require_golden(found, known["golden"], "in-transit predictions")
    return parts


def _golden(parts: TransitParts, clocks: Clocks, horizon: int) -> Floats:
    """Probabilities of made-up parcels, by every table: in each stage, twice."""
    row = np.arange(_GOLDEN_ROWS)
    column = np.arange(len(TRANSIT_FEATURES))
    x = (0.37 * row[:, None] * (column + 1) % 11.0).astype(np.float32)
    x[:, 0] = row % len(STAGES)
    x[::3, 5:8] = np.nan
    stage = row % len(STAGES)
    carrier = row % parts.silence.lost.shape[1]
    quiet: Floats = row.astype(np.float64) / 2.0
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
