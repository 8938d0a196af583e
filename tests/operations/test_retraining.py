"""Retraining on a small network: who is promoted, who is refused, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from etapromise import tracking, train
from etapromise.errors import CommandError, InsufficientHistoryError
from etapromise.evaluation import replay
from etapromise.evaluation.model_comparison import days_to_mature, promised_dates, shift_between
from etapromise.evaluation.replay import extract_end
from etapromise.operations.feed_checks import clock_shifts
from etapromise.operations.gate import GateConfig
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import recipe_of, refresh, retrain
from etapromise_simulator import VendorCodeChange, WrongZone, simulate
from tests.small_network import AS_OF, NETWORK, TRAINING

NOW = AS_OF + pd.Timedelta(days=14)
# Forests this coarse, on a few hundred orders, differ by luck from one fortnight to the next. How
# much worse is too much has tests of its own, in test_gate.py.
GATE = GateConfig(refresh_every=14, least_judged=100, worse_score=0.05)
QUICK = replace(
    TRAINING,
    members=1,
    boosting=replace(TRAINING.boosting, rounds=8, learning_rate=0.4),
    transit=replace(
        TRAINING.transit,
        boosting=replace(TRAINING.transit.boosting, rounds=8, learning_rate=0.4),
        most_looks=3_000,
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _trained_once():
    """The same history, moment and settings give the same model, which nothing changes: kept."""
    kept = {}

    def once(history, *, as_of, config):
        scans = pd.util.hash_pandas_object(history.scans[["scanned_at", "received_at", "status"]])
        said = (as_of, repr(config), history.event, len(scans), int(scans.sum()))
        if said not in kept:
            kept[said] = train(history, as_of=as_of, config=config)
        return kept[said]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replay, "train", once)
        yield


@pytest.fixture(scope="module")
def model(parcels):
    return train(parcels, as_of=AS_OF, config=QUICK)


@pytest.fixture
def registry(tmp_path, model):
    found = ModelRegistry(tmp_path / "models")
    with found.lock():
        found.promote(found.add(model), why="trained")
    return found


@pytest.fixture(scope="module")
def decided(tmp_path_factory, model, parcels):
    """A retraining two weeks after the champion's training, on a healthy network."""
    registry = ModelRegistry(tmp_path_factory.mktemp("healthy"))
    with registry.lock():
        registry.promote(registry.add(model), why="trained")
    said: list[str] = []
    decision = retrain(registry.root, parcels, as_of=NOW, gate=GATE, log=said.append)
    return registry, decision, said


def test_a_good_challenger_is_promoted_and_the_record_says_why(decided, model):
    registry, decision, said = decided
    assert decision.outcome == "promoted"
    assert decision.version == registry.current == "2025-07-15"
    assert registry.load_current().manifest["trained_as_of"] == NOW.isoformat()
    assert registry.promotions()[-1].before == "2025-07-01"
    record = json.loads(decision.path.read_text())
    assert record == json.loads(json.dumps(decision.record))
    assert record["champion"]["model_version"] == model.version
    assert record["challenger"]["version"] == "2025-07-15"
    assert all(check["passed"] for check in record["checks"])
    assert said[0] == "training the challenger"


def test_the_judged_weeks_had_run_out_and_were_hidden_from_whoever_was_judged(decided):
    judged = decided[1].record["judged"]
    start, end = pd.Timestamp(judged["from"]), pd.Timestamp(judged["to"])
    assert end - start == pd.Timedelta(days=GATE.judge_days)
    assert end + pd.Timedelta(days=judged["days_to_mature"]) == NOW
    # Nine promises of ten, at least, could be judged: that is what "matured" means.
    kept = judged["trial"]["kept"]
    assert kept["judged"] >= 0.85 * kept["promises"]
    # The champion was trained on 1 July and has seen the weeks before: its recipe stands in for
    # it, as much older than the trial as the champion is than the challenger.
    assert pd.Timestamp(decided[1].record["champion"]["trained_as_of"]) > start
    assert judged["compared_with"].endswith(
        "trained 14 days before them, as the champion was before the challenger"
    )
    assert judged["champion"]["kept"]["promises"] == kept["promises"]
    apart = judged["score_difference"]
    assert apart["mean_days"] == pytest.approx(
        judged["trial"]["crps_days"] - judged["champion"]["crps_days"]
    )
    assert apart["mean_days"] != 0
    assert 0 < apart["standard_error_days"] < 0.1 * judged["trial"]["crps_days"]
    assert apart["days"] == GATE.judge_days


def test_the_same_recipe_at_the_same_moment_is_compared_with_nobody(tmp_path, parcels):
    registry = ModelRegistry(tmp_path)
    registry.promote(registry.add(train(parcels, as_of=NOW, config=QUICK)), why="trained")
    judged = retrain(registry.root, parcels, as_of=NOW, gate=GATE, dry_run=True).record["judged"]
    assert judged["compared_with"].startswith("nobody")
    assert judged["champion"] is None
    assert judged["score_difference"] is None


def test_a_champion_from_before_the_judged_weeks_is_judged_on_the_same_orders(tmp_path, parcels):
    old = train(parcels, as_of=AS_OF - pd.Timedelta(days=30), config=QUICK)
    registry = ModelRegistry(tmp_path)
    registry.promote(registry.add(old), why="trained")
    found = retrain(registry.root, parcels, as_of=NOW, gate=GATE, dry_run=True).record["judged"]
    assert found["compared_with"] == "the champion, which had not seen those weeks"
    assert found["champion"]["kept"]["promises"] == found["trial"]["kept"]["promises"]
    assert found["champion"]["crps_days"] != found["trial"]["crps_days"]


def test_another_recipe_is_compared_with_the_champions(registry, parcels):
    # Promises from a single tree of two leaves are worse, and are refused for their score.
    blunt = replace(QUICK, boosting=replace(QUICK.boosting, rounds=1, num_leaves=2))
    strict = replace(GATE, worse_score=0.0)
    found = retrain(registry.root, parcels, as_of=NOW, config=blunt, gate=strict)
    judged = found.record["judged"]
    assert "recipe" in judged["compared_with"]
    assert judged["champion"]["kept"]["promises"] == judged["trial"]["kept"]["promises"]
    assert judged["trial"]["crps_days"] > judged["champion"]["crps_days"]
    assert found.outcome == "refused"
    assert any("CRPS" in reason for reason in found.reasons)
    assert registry.versions() == ["2025-07-01"]
    assert found.path is not None


def test_a_week_with_times_in_the_wrong_zone_is_refused_unless_forced(registry, monkeypatch):
    planted = WrongZone(carrier="acme", start=date(2025, 7, 8), end=date(2025, 7, 15))
    poisoned = simulate(replace(NETWORK, planted=(planted,)))
    history = tracking.history(poisoned.shipments, poisoned.scans)
    refused = retrain(registry.root, history, as_of=NOW, gate=GATE)
    assert refused.outcome == "refused"
    assert refused.version is None
    assert registry.current == "2025-07-01"
    assert registry.versions() == ["2025-07-01"]
    reason = next(text for text in refused.reasons if "scan to receipt" in text)
    assert "acme" in reason
    assert "birdpost" not in reason
    # Of the weeks new to the challenger, the poisoned one is the latest.
    latest = {}
    for sign in refused.record["judged"]["feed"]["clocks"]:
        kept = latest.setdefault(sign["carrier"], sign)
        latest[sign["carrier"]] = max(kept, sign, key=lambda each: each["week_from"])
    assert latest["acme"]["early_share"] > latest["birdpost"]["early_share"]
    assert latest["acme"]["lag_hours"] > 2
    forced = retrain(registry.root, history, as_of=NOW, gate=GATE, force=True)
    assert forced.outcome == "forced"
    assert forced.reasons == refused.reasons
    assert registry.current == forced.version == "2025-07-15"


def test_a_dry_run_changes_nothing(registry, parcels):
    before = sorted(path.name for path in registry.root.rglob("*"))
    found = retrain(registry.root, parcels, as_of=NOW, gate=GATE, dry_run=True)
    assert found.outcome == "would promote"
    assert (found.version, found.path) == (None, None)
    assert sorted(path.name for path in registry.root.rglob("*")) == before


def test_the_first_model_is_judged_by_its_own_word(tmp_path, parcels):
    registry = ModelRegistry(tmp_path)
    found = retrain(registry.root, parcels, as_of=NOW, config=QUICK, gate=GATE)
    assert found.outcome == "promoted"
    assert "first model" in found.reasons[0]
    assert found.record["champion"] is None
    assert registry.current == "2025-07-15"


def test_going_back_in_time_or_to_another_event_is_refused(registry, parcels, simulation):
    with pytest.raises(CommandError, match="later than"):
        retrain(registry.root, parcels, as_of=AS_OF - pd.Timedelta(days=1), gate=GATE)
    other = tracking.history(simulation.shipments, simulation.scans, event="first_attempt")
    with pytest.raises(CommandError, match="first_attempt"):
        retrain(registry.root, other, as_of=NOW, gate=GATE)
    assert registry.versions() == ["2025-07-01"]


def test_too_little_history_says_what_it_was_needed_for(tmp_path, parcels):
    registry = ModelRegistry(tmp_path)
    early = pd.Timestamp("2025-03-01", tz="UTC")
    # The network has its first orders in January: hardly any parcel had arrived before these weeks.
    gate = replace(GATE, judge_days=42)
    with pytest.raises(InsufficientHistoryError, match="to judge the challenger"):
        retrain(registry.root, parcels, as_of=early, config=QUICK, gate=gate)
    assert registry.versions() == []


def test_a_refresh_keeps_the_trees_and_becomes_current(registry, parcels, model):
    refreshed = refresh(registry.root, parcels, as_of=NOW)
    assert registry.current == "2025-07-15"
    assert refreshed.version == registry.load_current().version
    assert refreshed.as_of == NOW
    assert refreshed.manifest["trained_as_of"] == model.manifest["trained_as_of"]
    with pytest.raises(CommandError, match="later than"):
        refresh(registry.root, parcels, as_of=AS_OF)


def test_a_feed_that_has_ended_moves_no_date_unasked(registry, parcels):
    """With nothing new, parcels under way look ever later; whichever door asks."""
    ended = parcels.newest(NOW + pd.Timedelta(days=400))
    with pytest.raises(CommandError, match=r"Found nothing newer than .*force=True"):
        refresh(registry.root, parcels, as_of=ended + pd.Timedelta(days=5))
    assert registry.current == "2025-07-01"
    refreshed = refresh(registry.root, parcels, as_of=ended + pd.Timedelta(days=5), force=True)
    assert registry.load_current().version == refreshed.version
    assert registry.current != "2025-07-01"


def test_the_recipe_comes_back_from_a_saved_model(registry):
    assert recipe_of(registry.load_current()) == QUICK


def test_the_wait_for_maturity_is_what_nine_orders_of_ten_took(parcels):
    known = parcels.known_at(NOW)
    days = days_to_mature(known, NOW)
    age = NOW - known.shipments["ordered_at"]
    old = (age > pd.Timedelta(days=45)) & (age <= pd.Timedelta(days=135))
    waited = known.milestones["event_known_at"] - known.shipments["ordered_at"]

    def arrived_within(n):
        return (waited[old] <= pd.Timedelta(days=n)).sum() / old.sum()

    assert arrived_within(days) >= 0.9
    assert arrived_within(days - 1) < 0.9


def test_a_model_beside_itself_moves_no_date(model, orders):
    dates = promised_dates(model, orders, 0.9)
    found = shift_between(dates, dates)
    assert found["orders"] == len(orders)
    assert found["mean_absolute_days"] == found["far_share"] == 0.0


def test_clocks_of_a_healthy_network_stand_still(parcels):
    shifts = clock_shifts(parcels, start=NOW - pd.Timedelta(days=7), end=NOW)
    assert {"acme", "birdpost", "corvid", "dromedary"} <= {shift["carrier"] for shift in shifts}
    assert all(abs(shift["lag_hours"]) < 0.5 for shift in shifts)


def test_a_week_in_codes_that_nobody_can_read_is_refused(registry):
    planted = VendorCodeChange(vocabulary="aftership", start=date(2025, 7, 8))
    changed = simulate(replace(NETWORK, planted=(planted,)))
    history = tracking.history(changed.shipments, changed.scans)
    refused = retrain(registry.root, history, as_of=NOW, gate=GATE, dry_run=True)
    assert refused.outcome == "would refuse"
    assert any("scans were rejected: dromedary" in text for text in refused.reasons)


RETRAIN = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
from etapromise import tracking
from etapromise.operations.gate import GateConfig
from etapromise.operations.models.model_registry import ModelRegistry
from etapromise.operations.retraining import retrain
folder = Path(sys.argv[1])
history = tracking.history(folder / "shipments.parquet", folder / "scans.parquet")
print("ready", flush=True)
gate = GateConfig(refresh_every=14, least_judged=100)
registry = ModelRegistry(folder / "models")
retrain(registry.root, history, as_of=pd.Timestamp(sys.argv[2]), gate=gate)
print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_retraining_that_is_killed_leaves_the_champion(tmp_path, simulation, model):
    simulation.shipments.to_parquet(tmp_path / "shipments.parquet")
    simulation.scans.to_parquet(tmp_path / "scans.parquet")
    registry = ModelRegistry(tmp_path / "models")
    with registry.lock():
        registry.promote(registry.add(model), why="trained")
    command = [sys.executable, "-c", RETRAIN, str(tmp_path), NOW.isoformat()]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        with pytest.raises(CommandError, match="locked"), registry.lock():
            pass
        process.send_signal(signal.SIGKILL)
    assert registry.load_current().version == model.version
    with registry.lock():
        assert registry.versions() == ["2025-07-01"]


def test_killed_between_writing_and_promoting_the_champion_stays(
    registry, parcels, model, monkeypatch
):
    class KilledError(BaseException):
        pass

    def killed(*_, **__):
        raise KilledError

    monkeypatch.setattr(ModelRegistry, "promote", killed)
    with pytest.raises(KilledError):
        retrain(registry.root, parcels, as_of=NOW, gate=GATE)
    monkeypatch.undo()
    assert registry.current == "2025-07-01"
    assert registry.load_current().version == model.version
    # The challenger was written whole, and waits to be promoted by whoever looks into the record.
    registry.load("2025-07-15")
    assert list((registry.root / "decisions").glob("*.json"))


def test_a_refresh_does_not_care_in_which_order_days_come_or_how_often(model, simulation):
    received = simulation.scans["received_at"]
    now = simulation.scans[received <= NOW].reset_index(drop=True)
    day = now["received_at"].dt.floor("D")
    backwards = now.loc[day.sort_values(ascending=False, kind="stable").index]
    last_day_again = pd.concat([now, now[day == day.max()]])
    everything_again = pd.concat([backwards, now])
    known = model.refresh(simulation.shipments, now, as_of=NOW)
    for scans in (backwards, last_day_again, everything_again):
        again = model.refresh(simulation.shipments, scans.reset_index(drop=True), as_of=NOW)
        # The version digests statistics and calibration, to the last bit.
        assert again.version == known.version
        np.testing.assert_array_equal(
            again.parts.statistics.handling, known.parts.statistics.handling
        )
        np.testing.assert_array_equal(
            again.parts.calibration.log_hazard, known.parts.calibration.log_hazard
        )
        np.testing.assert_array_equal(again.parts.kept.kept, known.parts.kept.kept)
    yesterday = now[day < day.max()]
    assert model.refresh(simulation.shipments, yesterday, as_of=NOW).version != known.version


def test_statistics_of_a_feed_that_ended_are_as_old_as_the_feed(model, parcels):
    """However often they are made again: what has not come in has not become known."""
    end = extract_end(parcels).floor("D")
    again = model.refresh(parcels, as_of=end + pd.Timedelta(days=40))
    age = (end - pd.Timestamp(0, tz="UTC")).days + 1 - again.parts.statistics.as_of_day
    assert 0 <= age <= 1
    fresh = model.refresh(parcels, as_of=AS_OF + pd.Timedelta(days=7))
    day = (AS_OF + pd.Timedelta(days=7) - pd.Timestamp(0, tz="UTC")).days
    assert fresh.parts.statistics.as_of_day == day
