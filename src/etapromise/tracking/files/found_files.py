"""Files that hold tables: which they are, where they lie, and of which kind each is.

A path, a directory, a pattern with ``*`` or an address that Arrow or fsspec can open
(``s3://bucket/scans/*.parquet``). Folders named ``key=value`` give their files a column. The files
in a .zip archive count as those of a directory.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.fs

from etapromise.errors import ContractError

_KINDS: Final = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".ods"), "excel"),
    **dict.fromkeys((".csv", ".tsv", ".txt", ".tab", ".psv"), "text"),
}
_COMPRESSED: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
_ARCHIVE: Final = ".zip"
# The last is the old form of Excel; pages of the web and Excel's XML are often called .xls too.
_MAGIC: Final = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"PK\x03\x04", "excel"),
    (b"\xd0\xcf\x11\xe0", "excel"),
)
_PAGE: Final = re.compile(
    rb"^\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|head|meta|style|body|table|\?xml)",
    re.IGNORECASE,
)
_PAGES: Final = frozenset({".xls", ".html", ".htm", ".csv", ".txt"})
_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file that holds a table.

    Attributes:
        name: For messages.
        path: For its filesystem.
        system: Where it lies; None is this machine.
        partition: Columns that its folders say.
        archive: The .zip file that it is in; the path is that in the archive.
    """

    name: str
    path: str
    system: pyarrow.fs.FileSystem | None = None
    partition: Mapping[str, str | None] = field(default_factory=dict)
    archive: str | None = None

    @property
    def compression(self) -> str | None:
        """By its name, as Arrow calls it."""
        return _COMPRESSED.get(Path(self.path).suffix.lower())

    @property
    def kind(self) -> str | None:
        """``parquet``, ``arrow``, ``json``, ``excel`` or ``text`` by its name, else None."""
        path = Path(self.path)
        if self.compression:
            path = path.with_suffix("")
        return _KINDS.get(path.suffix.lower())

    def open(self) -> pa.NativeFile:
        """Its bytes, which may be read at any place.

        Raises:
            ContractError: It lies in an archive that is damaged or needs a password.
        """
        if self.archive is not None:
            with _archive(self.archive, self.system) as files:
                return pa.BufferReader(_unpacked(files, self.path, self.archive))
        return _bytes_of(self.path, self.system)

    def buffer(self) -> pa.Buffer:
        """All its bytes, decompressed."""
        if self.compression is None:
            return self.open().read_buffer()
        with pa.CompressedInputStream(self.open(), self.compression) as stream:
            return stream.read_buffer()

    @property
    def told_kind(self) -> str | None:
        """As `kind`, and by its bytes where the name says nothing or another thing than they do."""
        kind = self.kind
        if kind not in {None, "text"}:
            return kind
        if self.compression:
            return "text"
        with self.open() as data:
            start = bytes(data.read(512))
        for magic, found in _MAGIC:
            if start.startswith(magic):
                return found
        called = Path(self.path).suffix.lower()
        if _PAGE.match(start) and called in _PAGES:
            return "page"
        return "text" if called == ".xls" else kind


def _bytes_of(path: str, system: pyarrow.fs.FileSystem | None) -> pa.NativeFile:
    if system is None:
        # Not mapped: of a file that is cut meanwhile, reading a mapped page ends the process.
        return pa.OSFile(path)
    return system.open_input_file(path)


def _archive(path: str, system: pyarrow.fs.FileSystem | None) -> zipfile.ZipFile:
    with _bytes_of(path, system) as data:
        packed = io.BytesIO(memoryview(data.read_buffer()))
    try:
        return zipfile.ZipFile(packed)
    except zipfile.BadZipFile as error:
        raise ContractError(
            f"{path} cannot be read as a .zip archive, it may be cut or damaged: {error}; save it "
            "again"
        ) from error


def _unpacked(files: zipfile.ZipFile, path: str, archive: str) -> bytes:
    try:
        return files.read(path)
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ContractError(
            f"{path} in {archive} cannot be read: {error}; unpack it, and name the file itself"
        ) from error


def _in_archive(one: FoundFile) -> list[FoundFile]:
    """The tables in an archive, or the file itself where it is none."""
    if Path(one.path).suffix.lower() != _ARCHIVE:
        return [one]
    with _archive(one.path, one.system) as files:
        names = sorted(info.filename for info in files.infolist() if info.file_size)
    inside = [
        FoundFile(
            name=f"{name} in {one.name}",
            path=name,
            system=one.system,
            partition={**one.partition, **_partition(name)},
            archive=one.path,
        )
        for name in names
    ]
    return [file for file in inside if file.kind and not _hidden(file.path)]


@contextmanager
def damage_named(path: object, table: str) -> Iterator[None]:
    """Turns what Arrow says of a damaged file into an error that names the file."""
    try:
        yield
    except ContractError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(
            f"{path} cannot be read as a table of {table}, the file may be cut or damaged: "
            f"{error}; export it again"
        ) from error


def find_files(source: str | os.PathLike[str], table: str) -> list[FoundFile]:
    """The files of a path, a directory, a pattern or an address, by name.

    Raises:
        ContractError: There are none, or one is empty.
    """
    text = os.fspath(source)
    if re.match(r"^[a-z][a-z0-9+.\-]+://", text, re.IGNORECASE):
        found = _remote_files(text, table)
    else:
        found = _local_files(text, table)
    found = [inside for one in found for inside in _in_archive(one)]
    if not found:
        raise ContractError(
            f"found no table of {table} in {text}, expected files whose names end in "
            f"{', '.join(_KINDS)}; check the path"
        )
    return found


def _local_files(text: str, table: str) -> list[FoundFile]:
    path = Path(text)
    if path.is_dir():
        inside = sorted(str(one) for one in path.rglob("*") if one.is_file())
        files = [_file(name, name[len(text.rstrip("/")) + 1 :]) for name in inside]
        files = [one for one in files if _may_be(one) and not _hidden(one.path[len(text) :])]
        return [one for one in files if Path(one.path).stat().st_size]
    if not path.exists() and any(sign in text for sign in "*?["):
        fixed = re.split(r"[*?\[]", text, maxsplit=1)[0]
        start = len(fixed.rpartition("/")[0])
        matched = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (absolute patterns too)
        named = [name for name in matched if Path(name).is_file()]
        return [_file(name, name[start:]) for name in named]
    if not path.exists():
        raise ContractError(f"found no file {path} for the {table}; check the path")
    if not path.is_file():
        raise ContractError(f"{path} is a device or a pipe, expected a plain file; write it to one")
    if path.stat().st_size == 0:
        raise ContractError(f"{path} is empty, expected a table of {table}; export it again")
    return [_file(text, "")]


def _file(name: str, inside: str, system: pyarrow.fs.FileSystem | None = None) -> FoundFile:
    return FoundFile(name=name, path=name, system=system, partition=_partition(inside))


def _may_be(file: FoundFile) -> bool:
    """Whether a file of a directory holds a table, or more of them, by its name."""
    return file.kind is not None or Path(file.path).suffix.lower() == _ARCHIVE


def _hidden(inside: str) -> bool:
    return any(part.startswith((".", "_")) for part in inside.split("/") if part)


def _partition(inside: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for folder in inside.split("/")[:-1]:
        key, told, value = folder.partition("=")
        if told and key:
            said = urllib.parse.unquote(value)
            found[urllib.parse.unquote(key)] = None if said == _NO_PARTITION else said
    return found


def _remote_files(address: str, table: str) -> list[FoundFile]:
    fixed = re.split(r"[*?\[]", address, maxsplit=1)[0]
    base = address if fixed == address else fixed.rpartition("/")[0]
    with damage_named(address, table):
        system, path = _file_system(base)
        whole = path + address[len(base) :]
        info = system.get_file_info(path)
        if info.type == pyarrow.fs.FileType.File:
            return [_file(path, "", system)]
        inside = system.get_file_info(
            pyarrow.fs.FileSelector(path, recursive=True, allow_not_found=True)
        )
    names = sorted(one.path for one in inside if one.type == pyarrow.fs.FileType.File and one.size)
    if fixed != address:
        names = [name for name in names if fnmatch.fnmatch(name, whole)]
    files = [_file(name, name[len(path) :], system) for name in names]
    return [one for one in files if _may_be(one) and not _hidden(one.path[len(path) :])]


def _file_system(address: str) -> tuple[pyarrow.fs.FileSystem, str]:
    try:
        system, path = pyarrow.fs.FileSystem.from_uri(address)
    except pa.ArrowInvalid:
        try:
            import fsspec  # noqa: PLC0415 (an extra)
        except ImportError:
            raise ContractError(
                f"{address} is no address that Arrow opens by itself; install etapromise[remote] "
                "and the fsspec package of its kind"
            ) from None
        try:
            remote, path = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise ContractError(f"{address} cannot be opened: {error}") from error
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(remote)), path
    return system, path


def parquet_files(source: str | os.PathLike[str], table: str) -> list[FoundFile] | None:
    """The files of a source that is Parquet throughout, none of it packed, else None."""
    text = os.fspath(source)
    if not Path(text).is_dir() and FoundFile(name=text, path=text).kind not in {None, "parquet"}:
        return None
    files = find_files(text, table)
    plain = all(one.kind == "parquet" and one.archive is None for one in files)
    return files if plain else None
