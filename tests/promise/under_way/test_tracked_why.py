"""Why a parcel under way comes when it does: sums that are exact, and what stands still says so."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from etapromise import PromiseModel
from etapromise.calendars.disruptions import Disruption

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.tracking import TrackedHistory

NOW = datetime(2025, 7, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize("declared", [False, True])
def test_days_sum_to_the_date(
    model: PromiseModel,
    parcels: TrackedHistory,
    orders: pd.DataFrame,
    declared: bool,  # noqa: FBT001
) -> None:
    if declared:
        snow = Disruption(first=date(2025, 7, 7), last=date(2025, 7, 14), delay=2.0, reason="Snow")
        model = model.with_disruptions([snow])
    scans = parcels.scans
    told, moved = [], 0
    for row in orders[orders["ordered_at"] < NOW].head(30).to_dict("records"):
        own = scans[scans["shipment_id"] == row["shipment_id"]]
        tracked = model.track(row, own, NOW)
        why = tracked.why()
        if why is None:
            assert tracked.date is None
            continue
        text = why.text("en")
        told.append(text)
        if tracked.delivered_at is not None:
            assert "Arrived on" in text
            continue
        assert tracked.date is not None
        assert why.days == (tracked.date - why.start).days
        assert sum(why.contributions.values()) == pytest.approx(why.days, abs=1e-9)
        assert ("Stands still since" in text) == (tracked.stalled and "not yet" not in text.lower())
        if why.contributions["disruption"] > 0:
            moved += 1
            assert "Snow" in text
    assert any("On its way since" in text for text in told)
    assert any("Arrived on" in text for text in told)
    assert bool(moved) == declared
