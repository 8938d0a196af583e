"""A store as a tracked history: shipments and milestones at hand, scans when they are asked for."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etapromise.argument_kinds import kinds_checked
from etapromise.errors import ContractError, StoreError
from etapromise.store.journeys import (
    NO_SHIPMENTS,
    cleaned,
    milestones_for,
    milestones_of,
    scans_frame,
    shipments_frame,
)
from etapromise.store.layout import Commit, Files, Partition, StoredFile, StoreLayout
from etapromise.text_type import TEXT, frame_of_arrow
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.contract import Event
from etapromise.tracking.journeys import microseconds
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.milestones import as_of, require_event
from etapromise.tracking.scans import clean_scans
from etapromise.tracking.sources import Source
from etapromise.tracking.texts import Identifiers
from etapromise.tracking.tracked import TrackedHistory, read

_READ_LATE: Final = ("shipments", "milestones", "scans", "shipment_rejects", "scan_rejects")
_REJECTED: Final = {"reason": TEXT, "detail": TEXT, "row": "int64"}


@dataclass(frozen=True, kw_only=True)
class StoredHistory(TrackedHistory):
    """The history that a store holds, by order and identifier.

    Its tables are read when they are first looked at; `scans_of` reads the scans of the weeks that
    it needs.

    Attributes:
        layout: the store.
        commit: which files it consists of.
        until: what was received or ordered later is left out; None: nothing is.
    """

    layout: StoreLayout
    commit: Commit
    until: pd.Timestamp | None = None
    shipments: pd.DataFrame = field(init=False, repr=False)
    milestones: pd.DataFrame = field(init=False, repr=False)
    scans: pd.DataFrame = field(init=False, repr=False)
    shipment_rejects: pd.DataFrame = field(init=False, repr=False)
    scan_rejects: pd.DataFrame = field(init=False, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name not in _READ_LATE:
            raise AttributeError(name)
        if name in {"shipments", "milestones"}:
            self._read_parcels()
        elif name == "shipment_rejects":
            object.__setattr__(self, name, self._rejects("shipments"))
        else:
            files = self.commit.partitions.values()
            table = self.layout.read(file for kinds in files for file in kinds.get("scans", ()))
            checked = clean_scans(scans_frame(table), self.shipments)
            object.__setattr__(self, "scans", self._received(checked.accepted))
            if self.until is not None:
                object.__setattr__(self, "scan_rejects", self._rejects("scans"))
                return self.__dict__[name]
            both = [self._rejects("scans"), checked.rejects]
            rejects = pd.concat([part for part in both if len(part)] or both, ignore_index=True)
            object.__setattr__(self, "scan_rejects", rejects)
        return self.__dict__[name]

    def knows(self, moment: pd.Timestamp) -> bool:
        """Whether nothing received before a moment is left out."""
        return self.until is None or moment <= self.until

    @property
    def parcels(self) -> int:
        """How many shipments it holds."""
        kinds = self.commit.partitions.values()
        return sum(file.rows for files in kinds for file in files.get("shipments", ()))

    def newest(self, moment: pd.Timestamp) -> pd.Timestamp | None:
        """The latest order or receipt that is not after a moment."""
        moment = moment if self.until is None else min(moment, self.until)
        latest = pd.Timestamp(self.commit.latest, unit="us", tz="UTC")
        found = [latest] if self.commit.latest and latest <= moment else []
        # Where more is known by now, of the scans by then what the milestones tell.
        scanned = () if found else ("last_known_at", "delivered_known_at")
        for kind, column in (("shipments", "ordered_at"), *(("journeys", one) for one in scanned)):
            times = self._column(kind, column)
            told = times[times <= moment]
            found += [told.max()] if told.notna().any() else []
        return max(found, default=None)

    def _column(self, kind: str, name: str) -> pd.Series[Any]:
        files = [file for kinds in self.commit.partitions.values() for file in kinds.get(kind, ())]
        if not files:
            return pd.Series([], dtype="datetime64[us, UTC]")
        found: pd.Series[Any] = frame_of_arrow(self.layout.read(files, [name]))[name]
        return found

    def let_go(self) -> None:
        """Keep no table in memory; whoever looks at one has it read again."""
        for name in _READ_LATE:
            self.__dict__.pop(name, None)

    def weeks(self) -> list[StoredHistory]:
        """All that is stored, a week of orders at a time, ascending."""
        found: dict[int, dict[Partition, Files]] = {}
        for place, kinds in sorted(self.commit.partitions.items()):
            found.setdefault(place.week, {})[place] = kinds
        return [
            replace(self, until=None, commit=replace(self.commit, partitions=part))
            for part in found.values()
        ]

    @property
    def first_day(self) -> int:
        """The first UTC day of its first week, since 1970-01-01."""
        return min(place.last_day for place in self.commit.partitions) - 6

    @property
    def name(self) -> str:
        """That of its first week."""
        return min(self.commit.partitions).name.partition("/")[0]

    def files(self, *kinds: str) -> list[str]:
        """The paths in the store of its files of some kinds; files never change."""
        return [
            file.path
            for _, files in sorted(self.commit.partitions.items())
            for kind in kinds
            for file in files.get(kind, ())
        ]

    def latest_scan(self) -> pd.Timestamp:
        """The latest receipt among its scans, or something later."""
        files = [
            file for kinds in self.commit.partitions.values() for file in kinds.get("scans", ())
        ]
        return max((self._latest(file) for file in files), default=pd.Timestamp(0, tz="UTC"))

    def scans_of(self, shipments: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
        """The scans of some of the shipments that were received before a moment."""
        known = Identifiers(shipments["shipment_id"])
        ordered = microseconds(shipments["ordered_at"], "ordered_at")
        places = self.layout.partitions_of(ordered, shipments["shipment_id"])
        wanted = {(int(week), int(bucket)) for week, bucket in np.unique(places, axis=0)}
        parts = []
        for place, kinds in self.commit.partitions.items():
            if (place.week, place.bucket) in wanted and kinds.get("scans"):
                table = self.layout.read(kinds["scans"])
                parts.append(table.filter(pa.array(known.rows(table["shipment_id"]) >= 0)))
        known_scans = cleaned(shipments, pa.concat_tables(parts) if parts else pa.table({}))
        known_scans = self._received(known_scans)
        found: pd.DataFrame = known_scans[(known_scans["received_at"] < before).to_numpy()]
        return found

    def scanned_in(self, paths: Set[str]) -> pa.ChunkedArray:
        """The identifiers in some of its files of scans, one a scan."""
        kinds = self.commit.partitions.values()
        files = [file for each in kinds for file in each.get("scans", ()) if file.path in paths]
        none = pa.chunked_array([], pa.string())
        return self.layout.read(files, ["shipment_id"])["shipment_id"] if files else none

    def known_at(self, moment: pd.Timestamp) -> StoredHistory:
        """What had been received at a moment; still read where it is asked for."""
        return replace(self, until=moment if self.until is None else min(moment, self.until))

    def received_since(self, moment: pd.Timestamp) -> StoredHistory:
        """The same without the scans of weeks of which none was received at a moment or later."""
        kept = {
            place: kinds
            if any(self._latest(file) >= moment for file in kinds.get("scans", ()))
            else {kind: files for kind, files in kinds.items() if kind != "scans"}
            for place, kinds in self.commit.partitions.items()
        }
        return replace(self, commit=replace(self.commit, partitions=kept))

    def scan_totals(self) -> tuple[int, int]:
        """How many scans were accepted and rejected; read a week at a time."""
        weeks = [(len(week.scans), len(week.scan_rejects)) for week in self.weeks()]
        each = len(self._rejects("scans"))
        accepted, rejected = (sum(part) for part in zip((0, each), *weeks, strict=True))
        return accepted, rejected - each * len(weeks)

    def _latest(self, file: StoredFile) -> pd.Timestamp:
        """The latest receipt in a file of scans, from what Parquet says of its parts."""
        about = pq.read_metadata(self.layout.root / file.path)
        place = about.schema.names.index("received_at")
        told = [
            about.row_group(part).column(place).statistics for part in range(about.num_row_groups)
        ]
        latest = [one.max for one in told if one is not None and one.has_min_max]
        return pd.Timestamp.max.tz_localize("UTC") if len(latest) < len(told) else max(latest)

    def _received(self, scans: pd.DataFrame) -> pd.DataFrame:
        if self.until is None:
            return scans
        found: pd.DataFrame = scans[(scans["received_at"] <= self.until).to_numpy()]
        return found.reset_index(drop=True)

    def under_way(self, at: pd.Timestamp, *, most_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The shipments on their way at a moment, as far as was known then, and their scans.

        Args:
            at: zone-aware; what was received at that very moment is known.
            most_days: those ordered longer ago are left out: they never arrive.
        """
        ordered, told = self.shipments["ordered_at"], self.milestones
        over = (told["event_known_at"] <= at) | (told["closed_known_at"] <= at)
        young = (ordered <= at) & (ordered > at - pd.Timedelta(days=most_days))
        rows = np.flatnonzero((young & ~over).to_numpy(bool))
        orders = self.shipments.iloc[rows].reset_index(drop=True)
        return orders, self.scans_of(orders, at + pd.Timedelta(microseconds=1))

    def _read_parcels(self) -> None:
        kinds = self.commit.partitions.values()
        shipments, journeys = (
            self.layout.read(file for files in kinds for file in files.get(kind, ()))
            for kind in ("shipments", "journeys")
        )
        if not shipments.num_columns:
            shipments = NO_SHIPMENTS
        by = [("ordered_at", "ascending"), ("shipment_id", "ascending")]
        order = pc.sort_indices(shipments, by)
        frame = shipments_frame(shipments.take(order))
        found = journeys.take(order) if len(order) else milestones_of(shipments, journeys)
        told = milestones_for(found, self.event)
        if self.until is not None:
            ordered = (frame["ordered_at"] <= self.until).to_numpy()
            frame = frame[ordered].reset_index(drop=True)
            told = as_of(told, self.until)[ordered].reset_index(drop=True)
        object.__setattr__(self, "shipments", frame)
        object.__setattr__(self, "milestones", told)

    def _rejects(self, kind: str) -> pd.DataFrame:
        files: tuple[StoredFile, ...] = self.commit.rejects.get(kind, ())
        if not files or self.until is not None:
            return pd.DataFrame({name: pd.Series([], dtype=of) for name, of in _REJECTED.items()})
        table = frame_of_arrow(self.layout.read(files))
        # A file that was ingested twice is no worse than before.
        table = table.drop_duplicates([name for name in table.columns if name != "row"])
        rejects: pd.DataFrame = table.astype({"row": "int64"}).reset_index(drop=True)
        return rejects


def history_from(
    shipments: Source | TrackedHistory | None,
    scans: Source | None,
    store: str | Path | None,
    *,
    event: Event,
    naive_time_zone: str | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    max_rejects: float = MAX_REJECTS,
) -> TrackedHistory:
    """The history of a store, or `tracked.read` of what is given instead."""
    if store is None:
        return read(
            shipments,
            scans,
            event=event,
            naive_time_zone=naive_time_zone,
            mapping=mapping,
            vocabulary=vocabulary,
            max_rejects=max_rejects,
        )
    if (shipments, scans, mapping, vocabulary) != (None, None, None, None):
        raise ContractError(
            "Found a store and tables, a mapping or a vocabulary beside it; expected one or the "
            "other."
        )
    return stored_history(store, event=event)


@kinds_checked()
def stored_history(
    store: str | Path,
    *,
    event: Event = "delivered",
    commit: int | None = None,
    partition: str | None = None,
) -> StoredHistory:
    """The history that a store holds; an ingest meanwhile changes nothing of it.

    Args:
        store: its directory.
        event: what is waited for.
        commit: of which commit; by default the latest.
        partition: the name of the one that is wanted; by default all.

    Raises:
        StoreError: there is no store, or it is damaged or newer.
        ContractError: there is no such event or partition, or the commit is no number.

    Examples:
        >>> taken = etapromise.ingest("store", "shipments.parquet", "scans.parquet")
        >>> len(etapromise.stored_history("store").shipments) == len(history.shipments)
        True
    """
    require_event(event)
    layout = StoreLayout.open(store)
    held = layout.commit(commit)
    if partition is not None:
        one = Partition.named(partition)
        if one not in held.partitions:
            raise ContractError(
                f"Found no partition {partition!r} in {store}; expected one of its "
                f"{len(held.partitions)}, from {min(held.partitions).name} to "
                f"{max(held.partitions).name}."
                if held.partitions
                else f"Found no partition in {store}; expected some. Ingest shipments first."
            )
        held = replace(held, partitions={one: held.partitions[one]})
    layout.require_files(held.files())
    return StoredHistory(event=event, layout=layout, commit=held)


def stored_parcel(store: str | Path, shipment_id: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One shipment of a store (1, ...) and all its scans; only its partition is read."""
    layout = StoreLayout.open(store)
    commit = layout.commit()
    # Who is asked for is mostly young.
    for _, kinds in sorted(commit.partitions.items(), reverse=True):
        ids = layout.read(kinds.get("shipments", ()), ["shipment_id"])
        if not len(ids) or not pc.any(pc.equal(ids["shipment_id"], shipment_id)).as_py():
            continue
        table = layout.read(kinds["shipments"])
        mine = shipments_frame(table.filter(pc.equal(table["shipment_id"], shipment_id)))
        scans = layout.read(kinds.get("scans", ()))
        if scans.num_columns:
            scans = scans.filter(pc.equal(scans["shipment_id"], shipment_id))
        return mine, cleaned(mine, scans)
    raise StoreError(
        f"Found no shipment {shipment_id!r} among the {len(commit.partitions)} partitions of "
        f"{store}; expected one that was ingested. Check its spelling, or ingest it first."
    )
