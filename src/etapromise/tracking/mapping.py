"""The mapping file: which column of own tables is which of the contract, and how it is written.

    [shipments]
    files = ["orders.csv"]
    time_zone = "Europe/Berlin"

    [shipments.columns]
    shipment_id = "Bestellnummer"
    ordered_at = { column = "Erstellt am", format = "%d.%m.%Y %H:%M" }
    destination = "PLZ"
    origin = { value = "Hamburg" }

    [shipments.milestones]
    delivered = { column = "Zugestellt am", format = "%d.%m.%Y" }

A calendar may stand in the same file. `docs/mapping.md` has every key.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from etapromise.errors import ContractError, name_meant
from etapromise.files import settings_text
from etapromise.normal_forms.zones import is_time_zone
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, STATUSES
from etapromise.tracking.time_words import ERAS
from etapromise.tracking.written_times import ISO, NUMBERED

OPEN: Final = "?"
"""Stands where `check` could not tell and somebody must."""

NUMBER: Final = "#"
"""What stands for the number in names of columns that are counted; see `MappedTable.each`."""
RELEASED: Final = "released_at"
"""A date before which an order cannot be handled: its clock starts then."""

SILENT: Final = "nothing"
"""The meaning of a code that says nothing about the parcel."""

MAPPING_KEYS: Final = ("shipments", "scans", "ids")
IDS_IGNORE: Final = ("case", "blanks", "width", "zeros", "fraction", "symbols", "prefix")
_PLACES: Final = ("place",)
_CHOICES: Final = {"era": tuple(ERAS), "unit": ("kg", "g", "lb", "oz")}


@dataclass(frozen=True, kw_only=True)
class MappedColumn:
    """Where the values of a column of the contract come from.

    Attributes:
        column: A column of the source; dotted where it is nested.
        value: Or one value for all rows.
        formats: Of times, see `WrittenTime`; the first that fits a value counts.
        zone: IANA zone of clock times without one; ``place`` leaves it to the place of the row.
        zone_column: A column of the source that names it, or its offset from UTC, row by row.
        clock_column: A column of the source that has the time of day of each date.
        rest_column: A column of the source that has the end of each text, such as a postcode's.
        else_column: A column of the source that counts where this one is empty.
        plain_dates: The clock of the times says nothing.
        era: From when years are counted, of `ERAS`; empty: as usual.
        decimal: The decimal mark of numbers.
        unit: ``kg``, ``g``, ``lb`` or ``oz`` of weights that carry none.
        unit_column: A column of the source that names the unit row by row.
        split: What stands between several ids in one cell.
    """

    column: str | None = None
    value: str | None = None
    formats: tuple[str, ...] = ()
    zone: str | None = None
    zone_column: str | None = None
    clock_column: str | None = None
    rest_column: str | None = None
    else_column: str | None = None
    plain_dates: bool = False
    era: str = ""
    decimal: str | None = None
    unit: str | None = None
    unit_column: str | None = None
    split: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the source that it needs."""
        beside = (self.zone_column, self.clock_column, self.rest_column, self.unit_column)
        every = (self.column, *beside, self.else_column)
        return tuple(name for name in every if name is not None)


@dataclass(frozen=True, kw_only=True)
class MappedJoin:
    """A further table, such as orders beside parcels, whose columns stand beside the others.

    Attributes:
        files: As of `MappedTable`, like the next four.
        on: The column, of the table or of what it was joined with before, that names its row.
        to: The column of the further one that is named so.
        encoding: See `FileOptions`.
        separator: Likewise.
        skip: Likewise.
        sheets: As of `MappedTable`.
        leave_out: By column the values whose rows name nothing, lower case.
    """

    files: tuple[str, ...]
    on: str
    to: str
    encoding: str | None = None
    separator: str | None = None
    skip: int | None = None
    sheets: tuple[str, ...] = ()
    leave_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MappedTable:
    """How one table of the contract comes out of own files.

    Attributes:
        files: Paths, patterns or addresses; relative ones lie beside the mapping.
        encoding: See `FileOptions`, as the next two.
        separator: Likewise.
        skip: Likewise.
        sheets: Of workbooks, whose rows are put together; empty: the only one that holds any.
        rows: See `FileOptions`.
        payload: Likewise.
        time_zone: IANA zone of all clock times of the table that carry none.
        fill_down: Columns whose empty fields repeat the row above.
        one_row_per: The column by which further rows are folded into the first.
        last_counts: Whether the last row counts instead, and alone, as where rows are changes.
        each: What stands for the ``#`` in names of columns: a row becomes one for each of them.
        leave_out: By column the values whose rows are no parcels to customers, lower case.
        columns: By column of the contract.
        milestones: Of shipments: times that are scans, by status.
        features: Further columns to keep, by the name they get.
        statuses: Of scans: what codes mean, lower case; `SILENT` where nothing.
        joins: Of shipments: tables whose columns stand beside these, one after the other.
    """

    files: tuple[str, ...] = ()
    encoding: str | None = None
    separator: str | None = None
    skip: int | None = None
    sheets: tuple[str, ...] = ()
    rows: str = ""
    payload: bool = False
    time_zone: str | None = None
    fill_down: tuple[str, ...] = ()
    one_row_per: str | None = None
    last_counts: bool = False
    each: tuple[str, ...] = ()
    leave_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, MappedColumn] = field(default_factory=dict)
    milestones: Mapping[str, MappedColumn] = field(default_factory=dict)
    features: Mapping[str, MappedColumn] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    joins: tuple[MappedJoin, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TableMapping:
    """A whole mapping file.

    Attributes:
        shipments: How the shipments come about.
        scans: How the scans do; None where the milestones of the shipments are all.
        ids_ignore: What does not count where ids are compared, of `IDS_IGNORE`.
        path: Where it was read, beside which its files lie.
    """

    shipments: MappedTable
    scans: MappedTable | None = None
    ids_ignore: tuple[str, ...] = ()
    path: Path | None = None

    def files_of(self, table: MappedTable | MappedJoin) -> list[str]:
        """Its files as they can be opened from here."""
        base = Path() if self.path is None else self.path.parent
        return [name if "://" in name else str(base / name) for name in table.files]


MappingSource: TypeAlias = str | os.PathLike[str] | TableMapping
"""What `mapping=` takes: the path of a mapping file, or one that was read."""


def read_mapping(source: MappingSource) -> TableMapping:
    """Read a mapping file.

    Args:
        source: Its path; a mapping that was read already is given back.

    Raises:
        ContractError: It is missing, no TOML, or says what cannot be; the message names the place.
    """
    if isinstance(source, TableMapping):
        return source
    if not isinstance(source, str | os.PathLike):
        raise ContractError(
            f"found {type(source).__name__} for the mapping, expected the path of a mapping file; "
            "let `etapromise check --write-mapping` propose one"
        )
    path = Path(source)
    try:
        text = settings_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"found no readable mapping {path}: {error}; check the path") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        twice = "overwrite" in str(error)
        raise ContractError(
            f"{path} is no valid TOML: {error}"
            + ("; two columns are named for one thing, keep one of them" if twice else "")
        ) from error
    return _mapping(data, path)


def _mapping(data: Mapping[str, Any], path: Path) -> TableMapping:
    for key in data:
        # Other tables are those of a calendar, which has its own reader.
        if key not in MAPPING_KEYS and _near(key, MAPPING_KEYS):
            raise ContractError(f"{path} has [{key}], which is not known{_near(key, MAPPING_KEYS)}")
    if "shipments" not in data:
        raise ContractError(
            f"{path} has no table [shipments]; `etapromise check FILES --write-mapping "
            f"{path.name}` proposes one"
        )
    shipments = _table(data["shipments"], SHIPMENT_COLUMNS, "shipments", path)
    scans = None
    if "scans" in data:
        scans = _table(data["scans"], SCAN_COLUMNS, "scans", path)
    ids = data.get("ids", {})
    _only(ids, ("ignore",), "[ids]", path)
    ignore = tuple(_texts(ids.get("ignore", []), "[ids] ignore", path))
    for name in ignore:
        if name not in IDS_IGNORE:
            raise ContractError(
                f"{path}: [ids] ignore names {name!r}, expected some of {', '.join(IDS_IGNORE)}"
            )
    return TableMapping(shipments=shipments, scans=scans, ids_ignore=ignore, path=path)


_SETTINGS: Final = {
    "files": list,
    "encoding": str,
    "separator": str,
    "skip": int,
    "sheet": str | list,
    "rows": str,
    "time_zone": str,
    "fill_down": list,
    "one_row_per": str,
    "last_counts": bool,
    "each": list,
    "leave_out": dict,
    "columns": dict,
    "features": dict,
}
_ONLY_FOR: Final[dict[str, dict[str, Any]]] = {
    "shipments": {"milestones": dict, "join": dict | list},
    "scans": {"statuses": dict, "payload": bool},
}
_OF_A_JOIN: Final = {"on": str, "to": str} | {
    key: _SETTINGS[key] for key in ("files", "encoding", "separator", "skip", "sheet", "leave_out")
}


def _table(data: Any, contract: Mapping[str, Any], name: str, path: Path) -> MappedTable:
    where = f"[{name}]"
    if not isinstance(data, dict):
        raise ContractError(f"{path}: {name} is no table of TOML; write {where}")
    allowed: dict[str, Any] = {**_SETTINGS, **_ONLY_FOR[name]}
    _only(data, tuple(allowed), where, path)
    for key, value in data.items():
        _answered(value, f"{where} {key}", path)
        if not isinstance(value, allowed[key]) or isinstance(value, bool) != (allowed[key] is bool):
            raise ContractError(
                f"{path}: {where} {key} is {value!r}, expected {_KINDS[allowed[key]]}"
            )
    _zone(data.get("time_zone"), f"{where} time_zone", path)
    named = data.get("columns", {})
    known = (*contract, RELEASED) if name == "shipments" else tuple(contract)
    _only(named, known, f"[{name}.columns]", path)
    _only(data.get("milestones", {}), STATUSES, "[shipments.milestones]", path)
    for code, status in data.get("statuses", {}).items():
        if status not in (*STATUSES, SILENT):
            _answered(status, f"[scans.statuses] {code}", path)
            raise ContractError(
                f"{path}: [scans.statuses] {code} is {status!r}, expected one of "
                f"{', '.join(STATUSES)} or {SILENT!r}{_near(str(status), STATUSES)}"
            )
    columns, milestones, features = (
        {
            key: _column(value, f"[{name}.{part}] {key}", path)
            for key, value in data.get(part, {}).items()
        }
        for part in ("columns", "milestones", "features")
    )
    missing = [key for key, one in contract.items() if one.required and key not in columns]
    if missing:
        raise ContractError(
            f"{path}: [{name}.columns] lacks {', '.join(missing)}; name the column of your table, "
            f'or one value for all rows: {missing[0]} = {{ value = "…" }}'
        )
    return MappedTable(
        files=tuple(_texts(data.get("files", []), f"{where} files", path)),
        fill_down=tuple(_texts(data.get("fill_down", []), f"{where} fill_down", path)),
        each=tuple(_texts(data.get("each", []), f"{where} each", path)),
        leave_out=_leave_out(data, where, path),
        columns=columns,
        milestones=milestones,
        features=features,
        joins=_joins(data.get("join", []), path),
        sheets=_sheets(data, where, path),
        statuses={str(code).strip().lower(): one for code, one in data.get("statuses", {}).items()},
        **{
            key: data[key]
            for key in (
                "encoding",
                "separator",
                "skip",
                "rows",
                "payload",
                "time_zone",
                "one_row_per",
                "last_counts",
            )
            if key in data
        },
    )


def _joins(data: Any, path: Path) -> tuple[MappedJoin, ...]:
    """One table, or several that are joined one after the other."""
    if isinstance(data, dict):
        return (_join(data, "[shipments.join]", path),)
    for one in data:
        if not isinstance(one, dict):
            raise ContractError(f"{path}: [shipments] join has {one!r}, expected tables")
    return tuple(_join(one, f"[[shipments.join]] {n}", path) for n, one in enumerate(data, 1))


def _join(data: Mapping[str, Any], where: str, path: Path) -> MappedJoin:
    _only(data, tuple(_OF_A_JOIN), where, path)
    for key, value in data.items():
        _answered(value, f"{where} {key}", path)
        if not isinstance(value, _OF_A_JOIN[key]) or isinstance(value, bool):
            raise ContractError(
                f"{path}: {where} {key} is {value!r}, expected {_KINDS[_OF_A_JOIN[key]]}"
            )
    for key in ("files", "on"):
        if not data.get(key):
            raise ContractError(
                f"{path}: {where} lacks {key}; name the files of the other table, and on which "
                "column of this one it is joined"
            )
    return MappedJoin(
        files=tuple(_texts(data["files"], f"{where} files", path)),
        to=data.get("to", data["on"]),
        sheets=_sheets(data, where, path),
        leave_out=_leave_out(data, where, path),
        **{key: data[key] for key in ("on", "encoding", "separator", "skip") if key in data},
    )


def _leave_out(data: Mapping[str, Any], where: str, path: Path) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(word.strip().lower() for word in _texts(words, f"{where} leave_out", path))
        for name, words in data.get("leave_out", {}).items()
    }


def _sheets(data: Mapping[str, Any], where: str, path: Path) -> tuple[str, ...]:
    told = data.get("sheet", [])
    return tuple(_texts([told] if isinstance(told, str) else told, f"{where} sheet", path))


_KINDS: Final[dict[Any, str]] = {
    str: "text",
    int: "a whole number",
    list: "a list of texts",
    dict: "a table",
    dict | list: "a table, or several: [[shipments.join]]",
    str | list: "text or a list of texts",
    bool: "true or false",
}
_KEYS: Final[dict[str, Any]] = {
    "column": str,
    "value": str,
    "format": str | list,
    "zone": str,
    "zone_column": str,
    "clock_column": str,
    "rest_column": str,
    "else_column": str,
    "plain_dates": bool,
    "era": str,
    "decimal": str,
    "unit": str,
    "unit_column": str,
    "split": str,
}


def _column(data: Any, where: str, path: Path) -> MappedColumn:
    if isinstance(data, list):
        raise ContractError(
            f"{path}: {where} names {len(data)} columns for one thing, expected one; keep one"
        )
    if isinstance(data, str):
        data = {"column": data}
    if not isinstance(data, dict):
        raise ContractError(
            f"{path}: {where} is {data!r}, expected the name of a column or "
            '{ column = "…", … } or { value = "…" }'
        )
    _only(data, tuple(_KEYS), where, path)
    for key, value in data.items():
        _answered(value, f"{where}, {key}", path)
        if key == "value" and isinstance(value, int | float) and not isinstance(value, bool):
            continue
        if not isinstance(value, _KEYS[key]):
            raise ContractError(f"{path}: {where}, {key} is {value!r}, expected {_kind(key)}")
    if ("column" in data) == ("value" in data):
        raise ContractError(f"{path}: {where} needs either a column or a value, and not both")
    if data.get("zone") not in _PLACES:
        _zone(data.get("zone"), f"{where}, zone", path)
    for key, known in _CHOICES.items():
        if data.get(key, known[0]) not in known:
            raise ContractError(
                f"{path}: {where}, {key} is {data[key]!r}, expected {', '.join(known[:-1])} or "
                f"{known[-1]}"
            )
    return MappedColumn(
        formats=_formats(data, where, path),
        value=None if "value" not in data else str(data["value"]),
        **{key: data[key] for key in data if key not in {"format", "value"}},
    )


def _formats(data: Mapping[str, Any], where: str, path: Path) -> tuple[str, ...]:
    formats = data.get("format", [])
    formats = [formats] if isinstance(formats, str) else formats
    for form in formats:
        _answered(form, f"{where}, format", path)
        if not isinstance(form, str) or not (form in (*NUMBERED, ISO) or "%" in form):
            raise ContractError(
                f"{path}: {where}, format is {form!r}, expected one such as '%d.%m.%Y %H:%M', or "
                f"one of {', '.join(NUMBERED)}"
            )
    return tuple(formats)


def _kind(key: str) -> str:
    return "true or false" if _KEYS[key] is bool else "text"


def _answered(value: Any, where: str, path: Path) -> None:
    if value == OPEN:
        raise ContractError(
            f"{path}: {where} is still open ({OPEN!r}), because the data do not tell it; fill it "
            "in (the comment beside it says what is asked)"
        )


def _zone(name: str | None, where: str, path: Path) -> None:
    if name is not None and not is_time_zone(name):
        raise ContractError(
            f"{path}: {where} is {name!r}, expected an IANA name such as 'Europe/Berlin'"
        )


def _texts(values: Any, where: str, path: Path) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ContractError(f"{path}: {where} is {values!r}, expected a list of texts")
    return values


def _only(data: Any, known: Sequence[str], where: str, path: Path) -> None:
    for key in data:
        if key not in known:
            raise ContractError(
                f"{path}: {where} has {key!r}, which is not known{_near(key, known)}; "
                f"expected some of {', '.join(known)}"
            )


def _near(name: str, known: Sequence[str]) -> str:
    near = name_meant(name.lower(), known)
    return f", did you mean {near!r}?" if near else ""
