"""Judging quotes by what happened: one row per promise, in a table that anyone can recount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import Dates, Floats, Ints
from etapromise.evaluation.metrics import CensoredOutcomes, Seed, crps_days, pit_values
from etapromise.forecast.distribution import DateDistribution
from etapromise.text_type import TEXT
from etapromise.tracking import TrackedHistory

JUDGED_LEVELS: Final = (0.05, 0.10, 0.25, 0.50, 0.75, 0.80, 0.85, 0.90, 0.95, 0.97, 0.99)
"""The service levels at which every quote is judged: the percentiles of `score`."""

INTERVAL: Final = (0.10, 0.90)
"""The levels between which the band lies: central 80 %."""

# Any date ends everywhere on earth within a day of its end in UTC.
_LAST_ZONE: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known in the end, for all m shipments of a history.

    Attributes:
        event_dates: Destination-local date of the event, (m,) datetime64[D], NaT where unknown.
        covered_until: The last calendar date that the data wholly cover, wherever the destination.
    """

    history: TrackedHistory
    event_dates: Dates
    covered_until: np.datetime64

    @classmethod
    def of(
        cls,
        history: TrackedHistory,
        event_dates: Dates,
        *,
        extract_end: pd.Timestamp,
        settle_days: int,
    ) -> Truth:
        """The truth of an extract that ends at a moment.

        Args:
            extract_end: Zone-aware; what happened later is not in the data.
            settle_days: How long scans may take to arrive: a date counts as covered this many days
                after it has ended everywhere.
        """
        utc = extract_end.tz_convert("UTC").tz_localize(None).to_numpy()
        last_full_day = utc.astype("datetime64[D]") - np.timedelta64(1, "D")
        return cls(
            history=history,
            event_dates=event_dates,
            covered_until=last_full_day - _LAST_ZONE - np.timedelta64(settle_days, "D"),
        )


def day_column(level: float) -> str:
    """Name of the column with the promised day at a service level, such as ``days_90``."""
    return f"days_{100 * level:g}"


def stated_column(level: float) -> str:
    """Name of the column with the stated confidence at a service level."""
    return f"confidence_{100 * level:g}"


def judge(
    truth: Truth,
    rows: Ints,
    forecast: DateDistribution,
    *,
    levels: Sequence[float] = JUDGED_LEVELS,
    seed: Seed,
) -> pd.DataFrame:
    """One row per quote: what was promised, what happened, and the scores.

    Args:
        rows: Positions of the quoted shipments in the history, (n,).
        seed: Of the randomised probability integral transform.

    Returns:
        n rows in the order of ``rows``. ``shipment_id``, ``ordered_at``, the groups (``carrier``,
        ``service``, ``carrier_service``, ``destination_region``, ``lane_group``), ``outcome``
        (``delivered``, ``open``, ``returned``, ``lost``, ``damaged``, ``cancelled``),
        ``origin_date``, ``event_date``, and in days from ``origin_date``: ``event_day`` (NaN where
        there is none), ``known_until`` (cut to the forecast's horizon) and for each level
        ``days_…`` (NaN where the level is never reached) with its ``confidence_…``; ``shop_day``
        and ``shop_confidence`` (the probability forecast for the shop's own ``promised_date``),
        NaN where it made none; ``interval_stated``, ``crps_days`` and ``pit``.
    """
    shipments = truth.history.shipments.iloc[rows].reset_index(drop=True)
    milestones = truth.history.milestones.iloc[rows].reset_index(drop=True)
    origin = forecast.origin_dates
    horizon = forecast.probability.shape[1]
    event_dates = truth.event_dates[rows]
    event_day = _days(event_dates, origin)
    known_until = np.minimum(_days(np.full(len(rows), truth.covered_until), origin), horizon - 1.0)
    outcome = _outcome(event_dates, milestones["closed_as"])
    columns: dict[str, Any] = {
        "shipment_id": shipments["shipment_id"],
        "ordered_at": shipments["ordered_at"],
        **groups_of(shipments),
        "outcome": pd.Series(outcome, dtype=TEXT),
        "origin_date": origin.astype("datetime64[s]"),
        "event_date": event_dates.astype("datetime64[s]"),
        "event_day": event_day,
        "known_until": known_until,
    }
    for level in levels:
        day = _first_day(forecast, level)
        columns[day_column(level)] = day
        columns[stated_column(level)] = _probability_by(forecast, day)
    shop = shipments.get("promised_date")
    shop_day = (
        np.full(len(rows), np.nan)
        if shop is None
        else _days(shop.to_numpy().astype("datetime64[D]"), origin)
    )
    columns["shop_day"] = shop_day
    columns["shop_confidence"] = _probability_by(forecast, shop_day)
    low, high = (_first_day(forecast, level) for level in INTERVAL)
    columns["interval_stated"] = _probability_by(forecast, high) - np.nan_to_num(
        _probability_by(forecast, low - 1)
    )
    table = pd.DataFrame(columns)
    outcomes = outcomes_of(table)
    table["crps_days"] = crps_days(outcomes, forecast.probability)
    table["pit"] = pit_values(outcomes, forecast.probability, seed=seed)
    return table


def outcomes_of(table: pd.DataFrame) -> CensoredOutcomes:
    """The outcomes in a judged table, for the functions of `quality`."""
    event_day = table["event_day"].to_numpy(dtype=np.float64)
    return CensoredOutcomes(
        event_day=np.where(np.isnan(event_day), np.inf, event_day),
        known_until=table["known_until"].to_numpy(dtype=np.float64),
        cancelled=(table["outcome"] == "cancelled").to_numpy(dtype=np.bool_),
    )


def _outcome(event_dates: Dates, closed_as: pd.Series[Any]) -> npt.NDArray[np.object_]:
    """An event that came after all stands, whatever was said before."""
    closed = closed_as.astype(object).where(closed_as.notna(), "open").to_numpy()
    return np.where(np.isnat(event_dates), closed, "delivered")


def groups_of(shipments: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """The groups that kept rates are told by, of n shipments, each (n,)."""

    def words(name: str, otherwise: str) -> pd.Series[Any]:
        if name not in shipments:
            return pd.Series(otherwise, index=shipments.index, dtype=TEXT)
        found: pd.Series[Any] = shipments[name].astype(TEXT).fillna(otherwise)
        return found

    def place(side: str) -> pd.Series[Any]:
        # Without a region, the beginning of a postcode is the next best neighbourhood.
        # What has no digit is no postcode, but a name: of a warehouse or a town.
        whole = shipments[side]
        start = whole.where(~whole.str.contains(r"\d"), whole.str.slice(0, 2) + "…")
        name = f"{side}_region"
        if name not in shipments:
            return start
        found: pd.Series[Any] = shipments[name].fillna(start)
        return found

    carrier, service = words("carrier", "carrier not said"), words("service", "service not said")
    origin, destination = place("origin"), place("destination")
    return {
        "carrier": carrier,
        "service": service,
        "carrier_service": carrier + " · " + service,
        "destination_region": destination,
        "lane_group": origin + " → " + destination,
    }


def _days(dates: Dates, origin: Dates) -> Floats:
    """Days from ``origin`` to ``dates``, (n,), NaN where a date is missing."""
    days = (dates - origin).astype("timedelta64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.float64))


def _first_day(forecast: DateDistribution, level: float) -> Floats:
    """The first day whose probability reaches a level, (n,), NaN where none does."""
    day = forecast.at(level)
    return np.where(day < forecast.horizon, day.astype(np.float64), np.nan)


def _probability_by(forecast: DateDistribution, day: Floats) -> Floats:
    """``F(day)``, (n,): 0 before day 0, the last value after the horizon, NaN of NaN."""
    stated = forecast.confidence(np.nan_to_num(day).astype(np.int64))
    return np.where(np.isnan(day), np.nan, stated)
