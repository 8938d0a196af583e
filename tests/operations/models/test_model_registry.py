"""The directory of models: whole models only, one step at a time, and a way back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

import etapromise
from etapromise.errors import CommandError, ModelFileError
from etapromise.operations.models.model_registry import ModelRegistry


@pytest.fixture(scope="module")
def fresher(model, parcels):
    return model.refresh(parcels, as_of=pd.Timestamp("2025-07-05 06:30", tz="UTC"))


@pytest.fixture
def registry(tmp_path, model, fresher):
    found = ModelRegistry(tmp_path / "models")
    with found.lock():
        for each, why in ((model, "trained"), (fresher, "refreshed")):
            found.promote(found.add(each), why=why)
    return found


def test_versions_bear_their_moment_and_the_last_promoted_is_current(registry, model, fresher):
    assert registry.versions() == ["2025-07-01", "2025-07-05T063000Z"]
    assert registry.current == "2025-07-05T063000Z"
    assert registry.load_current().version == fresher.version
    assert registry.load("2025-07-01").version == model.version
    assert etapromise.load(registry.root / "current").version == fresher.version
    assert registry.manifest("2025-07-01")["version"] == model.version


def test_a_version_is_never_overwritten(registry, model):
    before = registry.load("2025-07-01").version
    assert registry.add(model) == "2025-07-01.2"
    assert registry.load("2025-07-01").version == before
    assert registry.current == "2025-07-05T063000Z"


def test_the_journal_tells_what_replaced_what(registry):
    assert [(p.version, p.before, p.why) for p in registry.promotions()] == [
        ("2025-07-01", None, "trained"),
        ("2025-07-05T063000Z", "2025-07-01", "refreshed"),
    ]
    assert all(pd.Timestamp(p.at).tzinfo is not None for p in registry.promotions())


def test_rolling_back_goes_to_what_was_current_before_and_further_back_by_name(registry):
    assert registry.roll_back().version == "2025-07-01"
    assert registry.current == "2025-07-01"
    assert registry.roll_back("2025-07-05T063000Z").before == "2025-07-01"
    assert registry.current == "2025-07-05T063000Z"


def test_rolling_back_twice_never_returns_to_what_was_left(registry, model):
    with registry.lock():
        registry.promote(registry.add(model), why="retrained")
    assert registry.current == "2025-07-01.2"
    assert registry.roll_back().version == "2025-07-05T063000Z"
    assert registry.roll_back().version == "2025-07-01"
    with pytest.raises(CommandError, match="nothing"):
        registry.roll_back()
    # Promoted again on purpose, the bad version is as good as any.
    registry.promote("2025-07-01.2", why="mended")
    assert registry.roll_back().version == "2025-07-01"


def test_a_promotion_that_was_cut_off_is_not_taken_for_the_past(registry, model):
    # Written to the journal, but killed before the link was changed; and a line half written.
    line = {"version": "2025-07-01.2", "before": "2025-07-05T063000Z", "at": "x", "why": "y"}
    with (registry.root / "promotions.jsonl").open("a") as journal:
        journal.write(json.dumps(line) + '\n{"version": "2025-0')
    assert registry.roll_back().version == "2025-07-01"
    assert [p.version for p in registry.promotions()][-2:] == ["2025-07-01.2", "2025-07-01"]


def test_a_damaged_version_is_not_rolled_back_to(registry):
    arrays = registry.root / "2025-07-01" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match="SHA-256"):
        registry.roll_back()
    assert registry.current == "2025-07-05T063000Z"


def test_what_is_not_there_is_an_error_that_lists_what_is(registry, tmp_path):
    with pytest.raises(ModelFileError, match="2025-07-01, 2025-07-05T063000Z"):
        registry.promote("2031-01-01", why="wishful")
    with pytest.raises(ModelFileError, match=r"\.\./"):
        registry.load("../elsewhere")
    empty = ModelRegistry(tmp_path / "nothing")
    assert empty.versions() == []
    assert empty.current is None
    assert empty.promotions() == []
    with pytest.raises(ModelFileError, match="etapromise train"):
        empty.load_current()
    with pytest.raises(CommandError, match="there is none"):
        empty.roll_back()


def test_a_directory_in_the_place_of_the_link_is_left_alone(tmp_path, model):
    registry = ModelRegistry(tmp_path)
    model.save(tmp_path / "current")
    version = registry.add(model)
    with pytest.raises(CommandError, match="no symbolic link"):
        registry.promote(version, why="trained")
    assert (tmp_path / "current" / "manifest.json").exists()


def test_only_one_at_a_time(registry):
    script = (
        "import sys; from etapromise.operations.models.model_registry import ModelRegistry\n"
        "from etapromise.errors import CommandError\n"
        "try:\n"
        "    with ModelRegistry(sys.argv[1]).lock(): print('in')\n"
        "except CommandError as error: print('out', error)\n"
    )

    def other():
        command = [sys.executable, "-c", script, str(registry.root)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with registry.lock():
        assert "locked by another process" in other()
    assert other() == "in\n"


WRITER = """
import sys
import etapromise
from etapromise.operations.models.model_registry import ModelRegistry
registry = ModelRegistry(sys.argv[1])
model = registry.load_current()
print("ready", flush=True)
while True:
    with registry.lock():
        version = registry.add(model)
        registry.promote(version, why="again")
        registry.record({"version": version}, name="decision")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_reader_finds_a_whole_model_whenever_a_writer_is_killed(registry, model):
    for wait in (0.0, 0.03, 0.1):
        command = [sys.executable, "-c", WRITER, str(registry.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(wait)
            registry.load_current()  # while it writes
            writer.send_signal(signal.SIGKILL)
        registry.load_current()
        current = registry.current
        with registry.lock():
            assert registry.current == current
        left = [path.name for path in registry.root.rglob(".*") if path.name != ".lock"]
        assert left == []
        for record in (registry.root / "decisions").glob("*.json"):
            json.loads(record.read_text())
    for version in registry.versions():
        registry.load(version)


def test_records_do_not_overwrite_each_other(registry):
    first = registry.record({"a": 1}, name="same")
    second = registry.record({"a": 2}, name="same")
    assert first != second
    assert json.loads(first.read_text()) == {"a": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        registry.record({"a": float("nan")}, name="broken")


def decided(registry, version, outcome="promoted"):
    record = {"outcome": outcome, "challenger": {"version": version}}
    return registry.record(record, name=f"2025-07-06-{version}")


@pytest.mark.parametrize("killed_before", ["journal", "link"])
@pytest.mark.parametrize("outcome", ["promoted", "forced"])
def test_a_decision_that_was_not_carried_out_is_forgotten_by_the_next_writer(
    registry, model, monkeypatch, caplog, outcome, killed_before
):
    was = registry.current
    with registry.lock():
        version = registry.add(model)
        path = decided(registry, version, outcome)
        with monkeypatch.context() as cut:
            if killed_before == "journal":
                cut.setattr(registry, "_append", lambda _: 1 / 0)
            else:
                cut.setattr("pathlib.Path.symlink_to", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                registry.promote(version, why=outcome)
    assert path.exists()
    with registry.lock():
        assert not path.exists()
        assert registry.current == was
        registry.promote(version, why="trained")
    assert "2025-07-06" in caplog.text


def test_decisions_that_were_carried_out_or_promoted_nothing_stay(registry, model):
    with registry.lock():
        version = registry.add(model)
        kept = [decided(registry, None, "refused"), decided(registry, version)]
        registry.promote(version, why="promoted")
    with registry.lock():
        registry.roll_back()
    with registry.lock():
        registry.promote("2025-07-01", why="by hand")
        kept.append(registry.record({"strange": 1}, name="of another program"))
    with registry.lock():
        assert all(path.exists() for path in kept)
