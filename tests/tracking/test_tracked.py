from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from etapromise.errors import ContractError
from etapromise.tracking import clean_scans, history, milestones, read_scans, read_shipments

SHIPMENTS = pd.DataFrame(
    {
        "shipment_id": ["a", "b", "c"],
        "ordered_at": ["2024-03-01T10:00:00", "2024-03-01T11:00:00", "never"],
        "origin": "01067",
        "destination": "88032",
    }
)
SCANS = pd.DataFrame(
    [
        ("a", "2024-03-01T15:00:00", "InfoReceived"),
        ("a", "2024-03-02T15:00:00", "InTransit_002"),
        ("b", "2024-03-02T16:00:00", "what?"),
        ("a", "2024-03-04T15:00:00", "Delivered_003"),
        ("a", "2024-03-04T15:00:00", "Delivered_003"),
        ("c", "2024-03-04T15:00:00", "Delivered_003"),
        ("b", "2024-03-05T15:00:00", "Exception_010"),
    ],
    columns=["shipment_id", "scanned_at", "status"],
)


def test_all_steps_in_one_call() -> None:
    tracked = history(
        SHIPMENTS,
        SCANS,
        event="first_attempt",
        naive_time_zone="Asia/Tokyo",
        vocabulary="aftership",
    )
    shipments = read_shipments(SHIPMENTS, naive_time_zone="Asia/Tokyo")
    scans = read_scans(SCANS, naive_time_zone="Asia/Tokyo", vocabulary="aftership")
    cleaned = clean_scans(scans.accepted, shipments.accepted)
    # The zone of last resort is the destination's where nothing else says it.
    assert (tracked.shipments["destination_time_zone"] == "Asia/Tokyo").all()
    stated = tracked.shipments.drop(columns="destination_time_zone")
    assert_frame_equal(stated, shipments.accepted)
    assert_frame_equal(tracked.scans, cleaned.accepted)
    assert_frame_equal(
        tracked.milestones,
        milestones(shipments.accepted, cleaned.accepted, event="first_attempt"),
    )
    assert list(tracked.milestones["closed_as"].fillna("")) == ["", "returned"]
    assert tracked.event == "first_attempt"


def test_rejects_of_every_step_count_the_rows_of_the_input() -> None:
    tracked = history(SHIPMENTS, SCANS, naive_time_zone="Asia/Tokyo", vocabulary="aftership")
    assert list(tracked.shipment_rejects["row"]) == [2]
    found = dict(zip(tracked.scan_rejects["row"], tracked.scan_rejects["reason"], strict=True))
    assert found == {2: "unknown_vendor_code", 4: "duplicate_scan", 5: "unknown_shipment"}
    assert len(tracked.scans) + len(tracked.scan_rejects) == len(SCANS)
    for row, name in zip(
        tracked.scan_rejects["row"], tracked.scan_rejects["shipment_id"], strict=True
    ):
        assert SCANS["shipment_id"][row] == name


def test_naive_times_are_refused() -> None:
    with pytest.raises(ContractError, match="naive_time_zone="):
        history(SHIPMENTS, SCANS, vocabulary="aftership")
