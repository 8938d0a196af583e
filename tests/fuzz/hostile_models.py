"""Model directories that somebody has changed, with every digest made to fit again.

A case is a random change of arrays, keys or manifest of a sound model; of arrays also to the bounds
that their layouts state, and one beyond. `outcome` says what loading it and asking it came to:
refused by a `ModelFileError`, or sound answers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

import etapromise
from etapromise import stored_arrays
from etapromise.errors import EtapromiseError, ModelFileError
from etapromise.promise import model_files
from etapromise.stored_arrays import Array, StoredPart
from tests.fuzz import driver
from tests.fuzz.driver import MEMORY
from tests.fuzz.full_model import saved_model
from tests.fuzz.json_changes import changed_plain

NAME = "hostile_models"


class HostileModels:
    """Makes changed copies of one model."""

    def __init__(self, directory: Path) -> None:
        self.contents = {path.name: path.read_bytes() for path in directory.iterdir()}
        self.manifest = json.loads(self.contents["manifest.json"])
        self.keys = json.loads(self.contents["keys.json"])
        self.arrays: dict[str, dict[str, Any]] = {}
        self.layouts = stated_layouts(directory)
        for file in self.manifest["files"]:
            if file.endswith(".npz"):
                with np.load(directory / file) as stored:
                    self.arrays[file] = {name: stored[name] for name in stored.files}

    def write(self, target: Path, rng: np.random.Generator, changes: int = 1) -> str:
        """Write a changed copy; what was changed."""
        manifest, keys = json.loads(self.contents["manifest.json"]), self.contents["keys.json"]
        arrays: dict[str, Any] = {}
        said = []
        for _ in range(changes):
            kind = rng.choice(["array", "array", "array", "manifest", "keys"])
            if kind == "array":
                file = str(rng.choice(list(self.arrays)))
                changed = arrays.setdefault(file, dict(self.arrays[file]))
                said.append(f"{file} {changed_arrays(changed, rng, self.layouts[file])}")
            elif kind == "keys":
                keys = json.loads(keys) if isinstance(keys, bytes) else keys
                said.append(f"keys.json {changed_plain(keys, rng)}")
            else:
                said.append(f"manifest.json {changed_plain(manifest, rng)}")
        untouched = {file: self.contents[file] for file in self.arrays.keys() - arrays.keys()}
        packed = {file: self._packed(file, each) for file, each in arrays.items()}
        write_model(target, manifest, keys, packed | untouched)
        return "; ".join(said)

    def _packed(self, file: str, arrays: dict[str, Any]) -> bytes:
        """The sound file with what was changed put behind it; what was not stays as it is."""
        content, sound = io.BytesIO(self.contents[file]), self.arrays[file]
        with zipfile.ZipFile(content, "a") as opened:
            for name in [name for name, array in sound.items() if arrays.get(name) is not array]:
                opened.filelist.remove(opened.NameToInfo.pop(f"{name}.npy"))
                opened._didModify = True  # type: ignore[attr-defined]
            for name, array in arrays.items():
                if sound.get(name) is not array:
                    opened.writestr(f"{name}.npy", _npy(array))
        return content.getvalue()


def stated_layouts(directory: Path) -> dict[str, dict[str, Array]]:
    """What each array of a model must be, by file and name: as its loader states it."""
    found: dict[str, dict[str, Array]] = {}
    read = StoredPart.read

    def noted(part: StoredPart, layout: Any, **sizes: int) -> Any:
        file = found.setdefault(Path(part._all.file).name, {})
        file.update({f"{part._prefix}{name}": one for name, one in layout.arrays.items()})
        return read(part, layout, **sizes)

    with mock.patch.object(StoredPart, "read", noted):
        model = etapromise.load(directory)
        _ = model.transit  # which is read when it is asked for
    return found


def _npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asanyarray(array))
    return content.getvalue()


def write_model(target: Path, manifest: Any, keys: Any, arrays: Any) -> None:
    """Write a directory whose digests fit; what is bytes already is written as it is."""
    target.mkdir(exist_ok=True)
    contents = {"keys.json": keys if isinstance(keys, bytes) else json.dumps(keys).encode()}
    for file, each in arrays.items():
        if isinstance(each, bytes):
            contents[file] = each
            continue
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as opened:
            for name, array in each.items():
                opened.writestr(f"{name}.npy", _npy(array))
        contents[file] = content.getvalue()
    for name, content in contents.items():
        (target / name).write_bytes(content)
    if isinstance(manifest, dict):
        if isinstance(manifest.get("files"), dict):
            known = {
                name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
            }
            manifest["files"] |= {
                name: known[name] for name in known.keys() & manifest["files"].keys()
            }
        manifest.pop("sha256", None)
        manifest["sha256"] = model_files._digest(manifest)
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def changed_arrays(
    arrays: dict[str, Any], rng: np.random.Generator, layouts: dict[str, Array]
) -> str:
    """Change one array, or which there are."""
    name = str(rng.choice(list(arrays)))
    array = arrays[name]
    how = str(rng.choice([*SHAPES, *VALUES, *VALUES, *(["bound"] * 12), "remove", "add", "swap"]))
    if how == "remove":
        del arrays[name]
    elif how == "add":
        arrays[f"{name.partition('.')[0]}.more"] = array
    elif how == "swap":
        other = str(rng.choice(list(arrays)))
        arrays[name], arrays[other] = arrays[other], array
        name = f"{name} with {other}"
    elif how == "bound" and name in layouts:
        arrays[name] = at_bounds(array, layouts[name], rng)
    elif how in SHAPES:
        # A second change may be of what a first one made, such as words to numbers.
        with contextlib.suppress(ValueError, TypeError):
            arrays[name] = SHAPES[how](array)
    else:
        arrays[name] = changed_values(array, how, rng)
    return f"{name}: {how}"


SHAPES: dict[str, Callable[[Any], Any]] = {
    "empty": lambda a: a[:0] if a.ndim else a.reshape(0, 1)[:0] if not a.size else a.reshape(1)[:0],
    "fewer rows": lambda a: a[:-1] if a.ndim else a,
    "one row": lambda a: a[:1] if a.ndim else a,
    "more rows": lambda a: np.concatenate([a, a[-1:]]) if a.ndim else a,
    "no columns": lambda a: a[..., :0] if a.ndim else a,
    "fewer columns": lambda a: a[..., :-1] if a.ndim else a,
    "transposed": lambda a: a.T,
    "flat": lambda a: a.reshape(-1),
    "deeper": lambda a: a[None],
    "doubles": lambda a: a.astype(np.float64),
    "singles": lambda a: a.astype(np.float32),
    "wholes": lambda a: np.nan_to_num(a).astype(np.int64),
    "bytes": lambda a: np.nan_to_num(a).astype(np.uint8),
    "other bytes first": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "texts": lambda a: a.astype(str),
    "complex": lambda a: a.astype(complex),
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "sorted": lambda a: np.sort(a, axis=0) if a.ndim else a,
}
VALUES = ("one", "some", "all", "first", "last", "shift", "scale", "repeat")
ODD_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1.5, 1e30, -1e30, 1e308, 5e-324, 1e12, 700.0)
ODD_WHOLES = (-1, 0, 1, 2, 127, 255, 1 << 15, 1 << 20, 1 << 31, 1 << 40, 1 << 62, -(1 << 40))


def changed_values(array: Any, how: str, rng: np.random.Generator) -> Any:
    """The array with other values."""
    array = array.copy()
    if not array.size:
        return array
    flat = array.reshape(-1)
    if how in {"shift", "scale"} and array.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            return array + array.dtype.type(1) if how == "shift" else array * array.dtype.type(2)
    if how == "repeat":
        flat[:] = flat[rng.integers(len(flat))]
        return array
    odd = rng.choice(ODD_FLOATS) if array.dtype.kind == "f" else int(rng.choice(ODD_WHOLES))
    with np.errstate(all="ignore"):
        value = np.array(odd).astype(array.dtype)
    flat[_places(len(flat), how, rng)] = value
    return array


def _places(count: int, how: str, rng: np.random.Generator) -> Any:
    places = {"all": slice(None), "first": 0, "last": -1}.get(how, rng.integers(count))
    return rng.random(count) < 0.2 if how == "some" else places


def at_bounds(array: Any, layout: Array, rng: np.random.Generator) -> Any:
    """With values at the bounds that are stated, or one beyond; what is empty gets some rows."""
    if not array.size:
        rows = int(rng.integers(1, 4))
        shape = [size or rows for size in array.shape]
        array = np.zeros(shape, array.dtype)
    array = array.copy()
    flat = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    for _ in range(int(rng.integers(1, 4))):
        column = rng.integers(flat.shape[1])
        stated = [one for one in (layout.low, layout.high) if one is not None] or [0, len(flat)]
        bound = np.broadcast_to(np.asarray(stated[rng.integers(len(stated))]), flat.shape[1:])
        beyond = rng.choice((0, 0, 0, 0, 0, 0, -1, 1))
        with np.errstate(all="ignore"):
            value = (bound[column] + beyond).astype(array.dtype)
        how = str(rng.choice(("one", "some", "all", "first", "last")))
        flat[_places(len(flat), how, rng), column] = value
    return flat.reshape(array.shape)


def outcome(path: Path, *, tracked: bool = True) -> str:
    """What becomes of a directory: "refused", "loads" or "answers"; a parcel under way costs most.

    Raises:
        AssertionError: it is loaded, and answers what is no promise.
        Exception: anything that is no `EtapromiseError`.
    """
    try:
        model = etapromise.load(path)
    except ModelFileError:
        return "refused"
    encoder = model.parts.encoder
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(model.parts.statistics.as_of_day)
    known = [index.keys[-1:] for index in encoder.indexes]
    fields: dict[str, Any] = {}
    for level, keys in zip(encoder.levels, known, strict=True):
        if keys and level.columns:
            fields |= dict(zip(level.columns, keys[0].split("\x1f"), strict=True))
    own = (*encoder.numeric, *encoder.categorical)
    fields = {name: fields[name] for name in (*ASKED, *own) if name in fields}
    place = dict.fromkeys(own) | {"origin": "1", "destination": "2"}
    # In time, and long after what is so now has faded.
    asked = [
        place | more | {"ordered_at": start + timedelta(days)}
        for more in ({}, fields, {**fields, "carrier": None, "weight_kg": 1e300})
        for days in (0, 25)
    ]
    answered = sum(_promised(model, one) for one in asked)
    if answered and tracked:
        _told(model, asked[2])
    if model.transit is not None and tracked:
        _tracked(model, place | fields, start)
    return "answers" if answered else "loads"


def _promised(model: etapromise.PromiseModel, fields: dict[str, Any]) -> bool:
    """Whether a promise is made; then it is one."""
    try:
        promise = model.promise(**fields, service_level=0.8)
    except EtapromiseError:
        return False
    probability = promise.distribution()[1]
    assert np.isfinite(probability).all(), probability
    assert (np.diff(probability) >= -1e-12).all(), probability
    assert ((probability >= 0) & (probability <= 1 + 1e-12)).all(), probability
    assert promise.earliest <= promise.latest
    json.dumps(promise.as_dict(), allow_nan=False)
    promise.text()
    return True


def _told(model: etapromise.PromiseModel, fields: dict[str, Any]) -> None:
    """What stands behind a promise, and the other ways to ask for one."""
    json.dumps(model.learned_calendars().as_dict(), allow_nan=False)
    with contextlib.suppress(EtapromiseError):
        promise = model.promise(**fields)
        for name in EXPLAINED:
            with contextlib.suppress(EtapromiseError):
                told = getattr(promise, name)
                _ = told() if callable(told) else told
        many = model.promise_many(pd.DataFrame([fields | {"shipment_id": one} for one in "ab"]))
        assert (many["estimated_delivery_date"].dt.date == promise.date).all()
        assert model.promise_order([fields, fields]).date >= promise.date
        model.ship_on_date(
            promise.date, **{name: fields[name] for name in fields.keys() - {"ordered_at"}}
        )


def _tracked(model: etapromise.PromiseModel, shipment: dict[str, Any], start: datetime) -> None:
    """A parcel under way, early and late."""
    scans = [{"shipment_id": "a", "scanned_at": start, "status": "picked_up"}]
    shipment |= {"shipment_id": "a", "ordered_at": start}
    for days in (2, 25):
        with contextlib.suppress(EtapromiseError):
            found = model.track(shipment, scans, start + timedelta(days=days))
            assert np.isfinite(found.late_probability)
            assert 0 <= found.lost_probability <= 1


EXPLAINED = (
    *("why", "handling", "transit", "hand_off", "window", "warehouse_works", "expires_at"),
    *("cutoff_datetime_utc", "order_within", "as_json_ld", "as_google_merchant"),
)
ASKED = (
    *("origin", "origin_region", "origin_country", "carrier", "service"),
    *("destination", "destination_region", "destination_country"),
)


@contextlib.contextmanager
def any_golden() -> Iterator[None]:
    """Every prediction passes: as if the golden ones had been made to fit too."""
    with mock.patch.object(stored_arrays, "_GOLDEN_TOLERANCE", 1e9):
        yield


@functools.cache
def hostile() -> HostileModels:
    """Of the model that is attacked."""
    return HostileModels(saved_model())


def case(data: bytes) -> str:
    """The bytes are what chance is drawn from."""
    rng = np.random.default_rng(list(data))
    target = PLACE / "model"
    said = hostile().write(target, rng, changes=int(rng.integers(1, 4)))
    try:
        with any_golden():
            return outcome(target, tracked="transit.npz" in said or rng.random() < 0.1)
    except Exception as error:
        error.add_note(said)
        raise


PLACE = Path(tempfile.mkdtemp(prefix="fuzz", dir=MEMORY))
SEEDS = tuple(random.Random(seed).randbytes(8) for seed in range(1000))  # noqa: S311

if __name__ == "__main__":
    hostile()
    sys.exit(driver.main(NAME, case, SEEDS))
