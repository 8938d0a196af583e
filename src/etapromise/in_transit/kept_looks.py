"""What looks at past parcels teach, kept beside a store week by week.

Of a parcel that has come, or was given up long ago, no look changes any more. So a week's sums over
such parcels are kept, with a digest of all that they are made from: the files, which parcels were
drawn and their weights, the model's clocks. Where it is another one the week is looked at again;
what is still on its way always is. It is the same arithmetic on the same numbers in the same
order: what is learned is what looks at all parcels teach, bit for bit.

In a store, beside the numbers of its orders::

    numbers/<what they hang on>/looks/week=2025-02-03.arrow    one row: an array in each column
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from etapromise.array_types import Ints
from etapromise.encoding.requests import Encoder
from etapromise.history.kept_orders import KeptOrders
from etapromise.history.kept_tables import (
    about_kept,
    array_table,
    arrays_of_table,
    numbers_name,
    read_kept,
    write_kept,
)
from etapromise.in_transit.flow import FLOW_LEVELS, Passages
from etapromise.in_transit.learned_looks import LearnedLooks, LookSums
from etapromise.in_transit.past_journeys import Ended, PastParcels
from etapromise.in_transit.sampling import MOST_DAYS, week_end
from etapromise.in_transit.scan_gaps import FATES, SPENT, GapSums, ScanGaps
from etapromise.in_transit.transit_parts import STAGES, Exits
from etapromise.lanes.levels import KeyIndex

_FORMAT: Final = 1
_FILES: Final = ("shipments", "journeys", "scans")
_COUNTS: Final = ("looks", "parcels", "seen", "back", "found", "days", "open_looks")
# A key of the level itself, one of those who took parcels over, and none.
_OWN, _TAKER, _NONE = "=", ">", ""


def learned_looks(past: PastParcels) -> LearnedLooks:
    """What looks at all of the parcels teach; those of a store have theirs kept."""
    results = past.gathered.outcomes
    last = week_end(past.week)
    over = past.settled & (last + 1 + MOST_DAYS < results.as_of_day)
    complete = results.arrived | over
    kept = _Kept(past) if isinstance(past.known, KeptOrders) else None
    parts = []
    for week in np.unique(past.week):
        start, end = np.searchsorted(past.week, [week, week + 1])
        rows = start + np.flatnonzero(complete[start:end])
        if len(rows):
            sums = _sums(past, rows) if kept is None else kept.sums(int(last[start]) - 6, rows)
            parts.append((sums, bool(past.settled[start])))
    under_way = np.flatnonzero(~complete)
    if len(under_way) or not parts:
        parts.append((LookSums.of(past.looks(under_way)), True))
    return LearnedLooks.of(parts, past.gathered.encoder)


def _sums(past: PastParcels, rows: Ints) -> LookSums:
    """Those over all looks at parcels; whether they are settled counts later."""
    looks = past.looks(rows)
    return LookSums.of(replace(looks, settled=np.ones(len(rows), bool)))


class _Kept:
    """What is kept of the weeks of a store."""

    def __init__(self, past: PastParcels) -> None:
        assert isinstance(past.known, KeptOrders)  # noqa: S101 — for mypy
        self._past, known = past, past.known
        self._folder = known.folder / "looks"
        self._encoder = past.gathered.encoder
        self._made_for = numbers_name(self._encoder, known.tracked.event)
        self._weeks = {week.first_day: week for week in known.tracked.weeks()}
        self._orders = known.digests()
        self._moment = int(known.moment.timestamp() * 1e6)

    def sums(self, first_day: int, rows: Ints) -> LookSums:
        """Those over complete parcels of the week that begins on a UTC day."""
        week = self._weeks[first_day]
        path, files = self._folder / f"{week.name}.arrow", week.files(*_FILES)
        digest = self._digest(first_day, rows)
        table = read_kept(path)
        about: dict[str, Any] = {} if table is None else about_kept(table)
        if table is not None and about["digest"] == digest:
            return _read(arrays_of_table(table), self._encoder)
        found = _sums(self._past, rows)
        # What is kept for later nights than this stays.
        later = about.get("moment", self._moment) > self._moment
        write_kept(
            None if later else path,
            array_table(_stored(found, self._encoder)),
            files,
            {"digest": digest, "moment": self._moment},
        )
        return found

    def _digest(self, first_day: int, rows: Ints) -> str:
        """What the sums hang on."""
        past, week = self._past, self._weeks[first_day]
        arrived = past.gathered.outcomes.arrived[rows]
        # Of what has not come every scan counts that was received by now.
        told = "" if arrived.all() or week.latest_scan() < past.known.moment else self._moment
        digest = hashlib.blake2b(
            f"{_FORMAT} {self._made_for} {week.files(*_FILES)} {told}".encode(), digest_size=16
        )
        over = past.handed_over
        arrays = [
            self._orders[rows],
            past.weight[rows],
            arrived,
            np.where(arrived, past.until[rows], 0),
            past.returned[rows],
            # Who took a parcel over may have had no row on another night.
            *(() if over is None else (over.requests.codes[rows] > 0,)),
        ]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _stored(sums: LookSums, encoder: Encoder) -> dict[str, Any]:
    """Sums as plain arrays and texts, which do not hang on how an encoder numbers its keys."""
    places, index = sums.ended.passages, encoder.index_of
    arrays: dict[str, Any] = {
        "facilities": list(sums.facilities),
        "status": places.status,
        "day": places.day,
        "value": sums.ended.value,
        "weight": sums.ended.weight,
        "facility": places.codes[:, -1].astype(np.int32),
        "carriers": _names(sums.carriers, index["carrier"]),
        "services": _names(sums.services, index["service"]),
        "scanned": np.array([sums.scanned]),
        **{f"gaps {name}": getattr(sums.gaps, name).ravel() for name in (*SPENT, *FATES)},
        **{name: getattr(sums, name).ravel() for name in _COUNTS},
    }
    for column, level in enumerate(FLOW_LEVELS[:-1]):
        rows, codes = np.unique(places.codes[:, column], return_inverse=True)
        arrays[f"{level} keys"] = _names(rows, index[level], _takers(level, index))
        arrays[level] = codes.astype(np.int32)
    return arrays


def _read(arrays: dict[str, Any], encoder: Encoder) -> LookSums:
    """What `_stored` made of sums, by the rows of an encoder."""
    index = encoder.index_of
    columns = [
        _rows(arrays[f"{level} keys"], index[level], _takers(level, index))[arrays[level]]
        for level in FLOW_LEVELS[:-1]
    ]
    carriers = _rows(arrays["carriers"], index["carrier"])
    services = _rows(arrays["services"], index["service"])
    gaps = GapSums.nothing(len(STAGES), len(carriers))
    counts = {name: arrays[name] for name in _COUNTS}
    shapes = {"seen": Exits.shape(), "back": Exits.shape(), "found": (len(STAGES),)}
    for name, shape in shapes.items():
        counts[name] = counts[name].reshape(len(services), *shape)
    codes = np.stack([*columns, arrays["facility"].astype(np.int64)], axis=1)
    nothing = np.zeros(0)
    return LookSums(
        ended=Ended(
            Passages(status=arrays["status"], codes=codes, day=arrays["day"]),
            arrays["value"],
            arrays["weight"],
        ),
        facilities=tuple(arrays["facilities"]),
        carriers=carriers,
        gaps=GapSums(
            **{
                name: arrays[f"gaps {name}"].reshape(getattr(gaps, name).shape)
                for name in (*SPENT, *FATES)
            }
        ),
        # What is complete waits no more.
        waiting=ScanGaps(
            stage=nothing.astype(np.int64),
            carrier=nothing.astype(np.int64),
            days=nothing,
            ended=nothing.astype(bool),
            weight=nothing,
            gone=nothing.astype(bool),
        ),
        services=services,
        scanned=int(arrays["scanned"][0]),
        **counts,
    )


def _takers(level: str, index: Mapping[str, KeyIndex]) -> KeyIndex | None:
    """Whose rows follow those of a level in the flow, see `outlook.HandedOver`."""
    return index.get("taker_region") if level == "service_region" else None


def _names(rows: Ints, index: KeyIndex, takers: KeyIndex | None = None) -> list[str]:
    """The keys of rows of a level, each with whose it is."""
    keys = (_NONE, *(f"{_OWN}{key}" for key in index.keys))
    if takers is not None:
        keys += (_NONE, *(f"{_TAKER}{key}" for key in takers.keys))
    return [keys[row] for row in rows]


def _rows(names: Sequence[str], index: KeyIndex, takers: KeyIndex | None = None) -> Ints:
    """The rows of what `_names` gave."""
    keys = [name[1:] for name in names]
    found = index.table.rows(keys).astype(np.int64)
    if takers is not None:
        taken = np.array([name[:1] == _TAKER for name in names], bool)
        found = np.where(taken, len(index) + takers.table.rows(keys), found)
    none = np.array([name == _NONE for name in names], bool)
    found[none] = 0
    return found
