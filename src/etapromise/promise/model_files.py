"""Model directories: a manifest, plain arrays, keys, and golden predictions. No pickle, no code.

A directory is written beside its place and renamed into it, so that a reader sees all of it or
nothing; `load_model` checks every file's SHA-256 and replays the golden predictions.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from etapromise.calendars.dispatch import Dispatch, DispatchCalendars
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import NUMBERS, Encoder, Requests
from etapromise.errors import EtapromiseError, ModelFileError
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.history.delivery_hours import DeliveryHours
from etapromise.history.effects import EffectSettings
from etapromise.history.features import FeatureContract, with_handling_codes
from etapromise.history.statistics import Statistics
from etapromise.in_transit.stored_model import StoredTransit
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import KeyIndex
from etapromise.promise.kept_record import KeptTable
from etapromise.promise.model import PromiseModel
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.stages import StageForests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etapromise.in_transit.outlook import TransitParts

__all__ = ["FORMAT_VERSION", "load_model", "save_model"]

FORMAT_VERSION: Final = 4
_MANIFEST: Final = "manifest.json"
_ARRAYS: Final = "arrays.npz"
_KEYS: Final = "keys.json"
# Only where the model knows of parcels under way.
_TRANSIT: Final = "transit.npz"
# Of everything else in the manifest: what it says of zones or events has no golden prediction.
_DIGEST: Final = "sha256"
_GOLDEN_ROWS: Final = 16
# Another processor's exp and log may differ in the last bits, and dates must not.
_GOLDEN_TOLERANCE: Final = 1e-9

Arrays = dict[str, NDArray[Any]]


def save_model(model: PromiseModel, directory: Path) -> Path:
    """Write `model` to `directory`, which must not exist yet.

    Raises:
        ModelFileError: something is there already.
    """
    directory = Path(directory)
    if directory.exists() or directory.is_symlink():
        raise ModelFileError(
            f"Found {directory} already there; expected a new directory. A model is never "
            "overwritten: choose another name, or remove the old one first."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    draft = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.draft")
    draft.mkdir()
    try:
        _write(model, draft)
        draft.replace(directory)
        _sync(directory.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return directory


def load_model(directory: str | Path) -> PromiseModel:
    """Read a model directory that `save_model` wrote.

    Raises:
        ModelFileError: it is missing, incomplete, damaged, of another format, or gives other
            predictions on this machine than on the one that wrote it.
    """
    path = Path(directory).resolve()
    manifest = _read_manifest(path)
    names = [_ARRAYS, _KEYS, *({_TRANSIT} & manifest.get("files", {}).keys())]
    contents = {name: _read_checked(path, name, manifest) for name in names}
    del contents[_ARRAYS]
    try:
        with np.load(path / _ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        parts = _parts(manifest, arrays, json.loads(contents[_KEYS]))
        if _TRANSIT in contents:
            parts = replace(parts, transit=StoredTransit(contents[_TRANSIT]))
        model = PromiseModel(parts)
        golden = {name: arrays[f"golden.{name}"] for name in (*_REQUEST_FIELDS, "probability")}
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ModelFileError(
            f"Found a model in {path} whose contents do not fit together ({error!r}); expected "
            "one that etapromise saved. Save or train it again."
        ) from error
    _replay(model, golden, path)
    return model


_REQUEST_FIELDS: Final = tuple(field.name for field in fields(Requests))


def _write(model: PromiseModel, directory: Path) -> None:
    parts = model.parts
    arrays = _arrays(parts)
    golden = golden_requests(parts)
    arrays |= {f"golden.{name}": getattr(golden, name) for name in _REQUEST_FIELDS}
    arrays["golden.probability"] = model.kernel.dates(golden, with_handling_codes(golden.codes))
    with (directory / _ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    keys = {
        level.name: index.keys
        for level, index in zip(parts.encoder.levels, parts.encoder.indexes, strict=True)
    }
    (directory / _KEYS).write_text(json.dumps(keys), encoding="utf-8")
    written = [_ARRAYS, _KEYS]
    if parts.transit is not None:
        content = _transit_bytes(parts.transit, parts)
        (directory / _TRANSIT).write_bytes(content)
        written.append(_TRANSIT)
    manifest = {
        "format_version": FORMAT_VERSION,
        **parts.manifest,
        "features": list(parts.contract.names),
        "numeric": list(parts.encoder.numeric),
        "categorical": list(parts.encoder.categorical),
        "horizon": parts.horizon,
        "surge": parts.surge,
        "statistics": {
            "as_of_day": parts.statistics.as_of_day,
            "settings": asdict(parts.statistics.settings),
        },
        "clocks": {
            "first_day": parts.encoder.clocks.first_day,
            "services": list(parts.encoder.clocks.services),
            "calendars": list(parts.encoder.clocks.calendars),
        },
        "dispatch": list(parts.encoder.dispatch.keys),
        "zones": parts.encoder.zones.as_dict(),
        "kept": {
            "service_level": parts.kept.service_level,
            "as_of_day": parts.kept.as_of_day,
            "levels": list(parts.kept.levels),
        },
        "calibration": {"evidence": parts.calibration.evidence},
        "files": {
            name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in written
        },
    }
    manifest[_DIGEST] = _digest(manifest)
    (directory / _MANIFEST).write_text(
        json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for name in (*written, _MANIFEST):
        _sync(directory / name)


def _transit_bytes(transit: TransitParts | StoredTransit, parts: ModelParts) -> bytes:
    if isinstance(transit, StoredTransit):
        return transit.content
    from etapromise.in_transit.model_files import transit_to_bytes  # noqa: PLC0415 — needs pandas

    return transit_to_bytes(transit, parts.encoder.clocks, parts.horizon)


def golden_requests(parts: ModelParts) -> Requests:
    """A few made-up requests that touch every level: known keys, unknown ones, missing numbers."""
    sizes = [len(index) for index in parts.encoder.indexes]
    row = np.arange(_GOLDEN_ROWS)
    codes = np.stack([np.where(row % 5 == 4, 0, row * 7 % size) for size in sizes], axis=1).astype(
        np.int32
    )
    numbers = np.full((_GOLDEN_ROWS, len(NUMBERS) + len(parts.encoder.numeric)), np.nan)
    numbers[:, 0] = row * 1.5
    numbers[::2, 1:6] = np.outer(row[::2] + 1.0, [1.0, 2.0, 1.5, 2.5, 0.25])
    numbers[::3, 6] = row[::3] % 7 + 1.0
    numbers[:, NUMBERS.index("lead")] = row % 3 * 0.75
    clocks = len(parts.encoder.clocks.elapsed)
    return Requests(
        codes=codes,
        numbers=numbers,
        anchor=(parts.statistics.as_of_day + row).astype(np.int32),
        clock=(row * 3 % clocks).astype(np.int32),
        zone_source=np.zeros(_GOLDEN_ROWS, np.int8),
    )


def _arrays(parts: ModelParts) -> Arrays:
    statistics, clocks = parts.statistics, parts.encoder.clocks
    return {
        **{f"forest.{name}": array for name, array in parts.forest.to_arrays().items()},
        **{f"holdout.{name}": array for name, array in parts.holdout_forest.to_arrays().items()},
        "statistics.total": statistics.total,
        "statistics.total_start": statistics.total_start,
        "statistics.handling": statistics.handling,
        "statistics.handling_start": statistics.handling_start,
        "statistics.lost": statistics.lost,
        "clocks.weeks": clocks.weeks,
        "clocks.holidays": clocks.holidays,
        "clocks.holiday_weights": clocks.holiday_weights,
        "clocks.place_weeks": clocks.place_weeks,
        "clocks.blackouts": clocks.blackouts,
        "clocks.region_weeks": clocks.region_weeks,
        **{f"dispatch.{name}": array for name, array in parts.encoder.dispatch.as_arrays().items()},
        "calibration.knot": parts.calibration.knot,
        "calibration.kept": parts.calibration.kept,
        "calibration.log_hazard": parts.calibration.log_hazard,
        **(
            {}
            if parts.stages is None
            else {f"stages.{name}": array for name, array in parts.stages.to_arrays().items()}
        ),
        **(
            {}
            if parts.encoder.hand_offs is None
            else {
                f"hand_offs.{name}": array
                for name, array in parts.encoder.hand_offs.to_arrays().items()
            }
        ),
        **{f"hours.{name}": array for name, array in parts.hours.to_arrays().items()},
        "kept.columns": parts.kept.columns,
        "kept.starts": parts.kept.starts,
        "kept.orders": parts.kept.orders,
        "kept.kept": parts.kept.kept,
    }


def _parts(
    manifest: Mapping[str, Any], arrays: Arrays, keys: Mapping[str, Sequence[str]]
) -> ModelParts:
    clocks = Clocks.build(
        **manifest["clocks"],
        weeks=arrays["clocks.weeks"],
        holidays=arrays["clocks.holidays"],
        holiday_weights=arrays["clocks.holiday_weights"],
        place_weeks=arrays["clocks.place_weeks"],
        blackouts=arrays["clocks.blackouts"],
        region_weeks=arrays["clocks.region_weeks"],
    )
    hand_offs = _named(arrays, "hand_offs")
    encoder = Encoder(
        categorical=manifest["categorical"],
        numeric=manifest["numeric"],
        indexes=[KeyIndex(level_keys) for level_keys in keys.values()],
        clocks=clocks,
        zones=ZoneMap.from_dict(manifest["zones"]),
        dispatch=Dispatch(
            manifest["dispatch"], DispatchCalendars(**_named(arrays, "dispatch")), clocks
        ),
        hand_offs=HandOffs.from_arrays(hand_offs) if hand_offs else None,
    )
    statistics = Statistics(
        as_of_day=manifest["statistics"]["as_of_day"],
        **_named(arrays, "statistics"),
        settings=EffectSettings(**manifest["statistics"]["settings"]),
    )
    stages = _named(arrays, "stages")
    return ModelParts(
        encoder=encoder,
        contract=FeatureContract(tuple(manifest["features"])),
        statistics=statistics,
        surge=manifest["surge"],
        forest=Forest.from_arrays(_named(arrays, "forest")),
        holdout_forest=Forest.from_arrays(_named(arrays, "holdout")),
        calibration=Calibration(
            **_named(arrays, "calibration"), evidence=manifest["calibration"]["evidence"]
        ),
        kept=KeptTable(
            service_level=manifest["kept"]["service_level"],
            as_of_day=manifest["kept"]["as_of_day"],
            levels=tuple(manifest["kept"]["levels"]),
            **_named(arrays, "kept"),
        ),
        stages=StageForests.from_arrays(stages) if stages else None,
        hours=DeliveryHours.from_arrays(_named(arrays, "hours")),
        horizon=manifest["horizon"],
        manifest={
            name: value for name, value in manifest.items() if name not in _WRITTEN_FROM_PARTS
        },
    )


_WRITTEN_FROM_PARTS: Final = frozenset(
    {"format_version", "features", "numeric", "categorical", "horizon", "surge", "statistics"}
    | {"clocks", "dispatch", "zones", "kept", "calibration", "files", _DIGEST}
)


def _named(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}."
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


def _read_manifest(path: Path) -> Mapping[str, Any]:
    file = path / _MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"Found no {file}; expected a model directory. Train one with `etapromise train`, or "
            "give the path of one, such as models/current."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"Found {file} unreadable ({error}); expected the JSON manifest of a model."
        ) from error
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    if found != FORMAT_VERSION:
        raise ModelFileError(
            f"Found format version {found!r} in {file}; this version of etapromise reads "
            f"{FORMAT_VERSION}. Train again, or use the version that wrote it."
        )
    stated = manifest.pop(_DIGEST, None)
    if stated != _digest(manifest):
        raise ModelFileError(
            f"Found {file} with contents that its own SHA-256 {stated} does not fit. The file is "
            "damaged or was changed: copy or train it again."
        )
    return dict(manifest)


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read_checked(path: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    try:
        content = (path / name).read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"Found no readable {path / name} ({error}); expected it beside the manifest. The "
            "model directory is incomplete: copy or train it again."
        ) from error
    expected = manifest.get("files", {}).get(name)
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ModelFileError(
            f"Found {path / name} with SHA-256 {digest}; the manifest says {expected}. The file "
            "is damaged or was changed: copy or train it again."
        )
    return content


def _replay(model: PromiseModel, golden: Arrays, path: Path) -> None:
    requests = Requests(**{name: golden[name] for name in _REQUEST_FIELDS})
    try:
        found = model.kernel.dates(requests, with_handling_codes(requests.codes))
        agrees = np.allclose(found, golden["probability"], rtol=0, atol=_GOLDEN_TOLERANCE)
    except (EtapromiseError, IndexError, ValueError) as error:
        raise ModelFileError(
            f"Found a model in {path} that cannot answer its golden requests ({error})."
        ) from error
    if not agrees:
        raise ModelFileError(
            f"Found other predictions from {path} than when it was saved; expected the same to "
            f"{_GOLDEN_TOLERANCE}. It was written by another version or for another processor: "
            "train again."
        )


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
