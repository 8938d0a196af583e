"""One order of a backtest as an example: its forecast, what was promised, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etapromise.evaluation.judgement import day_column, stated_column
from etapromise.evaluation.replay import Forecaster
from etapromise.forecast.distribution import DateDistribution
from etapromise.tracking import TrackedHistory

if TYPE_CHECKING:
    import pandas as pd

# Days drawn beyond the promised one, as a multiple of it, and the least.
_DRAWN: Final = 2
_LEAST_DRAWN: Final = 10


def example_promise(
    history: TrackedHistory,
    model: Forecaster,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    forecast: DateDistribution,
    judged: pd.DataFrame,
    *,
    level: float,
) -> dict[str, Any] | None:
    """The typical one of some orders: promised in as many days as half of the others.

    Returns:
        Plain values, ready for JSON; None where no order has a date and an outcome.
    """
    day = judged[day_column(level)].to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(day) & (judged["outcome"] == "delivered").to_numpy())
    if not len(known):
        return None
    middle = np.sort(day[known])[(len(known) - 1) // 2]
    at = int(known[day[known] == middle][0])
    row = judged.iloc[at]
    drawn = int(max(_LEAST_DRAWN, _DRAWN * middle, row["event_day"] + 2))
    why = model.why(history.shipments.iloc[[rows[at]]].reset_index(drop=True), level)
    seen = {cause: float(days) for cause, days in (why or {}).items() if abs(days) >= 0.05}
    return {
        "shipment_id": str(row["shipment_id"]),
        "ordered_at": row["ordered_at"].isoformat(),
        "carrier_service": str(row["carrier_service"]),
        "lane_group": str(row["lane_group"]),
        "level": level,
        "day": float(middle),
        "confidence": float(row[stated_column(level)]),
        "event_day": float(row["event_day"]),
        "probability": [round(float(share), 4) for share in forecast.probability[at][:drawn]],
        # Contributions that can be seen, the largest first.
        "why": why and dict(sorted(seen.items(), key=lambda pair: -abs(pair[1]))),
    }
