"""Replaying the past to choose when customers are told another date.

A policy is judged by what its customers would have been told: how often their date changed, how
many days before the miss they knew, how many of the notices were needed, and how many dates broke
in silence. Its price is that of notices and of silent misses; of the policies that change dates
seldom enough, the cheapest is picked. Pick it on one stretch of the past and measure it on a later
one, as `simulate_repromises` does for any stretch.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import Dates, Floats, Ints, Mask
from etapromise.errors import ContractError
from etapromise.evaluation.replay import extract_end
from etapromise.files import write_json
from etapromise.history.as_of import Moment, moment_of
from etapromise.promise.under_way.open_journeys import journeys_at
from etapromise.promise.under_way.repromise_policy import (
    DELAYED,
    EARLIER,
    QUIET,
    RepromisePolicy,
    StandingDates,
)

if TYPE_CHECKING:
    from etapromise.promise.model import PromiseModel
    from etapromise.tracking import TrackedHistory

_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, kw_only=True)
class PastPredictions:
    """What was predicted, at each look, of the parcels that were under way then.

    Attributes:
        original_date: Promised to each of m parcels, (m,) datetime64[D], destination-local.
        event_date: Of each parcel's event, (m,), NaT where it never came.
        moment: Of each of n looks, (n,) datetime64[us], UTC; in any order.
        parcel: Whom it looked at, (n,) positions among the m.
        today: Destination-local date of the look, (n,) datetime64[D].
        first_date: Day 0 of the look's distribution, (n,) datetime64[D].
        probability: P(event by the end of day 0 + k | what was received by the look), (n, h).
    """

    original_date: Dates
    event_date: Dates
    moment: Dates
    parcel: Ints
    today: Dates
    first_date: Dates
    probability: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class PolicyRecord:
    """What customers would have been told, and what it was good for.

    Rates and means are None where there is nothing to count.

    Attributes:
        parcels: How many there were.
        changes_per_parcel: Notices of another date for each parcel (the churn).
        changed_share: Parcels with at least one.
        most_changes: Of any parcel.
        turns: Parcels whose date went earlier after it had gone later; always 0.
        delayed, earlier: Notices of either kind.
        precision: Of the delay notices, those whose old date was missed indeed.
        missed_originals: Share of parcels that missed the date promised first.
        told_in_time: Share of those whose customers knew before that date had run out.
        warning_days: Mean days from the first delay notice to the end of the missed original date,
            of those told in time.
        silent_misses: Share of all parcels that missed a date which stood when it ran out: broken
            and not told.
        kept_in_the_end: Share of parcels that kept the date that stood on the day of their event.
        cost_per_parcel: Notices and silent misses at their prices.
    """

    parcels: int
    changes_per_parcel: float
    changed_share: float
    most_changes: int
    turns: int
    delayed: int
    earlier: int
    precision: float | None
    missed_originals: float
    told_in_time: float | None
    warning_days: float | None
    silent_misses: float
    kept_in_the_end: float
    cost_per_parcel: float


@dataclass(frozen=True, kw_only=True)
class PolicyChoice:
    """The policy that was picked, and all that it was picked from.

    Attributes:
        policy: The cheapest of those that change dates seldom enough.
        record: What it did on the past that it was picked on.
        table: One row per candidate, cheapest first: its settings and its record.
    """

    policy: RepromisePolicy
    record: PolicyRecord
    table: pd.DataFrame


def repromise(
    model: PromiseModel,
    history: TrackedHistory,
    *,
    start: Moment,
    end: Moment | None = None,
    service_level: float = 0.9,
    notice_cost: float = 1.0,
    silent_miss_cost: float = 5.0,
    most_changes: float = 0.3,
) -> PolicyChoice:
    """Replay the past to choose when customers are told another date.

    Args:
        model: refreshed no later than `start`.
        history: orders and what became of them, as `read` returns it.
        start: parcels ordered from then on.
        end: the moment after the last; by default as long before the end of the data as it takes to
            know what became of every parcel.
        service_level: of the dates that are told.
        notice_cost: of one notice.
        silent_miss_cost: of one date that ran out broken and not told, in the same unit.
        most_changes: date changes per parcel, at most.

    Returns:
        The cheapest policy of those that change dates seldom enough, for `EventSettings`, and what
        it would have done.

    Raises:
        ContractError: no parcel was ordered then, the model knows more, or no policy is so quiet.

    Examples:
        >>> before = model.refresh(history, as_of="2025-05-01")
        >>> chosen = etapromise.repromise(before, history, start="2025-05-02", end="2025-05-05",
        ...                               most_changes=2)
        >>> chosen.record.changes_per_parcel <= 2
        True
    """
    first = moment_of(start, "start")
    last = None if end is None else moment_of(end, "end")
    looks = past_predictions(model, history, start=first, end=last, service_level=service_level)
    return pick_policy(
        looks,
        service_level=service_level,
        notice_cost=notice_cost,
        silent_miss_cost=silent_miss_cost,
        most_changes=most_changes,
    )


def simulate_repromises(
    looks: PastPredictions,
    policy: RepromisePolicy,
    *,
    service_level: float = 0.9,
    notice_cost: float = 1.0,
    silent_miss_cost: float = 5.0,
) -> PolicyRecord:
    """What a policy would have told, and what it was good for, parcels' outcomes being known.

    Args:
        notice_cost: Of one notice.
        silent_miss_cost: Of one date that ran out broken and not told, in the same unit.
    """
    parcels = len(looks.original_date)
    if not parcels:
        raise ContractError("Found no parcels to replay; expected some hundreds.")
    said = _Customers.nothing(looks)
    # The looks of each moment, from the first moment to the last.
    order = np.argsort(looks.moment, kind="stable")
    edges = np.flatnonzero(np.diff(looks.moment[order]).astype(np.int64)) + 1
    for rows in np.split(order, edges) if len(order) else ():
        said.look(looks, rows, policy, service_level)
    return said.record(looks, notice_cost, silent_miss_cost)


def pick_policy(
    looks: PastPredictions,
    *,
    notice_cost: float = 1.0,
    silent_miss_cost: float = 5.0,
    most_changes: float = 0.3,
    service_level: float = 0.9,
    candidates: Iterable[RepromisePolicy] | None = None,
) -> PolicyChoice:
    """The cheapest policy of those that change a parcel's date seldom enough."""
    tried = list(candidate_policies() if candidates is None else candidates)
    records = [
        simulate_repromises(
            looks,
            policy,
            service_level=service_level,
            notice_cost=notice_cost,
            silent_miss_cost=silent_miss_cost,
        )
        for policy in tried
    ]
    fit = [n for n, record in enumerate(records) if record.changes_per_parcel <= most_changes]
    if not fit:
        least = min((record.changes_per_parcel for record in records), default=math.nan)
        raise ContractError(
            f"Found no policy with at most {most_changes} changes per parcel; the quietest of "
            f"{len(tried)} has {least:.2f}. Allow more, or try others."
        )
    best = min(fit, key=lambda n: (records[n].cost_per_parcel, records[n].changes_per_parcel, n))
    table = pd.DataFrame(
        [asdict(policy) | asdict(record) for policy, record in zip(tried, records, strict=True)]
    )
    order = ["cost_per_parcel", "changes_per_parcel"]
    return PolicyChoice(
        policy=tried[best],
        record=records[best],
        table=table.sort_values(order, kind="stable", ignore_index=True),
    )


def candidate_policies() -> Iterator[RepromisePolicy]:
    """A grid from talkative to taciturn."""
    for below, looks, last_call, earlier in itertools.product(
        (0.15, 0.3, 0.45, 0.6, 0.75), (1, 2, 3), (-1, 0, 1), (2, 4)
    ):
        yield RepromisePolicy(
            tell_below=below,
            calm_above=min(below + 0.15, 1.0),
            stable_looks=looks,
            stable_hours=12.0 if looks > 1 else 0.0,
            last_call_days=last_call,
            earlier_days=earlier,
            earlier_confidence=0.9 if earlier == 2 else 0.95,
        )


def write_policy(policy: RepromisePolicy, path: Path) -> None:
    """Write a policy as JSON, whole or not at all."""
    write_json(path, asdict(policy))


def read_policy(path: Path) -> RepromisePolicy:
    """The policy that `write_policy` wrote; settings that are not named have their defaults."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return RepromisePolicy(**settings)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(
            f"Found {path} to be no policy ({error}); expected JSON with the settings of "
            "RepromisePolicy, such as `etapromise repromise` writes."
        ) from error


@dataclass
class _Customers:
    """What the customers have heard so far; parcels (m,)."""

    standing: StandingDates
    first_delay: Dates  # local date of the first delay notice
    last_way: npt.NDArray[np.int8]
    turned: Mask
    silent: Mask
    needed: int = 0
    delayed: int = 0
    earlier: int = 0

    @classmethod
    def nothing(cls, looks: PastPredictions) -> _Customers:
        parcels = len(looks.original_date)
        return cls(
            standing=StandingDates.promised(looks.original_date),
            first_delay=np.full(parcels, np.datetime64("NaT", "D")),
            last_way=np.zeros(parcels, np.int8),
            turned=np.zeros(parcels, bool),
            silent=np.zeros(parcels, bool),
        )

    def look(
        self, looks: PastPredictions, rows: Ints, policy: RepromisePolicy, service_level: float
    ) -> None:
        """All looks of one moment."""
        parcel = looks.parcel[rows]
        before = self.standing.take(parcel)
        probability = looks.probability[rows]
        first, today = looks.first_date[rows], looks.today[rows]
        reached = probability >= service_level
        day = np.where(reached.any(axis=1), reached.argmax(axis=1), probability.shape[1] - 1)
        stands = ((before.current - first) / _DAY).astype(np.int64)
        kept = _at(probability, stands)
        # What ran out before anything was said stays a silent miss, whatever is said afterwards.
        event = looks.event_date[parcel]
        ran_out = (before.current < today) & (np.isnat(event) | (event > before.current))
        self.silent[parcel] |= ran_out
        after, told, _ = policy.look_many(
            before,
            now=looks.moment[rows],
            today=today,
            date=first + day * _DAY,
            confidence=_at(probability, day),
            kept=kept,
        )
        self._count(looks, parcel, before.current, today, told)
        self.standing = self.standing.put(parcel, after)

    def _count(
        self,
        looks: PastPredictions,
        parcel: Ints,
        old: Dates,
        today: Dates,
        told: npt.NDArray[np.int8],
    ) -> None:
        later = told == DELAYED
        event = looks.event_date[parcel]
        self.needed += int((later & (np.isnat(event) | (event > old))).sum())
        self.delayed += int(later.sum())
        self.earlier += int((told == EARLIER).sum())
        first = later & np.isnat(self.first_delay[parcel])
        self.first_delay[parcel[first]] = today[first]
        self.turned[parcel] |= (told == EARLIER) & (self.last_way[parcel] == DELAYED)
        self.last_way[parcel] = np.where(told == QUIET, self.last_way[parcel], told)

    def record(
        self, looks: PastPredictions, notice_cost: float, silent_miss_cost: float
    ) -> PolicyRecord:
        event, original = looks.event_date, looks.original_date
        never = np.isnat(event)
        missed = never | (event > original)
        kept = ~never & (event <= self.standing.current)
        silent = self.silent | ~kept
        in_time = missed & (self.first_delay <= original)
        warning = (original[in_time] - self.first_delay[in_time]) / _DAY
        changes = self.standing.columns["changes"]
        return PolicyRecord(
            parcels=len(event),
            changes_per_parcel=float(changes.mean()),
            changed_share=float((changes > 0).mean()),
            most_changes=int(changes.max()),
            turns=int(self.turned.sum()),
            delayed=self.delayed,
            earlier=self.earlier,
            precision=self.needed / self.delayed if self.delayed else None,
            missed_originals=float(missed.mean()),
            told_in_time=float(in_time.sum() / missed.sum()) if missed.any() else None,
            warning_days=float(warning.mean()) if len(warning) else None,
            silent_misses=float(silent.mean()),
            kept_in_the_end=float(kept.mean()),
            cost_per_parcel=float(notice_cost * changes.mean() + silent_miss_cost * silent.mean()),
        )


def _at(probability: npt.NDArray[Any], day: Ints) -> Floats:
    column = np.clip(day, 0, probability.shape[1] - 1)
    found = probability[np.arange(len(day)), column].astype(np.float64)
    return np.where(day < 0, 0.0, found)


def past_predictions(
    model: PromiseModel,
    history: TrackedHistory,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp | None = None,
    service_level: float = 0.9,
) -> PastPredictions:
    """Looks at every parcel from its order until it arrived, came to another end or was given up.

    What stood at first is the shipment's ``promised_date``; where it has none, the model's promise.
    Cancelled orders are left out.

    Args:
        model: Refreshed no later than ``start``.
        history: All of it, with everything that happened afterwards.
        start: Zone-aware; parcels ordered from then on. Looks are taken at its time of day.
        end: Parcels ordered before it; by default, and at the latest, as long before the end of the
            data as the model's distributions reach: what became of every parcel is known.
    """
    if model.as_of > start:
        raise ContractError(
            f"Found a model as of {model.as_of.isoformat()}, later than start={start.isoformat()}; "
            "expected one that knows nothing of the parcels it is to be judged by."
        )
    patience = pd.Timedelta(days=model.horizon)
    last = extract_end(history) - patience
    until = last if end is None else min(end, last)
    ordered, closed = history.shipments["ordered_at"], history.milestones["closed_as"]
    chosen = (ordered >= start) & (ordered < until)
    chosen &= (closed != "cancelled").fillna(value=True).astype(bool)
    rows = np.flatnonzero(chosen.to_numpy())
    if not len(rows):
        raise ContractError(
            f"Found no parcel ordered from {start} to {until}, {model.horizon} days before the end "
            "of the data; expected some hundreds. Take an earlier start, or a longer history."
        )
    shipments = history.shipments.iloc[rows].reset_index(drop=True)
    milestones = history.milestones.iloc[rows].reset_index(drop=True)
    scans = history.scans[history.scans["shipment_id"].isin(shipments["shipment_id"])]
    over = milestones["event_known_at"].fillna(milestones["closed_known_at"])
    over = over.fillna(shipments["ordered_at"] + patience)
    parts = []
    moment = start
    while moment < until + patience:
        open_ = np.flatnonzero(((shipments["ordered_at"] <= moment) & (over > moment)).to_numpy())
        if len(open_):
            parts.append(_look(model, shipments.iloc[open_], scans, moment, open_))
        moment += pd.Timedelta(days=1)
    if not parts:
        raise ContractError("Found no parcel under way at any look; expected looks more often.")
    return PastPredictions(
        original_date=first_promises(model, shipments, service_level),
        event_date=model.local_dates(shipments, milestones["event_at"]),
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
    )


def _look(
    model: PromiseModel,
    parcels: pd.DataFrame,
    scans: pd.DataFrame,
    moment: pd.Timestamp,
    positions: Ints,
) -> dict[str, npt.NDArray[Any]]:
    parcels = parcels.reset_index(drop=True)
    received = (scans["received_at"] <= moment).to_numpy()
    mine = received & scans["shipment_id"].isin(parcels["shipment_id"]).to_numpy()
    journey = journeys_at(
        model, parcels, scans[mine].reset_index(drop=True), moment.to_pydatetime()
    )
    today = journey.today.astype("datetime64[D]")
    utc = moment.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[us]")
    return {
        "moment": np.full(len(parcels), utc),
        "parcel": positions,
        "today": today,
        "first_date": today,
        "probability": journey.dates().astype(np.float32),
    }


def first_promises(
    model: PromiseModel,
    shipments: pd.DataFrame,
    service_level: float,
    asked: Mask | bool = True,  # noqa: FBT001, FBT002
) -> Dates:
    """What customers were told at checkout, (n,) datetime64[D].

    The shipment's ``promised_date``; where it has none and is ``asked`` (n,), the model's promise.
    """
    date = np.full(len(shipments), np.datetime64("NaT", "D"))
    if "promised_date" in shipments.columns:
        date = shipments["promised_date"].to_numpy().astype("datetime64[D]")
    bare = np.isnat(date) & asked
    if bare.any():
        promises = model.promise_many(shipments[bare].reset_index(drop=True), service_level)
        date[bare] = promises["estimated_delivery_date"].to_numpy().astype("datetime64[D]")
    return date
