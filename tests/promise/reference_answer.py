"""The whole answer as it was worked out before it was compiled: slower, and by other means.

Frozen: what the compiled answer is held against.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etapromise import Promise, PromiseModel
from etapromise.calendars.dispatch import DISPATCH_LEVELS, NO_CUT_OFF
from etapromise.calendars.working_clocks import Clocks
from etapromise.calendars.zones import ZONE_SOURCES
from etapromise.encoding.pickup_days import PickupDays
from etapromise.encoding.requests import Requests
from etapromise.history.effects import FIELDS
from etapromise.history.statistics import Statistics
from etapromise.lanes.levels import KeyPlan, Level
from etapromise.promise.joint_probability import Dependence
from etapromise.promise.stages import StageTime, StageTimes
from tests.promise.reference_stages import is_open, pickup_days_of, stages_of

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.5, 0.9)
A_BUSINESS_DAY = 0.25
PERCENTILES = (5, 10, 25, 50, 75, 80, 85, 90, 95, 97, 99)
BITS = {
    name: 1 << position
    for position, name in enumerate(
        (
            "service_level_unreachable",
            "unseen_carrier",
            "unseen_service",
            "unseen_destination",
            "unseen_origin",
            "zone_from_region",
            "zone_from_country",
            "zone_default",
            "stale_statistics",
            "thin_history",
            "all_parcels_alike",
            "value_outside",
        )
    )
}


def slow_answer(model: PromiseModel, fields: Mapping[str, Any], promise: Promise) -> dict[str, Any]:
    """What a page shows of a promise that hangs on nothing but its distribution and the model."""
    encoder = model.parts.encoder
    requests = encoder.encode_placed(fields)[0]
    dates, probability = promise.distribution()
    days = np.searchsorted(probability, np.minimum(LEVELS, probability[-1]))
    code, reasons = slow_assessment(
        requests,
        model.parts.statistics,
        encoder.levels,
        outside=is_outside(model, fields),
        reachable=probability[-1:] >= promise.service_level,
        earliest=days[:1],
        middle=days[1:2],
        latest=days[2:],
    )
    shown = {
        f"percentile_{percent}": str(
            dates[int(np.searchsorted(probability, min(percent / 100.0, probability[-1])))]
        )
        for percent in PERCENTILES
    }
    zone, _ = encoder.zones.resolve(
        fields.get("destination_time_zone"),
        fields.get("destination_country"),
        fields.get("destination_region"),
    )
    cut_off = slow_cut_off(model, fields, requests)
    return shown | {
        "confidence_code": int(code[0]),
        "messages": [name for name, bit in BITS.items() if reasons[0] & bit],
        "destination_time_zone": zone.key,
        "cutoff_datetime_utc": None if cut_off is None else cut_off.isoformat(),
    }


def slow_cut_off(
    model: PromiseModel, fields: Mapping[str, Any], requests: Requests
) -> dt.datetime | None:
    """Of a model without a calendar file."""
    encoder = model.parts.encoder
    days = pickup_days_of(encoder, fields, requests)
    row = encoder.dispatch.row(KeyPlan(DISPATCH_LEVELS).keys(fields))
    zone, _ = encoder.zones.resolve(
        None,
        fields.get("origin_country"),
        fields.get("origin_region"),
        origin=fields.get("origin"),
    )
    day = fields["ordered_at"].astimezone(zone).date()
    for _ in range(120):
        second = int(encoder.dispatch.calendars.cut_off[row, day.weekday()])
        if is_open(days, (day - dt.date(1970, 1, 1)).days) and second < NO_CUT_OFF:
            at = dt.time(second // 3600, second % 3600 // 60, second % 60)
            moment = dt.datetime.combine(day, at, zone).astimezone(dt.UTC)
            if moment > fields["ordered_at"]:
                return moment
        day += dt.timedelta(days=1)
    return None


def slow_stages(model: PromiseModel, fields: Mapping[str, Any]) -> tuple[StageTime, StageTime]:
    """Handling and transit by arrays."""
    encoder = model.parts.encoder
    requests = encoder.encode_placed(fields)[0]
    days = pickup_days_of(encoder, fields, requests)
    return both_stages(stages_of(model, requests, days), days, encoder.clocks, requests)


def slow_assessment(
    requests: Requests,
    statistics: Statistics,
    levels: Sequence[Level],
    *,
    outside: bool,
    reachable: NDArray[np.bool_],
    earliest: NDArray[np.int64],
    middle: NDArray[np.int64],
    latest: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Codes and reasons of n promises."""
    evidence = {
        level.name: evidence_of(statistics, requests.codes, position)
        for position, level in enumerate(levels)
    }
    region = np.maximum(evidence["destination_region"], evidence["destination_prefix"])
    source = requests.zone_source
    flags = {
        "service_level_unreachable": ~reachable,
        "unseen_carrier": evidence["carrier"] < 1.0,
        "unseen_service": (evidence["service"] < 10.0) & (evidence["carrier"] >= 1.0),
        "unseen_destination": region < 1.0,
        "unseen_origin": evidence["origin"] < 1.0,
        "zone_from_region": source == ZONE_SOURCES.index("region"),
        "zone_from_country": source == ZONE_SOURCES.index("country"),
        "zone_default": source == ZONE_SOURCES.index("default"),
        "stale_statistics": requests.order_day > statistics.as_of_day + 14,
        "thin_history": evidence["network"] < 100.0,
        "value_outside": np.array([outside]),
    }
    reasons = np.zeros(len(requests), np.int32)
    for name, flag in flags.items():
        reasons |= np.where(flag, BITS[name], 0).astype(np.int32)
    width = latest - earliest
    code = np.select(
        [
            flags["thin_history"] | flags["unseen_carrier"],
            flags["unseen_destination"],
            flags["service_level_unreachable"] | (width > 2.5 * np.maximum(middle, 1) + 2),
            flags["value_outside"] | (width > 4),
            width > 1,
        ],
        [30002, 30004, 30001, 20001, 10001],
        10000,
    )
    return code.astype(np.int32), reasons


def is_outside(model: PromiseModel, fields: Mapping[str, Any]) -> bool:
    """Whether a number is far from what the model was trained on."""
    ranges = model.manifest["ranges"].items()
    given = [(float(fields.get(name) or "nan"), row[0], row[-1]) for name, row in ranges]
    return any(value < low or value > high for value, low, high in given)


def evidence_of(
    statistics: Statistics, codes: NDArray[np.int32], level: int
) -> NDArray[np.float32]:
    rows = statistics.total_start[level] + codes[:, level]
    return np.asarray(statistics.total[rows, FIELDS.index("evidence")])


def both_stages(
    times: StageTimes, pickup_days: PickupDays, clocks: Clocks, requests: Requests
) -> tuple[StageTime, StageTime]:
    """Handling and transit of the first of n requests, each on its own."""
    pickup, whole = times.pickup[0], times.whole[0]
    longest, horizon = whole.shape
    days = int(requests.order_day[0]) + np.arange(horizon + 1)
    # Working days passed before each date: of the warehouse since the order's start, of the carrier
    # since the first date.
    worked = np.ceil(pickup_days.take(np.zeros(horizon + 1, np.int64)).worked(days) - 1e-9)
    column = np.clip(days - clocks.first_day, 0, clocks.elapsed.shape[1] - 1)
    delivers = np.diff(clocks.elapsed[requests.clock[0], column]) > A_BUSINESS_DAY
    delivered = np.concatenate([[0], np.cumsum(delivers)])
    handling_business = np.zeros(horizon + 1)
    np.add.at(handling_business, worked[:longest].astype(np.int64), pickup)
    calendar, business = np.zeros(horizon + 1), np.zeros(horizon + 1)
    for day in np.flatnonzero(pickup):
        arrives = np.diff(whole[day], prepend=0.0) * pickup[day]
        np.add.at(calendar, np.maximum(np.arange(horizon) - day, 0), arrives)
        np.add.at(business, np.maximum(delivered[1:] - delivered[day + 1], 0), arrives)
    return (
        stage_time(np.concatenate([pickup, [0.0]]), handling_business),
        stage_time(calendar, business),
    )


def stage_time(calendar: NDArray[np.float64], business: NDArray[np.float64]) -> StageTime:
    def quantiles(mass: NDArray[np.float64]) -> tuple[int, int, int]:
        reached = np.cumsum(mass) / mass.sum()
        low, middle, high = (int((reached < level - 1e-12).sum()) for level in LEVELS)
        return low, middle, high

    whole = np.minimum(np.cumsum(calendar) / calendar.sum(), 1.0)
    return StageTime(quantiles(business), quantiles(calendar), whole)


def slow_joint(probability: Floats, journeys: Sequence[object], dependence: Dependence) -> Floats:
    """P(all n parcels have arrived by the end of each date), (h,).

    Never above the least of the parcels' probabilities, nor below what they leave to each other
    (Fréchet's bounds); one parcel's are its own. The order of the parcels is irrelevant.

    Args:
        probability: (n, h) P(arrived by the end of each of h dates), non-decreasing in h.
        journeys: (n,) parcels with equal ones are on the same journey.
        dependence: how often they share their luck.
    """
    count = len(probability)
    if count == 1:
        return np.asarray(probability[0])
    follows = math.sqrt(dependence.journey)
    tied = math.sqrt(dependence.order / dependence.journey) if dependence.journey else 0.0
    # Between two neighbouring probabilities of a date every parcel is in time or none of its luck
    # is: integrals over a shared draw are sums over these cells.
    edges = np.sort(probability, axis=0)
    ends = np.concatenate([edges, np.ones_like(edges[:1])])
    width = np.diff(ends, axis=0, prepend=0.0)
    in_time = probability[None, :, :] >= ends[:, None, :]
    chance = follows * in_time + (1.0 - follows) * probability[None, :, :]
    numbers: dict[object, int] = {}
    group = np.array([numbers.setdefault(journey, len(numbers)) for journey in journeys])
    parts = []
    for number in range(len(numbers)):
        # Sorted, so that the order of the parcels does not even change the last bit.
        part = np.sort(chance[:, group == number], axis=1).prod(axis=1)
        parts.append(tied * part + (1.0 - tied) * (width * part).sum(axis=0))
    joint = (width * np.sort(np.stack(parts), axis=0).prod(axis=0)).sum(axis=0)
    low = np.maximum(edges.sum(axis=0) - (count - 1), 0.0)
    return np.asarray(np.maximum.accumulate(np.clip(joint, low, edges[0])))


def slow_dominators(
    sending: Sequence[float], curves: Sequence[Floats], promised: Sequence[bool]
) -> list[list[int]]:
    """The positions of those that dominate each option; a promised one only promised ones."""
    return [
        [
            other
            for other in range(len(curves))
            if sending[other] <= sending[one]
            and promised[other] >= promised[one]
            and (curves[other] >= curves[one]).all()
            and (sending[other] < sending[one] or (curves[other] > curves[one]).any())
        ]
        for one in range(len(curves))
    ]
