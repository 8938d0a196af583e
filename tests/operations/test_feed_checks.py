"""Local times marked as UTC are recognised from a feed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etapromise.operations.feed_checks import clocks_marked_as_utc
from etapromise.tracking import history


@pytest.mark.parametrize("zone", ["Australia/Brisbane", "America/Bogota", "Asia/Tokyo"])
@pytest.mark.parametrize("lies", [False, True])
def test_local_times_marked_z_are_told(zone: str, lies: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(1)
    n = 120
    ids = [f"p{k}" for k in range(n)]
    day = pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(n) % 40, "D")
    wall = day + pd.to_timedelta(rng.integers(8 * 60, 20 * 60, n), "min")
    moment = wall.tz_localize("UTC") if lies else wall.tz_localize(zone)
    shipments = pd.DataFrame(
        {
            "shipment_id": ids,
            "ordered_at": (day - pd.Timedelta(days=3)).tz_localize("UTC"),
            "origin": "a",
            "destination": "b",
            "carrier": "Swift Post",
            "destination_time_zone": zone,
        }
    )
    scans = pd.DataFrame({"shipment_id": ids, "scanned_at": moment, "status": "delivered"})
    found = clocks_marked_as_utc(history(shipments, scans))
    assert [row["carrier"] for row in found] == (["swift-post"] if lies else [])
