"""Open orders as a table: the columns of `etapromise score`, and what is known of each journey."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.array_types import Dates, Floats, Ints
from etapromise.encoding.requests import require_table
from etapromise.errors import ContractError
from etapromise.in_transit.states import stage_number
from etapromise.in_transit.transit_parts import STAGES
from etapromise.promise.arrival_distribution import PERCENTILES
from etapromise.promise.confidence import assess
from etapromise.promise.promise_table import as_dates, date_columns, message_codes, shown_levels
from etapromise.promise.service_levels import require_level
from etapromise.promise.under_way.open_journeys import journeys_at
from etapromise.text_type import TEXT
from etapromise.tracking.contract import STATUSES

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

_AT_RISK: Final = 0.5


def track_frame(
    model: ModelCore,
    shipments: pd.DataFrame,
    scans: pd.DataFrame,
    now: datetime,
    *,
    service_level: float,
    standing: Any,
    at_risk: float | None,
) -> pd.DataFrame:
    """One row for each parcel of `shipments` (n,), in its order; see `PromiseModel.track_many`."""
    require_table(shipments)
    journey = journeys_at(model, shipments, scans, now)
    states = journey.states
    levels, position = shown_levels(service_level)
    promised = standing_dates(shipments, standing)
    day, probability, kept = journey.reach(levels, promised)
    day = day[:, position]
    confidence = probability[:, position[len(PERCENTILES)]]
    today = journey.today
    code, reasons = assess(
        model.parts,
        journey.requests,
        reachable=confidence >= service_level,
        days=day[:, -3:] - today[:, None],
        today=today,
    )
    came, never = journey.came, journey.never
    late = late_probability(kept, confidence)
    alarm = late >= at_risk_threshold(model, at_risk)
    dates = as_dates(day)
    dates[never] = np.datetime64("NaT", "D")
    return pd.DataFrame(
        {
            **date_columns(shipments, dates, service_level, confidence),
            "delivery_date_confidence": kept,
            "late_probability": late,
            "lost_probability": journey.lost,
            "at_risk": alarm & ~came & (states.stage != stage_number("cancelled")),
            "confidence_code": np.where(came, 10000, code).astype(np.int32),
            "messages": message_codes(np.where(came, 0, reasons)),
            "model_version": model.version,
            "stage": _words(STAGES, states.stage),
            "last_status": _words(STATUSES, states.last_status),
            "last_scan_at": _times(states.last_scan),
            "silent_days": journey.looks.silence,
            "stalled": journey.stalled,
            "likely_lost": journey.lost >= journey.likely_lost,
            "return_probability": journey.returned,
            "attempts": states.attempts.astype(np.int64),
            "delivered_at": _times(states.arrived),
            "delivered_date": as_dates(np.where(came, journey.event_day, _NO_DAY)),
        }
    )


# NaT as a number of days.
_NO_DAY: Final = np.datetime64("NaT", "D").astype(np.int64)


def standing_dates(shipments: pd.DataFrame, standing: Any) -> Dates:
    """(n,) datetime64[D] the promise that each customer has, NaT where there is none.

    Args:
        shipments: (n,) accepted rows; `promised_date` counts where `standing` is None.
        standing: one date for all, or (n,) dates.
    """
    count = len(shipments)
    if standing is None:
        if "promised_date" not in shipments.columns:
            return np.full(count, np.datetime64("NaT", "D"), "datetime64[D]")
        return shipments["promised_date"].to_numpy().astype("datetime64[D]")
    try:
        if isinstance(standing, pd.Series | np.ndarray | list | tuple):
            days = pd.to_datetime(pd.Series(list(standing))).to_numpy().astype("datetime64[D]")
        else:
            days = np.full(count, np.datetime64(pd.Timestamp(standing).date(), "D"))
    except (TypeError, ValueError, NotImplementedError) as error:  # the last of years below 1
        raise ContractError(
            f"Found standing={standing!r}; expected a date such as date(2026, 2, 1), or one for "
            "each parcel."
        ) from error
    if len(days) != count:
        raise ContractError(
            f"Found {len(days)} standing dates for {count} parcels; expected one for each."
        )
    return days


def late_probability(kept: Floats, confidence: Floats) -> Floats:
    """(n,) that the standing date is missed, or, where there is none, the date that is told."""
    return np.where(np.isnan(kept), 1.0 - confidence, 1.0 - kept)


def at_risk_threshold(model: ModelCore, asked: float | None) -> float:
    """From which probability of being late on a parcel is at risk."""
    if asked is not None:
        return require_level(asked, "at_risk_threshold")
    transit = model.transit
    return _AT_RISK if transit is None else transit.alerts.at()


def _words(words: tuple[str, ...], numbers: NDArray[np.uint8]) -> Any:
    table = np.array([*words, None], dtype=object)
    return pd.array(table[np.minimum(numbers, len(words))], dtype=TEXT)


def _times(moments: Ints) -> pd.Series[Any]:
    return pd.Series(moments.view("datetime64[us]")).dt.tz_localize("UTC")
