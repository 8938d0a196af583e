"""Random tables in memory: every row is accepted or rejected, or the whole table is refused."""

from __future__ import annotations

import datetime as dt
import random
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etapromise import tracking
from etapromise.errors import EtapromiseError
from etapromise.tracking.contract import SCAN_COLUMNS, SHIPMENT_COLUMNS
from tests.fuzz.calls import VALUES
from tests.fuzz.driver import Choices, main

NAME = "tables"
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
                [pa.array(list(one)) for _, one in columns], [name for name, _ in columns]
            )
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    frame = pd.concat([one for _, one in columns], axis=1) if columns else pd.DataFrame()
    frame.columns = [name for name, _ in columns]
    if choices.chance(0.1):
        frame.index = pd.Index([choices.pick((0, 1, "x")) for _ in range(len(frame))])
    return frame


def _typed(values: list[Any], choices: Choices) -> pd.Series[Any]:
    dtype = choices.pick(DTYPES) if choices.chance(0.15) else object
    try:
        return pd.Series(values, dtype=dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError, ArithmeticError, pa.ArrowException):
        return pd.Series(values, dtype=object)


def case(data: bytes) -> str:
    """Read two tables and find the milestones."""
    choices = Choices(data)
    zone = choices.pick(ZONES)
    shipments = table(choices, SHIPMENT_COLUMNS)
    scans = table(choices, SCAN_COLUMNS)
    try:
        checked = tracking.read_shipments(shipments, naive_time_zone=zone)
        assert len(checked.accepted) + len(set(checked.rejects["row"])) == len(shipments)
        received = tracking.read_scans(scans, naive_time_zone=zone)
        assert len(received.accepted) + len(set(received.rejects["row"])) == len(scans)
        found = tracking.history(shipments, scans, naive_time_zone=zone)
        assert len(found.shipments) == len(found.milestones)
    except EtapromiseError:
        return "refused"
    return "read"


SEEDS = (bytes(400), *(random.Random(seed).randbytes(600) for seed in range(200)))  # noqa: S311

if __name__ == "__main__":
    sys.exit(main(NAME, case, SEEDS))
