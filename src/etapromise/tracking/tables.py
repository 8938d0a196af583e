"""Reading the two tables of the contract: shipments and scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking import columns as read
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS, STATUSES, Column, Kind
from etapromise.tracking.faults import Checked, Faults, rejects_table
from etapromise.tracking.sources import RawTable, Source, open_table
from etapromise.tracking.vocabularies import STANDARD, Fault, vocabularies, vocabulary_named

__all__ = ["read_scans", "read_shipments"]

# Sentinels such as 0001-01-01 and 9999-12-31 are no moments in a parcel's life.
EARLIEST: Final = pd.Timestamp("1990-01-01", tz="UTC")
LATEST: Final = pd.Timestamp("2100-01-01", tz="UTC")

_STATUS_FAULTS: Final = {
    Fault.UNKNOWN_STATUS: f"one of {', '.join(STATUSES)}, or a vendor's code with its vocabulary",
    Fault.UNKNOWN_VENDOR_CODE: "a code of the row's vocabulary, as listed in vocabularies.toml",
    Fault.WITHOUT_INFORMATION: "a code that says something about the parcel",
}


def read_shipments(source: Source, *, naive_time_zone: str | None = None) -> Checked:
    """Read and check a table of shipments.

    Args:
        source: Path of a ``.parquet`` or ``.csv`` file or of a directory of Parquet files, a
            DataFrame, or an Arrow table.
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
    doubled[sound] = values["shipment_id"].iloc[sound].duplicated().to_numpy()
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
    default = vocabulary_named(vocabulary or STANDARD).name
    raw = open_table(source, SCAN_COLUMNS, table="scans")
    faults = Faults(len(raw.rows))
    values = _read_columns(raw, SCAN_COLUMNS, faults, naive_time_zone)
    values["status"] = _standard_statuses(values, default, faults)
    values.pop("vocabulary", None)
    return _split(raw, values, faults)


def _read_columns(
    raw: RawTable, columns: Mapping[str, Column], faults: Faults, naive_time_zone: str | None
) -> dict[str, pd.Series[Any]]:
    if naive_time_zone is not None:
        read.require_time_zone(naive_time_zone)
    return {
        name: _read_column(array, columns[name], faults, naive_time_zone)
        for name, array in raw.contract.items()
    }


def _read_column(
    array: pa.ChunkedArray, column: Column, faults: Faults, naive_time_zone: str | None
) -> pd.Series[Any]:
    name = column.name
    if column.kind is Kind.TIME:
        times = read.read_times(array, name, naive_time_zone)
        faults.add(times.unreadable, f"unreadable_{name}", name, "an ISO 8601 time with an offset")
        strange = (times.series < EARLIEST) | (times.series >= LATEST)
        faults.add(
            strange.to_numpy(dtype=bool), f"{name}_out_of_range", name, "a time from 1990 to 2099"
        )
        values = times.series
    elif column.kind is Kind.DATE:
        dates = read.read_dates(array, name)
        faults.add(dates.unreadable, f"unreadable_{name}", name, "a calendar date, YYYY-MM-DD")
        values = dates.series
    elif column.kind is Kind.NUMBER:
        values = _read_number(array, column, faults)
    else:
        values = read.read_text(array, name).to_pandas().astype("str")
        if column.kind is Kind.TIME_ZONE:
            unknown = [zone for zone in values.dropna().unique() if not read.is_time_zone(zone)]
            faults.add(
                values.isin(unknown).to_numpy(),
                "unknown_time_zone",
                name,
                "an IANA name such as 'Europe/Berlin'",
            )
    if column.required:
        faults.add(values.isna().to_numpy(), f"missing_{name}", name, "a value")
    return values


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
    values: Mapping[str, pd.Series[Any]], default: str, faults: Faults
) -> pd.Series[Any]:
    """Translate each distinct pair of vocabulary and code once, then spread it over the rows."""
    status_codes, statuses = pd.factorize(values["status"])
    if "vocabulary" in values:
        names = values["vocabulary"].str.lower().fillna(default)
    else:
        names = pd.Series(default, index=values["status"].index, dtype="str")
    name_codes, spoken = pd.factorize(names)
    known = vocabularies()
    unknown = np.array([name not in known for name in spoken], dtype=bool)
    faults.add(
        unknown[name_codes] if len(spoken) else np.zeros(0, dtype=bool),
        "unknown_vocabulary",
        "vocabulary",
        f"one of {', '.join(sorted(known))}",
    )
    # One row per vocabulary, one column per code; the last column stands for a missing status.
    meaning = np.empty((len(spoken), len(statuses) + 1), dtype=object)
    for i, name in enumerate(spoken):
        if name in known:
            meaning[i, :-1] = [known[name].read(code) for code in statuses]
    flat = meaning.ravel()
    pair = name_codes * (len(statuses) + 1) + np.where(
        status_codes < 0, len(statuses), status_codes
    )
    for fault, expected in _STATUS_FAULTS.items():
        at_fault = np.array([found is fault for found in flat], dtype=bool)
        rows = at_fault[pair] if len(flat) else np.zeros(0, dtype=bool)
        faults.add(rows, fault.value, "status", expected)
    words = pd.Series([found if isinstance(found, str) else None for found in flat], dtype="str")
    return words.take(pair).reset_index(drop=True)


def _split(raw: RawTable, values: Mapping[str, pd.Series[Any]], faults: Faults) -> Checked:
    free = faults.free
    whole = pd.DataFrame(dict(values), index=pd.RangeIndex(len(free)))
    for name in raw.extras.columns:
        whole[name] = raw.extras[name]
    accepted = whole if free.all() else whole[free].reset_index(drop=True)
    return Checked(accepted=accepted, rejects=_rejects(raw, faults))


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
    )
    both = pd.concat([table, broken], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)


def _arrow_as_text(array: pa.ChunkedArray) -> pd.Series[Any]:
    text: pd.Series[Any] = pc.cast(array, pa.large_string()).to_pandas().astype("str")
    return text
