"""States of parcels against a plain reading of the scans as a set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from etapromise.array_types import MISSING
from etapromise.in_transit.states import ParcelScans
from etapromise.in_transit.transit_parts import STAGES
from etapromise.tracking.contract import POSSESSION_STATUSES, STATUSES
from tests.tracking.reopened import reopened

START = pd.Timestamp("2025-03-03", tz="UTC")
HOUR = pd.Timedelta(hours=1)
STAGE_OF = {
    "picked_up": "handed_over",
    "customs_hold": "customs",
    "out_for_delivery": "out_for_delivery",
    "attempted": "attempted",
    "available_for_pickup": "available_for_pickup",
}


def plain(scans: list[tuple[int, int, str]], hour: int) -> dict[str, object]:
    """What (event hour, hours to receipt, status) say by `hour`, by definition."""
    known = sorted({(at, status) for at, late, status in scans if at + late <= hour})
    rank = {status: number for number, status in enumerate(STATUSES)}
    known.sort(key=lambda one: (one[0], rank[one[1]]))
    void = reopened(known, 12)
    stand = [one for one, never in zip(known, void, strict=True) if not never]
    back = min((at for at, s in stand if s in ("returning", "returned")), default=None)
    delivered = [at for at, s in stand if s == "delivered" and (back is None or at < back)]
    moves = [one for one in known if one[1] in POSSESSION_STATUSES]
    closings = [one for one in known if one[1] in ("lost", "damaged", "cancelled")]
    status = known[-1][1] if known else None
    stage = "ordered"
    if delivered:
        stage = status = "delivered"
    elif back is not None:
        stage = status = "returned" if any(s == "returned" for _, s in stand) else "returning"
    elif closings and (not moves or closings[-1][0] >= moves[-1][0]):
        stage = status = closings[-1][1]
    elif moves:
        stage = STAGE_OF.get(moves[-1][1], "in_transit")
    return {
        "stage": stage,
        "status": status,
        "arrived": min(delivered) if delivered else None,
        "last": known[-1][0] if known else None,
        "picked_up": moves[0][0] if moves else None,
        "scans": len(known),
        "attempts": sum(status == "attempted" for _, status in known),
    }


def table(scans: list[tuple[int, int, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(scans, columns=["at", "late", "status"])
    scanned = START + frame["at"] * HOUR
    return pd.DataFrame(
        {
            "shipment_id": "P",
            "scanned_at": scanned.astype("datetime64[us, UTC]"),
            "received_at": (scanned + frame["late"] * HOUR).astype("datetime64[us, UTC]"),
            "status": frame["status"].astype("str"),
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    scans=st.lists(
        st.tuples(
            st.integers(0, 90),
            st.integers(0, 40),
            st.sampled_from(STATUSES)
            | st.sampled_from(("delivered", "returning", "returned", "out_for_delivery")),
        ),
        min_size=1,
        max_size=12,
    ),
    hours=st.lists(st.integers(0, 140), min_size=1, max_size=6),
)
def test_states_are_what_the_set_of_scans_says(scans, hours):
    shipments = pd.DataFrame({"shipment_id": ["other", "P"], "ordered_at": [START, START]})
    doubled = table([*scans, *scans[::2]])
    sent = ParcelScans.of(shipments, doubled)
    moments = np.array(sorted(hours))
    asked = (START.tz_localize(None).to_datetime64() + moments.astype("timedelta64[h]")).astype(
        "datetime64[us]"
    )
    states = sent.states(np.ones(len(moments), np.int64), asked.view(np.int64), "delivered")
    zero = START.tz_localize(None).to_datetime64().astype("datetime64[us]").view(np.int64)

    def hour(moment: int) -> int | None:
        return None if moment == MISSING else int((moment - zero) // 3_600_000_000)

    for k, moment in enumerate(moments):
        expected = plain(scans, int(moment))
        status = states.last_status[k]
        assert {
            "stage": STAGES[states.stage[k]],
            "status": None if status == 255 else STATUSES[status],
            "arrived": hour(states.arrived[k]),
            "last": hour(states.last_scan[k]),
            "picked_up": hour(states.picked_up[k]),
            "scans": states.scans[k],
            "attempts": states.attempts[k],
        } == expected
