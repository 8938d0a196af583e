"""Retraining: fit a challenger, judge it against the champion, promote it or say why not.

What is judged, and what is honest about it:

- The **judged weeks** are the latest ones whose promises have had time to run out.
- A model that has seen those weeks cannot be judged by them. So a **trial** is trained on what had
  been received when they began, by the challenger's recipe, and quotes them day by day with daily
  refreshes, as it would have done in the shop. The **challenger** itself is trained on everything
  received by now; it is the trial's recipe, but not the model that was judged.
- The champion quotes the same orders in the same way, if it was trained before those weeks. If it
  was trained since, it has seen what became of them, and any comparison would be in its favour.
  Then its recipe stands in for it, trained before the judged weeks by as many days as the champion
  is older than the challenger: what is compared is a model of today with one of the champion's age,
  on weeks that neither has seen. Where there is too little history for that, the trial stands by
  its own word: kept as stated, in every group.
- A difference between scores is taken order by order and read beside its standard error: one
  beyond luck is never passed over, however small.
- What entered the data after the judged weeks is in the challenger and in no judged promise.
  Against that, the dates of the latest orders are laid beside the champion's (refreshed to the same
  moment), and the feed is watched week by week: times in a wrong zone show in how long scans seem
  to take to arrive, in the hour of deliveries and in scans made before their order; codes that
  nobody can read show in the share of rejected scans.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from etapromise.argument_kinds import kinds_checked
from etapromise.calendars.calendar_file import CalendarFile
from etapromise.errors import CommandError, InsufficientHistoryError
from etapromise.evaluation.judgement import Truth
from etapromise.evaluation.model_comparison import (
    days_to_mature,
    judged_orders,
    latest_orders,
    promised_dates,
    quality_of,
    quote_seconds,
    score_difference,
    shift_between,
)
from etapromise.evaluation.replay import Forecaster, TrainModel, quoting
from etapromise.former_names import former_name
from etapromise.history.as_of import Moment, moment_of
from etapromise.operations.feed_checks import COMPARED_WITH, clock_shifts, feed_end, rejected_shares
from etapromise.operations.gate import (
    GateCheck,
    GateConfig,
    check_feed,
    check_quality,
    check_shift,
    check_speed,
)
from etapromise.operations.models.model_registry import PROMOTING, ModelRegistry
from etapromise.promise.model import PromiseModel
from etapromise.tracking import Event, Source, TrackedHistory
from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.mapping import MappingSource
from etapromise.tracking.tracked import read_unless_read
from etapromise.training.config import TrainingConfig

DECISION_FORMAT: Final = "etapromise-decision/1"
MOST_WEEKS_WATCHED: Final = 8

Outcome = Literal["promoted", "refused", "forced", "would promote", "would refuse"]
Log = Callable[[str], None]

_log = logging.getLogger("etapromise.operations")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided, and why.

    Attributes:
        outcome: ``promoted``, ``refused``, ``forced`` (promoted though checks failed), or with a
            dry run ``would promote`` or ``would refuse``.
        reasons: The sentences of the checks that failed; why it is promoted where none did.
        version: What was promoted, None where nothing was.
        path: Where the record was written, None after a dry run.
    """

    outcome: Outcome
    reasons: list[str]
    version: str | None
    record: dict[str, Any]
    path: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The whole record, ready for JSON."""
        return self.record

    to_dict = former_name("to_dict", "as_dict")


@kinds_checked(gate=GateConfig, config=TrainingConfig)
def retrain(
    models: str | Path,
    shipments: Source | TrackedHistory | None = None,
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
    log: Log | None = None,
) -> Decision:
    """Fit a challenger, judge it against the current model, and promote it if it is no worse.

    Nothing changes in the directory until the end; then the challenger is written, the record, and
    last the link, each in one step. Killed before the last one, the champion stays.
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
        log: told in words what is being done; by default the logger ``etapromise.operations``.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: another process changes the directory, the model knows more than was known, or
            the history tracks another event than it promises.
        InsufficientHistoryError: too little to train on.

    Examples:
        >>> gate = etapromise.GateConfig(refresh_every=14)
        >>> decision = etapromise.retrain("models", history, as_of="2025-07-15", config=quick,
        ...                               gate=gate, dry_run=True)
        >>> decision.outcome in {"would promote", "would refuse"}
        True
    """
    registry, moment = ModelRegistry(models), moment_of(as_of)
    stated = CalendarFile.within(mapping) if calendars is None else CalendarFile.of(calendars)
    gate = gate or GateConfig()
    log = log or _log.info
    event: Event = registry.current_event() if registry.current else "delivered"
    history = read_unless_read(
        shipments,
        scans,
        event=event,
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        max_rejects=max_rejects,
    )
    # A dry run writes nothing, not even a directory to lock.
    with nullcontext() if dry_run else registry.lock():
        champion = registry.load_current() if registry.current is not None else None
        _check_champion(champion, history, moment)
        recipe = config or (recipe_of(champion) if champion is not None else TrainingConfig())
        recipe = recipe if stated is None else replace(recipe, calendars=stated)
        known = history.known_at(moment)
        log("training the challenger")
        challenger = TrainModel(recipe)(known, moment)
        judged, checks = _judge(history, known, champion, challenger, recipe, moment, gate, log)
        outcome, reasons = _decide(checks, champion, dry_run=dry_run, force=force)
        record: dict[str, Any] = {
            "format": DECISION_FORMAT,
            "library_version": installed_version("etapromise"),
            "decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "as_of": moment.isoformat(),
            "outcome": outcome,
            "reasons": reasons,
            "champion": _card(champion, registry.current),
            "challenger": _card(challenger, None),
            "checks": [asdict(check) for check in checks],
            "judged": judged,
            "gate": asdict(gate),
        }
        version = None
        if outcome in PROMOTING:
            log("writing the challenger")
            version = registry.add(challenger)
            record["challenger"]["version"] = version
        path = None if dry_run else registry.record(record, name=f"{moment:%Y-%m-%dT%H%M%SZ}")
        if version is not None:
            registry.promote(version, why=outcome)
    return Decision(outcome=outcome, reasons=reasons, version=version, record=record, path=path)


@kinds_checked()
def refresh(
    models: str | Path,
    shipments: Source | TrackedHistory | None = None,
    scans: Source | None = None,
    *,
    as_of: Moment,
    calendars: CalendarFile | str | Path | None = None,
    mapping: MappingSource | None = None,
    vocabulary: str | None = None,
    naive_time_zone: str | None = None,
    max_rejects: float = MAX_REJECTS,
    force: bool = False,
) -> PromiseModel:
    """Bring a directory's current model up to date and make the result current; its trees stay.

    Arguments without a word here are as for `read`.

    Args:
        models: directory of models.
        shipments: as for `read`, or what it returned; should reach half a year back.
        scans: as for `read`.
        as_of: nothing received later is looked at.
        calendars: a calendar file from now on; by default that in the mapping, else the model's.
        force: refresh even if no order and no scan has come in for more than four days. Parcels
            under way then look ever later, and dates move with them.

    Raises:
        ContractError: a table does not fit the contract.
        CommandError: another process changes the directory, the model knows more than was known,
            or nothing has come in for days and `force` is not given.
        ModelFileError: there is no current model.

    Examples:
        >>> model = etapromise.refresh("models", history, as_of="2025-07-02")
        >>> etapromise.load("models/current").version == model.version
        True
    """
    registry, moment = ModelRegistry(models), moment_of(as_of)
    history = read_unless_read(
        shipments,
        scans,
        event=registry.current_event(),
        mapping=mapping,
        vocabulary=vocabulary,
        naive_time_zone=naive_time_zone,
        max_rejects=max_rejects,
    )
    newest = feed_end(history, moment)
    if newest is not None and not force:
        raise CommandError(
            f"Found nothing newer than {newest:%Y-%m-%d %H:%M} UTC, {(moment - newest).days} days "
            "before as_of; expected orders or scans of late. Look at the feed, choose an earlier "
            "as_of, or refresh all the same with force=True."
        )
    stated = CalendarFile.within(mapping) if calendars is None else CalendarFile.of(calendars)
    with registry.lock():
        champion = registry.load_current()
        _check_champion(champion, history, moment)
        # A refresh looks at nothing received later, and reads no more of a store than it needs.
        version = registry.add(champion.refresh(history, as_of=moment, calendars=stated))
        registry.promote(version, why="refreshed")
    return registry.load(version)


def recipe_of(model: PromiseModel) -> TrainingConfig:
    """The configuration that a model was trained with, out of its manifest."""
    usual, told = TrainingConfig(), model.manifest["config"]
    values = {}
    for field in fields(TrainingConfig):
        if field.name not in told:
            continue  # a setting that the version that trained it did not have yet
        values[field.name] = _from_json(told[field.name], getattr(usual, field.name))
    return TrainingConfig(**values, calendars=model.calendars)


def _from_json(value: Any, usual: Any = None) -> Any:
    """A setting like the usual one: JSON knows no tuples and no classes."""
    if isinstance(value, dict) and is_dataclass(usual) and not isinstance(usual, type):
        parts = {name: _from_json(part, getattr(usual, name)) for name, part in value.items()}
        return type(usual)(**parts)
    return tuple(value) if isinstance(value, list) else value


def _check_champion(
    champion: PromiseModel | None, history: TrackedHistory, as_of: pd.Timestamp
) -> None:
    if champion is not None:
        champion.require_known_by(as_of)
        champion.require_event(history.event)


def _judge(
    history: TrackedHistory,
    known: TrackedHistory,
    champion: PromiseModel | None,
    challenger: PromiseModel,
    recipe: TrainingConfig,
    as_of: pd.Timestamp,
    gate: GateConfig,
    log: Log,
) -> tuple[dict[str, Any], list[GateCheck]]:
    wait = days_to_mature(known, as_of) + gate.settle_days
    end = as_of.tz_convert("UTC").normalize() - pd.Timedelta(days=wait)
    start = end - pd.Timedelta(days=gate.judge_days)
    then, weeks = known.known_at(start), f"the weeks from {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    log(f"judging {weeks}")
    dates = challenger.local_dates(known.shipments, known.milestones["event_at"])
    level = gate.service_level
    truth = Truth.of(known, dates, extract_end=as_of, settle_days=gate.settle_days)
    asked: Any = {"start": start, "end": end, "service_level": level}
    asked["refresh_every"] = gate.refresh_every
    try:
        ours = judged_orders(TrainModel(recipe, quotes_only=True)(then, start), truth, **asked)
    except InsufficientHistoryError as error:
        raise InsufficientHistoryError(
            f"{error} That was needed to judge the challenger by {weeks}: give older shipments, or "
            "promote the first models with `etapromise train`."
        ) from error
    trial = quality_of(ours, level)
    rival, compared = _rival(champion, recipe, then, start, as_of)
    theirs, apart, error_days = None, None, None
    if rival is not None:
        rivals = judged_orders(rival, truth, **asked)
        theirs, apart = quality_of(rivals, level), score_difference(ours, rivals)
        error_days = apart["standard_error_days"]
    checks = check_quality(trial, theirs, gate, score_error=error_days)
    since = start if champion is None else moment_of(champion.manifest["trained_as_of"])
    judged: dict[str, Any] = {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "days_to_mature": wait,
        "trial": trial,
        "compared_with": compared,
        "champion": theirs,
        "score_difference": apart,
        "feed": _feed_checks(history, known, since, as_of),
    }
    checks += check_feed(judged["feed"], gate)
    if champion is not None:
        log("laying the dates of the latest orders side by side")
        judged |= _side_by_side(known, champion, challenger, as_of, gate, checks)
    return judged, checks


def _rival(
    champion: PromiseModel | None,
    recipe: TrainingConfig,
    then: TrackedHistory,
    start: pd.Timestamp,
    as_of: pd.Timestamp,
) -> tuple[Forecaster | None, str]:
    """Who is judged beside the trial, and in which words that is recorded."""
    if champion is None:
        return None, "nobody: there is no champion yet"
    trained = moment_of(champion.manifest["trained_as_of"])
    if trained <= start:
        return quoting(champion), "the champion, which had not seen those weeks"
    theirs, moment = recipe_of(champion), start - (as_of - trained)
    if theirs == recipe and trained == as_of:
        return None, (
            "nobody: the champion has seen those weeks, and its recipe and its moment are the "
            "challenger's"
        )
    try:
        stand_in = TrainModel(theirs, quotes_only=True)(then.known_at(moment), moment)
    except InsufficientHistoryError:
        return None, (
            "nobody: the champion has seen those weeks, and there is too little history to train "
            f"its recipe as of {moment:%Y-%m-%d}"
        )
    days = (as_of - trained) / pd.Timedelta(days=1)
    return stand_in, (
        "the champion's recipe, since the champion has seen those weeks; trained "
        f"{days:.0f} days before them, as the champion was before the challenger"
    )


def _feed_checks(
    history: TrackedHistory, known: TrackedHistory, since: pd.Timestamp, as_of: pd.Timestamp
) -> dict[str, list[dict[str, Any]]]:
    """Week by week, of those that are new to the challenger: its clocks and its rejects."""
    clocks, rejected = [], []
    # As far back as the first of these weeks is compared with.
    oldest = as_of - pd.Timedelta(days=7 * MOST_WEEKS_WATCHED) - COMPARED_WITH
    known, history = known.received_since(oldest), history.received_since(oldest)
    end = as_of
    for _ in range(MOST_WEEKS_WATCHED):
        start = end - pd.Timedelta(days=7)
        week = {"week_from": start.isoformat()}
        clocks += [week | sign for sign in clock_shifts(known, start=start, end=end)]
        rejected += [week | share for share in rejected_shares(history, start=start, end=end)]
        end = start
        if end <= since:
            break
    return {"clocks": clocks, "rejected": rejected}


def _side_by_side(
    known: TrackedHistory,
    champion: PromiseModel,
    challenger: PromiseModel,
    as_of: pd.Timestamp,
    gate: GateConfig,
    checks: list[GateCheck],
) -> dict[str, Any]:
    orders = latest_orders(known, as_of, days=gate.shift_days)
    if orders.empty:
        reason = f"there is no order of the last {gate.shift_days} days to compare dates on"
        checks.append(GateCheck("date_shift", passed=False, reason=reason))
        return {"date_shift": None, "quote_seconds": None}
    refreshed = quoting(champion).refresh(known, as_of=as_of)
    dates, refreshed_dates, standing_dates = (
        promised_dates(model, orders, gate.service_level)
        for model in (challenger, refreshed, champion)
    )
    shift = shift_between(dates, refreshed_dates)
    seconds = {
        "orders": len(orders),
        "challenger": quote_seconds(challenger, orders),
        "champion": quote_seconds(refreshed, orders),
    }
    ratio = seconds["challenger"] / max(seconds["champion"], 1e-9)
    checks.append(check_shift(shift["mean_days"], shift["far_share"], len(orders), gate))
    checks.append(check_speed(ratio, gate))
    return {
        "date_shift": shift,
        "date_shift_from_what_the_shop_has": shift_between(dates, standing_dates),
        "quote_seconds": seconds,
    }


def _decide(
    checks: list[GateCheck], champion: PromiseModel | None, *, dry_run: bool, force: bool
) -> tuple[Outcome, list[str]]:
    failed = [check.reason for check in checks if not check.passed]
    if failed and not force:
        return "would refuse" if dry_run else "refused", failed
    outcome: Outcome = "would promote" if dry_run else "forced" if failed else "promoted"
    good = "every check passed" if champion is not None else "every check passed; the first model"
    return outcome, failed or [good]


def _card(model: PromiseModel | None, version: str | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "version": version,
        "model_version": model.version,
        "as_of": model.as_of.isoformat(),
        "trained_as_of": model.manifest["trained_as_of"],
        "trained_on": model.manifest["trained_on"],
    }
