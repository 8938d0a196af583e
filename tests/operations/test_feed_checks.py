"""Local times marked as UTC are recognised from a feed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etapromise.operations.feed_checks import clocks_marked_as_utc, doubtful_clocks
from etapromise.tracking import TrackedHistory, history


def tracked(ordered: pd.DatetimeIndex, came: pd.DatetimeIndex, zone: str) -> TrackedHistory:
    ids = [f"p{k}" for k in range(len(came))]
    shipments = pd.DataFrame(
        {
            "shipment_id": ids,
            "ordered_at": ordered.tz_localize("UTC"),
            "origin": "a",
            "destination": "b",
            "carrier": "Swift Post",
            "destination_time_zone": zone,
        }
    )
    scans = pd.DataFrame({"shipment_id": ids, "scanned_at": came, "status": "delivered"})
    return history(shipments, scans)


@pytest.mark.parametrize("zone", ["Australia/Brisbane", "America/Bogota", "Asia/Tokyo"])
@pytest.mark.parametrize("lies", [False, True])
def test_local_times_marked_z_are_told(zone: str, lies: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(1)
    n = 120
    day = pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(n) % 40, "D")
    wall = day + pd.to_timedelta(rng.integers(8 * 60, 20 * 60, n), "min")
    moment = wall.tz_localize("UTC") if lies else wall.tz_localize(zone)
    found = clocks_marked_as_utc(tracked(day - pd.Timedelta(days=3), moment, zone))
    assert [row["carrier"] for row in found] == (["swift-post"] if lies else [])


@pytest.mark.parametrize("written", ["Europe/Madrid", "UTC", "+01:00"])
def test_clocks_that_know_no_summer_time_are_told(written: str) -> None:
    rng = np.random.default_rng(1)
    day = pd.Timestamp("2026-02-20") + pd.to_timedelta(np.arange(300) // 4, "D")
    wall = day + pd.to_timedelta(rng.integers(10 * 60, 14 * 60, 300), "min")
    found = tracked(day - pd.Timedelta(hours=40), wall.tz_localize(written), "Europe/Madrid")
    told = doubtful_clocks(found, [])
    assert ["when its clocks changed on 2026-03-29" in one for one in told] == (
        [] if written == "Europe/Madrid" else [True]
    )


def test_orders_at_night_are_told() -> None:
    day = pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(60), "D")
    came = (day + pd.Timedelta(hours=20)).tz_localize("UTC")
    for hour, told in ((11, 1), (18, 0)):
        ordered = day - pd.Timedelta(hours=48 - hour)
        assert len(doubtful_clocks(tracked(ordered, came, "America/Los_Angeles"), [])) == told
