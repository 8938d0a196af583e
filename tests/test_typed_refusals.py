"""Whatever the functions of the API are handed, their errors are `EtapromiseError`s that say so."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import etapromise
from etapromise import PromiseModel
from etapromise.argument_kinds import kinds_checked
from etapromise.errors import (
    CommandError,
    ContractError,
    EtapromiseError,
    InsufficientHistoryError,
    ModelFileError,
)
from etapromise.files import require_writable, whole_file
from etapromise.late_imports import IMPORTING
from etapromise.tracking import TrackedHistory

NO_PATHS = (3, None, b"models", "", "a\0b", ["models"], 1.5)
AS_OF = "2025-07-02T00:00Z"
NO_SCANS = pd.DataFrame({"shipment_id": [], "scanned_at": [], "status": []}, dtype="str")


@pytest.mark.parametrize("value", NO_PATHS)
def test_what_is_no_path_is_refused(value: Any, model: PromiseModel, parcels: Any) -> None:
    for ask in (
        lambda: etapromise.load(value),
        lambda: model.save(value),
        lambda: etapromise.refresh(value, parcels, as_of=AS_OF),
        lambda: etapromise.retrain(value, parcels, as_of=AS_OF),
        lambda: etapromise.ingest(value),
        lambda: etapromise.stored_history(value),
        lambda: etapromise.Fallback(value),
        lambda: etapromise.events(model, None, as_of=AS_OF, state=value),
    ):
        with pytest.raises(ContractError, match="expected a path"):
            ask()


@pytest.mark.parametrize(
    "odd",
    [
        {"naive_time_zone": 3},
        {"by": 3},
        {"by": "carrier"},
        {"by": ["carrier", ["x"]]},
        {"by": ["carrier", "carrier"]},
        {"smallest_group": "a"},
        {"smallest_group": -1},
        {"smallest_group": True},
        {"smallest_group": 1.5},
        {"measure": []},
    ],
)
def test_a_scorecard_of_nonsense_is_refused(parcels: TrackedHistory, odd: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=next(iter(odd))):
        etapromise.scorecard(parcels, as_of=parcels.shipments["ordered_at"].max(), **odd)


@pytest.mark.parametrize("config", [3, "quick", {"members": 2}, object()])
def test_settings_are_of_their_class(parcels: TrackedHistory, config: Any, tmp_path: Path) -> None:
    for ask in (
        lambda: etapromise.train(parcels, as_of=AS_OF, config=config),
        lambda: etapromise.retrain(tmp_path, parcels, as_of=AS_OF, gate=config),
        lambda: etapromise.monitor(tmp_path, parcels, as_of=AS_OF, config=config),
    ):
        with pytest.raises(ContractError, match=r"expected a \w+Config"):
            ask()


@pytest.mark.parametrize("value", [3, "abc", None, {"origin": "1"}])
def test_one_thing_is_no_list_of_them(model: PromiseModel, value: Any) -> None:
    for ask in (
        lambda: model.promise_order(value),
        lambda: model.compare(value, 0.9),
        lambda: model.source_order(value, [], []),
        lambda: model.with_disruptions(value),
    ):
        with pytest.raises(EtapromiseError):
            ask()


def test_tables_of_nothing_are_told(parcels: TrackedHistory) -> None:
    with pytest.raises(ContractError, match="neither shipments nor scans"):
        etapromise.read()
    with pytest.raises(InsufficientHistoryError, match="Found no shipments"):
        etapromise.read(parcels.shipments[:0], parcels.scans)
    with pytest.raises(InsufficientHistoryError, match="within the 400 days before as_of"):
        etapromise.train(parcels, as_of="2040-01-01")
    odd: Any = parcels.shipments
    for files in (odd, [odd], 3):
        with pytest.raises(ContractError, match="expected paths"):
            etapromise.check(files)
    with pytest.raises(ContractError, match="no readable mapping"):
        etapromise.train(mapping="none.toml", as_of=AS_OF)


def test_a_threshold_is_a_probability(model: PromiseModel, parcels: TrackedHistory) -> None:
    for wrong in (30, float("nan")):
        with pytest.raises(ContractError, match="at_risk_threshold"):
            etapromise.score(model, parcels.shipments, as_of=AS_OF, at_risk_threshold=wrong)


def test_a_lazy_frame_is_told_to_be_collected(model: PromiseModel) -> None:
    class LazyFrame:
        def collect(self) -> None: ...

    with pytest.raises(ContractError, match=r"hand over \.collect\(\)"):
        etapromise.read(LazyFrame(), LazyFrame())  # type: ignore[arg-type]


def test_a_scan_is_a_mapping(model: PromiseModel, orders: Any) -> None:
    parcel = orders.iloc[0]
    shipment = {"origin": parcel["origin"], "destination": parcel["destination"]}
    shipment["ordered_at"] = parcel["ordered_at"]
    with pytest.raises(ContractError, match="Found the scan 3"):
        model.track(shipment, [3], parcel["ordered_at"] + pd.Timedelta(days=1))


def test_a_directory_of_models_says_which_it_holds(model: PromiseModel, tmp_path: Path) -> None:
    model.save(tmp_path / "2025-07-01")
    with pytest.raises(ModelFileError, match=r"give the path of one, .*2025-07-01"):
        etapromise.load(tmp_path)
    (tmp_path / "current").symlink_to("2025-07-01")
    with pytest.raises(ModelFileError, match=r"give the path of one, .*current"):
        etapromise.load(tmp_path)


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x", "/proc/x/y"])
def test_a_place_that_cannot_be_written_is_named_as_given(
    place: str, model: PromiseModel, orders: pd.DataFrame
) -> None:
    if not Path(place).parents[-2].exists():
        pytest.skip("only where the system has such places")
    for ask in (
        lambda: model.save(place),
        lambda: etapromise.events(model, orders, NO_SCANS, as_of=AS_OF, state=place),
        lambda: require_writable(Path(place)),
    ):
        with pytest.raises(EtapromiseError, match=place):
            ask()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only where the system has pipes")
def test_what_is_no_plain_file_is_neither_replaced_nor_read(tmp_path: Path) -> None:
    """With the rights of root a draft would even take the place of /dev/null."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)

    def write() -> None:
        with whole_file(pipe):
            pytest.fail("begun")

    for ask in (write, lambda: require_writable(pipe), lambda: etapromise.read(pipe, pipe)):
        with pytest.raises(EtapromiseError, match=r"pipe\.csv"):
            ask()
    assert pipe.is_fifo()


def test_a_full_disk_is_told_of_the_file_that_was_wanted(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only where the system has such a device")
    path = tmp_path / "scored.csv"

    def write() -> None:
        with whole_file(path), Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)

    with pytest.raises(CommandError, match=r"write .*scored\.csv \(No space left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked_wherever_they_stand() -> None:
    @kinds_checked(config=dict)
    def wanted(models: str, config: dict[str, int] | None = None) -> str:
        return models + str(config)

    assert wanted("a") == "aNone"
    assert wanted("a", {}) == "a{}"
    for odd in ((3,), ("a", 3)):
        with pytest.raises(ContractError):
            wanted(*odd)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        wanted()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"wanted\(\).*'cfg'. Did you mean 'config'"):
        wanted("a", cfg={})  # type: ignore[call-arg]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_fork_waits_until_no_thread_imports() -> None:
    begun, waited = threading.Event(), []

    def imports() -> None:
        with IMPORTING:
            begun.set()
            time.sleep(0.2)
            waited.append(True)

    thread = threading.Thread(target=imports)
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        # As a module that was imported meanwhile: whole, and free to be used.
        free = IMPORTING.acquire(blocking=False)
        os._exit(0 if waited and free else 1)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
