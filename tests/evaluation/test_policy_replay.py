"""Policies over past orders: each persona wins by its own measure; declarations are judged."""

from __future__ import annotations

from datetime import date
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel, load_policies
from etapromise.calendars.disruptions import Disruption
from etapromise.cli.arguments import options_told
from etapromise.errors import ContractError
from etapromise.evaluation.disruption_record import disruption_record
from etapromise.evaluation.policy_replay import replay_policies
from etapromise.tracking import TrackedHistory

WAYS: tuple[dict[str, Any], ...] = (
    {"carrier": "acme", "service": "ground", "price": 4.0, "co2_kg": 0.9, "no_appointment": True},
    {"carrier": "acme", "service": "express", "price": 9.0, "co2_kg": 2.4, "guaranteed": True},
    {"carrier": "birdpost", "service": "ground", "price": 3.5, "co2_kg": 0.8, "groupable": True},
    {
        "carrier": "corvid",
        "service": "express",
        "price": 7.5,
        "co2_kg": 1.7,
        "windows": ["08:00-12:00", "16:00-20:00"],
    },
    {"carrier": "dromedary", "service": "ground", "price": 3.0, "co2_kg": 1.2},
)


def test_each_persona_wins_by_its_own_measure(model: PromiseModel, parcels: TrackedHistory) -> None:
    table = replay_policies(model, parcels, WAYS, load_policies(), most_orders=60)
    assert (table["orders"] == 60).all()
    assert table["price"].idxmin() == "price_sensitive"
    assert table["no_appointment"].idxmax() == "parcel_centric"
    assert table["window"].idxmax() == "convenience"
    assert table["guaranteed"].idxmax() == "time_is_money"
    assert table["stated_kept"].idxmax() == "time_is_money"
    assert table["co2_kg"].idxmin() == "eco"
    assert table["groupable"].idxmax() == "eco"
    assert (table["stated_kept"] >= 0.9).all()
    assert table["taken"].sum() > 0
    known = table["taken_kept"].dropna()
    assert known.between(0, 1).all()


def test_a_model_that_knows_the_orders_cannot_judge(
    model: PromiseModel, parcels: TrackedHistory
) -> None:
    known = (parcels.shipments["ordered_at"] < pd.Timestamp(model.as_of)).to_numpy()
    with pytest.raises(ContractError, match="after the model's moment"):
        replay_policies(
            model.with_disruptions([]),
            _Only(parcels, known),  # type: ignore[arg-type]
            WAYS,
            load_policies(),
        )


class _Only:
    def __init__(self, history: TrackedHistory, rows: np.ndarray) -> None:
        self.shipments = history.shipments[rows].reset_index(drop=True)
        self.milestones = history.milestones[rows].reset_index(drop=True)


def test_a_declaration_that_did_not_come_true_was_not_needed(
    model: PromiseModel, parcels: TrackedHistory
) -> None:
    told = [
        Disruption(first=date(2025, 7, 2), last=date(2025, 7, 12), delay=3.0, reason="rumour"),
        Disruption(first=date(2025, 7, 2), last=date(2025, 7, 3), delay=1.0, carrier="nobody"),
    ]
    found = disruption_record(model.with_disruptions(told), parcels)
    assert found["reason"].tolist() == ["rumour", "declared disruption"]
    assert found["verdict"].tolist() == ["not needed", "too few orders"]
    assert found["kept"][0] > found["kept_without"][0]


def test_a_declaration_that_came_true_was_right(
    model: PromiseModel, parcels: TrackedHistory
) -> None:
    region = str(parcels.shipments["destination_region"].mode()[0])
    first, last = date(2025, 7, 2), date(2025, 7, 12)
    here = (parcels.shipments["destination_region"] == region).to_numpy()
    event = parcels.milestones["event_at"]
    hit = here & event.dt.date.between(first, last).to_numpy()
    moved = parcels.milestones.copy()
    rng = np.random.default_rng(3)
    wait = pd.to_timedelta(np.round(rng.gamma(9.0, 3.0 / 9.0, len(event))), unit="D")
    moved.loc[hit, "event_at"] = (event + wait)[hit]
    late = _Only(parcels, np.ones(len(event), bool))
    late.milestones = moved
    told = [Disruption(first=first, last=last, delay=3.0, country="US", region=region)]
    found = disruption_record(model.with_disruptions(told), late).iloc[0]  # type: ignore[arg-type]
    assert found["orders"] >= 30
    assert found["kept"] > found["kept_without"] + 0.1
    assert found["late_days"] > 1.0
    assert found["verdict"] in {"right", "too much"}


@pytest.mark.parametrize("told", ["{", "{}", "[1]", '"carrier"'])
def test_ways_that_are_no_list_of_options_are_refused(tmp_path, told):
    path = tmp_path / "ways.json"
    path.write_text(told)
    with pytest.raises(click.UsageError, match="--ways"):
        options_told(path)


def test_ways_are_the_options_that_a_file_lists(tmp_path):
    path = tmp_path / "ways.json"
    path.write_text('[{"carrier": "acme", "price": 4.0}]')
    assert options_told(path) == [{"carrier": "acme", "price": 4.0}]
