"""Replaying the past: nothing is shown before it was received."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etapromise import tracking
from etapromise.errors import ContractError
from etapromise.evaluation.replay import extract_end, replay_quotes
from tests.evaluation.oracle_forecaster import OracleForecaster

MOMENT = pd.Timestamp("2025-05-20 06:00", tz="UTC")


def test_what_was_known_equals_tracking_the_tables_as_they_were_then(network, tracked):
    shipments, scans = network.shipments, network.scans
    then = tracking.history(
        shipments[shipments["ordered_at"] <= MOMENT], scans[scans["received_at"] <= MOMENT]
    )
    shown = tracked.known_at(MOMENT)
    pd.testing.assert_frame_equal(shown.shipments, then.shipments)
    columns = ["shipment_id", "scanned_at", "status", "received_at"]
    pd.testing.assert_frame_equal(
        shown.scans[columns].sort_values(columns, ignore_index=True),
        then.scans[columns].sort_values(columns, ignore_index=True),
    )
    milestones = [name for name in then.milestones if not name.endswith(("count", "status"))]
    milestones = [name for name in milestones if not name.startswith("last_")]
    pd.testing.assert_frame_equal(shown.milestones[milestones], then.milestones[milestones])


@pytest.mark.parametrize("refresh_every", [1, 4])
def test_every_order_is_quoted_once_with_nothing_received_later(network, tracked, refresh_every):
    model = OracleForecaster(network.config)
    start, end = MOMENT, MOMENT + pd.Timedelta(days=9, hours=7)
    quotes = list(replay_quotes(model, tracked, start=start, end=end, refresh_every=refresh_every))
    ordered = tracked.shipments["ordered_at"]
    expected = np.flatnonzero((ordered >= start) & (ordered < end))
    quoted = np.concatenate([part.rows for part in quotes])
    assert sorted(quoted) == expected.tolist()
    assert len(model.shown) == len(quotes)
    for part, (moment, shown) in zip(quotes, model.shown, strict=True):
        ages = ordered.iloc[part.rows] - moment
        assert ages.min() >= pd.Timedelta(0)
        assert ages.max() < pd.Timedelta(days=refresh_every)
        assert shown.shipments["ordered_at"].max() <= moment
        assert shown.scans["received_at"].max() <= moment
        known = shown.milestones.filter(like="known_at")
        assert known.max().max() <= moment
        assert known["event_known_at"].notna().any()


def test_the_extract_ends_with_its_last_news(tracked):
    assert extract_end(tracked) == max(
        tracked.shipments["ordered_at"].max(), tracked.scans["received_at"].max()
    )
    with pytest.raises(ContractError, match="without orders"):
        extract_end(tracked.known_at(pd.Timestamp("2001-01-01", tz="UTC")))
