from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS
from etapromise_simulator import (
    NetworkConfig,
    Simulation,
    simulate,
    simulate_in_blocks,
)


def test_tables_have_the_columns_of_the_contract_and_no_others(month: Simulation) -> None:
    assert set(month.shipments.columns) <= set(SHIPMENT_COLUMNS)
    assert set(month.scans.columns) <= set(SCAN_COLUMNS)
    assert month.shipments["shipment_id"].is_unique
    assert str(month.shipments["ordered_at"].dt.tz) == "UTC"
    assert month.shipments["quoted_date"].isna().mean() == pytest.approx(0.5, abs=0.2)
    optional = {"weight_kg", "quoted_date"}
    assert month.shipments.drop(columns=list(optional)).notna().all().all()


def test_the_network_is_as_rich_as_it_is_meant_to_be(year: Simulation) -> None:
    frame = year.shipments
    assert frame.groupby(["carrier", "service"]).ngroups == 8
    assert set(frame["destination_country"]) == {"US", "CA"}
    zones = frame["destination_time_zone"].unique()
    assert {"America/New_York", "America/Phoenix"} <= set(zones)
    assert len(zones) >= 6
    weeks = {year.oracle.working_week(c, s) for c in year.config.carriers for s in ("ground",)}
    assert len(weeks) == 3
    parcels = frame["order_id"].value_counts()
    assert (parcels > 1).mean() == pytest.approx(0.10, abs=0.02)
    fates = year.outcomes["fate"].value_counts(normalize=True)
    assert fates["lost"] == pytest.approx(0.005, abs=0.002)
    assert fates["returned"] == pytest.approx(0.015, abs=0.004)
    abroad = frame["origin_country"] != frame["destination_country"]
    assert 0.02 < abroad.mean() < 0.2
    days = (year.outcomes["delivered_at"] - frame["ordered_at"]) / pd.Timedelta(days=1)
    median = days.groupby(frame["service"]).median()
    assert 1.5 < median["express"] < 6
    assert median["express"] + 1.5 < median["ground"] < 9
    # The shop's own rule is worth beating: neither hopeless nor sure.
    local = year.outcomes["delivered_at"].dt.tz_convert("America/Chicago").dt.tz_localize(None)
    assert 0.75 < (local.dt.normalize() <= frame["promised_date"]).mean() < 0.95


def test_volume_and_delay_rise_in_the_peak_season() -> None:
    config = NetworkConfig(seed=8, days=364, drift=0.0, disruptions=0.0)
    busy, calm = simulate(config), simulate(replace(config, peak=0.0))

    def december(simulation: Simulation) -> tuple[int, float]:
        frame = simulation.shipments
        rows = frame["ordered_at"].between("2025-12-01", "2025-12-15")
        took = simulation.outcomes["delivered_at"] - frame["ordered_at"]
        return int(rows.sum()), float(took[rows].dt.total_seconds().mean() / 86_400)

    parcels, days = december(busy)
    usual_parcels, usual_days = december(calm)
    assert parcels > 1.5 * usual_parcels
    assert days > usual_days + 0.8


def test_drift_changes_the_pace_by_ten_to_twenty_per_cent_a_year() -> None:
    config = NetworkConfig(seed=9, days=366, peak=0.0, disruptions=0.0)
    pace = simulate(replace(config, shipments_per_day=1.0)).network.pace
    change = pace.carrier[:, 7 + 365] / pace.carrier[:, 7]
    assert ((np.abs(np.log(change)) > 0.08) & (np.abs(np.log(change)) < 0.22)).all()
    steady = simulate(replace(config, drift=0.0, shipments_per_day=1.0)).network.pace
    assert (steady.carrier == 1).all()


def test_the_same_configuration_gives_the_same_rows(month: Simulation) -> None:
    again = simulate(month.config)
    pd.testing.assert_frame_equal(again.shipments, month.shipments)
    pd.testing.assert_frame_equal(again.scans, month.scans)
    pd.testing.assert_frame_equal(again.outcomes, month.outcomes)


def test_another_seed_is_another_network() -> None:
    networks = [simulate(NetworkConfig(seed=seed, days=2)).network for seed in range(8)]
    weeks = {network.couriers.week[: network.n_own] for network in networks}
    cut_offs = {tuple(network.cut_off.ravel()) for network in networks}
    assert len(weeks) >= 5
    assert len(cut_offs) == 8
    speed = np.array([network.couriers.linehaul.mean(axis=(0, 1)) for network in networks])
    assert speed.std(axis=0).min() > 0.05


def test_a_longer_simulation_begins_as_a_shorter_one(month: Simulation) -> None:
    end = month.config.extract_ends_at
    longer = simulate(replace(month.config, days=month.config.days + 10, extract_end=end))
    pd.testing.assert_frame_equal(
        longer.shipments[: len(month.shipments)], month.shipments, check_like=True
    )
    shorter = simulate(replace(month.config, days=11))
    known = month.shipments.loc[: len(shorter.shipments) - 1]
    pd.testing.assert_frame_equal(shorter.shipments, known)


def test_blocks_are_the_simulation_in_weeks(month: Simulation) -> None:
    blocks = list(simulate_in_blocks(month.config))
    assert len(blocks) == 4
    for name in ("shipments", "scans", "outcomes"):
        rows = pa.concat_tables([getattr(block, name) for block in blocks])
        whole = getattr(month, name)
        assert len(rows) == len(whole)
        assert rows["shipment_id"].to_pylist() == whole["shipment_id"].tolist()


def test_moments_come_in_the_order_of_the_journey(month: Simulation) -> None:
    frame, happened = month.shipments, month.outcomes
    assert (happened["picked_up_at"] > frame["ordered_at"]).all()
    tried = happened["first_attempt_at"].notna()
    assert (happened["first_attempt_at"] > happened["picked_up_at"])[tried].all()
    there = happened["delivered_at"].notna()
    assert (happened["delivered_at"] >= happened["first_attempt_at"])[there].all()
    assert ((happened["fate"] == "delivered") == there).all()
    perfect = simulate(replace(month.config, scan_noise=0.0)).scans
    first = perfect.groupby("shipment_id")["scanned_at"].min()
    ordered = frame.set_index("shipment_id")["ordered_at"]
    assert (first >= ordered.loc[first.index]).all()


def test_the_clock_hour_of_an_attempt_is_the_couriers_and_the_regions(year: Simulation) -> None:
    frame = year.shipments
    direct = year.oracle._route(frame)[0].path == 0
    compared = 0
    for (carrier, region), rows in frame[direct].groupby(["carrier", "destination_region"]):
        for service in year.config.services:
            part = rows[rows["service"] == service]
            zone = part["destination_time_zone"].iloc[0] if len(part) else "UTC"
            times = year.outcomes["first_attempt_at"].loc[part.index].dropna()
            truth = year.oracle.hours(carrier, service, region)
            assert truth.sum() == pytest.approx(1.0)
            assert truth[:8].sum() == truth[21:].sum() == 0
            if len(times) < 150:
                continue
            hours = times.dt.tz_convert(zone).dt.hour.to_numpy()
            gap = np.abs(
                np.cumsum(np.bincount(hours, minlength=24)) / len(hours) - np.cumsum(truth)
            )
            assert gap.max() < 1.95 / np.sqrt(len(hours))
            compared += 1
    assert compared >= 5


def test_the_cut_off_decides_the_day_of_the_handling(year: Simulation) -> None:
    frame = year.shipments
    for origin, rows in frame.groupby("origin"):
        zone = year.network.places.zones[
            year.network.places.region_zone[
                year.network.places.warehouse_region[
                    year.network.places.warehouse_postcode.index(origin)
                ]
            ]
        ]
        local = rows["ordered_at"].dt.tz_convert(zone)
        second = (local - local.dt.normalize()).dt.total_seconds()
        cut_offs = {name: year.oracle.cut_off(origin, name) for name in year.config.services}
        cut_off = rows["service"].map(cut_offs)
        assert cut_off.between(11 * 3600, 17 * 3600).all()
        picked_up = year.outcomes["picked_up_at"].loc[rows.index].dt.tz_convert(zone)
        same_day = picked_up.dt.date == local.dt.date
        assert not same_day[second >= cut_off].any()
        assert same_day[second < cut_off].mean() > 0.1
