"""What stands behind a promise: cut-off, stages and hours; computed when it is asked for.

The quote path: imports numpy and the standard library only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from etapromise.calendars.dispatch import NO_CUT_OFF
from etapromise.encoding.pickup_days import PickupDays
from etapromise.encoding.requests import Requests
from etapromise.errors import ContractError
from etapromise.history.features import with_handling_codes
from etapromise.promise.contributions import CAUSES, contributions
from etapromise.promise.delivery_windows import TimeWindow, share_between, time_window
from etapromise.promise.service_levels import require_level
from etapromise.promise.stages import (
    HandOffTime,
    StageTime,
    StageTimes,
    both_stages,
    first_leg_time,
    stage_times,
)
from etapromise.promise.why import Why
from etapromise.promise.why_facts import order_facts

if TYPE_CHECKING:
    from etapromise.promise.model_core import ModelCore

__all__ = ["Explanation"]

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
_LONGEST_CLOSURE: Final = 120


class Explanation:
    """Of one order. Everything is computed once, on first demand."""

    def __init__(
        self,
        model: ModelCore,
        fields: Mapping[str, Any],
        requests: Requests,
        ordered_at: dt.datetime,
    ) -> None:
        """Take the shipment as it was asked for, and the one request that was made of it."""
        self._model = model
        self._fields = fields
        self._requests = requests
        self._ordered_at = ordered_at

    @cached_property
    def origin_zone(self) -> ZoneInfo:
        """The zone that the warehouse's cut-off is meant in."""
        fields = self._fields
        zone, _ = self._model.parts.encoder.zones.resolve(
            None,
            fields.get("origin_country"),
            fields.get("origin_region"),
            origin=fields.get("origin"),
        )
        return zone

    @cached_property
    def cut_off(self) -> dt.datetime | None:
        """The next moment (UTC) from which orders wait for a later working day.

        None where orders have been seen to count until midnight.
        """
        seconds = [
            sorted({int(self._pickup_days.cut_offs[0, weekday]), *self._stated[weekday]})
            for weekday in range(7)
        ]
        day = self._ordered_at.astimezone(self.origin_zone).date()
        for _ in range(_LONGEST_CLOSURE):
            if self._pickup_days.open_on(day.toordinal() - _EPOCH_ORDINAL):
                for second in seconds[day.weekday()]:
                    moment = _wall_clock(day, second, self.origin_zone)
                    if second < NO_CUT_OFF and moment > self._ordered_at:
                        return moment
            day += dt.timedelta(days=1)
        return None

    @property
    def _stated(self) -> list[list[int]]:
        """Seconds of the cut-offs that the calendar file states, by weekday: the later ones too."""
        text = self._model.manifest.get("calendars")
        return [[]] * 7 if text is None else _stated_cut_offs(text, self._fields.get("origin"))

    @cached_property
    def expires_at(self) -> dt.datetime:
        """Until when (UTC) the promise stands: the cut-off, or the origin's midnight."""
        local = self._ordered_at.astimezone(self.origin_zone)
        midnight = _wall_clock(local.date() + dt.timedelta(days=1), 0, self.origin_zone)
        return midnight if self.cut_off is None else min(self.cut_off, midnight)

    @property
    def has_stages(self) -> bool:
        """Whether the model was trained with them."""
        return self._model.parts.stages is not None

    @property
    def stages(self) -> tuple[StageTime, StageTime]:
        """Handling and transit.

        Raises:
            ContractError: the model was trained without them.
        """
        return self._stages

    @property
    def works(self) -> bool:
        """Whether the warehouse works on the day of the order."""
        return self._pickup_days.open_on(int(self._requests.anchor[0]))

    @property
    def works_on(self) -> list[bool]:
        """Whether the warehouse works on Monday … Sunday, holidays aside."""
        return self._pickup_days.week()

    def window(self, day: dt.date, probability: float) -> TimeWindow:
        """See `Explained.window`."""
        require_level(probability, "probability")
        zone, _ = self._model.parts.encoder.zones.resolve(
            self._fields.get("destination_time_zone"),
            self._fields.get("destination_country"),
            self._fields.get("destination_region"),
        )
        return time_window(self._model.parts.hours, self._brought, zone, day, probability)

    def share_between(self, day: dt.date, start: dt.time, end: dt.time) -> float:
        """Share of the deliveries of a day between two local times."""
        return share_between(self._model.parts.hours, self._brought, day, start, end)

    @property
    def hand_off(self) -> HandOffTime | None:
        """Who usually takes the parcel over and when; None where its own carrier brings it.

        Raises:
            ContractError: somebody does, and the model was trained without stages.
        """
        encoder = self._model.parts.encoder
        usual = None if encoder.hand_offs is None else encoder.hand_offs.of(self._fields)
        if usual is None:
            return None
        own = encoder.own_clock(self._fields, int(self._requests.clock[0]))
        return HandOffTime(
            usual.carrier,
            usual.share,
            first_leg_time(self._times, usual.first_leg, encoder.clocks, own, self._requests),
        )

    @property
    def _brought(self) -> Mapping[str, Any]:
        """The shipment as one of the carrier that brings it to the door."""
        hand_offs = self._model.parts.encoder.hand_offs
        return self._fields if hand_offs is None else hand_offs.delivering(self._fields)

    def why(self, service_level: float) -> Why:
        """See `Explained.why`."""
        parts = dict(
            zip(
                CAUSES,
                contributions(self._model, self._requests, service_level)[0].tolist(),
                strict=True,
            )
        )
        anchor = int(self._requests.anchor[0])
        begins = int(self._pickup_days.start[0])
        leaves = begins
        if self.has_stages:
            leaves = max(begins, anchor + self.stages[0].calendar_days[1])
        ordered, begun, left = (
            dt.date.fromordinal(day + _EPOCH_ORDINAL) for day in (anchor, begins, leaves)
        )
        return Why(
            days=round(sum(parts.values())),
            start=ordered,
            contributions=parts,
            facts=order_facts(
                parts,
                ordered=ordered,
                works=self.works,
                begins=begun,
                leaves=left,
                service_level=service_level,
            ),
        )

    @cached_property
    def _pickup_days(self) -> PickupDays:
        return PickupDays.of_fields(self._model.parts.encoder, self._fields, self._requests)

    @cached_property
    def _stages(self) -> tuple[StageTime, StageTime]:
        clocks = self._model.parts.encoder.clocks
        return both_stages(self._times, self._pickup_days, clocks, self._requests)

    @cached_property
    def _times(self) -> StageTimes:
        return stages_of(self._model, self._requests, self._pickup_days)


@lru_cache(maxsize=256)
def _stated_cut_offs(text: str, origin: str | None) -> list[list[int]]:
    from etapromise.calendars.calendar_file import CalendarFile  # noqa: PLC0415 — not all have one

    rules = {rule.origin: rule for rule in CalendarFile(text).warehouses}
    rule = rules.get(origin, rules.get(None))
    if rule is None:
        return [[]] * 7
    return [[cutoff.minute * 60 for cutoff in rule.cutoffs if cutoff.week[day]] for day in range(7)]


def stages_of(model: ModelCore, requests: Requests, pickup_days: PickupDays) -> StageTimes:
    """Pick-ups and ways of n requests.

    Raises:
        ContractError: the model was trained without stages.
    """
    parts = model.parts
    if parts.stages is None:
        raise ContractError(
            "Found a model without forests of handling and transit: it was trained with "
            "stages=False, or on hardly any pick-up scans. Train with stages and with scans such "
            "as picked_up, or read the promise's own dates."
        )
    x, offset = model.features.rows(requests, with_handling_codes(requests.codes))
    return stage_times(
        parts.stages,
        x=x,
        offset=offset,
        requests=requests,
        pickup_days=pickup_days,
        clocks=parts.encoder.clocks,
        duration_offset=parts.statistics.settings.offset,
        horizon=parts.horizon,
    )


def _wall_clock(day: dt.date, second: int, zone: ZoneInfo) -> dt.datetime:
    """The moment, in UTC, at which a local clock shows a second of the day; 86400 is midnight."""
    whole, rest = divmod(second, 86_400)
    at = dt.time(rest // 3600, rest % 3600 // 60, rest % 60)
    local = dt.datetime.combine(day + dt.timedelta(days=whole), at, zone)
    return local.astimezone(dt.UTC)
