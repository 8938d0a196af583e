"""Random tables in memory: every row is accepted or rejected, or the whole table is refused."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etapromise import tracking
from etapromise.errors import EtapromiseError
from etapromise.store.ingest import ingest
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS
from etapromise.tracking.table_writer import write_table
from tests.fuzz.calls import VALUES
from tests.fuzz.driver import MEMORY, Choices, main

NAME = "tables"
PLACE = Path(tempfile.mkdtemp(prefix="fuzz", dir=MEMORY))
TIMES: tuple[Any, ...] = (
    *("2025-03-01T10:00Z", "2025-03-02T10:00+02:00", "2025-03-09T02:30", "01.03.2025 10:00", ""),
    *("2025-03-01", "3/4/2025", "0001-01-01T00:00Z", "9999-12-31T23:59Z", "24:00", None, 0, -1),
    *(1_740_000_000, 1_740_000_000_000, 2**63, 1e300, float("nan"), float("inf"), "NaT", "now"),
    *(dt.datetime(2025, 3, 1, tzinfo=dt.UTC), dt.datetime(2025, 3, 1), dt.date(2025, 3, 1)),  # noqa: DTZ001
    *(pd.Timestamp("2025-03-01", tz="Asia/Tokyo"), pd.NaT, "2025-02-30", "2025-13-01T00:00Z"),
)
TEXTS: tuple[Any, ...] = ("a", "b", "US", "acme", "10115", "picked_up", "delivered", "", " ", "nan")
STATUSES = ("picked_up", "delivered", "in_transit", "DELIVERED", "zzz", "", None, "returned", 3)
ODD_NAMES = ("further", "", "origin ", "ORIGIN", "self", "index", "row", "shipment_id\0", "é")
EXTRA_ODD = tuple(value for value in VALUES if not isinstance(value, np.ndarray))
ZONES = (None, "UTC", "America/New_York", "Mars/Base", "")
DTYPES = (None, object, "str", "category", "float64", "Int64", "datetime64[ns]", "bool", "bytes")


def table(choices: Choices, contract: Any) -> Any:
    """A table that is nearly one of the contract."""
    rows = choices.number(8)
    names = [
        name for name, one in contract.items() if choices.chance(0.98 if one.required else 0.4)
    ]
    names += [choices.pick(ODD_NAMES) for _ in range(choices.number(3))]
    columns: list[tuple[str, Any]] = []
    for name in names:
        usual = TIMES if name.endswith(("_at", "_date", "available_from")) else TEXTS
        usual = STATUSES if name == "status" else usual
        odd = choices.chance(0.2)
        values = [
            choices.pick(EXTRA_ODD if odd and choices.chance(0.3) else usual) for _ in range(rows)
        ]
        columns.append((name, _typed(values, choices)))
    if choices.chance(0.2):
        try:
            return pa.table(
                [pa.array(_plain(one)) for _, one in columns], [name for name, _ in columns]
            )
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    frame = pd.concat([one for _, one in columns], axis=1) if columns else pd.DataFrame()
    frame.columns = [name for name, _ in columns]
    if choices.chance(0.1):
        frame.index = pd.Index([choices.pick((0, 1, "x")) for _ in range(len(frame))])
    return frame


def _plain(values: pd.Series[Any]) -> list[Any]:
    """Without numpy's scalars, of which pyarrow 26 crashes where some are times."""
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _typed(values: list[Any], choices: Choices) -> pd.Series[Any]:
    dtype = choices.pick(DTYPES) if choices.chance(0.15) else object
    try:
        return pd.Series(values, dtype=dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError, ArithmeticError, pa.ArrowException):
        return pd.Series(values, dtype=object)


def case(data: bytes) -> str:
    """Read a table; of some, both tables, find the milestones, and store and write them."""
    choices = Choices(data)
    zone = choices.pick(ZONES)
    try:
        chosen = choices.number(256)
        # A history or a store takes as long as twenty tables: few of them.
        match chosen if chosen < 32 else min(chosen % 32, 29):
            case number if number < 15:
                _accounted(tracking.read_shipments, table(choices, SHIPMENT_COLUMNS), zone)
            case number if number < 30:
                _accounted(tracking.read_scans, table(choices, SCAN_COLUMNS), zone)
            case 30:
                both = table(choices, SHIPMENT_COLUMNS), table(choices, SCAN_COLUMNS)
                found = tracking.history(*both, naive_time_zone=zone)
                assert len(found.shipments) == len(found.milestones)
            case _:
                shipments = table(choices, SHIPMENT_COLUMNS)
                accepted = _accounted(tracking.read_shipments, shipments, zone)
                write_table(accepted, PLACE / "out.parquet")
                ingest(PLACE / "store", shipments, naive_time_zone=zone)
                shutil.rmtree(PLACE / "store")
    except EtapromiseError:
        return "refused"
    return "read"


def _accounted(read: Any, given: Any, zone: str | None) -> pd.DataFrame:
    found = read(given, naive_time_zone=zone)
    assert len(found.accepted) + len(set(found.rejects["row"])) == len(given)
    accepted: pd.DataFrame = found.accepted
    return accepted


SEEDS = (bytes(400), *(random.Random(seed).randbytes(600) for seed in range(200)))  # noqa: S311

if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS))
