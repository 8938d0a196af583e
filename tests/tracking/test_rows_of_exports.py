"""Kinds of rows and columns that exports have, which were read wrongly without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from etapromise.errors import ContractError
from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from etapromise.tracking.written_times import WrittenTime, iso_times
from tests.tracking.own_shapes import HOME, aware, parcels
from tests.tracking.test_own_shapes import dates, local_dates
from tests.tracking.test_public_tables import proposal_of
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import (
    CLOCK,
    DAY,
    csv_of,
    json_of,
    plain,
    read,
    stamps,
    written,
)

DAYS = pd.Timedelta("1D")


def told_of(files: list[Path]) -> str:
    found = check(files, quality=False)
    assert found.proposal is not None
    return " ".join([*found.proposal.told, *found.proposal.questions])


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        *(("Order type", kind) for kind in ("Retourenlieferung", "click_and_collect")),
        *(("Order type", "Test order"), ("Menge", "-1")),
    ],
)
def test_rows_of_another_kind_are_left_out_and_told(column: str, kind: str, tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).assign(**{column: "1"})
    others = table[::10].assign(**{column: kind})
    others["order_id"] = "X" + others["order_id"]
    found, told = read(csv_of(pd.concat([table, others]), tmp_path / "kinds.csv"), tmp_path)
    assert_true(truth, told)
    assert told.accounts[0].left_aside == len(others)
    assert found.proposal is not None
    assert any(f"12 rows are {kind!r} by {column}" in one for one in found.proposal.told)


def test_a_payment_is_no_kind_of_order(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).assign(**{"Payment method": "card"})
    table.loc[::4, "Payment method"] = "test"
    _, found = read(csv_of(table, tmp_path / "paid.csv"), tmp_path)
    assert len(found.shipments) == len(table)


def test_a_delivery_of_what_went_back_is_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    back = np.arange(len(truth)) % 10 == 0
    table = plain(truth).assign(**{"current status": np.where(back, "RTO", "Delivered")})
    files = csv_of(table, tmp_path / "back.csv")
    mapping = tmp_path / "mapping.toml"
    found = check(files, write_mapping=mapping, quality=False)
    assert found.proposal is not None
    asked = next(one for one in found.proposal.questions if "'RTO' by current status" in one)
    answer = asked.partition("leave them out (")[2].partition(");")[0]
    mapping.write_text(mapping.read_text().replace('leave_out = "?"', answer))
    assert len(history(mapping=mapping).shipments) == (~back).sum()


def test_a_state_in_the_place_of_a_time_has_not_happened(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth)
    open_ = np.arange(len(truth)) % 3 == 0
    truth.loc[open_, "delivered"] = pd.NaT
    table.loc[open_, "delivered_on"] = "in transit"
    _, found = read(csv_of(table, tmp_path / "states.csv"), tmp_path)
    assert_true(truth, found)
    assert not len(found.scan_rejects)
    assert any(note.reason == "state_for_time" and note.rows == 27 for note in found.scan_notes)


def test_further_rows_that_say_another_delivery_are_told(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth)
    later = table[::4].assign(delivered_on=written(truth["delivered"][::4] + 5 * DAYS, DAY))
    _, found = read(csv_of(pd.concat([table, later]), tmp_path / "parts.csv"), tmp_path)
    assert_true(truth, found)
    notes = {note.reason: note for note in found.shipment_notes}
    came = int(truth["delivered"][::4].notna().sum())
    assert notes["further_rows_differ"].rows == came
    assert "of several exports hand over the latest first" in str(notes["further_rows_differ"])


def test_exports_behind_each_other_are_read_each_by_its_header(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    turned = table.columns[[0, 1, 3, 2, 4, 5, 6]]
    parts = [table[:40], table[40:80][turned], table[80:]]
    path = tmp_path / "parts.csv"
    path.write_bytes(b"".join(part.to_csv(index=False).encode("utf-8-sig") for part in parts))
    _, found = read([path], tmp_path)
    assert_true(truth, found)


def test_files_whose_header_changed_are_one_table_or_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    later = table.rename(columns={"shipped_at": "date shipped", "delivered_on": "date delivered"})
    dutch = ["ordernummer", "besteld op", "verzonden op", "bezorgd op", "postcode", "land"]
    others = table.drop(columns="carrier").set_axis(dutch, axis=1)
    files = csv_of(table[:50], tmp_path / "1.csv") + csv_of(later[50:], tmp_path / "2.csv")
    _, found = read(files, tmp_path)
    assert_true(truth, found)
    asked = check(files + csv_of(others, tmp_path / "3.csv"), quality=False)
    assert not asked.ready
    assert any("under other names" in one for one in asked.proposal.questions)  # type: ignore[union-attr]


def test_a_column_that_fills_the_gaps_of_another_counts_or_is_asked_about(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    home = truth.index.to_series() % 3 > 0
    table["date delivered"] = table["delivered_on"].where(~home, "")
    table["delivered_on"] = table["delivered_on"].where(home, "")
    _, found = read(csv_of(table, tmp_path / "places.csv"), tmp_path)
    assert_true(truth, found)
    table["date delivered"] = [f"{day}T12:00Z" if day else "" for day in table["date delivered"]]
    asked = check(csv_of(table, tmp_path / "two ways.csv"), quality=False)
    assert any("written in two ways" in one for one in asked.proposal.questions)  # type: ignore[union-attr]


def test_of_rows_for_each_change_the_last_counts(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    last = plain(truth).assign(updated_at=written(truth["picked"], CLOCK))
    first = last.assign(updated_at=written(truth["ordered"], CLOCK))
    first["delivered_on"] = written(truth["picked"] + pd.Timedelta("3D"), DAY)  # a plan
    table = pd.concat([first, last])
    found, tracked = read(csv_of(table, tmp_path / "changes.csv"), tmp_path)
    assert found.proposal is not None
    assert found.proposal.settings["last_counts"][0]
    assert_true(truth, tracked)
    # Lines of an order are of one time.
    found, _ = read(csv_of(pd.concat([last, last]), tmp_path / "lines.csv"), tmp_path)
    assert "last_counts" not in found.proposal.settings  # type: ignore[union-attr]


def test_events_in_columns_of_their_own_are_scans(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    for number, (role, word) in enumerate((("picked", "Collected"), ("delivered", "Delivered")), 1):
        when = written(truth[role], CLOCK)
        table[f"scan{number}_status"] = [word if time else "" for time in when]
        table[f"scan{number}_time"] = when
    found, tracked = read(csv_of(table, tmp_path / "wide.csv"), tmp_path)
    assert "each" in found.proposal.scans.settings  # type: ignore[union-attr]
    assert len(tracked.scan_rejects) == 0
    true = truth.set_index("id").loc[tracked.shipments["shipment_id"]]
    for role in ("picked", "delivered"):
        # All on the clock of the warehouse.
        came = tracked.milestones["picked_up_at" if role == "picked" else "delivered_at"]
        assert local_dates(came, HOME) == dates(true[role])


def test_a_header_of_other_columns_inside_of_a_table_is_refused(tmp_path: Path) -> None:
    table = plain(parcels(5, 80))
    other = table[40:].rename(columns={"delivered_on": "returned_on"})
    path = tmp_path / "parts.csv"
    path.write_text(table[:40].to_csv(index=False) + other.to_csv(index=False))
    with pytest.raises(ContractError, match=r"row 41 of .* is a header of other columns"):
        check(path, quality=False)


def test_parcels_in_columns_of_their_own_are_rows(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    first, second = truth[::2].reset_index(drop=True), truth[1::2].reset_index(drop=True)
    second = second.assign(
        **{name: first[name] for name in ("ordered", "postcode", "country", "zone")}
    )
    alone = np.arange(len(first)) % 3 == 0
    table = plain(first).drop(columns=["order_id", "shipped_at", "delivered_on", "carrier"])
    for number, half in enumerate((first, second), 1):
        columns = {
            "tracking": half["id"],
            "carrier": half["carrier"],
            "shipped": written(half["picked"], DAY),
            "delivered": written(half["delivered"], DAY),
        }
        for name, values in columns.items():
            some = pd.Series(values).where((number == 1) | ~alone, "")
            table[f"{name}_{number}"] = some
    _, found = read(csv_of(table, tmp_path / "wide.csv"), tmp_path)
    assert_true(pd.concat([first, second[~alone]]), found)


def test_a_state_and_its_date_are_the_delivery_where_nothing_else_is(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    came = truth["delivered"].notna()
    table = plain(truth).drop(columns="delivered_on")
    table["Status"] = np.where(came, "Delivered", "In transit")
    table["Status date"] = written(truth["delivered"].fillna(truth["picked"] + DAYS), CLOCK)
    files = csv_of(table, tmp_path / "states.csv")
    found, told = read(files, tmp_path)
    true = truth.set_index("id").loc[told.shipments["shipment_id"]]
    # The state's time is on the shop's clock; where it is an hour off it is on the same day.
    assert local_dates(told.milestones["delivered_at"], HOME) == dates(true["delivered"])
    assert found.proposal is not None
    assert any("taken to be of Status date" in one for one in found.proposal.told)


def events_of(truth: pd.DataFrame, texts: dict[str, str]) -> pd.DataFrame:
    """Per parcel what happened by these texts, each at its time."""
    hub = truth["picked"] + pd.Timedelta(hours=9)
    van = truth["delivered"] - pd.Timedelta(hours=1)
    times = {"picked": truth["picked"], "hub": hub, "van": van, "came": truth["delivered"]}
    rows = [
        pd.DataFrame({"parcel": truth["id"], "time": times[what], "text": text})
        for what, text in texts.items()
    ]
    table = pd.concat(rows).dropna().sort_values("time", kind="stable")
    return table.assign(time=written(table["time"], CLOCK))


def test_what_parcels_go_on_after_is_no_delivery(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    texts = {
        "picked": "Picked up from sender",
        "hub": "Delivered to ACME Cross-Dock 7",
        "van": "Out for delivery",
        "came": "Delivered",
    }
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = csv_of(orders, tmp_path / "orders.csv")
    files += csv_of(events_of(truth, texts), tmp_path / "events.csv")
    assert "'Delivered to ACME Cross-Dock 7' (80 scans)" in told_of(files)


def test_events_may_call_their_parcels_by_an_id(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    texts = {
        "picked": "Parcel picked up",
        "van": "Out for delivery",
        "came": "Delivered to customer",
    }
    events = events_of(truth, texts).rename(columns={"parcel": "id"})
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = csv_of(orders, tmp_path / "orders.csv")
    _, found = read(files + csv_of(events, tmp_path / "events.csv"), tmp_path)
    assert (found.milestones["scan_count"] > 0).all()


def test_a_second_pick_up_before_the_delivery_is_the_van(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    texts = {"picked": "Picked Up", "hub": "In Transit", "van": "Dispatched", "came": "Delivered"}
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = csv_of(orders, tmp_path / "orders.csv")
    files += csv_of(events_of(truth, texts), tmp_path / "events.csv")
    _, found = read(files, tmp_path)
    counts = found.scans["status"].value_counts()
    assert counts["out_for_delivery"] == truth["delivered"].notna().sum()
    assert counts["picked_up"] == len(truth)


def test_a_shops_own_delivery_gives_way_to_the_events(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    shop = truth.assign(delivered=truth["delivered"] - 2 * DAYS)
    texts = {"picked": "picked_up", "hub": "in_transit", "came": "delivered"}
    files = csv_of(plain(shop).drop(columns="shipped_at"), tmp_path / "orders.csv")
    files += csv_of(events_of(truth, texts), tmp_path / "events.csv")
    found, told = read(files, tmp_path)
    true = truth.set_index("id").loc[told.shipments["shipment_id"]]
    assert local_dates(told.milestones["delivered_at"], HOME) == dates(true["delivered"])
    assert found.proposal is not None
    assert any("say another delivery" in one for one in found.proposal.told)


def test_a_document_is_no_warehouse_and_the_state_of_a_record_no_region(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(origin=[f"S{n:05d}" for n in range(len(truth))], state="done")
    _, found = read(csv_of(table, tmp_path / "odoo.csv"), tmp_path)
    assert set(found.shipments["origin"]) == {"main"}
    assert "destination_region" not in found.shipments


def test_what_was_done_goes_before_what_may_be_a_plan(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    truth["picked"] += np.arange(len(truth)) % 2 * DAYS
    table = plain(truth).rename(columns={"delivered_on": "Act Dlv Dt"})
    table["Delivery Date"] = written(truth["picked"] + 3 * DAYS, DAY)
    _, found = read(csv_of(table, tmp_path / "acts.csv"), tmp_path)
    assert_true(truth, found)
    alone, _ = proposal_of(table.drop(columns="Act Dlv Dt"), tmp_path)
    assert any("3 days after shipped_at in nearly all" in one for one in alone.questions)


@pytest.mark.parametrize("clock", ["12:00:00Z", "23:59:59Z", "local midnights"])
def test_times_that_are_always_one_time_of_day_are_dates(clock: str, tmp_path: Path) -> None:
    truth = parcels(5, 120)
    if clock == "local midnights":
        # A program in Warsaw wrote its local dates in UTC; some parcels go to other zones.
        came = truth["delivered"].dt.normalize()
        texts = ["" if pd.isna(t) else t.tz_convert("UTC").isoformat() for t in aware(came, HOME)]
    else:
        texts = written(truth["delivered"], f"%Y-%m-%dT{clock}")
    table = plain(truth).assign(delivered_on=texts)
    _, found = read(csv_of(table, tmp_path / "noons.csv"), tmp_path)
    assert_true(truth, found)
    assert any(note.reason == "midnight_scanned_at" for note in found.scan_notes)


def test_deliveries_at_night_are_told(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    night = truth["delivered"].dt.normalize() + pd.Timedelta("1D2h10m")
    table = plain(truth).assign(delivered_on=written(night, CLOCK), carrier="dpd")
    found = check(csv_of(table, tmp_path / "night.csv"), quality=False)
    assert any("fall into the night" in one for one in found.facts["signs"]["at_night"])


def test_what_search_engines_answer_is_its_source(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    hits = [
        {"_id": str(n), "_source": one} for n, one in enumerate(plain(truth).to_dict("records"))
    ]
    document = {"took": 3, "hits": {"total": {"value": len(hits)}, "hits": hits}}
    _, found = read(json_of(document, tmp_path / "hits.json"), tmp_path)
    assert_true(truth, found)


def test_records_that_name_their_parent_lie_inside_of_it(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    lines: list[dict[str, Any]] = []
    orders = zip(
        truth.to_dict("records"),
        *(stamps(truth[name], HOME) for name in ("ordered", "picked")),
        stamps(truth["delivered"], truth["zone"]),
        strict=True,
    )
    for n, (one, ordered, picked, came) in enumerate(orders):
        order = f"gid://shopify/Order/{n}"
        address = {"zip": one["postcode"], "countryCodeV2": one["country"]}
        lines.append({"id": order, "createdAt": ordered, "shippingAddress": address})
        lines.append(
            {
                "id": f"gid://shopify/Fulfillment/{n}",
                "createdAt": picked,
                "deliveredAt": came,
                "trackingInfo": [{"company": one["carrier"], "number": one["id"]}],
                "__parentId": order,
            }
        )
    path = tmp_path / "bulk.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    _, found = read([path], tmp_path)
    assert_true(truth, found)


def scans_of(truth: pd.DataFrame) -> pd.DataFrame:
    """Two scans of each parcel, in the order of the parcels, with the zone where each happened."""
    rows = [
        (one["id"], status, one[status].tz_localize(zone))
        for _, one in truth.iterrows()
        for status, zone in (("picked", HOME), ("delivered", one["zone"]))
        if not pd.isna(one[status])
    ]
    return pd.DataFrame(rows, columns=["tracking", "status", "at"])


def orders_of(truth: pd.DataFrame, folder: Path) -> list[Path]:
    table = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    return csv_of(table, folder / "orders.csv")


def test_a_vendors_payload_is_read_as_the_vendor_has_it(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    codes = {"picked": "InTransit_002", "delivered": "Delivered_001"}
    sent = [
        {
            "event": "tracking_update",
            "msg": {
                "tracking_number": number,
                "checkpoints": [
                    {
                        "created_at": (one["at"] + 5 * DAYS).isoformat(),
                        "checkpoint_time": one["at"].isoformat(),
                        "message": "Scanned",
                        "tag": codes[one["status"]].partition("_")[0],
                        "subtag": codes[one["status"]],
                    }
                    for _, one in scans.iterrows()
                ],
            },
        }
        for number, scans in scans_of(truth).groupby("tracking", sort=False)
    ]
    files = orders_of(truth, tmp_path) + json_of(sent, tmp_path / "sent.json")
    found, told = read(files, tmp_path)
    assert_true(truth, told)
    assert "payload = true" in str(found.text)


@pytest.mark.parametrize("numbers", [(210, 500), (3, 5), (2, 5)])  # 3 and 5 are kuaidi100's
def test_own_numbers_are_no_codes_of_a_vendor(numbers: tuple[int, int], tmp_path: Path) -> None:
    truth = parcels(5, 60)
    scans = scans_of(truth)
    codes = dict(zip(("picked", "delivered"), numbers, strict=True))
    events = scans.assign(status=scans["status"].map(codes))
    files = orders_of(truth, tmp_path) + csv_of(events, tmp_path / "events.csv")
    found = check(files, quality=False).proposal
    assert found is not None
    assert found.vocabulary is None
    assert any(f"'{numbers[0]}'" in one for one in found.questions)
    assert found.statuses[str(numbers[1])][0] == "delivered"


def test_a_clock_that_lost_its_halves_is_told(tmp_path: Path) -> None:
    table = plain(parcels(5, 200), "%Y-%m-%d %I:%M")
    assert "ordered_at has hours from 1 to 12 only" in told_of(csv_of(table, tmp_path / "am.csv"))
    right = csv_of(plain(parcels(5, 200), "%Y-%m-%d %I:%M %p"), tmp_path / "whole.csv")
    assert "from 1 to 12 only" not in told_of(right)


def test_a_date_of_what_did_not_come_is_a_plan(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(is_delivered=truth["delivered"].notna())
    open_ = np.arange(len(truth)) % 8 == 0
    table.loc[open_, ["delivered_on", "is_delivered"]] = "2026-12-01", False
    found = check(csv_of(table, tmp_path / "flags.csv"), quality=False)
    assert found.proposal is not None
    assert any("rows are 'False' by is_delivered" in one for one in found.proposal.questions)


@pytest.mark.parametrize(
    ("offsets", "clocks"),
    [
        (["-360", "-300"], ["16:00", "15:00"]),
        (["330", "-480"], ["04:30", "18:00"]),
        (["-600", "-500"], ["16:00", "15:00"]),  # lost a zero
        (["-6", "-5"], ["16:00", "15:00"]),
        (["-300", "-300"], None),  # three hours or five
    ],
)
def test_offsets_in_minutes_are_told_from_hours(
    offsets: list[str], clocks: list[str] | None
) -> None:
    local = pa.chunked_array([["2026-01-05 10:00"] * 2])
    read_as = iso_times(local, WrittenTime(), pa.chunked_array([offsets])).to_pylist()
    if clocks is None:
        assert not any(one.endswith("Z") for one in read_as)
    else:
        assert [one[11:16] for one in read_as] == clocks


@pytest.mark.parametrize("by", ["id", "day"])
def test_records_that_lie_in_an_object_by_their_keys(by: str, tmp_path: Path) -> None:
    """By their ids, or lists of them by days: read as one row that had all as columns."""
    truth = parcels(5, 120)
    rows = plain(truth).to_dict("records")
    if by == "day":
        document: dict[str, Any] = {}
        for row in rows:
            document.setdefault(str(row["ordered_at"])[:10], []).append(row)
    else:
        document = {str(row["order_id"]): row for row in rows}
    _, found = read(json_of(document, tmp_path / "nested.json"), tmp_path)
    assert_true(truth, found)


def test_a_history_of_states_is_no_table_of_orders(tmp_path: Path) -> None:
    """What a shop processes before the pick-up is not on its way, whatever that is called."""
    truth = parcels(5, 60)
    steps = {
        "Processing": truth["picked"] - DAYS / 8,
        "Shipped": truth["picked"],
        "Delivered": truth["delivered"],
    }
    rows = [
        pd.DataFrame({"id_order": truth["id"], "state": step, "date_add": written(times, CLOCK)})
        for step, times in {"Payment accepted": truth["ordered"], **steps}.items()
    ]
    table = pd.concat(rows)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = [
        *csv_of(orders.rename(columns={"order_id": "id_order"}), tmp_path / "orders.csv"),
        *csv_of(table[table["date_add"] != ""], tmp_path / "history.csv"),
    ]
    _, told = read(files, tmp_path)
    true = truth.set_index("id").loc[told.shipments["shipment_id"]]
    assert local_dates(told.milestones["picked_up_at"], HOME) == dates(true["picked"])


def test_codes_of_a_vendor_are_events_under_any_name(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    steps = {"AF": truth["picked"], "X6": truth["picked"], "D1": truth["delivered"]}
    rows = [
        pd.DataFrame({"REF_02": truth["id"], "E1": code, "E5": written(times, "%Y%m%d")})
        for code, times in steps.items()
    ]
    table = pd.concat(rows)
    orders = (
        plain(truth).drop(columns=["shipped_at"]).assign(delivered_on=truth["ordered"] + 5 * DAYS)
    )
    files = [
        *csv_of(orders, tmp_path / "orders.csv"),
        *csv_of(table[table["E5"] != ""], tmp_path / "edi.csv"),
    ]
    found, told = read(files, tmp_path)  # a doubtful date of the shop's needs no answer
    assert_true(truth, told)
    assert found.proposal is not None
    assert any("the events tell deliveries" in one for one in found.proposal.told)


def test_a_clock_behind_a_day_that_is_none_belongs_to_its_date(tmp_path: Path) -> None:
    """Business Central writes a day before each time, and the first it knows for none."""
    truth = parcels(5, 60)
    midnight, none = f"{DAY}T00:00:00", "1753-01-01T00:00:00"
    came = truth["delivered"].where(truth.index % 3 > 0)
    table = plain(truth).assign(ordered_at=written(truth["ordered"], midnight))
    table.insert(2, "ordered_time", written(truth["ordered"], "1754-01-01T%H:%M:%S"))
    table["delivered_on"] = written(came, midnight, none)
    _, told = read(csv_of(table, tmp_path / "central.csv"), tmp_path)
    assert_true(truth.assign(delivered=came), told)
    assert not len(told.accounts[1].rejects)
