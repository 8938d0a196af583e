"""The Olist orders in the data contract: read in place, never copied into the project."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from etapromise.tracking.tracked import TrackedHistory, history

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "olist"
ZONE = "America/Sao_Paulo"
NUMERIC = ("price", "freight", "volume_cm3", "n_items", "ship_limit_days")
CATEGORICAL = ("category",)
# Their time is not known, so nothing could be learnt from them as of a moment.
CALLED_OFF = ("canceled", "unavailable")


def require_olist() -> None:
    """Leave with a clear message where the data are not there."""
    if not (FOLDER / "shipments.parquet").exists():
        print(f"skipped: no Olist orders in {FOLDER}; this benchmark reads them from there")
        sys.exit(0)


def olist_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shipments and scans of the contract; orders called off, or without an origin, left out.

    A seller is an origin: the place code is the seller's own, its region the state.
    """
    raw = pd.read_parquet(FOLDER / "shipments.parquet")
    raw = raw[~raw["status"].isin(CALLED_OFF) & raw["seller_id"].notna() & raw["dest_zip"].notna()]
    ordered = raw["order_time"]
    shipments = pd.DataFrame(
        {
            "shipment_id": raw["shipment_id"],
            "order_id": raw["order_id"],
            "ordered_at": ordered,
            "origin": raw["seller_id"],
            "origin_region": raw["origin_state"],
            "origin_country": "BR",
            "destination": raw["dest_zip"],
            "destination_region": raw["dest_state"],
            "destination_country": "BR",
            "destination_time_zone": ZONE,
            "origin_lat": raw["origin_lat"].astype("float64"),
            "origin_lon": raw["origin_lon"].astype("float64"),
            "destination_lat": raw["dest_lat"].astype("float64"),
            "destination_lon": raw["dest_lon"].astype("float64"),
            "weight_kg": raw["weight_g"].astype("float64") / 1000.0,
            "promised_date": pd.to_datetime(raw["promised_date"]),
            "price": raw["price"].astype("float64"),
            "freight": raw["freight"].astype("float64"),
            "volume_cm3": raw["volume_cm3"].astype("float64"),
            "n_items": raw["n_items"].astype("float64"),
            "ship_limit_days": (raw["ship_limit_time"] - ordered).dt.total_seconds() / 86_400,
            "category": raw["category"],
        }
    )
    events = {"ship_time": "picked_up", "delivered_time": "delivered"}
    scans = pd.concat(
        [
            pd.DataFrame(
                {
                    "shipment_id": raw["shipment_id"],
                    "scanned_at": raw[column],
                    "status": status,
                }
            ).dropna(subset=["scanned_at"])
            for column, status in events.items()
        ],
        ignore_index=True,
    )
    return shipments, scans


def olist_history() -> TrackedHistory:
    """Both tables, tracked."""
    shipments, scans = olist_tables()
    return history(shipments, scans, naive_time_zone=ZONE)
