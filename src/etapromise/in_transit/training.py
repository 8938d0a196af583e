"""What is known of parcels under way, from past journeys as they were seen on their way.

The forest of the remaining time is grown on them; around it, or one that was grown before, come the
flow, silences, other ends, calibrations and alerts of today.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from etapromise.argument_kinds import require_at_least
from etapromise.array_types import Floats, Ints, Mask
from etapromise.forecast.boosting import BoostingConfig, fit_forest
from etapromise.forecast.calibration import Calibration, CalibrationSettings, calibrate
from etapromise.forecast.distribution import NOT_ASKED, raw_probability
from etapromise.forecast.forest import Forest
from etapromise.history.effects import NEVER_DAY
from etapromise.history.features import FeatureContract
from etapromise.in_transit.flow import flow_tables
from etapromise.in_transit.kept_looks import learned_looks
from etapromise.in_transit.learned_looks import LearnedLooks
from etapromise.in_transit.outlook import OPEN_STAGES, Outlook, is_open, outlook
from etapromise.in_transit.past_journeys import PastParcels, TransitHistory
from etapromise.in_transit.sampling import MOST_LOOKS
from etapromise.in_transit.transit_parts import (
    REMAINING_OFFSET,
    STAGES,
    Alerts,
    TransitParts,
    choose_alerts,
    flow_sizes,
    transit_kernel,
)

REMAINING_LEVELS: Final = np.array(
    [0.03, 0.08, 0.16, 0.26, 0.38, 0.5, 0.62, 0.74, 0.82, 0.89, 0.94, 0.975]
)
_FEWEST_ARRIVED: Final = 200
_ROWS_FOR_THREADS: Final = 100_000


def _boosting() -> BoostingConfig:
    return BoostingConfig(
        rounds=100,
        learning_rate=0.2,
        num_leaves=31,
        max_depth=7,
        min_data_in_leaf=150,
        lambda_l2=1.0,
        feature_fraction=0.6,
        bagging_fraction=0.7,
        max_bin=127,
        patience=24,
    )


@dataclass(frozen=True, kw_only=True)
class TransitSettings:
    """How predictions of parcels under way are trained.

    Attributes:
        boosting: how the forest is grown.
        holdout_days: the last days of looks, which stop the boosting and are calibrated on.
        most_looks: about how many looks at parcels the forest is grown on at most.
        sample_looks: about how many looks at past parcels everything else is learned from at most;
            of more parcels a sample is taken, by service and week, see `in_transit.sampling`.
    """

    boosting: BoostingConfig = field(default_factory=_boosting)
    holdout_days: int = 42
    most_looks: int = 160_000
    sample_looks: int = MOST_LOOKS

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        require_at_least(self, 1, "holdout_days")
        require_at_least(self, 1_000, "most_looks")
        require_at_least(self, 10_000, "sample_looks")


def train_transit(
    past: PastParcels,
    *,
    contract: FeatureContract,
    promises_by: Forest,
    settings: TransitSettings,
    progress: Callable[[int, int], None] | None = None,
) -> TransitParts | None:
    """The in-transit parts of today; None without journeys to learn from.

    Args:
        past: the parcels to look at.
        contract: features of the promise at the order.
        promises_by: its forest, grown without the latest orders.
    """
    results = past.gathered.outcomes
    end, start = results.as_of_day, int(results.start_day[0])
    cut = end - min(settings.holdout_days, (end - start) // 4)
    if int(results.as_of(cut).arrived.sum()) < _FEWEST_ARRIVED:
        return None
    learned = learned_looks(past)
    if not learned.scanned:
        return None  # no parcel was seen before its event
    rows = past.drawn(0, learned.share(0, settings.most_looks))
    looks = past.looks(rows, contract, promises_by)
    forest = _grow(looks, learned, cut, settings, progress)
    if forest is None:
        return None
    return assemble_transit(past, learned, contract, promises_by, forest=forest, trained_day=cut)


def _grow(
    past: TransitHistory,
    learned: LearnedLooks,
    cut: int,
    settings: TransitSettings,
    progress: Callable[[int, int], None] | None,
) -> Forest | None:
    results = past.outcomes
    before = results.as_of(cut)
    parcel = past.parcel
    growing = (past.day < cut) & ~before.closed[parcel]
    later = (past.day >= cut) & ~results.closed[parcel]
    looks = past.take(is_open(past.looks.states) & (growing | later))
    grow = looks.day < cut
    then, then_known = looks.remaining(before)
    now, now_known = looks.remaining(results)
    days, arrived = np.where(grow, then, now), np.where(grow, then_known, now_known)
    x, offset = looks.looks.features(learned.ended.flow(learned.facilities, looks))
    weight = learned.chatter[looks.looks.codes("service")] * looks.parcel_weight[looks.parcel]
    weight *= _arriving(looks, learned, grow, arrived, cut)
    usable = arrived | (days > 0)
    if not (arrived & grow).any() or not (arrived & ~grow).any():
        return None
    # On few rows threads wait for each other longer than they work.
    threads = settings.boosting.threads if usable.sum() >= _ROWS_FOR_THREADS else 1
    target = np.log(np.maximum(days, 0.0) + REMAINING_OFFSET) - offset
    return fit_forest(
        np.ascontiguousarray(x[usable]),
        target[usable],
        levels=REMAINING_LEVELS,
        weight=weight[usable],
        censored=~arrived[usable],
        config=replace(settings.boosting, threads=threads),
        validation=~grow[usable],
        progress=progress,
    )


def _arriving(
    looks: TransitHistory, learned: LearnedLooks, grow: Mask, arrived: Mask, cut: int
) -> Floats:
    """(m,) how likely each look's parcel is one that arrives, by how long it was silent then."""
    early, late = (
        looks.arriving(learned.silence, learned.exits, day)
        for day in (cut, looks.outcomes.as_of_day)
    )
    open_ = np.where(grow, early[looks.parcel], late[looks.parcel])
    return np.where(arrived, 1.0, open_)


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
_MOST_JUDGED: Final = 150_000
# Parcels in whose journeys one false alarm of a loss is allowed, and what a threshold may be.
_FALSE_LOSSES: Final = 0.005
_LOST_BETWEEN: Final = (0.2, 0.9)
# Days after which a parcel that has not come by its date is known not to have, late scans included.
_CERTAIN_AFTER: Final = 3
_STANDING_LEVEL: Final = 0.9
_LONGEST_PROMISE: Final = 90


def assemble_transit(
    past: PastParcels,
    learned: LearnedLooks,
    contract: FeatureContract,
    promises_by: Forest,
    *,
    forest: Forest,
    trained_day: int,
) -> TransitParts:
    """Flow, silence, exits, calibration and alerts around a forest grown then or before.

    Args:
        learned: what all looks at the parcels teach.
        contract: features of the promise at the order.
        promises_by: its forest, grown without the latest orders.
        trained_day: UTC day.
    """
    encoder, results = past.gathered.encoder, past.gathered.outcomes
    ended = learned.ended
    services = encoder.sizes[encoder.level_names.index("service")]
    parts = TransitParts(
        forest=forest,
        trained_day=trained_day,
        flow=flow_tables(
            *(ended.passages, ended.value, ended.weight),
            as_of_day=results.as_of_day,
            sizes=flow_sizes(encoder, learned.facilities),
        ),
        facilities=learned.facilities,
        silence=learned.silence,
        exits=learned.exits,
        calibrations=tuple(Calibration.none(services) for _ in STAGES),
        alerts=Alerts.unmeasured(),
    )
    first_day = judged_since(trained_day, results.as_of_day)
    rows = past.drawn(first_day, learned.share(first_day, _MOST_JUDGED))
    judged = past.looks(rows, contract, promises_by)
    judged = judged.take(is_open(judged.looks.states) & (judged.day >= first_day))
    if not len(judged.day):
        return parts
    flow = ended.flow(learned.facilities, judged)
    seen = outlook(parts, judged.looks, judged.scans, flow=flow)
    parts = replace(parts, calibrations=_calibrations(parts, judged, seen, services))
    return replace(parts, alerts=_alerts(parts, judged, seen, past))


def judged_since(trained_day: int, as_of_day: int) -> int:
    """The UTC day since which looks judge what is said of them.

    Features are made of these looks' parcels alone; those that had come by then teach without.
    """
    return max(trained_day, as_of_day - _SETTINGS.window)


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
        weight *= chatter(judged.parcel[rows], codes[rows, 0])
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


def chatter(parcel: Ints, service: Ints) -> Floats:
    """(m,) 1 / how often a parcel of each look's service is looked at; see `LearnedLooks`.

    Args:
        parcel: (m,) whose look, ascending.
        service: (m,) of which service.
    """
    size = int(service.max()) + 1 if len(service) else 0
    first = np.append(True, parcel[1:] != parcel[:-1])[: len(parcel)]
    looks = np.bincount(service, minlength=size)
    parcels = np.bincount(service[first], minlength=size)
    return np.asarray((np.maximum(parcels, 1) / np.maximum(looks, 1))[service])


def _alerts(
    parts: TransitParts, judged: TransitHistory, seen: Outlook, past: PastParcels
) -> Alerts:
    results, parcel = judged.outcomes, judged.parcel
    standing = _standing_days(past, judged)
    overdue = results.as_of_day > standing + _CERTAIN_AFTER
    decided = results.arrived | results.closed | overdue
    late = ~results.arrived | (results.event_day > standing)
    today = judged.looks.positions.today
    asked = decided[parcel] & (today <= standing[parcel])
    kernel = transit_kernel(parts, past.gathered.encoder.clocks, 1)
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


def _standing_days(past: PastParcels, judged: TransitHistory) -> Ints:
    """(n,) local day that was promised; where none is told, that of a 0.9 promise at the order."""
    promises, requests = judged.looks.promises, judged.looks.requests
    own = requests.order_day.astype(np.int64)
    pending = np.ones(len(own), bool)
    clocks = past.gathered.encoder.clocks
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
    told = past.known.promised_days()[judged.rows]
    return np.where(told == NEVER_DAY, own, told)
