"""What is remembered of each parcel between runs: what its customer was told, and what stands."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import Dates
from etapromise.promise.under_way.repromise_policy import StandingDates
from etapromise.text_type import TEXT

_DATES: Final = ("original_date", "current_date", "candidate_date")
_TIMES: Final = ("told_at", "candidate_since", "looked_at", "settled_at", "seen_at")
_COUNTS: Final = ("changes", "candidate_looks", "attempts_told", "losses_told", "reopenings")
_FLAGS: Final = ("later_told", "doubtful", "available_told", "lost", "delivered_told")
_STANDING: Final = tuple(StandingDates.promised(np.zeros(0, "datetime64[D]")).columns)


def no_memory() -> pd.DataFrame:
    """The memory of somebody who has told nothing yet."""
    return _first_met(pd.Series(dtype=TEXT), np.zeros(0, "datetime64[D]"))


def recall(memory: pd.DataFrame, shipment_id: pd.Series[Any], promised: Dates) -> pd.DataFrame:
    """What is remembered of n parcels, and for those met for the first time, what was promised.

    Args:
        shipment_id: (n,) each once.
        promised: (n,) datetime64[D] what stands if nothing is remembered.

    Returns:
        (n,) rows of memory in the order of ``shipment_id``, and whether the parcel is ``new``.
    """
    new = ~shipment_id.isin(memory["shipment_id"]).to_numpy()
    first = _first_met(shipment_id[new], promised[new])
    if "reopenings" not in memory:
        # Remembered before ends could be corrected.
        memory = memory.assign(reopenings=0)
    both = pd.concat([memory, first] if len(memory) else [first], ignore_index=True)
    rows = both.set_index("shipment_id").loc[shipment_id].reset_index()
    rows["new"] = new
    return rows


def remembered_dates(memory: pd.DataFrame) -> StandingDates:
    """The dates that stand for n parcels, out of their rows of memory."""
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in _STANDING:
        column = memory[name]
        if name in _DATES:
            columns[name] = column.to_numpy().astype("datetime64[D]")
        elif name in _TIMES:
            naive = column.dt.tz_convert("UTC").dt.tz_localize(None)
            columns[name] = naive.to_numpy().astype("datetime64[us]")
        else:
            columns[name] = column.to_numpy()
    return StandingDates(columns)


def remember_dates(memory: pd.DataFrame, after: StandingDates) -> None:
    """Write the dates that stand into the rows of memory of their parcels."""
    for name, column in after.columns.items():
        if name in _DATES:
            memory[name] = column.astype("datetime64[s]")
        elif name in _TIMES:
            memory[name] = pd.Series(column).dt.tz_localize("UTC")
        else:
            memory[name] = column


def worth_remembering(
    memory: pd.DataFrame, *, now: pd.Timestamp, settled_days: int, gone_days: int
) -> pd.DataFrame:
    """The memory less what has been settled, or was in no table, for long; by shipment.

    Whatever is met again after that counts as met for the first time, its old events as too old.
    """
    settled = memory["settled_at"] < now - pd.Timedelta(days=settled_days)
    gone = memory["seen_at"] < now - pd.Timedelta(days=gone_days)
    return memory[~(settled | gone)].sort_values("shipment_id", ignore_index=True)


def _first_met(shipment_id: pd.Series[Any], promised: Dates) -> pd.DataFrame:
    count = len(shipment_id)
    dates = promised.astype("datetime64[s]")
    columns: dict[str, Any] = {
        "shipment_id": shipment_id.astype(TEXT).to_numpy(),
        "original_date": dates,
        "current_date": dates,
        "candidate_date": np.full(count, np.datetime64("NaT", "s")),
    }
    columns |= {name: pd.Series(pd.NaT, range(count), "datetime64[us, UTC]") for name in _TIMES}
    columns |= {name: np.zeros(count, np.int64) for name in _COUNTS}
    columns |= {name: np.zeros(count, bool) for name in _FLAGS}
    columns["closed_told"] = pd.Series(None, range(count), TEXT)
    return pd.DataFrame(columns).astype({"shipment_id": TEXT})
