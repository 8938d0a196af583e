"""The walking backtest, on a network whose true distributions are known."""

from __future__ import annotations

import json
import zoneinfo
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etapromise.cli.backtest import _level_line
from etapromise.errors import ContractError
from etapromise.evaluation.backtest import BacktestConfig, run_backtest, steps
from etapromise.evaluation.judgement import (
    JUDGED_LEVELS,
    Truth,
    day_column,
    outcomes_of,
    stated_column,
)
from etapromise.evaluation.summary import (
    BACKTEST_GROUPINGS,
    days_matched_kept_rate,
    kept_by_group,
    summary_of,
)
from tests.evaluation.conftest import CONFIG, utc
from tests.evaluation.oracle_forecaster import TrainOracle


def test_every_order_of_the_time_is_judged_once(walked, tracked):
    ordered = tracked.shipments["ordered_at"]
    expected = tracked.shipments["shipment_id"][(ordered >= CONFIG.start) & (ordered < CONFIG.end)]
    assert sorted(walked.table["shipment_id"]) == sorted(expected)
    assert (walked.table["quoted_as_of"] <= walked.table["ordered_at"]).all()
    assert len(walked.table) > 700


def test_the_truth_is_found_honest_at_every_level(walked):
    for row in walked.facts["reliability"]:
        if row["service_level"] == 0.99:  # more than 1 % of parcels never arrive: no such date
            assert row["undated"] + row["cancelled"] == row["promises"]
            continue
        spread = np.sqrt(row["mean_confidence"] * (1 - row["mean_confidence"]) / row["judged"])
        assert abs(row["gap"]) < 4 * spread
        assert row["mean_confidence"] >= row["service_level"]
        assert row["pending"] > 0
    counts = np.array(walked.facts["pit"]["counts"])
    expected = counts.sum() / len(counts)
    assert np.sum((counts - expected) ** 2) / expected < 43.8  # 99.9 % quantile, 19 degrees
    band = walked.facts["scores"]["overall"]["interval"]
    assert band["covered"] == pytest.approx(band["stated"], abs=4 * 0.4 / band["judged"] ** 0.5)


def test_a_forecast_that_comes_too_early_is_found_out(network, tracked):
    few = replace(CONFIG, start=utc("2025-06-20"))
    hurried = run_backtest(tracked, few, fit=TrainOracle(network.config, hurry=1))
    true = run_backtest(tracked, few, fit=TrainOracle(network.config)).facts["scores"]["overall"]
    found = hurried.facts["scores"]["overall"]
    assert hurried.facts["service_levels"][1]["gap"] < -0.05
    assert found["crps_days"] > true["crps_days"]
    assert found["mean_pinball_days"] > true["mean_pinball_days"]


def test_the_table_says_what_happened(walked, tracked, network):
    """Recounted the plain way, one parcel at a time."""
    table = walked.table.set_index("shipment_id")
    shipments = tracked.shipments.set_index("shipment_id")
    milestones = tracked.milestones.set_index("shipment_id")
    ids = table.index[::37]
    truth = network.true_distribution(shipments.loc[ids].reset_index())
    for name, probability in zip(ids, truth, strict=True):
        row, shipment = table.loc[name], shipments.loc[name]
        zone = zoneinfo.ZoneInfo(shipment["destination_time_zone"])
        origin = shipment["ordered_at"].tz_convert(zone).date()
        assert row["origin_date"].date() == origin
        event = milestones.loc[name, "event_at"]
        if pd.isna(event):
            assert row["outcome"] in {"open", "returned", "lost", "damaged", "cancelled"}
            assert np.isnan(row["event_day"])
        else:
            assert row["outcome"] == "delivered"
            assert row["event_day"] == (event.tz_convert(zone).date() - origin).days
        assert row["shop_day"] == (shipment["promised_date"].date() - origin).days
        for level in JUDGED_LEVELS:
            days = [k for k, p in enumerate(probability) if p >= level]
            if days:
                assert row[day_column(level)] == days[0]
                assert row[stated_column(level)] == pytest.approx(probability[days[0]])
            else:
                assert np.isnan(row[day_column(level)])


def test_groups_add_up_to_the_whole(walked):
    whole = walked.facts["service_levels"][1]
    assert whole["service_level"] == walked.facts["main_level"]
    for name in BACKTEST_GROUPINGS:
        groups = walked.facts["by"][name]
        for count in ("promises", "judged", "kept", "late", "undelivered", "pending", "cancelled"):
            assert sum(group[count] for group in groups) == whole[count]
        assert all(group["promises"] >= 30 or group["group"] == "all other" for group in groups)
    outcomes = outcomes_of(walked.table)
    assert whole["cancelled"] == int(outcomes.cancelled.sum())
    assert sum(walked.facts["outcomes"].values()) == len(walked.table)


def test_many_small_groups_are_told_together(walked):
    table = walked.table.assign(place=[f"p{i % 200:03d}" for i in range(len(walked.table))])
    groups = kept_by_group(table, "place", "days_90", "confidence_90", smallest_group=1)
    assert len(groups) == 41
    assert sum(group["promises"] for group in groups) == len(table)


def test_the_shop_is_judged_on_the_orders_it_promised(walked):
    shop = walked.facts["shop"]
    table = walked.table
    judged = table[(table["shop_day"] <= table["known_until"]) & (table["outcome"] != "cancelled")]
    assert shop["judged"] == len(judged)
    assert shop["kept"] == int((judged["event_day"] <= judged["shop_day"]).sum())
    assert shop["mean_days"] == pytest.approx(
        table.loc[table["outcome"] != "cancelled", "shop_day"].mean()
    )
    # The truth says how likely the shop's own dates were.
    for group in shop["by_stated_probability"]:
        if group["judged"] >= 100:
            assert abs(group["gap"]) < 4 * np.sqrt(0.25 / group["judged"])
    without = table.assign(shop_day=np.nan)
    facts = summary_of(without, service_levels=(0.9,), main_level=0.9, smallest_group=1)
    assert facts["shop"] is None


def test_two_processes_find_the_same_as_one(network, tracked):
    config = replace(CONFIG, start=utc("2025-07-01"), end=utc("2025-07-10"), every="week")
    one = run_backtest(tracked, config, fit=TrainOracle(network.config))
    two = run_backtest(tracked, replace(config, jobs=2), fit=TrainOracle(network.config))
    pd.testing.assert_frame_equal(one.table, two.table)
    assert one.facts == two.facts
    assert json.loads(json.dumps(one.facts, allow_nan=False)) == json.loads(json.dumps(two.facts))


@given(
    st.datetimes(pd.Timestamp("2016-01-01"), pd.Timestamp("2027-01-01")),
    st.integers(1, 24 * 400),
    st.sampled_from(["month", "week"]),
)
def test_the_steps_cover_the_time_once(start, hours, every):
    begin = pd.Timestamp(start, tz="UTC")
    config = BacktestConfig(start=begin, end=begin + pd.Timedelta(hours=hours), every=every)
    walk = steps(config)
    assert walk[0].start == config.start
    assert walk[-1].end == config.end
    for before, after in pairwise(walk):
        assert before.end == after.start
        assert after.start == after.start.normalize()
    assert len({step.period for step in walk}) == len(walk)
    for step in walk:
        assert step.start < step.end
        last = step.end - pd.Timedelta(1, "us")
        pattern = "%Y-%m" if every == "month" else "%G-W%V"
        assert step.start.strftime(pattern) == step.period == last.strftime(pattern)


@given(
    st.datetimes(pd.Timestamp("2024-01-01"), pd.Timestamp("2025-01-01")),
    st.sampled_from(["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "Europe/Berlin"]),
    st.integers(0, 5),
)
def test_a_covered_date_has_ended_wherever_the_parcel_goes(moment, zone, settle_days):
    end = pd.Timestamp(moment, tz="UTC")
    truth = Truth.of(None, np.array([]), extract_end=end, settle_days=settle_days)
    day_after = pd.Timestamp(truth.covered_until + np.timedelta64(1, "D"))
    ended = day_after.tz_localize(zone)
    assert ended + pd.Timedelta(days=settle_days) <= end
    # And no more than two days and a half are given away.
    assert end - ended < pd.Timedelta(days=settle_days + 2, hours=14)


def test_the_kept_rate_at_a_given_length_lies_between_its_neighbours():
    def row(days, rate):
        return {"judged": 10, "mean_days": days, "kept_rate": rate}

    reliability = [row(3.0, 0.6), row(5.0, 0.8), row(6.0, 0.9)]
    assert days_matched_kept_rate(reliability, 4.0) == pytest.approx(0.7)
    assert days_matched_kept_rate(reliability, 6.0) == pytest.approx(0.9)
    assert days_matched_kept_rate(reliability, 2.9) is None
    assert days_matched_kept_rate([], 4.0) is None


def test_a_time_without_orders_is_an_error_that_says_when_there_are_some(network, tracked):
    config = replace(CONFIG, start=utc("2030-01-01"), end=utc("2030-02-01"))
    with pytest.raises(ContractError, match="2025-03-03"):
        run_backtest(tracked, config, fit=TrainOracle(network.config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": utc("2025-05-12")}, "end after its start"),
        ({"start": pd.Timestamp("2025-05-12")}, "naive"),
        ({"every": "year"}, "'month', 'week' or 'once'"),
        ({"refresh_every": 0}, "refresh_every"),
        ({"settle_days": -1}, "settle_days"),
        ({"smallest_group": 0}, "smallest_group"),
        ({"service_levels": (0.9, 1.0)}, "service_levels=1.0"),
        ({"main_level": 0.7}, "main_level"),
    ],
)
def test_an_impossible_walk_is_refused(change, message):
    with pytest.raises(ContractError, match=message):
        replace(CONFIG, **change)


def test_orders_before_the_walk_are_needed_to_train_on(tracked, network):
    begins = tracked.shipments["ordered_at"].min().floor("D")
    early = replace(CONFIG, start=begins, end=begins + pd.Timedelta(days=14))
    with pytest.raises(ContractError, match=r"no order before .* to train on: the first is of"):
        run_backtest(tracked, early, fit=TrainOracle(network.config))


def test_a_level_that_no_date_reaches_is_told_as_such(walked):
    row = walked.facts["service_levels"][-1]
    none = row | {"judged": 0, "pending": 0, "undated": row["promises"]}
    assert "no date reaches" in _level_line(none)
    waiting = row | {"judged": 0, "pending": row["promises"], "undated": 0}
    assert "can be judged yet" in _level_line(waiting)
    assert _level_line(row).startswith(f"{100 * row['service_level']:g} %: kept")
