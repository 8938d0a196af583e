from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etapromise.tracking.contract import STATUSES
from etapromise.tracking.milestones import milestones
from etapromise.tracking.scans import clean_scans
from etapromise.tracking.tables import read_scans, read_shipments
from etapromise.tracking.vocabularies import vocabulary_named
from etapromise_simulator import (
    CarrierStart,
    NetworkConfig,
    Simulation,
    VendorCodeChange,
    WrongZone,
    simulate,
)
from etapromise_simulator.vendors import CODES


@pytest.mark.parametrize("vendor", CODES)
def test_every_code_is_read_back_as_the_status_it_was_written_for(vendor: str) -> None:
    vocabulary = vocabulary_named(vendor)
    for status, codes in CODES[vendor].items():
        assert status in STATUSES
        for code in codes:
            assert vocabulary.read(code) == status, code


def test_tracking_accepts_everything_and_finds_what_happened(month: Simulation) -> None:
    shipments = read_shipments(month.shipments)
    scans = read_scans(month.scans)
    assert len(shipments.rejects) == len(scans.rejects) == 0
    cleaned = clean_scans(scans.accepted)
    assert set(cleaned.rejects["reason"]) <= {"duplicate_scan"}
    found = milestones(shipments.accepted, cleaned.accepted)
    assert found["shipment_id"].tolist() == month.outcomes["shipment_id"].tolist()
    seen = found["event_at"].notna()
    truth = month.outcomes["delivered_at"]
    assert (found["event_at"][seen] == truth[seen]).all()
    # What is not seen had not happened, or was not received, when the extract ended.
    end = pd.Timestamp(month.config.extract_ends_at)
    unseen = truth[~seen & truth.notna()]
    assert len(unseen) > 0
    assert unseen.min() > end - pd.Timedelta(days=3)
    assert 0.5 < seen.mean() < 0.95

    closed = found["closed_as"].notna()
    assert set(month.outcomes["fate"][closed]) <= {"returned", "lost"}
    attempts = milestones(shipments.accepted, cleaned.accepted, event="first_attempt")
    both = attempts["event_at"].notna()
    same = attempts["event_at"][both] == month.outcomes["first_attempt_at"][both]
    assert same.mean() > 0.995  # two attempts may be received in the wrong order


def test_a_perfect_feed_is_complete_prompt_and_single() -> None:
    config = NetworkConfig(seed=2, days=21, scan_noise=0.0)
    scans = simulate(config).scans
    assert (scans["scanned_at"] == scans["received_at"]).all()
    assert not scans.duplicated().any()
    assert scans["facility"].notna().all()
    assert set(scans["shipment_id"]) <= set(simulate(config).shipments["shipment_id"])


def test_the_usual_feed_is_late_doubled_and_out_of_order(month: Simulation) -> None:
    scans = month.scans
    delay = scans["received_at"] - scans["scanned_at"]
    assert delay.min() >= pd.Timedelta(0)
    assert delay.median() < pd.Timedelta(minutes=10)
    assert 0.05 < (delay > pd.Timedelta(minutes=30)).mean() < 0.25
    assert 0.005 < (delay > pd.Timedelta(hours=6)).mean() < 0.05
    doubled = scans.duplicated(["shipment_id", "scanned_at", "status", "vocabulary"])
    assert 0.01 < doubled.mean() < 0.03
    by_receipt = scans.sort_values(["shipment_id", "received_at"])
    step = by_receipt.groupby("shipment_id")["scanned_at"].diff().dropna()
    assert 0.02 < (step < pd.Timedelta(0)).mean() < 0.3
    assert 0.01 < scans["facility"].isna().mean() < 0.05
    assert scans["vocabulary"].nunique() == 5
    assert scans["received_at"].max() <= pd.Timestamp(month.config.extract_ends_at)


def test_rural_parcels_are_handed_to_a_partner(month: Simulation) -> None:
    scans = month.scans.merge(month.shipments[["shipment_id", "carrier"]], on="shipment_id")
    foreign = scans[scans["carrier_x"] != scans["carrier_y"]]
    assert foreign["carrier_x"].str.startswith("rural-").all()
    assert 0.03 < foreign["shipment_id"].nunique() / len(month.shipments) < 0.3
    told = foreign.groupby("shipment_id")["status"].agg(set)
    transfers = {"transferred", *CODES["shipengine"]["transferred"]}
    assert told.map(lambda codes: bool(codes & transfers)).mean() > 0.9


def test_an_earlier_extract_is_the_part_received_until_then(month: Simulation) -> None:
    end = month.config.extract_ends_at - dt.timedelta(days=9, hours=5)
    earlier = simulate(replace(month.config, extract_end=end))
    stamp = pd.Timestamp(end)
    shipments = month.shipments[month.shipments["ordered_at"] <= stamp]
    pd.testing.assert_frame_equal(earlier.shipments, shipments.reset_index(drop=True))
    scans = month.scans[
        (month.scans["received_at"] <= stamp)
        & month.scans["shipment_id"].isin(shipments["shipment_id"])
    ]
    pd.testing.assert_frame_equal(earlier.scans, scans.reset_index(drop=True))


def test_a_vendor_changes_its_codes_on_a_date(month: Simulation) -> None:
    day = month.config.start + dt.timedelta(days=14)
    change = VendorCodeChange(vocabulary="aftership", start=day, prefix="new-")
    changed = simulate(replace(month.config, planted=(change,)))
    assert changed.shipments.equals(month.shipments)
    old = month.scans["status"]
    concerned = (month.scans["vocabulary"] == "aftership") & (
        month.scans["scanned_at"] >= pd.Timestamp(day, tz="UTC")
    )
    assert concerned.any()
    assert not concerned.all()
    expected = old.where(~concerned, "new-" + old)
    pd.testing.assert_series_equal(changed.scans["status"], expected)
    rejects = read_scans(changed.scans).rejects
    assert len(rejects) == concerned.sum()


def test_a_week_in_the_wrong_zone_shifts_the_times_by_the_zone(month: Simulation) -> None:
    start = month.config.start + dt.timedelta(days=7)
    event = WrongZone(carrier="birdpost", start=start, end=start + dt.timedelta(days=7))
    wrong = simulate(replace(month.config, planted=(event,)))
    shift = wrong.scans["scanned_at"] - month.scans["scanned_at"]
    inside = (
        (month.scans["carrier"] == "birdpost")
        & (month.scans["scanned_at"] >= pd.Timestamp(event.start, tz="UTC"))
        & (month.scans["scanned_at"] < pd.Timestamp(event.end, tz="UTC"))
    )
    assert (shift[~inside] == pd.Timedelta(0)).all()
    assert inside.any()
    hours = shift[inside].dt.total_seconds() / 3600
    assert hours.isin([-8, -7, -6, -5, -4]).all()
    assert len(set(hours)) > 1
    assert (wrong.scans["received_at"] == month.scans["received_at"]).all()


def test_a_carrier_that_starts_late_has_no_earlier_parcel(month: Simulation) -> None:
    day = month.config.start + dt.timedelta(days=18)
    late = simulate(replace(month.config, planted=(CarrierStart(carrier="corvid", start=day),)))
    first = late.shipments.loc[late.shipments["carrier"] == "corvid", "ordered_at"].min()
    assert pd.Timestamp(day, tz="UTC") <= first < pd.Timestamp(day, tz="UTC") + pd.Timedelta("3D")
    assert len(late.shipments) == pytest.approx(len(month.shipments), rel=0.02)
    assert np.isin(list(month.config.carriers), late.shipments["carrier"].unique()).all()
