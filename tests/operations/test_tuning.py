"""The search for settings: bounded, seeded, resumable, and blind to what comes later."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner

from etapromise import train
from etapromise.cli import main
from etapromise.errors import ContractError
from etapromise.operations import tuning
from etapromise.operations.retraining import recipe_of
from etapromise.operations.tuning import SPACE, Search, tune
from etapromise.training import config as training_config
from etapromise.training.config import TrainingConfig, settings_of, with_settings
from tests.small_network import AS_OF, TRAINING

QUICK = replace(
    TRAINING,
    members=1,
    transit=None,
    boosting=replace(TRAINING.boosting, rounds=4, learning_rate=0.4),
)
SEARCH = Search(seconds=None, trials=3, folds=2, fold_days=14, refresh_every=14, seed=5)


def scores(tuned):
    return [
        {name: trial[name] for name in ("number", "settings", "scores")}
        for trial in tuned.record["trials"]
    ]


@pytest.fixture(scope="module")
def found(parcels, tmp_path_factory):
    journals = tmp_path_factory.mktemp("journals")
    return tune(parcels, as_of=AS_OF, config=QUICK, search=SEARCH, journals=journals), journals


def test_the_winner_is_the_best_of_those_tried_to_the_end(found):
    record = found[0].record
    assert [trial["number"] for trial in record["trials"]] == [0, 1, 2]
    assert record["trials"][0]["settings"] == {}
    whole = {
        trial["number"]: sum(trial["scores"]) / 2
        for trial in record["trials"]
        if len(trial["scores"]) == 2
    }
    best = min(whole.values())
    assert record["score"] in {best, whole[0]}
    assert record["score"] <= record["score_of_default"] == whole[0]
    winner = record["trials"][record["winner"]]["settings"]
    assert found[0].config == with_settings(QUICK, winner)
    for trial in record["trials"][1:]:
        assert trial["settings"].keys() == SPACE.keys()
        assert all(trial["settings"][name] in SPACE[name] for name in SPACE)


def test_nothing_after_the_moment_is_looked_at_and_folds_have_run_out(found, parcels):
    once = replace(SEARCH, trials=1)
    again = tune(parcels.known_at(AS_OF), as_of=AS_OF, config=QUICK, search=once)
    assert scores(again) == scores(found[0])[:1]
    folds = found[0].record["folds"]
    assert pd.Timestamp(folds[0]["to"]) < AS_OF
    assert folds[1]["to"] == folds[0]["from"]


def test_a_killed_search_goes_on_where_it_stopped(found, parcels, tmp_path):
    (journal,) = found[1].glob("*.journal")
    text = journal.read_text()
    # Killed while something was being written down, in the middle of the last trial.
    lines = text.splitlines(keepends=True)
    cut = max(place for place, line in enumerate(lines) if '"scores"' in line)
    (tmp_path / journal.name).write_text("".join(lines[:cut]) + lines[cut][:20])
    again = tune(parcels, as_of=AS_OF, config=QUICK, search=SEARCH, journals=tmp_path)
    assert scores(again)[:2] == scores(found[0])[:2]
    assert len(again.record["trials"]) == SEARCH.trials
    # Another seed is another search, and other data are.
    known = parcels.known_at(AS_OF)
    fewer = replace(known, scans=known.scans.iloc[1:])
    marks = {
        tuning._mark(known, AS_OF, QUICK, SEARCH),
        tuning._mark(known, AS_OF, QUICK, replace(SEARCH, seed=6)),
        tuning._mark(fewer, AS_OF, QUICK, SEARCH),
        tuning._mark(known, AS_OF, replace(QUICK, holdout_days=40), SEARCH),
    }
    assert len(marks) == 4
    assert tuning._mark(known, AS_OF, QUICK, replace(SEARCH, trials=9)) == journal.stem


def test_the_time_spent_before_a_stop_counts(found, parcels):
    late = replace(SEARCH, seconds=1e-6, trials=50)
    again = tune(parcels, as_of=AS_OF, config=QUICK, search=late, journals=found[1])
    # What is written down is used, but no trial begins any more.
    assert scores(again) == scores(found[0])


@pytest.mark.parametrize("budget", [0.1, 1.0, 1.6, 4.0])
def test_no_trial_begins_that_would_not_fit(parcels, monkeypatch, budget):
    # Of each trial's two folds.
    fold_seconds = [0.1, 0.1, 0.15, 0.1, 0.1, 0.15, 0.22, 0.1, 0.1, 0.1]
    tried = []

    def score(*_):
        tried.append(1)
        time.sleep(fold_seconds[(len(tried) - 1) // 2])
        return 1.0

    monkeypatch.setattr(tuning, "_score", score)
    search = replace(SEARCH, seconds=budget, trials=10)
    seconds = [
        trial["seconds"]
        for trial in tune(parcels, as_of=AS_OF, config=QUICK, search=search).record["trials"]
    ]
    for begun in range(2, len(seconds) + 1):
        before = seconds[: begun - 1]
        assert sum(before) + max(before) <= budget + 0.01
    # It does not stop early either: the next trial would not have fitted.
    if len(seconds) < 10:
        assert sum(seconds) + max(seconds) > budget - 0.01


def test_settings_are_named_checked_and_of_their_kind():
    changed = with_settings(QUICK, {"boosting.num_leaves": "31", "holdout_days": 40.0})
    assert (changed.boosting.num_leaves, changed.holdout_days) == (31, 40)
    assert isinstance(changed.holdout_days, int)
    assert with_settings(changed, {}) == changed
    for settings, told in (
        ({"boosting.leaves": 3}, "boosting.leaves"),
        ({"holdout_days": 2.5}, "whole number"),
        ({"effects.half_life": "long"}, "expected a number"),
        ({"holdout_days": 0}, "at least 1"),
    ):
        with pytest.raises(ContractError, match=told):
            with_settings(QUICK, settings)
    assert settings_of(TrainingConfig()).keys() >= SPACE.keys()


def test_a_search_without_folds_is_refused():
    with pytest.raises(ContractError, match="folds"):
        Search(folds=0)


def test_the_command_tunes_writes_it_down_and_later_training_keeps_it(
    tmp_path, simulation, monkeypatch
):
    simulation.shipments.to_parquet(tmp_path / "shipments.parquet")
    simulation.scans.to_parquet(tmp_path / "scans.parquet")
    monkeypatch.setattr(training_config, "TrainingConfig", lambda **told: replace(QUICK, **told))
    command = ["train", "--shipments", tmp_path / "shipments.parquet"]
    command += ["--scans", tmp_path / "scans.parquet", "--as-of", AS_OF.isoformat()]
    command += ["--out", tmp_path / "models", "--set", "effects.half_life=70"]
    command += ["--tune", "1s", "--trials", 1, "--tune-seed", 3]
    done = CliRunner().invoke(main, [str(part) for part in command])
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "models" / "current" / "manifest.json").read_text())
    assert manifest["tuning"]["search"]["seed"] == 3
    assert manifest["config"]["effects"]["half_life"] == 70
    assert len(list((tmp_path / "models" / "tuning").glob("*.journal"))) == 1
    for text in ("20", "m", "-5m", "0s"):
        wrong = CliRunner().invoke(main, [str(part) for part in [*command, "--tune", text]])
        assert wrong.exit_code == 2
        assert "20m" in wrong.output


def test_the_record_stays_with_the_model(parcels, found):
    model = train(parcels, as_of=AS_OF, config=found[0].config, tuning=found[0].record)
    assert model.manifest["tuning"] == found[0].record
    assert recipe_of(model) == found[0].config
    assert model.refresh(parcels, as_of=AS_OF).manifest["tuning"] == found[0].record
