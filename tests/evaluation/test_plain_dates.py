"""A backtest on delivery dates judges by the dates that were delivered on, wherever that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from etapromise.evaluation.backtest import BacktestConfig, run_backtest
from etapromise.evaluation.replay import TrainModel
from etapromise.tracking import history
from tests.small_network import TRAINING

ORDERS = 900
DAYS = 120
# Ahead of the warehouse, behind it, an hour off it, and half an hour off the hour.
ZONES = {
    "Australia/Sydney": ("AU", "NSW"),
    "America/Vancouver": ("CA", "BC"),
    "Europe/Lisbon": ("PT", "11"),
    "Asia/Kolkata": ("IN", "MH"),
}


def network(form: str, named: str | None) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Orders of a warehouse in Berlin, their deliveries, and the local dates of these."""
    random = np.random.default_rng(7)
    zone = random.choice(sorted(ZONES), ORDERS)
    minute = np.sort(random.integers(0, DAYS * 1440, ORDERS))
    ordered = pd.Timestamp("2025-08-01", tz="UTC") + pd.to_timedelta(minute, unit="min")
    shipments = pd.DataFrame(
        {
            "shipment_id": [f"P{number}" for number in range(ORDERS)],
            "ordered_at": ordered.strftime("%Y-%m-%dT%H:%MZ"),
            "carrier": "acme",
            "origin": "10115",
            "origin_country": "DE",
            "destination": [f"{number % 9}" for number in range(ORDERS)],
            "destination_country": [ZONES[name][0] for name in zone],
            "destination_region": [ZONES[name][1] for name in zone],
        }
    )
    local = [moment.tz_convert(name) for moment, name in zip(ordered, zone, strict=True)]
    days = 2 + random.binomial(6, 0.4, ORDERS)
    dates = [
        moment.tz_localize(None).normalize() + pd.Timedelta(days=int(day))
        for moment, day in zip(local, days, strict=True)
    ]
    if form == "plain":
        scanned = [f"{date:%Y-%m-%d}" for date in dates]
    elif form == "midnight":
        scanned = [f"{date:%Y-%m-%d}T00:00:00Z" for date in dates]
    elif form == "bare midnight":
        scanned = [f"{date:%Y-%m-%d} 00:00:00" for date in dates]
    else:
        # From six in the morning to ten at night: in UTC often another date.
        hours = random.integers(6, 22, ORDERS)
        clock = named or "UTC"
        moments = [
            (date + pd.Timedelta(hours=int(hour), minutes=30)).tz_localize(name).tz_convert(clock)
            for date, hour, name in zip(dates, hours, zone, strict=True)
        ]
        bare = form == "bare clock"
        scanned = [f"{moment:%Y-%m-%d %H:%M}{'' if bare else 'Z'}" for moment in moments]
    shop = [moment.tz_localize(None).normalize() + pd.Timedelta(days=4) for moment in local]
    shipments["promised_date"] = [f"{date:%Y-%m-%d}" for date in shop]
    scans = pd.DataFrame(
        {"shipment_id": shipments["shipment_id"], "status": "delivered", "scanned_at": scanned}
    )
    return shipments, scans, pd.Series(dates, index=shipments["shipment_id"])


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("plain", None),
        ("plain", "Europe/Berlin"),
        ("plain", "America/New_York"),
        ("midnight", None),
        ("midnight", "Europe/Berlin"),
        ("bare midnight", "Europe/Berlin"),
        ("bare midnight", "Pacific/Auckland"),
        ("clock", None),
        ("bare clock", "America/New_York"),
    ],
)
def test_the_kept_rate_is_the_truth_s(form: str, named: str | None) -> None:
    shipments, scans, truth = network(form, named)
    config = BacktestConfig(
        start=pd.Timestamp("2025-11-01", tz="UTC"),
        end=pd.Timestamp("2025-11-20", tz="UTC"),
        refresh_every=30,
        jobs=1,
    )
    recipe = replace(TRAINING, members=1, boosting=replace(TRAINING.boosting, rounds=4))
    tracked = history(shipments, scans, naive_time_zone=named)
    result = run_backtest(tracked, config, fit=TrainModel(recipe, threads=1, quotes_only=True))
    table = result.table
    dates = truth.loc[table["shipment_id"].astype(str)].to_numpy()
    assert (table["event_date"].to_numpy() == dates.astype("datetime64[s]")).all()
    arrived = (dates - table["origin_date"].to_numpy()) // np.timedelta64(1, "D")
    for told in result.facts["service_levels"]:
        promised = table[f"days_{100 * told['service_level']:g}"].to_numpy()
        assert told["judged"] == len(table) > 100
        assert told["kept_rate"] == float((arrived <= promised).mean())
    assert 0.5 < result.facts["service_levels"][0]["kept_rate"] < 1.0
    # What the shop promised needs no model.
    promised = pd.to_datetime(shipments.set_index("shipment_id")["promised_date"])
    by_shop = dates <= promised.loc[table["shipment_id"].astype(str)].to_numpy()
    assert result.facts["shop"]["kept_rate"] == pytest.approx(by_shop.mean(), abs=1e-12)
    assert 0.3 < by_shop.mean() < 0.9
