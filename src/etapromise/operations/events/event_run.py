"""One run of event detection: what was received, predicted and told before; what is to be told.

Idempotent: the same tables at the same moment add nothing, and what was received later changes
nothing. See `events` for what is told and `event_log` for how it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.argument_kinds import kinds_checked
from etapromise.encoding.requests import local_dates
from etapromise.errors import CommandError
from etapromise.evaluation.repromise_replay import first_promises
from etapromise.history.as_of import Moment, moment_of
from etapromise.operations.events.detection import (
    EventSettings,
    find_events,
    recall,
    worth_remembering,
)
from etapromise.operations.events.event_log import EventLog
from etapromise.operations.models.model_registry import Model, model_of
from etapromise.text_type import TEXT
from etapromise.tracking import clean_scans, milestones, read_scans, read_shipments
from etapromise.tracking.accounts import Account, refuse_strangers
from etapromise.tracking.plain_dates import at_their_places
from etapromise.tracking.tracked import all_rejects, both_tables

if TYPE_CHECKING:
    from etapromise.promise.model import PromiseModel
    from etapromise.tracking import Source
    from etapromise.tracking.mapping import MappingSource

_PREDICTED: Final = (
    "estimated_delivery_date",
    "confidence",
    "late_probability",
    "lost_probability",
    "likely_lost",
)


@dataclass(frozen=True, kw_only=True)
class EventRun:
    """What came of a run.

    Attributes:
        written: How many events were added to the file: those of an interrupted run before it
            among them.
        parcels: How many shipments it looked at.
        under_way: How many of them had not arrived, nor come to another end.
        accounts: What became of every row of the shipments and of the scans. Left aside are later
            orders, scans that were received later, and rows that a mapping folded into others.
    """

    events: pd.DataFrame
    written: int
    parcels: int
    under_way: int
    accounts: tuple[Account, Account]


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
) -> EventRun:
    """Find the events that customers should be told of, each once.

    A customer goes by the shipment's ``promised_date``, or, where it has none, by the date that the
    model promises at checkout; from then on by what the events told. Arguments without a
    word here are as for `read`.

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
    model, settings = model_of(model), settings or EventSettings()
    moment = moment_of(as_of)
    model.require_known_by(moment)
    now = moment.as_unit("us")
    shipments, scans = both_tables(shipments, scans, mapping)
    checked = read_shipments(shipments, naive_time_zone=naive_time_zone)
    received = read_scans(scans, vocabulary=vocabulary, naive_time_zone=naive_time_zone)
    orders = checked.accepted[checked.accepted["ordered_at"] <= now].reset_index(drop=True)
    placed = at_their_places(received.accepted, orders, naive_time_zone)
    # Kept before anything is cleaned: what comes later must not change what was.
    at = placed["scanned_at"]
    at = placed["received_at"].fillna(at) if "received_at" in placed.columns else at
    by_now = np.asarray((at <= now).to_numpy(), dtype=bool)
    cleaned = clean_scans(placed[by_now].reset_index(drop=True), orders)
    known = cleaned.accepted
    if not len(known):
        refuse_strangers(orders, received.accepted, only_near=True)
    log = EventLog(state)
    with log.lock():
        before = log.as_of()
        if before is not None and before > now:
            raise CommandError(
                f"Found a run as of {before.isoformat()} in {log.root}, later than "
                f"as_of={now.isoformat()}; expected runs to go forward. Use a later as_of, or "
                "another directory."
            )
        target = None if out is None else Path(out)
        # What an interrupted run found comes before what this one finds.
        written = log.publish(target)
        memory = log.memory()
        parcels = _parcels(model, orders, known, now)
        # What is met for the first time can have events if it is under way, or ended of late.
        oldest = now - pd.Timedelta(days=settings.most_age_days)
        ended = (parcels["delivered_known_at"] >= oldest) | (parcels["closed_known_at"] >= oldest)
        known_before = orders["shipment_id"].isin(memory["shipment_id"])
        fresh = ~known_before & (parcels["under_way"] | ended)
        promised = first_promises(model, orders, service_level, fresh.to_numpy())
        recalled = recall(memory, orders["shipment_id"], promised)
        _predict(model, orders, known, now, parcels, recalled, service_level)
        found = find_events(
            parcels, recalled, now=now, settings=settings, model_version=model.version
        )
        others = memory[~memory["shipment_id"].isin(orders["shipment_id"])]
        parts = [part for part in (others, found.memory) if len(part)]
        kept = worth_remembering(
            pd.concat(parts, ignore_index=True) if parts else memory,
            now=now,
            settled_days=settings.most_age_days,
            gone_days=settings.forget_after_days,
        )
        if len(found.events) or before != now or not kept.equals(memory):
            log.commit(found.events, kept, now)
            written += log.publish(target)
    of_orders = Account(
        table="shipments",
        accepted=len(orders),
        rejects=checked.rejects,
        left_aside=checked.left_aside + len(checked.accepted) - len(orders),
        notes=checked.notes,
    )
    of_scans = Account(
        table="scans",
        accepted=len(known),
        rejects=all_rejects(received, cleaned.rejects, by_now),
        left_aside=received.left_aside + int((~by_now).sum()),
        notes=received.notes,
    )
    return EventRun(
        events=found.events,
        written=written,
        parcels=len(orders),
        under_way=int(parcels["under_way"].sum()),
        accounts=(of_orders, of_scans),
    )


def _parcels(
    model: PromiseModel, orders: pd.DataFrame, scans: pd.DataFrame, now: pd.Timestamp
) -> pd.DataFrame:
    """What is known of each order, without predictions; see `find_events`."""
    found = milestones(orders, scans, event=model.event)
    zones, _ = model.parts.encoder.zones.resolve_many(orders, "destination")
    attempts = scans[scans["status"] == "attempted"].sort_values(["scanned_at", "received_at"])
    latest = attempts.groupby("shipment_id").last().reindex(orders["shipment_id"])
    under_way = found["delivered_at"].isna() & found["closed_as"].isna()
    return pd.DataFrame(
        {
            "shipment_id": orders["shipment_id"],
            "order_id": orders.get("order_id", pd.Series(None, orders.index, dtype=TEXT)),
            "today": _dates(pd.Series(now, range(len(orders))), zones),
            "under_way": under_way,
            "open": under_way & found["event_at"].isna() & found["available_at"].isna(),
            "attempt_count": found["attempt_count"],
            "attempted_at": latest["scanned_at"].reset_index(drop=True),
            "attempted_known_at": latest["received_at"].reset_index(drop=True),
            **{
                f"{name}_{what}": found[f"{name}_{what}"]
                for name in ("available", "delivered", "closed")
                for what in ("at", "known_at")
            },
            "closed_as": found["closed_as"],
            "delivered_date": _dates(found["delivered_at"], zones),
        }
    )


def _predict(
    model: PromiseModel,
    orders: pd.DataFrame,
    scans: pd.DataFrame,
    now: pd.Timestamp,
    parcels: pd.DataFrame,
    recalled: pd.DataFrame,
    service_level: float,
) -> None:
    """Add the predictions of the parcels under way, against the dates that stand."""
    rows = np.flatnonzero(parcels["under_way"].to_numpy())
    parcels[[*_PREDICTED]] = np.nan
    parcels["estimated_delivery_date"] = pd.Series(pd.NaT, parcels.index, dtype="datetime64[s]")
    parcels["likely_lost"] = False
    if not len(rows):
        return
    chosen = orders.iloc[rows].reset_index(drop=True)
    predicted = model.track_many(
        chosen,
        scans[scans["shipment_id"].isin(chosen["shipment_id"])].reset_index(drop=True),
        now.to_pydatetime(),
        service_level=service_level,
        standing=recalled["current_date"].iloc[rows].reset_index(drop=True),
    )
    for name in _PREDICTED:
        column = parcels[name].to_numpy().copy()
        column[rows] = predicted[name].to_numpy()
        parcels[name] = column


def _dates(times: pd.Series[Any], zones: npt.NDArray[Any]) -> pd.Series[Any]:
    return pd.Series(local_dates(times, zones).astype("datetime64[s]"))
