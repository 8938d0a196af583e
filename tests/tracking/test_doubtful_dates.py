"""What dates of own tables leave in doubt: plans are asked about, cancelled orders are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from etapromise.tracking.column_names import is_about, score_name
from tests.tracking.own_shapes import HOME, parcels
from tests.tracking.test_own_shapes import dates, local_dates
from tests.tracking.test_public_tables import proposal_of
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import CLOCK, DAY, csv_of, plain, read, written


def some_unnumbered(truth: pd.DataFrame) -> pd.DataFrame:
    """Every tenth order not handed over yet, so that it has no number of a parcel."""
    never = np.arange(len(truth)) % 10 == 0
    truth.loc[never, ["picked", "delivered"]] = pd.NaT
    table = plain(truth).rename(columns={"order_id": "tracking_number"})
    table.insert(0, "order_number", [f"S{n}" for n in range(len(table))])
    table.loc[never, "tracking_number"] = ""
    return table


def with_states(truth: pd.DataFrame) -> pd.DataFrame:
    """Every tenth order cancelled by its state, without a pick-up and a delivery."""
    never = np.arange(len(truth)) % 10 == 0
    truth.loc[never, ["picked", "delivered"]] = pd.NaT
    return plain(truth).assign(**{"Order Status": np.where(never, "Cancelled", "Completed")})


def test_a_date_that_cancelled_orders_have_too_is_a_plan(tmp_path: Path) -> None:
    table = with_states(parcels(5, 120))
    came = pd.to_datetime(table["ordered_at"]) + pd.to_timedelta(
        3 + np.arange(len(table)) % 4, unit="D"
    )
    table["delivered_on"] = came.dt.strftime(DAY)
    found, _ = proposal_of(table.rename(columns={"delivered_on": "Delivery Date"}), tmp_path)
    assert found.milestones["delivered"].details == {"column": "?"}
    assert any("12 rows are 'Cancelled' by Order Status" in one for one in found.questions)


def test_a_date_that_is_always_as_many_days_later_is_a_plan(tmp_path: Path) -> None:
    table = plain(parcels(5, 120))
    table["delivered_on"] = (
        pd.to_datetime(table["ordered_at"]) + pd.Timedelta(days=5)
    ).dt.strftime(DAY)
    found, _ = proposal_of(table, tmp_path)
    assert any("5 days after ordered_at in nearly all rows" in one for one in found.questions)


def test_days_that_may_be_counted_from_1904_are_told(tmp_path: Path) -> None:
    """Excel for Mac once did; as text nothing else says so, and they were four years early."""
    truth = parcels(5, 120)
    table = plain(truth)
    for name in ("ordered_at", "delivered_on"):
        if name in table:
            since = pd.to_datetime(table[name]) - pd.Timestamp("1904-01-01")
            table[name] = (since / pd.Timedelta(days=1)).round(6).astype(str).replace("nan", "")
    found, _ = proposal_of(table, tmp_path)
    told = next(one for one in found.told if "excel_1904" in one)
    assert "count days as Excel does" in told
    assert str(pd.to_datetime(plain(truth)["ordered_at"]).max().year) in told


def test_scans_whose_days_may_be_counted_from_1904_are_told(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = csv_of(plain(truth)[["order_id", "ordered_at", "zip"]], tmp_path / "orders.csv")
    came = truth[truth["delivered"].notna()]
    since = (pd.to_datetime(written(came["delivered"], CLOCK)) - pd.Timestamp("1904-01-01")) / (
        pd.Timedelta(days=1)
    )
    events = pd.DataFrame(
        {"order_id": came["id"], "event_time": since.round(6), "status": "delivered"}
    )
    scans = csv_of(events, tmp_path / "events.csv")
    told = check([*orders, *scans], quality=False).proposal
    assert told is not None
    assert any("event_time count days as Excel does" in one for one in told.told)


def test_orders_of_which_a_column_says_yes_to_cancelled_are_cancelled(tmp_path: Path) -> None:
    """Both words said nothing to a reader of states, so that cancelled orders were open ones."""
    truth = parcels(5, 120)
    table = with_states(truth).drop(columns="Order Status")
    table["Is Cancelled"] = np.where(np.arange(len(truth)) % 10 == 0, "Yes", "No")
    _, found = read(csv_of(table, tmp_path / "flags.csv"), tmp_path)
    cancelled = found.scans[found.scans["status"] == "cancelled"]
    assert set(cancelled["shipment_id"]) == set(truth["id"][::10])


def test_deliveries_of_which_a_column_says_yes_to_returned_are_told(tmp_path: Path) -> None:
    table = plain(parcels(5, 120))
    table["is_returned"] = np.where(np.arange(len(table)) % 10 == 0, "true", "false")
    found, _ = proposal_of(table, tmp_path)
    assert any("'true' by is_returned and have a delivered_on" in one for one in found.told)


def test_orders_that_a_state_calls_cancelled_are_cancelled(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = with_states(truth)
    _, found = read(csv_of(table, tmp_path / "states.csv"), tmp_path)
    assert_true(truth, found)
    cancelled = found.scans[found.scans["status"] == "cancelled"]
    assert set(cancelled["shipment_id"]) == set(truth["id"][::10])
    assert found.accounts[1].rejects.empty
    told = check(tmp_path / "states.csv", quality=False).proposal
    assert told is not None
    assert any("12 rows 'Cancelled': these orders are read" in one for one in told.told)


def test_a_state_that_deliveries_contradict_is_told_and_not_read(tmp_path: Path) -> None:
    table = with_states(parcels(5, 120))
    came = plain(parcels(5, 120))["delivered_on"]
    table["delivered_on"] = table["delivered_on"].where(np.arange(120) % 40 != 0, came)
    found, _ = proposal_of(table, tmp_path)
    assert found.scans is None
    assert any("that have a delivery too, so it is not read" in one for one in found.told)


def test_a_state_that_many_rows_lack_is_told_and_not_read(tmp_path: Path) -> None:
    table = with_states(parcels(5, 120))
    table["Order Status"] = table["Order Status"].replace("Completed", "")
    found, _ = proposal_of(table, tmp_path)
    assert found.scans is None
    assert any("count as never delivered" in one for one in found.told)


def test_without_pick_ups_it_is_told_what_could_say_them(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).rename(columns={"shipped_at": "moment x"})
    found, _ = proposal_of(table, tmp_path)
    assert any("times are also moment x: map one as picked_up" in one for one in found.told)


def test_lines_of_orders_without_a_number_yet_are_folded_too(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = some_unnumbered(truth)
    twice = pd.concat([table, table[::2]]).sort_index(kind="stable").assign(sku="mug")
    _, found = read(csv_of(twice, tmp_path / "lines.csv"), tmp_path)
    ids = truth["id"].where(table["tracking_number"] != "", table["order_number"])
    assert list(found.shipments["shipment_id"]) == list(ids)
    assert [len(one.rejects) for one in found.accounts] == [0, 0]


def test_a_second_header_does_not_hide_countries(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    titles = dict.fromkeys(plain(truth), "what it means")
    table = pd.concat([pd.DataFrame([titles]), plain(truth)])
    _, found = read(csv_of(table, tmp_path / "titles.csv"), tmp_path)
    assert_true(truth, found)
    assert set(found.shipments["destination_country"]) == set(truth["country"])


@pytest.mark.parametrize("unit", ["кг", "كجم", "κιλά", "公斤"])
def test_weights_have_units_of_any_script(unit: str, tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).assign(weight=[f"{kg:.2f} {unit}" for kg in truth["kg"]])
    _, found = read(csv_of(table, tmp_path / "weights.csv"), tmp_path)
    assert found.shipments["weight_kg"].tolist() == pytest.approx(truth["kg"].tolist(), abs=0.006)


def test_who_received_it_is_no_deadline() -> None:
    assert not is_about("Date received by customer", "foreseen")
    assert score_name("Date received by customer", "milestones", "delivered") > 0.9
    assert is_about("Ship By Date", "foreseen")
    assert is_about("Ngày giao hàng dự kiến", "foreseen")


def test_of_several_columns_of_states_the_one_with_both_ends_counts(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    orders = csv_of(plain(truth).drop(columns=["shipped_at", "delivered_on"]), tmp_path / "o.csv")
    steps = [("picked", "UD", "Shipment picked up"), ("delivered", "DL", "Delivered to consignee")]
    events = pd.concat(
        pd.DataFrame(
            {
                "awb": truth["id"],
                "ScanDateTime": written(truth[when], CLOCK),
                "ScanType": kind,
                "Instructions": text,
            }
        )[truth[when].notna()]
        for when, kind, text in steps
    )
    _, found = read([*orders, *csv_of(events, tmp_path / "e.csv")], tmp_path)
    true = truth.set_index("id").loc[found.shipments["shipment_id"]]
    assert local_dates(found.milestones["picked_up_at"], HOME) == dates(true["picked"])


def test_hungarian_headers_tell_their_encoding(tmp_path: Path) -> None:
    events = pd.DataFrame({"Csomagszám": ["1"], "Időpont": ["2025. 03. 20. 14:33"], "Esemény": "x"})
    path = tmp_path / "esemenyek.csv"
    path.write_bytes(events.to_csv(sep=";", index=False).encode("cp1250"))
    found = check(path, quality=False)
    assert "cp1250" in found.to_text()
    assert "Időpont" in found.to_text()


def test_orders_without_a_number_do_not_vanish_among_line_items(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = some_unnumbered(truth)
    lines = table.copy()
    lines.loc[:, list(lines)[1:]] = ""
    both = pd.concat([table, lines]).sort_index(kind="stable").assign(sku="mug")
    _, found = read(csv_of(both, tmp_path / "lines.csv"), tmp_path)
    assert list(found.shipments["shipment_id"]) == list(table["order_number"])
    assert [len(one.rejects) for one in found.accounts] == [0, 0]


def test_a_header_that_stands_again_hides_no_country(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    again = pd.DataFrame([dict(zip(plain(truth), plain(truth), strict=True))])
    table = pd.concat([plain(truth)[:50], again, plain(truth)[50:90], again, plain(truth)[90:]])
    check(csv_of(table, tmp_path / "t.csv"), write_mapping=tmp_path / "m.toml", quality=False)
    found = history(mapping=tmp_path / "m.toml")
    assert_true(truth, found)
    assert set(found.shipments["destination_country"]) == set(truth["country"])
    assert len(found.accounts[0].rejects) == 2


def test_names_in_several_languages_and_dates_with_a_dot_after_the_year(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth, "%d.%m.%Y. %H:%M").rename(
        columns={"shipped_at": "Versand / Expédition", "ordered_at": "Datum narudžbe"}
    )
    table["delivered_on"] = written(truth["delivered"], "%d.%m.%Y.")
    _, found = read(csv_of(table, tmp_path / "names.csv"), tmp_path)
    assert_true(truth, found)


def test_sheets_of_one_workbook_are_orders_and_events(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    events = pd.concat(
        pd.DataFrame({"Barcode": truth["id"], "Datum": truth[when], "Omschrijving": text})
        for when, text in (
            ("picked", "Zending ontvangen door PostNL"),
            ("delivered", "Zending bezorgd"),
        )
    ).dropna()
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    with pd.ExcelWriter(tmp_path / "both.xlsx") as book:
        orders.to_excel(book, sheet_name="Bestellingen", index=False)
        events.to_excel(book, sheet_name="Statussen", index=False)
    _, found = read([tmp_path / "both.xlsx"], tmp_path)
    true = truth.set_index("id").loc[found.shipments["shipment_id"]]
    assert local_dates(found.milestones["picked_up_at"], HOME) == dates(true["picked"])


def test_a_state_that_nobody_knows_and_that_is_never_delivered_is_told(tmp_path: Path) -> None:
    for states in ({"Cancelled": "Grzmot"}, {"Cancelled": "900", "Completed": "700"}):
        table = with_states(parcels(5, 120))
        table["Order Status"] = table["Order Status"].replace(states)
        found, _ = proposal_of(table, tmp_path)
        said = f"12 rows {states['Cancelled']!r}, and none of them was delivered"
        assert any(said in one for one in found.told)


def test_a_state_of_orders_beside_events_is_told(tmp_path: Path) -> None:
    orders = with_states(parcels(5, 120))
    events = orders[["order_id", "delivered_on"]].assign(status="delivered")
    events = events[events["delivered_on"] != ""].rename(columns={"delivered_on": "date"})
    files = [
        *csv_of(orders.drop(columns=["shipped_at", "delivered_on"]), tmp_path / "o.csv"),
        *csv_of(events, tmp_path / "e.csv"),
    ]
    found = check(files, quality=False).proposal
    assert found is not None
    assert any("count as never delivered" in one for one in found.told)
