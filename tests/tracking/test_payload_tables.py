"""Payloads of carriers that no reader knows, beside a table of orders: read by what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.tracking.own_shapes import HOME, parcels
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import csv_of, plain, read

Steps = Iterator[tuple[str, pd.Timestamp]]
Payload = Callable[[Any], Any]


def steps(row: Any) -> Steps:
    """What happened to a parcel, where it happened, the newest first."""
    found = [("picked", row.picked.tz_localize(HOME))]
    found.append(("hub", found[0][1] + pd.Timedelta("5h")))
    if not pd.isna(row.delivered):
        arrived = row.delivered.tz_localize(row.zone)
        found += [("out", arrived - pd.Timedelta("2h")), ("arrived", arrived)]
    return iter(found[::-1])


WORDS = {
    "picked": "The parcel was handed over to the carrier.",
    "hub": "The parcel has reached the parcel centre.",
    "out": "With our driver for delivery today",
    "arrived": "The parcel has been delivered.",
}


def state_and_events(row: Any) -> Any:
    """A parcel's last state beside the list of its events."""
    events = [
        {"code": f"Q{word[:2]}.7", "description": WORDS[word], "eventDateTime": when.isoformat()}
        for word, when in steps(row)
    ]
    state = {"status": "INTRANSIT", "statusDateTime": events[0]["eventDateTime"]}
    return {"parcels": [{"unitno": row.id, **state, "events": events}]}


def unknown_codes(row: Any) -> Any:
    """Codes that no vendor has, texts and times under names of their own."""
    events = [
        {
            "linkCode": f"FX_{word.upper()[0]}9",
            "occurDatetime": when.strftime("%Y-%m-%d %H:%M:%S"),
            "trackingContent": WORDS[word],
            "timeZone": when.strftime("%z"),
        }
        for word, when in steps(row)
    ]
    return {"result": "1", "data": {"deliveryNo": row.id, "trackingList": events}}


def bare_numbers(row: Any) -> Any:
    """States that are counted, such as many vendors count theirs, with a text beside them."""
    numbers = {"picked": 2, "hub": 4, "out": 6, "arrived": 7}
    events = [
        {"statusCode": numbers[word], "codeText": WORDS[word], "dateTime": when.isoformat()}
        for word, when in steps(row)
    ]
    return {"barcode": row.id, "records": events}


def dates_of_net(row: Any) -> Any:
    """Milliseconds between slashes, as some web services write them."""
    events = [
        {
            "WaybillNumber": row.id,
            "UpdateDateTime": f"/Date({int(when.timestamp() * 1000)}+0400)/",
            "UpdateDescription": WORDS[word],
        }
        for word, when in steps(row)
    ]
    return {"TrackingResults": [{"Key": row.id, "Value": events}]}


def offset_beside(row: Any) -> Any:
    """Day, clock and offset apart, the offset called in capitals."""
    events = [
        {
            "date": when.strftime("%Y-%m-%d"),
            "time": when.strftime("%H:%M:%S"),
            "GMTOffset": f"{when.strftime('%z')[:3]}:{when.strftime('%z')[3:]}",
            "typeCode": word[:2].upper(),
            "description": WORDS[word],
        }
        for word, when in steps(row)
    ]
    return {"shipments": [{"shipmentTrackingNumber": row.id, "events": events}]}


def two_clocks(row: Any) -> Any:
    """Each moment once with its offset and once as it is shown to people."""
    events = [
        {
            "description": WORDS[word],
            "dateIso": when.tz_convert("Asia/Tokyo").isoformat(),
            "displayDate": when.strftime("%d.%m.%Y"),
            "displayTime": when.strftime("%H:%M"),
        }
        for word, when in steps(row)
    ]
    return {"consignmentSet": [{"packageSet": [{"packageNumber": row.id, "eventSet": events}]}]}


PAYLOADS: tuple[Payload, ...] = (
    *(state_and_events, unknown_codes, bare_numbers, dates_of_net, offset_beside, two_clocks),
)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda one: one.__name__)
def test_a_payload_is_read_truly(payload: Payload, tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    orders = orders.rename(columns={"order_id": "tracking_number"})
    said = [payload(row) for row in truth.itertuples()]
    (tmp_path / "events.json").write_text(json.dumps(said), encoding="utf-8")
    files = [*csv_of(orders, tmp_path / "orders.csv"), tmp_path / "events.json"]
    _, found = read(files, tmp_path)
    assert all(len(account.rejects) == 0 for account in found.accounts)
    assert_true(truth, found)
