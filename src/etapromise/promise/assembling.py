"""From history as of a moment, and grown forests, to a model; and from a model to a fresher one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Floats, Ints
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.forecast.calibration import (
    CALIBRATED_LEVELS,
    Calibration,
    CalibrationSettings,
    PastDay,
    calibrate,
    share_held,
    still_arriving,
)
from etapromise.forecast.distribution import raw_probability
from etapromise.forecast.forest import Forest
from etapromise.history.as_of import KnownOrders, Moment, moment_of
from etapromise.history.effects import WantedDays
from etapromise.history.features import FeatureContract
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.kept_effects import KeptEffects
from etapromise.history.kept_orders import kept_orders
from etapromise.history.outcomes import day_of, operational_days, start_clock
from etapromise.history.present_pace import pace_since
from etapromise.history.shortest_ways import ROUNDING, soonest_as_known
from etapromise.in_transit.kept_looks import learned_looks
from etapromise.in_transit.past_journeys import PastParcels
from etapromise.in_transit.sampling import MOST_LOOKS, drawn_parcels
from etapromise.in_transit.training import assemble_transit, judged_since
from etapromise.in_transit.transit_parts import TransitParts
from etapromise.lanes.levels import JOURNEY
from etapromise.promise.compiled_quote import between_variances
from etapromise.promise.joint_probability import Dependence, learn_dependence, pairs_of
from etapromise.promise.kept_record import KeptTable, kept_table
from etapromise.promise.model_core import ModelCore
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.stages import StageForests
from etapromise.shrinkage import PRIORS
from etapromise.tracking.tracked import TrackedHistory

_KEPT_WINDOW: Final = 90
_KEPT_SERVICE_LEVEL: Final = 0.9
# Days from one past day to the next on which the correction of the last days is judged, how far
# back, and by how many parcels that had arrived. Parcels of a day share their luck: all together
# say no more than so many on their own.
_EVERY: Final = 3
_LOOKED_BACK: Final = 60
_LEAST_JUDGED: Final = 200
_MOST_TOLD: Final = 500.0
_ENOUGH_PARCELS: Final = 50_000


def assemble_parts(
    gathered: HistoryAsOf,
    known: KnownOrders,
    *,
    contract: FeatureContract,
    forest: Forest,
    holdout: Forest,
    stages: StageForests | None,
    settings: CalibrationSettings,
    manifest: Mapping[str, Any],
    moment: pd.Timestamp,
    transit: TransitParts | None = None,
) -> ModelParts:
    """Statistics, calibration and record at `moment`, around forests grown then or before.

    Args:
        forest: grown on what was known at manifest["trained_as_of"].
        holdout: grown without the orders of the manifest["holdout_days"] before that.
        manifest: what is to be known about the model; version and as_of are added.
    """
    horizon = int(manifest["give_up_after_days"]) + 1
    judged = _Judged(gathered, contract, forest, holdout, manifest, horizon)
    calibration = judged.calibration(settings)
    record = dict(manifest) | {
        "as_of": moment.isoformat(),
        "dependence": asdict(judged.dependence(calibration, known)),
        "pace_since": pace_since(gathered),
    }
    digest = hashlib.sha256(repr(sorted(record.items())).encode())
    arrays = [*forest.to_arrays().values(), gathered.statistics.total, calibration.kept]
    if transit is not None:
        arrays += [*transit.forest.to_arrays().values(), transit.flow.total]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    version = f"{moment:%Y-%m-%dT%H%M%SZ}-{digest.hexdigest()[:8]}"
    return ModelParts(
        encoder=gathered.encoder,
        contract=contract,
        statistics=gathered.statistics,
        surge=gathered.surge_now,
        forest=forest,
        holdout_forest=holdout,
        stages=stages,
        calibration=calibration,
        kept=judged.kept(calibration),
        hours=known.delivery_hours(
            gathered.outcomes, gathered.encoder.zones, gathered.encoder.hand_offs
        ),
        horizon=horizon,
        manifest=record | {"version": version},
        transit=transit,
    )


def refreshed_parts(
    model: ModelCore,
    tracked: TrackedHistory,
    as_of: Moment,
    calendars: CalendarFile | None = None,
) -> ModelParts:
    """See `PromiseModel.refresh`."""
    if tracked.event != model.event:
        raise ContractError(
            f"Found a history that tracks {tracked.event!r}; expected the model's event "
            f"{model.event!r}. Track it again with that event."
        )
    moment, parts = moment_of(as_of), model.parts
    give_up = int(parts.manifest["give_up_after_days"])
    renewed = {"version", "as_of", "dependence", "pace_since"}
    manifest = {name: value for name, value in parts.manifest.items() if name not in renewed}
    if calendars is None:
        known = kept_orders(tracked, moment, parts.encoder)
        if known is None:
            known = KnownOrders.of(tracked, moment)
        # Older orders than the model's calendars know have long faded from its statistics.
        known = known.since(parts.encoder.clocks.first_order_day)
        # Where a file says what is so, nothing else changes it.
        told = parts.manifest["calendars"] is not None
        encoder = known.encoder_like(parts.encoder, renew_after=None if told else give_up)
    else:
        known = KnownOrders.of(tracked, moment)
        # What the old file said is in the model's weeks; so they are learned again.
        encoder = known.encoder(
            numeric=parts.encoder.numeric,
            categorical=parts.encoder.categorical,
            default_time_zone=parts.manifest["config"]["default_time_zone"],
            give_up_after=give_up,
            calendars=calendars,
            # The forests' features hang on it.
            hand_offs=parts.encoder.hand_offs or False,
        )
        manifest["calendars"] = calendars.text
    tracked.let_go()
    orders = EncodedOrders.of(known, encoder, give_up)
    honest_day = _first_judged_day(parts.manifest)
    asked = orders.outcomes.start_day >= honest_day
    later = asked.copy()
    drawn = past = None
    if model.transit is not None:
        looks = (parts.manifest["config"]["transit"] or {}).get("sample_looks", MOST_LOOKS)
        drawn = drawn_parcels(known, orders, looks)
        first_day = judged_since(model.transit.trained_day, orders.outcomes.as_of_day)
        judged = ~orders.outcomes.arrived | (orders.outcomes.event_known_day >= first_day)
        asked[drawn.asked] |= judged[drawn.asked]
        later = asked.copy()
        later[drawn.near] |= judged[drawn.near]
    gathered = HistoryAsOf.of(
        orders,
        parts.statistics.settings,
        WantedDays(rows=np.flatnonzero(asked), later=np.flatnonzero(later)),
        KeptEffects.beside(known),
    )
    if drawn is not None:
        past = PastParcels.of(tracked, known, gathered, drawn)
    gathered = gathered.knowing_days_since(honest_day)
    transit = None
    if model.transit is not None and past is not None:
        transit = assemble_transit(
            past,
            learned_looks(past),
            parts.contract,
            parts.holdout_forest,
            forest=model.transit.forest,
            trained_day=model.transit.trained_day,
        )
    return assemble_parts(
        gathered,
        known,
        contract=parts.contract,
        forest=parts.forest,
        holdout=parts.holdout_forest,
        stages=parts.stages,
        settings=CalibrationSettings(**parts.manifest["config"]["calibration"]),
        manifest=manifest,
        moment=moment,
        transit=transit,
    )


def _first_judged_day(manifest: Mapping[str, Any]) -> int:
    """The UTC day from which on orders have not been seen by the hold-out forest."""
    return day_of(moment_of(manifest["trained_as_of"])) - int(manifest["holdout_days"])


class _Judged:
    """Recent orders and what was predicted for them by forests that had not seen them."""

    def __init__(
        self,
        gathered: HistoryAsOf,
        contract: FeatureContract,
        forest: Forest,
        holdout: Forest,
        manifest: Mapping[str, Any],
        horizon: int,
    ) -> None:
        results = gathered.outcomes
        # Orders that the hold-out forest was grown on cannot judge it.
        honest = results.start_day >= _first_judged_day(manifest)
        rows = np.flatnonzero(honest & ~results.closed)
        x, self._offset = gathered.features(gathered.builder(contract), rows)
        quantiles = np.empty((len(rows), len(forest.levels)))
        fresh = results.start_day[rows] >= day_of(moment_of(manifest["trained_as_of"]))
        for part, judge in ((fresh, forest), (~fresh, holdout)):
            if part.any():
                quantiles[part] = judge.predict(x[part])
        self._gathered = gathered
        self._rows = rows
        self._levels = forest.levels
        self._names = gathered.encoder.level_names
        self._quantiles = self._widened(quantiles)
        self._codes = gathered.requests.codes[rows]
        self._arrived = results.arrived[rows]
        # Operational days from its start before which no date of a parcel ends.
        half_life = gathered.statistics.settings.half_life
        self._shortest = soonest_as_known(
            gathered.encoder, gathered.requests, results, half_life, rows, horizon
        ) - start_clock(gathered.encoder.clocks, gathered.requests.take(rows))
        self._age = (results.as_of_day - results.start_day[rows]).astype(np.float64)
        # What the forest says of a date's beginning and of its end.
        self._before, self._through = map(self._raw, gathered.days_of_date(rows))

    def calibration(self, settings: CalibrationSettings) -> Calibration:
        statistics = self._gathered.statistics
        # Spread over the date of the arrival as its durations are; yesterday's where it is open.
        within = np.where(self._arrived, self._gathered.outcomes.within[self._rows], 0.0)
        u = self._before + (self._through - self._before) * within
        return calibrate(
            u,
            self._arrived,
            self._age,
            self._codes + statistics.total_start,
            levels=[self._names.index(name) for name in CALIBRATED_LEVELS],
            rows=len(statistics.total),
            settings=settings,
            arriving=still_arriving(u, self._arrived, self._lost()),
            held=share_held(self._past_days(u), settings),
        )

    def _past_days(self, u: Floats) -> Iterator[PastDay]:
        """What calibrations would have been made of, every few days, and what followed."""
        results = self._gathered.outcomes
        some = np.arange(0, len(self._rows), 1 + len(self._rows) // _ENOUGH_PARCELS)
        age, came, lost = self._age[some], self._arrived[some], self._lost()[some]
        known_age = results.as_of_day - results.event_known_day[self._rows[some]]
        through = np.where(came, self._through[some], 1.0)
        weight = still_arriving(u[some], came, lost) / max(1.0, came.sum() / _MOST_TOLD)
        for ago in range(_EVERY, int(min(age.max(initial=0.0), _LOOKED_BACK)), _EVERY):
            then, after = age > ago, (age <= ago) & (age > ago - _EVERY)
            arrived = came & (known_age > ago)
            if not after.any() or (then & arrived).sum() < _LEAST_JUDGED:
                continue
            stated, open_ = u[some], np.flatnonzero(then & ~arrived)
            stated[open_] = self._open_on(results.as_of_day - ago, some[open_])
            yield PastDay(
                u=stated[then],
                arrived=arrived[then],
                age_days=age[then] - ago,
                arriving=still_arriving(stated[then], arrived[then], lost[then]),
                before=self._before[some[after]],
                through=through[after],
                weight=weight[after],
            )

    def kept(self, calibration: Calibration) -> KeptTable:
        """Promises as today's calibration would have made them.

        A date is the first whose probability reaches the level; so a parcel came in time if the
        date before its own had not reached it, and an open one is late if yesterday had.
        """
        statistics = self._gathered.statistics
        stated = calibration.probability(self._before, self._codes + statistics.total_start)
        reached = (1.0 - self._lost()) * stated >= _KEPT_SERVICE_LEVEL
        # Younger orders' promises have mostly not run out: only the quick ones could be judged.
        settled = (self._age <= _KEPT_WINDOW) & (self._age > self._gathered.typical_age())
        judged = settled & (self._arrived | reached)
        return kept_table(
            self._codes[judged],
            ~reached[judged],
            level_names=self._names,
            sizes=self._gathered.encoder.sizes,
            service_level=_KEPT_SERVICE_LEVEL,
            as_of_day=statistics.as_of_day,
        )

    def dependence(self, calibration: Calibration, known: KnownOrders) -> Dependence:
        """How often parcels of one order shared their luck, open ones as censored.

        A date is an interval of the probabilities that were forecast: whoever arrives on it came
        after the day before and no later than its end.
        """
        orders = known.order_numbers()
        if orders is None:
            return Dependence()
        order = orders[self._rows]
        pairs = pairs_of(np.where(order == 0, -1, pd.factorize(order)[0].astype(np.int64)))
        if not len(pairs.first):
            return Dependence()
        groups = self._codes + self._gathered.statistics.total_start
        low, high = (
            calibration.probability(edge, groups) for edge in (self._before, self._through)
        )
        journey = known.level_keys((JOURNEY,))[0][0][self._rows]
        day = self._gathered.requests.order_day[self._rows]
        together = (journey[pairs.first] == journey[pairs.second]) & (
            day[pairs.first] == day[pairs.second]
        )
        return learn_dependence(low, np.where(self._arrived, high, 1.0), pairs, together)

    def _lost(self) -> Floats:
        """Share of parcels like each that never arrive."""
        service = self._codes[:, self._names.index("service")]
        return self._gathered.statistics.lost[service]

    def _open_on(self, day: int, rows: Ints) -> Floats:
        """What the forest says of arrivals before a day, for some of the parcels."""
        requests = self._gathered.requests.take(self._rows[rows])
        clocks, dates = self._gathered.encoder.clocks, np.full(len(rows), day)
        return self._raw(operational_days(clocks, requests, dates, np.zeros(len(rows))), rows)

    def _raw(self, days: Floats, rows: Ints | slice = slice(None)) -> Floats:
        """(r,) what the forest says of dates that end so many operational days after the start."""
        stated = raw_probability(
            self._levels,
            self._gathered.statistics.settings.offset,
            self._quantiles[rows],
            self._offset[rows],
            days,
        )
        return np.where(days > self._shortest[rows] - ROUNDING, stated, 0.0)

    def _widened(self, quantiles: Floats) -> Floats:
        """What native/quote.c makes of the forest's word where a carrier or region is new."""
        gathered, rows = self._gathered, self._rows
        between = between_variances(gathered.encoder, gathered.statistics)
        known, places = gathered.at_order.total, gathered.at_order.places(rows)
        seen = known[..., 1][places].astype(np.float64)
        within = known[places, 0, 4].astype(np.float64) ** 2
        unknown = (between * PRIORS.new_key / (seen + PRIORS.new_key)).sum(axis=1)
        wider = np.sqrt(1.0 + unknown / np.maximum(within, 1e-12))
        middle = quantiles[:, [int(np.abs(self._levels - 0.5).argmin())]]
        widened: Floats = middle + (quantiles - middle) * wider[:, None]
        return widened
