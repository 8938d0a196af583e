"""The files of a store: partitions by week of order and hash of the parcel, and who names them.

A store is a directory::

    etapromise-store.json          the format, in how many parts a week lies, what is kept how long
    commits/0000000007.json        the files that make up the store since the seventh ingest
    shipments/week=2025-02-03/bucket=1/….parquet   a row a parcel, as it was given
    scans/week=…/bucket=…/….parquet                its scans, as they were given, each once
    journeys/week=…/bucket=…/….parquet             a row a parcel: its milestones
    waiting/….parquet              scans whose shipment has not come yet
    rejects/….parquet              rows that could not be used, with the reason

Files never change: an ingest writes new ones and then the commit that names them, so a reader sees
the store of before or after it. What no commit names counts for nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from etapromise.errors import ContractError, StoreError
from etapromise.files import whole_file, write_text

STORE_FORMAT: Final = 1
_HEAD: Final = "etapromise-store.json"
_DAY: Final = 86_400_000_000
# 1970-01-05 was a Monday.
_MONDAY: Final = 4
# What older commits name stays as long as a reader may still read it.
_COMMITS_KEPT: Final = 4

_Plain = dict[str, Any]
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def store_directory(store: str | Path) -> Path:
    """Where a store lies; absolute, as what begins with ~ or a colon means other things to Arrow.

    Raises:
        StoreError: it is an address, where files cannot be locked and put in their place.
    """
    if _ADDRESS.match(str(store)):
        raise StoreError(
            f"Found the store {str(store)!r}; expected a directory of a file system. Only tables "
            "are read from addresses: keep the store on a disk, or mount the place."
        )
    return Path(store).absolute()


@dataclass(frozen=True, order=True)
class Partition:
    """Parcels ordered in one week, or a part of them by the hash of their ids.

    Attributes:
        week: number of the week; 0 is that of 1970-01-05.
        bucket: which part.
    """

    week: int
    bucket: int

    @property
    def name(self) -> str:
        """Its place under each kind of table."""
        monday = dt.date(1970, 1, 1) + dt.timedelta(days=self.week * 7 + _MONDAY)
        return f"week={monday.isoformat()}/bucket={self.bucket}"

    @property
    def last_day(self) -> int:
        """The last UTC day of orders, since 1970-01-01."""
        return self.week * 7 + _MONDAY + 6

    @classmethod
    def named(cls, name: str) -> Partition:
        """The partition of a name.

        Raises:
            ContractError: it is the name of none.
        """
        try:
            week, bucket = (part.partition("=")[2] for part in name.split("/"))
            days = (dt.date.fromisoformat(week) - dt.date(1970, 1, 1)).days
            return cls((days - _MONDAY) // 7, int(bucket))
        except (AttributeError, ValueError) as error:
            raise ContractError(
                f"Found partition={name!r}; expected a name such as 'week=2026-01-05/bucket=0'."
            ) from error


@dataclass(frozen=True)
class StoredFile:
    """One file of a store: its path in it, its rows, its bytes."""

    path: str
    rows: int
    bytes: int


Files = dict[str, tuple[StoredFile, ...]]
"""The files of a partition by kind: shipments, scans, journeys."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a store consists of.

    Attributes:
        number: 0 before anything was ingested.
        partitions: their files.
        waiting: files of scans without a shipment.
        rejects: files of rows that could not be used, by table.
        latest: microseconds since 1970 UTC of the latest receipt of a scan, 0 without any.
    """

    number: int = 0
    partitions: Mapping[Partition, Files] = field(default_factory=dict)
    waiting: tuple[StoredFile, ...] = ()
    rejects: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    latest: int = 0

    def files(self) -> Iterable[StoredFile]:
        """All of them."""
        yield from self.waiting
        for files in self.rejects.values():
            yield from files
        for kinds in self.partitions.values():
            for files in kinds.values():
                yield from files

    def plain(self) -> _Plain:
        """As it is written down."""

        def listed(kinds: Mapping[str, tuple[StoredFile, ...]]) -> _Plain:
            return {kind: [vars(file) for file in files] for kind, files in kinds.items()}

        return {
            "format": STORE_FORMAT,
            "number": self.number,
            "latest_receipt": self.latest,
            "partitions": {
                partition.name: listed(kinds)
                for partition, kinds in sorted(self.partitions.items())
            },
            "waiting": [vars(file) for file in self.waiting],
            "rejects": listed(self.rejects),
        }

    @classmethod
    def of(cls, plain: _Plain) -> Commit:
        """As it was written down."""

        def files(told: list[_Plain]) -> tuple[StoredFile, ...]:
            return tuple(StoredFile(**file) for file in told)

        def kinds(told: _Plain) -> Files:
            return {kind: files(listed) for kind, listed in told.items()}

        return cls(
            number=plain["number"],
            latest=plain["latest_receipt"],
            partitions={
                Partition.named(name): kinds(told) for name, told in plain["partitions"].items()
            },
            waiting=files(plain["waiting"]),
            rejects=kinds(plain["rejects"]),
        )


@dataclass(frozen=True)
class StoreLayout:
    """A store on disk, and its lasting settings.

    Attributes:
        buckets: in how many parts a week lies.
        keep_scans_days: a week's scans are let go of this many days after its orders; milestones
            stay.
    """

    root: Path
    buckets: int
    keep_scans_days: int

    @classmethod
    def open(cls, store: str | Path) -> StoreLayout:
        """An existing store."""
        root = store_directory(store)
        head = root / _HEAD
        if not head.exists():
            raise StoreError(
                f"Found no store in {root}; expected a directory that `etapromise ingest` has "
                "made. Check the path, or ingest shipments and scans first."
            )
        told = _read(head)
        return cls(root, int(told["buckets"]), int(told["keep_scans_days"]))

    @classmethod
    def create(cls, root: Path, *, buckets: int, keep_scans_days: int) -> StoreLayout:
        """A new store, where there is none yet."""
        if buckets < 1 or keep_scans_days < 1:
            raise StoreError(
                f"Found buckets={buckets} and keep_scans_days={keep_scans_days}; expected at least "
                "1 of each."
            )
        others = [path.name for path in root.iterdir() if path.name != ".lock"]
        if others:
            raise StoreError(
                f"Found {', '.join(sorted(others)[:3])} in {root} and no store; expected an empty "
                "directory, or a store. Choose another one."
            )
        told = {"format": STORE_FORMAT, "buckets": buckets, "keep_scans_days": keep_scans_days}
        write_text(root / _HEAD, json.dumps(told, indent=2) + "\n")
        return cls(root, buckets, keep_scans_days)

    def commit(self, number: int | None = None) -> Commit:
        """The latest commit, or one of the last of a number.

        Raises:
            StoreError: it cannot be read, is of a newer format, or is forgotten.
        """
        if number is not None:
            return Commit.of(_read(self.root / "commits" / f"{number:010d}.json"))
        found = self._commits()
        return Commit.of(_read(found[-1])) if found else Commit()

    def write_commit(self, commit: Commit) -> None:
        """Make the store what `commit` says; older commits are forgotten in time."""
        text = json.dumps(commit.plain(), indent=1) + "\n"
        write_text(self.root / "commits" / f"{commit.number:010d}.json", text)
        forgotten = self._commits()[:-_COMMITS_KEPT]
        gone = _named_by(forgotten) - _named_by(self._commits()[-_COMMITS_KEPT:])
        for path in (*forgotten, *(self.root / name for name in gone)):
            path.unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove files that no commit names; how many an ingest left that did not end."""
        named, left = _named_by(self._commits()), 0
        for kind in ("shipments", "scans", "journeys", "waiting", "rejects", "staging"):
            for path in sorted((self.root / kind).rglob("*"), reverse=True):
                if path.is_dir():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif path.relative_to(self.root).as_posix() not in named:
                    path.unlink()
                    left += kind != "staging"
        return left

    def partitions_of(self, ordered: NDArray[np.int64], ids: pd.Series[Any]) -> NDArray[np.int64]:
        """(n, 2) week and bucket of parcels.

        Args:
            ordered: (n,) microseconds since 1970 UTC.
            ids: (n,) their identifiers.
        """
        week = (ordered // _DAY - _MONDAY) // 7
        bucket = np.zeros(len(week), np.int64)
        if self.buckets > 1 and len(week):
            bits = pd.util.hash_array(ids.to_numpy(dtype=object), categorize=False)
            bucket = (bits % np.uint64(self.buckets)).astype(np.int64)
        return np.stack([week, bucket], axis=1)

    def write(self, kind: str, name: str, table: pa.Table) -> StoredFile:
        """Write a table under a name that nothing else has."""
        path = self.root / kind / name / f"{secrets.token_hex(8)}.parquet"
        with whole_file(path) as draft:
            pq.write_table(table.replace_schema_metadata(None), draft, compression="zstd")
        place = path.relative_to(self.root).as_posix()
        return StoredFile(place, table.num_rows, path.stat().st_size)

    def read(self, files: Iterable[StoredFile], columns: list[str] | None = None) -> pa.Table:
        """The rows of some files, one after another; without files a table of nothing.

        Raises:
            StoreError: one is missing or not as it was written.
        """
        return read_table([self._checked(file) for file in files], columns)

    def require_files(self, files: Iterable[StoredFile]) -> None:
        """Raises: StoreError: one is missing or not of the size that it was written with."""
        for file in files:
            self._checked(file)

    def _checked(self, file: StoredFile) -> Path:
        path = self.root / file.path
        if not path.exists() or path.stat().st_size != file.bytes:
            found = f"{path.stat().st_size:,} bytes" if path.exists() else "nothing"
            raise StoreError(
                f"Found {found} at {path}; expected the {file.bytes:,} bytes that the store's "
                "commit names. Bring the file back from a copy, or ingest everything into a new "
                "store."
            )
        return path

    def _commits(self) -> list[Path]:
        return sorted((self.root / "commits").glob("[0-9]*.json"))


def _named_by(commits: Iterable[Path]) -> set[str]:
    return {file.path for path in commits for file in Commit.of(_read(path)).files()}


def read_table(paths: list[Path], columns: list[str] | None = None) -> pa.Table:
    """The rows of Parquet files, one after another; a column that one lacks is missing there."""
    try:
        tables = [pq.ParquetFile(path).read(columns=columns) for path in paths]
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"Found {paths[0]} or one of {len(paths)} files beside it unreadable ({error}); "
            "expected what an ingest wrote, every column of one type. Bring the files back from a "
            "copy, or ingest with the column's type mended."
        ) from error


def _read(path: Path) -> _Plain:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        version = int(told["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"Found {path} unreadable ({error}); expected what `etapromise ingest` writes. Bring "
            "it back from a copy."
        ) from error
    if version > STORE_FORMAT:
        raise StoreError(
            f"Found {path} of format {version}; expected at most {STORE_FORMAT}. A newer "
            "etapromise has written it: update this one."
        )
    return dict(told)
