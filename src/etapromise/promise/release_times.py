"""Items that are released later than they are ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etapromise.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd


def as_released(frame: pd.DataFrame) -> pd.DataFrame:
    """Shipments that are released later than they were ordered, as if ordered then.

    Args:
        frame: accepted rows of the contract, perhaps with a column `available_from`.
    """
    if "available_from" not in frame.columns:
        return frame
    released = frame["available_from"]
    if getattr(released.dtype, "tz", None) is None:
        raise ContractError(
            f"Found available_from of type {released.dtype}; expected zone-aware times, missing "
            "where nothing is released later."
        )
    later = released.notna() & (released > frame["ordered_at"])
    return frame.assign(ordered_at=frame["ordered_at"].where(~later, released))
