"""From past journeys and a grown forest to the in-transit parts, and to fresher ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from etapromise.array_types import Ints
from etapromise.forecast.calibration import Calibration, CalibrationSettings, calibrate
from etapromise.forecast.distribution import NOT_ASKED, raw_probability
from etapromise.forecast.forest import Forest
from etapromise.history.as_of import KnownOrders
from etapromise.history.effects import NEVER_DAY
from etapromise.history.features import FeatureContract
from etapromise.history.gathered import HistoryAsOf
from etapromise.in_transit.alerts import Alerts, choose_alerts
from etapromise.in_transit.outlook import OPEN_STAGES, Outlook, is_open, outlook
from etapromise.in_transit.past_journeys import TransitHistory, chatter_weights, transit_history
from etapromise.in_transit.sampling import Sample
from etapromise.in_transit.transit_parts import (
    REMAINING_OFFSET,
    STAGES,
    TransitParts,
    flow_sizes,
    transit_kernel,
)
from etapromise.tracking.tracked import TrackedHistory

__all__ = ["assemble_transit", "at_most", "refresh_transit"]

# Looks are many and alike: the correction of the last days needs more of them to be believed.
_SETTINGS: Final = CalibrationSettings(
    window=120,
    slow_half_life=60.0,
    slow_evidence=40.0,
    shift_power=0.0,  # a look at a parcel on its way has its own, short time to end
    quick_half_life=7.0,
    quick_evidence=60.0,
    group_half_life=60.0,
    group_evidence=80.0,
)
_MOST_LOOKS: Final = 150_000
# Parcels in whose journeys one false alarm of a loss is allowed, and what a threshold may be.
_FALSE_LOSSES: Final = 0.005
_LOST_BETWEEN: Final = (0.2, 0.9)
# Days after which a parcel that has not come by its date is known not to have, late scans included.
_CERTAIN_AFTER: Final = 3
_STANDING_LEVEL: Final = 0.9
_LONGEST_PROMISE: Final = 90


def assemble_transit(
    past: TransitHistory,
    known: KnownOrders,
    gathered: HistoryAsOf,
    *,
    forest: Forest,
    trained_day: int,
) -> TransitParts:
    """Flow, silence, exits, calibration and alerts around a forest grown then or before.

    Args:
        trained_day: UTC day.
    """
    facilities = past.scans.facilities
    carriers = len(gathered.encoder.indexes[past.looks.level_names.index("carrier")])
    services = len(gathered.encoder.indexes[past.looks.level_names.index("service")])
    ended = past.ended(facilities)
    parts = TransitParts(
        forest=forest,
        trained_day=trained_day,
        flow=ended.flow_on(past.outcomes.as_of_day, flow_sizes(gathered.encoder, facilities)),
        facilities=facilities,
        silence=past.silence(carriers),
        exits=past.exits(),
        calibrations=tuple(Calibration.none(services) for _ in STAGES),
        alerts=Alerts.unmeasured(),
    )
    first_day = max(trained_day, past.outcomes.as_of_day - _SETTINGS.window)
    recent = is_open(past.looks.states) & (past.day >= first_day)
    judged = past.take(at_most(past, np.flatnonzero(recent), _MOST_LOOKS))
    if not len(judged.day):
        return parts
    seen = outlook(parts, judged.looks, past.scans, flow=ended.flow(facilities, judged))
    parts = replace(parts, calibrations=_calibrations(parts, judged, seen, services))
    return replace(parts, alerts=_alerts(parts, judged, seen, known, gathered))


def refresh_transit(
    parts: TransitParts,
    tracked: TrackedHistory,
    sample: Sample,
    contract: FeatureContract,
    promises_by: Forest,
) -> TransitParts:
    """The same forest with everything else as of a later moment."""
    known, gathered, weight = sample
    past = transit_history(tracked, known, gathered, contract, promises_by, weight=weight)
    return assemble_transit(
        past, known, gathered, forest=parts.forest, trained_day=parts.trained_day
    )


def at_most(past: TransitHistory, rows: Ints, most: int) -> Ints:
    """Looks of so many parcels, drawn by chance, that there are about `most` at most."""
    if len(rows) <= most:
        return rows
    chance = past.outcomes.within * 15_485_863.0 % 1.0
    return rows[chance[past.parcel[rows]] < most / len(rows)]


def _calibrations(
    parts: TransitParts, judged: TransitHistory, seen: Outlook, services: int
) -> tuple[Calibration, ...]:
    results = judged.outcomes
    days, arrived = judged.remaining(results)
    stage = judged.looks.states.stage
    _, log_days, offset, *_ = seen.remaining.arrays
    u = raw_probability(parts.forest.levels, REMAINING_OFFSET, log_days, offset, days)
    arriving = judged.arriving(parts.silence, parts.exits, results.as_of_day)[judged.parcel]
    usable = ~results.closed[judged.parcel] & (arrived | (days > 0))
    age = (results.as_of_day - judged.day).astype(np.float64)
    codes = judged.looks.codes("service")[:, None]
    found = list(parts.calibrations)
    for name in OPEN_STAGES:
        number = STAGES.index(name)
        rows = np.flatnonzero(usable & (stage == number))
        if not len(rows):
            continue
        weight = np.where(arrived[rows], 1.0, arriving[rows])
        weight *= judged.parcel_weight[judged.parcel[rows]]
        weight *= chatter_weights(judged.parcel[rows], codes[rows, 0])
        found[number] = calibrate(
            u[rows],
            arrived[rows],
            age[rows],
            codes[rows],
            levels=[0],
            rows=services,
            settings=_SETTINGS,
            arriving=weight,
        )
    return tuple(found)


def _alerts(
    parts: TransitParts,
    judged: TransitHistory,
    seen: Outlook,
    known: KnownOrders,
    gathered: HistoryAsOf,
) -> Alerts:
    results, parcel = judged.outcomes, judged.parcel
    standing = _standing_days(known, gathered, judged)
    overdue = results.as_of_day > standing + _CERTAIN_AFTER
    decided = results.arrived | results.closed | overdue
    late = ~results.arrived | (results.event_day > standing)
    today = judged.looks.positions.today
    asked = decided[parcel] & (today <= standing[parcel])
    kernel = transit_kernel(parts, gathered.encoder.clocks, 1)
    days = np.where(asked, standing[parcel] - today, NOT_ASKED).astype(np.int32)
    hazard = np.stack([one.log_hazard for one in parts.calibrations])
    stage = judged.looks.states.stage
    log_hazard = hazard[stage, judged.looks.codes("service")].astype(np.float64)
    calibrated = replace(seen.remaining, log_hazard=log_hazard)
    _, _, by_then = kernel.reach(calibrated, np.array([0.5]), days)
    alerts = choose_alerts(parcel[asked], 1.0 - by_then[asked], late[parcel[asked]])
    arrived = np.flatnonzero(results.arrived[parcel])
    if not len(arrived):
        return alerts
    first = np.flatnonzero(np.append(True, np.diff(parcel[arrived]) > 0))
    highest = np.maximum.reduceat(seen.lost[arrived], first)
    likely = float(np.clip(np.quantile(highest, 1.0 - _FALSE_LOSSES), *_LOST_BETWEEN))
    return replace(alerts, likely_lost=likely)


def _standing_days(known: KnownOrders, gathered: HistoryAsOf, past: TransitHistory) -> Ints:
    """(n,) local day that was promised; where none is told, that of a 0.9 promise at the order."""
    promises, requests = past.looks.promises, gathered.requests
    own = requests.order_day.astype(np.int64)
    pending = np.ones(len(own), bool)
    clocks = gathered.encoder.clocks
    start = own - clocks.first_day
    for ahead in range(_LONGEST_PROMISE):
        rows = np.flatnonzero(pending)
        if not len(rows):
            break
        column = np.minimum(start[rows] + ahead + 1, clocks.elapsed.shape[1] - 1)
        clock = requests.clock[rows]
        days = clocks.elapsed[clock, column] - clocks.elapsed[clock, start[rows]]
        reached = raw_probability(
            promises.levels,
            promises.duration_offset,
            promises.log_days[rows],
            promises.offset[rows],
            days,
        )
        own[rows] = requests.order_day[rows] + ahead
        pending[rows[reached >= _STANDING_LEVEL]] = False
    told = known.promised_days()
    return np.where(told == NEVER_DAY, own, told)
