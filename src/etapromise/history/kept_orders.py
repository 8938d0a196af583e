"""The orders of a store as numbers, kept beside it: a refresh reads the weeks that have changed.

What statistics, calendars and hours are made from is a row of numbers and keys for each parcel, and
a week's rows depend on its own shipments and milestones alone. So they are made once (partial),
laid one week after another (merge), and are then what the tables themselves would give (finish).
They hang on the model's zones, calendars and hand-offs too: a model with others has its own. What
is missing, of another format or made from other files is made again.

In a store::

    numbers/<what they hang on>/week=2025-02-03.arrow    a row a parcel
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.zones import ZoneMap
from etapromise.encoding.requests import FETCHED, NUMBERS, Encoder, Requests
from etapromise.errors import InsufficientHistoryError
from etapromise.history.as_of import KnownOrders
from etapromise.history.delivery_hours import HOUR_LEVELS
from etapromise.history.effects import NEVER_DAY
from etapromise.history.kept_tables import (
    ASKED_LEVELS,
    about_kept,
    forget_others,
    numbers_name,
    read_kept,
    write_kept,
)
from etapromise.history.outcomes import Outcomes, day_of
from etapromise.lanes.hand_offs import HandOffs
from etapromise.lanes.levels import LAST_MILE, Level, by_pickup_weekday, weekday_rows
from etapromise.store.stored_history import StoredHistory
from etapromise.tracking.tracked import TrackedHistory

_FOLDER: Final = "numbers"
_OUTCOMES: Final = ("event_day", "event_known_day", "pickup_day", "pickup_known_day", "closed_day")
# What the scans of orders are found by, and of how many weeks that is held in memory.
_ASKED_AGAIN: Final = ("shipment_id", "ordered_at", "carrier")
_MOST_READ: Final = 12
_KNOWN: Final = ("event", "picked_up", "closed", "transferred")


@dataclass(frozen=True, kw_only=True)
class KeptOrders(KnownOrders):
    """The orders of a store that were known at a moment; answers as `KnownOrders` does.

    The tables themselves are read where something else is asked of them than a refresh needs.

    Attributes:
        tracked: the store.
        by: the model's zones, calendars and hand-offs.
        made_for: what the numbers hang on, as a name.
        table: (n, ...) the numbers; ``week`` and ``row`` say which of them each is.
        read: of weeks that had to be read, by their first day, what is asked of their orders again.
    """

    tracked: StoredHistory
    by: Encoder
    made_for: str
    table: pa.Table
    read: Mapping[int, pd.DataFrame] = field(default_factory=dict, repr=False)
    shipments: pd.DataFrame = field(init=False, repr=False)
    milestones: pd.DataFrame = field(init=False, repr=False)

    @classmethod
    def of_store(cls, tracked: StoredHistory, moment: pd.Timestamp, encoder: Encoder) -> KeptOrders:
        """As `KnownOrders.of`, by the zones, calendars and hand-offs of a model."""
        moment = moment.floor("D")
        made_for = numbers_name(encoder, tracked.event)
        read: dict[int, pd.DataFrame] = {}
        weeks = [
            _week(week, moment, encoder, made_for, read)
            for week in tracked.weeks()
            if week.first_day < day_of(moment)
        ]
        tables = [table for table in weeks if len(table)]
        if not tables:
            KnownOrders.of(tracked, moment)
        columns = {name for table in tables for name in about_kept(table)["columns"]}
        encoder.compiled.require_extra(columns)
        forget_others(tracked.layout.root / _FOLDER, made_for)
        table = pa.concat_tables([one.replace_schema_metadata(None) for one in tables])
        return cls(
            moment=moment,
            tracked=tracked,
            by=encoder,
            made_for=made_for,
            table=table.unify_dictionaries(),
            read=read,
        )

    def __getattr__(self, name: str) -> Any:
        """The tables, where they are asked for after all."""
        if name not in {"shipments", "milestones", "table"}:
            raise AttributeError(name)
        if name == "table":
            again = KeptOrders.of_store(self.tracked, self.moment, self.by)
            object.__setattr__(self, name, again.table)
            return again.table
        parts = [KnownOrders.of(week, self.moment).take(rows) for week, rows in self.rows_by_week()]
        for table in ("shipments", "milestones"):
            frames = [getattr(part, table) for part in parts]
            object.__setattr__(self, table, pd.concat(frames, ignore_index=True))
        return self.__dict__[name]

    def __len__(self) -> int:
        """How many."""
        return len(self.table)

    def let_go(self) -> None:
        """Keep nothing in memory that can be read again; only where all orders are meant."""
        self.__dict__.pop("table", None)

    @property
    def folder(self) -> Path:
        """Where what hangs on the same model is kept."""
        return self.tracked.layout.root / _FOLDER / self.made_for

    def rows_by_week(self) -> Iterator[tuple[StoredHistory, Ints]]:
        """Each week that has any of the orders, and the rows of these among its known ones."""
        week, row = self._array("week"), self._array("row").astype(np.int64)
        for part in self.tracked.weeks():
            mine = row[week == part.first_day]
            if len(mine):
                yield part, mine

    def shipments_of(self, week: StoredHistory) -> pd.DataFrame:
        """The identifiers, moments and carriers of a week's orders that were known."""
        found = self.read.get(week.first_day)
        if found is None:
            found = KnownOrders.of(week, self.moment).shipments
            week.let_go()
        return found

    def since(self, day: int) -> KnownOrders:
        """Those ordered on a UTC day (since 1970-01-01) or later."""
        return self.take(np.flatnonzero(self._array("start_day") >= day))

    def take(self, rows: Ints) -> KnownOrders:
        """Some of them, by ascending positions."""
        if len(rows) == len(self):
            return self
        return replace(self, table=self.table.take(pa.array(rows)))

    def level_keys(
        self, levels: Sequence[Level], hand_offs: HandOffs | None = None
    ) -> list[tuple[Ints, list[str]]]:
        """`levels.level_keys` of the orders, named with who usually brings them."""
        names = [_key_column("", level) for level in levels]
        if set(names) <= set(self.table.column_names):
            return [self._keys(name, level) for name, level in zip(names, levels, strict=True)]
        return super().level_keys(levels, hand_offs)

    def requests(self, encoder: Encoder) -> Requests:
        """The orders as they were asked for."""
        if numbers_name(encoder, self.tracked.event) != self.made_for:
            return super().requests(encoder)
        # A column after another: what goes over all orders goes over some of them.
        numbers = np.empty((len(self), len(NUMBERS) + len(encoder.numeric)), order="F")
        for place, name in enumerate((*NUMBERS, *encoder.numeric)):
            numbers[:, place] = self._array(f"number {name}")
        order_day = self._array("order_day")
        return Requests(
            self._request_codes(encoder, order_day + numbers[:, FETCHED].astype(np.int64)),
            numbers,
            order_day,
            self._array("clock"),
            self._array("zone_source"),
        )

    def outcomes(self, zones: ZoneMap, give_up_after: int) -> Outcomes:  # noqa: ARG002 — those of the model
        """What had become of them."""
        start = self._array("start_day")
        days = {name: self._array(name) for name in _OUTCOMES}
        give_up = np.minimum(start.astype(np.int64) + give_up_after, NEVER_DAY)
        return Outcomes(
            as_of_day=day_of(self.moment),
            start_day=start,
            event_day=days["event_day"].astype(np.int64),
            event_known_day=days["event_known_day"],
            pickup_day=days["pickup_day"].astype(np.int64),
            pickup_known_day=days["pickup_known_day"],
            closed_day=np.minimum(days["closed_day"], give_up).astype(np.int32),
            within=self._array("within"),
        )

    def last_mile(
        self,
        hand_offs: HandOffs,  # noqa: ARG002 — those of the model
    ) -> tuple[Mask, NDArray[np.int32], NDArray[np.int32]]:
        """(n,) whether each is known to be handed over, to whom, and to whom it usually is."""
        return self._array("handed"), self._array("taker"), self._array("usual_taker")

    def handed_over(self, encoder: Encoder, requests: Requests) -> tuple[Requests, Mask]:
        """The requests as those of who took the parcels over, and (n,) whether that is known."""
        known = self._array("taker") > 0
        if encoder.hand_offs is None or numbers_name(encoder, self.tracked.event) != self.made_for:
            return (
                super().handed_over(encoder, requests) if encoder.hand_offs else (requests, known)
            )
        codes = requests.codes.copy()
        told = [level for level in encoder.levels if LAST_MILE in level.columns]
        places = [encoder.levels.index(level) for level in told]
        codes[:, places] = np.where(
            known[:, None], self._codes("taken ", encoder, told), codes[:, places]
        )
        clock = np.where(known, self._array("taken_clock"), requests.clock)
        return replace(requests, codes=codes, clock=clock), known

    def deliveries(
        self,
        zones: ZoneMap,  # noqa: ARG002 — those of the model
        hand_offs: HandOffs | None,  # noqa: ARG002
    ) -> tuple[list[tuple[Ints, list[str]]], Ints]:
        """Keys of who brings them, and (n,) local seconds of their events, -1 where unknown."""
        keys = [self._keys(_key_column("brought ", level), level) for level in HOUR_LEVELS]
        return keys, self._array("event_second")

    def zone_names(self, zones: ZoneMap) -> NDArray[np.object_]:  # noqa: ARG002 — those of the model
        """(n,) IANA names of the destinations' zones."""
        positions, names = self._coded("zone")
        return np.array(names, dtype=object)[positions]

    def ordered(self) -> Ints:
        """(n,) microseconds since 1970 UTC."""
        return self._array("ordered")

    def event_known(self) -> Ints:
        """(n,) microseconds since 1970 UTC at which the event was received."""
        return self._array("event_known")

    def returned(self) -> Mask:
        """(n,) whether they were known to be on their way back, or there."""
        return self._array("returned")

    def digests(self) -> NDArray[np.uint64]:
        """(n,) a number for all that the store says of each."""
        return self._array("digest")

    def scan_counts(self) -> Floats:
        """(n,) how often they were scanned, NaN where that is not told."""
        counts = self._array("scan_count")
        if self.tracked.until is None:
            return counts
        # As `milestones.as_of` has it: of what was scanned since, nobody knows how often before.
        return np.where(
            self._array("last_known") > self.tracked.until.timestamp() * 1e6, np.nan, counts
        )

    def promised_days(self) -> Ints:
        """(n,) days since 1970-01-01 that were promised then, NEVER_DAY where none is told."""
        return self._array("promised_day")

    def order_numbers(self) -> NDArray[np.uint64] | None:
        """(n,) a number for each order of several parcels, 0 where none is told."""
        return self._array("order")

    def _array(self, name: str) -> NDArray[Any]:
        return np.asarray(self.table[name].to_numpy())

    def _coded(self, name: str) -> tuple[Ints, list[str]]:
        column = self.table[name]
        codes = [chunk.indices.to_numpy() for chunk in column.chunks]
        return np.concatenate(codes).astype(np.int64), column.chunk(0).dictionary.to_pylist()

    def _keys(self, name: str, level: Level) -> tuple[Ints, list[str]]:
        """What is used of a column's keys; as in a table, the empty one is always among them."""
        positions, texts = self._coded(name)
        used = np.zeros(len(texts), bool)
        used[positions] = True
        if len(level.columns) == 1 and "" in texts:
            used[texts.index("")] = True
        if used.all():
            return positions, texts
        place = np.cumsum(used) - 1
        return place[positions], [text for text, here in zip(texts, used, strict=True) if here]

    def _request_codes(self, encoder: Encoder, pickup_day: Ints) -> NDArray[np.int32]:
        names = encoder.level_names
        divided = [by_pickup_weekday(level) for level in encoder.levels]
        codes = np.empty((len(self), len(names)), np.int32, order="F")
        told = [place for place, whole in enumerate(divided) if whole is None]
        own = self._codes("", encoder, [encoder.levels[place] for place in told])
        codes.T[told] = own.T
        for place, whole in enumerate(divided):
            if whole is not None:
                codes[:, place] = weekday_rows(codes[:, names.index(whole)], (pickup_day + 3) % 7)
        return codes

    def _codes(self, kind: str, encoder: Encoder, levels: Sequence[Level]) -> NDArray[np.int32]:
        codes = np.empty((len(self), len(levels)), np.int32, order="F")
        for place, level in enumerate(levels):
            index = encoder.indexes[encoder.levels.index(level)]
            codes[:, place] = index.rows(*self._coded(_key_column(kind, level)))
        return codes


def kept_orders(
    tracked: TrackedHistory, moment: pd.Timestamp, encoder: Encoder
) -> KnownOrders | None:
    """The orders of a store by what is kept of them; None where the history is none of a store."""
    if isinstance(tracked, StoredHistory) and tracked.knows(moment):
        return KeptOrders.of_store(tracked, moment, encoder)
    return None


def _week(
    week: StoredHistory,
    moment: pd.Timestamp,
    encoder: Encoder,
    made_for: str,
    read: dict[int, pd.DataFrame],
) -> pa.Table:
    """The numbers of a week's orders: those kept, or new ones of the orders that have changed.

    Args:
        read: what was read of the orders of few weeks, by their first day; this one's is added.
    """
    path = week.layout.root / _FOLDER / made_for / f"{week.name}.arrow"
    files, now = week.files("shipments", "journeys"), _micros(moment)
    kept = read_kept(path)
    about = {} if kept is None else about_kept(kept)
    # News of later than the moment tells other numbers of an order, then or now.
    if kept is not None and about["files"] == files and about["latest"] < min(now, about["moment"]):
        return kept
    try:
        known = KnownOrders.of(week, moment)
    except InsufficientHistoryError:
        return pa.table({})
    if len(read) < _MOST_READ:
        names = [name for name in _ASKED_AGAIN if name in known.shipments]
        read[week.first_day] = known.shipments[names].copy()
    columns = [*encoder.numeric, *encoder.categorical]
    absent = {name: None for name in columns if name not in known.shipments}
    known = replace(known, shipments=known.shipments.assign(**absent))
    moments = _latest(week.shipments["ordered_at"], week.milestones)
    told = {
        "latest": int(moments.max()),
        "moment": now,
        "columns": list(map(str, week.shipments.columns)),
    }
    week.let_go()
    table = _renewed(kept, known, encoder, week.first_day)
    # What is kept for later nights than this stays.
    return write_kept(None if now < about.get("moment", now) else path, table, files, told)


def _renewed(kept: pa.Table | None, known: KnownOrders, encoder: Encoder, week: int) -> pa.Table:
    """The numbers of a week's orders; those of orders of which nothing is new are the kept ones."""
    digest = _digests(known)
    latest = _latest(known.shipments["ordered_at"], known.milestones)
    place = np.full(len(known), -1, np.int64)
    if kept is not None:
        settled = latest < min(_micros(known.moment), about_kept(kept)["moment"])
        theirs = kept["digest"].to_numpy()
        order = np.argsort(theirs)
        found = order[np.minimum(np.searchsorted(theirs[order], digest), len(order) - 1)]
        place = np.where(settled & (theirs[found] == digest), found, -1)
    changed = np.flatnonzero(place < 0)
    tables = [] if kept is None else [kept.replace_schema_metadata(None)]
    if len(changed):
        new = _numbers(known.take(changed), encoder, week)
        tables.append(new.append_column("digest", pa.array(digest[changed])))
        place[changed] = (0 if kept is None else len(kept)) + np.arange(len(changed))
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    if kept is not None:
        table = table.take(pa.array(place))
    row = pa.array(np.arange(len(known), dtype=np.int32))
    return table.set_column(table.column_names.index("row"), "row", row)


def _digests(known: KnownOrders) -> NDArray[np.uint64]:
    """(n,) a number for all that the tables say of each order; another one where they say more."""
    each = []
    for table in (known.shipments, known.milestones):
        try:
            found = pd.util.hash_pandas_object(table, index=False)
        except TypeError:  # lists and the like, in columns of one's own
            found = pd.util.hash_pandas_object(table.astype(str), index=False)
        each.append(found.to_numpy(np.uint64))
    return np.asarray(each[0] * np.uint64(0x9E3779B97F4A7C15) + each[1])


def _latest(ordered: pd.Series[Any], milestones: pd.DataFrame) -> Ints:
    """(n,) microseconds since 1970 UTC of the latest news of each order that numbers tell of."""
    known = [_microseconds(milestones[f"{name}_known_at"]) for name in _KNOWN]
    return np.asarray(np.maximum.reduce([_microseconds(ordered), *known]))


def _micros(moment: pd.Timestamp) -> int:
    return int(moment.timestamp() * 1e6)


def _numbers(known: KnownOrders, encoder: Encoder, week: int) -> pa.Table:
    """A row for each order; see the methods of `KeptOrders` for what each column says."""
    count, hand_offs = len(known), encoder.hand_offs
    results = known.outcomes(encoder.zones, NEVER_DAY)
    requests = known.requests(encoder)
    columns: dict[str, Any] = {
        "week": np.full(count, week, np.int32),
        "row": np.arange(count, dtype=np.int32),
        "ordered": known.ordered(),
        "start_day": results.start_day,
        **{name: np.asarray(getattr(results, name)).astype(np.int32) for name in _OUTCOMES},
        "within": results.within,
        "order_day": requests.order_day,
        "clock": requests.clock,
        "zone_source": requests.zone_source,
        "event_known": known.event_known(),
        "returned": known.returned(),
        "scan_count": known.scan_counts(),
        "last_known": _microseconds(known.milestones["last_known_at"]),
        "promised_day": known.promised_days(),
        "order": known.order_numbers(),
    }
    if columns["order"] is None:
        columns["order"] = np.zeros(count, np.uint64)
    for place, name in enumerate((*NUMBERS, *encoder.numeric)):
        columns[f"number {name}"] = requests.numbers[:, place]
    nobody = np.zeros(count, np.int32)
    handed, last_mile, usual = nobody > 0, nobody, nobody
    levels = tuple(
        {
            level.columns: level
            for level in (*encoder.levels, *ASKED_LEVELS)
            if by_pickup_weekday(level) is None
        }.values()
    )
    keys = dict(zip(levels, known.level_keys(levels, hand_offs), strict=True))
    columns |= {_key_column("", level): _coded_column(*found) for level, found in keys.items()}
    if hand_offs is not None:
        handed, last_mile, usual = known.last_mile(hand_offs)
        taken, _ = known.handed_over(encoder, requests)
        columns["taken_clock"] = taken.clock
        told = [level for level in levels if LAST_MILE in level.columns]
        as_taken = replace(known, shipments=hand_offs.named(known.shipments, last_mile))
        for level, found in zip(told, as_taken.level_keys(told), strict=True):
            columns[_key_column("taken ", level)] = _coded_column(*found)
    columns |= {"handed": handed, "taker": last_mile, "usual_taker": usual}
    brought, columns["event_second"] = known.deliveries(encoder.zones, hand_offs)
    for level, found in zip(HOUR_LEVELS, brought, strict=True):
        columns[_key_column("brought ", level)] = _coded_column(*found)
    zones, names = pd.factorize(known.zone_names(encoder.zones))
    columns["zone"] = _coded_column(zones, list(names))
    return pa.table(columns)


def _microseconds(times: pd.Series[Any]) -> Ints:
    """(n,) since 1970 UTC; where there is none, the least number."""
    return np.asarray(times.dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64))


def _key_column(kind: str, level: Level) -> str:
    return f"{kind}key {' '.join(level.columns)}"


def _coded_column(positions: NDArray[Any], texts: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(positions.astype(np.int32)), pa.array(texts, pa.large_string())
    )
