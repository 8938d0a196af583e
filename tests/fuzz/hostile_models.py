"""Model directories that somebody has changed, with every digest made to fit again.

A case is a random change of arrays, keys or manifest of a sound model. `outcome` says what loading
it and asking it came to: refused by a `ModelFileError`, or sound answers. Anything else, a crash of
the process above all, is a finding. `python -m tests.fuzz.hostile_models` runs as many as wished.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import hashlib
import io
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import etapromise
from etapromise.errors import EtapromiseError, ModelFileError
from etapromise.in_transit import model_files as transit_files
from etapromise.promise import model_files
from tests.fuzz.driver import MEMORY

ODD_PLAIN = (
    *(None, True, -1, 0, 1, 2**70, 10**400, 1e308, -1e-9, "", "x" * 300, "\x1f", "\ud800", [], {}),
    *([[]], [1], ["a", "a"], {"": None}, "2025-13-01", "nan", "../x", 20_000, 4_000_000_000),
)


class HostileModels:
    """Makes changed copies of one model."""

    def __init__(self, directory: Path) -> None:
        self.contents = {path.name: path.read_bytes() for path in directory.iterdir()}
        self.manifest = json.loads(self.contents["manifest.json"])
        self.keys = json.loads(self.contents["keys.json"])
        self.arrays = {}
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
                said.append(f"{file} {changed_arrays(changed, rng)}")
            elif kind == "keys":
                keys = json.loads(keys) if isinstance(keys, bytes) else keys
                said.append(f"keys.json {changed_plain(keys, rng)}")
            else:
                said.append(f"manifest.json {changed_plain(manifest, rng)}")
        untouched = {file: self.contents[file] for file in self.arrays.keys() - arrays.keys()}
        write_model(target, manifest, keys, arrays | untouched)
        return "; ".join(said)


def write_model(target: Path, manifest: Any, keys: Any, arrays: Any) -> None:
    """Write a directory whose digests fit; what is bytes already is written as it is."""
    target.mkdir(exist_ok=True)
    contents = {"keys.json": keys if isinstance(keys, bytes) else json.dumps(keys).encode()}
    for file, each in arrays.items():
        if isinstance(each, bytes):
            contents[file] = each
            continue
        content = io.BytesIO()
        np.savez(content, **each)
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


def changed_arrays(arrays: dict[str, Any], rng: np.random.Generator) -> str:
    """Change one array, or which there are."""
    name = str(rng.choice(list(arrays)))
    array = arrays[name]
    how = str(rng.choice([*SHAPES, *VALUES, *VALUES, "remove", "add", "swap"]))
    if how == "remove":
        del arrays[name]
    elif how == "add":
        arrays[f"{name.partition('.')[0]}.more"] = array
    elif how == "swap":
        other = str(rng.choice(list(arrays)))
        arrays[name], arrays[other] = arrays[other], array
        name = f"{name} with {other}"
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
    places = {"all": slice(None), "first": 0, "last": -1}.get(how, rng.integers(len(flat)))
    flat[rng.random(len(flat)) < 0.2 if how == "some" else places] = value
    return array


def changed_plain(values: Any, rng: np.random.Generator) -> str:
    """Change one value somewhere in JSON, in place."""
    place, path = values, []
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not names:
            return "nothing"
        name = names[rng.integers(len(names))]
        path.append(str(name)[:40])
        inner = place[name]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            place = inner
            continue
        break
    how = str(rng.choice(["odd", "odd", "odd", "remove", "double", "other", "deep"]))
    if how == "remove":
        del place[name]
    elif how == "double" and isinstance(place, list):
        place.append(inner)
    elif how == "other":
        place[name] = place[names[rng.integers(len(names))]]
    elif how == "deep":
        place[name] = json.loads("[" * 900 + "]" * 900)
    else:
        place[name] = copy.deepcopy(ODD_PLAIN[rng.integers(len(ODD_PLAIN))])
        how = f"{how} {str(place[name])[:20]!r}"
    return f"{'.'.join(path)}: {how}"


def outcome(path: Path) -> str:
    """What becomes of a directory: "refused" or "answers".

    Raises:
        AssertionError: it is loaded, and answers what is no promise.
        Exception: anything that is no `EtapromiseError`.
    """
    try:
        model = etapromise.load(path)
    except ModelFileError:
        return "refused"
    levels = model.parts.encoder.levels
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(model.parts.statistics.as_of_day)
    known = [index.keys[-1:] for index in model.parts.encoder.indexes]
    fields: dict[str, Any] = {}
    for level, keys in zip(levels, known, strict=True):
        if keys and level.columns:
            fields |= dict(zip(level.columns, keys[0].split("\x1f"), strict=True))
    fields = {name: fields[name] for name in ASKED if name in fields}
    for asked in ({}, fields, {**fields, "carrier": None, "weight_kg": 1e300}):
        try:
            promise = model.promise(
                **{"origin": "1", "destination": "2", **asked}, ordered_at=start, service_level=0.8
            )
        except EtapromiseError:
            continue
        probability = promise.distribution()[1]
        assert np.isfinite(probability).all(), probability
        assert (np.diff(probability) >= -1e-12).all(), probability
        assert ((probability >= 0) & (probability <= 1 + 1e-12)).all(), probability
        assert promise.earliest <= promise.latest
        try:
            json.dumps(promise.as_dict(), allow_nan=False)
            _ = promise.stages if hasattr(promise, "stages") else None
        except EtapromiseError:
            pass
    if model.transit is not None:
        scans = [{"shipment_id": "a", "scanned_at": start, "status": "picked_up"}]
        shipment = {"shipment_id": "a", "origin": "1", "destination": "2", "ordered_at": start}
        with contextlib.suppress(EtapromiseError):
            tracked = model.track(shipment | fields, scans, start + timedelta(days=2))
            assert np.isfinite(tracked.late_probability)
            assert 0 <= tracked.lost_probability <= 1
    return "answers"


ASKED = (
    *("origin", "origin_region", "origin_country", "carrier", "service"),
    *("destination", "destination_region", "destination_country"),
)


def any_golden() -> None:
    """Let every prediction pass: as if the golden ones had been made to fit too."""
    for module in (model_files, transit_files):
        module._GOLDEN_TOLERANCE = 1e9  # type: ignore[attr-defined]


def main() -> int:
    """Run cases until there are enough, or the first finding with --stop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="A sound model directory.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    hostile, counts = HostileModels(asked.model), collections.Counter[str]()
    any_golden()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for case in range(asked.seed, asked.seed + asked.count):
            rng = np.random.default_rng(case)
            target = Path(folder, "model")
            said = hostile.write(target, rng, changes=1 + case % 3)
            # Written before: a crash leaves it as the last line.
            print(f"{case}: {said}", file=sys.stderr, flush=True)
            try:
                found = outcome(target)
            except Exception:
                found = "FINDING"
                print(f"FINDING {case}: {said}\n{traceback.format_exc()}", flush=True)
            counts[found] += 1
            if asked.stop and found == "FINDING":
                break
    print(f"{sum(counts.values())} cases in {time.monotonic() - begun:.0f} s: {dict(counts)}")
    return int(counts["FINDING"] > 0)


if __name__ == "__main__":
    sys.exit(main())
