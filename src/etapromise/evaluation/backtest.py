"""The walking backtest: train, refresh, quote and wait as it would have been, then judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from etapromise.argument_kinds import kinds_checked, require_at_least, require_shares
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import ContractError
from etapromise.evaluation.judgement import JUDGED_LEVELS, Truth, day_column, judge, stated_column
from etapromise.evaluation.replay import Forecaster, TrainModel, extract_end, replay_quotes
from etapromise.evaluation.summary import summary_of
from etapromise.files import write_json, write_text
from etapromise.forecast.distribution import DateDistribution
from etapromise.former_names import former_name
from etapromise.history.as_of import Moment, moment_of
from etapromise.promise.contributions import CAUSES
from etapromise.promise.model import PromiseModel
from etapromise.text_type import TEXT
from etapromise.tracking import Event, Source, TrackedHistory
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.tracked import read_unless_read
from etapromise.training.config import TrainingConfig
from etapromise.training.training import Progress

Fit = Callable[[TrackedHistory, pd.Timestamp], Forecaster]
"""Trains a model on a history, as of a moment. Runs in worker processes, so it must pickle."""

BACKTEST_FORMAT: Final = "etapromise-backtest/1"


@dataclass(frozen=True, kw_only=True)
class BacktestConfig:
    """How to walk.

    Attributes:
        start: First moment of quoted orders, zone-aware.
        end: The moment after the last, zone-aware.
        every: A new model is trained at ``start`` and at the beginning of each calendar month or
            week (Monday) after it, in the zone of ``start``.
        refresh_every: Days from one refresh of statistics and calibration to the next.
        service_levels: Told in full; the report also draws those of `JUDGED_LEVELS`.
        main_level: The service level told by group; one of ``service_levels``.
        settle_days: Days that the last scans of a date may take to arrive; a promise is judged when
            its date ended this long before the end of the extract.
        smallest_group: Lane groups, regions and carriers with fewer orders are told together.
        jobs: Processes. The result does not depend on it.
        seed: Of the randomised probability integral transform.

    Raises:
        ContractError: A value is impossible.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    every: Literal["month", "week", "once"] = "month"
    refresh_every: int = 1
    service_levels: tuple[float, ...] = (0.8, 0.9, 0.95)
    main_level: float = 0.9
    settle_days: int = 1
    smallest_group: int = 50
    jobs: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ContractError("found a naive start or end of the backtest, expected time zones")
        if not self.start < self.end:
            raise ContractError(
                f"found a backtest from {self.start} to {self.end}, expected an end after its start"
            )
        if self.every not in {"month", "week", "once"}:
            raise ContractError(f"found every={self.every!r}, expected 'month', 'week' or 'once'")
        if self.main_level not in self.service_levels:
            raise ContractError(
                f"found main_level={self.main_level}, expected one of {self.service_levels}"
            )
        for level in self.service_levels:
            require_shares(service_levels=level)
        require_at_least(self, 1, "refresh_every", "jobs", "smallest_group")
        require_at_least(self, 0, "settle_days")

    @property
    def levels(self) -> tuple[float, ...]:
        """All service levels that are judged, from low to high."""
        return tuple(sorted({*JUDGED_LEVELS, *self.service_levels}))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the walk: train as of ``start``, quote the orders of ``[start, end)``."""

    number: int
    period: str
    start: pd.Timestamp
    end: pd.Timestamp


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """What came of it.

    Attributes:
        table: One row per quoted order, see `judge`, with ``period``, ``quoted_as_of`` (the moment
            whose knowledge the quote used) and ``model_version``; by step and time of order.
        facts: The numbers, ready for JSON: ``format``, ``config``, ``data``, ``steps``, ``example``
            (see `example_promise`), and what `summary_of` says.
    """

    config: BacktestConfig
    table: pd.DataFrame
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return self.facts

    to_dict = former_name("to_dict", "as_dict")

    def to_html(self, *, language: str = "en") -> str:
        """The report: one HTML document with its styles and drawings inside.

        Raises:
            ContractError: Pages are not written in this language.
        """
        from etapromise.evaluation.report.page import render_backtest  # noqa: PLC0415 (matplotlib)

        return render_backtest(self.facts, language=language)

    def plots(self, *, language: str = "en") -> dict[str, str]:
        """The report's drawings by name (``levels``, ``reliability``, …), each a whole SVG file.

        Raises:
            ContractError: Drawings are not labelled in this language.
        """
        from etapromise.evaluation.report.page import backtest_plots  # noqa: PLC0415 (matplotlib)

        return backtest_plots(self.facts, language=language)

    def write(self, directory: Path, *, language: str = "en") -> Path:
        """Write ``promises.parquet``, ``backtest.json`` and ``report.html``.

        Returns:
            The path of the report.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.table.to_parquet(directory.absolute() / "promises.parquet", index=False)
        write_json(directory / "backtest.json", self.facts)
        page = directory / "report.html"
        write_text(page, self.to_html(language=language))
        return page


@kinds_checked(config=TrainingConfig)
def backtest(
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    start: Moment,
    end: Moment,
    every: Literal["month", "week", "once"] = "month",
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
        every: how often a new model is trained; "once" is at the start only.
        refresh_every: days from one refresh of statistics and calibration to the next.
        service_levels: told in full; the one nearest to 0.9 by group.
        jobs: processes; the result does not depend on it.
        config: how models are trained; a calendar in the mapping counts where it has none.
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
    history = read_unless_read(
        shipments,
        scans,
        event=event,
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        max_rejects=max_rejects,
    )
    config = config or TrainingConfig()
    if config.calendars is None:
        config = replace(config, calendars=CalendarFile.within(mapping))
    walk = {"every": every, "refresh_every": refresh_every, "jobs": jobs}
    walked = config_of(start, end, service_levels, **walk)
    return run_backtest(history, walked, fit=usual_fit(config), progress=progress)


def config_of(
    start: Moment, end: Moment, service_levels: Sequence[float], **walk: Any
) -> BacktestConfig:
    """How to walk, told by group at the service level nearest to 0.9."""
    given: object = service_levels
    levels = tuple(sorted(set(given))) if isinstance(given, Iterable) else ()
    if not levels or not all(isinstance(one, float | int) for one in levels):
        raise ContractError(
            f"Found service_levels={service_levels!r}; expected probabilities such as (0.8, 0.9)."
        )
    main = min(levels, key=lambda level: (abs(level - 0.9), level))
    return BacktestConfig(
        start=moment_of(start, "start"),
        end=moment_of(end, "end"),
        service_levels=levels,
        main_level=main,
        **walk,
    )


def usual_fit(config: TrainingConfig | None = None) -> Fit:
    """Trains the library's own model for quotes, on one thread: processes walk side by side."""
    return TrainModel(config or TrainingConfig(), threads=1, quotes_only=True)


def run_backtest(
    history: TrackedHistory, config: BacktestConfig, *, fit: Fit, progress: Progress | bool = False
) -> BacktestResult:
    """Walk forward through a history.

    At each step a model is trained on what had been received by then. Each day its statistics are
    refreshed with what had been received in the night, and the day's orders are quoted. Everything
    else is hidden: it is taken out of the tables before a model sees them. Once the walk is over,
    the promises are judged by all that is known.

    Args:
        history: All of it, with everything that happened after the promises.
        fit: Trains a model. It is called with the history as known at a step's start.
        progress: Told "steps walked", how many, and of how many; or True for a bar on stderr,
            where that is a terminal.
    """
    ordered = history.shipments["ordered_at"]
    walk = [one for one in steps(config) if ((ordered >= one.start) & (ordered < one.end)).any()]
    if not walk:
        raise ContractError(
            f"found no order from {config.start} to {config.end}, expected some; the shipments "
            f"were ordered from {ordered.min()} to {ordered.max()}"
        )
    first = ordered.min()
    if first >= walk[0].start:
        raise ContractError(
            f"Found no order before {walk[0].start} to train on: the first is of {first}. Choose a "
            "start some months later."
        )
    parts: dict[int, pd.DataFrame] = {}
    examples: dict[int, dict[str, Any] | None] = {}
    no_bar = None if progress is True else True  # None: where stderr is no terminal
    with tqdm(total=len(walk), unit=config.every, disable=no_bar) as bar:
        for number, part, example in _walked(history, config, walk, fit):
            parts[number], examples[number] = part, example
            bar.update()
            if callable(progress):
                progress("steps walked", len(parts), len(walk))
    table = pd.concat([parts[step.number] for step in walk], ignore_index=True)
    facts = _facts(history, config, walk, table) | {"example": examples[walk[-1].number]}
    return BacktestResult(config=config, table=table, facts=facts)


def steps(config: BacktestConfig) -> list[Step]:
    """The steps of a walk, in order: together they cover ``[start, end)`` once."""
    monthly = config.every == "month"
    last = config.end.tz_convert(config.start.tz)
    begins = pd.date_range(config.start.normalize(), last, freq="MS" if monthly else "W-MON")
    inner = [moment for moment in begins if config.start < moment < config.end]
    if config.every == "once":
        inner = []
    edges = [config.start, *inner, config.end]
    found = []
    for number, (start, end) in enumerate(pairwise(edges)):
        period = f"{start:%Y-%m}" if monthly else f"{start:%G}-W{start:%V}"
        found.append(Step(number=number, period=period, start=start, end=end))
    return found


def _walked(
    history: TrackedHistory, config: BacktestConfig, walk: list[Step], fit: Fit
) -> Iterator[tuple[int, pd.DataFrame, dict[str, Any] | None]]:
    """The parts as they are done, which need not be in order."""
    if config.jobs == 1 or len(walk) == 1:
        for step in walk:
            yield _take(step, history, config, fit)
        return
    pool = Parallel(n_jobs=config.jobs, return_as="generator_unordered")
    yield from pool(delayed(_take)(step, history, config, fit) for step in walk)


def _take(
    step: Step, history: TrackedHistory, config: BacktestConfig, fit: Fit
) -> tuple[int, pd.DataFrame, dict[str, Any] | None]:
    model = fit(history.known_at(step.start), step.start)
    truth = Truth.of(
        history,
        model.local_dates(history.shipments, history.milestones["event_at"]),
        extract_end=extract_end(history),
        settle_days=config.settle_days,
    )
    parts = []
    example = None
    quotes = replay_quotes(
        model, history, start=step.start, end=step.end, refresh_every=config.refresh_every
    )
    for number, days in enumerate(quotes):
        seed = (config.seed, step.number, number)
        part = judge(truth, days.rows, days.forecast, levels=config.levels, seed=seed)
        if number == 0:  # those that this very model quoted, before its first refresh
            example = example_promise(
                history, model, days.rows, days.forecast, part, level=config.main_level
            )
        part["period"] = pd.Series(step.period, index=part.index, dtype=TEXT)
        part["quoted_as_of"] = days.refreshed_at
        part["model_version"] = pd.Series(days.version, index=part.index, dtype=TEXT)
        parts.append(part)
    return step.number, pd.concat(parts, ignore_index=True), example


def _facts(
    history: TrackedHistory, config: BacktestConfig, walk: list[Step], table: pd.DataFrame
) -> dict[str, Any]:
    settings = asdict(config)
    del settings["jobs"]  # what does not change the result does not belong to it
    scans, rejected_scans = history.scan_totals()
    settings["start"], settings["end"] = config.start.isoformat(), config.end.isoformat()
    return {
        "format": BACKTEST_FORMAT,
        "library_version": version("etapromise"),
        "event": history.event,
        "config": settings,
        "data": {
            "shipments": len(history.shipments),
            "scans": scans,
            "rejected_shipments": len(history.shipment_rejects),
            "rejected_scans": rejected_scans,
            "extract_end": extract_end(history).isoformat(),
        },
        "steps": [
            {
                "period": step.period,
                "trained_as_of": step.start.isoformat(),
                "until": step.end.isoformat(),
                "quoted": int((table["period"] == step.period).sum()),
            }
            for step in walk
        ],
        **summary_of(
            table,
            service_levels=config.service_levels,
            main_level=config.main_level,
            smallest_group=config.smallest_group,
            levels=config.levels,
        ),
    }


# Days drawn beyond the promised one, as a multiple of it, and the least.
_DRAWN: Final = 2
_LEAST_DRAWN: Final = 10


def example_promise(
    history: TrackedHistory,
    model: Forecaster,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    forecast: DateDistribution,
    judged: pd.DataFrame,
    *,
    level: float,
) -> dict[str, Any] | None:
    """The typical one of some orders: promised in as many days as half of the others.

    Returns:
        Plain values, ready for JSON; None where no order has a date and an outcome.
    """
    day = judged[day_column(level)].to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(day) & (judged["outcome"] == "delivered").to_numpy())
    if not len(known):
        return None
    middle = np.sort(day[known])[(len(known) - 1) // 2]
    at = int(known[day[known] == middle][0])
    row = judged.iloc[at]
    drawn = int(max(_LEAST_DRAWN, _DRAWN * middle, row["event_day"] + 2))
    seen: dict[str, float] | None = None
    if isinstance(model, PromiseModel):
        order = history.shipments.iloc[[rows[at]]].reset_index(drop=True)
        told = model.promise_many(order, level, explain=True).iloc[0]
        why = {cause: float(told[f"why_{cause}"]) for cause in CAUSES}
        # Contributions that can be seen, the largest first.
        ranked = sorted(why, key=lambda cause: -abs(why[cause]))
        seen = {cause: why[cause] for cause in ranked if abs(why[cause]) >= 0.05}
    return {
        "shipment_id": str(row["shipment_id"]),
        "ordered_at": row["ordered_at"].isoformat(),
        "carrier_service": str(row["carrier_service"]),
        "lane_group": str(row["lane_group"]),
        "level": level,
        "day": float(middle),
        "confidence": float(row[stated_column(level)]),
        "event_day": float(row["event_day"]),
        "probability": [round(float(share), 4) for share in forecast.probability[at][:drawn]],
        "why": seen,
    }
