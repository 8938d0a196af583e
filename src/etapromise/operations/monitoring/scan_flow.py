"""The flow of scans: who has gone silent, and whose codes nobody can read."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import pdtr

from etapromise.calendars.working_clocks import named_holidays
from etapromise.operations.feed_checks import all_received, rejected_scans, scan_carriers
from etapromise.tracking import TrackedHistory

_UNREADABLE: Final = ("unknown_status", "unknown_vendor_code", "unknown_vocabulary")

_DAY: Final = pd.Timedelta(days=1)
_WEEKS: Final = 4
_WINDOW: Final = 2
# A carrier with fewer scans on such a day may be quiet for no reason.
_LEAST_USUAL: Final = 10.0
_LEAST_UNREADABLE: Final = 5
_MOST_CODES: Final = 10


def silent_carriers(history: TrackedHistory, *, as_of: pd.Timestamp) -> list[dict[str, Any]]:
    """Scans received in the last two days beside what is usual for these days of the week.

    Unreadable scans count: who sends them is not silent. A day that is a public holiday where
    most of a carrier's parcels go is looked at neither now nor in the weeks before. Where nobody
    has sent anything for weeks, usual is what was before.

    Returns:
        For each carrier: ``carrier``, ``hours`` looked at of the last 48, ``received`` in them,
        ``usual`` (the median of the same hours of the four weeks before), ``hours_since_last`` and
        ``luck``, the probability of so few by chance (Poisson). Carriers with fewer than ten usual
        scans have ``luck`` 1.
    """
    received, carrier = all_received(history, as_of)
    age = (as_of - received).dt.total_seconds() / 86_400
    dead = int(age.min() // 7) if len(age) else 0
    off = _days_off(history, as_of)
    found = []
    for name in sorted(carrier.unique()):
        ours = age[carrier == name].to_numpy(dtype=np.float64)
        # 0 within the last 24 hours, what came in just now among it.
        ago = np.maximum(np.ceil(ours).astype(np.int64) - 1, 0)
        days = [day for day in range(_WINDOW) if day not in off.get(name, ())]
        lately, *past = (
            int(np.isin(ago - 7 * week, days).sum())
            for week in (0, *range(dead + 1, dead + _WEEKS + 1))
        )
        usual = float(np.median(past))
        luck = float(pdtr(lately, usual)) if usual >= _LEAST_USUAL else 1.0
        row = {"carrier": str(name), "hours": 24 * len(days), "received": lately, "usual": usual}
        found.append(row | {"hours_since_last": float(24 * ours.min()), "luck": luck})
    return found


def _days_off(history: TrackedHistory, as_of: pd.Timestamp) -> dict[str, set[int]]:
    """By carrier, which of the last days (0: the last 24 hours) are public holidays for it."""
    places = ["destination_country", "destination_time_zone"]
    if not {*places} <= {*history.shipments}:
        return {}
    recent = history.scans["received_at"].between(as_of - (7 * _WEEKS + _WINDOW) * _DAY, as_of)
    owner = history.shipments.set_index("shipment_id")[places]
    where = owner.reindex(history.scans.loc[recent, "shipment_id"])
    where["carrier"] = scan_carriers(history)[recent].to_numpy()
    most = where.value_counts().reset_index().drop_duplicates("carrier")
    off: dict[str, set[int]] = {}
    for country, zone, carrier in most[[*places, "carrier"]].itertuples(index=False):
        for ago in range(_WINDOW):
            noon = (as_of - (ago + 0.5) * _DAY).tz_convert(zone)
            day = int(np.datetime64(noon.date(), "D").astype(int))
            if named_holidays(country, "", day, day):
                off.setdefault(carrier, set()).add(ago)
    return off


def unreadable_codes(
    history: TrackedHistory, *, as_of: pd.Timestamp, days: int
) -> list[dict[str, Any]]:
    """Codes of the latest days that are in no vocabulary, by carrier and vendor.

    Returns:
        ``carrier``, ``vocabulary``, ``scans`` that cannot be read, ``share`` of all the carrier's
        scans in that time, ``codes`` (the most frequent, at most ten), ``first_received`` and
        ``new`` (whether none of them had been received before these days). At least five scans.
    """
    rejects = rejected_scans(history)
    rejects = rejects[(rejects["received_at"] <= as_of) & rejects["reason"].isin(_UNREADABLE)]
    received, carrier = all_received(history, as_of)
    fresh = received > as_of - days * _DAY
    totals = carrier[fresh].value_counts()
    start = as_of - days * _DAY
    found = []
    lately = rejects[rejects["received_at"] > start]
    for (name, vocabulary), rows in lately.groupby(["carrier", "vocabulary"], sort=True):
        if len(rows) < _LEAST_UNREADABLE:
            continue
        counts = rows["status"].value_counts()
        earlier = rejects[
            (rejects["received_at"] <= start)
            & (rejects["carrier"] == name)
            & rejects["status"].isin(counts.index)
        ]
        found.append(
            {
                "carrier": str(name),
                "vocabulary": str(vocabulary),
                "scans": len(rows),
                "share": len(rows) / max(1, int(totals.get(name, len(rows)))),
                "codes": [str(code) for code in counts.index[:_MOST_CODES]],
                "first_received": rows["received_at"].min().isoformat(),
                "new": earlier.empty,
            }
        )
    return found
