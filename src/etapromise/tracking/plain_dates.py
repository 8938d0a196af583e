"""Scans with a date and no clock: a local date at the place where the thing happened.

A delivery, an attempt or a notice happens at the destination, an order or a pick-up at the origin.
Until the shipment is known such a scan stands at noon UTC with its date in ``scanned_on``; then it
is noon at the place, and was known at the end of that day.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import MISSING
from etapromise.tracking.columns import NOON, localized
from etapromise.tracking.contract import STATUSES
from etapromise.tracking.faults import Faults
from etapromise.tracking.places import LEAST_MIDNIGHTS, zones_of
from etapromise.tracking.texts import ColumnValues, Identifiers
from etapromise.tracking.times import DAY, WallTimes, at_midnight

# So many scans mostly show which statuses have a clock; only the others are looked at in full.
_FIRST_SCANS: Final = 4096
# So many scans of a status at noon, at the end of a day or at midnight of a place are no chance.
_LEAST_ALIKE: Final = 20
# The zones of most parcels, among which such a midnight's is looked for.
_USUAL_ZONES: Final = 3
_HALF_HOUR: Final = DAY // 48
_LAST_MINUTE: Final = DAY - DAY // 1440
_AT_ORIGIN: Final = frozenset({"label_created", "picked_up", "cancelled"})


def place_plain_dates(
    values: MutableMapping[str, ColumnValues],
    written: Mapping[str, WallTimes],
    status: npt.NDArray[np.int8],
    faults: Faults,
    named: str | None,
) -> None:
    """Find the scans without a clock, and give them ``scanned_on``.

    Dates alone are such; and so are stored midnights, where a status has no other time: those of
    the zone that was written, of UTC or of the named zone. Noons and ends of days are, too.

    Args:
        written: What their times looked like.
        status: (n,) positions in `STATUSES`, -1 where it is unknown.
    """
    clocks = written.get("scanned_at")
    moments = values.get("scanned_at")
    if clocks is None or not isinstance(moments, pd.Series):
        return
    dated = clocks.plain
    stated = values.get("scanned_on")
    if isinstance(stated, pd.Series):
        dated = dated | stated.notna().to_numpy()
    dates = int(dated.sum())
    faults.note(
        dates,
        "plain_scanned_at",
        "scanned_at",
        "have no clock time, and are taken as local dates where the thing happened",
    )
    midnights = []
    for wall in _walls(clocks, moments, named):
        found = _dates_of_statuses(wall, (clocks.wall != MISSING) & ~dated, status)
        if not found:
            continue
        rows = np.concatenate([*found.values()])
        midnights.append((rows, wall[rows] // DAY * DAY))
        dated = dated.copy()
        dated[rows] = True
        faults.note(
            len(rows),
            "midnight_scanned_at",
            "scanned_at",
            "are midnights, noons or ends of days, as all times of their status, and are taken as "
            "local dates",
            [STATUSES[number] for number in found],
        )
    if not dates and not midnights:
        return
    day = np.full(len(status), MISSING, np.int64)
    if clocks.plain.any():
        day[clocks.plain] = clocks.wall[clocks.plain] // DAY * DAY
    if isinstance(stated, pd.Series):
        told = stated.to_numpy().astype("datetime64[us]").view(np.int64)
        day = np.where(told != MISSING, told, day)
    for rows, days in midnights:
        day[rows] = days
    plain = day != MISSING
    values["scanned_on"] = pd.Series(day.view("datetime64[us]"))
    utc = moments.dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
    values["scanned_at"] = _moments(np.where(plain, day + NOON, utc))


def _dates_of_statuses(
    wall: npt.NDArray[np.int64], rest: npt.NDArray[np.bool_], status: npt.NDArray[np.int8]
) -> dict[int, npt.NDArray[np.intp]]:
    """By status that has no time but one that says nothing, the rows (of the `rest`) that have it.

    Midnight; of many scans noon, or the last minute of the day.
    """
    first = wall[:_FIRST_SCANS]
    told = at_midnight(first) | (first % DAY == DAY // 2) | (first % DAY >= _LAST_MINUTE)
    clock = rest[:_FIRST_SCANS] & ~told
    clocked = set(np.unique(status[:_FIRST_SCANS][clock]).tolist())
    found = {}
    for number in sorted(set(range(len(STATUSES))) - clocked):
        rows = np.flatnonzero((status == number) & rest)
        hours = wall[rows] % DAY
        if (len(rows) >= LEAST_MIDNIGHTS and at_midnight(wall[rows]).all()) or (
            len(rows) >= _LEAST_ALIKE
            and ((hours == DAY // 2).all() or (hours >= _LAST_MINUTE).all())
        ):
            found[number] = rows
    return found


def _walls(
    clocks: WallTimes, moments: pd.Series[Any], named: str | None
) -> list[npt.NDArray[np.int64]]:
    """The clocks on which midnights are looked for: as written, in UTC, in the named zone."""
    walls = [clocks.wall]
    if (clocks.zoned & (clocks.offset != 0)).any():
        walls.append(clocks.utc)
    if named is not None:
        local = moments.dt.tz_convert(named).dt.tz_localize(None).to_numpy()
        walls.append(local.astype("datetime64[us]").view(np.int64))
    return walls


def _moments(counts: npt.NDArray[np.int64]) -> pd.Series[Any]:
    return pd.Series(counts.view("datetime64[us]")).dt.tz_localize("UTC")


def at_their_places(
    scans: pd.DataFrame, shipments: pd.DataFrame, named: str | None
) -> pd.DataFrame:
    """The scans with those that have no clock at noon of their day where it happened.

    Moments that are midnights of a zone from which or to which parcels go, as all of their status,
    have none either: a program wrote its local dates in UTC.

    Args:
        shipments: Accepted shipments; scans of others stay at noon UTC.
    """
    scans = _with_local_midnights(scans, shipments, named)
    if "scanned_on" not in scans or not len(shipments):
        return scans
    plain = scans["scanned_on"].notna().to_numpy()
    owner = Identifiers(shipments["shipment_id"]).rows(scans["shipment_id"])
    rows = np.flatnonzero(plain & (owner >= 0))
    if not len(rows):
        return scans
    zones = _zones(shipments, owner[rows], scans["status"].iloc[rows], named)
    day = scans["scanned_on"].to_numpy()[rows].astype("datetime64[us]").view(np.int64)
    scans = scans.copy()
    noon = localized(day + NOON, zones)
    counts = _counts(scans["scanned_at"])
    counts[rows] = noon
    scans["scanned_at"] = _moments(counts)
    # What is dated was known by the end of its day, whenever in it that was.
    end = localized(day + DAY, zones) - 1
    received = (
        _counts(scans["received_at"])
        if "received_at" in scans
        else np.full(len(scans), MISSING, np.int64)
    )
    received[rows] = np.where(received[rows] == MISSING, end, np.maximum(received[rows], noon))
    scans["received_at"] = _moments(received)
    return scans


def _with_local_midnights(
    scans: pd.DataFrame, shipments: pd.DataFrame, named: str | None
) -> pd.DataFrame:
    """The scans with ``scanned_on`` of those that are midnights of a zone, and of none other."""
    if not len(shipments):
        return scans
    first = scans[["scanned_at", "status"]].iloc[:_FIRST_SCANS]
    open_ = _without_day(scans.iloc[:_FIRST_SCANS])
    clock = _counts(first["scanned_at"]) % _HALF_HOUR != 0
    clocked = set(first["status"][open_ & clock].unique())
    names = [name for name in first["status"][open_].unique() if name not in clocked]
    if not names:
        return scans
    utc, status, open_ = _counts(scans["scanned_at"]), scans["status"], _without_day(scans)
    usual: list[str] | None = None
    for name in names:
        rows = np.flatnonzero((status == name).to_numpy() & open_)
        if len(rows) < _LEAST_ALIKE or (utc[rows] % _HALF_HOUR != 0).any():
            continue
        if usual is None:
            sides = [zones_of(shipments, side, named) for side in ("origin", "destination")]
            usual = list(pd.Series(np.concatenate(sides)).value_counts().index[:_USUAL_ZONES])
        moments = pd.DatetimeIndex(utc[rows].view("datetime64[us]")).tz_localize("UTC")
        for zone in usual:
            local = moments.tz_convert(zone).tz_localize(None)
            if (local == local.normalize()).all():
                days = scans.get("scanned_on", pd.Series(pd.NaT, scans.index))
                days = days.astype("datetime64[us]").copy()
                days.iloc[rows] = local.as_unit("us")
                scans = scans.assign(scanned_on=days)
                break
    return scans


def _without_day(scans: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) which scans are no plain dates yet."""
    if "scanned_on" not in scans:
        return np.ones(len(scans), dtype=bool)
    return np.asarray(scans["scanned_on"].isna().to_numpy(), dtype=bool)


def _counts(times: pd.Series[Any]) -> npt.NDArray[np.int64]:
    utc = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.array(utc.view(np.int64))


def _zones(
    shipments: pd.DataFrame,
    owner: npt.NDArray[np.int32],
    status: pd.Series[str],
    named: str | None,
) -> npt.NDArray[np.object_]:
    """The zone of the place where each scan happened, (n,)."""
    parcels, place = np.unique(owner, return_inverse=True)
    known = shipments.iloc[parcels].reset_index(drop=True)
    origin, there = (zones_of(known, side, named) for side in ("origin", "destination"))
    return np.where(status.isin(_AT_ORIGIN).to_numpy(), origin[place], there[place])
