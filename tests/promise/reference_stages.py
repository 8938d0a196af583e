"""Both stages of many requests, day by day of the pick-up: slow, in numpy, and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from etapromise.calendars.dispatch import A_WORKING_DAY
from etapromise.calendars.working_clocks import row_of
from etapromise.encoding.pickup_days import PICKUP_LEVELS, PickupDays
from etapromise.encoding.requests import Encoder, Requests
from etapromise.forecast.distribution import raw_probability
from etapromise.history.features import with_handling_codes
from etapromise.lanes.levels import KeyPlan
from etapromise.promise.explanation import required_stages
from etapromise.promise.model_core import ModelCore
from etapromise.promise.stages import HANDLING_OFFSET, StageTimes, transit_features

LONGEST_HANDLING = 28
PLAN = KeyPlan(PICKUP_LEVELS)


def pickup_days_of(encoder: Encoder, fields: Mapping[str, Any], requests: Requests) -> PickupDays:
    """The warehouse's clock of one shipment, and its request."""
    *keys, place = PLAN.keys(fields)
    calendar = row_of(encoder.clocks.indexes()[1], place)
    row = encoder.dispatch.row(keys)
    return PickupDays._of(encoder, np.array([row]), np.array([calendar]), requests)


def is_open(days: PickupDays, day: int) -> bool:
    """Whether the warehouse of the first request works on a day, days since 1970-01-01."""
    column = min(max(day - days.first_day, 0), days.elapsed.shape[1] - 2)
    row = days.elapsed[days.clock[0]]
    return bool(row[column + 1] - row[column] > A_WORKING_DAY)


def stages_of(model: ModelCore, requests: Requests, pickup_days: PickupDays) -> StageTimes:
    """Pick-ups of n requests, and the way from each."""
    parts = model.parts
    forests = required_stages(parts.stages)
    x, offset = model.features.rows(requests, with_handling_codes(requests.codes))
    clocks, horizon = parts.encoder.clocks, parts.horizon
    duration_offset = parts.statistics.settings.offset
    count, longest = len(requests), min(LONGEST_HANDLING, horizon)
    days = requests.order_day.astype(np.int64)[:, None] + np.arange(max(longest, horizon) + 1)
    fetched = np.ones((count, longest))
    quantiles = forests.handling.predict(x, threads=1)
    for day in range(longest - 1):
        fetched[:, day] = raw_probability(
            forests.handling.levels,
            HANDLING_OFFSET,
            quantiles,
            np.zeros(count),
            pickup_days.worked(days[:, day + 1]),
        )
    # On a day on which nothing works the quantiles' lowest part must not leak out.
    fetched[:, :-1] *= pickup_days.worked(days[:, 1:longest]) > 0
    pickup = np.diff(np.maximum.accumulate(fetched, axis=1), axis=1, prepend=0.0)
    elapsed = clocks.elapsed[
        requests.clock[:, None],
        np.clip(days - clocks.first_day, 0, clocks.elapsed.shape[1] - 1),
    ]
    whole = np.zeros((count, longest, horizon))
    start = elapsed[:, 0]
    for day in range(longest):
        rows = np.flatnonzero(pickup[:, day] > 1e-6)
        if not len(rows):
            continue
        more = transit_features(x[rows], days[rows, day], elapsed[rows, day] - start[rows])
        way = forests.transit.predict(more, threads=1)
        taken = elapsed[rows, day + 1 : horizon + 1] - elapsed[rows, day, None]
        dates = taken.shape[1]
        reached = raw_probability(
            forests.transit.levels,
            duration_offset,
            np.repeat(way, dates, axis=0),
            np.repeat(offset[rows], dates),
            taken.ravel(),
        )
        whole[rows, day, day:] = np.where(taken > 0, reached.reshape(taken.shape), 0.0)
    return StageTimes(pickup, np.maximum.accumulate(whole, axis=2))


def stages_summed(times: StageTimes) -> np.ndarray:
    """(n, k) P(event by the end of the order's date + 0, 1, …): the stages summed."""
    return (times.pickup[:, :, None] * times.whole).sum(axis=1)
