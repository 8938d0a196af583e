"""Which events a customer should be told of, given what was told before; written nowhere.

An event is what the latest look adds to what is remembered (`event_memory`), so the same look twice
adds nothing; and an event's id follows from what it says, not from when it was found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from etapromise.array_types import Mask
from etapromise.errors import ContractError
from etapromise.operations.events.event_memory import remember_dates, remembered_dates
from etapromise.promise.under_way.repromise_policy import (
    DELAYED,
    EARLIER,
    RepromisePolicy,
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
    """

    policy: RepromisePolicy = field(default_factory=RepromisePolicy)
    lost_above: float | None = None
    found_below: float = 0.25
    most_age_days: int = 7
    forget_after_days: int = 180

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
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


@dataclass(frozen=True, kw_only=True)
class FoundEvents:
    """What a look adds.

    Attributes:
        events: What is to be told, columns `EVENT_COLUMNS`, by time, parcel and kind.
        memory: What to remember of the parcels that were looked at.
    """

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
    """What is to be told of n parcels, and what to remember of them.

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
    return _Detection(parcels, recalled, now, settings, model_version).run()


class _Detection:
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
        self._memory = recalled.drop(columns="new").reset_index(drop=True)
        self._new = recalled["new"].to_numpy()
        self._now = now
        self._settings = settings
        self._version = model_version
        self._found: list[pd.DataFrame] = []

    def run(self) -> FoundEvents:
        self._reopened()
        delivered = self._delivered()
        closed = self._closed() & ~delivered
        on_its_way = ~delivered & ~closed
        self._attempted(on_its_way)
        self._available(on_its_way)
        self._lost(on_its_way)
        self._dates(on_its_way)
        self._memory["seen_at"] = self._now
        return FoundEvents(events=self._events(), memory=self._memory)

    def _reopened(self) -> None:
        """Correct an end that was told and never was, so that what follows is told again."""
        parcels, memory = self._parcels, self._memory
        delivered = parcels["delivered_at"].notna().to_numpy()
        later = (parcels["delivered_known_at"] > memory["settled_at"]).to_numpy()
        closed = parcels["closed_as"].notna().to_numpy()
        no_delivery = memory["delivered_told"].to_numpy() & (~delivered | later)
        no_return = (
            (memory["closed_told"] == "returned").to_numpy(dtype=bool, na_value=False)
            & ~closed
            & ~memory["delivered_told"].to_numpy()
        )
        memory["reopenings"] += no_delivery | no_return
        for rows, reason, text in (
            (no_delivery, "was_not_delivered", "It was not delivered: the parcel is on its way."),
            (no_return, "does_not_go_back", "It does not go back: the parcel is on its way."),
        ):
            self._tell(
                "reopened",
                rows,
                reason=reason,
                # Told of the end at that moment.
                occurred_at=memory["settled_at"],
                new_date=None,
                text=text,
                count=memory["reopenings"],
            )
        memory["delivered_told"] &= ~no_delivery
        memory["closed_told"] = memory["closed_told"].where(~no_return).astype(TEXT)
        memory["settled_at"] = memory["settled_at"].where(~(no_delivery | no_return))

    def _again(self) -> pd.Series[Any]:
        """(n,) which end of a parcel this is, empty for the first."""
        times = self._memory["reopenings"]
        return times.astype(TEXT).where(times > 0, "")

    def _delivered(self) -> Mask:
        parcels, memory = self._parcels, self._memory
        known = parcels["delivered_at"].notna().to_numpy()
        fresh = self._fresh(known, "delivered")
        tell = fresh & ~memory["delivered_told"].to_numpy()
        late = (parcels["delivered_date"] > memory["current_date"]).to_numpy()
        for kept, chosen in (("on_time", tell & ~late), ("late", tell & late)):
            self._tell(
                "delivered",
                chosen,
                reason=kept,
                occurred_at=parcels["delivered_at"],
                new_date=parcels["delivered_date"],
                text="Delivered on {new}, in time for {old}."
                if kept == "on_time"
                else "Delivered on {new}, after {old}, the date that was told.",
                count=self._again(),
            )
        memory["delivered_told"] |= known
        self._settle(known, "delivered")
        return known

    def _closed(self) -> Mask:
        parcels, memory = self._parcels, self._memory
        known = parcels["closed_as"].notna().to_numpy()
        delivered = parcels["delivered_at"].notna().to_numpy()
        fresh = self._fresh(known & ~delivered, "closed") & memory["closed_told"].isna().to_numpy()
        for word, event, text in _CLOSED:
            self._tell(
                event,
                fresh & (parcels["closed_as"] == word).to_numpy(dtype=bool, na_value=False),
                reason=f"carrier_says_{word}",
                occurred_at=parcels["closed_at"],
                new_date=None,
                text=text,
                count=self._again(),
            )
        memory["closed_told"] = (
            parcels["closed_as"].where(known, memory["closed_told"]).astype(TEXT)
        )
        self._settle(known & ~delivered, "closed")
        return known

    def _attempted(self, on_its_way: Mask) -> None:
        parcels, memory = self._parcels, self._memory
        count = parcels["attempt_count"].to_numpy(dtype=np.int64)
        fresh = self._fresh(on_its_way & (count > memory["attempts_told"].to_numpy()), "attempted")
        self._tell(
            "attempted",
            fresh,
            reason="nobody_took_it",
            occurred_at=parcels["attempted_at"],
            new_date=memory["current_date"],
            text="Delivery was tried and failed, attempt {count}.",
            count=pd.Series(count),
        )
        memory["attempts_told"] = np.maximum(memory["attempts_told"].to_numpy(), count)

    def _available(self, on_its_way: Mask) -> None:
        parcels, memory = self._parcels, self._memory
        known = on_its_way & parcels["available_at"].notna().to_numpy()
        self._tell(
            "available_for_pickup",
            self._fresh(known, "available") & ~memory["available_told"].to_numpy(),
            reason="waits_for_pickup",
            occurred_at=parcels["available_at"],
            new_date=memory["current_date"],
            text="The parcel waits to be picked up.",
        )
        memory["available_told"] |= known

    def _lost(self, on_its_way: Mask) -> None:
        memory, settings = self._memory, self._settings
        chance = self._parcels["lost_probability"].to_numpy(dtype=np.float64)
        was = memory["lost"].to_numpy()
        if settings.lost_above is None:
            likely = self._parcels["likely_lost"].to_numpy(dtype=bool)
        else:
            likely = chance >= settings.lost_above
        lost = on_its_way & (likely | (was & ~(chance < settings.found_below)))
        tell = lost & ~was
        memory["losses_told"] += tell
        self._tell(
            "likely_lost",
            tell,
            reason="silence",
            occurred_at=pd.Series(self._now, range(len(tell))),
            new_date=None,
            text="Nothing was heard for so long that the parcel is lost with {lost:.0%}.",
            count=memory["losses_told"],
        )
        memory["lost"] = lost

    def _dates(self, on_its_way: Mask) -> None:
        parcels, memory = self._parcels, self._memory
        talk = on_its_way & parcels["open"].to_numpy(dtype=bool) & ~memory["lost"].to_numpy()
        date = parcels["estimated_delivery_date"].to_numpy().astype("datetime64[D]")
        kept = 1.0 - parcels["late_probability"].to_numpy(dtype=np.float64)
        after, told, last_call = self._settings.policy.look_many(
            remembered_dates(memory),
            now=_utc(self._now),
            today=parcels["today"].to_numpy().astype("datetime64[D]"),
            date=np.where(talk, date, np.datetime64("NaT", "D")),
            confidence=parcels["confidence"].to_numpy(dtype=np.float64),
            kept=kept,
        )
        new_date = pd.Series(after.current.astype("datetime64[s]"))
        count = pd.Series(after.columns["changes"])
        for event, code, hurried in (
            ("delayed", DELAYED, False),
            ("delayed", DELAYED, True),
            ("earlier", EARLIER, False),
        ):
            reason = reason_of(code, last_call=hurried)
            self._tell(
                event,
                (told == code) & (last_call == hurried),
                reason=str(reason),
                occurred_at=pd.Series(self._now, range(len(told))),
                new_date=new_date,
                text=_DATE_TEXTS[str(reason)],
                count=count,
            )
        remember_dates(memory, after)

    def _fresh(self, rows: Mask, name: str) -> Mask:
        """Those of the rows whose event is not older than a first meeting allows."""
        oldest = self._now - pd.Timedelta(days=self._settings.most_age_days)
        recent = (self._parcels[f"{name}_known_at"] >= oldest).to_numpy()
        fresh: Mask = rows & (recent | ~self._new)
        return fresh

    def _settle(self, rows: Mask, name: str) -> None:
        known_at = self._parcels[f"{name}_known_at"]
        self._memory["settled_at"] = known_at.where(rows, self._memory["settled_at"])

    def _tell(
        self,
        event: str,
        rows: Mask,
        *,
        reason: str,
        occurred_at: pd.Series[Any],
        new_date: pd.Series[Any] | None,
        text: str,
        count: pd.Series[Any] | None = None,
    ) -> None:
        """Collect one kind of event; ``count`` tells those of one parcel apart."""
        if not rows.any():
            return
        parcels, memory = self._parcels[rows], self._memory[rows]
        old = memory["current_date"]
        none = pd.Series(pd.NaT, old.index, dtype="datetime64[s]")
        new = none if new_date is None else new_date[rows].astype("datetime64[s]")
        counts = [""] * len(old) if count is None else [str(n) for n in count[rows]]
        late = parcels["late_probability"].to_numpy(dtype=np.float64)
        lost = parcels["lost_probability"].to_numpy(dtype=np.float64)
        shipment = parcels["shipment_id"].tolist()
        self._found.append(
            pd.DataFrame(
                {
                    "event_id": [
                        event_id(one, event, number)
                        for one, number in zip(shipment, counts, strict=True)
                    ],
                    "event": event,
                    "shipment_id": shipment,
                    "order_id": parcels["order_id"].to_numpy(),
                    "occurred_at": occurred_at[rows].to_numpy(),
                    "as_of": self._now,
                    "reason": reason,
                    "text": [
                        text.format(
                            old=f"{before:%Y-%m-%d}",
                            new=None if pd.isna(after) else f"{after:%Y-%m-%d}",
                            count=number,
                            kept=1.0 - missed,
                            lost=gone,
                        )
                        for before, after, number, missed, gone in zip(
                            old, new, counts, late, lost, strict=True
                        )
                    ],
                    "original_date": memory["original_date"].to_numpy(),
                    "standing_date": old.to_numpy(),
                    "new_date": new.to_numpy(),
                    "confidence": parcels["confidence"].to_numpy(dtype=np.float64),
                    "late_probability": late,
                    "lost_probability": lost,
                    "model_version": self._version,
                }
            ).astype(EVENT_TYPES)
        )

    def _events(self) -> pd.DataFrame:
        if not self._found:
            return no_events()
        events = pd.concat(self._found, ignore_index=True)
        rank = events["event"].map({name: place for place, name in enumerate(EVENT_KINDS)})
        order = events.assign(rank=rank).sort_values(
            ["occurred_at", "shipment_id", "rank"], kind="stable"
        )
        return events.loc[order.index].reset_index(drop=True)


def no_events() -> pd.DataFrame:
    """A table of no events."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in EVENT_TYPES.items()})


def event_id(shipment_id: str, event: str, count: str = "") -> str:
    """The id of an event: the same whenever and however often it is found.

    Args:
        count: Which of that kind, where a parcel can have several.
    """
    return hashlib.sha256("\x1f".join((shipment_id, event, count)).encode()).hexdigest()[:32]


def _utc(moment: pd.Timestamp) -> np.datetime64:
    plain: np.datetime64 = moment.tz_convert("UTC").tz_localize(None).to_datetime64()
    return plain
