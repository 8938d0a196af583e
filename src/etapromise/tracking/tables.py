"""Reading the two tables of the contract: shipments and scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking import columns as read
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, STATUSES, Column, Kind
from etapromise.tracking.faults import Checked, Faults, rejects_table
from etapromise.tracking.sources import RawTable, Source, open_table
from etapromise.tracking.texts import as_series, coded
from etapromise.tracking.vocabularies import STANDARD, Fault, vocabularies, vocabulary_named

__all__ = ["CheckedScans", "check_scans", "read_scans", "read_shipments", "split_scans"]

Values: TypeAlias = "pd.Series[Any] | pa.ChunkedArray"

# Sentinels such as 0001-01-01 and 9999-12-31 are no moments in a parcel's life.
EARLIEST: Final = int(np.datetime64("1990-01-01", "us").astype(np.int64))
LATEST: Final = int(np.datetime64("2100-01-01", "us").astype(np.int64))

_STATUS_FAULTS: Final = {
    Fault.UNKNOWN_STATUS: f"one of {', '.join(STATUSES)}, or a vendor's code with its vocabulary",
    Fault.UNKNOWN_VENDOR_CODE: "a code of the row's vocabulary, as listed in vocabularies.toml",
    Fault.WITHOUT_INFORMATION: "a code that says something about the parcel",
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
    faults = Faults(len(raw.rows))
    values = _read_columns(raw, SHIPMENT_COLUMNS, faults, naive_time_zone)
    sound = np.flatnonzero(faults.free)
    doubled = np.zeros(len(raw.rows), dtype=bool)
    doubled[sound] = as_series(values["shipment_id"]).iloc[sound].duplicated().to_numpy()
    faults.add(doubled, "duplicate_shipment_id", "shipment_id", "an id that no row before has")
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
    raw = open_table(source, SCAN_COLUMNS, table="scans")
    return split_scans(raw, check_scans(raw, vocabulary, naive_time_zone))


@dataclass(frozen=True, kw_only=True)
class CheckedScans:
    """Scans that were checked but not yet split into accepted ones and rejects.

    Attributes:
        columns: By name: text as Arrow has it, all else as a Series, (n,).
        status: (n,) positions in `STATUSES`, -1 where the status is missing or says nothing.
        faults: What is wrong with which row.
    """

    columns: dict[str, Values]
    status: npt.NDArray[np.int8]
    faults: Faults


def check_scans(raw: RawTable, vocabulary: str | None, naive_time_zone: str | None) -> CheckedScans:
    """Check scans, and translate vendors' codes to standard statuses; see `read_scans`."""
    default = vocabulary_named(vocabulary or STANDARD).name
    faults = Faults(len(raw.rows))
    values = _read_columns(raw, SCAN_COLUMNS, faults, naive_time_zone)
    status = _standard_statuses(values, default, faults)
    return CheckedScans(columns=values, status=status, faults=faults)


def split_scans(raw: RawTable, checked: CheckedScans) -> Checked:
    """The accepted scans and the rejects; see `read_scans`."""
    words = pa.array(STATUSES, pa.large_string())
    known = pa.array(checked.status, mask=checked.status < 0)
    values = checked.columns | {"status": pa.chunked_array([words.take(known)])}
    values.pop("vocabulary", None)
    return _split(raw, values, checked.faults)


def _read_columns(
    raw: RawTable, columns: Mapping[str, Column], faults: Faults, naive_time_zone: str | None
) -> dict[str, Values]:
    if naive_time_zone is not None:
        read.require_time_zone(naive_time_zone)
    return {
        name: _read_column(array, columns[name], faults, naive_time_zone)
        for name, array in raw.contract.items()
    }


def _read_column(
    array: pa.ChunkedArray, column: Column, faults: Faults, naive_time_zone: str | None
) -> Values:
    name = column.name
    values: Values
    if column.kind is Kind.TIME:
        times = read.read_times(array, name, naive_time_zone)
        faults.add(times.unreadable, f"unreadable_{name}", name, "an ISO 8601 time with an offset")
        strange = _outside(times.series)
        faults.add(strange, f"{name}_out_of_range", name, "a time from 1990 to 2099")
        values = times.series
    elif column.kind is Kind.DATE:
        dates = read.read_dates(array, name)
        faults.add(dates.unreadable, f"unreadable_{name}", name, "a calendar date, YYYY-MM-DD")
        values = dates.series
    elif column.kind is Kind.NUMBER:
        values = _read_number(array, column, faults)
    else:
        values = read.read_text(array, name)
        if column.kind is Kind.TIME_ZONE:
            codes, zones = coded(values)
            unknown = np.array([not read.is_time_zone(zone) for zone in zones] + [False])
            faults.add(
                unknown[codes],
                "unknown_time_zone",
                name,
                "an IANA name such as 'Europe/Berlin'",
            )
    if column.required:
        missing = values.isna() if isinstance(values, pd.Series) else values.is_null()
        faults.add(missing.to_numpy(), f"missing_{name}", name, "a value")
    return values


def _outside(times: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """Which moments are no moments in a parcel's life; a missing one is not among them."""
    stamps = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64)
    outside: npt.NDArray[np.bool_] = (stamps < EARLIEST) | (stamps >= LATEST)
    outside &= stamps != np.iinfo(np.int64).min
    return outside


def _read_number(array: pa.ChunkedArray, column: Column, faults: Faults) -> pd.Series[Any]:
    numbers = read.read_numbers(array, column.name)
    faults.add(numbers.unreadable, f"unreadable_{column.name}", column.name, "a number")
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    values = numbers.series.to_numpy()
    outside = ~np.isnan(values) & ~((values >= low) & (values <= high) & np.isfinite(values))
    faults.add(
        outside, f"{column.name}_out_of_range", column.name, f"a number from {low:g} to {high:g}"
    )
    return numbers.series


def _standard_statuses(
    values: Mapping[str, Values], default: str, faults: Faults
) -> npt.NDArray[np.int8]:
    """Translate each distinct pair of vocabulary and code once, then spread it over the rows."""
    known = vocabularies()
    status_codes, statuses = coded(values["status"])
    if "vocabulary" in values:
        name_codes, spoken = coded(values["vocabulary"])
        # The last name stands for rows that name none, which is where -1 points.
        spoken = [*(name.lower() for name in spoken), default]
    else:
        name_codes, spoken = None, [default]
    unknown = np.array([name not in known for name in spoken])
    if name_codes is not None and unknown.any():
        expected = f"one of {', '.join(sorted(known))}"
        faults.add(unknown[name_codes], "unknown_vocabulary", "vocabulary", expected)
    # For each vocabulary what each code means; the last place stands for a missing status.
    width = len(statuses) + 1
    meaning: list[str | Fault | None] = []
    for name in spoken:
        read_code = known[name].read if name in known else lambda _: None
        meaning += [*map(read_code, statuses), None]
    pair = status_codes
    if name_codes is not None:
        pair = name_codes % len(spoken) * width + status_codes % width
    for fault, expected in _STATUS_FAULTS.items():
        at_fault = np.array([found is fault for found in meaning])
        if at_fault.any():
            faults.add(at_fault[pair], fault.value, "status", expected)
    number = {status: position for position, status in enumerate(STATUSES)}
    numbers = np.array([number.get(str(found), -1) for found in meaning], dtype=np.int8)
    of_rows: npt.NDArray[np.int8] = numbers[pair]
    return of_rows


def _split(raw: RawTable, values: Mapping[str, Values], faults: Faults) -> Checked:
    free = faults.free
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
        left_aside=raw.left_aside,
        rows=raw.rows[free],
    )


def _rejects(raw: RawTable, faults: Faults) -> pd.DataFrame:
    faulty = np.flatnonzero(~faults.free)
    text = {
        name: _arrow_as_text(array.take(pa.array(faulty))) for name, array in raw.contract.items()
    }
    for name in raw.extras.columns:
        text[name] = raw.extras[name].iloc[faulty].reset_index(drop=True).astype("str")
    table = faults.table(faulty, pd.DataFrame(text), raw.rows[faulty])
    if not raw.broken:
        return table
    nothing = pd.DataFrame({name: [None] * len(raw.broken) for name in text}, dtype="str")
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
    text: pd.Series[Any] = pc.cast(array, pa.large_string()).to_pandas().astype("str")
    return text
