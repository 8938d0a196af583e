"""Training: from shipments and scans to a model.

Two forests are grown: one on what was known some weeks ago, stopped by and judged on the orders
placed since, whose predictions thus are honest ones to calibrate on; and the final one, as large,
on everything known at the model's moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etapromise.argument_kinds import kinds_checked
from etapromise.array_types import Floats, Ints, Mask
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.forecast.boosting import BoostingConfig, fit_forest
from etapromise.forecast.calibration import still_arriving
from etapromise.forecast.forest import Forest, average_forests
from etapromise.history.as_of import KnownOrders, Moment, moment_of
from etapromise.history.effects import WantedDays
from etapromise.history.features import FeatureContract, all_features
from etapromise.history.gathered import EncodedOrders, HistoryAsOf
from etapromise.history.kept_effects import KeptEffects
from etapromise.history.kept_orders import kept_orders
from etapromise.history.number_ranges import LearnedRanges
from etapromise.history.outcomes import Outcomes
from etapromise.history.statistics import lost_shares
from etapromise.in_transit.past_journeys import PastParcels
from etapromise.in_transit.sampling import drawn_parcels
from etapromise.in_transit.training import train_transit
from etapromise.promise.assembling import assemble_parts
from etapromise.promise.model import PromiseModel
from etapromise.promise.model_parts import ModelParts
from etapromise.promise.stages import StageForests
from etapromise.shrinkage import believing
from etapromise.store.stored_history import history_from
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.tracked import TrackedHistory
from etapromise.training.config import TrainingConfig
from etapromise.training.few_parcels import forest_of_few, relative_to_now
from etapromise.training.stage_training import fit_stage_forests

if TYPE_CHECKING:
    from etapromise.tracking.contract import Event
    from etapromise.tracking.sources import Source

# The levels that promises are made at, and the shape of the rest.
QUANTILE_LEVELS: Final = np.array(
    [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.985]
)

_ROWS_FOR_THREADS: Final = 100_000
_ROWS_AT_ONCE: Final = 100_000
# Working days a week, below which a carrier's next one is worth a feature.
_SELDOM_DAYS: Final = 4.5
# Share of warehouses' rows without a cut-off, from which on the order's weekday says more than
# calendars do. Where cut-offs tell days apart it would make a later order's date an earlier one.
_MOST_ROWS: Final = 0.5
# Arrived parcels that a forest needs, and that judge it.
_LEAST_GROWN: Final = 150
_LEAST_HELD_OUT: Final = 20

_log = logging.getLogger("etapromise.training")

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and how much there is at most."""


@kinds_checked(config=TrainingConfig)
def train(
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    store: str | Path | None = None,
    as_of: Moment,
    event: Event | None = None,
    config: TrainingConfig | None = None,
    naive_time_zone: str | None = None,
    progress: Progress | None = None,
    tuning: Mapping[str, Any] | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    max_rejects: float = MAX_REJECTS,
) -> PromiseModel:
    """Train a model on what was received before `as_of`.

    Args:
        shipments: a table of the contract (path, DataFrame, Arrow table), or a tracked history,
            which brings its scans and its event along.
        scans: a table of the contract.
        store: instead of tables, the directory of a store, see `etapromise.ingest`.
        as_of: zone-aware moment; without a zone, UTC. Nothing received later is looked at.
        event: what to promise: "delivered", "first_attempt" or "available_for_pickup"; by default
            what a tracked history tracks, and of tables "delivered".
        config: settings; by default `TrainingConfig()`.
        naive_time_zone: the zone of times in the tables that carry none.
        progress: told of every stage; by default the logger ``etapromise.training``, as debugging.
        tuning: how the settings were found (`Tuned.record`), for the manifest.
        mapping: which columns of own tables are those of the contract; its path, or one that was
            read. It may name the files too, and then needs no tables beside it. A calendar in it
            counts where `config` has none.
        vocabulary: whose codes scans carry that do not say: a name or a TOML file.
        max_rejects: the share of a table's rows that may be rejected; more stop the training.

    Raises:
        ContractError: tables or arguments do not fit the contract.
        InsufficientHistoryError: too little had happened by `as_of`.

    Examples:
        >>> model = etapromise.train("shipments.parquet", "scans.parquet", as_of="2025-07-01",
        ...                          config=quick)
        >>> model.event
        'delivered'
    """
    config = config or TrainingConfig()
    if config.calendars is None:
        config = replace(config, calendars=CalendarFile.within(mapping))
    if event is None:
        event = shipments.event if isinstance(shipments, TrackedHistory) else "delivered"
    tracked = history_from(
        shipments,
        scans,
        store,
        event=event,
        naive_time_zone=naive_time_zone,
        mapping=mapping,
        vocabulary=vocabulary,
        max_rejects=max_rejects,
    )
    with believing(config.priors):
        return PromiseModel(_trained(tracked, moment_of(as_of), config, progress, tuning))


def _trained(
    tracked: TrackedHistory,
    moment: pd.Timestamp,
    config: TrainingConfig,
    progress: Progress | None,
    tuning: Mapping[str, Any] | None,
) -> ModelParts:
    known = KnownOrders.of(tracked, moment)
    give_up = known.give_up_after()
    encoder = known.encoder(
        numeric=config.numeric,
        categorical=config.categorical,
        default_time_zone=config.default_time_zone,
        give_up_after=give_up,
        calendars=config.calendars if isinstance(config.calendars, CalendarFile) else None,
        hand_offs=config.hand_offs,
    )
    tracked.let_go()
    kept = kept_orders(tracked, moment, encoder)
    known = known if kept is None else kept
    orders = EncodedOrders.of(known, encoder, give_up)
    split = _Split.of(orders.outcomes, config)
    # What the nights after this one will ask for.
    later = orders.outcomes.start_day >= split.cut
    drawn = None
    if config.transit is not None:
        drawn = drawn_parcels(known, orders, config.transit.sample_looks)
        later[drawn.near] = True
    wanted = WantedDays(rows=np.arange(len(known)), later=np.flatnonzero(later))
    gathered = HistoryAsOf.of(orders, config.effects, wanted, KeptEffects.beside(known))
    known.let_go()
    tell = progress or partial(_log.debug, "%s: %d of at most %d")
    stages = None
    if split.tells_parcels_apart(gathered):
        contract, holdout = _holdout_forest(gathered, split, config, tell)
        average = average_forests(holdout)
        usable = (gathered.outcomes.start_day >= split.first_day) & ~gathered.outcomes.closed
        rows = np.flatnonzero(usable)
        x, offset = gathered.features(gathered.builder(contract), rows)
        # The forests need as much memory again as the days that only their features ask for.
        gathered = gathered.knowing_days_of(wanted.later)
        forest, stages = _final_forests(known, gathered, rows, x, offset, holdout, config, tell)
        del x, offset
    else:
        contract, forest = _forest_of_few(gathered)
        average = forest
    ordered = pd.to_datetime(known.ordered()[[0, -1]], unit="us", utc=True)
    manifest = {
        "library_version": version("etapromise"),
        "event": tracked.event,
        "trained_as_of": moment.isoformat(),
        "trained_on": {
            "shipments": len(known),
            "arrived": int(gathered.outcomes.arrived.sum()),
            "first_order": ordered[0].isoformat(),
            "last_order": ordered[1].isoformat(),
        },
        "give_up_after_days": give_up,
        "holdout_days": split.holdout_days,
        "trees": {"holdout": average.tree_count, "final": forest.tree_count},
        "config": config.as_dict(),
        **({} if tuning is None else {"tuning": dict(tuning)}),
        "ranges": LearnedRanges.of(gathered.requests.numbers, encoder.numeric).as_dict(),
        "calendars": getattr(config.calendars, "text", None),
    }
    transit = None
    past = None if drawn is None else PastParcels.of(tracked, known, gathered, drawn)
    gathered = gathered.knowing_days_since(split.cut)
    if config.transit is not None and past is not None:
        transit = train_transit(
            past,
            contract=contract,
            promises_by=average,
            settings=config.transit,
            progress=_stage(tell, "in-transit forest"),
        )
    return assemble_parts(
        gathered,
        known,
        contract=contract,
        forest=forest,
        holdout=average,
        stages=stages,
        settings=config.calibration,
        manifest=manifest,
        moment=moment,
        transit=transit,
    )


@dataclass(frozen=True)
class _Split:
    """Which days fill the statistics only, which a forest grows on, and which judge it.

    Days since 1970-01-01: orders count from `first_day`, and from `cut` on are held out.
    """

    first_day: int
    cut: int
    holdout_days: int

    @classmethod
    def of(cls, results: Outcomes, config: TrainingConfig) -> _Split:
        start, end = int(results.start_day[0]), results.as_of_day
        cut = end - min(config.holdout_days, (end - start) // 4)
        newest = results.start_day[results.arrived][-_LEAST_HELD_OUT:]
        if len(newest) == _LEAST_HELD_OUT:
            # Where few orders come, the days of enough of them.
            cut = min(cut, int(newest[0]))
        return cls(start + min(config.warm_up_days, (end - start) // 6), cut, end - cut)

    def rows(self, gathered: HistoryAsOf) -> tuple[Ints, Mask]:
        """Parcels to grow on and to judge by, and which of them are to grow on."""
        start_day, before = gathered.outcomes.start_day, gathered.outcomes.as_of(self.cut)
        growing = (start_day >= self.first_day) & (start_day < self.cut) & ~before.closed
        later = (start_day >= self.cut) & ~gathered.outcomes.closed
        rows = np.flatnonzero(growing | later)
        return rows, growing[rows]

    def tells_parcels_apart(self, gathered: HistoryAsOf) -> bool:
        """Whether there are enough parcels for a forest."""
        rows, grow = self.rows(gathered)
        before = gathered.outcomes.as_of(self.cut).arrived[rows[grow]]
        later = gathered.outcomes.arrived[rows[~grow]]
        return int(before.sum()) >= _LEAST_GROWN and int(later.sum()) >= _LEAST_HELD_OUT


def _forest_of_few(gathered: HistoryAsOf) -> tuple[FeatureContract, Forest]:
    levels = gathered.encoder.levels
    contract = FeatureContract(
        all_features(levels, gathered.encoder.numeric, telling=[True] * len(levels))
    )
    rows = np.flatnonzero(~gathered.outcomes.closed)
    arrived = gathered.outcomes.arrived[rows]
    target = relative_to_now(gathered, contract, rows)
    lost = gathered.statistics.lost[_services(gathered, rows)]
    return contract, forest_of_few(
        target,
        arrived=arrived,
        weight=_arriving(target, arrived, np.ones_like(arrived), lost),
        levels=QUANTILE_LEVELS,
        features=len(contract.names),
    )


def _holdout_forest(
    gathered: HistoryAsOf, split: _Split, config: TrainingConfig, tell: Progress
) -> tuple[FeatureContract, list[Forest]]:
    before = gathered.outcomes.as_of(split.cut)
    rows, grow = split.rows(gathered)
    arrived = np.where(grow, before.arrived[rows], gathered.outcomes.arrived[rows])
    contract = FeatureContract(
        all_features(
            gathered.encoder.levels,
            gathered.encoder.numeric,
            telling=[_tells_apart(column) for column in gathered.requests.codes[rows[grow]].T],
            weekday=gathered.encoder.dispatch.calendars.waits_by_hour() > _MOST_ROWS,
            seldom=gathered.encoder.clocks.works_seldom(_SELDOM_DAYS),
        )
    )
    varies = _varies(gathered, contract, rows[grow])
    contract = FeatureContract(
        tuple(name for name, kept in zip(contract.names, varies, strict=True) if kept)
    )
    x, offset = gathered.features(gathered.builder(contract), rows)
    days = np.where(grow, gathered.days(before, rows), gathered.days(gathered.outcomes, rows))
    target = np.log(days + gathered.statistics.settings.offset) - offset
    # Nothing that a forest is grown by may know what came after the cut.
    lost = lost_shares(gathered.encoder, gathered.requests, before)
    weight = _arriving(target, arrived, grow, lost[_services(gathered, rows)])
    return contract, [
        fit_forest(
            x,
            target,
            levels=QUANTILE_LEVELS,
            weight=weight,
            censored=~arrived,
            config=_member(config.boosting, member, len(x)),
            validation=~grow,
            progress=_stage(tell, f"hold-out forest {member + 1} of {config.members}"),
        )
        for member in range(config.members)
    ]


def _tells_apart(codes: NDArray[np.int32]) -> bool:
    """Whether at least one parcel in fifty is not of the most frequent key."""
    return int(np.bincount(codes).max()) < 0.98 * len(codes)


def _arriving(target: Floats, arrived: Mask, known: Mask, lost: Floats) -> Floats:
    """(r,) how likely each row is one that arrives; before there is any forest to ask.

    Args:
        target: (r,) log durations, or log ages of open parcels, relative to what is usual.
        arrived: (r,) whether it is a duration.
        known: (r,) whether a row may be compared with.
        lost: (r,) share of parcels like each that never arrive.
    """
    among = np.sort(target[arrived & known])
    reached = np.searchsorted(among, target) / (len(among) + 1.0)
    return still_arriving(reached, arrived, lost)


def _services(gathered: HistoryAsOf, rows: Ints) -> NDArray[np.int32]:
    """(r,) rows of the level "service"."""
    service = gathered.encoder.level_names.index("service")
    return np.asarray(gathered.requests.codes[rows, service])


def _varies(gathered: HistoryAsOf, contract: FeatureContract, rows: Ints) -> Mask:
    """(p,) which features are not the same for all of some parcels."""
    low, high = np.full(len(contract.names), np.inf), np.full(len(contract.names), -np.inf)
    builder = gathered.builder(contract)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        x, _ = gathered.features(builder, rows[start : start + _ROWS_AT_ONCE])
        low = np.fmin(low, np.fmin.reduce(x, axis=0))
        high = np.fmax(high, np.fmax.reduce(x, axis=0))
    return np.asarray(low < high)


def _final_forests(
    known: KnownOrders,
    gathered: HistoryAsOf,
    rows: Ints,
    x: NDArray[np.float32],
    offset: Floats,
    holdout: list[Forest],
    config: TrainingConfig,
    tell: Progress,
) -> tuple[Forest, StageForests | None]:
    days = gathered.days(gathered.outcomes, rows)
    target = np.log(days + gathered.statistics.settings.offset) - offset
    arrived = gathered.outcomes.arrived[rows]
    lost = gathered.statistics.lost[_services(gathered, rows)]
    weight = _arriving(target, arrived, np.ones_like(arrived), lost)
    # As many trees as did best on the held-out orders; there is nothing later to stop by.
    rounds = max(1, round(float(np.mean([member.tree_count for member in holdout]))))
    forest = average_forests(
        [
            fit_forest(
                x,
                target,
                levels=QUANTILE_LEVELS,
                weight=weight,
                censored=~arrived,
                config=replace(_member(config.boosting, member, len(x)), rounds=rounds),
                progress=_stage(tell, f"final forest {member + 1} of {config.members}"),
            )
            for member in range(config.members)
        ]
    )
    if not config.stages:
        return forest, None
    return forest, fit_stage_forests(
        known,
        gathered,
        rows=rows,
        x=x,
        offset=offset,
        levels=QUANTILE_LEVELS,
        config=replace(_member(config.boosting, 0, len(x)), rounds=rounds),
        progress=tell,
    )


def _member(config: BoostingConfig, member: int, rows: int) -> BoostingConfig:
    # On few rows threads wait for each other longer than they work.
    threads = config.threads if rows >= _ROWS_FOR_THREADS else 1
    return replace(config, seed=config.seed + member, threads=threads)


def _stage(tell: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, most: tell(name, done, most)
