"""The Python API of what is done with tables and models: one spelling and one type of an argument.

Wherever tables are asked for, `shipments` and `scans` are a path (file, directory, pattern,
address), a DataFrame or an Arrow table, or `shipments` is the history that `read` made of both.
`mapping` says which columns of own tables are which, and may name the files too. A moment is a
text, a date, a datetime or a Timestamp; without a zone it is UTC. A model is a `PromiseModel` or
the path of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from etapromise.api_tables import Model, Moment, Tables, model_of, tables_read
from etapromise.argument_kinds import kinds_checked
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.evaluation.backtest import BacktestConfig, BacktestResult
from etapromise.evaluation.backtest import run_backtest as walk
from etapromise.evaluation.forecasters import TrainModel
from etapromise.evaluation.scorecards import carrier_scorecards
from etapromise.history.as_of import moment_of
from etapromise.operations import event_run, monitoring, retraining, scoring
from etapromise.operations.events import EventSettings
from etapromise.operations.gate import GateConfig
from etapromise.operations.model_registry import ModelRegistry
from etapromise.operations.monitoring.monitor import registry_of
from etapromise.promise.model import PromiseModel
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.training.config import TrainingConfig
from etapromise.training.training import Progress

if TYPE_CHECKING:
    import pandas as pd

    from etapromise.evaluation.scorecards import Measure
    from etapromise.tracking.contract import Event
    from etapromise.tracking.mapping import MappingSource
    from etapromise.tracking.sources import Source


@kinds_checked()
def score(
    model: Model,
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    service_level: float = 0.9,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    explain: bool = False,
) -> scoring.Scored:
    """Promise a date for every order of a table; with scans, anew from where each parcel stands.

    Arguments without a word here are as for `read`.

    Args:
        model: refreshed no later than `as_of`.
        shipments: the open orders.
        scans: their scans; None promises as at the order.
        as_of: orders placed and scans received later are left out.
        service_level: the probability with which the dates shall be kept.
        explain: without scans, say why each promise is what it is, in columns `why_…`.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: the model knows more than was known at `as_of`.

    Examples:
        >>> scored = etapromise.score("models/current", "shipments.parquet", as_of="2025-07-03")
        >>> bool(scored.promises["confidence"].ge(0.9).mean() > 0.9)
        True
    """
    loaded = model_of(model)
    under_way = scans is not None or mapping is not None
    return scoring.score_table(
        loaded,
        shipments,
        scans,
        as_of=moment_of(as_of),
        service_level=service_level,
        at_risk_threshold=loaded.alert_threshold() if under_way else None,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        explain=explain,
        mapping=mapping,
    )


@kinds_checked(config=TrainingConfig)
def backtest(
    shipments: Tables = None,
    scans: Source | None = None,
    *,
    start: Moment,
    end: Moment,
    every: Literal["month", "week"] = "month",
    refresh_every: int = 1,
    service_levels: Sequence[float] = (0.8, 0.9, 0.95),
    jobs: int = 2,
    config: TrainingConfig | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    event: Event = "delivered",
    max_rejects: float = MAX_REJECTS,
    progress: Progress | bool = False,
) -> BacktestResult:
    """Walk through the past as it was, and judge every promise.

    Arguments without a word here are as for `read`.

    Args:
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        start: first order to quote.
        end: the moment after the last.
        every: how often a new model is trained.
        refresh_every: days from one refresh of statistics and calibration to the next.
        service_levels: told in full; the one nearest to 0.9 by group.
        jobs: processes; the result does not depend on it.
        config: how models are trained.
        progress: told of every step, as by `train`: what, how much of it, and of how much; or
            True for a bar on stderr, where that is a terminal.

    Raises:
        ContractError: a table does not fit the contract, or there is no order to quote.
        InsufficientHistoryError: too little history to train the first model.

    Examples:
        >>> result = etapromise.backtest(history, start="2025-06-01", end="2025-06-15",
        ...                              refresh_every=7, config=quick)
        >>> result.facts["outcomes"]["delivered"] > 0
        True
    """
    tables = tables_read(
        shipments, scans, mapping, vocabulary, naive_time_zone, event, max_rejects=max_rejects
    )
    levels = _levels(service_levels)
    walked = BacktestConfig(
        start=moment_of(start),
        end=moment_of(end),
        every=every,
        refresh_every=refresh_every,
        service_levels=levels,
        main_level=min(levels, key=lambda level: (abs(level - 0.9), level)),
        jobs=jobs,
    )
    fit = TrainModel(config or TrainingConfig(), threads=1, quotes_only=True)
    return walk(tables, walked, fit=fit, progress=progress)


@kinds_checked()
def refresh(
    models: str | Path,
    shipments: Tables = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    calendars: CalendarFile | str | Path | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    max_rejects: float = MAX_REJECTS,
) -> PromiseModel:
    """Bring a directory's current model up to date and make the result current; its trees stay.

    Arguments without a word here are as for `read`.

    Args:
        models: directory of models.
        shipments: as for `read`, or what it returned; should reach half a year back.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        calendars: a calendar file from now on; by default that in the mapping, else the model's.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: another process changes the directory, or the model knows more than was known.
        ModelFileError: there is no current model.

    Examples:
        >>> model = etapromise.refresh("models", history, as_of="2025-07-02")
        >>> etapromise.load("models/current").version == model.version
        True
    """
    registry = ModelRegistry(models)
    event: Any = registry.load_current().event
    tables = tables_read(
        shipments, scans, mapping, vocabulary, naive_time_zone, event, max_rejects=max_rejects
    )
    stated = CalendarFile.within(mapping) if calendars is None else CalendarFile.of(calendars)
    version = retraining.refresh_current(tables, registry, as_of=moment_of(as_of), calendars=stated)
    return registry.load(version)


@kinds_checked(gate=GateConfig, config=TrainingConfig)
def retrain(
    models: str | Path,
    shipments: Tables = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    gate: GateConfig | None = None,
    config: TrainingConfig | None = None,
    calendars: CalendarFile | str | Path | None = None,
    dry_run: bool = False,
    force: bool = False,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    max_rejects: float = MAX_REJECTS,
) -> retraining.Decision:
    """Fit a challenger, judge it against the current model, and promote it if it is no worse.

    Arguments without a word here are as for `read`.

    Args:
        models: directory of models.
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        gate: how much worse is worse.
        config: the challenger's recipe; by default the current model's.
        calendars: a calendar file from now on; by default that in the mapping.
        dry_run: judge, but write nothing.
        force: promote although checks fail; the record says so.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: another process changes the directory, or the model knows more than was known.
        InsufficientHistoryError: too little to train on.

    Examples:
        >>> gate = etapromise.GateConfig(refresh_every=14)
        >>> decision = etapromise.retrain("models", history, as_of="2025-07-15", config=quick,
        ...                               gate=gate, dry_run=True)
        >>> decision.outcome in {"would promote", "would refuse"}
        True
    """
    registry = ModelRegistry(models)
    champion = registry.load_current() if registry.current else None
    event: Any = champion.event if champion is not None else "delivered"
    tables = tables_read(
        shipments, scans, mapping, vocabulary, naive_time_zone, event, max_rejects=max_rejects
    )
    stated = CalendarFile.within(mapping) if calendars is None else CalendarFile.of(calendars)
    return retraining.retrain_current(
        tables,
        registry,
        as_of=moment_of(as_of),
        config=config,
        calendars=stated,
        gate=gate,
        dry_run=dry_run,
        force=force,
    )


@kinds_checked(config=monitoring.MonitorConfig)
def monitor(
    model: Model,
    shipments: Tables = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    config: monitoring.MonitorConfig | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> monitoring.Findings:
    """Look at a model at work: promises kept, calibration, drift and the flow of scans.

    Arguments without a word here are as for `read`.

    Args:
        model: the one that the shop uses; given by its path in a directory of models, that
            directory's versions tell what was promised when.
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        config: what is watched, and how much is too much.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: the model knows more than was known at `as_of`.
        InsufficientHistoryError: there is no order to look at.

    Examples:
        >>> found = etapromise.monitor(model, history, as_of="2025-07-15")
        >>> found.facts["promises"]["overall"]["judged"] > 0
        True
    """
    loaded = model_of(model)
    event: Any = loaded.event
    tables = tables_read(shipments, scans, mapping, vocabulary, naive_time_zone, event)
    registry = None if isinstance(model, PromiseModel) else registry_of(Path(model))
    return monitoring.run_monitor(
        tables, loaded, as_of=moment_of(as_of), config=config, registry=registry
    )


@kinds_checked(settings=EventSettings)
def events(
    model: Model,
    shipments: Source | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    state: str | Path,
    out: str | Path | None = None,
    service_level: float = 0.9,
    settings: EventSettings | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> event_run.EventRun:
    """Find the events that customers should be told of, each once.

    Arguments without a word here are as for `read`.

    Args:
        model: refreshed no later than `as_of`.
        shipments: the open orders.
        scans: their scans.
        as_of: runs go forward; an earlier moment than the last run's is refused.
        state: directory in which it is kept what was told; the same from run to run.
        out: file that events are added to, JSON lines or Parquet by its name.
        service_level: the probability with which a new date shall be kept.
        settings: when another date is told.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: the model knows more than was known at `as_of`, or the run goes back in time.

    Examples:
        >>> run = etapromise.events(model, "shipments.parquet", "scans.parquet",
        ...                         as_of="2025-07-03", state="told")
        >>> run.parcels > 0
        True
    """
    return event_run.run_events(
        model_of(model),
        shipments,
        scans,
        as_of=moment_of(as_of),
        state=state,
        out=out,
        service_level=service_level,
        settings=settings or EventSettings(),
        naive_time_zone=naive_time_zone,
        vocabulary=vocabulary,
        mapping=mapping,
    )


@kinds_checked()
def scorecard(
    shipments: Tables = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    since: Moment | None = None,
    by: Sequence[str] = ("carrier", "service", "lane_group"),
    measure: Measure | None = None,
    smallest_group: int = 1,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
) -> pd.DataFrame:
    """How each carrier and service does where, the best of each place first.

    Arguments without a word here are as for `read`.

    Args:
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        since: parcels ordered from then on; by default 180 days before.
        by: carrier and service are the partner, the rest the place.
        measure: what partners are ranked by: "promise_kept", "quoted_kept" or "swift"; by default
            the first that the data allow.
        smallest_group: groups of fewer parcels are left out.

    Raises:
        ContractError: a table does not fit the contract.

    Examples:
        >>> card = etapromise.scorecard(history, as_of="2025-07-15", by=["carrier"])
        >>> sorted(card["carrier"])
        ['acme', 'birdpost', 'corvid', 'dromedary']
    """
    tables = tables_read(shipments, scans, mapping, vocabulary, naive_time_zone, "delivered")
    return carrier_scorecards(
        tables,
        as_of=moment_of(as_of),
        since=None if since is None else moment_of(since),
        by=by,
        measure=measure,
        smallest_group=smallest_group,
        default_time_zone=naive_time_zone,
    )


def _levels(service_levels: Sequence[float]) -> tuple[float, ...]:
    given: object = service_levels
    levels = set(given) if isinstance(given, Iterable) else set()
    if not levels or not all(isinstance(one, float | int) for one in levels):
        raise ContractError(
            f"Found service_levels={service_levels!r}; expected probabilities such as (0.8, 0.9)."
        )
    return tuple(sorted(levels))
