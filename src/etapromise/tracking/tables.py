"""Reading the two tables of the contract: shipments and scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.errors import ContractError
from etapromise.normal_forms.texts import normal_name
from etapromise.normal_forms.zones import zone_name
from etapromise.text_type import TEXT
from etapromise.tracking import columns as read
from etapromise.tracking.alike_names import tell_alike_names
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, STATUSES, Column, Kind
from etapromise.tracking.faults import Checked, Faults, rejects_table
from etapromise.tracking.payloads import scans_source
from etapromise.tracking.places import orders_on_days, read_place
from etapromise.tracking.plain_dates import place_plain_dates
from etapromise.tracking.python_objects import table_as_text
from etapromise.tracking.sources import RawTable, Source, open_table
from etapromise.tracking.texts import ColumnValues, as_series, as_text, coded, doubled
from etapromise.tracking.times import WallTimes
from etapromise.tracking.vocabularies import (
    STANDARD,
    Fault,
    Meaning,
    Vocabulary,
    vocabularies,
    vocabulary_named,
)

# Sentinels such as 0001-01-01 and 9999-12-31 are no moments in a parcel's life.
EARLIEST: Final = int(np.datetime64("1990-01-01", "us").astype(np.int64))
LATEST: Final = int(np.datetime64("2100-01-01", "us").astype(np.int64))
# 2099-12-31 stands for "never".
LAST_DATE: Final = int(np.datetime64("2099-12-31", "us").astype(np.int64))

WITHOUT_INFORMATION: Final = Fault.WITHOUT_INFORMATION.value

_STATUS_FAULTS: Final = {
    Fault.UNKNOWN_STATUS: f"one of {', '.join(STATUSES)}, or a vendor's code with its vocabulary",
    Fault.UNKNOWN_VENDOR_CODE: "a code of the row's vocabulary, as docs/vendors.md lists them",
}


def read_shipments(source: Source, *, naive_time_zone: str | None = None) -> Checked:
    """Read and check a table of shipments.

    Args:
        source: A path, directory, pattern or address of files (Parquet, Arrow, tables of text,
            JSON, Excel), a DataFrame, an Arrow table, or anything that has the Arrow stream
            interface, such as a polars DataFrame or a duckdb relation.
        naive_time_zone: IANA zone of the times that carry none.

    Returns:
        The accepted shipments in the order of the input (times datetime64[us, UTC], dates naive
        midnights datetime64[us], numbers float64, text ``str``; optional columns only where the
        input has them; other columns as they came), and the rejects. Of several rows with one
        shipment_id the first sound one is accepted.

    Raises:
        ContractError: The file cannot be read, a required column is missing or of a wrong type, or
            times are naive while no zone is named.
    """
    raw = open_table(source, SHIPMENT_COLUMNS, table="shipments")
    faults = Faults(len(raw.rows), raw.own_names)
    values, written = _read_columns(raw, SHIPMENT_COLUMNS, faults, naive_time_zone)
    orders_on_days(values, written["ordered_at"], faults, naive_time_zone)
    ids = as_text(values["shipment_id"])
    if not faults.free.all():
        ids = pc.if_else(pa.array(faults.free), ids, pa.scalar(None, ids.type))
    faults.add(doubled(ids), "duplicate_shipment_id", "shipment_id", "an id that no row before has")
    return _split(raw, values, faults)


def read_scans(
    source: Source, *, vocabulary: str | None = None, naive_time_zone: str | None = None
) -> Checked:
    """Read and check a table of scans, and translate vendors' codes to standard statuses.

    Args:
        source: As for `read_shipments`.
        vocabulary: Name of the vocabulary of the rows whose ``vocabulary`` column says nothing; the
            standard statuses by default.
        naive_time_zone: IANA zone of the times that carry none.

    Returns:
        The accepted scans in the order of the input, types as for `read_shipments`, ``status``
        standard and the column ``vocabulary`` gone, so that reading them again changes nothing; and
        the rejects.

    Raises:
        ContractError: As for `read_shipments`, or there is no such vocabulary.
    """
    raw = open_table(scans_source(source), SCAN_COLUMNS, table="scans")
    return split_scans(raw, check_scans(raw, vocabulary, naive_time_zone))


@dataclass(frozen=True, kw_only=True)
class CheckedScans:
    """Scans that were checked but not yet split into accepted ones and rejects.

    Attributes:
        columns: By name: text as Arrow has it, all else as a Series, (n,).
        status: (n,) positions in `STATUSES`, -1 where the status is missing or says nothing.
        faults: What is wrong with which row.
    """

    columns: dict[str, ColumnValues]
    status: npt.NDArray[np.int8]
    faults: Faults


def check_scans(raw: RawTable, vocabulary: str | None, naive_time_zone: str | None) -> CheckedScans:
    """Check scans, and translate vendors' codes to standard statuses; see `read_scans`."""
    default = vocabulary_named(vocabulary or STANDARD)
    faults = Faults(len(raw.rows), raw.own_names)
    values, written = _read_columns(raw, SCAN_COLUMNS, faults, naive_time_zone)
    status = _standard_statuses(values, default, faults)
    place_plain_dates(values, written, status, faults, naive_time_zone)
    return CheckedScans(columns=values, status=status, faults=faults)


def split_scans(raw: RawTable, checked: CheckedScans) -> Checked:
    """The accepted scans and the rejects; see `read_scans`."""
    words = pa.array(STATUSES, pa.large_string())
    known = pa.array(checked.status, mask=checked.status < 0)
    values = checked.columns | {"status": pa.chunked_array([words.take(known)])}
    values.pop("vocabulary", None)
    # What says nothing about the parcel is neither a scan nor at fault.
    silent = checked.faults.free & (checked.status < 0)
    return _split(raw, values, checked.faults, silent)


def _read_columns(
    raw: RawTable, columns: Mapping[str, Column], faults: Faults, naive_time_zone: str | None
) -> tuple[dict[str, ColumnValues], dict[str, WallTimes]]:
    """The columns, and what their times looked like."""
    if naive_time_zone is not None:
        read.require_time_zone(naive_time_zone)
    values: dict[str, ColumnValues] = {}
    for name, array in raw.contract.items():
        if columns[name].kind not in (Kind.TIME, *_OF_PLACES):
            values[name] = _read_column(array, columns[name], faults)
    for side in ("origin", "destination"):
        read_place(raw.contract, values, side, faults)
    written = {}
    for name, array in raw.contract.items():
        if columns[name].kind is Kind.TIME:
            values[name], written[name] = _read_moments(
                array,
                columns[name],
                values,
                faults,
                naive_time_zone,
                raw.stated.get(name),
            )
    for name, column in columns.items():
        if column.required and name in values:
            value = values[name]
            missing = value.isna() if isinstance(value, pd.Series) else value.is_null()
            if name == "destination":
                told = "have none: their dates come from the region, the country or all parcels"
                faults.note(int(missing.to_numpy().sum()), f"missing_{name}", name, told)
                continue
            faults.add(missing.to_numpy(), f"missing_{name}", name, "a value")
    return {name: values[name] for name in columns if name in values}, written


_OF_PLACES: Final = (Kind.COUNTRY, Kind.REGION, Kind.PLACE)
# Whose clock the times of a column are on where they do not say it.
_CLOCK_ZONES: Final = {"ordered_at": "ordered_time_zone", "scanned_at": "scanned_time_zone"}


def _read_moments(
    array: pa.ChunkedArray,
    column: Column,
    values: Mapping[str, ColumnValues],
    faults: Faults,
    naive_time_zone: str | None,
    written: npt.NDArray[np.bool_] | None,
) -> tuple[pd.Series[Any], WallTimes]:
    name = column.name
    zones = None
    stated = values.get(_CLOCK_ZONES.get(name, ""))
    if isinstance(stated, pa.ChunkedArray):
        zones = stated.to_pandas().astype(object).to_numpy()
    times = read.read_times(array, faults.named(name), naive_time_zone, zones, written=written)
    for dialect, rows in times.clocks.dialects:
        faults.note(rows, f"dialect_{name}", name, f"were read as {dialect}")
    moments = times.series
    _unusable(
        *(moments, times.unreadable, f"unreadable_{name}", column, faults, array),
        "a time in one of the formats that the mapping states, or ISO 8601"
        if written is not None
        else "an ISO 8601 time with an offset",
    )
    _unusable(
        *(moments, times.zoneless, f"no_time_zone_{name}", column, faults, array),
        "a time with an offset, as most of the column have one",
    )
    _unusable(
        *(moments, _outside(moments), f"{name}_out_of_range", column, faults, array),
        "a time from 1990 to 2099",
    )
    return moments, times.clocks


def _unusable(
    series: pd.Series[Any],
    rows: npt.NDArray[np.bool_],
    reason: str,
    column: Column,
    faults: Faults,
    array: pa.ChunkedArray,
    expected: str,
) -> None:
    """Reject rows for a value that is needed; leave any other empty, and tell it."""
    if not rows.any():
        return
    if column.required:
        faults.add(rows, reason, column.name, expected)
        return
    series[rows] = None
    faults.note(
        int(rows.sum()),
        reason,
        column.name,
        f"could not be used and were left empty, expected {expected}",
        _examples(array, rows),
    )


def _examples(array: pa.ChunkedArray, rows: npt.NDArray[np.bool_]) -> list[str]:
    some = array.take(pa.array(np.flatnonzero(rows)[:20]))
    return [str(value) for value in some.to_pylist()]


def _read_column(array: pa.ChunkedArray, column: Column, faults: Faults) -> ColumnValues:
    name = column.name
    if column.kind is Kind.DATE:
        dates = read.read_dates(array, faults.named(name))
        expected = "a calendar date, YYYY-MM-DD"
        _unusable(
            dates.series, dates.unreadable, f"unreadable_{name}", column, faults, array, expected
        )
        strange = _no_date(dates.series)
        if strange.any():
            dates.series[strange] = None
            told = "stand for no date and were left empty"
            faults.note(
                *(int(strange.sum()), f"placeholder_{name}", name, told),
                _examples(array, strange),
            )
        return dates.series
    if column.kind is Kind.NUMBER:
        return _read_number(array, column, faults)
    if column.kind is Kind.IDENTIFIER:
        found, inexact = read.read_identifiers(array, faults.named(name))
        if inexact.any():
            expected = "text: a number in scientific notation, or beyond 2**53 with .0, lost digits"
            faults.add(inexact, f"unreadable_{name}", name, expected)
        return found.column if name == "shipment_id" else _told(found, name, faults)
    text = read.read_text(array, faults.named(name))
    if column.kind is Kind.NAME:
        return _told(read.rewritten(text, normal_name), name, faults)
    if column.kind is Kind.TIME_ZONE:
        return _read_zones(text, name, faults)
    return text


def _told(found: read.Rewritten, name: str, faults: Faults) -> pa.ChunkedArray:
    """A rewritten column; placeholders and words that became one are told."""
    gone = [was for was, now in found.pairs if not now]
    faults.note(
        found.emptied, f"placeholder_{name}", name, "stand for nothing and were left empty", gone
    )
    controls = [was for was, now in found.pairs if now and any(ord(c) < 32 for c in was)]
    faults.note(
        len(controls),
        f"control_characters_{name}",
        name,
        "held control characters, which were taken out",
        map(repr, controls),
    )
    spelled: dict[str, list[str]] = {}
    for was, now in found.pairs:
        spelled.setdefault(now, []).append(was)
    several = [f"{' = '.join(was)}" for now, was in spelled.items() if now and len(was) > 1]
    faults.note(
        len(several),
        f"spellings_{name}",
        name,
        "names are written in several ways and taken as one",
        several,
    )
    if not name.endswith(("_id", "facility")):
        tell_alike_names(found.column, name, faults)
    return found.column


def _read_zones(text: pa.ChunkedArray, name: str, faults: Faults) -> pa.ChunkedArray:
    codes, words = coded(text)
    forms = [zone_name(word) for word in words]
    found = read.spread(text, codes, words, forms)
    unknown = [was for was, now in found.pairs if not now]
    told = "are no IANA names such as 'Europe/Berlin', do not say where, and were left empty"
    faults.note(found.emptied, f"unknown_{name}", name, told, unknown)
    return found.column


def _outside(times: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """Which moments are no moments in a parcel's life; a missing one is not among them."""
    stamps = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64)
    outside: npt.NDArray[np.bool_] = (stamps < EARLIEST) | (stamps >= LATEST)
    outside &= stamps != np.iinfo(np.int64).min
    return outside


def _no_date(dates: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """Which dates stand for none, such as 1900-01-01 and 9999-12-31."""
    stamps = dates.to_numpy(dtype="datetime64[us]").view(np.int64)
    strange: npt.NDArray[np.bool_] = (stamps < EARLIEST) | (stamps >= LAST_DATE)
    strange &= stamps != np.iinfo(np.int64).min
    return strange


def _read_number(array: pa.ChunkedArray, column: Column, faults: Faults) -> pd.Series[Any]:
    unit = "kg" if column.name.endswith("_kg") else ""
    numbers = read.read_numbers(array, faults.named(column.name), unit=unit)
    series = numbers.series.copy()
    reason = f"unreadable_{column.name}"
    _unusable(series, numbers.unreadable, reason, column, faults, array, "a number")
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    values = series.to_numpy()
    outside = ~np.isnan(values) & ~((values >= low) & (values <= high) & np.isfinite(values))
    expected = f"a number from {low:g} to {high:g}"
    reason = f"{column.name}_out_of_range"
    _unusable(series, outside, reason, column, faults, array, expected)
    return series


def _standard_statuses(
    values: Mapping[str, ColumnValues], default: Vocabulary, faults: Faults
) -> npt.NDArray[np.int8]:
    """Translate each distinct pair of vocabulary and code once, then spread it over the rows."""
    status_codes, statuses = coded(values["status"])
    if "vocabulary" in values:
        name_codes, spoken = coded(values["vocabulary"])
        # The last stands for rows that name none, which is where -1 points.
        known = [*map(_vocabulary_or_none, spoken), default]
    else:
        name_codes, known = None, [default]
    unknown = np.array([vocabulary is None for vocabulary in known])
    if name_codes is not None and unknown.any():
        expected = f"one of {', '.join(sorted(vocabularies()))}"
        faults.add(unknown[name_codes], "unknown_vocabulary", "vocabulary", expected)
    # For each vocabulary what each code means; the last place stands for a missing status.
    width = len(statuses) + 1
    meaning: list[Meaning | None] = []
    for vocabulary in known:
        if vocabulary is None:
            meaning += [None] * width
        else:
            meaning += [*map(vocabulary.meaning, statuses), None]
    pair = status_codes
    if name_codes is not None:
        pair = name_codes % len(known) * width + status_codes % width
    found = [None if one is None else one.status for one in meaning]
    for fault, expected in _STATUS_FAULTS.items():
        at_fault = np.array([status is fault for status in found])
        if at_fault.any():
            faults.add(at_fault[pair], fault.value, "status", expected)
    _tell_codes(found, meaning, pair, statuses, faults)
    number = {status: position for position, status in enumerate(STATUSES)}
    numbers = np.array([number.get(str(status), -1) for status in found], dtype=np.int8)
    of_rows: npt.NDArray[np.int8] = numbers[pair]
    return of_rows


def _vocabulary_or_none(name: str) -> Vocabulary | None:
    """The vocabulary that a row names; a row names no file."""
    if name.lower().endswith(".toml"):
        return None
    try:
        return vocabulary_named(name)
    except ContractError:
        return None


def _tell_codes(
    found: list[str | Fault | None],
    meaning: list[Meaning | None],
    pair: npt.NDArray[np.int32],
    statuses: list[str],
    faults: Faults,
) -> None:
    """Tell of finer codes that are new, and of codes that say nothing."""
    new = np.array([one is not None and one.by_coarse for one in meaning])
    silent = np.array([status is Fault.WITHOUT_INFORMATION for status in found])
    width = len(statuses) + 1
    for what, reason, told in (
        (new, "new_code", "hold a finer code that is in no vocabulary; the coarse one decided"),
        (silent, WITHOUT_INFORMATION, "say nothing about the parcel and were left aside"),
    ):
        if what.any():
            counted = np.bincount(pair[pair >= 0], minlength=len(meaning))
            rows = int(counted[what].sum())
            codes = [statuses[k % width] for k in np.flatnonzero(what & (counted > 0)).tolist()]
            faults.note(rows, reason, "status", told, codes)


def _split(
    raw: RawTable,
    values: Mapping[str, ColumnValues],
    faults: Faults,
    aside: npt.NDArray[np.bool_] | None = None,
) -> Checked:
    free = faults.free if aside is None else faults.free & ~aside
    whole = pd.DataFrame(
        {
            name: value if isinstance(value, pd.Series) else as_series(value)
            for name, value in values.items()
        },
        index=pd.RangeIndex(len(free)),
    )
    for name in raw.extras.columns:
        whole[name] = raw.extras[name]
    accepted = whole if free.all() else whole[free].reset_index(drop=True)
    return Checked(
        accepted=accepted,
        rejects=_rejects(raw, faults),
        notes=raw.notes + faults.notes,
        left_aside=raw.left_aside + (0 if aside is None else int(aside.sum())),
        own_names=raw.own_names.of(free),
        rows=raw.rows[free],
    )


def _rejects(raw: RawTable, faults: Faults) -> pd.DataFrame:
    faulty = np.flatnonzero(~faults.free)
    if not len(faulty) and not raw.broken:
        none = dict.fromkeys([*raw.contract, *map(str, raw.extras)], pd.Series([], dtype=TEXT))
        return rejects_table(pd.DataFrame(none), [], [], faulty, [])
    # Taking nothing from a column of text would copy all of it first.
    text = {
        name: _arrow_as_text(array.take(pa.array(faulty)) if len(faulty) else array.slice(0, 0))
        for name, array in raw.contract.items()
    }
    extras = table_as_text(raw.extras.iloc[faulty].reset_index(drop=True))
    text |= {str(name): extras[name] for name in extras}
    table = faults.table(faulty, pd.DataFrame(text), raw.rows[faulty])
    if not raw.broken:
        return table
    nothing = pd.DataFrame({name: [None] * len(raw.broken) for name in text}, dtype=TEXT)
    broken = rejects_table(
        nothing,
        ["wrong_number_of_fields"] * len(raw.broken),
        [
            f"the line {line.text!r} has {line.found} fields, expected {line.expected}"
            for line in raw.broken
        ],
        np.array([line.row for line in raw.broken], dtype=np.int64),
        [line.text for line in raw.broken],
    )
    both = pd.concat([table, broken], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)


def _arrow_as_text(array: pa.ChunkedArray) -> pd.Series[Any]:
    text: pd.Series[Any] = pc.cast(array, pa.large_string()).to_pandas().astype(TEXT)
    return text
