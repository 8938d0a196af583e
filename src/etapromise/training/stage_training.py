"""Growing the two forests of the stages, beside the direct one and on its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from etapromise.array_types import Floats, Ints, Mask
from etapromise.encoding.pickup_days import PICKUP_LEVELS, PickupDays
from etapromise.forecast.boosting import BoostingConfig, fit_forest
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY
from etapromise.history.gathered import HistoryAsOf
from etapromise.promise.stages import HANDLING_OFFSET, StageForests, transit_features

# Fewer pick-ups than these say nothing of handling.
_FEWEST_PICKUPS = 200


def fit_stage_forests(
    known: KnownOrders,
    gathered: HistoryAsOf,
    *,
    rows: Ints,
    x: NDArray[np.float32],
    offset: Floats,
    levels: Floats,
    config: BoostingConfig,
    progress: Callable[[str, int, int], None],
) -> StageForests | None:
    """Both forests, from what was known of some parcels; None where hardly any was scanned.

    Args:
        rows: (r,) parcels to learn from, none of them closed.
        x: (r, p) features of the direct forest.
        offset: (r,) what its output is relative to.
    """
    told = _StageTimes.of(known, gathered, rows)
    if told is None:
        return None
    handling = fit_forest(
        x[told.waited],
        np.log(told.worked[told.waited] + HANDLING_OFFSET),
        levels=levels,
        censored=~told.fetched[told.waited],
        config=config,
        progress=lambda done, most: progress("handling forest", done, most),
    )
    fetched = told.fetched
    target = np.log(told.way[fetched] + gathered.statistics.settings.offset) - offset[fetched]
    transit = fit_forest(
        transit_features(x[fetched], told.pickup_day[fetched], told.handled[fetched]),
        target,
        levels=levels,
        censored=~told.arrived[fetched],
        config=replace(config, seed=config.seed + 1),
        progress=lambda done, most: progress("transit forest", done, most),
    )
    return StageForests(handling.to_arrays(), transit.to_arrays())


@dataclass(frozen=True, kw_only=True)
class _StageTimes:
    """How long each of some parcels waited and was on its way, as far as that is known.

    Nothing else of what it takes to tell is held while the forests grow.

    Attributes:
        fetched: (r,) whether the pick-up is known.
        arrived: (r,) whether the event is.
        waited: (r,) whether anything is known of the wait. A parcel delivered without a scan of
            its pick-up was fetched, nobody knows when.
        worked: (r,) days of work until the pick-up, or so far.
        pickup_day: (r,) since 1970-01-01; today where it is still to come.
        handled: (r,) operational days from the order to the pick-up.
        way: (r,) operational days from the pick-up to the event, or so far.
    """

    fetched: Mask
    arrived: Mask
    waited: Mask
    worked: Floats
    pickup_day: Ints
    handled: Floats
    way: Floats

    @classmethod
    def of(cls, known: KnownOrders, gathered: HistoryAsOf, rows: Ints) -> _StageTimes | None:
        """Those of some parcels; None where hardly any was scanned."""
        results, clocks = gathered.outcomes, gathered.encoder.clocks
        fetched, arrived = results.pickup_day[rows] < NEVER_DAY, results.arrived[rows]
        if fetched.sum() < _FEWEST_PICKUPS or (fetched & arrived).sum() < _FEWEST_PICKUPS:
            return None
        requests = gathered.requests.take(rows)
        keys = [(positions[rows], texts) for positions, texts in known.level_keys(PICKUP_LEVELS)]
        days = PickupDays.of_keys(gathered.encoder, keys, requests)
        pickup_day = np.where(fetched, results.pickup_day[rows], results.as_of_day)
        # A pick-up before the order's start is a mistaken clock or cut-off: it is the first day's.
        pickup_day = np.maximum(pickup_day, requests.order_day)
        before, after = days.worked(pickup_day), days.worked(pickup_day + 1)
        worked = np.where(fetched, before + (after - before) * results.within[rows], before)
        last = clocks.elapsed.shape[1] - 1

        def elapsed(day: Ints) -> Floats:
            column = np.clip(day - clocks.first_day, 0, last)
            return np.asarray(clocks.elapsed[requests.clock, column])

        event = np.where(arrived, results.event_day[rows], results.as_of_day)
        event = np.maximum(event, pickup_day)
        start, first = elapsed(pickup_day), elapsed(event)
        within = np.where(arrived, results.within[rows], 0.0)
        way = first + (elapsed(event + 1) - first) * within - start
        return cls(
            fetched=fetched,
            arrived=arrived,
            waited=fetched | ~arrived,
            worked=worked,
            pickup_day=pickup_day,
            handled=start - elapsed(requests.order_day.astype(np.int64)),
            way=np.maximum(way, 0.0),
        )
