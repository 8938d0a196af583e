"""Model directories: what is saved is what is loaded, and nothing broken is ever loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import etapromise
from etapromise import PromiseModel
from etapromise.cli.train import train_command
from etapromise.errors import CommandError, ModelFileError
from etapromise.promise import model_files
from etapromise.promise.model_files import FORMAT_VERSION
from tests.small_network import fields_of, saved

FILES = ("arrays.npz", "keys.json", "manifest.json", "transit.npz")


@pytest.fixture(scope="module")
def directory(model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.save(tmp_path_factory.mktemp("models") / "one")


@pytest.fixture
def copy(directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory, tmp_path / "copy"))


def rewrite(path: Path, change: Any) -> None:
    """Change the manifest and nothing else."""
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def rewrite_arrays(path: Path, change: Any, name: str = "arrays.npz") -> None:
    """Change an array, and make every digest fit again."""
    with np.load(path / name) as stored:
        arrays = {name: stored[name] for name in stored.files}
    change(arrays)
    with (path / name).open("wb") as file:
        np.savez(file, **arrays)

    def fit(manifest: dict) -> None:
        content = (path / name).read_bytes()
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        del manifest["sha256"]
        manifest["sha256"] = model_files._digest(manifest)

    rewrite(path, fit)


def test_a_loaded_model_answers_like_the_saved_one(
    model: PromiseModel, directory: Path, orders: pd.DataFrame
) -> None:
    loaded = etapromise.load(directory)
    assert dict(loaded.manifest) == dict(model.manifest)
    assert (loaded.version, loaded.event, loaded.as_of, loaded.horizon) == (
        model.version,
        model.event,
        model.as_of,
        model.horizon,
    )
    np.testing.assert_array_equal(
        loaded.distribution_many(orders).probability, model.distribution_many(orders).probability
    )
    pd.testing.assert_frame_equal(loaded.promise_many(orders), model.promise_many(orders))
    for _, row in orders.head(5).iterrows():
        fields = fields_of(row)
        assert loaded.promise(**fields).as_dict() == model.promise(**fields).as_dict()


def test_saving_again_writes_the_same_bytes(
    model: PromiseModel, directory: Path, tmp_path: Path
) -> None:
    first = saved(model, tmp_path / "first")
    assert tuple(first) == FILES
    assert saved(model, tmp_path / "second") == first
    assert saved(etapromise.load(directory), tmp_path / "third") == first


def test_nothing_is_pickled(directory: Path) -> None:
    with np.load(directory / "arrays.npz", allow_pickle=False) as arrays:
        assert all(not arrays[name].dtype.hasobject for name in arrays.files)
    assert sorted(path.name for path in directory.iterdir()) == list(FILES)


def test_an_array_of_objects_is_never_read(copy: Path) -> None:
    """Even where every digest fits, nothing is unpickled."""

    def pickle(arrays: dict) -> None:
        arrays["statistics.lost"] = arrays["statistics.lost"].astype(object)

    rewrite_arrays(copy, pickle)
    with pytest.raises(ModelFileError, match=r"statistics\.lost .*no objects"):
        etapromise.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelFileError, match=f"Found no .*{name}"):
        etapromise.load(copy)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nowhere.*etapromise train"):
        etapromise.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "longer"])
def test_a_damaged_file_is_refused(copy: Path, name: str, damage: str) -> None:
    content = bytearray((copy / name).read_bytes())
    middle = len(content) // 2
    if damage == "flip":
        content[middle] ^= 0x04
    changed = {
        "cut": content[:middle],
        "flip": content,
        "empty": b"",
        "longer": content + b"\x00x",
    }[damage]
    (copy / name).write_bytes(bytes(changed))
    with pytest.raises(ModelFileError, match=f"(?s){name}.*(SHA-256|unreadable)"):
        etapromise.load(copy)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("event", "first_attempt"),
        ("as_of", "2026-01-01T00:00:00+00:00"),
        ("horizon", 2_000_000_000),
        ("surge", 0.5),
        ("numeric", ["price"]),
        ("categorical", ["shop"]),
        ("zones", {"default": "Asia/Tokyo", "countries": {}, "regions": []}),
        ("features", []),
        ("files", None),
        ("sha256", None),
    ],
)
def test_a_changed_manifest_is_refused(copy: Path, part: str, value: Any) -> None:
    rewrite(copy, lambda manifest: manifest.update({part: value}))
    with pytest.raises(ModelFileError, match=r"manifest\.json.*(train it again|own SHA-256)"):
        etapromise.load(copy)


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, str(FORMAT_VERSION), None])
def test_another_format_is_refused(copy: Path, version: Any) -> None:
    rewrite(copy, lambda manifest: manifest.update(format_version=version))
    with pytest.raises(ModelFileError, match=f"format version {version!r}.*reads {FORMAT_VERSION}"):
        etapromise.load(copy)


def test_how_to_train_a_model_of_an_older_format_again_is_said(copy: Path) -> None:
    told = {"format_version": 3, "numeric": ["the price"], "categorical": ["shop"]}
    rewrite(copy, lambda manifest: manifest.update(told))
    with pytest.raises(ModelFileError) as refused:
        etapromise.load(copy)
    command = shlex.split(str(refused.value).split("`")[1])
    assert command[:2] == ["etapromise", "train"]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options.pop("--out") == str(copy.resolve().parent)
    assert pd.Timestamp(options.pop("--as-of")).tz is not None
    assert options == {
        "--shipments": "SHIPMENTS",
        "--scans": "SCANS",
        "--event": "delivered",
        "--numeric": "the price",
        "--categorical": "shop",
    }
    known = {name for param in train_command.params for name in param.opts}
    assert {"--out", "--as-of", *options} <= known
    # Whatever a manifest of another format says.
    rewrite(copy, lambda manifest: manifest.update(numeric=3, categorical=[{}], event=None))
    with pytest.raises(ModelFileError, match="etapromise train"):
        etapromise.load(copy)


def test_a_manifest_of_something_else_is_refused(copy: Path) -> None:
    (copy / "manifest.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"\[1, 2\] for .*manifest\.json; expected an object"):
        etapromise.load(copy)


def test_other_predictions_than_when_saved_are_refused(copy: Path) -> None:
    """Every digest fits, and still the machine does not give what was promised."""

    def shift(arrays: dict) -> None:
        arrays["golden"] = np.clip(arrays["golden"] + 1e-6, 0, 1)

    rewrite_arrays(copy, shift)
    with pytest.raises(ModelFileError, match="other predictions"):
        etapromise.load(copy)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("golden", "other in-transit predictions"),
        ("silence.lost", "other in-transit predictions"),
        ("names", "no such array at names"),
        ("forest.values", "no such array at forest"),
    ],
)
def test_other_predictions_in_transit_are_refused(copy: Path, part: str, words: str) -> None:
    def change(arrays: dict) -> None:
        if part in ("golden", "silence.lost"):
            arrays[part] = arrays[part] * 0.99
        else:
            del arrays[part]

    rewrite_arrays(copy, change, "transit.npz")
    with pytest.raises(ModelFileError, match=words):
        etapromise.load(copy)


def test_a_model_that_knows_no_journeys_has_no_file_of_them(
    model: PromiseModel, tmp_path: Path
) -> None:
    quotes = PromiseModel(dataclasses.replace(model.parts, transit=None))
    path = quotes.save(tmp_path / "quotes")
    assert not (path / "transit.npz").exists()
    assert etapromise.load(path).transit is None


def test_a_model_is_never_overwritten(model: PromiseModel, copy: Path, tmp_path: Path) -> None:
    for place in (copy, tmp_path / "empty", tmp_path / "file", tmp_path / "link"):
        if place.name == "empty":
            place.mkdir()
        elif place.name == "file":
            place.write_text("mine")
        elif place.name == "link":
            place.symlink_to(tmp_path / "nowhere")
        with pytest.raises(ModelFileError, match=r"already there.*never overwritten"):
            model.save(place)
    assert (tmp_path / "file").read_text() == "mine"
    etapromise.load(copy)


def test_a_failed_save_leaves_nothing(
    model: PromiseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        message = "No space left on device"
        raise OSError(28, message)

    monkeypatch.setattr(model_files.np, "savez", full)
    with pytest.raises(CommandError, match="No space"):
        model.save(tmp_path / "models" / "new")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_reader_sees_all_of_it_or_nothing(model: PromiseModel, tmp_path: Path) -> None:
    """Whatever a reader finds under the name at any moment of the writing can be loaded."""
    targets = [tmp_path / f"model-{number}" for number in range(4)]
    versions, errors, waiting = [], [], threading.Event()

    def read() -> None:
        waiting.set()
        for target in targets:
            while not target.exists():
                pass
            try:
                versions.append(etapromise.load(target).version)
            except ModelFileError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    waiting.wait()
    for target in targets:
        model.save(target)
    reader.join(timeout=60)
    assert not errors
    assert versions == [model.version] * len(targets)
    assert sorted(tmp_path.iterdir()) == targets


def test_foreign_files_are_no_model(tmp_path: Path) -> None:
    """A directory with foreign files is refused by its manifest, before any array is opened."""
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as file:
        file.writestr("anything.npy", b"\x00" * 10)
    (tmp_path / "manifest.json").write_text(
        json.dumps({"format_version": FORMAT_VERSION, "files": {}})
    )
    with pytest.raises(ModelFileError, match="SHA-256"):
        etapromise.load(tmp_path)
