"""Random shipments and scans: few shipments, a coarse clock, so that everything collides."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from etapromise.tracking import STATUSES

START = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
HALF_DAY = dt.timedelta(hours=12)
IDS = ("a", "b", "c")
CARRIERS = ("acme", "zoom", None)

# Statuses that decide something come more often than those that only tell that the parcel moves.
_DECIDING = (
    "label_created",
    "picked_up",
    "attempted",
    "available_for_pickup",
    "delivered",
    "returning",
    "returned",
    "lost",
    "cancelled",
    "transferred",
)


@st.composite
def scan_rows(draw: st.DrawFn, *, ids: tuple[str, ...] = IDS) -> list[dict[str, Any]]:
    """Scans within eighty days, some received before they happened, some sent twice."""
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "shipment_id": st.sampled_from(ids),
                    "scanned_at": st.integers(-10, 150).map(lambda k: START + k * HALF_DAY),
                    "delay": st.one_of(
                        st.none(), st.just(0), st.integers(0, 12), st.integers(-6, 100)
                    ),
                    "status": st.one_of(st.sampled_from(_DECIDING), st.sampled_from(STATUSES)),
                    "carrier": st.sampled_from(CARRIERS),
                }
            ),
            max_size=25,
        )
    )
    for row in rows:
        delay = row.pop("delay")
        row["received_at"] = None if delay is None else row["scanned_at"] + delay * HALF_DAY
    if rows:
        again = draw(st.lists(st.sampled_from(rows), max_size=5))
        later = draw(st.integers(0, 10))
        rows += [
            {**row, "received_at": (row["received_at"] or row["scanned_at"]) + later * HALF_DAY}
            for row in again
        ]
    return rows


def scans_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as accepted scans."""
    names = ("shipment_id", "scanned_at", "status", "received_at", "carrier")
    kinds = ("str", "datetime64[us, UTC]", "str", "datetime64[us, UTC]", "str")
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype=kind)
            for name, kind in zip(names, kinds, strict=True)
        }
    )


def shipments_table(ids: tuple[str, ...] = IDS) -> pd.DataFrame:
    """Shipments of one carrier, another, and one that is not said; ordered on one day."""
    return pd.DataFrame(
        {
            "shipment_id": pd.Series(ids, dtype="str"),
            "ordered_at": pd.Series([START] * len(ids), dtype="datetime64[us, UTC]"),
            "origin": "10115",
            "destination": "88032",
            "carrier": pd.Series([CARRIERS[i % 3] for i in range(len(ids))], dtype="str"),
        }
    )
