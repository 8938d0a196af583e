"""Deliveries against what was forecast for the same days: who is behind, known within days.

A broken promise shows when its date has run out. That a carrier has slowed down shows earlier: its
parcels do not arrive on the days on which they were forecast to. For every parcel still under way
at the start of a day the forecast gives the probability that it arrives on that day; the sum over a
carrier's parcels is what should have arrived. This is the one-sample log-rank test (Breslow 1975,
International Statistical Review 43:45), in windows of the latest days. Parcels of one carrier are
late together, so that its own days of the weeks before say how much deviation is usual.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats
from etapromise.forecast.distribution import DateDistribution

DELIVERY_GROUPS: Final = ("carrier", "destination_region")
_WINDOWS: Final = (1, 2, 3, 5, 7)
_USUAL_DAYS: Final = 42
_LEAST_USUAL: Final = 10
_SMALLEST: Final = 10.0
# From so few expected a day's deviation says nothing of how much is usual.
_LEAST_EXPECTED: Final = 3.0


class DeliveryFlow:
    """Observed and expected deliveries by group and calendar date, gathered from forecasts."""

    def __init__(self, last_date: np.datetime64) -> None:
        """Count up to a date, the last that the data wholly cover."""
        self.last_date = last_date
        self._parts: dict[str, list[pd.DataFrame]] = {name: [] for name in DELIVERY_GROUPS}

    def add(self, table: pd.DataFrame, forecast: DateDistribution) -> None:
        """Add orders."""
        probability = forecast.probability
        n, horizon = probability.shape
        counted = (table["outcome"] != "cancelled").to_numpy()
        event = table["event_day"].to_numpy(dtype=np.float64)
        event = np.where(np.isnan(event), np.inf, event)
        last = (self.last_date - forecast.origin_dates).astype(np.float64)
        day = np.arange(horizon)
        before = np.concatenate([np.zeros((n, 1)), probability[:, :-1]], axis=1)
        # Still under way at the start of the day, on a day that is over.
        at_risk = counted[:, None] & (event[:, None] >= day) & (day <= last[:, None])
        hazard = (probability - before) / np.maximum(1.0 - before, 1e-9)
        expected = np.where(at_risk, hazard, 0.0)
        variance = np.where(at_risk, hazard * (1.0 - hazard), 0.0)
        observed = at_risk & (event[:, None] == day)
        date = (forecast.origin_dates.astype(np.int64)[:, None] + day).ravel()
        for name in DELIVERY_GROUPS:
            part = pd.DataFrame(
                {
                    "group": np.repeat(table[name].to_numpy(dtype=object), horizon),
                    "date": date,
                    "observed": observed.ravel().astype(np.float64),
                    "expected": expected.ravel(),
                    "variance": variance.ravel(),
                }
            )[at_risk.ravel()]
            self._parts[name].append(part.groupby(["group", "date"], as_index=False).sum())

    def by_day(self, name: str) -> pd.DataFrame:
        """``group``, ``date`` (datetime64[D]), ``observed``, ``expected``, ``variance``."""
        parts = self._parts[name]
        if not parts:
            return pd.DataFrame(columns=["group", "date", "observed", "expected", "variance"])
        found = pd.concat(parts, ignore_index=True).groupby(["group", "date"], as_index=False).sum()
        return found.sort_values(["group", "date"], ignore_index=True)

    def standing(self, name: str) -> list[dict[str, Any]]:
        """How each group stands in the window of the latest days that deviates most.

        Returns:
            ``group``, ``days`` (of the window), ``from`` and ``to`` (dates), ``observed``,
            ``expected``, ``ratio``, ``deviations`` (of the usual size; negative: behind). Groups of
            which fewer than ten were expected in every window are left out.
        """
        table = self.by_day(name)
        last = int(self.last_date.astype("datetime64[D]").astype(np.int64))
        found = []
        names = ("observed", "expected", "variance")
        for group, rows in table.groupby("group", sort=True):
            date = rows["date"].to_numpy(dtype=np.int64)
            counted = dict(zip(names, rows[[*names]].to_numpy(dtype=np.float64).T, strict=True))
            before = (date <= last - max(_WINDOWS)) & (date > last - _USUAL_DAYS)
            usual = _overdispersion(**{name: counted[name][before] for name in names})
            best: dict[str, Any] | None = None
            for days in _WINDOWS:
                window = (date > last - days) & (date <= last)
                expected = float(counted["expected"][window].sum())
                if expected < _SMALLEST:
                    continue
                observed = float(counted["observed"][window].sum())
                spread = float(np.sqrt(usual * counted["variance"][window].sum()))
                deviations = (observed - expected) / max(spread, 1e-9)
                if best is None or abs(deviations) > abs(best["deviations"]):
                    first, end = np.datetime64(last - days + 1, "D"), np.datetime64(last, "D")
                    best = {"group": str(group), "days": days, "from": str(first), "to": str(end)}
                    best |= {"observed": int(observed), "expected": expected}
                    best |= {"ratio": observed / expected, "deviations": deviations}
            if best is not None:
                found.append(best)
        return sorted(found, key=lambda row: (row["deviations"], row["group"]))


def _overdispersion(observed: Floats, expected: Floats, variance: Floats) -> float:
    """How many times the binomial variance a group's days usually have; at least 1."""
    told = expected >= _LEAST_EXPECTED
    if told.sum() < _LEAST_USUAL:
        return 1.0
    squares = (observed[told] - expected[told]) ** 2 / np.maximum(variance[told], 1e-9)
    # The median is not moved by a single holiday; 0.4549 is that of chi-square with one degree.
    return max(1.0, float(np.median(squares)) / 0.4549)
