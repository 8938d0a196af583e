"""Which events a customer should be told of, given what was told before; written nowhere.

What is remembered of each parcel between runs is what its customer was told, and what stands.

An event is what the latest look adds to what is remembered, so the same look twice
adds nothing; and an event's id follows from what it says, not from when it was found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from etapromise.array_types import Dates, Mask
from etapromise.errors import ContractError
from etapromise.promise.under_way.repromise_policy import (
    DELAYED,
    EARLIER,
    RepromisePolicy,
    StandingDates,
    reason_of,
)
from etapromise.text_type import TEXT

EVENT_KINDS: Final = (
    "reopened",
    "delivered",
    "returned",
    "damaged",
    "likely_lost",
    "attempted",
    "available_for_pickup",
    "delayed",
    "earlier",
)

EVENT_TYPES: Final = (
    dict.fromkeys(("event_id", "event", "shipment_id", "order_id"), TEXT)
    | dict.fromkeys(("occurred_at", "as_of"), "datetime64[us, UTC]")
    | dict.fromkeys(("reason", "text"), TEXT)
    | dict.fromkeys(("original_date", "standing_date", "new_date"), "datetime64[s]")
    | dict.fromkeys(("confidence", "late_probability", "lost_probability"), "float64")
    | {"model_version": TEXT}
)
"""Columns of a table of events, in their order; dates are destination-local."""

# What the carrier says, the event that it is, and its words.
_CLOSED: Final = (
    ("returned", "returned", "The parcel goes back to the sender."),
    ("damaged", "damaged", "The carrier reports the parcel as damaged."),
    ("lost", "likely_lost", "The carrier reports the parcel as lost."),
)
_DATE_TEXTS: Final = {
    "chance_fell": "Expected by {new} instead of {old}, which is kept with only {kept:.0%}.",
    "last_call": "Expected by {new}: {old} runs out and is kept with only {kept:.0%}.",
    "surely_earlier": "Expected by {new}, earlier than {old}.",
}


# What is remembered of a parcel, by its kind.
_DATES: Final = ("original_date", "current_date", "candidate_date")
_TIMES: Final = ("told_at", "candidate_since", "looked_at", "settled_at", "seen_at")
_COUNTS: Final = ("changes", "candidate_looks", "attempts_told", "losses_told", "reopenings")
_FLAGS: Final = ("later_told", "doubtful", "available_told", "lost", "delivered_told")
_STANDING: Final = tuple(StandingDates.promised(np.zeros(0, "datetime64[D]")).columns)


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """What counts as an event.

    Attributes:
        policy: When another date is told.
        lost_above: A parcel is called likely lost from this probability on; by default where the
            predictions say ``likely_lost``,
        found_below: and no longer below this probability; then it may be called lost again.
        most_age_days: A parcel that is met for the first time has no event older than this.
        forget_after_days: A parcel that was in no table for so long is met for the first time.

    Raises:
        ContractError: A value is out of its range.

    Examples:
        >>> taciturn = etapromise.RepromisePolicy(tell_below=0.15)
        >>> etapromise.EventSettings(policy=taciturn, lost_above=0.6).lost_above
        0.6
    """

    policy: RepromisePolicy = field(default_factory=RepromisePolicy)
    lost_above: float | None = None
    found_below: float = 0.25
    most_age_days: int = 7
    forget_after_days: int = 180

    def __post_init__(self) -> None:
        above = 1.0 if self.lost_above is None else self.lost_above
        if not 0.0 <= self.found_below <= above <= 1.0:
            raise ContractError(
                f"Found found_below={self.found_below!r} and lost_above={self.lost_above!r}; "
                "expected probabilities, the second at least the first."
            )
        if not 0 <= self.most_age_days < self.forget_after_days:
            raise ContractError(
                f"Found most_age_days={self.most_age_days!r} and forget_after_days="
                f"{self.forget_after_days!r}; expected the second above the first."
            )


class FoundEvents(NamedTuple):
    """What a look adds: events to tell, columns `EVENT_TYPES`, and what to remember of parcels."""

    events: pd.DataFrame
    memory: pd.DataFrame


def find_events(
    parcels: pd.DataFrame,
    recalled: pd.DataFrame,
    *,
    now: pd.Timestamp,
    settings: EventSettings,
    model_version: str,
) -> FoundEvents:
    """What is to be told of n parcels, by time, parcel and kind, and what to remember of them.

    Args:
        parcels: (n,) what is known and predicted now: ``shipment_id``, ``order_id``, ``today``
            (destination-local date of now), ``open`` (whether the promised event can still come and
            is still the carrier's to bring about), ``attempt_count``, and for each of ``attempted``
            (the latest attempt), ``available``, ``delivered`` and ``closed`` its ``…_at`` and
            ``…_known_at``; ``closed_as``, ``delivered_date`` (local); and of open parcels
            ``estimated_delivery_date``, ``confidence``, ``late_probability`` (against the date in
            ``recalled``), ``lost_probability`` and ``likely_lost``, missing or False elsewhere.
        recalled: (n,) what `recall` gave for them.
    """
    look = _Look(parcels, recalled, now, settings, model_version)
    delivered = look.ends()
    way = ~delivered & parcels["closed_as"].isna().to_numpy()
    look.stops(way)
    look.losses(way)
    look.dates(way)
    look.memory["seen_at"] = now
    if not look.found:
        return FoundEvents(no_events(), look.memory)
    events = pd.concat(look.found, ignore_index=True)
    rank = events["event"].map({name: place for place, name in enumerate(EVENT_KINDS)})
    order = events.assign(rank=rank).sort_values(
        ["occurred_at", "shipment_id", "rank"], kind="stable"
    )
    return FoundEvents(events.loc[order.index].reset_index(drop=True), look.memory)


class _Look:
    """One look at n parcels; what it finds is collected kind by kind."""

    def __init__(
        self,
        parcels: pd.DataFrame,
        recalled: pd.DataFrame,
        now: pd.Timestamp,
        settings: EventSettings,
        model_version: str,
    ) -> None:
        self._parcels = parcels.reset_index(drop=True)
        self.memory = recalled.drop(columns="new").reset_index(drop=True)
        self._new = recalled["new"].to_numpy()
        self._now, self._settings, self._version = now, settings, model_version
        self.found: list[pd.DataFrame] = []

    def ends(self) -> Mask:
        """Deliveries and other ends, and those that were told and never were; who is delivered."""
        parcels, memory = self._parcels, self.memory
        delivered = parcels["delivered_at"].notna().to_numpy()
        closed = parcels["closed_as"].notna().to_numpy()
        self._reopen(delivered, closed)
        # Which end of a parcel this is, empty for the first.
        again = memory["reopenings"].astype(TEXT).where(memory["reopenings"] > 0, "")
        tell = self._fresh(delivered, "delivered") & ~memory["delivered_told"].to_numpy()
        late = (parcels["delivered_date"] > memory["current_date"]).to_numpy()
        for reason, rows, text in (
            ("on_time", tell & ~late, "Delivered on {new}, in time for {old}."),
            ("late", tell & late, "Delivered on {new}, after {old}, the date that was told."),
        ):
            at, date = parcels["delivered_at"], parcels["delivered_date"]
            self._tell("delivered", rows, reason, text, at=at, date=date, count=again)
        memory["delivered_told"] |= delivered
        self._settle(delivered, "delivered")
        fresh = self._fresh(closed & ~delivered, "closed") & memory["closed_told"].isna().to_numpy()
        for word, event, text in _CLOSED:
            rows = fresh & (parcels["closed_as"] == word).to_numpy(dtype=bool, na_value=False)
            at = parcels["closed_at"]
            self._tell(event, rows, f"carrier_says_{word}", text, at=at, count=again)
        told = parcels["closed_as"].where(closed, memory["closed_told"])
        memory["closed_told"] = told.astype(TEXT)
        self._settle(closed & ~delivered, "closed")
        return delivered

    def _reopen(self, delivered: Mask, closed: Mask) -> None:
        """Correct an end that was told and never was, so that what follows is told again."""
        parcels, memory = self._parcels, self.memory
        told = memory["delivered_told"].to_numpy()
        later = (parcels["delivered_known_at"] > memory["settled_at"]).to_numpy()
        no_delivery = told & (~delivered | later)
        returned = (memory["closed_told"] == "returned").to_numpy(dtype=bool, na_value=False)
        no_return = returned & ~closed & ~told
        memory["reopenings"] += no_delivery | no_return
        # Told of the end at that moment.
        ended = {"at": memory["settled_at"], "count": memory["reopenings"]}
        for rows, reason, text in (
            (no_delivery, "was_not_delivered", "It was not delivered: the parcel is on its way."),
            (no_return, "does_not_go_back", "It does not go back: the parcel is on its way."),
        ):
            self._tell("reopened", rows, reason, text, **ended)
        memory["delivered_told"] &= ~no_delivery
        memory["closed_told"] = memory["closed_told"].where(~no_return).astype(TEXT)
        memory["settled_at"] = memory["settled_at"].where(~(no_delivery | no_return))

    def stops(self, way: Mask) -> None:
        """Failed attempts and parcels that wait to be fetched, of those on their way."""
        parcels, memory = self._parcels, self.memory
        count = parcels["attempt_count"].to_numpy(dtype=np.int64)
        fresh = self._fresh(way & (count > memory["attempts_told"].to_numpy()), "attempted")
        at, date = parcels["attempted_at"], memory["current_date"]
        text = "Delivery was tried and failed, attempt {count}."
        numbered = pd.Series(count)
        self._tell("attempted", fresh, "nobody_took_it", text, at=at, date=date, count=numbered)
        memory["attempts_told"] = np.maximum(memory["attempts_told"].to_numpy(), count)
        waits = way & parcels["available_at"].notna().to_numpy()
        fresh = self._fresh(waits, "available") & ~memory["available_told"].to_numpy()
        at, text = parcels["available_at"], "The parcel waits to be picked up."
        self._tell("available_for_pickup", fresh, "waits_for_pickup", text, at=at, date=date)
        memory["available_told"] |= waits

    def losses(self, way: Mask) -> None:
        """Parcels that are likely lost."""
        memory, settings = self.memory, self._settings
        chance = self._parcels["lost_probability"].to_numpy(dtype=np.float64)
        was = memory["lost"].to_numpy()
        if settings.lost_above is None:
            likely = self._parcels["likely_lost"].to_numpy(dtype=bool)
        else:
            likely = chance >= settings.lost_above
        lost = way & (likely | (was & ~(chance < settings.found_below)))
        memory["losses_told"] += lost & ~was
        text = "Nothing was heard for so long that the parcel is lost with {lost:.0%}."
        self._tell("likely_lost", lost & ~was, "silence", text, count=memory["losses_told"])
        memory["lost"] = lost

    def dates(self, way: Mask) -> None:
        """Other dates than those that stand."""
        parcels, memory = self._parcels, self.memory
        talk = way & parcels["open"].to_numpy(dtype=bool) & ~memory["lost"].to_numpy()
        date = parcels["estimated_delivery_date"].to_numpy().astype("datetime64[D]")
        after, told, last_call = self._settings.policy.look_many(
            remembered_dates(memory),
            now=self._now.tz_convert("UTC").tz_localize(None).to_datetime64(),
            today=parcels["today"].to_numpy().astype("datetime64[D]"),
            date=np.where(talk, date, np.datetime64("NaT", "D")),
            confidence=parcels["confidence"].to_numpy(dtype=np.float64),
            kept=1.0 - parcels["late_probability"].to_numpy(dtype=np.float64),
        )
        new = pd.Series(after.current.astype("datetime64[s]"))
        count = pd.Series(after.columns["changes"])
        for event, code, hurried in (
            ("delayed", DELAYED, False),
            ("delayed", DELAYED, True),
            ("earlier", EARLIER, False),
        ):
            reason, rows = str(reason_of(code, last_call=hurried)), told == code
            rows &= last_call == hurried
            self._tell(event, rows, reason, _DATE_TEXTS[reason], date=new, count=count)
        remember_dates(memory, after)

    def _fresh(self, rows: Mask, name: str) -> Mask:
        """Those of the rows whose event is not older than a first meeting allows."""
        oldest = self._now - pd.Timedelta(days=self._settings.most_age_days)
        recent = (self._parcels[f"{name}_known_at"] >= oldest).to_numpy()
        return np.asarray(rows & (recent | ~self._new))

    def _settle(self, rows: Mask, name: str) -> None:
        known_at = self._parcels[f"{name}_known_at"]
        self.memory["settled_at"] = known_at.where(rows, self.memory["settled_at"])

    def _tell(
        self,
        event: str,
        rows: Mask,
        reason: str,
        text: str,
        *,
        at: pd.Series[Any] | None = None,
        date: pd.Series[Any] | None = None,
        count: pd.Series[Any] | None = None,
    ) -> None:
        """Collect one kind of event, now or ``at``; ``count`` tells those of one parcel apart."""
        if not rows.any():
            return
        parcels, memory = self._parcels[rows], self.memory[rows]
        old = memory["current_date"]
        none = pd.Series(pd.NaT, old.index, dtype="datetime64[s]")
        new = none if date is None else date[rows].astype("datetime64[s]")
        counts = [""] * len(old) if count is None else [str(n) for n in count[rows]]
        told = parcels[["order_id", "confidence", "late_probability", "lost_probability"]]
        told = told.astype({str(name): EVENT_TYPES[str(name)] for name in told})
        late, lost = told["late_probability"], told["lost_probability"]
        shipment = parcels["shipment_id"].tolist()
        ids = [event_id(*one) for one in zip(shipment, [event] * len(old), counts, strict=True)]
        values = zip(old, new, counts, late, lost, strict=True)
        texts = [
            text.format(
                old=f"{before:%Y-%m-%d}",
                new=None if pd.isna(after) else f"{after:%Y-%m-%d}",
                count=number,
                kept=1.0 - missed,
                lost=gone,
            )
            for before, after, number, missed, gone in values
        ]
        table = told.assign(
            event_id=ids,
            event=event,
            shipment_id=shipment,
            occurred_at=self._now if at is None else at[rows],
            as_of=self._now,
            reason=reason,
            text=texts,
            original_date=memory["original_date"],
            standing_date=old,
            new_date=new,
            model_version=self._version,
        )
        self.found.append(table[[*EVENT_TYPES]].astype(EVENT_TYPES).reset_index(drop=True))


def no_events() -> pd.DataFrame:
    """A table of no events."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in EVENT_TYPES.items()})


def event_id(shipment_id: str, event: str, count: str = "") -> str:
    """The id of an event: the same whenever and however often it is found.

    Args:
        count: Which of that kind, where a parcel can have several.
    """
    return hashlib.sha256("\x1f".join((shipment_id, event, count)).encode()).hexdigest()[:32]


def no_memory() -> pd.DataFrame:
    """The memory of somebody who has told nothing yet."""
    return _first_met(pd.Series(dtype=TEXT), np.zeros(0, "datetime64[D]"))


def recall(memory: pd.DataFrame, shipment_id: pd.Series[Any], promised: Dates) -> pd.DataFrame:
    """What is remembered of n parcels, and for those met for the first time, what was promised.

    Args:
        shipment_id: (n,) each once.
        promised: (n,) datetime64[D] what stands if nothing is remembered.

    Returns:
        (n,) rows of memory in the order of ``shipment_id``, and whether the parcel is ``new``.
    """
    new = ~shipment_id.isin(memory["shipment_id"]).to_numpy()
    first = _first_met(shipment_id[new], promised[new])
    if "reopenings" not in memory:
        # Remembered before ends could be corrected.
        memory = memory.assign(reopenings=0)
    both = pd.concat([memory, first] if len(memory) else [first], ignore_index=True)
    rows = both.set_index("shipment_id").loc[shipment_id].reset_index()
    rows["new"] = new
    return rows


def remembered_dates(memory: pd.DataFrame) -> StandingDates:
    """The dates that stand for n parcels, out of their rows of memory."""
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in _STANDING:
        column = memory[name]
        if name in _DATES:
            columns[name] = column.to_numpy().astype("datetime64[D]")
        elif name in _TIMES:
            naive = column.dt.tz_convert("UTC").dt.tz_localize(None)
            columns[name] = naive.to_numpy().astype("datetime64[us]")
        else:
            columns[name] = column.to_numpy()
    return StandingDates(columns)


def remember_dates(memory: pd.DataFrame, after: StandingDates) -> None:
    """Write the dates that stand into the rows of memory of their parcels."""
    for name, column in after.columns.items():
        if name in _DATES:
            memory[name] = column.astype("datetime64[s]")
        elif name in _TIMES:
            memory[name] = pd.Series(column).dt.tz_localize("UTC")
        else:
            memory[name] = column


def worth_remembering(
    memory: pd.DataFrame, *, now: pd.Timestamp, settled_days: int, gone_days: int
) -> pd.DataFrame:
    """The memory less what has been settled, or was in no table, for long; by shipment.

    Whatever is met again after that counts as met for the first time, its old events as too old.
    """
    settled = memory["settled_at"] < now - pd.Timedelta(days=settled_days)
    gone = memory["seen_at"] < now - pd.Timedelta(days=gone_days)
    return memory[~(settled | gone)].sort_values("shipment_id", ignore_index=True)


def _first_met(shipment_id: pd.Series[Any], promised: Dates) -> pd.DataFrame:
    count = len(shipment_id)
    dates = promised.astype("datetime64[s]")
    columns: dict[str, Any] = {
        "shipment_id": shipment_id.astype(TEXT).to_numpy(),
        "original_date": dates,
        "current_date": dates,
        "candidate_date": np.full(count, np.datetime64("NaT", "s")),
    }
    columns |= {name: pd.Series(pd.NaT, range(count), "datetime64[us, UTC]") for name in _TIMES}
    columns |= {name: np.zeros(count, np.int64) for name in _COUNTS}
    columns |= {name: np.zeros(count, bool) for name in _FLAGS}
    columns["closed_told"] = pd.Series(None, range(count), TEXT)
    return pd.DataFrame(columns).astype({"shipment_id": TEXT})
