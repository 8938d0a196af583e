"""Tables as a database holds them: each tells a part, and names the rows of the others."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from etapromise.errors import ContractError
from etapromise.operations.checking.checking import check
from etapromise.tracking import history
from etapromise.tracking.proposals.proposal import Proposal
from tests.tracking.own_shapes import HOME, parcels
from tests.tracking.test_own_shapes import dates, local_dates
from tests.tracking.test_system_exports import CLOCK, DAY, read, written


def tables_in(folder: Path, **tables: pd.DataFrame) -> list[Path]:
    """A file each."""
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in tables]


def counted(truth: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Orders, shipments, deliveries and customers whose keys all count from one.

    Every key is in every other, by chance.
    """
    n = pd.RangeIndex(1, len(truth) + 1)
    customers = truth[["postcode", "country"]].drop_duplicates().reset_index(drop=True)
    who = truth.merge(customers.assign(customer_id=customers.index + 1))["customer_id"]
    return {
        "customers": customers.set_axis(["zip", "country"], axis=1).assign(
            customer_id=customers.index + 1, customer_name="A. Nowak"
        ),
        "deliveries": pd.DataFrame(
            {
                "delivery_id": n[::-1],
                "shipment_id": n,
                "delivery_date": written(truth["delivered"], DAY),
                "delivery_status": "Delayed",
            }
        ),
        "orders": pd.DataFrame(
            {
                "order_id": n[::-1],
                "customer_id": who.to_numpy()[::-1],
                "order_date": written(truth["ordered"], CLOCK)[::-1],
                "quantity": 1,
            }
        ),
        "shipments": pd.DataFrame(
            {
                "shipment_id": n,
                "order_id": n,
                "shipped_date": written(truth["picked"], CLOCK),
                "shipment_status": "In Transit",
                "carrier": truth["carrier"],
            }
        ),
    }


def marketplace(truth: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Orders with their milestones, customers with places, items that name sellers with theirs."""
    key = [f"{name:0>32}" for name in truth["id"]]
    seller = ["a" * 31 + str(place % 3) for place in range(len(truth))]
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": [f"c{one[1:]}" for one in key],
                "customer_zip_code_prefix": truth["postcode"],
                "customer_country": truth["country"],
            }
        ).sample(frac=1, random_state=3),
        "order_items": pd.DataFrame(
            {
                "order_id": [one for one in key for _ in range(2)],
                "order_item_id": [1, 2] * len(key),
                "seller_id": [one for one in seller for _ in range(2)],
                "price": 3.5,
            }
        ),
        "orders": pd.DataFrame(
            {
                "order_id": key,
                "customer_id": [f"c{one[1:]}" for one in key],
                "order_purchase_timestamp": written(truth["ordered"], CLOCK),
                "order_delivered_carrier_date": written(truth["picked"], CLOCK),
                "order_delivered_customer_date": written(truth["delivered"], DAY),
                "order_estimated_delivery_date": [
                    f"{day} 03:41:22" for day in dates(truth["picked"])
                ],
            }
        ),
        "sellers": pd.DataFrame(
            {
                "seller_id": sorted(set(seller)),
                "seller_zip_code_prefix": ["80-001", "80-002", "80-003"],
            }
        ),
    }


def keys_called_id(truth: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The same as `counted`, each table's own key called id; no parcel has its order's number."""
    tables = counted(truth)
    last = len(truth) + 1
    for name in ("shipments", "deliveries"):
        tables[name]["shipment_id"] = last - tables[name]["shipment_id"]
    own = {"customers": "customer", "deliveries": "delivery"}
    own |= {"orders": "order", "shipments": "shipment"}
    return {
        name: table.rename(columns={f"{own[name]}_id": "id"}).sample(frac=1, random_state=7)
        for name, table in tables.items()
    }


@pytest.mark.parametrize(
    "of", [counted, keys_called_id, marketplace], ids=lambda one: str(one.__name__)
)
def test_tables_of_a_database_are_joined(of: object, tmp_path: Path) -> None:
    truth = parcels(5, 150)
    tables = of(truth)  # type: ignore[operator]
    found, tracked = read(tables_in(tmp_path, **tables), tmp_path)
    assert found.proposal is not None
    joins = found.proposal.shipments.joins
    assert len(joins) == 3
    if of is not keys_called_id:
        assert all(join["on"] == join["to"] for join in joins)
    assert found.proposal.scans is None
    shipments, milestones = tracked.shipments, tracked.milestones
    assert len(shipments) == len(truth)
    assert not len(tracked.shipment_rejects)
    ordered = shipments["ordered_at"].dt.tz_convert(HOME).dt.strftime("%Y-%m-%d %H:%M")
    order = {clock: row for row, clock in enumerate(written(truth["ordered"], "%Y-%m-%d %H:%M"))}
    true = truth.iloc[[order[clock] for clock in ordered]]
    assert local_dates(milestones["picked_up_at"], HOME) == dates(true["picked"])
    assert local_dates(milestones["delivered_at"], true["zone"]) == dates(true["delivered"])
    places = [place.removeprefix("LT-") for place in true["postcode"]]
    assert shipments["destination"].tolist() == places
    assert shipments["destination_country"].tolist() == true["country"].tolist()
    if of is marketplace:
        assert shipments["origin"].nunique() == 3
        assert shipments["promised_date"].dt.date.tolist() == dates(true["picked"])


def test_counted_keys_of_other_names_join_nothing(tmp_path: Path) -> None:
    truth = parcels(5, 150)
    tables = counted(truth)
    orders = tables["orders"].drop(columns="order_id")  # its rows have no key
    found = check(tables_in(tmp_path, orders=orders, shipments=tables["shipments"]), quality=False)
    assert found.proposal is not None
    assert not found.proposal.shipments.joins
    assert not found.ready


def test_small_numbers_of_events_are_taken_for_parcels_only_where_nothing_else_is(
    tmp_path: Path,
) -> None:
    truth = parcels(5, 150)
    orders = pd.DataFrame(
        {
            "id": range(1, 151),
            "ordered_at": written(truth["ordered"], CLOCK),
            "zip": truth["postcode"],
            "country": truth["country"],
        }
    )
    events = pd.DataFrame(
        {
            "customer_id": range(1, 151),
            "knr": range(1, 151),
            "event_time": written(truth["picked"], CLOCK),
            "event": ["picked up", "delivered"] * 75,
        }
    )
    found = check(tables_in(tmp_path, orders=orders, events=events), quality=False).proposal
    assert found is not None
    one = found.scan_columns["shipment_id"]
    assert (one.column, one.degree) == ("knr", "possible")
    assert "by chance" in found.columns["shipment_id"].why
    events = events.rename(columns={"knr": "order_id"})
    found = check(tables_in(tmp_path, orders=orders, events=events), quality=False).proposal
    assert found is not None
    assert found.scan_columns["shipment_id"].column == "order_id"
    assert found.scan_columns["shipment_id"].degree == "certain"


def test_rows_of_another_table_without_a_key_are_told(tmp_path: Path) -> None:
    tables = marketplace(parcels(5, 60))
    nobody = tables["customers"].iloc[:2].assign(customer_id=None)
    tables["customers"] = pd.concat([tables["customers"], nobody])
    _, tracked = read(tables_in(tmp_path, **tables), tmp_path)
    assert any("2 of the other table have no name" in str(one) for one in tracked.shipment_notes)


def test_orders_that_were_not_sent_yet_stay(tmp_path: Path) -> None:
    truth = parcels(5, 150)
    tables = counted(truth)
    del tables["deliveries"]
    sent = tables["shipments"].assign(delivered_at=written(truth["delivered"], DAY)).iloc[:-7]
    _, tracked = read(tables_in(tmp_path, **tables | {"shipments": sent}), tmp_path)
    assert len(tracked.shipments) == len(truth)
    assert tracked.milestones["picked_up_at"].isna().sum() == 7


def test_a_state_beside_the_date_of_sending_is_no_event(tmp_path: Path) -> None:
    tables = counted(parcels(5, 150))
    found = check(
        tables_in(tmp_path, orders=tables["orders"], shipments=tables["shipments"]), quality=False
    )
    proposal = found.proposal
    assert isinstance(proposal, Proposal)
    assert proposal.scans is None
    assert proposal.milestones["picked_up"].column == "shipped_date"
    assert "says when parcels were delivered" in " ".join(
        found.proposal.questions if found.proposal else ()
    )


def test_several_joins_are_read_in_their_order_and_refused_by_number(tmp_path: Path) -> None:
    truth = parcels(5, 60)
    files = tables_in(tmp_path, **marketplace(truth))
    mapping = tmp_path / "mapping.toml"
    text = check(files, write_mapping=mapping, quality=False).text or ""
    text = text.replace('time_zone = "?"', f'time_zone = "{HOME}"')
    assert text.count("[[shipments.join]]") == 3
    mapping.write_text(text, encoding="utf-8")
    assert len(history(mapping=mapping).shipments) == 60
    for change, words in (
        (('on = "seller_id"', 'on = "seler_id"'), "did you mean 'seller_id'"),
        (('on = "seller_id"', ""), r"\[\[shipments.join\]\] \d lacks on"),
        (("[[shipments.join]]", "[shipments.joins]"), "joins"),
    ):
        mapping.write_text(
            text.replace(*change, 1) if "joins" not in words else text.replace(*change),
            encoding="utf-8",
        )
        with pytest.raises(ContractError, match=words):
            history(mapping=mapping)
    head, *joins = text.split("[[shipments.join]]")
    columns = joins[-1][joins[-1].index("[shipments.columns]") :]
    head = head.replace("[shipments]", '[shipments]\njoin = ["a"]')
    mapping.write_text(head + columns, encoding="utf-8")
    with pytest.raises(ContractError, match="expected tables"):
        history(mapping=mapping)


def test_keys_that_are_written_in_two_ways_are_one(tmp_path: Path) -> None:
    truth = parcels(5, 90)
    tables = marketplace(truth)
    tables["customers"] = pd.concat(
        [tables["customers"], tables["customers"].iloc[:3].assign(customer_id=[" ", None, "NULL"])]
    )
    twice = tables["customers"].iloc[:2]
    tables["customers"] = pd.concat(
        [
            tables["customers"],
            twice.assign(customer_id=[f" {one} " for one in twice["customer_id"]]),
        ]
    )
    _, tracked = read(tables_in(tmp_path, **tables), tmp_path)
    assert len(tracked.shipments) == 90


def test_where_customers_are_at_home_is_no_part_of_an_address_that_orders_have(
    tmp_path: Path,
) -> None:
    tables = marketplace(parcels(5, 90))
    tables["orders"]["ship_to_postcode"] = "80-001"
    tables["customers"] = tables["customers"].drop(columns="customer_zip_code_prefix")
    found = check(tables_in(tmp_path, **tables), quality=False).proposal
    assert found is not None
    assert all("customers.csv" not in join["files"][0] for join in found.shipments.joins)


def test_bare_keys_of_rows_join_nothing_and_bills_are_no_destination(tmp_path: Path) -> None:
    """Each table counts its own rows, so that the keys of rows are in each other by chance."""
    truth = parcels(5, 60).query("country == 'PL'").reset_index(drop=True)
    rows = pd.RangeIndex(1, len(truth) + 1)
    bills = pd.DataFrame({"parent_id": rows, "address_type": "billing", "postcode": "99-999"})
    goods = bills.assign(address_type="shipping", postcode=truth["postcode"])
    addresses = pd.concat([bills, goods]).assign(country_id="PL")
    sent = truth["delivered"].notna()
    files = tables_in(
        tmp_path,
        sales_order=pd.DataFrame(
            {
                "entity_id": rows,
                "status": "complete",
                "increment_id": truth["id"],
                "created_at": written(truth["ordered"], CLOCK),
                "updated_at": written(truth["picked"], CLOCK),
            }
        ),
        sales_order_address=addresses.sort_values("parent_id", kind="stable").assign(
            entity_id=pd.RangeIndex(1, 2 * len(truth) + 1)
        ),
        sales_shipment_track=pd.DataFrame(
            {
                "entity_id": rows[::-1],
                "parent_id": rows[::-1],  # of shipments
                "order_id": rows,
                "track_number": [f"T{n}" for n in truth["id"]],
                "created_at": written(truth["picked"], CLOCK),
                "delivered_at": written(truth["delivered"], DAY),
            }
        )[sent],
    )
    found, told = read(files, tmp_path)
    assert found.proposal is not None
    assert [dict(one)["to"] for one in found.proposal.shipments.joins] == ["parent_id", "order_id"]
    ids = [f"T{n}" if came else str(n) for n, came in zip(truth["id"], sent, strict=True)]
    ids = [one if one[0] == "T" else str(rows[n]) for n, one in enumerate(ids)]
    got = told.shipments.set_index("shipment_id").loc[ids]
    assert list(got["destination"]) == list(truth["postcode"])
    ordered = got["ordered_at"].dt.tz_convert("UTC").dt.strftime(CLOCK)
    assert list(ordered) == written(truth["ordered"], CLOCK)  # as Magento writes them


@pytest.mark.parametrize("names", [("parcels", "orders"), ("orders", "parcels")])
def test_the_record_of_a_parcel_does_not_say_when_its_order_was_placed(
    names: tuple[str, str], tmp_path: Path
) -> None:
    truth = parcels(5, 60)
    tables = {
        "orders": pd.DataFrame(
            {"id": truth["id"], "created_at": written(truth["ordered"], CLOCK), "status": "closed"}
        ),
        "parcels": pd.DataFrame(
            {
                "tracking_number": [f"T{n}" for n in truth["id"]],
                "order_id": truth["id"],
                "created_at": written(truth["picked"], CLOCK),
                "delivered_at": written(truth["delivered"], DAY),
                "zip": truth["postcode"],
                "country": truth["country"],
            }
        ),
    }
    _, told = read(tables_in(tmp_path, **{name: tables[name] for name in names}), tmp_path)
    assert local_dates(told.shipments["ordered_at"], HOME) == dates(truth["ordered"])
