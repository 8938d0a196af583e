"""Whatever a model directory holds: it is refused by a typed error, or answers what makes sense."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import etapromise
from etapromise import PromiseModel
from etapromise.calendars.disruptions import Disruption
from etapromise.errors import ModelFileError
from etapromise.promise import model_files
from tests.fuzz import hostile_models
from tests.fuzz.full_model import saved_model
from tests.fuzz.hostile_models import HostileModels, outcome, write_model

CASES, BATCHES = 240, 6
"""Random changes; `python -m tests.fuzz.hostile_models` runs more of them."""


@pytest.fixture(scope="module")
def sound(model: PromiseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.save(tmp_path_factory.mktemp("models") / "sound")


@pytest.fixture(scope="module")
def hostile(sound: Path) -> HostileModels:
    return HostileModels(sound)


@pytest.fixture
def any_golden() -> Iterator[None]:
    """As if the golden predictions had been made to fit as well."""
    with hostile_models.any_golden():
        yield


@pytest.fixture
def changed(hostile: HostileModels, tmp_path: Path) -> Any:
    """Writes a copy with one array changed, whose digests fit."""

    def write(name: str, change: Any, file: str = "arrays.npz") -> Path:
        arrays = {each: dict(known) for each, known in hostile.arrays.items()}
        arrays[file][name] = change(arrays[file][name].copy())
        write_model(tmp_path / "changed", dict(hostile.manifest), hostile.keys, arrays)
        return tmp_path / "changed"

    return write


@pytest.mark.usefixtures("any_golden")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_changes_are_refused_or_harmless(
    hostile: HostileModels, tmp_path: Path, batch: int
) -> None:
    found = {"refused": 0, "answers": 0}
    for case in range(batch, CASES, BATCHES):
        target = tmp_path / f"{case}"
        said = hostile.write(target, np.random.default_rng(case), changes=1 + case % 3)
        try:
            found[outcome(target)] += 1
        except Exception as error:
            raise AssertionError(f"case {case}: {said}") from error
        shutil.rmtree(target)
    # The cases are no noise that nobody looks at: most of them break something.
    assert found["refused"] > CASES // BATCHES // 3


def test_of_a_sound_model_everything_is_asked_and_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once no case asked a promise: the model wants columns that were not given."""
    monkeypatch.setattr(
        "tests.fuzz.hostile_models.contextlib.suppress", lambda *_: contextlib.nullcontext()
    )
    monkeypatch.setattr("tests.fuzz.hostile_models.EtapromiseError", ZeroDivisionError)
    assert outcome(saved_model()) == "answers"


@pytest.mark.usefixtures("any_golden")
def test_where_all_parcels_are_lost_what_stands_behind_the_date_is_told(tmp_path: Path) -> None:
    """`why` ended in a NaN that is no number of days."""
    hostile = hostile_models.hostile()
    arrays = dict(hostile.arrays["arrays.npz"])
    arrays["statistics.lost"] = np.ones_like(arrays["statistics.lost"])
    changed = hostile.arrays | {"arrays.npz": arrays}
    write_model(tmp_path / "lost", dict(hostile.manifest), hostile.keys, changed)
    assert outcome(tmp_path / "lost") == "answers"


def test_no_array_can_be_left_out_or_added(hostile: HostileModels, tmp_path: Path) -> None:
    for name in hostile.arrays["arrays.npz"]:
        arrays = {file: dict(each) for file, each in hostile.arrays.items()}
        del arrays["arrays.npz"][name]
        write_model(tmp_path / "less", dict(hostile.manifest), hostile.keys, arrays)
        with pytest.raises(ModelFileError, match=re.escape(name)):
            etapromise.load(tmp_path / "less")
        shutil.rmtree(tmp_path / "less")
    arrays["arrays.npz"] |= {**hostile.arrays["arrays.npz"], "forest.more": np.zeros(3)}
    write_model(tmp_path / "more", dict(hostile.manifest), hostile.keys, arrays)
    with pytest.raises(ModelFileError, match=r"forest\.more in .*arrays\.npz; expected only"):
        etapromise.load(tmp_path / "more")


@pytest.mark.parametrize("value", [7, "x", [], {}, None, [["a"]], True])
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Disruption)])
def test_a_disruption_of_odd_values_is_refused_or_one(
    hostile: HostileModels, tmp_path: Path, name: str, value: Any
) -> None:
    plain = Disruption(first=date(2025, 7, 3), last=date(2025, 7, 5), delay=1.0).as_dict()
    manifest = dict(hostile.manifest) | {"disruptions": [plain | {name: value}]}
    write_model(tmp_path / "odd", manifest, hostile.keys, hostile.arrays)
    try:
        model = etapromise.load(tmp_path / "odd")
    except ModelFileError:
        return
    (found,) = model.parts.encoder.declared
    usual = getattr(Disruption(first=found.first, last=found.last, delay=1.0), name)
    optional = name in {"carrier", "service", "country", "region", "origin"}
    assert isinstance(getattr(found, name), str | None if optional else type(usual) | int)


@pytest.mark.parametrize("how", ["NaN", "another type", "another shape"])
def test_every_array_is_checked(hostile: HostileModels, changed: Any, how: str) -> None:
    for file, arrays in hostile.arrays.items():
        for name, array in arrays.items():
            if how == "NaN" and (array.dtype.kind != "f" or not array.size):
                continue
            path = changed(
                name,
                {
                    "NaN": lambda a: np.full_like(a, np.nan),
                    "another type": lambda a: a.astype(np.complex128),
                    "another shape": lambda a: a[None],
                }[how],
                file,
            )
            with pytest.raises(ModelFileError, match=re.escape(f"{name} in ")):
                etapromise.load(path)
            shutil.rmtree(path)


def put(place: Any, value: Any) -> Any:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


@pytest.mark.usefixtures("any_golden")
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("statistics.total_start", put(3, 1 << 40), r"statistics\.total_start .*expected \[ *0"),
        ("statistics.handling_start", put(-1, 1 << 40), r"statistics\.handling_start"),
        ("statistics.total", lambda a: a[:-50], r"shape \(\d+, 5\) at statistics\.total in "),
        ("statistics.total", put((5, 0), 1e30), r"expected \(50\.0, "),
        ("statistics.lost", lambda a: a[:-1], r"statistics\.lost"),
        ("statistics.lost", put(0, 5.0), r"Found 5\.0 at statistics\.lost.*1\.0 at most"),
        ("calibration.kept", lambda a: a[::-1], "out of order at calibration"),
        ("calibration.kept", put(-1, 1.5), "calibration"),
        ("calibration.knot", lambda a: a[:0], "calibration"),
        ("calibration.log_hazard", lambda a: a[:-9], "calibration"),
        ("forest.threshold", put(0, np.nan), "not finite at forest"),
        ("forest.values", put((0, 0), 3e38), "forest"),
        ("forest.feature", put(0, 1 << 20), "forest"),
        ("forest.features", lambda _: np.array(1_000_000), "Found 1000000 at forest.features"),
        ("forest.left", put(0, 0), "forest"),
        ("holdout.features", lambda a: a + 1, "holdout"),
        ("stages.transit.features", lambda a: a - 2, r"stages\.transit\.features"),
        ("clocks.holidays", put((0, 0), 9), r"clocks\.holidays"),
        ("clocks.weeks", put((1, 1), np.nan), r"clocks\.weeks"),
        ("clocks.special_days", lambda _: np.array([[99, 0, 0, 9, 0]]), r"clocks\.special_days"),
        ("clocks.region_weeks", lambda _: np.full((1, 9), 0.5), r"clocks\.region_weeks"),
        ("clocks.new_weeks", lambda _: np.full((1, 9), 0.5), r"clocks\.new_weeks"),
        ("dispatch.cut_off", put((0, 0), 1 << 30), r"dispatch\.cut_off"),
        ("dispatch.rounds", lambda _: np.array([[1 << 20, 0, 9, 0]]), r"dispatch\.rounds"),
        (
            "dispatch.special_days",
            lambda _: np.array([[1 << 40, 0, 9, 0]]),
            r"dispatch\.special_days",
        ),
        ("dispatch.special_days", lambda _: np.array([[-1, 0, 9, 200]]), r"dispatch\.special_days"),
        ("dispatch.dated_cut_offs", lambda _: np.array([[1 << 30, 9, 9, 0]]), r"dispatch\.dated"),
        ("dispatch.dated_cut_offs", lambda _: np.array([[0, 9, 9, 91]]), r"dispatch\.dated"),
        ("dispatch.handling", lambda a: a[:, ::-1], r"dispatch\.handling"),
        ("hand_offs.taker", put(1, 1 << 20), r"hand_offs\.taker"),
        ("hand_offs.leg_days", lambda a: a[:-1], r"hand_offs\.leg_days"),
        ("hand_offs.texts", lambda a: a[:-5], r"hand_offs\.texts"),
        ("hours.cumulative", put((0, 5), 7.0), r"hours\.cumulative"),
        ("kept.columns", put(0, 1 << 40), r"kept\.columns"),
        ("kept.starts", put(0, -1), r"kept\.starts"),
        ("golden", lambda a: a[:0], "golden"),
    ],
)
def test_known_attacks_are_refused_by_name(
    changed: Any, name: str, change: Any, words: str
) -> None:
    path = changed(name, change)
    with pytest.raises(ModelFileError, match=words):
        etapromise.load(path)


@pytest.mark.usefixtures("any_golden")
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("calibrations.knot", lambda a: a[:, :0]),
        ("flow.start", put(1, 1 << 40)),
        ("flow.total", lambda a: a[:-32]),
        ("silence.rate", lambda a: a[:, :-1]),
        ("exits.returned", put((0, 0, 0), -1.0)),
        ("alerts.threshold", lambda a: a[:0]),
        ("forest.features", lambda a: a + 1),
        ("names", lambda a: a[:-1]),
    ],
)
def test_known_attacks_in_transit_are_refused_by_name(changed: Any, name: str, change: Any) -> None:
    path = changed(name, change, "transit.npz")
    with pytest.raises(ModelFileError, match=rf"{name.partition('.')[0]}.* in transit\.npz"):
        etapromise.load(path)


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("horizon", 2_000_000_000, "Found 2000000000 for horizon"),
        ("horizon", True, "Found True for horizon"),
        ("surge", 1e300, "for surge"),
        ("event", "arrived", "for event.*one of delivered"),
        ("as_of", "2025-07-01", "for as_of.*offset"),
        ("version", None, "for version"),
        ("dependence", {"order": 2.0}, "dependence"),
        ("calendars", 5, "for calendars"),
        ("disruptions", ["a", "a"], "for disruptions"),
        ("numeric", ["a", "a"], "for numeric"),
        ("dispatch", ["no parts"], "the key 'no parts'"),
        (
            "zones",
            {
                "default": "Mars/Base",
                "countries": {},
                "regions": [],
                "origins": [],
                "postcodes": [],
            },
            "IANA",
        ),
        ("ranges", {"weight_kg": [1, 2, 3, 5, 4]}, "for weight_kg.*ascending"),
    ],
)
def test_a_manifest_of_nonsense_is_refused(
    hostile: HostileModels, tmp_path: Path, part: str, value: Any, words: str
) -> None:
    write_model(tmp_path / "odd", hostile.manifest | {part: value}, hostile.keys, hostile.arrays)
    with pytest.raises(ModelFileError, match=words):
        etapromise.load(tmp_path / "odd")


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\ude00\ud83d"])
def test_half_characters_are_no_names(hostile: HostileModels, tmp_path: Path, name: str) -> None:
    """No table can hold one, so scoring ended in an error of Arrow."""
    keys = hostile.keys | {"carrier": [name, *hostile.keys["carrier"][1:]]}
    write_model(tmp_path / "odd", hostile.manifest, keys, hostile.arrays)
    with pytest.raises(ModelFileError, match=r"keys\.json unreadable as JSON.*surrogates"):
        etapromise.load(tmp_path / "odd")


def test_both_halves_of_a_character_are_a_name(hostile: HostileModels, tmp_path: Path) -> None:
    keys = hostile.keys | {"carrier": ["\U0001f600", *hostile.keys["carrier"][1:]]}
    write_model(tmp_path / "odd", hostile.manifest, keys, hostile.arrays)
    assert isinstance(etapromise.load(tmp_path / "odd"), PromiseModel)


def test_more_features_than_the_kernel_has_room_for_are_refused(
    hostile: HostileModels, tmp_path: Path
) -> None:
    """With a forest that says it has as many: the process was taken over this way."""
    names = [f"number:{number}" for number in range(17_846)]
    arrays = {file: dict(each) for file, each in hostile.arrays.items()}
    for forest in ("forest", "holdout", "stages.handling"):
        arrays["arrays.npz"][f"{forest}.features"] = np.array(len(names))
    arrays["arrays.npz"]["stages.transit.features"] = np.array(len(names) + 2)
    manifest = hostile.manifest | {
        "features": names,
        "numeric": [name.removeprefix("number:") for name in names[:500]],
    }
    write_model(tmp_path / "many", manifest, hostile.keys, arrays)
    with pytest.raises(ModelFileError, match="17846 features"):
        etapromise.load(tmp_path / "many")


@pytest.mark.parametrize("features", [["number:weight_kg"] * 3, []])
def test_features_stand_once(hostile: HostileModels, tmp_path: Path, features: list[str]) -> None:
    write_model(
        tmp_path / "odd", hostile.manifest | {"features": features}, hostile.keys, hostile.arrays
    )
    with pytest.raises(ModelFileError, match="features"):
        etapromise.load(tmp_path / "odd")


@pytest.mark.parametrize("name", ["manifest.json", "arrays.npz", "keys.json", "transit.npz"])
@pytest.mark.parametrize("what", ["pipe", "device", "directory", "link", "loop"])
def test_only_plain_files_of_the_directory_are_read(
    sound: Path, tmp_path: Path, name: str, what: str
) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "copy"))
    (path / name).unlink()
    if what == "pipe":
        os.mkfifo(path / name)
    elif what == "directory":
        (path / name).mkdir()
    else:
        to = {"device": Path("/dev/zero"), "link": sound / name, "loop": path / name}[what]
        (path / name).symlink_to(to)
    failed: list[ModelFileError] = []

    def read() -> None:
        with pytest.raises(ModelFileError, match=f"no readable .*{name}") as caught:
            etapromise.load(path)
        failed.append(caught.value)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert len(failed) == 1


def test_a_link_within_the_directory_is_fine(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "copy"))
    (path / "keys.json").rename(path / "keys.of.today.json")
    (path / "keys.json").symlink_to("keys.of.today.json")
    (tmp_path / "current").symlink_to(path)
    etapromise.load(tmp_path / "current")


def test_a_small_file_takes_little_memory(hostile: HostileModels, tmp_path: Path) -> None:
    """Arrays that are compressed, so that megabytes become gigabytes, are not even opened."""
    packed = {}
    for file, arrays in hostile.arrays.items():
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        packed[file] = content.getvalue()
    write_model(tmp_path / "bomb", dict(hostile.manifest), hostile.keys, packed)
    with pytest.raises(ModelFileError, match="compressed or overlapping"):
        etapromise.load(tmp_path / "bomb")


def test_what_was_checked_is_what_is_used(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is read once: nobody can put another one there in between."""
    path = Path(shutil.copytree(sound, tmp_path / "copy"))
    read = model_files._read

    def reads_and_spoils(folder: Path, name: str) -> bytes:
        content = read(folder, name)
        (folder / name).write_bytes(b"spoiled")
        return content

    monkeypatch.setattr(model_files, "_read", reads_and_spoils)
    etapromise.load(path)


def test_a_model_that_could_not_be_read_again_is_never_kept(
    model: PromiseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = model_files._arrays
    monkeypatch.setattr(
        model_files, "_arrays", lambda parts: write(parts) | {"statistics.lost": np.zeros(1)}
    )
    with pytest.raises(ModelFileError, match=r"statistics\.lost"):
        model.save(tmp_path / "models" / "one")
    assert list((tmp_path / "models").iterdir()) == []
