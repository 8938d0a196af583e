from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from etapromise.errors import ContractError
from etapromise.tracking import STATUSES, ScanRules, clean_scans
from tests.tracking.random_tables import (
    HALF_DAY,
    IDS,
    START,
    scan_rows,
    scans_table,
    shipments_table,
)
from tests.tracking.reference_milestones import clean

KEY = ["shipment_id", "scanned_at", "status", "received_at"]


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


def cleaned(*scans: tuple[Any, ...], rules: ScanRules | None = None) -> tuple[list[Any], list[Any]]:
    """(accepted (day, status), rejected (day, status, reason)) of (day, status[, day received])."""
    rows = [
        {
            "shipment_id": "a",
            "scanned_at": day(when),
            "status": status,
            "received_at": day(received[0]) if received else None,
            "carrier": None,
        }
        for when, status, *received in scans
    ]
    checked = clean_scans(scans_table(rows), shipments_table(), rules=rules or ScanRules())
    accepted = [
        ((when - START).days, status)
        for when, status in zip(
            checked.accepted["scanned_at"], checked.accepted["status"], strict=True
        )
    ]
    rejected = [
        ((pd.Timestamp(when) - START).days, status, reason)
        for when, status, reason in zip(
            *(checked.rejects[name] for name in ("scanned_at", "status", "reason")), strict=True
        )
    ]
    return accepted, rejected


@settings(deadline=None, max_examples=60)
@given(rows=scan_rows(), with_orders=st.booleans())
def test_equal_to_the_obvious_reference(rows: list[dict[str, Any]], *, with_orders: bool) -> None:
    checked = clean_scans(scans_table(rows), shipments_table() if with_orders else None)
    passed, rejected = [], Counter[Any]()
    for name in IDS:
        kept, dropped = clean(
            [row for row in rows if row["shipment_id"] == name],
            START if with_orders else None,
            STATUSES,
        )
        kept.sort(
            key=lambda row: (
                row["scanned_at"],
                row["received_at"] or row["scanned_at"],
                STATUSES.index(row["status"]),
            )
        )
        passed += kept
        rejected.update((scan["shipment_id"], scan["status"], reason) for scan, reason in dropped)
    expected = scans_table(
        [row | {"received_at": row["received_at"] or row["scanned_at"]} for row in passed]
    )
    assert_frame_equal(checked.accepted[KEY], expected[KEY])
    found = checked.rejects[["shipment_id", "status", "reason"]]
    assert Counter(found.itertuples(index=False, name=None)) == rejected


@settings(deadline=None, max_examples=40)
@given(rows=scan_rows(ids=(*IDS, "of another table")))
def test_every_scan_is_accepted_or_rejected_once(rows: list[dict[str, Any]]) -> None:
    checked = clean_scans(scans_table(rows), shipments_table())
    assert len(checked.accepted) + len(checked.rejects) == len(rows)
    assert checked.rejects["row"].is_unique
    for position, name in zip(checked.rejects["row"], checked.rejects["shipment_id"], strict=True):
        assert rows[position]["shipment_id"] == name


@settings(deadline=None, max_examples=40)
@given(rows=scan_rows(), half_days=st.integers(-20, 160))
def test_cleaning_as_of_a_moment_is_cleaning_all_and_looking_then(
    rows: list[dict[str, Any]], half_days: int
) -> None:
    moment = START + half_days * HALF_DAY
    by_then = [row for row in rows if (row["received_at"] or row["scanned_at"]) <= moment]
    then = clean_scans(scans_table(by_then), shipments_table()).accepted
    everything = clean_scans(scans_table(rows), shipments_table()).accepted
    later = everything[everything["received_at"] <= moment].reset_index(drop=True)
    assert_frame_equal(then, later)


@settings(deadline=None, max_examples=25)
@given(rows=scan_rows(), data=st.data())
def test_the_order_of_the_input_does_not_matter(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert_frame_equal(
        clean_scans(scans_table(shuffled), shipments_table()).accepted,
        clean_scans(scans_table(rows), shipments_table()).accepted,
    )


def test_received_at_is_the_event_time_where_it_is_not_said() -> None:
    rows = [
        {"shipment_id": "a", "scanned_at": day(1), "status": "arrived", "carrier": None}
        | {"received_at": None}
    ]
    for table in (scans_table(rows), scans_table(rows).drop(columns="received_at")):
        accepted = clean_scans(table, shipments_table()).accepted
        assert list(accepted["received_at"]) == [day(1)]
        assert str(accepted["received_at"].dtype) == "datetime64[us, UTC]"


def test_of_doubles_the_first_received_stays() -> None:
    accepted, rejected = cleaned((1, "arrived", 5), (1, "arrived", 2), (1, "departed", 5))
    assert accepted == [(1, "arrived"), (1, "departed")]
    assert rejected == [(1, "arrived", "duplicate_scan")]


def test_a_scan_of_a_shipment_that_is_not_in_the_table_is_rejected() -> None:
    rows = [
        {"shipment_id": name, "scanned_at": day(1), "status": "arrived"}
        | {"received_at": None, "carrier": None}
        for name in ("a", "stranger")
    ]
    checked = clean_scans(scans_table(rows), shipments_table())
    assert list(checked.accepted["shipment_id"]) == ["a"]
    assert list(checked.rejects["reason"]) == ["unknown_shipment"]
    assert list(checked.rejects["row"]) == [1]
    assert "'stranger'" in checked.rejects["detail"][0]


def test_a_scan_from_the_future_is_rejected() -> None:
    accepted, rejected = cleaned((3, "arrived", 2.5), (30, "departed", 2.5))
    assert accepted == [(3, "arrived")]
    assert rejected == [(30, "departed", "scanned_after_received")]


def test_the_next_parcel_with_a_recycled_number_is_rejected() -> None:
    first = [(0, "label_created"), (1, "picked_up"), (4, "delivered")]
    second = [(50, "label_created"), (51, "picked_up"), (53, "delivered")]
    accepted, rejected = cleaned(*first, *second)
    assert accepted == first
    assert rejected == [(*scan, "recycled_tracking_number") for scan in second]


def test_an_earlier_parcel_with_a_recycled_number_is_rejected() -> None:
    accepted, rejected = cleaned((-60, "picked_up"), (-55, "delivered"), (1, "picked_up"))
    assert accepted == [(1, "picked_up")]
    assert {reason for *_, reason in rejected} == {"recycled_tracking_number"}
    assert len(rejected) == 2


def test_a_late_return_or_a_lost_parcel_found_is_still_this_parcel() -> None:
    returned = [(4, "delivered"), (50, "returning"), (60, "returned")]
    assert cleaned(*returned) == (returned, [])
    found = [(4, "lost"), (50, "arrived"), (52, "delivered")]
    assert cleaned(*found) == (found, [])


def test_the_gap_of_a_recycled_number_is_a_parameter() -> None:
    scans = ((1, "picked_up"), (4, "delivered"), (15, "picked_up"))
    assert cleaned(*scans)[1] == []
    rules = ScanRules(recycled_after=dt.timedelta(days=10))
    assert cleaned(*scans, rules=rules)[1] == [(15, "picked_up", "recycled_tracking_number")]


def test_a_scan_long_after_the_order_is_rejected() -> None:
    assert cleaned((400, "arrived")) == ([], [(400, "arrived", "scanned_long_after_order")])


@pytest.mark.parametrize("status", ["attempted", "delivered", "lost", "returned"])
def test_an_event_before_the_order_is_rejected_and_a_pick_up_is_not(status: str) -> None:
    accepted, rejected = cleaned((-3, "label_created"), (-2, "picked_up"), (-2, status))
    assert accepted == [(-3, "label_created"), (-2, "picked_up")]
    assert rejected == [(-2, status, "event_before_order")]


def test_of_delivery_and_pick_up_in_the_wrong_order_the_later_known_is_rejected() -> None:
    pick_up_first = cleaned((5, "picked_up", 5), (2, "delivered", 6))
    assert pick_up_first == ([(5, "picked_up")], [(2, "delivered", "delivered_before_pickup")])
    delivery_first = cleaned((2, "delivered"), (5, "departed"), (6, "arrived"))
    assert delivery_first[0] == [(2, "delivered")]
    assert [reason for *_, reason in delivery_first[1]] == ["possession_after_delivery"] * 2
    # Another pick-up tells that the delivery was none.
    reopened = cleaned((2, "delivered"), (5, "picked_up"), (6, "out_for_delivery"))
    assert reopened[1] == []


def test_a_delivery_shortly_before_the_hand_over_is_kept() -> None:
    accepted, rejected = cleaned((2, "delivered"), (2.8, "picked_up"))
    assert len(accepted) == 2
    assert rejected == []


def test_a_parcel_that_moves_on_after_a_mistaken_delivery_keeps_its_scans() -> None:
    scans = [(1, "picked_up"), (3, "delivered"), (5, "out_for_delivery"), (6, "delivered")]
    assert cleaned(*scans) == (scans, [])


def test_negative_tolerances_are_refused() -> None:
    with pytest.raises(ContractError, match="clock_tolerance"):
        ScanRules(clock_tolerance=dt.timedelta(days=-1))


def test_spans_are_said_in_days_or_with_their_clock() -> None:
    rules = ScanRules(clock_tolerance=dt.timedelta(hours=12))
    rows = [
        {
            "shipment_id": "a",
            "scanned_at": day(when),
            "status": "delivered",
            "received_at": None,
            "carrier": None,
        }
        for when in (-60, -20)
    ]
    rejects = clean_scans(scans_table(rows), shipments_table(), rules=rules).rejects
    assert "30 days before" in rejects["detail"][0]
    assert "12:00:00 before" in rejects["detail"][1]
