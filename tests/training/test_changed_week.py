"""A model that is only refreshed follows a carrier that gives up its Saturdays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import etapromise
from etapromise import TrainingConfig, tracking
from etapromise.tracking import TrackedHistory

DAYS, CHANGE = 160, 130
START = pd.Timestamp("2025-03-03T09:00", tz="UTC")  # a Monday
CONFIG = TrainingConfig(members=1, stages=False, transit=None, hand_offs=False)


def history() -> TrackedHistory:
    rng = np.random.default_rng(7)
    day = np.repeat(np.arange(DAYS), 14)
    left, end = 1 + rng.binomial(4, 0.4, len(day)), day.copy()
    while (left > 0).any():
        moving = left > 0
        end[moving] += 1
        saturday = end % 7 == 5
        works = (end % 7 != 6) & ~(saturday & (end >= CHANGE))
        left[moving] -= works[moving]
    ids = [f"P{number}" for number in range(len(day))]
    ordered = START + pd.to_timedelta(day, unit="D")
    shipments = pd.DataFrame(
        {
            "shipment_id": ids,
            "ordered_at": ordered,
            "origin": "1000",
            "destination": np.where(rng.random(len(day)) < 0.5, "2000", "3000"),
            "carrier": "acme",
            "service": "ground",
        }
    )
    delivered = START + pd.to_timedelta(end, unit="D") + pd.Timedelta(hours=3)
    picked = ordered + pd.Timedelta(hours=5)
    scans = pd.concat(
        [
            pd.DataFrame({"shipment_id": ids, "scanned_at": at, "status": status})
            for at, status in ((picked, "picked_up"), (delivered, "delivered"))
        ]
    )
    return tracking.history(shipments, scans)


def on_saturday(model: etapromise.PromiseModel, day: int) -> float:
    """What a promise says of the Saturday after an order of a Thursday."""
    ordered = START + pd.Timedelta(days=day)
    promise = model.promise(
        origin="1000", destination="2000", carrier="acme", service="ground", ordered_at=ordered
    )
    saturday = (ordered + pd.Timedelta(days=2)).date()
    friday = (ordered + pd.Timedelta(days=1)).date()
    return promise.probability_by(saturday) - promise.probability_by(friday)


def test_a_refresh_follows_a_changed_week(tmp_path: Path) -> None:
    tracked = history()
    model = etapromise.train(tracked, as_of=START + pd.Timedelta(days=128), config=CONFIG)
    assert on_saturday(model, 129) > 0.1
    # One Saturday without a delivery may be a holiday of which nobody told.
    soon = model.refresh(tracked, as_of=START + pd.Timedelta(days=134))
    assert on_saturday(soon, 136) > 0.1
    later = model.refresh(tracked, as_of=START + pd.Timedelta(days=148))
    assert on_saturday(later, 150) == 0.0
    again = etapromise.load(later.save(tmp_path / "model"))
    assert on_saturday(again, 150) == 0.0
    trained = etapromise.train(tracked, as_of=START + pd.Timedelta(days=148), config=CONFIG)
    assert on_saturday(trained, 150) == 0.0
