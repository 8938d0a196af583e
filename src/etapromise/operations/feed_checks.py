"""Checks of the feed of scans: times, codes and rejects that are not as they used to be.

The retraining gate and the monitor share them: what makes a model wrong shows in the feed days
before it shows in broken promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats, Mask
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import local_seconds
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory

QUIET_DAYS: Final = 4
"""Days without an order or a scan that are no end: a weekend and a holiday."""

_DAY: Final = pd.Timedelta(days=1)
COMPARED_WITH: Final = 56 * _DAY
"""The time before a week that it is compared with."""

_LEAST: Final = 50
# Hours from UTC from which the two readings of a clock are told apart.
_FAR: Final = 2
MANY_AT_NIGHT: Final = 0.2
"""Share of deliveries at night that no carrier has."""
_MOSTLY_AT_NIGHT: Final = 0.5
# So late the night of those who order ends, and so many of them are not awake in it.
_MORNING: Final = 6
_ORDERED_AT_NIGHT: Final = 0.3
# Around a change of the clocks, and how near to it, and how far from luck, deliveries then move.
_SEASON: Final = 42 * _DAY
_NEARLY: Final = 0.35
_SURELY: Final = 3.5
# A clock a little off, or an order written down after its label, is nothing to speak of.
_EARLIER: Final = pd.Timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class FeedLimits:
    """How far a carrier's feed may move in a week, against the eight weeks before it.

    Attributes:
        lag_hours: How far the usual time from a scan to its receipt may move.
        hour_shift: How many hours of the day deliveries may move, local time.
        night_more: How much the share of deliveries between 22 and 6 o'clock may rise.
        early_more: How much the share of scans made before their order may rise.
        rejected_more: How much the share of rejected scans may rise, doubles apart.
    """

    lag_hours: float = 2.0
    hour_shift: float = 2.0
    night_more: float = 0.05
    early_more: float = 0.02
    rejected_more: float = 0.05


@dataclass(frozen=True)
class FeedFault:
    """One limit that a carrier's feed has crossed.

    Attributes:
        check: Which, of `FEED_CHECKS`.
        row: What was measured of that carrier and week.
        moved: How far.
        allowed: The limit.
        text: The same in words.
    """

    check: str
    row: Mapping[str, Any]
    moved: float
    allowed: float
    text: str


FEED_CHECKS: Final = {
    "scan_clock": "the usual time from scan to receipt moved, as if times were in a wrong zone",
    "delivery_hours": "the usual hour of deliveries moved",
    "night_deliveries": "more deliveries come at night",
    "scans_before_order": "more scans come before their order",
    "rejected_scans": "more scans were rejected",
}
"""What each check says where it fails."""


def feed_end(history: TrackedHistory, moment: pd.Timestamp) -> pd.Timestamp | None:
    """The newest order or scan, UTC, where none came in for longer than usual before a moment.

    None where the feed goes on, or has never begun.
    """
    newest = history.newest(moment)
    if newest is None or moment - newest <= pd.Timedelta(days=QUIET_DAYS):
        return None
    return newest


def told_until(history: TrackedHistory, moment: pd.Timestamp) -> pd.Timestamp:
    """Until when scans tell what happened: the last of any carrier that came before a moment.

    What they do not tell is no delay: after a weekend without a file, nobody has delivered yet.
    """
    received = history.scans["received_at"]
    newest = received[received <= moment].max() if len(received) else None
    return moment if newest is None or pd.isna(newest) else newest


def feed_faults(
    clocks: Iterable[Mapping[str, Any]], rejected: Iterable[Mapping[str, Any]], limits: FeedLimits
) -> Iterator[FeedFault]:
    """Where the feed of a carrier is not as it was.

    Args:
        clocks: See `clock_shifts`.
        rejected: See `rejected_shares`; carriers with fewer than 50 scans say nothing of shares.
    """
    for row in clocks:
        for check, name, allowed in (
            ("scan_clock", "lag_hours", limits.lag_hours),
            ("delivery_hours", "hour_shift", limits.hour_shift),
        ):
            moved = row[name]
            if moved is not None and abs(moved) > allowed:
                yield FeedFault(check, row, moved, allowed, f"by {moved:+.1f} hours")
        yield from _risen("night_deliveries", row, "night_share", limits.night_more)
        yield from _risen("scans_before_order", row, "early_share", limits.early_more)
    for row in rejected:
        if row["scans"] >= _LEAST:
            yield from _risen("rejected_scans", row, "share", limits.rejected_more)


def _risen(check: str, row: Mapping[str, Any], name: str, allowed: float) -> Iterator[FeedFault]:
    now, before = row[name], row[f"{name}_before"] or 0.0
    if now is not None and now - before > allowed:
        text = f"{100 * now:.1f} %, before {100 * before:.1f} %"
        yield FeedFault(check, row, now - before, allowed, text)


def rejected_scans(history: TrackedHistory) -> pd.DataFrame:
    """The rejected scans, the doubles left out, which say nothing that was not said.

    Returns:
        (n,) rows ``received_at`` (UTC; the scan's own time where there is no receipt, NaT where
        neither can be read), ``carrier``, ``vocabulary``, ``status`` (text, as it came) and
        ``reason``.
    """
    rejects = history.scan_rejects
    rejects = rejects[rejects["reason"] != "duplicate_scan"].reset_index(drop=True)

    def words(name: str) -> pd.Series[Any]:
        return rejects.get(name, pd.Series(pd.NA, index=rejects.index)).astype(TEXT)

    def moments(name: str) -> pd.Series[Any]:
        return pd.to_datetime(words(name), utc=True, errors="coerce", format="ISO8601")

    carrier = words("carrier")
    if "carrier" in history.shipments:
        owner = history.shipments.drop_duplicates("shipment_id").set_index("shipment_id")["carrier"]
        carrier = carrier.fillna(words("shipment_id").map(owner))
    return pd.DataFrame(
        {
            "received_at": moments("received_at").fillna(moments("scanned_at")),
            "carrier": carrier.fillna("carrier not said"),
            "vocabulary": words("vocabulary").fillna("standard"),
            "status": words("status").fillna(""),
            "reason": rejects["reason"].astype(TEXT),
        }
    )


def all_received(
    history: TrackedHistory, until: pd.Timestamp
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """When each scan was received and whose it is, rejected ones included."""
    rejects = rejected_scans(history)
    received = pd.concat([history.scans["received_at"], rejects["received_at"]], ignore_index=True)
    carrier = pd.concat(
        [scan_carriers(history).astype(TEXT), rejects["carrier"]], ignore_index=True
    )
    told = (received <= until).to_numpy()
    return received[told].reset_index(drop=True), carrier[told].reset_index(drop=True)


def scan_carriers(history: TrackedHistory) -> pd.Series[Any]:
    """Whose each scan is, aligned with the scans: its own carrier, or else its shipment's."""
    scans = history.scans
    if "carrier" in scans and scans["carrier"].notna().any():
        return scans["carrier"].fillna("carrier not said")
    if "carrier" in history.shipments:
        owner = history.shipments.set_index("shipment_id")["carrier"]
        return scans["shipment_id"].map(owner).fillna("carrier not said")
    return pd.Series("all", index=scans.index)


def rejected_shares(
    history: TrackedHistory, *, start: pd.Timestamp, end: pd.Timestamp
) -> list[dict[str, Any]]:
    """Share of scans rejected, those received in ``[start, end)`` beside the eight weeks before.

    Returns:
        By carrier: ``carrier``, ``scans``, ``share``, ``share_before`` (None of nothing) and
        ``reasons`` (count by reason, lately).
    """
    rejects = rejected_scans(history)
    received, carrier = all_received(history, end)
    fresh = (received >= start) & (received < end)
    before = (received >= start - COMPARED_WITH) & (received < start)
    lately = (rejects["received_at"] >= start) & (rejects["received_at"] < end)
    earlier = (rejects["received_at"] >= start - COMPARED_WITH) & (rejects["received_at"] < start)
    found: list[dict[str, Any]] = []
    for name in sorted(carrier.unique()):
        ours, theirs = carrier == name, rejects["carrier"] == name
        now, then = int((ours & fresh).sum()), int((ours & before).sum())
        bad = rejects[theirs & lately]
        share = len(bad) / now if now else None
        share_before = int((theirs & earlier).sum()) / then if then else None
        row = {"carrier": str(name), "scans": now, "share": share, "share_before": share_before}
        counts = bad["reason"].value_counts().items()
        found.append(row | {"reasons": {str(why): int(n) for why, n in counts}})
    return found


def clock_shifts(
    history: TrackedHistory, *, start: pd.Timestamp, end: pd.Timestamp
) -> list[dict[str, Any]]:
    """What each carrier's scans received in ``[start, end)`` say about its clock.

    Compared with the eight weeks before. A local time marked as UTC is some hours off: it seems to
    be received late, deliveries move into the night, and first scans come before the order.

    Returns:
        For each carrier with 50 scans on both sides: ``carrier``, ``scans``, ``lag_hours`` (by
        which the median time from scan to receipt moved), ``hour_shift`` (by which the mean hour of
        deliveries moved on the clock's face, in the destination's local time; the circular mean,
        Mardia & Jupp 2000, ch. 2), ``night_share`` and ``night_share_before`` (deliveries between
        22 and 6 o'clock), ``early_share`` and ``early_share_before`` (scans made over half an hour
        before their order). None where there are too few deliveries.
    """
    scans = history.scans
    carrier = scan_carriers(history)
    received = scans["received_at"]
    fresh = ((received >= start) & (received < end)).to_numpy()
    before = ((received >= start - COMPARED_WITH) & (received < start)).to_numpy()
    lag = ((received - scans["scanned_at"]).dt.total_seconds() / 3600).to_numpy()
    ordered = scans["shipment_id"].map(
        history.shipments.drop_duplicates("shipment_id").set_index("shipment_id")["ordered_at"]
    )
    early = (scans["scanned_at"] < ordered - _EARLIER).to_numpy()
    hours = _delivery_hours(history, fresh | before)
    found = []
    for name in sorted(carrier.unique()):
        ours = (carrier == name).to_numpy()
        new, old = ours & fresh, ours & before
        if min(new.sum(), old.sum()) < _LEAST:
            continue
        shift: dict[str, Any] = {
            "carrier": str(name),
            "scans": int(new.sum()),
            "lag_hours": float(np.median(lag[new]) - np.median(lag[old])),
            "early_share": float(early[new].mean()),
            "early_share_before": float(early[old].mean()),
        }
        found.append(shift | _hours_moved(hours[new], hours[old]))
    return found


def clocks_marked_as_utc(history: TrackedHistory) -> list[dict[str, Any]]:
    """Carriers whose local times seem to be marked as UTC.

    Of one scan nobody can tell whether a local time was marked as UTC; of a feed the nights do.
    Scans without a clock, and destinations within two hours of UTC, say nothing.

    Returns:
        For each such carrier with 50 deliveries: ``carrier``, ``deliveries``, ``night_share`` (22
        to 6 o'clock at the destination, as marked) and ``night_share_as_local`` (were the clock
        that was written the local one); the latter is a third of the former at most.
    """
    scans = history.scans
    carrier = scan_carriers(history).astype(TEXT)
    local = _delivery_hours(history, _clocked(scans))
    utc = scans["scanned_at"].dt.tz_localize(None)
    marked = np.where(np.isnan(local), np.nan, utc.dt.hour + utc.dt.minute / 60.0)
    away = np.abs((local - marked + 12) % 24 - 12) >= _FAR
    found = []
    for name in sorted(carrier.unique()):
        rows = (carrier == name).to_numpy() & ~np.isnan(local) & away
        if rows.sum() < _LEAST:
            continue
        share, as_local = (_night(hours[rows]) for hours in (local, marked))
        if share >= MANY_AT_NIGHT and as_local <= share / 3:
            row = {"carrier": str(name), "deliveries": int(rows.sum()), "night_share": share}
            found.append(row | {"night_share_as_local": as_local})
    return found


def marked_as_utc_text(row: dict[str, Any]) -> str:
    """One of `clocks_marked_as_utc` in words."""
    return (
        f"{row['night_share']:.0%} of the {row['deliveries']:,} deliveries of "
        f"{row['carrier']!r} fall into the night, {row['night_share_as_local']:.0%} if their "
        "times are local ones marked as UTC; check the feed's offsets"
    )


def doubtful_clocks(history: TrackedHistory, marked: Iterable[Mapping[str, Any]]) -> list[str]:
    """Times of orders and deliveries that seem to be on another clock than it was said, in words.

    Args:
        marked: What `clocks_marked_as_utc` found: of these it is known which.
    """
    return [
        *_deliveries_at_night(history, marked),
        *_orders_at_night(history.shipments),
        *_without_summer_time(history),
    ]


def _orders_at_night(orders: pd.DataFrame) -> list[str]:
    zones, _ = ZoneMap.learned(orders, default=None).resolve_many(orders, "destination")
    hours = (local_seconds(orders["ordered_at"], zones) % 86_400) / 3600.0
    share = float((hours < _MORNING).mean()) if len(hours) >= _LEAST else 0.0
    if share < _ORDERED_AT_NIGHT:
        return []
    told = (
        f"{share:.0%} of the orders were placed between 0 and {_MORNING} o'clock where they go: "
        "their times are on another clock than it was said, such as UTC, or those of a job that "
        "runs at night, so that the day may be another"
    )
    return [told]


def _without_summer_time(history: TrackedHistory) -> list[str]:
    """Zones whose deliveries moved by an hour when their clocks did, as if on a clock that did not.

    Whether a local time was marked as UTC, or with the offset of the winter, no hour tells near
    UTC; the change of the clocks does.
    """
    if "destination_time_zone" not in history.shipments:
        return []
    local = _delivery_hours(history, _clocked(history.scans))
    came = history.scans[~np.isnan(local)]
    came = pd.DataFrame(
        {"at": came["scanned_at"], "id": came["shipment_id"], "hour": local[came.index]}
    )
    came = came.sort_values("at", kind="stable", ignore_index=True)
    utc = came["at"].dt.hour + came["at"].dt.minute / 60.0
    came["ahead"] = np.round(4 * ((came["hour"] - utc + 12) % 24 - 12)) / 4
    owner = pd.Index(history.shipments["shipment_id"]).get_indexer(came["id"])
    zones = history.shipments["destination_time_zone"].take(owner).to_numpy()
    found = []
    for zone, theirs in came.groupby(zones, sort=True):
        changes = theirs[theirs["ahead"].diff().fillna(0.0) != 0]
        if not len(changes):
            continue
        changed, step = changes["at"].iloc[0], theirs["ahead"].diff().loc[changes.index[0]]
        since = theirs["at"] - changed
        old, new = (
            theirs["hour"][(since >= low) & (since < low + _SEASON)].to_numpy()
            for low in (-_SEASON, 0 * _SEASON)
        )
        moved = _hours_moved(new, old)["hour_shift"]
        if moved is None:
            continue
        luck = float(np.hypot(new.std() / len(new) ** 0.5, old.std() / len(old) ** 0.5))
        if abs(moved) > _SURELY * luck and abs(moved - step) < max(_NEARLY, 2 * luck):
            found.append(
                f"deliveries to {zone} moved by {moved:+.1f} hours when its clocks changed on "
                f"{changed.date()}, as if their own had not: local times marked as UTC, or with "
                "one offset all year; check the feed's offsets"
            )
    return found


def _deliveries_at_night(history: TrackedHistory, marked: Iterable[Mapping[str, Any]]) -> list[str]:
    """Carriers most of whose deliveries fall into the night, in words.

    Their times are on another clock than it was said, or those of a job that ran at night.
    """
    came = _clocked(history.scans) & (history.scans["status"] == "delivered").to_numpy()
    history = replace(history, scans=history.scans[came].reset_index(drop=True))
    carrier = scan_carriers(history).astype(TEXT)
    hours = _delivery_hours(history, np.ones(len(history.scans), dtype=bool))
    known = {row["carrier"] for row in marked}
    found = []
    for name in sorted(set(carrier.unique()) - known):
        ours = hours[(carrier == name).to_numpy() & ~np.isnan(hours)]
        if len(ours) >= _LEAST and _night(ours) >= _MOSTLY_AT_NIGHT:
            found.append(
                f"{_night(ours):.0%} of the {len(ours):,} deliveries of {name!r} fall into the "
                "night: their times are on another clock than it was said, or those of a job that "
                "runs at night, so that the day may be another"
            )
    return found


def _clocked(scans: pd.DataFrame) -> Mask:
    """(n,) which scans have a clock time."""
    if "scanned_on" not in scans:
        return np.ones(len(scans), dtype=bool)
    return np.asarray(scans["scanned_on"].isna().to_numpy(), dtype=bool)


def _night(hours: Floats) -> float:
    return float(((hours >= 22) | (hours < 6)).mean())


def _delivery_hours(history: TrackedHistory, wanted: Mask) -> Floats:
    """Local hour of each delivery scan, (scans,), NaN of other scans and where not wanted."""
    scans = history.scans
    hours = np.full(len(scans), np.nan)
    rows = np.flatnonzero(wanted & (scans["status"] == "delivered").to_numpy())
    place = pd.Index(history.shipments["shipment_id"]).get_indexer(scans["shipment_id"].iloc[rows])
    rows, place = rows[place >= 0], place[place >= 0]
    if len(rows):
        zones = ZoneMap.learned(history.shipments, default=None)
        found, _ = zones.resolve_many(
            history.shipments.iloc[place].reset_index(drop=True), "destination"
        )
        seconds = local_seconds(scans["scanned_at"].iloc[rows].reset_index(drop=True), found)
        hours[rows] = (seconds % 86_400) / 3600.0
    return hours


def _hours_moved(new: Floats, old: Floats) -> dict[str, Any]:
    new, old = new[~np.isnan(new)], old[~np.isnan(old)]
    if min(len(new), len(old)) < _LEAST:
        return {"hour_shift": None, "night_share": None, "night_share_before": None}
    # The mean of the hands of a clock of 24 hours, kept off zero, where it points nowhere.
    now, then = (complex(np.exp(2j * np.pi * hours / 24).mean()) + 1e-12 for hours in (new, old))
    turn = float(np.angle(now / then) / (2 * np.pi) * 24)
    return {"hour_shift": turn, "night_share": _night(new), "night_share_before": _night(old)}
