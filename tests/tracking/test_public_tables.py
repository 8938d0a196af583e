"""Tables laid out like well-known public data sets: read truly, or refused by what they lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.normal_forms.places import countries_with
from etapromise.operations.checking.check_report import CheckReport
from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from etapromise.tracking.column_names import place_in, score_name
from etapromise.tracking.mapped import mapped_tables
from etapromise.tracking.mapping import read_mapping
from etapromise.tracking.proposals.proposal import Proposal
from tests.tracking.own_shapes import HOME, parcels
from tests.tracking.test_own_shapes import dates, local_dates
from tests.tracking.test_shop_exports import assert_true
from tests.tracking.test_system_exports import CLOCK, DAY, csv_of, plain, read, written


def proposal_of(table: pd.DataFrame, folder: Path) -> tuple[Proposal, CheckReport]:
    found = check(csv_of(table, folder / "table.csv"), quality=False)
    assert found.proposal is not None
    return found.proposal, found


@pytest.mark.parametrize(
    ("name", "whose", "what"),
    [
        ("to_address_postal_code", "recipient", "postcode"),
        ("Restaurant_latitude", "sender", "lat"),
        ("Delivery_location_longitude", "recipient", "lon"),
        ("dc_des", "recipient", "place"),
        ("source_center", "sender", "place"),
        ("Consignee St", "recipient", "region"),
        ("from_address_country_name", "sender", "country"),
        ("Bill-to City", "billing", "city"),
    ],
)
def test_a_name_says_whose_address_it_is_of_and_what_of_it(
    name: str, whose: str, what: str
) -> None:
    assert place_in(name) == (whose, what)


@pytest.mark.parametrize("name", ["delivery_id", "Order date", "Curr_lat", "customer_id", "Source"])
def test_other_names_are_of_no_address(name: str) -> None:
    assert place_in(name) is None


def test_a_word_is_no_name_inside_of_a_longer_one() -> None:
    assert score_name("Product Name", "shipments", "service") < 0.55
    assert score_name("GpsProvider", "shipments", "carrier") < 0.55
    assert score_name("PO Sent to Vendor Date", "milestones", "picked_up") < 0.55
    assert score_name("day", "milestones", "delivered") < 0.55
    # Events, which the beginnings of words in some language look like.
    assert score_name("evt_ts", "milestones", "picked_up") < 0.55
    assert score_name("evt_ts", "scans", "scanned_at") == 1.0


def test_numbers_are_no_postcodes_unless_they_are_called_so(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).drop(columns="zip").rename(columns={"country": "x"})
    table["price"] = [str(10_000 + n % 7) for n in range(len(table))]
    table["x"] = "answer"
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination"].column is None
    assert "price with '10000'" in " ".join(found.questions)


def test_without_a_postcode_the_city_is_the_place(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = plain(truth).rename(columns={"zip": "ship_to_city"})
    table["ship_to_city"] = ["Gdansk" if n % 2 else "Oulu" for n in range(len(table))]
    found, told = read(csv_of(table, tmp_path / "city.csv"), tmp_path)
    assert found.proposal is not None
    assert any("no column has the postcode" in one for one in found.proposal.told)
    assert set(told.shipments["destination"]) == {"Gdansk", "Oulu"}


def test_points_are_no_lanes_and_how_long_it_took_is_no_date(tmp_path: Path) -> None:
    truth = parcels(5, 80)
    table = pd.DataFrame(
        {
            "Order_ID": truth["id"],
            "Store_Latitude": 54.3 + np.arange(len(truth)) / 1e4,
            "Store_Longitude": 18.6,
            "Drop_Latitude": 54.4 + np.arange(len(truth)) / 1e4,
            "Drop_Longitude": 18.7,
            "Order_Date": written(truth["ordered"], DAY),
            "Order_Time": written(truth["ordered"], "%H:%M:%S"),
            "Festival": "No ",
            "payment_method": "cod",
            "Delivery_Time": 120,
        }
    )
    found, report = proposal_of(table, tmp_path)
    assert found.columns["origin"].column is None
    assert found.columns["destination_lat"].column == "Drop_Latitude"
    assert found.columns["origin_lat"].column == "Store_Latitude"
    assert "destination_country" not in found.columns
    asked = " ".join(found.questions)
    assert "coordinates tell no lane" in asked
    assert "Delivery_Time is called so, but holds numbers" in asked
    assert report.failure is not None


def test_deliveries_that_nobody_tells_are_asked_for(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).drop(columns="delivered_on")
    table["Estimated delivery"] = table["shipped_at"]
    found, _ = proposal_of(table, tmp_path)
    assert found.milestones["delivered"].details == {"column": "?"}
    assert any("says when parcels were delivered" in one for one in found.questions)


def test_orders_that_are_still_to_be_promised_are_mapped_without_deliveries(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).drop(columns=["shipped_at", "delivered_on"])
    check(csv_of(table, tmp_path / "open.csv"), write_mapping=tmp_path / "m.toml", quality=False)
    read_mapping(tmp_path / "m.toml")
    shipments, scans = mapped_tables(tmp_path / "m.toml", None, None)
    assert shipments is not None
    assert scans is None
    with pytest.raises(ContractError, match="without milestones"):
        history(mapping=tmp_path / "m.toml")


def test_hexadecimal_ids_stay_as_they_are(tmp_path: Path) -> None:
    truth = parcels(5, 200)
    truth["id"] = [f"{n:06d}e{n:03d}" for n in range(len(truth))]
    _, found = read(csv_of(plain(truth), tmp_path / "hex.csv"), tmp_path)
    assert len(found.accounts[0].rejects) == 0
    assert_true(truth, found)


def test_regions_tell_their_country(tmp_path: Path) -> None:
    assert countries_with(["SP", "RJ", "AM"]) == ["BR"]
    assert countries_with(["Maharashtra", "KARNATAKA", "Tamil Nadu"]) == ["IN"]
    assert countries_with(["東京都", "大阪府", "北海道"]) == ["JP"]
    assert countries_with(["DKI JAKARTA", "JAWA TIMUR", "BALI"]) == ["ID"]
    assert len(countries_with(["1", "2", "3"])) > 1
    table = plain(parcels(5, 80)).drop(columns="country")
    table["zip"] = [f"{10_000 + n % 5}" for n in range(len(table))]
    table["state"] = [("NY", "CA", "TX", "WA")[n % 4] for n in range(len(table))]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination_country"].details == {"value": "US"}
    assert any("US has several zones" in one for one in found.questions)


def test_parcels_to_many_countries_do_not_tell_the_clock(tmp_path: Path) -> None:
    truth = parcels(5, 400)
    few = truth.groupby("country").head(15)
    found, _ = proposal_of(plain(few), tmp_path)
    assert any("parcels go to several countries" in one for one in found.questions)
    found, _ = proposal_of(plain(truth), tmp_path)
    assert found.settings["time_zone"][0] == HOME


def test_orders_between_warehouses_and_what_became_of_them(tmp_path: Path) -> None:
    truth = parcels(5, 120).dropna()
    orders = pd.DataFrame(
        {
            "order_ID": truth["id"],
            "user_ID": [f"{n % 90:010x}" for n in range(len(truth))],
            "order_time": written(truth["ordered"], f"{CLOCK}.0"),
            "type": 1,
            "dc_ori": 4,
            "dc_des": [3 + n % 5 for n in range(len(truth))],
        }
    )
    deliveries = pd.DataFrame(
        {
            "package_ID": truth["id"],
            "order_ID": truth["id"],
            "type": 1,
            "ship_out_time": written(truth["picked"], f"{CLOCK}.0"),
            "arr_time": written(truth["delivered"], f"{CLOCK}.0"),
        }
    )
    files = csv_of(orders, tmp_path / "orders.csv") + csv_of(deliveries, tmp_path / "came.csv")
    _, found = read(files, tmp_path)
    true = truth.set_index("id").loc[found.shipments["shipment_id"]]
    assert len(true) == len(truth)
    assert set(found.shipments["destination"]) == set("34567")
    assert set(found.shipments["origin"]) == {"4"}
    assert local_dates(found.milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(found.milestones["delivered_at"], HOME) == dates(true["delivered"])


def test_the_state_of_a_parcel_names_no_carrier(tmp_path: Path) -> None:
    table = plain(parcels(5, 80)).drop(columns="carrier")
    table["Courier Status"] = ["Shipped" if n % 2 else "Unshipped" for n in range(len(table))]
    table["Sales Channel"] = "Amazon.in"
    found, _ = proposal_of(table, tmp_path)
    assert "carrier" not in found.columns


def test_a_code_and_a_name_of_one_place_are_one(tmp_path: Path) -> None:
    table = plain(parcels(5, 120)).drop(columns="zip")
    table["Destination_Location"] = [f"Town {'abc'[n % 3]}" for n in range(len(table))]
    table["DestinationLocation_Code"] = [f"CH{'xyz'[n % 3]}" for n in range(len(table))]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination"].column == "Destination_Location"
    table.loc[0, "DestinationLocation_Code"] = "CHy"
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination"].column is None


def test_the_first_time_of_all_may_be_the_orders_and_no_other(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth).rename(columns={"ordered_at": "alpha"})
    table["beta"] = table["delivered_on"]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["ordered_at"].column == "alpha"
    table["alpha"] = ["Not captured" if n % 3 else day for n, day in enumerate(table["alpha"])]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["ordered_at"].column is None


def test_check_is_not_content_where_most_rows_are_rejected(tmp_path: Path) -> None:
    truth = parcels(5, 120)
    table = plain(truth)
    table["ordered_at"] = [
        "Not captured" if n % 2 else day for n, day in enumerate(table["ordered_at"])
    ]
    _, report = proposal_of(table, tmp_path)
    assert report.failure is not None
    assert "more than the 20 %" in report.failure


@pytest.mark.parametrize(
    "name",
    ["Customer_ID", "custId", "vehicle_id", "delay_reason_code", "product_sku", "driver id"],
)
def test_the_number_of_something_else_names_neither_a_parcel_nor_a_place(
    name: str, tmp_path: Path
) -> None:
    table = plain(parcels(5, 80)).drop(columns="zip")
    table[name] = [f"C{n % 30:03d}" for n in range(len(table))]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination"].column != name
    assert name in found.unused
    assert found.columns["destination_country"].column == "country"


def test_a_state_of_the_delivery_is_no_region(tmp_path: Path) -> None:
    # It tells what became of the parcel: learned from, promises would know the future.
    table = plain(parcels(5, 90)).assign(
        Delivery_Status=[("On-Time", "Delayed", "Early")[n % 3] for n in range(90)]
    )
    found, _ = proposal_of(table, tmp_path)
    assert "destination_region" not in found.columns
    assert "Delivery_Status" in found.unused


def test_every_country_has_an_east(tmp_path: Path) -> None:
    table = plain(parcels(5, 90)).drop(columns=["zip", "country"])
    table["Region"] = [("East", "North", "West")[n % 3] for n in range(90)]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination_region"].column == "Region"
    assert "destination_country" not in found.columns


def test_goods_are_no_service(tmp_path: Path) -> None:
    table = plain(parcels(5, 90)).assign(product=["tablet", "laptop", "phone"] * 30)
    assert proposal_of(table, tmp_path)[0].columns["service"].column == "product"
    found, _ = proposal_of(table.assign(unit_price=3.5), tmp_path)
    assert "service" not in found.columns


def test_of_several_times_that_of_what_happened_at_the_customer_counts(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    table = plain(truth).rename(columns={"delivered_on": "Delivered to Client Date"})
    table["Delivery Recorded Date"] = written(truth["delivered"] + pd.Timedelta("4D"), DAY)
    table["actual_port_arrival"] = written(truth["picked"], DAY)
    table["arrivalDateOriginal"] = written(truth["picked"] + pd.Timedelta("1D"), DAY)
    found, _ = proposal_of(table, tmp_path)
    assert found.milestones["delivered"].column == "Delivered to Client Date"
    assert not found.milestones["delivered"].asked


def test_of_a_day_and_its_clock_the_clock_counts(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    table = plain(truth).rename(columns={"delivered_on": "delivered_date"})
    table["delivered_datetime"] = written(truth["delivered"], CLOCK)
    found, _ = proposal_of(table, tmp_path)
    assert found.milestones["delivered"].column == "delivered_datetime"


def test_no_time_that_says_otherwise_is_that_of_the_order(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    table = plain(truth).drop(columns="ordered_at")
    table["scheduled_departure"] = written(truth["ordered"], CLOCK)
    table["etd"] = table["scheduled_departure"]
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["ordered_at"].column is None
    # What can stand for it is told.
    assert "shipped_at, when parcels were sent, can stand for it" in " ".join(found.questions)


def test_a_duration_is_told_where_no_time_of_arrival_is(tmp_path: Path) -> None:
    table = plain(parcels(5, 90)).drop(columns="delivered_on")
    table["delivery_time_days"] = [1 + n % 5 for n in range(90)]
    found, _ = proposal_of(table, tmp_path)
    assert "delivery_time_days may be how long it took" in " ".join(found.questions)


def test_a_kind_of_place_is_no_place(tmp_path: Path) -> None:
    table = (
        plain(parcels(5, 90))
        .drop(columns="zip")
        .assign(
            region_type="rural",
            receiver_area=["Seoul", "Busan", "Daegu"] * 30,
            receiver_dong=[f"{n % 9} dong" for n in range(90)],
        )
    )
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["destination_region"].column == "receiver_area"
    assert found.columns["destination"].column == "receiver_dong"


def test_a_proof_that_is_missing_is_no_delivery(tmp_path: Path) -> None:
    table = plain(parcels(5, 90)).assign(pod_missing_flag=[int(n % 30 == 0) for n in range(90)])
    found, _ = proposal_of(table, tmp_path)
    assert not found.milestones["delivered"].asked


def test_neither_a_parcels_record_nor_the_day_it_was_sent_is_the_time_of_its_order(
    tmp_path: Path,
) -> None:
    truth = parcels(5, 90)
    table = plain(truth).rename(columns={"ordered_at": "lineItems.boughtAt"})
    table["shipments.createdAt"] = table.pop("shipped_at")
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["ordered_at"].column == "lineItems.boughtAt"
    table = plain(truth).rename(columns={"ordered_at": "moment"})
    table["slip"] = written(truth["ordered"], DAY)
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["ordered_at"].column == "moment"


def test_of_two_numbers_that_events_have_the_carriers_names_the_parcel(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    orders["parcel_id"] = [f"{n + 70_000}" for n in orders.index]
    orders["trackingNumber"] = [f"T{n}" for n in truth["id"]]
    events = orders[["parcel_id", "trackingNumber"]].assign(
        status="delivered", time=written(truth["delivered"], CLOCK)
    )
    files = csv_of(orders, tmp_path / "orders.csv")
    files += csv_of(events[truth["delivered"].notna()], tmp_path / "events.csv")
    found = check(files, quality=False).proposal
    assert found is not None
    assert found.columns["shipment_id"].column == "trackingNumber"


def test_a_page_names_no_parcel_and_when_a_proof_was_stored_is_no_delivery(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    table = plain(truth).drop(columns="delivered_on")
    table["tracking_url"] = [f"https://carrier.example/{n}" for n in truth["id"]]
    table["pod_uploaded_at"] = written(truth["delivered"], CLOCK)
    found, _ = proposal_of(table, tmp_path)
    assert found.columns["shipment_id"].column == "order_id"
    assert found.milestones["delivered"].asked


def test_codes_are_of_a_vendor_that_is_known(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    events = pd.DataFrame(
        {
            "tracking_number": [*truth["id"]] * 2,
            "event_time": [*written(truth["picked"], CLOCK), *written(truth["delivered"], CLOCK)],
            "event_type": ["pickup_confirmed"] * 90 + ["delivered"] * 90,
            "source_system": "dispatch_tms",
        }
    ).replace("", None)
    orders = plain(truth).drop(columns=["shipped_at", "delivered_on"])
    files = csv_of(orders, tmp_path / "orders.csv")
    files += csv_of(events.dropna(), tmp_path / "events.csv")
    found = check(files, quality=False).proposal
    assert found is not None
    assert "vocabulary" not in found.scan_columns
    assert not found.open_codes
    _, tracked = read(files, tmp_path)
    assert len(tracked.scan_rejects) == 0
