"""A parcel from memory is tracked as one of a table, to the last bit."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from etapromise import PromiseModel
from etapromise.promise.under_way import tracked_promise
from etapromise.promise.under_way.one_journey import plain_parcel

if TYPE_CHECKING:
    from etapromise.tracking import TrackedHistory

MOMENTS = ("2025-06-20T09:17:00+00:00", "2025-06-27T22:41:00+00:00")


def in_memory(parcels: TrackedHistory, now: dt.datetime) -> list[tuple[dict[str, Any], list[Any]]]:
    """Parcels that were ordered in the two weeks before, and all of their scans."""
    ordered = parcels.shipments["ordered_at"]
    rows = parcels.shipments[(ordered <= now) & (ordered > now - dt.timedelta(days=14))]
    found = []
    for number, row in enumerate(rows.head(45).to_dict("records")):
        scans = parcels.scans[parcels.scans["shipment_id"] == row["shipment_id"]]
        shipment = {name: None if pd.isna(value) else value for name, value in row.items()}
        for name in ("promised_date", "quoted_date"):
            if shipment.get(name) is not None:
                shipment[name] = shipment[name].date()
        told = [
            {name: value for name, value in scan.items() if not pd.isna(value)}
            for scan in scans.to_dict("records")
        ]
        # Scans are a set: whatever the order in which they are kept.
        np.random.default_rng(number).shuffle(told)
        found.append((shipment, told))
    return found


@pytest.mark.parametrize("at", MOMENTS)
def test_from_memory_it_is_the_tables_answer(
    model: PromiseModel, parcels: TrackedHistory, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dt.datetime.fromisoformat(at)
    plain = 0
    for shipment, scans in in_memory(parcels, now):
        quick = model.track(shipment, scans, now)
        with monkeypatch.context() as patch:
            patch.setattr(tracked_promise, "plain_parcel", lambda *_args, **_more: None)
            slow = model.track(shipment, scans, now)
        assert quick.as_dict() == slow.as_dict()
        assert (quick.promise.distribution()[1] == slow.promise.distribution()[1]).all()
        one = plain_parcel(shipment, scans, vocabulary=None, extra=())
        plain += one is not None and one.journey(model, int(now.timestamp() * 1e6)) is not None
    assert plain > 30


def test_unusual_values_are_left_to_the_tables(
    model: PromiseModel, parcels: TrackedHistory
) -> None:
    now = dt.datetime.fromisoformat(MOMENTS[0])
    shipment, scans = next(
        (shipment, scans) for shipment, scans in in_memory(parcels, now) if len(scans) > 4
    )
    usual = model.track(shipment, scans, now).as_dict()
    as_text = [scan | {"scanned_at": scan["scanned_at"].isoformat()} for scan in scans]
    stamps = [scan | {"scanned_at": pd.Timestamp(scan["scanned_at"])} for scan in scans]
    blanks = [scan | {"facility": f" {scan.get('facility', '')} "} for scan in scans]
    strange = [*scans, scans[0] | {"status": "nonsense"}, scans[0] | {"scanned_at": None}]
    for told in (as_text, stamps, blanks, tuple(scans), pd.DataFrame(scans)):
        assert model.track(shipment, told, now).as_dict() == usual
    # What cannot be read changes nothing, and is told.
    found = model.track(shipment, strange, now).as_dict()
    assert ["nonsense" in found["unread_scans"][0], len(found["unread_scans"])] == [True, 2]
    rest = [one for one in found["messages"] if one["code"] != "unread_scans"]
    assert len(rest) == len(found["messages"]) - 1
    assert found | {"unread_scans": [], "messages": rest} == usual
    others = [scan | {"shipment_id": "another", "status": "lost"} for scan in scans]
    assert model.track(shipment, [*scans, *others], now).as_dict() == usual
    assert plain_parcel(shipment, as_text, vocabulary=None, extra=()) is None
    assert plain_parcel(shipment, scans, vocabulary=None, extra=("category",)) is None
    codes = {"picked_up": "in_transit", "delivered": "delivered", "out_for_delivery": "IT"}
    vendor = [
        scan | {"status": codes.get(scan["status"], "in_transit"), "vocabulary": "EasyPost"}
        for scan in scans
        if scan["status"] in {"picked_up", "delivered"}
    ]
    with_names = model.track(shipment, vendor, now)
    assert with_names.as_dict() == model.track(shipment, pd.DataFrame(vendor), now).as_dict()
