"""Model directories: a manifest, plain arrays, keys, and golden predictions. No pickle, no code.

A directory is written beside its place and renamed into it, so that a reader sees all of it or
nothing; `load_model` checks every file's SHA-256 and replays the golden predictions.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from etapromise.calendars.dispatch import Dispatch
from etapromise.calendars.disruptions import Disruption
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import DISRUPTED, FETCHED, NUMBERS, Encoder, Requests
from etapromise.errors import ContractError, ModelFileError
from etapromise.files import draft_directory, to_disk
from etapromise.forecast.calibration import Calibration
from etapromise.forecast.forest import Forest
from etapromise.history.delivery_hours import DeliveryHours
from etapromise.history.features import FeatureContract
from etapromise.history.present_pace import PACED
from etapromise.history.statistics import Statistics
from etapromise.in_transit.model_files import transit_from_bytes, transit_to_bytes
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import by_pickup_weekday, levels_with, stored_indexes
from etapromise.locking import sync_directory
from etapromise.promise.joint_probability import Dependence
from etapromise.promise.kept_record import KeptTable
from etapromise.promise.model_core import ModelCore
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.signatures import SIGN_KEY, SIGNATURE, require_signature, signature_of
from etapromise.promise.stages import StageForests
from etapromise.stored_arrays import (
    Array,
    ArrayLayout,
    StoredArrays,
    StoredValues,
    json_of,
    require_golden,
)

FORMAT_VERSION: Final = 15
_MANIFEST: Final = "manifest.json"
_ARRAYS: Final = "arrays.npz"
_KEYS: Final = "keys.json"
# Only where the model knows of parcels under way.
_TRANSIT: Final = "transit.npz"
# Of everything else in the manifest: what it says of zones or events has no golden prediction.
_DIGEST: Final = "sha256"
_GOLDEN_ROWS: Final = 16

ModelKind = TypeVar("ModelKind", bound=ModelCore)

_LAYOUT: Final = ArrayLayout(golden=Array("float64", "rows", "horizon", low=0.0, high=1.0))
# Dates of a distribution, or days in which something is to happen.
_MOST_DATES: Final = 8192
_EVENTS: Final = ("delivered", "first_attempt", "available_for_pickup")
# Of files, before any memory is taken for them.
_MOST_BYTES: Final = {
    _MANIFEST: 2**26,
    _KEYS: 2**31,
    _ARRAYS: 2**33,
    _TRANSIT: 2**33,
    SIGNATURE: 2**10,
}


def save_model(model: ModelCore, directory: Path, sign_key: str | Path | None = None) -> Path:
    """Write `model` to `directory`, which must not exist yet."""
    directory = Path(directory)
    if directory.exists() or directory.is_symlink():
        raise ModelFileError(
            f"Found {directory} already there; expected a new directory. A model is never "
            "overwritten: choose another name, or remove the old one first."
        )
    with draft_directory(directory) as draft:
        _write(model, draft)
        if key := sign_key or os.environ.get(SIGN_KEY):
            signature = signature_of((draft / _MANIFEST).read_bytes(), key)
            (draft / SIGNATURE).write_bytes(signature)
            to_disk(draft / SIGNATURE)
        # Nothing is kept that could not be read again.
        load_saved(draft, ModelCore)
        draft.replace(directory)
        sync_directory(directory.parent)
    return directory


def load_saved(
    directory: str | Path, kind: type[ModelKind], verify: str | Path | None = None
) -> ModelKind:
    """Read a model directory that `save_model` wrote, as a model of some kind."""
    path = Path(directory).resolve()
    manifest, files = _read_manifest(path, verify)
    names = [_ARRAYS, _KEYS, *({_TRANSIT} & files.keys())]
    contents = {name: _read_checked(path, name, files) for name in names}
    arrays = StoredArrays(f"{path / _ARRAYS}", contents[_ARRAYS])
    try:
        parts = _parts(path, manifest, arrays, contents[_KEYS])
        if _TRANSIT in contents:
            transit = transit_from_bytes(contents[_TRANSIT], parts.encoder, parts.horizon)
            parts = replace(parts, transit=transit)
        golden = arrays.part("").read(_LAYOUT, rows=_GOLDEN_ROWS, horizon=parts.horizon)
        arrays.require_all_read()
        model = kind(parts)
    except ContractError as error:
        raise ModelFileError(
            f"Found a model in {path} whose contents do not fit together ({error}); expected "
            "one that etapromise saved. Save or train it again."
        ) from error
    found = model.kernel.dates(golden_requests(model.parts))
    require_golden(found, golden["golden"], f"predictions from {path}")
    return model


def model_contents(model: ModelCore) -> dict[str, bytes]:
    """The files of a model directory by name."""
    with tempfile.TemporaryDirectory() as place:
        directory = save_model(model, Path(place) / "model")
        return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def _write(model: ModelCore, directory: Path) -> None:
    parts = model.parts
    arrays = _arrays(parts)
    arrays["golden"] = model.kernel.dates(golden_requests(parts))
    with (directory / _ARRAYS).open("wb") as file:
        np.savez(file, **{name: np.asarray(array, order="C") for name, array in arrays.items()})  # type: ignore[arg-type]
    told = [level.name for level in parts.encoder.levels if by_pickup_weekday(level) is None]
    keys = {name: parts.encoder.index_of[name].keys for name in told}
    (directory / _KEYS).write_text(json.dumps(keys), encoding="utf-8")
    written = [_ARRAYS, _KEYS]
    if parts.transit is not None:
        content = transit_to_bytes(parts.transit, parts.encoder.clocks, parts.horizon)
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
        "disruptions": [one.as_dict() for one in parts.encoder.declared],
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
    (directory / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for name in (*written, _MANIFEST):
        to_disk(directory / name)


def golden_requests(parts: ModelParts) -> Requests:
    """A few made-up requests that touch every level: known keys, unknown ones, missing numbers."""
    sizes = parts.encoder.sizes
    row = np.arange(_GOLDEN_ROWS)
    codes = np.stack([np.where(row % 5 == 4, 0, row * 7 % size) for size in sizes], axis=1).astype(
        np.int32
    )
    numbers = np.full((_GOLDEN_ROWS, len(NUMBERS) + len(parts.encoder.numeric)), np.nan)
    numbers[:, 0] = row * 1.5
    numbers[::2, 1:6] = np.outer(row[::2] + 1.0, [1.0, 2.0, 1.5, 2.5, 0.25])
    numbers[::3, 6] = row[::3] % 7 + 1.0
    numbers[:, NUMBERS.index("dispatch_delay")] = row % 3 * 0.75
    numbers[:, FETCHED] = row % 3
    numbers[:, DISRUPTED] = np.where(row % 2, 2.0 ** len(parts.encoder.declared) - 1.0, 0.0)
    clocks = len(parts.encoder.clocks.elapsed)
    return Requests(
        codes=codes,
        numbers=numbers,
        order_day=(parts.statistics.as_of_day + row).astype(np.int32),
        clock=(row * 3 % clocks).astype(np.int32),
        zone_source=np.zeros(_GOLDEN_ROWS, np.int8),
    )


def _arrays(parts: ModelParts) -> dict[str, NDArray[Any]]:
    stored: dict[str, Any] = {
        "forest": parts.forest,
        "holdout": parts.holdout_forest,
        "statistics": parts.statistics,
        "clocks": parts.encoder.clocks,
        "dispatch": parts.encoder.dispatch.calendars,
        "calibration": parts.calibration,
        "stages": parts.stages,
        "hand_offs": parts.encoder.hand_offs,
        "hours": parts.hours,
        "kept": parts.kept,
    }
    return {
        f"{name}.{array}": values
        for name, part in stored.items()
        if part is not None
        for array, values in part.to_arrays().items()
    }


def _parts(path: Path, manifest: StoredValues, arrays: StoredArrays, keys: bytes) -> ModelParts:
    _require_words(manifest)
    clocks = Clocks.stored(arrays.part("clocks"), manifest.part("clocks"))
    hand_offs = arrays.part("hand_offs")
    numeric, categorical = (manifest.texts(name) for name in ("numeric", "categorical"))
    levels = levels_with(categorical, hand_offs=bool(hand_offs))
    indexes = stored_indexes(f"{path / _KEYS}", json_of(f"{path / _KEYS}", keys), levels)
    encoder = Encoder(
        categorical=categorical,
        numeric=numeric,
        indexes=tuple(indexes),
        clocks=clocks,
        zones=ZoneMap.stored(manifest.part("zones")),
        dispatch=Dispatch.stored(arrays.part("dispatch"), manifest, clocks),
        hand_offs=HandOffs.stored(hand_offs) if hand_offs else None,
        declared=_declared(manifest),
    )
    sizes = encoder.sizes
    features = manifest.texts("features")
    stages = arrays.part("stages")
    return ModelParts(
        encoder=encoder,
        contract=FeatureContract(features),
        statistics=Statistics.stored(arrays.part("statistics"), manifest.part("statistics"), sizes),
        surge=manifest.number("surge", -50.0, 50.0),
        forest=Forest.stored(arrays.part("forest"), len(features)),
        holdout_forest=Forest.stored(arrays.part("holdout"), len(features)),
        calibration=Calibration.stored(
            arrays.part("calibration"),
            manifest.part("calibration").number("evidence", 0.0, 1e12),
            sum(sizes),
        ),
        kept=KeptTable.stored(
            arrays.part("kept"), manifest.part("kept"), encoder.level_names, sizes
        ),
        stages=StageForests.stored(stages, len(features)) if stages else None,
        hours=DeliveryHours.stored(arrays.part("hours")),
        horizon=manifest.whole("horizon", 2, _MOST_DATES),
        manifest={
            name: value for name, value in manifest.plain.items() if name not in _WRITTEN_FROM_PARTS
        },
    )


def _declared(manifest: StoredValues) -> tuple[Disruption, ...]:
    told = manifest.plain.get("disruptions", [])
    try:
        return tuple(Disruption.from_dict(one) for one in told)
    except (ContractError, TypeError) as error:
        return manifest.refuse("disruptions", told, f"declared disruptions ({error})")


def _require_words(manifest: StoredValues) -> None:
    """Refuse a manifest that says what a model is in words that nobody can read."""
    manifest.text("event", _EVENTS)
    for name in ("version", "library_version"):
        manifest.text(name)
    for name in ("as_of", "trained_as_of"):
        moment = None
        with suppress(ValueError):
            moment = datetime.fromisoformat(manifest.text(name))
        if moment is None or moment.tzinfo is None:
            manifest.refuse(name, manifest.plain[name], "a moment with its offset from UTC")
    for name in ("trained_on", "trees", "config"):
        manifest.part(name)
    for name in ("give_up_after_days", "holdout_days"):
        manifest.whole(name, 0, _MOST_DATES)
    Dependence.from_manifest(manifest.plain)
    _require_days(manifest)
    if manifest.plain.get("calendars") is not None:
        from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415 — few have one

        CalendarFile(manifest.text("calendars"))


def _require_days(manifest: StoredValues) -> None:
    """Refuse what is no day since when a key of a level is slow or quick."""
    told = manifest.plain.get("pace_since", {})
    expected = f"days as YYYY-MM-DD by level ({', '.join(PACED)}) and key"
    if not isinstance(told, dict) or not set(told) <= set(PACED):
        manifest.refuse("pace_since", told, expected)
    try:
        for days in told.values():
            for day in days.values():
                date.fromisoformat(day)
    except (AttributeError, TypeError, ValueError):
        manifest.refuse("pace_since", told, expected)


_WRITTEN_FROM_PARTS: Final = frozenset(
    {"format_version", "features", "numeric", "categorical", "horizon", "surge", "statistics"}
    | {"clocks", "disruptions", "dispatch", "zones", "kept", "calibration", "files", _DIGEST}
)


def _read_manifest(path: Path, verify: str | Path | None) -> tuple[StoredValues, dict[str, Any]]:
    file = path / _MANIFEST
    if not os.path.lexists(file):
        within = [path / "current", *sorted(path.iterdir())] if path.is_dir() else []
        inside = [one.name for one in within if (one / _MANIFEST).is_file()]
        known = f" It holds models: give the path of one, {path / inside[0]}." if inside else ""
        raise ModelFileError(
            f"Found no {file}; expected a model directory.{known}"
            + ("" if known else " Train one with `etapromise train`, or give another path.")
        )
    content = _read(path, _MANIFEST)
    if verify is not None:
        # Before a word of it is read.
        if not (path / SIGNATURE).exists():
            raise ModelFileError(
                f"Found no {SIGNATURE} beside {file}; expected a model signed by the owner of "
                f"{verify}. Save it with that owner's sign_key (--sign-key), or load one that is "
                "signed."
            )
        require_signature(content, _read(path, SIGNATURE), verify, f"{file}")
    manifest = StoredValues(f"{file}", json_of(f"{file}", content))
    found = manifest.plain.get("format_version")
    if found != FORMAT_VERSION or type(found) is not int:
        raise ModelFileError(
            f"Found format version {found!r} in {file}; this version of etapromise reads "
            f"{FORMAT_VERSION}. {_train_command(path, manifest.plain)}"
        )
    stated = manifest.plain.pop(_DIGEST, None)
    if stated != _digest(manifest.plain):
        raise ModelFileError(
            f"Found {file} with contents that its own SHA-256 {stated} does not fit. The file is "
            "damaged or was changed: copy or train it again."
        )
    return manifest, manifest.part("files").plain


def _train_command(path: Path, manifest: Mapping[str, Any]) -> str:
    """How to get a model of this format in place of one of another, as far as that one says it."""
    words = ["etapromise", "train", "--shipments", "SHIPMENTS", "--scans", "SCANS"]
    for option, name in (("--as-of", "trained_as_of"), ("--event", "event")):
        words += [option, str(manifest[name])] if isinstance(manifest.get(name), str) else []
    for name in ("numeric", "categorical"):
        given = manifest.get(name)
        for column in given if isinstance(given, list) else []:
            words += [f"--{name}", str(column)]
    words += ["--out", str(path.resolve().parent)]
    return (
        f"Train it again from the shop's tables: `{shlex.join(words)[:2_000]}`; or use the version "
        "that wrote it."
    )


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read_checked(path: Path, name: str, files: Mapping[str, Any]) -> bytes:
    """The bytes whose digest was checked, and no others."""
    content = _read(path, name)
    digest = hashlib.sha256(content).hexdigest()
    if digest != files.get(name):
        raise ModelFileError(
            f"Found {path / name} with SHA-256 {digest}; the manifest says {files.get(name)}. The "
            "file is damaged or was changed: copy or train it again."
        )
    return content


def _read(path: Path, name: str) -> bytes:
    """A plain file of a directory, no larger than a model's may be."""
    file, content = path / name, b""
    try:
        # A pipe must not keep a reader waiting.
        flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
        with open(file, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as opened:
            state = os.fstat(opened.fileno())
            wrong = None
            if not file.resolve().is_relative_to(path):
                wrong = "a link out of the directory"
            elif not stat.S_ISREG(state.st_mode):
                wrong = "no plain file"
            elif state.st_size > _MOST_BYTES[name]:
                wrong = f"{state.st_size} bytes, more than {_MOST_BYTES[name]}"
            if not wrong:
                # As many bytes as are asked for are taken from the system first.
                content = opened.read(state.st_size)
    except OSError as error:
        wrong = str(error)
    if wrong:
        raise ModelFileError(
            f"Found no readable {file} ({wrong}); expected a plain file beside the manifest. The "
            "model directory is incomplete: copy or train it again."
        )
    return content
