"""Monitoring: everything that is measured of a model at work, in one call."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.argument_kinds import kinds_checked
from etapromise.array_types import Dates, Mask
from etapromise.errors import ContractError, EtapromiseError
from etapromise.evaluation.judgement import outcomes_of
from etapromise.evaluation.metrics import mean_or_none, summarise
from etapromise.evaluation.model_comparison import latest_orders, promised_dates, shift_between
from etapromise.evaluation.scorecards import scorecard
from etapromise.evaluation.summary import PIT_BINS, large_groups, pit_counts
from etapromise.files import write_json, write_text
from etapromise.former_names import former_name
from etapromise.history.as_of import Moment, moment_of
from etapromise.operations.feed_checks import clock_shifts, clocks_marked_as_utc, rejected_shares
from etapromise.operations.models.model_registry import Model, ModelRegistry, model_of
from etapromise.operations.monitoring.alarms import Alarm, alarms_of
from etapromise.operations.monitoring.drift import fallback_shares, input_drift
from etapromise.operations.monitoring.prometheus import prometheus_text
from etapromise.operations.monitoring.promises import DELIVERY_GROUPS, promises_made
from etapromise.operations.monitoring.scan_flow import silent_carriers, unreadable_codes
from etapromise.operations.monitoring.thresholds import MonitorConfig
from etapromise.operations.monitoring.told import Told, compare_with_told
from etapromise.promise.model import PromiseModel
from etapromise.tracking import Source, TrackedHistory
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.tracked import read_unless_read

MONITOR_FORMAT: Final = "etapromise-monitor/1"
_TIMES: Final = ("month", "week")
MONITOR_GROUPINGS: Final = (
    *_TIMES,
    "carrier",
    "carrier_service",
    "destination_region",
    "lane_group",
)
MOST_VERSIONS: Final = 5
SCORECARD_WORDS: Final = ("carrier", "service", "measure")
SCORECARD_NUMBERS: Final = (
    "rank",
    "parcels",
    "measured",
    "rate",
    "transit_50",
    "transit_90",
    "first_attempt_rate",
    "loss_rate",
    "return_rate",
    "silence_90",
)

_DAY: Final = pd.Timedelta(days=1)
# Times of what is "lately", for what too few days tell.
_LONGER: Final = 4


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found.

    Attributes:
        facts: Everything, ready for JSON: ``format``, ``as_of``, ``model``, ``config``, ``data``,
            ``promises``, ``calibration``, ``deliveries``, ``churn``, ``drift``, ``fallbacks``,
            ``scorecards``, ``scan_flow``, ``alarms``, ``causes`` (alarms by what is behind
            them), ``over`` (what rang on earlier mornings) and ``told`` (for the next one).
        table: One row for each order looked at, see `Made`.
    """

    facts: dict[str, Any]
    alarms: list[Alarm]
    table: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return self.facts

    to_dict = former_name("to_dict", "as_dict")

    def to_html(self, *, language: str = "en") -> str:
        """The page: one HTML document with its styles and drawings inside.

        Raises:
            ContractError: Pages are not written in this language.
        """
        from etapromise.evaluation.report.monitor_page import render_monitor  # noqa: PLC0415 (matplotlib)

        return render_monitor(self.facts, language=language)

    def write(self, directory: Path, *, language: str = "en") -> Path:
        """Write ``monitor.json``, ``metrics.prom``, ``promises.parquet`` and ``report.html``.

        Each file is replaced in one step, so that a collector reads no half of it.

        Returns:
            The path of the page.
        """
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "monitor.json", self.facts)
        write_text(directory / "metrics.prom", prometheus_text(self.facts))
        self.table.to_parquet(directory.absolute() / "promises.parquet", index=False)
        page = directory / "report.html"
        write_text(page, self.to_html(language=language))
        return page


@kinds_checked(config=MonitorConfig)
def monitor(
    model: Model,
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    config: MonitorConfig | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    registry: ModelRegistry | str | Path | None = None,
    told: Told = (),
) -> Findings:
    """Look at a model at work: promises kept, calibration, drift and the flow of scans.

    Arguments without a word here are as for `read`.

    Args:
        model: the one that the shop uses.
        shipments: as for `read`, or what it returned.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        config: what is watched, and how much is too much.
        registry: the directory of models that it came from, whose kept versions tell what was said
            on each day, and how far versions moved dates; by default that of the model's path.
        told: ``facts["told"]`` of the morning before; an alarm that stands in it is ``news`` only
            where it got clearly worse.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: the model knows more than was known at `as_of`, or `told` is of a later day.
        InsufficientHistoryError: there is no order to look at.

    Examples:
        >>> found = etapromise.monitor(model, history, as_of="2025-07-15")
        >>> found.facts["promises"]["overall"]["judged"] > 0
        True
    """
    if registry is None and not isinstance(model, PromiseModel):
        registry = registry_of(Path(model))
    elif isinstance(registry, str | Path):
        registry = ModelRegistry(Path(registry))
    loaded, moment = model_of(model), moment_of(as_of)
    history = read_unless_read(
        shipments,
        scans,
        event=loaded.event,
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        max_rejects=1.0,
    )
    return _findings(history, loaded, moment, config or MonitorConfig(), registry, told)


def _findings(
    history: TrackedHistory,
    model: PromiseModel,
    as_of: pd.Timestamp,
    config: MonitorConfig,
    registry: ModelRegistry | None,
    told: Told,
) -> Findings:
    model.require_known_by(as_of)
    model.require_event(history.event)
    known = history.known_at(as_of)
    made = promises_made(known, model, registry, as_of=as_of, config=config)
    lately = config.recent_days
    recent = as_of - lately * _DAY
    facts: dict[str, Any] = {
        "format": MONITOR_FORMAT,
        "library_version": installed_version("etapromise"),
        "as_of": as_of.isoformat(),
        "event": history.event,
        "model": _model_facts(model, as_of, registry),
        "config": asdict(config),
        "data": made.counts | {"scans": len(known.scans)},
        "promises": {
            "overall": _kept(made.table),
            "by": {name: _groups(made.table, name, config) for name in MONITOR_GROUPINGS},
            "due": [_due(made.table, days, config) for days in (lately, _LONGER * lately)],
        },
        "calibration": _calibration(made.table)
        | {"due": _calibration(made.table[_fell_due(made.table, _LONGER * lately)])},
        "deliveries": {name: made.flow.standing(name) for name in DELIVERY_GROUPS},
        "churn": _churn(known, registry, as_of, config),
        "drift": input_drift(known, model, as_of=as_of, days=lately),
        "fallbacks": fallback_shares(known, model, as_of=as_of, days=lately),
        "scorecards": _scorecards(known, as_of, config),
        "scan_flow": {
            "received": silent_carriers(history, as_of=as_of),
            "unreadable": unreadable_codes(history, as_of=as_of, days=lately),
            "rejected": rejected_shares(history, start=recent, end=as_of),
            "clocks": clock_shifts(known, start=recent, end=as_of),
            "marked_as_utc": clocks_marked_as_utc(known),
        },
    }
    alarms = alarms_of(facts, config.thresholds)
    rows = [asdict(alarm) for alarm in alarms]
    facts |= compare_with_told(rows, told, as_of=as_of, quiet_days=lately)
    return Findings(facts=facts, alarms=alarms, table=made.table)


def registry_of(model_directory: Path) -> ModelRegistry | None:
    """The directory of models that a model lies in, None where it stands alone."""
    root = model_directory.absolute().parent
    return ModelRegistry(root) if ModelRegistry(root).promotions() else None


def _model_facts(
    model: PromiseModel, as_of: pd.Timestamp, registry: ModelRegistry | None
) -> dict[str, Any]:
    trained = moment_of(model.manifest["trained_as_of"])
    # What stays the same from night to night: the current one, else a digest without a date.
    name, current = model.version.rpartition("-")[2], registry and registry.current
    if registry is not None and current and registry.manifest(current)["version"] == model.version:
        name = "current"
    return {
        "version": model.version,
        "name": name,
        "market": "" if registry is None else registry.root.resolve().name,
        "as_of": model.as_of.isoformat(),
        "trained_as_of": trained.isoformat(),
        "refresh_age_days": (as_of - pd.Timestamp(model.as_of)) / _DAY,
        "training_age_days": (as_of - trained) / _DAY,
    }


def _groups(
    table: pd.DataFrame, by: str, config: MonitorConfig, rows: Mask | slice = slice(None)
) -> list[dict[str, Any]]:
    """By time in order; others with the small ones told together, none left out."""
    timed = by in _TIMES
    names = table[by] if timed else large_groups(table[by], config.smallest_group)
    groups = table[rows].groupby(names[rows], sort=True)
    return [{"group": str(name), **_kept(own)} for name, own in groups]


def _due(table: pd.DataFrame, days: int, config: MonitorConfig) -> dict[str, Any]:
    """What became of the promises whose date ran out in the latest days."""
    rows = _fell_due(table, days)
    by = {n: _groups(table, n, config, rows) for n in MONITOR_GROUPINGS if n not in _TIMES}
    return {"days": days, "overall": _kept(table[rows]), "by": by}


def _fell_due(table: pd.DataFrame, days: int) -> Mask:
    since = (table["known_until"] - table["promised_day"]).to_numpy(dtype=np.float64)
    return (since >= 0) & (since < days)


def _kept(table: pd.DataFrame) -> dict[str, Any]:
    """`Kept` of the promises that stated a confidence, or of all where none did; and the buffer.

    ``buffer_days``: mean days from the delivery to the promised date, over delivered parcels whose
    date has run out; ``buffer_share``: those of them delivered two days early or more.
    """
    day = table["promised_day"].to_numpy(dtype=np.float64)
    stated = table["stated"].to_numpy(dtype=np.float64)
    told = ~np.isnan(stated)
    # Kept rate and stated confidence are compared: they must be of the same promises.
    rows = told | np.isnan(day) if told.any() else np.ones(len(day), dtype=np.bool_)
    kept = summarise(outcomes_of(table[rows]), day[rows], stated[rows] if told.any() else None)
    early = day - table["event_day"].to_numpy(dtype=np.float64)
    ran_out = day <= table["known_until"].to_numpy(dtype=np.float64)
    early = early[~np.isnan(early) & ran_out]
    return asdict(kept) | {
        "buffer_days": mean_or_none(early),
        "buffer_share": mean_or_none((early >= 2).astype(np.float64)),
    }


def _calibration(table: pd.DataFrame) -> dict[str, Any]:
    """The PIT's histogram and its distance from the uniform distribution.

    Values of parcels without an event are drawn from what is left of their forecast (see
    `pit_values`): that is what makes the histogram one of all orders and not of the quick ones.
    ``by_luck`` is Kolmogorov's 95 % point, 1.358 / √n.
    """
    told = table[(table["outcome"] != "cancelled") & table["pit"].notna()]
    pit = np.sort(told["pit"].to_numpy(dtype=np.float64))
    n = len(pit)
    found: dict[str, Any] = {
        "forecast": n,
        "pit": {"bins": PIT_BINS, "counts": pit_counts(pit)},
        "crps_days": mean_or_none(told["crps_days"].to_numpy(dtype=np.float64)),
        "distance": None,
        "by_luck": None,
    }
    if n:
        steps = np.arange(1, n + 1) / n
        found["distance"] = float(max((steps - pit).max(), (pit - steps + 1 / n).max()))
        found["by_luck"] = float(1.358 / np.sqrt(n))
    return found


def _scorecards(
    known: TrackedHistory, as_of: pd.Timestamp, config: MonitorConfig
) -> list[dict[str, Any]]:
    """By carrier and service, worst rank first; None where nothing can be said."""
    try:
        table = scorecard(
            known,
            as_of=as_of,
            since=as_of - config.days * _DAY,
            by=("carrier", "service"),
            smallest_group=config.smallest_group,
        )
    except ContractError:  # too few parcels of anybody
        return []
    table = table.sort_values("rank", ascending=False, kind="stable")
    table[[*SCORECARD_WORDS]] = table[[*SCORECARD_WORDS]].astype(str)
    numbers = table[[*SCORECARD_NUMBERS]].astype(np.float64)
    table[[*SCORECARD_NUMBERS]] = numbers.astype(object).where(np.isfinite(numbers), None)
    found = table[[*SCORECARD_WORDS, *SCORECARD_NUMBERS]].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in found]


def _churn(
    known: TrackedHistory,
    registry: ModelRegistry | None,
    as_of: pd.Timestamp,
    config: MonitorConfig,
) -> list[dict[str, Any]]:
    """How far each of the latest versions moved the dates of the latest orders, oldest first."""
    orders = latest_orders(known, as_of, days=config.recent_days)
    if registry is None or orders.empty:
        return []
    there = set(registry.versions())
    line = [p.version for p in registry.promotions() if p.version in there]
    line = [name for i, name in enumerate(line) if i == 0 or line[i - 1] != name]
    found: list[dict[str, Any]] = []
    before: tuple[str, Dates] | None = None
    for name in line[-MOST_VERSIONS - 1 :]:
        try:
            loaded = registry.load(name)
        except EtapromiseError:  # damaged: nothing to compare with
            continue
        if loaded.as_of > as_of:
            continue
        now = name, promised_dates(loaded, orders, config.service_level)
        if before is not None:
            found.append({"version": name, "before": before[0], **shift_between(now[1], before[1])})
        before = now
    return found
