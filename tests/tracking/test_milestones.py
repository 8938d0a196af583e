from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from etapromise.errors import ContractError
from etapromise.tracking import EVENTS, STATUSES, as_of, milestones
from tests.tracking.random_tables import (
    HALF_DAY,
    START,
    scan_rows,
    scans_table,
    shipments_table,
)
from tests.tracking.reference_milestones import milestones_of
from tests.tracking.reopened import reopened

MILESTONES = [
    "picked_up",
    "attempted",
    "delivered",
    "available",
    "event",
    "closed",
    "transferred",
]
STATE = ["last_status", "last_scan_at", "last_known_at", "scan_count", "attempt_count"]
OWN = {"a": "acme", "b": "zoom", "c": None}


def as_python(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def ends_that_were_none(
    rows: list[dict[str, Any]], shipment_id: str, among: list[dict[str, Any]]
) -> set[tuple[Any, str]]:
    own = [row for row in rows if row["shipment_id"] == shipment_id]
    said = [(row["scanned_at"], row["status"]) for row in own]
    void = {one for one, never in zip(said, reopened(said, HALF_DAY), strict=True) if never}
    return {(row["scanned_at"], row["status"]) for row in among} & void


@settings(deadline=None, max_examples=50)
@given(rows=scan_rows(ids=("a", "b", "c", "of another table")), event=st.sampled_from(EVENTS))
def test_equal_to_the_obvious_reference(rows: list[dict[str, Any]], event: Any) -> None:
    found = milestones(shipments_table(), scans_table(rows), event=event)
    expected = [
        {"shipment_id": name}
        | milestones_of(
            [row for row in rows if row["shipment_id"] == name], carrier, event, STATUSES
        )
        for name, carrier in OWN.items()
    ]
    assert as_python(found) == [
        {column: row[column] for column in found.columns} for row in expected
    ]
    assert set(found.columns) == set(expected[0])


@settings(deadline=None, max_examples=40)
@given(rows=scan_rows(), event=st.sampled_from(EVENTS), half_days=st.integers(-20, 160))
def test_as_of_a_moment_is_all_less_what_came_later(
    rows: list[dict[str, Any]], event: Any, half_days: int
) -> None:
    moment = START + half_days * HALF_DAY
    by_then = [row for row in rows if (row["received_at"] or row["scanned_at"]) <= moment]
    then = milestones(shipments_table(), scans_table(by_then), event=event)
    everything = milestones(shipments_table(), scans_table(rows), event=event)
    view = as_of(everything, pd.Timestamp(moment))
    # What turns out later to have been no end is corrected in hindsight too.
    same = [
        ends_that_were_none(rows, name, by_then) == ends_that_were_none(by_then, name, by_then)
        for name in view["shipment_id"]
    ]
    assert_frame_equal(
        view[same].drop(columns=STATE), then[same].drop(columns=STATE), check_dtype=False
    )
    # The state is either that of the moment, or missing because a later scan has overwritten it.
    complete = everything["last_known_at"].isna() | (everything["last_known_at"] <= moment)
    assert_frame_equal(view.loc[complete, STATE], then.loc[complete, STATE], check_dtype=False)
    assert view.loc[~complete, STATE].isna().all(axis=None)


@settings(deadline=None, max_examples=40)
@given(rows=scan_rows(), event=st.sampled_from(EVENTS), data=st.data())
def test_neither_order_nor_doubles_matter(
    rows: list[dict[str, Any]], event: Any, data: st.DataObject
) -> None:
    doubled = data.draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else []
    shuffled = data.draw(st.permutations(rows + doubled))
    assert_frame_equal(
        milestones(shipments_table(), scans_table(shuffled), event=event),
        milestones(shipments_table(), scans_table(rows), event=event),
    )


def journey(*scans: tuple[Any, ...], event: Any = "delivered") -> dict[str, Any]:
    """Milestones of one acme parcel from (day, status[, day received[, carrier]])."""
    rows = []
    for day, status, *rest in scans:
        received = START + dt.timedelta(days=rest[0]) if rest and rest[0] is not None else None
        rows.append(
            {
                "shipment_id": "a",
                "scanned_at": START + dt.timedelta(days=day),
                "status": status,
                "received_at": received,
                "carrier": rest[1] if len(rest) > 1 else None,
            }
        )
    table = milestones(shipments_table(("a",)), scans_table(rows), event=event)
    return {
        name: (value - START).days if isinstance(value, pd.Timestamp) else value
        for name, value in as_python(table)[0].items()
    }


def test_a_label_is_never_possession() -> None:
    assert journey((0, "label_created"))["picked_up_at"] is None
    assert journey((0, "label_created"), (2, "arrived"))["picked_up_at"] == 2


@pytest.mark.parametrize("status", ["delayed", "exception", "cancelled", "lost", "delivered"])
def test_words_about_a_parcel_are_no_proof_that_the_carrier_had_it(status: str) -> None:
    assert journey((0, status))["picked_up_at"] is None


def test_a_late_scan_counts_from_when_it_was_received() -> None:
    found = journey((0, "picked_up"), (3, "delivered", 9))
    assert (found["delivered_at"], found["delivered_known_at"]) == (3, 9)


def test_a_known_milestone_never_changes() -> None:
    found = journey((5, "delivered", 5), (3, "delivered", 9))
    assert (found["delivered_at"], found["delivered_known_at"]) == (5, 5)


@pytest.mark.parametrize(
    ("scans", "delivered", "closed"),
    [
        # Delivered by mistake, then the van of the next day and the true delivery.
        ([(3, "delivered"), (4, "out_for_delivery"), (5, "delivered")], 5, False),
        # The same within a day, as a later delivery follows.
        ([(3.9, "delivered"), (4, "out_for_delivery"), (4.1, "delivered")], 4, False),
        # A van some hours off, and nothing after: its clock is wrong.
        ([(3, "delivered"), (3.2, "out_for_delivery")], 3, False),
        ([(3, "delivered"), (4, "picked_up")], None, False),
        ([(3, "returning"), (4, "out_for_delivery"), (5, "delivered")], 5, False),
        ([(3, "returning"), (4, "out_for_delivery")], None, False),
        # The sender's van and delivery: back at the sender's after them.
        ([(3, "returning"), (4, "out_for_delivery"), (5, "returned")], None, True),
    ],
)
def test_a_later_van_reopens_an_end_whatever_came_first(
    scans: list[tuple[float, str]], delivered: int | None, *, closed: bool
) -> None:
    for order in itertools.permutations(range(len(scans))):
        # All received weeks later, in any order.
        said = [(*scan, 20 + place) for scan, place in zip(scans, order, strict=True)]
        found = journey(*said)
        assert found["delivered_at"] == delivered
        assert (found["closed_at"] is not None) == closed


def test_the_van_of_a_customers_return_is_the_senders() -> None:
    sent_back = ((3, "delivered"), (5, "returning"), (7, "out_for_delivery"), (8, "delivered"))
    assert journey(*sent_back)["delivered_at"] == 3
    assert journey((3, "returning"), (5, "delivered"))["delivered_at"] is None


@pytest.mark.parametrize("turn", ["returning", "returned"])
def test_a_delivery_after_the_return_began_is_the_senders(turn: str) -> None:
    found = journey(
        (0, "picked_up"), (2, "attempted"), (4, turn), (8, "attempted"), (9, "delivered")
    )
    assert found["delivered_at"] is None
    assert found["event_at"] is None
    assert (found["closed_at"], found["closed_as"]) == (4, "returned")
    assert (found["attempted_at"], found["attempt_count"]) == (2, 1)


def test_a_delivery_before_the_return_is_the_customers_even_if_heard_of_later() -> None:
    assert journey((4, "returning"), (3, "delivered", 6))["delivered_at"] == 3


@pytest.mark.parametrize("late", [5.5, 7])
def test_a_way_back_begins_when_it_happened_not_when_it_was_heard_of(late: float) -> None:
    # Of two scans of the way back the later is received first.
    found = journey((6, "returned"), (3, "returning", 6.5), (4, "delivered", late))
    assert found["delivered_at"] == (4 if late < 6.5 else None)


def test_a_return_after_the_event_does_not_close_the_parcel() -> None:
    found = journey((3, "delivered"), (20, "returning"), (30, "returned"))
    assert (found["event_at"], found["closed_as"]) == (3, None)


def test_a_lost_parcel_that_is_found_has_both() -> None:
    found = journey((3, "lost"), (20, "delivered"))
    assert (found["closed_at"], found["closed_as"], found["event_at"]) == (3, "lost", 20)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("cancelled", "cancelled"),
        ("lost", "lost"),
        ("damaged", "damaged"),
        ("returned", "returned"),
    ],
)
def test_ends_without_the_event_are_told_apart(status: str, word: str) -> None:
    assert journey((3, status))["closed_as"] == word


@pytest.mark.parametrize("event", EVENTS)
def test_an_undelivered_parcel_is_censored(event: Any) -> None:
    found = journey((0, "picked_up"), (1, "out_for_delivery"), event=event)
    assert (found["event_at"], found["event_known_at"], found["closed_as"]) == (None, None, None)


@pytest.mark.parametrize(
    ("event", "day"), [("first_attempt", 2), ("available_for_pickup", 4), ("delivered", 6)]
)
def test_the_chosen_event(event: Any, day: int) -> None:
    scans = ((2, "attempted"), (4, "available_for_pickup"), (6, "delivered"))
    assert journey(*scans, event=event)["event_at"] == day
    assert journey((6, "delivered"), event=event)["event_at"] == 6


def test_a_hand_off_by_status_and_by_carrier() -> None:
    by_status = journey((2, "transferred", None, "acme"), (3, "arrived", None, "zoom"))
    assert (by_status["transferred_at"], by_status["transferred_to"]) == (2, None)
    by_carrier = journey((1, "picked_up", None, "acme"), (3, "arrived", None, "zoom"))
    assert (by_carrier["transferred_at"], by_carrier["transferred_to"]) == (3, "zoom")


def test_the_state_is_that_of_the_latest_scan() -> None:
    found = journey((2, "arrived"), (5, "attempted"), (1, "picked_up", 8))
    assert (found["last_status"], found["last_scan_at"], found["last_known_at"]) == (
        "attempted",
        5,
        8,
    )
    assert (found["scan_count"], found["attempt_count"]) == (3, 1)


def test_without_scans_all_is_missing_and_typed() -> None:
    found = milestones(shipments_table(), scans_table([]))
    assert list(found["shipment_id"]) == ["a", "b", "c"]
    for name in MILESTONES:
        for column in (f"{name}_at", f"{name}_known_at"):
            assert str(found[column].dtype) == "datetime64[us, UTC]"
            assert found[column].isna().all()
    assert (found["scan_count"] == 0).all()
    assert milestones(shipments_table(()), scans_table([])).shape == (0, len(found.columns))


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ContractError, match="time zone"):
        as_of(milestones(shipments_table(), scans_table([])), pd.Timestamp("2024-03-01"))


def test_bad_arguments_are_refused() -> None:
    scans = scans_table([])
    with pytest.raises(ContractError, match="first_attempt"):
        milestones(shipments_table(), scans, event="arrived")  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="more than once"):
        milestones(shipments_table(("a", "a")), scans)
    row = {"shipment_id": "a", "scanned_at": START, "received_at": None, "carrier": None}
    with pytest.raises(ContractError, match="read_scans"):
        milestones(shipments_table(), scans_table([row | {"status": "InTransit_001"}]))
    naive = scans_table([row | {"status": "arrived"}])
    naive["scanned_at"] = naive["scanned_at"].dt.tz_localize(None)
    with pytest.raises(ContractError, match="zone-aware"):
        milestones(shipments_table(), naive)
