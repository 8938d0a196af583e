"""History as it was known at one moment: what forests, statistics and calibration are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints
from etapromise.encoding.requests import DISRUPTED, Encoder, Requests
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY, EffectSettings, WantedDays
from etapromise.history.features import FeatureBuilder, FeatureContract, own_rows
from etapromise.history.kept_effects import KeptEffects
from etapromise.history.outcomes import Outcomes, operational_days
from etapromise.history.statistics import AsOfOrder, Statistics, build_statistics

_ROWS_AT_ONCE: Final = 100_000


@dataclass(frozen=True)
class EncodedOrders:
    """Orders as they were asked for, and what became of them by a moment.

    Attributes:
        encoder: whose keys and clocks they are by.
        asked: the orders, n of them.
        requests: the same, begun later by as long as declared disruptions held them.
        outcomes: what became of them.
    """

    encoder: Encoder
    asked: Requests
    requests: Requests
    outcomes: Outcomes

    @classmethod
    def of(cls, known: KnownOrders, encoder: Encoder, give_up: int) -> EncodedOrders:
        """Those that were known, at `known.moment`.

        Args:
            give_up: days after the order when a parcel without an event counts as lost.

        Raises:
            ContractError: an extra column is missing or not numeric.
        """
        asked = requests = known.requests(encoder)
        results = known.outcomes(encoder.zones, give_up)
        if encoder.disruptions is not None:
            # What a declared disruption cost is no trait of a lane or carrier: it is taken off.
            day = np.where(results.arrived, results.event_day, results.as_of_day - 1)
            held = encoder.disruptions.held(
                *(encoder.clocks, asked.numbers[:, DISRUPTED], asked.clock),
                *(asked.order_day.astype(np.int64), day),
            )
            requests = asked.later(held)
        return cls(encoder, asked, requests, results)


@dataclass(frozen=True)
class HistoryAsOf:
    """Everything that forests and calibration are made from, at one moment."""

    encoder: Encoder
    requests: Requests
    outcomes: Outcomes
    statistics: Statistics
    at_order: AsOfOrder
    surge: Floats
    surge_now: float

    @classmethod
    def of(
        cls,
        orders: EncodedOrders,
        settings: EffectSettings,
        wanted: WantedDays | None = None,
        kept: KeptEffects | None = None,
    ) -> HistoryAsOf:
        """Statistics at the orders' moment, and on the own days of those that are wanted.

        Args:
            wanted: by default all.
            kept: where the sweep over the days goes on from another time's.
        """
        encoder, results = orders.encoder, orders.outcomes
        statistics, at_order = build_statistics(
            encoder, orders.requests, results, settings, orders.asked, wanted=wanted, kept=kept
        )
        first, surge = surge_by_day(results.start_day, results.as_of_day)
        return cls(
            encoder,
            orders.requests,
            results,
            statistics,
            at_order,
            surge[np.minimum(results.start_day - first, len(surge) - 1)],
            float(surge[-1]),
        )

    def take(self, rows: Ints) -> HistoryAsOf:
        """The same statistics, and some of the parcels, by ascending positions."""
        return replace(
            self,
            requests=self.requests.take(rows),
            outcomes=self.outcomes.take(rows),
            at_order=self.at_order.take(rows),
            surge=self.surge[rows],
        )

    def knowing_days_since(self, day: int) -> HistoryAsOf:
        """The same with order days as of a UTC day only; of older orders no features can be made.

        What was known on each order's own day is the largest part by far.
        """
        known = self.at_order.rows
        return self.knowing_days_of(known[self.outcomes.start_day[known] >= day])

    def knowing_days_of(self, rows: Ints) -> HistoryAsOf:
        """The same with order days of some parcels only, by ascending positions."""
        return replace(self, at_order=self.at_order.only(rows))

    def builder(self, contract: FeatureContract) -> FeatureBuilder:
        """Builds features from what each order's own day knew."""
        return FeatureBuilder(contract, self.encoder, self.statistics, known=self.at_order)

    def features(self, builder: FeatureBuilder, rows: Ints) -> tuple[NDArray[np.float32], Floats]:
        """(r, p) features and (r,) offsets of some parcels, as their own order days knew them."""
        x = np.empty((len(rows), len(builder.contract.names)), np.float32)
        offset = np.empty(len(rows))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            codes = own_rows(self.at_order.places(part), len(self.encoder.levels))
            place = slice(start, start + len(part))
            x[place], offset[place] = builder.rows(self.requests.take(part), codes)
        return x, offset + self.surge[rows]

    def days(self, results: Outcomes, rows: Ints) -> Floats:
        """Operational days to the event, or, where it is open, to the start of the as-of day."""
        arrived = results.arrived[rows]
        requests = self.requests.take(rows)
        event = operational_days(
            self.encoder.clocks,
            requests,
            np.where(arrived, results.event_day[rows], NEVER_DAY),
            results.within[rows],
        )
        now = operational_days(
            self.encoder.clocks,
            requests,
            np.full(len(rows), results.as_of_day, np.int64),
            np.zeros(len(rows)),
        )
        return np.where(arrived, event, now)

    def days_of_date(self, rows: Ints) -> tuple[Floats, Floats]:
        """Operational days to the beginning and to the end of the event's, or the as-of, date."""
        results, requests = self.outcomes, self.requests.take(rows)
        day = np.where(results.arrived[rows], results.event_day[rows], results.as_of_day)
        begin, end = (
            operational_days(self.encoder.clocks, requests, day, np.full(len(rows), within))
            for within in (0.0, 1.0)
        )
        return begin, end

    def typical_age(self) -> float:
        """Days in which nine of ten parcels arrive."""
        results = self.outcomes
        taken = (results.event_day - self.requests.order_day)[results.arrived]
        return float(np.quantile(taken, 0.9)) if len(taken) else 0.0


_QUICK_HALF_LIFE: Final = 5.0
_SLOW_HALF_LIFE: Final = 28.0
# A rise below this (on the log scale) is the ordinary week's.
_ORDINARY: Final = 0.2
# How much of the rise turns into waiting.
_POWER: Final = 0.6


def surge_by_day(start_day: NDArray[np.int32], end_day: int) -> tuple[int, Floats]:
    """What to add to the log durations of the orders of each day.

    Args:
        start_day: (n,) ascending UTC days of orders, since 1970-01-01.
        end_day: the last day to answer for; only orders of earlier days count.

    Returns:
        The first order's day, and (days,) one value for each day from it to `end_day`, inclusive.
    """
    first = int(start_day[0])
    orders = np.bincount(start_day[start_day < end_day] - first, minlength=end_day - first)
    added = np.zeros(end_day - first + 1)
    quick = slow = quick_weight = slow_weight = 0.0
    quick_keeps, slow_keeps = 0.5 ** (1 / _QUICK_HALF_LIFE), 0.5 ** (1 / _SLOW_HALF_LIFE)
    for day, count in enumerate(orders, start=1):
        quick, quick_weight = quick * quick_keeps + count, quick_weight * quick_keeps + 1.0
        slow, slow_weight = slow * slow_keeps + count, slow_weight * slow_keeps + 1.0
        # The slow mean is not known before it has seen a few weeks.
        if day >= _SLOW_HALF_LIFE:
            rise = np.log((quick / quick_weight + 1.0) / (slow / slow_weight + 1.0))
            added[day] = _POWER * max(0.0, rise - _ORDINARY)
    return first, added
